package auth

import (
	"strings"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

// mails lists the mails written since the last call: the event, and who it goes to.
func (s *site) mails(t testing.TB) string {
	t.Helper()
	all := one[string](t, s, `SELECT coalesce(group_concat(event || ' ' || recipients, '; '), '') FROM (SELECT * FROM outbox WHERE sink = 'mail' ORDER BY id)`)
	s.exec(t, `DELETE FROM outbox`)
	return all
}

func TestEvents(t *testing.T) {
	s := newSite(t)
	want := func(what string, fragments ...string) {
		t.Helper()
		got := s.mails(t)
		at := 0
		for _, f := range fragments {
			i := strings.Index(got[at:], f)
			if i < 0 {
				t.Fatalf("%s: %s\nwant %v, in this order", what, got, fragments)
			}
			at += i + len(f)
		}
		if n := strings.Count(got, "; ") + 1; got != "" && n != len(fragments)/2 || got == "" && len(fragments) > 0 {
			t.Fatalf("%s: %s\nwant %v and nothing else", what, got, fragments)
		}
	}
	s.mails(t)
	s.Run(t, register("new", `{"username":"new","full_name":"New","email":"new@example.com","new_password":"yoyo"}`, 201, `~token`))
	want("registration", "user_welcome", "new@example.com", "user_registered", "hello@cowork.example.com")

	s.Run(t, register("logs in", `{"username":"new","full_name":"New","email":"new@example.com","password":"yoyo"}`, 201, `~token`))
	want("registered again")

	s.Run(t, register("refused", `{"username":"new","full_name":"New","email":"other@example.com","password":"yoyo"}`, 400, `*`))
	want("refused")

	s.Run(t, recovery("code", "new", 200, `*`))
	want("recovery", "user_verification", "new@example.com")
	s.Run(t, register("reset", `{"full_name":"New","email":"new@example.com","email_code":"`+s.code(t, "new@example.com")+`","new_password":"other"}`, 201, `~token`))
	want("reset of a password: nobody is told")

	s.Run(t, resttest.Case("activation", "alice", "POST /api/users/nina/activate", "", 200, `*`))
	want("activation", "user_verification", "nina@example.com")
	s.Run(t, resttest.Case("activate", "", "POST /api/auth/"+s.key(t, "nina@example.com"), `{"new_password":"yoyo"}`, 201, `~token`))
	want("never logged in before", "user_registered", "hello@cowork.example.com")

	s.Clock.Advance(time.Hour)
	s.Run(t, resttest.Case("remove", "nina", "DELETE /api/users/nina/password", "", 204, ``))
	s.Do("alice", "POST /api/users/nina/activate", "")
	s.mails(t)
	s.Run(t, resttest.Case("activate", "", "POST /api/auth/"+s.key(t, "nina@example.com"), `{"new_password":"yoyo"}`, 201, `~token`))
	want("logged in before", "user_activated", "hello@cowork.example.com")

	s.Run(t, resttest.Case("contact", "", "POST /api/contact", `{"full_name":"Joe","email":"xia@example.com","message":"Hi","company":"Acme"}`, 200, `*`))
	payload := one[string](t, s, `SELECT payload FROM outbox WHERE event = 'user_contact'`)
	if !strings.Contains(payload, `"detail":[["company","Acme"],["Message","Hi"]]`) || !strings.Contains(payload, `"originated_by":{"slug":"","username":"",`) {
		t.Errorf("payload %s", payload)
	}
	want("contact", "user_contact", "hello@cowork.example.com")
}

// Codes go out as codes, activation and sites that want it as links.
func TestCodesAndLinks(t *testing.T) {
	for _, links := range []bool{false, true} {
		s := newSite(t, func(o *Options) { o.Settings.UseVerificationLinks = links })
		for request, wantLink := range map[string]bool{
			`POST /api/auth/recover {"username":"xia"}`: links,
			`POST /api/auth {"username":"nina"}`:        links,
			`POST /api/users/nina/activate`:             true,
		} {
			s.mails(t)
			s.Clock.Advance(10 * time.Minute)
			as := ""
			if wantLink && !strings.Contains(request, "{") {
				as = "alice"
			}
			line, body := splitRequest(request)
			s.Do(as, line, body)
			payload := one[string](t, s, `SELECT payload FROM outbox WHERE event = 'user_verification'`)
			if got := strings.Contains(payload, `"back_url":"`+resttest.Base+`/login/`); got != wantLink {
				t.Errorf("links %v: %s: %s", links, request, payload)
			}
		}
	}
}
