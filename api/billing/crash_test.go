package billing

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/api/processor"
	"github.com/caddy-tollgate/tollgate/store"
)

// faulty is a processor that does not answer, before or after it did what it was asked for.
type faulty struct {
	*processor.Sandbox
	before, after string // the call that times out; "" for none
	decline       int    // the payment that is declined, from 1
	payments      int
	expiry        string // of the card on file, "MM/YYYY"; "" for the sandbox's own
}

var errTimeout = &processor.UnknownError{Err: context.DeadlineExceeded}

func (f *faulty) call(name string, act func() error) error {
	if f.before == name {
		return errTimeout
	}
	if err := act(); err != nil {
		return err
	}
	if f.after == name {
		return errTimeout
	}
	return nil
}

func (f *faulty) CreatePayment(ctx context.Context, p processor.Payment) (r processor.Receipt, err error) {
	if f.payments++; f.payments == f.decline {
		return r, &processor.CardError{Code: "card_declined", Detail: "no"}
	}
	return r, f.call("CreatePayment", func() error { r, err = f.Sandbox.CreatePayment(ctx, p); return err })
}

func (f *faulty) RetrieveCharge(ctx context.Context, key string) (s processor.Status, err error) {
	return s, f.call("RetrieveCharge", func() error { s, err = f.Sandbox.RetrieveCharge(ctx, key); return err })
}

func (f *faulty) Distribution(ctx context.Context, key string, of processor.DistributionOf) (d processor.Distribution, err error) {
	return d, f.call("Distribution", func() error { d, err = f.Sandbox.Distribution(ctx, key, of); return err })
}

func (f *faulty) Refund(ctx context.Context, key string, amount, broker int64, idem string) error {
	return f.call("Refund", func() error { return f.Sandbox.Refund(ctx, key, amount, broker, idem) })
}

func (f *faulty) SaveCard(ctx context.Context, p processor.Profile, token string) (c processor.Card, key string, err error) {
	return c, key, f.call("SaveCard", func() error { c, key, err = f.Sandbox.SaveCard(ctx, p, token); return err })
}

func (f *faulty) Card(ctx context.Context, p processor.Profile) (*processor.Card, error) {
	card, err := f.Sandbox.Card(ctx, p)
	if card != nil && f.expiry != "" {
		card.ExpDate = f.expiry
	}
	return card, err
}

// newFaultyWorld is newWorld with a processor that can fail.
func newFaultyWorld(t testing.TB) (*world, *faulty) {
	w := newWorld(t)
	f := &faulty{Sandbox: w.sandbox.(*processor.Sandbox)}
	w.sandbox = f
	w.restart()
	return w, f
}

// agree checks that the processor and the books tell the same: every charge of the processor is one of ours, or was given back whole;
// every charge of ours with a key is one of the processor's, settled; what was given back is the same; and no work is left.
func (w *world) agree(what string) {
	w.t.Helper()
	for _, check := range []struct{ problem, query string }{
		{"charged and not in the books", `SELECT key FROM sandbox_charge s WHERE refunded < amount AND token <> 'tok_fail_later' AND NOT EXISTS (SELECT 1 FROM charge c WHERE c.processor_key = s.key AND c.amount = s.amount)`},
		{"in the books and not charged", `SELECT id FROM charge c WHERE processor_key IS NOT NULL AND NOT EXISTS (SELECT 1 FROM sandbox_charge s WHERE s.key = c.processor_key)`},
		{"not settled", `SELECT id FROM charge WHERE processor_key IS NOT NULL AND state = 0`},
		{"given back otherwise", `SELECT c.id FROM charge c JOIN sandbox_charge s ON s.key = c.processor_key WHERE s.refunded <> (SELECT coalesce(sum(t.orig_amount), 0)
			FROM txn t WHERE t.orig_account = 'Refunded' AND t.kind = 'refunded' AND t.event_id >= 'cha_' || c.id || '/' AND t.event_id < 'cha_' || c.id || '0')`},
		{"payments left", `SELECT id FROM checkout_attempt WHERE state = 'pending'`},
		{"tokens kept", `SELECT id FROM checkout_attempt WHERE lines <> '{}'`},
		{"refunds left", `SELECT id FROM refund WHERE state = 'pending'`},
	} {
		if got := w.values(check.query); got != "" {
			w.t.Errorf("%s: %s: %s", what, check.problem, got)
		}
	}
	w.verify()
}

// sweep is what a new process does after a while.
func (w *world) sweep() {
	w.t.Helper()
	w.Clock.Advance(sweepAfter + time.Second)
	if err := w.Sweep(w.t.Context()); err != nil && !errors.As(err, new(crash)) {
		w.t.Error(err)
	}
}

