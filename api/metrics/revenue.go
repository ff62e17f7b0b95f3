package metrics

import (
	"cmp"
	"database/sql"
	"math"
	"slices"

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

// selectPrices are, for each plan of ?1, the terms that its subscriptions had in the unit ?2: customer, amount, periods that it buys, since
// and until.
const selectPrices = `SELECT period_type, (SELECT json_group_array(json_array(p.customer_id, p.amount, p.nb_periods, MAX(p.since, p.starts_at), MIN(p.until, p.ends_at)))
		FROM price p WHERE p.plan_id = plan.id AND p.unit = ?2)
	FROM plan WHERE profile_id = ?1`

// perMonth are the periods in a month, 1/12 of a year of 365.25 days, as a fraction.
var perMonth = map[ledger.Period]struct{ periods, parts int64 }{
	ledger.Hourly: {1461, 2}, ledger.Daily: {487, 16}, ledger.Weekly: {487, 112}, ledger.Monthly: {1, 1}, ledger.Yearly: {1, 12},
}

// A price is what a customer pays a month for a subscription, rounded down, while it holds.
type price struct{ customer, amount, since, until int64 }

// pricesOf are the prices that anybody had for some time, by customer.
func pricesOf(r store.Reader, p provider, unit string) (all []price, err error) {
	err = store.Each(r, func(rows *sql.Rows) error {
		var of ledger.Period
		var text string
		if err := rows.Scan((*int)(&of), &text); err != nil {
			return err
		}
		month := perMonth[of]
		numbers(text, 5, func(row []int64) {
			parts := month.parts * row[2]
			amount := row[1]/parts*month.periods + row[1]%parts*month.periods/parts // in two steps, which do not overflow
			if since, until := row[3], row[4]; amount > 0 && since < until {
				all = append(all, price{row[0], amount, since, until})
			}
		})
		return nil
	}, selectPrices, p.id, unit)
	slices.SortFunc(all, func(a, b price) int { return cmp.Compare(a.customer, b.customer) })
	return all, err
}

// A payer is a customer with its MRR just before each boundary, and the time of the first it ever had.
type payer struct {
	mrr   []int64
	since int64
}

// eachPayer calls fn with every customer who ever had an MRR. fn keeps nothing of it.
func eachPayer(r store.Reader, p provider, t periods, unit string, fn func(*payer)) error {
	all, err := pricesOf(r, p, unit)
	if err != nil {
		return err
	}
	bounds := t.micros()
	one := payer{mrr: make([]int64, len(bounds))}
	for i, price := range all {
		if i == 0 || price.customer != all[i-1].customer {
			one.since = price.since
			clear(one.mrr)
		}
		one.since = min(one.since, price.since)
		for b := after(bounds, price.since); b < len(bounds) && bounds[b] <= price.until; b++ {
			one.mrr[b] += price.amount
		}
		if i+1 == len(all) || price.customer != all[i+1].customer {
			fn(&one)
		}
	}
	return nil
}

// after is the first boundary after a time, by number.
func after(bounds []int64, t int64) int {
	i, found := slices.BinarySearch(bounds, t)
	if found {
		i++
	}
	return i
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
	bounds := t.micros()
	err := eachPayer(r, p, t, unit, func(c *payer) {
		for i := range all {
			all[i].add(c.mrr[i], c.mrr[i+1], c.since < bounds[i])
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
