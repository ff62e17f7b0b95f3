package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

const sentEmail = `{"email":"A code was sent to this email. Please bring it back as email_code."}`

func recovery(name, username string, status int, want string) resttest.Step {
	return resttest.Case(name, "", "POST /api/auth/recover", `{"username":"`+username+`"}`, status, want)
}

func TestRecover(t *testing.T) {
	s := newSite(t)
	s.Run(t,
		resttest.Case("empty", "", "POST /api/auth/recover", `{}`, 400, `{"username":["This field is required."]}`),
		resttest.Case("another field", "", "POST /api/auth/recover", `{"email":"yan@example.com"}`, 400, `{"username":["This field is required."]}`),
		recovery("not an identifier", "a@b", 400, `{"username":["Enter a valid username."]}`),
		recovery("by e-mail", "yan@example.com", 200, `{"username":"yan@example.com"}`),
		recovery("again at once", "yan", 429, `{"detail":"Request was throttled. Expected available in 60 seconds."}`).Wants("Retry-After: 60"),
		recovery("by username", "xia", 200, `{"username":"xia","sent_to":"x•••@e•••.com"}`),
		recovery("unknown e-mail", "ghost@example.com", 200, `{"username":"ghost@example.com"}`),
		recovery("unknown username", "ghost", 401, nobody),
		recovery("unknown phone", "+14155550000", 401, nobody),
		recovery("without password", "nina", 200, `~{"username":"nina"`),
	)
	if n := one[int](t, s, `SELECT count(*) FROM contact WHERE email = 'ghost@example.com' AND user_id IS NULL AND email_code GLOB '[0-9][0-9][0-9][0-9][0-9][0-9]'`); n != 1 {
		t.Errorf("%d contacts of the unknown address, want 1", n)
	}
	code := s.code(t, "yan@example.com")
	for range 4 {
		s.Clock.Advance(time.Minute)
		s.Run(t, recovery("once a minute", "yan", 200, `*`))
	}
	if again := s.code(t, "yan@example.com"); again != code {
		t.Errorf("the code changed from %s to %s while it was valid", code, again)
	}
	s.Clock.Advance(time.Minute)
	s.Run(t, recovery("six in an hour", "yan", 429, `*`).Wants("Retry-After: 3300"))
	s.Clock.Advance(55 * time.Minute)
	s.Run(t, recovery("an hour later", "yan", 200, `*`))
}

func TestRecoverStatus401(t *testing.T) {
	s := newSite(t, func(o *Options) { o.Settings.RecoverStatus401 = true })
	s.Run(t, recovery("as the reference does", "yan", 401, sentEmail).Wants(`WWW-Authenticate: Bearer realm="cowork"`))
}

func TestLoginByCode(t *testing.T) {
	s := newSite(t)
	s.Run(t, resttest.Case("asks for a code", "", "POST /api/auth", `{"username":"nina"}`, 401, "~"+strings.TrimSuffix(sentEmail, "}")))
	code := s.code(t, "nina@example.com")
	login := func(name, body string, status int, want string) resttest.Step {
		return resttest.Case(name, "", "POST /api/auth", body, status, want)
	}
	s.Run(t,
		login("of somebody else", `{"username":"yan","email_code":"`+code+`"}`, 400, `{"email_code":"This code is wrong or has expired."}`),
		login("right", `{"username":"nina","email_code":"`+code+`"}`, 201, `~token`),
		login("used up", `{"username":"nina","email_code":"`+code+`"}`, 400, `{"email_code":"This code is wrong or has expired."}`),
	)
	if !one[bool](t, s, `SELECT email_verified_at IS NOT NULL AND email_verification_key IS NULL FROM contact WHERE email = 'nina@example.com'`) {
		t.Error("the address is not verified")
	}

	// With a leading zero, as a number.
	s.Clock.Advance(time.Minute)
	s.Do("", "POST /api/auth/recover", `{"username":"nina"}`)
	s.exec(t, `UPDATE contact SET email_code = '000042' WHERE email = 'nina@example.com'`)
	s.Run(t, login("leading zeros", `{"username":"nina@example.com","email_code":42}`, 201, `~token`))

	// Too late.
	s.Clock.Advance(time.Minute)
	s.Do("", "POST /api/auth/recover", `{"username":"nina"}`)
	code = s.code(t, "nina@example.com")
	s.Clock.Advance(time.Hour)
	s.Run(t, login("an hour later", `{"username":"nina","email_code":"`+code+`"}`, 400, `*`))
	s.Do("", "POST /api/auth/recover", `{"username":"nina"}`)
	if s.code(t, "nina@example.com") == code {
		t.Error("an expired code was sent again")
	}
}

