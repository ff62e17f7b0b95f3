package auth

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

const otpOn = `{"password":"yoyo","otp_enabled":true,"email_verification_enabled":false,"phone_verification_enabled":false}`

// enrol sets one-time passwords up for somebody and returns the secret.
func (s *site) enrol(t testing.TB, username string) (out otpOutput) {
	t.Helper()
	w := s.Do(username, "PUT /api/users/"+username+"/otp", otpOn[:len(otpOn)-1]+`,"recovery_codes":true}`)
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != 201 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return out
}

// totpAt is the one-time password some steps from now.
func (s *site) totpAt(t testing.TB, secret string, steps int) string {
	t.Helper()
	code, err := totp.GenerateCodeCustom(secret, s.Clock.Now().Add(time.Duration(steps)*30*time.Second),
		totp.ValidateOpts{Period: 30, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func TestSetOTP(t *testing.T) {
	s := newSite(t)
	s.exec(t, `UPDATE contact SET email_verified_at = 1 WHERE user_id IS NOT NULL`)
	set := func(name, as, body string, status int, want string) resttest.Step {
		return resttest.Case(name, as, "PUT /api/users/xia/otp", body, status, want)
	}
	s.Run(t,
		set("missing", "xia", `{"password":"yoyo"}`, 400, `{"otp_enabled":["This field is required."],"email_verification_enabled":["This field is required."],`+
			`"phone_verification_enabled":["This field is required."]}`),
		set("off, never on", "xia", `{"password":"yoyo","otp_enabled":false,"email_verification_enabled":false,"phone_verification_enabled":false}`, 204, ""),
		set("no phone back-end", "xia", `{"password":"yoyo","otp_enabled":true,"email_verification_enabled":false,"phone_verification_enabled":true}`, 400,
			`{"phone_verification_enabled":"This site does not send text messages."}`),
	)
	w := s.Do("xia", "PUT /api/users/xia/otp", otpOn)
	var out map[string]string
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != 201 || len(out) != 2 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	secret := out["priv_key"]
	if len(secret) != 32 {
		t.Errorf("secret %q", secret)
	}
	if want := "otpauth://totp/Cowork:xia%40example.com?secret=" + secret + "&issuer=Cowork"; out["provisioning_uri"] != want {
		t.Errorf("URI %q, want %q", out["provisioning_uri"], want)
	}
	if key, err := otp.NewKeyFromURL(out["provisioning_uri"]); err != nil || key.Secret() != secret || key.AccountName() != "xia@example.com" || key.Issuer() != "Cowork" {
		t.Errorf("an authenticator reads %v, %v", key, err)
	}
	if n := one[int](t, s, `SELECT count(*) FROM otp WHERE instr(priv_key, ?) > 0`, secret); n != 0 {
		t.Error("the secret is kept in the clear")
	}
	s.Run(t,
		set("again", "xia", otpOn, 200, w.Body.String()),
		resttest.Case("detail", "xia", "GET /api/users/xia", "", 200, `~"otp_enabled":true`),
		set("read with a one-time password", "xia", `{"otp_code":"`+s.totpAt(t, secret, 0)+`","otp_enabled":true,"email_verification_enabled":false,"phone_verification_enabled":false}`, 200, `~priv_key`),
		set("which is used up", "xia", `{"otp_code":"`+s.totpAt(t, secret, 0)+`","otp_enabled":false,"email_verification_enabled":false,"phone_verification_enabled":false}`, 401,
			`{"otp_code":"This code is wrong or has expired."}`),
		set("off with the next", "xia", `{"otp_code":"`+s.totpAt(t, secret, 1)+`","otp_enabled":false,"email_verification_enabled":false,"phone_verification_enabled":false}`, 204, ""),
		resttest.Case("detail, off", "xia", "GET /api/users/xia", "", 200, `~"otp_enabled":false`),
	)
	if n := one[int](t, s, `SELECT count(*) FROM audit WHERE action LIKE 'otp %' AND subject = 'xia'`); n != 5 {
		t.Errorf("%d audit rows, want 5", n)
	}
}

func TestOTPAtLogin(t *testing.T) {
	s := newSite(t)
	s.exec(t, `UPDATE contact SET email_verified_at = 1 WHERE user_id IS NOT NULL`)
	secret := s.enrol(t, "xia").PrivKey
	login := func(name, code string, status int, want string) resttest.Step {
		return resttest.Case(name, "", "POST /api/auth", `{"username":"xia","password":"yoyo"`+code+`}`, status, want)
	}
	now := func() string { return `,"otp_code":"` + s.totpAt(t, secret, 0) + `"` }
	s.Run(t,
		login("none", ``, 401, `{"otp_code":"A one-time code is required."}`).Wants(`WWW-Authenticate: Bearer realm="cowork"`),
		login("wrong", `,"otp_code":1`, 400, `{"otp_code":"This one-time code is wrong or was used before."}`),
		resttest.Case("wrong password, right code", "", "POST /api/auth", `{"username":"xia","password":"wrong"`+now()+`}`, 401, incorrect),
		login("right", now(), 201, `~token`),
		login("again", now(), 400, `*`),
		login("the step before", `,"otp_code":"`+s.totpAt(t, secret, -1)+`"`, 400, `*`),
		login("the third wrong one", `,"otp_code":1`, 403, `{"otp_code":"Too many wrong codes. Please try again later."}`),
	)
	s.Clock.Advance(15*time.Minute - time.Second)
	s.Run(t, login("locked, though right", now(), 403, `*`).Wants("Retry-After: 1"))
	s.Clock.Advance(time.Second)
	s.Run(t, login("15 minutes later", now(), 201, `~token`))
	s.Clock.Advance(time.Minute)
	s.Run(t,
		login("one step late", `,"otp_code":"`+s.totpAt(t, secret, -1)+`"`, 201, `~token`),
		login("one step early", `,"otp_code":"`+s.totpAt(t, secret, 1)+`"`, 201, `~token`),
		login("earlier than the last used", now(), 400, `*`),
	)
	s.Clock.Advance(10 * time.Minute)
	s.Run(t,
		login("two steps late", `,"otp_code":"`+s.totpAt(t, secret, -2)+`"`, 400, `*`),
		login("two steps early", `,"otp_code":"`+s.totpAt(t, secret, 2)+`"`, 403, `*`),
	)
	if err := s.Unlock(t.Context(), "xia"); err != nil {
		t.Fatal(err)
	}
	s.Run(t, login("unlocked by an operator", now(), 201, `~token`))
}

// One-time passwords are asked for on every way in (D-8).
func TestOTPEverywhere(t *testing.T) {
	s := newSite(t)
	s.exec(t, `UPDATE contact SET email_verified_at = 1 WHERE user_id IS NOT NULL`)
	secret := s.enrol(t, "xia").PrivKey
	s.Do("", "POST /api/auth/recover", `{"username":"xia"}`)
	code := s.code(t, "xia@example.com")
	const required = `{"otp_code":"A one-time code is required."}`
	s.Run(t,
		resttest.Case("by code", "", "POST /api/auth", `{"username":"xia","email_code":"`+code+`"}`, 401, required),
		resttest.Case("reset at log-in", "", "POST /api/auth", `{"username":"xia","email_code":"`+code+`","new_password":"other"}`, 401, required),
		register("reset at registration", `{"full_name":"Xia Lee","email":"xia@example.com","email_code":"`+code+`","new_password":"other"}`, 401, required),
		register("by matching password", `{"full_name":"Xia Lee","email":"xia@example.com","password":"yoyo"}`, 401, required),
		resttest.Case("by link", "", "POST /api/auth/"+s.key(t, "xia@example.com"), `{"new_password":"other"}`, 401, required),
		resttest.Case("by link, with it", "", "POST /api/auth/"+s.key(t, "xia@example.com"), `{"new_password":"other","otp_code":"`+s.totpAt(t, secret, 0)+`"}`, 201, `~token`),
		resttest.Case("new password", "", "POST /api/auth", `{"username":"xia","password":"other","otp_code":"`+s.totpAt(t, secret, 1)+`"}`, 201, `~token`),
	)
}

func TestRecoveryCodes(t *testing.T) {
	s := newSite(t)
	s.exec(t, `UPDATE contact SET email_verified_at = 1 WHERE user_id IS NOT NULL`)
	codes := s.enrol(t, "xia").RecoveryCodes
	if len(codes) != 10 || len(codes[0]) != 19 {
		t.Fatalf("codes %v", codes)
	}
	login := func(name, code string, status int) resttest.Step {
		return resttest.Case(name, "", "POST /api/auth", `{"username":"xia","password":"yoyo","otp_code":"`+code+`"}`, status, `*`)
	}
	s.Run(t,
		login("first", codes[0], 201),
		login("used", codes[0], 400),
		login("without hyphens", codes[1][:4]+codes[1][5:9]+codes[1][10:14]+codes[1][15:], 201),
		login("made up", "1111-2222-3333-4444", 400),
	)
	again := s.Do("xia", "PUT /api/users/xia/otp", otpOn[:len(otpOn)-1]+`,"recovery_codes":true}`)
	var out otpOutput
	if err := json.Unmarshal(again.Body.Bytes(), &out); err != nil || again.Code != 200 {
		t.Fatalf("%d %s", again.Code, again.Body)
	}
	s.Run(t, login("an old one", codes[2], 400), login("a new one", out.RecoveryCodes[0], 201))
}

// One one-time password, many requests at once: one gets in. Many guesses at once: three are looked at.
func TestOTPRaces(t *testing.T) {
	s := newSite(t, func(o *Options) { o.Settings.Throttle = Throttle{} })
	s.exec(t, `UPDATE contact SET email_verified_at = 1 WHERE user_id IS NOT NULL`)
	secret := s.enrol(t, "xia").PrivKey
	storm := func(code func(i int) string) map[int]int {
		done := make(chan int)
		for i := range 12 {
			go func() {
				done <- s.Do("", "POST /api/auth", `{"username":"xia","password":"yoyo","otp_code":"`+code(i)+`"}`).Code
			}()
		}
		count := map[int]int{}
		for range 12 {
			count[<-done]++
		}
		return count
	}
	right := s.totpAt(t, secret, 0)
	if got := storm(func(int) string { return right }); got[201] != 1 {
		t.Errorf("with one code: %v", got)
	}
	s.Clock.Advance(time.Hour)
	if err := s.Unlock(t.Context(), "xia"); err != nil {
		t.Fatal(err)
	}
	right = s.totpAt(t, secret, 0)
	got := storm(func(i int) string {
		if wrong := fmt.Sprintf("%06d", i); wrong != right {
			return wrong
		}
		return "999999"
	})
	if got[400] != 2 || got[403] != 10 {
		t.Errorf("guesses: %v, want 2 wrong and 10 refused", got)
	}
}

// One-time passwords are switched on in two steps: the first changes nothing, and the second takes its key from the same caller, for a
// while, with a code of the app.
func TestOTPSetup(t *testing.T) {
	s := newSite(t)
	s.exec(t, `UPDATE contact SET email_verified_at = 1 WHERE user_id IS NOT NULL`)
	put := func(as, body string) (int, otpOutput) {
		t.Helper()
		w := s.Do(as, "PUT /api/users/xia/otp", `{"otp_enabled":true,"email_verification_enabled":false,
			"phone_verification_enabled":false,`+body+`}`)
		var out otpOutput
		if w.Code < 300 {
			if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
				t.Fatal(err)
			}
		}
		return w.Code, out
	}
	on := func() bool {
		return one[int](t, s, `SELECT count(*) FROM otp o JOIN user u ON u.id = o.user_id WHERE u.username = 'xia'`) == 1
	}
	if code, _ := put("xia", `"otp_setup":true`); code != 401 {
		t.Errorf("without a proof: %d", code)
	}
	code, first := put("xia", `"otp_setup":true,"password":"yoyo"`)
	if code != 200 || first.SetupKey == "" || on() {
		t.Fatalf("%d, %+v, on %v", code, first, on())
	}
	_, other := put("xia", `"otp_setup":true,"password":"yoyo"`)
	second := func(key, secret string) string {
		return `"otp_setup_key":"` + key + `","otp_setup_code":"` + s.totpAt(t, secret, 0) + `","recovery_codes":true`
	}
	for name, c := range map[string][2]string{
		"a code of another secret": {"xia", second(first.SetupKey, other.PrivKey)}, "a made-up key": {"xia", second("AAAA", first.PrivKey)},
		"no code": {"xia", `"otp_setup_key":"` + first.SetupKey + `"`}, "another caller": {"alice", second(first.SetupKey, first.PrivKey)},
	} {
		if code, _ := put(c[0], c[1]); code != 400 || on() {
			t.Errorf("%s: %d, on %v", name, code, on())
		}
	}
	s.Clock.Advance(15 * time.Minute)
	if code, _ := put("xia", second(first.SetupKey, first.PrivKey)); code != 400 || on() {
		t.Errorf("too late: %d, on %v", code, on())
	}
	_, first = put("xia", `"otp_setup":true,"password":"yoyo"`)
	for change, back := range map[string]string{
		`UPDATE contact SET email_verified_at = NULL`: `UPDATE contact SET email_verified_at = 1 WHERE user_id IS NOT NULL`,
		`UPDATE user SET password = password || 'x'`:  `UPDATE user SET password = substr(password, 1, length(password) - 1)`,
	} {
		s.exec(t, change)
		if code, _ := put("xia", second(first.SetupKey, first.PrivKey)); code != 400 || on() {
			t.Errorf("after %s: %d, on %v", change, code, on())
		}
		s.exec(t, back)
	}
	_, hers := put("alice", `"otp_setup":true,"password":"yoyo"`)
	s.Run(t, resttest.Case("for another user", "alice", "PUT /api/users/yan/otp", `{"otp_enabled":true,"email_verification_enabled":false,
		"phone_verification_enabled":false,`+second(hers.SetupKey, hers.PrivKey)+`}`, 400, `~"otp_setup_key":`))
	code, done := put("xia", second(first.SetupKey, first.PrivKey))
	if code != 201 || !on() || len(done.RecoveryCodes) != 10 || done.PrivKey != first.PrivKey {
		t.Errorf("%d, %+v, on %v", code, done, on())
	}
	if code, _ := put("xia", second(first.SetupKey, first.PrivKey)); code != 400 {
		t.Errorf("twice: %d", code)
	}
}
