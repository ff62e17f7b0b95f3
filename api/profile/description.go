package profile

import (
	"cmp"
	"database/sql"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// A RoleDescription is a type of role, global or of one profile (profiles.md 5.5).
type RoleDescription struct {
	CreatedAt    store.Time              `json:"created_at"`
	Slug         string                  `json:"slug"`
	Title        string                  `json:"title"`
	SkipOptIn    bool                    `json:"skip_optin_on_grant"`
	ImplicitRole bool                    `json:"implicit_create_on_none"`
	OTPRequired  bool                    `json:"otp_required"`
	IsGlobal     bool                    `json:"is_global"`
	Profile      *directory.ProfileShort `json:"profile"` // its owner
	Extra        json.RawMessage         `json:"extra"`
	Editable     bool                    `json:"editable"`

	id int64
}

// describe are the columns of a description d and of its owner o, as scanDescription reads them.
const describe = `d.id, d.created_at, d.slug, d.title, d.skip_optin_on_grant, d.implicit_create_on_none, d.otp_required, d.extra,
	o.slug, o.full_name, o.picture, o.created_at`

// descriptionFields reads the columns of describe, all of them NULL for a request of no role in particular.
type descriptionFields struct {
	id                             sql.NullInt64
	created, ownerCreated          store.Time
	slug, title                    sql.NullString
	extra                          *string
	skip, implicit, otp            sql.NullBool
	ownerSlug, ownerName, ownerPic sql.NullString
}

func (f *descriptionFields) dest() []any {
	return []any{&f.id, &f.created, &f.slug, &f.title, &f.skip, &f.implicit, &f.otp, &f.extra,
		&f.ownerSlug, &f.ownerName, &f.ownerPic, &f.ownerCreated}
}

// description returns the wire form for a caller who may edit those that by says, nil for NULL columns. The owner is not
// decorated: always an organization (profiles.md 5.5).
func (f *descriptionFields) description(by editor) *RoleDescription {
	if !f.id.Valid {
		return nil
	}
	d := &RoleDescription{
		id: f.id.Int64, CreatedAt: f.created, Slug: f.slug.String, Title: f.title.String, SkipOptIn: f.skip.Bool,
		ImplicitRole: f.implicit.Bool, OTPRequired: f.otp.Bool, IsGlobal: !f.ownerSlug.Valid,
		Extra: directory.Extra(f.extra), Editable: by(f.ownerSlug.String),
	}
	if f.ownerSlug.Valid {
		d.Profile = &directory.ProfileShort{Slug: f.ownerSlug.String, PrintableName: f.ownerName.String, Type: "organization", CreatedAt: f.ownerCreated}
		if d.Profile.PrintableName == "" {
			d.Profile.PrintableName = d.Profile.Slug
		}
		if f.ownerPic.String != "" {
			d.Profile.Picture = &f.ownerPic.String
		}
	}
	return d
}

// An editor tells whether a caller may edit the descriptions of an owner; "" is the owner of the global ones.
type editor func(owner string) bool

// findDescription returns a description of a profile or a global one by its slug, nil when there is none.
func findDescription(r store.Reader, profile int64, slug string, by editor) (*RoleDescription, error) {
	var f descriptionFields
	err := r.QueryRow(`SELECT `+describe+` FROM role_description d LEFT JOIN profile o ON o.id = d.profile_id
		WHERE d.slug = ? AND (d.profile_id IS NULL OR d.profile_id = ?) ORDER BY d.profile_id LIMIT 1`, slug, profile).Scan(f.dest()...)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return f.description(by), err
}

// grantable finds the description that a path names: exactly, else in lower case, else without one "s" at the end ("managers";
// profiles.md 9.2). Errors: 404.
func grantable(r store.Reader, profile int64, slug string, by editor) (*RoleDescription, error) {
	lower := strings.ToLower(slug)
	for _, try := range [3]string{slug, lower, strings.TrimSuffix(lower, "s")} {
		if d, err := findDescription(r, profile, try, by); d != nil || err != nil {
			return d, err
		}
	}
	return nil, rest.Fail(http.StatusNotFound, "RoleDescription '"+slug+"' does not exist.")
}

// describedRole finds a description by its very slug. Errors: 404.
func describedRole(r store.Reader, profile int64, slug string, by editor) (*RoleDescription, error) {
	d, err := findDescription(r, profile, slug, by)
	if d == nil && err == nil {
		err = rest.Fail(http.StatusNotFound, "RoleDescription '"+slug+"' does not exist.")
	}
	return d, err
}

// maxDescriptions is how many descriptions a profile has of its own at the most (decision 77).
const maxDescriptions = 200

var titleTaken = rest.Bad("title", "This title is already taken.")

// createDescription adds a description, a global one when owner is 0. Its slug is derived from the title. Errors: 400 on "title"
// when that is the slug of a global description, or a word of the API's paths.
func createDescription(tx *store.Tx, owner int64, in *descriptionInput) (slug string, err error) {
	err = rest.AtMost(tx, maxDescriptions, "A profile has at most 200 types of role. Delete one first.",
		`SELECT 1 FROM role_description WHERE profile_id = ?`, owner) // never for the global ones: those are the broker's
	if err != nil {
		return "", err
	}
	base := directory.Slugify(in.Title.Value)
	if base == "" {
		base = directory.SlugSuffix()
	}
	taken := base == "describe" || base == "accept" // words of the paths of roles
	if !taken {
		taken, err = exists(tx, `SELECT EXISTS (SELECT 1 FROM role_description WHERE slug = ? AND profile_id IS NULL)`, base)
	}
	if err != nil {
		return "", err
	}
	if !taken {
		slug, err = directory.FreeName(base, 42, 50, directory.SlugSuffix, func(slug string) (bool, error) {
			if owner == 0 { // a global one: nobody's may have it
				used, err := exists(tx, `SELECT EXISTS (SELECT 1 FROM role_description WHERE slug = ?)`, slug)
				return !used, err
			}
			used, err := exists(tx, `SELECT EXISTS (SELECT 1 FROM role_description WHERE slug = ? AND profile_id IS NULL)
				OR EXISTS (SELECT 1 FROM role_description WHERE slug = ? AND profile_id = ?)`, slug, slug, owner)
			return !used, err
		})
	}
	if err != nil || slug == "" {
		return "", cmp.Or(err, error(titleTaken))
	}
	_, err = tx.Exec(`INSERT INTO role_description (created_at, slug, profile_id, title, skip_optin_on_grant, implicit_create_on_none, otp_required, extra)
		VALUES (?, ?, nullif(?, 0), ?, ?, ?, ?, ?)`, tx.Now(), slug, owner, in.Title.Value, in.SkipOptIn.Value, in.ImplicitRole.Value, in.OTPRequired.Value, directory.ExtraText(in.Extra.Value))
	return slug, err
}

// exists runs a query for a yes or no.
func exists(r store.Reader, query string, args ...any) (yes bool, err error) {
	err = r.QueryRow(query, args...).Scan(&yes)
	return yes, err
}

// updateDescription changes what is given.
func (s *Service) updateDescription(tx *store.Tx, d *RoleDescription, in *descriptionInput) error {
	_, err := tx.Exec(`UPDATE role_description SET title = ?, skip_optin_on_grant = ?, implicit_create_on_none = ?, otp_required = ?,
		extra = CASE WHEN ? THEN ? ELSE extra END WHERE id = ?`,
		in.Title.Or(d.Title), in.SkipOptIn.Or(d.SkipOptIn), in.ImplicitRole.Or(d.ImplicitRole), in.OTPRequired.Or(d.OTPRequired),
		in.Extra.Given, directory.ExtraText(in.Extra.Value), d.id)
	if err == nil && in.OTPRequired.Or(d.OTPRequired) != d.OTPRequired {
		err = s.touchDescribed(tx, d.id)
	}
	return err
}

// deleteDescription removes a description and every role, invitation and request of it. Errors: 400 for "manager" and
// "contributor", and for one in use unless force.
func (s *Service) deleteDescription(tx *store.Tx, d *RoleDescription, force bool) error {
	if d.IsGlobal && (d.Slug == Manager || d.Slug == Contributor) {
		return rest.Bad("detail", "The role '"+d.Slug+"' cannot be deleted.")
	}
	if !force {
		used, err := exists(tx, `SELECT EXISTS (SELECT 1 FROM role WHERE role_description_id = ?)`, d.id)
		if err != nil {
			return err
		}
		if used {
			return rest.Bad("detail", "The role '"+d.Slug+"' is in use.")
		}
	}
	if err := s.touchDescribed(tx, d.id); err != nil {
		return err
	}
	_, err := tx.Exec(`DELETE FROM role_description WHERE id = ?`, d.id)
	return err
}

// touchDescribed drops what is cached about everybody with a role of a description: what is cached about the profiles, and with
// them their members.
func (s *Service) touchDescribed(tx *store.Tx, description int64) error {
	profiles, err := store.Column[int64](tx, `SELECT DISTINCT profile_id FROM role WHERE role_description_id = ?`, description)
	s.dir.TouchProfile(tx, profiles...)
	return err
}
