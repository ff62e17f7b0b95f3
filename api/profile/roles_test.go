package profile

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

const (
	managerDescription = `{"created_at":"2025-03-10T12:00:00Z","slug":"manager","title":"Profile Manager","skip_optin_on_grant":false,` +
		`"implicit_create_on_none":false,"otp_required":false,"is_global":true,"profile":null,"extra":null,"editable":false}`
	contributorDescription = `{"created_at":"2025-03-10T12:00:00Z","slug":"contributor","title":"Contributor","skip_optin_on_grant":false,` +
		`"implicit_create_on_none":false,"otp_required":false,"is_global":true,"profile":null,"extra":null,"editable":false}`
)

func detailOf(username, name string) string {
	return `{"slug":"` + username + `","username":"` + username + `","printable_name":"` + name + `","picture":null,"email":"` + username + `@` + username +
		`.example","phone":null,"full_name":"` + name + ` Lee","nick_name":"` + name + `","lang":"en","credentials":true,"otp_enabled":false,` +
		`"created_at":"2025-01-05T09:12:44Z","last_login":null}`
}

func TestRoleShape(t *testing.T) {
	w := newWorld(t)
	c := resttest.Case
	const base = "https://app.example.com/api/profile/cowork/roles/"
	row := func(user, name, grant, description, accept, remove string) string {
		return `{"created_at":"2025-01-05T09:12:44Z","user":` + detailOf(user, name) + `,"extra":null,"grant_key":` + grant + `,"role_description":` + description +
			`,"accept_request_api_url":` + accept + `,"remove_api_url":"` + base + remove + `"}`
	}
	carol := row("carol", "Carol", "null", contributorDescription, "null", "contributor/carol")
	donny := row("donny", "Donny", "null", managerDescription, "null", "manager/donny")
	ray := row("ray", "Ray", "null", "null", `"`+base+`manager"`, "manager/ray")
	list := func(pia string) string {
		return `{"invited_count":1,"requested_count":1,"count":4,"next":null,"previous":null,"results":[` + carol + `,` + donny + `,` + pia + `,` + ray + `]}`
	}
	pia := func(grant string) string {
		return row("pia", "Pia", grant, contributorDescription, "null", "contributor/pia")
	}
	w.Run(t,
		// The key of an invitation opens it: only who may make invitations sees it.
		c("a manager sees the key of an invitation", "donny", "GET /api/profile/cowork/roles", "", 200, list(pia(`"`+piaKey+`"`))),
		c("a contributor does not", "carol", "GET /api/profile/cowork/roles", "", 200, list(pia("null"))),
		c("one role", "carol", "GET /api/profile/cowork/roles/contributor/pia", "", 200, pia("null")),
		c("the broker's manager does", "bob", "GET /api/profile/cowork/roles/contributor/pia", "", 200, strings.ReplaceAll(pia(`"`+piaKey+`"`), `"editable":false`, `"editable":true`)),
		c("the broker's contributor does not", "ben", "GET /api/profile/cowork/roles/contributor/pia", "", 200, pia("null")),
		c("CSV hides it too", "carol", "GET /api/profile/cowork/roles?format=csv&q=pia", "", 200,
			"created_at,user,extra,grant_key,role_description,accept_request_api_url,remove_api_url\r\n2025-01-05T09:12:44Z,pia,,,contributor,,"+base+"contributor/pia\r\n"),
	)
}

// A provider reads the roles of its customer, but not the keys of the invitations.
func TestProviderSeesNoKeys(t *testing.T) {
	w := newWorld(t)
	w.role("alice", "joey-black", "contributor")
	w.exec(`UPDATE role SET grant_key = 'c00000000000000000000000000000000000000a' WHERE user_id = (SELECT id FROM user WHERE username = 'alice')`)
	c := resttest.Case
	w.Run(t,
		c("manager of the provider", "donny", "GET /api/profile/joey-black/roles", "", 200, `~"invited_count":1~"grant_key":null`),
		c("who may invite, as it is a shadow", "donny", "POST /api/profile/joey-black/roles/contributor", `{"slug":"alice"}`, 200, `~"grant_key":null`),
		c("the user's side", "donny", "GET /api/users/alice/accessibles", "", 403, "*"),
		c("that of xia", "donny", "GET /api/users/xia/accessibles?include_personal_profile=1", "", 200, `~"accept_grant_api_url":null`),
	)
}

