package caddymodule

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
	"golang.org/x/net/webdav"
)

// frontController is an application in PHP that acts on every path that it is told of, as frameworks do on one or the other.
const frontController = `<?php
header('Content-Type: application/json');
$uri = strtok($_SERVER['REQUEST_URI'], '?');
echo json_encode(['user' => $_SERVER['REMOTE_USER'] ?? '', 'acts' => [$uri, rawurldecode($uri), parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH) ?: '', $_SERVER['PATH_INFO'] ?? '', $_SERVER['SCRIPT_NAME']]]);
`

// phpSite runs the front controller behind the gate.
func phpSite(t *testing.T, before, rules string) *site {
	php, err := exec.LookPath("php-cgi")
	if err != nil {
		if os.Getenv("TOLLGATE_NO_SKIP") != "" {
			t.Fatal("php-cgi is missing")
		}
		t.Skip("php-cgi is missing")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	root := t.TempDir()
	for _, name := range []string{"index.php", "other.php"} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(frontController), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(php, "-b", address)
	cmd.Env = append(os.Environ(), "PHP_FCGI_MAX_REQUESTS=100000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for range 100 {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	return newSite(t, func(s *site) {
		s.more = "root * " + root + "\n" + before + "\n\tphp_fastcgi " + address
		s.options = "\torder php_fastcgi before reverse_proxy\n"
		s.gate = rules
	})
}

// phpRules guard a part of what is open otherwise.
const phpRules = "rule /admin/ direct strong profile=cowork\n\t\trule /public/ any\n\t\trule /index.php any\n\t\tsession none"

// actsOn are the paths that the application in PHP acted on, nil when it did not run.
func actsOn(t *testing.T, target string) (status int, acts []string) {
	t.Helper()
	res := speak(t, "GET "+target+" HTTP/1.1\r\nHost: "+strings.TrimPrefix(base, "http://")+"\r\nConnection: close\r\n\r\n")
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	var got struct{ Acts []string }
	if res.StatusCode == 200 && (json.Unmarshal(body, &got) != nil || len(got.Acts) == 0) {
		t.Fatalf("%s: not answered by PHP: %s", target, body)
	}
	return res.StatusCode, got.Acts
}

// guardedIn reports whether a reading of a target is in a guarded part.
func guardedIn(target, part string) bool {
	return slices.ContainsFunc(readings(target), func(p string) bool { return p == part || strings.HasPrefix(p, part+"/") })
}

// phpPaths are ways to what is guarded.
var phpPaths = []string{
	"/admin/delete-all", "//public/admin/delete-all", "//public/../admin/x", "/public//admin/x", "/index.php/admin/x", "/index.php//admin/x", "/public/index.php/admin/x",
	"/other.php/admin/x", "/index.PHP/admin/x", "/public/..//admin/x", "///admin/x", "/public/%2e%2e/admin/x", "/index.php%2fadmin/x", "/index.php/./admin", "//admin//x",
	"/index.php/public/../admin/x", "/public;/admin", "/public/x.php/admin/y", "http://127.0.0.1:9080//public/admin/x", "//x/admin?y=//public/",
}

