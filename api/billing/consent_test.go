package billing

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/store"
)

// shop is a world whose subscriptions are changed over HTTP as well, which end
// on 1 April, and of which none renews but one that is named.
func shop(t *testing.T, renews string) *world {
	w := newWorld(t)
	w.subs.SetOrders(w.Service)
	w.Site = resttest.With(t, rest.Options{Store: w.Site.Store, Directory: w.dir, Logger: zap.NewNop()}, w.Clock,
		append(w.Service.Endpoints(), w.subs.Endpoints()...))
	w.exec(`UPDATE subscription SET auto_renew = (id = ?), ends_at = ?`, w.ids["sub "+renews], store.At(utc(t, "2026-04-01 12:00")))
	return w
}

// agreed is what a subscription is: whether its subscriber was not asked about it, and whether it renews.
func (w *world) agreed(name string) string {
	return w.values(`SELECT unasked || ' ' || auto_renew FROM subscription WHERE id = ?`, w.ids["sub "+name])
}

// ordered are the amounts that a profile was ordered for, for subscriptions of a plan.
func (w *world) ordered(profile, plan string) string {
	return w.values(`SELECT group_concat(dest_amount, ' ') FROM txn JOIN subscription s ON event_id = 'sub_' || s.id || '/'
		WHERE kind = 'order_placed' AND dest_account = 'Payable' AND orig_account = 'Receivable' AND payer_id = ? AND s.plan_id = ?
		ORDER BY txn.id`, w.ids[profile], w.ids["plan "+plan])
}

// Nobody but its subscriber agrees to what a subscription costs (decision 68): neither who buys for it, nor the use of it, nor a seat that
// somebody else paid for.
func TestOthersAgreeToNothing(t *testing.T) {
	c := resttest.Case
	const cart = "POST /api/cart"
	t.Run("the seller buys for a shadow, whom somebody takes over", func(t *testing.T) {
		w := shop(t, "ghost:basic")
		w.exec(`UPDATE subscription SET unasked = 1 WHERE id = ?`, w.ids["sub ghost:basic"])
		w.Run(t, c("fill", "donny", cart, `{"plan":"basic"}`, 201, "*"),
			c("order", "donny", "POST /api/billing/ghost/checkout/paylater", `{}`, 201, "*"))
		if got := w.agreed("ghost:basic"); got != "1 1" {
			t.Errorf("bought: %s", got)
		}
		w.exec(`INSERT INTO role (created_at, profile_id, user_id, role_description_id) VALUES (0, ?, ?, ?)`,
			w.ids["ghost"], w.ids["user zoe"], w.ids["role manager"])
		before := w.ordered("ghost", "basic")
		w.daily(utc(t, "2026-03-16 12:00"), utc(t, "2026-07-05 12:00"))
		if after := w.ordered("ghost", "basic"); after != before {
			t.Errorf("renewed: %s, then %s", before, after)
		}
	})
	t.Run("the broker buys for a customer", func(t *testing.T) {
		w := shop(t, "")
		w.exec(`UPDATE subscription SET unasked = 1 WHERE id = ?`, w.ids["sub xia:gym-monthly"])
		w.saveCard("xia", "xia")
		w.Run(t, c("fill", "alice", cart, `{"plan":"gym-monthly"}`, 201, "*"),
			c("order", "alice", "POST /api/billing/xia/checkout", `{}`, 201, "*"))
		w.settle()
		if got := w.agreed("xia:gym-monthly"); got != "1 0" {
			t.Errorf("bought: %s", got)
		}
	})
	t.Run("the subscriber buys a use", func(t *testing.T) {
		w := shop(t, "")
		w.exec(`INSERT INTO use_charge (slug, title, created_at, plan_id, use_amount, quota)
			SELECT 'visits', 'Visits', 1, id, 100, 1 FROM plan WHERE slug = 'gym-monthly'`)
		w.exec(`UPDATE subscription SET unasked = 1 WHERE id = ?`, w.ids["sub xia:gym-monthly"])
		w.Run(t, c("fill", "xia", cart, `{"plan":"gym-monthly","use":"visits"}`, 201, "*"),
			c("order", "xia", "POST /api/billing/xia/checkout", `{"processor_token":"tok_visa"}`, 201, "*"))
		w.settle()
		if got := w.agreed("xia:gym-monthly"); got != "1 0" {
			t.Errorf("bought: %s", got)
		}
	})
	t.Run("somebody claims a seat", func(t *testing.T) {
		w := shop(t, "")
		w.exec(`UPDATE profile SET is_bulk_buyer = 1 WHERE slug = 'acme'`)
		w.Run(t, c("fill", "yan", cart, `{"plan":"premium","full_name":"Gus","sync_on":"gus@example.com"}`, 201, "*"),
			c("order", "yan", "POST /api/billing/acme/checkout", `{"processor_token":"tok_visa"}`, 201, "*"))
		w.settle()
		code := w.values(`SELECT DISTINCT claim_code FROM cart_item WHERE recorded = 0 AND user_id IS NULL`)
		w.saveCard("gym", "gus")
		w.Run(t, c("claim", "gus", "POST /api/billing/gym/checkout?code="+code, `{}`, 200, "{}"))
		w.daily(utc(t, "2026-03-16 13:00"), utc(t, "2026-05-03 12:00"))
		if got := w.ordered("gym", "premium"); got != "" && strings.Trim(got, "0 ") != "" {
			t.Errorf("charged %s", got)
		}
	})
}

