package subscription

import (
	"errors"
	"net/http"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// Plans.

func (s *Service) pathPlan(c *rest.Call, r store.Reader) (*Plan, error) {
	return s.planOf(r, c.Param("profile"), c.Param("plan"))
}

func (s *Service) findPlan(c *rest.Call, r store.Reader) error {
	_, err := s.pathPlan(c, r)
	return err
}

func (s *Service) findProfile(c *rest.Call, r store.Reader) error {
	_, err := profileID(r, c.Param("profile"))
	return err
}

func (s *Service) createPlan(c *rest.Call, tx *store.Tx, in *PlanChange) (*Plan, error) {
	owner, err := profileID(tx, c.Param("profile"))
	if err != nil {
		return nil, err
	}
	c.SetStatus(http.StatusCreated)
	return s.CreatePlan(tx, owner, in)
}

func (s *Service) updatePlan(c *rest.Call, tx *store.Tx, in *PlanChange) (*Plan, error) {
	p, err := s.pathPlan(c, tx)
	if err != nil {
		return nil, err
	}
	return s.UpdatePlan(tx, p, in)
}

func (s *Service) deletePlan(c *rest.Call, tx *store.Tx, _ *rest.None) (rest.None, error) {
	p, err := s.pathPlan(c, tx)
	if err != nil {
		return rest.None{}, err
	}
	return rest.None{}, s.DeletePlan(tx, p)
}

// Subscriptions of a subscriber.

// windowOf says which subscriptions a list shows, by the parameters of the call.
type windowOf func(c *rest.Call, r rest.Range) window

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
	if sub, err = s.Update(tx, sub, in, c.Query.MaySell(sub.Provider)); err != nil {
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
	return rest.None{}, s.Unsubscribe(tx, id, p.ID)
}

func (s *Service) acceptGrant(c *rest.Call, tx *store.Tx, _ *rest.None) (SubscriberView, error) {
	sub, err := s.AcceptGrant(tx, c.Param("profile"), c.Param("grant_key"), c.User.ID)
	if err != nil {
		return SubscriberView{}, err
	}
	return single(s.subscriberViews, c, tx, sub)
}

// Subscriptions of a provider.

func (s *Service) listSales(w windowOf) func(c *rest.Call, r store.Reader) (rest.Page[ProviderView], error) {
	return func(c *rest.Call, r store.Reader) (rest.Page[ProviderView], error) {
		id, err := profileID(r, c.Param("profile"))
		return listed(c, r, err, byProvider, w, id, s.providerViews)
	}
}

func (s *Service) listContacts(c *rest.Call, r store.Reader) (rest.Page[ContactView], error) {
	id, err := profileID(r, c.Param("profile"))
	return listed(c, r, err, byProvider, active, id, s.contactViews)
}

func (s *Service) listPlanSales(w windowOf) func(c *rest.Call, r store.Reader) (rest.Page[ProviderView], error) {
	return func(c *rest.Call, r store.Reader) (rest.Page[ProviderView], error) {
		id, err := s.pathPlanID(c, r)
		return listed(c, r, err, byPlan, w, id, s.providerViews)
	}
}

func (s *Service) listPlanContacts(c *rest.Call, r store.Reader) (rest.Page[ContactView], error) {
	id, err := s.pathPlanID(c, r)
	return listed(c, r, err, byPlan, active, id, s.contactViews)
}

func (s *Service) pathPlanID(c *rest.Call, r store.Reader) (int64, error) {
	p, err := s.pathPlan(c, r)
	if err != nil {
		return 0, err
	}
	return p.ID, nil
}

// listed is a page of a list of subscriptions, of whom or what id says, unless err says that there is no such thing.
func listed[V any](c *rest.Call, r store.Reader, err error, l *rest.List[Subscription], w windowOf, id int64,
	views func(*rest.Call, store.Reader, []Subscription) ([]V, error)) (rest.Page[V], error) {
	if err != nil {
		return rest.Page[V]{}, err
	}
	dates, err := c.Range(false)
	if err != nil {
		return rest.Page[V]{}, err
	}
	page, err := l.Page(c, r, w(c, dates).args(id)...)
	if err != nil {
		return rest.Page[V]{}, err
	}
	shown, err := views(c, r, page.Results)
	return rest.Page[V]{Count: page.Count, Next: page.Next, Previous: page.Previous, Results: shown}, err
}

// grantInput is the body of a grant: "organization" is another word for "profile".
type grantInput struct {
	Profile      rest.Opt[Grantee] `json:"profile"`
	Organization rest.Opt[Grantee] `json:"organization"`
	Message      string            `json:"message" in:"null,blank" validate:"max=5000"`
}

// Check asks for a profile.
func (in *grantInput) Check(*rest.Call) error {
	if !in.Profile.Set() && !in.Organization.Set() {
		return rest.Invalid("profile", "This field is required.")
	}
	return nil
}

func (s *Service) grant(c *rest.Call, tx *store.Tx, in *grantInput) (ContactView, error) {
	p, err := s.pathPlan(c, tx)
	if err != nil {
		return ContactView{}, err
	}
	force, err := c.QueryBool("force", false)
	if err != nil {
		return ContactView{}, err
	}
	sub, created, err := s.Grant(tx, Grant{Plan: p, To: in.Profile.Or(in.Organization.Value), Force: force, Message: in.Message, By: c.User.ID})
	if err != nil {
		return ContactView{}, err
	}
	if created {
		c.SetStatus(http.StatusCreated)
	}
	return single(s.contactViews, c, tx, sub)
}

func (s *Service) sale(c *rest.Call, r store.Reader) (*Subscription, error) {
	p, err := s.pathPlan(c, r)
	if err != nil {
		return nil, err
	}
	return currentOf(r, c.Param("subscriber"), p.Slug)
}

func (s *Service) findSale(c *rest.Call, r store.Reader) error {
	_, err := s.sale(c, r)
	return err
}

func (s *Service) getSale(c *rest.Call, r store.Reader) (ProviderView, error) {
	sub, err := s.sale(c, r)
	if err != nil {
		return ProviderView{}, err
	}
	return single(s.providerViews, c, r, sub)
}

func (s *Service) updateSale(c *rest.Call, tx *store.Tx, in *Change) (ProviderView, error) {
	sub, err := s.sale(c, tx)
	if err != nil {
		return ProviderView{}, err
	}
	if sub, err = s.Update(tx, sub, in, true); err != nil {
		return ProviderView{}, err
	}
	return single(s.providerViews, c, tx, sub)
}

func (s *Service) deleteSale(c *rest.Call, tx *store.Tx, _ *rest.None) (rest.None, error) {
	p, err := s.pathPlan(c, tx)
	if err != nil {
		return rest.None{}, ignoreNotFound(err)
	}
	id, err := profileID(tx, c.Param("subscriber"))
	if err != nil {
		return rest.None{}, ignoreNotFound(err)
	}
	return rest.None{}, s.Unsubscribe(tx, id, p.ID)
}

// acceptRequest orders in a transaction and charges after it: whatever becomes of the charge, the request is accepted.
func (s *Service) acceptRequest(c *rest.Call, _ *rest.None) (view ProviderView, err error) {
	var invoice int64
	err = c.Write(func(tx *store.Tx) error {
		sub, due, err := s.AcceptRequest(tx, c.Param("profile"), c.Param("request_key"), c.User.ID)
		if err != nil {
			return err
		}
		invoice = due
		view, err = single(s.providerViews, c, tx, sub)
		return err
	})
	if err != nil || invoice == 0 || c.DryRun() {
		return view, err
	}
	if err := s.orders.ChargeRequest(c.Context(), invoice); err != nil {
		c.Log().Warn("an accepted request could not be charged", zap.Int64("invoice", invoice), zap.Error(err))
	}
	return view, nil
}

// Coupons.

func (s *Service) listCoupons(c *rest.Call, r store.Reader) (rest.Page[Coupon], error) {
	id, err := profileID(r, c.Param("profile"))
	if err != nil {
		return rest.Page[Coupon]{}, err
	}
	return coupons.Page(c, r, id)
}

// pathCoupon finds a coupon by its code; letter case matters.
func (s *Service) pathCoupon(c *rest.Call, r store.Reader) (*Coupon, error) {
	id, err := profileID(r, c.Param("profile"))
	if err != nil {
		return nil, err
	}
	coupon, err := s.CouponByCode(r, id, c.Param("coupon"))
	if err == nil && (coupon == nil || coupon.Code != c.Param("coupon")) {
		err = rest.NotFound("Coupon")
	}
	return coupon, err
}

func (s *Service) findCoupon(c *rest.Call, r store.Reader) error {
	_, err := s.pathCoupon(c, r)
	return err
}

func (s *Service) createCoupon(c *rest.Call, tx *store.Tx, in *CouponChange) (*Coupon, error) {
	id, err := profileID(tx, c.Param("profile"))
	if err != nil {
		return nil, err
	}
	c.SetStatus(http.StatusCreated)
	return s.CreateCoupon(tx, id, in)
}

func (s *Service) replaceCoupon(c *rest.Call, tx *store.Tx, in *CouponChange) (*Coupon, error) {
	in.EndsAt.Given = true // absent is null: never
	return s.changeCoupon(c, tx, in)
}

func (s *Service) changeCoupon(c *rest.Call, tx *store.Tx, in *CouponChange) (*Coupon, error) {
	coupon, err := s.pathCoupon(c, tx)
	if err != nil {
		return nil, err
	}
	return s.UpdateCoupon(tx, coupon, in)
}

func (s *Service) deleteCoupon(c *rest.Call, tx *store.Tx, _ *rest.None) (rest.None, error) {
	coupon, err := s.pathCoupon(c, tx)
	if err != nil {
		return rest.None{}, err
	}
	return rest.None{}, s.DeleteCoupon(tx, coupon)
}

type redeemInput struct {
	Code string `json:"code" in:"required"`
}

// Message is an answer that only says something.
type Message struct {
	Detail string `json:"detail"`
}

func (s *Service) redeem(c *rest.Call, tx *store.Tx, in *redeemInput) (Message, error) {
	n, err := s.Redeem(tx, CartOf(c), in.Code)
	if err == nil && n == 0 {
		err = rest.Fail(http.StatusBadRequest, "No items can be discounted using this coupon: "+in.Code+".")
	}
	return Message{"Coupon '" + in.Code + "' was successfully applied."}, err
}

// ignoreNotFound makes nothing of an error that says that something does not exist.
func ignoreNotFound(err error) error {
	var e *rest.Error
	if errors.Is(err, store.ErrNotFound) || errors.As(err, &e) && e.Status == http.StatusNotFound {
		return nil
	}
	return err
}
