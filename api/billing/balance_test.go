package billing

import (
	"net/http/httptest"
	"testing"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// due is what a profile owes in usd.
func (w *world) due(profile string) (sum int64) {
	w.t.Helper()
	w.read(func(r store.Reader) error {
		statement, err := ledger.StatementOf(r, w.ids[profile], store.Time{})
		if err != nil {
			return err
		}
		total, err := statement.Total()
		sum = 0
		for _, a := range total {
			sum += a.Value
		}
		return err
	})
	return sum
}

// TestUses is the worked example of ledger.md 5.4 (b), and the errors of 9.5 to the byte.
func TestUses(t *testing.T) {
	w := newWorld(t)
	c := resttest.Case
	const use = "POST /api/billing/acme/balance"
	w.Run(t,
		c("nothing", "donny", use, `{}`, 400, `{"plan":["This field is required."]}`),
		c("unknown plan", "donny", use, `{"plan":"x"}`, 400, `{"plan":["Plan 'x' does not exist or is inactive."]}`),
		c("no use", "donny", use, `{"plan":"premium"}`, 400, `{"detail":"No UseCharge specified."}`),
		c("unknown use", "donny", use, `{"plan":"premium","use":"x"}`, 400, `{"use":["UseCharge 'x' does not exist or is inactive."]}`),
		c("use of another plan", "donny", use, `{"plan":"basic","use":"requests"}`, 400, `{"detail":["UseCharge requests does not belong to plan basic"]}`),
		c("no number", "donny", use, `{"plan":"premium","use":"requests","quantity":"many"}`, 400, `{"quantity":["A valid integer is required."]}`),
		c("negative", "donny", use, `{"plan":"premium","use":"requests","quantity":-1}`, 400, `{"quantity":["Ensure this value is greater than or equal to 0."]}`),
		c("no date", "donny", use, `{"plan":"premium","use":"requests","created_at":"soon"}`, 400,
			`{"created_at":["Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]."]}`),
		c("not covered", "donny", use, `{"plan":"premium","use":"requests","created_at":"2030-01-01T00:00:00Z"}`, 400,
			`{"detail":"Couldn't find a subscription to premium that covers 2030-01-01T00:00:00+00:00."}`),
		c("within the quota", "donny", use, `{"plan":"premium","use":"requests","quantity":1}`, 200, `{}`),
		c("dry", "donny", use+"?dry_run=1", `{"plan":"premium","use":"requests","quantity":5}`, 201, `~"dest_amount":400`),
		c("beyond", "donny", use, `{"plan":"premium","use":"requests","quantity":5}`, 201, `~"description":"Buy 4 Premium Requests","amount":"$4.00","is_debit":false~"dest_account":"Payable"`).With("Idempotency-Key: a"),
		c("the same again", "donny", use, `{"plan":"premium","use":"requests","quantity":5}`, 201, `~"dest_amount":400`).With("Idempotency-Key: a"),
		c("another with its key", "donny", use, `{"plan":"premium","use":"requests","quantity":6}`, 409, `{"detail":"This Idempotency-Key was used for another request."}`).With("Idempotency-Key: a"),
	)
	if got := w.due("acme"); got != 400 {
		t.Errorf("acme owes %d, want 400", got)
	}
	w.verify()
}

// TestClearBalance writes off and records payments, each provider for itself, and the second time nothing (ledger.md 12.5, 12.6).
func TestClearBalance(t *testing.T) {
	w := newWorld(t)
	c := resttest.Case
	w.order("acme:premium", 20000)
	w.order("acme:gym-monthly", 3000)
	w.Do("donny", "POST /api/billing/acme/balance", `{"plan":"premium","use":"requests","quantity":6}`)
	owes := func(want int64) resttest.Step {
		return c("owes", "yan", "GET /api/billing/acme/balance", "", 200, `*`).Then(func(t *testing.T, _ *httptest.ResponseRecorder) {
			t.Helper()
			if got := w.due("acme"); got != want {
				t.Errorf("acme owes %d, want %d", got, want)
			}
			w.verify()
		})
	}
	w.Run(t,
		owes(23400),
		c("bad amount", "alice", "DELETE /api/billing/acme/balance?amount=0", "", 400, `{"amount":["Ensure this value is greater than or equal to 1."]}`),
		c("no amount", "alice", "DELETE /api/billing/acme/balance?amount=x", "", 400, `{"amount":["A valid integer is required."]}`),
		c("by the customer", "yan", "DELETE /api/billing/acme/balance", "", 403, `{"detail":"You do not have permission to perform this action."}`),
		c("part, paid", "gus", "DELETE /api/billing/acme/balance?amount=1000&paid=true", "", 204, ""), owes(22400),
		c("all of gym's", "gus", "DELETE /api/billing/acme/balance", "", 204, ""), owes(20400),
		c("again", "gus", "DELETE /api/billing/acme/balance", "", 204, ""), owes(20400),
		c("part across events, paid", "donny", "DELETE /api/billing/acme/balance?paid=1&amount=20100", "", 204, ""), owes(300),
		c("the use", "alice", "DELETE /api/billing/acme/balance?amount=99999", "", 204, ""), owes(0),
		c("nothing left", "alice", "DELETE /api/billing/acme/balance?paid=1", "", 204, ""), owes(0),
		c("unpaid orders", "yan", "GET /api/billing/acme/balance", "", 200,
			`{"start_at":null,"ends_at":"2026-03-15T12:00:00Z","next_billing_at":"2026-04-01","balance_amount":0,"balance_unit":"usd","count":0,"next":null,"previous":null,"results":[]}`),
	)
	if got, want := w.accounts("acme"), "Canceled 2300"; got != want {
		t.Errorf("acme has %s, want %s", got, want)
	}
}

// TestHistory shows the same entries as customer, provider and treasurer see them.
func TestHistory(t *testing.T) {
	w := newWorld(t)
	key := w.paid("tok_visa", "acme:premium", 20000)
	w.Clock.Advance(1e9)
	w.Do("donny", "POST /api/billing/acme/charges/"+key+"/refund", `{"lines":[{"num":0,"refunded_amount":5000}]}`)
	w.order("acme:gym-monthly", 3000)
	w.Clock.Advance(1e9)
	c := resttest.Case
	w.Run(t,
		c("customer", "yan", "GET /api/billing/acme/history", "", 200, `~{"start_at":null,"ends_at":"2026-03-15T12:00:02Z","balance_amount":3000,"balance_unit":"usd","count":4,`+
			`"next":null,"previous":null,"results":[{"created_at":"2026-03-15T12:00:00Z","description":"Subscription to Premium until 2026/09/01 (1 month)","amount":"$200.00","is_debit":false,`+
			`"orig_account":"Receivable","orig_profile":{"slug":"cowork","printable_name":"Cowork","picture":null,"type":"organization","credentials":false,"created_at":"2026-01-01T00:00:00Z"},`+
			`"orig_amount":20000,"orig_unit":"usd","dest_account":"Payable","dest_profile":{"slug":"acme","printable_name":"Acme Corp","picture":null,"type":"organization","credentials":false,"created_at":"2026-01-01T00:00:00Z"},`+
			`"dest_amount":20000,"dest_unit":"usd"},`),
		c("before the order", "yan", "GET /api/billing/acme/history?ends_at=2026-03-15T12:00:01Z", "", 200, `~"balance_amount":0~"count":2`),
		c("payment is a debit", "yan", "GET /api/billing/acme/history?q=credit+card", "", 200, `~"count":1~"amount":"($200.00)","is_debit":true~Charge `+key+` on credit card of Joe Test`),
		c("unpaid", "yan", "GET /api/billing/acme/balance", "", 200, `~"balance_amount":3000~"count":1~"description":"Subscription to Gym Monthly until`),
		c("sales", "donny", "GET /api/billing/cowork/receivables", "", 200, `~"balance_amount":20000~"count":1`),
		c("sales of the future", "donny", "GET /api/billing/cowork/receivables?start_at=2026-04-01", "", 200, `~"balance_amount":0~"count":0`),
		c("cash", "donny", "GET /api/billing/cowork/transfers", "", 200, `~{"count":2,"next":null~"amount":"$183.90","is_debit":false~"amount":"($45.97)","is_debit":true~"description":"Charge `+key+` refund for Subscription to Premium until 2026/09/01 (1 month)"`),
		c("cash, a page", "donny", "GET /api/billing/cowork/transfers?page_size=1&force=", "", 200, `~"count":2~page=2`),
		c("CSV", "donny", "GET /api/billing/cowork/transfers?format=csv", "", 200, "~created_at,description~18390"),
	)
	w.verify()
}

// TestImport records payments received elsewhere; too much becomes a credit, which a later order uses up (ledger.md 12.9).
func TestImport(t *testing.T) {
	w := newWorld(t)
	c := resttest.Case
	const path = "POST /api/billing/cowork/transfers/import"
	w.order("acme:premium", 20000)
	w.Run(t,
		c("no colon", "donny", path, `{"subscription":"acme","amount":1}`, 400, `{"subscription":["Subscription should be of the form subscriber:plan."]}`),
		c("no subscriber", "donny", path, `{"subscription":"nobody:premium","amount":1}`, 400, `{"subscription":["Invalid subscriber"]}`),
		c("no plan", "donny", path, `{"subscription":"acme:gold","amount":1}`, 400, `{"subscription":["Invalid plan"]}`),
		c("plan of another", "donny", path, `{"subscription":"acme:gym-monthly","amount":1}`, 400, `{"subscription":["Invalid plan"]}`),
		c("not subscribed", "donny", path, `{"subscription":"acme:basic","amount":1}`, 400, `{"subscription":["Invalid combination of subscriber and plan, or the subscription is no longer active."]}`),
		c("nothing", "donny", path, `{}`, 400, `{"subscription":["This field is required."],"amount":["This field is required."]}`),
		c("too much", "donny", path, `{"subscription":"acme:premium","amount":25000,"descr":"Check 42","created_at":"2026-03-14T00:00:00Z"}`, 201, `~"created_at":"2026-03-14T00:00:00Z","description":"Check 42 (donny)"~"dest_amount":25000`),
	)
	if got := w.due("acme"); got != -5000 {
		t.Errorf("acme owes %d, want a credit of 5000", got)
	}
	w.order("acme:premium", 20000)
	var bills []bill
	w.read(func(r store.Reader) (err error) {
		bills, err = w.balanceBills(r, w.ids["acme"], store.Time{})
		return err
	})
	if len(bills) != 1 || bills[0].amount() != 15000 || bills[0].Lines[0].Entry != 0 || bills[0].Lines[0].FeePercent != 500 {
		t.Errorf("bills %+v, want one line of 15000", bills)
	}
	w.verify()
}
