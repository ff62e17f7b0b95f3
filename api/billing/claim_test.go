package billing

import (
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/api/subscription"
	"github.com/caddy-tollgate/tollgate/store"
)

// bought has acme buy seats of premium, one for each of what is typed, and returns the codes by which they are claimed.
func (w *world) bought(t *testing.T, more string, typed ...string) (codes []string) {
	t.Helper()
	w.exec(`UPDATE profile SET is_bulk_buyer = 1 WHERE slug = 'acme'`)
	for _, sync := range typed {
		w.Run(t, resttest.Case("cart", "yan", "POST /api/cart",
			`{"plan":"premium","full_name":"N","sync_on":"`+sync+`"`+more+`}`, 201, "*"))
	}
	w.Run(t, resttest.Case("paid", "yan", "POST /api/billing/acme/checkout", `{"processor_token":"tok_visa"}`, 201,
		`~"amount"`))
	w.settle()
	return w.unclaimed()
}

// unclaimed are the codes of seats that nobody claimed, in the order of the cart they were bought from.
func (w *world) unclaimed() []string {
	w.t.Helper()
	return strings.Fields(w.values(`SELECT claim_code FROM cart_item
		WHERE recorded = 0 AND user_id IS NULL AND claim_code IS NOT NULL GROUP BY claim_code ORDER BY min(id)`))
}

// until is when the subscription of a profile to premium ends, "" without one.
func (w *world) until(profile string) string {
	w.t.Helper()
	return w.values(`SELECT date(ends_at/1000000, 'unixepoch') FROM subscription WHERE profile_id = ? AND plan_id = ?`,
		w.ids[profile], w.ids["plan premium"])
}

