package subscription

import (
	"database/sql"
	"net/http"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// Lists of plans (subscriptions.md 4.1, 4.2).

func planList(where string, byDefault ...string) *rest.List[Plan] {
	return &rest.List[Plan]{
		Select: planColumns, From: planTables, Where: where, Key: "plan.id",
		Search: rest.Names{"slug": {"plan.slug"}, "title": {"plan.title"}, "profile": {"p.slug"}},
		Order: rest.Names{"title": {"plan.title"}, "period_amount": {"plan.period_amount"}, "is_active": {"plan.is_active"},
			"created_at": {"plan.created_at"}},
		Default: byDefault, Dates: "plan.created_at", EndsNow: true,
		Scan: func(rows *sql.Rows, p *Plan) error { return scanPlan(rows, p) },
	}
}

var (
	// Plans of the broker and of those whom it made providers: anybody can make plans, and the site's own page is not theirs.
	activePlans    = planList(`plan.is_active = 1 AND (p.is_provider = 1 OR p.slug = ?)`, "plan.is_not_priced", "period_amount")
	plansOfProfile = planList(`plan.profile_id = ?`, "plan.is_not_priced", "period_amount")
)

func (s *Service) listPlans(c *rest.Call, r store.Reader) (rest.Page[Plan], error) {
	owner, err := profileID(r, c.Param("profile"))
	if err != nil {
		return rest.Page[Plan]{}, err
	}
	args := []any{owner}
	if active := c.QueryStrings("active"); len(active) > 0 {
		wanted, err := c.QueryBool("active", false)
		if err != nil {
			return rest.Page[Plan]{}, err
		}
		args = append(args, rest.Where("plan.is_active = ?", wanted))
	}
	page, err := plansOfProfile.Page(c, r, args...)
	if err != nil {
		return page, err
	}
	return page, s.complete(r, page.Results)
}

func (s *Service) listPricing(c *rest.Call, r store.Reader) (rest.Page[Plan], error) {
	page, err := activePlans.Page(c, r, s.dir.Broker())
	if err != nil {
		return page, err
	}
	if err := s.complete(r, page.Results); err != nil {
		return page, err
	}
	return page, s.priceFor(r, CartOf(c), page.Results)
}

// priceFor shows plans as the owner of a cart sees them: which are in the cart, and what each costs with the coupon of its item,
// else with one that the cart holds (subscriptions.md 4.1).
func (s *Service) priceFor(r store.Reader, cart Cart, plans []Plan) error {
	held, err := s.held(r, cart)
	if err != nil {
		return err
	}
	for i := range plans {
		p := &plans[i]
		var own int64
		own, p.IsCartItem = held.plans[p.ID]
		var best *Coupon
		for j := range held.coupons {
			if coupon := &held.coupons[j]; coupon.AppliesTo(p, r.Now()) {
				if best == nil || coupon.ID == own {
					best = coupon
				}
			}
		}
		var discount Discount
		if best != nil {
			discount = best.Discount
			p.DiscountedPeriodAmount = p.Terms().Step(discount)
		}
		for _, price := range p.Terms().Prices(discount) {
			p.Options = append(p.Options, PlanOption{Periods: price.Periods, Amount: price.Amount, FullAmount: price.Steps * p.PeriodAmount})
		}
	}
	return nil
}

// held is what a cart holds.
type held struct {
	plans   map[int64]int64 // plans, and the coupon of each, 0 for none
	coupons []Coupon        // of its items, and those of the code that succeeded last
}

func (s *Service) held(r store.Reader, cart Cart) (held, error) {
	h := held{plans: map[int64]int64{}}
	where, arg := cart.Where()
	if arg == nil {
		return h, nil
	}
	err := store.Each(r, func(rows *sql.Rows) error {
		var plan, coupon int64
		err := rows.Scan(&plan, &coupon)
		h.plans[plan] = max(h.plans[plan], coupon)
		return err
	}, `SELECT plan_id, coalesce(coupon_id, 0) FROM cart_item WHERE plan_id IS NOT NULL AND recorded = 0 AND `+where, arg)
	if err != nil || len(h.plans) == 0 {
		return h, err
	}
	return h, store.Each(r, func(rows *sql.Rows) error {
		var c Coupon
		err := scanCoupon(rows, &c)
		h.coupons = append(h.coupons, c)
		return err
	}, heldCoupons(where), arg, arg)
}

// heldCoupons selects the coupons of a cart, by the condition of Cart.where, which it binds twice.
func heldCoupons(where string) string {
	return selectCoupon + ` WHERE coupon.id IN (SELECT coupon_id FROM cart_item WHERE recorded = 0 AND ` + where + `
		UNION SELECT id FROM coupon WHERE code IN (SELECT redeemed FROM cart WHERE ` + where + `) AND ` + ordinary + `)
		ORDER BY coupon.id`
}

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
