package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

const (
	queueSize = 4096                 // Writes that may wait; the next is told ErrBusy
	maxBatch  = 256                  // Writes that share a commit
	maxHold   = 5 * time.Millisecond // no further Write joins a transaction that is as old
	maxYields = 8                    // looks at an empty queue before committing
	idlePoll  = 250 * time.Millisecond
)

// States of a request. Only a queued one can be given up; a running one is always answered.
const (
	queued int32 = iota
	running
	abandoned
)

// request is one call of Write.
type request struct {
	ctx   context.Context
	fn    func(*Tx) error
	state atomic.Int32
	err   error    // fn's, once it ran
	after []func() // for after the commit
	done  chan error
}

// writer owns the one connection that writes. Its goroutine runs the requests in the order they came, as many as wait in one
// transaction, and answers them once it is on disk.
type writer struct {
	s     *Store
	db    *sql.DB
	conn  *sql.Conn
	queue chan *request
	batch []*request // those that ran in the open transaction
	inFn  atomic.Bool
	hold  *time.Timer

	dataVersion int64         // as last seen, see poll
	closing     chan struct{} // no request comes after
	stopped     chan struct{} // the goroutine is gone
}

func (s *Store) startWriter(ctx context.Context) (*writer, error) {
	w := &writer{
		s:       s,
		db:      openDB(s.connect, s.path, writerParams, 1, writerPragmas),
		queue:   make(chan *request, queueSize),
		hold:    time.NewTimer(maxHold),
		closing: make(chan struct{}),
		stopped: make(chan struct{}),
	}
	if err := w.connect(ctx); err != nil {
		w.db.Close()
		return nil, err
	}
	go w.run()
	return w, nil
}

// close answers what is queued, moves the log into the file and closes the connection.
func (w *writer) close() error {
	close(w.closing)
	<-w.stopped
	var busy, frames, moved int64
	err := w.conn.QueryRowContext(context.Background(), "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &moved)
	return errors.Join(classify(err), w.conn.Close(), w.db.Close())
}

// write queues fn and waits for its outcome.
func (w *writer) write(ctx context.Context, fn func(*Tx) error) error {
	if w.inFn.Load() && calledFromWrite() {
		return ErrNested
	}
	r := &request{ctx: ctx, fn: fn, done: make(chan error, 1)}
	select {
	case w.queue <- r:
	default:
		w.s.stats.failures.Add(1)
		return fmt.Errorf("%w: %d writes wait", ErrBusy, queueSize)
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		if r.state.CompareAndSwap(queued, abandoned) {
			return ctx.Err()
		}
		return <-r.done // its function may hold what the caller would reuse
	case <-w.stopped:
		if r.state.CompareAndSwap(queued, abandoned) {
			return ErrClosed
		}
		return <-r.done
	}
}

// run is the writer's goroutine.
func (w *writer) run() {
	finished := false
	defer func() {
		if finished {
			close(w.stopped)
			return
		}
		// A function ended its goroutine (runtime.Goexit, as a test's FailNow does). The others must not wait for ever.
		w.lose(errors.New("a function ended the writer's goroutine"))
		go w.run()
	}()
	tick := time.NewTicker(idlePoll)
	defer tick.Stop()
	for {
		select {
		case r := <-w.queue:
			w.commit(r)
		case <-tick.C:
			w.poll()
		case <-w.closing:
			for {
				select {
				case r := <-w.queue:
					w.commit(r)
					continue
				default:
				}
				break
			}
			finished = true
			return
		}
	}
}

// commit runs first and all that wait behind it, and commits. When the commit fails, so that nobody suffers for a neighbour,
// they are run again one by one.
func (w *writer) commit(first *request) {
	w.runBatch(first)
	if len(w.batch) == 0 {
		return
	}
	err := w.exec("COMMIT")
	if err == nil {
		w.answer()
		return
	}
	batch := w.batch
	w.batch = nil
	w.rollback(err)
	if len(batch) == 1 {
		w.fail(batch[0], err)
		return
	}
	for _, r := range batch {
		if r.err != nil { // its own, and it is undone already
			r.done <- r.err
			continue
		}
		r.after = nil
		if err := w.begin(); err != nil {
			w.fail(r, err)
			continue
		}
		w.runOne(r)
		if len(w.batch) == 0 {
			continue
		}
		if err := w.exec("COMMIT"); err != nil {
			w.batch = nil
			w.rollback(err)
			w.fail(r, err)
			continue
		}
		w.answer()
	}
}

// runBatch fills a transaction. It waits by yielding, never by a timer, which costs a lone caller a millisecond.
func (w *writer) runBatch(first *request) {
	if !w.start(first) {
		return
	}
	if err := w.begin(); err != nil {
		w.fail(first, err)
		w.failQueued(err)
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
			if !w.start(r) {
				continue
			}
			n++
			if len(w.batch) == 0 { // the transaction was lost
				if err := w.begin(); err != nil {
					w.fail(r, err)
					w.failQueued(err)
					return
				}
			}
			w.runOne(r)
		default:
			yields++
			runtime.Gosched()
		}
	}
}

// start takes a request from its caller, unless the caller has given up.
func (w *writer) start(r *request) bool {
	if err := r.ctx.Err(); err != nil {
		if r.state.CompareAndSwap(queued, abandoned) {
			r.done <- err
		}
		return false
	}
	return r.state.CompareAndSwap(queued, running)
}

