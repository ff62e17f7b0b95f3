package importer

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// A row is one of the file. Its methods return the value of a column as it must be; the first one that is not leaves an err and
// what follows is of no use.
type row struct {
	table *table
	id    int64
	cells []any // int64, float64, string, []byte or nil, as SQLite has them
	err   error
}

func (r *row) String() string { return fmt.Sprintf("%s %d", r.table.name, r.id) }

// fail notes what is wrong with a column.
func (r *row) fail(column, format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%s: %s %s", r, column, fmt.Sprintf(format, args...))
	}
}

func (r *row) cell(column string) any { return r.cells[r.table.column(column)] }

// null reports whether a column holds nothing.
func (r *row) null(column string) bool { return r.cell(column) == nil }

// int is a number between two others.
func (r *row) int(column string, least, most int64) int64 {
	n, ok := r.cell(column).(int64)
	switch {
	case !ok:
		r.fail(column, "is no integer")
	case n < least || n > most:
		r.fail(column, "is %d, not between %d and %d", n, least, most)
	}
	return n
}

// nullInt is a number, or nothing.
func (r *row) nullInt(column string, least, most int64) any {
	if r.null(column) {
		return nil
	}
	return r.int(column, least, most)
}

// bool is 0 or 1.
func (r *row) bool(column string) bool { return r.int(column, 0, 1) == 1 }

// ref is the id of another row; 0 for none. That the row exists was checked before.
func (r *row) ref(column string) int64 {
	if r.null(column) {
		return 0
	}
	return r.int(column, 1, mostID-1)
}

// must is the id of another row.
func (r *row) must(column string) int64 {
	if r.null(column) {
		r.fail(column, "is missing")
	}
	return r.ref(column)
}

// text is a text of at most some characters; "" for nothing.
func (r *row) text(column string, most int) string {
	v := r.cell(column)
	if v == nil {
		return ""
	}
	s, ok := v.(string)
	switch {
	case !ok:
		r.fail(column, "is no text")
	case !utf8.ValidString(s) || strings.ContainsRune(s, 0):
		r.fail(column, "is no text in UTF-8")
	case utf8.RuneCountInString(s) > most:
		r.fail(column, "has more than %d characters", most)
	}
	return s
}

// plain is the text of a name or a title, without what does not show or turns the direction of what follows.
func (w *work) plain(r *row, column string, most int) string {
	text := r.text(column, most)
	if plain := rest.Plain(text); plain != text {
		w.note(r, column+" held characters that do not show: left out")
		text = plain
	}
	return text
}

// nullText is a text, or nothing.
func (r *row) nullText(column string, most int) any {
	if r.null(column) {
		return nil
	}
	return r.text(column, most)
}

// key is a text that is only stored when there is one.
func (r *row) key(column string, most int) any { return orNull(r.text(column, most)) }

func orNull[T comparable](v T) any {
	var zero T
	if v == zero {
		return nil
	}
	return v
}

// earliest and latest are the bounds of dates. What is outside of them no form of the other system lets through.
var (
	earliest = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	latest   = time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC)
)

// nullTime is an instant, which the file has as text in UTC; the zero Time for none.
func (r *row) nullTime(column string) store.Time {
	if r.null(column) {
		return store.Time{}
	}
	text := r.text(column, 40)
	if r.err != nil {
		return store.Time{}
	}
	at, ok := parseTime(text)
	switch {
	case !ok:
		r.fail(column, "is %.40q, which is no date", text)
	case at.Before(earliest) || at.After(latest):
		r.fail(column, "is %s, which is not between %d and %d", at.Format(time.DateOnly), earliest.Year(), latest.Year())
	}
	return store.At(at)
}

// time is an instant.
func (r *row) time(column string) store.Time {
	if r.null(column) {
		r.fail(column, "is missing")
	}
	return r.nullTime(column)
}

func parseTime(text string) (time.Time, bool) {
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC(), true
		}
	}
	return time.Time{}, false
}

// date is a day as text, or nothing.
func (r *row) date(column string) any {
	if r.null(column) {
		return nil
	}
	at := r.nullTime(column)
	if r.err != nil {
		return nil
	}
	return at.Format(time.DateOnly)
}
