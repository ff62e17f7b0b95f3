package metrics

import (
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/store"
)

// refuse notes that the card of a customer was refused, for what it owes acme.
func (w *world) refuse(who string, at store.Time) { w.refuseTo("acme", who, at) }

func (w *world) refuseTo(provider, who string, at store.Time) {
	w.t.Helper()
	w.insert("", `INSERT INTO card_refusal (created_at, provider_id, customer_id) VALUES (?, ?, ?)`, at, w.ids[provider], w.ids[who])
}

// TestDunning follows debts that a card was refused for: bob's is retried and paid in part by card, and the rest written off; ann's is
// paid elsewhere; beta, whose subscription ended, owes still; bob's next one is open.
func TestDunning(t *testing.T) {
	w := newWorld(t)
	w.subscribe("beta", "basic", day(5, 1), day(6, 1))
	w.order("bob:open", 5000, 1, day(7, 10))
	w.refuse("bob", day(7, 10)) // at the very time of the order
	w.refuse("bob", day(7, 11)) // a retry
	w.refuse("bob", day(7, 12))
	w.pay("bob:open", 3000, 0, 1, day(7, 20))
	w.writeOff("bob:open", 2000, day(7, 21))
	w.order("ann:open", 2000, 1, day(7, 15))
	w.refuse("ann", day(7, 16))
	w.payOffline("ann:open", 2500, day(8, 1))
	w.order("beta:basic", 700, 1, day(6, 5))
	w.insert("", `INSERT INTO charge (claim_code, created_at, amount, unit, customer_id, provider_id, state) VALUES ('a', ?, 700, 'usd', ?, ?, 2)`, day(6, 6), w.ids["beta"], w.ids["acme"])
	w.order("bob:open", 400, 1, day(8, 2))
	w.refuse("bob", day(8, 3))
	w.refuse("stripe", day(8, 3)) // who is no customer
	w.refuse("ann", day(8, 4))    // when nothing is due
	// A dispute that was lost is no refusal.
	w.insert("", `INSERT INTO charge (claim_code, created_at, amount, unit, customer_id, provider_id, state, disputed_at) VALUES ('b', ?, 700, 'usd', ?, ?, 2, 1)`, day(8, 3), w.ids["beta"], w.ids["acme"])
	const window = "?nb_periods=3&ends_at=2015-08-06T12:00:00Z" // June to August
	got := w.rows("zed", "GET /api/metrics/acme/dunning"+window)
	want := "failed 700 7000 400\nrecovered 0 5000 0\nwritten-off 0 2000 0\nlost 700 0 0\nopen 0 0 400\ndebts 1 2 1"
	if got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	// A credit is deducted from what is due.
	w.order("ann:open", 1000, 1, day(8, 5)) // 500 of it were paid in advance
	w.refuse("ann", day(8, 5))
	if got := w.rows("zed", "GET /api/metrics/acme/dunning"+window); !strings.Contains(got, "open 0 0 900") {
		t.Errorf("%s", got)
	}
	// A refusal for what is due to another provider is that one's to know.
	w.subscribe("ann", "basic", day(5, 1), day(9, 1))
	w.order("ann:basic", 800, 1, day(8, 6))
	w.refuseTo("beta", "ann", day(8, 6))
	if got := w.rows("zed", "GET /api/metrics/acme/dunning"+window); !strings.Contains(got, "open 0 0 900") {
		t.Errorf("%s", got)
	}
	w.refuse("ann", day(8, 6))
	if got := w.rows("zed", "GET /api/metrics/acme/dunning"+window); !strings.Contains(got, "open 0 0 1700") {
		t.Errorf("%s", got)
	}
}
