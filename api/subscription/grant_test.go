package subscription

import (
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/store"
)

// typedProfile is a profile that was granted something, as its provider is shown it: what it typed (decision 78).
func typedProfile(slug, name, fullName, email string) string {
	return `"profile":{"slug":"` + slug + `","printable_name":"` + name + `","picture":null,"type":"organization","credentials":false,"created_at":null,"full_name":"` + fullName +
		`","email":"` + email + `","phone":"","street_address":"","locality":"","region":"","postal_code":"","country":"","default_timezone":"UTC",` +
		`"no_implicit_role":false,"is_provider":false,"is_bulk_buyer":false,"extra":null}`
}

// Grants to profiles, users and addresses, known and unknown (subscriptions.md 7.3, must-pass 4).
func TestGrant(t *testing.T) {
	const url = "POST /api/profile/cowork/plans/premium/subscriptions"
	triple := `{"profile":{"detail":["One of slug or (full_name, email, type) should be present"]}}`
	for _, test := range []struct {
		name, request, body string
		status              int
		want                string
		pending             string // count of grants that wait
	}{
		{"the product's own sample", url, `{"organization": {"slug": "xia"}}`, 201, "~" + typedProfile("xia", "xia", "", ""), "1"},
		{"by slug", url, `{"profile":{"slug":"xia"}}`, 201, "~" + typedProfile("xia", "xia", "", ""), "1"},
		{"by slug, with more", url, `{"profile":{"slug":"xia","full_name":"Somebody Else","email":"else@example.com","type":"organization"},"message":"hello"}`, 201, "~" + typedProfile("xia", "Somebody Else", "Somebody Else", ""), "1"},
		{"by the broker", strings.Replace(url, "donny", "alice", 1), `{"profile":{"slug":"xia"}}`, 201, "~" + typedProfile("xia", "xia", "", ""), "1"},
		{"by address", url, `{"profile":{"email":"XIA@example.com","full_name":"X","type":"personal"}}`, 201, "~" + typedProfile("XIA@example.com", "X", "X", "XIA@example.com"), "1"},
		{"an inactive plan", "POST /api/profile/cowork/plans/legacy/subscriptions", `{"profile":{"slug":"xia"}}`, 201, `~"plan":{"slug":"legacy","title":"Legacy"}`, "1"},
		{"already subscribed", "POST /api/profile/cowork/plans/basic/subscriptions", `{"profile":{"slug":"xia"}}`, 200, `~"created_at":"2026-03-01T00:00:00Z"`, "0"},
		{"subscribed before", "POST /api/profile/cowork/plans/basic/subscriptions", `{"profile":{"slug":"acme"}}`, 201, `~"created_at":"2026-03-15T12:00:00Z"`, "1"},
		{"a pending request is reused", "POST /api/profile/cowork/plans/club/subscriptions", `{"profile":{"slug":"acme"}}`, 200, `~"request_key":"3333333333333333333333333333333333333333"`, "0"},

		{"a user without a profile", url, `{"profile":{"email":"Zoe@example.com","full_name":"Zoe","type":"personal"}}`, 201,
			"~" + typedProfile("Zoe@example.com", "Zoe", "Zoe", "Zoe@example.com"), "1"},
		{"a user without a profile, by name", url, `{"profile":{"slug":"zoe","type":"personal"}}`, 201, "~" + typedProfile("zoe", "zoe", "", ""), "1"},
		{"a user without a profile, not as a person", url, `{"profile":{"slug":"zoe"}}`, 404, `{"detail":"Profile zoe does not exist."}`, "0"},
		{"an unknown person", url, `{"profile":{"email":"fresh@example.com","full_name":"Fresh Face","type":"personal","phone":"415-555-0100","locality":"Paris","country":"FR","extra":{"a":1}}}`, 201,
			`~"profile":{"slug":"fresh-face","printable_name":"Fresh Face","picture":null,"type":"personal","credentials":false~"email":"fresh@example.com","phone":"+14155550100"~"locality":"Paris"~"country":"FR"~"extra":{"a":1}`, "1"},
		{"an unknown organization", url, `{"profile":{"email":"fresh@example.com","full_name":"Fresh Face","type":"organization"}}`, 201, `~"slug":"fresh-face"~"type":"organization"`, "1"},
		{"an unknown organization of a user", url, `{"profile":{"email":"zoe@example.com","full_name":"Zoe & Co","type":"organization"}}`, 201, `~"slug":"zoe-co"~"type":"organization"`, "1"},
		{"an unknown slug with an address", url, `{"profile":{"slug":"freshers","email":"fresh@example.com","full_name":"Fresh Face"}}`, 201, `~"slug":"freshers"~"type":"organization"`, "1"},
		{"an unknown slug with an address, forced", url + "?force=1", `{"profile":{"slug":"freshers","email":"fresh@example.com","full_name":"Fresh Face","type":"personal"}}`, 201, `~"slug":"freshers"~"type":"personal"`, "1"},

		{"nothing", url, `{}`, 400, `{"profile":["This field is required."]}`, "0"},
		{"an empty profile", url, `{"profile":{}}`, 400, triple, "0"},
		{"an address alone", url, `{"profile":{"email":"fresh@example.com"}}`, 400, triple, "0"},
		{"an address without a type", url, `{"profile":{"email":"acme@example.com","full_name":"Acme"}}`, 400, triple, "0"},
		{"another type", url, `{"profile":{"email":"fresh@example.com","full_name":"F","type":"robot"}}`, 400, `{"profile":{"type":["type must be one of 'personal' or 'organization'."]}}`, "0"},
		{"a bad address", url, `{"profile":{"email":"nope","full_name":"N","type":"personal"}}`, 400, `{"profile":{"email":["Enter a valid email address."]}}`, "0"},
		{"a bad slug", url, `{"organization":{"slug":"a b"}}`, 400, `{"organization":{"slug":["Enter a valid \"slug\" consisting of letters, numbers, underscores or hyphens."]}}`, "0"},
		{"a profile that is text", url, `{"profile":"xia"}`, 400, `{"profile":{"detail":["Invalid data. Expected a dictionary, but got str."]}}`, "0"},
		{"a bad phone", url, `{"profile":{"email":"fresh@example.com","full_name":"N","type":"personal","phone":"12"}}`, 400, `{"profile":{"phone":["Enter a valid phone number."]}}`, "0"},
		{"an unknown slug", url, `{"profile":{"slug":"nobody"}}`, 404, `{"detail":"Profile nobody does not exist."}`, "0"},
		{"a slug in another case", url, `{"profile":{"slug":"XIA"}}`, 404, `{"detail":"Profile XIA does not exist."}`, "0"},
		{"an unknown slug, forced", url + "?force=true", `{"profile":{"slug":"nobody"}}`, 400, `{"email":"We cannot invite an organization without an e-mail address."}`, "0"},
		{"an unknown slug with an address and no name", url, `{"profile":{"slug":"nobody","email":"fresh@example.com"}}`, 400, `{"profile":{"full_name":["This field is required."]}}`, "0"},
		{"a slug that is a username", url, `{"profile":{"slug":"zoe","email":"fresh@example.com","full_name":"F"}}`, 400, `{"profile":{"slug":"This slug is already taken."}}`, "0"},
		{"a word of the paths", url, `{"profile":{"slug":"all","email":"fresh@example.com","full_name":"F"}}`, 400, `{"profile":{"slug":"This slug is already taken."}}`, "0"},
		{"force that is neither", url + "?force=perhaps", `{"profile":{"slug":"xia"}}`, 400, `{"force":["Must be a valid boolean."]}`, "0"},
		{"an unknown plan", "POST /api/profile/cowork/plans/nope/subscriptions", `{"profile":{"slug":"xia"}}`, 404, `{"detail":"No Plan matches the given query."}`, "0"},
		{"an unknown plan and a bad body", "POST /api/profile/cowork/plans/nope/subscriptions", `{}`, 404, `{"detail":"No Plan matches the given query."}`, "0"},
		{"another provider's plan", "POST /api/profile/cowork/plans/gym-monthly/subscriptions", `{"profile":{"slug":"xia"}}`, 404, `{"detail":"No Plan matches the given query."}`, "0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.Run(t, resttest.Case("grant", "donny", test.request, test.body, test.status, test.want))
			if got := w.values(`SELECT count(*) FROM subscription WHERE grant_key IS NOT NULL`); got != test.pending {
				t.Errorf("%s grants wait, want %s", got, test.pending)
			}
			if got := w.values(`SELECT count(*) FROM txn`); got != "0" {
				t.Errorf("%s ledger entries", got)
			}
			if got := w.values(`SELECT count(*) FROM profile WHERE slug NOT IN ('stripe', 'hub', 'cowork', 'gym', 'xia', 'acme', 'ghost')`); test.status >= 400 && got != "0" {
				t.Errorf("a refused grant left %s profiles", got)
			}
		})
	}
}