func TestRoleLists(t *testing.T) {
	w := newWorld(t)
	w.user("zed") // ended
	w.role("zed", "cowork", "contributor")
	w.exec(`UPDATE role SET ends_at = 1 WHERE user_id = (SELECT id FROM user WHERE username = 'zed')`)
	w.user("mia") // asked to be manager
	w.role("mia", "cowork", "manager")
	w.exec(`UPDATE role SET request_key = 'mia', created_at = created_at + 1 WHERE user_id = (SELECT id FROM user WHERE username = 'mia')`)
	for _, tc := range []struct{ query, want string }{
		{"", "1 2: mia carol donny pia ray"},
		{"?role_status=active", "1 2: carol donny"},
		{"?role_status=invited", "1 2: pia"},
		{"?role_status=requested", "1 2: mia ray"},
		{"?role_status=active,invited", "1 2: carol donny pia"},
		{"?role_status=active,requested", "1 2: mia carol donny ray"},
		{"?role_status=pending", "1 2: mia carol donny pia ray"},
		{"?role_status=", "1 2: mia carol donny pia ray"},
		{"/contributor", "1 2: mia carol pia ray"},
		{"/contributors", "1 2: mia carol pia ray"},
		{"/Contributor", "1 2: mia carol pia ray"},
		{"/contributor?role_status=active", "1 2: carol"},
		{"/contributor?role_status=invited", "1 2: pia"},
		{"/contributor?role_status=requested", "1 2: mia ray"},
		{"/contributor?role_status=active,invited", "1 2: carol pia"},
		{"/contributor?role_status=active,requested", "1 2: mia carol ray"},
		{"/manager?role_status=active", "0 2: donny"},
		{"/manager", "0 2: mia donny ray"},
		{"?q=carol", "1 2: carol"},
		{"?q=Manager&q_f=role__title", "1 2: mia donny"},
		{"?q=manager&q_f=role", "1 2: mia donny"},
		{"?q=pia@pia&q_f=user__email", "1 2: pia"},
		{"?q=lee&q_f=user__full_name&o=-user", "1 2: ray pia mia donny carol"},
		{"?q=" + piaKey + "&q_f=grant_key", "1 2: "},
		{"/contributor?q=contributor", "1 2: "},
		{"?o=user", "1 2: carol donny mia pia ray"},
		{"?o=role__title,user", "1 2: ray carol pia donny mia"},
		{"?o=full_name", "1 2: mia carol donny pia ray"},
		{"?page_size=2&page=2", "1 2: donny pia"},
		{"?start_at=2025-06-01", "1 2: "},
	} {
		r := w.Do("donny", "GET /api/profile/cowork/roles"+tc.query, "")
		if r.Code != 200 {
			t.Errorf("%s: %d %s", tc.query, r.Code, r.Body)
			continue
		}
		if got := summary(t, r, "user"); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.query, got, tc.want)
		}
	}
	c := resttest.Case
	w.Run(t,
		c("unknown role", "donny", "GET /api/profile/cowork/roles/nope", "", 404, `{"detail":"RoleDescription 'nope' does not exist."}`),
		c("no POST", "donny", "POST /api/profile/cowork/roles", "{}", 405, `{"detail":"Method \"POST\" not allowed."}`),
		c("no PATCH", "donny", "PATCH /api/profile/cowork/roles/manager/donny", "{}", 405, `{"detail":"Method \"PATCH\" not allowed."}`).Wants("Allow: GET, POST, PUT, DELETE, HEAD, OPTIONS"),
	)
}

// summary is the counts of a list, and who its rows are about.
func summary(t testing.TB, r *httptest.ResponseRecorder, of string) string {
	t.Helper()
	m := answer(t, r)
	var rows []string
	for _, item := range m["results"].([]any) {
		rows = append(rows, item.(map[string]any)[of].(map[string]any)["slug"].(string))
	}
	return strings.TrimSuffix(itoa(int64(m["invited_count"].(float64)))+" "+itoa(int64(m["requested_count"].(float64)))+": "+strings.Join(rows, " "), "")
}

