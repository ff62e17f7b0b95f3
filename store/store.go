// Package store is the product's database: it opens, migrates, reads and writes it. SQLite is the only engine so far; the SQL
// of the callers is portable to PostgreSQL.
//
// There is one writer. Concurrent Writes share a transaction, each in a savepoint of its own, and return only once the commit
// is on disk. Reads go through a pool of read-only connections and see committed data only.
package store

import (
	"context"
	"database/sql"
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
type Store struct{ impl }

// Open opens the database at o.Path, checks it (it is ours, it is not newer than this program, the pragmas hold) and starts
// the writer. It changes nothing in the file and does not migrate it: see Migrate.
func Open(ctx context.Context, o Options) (*Store, error) { return open(ctx, o) }

// Migrate brings the schema to this program's version, forward only, and marks the store ready.
func (s *Store) Migrate(ctx context.Context) error { return s.migrate(ctx) }

// Ready reports whether the store is migrated and its last write succeeded. Handlers answer 503 until it is.
func (s *Store) Ready() bool { return s.ready() }

// Write runs fn in a transaction and returns once its effects are durable, or fn's error once they are undone.
//
// fn may be run twice (when a shared commit fails), so it has no effect outside tx and assigns, never appends, to what it
// captures. It is short, calls nothing external and no Write. ctx guards the wait, never the statements: a caller that gives
// up (context.Canceled) may still find its write committed. Errors: ErrBusy when the queue is full, ErrClosed, ErrUnavailable
// when the disk refuses, a *ConstraintError, or what fn returned.
func (s *Store) Write(ctx context.Context, fn func(tx *Tx) error) error { return s.write(ctx, fn) }

// Read runs fn on one read snapshot. Errors are fn's, or ErrClosed and ErrUnavailable.
func (s *Store) Read(ctx context.Context, fn func(r Reader) error) error { return s.read(ctx, fn) }

// OnForeignChange registers fn to be called when another process (the command line) has written to the database. It is
// called within half a second, on the writer's goroutine, and must not block.
func (s *Store) OnForeignChange(fn func()) { s.onForeignChange(fn) }

// Close drains the queue, checkpoints and closes. Writes that come later fail with ErrClosed.
func (s *Store) Close() error { return s.close() }
