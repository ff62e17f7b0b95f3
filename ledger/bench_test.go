package ledger

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// BenchmarkOrders compares orders through the ledger with the same rows written by hand, both in the store's group commits, in turns:
// the median of what the rounds' rates are to each other, and how long an order takes. A lone caller is compared with the disk too.
func BenchmarkOrders(b *testing.B) {
	const rounds, slice = 9, 200 * time.Millisecond
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			var next atomic.Int64
			// round is how many orders a second came through, and how long each took.
			round := func(order func(n int64) error) (rate float64, took []time.Duration) {
				var wg sync.WaitGroup
				var mu sync.Mutex
				start := time.Now()
				for range callers {
					wg.Go(func() {
						var mine []time.Duration
						for at := start; at.Sub(start) < slice; {
							if err := order(next.Add(1)); err != nil {
								b.Error(err)
								return
							}
							now := time.Now()
							mine, at = append(mine, now.Sub(at)), now
						}
						mu.Lock()
						defer mu.Unlock()
						took = append(took, mine...)
					})
				}
				wg.Wait()
				return float64(len(took)) / time.Since(start).Seconds(), took
			}
			posted, inserted, disk := storetest.New(b), storetest.New(b), newDisk(b)
			manyProfiles(b, posted, 10_000)
			manyProfiles(b, inserted, 10_000)
			var rates, ofHand, ofDisk []float64
			var took []time.Duration
			b.ResetTimer()
			for range rounds {
				rate, all := round(func(n int64) error {
					return posted.Write(b.Context(), func(tx *store.Tx) error { return postOrder(tx, n) })
				})
				hand, _ := round(func(n int64) error {
					return inserted.Write(b.Context(), func(tx *store.Tx) error { return insertOrder(tx, n) })
				})
				rates, took, ofHand = append(rates, rate), append(took, all...), append(ofHand, rate/hand)
				if callers == 1 {
					flushes, _ := round(disk)
					ofDisk = append(ofDisk, rate/flushes)
				}
			}
			slices.Sort(took)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(median(rates), "orders/s")
			b.ReportMetric(median(ofHand), "of-by-hand")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
			if callers == 1 {
				b.ReportMetric(median(ofDisk), "of-fsync")
			}
		})
	}
}

func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

