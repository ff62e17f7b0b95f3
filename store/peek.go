package store

import (
	"context"
	"errors"
	"fmt"
)

var (
	// ErrNone says that there is no database at the path, or none that was ever brought up to date.
	ErrNone = errors.New("there is no database")
	// ErrOlder says that a database that is only read has the schema of an earlier version of this program.
	ErrOlder = errors.New("written by an earlier version of this program")
	// ErrReadOnly says that a store that was opened to be read was written to.
	ErrReadOnly = errors.New("store: opened to be read")
)

// Peek runs fn on the database as it is, whether it is migrated or not, and changes nothing: for what must be known before a start.
// Errors: ErrNone, or fn's.
func (s *Store) Peek(ctx context.Context, fn func(r Reader) error) error {
	if s.open.Load() != nil {
		return s.Read(ctx, fn)
	}
	if version, err := s.check(ctx); err != nil || version == 0 {
		return errors.Join(err, s.none(version))
	}
	r, err := s.openReaders(ctx)
	if err != nil {
		return err
	}
	return errors.Join(r.read(ctx, fn), r.close())
}

// Exists reports whether there is a database: ErrNone when there is not.
func (s *Store) Exists(ctx context.Context) error {
	if s.open.Load() != nil {
		return nil
	}
	version, err := s.check(ctx)
	return errors.Join(err, s.none(version))
}

func (s *Store) none(version int64) error {
	if version > 0 {
		return nil
	}
	return fmt.Errorf("%w at %s", ErrNone, s.path)
}

// Attach makes the store usable to be read, in place of Migrate: it makes and changes no file. Writes fail with ErrReadOnly. A store that
// is open stays as it is. Errors: ErrNone, ErrOlder.
func (s *Store) Attach(ctx context.Context) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	if s.closed.Load() {
		return ErrClosed
	}
	if s.open.Load() != nil {
		return nil
	}
	version, err := s.check(ctx)
	if err := errors.Join(err, s.none(version)); err != nil {
		return err
	}
	if version < s.version {
		return fmt.Errorf("%s: %w: its schema is %d, this one's is %d; it is brought up to date when Caddy starts", s.path, ErrOlder, version, s.version)
	}
	r, err := s.openReaders(ctx)
	if err != nil {
		return err
	}
	s.open.Store(&engine{readers: r})
	return nil
}

// readParams open a connection that makes no file beside the database. Without the log nobody has it open, and SQLite need not look
// for what others write.
func (s *Store) readParams() string {
	if exists(s.path + "-wal") {
		return readerParams
	}
	return readerParams + "&immutable=1"
}
