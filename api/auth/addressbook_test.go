package auth

import (
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

func slugs(t *testing.T, s *site, as, request string) string {
	t.Helper()
	w := s.Do(as, request, "")
	var found []string
	for _, part := range strings.Split(w.Body.String(), `"slug":"`)[1:] {
		found = append(found, part[:strings.IndexByte(part, '"')])
	}
	return strings.Join(found, " ")
}

func TestListPeople(t *testing.T) {
	s := newSite(t)
	s.exec(t, `DELETE FROM contact WHERE slug = 'cindy'`) // a user without contact
	s.Do("alice", "POST /api/users", `{"full_name":"Zed Contact","email":"zed@example.com","username":"zed"}`)
	s.Do("xia", "DELETE /api/users/xia", "")
	for _, base := range []string{"/api/users", "/api/contacts"} {
		s.Run(t,
			resttest.Case("anonymous", "", "GET "+base, "", 401, noIdentity),
			resttest.Case("a user", "yan", "GET "+base, "", 403, denied),
			resttest.Case("contributor of the broker", "cindy", "GET "+base, "", 200, `~{"count":7,"next":null`),
			resttest.Case("first", "alice", "GET "+base+"?page_size=1", "", 200,
				`{"count":7,"next":"https://app.example.com`+base+`?page=2&page_size=1","previous":null,"results":[{"slug":"alice","username":"alice","printable_name":"Alice","picture":null}]}`),
			resttest.Case("no such page", "alice", "GET "+base+"?page=2", "", 404, `{"detail":"Invalid page."}`),
		)
		for query, want := range map[string]string{
			"":                         "alice cindy nina rob xia yan zed",
			"?o=-full_name":            "zed yan xia rob nina cindy alice",
			"?q=ZED":                   "zed",
			"?q=zed,nina@":             "nina zed",
			"?q=zed+alice":             "alice zed",
			"?q=example.com&q_f=email": "alice cindy nina rob xia yan zed",
			"?q=yoyo&q_f=password":     "",
			"?q=zed&q_f=email":         "zed",
			"?o=-created_at&q=zed,yan": "zed yan",
		} {
			if got := slugs(t, s, "alice", "GET "+base+query); got != want {
				t.Errorf("%s%s: %s, want %s", base, query, got, want)
			}
		}
	}
	s.Run(t, resttest.Case("CSV", "alice", "GET /api/users?q=zed&format=csv", "", 200, "slug,username,printable_name,picture\r\nzed,zed,Zed,\r\n"))
}

func TestCreateContact(t *testing.T) {
	s := newSite(t)
	for _, path := range []string{"POST /api/users", "POST /api/contacts"} {
		create := func(name, as, body string, status int, want string) resttest.Step {
			return resttest.Case(name, as, path, body, status, want)
		}
		domain := "@users.example"
		if path == "POST /api/contacts" {
			domain = "@contacts.example"
		}
		s.Run(t,
			create("anonymous", "", `{}`, 401, `*`),
			create("a user", "xia", `{}`, 403, denied),
			create("contributor of the broker", "cindy", `{}`, 403, denied),
			create("empty", "alice", `{}`, 400, `{"full_name":["This field is required."]}`),
			create("no address", "alice", `{"full_name":"A B"}`, 400, `{"email":["An email or a phone is required."],"phone":["An email or a phone is required."]}`),
			create("bad phone", "alice", `{"full_name":"A B","phone":"1"}`, 400, `{"phone":["Enter a valid phone number."]}`),
			create("e-mail taken", "alice", `{"full_name":"A B","email":"XIA@example.com"}`, 400, `{"email":"This email is already taken."}`),
			create("phone taken", "alice", `{"full_name":"A B","phone":"415 555 5556"}`, 400, `{"phone":"This phone is already taken."}`),
			create("slug taken", "alice", `{"full_name":"A B","email":"ab`+domain+`","slug":"xia"}`, 400, `{"slug":"This slug is already taken."}`),
			create("derived slug", "alice", `{"full_name":"A B","email":"a.b`+domain+`","new_password":"ignored"}`, 201, `~{"slug":"ab~"nick_name":"A"~"credentials":false`),
			create("username wins over slug", "alice", `{"full_name":"A B","email":"c`+domain+`","username":"c`+path[10:]+`","slug":"other"}`, 201, `~{"slug":"c`+path[10:]+`"`),
		)
	}
	// A user's address that no contact has.
	s.exec(t, `UPDATE contact SET email = NULL WHERE slug = 'yan'`)
	s.Run(t, resttest.Case("of a user", "alice", "POST /api/users", `{"full_name":"Yan","email":"yan@example.com"}`, 201, `~{"slug":"yan"~"credentials":true`))
	if n := one[int](t, s, `SELECT count(*) FROM user WHERE created_at > (SELECT max(created_at) FROM user WHERE username = 'nina')`); n != 0 {
		t.Errorf("%d users were made", n)
	}
}

func TestActivities(t *testing.T) {
	s := newSite(t)
	// xia's profile subscribes to a plan of acme, which yan manages.
	s.exec(t, `INSERT INTO plan (slug, title, created_at, profile_id, unit) SELECT 'gold', 'Gold', 0, id, 'usd' FROM profile WHERE slug = 'acme'`)
	s.exec(t, `INSERT INTO subscription (created_at, ends_at, profile_id, plan_id) SELECT 0, 1, p.id, l.id FROM profile p, plan l WHERE p.slug = 'xia'`)
	const (
		item = `{"created_at":"2025-03-10T12:00:01Z","created_by":{"slug":"alice","username":"alice","printable_name":"Alice","picture":null},"text":"Follow up",` +
			`"account":{"slug":"acme","printable_name":"Acme Corp","picture":null,"type":"organization","credentials":false,"created_at":"2025-03-10T12:00:00Z"},` +
			`"contact":{"slug":"nina","username":"nina","printable_name":"Nina","picture":null},"extra":null}`
	)
	note := func(name, as, path, body string, status int, want string) resttest.Step {
		return resttest.Case(name, as, "POST "+path, body, status, want)
	}
	s.Run(t,
		note("anonymous", "", "/api/contacts/nina/activities", `{}`, 401, `*`),
		note("a user", "nina", "/api/contacts/nina/activities", `{}`, 403, `*`),
		note("contributor", "cindy", "/api/contacts/nina/activities", `{}`, 403, denied),
		note("missing", "alice", "/api/contacts/nina/activities", `{"text":"x"}`, 400, `{"account":["This field is required."]}`),
		note("unknown account", "alice", "/api/contacts/nina/activities", `{"account":"ghost"}`, 400, `{"account":["Object with slug=ghost does not exist."]}`),
		note("unknown contact", "alice", "/api/contacts/ghost/activities", `{}`, 404, `*`),
		note("with account", "alice", "/api/contacts/nina/activities", `{"text":"Follow up","account":"acme"}`, 201, `{"text":"Follow up","account":"acme"}`),
		note("without", "alice", "/api/contacts/nina/activities", `{"account":null}`, 201, `{"text":"","account":null}`),
		note("about a profile", "alice", "/api/activities/xia", `{"text":"Called","contact":null}`, 201, `{"text":"Called","contact":null}`),
		note("a provider", "yan", "/api/activities/xia", `{"text":"Our customer","contact":"xia"}`, 201, `{"text":"Our customer","contact":"xia"}`),
		note("the profile's own manager", "xia", "/api/activities/xia", `{"text":"x","contact":null}`, 403, denied),
		note("not a provider", "yan", "/api/activities/cowork", `{"text":"x","contact":null}`, 403, denied),
		note("missing contact", "alice", "/api/activities/xia", `{"text":"x"}`, 400, `{"contact":["This field is required."]}`),
		note("unknown contact of a profile", "alice", "/api/activities/xia", `{"contact":"ghost"}`, 400, `{"contact":["Object with slug=ghost does not exist."]}`),
		note("unknown profile", "alice", "/api/activities/ghost", `{}`, 404, `{"detail":"No Organization matches the given query."}`),

		resttest.Case("of a contact", "cindy", "GET /api/contacts/nina/activities", "", 200, `~{"count":2,~[`+item),
		resttest.Case("search", "alice", "GET /api/contacts/nina/activities?q=FOLLOW", "", 200, `{"count":1,"next":null,"previous":null,"results":[`+item+`]}`),
		resttest.Case("of nobody", "alice", "GET /api/contacts/ghost/activities", "", 404, `*`),
		resttest.Case("of a profile", "yan", "GET /api/activities/xia", "", 200, `~{"count":2~"text":"Our customer"~"text":"Called"`),
		resttest.Case("of a profile, contributor of its provider", "xia", "GET /api/activities/xia", "", 200, `~{"count":2`),
		resttest.Case("of a profile, its manager", "yan", "GET /api/activities/acme", "", 403, denied),
		resttest.Case("all", "cindy", "GET /api/activities", "", 200, `~{"count":4`),
		resttest.Case("all, others", "xia", "GET /api/activities", "", 403, denied),
		resttest.Case("with whom", "yan", "GET /api/activities/xia/contacts", "", 200,
			`{"count":1,"next":null,"previous":null,"results":[{"slug":"xia","username":"xia","printable_name":"Xia","picture":null}]}`),
		resttest.Case("todos", "alice", "GET /api/todos", "", 200, `{"count":0,"next":null,"previous":null,"results":[]}`),
		resttest.Case("todos of others", "xia", "GET /api/todos", "", 403, denied),
	)
	s.Do("alice", "DELETE /api/users/nina", "")
	s.Run(t, resttest.Case("of a contact whose user is gone", "alice", "GET /api/contacts/nina/activities", "", 200, `~"contact":{"slug":"nina","username":"nina","printable_name":"Nina","picture":null}`))
}

// There are so many notes about a profile: its providers take them, and anybody may provide something (decision 77).
func TestNotesAreBounded(t *testing.T) {
	s := newSite(t)
	s.exec(t, `INSERT INTO activity (created_at, profile_id) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)
		SELECT 1, (SELECT id FROM profile WHERE slug = 'xia') FROM n`)
	const note = `{"text":"x","contact":null}`
	s.Run(t,
		resttest.Case("the last", "alice", "POST /api/activities/xia", note, 201, `*`),
		resttest.Case("one more", "alice", "POST /api/activities/xia", note, 400, `{"detail":"There are at most 10000 notes about a profile."}`),
		resttest.Case("about another", "alice", "POST /api/activities/acme", note, 201, `*`),
	)
}
