package caddymodule

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// forged are headers by which a client pretends to be somebody, in the spellings that upstreams may fold into ours.
var forged = []string{
	"Tollgate-User: root", "tollgate-user: root", "TOLLGATE-USER: root", "Tollgate-Roles: manager:root", "Tollgate-Plan: root", "Tollgate-Assertion: root",
	"Tollgate-Anything: root", "X-Remote-User: root", "x-remote-user: root",
}

// underscored are those that a server that is not strict would take for ours.
var underscored = []string{"Tollgate_User: root", "tollgate_roles: root", "X_Remote_User: root", "Tollgate.User: root"}

// A catcher is an upstream that reads all of a request, trailers included, and upgrades connections.
type catcher struct {
	*httptest.Server
	mu   sync.Mutex
	seen []http.Header // headers and trailers of each request
}

func newCatcher(t *testing.T) *catcher {
	c := new(catcher)
	c.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		all := r.Header.Clone()
		for name, values := range r.Trailer {
			all["Trailer "+name] = append(all["Trailer "+name], values...)
		}
		c.mu.Lock()
		c.seen = append(c.seen, all)
		c.mu.Unlock()
		if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
			sum := sha1.Sum([]byte(r.Header.Get("Sec-Websocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
			w.Header().Set("Connection", "Upgrade")
			w.Header().Set("Upgrade", "websocket")
			w.Header().Set("Sec-Websocket-Accept", base64.StdEncoding.EncodeToString(sum[:]))
			w.WriteHeader(http.StatusSwitchingProtocols)
			conn, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			defer conn.Close()
			line, _ := rw.ReadString('\n')
			_, _ = io.WriteString(conn, "echo "+line)
		}
	}))
	c.Config.Protocols = new(http.Protocols)
	c.Config.Protocols.SetHTTP1(true)
	c.Config.Protocols.SetUnencryptedHTTP2(true)
	c.Start()
	t.Cleanup(c.Close)
	return c
}

// last is what the upstream received last, nil for nothing since.
func (c *catcher) last() http.Header {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.seen) == 0 {
		return nil
	}
	h := c.seen[len(c.seen)-1]
	c.seen = nil
	return h
}

// holds requires that a request reached the upstream as that of a user, "" for nobody, whatever it pretended.
func (c *catcher) holds(t *testing.T, user string) {
	t.Helper()
	h := c.last()
	if h == nil {
		t.Fatal("the upstream was not reached")
	}
	for name, values := range h {
		for _, v := range values {
			if strings.Contains(v, "root") {
				t.Errorf("%s: %s", name, v)
			}
		}
	}
	want := []string{user}
	if user == "" {
		want = nil
	}
	if got := h["X-Remote-User"]; !slices.Equal(got, want) {
		t.Errorf("X-Remote-User %q, want %q", got, want)
	}
	if auth := h["Authorization"]; user == "" && len(auth) > 0 || user != "" && (len(auth) != 1 || strings.Count(auth[0], ".") != 2) {
		t.Errorf("Authorization %q", auth)
	}
}

