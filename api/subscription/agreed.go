package subscription

import (
	"github.com/caddy-tollgate/tollgate/api/profile"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// Nobody is charged for what he did not agree to (decision 68). A grant that takes effect without an answer gives access for its period,
// which is free; so does what somebody else bought. What costs money afterwards, a renewal or metered use beyond the quota, waits until
// somebody who manages the subscriber buys more of it, or has the subscription renew. A profile that nobody manages owes what its
// provider writes down, as before: no card is behind it.

// errNotAgreed is the answer to a seller who would have a subscription charged that its subscriber was not asked about, or does not want
// to go on.
var errNotAgreed = rest.Invalid("auto_renew", "Only the subscriber can have this subscription renew: it costs money.")

// ChargesAgreed reports whether what a subscription costs from now on may be charged to its subscriber.
func (s *Service) ChargesAgreed(r store.Reader, sub *Subscription) (bool, error) {
	if !sub.Unasked {
		return true, nil
	}
	managed, err := profile.Managed(r, sub.ProfileID)
	return !managed, err
}

// RenewsAgreed reports whether a subscription that is due may be renewed: it was agreed to, or costs nothing.
func (s *Service) RenewsAgreed(r store.Reader, sub *Subscription, p *Plan) (bool, error) {
	if p.Terms().Renewal().Amount == 0 {
		return true, nil
	}
	return s.ChargesAgreed(r, sub)
}

// mayRenew is whether a new subscription renews by itself.
func (s *Service) mayRenew(r store.Reader, n *Subscription, p *Plan) (bool, error) {
	if !n.AutoRenew {
		return false, nil
	}
	return s.RenewsAgreed(r, n, p)
}

// Agree notes that a subscriber agrees to what a subscription costs, since it buys more of it: the plan says whether it renews.
func (s *Service) Agree(tx *store.Tx, sub *Subscription, p *Plan) error {
	sub.Unasked, sub.AutoRenew = false, p.RenewalType == AutoRenew
	_, err := tx.Exec(`UPDATE subscription SET unasked = 0, auto_renew = ? WHERE id = ?`, sub.AutoRenew, sub.ID)
	s.touch(tx, sub)
	return err
}

// checkRenewal refuses that anybody but its subscriber turns on the renewal of a subscription that costs money.
func (s *Service) checkRenewal(r store.Reader, sub *Subscription) error {
	p, err := s.PlanByID(r, sub.PlanID)
	if err != nil || p.Terms().Renewal().Amount == 0 {
		return err
	}
	managed, err := profile.Managed(r, sub.ProfileID)
	if err == nil && managed {
		err = errNotAgreed
	}
	return err
}
