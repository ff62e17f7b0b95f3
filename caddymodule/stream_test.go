package caddymodule

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/fcgi"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/store"
)

// secure is where the site of these tests listens with TLS, for all versions of HTTP.
const secure = "https://localhost:9443"

// streamUpstream is an application whose answers never end: a WebSocket that echoes, events, a download, and the end of an upload.
func streamUpstream(t testing.TB) string {
	drip := func(w http.ResponseWriter, r *http.Request, kind string) {
		w.Header().Set("Content-Type", kind)
		line := "data: " + strings.Repeat("x", 8<<10) + "\n\n" // more than buffers hold
		for {
			if _, err := io.WriteString(w, line); err != nil || http.NewResponseController(w).Flush() != nil {
				return
			}
			select {
			case <-r.Context().Done():
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	u := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/websocket"):
			w.Header().Set("Connection", "Upgrade")
			w.Header().Set("Upgrade", "websocket")
			w.WriteHeader(http.StatusSwitchingProtocols)
			conn, both, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			defer conn.Close()
			_, _ = io.Copy(conn, both)
		case strings.HasSuffix(r.URL.Path, "/events"):
			drip(w, r, "text/event-stream")
		case strings.HasSuffix(r.URL.Path, "/quiet"): // sends its header, and nothing any more
			w.Header().Set("Content-Type", "text/event-stream")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		case strings.HasSuffix(r.URL.Path, "/ticks"): // a little now and then
			w.Header().Set("Content-Type", "text/event-stream")
			for r.Context().Err() == nil {
				_, _ = io.WriteString(w, "data: tick\n\n")
				_ = http.NewResponseController(w).Flush()
				select {
				case <-r.Context().Done():
				case <-time.After(250 * time.Millisecond):
				}
			}
		case strings.HasSuffix(r.URL.Path, "/bulk"): // as fast as its client reads
			w.Header().Set("Content-Length", "1000000000")
			block := make([]byte, 32<<10)
			for {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		case strings.HasSuffix(r.URL.Path, "/download"):
			w.Header().Set("Content-Length", "1000000000")
			drip(w, r, "application/octet-stream")
		case strings.HasSuffix(r.URL.Path, "/upload"):
			_, err := io.Copy(io.Discard, r.Body)
			fmt.Fprint(w, "all of it: ", err)
		default:
			fmt.Fprint(w, "ok")
		}
	}))
	u.Config.SetKeepAlivesEnabled(false)
	u.Start()
	t.Cleanup(func() {
		u.CloseClientConnections()
		u.Close()
	})
	l, err := net.Listen("tcp", "127.0.0.1:9191")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	silent := make(chan struct{})
	t.Cleanup(func() { close(silent) })
	go func() {
		_ = fcgi.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !strings.HasSuffix(r.URL.Path, "/silent") {
				drip(w, r, "text/event-stream")
				return
			}
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, strings.Repeat("x", 100<<10)) // what buffers hold, and no more
			<-silent
		}))
	}()
	return strings.TrimPrefix(u.URL, "http://")
}

// streamSite is a site with TLS in front of it, whose gate has these rules behind that of the demo.
func streamSite(t testing.TB, rules string) *site {
	dir := t.TempDir()
	big, err := os.Create(filepath.Join(dir, "big.bin"))
	if err == nil {
		err = big.Truncate(1 << 36)
	}
	if err != nil {
		t.Fatal(err)
	}
	big.Close()
	s := &site{t: t, dir: dir}
	upstream := streamUpstream(t)
	s.text = func(rules string) string {
		return fmt.Sprintf(`{
	admin localhost:2999
	storage file_system %[1]s
	local_certs
	skip_install_trust
	https_port 9443
	auto_https disable_redirects
	grace_period 1s
	servers {
		timeouts {
			read_body_idle 10m
		}
	}
	tollgate {
		url %[3]s
		broker cowork "Cowork" hello@cowork.example
		store %[1]s/tollgate.db
		min_length 4
		demo
	}
}

http://127.0.0.1:9080, https://localhost:9443 {
	tollgate_api
	tollgate {
		rule /app/{profile}/ {
			direct contributor weak
			subscribed premium
		}
		%[4]s
	}
	@file path */file
	handle @file {
		root * %[1]s
		rewrite * /big.bin
		file_server
	}
	@fastcgi path */fastcgi */silent
	handle @fastcgi {
		reverse_proxy 127.0.0.1:9191 {
			transport fastcgi
		}
	}
	handle {
		reverse_proxy %[2]s
	}
}
`, dir, upstream, base, rules)
	}
	s.run(s.text(rules))
	return s
}

