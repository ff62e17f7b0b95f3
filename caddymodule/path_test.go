package caddymodule

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// raw sends a request line as it is to a site and returns the status.
func raw(t testing.TB, site, target string, headers ...string) int {
	t.Helper()
	site = strings.TrimPrefix(site, "http://")
	conn, err := net.Dial("tcp", site)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	text := "GET " + target + " HTTP/1.1\r\nHost: " + site + "\r\nConnection: close\r\n"
	for _, h := range headers {
		text += h + "\r\n"
	}
	if _, err := io.WriteString(conn, text+"\r\n"); err != nil {
		return 0
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

// readings are the paths that upstreams might act on for a request target: as it is, decoded once, twice or three times, with
// backslashes for slashes, without parameters of segments, with doubled slashes and dot segments resolved.
func readings(target string) []string {
	p, _, _ := strings.Cut(target, "?")
	list := []string{p}
	for range 3 {
		decoded, err := url.PathUnescape(p)
		if err != nil {
			break
		}
		p = decoded
		list = append(list, p)
	}
	for _, p := range list[:len(list):len(list)] {
		p = strings.ReplaceAll(p, `\`, "/")
		list = append(list, p)
		var kept []string
		for _, segment := range strings.Split(p, "/") {
			segment, _, _ = strings.Cut(segment, ";")
			segment, _, _ = strings.Cut(segment, "\x00")
			kept = append(kept, segment)
		}
		list = append(list, strings.Join(kept, "/"))
	}
	for _, p := range list[:len(list):len(list)] {
		list = append(list, path.Clean("/"+p))
	}
	return list
}

// guarded reports whether a reading of what the upstream received is the guarded part of the site.
func guarded(target string) bool {
	for _, p := range readings(target) {
		if p == "/account" || strings.HasPrefix(p, "/account/") {
			return true
		}
	}
	return false
}

// TestAmbiguousPaths sends paths that mean one thing to some and another to others: nobody gets to what is guarded.
func TestAmbiguousPaths(t *testing.T) {
	s := newSite(t)
	for _, target := range []string{
		"/public/../account/", "/public/%2e%2e/account/", "/public/.%2e/account/", "/public/..%2faccount/", "/public/%2e%2e%2faccount/",
		"/public//../account/", "/public/./../account/", "/public/..;/account/", "/public;/../account/", `/public/..\account/`, "/public/..%5caccount/",
		"/public/%252e%252e/account/", "//account/", "/./account/", "/%61ccount/", "/account%2f", "/account;x=y/", "/account%00/", "/account%3b/",
		"/public/%c0%ae%c0%ae/account/", "/public/%ff/../account/", "/public/x/../../account", "/public/..", "/public/../", "/public/../account?x=/public/",
		"/public%2f..%2faccount/", "/public/%5c..%5caccount/", "/ACCOUNT/../account/", "/public/\x01/../account/", "*", "",
	} {
		t.Run(fmt.Sprintf("%q", target), func(t *testing.T) {
			s.upstream.take()
			status := raw(t, base, target)
			got := s.upstream.take()
			if got != nil && guarded(got.URI) {
				t.Errorf("answered %d, and the upstream got %q", status, got.URI)
			}
			if got == nil && status == 200 {
				t.Errorf("answered 200 without the upstream")
			}
		})
	}
	for target, want := range map[string]string{
		"/public/a%20b/c": "/public/a%20b/c", "/public//x": "/public/x", "/public/./x": "/public/x", "/public/x/../y?a=%2F..": "/public/y?a=%2F..",
		"/public/%7Euser": "/public/~user", "/public/%c3%a9": "/public/%C3%A9",
	} {
		s.upstream.take()
		if status := raw(t, base, target); status != 200 {
			t.Errorf("%s: %d", target, status)
			continue
		}
		if got := s.upstream.take(); got.URI != want {
			t.Errorf("%s reached the upstream as %s, want %s", target, got.URI, want)
		}
	}
}

// FuzzUpstreamPath sends any path through Caddy without credentials: what the upstream then receives is never the guarded part of
// the site, in whatever way it reads it.
func FuzzUpstreamPath(f *testing.F) {
	for _, seed := range []string{"/public/x", "/public/../account/", "/public/%2e%2e/account/", "/account", "/public/..;/account", "/public/%5c../account", "//account//", "/public/%252e%252e/account"} {
		f.Add(seed)
	}
	site, upstream := fuzzSite(f)
	f.Fuzz(func(t *testing.T, target string) {
		if strings.ContainsAny(target, " \r\n\t") || len(target) > 4096 {
			t.Skip("no request line")
		}
		upstream.take()
		raw(t, site, target)
		if got := upstream.take(); got != nil && guarded(got.URI) {
			t.Errorf("%q reached the upstream as %q", target, got.URI)
		}
	})
}

// fuzzSite is the demo site. While fuzzing, every process has one on a port of its own.
func fuzzSite(f *testing.F) (string, *upstream) {
	f.Helper()
	if flag.Lookup("test.fuzz").Value.String() == "" {
		s := newSite(f)
		return base, s.upstream
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	address := "http://" + l.Addr().String()
	l.Close()
	s := &site{t: f, dir: f.TempDir(), upstream: newUpstream(f), gate: demoGate}
	config, err := adapt(strings.NewReplacer(base, address, "admin localhost:2999", "admin off").Replace(s.caddyfile()))
	if err != nil {
		f.Fatal(err)
	}
	if err := caddy.Load(config, true); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = caddy.Stop() })
	return address, s.upstream
}

// confusing are pieces of paths that servers read differently.
var confusing = []string{
	"/", "/", "/", "//", "public", "public", "account", "account", "Account", ".", "..", "...", "%2e", "%2E%2e", ".%2e", "%2f", "%2F", "%5c", `\`, ";", ";x=y", "%3b", "%00", "%0a",
	"%20", "%09", "?", "#", "%3f", "%23", "%252f", "%252e%252e", "%c0%ae", "%c0%af", "%e0%80%af", "%ef%bc%8f", "\u2215", "\uff0e", "%u002e", "%61ccount", "acc%6funt", "@", "*", "~", ":", "%", "%g1", "a",
	"http://127.0.0.1/", "%ff", "é", "\u202e", "public/../account", "%c2%ad", "%e2%80%8b", "x",
}

// TestPathsAtRandom sends paths of confusing pieces through Caddy without credentials, as programs do and as browsers, which are sent
// to the page of log-in. TOLLGATE_PATHS is how many.
func TestPathsAtRandom(t *testing.T) {
	n := 2000
	if v, err := strconv.Atoi(os.Getenv("TOLLGATE_PATHS")); err == nil {
		n = v
	}
	s := newSite(t, func(s *site) { s.global = "page login" })
	random := rand.New(rand.NewPCG(uint64(n), uint64(time.Now().UnixNano())))
	reached := 0
	for range n {
		var b strings.Builder
		if random.IntN(4) > 0 {
			b.WriteString("/public/")
		}
		for range 1 + random.IntN(8) {
			b.WriteString(confusing[random.IntN(len(confusing))])
		}
		target := b.String()
		s.upstream.take()
		status := raw(t, base, target, "Accept: "+[]string{"*/*", "text/html"}[random.IntN(2)])
		if status == 0 || status >= 500 {
			t.Fatalf("%q is answered %d", target, status)
		}
		if got := s.upstream.take(); got != nil {
			if reached++; guarded(got.URI) {
				t.Fatalf("%q reached the upstream as %q", target, got.URI)
			}
		}
	}
	t.Logf("%d paths, %d reached the upstream", n, reached)
	if reached == 0 {
		t.Error("no path reached the upstream")
	}
}