// An archived profile is nobody to grant to.
func TestGrantToArchived(t *testing.T) {
	w := newWorld(t)
	w.exec(`UPDATE profile SET is_active = 0 WHERE slug IN ('xia', 'ghost')`)
	w.Run(t,
		resttest.Case("by slug", "donny", "POST /api/profile/cowork/plans/premium/subscriptions", `{"profile":{"slug":"xia"}}`, 404, `{"detail":"Profile xia does not exist."}`),
		resttest.Case("by address", "donny", "POST /api/profile/cowork/plans/premium/subscriptions", `{"profile":{"email":"ghost@example.com","full_name":"Ghost Two","type":"organization"}}`, 201, `~"slug":"ghost-two"`),
	)
}

// Who a new profile belongs to.
func TestGrantManagers(t *testing.T) {
	w := newWorld(t)
	grant := func(body string) resttest.Step {
		return resttest.Case(body, "donny", "POST /api/profile/cowork/plans/premium/subscriptions", `{"profile":`+body+`}`, 201, "*")
	}
	w.Run(t,
		grant(`{"email":"zoe@example.com","full_name":"Zoe","type":"personal"}`),
		grant(`{"email":"zoe@example.org","full_name":"Zoe Org","type":"organization"}`),
		grant(`{"slug":"kims","email":"kim@example.com","full_name":"Kims","type":"organization"}`),
		grant(`{"email":"new@example.com","full_name":"New One","type":"personal"}`),
	)
	const managers = `SELECT p.slug || ':' || u.username || ':' || (u.password LIKE '!%') FROM role r JOIN profile p ON p.id = r.profile_id JOIN user u ON u.id = r.user_id
		JOIN role_description d ON d.id = r.role_description_id
		WHERE p.slug IN ('zoe', 'zoe-org', 'kims', 'new-one') AND d.slug = 'manager' AND r.grant_key IS NULL ORDER BY p.id`
	if got := w.values(managers); got != "zoe:zoe:0 new-one:new-one:1" {
		t.Errorf("managers: %s", got)
	}
	if got := w.values(strings.Replace(managers, "r.grant_key IS NULL", "r.grant_key IS NOT NULL", 1)); got != "kims:kim:0" {
		t.Errorf("invited to manage an organization of somebody else's making: %s", got)
	}
	if got := w.values(`SELECT DISTINCT u.username FROM profile p JOIN user u ON u.id = p.created_by_id`); got != "donny" {
		t.Errorf("created by %s", got)
	}
}

