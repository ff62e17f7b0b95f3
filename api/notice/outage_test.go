package notice

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/store"
)

// A receiver that is down for a day, and then takes each at the second try, gets all, in order, within the three days of tries.
func TestOutage(t *testing.T) {
	const subjects, each = 8, 3
	var start time.Time
	var w *world
	got, ids, refused := [subjects]int{}, map[int64]string{}, map[int64]bool{}
	h := &hook{name: "hook"}
	var mu sync.Mutex
	h.do = func(n *Notice) error {
		mu.Lock()
		defer mu.Unlock()
		if known, ok := ids[n.ID]; ok && known != string(n.Payload) {
			t.Errorf("notice %d is another one now", n.ID)
		}
		ids[n.ID] = string(n.Payload)
		if up := w.clock.Now().Sub(start) >= 24*hour; !up || !refused[n.ID] {
			refused[n.ID] = up
			return errors.New("down")
		}
		var subject, number int
		_, err := fmt.Sscanf(n.Subject, "user/s%d", &subject)
		at := strings.LastIndex(string(n.Payload), `"full_name":"`)
		if _, failed := fmt.Sscanf(string(n.Payload[at:]), `"full_name":"%d`, &number); err != nil || failed != nil {
			t.Error(err, failed)
		}
		if number != got[subject]+1 {
			t.Errorf("subject %d: %d after %d", subject, number, got[subject])
		}
		got[subject] = number
		return nil
	}
	w = newWorld(t, func(o *Options) { o.Sinks, o.Mailer = []Sink{h}, nil })
	start = w.clock.Now()
	for n := range each {
		w.write(func(tx *store.Tx) error {
			for s := range subjects {
				e := &UserRegistered{}
				e.User.Username, e.User.FullName = fmt.Sprint("s", s), strconv.Itoa(n+1)
				if err := w.Emit(tx, e); err != nil {
					return err
				}
			}
			return nil
		})
		w.deliver()
	}
	for {
		next := store.Time{}
		for _, r := range w.outbox() {
			if !r.Dead.IsZero() {
				t.Fatalf("given up: %+v", r)
			}
			if r.Done.IsZero() && (next.IsZero() || r.Next.Before(next.Time)) {
				next = r.Next
			}
		}
		if next.IsZero() {
			break
		}
		w.clock.Set(next.Time)
		w.deliver()
	}
	if len(ids) != subjects*each {
		t.Errorf("%d of %d notices were told", len(ids), subjects*each)
	}
}

const crashFile, crashURL, crashShift = "TOLLGATE_NOTICE_CRASH_FILE", "TOLLGATE_NOTICE_CRASH_URL", "TOLLGATE_NOTICE_CRASH_SHIFT"

func TestMain(m *testing.M) {
	if path := os.Getenv(crashFile); path != "" {
		fmt.Fprintln(os.Stderr, crashChild(path))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// crashChild is a process that emits events until it is killed, and delivers them meanwhile. It prints what is committed, a line each.
func crashChild(path string) error {
	ctx := context.Background()
	shift, _ := time.ParseDuration(os.Getenv(crashShift))
	now := func() time.Time { return time.Now().Add(shift) }
	s, err := store.Open(ctx, store.Options{Path: path, Now: now, Logger: zap.NewNop()})
	if err != nil {
		return err
	}
	if err := s.Migrate(ctx); err != nil {
		return err
	}
	d, err := directory.New(directory.Options{Store: s, Now: now, Broker: "hub", Secrets: directory.NewSecrets()})
	if err != nil {
		return err
	}
	sink, err := NewWebhook(WebhookOptions{URL: os.Getenv(crashURL), AllowPrivate: true, Now: now})
	if err != nil {
		return err
	}
	n, err := New(Options{Directory: d, Store: s, Now: now, Sinks: []Sink{sink}})
	if err != nil {
		return err
	}
	if err := s.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(`INSERT INTO profile (slug, created_at) VALUES ('hub', 0) ON CONFLICT DO NOTHING`)
		return err
	}); err != nil {
		return err
	}
	failed := make(chan error, 1)
	go func() { failed <- n.Deliver(ctx) }()
	emit := os.Getenv("TOLLGATE_NOTICE_CRASH_EMIT") != ""
	for i := 0; ; i++ {
		if !emit { // the last one delivers what is left
			return <-failed
		}
		e := &UserRegistered{}
		e.User.Username, e.User.FullName = fmt.Sprint("s", i%3), fmt.Sprintf("%v/%d", shift, i)
		if err := s.Write(ctx, func(tx *store.Tx) error { return n.Emit(tx, e) }); err != nil {
			return err
		}
		fmt.Println(e.User.FullName)
	}
}

// A process is killed while it emits and delivers, some times: what it committed is posted, at least once, what is posted again has the
// same id and body, and the first posts about one subject are in order.
func TestSIGKILL(t *testing.T) {
	var mu sync.Mutex
	bodies, names, last := map[string]string{}, map[string]bool{}, map[string]int64{}
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		id, body := r.Header.Get("Webhook-Id"), string(b)
		value := func(key string) string {
			_, rest, _ := strings.Cut(body, `"`+key+`":"`)
			text, _, _ := strings.Cut(rest, `"`)
			return text
		}
		if known, again := bodies[id]; again {
			if known != body {
				t.Errorf("%s has another body", id)
			}
			return
		}
		bodies[id] = body
		_, user, _ := strings.Cut(body, `"user":`)
		body = user
		names[value("full_name")] = true
		row, _ := strconv.ParseInt(id[strings.LastIndex(id, "_")+1:], 10, 64)
		if row <= last[value("username")] {
			t.Errorf("%s of %s after %d", id, value("username"), last[value("username")])
		}
		last[value("username")] = row
	}))
	defer receiver.Close()
	path := filepath.Join(t.TempDir(), "crash.db")
	var committed []string
	seen := func() (n int) {
		mu.Lock()
		defer mu.Unlock()
		for _, name := range committed {
			if names[name] {
				n++
			}
		}
		return n
	}
	const kills = 4
	for round := range kills + 1 {
		ctx, kill := context.WithCancel(t.Context()) // SIGKILL
		child := exec.CommandContext(ctx, os.Args[0])
		// The lease of the one before is over: each process lives in another hour.
		child.Env = append(os.Environ(), crashFile+"="+path, crashURL+"="+receiver.URL, crashShift+"="+(time.Duration(round)*hour).String())
		if round < kills {
			child.Env = append(child.Env, "TOLLGATE_NOTICE_CRASH_EMIT=1")
		}
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		if round < kills {
			most := 5 + rand.IntN(60)
			lines := bufio.NewScanner(out)
			for n := 0; lines.Scan(); n++ {
				committed = append(committed, lines.Text())
				if n == most {
					kill()
				}
			}
		} else {
			for end := time.Now().Add(time.Minute); seen() < len(committed) && time.Now().Before(end); {
				time.Sleep(10 * time.Millisecond)
			}
		}
		kill()
		_ = child.Wait()
	}
	if n := seen(); n != len(committed) || n < 5*kills {
		t.Errorf("%d of %d that were committed are posted", n, len(committed))
	}
}