// A code that is right is not used up by a request that fails later.
func TestCodeSurvivesFailure(t *testing.T) {
	s := newSite(t)
	s.Do("", "POST /api/auth/register", `{"username":"new","full_name":"New","email":"new@example.com","new_password":"yoyo","check_email":true}`)
	code := s.code(t, "new@example.com")
	body := func(username string) string {
		return `{"username":"` + username + `","full_name":"New","email":"new@example.com","new_password":"yoyo","email_code":"` + code + `"}`
	}
	s.Run(t,
		register("username taken", body("xia"), 400, `{"username":"This username is already taken."}`),
		register("another one", body("new"), 201, `~token`),
		register("used up", body("new"), 400, `*`),
	)
}

func TestVerifyEmailFirst(t *testing.T) {
	s := newSite(t, func(o *Options) { o.Settings.VerifyEmail = true })
	body := func(more string) string {
		return `{"username":"joe2","new_password":"yoyo","email":"joe2@example.com","full_name":"Joe Two","type":"personal"` + more + `}`
	}
	s.Run(t,
		register("needs a proof", body(""), 401, `{"email":"This email must be verified: ask for a code with check_email."}`),
		register("asks for a code", body(`,"check_email":true`), 401, sentEmail),
		register("wrong code", body(`,"email_code":1`), 400, `{"email_code":"This code is wrong or has expired."}`),
	)
	s.Run(t, register("right code", body(`,"email_code":"`+s.code(t, "joe2@example.com")+`"`), 201, `~token`))
	if !one[bool](t, s, `SELECT email_verified_at IS NOT NULL FROM contact c JOIN user u ON u.id = c.user_id WHERE u.username = 'joe2'`) {
		t.Error("the address is not verified")
	}
	s.Run(t, resttest.Case("unknown e-mail at log-in", "", "POST /api/auth", `{"username":"ghost@example.com","password":"yoyo"}`, 401, `~{"email":"This email must`))
}

// Six digits, five tries: through whichever door, one after the other or all at once.
func TestCodeGuessing(t *testing.T) {
	doors := map[string]func(s *site, code string) int{
		"log-in": func(s *site, code string) int {
			return s.Do("", "POST /api/auth", `{"username":"nina","email_code":"`+code+`"}`).Code
		},
		"registration": func(s *site, code string) int {
			return s.Do("", "POST /api/auth/register", `{"full_name":"N","email":"nina@example.com","new_password":"yoyo","email_code":"`+code+`"}`).Code
		},
		"re-authentication": func(s *site, code string) int {
			return s.Do("nina", "PUT /api/users/nina/otp", `{"email_code":"`+code+`","otp_enabled":true,"email_verification_enabled":false,"phone_verification_enabled":false}`).Code
		},
		"account": func(s *site, code string) int {
			return s.Do("nina", "PATCH /api/users/nina", `{"email":"nina@example.com","email_code":"`+code+`"}`).Code
		},
	}
	for name, try := range doors {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, func(o *Options) { o.Settings.Throttle = Throttle{} })
			s.Do("", "POST /api/auth/recover", `{"username":"nina"}`)
			right := s.code(t, "nina@example.com")
			done := make(chan int)
			for i := range 50 {
				go func() {
					wrong := fmt.Sprintf("%06d", i)
					if wrong == right {
						wrong = "999999"
					}
					done <- try(s, wrong)
				}()
			}
			for range 50 {
				if status := <-done; status < 400 || status >= 500 {
					t.Errorf("a wrong code: %d", status)
				}
			}
			if n := one[int](t, s, `SELECT email_attempts FROM contact WHERE email = 'nina@example.com'`); n != 5 {
				t.Errorf("%d guesses were looked at, want 5", n)
			}
			if status := try(s, right); status < 400 {
				t.Errorf("the right code after five wrong ones: %d", status)
			}
			s.Clock.Advance(time.Minute)
			s.Do("", "POST /api/auth/recover", `{"username":"nina"}`)
			if status := try(s, s.code(t, "nina@example.com")); status >= 400 {
				t.Errorf("a new code: %d", status)
			}
		})
	}
}