// All profiles for which an address stands are subscribed; the first is shown. Somebody else's profile is not among them, whatever
// address it has.
func TestGrantToSeveral(t *testing.T) {
	w := newWorld(t)
	w.exec(`UPDATE profile SET email = 'shared@example.com' WHERE slug IN ('gym', 'xia', 'acme')`)
	w.exec(`UPDATE contact SET email = 'shared@example.com' WHERE slug = 'xia'`)
	w.exec(`INSERT INTO role (created_at, profile_id, user_id, role_description_id) SELECT 0, p.id, u.id, d.id FROM profile p, user u, role_description d
		WHERE p.slug = 'acme' AND u.username = 'xia' AND d.slug = 'manager' ON CONFLICT DO UPDATE SET role_description_id = excluded.role_description_id`)
	w.Run(t,
		resttest.Case("both", "donny", "POST /api/profile/cowork/plans/annual/subscriptions", `{"profile":{"email":"shared@example.com","full_name":"S","type":"organization"}}`, 201, `~"profile":{"slug":"shared@example.com"`),
		resttest.Case("again", "donny", "POST /api/profile/cowork/plans/annual/subscriptions", `{"profile":{"email":"shared@example.com","full_name":"S","type":"organization"}}`, 200, `~"profile":{"slug":"shared@example.com"`),
	)
	if got := w.values(`SELECT count(*) FROM subscription JOIN plan ON plan.id = plan_id WHERE plan.slug = 'annual'`); got != "2" {
		t.Errorf("%s subscriptions", got)
	}
	if got := w.values(`SELECT count(*) FROM outbox WHERE event = 'subscription_grant_created' AND sink = 'mail'`); got != "4" {
		t.Errorf("%s invitations, want two each time", got)
	}
}

