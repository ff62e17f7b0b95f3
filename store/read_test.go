package store_test

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

func TestReadIsOneSnapshot(t *testing.T) {
	s := newStore(t)
	err := s.Read(t.Context(), func(r store.Reader) error {
		rows := func() (n int) {
			if err := r.QueryRow(`SELECT count(*) FROM audit`).Scan(&n); err != nil {
				t.Error(err)
			}
			return n
		}
		before := rows()
		if err := audit(s, "meanwhile"); err != nil { // Write in Read is allowed
			t.Error(err)
		}
		if after := rows(); after != before {
			t.Errorf("%d rows, then %d in the same snapshot", before, after)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if n := audited(t, s, "meanwhile"); n != 1 {
		t.Errorf("%d rows in the next snapshot, want 1", n)
	}
}

// No reader ever sees half of a write, or what is undone later.
func TestReadsBesideWrites(t *testing.T) {
	s := newStore(t)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				err := s.Read(t.Context(), func(r store.Reader) error {
					var sum, n, rows int64
					if err := r.QueryRow(`SELECT sum(amount), max(nb_entries) FROM balance`).Scan(&sum, &n); err != nil {
						return err
					}
					if err := r.QueryRow(`SELECT count(*) FROM audit`).Scan(&rows); err != nil {
						return err
					}
					if sum != 0 || n != rows {
						t.Errorf("a sum of %d, %d transfers and %d rows", sum, n, rows)
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	var writers sync.WaitGroup
	for i := range 8 {
		writers.Go(func() {
			for j := range 100 {
				s.Write(t.Context(), func(tx *store.Tx) error {
					if err := transfer(tx, 3, "x"); err != nil {
						t.Error(err)
					}
					if (i+j)%3 == 0 {
						return errMine
					}
					return nil
				})
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
	checkBooks(t, s)
}

func TestReadCannotWrite(t *testing.T) {
	s := newStore(t)
	err := s.Read(t.Context(), func(r store.Reader) error {
		rows, err := r.Query(`INSERT INTO setting (name, value) VALUES ('a', 'b') RETURNING name`)
		if err == nil {
			rows.Close()
		}
		return err
	})
	if err == nil {
		t.Error("a row was inserted by a Reader")
	}
	if n := count(t, s, `SELECT count(*) FROM setting`); n != 0 {
		t.Errorf("%d rows", n)
	}
}

// Everybody who reads asks for a second snapshot: if they waited for each other's connection, none would go on.
func TestReadInRead(t *testing.T) {
	s := newStore(t)
	const callers = 32
	var inside, all sync.WaitGroup
	inside.Add(2) // at least as many connections are there
	var once [2]sync.Once
	for i := range callers {
		all.Go(func() {
			err := s.Read(t.Context(), func(store.Reader) error {
				if i < len(once) {
					once[i].Do(inside.Done)
				}
				return s.Read(t.Context(), func(r store.Reader) error {
					return s.Read(t.Context(), func(r store.Reader) error { return r.QueryRow(`SELECT 1`).Scan(new(int)) })
				})
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// A caller that gives up while all connections are in use is let go.
func TestCancelWhileReadsAreBusy(t *testing.T) {
	s := newStore(t)
	leave := make(chan struct{})
	var busy sync.WaitGroup
	waiting := make(chan struct{}, 100)
	ctx, cancel := context.WithCancel(t.Context())
	for range 100 { // more than connections
		busy.Go(func() {
			err := s.Read(ctx, func(store.Reader) error {
				waiting <- struct{}{}
				<-leave
				return nil
			})
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	<-waiting
	<-waiting
	cancel()
	close(leave)
	busy.Wait()
}

func TestReadClosesWhatIsLeftOpen(t *testing.T) {
	s := newStore(t)
	for range 50 {
		var kept *sql.Rows
		err := s.Read(t.Context(), func(r store.Reader) (err error) {
			kept, err = r.Query(`SELECT 1 UNION SELECT 2`)
			r.QueryRow(`SELECT 3`)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if kept.Next() {
			t.Fatal("rows outlive their snapshot")
		}
	}
	// A snapshot left behind would not see this.
	for range 50 {
		if err := audit(s, "x"); err != nil {
			t.Fatal(err)
		}
	}
	if n := audited(t, s, "x"); n != 50 {
		t.Errorf("%d rows, want 50", n)
	}
}

func TestReadPanics(t *testing.T) {
	s := newStore(t)
	for range 50 { // more than connections
		func() {
			defer func() { recover() }()
			s.Read(t.Context(), func(store.Reader) error { panic("spilt") })
		}()
	}
	if n := count(t, s, `SELECT count(*) FROM profile`); n != 2 {
		t.Errorf("%d profiles, want 2", n)
	}
}

func TestCancellable(t *testing.T) {
	s := newStore(t)
	const endless = `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n`
	err := s.Read(t.Context(), func(r store.Reader) error {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		long := store.Cancellable(ctx, r)
		if long.Now() != r.Now() {
			t.Errorf("another time: %v and %v", long.Now(), r.Now())
		}
		rows, err := long.Query(endless)
		if err != nil {
			return err
		}
		defer rows.Close()
		for n := 0; rows.Next(); n++ {
			if n == 10 {
				cancel()
			}
		}
		wantErr(t, "rows", rows.Err(), context.Canceled)
		wantErr(t, "QueryRow", long.QueryRow(endless).Scan(new(int)), context.Canceled)
		_, err = long.Query(endless)
		wantErr(t, "Query", err, context.Canceled)
		return r.QueryRow(`SELECT 1`).Scan(new(int)) // the snapshot is still there
	})
	if err != nil {
		t.Error(err)
	}
	mustWrite(t, s, func(tx *store.Tx) error {
		if store.Cancellable(t.Context(), tx) != store.Reader(tx) {
			t.Error("a write is cancellable: its neighbours would be undone")
		}
		return nil
	})
}

func TestNotFound(t *testing.T) {
	s := newStore(t)
	find := func(r store.Reader) error {
		return r.QueryRow(`SELECT id FROM profile WHERE slug = 'none'`).Scan(new(int))
	}
	wantErr(t, "Read", s.Read(t.Context(), find), store.ErrNotFound)
	wantErr(t, "Write", s.Write(t.Context(), func(tx *store.Tx) error { return find(tx) }), store.ErrNotFound)
}

func TestPlan(t *testing.T) {
	s := storetest.New(t)
	if got, want := storetest.Plan(t, s, `SELECT * FROM role WHERE user_id = ?`, 1), "SEARCH role USING INDEX role_user (user_id=?)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestRows reads with the helpers of every package: all rows, whether there is one, and bound identifiers.
func TestRows(t *testing.T) {
	s := newStore(t)
	err := s.Read(t.Context(), func(r store.Reader) error {
		var got []int64
		err := store.Each(r, func(rows *sql.Rows) error {
			var n int64
			err := rows.Scan(&n)
			got = append(got, n)
			return err
		}, `SELECT value FROM json_each(?) ORDER BY value`, store.IDs([]int64{3, 1}))
		if err != nil || !slices.Equal(got, []int64{1, 3}) {
			t.Errorf("Each: %v, %v", got, err)
		}
		for query, want := range map[string]bool{`SELECT 1`: true, `SELECT 1 WHERE 0`: false} {
			if found, err := store.Exists(r, query); found != want || err != nil {
				t.Errorf("Exists(%s) = %v, %v", query, found, err)
			}
		}
		return store.Each(r, func(*sql.Rows) error { return nil }, `SELECT nothing`)
	})
	if err == nil {
		t.Error("Each of a query that is none succeeds")
	}
}