// speak writes to the site and reads one answer.
func speak(t *testing.T, text string) *http.Response {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// TestSmuggling pretends to be root through every way in which Caddy takes a request.
func TestSmuggling(t *testing.T) {
	c := newCatcher(t)
	s := newSite(t, func(s *site) {
		s.upstream = &upstream{Server: c.Server}
		s.gate = "rule /public/ any\n\t\trule /account/ authenticated\n\t\tassertion\n\t\theaders {\n\t\t\tuser X-Remote-User\n\t\t}"
	})
	joe := s.register("joe1")
	callers := map[string]struct{ path, as, user string }{"anonymous": {"/public/", "", ""}, "known": {"/account/", joe, "joe1"}}
	for name, who := range callers {
		head := "Host: 127.0.0.1\r\n" + strings.Join(append(forged, underscored...), "\r\n") + "\r\n"
		if who.as != "" {
			head += who.as + "\r\n"
		}
		t.Run(name+" HTTP/1.1", func(t *testing.T) {
			if res := speak(t, "GET "+who.path+" HTTP/1.1\r\n"+head+"\r\n"); res.StatusCode != 200 {
				t.Fatal(res.Status)
			}
			c.holds(t, who.user)
		})
		t.Run(name+" Connection names what the gate sets", func(t *testing.T) {
			speak(t, "GET "+who.path+" HTTP/1.1\r\n"+head+"Connection: close, X-Remote-User, Authorization, tollgate-roles, Cookie\r\n\r\n")
			c.holds(t, who.user)
		})
		t.Run(name+" trailers", func(t *testing.T) {
			for _, announced := range []string{"Trailer: X-Remote-User, Tollgate-User\r\n", "Trailer: X-Other\r\n", ""} {
				res := speak(t, "POST "+who.path+" HTTP/1.1\r\n"+head+announced+"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Remote-User: root\r\nTollgate-User: root\r\nX-Other: 1\r\n\r\n")
				if res.StatusCode == 200 {
					c.holds(t, who.user)
				}
			}
		})
		t.Run(name+" folded and odd lines", func(t *testing.T) {
			for _, line := range []string{"X-Remote-User : root", " X-Remote-User: root", "X-Remote-User:\r\n root", "X-A: 1\nX-Remote-User: root", "X-Remote-User\t: root", "X-A: 1\r\rX-Remote-User: root"} {
				res := speak(t, "GET "+who.path+" HTTP/1.1\r\n"+head+line+"\r\n\r\n")
				if res.StatusCode == 200 {
					c.holds(t, who.user)
				}
			}
		})
		t.Run(name+" two requests in one", func(t *testing.T) {
			// The second request hides in the body of the first, for who reads the length otherwise.
			for _, framing := range []string{"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "Transfer-Encoding: xchunked\r\n", "Content-Length: 4\r\nContent-Length: 40\r\n"} {
				speak(t, "POST "+who.path+" HTTP/1.1\r\n"+head+framing+"\r\n0\r\n\r\nGET /account/ HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Remote-User: root\r\n\r\n")
				for h := c.last(); h != nil; h = c.last() {
					if slices.Contains(h["X-Remote-User"], "root") {
						t.Errorf("%q let a request through: %v", framing, h)
					}
				}
			}
		})
		t.Run(name+" WebSocket", func(t *testing.T) {
			conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(patience))
			fmt.Fprintf(conn, "GET %s HTTP/1.1\r\n%sConnection: Upgrade, X-Remote-User\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", who.path, head)
			r := bufio.NewReader(conn)
			res, err := http.ReadResponse(r, nil)
			if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
				t.Fatal(res, err)
			}
			c.holds(t, who.user)
			fmt.Fprint(conn, "hello\n")
			if line, err := r.ReadString('\n'); line != "echo hello\n" {
				t.Errorf("got %q %v", line, err)
			}
		})
		t.Run(name+" HTTP/2", func(t *testing.T) {
			tr := &http.Transport{Protocols: new(http.Protocols)}
			tr.Protocols.SetUnencryptedHTTP2(true)
			defer tr.CloseIdleConnections()
			body, write := io.Pipe()
			go func() { fmt.Fprint(write, "abc"); write.Close() }()
			req, _ := http.NewRequestWithContext(context.Background(), "POST", base+who.path, body)
			for _, line := range append(forged, who.as) {
				if k, v, ok := strings.Cut(line, ": "); ok {
					req.Header.Add(k, v)
				}
			}
			req.Trailer = http.Header{"X-Remote-User": {"root"}, "Tollgate-User": {"root"}}
			res, err := tr.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if res.ProtoMajor != 2 || res.StatusCode != 200 {
				t.Fatal(res.Proto, res.Status)
			}
			c.holds(t, who.user)
		})
	}
	t.Run("a WebSocket that no rule admits", func(t *testing.T) {
		res := speak(t, "GET /account/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
		if res.StatusCode != 401 || c.last() != nil {
			t.Errorf("%s", res.Status)
		}
	})
}
