package api

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/store"
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

// Whoever sits at somebody's open session does not take a proven address away by deleting the contact that holds it: that needs a secret
// of the caller, and is told to every proven address as a change is (decision 66). A contact that proves nothing goes as before.
func TestDeletingAProvenAddress(t *testing.T) {
	s := newTown(t)
	s.register("ann", "ann@example.com")
	s.prove("ann", "ann@example.com")
	err := s.site.Store.Write(t.Context(), func(tx *store.Tx) error {
		for _, query := range []string{
			`INSERT INTO contact (slug, created_at, email, user_id, email_verified_at)
				SELECT 'work', 1, 'ann@work.example', id, 1 FROM user WHERE username = 'ann'`,
			`INSERT INTO contact (slug, created_at, phone, user_id, phone_verified_at) SELECT 'cell', 1, '+14155550123', id, 1
				FROM user WHERE username = 'ann'`,
			`INSERT INTO contact (slug, created_at, email, user_id) SELECT 'idle', 1, 'ann@idle.example', id FROM user WHERE username = 'ann'`,
		} {
			if _, err := tx.Exec(query); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	kept := func() string {
		return s.value(`SELECT coalesce(group_concat(slug, ' ' ORDER BY slug), '') FROM contact
			WHERE user_id = (SELECT id FROM user WHERE username = 'ann')`)
	}
	told := func() string {
		return s.value(`SELECT coalesce(group_concat((recipients ->> 'to') || ' ' || (payload ->> 'kind') || ' ' || (payload ->> 'before') || ' ' ||
			(payload ->> 'after'), '; ' ORDER BY id), '') FROM outbox WHERE event = 'user_address_changed'`)
	}
	for _, door := range [][2]string{{"alice", "DELETE /api/contacts/work"}, {"alice", "DELETE /api/users/work"},
		{"alice", "DELETE /api/contacts/cell"}} {
		if w := s.do(door[0], door[1], ""); w.Code != http.StatusUnauthorized ||
			w.Body.String() != `{"detail":"Please prove who you are: a password or a code is required."}` {
			t.Errorf("%s as %s: %d %s", door[1], door[0], w.Code, w.Body)
		}
		if w := s.do(door[0], door[1], `{"password":"wrong"}`); w.Code != http.StatusUnauthorized ||
			w.Body.String() != `{"password":"Incorrect credentials."}` {
			t.Errorf("%s as %s with a wrong password: %d %s", door[1], door[0], w.Code, w.Body)
		}
	}
	if got := kept() + told(); got != "ann cell idle work" {
		t.Fatalf("refused, and left are %s", got)
	}
	s.must(http.StatusNoContent, "alice", "DELETE /api/contacts/idle", "")
	s.must(http.StatusNoContent, "alice", "DELETE /api/contacts/work", `{"password":"yoyo"}`)
	s.must(http.StatusNoContent, "alice", "DELETE /api/users/cell", `{"password":"yoyo"}`)
	const both = `["ann@work.example","ann@example.com"] email ann@work.example ; ["ann@example.com"] phone +14155550123 `
	if kept() != "ann" || told() != both {
		t.Errorf("left are %s, told is %s", kept(), told())
	}
	s.must(http.StatusNoContent, "ann", "DELETE /api/users/ann", "")
}

// A plan that another gave a profile is declined, and one that it accepted is ended, by whoever manages the profile and nobody else
// (decision 68).
func TestGrantedPlanIsDropped(t *testing.T) {
	s := newTown(t)
	for user, org := range map[string]string{"eve": "lab", "ann": "shop"} {
		s.register(user, user+"@example.com")
		s.must(http.StatusCreated, user, "POST /api/users/"+user+"/profiles",
			`{"full_name":"`+org+`","slug":"`+org+`","email":"`+org+`@example.com"}`)
	}
	s.register("sid", "sid@example.com")
	s.must(http.StatusOK, "alice", "PATCH /api/profile/lab", `{"is_provider":true}`)
	for _, plan := range []string{"gift", "prize"} {
		s.must(http.StatusCreated, "eve", "POST /api/profile/lab/plans", `{"title":"`+plan+`","period_amount":0,"is_active":true}`)
		s.must(http.StatusCreated, "eve", "POST /api/profile/lab/plans/"+plan+"/subscriptions", `{"profile":{"slug":"shop"}}`)
		key := s.value(`SELECT grant_key FROM subscription s JOIN plan p ON p.id = s.plan_id WHERE p.slug = ? AND grant_key IS NOT NULL`, plan)
		if plan == "prize" {
			s.must(http.StatusOK, "ann", "POST /api/profile/shop/subscriptions/accept/"+key, "")
		}
		s.must(http.StatusForbidden, "sid", "DELETE /api/profile/shop/subscriptions/"+plan, "")
		s.must(http.StatusNoContent, "ann", "DELETE /api/profile/shop/subscriptions/"+plan, "")
		if got := s.must(http.StatusOK, "ann", "GET /api/profile/shop/subscriptions", ""); !strings.Contains(got, `"count":0`) {
			t.Errorf("left is %s", got)
		}
	}
}
