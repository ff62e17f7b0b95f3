package billing

import (
	"strings"
	"sync"
	"testing"

	"github.com/caddy-tollgate/tollgate/api/processor"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

// TestInvoice shows and pays invoices by their claim code (ledger.md 9.14, 9.15).
func TestInvoice(t *testing.T) {
	w := newWorld(t)
	code := w.invoiced("acme:premium", 20000)
	path := " /api/billing/payments/" + code
	c := resttest.Case
	w.Run(t,
		c("unknown", "", "GET /api/billing/payments/nope", "", 404, missing),
		c("pay unknown", "", "POST /api/billing/payments/nope", `{}`, 404, missing),
		c("show", "", "GET"+path, "", 200, `~{"processor_info":{"STRIPE_PUB_KEY":"pk_sandbox"},"results":[{"subscription":{"created_at":"2026-03-01T00:00:00Z","ends_at":"2026-09-01T00:00:00Z","profile":{"slug":"acme",`+
			`~"plan":{"slug":"premium","title":"Premium"},"auto_renew":true},"lines":[{"created_at":~"claim_code":"`+code+`","created_at":"2026-03-15T12:00:00Z","amount":20000,"unit":"usd","state":"created","processor_key":null,"last4":"","exp_date":null,"readable_amount":"$200.00"}`),
		c("no card", "", "POST"+path, `{}`, 400, `{"detail":"The profile doesn't have a payment method on file, and no payment token was passed."}`),
		c("declined", "", "POST"+path, `{"processor_token":"tok_declined"}`, 400, `~{"detail":"Your card was declined. We are taking`),
		c("no funds", "", "POST"+path, `{"processor_token":"tok_insufficient_funds"}`, 400, `{"detail":"Your card has insufficient funds."}`),
		c("3-D Secure", "", "POST"+path, `{"processor_token":"tok_authentication_required"}`, 400, `~{"detail":"Your bank asks you to confirm this payment.","code":"authentication_required","client_secret":"pi_`),
		c("dry", "", "POST"+path+"?dry_run=1", `{"processor_token":"tok_visa"}`, 201, `~"state":"created"~"processor_key":null`),
		c("confirmed", "", "POST"+path, `{"processor_token":"pi_123"}`, 201, `~"state":"created"`).With("Idempotency-Key: k"),
		c("the same request", "", "POST"+path, `{"processor_token":"pi_123"}`, 201, `~"state":"created"`).With("Idempotency-Key: k"),
		c("settled by showing it", "", "GET"+path, "", 200, `~{"results":[~"state":"done"~"last4":"1234"`),
		c("again", "", "POST"+path, `{"processor_token":"tok_visa"}`, 409, `{"detail":"This invoice has already been paid."}`),
	)
	w.agree("paid once")
	if got := w.values(`SELECT count(*) FROM sandbox_charge`); got != "1" {
		t.Errorf("%s charges, want 1", got)
	}
}

// TestInvoiceFailed tries a charge again that failed after all (decision 40).
func TestInvoiceFailed(t *testing.T) {
	w := newWorld(t)
	code := w.invoiced("acme:premium", 20000)
	path := " /api/billing/payments/" + code
	c := resttest.Case
	w.Run(t,
		c("fails later", "", "POST"+path, `{"processor_token":"tok_fail_later"}`, 201, `~"state":"created"`),
		c("failed", "", "GET"+path, "", 200, `~"state":"failed"`),
		c("pays now", "", "POST"+path, `{"processor_token":"tok_visa"}`, 201, `~"state":"created"`),
		c("paid", "", "GET"+path, "", 200, `~"state":"done"`),
	)
	if due := w.due("acme"); due != 0 {
		t.Errorf("acme still owes %d", due)
	}
	w.verify()
}

// TestInvoiceInPart takes what is still due of an invoice, and nothing when that is nothing (ledger.md 5.7).
func TestInvoiceInPart(t *testing.T) {
	w := newWorld(t)
	code := w.invoiced("acme:premium", 20000)
	c := resttest.Case
	pay := func(status int, want string) resttest.Step {
		return c("pay", "", "POST /api/billing/payments/"+code, `{"processor_token":"tok_visa"}`, status, want)
	}
	w.Run(t,
		c("some offline", "alice", "DELETE /api/billing/acme/balance?paid=1&amount=7000", "", 204, ""),
		pay(201, `~"amount":13000~"state":"created"`),
		c("settled", "", "GET /api/billing/payments/"+code, "", 200, `~"description":"Balance on Premium"~"state":"done"`),
	)
	if got := w.accounts("acme"); got != "settled 13000" {
		t.Errorf("acme has %s", got)
	}
	if got := w.accounts("cowork"); got != "Backlog -20000, Expenses 1057, Funds 11943, Offline 7000, settled -13000" {
		t.Errorf("cowork has %s, which is not the example of 5.7", got)
	}
	w.verify()

	code = w.invoiced("acme:gym-monthly", 3000)
	w.Run(t, c("written off", "gus", "DELETE /api/billing/acme/balance", "", 204, ""), pay(409, `{"detail":"This invoice has already been paid."}`))
	w.verify()
}

// TestCollected records that invoices were paid elsewhere: done when nothing is left, and never twice (ledger.md 9.16).
func TestCollected(t *testing.T) {
	w := newWorld(t)
	code := w.invoiced("acme:premium", 20000)
	path := "POST /api/billing/cowork/payments/" + code + "/collected"
	c := resttest.Case
	w.Run(t,
		c("unknown", "donny", "POST /api/billing/cowork/payments/nope/collected", `{}`, 404, missing),
		c("nothing", "donny", path, `{"amount":0}`, 400, `{"amount":["Ensure this value is greater than or equal to 1."]}`),
		c("of another provider", "gus", "POST /api/billing/gym/payments/"+code+"/collected", `{}`, 200, `~"state":"created"`),
		c("part", "donny", path, `{"amount":5000}`, 200, `~"state":"created"`),
		c("write part off", "donny", path, `{"amount":4000,"paid":false}`, 200, `~"state":"created"`),
		c("the rest", "donny", path, `{}`, 200, `~"state":"done"`),
		c("again", "donny", path, `{}`, 200, `~"state":"done"`),
	)
	if got := w.accounts("cowork"); got != "Backlog -16000, Offline 16000, Receivable -8000, Writeoff 4000" && got != "Backlog -16000, Offline 16000, Receivable -4000, Writeoff 4000" {
		t.Errorf("cowork has %s", got)
	}
	if due := w.due("acme"); due != 0 {
		t.Errorf("acme owes %d", due)
	}
	w.verify()

	code = w.invoiced("acme:premium", 500)
	w.Run(t,
		c("fails later", "", "POST /api/billing/payments/"+code, `{"processor_token":"tok_fail_later"}`, 201, "*"),
		c("collected all the same", "donny", "POST /api/billing/cowork/payments/"+code+"/collected", `{}`, 200, `~"state":"done"~"processor_key":null`),
	)
	w.verify()

	code = w.invoiced("acme:premium", 1000)
	w.Run(t,
		c("in flight", "", "POST /api/billing/payments/"+code, `{"processor_token":"tok_pending"}`, 201, "*"),
		c("not while it is", "donny", "POST /api/billing/cowork/payments/"+code+"/collected", `{}`, 409, `{"detail":"A payment is already in progress."}`),
		c("nor pay again", "", "POST /api/billing/payments/"+code, `{"processor_token":"tok_visa"}`, 409, `{"detail":"A payment is already in progress."}`),
	)
}

// TestDisputes opens, wins and loses disputes as the processor tells (ledger.md 5.13).
func TestDisputes(t *testing.T) {
	for token, want := range map[string][2]string{
		"tok_dispute_won":  {"done", "Backlog -20000, Expenses 1610, Funds 13793, Refund 5000"},
		"tok_dispute_lost": {"failed", "Backlog -20000, Chargeback 15000, Expenses 1610, Funds -1500, Refund 5000"},
	} {
		w := newWorld(t)
		key := w.paid(token, "acme:premium", 20000)
		w.exec(`UPDATE sandbox_charge SET asked = 0`)
		w.Do("donny", "POST /api/billing/acme/charges/"+key+"/refund", `{"lines":[{"num":0,"refunded_amount":5000}]}`)
		c := resttest.Case
		one := "GET /api/billing/acme/charges/" + key
		w.Run(t, c("opened", "yan", one, "", 200, `~"state":"disputed"`))
		if got := w.accounts("cowork"); got != "Backlog -20000, Chargeback 15000, Expenses 1610, Funds -1500, Refund 5000" {
			t.Errorf("%s: cowork has %s, which is not the example of 5.13", token, got)
		}
		w.verify()
		w.Run(t, c("closed", "yan", one, "", 200, `~"state":"`+want[0]+`"`), c("stays", "yan", one, "", 200, `~"state":"`+want[0]+`"`))
		if got := w.accounts("cowork"); got != want[1] {
			t.Errorf("%s: cowork has %s, want %s", token, got, want[1])
		}
		w.verify()
		if want[0] == "done" {
			w.Run(t, c("refund after it was won", "donny", "POST /api/billing/acme/charges/"+key+"/refund", `{"lines":[{"num":0}]}`, 200, `~$150.00 refunded`))
			w.verify()
		}
	}
}

// TestRefundElsewhere takes a refund that was made at the processor into the books, once (ledger.md 8.4).
func TestRefundElsewhere(t *testing.T) {
	w := newWorld(t)
	key := w.paid("tok_visa", "acme:premium", 20000)
	if err := w.sandbox.Refund(t.Context(), key, 6000, 0, "elsewhere"); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"evt_1", "evt_1", "evt_2"} {
		if err := w.TakeEvent(t.Context(), processor.Event{ID: id, Kind: processor.ChargeRefunded, ChargeKey: key}); err != nil {
			t.Fatal(err)
		}
	}
	w.agree("refund")
	if err := w.TakeEvent(t.Context(), processor.Event{ID: "evt_3", Kind: processor.ChargeSucceeded, ChargeKey: "ch_unknown"}); err == nil || !strings.Contains(err.Error(), "Not Found") {
		t.Errorf("an event of an unknown charge: %v", err)
	}
}

