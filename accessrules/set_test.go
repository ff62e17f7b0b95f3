package accessrules_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/caddy-tollgate/tollgate/accessrules"
)

func TestMatch(t *testing.T) {
	set := compile(t, "/app/{profile}/premium/", "/app/:profile/", "/app/xia/", "/app", "literal/first", "/{any}/second/{two}", "/a.b-c_d/:x")
	for path, want := range map[string]string{
		"/app/xia/premium":     "0 profile=xia",
		"/app/xia/premium/":    "0 profile=xia",
		"/app/xia/premium/x/y": "0 profile=xia",
		"/app/xia/premiums":    "1 profile=xia",
		"/app/xia":             "1 profile=xia", // before the literal rule: the first by rank wins
		"/app/a%20b/x":         "1 profile=a b",
		"/app":                 "3",
		"/app/":                "3",
		"//app//":              "3",
		"/App":                 "-1",
		"/apple":               "-1",
		"/literal/first/x":     "4",
		"/literal/second/x":    "5 any=literal two=x", // the literal branch leads nowhere
		"/app/second/x":        "1 profile=second",
		"/x/second":            "-1",
		"/a.b-c_d/1":           "6 x=1",
		"/":                    "-1",
		"":                     "-1",
	} {
		if got := matched(set.Match("GET", path)); got != want {
			t.Errorf("%q: got %s, want %s", path, got, want)
		}
	}
	if got := matched(compile(t, "/").Match("GET", "/any/thing")); got != "0" {
		t.Errorf("the root matches everything: got %s", got)
	}
	if got := matched(compile(t).Match("GET", "/")); got != "-1" {
		t.Errorf("no rules: got %s", got)
	}
}

func matched(index int, params accessrules.Params) string {
	words := []string{fmt.Sprint(index)}
	for _, p := range params {
		words = append(words, p.Name+"="+p.Value)
	}
	return strings.Join(words, " ")
}

// TestMatchAtRandom compares with the algorithm of access.md B.4 by the letter.
func TestMatchAtRandom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		segment := rapid.SampledFrom([]string{"a", "b", "c", "{p}", ":q", "{r}"})
		patterns := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) string {
			return "/" + strings.Join(rapid.SliceOfNDistinct(segment, 0, 4, rapid.ID[string]).Draw(t, "pattern"), "/")
		}), 0, 12, rapid.ID[string]).Draw(t, "patterns")
		var rules []accessrules.Rule
		for _, p := range patterns {
			rules = append(rules, accessrules.Rule{Path: p})
		}
		set, err := accessrules.Compile(rules)
		if err != nil {
			t.Fatal(err)
		}
		path := "/" + strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 0, 6).Draw(t, "path"), "/")
		index, params := set.Match("GET", path)
		want, wantParams := naiveMatch(patterns, path)
		got := map[string]string{}
		for _, p := range params {
			got[p.Name] = p.Value
		}
		if index != want || !cmp.Equal(got, wantParams) && len(wantParams)+len(got) > 0 {
			t.Fatalf("%s: got %d %v, want %d %v", path, index, got, want, wantParams)
		}
		// A rule is in the shadow of the first one before it that matches all that it matches.
		shadow := map[int]int{}
		for _, s := range set.Shadowed() {
			shadow[s.Rule] = s.By
		}
		for j := range patterns {
			by, covered := -1, false
			for i := 0; i < j && !covered; i++ {
				if by, covered = i, covers(patterns[i], patterns[j]); covered {
					break
				}
			}
			if s, ok := shadow[j]; ok != covered || ok && s != by {
				t.Fatalf("%v: rule %d is in the shadow of %d %v, want %d %v", patterns, j, s, ok, by, covered)
			}
			if index == j && covered {
				t.Fatalf("%v: rule %d is in the shadow and decides", patterns, j)
			}
		}
	})
}

// covers reports whether every path that matches b matches a.
func covers(a, b string) bool {
	as, bs := strings.FieldsFunc(a, func(r rune) bool { return r == '/' }), strings.FieldsFunc(b, func(r rune) bool { return r == '/' })
	for i, s := range as {
		if i >= len(bs) || !strings.ContainsAny(s, "{:") && s != bs[i] {
			return false
		}
	}
	return true
}

