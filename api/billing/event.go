package billing

import (
	"database/sql"
	"maps"
	"slices"
	"strings"

	"github.com/caddy-tollgate/tollgate/api/profile"
	"github.com/caddy-tollgate/tollgate/api/subscription"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// A subject is what an event id of the ledger is about (ledger.md 3).
type subject struct {
	subscription int64                      // 0 for a group buy
	sub          *subscription.Subscription // nil for a group buy
	plan         *subscription.Plan         // nil when nobody knows
	subscriberID int64
	label        string // in texts (ledger.md 5.0.2)
}

// feePercent is the broker's part of what is paid for it, per 10000.
func (a subject) feePercent() int64 {
	if a.plan == nil {
		return 0
	}
	return a.plan.BrokerFeePercent
}

// planSlug names the plan, "" when nobody knows.
func (a subject) planSlug() string {
	if a.plan == nil {
		return ""
	}
	return a.plan.Slug
}

// events resolves event ids, in a few queries whatever their number. Ids of charges, payouts and offline payments are about nothing.
// Those of refunds are too: see refunded.
func (s *Service) events(r store.Reader, ids []string) (map[string]subject, error) {
	subscriptions, codes := []int64{}, []string{}
	for _, id := range ids {
		switch e := ledger.ParseEvent(id); e.Kind {
		case ledger.SubscriptionEvent, ledger.UseChargeEvent:
			subscriptions = append(subscriptions, e.Subscription)
		case ledger.CouponEvent:
			codes = append(codes, e.Coupon)
		}
	}
	subs, err := s.subs.ByIDs(r, subscriptions)
	if err != nil {
		return nil, err
	}
	plans := []int64{}
	for _, sub := range subs {
		plans = append(plans, sub.PlanID)
	}
	coupons := map[string]int64{}
	if len(codes) > 0 {
		err := store.Each(r, func(rows *sql.Rows) error {
			var code string
			var plan int64
			err := rows.Scan(&code, &plan)
			coupons[code] = plan
			plans = append(plans, plan)
			return err
		}, `SELECT code, plan_id FROM coupon WHERE code IN (SELECT value FROM json_each(?)) AND plan_id IS NOT NULL`, store.IDs(codes))
		if err != nil {
			return nil, err
		}
	}
	sold, err := s.subs.Plans(r, plans)
	if err != nil {
		return nil, err
	}
	found := make(map[string]subject, len(ids))
	for _, id := range ids {
		e := ledger.ParseEvent(id)
		if sub, ok := subs[e.Subscription]; ok {
			p := sold[sub.PlanID]
			about := subject{subscription: sub.ID, sub: sub, plan: p, subscriberID: sub.ProfileID, label: ledger.SubscriptionLabel(sub.Subscriber, p.Slug)}
			if u := p.Use(e.Use); u != nil {
				about.label = ledger.UseLabel(sub.Subscriber, p.Slug, u.Slug)
			}
			found[id] = about
		} else if p := sold[coupons[e.Coupon]]; p != nil && e.Coupon != "" {
			found[id] = subject{plan: p, label: ledger.CouponLabel(p.Provider.Slug, e.Coupon)}
		}
	}
	return found, nil
}

// plansOf names the plans that event ids are about, which is all that texts need, in a query or two whatever their number. Events of no
// plan are not in the map.
func (s *Service) plansOf(r store.Reader, ids []string) (map[string]profile.Plan, error) {
	named := make(map[string]profile.Plan, len(ids))
	subscriptions, codes := map[int64]profile.Plan{}, []string{}
	for _, id := range ids {
		switch e := ledger.ParseEvent(id); e.Kind {
		case ledger.SubscriptionEvent, ledger.UseChargeEvent:
			subscriptions[e.Subscription] = profile.Plan{}
		case ledger.CouponEvent:
			codes = append(codes, e.Coupon)
		}
	}
	if len(subscriptions) > 0 {
		err := store.Each(r, func(rows *sql.Rows) error {
			var id int64
			var p profile.Plan
			err := rows.Scan(&id, &p.Slug, &p.Title)
			subscriptions[id] = p
			return err
		}, `SELECT s.id, plan.slug, plan.title FROM subscription s JOIN plan ON plan.id = s.plan_id WHERE s.id IN (SELECT value FROM json_each(?))`,
			store.IDs(slices.Collect(maps.Keys(subscriptions))))
		if err != nil {
			return nil, err
		}
	}
	if len(codes) > 0 {
		err := store.Each(r, func(rows *sql.Rows) error {
			var code string
			var p profile.Plan
			err := rows.Scan(&code, &p.Slug, &p.Title)
			named[code] = p
			return err
		}, `SELECT code, plan.slug, plan.title FROM coupon JOIN plan ON plan.id = coupon.plan_id WHERE code IN (SELECT value FROM json_each(?))`, store.IDs(codes))
		if err != nil {
			return nil, err
		}
	}
	for _, id := range ids {
		if p := subscriptions[ledger.ParseEvent(id).Subscription]; p.Slug != "" {
			named[id] = p
		}
	}
	return named, nil
}

// refunded are the events of the lines that events of refunds and chargebacks ("cha_12/31/") gave back, by these.
func refunded(r store.Reader, ids []string) (map[string]string, error) {
	lines := []int64{}
	for _, id := range ids {
		if e := ledger.ParseEvent(id); e.Item != 0 {
			lines = append(lines, e.Item)
		}
	}
	if len(lines) == 0 {
		return nil, nil
	}
	of := make(map[string]string, len(lines))
	return of, store.Each(r, func(rows *sql.Rows) error {
		var charge, item int64
		var event string
		err := rows.Scan(&charge, &item, &event)
		of[ledger.RefundEvent(charge, item)] = event
		return err
	}, selectRefunded, store.IDs(lines))
}

// selectRefunded are lines of charges with the events that they paid for.
const selectRefunded = `SELECT i.charge_id, i.id, coalesce(t.event_id, '') FROM charge_item i JOIN txn t ON t.id = i.invoiced_id
	WHERE i.id IN (SELECT value FROM json_each(?))`

// titled is the text of an entry with the plan's title in place of its slug (decision 14).
func titled(text, slug, title string) string {
	if slug == "" || slug == title || title == "" {
		return text
	}
	var b strings.Builder
	for {
		i := strings.Index(text, slug)
		if i < 0 {
			b.WriteString(text)
			return b.String()
		}
		end := i + len(slug)
		b.WriteString(text[:i])
		if i > 0 && wordByte(text[i-1]) || end < len(text) && wordByte(text[end]) {
			b.WriteString(slug)
		} else {
			b.WriteString(title)
		}
		text = text[end:]
	}
}

func wordByte(c byte) bool {
	return c == '-' || c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
