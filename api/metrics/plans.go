package metrics

import (
	"database/sql"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// selectPlans counts the subscriptions to each plan that run at each boundary, and those that ended since the boundary before; plans
// without any have a row without a boundary. Subscriptions that wait for a grant or a request to be accepted do not count.
const selectPlans = `WITH ` + spanTable + `,
	counted AS (
		SELECT s.plan_id, span.i, COUNT(*) FILTER (WHERE s.created_at <= span.until AND s.ends_at > span.until) AS active,
			COUNT(*) FILTER (WHERE s.ends_at >= span.since AND s.ends_at < span.until) AS ended
		FROM subscription s CROSS JOIN span
		WHERE s.provider_id = ?2 AND s.grant_key IS NULL AND s.request_key IS NULL AND s.created_at <= span.until AND s.ends_at >= span.since
		GROUP BY s.plan_id, span.i)
	SELECT plan.id, plan.slug, plan.title, plan.is_active, counted.i, coalesce(active, 0), coalesce(ended, 0)
	FROM plan LEFT JOIN counted ON counted.plan_id = plan.id
	WHERE plan.profile_id = ?2 ORDER BY plan.title, plan.id`

// plans counts the subscribers of each plan of a provider, and the subscriptions that ended (metrics.md 2.4).
func (s *Service) plans(c *rest.Call, r store.Reader) (Table, error) {
	table := Table{Title: "Active subscribers", Results: []Series{}}
	p, err := s.provider(c, r)
	if err != nil {
		return table, err
	}
	t, err := periodsOf(c, p.zone)
	if err != nil {
		return table, err
	}
	var active [][]int64 // by plan and boundary
	churned := make([]int64, len(t.bounds)-1)
	var last int64
	err = store.Each(r, func(rows *sql.Rows) error {
		var id, running, ended int64
		var row Series
		var isActive bool
		var i sql.Null[int]
		if err := rows.Scan(&id, &row.Slug, &row.Title, &isActive, &i, &running, &ended); err != nil {
			return err
		}
		if id != last {
			last = id
			row.Location, row.IsActive = "/profile/"+p.slug+"/plans/"+row.Slug+"/", &isActive
			table.Results = append(table.Results, row)
			active = append(active, make([]int64, len(t.bounds)))
		}
		if i.Valid {
			active[len(active)-1][i.V] = running
			if i.V > 0 { // what ended before the first boundary is not of the table
				churned[i.V-1] += ended
			}
		}
		return nil
	}, selectPlans, bindSpans(t.upTo()), p.id)
	for i := range table.Results {
		table.Results[i].Values = dated(t.bounds, active[i])
	}
	table.Extra = []Series{{Slug: "churn", Values: dated(t.bounds, churned)}}
	return table, err
}
