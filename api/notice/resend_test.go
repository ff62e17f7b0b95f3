package notice

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

func (w *world) letters(state LetterState) (all []Letter) {
	w.t.Helper()
	err := w.store.Read(w.t.Context(), func(r store.Reader) (err error) {
		all, err = Letters(r, state, 10)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

// What was given up is listed, and delivered once it is sent again; what was delivered or waits is not touched by that.
func TestResend(t *testing.T) {
	h := &hook{name: "webhook a.example 1"}
	w := newWorld(t, func(o *Options) { o.Sinks = []Sink{h} })
	down := true
	w.mails.Fail = func(m *Message) error {
		if down {
			return fmt.Errorf("550: %w", ErrRefused)
		}
		return nil
	}
	w.emit(&UserRegistered{User: User{ID: w.kim}})
	w.emit(&CardUpdated{Profile: Profile{ID: w.acme}, Changes: Changes{{"last4", "1", "2"}}})
	w.about("x", "123456")
	w.deliver()
	dead := w.letters(Dead)
	if len(dead) != 3 || len(w.letters(Done)) != 2 || len(w.letters(Waiting)) != 0 {
		t.Fatalf("dead %+v", dead)
	}
	i := slices.IndexFunc(dead, func(l Letter) bool { return l.Event == "user_registered" })
	l := dead[i]
	if strings.Join(l.To, " ") != "hub@firm.example alice@example.com amy@example.com" || l.Sink != "mail" || l.Error == "" || l.DeadAt.IsZero() || l.Attempts != 1 {
		t.Errorf("%+v", l)
	}
	down = false
	if err := Resend(t.Context(), w.store, []int64{l.ID}, nil); err != nil {
		t.Fatal(err)
	}
	if waiting := w.letters(Waiting); len(waiting) != 1 || waiting[0].Attempts != 0 || waiting[0].Error != "" {
		t.Fatalf("%+v", waiting)
	}
	w.deliver()
	if mails := w.mails.Sent(); len(mails) != 1 || mails[0].Subject != "A user has registered for The hub" || len(w.letters(Dead)) != 2 {
		t.Errorf("%+v", mails)
	}
	if n, err := ResendDead(t.Context(), w.store, nil); n != 1 || err != nil { // not the code
		t.Errorf("%d, %v", n, err)
	}
	w.deliver()
	if mails := w.mails.Sent(); len(mails) != 1 || mails[0].Subject != "Credit card updated" || len(h.told) != 2 {
		t.Errorf("%+v, the webhook is told %d", mails, len(h.told))
	}
	code := w.letters(Dead)[0]
	for _, ids := range [][]int64{{code.ID}, {999}, {l.ID, 999}} {
		if err := Resend(t.Context(), w.store, ids, nil); err == nil || len(w.letters(Waiting)) != 0 {
			t.Errorf("%v: %v", ids, err)
		}
	}
}

// What webhooks were posted is posted again, the same with the same id; mails are not, nor what other hosts were posted, nor before.
func TestReplay(t *testing.T) {
	a, b := &hook{name: "webhook a.example 1"}, &hook{name: "webhook b.example 2"}
	w := newWorld(t, func(o *Options) { o.Sinks = []Sink{a, b} })
	w.emit(&UserRegistered{User: User{ID: w.kim}})
	w.deliver()
	w.clock.Advance(2 * hour)
	w.emit(&UserActivated{User: User{ID: w.kim}})
	w.deliver()
	w.mails.Sent()
	since := store.At(w.clock.Now().Add(-hour))
	if n, err := Replay(t.Context(), w.store, since, "a.example", nil); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	w.deliver()
	if len(a.told) != 3 || len(b.told) != 2 || a.told[2].ID != a.told[1].ID || string(a.told[2].Payload) != string(a.told[1].Payload) || len(w.mails.Sent()) != 0 {
		t.Errorf("told %+v, %+v", a.told, b.told)
	}
	if n, err := Replay(t.Context(), w.store, store.At(since.Add(-10*hour)), "", nil); n != 4 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

func TestLettersPlan(t *testing.T) {
	w := newWorld(t)
	for query, index := range map[string]string{lettersDead: "outbox_dead", lettersDone: "outbox_done", lettersWaiting: "outbox_next",
		resendDead: "outbox_dead", replay: "outbox_done"} {
		plan := storetest.Plan(t, w.store, query, make([]any, strings.Count(query, "?"))...)
		if !strings.Contains(plan, "INDEX "+index) || strings.Contains(plan, "TEMP B-TREE") {
			t.Errorf("%s\n%s", query, plan)
		}
	}
}