// The life of grants and requests (subscriptions.md 7.6), and who skips the opt-in (decision 68).
func TestOptIn(t *testing.T) {
	for _, test := range []struct {
		name, as, plan, body string
		waits                bool
		setup                string
	}{
		{"the plan does not skip it", "donny", "cowork/plans/premium", `{"slug":"xia"}`, true, ""},
		{"the plan does not, and the profile is new", "donny", "cowork/plans/premium", `{"email":"n@example.com","full_name":"N","type":"personal"}`, true, ""},
		{"a provider whom the broker trusts", "donny", "cowork/plans/welcome", `{"slug":"xia"}`, true, ""},
		{"to the new personal profile of a user", "gus", "gym/plans/gym-monthly", `{"slug":"zoe","type":"personal"}`, true, ""},
		{"to a new organization of a user", "gus", "gym/plans/gym-monthly", `{"email":"zoe@example.com","full_name":"Zoe & Co","type":"organization"}`, false, ""},
		{"any provider", "gus", "gym/plans/gym-monthly", `{"slug":"xia"}`, true, ""},
		{"to a shadow", "gus", "gym/plans/gym-monthly", `{"slug":"ghost"}`, false, ""},
		{"to a profile whose manager never was there", "gus", "gym/plans/gym-monthly", `{"slug":"xia"}`, false, `UPDATE user SET password = '!' WHERE username = 'xia'`},
		{"to a profile whose manager was there once", "gus", "gym/plans/gym-monthly", `{"slug":"xia"}`, true, `UPDATE user SET password = '!', last_login = 1 WHERE username = 'xia'`},
		{"to a profile whose manager has not accepted yet", "gus", "gym/plans/gym-monthly", `{"slug":"xia"}`, false,
			`UPDATE role SET grant_key = 'x' WHERE profile_id = (SELECT id FROM profile WHERE slug = 'xia')`},
		{"to a new profile", "gus", "gym/plans/gym-monthly", `{"email":"n@example.com","full_name":"N","type":"personal"}`, false, ""},
		{"the broker's own plan", "alice", "hub/plans/site", `{"slug":"xia"}`, false,
			`INSERT INTO plan (slug, title, created_at, profile_id, skip_optin_on_grant) SELECT 'site', 'Site', 0, id, 1 FROM profile WHERE slug = 'hub'`},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			if test.setup != "" {
				w.exec(test.setup)
			}
			w.Run(t, resttest.Case("grant", test.as, "POST /api/profile/"+test.plan+"/subscriptions", `{"profile":`+test.body+`,"message":"come in"}`, 201, "*"))
			want := "0"
			if test.waits {
				want = "1"
			}
			if got := w.values(`SELECT count(*) FROM subscription WHERE grant_key IS NOT NULL`); got != want {
				t.Errorf("%s grants wait, want %s", got, want)
			}
			if got := w.values(`SELECT count(DISTINCT id) FROM outbox WHERE event = 'subscription_grant_created'`); got != want {
				t.Errorf("%s invitations, want %s", got, want)
			}
			if test.waits {
				w.told(t, "subscription_grant_created", `"detail":"come in"`, `"originated_by":{"slug":"`+test.as+`"`, `"provider":{`, `"plan":{`)
			}
		})
	}
}

