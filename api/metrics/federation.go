package metrics

import (
	"database/sql"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// A federation: a profile provides plans, and its subscribers, the members, are providers themselves (metrics.md 2.5, 2.6).

// A Federation is a table of labels in place of dates.
type Federation struct {
	Title   string   `json:"title"`
	Scale   int64    `json:"scale"`
	Unit    string   `json:"unit"`
	Results []Series `json:"results"`
}

// Tabulate implements rest.Tabular.
func (f Federation) Tabulate() (headings []any, rows [][]any) { return tabulate(f.Results) }

// memberTable is who has a subscription to ?1 that ends at ?2 or later, for the WITH of a query. What ?1 granted and nobody accepted makes
// no member: a provider would learn the numbers of whom it likes.
const memberTable = `member AS MATERIALIZED (SELECT DISTINCT profile_id AS id FROM subscription
	WHERE provider_id = ?1 AND ends_at >= ?2 AND archived = 0 AND grant_key IS NULL)`

// selectFederation counts, for each member and then for the profile itself, what was lost before ?3, what runs at ?2 (E), and what of
// that began since ?4 (E less a year): subscriptions to the plans of a member, and, for the profile, those who subscribe to it or to a
// member, from the first of their subscriptions to the end of the last.
const selectFederation = `WITH ` + memberTable + `
	SELECT 0 AS whole, coalesce(nullif(p.full_name, ''), p.slug) AS name, p.slug,
		COUNT(*) FILTER (WHERE s.ends_at < ?3), COUNT(*) FILTER (WHERE s.created_at < ?2 AND s.ends_at >= ?2),
		COUNT(*) FILTER (WHERE s.created_at >= ?4 AND s.created_at < ?2 AND s.ends_at >= ?2)
	FROM member JOIN profile p ON p.id = member.id LEFT JOIN subscription s ON s.provider_id = member.id
	GROUP BY p.id
	UNION ALL
	SELECT 1, '', '', COUNT(*) FILTER (WHERE last < ?3), COUNT(*) FILTER (WHERE first < ?2 AND last >= ?2),
		COUNT(*) FILTER (WHERE first >= ?4 AND first < ?2 AND last >= ?2)
	FROM (SELECT MIN(s.created_at) AS first, MAX(s.ends_at) AS last FROM (SELECT ?1 AS id UNION SELECT id FROM member) provider
		CROSS JOIN subscription s WHERE s.provider_id = provider.id GROUP BY s.profile_id)
	ORDER BY whole, name, slug`

// federated counts what members lost, kept and won; losses are negative (metrics.md 2.5). start_at is ends_at by default.
func (s *Service) federated(c *rest.Call, r store.Reader) (Federation, error) {
	table := Federation{Title: "invited profiles", Scale: 1, Unit: "profiles"}
	p, err := s.provider(c, r)
	if err != nil {
		return table, err
	}
	window, err := c.Range(true)
	if err != nil {
		return table, err
	}
	if window.Start.IsZero() {
		window.Start = window.End
	}
	churned, kept, won := []Value{}, []Value{}, []Value{}
	err = store.Each(r, func(rows *sql.Rows) error {
		var whole bool
		var name, slug string
		var lost, active, new int64
		err := rows.Scan(&whole, &name, &slug, &lost, &active, &new)
		if whole {
			name = p.name
		}
		churned, kept, won = append(churned, Value{name, -lost}), append(kept, Value{name, active - new}), append(won, Value{name, new})
		return err
	}, selectFederation, p.id, window.End, window.Start, store.At(window.End.AddDate(-1, 0, 0)))
	table.Results = []Series{
		{Slug: "churned", Title: "churned", Values: churned},
		{Slug: "previously-subscribed", Title: "previously subscribed", Values: kept},
		{Slug: "newly-subscribed", Title: "newly subscribed", Values: won},
	}
	return table, err
}

// selectShared counts profiles by how many subscriptions they have to members.
const selectShared = `WITH ` + memberTable + `
	SELECT n, COUNT(*) FROM (SELECT COUNT(*) AS n FROM member CROSS JOIN subscription s WHERE s.provider_id = member.id AND s.ends_at > ?2 GROUP BY s.profile_id)
	GROUP BY n ORDER BY n`

// sharedProfiles is the histogram of the subscriptions that profiles have to members of a federation (metrics.md 2.6).
func (s *Service) sharedProfiles(c *rest.Call, r store.Reader) (Federation, error) {
	table := Federation{Title: "shared profiles", Scale: 1, Unit: "profiles"}
	p, err := s.provider(c, r)
	if err != nil {
		return table, err
	}
	end, err := c.EndsAt()
	if err != nil {
		return table, err
	}
	values := []Value{}
	err = store.Each(r, func(rows *sql.Rows) error {
		var n, profiles int64
		err := rows.Scan(&n, &profiles)
		values = append(values, Value{n, profiles})
		return err
	}, selectShared, p.id, end)
	table.Results = []Series{{Slug: "shared", Title: "shared", Values: values}}
	return table, err
}
