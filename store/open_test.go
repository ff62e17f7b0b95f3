package store_test

import (
	"context"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

func TestOpenMakesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	s, err := openAt(t, filepath.Join(dir, "tollgate.db"))
	if err != nil {
		t.Fatal(err)
	}
	if s.Ready() {
		t.Error("ready before Migrate")
	}
	wantErr(t, "Write", audit(s, ""), store.ErrUnavailable)
	wantErr(t, "Read", s.Read(t.Context(), func(store.Reader) error { return nil }), store.ErrUnavailable)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	wantErr(t, "Migrate after Close", s.Migrate(t.Context()), store.ErrClosed)
	wantErr(t, "Write after Close", audit(s, ""), store.ErrClosed)
	if _, err := os.Stat(filepath.Dir(dir)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder was made: %v", err)
	}
}

func TestOpenLeavesTheFileAlone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "tollgate.db")
	s := storetest.Open(t, path, storetest.NewClock())
	if err := audit(s, "kept"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got, want := files(t, dir), []string{"tollgate.db"}; !cmp.Equal(got, want) {
		t.Errorf("after Close: %v, want the file alone", got)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err = openAt(t, path)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(after) != string(before) {
		t.Error("Open changed the file")
	}
	if got, want := files(t, dir), []string{"tollgate.db"}; !cmp.Equal(got, want) {
		t.Errorf("after Open: %v, want the file alone", got)
	}
}

func files(t *testing.T, dir string) (names []string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestOpenRefuses(t *testing.T) {
	sqlite := func(t *testing.T, path string, statements ...string) {
		db := store.NaiveDB(path)
		defer db.Close()
		for _, st := range statements {
			if _, err := db.Exec(st); err != nil {
				t.Fatal(err)
			}
		}
	}
	migrated := func(t *testing.T, path string) {
		if err := storetest.Open(t, path, storetest.NewClock()).Close(); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name string
		make func(t *testing.T, path string)
		open string // what Open says
		then string // what Migrate says, if Open says nothing
	}{
		{"text", func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(strings.Repeat("not a database\n", 100)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "not a database of this program", ""},
		{"short text", func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "not a database of this program", ""},
		{"folder", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, "store: unavailable", ""},
		{"database of others", func(t *testing.T, path string) {
			sqlite(t, path, "CREATE TABLE theirs (x)")
		}, "not a database of this program", ""},
		{"newer", func(t *testing.T, path string) {
			migrated(t, path)
			sqlite(t, path, "PRAGMA user_version = 1000")
		}, "written by a newer version of this program: its schema is 1000", ""},
		{"newer, unmarked", func(t *testing.T, path string) {
			migrated(t, path)
			sqlite(t, path, "PRAGMA user_version = 1", "INSERT INTO goose_db_version (version_id, is_applied) VALUES (1000, 1)")
		}, "", "written by a newer version of this program: its schema is 1000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "tollgate.db")
			tt.make(t, path)
			s, err := openAt(t, path)
			want := tt.open
			if want == "" {
				if err != nil {
					t.Fatal(err)
				}
				want, err = tt.then, s.Migrate(t.Context())
			}
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want %q and the path", err, want)
			}
		})
	}
}

func TestOptionsAreRequired(t *testing.T) {
	if _, err := store.Open(t.Context(), store.Options{Path: "x"}); err == nil {
		t.Error("a store without a clock")
	}
}

// A creation may be interrupted before the file is marked as ours, at any write of it.
func TestInterruptedCreation(t *testing.T) {
	marked := filepath.Join(t.TempDir(), "tollgate.db")
	db := store.NaiveDB(marked)
	if _, err := db.Exec("PRAGMA application_id = 0x546f6c6c"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(marked)
	if err != nil || len(page) != 4096 {
		t.Fatal(len(page), err)
	}
	// The journal of the first transaction on an empty file has nothing to put back but the file's size.
	journal := make([]byte, 512)
	copy(journal, "\xd9\xd5\x05\xf9\x20\xa1\x63\xd7")
	binary.BigEndian.PutUint32(journal[20:], 512)  // bytes of a sector
	binary.BigEndian.PutUint32(journal[24:], 4096) // bytes of a page
	for name, parts := range map[string]struct{ file, journal []byte }{
		"nothing":          {[]byte{}, nil},
		"a journal":        {[]byte{}, journal},
		"the mark":         {page, journal},
		"half of the mark": {page[:512], journal},
		"an empty journal": {page, []byte{}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "tollgate.db")
			if err := os.WriteFile(path, parts.file, 0o600); err != nil {
				t.Fatal(err)
			}
			if parts.journal != nil {
				if err := os.WriteFile(path+"-journal", parts.journal, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			s := storetest.Open(t, path, storetest.NewClock())
			if err := audit(s, "x"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestStrangePath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "100% who? #1 & ünï;code=1", "a b.db")
	s := storetest.Open(t, path, storetest.NewClock())
	if err := audit(s, "x"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

func TestFileModes(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	dir := filepath.Join(t.TempDir(), "data")
	path := filepath.Join(dir, "tollgate.db")
	check := func() {
		t.Helper()
		s := storetest.Open(t, path, storetest.NewClock())
		defer s.Close()
		if err := audit(s, "x"); err != nil {
			t.Error(err)
		}
		for name, want := range map[string]os.FileMode{dir: 0o700, path: 0o600, path + "-wal": 0o600, path + "-shm": 0o600} {
			info, err := os.Stat(name)
			if err != nil {
				t.Error(err)
			} else if got := info.Mode().Perm(); got != want {
				t.Errorf("%s has mode %o, want %o", name, got, want)
			}
		}
	}
	check()
	if err := os.Chmod(path, 0o644); err != nil { // a restored backup
		t.Fatal(err)
	}
	check()
}

func TestSettingsHold(t *testing.T) {
	s := storetest.New(t)
	writer, reader := store.Settings()
	read := func(r store.Reader, want map[string]string) error {
		for name, want := range want {
			var got string
			if err := r.QueryRow("PRAGMA " + name).Scan(&got); err != nil {
				return err
			}
			if got != want {
				t.Errorf("%s is %s, want %s", name, got, want)
			}
		}
		return nil
	}
	mustWrite(t, s, func(tx *store.Tx) error { return read(tx, writer) })
	if err := s.Read(t.Context(), func(r store.Reader) error { return read(r, reader) }); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]string{"synchronous": "2", "journal_mode": "wal", "foreign_keys": "1"} {
		if writer[name] != want {
			t.Errorf("%s is not set to %s: a commit would not be durable, or not be checked", name, want)
		}
	}
}

// SQLite passes over settings that it does not know or cannot have, without an error.
func TestSettingsThatDoNotHold(t *testing.T) {
	for name, other := range map[string]string{"synchronous": "1", "journal_mode": "delete", "foreign_keys": "0", "query_only": "0"} {
		t.Run(name, func(t *testing.T) {
			s, err := openAt(t, filepath.Join(t.TempDir(), "tollgate.db"))
			if err != nil {
				t.Fatal(err)
			}
			s.SetConnect(func(uri string) (driver.Conn, error) {
				c, err := store.OpenConn(uri)
				return &deafConn{c, "PRAGMA " + name + " =", other}, err
			})
			err = s.Migrate(t.Context())
			wantErr(t, "Migrate", err, store.ErrUnavailable)
			if err != nil && !strings.Contains(err.Error(), name) {
				t.Errorf("the error does not name the setting: %v", err)
			}
			if s.Ready() {
				t.Error("ready")
			}
		})
	}
}

// deafConn is a connection that does something else than one of the pragmas says.
type deafConn struct {
	driver.Conn
	pragma, value string
}

func (c *deafConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if strings.HasPrefix(query, c.pragma) {
		query = c.pragma + c.value
	}
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
}

func (c *deafConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
}

func (c *deafConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	return c.Conn.(driver.ConnBeginTx).BeginTx(ctx, opts)
}

// schema returns every statement that makes the schema of the file.
func schema(t *testing.T, path string) (all []string) {
	t.Helper()
	db := store.RawDB(path)
	defer db.Close()
	rows, err := db.Query(`SELECT coalesce(sql, name) FROM sqlite_schema ORDER BY type, name`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var sql string
		if err := rows.Scan(&sql); err != nil {
			t.Fatal(err)
		}
		all = append(all, sql)
	}
	return all
}

func TestMigrateFromEveryVersion(t *testing.T) {
	fresh := filepath.Join(t.TempDir(), "tollgate.db")
	storetest.Open(t, fresh, storetest.NewClock()).Close()
	want := schema(t, fresh)
	for version := range store.NewestVersion(t) + 1 {
		path := filepath.Join(t.TempDir(), "tollgate.db")
		store.MigrateTo(t, path, version)
		s := storetest.Open(t, path, storetest.NewClock())
		if err := audit(s, "x"); err != nil {
			t.Errorf("from version %d: %v", version, err)
		}
		if n := count(t, s, `SELECT count(*) FROM pragma_foreign_key_check`); n != 0 {
			t.Errorf("from version %d: %d broken references", version, n)
		}
		s.Close()
		if got := schema(t, path); !cmp.Equal(got, want) {
			t.Errorf("from version %d: %s", version, cmp.Diff(want, got))
		}
		if again := storetest.Open(t, path, storetest.NewClock()); audited(t, again, "x") != 1 {
			t.Errorf("from version %d: the row is gone when the file is opened again", version)
		}
	}
}

// Whatever call fails, the next Migrate goes on where it stopped.
func TestMigrateResumes(t *testing.T) {
	fresh := filepath.Join(t.TempDir(), "tollgate.db")
	storetest.Open(t, fresh, storetest.NewClock()).Close()
	want := schema(t, fresh)
	step := 13
	if testing.Short() {
		step = 53
	}
	for n := 1; ; n += step {
		path := filepath.Join(t.TempDir(), "tollgate.db")
		f := newFaults(t)
		s, err := openAt(t, path)
		if err != nil {
			t.Fatal(err)
		}
		s.SetConnect(f.connect)
		f.failAt(n, n)
		err = s.Migrate(t.Context())
		calls := f.made()
		f.failAt(0, 0)
		if calls < n {
			if n < 100 {
				t.Errorf("a migration has %d calls: too few to be true", calls)
			}
			return // there is no such call any more
		}
		if err == nil {
			continue // it was tried again
		}
		if s.Ready() {
			t.Fatalf("call %d: ready after %v", n, err)
		}
		if err := s.Migrate(t.Context()); err != nil {
			t.Fatalf("call %d: %v", n, err)
		}
		if err := audit(s, "x"); err != nil {
			t.Errorf("call %d: %v", n, err)
		}
		s.Close()
		if got := schema(t, path); !cmp.Equal(got, want) {
			t.Errorf("call %d: %s", n, cmp.Diff(want, got))
		}
	}
}

// The server and the command line may start at the same time.
func TestMigrateTwiceAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tollgate.db")
	var wg sync.WaitGroup
	for range 4 {
		s, err := openAt(t, path)
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			if err := s.Migrate(t.Context()); err != nil {
				t.Error(err)
			}
			if err := s.Migrate(t.Context()); err != nil {
				t.Errorf("again: %v", err)
			}
		})
	}
	wg.Wait()
}