// TestPHP never lets PHP act on a path that the gate has not admitted, whether the site rewrites before the gate or not.
func TestPHP(t *testing.T) {
	for name, before := range map[string]string{
		"php_fastcgi":           "",
		"try_files before it":   "try_files {path} /index.php?{query}",
		"a rewrite before it":   "rewrite /public/* /index.php",
		"a rewrite of all":      "rewrite * /index.php",
		"path info by rewrites": "rewrite * /index.php{uri}",
	} {
		t.Run(name, func(t *testing.T) {
			phpSite(t, before, phpRules)
			for _, target := range phpPaths {
				if status, acts := actsOn(t, target); status == 200 {
					for _, p := range acts {
						if guardedIn(p, "/admin") && !strings.HasPrefix(p, "/public/") {
							t.Errorf("%s: PHP acts on %s", target, p)
						}
						if strings.HasPrefix(p, "//") {
							t.Errorf("%s: PHP gets %s", target, p)
						}
					}
				}
			}
			if status, acts := actsOn(t, "//public/wiki"); status != 200 || acts[0] != "/public/wiki" {
				t.Errorf("an open page: %d %q", status, acts)
			}
			if status, _ := actsOn(t, "/index.php/public/x"); status != 200 && name != "path info by rewrites" {
				t.Errorf("an open page behind a script: %d", status)
			}
		})
	}
	t.Run("at random", func(t *testing.T) {
		phpSite(t, "try_files {path} /index.php?{query}", phpRules)
		random := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))
		pieces := append(confusing[:len(confusing):len(confusing)], "/index.php", "/admin/", "admin", "/admin/x", ".php", "/other.php/")
		ran := 0
		for range 400 {
			target := "/"
			if random.IntN(2) > 0 {
				target = "/public/"
			}
			for range 1 + random.IntN(6) {
				target += pieces[random.IntN(len(pieces))]
			}
			if strings.ContainsAny(target, " \x00") || raw(t, base, target) != 200 {
				continue
			}
			_, acts := actsOn(t, target)
			ran++
			for _, p := range acts {
				if first, _, _ := strings.Cut(strings.TrimLeft(p, "/"), "/"); first == "admin" {
					t.Fatalf("%q: PHP acts on %s", target, p)
				}
			}
		}
		t.Logf("PHP ran for %d of 400", ran)
	})
}

// TestRemoteUser tells PHP of the user that the gate knows, and of none that a client names.
func TestRemoteUser(t *testing.T) {
	s := phpSite(t, "", "rule /public/ any\n\t\trule /index.php any\n\t\tsession none")
	joe := s.register("joe1")
	cookie, _ := s.browser("joe1")
	for _, c := range []struct {
		want    string
		headers []string
	}{
		{"", nil},
		{"", []string{"Remote-User: root", "Remote_user: root", basicOf("root:pass")}},
		{"joe1", []string{joe}},
		{"joe1", []string{cookie, "Remote-User: root", basicOf("root:pass")}},
		{"joe1", []string{basicOf("root:" + s.apiKey("joe1", joe))}},
	} {
		if got := s.must(200, "GET", "/public/x", nil, c.headers...).json(t)["user"]; got != c.want {
			t.Errorf("%q: PHP is told %q, want %q", c.headers, got, c.want)
		}
	}
}

// TestStripped decides on the path at hand alone where the block says which prefix is stripped, and on both where it does not.
func TestStripped(t *testing.T) {
	for _, c := range []struct {
		word string
		want map[string]int
	}{
		{"stripped /shop/", map[string]int{"/shop/open/x": 200, "/shop/admin": 401, "/shop": 403, "/shop//open/./y": 200, "/shop/nowhere": 403,
			"/shop/renamed": 403}}, // it is made of another path than the one that was sent
		{"", map[string]int{"/shop/open/x": 403, "/shop/admin": 403}},
		{"stripped /other", map[string]int{"/shop/open/x": 403}},
	} {
		s := newSite(t, func(s *site) {
			s.more = "rewrite /shop/renamed /open/x\n\turi strip_prefix /shop"
			s.gate = "rule /open/ any\n\t\trule /admin/ authenticated\n\t\t" + c.word
		})
		for path, want := range c.want {
			s.upstream.take()
			if got := raw(t, base, path); got != want {
				t.Errorf("%q: %s: %d, want %d", c.word, path, got, want)
			}
			if got := s.upstream.take(); got != nil && !strings.HasPrefix(got.URI, "/open/") {
				t.Errorf("%q: %s reached the upstream as %s", c.word, path, got.URI)
			}
		}
		if c.word != "stripped /shop/" {
			continue
		}
		for to, want := range map[string]int{"/shop/open/y": 200, "/shop/admin": 401, "/shop/nowhere": 403, "/shopping/open/y": 403} {
			s.must(want, "COPY", "/shop/open/x", nil, "Destination: "+to)
		}
	}
}

