package caddymodule

import (
	"bufio"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// mux is a server of Go's, which answers what it has found to be asked for.
func mux(t *testing.T) string {
	m := http.NewServeMux()
	for pattern, part := range map[string]string{"/": "open", "/account": "guarded", "/account/": "guarded"} {
		m.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Part", part) })
	}
	server := httptest.NewServer(m)
	t.Cleanup(server.Close)
	return server.URL
}

// nginx is nginx, which decodes paths, merges slashes and resolves dots before it chooses what to answer.
func nginx(t *testing.T) string {
	program(t, "nginx")
	dir, listen := t.TempDir(), freeAddress(t)
	temporary := ""
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		temporary += kind + "_temp_path " + filepath.Join(dir, kind) + ";\n"
	}
	config := filepath.Join(dir, "nginx.conf")
	write(t, config, `daemon off; master_process off; pid `+dir+`/pid; error_log stderr crit;
events {}
http {
	access_log off;
	`+temporary+`
	server {
		listen `+listen+`;
		location / { add_header X-Part open always; return 200; }
		location /account { add_header X-Part guarded always; return 200; }
	}
}
`)
	startServer(t, "http://"+listen+"/", exec.Command("nginx", "-p", dir, "-e", "stderr", "-c", config))
	return "http://" + listen
}

// TestWhatUpstreamsActOn sends paths of confusing pieces without credentials to servers that have a reading of their own: none answers
// what is guarded, while what is open is answered. Where a server redirects to its own spelling, it is followed. TOLLGATE_PATHS is how many
// paths each of them is sent.
func TestWhatUpstreamsActOn(t *testing.T) {
	n := 1500
	if v, err := strconv.Atoi(os.Getenv("TOLLGATE_PATHS")); err == nil {
		n = v
	}
	for name, start := range map[string]func(*testing.T) string{"nginx": nginx, "Go's ServeMux": mux} {
		t.Run(name, func(t *testing.T) {
			address := start(t)
			newSite(t, func(s *site) { s.upstream = &upstream{Server: &httptest.Server{URL: address}} })
			random := rand.New(rand.NewPCG(3, uint64(time.Now().UnixNano())))
			reached, direct := 0, 0
			for range n {
				target := []string{"/public/", "/public/", "/", ""}[random.IntN(4)]
				for range 1 + random.IntN(7) {
					target += confusing[random.IntN(len(confusing))]
				}
				if strings.ContainsAny(target, " \x00\r\n") {
					continue
				}
				if partOf(t, address, target) == "guarded" {
					direct++
				}
				switch partOf(t, base, target) {
				case "guarded":
					t.Fatalf("%q is answered from what is guarded", target)
				case "open":
					reached++
				}
			}
			t.Logf("%d were answered; without the gate %d would have come to what is guarded", reached, direct)
			if reached == 0 || direct == 0 {
				t.Error("the paths prove nothing")
			}
		})
	}
}

// partOf is which part of a site answers a request target, "" for none.
func partOf(t *testing.T, site, target string) string {
	t.Helper()
	part, location := answeredBy(t, site, target)
	for range 3 {
		if !strings.HasPrefix(location, "/") {
			break
		}
		part, location = answeredBy(t, site, location)
	}
	return part
}

// answeredBy is which part of a site answers a request target, and where it redirects to.
func answeredBy(t *testing.T, site, target string) (part, location string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(site, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, "GET "+target+" HTTP/1.1\r\nHost: "+strings.TrimPrefix(base, "http://")+"\r\nConnection: close\r\n\r\n"); err != nil {
		return "", ""
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "", ""
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return "", res.Header.Get("Location")
	}
	return res.Header.Get("X-Part"), ""
}
