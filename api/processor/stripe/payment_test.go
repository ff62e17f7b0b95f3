package stripe

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/api/processor"
)

// code is that of a refused card, "unknown" when nobody knows, "setup", "refused" for anything else and "" for none.
func code(err error) string {
	var card *processor.CardError
	var setup *processor.SetupError
	switch {
	case err == nil:
		return ""
	case errors.As(err, new(*processor.UnknownError)):
		return "unknown"
	case errors.As(err, &card):
		return card.Code
	case errors.As(err, &setup):
		return "setup"
	}
	return "refused"
}

// TestPay pays with a token: what Stripe is asked, and what of it is returned.
func TestPay(t *testing.T) {
	f, s, p := opened(t, false)
	r, err := s.CreatePayment(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	want := processor.Receipt{Key: r.Key, CreatedAt: time.Unix(f.now, 0).UTC(), Last4: "4242", ExpDate: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), CardName: "Xia Lee"}
	if !strings.HasPrefix(r.Key, "ch_") || r != want {
		t.Errorf("%+v, want %+v", r, want)
	}
	form, header := f.sent("POST /v1/payment_intents")
	for name, want := range map[string]string{"amount": "20000", "currency": "usd", "confirm": "true", "statement_descriptor_suffix": "Cowork & C",
		"confirmation_method": "manual", "metadata[tollgate_payment]": "key/0", "metadata[tollgate_profile]": "xia",
		"application_fee_amount": "", "transfer_data[destination]": "", "off_session": ""} {
		if got := form.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if header.Get("Idempotency-Key") != "key/0" || header.Get("Stripe-Account") != "" {
		t.Errorf("headers %v", header)
	}
	again, err := s.CreatePayment(t.Context(), p)
	if err != nil || again != r || f.count("charge", "") != 1 {
		t.Errorf("the same key: %+v, %v, %d charges", again, err, f.count("charge", ""))
	}
	if found, err := s.FindPayment(t.Context(), "key/0"); err != nil || found == nil || *found != r {
		t.Errorf("found %+v, %v", found, err)
	}
	for _, key := range []string{"key/1", "x' OR metadata['tollgate_payment']:'key/0"} {
		if found, err := s.FindPayment(t.Context(), key); err != nil || found != nil {
			t.Errorf("found %+v, %v by %q", found, err, key)
		}
	}
}

// TestRefused is what payers read of a card that is refused, and that nothing is charged.
func TestRefused(t *testing.T) {
	for token, want := range map[string][2]string{
		"tok_declined":     {"card_declined", "Your card was declined."},
		"tok_insufficient": {"insufficient_funds", "Your card has insufficient funds."},
		"pm_nobodys":       {"refused", ""},
		"":                 {"card_absent", processor.NoCard},
		"card_1":           {"invalid_token", "The payment token is not valid."},
		"pi_/../../x":      {"invalid_token", "The payment token is not valid."},
		"pi_123":           {"invalid_token", "The payment token is not valid."},
		"seti_123":         {"invalid_token", "The payment token is not valid."},
	} {
		f, s, p := opened(t, false)
		p.Token = token
		_, err := s.CreatePayment(t.Context(), p)
		if code(err) != want[0] || want[1] != "" && err.Error() != want[1] {
			t.Errorf("%q: %v, want %v", token, err, want)
		}
		if n := f.count("charge", ""); n != 0 {
			t.Errorf("%q: %d charges", token, n)
		}
		if found, err := s.FindPayment(t.Context(), p.IdempotencyKey); found != nil || err != nil {
			t.Errorf("%q: found %v, %v", token, found, err)
		}
	}
}

// TestThreeDSecure lets the bank ask: no money moves until the browser comes back, and then once.
func TestThreeDSecure(t *testing.T) {
	f, s, p := opened(t, true)
	p.Token = "tok_3ds"
	_, err := s.CreatePayment(t.Context(), p)
	var card *processor.CardError
	if !errors.As(err, &card) || card.Code != "authentication_required" || card.ClientSecret == "" {
		t.Fatalf("%v", err)
	}
	intent, secret := card.ChargeKey, card.ClientSecret
	p.Token, p.IdempotencyKey = intent, "key/1"
	if _, err := s.CreatePayment(t.Context(), p); code(err) != "authentication_required" {
		t.Errorf("before the browser: %v", err)
	}
	f.browse(secret)
	if n := f.count("charge", ""); n != 0 {
		t.Fatalf("%d charges before anybody came back", n)
	}
	other := p
	other.Subscriber.Slug = "mallory"
	if _, err := s.CreatePayment(t.Context(), other); code(err) != "invalid_token" {
		t.Errorf("somebody else: %v", err)
	}
	dearer := p
	dearer.Amount++
	if _, err := s.CreatePayment(t.Context(), dearer); code(err) != "amount_changed" {
		t.Errorf("another amount: %v", err)
	}
	r, err := s.CreatePayment(t.Context(), p)
	if err != nil || f.count("charge", "") != 1 {
		t.Fatalf("%v, %d charges", err, f.count("charge", ""))
	}
	p.Again = true
	if again, err := s.CreatePayment(t.Context(), p); err != nil || again != r {
		t.Errorf("again: %+v, %v", again, err)
	}
	p.IdempotencyKey, p.Again = "key/2", false
	if _, err := s.CreatePayment(t.Context(), p); code(err) != "payment_used" || f.count("charge", "") != 1 {
		t.Errorf("for another payment: %v, %d charges", err, f.count("charge", ""))
	}
	if found, _ := s.FindPayment(t.Context(), "key/0"); found != nil {
		t.Error("the first try is found to have paid")
	}
}

// TestOffSession charges the card on file with nobody there: who has to be asked is refused, and nothing is left to confirm.
func TestOffSession(t *testing.T) {
	f, s, p := opened(t, false)
	_, customer, err := s.SaveCard(t.Context(), p.Subscriber, "tok_visa")
	if err != nil {
		t.Fatal(err)
	}
	p.Subscriber.CardKey, p.Token, p.OffSession = customer, "", true
	if _, err := s.CreatePayment(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	form, _ := f.sent("POST /v1/payment_intents")
	if form.Get("off_session") != "true" || form.Get("customer") != customer || form.Get("payment_method") == "" {
		t.Errorf("%v", form)
	}
	f.change(form.Get("payment_method"), "token", "tok_3ds")
	p.IdempotencyKey = "key/1"
	var card *processor.CardError
	if _, err := s.CreatePayment(t.Context(), p); !errors.As(err, &card) || card.Code != "authentication_required" || card.ClientSecret != "" {
		t.Errorf("%+v", err)
	}
}

// TestBrowserPays takes a payment that the browser made with what PaymentContext gave it: once, and only for what it paid.
func TestBrowserPays(t *testing.T) {
	ctx := t.Context()
	begin := func(t *testing.T, connect bool) (*fake, *Stripe, processor.Payment) {
		f, s, p := opened(t, connect)
		info, err := s.PaymentContext(ctx, processor.PaymentContext{Subscriber: p.Subscriber, Provider: p.Provider, Broker: p.Broker, Amount: &p.Amount, Unit: "usd", BrokerFee: p.BrokerFee})
		if err != nil || info["STRIPE_PUB_KEY"] != "pk_test_abc" || info["STRIPE_INTENT_SECRET"] == "" {
			t.Fatalf("%v, %v", info, err)
		}
		if p.Token, _, _ = strings.Cut(info["STRIPE_INTENT_SECRET"], "_secret"); f.count("customer", "") != 0 {
			t.Error("a customer was made for who only looks")
		}
		f.browse(info["STRIPE_INTENT_SECRET"])
		return f, s, p
	}
	t.Run("paid", func(t *testing.T) {
		f, s, p := begin(t, true)
		r, err := s.CreatePayment(ctx, p)
		if err != nil || f.count("charge", "") != 1 {
			t.Fatalf("%v, %d charges", err, f.count("charge", ""))
		}
		if found, err := s.FindPayment(ctx, p.IdempotencyKey); err != nil || found == nil || found.Key != r.Key {
			t.Errorf("found %v, %v", found, err)
		}
		p.IdempotencyKey = "key/1"
		if _, err := s.CreatePayment(ctx, p); code(err) != "payment_used" {
			t.Errorf("a second order: %v", err)
		}
	})
	changes := map[string]func(p *processor.Payment){
		"amount":   func(p *processor.Payment) { p.Amount-- },
		"currency": func(p *processor.Payment) { p.Unit = "eur" },
		"provider": func(p *processor.Payment) { p.Provider.Slug, p.Provider.DepositKey = "cowork", "acct_cowork" },
	}
	for name, change := range changes {
		t.Run("another "+name, func(t *testing.T) {
			f, s, p := begin(t, true)
			change(&p)
			f.fail(fault{"POST /v1/refunds", "never", ""}, fault{"POST /v1/refunds", "never", ""}, fault{"POST /v1/refunds", "never", ""})
			if _, err := s.CreatePayment(ctx, p); code(err) != "unknown" {
				t.Errorf("%v", err)
			}
			p.Again = true
			for range 2 {
				if _, err := s.CreatePayment(ctx, p); code(err) != "amount_changed" {
					t.Errorf("%v", err)
				}
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			for _, o := range f.all {
				if o["object"] == "charge" && o["amount_refunded"] != o["amount"] {
					t.Errorf("%v given back of %v", o["amount_refunded"], o["amount"])
				}
			}
		})
	}
	f, s, p := opened(t, false)
	for _, amount := range []*int64{nil, new(int64)} {
		info, err := s.PaymentContext(ctx, processor.PaymentContext{Subscriber: p.Subscriber, Amount: amount, Unit: "usd"})
		if err != nil || strings.HasPrefix(info["STRIPE_INTENT_SECRET"], "seti_") != (amount == nil) || info["STRIPE_PUB_KEY"] == "" {
			t.Errorf("%v, %v", info, err)
		}
	}
	if f.count("payment_intent", "") != 0 {
		t.Error("an intent to pay nothing")
	}
}

// TestShared pays several charges with one token, which Stripe takes once.
func TestShared(t *testing.T) {
	f, s, p := opened(t, true)
	p.Shared = true
	for i, key := range []string{"key/0", "key/1", "key/0"} {
		p.IdempotencyKey = key
		if _, err := s.CreatePayment(t.Context(), p); err != nil {
			t.Fatalf("charge %d: %v", i, err)
		}
	}
	if charges, methods, guests := f.count("charge", ""), f.count("payment_method", ""), f.count("customer", ""); charges != 2 || methods != 1 || guests != 1 {
		t.Errorf("%d charges, %d payment methods, %d customers", charges, methods, guests)
	}
}

// TestFaults lets each try of a payment fail in each way. Asked again as often as it takes, it is charged once, and no error is taken for
// an answer that is none.
func TestFaults(t *testing.T) {
	const create = "POST /v1/payment_intents"
	for _, test := range []struct {
		name   string
		faults []fault
		first  string // what becomes of it at first
	}{
		{"lost once", []fault{{create, "lost", ""}}, ""},
		{"never arrived", []fault{{create, "never", ""}}, ""},
		{"half an answer", []fault{{create, "cut", ""}}, ""},
		{"lost each time", []fault{{create, "lost", ""}, {create, "lost", ""}, {create, "lost", ""}}, "unknown"},
		{"500", []fault{{create, "500", ""}, {create, "500", ""}, {create, "500", ""}}, "unknown"},
		{"503 once", []fault{{create, "503", ""}}, ""},
		{"busy once", []fault{{create, "429", "rate_limit"}}, ""},
		{"busy each time", []fault{{create, "429", "rate_limit"}, {create, "429", "rate_limit"}, {create, "429", "rate_limit"}}, "refused"},
		{"in progress", []fault{{create, "409", "idempotency_key_in_use"}, {create, "409", "idempotency_key_in_use"}, {create, "409", "idempotency_key_in_use"}}, "unknown"},
		{"lost and then busy", []fault{{create, "lost", ""}, {create, "429", "rate_limit"}, {create, "429", "rate_limit"}}, "unknown"},
		{"lost and then the key is revoked", []fault{{create, "lost", ""}, {create, "401", "api_key_expired"}}, "unknown"},
		{"the key is revoked", []fault{{create, "401", "api_key_expired"}}, "refused"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f, s, p := opened(t, false)
			f.fail(test.faults...)
			_, err := s.CreatePayment(t.Context(), p)
			if code(err) != test.first {
				t.Fatalf("%v, want %q", err, test.first)
			}
			if err != nil && (strings.Contains(err.Error(), testKey) || strings.Contains(err.Error(), "secret_abc")) {
				t.Errorf("a secret is told: %v", err)
			}
			p.Again = true
			for range 2 {
				if _, err := s.CreatePayment(t.Context(), p); err != nil {
					t.Error(err)
				}
			}
			if n := f.count("charge", ""); n != 1 {
				t.Errorf("charged %d times", n)
			}
		})
	}
}

// TestResumed goes on with a payment whose answer got lost, when Stripe has forgotten the key, or knows it with what was true then.
func TestResumed(t *testing.T) {
	lost := []fault{{"POST /v1/payment_intents", "lost", ""}, {"POST /v1/payment_intents", "lost", ""}, {"POST /v1/payment_intents", "lost", ""}}
	for name, change := range map[string]func(f *fake, p *processor.Payment){
		"forgotten": func(f *fake, _ *processor.Payment) { f.forget() },
		"renamed":   func(_ *fake, p *processor.Payment) { p.Description, p.StatementDescriptor = "Xia Li", "Other" },
	} {
		f, s, p := opened(t, false)
		f.fail(lost...)
		if _, err := s.CreatePayment(t.Context(), p); code(err) != "unknown" {
			t.Fatal(err)
		}
		change(f, &p)
		p.Again = true
		if r, err := s.CreatePayment(t.Context(), p); err != nil || r.Key == "" || f.count("charge", "") != 1 {
			t.Errorf("%s: %+v, %v, %d charges", name, r, err, f.count("charge", ""))
		}
	}
	// The index of the search is behind: nobody knows, until it is not.
	f, s, p := opened(t, false)
	f.fail(lost...)
	_, _ = s.CreatePayment(t.Context(), p)
	f.with(func() { f.blind = true })
	p.Again, p.Description = true, "Xia Li"
	if _, err := s.CreatePayment(t.Context(), p); code(err) != "unknown" {
		t.Errorf("behind: %v", err)
	}
	f.fail(fault{"POST /v1/payment_intents", "401", ""}, fault{"POST /v1/payment_intents", "429", ""})
	for range 2 {
		if _, err := s.CreatePayment(t.Context(), p); code(err) != "unknown" {
			t.Errorf("an error that says nothing of the payment: %v", err)
		}
	}
	f.with(func() { f.blind = false })
	f.fail(fault{"GET /v1/payment_intents/search", "403", ""})
	if _, err := s.CreatePayment(t.Context(), p); code(err) != "unknown" {
		t.Errorf("no search: %v", err)
	}
	if _, err := s.CreatePayment(t.Context(), p); err != nil || f.count("charge", "") != 1 {
		t.Errorf("%v, %d charges", err, f.count("charge", ""))
	}
	// One that was declined stays so.
	f, s, p = opened(t, false)
	p.Token = "tok_insufficient"
	f.fail(lost...)
	_, _ = s.CreatePayment(t.Context(), p)
	p.Again = true
	f.forget()
	if _, err := s.CreatePayment(t.Context(), p); code(err) != "insufficient_funds" || f.count("payment_intent", "") != 1 {
		t.Errorf("%v, %d intents", err, f.count("payment_intent", ""))
	}
}

// TestTimeout ends when who asks has no more time, and says that nobody knows.
func TestTimeout(t *testing.T) {
	f, s, p := opened(t, false)
	ctx, cancel := context.WithCancel(t.Context())
	s.backoff = time.Hour
	f.fail(slices.Repeat([]fault{{"POST /v1/payment_intents", "never", ""}}, 9)...)
	time.AfterFunc(100*time.Millisecond, cancel)
	if _, err := s.CreatePayment(ctx, p); code(err) != "unknown" {
		t.Errorf("%v", err)
	}
}