func TestCompileErrors(t *testing.T) {
	for _, tt := range []struct {
		rules []accessrules.Rule
		index int
		text  string
	}{
		{[]accessrules.Rule{{Path: "/a"}, {Path: "/b c", Source: "Caddyfile:7"}}, 1, `rule 2 (Caddyfile:7) "/b c": `},
		{[]accessrules.Rule{{Path: "//"}}, 0, "empty segment"},
		{[]accessrules.Rule{{Path: "/a//b"}}, 0, "empty segment"},
		{[]accessrules.Rule{{Path: "/a/{b"}}, 0, "characters"},
		{[]accessrules.Rule{{Path: "/a/x{b}"}}, 0, "characters"},
		{[]accessrules.Rule{{Path: "/a/{b}x"}}, 0, "characters"},
		{[]accessrules.Rule{{Path: "/a/{}"}}, 0, "without a name"},
		{[]accessrules.Rule{{Path: "/a/:"}}, 0, "without a name"},
		{[]accessrules.Rule{{Path: "/a/{b:c}"}}, 0, "characters"},
		{[]accessrules.Rule{{Path: "/a%20"}}, 0, "characters"},
		{[]accessrules.Rule{{Path: "/a*"}}, 0, "characters"},
		{[]accessrules.Rule{{Path: "/~a"}}, 0, "characters"},
		{[]accessrules.Rule{{Path: "/a/../b"}}, 0, "dot segment"},
		{[]accessrules.Rule{{Path: "/."}}, 0, "dot segment"},
		{[]accessrules.Rule{{Path: "/{a}/:a"}}, 0, "two parameters named a"},
		{[]accessrules.Rule{{Path: "/" + strings.Repeat("a", 255)}}, 0, "255"},
		{[]accessrules.Rule{{Path: "/x"}, {Path: "/y"}, {Path: "x"}}, 2, "already exists"},
		{[]accessrules.Rule{{Path: "/x", Source: "api"}, {Path: "/x", Source: "api"}}, 1, "already exists"},
		{[]accessrules.Rule{{Path: "/x", Conditions: []accessrules.Condition{nil}}}, 0, "condition is missing"},
	} {
		set, err := accessrules.Compile(tt.rules)
		var bad *accessrules.RuleError
		if set != nil || !errors.As(err, &bad) || bad.Index != tt.index || !strings.Contains(err.Error(), tt.text) || errors.Unwrap(err) == nil {
			t.Errorf("%v: got %v, want rule %d and %q", tt.rules, err, tt.index, tt.text)
		}
	}
	for _, path := range []string{"", "/", "a", "/a/", "/a/{b}/:c/d.e_f-g:h", "/A9", "/" + strings.Repeat("a", 254)} {
		if err := accessrules.CheckPath(path); err != nil {
			t.Errorf("%q: %v", path, err)
		}
	}
	if _, err := accessrules.CompileUnder("/a b", nil); err == nil {
		t.Error("a bad prefix passes")
	}
}

func TestShadowed(t *testing.T) {
	set, err := accessrules.Compile([]accessrules.Rule{{Path: "/app/{profile}"}, {Path: "/app/x/y"}, {Path: "/app"}, {Path: "/app/"}, {Path: "/{a}/{b}", Source: "Caddyfile:9"},
		{Path: "/{a}/{b}", Source: "api"}, {Path: "/"}, {Path: "/z"}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]accessrules.Shadow{{Rule: 1, By: 0}, {Rule: 3, By: 2}, {Rule: 5, By: 4}, {Rule: 7, By: 6}}, set.Shadowed()); diff != "" {
		t.Error(diff)
	}
	warnings := set.Warnings()
	if len(warnings) != 4 || warnings[2] != `rule 6 (api) "/{a}/{b}" never decides: rule 5 (Caddyfile:9) "/{a}/{b}" comes first and matches every path that it matches` {
		t.Errorf("%q", warnings)
	}
}

// TestManyRules: each of many rules is found.
func TestManyRules(t *testing.T) {
	rules := manyRules(3000)
	set, err := accessrules.Compile(rules)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range rules {
		if got, params := set.Match("GET", strings.Replace(r.Path, "{profile}", "acme", 1)); got != i || params.Get("profile") != "acme" {
			t.Fatalf("%s: got %d %v, want %d", r.Path, got, params, i)
		}
	}
	if len(set.Shadowed()) > 0 {
		t.Error(set.Shadowed())
	}
}

func TestCompileUnder(t *testing.T) {
	set, err := accessrules.CompileUnder("/site/", []accessrules.Rule{{Path: "/app/{profile}"}, {Path: "/"}})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/site/app/x": "0 profile=x", "/site": "1", "/site/y": "1", "/app/x": "-1", "/": "-1"} {
		if got := matched(set.Match("GET", path)); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}

