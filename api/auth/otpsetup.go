package auth

import (
	"bytes"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// Switching one-time passwords on in two steps (auth.md 18): the first shows a secret to the app and changes nothing, the second
// takes a code of it. Whoever leaves in between is not locked out of the account by a secret that no app has.

// setupAge is how long the second step may take.
const setupAge = 15 * time.Minute

// An otpSetup is what the key of a first step holds, sealed: nobody else can use it, and nobody after a change of the password.
type otpSetup struct {
	Caller   int64      `json:"caller"` // who proved itself in the first step
	User     int64      `json:"user"`
	Secret   string     `json:"secret"`
	Password []byte     `json:"password"` // hash of the hash that the caller's has
	Until    store.Time `json:"until"`
}

const setupPurpose = "setup of one-time passwords"

var (
	errSetupEnded = rest.Bad("otp_setup_key", "This setup has ended. Please start again.")
	errSetupCode  = rest.Bad("otp_setup_code", "This one-time code is wrong or was used before.")
	errOTPOn      = rest.Bad("otp_enabled", "One-time passwords are on already.")
)

// newOTPSecret is a secret in base 32.
func newOTPSecret() (string, error) {
	raw, err := hex.DecodeString(directory.RandomHex(2 * otpBytes))
	return base32.StdEncoding.EncodeToString(raw), err
}

// mayHaveOTP refuses one-time passwords to who has proven no address: whoever opened an account with somebody's address must not be
// able to keep that person out of it. Errors: 400 on "otp_enabled".
func mayHaveOTP(r store.Reader, u *user) error {
	proven, err := directory.AnyProven(r, u.ID)
	if err == nil && !proven {
		err = rest.Bad("otp_enabled", "Please prove an email or a phone first.")
	}
	return err
}

// offerOTP is the first step: a secret for the app, and the key to bring back with a code of it. Errors: 400 on "otp_enabled".
func (s *Service) offerOTP(tx *store.Tx, caller, u *user) (*otpOutput, error) {
	if err := mayHaveOTP(tx, u); err != nil {
		return nil, err
	}
	secret, err := newOTPSecret()
	if err != nil {
		return nil, err
	}
	out, err := s.describeOTP(tx, u, secret)
	if err != nil {
		return nil, err
	}
	plain, err := json.Marshal(otpSetup{caller.ID, u.ID, secret, passwordMark(caller), store.At(tx.Now().Add(setupAge))})
	if err != nil {
		return nil, err
	}
	sealed, err := s.dir.Seal(plain, setupPurpose)
	if err != nil {
		return nil, err
	}
	out.SetupKey = base64.RawURLEncoding.EncodeToString(sealed)
	return out, tx.Audit("otp offered", u.Username, "")
}

// passwordMark changes when the password of a user does, and tells nothing about it.
func passwordMark(u *user) []byte {
	sum := sha256.Sum256([]byte(u.Password))
	return sum[:8]
}

// finishOTP is the second step: with the key of the first one, and a code of the app, one-time passwords are on. Errors: 400 on
// "otp_setup_key" or "otp_setup_code"; 400 on "otp_enabled" when they are on already.
func (s *Service) finishOTP(c *rest.Call, in *otpInput) (out *otpOutput, err error) {
	if s.set.DisabledUserUpdate {
		return nil, errFrozen
	}
	var setup otpSetup
	sealed, err := base64.RawURLEncoding.DecodeString(in.SetupKey)
	if err != nil {
		return nil, errSetupEnded
	}
	plain, err := s.dir.Open(sealed, setupPurpose)
	if err != nil || json.Unmarshal(plain, &setup) != nil {
		return nil, errSetupEnded
	}
	err = c.Write(func(tx *store.Tx) error {
		u, err := pathUser(c, tx)
		if err != nil {
			return err
		}
		caller, err := userByID(tx, c.User.ID)
		if err != nil {
			return err
		}
		if caller == nil || setup.Caller != caller.ID || setup.User != u.ID || !tx.Now().Before(setup.Until.Time) ||
			!bytes.Equal(setup.Password, passwordMark(caller)) {
			return errSetupEnded
		}
		if u.OTP {
			return errOTPOn
		}
		step, err := stepOf(setup.Secret, in.SetupCode.otp(), tx.Now(), 0)
		if err == nil && step == 0 {
			err = errSetupCode
		}
		if err != nil {
			return err
		}
		if err := s.requireProofs(tx, u, in); err != nil {
			return err
		}
		if err := s.keepOTP(tx, u, setup.Secret, step); err != nil {
			return err
		}
		s.dir.TouchUser(tx, u.ID)
		out, err = s.showOTP(c, tx, u, in, setup.Secret, true)
		return err
	})
	return out, err
}

// keepOTP writes the secret of a user down; step is that of the last code used, 0 for none. Errors: 400 on "otp_enabled".
func (s *Service) keepOTP(tx *store.Tx, u *user, secret string, step int64) error {
	if err := mayHaveOTP(tx, u); err != nil {
		return err
	}
	sealed, err := SealOTP(s.dir, u.ID, secret)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO otp (user_id, priv_key, created_at, last_step) VALUES (?, ?, ?, ?)`, u.ID, sealed, tx.Now(), step)
	return err
}
