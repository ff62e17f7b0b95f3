package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

const (
	otpPeriod   = 30 // seconds of a step
	otpDigits   = 6
	otpBytes    = 20 // of a secret: 32 characters in base 32
	recoveryLen = 16 // digits of a recovery code
	recoveryNum = 10 // recovery codes of a user
)

var otpOptions = totp.ValidateOpts{Period: otpPeriod, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1}

// An otpUse is a one-time password or a recovery code that was right, to be used up in the transaction that acts on it.
type otpUse struct {
	user     int64
	step     int64  // of a one-time password
	recovery []byte // hash of a recovery code
}

var (
	errOTPMissing = unauthorized("otp_code", "A one-time code is required.")
	errOTPWrong   = rest.Bad("otp_code", "This one-time code is wrong or was used before.")
)

// proveOTP is step 15: it checks a one-time password, or a recovery code, of a user. Failures are counted at once; after
// MFAMaxAttempts of them every code is refused for OTPLock. Errors: 401, 400, 403 on "otp_code".
func (s *Service) proveOTP(ctx context.Context, user int64, code string, place *attempt) (use *otpUse, err error) {
	if code == "" {
		return nil, errOTPMissing
	}
	var locked time.Duration
	err = s.store.Write(context.WithoutCancel(ctx), func(tx *store.Tx) (err error) {
		use, locked, err = s.tryOTP(tx, user, code)
		return err
	})
	if err != nil || use != nil {
		return use, err
	}
	answer := error(errOTPWrong)
	if locked > 0 {
		answer = &rest.Error{Status: http.StatusForbidden, RetryAfter: locked, Body: rest.Fields{
			{Name: "otp_code", Value: "Too many wrong codes. Please try again later."}}}
	}
	return nil, failedWith(ctx, place, rest.ReasonOTP, answer)
}

