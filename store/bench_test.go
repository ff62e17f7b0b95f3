package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

const (
	benchProfiles = 10_007
	benchRounds   = 5
	benchSlice    = 250 * time.Millisecond
)

const insertEntry = `INSERT INTO txn (created_at, descr, event_id, dest_account, dest_profile_id, dest_amount, dest_unit,
	orig_account, orig_profile_id, orig_amount, orig_unit, kind, batch_id) VALUES (?, ?, ?, 'Receivable', ?, ?, 'usd', 'Income', 1, ?, 'usd', 'order', 1)`

const addToBalance = `INSERT INTO balance (profile_id, account, unit, amount, nb_entries) VALUES (?, ?, 'usd', ?, 1)
	ON CONFLICT (profile_id, account, unit) DO UPDATE SET amount = amount + excluded.amount, nb_entries = nb_entries + 1`

func entryArgs(i int64) []any {
	amount := i%100_000 + 1
	return []any{1_741_608_000_000_000 + i, "Subscription to open-space until 2025/04/10", fmt.Sprintf("sub_%d", i%50_000), rand.Int64N(benchProfiles) + 1, amount, amount}
}

// fillProfiles writes what the ledger's entries refer to.
func fillProfiles(b testing.TB, s *store.Store) {
	err := s.Write(b.Context(), func(tx *store.Tx) error {
		for i := range benchProfiles {
			if _, err := tx.Exec(`INSERT INTO profile (slug, created_at, full_name, email) VALUES (?, 0, ?, ?)`,
				fmt.Sprintf("profile-%d", i+1), fmt.Sprintf("Profile %d", i+1), fmt.Sprintf("p%d@example.com", i+1)); err != nil {
				return err
			}
		}
		_, err := tx.Exec(`INSERT INTO batch (id, created_at, kind, actor, first_id, nb_entries, hash) VALUES (1, 0, 'bench', 'system', 1, 1, zeroblob(32))`)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
}

// contender is one way of doing the same, compared with the others in turns within one run: machines are noisy.
type contender struct {
	name    string
	callers int
	do      func(i int64) error // one call, which may write several rows
	rows    int                 // a call
	rates   []float64           // rows a second, a round
}

// race runs the contenders in turns and reports the median rate of each, and its ratio to the first.
func race(b *testing.B, contenders []*contender) {
	var next atomic.Int64
	b.ResetTimer()
	for range benchRounds {
		for _, c := range contenders {
			var calls atomic.Int64
			var wg sync.WaitGroup
			start := time.Now()
			for range c.callers {
				wg.Go(func() {
					for time.Since(start) < benchSlice {
						if err := c.do(next.Add(1)); err != nil {
							b.Error(err)
							return
						}
						calls.Add(1)
					}
				})
			}
			wg.Wait()
			c.rates = append(c.rates, float64(calls.Load())*float64(c.rows)/time.Since(start).Seconds())
		}
	}
	b.StopTimer()
	b.ReportMetric(0, "ns/op")
	var first float64
	for i, c := range contenders {
		slices.Sort(c.rates)
		median := c.rates[len(c.rates)/2]
		if i == 0 {
			first = median
		}
		b.Logf("%-28s %9.0f/s  %5.2f x", c.name, median, median/first)
		b.ReportMetric(median/first, c.name+"-ratio")
		if i == 0 {
			b.ReportMetric(median, c.name+"/s")
		}
	}
}

// BenchmarkWrites compares durable ledger rows: a transaction each, as one would write them without this package; through
// Write with ever more callers; and 128 rows a transaction by one caller, which is what group commit can reach at most.
func BenchmarkWrites(b *testing.B) {
	ctx := context.Background()
	open := func() (*store.Store, string) {
		path := filepath.Join(b.TempDir(), "bench.db")
		s := storetest.Open(b, path, storetest.NewClock())
		fillProfiles(b, s)
		return s, path
	}
	s, _ := open()
	other, path := open()
	if err := other.Close(); err != nil {
		b.Fatal(err)
	}
	naive := store.NaiveDB(path)
	defer naive.Close()

	write := func(i int64) error {
		return s.Write(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(insertEntry, entryArgs(i)...)
			return err
		})
	}
	writeWithBalances := func(i int64) error {
		return s.Write(ctx, func(tx *store.Tx) error {
			args := entryArgs(i)
			if _, err := tx.Exec(insertEntry, args...); err != nil {
				return err
			}
			if _, err := tx.Exec(addToBalance, args[3], "Receivable", args[4]); err != nil {
				return err
			}
			_, err := tx.Exec(addToBalance, 1, "Income", -args[4].(int64))
			return err
		})
	}
	inOne := func(rows int) func(i int64) error {
		return func(i int64) error {
			tx, err := naive.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			defer tx.Rollback()
			if rows == 1 {
				if _, err := tx.Exec(insertEntry, entryArgs(i)...); err != nil {
					return err
				}
				return tx.Commit()
			}
			stmt, err := tx.Prepare(insertEntry)
			if err != nil {
				return err
			}
			defer stmt.Close()
			for j := range int64(rows) {
				if _, err := stmt.Exec(entryArgs(i + j)...); err != nil {
					return err
				}
			}
			return tx.Commit()
		}
	}
	race(b, []*contender{
		{name: "naive", callers: 1, rows: 1, do: inOne(1)},
		{name: "write-1", callers: 1, rows: 1, do: write},
		{name: "write-16", callers: 16, rows: 1, do: write},
		{name: "write-64", callers: 64, rows: 1, do: write},
		{name: "write-128", callers: 128, rows: 1, do: write},
		{name: "write-128-balances", callers: 128, rows: 1, do: writeWithBalances},
		{name: "by-hand-128-a-commit", callers: 1, rows: 128, do: inOne(128)},
	})
	st := s.Stats()
	b.Logf("%.1f writes a commit over all", float64(st.Writes)/float64(st.Batches))
}

// BenchmarkReads compares point reads: a query on a default connection, and Read with one and with many callers.
func BenchmarkReads(b *testing.B) {
	ctx := context.Background()
	path := filepath.Join(b.TempDir(), "bench.db")
	s := storetest.Open(b, path, storetest.NewClock())
	fillProfiles(b, s)
	naive := store.NaiveDB(path)
	defer naive.Close()
	const query = `SELECT id, full_name, email, created_at, is_active, is_provider FROM profile WHERE slug = ?`
	scan := func(row *sql.Row) error {
		var id, created, active, provider int64
		var name, email string
		return row.Scan(&id, &name, &email, &created, &active, &provider)
	}
	slugs := make([]string, benchProfiles)
	for i := range slugs {
		slugs[i] = fmt.Sprintf("profile-%d", i+1)
	}
	slug := func() string { return slugs[rand.IntN(len(slugs))] }
	read := func(int64) error {
		return s.Read(ctx, func(r store.Reader) error { return scan(r.QueryRow(query, slug())) })
	}
	tenReads := func(int64) error {
		return s.Read(ctx, func(r store.Reader) error {
			for range 10 {
				if err := scan(r.QueryRow(query, slug())); err != nil {
					return err
				}
			}
			return nil
		})
	}
	race(b, []*contender{
		{name: "naive", callers: 1, rows: 1, do: func(int64) error { return scan(naive.QueryRow(query, slug())) }},
		{name: "read-1", callers: 1, rows: 1, do: read},
		{name: "read-1-ten-queries", callers: 1, rows: 10, do: tenReads},
		{name: "read-16", callers: 16, rows: 1, do: read},
	})
}
