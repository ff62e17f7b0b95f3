package auth

import (
	"testing"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

// A form of registration is told what the site asks for.
func TestRegistering(t *testing.T) {
	s := newSite(t)
	ask := func(name, want string) {
		t.Helper()
		s.Run(t, resttest.Case(name, "", "GET /api/auth/register", "", 200, want))
	}
	ask("by default", `{"open":true,"types":["personal","organization","user"],"verify_email":false,"verify_phone":false,`+
		`"text_messages":false,"use_verification_links":false,"hide_account_existence":false,"min_length":4,"agreements":[]}`)
	s.exec(t, `INSERT INTO agreement (slug, title, updated_at) VALUES ('terms-of-use', 'Terms of use', 1), ('privacy', 'Privacy', 1)`)
	ask("what everybody signs", `~"agreements":[{"slug":"terms-of-use","title":"Terms of use"}]}`)
	set := &s.Service.set
	set.Registration = "implicit"
	ask("a personal profile for everybody", `~"types":["personal"]`)
	set.Registration, set.ProviderRegistration = "organization", true
	ask("providers too", `~"types":["user","organization","provider"]`)
	set.HideAccountExistence = true
	ask("addresses are proven where accounts are hidden", `~"verify_email":true`)
	set.Authentication = LoginOnly
	ask("closed", `~"open":false`)
}

// An address is hinted at for who typed another name of the account, and for nobody where accounts are hidden.
func TestSentTo(t *testing.T) {
	s := newSite(t)
	s.Run(t,
		resttest.Case("recovery by name", "", "POST /api/auth/recover", `{"username":"xia"}`, 200,
			`{"username":"xia","sent_to":"x•••@e•••.com"}`),
		resttest.Case("recovery by address", "", "POST /api/auth/recover", `{"username":"yan@example.com"}`, 200,
			`{"username":"yan@example.com"}`),
		resttest.Case("log-in by name", "", "POST /api/auth", `{"username":"nina","check_email":true}`, 401,
			`~"sent_to":"n•••@e•••.com"`),
	)
	s.Service.set.HideAccountExistence = true
	s.Run(t,
		resttest.Case("hidden", "", "POST /api/auth/recover", `{"username":"xia"}`, 200, `{"username":"xia"}`),
		resttest.Case("hidden", "", "POST /api/auth", `{"username":"donny","check_email":true}`, 401, sentEmail),
	)
}

// A hint tells neither the name of a mailbox nor that of its host.
func TestMasked(t *testing.T) {
	for address, want := range map[string]string{
		"joe@mail.example.com": "j•••@m•••.com", "joe@localhost": "j•••@l•••",
		"élise@example.com": "é•••@e•••.com", "+14155555500": "+•••00",
	} {
		if got := masked(address); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}
