package notice

import (
	"context"
	"fmt"
	"net/http"
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
	for query, args := range map[string][]any{selectRuns: {"[1]", 1}, nextTurns: {0, 0, `[["mail","x"]]`}, queueRevived: {0, "[1]"}} {
		plan := storetest.Plan(t, w.store, query, args...)
		for line := range strings.Lines(plan) {
			if strings.Contains(line, "SCAN") && !strings.Contains(line, "VIRTUAL TABLE") && !strings.Contains(line, "SCAN first") || strings.Contains(line, "outbox_subject") && !strings.Contains(line, "subject=?") {
				t.Errorf("%s of\n%s", line, plan)
			}
		}
	}
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

// An order of any length makes a notice of some length: the first lines, and how many there are more.
func TestLongOrder(t *testing.T) {
	w, _, posts := newReceiver(t, func(http.ResponseWriter, *http.Request) {})
	var lines List[Transaction]
	for i := range maxLines + 42 {
		lines = append(lines, Transaction{Description: fmt.Sprint("line ", i)})
	}
	w.emit(&OrderExecuted{Profile: Profile{ID: w.acme}, InvoicedItems: lines})
	w.emit(&OrderExecuted{Profile: Profile{ID: w.acme}, InvoicedItems: lines[:maxLines]})
	w.emit(&UserContact{Provider: Profile{ID: w.hub}, Detail: List[[2]string]{{"Message", strings.Repeat("x", maxPosted)}}})
	w.deliver()
	if len(posts.all()) != 2 {
		t.Fatalf("%d posts", len(posts.all()))
	}
	long, short := posts.all()[0], posts.all()[1]
	if n := strings.Count(long.body, `"line `); n != maxLines || long.header.Get("Tollgate-Omitted") != "42" || short.header["Tollgate-Omitted"] != nil {
		t.Errorf("%d lines, %v, %v", n, long.header, short.header)
	}
	if rows := w.outbox(); rows[2].Dead.IsZero() || !strings.Contains(rows[2].Error, "more than") {
		t.Errorf("a body of %d bytes: %s", len(rows[2].Payload), rows[2].Error)
	}
	w = newWorld(t)
	w.emit(&OrderExecuted{Profile: Profile{ID: w.acme}, InvoicedItems: lines})
	w.deliver()
	if m := w.mails.Sent()[0]; !strings.Contains(m.Text, "\nand 42 more\n") || !strings.Contains(m.HTML, "and 42 more") {
		t.Errorf("the mail does not say how many more:\n%s", m.Text[len(m.Text)-200:])
	}
}
