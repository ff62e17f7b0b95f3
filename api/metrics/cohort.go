package metrics

import (
	"time"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// cohorts counts the customers who stayed, by the period in which they came: ours (docs/metrics.md). A customer comes with the first MRR
// (see selectPrices) and is there at the end of a period while it has one. A cohort's value for its own period is how many came in it,
// whether or not they stayed to its end; then how many are there; before, 0. The first row is those who came before all periods.
func (s *Service) cohorts(c *rest.Call, r store.Reader) (Table, error) {
	table := Table{Title: "Cohorts"}
	p, t, unit, err := s.table(c, r)
	if err != nil {
		return table, err
	}
	n := len(t.bounds) - 1
	counts := make([][]int64, n+1) // by cohort and end of period
	for i := range counts {
		counts[i] = make([]int64, n)
	}
	bounds := t.micros()
	err = eachPayer(r, p, t, unit, func(c *payer) {
		cohort := after(bounds, c.since) // the end of the period in which the customer came
		if cohort > n {
			return
		}
		for i := range n {
			if end := i + 1; end == cohort || end > cohort && c.mrr[end] > 0 {
				counts[cohort][i]++
			}
		}
	})
	layout := time.DateOnly
	if t.of == ledger.Hourly {
		layout += " 15:04"
	}
	for i, values := range counts {
		row := Series{Slug: "earlier", Title: "Earlier", Values: dated(t.bounds, values)}
		if i > 0 {
			row.Slug = t.bounds[i].String()
			row.Title = "Since " + t.bounds[i-1].In(p.zone).Format(layout)
		}
		table.Results = append(table.Results, row)
	}
	return table, err
}
