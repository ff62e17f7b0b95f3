package store

import (
	"database/sql"
	"errors"
)

var (
	// ErrNotFound says that no row matches.
	ErrNotFound = sql.ErrNoRows
	// ErrBusy says that too many writes wait; the caller may try again.
	ErrBusy = errors.New("store: busy")
	// ErrClosed says that the store is closed or closing.
	ErrClosed = errors.New("store: closed")
	// ErrUnavailable says that the database cannot be read or written now: not migrated, disk full, I/O error.
	ErrUnavailable = errors.New("store: unavailable")
)

// A ConstraintError says which rule of the schema a statement would have broken.
type ConstraintError struct {
	Kind   string // "unique", "foreign key", "check", "not null" or "trigger"
	Table  string // for unique and not null
	Column string // the last column of the key, as in "This <column> is already taken."
	Err    error
}

func (e *ConstraintError) Error() string { return "store: " + e.Err.Error() }

// Unwrap returns the driver's error.
func (e *ConstraintError) Unwrap() error { return e.Err }

// IsUnique reports whether err is a uniqueness violation, and of which column.
func IsUnique(err error) (column string, ok bool) {
	var c *ConstraintError
	if errors.As(err, &c) && c.Kind == "unique" {
		return c.Column, true
	}
	return "", false
}