// A speaker speaks one version of HTTP, with a connection for each fifty streams, as servers allow no more.
type speaker struct {
	version string
	mu      sync.Mutex
	used    int
	tripper http.RoundTripper
	all     []http.RoundTripper
}

var insecure = &tls.Config{InsecureSkipVerify: true}

func (c *speaker) transport() http.RoundTripper {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.used%50 == 0 {
		switch c.version {
		case "HTTP/1.1":
			c.tripper = &http.Transport{TLSClientConfig: insecure.Clone(), TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}
		case "HTTP/2":
			c.tripper = &http.Transport{TLSClientConfig: insecure.Clone(), ForceAttemptHTTP2: true}
		default:
			c.tripper = &http3.Transport{TLSClientConfig: insecure.Clone()}
		}
		c.all = append(c.all, c.tripper)
	}
	c.used++
	return c.tripper
}

func (c *speaker) close() {
	for _, t := range c.all {
		switch t := t.(type) {
		case *http3.Transport:
			t.Close()
		case interface{ CloseIdleConnections() }:
			t.CloseIdleConnections()
		}
	}
}

// flow is a stream as its client sees it.
type flow struct {
	name  string
	err   error
	at    time.Time
	ended chan struct{}
	hurry atomic.Bool // to read what has been sent
	stop  func()
}