// What a new row is like: one billing step long, renewed if the plan is, and billed for the first time a month later.
func TestGrantDates(t *testing.T) {
	w := newWorld(t)
	w.exec(`UPDATE profile SET billing_start = NULL WHERE slug = 'xia'`)
	w.exec(`UPDATE plan SET period_length = 3, renewal_type = 2 WHERE slug = 'premium'`)
	w.Clock.Set(time.Date(2026, 11, 30, 23, 59, 59, 5000, time.UTC))
	w.Run(t,
		resttest.Case("three months", "donny", "POST /api/profile/cowork/plans/premium/subscriptions", `{"profile":{"slug":"xia"}}`, 201,
			`~{"created_at":"2026-11-30T23:59:59.000005Z","ends_at":"2027-02-28T23:59:59.000005Z"~"auto_renew":false`).Then(func(t *testing.T, _ *httptest.ResponseRecorder) {
			if got := w.values(`SELECT grant_key FROM subscription WHERE grant_key IS NOT NULL`); len(got) != 40 || strings.Trim(got, "0123456789abcdef") != "" || got[0] < 'a' {
				t.Errorf("key %q", got)
			}
		}),
		resttest.Case("a year", "donny", "POST /api/profile/cowork/plans/annual/subscriptions", `{"profile":{"slug":"acme"}}`, 201, `~"ends_at":"2027-11-30T23:59:59.000005Z"~"auto_renew":true`),
	)
	if got := w.values(`SELECT billing_start FROM profile WHERE slug IN ('xia', 'acme') ORDER BY slug`); got != "2026-04-01 2026-12-30" {
		t.Errorf("billing starts %s", got)
	}
}

// Anybody can become a provider: whoever the broker does not vouch for makes few profiles an hour (decision 4).
func TestGrantThrottle(t *testing.T) {
	w := newWorld(t)
	w.exec(`INSERT INTO throttle (bucket, failures, since, ends_at) SELECT 'profile:' || id, 59, ?, ? FROM user WHERE username IN ('gus', 'donny')`,
		store.At(w.Clock.Now()), store.At(w.Clock.Now().Add(time.Hour)))
	grant := func(as, url, email string, status int, want string) resttest.Step {
		return resttest.Case(as+" "+email, as, "POST /api/profile/"+url+"/subscriptions", `{"profile":{"email":"`+email+`","full_name":"N","type":"organization"}}`, status, want)
	}
	w.Run(t,
		grant("gus", "gym/plans/gym-monthly", "a@example.net", 201, "*"),
		grant("gus", "gym/plans/gym-monthly", "b@example.net", 429, `{"detail":"Request was throttled. Expected available in 3600 seconds."}`),
		grant("gus", "gym/plans/gym-monthly", "a@example.net", 200, "*"),
		grant("donny", "cowork/plans/basic", "c@example.net", 201, "*"),
		grant("donny", "cowork/plans/basic", "d@example.net", 201, "*"),
	)
	if got := w.values(`SELECT email FROM profile WHERE email LIKE '%.net' ORDER BY id`); got != "a@example.net c@example.net d@example.net" {
		t.Errorf("profiles made: %s", got)
	}
}

