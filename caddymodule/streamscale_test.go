package caddymodule

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/store"
)

// manyStreams is how many streams of somebody are open at a time in the tests that count on many: few, or as many as the environment
// says.
func manyStreams() int {
	if n, err := strconv.Atoi(os.Getenv("TOLLGATE_STREAMS")); err == nil {
		return n
	}
	return 30
}

// A rawStream is a stream over a connection of its own, at the least cost to its client, which shares the machine with the server.
type rawStream struct {
	kind  string
	conn  *net.TCPConn
	ended chan struct{}
	at    time.Time // when its client saw the end
	err   error
}

// rawKinds are a WebSocket on which nothing is said, an event stream, and a download that its client reads slowly.
var rawKinds = []string{"websocket", "ticks", "bulk"}

// openRaw begins a stream over HTTP/1.1, and returns when its header has come.
func openRaw(kind, path, as string) (*rawStream, error) {
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		return nil, err
	}
	f := &rawStream{kind: kind, conn: conn.(*net.TCPConn), ended: make(chan struct{})}
	_ = f.conn.SetReadBuffer(16 << 10)
	upgrade := ""
	if kind == "websocket" {
		upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	}
	fmt.Fprintf(conn, "GET %s/%s HTTP/1.1\r\nHost: 127.0.0.1:9080\r\n%s\r\n%s\r\n", path, kind, as, upgrade)
	_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	res, err := http.ReadResponse(bufio.NewReaderSize(conn, 512), nil)
	if err != nil {
		conn.Close()
		return nil, err
	}
	if res.StatusCode != 200 && res.StatusCode != 101 {
		body, _ := io.ReadAll(res.Body)
		conn.Close()
		return nil, fmt.Errorf("%s: %d %s", path, res.StatusCode, body)
	}
	_ = conn.SetReadDeadline(time.Time{})
	go f.read()
	return f, nil
}

// read reads until the end. Of a download it reads little at a time, and asks the system for a reset that came behind what waits.
func (f *rawStream) read() {
	buf := make([]byte, 4<<10)
	for f.err == nil {
		_, f.err = f.conn.Read(buf)
		if f.kind != "bulk" || f.err != nil {
			continue
		}
		time.Sleep(50 * time.Millisecond)
		if raw, err := f.conn.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) {
				if code, err := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ERROR); err == nil && code != 0 {
					f.err = syscall.Errno(code)
				}
			})
		}
	}
	f.at = time.Now()
	close(f.ended)
}

// openMany opens n streams of all three kinds.
func openMany(t testing.TB, n int, path, as string) []*rawStream {
	t.Helper()
	flows := make([]*rawStream, n)
	var wg sync.WaitGroup
	var next atomic.Int64
	for range min(n, 32) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				var err error
				if flows[i], err = openRaw(rawKinds[i%len(rawKinds)], path, as); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	t.Cleanup(func() {
		for _, f := range flows {
			if f != nil {
				f.conn.Close()
			}
		}
	})
	if t.Failed() {
		t.FailNow()
	}
	return flows
}

// wantAllClosed requires that each has been closed by a reset within a second, and what the machine was late by, and prints how long it
// took.
func wantAllClosed(t testing.TB, flows []*rawStream, since time.Time) {
	t.Helper()
	stop := lateness()
	took := make([]time.Duration, 0, len(flows))
	open, clean := map[string]int{}, map[string]error{}
	for _, f := range flows {
		select {
		case <-f.ended:
		case <-time.After(max(0, time.Until(since.Add(20*time.Second)))):
			open[f.kind]++
			continue
		}
		took = append(took, f.at.Sub(since))
		if f.err == io.EOF {
			clean[f.kind] = f.err
		}
	}
	wait := stop()
	if len(open) > 0 || len(clean) > 0 {
		t.Errorf("of %d streams, still open after 20 s: %v; not ended by a reset: %v", len(flows), open, clean)
	}
	slices.Sort(took)
	n := len(took)
	if n == 0 {
		return
	}
	within, _ := slices.BinarySearch(took, time.Second)
	t.Logf("%d of %d closed within a second, half of them within %s, the last after %s; the machine was late by %s", within, len(flows),
		took[n/2].Round(time.Millisecond), took[n-1].Round(time.Millisecond), wait.Round(time.Millisecond))
	if took[n-1] > time.Second+wait {
		t.Errorf("the last of %d took %s, of which the machine was late by %s", n, took[n-1], wait)
	}
}

