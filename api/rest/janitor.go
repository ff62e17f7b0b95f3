package rest

import (
	"context"
	"time"

	"github.com/caddy-tollgate/tollgate/store"
)

// KeyRetention is how long the answers of idempotency keys are kept.
const KeyRetention = 7 * 24 * time.Hour

// Janitor forgets idempotency keys that are older than KeyRetention.
func (s *Service) Janitor(ctx context.Context) error {
	_, err := s.Store.Prune(ctx, `DELETE FROM idempotency_key WHERE key IN (
		SELECT key FROM idempotency_key WHERE created_at < ? LIMIT 500)`, store.At(s.Now().Add(-KeyRetention)))
	return err
}
