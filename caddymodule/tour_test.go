package caddymodule

import (
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/pquerna/otp/totp"
)

var english = sync.OnceValues(func() (messages map[string]any, err error) {
	raw, err := os.ReadFile("../pages/messages/en.toml")
	if err == nil {
		err = toml.Unmarshal(raw, &messages)
	}
	return messages, err
})

// say is a message in English, by which a person finds a button or a field.
func say(id string) string {
	messages, err := english()
	if err != nil {
		panic(err)
	}
	section, name, _ := strings.Cut(id, ".")
	table, _ := messages[section].(map[string]any)
	text, _ := table[name].(string)
	if text == "" {
		panic("there is no message " + id)
	}
	return text
}

// TestTourInBrowser takes the tour of the example site as a person does: by looking, typing and clicking, with scripts and without.
func TestTourInBrowser(t *testing.T) {
	b := newBrowser(t)
	for name, script := range map[string]bool{"script": true, "noscript": false} {
		t.Run(name, func(t *testing.T) {
			s := exampleSite(t)
			p := b.open(t, base)
			p.script(script)
			joe := tourist{t, s, p}
			joe.registers()
			joe.isRefused()
			joe.isGranted()
			joe.isInvited()
			joe.forgetsThePassword()
			joe.changesTheAddress()
			joe.makesAKey()
			joe.logsOutEverywhere(b)
			joe.protectsTheAccount()
			p.sound()
		})
	}
}

// A tourist is a person who tries the site.
type tourist struct {
	t *testing.T
	s *site
	p *tab
}

// registers: from the first page to one for whoever is logged in, by the log-in and the registration.
func (j tourist) registers() {
	j.t.Helper()
	j.p.visit("/public/")
	j.p.says("Welcome to Cowork")
	j.p.follow("A page for whoever is logged in")
	j.p.says(say("login.title"))
	j.p.follow(say("login.register"))
	j.p.picture("register")
	j.p.form("register").fill(say("register.name"), "Joe Card", say("register.email"), "joe@example.com", say("register.password"), "yoyo",
		say("register.username"), "joe1").press(say("register.submit"))
	if at := j.p.address(); at != "/account/" {
		j.t.Fatalf("after the registration: %s: %s", at, j.p.text())
	}
	j.p.says("user\tjoe1")
}

// isRefused: a page says why, what it costs and whom to ask.
func (j tourist) isRefused() {
	j.t.Helper()
	if status := j.p.visit("/app/joe1/"); status != 403 {
		j.t.Fatalf("/app/joe1/: %d %s", status, j.p.text())
	}
	j.p.says(say("refused.subscribe_badge"), "Premium", "$")
	if text := j.p.text(); strings.Contains(text, say("said.welcome")) {
		j.t.Errorf("the registration is said on the page of a refusal: %s", text)
	}
	j.p.picture("refused")
	j.p.follow(say("refused.prices"))
	j.p.says("Premium", "$90", "a month")
	j.p.picture("pricing")
}

// isGranted: another one grants the plan, the link in the mail leads to a page with a button, and the page that was closed is open.
func (j tourist) isGranted() {
	j.t.Helper()
	j.s.grant("joe1")
	link := mailedLink.FindString(j.s.mail("joe@example.com", "/subscriptions/accept/"))
	j.p.visit(strings.TrimPrefix(link, base))
	j.p.form("accept").press(say("grant.accept"))
	j.p.visit("/app/joe1/")
	j.p.says("user\tjoe1", "plan\tpremium")
}

// isInvited: another one invites Joe to a role, and the link in the mail leads to a page with a button.
func (j tourist) isInvited() {
	j.t.Helper()
	j.p.visit(j.s.invite(map[string]any{"slug": "joe1"}, "joe@example.com"))
	j.p.says("Cowork")
	j.p.form("accept").press(say("invitation.accept"))
	j.p.visit("/account/")
	j.p.says("contributor:cowork")
}