// Two requests with one code: one of them gets in.
func TestCodeUsedOnce(t *testing.T) {
	s := newSite(t)
	s.Do("", "POST /api/auth/recover", `{"username":"nina"}`)
	body := `{"username":"nina","email_code":"` + s.code(t, "nina@example.com") + `"}`
	done := make(chan int)
	for range 8 {
		go func() { done <- s.Do("", "POST /api/auth", body).Code }()
	}
	in := 0
	for range 8 {
		if <-done == 201 {
			in++
		}
	}
	if in != 1 {
		t.Errorf("%d log-ins with one code", in)
	}
}

func TestResetPassword(t *testing.T) {
	s := newSite(t)
	s.Do("", "POST /api/auth/recover", `{"username":"xia"}`)
	code := s.code(t, "xia@example.com")
	s.Run(t,
		register("without the code", `{"full_name":"Xia Lee","email":"xia@example.com","new_password":"other"}`, 400, `{"email":"This email is already taken."}`),
		register("under another name", `{"username":"xia9","full_name":"Xia Lee","email":"xia@example.com","email_code":"`+code+`","new_password":"other"}`, 400,
			`{"email":"This email is already taken."}`),
		register("null password", `{"full_name":"Xia Lee","email":"xia@example.com","email_code":"`+code+`","new_password":null}`, 401, `{"new_password":"A password is required."}`),
		register("reset", `{"full_name":"Xia Wang","email":"xia@example.com","email_code":"`+code+`","new_password":"other","type":"personal"}`, 201, `~token`),
		resttest.Case("old password", "", "POST /api/auth", `{"username":"xia","password":"yoyo"}`, 401, incorrect),
		resttest.Case("new password", "", "POST /api/auth", `{"username":"xia","password":"other"}`, 201, `~token`),
		resttest.Case("the name too", "xia", "GET /api/users/xia", "", 200, `~"username":"xia"`),
	)
	if got := one[string](t, s, `SELECT last_name FROM user WHERE username = 'xia'`); got != "Wang" {
		t.Errorf("last name %q", got)
	}
	// Through the log-in door as well.
	s.Clock.Advance(time.Minute)
	s.Do("", "POST /api/auth/recover", `{"username":"xia"}`)
	s.Run(t, resttest.Case("at log-in", "", "POST /api/auth", `{"username":"xia","email_code":"`+s.code(t, "xia@example.com")+`","new_password":"third"}`, 201, `~token`),
		resttest.Case("third password", "", "POST /api/auth", `{"username":"xia","password":"third"}`, 201, `~token`))
}

// What is told but not proven recovers nobody: a code of one's own phone opens nobody else's e-mail account.
func TestRecoveryNeedsProof(t *testing.T) {
	s := newSite(t, func(o *Options) { o.Texts = phones{} })
	s.Do("", "POST /api/auth/register", `{"full_name":"Eve","phone":"+14155550123","new_password":"yoyo","check_phone":true}`)
	code := one[string](t, s, `SELECT phone_code FROM contact WHERE phone = '+14155550123'`)
	s.Run(t,
		register("with the victim's e-mail", `{"full_name":"Eve","phone":"+14155550123","phone_code":"`+code+`","email":"yan@example.com","new_password":"evil"}`, 400,
			`{"email":"This email is already taken."}`),
		resttest.Case("the victim logs in as before", "", "POST /api/auth", `{"username":"yan","password":"yoyo"}`, 201, `~token`),
		register("with one's own", `{"full_name":"Eve","phone":"+14155550123","phone_code":"`+code+`","email":"eve@example.com","new_password":"yoyo"}`, 201, `~token`),
	)
	if one[bool](t, s, `SELECT coalesce(max(email_verified_at), 0) FROM contact WHERE email = 'eve@example.com'`) {
		t.Error("the e-mail is verified though only the phone was")
	}
}

