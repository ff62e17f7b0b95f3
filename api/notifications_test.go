package api

import (
	"encoding/json"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestNotifications reads and sets what users are mailed about, and sends samples (notifications.md 7).
func TestNotifications(t *testing.T) {
	s := newService(t, func(o *Options) { o.Demo, o.Auth.MinPassword = true, 4 })
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	do := func(token, request, body string) (int, string) {
		method, path, _ := strings.Cut(request, " ")
		r := httptest.NewRequest(method, "http://site.example"+path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		answer, _ := io.ReadAll(w.Body)
		return w.Code, string(answer)
	}
	tokens := map[string]string{}
	for _, name := range []string{"donny", "xia"} {
		code, answer := do("", "POST /api/auth", `{"username":"`+name+`","password":"yoyo"}`)
		var in struct{ Token string }
		if err := json.Unmarshal([]byte(answer), &in); err != nil || code != 201 {
			t.Fatalf("%d %s", code, answer)
		}
		tokens[name] = in.Token
	}
	const own, all = "/api/users/xia/notifications", `{"notifications":["card_expires_soon","card_updated","charge_updated","claim_code_generated","expires_soon",` +
		`"order_executed","profile_updated","quota_reached","renewal_charge_failed","role_grant_accepted","role_grant_created","role_request_created",` +
		`"subscription_grant_accepted","subscription_grant_created","subscription_request_accepted","subscription_request_created",` +
		`"use_charge_limit_crossed","user_logged_in","user_login_failed"],` +
		`"available":[{"slug":"card_expires_soon","title":"Card expires soon","description":""},`
	for _, test := range []struct {
		as, request, body string
		code              int
		want              string
	}{
		{"", "GET " + own, "", 401, "*"},
		{"xia", "GET /api/users/donny/notifications", "", 403, `{"detail":"Permission denied"}`},
		{"xia", "GET /api/users/nope/notifications", "", 403, `{"detail":"Permission denied"}`},
		{"donny", "GET /api/users/nope/notifications", "", 404, `{"detail":"No User matches the given query."}`},
		{"donny", "PUT /api/users/nope/notifications", `{}`, 404, `{"detail":"No User matches the given query."}`},
		{"xia", "GET " + own, "", 200, "~" + all},
		{"xia", "PUT " + own, `{}`, 400, `{"notifications":["This field is required."]}`},
		{"xia", "PUT " + own, `{"notifications":"x"}`, 400, `{"notifications":["Expected a list of items but got type \"str\"."]}`},
		{"xia", "PATCH " + own, `{}`, 200, "~" + all},
		{"xia", "PUT " + own, `{"notifications":["order_executed","user_registered","nope"]}`, 200,
			`~{"notifications":["order_executed"],"available":[{`},
		{"donny", "GET " + own, "", 200, `~{"notifications":["order_executed"],"available":[{`},
		{"xia", "PATCH " + own, `{"notifications":[]}`, 200, `~{"notifications":[],"available":[{`},
		{"donny", "GET /api/users/donny/notifications", "", 200, `~{"slug":"user_registered"`},
		{"xia", "POST /api/notifications/order_executed", "", 403, `{"detail":"Permission denied"}`},
		{"donny", "POST /api/notifications/order_executed", "", 200, `{"detail":"Test email sent to donny@cowork.example"}`},
		{"donny", "POST /api/notifications/user_registered", `{"user":{"full_name":"Ada"}}`, 200, `~Test email sent`},
		{"donny", "POST /api/notifications/user_registered", `[]`, 400, `{"detail":"Problem with template. Could not send test email."}`},
		{"donny", "POST /api/notifications/nope", "", 400, `{"detail":"Problem with template. Could not send test email."}`},
		{"donny", "GET /api/notifications/order_executed", "", 405, "*"},
	} {
		code, got := do(tokens[test.as], test.request, test.body)
		fits := got == test.want || test.want == "*" || strings.HasPrefix(test.want, "~") && strings.Contains(got, test.want[1:])
		if code != test.code || !fits {
			t.Errorf("%s as %q: %d %s\nwant %d %s", test.request, test.as, code, got, test.code, test.want)
		}
	}
}
