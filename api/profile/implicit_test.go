package profile

import (
	"slices"
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/store"
)

// confirmed is what the broker does about the profiles of the table: those that have an address at cowork.example are its.
const confirmed = `UPDATE profile SET confirmed_domain = CASE email_domain WHEN 'cowork.example' THEN email_domain ELSE '' END`

func TestImplicitRoles(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(w *world)
		want   string // what the user "new" has on cowork, gym, acme
	}{
		"nothing is implicit": {func(w *world) {}, "/ / /"},
		"global":              {global, "contributor?/ / /"},
		"not verified": {func(w *world) {
			global(w)
			w.exec(`UPDATE contact SET email_verified_at = NULL WHERE slug = 'new'`)
		}, "/ / /"},
		"another address is verified": {func(w *world) {
			global(w)
			w.exec(`UPDATE user SET email = 'new@gym.example' WHERE username = 'new'`)
			w.exec(`UPDATE profile SET confirmed_domain = 'gym.example', email = 'new@gym.example' WHERE slug = 'gym'`)
		}, "contributor?/ / /"},
		"a second address is verified": {func(w *world) {
			global(w)
			w.exec(`INSERT INTO contact (slug, created_at, email, user_id, email_verified_at) SELECT 'new2', 1, 'new@gym.example', id, 1 FROM user WHERE username = 'new'`)
			w.exec(`UPDATE profile SET email = 'new@gym.example' WHERE slug = 'gym'`)
		}, "contributor?/ contributor?/ /"},
		"each address says something by itself": {func(w *world) {
			global(w)
			w.exec(`INSERT INTO contact (slug, created_at, email, user_id, email_verified_at) SELECT 'new2', 1, 'new@gym.example', id, 1 FROM user WHERE username = 'new'`)
			w.exec(`UPDATE profile SET email = 'a@cowork.example' WHERE slug IN ('gym', 'acme', 'ghost', 'otherprov')`)
			w.exec(`UPDATE profile SET email = 'new@gym.example' WHERE slug = 'acme'`)
			w.exec(`UPDATE profile SET email = 'a@cowork.example' WHERE slug = 'xia'`)
		}, "/ / contributor?/"},
		"same address": {func(w *world) {
			global(w)
			w.exec(`UPDATE profile SET email = 'NEW@Cowork.example' WHERE slug = 'acme'`)
		}, "contributor?/ / contributor?/"},
		"unconfirmed domain": {global, "/ / /"},
		"unconfirmed, the very address": {func(w *world) {
			global(w)
			w.exec(`UPDATE profile SET email = 'new@cowork.example' WHERE slug = 'acme'`)
		}, "/ / contributor?/"},
		"unconfirmed, the very address, no opt-in": {func(w *world) {
			global(w)
			w.exec(`UPDATE profile SET email = 'new@cowork.example' WHERE slug = 'acme'`)
			w.exec(`UPDATE role_description SET skip_optin_on_grant = 1`)
		}, "/ / contributor?/"},
		"a local one that needs no opt-in waits all the same": {func(w *world) {
			local(w, "helper")
			w.exec(`UPDATE role_description SET skip_optin_on_grant = 1`)
		}, "helper?/ / /"},
		"left before": {func(w *world) {
			global(w)
			w.exec(`INSERT INTO role_answer SELECT u.id, p.id, 0, 1 FROM user u, profile p WHERE u.username = 'new' AND p.slug = 'cowork'`)
		}, "/ / /"},
		"needs no opt-in":     {func(w *world) { global(w); w.exec(`UPDATE role_description SET skip_optin_on_grant = 1`) }, "contributor/ / /"},
		"opted out":           {func(w *world) { global(w); w.exec(`UPDATE profile SET no_implicit_role = 1 WHERE slug = 'cowork'`) }, "/ / /"},
		"an archived profile": {func(w *world) { global(w); w.exec(`UPDATE profile SET is_active = 0 WHERE slug = 'cowork'`) }, "/ / /"},
		"an archived profile with the address": {func(w *world) {
			global(w)
			w.exec(`UPDATE profile SET is_active = 0, email = 'new@cowork.example' WHERE slug = 'acme'`)
		}, "contributor?/ / /"},
		"two global ones": {func(w *world) {
			global(w)
			w.exec(`INSERT INTO role_description (created_at, slug, title, implicit_create_on_none) VALUES (0, 'guest', 'Guest', 1)`)
		}, "/ / /"},
		"a local one before the global one": {func(w *world) { global(w); local(w, "helper") }, "helper?/ / /"},
		"two local ones, then the global one": {func(w *world) {
			global(w)
			local(w, "helper")
			local(w, "guest")
		}, "contributor?/ / /"},
		"only a local one": {func(w *world) { local(w, "helper") }, "helper?/ / /"},
		"a role already":   {func(w *world) { global(w); w.role("new", "cowork", "manager") }, "manager/ / /"},
		"a role that has ended": {func(w *world) {
			global(w)
			w.role("new", "cowork", "manager")
			w.exec(`UPDATE role SET ends_at = 1 WHERE user_id = (SELECT id FROM user WHERE username = 'new')`)
		}, "/ / /"},
		"a public mail provider": {func(w *world) {
			global(w)
			w.exec(`UPDATE profile SET email = 'shop@gmail.com' WHERE slug = 'cowork'`)
			w.exec(`UPDATE user SET email = 'new@gmail.com' WHERE username = 'new'`)
			w.exec(`UPDATE contact SET email = 'new@gmail.com' WHERE slug = 'new'`)
		}, "/ / /"},
		"the very address at a public mail provider": {func(w *world) {
			global(w)
			w.exec(`UPDATE profile SET email = 'new@gmail.com' WHERE slug = 'cowork'`)
			w.exec(`UPDATE user SET email = 'new@gmail.com' WHERE username = 'new'`)
			w.exec(`UPDATE contact SET email = 'new@gmail.com' WHERE slug = 'new'`)
		}, "contributor?/ / /"},
		"a subdomain is another domain": {func(w *world) {
			global(w)
			w.exec(`UPDATE profile SET email = 'a@eu.cowork.example' WHERE slug = 'cowork'`)
		}, "/ / /"},
		"four profiles": {func(w *world) {
			global(w)
			w.exec(`UPDATE profile SET email = 'a@cowork.example' WHERE slug IN ('gym', 'acme', 'ghost')`)
		}, "contributor?/ contributor?/ contributor?/"},
		"five say nothing": {func(w *world) {
			global(w)
			w.exec(`UPDATE profile SET email = 'a@cowork.example' WHERE slug IN ('gym', 'acme', 'ghost', 'otherprov')`)
		}, "/ / /"},
		"address and domain count twice": {func(w *world) {
			global(w)
			w.exec(`UPDATE profile SET email = 'new@cowork.example' WHERE slug IN ('gym', 'acme')`)
		}, "/ / /"},
		"the processor is nobody's": {func(w *world) {
			global(w)
			w.exec(`UPDATE profile SET email = 'a@cowork.example' WHERE slug IN ('gym', 'acme', 'stripe', 'ghost')`)
		}, "contributor?/ contributor?/ contributor?/"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.batch(func() {
				w.user("new")
				w.exec(`UPDATE user SET email = 'new@cowork.example' WHERE username = 'new'`)
				w.exec(`UPDATE contact SET email = 'new@cowork.example', email_verified_at = 1 WHERE slug = 'new'`)
				tc.change(w)
				if !strings.HasPrefix(name, "unconfirmed") {
					w.exec(confirmed)
				}
			})
			for range 2 { // the second time changes nothing
				w.Run(t, resttest.Case("list", "new", "GET /api/users/new/accessibles", "", 200, "*"))
				got := w.roleOf("new", "cowork") + "/ " + w.roleOf("new", "gym") + "/ " + w.roleOf("new", "acme") + "/"
				if got != tc.want {
					t.Errorf("new has %s, want %s", got, tc.want)
				}
			}
			if events := w.events(); len(events) > 0 {
				t.Errorf("implicit grants emit %v", events)
			}
		})
	}
}

