package billing

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/api/processor"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// moved moves the clock of a profile by n periods.
func (w *world) moved(profile string, p ledger.Period, n int64) []Happening {
	w.t.Helper()
	now, _, err := w.ClockOf(w.t.Context(), profile)
	if err != nil {
		w.t.Fatal(err)
	}
	list, err := w.MoveClock(w.t.Context(), profile, p.Add(now, n), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

// reads tells whether the gate would let a subscriber to a plan in: until when it takes a subscription to last.
func (w *world) endsAtGate(profile, plan string) string {
	w.t.Helper()
	p, err := w.dir.Profile(profile)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, sub := range p.Subscriptions {
		if sub.Plan == plan {
			return sub.EndsAt.UTC().Format("2006-01-02 15:04")
		}
	}
	return "never"
}

// TestClock lets a year of one customer go by: each month is ordered, charged and earned at its time, as in a year of daily runs; what is
// shown of the profile is shown at its time; nobody else's time moves.
func TestClock(t *testing.T) {
	books := func(w *world) string {
		return w.values(`SELECT strftime('%Y-%m-%d', created_at / 1000000, 'unixepoch') || ' ' || dest_account || orig_account || dest_amount || event_id AS e FROM txn
			WHERE dest_profile_id <> (SELECT id FROM profile WHERE slug = 'hub') ORDER BY e`)
	}
	begin := func() *world {
		w := newWorld(t)
		w.only("acme:premium", "2026-03-01 12:00", "2026-04-01 12:00")
		w.exec(`UPDATE profile SET billing_start = NULL WHERE slug <> 'acme'`)
		w.saveCard("acme", "yan")
		return w
	}
	w := begin()
	others := w.values(`SELECT ends_at FROM subscription WHERE profile_id <> ? ORDER BY id`, w.ids["acme"])
	list := w.moved("acme", ledger.Yearly, 1)
	if now, ahead, err := w.ClockOf(t.Context(), "acme"); err != nil || now.Format("2006-01-02 15:04") != "2027-03-15 12:00" || ahead != 365*24*time.Hour {
		t.Errorf("acme has %s, %s ahead, %v", now, ahead, err)
	}
	if got := w.values(`SELECT count(*) || ' ' || sum(amount) || ' ' || min(state) FROM charge`); got != "12 240000 1" {
		t.Errorf("charged: %s", got)
	}
	var seen []string
	for _, h := range list {
		seen = append(seen, h.At.Format("01-02 ")+h.What)
	}
	if got := strings.Join(seen, ", "); !strings.HasPrefix(got, "04-01 order, 04-01 charge, 05-01 order, 05-01 charge,") || !strings.Contains(got, " 09-01 end, ") || len(list) != 25 {
		t.Errorf("%d happened: %s", len(list), got) // the other subscription of acme, to the gym, ended
	}
	if got := w.values(ends, w.ids["sub acme:premium"]); got != "2027-04-01 12:00 1" {
		t.Errorf("ends %s", got)
	}
	if got := w.endsAtGate("acme", "premium"); got != "2026-04-01 12:00" {
		t.Errorf("at the gate it ends %s of the site's time", got)
	}
	if got := w.values(`SELECT ends_at FROM subscription WHERE profile_id <> ? ORDER BY id`, w.ids["acme"]); got != others {
		t.Errorf("others' subscriptions changed: %s, were %s", got, others)
	}
	if got := w.values(`SELECT count(*) FROM audit WHERE created_at > ? UNION ALL SELECT count(*) FROM batch WHERE created_at > ? UNION ALL SELECT count(*) FROM outbox WHERE created_at > ?`,
		store.At(w.Clock.Now()), store.At(w.Clock.Now()), store.At(w.Clock.Now())); got != "0 0 0" {
		t.Errorf("dated by the wrong clock: %s of the audit, batches, notices", got)
	}
	w.Run(t,
		resttest.Case("history", "yan", "GET /api/billing/acme/history", "", 200, `~"ends_at":"2027-03-15T12:00:00Z"~"balance_amount":0~"count":24,`),
		resttest.Case("sales, at the site's time", "donny", "GET /api/billing/cowork/receivables", "", 200, `~"ends_at":"2026-03-15T12:00:00Z"~"count":0,`),
	)
	w.agree("a year")

	daily := begin()
	daily.daily(utc(t, "2026-03-16 12:00"), utc(t, "2027-03-15 12:00"))
	if got, want := books(w), books(daily); got != want {
		t.Errorf("moved:\n%s\nlived:\n%s", strings.ReplaceAll(got, " 20", "\n20"), strings.ReplaceAll(want, " 20", "\n20"))
	}
}

// TestClockOrders: what is ordered, refunded and ended of a profile is dated by its clock; the job goes on at its time; and a time that is
// reset leaves what happened.
func TestClockOrders(t *testing.T) {
	w := newWorld(t)
	w.exec(`UPDATE profile SET billing_start = NULL`)
	w.exec(`UPDATE subscription SET auto_renew = 0`)
	w.moved("acme", ledger.Daily, 100) // 2026-06-23
	c := resttest.Case
	w.Run(t,
		c("cart", "yan", "POST /api/cart", `{"plan":"basic"}`, 201, "*"),
		c("buy", "yan", "POST /api/billing/acme/checkout", `{"processor_token":"tok_visa","remember_card":true}`, 201, `~"created_at":"2026-06-23T12:00:00Z"`),
		c("see", "yan", "GET /api/billing/acme/checkout", "", 200, "*"),
	)
	w.Run(t, c("refund", "donny", "POST /api/billing/acme/charges/"+w.values(`SELECT processor_key FROM charge`)+"/refund", `{"lines":[{"num":0,"refunded_amount":500}]}`, 200, "*"))
	const dated = `SELECT DISTINCT strftime('%Y-%m-%d', created_at / 1000000, 'unixepoch') FROM txn`
	if got := w.values(dated); got != "2026-06-23" {
		t.Errorf("entries of %s", got)
	}
	if got := w.endsAtGate("acme", "basic"); got != "2026-04-14 12:00" {
		t.Errorf("a month of acme's ends %s", got)
	}
	// Time goes on for everybody.
	w.renew(utc(t, "2026-04-14 12:00"))
	if got := w.values(`SELECT strftime('%Y-%m-%d', max(created_at) / 1000000, 'unixepoch') FROM txn WHERE dest_account = 'Payable'`); got != "2026-07-23" {
		t.Errorf("renewed on %s", got)
	}
	if got := w.values(`SELECT count(*) FROM charge WHERE state = 1`); got != "2" {
		t.Errorf("%s charges", got)
	}
	for _, want := range []bool{true, false} {
		if was, err := w.ResetClock(t.Context(), "acme", nil); was != want || err != nil {
			t.Errorf("reset: %v, %v", was, err)
		}
	}
	if got := w.endsAtGate("acme", "basic"); got != "2026-08-23 12:00" {
		t.Errorf("after the reset it ends %s", got)
	}
	w.renew(utc(t, "2026-04-14 13:00"))
	w.sweep()
	w.agree("orders")
}

// TestClockRefused moves a clock back for nobody, and none where money is real; the job leaves such profiles alone.
func TestClockRefused(t *testing.T) {
	w := newWorld(t)
	at := func(s string) store.Time { return store.At(utc(t, s)) }
	for _, c := range []struct {
		profile, to string
		want        error
	}{{"acme", "2026-03-15 11:59", errClockBack}, {"acme", "2026-03-15 12:00", errClockBack}, {"acme", "2036-03-16 12:00", errClockTooFar}, {"nobody", "2026-04-01 12:00", nil}} {
		if _, err := w.MoveClock(t.Context(), c.profile, at(c.to), nil); err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s to %s: %v", c.profile, c.to, err)
		}
	}
	w.only("acme:premium", "2026-03-01 12:00", "2026-04-01 12:00")
	w.moved("acme", ledger.Daily, 1)
	w.sandbox = struct{ processor.Processor }{w.sandbox}
	w.restart()
	if _, err := w.MoveClock(t.Context(), "acme", at("2026-04-01 12:00"), nil); !errors.Is(err, errNoSandbox) {
		t.Errorf("another processor: %v", err)
	}
	w.renew(utc(t, "2026-03-31 18:00"))
	if got := w.values(orders); got != "" {
		t.Errorf("ordered %s by a clock that is played with", got)
	}
	if was, err := w.ResetClock(t.Context(), "acme", nil); !was || err != nil {
		t.Errorf("reset: %v, %v", was, err)
	}
	w.renew(utc(t, "2026-03-31 19:00"))
	if got := w.values(orders); got != "20000@03-31 19:00" {
		t.Errorf("ordered %s", got)
	}
}

// TestClockCrashes ends the process while a clock is moved: whoever moves it on comes to the same books.
func TestClockCrashes(t *testing.T) {
	var want string
	for _, step := range []string{"", "clock:set", "renew:extended", "renew:recognised", "pay:prepared", "pay:charged", "pay:committed", "settle:asked", "settle:committed"} {
		t.Run(step, func(t *testing.T) {
			w := newWorld(t)
			w.t = t
			w.only("acme:premium", "2026-03-01 12:00", "2026-04-01 12:00")
			w.saveCard("acme", "yan")
			w.moved("acme", ledger.Daily, 15)
			w.broken = step
			if _, err := w.MoveClock(t.Context(), "acme", store.At(utc(t, "2026-04-03 12:00")), nil); (step != "") != errors.As(err, new(crash)) {
				t.Fatalf("the move ends with %v", err)
			}
			w.restart()
			w.sweep()
			if now, _, _ := w.ClockOf(t.Context(), "acme"); now.Before(utc(t, "2026-04-03 12:00")) {
				if _, err := w.MoveClock(t.Context(), "acme", store.At(utc(t, "2026-04-03 12:02")), nil); err != nil {
					t.Fatal(err)
				}
			}
			w.sweep()
			w.agree(step)
			got := w.values(`SELECT dest_account || orig_account || dest_amount || event_id AS e FROM txn ORDER BY e`)
			if want == "" {
				want = got
			}
			if got != want {
				t.Errorf("books\n%s\nwant\n%s", got, want)
			}
		})
	}
}
