package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

const (
	queueSize = 4096                   // Writes that may wait; the next is told ErrBusy
	pollEvery = 250 * time.Millisecond // looks for commits of other processes
)

// States of a request. Its caller may give up a queued one; one that runs is always answered.
const (
	queued int32 = iota
	started
	abandoned
)

// request is one call of Write.
type request struct {
	ctx   context.Context
	fn    func(*Tx) error
	state atomic.Int32
	err   error    // fn's, once it has run and is undone
	after []func() // hooks, once it has run
	done  chan error
}

// writer owns the one connection that writes. Its goroutine runs requests in the order in which they came, in batches.
type writer struct {
	s     *Store
	db    *sql.DB
	conn  *conn
	queue chan *request
	inFn  atomic.Bool // a function or a hook runs

	batch       []*request  // those that have run in the open transaction
	hold        *time.Timer // when the open transaction takes no more
	dataVersion int64       // as last seen by poll

	closing chan struct{} // closed when no further request is accepted
	stopped chan struct{} // closed when the goroutine has ended
}

func (s *Store) startWriter(ctx context.Context) (*writer, error) {
	w := &writer{
		s:       s,
		db:      openDB(s.openConn, s.path, writerParams, writerPragmas),
		queue:   make(chan *request, queueSize),
		hold:    time.NewTimer(maxHold),
		closing: make(chan struct{}),
		stopped: make(chan struct{}),
	}
	var err error
	if w.conn, err = newConn(ctx, w.db); err == nil {
		w.dataVersion, err = w.readDataVersion()
	}
	if err != nil {
		w.db.Close()
		return nil, err
	}
	go w.run()
	return w, nil
}

// write queues fn and waits for its outcome.
func (w *writer) write(ctx context.Context, fn func(*Tx) error) error {
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
	case <-w.stopped:
		if r.state.CompareAndSwap(queued, abandoned) {
			return ErrClosed
		}
	}
	// It runs: the outcome is near, and fn uses what the caller would go on to reuse.
	return <-r.done
}

// run is the writer's goroutine.
func (w *writer) run() {
	exited := true
	defer func() {
		if exited {
			// A function left through runtime.Goexit, as FailNow of a test does. The others must not wait for ever.
			w.lose(errors.New("a function ended the writer's goroutine"))
			go w.run()
			return
		}
		close(w.stopped)
	}()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case r := <-w.queue:
			w.commit(r)
		case <-tick.C:
			w.poll()
		case <-w.closing:
			w.drain()
			exited = false
			return
		}
	}
}

// drain runs what is queued.
func (w *writer) drain() {
	for {
		select {
		case r := <-w.queue:
			w.commit(r)
		default:
			return
		}
	}
}

// stop answers what is queued and ends the goroutine.
func (w *writer) stop() {
	close(w.closing)
	<-w.stopped
}

// close moves the log into the file, so that the file alone is the database, and closes the connection.
func (w *writer) close() error {
	var busy, frames, moved int64 // busy: another process reads; the log stays, and is as good
	err := w.conn.QueryRowContext(context.Background(), "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &moved)
	return errors.Join(classify(err), w.conn.Close(), w.db.Close())
}

// begin opens a transaction. It waits for another process that writes, as long as busy_timeout.
func (w *writer) begin() error {
	err := w.conn.control("BEGIN IMMEDIATE")
	if err == nil {
		return nil
	}
	if errors.Is(err, ErrBusy) {
		w.s.log.Warn("another process holds the database", zap.Error(err))
		return err
	}
	if err = w.reconnect(); err == nil {
		err = w.conn.control("BEGIN IMMEDIATE")
	}
	if err != nil {
		w.s.log.Error("no transaction can be opened", zap.Error(err))
		w.s.healthy.Store(false)
	}
	return err
}

// reconnect replaces a connection that may be what is broken.
func (w *writer) reconnect() error {
	w.conn.discard()
	c, err := newConn(context.Background(), w.db)
	if err != nil {
		return err
	}
	w.conn = c
	w.dataVersion = -1 // the old one means nothing on this connection; the next poll tells of a change, to be sure
	return nil
}

// rollback ends the open transaction, if the engine has left one.
func (w *writer) rollback(cause error) {
	w.s.log.Error("transaction lost", zap.Error(cause))
	w.s.healthy.Store(false)
	w.conn.control("ROLLBACK")
}

// poll looks for commits of other processes, and whether a disk that failed works again.
func (w *writer) poll() {
	if !w.s.healthy.Load() {
		w.probe()
	}
	v, err := w.readDataVersion()
	if err != nil || v == w.dataVersion {
		return
	}
	w.dataVersion = v
	for _, fn := range w.s.foreignHooks() {
		w.guard(fn)
	}
}

// readDataVersion returns a number that changes with every commit but this connection's own.
func (w *writer) readDataVersion() (v int64, err error) {
	err = w.conn.QueryRowContext(context.Background(), "PRAGMA data_version").Scan(&v)
	return v, classify(err)
}

// probe commits a change that changes nothing. As long as the store is not ready nobody writes, so nobody else would notice
// that the disk has room again.
func (w *writer) probe() {
	if w.begin() != nil {
		return
	}
	err := w.conn.control(fmt.Sprintf("PRAGMA user_version = %d", w.s.version))
	if err == nil {
		err = w.conn.control("COMMIT")
	}
	if err != nil {
		w.rollback(err)
		return
	}
	w.s.log.Info("the database takes writes again")
	w.s.healthy.Store(true)
}

// guard runs a hook, which is not ours.
func (w *writer) guard(fn func()) {
	w.inFn.Store(true)
	defer func() {
		if p := recover(); p != nil {
			w.s.log.Error("panic in a hook", zap.Any("panic", p), zap.Stack("stack"))
		}
		w.inFn.Store(false)
	}()
	fn()
}

// nested reports whether the caller was called by a function or hook that the writer runs: it would wait for itself. The
// stack is looked at only while one runs.
func (w *writer) nested() bool { return w.inFn.Load() && calledFrom(writerEntry) }

var writerEntry = reflect.ValueOf((*writer).run).Pointer()

// calledFrom reports whether the function that starts at entry is among the callers.
func calledFrom(entry uintptr) bool {
	var pcs [64]uintptr
	for _, pc := range pcs[:runtime.Callers(2, pcs[:])] {
		if pc-entry < 1<<16 && runtime.FuncForPC(pc-1).Entry() == entry {
			return true
		}
	}
	return false
}
