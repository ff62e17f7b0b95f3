package store_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

var errMine = errors.New("mine")

func TestWriteByMany(t *testing.T) {
	s := newStore(t)
	const callers, each = 128, 40
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := range each {
				detail, bad := fmt.Sprintf("%d/%d", c, i), (c+i)%10 == 0
				err := s.Write(t.Context(), func(tx *store.Tx) error {
					if err := transfer(tx, int64(i), detail); err != nil || !bad {
						return err
					}
					return errMine
				})
				switch {
				case bad && err != errMine:
					t.Errorf("%s: got %v, want its own error", detail, err)
				case !bad && err != nil:
					t.Errorf("%s: %v", detail, err)
				case !bad && audited(t, s, detail) != 1:
					t.Errorf("%s: the caller does not read what it wrote", detail)
				}
			}
		})
	}
	wg.Wait()
	if got, want := count(t, s, `SELECT count(*) FROM audit WHERE action = 'transfer'`), int64(callers*each*9/10); got != want {
		t.Errorf("%d rows, want %d", got, want)
	}
	checkBooks(t, s)
	st := s.Stats()
	if want := uint64(callers*each*9/10 + 1); st.Writes != want || st.Failures != 0 || st.Queued != 0 {
		t.Errorf("statistics %+v, want %d writes", st, want)
	}
	if st.Batches >= st.Writes {
		t.Errorf("%d commits for %d writes: none was shared", st.Batches, st.Writes)
	}
}

func TestWritesShareACommit(t *testing.T) {
	s := newStore(t)
	before := s.Stats()
	fns := make([]func(tx *store.Tx) error, 100)
	for i := range fns {
		fns[i] = func(tx *store.Tx) error { return transfer(tx, 1, "shared") }
	}
	for i, err := range together(s, fns...) {
		if err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	if n := s.Stats().Batches - before.Batches; n > 10 {
		t.Errorf("%d commits for 100 writes that waited together", n)
	}
	checkBooks(t, s)
}

// What one function does wrong is undone, and touches nobody else.
func TestFailuresStayWithTheirOwn(t *testing.T) {
	addEmail := func(tx *store.Tx, email string) error {
		_, err := tx.Exec(`INSERT INTO user (username, email, created_at, password_changed_at) VALUES (?, ?, 0, 0)`, email, email)
		return err
	}
	good := func(tx *store.Tx) error { return transfer(tx, 5, "good") }
	tests := []struct {
		name  string
		fn    func(tx *store.Tx) error
		check func(err error) bool
	}{
		{"error", func(tx *store.Tx) error { return errMine }, func(err error) bool { return err == errMine }},
		{"panic", func(tx *store.Tx) error { panic("spilt") }, func(err error) bool { return err != nil && strings.Contains(err.Error(), "spilt") }},
		{"not unique", func(tx *store.Tx) error {
			if err := addEmail(tx, "ann@example.com"); err != nil {
				return err
			}
			return addEmail(tx, "ann@example.com")
		}, func(err error) bool {
			column, ok := store.IsUnique(err)
			return ok && column == "email" || column == "username"
		}},
		{"wrong SQL", func(tx *store.Tx) error { _, err := tx.Exec(`INSERT INTO nowhere VALUES (1)`); return err }, func(err error) bool { return err != nil }},
		{"open rows", func(tx *store.Tx) error {
			rows, err := tx.Query(`SELECT 1 UNION SELECT 2`)
			if err != nil || !rows.Next() {
				return fmt.Errorf("no row: %w", err)
			}
			tx.QueryRow(`SELECT 1`)
			return errMine
		}, func(err error) bool { return err == errMine }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore(t)
			errs := together(s, good, func(tx *store.Tx) error {
				if err := transfer(tx, 1000, "bad"); err != nil {
					t.Error(err)
				}
				return tt.fn(tx)
			}, good)
			if errs[0] != nil || errs[2] != nil {
				t.Errorf("the neighbours fail: %v, %v", errs[0], errs[2])
			}
			if !tt.check(errs[1]) {
				t.Errorf("got %v", errs[1])
			}
			if n := audited(t, s, "bad"); n != 0 {
				t.Errorf("%d rows of the failed write", n)
			}
			if n := audited(t, s, "good"); n != 2 {
				t.Errorf("%d rows of the others, want 2", n)
			}
			checkBooks(t, s)
			if !s.Ready() {
				t.Error("not ready after a mistake of a caller")
			}
		})
	}
}

func TestCancelBeforeItRuns(t *testing.T) {
	s := newStore(t)
	release := hold(s)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- s.Write(ctx, func(tx *store.Tx) error {
			t.Error("a function ran whose caller had gone")
			return nil
		})
	}()
	waitQueued(s, 1)
	cancel()
	wantErr(t, "Write", <-done, context.Canceled) // while the writer is still held
	release()
	wantErr(t, "Write with a context that has ended", s.Write(ctx, func(*store.Tx) error { return nil }), context.Canceled)
	wantErr(t, "Read with a context that has ended", s.Read(ctx, func(store.Reader) error { return nil }), context.Canceled)
	if err := audit(s, "after"); err != nil {
		t.Error(err)
	}
}

