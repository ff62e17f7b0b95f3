package auth

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

// A user who was imported without any contact gets one where one is needed.
func TestUserWithoutContact(t *testing.T) {
	fresh := func(t *testing.T) *site {
		s := newSite(t)
		s.exec(t, `DELETE FROM contact WHERE slug IN ('yan', 'nina')`)
		return s
	}
	body, header := upload(t, "file", "me.png", picture(t))
	for name, steps := range map[string][]resttest.Step{
		"read": {resttest.Case("read", "yan", "GET /api/users/yan", "", 200, `~"full_name":"Yan Ko","nick_name":"Yan"`)},
		"code": {recovery("code", "yan", 200, `*`), recovery("again", "yan", 429, `*`)},
		"phone": {resttest.Case("phone", "yan", "PATCH /api/users/yan", `{"phone":"+14155550177"}`, 200, `~"phone":"+14155550177"`),
			resttest.Case("log in", "", "POST /api/auth", `{"username":"+14155550177","password":"yoyo"}`, 201, `~token`)},
		"picture":  {resttest.Case("picture", "yan", "POST /api/users/yan/picture", body, 201, `~location`).With(header)},
		"activity": {resttest.Case("note", "alice", "POST /api/contacts/yan/activities", `{"text":"x","account":null}`, 201, `*`)},
		"activate": {resttest.Case("message", "alice", "POST /api/users/nina/activate", "", 200, `~"slug":"nina"`)},
	} {
		t.Run(name, func(t *testing.T) {
			s := fresh(t)
			s.Run(t, steps...)
			user := "yan"
			if name == "activate" {
				user = "nina"
			}
			want := 1
			if name == "read" {
				want = 0
			}
			if n := one[int](t, s, `SELECT count(*) FROM contact c JOIN user u ON u.id = c.user_id WHERE u.username = ? AND c.full_name <> '' AND c.slug = u.username`, user); n != want {
				t.Errorf("%d contacts, want %d", n, want)
			}
		})
	}
}

// A contact without an address takes the one that a code is sent to.
func TestContactTakesAddress(t *testing.T) {
	s := newSite(t)
	s.exec(t, `UPDATE contact SET email = NULL WHERE slug = 'yan'`)
	s.Run(t, recovery("code", "yan", 200, `*`))
	s.Run(t, resttest.Case("in", "", "POST /api/auth", `{"username":"yan","email_code":"`+s.code(t, "yan@example.com")+`"}`, 201, `~token`))
	if got := one[string](t, s, `SELECT slug FROM contact WHERE email = 'yan@example.com' AND email_verified_at IS NOT NULL`); got != "yan" {
		t.Errorf("contact %q", got)
	}
}

// E-mail and phone move to one contact, or stay with two.
func TestAddressesOfTwoContacts(t *testing.T) {
	s := newSite(t)
	s.Run(t,
		resttest.Case("entry with e-mail", "alice", "POST /api/users", `{"full_name":"A","email":"work@example.com"}`, 201, `*`),
		resttest.Case("entry with phone", "alice", "POST /api/users", `{"full_name":"B","phone":"+14155550188"}`, 201, `*`),
		resttest.Case("both are adopted", "yan", "PATCH /api/users/yan", `{"email":"work@example.com","phone":"+14155550188"}`, 200, `*`),
		resttest.Case("new phone beside a known e-mail", "yan", "PATCH /api/users/yan", `{"email":"work@example.com","phone":"+14155550199"}`, 200, `*`),
		resttest.Case("new e-mail beside a known phone", "yan", "PATCH /api/users/yan", `{"email":"home@example.com","phone":"+14155550188"}`, 200, `~"email":"home@example.com"`),
	)
	got := one[string](t, s, `SELECT group_concat(coalesce(email, '') || coalesce(phone, ''), ' ') FROM
		(SELECT c.* FROM contact c JOIN user u ON u.id = user_id AND username = 'yan' ORDER BY c.id)`)
	if want := "yan@example.com work@example.com+14155550199 home@example.com+14155550188"; got != want {
		t.Errorf("contacts %s, want %s", got, want)
	}
}

// Codes of two accounts at once recover neither.
func TestCodesOfTwoAccounts(t *testing.T) {
	s := newSite(t, func(o *Options) { o.Texts = phones{} })
	s.Do("", "POST /api/auth/recover", `{"username":"yan"}`)
	s.Do("", "POST /api/auth/recover", `{"username":"+14155555556"}`)
	phone := one[string](t, s, `SELECT phone_code FROM contact WHERE phone = '+14155555556'`)
	s.Run(t, register("both", `{"full_name":"A","email":"yan@example.com","phone":"+14155555556","new_password":"evil","email_code":"`+
		s.code(t, "yan@example.com")+`","phone_code":"`+phone+`"}`, 400,
		`{"email":"Several accounts have this email or phone.","phone":"Several accounts have this email or phone."}`))
}

type brokenPhones struct{}

func (brokenPhones) Send(context.Context, string, string) error { return errors.New("no signal") }

func TestTextCannotBeSent(t *testing.T) {
	s := newSite(t, func(o *Options) { o.Texts = brokenPhones{} })
	s.Run(t, recovery("phone", "+14155555556", 503, `{"detail":"The text message could not be sent."}`).Wants("Retry-After: 60"))
}

// Who waits for a place in a bucket gives up in the end, and stands in nobody's way.
func TestThrottleWait(t *testing.T) {
	s := newSite(t)
	th := newThrottle(Throttle{PerAccount: 1, Window: time.Minute, Longest: time.Hour}, s.Site.Store)
	first, err := th.try(t.Context(), "xia", "192.0.2.1", 1)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	gone, waiting := make(chan error), make(chan *attempt)
	go func() {
		_, err := th.try(ctx, "xia", "192.0.2.1", 1)
		gone <- err
	}()
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("who gave up: %v", err)
	}
	go func() {
		a, err := th.try(t.Context(), "xia", "192.0.2.1", 1)
		if err != nil {
			t.Error(err)
		}
		waiting <- a
	}()
	first.done()
	(<-waiting).done()
	if len(th.doors) != 0 {
		t.Errorf("places %v", th.doors)
	}
}

func TestActivitiesInProfile(t *testing.T) {
	s := newSite(t)
	s.profiles.SetActivities(s.ActivitiesOf)
	s.Run(t,
		resttest.Case("none", "alice", "GET /api/profile/xia", "", 200, `~"activities":[]`),
		resttest.Case("note", "alice", "POST /api/activities/xia", `{"text":"Called","contact":"xia"}`, 201, `*`),
		resttest.Case("shown", "alice", "GET /api/profile/xia", "", 200, `~"activities":[{"created_at":"2025-03-10T12:00:01Z","created_by":{"slug":"alice"~"text":"Called"~"contact":{"slug":"xia"`),
	)
}

// One code, two re-authenticated requests at once: one of them goes through.
func TestReauthenticationRace(t *testing.T) {
	s := newSite(t)
	s.Do("", "POST /api/auth/recover", `{"username":"xia"}`)
	body := `{"email_code":"` + s.code(t, "xia@example.com") + `","title":"x"}`
	done := make(chan int)
	for range 8 {
		go func() { done <- s.Do("xia", "POST /api/users/xia/api-keys", body).Code }()
	}
	made := 0
	for range 8 {
		switch status := <-done; status {
		case 201:
			made++
		case 401:
		default:
			t.Errorf("status %d", status)
		}
	}
	if made != 1 {
		t.Errorf("%d keys with one code", made)
	}
}
