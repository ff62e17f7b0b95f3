package accessrules_test

import (
	"testing"

	"github.com/caddy-tollgate/tollgate/accessrules"
)

// isManager is a fact of the rows, for the oracle.
func (w *world) isManager(user string, profiles ...string) bool {
	return w.roleTest(call{user: user, method: "GET"}, profiles, accessrules.Strong, nil)
}

// shadow is the definition of access.md A.1 and decision 31.
func (w *world) shadow(profile string) bool {
	for _, u := range w.users {
		if w.isManager(u.name, profile) && !u.inactive && (u.password || u.loggedIn) {
			return false
		}
	}
	return true
}

// mayWriteProfile is the first line of the table "provider writes" of access.md A.1.
func (w *world) mayWriteProfile(user, profile string) bool {
	if w.isManager(user, profile, w.broker) {
		return true
	}
	for _, s := range w.subs {
		if s.profile == profile && !s.grant && !s.request && s.ends.After(now) && w.isManager(user, w.ownerOf(s.plan)) && w.shadow(profile) {
			return true
		}
	}
	return false
}

// TestClasses compares the classes with the chains of access.md A.3 and the decisions that narrow them, for every kind of caller.
func TestClasses(t *testing.T) {
	reads := func(method string) bool { return method == "GET" || method == "HEAD" }
	broker := func(w *world, c call) bool { return w.roleTest(c, []string{w.broker}, accessrules.Normal, nil) }
	op := func(n int) func(*world, call) bool {
		return func(w *world, c call) bool { return w.decide(n, arguments{}, c) == outcome{} }
	}
	provider := op(6)
	profileWrites := func(w *world, c call) bool {
		return provider(w, c) && (reads(c.method) || w.mayWriteProfile(c.user, c.profile))
	}
	self := op(12)
	selfWrites := func(w *world, c call) bool {
		return self(w, c) && (reads(c.method) || c.user == c.target || w.isManager(c.user, w.broker))
	}
	selfOnly := func(w *world, c call) bool { return c.user == c.target || broker(w, c) }
	for _, tt := range []struct {
		class  accessrules.Condition
		name   string
		public bool
		strict bool // active, agreement
		grants bool // no pending grant
		last   func(*world, call) bool
	}{
		{accessrules.Public, "PUBLIC", true, false, false, nil},
		{accessrules.AuthenticatedOnly, "AUTH", false, false, false, op(1)},
		{accessrules.DirectStrict, "DIRECT", false, true, true, op(3)},
		{accessrules.DirectFrictionless, "DIRECT-F", false, false, false, op(3)},
		{accessrules.ProviderStrict, "PROVIDER", false, true, true, profileWrites},
		{accessrules.ProviderFrictionless, "PROVIDER-F", false, false, false, profileWrites},
		{accessrules.ProviderDeleteFrictionless, "PROVIDER-F delete", false, false, false, func(w *world, c call) bool {
			return provider(w, c) && (reads(c.method) || w.isManager(c.user, c.profile, w.broker))
		}},
		{accessrules.ProviderPlanFrictionless, "PROVIDER-F plan", false, false, false, func(w *world, c call) bool {
			return provider(w, c) && (reads(c.method) || w.isManager(c.user, c.profile, w.broker, "shop")) // premium is shop's
		}},
		{accessrules.ProviderSalesStrict, "PROVIDER sales", false, true, true, provider},
		{accessrules.ProviderOnlyStrict, "PROVIDER-ONLY", false, true, true, op(9)},
		{accessrules.SelfStrict, "SELF", false, true, false, selfWrites},
		{accessrules.SelfFrictionless, "SELF-F", false, false, false, selfWrites},
		{accessrules.SelfOnlyStrict, "SELF only", false, true, false, selfOnly},
		{accessrules.SelfOnlyFrictionless, "SELF-F only", false, false, false, selfOnly},
		{accessrules.SelfWideFrictionless, "SELF-F wide", false, false, false, self},
		{accessrules.BrokerStrict, "BROKER", false, true, true, broker},
		{accessrules.BrokerManagerStrict, "DIRECT broker", false, true, true, func(w *world, c call) bool { return w.isManager(c.user, w.broker) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.class.String(); got != tt.name {
				t.Errorf("prints as %q", got)
			}
			for state := range subscriptionStates {
				w := sampleWorld(state)
				m := w.facts()
				for _, u := range append([]userRow{{}}, w.users...) {
					for _, path := range []struct{ profile, user string }{{"acme", "member"}, {"shadow", "caretaker"}, {"unknown", "unknown"}, {"", ""}, {"acme", u.name}} {
						for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
							for _, page := range []bool{false, true} {
								q := m.query(u.name, method, "profile", path.profile, "user", path.user, "subscribed_plan", "premium")
								q.Page = page
								c := call{user: u.name, method: method, profile: path.profile, target: path.user}
								want := outcome{}
								switch {
								case tt.public:
								case u.name == "":
									want = outcome{reason: accessrules.Unauthenticated, target: "/login/"}
								case tt.strict && w.active(&u) != outcome{}:
									want = w.active(&u)
								case tt.strict && w.agreement(&u, arguments{}, call{}) != outcome{}:
									want = w.agreement(&u, arguments{}, call{})
								case tt.grants && page && u.name == "invited" && path.profile == "acme":
									want = outcome{reason: accessrules.PendingGrant, target: "/users/roles/accept/?q=acme"}
								case !tt.last(w, c):
									want = outcome{reason: accessrules.RoleMissing}
								}
								v := tt.class.Check(q)
								if got := (outcome{v.Reason, v.Target, v.Cart}); got != want {
									t.Errorf("%s: %+v page %v: got %+v, want %+v", state, c, page, got, want)
								}
							}
						}
					}
				}
			}
		})
	}
}