func global(w *world) {
	w.exec(`UPDATE role_description SET implicit_create_on_none = 1 WHERE slug = 'contributor'`)
}

func local(w *world, slug string) {
	w.exec(`INSERT INTO role_description (created_at, slug, profile_id, title, implicit_create_on_none) SELECT 0, ?, id, ?, 1 FROM profile WHERE slug = 'cowork'`, slug, slug)
}

// What needs no opt-in any more is accepted when the user's roles are listed, and at login.
func TestAutoAccept(t *testing.T) {
	w := newWorld(t)
	w.exec(`UPDATE role_description SET skip_optin_on_grant = 1 WHERE slug = 'contributor'`)
	id := get[int64](w, `SELECT id FROM user WHERE username = 'pia'`)
	if err := w.Store.Write(t.Context(), func(tx *store.Tx) error { return w.service.Settle(tx, id) }); err != nil {
		t.Fatal(err)
	}
	w.Run(t, resttest.Case("at once", "pia", "GET /api/profile/cowork", "", 200, "*"))
	if got := w.roleOf("ray", "cowork"); got != "!" {
		t.Errorf("ray's request became %q", got)
	}
}

func TestForcedPersonalProfile(t *testing.T) {
	c := resttest.Case
	list := func(w *world, user string) {
		w.t.Helper()
		if r := w.Do(user, "GET /api/users/"+user+"/accessibles?include_personal_profile=1", ""); r.Code != 200 {
			w.t.Fatalf("%d %s", r.Code, r.Body)
		}
	}
	t.Run("off", func(t *testing.T) {
		w := newWorld(t)
		list(w, "alice")
		if got := w.roleOf("alice", "alice"); got != "" {
			t.Errorf("alice got %q", got)
		}
	})
	t.Run("by the site", func(t *testing.T) {
		w := newWorld(t, func(s *Settings) { s.ForcePersonal = true })
		list(w, "alice")
		list(w, "alice")
		w.Run(t, c("", "alice", "GET /api/profile/alice", "", 200, `~"type":"personal","credentials":true~"full_name":"Alice Lee","email":"alice@alice.example"`))
	})
	t.Run("by the cart", func(t *testing.T) {
		w := newWorld(t)
		w.exec(`UPDATE plan SET is_personal = 1 WHERE slug = 'gold'`)
		w.exec(`INSERT INTO cart_item (created_at, user_id, plan_id) SELECT 0, u.id, p.id FROM user u, plan p WHERE u.username = 'alice' AND p.slug = 'gold'`)
		list(w, "alice")
		list(w, "olga")
		if got := w.roleOf("alice", "alice") + w.roleOf("olga", "olga"); got != "manager" {
			t.Errorf("roles %q", got)
		}
	})
	t.Run("a name that is taken", func(t *testing.T) {
		w := newWorld(t, func(s *Settings) { s.ForcePersonal = true })
		w.profile("alice") // left by an import
		list(w, "alice")
		if got := w.roleOf("alice", "alice"); got != "" {
			t.Errorf("alice took the profile of another: %q", got)
		}
	})
	t.Run("a name that is no slug", func(t *testing.T) {
		w := newWorld(t, func(s *Settings) { s.ForcePersonal = true })
		w.exec(`UPDATE user SET username = 'a.b+c' WHERE username = 'alice'`)
		id := get[int64](w, `SELECT id FROM user WHERE username = 'a.b+c'`)
		if err := w.Store.Write(t.Context(), func(tx *store.Tx) error { return w.service.Settle(tx, id) }); err != nil {
			t.Fatal(err)
		}
		if n := get[int](w, `SELECT count(*) FROM role WHERE user_id = ?`, id); n != 0 {
			t.Error("there is a profile")
		}
	})
}

