package api

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/store"
)

// TestMetrics is the API of metrics, endpoint by caller and input (metrics.md). donny manages the broker, cowork; xia manages a profile
// of her own, which is no provider. It is 2025-03-10, noon.
func TestMetrics(t *testing.T) {
	g := newGated(t)
	const (
		denied = `{"detail":"Permission denied"}`
		cowork = "/api/metrics/cowork/"
		report = "/api/metrics/balances/taxes"
		lines  = report + "/lines"
		empty  = `{"count":0,"next":null,"previous":null,"results":[]}`
		none   = `{"detail":"No BalanceLine matches the given query."}`
	)
	tables := []string{"balances", "funds", "customers", "plans", "federated", "federated/shared", "mrr", "churn", "cohorts", "dunning"}
	lists := []string{"lifetimevalue", "balances-due"}
	type call struct {
		as, request, body string
		code              int
		want              string // "*" is anything, "~x" what holds x
	}
	var calls []call
	for _, name := range slices.Concat(tables, lists) {
		calls = append(calls,
			call{"", "GET " + cowork + name, "", 401, "*"},
			call{"xia", "GET " + cowork + name, "", 403, denied},
			call{"donny", "GET " + cowork + name, "", 200, "~\"results\":["},
			call{"xia", "GET /api/metrics/xia/" + name, "", 200, "~\"results\":["}, // her own, whatever is in it
			call{"donny", "GET /api/metrics/xia/" + name, "", 200, "~\"results\":["},
			call{"xia", "GET /api/metrics/nosuch/" + name, "", 403, denied},
			call{"donny", "GET /api/metrics/nosuch/" + name, "", 404, "*"},
			call{"donny", "POST " + cowork + name, "{}", 405, `{"detail":"Method \"POST\" not allowed."}`},
			call{"donny", "GET " + cowork + name + "?ends_at=foo", "", 400, `~{"ends_at":["Datetime has wrong format.`},
			call{"donny", "GET " + cowork + name + "?format=xml", "", 404, "*"},
			call{"donny", "GET " + cowork + name + "?format=csv", "", 200, "*"},
		)
	}
	for _, name := range tables {
		if !strings.HasPrefix(name, "federated") {
			calls = append(calls,
				call{"donny", "GET " + cowork + name + "?period_type=foo", "", 400, `~{"period_type":["'foo' is not a valid choice.`},
				call{"donny", "GET " + cowork + name + "?nb_periods=101", "", 400, `{"nb_periods":["Ensure this value is less than or equal to 100."]}`},
			)
		}
	}
	calls = append(calls, []call{
		{"donny", "GET " + cowork + "balances", "", 200, `~{"title":"Balances","unit":"usd","scale":0.01,"results":[{"slug":"Income","title":"Income","values":[["2024-04-01T00:00:00Z",0],["2024-05-01T00:00:00Z",0],`},
		{"donny", "GET " + cowork + "funds?nb_periods=1", "", 200, `~{"title":"Amount","unit":"usd","scale":0.01,"results":[{"slug":"total-transactions","title":"Total Sales","values":[["2025-03-10T12:00:00Z",0]]},`},
		{"donny", "GET " + cowork + "customers?nb_periods=1", "", 200, `~"extra":[{"slug":"percent-customer-churn","title":"% Customer Churn","values":[["2025-03-10T12:00:00Z",0]]}]}`},
		{"donny", "GET " + cowork + "plans?nb_periods=1", "", 200, `~{"title":"Active subscribers","results":[{"slug":"basic","title":"Basic","location":"/profile/cowork/plans/basic/","is_active":true,"values":[["2025-03-01T00:00:00Z",0],`},
		{"xia", "GET /api/metrics/xia/plans", "", 200, `~{"title":"Active subscribers","results":[],"extra":[{"slug":"churn","values":[["2024-05-01T00:00:00Z",0],`},
		{"donny", "GET " + cowork + "federated", "", 200, `{"title":"invited profiles","scale":1,"unit":"profiles","results":[{"slug":"churned","title":"churned","values":[["Cowork",0]]},` +
			`{"slug":"previously-subscribed","title":"previously subscribed","values":[["Cowork",0]]},{"slug":"newly-subscribed","title":"newly subscribed","values":[["Cowork",0]]}]}`},
		{"donny", "GET " + cowork + "federated/shared", "", 200, `{"title":"shared profiles","scale":1,"unit":"profiles","results":[{"slug":"shared","title":"shared","values":[]}]}`},
		{"donny", "GET " + cowork + "lifetimevalue", "", 200, empty},
		{"donny", "GET " + cowork + "lifetimevalue?page=2", "", 404, `{"detail":"Invalid page."}`},
		{"donny", "GET " + cowork + "lifetimevalue?start_at=foo", "", 400, `~{"start_at":[`},
		{"donny", "GET " + cowork + "lifetimevalue?format=csv", "", 200, "slug,printable_name,picture,type,credentials,created_at,ends_at,contract_value,cash_payments,deferred_revenue,unit\r\n"},
		{"donny", "GET " + cowork + "balances-due", "", 200, empty},
		{"donny", "GET " + cowork + "balances-due?format=csv", "", 200, "slug,printable_name,picture,type,credentials,created_at\r\n"},
		{"donny", "GET " + cowork + "balances?nb_periods=1&format=csv", "", 200, "title,2025-03-01T00:00:00Z,2025-03-10T12:00:00Z\r\nIncome,0,0\r\nBacklog,0,0\r\nReceivable,0,0\r\n"},
		{"donny", "GET " + cowork + "customers?nb_periods=1&format=csv", "", 200, "title,2025-03-10T12:00:00Z\r\nTotal # of Customers,0\r\n# of new Customers,0\r\n# of churned Customers,0\r\nNet New Customers,0\r\n"},
		{"donny", "GET " + cowork + "revenue", "", 404, "*"},

		{"", "GET " + cowork + "coupons/half", "", 401, "*"},
		{"xia", "GET " + cowork + "coupons/half", "", 403, denied},
		{"donny", "GET " + cowork + "coupons/half", "", 404, `{"detail":"No Coupon matches the given query."}`},
		{"donny", "POST /api/billing/cowork/coupons", `{"code":"half","discount_type":"percentage","discount_value":5000}`, 201, "*"},
		{"donny", "GET " + cowork + "coupons/half", "", 200, empty},
		{"donny", "GET " + cowork + "coupons/HALF", "", 404, "*"},
		{"xia", "GET /api/metrics/xia/coupons/half", "", 404, "*"}, // not hers
		{"donny", "GET " + cowork + "coupons/half?start_at=foo", "", 400, "*"},
		{"donny", "GET " + cowork + "coupons/half?format=csv", "", 200, "created_at,user,plan,use,option,quantity,claim_code,sync_on,full_name,email,detail\r\n"},
		{"donny", "GET " + cowork + "coupons", "", 404, "*"},

		{"", "GET /api/metrics/registered", "", 401, "*"},
		{"xia", "GET /api/metrics/registered", "", 403, denied},
		{"donny", "GET /api/metrics/registered?o=-first_name&page_size=1&ends_at=2025-03-11", "", 200, `~{"count":2,"next":"http://site.example/api/metrics/registered?ends_at=2025-03-11&o=-first_name&page=2&page_size=1","previous":null,"results":[{"slug":"xia","username":"xia"`},
		{"donny", "GET /api/metrics/registered?q=xia&ends_at=2025-03-11", "", 200, `~"count":1~"email":"xia@example.com","phone":null,"full_name":"Xia Lee"`},
		{"donny", "GET /api/metrics/registered?q=coop&q_f=full_name&ends_at=2025-03-11", "", 200, `~"count":1~"username":"donny"`},
		{"donny", "GET /api/metrics/registered?ends_at=2020-01-01", "", 200, empty},
		{"donny", "GET /api/metrics/registered?ends_at=foo", "", 400, "*"},
		{"donny", "GET /api/metrics/registered?format=csv&ends_at=2020-01-01", "", 200, "slug,username,printable_name,picture,email,phone,full_name,nick_name,lang,credentials,otp_enabled,created_at,last_login\r\n"},

		{"", "GET " + report, "", 401, "*"},
		{"xia", "GET " + report, "", 403, denied},
		{"donny", "GET " + report, "", 200, `{"title":"Balances: taxes","unit":"usd","scale":0.01,"results":[]}`},
		{"donny", "GET " + report + "?format=csv", "", 200, "title\r\n"},
		{"", "GET " + lines, "", 401, "*"},
		{"xia", "GET " + lines, "", 403, denied},
		{"donny", "GET " + lines, "", 200, empty},
		{"xia", "POST " + lines, `{"title":"Sales"}`, 403, denied},
		{"donny", "POST " + lines, `{}`, 400, `{"title":["This field is required."]}`},
		{"donny", "POST " + lines, `{"title":""}`, 400, `{"title":["This field may not be blank."]}`},
		{"donny", "POST " + lines, `{"title":"` + strings.Repeat("x", 256) + `","selector":null}`, 400, `{"title":["Ensure this field has no more than 255 characters."],"selector":["This field may not be null."]}`},
		{"donny", "POST " + lines, `[]`, 400, "*"},
		{"donny", "POST " + lines, `{"title":"Sales","selector":"Receivable","rank":9}`, 201, `{"title":"Sales","selector":"Receivable","rank":1}`},
		{"donny", "POST " + lines, `{"title":"Heading"}`, 201, `{"title":"Heading","selector":"","rank":2}`},
		{"donny", "POST " + lines, `{"title":"Income","selector":"income"}`, 201, `{"title":"Income","selector":"income","rank":3}`},
		{"donny", "GET " + report + "?nb_periods=1", "", 200, `{"title":"Balances: taxes","unit":"usd","scale":0.01,"results":[{"slug":"Sales","title":"Sales","selector":"Receivable","values":[["2025-03-01T00:00:00Z",0],["2025-03-10T12:00:00Z",0]]},` +
			`{"slug":"Heading","title":"Heading","selector":"","values":[["2025-03-01T00:00:00Z",0],["2025-03-10T12:00:00Z",0]]},{"slug":"Income","title":"Income","selector":"income","values":[["2025-03-01T00:00:00Z",0],["2025-03-10T12:00:00Z",0]]}]}`},
		{"donny", "GET " + report + "?period_type=foo", "", 400, "*"},
		{"donny", "GET " + report + "?nb_periods=0", "", 400, "*"},
		{"donny", "GET /api/metrics/balances/other", "", 200, `{"title":"Balances: other","unit":"usd","scale":0.01,"results":[]}`},
		{"xia", "PATCH " + lines, `[{"oldpos":3,"newpos":1}]`, 403, denied},
		{"donny", "PATCH " + lines, `{"oldpos":3,"newpos":1}`, 400, `{"detail":["Expected a list of items but got type \"dict\"."]}`},
		{"donny", "PATCH " + lines, `[{"oldpos":3},{"oldpos":1,"newpos":2},{}]`, 400, `[{"newpos":["This field is required."]},{},{"oldpos":["This field is required."],"newpos":["This field is required."]}]`},
		{"donny", "PATCH " + lines, "[" + strings.Repeat(`{"oldpos":1,"newpos":1},`, 1000) + `{"oldpos":1,"newpos":1}]`, 400, `{"detail":"At most 1000 moves are made at once."}`},
		{"donny", "PATCH " + lines, `[{"oldpos":"x","newpos":1}]`, 400, `[{"oldpos":["A valid integer is required."]}]`},
		{"donny", "PATCH " + lines, `[{"oldpos":1,"newpos":3},{"oldpos":4,"newpos":1}]`, 400, `{"detail":"There is no line at position 4."}`},
		{"donny", "PATCH " + lines, `[{"oldpos":1,"newpos":0}]`, 400, `{"detail":"There is no line at position 0."}`},
		{"donny", "GET " + lines + "/1", "", 200, `{"title":"Sales","selector":"Receivable","rank":1}`}, // as it was: all or nothing
		{"donny", "PATCH " + lines, `[]`, 200, `~"count":3`},
		{"donny", "PATCH " + lines, `[{"oldpos":3,"newpos":1}]`, 200, `{"count":3,"next":null,"previous":null,"results":[{"title":"Income","selector":"income","rank":1},{"title":"Sales","selector":"Receivable","rank":2},{"title":"Heading","selector":"","rank":3}]}`},
		{"donny", "PATCH " + lines, `[{"oldpos":1,"newpos":3},{"oldpos":2,"newpos":1},{"oldpos":2,"newpos":2}]`, 200, `~[{"title":"Heading","selector":"","rank":1},{"title":"Sales","selector":"Receivable","rank":2},{"title":"Income","selector":"income","rank":3}]`},
		{"donny", "GET " + lines + "?format=csv", "", 200, "title,selector,rank\r\nHeading,,1\r\nSales,Receivable,2\r\nIncome,income,3\r\n"},
		{"donny", "GET " + lines + "?page_size=2", "", 200, `~"next":"http://site.example/api/metrics/balances/taxes/lines?page=2&page_size=2"`},

		{"", "GET " + lines + "/1", "", 401, "*"},
		{"xia", "GET " + lines + "/1", "", 403, denied},
		{"donny", "GET " + lines + "/9", "", 404, none},
		{"donny", "GET " + lines + "/99999999999999999999", "", 404, none},
		{"donny", "GET " + lines + "/x", "", 404, "*"},
		{"donny", "GET /api/metrics/balances/other/lines/1", "", 404, none},
		{"xia", "PUT " + lines + "/1", `{"title":"Costs","rank":1}`, 403, denied},
		{"donny", "PUT " + lines + "/9", `{"title":"Costs","rank":1}`, 404, none},
		{"donny", "PUT " + lines + "/9", `{`, 404, none},
		{"donny", "PUT " + lines + "/1", `{}`, 400, `{"title":["This field is required."],"rank":["This field is required."]}`},
		{"donny", "PUT " + lines + "/1", `{"title":"Costs","rank":0}`, 400, `{"rank":["Ensure this value is greater than or equal to 1."]}`},
		{"donny", "PUT " + lines + "/1", `{"title":"Costs","rank":2}`, 400, `{"rank":"This rank is already taken."}`},
		{"donny", "PUT " + lines + "/1", `{"title":"Costs","selector":"Expenses","rank":1}`, 200, `{"title":"Costs","selector":"Expenses","rank":1}`},
		{"donny", "PATCH " + lines + "/1", `{"rank":3}`, 400, `{"rank":"This rank is already taken."}`},
		{"donny", "PATCH " + lines + "/1", `{"selector":""}`, 200, `{"title":"Costs","selector":"","rank":1}`},
		{"donny", "PATCH " + lines + "/1", `{"rank":7}`, 200, `{"title":"Costs","selector":"","rank":7}`},
		{"donny", "POST " + lines, `{"title":"Last"}`, 201, `~"rank":8`},
		{"donny", "PATCH " + lines, `[{"oldpos":7,"newpos":2}]`, 200, `~"Costs","selector":"","rank":2},{"title":"Sales","selector":"Receivable","rank":3},{"title":"Income","selector":"income","rank":4},{"title":"Last","selector":"","rank":8}`},
		{"xia", "DELETE " + lines + "/3", "", 403, denied},
		{"", "DELETE " + lines + "/3", "", 401, "*"},
		{"donny", "DELETE " + lines + "/3", "", 204, ""},
		{"donny", "DELETE " + lines + "/3", "", 404, none},
		{"donny", "GET " + lines, "", 200, `~"rank":2},{"title":"Income","selector":"income","rank":4}`},
		{"donny", "PUT " + lines, `{}`, 405, "*"},
		{"donny", "POST " + lines + "/4", `{}`, 405, "*"},
	}...)
	for _, test := range calls {
		code, got := g.do(test.as, test.request, test.body)
		fits := got == test.want || test.want == "*"
		if fragments, ok := strings.CutPrefix(test.want, "~"); ok {
			fits = true
			for fragment := range strings.SplitSeq(fragments, "~") {
				fits = fits && strings.Contains(got, fragment)
			}
		}
		if code != test.code || !fits {
			t.Errorf("%s %s as %q: %d %s\nwant %d %s", test.request, test.body, test.as, code, got, test.code, test.want)
		}
	}
}

