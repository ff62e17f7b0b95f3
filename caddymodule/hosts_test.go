package caddymodule

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSeveralHosts logs in at the host of `url` and is admitted on the others of its domain, and on none outside of it. What a page of
// one of them sends to another is as foreign as any (decisions 73, 119).
func TestSeveralHosts(t *testing.T) {
	const shop, app, desk, other = "https://shop.test:9443", "https://app.shop.test:9443", "https://desk.shop.test:9443", "https://other.test:9443"
	const gate = "rule / authenticated\n\t\tsession none"
	up := newUpstream(t)
	log := filepath.Join(t.TempDir(), "log.json")
	s := tlsSite(t, up.URL, gate, func(s *site) {
		s.hosts = []string{shop, app, "https://*.shop.test:9443", other}
		s.global = "page login\n\t\tcookie_domain shop.test"
		s.options = "\tlog {\n\t\toutput file " + log + "\n\t}\n"
	})
	if text, err := os.ReadFile(log); err != nil || !strings.Contains(string(text), `"cookie_domain":"shop.test","next_hosts":["app.shop.test","shop.test"]`) {
		t.Errorf("the log of the start does not say who receives sessions: %v\n%s", err, text)
	}
	goes := func(p *person, from, to string) {
		t.Helper()
		if got := p.visit(302, from).header.Get("Location"); got != to {
			t.Errorf("%s leads to %s, want %s", from, got, to)
		}
	}
	p := newPerson(t, shop)
	goes(p, app+"/x?a=1", shop+"/login/?next=https%3A//app.shop.test%3A9443/x%3Fa%3D1")
	goes(p, shop+"/x?a=1", "/login/?next=/x%3Fa%3D1")
	goes(p, desk+"/x", shop+"/login/") // nobody has named it
	goes(p, other+"/x", "/login/?next=/x")
	goes(p, app+"/api/users/xia", shop+"/login/?next=https%3A//app.shop.test%3A9443/api/users/xia")
	goes(p, app+"/login/", shop+"/login/?next=https%3A//app.shop.test%3A9443/login/")
	p.visit(200, shop+"/login/")
	for _, line := range p.login("xia").header["Set-Cookie"] {
		if !strings.HasPrefix(line, "tollgate_") || !strings.Contains(line, "; Domain=shop.test;") || !strings.Contains(line, "; Secure") {
			t.Errorf("Set-Cookie: %s", line)
		}
	}
	for _, at := range []string{shop, app, desk} {
		p.visit(200, at+"/x")
		if got := up.take().Headers["Cookie"]; got != nil {
			t.Errorf("%s: the application receives %q", at, got)
		}
	}
	p.visit(302, other+"/x")
	if len(p.cookies()) > 0 {
		t.Errorf("a host outside has %v", p.cookies())
	}

	q := newPerson(t, other)
	q.login("xia")
	q.visit(200, other+"/x") // a session of this host alone
	q.visit(302, shop+"/x")

	p.visit(200, app+"/x")
	csrf := "X-CSRFToken: " + p.cookies()["tollgate_csrf"]
	post := func(status int, at string, headers ...string) {
		t.Helper()
		if a := p.send("POST", at, "text/plain", "x", append(headers, "Accept: */*", "Sec-Fetch-Mode: cors")...); a.status != status {
			t.Errorf("POST %s %q: %d %s, want %d", at, headers, a.status, a.body, status)
		}
	}
	post(200, app+"/x")
	post(403, app+"/x", "Origin: "+shop, "Sec-Fetch-Site: same-site")
	post(403, app+"/x", "Origin: "+desk, "Sec-Fetch-Site: same-site")
	post(403, shop+"/x", "Origin: "+app, "Sec-Fetch-Site: same-site")
	post(403, shop+"/api/users/xia/api-keys", "Origin: "+app, csrf)
	post(403, shop+"/api/auth?cookie=1", "Origin: "+app, "Sec-Fetch-Site: same-site")
	s.reload(gate + "\n\t\torigin " + shop)
	post(200, app+"/x", "Origin: "+shop, "Sec-Fetch-Site: same-site")
	post(403, app+"/x", "Origin: "+desk, "Sec-Fetch-Site: same-site")
	p.api(204, "DELETE", app+"/api/auth/tokens", nil)
	p.visit(302, shop+"/x")
	p.visit(302, app+"/x")
}

