package billing

import (
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

const (
	denied  = `{"detail":"Permission denied"}`
	missing = `{"detail":"No Charge matches the given query."}`
)

// TestChargeAccess is who may call what about charges, balances and cards: endpoint by caller.
func TestChargeAccess(t *testing.T) {
	w := newWorld(t)
	key := w.paid("tok_visa", "acme:premium", 20000)
	code := w.invoiced("acme:gym-monthly", 3000)
	everyone := []string{"", "alice", "kim", "donny", "cleo", "gus", "yan", "zoe"}
	for _, row := range []struct {
		request, body string
		status        string // of everyone, in order
	}{
		{"GET /api/billing/charges", "", "401 200 200 403 403 403 403 403"},
		{"GET /api/billing/acme/charges", "", "401 200 200 200 200 200 200 403"},
		{"GET /api/billing/acme/charges/" + key, "", "401 200 200 200 200 200 200 403"},
		{"POST /api/billing/acme/charges/" + key + "/refund?dry_run=1", `{"lines":[{"num":0,"refunded_amount":1}]}`, "401 200 403 200 403 403 403 403"},
		{"POST /api/billing/acme/charges/" + key + "/email", "{}", "401 200 403 200 403 200 200 403"},
		{"GET /api/billing/acme/balance", "", "401 200 200 200 200 200 200 403"},
		{"POST /api/billing/acme/balance?dry_run=1", `{"plan":"premium","use":"requests","quantity":5}`, "401 201 403 201 403 403 403 403"},
		{"GET /api/billing/acme/history", "", "401 200 200 200 200 200 200 403"},
		{"GET /api/billing/cowork/receivables", "", "401 200 200 200 200 403 403 403"},
		{"GET /api/billing/cowork/transfers", "", "401 200 200 200 200 403 403 403"},
		{"POST /api/billing/cowork/transfers/import?dry_run=1", `{"subscription":"acme:premium","amount":1}`, "401 201 403 201 403 403 403 403"},
		{"POST /api/billing/cowork/transfers/withdraw?dry_run=1", `{"amount":1}`, "401 202 403 202 403 403 403 403"},
		{"GET /api/billing/cowork/bank", "", "401 200 200 200 200 403 403 403"},
		{"GET /api/billing/acme/card", "", "401 200 200 200 200 200 200 403"},
		{"GET /api/billing/payments/" + code, "", "200 200 200 200 200 200 200 200"},
		{"POST /api/billing/gym/payments/" + code + "/collected?dry_run=1", `{"amount":1}`, "401 200 403 403 403 200 403 403"},
		{"PUT /api/billing/acme/card", `{"token":"tok_visa"}`, "401 200 403 403 403 403 200 403"},
		{"PUT /api/billing/ghost/card", `{"token":"tok_visa"}`, "401 200 403 200 403 403 403 403"},
		{"DELETE /api/billing/acme/card", "", "401 200 403 403 403 403 200 403"},
		{"DELETE /api/billing/cowork/bank", "", "401 204 403 204 403 403 403 403"},
		{"DELETE /api/billing/acme/balance?amount=1", "", "401 204 403 204 403 204 403 403"},
	} {
		for i, status := range strings.Fields(row.status) {
			want := map[string]int{"200": 200, "201": 201, "202": 202, "204": 204, "401": 401, "403": 403}[status]
			if got := w.Do(everyone[i], row.request, row.body); got.Code != want {
				t.Errorf("%s as %q: %d, want %d: %s", row.request, everyone[i], got.Code, want, got.Body)
			}
		}
	}
	w.verify()
}

// TestChargeAnswers is the documented answers of the endpoints of charges, errors to the byte.
func TestChargeAnswers(t *testing.T) {
	w := newWorld(t)
	key := w.paid("tok_visa", "acme:premium", 20000)
	charge := `{"created_at":"2026-03-15T12:00:00Z","amount":20000,"unit":"usd","state":"done","readable_amount":"$200.00",` +
		`"description":"Charge ` + key + ` on credit card of Joe Test","claim_code":"` + w.values(`SELECT claim_code FROM charge`) +
		`","last4":"1234","exp_date":"2027-03-15","processor_key":"` + key + `"`
	w.Clock.Advance(1e9)
	refund := "POST /api/billing/acme/charges/" + key + "/refund"
	c := resttest.Case
	w.Run(t,
		c("one", "yan", "GET /api/billing/acme/charges/"+key, "", 200, charge+"}"),
		c("of another customer", "alice", "GET /api/billing/xia/charges/"+key, "", 404, missing),
		c("unknown", "yan", "GET /api/billing/acme/charges/nope", "", 404, missing),
		c("unknown profile", "alice", "GET /api/billing/nobody/charges/"+key, "", 404, `{"detail":"No Organization matches the given query."}`),
		c("unknown profile, to others", "yan", "GET /api/billing/nobody/charges/"+key, "", 403, denied),
		c("all", "alice", "GET /api/billing/charges", "", 200, `{"start_at":null,"ends_at":"2026-03-15T12:00:01Z","balance_amount":20000,"balance_unit":"usd","count":1,"next":null,"previous":null,"results":[`+charge+`}]}`),
		c("searched", "alice", "GET /api/billing/charges?q=acme", "", 200, `~"balance_amount":20000~"count":1`),
		c("searched in vain", "alice", "GET /api/billing/charges?q=xia", "", 200, `~"balance_amount":0,"balance_unit":"usd","count":0`),
		c("sorted", "alice", "GET /api/billing/charges?o=Full%20name&o=-amount", "", 200, `~"count":1`),
		c("of xia", "xia", "GET /api/billing/xia/charges", "", 200, `~"balance_amount":0~"count":0`),
		c("of acme", "yan", "GET /api/billing/acme/charges", "", 200, `~"balance_amount":20000~"count":1`),
		c("CSV", "alice", "GET /api/billing/charges?format=csv", "", 200, "~created_at,amount,unit,state~,20000,usd,done"),
		c("email", "yan", "POST /api/billing/acme/charges/"+key+"/email", "", 200, `{"charge_id":"`+key+`","email":"acme@example.com","detail":"A copy of the receipt was sent to acme@example.com."}`),
		c("email of none", "yan", "POST /api/billing/acme/charges/nope/email", "", 404, missing),
		c("email by GET", "yan", "GET /api/billing/acme/charges/"+key+"/email", "", 405, `{"detail":"Method \"GET\" not allowed."}`),

		c("refund of nothing said", "donny", refund, `{}`, 400, `{"lines":["This field is required."]}`),
		c("refund of no number", "donny", refund, `{"lines":[{}]}`, 400, `{"lines":[{"num":["This field is required."]}]}`),
		c("refund of no line", "donny", refund, `{"lines":[{"num":5}]}`, 404, `{"detail":"Unable to retrieve line '5' in `+key+`"}`),
		c("refund of a line below 0", "donny", refund, `{"lines":[{"num":-1}]}`, 404, `{"detail":"Unable to retrieve line '-1' in `+key+`"}`),
		c("refund of 0", "donny", refund, `{"lines":[{"num":0,"refunded_amount":0}]}`, 400, `{"lines":[{"refunded_amount":["Ensure this value is greater than or equal to 1."]}]}`),
		c("refund of too much", "donny", refund, `{"lines":[{"num":0,"refunded_amount":20001}]}`, 405, `{"detail":"Cannot refund $200.01 while there is only $200.00 available on the line item."}`),
		c("refund of too much, in two", "donny", refund, `{"lines":[{"num":0,"refunded_amount":20000},{"num":0,"refunded_amount":1}]}`, 405, `{"detail":"Cannot refund $0.01 while there is only $0.00 available on the line item."}`),
		c("refund of an unknown charge", "donny", "POST /api/billing/acme/charges/nope/refund", `{}`, 404, missing),
		c("refund of no lines", "donny", refund, `{"lines":[]}`, 200, charge+`,"detail":"$0.00 refunded successfully on charge `+key+`."}`),
		c("dry", "donny", refund+"?dry_run=true", `{"lines":[{"num":0,"refunded_amount":5000}]}`, 200, charge+`,"detail":"$50.00 refunded successfully on charge `+key+`."}`),
		c("part", "donny", refund, `{"lines":[{"num":0,"refunded_amount":5000}]}`, 200, charge+`,"detail":"$50.00 refunded successfully on charge `+key+`."}`),
		c("rest", "alice", refund, `{"lines":[{"num":0}]}`, 200, charge+`,"detail":"$150.00 refunded successfully on charge `+key+`."}`),
		c("too late", "donny", refund, `{"lines":[{"num":0,"refunded_amount":1}]}`, 405, `{"detail":"Cannot refund $0.01 while there is only $0.00 available on the line item."}`),
	)
	if got := w.accounts("cowork"); got != "Backlog -20000, Expenses 1610, Refund 20000" {
		t.Errorf("cowork has %s", got)
	}
	w.verify()
}

// TestRefundFunds refuses to give back what the provider has no more, before the processor hears of it.
func TestRefundFunds(t *testing.T) {
	w := newWorld(t)
	key := w.paid("tok_visa", "acme:premium", 20000)
	w.Run(t,
		resttest.Case("withdraw", "donny", "POST /api/billing/cowork/transfers/withdraw", `{"amount":18000}`, 202, "{}"),
		resttest.Case("refund", "donny", "POST /api/billing/acme/charges/"+key+"/refund", `{"lines":[{"num":0}]}`, 405,
			`{"detail":"cowork has $3.90 of funds available. $183.90 are required to refund 'Subscription to premium until 2026/09/01 (1 month)'"}`),
	)
	if got := w.values(`SELECT refunded FROM sandbox_charge`); got != "0" {
		t.Errorf("the processor gave %s back", got)
	}
	w.verify()
}

// TestRefundStates refuses refunds of charges that are not paid.
func TestRefundStates(t *testing.T) {
	for token, want := range map[string]string{"tok_pending": "pending", "tok_fail_later": "failed", "tok_dispute": "disputed"} {
		w := newWorld(t)
		code := w.invoiced("acme:premium", 20000)
		if got := w.Do("", "POST /api/billing/payments/"+code, `{"processor_token":"`+token+`"}`); got.Code != 201 {
			t.Fatal(got.Code, got.Body)
		}
		key := w.values(`SELECT processor_key FROM charge`)
		w.Do("yan", "GET /api/billing/acme/charges/"+key, "")
		w.Run(t, resttest.Case(token, "donny", "POST /api/billing/acme/charges/"+key+"/refund", `{"lines":[{"num":0}]}`, 405,
			`{"detail":"You cannot refund a `+want+` charge."}`))
		w.verify()
	}
}
