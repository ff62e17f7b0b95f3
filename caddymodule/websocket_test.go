package caddymodule

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

//lint:file-ignore SA1019 the client of net/http sends no :protocol, without which there is no WebSocket over HTTP/2

// TestWebSocketHTTP2 judges a WebSocket over HTTP/2 (RFC 8441) as any handshake, and resets it within a second when the access to it
// ends, alone on its connection (decisions 74, 119). Go offers it where GODEBUG says so when a process starts: the test runs itself in
// one, and looks first at what there is without.
func TestWebSocketHTTP2(t *testing.T) {
	const offered = "http2xconnect=1"
	if strings.Contains(os.Getenv("GODEBUG"), offered) {
		webSocketHTTP2(t)
		return
	}
	_ = post([]byte(`{"admin":{"disabled":true}}`)) // or the other process would use the Caddy of this one
	cmd := exec.Command(self(), "-test.run", "^TestWebSocketHTTP2$", "-test.v")
	cmd.Env = append(os.Environ(), "GODEBUG="+offered)
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestWebSocketHTTP2 ")) {
		t.Errorf("with %s: %v\n%s", offered, err, out)
	}
	s := streamSite(t, "")
	if _, err := handshake(t, "/app/joe1/websocket"); err == nil || !strings.Contains(err.Error(), "extended connect not supported") {
		t.Errorf("a WebSocket over HTTP/2 without %s: %v", offered, err)
	}
	s.must(200, "GET", "/api/schema", nil) // the site goes on
}

func webSocketHTTP2(t *testing.T) {
	s := streamSite(t, "rule /any/ any\n\t\trule /wiki/ authenticated\n\t\trule /open/ {\n\t\t\tauthenticated\n\t\t\torigin any\n\t\t}")
	joe, ann := s.register("joe1"), s.register("ann")
	s.subscribe("joe1", joe)
	s.subscribe("ann", ann)
	cookie, _ := s.browser("joe1")
	const own, evil = "Origin: " + secure, "Origin: https://evil.example"
	for _, c := range []struct {
		name, path string
		headers    []string
		status     int
	}{
		{"nobody", "/app/joe1/websocket", nil, 401},
		{"somebody else", "/app/joe1/websocket", []string{ann}, 403},
		{"a path that no rule is for", "/other/websocket", []string{joe}, 403},
		{"a path that is read in several ways", "/any/%2e%2e/app/joe1/websocket", nil, 400},
		{"a bad token", "/any/websocket", []string{joe + "x"}, 401},
		{"all, by nobody", "/any/websocket", []string{evil}, 200},
		{"a token", "/app/joe1/websocket", []string{joe}, 200},
		{"a token, from another site", "/wiki/websocket", []string{joe, evil}, 200},
		{"a cookie", "/wiki/websocket", []string{cookie}, 200},
		{"a cookie, from this site", "/wiki/websocket", []string{cookie, own}, 200},
		{"a cookie, from another site", "/wiki/websocket", []string{cookie, evil}, 403},
		{"a cookie, from a sibling host", "/wiki/websocket", []string{cookie, "Sec-Fetch-Site: same-site"}, 403},
		{"a cookie, from where the rule allows", "/open/websocket", []string{cookie, evil}, 200},
		{"another protocol", "/any/websocket", []string{":protocol: connect-udp"}, 400},
	} {
		if status, err := handshake(t, c.path, c.headers...); err != nil || status != c.status {
			t.Errorf("%s: %d %v, want %d", c.name, status, err, c.status)
		}
	}

	one := &speaker{version: "HTTP/2", used: 1, tripper: &http2.Transport{TLSClientConfig: insecure.Clone()}} // one connection for all
	one.all = append(one.all, one.tripper)
	defer one.close()
	lost := []*flow{one.open(t, "websocket", "/app/joe1", joe), one.open(t, "websocket", "/any", joe)}
	others := []*flow{one.open(t, "websocket", "/app/ann", ann), one.open(t, "events", "/app/ann", ann)}
	time.Sleep(3 * takeEvery * lookEvery) // the keeper has them
	wantOpen(t, lost)
	since := time.Now()
	s.must(204, "DELETE", "/api/auth/tokens", nil, joe)
	wantEnded(t, lost, since)
	wantOpen(t, others)
	for _, f := range others {
		f.stop()
	}
	noTunnels(t)
}

// noTunnels waits until Caddy has given up the tunnels whose client is gone: to those that are there when a configuration ends it writes
// a last message beside the goroutine that writes all others, which the race detector takes for what it is.
func noTunnels(t testing.TB) {
	t.Helper()
	var stacks bytes.Buffer
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		stacks.Reset()
		_ = pprof.Lookup("goroutine").WriteTo(&stacks, 1)
		if !bytes.Contains(stacks.Bytes(), []byte("handleUpgradeResponse")) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("tunnels stay open though their client is gone")
		}
	}
}

// handshake asks for a WebSocket over HTTP/2 and returns how that is answered; what begins is ended.
func handshake(t testing.TB, path string, headers ...string) (int, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	in, out := io.Pipe()
	defer out.Close()
	r, err := http.NewRequestWithContext(ctx, http.MethodConnect, secure+path, in)
	if err != nil {
		t.Fatal(err)
	}
	r.Header[":protocol"] = []string{"websocket"}
	r.Header.Set("Sec-WebSocket-Version", "13")
	for _, h := range headers {
		at := 1 + strings.IndexByte(h[1:], ':')
		name, value := h[:at], strings.TrimSpace(h[at+1:])
		if name[0] != ':' {
			name = http.CanonicalHeaderKey(name)
		}
		r.Header[name] = []string{value}
	}
	tripper := &http2.Transport{TLSClientConfig: insecure.Clone()}
	defer tripper.CloseIdleConnections()
	res, err := tripper.RoundTrip(r)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	return res.StatusCode, nil
}
