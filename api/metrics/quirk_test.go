package metrics

import (
	"strings"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// TestWriteOff: what is written off is no sale, makes nobody a customer, and is not due any more (decision 26).
func TestWriteOff(t *testing.T) {
	w := newWorld(t)
	w.order("bob:open", 20000, 1, day(7, 10))
	w.writeOff("bob:open", 20000, day(8, 4))
	const window = "?nb_periods=2&ends_at=2015-08-06T12:00:00Z"
	for path, want := range map[string]string{
		"balances":  "Income 0 0 0\nBacklog 0 0 0\nReceivable 0 20000 0",
		"funds":     "total-transactions 20000 0\nnew-transactions 20000 0\nchurned-transactions 0 0\npayments 0 0\nrefunds 0 0",
		"customers": "total-customers 1 0\nnew-customers 1 0\nchurned-customers 0 0\nnet-new-customers 1 0\npercent-customer-churn 0 0.0",
	} {
		if got := w.rows("zed", "GET /api/metrics/acme/"+path+window); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", path, got, want)
		}
	}
	w.Run(t,
		resttest.Case("nothing is due", "zed", "GET /api/metrics/acme/balances-due", "", 200, `{"count":0,"next":null,"previous":null,"results":[]}`),
		resttest.Case("it was ordered, and not paid", "zed", "GET /api/metrics/acme/lifetimevalue", "", 200, `~"contract_value":20000,"cash_payments":0,"deferred_revenue":0`),
	)
}

// TestOffline: what was paid elsewhere is paid (decision 26), and more than what is due is a credit.
func TestOffline(t *testing.T) {
	w := newWorld(t)
	w.order("bob:open", 5000, 1, day(8, 1))
	w.payOffline("bob:open", 6000, day(8, 2))
	w.Run(t,
		resttest.Case("payments", "zed", "GET /api/metrics/acme/funds?nb_periods=1", "", 200, `~"slug":"payments","title":"Payments","values":[["2015-08-06T12:00:00Z",6000]]`),
		resttest.Case("lifetime value", "zed", "GET /api/metrics/acme/lifetimevalue", "", 200, `~"contract_value":5000,"cash_payments":6000,"deferred_revenue":6000`),
		resttest.Case("a credit", "zed", "GET /api/metrics/acme/balances-due", "", 200, `~"balances":{"usd":{"contract_value":5000,"cash_payments":6000,"balance":-1000}}`),
	)
}

// TestUnits: tables are in the main unit alone, and balances due keep units apart (decision 18).
func TestUnits(t *testing.T) {
	w := newWorld(t)
	w.plan("acme", "euro", "Euro", ledger.Monthly, "eur")
	w.subscribe("bob", "euro", day(7, 1), day(9, 1))
	w.order("bob:euro", 300, 1, day(8, 1))
	w.order("bob:euro", 400, 1, day(8, 2))
	w.order("ann:open", 2000, 1, day(8, 2))
	w.pay("ann:open", 2000, 0, 1, day(8, 2))
	w.order("bob:open", 10, 1, day(8, 3))
	w.Run(t,
		resttest.Case("the unit of most rows", "zed", "GET /api/metrics/acme/funds?nb_periods=1", "", 200, `~"unit":"usd"~"Total Sales","values":[["2015-08-06T12:00:00Z",2010]]`),
		resttest.Case("by unit", "zed", "GET /api/metrics/acme/balances-due", "", 200,
			`~"balances":{"eur":{"contract_value":700,"cash_payments":0,"balance":700},"usd":{"contract_value":10,"cash_payments":0,"balance":10}}`),
		resttest.Case("a customer in the main unit", "zed", "GET /api/metrics/acme/lifetimevalue?q=bob&q_f=slug", "", 200, `~"contract_value":10,"cash_payments":0,"deferred_revenue":0,"unit":"usd"`),
		resttest.Case("CSV has columns by unit", "zed", "GET /api/metrics/acme/balances-due?format=csv", "", 200,
			"slug,printable_name,picture,type,credentials,created_at,eur_contract_value,eur_cash_payments,eur_balance,usd_contract_value,usd_cash_payments,usd_balance\r\n"+
				"bob,Bob,,personal,true,2015-01-01T00:00:00Z,700,0,700,10,0,10\r\n"),
	)
	for day := range 4 {
		w.order("bob:euro", 1, 1, store.At(time.Date(2015, 8, 4, day, 0, 0, 0, time.UTC)))
	}
	w.Run(t, resttest.Case("another main unit", "zed", "GET /api/metrics/acme/funds?nb_periods=1", "", 200, `~"unit":"eur"~"Total Sales","values":[["2015-08-06T12:00:00Z",404]]`))
}

