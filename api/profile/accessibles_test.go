package profile

import (
	"strings"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

func shortOf(slug string) string {
	return `{"slug":"` + slug + `","printable_name":"The ` + slug + `","picture":null,"type":"organization","credentials":false,"created_at":"2025-01-05T09:12:44Z"}`
}

func TestAccessibleShape(t *testing.T) {
	w := newWorld(t)
	w.role("pia", "acme", "contributor")
	w.exec(`UPDATE role SET created_at = created_at - 1 WHERE profile_id = (SELECT id FROM profile WHERE slug = 'acme') AND user_id = (SELECT id FROM user WHERE username = 'pia')`)
	c := resttest.Case
	const site = "https://app.example.com"
	row := func(user, profile, at, request, description, settings, accept, role string) string {
		return `{"created_at":"` + at + `","request_key":` + request + `,"profile":` + shortOf(profile) + `,"role_description":` + description +
			`,"home_url":"` + site + `/app/` + profile + `/","settings_url":"` + site + settings + `","accept_grant_api_url":` + accept +
			`,"remove_api_url":"` + site + `/api/users/` + user + `/accessibles/` + role + `/` + profile + `"}`
	}
	pia := row("pia", "cowork", "2025-01-05T09:12:44Z", "null", contributorDescription, "/metrics/cowork/dashboard/", `"`+site+`/api/users/pia/accessibles/accept/`+piaKey+`"`, "contributor")
	hidden := row("pia", "cowork", "2025-01-05T09:12:44Z", "null", contributorDescription, "/metrics/cowork/dashboard/", "null", "contributor")
	acme := row("pia", "acme", "2025-01-05T09:12:43.999999Z", "null", contributorDescription, "/profile/acme/contact/", "null", "contributor")
	list := func(rows string) string {
		return `{"invited_count":1,"requested_count":0,"count":2,"next":null,"previous":null,"results":[` + rows + `]}`
	}
	w.Run(t,
		c("herself", "pia", "GET /api/users/pia/accessibles", "", 200, list(pia+","+acme)),
		// yan manages acme, where pia is a member: he may read her roles, but not answer her invitations.
		c("a manager of hers", "yan", "GET /api/users/pia/accessibles", "", 200, list(hidden+","+acme)),
		c("a request of no role", "ray", "GET /api/users/ray/accessibles", "", 200, `{"invited_count":0,"requested_count":1,"count":1,"next":null,"previous":null,"results":[`+
			row("ray", "cowork", "2025-01-05T09:12:44Z", `"`+rayKey+`"`, "null", "/metrics/cowork/dashboard/", "null", "manager")+`]}`),
		c("one", "pia", "GET /api/users/pia/accessibles/anything/cowork", "", 200, pia),
		c("none", "pia", "GET /api/users/pia/accessibles/contributor/gym", "", 404, `{"detail":"No Role matches the given query."}`),
		c("unknown profile", "pia", "GET /api/users/pia/accessibles/contributor/nope", "", 404, `{"detail":"No Organization matches the given query."}`),
		c("the broker's manager sees the key", "bob", "GET /api/users/pia/accessibles", "", 200, `~accessibles/accept/`+piaKey),
		c("its contributor does not", "ben", "GET /api/users/pia/accessibles", "", 200, `~"accept_grant_api_url":null,"remove_api_url":"https://app.example.com/api/users/pia/accessibles/contributor/cowork"`),
		c("CSV", "yan", "GET /api/users/pia/accessibles?format=csv&q=cowork", "", 200,
			"created_at,request_key,profile,role_description,home_url,settings_url,accept_grant_api_url,remove_api_url\r\n"+
				"2025-01-05T09:12:44Z,,cowork,contributor,https://app.example.com/app/cowork/,https://app.example.com/metrics/cowork/dashboard/,,https://app.example.com/api/users/pia/accessibles/contributor/cowork\r\n"),
	)
}

func TestAccessibleLists(t *testing.T) {
	w := newWorld(t)
	w.batch(func() {
		for i, r := range []string{"xia cowork contributor", "xia acme contributor", "xia gym manager", "xia otherprov contributor"} {
			f := strings.Fields(r)
			w.role(f[0], f[1], f[2])
			w.exec(`UPDATE role SET created_at = created_at + ? WHERE user_id = (SELECT id FROM user WHERE username = 'xia') AND profile_id = (SELECT id FROM profile WHERE slug = ?)`, i+1, f[1])
		}
		w.exec(`UPDATE role SET grant_key = 'k1' WHERE user_id = (SELECT id FROM user WHERE username = 'xia') AND profile_id = (SELECT id FROM profile WHERE slug = 'gym')`)
		w.exec(`UPDATE role SET request_key = 'k2', role_description_id = NULL WHERE user_id = (SELECT id FROM user WHERE username = 'xia') AND profile_id = (SELECT id FROM profile WHERE slug = 'acme')`)
		w.exec(`UPDATE role SET ends_at = 1 WHERE user_id = (SELECT id FROM user WHERE username = 'xia') AND profile_id = (SELECT id FROM profile WHERE slug = 'otherprov')`)
	})
	for _, tc := range []struct{ query, want string }{
		{"", "1 1: gym acme cowork"},
		{"?include_personal_profile=1", "1 1: gym acme cowork xia"},
		{"?role_status=active", "1 1: cowork"},
		{"?role_status=invited", "1 1: gym"},
		{"?role_status=requested", "1 1: acme"},
		{"?role_status=requested,invited", "1 1: gym acme"},
		{"/manager", "1 0: gym"},
		{"/manager?include_personal_profile=true", "1 0: gym xia"},
		{"/managers", "0 0: "},
		{"/contributor", "0 0: cowork"},
		{"/nope", "0 0: "},
		{"?q=cowork", "1 1: cowork"},
		{"?q=manager&q_f=role", "1 1: gym"},
		{"/manager?q=manager", "1 0: "},
		{"?o=profile__full_name", "1 1: acme cowork gym"},
		{"?o=role__title", "1 1: acme cowork gym"},
		{"?o=created_at", "1 1: cowork acme gym"},
		{"?o=user", "1 1: gym acme cowork"},
		{"?page_size=2&page=2", "1 1: cowork"},
	} {
		r := w.Do("xia", "GET /api/users/xia/accessibles"+tc.query, "")
		if r.Code != 200 {
			t.Errorf("%s: %d %s", tc.query, r.Code, r.Body)
			continue
		}
		if got := summary(t, r, "profile"); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.query, got, tc.want)
		}
	}
	w.Run(t, resttest.Case("bad boolean", "xia", "GET /api/users/xia/accessibles?include_personal_profile=maybe", "", 400, `{"include_personal_profile":["Must be a valid boolean."]}`))
}

