package billing

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// utc reads "2026-03-31 11:20".
func utc(t testing.TB, s string) time.Time {
	t.Helper()
	at, err := time.Parse("2006-01-02 15:04", s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// only leaves one subscription that renews, and gives its times.
func (w *world) only(name, from, to string) {
	w.t.Helper()
	w.exec(`UPDATE subscription SET auto_renew = (id = ?)`, w.ids["sub "+name])
	w.exec(`UPDATE subscription SET created_at = ?, ends_at = ? WHERE id = ?`, store.At(utc(w.t, from)), store.At(utc(w.t, to)), w.ids["sub "+name])
}

// renew runs the engine at an instant.
func (w *world) renew(at time.Time) {
	w.t.Helper()
	w.Clock.Set(at)
	if err := w.Renew(w.t.Context()); err != nil {
		w.t.Fatalf("%s: %v", at, err)
	}
	w.dir.TouchAll()
}

// daily runs the engine every day from one instant to another.
func (w *world) daily(from, to time.Time) {
	for t := from; !t.After(to); t = t.Add(day) {
		w.renew(t)
	}
}

func (w *world) saveCard(profile, user string) {
	w.t.Helper()
	if answer := w.Do(user, "PUT /api/billing/"+profile+"/card", `{"token":"tok_visa"}`); answer.Code != 200 {
		w.t.Fatalf("%d %s", answer.Code, answer.Body)
	}
}

const (
	orders  = `SELECT dest_amount || '@' || strftime('%m-%d %H:%M', created_at / 1000000, 'unixepoch') FROM txn WHERE kind = 'order_placed' AND dest_account = 'Payable' ORDER BY id`
	ends    = `SELECT strftime('%Y-%m-%d %H:%M', ends_at / 1000000, 'unixepoch') || ' ' || auto_renew FROM subscription WHERE id = ?`
	charged = `SELECT amount || '@' || strftime('%m-%d', created_at / 1000000, 'unixepoch') FROM charge WHERE state = 1 ORDER BY id`
	billing = `SELECT billing_start || ' ' || nb_renewal_attempts FROM profile WHERE slug = ?`
)

// TestRenewal bills and extends the same number of periods once, whatever the hour of the run, and charges the card in the same billing
// cycle (subscriptions.md 17.3); the income of each month is earned to the cent.
func TestRenewal(t *testing.T) {
	for _, anchor := range []string{"00:00", "11:20", "23:59"} {
		for _, hour := range []time.Duration{0, 2, 11, 12, 23} {
			t.Run(fmt.Sprintf("%s, run at %d", anchor, hour), func(t *testing.T) {
				w := newWorld(t)
				w.t = t
				w.only("acme:premium", "2026-03-01 "+anchor, "2026-04-01 "+anchor)
				w.saveCard("acme", "yan")
				w.daily(utc(t, "2026-03-16 00:00").Add(hour*time.Hour), utc(t, "2026-04-20 23:59"))
				if got := w.values(`SELECT dest_amount FROM txn WHERE kind = 'order_placed' AND dest_account = 'Payable'`); got != "20000" {
					t.Errorf("ordered %s", got)
				}
				if got := w.values(ends, w.ids["sub acme:premium"]); got != "2026-05-01 "+anchor+" 1" {
					t.Errorf("ends %s", got)
				}
				if got := w.values(`SELECT amount FROM charge WHERE state = 1 AND created_at >= ? AND created_at < ?`,
					store.At(utc(t, "2026-03-31 00:00")), store.At(utc(t, "2026-04-03 00:00"))); got != "20000" {
					t.Errorf("charged %s", got)
				}
				if got := w.values(billing, "acme"); got != "2026-05-01 0" {
					t.Errorf("the next charge is on %s", got)
				}
				w.exec(`UPDATE subscription SET auto_renew = 0`)
				w.renew(utc(t, "2026-05-02 12:00"))
				if got := w.accounts("cowork"); got != "Expenses 1610, Funds 18390, Income -20000" && !strings.HasPrefix(got, "Expenses 1610, Funds 18390, Income -20000") {
					t.Errorf("cowork has %s", got)
				}
				w.agree("renewal")
				before := w.values(`SELECT count(*) FROM txn`)
				w.renew(w.Clock.Now())
				w.renew(w.Clock.Now().Add(time.Hour))
				if got := w.values(`SELECT count(*) FROM txn`); got != before {
					t.Errorf("%s entries after running again, %s before", got, before)
				}
			})
		}
	}
}

// A subscription that its subscriber was not asked about is not renewed at a price, whatever became of the plan since; what is free is, and
// that of a profile that nobody manages. Who pays for it has agreed (decision 68).
func TestRenewalUnasked(t *testing.T) {
	for _, test := range []struct {
		name, sub, change, want string
	}{
		{"with a price", "xia:gym-monthly", `SELECT 1`, "2026-04-01 10:00 1"},
		{"free", "xia:gym-monthly", `UPDATE plan SET period_amount = 0`, "2026-05-01 10:00 1"},
		{"agreed to", "xia:gym-monthly", `UPDATE subscription SET unasked = 0`, "2026-05-01 10:00 1"},
		{"of a shadow", "ghost:basic", `SELECT 1`, "2026-05-01 10:00 1"},
	} {
		w := newWorld(t)
		w.only(test.sub, "2026-03-01 10:00", "2026-04-01 10:00")
		w.exec(`UPDATE subscription SET unasked = 1`)
		w.exec(test.change)
		w.renew(utc(t, "2026-03-31 12:00"))
		if got := w.values(ends, w.ids["sub "+test.sub]); got != test.want {
			t.Errorf("%s: ends %s, want %s", test.name, got, test.want)
		}
	}
	w := newWorld(t)
	w.saveCard("xia", "xia")
	w.exec(`UPDATE subscription SET unasked = 1, auto_renew = 0`)
	w.Run(t,
		resttest.Case("into the cart", "xia", "POST /api/cart", `{"plan":"gym-monthly"}`, 201, "*"),
		resttest.Case("pay", "xia", "POST /api/billing/xia/checkout", `{}`, 201, "*"),
	)
	if got := w.values(`SELECT unasked || ' ' || auto_renew FROM subscription WHERE id = ?`, w.ids["sub xia:gym-monthly"]); got != "0 1" {
		t.Errorf("paid: %s", got)
	}
}

// TestRenewalLength renews a plan of three months at once, one that is free, one that is no longer sold; not what was cancelled, waits for
// somebody, or ended too long ago. Quotas begin anew; what was bought in advance stays.
func TestRenewalLength(t *testing.T) {
	w := newWorld(t)
	w.exec(`UPDATE plan SET period_length = 3, is_active = 0 WHERE slug = 'premium'`)
	w.exec(`UPDATE plan SET period_amount = 0 WHERE slug = 'gym-monthly'`)
	w.exec(`UPDATE subscription SET created_at = ?, ends_at = ?`, store.At(utc(t, "2025-12-31 10:00")), store.At(utc(t, "2026-03-31 10:00")))
	w.exec(`UPDATE subscription SET auto_renew = 0 WHERE id = ?`, w.ids["sub ghost:basic"])
	w.exec(`UPDATE subscription SET grant_key = 'x' WHERE id = ?`, w.ids["sub xia:basic"])
	w.exec(`UPDATE subscription SET ends_at = ? WHERE id = ?`, store.At(utc(t, "2026-03-27 10:00")), w.ids["sub xia:gym-monthly"])
	w.exec(`INSERT INTO subscription_use (subscription_id, use_id, expiring_quota, rollover_quota, used_quantity) VALUES (?, ?, 0, 5, 9)`,
		w.ids["sub acme:premium"], w.ids["use requests"])
	w.renew(utc(t, "2026-03-30 12:00"))
	if got := w.values(orders); got != "20000@03-30 12:00 0@03-30 12:00" {
		t.Errorf("ordered %s", got)
	}
	for sub, want := range map[string]string{"acme:premium": "2026-06-30 10:00 1", "acme:gym-monthly": "2026-04-30 10:00 1", "ghost:basic": "2026-03-31 10:00 0",
		"xia:basic": "2026-03-31 10:00 1", "xia:gym-monthly": "2026-03-27 10:00 1"} {
		if got := w.values(ends, w.ids["sub "+sub]); got != want {
			t.Errorf("%s ends %s, want %s", sub, got, want)
		}
	}
	if got := w.values(`SELECT descr FROM txn ORDER BY id`); got != "Subscription to premium until 2026/06/30 (3 months) - Acme Corp Subscription to gym-monthly until 2026/04/30 (1 month) - Acme Corp" {
		t.Errorf("texts: %s", got)
	}
	if got := w.values(`SELECT expiring_quota || ' ' || rollover_quota || ' ' || used_quantity FROM subscription_use`); got != "2 5 9" {
		t.Errorf("quota, bought and used: %s", got)
	}
	w.verify()
}

// TestMissedRuns renews what ended in up to three days without a run, hours and days as often as they fit.
func TestMissedRuns(t *testing.T) {
	for name, c := range map[string]struct {
		period  ledger.Period
		ends    string
		want    string // end, after a run on 03-31 10:00
		ordered int
	}{
		"a month, 2 days ago": {ledger.Monthly, "2026-03-29 10:00", "2026-04-29 10:00", 1},
		"a month, 3 days ago": {ledger.Monthly, "2026-03-28 10:00", "2026-03-28 10:00", 0},
		"days":                {ledger.Daily, "2026-03-29 12:00", "2026-04-01 12:00", 3},
		"hours":               {ledger.Hourly, "2026-03-31 05:30", "2026-03-31 11:30", 6},
		"an hour, in time":    {ledger.Hourly, "2026-03-31 10:30", "2026-03-31 11:30", 1},
		"an hour, not yet":    {ledger.Hourly, "2026-03-31 11:30", "2026-03-31 11:30", 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.t = t
			w.exec(`UPDATE plan SET period_type = ? WHERE slug = 'premium'`, c.period)
			w.only("acme:premium", "2026-02-28 "+c.ends[11:], c.ends)
			w.renew(utc(t, "2026-03-31 10:00"))
			if got := w.values(ends, w.ids["sub acme:premium"]); got != c.want+" 1" {
				t.Errorf("ends %s, want %s", got, c.want)
			}
			if got := w.values(`SELECT count(*) FROM txn WHERE dest_account = 'Payable' AND orig_account = 'Receivable'`); got != fmt.Sprint(c.ordered) {
				t.Errorf("%s orders, want %d", got, c.ordered)
			}
			w.verify()
		})
	}
}

// TestCatchUp writes after weeks without a run what a run on each of those days would have (decision 62).
func TestCatchUp(t *testing.T) {
	type terms struct {
		period         ledger.Period
		amount, length int64
		created, left  time.Duration // ago, and to come
	}
	drawn := rapid.Custom(func(rt *rapid.T) terms {
		return terms{
			rapid.SampledFrom([]ledger.Period{ledger.Daily, ledger.Weekly, ledger.Monthly, ledger.Yearly}).Draw(rt, "period"),
			rapid.Int64Range(0, 5000).Draw(rt, "amount"), rapid.Int64Range(1, 3).Draw(rt, "length"),
			time.Duration(rapid.IntRange(1, 60*24).Draw(rt, "hours ago")) * time.Hour, time.Duration(rapid.IntRange(1, 20*24).Draw(rt, "hours left")) * time.Hour,
		}
	})
	start := utc(t, "2026-03-15 12:00")
	for seed := range min(histories(t, 8), 100) {
		plans := []terms{drawn.Example(3 * seed), drawn.Example(3*seed + 1), drawn.Example(3*seed + 2)}
		until := start.Add(time.Duration(2+seed*5%40) * day)
		var books, subs [2]string
		for i := range books {
			w := newWorld(t)
			for n, slug := range []string{"basic", "premium", "gym-monthly"} {
				p := plans[n]
				w.exec(`UPDATE plan SET period_type = ?, period_amount = ?, period_length = ? WHERE slug = ?`, p.period, p.amount, p.length, slug)
				w.exec(`UPDATE subscription SET created_at = ?, ends_at = ? WHERE plan_id = ?`, store.At(start.Add(-p.created)), store.At(start.Add(p.left)), w.ids["plan "+slug])
			}
			w.exec(`UPDATE profile SET billing_start = NULL`) // a card is charged at the present, once
			w.renew(start)
			if i == 0 {
				w.daily(start.Add(day), until)
			} else {
				w.renew(until)
			}
			w.verify()
			books[i] = w.values(`SELECT created_at || event_id || '\n' || descr || dest_profile_id || dest_account || orig_account || dest_amount AS e FROM txn ORDER BY e`)
			subs[i] = w.values(`SELECT id || ' ' || ends_at FROM subscription ORDER BY id`)
		}
		if books[0] != books[1] || subs[0] != subs[1] {
			t.Fatalf("%+v until %s: each day:\n%s\n%s\nat once:\n%s\n%s", plans, until, books[0], subs[0], books[1], subs[1])
		}
	}
}

// TestCatchUpForYears comes to the same books by a run each day, by one run at the end, and by daily runs of which one a month dies at some
// step: 36 months of them when many histories are asked for.
func TestCatchUpForYears(t *testing.T) {
	months := 2
	if histories(t, 0) >= 1000 {
		months = 36
	}
	seed := seedOf(t)
	r := rand.New(rand.NewPCG(uint64(seed), 0))
	start := utc(t, "2026-03-15 12:00")
	until := start.AddDate(0, months, 0)
	var want string
	for _, how := range []string{"daily", "once", "crashing"} {
		w := newWorld(t)
		for slug, terms := range map[string][2]int64{"basic": {int64(ledger.Weekly), 1}, "premium": {int64(ledger.Monthly), 1}, "gym-monthly": {int64(ledger.Monthly), 3}} {
			w.exec(`UPDATE plan SET period_type = ?, period_length = ? WHERE slug = ?`, terms[0], terms[1], slug)
		}
		w.exec(`UPDATE subscription SET created_at = ?, ends_at = ?`, store.At(utc(t, "2026-02-28 11:20")), store.At(utc(t, "2026-03-28 11:20")))
		w.exec(`UPDATE profile SET billing_start = NULL`) // cards are charged at the present
		w.renew(start)
		for n, at := 1, start.Add(day); !at.After(until); n, at = n+1, at.Add(day) {
			switch {
			case how == "once" && at.Add(day).After(until):
				at = until
				w.renew(at)
			case how == "crashing" && n%30 == 0:
				w.Clock.Set(at)
				w.broken = []string{"renew:extended", "renew:recognised", "renew:ran"}[r.IntN(3)]
				_ = w.Renew(t.Context()) // dies, unless there is nothing to do at that step
				w.restart()
			case how != "once":
				w.renew(at)
			}
		}
		w.renew(until)
		w.verify()
		got := w.values(`SELECT created_at || event_id || descr || dest_profile_id || dest_account || orig_account || dest_amount AS e FROM txn ORDER BY e`) +
			w.values(`SELECT id || ' ' || ends_at FROM subscription ORDER BY id`)
		if want == "" {
			want = got
		}
		if got != want {
			t.Errorf("seed %d: %s:\n%s\nwant, as each day:\n%s", seed, how, got, want)
		}
	}
	if n := strings.Count(want, "Payable"); n < 5*months {
		t.Errorf("%d orders in %d months", n, months)
	}
}

// TestRenewalRefused tries a card once a day, tells of each refusal, and ends after the third one what would renew (13.4). A new card
// begins anew.
func TestRenewalRefused(t *testing.T) {
	for name, card := range map[string]bool{"declined": true, "no card": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.t = t
			w.only("acme:premium", "2026-03-01 11:20", "2026-04-01 11:20")
			if card {
				w.saveCard("acme", "yan")
				w.exec(`UPDATE sandbox_customer SET token = 'tok_declined'`)
			}
			for at := utc(t, "2026-03-30 00:30"); at.Before(utc(t, "2026-04-06 00:00")); at = at.Add(time.Hour) {
				w.renew(at)
			}
			const told = `SELECT json_extract(payload, '$.nb_renewal_attempts') || json_extract(payload, '$.final_notice') || json_extract(payload, '$.charge_total.amount')
				FROM outbox WHERE event = 'renewal_charge_failed' ORDER BY id`
			if got := w.values(told); got != "1020000 2020000 3120000" {
				t.Errorf("told %s", got)
			}
			if got := w.values(ends, w.ids["sub acme:premium"]); got != "2026-04-02 00:30 0" {
				t.Errorf("ends %s", got)
			}
			if got := w.values(billing, "acme"); got != "2026-04-01 3" {
				t.Errorf("billing %s", got)
			}
			if got := w.values(`SELECT count(*) FROM charge`); got != "0" || w.due("acme") != 20000 {
				t.Errorf("%s charges, %d due", got, w.due("acme"))
			}
			w.saveCard("acme", "yan")
			w.renew(utc(t, "2026-04-06 12:00"))
			if got := w.values(billing, "acme"); got != "2026-05-01 0" {
				t.Errorf("billing with a new card, and nothing that renews: %s", got)
			}
			w.agree(name)
		})
	}
}

