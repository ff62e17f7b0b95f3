package profile

import (
	"net/http"
	"strconv"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// New is what a profile is made of.
type New struct {
	Slug            string // "" = derived from FullName (profiles.md 2.7)
	FullName        string
	Email           string
	Phone           string // E.164
	StreetAddress   string
	Locality        string
	Region          string
	PostalCode      string
	Country         string // ISO 3166-1 alpha-2
	DefaultTimezone string // IANA; "" = UTC
	Extra           string // JSON or text, "" = none
	Personal        bool   // of the user Manager, whose username it takes as slug
	Provider        bool   // is_provider
	CreatedBy       int64  // user, 0 = unknown
	Manager         int64  // user who manages it, 0 = nobody: a shadow
	RoleExtra       string // extra of that role
}

// Create makes a profile, and its manager when there is one, without any opt-in or event. Its slug is new in the one namespace of
// profiles and users; that of a personal profile is the username (decision 5). Errors: 400 on "slug".
func (s *Service) Create(tx *store.Tx, n New) (id int64, err error) {
	if n.Slug, err = s.slugOf(tx, n); err != nil {
		return 0, err
	}
	if n.DefaultTimezone == "" {
		n.DefaultTimezone = "UTC"
	}
	id, err = tx.Insert(`INSERT INTO profile (slug, created_at, created_by_id, full_name, email, phone, street_address, locality, region, postal_code,
		country, default_timezone, is_provider, processor_id, extra) VALUES (?, ?, nullif(?, 0), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		n.Slug, tx.Now(), n.CreatedBy, n.FullName, n.Email, n.Phone, n.StreetAddress, n.Locality, n.Region, n.PostalCode,
		n.Country, n.DefaultTimezone, n.Provider, processorID, null(n.Extra))
	if err != nil {
		return 0, err
	}
	s.dir.TouchProfile(tx, id)
	if n.Manager != 0 {
		role, err := managerRole(tx)
		if err != nil {
			return 0, err
		}
		_, _, err = s.GrantRole(tx, Grant{Profile: id, User: n.Manager, Role: role, AtOnce: true, Extra: n.RoleExtra})
		if err != nil {
			return 0, err
		}
	}
	return id, nil
}

var slugTaken = rest.Bad("slug", "This slug is already taken.")

// slugOf returns the slug of a new profile: the username, the slug asked for, or one made from the name or the e-mail address
// (profiles.md 2.7).
func (s *Service) slugOf(r store.Reader, n New) (string, error) {
	if n.Personal {
		var username string
		if err := r.QueryRow(`SELECT username FROM user WHERE id = ?`, n.Manager).Scan(&username); err != nil {
			return "", err
		}
		if n.Slug != "" && n.Slug != username {
			return "", rest.Invalid("slug", "A personal profile must use the username as slug.")
		}
		return username, s.nameFree(r, username, n.Manager, 0)
	}
	if n.Slug != "" {
		return n.Slug, s.nameFree(r, n.Slug, 0, 0)
	}
	slug, err := s.dir.ProfileSlug(r, n.FullName, n.Email)
	if err == nil && slug == "" {
		err = rest.Fail(http.StatusBadRequest, "Unable to create a unique URL slug from '"+n.FullName+"'")
	}
	return slug, err
}

// nameFree refuses a name that is reserved, or that is or was that of another user or profile (decisions 5 and 69).
func (s *Service) nameFree(r store.Reader, name string, user, profile int64) error {
	free, err := s.dir.NameFree(r, name, user, profile)
	if err == nil && !free {
		err = slugTaken
	}
	return err
}

// CountRename counts a rename; see directory.CountRename. Errors: 429.
func (s *Service) CountRename(tx *store.Tx, user, profile int64) error {
	wait, err := s.dir.CountRename(tx, user, profile)
	if err == nil && wait > 0 {
		err = rest.Throttled(wait)
	}
	return err
}

// Throttle counts a profile that a user creates for somebody else. Errors: 429 when there were too many within the hour.
func (s *Service) Throttle(tx *store.Tx, user int64) error {
	return rest.CountIn(tx, rest.LimitShadows, []rest.Bucket{{Name: "profile:" + strconv.FormatInt(user, 10), Most: s.settings.ShadowsPerHour}})
}
