package subscription

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/caddy-tollgate/tollgate/api/profile"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// A Coupon lowers the price of a provider's plans, or of one of them (subscriptions.md 2.6); its JSON form is that of 8.
type Coupon struct {
	ID        int64 `json:"-"`
	ProfileID int64 `json:"-"` // the provider
	PlanID    int64 `json:"-"` // 0 = any plan of the provider

	Code string `json:"code"`
	Discount
	CreatedAt   store.Time    `json:"created_at"`
	EndsAt      store.Time    `json:"ends_at"` // null = never
	Description *string       `json:"description"`
	NbAttempts  *int64        `json:"nb_attempts"` // orders that are left; null = any number
	Plan        *profile.Plan `json:"plan"`
}

// reserved is what the codes of group buys start with.
const reserved = "cpn_"

// Reserved reports whether the coupon was made by a group buy (subscriptions.md 11): its code names orders in the ledger.
func (c *Coupon) Reserved() bool { return strings.HasPrefix(c.Code, reserved) }

// ordinary is the condition on a coupon that a provider made. The others are known by what they price alone: they are
// in no list, and their code, which is that of orders that many may see, opens nothing.
const ordinary = `coupon.code NOT GLOB '` + reserved + `*'`

// AppliesTo reports whether the coupon lowers the price of a plan at t (subscriptions.md 8.5).
func (c *Coupon) AppliesTo(p *Plan, t store.Time) bool {
	return c.ProfileID == p.ProfileID && (c.PlanID == 0 || c.PlanID == p.ID) && c.valid(t)
}

func (c *Coupon) valid(t store.Time) bool {
	return (c.EndsAt.IsZero() || c.EndsAt.After(t.Time)) && (c.NbAttempts == nil || *c.NbAttempts > 0)
}

// couponApplies is AppliesTo in SQL, for the tables coupon and plan; it binds the time.
const couponApplies = `coupon.profile_id = plan.profile_id AND (coupon.plan_id IS NULL OR coupon.plan_id = plan.id)
	AND (coupon.ends_at IS NULL OR coupon.ends_at > ?) AND (coupon.nb_attempts IS NULL OR coupon.nb_attempts > 0)`

const (
	couponColumns = `coupon.id, coupon.profile_id, coalesce(coupon.plan_id, 0), coupon.code, coupon.discount_type, coupon.discount_value,
		coupon.created_at, coupon.ends_at, coupon.description, coupon.nb_attempts, plan.slug, plan.title`
	couponTables = `coupon JOIN profile p ON p.id = coupon.profile_id LEFT JOIN plan ON plan.id = coupon.plan_id`
	selectCoupon = `SELECT ` + couponColumns + ` FROM ` + couponTables
)

func scanCoupon(row scanner, c *Coupon) error {
	var slug, title *string
	err := row.Scan(&c.ID, &c.ProfileID, &c.PlanID, &c.Code, &c.Type, &c.Value, &c.CreatedAt, &c.EndsAt, &c.Description, &c.NbAttempts, &slug, &title)
	if slug != nil {
		c.Plan = &profile.Plan{Slug: *slug, Title: *title}
	}
	return err
}

// CouponByID reads a coupon, nil when there is none.
func (s *Service) CouponByID(r store.Reader, id int64) (*Coupon, error) {
	return oneCoupon(r, selectCoupon+` WHERE coupon.id = ?`, id)
}

// Coupons reads coupons by ID, in one query. IDs of none are left out.
func (s *Service) Coupons(r store.Reader, ids []int64) (map[int64]*Coupon, error) {
	found := make(map[int64]*Coupon, len(ids))
	if len(ids) == 0 {
		return found, nil
	}
	err := store.Each(r, func(rows *sql.Rows) error {
		var c Coupon
		err := scanCoupon(rows, &c)
		found[c.ID] = &c
		return err
	}, selectCoupon+` WHERE coupon.id IN (SELECT value FROM json_each(?))`, store.IDs(ids))
	return found, err
}

const couponByCode = selectCoupon + ` WHERE coupon.profile_id = ? AND coupon.code = ? AND ` + ordinary

// CouponByCode reads an ordinary coupon of a provider by its code, in any letter case, nil when there is none.
func (s *Service) CouponByCode(r store.Reader, providerID int64, code string) (*Coupon, error) {
	return oneCoupon(r, couponByCode, providerID, code)
}

func oneCoupon(r store.Reader, query string, args ...any) (*Coupon, error) {
	var c Coupon
	err := scanCoupon(r.QueryRow(query, args...), &c)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return &c, err
}

// CouponChange is what is asked of a coupon: all of a new one, or what is to be changed. What is not given keeps its value.
type CouponChange struct {
	Code        rest.Opt[string]       `json:"code" in:"posted" validate:"max=50,slug"`
	Type        rest.Opt[DiscountType] `json:"discount_type" in:"required"`
	Value       rest.Opt[int64]        `json:"discount_value" in:"posted" validate:"gte=0,lte=2147483647"`
	EndsAt      rest.Opt[store.Time]   `json:"ends_at" in:"null"`
	Description rest.Opt[string]       `json:"description" in:"null,blank"`
	NbAttempts  rest.Opt[int64]        `json:"nb_attempts" in:"null" validate:"gte=0,lte=2147483647"`
	Plan        rest.Opt[string]       `json:"plan" in:"null,blank"`
}

// maxCoupons is how many coupons a profile has at the most (decision 77).
const maxCoupons = 10_000

