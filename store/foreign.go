package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ErrForeign says that a file is not a database that OpenForeign can read: not SQLite, damaged, or not a file at all.
var ErrForeign = errors.New("not an SQLite database that can be read")

// Foreign is a database of another program, opened to be read: one snapshot of it. What it holds is not trusted.
type Foreign struct {
	session
	db *sql.DB
}

var foreignPragmas = []pragma{
	{"busy_timeout", "5000"},
	{"query_only", "1"},
	{"trusted_schema", "0"}, // its schema runs no function with side effects
	{"cell_size_check", "1"},
}

// OpenForeign opens the database of another program, which is not changed, and which that program may go on writing. Errors:
// ErrForeign with the reason, or that there is no such file.
func OpenForeign(ctx context.Context, path string) (*Foreign, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: there is no such file", path)
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: %w: it is no file", path, ErrForeign)
	case info.Size() == 0:
		return nil, fmt.Errorf("%s: %w: it is empty", path, ErrForeign)
	}
	db := openDB(openConn, path, readerParams, foreignPragmas)
	db.SetMaxOpenConns(1)
	f := &Foreign{db: db}
	if err := f.begin(ctx); err != nil {
		f.Close()
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return nil, err
		}
		return nil, fmt.Errorf("%s: %w: %v", path, ErrForeign, err)
	}
	return f, nil
}

// begin opens the snapshot and looks the file through for damage.
func (f *Foreign) begin(ctx context.Context) error {
	c, err := newConn(ctx, f.db)
	if err != nil {
		return err
	}
	f.session = session{ctx: ctx, db: f.db, conn: c}
	if err := c.control("BEGIN"); err != nil {
		return err
	}
	rows, err := f.Query("PRAGMA quick_check(1)")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var found string
		if err := rows.Scan(&found); err != nil {
			return err
		}
		if found != "ok" {
			return errors.New("it is damaged: " + strings.TrimSpace(found))
		}
	}
	return rows.Err()
}

// Close closes the database.
func (f *Foreign) Close() error {
	if f.conn != nil {
		f.end()
		f.conn.discard()
	}
	return f.db.Close()
}
