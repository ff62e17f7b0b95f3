package subscription

import (
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/store"
)

func TestSubscriptionsOfProvider(t *testing.T) {
	w := newWorld(t)
	list := func(request, want string) resttest.Step {
		return resttest.Case(request, "donny", "GET "+request, "", 200, "*").Then(func(t *testing.T, r *httptest.ResponseRecorder) {
			got := ""
			if got = results(t, r, "profile", "slug") + " / " + results(t, r, "plan", "slug"); got != want {
				t.Errorf("subscriptions %s\nwant %s", got, want)
			}
		})
	}
	const of = "/api/profile/cowork/subscribers/subscriptions"
	w.Run(t,
		list(of, "4: acme xia acme ghost / 4: premium basic club welcome"),
		list(of+"?q=xia", "1: xia / 1: basic"),
		list(of+"?q=ghost@example.com", "1: ghost / 1: welcome"),
		list(of+"?q=Acme%20Corp&q_f=profile__full_name", "2: acme acme / 2: premium club"),
		list(of+"?q=basic&q_f=plan", "1: xia / 1: basic"),
		list(of+"?o=-created_at", "4: acme xia ghost acme / 4: club basic welcome premium"),
		list(of+"?o=profile", "4: acme acme ghost xia / 4: premium club welcome basic"),
		list(of+"?o=full_name", "4: acme xia acme ghost / 4: premium basic club welcome"),
		list(of+"?page_size=1&page=2", "4: xia / 4: basic"),
		list(of+"?start_at=2026-03-02", "1: acme / 1: club"),
		list(of+"?start_at=2026-02-01T00:00:00Z&ends_at=2026-03-01", "3: xia acme ghost / 3: basic club welcome"),
		list(of+"/all", "5: acme acme xia acme ghost / 5: basic premium basic club welcome"),
		list(of+"/all?start_at=2026-03-25", "3: xia acme ghost / 3: basic club welcome"),
		list(of+"/all?ends_at=2026-02-01T00:00:00Z", "2: acme acme / 2: basic premium"),
		list(of+"/all?start_at=2026-02-21&ends_at=2026-03-01T00:00:00Z", "2: acme ghost / 2: premium welcome"),
		list(of+"/churned", "1: acme / 1: basic"),
		list(of+"/churned?q=xia", "0: / 0:"),
		list(of+"/churned?ends_at=2026-02-01", "0: / 0:"),
		list(of+"/churned?ends_at=2027-02-01", "1: acme / 1: basic"),
		list(of+"/churned?start_at=2026-03-01", "0: / 0:"),
		list("/api/profile/cowork/plans/basic/subscriptions", "1: xia / 1: basic"),
		list("/api/profile/cowork/plans/basic/subscriptions/all", "2: acme xia / 2: basic basic"),
		list("/api/profile/cowork/plans/basic/subscriptions/churned", "1: acme / 1: basic"),
		list("/api/profile/cowork/plans/annual/subscriptions/all", "0: / 0:"),
		resttest.Case("unknown plan", "donny", "GET /api/profile/cowork/plans/nope/subscriptions", "", 404, `{"detail":"No Plan matches the given query."}`),
		resttest.Case("another's plan", "donny", "GET /api/profile/cowork/plans/gym-monthly/subscriptions/all", "", 404, `{"detail":"No Plan matches the given query."}`),
		resttest.Case("bad date", "donny", "GET "+of+"/all?ends_at=never", "", 400, wrongEnd),
		resttest.Case("bad page", "donny", "GET "+of+"/churned?page=2", "", 404, `{"detail":"Invalid page."}`),

		resttest.Case("a contact", "donny", "GET "+of+"?q=xia", "", 200, `{"count":1,"next":null,"previous":null,"results":[{"created_at":"2026-03-01T00:00:00Z","ends_at":"2026-04-01T00:00:00Z",`+
			`"description":null,"profile":{"slug":"xia","printable_name":"Xia Lee","picture":null,"type":"personal","credentials":true,"created_at":"2026-01-01T00:00:00Z","full_name":"Xia Lee",`+
			`"email":"xia@example.com","phone":"+14155555555","street_address":"","locality":"","region":"","postal_code":"","country":"","default_timezone":"America/New_York",`+
			`"no_implicit_role":false,"is_provider":false,"is_bulk_buyer":false,"extra":null},"plan":{"slug":"basic","title":"Basic"},"auto_renew":true,"extra":null,"grant_key":null,`+
			`"request_key":null,"app_url":"https://app.example.com/app/xia/basic/"}]}`),
		resttest.Case("a request", "donny", "GET "+of+"/all?q=club", "", 200, `~"request_key":"3333333333333333333333333333333333333333"~`+
			`"accept_request_api_url":"https://app.example.com/api/profile/cowork/subscribers/accept/3333333333333333333333333333333333333333",`+
			`"remove_api_url":"https://app.example.com/api/profile/cowork/plans/club/subscriptions/acme"}]}`),
		resttest.Case("its subscriber does not see the key", "yan", "GET /api/profile/acme/subscriptions/club", "", 200, `~"request_key":null`),
	)
	w.exec(`UPDATE profile SET is_active = 0 WHERE slug = 'acme'`)
	w.Run(t,
		list(of, "2: xia ghost / 2: basic welcome"), // archived profiles are left out
		list("/api/profile/cowork/plans/basic/subscriptions/all", "1: xia / 1: basic"),
		list("/api/profile/cowork/subscribers/subscriptions/churned", "0: / 0:"),
	)
}

