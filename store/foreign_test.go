package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// foreignFile makes a database of another program.
func foreignFile(t *testing.T, statements ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "other.sqlite")
	db := openDB(openConn, path, "mode=rwc", nil)
	defer db.Close()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	return path
}

// TestForeign reads a file that its program goes on writing: one snapshot, and no write of ours.
func TestForeign(t *testing.T) {
	for _, mode := range []string{"delete", "wal"} {
		path := foreignFile(t, "PRAGMA journal_mode = "+mode, "CREATE TABLE a (n)", "INSERT INTO a VALUES (1), (2)")
		f, err := OpenForeign(t.Context(), path)
		if err != nil {
			t.Fatalf("%s: %v", mode, err)
		}
		count := func() (n int) {
			t.Helper()
			if err := f.QueryRow("SELECT count(*) FROM a").Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		if n := count(); n != 2 {
			t.Errorf("%s: %d rows, want 2", mode, n)
		}
		if mode == "wal" {
			db := openDB(openConn, path, "mode=rw", nil)
			if _, err := db.Exec("INSERT INTO a VALUES (3)"); err != nil {
				t.Fatal(err)
			}
			db.Close()
			if n := count(); n != 2 {
				t.Errorf("%d rows after a write of the other program, want those of the snapshot", n)
			}
		}
		if rows, err := f.Query("INSERT INTO a VALUES (4) RETURNING n"); err == nil {
			for rows.Next() {
			}
			if rows.Err() == nil {
				t.Errorf("%s: a write went through", mode)
			}
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestForeignRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	whole, err := os.ReadFile(foreignFile(t, "CREATE TABLE a (n)", "CREATE INDEX b ON a (n)",
		"INSERT INTO a WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 5000) SELECT n FROM c"))
	if err != nil {
		t.Fatal(err)
	}
	scrambled := append([]byte(nil), whole...)
	copy(scrambled[4096:], strings.Repeat("x", 4096))
	for path, want := range map[string]string{
		filepath.Join(dir, "nowhere"): "no such file",
		dir:                           "it is no file",
		write("empty", ""):            "it is empty",
		write("text", strings.Repeat("not a database\n", 99)): "not a database",
		write("cut", string(whole[:len(whole)/2])):            ErrForeign.Error(),
		write("scrambled", string(scrambled)):                 ErrForeign.Error(),
	} {
		f, err := OpenForeign(t.Context(), path)
		if err == nil {
			f.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) || want != "no such file" && !errors.Is(err, ErrForeign) {
			t.Errorf("%s: %v, want %q", filepath.Base(path), err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := OpenForeign(ctx, foreignFile(t, "CREATE TABLE a (n)")); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want that the context is over", err)
	}
}
