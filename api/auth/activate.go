package auth

import (
	"context"
	"net/http"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

var errLink = rest.Fail(http.StatusBadRequest, "This link is wrong or has expired.")

// linked finds who a verification key was sent to. Errors: 400 when it is unknown or has expired.
func (s *Service) linked(r store.Reader, key string, caller int64) (p *proof, ch *channel, u *user, c *contact, err error) {
	if p, ch, err = s.proofByKey(r, key); err != nil {
		return nil, nil, nil, nil, err
	}
	if p == nil {
		return nil, nil, nil, nil, errLink
	}
	if c, err = scanContact(r.QueryRow(selectContact+`WHERE id = ?`, p.contact)); err != nil {
		return nil, nil, nil, nil, err
	}
	if p.user != 0 {
		if u, err = userByID(r, p.user); err == nil && (u == nil || !u.Active) {
			err = errLink
		}
		if err == nil && p.verifiedAt.IsZero() && p.user != caller {
			// An account with proven addresses is recovered by those alone.
			var proven bool
			if proven, err = directory.AnyProven(r, p.user); proven {
				err = errLink
			}
		}
	}
	return p, ch, u, c, err
}

// activation is GET /api/auth/{verification_key}: whose account it is, to fill in a form.
func (s *Service) activation(c *rest.Call, r store.Reader) (out directory.UserDetail, err error) {
	_, _, u, who, err := s.linked(r, c.Param("verification_key"), callerID(c))
	if err != nil {
		return out, badLink(c, err)
	}
	if u == nil {
		return who.detail(), nil
	}
	return s.dir.UserDetail(r, u.ID)
}

// activateInput is the body of POST /api/auth/{verification_key}.
type activateInput struct {
	NewPassword string `json:"new_password" in:"required,verbatim"`
	FullName    string `json:"full_name" in:"blank,null"`
	personInput
}

// Check holds what concerns several fields.
func (in *activateInput) Check(*rest.Call) error { return in.personInput.checkPerson(in.FullName) }

// activate is POST /api/auth/{verification_key}. What is known of the contact and its user stands in for what the body leaves out;
// the address that the key was sent to is the one that counts.
func (s *Service) activate(c *rest.Call, in *activateInput) (out tokenOutput, err error) {
	if err := s.checkPassword("new_password", in.NewPassword); err != nil {
		return out, err
	}
	e := &entry{door: activateDoor, newPassword: in.NewPassword, newGiven: true}
	if err := in.personInput.fill(c, e); err != nil {
		return out, err
	}
	e.emailCode, e.phoneCode = "", ""
	err = c.Read(func(r store.Reader) error {
		p, ch, u, who, err := s.linked(r, c.Param("verification_key"), callerID(c))
		if err != nil {
			return err
		}
		e.link, e.linkVia = p, ch
		e.person = person{
			FullName: first(in.FullName, who.FullName), NickName: first(in.NickName, who.NickName),
			Lang: first(in.Lang, who.Lang), Picture: who.Picture, Extra: first(e.person.Extra, who.Extra),
		}
		e.id = identifier{Email: first(e.id.Email, who.Email), Phone: first(e.id.Phone, who.Phone)}
		if ch == byEmail {
			e.id.Email = p.address
		} else {
			e.id.Phone = p.address
		}
		if u != nil {
			// Whose link it is, is known: other addresses that are told do not change that.
			e.id = identifier{Username: u.Username}
		}
		return nil
	})
	if err == nil {
		out.Token, err = s.enter(c, e)
		out.Lost = e.lost
		c.Created("")
	}
	return out, badLink(c, err)
}

// callerID is the user who makes a request, 0 for nobody.
func callerID(c *rest.Call) int64 {
	if c.User == nil {
		return 0
	}
	return c.User.ID
}

// first is the first text that is not empty.
func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// reactivateOutput is the answer of POST /api/users/{user}/activate.
type reactivateOutput struct {
	directory.UserDetail
	Detail string `json:"detail"`
}

// reactivate is POST /api/users/{user}/activate: the activation message once more. Errors: 404; 400 for a user who has a password
// or nobody with an e-mail address; 429.
func (s *Service) reactivate(c *rest.Call, tx *store.Tx, _ *rest.None) (out reactivateOutput, err error) {
	u, who, err := subject(tx, c.Param("user"))
	if err != nil {
		return out, err
	}
	var email string
	if u != nil {
		if usable(u.Password) {
			return out, rest.Fail(http.StatusBadRequest, "This user is active already.")
		}
		if email, err = reachable(tx, u); err != nil {
			return out, err
		}
	}
	if email == "" && who != nil && u == nil {
		email = who.Email
	}
	if email == "" {
		return out, rest.Fail(http.StatusBadRequest, "This user has no email.")
	}
	if err := c.Count(tx, rest.LimitInvitations); err != nil {
		return out, err
	}
	p, err := s.prepare(tx, byEmail, email, u, person{})
	if err != nil {
		return out, err
	}
	if err := s.mail(tx, p, true); err != nil {
		return out, err
	}
	out.Detail = "The activation message was sent to " + email + "."
	out.UserDetail, err = s.detail(tx, u, who)
	return out, err
}

// remind sends the activation message to a user without a password, unless one was sent within the last 10 minutes.
func (s *Service) remind(ctx context.Context, id int64) error {
	due := func(r store.Reader) (*user, error) {
		u, err := userByID(r, id)
		if err != nil || u == nil || !u.Active || usable(u.Password) {
			return nil, err
		}
		if u.Email, err = reachable(r, u); err != nil || u.Email == "" {
			return nil, err
		}
		p, err := proofOf(r, byEmail, u.Email)
		if err != nil || p != nil && r.Now().Sub(p.sentAt.Time) < reactivateAfter {
			return nil, err
		}
		return u, nil
	}
	var u *user
	err := s.store.Read(ctx, func(r store.Reader) (err error) { u, err = due(r); return err })
	if err != nil || u == nil {
		return err
	}
	return s.store.Write(ctx, func(tx *store.Tx) error {
		u, err := due(tx)
		if err != nil || u == nil {
			return err
		}
		p, err := s.prepare(tx, byEmail, u.Email, u, person{})
		if err != nil {
			return err
		}
		return s.mail(tx, p, true)
	})
}
