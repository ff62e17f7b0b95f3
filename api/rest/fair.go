package rest

import (
	"container/heap"
	"context"
	"errors"
	"sync"
	"time"
)

// Fair hands out a few slots for work that costs much. Those who wait are served so that each client gets the same share, whatever
// number of requests it has sent; all clients of a /48 get the share of eight (decision 77). Its queue is bounded: when it is full, the
// one gives way whose client has the most in it.
type Fair struct {
	queue int
	wait  time.Duration

	mu     sync.Mutex
	free   int
	served int64           // the turn of whom was served last
	came   int64           // how many have waited
	last   map[string]*tag // of clients, and of their /48s, that have somebody in the queue
	heap   waiters
}

// Why a turn did not come.
var (
	errQueueFull = errors.New("too many wait")
	errQueueWait = errors.New("it takes too long")
)

// A tag is the turn up to which a client, or a /48, has used its share.
type tag struct {
	turn    int64
	waiting int
}

// turnCost is what a turn costs a client. It costs a /48 that divided by siteShare.
const turnCost = siteShare

type waiter struct {
	client Client
	turn   int64
	number int64 // first come, first served among equals
	at     int   // in the heap; -1 once it was taken out
	ready  chan error
}

// NewFair hands out slots slots; up to queue may wait, each for as long as wait.
func NewFair(slots, queue int, wait time.Duration) *Fair {
	return &Fair{queue: queue, wait: wait, free: max(1, slots), last: map[string]*tag{}}
}

// Acquire waits for a slot in the name of a client. The error says why there is none: the queue is full, the wait too long, or ctx has
// ended.
func (f *Fair) Acquire(ctx context.Context, client Client) (release func(), err error) {
	f.mu.Lock()
	if f.free > 0 && len(f.heap) == 0 {
		f.free--
		f.mu.Unlock()
		return f.release, nil
	}
	w := f.push(client)
	f.mu.Unlock()

	timer := time.NewTimer(f.wait)
	defer timer.Stop()
	select {
	case err = <-w.ready:
	case <-ctx.Done():
		err = f.leave(w, ctx.Err())
	case <-timer.C:
		err = f.leave(w, errQueueWait)
	}
	if err != nil {
		return nil, err
	}
	return f.release, nil
}

// Queued is how many wait.
func (f *Fair) Queued() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.heap)
}

// push puts a waiter behind the others of its client, and somebody out if the queue is full.
func (f *Fair) push(client Client) *waiter {
	w := &waiter{client: client, ready: make(chan error, 1)}
	own := f.tagOf(client.Name)
	w.turn = max(own.turn, f.served) + turnCost
	own.turn = w.turn
	own.waiting++
	if client.Site != "" {
		site := f.tagOf(client.Site)
		w.turn = max(w.turn, max(site.turn, f.served)+turnCost/siteShare)
		site.turn = max(site.turn, f.served) + turnCost/siteShare
		site.waiting++
	}
	f.came++
	w.number = f.came
	heap.Push(&f.heap, w)
	if len(f.heap) > f.queue {
		last := f.heap[0]
		for _, other := range f.heap {
			if last.less(other) {
				last = other
			}
		}
		f.refund(last)
		f.remove(last)
		last.ready <- errQueueFull
	}
	return w
}

// release gives a slot to the next.
func (f *Fair) release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.heap) == 0 {
		f.free++
		return
	}
	w := f.heap[0]
	f.served = max(f.served, w.turn)
	f.remove(w)
	w.ready <- nil
}

// leave takes out a waiter who gives up, unless a slot was just given to it, which then goes to the next.
func (f *Fair) leave(w *waiter, why error) error {
	f.mu.Lock()
	if w.at >= 0 {
		f.refund(w)
		f.remove(w)
		f.mu.Unlock()
		return why
	}
	f.mu.Unlock()
	if err := <-w.ready; err != nil {
		return err
	}
	f.release()
	return why
}

func (f *Fair) remove(w *waiter) {
	heap.Remove(&f.heap, w.at)
	for _, name := range []string{w.client.Name, w.client.Site} {
		if t := f.last[name]; t != nil {
			t.waiting--
		}
	}
	if len(f.heap) == 0 { // all have had their turn: the next begin anew
		clear(f.last)
		f.served = 0
		return
	}
	for _, name := range []string{w.client.Name, w.client.Site} {
		if t := f.last[name]; t != nil && t.waiting == 0 && t.turn <= f.served {
			delete(f.last, name)
		}
	}
}

// refund gives the client of somebody who will not be served its turn back.
func (f *Fair) refund(w *waiter) {
	if t := f.last[w.client.Name]; t != nil {
		t.turn -= turnCost
	}
	if t := f.last[w.client.Site]; t != nil {
		t.turn -= turnCost / siteShare
	}
}

func (f *Fair) tagOf(name string) *tag {
	t := f.last[name]
	if t == nil {
		t = new(tag)
		f.last[name] = t
	}
	return t
}

// waiters are a heap by turn.
type waiters []*waiter

func (w *waiter) less(other *waiter) bool {
	return w.turn < other.turn || w.turn == other.turn && w.number < other.number
}

// Len implements heap.Interface.
func (q waiters) Len() int { return len(q) }

// Less implements heap.Interface.
func (q waiters) Less(i, j int) bool { return q[i].less(q[j]) }

// Swap implements heap.Interface.
func (q waiters) Swap(i, j int) { q[i], q[j] = q[j], q[i]; q[i].at, q[j].at = i, j }

// Push implements heap.Interface.
func (q *waiters) Push(w any) {
	w.(*waiter).at = len(*q)
	*q = append(*q, w.(*waiter))
}

// Pop implements heap.Interface.
func (q *waiters) Pop() any {
	last := len(*q) - 1
	w := (*q)[last]
	w.at = -1
	*q = (*q)[:last]
	return w
}
