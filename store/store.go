// Package store is the product's database: it opens, migrates, reads and writes it. SQLite is the only engine so far; the SQL
// of the callers is portable to PostgreSQL.
//
// There is one writer. Concurrent Writes share a transaction, each in a savepoint of its own, and return only once the commit
// is on disk. Reads go through a pool of read-only connections and see committed data only.
package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// Options say which database to open and how.
type Options struct {
	Path   string           // file of the database; its folder is created with mode 0700, the file with 0600
	Now    func() time.Time // clock of the transactions; required
	Logger *zap.Logger      // required
}

// A Reader runs queries: a read snapshot, or a write transaction. SQL text is constant and every value is bound ('?').
// Rows are read into structs and closed before anything else is done.
type Reader interface {
	Query(query string, args ...any) (*sql.Rows, error)
	QueryRow(query string, args ...any) *sql.Row
	// Now is the time of the request: one for the whole snapshot or transaction.
	Now() Time
}

// Store is an open database.
type Store struct {
	path    string
	log     *zap.Logger
	clock   clock
	stats   counters
	version int64 // of the schema this program knows

	openConn func(uri string) (driver.Conn, error)

	changing sync.Mutex             // held by Migrate and Close
	open     atomic.Pointer[engine] // nil before Migrate and after Close
	closed   atomic.Bool
	healthy  atomic.Bool // the engine let the last write through

	foreignMu sync.Mutex
	foreign   []func()
}

// engine is the open connections of a migrated store.
type engine struct {
	writer  *writer // nil after Attach
	readers *readers
}

// Open checks the database at o.Path: it is ours, or missing, and not newer than this program. It changes nothing and opens
// no connection, so that a configuration can be checked beside a running server: Migrate makes the store usable, and until
// then Write and Read answer ErrUnavailable.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Path == "" || o.Now == nil || o.Logger == nil {
		return nil, errors.New("store: Path, Now and Logger are required")
	}
	path, err := filepath.Abs(o.Path)
	if err != nil {
		return nil, err
	}
	version, err := newestVersion()
	if err != nil {
		return nil, err
	}
	s := &Store{path: path, log: o.Logger, openConn: openConn, version: version}
	s.clock.source = o.Now
	if _, err := s.check(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// Migrate brings the schema to this program's version, forward only, starts the writer and marks the store ready. Each step
// is a transaction, so that an interrupted Migrate is continued by the next. Once it succeeded it does nothing.
func (s *Store) Migrate(ctx context.Context) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	if s.closed.Load() {
		return ErrClosed
	}
	if s.open.Load() != nil {
		return nil
	}
	if err := s.migrate(ctx); err != nil {
		return err
	}
	w, err := s.startWriter(ctx)
	if err != nil {
		return err
	}
	// A read-only connection needs the log beside the file, so the writer came first.
	r, err := s.openReaders(ctx)
	if err != nil {
		w.stop()
		return errors.Join(err, w.close())
	}
	s.healthy.Store(true)
	s.open.Store(&engine{w, r})
	return nil
}

// Ready reports whether the store is migrated and its last write succeeded. Handlers answer 503 until it is. After a failure
// the store tries by itself whether the disk takes writes again.
func (s *Store) Ready() bool { return s.open.Load() != nil && s.healthy.Load() }

// Write runs fn in a transaction and returns once its effects are durable, or fn's error once they are undone.
//
// fn may be run twice (when a shared commit fails), so it has no effect outside tx and assigns, never appends, to what it
// captures. It is short, calls nothing external, no Write and no Read, and uses nothing that would end the transaction of its
// neighbours: no OR ROLLBACK, no COMMIT. ctx guards the wait, never the statements: fn is not run once ctx has ended (ctx's
// error), and once it runs Write waits for its outcome. Errors: ErrBusy when the queue is full or another process holds the
// database, ErrClosed, ErrUnavailable when the disk refuses, ErrReadOnly, ErrNested, a *ConstraintError, or what fn returned.
func (s *Store) Write(ctx context.Context, fn func(tx *Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e, err := s.engine()
	if err != nil {
		return err
	}
	if e.writer == nil {
		return ErrReadOnly
	}
	return e.writer.write(ctx, fn)
}

// Read runs fn on one read snapshot. It is for what is short: a few rows that an index finds. It is not cancelled with ctx once it runs,
// see Cancellable. Errors are fn's, ctx's, or ErrBusy when no connection became free in time, ErrClosed, ErrUnavailable and ErrNested.
func (s *Store) Read(ctx context.Context, fn func(r Reader) error) error {
	return s.read(ctx, fn, false)
}

// ReadLong is Read for what may take long, as searches, counts, reports and exports: no more than LongReads run at a time, so that
// connections are left for short ones (decision 77).
func (s *Store) ReadLong(ctx context.Context, fn func(r Reader) error) error {
	return s.read(ctx, fn, true)
}

func (s *Store) read(ctx context.Context, fn func(r Reader) error, long bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e, err := s.engine()
	if err != nil {
		return err
	}
	if long {
		return e.readers.readLong(ctx, fn)
	}
	return e.readers.read(ctx, fn)
}

// engine returns the open connections, unless the caller is inside a Write of them.
func (s *Store) engine() (*engine, error) {
	e := s.open.Load()
	switch {
	case e == nil && s.closed.Load():
		return nil, ErrClosed
	case e == nil:
		return nil, fmt.Errorf("%w: not migrated", ErrUnavailable)
	case e.writer != nil && e.writer.nested():
		return nil, ErrNested
	}
	return e, nil
}

// OnForeignChange registers fn to be called when another process (the command line) has written to the database. It is
// called within half a second, on the writer's goroutine, and must not block.
func (s *Store) OnForeignChange(fn func()) {
	s.foreignMu.Lock()
	defer s.foreignMu.Unlock()
	s.foreign = append(s.foreign, fn)
}

func (s *Store) foreignHooks() []func() {
	s.foreignMu.Lock()
	defer s.foreignMu.Unlock()
	return s.foreign
}

// Close answers what is queued, waits for the reads that run, moves the log into the file and closes it. Writes and Reads that
// come later fail with ErrClosed.
func (s *Store) Close() error {
	s.changing.Lock()
	defer s.changing.Unlock()
	s.closed.Store(true)
	e := s.open.Swap(nil)
	if e == nil {
		return nil
	}
	if e.writer == nil {
		return e.readers.close()
	}
	e.writer.stop()
	return errors.Join(e.readers.close(), e.writer.close())
}
