package auth

import (
	"net/http"
	"slices"
	"strings"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// /api/users/{user} and /api/contacts/{user} name an active user, or else a contact (auth.md 15).

// subject returns the active user of a name with its contact of that slug, or else the contact alone. Errors: 404.
func subject(r store.Reader, name string) (u *user, c *contact, err error) {
	if u, err = activeUser(r, name); err != nil {
		return nil, nil, err
	}
	if c, err = contactBySlug(r, name); err != nil {
		return nil, nil, err
	}
	if u == nil && c != nil && c.User != 0 {
		// A contact under another name than its user's.
		if owner, err := userByID(r, c.User); err != nil {
			return nil, nil, err
		} else if owner != nil && owner.Active {
			u = owner
		}
	}
	if u == nil && c == nil {
		return nil, nil, rest.NotFound("User")
	}
	if u != nil && c != nil && c.User != u.ID {
		c = nil // nobody's, or somebody else's, that happens to have the name
	}
	return u, c, nil
}

// detail is a user, or a contact that is nobody's.
func (s *Service) detail(r store.Reader, u *user, c *contact) (directory.UserDetail, error) {
	if u == nil {
		return c.detail(), nil
	}
	return s.dir.UserDetail(r, u.ID)
}

// findAccount is the 404 that comes before a 400 (conventions.md 9.3).
func findAccount(c *rest.Call, r store.Reader) error {
	_, _, err := subject(r, c.Param("user"))
	return err
}

// An account is the answer of GET, PUT and PATCH of /api/users/{user}.
type account struct {
	ID directory.PublicID `json:"id,omitempty"` // for the user itself and the broker's staff only
	directory.UserDetail
	// Of GET, for the user itself and the broker's staff only.
	Addresses     []accountAddress `json:"addresses,omitempty"`
	EmailRequired *bool            `json:"email_verification_enabled,omitempty"`
	PhoneRequired *bool            `json:"phone_verification_enabled,omitempty"`

	Detail string `json:"detail,omitempty"` // of a successful update
}

// account is the answer about a user, or about a contact that is nobody's.
func (s *Service) account(c *rest.Call, r store.Reader, u *user, who *contact) (out account, err error) {
	if u != nil && (c.User != nil && u.ID == c.User.ID || c.Query.IsBrokerStaff()) { // nobody, by a rule of the gate
		if out.ID, err = directory.PublicIDOfUser(r, u.ID); err != nil {
			return out, err
		}
	}
	out.UserDetail, err = s.detail(r, u, who)
	return out, err
}

// readAccount is GET /api/users/{user}.
func (s *Service) readAccount(c *rest.Call, r store.Reader) (out account, err error) {
	u, who, err := subject(r, c.Param("user"))
	if err != nil {
		return out, err
	}
	if out, err = s.account(c, r, u, who); err == nil && out.ID != "" {
		err = out.proofs(r, u)
	}
	return out, err
}

// accountInput is the body of PUT and PATCH /api/users/{user}.
type accountInput struct {
	FullName  rest.Opt[string] `json:"full_name" in:"required"`
	Slug      rest.Opt[string] `json:"slug" validate:"max=50,slug"`
	Email     rest.Opt[string] `json:"email" in:"blank,null" validate:"max=254,email"`
	EmailCode code             `json:"email_code" in:"blank,null"`
	Phone     rest.Opt[string] `json:"phone" in:"blank,null" validate:"max=50,phone"`
	PhoneCode code             `json:"phone_code" in:"blank,null"`
	NickName  rest.Opt[string] `json:"nick_name" in:"blank" validate:"max=60"`
	Lang      rest.Opt[string] `json:"lang" validate:"max=8"`

	// Ask for the code of an address that is not proven: the one given, or else the one shown.
	CheckEmail bool `json:"check_email"`
	CheckPhone bool `json:"check_phone"`
	// TakeBack is the kind of address whose changes end that wait for their codes: email or phone.
	TakeBack string `json:"take_back" validate:"oneof=email phone"`

	// What proves again who the caller is, where an address of a user who has proven one changes.
	Password string `json:"password" in:"blank,null"`
	OTPCode  code   `json:"otp_code" in:"blank,null"`
}

// Check holds what tags cannot say.
func (in *accountInput) Check(*rest.Call) error {
	if err := (&codes{EmailCode: in.EmailCode, PhoneCode: in.PhoneCode, OTPCode: in.OTPCode}).check(); err != nil {
		return err
	}
	if err := checkName("full_name", in.FullName.Value); err != nil {
		return err
	}
	if err := checkName("nick_name", in.NickName.Value); err != nil {
		return err
	}
	if in.Lang.Value != "" {
		if in.Lang.Value = parseLang(in.Lang.Value); in.Lang.Value == "" {
			return rest.Invalid("lang", "Enter a valid language.")
		}
	}
	return nil
}

// updateAccount is PUT and PATCH /api/users/{user}. Codes are checked before the transaction, which counts wrong ones.
func (s *Service) updateAccount(c *rest.Call, in *accountInput) (out account, err error) {
	if in.CheckPhone && s.texts == nil {
		return out, rest.Bad("check_phone", "This site does not send text messages.")
	}
	email, phone := strings.ToLower(in.Email.Value), in.Phone.Value
	done, changed, err := s.reauthenticateMove(c, in, email, phone)
	if err != nil {
		return out, err
	}
	var pending []*channel
	waits := false
	for _, p := range []struct {
		ch            *channel
		address, code string
	}{{byEmail, email, in.EmailCode.padded()}, {byPhone, phone, in.PhoneCode.padded()}} {
		if p.code == "" {
			continue
		}
		if err := s.proveAddress(c, p.ch, p.address, p.code, changed); err != nil {
			return out, err
		}
	}
	err = c.Write(func(tx *store.Tx) error {
		if done != nil {
			if err := s.spend(tx, done); err != nil {
				return err
			}
		}
		u, who, err := subject(tx, c.Param("user"))
		if err != nil {
			return err
		}
		pending, waits = nil, false
		if in.TakeBack != "" && u != nil {
			if err := takeBack(tx, in.TakeBack, u.ID); err != nil {
				return err
			}
		}
		hide := s.set.HideAccountExistence && !c.Query.IsBrokerManager()
		steps := []struct {
			ch      *channel
			address *string
			code    string
		}{{byEmail, new(email), in.EmailCode.padded()}, {byPhone, new(phone), in.PhoneCode.padded()}}
		for _, step := range steps {
			if step.code != "" {
				if err := s.consumeFor(tx, step.ch, *step.address, step.code, u); err != nil {
					return err
				}
			}
			if u == nil {
				continue
			}
			held, err := heldByOther(tx, step.ch, *step.address, u)
			switch {
			case err != nil:
			case hide && step.code == "" && *step.address != "":
				// It waits for its proof, whoever has it: a phone that no code comes to, for the broker's word (decision 78).
				var mine bool
				switch mine, err = holds(tx, step.ch, *step.address, u); {
				case mine:
				case step.ch == byPhone && s.texts == nil:
					*step.address, waits = "", true
				default:
					*step.address = ""
					pending = append(pending, step.ch)
				}
			case held && step.code != "":
				err = s.takeAway(tx, step.ch, *step.address, u.ID)
			case held && step.ch == byPhone && s.texts == nil:
				err = phoneTaken // no code could ever come back
			case held:
				*step.address = "" // pending, until its code comes back
				pending = append(pending, step.ch)
			}
			if err != nil {
				return err
			}
		}
		if u != nil {
			err = s.updateUser(tx, u, in, *steps[0].address, *steps[1].address)
		} else {
			err = s.updateContact(tx, who, in, email, phone)
		}
		if err != nil {
			return err
		}
		for _, step := range steps {
			if u != nil && step.code != "" {
				if err := s.proved(tx, step.ch, *step.address, u.ID); err != nil {
					return err
				}
			}
		}
		if u == nil {
			if who, err = scanContact(tx.QueryRow(selectContact+`WHERE id = ?`, who.ID)); err != nil {
				return err
			}
		}
		out, err = s.account(c, tx, u, who)
		out.Detail = "The account was updated."
		if waits {
			out.Detail = "The account was updated. The phone counts once the site has confirmed it."
		}
		return err
	})
	for _, ch := range pending {
		if err != nil {
			break
		}
		address := email
		if ch == byPhone {
			address = phone
		}
		out.Detail = "The account was updated. Please bring back the code that was sent to " + address + " as " + ch.name + "_code."
		err = s.sendPending(c, ch, address, changed)
	}
	for _, step := range []struct {
		ch      *channel
		asked   bool
		address string
	}{{byEmail, in.CheckEmail, email}, {byPhone, in.CheckPhone, phone}} {
		if err == nil && step.asked && changed != 0 && !slices.Contains(pending, step.ch) {
			err = s.sendProof(c, step.ch, step.address, changed)
		}
	}
	return out, err
}

// reauthenticateMove has the caller prove again who it is before an address of a user who has proven one changes or another is added
// (decision 66); nil when nothing of the kind is asked for. changed is the user who changes, 0 for a contact of nobody.
func (s *Service) reauthenticateMove(c *rest.Call, in *accountInput, email, phone string) (done *confirmation, changed int64, err error) {
	needed := false
	err = c.Read(func(r store.Reader) error {
		u, _, err := subject(r, c.Param("user"))
		if err != nil || u == nil {
			return err
		}
		changed = u.ID
		if needed, err = moves(r, u, email, phone); err != nil || !needed {
			return err
		}
		needed, err = directory.AnyProven(r, u.ID)
		return err
	})
	if err != nil || !needed {
		return nil, changed, err
	}
	done, err = s.reauthenticate(c, &secrets{Password: in.Password, OTPCode: in.OTPCode})
	return done, changed, err
}

// proveAddress checks a code that a caller brings for an address of a user. Errors: 400 on "detail"; 429.
func (s *Service) proveAddress(c *rest.Call, ch *channel, address, code string, whose int64) error {
	who := &failing{call: c, door: rest.DoorAddress, typed: c.User.Username, account: &user{ID: c.User.ID, Username: c.User.Username}}
	place, err := s.attempt(c.Context(), who, c.User.Username)
	if err != nil {
		return err
	}
	defer place.done()
	ok, err := s.checkCode(c.Context(), ch, address, code, whose)
	if err == nil && !ok {
		err = failedWith(c.Context(), place, rest.ReasonCode, rest.Fail(http.StatusBadRequest, "This "+ch.name+"_code is wrong or has expired."))
	}
	return err
}

// updateUser carries out auth.md 15 on a user: name, rename with the personal profile, addresses, fields of all its contacts.
func (s *Service) updateUser(tx *store.Tx, u *user, in *accountInput, email, phone string) error {
	s.dir.TouchUser(tx, u.ID)
	if slug := in.Slug.Value; slug != "" && slug != u.Username {
		if err := s.renameAccount(tx, u, slug); err != nil {
			return err
		}
	}
	if full := in.FullName.Value; full != "" {
		firstName, last := splitName(full)
		if _, err := tx.Exec(`UPDATE user SET first_name = ?, last_name = ? WHERE id = ?`, firstName, last, u.ID); err != nil {
			return err
		}
		u.FirstName, u.LastName = firstName, last
	}
	if email != "" {
		delegate, err := delegateOf(tx, u.Email)
		if err != nil {
			return err
		}
		if delegate != "" {
			email = ""
		}
	}
	if err := s.moveAddresses(tx, u, email, phone); err != nil {
		return err
	}
	_, err := tx.Exec(`UPDATE contact SET full_name = coalesce(?, full_name), nick_name = CASE WHEN ? THEN ? ELSE nick_name END,
		lang = coalesce(?, lang) WHERE user_id = ?`,
		null(in.FullName.Value), in.NickName.Given, in.NickName.Value, null(in.Lang.Value), u.ID)
	return err
}

// renameAccount renames a user and its personal profile. Errors: 400 on "username" or "slug"; 429.
func (s *Service) renameAccount(tx *store.Tx, u *user, slug string) error {
	personal, err := s.profiles.Personal(tx, u.ID)
	if err != nil {
		return err
	}
	if err := s.rename(tx, u, slug); err != nil {
		return err
	}
	if personal == 0 {
		return nil
	}
	return s.profiles.RenameProfile(tx, personal, slug)
}

// updateContact carries out auth.md 15 on a contact that is nobody's.
func (s *Service) updateContact(tx *store.Tx, c *contact, in *accountInput, email, phone string) error {
	if in.Slug.Value != "" && in.Slug.Value != c.Slug {
		if err := s.usernameFree(tx, in.Slug.Value, 0, 0); err != nil {
			return err
		}
		if _, err := tx.Exec(`UPDATE contact SET slug = ? WHERE id = ?`, in.Slug.Value, c.ID); err != nil {
			return taken(err)
		}
	}
	_, err := tx.Exec(`UPDATE contact SET full_name = coalesce(?, full_name), nick_name = CASE WHEN ? THEN ? ELSE nick_name END,
		lang = coalesce(?, lang) WHERE id = ?`,
		null(in.FullName.Value), in.NickName.Given, in.NickName.Value, null(in.Lang.Value), c.ID)
	if err != nil {
		return err
	}
	if err := addressesFree(tx, email, phone, 0); err != nil {
		return err
	}
	return s.putAddresses(tx, c, email, phone)
}
