package billing

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/subscription"
	"github.com/caddy-tollgate/tollgate/store"
)

// cartRetention is how long an anonymous cart is kept without a write (subscriptions.md 9.1).
const cartRetention = 30 * 24 * time.Hour

// MergeCart gives the items of the visitor's cart that a cookie names to a user (subscriptions.md 9.5): an item of the same plan,
// name, address and beneficiary gets what it lacks, any other one changes hands. A code that the visitor redeemed is tried on the
// whole. A cookie of no cart merges nothing.
func (s *Service) MergeCart(tx *store.Tx, user int64, cookie string) error {
	visitor, own := subscription.Cart{Anonymous: subscription.CartHash(cookie)}, subscription.Cart{User: user}
	code := ""
	err := tx.QueryRow(`SELECT coalesce(redeemed, '') FROM cart WHERE anonymous_id = ?`, visitor.Anonymous).Scan(&code)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	theirs, err := openItems(tx, visitor)
	if err != nil {
		return err
	}
	mine, err := openItems(tx, own)
	if err != nil {
		return err
	}
	for n := range theirs {
		i := &theirs[n]
		if t := twin(mine, i); t != nil {
			if t.Option != 0 {
				i.Option = 0
			}
			if t.Quantity != 0 {
				i.Quantity = 0
			}
			if t.FullName != "" {
				i.FullName = ""
			}
			t.fill(i)
			if err := update(tx, t); err != nil {
				return err
			}
			if _, err := tx.Exec(`DELETE FROM cart_item WHERE id = ?`, i.ID); err != nil {
				return err
			}
			continue
		}
		if len(mine) >= maxCart {
			break
		}
		if _, err := tx.Exec(`UPDATE cart_item SET user_id = ?, anonymous_id = NULL WHERE id = ?`, user, i.ID); err != nil {
			return err
		}
		mine = append(mine, *i)
	}
	if _, err := tx.Exec(`DELETE FROM cart_item WHERE anonymous_id = ? AND user_id IS NULL`, visitor.Anonymous); err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM cart WHERE anonymous_id = ?`, visitor.Anonymous); err != nil || code == "" {
		return err
	}
	_, err = s.subs.Redeem(tx, own, code)
	return err
}

// twin is the item of a user's cart that is the same as a visitor's, nil for none.
func twin(mine []item, i *item) *item {
	same := func(theirs, mine string) bool { return theirs == "" || strings.EqualFold(theirs, mine) }
	for n := range mine {
		t := &mine[n]
		if t.PlanID == i.PlanID && !t.seat() && same(i.FullName, t.FullName) &&
			same(text(i.Email), text(t.Email)) && same(i.sync(), t.sync()) {
			return t
		}
	}
	return nil
}

// mergeCookie merges the visitor's cart that an identified caller brings, and makes the browser forget it.
func (s *Service) mergeCookie(c *rest.Call, tx *store.Tx) error {
	cookie := c.CartCookie()
	if cookie == "" {
		return nil
	}
	c.SetCartCookie("", 0)
	return s.MergeCart(tx, c.User.ID, cookie)
}

// claim gives the items that a claim code names, and that nobody claimed yet, to the caller (subscriptions.md 9.5, 11). A code of
// none is ignored.
func (s *Service) claim(tx *store.Tx, user int64, code string) error {
	if code == "" {
		return nil
	}
	_, err := tx.Exec(`UPDATE cart_item SET user_id = ? WHERE claim_code = ? AND user_id IS NULL AND recorded = 0`, user, code)
	return err
}

// Janitor drops the carts of visitors who have not come back.
func (s *Service) Janitor(ctx context.Context) error {
	var before store.Time
	err := s.store.Read(ctx, func(r store.Reader) error {
		before = store.At(r.Now().Add(-cartRetention))
		return nil
	})
	for _, query := range []string{oldItems, oldCarts} {
		if err == nil {
			_, err = s.store.Prune(ctx, query, before)
		}
	}
	return err
}

const (
	oldItems = `DELETE FROM cart_item WHERE id IN (SELECT i.id FROM cart JOIN cart_item i ON i.anonymous_id = cart.anonymous_id
		WHERE cart.anonymous_id IS NOT NULL AND cart.updated_at < ? LIMIT 500)`
	oldCarts = `DELETE FROM cart WHERE id IN (SELECT id FROM cart WHERE anonymous_id IS NOT NULL AND updated_at < ? LIMIT 500)`
)
