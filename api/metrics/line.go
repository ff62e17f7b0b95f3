package metrics

import (
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// Lines of the broker's balance sheets (metrics.md 4.2, 4.3).

// A Line is a line of a balance sheet.
type Line struct {
	Title    string `json:"title"`
	Selector string `json:"selector"` // part of the names of accounts; "" for a heading
	Rank     int64  `json:"rank"`

	id         int64
	isPositive bool
}

const lineColumns = `title, selector, rank, id, is_positive`

func scanLine(row interface{ Scan(...any) error }, l *Line) error {
	return row.Scan(&l.Title, &l.Selector, &l.Rank, &l.id, &l.isPositive)
}

const selectLines = `SELECT ` + lineColumns + ` FROM balance_line WHERE report = ? AND moved = 0 ORDER BY rank`

func linesOf(r store.Reader, report string) (all []Line, err error) {
	err = store.Each(r, func(rows *sql.Rows) error {
		var l Line
		err := scanLine(rows, &l)
		all = append(all, l)
		return err
	}, selectLines, report)
	return all, err
}

var lineList = rest.List[Line]{
	Select: lineColumns, From: "balance_line", Where: "report = ? AND moved = 0", Key: "id", Default: []string{"rank"},
	Scan: func(rows *sql.Rows, l *Line) error { return scanLine(rows, l) },
}

// listLines lists the lines of a report by rank.
func (s *Service) listLines(c *rest.Call, r store.Reader) (rest.Page[Line], error) {
	return lineList.Page(c, r, c.Param("report"))
}

var errNoLine = rest.NotFound("BalanceLine")

// line is the line of the path. Errors: 404.
func line(c *rest.Call, r store.Reader) (l Line, err error) {
	rank, err := strconv.ParseInt(c.Param("rank"), 10, 64)
	if err != nil {
		return l, errNoLine
	}
	return lineAt(r, c.Param("report"), rank)
}

func lineAt(r store.Reader, report string, rank int64) (l Line, err error) {
	err = scanLine(r.QueryRow(`SELECT `+lineColumns+` FROM balance_line WHERE report = ? AND rank = ? AND moved = 0`, report, rank), &l)
	if errors.Is(err, store.ErrNotFound) {
		err = errNoLine
	}
	return l, err
}

func (s *Service) findLine(c *rest.Call, r store.Reader) error {
	_, err := line(c, r)
	return err
}

// showLine shows a line.
func (s *Service) showLine(c *rest.Call, r store.Reader) (Line, error) { return line(c, r) }

// NewLine is a line to add. A rank is not asked for.
type NewLine struct {
	Title    string `json:"title" in:"required" validate:"max=255,plain"`
	Selector string `json:"selector" in:"blank" validate:"max=255,plain"`
}

// addLine adds a line after the others.
func (s *Service) addLine(c *rest.Call, tx *store.Tx, in *NewLine) (Line, error) {
	l := Line{Title: in.Title, Selector: in.Selector}
	report := c.Param("report")
	err := tx.QueryRow(`SELECT coalesce(MAX(rank), 0) + 1 FROM balance_line WHERE report = ? AND moved = 0`, report).Scan(&l.Rank)
	if err != nil {
		return l, err
	}
	_, err = tx.Insert(`INSERT INTO balance_line (report, title, selector, rank) VALUES (?, ?, ?, ?)`, report, l.Title, l.Selector, l.Rank)
	c.Created("")
	return l, err
}

// LineChange is a line as it is to be; what is not given stays.
type LineChange struct {
	Title    rest.Opt[string] `json:"title" in:"required" validate:"max=255,plain"`
	Selector rest.Opt[string] `json:"selector" in:"blank" validate:"max=255,plain"`
	Rank     rest.Opt[int64]  `json:"rank" in:"required" validate:"gte=1,lte=2147483647"`
}

// changeLine changes a line. Errors: 400 for a rank that another line has.
func (s *Service) changeLine(c *rest.Call, tx *store.Tx, in *LineChange) (Line, error) {
	l, err := line(c, tx)
	if err != nil {
		return l, err
	}
	rank := in.Rank.Or(l.Rank)
	if rank != l.Rank {
		switch _, err := lineAt(tx, c.Param("report"), rank); {
		case err == nil:
			return l, rest.Bad("rank", "This rank is already taken.")
		case !errors.Is(err, errNoLine):
			return l, err
		}
	}
	l.Title, l.Selector, l.Rank = in.Title.Or(l.Title), in.Selector.Or(l.Selector), rank
	_, err = tx.Exec(`UPDATE balance_line SET title = ?, selector = ?, rank = ? WHERE id = ?`, l.Title, l.Selector, l.Rank, l.id)
	return l, err
}

// deleteLine removes a line; the ranks of the others stay as they are.
func (s *Service) deleteLine(c *rest.Call, tx *store.Tx, _ *rest.None) (out rest.None, err error) {
	l, err := line(c, tx)
	if err != nil {
		return out, err
	}
	_, err = tx.Exec(`DELETE FROM balance_line WHERE id = ?`, l.id)
	return out, err
}

// Moves are changes of the order, carried out one after the other.
type Moves []Move

// A Move takes the line at a rank to the rank of another.
type Move struct {
	From rest.Opt[int64] `json:"oldpos" in:"required"`
	To   rest.Opt[int64] `json:"newpos" in:"required"`
}

// mostMoves bounds how long a change of the order keeps other writes waiting.
const mostMoves = 1000

// Check wants both ranks of each move: PATCH by itself would not.
func (in *Moves) Check(*rest.Call) error {
	if len(*in) > mostMoves {
		return rest.Fail(http.StatusBadRequest, fmt.Sprintf("At most %d moves are made at once.", mostMoves))
	}
	problems, bad := make([]rest.Fields, len(*in)), false
	for i, m := range *in {
		problems[i] = rest.Fields{}
		for _, f := range []struct {
			name string
			rest.Opt[int64]
		}{{"oldpos", m.From}, {"newpos", m.To}} {
			if !f.Set() {
				problems[i], bad = append(problems[i], rest.Field{Name: f.name, Value: []string{"This field is required."}}), true
			}
		}
	}
	if bad {
		return &rest.Error{Status: http.StatusBadRequest, Body: problems}
	}
	return nil
}

// moveLines changes the order of lines, all or nothing, and answers with the list. Errors: 400 for a rank without a line.
func (s *Service) moveLines(c *rest.Call, tx *store.Tx, in *Moves) (page rest.Page[Line], err error) {
	for _, m := range *in {
		if err := moveLine(tx, c.Param("report"), m.From.Value, m.To.Value); err != nil {
			return page, err
		}
	}
	return s.listLines(c, tx)
}

// moveLine takes the line at a rank to another; those between move by one towards where it was. Ranks are unique at each moment, so that
// what moves is set apart by its flag until it has arrived.
func moveLine(tx *store.Tx, report string, from, to int64) error {
	for _, rank := range []int64{from, to} {
		if _, err := lineAt(tx, report, rank); errors.Is(err, errNoLine) {
			return rest.Fail(http.StatusBadRequest, fmt.Sprintf("There is no line at position %d.", rank))
		} else if err != nil {
			return err
		}
	}
	_, err := tx.Exec(`UPDATE balance_line SET moved = 1, rank = CASE WHEN rank = ?2 THEN ?3 WHEN ?2 < ?3 THEN rank - 1 ELSE rank + 1 END
		WHERE report = ?1 AND moved = 0 AND rank BETWEEN min(?2, ?3) AND max(?2, ?3)`, report, from, to)
	if err == nil {
		_, err = tx.Exec(`UPDATE balance_line SET moved = 0 WHERE report = ?1 AND moved = 1`, report)
	}
	return err
}
