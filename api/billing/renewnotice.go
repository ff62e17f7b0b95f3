package billing

import (
	"context"
	"database/sql"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/api/processor"
	"github.com/caddy-tollgate/tollgate/api/subscription"
	"github.com/caddy-tollgate/tollgate/store"
)

// What people are told before a subscription ends (subscriptions.md 13.5).

// An ending is a subscription that ends soon.
type ending struct {
	id, profile, plan, provider int64
	slug, title                 string
	renewal                     subscription.RenewalType
	autoRenew                   bool
	endsAt                      store.Time
	days                        int
}

// selectEnding are the subscriptions that end in a window of time and that nobody was told of.
const selectEnding = `SELECT s.id, s.profile_id, s.plan_id, s.provider_id, plan.slug, plan.title, plan.renewal_type, s.auto_renew, s.ends_at
	FROM subscription s JOIN plan ON plan.id = s.plan_id
	WHERE s.ends_at >= ? AND s.ends_at < ? AND s.grant_key IS NULL AND s.request_key IS NULL
	AND NOT EXISTS (SELECT 1 FROM expiry_notice n WHERE n.subscription_id = s.id AND n.days = ? AND n.ends_at = s.ends_at)`

// tellExpiry tells at t of the subscriptions that end in so many days, each once, however often it runs: of one profile, or with 0 of all
// that have no clock of their own.
func (s *Service) tellExpiry(ctx context.Context, profile int64, t store.Time) error {
	query, of := selectEnding+onSite, []any{}
	if profile != 0 {
		query, of = selectEnding+ofProfile, []any{profile}
	}
	var errs failures
	carded := map[int64]bool{} // profiles that were told of their card in this run
	for _, days := range s.set.ExpireNoticeDays {
		from := store.At(t.Add(time.Duration(days) * day))
		var list []ending
		err := s.store.Read(ctx, func(r store.Reader) error {
			list = nil
			return store.Each(r, func(rows *sql.Rows) error {
				e := ending{days: days}
				err := rows.Scan(&e.id, &e.profile, &e.plan, &e.provider, &e.slug, &e.title, &e.renewal, &e.autoRenew, &e.endsAt)
				list = append(list, e)
				return err
			}, query+` ORDER BY s.ends_at, s.id`, append([]any{from, store.At(from.Add(day)), days}, of...)...)
		})
		errs.add(err)
		for i := range list {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := s.tellEnding(ctx, &list[i], from, carded); err != nil {
				errs.add(s.failed("expiry notice", list[i].slug, err))
			}
		}
	}
	return errs.join()
}

// tellEnding notes that a subscription ends, and emits what is to be said of it, in one transaction.
func (s *Service) tellEnding(ctx context.Context, e *ending, from store.Time, carded map[int64]bool) error {
	var event notice.Event
	switch {
	case e.renewal == subscription.Repeat && !e.autoRenew:
		event = &notice.ExpiresSoon{Profile: notice.Profile{ID: e.profile}, Plan: notice.Plan{Slug: e.slug, Title: e.title}, Provider: notice.Profile{ID: e.provider},
			NbExpirationDays: e.days}
	case e.renewal == subscription.OneTime && !e.autoRenew:
		s.log.Info("subscription_upgrade", zap.Int64("profile", e.profile), zap.String("plan", e.slug), zap.Int("days", e.days))
	case e.renewal == subscription.AutoRenew && e.autoRenew && !carded[e.profile]:
		card, err := s.cardOnFile(ctx, e.profile)
		if err != nil {
			return err
		}
		if card == nil {
			carded[e.profile] = true
			s.log.Info("payment_method_absent", zap.Int64("profile", e.profile), zap.String("plan", e.slug), zap.Int("days", e.days))
		} else if expiresBy(card, from) {
			carded[e.profile] = true
			event = &notice.CardExpiresSoon{Profile: notice.Profile{ID: e.profile}, NbExpirationDays: e.days, Last4: digitsOf(card.Last4), ExpDate: card.ExpDate}
		}
	}
	return s.job(ctx)(func(tx *store.Tx) error {
		n, err := tx.Exec(`INSERT INTO expiry_notice (subscription_id, days, ends_at, created_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`,
			e.id, e.days, e.endsAt, tx.Now())
		if err != nil || n == 0 || event == nil {
			return err
		}
		return s.notices.Emit(tx, event)
	})
}

// cardOnFile is the card of a profile, nil for none. Errors: the processor does not tell; the next run asks again.
func (s *Service) cardOnFile(ctx context.Context, profile int64) (card *processor.Card, err error) {
	var who processor.Profile
	err = s.store.Read(ctx, func(r store.Reader) error {
		people, err := s.processorProfiles(r, profile)
		who = people[profile]
		return err
	})
	if err != nil || s.processor == nil || who.CardKey == "" {
		return nil, err
	}
	err = outside(ctx, func(ctx context.Context) (err error) {
		card, err = s.processor.Card(ctx, who)
		return err
	})
	return card, err
}

// expiresBy reports whether t is in the month that a card expires in ("MM/YYYY"), or later.
func expiresBy(card *processor.Card, t store.Time) bool {
	month, err := time.Parse("01/2006", card.ExpDate)
	return err == nil && !t.Before(month)
}
