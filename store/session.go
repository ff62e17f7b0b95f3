package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// session runs the statements of one Write or one Read on its connection, and ends with it.
type session struct {
	ctx  context.Context // never the caller's in a Write: an interrupted statement undoes the neighbours' work as well
	db   *sql.DB
	conn *conn
	now  Time
	more time.Duration // that Now is later than now
	err  error         // why no further statement may run

	// What the function opened, so that nothing outlives it: an open cursor keeps its snapshot.
	rows []*sql.Rows
	row  []*sql.Row
}

// Now is the time of this operation, drawn once before it starts. From one operation to the next it does not run backwards
// when the clock is corrected by a minute or less.
func (s *session) Now() Time {
	if s.more == 0 {
		return s.now
	}
	return At(s.now.Add(s.more))
}

// Wall is Now without what Shift added: when the operation really takes place.
func (s *session) Wall() Time { return s.now }

func (s *session) shift(d time.Duration) { s.more += d }

// Shift makes the time of an operation later by d: it is about somebody whose clock is ahead.
func Shift(r Reader, d time.Duration) {
	if s, ok := r.(interface{ shift(time.Duration) }); ok && d != 0 {
		s.shift(d)
	}
}

// Query runs a query. The caller closes the rows.
func (s *session) Query(query string, args ...any) (*sql.Rows, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	rows, err := s.conn.QueryContext(s.ctx, query, args...)
	if err != nil {
		return nil, s.failed(err)
	}
	s.rows = append(s.rows, rows)
	return rows, nil
}

// QueryRow runs a query for one row; ErrNotFound comes from its Scan.
func (s *session) QueryRow(query string, args ...any) *sql.Row {
	if err := s.check(); err != nil {
		return failedRow(s.db, err)
	}
	row := s.conn.QueryRowContext(s.ctx, query, args...)
	if err := row.Err(); err != nil {
		return failedRow(s.db, s.failed(err))
	}
	s.row = append(s.row, row)
	return row
}

func (s *session) exec(query string, args []any) (sql.Result, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	res, err := s.conn.ExecContext(s.ctx, query, args...)
	if err != nil {
		return nil, s.failed(err)
	}
	return res, nil
}

// check refuses statements once the transaction is over. It looks at the rows read last, too: an error that the function did
// not look at may have ended the transaction, and what came after it would commit by itself.
func (s *session) check() error {
	if n := len(s.rows); s.err == nil && n > 0 {
		if err := s.rows[n-1].Err(); err != nil {
			s.failed(err)
		}
	}
	return s.err
}

// failed takes note of a statement's error. Most leave the transaction as it was. Disk full, I/O errors, lack of memory and
// interrupts may have rolled it back, all of it.
func (s *session) failed(err error) error {
	if over := s.ctx.Err(); over != nil {
		err = over
	}
	err = classify(err)
	if s.err == nil && !s.conn.inTransaction() {
		s.err = fmt.Errorf("%w: the engine ended the transaction: %v", ErrUnavailable, err)
	}
	return err
}

// end closes what the function left open and refuses all later use. It returns why the transaction is over already, if it is.
func (s *session) end() (lost error) {
	lost = s.check()
	s.err = ErrEnded
	for _, row := range s.row {
		row.Scan() // the only way to close it; after the function's own Scan it does nothing
	}
	for _, rows := range s.rows {
		rows.Close()
	}
	s.rows, s.row = nil, nil
	return lost
}

// failedRow returns a row whose Scan fails with err: database/sql makes one when the context is over.
func failedRow(db *sql.DB, err error) *sql.Row {
	return db.QueryRowContext(overContext{context.Background(), err}, "")
}

type overContext struct {
	context.Context
	err error
}

var overDone = func() <-chan struct{} { c := make(chan struct{}); close(c); return c }()

func (c overContext) Done() <-chan struct{} { return overDone }
func (c overContext) Err() error            { return c.err }
