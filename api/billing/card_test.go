package billing

import (
	"net/http/httptest"
	"testing"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

// TestCard puts a card on file, replaces and forgets it (ledger.md 9.10).
func TestCard(t *testing.T) {
	w := newWorld(t)
	w.exec(`UPDATE profile SET nb_renewal_attempts = 2 WHERE slug = 'acme'`)
	c := resttest.Case
	const path = " /api/billing/acme/card"
	const card = `{"last4":"***-1234","exp_date":"03/2027","card_name":"Joe Test"`
	w.Run(t,
		c("none", "yan", "GET"+path, "", 200, `{}`),
		c("what a browser needs", "yan", "GET"+path+"?update=1", "", 200, `{"processor_info":{"STRIPE_PUB_KEY":"pk_sandbox"}}`),
		c("no token", "yan", "PUT"+path, `{}`, 400, `{"token":["This field is required."]}`),
		c("no token to PATCH", "yan", "PATCH"+path, `{}`, 400, `{"token":["This field is required."]}`),
		c("declined", "yan", "PUT"+path, `{"token":"tok_expired"}`, 400, `{"detail":"Your card has expired."}`),
		c("first", "yan", "PUT"+path, `{"token":"tok_visa","full_name":"Yan"}`, 200, card+`,"detail":"Your credit card on file was sucessfully updated."}`),
		c("it", "yan", "GET"+path, "", 200, card+"}"),
		c("second", "yan", "PATCH"+path, `{"token":"tok_other"}`, 200, card+`,"detail":"Your credit card on file was sucessfully updated."}`),
		c("POST", "yan", "POST"+path, `{}`, 405, `{"detail":"Method \"POST\" not allowed."}`),
	)
	if got := w.values(`SELECT nb_renewal_attempts FROM profile WHERE slug = 'acme'`); got != "0" {
		t.Errorf("%s attempts to renew, want 0", got)
	}
	if got := w.values(`SELECT count(*) FROM outbox WHERE event = 'card_updated'`); got != "1" {
		t.Errorf("told %s times that a card was replaced, want once", got)
	}
	code := w.invoiced("acme:premium", 20000)
	w.Run(t,
		c("the card of another", "zoe", "POST /api/billing/payments/"+code, `{}`, 400, `{"detail":"The profile doesn't have a payment method on file, and no payment token was passed."}`),
		c("pay with it", "yan", "POST /api/billing/payments/"+code, `{}`, 201, `~"state":"created"~(yan)`),
		c("forget", "yan", "DELETE"+path, "", 200, `{"detail":"Your credit card is no longer on file with us."}`),
		c("forget nothing", "yan", "DELETE"+path, "", 200, `{"detail":"Your credit card is no longer on file with us."}`),
		c("none left", "yan", "GET"+path, "", 200, `{}`),
	)
}

// TestBank withdraws no more than there is, once per key (ledger.md 5.15, 9.9).
func TestBank(t *testing.T) {
	w := newWorld(t)
	w.paid("tok_visa", "acme:premium", 20000)
	c := resttest.Case
	const withdraw = "POST /api/billing/cowork/transfers/withdraw"
	w.Run(t,
		c("bank", "donny", "GET /api/billing/cowork/bank", "", 200, `{"bank_name":"Sandbox","last4":"***-0000","balance_amount":18390,"balance_unit":"usd"}`),
		c("nothing", "donny", withdraw, `{"amount":0}`, 202, `{}`),
		c("no amount", "donny", withdraw, `{}`, 400, `{"amount":["This field is required."]}`),
		c("negative", "donny", withdraw, `{"amount":-1}`, 400, `{"amount":["Ensure this value is greater than or equal to 0."]}`),
		c("too much", "donny", withdraw, `{"amount":18391}`, 400, `{"amount":["Ensure this value is less than or equal to $183.90."]}`),
		c("part", "donny", withdraw, `{"amount":10000}`, 202, `{}`).With("Idempotency-Key: w1"),
		c("the same", "donny", withdraw, `{"amount":10000}`, 202, `{}`).With("Idempotency-Key: w1"),
		c("what is left", "donny", "GET /api/billing/cowork/bank", "", 200, `~"balance_amount":8390`),
		c("a second later", "donny", "GET /api/billing/cowork/bank", "", 200, "*").Then(func(*testing.T, *httptest.ResponseRecorder) { w.Clock.Advance(1e9) }),
		c("cash", "donny", "GET /api/billing/cowork/transfers", "", 200, `~"count":2~"description":"withdraw from Cowork (donny)","amount":"($100.00)","is_debit":true`),
		c("connect", "donny", "GET /api/billing/cowork/bank/connect", "", 501, `~needs no connection`),
		c("disconnect", "donny", "DELETE /api/billing/cowork/bank", "", 204, ""),
	)
	w.verify()
}
