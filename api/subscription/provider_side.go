package subscription

import (
	"net/http"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// What providers do with the subscriptions to their plans (subscriptions.md 7).

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
	if err := c.Count(tx, rest.LimitInvitations); err != nil {
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
	return saleOf(r, p, c.Param("subscriber"))
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
	if sub, err = s.Update(tx, sub, in, true, c.Query.ManagerOf(sub.Subscriber)); err != nil {
		return ProviderView{}, err
	}
	return single(s.providerViews, c, tx, sub)
}

func (s *Service) deleteSale(c *rest.Call, tx *store.Tx, _ *rest.None) (rest.None, error) {
	if _, err := profileID(tx, c.Param("profile")); err != nil {
		return rest.None{}, err
	}
	p, err := s.pathPlan(c, tx)
	if err != nil {
		return rest.None{}, ignoreNotFound(err)
	}
	sub, err := saleOf(tx, p, c.Param("subscriber"))
	if err != nil {
		return rest.None{}, ignoreNotFound(err)
	}
	return rest.None{}, s.Unsubscribe(tx, sub.ProfileID, p.ID)
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