func TestSubscribers(t *testing.T) {
	w := newWorld(t)
	list := func(name, query, want string) resttest.Step {
		return resttest.Case(name+" "+query, "donny", "GET /api/profile/cowork/subscribers"+query, "", 200, "*").Then(func(t *testing.T, r *httptest.ResponseRecorder) {
			if got := results(t, r, "slug"); got != want {
				t.Errorf("profiles %s, want %s", got, want)
			}
		})
	}
	w.Run(t,
		list("current", "", "3: acme ghost xia"),
		list("at another time", "?ends_at=2026-03-21", "2: ghost xia"),
		list("at another time", "?ends_at=2026-02-01", "3: acme ghost xia"),
		list("by name", "?o=-full_name", "3: xia ghost acme"),
		list("by date", "?o=created_at", "3: acme ghost xia"),
		list("search", "?q=lee", "1: xia"),
		list("search", "?q=acme&q_f=email", "1: acme"),
		list("page", "?page_size=2&page=2", "3: xia"),
		list("of profiles made since", "?start_at=2026-01-02", "0:"),
		list("of profiles made before", "?ends_at=2026-01-01T00:00:00Z", "0:"),
		list("all", "/all", "3: acme ghost xia"),
		list("all of profiles made before", "/all?ends_at=2026-01-01T00:00:00Z", "0:"),
		list("all, not by the end of subscriptions", "/all?ends_at=2027-01-01", "3: acme ghost xia"),
		resttest.Case("bad date", "donny", "GET /api/profile/cowork/subscribers?ends_at=x", "", 400, wrongEnd),
		resttest.Case("short form", "donny", "GET /api/profile/cowork/subscribers?q=xia", "", 200, `{"count":1,"next":null,"previous":null,"results":[`+xiaShort+`]}`),
	)
	// Only a valid subscription to this provider counts, but for the list of all.
	w.exec(`UPDATE subscription SET grant_key = 'x' || id WHERE profile_id = (SELECT id FROM profile WHERE slug = 'ghost')`)
	w.exec(`UPDATE subscription SET ends_at = 1 WHERE plan_id = (SELECT id FROM plan WHERE slug = 'premium')`)
	w.Run(t, list("valid ones", "", "1: xia"), list("all", "/all", "2: acme xia"))
	w.exec(`UPDATE profile SET is_active = 0 WHERE slug = 'xia'`)
	w.Run(t, list("of active profiles", "", "0:"), list("all active profiles", "/all", "1: acme"))
}

