package importer

import (
	"fmt"
	"strings"

	"github.com/caddy-tollgate/tollgate/ledger"
)

// unit is a currency.
func (r *row) unit(column string) string {
	unit, err := ledger.ParseUnit(r.text(column, 3))
	if err != nil {
		r.fail(column, "is no currency")
	}
	return unit
}

// amount is money, in 1/100 of a unit.
func (r *row) amount(column string) int64 { return r.int(column, 0, ledger.MaxAmount) }

// most of a count: a smallint of the other system.
const mostCount = 32767

// plans imports plans.
func (w *work) plans() error {
	titles := map[string]bool{}
	next := map[int64]int64{}
	err := w.each(plans, func(r *row) error {
		owner, slug := w.profile(r.must("organization_id")), r.text("slug", 50)
		title := w.plain(r, "title", 50)
		if key := fmt.Sprint(owner, " ", title); titles[key] {
			title += " (" + slug + ")"
			w.note(r, "the title is that of another plan: its slug is added")
		}
		titles[fmt.Sprint(owner, " ", title)] = true
		if n := r.ref("next_plan_id"); n != 0 {
			next[r.id] = n
		}
		return w.put(r, `INSERT INTO plan (id, slug, title, description, is_active, is_not_priced, is_personal, created_at, discontinued_at, profile_id,
				unit, skip_optin_on_grant, optin_on_request, setup_amount, period_amount, period_type, period_length, broker_fee_percent, unlock_event,
				length, renewal_type, extra) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			r.id, slug, title, r.text("description", mostText), r.bool("is_active"), r.bool("is_not_priced"), r.bool("is_personal"), r.time("created_at"),
			r.nullTime("discontinued_at"), owner, r.unit("unit"), r.bool("skip_optin_on_grant"), r.bool("optin_on_request"), r.amount("setup_amount"),
			r.amount("period_amount"), r.int("period_type", int64(ledger.Hourly), int64(ledger.Yearly)), r.int("period_length", 1, mostCount),
			r.int("broker_fee_percent", 0, 10000), r.nullText("unlock_event", 128), r.nullInt("length", 0, mostCount), r.int("renewal_type", 0, 2),
			r.nullText("extra", mostText))
	})
	if err != nil {
		return err
	}
	for id, to := range next {
		if _, err := w.tx.Exec(`UPDATE plan SET next_plan_id = ? WHERE id = ?`, to, id); err != nil {
			return err
		}
	}
	return nil
}

// discount is the value of a discount of a kind: a percentage is one at most.
func (r *row) discount() (kind, value int64) {
	kind = r.int("discount_type", 1, 3)
	if kind == 1 {
		return kind, r.int("discount_value", 0, 10000)
	}
	return kind, r.amount("discount_value")
}

// discounts imports what paying in advance saves.
func (w *work) discounts() error {
	return w.each(discounts, func(r *row) error {
		kind, value := r.discount()
		return w.put(r, `INSERT INTO advance_discount (id, plan_id, discount_type, discount_value, length) VALUES (?, ?, ?, ?, ?)`,
			r.id, r.must("plan_id"), kind, value, r.int("length", 1, mostCount))
	})
}

// useCharges imports what is paid by use.
func (w *work) useCharges() error {
	return w.each(useCharges, func(r *row) error {
		return w.put(r, `INSERT INTO use_charge (id, slug, title, description, created_at, plan_id, use_amount, quota, maximum_limit, extra)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			r.id, r.text("slug", 50), w.plain(r, "title", 50), r.text("description", mostText), r.time("created_at"), r.must("plan_id"), r.amount("use_amount"),
			r.amount("quota"), r.nullInt("maximum_limit", 0, ledger.MaxAmount), r.nullText("extra", mostText))
	})
}

// coupons imports coupons. Codes differ by more than case here.
func (w *work) coupons() error {
	codes := map[string]bool{}
	w.dropped = map[int64]bool{}
	return w.each(coupons, func(r *row) error {
		owner, code := w.profile(r.must("organization_id")), r.text("code", 50)
		if key := fmt.Sprint(owner, " ", strings.ToLower(code)); codes[key] {
			w.dropped[r.id] = true
			w.note(r, "the code is that of another coupon but for case: left out")
			return r.err
		} else {
			codes[key] = true
		}
		kind, value := r.discount()
		return w.put(r, `INSERT INTO coupon (id, code, profile_id, created_at, ends_at, description, discount_type, discount_value, plan_id, nb_attempts,
				extra) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			r.id, code, owner, r.time("created_at"), r.nullTime("ends_at"), r.nullText("description", mostText), kind, value, orNull(r.ref("plan_id")),
			r.nullInt("nb_attempts", 0, mostID), r.nullText("extra", mostText))
	})
}

// subscriptions imports subscriptions, grants and requests.
func (w *work) subscriptions() error {
	return w.each(subscriptions, func(r *row) error {
		grant, request := r.text("grant_key", 40), r.text("request_key", 40)
		if grant != "" && request != "" {
			r.fail("grant_key", "and request_key are both given: is it offered or asked for?")
		}
		return w.put(r, `INSERT INTO subscription (id, profile_id, plan_id, created_at, ends_at, auto_renew, description, grant_key, request_key, extra)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			r.id, w.profile(r.must("organization_id")), r.must("plan_id"), r.time("created_at"), r.time("ends_at"), r.bool("auto_renew"),
			r.nullText("description", mostText), orNull(grant), orNull(request), r.nullText("extra", mostText))
	})
}

// uses imports what is left of quotas.
func (w *work) uses() error {
	return w.each(uses, func(r *row) error {
		return w.put(r, `INSERT INTO subscription_use (id, subscription_id, use_id, expiring_quota, rollover_quota, used_quantity, extra)
			VALUES (?, ?, ?, ?, ?, ?, ?)`,
			r.id, r.must("subscription_id"), r.must("use_id"), r.amount("expiring_quota"), r.amount("rollover_quota"), r.amount("used_quantity"),
			r.nullText("extra", mostText))
	})
}

// cartItems imports the carts of users, and what was bought for others.
func (w *work) cartItems() error {
	return w.each(cartItems, func(r *row) error {
		user, claim, coupon := r.ref("user_id"), r.text("claim_code", 50), r.ref("coupon_id")
		if user == 0 && claim == "" {
			w.note(r, "in the cart of nobody: left out")
			return r.err
		}
		if w.dropped[coupon] {
			coupon = 0
		}
		return w.put(r, `INSERT INTO cart_item (id, created_at, user_id, plan_id, use_id, coupon_id, recorded, quantity, option, full_name, email, sync_on,
				claim_code) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			r.id, r.time("created_at"), orNull(user), orNull(r.ref("plan_id")), orNull(r.ref("use_id")), orNull(coupon), r.bool("recorded"),
			r.int("quantity", 0, mostID), r.int("option", 0, mostID), w.plain(r, "full_name", 150), r.nullText("email", 255), r.nullText("sync_on", 255),
			orNull(claim))
	})
}