// forgetsThePassword: a code by mail sets a new one.
func (j tourist) forgetsThePassword() {
	j.t.Helper()
	j.p.visit("/logout/")
	j.p.form("logout").press(say("logout.here"))
	j.p.follow(say("login.forgotten"))
	j.p.form("recover").fill(say("login.username"), "joe1").press(say("recover.send"))
	j.p.form("code").fill(say("login.code_field"), j.s.code("joe@example.com"), say("recover.password"), "new yoyo").press(say("recover.set"))
	j.p.visit("/account/")
	j.p.says("user\tjoe1")
	j.p.visit("/logout/")
	j.p.form("logout").press(say("logout.here"))
	j.p.form("login").fill(say("login.username"), "joe1", say("login.password"), "yoyo").press(say("login.submit"))
	if at := j.p.address(); !strings.HasPrefix(at, "/login/") {
		j.t.Fatalf("the old password opens %s", at)
	}
	j.p.logIn("joe1", "new yoyo")
}

// changesTheAddress: the new one counts once it is proven.
func (j tourist) changesTheAddress() {
	j.t.Helper()
	j.p.visit("/users/joe1/")
	j.p.unfold(say("account.change_email"))
	f := j.p.form("email").fill(say("account.new_email"), "joe@new.example")
	if strings.Contains(j.p.text(), say("proof.password")) {
		f.fill(say("proof.password"), "new yoyo")
	}
	f.press(say("account.change_email"))
	code := j.s.code("joe@new.example")
	f = j.p.form("email_proof").fill(say("account.code"), code)
	f.press(say("account.prove"))
	j.p.says("joe@new.example", say("account.proven"))
}

// protectsTheAccount: one-time passwords are switched on, and asked for.
func (j tourist) protectsTheAccount() {
	j.t.Helper()
	j.p.logIn("joe1", "new yoyo")
	j.p.visit("/users/joe1/")
	j.p.follow(say("account_otp.tab"))
	j.p.form("start").fill(say("proof.password"), "new yoyo").press(say("account_otp.start"))
	secret := evaluate[string](j.p, "document.getElementById('secret').textContent.trim()")
	code, err := totp.GenerateCode(strings.ReplaceAll(secret, " ", ""), time.Now())
	if err != nil {
		j.t.Fatalf("%q: %v", secret, err)
	}
	j.p.form("confirm").fill(say("account_otp.code"), code).press(say("account_otp.confirm"))
	spare := evaluate[string](j.p, "document.querySelector('#codes code').textContent.trim()")
	j.p.follow(say("account_otp.kept"))
	j.p.says(say("account_otp.on"))
	j.p.visit("/logout/")
	j.p.form("logout").press(say("logout.here"))
	j.p.form("login").fill(say("login.username"), "joe1", say("login.password"), "new yoyo").press(say("login.submit"))
	j.p.says(say("login.otp_title"))
	j.p.form("otp").fill(say("login.otp_field"), spare).press(say("login.submit"))
	j.p.visit("/account/")
	j.p.says("user\tjoe1")
}

// makesAKey: a program is let in by it.
func (j tourist) makesAKey() {
	j.t.Helper()
	j.p.visit("/users/joe1/keys/")
	if evaluate[bool](j.p, "!document.querySelector('details')?.open") {
		j.p.unfold(say("account_keys.new"))
	}
	j.p.form("key").fill(say("account_keys.name"), "laptop", say("proof.password"), "new yoyo").press(say("account_keys.make"))
	key := evaluate[string](j.p, "document.getElementById('secret').textContent.trim()")
	j.p.says(say("account_keys.once"), "laptop")
	if a := j.s.do("GET", "/account/", nil, "Authorization: Bearer "+key); !strings.Contains(a.body, "joe1") {
		j.t.Errorf("the key opens %d %s", a.status, a.body)
	}
	j.p.visit("/users/joe1/keys/")
	if strings.Contains(j.p.text(), key) {
		j.t.Error("the key is shown again")
	}
}

// logsOutEverywhere: another browser is logged out, too.
func (j tourist) logsOutEverywhere(b *browser) {
	j.t.Helper()
	elsewhere := b.open(j.t, base)
	elsewhere.logIn("joe1", "new yoyo")
	elsewhere.visit("/account/")
	elsewhere.says("user\tjoe1")
	j.p.visit("/logout/")
	j.p.form("everywhere").press(say("logout.everywhere"))
	elsewhere.visit("/account/")
	elsewhere.says(say("login.title"))
	j.p.visit("/account/")
	j.p.says(say("login.title"))
}
