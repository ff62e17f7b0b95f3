package store

import (
	"context"
	"database/sql"
	"fmt"
	"reflect"
	"sync"
	"time"
)

// snapshot is the Reader of Read.
type snapshot struct{ session }

// Connections for reading. A caller holds one while it reads, and what is long holds it for long: two would be gone with two searches.
const (
	maxReads = 16
	// LongReads is how many ReadLong run at a time: few enough that most connections, and with them the processors, stay free.
	LongReads = 4
)

// readWait is how long a Read waits for a connection before it is ErrBusy.
const readWait = 5 * time.Second

// readers is the pool of read-only connections. Permits are channels, since database/sql's own pool is slower when many wait. Connections
// are opened when they are needed, and the one that was used last is used first, so that a quiet site keeps few and their caches warm.
type readers struct {
	clock   *clock
	db      *sql.DB
	permits chan struct{} // as many as connections may be in use
	long    chan struct{} // the same for ReadLong
	closed  chan struct{}
	wait    time.Duration // for a permit

	mu   sync.Mutex
	idle []*conn
}

func (s *Store) openReaders(ctx context.Context) (*readers, error) {
	p := &readers{
		clock:   &s.clock,
		db:      openDB(s.openConn, s.path, s.readParams(), readerPragmas),
		permits: make(chan struct{}, maxReads),
		long:    make(chan struct{}, LongReads),
		closed:  make(chan struct{}),
		wait:    readWait,
	}
	p.db.SetMaxIdleConns(maxReads)
	// One now, to know that it can be done.
	c, err := newConn(ctx, p.db)
	if err != nil {
		p.db.Close()
		return nil, err
	}
	p.idle = append(p.idle, c)
	return p, nil
}

// acquire waits for a permit.
func (p *readers) acquire(ctx context.Context, permits chan struct{}) error {
	select {
	case permits <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(p.wait)
	defer timer.Stop()
	select {
	case permits <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-p.closed:
		return ErrClosed
	case <-timer.C:
		return fmt.Errorf("%w: no connection for reading in %s", ErrBusy, p.wait)
	}
}

// readLong is read for what may be long.
func (p *readers) readLong(ctx context.Context, fn func(Reader) error) error {
	if calledFrom(readerEntry) {
		return p.read(ctx, fn) // it is part of a read that was let in
	}
	if err := p.acquire(ctx, p.long); err != nil {
		return err
	}
	defer func() { <-p.long }()
	return p.read(ctx, fn)
}

// read runs fn on a connection of the pool.
func (p *readers) read(ctx context.Context, fn func(Reader) error) error {
	select {
	case p.permits <- struct{}{}:
	default:
		if calledFrom(readerEntry) {
			return p.readApart(fn)
		}
		if err := p.acquire(ctx, p.permits); err != nil {
			return err
		}
	}
	defer func() { <-p.permits }()
	c, err := p.take()
	if err != nil {
		return err
	}
	sound := false
	defer func() { p.give(c, sound) }()
	sound, err = p.readOn(c, fn)
	return err
}

// take returns the connection that was used last, or opens one.
func (p *readers) take() (*conn, error) {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return c, nil
	}
	p.mu.Unlock()
	c, err := newConn(context.Background(), p.db)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return c, nil
}

// give keeps a connection for the next, unless it is broken.
func (p *readers) give(c *conn, sound bool) {
	if !sound {
		c.discard()
		return
	}
	p.mu.Lock()
	p.idle = append(p.idle, c)
	p.mu.Unlock()
}

var readerEntry = reflect.ValueOf((*readers).readOn).Pointer()

// readApart runs fn on a connection outside of the pool: for a Read within a Read, which holds a connection already. If all
// who hold one waited for another, none would be given back.
func (p *readers) readApart(fn func(Reader) error) error {
	c, err := newConn(context.Background(), p.db)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer c.discard()
	_, err = p.readOn(c, fn)
	return err
}

// readOn runs fn in one transaction and so on one snapshot. It reports whether the connection is good for more.
//
//go:noinline
func (p *readers) readOn(c *conn, fn func(Reader) error) (sound bool, err error) {
	if err := c.control("BEGIN"); err != nil {
		return false, err
	}
	s := &snapshot{session{ctx: context.Background(), db: p.db, conn: c, now: p.clock.now()}}
	defer func() {
		s.end()
		sound = c.control("COMMIT") == nil // no transaction is left after an I/O error
	}()
	return false, classify(fn(s))
}

// close waits for the reads that run, and closes the connections.
func (p *readers) close() error {
	close(p.closed)
	for range cap(p.permits) {
		p.permits <- struct{}{}
	}
	for _, c := range p.idle {
		c.Close()
	}
	return p.db.Close()
}

// Cancellable returns a Reader of the same snapshot whose statements stop when ctx ends, for long reports and searches. To
// watch a context costs more than a short query, so Read does not. A Tx is returned as it is: an interrupted statement of a
// Write would undo its neighbours.
func Cancellable(ctx context.Context, r Reader) Reader {
	s, ok := r.(*snapshot)
	if !ok {
		return r
	}
	return &cancellable{s, ctx}
}

type cancellable struct {
	*snapshot
	with context.Context
}

// Query implements Reader.
func (c *cancellable) Query(query string, args ...any) (*sql.Rows, error) {
	c.ctx = c.with
	defer func() { c.ctx = context.Background() }()
	return c.snapshot.Query(query, args...)
}

// QueryRow implements Reader.
func (c *cancellable) QueryRow(query string, args ...any) *sql.Row {
	c.ctx = c.with
	defer func() { c.ctx = context.Background() }()
	return c.snapshot.QueryRow(query, args...)
}
