package subscription

import (
	"database/sql"
	"net/http"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// A Request is a subscription that was bought on a plan that asks the provider first (decisions 10 and 51). Its lines are frozen:
// what they cost and how long they last no longer depends on the plan or the coupon. Nothing is ordered until it is accepted.
type Request struct {
	Subscription *Subscription
	Lines        []RequestLine
}

// A RequestLine is a line of the order that accepting a request writes, in the order they were bought.
type RequestLine struct {
	PayerID  int64
	UserID   int64 // who bought, 0 = unknown
	CouponID int64 // used up when accepted, 0 = none
	UseID    int64 // of a metered use, 0 for the subscription itself
	Amount   int64 // in 1/100 of Unit
	Unit     string
	Periods  int64 // natural periods; 0 for a setup fee and for a use
	Quantity int64 // of a use
	Descr    string
}

// Due is the sum of the lines, which are of one plan and so of one unit.
func (q *Request) Due() (total int64) {
	for _, l := range q.Lines {
		total += l.Amount
	}
	return total
}

// Request stores a subscription that waits for the provider, with the lines of its order, and tells the provider. It ends where
// the lines extend it to, counted from now until it is accepted. own says that its subscriber asks, and agrees to what it costs later.
func (s *Service) Request(tx *store.Tx, subscriberID int64, p *Plan, lines []RequestLine, own bool) (*Subscription, error) {
	now, key := tx.Now(), directory.NewKey()
	sub, err := s.insert(tx, Subscription{ProfileID: subscriberID, PlanID: p.ID, ProviderID: p.ProfileID, CreatedAt: now, EndsAt: p.Terms().Extended(now, now, periodsOf(lines)),
		AutoRenew: p.RenewalType == AutoRenew, RequestKey: &key, Unasked: !own})
	if err != nil {
		return nil, err
	}
	var by int64
	for _, l := range lines {
		_, err := tx.Exec(`INSERT INTO subscription_request (subscription_id, payer_id, user_id, coupon_id, use_id, amount, unit, nb_periods, quantity, descr)
			VALUES (?, ?, nullif(?, 0), nullif(?, 0), nullif(?, 0), ?, ?, ?, ?, ?)`,
			sub.ID, l.PayerID, l.UserID, l.CouponID, l.UseID, l.Amount, l.Unit, l.Periods, l.Quantity, l.Descr)
		if err != nil {
			return nil, err
		}
		by = l.UserID
	}
	return sub, s.notices.Emit(tx, &notice.SubscriptionRequestCreated{Profile: notice.Profile{ID: p.ProfileID}, OriginatedBy: notice.ByUser(by),
		Plan: notice.Plan(sub.Plan), Subscriber: notice.Profile{ID: subscriberID}, RequestKey: key})
}

// periodsOf is how long lines last: the first one that extends the subscription counts, once (subscriptions.md 10.3).
func periodsOf(lines []RequestLine) int64 {
	for _, l := range lines {
		if l.UseID == 0 && l.Periods > 0 {
			return l.Periods
		}
	}
	return 0
}

// requestOf reads the frozen lines of a subscription.
func requestOf(r store.Reader, sub *Subscription) (Request, error) {
	q := Request{Subscription: sub}
	err := store.Each(r, func(rows *sql.Rows) error {
		var l RequestLine
		err := rows.Scan(&l.PayerID, &l.UserID, &l.CouponID, &l.UseID, &l.Amount, &l.Unit, &l.Periods, &l.Quantity, &l.Descr)
		q.Lines = append(q.Lines, l)
		return err
	}, `SELECT payer_id, coalesce(user_id, 0), coalesce(coupon_id, 0), coalesce(use_id, 0), amount, unit, nb_periods, quantity, descr
		FROM subscription_request WHERE subscription_id = ? ORDER BY id`, sub.ID)
	return q, err
}

var errNoOrders = rest.Fail(http.StatusNotImplemented, "Accepting a request that orders something is not available.")

// AcceptRequest accepts a request in the name of the plan's provider (subscriptions.md 7.5). The subscription starts now and lasts
// as long as was bought; the frozen lines are ordered at their price, and the coupon is used up. invoice is what is to be charged
// after the commit, 0 for nothing. A request without lines, which was made elsewhere, keeps its dates. Errors: 404; 501.
func (s *Service) AcceptRequest(tx *store.Tx, provider, key string, by int64) (sub *Subscription, invoice int64, err error) {
	sub, err = one(tx, selectSubscription+` WHERE s.request_key = ?`, key)
	if err != nil {
		return nil, 0, err
	}
	if sub == nil || sub.Provider != provider || !sub.EndsAt.After(tx.Now().Time) {
		return nil, 0, rest.NotFound("Subscription")
	}
	request, err := requestOf(tx, sub)
	if err != nil {
		return nil, 0, err
	}
	sub.RequestKey = nil
	if len(request.Lines) > 0 {
		if s.orders == nil {
			return nil, 0, errNoOrders
		}
		if err := s.startNow(tx, sub, request); err != nil {
			return nil, 0, err
		}
	}
	_, err = tx.Exec(`UPDATE subscription SET request_key = NULL, created_at = ?, ends_at = ? WHERE id = ?`, sub.CreatedAt, sub.EndsAt, sub.ID)
	if err != nil {
		return nil, 0, err
	}
	if err := s.endRenewal(tx, sub.ProfileID, sub.PlanID); err != nil {
		return nil, 0, err
	}
	if len(request.Lines) > 0 {
		if invoice, err = s.orders.PlaceRequest(tx, request); err != nil {
			return nil, 0, err
		}
		if _, err := tx.Exec(`DELETE FROM subscription_request WHERE subscription_id = ?`, sub.ID); err != nil {
			return nil, 0, err
		}
	}
	s.touch(tx, sub)
	return sub, invoice, s.notices.Emit(tx, &notice.SubscriptionRequestAccepted{Profile: notice.Profile{ID: sub.ProfileID}, OriginatedBy: notice.ByUser(by),
		Provider: notice.Profile{ID: sub.ProviderID}, Plan: notice.Plan(sub.Plan)})
}

// startNow dates an accepted request, adds the uses that were bought with it and uses up its coupons.
func (s *Service) startNow(tx *store.Tx, sub *Subscription, request Request) error {
	p, err := s.PlanByID(tx, sub.PlanID)
	if err != nil {
		return err
	}
	now := tx.Now()
	sub.CreatedAt, sub.EndsAt = now, p.Terms().Extended(now, now, periodsOf(request.Lines))
	used := map[int64]bool{}
	for _, l := range request.Lines {
		if l.UseID != 0 {
			if err := s.BuyUse(tx, sub.ID, l.UseID, l.Quantity); err != nil {
				return err
			}
		}
		if l.CouponID == 0 || used[l.CouponID] {
			continue
		}
		used[l.CouponID] = true
		if _, err := s.UseCoupon(tx, l.CouponID); err != nil {
			return err
		}
	}
	return nil
}
