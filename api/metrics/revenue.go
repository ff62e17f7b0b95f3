package metrics

import (
	"database/sql"
	"math"
	"sort"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// Monthly recurring revenue (MRR) and its churn: ours (docs/metrics.md).
//
// Each order of a subscription has a price per month: its amount, after discounts, by the natural periods that it buys, times the
// periods in a month. It is the price of the subscription from the order, or the start of the subscription, until the next order, or
// the end of the subscription. The MRR of a customer at an instant is the sum of the prices, just before it, of the subscriptions that
// the customer pays for. Setup fees and uses do not recur, and group buys are no subscriptions: they do not count. What was ordered and
// is not paid counts, as it does for sales.

// selectPrices are the prices per month of the orders of subscriptions to ?1 in the unit ?2, with the time they hold, by customer. A
// month is 1/12 of a year of 365.25 days: 1461/2 hours, 487/16 days or 487/112 weeks. Prices are rounded down, in integers that cannot
// overflow.
const selectPrices = `SELECT customer, price, since, until FROM (
		SELECT customer, whole * per_month + part * per_month / parts AS price, MAX(since, created_at) AS since, MIN(until, ends_at) AS until FROM (
			SELECT t.payer_id AS customer, t.dest_amount / (length.parts * t.nb_periods) AS whole, t.dest_amount % (length.parts * t.nb_periods) AS part,
				length.parts * t.nb_periods AS parts, length.per_month, t.created_at AS since, s.created_at, s.ends_at,
				LEAD(t.created_at, 1, 9223372036854775807) OVER (PARTITION BY s.id ORDER BY t.created_at, t.id) AS until
			FROM txn t JOIN subscription s ON s.id = CAST(rtrim(substr(t.event_id, 5), '/') AS INTEGER)
			JOIN plan ON plan.id = s.plan_id
			JOIN (SELECT 1 AS period_type, 1461 AS per_month, 2 AS parts UNION ALL SELECT 2, 487, 16 UNION ALL SELECT 3, 487, 112
				UNION ALL SELECT 4, 1, 1 UNION ALL SELECT 5, 1, 12) length ON length.period_type = plan.period_type
			WHERE t.orig_profile_id = ?1 AND t.orig_account = 'Receivable' AND t.dest_account = 'Payable' AND t.dest_unit = ?2 AND t.nb_periods > 0
				AND t.event_id >= 'sub_' AND t.event_id < 'sub` + "`" + `' AND s.grant_key IS NULL AND s.request_key IS NULL))
	WHERE price > 0 AND since < until ORDER BY customer`

// A payer is a customer with its MRR just before each boundary, and the time of the first it ever had.
type payer struct {
	mrr   []int64
	since store.Time
}

// eachPayer calls fn with every customer who ever had an MRR. fn keeps nothing of it.
func eachPayer(r store.Reader, p provider, t periods, unit string, fn func(*payer)) error {
	var customer int64
	one := payer{mrr: make([]int64, len(t.bounds))}
	err := store.Each(r, func(rows *sql.Rows) error {
		var id, price int64
		var since, until store.Time
		if err := rows.Scan(&id, &price, &since, &until); err != nil {
			return err
		}
		if id != customer {
			if customer != 0 {
				fn(&one)
			}
			customer, one.since = id, since
			clear(one.mrr)
		}
		if since.Before(one.since.Time) {
			one.since = since
		}
		for i := t.after(since); i < len(t.bounds) && !t.bounds[i].After(until.Time); i++ {
			one.mrr[i] += price
		}
		return nil
	}, selectPrices, p.id, unit)
	if customer != 0 && err == nil {
		fn(&one)
	}
	return err
}

// after is the first boundary after a time, by number.
func (p periods) after(t store.Time) int {
	return sort.Search(len(p.bounds), func(i int) bool { return p.bounds[i].After(t.Time) })
}

// revenue is what became of the MRR in a period, in 1/100 of the unit:
//
//	mrr = before + new + reactivated + expanded − contracted − churned
type revenue struct {
	mrr, before                   int64 // at the end and at the start
	customers, lost               int64 // who had an MRR at the start, and who of them has none at the end
	new, reactivated              int64 // of customers who had none at the start: who never had any, and who had
	expanded, contracted, churned int64 // of customers who had one: more, less, none
}

// add adds what a customer had at the start of the period and has at its end; known is whether it ever had any before.
func (v *revenue) add(before, mrr int64, known bool) {
	v.before += before
	v.mrr += mrr
	if before > 0 {
		v.customers++
	}
	switch {
	case before > 0 && mrr == 0:
		v.lost++
		v.churned += before
	case before == 0 && known:
		v.reactivated += mrr
	case before == 0:
		v.new += mrr
	default:
		v.expanded += max(mrr-before, 0)
		v.contracted += max(before-mrr, 0)
	}
}

func revenueOf(r store.Reader, p provider, t periods, unit string) ([]revenue, error) {
	all := make([]revenue, len(t.bounds)-1)
	err := eachPayer(r, p, t, unit, func(c *payer) {
		for i := range all {
			all[i].add(c.mrr[i], c.mrr[i+1], c.since.Before(t.bounds[i].Time))
		}
	})
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
	switch {
	case whole == 0:
		return 0
	case part < 0:
		return -rate(-part, whole)
	}
	r, err := ledger.MulDiv(part, 10000, whole)
	if err != nil { // more than there are numbers
		return math.MaxInt64
	}
	return r
}
