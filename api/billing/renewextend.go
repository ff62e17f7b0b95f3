package billing

import (
	"context"
	"fmt"

	"github.com/caddy-tollgate/tollgate/api/subscription"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// Extension of subscriptions that renew by themselves (subscriptions.md 13.1).

// overdue is how long after its end a subscription is still renewed: a server may be down for days.
const overdue = 3 * day

// selectRenewable are the subscriptions that may be renewed at an instant.
const selectRenewable = `SELECT s.id FROM subscription s WHERE ends_at > ? AND ends_at < ? AND auto_renew = 1 AND created_at <= ?
	AND grant_key IS NULL AND request_key IS NULL`

const (
	ofProfile = ` AND s.profile_id = ?`                                                   // of one profile
	onSite    = ` AND s.profile_id NOT IN (SELECT id FROM profile WHERE clock_ahead > 0)` // of all that live in the site's time
)

func renewableArgs(t store.Time) []any {
	return []any{store.At(t.Add(-overdue)), store.At(t.Add(day)), t}
}

// extendAll renews at t what is in the last day of its last period, or ended in the days before: of one profile, or with 0 of all that
// have no clock of their own.
func (s *Service) extendAll(ctx context.Context, profile int64, t store.Time) error {
	query, args := selectRenewable+onSite, renewableArgs(t)
	if profile != 0 {
		query, args = selectRenewable+ofProfile, append(args, profile)
	}
	return s.each(ctx, step{
		name: "extension",
		do:   func(tx *store.Tx, id int64) error { return s.extend(tx, id, t) },
		fail: s.parks,
		done: "renew:extended",
	}, query+` ORDER BY ends_at, id`, args...)
}

// extend renews a subscription until it reaches beyond its period at t: more than once when its periods are shorter than the time
// without a run. Errors: ledger.ErrFacts when it would be thrice as often as can be (decision 63).
func (s *Service) extend(tx *store.Tx, id int64, t store.Time) error {
	for n := int64(1); ; n++ {
		more, most, err := s.extendOnce(tx, id, t)
		if err != nil || !more {
			return err
		}
		if n > 3*most {
			return fmt.Errorf("%w: subscription %d would be renewed more than %d times at once", ledger.ErrFacts, id, n)
		}
	}
}

// extendOnce renews a subscription by one billing step, when that is due. most is how many can be due at once.
func (s *Service) extendOnce(tx *store.Tx, id int64, t store.Time) (done bool, most int64, err error) {
	sub, err := s.subs.ByID(tx, id)
	if err != nil || sub == nil {
		return false, 0, err
	}
	p, err := s.subs.PlanByID(tx, sub.PlanID)
	if err != nil || !renewable(sub, p, t) {
		return false, 0, err
	}
	if agreed, err := s.subs.RenewsAgreed(tx, sub, p); err != nil || !agreed {
		return false, 0, err
	}
	price := p.Terms().Renewal()
	next := calendarOf(sub, p).Extend(sub.EndsAt, price.Periods)
	if !next.After(sub.EndsAt.Time) {
		return false, 0, fmt.Errorf("%w: subscription %d ends at the end of time", ledger.ErrFacts, id)
	}
	note := ledger.Suffix{}
	who, err := s.dir.Profiles(tx, []int64{sub.ProfileID})
	if err != nil {
		return false, 0, err
	}
	if face := who[sub.ProfileID]; face.Type != "personal" && face.Type != "user" {
		note.Beneficiary = face.PrintableName
	}
	entries, err := ledger.OrderPlaced{At: t, Event: sub.EventID(), Payer: sub.ProfileID, Provider: sub.ProviderID,
		Amount: ledger.Amount{Value: price.Amount, Unit: p.Unit}, Periods: price.Periods, Descr: p.Terms().Text(price, next, note)}.Entries()
	if err != nil {
		return false, 0, err
	}
	batch, err := ledger.Post(tx, ledger.KindOrder, entries...)
	if err != nil {
		return false, 0, err
	}
	if _, err := s.subs.Renew(tx, sub, p); err != nil {
		return false, 0, err
	}
	s.touch(tx, batch.Entries)
	return true, int64((overdue+day)/next.Sub(sub.EndsAt.Time)) + 2, nil
}

// renewable reports whether a subscription is renewed at t: in the last day of its last period, or after its end in the days that a
// missed run may take.
func renewable(sub *subscription.Subscription, p *subscription.Plan, t store.Time) bool {
	if !sub.Valid() || !sub.AutoRenew || sub.CreatedAt.After(t.Time) {
		return false
	}
	left := sub.EndsAt.Sub(t.Time)
	if left <= 0 {
		return left > -overdue
	}
	if left >= day {
		return false
	}
	period, _ := calendarOf(sub, p).PeriodFor(t)
	return period.Clip(sub.EndsAt).End.Equal(sub.EndsAt.Time)
}