// TestCrashes ends the process at every step of a payment, a refund and an event. After a restart and one sweep, the processor and the
// books agree, nothing was charged twice, and nothing that was paid is lost (ledger.md 12.8).
func TestCrashes(t *testing.T) {
	pay := func(body string) func(w *world) string {
		return func(w *world) string {
			code := w.invoiced("acme:premium", 20000)
			w.Do("yan", "POST /api/billing/payments/"+code, body)
			w.Do("yan", "GET /api/billing/payments/"+code, "")
			return "1 20000 0"
		}
	}
	refund := func(w *world) string {
		step := w.broken
		w.broken = ""
		key := w.paid("tok_visa", "acme:premium", 20000, "acme:premium", 3000)
		w.broken = step
		w.Do("donny", "POST /api/billing/acme/charges/"+key+"/refund", `{"lines":[{"num":0,"refunded_amount":7001},{"num":1}]}`)
		return "1 23000 10001"
	}
	event := func(w *world) string {
		code := w.invoiced("acme:premium", 20000)
		w.Do("yan", "POST /api/billing/payments/"+code, `{"processor_token":"tok_visa"}`)
		e := processor.Event{ID: "evt_1", Kind: processor.ChargeSucceeded, ChargeKey: w.values(`SELECT processor_key FROM charge`)}
		if err := w.TakeEvent(w.t.Context(), e); !errors.As(err, new(crash)) {
			w.t.Errorf("the process survives: %v", err)
		}
		w.restart()
		for range 2 { // the processor posts it again, until it is answered
			if err := w.TakeEvent(w.t.Context(), e); err != nil {
				w.t.Error(err)
			}
		}
		return "1 20000 0"
	}
	for _, test := range []struct {
		name  string
		run   func(w *world) string
		steps []string
	}{
		{"payment", pay(`{"processor_token":"tok_visa"}`), []string{"pay:prepared", "pay:charged", "pay:committed", "settle:asked", "settle:committed"}},
		{"payment and card", pay(`{"processor_token":"tok_visa","remember_card":true}`), []string{"pay:prepared", "pay:saved", "pay:charged", "pay:committed"}},
		{"refund", refund, []string{"refund:prepared", "refund:given", "refund:committed"}},
		{"event", event, []string{"settle:asked", "settle:committed"}},
	} {
		for _, step := range test.steps {
			t.Run(test.name+" "+step, func(t *testing.T) {
				w := newWorld(t)
				w.t = t
				w.broken = step
				want := test.run(w)
				w.restart()
				w.sweep()
				w.agree(step)
				got := w.values(`SELECT count(*) || ' ' || sum(amount) || ' ' || sum(refunded) FROM sandbox_charge`)
				if got != want {
					t.Errorf("the processor has %s, want %s", got, want)
				}
				if due := w.due("acme"); due != 0 {
					t.Errorf("acme still owes %d", due)
				}
			})
		}
	}
}

// TestTimeouts lets every call of the processor time out, before it acts and after.
func TestTimeouts(t *testing.T) {
	for _, call := range []string{"CreatePayment", "RetrieveCharge", "Distribution", "Refund", "SaveCard"} {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s after=%v", call, after), func(t *testing.T) {
				w, f := newFaultyWorld(t)
				fail := func() {
					if after {
						f.after = call
					} else {
						f.before = call
					}
				}
				fail()
				code := w.invoiced("acme:premium", 20000)
				w.Do("yan", "POST /api/billing/payments/"+code, `{"processor_token":"tok_visa","remember_card":true}`)
				w.Do("yan", "GET /api/billing/payments/"+code, "")
				f.before, f.after = "", ""
				w.sweep()
				w.agree("payment")
				fail()
				w.Do("donny", "POST /api/billing/acme/charges/"+w.values(`SELECT processor_key FROM charge`)+"/refund", `{"lines":[{"num":0,"refunded_amount":500}]}`)
				f.before, f.after = "", ""
				w.sweep()
				w.agree("refund")
				if got := w.values(`SELECT count(*) || ' ' || sum(amount) || ' ' || sum(refunded) FROM sandbox_charge`); got != "1 20000 500" {
					t.Errorf("the processor has %s", got)
				}
			})
		}
	}
}

// TestSeveralCharges gives back the first charge of a payment when the second one is declined, a crash in between included.
func TestSeveralCharges(t *testing.T) {
	for _, step := range []string{"", "pay:undone", "pay:charged"} {
		t.Run(step, func(t *testing.T) {
			w, f := newFaultyWorld(t)
			w.t = t
			w.order("acme:premium", 20000)
			w.order("acme:gym-monthly", 3000)
			p := &payment{Purpose: "balance", Customer: w.ids["acme"], Token: "tok_visa"}
			w.write(func(tx *store.Tx) (err error) {
				if p.Bills, err = w.balanceBills(tx, p.Customer, store.Time{}); err != nil {
					return err
				}
				return w.prepare(tx, p, "")
			})
			w.broken, f.decline = step, 2
			charges, err := w.pay(t.Context(), w.job(t.Context()), p)
			if err == nil || len(charges) > 0 {
				t.Fatalf("paid: %v", charges)
			}
			w.restart()
			if f.decline = 0; step == "pay:undone" { // it is declined again: the key is the same
				f.payments, f.decline = 0, 2
			}
			w.sweep()
			w.agree(step)
			want := "1 20000 20000" // charged, given back
			if step == "pay:charged" {
				want = "2 23000 0" // the sweeper went on with it
			}
			if got := w.values(`SELECT count(*) || ' ' || sum(amount) || ' ' || sum(refunded) FROM sandbox_charge`); got != want {
				t.Errorf("the processor has %s, want %s", got, want)
			}
		})
	}
}

// TestForgottenKeys does not make a payment that is older than the processor's memory of keys: it looks whether it was made.
func TestForgottenKeys(t *testing.T) {
	for step, want := range map[string]string{"pay:prepared": "0 20000", "pay:charged": "1 0"} {
		w := newWorld(t)
		w.broken = step
		code := w.invoiced("acme:premium", 20000)
		w.Do("yan", "POST /api/billing/payments/"+code, `{"processor_token":"tok_visa"}`)
		w.restart()
		w.Clock.Advance(48 * time.Hour)
		w.sweep()
		w.agree(step)
		if got := fmt.Sprint(w.values(`SELECT count(*) FROM sandbox_charge`), " ", w.due("acme")); got != want {
			t.Errorf("%s: charges and debt are %s, want %s", step, got, want)
		}
	}
}