func TestGrant(t *testing.T) {
	w := newWorld(t)
	w.exec(`UPDATE contact SET email_verified_at = 1`)
	c := resttest.Case
	grant := func(name, query, body string, status int, want string) resttest.Step {
		return c(name, "donny", "POST /api/profile/cowork/roles/"+query, body, status, want)
	}
	w.Run(t,
		grant("nothing", "manager", `{}`, 400, `{"detail":"One of slug or email is required."}`),
		grant("unknown slug", "manager", `{"slug":"ghost"}`, 404, `{"detail":"Cannot find username ghost"}`),
		grant("unknown address", "manager", `{"email":"g@h.example"}`, 404, `{"detail":"Cannot find email g@h.example"}`),
		grant("both", "manager", `{"slug":"ghost","email":"g@h.example"}`, 404, `{"detail":"Cannot find username ghost or email g@h.example"}`),
		grant("bad address", "manager", `{"email":"nope"}`, 400, `{"email":["Enter a valid email address."]}`),
		grant("long message", "manager", `{"slug":"alice","message":"`+strings.Repeat("x", 256)+`"}`, 400, `{"message":["Ensure this field has no more than 255 characters."]}`),
		grant("bad force", "manager?force=maybe", `{"slug":"alice"}`, 400, `{"force":["Must be a valid boolean."]}`),
		grant("unknown role", "nope", `{"slug":"alice"}`, 404, `{"detail":"RoleDescription 'nope' does not exist."}`),
		grant("unknown role before a bad body", "nope", `{`, 404, `{"detail":"RoleDescription 'nope' does not exist."}`),
		grant("force without an address", "manager?force=1", `{"slug":"ghost"}`, 400, `{"email":["This field is required."]}`),
		grant("by slug", "contributors", `{"slug":"alice","extra":{"desk":7}}`, 201, `~"username":"alice"~"extra":{"desk":7}~"slug":"contributor"`),
		grant("again, extra kept", "contributor", `{"slug":"alice"}`, 200, `~"extra":{"desk":7}`),
		grant("by address in any case", "contributor", `{"email":"OLGA@olga.example"}`, 201, `~"slug":"OLGA@olga.example","username":"OLGA@olga.example","printable_name":"OLGA@olga.example","picture":null,"email":"OLGA@olga.example","phone":null,"full_name":"","nick_name":"","lang":"en","credentials":false,"otp_enabled":false,"created_at":null,"last_login":null}`),
		grant("slug first", "contributor", `{"slug":"olga","email":"xia@xia.example"}`, 200, `~"username":"olga"`),
		grant("address when the slug is nobody's", "contributor", `{"slug":"nobody","email":"xia@xia.example"}`, 201, `~"username":"xia@xia.example"`),
		grant("somebody new", "contributor?force=1", `{"slug":"ignored","email":"lee@supplier.example","full_name":"Lee Chan","message":"Join our workspace"}`, 201,
			`~"slug":"lee@supplier.example","username":"lee@supplier.example"~"credentials":false~"grant_key":null`),
		grant("who is not made twice", "contributor?force=1", `{"email":"lee@supplier.example"}`, 200, `~"username":"lee@supplier.example"`),
		grant("a promotion needs no answer", "manager", `{"slug":"carol"}`, 200, `~"username":"carol"~"grant_key":null~"slug":"manager"`),
		grant("nor does a demotion while others are left", "contributor", `{"slug":"carol"}`, 200, `~"slug":"contributor"`),
		grant("of the last manager", "contributor", `{"slug":"donny"}`, 400, `{"detail":"A profile must keep at least one manager."}`),
		c("by the broker", "bob", "POST /api/profile/cowork/roles/contributor", `{"slug":"donny"}`, 200, `~"username":"donny"~"slug":"contributor"`),
	)
	if w.users.prepared != 2 {
		t.Errorf("%d verifications were prepared, want 2: one each time lee was told", w.users.prepared)
	}
}

// A grant to somebody who was made for it waits even where others need no opt-in (profiles.md 4.1): else anybody could be made a
// member in somebody's name.
func TestInvitedWaits(t *testing.T) {
	w := newWorld(t)
	w.exec(`UPDATE role_description SET skip_optin_on_grant = 1 WHERE slug = 'contributor'`)
	c := resttest.Case
	w.Run(t,
		c("known", "donny", "POST /api/profile/cowork/roles/contributor", `{"slug":"alice"}`, 201, `~"grant_key":null`),
		c("new", "donny", "POST /api/profile/cowork/roles/contributor?force=1", `{"email":"lee@supplier.example"}`, 201, `~"grant_key":null`),
	)
	if got := w.roleOf("alice", "cowork") + " " + w.roleOf("lee", "cowork"); got != "contributor contributor?" {
		t.Errorf("roles are %s", got)
	}
}