// TestSeatsAreFrozen lets nobody change a seat, before and after it is claimed: whoever claims it takes what was paid
// for, and takes it for himself (subscriptions.md 11).
func TestSeatsAreFrozen(t *testing.T) {
	w := newWorld(t)
	w.exec(`UPDATE profile SET is_bulk_buyer = 1 WHERE slug = 'gym'`)
	code := w.bought(t, "", "gus@example.com")[0]
	id := w.values(`SELECT id FROM cart_item`)
	seat := func() string {
		return w.values(`SELECT json_array(use_id, coupon_id, quantity, option, full_name, email, sync_on, nb_periods)
			FROM cart_item WHERE id = ?`, id)
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
		c("claimed", "gus", "GET /api/billing/gym/checkout?code="+code, "", 200,
			`~complimentary of Acme Corp","amount":"$0.00"`),
		c("nor then", "alice", "PUT "+item, `{"sync_on":"xia"}`, 400, refused),
		c("a visitor's cart", "", "POST /api/cart", `{"plan":"premium","use":"requests","quantity":2}`, 201, "*").
			Then(keep),
	)
	w.Run(t,
		c("is another item", "gus", "GET /api/cart", "", 200, `~{"count":2,`).With(cookie),
		c("so is a use", "gus", "POST /api/cart", `{"plan":"premium","use":"requests","quantity":3}`, 200,
			`~"quantity":3,"claim_code":null`),
		c("a name", "gus", "POST /api/cart", `{"plan":"premium","full_name":"the King"}`, 200,
			`~"claim_code":null,"sync_on":"","full_name":"the King"`),
		c("and a seat", "gus", "POST /api/cart", `{"plan":"premium","sync_on":"zoe"}`, 200,
			`~"claim_code":null,"sync_on":"zoe"`),
	)
	if after := seat(); after != before {
		t.Errorf("the seat is %s, was %s", after, before)
	}
	w.Run(t, c("paid, and taken", "gus", "POST /api/billing/gym/checkout", `{"processor_token":"tok_visa"}`, 201,
		`~"amount":20300,`))
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

// TestSeatsCouponIsNoKey lets the coupon of a group buy price nothing but what was bought with it, and nothing else
// price that; without its coupon it is refused, not paid (subscriptions.md 8.6, 11).
func TestSeatsCouponIsNoKey(t *testing.T) {
	w := newWorld(t)
	w.coupon("TEN", 1, 1000)
	codes := w.bought(t, "", "gus@example.com", "xia@example.com")
	cpn := w.values(`SELECT code FROM coupon WHERE code LIKE 'cpn_%'`)
	redeem := func(user, code string, want int64) {
		t.Helper()
		w.write(func(tx *store.Tx) error {
			n, err := w.subs.Redeem(tx, subscription.Cart{User: w.ids["user "+user]}, code)
			if n != want {
				t.Errorf("%s redeems %s for %d items", user, code, n)
			}
			return err
		})
	}
	c := resttest.Case
	w.Run(t, c("another's cart", "donny", "POST /api/cart", `{"plan":"premium"}`, 201, "*"))
	redeem("donny", cpn, 0)
	w.exec(`INSERT INTO cart (user_id, redeemed, updated_at) VALUES (?, ?, 0)`, w.ids["user donny"], cpn) // as before
	w.Run(t, c("nor what comes later", "donny", "POST /api/cart", `{"plan":"premium","option":1}`, 200, "*"),
		c("has its price", "donny", "GET /api/billing/cowork/checkout", "", 200, `~(1 month)","amount":"$200.00"`))
	w.exec(`UPDATE cart_item SET coupon_id = (SELECT id FROM coupon WHERE code = ?), sync_on = 'cowork', full_name = 'D'
		WHERE user_id = ?`, cpn, w.ids["user donny"])
	w.Run(t, c("even with the coupon on it", "donny", "GET /api/billing/cowork/checkout", "", 200,
		`~(1 month) - for D (cowork)","amount":"$200.00"`),
		c("in the cart as well", "donny", "GET /api/cart", "", 200,
			`~"detail":"Subscription to Premium until 2026/04/15 (1 month) - for D (cowork)"`))

	w.Run(t, c("claimed", "gus", "GET /api/billing/gym/checkout?code="+codes[0], "", 200, `~"amount":"$0.00"`))
	redeem("gus", "TEN", 0)
	w.Run(t, c("stays free", "gus", "POST /api/billing/gym/checkout", `{}`, 200, `{}`))
	w.exec(`UPDATE coupon SET ends_at = 1 WHERE code = ?`, cpn)
	const refused = `{"detail":` +
		`"What was paid for you of plan 'premium' can no longer be claimed. Take it out of the cart."}`
	w.Run(t,
		c("too late", "xia", "GET /api/billing/xia/checkout?code="+codes[1], "", 400, refused),
		c("is not paid twice", "xia", "POST /api/billing/xia/checkout", `{"processor_token":"tok_visa"}`, 400, refused),
		c("nor later", "xia", "POST /api/billing/xia/checkout/paylater", `{}`, 400, refused),
		c("taken out", "xia", "DELETE /api/cart", "", 204, ""),
		c("the rest can be paid", "xia", "GET /api/billing/xia/checkout", "", 200, `~"results":[]`),
	)
	if got := w.values(`SELECT count(*) FROM charge`); got != "1" {
		t.Errorf("%s charges", got)
	}
	w.verify()
}

// TestClaimCodesAreKeys shows a claim code that nobody used to nobody: it is in the mail alone (decision 78).
func TestClaimCodesAreKeys(t *testing.T) {
	w := newWorld(t)
	code := w.bought(t, "", "gus@example.com")[0]
	cpn := w.values(`SELECT code FROM coupon`)
	id := w.values(`SELECT id FROM cart_item`)
	paths := []string{"/api/cart", "/api/billing/cartitems", "/api/billing/cartitems/" + id,
		"/api/billing/cartitems?format=csv",
		"/api/billing/acme/checkout", "/api/billing/acme/history", "/api/billing/acme/balance", "/api/billing/charges",
		"/api/billing/acme/charges", "/api/billing/transactions", "/api/billing/cowork/receivables",
		"/api/billing/cowork/transfers"}
	for _, user := range []string{"alice", "kim", "donny", "cleo", "yan", "gus", "xia", ""} {
		for _, path := range paths {
			body := w.Do(user, "GET "+path, "").Body.String()
			if strings.Contains(body, code) || strings.Contains(body, cpn) {
				t.Errorf("%s reads the code of a seat in %s: %s", user, path, body)
			}
		}
	}
	c := resttest.Case
	const plan = `"plan":{"slug":"premium","title":"Premium"},"use":null,"option":0,"quantity":0,`
	w.Run(t,
		c("listed without it", "kim", "GET /api/billing/cartitems", "", 200,
			`~{"count":1,~"user":null,`+plan+`"claim_code":null`),
		c("claimed", "gus", "GET /api/billing/gym/checkout?code="+code, "", 200, `~complimentary of Acme Corp`),
		c("of who did", "kim", "GET /api/billing/cartitems/user/gus", "", 200,
			`~{"user":{"slug":"gus"~`+plan+`"claim_code":"`+code+`"`),
	)
	told := w.values(`SELECT recipients FROM outbox WHERE payload LIKE ?`, "%"+code+"%")
	if told != `{"to":["gus@example.com"],"reply_to":"yan@example.com"}` {
		t.Errorf("told: %s", told)
	}
}

// TestRefundVoidsSeats takes seats back that nobody took when their money is given back or given up, however that
// comes about, as many as it pays for, and of these the newest (subscriptions.md 11).
func TestRefundVoidsSeats(t *testing.T) {
	c := resttest.Case
	type back func(t *testing.T, w *world)
	nothing := func(*testing.T, *world) {}
	refund := func(parts ...string) back { // of lines, in their order
		return func(t *testing.T, w *world) {
			for _, part := range parts {
				num, amount, _ := strings.Cut(part, ":")
				key := w.values(`SELECT processor_key FROM charge`)
				w.Run(t, c("refund", "donny", "POST /api/billing/acme/charges/"+key+"/refund",
					`{"lines":[{"num":`+num+`,"refunded_amount":`+amount+`}]}`, 200, `~refunded`))
			}
		}
	}
	asked := func(_ *testing.T, w *world) { // what became of it, until it is told
		for range 3 {
			w.Do("yan", "GET /api/billing/acme/charges/"+w.values(`SELECT processor_key FROM charge`), "")
		}
	}
	collected := func(body string) back {
		return func(t *testing.T, w *world) {
			invoice := w.values(`SELECT claim_code FROM charge`)
			w.Run(t, c("collected", "donny", "POST /api/billing/cowork/payments/"+invoice+"/collected", body, 200, "*"))
		}
	}
	for name, test := range map[string]struct {
		token string // "" is later
		back  back
		left  int // of three
	}{
		"nothing":        {"tok_visa", nothing, 3},
		"half a seat":    {"tok_visa", refund("0:10000"), 3},
		"in two halves":  {"tok_visa", refund("0:10000", "2:10000"), 2},
		"one and a half": {"tok_visa", refund("0:20000", "1:10000"), 2},
		"two":            {"tok_visa", refund("0:20000", "1:20000"), 1},
		"all":            {"tok_visa", refund("0:20000", "1:20000", "2:20000"), 0},
		"at the processor": {"tok_visa", func(t *testing.T, w *world) {
			key := w.values(`SELECT processor_key FROM charge`)
			if err := w.sandbox.Refund(t.Context(), key, 60000, 0, "elsewhere"); err != nil {
				t.Fatal(err)
			}
			asked(t, w)
		}, 0},
		"disputed":       {"tok_dispute", asked, 3},
		"dispute won":    {"tok_dispute_won", asked, 3},
		"dispute lost":   {"tok_dispute_lost", asked, 0},
		"owed":           {"", nothing, 3},
		"paid elsewhere": {"", collected(`{}`), 3},
		"given up":       {"", collected(`{"paid":false}`), 0},
		"written off": {"", func(t *testing.T, w *world) {
			w.Run(t, c("off", "alice", "DELETE /api/billing/acme/balance", "", 204, ""))
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.exec(`UPDATE profile SET is_bulk_buyer = 1 WHERE slug = 'acme'`)
			for _, sync := range []string{"one@example.net", "two@example.net", "three@example.net"} {
				w.Run(t, c("cart", "yan", "POST /api/cart", `{"plan":"premium","full_name":"N","sync_on":"`+sync+`"}`,
					201, "*"))
			}
			if test.token == "" {
				w.Run(t, c("owed", "yan", "POST /api/billing/acme/checkout/paylater", `{}`, 201, `~"amount":60000`))
			} else {
				w.Run(t, c("paid", "yan", "POST /api/billing/acme/checkout", `{"processor_token":"`+test.token+`"}`,
					201, `~"amount":60000`))
			}
			w.settle()
			codes := w.unclaimed()
			test.back(t, w)
			w.verify()
			for n, code := range codes {
				shown := `~"results":[]`
				if n < test.left {
					shown = `~"amount":"$0.00"`
				}
				w.Run(t, c("claimed", "gus", "GET /api/billing/gym/checkout?code="+code, "", 200, shown),
					c("taken", "gus", "POST /api/billing/gym/checkout", `{}`, 200, `{}`))
			}
			if got := w.values(`SELECT count(*) FROM coupon_claim`); got != strconv.Itoa(test.left) {
				t.Errorf("%s seats were taken", got)
			}
			w.verify()
		})
	}
}

// TestRefundSparesTakenSeats leaves a seat that was taken, with its share of what was paid, and takes one out of the
// cart of who claimed it when no other is left.
func TestRefundSparesTakenSeats(t *testing.T) {
	w := newWorld(t)
	codes := w.bought(t, "", "one@example.net", "two@example.net", "three@example.net")
	key := w.values(`SELECT processor_key FROM charge`)
	c := resttest.Case
	refund := func(num string) resttest.Step {
		return c("refund of "+num, "donny", "POST /api/billing/acme/charges/"+key+"/refund",
			`{"lines":[{"num":`+num+`}]}`, 200, `~refunded`)
	}
	w.Run(t,
		c("taken", "gus", "POST /api/billing/gym/checkout?code="+codes[2], `{}`, 200, `{}`),
		c("claimed", "xia", "GET /api/billing/xia/checkout?code="+codes[1], "", 200, `~"amount":"$0.00"`),
		refund("0"),
		c("gone", "donny", "GET /api/billing/cowork/checkout?code="+codes[0], "", 200, `~"results":[]`),
		c("is still claimed", "xia", "GET /api/billing/xia/checkout", "", 200, `~"amount":"$0.00"`),
		refund("1"),
		c("not any more", "xia", "POST /api/billing/xia/checkout", `{}`, 200, `{}`),
		c("nothing was", "xia", "GET /api/cart", "", 200, `~{"count":0`),
	)
	if w.until("xia") != "" || w.until("gym") != "2026-04-15" {
		t.Errorf("the seats end %q and %q", w.until("xia"), w.until("gym"))
	}
	w.exec(`UPDATE subscription SET auto_renew = 0`)
	w.renew(utc(t, "2026-06-01 12:00"))
	got := w.values(`SELECT sum(dest_amount) FROM txn WHERE orig_account = 'Income' AND event_id LIKE 'cpn_%'`)
	if got != "20000" {
		t.Errorf("earned %s", got)
	}
	w.verify()
}

// TestRefundVoidsItsSeat takes a seat back that is for as long as the one whose money is given back, however much the
// others of the order cost.
func TestRefundVoidsItsSeat(t *testing.T) {
	w := newWorld(t)
	w.exec(`UPDATE profile SET is_bulk_buyer = 1 WHERE slug = 'acme'`)
	w.exec(`UPDATE plan SET setup_amount = 500 WHERE slug = 'premium'`)
	w.exec(`INSERT INTO advance_discount (plan_id, discount_type, discount_value, length) VALUES (?, 1, 0, 12)`,
		w.ids["plan premium"])
	c := resttest.Case
	for sync, more := range map[string]string{
		"one": `,"option":2`, "two": `,"option":1,"use":"requests","quantity":900`, "three": `,"option":1`,
	} {
		w.Run(t, c("cart", "yan", "POST /api/cart",
			`{"plan":"premium","full_name":"N","sync_on":"`+sync+`@example.net"`+more+`}`, 201, "*"))
	}
	w.Run(t, c("paid", "yan", "POST /api/billing/acme/checkout", `{"processor_token":"tok_visa"}`, 201,
		`~"amount":371500`))
	w.settle()
	left := func() string {
		return w.values(`SELECT nb_periods FROM cart_item WHERE claim_code IS NOT NULL ORDER BY nb_periods`)
	}
	for _, step := range []struct {
		amount int64
		want   string
	}{{500, "1 1 12"}, {90000, "1 1 12"}, {240000, "1 1"}, {20000, "1"}, {500, "1"}, {20000, ""}, {500, ""}} {
		num := w.values(`SELECT count(*) FROM charge_item WHERE id < (
			SELECT i.id FROM charge_item i JOIN txn o ON o.id = i.invoiced_id WHERE o.dest_amount = ?
			AND NOT EXISTS (SELECT 1 FROM txn g WHERE g.event_id = 'cha_' || i.charge_id || '/' || i.id || '/')
			ORDER BY i.id LIMIT 1)`, step.amount)
		key := w.values(`SELECT processor_key FROM charge`)
		w.Run(t, c("refund", "donny", "POST /api/billing/acme/charges/"+key+"/refund",
			`{"lines":[{"num":`+num+`}]}`, 200, `~refunded`))
		if got := left(); got != step.want {
			t.Errorf("after a refund of %d seats are left for %s, want %s", step.amount, got, step.want)
		}
	}
	w.verify()
}

// TestSeatsSideBySide takes each seat by itself, whatever else of the plan is in the cart: none is lost, none is paid
// again, and what is bought beside it costs what it does.
func TestSeatsSideBySide(t *testing.T) {
	w := newWorld(t)
	codes := w.bought(t, "", "gus@example.com", "gym")
	c := resttest.Case
	const free = `until 2026/04/15 (1 month) - a 100% discount, complimentary of Acme Corp","amount":"$0.00"`
	w.Run(t,
		c("one's own", "gus", "POST /api/cart", `{"plan":"premium","use":"requests","quantity":2}`, 201, "*"),
		c("a seat", "gus", "GET /api/billing/gym/checkout?code="+codes[0], "", 200, `~`+free),
		c("another", "gus", "GET /api/billing/gym/checkout?code="+codes[1], "", 200,
			`~`+free+`~until 2026/05/15 (1 month) - a 100% discount~"amount":"$0.00"~`+
				`until 2026/06/15 (1 month)","amount":"$200.00"~Buy 2 Premium Requests","amount":"$2.00"`),
		c("all", "gus", "POST /api/billing/gym/checkout", `{"processor_token":"tok_visa"}`, 201, `~"amount":20200,`),
	)
	w.settle()
	if got := w.until("gym"); got != "2026-06-15" {
		t.Errorf("all of it ends %s", got)
	}
	if got := w.values(`SELECT nb_attempts FROM coupon UNION ALL SELECT count(*) FROM coupon_claim`); got != "0 2" {
		t.Errorf("left and claimed: %s", got)
	}
	got := w.values(`SELECT substr(descr, 31, 10) FROM txn
		WHERE event_id GLOB 'sub_*' AND dest_account = 'Payable' AND nb_periods = 1 ORDER BY id`)
	if got != "2026/04/15 2026/05/15 2026/06/15" {
		t.Errorf("ordered: %s", got)
	}
	w.verify()
}

// TestSeatsAskOnce leaves in the cart what asks for a subscription that is asked for beside it.
func TestSeatsAskOnce(t *testing.T) {
	w := newWorld(t)
	codes := w.bought(t, "", "gus@example.com", "gym")
	w.exec(`UPDATE plan SET optin_on_request = 1`)
	c := resttest.Case
	w.Run(t,
		c("a seat", "gus", "GET /api/billing/gym/checkout?code="+codes[0], "", 200, `~"amount":"$0.00"`),
		c("another", "gus", "POST /api/billing/gym/checkout?code="+codes[1], `{}`, 200, `{}`),
		c("is left", "gus", "GET /api/cart", "", 200, `~{"count":1,~"claim_code":"`+codes[1]+`"`),
		c("until it is answered", "gus", "POST /api/billing/gym/checkout", `{}`, 400,
			`{"detail":"A request for this subscription waits for an answer."}`),
	)
	w.exec(`UPDATE subscription SET request_key = NULL, ends_at = ? WHERE profile_id = ? AND plan_id = ?`,
		utc(t, "2026-04-15 12:00").UnixMicro(), w.ids["gym"], w.ids["plan premium"])
	w.Run(t, c("taken then", "gus", "POST /api/billing/gym/checkout", `{}`, 200, `{}`))
	if got := w.until("gym"); got != "2026-05-15" {
		t.Errorf("both end %s", got)
	}
	w.verify()
}
