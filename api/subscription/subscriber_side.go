package subscription

import (
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// What subscribers do with their subscriptions (subscriptions.md 6).

func (s *Service) listOwn(w windowOf) func(c *rest.Call, r store.Reader) (rest.Page[SubscriberView], error) {
	return func(c *rest.Call, r store.Reader) (rest.Page[SubscriberView], error) {
		id, err := profileID(r, c.Param("profile"))
		return listed(c, r, err, bySubscriber, w, id, s.subscriberViews)
	}
}

func (s *Service) current(c *rest.Call, r store.Reader) (*Subscription, error) {
	if _, err := profileID(r, c.Param("profile")); err != nil {
		return nil, err
	}
	return currentOf(r, c.Param("profile"), c.Param("subscribed_plan"))
}

func (s *Service) findOwn(c *rest.Call, r store.Reader) error {
	_, err := s.current(c, r)
	return err
}

func (s *Service) getOwn(c *rest.Call, r store.Reader) (SubscriberView, error) {
	sub, err := s.current(c, r)
	if err != nil {
		return SubscriberView{}, err
	}
	return single(s.subscriberViews, c, r, sub)
}

func (s *Service) updateOwn(c *rest.Call, tx *store.Tx, in *Change) (SubscriberView, error) {
	sub, err := s.current(c, tx)
	if err != nil {
		return SubscriberView{}, err
	}
	if sub, err = s.Update(tx, sub, in, c.Query.MaySell(sub.Provider), c.Query.ManagerOf(sub.Subscriber)); err != nil {
		return SubscriberView{}, err
	}
	return single(s.subscriberViews, c, tx, sub)
}

func (s *Service) deleteOwn(c *rest.Call, tx *store.Tx, _ *rest.None) (rest.None, error) {
	id, err := profileID(tx, c.Param("profile"))
	if err != nil {
		return rest.None{}, err
	}
	p, err := s.PlanBySlug(tx, c.Param("subscribed_plan"))
	if err != nil {
		return rest.None{}, ignoreNotFound(err)
	}
	if _, err := tx.Exec(`DELETE FROM grant_consent WHERE profile_id = ? AND provider_id = ?`, id, p.ProfileID); err != nil {
		return rest.None{}, err
	}
	return rest.None{}, s.Unsubscribe(tx, id, p.ID)
}

func (s *Service) acceptGrant(c *rest.Call, tx *store.Tx, _ *rest.None) (SubscriberView, error) {
	sub, err := s.AcceptGrant(tx, c.Param("profile"), c.Param("grant_key"), c.User.ID, c.Query.ManagerOf(c.Param("profile")))
	if err != nil {
		return SubscriberView{}, err
	}
	return single(s.subscriberViews, c, tx, sub)
}
