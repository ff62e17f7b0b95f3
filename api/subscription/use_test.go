package subscription

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// use reports a use of premium by acme, and returns what was invoiced, or the body of the error.
func (w *world) use(plan, use string, quantity int64, at store.Time) string {
	return w.useBy("acme", plan, use, quantity, at)
}

// useBy reports metered use of a profile.
func (w *world) useBy(subscriber, plan, use string, quantity int64, at store.Time) string {
	w.t.Helper()
	var entry *ledger.Entry
	err := w.Site.Store.Write(w.t.Context(), func(tx *store.Tx) error {
		p, err := w.ActivePlan(tx, plan)
		if err != nil {
			return err
		}
		u, err := w.UseOf(tx, p, use)
		if err != nil {
			return err
		}
		id, err := profileID(tx, subscriber)
		if err != nil {
			return err
		}
		entry, err = w.RecordUse(tx, Use{ProfileID: id, Plan: p, Use: u, Quantity: quantity, At: at})
		return err
	})
	var refused *rest.Error
	switch {
	case errors.As(err, &refused):
		b, _ := json.Marshal(refused.Body)
		return fmt.Sprint(refused.Status, " ", string(b))
	case err != nil:
		w.t.Fatal(err)
	case entry == nil:
		return "nothing"
	}
	return fmt.Sprintf("%d %s %s %s", entry.Dest.Amount, entry.Dest.Unit, entry.Event, entry.Descr)
}

// The example of subscriptions.md 15, with its notices once in each billing step (decision 46).
func TestRecordUse(t *testing.T) {
	w := newWorld(t)
	count := func(event, want string) {
		t.Helper()
		if got := w.values(`SELECT count(DISTINCT id) FROM outbox WHERE event = ? AND sink = 'mail'`, event); got != want {
			t.Errorf("%s %s, want %s", got, event, want)
		}
	}
	sub := w.values(`SELECT s.id FROM subscription s JOIN plan ON plan.id = plan_id WHERE plan.slug = 'premium'`)
	now := store.At(w.Clock.Now())
	for _, step := range []struct {
		quantity            int64
		want, left          string
		quota, crossed, due string
	}{
		{4, "nothing", "6+0", "0", "0", ""},
		{6, "nothing", "0+0", "0", "0", ""},
		{0, "300 usd sub_" + sub + "/1/ Buy 1 premium Requests", "0+0", "1", "0", "300"},
		{3, "900 usd sub_" + sub + "/1/ Buy 3 premium Requests", "0+0", "1", "1", "1200"},
		{1, "300 usd sub_" + sub + "/1/ Buy 1 premium Requests", "0+0", "1", "1", "1500"},
	} {
		if got := w.use("premium", "requests", step.quantity, now); got != step.want {
			t.Errorf("use of %d: %s, want %s", step.quantity, got, step.want)
		}
		if got := w.values(`SELECT expiring_quota || '+' || rollover_quota FROM subscription_use`); got != step.left {
			t.Errorf("use of %d leaves %s, want %s", step.quantity, got, step.left)
		}
		count("quota_reached", step.quota)
		count("use_charge_limit_crossed", step.crossed)
		if got := w.values(`SELECT due FROM statement`); got != step.due {
			t.Errorf("due %s, want %s", got, step.due)
		}
	}
	w.told(t, "quota_reached", `"use_charge":{"slug":"requests"`, `"usage":1`, `"provider":{"slug":"cowork"`)
	w.told(t, "use_charge_limit_crossed", `"usage":1200`)
	if got := w.values(`SELECT used_quantity FROM subscription_use`); got != "15" {
		t.Errorf("used %s", got)
	}

	// What was bought is taken after the quota, and survives the renewal that brings the quota back.
	w.write(func(tx *store.Tx) error {
		if err := w.BuyUse(tx, 2, 1, 5); err != nil {
			return err
		}
		if err := w.BuyUse(tx, 2, 1, 0); err != nil {
			return err
		}
		return w.ResetQuotas(tx, 2)
	})
	w.exec(`UPDATE subscription SET ends_at = ends_at + ? WHERE id = 2`, (31 * 24 * time.Hour).Microseconds())
	if got := w.values(`SELECT expiring_quota || '+' || rollover_quota FROM subscription_use`); got != "10+6" {
		t.Errorf("renewed: %s", got)
	}
	later := store.At(now.Add(10 * 24 * time.Hour)) // the billing step that began on March 20th
	if got := w.use("premium", "requests", 12, later); got != "nothing" {
		t.Errorf("within quota and stock: %s", got)
	}
	if got := w.use("premium", "requests", 5, later); got != "300 usd sub_"+sub+"/1/ Buy 1 premium Requests" {
		t.Errorf("beyond: %s", got)
	}
	count("quota_reached", "2")
	count("use_charge_limit_crossed", "2")
}