// TestBuiltinRules: access.md B.4 "Rules over built-in endpoints".
func TestBuiltinRules(t *testing.T) {
	var rules []accessrules.Rule
	for _, p := range []string{"/", "/api", "/api/proxy", "/api/billing/{profile}/history", "api/users", "/api/profiles", "/{x}/billing", "/billing/x", "/billing", "/app", "/users/"} {
		rules = append(rules, accessrules.Rule{Path: p})
	}
	var got []string
	for _, r := range accessrules.BuiltinRules(rules) {
		got = append(got, r.Path)
	}
	if diff := cmp.Diff([]string{"/api/billing/{profile}/history", "api/users", "/api/profiles", "/billing/x", "/users/"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestDecide(t *testing.T) {
	m := sampleWorld("ended").facts()
	set, err := accessrules.Compile([]accessrules.Rule{
		{Path: "/open"},
		{Path: "/app/{profile}", Conditions: []accessrules.Condition{accessrules.Direct(accessrules.Weak), accessrules.Subscribed(accessrules.Plans("premium"))}, Forward: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		user, path string
		rule       int
		reason     accessrules.Reason
		failed     int
	}{
		{"", "/open/x", 0, accessrules.Passed, -1},
		{"", "/closed", -1, accessrules.NoRule, -1},
		{"chief", "/", -1, accessrules.NoRule, -1},
		{"", "/app/acme", 1, accessrules.Unauthenticated, 0},
		{"stranger", "/app/acme", 1, accessrules.RoleMissing, 0},
		{"member", "/app/acme", 1, accessrules.Expired, 1},
		{"chief", "/app/acme", 1, accessrules.Passed, -1},
	} {
		q := m.query(tt.user, "POST", "left", "over")
		d := set.Decide(q, tt.path)
		if d.Index != tt.rule || d.Verdict.Reason != tt.reason || d.Failed != tt.failed || (d.Rule == nil) != (tt.rule < 0) || q.Params.Get("left") != "" {
			t.Errorf("%q %s: got %+v", tt.user, tt.path, d)
		}
		if d.Rule != nil && d.Rule.Path != set.Rules()[d.Index].Path {
			t.Errorf("%q %s: got rule %s", tt.user, tt.path, d.Rule.Path)
		}
	}
}

// TestMatchAllocations: what the way of every request may cost.
func TestMatchAllocations(t *testing.T) {
	set := compile(t, "/static", "/app/{profile}/x/{id}")
	for path, want := range map[string]float64{"/static/a/b": 0, "/nothing": 0, "/app/acme/x/1": 1} {
		if n := testing.AllocsPerRun(100, func() { set.Match("GET", path) }); n > want {
			t.Errorf("%s: %v allocations, want %v", path, n, want)
		}
	}
}

// TestOverlaps: rules that match paths of each other in part are found, with a path that both match, and no others.
func TestOverlaps(t *testing.T) {
	for _, c := range []struct {
		rules string
		want  []accessrules.Overlap
	}{
		{"/{user}/settings /app/{profile}", []accessrules.Overlap{{Rule: 1, By: 0, Path: "/app/settings"}}},
		{"/public /{profile}/admin /app/{x} /{user}/settings", []accessrules.Overlap{{Rule: 2, By: 1, Path: "/app/admin"}}},
		{"/a/{x}/c /a/b/{y}/d", []accessrules.Overlap{{Rule: 1, By: 0, Path: "/a/b/c/d"}}},
		{"/{a}/{b}/c /x/{b} /{a}/y/c", []accessrules.Overlap{{Rule: 1, By: 0, Path: "/x/x/c"}}},
		{"/app/{profile}/admin /app/{profile} /", nil}, // narrow before wide
		{"/app /app/x", nil}, // never decides: that is Shadowed
		{"/a/b /a/c /{x}/d", nil},
		{"GET:/{user}/settings POST:/app/{profile}", nil},
		{"GET:/{user}/settings /app/{profile}", []accessrules.Overlap{{Rule: 1, By: 0, Path: "/app/settings"}}},
	} {
		var rules []accessrules.Rule
		for _, text := range strings.Fields(c.rules) {
			r := accessrules.Rule{Path: text}
			if method, path, ok := strings.Cut(text, ":"); ok {
				r.Methods, r.Path = []string{method}, path
			}
			rules = append(rules, r)
		}
		got := accessrules.Overlaps(rules)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.rules, diff)
		}
		set, err := accessrules.Compile(rules)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range got {
			method := "GET"
			if at, _ := set.Match(method, o.Path); at > o.By {
				t.Errorf("%s: rule %d decides on %s", c.rules, at, o.Path)
			}
			only, err := accessrules.Compile(rules[o.Rule : o.Rule+1])
			if at, _ := only.Match(method, o.Path); err != nil || at != 0 {
				t.Errorf("%s: rule %d does not match %s", c.rules, o.Rule, o.Path)
			}
		}
	}
}