// TestStaleCookies gives a browser one session where it has a cookie of the host alone, from before the domain was set, and one of the
// domain: of two none would be believed.
func TestStaleCookies(t *testing.T) {
	s := hostsSite(t, "cookie_domain shop.test\n\t\tcookies contract")
	s.host = "shop.test:9080"
	both := "Cookie: sessionid=" + strings.Repeat("0", 40) + "; sessionid=" + strings.Repeat("1", 40)
	a := s.must(201, "POST", "/api/auth?cookie=1", map[string]any{"username": "xia", "password": "yoyo"}, both)
	cookies := (&http.Response{Header: a.header}).Cookies()
	first := cookies[0]
	if first.Name != "sessionid" || first.MaxAge != -1 || first.Domain != "" || first.Value != "" {
		t.Errorf("the host's own cookie stays: %s", first)
	}
	n := 0
	for _, c := range cookies[1:] {
		if c.Name == "sessionid" && c.Domain == "shop.test" && len(c.Value) == 40 {
			n++
		}
	}
	if n != 1 {
		t.Errorf("cookies %v", cookies)
	}
}

// hostsSite answers for every host, as a site without a name does.
func hostsSite(t *testing.T, global string) *site {
	t.Helper()
	dir := t.TempDir()
	return runSite(t, fmt.Sprintf(`{
	admin localhost:2999
	auto_https off
	skip_install_trust
	http_port 9080
	tollgate {
		url http://shop.test:9080
		broker cowork "Cowork" hello@cowork.example
		store %s/tollgate.db
		min_length 4
		demo
		page login
		%s
	}
}

:9080 {
	tollgate_api
	tollgate {
		rule / authenticated
	}
	respond ok
}
`, dir, global))
}

