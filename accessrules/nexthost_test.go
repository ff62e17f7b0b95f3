package accessrules_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/accessrules"
)

// TestNextHosts takes addresses on the hosts of the site, and nothing that leads elsewhere.
func TestNextHosts(t *testing.T) {
	hosts, err := accessrules.NewNextHosts("https://Shop.example", []string{"app.shop.example", "desk.shop.example:8443", "*.teams.shop.example"})
	if err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string]string{
		"/x?y=1":                              "/x?y=1",
		"https://shop.example/x?y=1":          "https://shop.example/x?y=1",
		"https://app.shop.example/x#top":      "https://app.shop.example/x",
		"https://app.shop.example":            "https://app.shop.example/",
		"https://app.shop.example?a=b":        "https://app.shop.example/?a=b",
		"HTTPS://App.Shop.Example:443/a/../b": "https://app.shop.example/b",
		"https://desk.shop.example:8443/":     "https://desk.shop.example:8443/",
		"https://ops.teams.shop.example/":     "https://ops.teams.shop.example/",
	} {
		if got := hosts.SafeNext(value); got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
	for _, value := range foreignNext {
		if got := hosts.SafeNext(value); got != "" {
			t.Errorf("%q leads to %q", value, got)
		}
	}
	for _, other := range [][]string{{"app.shop.example/"}, {"https://app.shop.example"}, {"*"}, {"a*.shop.example"}, {"*.*.shop.example"}, {"[::1]"}, {"shop.example."}, {"bücher.example"}, {""}, {"a b"}, {"app:"}} {
		if _, err := accessrules.NewNextHosts("https://shop.example", other); err == nil {
			t.Errorf("%q is taken", other)
		}
	}
	if (*accessrules.NextHosts)(nil).SafeNext("https://shop.example/") != "" || (*accessrules.NextHosts)(nil).SafeNext("/x") != "/x" {
		t.Error("no hosts")
	}
}

// foreignNext are ways to another site.
var foreignNext = []string{
	"//evil.example", "///evil.example", `/\evil.example`, `\\evil.example`, "https:evil.example", "https:/evil.example", "https:///evil.example", "https://evil.example",
	"https://evil.sub.shop.example", "https://evil.example/shop.example", "https://shop.example@evil.example/", "https://evil.example@shop.example/", "https://shop.example:443@evil.example/",
	"https://shop.example:8443/", "https://desk.shop.example/", "https://shop.example:/", "https://shop.example:0443/", "http://shop.example/", "http://app.shop.example/",
	"https://shop.example./", "https://app.shop.example.evil.example/", "https://evilshop.example/", "https://app.shop.example%2eevil.example/", "https://%61pp.shop.example/",
	"https://app。shop。example/", "https://аpp.shop.example/", "https://app.shop.example\\.evil.example/", "https://app.shop.example\\@evil.example/", "https://app.shop.example\t/",
	"ht\ttps://app.shop.example/", " https://app.shop.example/", "https://app.shop.example\r\nLocation: https://evil.example", "https://app.shop.example//evil.example",
	"https://teams.shop.example/", "https://a.b.teams.shop.example/", "https://.teams.shop.example/", "https://-.teams.shop.example/", "javascript:alert(1)", "data:text/html,x", "https://[::1]/", "https://",
}

// FuzzNextHosts never takes a value that Go reads another host in.
func FuzzNextHosts(f *testing.F) {
	for _, value := range foreignNext {
		f.Add(value)
	}
	f.Add("/0;/..")
	hosts, err := accessrules.NewNextHosts("https://shop.example", []string{"app.shop.example"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, value string) {
		next := hosts.SafeNext(value)
		if next == "" {
			return
		}
		u, err := url.Parse(next)
		if err != nil || u.Host != "" && u.Host != "shop.example" && u.Host != "app.shop.example" || strings.HasPrefix(next, "//") {
			t.Errorf("%q: %q", value, next)
		}
		if again := hosts.SafeNext(next); again != next {
			t.Errorf("%q: %q, then %q", value, next, again)
		}
	})
}