// A list is read without a write when there is nothing to settle, and on a site that refuses writes.
func TestSettleWritesOnlyWhenDue(t *testing.T) {
	w := newWorld(t)
	audits := func() int { return get[int](w, `SELECT count(*) FROM audit`) }
	before := audits()
	w.Do("xia", "GET /api/users/xia/accessibles", "")
	if after := audits(); after != before {
		t.Errorf("%d writes", after-before)
	}
	w.exec(`UPDATE role_description SET skip_optin_on_grant = 1 WHERE slug = 'contributor'`)
	w.ReadOnly = true
	w.Run(t, resttest.Case("read-only", "pia", "GET /api/users/pia/accessibles", "", 200, `~"invited_count":1`))
	w.ReadOnly = false
	w.Run(t, resttest.Case("not any more", "pia", "GET /api/users/pia/accessibles", "", 200, `~"invited_count":0`))
}

// A site adds providers of its own.
func TestMorePublicMail(t *testing.T) {
	w := newWorld(t, func(s *Settings) { s.PublicMail = append(s.PublicMail, "Cowork.Example") })
	w.batch(func() {
		global(w)
		w.user("new")
		w.exec(`UPDATE user SET email = 'new@cowork.example' WHERE username = 'new'`)
		w.exec(`UPDATE contact SET email = 'new@cowork.example', email_verified_at = 1 WHERE slug = 'new'`)
	})
	w.Run(t, resttest.Case("list", "new", "GET /api/users/new/accessibles", "", 200, `~"count":0`))
}

func TestPublicMailDomains(t *testing.T) {
	for _, domain := range []string{"gmail.com", "googlemail.com", "yahoo.com", "outlook.com", "hotmail.com", "live.com", "icloud.com", "me.com", "aol.com",
		"proton.me", "protonmail.com", "gmx.com", "mail.com"} {
		if !slices.Contains(PublicMailDomains, domain) {
			t.Errorf("%s is missing", domain)
		}
	}
	if !slices.IsSorted(PublicMailDomains) {
		t.Error("the list is not sorted")
	}
	if n := len(slices.Compact(slices.Clone(PublicMailDomains))); n != len(PublicMailDomains) {
		t.Error("a domain is there twice")
	}
}
