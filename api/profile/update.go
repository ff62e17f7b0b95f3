package profile

import (
	"encoding/json"
	"strings"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// updateInput is the body of PUT and PATCH /api/profile/{profile} (profiles.md 6.2). PATCH requires nothing.
type updateInput struct {
	FullName        rest.Opt[string]          `json:"full_name" in:"required" validate:"max=100,plain"`
	Slug            rest.Opt[string]          `json:"slug" validate:"max=50,slug"`
	Email           rest.Opt[string]          `json:"email" validate:"max=254,email"`
	Phone           rest.Opt[string]          `json:"phone" in:"blank" validate:"phone"`
	StreetAddress   rest.Opt[string]          `json:"street_address" in:"blank" validate:"max=150"`
	Locality        rest.Opt[string]          `json:"locality" in:"blank" validate:"max=50"`
	Region          rest.Opt[string]          `json:"region" in:"blank" validate:"max=50"`
	PostalCode      rest.Opt[string]          `json:"postal_code" in:"blank" validate:"max=50"`
	Country         rest.Opt[string]          `json:"country" in:"blank" validate:"country"`
	DefaultTimezone rest.Opt[string]          `json:"default_timezone" validate:"max=100,timezone"`
	Picture         rest.Opt[string]          `json:"picture" in:"null,blank" validate:"max=2083,url"`
	NoImplicitRole  rest.Opt[bool]            `json:"no_implicit_role"`
	IsProvider      rest.Opt[bool]            `json:"is_provider"`
	IsBulkBuyer     rest.Opt[bool]            `json:"is_bulk_buyer"`
	ConfirmedDomain rest.Opt[string]          `json:"confirmed_domain" in:"blank" validate:"max=253"`
	Extra           rest.Opt[json.RawMessage] `json:"extra" in:"null"`
}

func (s *Service) updateProfile(c *rest.Call, tx *store.Tx, in *updateInput) (*Detail, error) {
	p, err := writableProfile(tx, c.Param("profile"))
	if err != nil {
		return nil, err
	}
	before, err := s.dir.ProfileDetail(tx, p.ID, false)
	if err != nil {
		return nil, err
	}
	broker := c.Query.IsBrokerManager()
	if !broker {
		in.IsProvider.Given, in.IsBulkBuyer.Given, in.ConfirmedDomain.Given = false, false, false
	}
	if err := s.confirmDomain(tx, p.ID, in.ConfirmedDomain); err != nil {
		return nil, err
	}
	waits, err := s.updateUser(c, tx, p, before, in, broker)
	if err != nil {
		return nil, err
	}
	email := in.Email.Value
	if waits {
		in.Email.Value = before.Email
	}
	if err := saveProfile(tx, p.ID, before, in); err != nil {
		return nil, err
	}
	s.dir.TouchProfile(tx, p.ID)
	after, err := s.dir.ProfileDetail(tx, p.ID, false)
	if err != nil {
		return nil, err
	}
	if changes := notice.ProfileChanges(before, after); len(changes) > 0 {
		err = s.notices.Emit(tx, &notice.ProfileUpdated{Profile: notice.Profile{ID: p.ID}, OriginatedBy: notice.ByUser(c.User.ID), Changes: changes})
		if err != nil {
			return nil, err
		}
	}
	d, err := s.detail(c, tx, p.ID)
	if err == nil {
		d.Message = "Profile was updated."
	}
	if err == nil && waits {
		d.Message = "Profile was updated. Please bring back the code that was sent to " + email + " as email_code of the user."
	}
	return d, err
}

// confirmDomain writes the e-mail domain that the broker confirms to be that of a profile: people with a verified address there get
// its implicit roles (decision 68). Errors: 400 for what is no domain, and for one of a public mail provider.
func (s *Service) confirmDomain(tx *store.Tx, profile int64, domain rest.Opt[string]) error {
	if !domain.Given {
		return nil
	}
	name := strings.ToLower(strings.TrimPrefix(domain.Value, "@"))
	switch {
	case name == "":
	case s.public[name]:
		return rest.Invalid("confirmed_domain", "Everybody can have an address at this domain.")
	case strings.Contains(name, "@") || rest.ParseEmail("someone@"+name) == "":
		return rest.Invalid("confirmed_domain", "Enter a valid domain name.")
	}
	_, err := tx.Exec(`UPDATE profile SET confirmed_domain = ? WHERE id = ?`, name, profile)
	return err
}

func saveProfile(tx *store.Tx, id int64, before directory.ProfileDetail, in *updateInput) error {
	picture := before.Picture
	if in.Picture.Given {
		picture = nil
		if in.Picture.Value != "" {
			picture = &in.Picture.Value
		}
	}
	_, err := tx.Exec(`UPDATE profile SET slug = ?, full_name = ?, email = ?, phone = ?, street_address = ?, locality = ?, region = ?, postal_code = ?,
		country = ?, default_timezone = ?, picture = ?, no_implicit_role = ?, is_provider = ?, is_bulk_buyer = ?,
		extra = CASE WHEN ? THEN ? ELSE extra END WHERE id = ?`,
		in.Slug.Or(before.Slug), in.FullName.Or(before.FullName), in.Email.Or(before.Email), in.Phone.Or(before.Phone),
		in.StreetAddress.Or(before.StreetAddress), in.Locality.Or(before.Locality), in.Region.Or(before.Region), in.PostalCode.Or(before.PostalCode),
		in.Country.Or(before.Country), in.DefaultTimezone.Or(before.DefaultTimezone), picture, in.NoImplicitRole.Or(before.NoImplicitRole),
		in.IsProvider.Or(before.IsProvider), in.IsBulkBuyer.Or(before.IsBulkBuyer), in.Extra.Given, directory.ExtraText(in.Extra.Value), id)
	return err
}

// updateUser carries over to the user of a personal profile what changes of its name, e-mail address and slug (profiles.md 1.1,
// 6.3), as far as the caller may write that user's account: the user itself and the broker (decision 29). Of a value that
// somebody else wrote earlier nothing is carried over, or it would take the account over at the user's own next write. waits says that
// the address is none of the profile yet: another user may have it.
func (s *Service) updateUser(c *rest.Call, tx *store.Tx, p *row, before directory.ProfileDetail, in *updateInput,
	broker bool) (waits bool, err error) {
	user, err := attachedUser(tx, p.ID)
	if err != nil {
		return false, err
	}
	mine := user == 0 || broker || c.User.ID == user
	if slug := in.Slug.Or(p.Slug); slug != p.Slug {
		if err := s.renamable(p); err != nil {
			return false, err
		}
		if !mine {
			return false, rest.Invalid("slug", "Only its user can rename a personal profile.")
		}
		if err := s.nameFree(tx, slug, user, p.ID); err != nil {
			return false, err
		}
		if err := s.leaveSlug(tx, p, user, slug); err != nil {
			return false, err
		}
	}
	if user == 0 || !mine {
		return false, nil
	}
	var name, email string
	if n := in.FullName.Or(before.FullName); n != before.FullName {
		name = n
	}
	if e := in.Email.Or(before.Email); e != before.Email {
		email = e
	}
	if name == "" && email == "" {
		return false, nil
	}
	s.dir.TouchUser(tx, user)
	return s.users.UpdateFromProfile(c, tx, user, name, email)
}

// leaveSlug prepares a profile for another slug. The user of a personal one is renamed with it, which counts as one rename.
func (s *Service) leaveSlug(tx *store.Tx, p *row, user int64, slug string) error {
	if user != 0 {
		return s.users.RenameUser(tx, user, slug)
	}
	if err := s.CountRename(tx, 0, p.ID); err != nil {
		return err
	}
	return s.dir.LeaveName(tx, p.Slug, 0, p.ID)
}

// renamable refuses the two profiles that the configuration names.
func (s *Service) renamable(p *row) error {
	switch {
	case p.Slug == s.dir.Broker():
		return rest.Invalid("slug", "The broker profile cannot be renamed.")
	case p.ID == processorID:
		return rest.Invalid("slug", "The profile of the payment processor cannot be renamed.")
	}
	return nil
}

// Personal returns the personal profile of a user, 0 when there is none.
func (s *Service) Personal(r store.Reader, user int64) (profile int64, err error) {
	ids, err := store.Column[int64](r, `SELECT p.id FROM user u JOIN profile p ON p.slug = u.username JOIN role r ON r.profile_id = p.id AND r.user_id = u.id
		WHERE u.id = ?`, user)
	if len(ids) > 0 {
		profile = ids[0]
	}
	return profile, err
}

// Rename gives a profile that no person has a slug that nobody has: the operator's way to rename the broker. Errors: 400.
func (s *Service) Rename(tx *store.Tx, profile int64, slug string) error {
	if err := s.nameFree(tx, slug, 0, profile); err != nil {
		return err
	}
	return s.RenameProfile(tx, profile, slug)
}

// RenameProfile gives a profile another slug, which the caller has checked, and keeps the one before for it where it was used. The
// user of a personal profile is renamed by the caller as well.
func (s *Service) RenameProfile(tx *store.Tx, profile int64, slug string) error {
	var was string
	if err := tx.QueryRow(`SELECT slug FROM profile WHERE id = ?`, profile).Scan(&was); err != nil {
		return err
	}
	user, err := attachedUser(tx, profile)
	if err != nil {
		return err
	}
	if err := s.dir.LeaveName(tx, was, user, profile); err != nil {
		return err
	}
	_, err = tx.Exec(`UPDATE profile SET slug = ? WHERE id = ?`, slug, profile)
	s.dir.TouchProfile(tx, profile)
	return err
}
