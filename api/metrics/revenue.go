package metrics

import (
	"database/sql"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// Monthly recurring revenue (MRR) and its churn: ours (docs/metrics.md).
//
// Each order of a subscription has a price per month: its amount, after discounts, by the natural periods that it buys, times the
// periods in a month. It is the price of the subscription from the order, or the start of the subscription, until the next order, or
// the end of the subscription. The MRR of a customer at an instant is the sum of the prices, just before it, of the subscriptions that
// the customer pays for. Setup fees and uses do not recur, and group buys are no subscriptions: they do not count. What was ordered and
// is not paid counts, as it does for sales.

// pricedTable is the price per month of each order of a subscription to ?2 in the unit ?3, with the time it holds, for the WITH of a
// query. A month is 1/12 of a year of 365.25 days: 1461/2 hours, 487/16 days or 487/112 weeks. Prices are rounded down, in integers
// that cannot overflow.
const pricedTable = `priced AS (
		SELECT customer, whole * per_month + part * per_month / parts AS price, MAX(since, created_at) AS since, MIN(until, ends_at) AS until FROM (
			SELECT t.payer_id AS customer, t.dest_amount / (length.parts * t.nb_periods) AS whole, t.dest_amount % (length.parts * t.nb_periods) AS part,
				length.parts * t.nb_periods AS parts, length.per_month, t.created_at AS since, s.created_at, s.ends_at,
				LEAD(t.created_at, 1, 9223372036854775807) OVER (PARTITION BY t.event_id ORDER BY t.created_at, t.id) AS until
			FROM txn t JOIN subscription s ON s.id = CAST(rtrim(substr(t.event_id, 5), '/') AS INTEGER)
			JOIN plan ON plan.id = s.plan_id
			JOIN (SELECT 1 AS period_type, 1461 AS per_month, 2 AS parts UNION ALL SELECT 2, 487, 16 UNION ALL SELECT 3, 487, 112
				UNION ALL SELECT 4, 1, 1 UNION ALL SELECT 5, 1, 12) length ON length.period_type = plan.period_type
			WHERE t.orig_profile_id = ?2 AND t.orig_account = 'Receivable' AND t.dest_account = 'Payable' AND t.dest_unit = ?3 AND t.nb_periods > 0
				AND t.event_id >= 'sub_' AND t.event_id < 'sub` + "`" + `' AND s.grant_key IS NULL AND s.request_key IS NULL)),
	holds AS (SELECT * FROM priced WHERE price > 0 AND since < until),
	first AS (SELECT customer, MIN(since) AS at FROM holds GROUP BY customer),
	level AS ( -- the MRR of a customer just before the end of a span
		SELECT span.i, customer, SUM(price) AS mrr FROM holds CROSS JOIN span WHERE holds.since < span.until AND holds.until >= span.until
		GROUP BY span.i, customer)`

// selectRevenue compares the MRR of each customer at the end of a span with that at the end of the span before.
const selectRevenue = `WITH ` + spanTable + `, ` + pricedTable + `,
	compared AS (
		SELECT i, customer, SUM(mrr) AS mrr, SUM(before) AS before FROM (
			SELECT i, customer, mrr, 0 AS before FROM level UNION ALL SELECT i + 1, customer, 0, mrr FROM level)
		GROUP BY i, customer)
	SELECT span.i, SUM(mrr), SUM(before), COUNT(*) FILTER (WHERE before > 0), COUNT(*) FILTER (WHERE before > 0 AND mrr = 0),
		coalesce(SUM(mrr) FILTER (WHERE before = 0 AND first.at >= span.since), 0),
		coalesce(SUM(mrr) FILTER (WHERE before = 0 AND first.at < span.since), 0),
		coalesce(SUM(mrr - before) FILTER (WHERE before > 0 AND mrr > before), 0),
		coalesce(SUM(before - mrr) FILTER (WHERE mrr > 0 AND mrr < before), 0),
		coalesce(SUM(before) FILTER (WHERE mrr = 0), 0)
	FROM compared JOIN span ON span.i = compared.i JOIN first ON first.customer = compared.customer
	WHERE span.i > 0 GROUP BY span.i`

// revenue is what became of the MRR in a period, in 1/100 of the unit:
//
//	mrr = before + new + reactivated + expanded − contracted − churned
type revenue struct {
	mrr, before                   int64 // at the end and at the start
	customers, lost               int64 // who had an MRR at the start, and who of them has none at the end
	new, reactivated              int64 // of customers who had none at the start: who never had any, and who had
	expanded, contracted, churned int64 // of customers who had one: more, less, none
}

func revenueOf(r store.Reader, p provider, t periods, unit string) ([]revenue, error) {
	all := make([]revenue, len(t.bounds)-1)
	err := store.Each(r, func(rows *sql.Rows) error {
		var i int
		var v revenue
		err := rows.Scan(&i, &v.mrr, &v.before, &v.customers, &v.lost, &v.new, &v.reactivated, &v.expanded, &v.contracted, &v.churned)
		all[i-1] = v
		return err
	}, selectRevenue, bindSpans(t.upTo()), p.id, unit)
	return all, err
}

// recurringRevenue shows the MRR at the end of each period, and what changed it.
func (s *Service) recurringRevenue(c *rest.Call, r store.Reader) (Table, error) {
	p, t, unit, err := s.table(c, r)
	if err != nil {
		return Table{}, err
	}
	all, err := revenueOf(r, p, t, unit)
	return Table{Title: "Monthly recurring revenue", Unit: unit, Scale: hundredths, Results: []Series{
		series("mrr", "MRR", t, all, func(v revenue) int64 { return v.mrr }),
		series("new", "New", t, all, func(v revenue) int64 { return v.new }),
		series("expansion", "Expansion", t, all, func(v revenue) int64 { return v.expanded }),
		series("contraction", "Contraction", t, all, func(v revenue) int64 { return v.contracted }),
		series("churn", "Churn", t, all, func(v revenue) int64 { return v.churned }),
		series("reactivation", "Reactivation", t, all, func(v revenue) int64 { return v.reactivated }),
	}}, err
}

// churn shows, in 1/100 of a percent of what was there at the start of each period: the customers who were lost; the MRR that was lost,
// to contraction too (gross); and that less the expansion of those who stayed (net, negative when it is more than made up for). Rounded
// down; 0 where there was nothing.
func (s *Service) churn(c *rest.Call, r store.Reader) (Table, error) {
	p, t, unit, err := s.table(c, r)
	if err != nil {
		return Table{}, err
	}
	all, err := revenueOf(r, p, t, unit)
	return Table{Title: "Churn", Unit: "percent", Scale: hundredths, Results: []Series{
		series("customer-churn", "Customer churn", t, all, func(v revenue) int64 { return rate(v.lost, v.customers) }),
		series("gross-revenue-churn", "Gross revenue churn", t, all, func(v revenue) int64 { return rate(v.churned+v.contracted, v.before) }),
		series("net-revenue-churn", "Net revenue churn", t, all, func(v revenue) int64 { return rate(v.churned+v.contracted-v.expanded, v.before) }),
	}}, err
}

// rate is part / whole in 1/100 of a percent, towards zero; 0 when whole is 0.
func rate(part, whole int64) int64 {
	if whole == 0 {
		return 0
	}
	return part/whole*10000 + part%whole*10000/whole
}