// TestClassesFrozen: the read-only switch reaches the conditions that classes are made of, broker or not.
func TestClassesFrozen(t *testing.T) {
	m := sampleWorld("current").facts()
	for _, c := range []accessrules.Condition{accessrules.BrokerStrict, accessrules.BrokerManagerStrict, accessrules.SelfStrict, accessrules.SelfOnlyStrict,
		accessrules.DirectStrict, accessrules.ProviderStrict, accessrules.ProviderWrites(), accessrules.PlanWrites(), accessrules.ProfileDeletes()} {
		q := readOnly(m.query("chief", "PUT", "profile", "acme", "user", "chief"))
		if v := c.Check(q); v.Reason != accessrules.ReadOnlySite || v.Status() != 403 {
			t.Errorf("%s: %+v", c, v)
		}
		q.Method = "GET"
		if v := c.Check(q); !v.OK() {
			t.Errorf("%s to read: %+v", c, v)
		}
	}
	q := readOnly(m.query("chief", "PUT"))
	if q.MayWriteProfile(m.profiles["shadow"]) || q.MayDeleteProfile(m.profiles["shadow"]) {
		t.Error("the broker writes a profile on a read-only site")
	}
}

// TestProviderWrites: decisions 3, 30, 31 as functions that operations ask.
func TestProviderWrites(t *testing.T) {
	for state := range subscriptionStates {
		w := sampleWorld(state)
		m := w.facts()
		for _, u := range append([]userRow{{}}, w.users...) {
			q := m.query(u.name, "PUT")
			for _, p := range w.profiles {
				profile := m.profiles[p.slug]
				if got, want := q.MayWriteProfile(profile), w.mayWriteProfile(u.name, p.slug); got != want {
					t.Errorf("%s: may %q write %s: %v, want %v", state, u.name, p.slug, got, want)
				}
				if got, want := q.MayDeleteProfile(profile), w.isManager(u.name, p.slug, w.broker); got != want {
					t.Errorf("%s: may %q delete %s: %v, want %v", state, u.name, p.slug, got, want)
				}
				if got, want := q.ManagerOf(p.slug), w.isManager(u.name, p.slug); got != want {
					t.Errorf("%q manages %s: %v, want %v", u.name, p.slug, got, want)
				}
				if got, want := q.MaySell(p.slug), w.isManager(u.name, p.slug, w.broker); got != want {
					t.Errorf("%q sells for %s: %v, want %v", u.name, p.slug, got, want)
				}
				sells := map[string]bool{}
				for _, provider := range w.providersTo(p.slug) {
					if w.isManager(u.name, provider) {
						sells[provider] = true
					}
				}
				got := q.SellsTo(profile)
				if len(got) != len(sells) {
					t.Errorf("%q sells to %s as %v, want %v", u.name, p.slug, got, sells)
				}
				for _, provider := range got {
					if !sells[provider] {
						t.Errorf("%q sells to %s as %v, want %v", u.name, p.slug, got, sells)
					}
				}
			}
			if got, want := q.IsBrokerManager(), w.isManager(u.name, w.broker); got != want {
				t.Errorf("%q is a broker manager: %v, want %v", u.name, got, want)
			}
			if got, want := q.IsBrokerStaff(), w.roleTest(call{user: u.name, method: "GET"}, []string{w.broker}, accessrules.Normal, nil); got != want {
				t.Errorf("%q is broker staff: %v, want %v", u.name, got, want)
			}
			var access []string
			for _, r := range accessrules.Access(m.users[u.name], now) {
				access = append(access, r.Profile.Slug)
			}
			if want := w.countingFor(u.name); len(access) != len(want) {
				t.Errorf("%q has access to %v, want %v", u.name, access, want)
			}
			if q.MayWriteProfile(nil) != w.isManager(u.name, w.broker) || q.SellsTo(nil) != nil {
				t.Errorf("%q and an unknown profile", u.name)
			}
		}
	}
}

