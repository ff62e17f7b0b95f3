package notice

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// about emits an event about a subject of its own.
func (w *world) about(address, code string) {
	w.t.Helper()
	w.emit(&UserVerification{Email: address + "@x.example", Code: code})
}

func codes(mails []Message) string {
	var all []string
	for _, m := range mails {
		at := strings.Index(m.Text, " is ")
		all = append(all, m.To[0][:1]+m.Text[at+4:at+5])
	}
	return strings.Join(all, " ")
}

// A notice that fails is tried ten times over three days; those behind it, about the same thing, wait; others do not.
func TestRetry(t *testing.T) {
	w := newWorld(t)
	failing := true
	w.mails.Fail = func(m *Message) error {
		if failing && m.To[0][0] == 'a' {
			return errors.New("down\r\nfor now")
		}
		return nil
	}
	w.about("a", "1")
	w.about("a", "2")
	w.about("b", "3")
	w.about("b", "4")
	w.deliver()
	if got := codes(w.mails.Sent()); got != "b3 b4" {
		t.Fatalf("sent %q", got)
	}
	start, tries := w.clock.Now(), 1
	for {
		rows := w.outbox()
		if !rows[0].Dead.IsZero() {
			break
		}
		if rows[0].Attempts != tries || rows[1].Attempts != 0 {
			t.Fatalf("%d and %d tries, want %d and 0", rows[0].Attempts, rows[1].Attempts, tries)
		}
		if rows[1].Next.Before(rows[0].Next.Time) {
			t.Fatalf("the one behind is looked at from %v on, before %v", rows[1].Next, rows[0].Next)
		}
		if rows[0].Error != "down for now" {
			t.Fatalf("error %q", rows[0].Error)
		}
		pause := rows[0].Next.Sub(w.clock.Now())
		if base := delays[tries-1]; pause < base || pause > base+base/4 {
			t.Fatalf("after try %d, a pause of %v, want %v and up to a quarter more", tries, pause, base)
		}
		w.clock.Set(rows[0].Next.Add(-time.Microsecond))
		w.deliver()
		if got := w.outbox()[0].Attempts; got != tries {
			t.Fatalf("try %d came too early", got)
		}
		w.clock.Set(rows[0].Next.Time)
		if tries == len(delays) { // the last try: from here on it works again, but not for the first
			w.mails.Fail = func(m *Message) error {
				if strings.Contains(m.Text, "is 1") {
					return errors.New("down")
				}
				return nil
			}
		}
		w.deliver()
		tries++
	}
	if tries != 10 || w.clock.Now().Sub(start) < 72*hour {
		t.Errorf("given up after %d tries and %v", tries, w.clock.Now().Sub(start))
	}
	if got := codes(w.mails.Sent()); got != "a2" {
		t.Errorf("after the first was given up: sent %q", got)
	}
	w.clock.Advance(1000 * hour)
	w.deliver()
	if rows := w.outbox(); rows[0].Attempts != 10 {
		t.Errorf("it is tried again: %+v", rows[0])
	}
}

func TestRefusedIsGivenUp(t *testing.T) {
	w := newWorld(t)
	w.mails.Fail = func(m *Message) error {
		if strings.Contains(m.Text, "is 1") {
			return fmt.Errorf("550: %w", ErrRefused)
		}
		return nil
	}
	w.about("a", "1")
	w.about("a", "2")
	w.deliver()
	if rows := w.outbox(); rows[0].Dead.IsZero() || rows[0].Attempts != 1 || rows[1].Done.IsZero() {
		t.Errorf("%+v", rows)
	}
}

// A panic of a receiver is the failure of one notice.
func TestPanicIsAFailure(t *testing.T) {
	w := newWorld(t)
	w.mails.Fail = func(m *Message) error {
		if m.To[0][0] == 'a' {
			panic("boom")
		}
		return nil
	}
	w.about("a", "1")
	w.about("b", "2")
	w.deliver()
	if rows := w.outbox(); rows[0].Error != "panic: boom" || rows[0].Next.Sub(w.clock.Now()) < delays[0] || rows[1].Done.IsZero() {
		t.Errorf("%+v", rows)
	}
}