func TestRecordUseErrors(t *testing.T) {
	w := newWorld(t)
	now := store.At(w.Clock.Now())
	w.exec(`INSERT INTO use_charge (slug, created_at, plan_id, use_amount) SELECT 'water', 0, id, 5 FROM plan WHERE slug = 'gym-monthly'`)
	for _, test := range []struct {
		plan, use string
		quantity  int64
		at        store.Time
		want      string
	}{
		{"nope", "requests", 1, now, `400 {"plan":["Plan 'nope' does not exist or is inactive."]}`},
		{"legacy", "requests", 1, now, `400 {"plan":["Plan 'legacy' does not exist or is inactive."]}`},
		{"Premium", "requests", 1, now, `400 {"plan":["Plan 'Premium' does not exist or is inactive."]}`},
		{"premium", "nope", 1, now, `400 {"use":["UseCharge 'nope' does not exist or is inactive."]}`},
		{"premium", "water", 1, now, `400 {"detail":["UseCharge water does not belong to plan premium"]}`},
		{"premium", "requests", 1, store.At(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)), `400 {"detail":"Couldn't find a subscription to premium that covers 2030-01-01T00:00:00+00:00."}`},
		{"premium", "requests", 1, store.At(time.Date(2030, 1, 1, 0, 0, 0, 1000, time.UTC)), `400 {"detail":"Couldn't find a subscription to premium that covers 2030-01-01T00:00:00.000001+00:00."}`},
		{"premium", "requests", 1 << 62, now, `400 {"quantity":["Ensure this value is less than or equal to 3333333333333."]}`},
		{"premium", "requests", 1, store.At(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)), `nothing`},
		{"gym-monthly", "water", 2, now, `10 usd sub_6/2/ Buy 2 gym-monthly water`},
	} {
		if got := w.use(test.plan, test.use, test.quantity, test.at); got != test.want {
			t.Errorf("%s of %s: %s, want %s", test.use, test.plan, got, test.want)
		}
	}
	w.exec(`UPDATE subscription SET grant_key = 'x' WHERE id = 6`)
	if got := w.use("gym-monthly", "water", 1, now); got != `400 {"detail":"Couldn't find a subscription to gym-monthly that covers 2026-03-15T12:00:00+00:00."}` {
		t.Errorf("a grant that waits: %s", got)
	}
}

// Whatever is used: nothing is lost between the quota, the stock and the invoice, and the quota goes first.
func TestTakeConserves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, 1000)
		c := Counter{Expiring: n.Draw(t, "expiring"), Rollover: n.Draw(t, "rollover"), Used: n.Draw(t, "used")}
		before, q := c, n.Draw(t, "quantity")
		excess := c.Take(q)
		switch {
		case c.Expiring < 0 || c.Rollover < 0 || excess < 0:
			t.Fatalf("%+v after %d of %+v", c, q, before)
		case before.Expiring-c.Expiring+before.Rollover-c.Rollover+excess != q || c.Used != before.Used+q:
			t.Fatalf("%+v and %d after %d of %+v", c, excess, q, before)
		case c.Rollover < before.Rollover && c.Expiring > 0 || excess > 0 && c.Rollover > 0:
			t.Fatalf("%+v and %d after %d of %+v: out of order", c, excess, q, before)
		}
	})
}

// A billing step is as many natural periods as the plan says, from the subscription's start.
func TestBillingStep(t *testing.T) {
	sub := &Subscription{CreatedAt: day(2026, 1, 31)}
	for _, test := range []struct {
		length int64
		at     store.Time
		want   store.Time
	}{
		{1, day(2026, 2, 28), day(2026, 2, 28)},
		{1, day(2026, 3, 30), day(2026, 2, 28)},
		{3, day(2026, 4, 29), day(2026, 1, 31)},
		{3, day(2026, 4, 30), day(2026, 4, 30)},
		{3, day(2026, 1, 1), day(2025, 10, 31)},
	} {
		if got := billingStep(sub, &Plan{PeriodType: ledger.Monthly, PeriodLength: test.length}, test.at); got != test.want {
			t.Errorf("step of %d months at %s began %s, want %s", test.length, test.at, got, test.want)
		}
	}
}
