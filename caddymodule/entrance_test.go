package caddymodule

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"golang.org/x/net/html"
)

// Somebody registers, and goes straight on to where it was on the way to; what is taken is said beside the field, and what was typed stays.
func TestRegisterPage(t *testing.T) {
	s := pagesSite(t)
	v := s.visitor()
	v.must(200, "/register/?next=%2Faccount%2F").says("Create an account", "For myself", "For an organization")
	v.fill("register", "full_name", "Joe Card", "email", "joe@example.com", "password", "yo", "username", "joe1").press(400)
	if got := v.problems("password"); got != "At least 4 characters." {
		t.Errorf("a short password: %q", got)
	}
	if v.value("full_name") != "Joe Card" || v.value("email") != "joe@example.com" || v.value("type") != "personal" {
		t.Errorf("what was typed is gone: %s", v.text("main"))
	}
	v.fill("register", "password", "yoyo", "username", "Donny").press(400)
	if got := v.problems("username"); got != "Somebody has this name already. Choose another one." {
		t.Errorf("a name that is taken: %q", got)
	}
	v.fill("register", "password", "yoyo", "username", "joe1").press(303)
	if v.location() != "/account/" {
		t.Errorf("goes on to %s", v.location())
	}
	v.must(200, "/account/")
	if got := s.upstream.take().Headers["Tollgate-User"]; len(got) != 1 || got[0] != "joe1" {
		t.Errorf("the application is told of %v", got)
	}
	joe := s.login("joe1")
	if a := s.must(200, "GET", "/api/profile/joe1", nil, joe).json(t); a["type"] != "personal" {
		t.Errorf("the profile is %v", a)
	}
	if a := s.must(200, "GET", "/api/users/joe1", nil, joe).json(t); a["lang"] != "en" {
		t.Errorf("the language is %v", a["lang"])
	}
	w := s.visitor()
	w.must(200, "/register/")
	w.fill("register", "full_name", "Joe Again", "email", "joe@example.com", "password", "other").press(400)
	got := w.problems("")
	if !strings.Contains(got, "There is an account with this address or name already.") || w.link("Set a new password") == "" {
		t.Errorf("an address that is taken: %q", got)
	}
	w.fill("register", "full_name", "Ann Lee", "email", "ann@example.com", "password", "yoyo", "type", "organization").press(400)
	if got := w.problems("organization_name"); got != "Fill this in." {
		t.Errorf("an organization without a name: %q", got)
	}
	w.fill("register", "password", "yoyo", "organization_name", strings.Repeat("Long name ", 10)+"x").press(400)
	if got := w.problems("organization_name"); got != "At most 100 characters." {
		t.Errorf("a long name: %q", got)
	}
	w.fill("register", "password", "yoyo", "organization_name", "Ann's Lab").press(303)
	if w.location() != "/app/" {
		t.Errorf("goes on to %s", w.location())
	}
	s.must(200, "GET", "/api/profile/anns-lab", nil, s.login("ann"))
}

// Pressing twice makes one account, and lets in twice.
func TestRegisterTwice(t *testing.T) {
	s := pagesSite(t)
	v := s.visitor()
	v.must(200, "/register/")
	form := v.fill("register", "full_name", "Joe Card", "email", "joe@example.com", "password", "yoyo", "username", "joe1")
	form.press(303)
	if v.location() != "/app/" {
		t.Errorf("goes on to %s", v.location())
	}
	form.press(303) // in the session that the first time has opened
	v.follow().says("You are logged in as Joe")
	s.must(400, "POST", "/api/auth/register", map[string]any{"full_name": "Joe", "username": "joe1",
		"email": "x@example.com", "new_password": "yoyo"})
}

