package store

import "database/sql"

// Tx is one business operation's transaction: a savepoint in a shared one. It is valid inside the function given to Write only.
type Tx struct {
	// Actor is who writes, for the audit: a username, "anonymous", "system" or "command line".
	Actor string

	q     querier
	now   Time
	after []func()
}

// querier is what a Tx runs its statements on.
type querier interface {
	exec(query string, args ...any) (sql.Result, error)
	query(query string, args ...any) (*sql.Rows, error)
	queryRow(query string, args ...any) *sql.Row
}

// Now is the time of this operation, drawn once before it starts.
func (tx *Tx) Now() Time { return tx.now }

// Query runs a query. The caller closes the rows.
func (tx *Tx) Query(query string, args ...any) (*sql.Rows, error) { return tx.q.query(query, args...) }

// QueryRow runs a query for one row; sql.ErrNoRows comes from its Scan.
func (tx *Tx) QueryRow(query string, args ...any) *sql.Row { return tx.q.queryRow(query, args...) }

// Exec runs a statement and returns the number of rows it changed.
func (tx *Tx) Exec(query string, args ...any) (int64, error) {
	res, err := tx.q.exec(query, args...)
	if err != nil {
		return 0, classify(err)
	}
	return res.RowsAffected()
}

// Insert runs an INSERT and returns the integer primary key of the new row.
func (tx *Tx) Insert(query string, args ...any) (int64, error) {
	res, err := tx.q.exec(query, args...)
	if err != nil {
		return 0, classify(err)
	}
	return res.LastInsertId()
}

// AfterCommit registers fn to run when the transaction is durable and before Write returns: invalidation of caches, wake-up
// of a job. It is dropped when the operation fails. It must not block nor write.
func (tx *Tx) AfterCommit(fn func()) { tx.after = append(tx.after, fn) }
