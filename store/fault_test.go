package store_test

import (
	"context"
	"database/sql/driver"
	"path/filepath"
	"sync"
	"testing"

	"github.com/caddy-tollgate/tollgate/store"
)

// faults lets chosen calls of the driver fail.
type faults struct {
	err error // a real error of the driver, of those that make the store unavailable

	mu          sync.Mutex
	calls       int
	first, last int
	rollback    bool                    // the engine rolls back with the error, as SQLite does on I/O errors
	when        func(query string) bool // instead of first and last
}

func newFaults(t testing.TB) *faults {
	_, err := store.OpenConn("file://" + filepath.Join(t.TempDir(), "none", "x.db"))
	if err == nil {
		t.Fatal("a database in a folder that is missing")
	}
	return &faults{err: err}
}

// failAt lets the calls from the first to the last fail, counted from now and from 1.
func (f *faults) failAt(first, last int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls, f.first, f.last = 0, first, last
}

// made returns how many calls were made since failAt.
func (f *faults) made() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// failOn lets the calls fail whose statement satisfies when, or none more if it is nil.
func (f *faults) failOn(when func(query string) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.when = when
}

func (f *faults) connect(uri string) (driver.Conn, error) {
	c, err := store.OpenConn(uri)
	if err != nil {
		return nil, err
	}
	return &faultyConn{c, f}, nil
}

func (f *faults) call(c driver.Conn, query string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	if f.when != nil && !f.when(query) || f.when == nil && (f.calls < f.first || f.calls > f.last) {
		return nil
	}
	if f.rollback {
		c.(driver.ExecerContext).ExecContext(context.Background(), "ROLLBACK", nil) // an error means that there was none
	}
	return f.err
}

type faultyConn struct {
	driver.Conn
	f *faults
}

func (c *faultyConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if err := c.f.call(c.Conn, query); err != nil {
		return nil, err
	}
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
}

func (c *faultyConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if err := c.f.call(c.Conn, query); err != nil {
		return nil, err
	}
	rows, err := c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
	if err != nil {
		return nil, err
	}
	return &faultyRows{rows, c, query}, nil
}

type faultyRows struct {
	driver.Rows
	c     *faultyConn
	query string
}

func (r *faultyRows) Next(dest []driver.Value) error {
	if err := r.c.f.call(r.c.Conn, "next of "+r.query); err != nil {
		return err
	}
	return r.Rows.Next(dest)
}

func (c *faultyConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if err := c.f.call(c.Conn, "BEGIN"); err != nil {
		return nil, err
	}
	tx, err := c.Conn.(driver.ConnBeginTx).BeginTx(ctx, opts)
	return &faultyTx{tx, c}, err
}

func (c *faultyConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	st, err := c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, query)
	return &faultyStmt{st, c, query}, err
}

type faultyTx struct {
	driver.Tx
	c *faultyConn
}

func (tx *faultyTx) Commit() error {
	if err := tx.c.f.call(tx.c.Conn, "COMMIT"); err != nil {
		tx.Tx.Rollback()
		return err
	}
	return tx.Tx.Commit()
}

type faultyStmt struct {
	driver.Stmt
	c     *faultyConn
	query string
}

func (s *faultyStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	if err := s.c.f.call(s.c.Conn, s.query); err != nil {
		return nil, err
	}
	return s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
}
