package auth

import (
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

// The name of a user who has logged in is nobody else's, after a rename and after an erasure (decision 69): applications key their
// data on it.
func TestUsedNameIsNobodyElses(t *testing.T) {
	const taken = `{"username":"This username is already taken."}`
	as := func(name, username, email string, status int, want string) resttest.Step {
		return register(name, `{"username":"`+username+`","full_name":"Other","email":"`+email+`","new_password":"yoyo"}`, status, want)
	}
	t.Run("renamed", func(t *testing.T) {
		s := newSite(t)
		s.login(t, "yan")
		s.Run(t,
			resttest.Case("rename", "yan", "PATCH /api/users/yan", `{"slug":"yan2"}`, 200, `~"slug":"yan2"`),
			as("the old name", "yan", "a@example.com", 400, taken),
			as("in capitals", "YAN", "a@example.com", 400, taken),
			register("derived", `{"full_name":"Other","email":"yan@other.example.com","new_password":"yoyo"}`, 201, `~token`),
			resttest.Case("by a rename", "xia", "PATCH /api/users/xia", `{"slug":"yan"}`, 400, taken),
			resttest.Case("by a profile", "xia", "POST /api/users/xia/profiles", `{"slug":"yan","full_name":"Yan"}`, 400, `{"slug":"This slug is already taken."}`),
			resttest.Case("by an organization", "", "POST /api/auth/register",
				`{"username":"zoe","full_name":"Zoe","email":"zoe@example.com","new_password":"yoyo","type":"organization","organization_name":"Yan"}`,
				400, `{"organization_name":"This organization_name is already taken."}`),
			resttest.Case("back", "yan2", "PATCH /api/users/yan2", `{"slug":"yan"}`, 200, `~"slug":"yan"`),
		)
		if name := one[string](t, s, `SELECT username FROM user WHERE email = 'yan@other.example.com'`); name == "yan" || name[:4] != "yan-" {
			t.Errorf("the derived name is %s", name)
		}
	})
	t.Run("deleted", func(t *testing.T) {
		s := newSite(t)
		s.login(t, "yan")
		s.login(t, "xia")
		s.Run(t,
			resttest.Case("rename", "xia", "PATCH /api/profile/xia", `{"slug":"xia2"}`, 200, `~"slug":"xia2"`),
			resttest.Case("delete", "xia2", "DELETE /api/users/xia2", "", 204, ""),
			as("the last name", "xia2", "a@example.com", 400, taken),
			as("the first name", "xia", "a@example.com", 400, taken),
			resttest.Case("delete, by the broker", "alice", "DELETE /api/users/yan", "", 204, ""),
			as("that name", "yan", "a@example.com", 400, taken),
		)
		if n := one[int](t, s, `SELECT count(*) FROM used_name WHERE user_id IS NULL AND profile_id IS NULL AND length(name_hash) = 64`); n != 3 {
			t.Errorf("%d names are tied to nobody, want 3", n)
		}
		if n := one[int](t, s, `SELECT count(*) FROM rename`); n != 0 {
			t.Errorf("%d renames of erased people are left", n)
		}
	})
	t.Run("never logged in", func(t *testing.T) {
		s := newSite(t)
		s.Run(t,
			resttest.Case("rename", "alice", "PATCH /api/users/yan", `{"slug":"yan2"}`, 200, `~"slug":"yan2"`),
			as("the old name", "yan", "a@example.com", 201, `~token`),
			resttest.Case("delete", "alice", "DELETE /api/users/nina", "", 204, ""),
			as("the name of who never came", "nina", "b@example.com", 201, `~token`),
		)
	})
}

// Nobody collects names: three renames in 30 days, whoever asks, of a user and its personal profile together.
func TestRenamesAreCounted(t *testing.T) {
	s := newSite(t)
	s.login(t, "xia")
	rename := func(from, to string) resttest.Step {
		return resttest.Case(from+" to "+to, from, "PATCH /api/users/"+from, `{"slug":"`+to+`"}`, 200, `~"slug":"`+to+`"`)
	}
	s.Run(t, rename("xia", "xia2"), resttest.Case("its profile", "xia2", "PATCH /api/profile/xia2", `{"slug":"xia3"}`, 200, "*"), rename("xia3", "xia4"),
		resttest.Case("a fourth", "xia4", "PATCH /api/users/xia4", `{"slug":"xia5"}`, 429, `{"detail":"Request was throttled. Expected available in 2592000 seconds."}`),
		resttest.Case("of its profile", "xia4", "PATCH /api/profile/xia4", `{"slug":"xia5"}`, 429, `~throttled`),
		resttest.Case("by the broker", "alice", "PATCH /api/users/xia4", `{"slug":"xia"}`, 429, `~throttled`),
	)
	s.Clock.Advance(31 * 24 * time.Hour)
	s.Run(t, rename("xia4", "xia"))
}

// Whoever activates an account under another name takes the personal profile along (decision 5).
func TestActivationRenamesTheProfile(t *testing.T) {
	s := newSite(t)
	s.Run(t, resttest.Case("a shadow", "alice", "POST /api/accounts/profiles",
		`{"type":"personal","slug":"shade","full_name":"Shade","email":"shade@example.com"}`, 201, `~"slug":"shade"`))
	s.Run(t, resttest.Case("invite", "alice", "POST /api/users/shade/activate", "", 200, "*"))
	key := s.key(t, "shade@example.com")
	s.Run(t, resttest.Case("activate", "", "POST /api/auth/"+key, `{"username":"zed","full_name":"Zed","new_password":"yoyo"}`, 201, `~token`))
	if n := one[int](t, s, `SELECT count(*) FROM user JOIN profile ON slug = username WHERE username = 'zed'`); n != 1 {
		t.Error("the user and its profile have different names")
	}
}
