package metrics

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

// rows are the series of a table that the API answers, each as "slug 1 2 3".
func (w *world) rows(as, request string) string {
	w.t.Helper()
	answer := w.Do(as, request, "")
	var table struct {
		Results, Extra []struct {
			Slug   string
			Values [][2]json.RawMessage
		}
	}
	if err := json.Unmarshal(answer.Body.Bytes(), &table); err != nil || answer.Code != 200 {
		w.t.Fatalf("%s: %d %s", request, answer.Code, answer.Body)
	}
	var all []string
	for _, s := range append(table.Results, table.Extra...) {
		line := s.Slug
		for _, v := range s.Values {
			line += " " + string(v[1])
		}
		all = append(all, line)
	}
	return strings.Join(all, "\n")
}

// TestExample is metrics.md 7, figure by figure.
func TestExample(t *testing.T) {
	w := newWorld(t)
	w.example()
	const window = "?nb_periods=4&ends_at=2015-08-06T05:00:00"
	const first, last = `"2015-05-01T07:00:00Z"`, `"2015-08-06T12:00:00Z"`
	for request, want := range map[string]string{
		"balances": "Income 0 0 1500 1500 1500\nBacklog 0 2000 2500 2500 3500\nReceivable 0 0 0 5000 4700",
		"funds": "total-transactions 2000 2000 5000 700\nnew-transactions 2000 0 5000 700\nchurned-transactions 0 0 2000 0\n" +
			"payments 2000 2000 0 1000\nrefunds 0 0 0 500",
		"customers": "total-customers 1 1 1 1\nnew-customers 1 0 1 1\nchurned-customers 0 0 1 0\nnet-new-customers 1 0 0 1\n" +
			"percent-customer-churn 0 0.0 100.0 0.0",
		"plans": "basic 0 0 0 0 0\nopen 0 1 1 2 2\nchurn 0 0 0 0",
	} {
		if got := w.rows("zed", "GET /api/metrics/acme/"+request+window); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", request, got, want)
		}
	}
	w.insert("", `INSERT INTO balance_line (report, title, selector, rank) VALUES ('taxes', 'Sales', 'receivable', 1)`)
	w.insert("", `INSERT INTO balance_line (report, title, selector, rank, is_positive) VALUES ('taxes', 'Income', 'Income', 2, 1)`)
	w.insert("", `INSERT INTO balance_line (report, title, selector, rank) VALUES ('taxes', 'All', '', 3)`)
	if got, want := w.rows("zed", "GET /api/metrics/balances/taxes?nb_periods=2&ends_at=2015-08-06T12:00:00"), "Sales 0 -5000 -4700\nIncome 1500 1500 1500\nAll 0 0 0"; got != want {
		t.Errorf("report:\n%s\nwant\n%s", got, want)
	}
	short := func(slug, name string) string {
		return `{"slug":"` + slug + `","printable_name":"` + name + `","picture":null,"type":"personal","credentials":true,`
	}
	ann, bob := short("ann", "Ann Lee"), short("bob", "Bob")
	w.Run(t,
		resttest.Case("balances to the byte", "zed", "GET /api/metrics/acme/balances?nb_periods=1&ends_at=2015-08-06T05:00:00", "", 200,
			`{"title":"Balances","unit":"usd","scale":0.01,"results":[{"slug":"Income","title":"Income","values":[["2015-08-01T07:00:00Z",1500],["2015-08-06T12:00:00Z",1500]]},`+
				`{"slug":"Backlog","title":"Backlog","values":[["2015-08-01T07:00:00Z",2500],["2015-08-06T12:00:00Z",3500]]},`+
				`{"slug":"Receivable","title":"Receivable","values":[["2015-08-01T07:00:00Z",5000],["2015-08-06T12:00:00Z",4700]]}]}`),
		resttest.Case("no boundary is cut off", "zed", "GET /api/metrics/acme/balances"+window, "", 200, "~["+first+",0]~["+last+",4700]"),
		resttest.Case("funds without an account at the processor", "zed", "GET /api/metrics/acme/funds"+window, "", 200, `~"title":"Amount","unit":"usd","scale":0.01~],"processor_hint":"connect_provider"}`),
		resttest.Case("plans to the byte", "zed", "GET /api/metrics/acme/plans?nb_periods=1&ends_at=2015-08-06T05:00:00", "", 200,
			`{"title":"Active subscribers","results":[{"slug":"basic","title":"Basic","location":"/profile/acme/plans/basic/","is_active":false,"values":[["2015-08-01T07:00:00Z",0],["2015-08-06T12:00:00Z",0]]},`+
				`{"slug":"open","title":"Open","location":"/profile/acme/plans/open/","is_active":true,"values":[["2015-08-01T07:00:00Z",2],["2015-08-06T12:00:00Z",2]]}],`+
				`"extra":[{"slug":"churn","values":[["2015-08-06T12:00:00Z",0]]}]}`),
		resttest.Case("report to the byte", "zed", "GET /api/metrics/balances/taxes?nb_periods=1", "", 200,
			`{"title":"Balances: taxes","unit":"usd","scale":0.01,"results":[{"slug":"Sales","title":"Sales","selector":"receivable","values":[["2015-08-01T07:00:00Z",-5000],["2015-08-06T12:00:00Z",-4700]]},`+
				`{"slug":"Income","title":"Income","selector":"Income","values":[["2015-08-01T07:00:00Z",1500],["2015-08-06T12:00:00Z",1500]]},`+
				`{"slug":"All","title":"All","selector":"","values":[["2015-08-01T07:00:00Z",0],["2015-08-06T12:00:00Z",0]]}]}`),
		resttest.Case("lifetime value", "zed", "GET /api/metrics/acme/lifetimevalue?o=slug", "", 200, `{"count":2,"next":null,"previous":null,"results":[`+
			ann+`"created_at":"2015-05-10T00:00:00Z","ends_at":"2015-08-15T00:00:00Z","contract_value":4000,"cash_payments":3500,"deferred_revenue":2000,"unit":"usd"},`+
			bob+`"created_at":"2015-07-10T00:00:00Z","ends_at":"2016-08-15T00:00:00Z","contract_value":5700,"cash_payments":1000,"deferred_revenue":1000,"unit":"usd"}]}`),
		resttest.Case("balances due", "zed", "GET /api/metrics/acme/balances-due", "", 200, `{"count":1,"next":null,"previous":null,"results":[`+
			bob+`"created_at":"2015-01-01T00:00:00Z","balances":{"usd":{"contract_value":5700,"cash_payments":1000,"balance":4700}}}]}`),
		resttest.Case("federation", "zed", "GET /api/metrics/acme/federated", "", 200, `{"title":"invited profiles","scale":1,"unit":"profiles","results":[`+
			`{"slug":"churned","title":"churned","values":[["Ann Lee",0],["Bob",0],["Acme",0]]},`+
			`{"slug":"previously-subscribed","title":"previously subscribed","values":[["Ann Lee",0],["Bob",0],["Acme",0]]},`+
			`{"slug":"newly-subscribed","title":"newly subscribed","values":[["Ann Lee",0],["Bob",0],["Acme",2]]}]}`),
		resttest.Case("federation, shared", "zed", "GET /api/metrics/acme/federated/shared", "", 200,
			`{"title":"shared profiles","scale":1,"unit":"profiles","results":[{"slug":"shared","title":"shared","values":[]}]}`),
	)
}