// runOne runs a request in a savepoint of the open transaction, and joins it to the batch.
func (w *writer) runOne(r *request) {
	w.batch = append(w.batch, r)
	if err := w.exec("SAVEPOINT w"); err != nil {
		w.lose(err)
		return
	}
	tx := &Tx{session: session{ctx: context.Background(), db: w.db, conn: w.conn, now: w.s.clock.now()}}
	r.err = w.call(r.fn, tx)
	tx.end()
	if tx.err != nil {
		w.lose(tx.err)
		return
	}
	tx.err = ErrEnded
	if r.err != nil {
		r.err = classify(r.err)
		if err := w.exec("ROLLBACK TO w"); err != nil {
			w.lose(err)
			return
		}
	} else {
		r.after = tx.after
	}
	if err := w.exec("RELEASE w"); err != nil {
		w.lose(err)
	}
}

// call runs fn and makes a panic an error: a dead writer stops the product.
//
//go:noinline
func (w *writer) call(fn func(*Tx) error, tx *Tx) (err error) {
	w.inFn.Store(true)
	defer func() {
		w.inFn.Store(false)
		if p := recover(); p != nil {
			w.s.log.Error("panic in a write", zap.Any("panic", p), zap.Stack("stack"))
			err = fmt.Errorf("store: panic in a write: %v", p)
		}
	}()
	return fn(tx)
}

// answer ends a committed batch: hooks first, so that every caller reads its own write.
func (w *writer) answer() {
	batch := w.batch
	w.batch = nil
	st := &w.s.stats
	st.batches.Add(1)
	w.s.healthy.Store(true)
	for _, r := range batch {
		for _, fn := range r.after {
			w.guard(fn)
		}
	}
	for _, r := range batch {
		if r.err == nil {
			st.writes.Add(1)
		}
		r.done <- r.err
	}
}

// lose fails everything that ran in the open transaction, which is gone.
func (w *writer) lose(err error) {
	batch := w.batch
	w.batch = nil
	w.rollback(err)
	for _, r := range batch {
		if r.err != nil && !errors.Is(r.err, ErrUnavailable) {
			r.done <- r.err
			continue
		}
		w.fail(r, err)
	}
}

// fail answers a request that the engine refused.
func (w *writer) fail(r *request, err error) {
	w.s.stats.failures.Add(1)
	err = classify(err)
	if !errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrBusy) {
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	r.done <- err
}

// failQueued fails what waits when no transaction can be opened: each would wait as long again.
func (w *writer) failQueued(err error) {
	for {
		select {
		case r := <-w.queue:
			if w.start(r) {
				w.fail(r, err)
			}
		default:
			return
		}
	}
}

func (w *writer) begin() error {
	err := w.exec("BEGIN IMMEDIATE")
	if err == nil {
		return nil
	}
	if !errors.Is(err, ErrBusy) {
		// Perhaps the connection is what is broken.
		if w.connect(context.Background()) == nil {
			err = w.exec("BEGIN IMMEDIATE")
		}
	}
	if err != nil {
		w.s.log.Error("no transaction can be opened", zap.Error(err))
		w.s.healthy.Store(false)
	}
	return err
}

// rollback ends the open transaction, if the engine has left one.
func (w *writer) rollback(cause error) {
	w.s.log.Error("transaction lost", zap.Error(cause))
	w.s.healthy.Store(false)
	w.exec("ROLLBACK")
}

func (w *writer) exec(query string) error {
	_, err := w.conn.ExecContext(context.Background(), query)
	return classify(err)
}

// connect opens the connection, in place of one that may be broken.
func (w *writer) connect(ctx context.Context) error {
	if w.conn != nil {
		w.conn.Raw(func(any) error { return driver.ErrBadConn })
		w.conn.Close()
	}
	conn, err := w.db.Conn(ctx)
	if err != nil {
		return classify(err)
	}
	w.conn = conn
	return conn.QueryRowContext(ctx, "PRAGMA data_version").Scan(&w.dataVersion)
}

// guard runs a callback of others.
func (w *writer) guard(fn func()) {
	defer func() {
		if p := recover(); p != nil {
			w.s.log.Error("panic after a commit", zap.Any("panic", p), zap.Stack("stack"))
		}
	}()
	fn()
}

// poll looks for commits of other processes, and whether a failed disk works again.
func (w *writer) poll() {
	if !w.s.healthy.Load() {
		w.probe()
	}
	var v int64
	if err := w.conn.QueryRowContext(context.Background(), "PRAGMA data_version").Scan(&v); err != nil || v == w.dataVersion {
		return
	}
	w.dataVersion = v
	w.s.mu.Lock()
	fns := w.s.foreign
	w.s.mu.Unlock()
	for _, fn := range fns {
		w.guard(fn)
	}
}

// probe commits a change of nothing. Callers write no more while the store is not ready, so that none of them would notice
// that the disk has room again.
func (w *writer) probe() {
	if w.begin() != nil {
		return
	}
	err := w.exec(fmt.Sprintf("PRAGMA user_version = %d", w.s.version))
	if err == nil {
		err = w.exec("COMMIT")
	}
	if err != nil {
		w.rollback(err)
		return
	}
	w.s.log.Info("the database takes writes again")
	w.s.healthy.Store(true)
}

var callEntry = reflect.ValueOf((*writer).call).Pointer()

// calledFromWrite reports whether a function given to Write is among the callers.
func calledFromWrite() bool {
	var pcs [64]uintptr
	for _, pc := range pcs[:runtime.Callers(3, pcs[:])] {
		if pc-callEntry < 1<<16 && runtime.FuncForPC(pc-1).Entry() == callEntry {
			return true
		}
	}
	return false
}
