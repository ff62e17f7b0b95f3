package billing

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// TestCheckoutCrashes ends the process at every step of a checkout with two charges: after a restart and one sweep nothing is charged
// twice, nothing paid is lost, and what was ordered is there once.
func TestCheckoutCrashes(t *testing.T) {
	for _, step := range []string{"pay:prepared", "pay:saved", "pay:charged", "pay:committed"} {
		t.Run(step, func(t *testing.T) {
			w := newWorld(t)
			w.Run(t, resttest.Case("cart", "zoe", "POST /api/cart", `[{"plan":"basic"},{"plan":"premium","use":"requests","quantity":4}]`, 201, `~"plan"`))
			w.exec(`INSERT INTO role (created_at, profile_id, user_id, role_description_id) VALUES (0, ?, ?, ?)`, w.ids["gym"], w.ids["user zoe"], w.ids["role manager"])
			w.broken = step
			w.Do("zoe", "POST /api/billing/gym/checkout", `{"processor_token":"tok_visa","remember_card":true}`)
			w.restart()
			w.sweep()
			w.sweep()
			w.agree(step)
			if got := w.values(`SELECT dest_amount FROM txn WHERE dest_account = 'Payable' AND payer_id = ? ORDER BY id`, w.ids["gym"]); got != "2000 20000 400" {
				t.Errorf("ordered %q", got)
			}
			if got := w.values(`SELECT count(*) FROM subscription WHERE profile_id = ? UNION ALL SELECT count(*) FROM cart_item WHERE recorded = 0`, w.ids["gym"]); got != "2 0" {
				t.Errorf("%s subscriptions and items left", got)
			}
			if due := w.due("gym"); due != 0 {
				t.Errorf("%d is due", due)
			}
		})
	}
}

// TestCheckoutChanged pays for a cart that changes while the processor is asked: the money goes back.
func TestCheckoutChanged(t *testing.T) {
	w := newWorld(t)
	w.Run(t, resttest.Case("cart", "xia", "POST /api/cart", `{"plan":"premium"}`, 201, `~"plan"`))
	w.broken = "pay:prepared"
	w.Do("xia", "POST /api/billing/xia/checkout", `{"processor_token":"tok_visa"}`)
	w.restart()
	w.exec(`DELETE FROM cart_item`)
	w.sweep()
	if got := w.values(`SELECT count(*) FROM txn UNION ALL SELECT count(*) FROM charge UNION ALL SELECT sum(amount - refunded) FROM sandbox_charge`); got != "0 0 0" {
		t.Errorf("entries, charges, money kept: %s", got)
	}
	w.verify()
}

