package billing

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/caddy-tollgate/tollgate/api/processor"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// crowded is a processor that answers what became of a charge only when as many are asked for as may be at once.
type crowded struct {
	*processor.Sandbox
	mu             sync.Mutex
	waiting, most  int
	arrived, leave chan struct{}
}

func (p *crowded) RetrieveCharge(ctx context.Context, key string) (processor.Status, error) {
	p.mu.Lock()
	p.waiting++
	p.most = max(p.most, p.waiting)
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.waiting--
		p.mu.Unlock()
	}()
	p.arrived <- struct{}{}
	select {
	case <-p.leave:
		return p.Sandbox.RetrieveCharge(ctx, key)
	case <-ctx.Done():
		return processor.Status{}, ctx.Err()
	}
}

// TestAskedAbreast asks for the charges in flight several at a time, no more than eight, and for all of them.
func TestAskedAbreast(t *testing.T) {
	const charges = 2 * abreast
	w := newWorld(t)
	for range charges {
		code := w.invoiced("acme:premium", 20000)
		if answer := w.Do("", "POST /api/billing/payments/"+code, `{"processor_token":"tok_pending"}`); answer.Code != 201 {
			t.Fatalf("%d %s", answer.Code, answer.Body)
		}
		w.exec(`UPDATE sandbox_charge SET token = 'tok_visa'`)
		w.exec(`UPDATE charge SET state = 2`) // else the next one has to wait for it
	}
	w.exec(`UPDATE charge SET state = 0`)
	p := &crowded{Sandbox: w.sandbox.(*processor.Sandbox), arrived: make(chan struct{}, charges), leave: make(chan struct{})}
	w.sandbox = p
	w.restart()
	go func() {
		for n := 1; n <= charges; n++ {
			<-p.arrived
			if n%abreast == 0 { // all that may be asked for at once are
				for range abreast {
					p.leave <- struct{}{}
				}
			}
		}
	}()
	if err := w.pollAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p.most != abreast {
		t.Errorf("%d at once, want %d", p.most, abreast)
	}
	w.agree("all asked for")
}

// TestPayoutsReconciled takes payouts into the books in a run, though nobody looks at the transfers, and each once.
func TestPayoutsReconciled(t *testing.T) {
	w := newWorld(t)
	w.exec(`UPDATE subscription SET auto_renew = 0`)
	w.paid("tok_visa", "acme:premium", 20000)
	w.exec(`INSERT INTO sandbox_payout (key, created_at, provider, amount, unit) VALUES ('po_1', ?, 'cowork', 10000, 'usd'), ('po_2', ?, 'hub', 300, 'usd'),
		('po_3', ?, 'gym', 1, 'usd')`, w.Clock.Now().UnixMicro(), w.Clock.Now().UnixMicro(), w.Clock.Now().UnixMicro())
	for range 2 {
		w.renew(w.Clock.Now())
	}
	if got := w.values(`SELECT event_id || '=' || dest_amount FROM txn WHERE kind = 'paid_out' ORDER BY id`); got != "po_1=10000 po_2=300" && got != "po_2=300 po_1=10000" {
		t.Errorf("paid out: %s; gym had nothing that could be", got)
	}
	w.verify()
	if plan := storetest.Plan(t, w.Site.Store, selectPaidOut, "hub"); strings.Contains(plan, "SCAN profile") || strings.Contains(plan, "SCAN b") ||
		!strings.Contains(plan, "SEARCH profile USING INTEGER PRIMARY KEY") {
		t.Errorf("plan\n%s", plan)
	}
}

// picky is a processor that declines what goes to some providers.
type picky struct {
	*processor.Sandbox
	declines string // slugs
}

func (p *picky) CreatePayment(ctx context.Context, pay processor.Payment) (processor.Receipt, error) {
	if strings.Contains(p.declines, pay.Provider.Slug) {
		return processor.Receipt{}, &processor.CardError{Code: "insufficient_funds", Detail: "no"}
	}
	return p.Sandbox.CreatePayment(ctx, pay)
}

