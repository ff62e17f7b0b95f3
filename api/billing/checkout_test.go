package billing

import (
	"encoding/json"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/store"
)

const noCard = `{"detail":"The profile doesn't have a payment method on file, and no payment token was passed."}`

// settle asks the processor what became of all charges.
func (w *world) settle() {
	w.t.Helper()
	for id := range strings.SplitSeq(w.values(`SELECT id FROM charge WHERE state = 0 AND processor_key IS NOT NULL`), " ") {
		if n, err := strconv.ParseInt(id, 10, 64); err == nil {
			if err := w.poll(w.t.Context(), n); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

// state is all that an order changes.
func (w *world) state() string {
	return w.values(`SELECT count(*) FROM txn UNION ALL SELECT count(*) FROM subscription UNION ALL SELECT sum(ends_at) FROM subscription
		UNION ALL SELECT count(*) FROM cart_item WHERE recorded = 0 UNION ALL SELECT count(*) FROM charge UNION ALL SELECT coalesce(sum(nb_attempts), 0) FROM coupon
		UNION ALL SELECT count(*) FROM sandbox_charge`)
}

// TestCheckout shows, refuses, orders and pays (subscriptions.md 10).
func TestCheckout(t *testing.T) {
	w := newWorld(t)
	w.exec(`UPDATE plan SET setup_amount = 1000 WHERE slug = 'premium'`)
	w.exec(`INSERT INTO advance_discount (plan_id, discount_type, discount_value, length) VALUES (?, 1, 1000, 12)`, w.ids["plan premium"])
	c := resttest.Case
	const path = " /api/billing/xia/checkout"
	w.Run(t,
		c("anonymous", "", "GET"+path, "", 401, `~{"detail"`),
		c("a stranger", "zoe", "GET"+path, "", 403, `{"detail":"Permission denied"}`),
		c("a provider reads", "donny", "GET"+path, "", 200, `{"processor_info":{"STRIPE_PUB_KEY":"pk_sandbox"},"results":[]}`),
		c("a provider does not buy", "donny", "POST"+path, `{}`, 403, `{"detail":"Permission denied"}`),
		c("nor on credit", "donny", "POST"+path+"/paylater", `{}`, 403, `{"detail":"Permission denied"}`),
		c("unknown to the broker", "alice", "GET /api/billing/nope/checkout", "", 404, `~{"detail"`),
		c("nothing", "xia", "POST"+path, `{}`, 200, `{}`),
		c("cart", "xia", "POST /api/cart", `{"plan":"premium"}`, 201, `~"option":0`),
		c("shown", "xia", "GET"+path, "", 200, `~"results":[{"subscription":{"created_at":null,"ends_at":"2026-03-15T12:00:00Z"~"plan":{"slug":"premium","title":"Premium","description"~`+
			`"lines":[{"created_at":"2026-03-15T12:00:00Z","description":"Setup fee for Premium","amount":"$10.00","is_debit":false,"orig_account":"Receivable","orig_profile":{"slug":"cowork"~`+
			`"options":[{"created_at":"2026-03-15T12:00:00Z","description":"Subscription to Premium until 2026/04/15 (1 month)","amount":"$200.00"~`+
			`"description":"Subscription to Premium until 2027/03/15 (12 months) - a 10% discount","amount":"$2160.00"`),
		c("to choose", "xia", "POST"+path, `{"processor_token":"tok_visa"}`, 400, `{"detail":"Cannot checkout when there are still options to choose from."}`),
		c("no such option", "xia", "POST"+path, `{"items":[{"option":3}],"processor_token":"tok_visa"}`, 400, `~Cannot checkout`),
		c("no list", "xia", "POST"+path, `{"items":"x"}`, 400, `{"items":{"detail":["Expected a list of items but got type \"str\"."]}}`),
		c("no option", "xia", "POST"+path, `{"items":[{}]}`, 400, `{"items":[{"option":["This field is required."]}]}`),
		c("no country", "xia", "POST"+path, `{"country":"Nowhere"}`, 400, `{"country":["\"Nowhere\" is not a valid choice."]}`),
		c("no card", "xia", "POST"+path, `{"items":[{"option":1}]}`, 400, noCard),
		c("declined", "xia", "POST"+path, `{"items":[{"option":1}],"processor_token":"tok_declined"}`, 400, `~{"detail":"Your card was declined.`),
		c("declined, to be saved", "xia", "POST"+path, `{"items":[{"option":1}],"processor_token":"tok_declined","remember_card":true}`, 400, `~{"detail":"Your card was declined.`),
		c("3-D Secure", "xia", "POST"+path, `{"items":[{"option":1}],"processor_token":"tok_authentication_required"}`, 400, `~"code":"authentication_required","client_secret":"pi_`),
	)
	if got := w.state(); !strings.HasPrefix(got, "0 5 ") || !strings.HasSuffix(got, " 1 0 0 0") {
		t.Errorf("what was refused left %s", got) // must-pass 7
	}
	before := w.state()
	w.Run(t, c("dry", "xia", "POST"+path+"?dry_run=true", `{"items":[{"option":2}],"processor_token":"tok_visa"}`, 201, `~"amount":217000~"processor_key":null`))
	if got := w.state(); got != before {
		t.Errorf("a dry run left %s, was %s", got, before)
	}
	w.Run(t,
		c("paid", "xia", "POST"+path, `{"items":[{"option":2}],"processor_token":"tok_visa","remember_card":true,"locality":"Lyon","country":"FR"}`, 201,
			`~"amount":217000,"unit":"usd","state":"created","readable_amount":"$2170.00","description":"Charge fake_`).With("Idempotency-Key: one").Then(func(t *testing.T, a *httptest.ResponseRecorder) {
			var charge Charge
			if err := json.Unmarshal(a.Body.Bytes(), &charge); err != nil || a.Header().Get("Location") != resttest.Base+"/billing/xia/receipt/"+*charge.ProcessorKey+"/" {
				t.Errorf("location %s", a.Header().Get("Location"))
			}
		}),
		c("the same request", "xia", "POST"+path, `{"items":[{"option":2}],"processor_token":"tok_visa","remember_card":true,"locality":"Lyon","country":"FR"}`, 201, `~"amount":217000`).With("Idempotency-Key: one"),
		c("the key of another", "xia", "POST"+path, `{}`, 409, `~{"detail"`).With("Idempotency-Key: one"),
		c("bought", "xia", "GET"+path, "", 200, `~"results":[]`),
		c("cart is empty", "xia", "GET /api/cart", "", 200, `~{"count":0`),
	)
	if got := w.values(`SELECT datetime(ends_at/1000000, 'unixepoch') FROM subscription WHERE profile_id = ? AND plan_id = ?`, w.ids["xia"], w.ids["plan premium"]); got != "2027-03-15 12:00:00" {
		t.Errorf("it ends %s", got) // must-pass 2
	}
	if got := w.values(`SELECT locality || '/' || country FROM profile WHERE id = ?`, w.ids["xia"]); got != "Lyon/FR" {
		t.Errorf("address %s", got)
	}
	w.settle()
	w.verify()
	w.agree("checkout")
	w.Run(t,
		c("more of it", "xia", "POST /api/cart", `{"plan":"premium","option":1}`, 201, `~"option":1`),
		c("without the fee, by the card on file", "xia", "POST"+path, `{}`, 201, `~"amount":20000~"last4":"`), // must-pass 11
	)
	if got := w.values(`SELECT datetime(ends_at/1000000, 'unixepoch') FROM subscription WHERE profile_id = ? AND plan_id = ?`, w.ids["xia"], w.ids["plan premium"]); got != "2027-04-15 12:00:00" {
		t.Errorf("extended, it ends %s", got)
	}
	w.settle()
	w.verify()
}

// accept accepts a request in the name of cowork, and charges it.
func (w *world) accept(key string) {
	w.t.Helper()
	var invoice int64
	w.write(func(tx *store.Tx) (err error) {
		_, invoice, err = w.subs.AcceptRequest(tx, "cowork", key, w.ids["user donny"])
		return err
	})
	if err := w.ChargeRequest(w.t.Context(), invoice); err != nil {
		w.t.Fatal(err)
	}
}

// TestPayLater owes what was ordered; paying it later extends nothing (subscriptions.md 10.4, must-pass 1).
func TestPayLater(t *testing.T) {
	w := newWorld(t)
	c := resttest.Case
	var first Charge
	w.Run(t,
		c("cart", "yan", "POST /api/cart", `[{"plan":"basic"},{"plan":"gym-monthly"}]`, 201, `~"plan"`),
		c("nothing for others", "xia", "POST /api/billing/xia/checkout/paylater", `{}`, 200, `{}`),
	)
	answer := w.Do("yan", "POST /api/billing/acme/checkout/paylater", `{}`)
	if err := json.Unmarshal(answer.Body.Bytes(), &first); err != nil || answer.Code != 201 || first.ClaimCode == nil {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	if got := answer.Header().Get("Location"); got != resttest.Base+"/billing/payments/"+*first.ClaimCode+"/" {
		t.Errorf("location %s", got)
	}
	ends := w.values(`SELECT ends_at FROM subscription ORDER BY id`)
	w.Run(t,
		c("due", "yan", "GET /api/billing/acme/balance?ends_at=2027-01-01T00:00:00Z", "", 200, `~"balance_amount":5000,"balance_unit":"usd","count":2`),
		c("again", "yan", "POST /api/billing/acme/checkout/paylater", `{}`, 201, `~"amount":2000~"claim_code":"`+*first.ClaimCode+`"`),
		c("more", "yan", "POST /api/cart", `{"plan":"premium"}`, 201, `~"plan"`),
		c("on the same invoice", "yan", "POST /api/billing/acme/checkout/paylater", `{}`, 201, `~"amount":22000~"claim_code":"`+*first.ClaimCode+`"~"processor_key":null`),
	)
	if got := w.values(`SELECT provider_id || ':' || amount FROM charge ORDER BY id`); got != w.values(`SELECT ?||':22000' UNION ALL SELECT ?||':3000'`, w.ids["cowork"], w.ids["gym"]) {
		t.Errorf("invoices %s", got)
	}
	longer := w.values(`SELECT ends_at FROM subscription ORDER BY id`)
	if longer == ends {
		t.Error("premium was not extended")
	}
	w.Run(t,
		c("balances at checkout", "yan", "GET /api/billing/acme/checkout", "", 200, `~"lines":[{~"dest_amount":2000~"dest_amount":3000~"dest_amount":20000`),
		c("paid, one charge each", "yan", "POST /api/billing/acme/checkout", `{"processor_token":"tok_visa"}`, 201, `~"amount":22000`),
	)
	w.settle()
	if got := w.values(`SELECT ends_at FROM subscription ORDER BY id`); got != longer {
		t.Errorf("paying a balance moved the end: %s, was %s", got, longer)
	}
	if due := w.due("acme"); due != 0 {
		t.Errorf("acme still owes %d", due)
	}
	w.verify()
	w.agree("paid later")
	w.Run(t, c("the invoice is paid as well", "", "POST /api/billing/payments/"+*first.ClaimCode, `{"processor_token":"tok_visa"}`, 409, `~already been paid`))
}

// TestTwoBrowsers press "pay" at once: one charge.
func TestTwoBrowsers(t *testing.T) {
	w := newWorld(t)
	w.Run(t, resttest.Case("cart", "xia", "POST /api/cart", `{"plan":"premium"}`, 201, `~"plan"`))
	var wait sync.WaitGroup
	codes := make([]int, 8)
	for i := range codes {
		wait.Go(func() {
			codes[i] = w.Do("xia", "POST /api/billing/xia/checkout", `{"processor_token":"tok_visa"}`).Code
		})
	}
	wait.Wait()
	paid := 0
	for _, code := range codes {
		if code == 201 {
			paid++
		} else if code != 409 && code != 200 {
			t.Errorf("status %d", code)
		}
	}
	if got := w.values(`SELECT count(*) FROM sandbox_charge`); paid != 1 || got != "1" {
		t.Errorf("%d answers 201, %s charges", paid, got)
	}
	w.settle()
	w.verify()
}

// TestAsked buys a plan that asks the provider first: nothing is ordered until it accepts (decisions 10 and 51, must-pass 12).
func TestAsked(t *testing.T) {
	w := newWorld(t)
	w.subs.SetOrders(w.Service)
	w.exec(`UPDATE plan SET optin_on_request = 1, setup_amount = 500 WHERE slug = 'premium'`)
	c := resttest.Case
	w.Run(t,
		c("cart", "xia", "POST /api/cart", `{"plan":"premium","use":"requests","quantity":2}`, 201, `~"plan"`),
		c("asked, with a card", "xia", "POST /api/billing/xia/checkout", `{"processor_token":"tok_visa","remember_card":true}`, 200, `{}`),
		c("asks once", "xia", "POST /api/cart", `{"plan":"premium"}`, 201, `~"plan"`),
		c("refused", "xia", "POST /api/billing/xia/checkout", `{"processor_token":"tok_visa"}`, 400, `{"detail":"A request for this subscription waits for an answer."}`),
		c("emptied", "xia", "DELETE /api/cart", "", 204, ""),
	)
	if got := w.state(); !strings.HasPrefix(got, "0 6 ") || !strings.HasSuffix(got, " 0 0 0 0") {
		t.Errorf("asking left %s", got)
	}
	if got := w.values(`SELECT processor_card_key IS NOT NULL FROM profile WHERE id = ?`, w.ids["xia"]); got != "1" {
		t.Error("the card was not saved")
	}
	key := w.values(`SELECT request_key FROM subscription WHERE request_key IS NOT NULL`)
	w.Clock.Advance(48 * 3600e9)
	w.accept(key)
	if got := w.values(`SELECT dest_amount FROM txn WHERE dest_account = 'Payable' ORDER BY id`); got != "500 20000 200" {
		t.Errorf("ordered %s", got)
	}
	w.settle()
	if due := w.due("xia"); due != 0 {
		t.Errorf("xia owes %d: the card was not charged", due)
	}
	if got := w.values(`SELECT datetime(ends_at/1000000, 'unixepoch') FROM subscription WHERE plan_id = ? AND profile_id = ?`, w.ids["plan premium"], w.ids["xia"]); got != "2026-04-17 12:00:00" {
		t.Errorf("it ends %s", got)
	}
	w.verify()
}

// TestGroupBuy pays for people who are on the site, and for some who are not (subscriptions.md 11, decisions 33, 35).
func TestGroupBuy(t *testing.T) {
	w := newWorld(t)
	c := resttest.Case
	w.Run(t,
		c("cart", "yan", "POST /api/cart", `[{"plan":"basic","full_name":"Xia","sync_on":"xia"},{"plan":"basic","full_name":"Fred","sync_on":"fred@example.com"},{"plan":"basic","full_name":"Zoe","sync_on":"zoe@example.com"}]`, 201, `~"plan"`),
		c("shown", "yan", "GET /api/billing/acme/checkout", "", 200, `~"profile":{"slug":"","printable_name":"Fred","picture":null,"type":"user","credentials":false,"created_at":null}~`+
			`Subscription to Basic until 2026/04/15 (1 month) - for Fred (fred@example.com)`),
		c("not a bulk buyer", "yan", "POST /api/billing/acme/checkout", `{"processor_token":"tok_visa"}`, 400, `~{"detail":"Only a bulk buyer`),
	)
	w.exec(`UPDATE profile SET is_bulk_buyer = 1 WHERE slug = 'acme'`)
	w.Run(t, c("paid", "yan", "POST /api/billing/acme/checkout", `{"processor_token":"tok_visa"}`, 201, `~"amount":6000`))
	w.settle()
	w.verify()
	if got := w.values(`SELECT nb_attempts FROM coupon WHERE code LIKE 'cpn_%'`); got != "3" {
		t.Errorf("the coupon is for %s", got)
	}
	code := w.values(`SELECT claim_code FROM cart_item WHERE claim_code IS NOT NULL AND id = 2`)
	before := w.values(`SELECT count(*) FROM charge`)
	w.Run(t,
		c("nobody knows", "", "GET /api/cart", "", 200, `~{"count":0`),
		c("an unknown code", "gus", "GET /api/billing/gym/checkout?code=nope", "", 200, `~"results":[]`),
		c("claimed", "gus", "GET /api/billing/gym/checkout?code="+code, "", 200, `~"lines":[{~Subscription to Basic until 2026/04/15 (1 month) - a 100% discount, complimentary of Acme Corp","amount":"$0.00"`),
		c("claimed once", "donny", "GET /api/billing/cowork/checkout?code="+code, "", 200, `~"results":[]`),
		c("free", "gus", "POST /api/billing/gym/checkout?code="+code, `{}`, 200, `{}`),
		c("subscribed", "gus", "POST /api/billing/gym/checkout", `{}`, 200, `{}`),
	)
	if got := w.values(`SELECT count(*) FROM subscription WHERE profile_id = ? AND plan_id = ?`, w.ids["gym"], w.ids["plan basic"]); got != "1" {
		t.Errorf("%s subscriptions of gym", got)
	}
	if got := w.values(`SELECT nb_attempts FROM coupon WHERE code LIKE 'cpn_%'`); got != "2" {
		t.Errorf("after the claim the coupon is for %s", got)
	}
	if got := w.values(`SELECT count(*) FROM charge`); got != before {
		t.Error("a claim was charged")
	}
	w.verify()
}

// TestCoupon uses a coupon up when it is ordered with, not before, and once (decision 17).
func TestCoupon(t *testing.T) {
	w := newWorld(t)
	w.coupon("ONE", 1, 2500)
	w.exec(`UPDATE coupon SET nb_attempts = 1`)
	c := resttest.Case
	for _, name := range []string{"xia", "yan"} {
		w.Run(t, c("cart of "+name, name, "POST /api/cart", `{"plan":"premium","option":1}`, 201, `~"plan"`))
		w.exec(`UPDATE cart_item SET coupon_id = 1`)
	}
	w.Run(t,
		c("declined", "xia", "POST /api/billing/xia/checkout", `{"processor_token":"tok_declined"}`, 400, `~declined`),
		c("both may", "yan", "GET /api/billing/acme/checkout", "", 200, `~a 25% discount (code: ONE)","amount":"$150.00"`),
		c("one does", "xia", "POST /api/billing/xia/checkout", `{"processor_token":"tok_visa"}`, 201, `~"amount":15000`),
		c("without", "yan", "GET /api/billing/acme/checkout", "", 200, `~(1 month)","amount":"$200.00"`),
	)
	if got := w.values(`SELECT nb_attempts FROM coupon`); got != "0" {
		t.Errorf("%s left", got)
	}
	w.settle()
	w.verify()
}

// TestCardRefusals notes for which providers a card did not pay, once each: a provider learns nothing of what others are owed. A payment
// that waits for 3-D Secure is no refusal, nor is one that was never asked for.
func TestCardRefusals(t *testing.T) {
	w := newWorld(t)
	w.order("acme:premium", 20000)
	c := resttest.Case
	w.Run(t,
		c("3-D Secure", "yan", "POST /api/billing/acme/checkout", `{"processor_token":"tok_authentication_required"}`, 400, `~client_secret`),
		c("refused for one provider", "yan", "POST /api/billing/acme/checkout", `{"processor_token":"tok_declined"}`, 400, "*"),
	)
	w.order("acme:gym-monthly", 3000)
	w.order("acme:premium", 1000)
	w.Run(t, c("for two", "yan", "POST /api/billing/acme/checkout", `{"processor_token":"tok_declined"}`, 400, "*"))
	w.broken = "pay:prepared"
	w.Do("yan", "POST /api/billing/acme/checkout", `{"processor_token":"tok_visa"}`)
	w.restart()
	w.Clock.Advance(48 * time.Hour)
	w.sweep() // too old: it is not made
	if got := w.values(`SELECT p.slug || ':' || q.slug FROM card_refusal r JOIN profile p ON p.id = r.customer_id JOIN profile q ON q.id = r.provider_id ORDER BY q.slug`); got != "acme:cowork acme:cowork acme:gym" {
		t.Errorf("refusals: %s", got)
	}
	w.agree("refusals")
}
