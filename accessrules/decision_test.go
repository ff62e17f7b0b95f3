package accessrules_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caddy-tollgate/tollgate/accessrules"
)

// condition makes an operation with the constructors that Go code uses.
func condition(op int, a arguments) accessrules.Condition {
	var roles []accessrules.RoleOption
	var subs []accessrules.SubscriptionOption
	if a.profile != "" {
		roles, subs = append(roles, accessrules.OnProfile(a.profile)), append(subs, accessrules.OnProfile(a.profile))
	}
	if len(a.brokers) > 0 {
		roles, subs = append(roles, accessrules.Brokers(a.brokers...)), append(subs, accessrules.Brokers(a.brokers...))
	}
	if a.user != "" {
		roles = append(roles, accessrules.OfUser(a.user))
	}
	if len(a.roles) > 0 {
		roles = append(roles, accessrules.Roles(a.roles...))
	}
	if len(a.plans) > 0 {
		subs = append(subs, accessrules.Plans(a.plans...))
	}
	if a.grace != 0 {
		subs = append(subs, accessrules.Grace(a.grace))
	}
	switch op {
	case 0:
		return accessrules.Any()
	case 1:
		return accessrules.Authenticated()
	case 2:
		return accessrules.Agreement(a.agreement)
	case 15:
		return accessrules.Paid(subs...)
	case 16:
		return accessrules.EverSubscribed(subs...)
	case 17:
		return accessrules.Active()
	case 18:
		return accessrules.ProviderReadable(roles...)
	case subscribed:
		return accessrules.Subscribed(subs...)
	}
	roles = append(roles, [...]accessrules.Strength{accessrules.Normal, accessrules.Weak, accessrules.Strong}[(op-3)%3])
	return [...]func(...accessrules.RoleOption) accessrules.Condition{accessrules.Direct, accessrules.Provider, accessrules.ProviderOnly, accessrules.Self}[(op-3)/3](roles...)
}

// allowText is what a client of the rules API would post for an operation, nulls included.
func allowText(op int, a arguments) string {
	orNil := func(list []string) any {
		switch len(list) {
		case 0:
			return nil
		case 1:
			return list[0]
		}
		return list
	}
	kwargs := map[string]any{"profile": a.profile, "user": a.user, "agreement": a.agreement, "roledescription": orNil(a.roles),
		"plan": orNil(a.plans), "brokers": orNil(a.brokers), "unheard_of": 42}
	b, err := json.Marshal(kwargs)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf("%d/%s", op, b)
}

// knows cuts the arguments to those that the operation knows (access.md B.3).
func knows(op int, a arguments) arguments {
	var known arguments
	switch {
	case op == 2:
		known.agreement = a.agreement
	case op >= 15 && op != 17 && op != 18:
		known.profile, known.plans, known.brokers = a.profile, a.plans, a.brokers
		if op == subscribed {
			known.grace = a.grace
		}
	case op >= 12 && op <= 14:
		known.user = a.user
		if op != 14 {
			known.roles = a.roles
		}
	case op >= 3 && op != 17:
		known.profile = a.profile
		if op != 5 && op != 8 && op != 11 {
			known.roles = a.roles
		}
		if op == 3 || op == 6 || op == 9 || op == 18 {
			known.brokers = a.brokers
		}
	}
	return known
}

var operations = []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, subscribed}

// check compares the package with the oracle for one question.
func check(t interface{ Errorf(string, ...any) }, w *world, m *memory, op int, a arguments, c call) {
	a = knows(op, a)
	q := m.query(c.user, c.method, "profile", c.profile, "user", c.target, "agreement", c.agreement)
	q.Page, q.ReadOnly = c.page, c.readOnly
	want := w.decide(op, a, c)
	v := condition(op, a).Check(q)
	if got := (outcome{v.Reason, v.Target, v.Cart}); got != want {
		t.Errorf("op %d %+v, %+v: got %+v, want %+v", op, a, c, got, want)
	}
	if op == subscribed {
		return
	}
	parsed, err := accessrules.ParseAllow(allowText(op, a))
	if err != nil {
		t.Errorf("op %d %+v: %v", op, a, err)
		return
	}
	if v := parsed.Check(q); (outcome{v.Reason, v.Target, v.Cart}) != want {
		t.Errorf("op %d %+v, %+v through the rules API: got %+v, want %+v", op, a, c, v, want)
	}
}

