package metrics

import (
	"database/sql"
	"errors"

	"github.com/caddy-tollgate/tollgate/api/billing"
	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// couponUses lists what was ordered with a coupon of a provider; the case of its code matters (metrics.md 3.3). Errors: 404.
func (s *Service) couponUses(c *rest.Call, r store.Reader) (page rest.Page[billing.CartItem], err error) {
	p, err := s.provider(c, r)
	if err != nil {
		return page, err
	}
	var id int64
	var code string
	err = r.QueryRow(`SELECT id, code FROM coupon WHERE profile_id = ? AND code = ?`, p.id, c.Param("coupon")).Scan(&id, &code)
	if errors.Is(err, store.ErrNotFound) || err == nil && code != c.Param("coupon") {
		err = rest.NotFound("Coupon")
	}
	if err != nil {
		return page, err
	}
	return s.Billing.CouponUses(c, r, id)
}

// unattached are users without any role, in force or not, on a profile that subscribed to something before a time.
var unattached = rest.List[int64]{
	Select: "u.id", From: "user u", Key: "u.id",
	Where: `NOT EXISTS (SELECT 1 FROM role JOIN subscription s ON s.profile_id = role.profile_id WHERE role.user_id = u.id AND s.created_at < ?)`,
	Search: rest.Names{"username": {"u.username"}, "slug": {"u.username"}, "first_name": {"u.first_name"}, "last_name": {"u.last_name"},
		"full_name": {"u.first_name", "u.last_name"}, "email": {"u.email"}},
	Order: rest.Names{"first_name": {"u.first_name"}, "last_name": {"u.last_name"}, "full_name": {"u.first_name", "u.last_name"}, "email": {"u.email"},
		"created_at": {"u.created_at"}},
	Default: []string{"first_name"}, Dates: "u.created_at", EndsNow: true,
	Scan: func(rows *sql.Rows, id *int64) error { return rows.Scan(id) },
}

// registered lists the users who registered and are with no subscriber (metrics.md 3.4).
func (s *Service) registered(c *rest.Call, r store.Reader) (page rest.Page[directory.UserDetail], err error) {
	end, err := c.EndsAt()
	if err != nil {
		return page, err
	}
	found, err := unattached.Page(c, r, end)
	if err != nil {
		return page, err
	}
	users, err := s.Directory.UserDetails(r, found.Results)
	page = rest.Page[directory.UserDetail]{Count: found.Count, Next: found.Next, Previous: found.Previous, Results: make([]directory.UserDetail, len(found.Results))}
	for i, id := range found.Results {
		page.Results[i] = users[id]
	}
	return page, err
}