// TestOtherProviders: what others sell, and whom they lose, shows nowhere (metrics.md 2.4, 3.1).
func TestOtherProviders(t *testing.T) {
	w := newWorld(t)
	w.plan("beta", "other", "Other", ledger.Monthly, "usd")
	w.subscribe("ann", "other", day(5, 1), day(8, 2))
	w.order("ann:other", 999, 1, day(8, 2))
	w.pay("ann:other", 999, 0, 1, day(8, 3))
	for _, path := range []string{"balances", "funds", "customers", "plans", "lifetimevalue", "balances-due", "mrr", "cohorts", "dunning"} {
		answer := w.Do("zed", "GET /api/metrics/acme/"+path, "")
		if body := answer.Body.String(); answer.Code != 200 || strings.Contains(body, "999") || strings.Contains(body, "Z\",1]") && path != "plans" {
			t.Errorf("%s: %d %s", path, answer.Code, body)
		}
	}
	if got := w.rows("zed", "GET /api/metrics/acme/plans?nb_periods=1"); !strings.HasSuffix(got, "churn 0") {
		t.Errorf("plans:\n%s", got)
	}
	if got := w.rows("eve", "GET /api/metrics/beta/plans?nb_periods=1"); got != "other 1 0\nchurn 1" {
		t.Errorf("plans of the other:\n%s", got)
	}
}

// TestFederation counts all plans of a member, keeps members of one name apart, and leaves out those who left (metrics.md 2.5, 2.6).
func TestFederation(t *testing.T) {
	w := newWorld(t)
	w.plan("ann", "a1", "A1", ledger.Monthly, "usd")
	w.plan("ann", "a2", "A2", ledger.Monthly, "usd")
	w.plan("bob", "b1", "B1", ledger.Monthly, "usd")
	w.exec(`UPDATE profile SET full_name = 'Ann Lee' WHERE slug = 'bob'`)
	w.subscribe("beta", "a1", store.At(day(5, 1).AddDate(-2, 0, 0)), day(9, 1)) // kept
	w.subscribe("beta", "a2", day(5, 1), day(9, 1))                             // new
	w.subscribe("beta", "b1", day(5, 1), day(6, 1))                             // lost
	w.subscribe("ann", "b1", day(5, 1), day(9, 1))                              // new
	w.Run(t,
		resttest.Case("by member", "zed", "GET /api/metrics/acme/federated", "", 200, `~"churned","values":[["Ann Lee",0],["Ann Lee",-1],["Acme",0]]`+
			`~"previously subscribed","values":[["Ann Lee",1],["Ann Lee",0],["Acme",1]]~"newly subscribed","values":[["Ann Lee",1],["Ann Lee",1],["Acme",2]]`),
		resttest.Case("lost since", "zed", "GET /api/metrics/acme/federated?start_at=2015-05-31", "", 200, `~"churned","values":[["Ann Lee",0],["Ann Lee",0],["Acme",0]]`),
		resttest.Case("shared", "zed", "GET /api/metrics/acme/federated/shared", "", 200, `~"values":[[1,1],[2,1]]`),
		resttest.Case("a member who left", "zed", "GET /api/metrics/acme/federated?ends_at=2015-08-20", "", 200, `~"churned","values":[["Ann Lee",-1],["Acme",-1]]`),
		resttest.Case("CSV", "zed", "GET /api/metrics/acme/federated?format=csv", "", 200, "title,Ann Lee,Ann Lee,Acme\r\nchurned,0,-1,0\r\npreviously subscribed,1,0,1\r\nnewly subscribed,1,1,2\r\n"),
		resttest.Case("CSV of the histogram", "zed", "GET /api/metrics/acme/federated/shared?format=csv", "", 200, "title,1,2\r\nshared,1,1\r\n"),
	)
}