// A subscriber who accepted a grant of a provider is not asked again, until it ends or declines one (decision 68). What the
// provider ends changes nothing.
func TestGrantConsent(t *testing.T) {
	w := newWorld(t)
	c := resttest.Case
	const sales, own = "/api/profile/gym/plans/gym-monthly/subscriptions", "/api/profile/xia/subscriptions"
	key := func() string {
		return w.values(`SELECT coalesce(max(grant_key), '') FROM subscription s JOIN plan p ON p.id = s.plan_id WHERE p.slug = 'gym-monthly' AND s.ends_at > ` + strconv.FormatInt(w.Clock.Now().UnixMicro(), 10))
	}
	grant := func(name string, waits bool) {
		t.Helper()
		w.Clock.Advance(time.Minute)
		w.Run(t, c(name, "gus", "POST "+sales, `{"profile":{"slug":"xia"}}`, 201, "*"))
		if got := key(); (got != "") != waits {
			t.Errorf("%s: the grant waits: %v, want %v", name, got != "", waits)
		}
	}
	ends := func(name, as, path string) {
		t.Helper()
		w.Clock.Advance(time.Minute)
		w.Run(t, c(name, as, "DELETE "+path, "", 204, ""))
	}
	grant("the first", true)
	w.Run(t, c("accept", "xia", "POST "+own+"/accept/"+key(), "", 200, "*"))
	ends("the provider ends it", "gus", sales+"/xia")
	grant("after an accepted one", false)
	ends("the subscriber ends it", "xia", own+"/gym-monthly")
	grant("after it was ended", true)
	ends("the subscriber declines", "xia", own+"/gym-monthly")
	grant("after it was declined", true)
}

// What a provider was let in for once is free: a grant that takes effect without an answer does not renew at a price, nobody but the
// subscriber has it renew, and its metered use costs nothing (decision 68).
func TestNobodyIsChargedUnasked(t *testing.T) {
	w := newWorld(t)
	c := resttest.Case
	const sale, own = "/api/profile/gym/plans/gym-monthly/subscriptions", "/api/profile/xia/subscriptions/gym-monthly"
	w.exec(`INSERT INTO grant_consent (profile_id, provider_id, accepted_at) SELECT x.id, g.id, 1
		FROM profile x, profile g WHERE x.slug = 'xia' AND g.slug = 'gym'`)
	w.exec(`INSERT INTO use_charge (slug, title, created_at, plan_id, use_amount, quota)
		SELECT 'visits', 'Visits', 1, id, 500, 1 FROM plan WHERE slug = 'gym-monthly'`)
	const refused = `{"auto_renew":["Only the subscriber can have this subscription renew: it costs money."]}`
	w.Run(t,
		c("grant at once", "gus", "POST "+sale, `{"profile":{"slug":"xia"}}`, 201, `~"auto_renew":false~"grant_key":null`),
		c("the provider", "gus", "PATCH "+sale+"/xia", `{"auto_renew":true}`, 400, refused),
		c("by the other path", "gus", "PATCH "+own, `{"auto_renew":true}`, 400, refused),
		c("with all fields", "gus", "PUT "+sale+"/xia", `{"ends_at":"2026-05-01T00:00:00Z","auto_renew":true}`, 400, refused),
		c("the broker", "alice", "PATCH "+own, `{"auto_renew":true}`, 400, refused),
		c("the provider turns it off", "gus", "PATCH "+sale+"/xia", `{"auto_renew":false,"description":"vip"}`, 200, `~"auto_renew":false`),
		c("the subscriber wants it off", "xia", "PATCH "+own, `{"auto_renew":false}`, 200, `~"auto_renew":false`),
		c("to a shadow", "gus", "POST "+sale, `{"profile":{"slug":"ghost"}}`, 201, `~"auto_renew":true~"grant_key":null`),
	)
	if got := w.useBy("xia", "gym-monthly", "visits", 1, store.At(w.Clock.Now())); got != "nothing" {
		t.Errorf("within the quota: %s", got)
	}
	got := w.useBy("xia", "gym-monthly", "visits", 1, store.At(w.Clock.Now()))
	if !strings.Contains(got, "was not asked about this subscription") {
		t.Errorf("beyond it: %s", got)
	}
	w.Run(t,
		c("the subscriber", "xia", "PATCH "+own, `{"auto_renew":true}`, 200, `~"auto_renew":true`),
		c("and cancels", "xia", "PATCH "+own, `{"auto_renew":false}`, 200, `~"auto_renew":false`),
		c("the provider does not take that back", "gus", "PATCH "+sale+"/xia", `{"auto_renew":true}`, 400, refused),
	)
	if got := w.useBy("xia", "gym-monthly", "visits", 1, store.At(w.Clock.Now())); !strings.HasPrefix(got, "500 ") {
		t.Errorf("once it is agreed to: %s", got)
	}
	w.exec(`UPDATE plan SET period_amount = 0 WHERE slug = 'gym-monthly'`)
	w.Run(t, c("what costs nothing", "gus", "PATCH "+sale+"/xia", `{"auto_renew":true}`, 200, `~"auto_renew":true`))
}

