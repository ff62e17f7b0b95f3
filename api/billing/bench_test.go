package billing

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// crowd adds n entries of other people to the books, and 200 of acme: orders, all of them paid but the last three of acme.
func (w *world) crowd(n int) {
	w.t.Helper()
	w.write(func(tx *store.Tx) error {
		for _, statement := range []string{
			`INSERT INTO profile (id, slug, created_at) WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 999) SELECT 1000 + i, 'p' || i, 0 FROM n`,
			`INSERT INTO batch (id, created_at, kind, actor, first_id, nb_entries, hash) VALUES (1, 0, 'order_placed', '', 1, ` + strconv.Itoa(n+200) + `, zeroblob(32))`,
			`INSERT INTO txn (id, created_at, descr, event_id, dest_account, dest_profile_id, dest_amount, dest_unit, orig_account, orig_profile_id, orig_amount, orig_unit, payer_id, kind, batch_id)
				WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ` + strconv.Itoa(n) + `)
				SELECT i, 1700000000000000 + i * 1000000, 'Subscription to basic', 'sub_' || (10000 + i % 1000) || '/', 'Payable', 1000 + i % 1000, 100, 'usd', 'Receivable', 4, 100, 'usd', 1000 + i % 1000, 'order_placed', 1 FROM n`,
			`INSERT INTO txn (id, created_at, descr, event_id, dest_account, dest_profile_id, dest_amount, dest_unit, orig_account, orig_profile_id, orig_amount, orig_unit, payer_id, kind, batch_id)
				WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
				SELECT ` + strconv.Itoa(n) + ` + i, 1700000000000000 + i * 1000000, 'Subscription to premium', 'sub_2/', 'Payable', 6, 100, 'usd', 'Receivable', 3, 100, 'usd', 6, 'order_placed', 1 FROM n`,
			`INSERT INTO statement (payer_id, event_id, unit, subscription_id, provider_id, due, paid, payable, ordered_at, last_at)
				WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 999)
				SELECT 1000 + i, 'sub_' || (10000 + i) || '/', 'usd', 10000 + i, 4, 100, 0, 100, 0, 0 FROM n
				UNION ALL SELECT 6, 'sub_2/', 'usd', 2, 3, 20000, 0, 20000, 1700000200000000, 1700000200000000`,
		} {
			if _, err := tx.Exec(statement); err != nil {
				return err
			}
		}
		return nil
	})
	w.dir.TouchAll()
}

// BenchmarkPages reads a balance, a page of the history of a profile and a page of all transactions, in books of different sizes: it
// should not matter how many entries other people have. 10 million of them with TOLLGATE_BENCH_ENTRIES=10000000.
func BenchmarkPages(b *testing.B) {
	sizes := []int{10_000, 1_000_000}
	if s := os.Getenv("TOLLGATE_BENCH_ENTRIES"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			b.Fatal(err)
		}
		sizes = append(sizes, n)
	}
	for _, n := range sizes {
		w := newWorld(b)
		w.crowd(n)
		for _, page := range []struct{ name, as, request string }{
			{"balance", "yan", "GET /api/billing/acme/balance"},
			{"history", "yan", "GET /api/billing/acme/history"},
			{"history, 5th page", "yan", "GET /api/billing/acme/history?page=5"},
			{"receivables", "donny", "GET /api/billing/cowork/receivables"},
			{"transactions", "alice", "GET /api/billing/transactions"},
			{"transactions, latest", "alice", "GET /api/billing/transactions?o=-created_at"},
		} {
			b.Run(page.name+"/"+strconv.Itoa(n), func(b *testing.B) {
				for b.Loop() {
					if got := w.Do(page.as, page.request, ""); got.Code != 200 {
						b.Fatal(got.Code, got.Body)
					}
				}
			})
		}
	}
}

// BenchmarkPayments pays and settles invoices with the sandbox, through the API: one after the other.
func BenchmarkPayments(b *testing.B) {
	w := newWorld(b)
	for b.Loop() {
		w.paid("tok_visa", "acme:premium", 20000)
	}
}