// TestRenewalCycle moves the date of the charge: by the day it began with, over months that are shorter, when nothing is due, when little
// is, and when nothing renews; debts of metered use are charged with the rest.
func TestRenewalCycle(t *testing.T) {
	for name, c := range map[string]struct {
		start  string
		anchor any
		owed   int64
		renews bool
		at     string
		want   string
		charge string
	}{
		"paid, the day before":      {"2026-03-31", nil, 900, true, "2026-03-30 00:00", "2026-04-30 0", "900@03-30"},
		"two days before":           {"2026-03-31", nil, 900, true, "2026-03-29 23:59", "2026-03-31 0", ""},
		"back to the 31st":          {"2026-04-30", 31, 900, true, "2026-04-30 01:00", "2026-05-31 0", "900@04-30"},
		"long ago":                  {"2025-11-30", 30, 900, true, "2026-03-30 01:00", "2026-04-30 0", "900@03-30"},
		"February":                  {"2026-01-31", 31, 900, true, "2026-02-01 01:00", "2026-02-28 0", "900@02-01"},
		"nothing due, early":        {"2026-03-31", nil, 0, true, "2026-03-30 01:00", "2026-03-31 0", ""},
		"nothing due":               {"2026-03-31", nil, 0, true, "2026-03-31 01:00", "2026-04-30 0", ""},
		"too little":                {"2026-03-31", nil, 50, true, "2026-03-31 01:00", "2026-04-30 0", ""},
		"nothing renews":            {"2026-03-31", nil, 900, false, "2026-03-31 01:00", "2026-04-30 0", ""},
		"just more than too little": {"2026-03-31", nil, 51, true, "2026-03-31 01:00", "2026-04-30 0", "51@03-31"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.t = t
			w.saveCard("acme", "yan")
			w.exec(`UPDATE profile SET billing_start = NULL`)
			w.exec(`UPDATE profile SET billing_start = ?, billing_day = ? WHERE slug = 'acme'`, c.start, c.anchor)
			w.exec(`UPDATE subscription SET auto_renew = ?`, c.renews)
			w.Clock.Set(utc(t, c.at).Add(-time.Hour))
			if c.owed > 0 {
				w.order("acme:premium", c.owed)
			}
			w.renew(utc(t, c.at))
			if got := w.values(billing, "acme"); got != c.want {
				t.Errorf("billing %s, want %s", got, c.want)
			}
			if got := w.values(charged); got != c.charge {
				t.Errorf("charged %q, want %q", got, c.charge)
			}
			w.agree(name)
		})
	}
}

