package api

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// A plan that was granted to an address which somebody held without a proof is accepted by whoever proves the address afterwards: as the
// manager that it is asked to be of the profile that was made for it.
func TestPlanWaitsOnAddress(t *testing.T) {
	const cfo = "cfo@acme.test"
	for _, kind := range []string{"personal", "organization"} {
		t.Run(kind, func(t *testing.T) {
			s := newTown(t)
			s.register("mallory", cfo)
			s.must(http.StatusCreated, "alice", "POST /api/profile/cowork/plans", `{"title":"Premium","period_amount":100,"is_active":true}`)
			s.must(http.StatusCreated, "alice", "POST /api/profile/cowork/plans/premium/subscriptions",
				`{"profile":{"email":"`+cfo+`","full_name":"Carla Oster","type":"`+kind+`"}}`)
			slug := s.value(`SELECT p.slug FROM subscription s JOIN profile p ON p.id = s.profile_id WHERE p.slug <> 'cowork'`)
			accept := "POST /api/profile/" + slug + "/subscriptions/accept/" + s.value(`SELECT grant_key FROM subscription WHERE grant_key IS NOT NULL`)

			s.logIn("mallory")
			if text := s.must(http.StatusOK, "mallory", "GET /api/users/mallory/accessibles", ""); strings.Contains(text, `"slug":"`+slug+`"`) {
				t.Errorf("mallory is asked: %s", text)
			}
			s.must(http.StatusForbidden, "mallory", accept, "")

			s.register("oster", "oster@example.com")
			s.must(http.StatusForbidden, "oster", accept, "")
			s.prove("oster", cfo)
			asked := s.must(http.StatusOK, "oster", "GET /api/users/oster/accessibles", "")
			key := regexp.MustCompile(`accessibles/accept/([0-9a-f]{40})`).FindStringSubmatch(asked)
			if key == nil || !strings.Contains(asked, `"slug":"`+slug+`"`) {
				t.Fatalf("who proved the address is not asked: %s", asked)
			}
			s.must(http.StatusForbidden, "oster", accept, "")
			s.must(http.StatusOK, "oster", "PUT /api/users/oster/accessibles/accept/"+key[1], "")
			s.must(http.StatusOK, "oster", accept, "")
			if n := s.value(`SELECT count(*) FROM subscription WHERE grant_key IS NULL`); n != "1" {
				t.Errorf("%s grants were accepted", n)
			}
		})
	}
}

// The addresses that a user has proven are told of a change of one, the old one among them, and of the loss of one that it only told; the
// loser hears of it at the next log-in.
func TestAddressChangesAreTold(t *testing.T) {
	s := newTown(t)
	told := func(event string) string {
		return s.value(`SELECT coalesce((SELECT recipients ->> 'to' || ' ' || (payload ->> 'before') || ' ' || (payload ->> 'after') FROM outbox
			WHERE event = ? ORDER BY id DESC LIMIT 1), '')`, event)
	}
	s.register("ann", "ann@example.com")
	s.must(http.StatusOK, "ann", "PATCH /api/users/ann", `{"email":"ann@example.org"}`)
	if got := told("user_address_changed"); got != "" {
		t.Errorf("nothing is proven, and told is %s", got)
	}
	s.prove("ann", "ann@example.org")
	s.must(http.StatusOK, "ann", "PATCH /api/users/ann", `{"full_name":"Ann Lee","email":"ann@example.org"}`)
	if got := told("user_address_changed"); got != "" {
		t.Errorf("nothing changed, and told is %s", got)
	}
	s.must(http.StatusOK, "ann", "PATCH /api/users/ann", `{"email":"ann@example.net","password":"yoyo"}`)
	if got := told("user_address_changed"); got != `["ann@example.org"] ann@example.org ann@example.net` {
		t.Errorf("told is %s", got)
	}
	s.must(http.StatusOK, "ann", "PATCH /api/users/ann", `{"phone":"+14155550188","password":"yoyo"}`)
	if got := told("user_address_changed"); got != `["ann@example.org"]  +14155550188` {
		t.Errorf("told of a phone is %s", got)
	}

	// Bob proves the address that ann told.
	s.register("bob", "bob@example.com")
	s.prove("bob", "ann@example.net")
	lost := s.value(`SELECT recipients ->> 'to' || ' ' || (payload ->> 'address') || ' ' || (payload -> 'user' ->> 'username') FROM outbox WHERE event = 'user_address_lost'`)
	if lost != `["ann@example.org"] ann@example.net ann` {
		t.Errorf("told of the loss is %s", lost)
	}
	const notice = `"addresses_lost":[{"kind":"email","address":"ann@example.net","lost_at":"`
	s.must(http.StatusUnauthorized, "", "POST /api/auth", `{"username":"ann","password":"wrong"}`)
	if text := s.must(http.StatusCreated, "", "POST /api/auth", `{"username":"bob","password":"yoyo"}`); strings.Contains(text, "lost") {
		t.Errorf("bob lost nothing: %s", text)
	}
	if text := s.must(http.StatusCreated, "", "POST /api/auth", `{"username":"ann","password":"yoyo"}`); !strings.Contains(text, notice) {
		t.Errorf("the log-in does not tell: %s", text)
	}
	for _, sink := range []string{"user_address_changed", "user_address_lost"} {
		if n := s.value(`SELECT count(*) FROM outbox WHERE event = ? AND sink <> 'mail'`, sink); n != "0" {
			t.Errorf("%s is posted to %s receivers", sink, n)
		}
	}
}

// The session of an application holds the address of a profile when it is proven: by a manager of the profile, or by the broker's word.
func TestProfileAddressIsProven(t *testing.T) {
	s := newTown(t)
	s.register("ann", "ann@example.com")
	s.must(http.StatusCreated, "ann", "POST /api/users/ann/profiles", `{"slug":"lab","full_name":"Lab","email":"hello@cowork.example"}`)
	told := func(slug string) string {
		t.Helper()
		u, err := s.site.Directory.User(map[string]string{"lab": "ann", "cowork": "alice"}[slug])
		if err != nil {
			t.Fatal(err)
		}
		for i := range u.Roles {
			if u.Roles[i].Profile.Slug == slug {
				return u.Roles[i].Profile.Email
			}
		}
		t.Fatalf("there is no role on %s", slug)
		return ""
	}
	want := func(when, want string) {
		t.Helper()
		if got := told("lab"); got != want {
			t.Errorf("%s: the application is told of %q, want %q", when, got, want)
		}
	}
	want("somebody else's address", "")
	s.must(http.StatusOK, "ann", "PATCH /api/profile/lab", `{"email":"ann@example.com"}`)
	want("not proven", "")
	s.prove("ann", "ann@example.com")
	want("proven by its manager", "ann@example.com")
	s.register("bob", "bob@example.com")
	s.prove("bob", "bob@example.com")
	s.must(http.StatusOK, "ann", "PATCH /api/profile/lab", `{"email":"bob@example.com"}`)
	want("proven by somebody who does not manage it", "")
	s.must(http.StatusOK, "ann", "PATCH /api/profile/lab", `{"email":"ann@example.com"}`)
	want("again", "ann@example.com")
	if told("cowork") != s.value(`SELECT email FROM profile WHERE slug = 'cowork'`) {
		t.Error("the address of the broker is not told")
	}
}
