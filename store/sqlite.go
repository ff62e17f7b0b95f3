package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"time"
)

// pragma is a setting of a connection, and its value as SQLite reports it once it holds.
type pragma struct{ name, value string }

var (
	// What a savepoint may have to take back is kept in memory: every write has one, and each page that it changes would go to a
	// temporary file first.
	writerPragmas = append([]pragma{{"temp_store", "2"}}, migratorPragmas...)

	// migratorPragmas leave what is sorted to files: a migration may sort all there is.
	migratorPragmas = []pragma{
		{"busy_timeout", "5000"},
		{"journal_mode", "wal"},
		{"synchronous", "2"}, // FULL: in WAL mode the drivers' default may lose the last commits with the power
		{"foreign_keys", "1"},
		{"recursive_triggers", "1"}, // without, REPLACE deletes past the triggers of append-only tables
		{"cache_size", "-65536"},    // KiB
		{"wal_autocheckpoint", "4000"},
		{"journal_size_limit", "67108864"},
	}
	// readerPragmas give each a small cache: there are many, and the system caches the file for all.
	readerPragmas = []pragma{
		{"busy_timeout", "5000"},
		{"query_only", "1"},
		{"cache_size", "-2000"},
	}
	// creatorPragmas leave the journal mode as it is, see create.
	creatorPragmas = []pragma{
		{"busy_timeout", "5000"},
		{"synchronous", "2"},
	}
)

// conn is a connection whose statements of transaction control are prepared, since they are run for every Write and Read. The
// driver keeps the others.
type conn struct {
	*sql.Conn
	prepared map[string]*sql.Stmt
	texts    map[string]string // of statements, as SQLite is given them: see planned
}

func newConn(ctx context.Context, db *sql.DB) (*conn, error) {
	c, err := db.Conn(ctx)
	if err != nil {
		return nil, classify(err)
	}
	return &conn{c, map[string]*sql.Stmt{}, map[string]string{}}, nil
}

// control runs BEGIN, COMMIT and the like. What it cannot run is unavailable, but for constraints that a commit checks.
func (c *conn) control(text string) error {
	stmt, err := c.prepared[text], error(nil)
	if stmt == nil {
		if stmt, err = c.PrepareContext(context.Background(), text); err == nil {
			c.prepared[text] = stmt
		}
	}
	if err == nil {
		_, err = stmt.ExecContext(context.Background())
	}
	err = classify(err)
	if _, ok := err.(*ConstraintError); err == nil || ok || errors.Is(err, ErrBusy) || errors.Is(err, ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %s: %w", ErrUnavailable, text, err)
}

// inTransaction reports whether a transaction is open, by trying to open another: neither driver tells otherwise.
func (c *conn) inTransaction() bool {
	if c.control("BEGIN") != nil {
		return true
	}
	c.control("ROLLBACK")
	return false
}

// Close gives the connection back to its handle. The statements are closed first: database/sql forgets them, and the file
// would stay open for them.
func (c *conn) Close() error {
	for _, stmt := range c.prepared {
		stmt.Close()
	}
	return c.Conn.Close()
}

// discard closes a connection that may be broken, instead of giving it back.
func (c *conn) discard() {
	for _, stmt := range c.prepared {
		stmt.Close()
	}
	c.Raw(func(any) error { return driver.ErrBadConn })
	c.Conn.Close()
}

// connector opens connections to a file. Nearly all settings belong to a connection, not to the file, and SQLite passes over
// those that it does not know: so each new connection is set up and asked whether they hold.
type connector struct {
	uri     string
	pragmas []pragma
	open    func(uri string) (driver.Conn, error)
}

// openDB returns a handle on the file at path.
func openDB(open func(string) (driver.Conn, error), path, params string, pragmas []pragma) *sql.DB {
	path = filepath.ToSlash(path)
	if path[0] != '/' {
		path = "/" + path // a drive letter
	}
	u := url.URL{Scheme: "file", Path: path, RawQuery: params}
	return sql.OpenDB(&connector{uri: u.String(), pragmas: pragmas, open: open})
}

// Connect implements driver.Connector.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.open(c.uri)
	if err != nil {
		return nil, classify(err)
	}
	for _, p := range c.pragmas {
		err := set(ctx, conn, p)
		// A file that is new becomes a write-ahead one under an exclusive lock, for which the engine does not wait: several
		// programs that start at once on it take turns here.
		for i := 0; i < 100 && errors.Is(err, ErrBusy) && ctx.Err() == nil; i++ {
			time.Sleep(20 * time.Millisecond)
			err = set(ctx, conn, p)
		}
		if err != nil {
			conn.Close()
			return nil, err
		}
	}
	return conn, nil
}

// Driver implements driver.Connector.
func (c *connector) Driver() driver.Driver { return c }

// Open implements driver.Driver.
func (c *connector) Open(string) (driver.Conn, error) { return c.Connect(context.Background()) }

func set(ctx context.Context, conn driver.Conn, p pragma) error {
	if _, err := conn.(driver.ExecerContext).ExecContext(ctx, "PRAGMA "+p.name+" = "+p.value, nil); err != nil {
		return fmt.Errorf("setting %s: %w", p.name, classify(err))
	}
	rows, err := conn.(driver.QueryerContext).QueryContext(ctx, "PRAGMA "+p.name, nil)
	if err != nil {
		return fmt.Errorf("reading the setting %s: %w", p.name, classify(err))
	}
	defer rows.Close()
	got := make([]driver.Value, 1)
	if err := rows.Next(got); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading the setting %s: %w", p.name, classify(err))
	}
	if fmt.Sprint(got[0]) != p.value {
		return fmt.Errorf("%w: the setting %s is %v instead of %s", ErrUnavailable, p.name, got[0], p.value)
	}
	return nil
}
