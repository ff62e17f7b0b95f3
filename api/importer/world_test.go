package importer

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

const golden = "../../caddymodule/testdata/golden/"

// A world is an empty site and a file to import.
type world struct {
	Options
	t testing.TB
}

// newWorld is a site as a first start makes it, and a copy of a file that statements have changed.
func newWorld(t testing.TB, file string, statements ...string) *world {
	t.Helper()
	s := storetest.New(t)
	dir, err := directory.New(directory.Options{
		Store: s, Now: storetest.NewClock().Now, Logger: zap.NewNop(), Broker: "hub", Secrets: directory.NewSecrets(), TokenLifetime: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, Options: Options{File: filepath.Join(t.TempDir(), file), Store: s, Directory: dir, Broker: "hub", Processor: "processor"}}
	w.write(`INSERT INTO profile (id, slug, created_at) VALUES (1, 'processor', 0), (2, 'hub', 0)`)
	w.write(`INSERT INTO role_description (created_at, slug, title) VALUES (0, 'manager', 'Manager')`)
	w.write(`INSERT INTO app (slug, profile_id) VALUES ('hub', 2)`)
	text, err := os.ReadFile(golden + file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.File, text, 0o600); err != nil {
		t.Fatal(err)
	}
	db := openFile(t, w.File)
	defer db.Close()
	for _, q := range statements {
		if _, err := db.Exec(q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	return w
}

// openFile opens a database with nothing enforced.
func openFile(t testing.TB, path string) *sql.DB {
	t.Helper()
	driver := "sqlite3"
	if !slices.Contains(sql.Drivers(), driver) {
		driver = "sqlite"
	}
	db, err := sql.Open(driver, "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	for _, p := range []string{"foreign_keys = OFF", "ignore_check_constraints = ON", "writable_schema = ON"} {
		if _, err := db.Exec("PRAGMA " + p); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

func (w *world) write(query string, args ...any) {
	w.t.Helper()
	if err := w.Store.Write(w.t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(query, args...)
		return err
	}); err != nil {
		w.t.Fatalf("%s: %v", query, err)
	}
}

// run imports, which must succeed.
func (w *world) run() *Report {
	w.t.Helper()
	r, err := Run(w.t.Context(), w.Options)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// text is a query's rows, one a line.
func (w *world) text(query string, args ...any) string {
	w.t.Helper()
	var text string
	if err := w.Store.Read(w.t.Context(), func(r store.Reader) (err error) {
		rows, err := r.Query(query, args...)
		if err == nil {
			text, err = printed(rows)
		}
		return err
	}); err != nil {
		w.t.Fatalf("%s: %v", query, err)
	}
	return text
}

func printed(rows *sql.Rows) (string, error) {
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return "", err
	}
	cells, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range cells {
		into[i] = &cells[i]
	}
	var b strings.Builder
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return "", err
		}
		for i, c := range cells {
			if i > 0 {
				b.WriteByte('|')
			}
			if c != nil {
				fmt.Fprint(&b, c)
			}
		}
		b.WriteByte('\n')
	}
	return b.String(), rows.Err()
}

// everything is how many rows each table has, and which profiles there are: what an import would change.
func (w *world) everything() string {
	w.t.Helper()
	var b strings.Builder
	for name := range strings.FieldsSeq(w.text(`SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name`)) {
		fmt.Fprintf(&b, "%s %s", name, w.text(`SELECT count(*) FROM "`+name+`"`))
	}
	return b.String() + w.text(`SELECT id, slug FROM profile ORDER BY id`)
}
