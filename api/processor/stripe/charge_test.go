package stripe

import (
	"slices"
	"testing"

	"github.com/caddy-tollgate/tollgate/api/processor"
)

// pay makes a payment and returns the key of the charge.
func pay(t *testing.T, s *Stripe, p processor.Payment) string {
	t.Helper()
	r, err := s.CreatePayment(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return r.Key
}

// TestStatus is what became of a charge, its disputes by what they ended with (ledger.md 8.4).
func TestStatus(t *testing.T) {
	ctx := t.Context()
	f, s, p := opened(t, false)
	p.Token = "tok_slow"
	key := pay(t, s, p)
	state := func(what string, want processor.State) {
		t.Helper()
		if got, err := s.RetrieveCharge(ctx, key); err != nil || got.State != want {
			t.Errorf("%s: %v, %v, want %v", what, got.State, err, want)
		}
	}
	state("not settled", processor.Pending)
	f.change(key, "status", "failed")
	f.change(key, "failure_message", "Your bank refused.")
	state("failed", processor.Failed)
	if got, _ := s.RetrieveCharge(ctx, key); got.Failure != "Your bank refused." {
		t.Errorf("failure %q", got.Failure)
	}
	f.change(key, "status", "succeeded")
	state("settled", processor.Succeeded)
	f.change(key, "disputed", true)
	var before, d object
	f.with(func() {
		before = f.add("dp", "dispute", object{"charge": key, "status": "won"})
		d = f.add("dp", "dispute", object{"charge": key})
	})
	for status, want := range map[string]processor.State{"needs_response": processor.DisputeOpened, "under_review": processor.DisputeOpened,
		"warning_needs_response": processor.DisputeOpened, "warning_under_review": processor.DisputeOpened, "warning_closed": processor.DisputeWon,
		"won": processor.DisputeWon, "lost": processor.DisputeLost} {
		f.change(d["id"].(string), "status", status)
		state(status, want)
	}
	f.change(before["id"].(string), "status", "lost")
	f.change(d["id"].(string), "status", "under_review")
	state("the latest counts", processor.DisputeOpened)
	if _, err := s.RetrieveCharge(ctx, "ch_none"); code(err) != "refused" {
		t.Errorf("of a charge that is not there: %v", err)
	}
}

// TestSplit shares what a charge brought out, by its balance transaction (ledger.md 8.2).
func TestSplit(t *testing.T) {
	ctx := t.Context()
	for name, test := range map[string]struct {
		connect, broker bool
		fee             int64 // of the broker
		unit            string
		change          object // of the balance transaction
		want            processor.Distribution
	}{
		"all at the broker":       {fee: 1000, unit: "usd", want: processor.Distribution{Provider: 19000, Processor: 610, Broker: 390, Local: true, Unit: "usd"}},
		"no fee of the broker":    {unit: "usd", want: processor.Distribution{Provider: 19390, Processor: 610, Unit: "usd"}},
		"less than Stripe's":      {fee: 100, unit: "usd", want: processor.Distribution{Provider: 19900, Processor: 610, Broker: -510, Local: true, Unit: "usd"}},
		"connected":               {connect: true, fee: 1000, unit: "usd", want: processor.Distribution{Provider: 18390, Processor: 610, Broker: 1000, Unit: "usd"}},
		"connected, without fee":  {connect: true, unit: "usd", want: processor.Distribution{Provider: 19390, Processor: 610, Unit: "usd"}},
		"the broker's own sales":  {connect: true, broker: true, fee: 1000, unit: "usd", want: processor.Distribution{Provider: 18390, Processor: 610, Broker: 1000, Unit: "usd"}},
		"another currency":        {connect: true, fee: 1000, unit: "eur", change: object{"currency": "usd", "amount": 22000, "fee": 700, "fee_details": []object{{"amount": 700, "type": "stripe_fee"}}}, want: processor.Distribution{Provider: 20200, Processor: 700, Broker: 1100, Unit: "usd"}},
		"without a smaller coin":  {fee: 1000, unit: "jpy", want: processor.Distribution{Provider: 19000, Processor: 3600, Broker: -2600, Local: true, Unit: "jpy"}},
		"taxes and fees together": {connect: true, fee: 1000, unit: "usd", change: object{"fee": 1700, "fee_details": []object{{"amount": 600, "type": "stripe_fee"}, {"amount": 100, "type": "tax"}, {"amount": 1000, "type": "application_fee"}}}, want: processor.Distribution{Provider: 18300, Processor: 700, Broker: 1000, Unit: "usd"}},
	} {
		f, s, p := opened(t, test.connect)
		p.BrokerFee, p.Unit, p.Provider.Broker = test.fee, test.unit, test.broker
		key := pay(t, s, p)
		for k, v := range test.change {
			f.change(f.of(key, "balance_transaction").(string), k, v)
		}
		got, err := s.Distribution(ctx, key, processor.DistributionOf{Amount: 20000, BrokerFee: test.fee, Unit: test.unit})
		if err != nil || got != test.want {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, test.want)
		}
	}
	_, s, _ := opened(t, false)
	got, err := s.Distribution(ctx, "ch_none", processor.DistributionOf{Amount: 500, Refunded: 100, Unit: "usd"})
	if want := (processor.Distribution{Provider: 400, Unit: "usd"}); err != nil || got != want {
		t.Errorf("no charge: %+v, %v", got, err)
	}
}

