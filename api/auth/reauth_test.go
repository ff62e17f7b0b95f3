package auth

import (
	"strings"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

// every endpoint of auth.md 16 to 18 that asks who calls once more, with a body but for the secret.
var reauthenticated = []struct{ request, body string }{
	{"PUT /api/users/xia/password", `"new_password":"yoyo"`},
	{"POST /api/users/xia/api-keys", `"title":"ci"`},
	{"PUT /api/users/xia/ssh-keys", `"pubkey":"ssh-ed25519 AAAA"`},
	{"PUT /api/users/xia/otp", `"otp_enabled":false,"email_verification_enabled":false,"phone_verification_enabled":false`},
}

func TestReauthentication(t *testing.T) {
	for _, e := range reauthenticated {
		t.Run(e.request, func(t *testing.T) {
			s := newSite(t)
			try := func(name, as, secrets string, status int, want string) resttest.Step {
				return resttest.Case(name, as, e.request, `{`+secrets+e.body+`}`, status, want)
			}
			s.Do("", "POST /api/auth/recover", `{"username":"xia"}`)
			code := s.code(t, "xia@example.com")
			s.Run(t,
				try("anonymous", "", ``, 401, noIdentity),
				try("a stranger", "nina", `"password":"yoyo",`, 403, denied),
				try("manager of a profile of hers", "yan", `"password":"yoyo",`, 403, denied),
				try("contributor of the broker", "cindy", `"password":"yoyo",`, 403, denied),
				try("no secret", "xia", ``, 401, `~{"detail":"Please prove`).Wants(`WWW-Authenticate: Bearer realm="cowork"`),
				try("wrong password", "xia", `"password":"wrong",`, 401, `{"password":"Incorrect credentials."}`),
				try("wrong e-mail code", "xia", `"email_code":1,`, 401, `{"email_code":"This code is wrong or has expired."}`),
				try("wrong phone code", "xia", `"phone_code":1,`, 401, `{"phone_code":"This code is wrong or has expired."}`),
				try("one-time password without a secret", "xia", `"otp_code":123456,`, 401, `{"otp_code":"This code is wrong or has expired."}`),
				try("no number", "xia", `"otp_code":"abc",`, 400, `{"otp_code":["A valid integer is required."]}`),
				try("right password, wrong code", "xia", `"password":"yoyo","email_code":1,`, 401, `~{"email_code"`),
				try("right code", "xia", `"email_code":"`+code+`",`, successOf(e.request), `*`),
				try("used code", "xia", `"email_code":"`+code+`",`, 401, `~{"email_code"`),
				try("right password", "xia", `"password":"yoyo",`, successOf(e.request), `*`),
				try("broker", "alice", `"password":"yoyo",`, successOf(e.request), `*`),
				resttest.Case("nobody", "alice", strings.Replace(e.request, "xia", "ghost", 1), `{}`, 404, `*`),
			)
		})
	}
}

func successOf(request string) int {
	switch {
	case strings.HasSuffix(request, "otp"):
		return 204
	case strings.HasPrefix(request, "POST"):
		return 201
	}
	return 200
}

func TestFrozenCredentials(t *testing.T) {
	s := newSite(t, func(o *Options) { o.Settings.DisabledUserUpdate = true })
	const frozen = `{"detail":"Credentials cannot be changed on this site."}`
	for _, e := range reauthenticated {
		s.Run(t, resttest.Case(e.request, "xia", e.request, `{"password":"yoyo",`+e.body+`}`, 401, frozen))
	}
	s.Run(t,
		resttest.Case("remove", "xia", "DELETE /api/users/xia/password", "", 401, frozen),
		register("register", `{"full_name":"N","email":"n@example.com","new_password":"yoyo"}`, 401, frozen),
		resttest.Case("log in", "", "POST /api/auth", `{"username":"xia","password":"yoyo"}`, 201, `~token`),
	)
}

func TestChangePassword(t *testing.T) {
	s := newSite(t)
	change := func(name, body string, status int, want string) resttest.Step {
		return resttest.Case(name, "xia", "PUT /api/users/xia/password", body, status, want)
	}
	s.Run(t,
		change("missing", `{"password":"yoyo"}`, 400, `{"new_password":["This field is required."]}`),
		change("short", `{"password":"yoyo","new_password":"abc"}`, 400, `{"new_password":["Ensure this field has at least 4 characters."]}`),
		change("long", `{"password":"yoyo","new_password":"`+strings.Repeat("x", 257)+`"}`, 400, `{"new_password":["Ensure this field has no more than 256 characters."]}`),
		change("changed", `{"password":"yoyo","new_password":"`+strings.Repeat("é", 256)+`"}`, 200, `{"detail":"The password was changed."}`),
		resttest.Case("old", "", "POST /api/auth", `{"username":"xia","password":"yoyo"}`, 401, incorrect),
		resttest.Case("new", "", "POST /api/auth", `{"username":"xia","password":"`+strings.Repeat("é", 256)+`"}`, 201, `~token`),
		resttest.Case("by the broker, with its own password", "alice", "PUT /api/users/xia/password", `{"password":"yoyo","new_password":"third"}`, 200, `*`),
		resttest.Case("third", "", "POST /api/auth", `{"username":"xia","password":"third"}`, 201, `~token`),
	)
	if got := one[string](t, s, `SELECT actor FROM audit WHERE action = 'resetpassword' AND subject = 'xia' ORDER BY id DESC LIMIT 1`); got != "alice" {
		t.Errorf("the audit says %q", got)
	}
	s.Clock.Advance(time.Second)
	s.Run(t,
		resttest.Case("removed", "xia", "DELETE /api/users/xia/password", "", 204, ""),
		resttest.Case("a code instead", "", "POST /api/auth", `{"username":"xia","password":"third"}`, 401, `~"email":"A code was sent`),
		resttest.Case("no longer active", "xia", "GET /api/users/xia/api-keys", "", 403, denied),
	)
}
