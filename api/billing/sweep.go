package billing

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// sweepAfter is how long a payment or a refund is left to the request that makes it, and a charge to the processor's events.
const sweepAfter = 2 * time.Minute

// Sweep finishes what a crash, a time-out or a lost event left: payments and refunds that are not committed, and charges whose
// outcome is not known (ledger.md 6.3, 10). One that cannot be finished does not stop the others.
func (s *Service) Sweep(ctx context.Context) error {
	if s.processor == nil {
		return nil
	}
	var before store.Time
	err := s.store.Read(ctx, func(r store.Reader) error {
		before = store.At(r.Now().Add(-sweepAfter))
		return nil
	})
	if err != nil {
		return err
	}
	var errs []error
	for _, work := range []struct {
		what  string
		query string
		do    func(ctx context.Context, id int64) error
	}{
		{"payment", `SELECT id FROM checkout_attempt WHERE state = 'pending' AND created_at < ? ORDER BY id`, s.resume},
		{"refund", `SELECT id FROM refund WHERE state = 'pending' AND created_at < ? ORDER BY id`, s.resumeRefund},
		{"charge", `SELECT id FROM charge WHERE state = 0 AND processor_key IS NOT NULL AND created_at < ? ORDER BY created_at`, s.poll},
	} {
		ids, err := s.identifiers(ctx, work.query, before)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			var answer *rest.Error
			if err := work.do(ctx, id); err != nil && !errors.As(err, &answer) {
				errs = append(errs, fmt.Errorf("%s %d: %w", work.what, id, err))
			}
		}
	}
	return errors.Join(errs...)
}