// The process dies while a notice is under way: after its lease it is tried again, with the same ID, and the try that died
// counts.
func TestKilledWhileSending(t *testing.T) {
	w := newWorld(t)
	w.about("a", "1")
	w.about("a", "2")
	claimed, err := w.lanes[mailSink].claim(t.Context()) // and nothing more: as if killed, before or after the mail went out
	if err != nil || len(claimed) != 2 {
		t.Fatal(claimed, err)
	}
	w.deliver()
	if got := codes(w.mails.Sent()); got != "" {
		t.Fatalf("during the lease, sent %q", got)
	}
	w.clock.Advance(lease)
	w.deliver()
	sent := w.mails.Sent()
	if got := codes(sent); got != "a1 a2" {
		t.Fatalf("sent %q", got)
	}
	if want := fmt.Sprintf("%d.%d", claimed[0].ID, claimed[0].CreatedAt.UnixMicro()); sent[0].ID != want || sent[1].ID == want {
		t.Errorf("IDs %s and %s, want the first to be %s", sent[0].ID, sent[1].ID, want)
	}
	if rows := w.outbox(); rows[0].Attempts != 2 || rows[1].Attempts != 1 {
		t.Errorf("%+v", rows)
	}
}

// The program ends while a notice is under way: that was no try, and the next start goes on at once.
func TestStoppedWhileSending(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	slow := &hook{name: "slow", do: func(*Notice) error { stop(); return context.Canceled }}
	w := newWorld(t, func(o *Options) { o.Sinks, o.Mailer = []Sink{slow}, nil })
	w.emit(&UserRegistered{User: User{ID: w.kim}})
	if err := w.Deliver(ctx); err != nil {
		t.Fatal(err)
	}
	if rows := w.outbox(); rows[0].Attempts != 0 || rows[0].Next.After(w.clock.Now()) || rows[0].Error != "" {
		t.Errorf("%+v", rows[0])
	}
	slow.do = nil
	w.deliver()
	if len(slow.told) != 1 || slow.told[0].Attempt != 1 {
		t.Errorf("told %+v", slow.told)
	}
}

func TestUnknownSinkWaits(t *testing.T) {
	h := &hook{name: "gone"}
	var without Options
	w := newWorld(t, func(o *Options) {
		o.Mailer = nil
		without = *o
		o.Sinks = []Sink{h}
	})
	w.emit(&UserRegistered{User: User{ID: w.kim}})
	var err error
	if w.Notices, err = New(without); err != nil {
		t.Fatal(err)
	}
	w.deliver()
	if rows := w.outbox(); rows[0].Error == "" || !rows[0].Done.IsZero() || !rows[0].Dead.IsZero() {
		t.Errorf("%+v", rows[0])
	}
}

// Codes leave the database with the mail that carries them, delivered or not; other payloads stay until they are pruned.
func TestCodesAreNotKept(t *testing.T) {
	w := newWorld(t)
	w.mails.Fail = func(m *Message) error {
		if m.To[0][0] == 'b' {
			return ErrRefused
		}
		return nil
	}
	w.about("a", "123456")
	w.about("b", "123456")
	w.emit(&UserRegistered{User: User{ID: w.kim}})
	w.deliver()
	rows := w.outbox()
	if rows[0].Payload != "{}" || rows[1].Payload != "{}" || !strings.Contains(rows[2].Payload, `"event":"user_registered"`) {
		t.Errorf("%+v", rows)
	}
}

func TestJanitor(t *testing.T) {
	w := newWorld(t)
	w.mails.Fail = func(m *Message) error {
		switch m.To[0][0] {
		case 'a':
			return ErrRefused
		case 'c':
			return errors.New("down")
		}
		return nil
	}
	w.about("a", "1")
	w.about("b", "2")
	w.about("c", "3")
	w.deliver()
	for _, c := range []struct {
		after time.Duration
		left  int
	}{{keepDone, 3}, {time.Microsecond, 2}, {keepDead - keepDone - time.Microsecond, 2}, {time.Microsecond, 1}, {10000 * hour, 1}} {
		w.clock.Advance(c.after)
		if err := w.Janitor(t.Context()); err != nil {
			t.Fatal(err)
		}
		if rows := w.outbox(); len(rows) != c.left {
			t.Errorf("at %v, %d rows, want %d", w.clock.Now(), len(rows), c.left)
		}
	}
}