// newDisk returns a function that appends a page to a file and waits for the disk.
func newDisk(b *testing.B) func(int64) error {
	f, err := os.Create(filepath.Join(b.TempDir(), "disk"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	page := make([]byte, 4096)
	return func(int64) error {
		if _, err := f.Write(page); err != nil {
			return err
		}
		return f.Sync()
	}
}

func manyProfiles(b *testing.B, s *store.Store, n int) {
	b.Helper()
	write(b, s, func(tx *store.Tx) error {
		for i := range n {
			if _, err := tx.Exec(`INSERT INTO profile (slug, created_at) VALUES (?, 0)`, "profile-"+strconv.Itoa(i)); err != nil {
				return err
			}
		}
		return nil
	})
}

func orderNumber(tx *store.Tx, n int64) OrderPlaced {
	return OrderPlaced{
		At: tx.Now(), Event: SubEvent(n), Payer: 10 + n*7919%9000, Provider: 1 + n%5, Amount: usd(20000), Periods: 1,
		Descr: "Subscription to gold until 2026/12/23 (1 month)",
	}
}

func postOrder(tx *store.Tx, n int64) error {
	entries, err := orderNumber(tx, n).Entries()
	if err != nil {
		return err
	}
	_, err = Post(tx, KindOrder, entries...)
	return err
}

var handHash [32]byte

func insertOrder(tx *store.Tx, n int64) error {
	o := orderNumber(tx, n)
	batch, err := tx.Insert(`INSERT INTO batch (created_at, kind, actor, first_id, nb_entries, hash) VALUES (?, ?, ?, ?, ?, ?)`,
		tx.Now(), KindOrder, tx.Actor, n, 1, handHash[:])
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO txn (created_at, descr, event_id, dest_account, dest_profile_id, dest_amount, dest_unit,
			orig_account, orig_profile_id, orig_amount, orig_unit, payer_id, nb_periods, kind, batch_id)
		VALUES (?, ?, ?, 'Payable', ?, ?, 'usd', 'Receivable', ?, ?, 'usd', ?, ?, 'order_placed', ?)`,
		o.At, o.Descr, o.Event, o.Payer, o.Amount.Value, o.Provider, o.Amount.Value, o.Payer, o.Periods, batch)
	if err != nil {
		return err
	}
	for _, leg := range []struct {
		profile int64
		account string
		amount  int64
	}{{o.Payer, AccountPayable, o.Amount.Value}, {o.Provider, AccountReceivable, -o.Amount.Value}} {
		_, err := tx.Exec(`INSERT INTO balance (profile_id, account, unit, amount, nb_entries) VALUES (?, ?, 'usd', ?, 1)
			ON CONFLICT (profile_id, account, unit) DO UPDATE SET amount = balance.amount + excluded.amount, nb_entries = balance.nb_entries + 1`,
			leg.profile, leg.account, leg.amount)
		if err != nil {
			return err
		}
	}
	_, err = tx.Exec(`INSERT INTO statement (payer_id, event_id, unit, subscription_id, provider_id, due, paid, payable, ordered_at, last_at)
		VALUES (?, ?, 'usd', ?, ?, ?, 0, ?, ?, ?)
		ON CONFLICT (payer_id, event_id, unit) DO UPDATE SET due = statement.due + excluded.due, payable = statement.payable + excluded.payable,
			ordered_at = excluded.ordered_at, last_at = excluded.last_at`,
		o.Payer, o.Event, n, o.Provider, o.Amount.Value, o.Amount.Value, o.At, o.At)
	return err
}

// large returns books of about n entries: orders of a thousand subscribers to five providers, paid offline.
func large(b *testing.B, n int64) *store.Store {
	b.Helper()
	path := filepath.Join(b.TempDir(), "large.db")
	s := storetest.Open(b, path, storetest.NewClock())
	manyProfiles(b, s, 1010)
	const each = 5 // entries of an order and its payment
	for done := int64(0); done < n/each; {
		write(b, s, func(tx *store.Tx) error {
			for i := done; i < min(done+2000, n/each); i++ {
				o := orderNumber(tx, i)
				o.Payer = 10 + i%1000
				o.Event = SubEvent(o.Payer)
				o.At = store.Time{Time: tx.Now().Add(time.Duration(i) * time.Second)}
				for _, event := range []businessEvent{o, PaidOffline{
					At: o.At, Check: "check_" + strconv.FormatInt(i, 10), Event: o.Event, Payer: o.Payer, Provider: o.Provider, Amount: o.Amount, Payable: o.Amount.Value,
				}} {
					entries, err := event.Entries()
					if err != nil {
						return err
					}
					if _, err := Post(tx, event.Kind(), entries...); err != nil {
						return err
					}
				}
			}
			return nil
		})
		done += 2000
	}
	if info, err := os.Stat(path); err == nil {
		b.Logf("%d bytes an entry on disk", info.Size()/n)
	}
	return s
}

// BenchmarkReads shows that balances and statements cost the same in small books and in large ones. Profile 1 has a fifth of the
// entries.
func BenchmarkReads(b *testing.B) {
	for _, n := range []int64{10_000, 1_000_000} {
		b.Run(fmt.Sprintf("entries=%d", n), func(b *testing.B) {
			s := large(b, n)
			for name, fn := range map[string]func(r store.Reader) error{
				"balance":   func(r store.Reader) error { _, err := Balance(r, 1, AccountReceivable, "usd"); return err },
				"statement": func(r store.Reader) error { _, err := StatementOf(r, 17, store.Time{}); return err },
				"by-dates": func(r store.Reader) error {
					_, err := statementAsOf(r, 17, endOfTime)
					return err
				},
				"locked": func(r store.Reader) error { _, err := SubscriptionBalances(r, 17, 18, 19); return err },
			} {
				b.Run(name, func(b *testing.B) {
					read(b, s, func(r store.Reader) error {
						for b.Loop() {
							if err := fn(r); err != nil {
								return err
							}
						}
						return nil
					})
				})
			}
		})
	}
}

// BenchmarkWhole verifies and exports books of a hundred thousand and of a million entries. It takes the same memory for both.
func BenchmarkWhole(b *testing.B) {
	for _, n := range []int64{100_000, 1_000_000} {
		b.Run(fmt.Sprintf("entries=%d", n), func(b *testing.B) {
			s := large(b, n)
			whole := func(name string, fn func() error) {
				b.Run(name, func(b *testing.B) {
					peak := heapPeak()
					for b.Loop() {
						if err := fn(); err != nil {
							b.Fatal(err)
						}
					}
					b.ReportMetric(peak(), "MB-heap")
					b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
				})
			}
			whole("verify", func() error {
				report, err := Verify(b.Context(), s, nil)
				if err == nil && !report.OK() {
					err = fmt.Errorf("problems: %v", report.Problems)
				}
				return err
			})
			for _, f := range []Format{HLedger, LedgerCLI, Beancount} {
				whole("export-"+string(f), func() error { return Export(b.Context(), s, io.Discard, f) })
			}
		})
	}
}

// heapPeak watches the heap until the function returned is called, which tells its greatest size in MB.
func heapPeak() func() float64 {
	runtime.GC()
	done, peak := make(chan struct{}), make(chan float64)
	go func() {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		var most uint64
		for tick := time.NewTicker(5 * time.Millisecond); ; {
			metrics.Read(sample)
			most = max(most, sample[0].Value.Uint64())
			select {
			case <-tick.C:
			case <-done:
				tick.Stop()
				peak <- float64(most) / 1e6
				return
			}
		}
	}()
	return func() float64 {
		close(done)
		return <-peak
	}
}
