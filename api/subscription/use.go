package subscription

import (
	"database/sql"
	"errors"
	"fmt"

	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// Metered use (subscriptions.md 15, ledger.md 5.4).

// A Counter is what a subscription has left of a metered use (subscriptions.md 2.5).
type Counter struct {
	Expiring int64 // left of the quota of this billing step
	Rollover int64 // bought in advance, and never lost
	Used     int64 // in all
}

// Take uses quantity up, first of what expires, and tells how much neither covers: that is invoiced.
func (c *Counter) Take(quantity int64) (excess int64) {
	excess = quantity
	for _, left := range []*int64{&c.Expiring, &c.Rollover} {
		n := min(*left, excess)
		*left -= n
		excess -= n
	}
	c.Used += quantity
	return excess
}

// ActivePlan finds an active plan by what a body says. Errors: 400 on "plan".
func (s *Service) ActivePlan(r store.Reader, slug string) (*Plan, error) {
	p, err := s.PlanBySlug(r, slug)
	if errors.Is(err, store.ErrNotFound) || err == nil && !p.Active {
		return nil, rest.Invalid("plan", fmt.Sprintf("Plan '%s' does not exist or is inactive.", slug))
	}
	return p, err
}

// UseOf finds a metered use of a plan by what a body says. Errors: 400 on "use" or "detail".
func (s *Service) UseOf(r store.Reader, p *Plan, slug string) (*UseCharge, error) {
	var u UseCharge
	err := scanUse(r.QueryRow(selectUse+` WHERE slug = ?`, slug), &u)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, rest.Invalid("use", fmt.Sprintf("UseCharge '%s' does not exist or is inactive.", slug))
	case err != nil:
		return nil, err
	case u.PlanID != p.ID:
		return nil, rest.Invalid("detail", fmt.Sprintf("UseCharge %s does not belong to plan %s", slug, p.Slug))
	}
	return &u, nil
}

// BuyUse adds what was bought in advance to the counter of a use; 0 counts as 1.
func (s *Service) BuyUse(tx *store.Tx, subscriptionID, useID, quantity int64) error {
	_, err := tx.Exec(`INSERT INTO subscription_use (subscription_id, use_id, expiring_quota, rollover_quota) SELECT ?, id, quota, ? FROM use_charge WHERE id = ?
		ON CONFLICT (subscription_id, use_id) DO UPDATE SET rollover_quota = subscription_use.rollover_quota + excluded.rollover_quota`,
		subscriptionID, max(quantity, 1), useID)
	return err
}

// ResetQuotas gives a subscription that was renewed the quotas of its next billing step. What was bought in advance stays.
func (s *Service) ResetQuotas(tx *store.Tx, subscriptionID int64) error {
	_, err := tx.Exec(`UPDATE subscription_use SET expiring_quota = (SELECT quota FROM use_charge WHERE use_charge.id = subscription_use.use_id)
		WHERE subscription_id = ?`, subscriptionID)
	return err
}

// A Use is metered use that a provider reports (ledger.md 9.5).
type Use struct {
	ProfileID int64 // the subscriber
	Plan      *Plan
	Use       *UseCharge
	Quantity  int64 // 0 counts as 1
	At        store.Time
}

// RecordUse takes a use from the quotas of the subscription that covers it, and orders what is beyond them: it returns the entry
// of the ledger, nil when the quotas cover everything. The subscriber is told once in each billing step that the quota is used
// up, and once that the limit is crossed (decision 46). Errors: 400 on "detail" or "quantity".
func (s *Service) RecordUse(tx *store.Tx, u Use) (*ledger.Entry, error) {
	sub, err := one(tx, selectSubscription+` WHERE s.profile_id = ? AND s.plan_id = ? AND s.ends_at > ? AND s.grant_key IS NULL AND s.request_key IS NULL
		ORDER BY s.ends_at, s.id LIMIT 1`, u.ProfileID, u.Plan.ID, u.At)
	if err != nil {
		return nil, err
	}
	if sub == nil {
		return nil, rest.Fail(400, fmt.Sprintf("Couldn't find a subscription to %s that covers %s.", u.Plan.Slug, isoFormat(u.At)))
	}
	quantity := max(u.Quantity, 1)
	if most := ledger.MaxAmount / max(u.Use.Amount, 1); quantity > most {
		return nil, rest.Invalid("quantity", fmt.Sprintf("Ensure this value is less than or equal to %d.", most))
	}
	counter := Counter{Expiring: u.Use.Quota}
	var quotaTold, limitTold store.Time
	err = tx.QueryRow(`SELECT expiring_quota, rollover_quota, used_quantity, quota_told_at, limit_told_at FROM subscription_use
		WHERE subscription_id = ? AND use_id = ?`, sub.ID, u.Use.ID).Scan(&counter.Expiring, &counter.Rollover, &counter.Used, &quotaTold, &limitTold)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	excess := counter.Take(quantity)
	var entry *ledger.Entry
	if excess > 0 {
		if agreed, err := s.ChargesAgreed(tx, sub); err != nil {
			return nil, err
		} else if !agreed && u.Use.Amount > 0 {
			return nil, rest.Fail(400, "The subscriber was not asked about this subscription, and pays for no use of it.")
		}
		if entry, err = s.orderUse(tx, sub, u, excess); err != nil {
			return nil, err
		}
	}
	step := billingStep(sub, u.Plan, u.At)
	quotaTold, limitTold, err = s.tellUse(tx, sub, u, excess, step, quotaTold, limitTold)
	if err != nil {
		return nil, err
	}
	_, err = tx.Exec(`INSERT INTO subscription_use (subscription_id, use_id, expiring_quota, rollover_quota, used_quantity, quota_told_at, limit_told_at)
		VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (subscription_id, use_id) DO UPDATE SET expiring_quota = excluded.expiring_quota, rollover_quota = excluded.rollover_quota,
			used_quantity = excluded.used_quantity, quota_told_at = excluded.quota_told_at, limit_told_at = excluded.limit_told_at`,
		sub.ID, u.Use.ID, counter.Expiring, counter.Rollover, counter.Used, quotaTold, limitTold)
	return entry, err
}

