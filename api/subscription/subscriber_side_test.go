package subscription

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/store"
)

const (
	xiaShort = `{"slug":"xia","printable_name":"Xia Lee","picture":null,"type":"personal","credentials":true,"created_at":"2026-01-01T00:00:00Z"}`
	notFound = `{"detail":"No Subscription matches the given query."}`
	wrongEnd = `{"ends_at":["Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]."]}`
)

// xiaBasic is xia's subscription to basic as xia sees it.
func xiaBasic(ends, description, renew, extra, editable string) string {
	return `{"created_at":"2026-03-01T00:00:00Z","ends_at":"` + ends + `","description":` + description + `,"profile":` + xiaShort + `,"plan":{"slug":"basic","title":"Basic"},` +
		`"auto_renew":` + renew + `,"extra":` + extra + `,"grant_key":null,"request_key":null,"app_url":"https://app.example.com/app/xia/basic/",` +
		`"remove_api_url":"https://app.example.com/api/profile/xia/subscriptions/basic","editable":` + editable + `}`
}

func TestOwnSubscriptions(t *testing.T) {
	w := newWorld(t)
	list := func(name, as, request, want string) resttest.Step {
		return resttest.Case(name, as, request, "", 200, "*").Then(func(t *testing.T, r *httptest.ResponseRecorder) {
			if got := results(t, r, "plan", "slug"); got != want {
				t.Errorf("subscriptions %s, want %s", got, want)
			}
		})
	}
	const of = "GET /api/profile/acme/subscriptions"
	w.Run(t,
		resttest.Case("as the subscriber sees them", "xia", "GET /api/profile/xia/subscriptions", "", 200,
			`{"count":1,"next":null,"previous":null,"results":[`+xiaBasic("2026-04-01T00:00:00Z", "null", "true", "null", "false")+`]}`),
		resttest.Case("the provider may edit", "donny", "GET /api/profile/xia/subscriptions/basic", "", 200, xiaBasic("2026-04-01T00:00:00Z", "null", "true", "null", "true")),
		resttest.Case("the broker is not the provider", "alice", "GET /api/profile/xia/subscriptions/basic", "", 200, xiaBasic("2026-04-01T00:00:00Z", "null", "true", "null", "false")),
		list("active, pending ones too", "yan", of, "3: premium gym-monthly club"),
		list("last first", "yan", of+"?o=-ends_at", "3: club gym-monthly premium"),
		list("by plan", "yan", of+"?o=plan", "3: club gym-monthly premium"),
		list("by title", "yan", of+"?o=-plan__title", "3: premium gym-monthly club"),
		list("search", "yan", of+"?q=gym", "1: gym-monthly"),
		list("search of addresses", "yan", of+"?q=acme@example&q_f=profile__email", "3: premium gym-monthly club"),
		list("begun since", "yan", of+"?start_at=2026-03-06", "1: club"),
		list("the end is ignored", "yan", of+"?ends_at=2026-01-01", "3: premium gym-monthly club"),
		list("expired", "yan", of+"/expired", "1: basic"),
		list("expired by", "yan", of+"/expired?ends_at=2026-02-20T00:00:00Z", "0:"),
		list("expired by, local time", "yan", of+"/expired?ends_at=2026-02-20", "1: basic"),
		list("expired since", "yan", of+"/expired?start_at=2026-02-21", "0:"),
		list("nothing expires in the future", "yan", of+"/expired?ends_at=2027-01-01", "1: basic"),
		resttest.Case("bad date", "yan", of+"/expired?ends_at=soon", "", 400, wrongEnd),
		resttest.Case("unknown plan", "xia", "GET /api/profile/xia/subscriptions/nope", "", 404, `{"detail":"cannot find active subscription to nope for xia"}`),
		resttest.Case("ended", "yan", "GET /api/profile/acme/subscriptions/basic", "", 404, `{"detail":"cannot find active subscription to basic for acme"}`),
		resttest.Case("case matters", "xia", "GET /api/profile/xia/subscriptions/Basic", "", 404, `{"detail":"cannot find active subscription to Basic for xia"}`),
		resttest.Case("csv", "xia", "GET /api/profile/xia/subscriptions?format=csv", "", 200,
			"created_at,ends_at,description,profile,plan,auto_renew,extra,grant_key,request_key,app_url,remove_api_url,editable\r\n"+
				"2026-03-01T00:00:00Z,2026-04-01T00:00:00Z,,xia,basic,true,,,,https://app.example.com/app/xia/basic/,https://app.example.com/api/profile/xia/subscriptions/basic,false\r\n"),
	)
	w.Clock.Set(time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC))
	w.Run(t,
		list("in its last instant it is active", "xia", "GET /api/profile/xia/subscriptions", "1: basic"),
		resttest.Case("but has ended", "xia", "GET /api/profile/xia/subscriptions/basic", "", 404, "*"),
	)
}

