package auth

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/api/notice"
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

// Users are told of log-ins where the site wants it: of each that worked, and of those that failed once an hour, whoever guesses, not
// of what asks for a code, nor when there is no such user (notifications.md 2.1).
func TestLoginEvents(t *testing.T) {
	for _, on := range []bool{false, true} {
		s := newSite(t, func(o *Options) {
			var err error
			o.Notices, err = notice.New(notice.Options{Directory: o.Directory, Store: o.Store, Now: time.Now, Logger: zap.NewNop(), BaseURL: resttest.Base,
				From: "site@cowork.example.com", Mailer: new(notice.MemoryMailer), Logins: on})
			if err != nil {
				t.Fatal(err)
			}
		})
		told := func() (all string) {
			for _, m := range strings.Split(s.mails(t), "; ") {
				event, rest, _ := strings.Cut(m, " ")
				if strings.Contains(rest, `"to":["xia@example.com"]`) || m == "" {
					all += event
				} else {
					t.Errorf("told %s", m)
				}
			}
			return all
		}
		try := func(who, password string, status int) {
			t.Helper()
			if got := s.Do("", "POST /api/auth", `{"username":"`+who+`","password":"`+password+`"}`).Code; got != status {
				t.Fatalf("%s: %d, want %d", who, got, status)
			}
		}
		want := func(event string) {
			t.Helper()
			if !on {
				event = ""
			}
			if got := told(); got != event {
				t.Fatalf("on %v: told %q, want %q", on, got, event)
			}
		}
		told()
		try("xia", "yoyo", 201)
		want("user_logged_in")
		try("xia", "wrong", 401)
		want("user_login_failed")
		try("xia", "wrong", 401)
		want("")
		try("nobody", "wrong", 401)
		try("rob", "yoyo", 401) // disabled
		want("")
		s.Clock.Advance(time.Hour)
		try("XIA", "wrong", 401)
		want("user_login_failed")
		try("xia", "yoyo", 201)
		want("user_logged_in")
		s.Clock.Advance(time.Hour)
		s.Do("", "POST /api/auth/recover", `{"username":"xia"}`)
		if n := one[int](t, s, `SELECT count(*) FROM throttle WHERE bucket LIKE 'told:%' AND ends_at > ?`, s.Clock.Now().UnixMicro()); n != 0 {
			t.Error("a message that was sent is told as a failure")
		}
		if got := s.mails(t); !strings.HasPrefix(got, "user_verification") {
			t.Errorf("told %s", got)
		}
	}
}