// orderUse writes the order of what the quotas do not cover.
func (s *Service) orderUse(tx *store.Tx, sub *Subscription, u Use, excess int64) (*ledger.Entry, error) {
	title := u.Use.Slug
	if u.Use.Title != nil {
		title = *u.Use.Title
	}
	charged := ledger.UseCharged{At: u.At, Event: ledger.UseEvent(sub.ID, u.Use.ID), Payer: sub.ProfileID, Provider: sub.ProviderID,
		Price: ledger.Amount{Value: u.Use.Amount, Unit: u.Plan.Unit}, Quantity: excess, Plan: u.Plan.Slug, Use: title}
	entries, err := charged.Entries()
	if err != nil {
		return nil, err
	}
	batch, err := ledger.Post(tx, charged.Kind(), entries...)
	if err != nil {
		return nil, err
	}
	s.dir.TouchSubscription(tx, sub.ID)
	return &batch.Entries[0], nil
}

// billedUses sums the orders of a use.
const billedUses = `SELECT sum(dest_amount) FROM txn WHERE event_id = ? AND dest_account = 'Payable' AND orig_account = 'Receivable'
	AND created_at >= ? AND created_at < ?`

// tellUse tells the subscriber of a used-up quota and a crossed limit, unless it was told in this billing step, and returns when
// it was told last.
func (s *Service) tellUse(tx *store.Tx, sub *Subscription, u Use, excess int64, step, quotaTold, limitTold store.Time) (quota, limit store.Time, err error) {
	if excess > 0 && quotaTold.Before(step.Time) {
		quotaTold = step
		err := s.notices.Emit(tx, &notice.QuotaReached{Profile: notice.Profile{ID: sub.ProfileID}, Plan: notice.Plan(sub.Plan),
			Provider: notice.Profile{ID: sub.ProviderID}, UseCharge: u.Use.notice(), Usage: excess})
		if err != nil {
			return quotaTold, limitTold, err
		}
	}
	if u.Use.MaximumLimit == nil || *u.Use.MaximumLimit == 0 || !limitTold.Before(step.Time) {
		return quotaTold, limitTold, nil
	}
	var billed sql.NullInt64
	err = tx.QueryRow(billedUses, ledger.UseEvent(sub.ID, u.Use.ID), sub.CreatedAt, sub.EndsAt).Scan(&billed)
	if err != nil || billed.Int64 < *u.Use.MaximumLimit {
		return quotaTold, limitTold, err
	}
	return quotaTold, step, s.notices.Emit(tx, &notice.UseChargeLimitCrossed{Profile: notice.Profile{ID: sub.ProfileID}, Plan: notice.Plan(sub.Plan),
		Provider: notice.Profile{ID: sub.ProviderID}, UseCharge: u.Use.notice(), Usage: billed.Int64})
}

func (u *UseCharge) notice() notice.UseCharge {
	n := notice.UseCharge{Slug: u.Slug, Description: u.Description, CreatedAt: u.CreatedAt, UseAmount: u.Amount, Quota: u.Quota, MaximumLimit: u.MaximumLimit, Extra: u.Extra}
	if u.Title != nil {
		n.Title = *u.Title
	}
	return n
}

// billingStep is when the billing step of a subscription began that contains t: its quotas last until the next one.
func billingStep(sub *Subscription, p *Plan, t store.Time) store.Time {
	calendar := ledger.Calendar{Anchor: sub.CreatedAt, Period: p.PeriodType}
	_, k := calendar.PeriodFor(t)
	past := k % p.PeriodLength
	if past < 0 {
		past += p.PeriodLength
	}
	return calendar.Boundary(k - past)
}

// isoFormat is an instant as the message of ledger.md 9.5 has it.
func isoFormat(t store.Time) string {
	if t.Nanosecond() == 0 {
		return t.UTC().Format("2006-01-02T15:04:05+00:00")
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000+00:00")
}
