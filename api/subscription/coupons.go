package subscription

import (
	"database/sql"
	"net/http"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// coupons lists the coupons of a provider (subscriptions.md 8.1).
var coupons = rest.List[Coupon]{
	Select: couponColumns, From: couponTables, Where: `coupon.profile_id = ? AND ` + ordinary, Key: "coupon.id",
	Search: rest.Names{"code": {"coupon.code"}, "description": {"coupon.description"}, "discount_type": {"coupon.discount_type"},
		"profile": {"p.slug"}, "profile__full_name": {"p.full_name"}},
	Order: rest.Names{"code": {"coupon.code"}, "created_at": {"coupon.created_at"}, "description": {"coupon.description"}, "ends_at": {"coupon.ends_at"},
		"discount_type": {"coupon.discount_type"}, "profile": {"p.slug"}, "profile__full_name": {"p.full_name"}},
	Default: []string{"ends_at"}, Dates: "coupon.created_at", EndsNow: true,
	Scan: func(rows *sql.Rows, c *Coupon) error { return scanCoupon(rows, c) },
}

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
