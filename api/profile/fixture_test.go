package profile

import (
	"net/http/httptest"
	"testing"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

// The table of profiles.md 14, row by row.
func TestFixture(t *testing.T) {
	w := newWorld(t)
	c := resttest.Case
	const denied = `{"detail":"Permission denied"}`
	var key string
	w.Run(t,
		c("xia reads xia", "xia", "GET /api/profile/xia", "", 200, `~"slug":"xia"`),
		c("donny reads xia", "donny", "GET /api/profile/xia", "", 200, `~"slug":"xia"`),
		c("carol reads xia", "carol", "GET /api/profile/xia", "", 200, `~"slug":"xia"`),
		c("bob reads xia", "bob", "GET /api/profile/xia", "", 200, `~"slug":"xia"`),
		c("olga reads xia", "olga", "GET /api/profile/xia", "", 403, denied),
		c("nobody reads xia", "", "GET /api/profile/xia", "", 401, `{"detail":"Authentication credentials were not provided."}`).Wants(`WWW-Authenticate: Bearer realm="broker"`),
		c("carol writes xia", "carol", "PUT /api/profile/xia", `{"full_name":"X"}`, 403, denied),
		c("donny writes xia", "donny", "PUT /api/profile/xia", `{"full_name":"X"}`, 403, denied),
		c("donny writes joey-black", "donny", "PUT /api/profile/joey-black", `{"full_name":"J"}`, 200, `~"full_name":"J"~"detail":"Profile was updated."`),
		c("bob writes joey-black", "bob", "PUT /api/profile/joey-black", `{"full_name":"J"}`, 200, `~"full_name":"J"`),
		c("olga writes joey-black", "olga", "PUT /api/profile/joey-black", `{"full_name":"J"}`, 403, denied),
		c("alice writes joey-black", "alice", "PUT /api/profile/joey-black", `{"full_name":"J"}`, 403, denied),
		c("donny writes a shadow whose subscription ended", "donny", "PUT /api/profile/ghost", `{"full_name":"G"}`, 403, denied),
		c("donny still reads it", "donny", "GET /api/profile/ghost", "", 200, `~"slug":"ghost"~"subscriptions":[]`),
		c("bob reads an unknown profile", "bob", "GET /api/profile/nope", "", 404, `{"detail":"No Organization matches the given query."}`),
		c("xia reads an unknown profile", "xia", "GET /api/profile/nope", "", 403, denied),
		c("donny invites alice", "donny", "POST /api/profile/cowork/roles/manager", `{"slug":"alice"}`, 201, `~"grant_key":"`).Then(func(t *testing.T, r *httptest.ResponseRecorder) {
			key = answer(t, r)["grant_key"].(string)
		}),
		c("donny invites alice again", "donny", "POST /api/profile/cowork/roles/manager", `{"slug":"alice"}`, 200, `~"grant_key":"`).Then(func(t *testing.T, r *httptest.ResponseRecorder) {
			if got := answer(t, r)["grant_key"]; got != key {
				t.Errorf("the key changed: %v, was %v", got, key)
			}
		}),
		c("alice reads while it is pending", "alice", "GET /api/profile/cowork/roles", "", 403, denied),
	)
	w.Run(t,
		c("alice accepts", "alice", "PUT /api/users/alice/accessibles/accept/"+key, "", 200, `~"accept_grant_api_url":null`),
		c("alice reads", "alice", "GET /api/profile/cowork/roles", "", 200, `~"invited_count":1`),
		c("alice accepts again", "alice", "PUT /api/users/alice/accessibles/accept/"+key, "", 404, `{"detail":"No Role matches the given query."}`),
		c("donny takes it back", "donny", "DELETE /api/profile/cowork/roles/manager/alice", "", 204, ""),
		c("alice asks", "alice", "POST /api/users/alice/accessibles/contributor", `{"slug":"cowork"}`, 201, `~"request_key":"`),
		c("donny answers with another role", "donny", "POST /api/profile/cowork/roles/manager", `{"slug":"alice"}`, 200,
			`~"grant_key":"~"slug":"manager"`),
		c("which is an invitation", "alice", "GET /api/profile/cowork/roles", "", 403, denied),
		c("that alice agrees to", "alice", "POST /api/users/alice/accessibles/manager", `{"slug":"cowork"}`, 200, `~"accept_grant_api_url":null`),
		c("donny removes a manager as contributor", "donny", "DELETE /api/profile/cowork/roles/contributor/alice", "", 204, ""),
	)
	if got := w.roleOf("alice", "cowork"); got != "" {
		t.Errorf("alice is still %s", got)
	}
}

func TestFixtureImplicit(t *testing.T) {
	w := newWorld(t)
	c := resttest.Case
	w.exec(`UPDATE role_description SET implicit_create_on_none = 1 WHERE slug = 'contributor'`)
	w.exec(`UPDATE profile SET confirmed_domain = 'cowork.example' WHERE slug = 'cowork'`)
	w.user("new")
	w.exec(`UPDATE user SET email = 'new@cowork.example' WHERE username = 'new'`)
	w.exec(`UPDATE contact SET email = 'new@cowork.example' WHERE slug = 'new'`)
	w.Run(t, c("not verified", "new", "GET /api/users/new/accessibles", "", 200, `{"invited_count":0,"requested_count":0,"count":0,"next":null,"previous":null,"results":[]}`))
	w.exec(`UPDATE contact SET email_verified_at = 1 WHERE slug = 'new'`)
	w.Run(t,
		c("a grant", "new", "GET /api/users/new/accessibles", "", 200, `~"invited_count":1,"requested_count":0,"count":1~"slug":"cowork"~"slug":"contributor"`),
		c("the same grant", "new", "GET /api/users/new/accessibles", "", 200, `~"invited_count":1,"requested_count":0,"count":1`),
	)
	w.exec(`UPDATE role_description SET skip_optin_on_grant = 1 WHERE slug = 'contributor'`)
	w.Run(t,
		c("active", "new", "GET /api/users/new/accessibles", "", 200, `~"invited_count":0,"requested_count":0,"count":1`),
		c("and counts at once", "new", "GET /api/profile/cowork", "", 200, "*"),
	)
}

func TestFixtureArchive(t *testing.T) {
	w := newWorld(t)
	c := resttest.Case
	w.exec(`UPDATE profile SET phone = '+14155552671', street_address = '12 Pier Rd', locality = 'Oakland', region = 'CA', postal_code = '94607',
		country = 'US', picture = 'https://x.example/p.png', extra = '{"a":1}' WHERE slug = 'xia'`)
	id := get[int64](w, `SELECT id FROM profile WHERE slug = 'xia'`)
	w.Run(t,
		c("with subscribers", "donny", "DELETE /api/profile/cowork", "", 400, `{"detail":"A profile with current subscribers cannot be deleted."}`),
		c("xia", "xia", "DELETE /api/profile/xia", "", 204, ""),
		c("gone", "bob", "GET /api/profile/xia", "", 404, `{"detail":"No Organization matches the given query."}`),
		c("logged out", "xia", "GET /api/profile/xia", "", 401, `{"detail":"Invalid token"}`),
	)
	row := get[string](w, `SELECT slug || '|' || email || '|' || is_active || '|' || full_name || phone || street_address || locality || region || postal_code || country || coalesce(picture, '') || coalesce(extra, '') FROM profile WHERE id = ?`, id)
	if want := "_archive_" + itoa(id) + "|_archive_" + itoa(id) + "@anonimized.local|0|"; row != want {
		t.Errorf("the row is %s, want %s", row, want)
	}
	if n := get[int](w, `SELECT count(*) FROM role WHERE profile_id = ?`, id); n != 0 {
		t.Errorf("%d roles are left", n)
	}
	if n := get[int](w, `SELECT count(*) FROM subscription WHERE profile_id = ? AND ends_at > ?`, id, w.Clock.Now().UnixMicro()); n != 0 {
		t.Errorf("%d subscriptions are left", n)
	}
	if n := get[int](w, `SELECT count(*) FROM user WHERE username LIKE '\_archive\_%' ESCAPE '\' AND is_active = 0 AND first_name = ''`); n != 1 {
		t.Errorf("%d users are archived", n)
	}
	w.Run(t,
		c("again, by the broker", "bob", "DELETE /api/profile/_archive_"+itoa(id), "", 204, ""),
		c("still readable", "bob", "GET /api/profile/_archive_"+itoa(id), "", 200, `~"full_name":""`),
	)
}
