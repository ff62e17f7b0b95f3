package metrics

import (
	"testing"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// TestRevenue follows customers through the year: ann comes in March, grows in April, shrinks in May, is lost in June and comes back in
// July; bob pays for a year in advance in March; beta pays by the week.
func TestRevenue(t *testing.T) {
	w := newWorld(t)
	w.exec(`DELETE FROM subscription`)
	w.plan("acme", "annual", "Annual", ledger.Yearly, "usd")
	w.plan("acme", "weekly", "Weekly", ledger.Weekly, "usd")
	w.plan("acme", "addon", "Add-on", ledger.Monthly, "usd")
	w.subscribe("ann", "open", day(3, 10), day(6, 10))
	w.order("ann:open", 3000, 1, day(3, 10))
	w.order("ann:open", 6000, 2, day(4, 10)) // the same price a month
	w.subscribe("ann", "addon", day(4, 20), day(5, 20))
	w.order("ann:addon", 500, 1, day(4, 20))
	w.subscribe("ann", "basic", day(7, 10), day(8, 10))
	w.order("ann:basic", 1000, 1, day(7, 10))
	w.subscribe("bob", "annual", day(3, 5), store.At(day(3, 5).AddDate(1, 0, 0)))
	w.order("bob:annual", 12000, 1, day(3, 5))
	w.subscribe("beta", "weekly", day(7, 20), day(8, 30))
	w.order("beta:weekly", 112*4, 4, day(7, 20))                // 1.12 a week are 4.87 a month
	const window = "?nb_periods=6&ends_at=2015-08-06T12:00:00Z" // March to August
	for path, want := range map[string]string{
		"mrr": "mrr 4000 4500 4000 1000 2487 2487\nnew 4000 0 0 0 487 0\nexpansion 0 500 0 0 0 0\ncontraction 0 0 500 0 0 0\n" +
			"churn 0 0 0 3000 0 0\nreactivation 0 0 0 0 1000 0",
		"churn":   "customer-churn 0 0 0 5000 0 0\ngross-revenue-churn 0 0 1111 7500 0 0\nnet-revenue-churn 0 -1250 1111 7500 0 0",
		"cohorts": "earlier 0 0 0 0 0 0\n2015-04-01T07:00:00Z 2 2 2 1 2 2\n2015-05-01T07:00:00Z 0 0 0 0 0 0\n2015-06-01T07:00:00Z 0 0 0 0 0 0\n2015-07-01T07:00:00Z 0 0 0 0 0 0\n2015-08-01T07:00:00Z 0 0 0 0 1 1\n2015-08-06T12:00:00Z 0 0 0 0 0 0",
	} {
		if got := w.rows("zed", "GET /api/metrics/acme/"+path+window); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", path, got, want)
		}
	}
	w.Run(t,
		resttest.Case("the shape of a table", "zed", "GET /api/metrics/acme/mrr?nb_periods=1", "", 200,
			`~{"title":"Monthly recurring revenue","unit":"usd","scale":0.01,"results":[{"slug":"mrr","title":"MRR","values":[["2015-08-06T12:00:00Z",2487]]},`),
		resttest.Case("percents", "zed", "GET /api/metrics/acme/churn?nb_periods=1", "", 200, `~{"title":"Churn","unit":"percent","scale":0.01,"results":[{"slug":"customer-churn","title":"Customer churn","values"`),
		resttest.Case("cohorts of one period", "zed", "GET /api/metrics/acme/cohorts?nb_periods=1", "", 200,
			`{"title":"Cohorts","results":[{"slug":"earlier","title":"Earlier","values":[["2015-08-06T12:00:00Z",3]]},{"slug":"2015-08-06T12:00:00Z","title":"Since 2015-08-01","values":[["2015-08-06T12:00:00Z",0]]}]}`),
		resttest.Case("cohorts by the hour", "zed", "GET /api/metrics/acme/cohorts?nb_periods=1&period_type=hourly", "", 200, `~"title":"Since 2015-08-06 04:00"`),
		resttest.Case("CSV", "zed", "GET /api/metrics/acme/mrr?nb_periods=1&format=csv", "", 200,
			"title,2015-08-06T12:00:00Z\r\nMRR,2487\r\nNew,0\r\nExpansion,0\r\nContraction,0\r\nChurn,0\r\nReactivation,0\r\n"),
	)
}

// TestRecurring leaves out what does not recur: setup fees, uses, group buys, free orders, and subscriptions without any order.
func TestRecurring(t *testing.T) {
	w := newWorld(t)
	event, payer, provider, unit := w.sold("bob:open")
	w.post(ledger.SetupFee{At: day(8, 1), Event: event, Payer: payer, Provider: provider, Amount: ledger.Amount{Value: 5000, Unit: unit}, Plan: "open"})
	w.post(ledger.UseCharged{At: day(8, 1), Event: ledger.UseEvent(w.ids["sub bob:open"], 1), Payer: payer, Provider: provider, Price: ledger.Amount{Value: 70, Unit: unit}, Quantity: 1, Plan: "open", Use: "Desk"})
	w.post(ledger.OrderPlaced{At: day(8, 1), Event: ledger.NewCouponCode(), Payer: payer, Provider: provider, Amount: ledger.Amount{Value: 900, Unit: unit}, Periods: 1, Descr: "Group"})
	w.order("ann:open", 0, 1, day(8, 1))
	if got, want := w.rows("zed", "GET /api/metrics/acme/mrr?nb_periods=1"), "mrr 0\nnew 0\nexpansion 0\ncontraction 0\nchurn 0\nreactivation 0"; got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

func TestRate(t *testing.T) {
	for _, test := range [][3]int64{{1, 3, 3333}, {0, 0, 0}, {5, 0, 0}, {-1, 8, -1250}, {ledger.MaxAmount * 4000, ledger.MaxAmount * 8000, 5000}, {7, 2, 35000}} {
		if got := rate(test[0], test[1]); got != test[2] {
			t.Errorf("%d of %d: %d, want %d", test[0], test[1], got, test[2])
		}
	}
}