// TestRenewalCrashes ends the process at every step of a run: the next one goes on, nothing is ordered or charged twice.
func TestRenewalCrashes(t *testing.T) {
	for _, step := range []string{"renew:extended", "renew:recognised", "renew:ran", "pay:prepared", "pay:charged", "pay:committed", "settle:asked", "settle:committed"} {
		t.Run(step, func(t *testing.T) {
			w := newWorld(t)
			w.t = t
			w.only("acme:premium", "2026-03-01 11:20", "2026-04-01 11:20")
			w.saveCard("acme", "yan")
			w.order("acme:premium", 20000)
			w.renew(utc(t, "2026-03-30 12:00"))
			w.Clock.Set(utc(t, "2026-04-01 12:00"))
			w.broken = step
			if err := w.Renew(t.Context()); !errors.As(err, new(crash)) {
				t.Fatalf("the run survives: %v", err)
			}
			w.restart()
			w.Clock.Advance(time.Hour)
			w.sweep()
			w.renew(w.Clock.Now())
			w.sweep()
			w.agree(step)
			if got := w.values(`SELECT dest_amount FROM txn WHERE dest_account = 'Payable' AND orig_account = 'Receivable' ORDER BY id`); got != "20000 20000" {
				t.Errorf("ordered %s", got)
			}
			if got := w.values(`SELECT amount FROM charge WHERE state = 1`); got != "40000" || w.due("acme") != 0 {
				t.Errorf("charged %s, %d due", got, w.due("acme"))
			}
			if got := w.values(billing, "acme"); got != "2026-05-01 0" {
				t.Errorf("billing %s", got)
			}
			if got := w.values(ends, w.ids["sub acme:premium"]); got != "2026-05-01 11:20 1" {
				t.Errorf("ends %s", got)
			}
			if got := w.values(`SELECT sum(dest_amount) FROM txn WHERE orig_account = 'Income'`); got != "20000" {
				t.Errorf("earned %s in the first month", got)
			}
		})
	}
}