// The job is woken by the commit.
func TestDeliverIsWoken(t *testing.T) {
	told := make(chan string)
	h := &hook{name: "hook", do: func(n *Notice) error { told <- n.Event; return nil }}
	w := newWorld(t, func(o *Options) { o.Sinks, o.Mailer = []Sink{h}, nil })
	w.poll = hour // it does not come by otherwise
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- w.Deliver(ctx) }()
	for range 3 {
		w.emit(&UserRegistered{User: User{ID: w.kim}})
		if event := <-told; event != "user_registered" {
			t.Error(event)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// Whatever fails, panics or dies, in whatever order: each notice is delivered, at least once, and the first delivery of each
// comes after that of all before it about the same thing; nothing is delivered that was rolled back.
func TestAtLeastOnceAndInOrder(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	t.Logf("SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	var mu sync.Mutex
	flip := func(n int) int { mu.Lock(); defer mu.Unlock(); return random.IntN(n) }

	w := newWorld(t)
	const subjects, notices = 5, 60
	var (
		emitted [subjects]int
		got     [subjects]int // how many were delivered, in order
	)
	w.mails.Fail = func(m *Message) error {
		switch flip(8) {
		case 0:
			return errors.New("down")
		case 1:
			panic("boom")
		}
		i, _ := strconv.Atoi(m.To[0][:1])
		at := strings.Index(m.Text, " is ")
		n, err := strconv.Atoi(strings.Fields(m.Text[at+4:])[0])
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		switch {
		case n == got[i]+1:
			got[i]++
		case n > got[i]+1:
			t.Errorf("subject %d: notice %d came after %d", i, n, got[i])
		}
		return nil
	}
	step := func() {
		switch flip(6) {
		case 0: // killed while something is under way
			if _, err := w.lanes[mailSink].claim(t.Context()); err != nil {
				t.Fatal(err)
			}
		case 1: // killed after it was sent, before it was written down
			batch, err := w.lanes[mailSink].claim(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			_ = w.lanes[mailSink].deliverBatch(t.Context(), batch)
		default:
			w.deliver()
		}
		w.clock.Advance(time.Duration(flip(600)) * time.Second)
	}
	for range notices {
		i := flip(subjects)
		n := emitted[i] + 1
		err := w.store.Write(t.Context(), func(tx *store.Tx) error {
			if err := w.Emit(tx, &UserVerification{Email: fmt.Sprintf("%d@x.example", i), Code: strconv.Itoa(n)}); err != nil {
				return err
			}
			if flip(5) == 0 {
				return errors.New("rolled back")
			}
			return nil
		})
		if err == nil {
			emitted[i] = n
		}
		if flip(3) == 0 {
			step()
		}
	}
	for tries := 0; got != emitted; tries++ {
		if tries > 2000 {
			t.Fatalf("delivered %v of %v", got, emitted)
		}
		step()
	}
}

// Two deliverers, of two processes, share the work: nothing is lost, and what is told twice has the same ID.
func TestTwoDeliverers(t *testing.T) {
	w := newWorld(t)
	for i := range 40 {
		w.about(string(rune('a'+i%8)), "1")
	}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range 20 {
				if _, err := w.DeliverDue(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	sent := w.mails.Sent()
	ids := map[string]bool{}
	for _, m := range sent {
		ids[m.ID] = true
	}
	if len(ids) != 40 || len(sent) != 40 {
		t.Errorf("%d mails, %d different, want 40", len(sent), len(ids))
	}
}

// TestDepth counts what waits and what was given up, and reads nothing else: it is asked at every scrape of the metrics.
func TestDepth(t *testing.T) {
	w := newWorld(t)
	w.write(func(tx *store.Tx) error {
		for i, state := range []string{"NULL, NULL", "NULL, NULL", "0, NULL", "NULL, 0"} {
			if _, err := tx.Exec(`INSERT INTO outbox (created_at, event, subject, sink, recipients, payload, next_at, done_at, dead_at)
				VALUES (0, 'x', ?, 'mail', '[]', '{}', 0, `+state+`)`, i); err != nil {
				return err
			}
		}
		return nil
	})
	if waiting, dead, err := w.Depth(context.Background()); waiting != 2 || dead != 1 || err != nil {
		t.Errorf("%d wait, %d were given up, %v", waiting, dead, err)
	}
	plan := storetest.Plan(t, w.store, depth) // each index holds only what is counted
	if !strings.Contains(plan, "INDEX outbox_next") || !strings.Contains(plan, "INDEX outbox_dead") {
		t.Error(plan)
	}
}
