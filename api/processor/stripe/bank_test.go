package stripe

import (
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/api/processor"
)

// TestConnect connects the account of a provider (ledger.md 8.3), and sends it what it sold for less the broker's fee.
func TestConnect(t *testing.T) {
	ctx := t.Context()
	f, s, p := opened(t, true)
	p.Provider.DepositKey = ""
	u, err := url.Parse(s.AuthorizeURL(p.Provider, "a state"))
	if q := u.Query(); err != nil || u.Host != "connect.stripe.com" || u.Path != "/oauth/authorize" || q.Get("client_id") != "ca_123" || q.Get("state") != "a state" ||
		q.Get("scope") != "read_write" || q.Get("response_type") != "code" || q.Has("redirect_uri") {
		t.Errorf("%v, %v", u, err)
	}
	if at := s.AuthorizeURL(p.Broker, "x"); at != "" {
		t.Errorf("the broker connects at %s", at)
	}
	if at := f.open(false).AuthorizeURL(p.Provider, "x"); at != "" {
		t.Errorf("without Connect: %s", at)
	}
	var setup *processor.SetupError
	if _, err := s.CreatePayment(ctx, p); !errors.As(err, &setup) || setup.Detail != "gym is not connected to a Stripe account." || setup.Revoked || setup.Provider != "gym" {
		t.Errorf("%+v", err)
	}
	if info, err := s.PaymentContext(ctx, processor.PaymentContext{Provider: p.Provider, Amount: &p.Amount, Unit: "usd"}); code(err) != "setup" || info["STRIPE_PUB_KEY"] == "" {
		t.Errorf("%v, %v", info, err)
	}
	if _, err := s.Connect(ctx, "ac_bad"); code(err) != "setup" {
		t.Errorf("%v", err)
	}
	account, err := s.Connect(ctx, "ac_good")
	if err != nil || account != (processor.Account{DepositKey: "acct_gym0042", PubKey: "pk_test_theirs"}) {
		t.Fatalf("%+v, %v", account, err)
	}
	p.Provider.DepositKey = account.DepositKey
	pay(t, s, p)
	if form, _ := f.sent("POST /v1/payment_intents"); form.Get("transfer_data[destination]") != "acct_gym0042" || form.Get("application_fee_amount") != "1000" {
		t.Errorf("%v", form)
	}
	f.with(func() { f.revoked["acct_gym0042"] = true })
	p.IdempotencyKey = "key/1"
	if _, err := s.CreatePayment(ctx, p); !errors.As(err, &setup) || !setup.Revoked {
		t.Errorf("access revoked: %+v", err)
	}
	if _, err := s.Bank(ctx, p.Provider); !errors.As(err, &setup) || !setup.Revoked {
		t.Errorf("access revoked: %+v", err)
	}
	f.with(func() { clear(f.revoked) })
	f.fail(fault{"POST /v1/payment_intents", "400", "insufficient_capabilities_for_transfer"})
	if _, err := s.CreatePayment(ctx, p); !errors.As(err, &setup) || setup.Revoked {
		t.Errorf("not ready: %+v", err)
	}
}

// TestBank shows the accounts of the broker and of who is connected, and pays out of them, once.
func TestBank(t *testing.T) {
	ctx := t.Context()
	f, s, p := opened(t, true)
	for _, test := range []struct {
		s       *Stripe
		who     processor.Profile
		account string // of the header
		want    *processor.Bank
	}{
		{s, p.Provider, "acct_gym0042", &processor.Bank{Name: "Stripe", Last4: "***-0042", Balance: 9000, Unit: "usd"}},
		{s, p.Broker, "", &processor.Bank{Name: "Stripe", Last4: "***-0001", Balance: 9000, Unit: "usd"}},
		{s, processor.Profile{Slug: "cowork"}, "", nil},
		{f.open(false), p.Provider, "", nil},
		{f.open(false), p.Broker, "", &processor.Bank{Name: "Stripe", Last4: "***-0001", Balance: 9000, Unit: "usd"}},
	} {
		got, err := test.s.Bank(ctx, test.who)
		if err != nil || (got == nil) != (test.want == nil) || got != nil && *got != *test.want {
			t.Errorf("%s: %+v, %v, want %+v", test.who.Slug, got, err, test.want)
		}
		if got == nil {
			if _, err := test.s.CreateTransfer(ctx, test.who, 100, "usd", "", "x"); code(err) != "setup" {
				t.Errorf("%s is paid out: %v", test.who.Slug, err)
			}
			if list, err := test.s.PaidPayouts(ctx, test.who, time.Unix(0, 0)); list != nil || err != nil {
				t.Errorf("%v, %v", list, err)
			}
			continue
		}
		if _, header := f.sent("GET /v1/balance"); header.Get("Stripe-Account") != test.account {
			t.Errorf("%s: account %q", test.who.Slug, header.Get("Stripe-Account"))
		}
	}
	f.fail(fault{"POST /v1/payouts", "lost", ""})
	key, err := s.CreateTransfer(ctx, p.Provider, 500, "usd", "withdraw", "key")
	if err != nil || f.count("payout", "") != 1 {
		t.Fatalf("%s, %v, %d payouts", key, err, f.count("payout", ""))
	}
	f.mu.Lock()
	for i := range 150 {
		f.now += 60
		f.add("po", "payout", object{"amount": -i, "currency": "usd", "status": "paid", "account": "acct_gym0042"})
	}
	f.add("po", "payout", object{"amount": 1, "currency": "usd", "status": "pending", "account": "acct_gym0042"})
	f.add("po", "payout", object{"amount": 1, "currency": "usd", "status": "paid", "account": "acct_other"})
	f.mu.Unlock()
	list, err := s.PaidPayouts(ctx, p.Provider, time.Unix(f.now, 0))
	if err != nil || len(list) != 151 || list[0].Key != key || list[0].Amount != 500 || list[150].Amount != -149 || list[0].Unit != "usd" {
		t.Errorf("%d payouts, %v", len(list), err)
	}
	if list, err := s.PaidPayouts(ctx, p.Provider, time.Unix(f.now, 0).Add(8*24*time.Hour)); err != nil || len(list) != 0 {
		t.Errorf("%d payouts since a week later, %v", len(list), err)
	}
}