// TestFederationGrant: a profile becomes no member, whose numbers are shown, by a grant that it has not accepted; it does by accepting.
func TestFederationGrant(t *testing.T) {
	w := newWorld(t)
	w.plan("beta", "bait", "Bait", ledger.Monthly, "usd")
	w.subscribe("acme", "bait", day(8, 1), day(12, 1))
	w.exec(`UPDATE subscription SET grant_key = 'k' WHERE id = ?`, w.ids["sub acme:bait"])
	w.Run(t,
		resttest.Case("not accepted", "eve", "GET /api/metrics/beta/federated", "", 200, `~"newly subscribed","values":[["Beta",1]]`),
		resttest.Case("not accepted, shared", "eve", "GET /api/metrics/beta/federated/shared", "", 200, `~"values":[]`),
	)
	w.exec(`UPDATE subscription SET grant_key = NULL WHERE id = ?`, w.ids["sub acme:bait"])
	w.Run(t,
		resttest.Case("accepted", "eve", "GET /api/metrics/beta/federated", "", 200, `~"newly subscribed","values":[["Acme",2],["Beta",3]]`),
		resttest.Case("accepted, shared", "eve", "GET /api/metrics/beta/federated/shared", "", 200, `~"values":[[1,2]]`),
	)
}

// TestPending: a subscription that waits to be accepted is none yet.
func TestPending(t *testing.T) {
	w := newWorld(t)
	w.exec(`UPDATE subscription SET grant_key = '1111111111111111111111111111111111111111' WHERE id = ?`, w.ids["sub ann:open"])
	if got, want := w.rows("zed", "GET /api/metrics/acme/plans?nb_periods=1&ends_at=2015-09-01T00:00:00"), "basic 0 0\nopen 1 1\nchurn 0"; got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

// TestPercent prints whole numbers with a decimal, and rounds half to even on the binary value (decision 19).
func TestPercent(t *testing.T) {
	for _, test := range []struct {
		part, whole int64
		want        any
	}{{0, 0, int64(0)}, {1, 0, int64(0)}, {0, 3, "0.0"}, {1, 3, "33.33"}, {2, 3, "66.67"}, {3, 3, "100.0"}, {1, 2, "50.0"}, {1, 8, "12.5"}, {1, 800, "0.12"}, {3, 800, "0.38"}, {7, 2, "350.0"}} {
		got := percent(test.part, test.whole)
		if n, ok := got.(interface{ String() string }); ok {
			got = n.String()
		}
		if got != test.want {
			t.Errorf("%d of %d: %v, want %v", test.part, test.whole, got, test.want)
		}
	}
}

// TestHint tells a provider that it cannot receive money: for the broker, while the site's processor has no keys.
func TestHint(t *testing.T) {
	w := newWorld(t)
	hint := func(who, as string, want bool) {
		t.Helper()
		answer := w.Do(as, "GET /api/metrics/"+who+"/funds", "").Body.String()
		if got := strings.HasSuffix(answer, `],"processor_hint":"connect_provider"}`); got != want {
			t.Errorf("%s: hint %v, want %v: %s", who, got, want, answer)
		}
	}
	hint("acme", "zed", true)
	hint("beta", "eve", true)
	w.exec(`UPDATE profile SET processor_deposit_key = 'acct_1' WHERE slug = 'beta'`)
	hint("beta", "eve", false)
	w.CanPay = func() bool { return true }
	hint("acme", "zed", false)
}