// TestClearWhileCharged: what a card is being charged for is neither written off nor paid elsewhere meanwhile: it would be paid twice.
func TestClearWhileCharged(t *testing.T) {
	w := newWorld(t)
	w.only("acme:premium", "2026-03-01 10:00", "2026-04-01 10:00")
	w.saveCard("acme", "yan")
	w.renew(utc(t, "2026-03-16 12:00"))
	w.Clock.Set(utc(t, "2026-03-31 12:00"))
	w.broken = "pay:charged"
	if err := w.Renew(t.Context()); !errors.As(err, new(crash)) {
		t.Fatalf("no crash: %v", err)
	}
	w.restart()
	if answer := w.Do("alice", "DELETE /api/billing/acme/balance?paid=1", ""); answer.Code != 409 {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
	if got := w.values(`SELECT count(*) FROM txn WHERE kind IN (?, ?)`, ledger.KindOffline, ledger.KindWriteOff); got != "0" {
		t.Errorf("%s entries of what the card pays", got)
	}
}

// TestTwoRunners runs the engine in several places at once: what is done is done once.
func TestTwoRunners(t *testing.T) {
	w := newWorld(t)
	w.only("acme:premium", "2026-03-01 11:20", "2026-04-01 11:20")
	w.saveCard("acme", "yan")
	w.order("acme:premium", 20000)
	w.Clock.Set(utc(t, "2026-04-01 12:00"))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := w.Renew(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	w.sweep()
	w.agree("two runners")
	if got := w.values(`SELECT dest_amount FROM txn WHERE dest_account = 'Payable' AND orig_account = 'Receivable' UNION ALL SELECT amount FROM charge`); got != "20000 20000 40000" {
		t.Errorf("ordered and charged %s", got)
	}
	if got := w.values(`SELECT sum(dest_amount) FROM txn WHERE orig_account = 'Income'`); got != "20000" {
		t.Errorf("earned %s", got)
	}
}

// TestParked does not charge a profile whose figures contradict each other until an operator says so; its access goes on (decision 63).
func TestParked(t *testing.T) {
	w := newWorld(t)
	w.only("acme:premium", "2026-03-01 11:20", "2026-04-01 11:20")
	w.saveCard("acme", "yan")
	if err := w.parks(t.Context(), w.ids["sub acme:premium"], fmt.Errorf("%w: too many lines", ledger.ErrFacts)); err != nil {
		t.Fatal(err)
	}
	w.renew(utc(t, "2026-04-01 00:30"))
	if got := w.values(ends, w.ids["sub acme:premium"]) + w.values(charged); got != "2026-05-01 11:20 1" {
		t.Errorf("parked: %s", got)
	}
	list, err := w.ListParked(t.Context())
	if err != nil || len(list) != 1 || list[0].Slug != "acme" || !strings.Contains(list[0].Reason, "too many lines") {
		t.Errorf("%v %v", list, err)
	}
	for _, want := range []bool{true, false} {
		if was, err := w.Unpark(t.Context(), "acme", nil); was != want || err != nil {
			t.Errorf("unparked %v %v, want %v", was, err, want)
		}
	}
	w.renew(utc(t, "2026-04-01 01:30"))
	if got := w.values(charged); got != "20000@04-01" {
		t.Errorf("charged %s", got)
	}
}

// TestExpiryNotices tells once of a subscription that ends, by how it renews and what card there is (13.5).
func TestExpiryNotices(t *testing.T) {
	const (
		auto, repeat, once = 1, 2, 0
		at                 = "2026-03-20 09:00"
	)
	for name, c := range map[string]struct {
		renewal, autoRenew int
		card               string // expiry; "" for none
		ends               string
		want               string
	}{
		"repeat":              {repeat, 0, "", "2026-04-04 09:00", "expires_soon"},
		"the last instant":    {repeat, 0, "", "2026-04-05 08:59", "expires_soon"},
		"the day after":       {repeat, 0, "", "2026-04-05 10:00", ""},
		"the day before":      {repeat, 0, "", "2026-04-04 08:59", ""},
		"once":                {once, 0, "", "2026-04-04 10:00", ""},
		"cancelled":           {auto, 0, "", "2026-04-04 10:00", ""},
		"no card":             {auto, 1, "", "2026-04-04 10:00", ""},
		"the card is fine":    {auto, 1, "05/2026", "2026-04-04 10:00", ""},
		"the card expires":    {auto, 1, "04/2026", "2026-04-04 10:00", "card_expires_soon"},
		"the card is expired": {auto, 1, "01/2026", "2026-04-04 10:00", "card_expires_soon"},
	} {
		t.Run(name, func(t *testing.T) {
			w, f := newFaultyWorld(t)
			w.t = t
			w.exec(`UPDATE plan SET renewal_type = ?`, c.renewal)
			for _, sub := range []string{"acme:premium", "acme:gym-monthly"} { // a card is told of once
				w.exec(`UPDATE subscription SET ends_at = ?, auto_renew = ? WHERE id = ?`, store.At(utc(t, c.ends)), c.autoRenew, w.ids["sub "+sub])
			}
			if c.card != "" {
				f.expiry = c.card
				w.saveCard("acme", "yan")
			}
			told := `SELECT event FROM outbox WHERE event LIKE '%expires_soon' ORDER BY id`
			w.renew(utc(t, at))
			w.renew(utc(t, at).Add(time.Hour))
			want := c.want
			if want == "expires_soon" {
				want += " " + want
			}
			if got := w.values(told); got != want {
				t.Errorf("told %q, want %q", got, want)
			}
		})
	}
}

// TestClaimsEarn recognises what a group buy cost by the claims of it, each its share on its own calendar (ledger.md 5.16).
func TestClaimsEarn(t *testing.T) {
	w := newWorld(t)
	w.exec(`UPDATE profile SET is_bulk_buyer = 1, billing_start = NULL WHERE slug = 'acme'`)
	w.exec(`UPDATE subscription SET auto_renew = 0`)
	c := resttest.Case
	w.Run(t,
		c("invite", "yan", "POST /api/cart", `[{"plan":"basic","sync_on":"one@example.net","full_name":"One"},{"plan":"basic","sync_on":"two@example.net","full_name":"Two"},
			{"plan":"basic","sync_on":"three@example.net","full_name":"Three"}]`, 201, "*"),
		c("pay", "yan", "POST /api/billing/acme/checkout", `{"processor_token":"tok_visa"}`, 201, `~"amount":6000`),
	)
	w.sweep()
	codes := strings.Fields(w.values(`SELECT DISTINCT claim_code FROM cart_item WHERE claim_code IS NOT NULL ORDER BY id`))
	earned := func() string {
		return w.values(`SELECT coalesce(sum(dest_amount), 0) FROM txn WHERE orig_account = 'Income' AND event_id LIKE 'cpn_%'`)
	}
	w.renew(utc(t, "2026-03-20 12:00"))
	if got := earned(); got != "0" {
		t.Errorf("earned %s before any claim", got)
	}
	for n, claim := range []struct{ profile, user string }{{"gym", "gus"}, {"cowork", "donny"}} {
		w.Clock.Set(utc(t, fmt.Sprintf("2026-04-%d1 12:00", n)).AddDate(0, 0, n))
		w.Run(t,
			c("claim", claim.user, "GET /api/billing/"+claim.profile+"/checkout?code="+codes[n], "", 200, `~complimentary of Acme Corp`),
			c("take", claim.user, "POST /api/billing/"+claim.profile+"/checkout", `{}`, 200, "*"),
		)
	}
	if got := w.values(`SELECT count(*) FROM coupon_claim`); got != "2" {
		t.Fatalf("%s claims", got)
	}
	for _, at := range []struct{ at, want string }{{"2026-04-20 12:00", "0"}, {"2026-05-02 12:00", "2000"}, {"2026-05-13 12:00", "4000"}, {"2026-09-01 12:00", "4000"}} {
		w.exec(`UPDATE subscription SET auto_renew = 0`)
		w.renew(utc(t, at.at))
		if got := earned(); got != at.want {
			t.Errorf("%s: earned %s, want %s", at.at, got, at.want)
		}
	}
	if got := w.values(`SELECT count(*) FROM recognition WHERE event LIKE 'cpn_%' AND next_at IS NULL`); got != "1" {
		t.Error("the group buy is looked at again without a claim")
	}
	w.verify()
}

// TestUsesEarn recognises metered use at the next month, and moves what is not paid to Liability (ledger.md 5.10).
func TestUsesEarn(t *testing.T) {
	w := newWorld(t)
	w.only("acme:premium", "2026-03-01 00:00", "2026-09-01 00:00")
	w.exec(`UPDATE profile SET billing_start = NULL`)
	w.exec(`UPDATE plan SET optin_on_request = 0`)
	w.Run(t, resttest.Case("use", "donny", "POST /api/billing/acme/balance", `{"plan":"premium","use":"requests","quantity":12}`, 201, "*"))
	w.renew(utc(t, "2026-03-31 12:00"))
	income := `SELECT coalesce(sum(dest_amount), 0) FROM txn WHERE orig_account = 'Income'`
	if got := w.values(income); got != "0" {
		t.Errorf("earned %s in March", got)
	}
	w.renew(utc(t, "2026-04-01 00:00"))
	if got := w.values(income); got != w.values(`SELECT dest_amount FROM txn WHERE dest_account = 'Payable'`) || got == "0" {
		t.Errorf("earned %s", got)
	}
	if got := w.accounts("acme"); !strings.HasPrefix(got, "Liability ") {
		t.Errorf("acme has %s", got)
	}
	w.verify()
}

// TestRenewOne renews one profile, for managers of the broker (decision 15).
func TestRenewOne(t *testing.T) {
	w := newWorld(t)
	w.only("acme:premium", "2026-03-01 11:20", "2026-04-01 11:20")
	w.Clock.Set(utc(t, "2026-04-01 00:30"))
	w.saveCard("acme", "yan")
	c := resttest.Case
	const path = "POST /api/billing/acme/renew"
	cases := []resttest.Step{
		c("anonymous", "", path, `{}`, 401, "*"),
		c("unknown", "alice", "POST /api/billing/nobody/renew", `{}`, 404, "*"),
		c("GET", "alice", "GET /api/billing/acme/renew", ``, 405, "*"),
		c("no date", "alice", path, `{"at_time":"soon"}`, 400, `~{"at_time":[`),
		c("a time to come", "alice", path, `{"at_time":"2026-04-01T00:30:01Z"}`, 400, `{"at_time":["A time to come cannot be renewed for."]}`),
		c("too early", "alice", path, `{"at_time":"2026-03-30T00:00:00Z"}`, 200, `{}`),
	}
	for _, user := range []string{"kim", "donny", "cleo", "yan", "xia", "zoe"} {
		cases = append(cases, c(user, user, path, `{}`, 403, "*"))
	}
	w.Run(t, cases...)
	w.Run(t,
		c("renew", "alice", path, `{}`, 201, `{}`),
		c("again", "alice", path, `{}`, 200, `{}`),
		c("null", "alice", path, `{"at_time":null}`, 200, `{}`),
	)
	if got := w.values(charged); got != "20000@04-01" {
		t.Errorf("charged %s", got)
	}
	if got := w.values(`SELECT count(*) FROM txn WHERE kind = 'order_placed'`); got != "1" {
		t.Errorf("%s orders", got)
	}
}

// TestRenewalPlans finds what is to be done from indexes.
func TestRenewalPlans(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct{ query, index string }{
		"renewable":   {selectRenewable + onSite + ` ORDER BY ends_at, id`, "subscription_ends_at"},
		"of one":      {selectRenewable + ofProfile + ` ORDER BY ends_at, id`, "subscription_"},
		"billers":     {selectBillers + ` ORDER BY billing_start, id`, "profile_billing_start"},
		"ending":      {selectEnding + onSite + ` ORDER BY s.ends_at, s.id`, "subscription_ends_at"},
		"recognition": {selectRecognition + ` ORDER BY next_at, id`, "recognition_next"},
		"earned by":   {selectRecognition + ofSubscriber + ` ORDER BY next_at, id`, "subscription_"},
		"clocks":      {selectClocks, "profile_clock"},
		"parked":      {`SELECT slug FROM profile WHERE parked_at IS NOT NULL ORDER BY parked_at, id`, "profile_parked"},
	} {
		if plan := storetest.Plan(t, w.Site.Store, c.query, make([]any, countMarks(c.query))...); !strings.Contains(plan, c.index) || strings.Contains(plan, "SCAN s") {
			t.Errorf("%s: %s", name, plan)
		}
	}
}

// BenchmarkRenewal runs the engine for subscriptions that renew, against as many that do not, in the same books.
func BenchmarkRenewal(b *testing.B) {
	const n = 10_000
	for _, renewing := range []bool{true, false} {
		b.Run(fmt.Sprintf("%d subscriptions, due %v", n, renewing), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				w := newWorld(b)
				end := "2026-09-01 00:00"
				if renewing {
					end = "2026-04-01 00:00"
				}
				w.exec(`INSERT INTO profile (id, slug, created_at) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT 1000 + i, 'p' || i, 0 FROM n`, n)
				w.exec(`INSERT INTO subscription (profile_id, plan_id, created_at, ends_at) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
					SELECT 1000 + i, ?, ?, ? FROM n`, n, w.ids["plan basic"], store.At(utc(b, "2026-03-01 00:00")), store.At(utc(b, end)))
				b.StartTimer()
				w.renew(utc(b, "2026-03-31 12:00"))
			}
		})
	}
}

