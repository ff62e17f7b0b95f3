package subscription

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/store"
)

// counter is the orders of billing, counted.
type counter struct {
	placed   []Request
	charged  []int64
	refuse   error // of PlaceRequest
	declined error // of ChargeRequest
}

func (c *counter) PlaceRequest(tx *store.Tx, r Request) (int64, error) {
	if c.refuse != nil {
		return 0, c.refuse
	}
	c.placed = append(c.placed, r)
	if r.Due() == 0 {
		return 0, nil
	}
	return 77, nil
}

func (c *counter) ChargeRequest(_ context.Context, invoice int64) error {
	c.charged = append(c.charged, invoice)
	return c.declined
}

// requested makes xia ask for premium, with lines; it returns the key.
func (w *world) requested(lines ...RequestLine) string {
	w.t.Helper()
	var sub *Subscription
	w.write(func(tx *store.Tx) error {
		p, err := w.PlanBySlug(tx, "premium")
		if err != nil {
			return err
		}
		xia, err := profileID(tx, "xia")
		if err != nil {
			return err
		}
		for i := range lines {
			lines[i].PayerID, lines[i].Unit = xia, "usd"
		}
		sub, err = w.Request(tx, xia, p, lines, true)
		return err
	})
	return *sub.RequestKey
}

// A request that waits has no order and no charge; accepting it orders what was frozen, once (decisions 10 and 51, must-pass 12).
func TestAcceptRequest(t *testing.T) {
	w := newWorld(t)
	w.exec(`INSERT INTO coupon (id, code, profile_id, created_at, nb_attempts, ends_at) VALUES (9, 'TEN', 1, 0, 1, 5)`)
	user := int64(6)
	lines := []RequestLine{
		{UserID: user, Amount: 1000, Descr: "Setup fee for premium"},
		{UserID: user, CouponID: 9, Amount: 13500, Periods: 3, Descr: "Subscription to premium until 2026/06/15 (3 months)"},
		{UserID: user, UseID: 1, CouponID: 9, Amount: 600, Quantity: 2, Descr: "Buy 2 premium Requests"},
	}
	key := w.requested(lines...)
	w.told(t, "subscription_request_created", `"profile":{"slug":"cowork"`, `"subscriber":{"slug":"xia"`, `"originated_by":{"slug":"xia"`, "/profile/cowork/subscribers/accept/"+key+"/")
	w.Clock.Advance(time.Minute)
	accept := "POST /api/profile/cowork/subscribers/accept/" + key
	w.Run(t,
		resttest.Case("waits", "xia", "GET /api/profile/xia/subscriptions/premium", "", 200, `~"ends_at":"2026-06-15T12:00:00Z"~"request_key":null`),
		resttest.Case("while nobody can order", "donny", accept, "", 501, `{"detail":"Accepting a request that orders something is not available."}`),
	)
	if got := w.values(`SELECT count(*) FROM txn`); got != "0" {
		t.Errorf("%s ledger entries", got)
	}

	orders := &counter{refuse: errors.New("the books are closed")}
	w.SetOrders(orders)
	w.Run(t, resttest.Case("what fails leaves it as it was", "donny", accept, "", 500, "*"))
	orders.refuse = nil

	// Prices and lengths are those of the request, whatever has become of the plan since.
	w.exec(`UPDATE plan SET period_amount = 1, period_length = 7, is_active = 0 WHERE slug = 'premium'`)
	w.Clock.Set(time.Date(2026, 3, 31, 8, 0, 0, 0, time.UTC))
	orders.declined = errors.New("card declined")
	w.Run(t,
		resttest.Case("somebody else's", "gus", "POST /api/profile/gym/subscribers/accept/"+key, "", 404, notFound),
		resttest.Case("dry run", "donny", accept+"?dry_run=true", "", 200, "*"),
		resttest.Case("accepted, also when the card is refused", "donny", accept, "", 200, `{"created_at":"2026-03-31T08:00:00Z","ends_at":"2026-06-30T08:00:00Z","description":null,"profile":`+xiaShort+
			`,"plan":{"slug":"premium","title":"Premium"},"auto_renew":true,"extra":null,"grant_key":null,"request_key":null,"app_url":"https://app.example.com/app/xia/premium/",`+
			`"accept_request_api_url":null,"remove_api_url":"https://app.example.com/api/profile/cowork/plans/premium/subscriptions/xia"}`),
		resttest.Case("again", "donny", accept, "", 404, notFound),
	)
	if len(orders.placed) != 2 || len(orders.charged) != 1 || orders.charged[0] != 77 { // the dry run placed, and was undone
		t.Fatalf("placed %d, charged %v", len(orders.placed), orders.charged)
	}
	placed := orders.placed[1]
	if diff := cmp.Diff(lines, placed.Lines); diff != "" || placed.Due() != 15100 {
		t.Errorf("due %d of lines (-want +got):\n%s", placed.Due(), diff)
	}
	if got := w.values(`SELECT nb_attempts FROM coupon UNION ALL SELECT expiring_quota || '+' || rollover_quota FROM subscription_use UNION ALL SELECT count(*) FROM subscription_request`); got != "0 10+2 0" {
		t.Errorf("coupon, quota and frozen lines left: %s", got)
	}
	w.told(t, "subscription_request_accepted", `"profile":{"slug":"xia"`, `"provider":{"slug":"cowork"`, `"originated_by":{"slug":"donny"`)
}

// A coupon that was used up in between is not refused, nor does it fall below zero.
func TestAcceptRequestWithUsedCoupon(t *testing.T) {
	w := newWorld(t)
	w.exec(`INSERT INTO coupon (id, code, profile_id, created_at, nb_attempts) VALUES (9, 'TEN', 1, 0, 0)`)
	key := w.requested(RequestLine{CouponID: 9, Periods: 1, Descr: "x"})
	orders := &counter{}
	w.SetOrders(orders)
	w.Run(t, resttest.Case("free", "donny", "POST /api/profile/cowork/subscribers/accept/"+key, "", 200, "*"))
	if len(orders.charged) != 0 {
		t.Errorf("charged %v for nothing", orders.charged)
	}
	if got := w.values(`SELECT nb_attempts FROM coupon`); got != "0" {
		t.Errorf("attempts left: %s", got)
	}
}

// A request without lines was made elsewhere: nothing is ordered, and its dates are kept.
func TestAcceptRequestWithoutLines(t *testing.T) {
	newWorld(t).Run(t,
		resttest.Case("accept", "donny", "POST /api/profile/cowork/subscribers/accept/"+strings.Repeat("3", 40), "", 200, `~{"created_at":"2026-03-10T00:00:00Z","ends_at":"2026-06-10T00:00:00Z"~"request_key":null`),
		resttest.Case("again", "donny", "POST /api/profile/cowork/subscribers/accept/"+strings.Repeat("3", 40), "", 404, notFound),
	)
}

func TestRequestLapses(t *testing.T) {
	w := newWorld(t)
	key := w.requested(RequestLine{Amount: 1, Periods: 1, Descr: "x"})
	orders := &counter{}
	w.SetOrders(orders)
	w.Clock.Set(time.Date(2026, 4, 15, 12, 0, 0, 0, time.UTC))
	w.Run(t, resttest.Case("accept", "donny", "POST /api/profile/cowork/subscribers/accept/"+key, "", 404, notFound))
	if len(orders.placed) != 0 {
		t.Error("a request that lapsed was ordered")
	}
}

var _ Orders = (*counter)(nil)
var _ AppURLs = rules(nil)
var _ rest.Enum = DiscountType(0)
var _ rest.Enum = RenewalType(0)