func TestOneRole(t *testing.T) {
	w := newWorld(t)
	c := resttest.Case
	const url = "/api/profile/cowork/roles/"
	w.Run(t,
		c("unknown profile", "bob", "GET /api/profile/nope/roles/manager/donny", "", 404, `{"detail":"No Organization matches the given query."}`),
		c("unknown user", "bob", "GET "+url+"manager/nope", "", 404, `{"detail":"No User matches the given query."}`),
		c("an address is not resolved", "bob", "GET "+url+"manager/donny@donny.example", "", 404, `{"detail":"No User matches the given query."}`),
		c("unknown description", "bob", "GET "+url+"nope/donny", "", 404, `{"detail":"RoleDescription 'nope' does not exist."}`),
		c("another description", "bob", "GET "+url+"contributor/donny", "", 404, `{"detail":"No Role matches the given query."}`),
		c("no role", "bob", "GET "+url+"manager/alice", "", 404, `{"detail":"No Role matches the given query."}`),
		c("no more segments", "bob", "GET "+url+"manager/donny/x", "", 404, `{"detail":"Not found."}`),
		c("send again", "donny", "POST "+url+"contributor/pia", "", 200, `~"grant_key":"`+piaKey+`"~"detail":"Invite for pia has been sent"}`),
		c("to an active one", "donny", "POST "+url+"contributor/carol", "", 200, `~"detail":"Invite for carol has been sent"}`),
		c("to nobody", "donny", "POST "+url+"contributor/alice", "", 404, `{"detail":"No Role matches the given query."}`),
		c("extra", "donny", "PUT "+url+"contributor/carol", `{"extra":"top floor","grant_key":"x"}`, 200, `~"extra":"top floor","grant_key":null`),
		c("extra absent", "donny", "PUT "+url+"contributor/carol", `{}`, 200, `~"extra":"top floor"`),
		c("no extra", "donny", "PUT "+url+"contributor/carol", `{"extra":null}`, 200, `~"extra":null`),
		c("kim reads", "kim", "GET /api/profile/acme", "", 200, "*"),
		c("yan removes him", "yan", "DELETE /api/profile/acme/roles/contributor/kim", "", 204, ""),
		c("and he reads no more, at once", "kim", "GET /api/profile/acme", "", 403, "*"),
		c("deny a request", "donny", "DELETE "+url+"manager/ray", "", 204, ""),
		c("again", "donny", "DELETE "+url+"manager/ray", "", 204, ""),
		c("whatever the role is called", "donny", "DELETE "+url+"nonsense/pia", "", 204, ""),
		c("unknown user", "donny", "DELETE "+url+"manager/nope", "", 404, `{"detail":"No User matches the given query."}`),
		c("the last manager", "donny", "DELETE "+url+"manager/donny", "", 400, `{"detail":"A profile must keep at least one manager."}`),
		c("by the broker", "bob", "DELETE "+url+"manager/donny", "", 204, ""),
		c("the user of a personal profile", "xia", "DELETE /api/profile/xia/roles/manager/xia", "", 400, `{"detail":"A profile must keep at least one manager."}`),
		c("the broker's last manager", "bob", "DELETE /api/profile/broker/roles/manager/bob", "", 400, `{"detail":"A profile must keep at least one manager."}`),
	)
	w.role("olga", "xia", "manager")
	w.Run(t, c("also when there is another manager", "olga", "DELETE /api/profile/xia/roles/manager/xia", "", 400, `{"detail":"The user of a personal profile keeps a role on it."}`))
}

