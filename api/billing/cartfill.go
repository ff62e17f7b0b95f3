package billing

import (
	"errors"
	"net/http"
	"strings"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/subscription"
	"github.com/caddy-tollgate/tollgate/store"
)

// How items come into a cart (subscriptions.md 9.2).

// errFull answers who puts too much in a cart.
var errFull = rest.Fail(http.StatusBadRequest, "The cart is full.")

// A filling puts items in a cart. It looks each plan up once.
type filling struct {
	s        *Service
	cart     subscription.Cart
	open     []item
	plans    map[string]*subscription.Plan // by slug
	redeemed map[int64]int64               // by plan, the coupon that the cart's code is for it
}

func (s *Service) filling(r store.Reader, cart subscription.Cart) (*filling, error) {
	open, err := openItems(r, cart)
	return &filling{s, cart, open, map[string]*subscription.Plan{}, map[int64]int64{}}, err
}

// item is what a request puts in the cart, not stored. Errors: 400.
func (f *filling) item(r store.Reader, in *cartInput) (*item, error) {
	p := f.plans[in.Plan]
	if p == nil {
		var err error
		if p, err = f.s.subs.ActivePlan(r, in.Plan); err != nil {
			return nil, err
		}
		if f.redeemed[p.ID], err = f.s.redeemed(r, f.cart, p); err != nil {
			return nil, err
		}
		f.plans[in.Plan] = p
	}
	n := &item{CreatedAt: r.Now(), UserID: f.cart.User, PlanID: p.ID, CouponID: f.redeemed[p.ID], Option: in.Option, Quantity: in.Quantity,
		FullName: in.FullName, Email: pointer(in.Email)}
	sync := in.SyncOn
	if sync == "" {
		sync = in.Email
	}
	n.SyncOn = &sync
	if in.Use != "" {
		use, err := f.s.subs.UseOf(r, p, in.Use)
		if err != nil {
			return nil, err
		}
		n.UseID = use.ID
	}
	return n, nil
}

// add puts an item in the cart, or changes the one of the same plan, use and beneficiary that is there (subscriptions.md 9.2).
func (f *filling) add(tx *store.Tx, in *cartInput) (_ *item, created bool, err error) {
	n, err := f.item(tx, in)
	if err != nil {
		return nil, false, err
	}
	if t := template(f.open, n); t != nil {
		t.fill(n)
		return t, false, update(tx, t)
	}
	return n, true, f.insert(tx, n)
}

// insert puts a new item in the cart.
func (f *filling) insert(tx *store.Tx, n *item) (err error) {
	if len(f.open) >= maxCart {
		return errFull
	}
	n.ID, err = tx.Insert(`INSERT INTO cart_item (created_at, user_id, anonymous_id, plan_id, use_id, coupon_id, quantity, option, full_name, email, sync_on)
		VALUES (?, nullif(?, 0), ?, ?, nullif(?, 0), nullif(?, 0), ?, ?, ?, ?, ?)`,
		n.CreatedAt, n.UserID, f.cart.Anonymous, n.PlanID, n.UseID, n.CouponID, n.Quantity, n.Option, n.FullName, n.Email, n.SyncOn)
	f.open = append(f.open, *n)
	return err
}

// template is the open item that a new one of the same plan changes, nil when it is another one: for another beneficiary, or of
// another use.
func template(open []item, n *item) *item {
	var best *item
	rank := 0
	for i := range open {
		t := &open[i]
		if t.PlanID != n.PlanID || t.seat() {
			continue
		}
		r := 1
		switch {
		case n.sync() != "" && strings.EqualFold(t.sync(), n.sync()):
			r = 4
		case n.Option != 0 && t.Option == n.Option:
			r = 3
		case n.UseID != 0 && t.UseID == n.UseID:
			r = 2
		}
		if r > rank {
			best, rank = t, r
		}
	}
	if best == nil || differ(best.sync() != "" && n.sync() != "", !strings.EqualFold(best.sync(), n.sync())) ||
		differ(best.UseID != 0 && n.UseID != 0, best.UseID != n.UseID) {
		return nil
	}
	return best
}

func differ(both, different bool) bool { return both && different }

// fill takes over what a request gives: the last option and quantity win, empty fields are filled, a name given replaces the other.
func (t *item) fill(n *item) {
	if n.Option != 0 {
		t.Option = n.Option
	}
	if n.Quantity != 0 {
		t.Quantity = n.Quantity
	}
	if t.UseID == 0 {
		t.UseID = n.UseID
	}
	if n.FullName != "" {
		t.FullName = n.FullName
	}
	if t.sync() == "" {
		t.SyncOn = n.SyncOn
	}
	if t.Email == nil {
		t.Email = n.Email
	}
	if t.CouponID == 0 {
		t.CouponID = n.CouponID
	}
}

func update(tx *store.Tx, i *item) error {
	_, err := tx.Exec(`UPDATE cart_item SET use_id = nullif(?, 0), coupon_id = nullif(?, 0), quantity = ?, option = ?, full_name = ?, email = ?, sync_on = ? WHERE id = ?`,
		i.UseID, i.CouponID, i.Quantity, i.Option, i.FullName, i.Email, i.SyncOn, i.ID)
	return err
}

// redeemed is the coupon that the cart's code is for a plan, 0 for none (subscriptions.md 9.1).
func (s *Service) redeemed(r store.Reader, cart subscription.Cart, p *subscription.Plan) (int64, error) {
	where, owner := cart.Where()
	if owner == nil {
		return 0, nil
	}
	var code string
	column, _, _ := strings.Cut(where, " ")
	err := r.QueryRow(`SELECT coalesce(redeemed, '') FROM cart WHERE `+column+` = ?`, owner).Scan(&code)
	if errors.Is(err, store.ErrNotFound) || err == nil && code == "" {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	coupon, err := s.subs.CouponByCode(r, p.ProfileID, code)
	if err != nil || coupon == nil || !coupon.AppliesTo(p, r.Now()) {
		return 0, err
	}
	return coupon.ID, nil
}