// TestRandomCarts orders carts at random: what is shown is what a dry run says, is what is charged, is what the books say; and the dry
// run changed nothing.
func TestRandomCarts(t *testing.T) {
	w := newWorld(t)
	w.exec(`UPDATE plan SET setup_amount = 700 WHERE slug = 'premium'`)
	w.exec(`INSERT INTO advance_discount (plan_id, discount_type, discount_value, length) VALUES (?, 1, 1000, 3)`, w.ids["plan basic"])
	w.exec(`UPDATE profile SET is_bulk_buyer = 1`)
	w.coupon("HALF", 1, 5000)
	w.coupon("OFF", 2, 1500)
	rapid.Check(t, func(rt *rapid.T) {
		w.exec(`DELETE FROM cart_item`)
		for range rapid.IntRange(1, 4).Draw(rt, "items") {
			plan := rapid.SampledFrom([]string{"basic", "premium", "gym-monthly"}).Draw(rt, "plan")
			use := int64(0)
			if plan == "premium" && rapid.Bool().Draw(rt, "use") {
				use = w.ids["use requests"]
			}
			coupon := rapid.IntRange(0, 2).Draw(rt, "coupon")
			sync := rapid.SampledFrom([]string{"", "xia", "zoe", "new@example.com", "ghost@example.com"}).Draw(rt, "for")
			w.exec(`INSERT INTO cart_item (created_at, user_id, plan_id, use_id, coupon_id, quantity, option, full_name, sync_on) VALUES (0, ?, ?, nullif(?, 0), nullif(?, 0), ?, ?, 'N', ?)`,
				w.ids["user yan"], w.ids["plan "+plan], use, coupon, rapid.IntRange(0, 5).Draw(rt, "quantity"), rapid.IntRange(1, 2).Draw(rt, "option"), sync)
		}
		var sum int64
		var open bool
		var shown Checkout
		if err := json.Unmarshal(w.Do("yan", "GET /api/billing/acme/checkout", "").Body.Bytes(), &shown); err != nil {
			rt.Fatal(err)
		}
		for _, inv := range shown.Results {
			for _, l := range inv.Lines {
				sum += l.DestAmount
			}
			open = open || len(inv.Options) > 0
		}
		if open {
			return
		}
		before, books := w.state(), w.values(`SELECT count(*) FROM txn`)
		dry := w.Do("yan", "POST /api/billing/acme/checkout?dry_run=1", `{"processor_token":"tok_visa"}`)
		if got := w.state(); got != before {
			rt.Fatalf("a dry run left %s, was %s", got, before)
		}
		real := w.Do("yan", "POST /api/billing/acme/checkout", `{"processor_token":"tok_visa"}`)
		if dry.Code != real.Code || real.Code >= 300 {
			rt.Fatalf("dry %d %s, real %d %s", dry.Code, dry.Body, real.Code, real.Body)
		}
		if got := w.values(`SELECT coalesce(sum(dest_amount), 0) FROM txn WHERE dest_account = 'Payable' AND id > ?`, books); got != w.values(`SELECT ?`, sum) {
			rt.Fatalf("shown %d, ordered %s", sum, got)
		}
		w.settle()
		if due := w.due("acme"); due != 0 {
			rt.Fatalf("%d is due", due)
		}
		report, err := ledger.Verify(t.Context(), w.Site.Store, nil)
		if err != nil || len(report.Problems) > 0 {
			rt.Fatalf("the books: %v %v", err, report.Problems)
		}
	})
	w.agree("random carts")
}

// TestCartPlans: what carts and checkout read is read by an index.
func TestCartPlans(t *testing.T) {
	w := newWorld(t)
	for name, test := range map[string][2]string{
		"items of a user":    {`SELECT ` + itemColumns + ` FROM cart_item i WHERE i.user_id = ? AND i.recorded = 0 AND i.plan_id IS NOT NULL ORDER BY i.id`, "USING INDEX cart_item_user (user_id=? AND recorded=?"},
		"items of a visitor": {`SELECT ` + itemColumns + ` FROM cart_item i WHERE i.anonymous_id = ? AND i.recorded = 0 ORDER BY i.id`, "USING INDEX cart_item_anonymous (anonymous_id=?)"},
		"open items":         {`SELECT ` + itemColumns + ` FROM ` + openFrom + ` WHERE i.recorded = 0 AND i.plan_id IS NOT NULL ORDER BY i.created_at, i.id LIMIT ?`, "SCAN i USING INDEX cart_item_open"},
		"old carts":          {oldCarts, "USING INDEX cart_updated_at (updated_at<?)"},
		"old items":          {oldItems, "USING INDEX cart_updated_at (updated_at<?)"},
		"unpaid invoices":    {unpaidInvoices, "charge_"},
		"held seats":         {heldSeats, "SEARCH txn EXISTS USING COVERING INDEX txn_payer (payer_id=? AND event_id=?)"},
		"claims":             {`UPDATE cart_item SET user_id = 1 WHERE claim_code = ? AND user_id IS NULL AND recorded = 0`, "USING INDEX cart_item_claim (claim_code=?)"},
	} {
		t.Run(name, func(t *testing.T) {
			plan := storetest.Plan(t, w.Site.Store, test[0], make([]any, strings.Count(test[0], "?"))...)
			if !strings.Contains(plan, test[1]) || strings.Contains(strings.NewReplacer("SCAN i USING INDEX cart_item_open", "", "SCAN json_each", "").Replace(plan), "SCAN ") {
				t.Errorf("plan\n%s\nwant %s", plan, test[1])
			}
		})
	}
}
