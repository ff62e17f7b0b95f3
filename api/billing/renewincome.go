package billing

import (
	"context"
	"database/sql"
	"errors"

	"github.com/caddy-tollgate/tollgate/api/subscription"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// Recognition of income (ledger.md 5.10). The table recognition says what to look at, and when.

// selectRecognition is what there may be something to recognise on, up to an instant.
const selectRecognition = `SELECT id FROM recognition WHERE next_at <= ?`

// ofSubscriber are those of the subscriptions of a profile.
const ofSubscriber = ` AND event IN (SELECT 'sub_' || id || '/' FROM subscription WHERE profile_id = ?)`

// recogniseAll recognises what is earned by t: on the subscriptions of one profile, or with 0 on all. Nothing is earned twice: what a profile
// whose clock is ahead has earned by its own time is more than what it has by the site's.
func (s *Service) recogniseAll(ctx context.Context, profile int64, t store.Time) error {
	query, args := selectRecognition, []any{t}
	if profile != 0 {
		query, args = query+ofSubscriber, append(args, profile)
	}
	return s.each(ctx, step{
		name: "recognition",
		do:   func(tx *store.Tx, id int64) error { return s.recognise(tx, id, t) },
		fail: func(ctx context.Context, id int64, cause error) error {
			var event string
			err := s.store.Read(ctx, func(r store.Reader) error {
				return r.QueryRow(`SELECT event FROM recognition WHERE id = ?`, id).Scan(&event)
			})
			if sub := ledger.ParseEvent(event).Subscription; err == nil && sub != 0 {
				return s.parks(ctx, sub, cause)
			}
			return cause
		},
		done: "renew:recognised",
	}, query+` ORDER BY next_at, id`, args...)
}

// recognise writes what is earned by t on an event, and when to look at it again.
func (s *Service) recognise(tx *store.Tx, id int64, t store.Time) error {
	var event string
	var next store.Time
	err := tx.QueryRow(`SELECT event FROM recognition WHERE id = ?`, id).Scan(&event)
	if err != nil {
		return err
	}
	if e := ledger.ParseEvent(event); e.Kind == ledger.CouponEvent {
		next, err = s.recogniseGroup(tx, event, t)
	} else {
		next, err = s.recogniseSubscription(tx, e.Subscription, t)
	}
	if err != nil {
		return err
	}
	_, err = tx.Exec(`UPDATE recognition SET next_at = ? WHERE id = ?`, next, id)
	return err
}

// recogniseSubscription writes what a subscription and its uses have earned by t. One that waits for an opt-in earns nothing yet; it
// is looked at again when it is accepted.
func (s *Service) recogniseSubscription(tx *store.Tx, id int64, t store.Time) (next store.Time, err error) {
	sub, err := s.subs.ByID(tx, id)
	if err != nil || sub == nil || !sub.Valid() {
		return next, err
	}
	if sub.CreatedAt.After(t.Time) {
		return sub.CreatedAt, nil
	}
	p, err := s.subs.PlanByID(tx, sub.PlanID)
	if err != nil {
		return next, err
	}
	label := func(use int64) string {
		if u := p.Use(use); u != nil {
			return u.Slug
		}
		return ledger.SubscriptionLabel(sub.Subscriber, p.Slug)
	}
	facts, err := ledger.LoadIncome(tx, id, calendarOf(sub, p), t, label)
	if err != nil {
		return next, err
	}
	for _, f := range facts {
		entries, err := s.earn(tx, f)
		if err != nil {
			return next, err
		}
		if step := f.Next(entries); !step.IsZero() && (next.IsZero() || step.Before(next.Time)) {
			next = step
		}
	}
	return next, nil
}

// recogniseGroup writes what the claims of a group buy have earned by t.
func (s *Service) recogniseGroup(tx *store.Tx, code string, t store.Time) (next store.Time, err error) {
	var coupon, beneficiaries int64
	var provider string
	err = tx.QueryRow(`SELECT c.id, p.slug, coalesce(c.nb_attempts, 0) + (SELECT count(*) FROM coupon_claim k WHERE k.coupon_id = c.id)
		FROM coupon c JOIN profile p ON p.id = c.profile_id WHERE c.code = ?`, code).Scan(&coupon, &provider, &beneficiaries)
	if errors.Is(err, store.ErrNotFound) {
		return next, nil
	}
	if err != nil {
		return next, err
	}
	claims, err := s.claims(tx, coupon)
	if err != nil || len(claims) == 0 {
		return next, err
	}
	facts, err := ledger.LoadGroupIncome(tx, code, beneficiaries, claims, t, ledger.CouponLabel(provider, code))
	if err != nil {
		return next, err
	}
	for _, f := range facts {
		if _, err := s.earn(tx, f); err != nil {
			return next, err
		}
		next = f.Next()
	}
	return next, nil
}

// claims are those of a group buy, in the order they were made.
func (s *Service) claims(tx *store.Tx, coupon int64) ([]ledger.Claim, error) {
	type claim struct{ sub, entry int64 }
	var found []claim
	var ids []int64
	err := store.Each(tx, func(rows *sql.Rows) error {
		var c claim
		err := rows.Scan(&c.sub, &c.entry)
		found, ids = append(found, c), append(ids, c.sub)
		return err
	}, `SELECT subscription_id, entry_id FROM coupon_claim WHERE coupon_id = ? ORDER BY id`, coupon)
	if err != nil {
		return nil, err
	}
	subs, err := s.subs.ByIDs(tx, ids)
	if err != nil {
		return nil, err
	}
	var plans []int64
	for _, sub := range subs {
		plans = append(plans, sub.PlanID)
	}
	sold, err := s.subs.Plans(tx, plans)
	if err != nil {
		return nil, err
	}
	claims := make([]ledger.Claim, len(found))
	for i, c := range found {
		sub := subs[c.sub]
		if claims[i], err = ledger.LoadClaim(tx, c.sub, calendarOf(sub, sold[sub.PlanID]), c.entry); err != nil {
			return nil, err
		}
	}
	return claims, nil
}

// earn posts what is recognised.
func (s *Service) earn(tx *store.Tx, facts interface {
	Entries() ([]ledger.Entry, error)
}) ([]ledger.Entry, error) {
	entries, err := facts.Entries()
	if err != nil || len(entries) == 0 {
		return nil, err
	}
	batch, err := ledger.Post(tx, ledger.KindIncome, entries...)
	s.touch(tx, batch.Entries)
	return entries, err
}

func calendarOf(sub *subscription.Subscription, p *subscription.Plan) ledger.Calendar {
	return ledger.Calendar{Anchor: sub.CreatedAt, Period: p.PeriodType}
}
