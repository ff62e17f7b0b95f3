package caddymodule

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
)

// TestStuckToScript does not let a front controller act on what is stuck to the name of its script: frameworks cut that name off what
// they are asked for, wherever it ends, and Caddy's FastCGI does the same for PATH_INFO.
func TestStuckToScript(t *testing.T) {
	for name, before := range map[string]string{"php_fastcgi": "", "try_files before it": "try_files {path} /index.php?{query}"} {
		t.Run(name, func(t *testing.T) {
			s := phpSite(t, before, "rule /admin/ direct strong profile=cowork\n\t\trule / any\n\t\tsession none")
			cut := `<?php $uri = rawurldecode(strtok($_SERVER['REQUEST_URI'], '?')); $script = $_SERVER['SCRIPT_NAME'];
if (strpos($uri, $script) === 0) $uri = '/' . implode('/', array_filter(explode('/', substr($uri, strlen($script))), fn($part) => !in_array($part, ['', '.', '..'])));
echo json_encode(['acts' => [$uri, '/' . ltrim($_SERVER['PATH_INFO'] ?? '', '/')]]);`
			root := strings.Fields(s.more)[2]
			if err := os.WriteFile(filepath.Join(root, "index.php"), []byte(cut), 0o644); err != nil {
				t.Fatal(err)
			}
			for _, target := range []string{
				"/index.phpadmin/x", "/index.phpadmin", "/index.php%61dmin/x", "/index.phpadmin//x?y", "/index.php../admin/x", "/index.php/..;/admin", "/index.php/admin/x", "//index.phpadmin",
			} {
				_, acts := actsOn(t, target)
				for _, p := range acts {
					if guardedIn(p, "/admin") {
						t.Errorf("%s: PHP acts on %s", target, p)
					}
				}
			}
			for _, target := range []string{"/index.phpwiki/x", "/wiki/www.phpbb.com/x.phps", "/wiki/index.php.admin/x"} {
				if status, _ := actsOn(t, target); status != 200 {
					t.Errorf("%s: %d", target, status)
				}
			}
		})
	}
}

// TestPathInQuery refuses a path that a rewrite before the gate has copied into the query as it was sent, where that is not what the
// gate decides on.
func TestPathInQuery(t *testing.T) {
	for _, rewrite := range []string{"rewrite * /index.php?q={path}&{query}", "rewrite * ?q={uri}", "rewrite * /index.php?q={path.0}"} {
		t.Run(rewrite, func(t *testing.T) {
			s := newSite(t, func(s *site) {
				s.more = rewrite
				s.gate = "rule /admin/ direct strong profile=cowork\n\t\trule / any\n\t\tsession none"
			})
			for target, want := range map[string]int{
				"/admin/../wiki": 400, "/./admin/../wiki": 400, "//admin//..//wiki": 400, "/admin/x/../../wiki/": 400, base + "//admin/../wiki": 400,
				"/wiki//x": 400, "/wiki/x": 200, "/wiki/x?a=//b": 200, "/wiki/%7euser": 200, "/wiki/Foo_(bar)": 200, "/admin/x": 401,
			} {
				s.upstream.take()
				if status := raw(t, base, target); status != want {
					t.Errorf("%s: %d, want %d", target, status, want)
				}
				if got := s.upstream.take(); got != nil && strings.Contains(got.URI, "admin") {
					t.Errorf("%s reached the application as %s", target, got.URI)
				}
			}
		})
	}
	t.Run("the query as it was", func(t *testing.T) {
		s := newSite(t, func(s *site) {
			s.more = "rewrite * /index.php?{query}"
			s.gate = "rule / any"
		})
		for _, target := range []string{"/wiki//x?a=1", "/admin/../wiki", "//wiki?"} {
			if status := raw(t, base, target); status != 200 {
				t.Errorf("%s: %d", target, status)
			}
		}
		s.upstream.take()
	})
}

// TestDepth takes any method that asks for a depth to act on all that is below a path.
func TestDepth(t *testing.T) {
	s := newSite(t, func(s *site) { s.gate = "rule /{user}/ self\n\t\trule / authenticated" })
	mal := s.register("mal")
	for _, c := range []struct {
		method, depth string
		status        int
	}{
		{"LABEL", "infinity", 403}, {"UPDATE", "1", 403}, {"PROPPATCH", "infinity", 403}, {"REPORT", "1", 403}, {"LABEL", "0", 200}, {"UPDATE", "", 200}, {"REPORT", "", 200},
	} {
		headers := []string{mal}
		if c.depth != "" {
			headers = append(headers, "Depth: "+c.depth)
		}
		if a := s.do(c.method, "/", nil, headers...); a.status != c.status {
			t.Errorf("%s with depth %q: %d, want %d", c.method, c.depth, a.status, c.status)
		}
	}
}