func TestRequest(t *testing.T) {
	w := newWorld(t)
	w.exec(`UPDATE contact SET email_verified_at = 1`)
	w.profile("acme-east")
	w.exec(`UPDATE profile SET email = 'OPS@acme.example' WHERE slug = 'acme-east'`)
	c := resttest.Case
	ask := func(name, query, body string, status int, want string) resttest.Step {
		return c(name, "alice", "POST /api/users/alice/accessibles"+query, body, status, want)
	}
	w.Run(t,
		ask("nothing", "", `{}`, 400, `{"detail":"One of slug or email is required."}`),
		ask("unknown slug", "", `{"slug":"nonesuch"}`, 404, `{"detail":"Profile nonesuch does not exist."}`),
		ask("unknown address", "", `{"email":"n@n.example"}`, 404, `{"detail":"Profile n@n.example does not exist."}`),
		ask("the processor", "", `{"slug":"stripe"}`, 404, `{"detail":"Profile stripe does not exist."}`),
		ask("bad address", "", `{"email":"nope"}`, 400, `{"email":["Enter a valid email address."]}`),
		ask("bad force", "?force=maybe", `{"slug":"gym"}`, 400, `{"force":["Must be a valid boolean."]}`),
		ask("unknown role", "/nope", `{"slug":"gym"}`, 404, `{"detail":"RoleDescription 'nope' does not exist."}`),
		ask("by slug", "", `{"slug":"gym"}`, 201, `~"slug":"gym"~"role_description":null`),
		ask("again", "", `{"slug":"gym"}`, 200, `~"slug":"gym"~"role_description":null`),
		ask("another role", "/contributor", `{"slug":"gym"}`, 200, `~"slug":"gym"~"slug":"contributor"`),
		ask("any role", "", `{"slug":"gym"}`, 200, `~"slug":"gym"~"role_description":null`),
		ask("by address: all of them, the first is told", "/manager", `{"email":"ops@acme.example"}`, 201, `~"slug":"acme"~"slug":"manager"`),
		ask("force without an address", "?force=1", `{"slug":"newco"}`, 400, `{"email":"We cannot invite an organization without an e-mail address."}`),
		ask("force with a name in use", "?force=1", `{"slug":"yan","email":"n@n.example"}`, 400, `{"slug":"This slug is already taken."}`),
		ask("force with a bad name", "?force=1", `{"slug":"a b","email":"n@n.example"}`, 400, `{"slug":["Enter a valid \"slug\" consisting of letters, numbers, underscores or hyphens."]}`),
		ask("force", "?force=1", `{"slug":"newco","email":"new@co.example"}`, 201, `~"slug":"newco","printable_name":"newco"`),
		ask("force, name from the address", "?force=1", `{"email":"team@other.example"}`, 201, `~"slug":"team","printable_name":"team"`),
		ask("force, of a user's address", "?force=1", `{"slug":"yanny","email":"yan@yan.example"}`, 201, `~"slug":"yanny"`),
		ask("force, of her own address", "?force=1", `{"slug":"alices","email":"alice@alice.example"}`, 201, `~"request_key":null~"slug":"alices"~"slug":"manager"`),
		c("send again", "alice", "POST /api/users/alice/accessibles/manager/gym", "", 200, `~"slug":"gym"`),
		c("what is no request", "carol", "POST /api/users/carol/accessibles/contributor/cowork", "", 400, `{"detail":"There is no request to send again."}`),
		c("an invitation", "pia", "POST /api/users/pia/accessibles/contributor/cowork", "", 400, `{"detail":"There is no request to send again."}`),
	)
	for profile, want := range map[string]string{"gym": "!", "acme": "manager!", "acme-east": "manager!", "newco": "!", "team": "!", "yanny": "!", "alices": "manager"} {
		if got := w.roleOf("alice", profile); got != want {
			t.Errorf("alice has %q on %s, want %q", got, profile, want)
		}
	}
	if got := w.roleOf("yan", "yanny"); got != "manager?" {
		t.Errorf("yan, who was not asked, has %q on the profile with his address", got)
	}
}

