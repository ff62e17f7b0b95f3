package auth

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

// failures are the lines about failed log-ins since the last call, "door reason user" each.
func (s *site) failures() (lines []string) {
	for _, e := range s.logs.TakeAll() {
		if e.Message != "log-in failed" {
			continue
		}
		f := e.ContextMap()
		lines = append(lines, fmt.Sprintf("%s %s %s", f["door"], f["reason"], f["user"]))
	}
	return lines
}

// TestFailedLogins holds that every door writes a line for what fails there, and none for a step that was still missing.
func TestFailedLogins(t *testing.T) {
	s := newSite(t)
	s.exec(t, `UPDATE contact SET email_verified_at = 1 WHERE user_id IS NOT NULL`)
	s.enrol(t, "yan")
	key := strings.Repeat("f", 40)
	for _, c := range []struct{ as, request, want string }{
		{"", `POST /api/auth {"username":"xia","password":"wrong"}`, "login password xia"},
		{"", `POST /api/auth {"username":"Xia@example.com","password":"wrong"}`, "login password Xia@example.com"},
		{"", `POST /api/auth {"username":"rob","password":"wrong"}`, "login password rob"},
		{"", `POST /api/auth {"username":"ghost","password":"wrong"}`, "login user ghost"},
		{"", `POST /api/auth {"username":"ghost"}`, "login user ghost"},
		{"", `POST /api/auth {"username":"xia"}`, ""},
		{"", `POST /api/auth {"username":"xia@example.com","email_code":123456}`, "login code xia@example.com"},
		{"", `POST /api/auth {"username":"yan","password":"yoyo"}`, ""},
		{"", `POST /api/auth {"username":"yan","password":"yoyo","otp_code":1}`, "login otp yan"},
		{"", `POST /api/auth {"username":"xia","password":"yoyo"}`, ""},
		{"", `POST /api/auth/register {"username":"xia","password":"wrong","email":"xia@example.com","full_name":"X"}`, "register password xia"},
		{"", `POST /api/auth/register {"email":"n@example.com","full_name":"N","password":"yoyo","email_code":1}`, "register code n@example.com"},
		{"", `POST /api/auth/recover {"username":"ghost"}`, "recover user ghost"},
		{"", `POST /api/auth/recover {"username":"xia"}`, ""},
		{"", `GET /api/auth/` + key, "activate link "},
		{"", `POST /api/auth/` + key + ` {"new_password":"yoyo"}`, "activate link "},
		{"xia", `PUT /api/users/xia/password {"password":"wrong","new_password":"yoyo2"}`, "confirm password xia"},
		{"xia", `PUT /api/users/xia/password {"email_code":1,"new_password":"yoyo2"}`, "confirm code xia"},
		{"yan", `PUT /api/users/yan/password {"otp_code":1,"new_password":"yoyo2"}`, "confirm otp yan"},
		{"xia", `PUT /api/users/xia/password {"new_password":"yoyo2"}`, ""},
		{"xia", `PUT /api/users/xia/password {"password":"yoyo","new_password":"yoyo"}`, ""},
	} {
		line, body := splitRequest(c.request)
		r := resttest.NewRequest(c.as, line, body)
		w := do(s, r)
		if got := strings.Join(s.failures(), "; "); got != c.want {
			t.Errorf("%s: logged %q, want %q (%d %s)", c.request, got, c.want, w.Code, w.Body)
		}
	}
	for range 12 {
		s.loginFrom(elsewhere, "xia", "wrong")
	}
	if got := s.failures(); len(got) != 12 || got[9] != "login password xia" || got[11] != "login throttled xia" {
		t.Errorf("guessing on logs %q", got)
	}
}

// TestFailedLoginsHoldNoSecretsAndNoLines holds that nothing that was typed can end a line or a field, or fill the log, and that no
// secret is in it.
func TestFailedLoginsHoldNoSecretsAndNoLines(t *testing.T) {
	s := newSite(t)
	const secret = "hunter2-hunter2"
	for _, name := range []string{"xia", "ghost", `a\",\"client\":\"10.0.0.1`, `a\nlog-in failed {\"client\": \"10.0.0.1\"}@example.com`,
		strings.Repeat("long", 60), "a\u202eb@example.com", "\u2028@example.com"} {
		s.loginFrom("[2001:db8::1]:1", name, secret)
	}
	n := 0
	for _, e := range s.logs.All() {
		if e.Message != "log-in failed" {
			continue
		}
		n++
		if len(e.Context) != 4 || e.Context[0].Key != "client" || e.Context[0].String != "2001:db8::1" || e.Level != zapcore.InfoLevel {
			t.Errorf("%s %v", e.Level, e.Context)
		}
		for _, f := range e.Context {
			if strings.Contains(f.String, secret) || strings.ContainsAny(f.String, "\"\\\n\u2028\u202e ") || len([]rune(f.String)) > 65 {
				t.Errorf("%s is %q", f.Key, f.String)
			}
		}
	}
	if n < 2 {
		t.Errorf("%d lines", n)
	}
}

// TestFailedLoginsInTheAudit holds that guessing leaves one row an hour for a user who exists, and none for names that were made up: it
// cannot make the database grow.
func TestFailedLoginsInTheAudit(t *testing.T) {
	s := newSite(t)
	rows := func() int { return one[int](t, s, `SELECT count(*) FROM audit WHERE action = 'log-in failed'`) }
	for i := range 40 {
		s.loginFrom(fmt.Sprintf("198.51.100.%d:1", i/8), "xia", "wrong")
		s.loginFrom(fmt.Sprintf("198.51.100.%d:1", i), fmt.Sprintf("ghost%d", i), "wrong")
	}
	if n := rows(); n != 1 {
		t.Fatalf("%d rows", n)
	}
	const text = `SELECT actor || ' ' || subject || ' ' || times || ' ' || detail FROM audit WHERE action = 'log-in failed' ORDER BY id DESC LIMIT 1`
	if got := one[string](t, s, text); got != "anonymous xia 40 last from 198.51.100.4 at login: password" {
		t.Errorf("the row is %q", got)
	}
	s.Clock.Advance(time.Hour)
	s.loginFrom(elsewhere, "xia", "wrong")
	do(s, resttest.NewRequest("xia", "PUT /api/users/xia/password", `{"password":"wrong","new_password":"yoyo2"}`))
	if n := rows(); n != 2 {
		t.Errorf("%d rows after an hour", n)
	}
	if got := one[string](t, s, text); got != "anonymous xia 2 last from 192.0.2.1 at confirm: password" {
		t.Errorf("the row is %q", got)
	}
}

// TestFailedLoginsAreCounted holds that the counters have doors and reasons, and no names.
func TestFailedLoginsAreCounted(t *testing.T) {
	s := newSite(t)
	count := func() map[string]uint64 {
		all := map[string]uint64{}
		rest.FailedLogins(func(d rest.LoginDoor, r rest.Reason, n uint64) { all[string(d)+" "+string(r)] = n })
		return all
	}
	before := count()
	s.loginFrom(here, "xia", "wrong")
	s.loginFrom(here, "ghost", "wrong")
	r := resttest.NewRequest("", "GET /api/auth/tokens", "")
	r.Header.Set("Authorization", "Bearer "+strings.Repeat("A", 64))
	do(s, r)
	after := count()
	for _, name := range []string{"login password", "login user", "credentials invalid"} {
		if after[name] != before[name]+1 {
			t.Errorf("%s: %d, was %d", name, after[name], before[name])
		}
	}
}