// TestQueryPlans reads what each list and look-up is about from an index, and scans no table.
func TestQueryPlans(t *testing.T) {
	w := newWorld(t)
	w.crowd(2000)
	for name, query := range map[string]string{
		"history":      "SELECT " + historyList.Select + " FROM " + historyList.From + " ORDER BY t.created_at, t.id LIMIT 26",
		"unpaid":       "SELECT " + unpaidList.Select + " FROM " + unpaidList.From + " WHERE " + unpaidList.Where + " ORDER BY t.created_at DESC, t.id LIMIT 26",
		"receivables":  "SELECT " + receivablesList.Select + " FROM " + receivablesList.From + " WHERE " + receivablesList.Where + " ORDER BY t.created_at, t.id LIMIT 26",
		"transfers":    "SELECT " + transfersList.Select + " FROM " + transfersList.From + " ORDER BY t.created_at, t.id LIMIT 26",
		"charges":      "SELECT " + customerCharges.Select + " FROM " + customerCharges.From + " WHERE " + customerCharges.Where + " ORDER BY h.created_at, h.id",
		"across units": `SELECT t.dest_unit, SUM(t.dest_amount) FROM ` + transactions.From + ` WHERE (t.created_at < ?) AND (t.dest_unit <> t.orig_unit) GROUP BY t.dest_unit`,
		"by code":      selectCharge + ` WHERE h.claim_code = ?`,
		"by key":       selectCharge + ` WHERE h.processor_key = ? AND h.customer_id = ?`,
		"in flight":    `SELECT id FROM charge WHERE customer_id = ? AND state = 0 AND processor_key IS NOT NULL`,
		"swept":        `SELECT id FROM charge WHERE state = 0 AND processor_key IS NOT NULL AND created_at < ? ORDER BY created_at`,
		"attempts":     `SELECT 1 FROM checkout_attempt WHERE state = 'pending' AND profile_id = ?`,
		"of a user":    `SELECT 1 FROM checkout_attempt WHERE state = 'pending' AND user_id = ?`,
		"refund":       `SELECT 1 FROM refund WHERE charge_id = ? AND state = 'pending'`,
	} {
		if plan := storetest.Plan(t, w.Site.Store, query, make([]any, countMarks(query))...); scans(plan) {
			t.Errorf("%s: %s", name, plan)
		}
	}
}

// scans reports whether a plan reads a whole table.
func scans(plan string) bool {
	return strings.Contains(plan, "SCAN t") || strings.Contains(plan, "SCAN h") || strings.Contains(plan, "SCAN s") || strings.Contains(plan, "SCAN c") || strings.Contains(plan, "SCAN r")
}

func countMarks(query string) int { return strings.Count(query, "?") }

// BenchmarkCheckout puts a plan in the cart and checks out with a one-time token of the sandbox, over HTTP, by as many customers at once
// as there are connections.
func BenchmarkCheckout(b *testing.B) {
	for _, connections := range []int{1, 64} {
		b.Run(strconv.Itoa(connections)+" connections", func(b *testing.B) {
			w := newWorld(b)
			const crowd = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 64) `
			w.exec(`INSERT INTO user (id, username, email, password, created_at, password_changed_at) ` + crowd + `SELECT 1000 + i, 'u' || i, 'u' || i || '@example.com', 'x', 1, 1 FROM n`)
			w.exec(`INSERT INTO profile (id, slug, created_at, full_name, email) ` + crowd + `SELECT 1000 + i, 'u' || i, 1, 'U' || i, 'u' || i || '@example.com' FROM n`)
			w.exec(`INSERT INTO role (created_at, profile_id, user_id, role_description_id) `+crowd+`SELECT 1, 1000 + i, 1000 + i, ? FROM n`, w.ids["role manager"])
			server := httptest.NewServer(w.Site.Service)
			defer server.Close()
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
			post := func(user, path, body string) error {
				req, err := http.NewRequest("POST", server.URL+path, strings.NewReader(body))
				if err != nil {
					return err
				}
				req.Header.Set("Content-Type", "application/json")
				req.Header.Set("Test-Caller", user)
				res, err := client.Do(req)
				if err != nil {
					return err
				}
				defer res.Body.Close()
				text, _ := io.ReadAll(res.Body)
				if res.StatusCode != http.StatusCreated {
					return fmt.Errorf("%s: %d %s", path, res.StatusCode, text)
				}
				return nil
			}
			b.ResetTimer()
			var wg sync.WaitGroup
			var next atomic.Int64
			took := make([]time.Duration, b.N)
			for c := range connections {
				user := "u" + strconv.Itoa(c+1)
				wg.Go(func() {
					for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
						if err := post(user, "/api/cart", `{"plan":"basic"}`); err != nil {
							b.Error(err)
							return
						}
						start := time.Now()
						if err := post(user, "/api/billing/"+user+"/checkout", `{"processor_token":"tok_visa"}`); err != nil {
							b.Error(err)
							return
						}
						took[i-1] = time.Since(start)
					}
				})
			}
			wg.Wait()
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "checkouts/s")
		})
	}
}
