package metrics

import (
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

// TestCouponUses lists what was ordered with a coupon; what is still in a cart, or was ordered with another, is not among it.
func TestCouponUses(t *testing.T) {
	w := newWorld(t)
	half := w.insert("half", `INSERT INTO coupon (code, profile_id, created_at) VALUES ('half', ?, 0)`, w.ids["acme"])
	other := w.insert("other", `INSERT INTO coupon (code, profile_id, created_at) VALUES ('half', ?, 0)`, w.ids["beta"])
	item := func(user any, coupon int64, month, recorded int, plan string) {
		w.insert("", `INSERT INTO cart_item (created_at, user_id, plan_id, coupon_id, recorded, sync_on, full_name) VALUES (?, ?, ?, ?, ?, nullif(?, ''), 'Someone')`,
			day(month, 1), user, w.ids["plan "+plan], coupon, recorded, map[bool]string{true: "someone@example.com"}[user == nil])
	}
	item(w.ids["user bob"], half, 5, 1, "open")
	item(w.ids["user ann"], half, 4, 1, "basic")
	item(nil, half, 6, 1, "open")
	item(w.ids["user ann"], half, 4, 0, "open")
	item(w.ids["user ann"], other, 4, 1, "open")
	const uses = "GET /api/metrics/acme/coupons/half"
	const ann = `{"created_at":"2015-04-01T00:00:00Z","user":{"slug":"ann","username":"ann","printable_name":"Ann","picture":null},"plan":{"slug":"basic","title":"Basic"},` +
		`"use":null,"option":0,"quantity":0,"claim_code":null,"sync_on":null,"full_name":"Someone","email":null,"detail":null}`
	const claim = `{"created_at":"2015-06-01T00:00:00Z","user":null,"plan":{"slug":"open","title":"Open"},"use":null,"option":0,"quantity":0,"claim_code":null,"sync_on":"someone@example.com",` +
		`"full_name":"Someone","email":null,"detail":null}`
	w.Run(t,
		resttest.Case("the oldest first", "zed", uses+"?page_size=1", "", 200, `{"count":3,"next":"https://app.example.com/api/metrics/acme/coupons/half?page=2&page_size=1","previous":null,"results":[`+ann+`]}`),
		resttest.Case("the latest first", "zed", uses+"?o=-created_at&page_size=1", "", 200, `~"results":[`+claim+`]`),
		resttest.Case("by user", "zed", uses+"?o=-user&page_size=1", "", 200, `~"username":"bob"`),
		resttest.Case("by plan", "zed", uses+"?o=plan&page_size=1", "", 200, `~"slug":"basic"`),
		resttest.Case("searched", "zed", uses+"?q=bob@&q_f=user__email", "", 200, `~"count":1~"username":"bob"`),
		resttest.Case("since", "zed", uses+"?start_at=2015-05-15", "", 200, `~{"count":1,~`+claim),
		resttest.Case("until", "zed", uses+"?ends_at=2015-04-15", "", 200, `{"count":1,"next":null,"previous":null,"results":[`+ann+`]}`),
		resttest.Case("CSV", "zed", uses+"?format=csv&ends_at=2015-04-15", "", 200,
			"created_at,user,plan,use,option,quantity,claim_code,sync_on,full_name,email,detail\r\n2015-04-01T00:00:00Z,ann,basic,,0,0,,,Someone,,\r\n"),
		resttest.Case("another provider's", "eve", "GET /api/metrics/beta/coupons/half", "", 200, `~"count":1`),
		resttest.Case("another case", "zed", "GET /api/metrics/acme/coupons/Half", "", 404, `{"detail":"No Coupon matches the given query."}`),
	)
}

// TestCustomerLists pages, searches and sorts customers, by the dates of their profiles.
func TestCustomerLists(t *testing.T) {
	w := newWorld(t)
	w.example()
	w.exec(`UPDATE profile SET created_at = ? WHERE slug = 'ann'`, day(2, 1))
	w.subscribe("beta", "basic", day(6, 1), day(9, 1))
	w.order("beta:basic", 0, 1, day(6, 1)) // free: no customer
	const values, due = "GET /api/metrics/acme/lifetimevalue", "GET /api/metrics/acme/balances-due"
	w.Run(t,
		resttest.Case("the latest profile first", "zed", values+"?page_size=1", "", 200, `~"count":2,"next":"https://app.example.com/api/metrics/acme/lifetimevalue?page=2&page_size=1"~"slug":"ann"`),
		resttest.Case("by name", "zed", values+"?o=-full_name&page_size=1", "", 200, `~"slug":"bob"`),
		resttest.Case("the last page", "zed", values+"?o=slug&page_size=1&page=last", "", 200, `~"next":null~page_size=1","results":[{"slug":"bob"`),
		resttest.Case("searched", "zed", values+"?q=lee", "", 200, `~"count":1~"slug":"ann"`),
		resttest.Case("since", "zed", values+"?start_at=2015-01-15", "", 200, `~"count":1~"slug":"ann"`),
		resttest.Case("until", "zed", values+"?ends_at=2015-01-15", "", 200, `~"count":1~"slug":"bob"`),
		resttest.Case("dates change no amount", "zed", values+"?ends_at=2015-01-15", "", 200, `~"contract_value":5700,"cash_payments":1000`),
		resttest.Case("debtors searched", "zed", due+"?q=lee", "", 200, `~"count":0`),
		resttest.Case("debtors since", "zed", due+"?start_at=2015-01-15", "", 200, `~"count":0`),
		resttest.Case("CSV of debtors", "zed", due+"?format=csv", "", 200,
			"slug,printable_name,picture,type,credentials,created_at,usd_contract_value,usd_cash_payments,usd_balance\r\nbob,Bob,,personal,true,2015-01-01T00:00:00Z,5700,1000,4700\r\n"),
	)
}

// TestBatches: CSV comes in batches, of which nobody is left out or named twice, and the headings are there once.
func TestBatches(t *testing.T) {
	w := newWorld(t)
	w.crowd(15_000)
	w.exec(`UPDATE statement SET paid = paid - 1 WHERE provider_id = 2`)
	for _, request := range []string{"GET /api/metrics/acme/lifetimevalue", "GET /api/metrics/acme/balances-due"} {
		answer := w.Do("zed", request+"?format=csv", "")
		seen := map[string]int{}
		for _, line := range strings.Split(strings.TrimSuffix(answer.Body.String(), "\r\n"), "\r\n") {
			seen[line]++
		}
		if len(seen) != 3001 || answer.Code != 200 {
			t.Errorf("%s: %d, %d lines", request, answer.Code, len(seen))
		}
		for line, n := range seen {
			if n != 1 {
				t.Errorf("%s: %d times %q", request, n, line)
			}
		}
	}
}