// phones is a phone back-end that takes everything.
type phones struct{}

func (phones) Send(context.Context, string, string) error { return nil }

func TestLoginByPhoneCode(t *testing.T) {
	s := newSite(t, func(o *Options) { o.Texts = phones{} })
	s.Run(t,
		recovery("by phone", "+1 415 555 5556", 200, `{"username":"+1 415 555 5556"}`),
		resttest.Case("wrong", "", "POST /api/auth", `{"username":"+14155555556","phone_code":1}`, 400, `{"phone_code":"This code is wrong or has expired."}`),
	)
	code := one[string](t, s, `SELECT phone_code FROM contact WHERE phone = '+14155555556'`)
	s.Run(t, resttest.Case("right", "", "POST /api/auth", `{"username":"+14155555556","phone_code":"`+code+`"}`, 201, `~token`))
}

func TestActivation(t *testing.T) {
	s := newSite(t)
	const unknown = "ffffffffffffffffffffffffffffffffffffffff"
	activate := func(name, method, key, body string, status int, want string) resttest.Step {
		return resttest.Case(name, "", method+" /api/auth/"+key, body, status, want)
	}
	const wrong = `{"detail":"This link is wrong or has expired."}`
	s.Run(t,
		resttest.Case("re-send", "nina", "POST /api/users/nina/activate", "", 200, `~{"slug":"nina"~"detail":"The activation message was sent to nina@example.com."}`),
		resttest.Case("re-send at once", "alice", "POST /api/users/nina/activate", "", 429, `*`),
		resttest.Case("has a password", "alice", "POST /api/users/yan/activate", "", 400, `{"detail":"This user is active already."}`),
		resttest.Case("nobody", "alice", "POST /api/users/ghost/activate", "", 404, `*`),
		resttest.Case("a stranger", "yan", "POST /api/users/nina/activate", "", 403, denied),
		activate("unknown", "GET", unknown, "", 400, wrong),
		activate("unknown", "POST", unknown, `{"new_password":"yoyo"}`, 400, wrong),
		activate("not a key", "GET", "FFFF", "", 404, `*`),
	)
	key := s.key(t, "nina@example.com")
	s.Run(t,
		activate("form", "GET", key, "", 200, `~{"slug":"nina","username":"nina"~"credentials":false`),
		activate("empty", "POST", key, `{}`, 400, `{"new_password":["This field is required."]}`),
		activate("short", "POST", key, `{"new_password":"abc"}`, 400, `~{"new_password":["Ensure`),
		activate("taken name", "POST", key, `{"new_password":"yoyo","username":"xia"}`, 400, `{"username":"This username is already taken."}`),
		activate("another name", "POST", key, `{"new_password":"yoyo","username":"nina2","full_name":"Nina Newer"}`, 201, `~token`),
		activate("used", "POST", key, `{"new_password":"yoyo"}`, 400, wrong),
		activate("used", "GET", key, "", 400, wrong),
		resttest.Case("log in", "", "POST /api/auth", `{"username":"nina2","password":"yoyo"}`, 201, `~token`),
		resttest.Case("detail", "nina2", "GET /api/users/nina2", "", 200, `~"email":"nina@example.com"~"credentials":true`),
	)
	if !one[bool](t, s, `SELECT email_verified_at IS NOT NULL FROM contact WHERE email = 'nina@example.com'`) {
		t.Error("the address is not verified")
	}
}

