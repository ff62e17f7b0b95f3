package store

import (
	"context"
	"database/sql"
	"fmt"
)

// snapshot is the Reader of Read.
type snapshot struct{ session }

// Cancellable returns a Reader of the same snapshot whose statements stop when ctx ends, for long reports and searches.
// Watching a context costs more than a short query, so Read does not. A Tx is returned as it is.
func Cancellable(ctx context.Context, r Reader) Reader {
	s, ok := r.(*snapshot)
	if !ok {
		return r
	}
	return &cancellable{snapshot: s, ctx: ctx}
}

type cancellable struct {
	*snapshot
	ctx context.Context
}

func (c *cancellable) Query(query string, args ...any) (*sql.Rows, error) {
	defer c.use()()
	return c.snapshot.Query(query, args...)
}

func (c *cancellable) QueryRow(query string, args ...any) *sql.Row {
	defer c.use()()
	return c.snapshot.QueryRow(query, args...)
}

func (c *cancellable) use() func() {
	before := c.snapshot.ctx
	c.snapshot.ctx = c.ctx
	return func() { c.snapshot.ctx = before }
}

// readers is the pool of read-only connections. It is a channel: database/sql's own pool is slower under contention.
type readers struct {
	db     *sql.DB
	idle   chan *sql.Conn // nil for one that has to be opened again
	closed chan struct{}
}

func (s *Store) openReaders(ctx context.Context, n int) (*readers, error) {
	p := &readers{
		db:     openDB(s.connect, s.path, readerParams, n, readerPragmas),
		idle:   make(chan *sql.Conn, n),
		closed: make(chan struct{}),
	}
	for range n {
		conn, err := p.db.Conn(ctx)
		if err != nil {
			p.db.Close()
			return nil, classify(err)
		}
		p.idle <- conn
	}
	return p, nil
}

// read runs fn on a connection of the pool, in one transaction and so on one snapshot.
func (p *readers) read(ctx context.Context, now Time, fn func(Reader) error) error {
	var conn *sql.Conn
	select {
	case conn = <-p.idle:
	case <-ctx.Done():
		return ctx.Err()
	case <-p.closed:
		return ErrClosed
	}
	defer func() { p.idle <- conn }()
	bg := context.Background()
	if conn == nil {
		var err error
		if conn, err = p.db.Conn(bg); err != nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
	if _, err := conn.ExecContext(bg, "BEGIN"); err != nil {
		conn.Close()
		conn = nil
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	s := &snapshot{session{ctx: bg, db: p.db, conn: conn, now: now}}
	defer func() {
		s.end()
		s.err = ErrEnded
		conn.ExecContext(bg, "COMMIT")
	}()
	return classify(fn(s))
}

// close waits for the reads that run, and closes.
func (p *readers) closeReaders() error {
	close(p.closed)
	for range cap(p.idle) {
		if conn := <-p.idle; conn != nil {
			conn.Close()
		}
	}
	return p.db.Close()
}
