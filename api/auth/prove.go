package auth

import (
	"context"
	"strings"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// prove is steps 10 to 15: every secret that was brought is checked, and a new password hashed. Nothing here is inside a
// transaction but the counting of failures.
func (s *Service) prove(c *rest.Call, e *entry, v *view, place *attempt) (token string, err error) {
	if err := s.proveCodes(c, e, v, place); err != nil {
		return "", err
	}
	if e.coded() {
		err := c.Read(func(r store.Reader) (err error) {
			v.owner, err = owner(r, e, v)
			return err
		})
		if err != nil {
			return "", err
		}
	}
	if err := c.CheckLimit(rest.LimitSessions); err != nil {
		return "", err
	}
	p := proven{who: v.candidate}
	hasPassword := p.who != nil && usable(p.who.Password)
	switch {
	case p.who != nil && e.coded() && e.password == "" && !e.newGiven:
		p.login = true
	case e.password != "" && (!e.aliased || hasPassword):
		if p.login, p.rehash, err = s.provePassword(asClient(c), p.who, v.disabled, e.password); err != nil {
			return "", err
		}
		p.account = p.login
		switch {
		case !p.login && (p.who != nil || v.disabled != nil):
			return "", failedWith(c.Context(), place, rest.ReasonPassword, errCredentials)
		case !p.login && !e.newGiven:
			return "", failedWith(c.Context(), place, rest.ReasonUser, errUnknown)
		}
	case p.who != nil && e.newPassword == "":
		field := "password"
		if e.newGiven {
			field = "new_password"
		}
		return "", unauthorized(field, "A password is required.")
	case p.who == nil && !e.newGiven:
		place.who.log(rest.ReasonUser)
		return "", errUnknown
	}
	return s.complete(c, e, v, &p, place)
}

// complete goes on with whom a secret was right for, or with a new user: the new password, one-time passwords, and the session.
func (s *Service) complete(c *rest.Call, e *entry, v *view, p *proven, place *attempt) (token string, err error) {
	ctx := asClient(c)
	if !p.login {
		if v.owner == nil {
			if err := c.CheckLimit(rest.LimitRegistrations); err != nil {
				return "", err
			}
		}
		if err := s.proveNew(ctx, e, v, p); err != nil {
			return "", err
		}
	}
	if p.who != nil && p.who.OTP {
		if p.otp, err = s.proveOTP(ctx, p.who.ID, e.otpCode, place); err != nil {
			return "", err
		}
	}
	return s.settle(c, e, v, p)
}

// proven is what came out of the secrets.
type proven struct {
	who     *user  // whose they are, or who is recovered; nil: a new user
	login   bool   // a password or a code was right: nothing about the user changes
	account bool   // the account itself was proven, not only an address of it
	rehash  string // new hash of that password, when the one kept is out of date
	encoded string // hash of a new password, "" for none
	otp     *otpUse
}

// proveNew prepares a user to be recovered or made.
func (s *Service) proveNew(ctx context.Context, e *entry, v *view, p *proven) (err error) {
	if s.set.DisabledUserUpdate {
		return errFrozen
	}
	p.who = v.owner
	if u := p.who; u != nil && usable(u.Password) && e.username != "" && !strings.EqualFold(e.username, u.Username) {
		p.who = nil // somebody else's name: the address will turn out to be taken
	}
	if e.newPassword == "" {
		return nil
	}
	field := "new_password"
	if e.aliased {
		field = "password"
	}
	if err := s.checkPassword(field, e.newPassword); err != nil {
		return err
	}
	p.encoded, err = s.hasher.hash(ctx, e.newPassword)
	return err
}

// proveCodes is step 10.
func (s *Service) proveCodes(c *rest.Call, e *entry, v *view, place *attempt) error {
	for _, step := range []struct {
		ch            *channel
		address, code string
	}{{byPhone, v.phone, e.phoneCode}, {byEmail, v.email, e.emailCode}} {
		if step.code == "" {
			continue
		}
		ok, err := s.checkCode(c.Context(), step.ch, step.address, step.code, 0)
		if err != nil {
			return err
		}
		if !ok {
			return failedWith(c.Context(), place, rest.ReasonCode, wrongCode(step.ch))
		}
	}
	return nil
}

// provePassword is step 12. It takes as long for users who do not exist or may not log in. rehash is the new hash of a password
// whose hash is out of date.
func (s *Service) provePassword(ctx context.Context, who, disabled *user, password string) (ok bool, rehash string, err error) {
	encoded := unusable
	if who != nil {
		encoded = who.Password
	} else if disabled != nil {
		encoded = disabled.Password
	}
	ok, stale, err := s.hasher.verify(ctx, password, encoded)
	if err != nil || !ok || who == nil {
		return false, "", err
	}
	if stale {
		rehash, err = s.hasher.hash(ctx, password)
	}
	return true, rehash, err
}
