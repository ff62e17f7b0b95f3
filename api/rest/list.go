package rest

import (
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/caddy-tollgate/tollgate/store"
)

// A List says how a list endpoint reads, searches, filters, sorts and pages its rows (conventions.md 7). It is a package
// variable: its SQL is constant, values are bound by the caller.
type List[T any] struct {
	// Select are the columns that Scan reads, From the tables and joins, Where a condition ("" for all). From and Where may hold
	// '?', bound in the order of the text; Select may not: it is not there when rows are counted.
	Select, From, Where string
	// Counted is From without the joins that leave out no row, "" for From itself: what is counted when q is not given. Where, Dates
	// and Filters have to do with it.
	Counted string
	// Total is a query for how many rows there are, of a list without Where that somebody keeps the number of; "" to count them.
	Total string
	// Key is the integer primary key of the listed row: the last tie-breaker, ascending, or descending with "-" in front. The
	// joins of From repeat no row.
	Key string
	// Search maps the public names of q_f to columns or expressions. Without q_f all of them are searched.
	Search Names
	// Order maps the public names of o to columns or expressions.
	Order Names
	// Default is the order without o, and the tie-breaker with it: names of Order, or columns; "-" reverses.
	Default []string
	// Dates is the column that start_at and ends_at filter, never NULL; "" if the list has no such filter.
	Dates string
	// EndsNow makes ends_at default to the time of the request (conventions.md 7.4).
	EndsNow bool
	// Blank splits q at blanks as well as at commas (activity, contact and key lists of conventions.md 7.5).
	Blank bool
	// Scan reads a row.
	Scan func(rows *sql.Rows, item *T) error
}

// Names maps public names to columns; one name may stand for several.
type Names map[string][]string

// A Filter narrows a list for one call; see Where.
type Filter struct {
	where string
	args  []any
}

// Where is a condition that a call adds to a list's own, given to Page behind the arguments of the list: a constant, with its
// '?' bound to args. Expressions of From may be used in it.
func Where(condition string, args ...any) Filter { return Filter{condition, args} }

// A Page is the envelope of a list (conventions.md 7.1). Envelopes with more keys embed it last.
type Page[T any] struct {
	Count    int64   `json:"count"`
	Next     *string `json:"next"`
	Previous *string `json:"previous"`
	Results  []T     `json:"results"`
}

// Found is the envelope of a type-ahead list.
type Found[T any] struct {
	Count   int64 `json:"count"`
	Results []T   `json:"results"`
}

// Page runs the list with the parameters of the call: page, page_size, q, q_f, o, start_at, ends_at, timezone. args fill the
// '?' of From and Where; Filters may follow. What the items need besides is filled in by the caller, for all of a page at once.
//
// For CSV an endpoint made by Get is run again and again, on one snapshot, each time with the next rows (Count is 0 and there are
// no links); other endpoints get all rows at once. Errors: 404 "Invalid page.", 400 for a bad date.
func (l *List[T]) Page(c *Call, r store.Reader, args ...any) (Page[T], error) {
	q, r, err := l.query(c, r, args)
	if err != nil {
		return Page[T]{}, err
	}
	if c.accept.csv {
		items, err := l.batch(c, r, q)
		return Page[T]{Results: items}, err
	}
	number, size, err := c.paging()
	if err != nil {
		return Page[T]{}, err
	}
	count := int64(-1) // not known
	if number == lastPage {
		if count, err = l.count(r, q); err != nil {
			return Page[T]{}, err
		}
		number = max(1, (count+size-1)/size)
	}
	// One row more than the page tells whether another page follows. When none does, nothing need be counted.
	offset := (number - 1) * size
	items, err := l.read(r, q, size+1, offset)
	if err != nil {
		return Page[T]{}, err
	}
	n := int64(len(items))
	switch {
	case n == 0 && offset > 0:
		return Page[T]{}, errPage
	case n > size:
		items = items[:size]
		if count < 0 {
			if count, err = l.count(r, q); err != nil {
				return Page[T]{}, err
			}
		}
	default:
		count = offset + n
	}
	p := Page[T]{Count: count, Results: items}
	if n > size {
		p.Next = c.pageLink(number + 1)
	}
	if number > 1 {
		p.Previous = c.pageLink(number - 1)
	}
	return p, nil
}