// A site that has terms asks for them in the form; one that proves addresses first makes the account when the code comes back.
func TestRegisterProvesFirst(t *testing.T) {
	s := pagesSite(t, func(s *site) { s.global = "verify_email_on_registration" })
	donny := s.login("donny")
	s.must(201, "POST", "/api/agreements", map[string]any{"title": "Terms of use", "text": "Be **kind**."}, donny)
	v := s.visitor()
	v.must(200, "/register/").says("I agree to: Terms of use")
	v.fill("register", "full_name", "Joe Card", "email", "joe@example.com", "password", "yoyo").press(400)
	if v.problems("sign") != "Please agree to this to go on." {
		t.Errorf("unsigned: %s", v.text("main"))
	}
	v.fill("register", "password", "yoyo", "sign", "terms-of-use", "username", "donny").press(303)
	v.follow().says("A mail with a code of six digits is on its way to joe@example.com.")
	v.fill("code", "code", "").press(400)
	if v.problems("code") != "Enter the code." {
		t.Errorf("no code: %s", v.text("main"))
	}
	code := s.code("joe@example.com")
	wrong := "111111"
	if code == wrong {
		wrong = "222222"
	}
	v.fill("code", "code", wrong).press(400)
	if v.problems("code") != "This code is wrong, or too old." {
		t.Errorf("a wrong code: %s", v.text("main"))
	}
	v.fill("code").press(429, "way", "again")
	if !strings.Contains(v.problems(""), "Please try again in") {
		t.Errorf("asked again at once: %s", v.text("main"))
	}
	v.fill("code", "code", code).press(400) // the name is taken, and typed anew with the code that stays
	if v.problems("username") == "" || v.value("code") != code {
		t.Errorf("a name that is taken: %s", v.text("main"))
	}
	v.fill("code", "username", "joe1").press(303)
	if v.location() != "/app/" {
		t.Errorf("goes on to %s", v.location())
	}
	s.must(200, "GET", "/api/profile/joe1", nil, s.login("joe1")) // has signed
}

// Where there is no page of the profiles, somebody new goes on to the first page, as after a log-in.
func TestRegisterWithoutProfiles(t *testing.T) {
	s := pagesSite(t, func(s *site) { s.more = "tollgate_pages {\n\t\tprefix /my\n\t\tonly login\n\t}" })
	v := s.visitor()
	v.must(200, "/my/register/")
	v.fill("register", "full_name", "Joe Card", "email", "joe@example.com", "password", "yoyo", "username", "joe1").press(303)
	if v.location() != "/" {
		t.Errorf("goes on to %s", v.location())
	}
}

// Where nobody registers, the page says whom to ask.
func TestRegisterClosed(t *testing.T) {
	s := pagesSite(t, func(s *site) { s.global = "authentication login-only" })
	v := s.visitor()
	v.must(200, "/register/").says("New accounts are created by the people who run this site.")
	if v.has("register") {
		t.Error("there is a form")
	}
}

// Every failure of a log-in is told where it can be mended, and the typed name stays.
func TestLoginFailures(t *testing.T) {
	s := pagesSite(t, func(s *site) { s.global = "login_throttle 3" })
	v := s.visitor()
	v.must(200, "/login/")
	v.fill("login", "username", "ghost", "password", "x").press(400)
	if v.problems("username") != "We know no account of that name." || v.value("username") != "ghost" {
		t.Errorf("unknown: %s", v.text("main"))
	}
	v.fill("login", "username", "xia").press(400)
	if v.problems("password") != "Enter your password." {
		t.Errorf("no password: %s", v.text("main"))
	}
	for range 3 {
		v.fill("login", "username", "xia", "password", "wrong").press(400)
		if v.problems("password") != "Name or password is not right." || v.problems("username") != "" || v.value("username") != "xia" {
			t.Errorf("wrong: %s", v.text("main"))
		}
		if in := find(v.page, func(n *html.Node) bool { return attrOf(n, "name") == "password" }); !hasAttr(in, "autofocus") {
			t.Error("the focus is not where it is typed again")
		}
	}
	v.fill("login", "username", "xia", "password", "yoyo").press(429)
	if !strings.Contains(v.problems("username"), "Please try again in") || v.header.Get("Retry-After") == "" {
		t.Errorf("throttled: %s", v.text("main"))
	}
}

// Where the site does not tell who has an account, the page does not either.
func TestLoginHidden(t *testing.T) {
	s := pagesSite(t, func(s *site) { s.global = "hide_account_existence" })
	var said []string
	for _, name := range []string{"ghost", "xia"} {
		v := s.visitor()
		v.must(200, "/login/")
		v.fill("login", "username", name, "password", "wrong").press(400)
		said = append(said, strings.ReplaceAll(v.text("main"), name, ""))
		v.must(200, "/login/")
		v.fill("login", "username", name).press(303, "way", "code")
		said[len(said)-1] += strings.ReplaceAll(v.follow().text("main"), name, "")
		v.must(200, "/recover/")
		v.fill("recover", "username", name).press(303)
		said[len(said)-1] += strings.ReplaceAll(v.follow().silent("•••").text("main"), name, "")
	}
	if said[0] != said[1] {
		t.Errorf("the pages tell apart:\n%s\n%s", said[0], said[1])
	}
}