// TestProviderWritesCases spells out what decisions 3, 30 and 31 are about.
func TestProviderWritesCases(t *testing.T) {
	w := sampleWorld("current")
	m := w.facts()
	for _, tt := range []struct {
		name, user, profile string
		want                bool
	}{
		{"a provider writes a shadow with a current subscription", "seller", "shadow", true},
		{"a contributor of the provider does not", "clerk", "shadow", false},
		{"a former provider does not", "oldseller", "shadow", false},
		{"a provider does not write a profile that has a manager", "seller", "acme", false},
		{"a manager made by an invitation, who never logged in, still writes", "caretaker", "shadow", true},
		{"a stranger does not", "stranger", "shadow", false},
		{"the broker does", "chief", "acme", true},
	} {
		if got := m.query(tt.user, "PUT").MayWriteProfile(m.profiles[tt.profile]); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
	w.users = append(w.users, userRow{name: "returned", loggedIn: true})
	w.roles = append(w.roles, roleRow{user: "returned", profile: "shadow", description: "manager"})
	m = w.facts()
	if m.query("seller", "PUT").MayWriteProfile(m.profiles["shadow"]) {
		t.Error("a manager who has logged in without a password does not end the shadow")
	}
}

// TestStatus: decision 1.
func TestStatus(t *testing.T) {
	for reason, want := range map[accessrules.Reason]int{
		accessrules.Passed: 200, accessrules.Unauthenticated: 401, accessrules.BadCredentials: 401, accessrules.NoRule: 403, accessrules.RoleMissing: 403,
		accessrules.NotSubscribed: 403, accessrules.BalanceDue: 403, accessrules.NotFound: 404, accessrules.Unavailable: 503,
	} {
		if got := (accessrules.Verdict{Reason: reason}).Status(); got != want {
			t.Errorf("%q: %d, want %d", reason, got, want)
		}
	}
}

// TestWords: a condition prints as the Caddyfile would say it.
func TestWords(t *testing.T) {
	for want, c := range map[string]accessrules.Condition{
		"any":                     accessrules.Any(),
		"authenticated":           accessrules.Authenticated(),
		"active":                  accessrules.Active(),
		"agreement":               accessrules.Agreement(""),
		"agreement privacy":       accessrules.Agreement("privacy"),
		"no_pending_grant":        accessrules.NoPendingGrant(),
		"direct contributor":      accessrules.Direct(),
		"direct contributor weak": accessrules.Direct(accessrules.Roles("contributor"), accessrules.Weak),
		"provider support auditor profile=acme brokers=a,b": accessrules.Provider(accessrules.Roles("support", "auditor"), accessrules.OnProfile("acme"), accessrules.Brokers("a", "b")),
		"provider_only strong":                              accessrules.ProviderOnly(accessrules.Strong),
		"provider_readable contributor":                     accessrules.ProviderReadable(accessrules.Strong),
		"self contributor user=xia":                         accessrules.Self(accessrules.OfUser("xia")),
		"self_write":                                        accessrules.SelfWrite(),
		"self_only":                                         accessrules.SelfOnly(),
		"subscribed":                                        accessrules.Subscribed(),
		"paid basic premium":                                accessrules.Paid(accessrules.Plans("basic", "premium")),
		"ever_subscribed premium profile=acme":              accessrules.EverSubscribed(accessrules.Plans("premium"), accessrules.OnProfile("acme")),
		"subscribed premium brokers=p grace=72h0m0s":        accessrules.Subscribed(accessrules.Plans("premium"), accessrules.Grace(72*hour), accessrules.Brokers("p")),
		"broker":          accessrules.BrokerStaff(),
		"broker strong":   accessrules.BrokerManager(),
		"profile_writes":  accessrules.ProviderWrites(),
		"profile_deletes": accessrules.ProfileDeletes(),
		"plan_writes":     accessrules.PlanWrites(),
		"direct contributor; subscribed premium; active": accessrules.All(accessrules.Direct(), accessrules.All(accessrules.Subscribed(accessrules.Plans("premium")), accessrules.Active())),
	} {
		if got := c.String(); got != want {
			t.Errorf("prints %q, want %q", got, want)
		}
	}
}
