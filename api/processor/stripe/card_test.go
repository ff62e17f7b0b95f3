package stripe

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/api/processor"
)

var visa = processor.Card{Last4: "***-4242", ExpDate: "01/2030"}

// TestCards saves, shows, replaces and forgets the card on file.
func TestCards(t *testing.T) {
	ctx := t.Context()
	f, s, p := opened(t, false)
	who := p.Subscriber
	if got, err := s.Card(ctx, who); got != nil || err != nil {
		t.Errorf("%v, %v before there is one", got, err)
	}
	if err := s.DeleteCard(ctx, who); err != nil {
		t.Error(err)
	}
	for token, want := range map[string]string{"tok_declined": "card_declined", "tok_3ds": "authentication_required", "": "invalid_token", "x": "invalid_token", "seti_0": "invalid_token"} {
		if _, _, err := s.SaveCard(ctx, who, token); code(err) != want {
			t.Errorf("%q: %v, want %s", token, err, want)
		}
	}
	card, key, err := s.SaveCard(ctx, who, "tok_visa")
	if err != nil || card != visa || !strings.HasPrefix(key, "cus_") {
		t.Fatalf("%+v, %s, %v", card, key, err)
	}
	again, same, err := s.SaveCard(ctx, who, "tok_visa") // after a crash
	if err != nil || again != card || same != key {
		t.Errorf("the same token: %+v, %s, %v", again, same, err)
	}
	who.CardKey = key
	if _, same, err := s.SaveCard(ctx, who, "tok_mastercard"); err != nil || same != key {
		t.Errorf("another card: %s, %v", same, err)
	}
	if got, err := s.Card(ctx, who); err != nil || got == nil || *got != visa {
		t.Errorf("%v, %v", got, err)
	}
	if err := s.DeleteCard(ctx, who); err != nil {
		t.Error(err)
	}
	f.with(func() {
		for id, o := range f.all {
			if o["object"] == "payment_method" && o["customer"] == key {
				t.Errorf("%s is still on file", id)
			}
		}
	})
	if got, err := s.Card(ctx, who); got != nil || err != nil {
		t.Errorf("%v, %v after it was deleted", got, err)
	}
	p.Token, p.Subscriber = "", who
	if _, err := s.CreatePayment(ctx, p); code(err) != "card_absent" {
		t.Errorf("paying with it: %v", err)
	}
	f.change(key, "deleted", true)
	gone := processor.Profile{Slug: "xia", CardKey: "cus_0"}
	for _, who := range []processor.Profile{who, gone} {
		if got, err := s.Card(ctx, who); got != nil || err != nil {
			t.Errorf("%v, %v of a customer that is gone", got, err)
		}
		if _, other, err := s.SaveCard(ctx, who, "tok_after_"+who.CardKey); err != nil || other == key || other == gone.CardKey {
			t.Errorf("a card in place of one that is gone: %s, %v", other, err)
		}
	}
	if err := s.DeleteCard(ctx, gone); err != nil {
		t.Error(err)
	}
}

// TestBrowserSaves saves cards that the browser confirmed: by an intent to save one, by a payment, and after the bank asked.
func TestBrowserSaves(t *testing.T) {
	ctx := t.Context()
	f, s, p := opened(t, false)
	mallory := processor.Profile{Slug: "mallory"}
	save := func(secret string) {
		t.Helper()
		token := strings.Split(secret, "_secret")[0]
		f.browse(secret)
		if _, _, err := s.SaveCard(ctx, mallory, token); code(err) != "invalid_token" {
			t.Errorf("somebody else: %v", err)
		}
		card, key, err := s.SaveCard(ctx, p.Subscriber, token)
		if err != nil || card != visa {
			t.Fatalf("%+v, %s, %v", card, key, err)
		}
		if _, same, err := s.SaveCard(ctx, p.Subscriber, token); err != nil || same != key {
			t.Errorf("again: %s, %v", same, err)
		}
		who := p.Subscriber
		who.CardKey = key
		if got, err := s.Card(ctx, who); err != nil || got == nil {
			t.Errorf("%v, %v", got, err)
		}
	}
	info, err := s.PaymentContext(ctx, processor.PaymentContext{Subscriber: p.Subscriber, Unit: "usd"})
	if err != nil {
		t.Fatal(err)
	}
	save(info["STRIPE_INTENT_SECRET"])
	if info, err = s.PaymentContext(ctx, processor.PaymentContext{Subscriber: p.Subscriber, Unit: "usd", Amount: &p.Amount}); err != nil {
		t.Fatal(err)
	}
	save(info["STRIPE_INTENT_SECRET"])
	if n := f.count("charge", ""); n != 1 {
		t.Errorf("%d charges, want the browser's", n)
	}
	var asked *processor.CardError
	if _, _, err := s.SaveCard(ctx, p.Subscriber, "tok_3ds"); !errors.As(err, &asked) || asked.ClientSecret == "" {
		t.Fatal(err)
	}
	save(asked.ClientSecret)
}

// TestCardFaults saves one card for one customer, whatever answer gets lost.
func TestCardFaults(t *testing.T) {
	for _, on := range []string{"POST /v1/customers", "POST /v1/setup_intents", "POST /v1/customers/cus_1"} {
		for _, what := range []string{"lost", "never", "500"} {
			f, s, p := opened(t, false)
			f.fail(slices.Repeat([]fault{{on, what, ""}}, tries)...)
			if _, _, err := s.SaveCard(t.Context(), p.Subscriber, "tok_visa"); code(err) != "unknown" {
				t.Errorf("%s %s: %v", on, what, err)
			}
			if _, _, err := s.SaveCard(t.Context(), p.Subscriber, "tok_visa"); err != nil {
				t.Errorf("%s %s: %v", on, what, err)
			}
			if customers, cards := f.count("customer", ""), f.count("payment_method", ""); customers != 1 || cards != 1 {
				t.Errorf("%s %s: %d customers, %d cards", on, what, customers, cards)
			}
		}
	}
}