// The link says whose account it is; the body cannot point it at another.
func TestActivationOfAnother(t *testing.T) {
	s := newSite(t)
	s.Do("alice", "POST /api/users/nina/activate", "")
	key := s.key(t, "nina@example.com")
	s.Run(t, resttest.Case("another's address", "", "POST /api/auth/"+key, `{"new_password":"evil","email":"xia@example.com","phone":"+14155555556","username":"xia"}`, 400, `*`),
		resttest.Case("another's address", "", "POST /api/auth/"+key, `{"new_password":"evil","email":"xia@example.com"}`, 201, `~token`),
		resttest.Case("not xia's password", "", "POST /api/auth", `{"username":"xia","password":"evil"}`, 401, incorrect),
		resttest.Case("but nina's", "", "POST /api/auth", `{"username":"nina","password":"evil"}`, 201, `~token`))
}

// A contact of nobody activates into a new user.
func TestActivationOfContact(t *testing.T) {
	s := newSite(t)
	s.Run(t, resttest.Case("contact", "alice", "POST /api/users", `{"full_name":"Con Tact","email":"con@example.com"}`, 201, `*`),
		resttest.Case("message", "alice", "POST /api/users/con/activate", "", 200, `~"slug":"con"`))
	key := s.key(t, "con@example.com")
	s.Run(t, resttest.Case("form", "", "GET /api/auth/"+key, "", 200, `~"full_name":"Con Tact"~"credentials":false`),
		resttest.Case("activate", "", "POST /api/auth/"+key, `{"new_password":"yoyo","type":"personal"}`, 201, `~token`),
		resttest.Case("log in", "", "POST /api/auth", `{"username":"con@example.com","password":"yoyo"}`, 201, `~token`))
	if got := one[string](t, s, `SELECT p.slug FROM profile p JOIN user u ON u.username = p.slug WHERE u.email = 'con@example.com'`); got != "con" {
		t.Errorf("personal profile %q", got)
	}
}

// Contacts flagged for it ask for a proof at every log-in.
func TestFlaggedContact(t *testing.T) {
	s := newSite(t)
	const flags = `{"password":"yoyo","otp_enabled":false,"email_verification_enabled":true,"phone_verification_enabled":false}`
	s.Run(t, resttest.Case("flag", "xia", "PUT /api/users/xia/otp", flags, 204, ""),
		resttest.Case("log in", "", "POST /api/auth", `{"username":"XIA@Example.com","password":"yoyo"}`, 401, sentEmail))
	code := s.code(t, "xia@example.com")
	s.Run(t, resttest.Case("with the code and a wrong password", "", "POST /api/auth", `{"username":"xia","password":"wrong","email_code":"`+code+`"}`, 401, incorrect),
		resttest.Case("with both", "", "POST /api/auth", `{"username":"xia","password":"yoyo","email_code":"`+code+`"}`, 201, `~token`))
}

// What an adopted contact proved before, somebody else proved.
func TestAdoptedContactIsNotVerified(t *testing.T) {
	s := newSite(t)
	s.exec(t, `UPDATE contact SET email_verified_at = 1 WHERE email = 'yan@example.com'`)
	s.Run(t, resttest.Case("delete", "alice", "DELETE /api/users/yan", "", 204, ""),
		register("the address again", `{"full_name":"Eve","email":"yan@example.com","new_password":"yoyo"}`, 201, `~token`))
	if one[bool](t, s, `SELECT coalesce(max(email_verified_at), 0) FROM contact WHERE email = 'yan@example.com'`) {
		t.Error("the new user's address passes for verified")
	}
}

func TestDelegatedDomains(t *testing.T) {
	s := newSite(t)
	s.exec(t, `INSERT INTO delegate_auth (domain, provider, created_at) VALUES ('corp.example', 'github', 0), ('saml.example', 'saml', 0)`)
	s.Run(t,
		resttest.Case("log in", "", "POST /api/auth", `{"username":"joe@corp.example","password":"yoyo"}`, 400,
			`{"detail":"Log in through your organization.","provider":"github","url":"https://app.example.com/login/github/"}`),
		register("register", `{"full_name":"Joe","email":"joe@Corp.example","new_password":"yoyo"}`, 400, `~"provider":"github"`),
		recovery("saml", "joe@saml.example", 400, `~"url":"https://app.example.com/login/saml/?next=%2F&idp=saml.example"`),
	)
}