// Asking for more never takes away what one has (decision 41): in the reference it does.
func TestMemberAsks(t *testing.T) {
	w := newWorld(t)
	c := resttest.Case
	w.Run(t,
		c("a contributor asks to be manager", "carol", "POST /api/users/carol/accessibles/manager", `{"slug":"cowork"}`, 200, `~"request_key":null~"slug":"contributor"`),
		c("and still reads", "carol", "GET /api/profile/cowork", "", 200, "*"),
		c("an invited one asks for another role", "pia", "POST /api/users/pia/accessibles/manager", `{"slug":"cowork"}`, 200, `~"slug":"manager"~"accept_grant_api_url":null`),
		c("and waits", "pia", "GET /api/profile/cowork", "", 403, "*"),
		c("the old key opens nothing", "pia", "PUT /api/users/pia/accessibles/accept/"+piaKey, "", 404, `{"detail":"No Role matches the given query."}`),
	)
	if got := w.roleOf("pia", "cowork"); got != "manager!" {
		t.Errorf("pia has %s", got)
	}
	w.exec(`UPDATE role SET request_key = NULL, grant_key = ?, role_description_id = (SELECT id FROM role_description WHERE slug = 'contributor')
		WHERE user_id = (SELECT id FROM user WHERE username = 'pia')`, piaKey)
	w.Run(t, c("an invited one asks for it", "pia", "POST /api/users/pia/accessibles/contributor", `{"slug":"cowork"}`, 200, `~"request_key":null~"slug":"contributor"`))
	if got := w.roleOf("pia", "cowork"); got != "contributor" {
		t.Errorf("pia has %s", got)
	}
}

