package processor

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// newSandbox is a sandbox over a store of the test's own, and another one, of the process after a restart.
func newSandbox(t *testing.T) (first, second *Sandbox, clock *storetest.Clock) {
	t.Helper()
	clock = storetest.NewClock()
	db := storetest.NewAt(t, clock)
	first, second = NewSandbox(), NewSandbox()
	first.Keep(db)
	second.Keep(db)
	return first, second, clock
}

// TestTokens is what becomes of each token: at the payment, and each time somebody asks.
func TestTokens(t *testing.T) {
	for token, want := range map[string]struct {
		code  string
		asked []State
	}{
		"tok_visa":             {"", []State{Succeeded, Succeeded}},
		TokenDeclined:          {"card_declined", nil},
		TokenInsufficientFunds: {"insufficient_funds", nil},
		TokenExpired:           {"expired_card", nil},
		TokenAuthentication:    {"authentication_required", nil},
		TokenPending:           {"", []State{Pending, Pending}},
		TokenFailLater:         {"", []State{Failed, Failed}},
		TokenDispute:           {"", []State{Succeeded, DisputeOpened, DisputeOpened}},
		TokenDisputeWon:        {"", []State{Succeeded, DisputeOpened, DisputeWon, DisputeWon}},
		TokenDisputeLost:       {"", []State{Succeeded, DisputeOpened, DisputeLost, DisputeLost}},
	} {
		s, _, _ := newSandbox(t)
		r, err := s.CreatePayment(t.Context(), Payment{Amount: 1000, Unit: "usd", Token: token, IdempotencyKey: "a"})
		var card *CardError
		if errors.As(err, &card); card != nil && card.Code != want.code || card == nil && want.code != "" {
			t.Errorf("%s: %v, want %q", token, err, want.code)
		}
		if token == TokenAuthentication && (card == nil || card.ClientSecret == "" || card.ChargeKey == "") {
			t.Errorf("%s: nothing for the browser to confirm", token)
		}
		for i, state := range want.asked {
			if got, err := s.RetrieveCharge(t.Context(), r.Key); err != nil || got.State != state {
				t.Errorf("%s asked for the %d. time: %v, %v, want %v", token, i+1, got.State, err, state)
			}
		}
	}
}

// TestRestart finds the charges, cards and payouts of the process before, and repeats nothing.
func TestRestart(t *testing.T) {
	first, second, clock := newSandbox(t)
	ctx := t.Context()
	who := Profile{Slug: "ana"}
	if _, err := first.CreatePayment(ctx, Payment{Amount: 1, Unit: "usd", Subscriber: who, IdempotencyKey: "x"}); err == nil || err.Error() != NoCard {
		t.Errorf("a payment without a card: %v", err)
	}
	card, key, err := first.SaveCard(ctx, who, "tok_visa")
	if err != nil || card != (Card{"***-1234", "03/2026", "Joe Test"}) {
		t.Fatalf("%+v, %v", card, err)
	}
	who.CardKey = key
	pay := Payment{Amount: 1000, Unit: "usd", Subscriber: who, IdempotencyKey: "a"}
	r, err := first.CreatePayment(ctx, pay)
	if err != nil {
		t.Fatal(err)
	}
	clock.Advance(time.Hour)
	again, err := second.CreatePayment(ctx, pay)
	if err != nil || again != r {
		t.Errorf("the same key: %+v, %v, want %+v", again, err, r)
	}
	if found, err := second.FindPayment(ctx, "a"); err != nil || found == nil || *found != r {
		t.Errorf("found %+v, %v", found, err)
	}
	if found, err := second.FindPayment(ctx, "b"); err != nil || found != nil {
		t.Errorf("found %+v, %v, of a key that nobody used", found, err)
	}
	for range 2 {
		if err := second.Refund(ctx, r.Key, 400, 0, "r1"); err != nil {
			t.Error(err)
		}
	}
	if err := first.Refund(ctx, r.Key, 601, 0, "r2"); err == nil {
		t.Error("more than the charge is given back")
	}
	if got, _ := first.RetrieveCharge(ctx, r.Key); got.Refunded != 400 {
		t.Errorf("%d given back, want 400", got.Refunded)
	}
	if got, err := second.Card(ctx, who); err != nil || got == nil || got.Last4 != "***-1234" {
		t.Errorf("card %+v, %v", got, err)
	}
	if err := second.DeleteCard(ctx, who); err != nil {
		t.Error(err)
	}
	if got, _ := first.Card(ctx, who); got != nil {
		t.Errorf("card %+v after it was deleted", got)
	}
	for range 2 {
		if _, err := first.CreateTransfer(ctx, who, 500, "usd", "", "p"); err != nil {
			t.Error(err)
		}
	}
	if list, err := second.PaidPayouts(ctx, who, clock.Now().Add(-time.Minute)); err != nil || len(list) != 1 || list[0].Amount != 500 {
		t.Errorf("payouts %+v, %v", list, err)
	}
	if _, err := first.ParseWebhook(http.Header{}, nil, clock.Now()); err == nil {
		t.Error("the sandbox posts events")
	}
}

// TestDistribution shares an amount out without ever being short of it (ledger.md 7).
func TestDistribution(t *testing.T) {
	s := NewSandbox()
	for _, test := range []struct{ amount, refunded, broker, provider, fee, toBroker int64 }{
		{20000, 0, 1000, 18390, 610, 1000},
		{20, 0, 15, 0, 5, 15},
		{20, 0, 30, 0, 0, 20},
		{1000, 1000, 50, 0, 0, 0},
	} {
		d, err := s.Distribution(t.Context(), "", DistributionOf{Amount: test.amount, Refunded: test.refunded, BrokerFee: test.broker, Unit: "usd"})
		if want := (Distribution{Provider: test.provider, Processor: test.fee, Broker: test.toBroker, Unit: "usd"}); err != nil || d != want {
			t.Errorf("%+v: %+v, %v, want %+v", test, d, err, want)
		}
	}
}