// TestNextOfOtherHosts has a site that answers for every host send nobody back to one that is not its own, whatever a request says of
// where it goes.
func TestNextOfOtherHosts(t *testing.T) {
	s := hostsSite(t, "cookie_domain shop.test\n\t\tnext_hosts app.shop.test")
	for host, next := range map[string]string{
		"shop.test:9080": "/x", "SHOP.test:9080": "/x",
		"app.shop.test:9080": "http://app.shop.test:9080/x", "App.Shop.Test:9080": "http://app.shop.test:9080/x",
		"app.shop.test": "", "app.shop.test:80": "", "app.shop.test:9081": "", "app.shop.test.:9080": "", "evil.shop.test:9080": "", "x@app.shop.test:9080": "",
		"evil.test@app.shop.test": "", "app.shop.test%2eevil.test": "/x", "app.shop.test:9080.evil.test": "", "evil.test": "/x", "app.shop.test.evil.test:9080": "/x",
		"evilshop.test": "/x", "evil.test:9080:app.shop.test": "/x", "app.shop.test:9080@evil.test": "", "[::1]:9080": "/x", "127.0.0.1:9080": "/x", "xn--pp-6kc.shop.test:9080": "",
	} {
		for _, path := range []string{"/x", "/api/users/xia"} {
			r, err := http.NewRequest("GET", base+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Host = host
			r.Header.Set("Accept", "text/html")
			res, err := s.client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode == 400 { // Caddy takes no such host
				continue
			}
			at, err := url.Parse(res.Header.Get("Location"))
			if err != nil || at.Host != "" && at.Host != "shop.test:9080" || at.Path != "/login/" {
				t.Errorf("%s leads to %s (%d, %v)", host, at, res.StatusCode, err)
				continue
			}
			if want := strings.Replace(next, "/x", path, 1); at.Query().Get("next") != want {
				t.Errorf("%s leads back to %q, want %q", host, at.Query().Get("next"), want)
			}
		}
	}
}

// TestCookieDomainIsChecked refuses what is no domain of the site's own, with the line.
func TestCookieDomainIsChecked(t *testing.T) {
	for _, c := range []struct{ url, lines, want string }{
		{"https://shop.example.com", "cookie_domain shop.example.com", ""},
		{"https://shop.example.com:8443", "cookie_domain EXAMPLE.com", ""},
		{"https://shop.example.com", "cookie_domain other.example.com", "is not a host of"},
		{"https://shop.example.com", "cookie_domain app.shop.example.com", "is not a host of"},
		{"https://shop.example.com", "cookie_domain ample.com", "is not a host of"},
		{"https://shop.example.com", "cookie_domain com", "no domain with a dot"},
		{"https://shop.example.com", "cookie_domain .example.com", "no domain with a dot"},
		{"https://shop.example.com", "cookie_domain example.com.", "no domain with a dot"},
		{"https://shop.example.com", "cookie_domain example.com:443", "without a port"},
		{"https://shop.example.com", "cookie_domain https://example.com", "no domain with a dot"},
		{"https://shop.example.com", "cookie_domain *.example.com", "no domain with a dot"},
		{"https://shop.example.com", "cookie_domain bücher.example", "no domain with a dot"},
		{"https://shop.example.co.uk", "cookie_domain co.uk", "public suffix"},
		{"https://shop.github.io", "cookie_domain github.io", "public suffix"},
		{"https://192.0.2.1", "cookie_domain 192.0.2.1", "an address of numbers"},
		{"http://[::1]:8080", "cookie_domain example.com", "an address of numbers"},
		{"http://localhost:8080", "cookie_domain localhost", "no domain with a dot"},
		{"", "cookie_domain example.com", "write `url` as well"},
		{"", "next_hosts app.example.com", "write `url` as well"},
		{"https://shop.example.com", "next_hosts app.example.com *.example.com desk.example.com:8443", ""},
		{"https://shop.example.com", "next_hosts *.co.uk", "public suffix"},
		{"https://shop.example.com", "next_hosts https://app.example.com", "is no host"},
		{"https://shop.example.com", "next_hosts app.example.com/x", "is no host"},
		{"https://shop.example.com", "next_hosts *", "is no host"},
	} {
		where := "url " + c.url
		if c.url == "" {
			where = "#"
		}
		err := provisioned(t, "{\n\ttollgate {\n\t\tstore $DIR/t.db\n\t\t"+where+"\n\t\t"+c.lines+"\n\t}\n}\n:80 {\n\ttollgate {\n\t\trule / any\n\t}\n}\n")
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "Caddyfile:5")) {
			t.Errorf("%s, %s: %v, want %q at line 5", c.url, c.lines, err, c.want)
		}
	}
}

// TestWarningOfCookies warns once an hour of an application that sets a cookie of the site's.
func TestWarningOfCookies(t *testing.T) {
	t.Cleanup(func() { ahead.Store(0) }) // when the site has stopped
	log := filepath.Join(t.TempDir(), "log.json")
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Set-Cookie", "tollgate_session=theirs") }))
	t.Cleanup(app.Close)
	s := newSite(t, func(s *site) {
		s.upstream, s.gate = &upstream{Server: app}, "rule / any\n\t\tsession none"
		s.options = "\tlog {\n\t\toutput file " + log + "\n\t}\n"
	})
	for _, c := range []struct {
		after time.Duration
		want  int
	}{{0, 1}, {time.Second, 1}, {59 * time.Minute, 1}, {61 * time.Minute, 2}, {90 * time.Minute, 2}, {122 * time.Minute, 3}} {
		ahead.Store(int64(c.after))
		for range 2 {
			if got := s.must(200, "GET", "/x", nil).header["Set-Cookie"]; got != nil {
				t.Errorf("the application sets %q", got)
			}
		}
		text, err := os.ReadFile(log)
		if n := strings.Count(string(text), `"cookie":"tollgate_session","gate":"default"`); err != nil || n != c.want {
			t.Errorf("after %s there are %d warnings, want %d (%v)", c.after, n, c.want, err)
		}
	}
}
