package metrics

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/store"
)

// crowd adds n entries to the books of acme: every customer has a subscription with ten orders, a month after the other up to now, of
// which nine are paid; a tenth of the customers left after half of them, and a tenth have had a card refused.
func (w *world) crowd(n int) {
	w.t.Helper()
	customers := strconv.Itoa(n / 20)
	const month = "2629800000000" // µs
	numbers := `WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i < ` + customers + ` - 1), m(k) AS (SELECT 0 UNION ALL SELECT k + 1 FROM m WHERE k < 9) `
	const since = "(1438862400000000 - 11 * " + month + " + i % 30 * 86400000000)" // of a customer's first order
	w.write(func(tx *store.Tx) error {
		for _, statement := range []string{
			`INSERT INTO profile (id, slug, full_name, created_at) ` + numbers + `SELECT 1000 + i, 'c' || i, 'Customer ' || i, 1400000000000000 + i FROM c`,
			`INSERT INTO subscription (id, profile_id, plan_id, created_at, ends_at) ` + numbers + `SELECT 1000 + i, 1000 + i, 1 + i % 2, ` + since + `,
				` + since + ` + ` + month + ` * (CASE i % 10 WHEN 0 THEN 5 ELSE 12 END) FROM c`,
			`INSERT INTO batch (id, created_at, kind, actor, first_id, nb_entries, hash) VALUES (1, 0, 'order_placed', '', 1, ` + strconv.Itoa(n) + `, zeroblob(32))`,
			`INSERT INTO txn (id, created_at, descr, event_id, dest_account, dest_profile_id, dest_amount, dest_unit, orig_account, orig_profile_id, orig_amount, orig_unit, payer_id, nb_periods, kind, batch_id)
				` + numbers + `SELECT 1 + k * ` + customers + ` + i, ` + since + ` + k * ` + month + `, 'Subscription to open', 'sub_' || (1000 + i) || '/', 'Payable', 1000 + i,
				2000 + 100 * (i % 7) + 10 * (i * k % 3), 'usd', 'Receivable', 2, 2000 + 100 * (i % 7) + 10 * (i * k % 3), 'usd', 1000 + i, 1, 'order_placed', 1 FROM m, c`,
			`INSERT INTO txn (id, created_at, descr, event_id, dest_account, dest_profile_id, dest_amount, dest_unit, orig_account, orig_profile_id, orig_amount, orig_unit, payer_id, kind, batch_id)
				SELECT id + ` + strconv.Itoa(n/2) + `, created_at, 'Paid', event_id, 'Receivable', 2, dest_amount, 'usd', 'Backlog', 2, dest_amount, 'usd', payer_id, 'paid_by_card', 1
				FROM txn WHERE id <= ` + strconv.Itoa(n/2) + ` - ` + customers,
			`INSERT INTO statement (payer_id, event_id, unit, subscription_id, provider_id, due, paid, payable, ordered_at, last_at)
				SELECT payer_id, event_id, 'usd', payer_id, 2, SUM(CASE dest_account WHEN 'Payable' THEN dest_amount ELSE 0 END), SUM(CASE dest_account WHEN 'Payable' THEN 0 ELSE dest_amount END),
				0, MAX(created_at), MAX(created_at) FROM txn GROUP BY payer_id, event_id`,
			`INSERT INTO balance (profile_id, account, unit, amount, nb_entries) SELECT 2, 'Receivable', 'usd', -SUM(due - paid), COUNT(*) FROM statement`,
			`INSERT INTO balance (profile_id, account, unit, amount, nb_entries) SELECT payer_id, 'Payable', 'usd', SUM(due), COUNT(*) FROM statement GROUP BY payer_id`,
			`INSERT INTO card_refusal (created_at, provider_id, customer_id) SELECT ordered_at + 1, 2, payer_id FROM statement WHERE payer_id % 10 = 0`,
			`ANALYZE`,
		} {
			if _, err := tx.Exec(statement); err != nil {
				return err
			}
		}
		return nil
	})
	w.insert("", `INSERT INTO balance_line (report, title, selector, rank) VALUES ('all', 'Sales', 'Receivable', 1)`)
}

// BenchmarkTables shows every table and the first page of every list, of twelve months, for books of different sizes; of others with
// TOLLGATE_BENCH_ENTRIES=1000000.
func BenchmarkTables(b *testing.B) {
	sizes := []int{1_000, 100_000}
	if s := os.Getenv("TOLLGATE_BENCH_ENTRIES"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			b.Fatal(err)
		}
		sizes = []int{n}
	}
	for _, n := range sizes {
		w := newWorld(b)
		w.crowd(n)
		for _, path := range []string{"acme/balances", "acme/funds", "acme/customers", "acme/plans", "acme/federated", "acme/federated/shared", "acme/lifetimevalue",
			"acme/balances-due", "acme/mrr", "acme/churn", "acme/cohorts", "acme/dunning", "acme/mrr?period_type=daily&nb_periods=100", "balances/all", "registered"} {
			b.Run(path+"/"+strconv.Itoa(n), func(b *testing.B) {
				for b.Loop() {
					if got := w.Do("zed", "GET /api/metrics/"+path, ""); got.Code != 200 {
						b.Fatal(got.Code, got.Body)
					}
				}
			})
		}
	}
}

// TestCrowd holds that what the benchmark shows is not empty.
func TestCrowd(t *testing.T) {
	w := newWorld(t)
	w.crowd(1000)
	for path, want := range map[string]string{
		"balances": "Receivable 0 ", "funds": "total-transactions 105500 ", "plans": "open 0 23 ", "mrr": "mrr 105500 ", "cohorts": " 46 46 46 46 41 ", "dunning": "lost 0 0 0 0 0 0 0 0 0 11600 ",
	} {
		if got := w.rows("zed", "GET /api/metrics/acme/"+path); !strings.Contains(got, want) {
			t.Errorf("%s:\n%s\nwant it to have %q", path, got, want)
		}
	}
}
