package accessrules_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/caddy-tollgate/tollgate/accessrules"
)

// manyRules is n rules, of which the last matches /app/{profile}/items.
func manyRules(n int) []accessrules.Rule {
	var rules []accessrules.Rule
	for i := range n - 1 {
		rules = append(rules, accessrules.Rule{Path: fmt.Sprintf("/section-%d/{profile}/part-%d", i%100, i)})
	}
	return append(rules, accessrules.Rule{Path: "/app/{profile}/items", Forward: true,
		Conditions: []accessrules.Condition{accessrules.Direct(accessrules.Weak), accessrules.Subscribed(accessrules.Plans("premium"))}})
}

// BenchmarkMatch: the time does not depend on the number of rules.
func BenchmarkMatch(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		set, err := accessrules.Compile(manyRules(n))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if i, _ := set.Match("GET", "/app/acme/items/42"); i != n-1 {
					b.Fatal(i)
				}
			}
		})
	}
}

// BenchmarkDecide is the gate's whole decision on a warm caller: path, rule, conditions.
func BenchmarkDecide(b *testing.B) {
	m := sampleWorld("current").facts()
	for _, n := range []int{1, 100, 10_000} {
		r := &http.Request{Method: "POST", Header: http.Header{"Accept": {"application/json"}}}
		set, err := accessrules.Compile(manyRules(n))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				q := accessrules.Query{Facts: m, Now: now, Caller: m.users["reader"], Method: "POST", Page: accessrules.IsPage(r)}
				path, err := accessrules.Clean("/app/acme/items/42")
				if err != nil {
					b.Fatal(err)
				}
				if d := set.Decide(&q, path); !d.Verdict.OK() {
					b.Fatal(d.Verdict)
				}
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	rules := manyRules(10_000)
	for b.Loop() {
		if _, err := accessrules.Compile(rules); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCleanEncoded(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := accessrules.Clean("/app/acme/caf%c3%a9%20noir/42"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkJWT(b *testing.B) {
	s := accessrules.Session{User: sampleUser(), Site: &accessrules.Site{Slug: "hub", PrintableName: "Hub", Email: "hub@example.com"}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.JWT("k3y-for-tests-16", now); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHeaders(b *testing.B) {
	m := sampleWorld("current").facts()
	h := accessrules.NewHeaders(accessrules.DefaultPrefix)
	set, err := accessrules.Compile(manyRules(1))
	if err != nil {
		b.Fatal(err)
	}
	q := m.query("reader", "POST")
	d := set.Decide(q, "/app/acme/items")
	var list []accessrules.Header
	b.ReportAllocs()
	for b.Loop() {
		list = h.AppendCaller(list[:0], q.Caller, "acme", now)
		if list, err = h.AppendProfile(list, q, &d); err != nil || len(list) != 6 {
			b.Fatal(list, err)
		}
	}
}

func BenchmarkStrip(b *testing.B) {
	h := accessrules.NewHeaders(accessrules.DefaultPrefix)
	header := http.Header{}
	for _, name := range []string{"Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Cache-Control", "Connection", "Cookie", "Referer", "Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Fetch-Site", "User-Agent", "Te", "X-Request-Id", "X-Forwarded-For"} {
		header[name] = []string{"keep-alive"}
	}
	b.ReportAllocs()
	for b.Loop() {
		h.Strip(header)
	}
}