// TestRenewalOfSeveral charges a profile for each of its providers apart: what one gets is not given back when the card does not pay
// another, who alone is tried again, once a day; a day counts as one attempt; and the next cycle begins when all are paid.
func TestRenewalOfSeveral(t *testing.T) {
	for name, c := range map[string]struct {
		declines, then string // by whom the card is declined, and on later days
		want           string // charges
		told           string // attempt, amount and whether it is final
		billing        string
		ends           string
	}{
		"none":              {"", "", "20000@04-01 3000@04-01", "", "2026-05-01 0", "2026-09-01 00:00 1"},
		"the first, once":   {"cowork", "", "3000@04-01 20000@04-02", "1:20000:0", "2026-05-01 0", "2026-09-01 00:00 1"},
		"the second, once":  {"gym", "", "20000@04-01 3000@04-02", "1:3000:0", "2026-05-01 0", "2026-09-01 00:00 1"},
		"the second always": {"gym", "gym", "20000@04-01", "1:3000:0 2:3000:0 3:3000:1", "2026-04-01 3", "2026-04-03 12:00 0"},
		"both, always": {"cowork gym", "cowork gym", "", "1:20000:0 1:3000:0 2:20000:0 2:3000:0 3:20000:1 3:3000:1",
			"2026-04-01 3", "2026-04-03 12:00 0"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.t = t
			p := &picky{Sandbox: w.sandbox.(*processor.Sandbox), declines: c.declines}
			w.sandbox = p
			w.restart()
			w.saveCard("acme", "yan")
			w.order("acme:premium", 20000)
			w.order("acme:gym-monthly", 3000)
			w.renew(utc(t, "2026-04-01 12:00"))
			w.renew(utc(t, "2026-04-01 13:00"))
			p.declines = c.then
			w.daily(utc(t, "2026-04-02 12:00"), utc(t, "2026-04-06 12:00"))
			if got := w.values(charged); got != c.want {
				t.Errorf("charged %q, want %q", got, c.want)
			}
			if got := w.values(`SELECT json_extract(payload, '$.nb_renewal_attempts') || ':' || json_extract(payload, '$.charge_total.amount') || ':' ||
				json_extract(payload, '$.final_notice') FROM outbox WHERE event = 'renewal_charge_failed' ORDER BY id`); got != c.told {
				t.Errorf("told %q, want %q", got, c.told)
			}
			if got := w.values(billing, "acme"); got != c.billing {
				t.Errorf("billing %s, want %s", got, c.billing)
			}
			if got := w.values(ends, w.ids["sub acme:premium"]); got != c.ends {
				t.Errorf("ends %s, want %s", got, c.ends)
			}
			if got := w.values(`SELECT coalesce(sum(refunded), 0) FROM sandbox_charge`); got != "0" {
				t.Errorf("%s was given back", got)
			}
			w.agree(name)
		})
	}
}

// TestRenewalOfOneFails renews what it can: a subscription that cannot be renewed does not stop the others of its transaction, and the error
// says which it is.
func TestRenewalOfOneFails(t *testing.T) {
	w := newWorld(t)
	w.exec(`UPDATE profile SET billing_start = NULL`)
	end := utc(t, "2026-04-01 12:00").UnixMicro()
	w.exec(`UPDATE subscription SET created_at = ?, ends_at = ?`, utc(t, "2026-03-01 12:00").UnixMicro(), end)
	w.exec(fmt.Sprintf(`CREATE TRIGGER broken BEFORE UPDATE OF ends_at ON subscription WHEN OLD.id = %d BEGIN SELECT RAISE(ABORT, 'broken'); END`, w.ids["sub acme:premium"]))
	w.Clock.Set(utc(t, "2026-04-01 00:00"))
	err := w.Renew(t.Context())
	if want := fmt.Sprintf("extension of %d: ", w.ids["sub acme:premium"]); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %s…", err, want)
	}
	if got := w.values(`SELECT id FROM subscription WHERE ends_at = ?`, end); got != fmt.Sprint(w.ids["sub acme:premium"]) {
		t.Errorf("not renewed: %s", got)
	}
	if got := w.values(`SELECT count(*) FROM txn WHERE kind = 'order_placed'`); got != "4" {
		t.Errorf("%s orders", got)
	}
	w.exec(`DROP TRIGGER broken`)
	w.renew(utc(t, "2026-04-01 01:00"))
	if got := w.values(`SELECT count(*) FROM subscription WHERE ends_at = ?`, end); got != "0" {
		t.Errorf("%s are not renewed still", got)
	}
	w.verify()
}