// Who may change what of a subscription (decision 16).
func TestChangeOwnSubscription(t *testing.T) {
	const url = "/api/profile/xia/subscriptions/basic"
	for _, test := range []struct {
		name, as, method, body string
		status                 int
		want                   string
	}{
		{"the subscriber cancels", "xia", "PATCH", `{"auto_renew":false}`, 200, xiaBasic("2026-04-01T00:00:00Z", "null", "false", "null", "false")},
		{"the subscriber's end and description are kept", "xia", "PUT", `{"ends_at":"2027-01-01T00:00:00Z","description":"mine","extra":{"a":1}}`, 200,
			xiaBasic("2026-04-01T00:00:00Z", "null", "true", `{"a":1}`, "false")},
		{"the provider writes all", "donny", "PUT", `{"ends_at":"2027-01-01","auto_renew":false,"description":"vip","extra":"x"}`, 200, xiaBasic("2027-01-01T00:00:00Z", `"vip"`, "false", `"x"`, "true")},
		{"the broker does", "alice", "PATCH", `{"ends_at":"2027-01-01T00:00:00Z","description":""}`, 200, xiaBasic("2027-01-01T00:00:00Z", `""`, "true", "null", "false")},
		{"what cannot be written", "alice", "PATCH", `{"created_at":"2001-01-01","grant_key":"x","request_key":"x","plan":"premium","profile":"acme"}`, 200,
			xiaBasic("2026-04-01T00:00:00Z", "null", "true", "null", "false")},
		{"PUT needs an end", "xia", "PUT", `{"auto_renew":false}`, 400, `{"ends_at":["This field is required."]}`},
		{"bad end", "xia", "PATCH", `{"ends_at":"soon"}`, 400, wrongEnd},
		{"null end", "donny", "PATCH", `{"ends_at":null}`, 400, `{"ends_at":["This field may not be null."]}`},
		{"bad flag", "xia", "PATCH", `{"auto_renew":"perhaps"}`, 400, `{"auto_renew":["Must be a valid boolean."]}`},
		{"another provider", "gus", "PATCH", `{}`, 403, `{"detail":"Permission denied"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			newWorld(t).Run(t, resttest.Case("", test.as, test.method+" "+url, test.body, test.status, test.want))
		})
	}
}

func TestUnsubscribe(t *testing.T) {
	w := newWorld(t)
	// Two current rows of one subscription are not made here, but may have been made elsewhere.
	w.exec(`INSERT INTO subscription (profile_id, plan_id, created_at, ends_at, request_key) SELECT profile_id, plan_id, created_at, ends_at + 1, NULL FROM subscription WHERE id = 1`)
	w.exec(`INSERT INTO subscription_request (subscription_id, payer_id, amount, unit, nb_periods, descr) SELECT id, profile_id, 1, 'usd', 1, 'x' FROM subscription WHERE request_key IS NOT NULL`)
	w.Run(t,
		resttest.Case("all rows end", "xia", "DELETE /api/profile/xia/subscriptions/basic", "", 204, ""),
		resttest.Case("again", "xia", "DELETE /api/profile/xia/subscriptions/basic", "", 204, ""),
		resttest.Case("unknown plan", "xia", "DELETE /api/profile/xia/subscriptions/nope", "", 204, ""),
		resttest.Case("by the broker", "alice", "DELETE /api/profile/acme/subscriptions/premium", "", 204, ""),
		resttest.Case("not by another provider", "gus", "DELETE /api/profile/acme/subscriptions/premium", "", 403, `{"detail":"Permission denied"}`),
		resttest.Case("a request is withdrawn", "yan", "DELETE /api/profile/acme/subscriptions/club", "", 204, ""),
		resttest.Case("and cannot be accepted any more", "donny", "POST /api/profile/cowork/subscribers/accept/"+strings.Repeat("3", 40), "", 404, notFound),
		resttest.Case("the provider's side", "donny", "DELETE /api/profile/cowork/plans/welcome/subscriptions/ghost", "", 204, ""),
		resttest.Case("the provider's side, unknown plan", "donny", "DELETE /api/profile/cowork/plans/nope/subscriptions/ghost", "", 204, ""),
		resttest.Case("the provider's side, unknown subscriber", "donny", "DELETE /api/profile/cowork/plans/welcome/subscriptions/nope", "", 204, ""),
	)
	now := store.At(w.Clock.Now()).UnixMicro()
	if got := w.values(`SELECT count(*) FROM subscription WHERE ends_at = ? AND auto_renew = 0`, now); got != "5" {
		t.Errorf("%s rows ended now", got)
	}
	if got := w.values(`SELECT count(*) FROM subscription_request`); got != "0" {
		t.Errorf("%s frozen lines are left", got)
	}
}

func TestAcceptGrant(t *testing.T) {
	w := newWorld(t)
	w.Run(t, resttest.Case("grant", "donny", "POST /api/profile/cowork/plans/premium/subscriptions", `{"profile":{"slug":"xia"}}`, 201, `~"grant_key":null`))
	w.Clock.Advance(time.Minute)
	key := w.values(`SELECT grant_key FROM subscription WHERE grant_key IS NOT NULL`)
	shows := func(want string) func(*testing.T, *httptest.ResponseRecorder) {
		return func(t *testing.T, r *httptest.ResponseRecorder) {
			if got := results(t, r, "grant_key"); got != want {
				t.Errorf("grant keys %s, want %s", got, want)
			}
		}
	}
	const accept = "/api/profile/xia/subscriptions/accept/"
	w.Run(t,
		resttest.Case("the subscriber sees the key", "xia", "GET /api/profile/xia/subscriptions", "", 200, "*").Then(shows("2: null "+key)),
		resttest.Case("the broker too", "alice", "GET /api/profile/xia/subscriptions", "", 200, "*").Then(shows("2: null "+key)),
		resttest.Case("the provider does not", "donny", "GET /api/profile/xia/subscriptions", "", 200, "*").Then(shows("2: null null")),
		resttest.Case("nor on its own side", "donny", "GET /api/profile/cowork/subscribers/subscriptions/all?q=xia", "", 200, "*").Then(shows("2: null null")),
		resttest.Case("nor in contacts", "donny", "GET /api/profile/cowork/subscribers/subscriptions?q=xia", "", 200, "*").Then(shows("2: null null")),
		resttest.Case("a key of nothing", "xia", "POST "+accept+strings.Repeat("a", 40), "", 404, notFound),
		resttest.Case("a key that is none", "xia", "POST "+accept+"x", "", 404, `{"detail":"Not found."}`),
		resttest.Case("a key of another profile", "yan", "POST /api/profile/acme/subscriptions/accept/"+key, "", 404, notFound),
		resttest.Case("by the provider", "donny", "POST "+accept+key, "", 403, `{"detail":"Permission denied"}`),
		resttest.Case("accept", "xia", "POST "+accept+key, "", 200, `~{"created_at":"2026-03-15T12:00:00Z","ends_at":"2026-04-15T12:00:00Z"~"plan":{"slug":"premium","title":"Premium"}~`+
			`"grant_key":null~"editable":false}`),
		resttest.Case("again", "xia", "POST "+accept+key, "", 404, notFound),
	)
	w.told(t, "subscription_grant_accepted", `"profile":{"slug":"cowork"`, `"originated_by":{"slug":"xia"`, `"plan":{"slug":"premium","title":"Premium"}`, `"subscriber":{"slug":"xia"`)
}

// A grant that was declined, or that nobody accepted in time, cannot be accepted.
func TestAcceptGrantLate(t *testing.T) {
	w := newWorld(t)
	grant := resttest.Case("grant", "donny", "POST /api/profile/cowork/plans/premium/subscriptions", `{"profile":{"slug":"xia"}}`, 201, "*")
	w.Run(t, grant, resttest.Case("decline", "xia", "DELETE /api/profile/xia/subscriptions/premium", "", 204, ""))
	accept := func() resttest.Step {
		key := w.values(`SELECT grant_key FROM subscription WHERE grant_key IS NOT NULL ORDER BY id DESC LIMIT 1`)
		return resttest.Case("accept", "xia", "POST /api/profile/xia/subscriptions/accept/"+key, "", 404, notFound)
	}
	w.Run(t, accept())
	w.Clock.Advance(time.Minute)
	w.Run(t, grant)
	w.Clock.Set(time.Date(2026, 4, 15, 12, 1, 0, 0, time.UTC))
	w.Run(t, accept())
}

// The application is where the rules of the gate say.
type rules map[string]string

func (r rules) AppPath(subscriber, plan string) string {
	return strings.ReplaceAll(r[plan], "{profile}", subscriber)
}

func TestAppURLs(t *testing.T) {
	w := newWorld(t)
	w.SetAppURLs(rules{"premium": "/desk/{profile}/"})
	w.Run(t,
		resttest.Case("by a rule", "yan", "GET /api/profile/acme/subscriptions/premium", "", 200, `~"app_url":"https://app.example.com/desk/acme/"`),
		resttest.Case("by default", "yan", "GET /api/profile/acme/subscriptions/gym-monthly", "", 200, `~"app_url":"https://app.example.com/app/acme/gym-monthly/"`),
	)
}