// A code takes the place of a password; who is logged in already goes on, or logs in as somebody else.
func TestLoginByCodePage(t *testing.T) {
	s := pagesSite(t)
	v := s.visitor()
	v.must(200, "/login/?next=%2Faccount%2F")
	v.fill("login", "username", "xia").press(303, "way", "code")
	v.follow().says("on its way to x•••@e•••.com")
	v.fill("code").press(429, "way", "again")
	if !strings.Contains(v.problems(""), "Please try again in") {
		t.Errorf("again at once: %s", v.text("main"))
	}
	v.fill("code", "code", s.code("xia@example.com")).press(303)
	if v.location() != "/app/?next=%2Faccount%2F" {
		t.Errorf("goes on to %s", v.location())
	}
	v.must(200, "/login/").says("You are logged in as", "or log in as somebody else")
	v.fill("login", "username", "donny", "password", "yoyo").press(303)
	v.must(200, "/logout/").says("Donny")
}

// An account with one-time passwords asks for one, and takes a recovery code as well.
func TestLoginByOTPPage(t *testing.T) {
	s := pagesSite(t)
	s.confirm("xia")
	xia := s.login("xia")
	body := map[string]any{
		"password": "yoyo", "otp_enabled": true, "email_verification_enabled": false, "phone_verification_enabled": false}
	key := s.must(201, "PUT", "/api/users/xia/otp", body, xia).json(t)["priv_key"].(string)
	v := s.visitor()
	v.must(200, "/login/")
	v.fill("login", "username", "xia", "password", "yoyo").press(303)
	v.follow().says("One more step")
	v.fill("otp", "otp_code", "000000").press(400)
	if v.problems("otp_code") != "This code is wrong, or was used before." {
		t.Errorf("a wrong one: %s", v.text("main"))
	}
	code, err := totp.GenerateCode(key, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	v.fill("otp", "otp_code", code).press(303)
	if v.location() != "/app/" {
		t.Errorf("goes on to %s", v.location())
	}
}

// A password that is forgotten is set anew with a code, and the old one ends.
func TestRecoverPage(t *testing.T) {
	s := pagesSite(t)
	v := s.visitor()
	v.must(200, "/recover/?next=%2Faccount%2F")
	v.fill("recover", "username", "ghost").press(400)
	if v.problems("username") != "We know no account of that name." || v.value("username") != "ghost" {
		t.Errorf("unknown: %s", v.text("main"))
	}
	v.fill("recover", "username", "xia").press(303)
	v.follow().says("on its way to x•••@e•••.com")
	code := s.code("xia@example.com")
	v.fill("code", "code", code).press(400)
	if v.problems("new_password") != "Choose a password." || v.value("code") != code {
		t.Errorf("no password: %s", v.text("main"))
	}
	v.fill("code", "new_password", "yo").press(400)
	if v.problems("new_password") != "At least 4 characters." {
		t.Errorf("a short password: %s", v.text("main"))
	}
	v.fill("code", "new_password", "a new one").press(303)
	if v.location() != "/app/?next=%2Faccount%2F" {
		t.Errorf("goes on to %s", v.location())
	}
	s.must(201, "POST", "/api/auth", map[string]any{"username": "xia", "password": "a new one"})
	s.must(401, "POST", "/api/auth", map[string]any{"username": "xia", "password": "yoyo"})
	s.visitor().must(200, "/activate/").says("Set up your account")
}

// The link of a mail leads to a page, which uses its key up by its button alone; below a prefix as well.
func TestLinkPage(t *testing.T) {
	for _, prefix := range []string{"", "/my"} {
		t.Run("prefix "+prefix, func(t *testing.T) {
			s := pagesSite(t, pagesBelow(prefix), func(s *site) { s.global = "use_verification_links" })
			v := s.visitor()
			v.must(200, prefix+"/recover/")
			v.fill("recover", "username", "xia").press(303)
			v.follow().says("A mail with a link is on its way")
			link, err := url.Parse(mailedLink.FindString(s.mail("xia@example.com", "/login/")))
			if err != nil || !strings.HasPrefix(link.Path, prefix+"/login/") {
				t.Fatalf("the mail leads to %s (%v)", link, err)
			}
			for range 2 { // scanners
				s.visitor().must(200, link.Path)
				if a := s.send("HEAD", link.Path, ""); a.status != 200 {
					t.Errorf("HEAD: %d", a.status)
				}
			}
			other := s.visitor()
			other.must(200, prefix+"/login/")
			other.fill("login", "username", "donny", "password", "yoyo").press(303)
			other.must(200, link.Path).says("You are logged in as Donny", "This link is for xia")
			w := s.visitor()
			w.must(200, link.Path).says("This link sets a new password for xia")
			if w.header.Get("Referrer-Policy") != "no-referrer" {
				t.Errorf("the address is told: %s", w.header.Get("Referrer-Policy"))
			}
			form := w.fill("key", "new_password", "yo")
			form.press(400)
			if w.problems("new_password") != "At least 4 characters." {
				t.Errorf("a short password: %s", w.text("main"))
			}
			form = w.fill("key", "new_password", "a new one")
			form.press(303)
			if w.location() != prefix+"/app/" {
				t.Errorf("goes on to %s", w.location())
			}
			form.press(303) // a second time, in the session that the first has opened
			w.follow().says("This link has been used", "Continue as Xia")
			s.visitor().must(200, link.Path).says("This link has been used")
			s.must(201, "POST", "/api/auth", map[string]any{"username": "xia", "password": "a new one"})
		})
	}
}

// Nobody is logged out by looking; the button ends this session, the other one all of them.
func TestLogoutPage(t *testing.T) {
	s := pagesSite(t)
	here, there := s.knownVisitor("xia"), s.knownVisitor("xia")
	here.must(200, "/logout/")
	here.must(200, "/logout/").says("You are logged in as Xia")
	form := here.fill("logout")
	form.press(303)
	here.follow().says("You are logged out.")
	here.must(200, "/logout/").says("Nobody is logged in here.")
	there.must(200, "/logout/").says("You are logged in as Xia")
	again := s.knownVisitor("xia")
	again.must(200, "/logout/")
	again.fill("everywhere").press(303)
	again.follow().says("here and on all your devices")
	there.must(200, "/logout/").says("Nobody is logged in here.")
	if a := there.get("/account/"); a.status != http.StatusFound && a.status != http.StatusSeeOther {
		t.Errorf("the gate lets in: %d", a.status)
	}
}

// withoutPassword registers somebody without a password, and returns a visitor who tried to log in as them: a code is on its way.
func (s *site) withoutPassword(name string) *visitor {
	s.t.Helper()
	s.must(201, "POST", "/api/auth/register", map[string]any{
		"username": name, "new_password": nil, "email": name + "@example.com", "full_name": "Nora Lind"})
	v := s.visitor()
	v.must(200, "/login/")
	return v.fill("login", "username", name, "password", "guess").press(303)
}

// Who is logged in without a password is told that a message is on its way, may have it sent again, and sets the password by its link.
func TestLoginInactive(t *testing.T) {
	s := pagesSite(t)
	v := s.withoutPassword("nora")
	v.follow().says("on its way to n•••@e•••.com")
	v.fill("code", "code", s.code("nora@example.com")).press(303)
	v.must(303, "/users/roles/accept/")
	v.follow().says("this account has no password yet")
	if v.value("username") != "" || !v.has("login") {
		t.Errorf("nobody else can log in: %s", v.text("main"))
	}
	link := mailedLink.FindString(s.mail("nora@example.com", "/login/"))
	v.fill("activation").press(429) // the message has just been sent
	v.must(200, strings.TrimPrefix(link, base)).says("Set up your account")
	v.fill("key", "new_password", "yoyo").press(303)
	s.login("nora")
	v.must(200, "/users/roles/accept/").says("No invitation is waiting")
}

// A site that lets nobody but its staff in says so.
func TestLoginDisabled(t *testing.T) {
	s := pagesSite(t, func(s *site) { s.global = "authentication disabled" })
	v := s.visitor()
	v.must(200, "/login/")
	v.fill("login", "username", "xia", "password", "yoyo").press(400)
	if v.problems("username") != "Nobody can log in at the moment. Please try again later." {
		t.Errorf("disabled: %s", v.text("main"))
	}
	v.fill("login", "username", "donny", "password", "yoyo").press(303)
}
