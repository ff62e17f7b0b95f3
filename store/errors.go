package store

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
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
	// ErrNested says that a function given to Write called Write or Read of the store, which would wait for itself or miss its
	// own rows.
	ErrNested = errors.New("store: Write or Read called inside Write")
	// ErrEnded says that a Tx or a Reader was used after the function it was given to returned.
	ErrEnded = errors.New("store: used after its transaction ended")
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

// IsUnique reports whether err is a uniqueness violation, and of which column. It takes errors of Scan as well.
func IsUnique(err error) (column string, ok bool) {
	var c *ConstraintError
	if errors.As(classify(err), &c) && c.Kind == "unique" {
		return c.Column, true
	}
	return "", false
}

// Result codes of SQLite, https://www.sqlite.org/rescode.html: the low byte is the primary code.
const (
	codePerm        = 3
	codeBusy        = 5
	codeLocked      = 6
	codeNoMemory    = 7
	codeReadOnly    = 8
	codeInterrupt   = 9
	codeIO          = 10
	codeCorrupt     = 11
	codeFull        = 13
	codeCannotOpen  = 14
	codeProtocol    = 15
	codeConstraint  = 19
	codeNotDatabase = 26

	codeCheck      = codeConstraint | 1<<8
	codeForeignKey = codeConstraint | 3<<8
	codeNotNull    = codeConstraint | 5<<8
	codePrimaryKey = codeConstraint | 6<<8
	codeTrigger    = codeConstraint | 7<<8
	codeUnique     = codeConstraint | 8<<8
	codeRowID      = codeConstraint | 10<<8
)

// classify turns an error of the driver, wrapped or not, into the package's own: *ConstraintError, ErrBusy or ErrUnavailable.
// It keeps the original in the chain, and returns everything else as it is.
func classify(err error) error {
	if err == nil {
		return nil
	}
	code, ok := resultCode(err)
	var c *ConstraintError
	if !ok || errors.As(err, &c) || errors.Is(err, ErrBusy) || errors.Is(err, ErrUnavailable) {
		return err
	}
	switch code & 0xff {
	case codeConstraint:
		return constraintError(code, err)
	case codeBusy, codeLocked:
		return fmt.Errorf("%w: %w", ErrBusy, err)
	case codePerm, codeNoMemory, codeReadOnly, codeInterrupt, codeIO, codeCorrupt, codeFull, codeCannotOpen, codeProtocol, codeNotDatabase:
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

func constraintError(code int, err error) error {
	c := &ConstraintError{Err: err}
	switch code {
	case codeUnique, codePrimaryKey, codeRowID:
		c.Kind = "unique"
	case codeNotNull:
		c.Kind = "not null"
	case codeForeignKey:
		c.Kind = "foreign key"
	case codeCheck:
		c.Kind = "check"
	case codeTrigger:
		c.Kind = "trigger"
		if strings.Contains(err.Error(), "FOREIGN KEY constraint failed") {
			c.Kind = "foreign key" // SQLite makes a trigger of ON DELETE RESTRICT
		}
	default:
		return err
	}
	if c.Kind == "unique" || c.Kind == "not null" {
		c.Table, c.Column = lastColumn(err.Error())
	}
	return c
}

// lastColumn reads the names in "… constraint failed: plan.profile_id, plan.title", which SQLite tells in no other way. The
// pure-Go driver appends " (2067)". An index over expressions is named instead of columns: "index 'name'".
func lastColumn(msg string) (table, column string) {
	const failed = "constraint failed: "
	i := strings.LastIndex(msg, failed)
	if i < 0 {
		return "", ""
	}
	names, _, _ := strings.Cut(msg[i+len(failed):], " (")
	table, column, _ = strings.Cut(names[strings.LastIndex(names, ", ")+1:], ".")
	return strings.TrimSpace(table), column
}
