package people

import (
	"html/template"
	"maps"
	"strings"

	"github.com/caddy-tollgate/tollgate/pages"
)

// An OTP is what the page of one-time passwords shows.
type OTP struct {
	Holder
	Step   string // "off", "setup", "on", or "codes" once new recovery codes were made
	Proven bool   // an address is, without which they cannot be switched on
	Secret string // in groups of four
	URI    string
	Codes  []string // recovery codes
}

// setup is a secret that its app is being shown.
type setup struct {
	Username string `json:"username"`
	Secret   string `json:"priv_key"`
	URI      string `json:"provisioning_uri"`
	Key      string `json:"otp_setup_key"`
}

// QR is the secret as a picture for the app.
func (o *OTP) QR(label string) (template.HTML, error) { return drawQR(o.URI, label) }

func showOTP(q *pages.Request) (any, error) {
	a, holder, err := readAccount(q)
	if err != nil {
		return nil, err
	}
	d := &OTP{Holder: holder, Step: "off", Proven: a.proven()}
	var kept setup
	switch {
	case a.OTPEnabled:
		d.Step = "on"
	case q.Kept(&kept) && kept.Username == a.Username && !q.Has("again"):
		d.Step, d.Secret, d.URI = "setup", grouped(kept.Secret), kept.URI
	}
	return d, nil
}

// grouped is a secret as people read it: in groups of four.
func grouped(secret string) string {
	var groups []string
	for len(secret) > 4 {
		groups, secret = append(groups, secret[:4]), secret[4:]
	}
	return strings.Join(append(groups, secret), " ")
}

// otpAnswer is what the API answers when one-time passwords are on.
type otpAnswer struct {
	setup
	RecoveryCodes []string `json:"recovery_codes"`
}

// putOTP switches one-time passwords on or off. What else every log-in has to prove stays as it is.
func putOTP(q *pages.Request, on bool, more map[string]any) (out otpAnswer, err error) {
	a, _, err := readAccount(q)
	if err != nil {
		return out, err
	}
	body := map[string]any{"otp_enabled": on, "email_verification_enabled": a.EmailRequired, "phone_verification_enabled": a.PhoneRequired}
	maps.Copy(body, more)
	result, err := q.Put(body, "/api/users/{user}/otp", q.Param("user"))
	if err != nil {
		return out, unproven(q, err)
	}
	out.Username = a.Username
	return out, result.Into(&out)
}

// startOTP shows a secret to the app: they are on once the app has shown that it knows it.
func startOTP(q *pages.Request) (pages.Outcome, error) {
	if asked, err := proveAgain(q); asked {
		return pages.Outcome{}, err
	}
	out, err := putOTP(q, true, withSecrets(q, map[string]any{"otp_setup": true}))
	if err == nil {
		err = q.Keep(out.setup)
	}
	return pages.Outcome{}, err
}

// confirmOTP has the app show that it knows the secret; then they are on, and recovery codes are shown.
func confirmOTP(q *pages.Request) (pages.Outcome, error) {
	var kept setup
	switch {
	case !q.Kept(&kept):
		return pages.Said("too_late")
	case q.Field("setup_code") == "":
		return pages.Outcome{}, q.Refuse("setup_code", "code")
	}
	out, err := showCodes(q, map[string]any{"otp_setup_key": kept.Key, "otp_setup_code": q.Field("setup_code")})
	if err == nil {
		q.Forget()
	}
	return out, pages.About(err, "otp_setup_code", "setup_code", "otp_setup_key", "setup_code", "otp_enabled", "setup_code")
}

// makeCodes makes recovery codes in the place of those before, and shows them once.
func makeCodes(q *pages.Request) (pages.Outcome, error) {
	if asked, err := proveAgain(q); asked {
		return pages.Outcome{}, err
	}
	return showCodes(q, withSecrets(q, map[string]any{}))
}

// showCodes has recovery codes made, and shows them.
func showCodes(q *pages.Request, body map[string]any) (pages.Outcome, error) {
	body["recovery_codes"] = true
	out, err := putOTP(q, true, body)
	if err != nil {
		return pages.Outcome{}, err
	}
	a, holder, err := readAccount(q)
	if err != nil {
		return pages.Outcome{}, err
	}
	return pages.Outcome{Once: &OTP{Holder: holder, Step: "codes", Proven: a.proven(), Codes: out.RecoveryCodes}}, nil
}

// endOTP switches them off.
func endOTP(q *pages.Request) (pages.Outcome, error) {
	if asked, err := proveAgain(q); asked {
		return pages.Outcome{}, err
	}
	if _, err := putOTP(q, false, withSecrets(q, map[string]any{})); err != nil {
		return pages.Outcome{}, err
	}
	q.Forget()
	return pages.Said("otp_off")
}
