package metrics

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/store"
)

// crowd adds n entries to the books of acme, of n / 5 customers who came over the last two years: each has a subscription with three
// orders, of four months each, two of which are paid. A tenth of them left after two of these, a tenth pays more for the third and a tenth
// less, and a tenth have had a card refused for it.
func (w *world) crowd(n int) {
	w.t.Helper()
	customers := strconv.Itoa(n / 5)
	orders := strconv.Itoa(3 * n / 5)
	const term = "10519200000000" // µs
	w.write(func(tx *store.Tx) error {
		for _, statement := range []string{
			`PRAGMA cache_size = -1000000`,
			`CREATE TEMP TABLE comer AS WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i < ` + customers + ` - 1)
				SELECT i, 1438862400000000 - 729 * 86400000000 + i * 7919 % 480 * 86400000000 + i * 31 % 1440 * 60000000 + i AS since FROM c`,
			`CREATE TEMP TABLE nth AS SELECT value AS k FROM json_each('[0,1,2]')`,
			`INSERT INTO profile (id, slug, full_name, created_at) SELECT 1000 + i, 'c' || i, 'Customer ' || i, 1400000000000000 + i FROM comer`,
			`INSERT INTO subscription (id, profile_id, plan_id, created_at, ends_at)
				SELECT 1000 + i, 1000 + i, 1 + i % 2, since, since + ` + term + ` * (CASE i % 10 WHEN 0 THEN 2 ELSE 6 END) FROM comer`,
			`INSERT INTO batch (id, created_at, kind, actor, first_id, nb_entries, hash) VALUES (1, 0, 'order_placed', '', 1, ` + strconv.Itoa(n) + `, zeroblob(32))`,
			`INSERT INTO txn (id, created_at, descr, event_id, dest_account, dest_profile_id, dest_amount, dest_unit, orig_account, orig_profile_id, orig_amount, orig_unit, payer_id, nb_periods, kind, batch_id)
				SELECT 1 + k * ` + customers + ` + i, since + k * ` + term + `, 'Subscription to open', 'sub_' || (1000 + i) || '/', 'Payable', 1000 + i, amount, 'usd', 'Receivable', 2, amount, 'usd',
				1000 + i, 4, 'order_placed', 1
				FROM (SELECT k, i, since, 4 * (2000 + 100 * (i % 7) + CASE WHEN k = 2 AND i % 10 = 1 THEN 50 WHEN k = 2 AND i % 10 = 2 THEN -50 ELSE 0 END) AS amount
					FROM nth CROSS JOIN comer) ORDER BY k, since`,
			`INSERT INTO txn (id, created_at, descr, event_id, dest_account, dest_profile_id, dest_amount, dest_unit, orig_account, orig_profile_id, orig_amount, orig_unit, payer_id, kind, batch_id)
				SELECT id + ` + orders + `, created_at, 'Paid', event_id, 'Receivable', 2, dest_amount, 'usd', 'Backlog', 2, dest_amount, 'usd', payer_id, 'paid_by_card', 1
				FROM txn WHERE id <= ` + orders + ` - ` + customers,
			`INSERT INTO movement SELECT slot, dest_profile_id, dest_account, orig_profile_id, orig_account, dest_unit, orig_unit, SUM(dest_amount), SUM(orig_amount)
				FROM moved GROUP BY 1, 2, 3, 4, 5, 6, 7`,
			`INSERT INTO statement (payer_id, event_id, unit, subscription_id, provider_id, due, paid, payable, ordered_at, last_at)
				SELECT payer_id, event_id, 'usd', payer_id, 2, SUM(CASE dest_account WHEN 'Payable' THEN dest_amount ELSE 0 END), SUM(CASE dest_account WHEN 'Payable' THEN 0 ELSE dest_amount END),
				0, MAX(created_at), MAX(created_at) FROM txn GROUP BY payer_id, event_id`,
			`INSERT INTO balance (profile_id, account, unit, amount, nb_entries) SELECT profile, account, 'usd', SUM(amount), COUNT(*) FROM (
				SELECT dest_profile_id AS profile, dest_account AS account, dest_amount AS amount FROM txn
				UNION ALL SELECT orig_profile_id, orig_account, -orig_amount FROM txn) GROUP BY profile, account`,
			`INSERT INTO card_refusal (created_at, provider_id, customer_id) SELECT ordered_at + 1, 2, payer_id FROM statement WHERE payer_id % 10 = 3`,
			`DROP TABLE comer`, `DROP TABLE nth`,
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

// BenchmarkTables shows every table, of one month and of twelve, and the first page of every list, for books of different sizes; of
// others with TOLLGATE_BENCH_ENTRIES=1000000. Of a million entries and 200,000 subscriptions, on two cores, twelve months take:
// balances 26 ms, the balance sheet 18, plans 98, customers 186, funds 222, churn 278, cohorts 288, mrr 338, dunning 443; of 100,000
// entries none takes more than 60.
func BenchmarkTables(b *testing.B) {
	sizes := []int{10_000, 100_000}
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
		show := func(path, query, what string) {
			b.Run(strings.ReplaceAll(path, "/", "-")+what+"/"+strconv.Itoa(n), func(b *testing.B) {
				for b.Loop() {
					if got := w.Do("zed", "GET /api/metrics/"+path+query, ""); got.Code != 200 {
						b.Fatal(got.Code, got.Body)
					}
				}
			})
		}
		for _, path := range []string{"acme/balances", "acme/funds", "acme/customers", "acme/plans", "acme/mrr", "acme/churn", "acme/cohorts", "acme/dunning", "balances/all"} {
			show(path, "?nb_periods=1", "/1-month")
			show(path, "?nb_periods=12", "/12-months")
		}
		show("acme/funds", "?nb_periods=2&period_type=yearly", "/2-years")
		show("acme/mrr", "?nb_periods=100&period_type=daily", "/100-days")
		for _, path := range []string{"acme/federated", "acme/federated/shared", "acme/lifetimevalue", "acme/balances-due", "registered"} {
			show(path, "", "")
		}
	}
}

// TestCrowd holds that what the benchmark shows is not empty.
func TestCrowd(t *testing.T) {
	w := newWorld(t)
	w.crowd(1000)
	for path, want := range map[string]string{
		"balances": "Receivable 498400 ", "funds": "churned-transactions 284600 359000 ", "customers": "net-new-customers 7 8 0 -31 ", "plans": "open 54 69 ", "mrr": "churn 0 0 0 0 2100 7300 ",
		"cohorts": " 15 15 15 15 12 ", "dunning": "open 28400 26000 38400 ",
	} {
		if got := w.rows("zed", "GET /api/metrics/acme/"+path); !strings.Contains(got, want) {
			t.Errorf("%s:\n%s\nwant it to have %q", path, got, want)
		}
	}
}
