package profile

import (
	"encoding/json"
	"errors"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// newInput is the body of POST /api/users/{user}/profiles and of POST /api/accounts/profiles (profiles.md 7.2, 8.2).
type newInput struct {
	FullName        string                    `json:"full_name" in:"required" validate:"max=100,plain"`
	Slug            rest.Opt[string]          `json:"slug" validate:"max=50,slug"`
	Email           rest.Opt[string]          `json:"email" validate:"max=254,email"`
	Type            rest.Opt[string]          `json:"type"`
	Phone           rest.Opt[string]          `json:"phone" in:"blank" validate:"phone"`
	StreetAddress   rest.Opt[string]          `json:"street_address" in:"blank" validate:"max=150"`
	Locality        rest.Opt[string]          `json:"locality" in:"blank" validate:"max=50"`
	Region          rest.Opt[string]          `json:"region" in:"blank" validate:"max=50"`
	PostalCode      rest.Opt[string]          `json:"postal_code" in:"blank" validate:"max=50"`
	Country         rest.Opt[string]          `json:"country" in:"blank" validate:"country"`
	DefaultTimezone rest.Opt[string]          `json:"default_timezone" validate:"max=100,timezone"`
	Extra           rest.Opt[json.RawMessage] `json:"extra" in:"null"`
}

// Check holds what tags cannot say.
func (in *newInput) Check(*rest.Call) error {
	if kind := in.Type.Or("organization"); kind != "organization" && kind != "personal" {
		return rest.Invalid("type", "type must be one of 'personal' or 'organization'.")
	}
	return nil
}

func (in *newInput) personal() bool { return in.Type.Value == "personal" }

// profile is what the body says of the new profile.
func (in *newInput) profile(createdBy int64) New {
	return New{
		Slug: in.Slug.Value, FullName: in.FullName, Email: in.Email.Value, Phone: in.Phone.Value, StreetAddress: in.StreetAddress.Value,
		Locality: in.Locality.Value, Region: in.Region.Value, PostalCode: in.PostalCode.Value, Country: in.Country.Value,
		DefaultTimezone: in.DefaultTimezone.Value, Extra: text(directory.ExtraText(in.Extra.Value)), CreatedBy: createdBy,
	}
}

var emailRequired = rest.Invalid("email", "This field is required.")

// createConnected makes a profile that {user} manages, or turns the personal profile of {user} into an organization.
func (s *Service) createConnected(c *rest.Call, tx *store.Tx, in *newInput) (any, error) {
	user, err := findUser(tx, c.Param("user"))
	if err != nil {
		return nil, err
	}
	convert, err := c.QueryBool("convert_from_personal", false)
	if err != nil {
		return nil, err
	}
	if convert {
		return s.convert(tx, user, in)
	}
	if err := c.Count(tx, rest.LimitProfiles); err != nil {
		return nil, err
	}
	n := in.profile(c.User.ID)
	n.Personal, n.Manager = in.personal(), user
	if n.Email == "" {
		if err := tx.QueryRow(`SELECT coalesce(email, '') FROM user WHERE id = ?`, user).Scan(&n.Email); err != nil {
			return nil, err
		}
	}
	if n.Email == "" {
		return nil, emailRequired
	}
	if n.Personal {
		if err := s.copyToUser(c, tx, user, &n); err != nil {
			return nil, err
		}
	}
	return s.created(c, tx, n)
}

func (s *Service) created(c *rest.Call, tx *store.Tx, n New) (*directory.ProfileDetail, error) {
	id, err := s.Create(tx, n)
	if err != nil {
		return nil, err
	}
	d, err := s.dir.ProfileDetail(tx, id, false)
	c.Created("")
	return &d, err
}

// copyToUser carries the name and the address of a new personal profile over to its user (profiles.md 1.1). While the address waits
// for its proof, the profile has that of the user.
func (s *Service) copyToUser(c *rest.Call, tx *store.Tx, user int64, n *New) error {
	var name, email string
	err := tx.QueryRow(`SELECT trim(first_name || ' ' || last_name), coalesce(email, '') FROM user WHERE id = ?`, user).Scan(&name, &email)
	if err != nil {
		return err
	}
	changed := New{FullName: n.FullName, Email: n.Email}
	if n.FullName == name {
		changed.FullName = ""
	}
	if n.Email == email {
		changed.Email = ""
	}
	if changed.FullName == "" && changed.Email == "" {
		return nil
	}
	s.dir.TouchUser(tx, user)
	waits, err := s.users.UpdateFromProfile(c, tx, user, changed.FullName, changed.Email)
	if waits {
		n.Email = email
	}
	return err
}

type converted struct {
	Detail string `json:"detail"`
}

// convert gives the personal profile of a user another name and slug, so that it is an organization which the user manages.
func (s *Service) convert(tx *store.Tx, user int64, in *newInput) (*converted, error) {
	id, err := s.Personal(tx, user)
	if err != nil {
		return nil, err
	}
	if id == 0 {
		return nil, rest.Bad("detail", "Invalid request.")
	}
	var p row
	if err := tx.QueryRow(selectProfile+`WHERE id = ?`, id).Scan(p.dest()...); err != nil {
		return nil, err
	}
	if err := s.renamable(&p); err != nil {
		return nil, err
	}
	slug, err := s.slugOf(tx, New{Slug: in.Slug.Value, FullName: in.FullName})
	if err != nil {
		return nil, err
	}
	if err := s.CountRename(tx, 0, id); err != nil {
		return nil, err
	}
	if _, err := tx.Exec(`UPDATE profile SET full_name = ? WHERE id = ?`, in.FullName, id); err != nil {
		return nil, err
	}
	s.dir.TouchUser(tx, user)
	return &converted{"Successfully converted personal profile to organization."}, s.RenameProfile(tx, id, slug)
}

// createShadow makes a profile that nobody manages, for anybody who is logged in (decision 4). A personal one comes with a user
// without a password, unless it is the caller's own, or the broker makes it for a user who is there.
func (s *Service) createShadow(c *rest.Call, tx *store.Tx, in *newInput) (*directory.ProfileDetail, error) {
	n := in.profile(c.User.ID)
	if in.personal() {
		if err := s.personalShadow(c, tx, &n); err != nil {
			return nil, err
		}
	}
	if n.Email == "" {
		return nil, emailRequired
	}
	if err := s.Throttle(tx, c.User.ID); err != nil {
		return nil, err
	}
	return s.created(c, tx, n)
}

// personalShadow finds or makes the user of a personal profile. Where it is not told whether somebody has the address already, no user
// may be made of it: the profile waits for its holder, as one that a grant makes (decision 78).
func (s *Service) personalShadow(c *rest.Call, tx *store.Tx, n *New) (err error) {
	if n.Slug == "" {
		if n.Slug, err = s.slugOf(tx, New{FullName: n.FullName, Email: n.Email}); err != nil {
			return err
		}
	}
	var email string
	err = tx.QueryRow(`SELECT id, username, coalesce(email, '') FROM user WHERE username = ? AND is_active = 1`, n.Slug).Scan(&n.Manager, &n.Slug, &email)
	switch {
	case err == nil && n.Manager != c.User.ID && !c.Query.IsBrokerManager():
		return slugTaken
	case err == nil:
		if n.Email == "" {
			n.Email = email
		}
		n.Personal = true
		return s.copyToUser(c, tx, n.Manager, n)
	case !errors.Is(err, store.ErrNotFound):
		return err
	case n.Email == "":
		return emailRequired
	}
	if err := s.nameFree(tx, n.Slug, 0, 0); err != nil {
		return err
	}
	if s.hides(c) {
		return nil
	}
	if err := emailFree(tx, n.Email); err != nil {
		return err
	}
	n.Personal = true
	n.Manager, err = s.users.NewUser(tx, n.Slug, n.Email, n.FullName)
	return err
}

// emailFree refuses to make a user of an address that one has.
func emailFree(r store.Reader, email string) error {
	holders, err := directory.HoldersOf(r, directory.Email, email)
	if err == nil && len(holders) > 0 {
		err = rest.Bad("email", "This email is already taken.")
	}
	return err
}