func TestAccept(t *testing.T) {
	w := newWorld(t)
	c := resttest.Case
	accept := func(name, as, user, key string, status int, want string) resttest.Step {
		return c(name, as, "PUT /api/users/"+user+"/accessibles/accept/"+key, "", status, want)
	}
	const bogus = "f000000000000000000000000000000000000000"
	const gone = `{"detail":"No Role matches the given query."}`
	w.Run(t,
		accept("a key that is none", "pia", "pia", bogus, 404, gone),
		accept("the key of somebody else", "alice", "alice", piaKey, 404, gone),
		accept("by the broker for somebody else", "bob", "alice", piaKey, 404, gone),
		accept("in the name of somebody else", "alice", "pia", piaKey, 403, `{"detail":"Permission denied"}`),
		accept("the key of a request", "ray", "ray", rayKey, 404, gone),
		c("no other method", "pia", "GET /api/users/pia/accessibles/accept/"+piaKey, "", 405, `{"detail":"Method \"GET\" not allowed."}`).Wants("Allow: PUT, OPTIONS"),
		c("no key", "pia", "PUT /api/users/pia/accessibles/accept/xyz", "", 405, `{"detail":"Method \"PUT\" not allowed."}`),
		accept("her own", "pia", "pia", piaKey, 200, `~"slug":"cowork"~"slug":"contributor"~"accept_grant_api_url":null`),
		accept("again", "pia", "pia", piaKey, 404, gone),
	)
	if got := w.roleOf("alice", "cowork") + w.roleOf("pia", "cowork"); got != "contributor" {
		t.Errorf("roles are %s", got)
	}
}

// The key of an invitation that waits on an address is for who has proven the address, whatever account holds the key, and no list shows
// it (decision 66).
func TestInvitationOfPlaceholder(t *testing.T) {
	c := resttest.Case
	w := newWorld(t)
	w.Run(t, c("the answer holds no key", "donny", "POST /api/profile/cowork/roles/contributor?force=1", `{"email":"alice@work.example"}`, 201, `~"grant_key":null`))
	key := get[string](w, `SELECT grant_key FROM role r JOIN user u ON u.id = r.user_id WHERE u.email = 'alice@work.example'`)
	name := get[string](w, `SELECT username FROM user WHERE email = 'alice@work.example'`)
	for _, as := range []string{"donny", "bob"} {
		for _, list := range []string{"/api/profile/cowork/roles", "/api/profile/cowork/roles/contributor", "/api/profile/cowork/roles?role_status=invited",
			"/api/profile/cowork/roles/contributor/alice@work.example", "/api/users/" + name + "/accessibles"} {
			if text := w.Do(as, "GET "+list, "").Body.String(); strings.Contains(text, key) || as == "bob" && !strings.Contains(text, "cowork") {
				t.Errorf("%s as %s: %s", list, as, text)
			}
		}
	}
	w.Run(t, c("sent again", "donny", "POST /api/profile/cowork/roles/contributor/alice@work.example", `{}`, 200, `~"grant_key":null`))
	if posted := get[string](w, `SELECT coalesce(group_concat(payload), '') FROM outbox WHERE event = 'role_grant_created'`); strings.Contains(posted, key) || posted == "" {
		t.Errorf("the key is posted: %s", posted)
	}
	const waits = `~This invitation waits for a proof of the address`
	for _, user := range []string{"olga", "carol", "ray"} {
		w.Run(t, c("with the key alone, "+user, user, "PUT /api/users/"+user+"/accessibles/accept/"+key, "", 404, waits))
	}
	for name, made := range map[string]string{
		"not from who has a password": `UPDATE user SET password = '$argon2id$' WHERE email = 'alice@work.example'`,
		"not from who logged in once": `UPDATE user SET last_login = 1, password = '' WHERE email = 'alice@work.example'`,
	} {
		w.exec(made)
		w.Run(t, c(name, "olga", "PUT /api/users/olga/accessibles/accept/"+key, "", 404, `{"detail":"No Role matches the given query."}`))
	}
	w.Run(t, c("a person may be shown it", "donny", "GET /api/profile/cowork/roles/contributor/alice@work.example", "", 200, `~"grant_key":"`+key))
}