// TestDecisionTable asks every operation on behalf of every kind of caller, in every state of the subscription, and compares with
// the oracle.
func TestDecisionTable(t *testing.T) {
	choices := []arguments{
		{},
		{roles: []string{"support"}},
		{roles: []string{"contributor", "support"}, plans: []string{"premium", "basic"}, agreement: "privacy"},
		{plans: []string{"premium"}, brokers: []string{"partner", "nowhere"}, agreement: "unwritten"},
		{plans: []string{"free"}, profile: "zoo", user: "twice"},
		{plans: []string{"unknown"}},
	}
	paths := []struct{ profile, user, agreement string }{{"acme", "member", ""}, {"", "", ""}, {"unknown", "unknown", "privacy"}, {"dead", "ghost", ""}, {"zoo", "gone", ""}}
	methods := []string{"GET", "HEAD", "POST", "DELETE", "OPTIONS"}
	for state := range subscriptionStates {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			w := sampleWorld(state)
			m := w.facts()
			callers := []string{""}
			for _, u := range w.users {
				callers = append(callers, u.name)
			}
			for _, op := range operations {
				for i, a := range choices {
					if i > 0 && fmt.Sprint(knows(op, a)) == fmt.Sprint(knows(op, arguments{})) {
						continue
					}
					for _, path := range paths {
						for _, method := range methods {
							for _, user := range callers {
								c := call{user: user, method: method, profile: path.profile, target: path.user, agreement: path.agreement, page: method == "GET"}
								check(t, w, m, op, a, c)
							}
						}
					}
				}
			}
		})
	}
}

// TestReadOnlySite repeats a part of the table on a site that refuses writes.
func TestReadOnlySite(t *testing.T) {
	w := sampleWorld("locked")
	m := w.facts()
	for _, op := range operations {
		for _, method := range []string{"GET", "HEAD", "OPTIONS", "TRACE", "POST", "PUT", "PATCH", "DELETE", "PROPFIND"} {
			for _, u := range w.users {
				for _, page := range []bool{false, true} {
					check(t, w, m, op, arguments{}, call{user: u.name, method: method, profile: "acme", target: u.name, readOnly: true, page: page})
				}
			}
		}
	}
	if v := accessrules.Direct().Check(readOnly(m.query("chief", "POST", "profile", "acme"))); v.Reason != accessrules.ReadOnlySite {
		t.Errorf("a broker manager writes on a read-only site: %+v", v)
	}
	if v := accessrules.Self().Check(readOnly(m.query("chief", "PUT", "user", "chief"))); v.Reason != accessrules.ReadOnlySite {
		t.Errorf("a user writes on a read-only site: %+v", v)
	}
}

func readOnly(q *accessrules.Query) *accessrules.Query {
	q.ReadOnly = true
	return q
}