// TestRenewOneRefused asks a card that was refused once a day, whichever times it is renewed for.
func TestRenewOneRefused(t *testing.T) {
	w := newWorld(t)
	w.only("acme:premium", "2026-03-01 11:20", "2026-05-01 11:20")
	w.saveCard("acme", "yan")
	w.exec(`UPDATE sandbox_customer SET token = 'tok_declined'`)
	w.order("acme:premium", 20000)
	w.Clock.Set(utc(t, "2026-04-10 12:00"))
	c := resttest.Case
	for day := 1; day <= 9; day++ {
		w.Run(t, c("refused", "alice", "POST /api/billing/acme/renew", fmt.Sprintf(`{"at_time":"2026-04-%02dT12:00:00Z"}`, day), 200, `{}`))
	}
	if got := w.values(billing, "acme"); got != "2026-04-01 1" {
		t.Errorf("billing %s, want one attempt", got)
	}
	w.Clock.Set(utc(t, "2026-04-11 00:00"))
	w.Run(t, c("the next day", "alice", "POST /api/billing/acme/renew", `{"at_time":"2026-04-01T12:00:00Z"}`, 200, `{}`))
	if got := w.values(billing, "acme"); got != "2026-04-01 2" {
		t.Errorf("billing %s, want two attempts", got)
	}
}