// What was declined in the same instant is granted anew, with a key that works.
func TestGrantAfterDecline(t *testing.T) {
	w := newWorld(t)
	c := resttest.Case
	const sale, own = "/api/profile/gym/plans/gym-monthly/subscriptions", "/api/profile/xia/subscriptions"
	w.Run(t,
		c("grant", "gus", "POST "+sale, `{"profile":{"slug":"xia"}}`, 201, "*"),
		c("decline", "xia", "DELETE "+own+"/gym-monthly", "", 204, ""),
		c("grant", "gus", "POST "+sale, `{"profile":{"slug":"xia"}}`, 201, "*"),
	)
	key := w.values(`SELECT grant_key FROM subscription WHERE grant_key IS NOT NULL AND ends_at > ?`, store.At(w.Clock.Now()))
	w.Run(t, c("accept", "xia", "POST "+own+"/accept/"+key, "", 200, `~"auto_renew":true`))
}

// Where it is not told which addresses have accounts, a grant to one waits on the address, whoever has it (decision 78).
func TestGrantToHiddenAddress(t *testing.T) {
	w := newWorld(t, func(s *Settings) { s.HideAccounts = true })
	for _, email := range []string{"xia@example.com", "zoe@example.com", "nobody@example.com"} {
		name, _, _ := strings.Cut(email, "@")
		r := w.Do("donny", "POST /api/profile/cowork/plans/basic/subscriptions", `{"profile":{"email":"`+email+`","full_name":"Some `+name+`","type":"personal"}}`)
		if r.Code != 201 || !strings.Contains(r.Body.String(), `"slug":"some-`+name+`"`) || !strings.Contains(r.Body.String(), `"credentials":false`) {
			t.Errorf("%s: %d %s", email, r.Code, r.Body)
		}
	}
}

// The personal profile that a grant makes is its user's: no provider writes another address, name or street into it, to which what is sent
// to the user would go (decision 66).
func TestGrantWritesNothingIntoAPersonalProfile(t *testing.T) {
	w := newWorld(t)
	w.Run(t, resttest.Case("typed", "gus", "POST /api/profile/gym/plans/gym-monthly/subscriptions",
		`{"profile":{"slug":"zoe","email":"gus+zoe@example.com","full_name":"Gus Two","type":"personal","phone":"+14155550123","street_address":"1 Elsewhere"}}`, 201, "*"))
	if got := w.values(`SELECT full_name || ':' || email || ':' || phone || ':' || street_address FROM profile
		WHERE slug = 'zoe'`); strings.Contains(got, "gus") ||
		strings.Contains(got, "Gus") || !strings.HasSuffix(got, "zoe@example.com::") {
		t.Errorf("the profile says %s", got)
	}
	if got := w.values(`SELECT recipients FROM outbox`); strings.Contains(got, "gus+zoe") {
		t.Errorf("mailed to %s", got)
	}
}
