package subscription

import (
	"crypto/sha256"
	"net/http"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// A Cart is whose cart it is (subscriptions.md 9.1): a user's, or an anonymous visitor's.
type Cart struct {
	User      int64
	Anonymous []byte // hash of the cart cookie, when User is 0; nil for a visitor without a cart
}

// CartOf is the cart of the caller.
func CartOf(c *rest.Call) Cart {
	if c.User != nil {
		return Cart{User: c.User.ID}
	}
	if cookie := c.CartCookie(); cookie != "" {
		return Cart{Anonymous: CartHash(cookie)}
	}
	return Cart{}
}

// CartHash is the stored form of the value of the cart cookie.
func CartHash(cookie string) []byte {
	sum := sha256.Sum256([]byte(cookie))
	return sum[:]
}

// redeem puts a coupon on items, but on those that somebody else paid for; the condition of Cart.Where follows.
const redeem = `UPDATE cart_item SET coupon_id = coupon.id FROM plan JOIN coupon ON ` + couponApplies + `
	WHERE coupon.code = ? AND ` + ordinary + ` AND plan.id = cart_item.plan_id
		AND cart_item.recorded = 0 AND cart_item.claim_code IS NULL AND `

// Redeem puts a coupon on the open items of a cart that it lowers, in the place of another one, and remembers the code for items
// that come later (subscriptions.md 8.6). It tells on how many. The coupon is used up when the order is executed, not here.
func (s *Service) Redeem(tx *store.Tx, cart Cart, code string) (int64, error) {
	where, owner := cart.Where()
	if owner == nil {
		return 0, nil
	}
	now := tx.Now()
	n, err := tx.Exec(redeem+where, now, code, owner)
	if err != nil || n == 0 {
		return 0, err
	}
	if cart.User != 0 {
		_, err = tx.Exec(`INSERT INTO cart (user_id, redeemed, updated_at) VALUES (?, ?, ?)
			ON CONFLICT (user_id) DO UPDATE SET redeemed = excluded.redeemed, updated_at = excluded.updated_at`, cart.User, code, now)
		return n, err
	}
	_, err = tx.Exec(`INSERT INTO cart (anonymous_id, redeemed, updated_at) VALUES (?, ?, ?)
		ON CONFLICT (anonymous_id) DO UPDATE SET redeemed = excluded.redeemed, updated_at = excluded.updated_at`, cart.Anonymous, code, now)
	return n, err
}

// Where is the condition on cart_item, or cart, of a cart's rows, and what it binds; nil for a visitor without a cart.
func (c Cart) Where() (condition string, arg any) {
	switch {
	case c.User != 0:
		return `user_id = ?`, c.User
	case c.Anonymous != nil:
		return `anonymous_id = ? AND user_id IS NULL`, c.Anonymous
	}
	return "", nil
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
