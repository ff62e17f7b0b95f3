package metrics

import (
	"database/sql"
	"time"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// selectCohorts counts the customers who have an MRR at the end of each span, by the span in which they first had one: 0 is before the
// first boundary. The rows without a span are how many there ever were.
const selectCohorts = `WITH ` + spanTable + `, ` + pricedTable + `,
	member AS (SELECT customer, (SELECT COUNT(*) FROM span WHERE span.until <= first.at) AS cohort FROM first)
	SELECT cohort, NULL AS i, COUNT(*) FROM member GROUP BY cohort
	UNION ALL
	SELECT cohort, i, COUNT(*) FROM level JOIN member ON member.customer = level.customer GROUP BY cohort, i`

// cohorts counts the customers who stayed, by the period in which they came: ours (docs/metrics.md). A customer comes with the first MRR
// (see pricedTable) and is there at the end of a period while it has one. A cohort's value for its own period is how many came in it,
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
	err = store.Each(r, func(rows *sql.Rows) error {
		var cohort int
		var i sql.Null[int]
		var customers int64
		if err := rows.Scan(&cohort, &i, &customers); err != nil {
			return err
		}
		switch {
		case cohort > n: // came after the last period
		case !i.Valid && cohort > 0:
			counts[cohort][cohort-1] = customers
		case i.Valid && i.V > 0 && i.V != cohort:
			counts[cohort][i.V-1] = customers
		}
		return nil
	}, selectCohorts, bindSpans(t.upTo()), p.id, unit)
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
