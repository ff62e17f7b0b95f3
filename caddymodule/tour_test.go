package caddymodule

import (
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/BurntSushi/toml"
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
			joe.isInvited()
			joe.forgetsThePassword()
			joe.changesTheAddress()
			joe.logsOutEverywhere(b)
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
	f.press(say("account.save"))
	code := j.s.code("joe@new.example")
	f = j.p.form("email_proof").fill(say("account.code"), code)
	f.press(say("account.prove"))
	j.p.says("joe@new.example", say("account.proven"))
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