// Who logs in for a subscriber, and which subscribers have nobody who does.
func TestEngagement(t *testing.T) {
	w := newWorld(t)
	login := func(user string, at time.Time) {
		w.exec(`UPDATE user SET last_login = ? WHERE username = ?`, store.At(at), user)
	}
	engaged := func(name, query, want string) resttest.Step {
		return resttest.Case("engaged "+name+query, "donny", "GET /api/profile/cowork/subscribers/engaged"+query, "", 200, "*").Then(func(t *testing.T, r *httptest.ResponseRecorder) {
			if got := results(t, r, "user", "slug") + " / " + results(t, r, "profile", "slug"); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
	unengaged := func(name, query, want string) resttest.Step {
		return resttest.Case("unengaged "+name+query, "donny", "GET /api/profile/cowork/subscribers/unengaged"+query, "", 200, "*").Then(func(t *testing.T, r *httptest.ResponseRecorder) {
			if got := results(t, r, "slug"); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
	w.Run(t, engaged("nobody", "", "0: / 0:"), unengaged("everybody", "", "3: acme ghost xia"))
	login("xia", w.Clock.Now().Add(-time.Hour))
	login("yan", w.Clock.Now().Add(-8*24*time.Hour))
	w.Run(t,
		engaged("xia acts for two", "", "2: xia xia / 2: xia acme"),
		engaged("since", "?start_at=2026-01-01", "3: yan xia xia / 3: acme xia acme"),
		engaged("until", "?ends_at=2026-03-14", "1: yan / 1: acme"),
		engaged("search", "?q=acme", "1: xia / 1: acme"),
		engaged("search names", "?q=Xia&q_f=first_name", "2: xia xia / 2: xia acme"),
		engaged("by name", "?start_at=2026-01-01&o=-first_name", "3: yan xia xia / 3: acme xia acme"),
		engaged("by profile", "?start_at=2026-01-01&o=profile", "3: yan xia xia / 3: acme acme xia"),
		engaged("page", "?start_at=2026-01-01&page_size=2&page=2", "3: xia / 3: acme"),
		unengaged("ghost alone", "", "1: ghost"),
		unengaged("since", "?start_at=2026-03-15T11:30:00", "3: acme ghost xia"),
		unengaged("until", "?ends_at=2026-03-10", "2: ghost xia"),
		unengaged("search", "?q=nobody", "0:"),
		resttest.Case("a role", "donny", "GET /api/profile/cowork/subscribers/engaged?q=xia&q_f=profile", "", 200, `~"results":[{"created_at":"2026-01-01T00:00:00Z","user":{"slug":"xia"~`+
			`"email":"xia@example.com"~"full_name":"Xia Lee"~"last_login":"2026-03-15T11:00:00Z"}~"extra":null,"grant_key":null,"role_description":{~"slug":"manager"~"accept_request_api_url":null,`+
			`"remove_api_url":"https://app.example.com/api/profile/xia/roles/manager/xia","profile":`+xiaShort+`}]}`),
	)
	w.exec(`UPDATE role SET request_key = 'x' || id WHERE user_id = (SELECT id FROM user WHERE username = 'xia')`)
	w.Run(t, engaged("roles that are asked for do not count", "", "0: / 0:"), unengaged("nor here", "", "2: ghost xia"))
}

func TestChangeSale(t *testing.T) {
	const url = "/api/profile/cowork/plans/basic/subscriptions/xia"
	sale := func(ends, description, renew string) string {
		return `{"created_at":"2026-03-01T00:00:00Z","ends_at":"` + ends + `","description":` + description + `,"profile":` + xiaShort + `,"plan":{"slug":"basic","title":"Basic"},` +
			`"auto_renew":` + renew + `,"extra":null,"grant_key":null,"request_key":null,"app_url":"https://app.example.com/app/xia/basic/","accept_request_api_url":null,` +
			`"remove_api_url":"https://app.example.com/api/profile/cowork/plans/basic/subscriptions/xia"}`
	}
	w := newWorld(t)
	w.Run(t,
		resttest.Case("read", "donny", "GET "+url, "", 200, sale("2026-04-01T00:00:00Z", "null", "true")),
		resttest.Case("put", "donny", "PUT "+url, `{"ends_at":"2026-05-01T00:00:00Z"}`, 200, sale("2026-05-01T00:00:00Z", "null", "true")),
		resttest.Case("patch", "donny", "PATCH "+url, `{"description":"vip","auto_renew":false}`, 200, sale("2026-05-01T00:00:00Z", `"vip"`, "false")),
		resttest.Case("by the broker", "alice", "PATCH "+url, `{"ends_at":"2026-06-01T00:00:00Z","description":null}`, 200, sale("2026-06-01T00:00:00Z", "null", "false")),
		resttest.Case("bad end", "donny", "PUT "+url, `{"ends_at":"bogus"}`, 400, wrongEnd),
		resttest.Case("no end", "donny", "PUT "+url, `{}`, 400, `{"ends_at":["This field is required."]}`),
		resttest.Case("unknown subscriber", "donny", "GET /api/profile/cowork/plans/basic/subscriptions/nobody", "", 404, `{"detail":"cannot find active subscription to basic for nobody"}`),
		resttest.Case("unknown plan", "donny", "PATCH /api/profile/cowork/plans/nope/subscriptions/xia", `{}`, 404, `{"detail":"No Plan matches the given query."}`),
		resttest.Case("a bad body on what is not there", "donny", "PUT /api/profile/cowork/plans/basic/subscriptions/nobody", `{}`, 404, "*"),
		resttest.Case("into the past", "donny", "PATCH "+url, `{"ends_at":"2026-03-02"}`, 200, `~"ends_at":"2026-03-02T00:00:00Z"`),
		resttest.Case("has ended", "donny", "PATCH "+url, `{}`, 404, `{"detail":"cannot find active subscription to basic for xia"}`),
	)
	if got := w.values(`SELECT count(*) FROM txn UNION ALL SELECT count(*) FROM outbox`); got != "0 0" {
		t.Errorf("ledger entries and notices: %s", got)
	}
}

// What is written shows in the next decision about a caller: the provider of a valid subscription reads its subscriber.
func TestFactsAreFresh(t *testing.T) {
	w := newWorld(t)
	reads := func(name string, status int) resttest.Step {
		return resttest.Case(name, "gus", "GET /api/profile/xia/subscriptions", "", status, "*")
	}
	w.Run(t, reads("gym sells nothing to xia", 403),
		resttest.Case("a grant", "gus", "POST /api/profile/gym/plans/gym-monthly/subscriptions", `{"profile":{"slug":"xia"}}`, 201, "*"),
		reads("a grant that waits opens nothing", 403))
	key := w.values(`SELECT grant_key FROM subscription WHERE grant_key IS NOT NULL`)
	w.Run(t, resttest.Case("accepted", "xia", "POST /api/profile/xia/subscriptions/accept/"+key, "", 200, "*"), reads("opens", 200))

	facts := func() (plan, provider string, ends time.Time, active bool) {
		p, err := w.dir.Profile("xia")
		if err != nil {
			t.Fatal(err)
		}
		s := p.Subscriptions[slices.IndexFunc(p.Subscriptions, func(s accessrules.Subscription) bool { return s.Provider == "gym" })]
		f, err := w.dir.Plan(s.Plan)
		if err != nil || f == nil {
			t.Fatalf("plan %q: %v, %v", s.Plan, f, err)
		}
		return s.Plan, s.Provider, s.EndsAt, f.Active
	}
	if plan, provider, _, active := facts(); plan != "gym-monthly" || provider != "gym" || !active {
		t.Errorf("facts: %s of %s, %v", plan, provider, active)
	}
	w.Run(t,
		resttest.Case("another slug", "gus", "PATCH /api/profile/gym/plans/gym-monthly", `{"slug":"gym-pass","is_active":false}`, 200, "*"),
		resttest.Case("another end", "gus", "PATCH /api/profile/gym/plans/gym-pass/subscriptions/xia", `{"ends_at":"2027-01-01"}`, 200, "*"))
	if plan, _, ends, active := facts(); plan != "gym-pass" || active || ends.Year() != 2027 {
		t.Errorf("facts: %s until %s, %v", plan, ends, active)
	}
	w.Run(t, resttest.Case("unsubscribed", "xia", "DELETE /api/profile/xia/subscriptions/gym-pass", "", 204, ""))
	if _, _, ends, _ := facts(); ends.After(w.Clock.Now()) {
		t.Errorf("facts: until %s", ends)
	}
	w.Run(t, resttest.Case("made", "gus", "POST /api/profile/gym/plans", `{"title":"New"}`, 201, "*"))
	if p, err := w.dir.Plan("new"); p == nil || err != nil {
		t.Errorf("facts: %v, %v", p, err)
	}
	w.Run(t, resttest.Case("deleted", "gus", "DELETE /api/profile/gym/plans/new", "", 204, ""))
	if p, err := w.dir.Plan("new"); p != nil || err != nil {
		t.Errorf("facts: %v, %v", p, err)
	}
}
