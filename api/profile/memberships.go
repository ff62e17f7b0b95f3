package profile

import (
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// Memberships lists the roles of a user that are in force, but for that on the personal profile, by role description: what
// GET /api/auth/tokens tells (auth.md 14).
func (s *Service) Memberships(c *rest.Call, r store.Reader, user int64) ([]Accessible, error) {
	list, err := store.List(r, scanAccessible, `SELECT `+accessibleColumns+` FROM `+accessibleTables+` WHERE `+ofUser+`
		AND r.grant_key IS NULL AND r.request_key IS NULL ORDER BY d.slug, r.created_at, r.id`, user, r.Now(), false)
	if err != nil {
		return nil, err
	}
	return list, s.fillAccessibles(c, r, list)
}
