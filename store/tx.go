package store

// Tx is one business operation's transaction: a savepoint in a shared one. It is valid inside the function given to Write
// only, on its goroutine.
type Tx struct {
	// Actor is who writes, for the audit: a username, "anonymous", "system" or "command line".
	Actor string

	session
	after []func()
}

// Exec runs a statement and returns the number of rows it changed.
func (tx *Tx) Exec(query string, args ...any) (int64, error) {
	res, err := tx.exec(query, args)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// Insert runs an INSERT and returns the integer primary key of the new row.
func (tx *Tx) Insert(query string, args ...any) (int64, error) {
	res, err := tx.exec(query, args)
	if err != nil {
		return 0, err
	}
	return res.LastInsertId()
}

// AfterCommit registers fn to run when the transaction is durable and before Write returns: invalidation of caches, wake-up
// of a job. It is dropped when the operation fails. It must not block nor write.
func (tx *Tx) AfterCommit(fn func()) { tx.after = append(tx.after, fn) }