// An invitation without a user is sent again by its path, with the key that it has, and waits as long as a new one from then on.
func TestResendInvitation(t *testing.T) {
	c := resttest.Case
	w := newWorld(t)
	w.user("mallory")
	w.exec(`UPDATE user SET email = 'cfo@acme.test' WHERE username = 'mallory'`)
	const path = "/api/profile/cowork/roles/contributor/CFO@acme.test"
	w.Run(t,
		c("before there is one", "donny", "POST "+path, "", 404, "*"),
		c("invited", "donny", "POST /api/profile/cowork/roles/contributor?force=1",
			`{"email":"cfo@acme.test","full_name":"Carla"}`, 201, `~"grant_key":null`),
	)
	key := get[string](w, `SELECT grant_key FROM invitation`)
	w.Clock.Advance(20 * 24 * time.Hour)
	mails := func() int {
		return get[int](w, `SELECT count(*) FROM outbox WHERE event = 'role_grant_created' AND payload LIKE '%cfo@acme.test%'`)
	}
	before := mails()
	w.Run(t,
		c("not by a contributor", "carol", "POST "+path, "", 403, "*"),
		c("not by the manager of another profile", "gus", "POST /api/profile/gym/roles/contributor/cfo@acme.test", "", 404, "*"),
		c("not as another role", "donny", "POST /api/profile/cowork/roles/manager/cfo@acme.test", "", 404, "*"),
		c("by a manager", "donny", "POST "+path, "", 200,
			`~"slug":"CFO@acme.test"~"full_name":"Carla"~"grant_key":null~"slug":"contributor"~"detail":"Invite for CFO@acme.test has been sent"`),
	)
	if again := get[string](w, `SELECT grant_key FROM invitation`); again != key || mails() != before+1 {
		t.Errorf("the key is %s, was %s; %d mails, %d before", again, key, mails(), before)
	}
	w.exec(`INSERT INTO contact (slug, created_at, email, user_id, email_verified_at)
		SELECT 'olga-cfo', 1, 'cfo@acme.test', id, 1 FROM user WHERE username = 'olga'`)
	w.Clock.Advance(20 * 24 * time.Hour)
	w.Run(t, c("later than the first would have waited", "olga", "PUT /api/users/olga/accessibles/accept/"+key, "", 200, "*"),
		c("it is used up", "donny", "POST "+path, "", 404, "*"))
	w.Service.Limits = rest.Limits{rest.LimitInvitations: {PerUser: 1}}
	w.Run(t, c("a message", "donny", "POST /api/profile/cowork/roles/contributor/pia", "", 200, "*"),
		c("is counted", "donny", "POST /api/profile/cowork/roles/contributor/pia", "", 429, "*"),
		c("so is a request", "ray", "POST /api/users/ray/accessibles/contributor/cowork", "", 200, "*"),
		c("that is sent again", "ray", "POST /api/users/ray/accessibles/contributor/cowork", "", 429, "*"))
}

// An invitation without a user is taken back by the managers of the profile under the address that it was made for, and ends by itself.
func TestRevokeInvitation(t *testing.T) {
	c := resttest.Case
	w := newWorld(t)
	w.user("mallory")
	w.exec(`UPDATE user SET email = 'cfo@acme.test' WHERE username = 'mallory'`)
	invite := c("invited", "donny", "POST /api/profile/cowork/roles/contributor?force=1", `{"email":"cfo@acme.test"}`, 201,
		`~"grant_key":null~"remove_api_url":"https://app.example.com/api/profile/cowork/roles/contributor/cfo@acme.test"`)
	const path = "/api/profile/cowork/roles/contributor/CFO@acme.test"
	waiting := func() int { return get[int](w, `SELECT count(*) FROM invitation`) }
	w.Run(t, invite,
		c("not by a contributor", "carol", "DELETE "+path, "", 403, "*"),
		c("not by the one who told the address", "mallory", "DELETE "+path, "", 403, "*"),
		c("not by the manager of another profile", "gus", "DELETE "+path, "", 403, "*"),
		c("of another profile", "gus", "DELETE /api/profile/gym/roles/contributor/cfo@acme.test", "", 404, "*"),
		c("it is in no list", "donny", "GET "+path, "", 404, "*"),
	)
	if waiting() != 1 {
		t.Fatal("the invitation is gone")
	}
	w.Run(t, c("by a manager", "donny", "DELETE "+path, "", 204, ""), c("again", "donny", "DELETE "+path, "", 404, "*"), invite)
	key := get[string](w, `SELECT grant_key FROM invitation`)
	w.exec(`INSERT INTO contact (slug, created_at, email, user_id, email_verified_at) SELECT 'olga-cfo', 1, 'cfo@acme.test', id, 1 FROM user WHERE username = 'olga'`)
	w.Clock.Advance(30*24*time.Hour + time.Second)
	w.Run(t, c("too late", "olga", "PUT /api/users/olga/accessibles/accept/"+key, "", 404, `{"detail":"No Role matches the given query."}`))
	if err := w.service.Janitor(t.Context()); err != nil || waiting() != 0 {
		t.Errorf("%d invitations are left: %v", waiting(), err)
	}
}

