package billing

import (
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// usedItems are the items that were ordered with a coupon.
var usedItems = &rest.List[item]{
	Select: itemColumns, From: openFrom + ` LEFT JOIN plan ON plan.id = i.plan_id`, Counted: `cart_item i`,
	Where: `i.coupon_id = ? AND i.recorded = 1 AND i.plan_id IS NOT NULL`, Key: "i.id",
	Search:  allItems.Search,
	Order:   rest.Names{"user": {"u.username"}, "plan": {"plan.slug"}, "created_at": {"i.created_at"}},
	Default: []string{"created_at"}, Dates: "i.created_at", Scan: scanItem,
}

// CouponUseList says that an endpoint lists them.
var CouponUseList = rest.Lists(usedItems)

// CouponUses lists what was ordered with a coupon (metrics.md 3.3); what is still in a cart is not among it.
func (s *Service) CouponUses(c *rest.Call, r store.Reader, coupon int64) (rest.Page[CartItem], error) {
	page, err := s.itemPage(c, r, usedItems, coupon)
	for i := range page.Results {
		page.Results[i].Detail = nil
	}
	return page, err
}
