//go:build !cgo

package store

import (
	"database/sql/driver"
	"errors"

	"modernc.org/sqlite"
)

const (
	writerParams = "_txlock=immediate"
	readerParams = "mode=ro"
)

func openConn(uri string) (driver.Conn, error) { return new(sqlite.Driver).Open(uri) }

// resultCode returns SQLite's extended result code of an error of the driver.
func resultCode(err error) (int, bool) {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return 0, false
	}
	return e.Code(), true
}