func TestDrop(t *testing.T) {
	w := newWorld(t)
	c := resttest.Case
	drop := func(name, as, user, profile string, status int, want string) resttest.Step {
		return c(name, as, "DELETE /api/users/"+user+"/accessibles/anything/"+profile, "", status, want)
	}
	w.Run(t,
		c("a member reads", "carol", "GET /api/profile/cowork", "", 200, "*"),
		drop("a role", "carol", "carol", "cowork", 204, ""),
		c("and no more, at once", "carol", "GET /api/profile/cowork", "", 403, "*"),
		drop("again", "carol", "carol", "cowork", 204, ""),
		drop("an invitation", "pia", "pia", "cowork", 204, ""),
		drop("a request", "ray", "ray", "cowork", 204, ""),
		drop("unknown profile", "ray", "ray", "nope", 404, `{"detail":"No Organization matches the given query."}`),
		drop("the last manager", "donny", "donny", "cowork", 400, `{"detail":"A profile must keep at least one manager."}`),
		drop("by the broker", "bob", "donny", "cowork", 204, ""),
	)
	if n := get[int](w, `SELECT count(*) FROM role r JOIN profile p ON p.id = r.profile_id WHERE p.slug = 'cowork'`); n != 0 {
		t.Errorf("%d roles are left", n)
	}
}

// Whoever has the key of an invitation sees what it is to and to whom, and may decline it, with or without an account; looking changes
// nothing.
func TestInvitationByKey(t *testing.T) {
	c := resttest.Case
	w := newWorld(t)
	w.user("mallory")
	w.exec(`UPDATE user SET email = 'cfo@acme.test' WHERE username = 'mallory'`)
	const roles = "/api/profile/cowork/roles/contributor"
	for _, one := range []struct{ name, body, key, shown string }{
		{"a user", `{"slug":"olga"}`,
			`SELECT grant_key FROM role r JOIN user u ON u.id = r.user_id WHERE u.username = 'olga' AND grant_key IS NOT NULL`,
			`~"username":"olga"~"email":null`},
		{"an address", `{"email":"new@work.example"}`,
			`SELECT grant_key FROM role r JOIN user u ON u.id = r.user_id WHERE u.email = 'new@work.example'`,
			`~"username":null~"email":"new@work.example"`},
		{"an address that somebody told", `{"email":"cfo@acme.test"}`, `SELECT grant_key FROM invitation`,
			`~"username":null~"email":"cfo@acme.test"`},
	} {
		w.Run(t, c(one.name+" is invited", "donny", "POST "+roles+"?force=1", one.body, 201, "*"))
		at := "/api/auth/invitations/" + get[string](w, one.key)
		w.Run(t,
			c("anybody with the key sees to what", "", "GET "+at, "", 200,
				`~"profile":{"slug":"cowork"~"role_description":{`+"~"+`"slug":"contributor"`),
			c("and whom", "carol", "GET "+at, "", 200, one.shown),
			c("another time", "", "GET "+at, "", 200, one.shown),
			c("declined", "", "DELETE "+at, "", 204, ""),
			c("it is gone", "", "GET "+at, "", 404, `{"detail":"No Role matches the given query."}`),
			c("and declined once", "", "DELETE "+at, "", 404, "*"),
		)
	}
}