// TestGiveBack refunds in parts, each once whatever gets lost, with the parts of the broker and the provider.
func TestGiveBack(t *testing.T) {
	ctx := t.Context()
	three := func(on, what string) []fault { return slices.Repeat([]fault{{on, what, ""}}, tries) }
	for name, faults := range map[string][]fault{
		"none":                  nil,
		"the refund is lost":    three("POST /v1/refunds", "lost"),
		"the refund is not":     three("POST /v1/refunds", "never"),
		"the fee is lost":       three("POST /v1/application_fees", "lost"),
		"the fee is not":        three("POST /v1/application_fees", "500"),
		"the fee is refused":    {{"POST /v1/application_fees", "403", ""}},
		"the list is not given": three("GET /v1/refunds", "500"),
	} {
		t.Run(name, func(t *testing.T) {
			f, s, p := opened(t, true)
			key := pay(t, s, p)
			f.fail(faults...)
			err := s.Refund(ctx, key, 5000, 250, "cha_1/1/0")
			if want := map[bool]string{true: "", false: "unknown"}[faults == nil]; code(err) != want {
				t.Errorf("%v, want %q", err, want)
			}
			f.forget() // a day later
			for range 2 {
				if err := s.Refund(ctx, key, 5000, 250, "cha_1/1/0"); err != nil {
					t.Error(err)
				}
			}
			form, _ := f.sent("POST /v1/refunds")
			if form.Get("reverse_transfer") != "true" || form.Get("refund_application_fee") != "false" {
				t.Errorf("%v", form)
			}
			if err := s.Refund(ctx, key, 15000, 750, "cha_1/1/5000"); err != nil {
				t.Error(err)
			}
			fee := f.of(key, "application_fee").(string)
			if got := []any{f.of(key, "amount_refunded"), f.of(fee, "amount_refunded")}; got[0] != int64(20000) || got[1] != int64(1000) {
				t.Errorf("given back %v", got)
			}
			if err := s.Refund(ctx, key, 1, 0, "cha_1/1/20000"); code(err) != "refused" {
				t.Errorf("more than there is: %v", err)
			}
			if got, err := s.RetrieveCharge(ctx, key); err != nil || got.Refunded != 20000 {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
	f, s, p := opened(t, false)
	p.Unit = "jpy"
	key := pay(t, s, p)
	if got := f.of(key, "amount"); got != int64(200) {
		t.Errorf("charged %v yen, want 200", got)
	}
	if err := s.Refund(ctx, key, 550, 27, "r"); code(err) != "refused" {
		t.Errorf("half a yen: %v", err)
	}
	if err := s.Refund(ctx, key, 500, 27, "r"); err != nil {
		t.Error(err)
	}
	if form, _ := f.sent("POST /v1/refunds"); form.Get("amount") != "5" || form.Get("reverse_transfer") != "" {
		t.Errorf("%v", form)
	}
	if got, _ := s.RetrieveCharge(ctx, key); got.Refunded != 500 {
		t.Errorf("%d given back", got.Refunded)
	}
}

// TestMoney counts as Stripe does, there and back.
func TestMoney(t *testing.T) {
	for _, test := range []struct {
		unit         string
		amount, want int64 // -1: not to be paid
	}{{"usd", 1999, 1999}, {"jpy", 5000, 50}, {"jpy", 5050, -1}, {"kwd", 1234, 12340}, {"isk", 500, 500}, {"isk", 501, -1}, {"ugx", 500, 500}, {"eur", 0, 0}} {
		got, err := toStripe(test.amount, test.unit)
		if err != nil && test.want == -1 {
			continue
		}
		if err != nil || got != test.want || fromStripe(got, test.unit) != test.amount {
			t.Errorf("%d %s is %d, %v, want %d; back %d", test.amount, test.unit, got, err, test.want, fromStripe(got, test.unit))
		}
	}
	for _, test := range [][2]int64{{199, 1}, {99, 0}, {300, 3}} {
		if got := feeToStripe(test[0], "jpy"); got != test[1] {
			t.Errorf("a fee of %d is %d yen, want %d", test[0], got, test[1])
		}
	}
}