// TestMetricsRoles: contributors of a provider read its metrics and change nothing; a subscriber does not see what its provider sells.
func TestMetricsRoles(t *testing.T) {
	g := newGated(t)
	if _, got := g.do("donny", "GET /api/metrics/registered?ends_at=2025-03-11", ""); !strings.HasPrefix(got, `{"count":2,`) {
		t.Error(got)
	}
	err := g.site.Store.Write(t.Context(), func(tx *store.Tx) error {
		for _, statement := range []string{
			`INSERT INTO role (created_at, profile_id, user_id, role_description_id) SELECT 1, p.id, u.id, d.id FROM profile p, user u, role_description d
				WHERE p.slug = 'cowork' AND u.username = 'xia' AND d.slug = 'contributor'`,
			`INSERT INTO subscription (profile_id, plan_id, created_at, ends_at) SELECT p.id, plan.id, 0, 9000000000000000 FROM profile p, plan WHERE p.slug = 'cowork' AND plan.slug = 'basic'`,
		} {
			if _, err := tx.Exec(statement); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	g.site.Directory.TouchAll()
	for request, want := range map[string]int{
		"GET /api/metrics/cowork/balances":                  200,
		"GET /api/metrics/cowork/mrr":                       200,
		"GET /api/metrics/registered":                       200,
		"GET /api/metrics/balances/taxes":                   200,
		"POST /api/metrics/balances/taxes/lines":            403,
		"PATCH /api/metrics/balances/taxes/lines":           403,
		"PUT /api/metrics/balances/taxes/lines/1":           403,
		"PATCH /api/metrics/balances/taxes/lines/1":         403,
		"DELETE /api/metrics/balances/taxes/lines/1":        403,
		"GET /api/metrics/registered?q=xia&q_f=no-such-one": 200,
	} {
		if code, got := g.do("xia", request, `{"title":"x"}`); code != want {
			t.Errorf("%s: %d %s, want %d", request, code, got, want)
		}
	}
	// Who has a role on a subscriber is registered no more.
	if _, got := g.do("donny", "GET /api/metrics/registered?ends_at=2025-03-11", ""); got != `{"count":0,"next":null,"previous":null,"results":[]}` {
		t.Error(got)
	}
}

// TestMetricsCSV names the file, and is text.
func TestMetricsCSV(t *testing.T) {
	g := newGated(t)
	r := httptest.NewRequest("GET", "http://site.example/api/metrics/cowork/balances-due", nil)
	r.Header.Set("Authorization", "Bearer "+g.tokens["donny"])
	r.Header.Set("Accept", "text/csv")
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	if w.Code != 200 || w.Header().Get("Content-Type") != "text/csv; charset=utf-8" || w.Header().Get("Content-Disposition") != `attachment; filename="balances-due-20250310.csv"` {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}