// tryOTP checks a code and counts it when it is wrong; use is nil then. locked is for how long no code is taken.
func (s *Service) tryOTP(tx *store.Tx, user int64, code string) (use *otpUse, locked time.Duration, err error) {
	var sealed []byte
	var attempts int
	var until store.Time
	var last int64
	err = tx.QueryRow(`SELECT priv_key, nb_attempts, locked_until, last_step FROM otp WHERE user_id = ?`, user).Scan(&sealed, &attempts, &until, &last)
	if errors.Is(err, store.ErrNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	now := tx.Now()
	if until.After(now.Time) {
		return nil, until.Sub(now.Time), nil
	}
	if use, err = s.matchOTP(tx, user, code, sealed, last); err != nil || use != nil {
		return use, 0, err
	}
	if attempts++; attempts >= s.set.MFAMaxAttempts {
		attempts, until = 0, store.At(now.Add(s.set.OTPLock))
		locked = s.set.OTPLock
	}
	_, err = tx.Exec(`UPDATE otp SET nb_attempts = ?, locked_until = ? WHERE user_id = ?`, attempts, until, user)
	return nil, locked, err
}

// matchOTP returns what the code is, nil when it is wrong: a one-time password of this step or of a neighbour, later than the
// last one used, or a recovery code that was not used.
func (s *Service) matchOTP(r store.Reader, user int64, code string, sealed []byte, last int64) (*otpUse, error) {
	if len(code) > otpDigits {
		hash := recoveryHash(user, code)
		var there bool
		err := r.QueryRow(`SELECT EXISTS (SELECT 1 FROM otp_recovery WHERE user_id = ? AND code_hash = ? AND used_at IS NULL)`, user, hash).Scan(&there)
		if err != nil || !there {
			return nil, err
		}
		return &otpUse{user: user, recovery: hash}, nil
	}
	secret, err := s.dir.Open(sealed, otpPurpose(user))
	if err != nil {
		return nil, err
	}
	step, err := stepOf(string(secret), code, r.Now(), last)
	if err != nil || step == 0 {
		return nil, err
	}
	return &otpUse{user: user, step: step}, nil
}

// stepOf is the step whose one-time password a code is, this one or a neighbour, later than the last one used; 0 for none.
func stepOf(secret, code string, now store.Time, last int64) (found int64, err error) {
	for _, drift := range []int64{0, -1, 1} {
		step := now.Unix()/otpPeriod + drift
		want, err := totp.GenerateCodeCustom(secret, time.Unix(step*otpPeriod, 0), otpOptions)
		if err != nil {
			return 0, err
		}
		if subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 && step > last && found == 0 {
			found = step
		}
	}
	return found, nil
}

// spend uses up a code. Errors: 400 on "otp_code" when another request was faster.
func (u *otpUse) spend(tx *store.Tx) error {
	if u == nil {
		return nil
	}
	var n int64
	var err error
	if u.recovery != nil {
		n, err = tx.Exec(`UPDATE otp_recovery SET used_at = ? WHERE user_id = ? AND code_hash = ? AND used_at IS NULL`, tx.Now(), u.user, u.recovery)
	} else {
		n, err = tx.Exec(`UPDATE otp SET last_step = ? WHERE user_id = ? AND last_step < ?`, u.step, u.user, u.step)
	}
	if err == nil && n == 0 {
		err = errOTPWrong
	}
	if err != nil {
		return err
	}
	_, err = tx.Exec(`UPDATE otp SET nb_attempts = 0, locked_until = NULL WHERE user_id = ?`, u.user)
	return err
}

// SealOTP encrypts the secret of a user's one-time passwords, in base 32, as the table otp keeps it.
func SealOTP(dir *directory.Directory, user int64, secret string) ([]byte, error) {
	return dir.Seal([]byte(secret), otpPurpose(user))
}

// otpPurpose binds the sealed secret to its user.
func otpPurpose(user int64) string {
	return "one-time passwords of user " + strconv.FormatInt(user, 10)
}

// recoveryHash is what is kept of a recovery code: 53 random bits, of one user.
func recoveryHash(user int64, code string) []byte {
	sum := sha256.Sum256([]byte(strconv.FormatInt(user, 10) + ":" + code))
	return sum[:]
}

// dropOTP takes the one-time passwords and recovery codes of a user away.
func (s *Service) dropOTP(tx *store.Tx, user int64) error {
	if _, err := tx.Exec(`DELETE FROM otp WHERE user_id = ?`, user); err != nil {
		return err
	}
	s.dir.TouchUser(tx, user)
	_, err := tx.Exec(`DELETE FROM otp_recovery WHERE user_id = ?`, user)
	return err
}

// otpInput is the body of PUT /api/users/{user}/otp. RecoveryCodes is ours: it asks for new recovery codes, which take the place
// of those before.
type otpInput struct {
	secrets
	OTP           bool `json:"otp_enabled" in:"required"`
	Email         bool `json:"email_verification_enabled" in:"required"`
	Phone         bool `json:"phone_verification_enabled" in:"required"`
	RecoveryCodes bool `json:"recovery_codes"`

	// Switching them on in two steps: Setup asks for the first, SetupKey of its answer and a code of the app make the second.
	Setup     bool   `json:"otp_setup"`
	SetupKey  string `json:"otp_setup_key" in:"blank,null" validate:"max=1000"`
	SetupCode code   `json:"otp_setup_code" in:"blank,null"`
}

// Check holds what concerns several fields.
func (in *otpInput) Check(*rest.Call) error { return in.secrets.check() }

// otpOutput is what an authenticator needs.
type otpOutput struct {
	PrivKey         string   `json:"priv_key"`
	ProvisioningURI string   `json:"provisioning_uri"`
	RecoveryCodes   []string `json:"recovery_codes,omitempty"` // when asked for, shown this once
	SetupKey        string   `json:"otp_setup_key,omitempty"`  // of a first step: nothing is on yet
}

// setOTP is PUT /api/users/{user}/otp. Every reading of the secret leaves an audit row.
func (s *Service) setOTP(c *rest.Call, in *otpInput) (answer any, err error) {
	if in.OTP && in.SetupKey != "" {
		return s.finishOTP(c, in)
	}
	done, err := s.confirm(c, &in.secrets)
	if err != nil {
		return nil, err
	}
	err = s.change(c, done, func(tx *store.Tx, u *user) error {
		offered := in.OTP && in.Setup && !u.OTP
		if !offered { // else in the second step
			if err := s.requireProofs(tx, u, in); err != nil {
				return err
			}
		}
		s.dir.TouchUser(tx, u.ID)
		if !in.OTP {
			answer = rest.None{}
			if err := tx.Audit("otp off", u.Username, ""); err != nil {
				return err
			}
			return s.dropOTP(tx, u.ID)
		}
		if offered {
			answer, err = s.offerOTP(tx, done.caller, u)
			return err
		}
		secret, created, err := s.otpSecret(tx, u)
		if err != nil {
			return err
		}
		answer, err = s.showOTP(c, tx, u, in, secret, created)
		return err
	})
	return answer, err
}

// showOTP shows the secret of a user, which was just created or is read again, with new recovery codes if they are asked for.
func (s *Service) showOTP(c *rest.Call, tx *store.Tx, u *user, in *otpInput, secret string, created bool) (out *otpOutput, err error) {
	if out, err = s.describeOTP(tx, u, secret); err != nil {
		return nil, err
	}
	if in.RecoveryCodes {
		if out.RecoveryCodes, err = newRecoveryCodes(tx, u.ID); err != nil {
			return nil, err
		}
	}
	action := "otp read"
	if created {
		action = "otp on"
		c.Created("")
	}
	return out, tx.Audit(action, u.Username, "")
}

// otpSecret returns the secret of a user, and makes it the first time.
func (s *Service) otpSecret(tx *store.Tx, u *user) (secret string, created bool, err error) {
	var sealed []byte
	err = tx.QueryRow(`SELECT priv_key FROM otp WHERE user_id = ?`, u.ID).Scan(&sealed)
	switch {
	case errors.Is(err, store.ErrNotFound):
		created = true
		if secret, err = newOTPSecret(); err == nil {
			err = s.keepOTP(tx, u, secret, 0)
		}
	case err == nil:
		var plain []byte
		plain, err = s.dir.Open(sealed, otpPurpose(u.ID))
		secret = string(plain)
	}
	return secret, created, err
}

// describeOTP is what the app of a user needs.
func (s *Service) describeOTP(r store.Reader, u *user, secret string) (*otpOutput, error) {
	var issuer string
	err := r.QueryRow(`SELECT CASE full_name WHEN '' THEN slug ELSE full_name END FROM profile WHERE slug = ?`, s.dir.Broker()).Scan(&issuer)
	if err != nil {
		return nil, err
	}
	label := first(u.Email, u.Username)
	uri := "otpauth://totp/" + url.PathEscape(issuer) + ":" + url.QueryEscape(label) +
		"?secret=" + secret + "&issuer=" + url.PathEscape(issuer)
	return &otpOutput{PrivKey: secret, ProvisioningURI: uri}, nil
}

// newRecoveryCodes makes recovery codes in the place of those before.
func newRecoveryCodes(tx *store.Tx, user int64) (codes []string, err error) {
	if _, err := tx.Exec(`DELETE FROM otp_recovery WHERE user_id = ?`, user); err != nil {
		return nil, err
	}
	for range recoveryNum {
		code := directory.RandomDigits(recoveryLen)
		if _, err := tx.Exec(`INSERT INTO otp_recovery (user_id, code_hash) VALUES (?, ?)`, user, recoveryHash(user, code)); err != nil {
			return nil, err
		}
		codes = append(codes, code[:4]+"-"+code[4:8]+"-"+code[8:12]+"-"+code[12:])
	}
	return codes, nil
}

// requireProofs writes whether every log-in has to prove the e-mail and the phone, on the oldest contact that has one. Errors: 400
// on the field without such a contact, or without a phone back-end.
func (s *Service) requireProofs(tx *store.Tx, u *user, in *otpInput) error {
	for _, step := range []struct {
		ch *channel
		on bool
	}{{byEmail, in.Email}, {byPhone, in.Phone}} {
		field := step.ch.name + "_verification_enabled"
		if step.on && step.ch == byPhone && s.texts == nil {
			return rest.Bad(field, "This site does not send text messages.")
		}
		if _, err := tx.Exec(step.ch.free, u.ID); err != nil {
			return err
		}
		if !step.on {
			continue
		}
		n, err := tx.Exec(step.ch.require, u.ID)
		if err != nil {
			return err
		}
		if n == 0 {
			return rest.Bad(field, "This user has no "+step.ch.name+".")
		}
	}
	return nil
}