// TypeAhead runs the list without pages: all rows when at most max(5, terms of q) match, else none (conventions.md 7.3).
func (l *List[T]) TypeAhead(c *Call, r store.Reader, args ...any) (Found[T], error) {
	q, r, err := l.query(c, r, args)
	if err != nil {
		return Found[T]{}, err
	}
	most := max(5, int64(q.terms))
	items, err := l.read(r, q, most+1, 0)
	if err != nil || int64(len(items)) > most {
		return Found[T]{Results: []T{}}, err
	}
	return Found[T]{Count: int64(len(items)), Results: items}, nil
}

// Totals runs an aggregate over all rows that match, on every page: columns is what scan reads, as in "t.unit, SUM(t.amount)",
// and group, if not empty, what it is grouped by. args are those of Page.
func (l *List[T]) Totals(c *Call, r store.Reader, columns, group string, scan func(rows *sql.Rows) error, args ...any) error {
	q, r, err := l.query(c, r, args)
	if err != nil {
		return err
	}
	text := "SELECT " + columns + q.from + q.where
	if group != "" {
		text += " GROUP BY " + group + " ORDER BY " + group
	}
	rows, err := r.Query(text, q.args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// query is the list as one call wants it.
type query struct {
	from, where, order string // with their key words
	args               []any
	terms              int        // of q
	before             store.Time // set when the only condition is that nothing is dated in the future
}

// query reads the parameters. A search may take long: the Reader that comes back gives it up when the client goes away.
func (l *List[T]) query(c *Call, r store.Reader, args []any) (query, store.Reader, error) {
	q := query{from: " FROM " + l.From}
	if !slices.Contains(c.endpoint.opts.lists, listing(l)) {
		return q, r, fmt.Errorf("rest: %s %s does not name a list that it runs", c.endpoint.Method, c.endpoint.Path)
	}
	var conditions []string
	if l.Where != "" {
		conditions = append(conditions, l.Where)
	}
	var filters []any
	for _, arg := range args {
		if f, ok := arg.(Filter); ok {
			conditions = append(conditions, f.where)
			filters = append(filters, f.args...)
			continue
		}
		q.args = append(q.args, arg)
	}
	q.args = append(q.args, filters...)
	if l.Dates != "" {
		window, err := c.Range(l.EndsNow)
		if err != nil {
			return q, r, err
		}
		if !window.Start.IsZero() {
			conditions = append(conditions, l.Dates+" >= ?")
			q.args = append(q.args, window.Start)
		}
		if !window.End.IsZero() {
			if window.EndDefaulted && len(conditions) == 0 && len(q.args) == 0 {
				q.before = window.End
			}
			conditions = append(conditions, l.Dates+" < ?")
			q.args = append(q.args, window.End)
		}
	}
	if len(l.Search) > 0 {
		terms := splitTerms(c.QueryString("q"), l.Blank)
		if q.terms = len(terms); q.terms > 0 {
			r = store.Cancellable(c.Context(), r)
		}
		condition, patterns := l.Search.match(terms, c.QueryStrings("q_f"))
		if condition != "" {
			conditions = append(conditions, condition)
			q.args = append(q.args, patterns...)
		}
	}
	if len(conditions) > 0 {
		q.where = " WHERE (" + strings.Join(conditions, ") AND (") + ")"
	}
	q.order = l.order(c.QueryStrings("o"))
	return q, r, nil
}

// read runs the query for some rows.
func (l *List[T]) read(r store.Reader, q query, limit, offset int64) ([]T, error) {
	args := append(q.args[:len(q.args):len(q.args)], limit, offset)
	rows, err := r.Query("SELECT "+l.Select+q.from+q.where+q.order+" LIMIT ? OFFSET ?", args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	return l.scan(rows, limit)
}

// scan reads at most limit rows.
func (l *List[T]) scan(rows *sql.Rows, limit int64) ([]T, error) {
	items := make([]T, 0, min(limit, 32))
	for int64(len(items)) < limit && rows.Next() {
		var item T
		if err := l.Scan(rows, &item); err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, rows.Err()
}

// count counts the rows that match. Of a whole table the engine, or Total, knows how many there are without looking at each, and rows
// that are dated in the future are few.
func (l *List[T]) count(r store.Reader, q query) (n int64, err error) {
	from := q.from
	if l.Counted != "" && q.terms == 0 {
		from = " FROM " + l.Counted
	}
	if q.before.IsZero() || q.terms > 0 {
		err = r.QueryRow("SELECT COUNT(*)"+from+q.where, q.args...).Scan(&n)
		return n, err
	}
	total := l.Total
	if total == "" {
		total = "SELECT COUNT(*)" + from
	}
	if err = r.QueryRow(total).Scan(&n); err != nil {
		return 0, err
	}
	var future int64
	err = r.QueryRow("SELECT COUNT(*)"+from+" WHERE "+l.Dates+" >= ?", q.before).Scan(&future)
	return n - future, err
}

// batch reads the next rows of a CSV answer.
func (l *List[T]) batch(c *Call, r store.Reader, q query) ([]T, error) {
	all := c.rows == nil
	if all {
		c.rows = new(cursor)
		defer func() { c.rows = nil }()
	}
	if c.rows.rows == nil {
		rows, err := r.Query("SELECT "+l.Select+q.from+q.where+q.order, q.args...)
		if err != nil {
			return nil, err
		}
		c.rows.rows = rows
	}
	limit := int64(csvBatch)
	if all {
		defer c.rows.rows.Close()
		limit = math.MaxInt64
	}
	items, err := l.scan(c.rows.rows, limit)
	c.rows.more = err == nil && int64(len(items)) == limit
	return items, err
}

// cursor is the open query of a CSV answer.
type cursor struct {
	rows *sql.Rows
	more bool
}

// Pages (conventions.md 7.2).
const (
	pageSize    = 25
	maxPageSize = 100
	lastPage    = -1
	maxPage     = math.MaxInt64 / maxPageSize / 2
)

// paging reads page and page_size.
func (c *Call) paging() (number, size int64, err error) {
	size = pageSize
	if n, ok := parseInt(strings.TrimSpace(c.QueryString("page_size"))); ok && n > 0 {
		size = min(n, maxPageSize)
	}
	switch page := strings.TrimSpace(c.QueryString("page")); page {
	case "":
		return 1, size, nil
	case "last":
		return lastPage, size, nil
	default:
		n, err := strconv.ParseInt(page, 10, 64)
		if err != nil || n < 1 || n > maxPage {
			return 0, 0, errPage
		}
		return n, size, nil
	}
}

// pageLink is the absolute URL of another page (conventions.md 7.1).
func (c *Call) pageLink(number int64) *string {
	v := c.query().without("page")
	if number > 1 {
		v = append(v, parameterValue{"page", strconv.FormatInt(number, 10)})
	}
	link := c.URL(c.r.URL.EscapedPath())
	if encoded := v.encode(); encoded != "" {
		link += "?" + encoded
	}
	return &link
}

// order is the ORDER BY of the names in o, with the default and the key as tie-breakers (conventions.md 7.6).
func (l *List[T]) order(names []string) string {
	var b strings.Builder
	b.WriteString(" ORDER BY ")
	used := make(map[string]bool, 8)
	add := func(columns []string, descending bool) {
		for _, column := range columns {
			if used[column] {
				continue
			}
			if len(used) > 0 {
				b.WriteString(", ")
			}
			used[column] = true
			b.WriteString(column)
			if descending {
				b.WriteString(" DESC")
			}
		}
	}
	for _, list := range names {
		for name := range strings.SplitSeq(list, ",") {
			name, descending := strings.CutPrefix(name, "-")
			add(l.Order[name], descending)
		}
	}
	for _, name := range l.Default {
		name, descending := strings.CutPrefix(name, "-")
		columns, ok := l.Order[name]
		if !ok {
			columns = []string{name}
		}
		add(columns, descending)
	}
	key, descending := strings.CutPrefix(l.Key, "-")
	add([]string{key}, descending)
	return b.String()
}
