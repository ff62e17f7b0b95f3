package metrics

import (
	"database/sql"
	"iter"
	"slices"

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

// selectOrders are, for each of the segments ?1 of time, all orders in it to ?2 in the unit ?3: customer and amount.
const selectOrders = `WITH segment AS MATERIALIZED (SELECT key AS i, value ->> 0 AS since, value ->> 1 AS until FROM json_each(?1))
	SELECT segment.i, (SELECT json_group_array(json_array(t.dest_profile_id, t.dest_amount)) FROM txn t
		WHERE t.orig_profile_id = ?2 AND t.orig_account = 'Receivable' AND t.dest_account <> 'Canceled' AND t.dest_unit = ?3
			AND t.created_at >= segment.since AND t.created_at < segment.until)
	FROM segment`

// selectSettled are payments, which settle a receivable by card or not, and what was given back, by span.
var selectSettled = `WITH ` + spanTables + `
	SELECT i, SUM(paid), SUM(given_back) FROM (` +
	posted(`i, t.dest_amount AS paid, 0 AS given_back`, `t.dest_profile_id = ?3 AND t.dest_account = 'Receivable' AND t.dest_profile_id <> 0
			AND t.orig_account = 'Backlog' AND t.dest_unit = ?4`) + `
		UNION ALL ` +
	posted(`i, 0, t.dest_amount`, `t.dest_profile_id = ?3 AND t.dest_account = 'Refund' AND t.dest_profile_id <> 0 AND t.dest_unit = ?4`) + `)
	GROUP BY i`

// An order is what a customer ordered at some time.
type order struct {
	customer int // a number from 0 on
	amount   int64
}

// ordersIn reads the orders of the segments between cuts in time, which are in ascending order, and counts the customers among them. Each
// order is read once, however many of the periods that are made of segments have it.
func ordersIn(r store.Reader, p provider, unit string, cuts []int64) (segments [][]order, customers int, err error) {
	bounds := make([][2]int64, max(len(cuts)-1, 0))
	for i := range bounds {
		bounds[i] = [2]int64{cuts[i], cuts[i+1]}
	}
	segments = make([][]order, len(bounds))
	known := map[int64]int{}
	err = store.Each(r, func(rows *sql.Rows) error {
		var i int
		var text string
		if err := rows.Scan(&i, &text); err != nil {
			return err
		}
		numbers(text, 2, func(row []int64) {
			customer, ok := known[row[0]]
			if !ok {
				customer = len(known)
				known[row[0]] = customer
			}
			segments[i] = append(segments[i], order{customer, row[1]})
		})
		return nil
	}, selectOrders, bindRows(bounds), p.id, unit)
	return segments, len(known), err
}

// bought is what a customer ordered in P and in P'.
type bought struct {
	amount, amountBefore int64
	n, nBefore           int
}

func salesOf(r store.Reader, p provider, t periods, unit string) ([]sales, error) {
	interval, err := naturalInterval(r, p.id)
	if err != nil {
		return nil, err
	}
	if t.of == ledger.Yearly { // years are compared with years, whatever the plans
		interval = ledger.Yearly
	}
	return salesIn(r, p, t.spans(interval), unit)
}

// salesIn are the sales in some periods, each compared with the one that its span names.
func salesIn(r store.Reader, p provider, spans []span, unit string) ([]sales, error) {
	var cuts []int64
	for _, s := range spans {
		cuts = append(cuts, s.from, s.to, s.fromBefore, s.toBefore)
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	segments, customers, err := ordersIn(r, p, unit, cuts)
	if err != nil {
		return nil, err
	}
	// between are the orders from one cut to another.
	between := func(from, to int64) iter.Seq[order] {
		first, _ := slices.BinarySearch(cuts, from)
		end, _ := slices.BinarySearch(cuts, to)
		return func(yield func(order) bool) {
			for i := first; i < end; i++ {
				for _, o := range segments[i] {
					if !yield(o) {
						return
					}
				}
			}
		}
	}
	all := make([]sales, len(spans))
	by := make([]bought, customers)
	for i, s := range spans {
		clear(by)
		for o := range between(s.from, s.to) {
			by[o.customer].amount += o.amount
			by[o.customer].n++
		}
		for o := range between(s.fromBefore, s.toBefore) {
			by[o.customer].amountBefore += o.amount
			by[o.customer].nBefore++
		}
		for j := range by {
			all[i].add(&by[j])
		}
	}
	slots, rest := bindPosted(spans)
	err = store.Each(r, func(rows *sql.Rows) error {
		var i int
		var payments, refunds int64
		err := rows.Scan(&i, &payments, &refunds)
		all[i].payments, all[i].refunds = payments, refunds
		return err
	}, selectSettled, slots, rest, p.id, unit)
	return all, err
}

// add counts a customer.
func (s *sales) add(b *bought) {
	s.total += b.amount
	if b.n > 0 {
		s.customers++
	}
	switch {
	case b.n > 0 && b.nBefore == 0:
		s.new += b.amount
		s.newCustomers++
	case b.n == 0 && b.nBefore > 0:
		s.churned += b.amountBefore
		s.churnedCustomers++
	}
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