// CreateCoupon makes a coupon of a provider; without an end it ends after Settings.CouponDays (subscriptions.md 8.2). Errors: 400
// on "code", "discount_value" or "plan".
func (s *Service) CreateCoupon(tx *store.Tx, providerID int64, in *CouponChange) (*Coupon, error) {
	err := rest.AtMost(tx, maxCoupons, "A profile has at most 10000 coupons. Delete one first.",
		`SELECT 1 FROM coupon WHERE profile_id = ? AND `+ordinary, providerID)
	if err != nil {
		return nil, err
	}
	c := &Coupon{ProfileID: providerID, CreatedAt: tx.Now()}
	if err := s.applyCoupon(tx, c, in); err != nil {
		return nil, err
	}
	if c.EndsAt.IsZero() {
		c.EndsAt = store.At(c.CreatedAt.Add(time.Duration(s.settings.CouponDays) * 24 * time.Hour))
	}
	id, err := tx.Insert(`INSERT INTO coupon (code, profile_id, created_at, ends_at, description, discount_type, discount_value, plan_id, nb_attempts)
		VALUES (?, ?, ?, ?, ?, ?, ?, nullif(?, 0), ?)`, c.Code, c.ProfileID, c.CreatedAt, c.EndsAt, c.Description, c.Type, c.Value, c.PlanID, c.NbAttempts)
	if err != nil {
		return nil, err
	}
	return s.CouponByID(tx, id)
}

// UpdateCoupon changes a coupon (subscriptions.md 8.3). Errors: as CreateCoupon.
func (s *Service) UpdateCoupon(tx *store.Tx, c *Coupon, in *CouponChange) (*Coupon, error) {
	if err := s.applyCoupon(tx, c, in); err != nil {
		return nil, err
	}
	_, err := tx.Exec(`UPDATE coupon SET code = ?, ends_at = ?, description = ?, discount_type = ?, discount_value = ?, plan_id = nullif(?, 0), nb_attempts = ?
		WHERE id = ?`, c.Code, c.EndsAt, c.Description, c.Type, c.Value, c.PlanID, c.NbAttempts, c.ID)
	if err != nil {
		return nil, err
	}
	return s.CouponByID(tx, c.ID)
}

var codeTaken = rest.Bad("code", "This code is already taken.")

// DeleteCoupon deletes a coupon, or ends it now when an order used it (decision 17). Open cart items stay, without the discount.
func (s *Service) DeleteCoupon(tx *store.Tx, c *Coupon) error {
	used, err := store.Exists(tx, `SELECT 1 FROM cart_item WHERE coupon_id = ? AND recorded = 1`, c.ID)
	if err != nil {
		return err
	}
	if !used {
		_, err = tx.Exec(`DELETE FROM coupon WHERE id = ?`, c.ID)
		return err
	}
	if _, err := tx.Exec(`UPDATE cart_item SET coupon_id = NULL WHERE coupon_id = ? AND recorded = 0`, c.ID); err != nil {
		return err
	}
	_, err = tx.Exec(`UPDATE coupon SET ends_at = ? WHERE id = ? AND (ends_at IS NULL OR ends_at > ?)`, tx.Now(), c.ID, tx.Now())
	return err
}

// applyCoupon writes a change over a coupon and checks the result.
func (s *Service) applyCoupon(r store.Reader, c *Coupon, in *CouponChange) error {
	c.Type, c.Value = in.Type.Or(c.Type), in.Value.Or(c.Value)
	if c.tooHigh() && (in.Type.Set() || in.Value.Set()) {
		return rest.Invalid("discount_value", tooHigh)
	}
	if in.EndsAt.Given {
		c.EndsAt = in.EndsAt.Value
	}
	if in.Description.Given {
		c.Description = optional(in.Description)
	}
	if in.NbAttempts.Given {
		c.NbAttempts = optional(in.NbAttempts)
	}
	if in.Plan.Given {
		if err := couponPlan(r, c, in.Plan.Value); err != nil {
			return err
		}
	}
	if !in.Code.Set() {
		return nil
	}
	c.Code = in.Code.Value
	if strings.HasPrefix(strings.ToLower(c.Code), reserved) {
		return codeTaken
	}
	taken, err := store.Exists(r, `SELECT 1 FROM coupon WHERE profile_id = ? AND code = ? AND id <> ?`, c.ProfileID, c.Code, c.ID)
	if err == nil && taken {
		err = codeTaken
	}
	return err
}

// couponPlan restricts a coupon to a plan by slug, "" for none.
func couponPlan(r store.Reader, c *Coupon, slug string) error {
	c.PlanID = 0
	if slug == "" {
		return nil
	}
	var owner int64
	var active bool
	var exact string
	err := r.QueryRow(`SELECT id, slug, profile_id, is_active FROM plan WHERE slug = ?`, slug).Scan(&c.PlanID, &exact, &owner, &active)
	switch {
	case errors.Is(err, store.ErrNotFound) || err == nil && exact != slug:
		return rest.Invalid("plan", fmt.Sprintf("Plan '%s' does not exist or is inactive.", slug))
	case err != nil:
		return err
	case owner != c.ProfileID:
		return rest.Invalid("plan", "The plan does not belong to the organization.")
	case !active:
		return rest.Invalid("plan", "The plan is inactive. As a result the coupon will have no effect.")
	}
	return nil
}

// UseCoupon uses up one order of a coupon (decision 17), and tells whether there was one left.
func (s *Service) UseCoupon(tx *store.Tx, id int64) (bool, error) {
	n, err := tx.Exec(`UPDATE coupon SET nb_attempts = nb_attempts - 1 WHERE id = ? AND (nb_attempts IS NULL OR nb_attempts > 0)`, id)
	return n == 1, err
}

// optional is what was given, nil for null.
func optional[T any](o rest.Opt[T]) *T {
	if !o.Set() {
		return nil
	}
	return &o.Value
}