// TestPageBehindScript does not take a page that cures refusals for what stands behind a script in its place.
func TestPageBehindScript(t *testing.T) {
	s := newSite(t, func(s *site) {
		s.global = "page password /users/{user}/password/"
		s.gate = "rule /password/ authenticated"
	})
	s.must(200, "GET", "/users/ann/password/", nil)
	for _, path := range []string{"/users/index.php/password/", "/users/x.phppassword/password/"} {
		s.upstream.take()
		if a := s.do("GET", path, nil); a.status == 200 || s.upstream.take() != nil {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}

// TestScriptsAreNamed takes more endings for scripts, or none, where the block says so (decision 75).
func TestScriptsAreNamed(t *testing.T) {
	for word, want := range map[string]map[string]int{
		"":            {"/public/index.php/admin/x": 401, "/public/INDEX.PHTML/admin/x": 401, "/public/run.cgi/admin/x": 200},
		"scripts cgi": {"/public/index.phar/admin/x": 401, "/public/run.cgi/admin/x": 401, "/public/cgi/admin/x": 200},
		"scripts off": {"/public/index.php/admin/x": 200, "/public/run.cgi/admin/x": 200},
	} {
		newSite(t, func(s *site) { s.gate = "rule /public/ any\n\t\trule /admin/ authenticated\n\t\t" + word })
		for path, status := range want {
			if got := raw(t, base, path); got != status {
				t.Errorf("%q: %s: %d, want %d", word, path, got, status)
			}
		}
	}
}

// TestErrorHandlersNameNobody: PHP as an error handler is not told who is there, also where a handler before the gate goes on with a copy
// of the request.
func TestErrorHandlersNameNobody(t *testing.T) {
	php := phpSite(t, "", "rule / any")
	address := php.more[strings.LastIndex(php.more, " ")+1:]
	root := strings.Fields(php.more)[2]
	script := `<?php foreach (['REMOTE_USER', 'HTTP_AUTHORIZATION', 'HTTP_TOLLGATE_USER', 'HTTP_X_WHO'] as $name) echo $name, '=', $_SERVER[$name] ?? '', ';';`
	if err := os.WriteFile(filepath.Join(root, "index.php"), []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
	for _, before := range []string{"", "tracing"} {
		s := newSite(t, func(s *site) {
			s.more = before + "\n\t@all path_regexp all ^/(.*)$\n\tvars @all seen x\n\thandle_errors {\n\t\troot * " + root + "\n\t\trewrite * /index.php\n\t\tphp_fastcgi " + address +
				" {\n\t\t\tenv HTTP_X_WHO \"{http.auth.user.id}{re.all.1}\"\n\t\t}\n\t}"
			s.gate = "rule /account/ authenticated\n\t\theaders"
			dead := httptest.NewServer(nil)
			dead.Close()
			s.upstream = &upstream{Server: dead}
		})
		joe := s.register("joe1")
		for _, path := range []string{"/account/x", "/elsewhere"} {
			a := s.do("GET", path, nil, joe, "Accept: text/html")
			if body := string(a.body); body != "REMOTE_USER=;HTTP_AUTHORIZATION=;HTTP_TOLLGATE_USER=;HTTP_X_WHO=;" {
				t.Errorf("%q: %s: %d %s", before, path, a.status, body)
			}
		}
	}
}

// TestErrorHandlersOverAllVersions reaches an upstream of handle_errors over every version of HTTP.
func TestErrorHandlersOverAllVersions(t *testing.T) {
	dir := t.TempDir()
	failing := newUpstream(t)
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
	tollgate {
		rule / any
		session none
	}
	reverse_proxy localhost:1
	handle_errors {
		reverse_proxy %s
	}
}
`, filepath.Join(dir, "caddy"), filepath.Join(dir, "tollgate.db"), strings.TrimPrefix(failing.URL, "http://")))
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
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		r, err := http.NewRequestWithContext(ctx, "GET", "https://localhost:9443/x", nil)
		if err != nil {
			t.Fatal(err)
		}
		failing.take()
		res, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatalf("HTTP/%d: %v", major, err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		cancel()
		if failing.take() == nil || res.StatusCode != 200 {
			t.Errorf("HTTP/%d: %d %s", major, res.StatusCode, body)
		}
	}
}

// TestWarnsBehindGate says at the start what stands behind a gate and reads paths in another way.
func TestWarnsBehindGate(t *testing.T) {
	for _, c := range []struct{ name, gate, behind, want string }{
		{"a proxy that rewrites", "rule / any", "reverse_proxy /x/* localhost:1 {\n\t\trewrite /admin{uri}\n\t}", "paths are rewritten after the gate"},
		{"a rewrite of an answer", "rule / any", "reverse_proxy /x/* localhost:1 {\n\t\thandle_response {\n\t\t\trewrite * /admin\n\t\t}\n\t}", "paths are rewritten after the gate"},
		{"forward_auth", "rule / any", "route /x/* {\n\t\tforward_auth localhost:1 {\n\t\t\turi /auth\n\t\t}\n\t}", ""},
		{"another ending of scripts", "rule / any", "reverse_proxy /x/* localhost:1 {\n\t\ttransport fastcgi {\n\t\t\tsplit .php .cgi\n\t\t}\n\t}", "write `scripts cgi`"},
		{"an ending that is known", "rule / any\n\t\tscripts cgi", "reverse_proxy /x/* localhost:1 {\n\t\ttransport fastcgi {\n\t\t\tsplit .php .cgi\n\t\t}\n\t}", ""},
		{"a matcher in any case of letters", "rule /admin/ authenticated\n\t\trule / any", "handle /admin/* {\n\t\trespond x\n\t}", "in any case of letters"},
		{"the same, and nothing else open", "rule /admin/ authenticated\n\t\trule /public/ any", "handle /admin/* {\n\t\trespond x\n\t}", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			log := filepath.Join(t.TempDir(), "log")
			newSite(t, func(s *site) {
				s.options = "\tlog {\n\t\toutput file " + log + "\n\t\tlevel WARN\n\t}\n"
				s.gate, s.more = c.gate, c.behind
			})
			text, err := os.ReadFile(log)
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			warned := strings.Contains(string(text), `"logger":"http.handlers.tollgate"`)
			if !strings.Contains(string(text), c.want) || warned != (c.want != "") {
				t.Errorf("the log has %s", text)
			}
		})
	}
}
