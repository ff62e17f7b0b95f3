package store

import (
	"database/sql"
	"database/sql/driver"
)

// What the tests of package store_test need of the inside.

const (
	ApplicationID = applicationID
	QueueSize     = queueSize
	MaxBatch      = maxBatch
)

var (
	OpenConn   = openConn
	ResultCode = resultCode
	Classify   = classify
)

// SetConnect has s open its connections with fn. It is called before Migrate.
func (s *Store) SetConnect(fn func(uri string) (driver.Conn, error)) { s.openConn = fn }

// Settings returns the pragmas wanted of the writer and of the readers, by name.
func Settings() (writer, reader map[string]string) {
	writer, reader = map[string]string{}, map[string]string{}
	for _, p := range writerPragmas {
		writer[p.name] = p.value
	}
	for _, p := range readerPragmas {
		reader[p.name] = p.value
	}
	return writer, reader
}

// RawDB opens the file at path with a connection like the writer's, as another process would.
func RawDB(path string) *sql.DB { return openDB(openConn, path, writerParams, writerPragmas) }

// NaiveDB opens the file at path as one would without this package: durable, and otherwise by the driver's defaults.
func NaiveDB(path string) *sql.DB {
	return openDB(openConn, path, "_txlock=immediate", []pragma{{"busy_timeout", "5000"}, {"journal_mode", "wal"}, {"synchronous", "2"}, {"foreign_keys", "1"}})
}
