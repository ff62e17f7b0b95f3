package accessrules_test

import (
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/caddy-tollgate/tollgate/accessrules"
)

// judged are rules of which those with "open" in a comment admit everybody and the others nobody without a role.
func judged(t testing.TB) *accessrules.Set {
	t.Helper()
	guarded := []accessrules.Condition{accessrules.Direct(accessrules.Strong)}
	open := []accessrules.Condition{accessrules.Any()}
	s, err := accessrules.Compile([]accessrules.Rule{
		{Path: "/admin/", Conditions: guarded},
		{Path: "/files/{user}/secret", Conditions: guarded},
		{Path: "/files/{user}", Conditions: open},
		{Path: "/files/", Conditions: open},
		{Path: "/npm/", Conditions: open},
		{Path: "/index.php", Conditions: open},
		{Path: "/wiki/admin/", Conditions: guarded},
		{Path: "/wiki/", Conditions: open},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func read(t testing.TB, raw string) accessrules.Path {
	t.Helper()
	p, err := accessrules.Read(raw)
	if err != nil {
		t.Fatalf("%q: %v", raw, err)
	}
	return p
}

// TestJudgeReadings admits a path that upstreams read differently where all readings come to one.
func TestJudgeReadings(t *testing.T) {
	set := judged(t)
	m := sampleWorld("current").facts()
	for _, c := range []struct {
		path string
		want accessrules.Reason
	}{
		{"/npm/@scope%2fpkg", accessrules.Passed},
		{"/npm/@scope%252fpkg", accessrules.Passed},
		{"/npm/a;b", accessrules.Passed},
		{"/npm/a;v=1/b;c%3Bd", accessrules.Passed},
		{`/npm/a%5cb`, accessrules.Passed},
		{"/npm/50%2525", accessrules.Passed},
		{"/npm%2fx", accessrules.AmbiguousPath},               // no rule where the slash is part of a name
		{"/admin%2fx", accessrules.AmbiguousPath},             // the same
		{"/wiki/admin%2fx", accessrules.AmbiguousPath},        // open or guarded
		{"/wiki/admin;x/y", accessrules.AmbiguousPath},        // open or guarded
		{"/wiki/admin%3bx", accessrules.AmbiguousPath},        //
		{"/wiki/admin%255cx", accessrules.AmbiguousPath},      //
		{"/wiki/%2561dmin/x", accessrules.AmbiguousPath},      // decoded twice
		{"/wiki/%25u0061dmin/x", accessrules.AmbiguousPath},   //
		{"/wiki/a%2f..%2fadmin/x", accessrules.AmbiguousPath}, // a dot segment that is not written out
		{"/wiki/a%2f..%2fb/x", accessrules.AmbiguousPath},
		{"/wiki/%2e%2e/admin", accessrules.AmbiguousPath},
		{"/wiki/..;/admin", accessrules.AmbiguousPath},
		{"/npm/%25252f", accessrules.AmbiguousPath},   // encoded thrice
		{"/files/ann;x/y", accessrules.AmbiguousPath}, // whose?
		{"/files/ann/y;x", accessrules.Passed},
		{"/files/ann/secret;x", accessrules.AmbiguousPath},
		{"/admin/a%2fb", accessrules.Unauthenticated}, // refused alike
		{"/elsewhere/a;b", accessrules.NoRule},
	} {
		q := m.query("", "GET")
		p := read(t, c.path)
		if d := set.Judge(q, &accessrules.Asked{Path: p}); d.Verdict.Reason != c.want {
			t.Errorf("%s: %q, want %q", c.path, d.Verdict.Reason, c.want)
		} else if form := p.Form(); d.Verdict.OK() && form != c.path {
			t.Errorf("%s is handed on as %s", c.path, form)
		}
	}
}

// TestOneRuleForEverything takes every spelling where there is nothing to decide on.
func TestOneRuleForEverything(t *testing.T) {
	set, err := accessrules.Compile([]accessrules.Rule{{Path: "/", Conditions: []accessrules.Condition{accessrules.Any()}}})
	if err != nil {
		t.Fatal(err)
	}
	m := sampleWorld("current").facts()
	for _, path := range []string{"/@scope%2fpkg", "/a;b=c/d", "/a%5c..%2f..%2fb", "/%2e%2e/x", "/100%25252f", "/wiki/Foo_(bar)!'*", "/wiki/Foo_%28bar%29", "/[x]", "/%E4%B8%AD"} {
		p := read(t, path)
		d := set.Judge(m.query("", "GET"), &accessrules.Asked{Path: p, Scripts: accessrules.DefaultScripts})
		if form := p.Form(); !d.Verdict.OK() || form != path {
			t.Errorf("%s: %q, handed on as %s", path, d.Verdict.Reason, form)
		}
	}
}

// TestForm hands on what servers read in several ways as it came, and one spelling of everything else.
func TestForm(t *testing.T) {
	for path, want := range map[string]string{
		"/wiki/Foo_(bar)!'*": "/wiki/Foo_(bar)!'*", "/wiki/Foo_%28bar%29": "/wiki/Foo_%28bar%29", "/%77iki/%7euser/a%3Ab": "/wiki/~user/a:b",
		"/wiki//a/./b/../c": "/wiki/a/c", "/wiki/%c3%a9": "/wiki/%C3%A9", "/wiki/é": "/wiki/%C3%A9", "/wiki/[a]|": "/wiki/[a]%7C", `/wiki/a\b`: "/wiki/a%5Cb",
		"/@s%2fp/a%5cb;c%3bd": "/@s%2fp/a%5cb;c%3bd", "/x//.%2e/%2E/y": "/x/.%2e/%2E/y", "/a/%2e%2e/../b": "/a/b",
	} {
		p := read(t, path)
		if got := p.Form(); got != want {
			t.Errorf("%s is handed on as %s, want %s", path, got, want)
		}
	}
}

// TestJudgeScripts asks for what stands behind a script as well.
func TestJudgeScripts(t *testing.T) {
	set := judged(t)
	m := sampleWorld("current").facts()
	cgi, err := accessrules.NewScripts([]string{"cgi"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path    string
		scripts accessrules.Scripts
		want    accessrules.Reason
	}{
		{"/index.php", accessrules.DefaultScripts, accessrules.Passed},
		{"/index.php/", accessrules.DefaultScripts, accessrules.Passed},
		{"/index.php/admin/x", accessrules.DefaultScripts, accessrules.Unauthenticated},
		{"/index.php/npm/x", accessrules.DefaultScripts, accessrules.Passed},
		{"/index.php/elsewhere", accessrules.DefaultScripts, accessrules.NoRule},
		{"/npm/x.PhP/admin", accessrules.DefaultScripts, accessrules.Unauthenticated},
		{"/npm/x.phtml/admin", accessrules.DefaultScripts, accessrules.Unauthenticated},
		{"/npm/x.phar/admin", accessrules.DefaultScripts, accessrules.Unauthenticated},
		{"/npm/%78.%70hp/admin", accessrules.DefaultScripts, accessrules.Unauthenticated},
		{"/npm/x.phpadmin", accessrules.DefaultScripts, accessrules.Unauthenticated},
		{"/npm/x.phpadmin/x", accessrules.DefaultScripts, accessrules.Unauthenticated},
		{"/npm/x.PHPadmin/x", accessrules.DefaultScripts, accessrules.Unauthenticated},
		{"/npm/x.phpy.phpadmin/x", accessrules.DefaultScripts, accessrules.Unauthenticated},
		{"/npm/x.php../admin/x", accessrules.DefaultScripts, accessrules.Unauthenticated},
		{"/npm/x.phpelsewhere/x", accessrules.DefaultScripts, accessrules.NoRule},
		{"/npm/www.phpbb.com/x.phps", accessrules.DefaultScripts, accessrules.NoRule},
		{"/npm/x.phps", accessrules.DefaultScripts, accessrules.Passed}, // a file of another kind
		{"/npm/x.php5", accessrules.DefaultScripts, accessrules.Passed},
		{"/npm/x.php.admin/x", accessrules.DefaultScripts, accessrules.Passed}, // a file of another kind
		{"/npm/x.phpadmin/x", nil, accessrules.Passed},
		{"/npm/x.cgi/admin", accessrules.DefaultScripts, accessrules.Passed},
		{"/npm/x.cgi/admin", cgi, accessrules.Unauthenticated},
		{"/npm/x.php/admin", nil, accessrules.Passed},
		{"/npm/file.php.txt/admin", accessrules.DefaultScripts, accessrules.Passed},
		{"/npm/app.js/admin", accessrules.DefaultScripts, accessrules.Passed},
		{"/npm/v1.2/admin", accessrules.DefaultScripts, accessrules.Passed},
		{"/npm/a.php/npm/b.php/admin", accessrules.DefaultScripts, accessrules.Unauthenticated},
		{"/npm/x.php%2fadmin", accessrules.DefaultScripts, accessrules.Unauthenticated},
		{"/npm/x.php;y/admin", accessrules.DefaultScripts, accessrules.Unauthenticated},
		{"/npm" + strings.Repeat("/npm/a.php", 6) + "/npm", accessrules.DefaultScripts, accessrules.AmbiguousPath},
	} {
		d := set.Judge(m.query("", "GET"), &accessrules.Asked{Path: read(t, c.path), Scripts: c.scripts})
		if d.Verdict.Reason != c.want {
			t.Errorf("%s: %q, want %q", c.path, d.Verdict.Reason, c.want)
		}
	}
}

// TestJudgeRewritten judges the path that was sent and the one that a rewrite made of it.
func TestJudgeRewritten(t *testing.T) {
	set := judged(t)
	m := sampleWorld("current").facts()
	for _, c := range []struct {
		sent, hand string
		want       accessrules.Reason
		rule       string
	}{
		{"/wiki/x", "/index.php", accessrules.Passed, "/index.php"},
		{"/wiki/x", "/w.php", accessrules.Passed, "/wiki/"},
		{"/admin/x", "/index.php", accessrules.Unauthenticated, "/admin/"},
		{"/wiki/x", "/admin/x", accessrules.Unauthenticated, "/admin/"},
		{"/elsewhere", "/index.php", accessrules.NoRule, ""},
		{"/elsewhere", "/admin/", accessrules.NoRule, ""},
		{"/wiki/x", "/w.php/x", accessrules.Passed, "/wiki/"},
		{"/wiki/x", "/w.php/admin", accessrules.Unauthenticated, "/admin/"},
		{"/files/ann/x", "/npm/x", accessrules.Passed, "/files/{user}"},
	} {
		asked := &accessrules.Asked{Path: read(t, c.hand), Rewritten: true, Sent: read(t, c.sent), Scripts: accessrules.DefaultScripts}
		d := set.Judge(m.query("", "GET"), asked)
		rule := ""
		if d.Rule != nil {
			rule = d.Rule.Path
		}
		if d.Verdict.Reason != c.want || rule != c.rule {
			t.Errorf("%s made %s: %q by %q, want %q by %q", c.sent, c.hand, d.Verdict.Reason, rule, c.want, c.rule)
		}
	}
}

// TestJudgeDeep refuses what is done to everything below when a rule below would refuse it.
func TestJudgeDeep(t *testing.T) {
	set := judged(t)
	m := sampleWorld("current").facts()
	for path, want := range map[string]accessrules.Reason{
		"/wiki/": accessrules.Unauthenticated, "/wiki/other/": accessrules.Passed, "/wiki": accessrules.Unauthenticated, "/npm/": accessrules.Passed,
		"/files/": accessrules.Unauthenticated, "/files/ann": accessrules.Unauthenticated, "/files/ann/x": accessrules.Passed,
	} {
		d := set.Judge(m.query("", "DELETE"), &accessrules.Asked{Path: read(t, path), Deep: true})
		if d.Verdict.Reason != want {
			t.Errorf("%s: %q, want %q", path, d.Verdict.Reason, want)
		}
		if d := set.Judge(m.query("", "GET"), &accessrules.Asked{Path: read(t, path)}); !d.Verdict.OK() {
			t.Errorf("GET %s: %q", path, d.Verdict.Reason)
		}
	}
}

// FuzzJudge: whatever is admitted, every upstream acts on a path for which the rule that the gate found is the one that decides.
func FuzzJudge(f *testing.F) {
	for _, seed := range []string{"/npm/@scope%2fpkg", "/wiki/admin%2fx", "/wiki/a;b%2fadmin", "/wiki/%2561dmin", "/files/a%2fsecret", "/files/a;b/secret", "/wiki/x%5c..%5cadmin", "/%77iki/%61dmin"} {
		f.Add(seed)
	}
	set := judged(f)
	m := sampleWorld("current").facts()
	f.Fuzz(func(t *testing.T, raw string) {
		checkJudge(t, set, func() *accessrules.Query { return m.query("", "GET") }, raw)
	})
}

// TestJudgeAtRandom puts hostile pieces together.
func TestJudgeAtRandom(t *testing.T) {
	set := judged(t)
	m := sampleWorld("current").facts()
	piece := rapid.SampledFrom([]string{"/", "/", "/", "wiki", "/wiki/", "admin", "/npm/", "files", "secret", "ann", "a", ".", "..", "%2e", "%2f", "%2F", "%5c", "%252f", "%255c", "%253b", "%25", "25",
		"%25u002f", "%61", "%2561", "%3b", ";", ";x=y", "\\", "%25252f", "%c3%a9", "index.php", ".php", "x"})
	admitted := 0
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.SampledFrom([]string{"/wiki/", "/npm/", "/files/", "/"}).Draw(t, "first") + strings.Join(rapid.SliceOfN(piece, 0, 9).Draw(t, "pieces"), "")
		if checkJudge(t, set, func() *accessrules.Query { return m.query("", "GET") }, raw) {
			admitted++
		}
	})
	if admitted == 0 {
		t.Error("everything was refused")
	}
}

func checkJudge(t interface{ Fatalf(string, ...any) }, set *accessrules.Set, query func() *accessrules.Query, raw string) bool {
	p, err := accessrules.Read(raw)
	if err != nil {
		return false
	}
	d := set.Judge(query(), &accessrules.Asked{Path: p})
	if !d.Verdict.OK() {
		return false
	}
	form := p.Form()
	u, err := url.ParseRequestURI(form)
	if err != nil || u.EscapedPath() != form {
		t.Fatalf("%q: %q is forwarded as %v", raw, form, u)
	}
	if again, err := accessrules.Read(form); err == nil && again.Form() != form {
		t.Fatalf("%q: %q, and again %q", raw, form, again.Form())
	}
	patterns := make([]string, len(set.Rules()))
	for i, r := range set.Rules() {
		patterns[i] = r.Path
	}
	for i, upstream := range upstreams {
		if acted := upstream(form); true {
			if want, _ := naiveMatch(patterns, acted); want != d.Index {
				t.Fatalf("%q: admitted by rule %d as %q, upstream %d acts on %q, rule %d", raw, d.Index, form, i, acted, want)
			}
		}
	}
	return true
}