// TestPayingBalance neither clears a balance nor takes an invoice as paid while a charge of the customer is in flight, of whatever lines:
// it may pay them a moment later.
func TestPayingBalance(t *testing.T) {
	w := newWorld(t)
	code := w.invoiced("acme:premium", 20000)
	c := resttest.Case
	const flying = `{"detail":"A payment is already in progress."}`
	w.Run(t,
		c("pay all that is due", "yan", "POST /api/billing/acme/checkout", `{"processor_token":"tok_pending"}`, 201, `~"amount":20000`),
		c("write off", "donny", "DELETE /api/billing/acme/balance", "", 409, flying),
		c("paid elsewhere", "donny", "DELETE /api/billing/acme/balance?paid=1", "", 409, flying),
		c("the invoice is paid elsewhere", "donny", "POST /api/billing/cowork/payments/"+code+"/collected", `{}`, 409, flying),
	)
	w.exec(`UPDATE sandbox_charge SET token = 'tok_visa'`)
	w.Run(t,
		c("settled", "donny", "DELETE /api/billing/acme/balance?paid=1", "", 204, ""),
		c("its invoice", "donny", "POST /api/billing/cowork/payments/"+code+"/collected", `{}`, 200, "*"),
	)
	if got := w.values(`SELECT kind FROM batch ORDER BY id`); strings.Contains(got, "offline") || strings.Contains(got, "written") || w.due("acme") != 0 {
		t.Errorf("%s, %d due", got, w.due("acme"))
	}
	w.verify()
}