// wantRunning requires that none has ended.
func wantRunning(t testing.TB, flows []*rawStream) {
	t.Helper()
	for _, f := range flows {
		select {
		case <-f.ended:
			t.Fatalf("%s ended: %v", f.kind, f.err)
		default:
		}
	}
}

// TestManyStreamsEndWithAccess has many streams of a caller open when the access to them ends, for each cause: all of them are closed
// within a second of the moment at which the cause was acknowledged, and none of somebody else's. TOLLGATE_STREAMS is how many.
func TestManyStreamsEndWithAccess(t *testing.T) {
	defer ahead.Store(0)
	s := streamSite(t, "")
	donny := s.login("donny")
	other := s.register("other")
	s.subscribe("other", other)
	key := s.must(201, "POST", "/api/users/other/api-keys", map[string]any{"password": "yoyo"}, other).json(t)["secret"].(string)
	others := openMany(t, 30, "/app/other", "Authorization: Bearer "+key) // which has no end
	ended := func(t *testing.T, path, as string, cause func()) {
		t.Helper()
		began := time.Now()
		flows := openMany(t, manyStreams(), path, as)
		t.Logf("%d opened in %s", len(flows), time.Since(began).Round(time.Millisecond))
		time.Sleep(3 * takeEvery * lookEvery)
		cause()
		wantAllClosed(t, flows, time.Now())
		wantRunning(t, others)
	}
	subscribed := func(name string) string {
		as := s.register(name)
		s.subscribe(name, as)
		return as
	}
	t.Run("token deleted", func(t *testing.T) {
		ann := subscribed("ann")
		ended(t, "/app/ann", ann, func() { s.must(204, "DELETE", "/api/auth/tokens", nil, ann) })
	})
	t.Run("role removed", func(t *testing.T) {
		ben, bob := subscribed("ben"), s.register("bob")
		s.must(201, "POST", "/api/profile/ben/roles/contributor", map[string]any{"slug": "bob"}, ben)
		acceptRole(s, "bob", bob)
		ended(t, "/app/ben", bob, func() { s.must(204, "DELETE", "/api/profile/ben/roles/contributor/bob", nil, ben) })
	})
	t.Run("subscription ended", func(t *testing.T) {
		cid := subscribed("cid")
		ended(t, "/app/cid", cid, func() {
			s.must(200, "PATCH", "/api/profile/cowork/plans/premium/subscriptions/cid", map[string]any{"ends_at": "2020-01-01T00:00:00Z"}, donny)
		})
	})
	t.Run("rules changed", func(t *testing.T) {
		dan := s.register("dan")
		s.must(201, "POST", "/api/proxy/rules", map[string]any{"path": "/ruled/{profile}/", "allow": "3"}, donny)
		ended(t, "/ruled/dan", dan, func() { s.must(204, "DELETE", "/api/proxy/rules/ruled/%7Bprofile%7D/", nil, donny) })
	})
	t.Run("written by another process", func(t *testing.T) {
		eve := subscribed("eve")
		db, err := store.Open(context.Background(), store.Options{Path: filepath.Join(s.dir, "tollgate.db"), Now: now, Logger: zap.NewNop()})
		if err == nil {
			err = db.Migrate(context.Background())
		}
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		ended(t, "/app/eve", eve, func() {
			err := db.Write(context.Background(), func(tx *store.Tx) error {
				_, err := tx.Exec(`UPDATE user SET is_active = 0 WHERE username = 'eve'`)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	})
	t.Run("end of the subscription", func(t *testing.T) {
		fay := subscribed("fay")
		end := now().AddDate(0, 0, 2).UTC().Format("2006-01-02T15:04:05Z")
		s.must(200, "PATCH", "/api/profile/cowork/plans/premium/subscriptions/fay", map[string]any{"ends_at": end}, donny)
		ended(t, "/app/fay", fay, func() { ahead.Add(int64(3 * 24 * time.Hour)) })
	})
	t.Run("end of the token", func(t *testing.T) {
		gil := subscribed("gil")
		ended(t, "/app/gil", gil, func() { ahead.Add(int64(15 * 24 * time.Hour)) })
	})
}

// TestStreamMemory holds what the keeper adds to a stream within 1 KB, each of which has a caller of its own: it compares streams that are
// listed with those of a rule that keeps them, which are not.
func TestStreamMemory(t *testing.T) {
	count := 2000
	if os.Getenv("TOLLGATE_STREAMS") != "" {
		count = 10_000
	}
	newSite(t, func(s *site) {
		s.gate = `rule /kept/{profile}/ {
			direct contributor weak
			subscribed premium
			streams keep
		}
		rule /app/{profile}/ {
			direct contributor weak
			subscribed premium
		}`
	})
	app, gate := runningApp(t), runningGate(t)
	crowd(t, app.site.Store, count)
	d := app.site.Directory
	tokens := make([]string, count)
	err := app.site.Store.Write(context.Background(), func(tx *store.Tx) error {
		for i := range tokens {
			session, err := d.OpenSession(tx, int64(1_000_000+i), false)
			if err != nil {
				return err
			}
			user, err := d.UserDetail(tx, session.UserID)
			if err != nil {
				return err
			}
			if tokens[i], err = d.SignToken(session, user, tx.Now()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	heap := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	for i, token := range tokens { // fills what is cached
		for _, path := range []string{"kept", "app"} {
			r := httptest.NewRequest("GET", fmt.Sprintf("/%s/crowd%d/", path, i), nil)
			caddyhttp.NewTestReplacer(r)
			r.RemoteAddr = "127.0.0.1:4000"
			r.Header.Set("Authorization", "Bearer "+token)
			next := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })
			if err := gate.ServeHTTP(httptest.NewRecorder(), r, next); err != nil {
				t.Fatal(err)
			}
		}
	}
	lasting := &app.streams.keeper.lasting
	hold := func(path string, listed int64) int64 {
		var come, gone sync.WaitGroup
		release := make(chan struct{})
		next := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
			come.Done()
			<-release
			return nil
		})
		for i := range count {
			come.Add(1)
			gone.Go(func() {
				r := httptest.NewRequest("GET", fmt.Sprintf("/%s/crowd%d/", path, i), nil)
				caddyhttp.NewTestReplacer(r)
				r.RemoteAddr = "127.0.0.1:4000"
				r.Header.Set("Authorization", strings.Join([]string{"Bearer", tokens[i]}, " ")) // in memory of its own
				w := httptest.NewRecorder()
				if err := gate.ServeHTTP(w, r, next); err != nil || w.Code != 200 {
					t.Error(err, w.Code, w.Body)
					come.Done()
				}
			})
		}
		come.Wait()
		for range 100 {
			if lasting.Load() == listed {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := lasting.Load(); n != listed {
			t.Errorf("the keeper has %d of %d", n, listed)
		}
		time.Sleep(4 * lookEvery)
		n := heap()
		close(release)
		gone.Wait()
		return n
	}
	for round := range 2 {
		kept, listed := hold("kept", 0), hold("app", int64(count))
		t.Logf("the keeper adds %d bytes to a stream", (listed-kept)/int64(count))
		for lasting.Load() > 0 {
			time.Sleep(lookEvery)
		}
		if round > 0 && listed-kept > int64(count)<<10 {
			t.Errorf("%d bytes for %d streams", listed-kept, count)
		}
	}
}
