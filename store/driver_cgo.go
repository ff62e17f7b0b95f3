//go:build cgo

package store

import (
	"database/sql/driver"
	"errors"

	"github.com/mattn/go-sqlite3"
)

// Settings that only this driver has: both keep prepared statements by their text, and database/sql uses a connection from
// one goroutine at a time.
const (
	writerParams = "_txlock=immediate&_mutex=no&_stmt_cache_size=256"
	readerParams = "mode=ro&_mutex=no&_stmt_cache_size=128"
)

func openConn(uri string) (driver.Conn, error) { return new(sqlite3.SQLiteDriver).Open(uri) }

// resultCode returns SQLite's extended result code of an error of the driver.
func resultCode(err error) (int, bool) {
	var e sqlite3.Error
	if !errors.As(err, &e) {
		return 0, false
	}
	return int(e.ExtendedCode), true
}