// Who is refused for want of a password is sent the activation message again, at most every 10 minutes.
func TestReminder(t *testing.T) {
	s := newSite(t)
	refuse := func() {
		s.Run(t, resttest.Case("refused", "nina", "GET /api/users/nina/api-keys", "", 403, denied))
		for range cap(s.reminders) { // until the messages are out
			s.reminders <- struct{}{}
		}
		for range cap(s.reminders) {
			<-s.reminders
		}
	}
	sent := func() int { return one[int](t, s, `SELECT email_sent FROM contact WHERE email = 'nina@example.com'`) }
	refuse()
	refuse()
	if n := sent(); n != 1 {
		t.Errorf("%d messages, want 1", n)
	}
	s.Clock.Advance(10 * time.Minute)
	refuse()
	if n := sent(); n != 2 {
		t.Errorf("%d messages after 10 minutes, want 2", n)
	}
}

func TestJanitor(t *testing.T) {
	s := newSite(t)
	s.Do("", "POST /api/auth/recover", `{"username":"ghost@example.com"}`)
	s.Do("", "POST /api/auth/register", `{"full_name":"Half Way","email":"half@example.com","new_password":"yoyo","check_email":true}`)
	s.Do("alice", "POST /api/users", `{"full_name":"Address Book","email":"book@example.com"}`)
	s.Do("", "POST /api/auth", `{"username":"xia","password":"wrong"}`)
	s.Clock.Advance(6 * 24 * time.Hour)
	count := func() string {
		return one[string](t, s, `SELECT group_concat(slug, ' ') FROM (SELECT slug FROM contact WHERE user_id IS NULL ORDER BY slug)`) + fmt.Sprint(" ",
			one[int](t, s, `SELECT count(*) FROM throttle`))
	}
	if err := errors.Join(s.Janitor(t.Context()), s.Site.Service.ForgetCounts(t.Context())); err != nil {
		t.Fatal(err)
	}
	if got := count(); got != "book ghost half 0" {
		t.Errorf("after six days: %s", got)
	}
	s.Clock.Advance(2 * 24 * time.Hour)
	if err := s.Janitor(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := count(); got != "book 0" {
		t.Errorf("after eight days: %s", got)
	}
}

// Of several requests with one link or one code at once, one is let in; the others are told that it was used, and not that a password
// is wrong which they never gave.
func TestLinkAndCodeUsedAtOnce(t *testing.T) {
	s := newSite(t)
	s.Run(t, resttest.Case("invite", "alice", "POST /api/users/nina/activate", "", 200, "*"))
	s.Do("", "POST /api/auth/recover", `{"username":"yan"}`)
	for _, c := range []struct{ request, body, refused string }{
		{"POST /api/auth/" + s.key(t, "nina@example.com"), `{"full_name":"Nina","new_password":"yoyo"}`, `{"detail":"This link is wrong or has expired."}`},
		{"POST /api/auth/register", `{"full_name":"Yan","email":"yan@example.com","email_code":"` + s.code(t, "yan@example.com") + `","new_password":"other"}`,
			`{"email_code":"This code is wrong or has expired."}`},
	} {
		answers := make([]*httptest.ResponseRecorder, 4)
		var wg sync.WaitGroup
		for i := range answers {
			wg.Go(func() { answers[i] = s.Do("", c.request, c.body) })
		}
		wg.Wait()
		let := 0
		for _, a := range answers {
			switch {
			case a.Code == 201:
				let++
			case a.Code != 400 || strings.TrimSpace(a.Body.String()) != c.refused:
				t.Errorf("%s: %d %s", c.request, a.Code, a.Body)
			}
		}
		if let != 1 {
			t.Errorf("%s: %d were let in", c.request, let)
		}
	}
}
