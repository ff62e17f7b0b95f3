package api

import (
	"context"
	"errors"
	"time"

	"github.com/caddy-tollgate/tollgate/store"
)

// auditRetention is how long it can be told who did what.
const auditRetention = 400 * 24 * time.Hour

// prune removes what has outlived its retention, a little at a time (docs/operations.md).
func (s *Service) prune(ctx context.Context) error {
	_, err := s.site.Store.Prune(ctx, `DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE created_at < ? LIMIT 500)`,
		store.At(s.site.Now().Add(-auditRetention)))
	return errors.Join(
		err,
		s.site.Directory.Janitor(ctx),
		s.auth.Janitor(ctx),
		s.profiles.Janitor(ctx),
		s.billing.Janitor(ctx),
		s.notices.Janitor(ctx),
		s.rest.Janitor(ctx),
	)
}
