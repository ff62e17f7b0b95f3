package metrics

import (
	"database/sql"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// Sales, by value and by customer (metrics.md 2.2, 2.3). A sale is an order, paid or not, at the date of the order; a write-off is none
// (decision 26).

// sales are what was sold in a period P, to whom who bought in the period P' before it or not. Amounts are in 1/100 of the unit.
type sales struct {
	total, new, churned                       int64 // ordered in P; of it by customers without an order in P'; ordered in P' by those without one in P
	customers, newCustomers, churnedCustomers int64 // who they are, each once
	payments, refunds                         int64 // in P
}

// selectSales adds up the orders of each customer in P and in P', and then the customers. Payments are what settles a receivable, by
// card or not; refunds what was given back.
const selectSales = `WITH ` + spanTable + `,
	bought AS (
		SELECT i, customer, SUM(amount) AS amount, SUM(n) AS n, SUM(amount_before) AS amount_before, SUM(n_before) AS n_before FROM (
			SELECT span.i, t.dest_profile_id AS customer, SUM(t.dest_amount) AS amount, COUNT(*) AS n, 0 AS amount_before, 0 AS n_before
			FROM span CROSS JOIN txn t
			WHERE t.orig_profile_id = ?2 AND t.orig_account = 'Receivable' AND t.created_at >= span.since AND t.created_at < span.until
				AND t.dest_account <> 'Canceled' AND t.dest_unit = ?3
			GROUP BY span.i, t.dest_profile_id
			UNION ALL
			SELECT span.i, t.dest_profile_id, 0, 0, SUM(t.dest_amount), COUNT(*)
			FROM span CROSS JOIN txn t
			WHERE t.orig_profile_id = ?2 AND t.orig_account = 'Receivable' AND t.created_at >= span.since_before AND t.created_at < span.until_before
				AND t.dest_account <> 'Canceled' AND t.dest_unit = ?3
			GROUP BY span.i, t.dest_profile_id)
		GROUP BY i, customer),
	sold AS (
		SELECT i, SUM(amount) AS total, SUM(amount) FILTER (WHERE n_before = 0) AS new, SUM(amount_before) FILTER (WHERE n = 0) AS churned,
			COUNT(*) FILTER (WHERE n > 0) AS customers, COUNT(*) FILTER (WHERE n_before = 0) AS new_customers, COUNT(*) FILTER (WHERE n = 0) AS churned_customers
		FROM bought GROUP BY i)
	SELECT span.i, coalesce(total, 0), coalesce(new, 0), coalesce(churned, 0), coalesce(customers, 0), coalesce(new_customers, 0), coalesce(churned_customers, 0),
		(SELECT coalesce(SUM(t.dest_amount), 0) FROM txn t WHERE t.dest_profile_id = ?2 AND t.dest_account = 'Receivable'
			AND t.created_at >= span.since AND t.created_at < span.until AND t.orig_account = 'Backlog' AND t.dest_unit = ?3),
		(SELECT coalesce(SUM(t.dest_amount), 0) FROM txn t WHERE t.dest_profile_id = ?2 AND t.dest_account = 'Refund'
			AND t.created_at >= span.since AND t.created_at < span.until AND t.dest_unit = ?3)
	FROM span LEFT JOIN sold ON sold.i = span.i`

func salesOf(r store.Reader, p provider, t periods, unit string) ([]sales, error) {
	interval, err := naturalInterval(r, p.id)
	if err != nil {
		return nil, err
	}
	if t.of == ledger.Yearly { // years are compared with years, whatever the plans
		interval = ledger.Yearly
	}
	all := make([]sales, len(t.bounds)-1)
	err = store.Each(r, func(rows *sql.Rows) error {
		var i int
		var s sales
		err := rows.Scan(&i, &s.total, &s.new, &s.churned, &s.customers, &s.newCustomers, &s.churnedCustomers, &s.payments, &s.refunds)
		all[i] = s
		return err
	}, selectSales, bindSpans(t.spans(interval)), p.id, unit)
	return all, err
}

// naturalInterval is the shortest period among the plans of a provider, a month when it has none (metrics.md 2.2).
func naturalInterval(r store.Reader, provider int64) (interval ledger.Period, err error) {
	err = r.QueryRow(`SELECT coalesce(MIN(period_type), ?) FROM plan WHERE profile_id = ?`, int64(ledger.Monthly), provider).Scan((*int)(&interval))
	return interval, err
}

// series makes a series of one figure of all periods.
func series[T any](slug, title string, t periods, all []T, figure func(T) int64) Series {
	values := make([]int64, len(all))
	for i := range all {
		values[i] = figure(all[i])
	}
	return Series{Slug: slug, Title: title, Values: dated(t.bounds, values)}
}

// funds shows sales, payments and refunds (metrics.md 2.2).
func (s *Service) funds(c *rest.Call, r store.Reader) (Table, error) {
	p, t, unit, err := s.table(c, r)
	if err != nil {
		return Table{}, err
	}
	all, err := salesOf(r, p, t, unit)
	table := Table{Title: "Amount", Unit: unit, Scale: hundredths, Results: []Series{
		series("total-transactions", "Total Sales", t, all, func(s sales) int64 { return s.total }),
		series("new-transactions", "New Sales", t, all, func(s sales) int64 { return s.new }),
		series("churned-transactions", "Churned Sales", t, all, func(s sales) int64 { return s.churned }),
		series("payments", "Payments", t, all, func(s sales) int64 { return s.payments }),
		series("refunds", "Refunds", t, all, func(s sales) int64 { return s.refunds }),
	}}
	if receives := p.deposits || p.slug == s.Directory.Broker() && s.CanPay(); !receives {
		table.ProcessorHint = "connect_provider"
	}
	return table, err
}

// customers counts who bought (metrics.md 2.3).
func (s *Service) customers(c *rest.Call, r store.Reader) (Table, error) {
	p, t, unit, err := s.table(c, r)
	if err != nil {
		return Table{}, err
	}
	all, err := salesOf(r, p, t, unit)
	churn := make([]Value, len(all))
	for i := range all {
		churn[i] = Value{t.bounds[i+1], percent(0, 0)}
		if i > 0 {
			churn[i].Value = percent(all[i].churnedCustomers, all[i-1].customers)
		}
	}
	return Table{Title: "Customers", Results: []Series{
		series("total-customers", "Total # of Customers", t, all, func(s sales) int64 { return s.customers }),
		series("new-customers", "# of new Customers", t, all, func(s sales) int64 { return s.newCustomers }),
		series("churned-customers", "# of churned Customers", t, all, func(s sales) int64 { return s.churnedCustomers }),
		series("net-new-customers", "Net New Customers", t, all, func(s sales) int64 { return s.newCustomers - s.churnedCustomers }),
	}, Extra: []Series{{Slug: "percent-customer-churn", Title: "% Customer Churn", Values: churn}}}, err
}
