package caddymodule

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/caddy-tollgate/tollgate/api/processor"
)

// goldenProcessor is the processor behind the recordings: token tok_NNNN is a card ending in NNNN, one that holds "declined" always
// fails, and any other is 4242. A charge is confirmed when somebody asks about it.
type goldenProcessor struct {
	now func() time.Time

	mu      sync.Mutex
	charges map[string]processor.Receipt // by idempotency key
	cards   map[string]string            // last digits, by customer
}

func newGoldenProcessor(now func() time.Time) *goldenProcessor {
	return &goldenProcessor{now: now, charges: map[string]processor.Receipt{}, cards: map[string]string{}}
}

func (*goldenProcessor) Name() string     { return "golden" }
func (*goldenProcessor) Configured() bool { return true }

func (*goldenProcessor) PaymentContext(_ context.Context, p processor.PaymentContext) (map[string]string, error) {
	info := map[string]string{"STRIPE_PUB_KEY": "pk_fake"}
	if p.Amount == nil {
		info["STRIPE_INTENT_SECRET"] = "seti_fake_secret_fake"
	} else if *p.Amount > 0 {
		info["STRIPE_INTENT_SECRET"] = "pi_fake_secret_fake"
	}
	return info, nil
}

// last are the last digits of the card of a customer; of one that the seed has, its key tells.
func (g *goldenProcessor) last(customer string) string {
	if last, ok := strings.CutPrefix(customer, "cus_fake_"); ok {
		return last
	}
	return g.cards[customer]
}

// digits are the last digits of the card of a token. Errors: a card that is declined.
func digits(token string) (string, error) {
	if strings.Contains(token, "declined") {
		return "", &processor.CardError{Code: "declined", Detail: "Your card was declined."}
	}
	last := strings.TrimPrefix(token, "tok_")
	if _, err := strconv.Atoi(last); err != nil || len(last) != 4 {
		last = "4242"
	}
	return last, nil
}

var goldenExpiry = time.Date(2030, 12, 31, 0, 0, 0, 0, time.UTC)

func (g *goldenProcessor) CreatePayment(_ context.Context, p processor.Payment) (processor.Receipt, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r, ok := g.charges[p.IdempotencyKey]; ok {
		return r, nil
	}
	last := g.last(p.Subscriber.CardKey)
	if p.Token != "" {
		var err error
		if last, err = digits(p.Token); err != nil {
			return processor.Receipt{}, err
		}
	}
	if last == "" {
		return processor.Receipt{}, &processor.CardError{Code: "card_absent", Detail: processor.NoCard}
	}
	r := processor.Receipt{Key: "ch_" + strconv.Itoa(len(g.charges)+1), CreatedAt: g.now(), Last4: last, ExpDate: goldenExpiry, CardName: "Joe Test"}
	g.charges[p.IdempotencyKey] = r
	return r, nil
}

func (g *goldenProcessor) FindPayment(_ context.Context, key string) (*processor.Receipt, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r, ok := g.charges[key]; ok {
		return &r, nil
	}
	return nil, nil
}

func (*goldenProcessor) RetrieveCharge(context.Context, string) (processor.Status, error) {
	return processor.Status{State: processor.Succeeded}, nil
}

func (*goldenProcessor) Distribution(_ context.Context, _ string, d processor.DistributionOf) (processor.Distribution, error) {
	left := d.Amount - d.Refunded
	if left <= 0 {
		return processor.Distribution{Unit: d.Unit}, nil
	}
	broker := d.BrokerFee * left / d.Amount
	fee := min((left*290+5000)/10000+30, left-broker)
	return processor.Distribution{Provider: left - fee - broker, Processor: fee, Broker: broker, Unit: d.Unit}, nil
}

func (*goldenProcessor) Refund(context.Context, string, int64, int64, string) error { return nil }

func (g *goldenProcessor) SaveCard(_ context.Context, p processor.Profile, token string) (processor.Card, string, error) {
	last, err := digits(token)
	if err != nil {
		return processor.Card{}, "", err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	key := "cus_" + p.Slug
	g.cards[key] = last
	return goldenCard(last), key, nil
}

func goldenCard(last string) processor.Card {
	return processor.Card{Last4: "***-" + last, ExpDate: goldenExpiry.Format("01/2006"), CardName: "Joe Test"}
}

func (g *goldenProcessor) Card(_ context.Context, p processor.Profile) (*processor.Card, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	last := g.last(p.CardKey)
	if last == "" {
		return nil, nil
	}
	card := goldenCard(last)
	return &card, nil
}

func (g *goldenProcessor) DeleteCard(_ context.Context, p processor.Profile) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.cards, p.CardKey)
	return nil
}

func (*goldenProcessor) DisputeFee(int64) int64 { return 1500 }

func (*goldenProcessor) ParseWebhook(http.Header, []byte, time.Time) (processor.Event, error) {
	return processor.Event{}, errors.New("golden: posts no events")
}

func (*goldenProcessor) Bank(context.Context, processor.Profile) (*processor.Bank, error) {
	return &processor.Bank{Name: "Stripe", Last4: "***-0001", Balance: 1_000_000, Unit: "usd"}, nil
}
func (*goldenProcessor) AuthorizeURL(processor.Profile, string) string { return "" }
func (*goldenProcessor) CreateTransfer(context.Context, processor.Profile, int64, string, string, string) (string, error) {
	return "po_1", nil
}
func (*goldenProcessor) PaidPayouts(context.Context, processor.Profile, time.Time) ([]processor.Payout, error) {
	return nil, nil
}
func (*goldenProcessor) TransferFee(int64) int64 { return 0 }

var (
	_ processor.Processor = (*goldenProcessor)(nil)
	_ processor.Banker    = (*goldenProcessor)(nil)
)