// TestDecisionsAtRandom compares with the oracle in worlds drawn at random.
func TestDecisionsAtRandom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slugs := []string{"a", "b", "c", "d"}
		w := &world{broker: "a", agreements: map[string]time.Time{}, otpRoles: map[string]bool{}}
		for _, s := range slugs {
			w.profiles = append(w.profiles, profileRow{slug: s, archived: rapid.IntRange(0, 4).Draw(t, "archived") == 0})
			w.plans = append(w.plans, planRow{slug: "plan-" + s, owner: rapid.SampledFrom(slugs).Draw(t, "owner"), unpriced: rapid.Bool().Draw(t, "unpriced")})
		}
		ends := rapid.Custom(func(t *rapid.T) time.Time {
			return now.Add(time.Duration(rapid.IntRange(-2, 2).Draw(t, "ends")) * time.Hour)
		})
		maybe := func(label string) bool { return rapid.IntRange(0, 5).Draw(t, label) == 0 }
		for _, name := range []string{"u", "v", "b"} {
			u := userRow{name: name, password: !maybe("no password"), otp: maybe("otp"), inactive: maybe("inactive")}
			if rapid.Bool().Draw(t, "signed") {
				u.signed = map[string]time.Time{"terms-of-use": ends.Draw(t, "signed at")}
			}
			w.users = append(w.users, u)
			for _, p := range slugs {
				if rapid.Bool().Draw(t, "role") {
					continue
				}
				r := roleRow{user: name, profile: p, description: rapid.SampledFrom([]string{"manager", "contributor", "support"}).Draw(t, "description"), grant: maybe("grant"), request: maybe("request")}
				if rapid.Bool().Draw(t, "role ends") {
					r.ends = ends.Draw(t, "role ends at")
				}
				w.roles = append(w.roles, r)
			}
		}
		if rapid.Bool().Draw(t, "terms") {
			w.agreements["terms-of-use"] = ends.Draw(t, "terms of")
		}
		w.otpRoles["support"] = maybe("otp role")
		for _, p := range slugs {
			for range rapid.IntRange(0, 3).Draw(t, "subscriptions") {
				w.subs = append(w.subs, subRow{profile: p, plan: "plan-" + rapid.SampledFrom(slugs).Draw(t, "plan"), grant: maybe("sub grant"), request: maybe("sub request"),
					ends: ends.Draw(t, "sub ends"), locked: rapid.Bool().Draw(t, "locked")})
			}
		}
		someSlugs := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d", "none"}), 0, 2, rapid.ID[string])
		a := arguments{roles: rapid.SampledFrom([][]string{nil, {"support"}, {"support", "contributor"}}).Draw(t, "roles"), brokers: someSlugs.Draw(t, "brokers"),
			grace: time.Duration(rapid.IntRange(0, 2).Draw(t, "grace")) * 90 * time.Minute}
		for _, s := range someSlugs.Draw(t, "plans") {
			a.plans = append(a.plans, "plan-"+s)
		}
		if maybe("fixed profile") {
			a.profile = rapid.SampledFrom(slugs).Draw(t, "fixed")
		}
		op := rapid.SampledFrom(operations).Draw(t, "op")
		c := call{
			user: rapid.SampledFrom([]string{"", "u", "v", "b"}).Draw(t, "caller"), method: rapid.SampledFrom([]string{"GET", "HEAD", "POST", "OPTIONS"}).Draw(t, "method"),
			profile: rapid.SampledFrom([]string{"", "a", "b", "c", "none"}).Draw(t, "profile"), target: rapid.SampledFrom([]string{"", "u", "v", "none"}).Draw(t, "user"),
			page: rapid.Bool().Draw(t, "page"), readOnly: maybe("read only"),
		}
		check(t, w, w.facts(), op, a, c)
	})
}

// TestFactsUnavailable: what is not known lets nobody in, and an answer that needs no facts does not ask for any.
func TestFactsUnavailable(t *testing.T) {
	m := sampleWorld("current").facts()
	for _, tt := range []struct {
		fail string
		c    accessrules.Condition
		user string
		want accessrules.Reason
	}{
		{"Agreement", accessrules.Agreement(""), "member", accessrules.Unavailable},
		{"Profile", accessrules.Provider(), "seller", accessrules.Unavailable},
		{"Profile", accessrules.Provider(), "member", accessrules.Passed},
		{"Profile", accessrules.Provider(), "nobody", accessrules.RoleMissing},
		{"Profile", accessrules.ProviderOnly(), "chief", accessrules.Passed},
		{"Profile", accessrules.ProviderReadable(), "clerk", accessrules.Unavailable},
		{"User", accessrules.Self(), "seller", accessrules.Unavailable},
		{"User", accessrules.Self(), "member", accessrules.Passed},
		{"User", accessrules.Self(), "nobody", accessrules.RoleMissing},
		{"Plan", accessrules.Paid(accessrules.Plans("premium")), "member", accessrules.Passed},
		{"Plan", accessrules.Paid(accessrules.Plans("premium")), "nobody", accessrules.Unavailable},
		{"Plan", accessrules.EverSubscribed(accessrules.Plans("premium")), "seller", accessrules.Unavailable},
		{"Plan", accessrules.EverSubscribed(accessrules.Plans("premium")), "chief", accessrules.Passed},
		{"Profile", accessrules.ProviderWrites(), "seller", accessrules.Unavailable},
		{"Plan", accessrules.PlanWrites(), "seller", accessrules.Unavailable},
	} {
		m.fail = tt.fail
		method := "GET"
		if tt.c == accessrules.ProviderWrites() || tt.c == accessrules.PlanWrites() {
			method = "PUT"
		}
		v := tt.c.Check(m.query(tt.user, method, "profile", "acme", "user", "member"))
		if v.Reason != tt.want || (v.Err != nil) != (tt.want == accessrules.Unavailable) {
			t.Errorf("%s for %s without %s: got %+v, want %q", tt.c, tt.user, tt.fail, v, tt.want)
		}
	}
}
