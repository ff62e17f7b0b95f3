package auth

import (
	"context"
	"errors"
	"time"

	"github.com/caddy-tollgate/tollgate/store"
)

// danglingFor is how long a contact is kept that a request for a code made, and that became nobody's (auth.md 11).
const danglingFor = 7 * 24 * time.Hour

// lostFor is how long it is kept that an address was lost, for a user who does not log in.
const lostFor = 365 * 24 * time.Hour

// Janitor removes what has outlived its retention: addresses that somebody asked a code for and never came back, and changes of
// addresses that nobody answered.
func (s *Service) Janitor(ctx context.Context) error {
	var now store.Time
	if err := s.store.Read(ctx, func(r store.Reader) error { now = r.Now(); return nil }); err != nil {
		return err
	}
	_, err := s.store.Prune(ctx, `DELETE FROM contact WHERE id IN (SELECT id FROM contact WHERE user_id IS NULL AND created_at < ?
			AND email_verification_at IS NOT NULL AND email_verified_at IS NULL AND phone_verified_at IS NULL
			AND extra IS NULL AND picture IS NULL AND (full_name = '' OR email_sent_since = created_at)
			AND NOT EXISTS (SELECT 1 FROM activity WHERE activity.contact_id = contact.id) LIMIT 1000)`,
		store.At(now.Add(-danglingFor)))
	_, err2 := s.store.Prune(ctx, `DELETE FROM pending_address WHERE id IN (SELECT id FROM pending_address WHERE sent_at < ? LIMIT 1000)`,
		store.At(now.Add(-s.pendingFor())))
	_, err3 := s.store.Prune(ctx, `DELETE FROM lost_address WHERE id IN (SELECT id FROM lost_address WHERE lost_at < ? LIMIT 1000)`,
		store.At(now.Add(-lostFor)))
	return errors.Join(err, err2, err3)
}