func TestRoleEvents(t *testing.T) {
	w := newWorld(t)
	want := func(name, as, request, body string, events ...string) {
		t.Helper()
		w.batch(func() { w.tx.Exec(`DELETE FROM outbox`) })
		if r := w.Do(as, request, body); r.Code >= 500 {
			t.Fatalf("%s: %d %s", name, r.Code, r.Body)
		}
		if diff := cmp.Diff(events, w.events()); diff != "" {
			t.Errorf("%s: events (-want +got):\n%s", name, diff)
		}
	}
	want("a grant", "donny", "POST /api/profile/cowork/roles/manager", `{"slug":"alice"}`, "role_grant_created")
	want("repeated", "donny", "POST /api/profile/cowork/roles/manager", `{"slug":"alice"}`, "role_grant_created")
	want("refused", "carol", "POST /api/profile/cowork/roles/manager", `{"slug":"alice"}`)
	want("sent again", "donny", "POST /api/profile/cowork/roles/manager/alice", ``, "role_grant_created")
	want("accepted", "pia", "PUT /api/users/pia/accessibles/accept/"+piaKey, ``, "role_grant_accepted")
	want("a request", "alice", "POST /api/users/alice/accessibles", `{"slug":"gym"}`, "role_request_created")
	want("repeated", "alice", "POST /api/users/alice/accessibles", `{"slug":"gym"}`, "role_request_created")
	want("sent again", "alice", "POST /api/users/alice/accessibles/manager/gym", ``, "role_request_created")
	want("of a member (decision 41)", "carol", "POST /api/users/carol/accessibles/manager", `{"slug":"cowork"}`, "role_request_created")
	want("accepted by a grant", "gus", "POST /api/profile/gym/roles/contributor", `{"slug":"alice"}`, "role_grant_created")
	want("removed", "gus", "DELETE /api/profile/gym/roles/contributor/alice", ``)
	want("a profile is made", "alice", "POST /api/users/alice/profiles", `{"full_name":"A"}`)
	want("a profile is deleted", "alice", "DELETE /api/profile/a", ``)
}

// TestInvitedShowTyped: until an invitation is accepted, the profile learns nothing of whom it named by an address: not from lists and
// searches, nor by trying user names. It takes the invitation back under the name that it typed (decision 78).
func TestInvitedShowTyped(t *testing.T) {
	w := newWorld(t)
	w.exec(`UPDATE contact SET email_verified_at = 1`)
	c := resttest.Case
	const roles = "/api/profile/cowork/roles/contributor"
	w.Run(t, c("invite", "donny", "POST "+roles, `{"email":"xia@xia.example","full_name":"Somebody"}`, 201, `~"printable_name":"Somebody"`))
	for _, path := range []string{"/api/profile/cowork/roles", roles, roles + "/xia@xia.example", roles + "?q=somebody&q_f=user__full_name", roles + "?q=xia@x&q_f=user__email"} {
		body := w.Do("donny", "GET "+path, "").Body.String()
		if !strings.Contains(body, `"slug":"xia@xia.example","username":"xia@xia.example","printable_name":"Somebody"`) || strings.Contains(body, `"slug":"xia"`) ||
			strings.Contains(body, "contributor/xia\"") {
			t.Errorf("%s: %s", path, body)
		}
	}
	key := get[string](w, `SELECT grant_key FROM role r JOIN user u ON u.id = r.user_id WHERE u.username = 'xia' AND typed LIKE '%@%'`)
	w.Run(t,
		c("by the key", "donny", "GET /api/auth/invitations/"+key, "", 200, `~"username":null,"email":"xia@xia.example"`),
		c("which tells her", "xia", "GET /api/auth/invitations/"+key, "", 200, `~"username":"xia","email":null`),
		c("and is another's", "donny", "PUT /api/users/donny/accessibles/accept/"+key, "", 404, "*"),
		c("by user name", "donny", "GET "+roles+"/xia", "", 404, "*"),
		c("told again", "donny", "POST "+roles+"/xia@xia.example", "", 200, `~"detail":"Invite for xia@xia.example has been sent"`),
		c("taken back by user name", "donny", "DELETE "+roles+"/xia", "", 204, ""),
		c("which it is not", "donny", "GET "+roles+"/xia@xia.example", "", 200, "*"),
		c("taken back", "donny", "DELETE "+roles+"/xia@xia.example", "", 204, ""),
		c("gone", "donny", "GET "+roles+"/xia@xia.example", "", 404, "*"),
		c("invited by name", "donny", "POST "+roles, `{"slug":"xia"}`, 201, `~"grant_key":"`),
		c("not found by her address", "donny", "GET "+roles+"?q=xia@xia.example&q_f=user__email", "", 200, `~"count":0`),
		c("nor by her name", "donny", "GET "+roles+"?q=xia&q_f=user__full_name", "", 200, `~"count":0`),
	)
}