// open begins a stream, and returns when its first byte has come; an upload has none.
func (c *speaker) open(t testing.TB, kind, path, as string) *flow {
	t.Helper()
	f := &flow{name: c.version + " " + kind, ended: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	f.stop = cancel
	method, in, out := http.MethodGet, io.Reader(nil), (*io.PipeWriter)(nil)
	if kind == "upload" {
		method = http.MethodPost
		in, out = io.Pipe()
	}
	if kind == "websocket" && c.version != "HTTP/1.1" {
		method = http.MethodConnect
		in, out = io.Pipe()
	}
	if out != nil {
		f.stop = func() { // who waits for more to send does not look whether it is cancelled
			cancel()
			out.CloseWithError(context.Canceled)
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, secure+path+"/"+kind, in)
	if err != nil {
		t.Fatal(err)
	}
	name, value, _ := strings.Cut(as, ": ")
	r.Header.Set(name, value)
	if kind == "websocket" {
		switch c.version {
		case "HTTP/1.1":
			r.Header.Set("Connection", "Upgrade")
			r.Header.Set("Upgrade", "websocket")
		case "HTTP/2":
			r.Header[":protocol"] = []string{"websocket"}
		default:
			r.Proto = "websocket"
		}
		r.Header.Set("Sec-WebSocket-Version", "13")
		r.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	}
	began := make(chan error, 1)
	go func() {
		f.err = f.run(c.transport(), r, kind, out, began)
		f.at = time.Now()
		close(f.ended)
	}()
	select {
	case err := <-began:
		if err != nil {
			t.Fatalf("%s: %v", f.name, err)
		}
	case <-time.After(30 * time.Second):
		t.Fatalf("%s does not begin", f.name)
	}
	return f
}

func (f *flow) run(tripper http.RoundTripper, r *http.Request, kind string, out *io.PipeWriter, began chan error) error {
	send := func(w io.Writer) {
		for n := 0; n < 2 || kind == "upload"; n++ { // whoever writes to a tunnel meets the reset in place of its reader
			if _, err := io.WriteString(w, "some of it"); err != nil {
				return
			}
			if n == 1 && kind == "upload" {
				began <- nil
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	if out != nil {
		go send(out)
	}
	res, err := tripper.RoundTrip(r)
	if err != nil {
		began <- err
		return err
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 || kind == "upload" {
		b, _ := io.ReadAll(res.Body)
		err := fmt.Errorf("answered %d %s", res.StatusCode, b)
		began <- err
		return err
	}
	if w, ok := res.Body.(io.Writer); ok && kind == "websocket" && out == nil {
		go send(w)
	}
	buf := make([]byte, 16<<10)
	for first := true; ; first = false {
		if first && kind == "quiet" {
			began <- nil
		}
		_, err := res.Body.Read(buf)
		if first && kind != "quiet" {
			began <- err
		}
		if err != nil {
			return err
		}
		if kind == "file" && !f.hurry.Load() {
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// reset reports whether a stream ended by a reset, as its client sees it: neither with an answer nor with the end of one.
func (f *flow) reset() bool {
	switch {
	case f.err == nil, f.err == io.EOF, strings.HasPrefix(f.err.Error(), "answered"):
		return false
	case strings.HasPrefix(f.name, "HTTP/1.1"):
		return errors.Is(f.err, syscall.ECONNRESET) || errors.Is(f.err, syscall.EPIPE) || errors.Is(f.err, net.ErrClosed) // its writing met it first
	}
	return true
}

// speakers are those of the three versions.
func speakers(t testing.TB) []*speaker {
	list := []*speaker{{version: "HTTP/1.1"}, {version: "HTTP/2"}, {version: "HTTP/3"}}
	t.Cleanup(func() {
		for _, c := range list {
			c.close()
		}
	})
	return list
}

var streamKinds = []string{"websocket", "events", "quiet", "download", "file", "fastcgi", "silent", "upload"}

// openAll opens a stream of each kind over each version.
func openAll(t testing.TB, list []*speaker, path, as string) (flows []*flow) {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, c := range list {
		for _, kind := range streamKinds {
			if kind == "websocket" && c.version == "HTTP/2" {
				continue // neither Caddy nor the client speaks it, unless the environment says so
			}
			wg.Go(func() {
				f := c.open(t, kind, path, as)
				mu.Lock()
				defer mu.Unlock()
				flows = append(flows, f)
			})
		}
	}
	wg.Wait()
	t.Cleanup(func() {
		for _, f := range flows {
			f.stop()
		}
	})
	return flows
}

// lateness says how late timers of this process have been since it was called, all in all: what the machine has kept it waiting for.
func lateness() (stop func() time.Duration) {
	var late atomic.Int64
	done := make(chan struct{})
	go func() {
		for last := time.Now(); ; {
			select {
			case <-done:
				return
			case <-time.After(10 * time.Millisecond):
				late.Add(int64(time.Since(last) - 10*time.Millisecond))
				last = time.Now()
			}
		}
	}()
	return func() time.Duration {
		close(done)
		return time.Duration(late.Load())
	}
}

// wantEnded requires that all have been reset within a second, and what the machine was late by, and prints how long it took.
func wantEnded(t testing.TB, flows []*flow, since time.Time) {
	t.Helper()
	stop := lateness()
	took := make([]time.Duration, 0, len(flows))
	clean := map[string]error{}
	open := map[string]int{}
	for _, f := range flows {
		f.hurry.Store(true)
	}
	for _, f := range flows {
		select {
		case <-f.ended:
		case <-time.After(max(100*time.Millisecond, time.Until(since.Add(10*time.Second)))):
			open[f.name]++
			continue
		}
		took = append(took, f.at.Sub(since))
		if !f.reset() {
			clean[f.name] = f.err
		}
	}
	if len(open) > 0 {
		t.Errorf("still open after 10 s: %v", open)
	}
	if len(clean) > 0 {
		t.Errorf("not ended by a reset: %v", clean)
	}
	slices.Sort(took)
	if wait := stop(); len(took) > 0 && took[len(took)-1] > time.Second+wait {
		t.Errorf("the last took %s, of which the machine was late by %s", took[len(took)-1], wait)
	}
	if len(took) > 0 {
		t.Logf("%d streams closed, half of them within %s, the last after %s", len(took), took[len(took)/2].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond))
	}
}

// wantOpen requires that all run on.
func wantOpen(t testing.TB, flows []*flow) {
	t.Helper()
	for _, f := range flows {
		select {
		case <-f.ended:
			t.Errorf("%s of somebody else ended: %v", f.name, f.err)
		default:
		}
	}
}

// TestStreamsEndWithAccess ends the access of a caller in each way, while streams of all kinds are open over all versions of HTTP:
// they are reset within a second, and those of others run on.
func TestStreamsEndWithAccess(t *testing.T) {
	defer ahead.Store(0)
	s := streamSite(t, "")
	app, donny, list := runningApp(t), s.login("donny"), speakers(t)
	other := s.register("other")
	s.subscribe("other", other)
	others := openAll(t, list, "/app/other", other)
	ended := func(t *testing.T, path, as string, cause func()) {
		t.Helper()
		flows := openAll(t, list, path, as)
		time.Sleep(3 * takeEvery * lookEvery) // the keeper has them
		wantOpen(t, flows)
		since := time.Now()
		cause()
		wantEnded(t, flows, since)
		wantOpen(t, others)
	}
	subscribed := func(name string) string {
		as := s.register(name)
		s.subscribe(name, as)
		return as
	}
	for _, test := range []struct {
		cause string
		run   func(t *testing.T)
	}{
		{"log-out", func(t *testing.T) {
			ann := subscribed("ann")
			ended(t, "/app/ann", ann, func() { s.must(204, "DELETE", "/api/auth/tokens", nil, ann) })
		}},
		{"role removed", func(t *testing.T) {
			ben, bob := subscribed("ben"), s.register("bob")
			s.must(201, "POST", "/api/profile/ben/roles/contributor", map[string]any{"slug": "bob"}, ben)
			acceptRole(s, "bob", bob)
			ended(t, "/app/ben", bob, func() { s.must(204, "DELETE", "/api/profile/ben/roles/contributor/bob", nil, ben) })
		}},
		{"subscription ended by its provider", func(t *testing.T) {
			cid := subscribed("cid")
			ended(t, "/app/cid", cid, func() {
				s.must(200, "PATCH", "/api/profile/cowork/plans/premium/subscriptions/cid", map[string]any{"ends_at": "2020-01-01T00:00:00Z"}, donny)
			})
		}},
		{"user deactivated", func(t *testing.T) {
			eve := subscribed("eve")
			ended(t, "/app/eve", eve, func() {
				if err := app.service.Users().Disable(context.Background(), "eve"); err != nil {
					t.Fatal(err)
				}
			})
		}},
		{"API key revoked", func(t *testing.T) {
			dan := subscribed("dan")
			key := s.must(201, "POST", "/api/users/dan/api-keys", map[string]any{"password": "yoyo"}, dan).json(t)["secret"].(string)
			id := s.must(200, "GET", "/api/users/dan/api-keys", nil, dan).json(t)["results"].([]any)[0].(map[string]any)["api_pub_key"].(string)
			ended(t, "/app/dan", "Authorization: Bearer "+key, func() {
				s.must(200, "POST", "/api/users/dan/api-keys/"+id, map[string]any{"password": "yoyo"}, dan)
			})
		}},
		{"rules changed by the API", func(t *testing.T) {
			dora := s.register("dora")
			s.must(201, "POST", "/api/proxy/rules", map[string]any{"path": "/ruled/{profile}/", "allow": "3"}, donny)
			ended(t, "/ruled/dora", dora, func() {
				s.must(200, "PATCH", "/api/proxy/rules/ruled/%7Bprofile%7D/", map[string]any{"allow": "15/{\"plan\": \"premium\"}"}, donny)
			})
		}},
		{"end of the subscription", func(t *testing.T) {
			fay := subscribed("fay")
			end := now().AddDate(0, 0, 2).UTC().Format("2006-01-02T15:04:05Z")
			s.must(200, "PATCH", "/api/profile/cowork/plans/premium/subscriptions/fay", map[string]any{"ends_at": end}, donny)
			ended(t, "/app/fay", fay, func() { ahead.Store(int64(3 * 24 * time.Hour)) })
		}},
		{"written by another process", func(t *testing.T) {
			gil := subscribed("gil")
			db, err := store.Open(context.Background(), store.Options{Path: filepath.Join(s.dir, "tollgate.db"), Now: now, Logger: zap.NewNop()})
			if err == nil {
				err = db.Migrate(context.Background())
			}
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			ended(t, "/app/gil", gil, func() {
				err := db.Write(context.Background(), func(tx *store.Tx) error {
					_, err := tx.Exec(`UPDATE user SET is_active = 0 WHERE username = 'gil'`)
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
			})
		}},
	} {
		t.Run(test.cause, test.run)
	}
}

// TestStreamsAreKept leaves what a rule with `streams keep` has admitted alone, whatever becomes of its caller.
func TestStreamsAreKept(t *testing.T) {
	s := streamSite(t, `rule /kept/{profile}/ {
			direct contributor weak
			streams keep
		}
		rule /ended/{profile}/ direct contributor weak`)
	list, kim := speakers(t), s.register("kim")
	s.subscribe("kim", kim)
	kept, others := openAll(t, list, "/kept/kim", kim), openAll(t, list, "/app/kim", kim)
	// It is for what stands behind the script as well, whose rule keeps nothing.
	both, err := openRaw("ticks", "/kept/kim/x.php/ended/kim", kim)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { both.conn.Close() })
	time.Sleep(3 * takeEvery * lookEvery)
	s.must(204, "DELETE", "/api/auth/tokens", nil, kim)
	wantEnded(t, others, time.Now())
	wantAllClosed(t, []*rawStream{both}, time.Now())
	time.Sleep(time.Second)
	wantOpen(t, kept)
	s.must(401, "GET", "/kept/kim/", nil, kim)
}

// TestStreamsOfAnEarlierConfiguration has the gate of the configuration at hand decide on what an earlier one has admitted: it runs on
// through a reload, ends with the access to it, and when there is no such gate any more.
func TestStreamsOfAnEarlierConfiguration(t *testing.T) {
	s := streamSite(t, "")
	long := func(text string) string { return strings.Replace(text, "grace_period 1s", "grace_period 1m", 1) }
	load := func(text string) {
		t.Helper()
		raw, err := adapt(text)
		if err == nil {
			err = post(raw)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	load(long(s.text("rule /first/ any")))
	key := func(name string) string {
		as := s.register(name)
		s.subscribe(name, as)
		return as
	}
	ann, ben := key("ann"), key("ben")
	of := func(name, as string) (flows []*rawStream) {
		for _, kind := range []string{"ticks", "bulk", "ticks", "bulk"} { // Caddy itself closes WebSockets when it reloads
			f, err := openRaw(kind, "/app/"+name, as)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { f.conn.Close() })
			flows = append(flows, f)
		}
		return flows
	}
	first, second := of("ann", ann), of("ben", ben)
	load(long(s.text("rule /second/ any")))
	time.Sleep(time.Second)
	wantRunning(t, first)
	s.must(204, "DELETE", "/api/auth/tokens", nil, ann)
	wantAllClosed(t, first, time.Now())
	wantRunning(t, second)
	load(long(strings.Replace(s.text(""), "\ttollgate {\n\t\trule", "\ttollgate desk {\n\t\trule", 1)))
	wantAllClosed(t, second, time.Now())
}
