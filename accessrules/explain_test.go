package accessrules_test

import (
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/accessrules"
)

// TestExplain: an explanation is the decision itself, with each condition of the rule and what it read.
func TestExplain(t *testing.T) {
	set, err := accessrules.Compile([]accessrules.Rule{
		{Path: "/app/{profile}", Methods: []string{"POST"}, Conditions: []accessrules.Condition{accessrules.Any()}},
		{Path: "/app/{profile}", Conditions: []accessrules.Condition{accessrules.Active(), accessrules.Provider(), accessrules.Agreement(""), accessrules.Paid(accessrules.Plans("premium"))}},
	})
	if err != nil {
		t.Fatal(err)
	}
	m := sampleWorld("locked").facts()
	for _, user := range []string{"", "member", "seller", "nobody", "newcomer", "chief"} {
		q := m.query(user, "GET")
		want := set.Decide(q, "/app/acme/x")
		e := set.Explain(q, "/app/acme/x")
		if e.Verdict != want.Verdict || e.Index != 1 || e.Failed != want.Failed || len(e.Skipped) != 1 || e.Skipped[0] != 0 || len(e.Conditions) != 4 {
			t.Errorf("%s: %+v, want %+v", user, e, want)
		}
		for i, o := range e.Conditions {
			if o.Condition != e.Rule.Conditions[i].String() || o.Verdict != e.Rule.Conditions[i].Check(q) || len(o.Facts) == 0 {
				t.Errorf("%s: %+v", user, o)
			}
		}
	}
	e := set.Explain(m.query("seller", "GET"), "/app/acme/x")
	text := ""
	for _, o := range e.Conditions {
		for _, f := range o.Facts {
			text += f.Question + ": " + f.Answer + "\n"
		}
	}
	for _, want := range []string{"caller: seller", "password: set", "roles: manager of shop", "broker: hub",
		"profile acme: active; subscribed to vintage of old until 2025-03-15T12:00:00Z; subscribed to premium of shop until 2026-04-15T12:00:00Z, with a balance due",
		"agreement terms-of-use: last version of 2026-01-15T12:00:00Z", "plan premium: of shop"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	m.fail = "Profile"
	if e := set.Explain(m.query("seller", "GET"), "/app/acme/x"); e.Verdict.Reason != accessrules.Unavailable || !strings.Contains(e.Conditions[1].Facts[3].Answer, "not known") {
		t.Errorf("%+v", e)
	}
	if e := set.Explain(m.query("", "GET"), "/x"); e.Rule != nil || e.Verdict.Reason != accessrules.NoRule {
		t.Errorf("%+v", e)
	}
}

// TestExplainCondition: a class comes apart into the conditions that the contract chains in it.
func TestExplainCondition(t *testing.T) {
	m := sampleWorld("locked").facts()
	q := m.query("seller", "GET")
	q.Params = accessrules.Params{{Name: "profile", Value: "acme"}}
	both := accessrules.All(accessrules.Authenticated(), accessrules.Direct())
	for c, want := range map[accessrules.Condition]string{
		accessrules.DirectFrictionless: "authenticated holds, direct contributor role-missing",
		accessrules.Public:             "",
		accessrules.Direct():           "direct contributor role-missing",
	} {
		if got := outcomes(accessrules.ExplainCondition(c, q)); got != want {
			t.Errorf("%s: %q, want %q", c, got, want)
		}
	}
	if got := outcomes(accessrules.ExplainCondition(both, q)); got != "authenticated holds, direct contributor role-missing" {
		t.Errorf("%s: %q", both, got)
	}
}

func outcomes(list []accessrules.Outcome) string {
	var words []string
	for _, o := range list {
		word := o.Condition + " holds"
		if !o.Verdict.OK() {
			word = o.Condition + " " + string(o.Verdict.Reason)
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

// TestMethods: rules for some methods leave others to the rules behind them.
func TestMethods(t *testing.T) {
	set, err := accessrules.Compile([]accessrules.Rule{
		{Path: "/a", Methods: []string{"GET"}}, {Path: "/a", Methods: []string{"POST", "PUT"}}, {Path: "/a/b"}, {Path: "/a/b/c", Methods: []string{"GET"}},
		{Path: "/a", Methods: []string{"DELETE"}}, {Path: "/"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for call, want := range map[string]int{
		"GET /a": 0, "HEAD /a/b": 0, "POST /a/b/c": 1, "PUT /a": 1, "DELETE /a/b": 2, "PATCH /a/b/c": 2, "DELETE /a": 4, "OPTIONS /a": 5, "GET /z": 5, "get /a": 5,
	} {
		method, path, _ := strings.Cut(call, " ")
		if got, _ := set.Match(method, path); got != want {
			t.Errorf("%s: rule %d, want %d", call, got, want)
		}
	}
	if shadow := set.Shadowed(); len(shadow) != 1 || shadow[0].Rule != 3 {
		t.Errorf("in the shadow: %v", shadow)
	}
	for _, bad := range [][]string{{"HEAD"}, {"get"}, {"GET", "GET"}, {"A B"}} {
		if _, err := accessrules.Compile([]accessrules.Rule{{Path: "/", Methods: bad}}); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}

// TestLive: the API's rules follow the Caddyfile's; what cannot be used changes nothing.
func TestLive(t *testing.T) {
	fixed := accessrules.Rule{Path: "/app", Source: "Caddyfile:1", Conditions: []accessrules.Condition{accessrules.Any()}}
	live, err := accessrules.NewLive(accessrules.DefaultGate, []accessrules.Rule{fixed}, []string{"http://a", "http://b"})
	if err != nil {
		t.Fatal(err)
	}
	api := func(paths ...string) (rules []accessrules.Rule) {
		for _, p := range paths {
			rules = append(rules, accessrules.Rule{Path: p, Source: accessrules.SourceAPI})
		}
		return rules
	}
	if live.Over() != nil || live.Upstream() != "http://a" || live.Replace(api("/x", "/api/users", "/app")) != nil {
		t.Fatal("replace")
	}
	set := live.Set()
	if i, _ := set.Match("GET", "/app/y"); i != 0 || len(set.Rules()) != 4 {
		t.Errorf("rule %d", i)
	}
	if _, _, ok := live.Over().Over("GET", "/api/users/xia"); !ok {
		t.Error("no rule over /api/users")
	}
	if c, _, ok := live.Over().Over("GET", "/api/users%2fxia"); !ok || c.Check(&accessrules.Query{}).OK() {
		t.Error("an ambiguous path is left to the class of the endpoint")
	}
	if _, _, ok := live.Over().Over("GET", "/api/proxy"); ok {
		t.Error("a rule over /api/proxy")
	}
	if live.Replace(api("/x", "/x")) == nil || live.Set() != set {
		t.Error("rules that cannot be used are in force")
	}
	before := live.Chosen()
	if live.Choose(accessrules.Choice{Upstream: "http://c"}) != accessrules.ErrUnlisted || live.Chosen() != before {
		t.Error("an upstream that is not listed was chosen")
	}
	if live.Choose(accessrules.Choice{Upstream: "http://b"}) != nil || live.Upstream() != "http://b" || live.Chosen() == before {
		t.Error("an upstream that is listed was not chosen")
	}
	other, err := accessrules.NewLive("desk", api("/api/users"), nil)
	if err != nil || other.Over() != nil {
		t.Error("another gate has rules over /api")
	}
}
