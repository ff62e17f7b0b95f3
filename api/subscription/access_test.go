package subscription

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

// Who may call what (access.md A.4), for every endpoint: the status that each caller gets. Callers are, in this order: nobody; the
// broker's manager and contributor; the provider's; the other provider's manager; the subscriber; somebody without any role.
func TestAccess(t *testing.T) {
	callers := []string{"", "alice", "kim", "donny", "cleo", "gus", "yan", "zoe"}
	key := strings.Repeat("a", 40)
	for _, test := range []struct {
		request, body string
		want          string
	}{
		{"GET /api/pricing", "", "200 200 200 200 200 200 200 200"},
		{"POST /api/cart/redeem", `{}`, "400 400 400 400 400 400 400 400"},

		{"GET /api/profile/cowork/plans", "", "401 200 200 200 200 403 403 403"},
		{"POST /api/profile/cowork/plans", `{}`, "401 400 403 400 403 403 403 403"},
		{"GET /api/profile/cowork/plans/basic", "", "401 200 200 200 200 403 403 403"},
		{"PUT /api/profile/cowork/plans/basic", `{}`, "401 200 403 200 403 403 403 403"},
		{"PATCH /api/profile/cowork/plans/basic", `{}`, "401 200 403 200 403 403 403 403"},
		{"DELETE /api/profile/cowork/plans/gone", "", "401 404 403 404 403 403 403 403"},

		{"GET /api/billing/cowork/coupons", "", "401 200 200 200 200 403 403 403"},
		{"POST /api/billing/cowork/coupons", `{}`, "401 400 403 400 403 403 403 403"},
		{"GET /api/billing/cowork/coupons/none", "", "401 404 404 404 404 403 403 403"},
		{"PUT /api/billing/cowork/coupons/none", `{}`, "401 404 403 404 403 403 403 403"},
		{"PATCH /api/billing/cowork/coupons/none", `{}`, "401 404 403 404 403 403 403 403"},
		{"DELETE /api/billing/cowork/coupons/none", "", "401 404 403 404 403 403 403 403"},

		{"GET /api/profile/acme/subscriptions", "", "401 200 200 200 200 200 200 403"},
		{"GET /api/profile/acme/subscriptions/expired", "", "401 200 200 200 200 200 200 403"},
		{"GET /api/profile/acme/subscriptions/premium", "", "401 200 200 200 200 200 200 403"},
		{"PUT /api/profile/acme/subscriptions/premium", `{"ends_at":"2026-03-20T00:00:00Z"}`, "401 200 403 200 403 403 200 403"},
		{"PATCH /api/profile/acme/subscriptions/premium", `{}`, "401 200 403 200 403 403 200 403"},
		{"DELETE /api/profile/acme/subscriptions/annual", "", "401 204 403 204 403 403 204 403"},
		{"POST /api/profile/acme/subscriptions/accept/" + key, "", "401 404 403 403 403 403 404 403"},
		{"GET /api/profile/xia/subscriptions", "", "401 200 200 200 200 403 403 403"},

		{"GET /api/profile/cowork/subscribers", "", "401 200 200 200 200 403 403 403"},
		{"GET /api/profile/cowork/subscribers/all", "", "401 200 200 200 200 403 403 403"},
		{"GET /api/profile/cowork/subscribers/engaged", "", "401 200 200 200 200 403 403 403"},
		{"GET /api/profile/cowork/subscribers/unengaged", "", "401 200 200 200 200 403 403 403"},
		{"GET /api/profile/cowork/subscribers/subscriptions", "", "401 200 200 200 200 403 403 403"},
		{"GET /api/profile/cowork/subscribers/subscriptions/all", "", "401 200 200 200 200 403 403 403"},
		{"GET /api/profile/cowork/subscribers/subscriptions/churned", "", "401 200 200 200 200 403 403 403"},
		{"POST /api/profile/cowork/subscribers/accept/" + key, "", "401 404 403 404 403 403 403 403"},

		{"GET /api/profile/cowork/plans/premium/subscriptions", "", "401 200 200 200 200 403 403 403"},
		{"POST /api/profile/cowork/plans/premium/subscriptions", `{}`, "401 400 403 400 403 403 403 403"},
		{"GET /api/profile/cowork/plans/premium/subscriptions/all", "", "401 200 200 200 200 403 403 403"},
		{"GET /api/profile/cowork/plans/premium/subscriptions/churned", "", "401 200 200 200 200 403 403 403"},
		{"GET /api/profile/cowork/plans/premium/subscriptions/acme", "", "401 200 200 200 200 403 403 403"},
		{"PUT /api/profile/cowork/plans/premium/subscriptions/acme", `{"ends_at":"2026-03-20T00:00:00Z"}`, "401 200 403 200 403 403 403 403"},
		{"PATCH /api/profile/cowork/plans/premium/subscriptions/acme", `{}`, "401 200 403 200 403 403 403 403"},
		{"DELETE /api/profile/cowork/plans/premium/subscriptions/zoe", "", "401 204 403 204 403 403 403 403"},

		// An unknown profile is told to the broker's people only (decision 27).
		{"GET /api/profile/nobody/plans", "", "401 404 404 403 403 403 403 403"},
		{"POST /api/profile/nobody/plans", `{}`, "401 404 403 403 403 403 403 403"},
		{"GET /api/billing/nobody/coupons", "", "401 404 404 403 403 403 403 403"},
		{"POST /api/billing/nobody/coupons", `{}`, "401 404 403 403 403 403 403 403"},
		{"GET /api/profile/nobody/subscriptions", "", "401 404 404 403 403 403 403 403"},
		{"GET /api/profile/nobody/subscriptions/expired", "", "401 404 404 403 403 403 403 403"},
		{"DELETE /api/profile/nobody/subscriptions/basic", "", "401 404 403 403 403 403 403 403"},
		{"GET /api/profile/nobody/subscribers", "", "401 404 404 403 403 403 403 403"},
		{"GET /api/profile/nobody/subscribers/engaged", "", "401 404 404 403 403 403 403 403"},
		{"GET /api/profile/nobody/subscribers/subscriptions/all", "", "401 404 404 403 403 403 403 403"},
		{"DELETE /api/profile/nobody/plans/basic/subscriptions/xia", "", "401 404 403 403 403 403 403 403"},

		{"POST /api/profile/acme/subscriptions", `{}`, "401 405 403 403 403 403 405 403"},
		{"GET /api/plans", "", "404 404 404 404 404 404 404 404"},
		{"GET /api/coupons", "", "404 404 404 404 404 404 404 404"},
		{"GET /api/profile/acme/subscriptions/active", "", "401 404 404 404 404 404 404 403"},
	} {
		t.Run(test.request, func(t *testing.T) {
			w := newWorld(t)
			var got []string
			for _, caller := range callers {
				got = append(got, fmt.Sprint(w.Do(caller, test.request, test.body).Code))
			}
			if got := strings.Join(got, " "); got != test.want {
				t.Errorf("\nanswers %s\nwant    %s", got, test.want)
			}
		})
	}
}

// Frictionless endpoints let in who has no password yet; strict ones do not, nor who has not signed the terms once there are some.
func TestStrictness(t *testing.T) {
	w := newWorld(t)
	w.exec(`UPDATE user SET password = '!' WHERE username = 'donny'`)
	w.exec(`INSERT INTO agreement (slug, title, updated_at) VALUES ('terms-of-use', 'Terms', 0)`)
	w.Run(t,
		resttest.Case("no password, plans", "donny", "GET /api/profile/cowork/plans", "", 200, "*"),
		resttest.Case("no password, own subscriptions", "donny", "GET /api/profile/cowork/subscriptions", "", 200, "*"),
		resttest.Case("no password, coupons", "donny", "GET /api/billing/cowork/coupons", "", 403, `{"detail":"Permission denied"}`),
		resttest.Case("no password, subscribers", "donny", "GET /api/profile/cowork/subscribers", "", 403, `{"detail":"Permission denied"}`),
		resttest.Case("terms not signed, plans", "cleo", "GET /api/profile/cowork/plans", "", 200, "*"),
		resttest.Case("terms not signed, grants", "cleo", "GET /api/profile/cowork/plans/basic/subscriptions", "", 403, `{"detail":"Permission denied"}`),
	)
}