// TestOriginalRequest hands on the path that was sent in the form that was judged, in every place where Caddy keeps it.
func TestOriginalRequest(t *testing.T) {
	s := newSite(t, func(s *site) {
		s.more = "rewrite /public/old/* /public/new"
		s.gate = "rule /public/ any\n\t\tsession none"
		s.options = "\torder request_header after tollgate\n"
		s.more += "\n\trequest_header X-Seen \"{http.request.orig_uri}|{http.request.orig_uri.path}|{http.request.uri}\""
	})
	for target, want := range map[string]string{
		"/public/x?a=//b":                        "/public/x?a=//b|/public/x|/public/x?a=//b",
		"//public/./y/../x?a=1":                  "/public/x?a=1|/public/x|/public/x?a=1",
		"//public//old/z":                        "/public/old/z|/public/old/z|/public/new",
		"http://127.0.0.1:9080//public/x?q":      "/public/x?q|/public/x|/public/x?q",
		"/public/Foo_(bar)!'*":                   "/public/Foo_(bar)!'*|/public/Foo_(bar)!'*|/public/Foo_(bar)!'*",
		"/public/@scope%2fpkg;v=1/Foo_%28bar%29": "/public/@scope%2fpkg;v=1/Foo_%28bar%29|/public/@scope/pkg;v=1/Foo_(bar)|/public/@scope%2fpkg;v=1/Foo_%28bar%29",
	} {
		s.upstream.take()
		if status := raw(t, base, target); status != 200 {
			t.Errorf("%s: %d", target, status)
			continue
		}
		if got := s.upstream.take().Headers["X-Seen"]; len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
	}
}

// TestCanonicalServer follows an application that redirects to its own spelling of a path.
func TestCanonicalServer(t *testing.T) {
	canonical := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		want := strings.NewReplacer("%28", "(", "%29", ")", "%21", "!", "%27", "'", "%2A", "*", "%2a", "*").Replace(r.URL.EscapedPath())
		if uri, _, _ := strings.Cut(r.RequestURI, "?"); uri != want {
			w.Header().Set("Location", want)
			w.WriteHeader(http.StatusMovedPermanently)
		}
	}))
	t.Cleanup(canonical.Close)
	s := newSite(t, func(s *site) {
		s.upstream = &upstream{Server: canonical}
		s.gate = "rule /wiki/ any\n\t\trule /closed/ authenticated"
		s.global = "page login /login/"
	})
	for _, path := range []string{"/wiki/Foo_(bar)", "/wiki/a!b'c*", "/wiki/Foo_(bar)%20x"} {
		s.must(200, "GET", path, nil)
	}
	if at := s.must(301, "GET", "/wiki/Foo_%28bar%29", nil).header.Get("Location"); at != "/wiki/Foo_(bar)" {
		t.Errorf("redirected to %s", at)
	}
	if at := s.must(302, "GET", "/closed/Foo_(bar)", nil, "Accept: text/html").header.Get("Location"); !strings.HasSuffix(at, "next=/closed/Foo_%28bar%29") {
		t.Errorf("sent to %s", at)
	}
}

// TestLongPaths takes names of 240 Chinese characters, and answers 414 for what is longer than any.
func TestLongPaths(t *testing.T) {
	s := newSite(t)
	s.must(200, "GET", "/public/"+strings.Repeat("%E6%96%87", 240)+"/"+strings.Repeat("%E4%BB%B6", 240), nil)
	if a := s.must(414, "GET", "/public/"+strings.Repeat("a", 9000), nil); a.json(t)["reason"] != "path-too-long" {
		t.Errorf("%s", a.body)
	}
}

