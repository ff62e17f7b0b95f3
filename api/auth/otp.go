package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

const (
	otpPeriod   = 30 // seconds of a step
	otpDigits   = 6
	otpPurpose  = "one-time passwords"
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
	code = strings.NewReplacer(" ", "", "-", "").Replace(code)
	if code == "" {
		return nil, errOTPMissing
	}
	var locked time.Duration
	err = s.store.Write(context.WithoutCancel(ctx), func(tx *store.Tx) (err error) {
		use, locked, err = s.tryOTP(tx, user, code)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case locked > 0:
		return nil, &rest.Error{Status: http.StatusForbidden, RetryAfter: locked, Body: rest.Fields{
			{Name: "otp_code", Value: "Too many wrong codes. Please try again later."}}}
	case use == nil:
		return nil, failedWith(ctx, place, errOTPWrong)
	}
	return use, nil
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
	secret, err := s.dir.Open(sealed, otpPurpose)
	if err != nil {
		return nil, err
	}
	var found *otpUse
	for _, drift := range []int64{0, -1, 1} {
		step := r.Now().Unix()/otpPeriod + drift
		want, err := totp.GenerateCodeCustom(string(secret), time.Unix(step*otpPeriod, 0), otpOptions)
		if err != nil {
			return nil, err
		}
		if subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 && step > last && found == nil {
			found = &otpUse{user: user, step: step}
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
