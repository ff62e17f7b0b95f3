package metrics

import (
	"database/sql"
	"slices"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// selectPlans are the plans of ?1, each with when its subscriptions that end at ?2 or later began and end.
// Subscriptions that wait for a grant or a request to be accepted do not count.
const selectPlans = `SELECT slug, title, is_active, (SELECT json_group_array(json_array(s.created_at, s.ends_at)) FROM subscription s
		WHERE s.plan_id = plan.id AND s.ends_at >= ?2 AND s.grant_key IS NULL AND s.request_key IS NULL)
	FROM plan WHERE profile_id = ?1 ORDER BY title, id`

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
	bounds := t.micros()
	churned := make([]int64, len(bounds)-1)
	err = store.Each(r, func(rows *sql.Rows) error {
		var row Series
		var isActive bool
		var text string
		if err := rows.Scan(&row.Slug, &row.Title, &isActive, &text); err != nil {
			return err
		}
		active := make([]int64, len(bounds))
		numbers(text, 2, func(row []int64) {
			created, ends := row[0], row[1]
			first, _ := slices.BinarySearch(bounds, created)
			end, _ := slices.BinarySearch(bounds, ends)
			for i := first; i < end; i++ {
				active[i]++
			}
			if end = after(bounds, ends); end < len(bounds) {
				churned[end-1]++
			}
		})
		row.Location, row.IsActive, row.Values = "/profile/"+p.slug+"/plans/"+row.Slug+"/", &isActive, dated(t.bounds, active)
		table.Results = append(table.Results, row)
		return nil
	}, selectPlans, p.id, t.bounds[0])
	table.Extra = []Series{{Slug: "churn", Values: dated(t.bounds, churned)}}
	return table, err
}
