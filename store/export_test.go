package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"testing"
	"time"

	"go.uber.org/zap"
)

// What the tests of package store_test need of the inside.

const QueueSize = queueSize

// MaxReads is how many connections there are for reading.
const MaxReads = maxReads

// SetReadWait has reads of s wait for d, while none comes or goes.
func SetReadWait(s *Store, d time.Duration) { s.open.Load().readers.wait = d }

var OpenConn = openConn

// SetConnect has s open its connections with fn. It is called before Migrate.
func (s *Store) SetConnect(fn func(uri string) (driver.Conn, error)) { s.openConn = fn }

// WriterOf returns the Write of the open connections, whatever becomes of s.
func WriterOf(s *Store) func(context.Context, func(*Tx) error) error {
	return s.open.Load().writer.write
}

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

// RawDB opens the file at path with connections like the writer's, as another process would.
func RawDB(path string) *sql.DB { return openDB(openConn, path, writerParams, writerPragmas) }

// NaiveDB opens the file at path as one would without this package: durable, and otherwise by the driver's defaults.
func NaiveDB(path string) *sql.DB {
	return openDB(openConn, path, "_txlock=immediate", []pragma{{"busy_timeout", "5000"}, {"journal_mode", "wal"}, {"synchronous", "2"}, {"foreign_keys", "1"}})
}

// NewestVersion is the version of this program's schema.
func NewestVersion(t testing.TB) int64 {
	v, err := newestVersion()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// MigrateTo makes the file at path as a program would that knows the schema up to version.
func MigrateTo(t testing.TB, path string, version int64) {
	s := &Store{path: path, log: zap.NewNop(), openConn: openConn, version: version}
	ctx := context.Background()
	if err := s.create(ctx); err != nil {
		t.Fatal(err)
	}
	if version == 0 {
		return
	}
	db := RawDB(path)
	defer db.Close()
	p, err := provider(db)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(ctx, version); err != nil {
		t.Fatal(err)
	}
	if err := s.mark(ctx, db); err != nil {
		t.Fatal(err)
	}
}