// An interrupted statement would undo the whole transaction, the neighbours' part as well.
func TestCancelWhileItRuns(t *testing.T) {
	s := newStore(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	neighbour := func(tx *store.Tx) error { return transfer(tx, 1, "neighbour") }
	release := hold(s)
	var wg sync.WaitGroup
	start := func(ctx context.Context, fn func(tx *store.Tx) error) {
		queued := s.Stats().Queued
		wg.Go(func() {
			if err := s.Write(ctx, fn); err != nil {
				t.Error(err)
			}
		})
		waitQueued(s, queued+1)
	}
	start(t.Context(), neighbour)
	start(ctx, func(tx *store.Tx) error {
		if err := transfer(tx, 1, "first half"); err != nil {
			return err
		}
		cancel()
		for range 1000 {
			runtime.Gosched()
		}
		return transfer(tx, 1, "second half")
	})
	start(t.Context(), neighbour)
	release()
	wg.Wait()
	for detail, want := range map[string]int64{"neighbour": 2, "first half": 1, "second half": 1} {
		if got := audited(t, s, detail); got != want {
			t.Errorf("%s: %d rows, want %d", detail, got, want)
		}
	}
	checkBooks(t, s)
}

// FailNow of a test ends the goroutine it is called on, which is the writer's.
func TestGoexit(t *testing.T) {
	s := newStore(t)
	var kept *store.Tx
	errs := together(s, func(tx *store.Tx) error {
		kept = tx
		if err := transfer(tx, 1, "lost"); err != nil {
			t.Error(err)
		}
		runtime.Goexit()
		return nil
	}, func(tx *store.Tx) error { return transfer(tx, 1, "kept") })
	wantErr(t, "the function that ended the goroutine", errs[0], store.ErrUnavailable)
	wantErr(t, "its transaction", kept.Audit("test", "", "stray"), store.ErrEnded)
	if errs[1] != nil {
		t.Error(errs[1])
	}
	if audited(t, s, "lost") != 0 || audited(t, s, "kept") != 1 {
		t.Error("the wrong write was kept")
	}
	for i, err := range together(s, func(tx *store.Tx) error {
		tx.AfterCommit(runtime.Goexit)
		return tx.Audit("test", "", "hook")
	}, func(tx *store.Tx) error { return tx.Audit("test", "", "hook") }) {
		if err != nil {
			t.Errorf("%d, after a hook that ended the goroutine: %v", i, err)
		}
	}
	if n := audited(t, s, "hook"); n != 2 {
		t.Errorf("%d rows, want 2", n)
	}
}

func TestNestedWrite(t *testing.T) {
	s := newStore(t)
	mustWrite(t, s, func(tx *store.Tx) error {
		wantErr(t, "Write in Write", audit(s, "nested"), store.ErrNested)
		wantErr(t, "Read in Write", s.Read(t.Context(), func(store.Reader) error { return nil }), store.ErrNested)
		_, err := s.Prune(t.Context(), `DELETE FROM audit`)
		wantErr(t, "Prune in Write", err, store.ErrNested)
		tx.AfterCommit(func() { wantErr(t, "Write in a hook", audit(s, "hook"), store.ErrNested) })
		return nil
	})
	if n := count(t, s, `SELECT count(*) FROM audit`); n != 0 {
		t.Errorf("%d rows were written", n)
	}
	// Another goroutine may ask at the same time.
	release := hold(s)
	done := make(chan error)
	go func() { done <- audit(s, "x") }()
	waitQueued(s, 1)
	release()
	if err := <-done; err != nil {
		t.Errorf("Write beside Write: %v", err)
	}
}

func TestTxEndsWithItsFunction(t *testing.T) {
	s := newStore(t)
	var kept *store.Tx
	mustWrite(t, s, func(tx *store.Tx) error { kept = tx; return nil })
	_, err := kept.Exec(`DELETE FROM audit`)
	wantErr(t, "Exec", err, store.ErrEnded)
	_, err = kept.Query(`SELECT 1`)
	wantErr(t, "Query", err, store.ErrEnded)
	wantErr(t, "QueryRow", kept.QueryRow(`SELECT 1`).Scan(new(int)), store.ErrEnded)
	var reader store.Reader
	if err := s.Read(t.Context(), func(r store.Reader) error { reader = r; return nil }); err != nil {
		t.Fatal(err)
	}
	wantErr(t, "QueryRow of Read", reader.QueryRow(`SELECT 1`).Scan(new(int)), store.ErrEnded)
}

func TestAfterCommit(t *testing.T) {
	s := newStore(t)
	var hooks []string
	hook := func(name string, tx *store.Tx) { tx.AfterCommit(func() { hooks = append(hooks, name) }) }
	errs := together(s,
		func(tx *store.Tx) error { hook("a", tx); hook("b", tx); return nil },
		func(tx *store.Tx) error { hook("dropped", tx); return errMine },
		func(tx *store.Tx) error { tx.AfterCommit(func() { panic("in a hook") }); return nil },
		func(tx *store.Tx) error { hook("c", tx); return nil },
	)
	wantErr(t, "the one that fails", errs[1], errMine)
	if errs[0] != nil || errs[2] != nil || errs[3] != nil {
		t.Errorf("the others: %v", errs)
	}
	if got := strings.Join(hooks, " "); got != "a b c" {
		t.Errorf("hooks that ran: %s", got)
	}
	// The row is there for others when the hook runs, and the hook has run when the caller goes on.
	other := store.RawDB(pathOf(t, s))
	defer other.Close()
	var seen int
	mustWrite(t, s, func(tx *store.Tx) error {
		tx.AfterCommit(func() {
			if err := other.QueryRow(`SELECT count(*) FROM audit WHERE detail = 'seen'`).Scan(&seen); err != nil {
				t.Error(err)
			}
		})
		return tx.Audit("test", "", "seen")
	})
	if seen != 1 {
		t.Errorf("the hook saw %d rows of the commit, want 1", seen)
	}
}

// pathOf returns the path of the store's file.
func pathOf(t testing.TB, s *store.Store) (path string) {
	t.Helper()
	if err := s.Read(t.Context(), func(r store.Reader) error {
		return r.QueryRow(`SELECT file FROM pragma_database_list WHERE name = 'main'`).Scan(&path)
	}); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestQueueIsBounded(t *testing.T) {
	s := newStore(t)
	release := hold(s)
	var wg sync.WaitGroup
	for range store.QueueSize {
		wg.Go(func() {
			if err := s.Write(t.Context(), func(tx *store.Tx) error { return transfer(tx, 1, "queued") }); err != nil {
				t.Error(err)
			}
		})
	}
	waitQueued(s, store.QueueSize)
	wantErr(t, "one too many", audit(s, "too many"), store.ErrBusy)
	release()
	wg.Wait()
	if n := audited(t, s, "queued"); n != store.QueueSize {
		t.Errorf("%d of the %d that waited were written", n, store.QueueSize)
	}
	checkBooks(t, s)
}

func TestCloseAnswersWhatWaits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tollgate.db")
	s := storetest.Open(t, path, storetest.NewClock())
	mustWrite(t, s, addAccounts)
	release := hold(s)
	const n = 2000 // some batches
	errs := make(chan error)
	for range n {
		go func() { errs <- s.Write(t.Context(), func(tx *store.Tx) error { return transfer(tx, 1, "last") }) }()
	}
	waitQueued(s, n)
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	for s.Ready() {
		runtime.Gosched()
	}
	wantErr(t, "Write while it closes", audit(s, "late"), store.ErrClosed)
	release()
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
	wantErr(t, "Read after Close", s.Read(t.Context(), func(store.Reader) error { return nil }), store.ErrClosed)
	again := storetest.Open(t, path, storetest.NewClock())
	if got := audited(t, again, "last"); got != n {
		t.Errorf("%d rows, want %d", got, n)
	}
	checkBooks(t, again)
}

// Close may come while a caller is between its look at the store and the queue: it gets an answer.
func TestWriteToAStoppedWriter(t *testing.T) {
	s := newStore(t)
	write := store.WriterOf(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wantErr(t, "Write", write(context.Background(), func(*store.Tx) error {
		t.Error("the function ran")
		return nil
	}), store.ErrClosed)
}

func TestCloseUnderLoad(t *testing.T) {
	for range 8 {
		path := filepath.Join(t.TempDir(), "tollgate.db")
		s := storetest.Open(t, path, storetest.NewClock())
		var wg sync.WaitGroup
		written := make([]int, 16)
		for c := range written {
			wg.Go(func() {
				for {
					err := audit(s, "row")
					if err != nil {
						wantErr(t, "Write", err, store.ErrClosed)
						return
					}
					written[c]++
				}
			})
		}
		for s.Stats().Writes < 100 {
			runtime.Gosched()
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
		var want int64
		for _, n := range written {
			want += int64(n)
		}
		if got := audited(t, storetest.Open(t, path, storetest.NewClock()), "row"); got != want {
			t.Errorf("%d rows, %d were acknowledged", got, want)
		}
	}
}

func TestForeignChange(t *testing.T) {
	s := newStore(t)
	calls := make(chan struct{}, 100)
	s.OnForeignChange(func() { panic("must not stop the others") })
	s.OnForeignChange(func() { calls <- struct{}{} })
	other := store.RawDB(pathOf(t, s))
	defer other.Close()
	for range 2 {
		if err := audit(s, "own"); err != nil {
			t.Fatal(err)
		}
		if n := len(calls); n != 0 {
			t.Errorf("%d calls for the store's own writes", n)
		}
		if _, err := other.Exec(`INSERT INTO setting (name, value) VALUES (random(), '')`); err != nil {
			t.Fatal(err)
		}
		<-calls
	}
	if n := len(calls); n != 0 {
		t.Errorf("%d calls too many", n)
	}
}
