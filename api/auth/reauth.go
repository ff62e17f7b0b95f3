package auth

import (
	"errors"
	"net/http"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// secrets are the fields by which a caller proves again who it is (auth.md 16): its own secrets, not those of {user}.
type secrets struct {
	Password  string `json:"password" in:"blank,null,verbatim"`
	OTPCode   code   `json:"otp_code" in:"blank,null"`
	EmailCode code   `json:"email_code" in:"blank,null"`
	PhoneCode code   `json:"phone_code" in:"blank,null"`
}

// check refuses codes that are no numbers.
func (in *secrets) check() error {
	return (&codes{EmailCode: in.EmailCode, PhoneCode: in.PhoneCode, OTPCode: in.OTPCode}).check()
}

// A confirmation is what a caller proved, to be used up in the transaction that acts on it.
type confirmation struct {
	caller       *user
	otp          *otpUse
	rehash       string // new hash of the password, when the one kept is out of date
	email, phone string // addresses whose codes were right, with
	in           *secrets
}

// reauthenticate checks every secret that the caller gives, at least one, outside of any transaction. Errors: 401 on the field
// that is wrong, 403 on "otp_code" after too many failures, 429.
func (s *Service) reauthenticate(c *rest.Call, in *secrets) (*confirmation, error) {
	if s.set.DisabledUserUpdate {
		return nil, errFrozen
	}
	if in.Password == "" && in.OTPCode == "" && in.EmailCode == "" && in.PhoneCode == "" {
		return nil, errProveAgain
	}
	v := view{}
	err := c.Read(func(r store.Reader) (err error) {
		if v.candidate, err = userByID(r, c.User.ID); err != nil {
			return err
		}
		if v.candidate == nil {
			return store.ErrNotFound
		}
		return v.addresses(r)
	})
	if err != nil {
		return nil, err
	}
	ctx := asClient(c)
	who := &failing{call: c, door: rest.DoorConfirm, typed: v.candidate.Username, account: v.candidate}
	place, err := s.attempt(ctx, who, v.candidate.Username)
	if err != nil {
		return nil, err
	}
	defer place.done()
	done := &confirmation{caller: v.candidate, in: in}
	if in.Password != "" {
		var ok bool
		if ok, done.rehash, err = s.provePassword(ctx, v.candidate, nil, in.Password); err != nil {
			return nil, err
		}
		if !ok {
			return nil, failedWith(ctx, place, rest.ReasonPassword, unauthorized("password", "Incorrect credentials."))
		}
	}
	if in.OTPCode != "" {
		if done.otp, err = s.proveOTP(ctx, v.candidate.ID, in.OTPCode.otp(), place); err != nil {
			return nil, unauthorizedOn("otp_code", err)
		}
	}
	for _, step := range []struct {
		ch      *channel
		address string
		code    code
		proven  *string
	}{{byEmail, v.email, in.EmailCode, &done.email}, {byPhone, v.phone, in.PhoneCode, &done.phone}} {
		if step.code == "" {
			continue
		}
		ok, err := s.checkCode(ctx, step.ch, step.address, step.code.padded(), 0)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, failedWith(ctx, place, rest.ReasonCode, unauthorizedOn(step.ch.name+"_code", wrongCode(step.ch)))
		}
		*step.proven = step.address
	}
	return done, nil
}

// spend uses up what was proven. Errors: 401 when it is no longer so.
func (s *Service) spend(tx *store.Tx, done *confirmation) error {
	if _, err := s.unchanged(tx, done.caller); err != nil {
		return err
	}
	if done.rehash != "" {
		if _, err := tx.Exec(`UPDATE user SET password = ? WHERE id = ?`, done.rehash, done.caller.ID); err != nil {
			return err
		}
	}
	if err := done.otp.spend(tx); err != nil {
		return unauthorizedOn("otp_code", err)
	}
	if done.email != "" {
		if err := s.consumeAs(tx, byEmail, done.email, done.in.EmailCode.padded(), done.caller.ID); err != nil {
			return unauthorizedOn("email_code", err)
		}
	}
	if done.phone != "" {
		if err := s.consumeAs(tx, byPhone, done.phone, done.in.PhoneCode.padded(), done.caller.ID); err != nil {
			return unauthorizedOn("phone_code", err)
		}
	}
	return nil
}

// unauthorizedOn makes the 400 of a wrong code at a door the 401 of re-authentication; other errors stay.
func unauthorizedOn(field string, err error) error {
	var e *rest.Error
	if errors.As(err, &e) && e.Status == http.StatusBadRequest {
		return unauthorized(field, "This code is wrong or has expired.")
	}
	return err
}

// detailOutput is the answer of what has nothing else to say.
type detailOutput struct {
	Detail string `json:"detail"`
}

// passwordInput is the body of PUT /api/users/{user}/password.
type passwordInput struct {
	secrets
	NewPassword string `json:"new_password" in:"required,verbatim"`
}

// Check holds what concerns several fields.
func (in *passwordInput) Check(*rest.Call) error { return in.secrets.check() }

// changePassword is PUT /api/users/{user}/password.
func (s *Service) changePassword(c *rest.Call, in *passwordInput) (out detailOutput, err error) {
	if err := s.checkPassword("new_password", in.NewPassword); err != nil {
		return out, err
	}
	done, err := s.confirm(c, &in.secrets)
	if err != nil {
		return out, err
	}
	encoded, err := s.hasher.hash(asClient(c), in.NewPassword)
	if err != nil {
		return out, err
	}
	err = s.change(c, done, func(tx *store.Tx, u *user) error {
		if err := s.setPassword(tx, u, encoded); err != nil {
			return err
		}
		return tx.Audit("resetpassword", u.Username, "")
	})
	return detailOutput{"The password was changed."}, err
}

// removePassword is DELETE /api/users/{user}/password: the next log-in sends a code (auth.md 16).
func (s *Service) removePassword(c *rest.Call, tx *store.Tx, _ *rest.None) (out rest.None, err error) {
	u, err := pathUser(c, tx)
	if err != nil {
		return out, err
	}
	if s.set.DisabledUserUpdate {
		return out, errFrozen
	}
	return out, s.setPassword(tx, u, unusable)
}

// change runs fn on the user that {user} names, in the transaction that uses up what was proven. Errors: 401 when it is no longer
// so, 404, fn's.
func (s *Service) change(c *rest.Call, done *confirmation, fn func(tx *store.Tx, u *user) error) error {
	return c.Write(func(tx *store.Tx) error {
		if err := s.spend(tx, done); err != nil {
			return err
		}
		u, err := pathUser(c, tx)
		if err != nil {
			return err
		}
		return fn(tx, u)
	})
}

var errProveAgain = unauthorized("detail", "Please prove who you are: a password or a code is required.")

var errFrozen = unauthorized("detail", "Credentials cannot be changed on this site.")

// pathUser is the active user that {user} names. Errors: 404.
func pathUser(c *rest.Call, r store.Reader) (*user, error) {
	u, err := activeUser(r, c.Param("user"))
	if err == nil && u == nil {
		err = rest.NotFound("User")
	}
	return u, err
}

// findUserOnly is the 404 that comes before a 400 where a contact will not do.
func findUserOnly(c *rest.Call, r store.Reader) error {
	_, err := pathUser(c, r)
	return err
}
