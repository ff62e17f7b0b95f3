package store

import (
	"context"
	"database/sql"
	"fmt"
	"reflect"
)

// snapshot is the Reader of Read.
type snapshot struct{ session }

// readers is the pool of read-only connections. It is a channel, since database/sql's own pool is slower when many wait.
type readers struct {
	clock  *clock
	db     *sql.DB
	idle   chan *conn // nil stands for one that has to be opened again
	closed chan struct{}
}

func (s *Store) openReaders(ctx context.Context, n int) (*readers, error) {
	p := &readers{
		clock:  &s.clock,
		db:     openDB(s.openConn, s.path, readerParams, readerPragmas),
		idle:   make(chan *conn, n),
		closed: make(chan struct{}),
	}
	p.db.SetMaxIdleConns(n)
	for range n {
		c, err := newConn(ctx, p.db)
		if err != nil {
			p.db.Close()
			return nil, err
		}
		p.idle <- c
	}
	return p, nil
}

// read runs fn on a connection of the pool.
func (p *readers) read(ctx context.Context, fn func(Reader) error) error {
	var c *conn
	select {
	case c = <-p.idle:
	default:
		if calledFrom(readerEntry) {
			return p.readApart(fn)
		}
		select {
		case c = <-p.idle:
		case <-ctx.Done():
			return ctx.Err()
		case <-p.closed:
			return ErrClosed
		}
	}
	defer func() { p.idle <- c }()
	if c == nil {
		var err error
		if c, err = newConn(context.Background(), p.db); err != nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
	sound, err := p.readOn(c, fn)
	if !sound {
		c.discard()
		c = nil
	}
	return err
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
	for range cap(p.idle) {
		if c := <-p.idle; c != nil {
			c.Close()
		}
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
