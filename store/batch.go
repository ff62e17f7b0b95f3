package store

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"go.uber.org/zap"
)

const (
	maxBatch  = 256                   // requests that share a transaction
	maxHold   = 10 * time.Millisecond // none joins a transaction that is as old
	maxYields = 8                     // looks at an empty queue before the commit
)

// commit runs first and those that wait behind it in one transaction, commits it and answers them.
func (w *writer) commit(first *request) {
	w.fill(first)
	if len(w.batch) == 0 {
		return
	}
	if err := w.conn.control("COMMIT"); err != nil {
		batch := w.batch
		w.batch = nil
		w.rollback(err)
		w.redo(batch, err)
		return
	}
	w.answer()
}

// redo runs the requests of a batch whose commit failed one by one, so that nobody fails for a neighbour.
func (w *writer) redo(batch []*request, err error) {
	if len(batch) == 1 {
		w.refuse(batch[0], err)
		return
	}
	for i, r := range batch {
		if r.err != nil {
			r.done <- r.err // undone before the commit
			continue
		}
		if err := w.begin(); err != nil {
			for _, r := range batch[i:] {
				w.refuse(r, err)
			}
			return
		}
		w.runOne(r)
		if len(w.batch) == 0 {
			continue
		}
		if err := w.conn.control("COMMIT"); err != nil {
			w.batch = nil
			w.rollback(err)
			w.refuse(r, err)
			continue
		}
		w.answer()
	}
}

// fill runs requests in one transaction until no more come, it holds enough or it is old. It waits by yielding: a timer, however
// short, would cost a lone caller a millisecond.
func (w *writer) fill(first *request) {
	if !w.accept(first) || !w.open(first) {
		return
	}
	w.hold.Reset(maxHold)
	w.runOne(first)
	for n, yields := 1, 0; n < maxBatch && yields < maxYields; {
		select {
		case <-w.hold.C:
			return
		default:
		}
		select {
		case r := <-w.queue:
			yields = 0
			if !w.accept(r) {
				continue
			}
			if len(w.batch) == 0 && !w.open(r) { // the transaction was lost
				return
			}
			w.runOne(r)
			n++
		default:
			yields++
			runtime.Gosched()
		}
	}
}

// accept takes r from its caller, unless the caller has given up.
func (w *writer) accept(r *request) bool {
	if err := r.ctx.Err(); err != nil {
		if r.state.CompareAndSwap(queued, abandoned) {
			r.done <- err
		}
		return false
	}
	return r.state.CompareAndSwap(queued, started)
}

// open begins a transaction for r. If none can be had, those that wait are refused as well: each would wait for as long again.
func (w *writer) open(r *request) bool {
	err := w.begin()
	if err == nil {
		return true
	}
	waiting := len(w.queue) // those that come later may have better luck
	w.refuse(r, err)
	for range waiting {
		if r := <-w.queue; w.accept(r) {
			w.refuse(r, err)
		}
	}
	return false
}

// runOne runs r in a savepoint of the open transaction and adds it to the batch.
func (w *writer) runOne(r *request) {
	w.batch = append(w.batch, r)
	if err := w.conn.control("SAVEPOINT request"); err != nil {
		w.lose(err)
		return
	}
	tx := &Tx{session: session{ctx: context.Background(), db: w.db, conn: w.conn, now: w.s.clock.now()}}
	lost, err := w.call(r.fn, tx)
	r.err, r.after = classify(err), tx.after
	if lost != nil {
		w.lose(lost)
		return
	}
	if r.err != nil {
		if err := w.conn.control("ROLLBACK TO request"); err != nil {
			w.lose(err)
			return
		}
	}
	if err := w.conn.control("RELEASE request"); err != nil {
		w.lose(err)
	}
}

// call runs fn, and makes an error of a panic: without its writer the product stands still. It tells, too, why the transaction
// is lost, if it is.
func (w *writer) call(fn func(*Tx) error, tx *Tx) (lost, err error) {
	w.inFn.Store(true)
	defer func() {
		if p := recover(); p != nil {
			w.s.log.Error("panic in a write", zap.Any("panic", p), zap.Stack("stack"))
			err = fmt.Errorf("store: panic in a write: %v", p)
		}
		lost = tx.end()
		w.inFn.Store(false)
	}()
	return nil, fn(tx)
}

// answer ends the committed batch. The hooks come first, so that every caller reads what it wrote.
func (w *writer) answer() {
	batch := w.batch
	w.batch = nil
	defer func() { // also when a hook ends the goroutine
		for _, r := range batch {
			r.done <- r.err
		}
	}()
	var writes, failures uint64
	for _, r := range batch {
		switch {
		case r.err == nil:
			writes++
		case errors.Is(r.err, ErrUnavailable):
			failures++
			w.s.log.Error("write refused", zap.Error(r.err))
		}
	}
	if writes+failures > 0 {
		w.s.healthy.Store(failures == 0)
	}
	w.s.stats.batches.Add(1)
	w.s.stats.writes.Add(writes)
	w.s.stats.failures.Add(failures)
	for _, r := range batch {
		if r.err != nil {
			continue
		}
		for _, fn := range r.after {
			w.guard(fn)
		}
	}
}

// lose ends a transaction that the engine has given up, and with it all that ran in it.
func (w *writer) lose(cause error) {
	batch := w.batch
	w.batch = nil
	w.rollback(cause)
	for _, r := range batch {
		if r.err != nil && !errors.Is(r.err, ErrUnavailable) {
			r.done <- r.err
			continue
		}
		// Not the cause itself: it is the mistake of one, and the others would take it for theirs.
		w.refuse(r, fmt.Errorf("%w: transaction lost: %v", ErrUnavailable, cause))
	}
}

// refuse answers a request that the engine did not let through.
func (w *writer) refuse(r *request, err error) {
	w.s.stats.failures.Add(1)
	r.done <- err
}