// TestWebDAV keeps what is done to one person's files from another's.
func TestWebDAV(t *testing.T) {
	files := webdav.NewMemFS()
	dav := httptest.NewServer(&webdav.Handler{FileSystem: files, LockSystem: webdav.NewMemLS()})
	t.Cleanup(dav.Close)
	s := newSite(t, func(s *site) {
		s.upstream = &upstream{Server: dav}
		s.gate = "rule /{user}/ self\n\t\trule / authenticated"
	})
	mal, vic := s.register("mal"), s.register("vic")
	ctx := context.Background()
	content := func(name string) string {
		f, err := files.OpenFile(ctx, name, os.O_RDONLY, 0)
		if err != nil {
			return ""
		}
		defer f.Close()
		b, _ := io.ReadAll(f)
		return string(b)
	}
	for _, name := range []string{"mal", "vic"} {
		if err := files.Mkdir(ctx, "/"+name, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	s.send("PUT", "/vic/f.txt", "vic's", vic)
	s.send("PUT", "/mal/f.txt", "mal's", mal)
	for _, to := range []string{
		base + "/vic/f.txt", "/vic/f.txt", base + "//vic/f.txt", base + "/mal/../vic/f.txt", base + "/mal/%2e%2e/vic/f.txt", base + "/%76ic/f.txt", base + "/mal%2f..%2fvic/f.txt",
		base + "/vic/", base + "/", "http://other.example/mal/x", base + "/mal/x?y", "//127.0.0.1:9080/vic/f.txt", "http://joe@127.0.0.1:9080/mal/x", "mal/x", "",
	} {
		for _, method := range []string{"COPY", "MOVE"} {
			if a := s.do(method, "/mal/f.txt", nil, mal, "Destination: "+to); a.status < 400 || a.status == 502 {
				t.Errorf("%s to %q: %d", method, to, a.status)
			}
		}
	}
	if a := s.do("COPY", "/mal/f.txt", nil, mal, "Destination: "+base+"/mal/g", "Destination: "+base+"/vic/f.txt"); a.status != 403 {
		t.Errorf("two destinations: %d", a.status)
	}
	for _, c := range []struct{ method, path, depth string }{
		{"DELETE", "/", ""}, {"LOCK", "/", ""}, {"PROPFIND", "/", ""}, {"PROPFIND", "/", "1"}, {"PROPFIND", "/", "infinity"}, {"SEARCH", "/", "1"}, {"REPORT", "/", "1"},
	} {
		headers := []string{mal}
		if c.depth != "" {
			headers = append(headers, "Depth: "+c.depth)
		}
		if a := s.do(c.method, c.path, nil, headers...); a.status != 403 {
			t.Errorf("%s %s with depth %q: %d", c.method, c.path, c.depth, a.status)
		}
	}
	if got := content("/vic/f.txt"); got != "vic's" {
		t.Errorf("vic's file holds %q", got)
	}
	s.must(207, "PROPFIND", "/", nil, mal, "Depth: 0")
	s.must(207, "PROPFIND", "/mal/", nil, mal, "Depth: 1")
	s.must(201, "COPY", "/mal/f.txt", nil, mal, "Destination: "+base+"/mal/g.txt")
	s.must(201, "MOVE", "/mal/g.txt", nil, mal, "Destination: /mal/h;1.txt")
	// The port of the scheme is the one that is not said.
	for _, host := range [][2]string{{"127.0.0.1", "http://127.0.0.1:80"}, {"127.0.0.1:80", "http://127.0.0.1"}} {
		if res := speak(t, "COPY /mal/f.txt HTTP/1.1\r\nHost: "+host[0]+"\r\n"+mal+"\r\nDestination: "+host[1]+"/mal/port\r\nConnection: close\r\n\r\n"); res.StatusCode == 403 {
			t.Errorf("%s at %s: %d", host[1], host[0], res.StatusCode)
		}
	}
	s.must(204, "DELETE", "/mal/h;1.txt", nil, mal)
	if content("/mal/f.txt") != "mal's" {
		t.Error("mal's file is gone")
	}
	if a := s.send("POST", "/mal/f.txt", "", mal, "X-HTTP-Method-Override: MOVE", "Destination: "+base+"/vic/f.txt"); a.status != 403 {
		t.Errorf("an overridden method: %d", a.status)
	}
}

// TestErrorHandlers gives nothing of the caller's to an upstream of handle_errors, whether the error came before admission or after.
func TestErrorHandlers(t *testing.T) {
	failing := newUpstream(t)
	s := newSite(t, func(s *site) {
		s.gate = "rule /public/ any\n\t\trule /account/ authenticated\n\t\tassertion\n\t\theaders"
		s.more = "handle_errors {\n\t\trequest_header X-Seen {http.request.orig_uri}\n\t\treverse_proxy " + strings.TrimPrefix(failing.URL, "http://") + "\n\t}"
		dead := httptest.NewServer(nil)
		dead.Close()
		s.upstream = &upstream{Server: dead}
	})
	joe := s.register("joe1")
	session := s.must(201, "POST", "/api/auth?cookie=1", map[string]any{"username": "joe1", "password": "yoyo"}).header.Values("Set-Cookie")
	cookie, _, _ := strings.Cut(session[0], ";")
	for _, c := range []struct{ name, target, path, credential string }{
		{"refused", "/elsewhere", "/elsewhere", joe},
		{"refused with a path that is not clean", "//account/.//x/../y?a=1", "/account/y?a=1", "Authorization: Bearer abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ012345678901"},
		{"admitted by a token", "/account//x", "/account/x", joe},
		{"admitted by a cookie", "/account/x", "/account/x", "Cookie: theirs=1; " + cookie},
		{"admitted in a spelling that is not clear", "/public/a%2fb", "/", joe},
	} {
		t.Run(c.name, func(t *testing.T) {
			failing.take()
			speak(t, "GET "+c.target+" HTTP/1.1\r\nHost: "+strings.TrimPrefix(base, "http://")+"\r\nAccept: text/html\r\nTollgate-User: root\r\n"+c.credential+"\r\nConnection: close\r\n\r\n")
			got := failing.take()
			if got == nil {
				t.Fatal("the error handler was not reached")
			}
			if got.URI != c.path || got.Headers["X-Seen"][0] != c.path {
				t.Errorf("path %s, original %s, want %s", got.URI, got.Headers["X-Seen"], c.path)
			}
			for name, values := range got.Headers {
				value, _, _ := strings.Cut(cookie, ";")
				if name == "Authorization" || strings.HasPrefix(name, "Tollgate-") || name == "Cookie" && strings.Contains(values[0], value) {
					t.Errorf("%s: %s", name, values)
				}
			}
			if strings.HasPrefix(c.credential, "Cookie") && !slices.Equal(got.Headers["Cookie"], []string{"theirs=1"}) {
				t.Errorf("the application's own cookie: %q", got.Headers["Cookie"])
			}
		})
	}
}

// TestErrorHandlersWithoutSession takes credentials and cookies of ours off what error handlers are asked where there is no session either.
func TestErrorHandlersWithoutSession(t *testing.T) {
	failing := newUpstream(t)
	s := newSite(t, func(s *site) {
		s.gate = "rule /account/ authenticated\n\t\tsession none"
		s.more = "handle_errors {\n\t\treverse_proxy " + strings.TrimPrefix(failing.URL, "http://") + "\n\t}"
	})
	joe := s.register("joe1")
	cookie, _ := s.browser("joe1")
	for _, credential := range []string{joe, cookie} {
		failing.take()
		s.do("GET", "/elsewhere", nil, "Accept: text/html", credential)
		got := failing.take()
		if got == nil {
			t.Fatal("the error handler was not reached")
		}
		if len(got.Headers["Authorization"])+len(got.Headers["Cookie"]) > 0 {
			t.Errorf("%s: the error handler is told %q %q", credential, got.Headers["Authorization"], got.Headers["Cookie"])
		}
	}
}

// TestPlaceholdersOfErrors gives error handlers no placeholder that a matcher before the gate has filled from a request, nor the name of
// the user, which access logs keep.
func TestPlaceholdersOfErrors(t *testing.T) {
	failing := newUpstream(t)
	log := filepath.Join(t.TempDir(), "log.json")
	s := newSite(t, func(s *site) {
		s.options = "\tlog {\n\t\toutput file " + log + "\n\t}\n"
		dead := httptest.NewServer(nil)
		dead.Close()
		s.upstream = &upstream{Server: dead}
		s.gate = "rule /account/ authenticated\n\t\tupstream http://127.0.0.1:1"
		s.more = `log
	@path path_regexp sent ^(?P<all>.*)$
	@credential header_regexp told Authorization (.*)
	map {host} {house} {
		default theirs
	}
	vars @path matched yes
	vars @credential matched yes
	handle_errors {
		request_header X-Sent "{re.sent.1}{re.sent.all}{re.1}"
		request_header X-Told {re.told.1}
		request_header X-User {http.auth.user.id}
		request_header X-Reason "{http.tollgate.reason} {http.error.status_code} {tollgate.upstream}"
		request_header X-House "{house} {vars.matched}"
		reverse_proxy ` + strings.TrimPrefix(failing.URL, "http://") + `
	}`
	})
	joe := s.register("joe1")
	for _, target := range []string{"/elsewhere//x/../secret", "/account//x/../secret"} { // refused, and failed
		failing.take()
		speak(t, "GET "+target+" HTTP/1.1\r\nHost: 127.0.0.1:9080\r\nAccept: text/html\r\n"+joe+"\r\nConnection: close\r\n\r\n")
		got := failing.take()
		if got == nil {
			t.Fatal("the error handler was not reached")
		}
		for name, values := range got.Headers {
			if text := strings.Join(values, ""); strings.Contains(text, "..") || strings.Contains(text, "joe1") || strings.Contains(text, joe[30:]) {
				t.Errorf("%s: %s is %s", target, name, text)
			}
		}
		if house := got.Headers["X-House"][0]; house != "theirs yes" {
			t.Errorf("%s: placeholders of the site's own are %q", target, house)
		}
		if reason := got.Headers["X-Reason"][0]; strings.HasPrefix(target, "/elsewhere") && reason != "no-rule 403 127.0.0.1:1" || !strings.HasSuffix(reason, " 127.0.0.1:1") {
			t.Errorf("%s: the reason is %q", target, reason)
		}
	}
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		text, _ := os.ReadFile(log)
		if strings.Count(string(text), `"user_id":"joe1"`) >= 2 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the access log does not name the user:\n%s", text)
		}
	}
}

