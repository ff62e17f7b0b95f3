package notice

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// A receiver that hangs on everything holds up nobody: the others are told all, while it is told as much as it has slots.
func TestSlowReceiver(t *testing.T) {
	const events = 2*batchSize + 1
	told, hanging, release := make(chan int64, events), make(chan int64, events), make(chan bool)
	slow := &hook{name: "slow", do: func(n *Notice) error { hanging <- n.ID; <-release; return nil }}
	fast := &hook{name: "fast", do: func(n *Notice) error { told <- n.ID; return nil }}
	w := newWorld(t, func(o *Options) { o.Sinks, o.Mailer = []Sink{slow, fast}, nil })
	w.write(func(tx *store.Tx) error {
		for i := range events {
			e := &UserRegistered{}
			e.User.Username = fmt.Sprint("user", i) // each about another
			if err := w.Emit(tx, e); err != nil {
				return err
			}
		}
		return nil
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- w.Deliver(ctx) }()
	for range events {
		<-told
	}
	if n := len(hanging); n > atOnce {
		t.Errorf("%d at once, want no more than %d", n, atOnce)
	}
	close(release)
	for range events {
		<-hanging
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// What is due is found by the index of its receiver, however much waits for others.
func TestLanePlan(t *testing.T) {
	w := newWorld(t)
	l := w.lanes[mailSink]
	for _, plan := range []string{
		storetest.Plan(t, w.store, l.nextQuery(), "mail"),
		storetest.Plan(t, w.store, l.dueQuery(), "mail", 0, 1),
	} {
		if !strings.Contains(plan, "SEARCH outbox USING") || !strings.Contains(plan, "INDEX outbox_due (sink=?") ||
			!strings.Contains(plan, "INDEX outbox_subject (sink=? AND subject=?") || strings.Contains(plan, "SCAN") || strings.Contains(plan, "TEMP B-TREE") {
			t.Errorf("plan:\n%s", plan)
		}
	}
}
