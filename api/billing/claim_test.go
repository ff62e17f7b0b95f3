package billing

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

// bought has acme buy seats of premium, one for each of what is typed, and returns the codes by which they are claimed.
func (w *world) bought(t *testing.T, more string, typed ...string) (codes []string) {
	t.Helper()
	w.exec(`UPDATE profile SET is_bulk_buyer = 1 WHERE slug = 'acme'`)
	for _, sync := range typed {
		w.Run(t, resttest.Case("cart", "yan", "POST /api/cart", `{"plan":"premium","full_name":"N","sync_on":"`+sync+`"`+more+`}`, 201, "*"))
	}
	w.Run(t, resttest.Case("paid", "yan", "POST /api/billing/acme/checkout", `{"processor_token":"tok_visa"}`, 201, `~"amount"`))
	w.settle()
	return w.unclaimed()
}

// unclaimed are the codes of seats that nobody claimed, in the order of the cart they were bought from.
func (w *world) unclaimed() []string {
	w.t.Helper()
	return strings.Fields(w.values(`SELECT claim_code FROM cart_item WHERE recorded = 0 AND user_id IS NULL AND claim_code IS NOT NULL
		GROUP BY claim_code ORDER BY min(id)`))
}

// until is when the subscription of a profile to premium ends, "" without one.
func (w *world) until(profile string) string {
	w.t.Helper()
	return w.values(`SELECT date(ends_at/1000000, 'unixepoch') FROM subscription WHERE profile_id = ? AND plan_id = ?`,
		w.ids[profile], w.ids["plan premium"])
}

// TestSeatsAreFrozen lets nobody change a seat, before and after it is claimed: whoever claims it takes what was paid for, for
// himself (subscriptions.md 11).
func TestSeatsAreFrozen(t *testing.T) {
	w := newWorld(t)
	w.exec(`UPDATE profile SET is_bulk_buyer = 1 WHERE slug = 'gym'`)
	code := w.bought(t, "", "gus@example.com")[0]
	id := w.values(`SELECT id FROM cart_item`)
	seat := func() string {
		return w.values(`SELECT json_array(use_id, coupon_id, quantity, option, full_name, email, sync_on, nb_periods) FROM cart_item WHERE id = ?`, id)
	}
	before := seat()
	c := resttest.Case
	const refused = `{"detail":"Somebody else paid for this: it cannot be changed."}`
	item, cookie := "/api/billing/cartitems/"+id, ""
	keep := func(_ *testing.T, a *httptest.ResponseRecorder) {
		for _, set := range a.Result().Cookies() {
			cookie = "Cookie: " + set.Name + "=" + set.Value
		}
	}
	w.Run(t,
		c("not by the broker", "alice", "PATCH "+item, `{"use":"requests","quantity":1000}`, 400, refused),
		c("claimed", "gus", "GET /api/billing/gym/checkout?code="+code, "", 200, `~complimentary of Acme Corp","amount":"$0.00"`),
		c("nor then", "alice", "PUT "+item, `{"sync_on":"xia"}`, 400, refused),
		c("a visitor's cart", "", "POST /api/cart", `{"plan":"premium","use":"requests","quantity":2,"option":1}`, 201, "*").Then(keep),
	)
	w.Run(t,
		c("is another item", "gus", "GET /api/cart", "", 200, `~{"count":2,`).With(cookie),
		c("so is a use", "gus", "POST /api/cart", `{"plan":"premium","use":"requests","quantity":3}`, 200, `~"quantity":3,"claim_code":null`),
		c("a name", "gus", "POST /api/cart", `{"plan":"premium","full_name":"the King"}`, 200, `~"claim_code":null,"sync_on":"","full_name":"the King"`),
		c("and a seat", "gus", "POST /api/cart", `{"plan":"premium","sync_on":"zoe"}`, 200, `~"claim_code":null,"sync_on":"zoe"`),
	)
	if after := seat(); after != before {
		t.Errorf("the seat is %s, was %s", after, before)
	}
	w.Run(t, c("paid, and taken", "gus", "POST /api/billing/gym/checkout", `{"processor_token":"tok_visa"}`, 201, `~"amount":20300,`))
	w.settle()
	if got := w.until("gym"); got != "2026-04-15" || len(w.unclaimed()) != 1 {
		t.Errorf("the seat that was claimed ends %s, %d wait", got, len(w.unclaimed()))
	}
	w.exec(`UPDATE cart_item SET recorded = 0, sync_on = 'zoe' WHERE id = ?`, id) // as one was left by what allowed it
	w.exec(`UPDATE coupon SET nb_attempts = 1`)
	w.Run(t, c("for himself", "gus", "POST /api/billing/gym/checkout", `{}`, 200, `{}`))
	if got := w.until("gym"); got != "2026-05-15" || len(w.unclaimed()) != 1 {
		t.Errorf("the seat for another ends %s, %d wait", got, len(w.unclaimed()))
	}
	w.verify()
}