// TestDestinationsAtRandom copies to what is written in confusing ways, and never into another person's folder.
func TestDestinationsAtRandom(t *testing.T) {
	files := webdav.NewMemFS()
	dav := httptest.NewServer(&webdav.Handler{FileSystem: files, LockSystem: webdav.NewMemLS()})
	t.Cleanup(dav.Close)
	s := newSite(t, func(s *site) {
		s.upstream = &upstream{Server: dav}
		s.gate = "rule /{user}/ self\n\t\tsession none"
	})
	ctx := context.Background()
	for _, name := range []string{"/mal", "/vic", "/mal/a"} {
		if err := files.Mkdir(ctx, name, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	mal := s.register("mal")
	s.register("vic")
	s.send("PUT", "/mal/f.txt", "mal's", mal)
	random := rand.New(rand.NewPCG(2, uint64(time.Now().UnixNano())))
	pieces := append(confusing[:len(confusing):len(confusing)], "/mal/", "/vic/", "vic", "mal", "/mal/../vic/", "%2f..%2fvic%2f", "%76ic", "/../", "..%5c", base, "//")
	copied := 0
	for range 600 {
		to := []string{"/mal/", base + "/mal/", base, ""}[random.IntN(4)]
		for range 1 + random.IntN(6) {
			to += pieces[random.IntN(len(pieces))]
		}
		if strings.ContainsAny(to, " \x00\r\n") {
			continue
		}
		if a := s.do("COPY", "/mal/f.txt", nil, mal, "Destination: "+to); a.status < 300 {
			copied++
		}
		dir, err := files.OpenFile(ctx, "/vic", os.O_RDONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		list, err := dir.Readdir(-1)
		dir.Close()
		if err != nil || len(list) > 0 {
			t.Fatalf("a copy to %q has come to vic: %v, %v", to, list, err)
		}
	}
	t.Logf("%d of 600 copied", copied)
	if copied == 0 {
		t.Error("nothing was copied")
	}
}

// TestPathsOverTLS sends what is ambiguous over HTTP/2 and HTTP/3.
func TestPathsOverTLS(t *testing.T) {
	dir, up := t.TempDir(), newUpstream(t)
	runSite(t, fmt.Sprintf(`{
	admin localhost:2999
	http_port 9080
	https_port 9443
	auto_https disable_redirects
	skip_install_trust
	grace_period 10s
	storage file_system %s
	tollgate {
		url https://localhost:9443
		broker cowork "Cowork" hello@cowork.example
		store %s
		min_length 4
		demo
	}
}

https://localhost:9443 {
	tls internal
	rewrite /public/old/* /public/new
	tollgate {
		rule /public/ any
		rule /account/ authenticated
		session none
	}
	reverse_proxy %s {
		header_up X-Orig {http.request.orig_uri}
	}
}
`, filepath.Join(dir, "caddy"), filepath.Join(dir, "tollgate.db"), strings.TrimPrefix(up.URL, "http://")))
	insecure := &tls.Config{InsecureSkipVerify: true, ServerName: "localhost"}
	for range 200 { // the certificate is made after the start
		conn, err := tls.Dial("tcp", "localhost:9443", insecure)
		if err == nil {
			conn.Close()
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	third := &http3.Transport{TLSClientConfig: insecure.Clone()}
	t.Cleanup(func() { third.Close() })
	second := &http.Transport{TLSClientConfig: insecure.Clone(), ForceAttemptHTTP2: true}
	t.Cleanup(second.CloseIdleConnections)
	for major, transport := range map[int]http.RoundTripper{2: second, 3: third} {
		for _, c := range []struct {
			path   string
			status int
			seen   string
		}{
			{"//public/x", 200, "/public/x"},
			{"/public//x/../y", 200, "/public/y"},
			{"//public/old/x", 200, "/public/old/x"},
			{"/public/Foo_(bar)", 200, "/public/Foo_(bar)"},
			{"//account/x", 401, ""},
			{"/public/../account/x", 401, ""},
			{"/public/%2e%2e/account/x", 400, ""},
			{"/public/..%2faccount", 400, ""},
			{"/public/" + strings.Repeat("a", 9000), 414, ""},
		} {
			plain, _ := url.PathUnescape(c.path)
			r := &http.Request{Method: "GET", URL: &url.URL{Scheme: "https", Host: "localhost:9443", Path: plain, RawPath: c.path}, Host: "localhost:9443", Header: http.Header{}}
			up.take()
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			res, err := transport.RoundTrip(r.WithContext(ctx))
			if err != nil {
				cancel()
				t.Fatalf("HTTP/%d %s: %v", major, c.path, err)
			}
			res.Body.Close()
			cancel()
			got := up.take()
			if res.ProtoMajor != major || res.StatusCode != c.status || (got != nil) != (c.status == 200) {
				t.Errorf("HTTP/%d %.40s: HTTP/%d %d, reached: %v", major, c.path, res.ProtoMajor, res.StatusCode, got != nil)
			}
			if got != nil && got.Headers["X-Orig"][0] != c.seen {
				t.Errorf("HTTP/%d %s: %q", major, c.path, got.Headers["X-Orig"])
			}
		}
	}
}