// TestRaces lets readers, events, the job and payers at a charge at once: one payment, one settlement (ledger.md 12.2).
func TestRaces(t *testing.T) {
	w := newWorld(t)
	code := w.invoiced("acme:premium", 20000)
	path := "/api/billing/payments/" + code
	together := func(n int, fn func(i int)) {
		var wg sync.WaitGroup
		for i := range n {
			wg.Add(1)
			go func() { defer wg.Done(); fn(i) }()
		}
		wg.Wait()
	}
	var mu sync.Mutex
	answers := map[int]int{}
	together(8, func(int) {
		got := w.Do("", "POST "+path, `{"processor_token":"tok_visa"}`)
		mu.Lock()
		answers[got.Code]++
		mu.Unlock()
	})
	if answers[201] != 1 || answers[409] != 7 {
		t.Errorf("answers %v, want one 201 and seven 409", answers)
	}
	key := w.values(`SELECT processor_key FROM charge`)
	together(16, func(i int) {
		switch i % 4 {
		case 0:
			w.Do("", "GET "+path, "")
		case 1:
			w.Do("yan", "GET /api/billing/acme/charges/"+key, "")
		case 2:
			if err := w.poll(t.Context(), 1); err != nil {
				t.Error(err)
			}
		case 3:
			if err := w.TakeEvent(t.Context(), processor.Event{ID: "evt_1", Kind: processor.ChargeSucceeded, ChargeKey: key}); err != nil {
				t.Error(err)
			}
		}
	})
	w.agree("settled")
	if got := w.values(`SELECT count(*) FROM txn WHERE kind = 'paid_by_card'`); got != "7" {
		t.Errorf("%s entries of the settlement, want 7", got)
	}
	clear(answers)
	together(8, func(int) {
		got := w.Do("donny", "POST /api/billing/acme/charges/"+key+"/refund", `{"lines":[{"num":0,"refunded_amount":15000}]}`)
		mu.Lock()
		answers[got.Code]++
		mu.Unlock()
	})
	if answers[200] != 1 {
		t.Errorf("answers %v, want one 200", answers)
	}
	w.agree("refunded")
}
