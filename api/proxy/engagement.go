package proxy

import (
	"database/sql"
	"encoding/json"
	"time"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// An Engagement is how many of all users, in percent, have visited something.
type Engagement struct {
	Slug  string `json:"slug"`
	Count int64  `json:"count"`
}

// Engagements are what users have visited (access.md B.6).
type Engagements struct {
	Engagements    []Engagement `json:"engagements"`
	ActiveUsers    int64        `json:"active_users"` // logged in yesterday, in the zone of the call
	Authentication string       `json:"authentication"`
}

// showEngagement counts who has visited what, by tag.
func (s *Service) showEngagement(c *rest.Call, r store.Reader) (Engagements, error) {
	out := Engagements{Engagements: []Engagement{}, Authentication: s.Authentication}
	err := store.Each(r, func(rows *sql.Rows) error {
		var e Engagement
		err := rows.Scan(&e.Slug, &e.Count)
		out.Engagements = append(out.Engagements, e)
		return err
	}, `SELECT slug, count(*) * 100 / (SELECT count(*) FROM user) FROM engagement GROUP BY slug ORDER BY slug`)
	if err != nil {
		return out, err
	}
	year, month, day := r.Now().In(c.Zone("")).Date()
	zone := c.Zone("")
	today, yesterday := time.Date(year, month, day, 0, 0, 0, 0, zone), time.Date(year, month, day-1, 0, 0, 0, 0, zone)
	err = r.QueryRow(`SELECT count(*) FROM user WHERE last_login >= ? AND last_login < ?`, store.At(yesterday), store.At(today)).Scan(&out.ActiveUsers)
	return out, err
}

// A Visitor is a user with what it has visited.
type Visitor struct {
	Username    string   `json:"username"`
	Engagements []string `json:"engagements"`
}

var visitors = rest.List[Visitor]{
	Select: `u.username, (SELECT json_group_array(slug ORDER BY slug) FROM engagement WHERE user_id = u.id)`,
	From:   `user u`,
	Where:  `u.last_login IS NOT NULL AND u.is_active = 1 AND EXISTS (SELECT 1 FROM engagement e WHERE e.user_id = u.id)`,
	Key:    "u.id",
	Search: rest.Names{"username": {"u.username"}},
	Order:  rest.Names{"username": {"u.username"}, "last_login": {"u.last_login"}},
	// The latest log-in first.
	Default: []string{"-last_login"},
	Scan: func(rows *sql.Rows, v *Visitor) error {
		var tags string
		if err := rows.Scan(&v.Username, &tags); err != nil {
			return err
		}
		return json.Unmarshal([]byte(tags), &v.Engagements)
	},
}

// listVisitors lists the users who have visited something.
func (s *Service) listVisitors(c *rest.Call, r store.Reader) (rest.Page[Visitor], error) {
	return visitors.Page(c, r)
}