// What its subscriber buys renews, as the plan says.
func TestOwnOrderAgrees(t *testing.T) {
	w := shop(t, "")
	w.exec(`UPDATE subscription SET unasked = 1 WHERE id = ?`, w.ids["sub xia:gym-monthly"])
	w.saveCard("xia", "xia")
	w.Run(t, resttest.Case("fill", "xia", "POST /api/cart", `{"plan":"gym-monthly"}`, 201, "*"),
		resttest.Case("order", "xia", "POST /api/billing/xia/checkout", `{}`, 201, "*"))
	w.settle()
	if got := w.agreed("xia:gym-monthly"); got != "0 1" {
		t.Errorf("bought: %s", got)
	}
}

// Free for a moment is not free: what the seller has renew is not charged when the price comes back.
func TestFreeForAMoment(t *testing.T) {
	w := shop(t, "")
	const sale = "PATCH /api/profile/gym/plans/gym-monthly/subscriptions/xia"
	w.saveCard("xia", "xia")
	c := resttest.Case
	w.Run(t,
		c("priced", "gus", sale, `{"auto_renew":true}`, 400, "*"),
		c("free", "gus", "PATCH /api/profile/gym/plans/gym-monthly", `{"period_amount":0}`, 200, "*"),
		c("renews", "gus", sale, `{"auto_renew":true}`, 200, `~"auto_renew":true`),
		c("dear", "gus", "PATCH /api/profile/gym/plans/gym-monthly", `{"period_amount":500000}`, 200, "*"),
	)
	before := w.ordered("xia", "gym-monthly")
	w.daily(utc(t, "2026-03-16 12:00"), utc(t, "2026-06-05 12:00"))
	if after := w.ordered("xia", "gym-monthly"); after != before {
		t.Errorf("renewed: %s, then %s", before, after)
	}
}

// What ended is renewed some days later, unless it was cancelled: by its subscriber, by the seller who ended it, or because it was bought
// anew.
func TestEndedIsNotRevived(t *testing.T) {
	c := resttest.Case
	ended := func(w *world) {
		w.exec(`UPDATE subscription SET ends_at = ? WHERE id = ?`, store.At(utc(t, "2026-03-15 11:30")), w.ids["sub xia:gym-monthly"])
	}
	for _, tc := range []struct {
		name string
		do   func(w *world)
		want string // orders that follow
	}{
		{"left alone", ended, "3000"},
		{"cancelled by its subscriber", func(w *world) {
			ended(w)
			w.Run(t, c("unsubscribe", "xia", "DELETE /api/profile/xia/subscriptions/gym-monthly", "", 204, ""))
		}, ""},
		{"ended by the seller", func(w *world) {
			w.Run(t, c("end", "gus", "PATCH /api/profile/gym/plans/gym-monthly/subscriptions/xia",
				`{"ends_at":"2026-03-15T11:59:00Z"}`, 200, `~"auto_renew":false`))
		}, ""},
		{"bought anew", func(w *world) {
			ended(w)
			w.Run(t, c("fill", "xia", "POST /api/cart", `{"plan":"gym-monthly"}`, 201, "*"),
				c("order", "xia", "POST /api/billing/xia/checkout", `{}`, 201, "*"))
			w.settle()
		}, "3000"}, // the one that was bought
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := shop(t, "xia:gym-monthly")
			w.saveCard("xia", "xia")
			before := w.ordered("xia", "gym-monthly")
			tc.do(w)
			w.renew(utc(t, "2026-03-15 13:00"))
			after := strings.TrimSpace(strings.TrimPrefix(w.ordered("xia", "gym-monthly"), before))
			if after != tc.want {
				t.Errorf("ordered %q, want %q", after, tc.want)
			}
		})
	}
}

// Nobody keeps a request waiting for longer than who asked would wait.
func TestRequestIsNotProlonged(t *testing.T) {
	w := shop(t, "")
	w.saveCard("acme", "yan")
	w.exec(`UPDATE plan SET optin_on_request = 1 WHERE slug = 'basic'`)
	c := resttest.Case
	w.Run(t, c("fill", "yan", "POST /api/cart", `{"plan":"basic"}`, 201, "*"),
		c("ask", "yan", "POST /api/billing/acme/checkout", `{}`, 200, "{}"))
	const asked = `SELECT ends_at FROM subscription WHERE request_key IS NOT NULL`
	before := w.values(asked)
	w.Run(t, c("prolong", "donny", "PATCH /api/profile/cowork/plans/basic/subscriptions/acme", `{"ends_at":"2030-01-01T00:00:00Z"}`, 200, "*"))
	if after := w.values(asked); after != before {
		t.Errorf("ends at %s, then %s", before, after)
	}
}

// The card of a profile that nobody manages any more is nobody's to charge.
func TestCardOfNobody(t *testing.T) {
	w := shop(t, "")
	w.saveCard("acme", "yan")
	w.exec(`UPDATE role SET ends_at = ? WHERE profile_id = ?`, store.At(w.Clock.Now().Add(-time.Hour)), w.ids["acme"])
	c := resttest.Case
	w.Run(t, c("fill", "donny", "POST /api/cart", `{"plan":"premium"}`, 201, "*"))
	if r := w.Do("donny", "POST /api/billing/acme/checkout", `{}`); r.Code < 400 || r.Code >= 500 {
		t.Errorf("charged: %d %s", r.Code, r.Body)
	}
	if got := w.values(`SELECT count(*) FROM charge WHERE customer_id = ?`, w.ids["acme"]); got != "0" {
		t.Errorf("%s charges", got)
	}
}
