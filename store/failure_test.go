package store_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// openFaulty returns a store like newStore's whose driver fails as f says, and its file.
func openFaulty(t testing.TB) (*store.Store, *faults, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tollgate.db")
	storetest.Open(t, path, storetest.NewClock()).Close()
	f := newFaults(t)
	s, err := openAt(t, path)
	if err != nil {
		t.Fatal(err)
	}
	s.SetConnect(f.connect)
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, s, addAccounts)
	return s, f, path
}

// Deferred foreign keys are checked by the commit, which is everybody's. One bad write must not fail the others.
func TestFailedCommitIsRedoneOneByOne(t *testing.T) {
	s := newStore(t)
	var runs [4]atomic.Int32
	var hooks atomic.Int32
	good := func(i int) func(tx *store.Tx) error {
		return func(tx *store.Tx) error {
			runs[i].Add(1)
			tx.AfterCommit(func() { hooks.Add(1) })
			return transfer(tx, 1, "good")
		}
	}
	errs := together(s, good(0), func(tx *store.Tx) error {
		runs[1].Add(1)
		if _, err := tx.Exec(`PRAGMA defer_foreign_keys = 1`); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO engagement (slug, user_id, last_visited) VALUES ('x', 1000, 0)`)
		return err
	}, func(tx *store.Tx) error { runs[2].Add(1); return errMine }, good(3))
	var c *store.ConstraintError
	if !errors.As(errs[1], &c) || c.Kind != "foreign key" {
		t.Errorf("the bad write: got %v, want its foreign key", errs[1])
	}
	if errs[0] != nil || errs[3] != nil {
		t.Errorf("the good ones: %v, %v", errs[0], errs[3])
	}
	wantErr(t, "the one with an error of its own", errs[2], errMine)
	for i, want := range []int32{2, 2, 1, 2} {
		if got := runs[i].Load(); got != want {
			t.Errorf("function %d ran %d times, want %d", i, got, want)
		}
	}
	if n := hooks.Load(); n != 2 {
		t.Errorf("%d hooks ran, want one for each write that holds", n)
	}
	if n := audited(t, s, "good"); n != 2 {
		t.Errorf("%d rows, want 2", n)
	}
	checkBooks(t, s)
	if err := audit(s, "after"); err != nil || !s.Ready() {
		t.Errorf("afterwards: %v, ready %t", err, s.Ready())
	}
}

// OR ROLLBACK stands for every error by which the engine ends the transaction of all: I/O errors, interrupts, lack of memory.
func TestLostTransaction(t *testing.T) {
	const spoil = `INSERT OR ROLLBACK INTO setting (name, value) VALUES ('twice', '')`
	tests := []struct {
		name string
		fn   func(tx *store.Tx) error
		want func(err error) bool
	}{
		{"told", func(tx *store.Tx) error { _, err := tx.Exec(spoil); return err }, func(err error) bool { _, ok := store.IsUnique(err); return ok }},
		{"swallowed", func(tx *store.Tx) error {
			if _, err := tx.Exec(spoil); err == nil {
				return errors.New("no error")
			}
			// Nothing may commit by itself from here on.
			if err := tx.Audit("test", "", "stray"); !errors.Is(err, store.ErrUnavailable) {
				return fmt.Errorf("Exec: %w", err)
			}
			if err := tx.QueryRow(`SELECT 1`).Scan(new(int)); !errors.Is(err, store.ErrUnavailable) {
				return fmt.Errorf("QueryRow: %w", err)
			}
			if _, err := tx.Query(`SELECT 1`); !errors.Is(err, store.ErrUnavailable) {
				return fmt.Errorf("Query: %w", err)
			}
			return nil
		}, func(err error) bool { return errors.Is(err, store.ErrUnavailable) }},
		{"by a row", func(tx *store.Tx) error {
			return tx.QueryRow(spoil + ` RETURNING name`).Scan(new(string))
		}, func(err error) bool { _, ok := store.IsUnique(err); return ok }},
		{"by a row, swallowed", func(tx *store.Tx) error {
			tx.QueryRow(spoil + ` RETURNING name`)
			tx.Audit("test", "", "stray")
			return nil
		}, func(err error) bool { return errors.Is(err, store.ErrUnavailable) }},
		{"by rows, swallowed", func(tx *store.Tx) error {
			if rows, err := tx.Query(spoil + ` RETURNING name`); err == nil {
				rows.Next()
			}
			tx.Audit("test", "", "stray")
			return nil
		}, func(err error) bool { return errors.Is(err, store.ErrUnavailable) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore(t)
			mustWrite(t, s, func(tx *store.Tx) error {
				_, err := tx.Exec(`INSERT INTO setting (name, value) VALUES ('twice', '')`)
				return err
			})
			write := func(detail string) func(tx *store.Tx) error {
				return func(tx *store.Tx) error { return transfer(tx, 1, detail) }
			}
			errs := together(s, write("before"), func(tx *store.Tx) error { return errMine }, tt.fn, write("after"))
			wantErr(t, "what ran before", errs[0], store.ErrUnavailable)
			if _, ok := store.IsUnique(errs[0]); ok {
				t.Errorf("the neighbour takes the mistake for its own: %v", errs[0])
			}
			wantErr(t, "what failed before", errs[1], errMine)
			if !tt.want(errs[2]) {
				t.Errorf("the culprit: got %v", errs[2])
			}
			if errs[3] != nil {
				t.Errorf("what ran after: %v", errs[3])
			}
			for detail, want := range map[string]int64{"before": 0, "stray": 0, "after": 1} {
				if got := audited(t, s, detail); got != want {
					t.Errorf("%s: %d rows, want %d", detail, got, want)
				}
			}
			checkBooks(t, s)
		})
	}
}

func TestDatabaseFull(t *testing.T) {
	s := newStore(t)
	pages := count(t, s, `SELECT page_count FROM pragma_page_count`)
	limit := func(n int64) {
		t.Helper()
		mustWrite(t, s, func(tx *store.Tx) error {
			_, err := tx.Exec(fmt.Sprintf(`PRAGMA max_page_count = %d`, n))
			return err
		})
	}
	limit(pages)
	big := strings.Repeat("x", 100_000)
	failures := s.Stats().Failures
	wantErr(t, "no page left", s.Write(t.Context(), func(tx *store.Tx) error { return transfer(tx, 1, big) }), store.ErrUnavailable)
	if s.Stats().Failures == failures {
		t.Error("the failure is not counted")
	}
	checkBooks(t, s)
	limit(pages + 1000)
	waitReady(s)
	if err := s.Write(t.Context(), func(tx *store.Tx) error { return transfer(tx, 1, big) }); err != nil {
		t.Errorf("with room again: %v", err)
	}
	checkBooks(t, s)
}

// The real thing, as a process of its own: its files may not grow past a limit, and the kernel refuses.
func TestDiskFull(t *testing.T) {
	if os.Getenv("TOLLGATE_TEST_CHILD") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestDiskFull$")
		cmd.Env = append(os.Environ(), "TOLLGATE_TEST_CHILD=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	signal.Ignore(syscall.SIGXFSZ)
	s := newStore(t)
	path := pathOf(t, s)
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Skip(err)
	}
	limit := func(n uint64) {
		t.Helper()
		now := before
		now.Cur = n
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &now); err != nil {
			t.Skip(err)
		}
	}
	big := strings.Repeat("x", 10_000)
	write := func() error {
		return s.Write(t.Context(), func(tx *store.Tx) error { return transfer(tx, 1, big) })
	}
	for round := range 3 {
		info, err := os.Stat(path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		limit(uint64(info.Size()) + 100_000)
		written := 0
		for err = write(); err == nil; err = write() {
			written++
		}
		if written == 0 || written > 20 {
			t.Errorf("round %d: %d writes before the disk was full", round, written)
		}
		wantErr(t, "on a full disk", err, store.ErrUnavailable)
		if s.Ready() {
			t.Errorf("round %d: ready on a full disk", round)
		}
		fns := make([]func(tx *store.Tx) error, 10)
		for i := range fns {
			fns[i] = func(tx *store.Tx) error { return transfer(tx, 1, big) }
		}
		for _, err := range together(s, fns...) {
			wantErr(t, "together on a full disk", err, store.ErrUnavailable)
		}
		checkBooks(t, s)
		limit(before.Cur)
		waitReady(s) // nobody writes: the store finds out by itself
		if err := write(); err != nil {
			t.Errorf("round %d: with room again: %v", round, err)
		}
		checkBooks(t, s)
	}
}

// Whatever call of the driver fails, a write is either done or refused, and the store goes on.
func TestFaultAtEveryCall(t *testing.T) {
	const writes = 8
	for _, rollback := range []bool{false, true} {
		for _, width := range []int{1, 3} { // calls in a row that fail
			s, f, path := openFaulty(t)
			f.rollback = rollback
			for n := 1; ; n++ {
				fns := make([]func(tx *store.Tx) error, writes/2)
				for i := range fns {
					fns[i] = func(tx *store.Tx) error { return transfer(tx, 1, fmt.Sprint(n, "/", i)) }
				}
				release := hold(s)
				outcomes := enqueue(s, fns...)
				f.failAt(n, n+width-1)
				release()
				results := outcomes()
				for i := len(results); i < writes; i++ {
					results = append(results, s.Write(t.Context(), func(tx *store.Tx) error { return transfer(tx, 1, fmt.Sprint(n, "/", i)) }))
				}
				calls := f.made()
				f.failAt(0, 0)
				for i, err := range results {
					var want int64 = 1
					if err != nil {
						wantErr(t, "a refused write", err, store.ErrUnavailable)
						want = 0
					}
					if got := audited(t, s, fmt.Sprint(n, "/", i)); got != want {
						t.Errorf("rollback %t, calls from %d: write %d: %d rows after %v", rollback, n, i, got, err)
					}
				}
				if err := audit(s, "after"); err != nil {
					t.Errorf("rollback %t, calls from %d: the store does not go on: %v", rollback, n, err)
				}
				if calls < n {
					if n < 30 {
						t.Errorf("%d writes have %d calls: too few to be true", writes, calls)
					}
					break
				}
			}
			checkBooks(t, s)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			checkBooks(t, storetest.Open(t, path, storetest.NewClock()))
		}
	}
}

// A function that does not look at the error of its rows goes on without knowing that its transaction is gone.
func TestFaultWhileRowsAreRead(t *testing.T) {
	s, f, _ := openFaulty(t)
	f.rollback = true
	f.failOn(func(query string) bool { return query == "next of SELECT slug FROM profile" })
	err := s.Write(t.Context(), func(tx *store.Tx) error {
		if err := transfer(tx, 1, "before"); err != nil {
			return err
		}
		rows, err := tx.Query(`SELECT slug FROM profile`)
		if err != nil {
			return err
		}
		for rows.Next() {
			t.Error("a row")
		}
		rows.Close()
		tx.Audit("test", "", "stray")
		return nil
	})
	wantErr(t, "Write", err, store.ErrUnavailable)
	f.failOn(nil)
	for _, detail := range []string{"before", "stray"} {
		if n := audited(t, s, detail); n != 0 {
			t.Errorf("%s: %d rows", detail, n)
		}
	}
	checkBooks(t, s)
}

// While nothing can be written the store says so, and it finds out by itself that it can again.
func TestReadyAgain(t *testing.T) {
	s, f, _ := openFaulty(t)
	f.failOn(func(query string) bool { return query == "COMMIT" || strings.HasPrefix(query, "BEGIN IMM") })
	wantErr(t, "Write", audit(s, "x"), store.ErrUnavailable)
	if s.Ready() {
		t.Error("ready though nothing can be written")
	}
	if n := count(t, s, `SELECT count(*) FROM audit`); n != 0 {
		t.Errorf("%d rows", n)
	}
	f.failOn(nil)
	waitReady(s)
}

// The readers have connections of their own, which may fail as well.
func TestReadsAfterAFault(t *testing.T) {
	s, f, _ := openFaulty(t)
	read := func() error {
		return s.Read(t.Context(), func(r store.Reader) error { return r.QueryRow(`SELECT 1`).Scan(new(int)) })
	}
	for _, statement := range []string{"BEGIN", "SELECT 1", "COMMIT"} {
		f.failOn(func(query string) bool { return query == statement })
		for range 5 {
			if err := read(); statement != "COMMIT" || err != nil {
				wantErr(t, statement, err, store.ErrUnavailable)
			}
		}
		f.failOn(nil)
		for range 5 {
			if err := read(); err != nil {
				t.Errorf("after a fault of %s: %v", statement, err)
			}
		}
	}
}

// Another process may hold the file for longer than the store waits.
func TestBusy(t *testing.T) {
	s := newStore(t)
	mustWrite(t, s, func(tx *store.Tx) error {
		_, err := tx.Exec(`PRAGMA busy_timeout = 20`)
		return err
	})
	other := store.RawDB(pathOf(t, s))
	defer other.Close()
	tx, err := other.Begin()
	if err != nil {
		t.Fatal(err)
	}
	wantErr(t, "Write", audit(s, "x"), store.ErrBusy)
	if n := count(t, s, `SELECT count(*) FROM audit`); n != 0 {
		t.Errorf("%d rows", n)
	}
	if !s.Ready() {
		t.Error("not ready, though reads go on and writes will")
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := audit(s, "x"); err != nil {
		t.Errorf("when the other is done: %v", err)
	}
}
