package rest_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/api/rest"
)

// order has clients queue up behind a slot that is taken, and returns the order in which they are served.
func order(t *testing.T, queue int, addresses ...string) (served []string, refused int) {
	t.Helper()
	f := rest.NewFair(1, queue, time.Minute)
	release, err := f.Acquire(t.Context(), rest.ClientOf("192.0.2.99"))
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, address := range addresses {
		queued := f.Queued()
		all.Go(func() {
			release, err := f.Acquire(t.Context(), rest.ClientOf(address))
			mu.Lock()
			if err != nil {
				refused++
			} else {
				served = append(served, address)
			}
			mu.Unlock()
			if err == nil {
				release()
			}
		})
		for f.Queued() == queued && queued < queue { // one after the other
			time.Sleep(100 * time.Microsecond)
		}
	}
	time.Sleep(10 * time.Millisecond)
	release()
	all.Wait()
	return served, refused
}

func TestFairShare(t *testing.T) {
	var many []string
	for range 20 {
		many = append(many, "192.0.2.1")
	}
	served, _ := order(t, 100, append(many, "192.0.2.2", "2001:db8::1")...)
	for i, who := range served {
		if who != "192.0.2.1" && i > 3 {
			t.Errorf("%s had one request and was served as number %d", who, i+1)
		}
	}
	// 40 /64s of one /48 have the share of eight clients.
	many = nil
	for i := range 40 {
		many = append(many, fmt.Sprintf("2001:db8:1:%x::1", i))
	}
	served, _ = order(t, 100, append(many, "192.0.2.2", "192.0.2.2")...)
	var at []int
	for i, who := range served {
		if who == "192.0.2.2" {
			at = append(at, i)
		}
	}
	if at[0] > 9 || at[1] > 18 {
		t.Errorf("two requests beside a /48 were served as numbers %v", at)
	}
}

// When the queue is full, whoever has the most in it gives way.
func TestFairQueueIsBounded(t *testing.T) {
	var many []string
	for range 10 {
		many = append(many, "192.0.2.1")
	}
	served, refused := order(t, 10, append(many, "192.0.2.2")...)
	found := false
	for _, who := range served {
		found = found || who == "192.0.2.2"
	}
	if !found || refused != 1 {
		t.Errorf("served %v, %d refused", served, refused)
	}
}

func TestFairWaitEnds(t *testing.T) {
	f := rest.NewFair(1, 10, 20*time.Millisecond)
	client := rest.ClientOf("192.0.2.1")
	release, err := f.Acquire(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Acquire(t.Context(), client); err == nil {
		t.Error("two have the one slot")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Acquire(ctx, client); err != context.Canceled {
		t.Errorf("who went away: %v", err)
	}
	release()
	if release, err = f.Acquire(t.Context(), client); err != nil {
		t.Fatalf("the slot is lost: %v", err)
	}
	release()
	var all sync.WaitGroup // nothing is lost or given twice while many come and go
	for i := range 200 {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%7)*time.Millisecond)
			defer cancel()
			if release, err := f.Acquire(ctx, rest.ClientOf(fmt.Sprintf("192.0.2.%d", i%5))); err == nil {
				time.Sleep(time.Millisecond)
				release()
			}
		})
	}
	all.Wait()
	if release, err = f.Acquire(t.Context(), client); err != nil {
		t.Fatalf("the slot is lost: %v", err)
	}
	release()
	if n := f.Remembered(); n != 0 {
		t.Errorf("%d clients are kept when nobody waits", n)
	}
}
