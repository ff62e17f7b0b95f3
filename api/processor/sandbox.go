package processor

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Tokens of the sandbox. Any other token is a card that pays.
const (
	TokenDeclined          = "tok_declined"
	TokenInsufficientFunds = "tok_insufficient_funds"
	TokenExpired           = "tok_expired"
	TokenAuthentication    = "tok_authentication_required"
	TokenPending           = "tok_pending"    // never settles
	TokenFailLater         = "tok_fail_later" // fails when it is asked about
	TokenDispute           = "tok_dispute"    // is disputed when it is asked about a second time
)

// Sandbox takes payments and moves no money: in this process, with no network, by its tokens alone. Its fee is 2.9 % + 30.
// It forgets everything when the process ends.
type Sandbox struct {
	now func() time.Time

	mu      sync.Mutex
	charges map[string]*sandboxCharge // by key
	cards   map[string]Card           // by customer
	tokens  map[string]string         // token of a customer
}

type sandboxCharge struct {
	receipt  Receipt
	amount   int64
	refunded int64
	token    string
	asked    int
	refunds  map[string]bool
}

// NewSandbox makes a sandbox.
func NewSandbox(now func() time.Time) *Sandbox {
	return &Sandbox{now: now, charges: map[string]*sandboxCharge{}, cards: map[string]Card{}, tokens: map[string]string{}}
}

// Name implements Processor.
func (*Sandbox) Name() string { return "sandbox" }

// Configured implements Processor.
func (*Sandbox) Configured() bool { return true }

// PaymentContext implements Processor.
func (*Sandbox) PaymentContext(context.Context, PaymentContext) (map[string]string, error) {
	return map[string]string{"STRIPE_PUB_KEY": "pk_sandbox"}, nil
}

func refusal(token string) *CardError {
	switch {
	case token == TokenInsufficientFunds:
		return &CardError{Code: "insufficient_funds", Detail: "Your card has insufficient funds."}
	case token == TokenExpired:
		return &CardError{Code: "expired_card", Detail: "Your card has expired."}
	case token == TokenAuthentication:
		return &CardError{Code: "authentication_required", Detail: "Your bank asks you to confirm this payment."}
	case strings.Contains(token, "declined"):
		return &CardError{Code: "card_declined", Detail: "Your card was declined."}
	}
	return nil
}

// CreatePayment implements Processor.
func (s *Sandbox) CreatePayment(_ context.Context, p Payment) (Receipt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	token := p.Token
	if token == "" {
		var ok bool
		if token, ok = s.tokens[p.Subscriber.CardKey]; !ok {
			return Receipt{}, &CardError{Code: "card_absent",
				Detail: "The profile doesn't have a payment method on file, and no payment token was passed."}
		}
	}
	if err := refusal(token); err != nil {
		return Receipt{}, err
	}
	key := "fake_" + digest(p.IdempotencyKey)
	if c, ok := s.charges[key]; ok {
		return c.receipt, nil
	}
	now := s.now().UTC()
	c := &sandboxCharge{amount: p.Amount, token: token, refunds: map[string]bool{}, receipt: Receipt{
		Key: key, CreatedAt: now, Last4: "1234", ExpDate: now.AddDate(1, 0, 0).Truncate(24 * time.Hour), CardName: "Joe Test",
	}}
	s.charges[key] = c
	return c.receipt, nil
}

// RetrieveCharge implements Processor.
func (s *Sandbox) RetrieveCharge(_ context.Context, key string) (Status, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.charges[key]
	if !ok {
		return Status{}, errors.New("sandbox: no such charge")
	}
	c.asked++
	status := Status{State: Succeeded, Receipt: c.receipt, Refunded: c.refunded}
	switch {
	case c.token == TokenPending:
		status.State = Pending
	case c.token == TokenFailLater:
		status.State, status.Failure = Failed, "Your bank refused the payment."
	case c.token == TokenDispute && c.asked > 1:
		status.State = DisputeOpened
	}
	return status, nil
}

// Distribution implements Processor: the processor's fee is (x × 290 + 5000) ÷ 10000 + 30 of what is left after refunds, never more
// than what is left after the broker's.
func (s *Sandbox) Distribution(_ context.Context, _ string, d DistributionOf) (Distribution, error) {
	left := d.Amount - d.Refunded
	if left <= 0 {
		return Distribution{Unit: d.Unit}, nil
	}
	broker := min(d.BrokerFee, left)
	fee := min((left*290+5000)/10000+30, left-broker)
	return Distribution{Provider: left - fee - broker, Processor: fee, Broker: broker, Unit: d.Unit}, nil
}

// Refund implements Processor.
func (s *Sandbox) Refund(_ context.Context, key string, amount, _ int64, idempotencyKey string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.charges[key]
	switch {
	case !ok:
		return errors.New("sandbox: no such charge")
	case c.refunds[idempotencyKey]:
		return nil
	case amount <= 0 || c.refunded+amount > c.amount:
		return errors.New("sandbox: more than what is left of the charge")
	}
	c.refunds[idempotencyKey] = true
	c.refunded += amount
	return nil
}

// SaveCard implements Processor.
func (s *Sandbox) SaveCard(_ context.Context, subscriber Profile, token string) (Card, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := refusal(token); err != nil {
		return Card{}, "", err
	}
	customer := subscriber.CardKey
	if customer == "" {
		customer = "cus_" + digest(subscriber.Slug)
	}
	card := Card{Last4: "***-1234", ExpDate: s.now().UTC().AddDate(1, 0, 0).Format("01/2006"), CardName: "Joe Test"}
	s.cards[customer], s.tokens[customer] = card, token
	return card, customer, nil
}

// Card implements Processor.
func (s *Sandbox) Card(_ context.Context, subscriber Profile) (*Card, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if card, ok := s.cards[subscriber.CardKey]; ok {
		return &card, nil
	}
	return nil, nil
}

// DeleteCard implements Processor.
func (s *Sandbox) DeleteCard(_ context.Context, subscriber Profile) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.cards, subscriber.CardKey)
	delete(s.tokens, subscriber.CardKey)
	return nil
}

// DisputeFee implements Processor.
func (*Sandbox) DisputeFee(int64) int64 { return 1500 }

// ParseWebhook implements Processor: the sandbox posts nothing.
func (*Sandbox) ParseWebhook(http.Header, []byte, time.Time) (Event, error) {
	return Event{}, errors.New("sandbox: posts no events")
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:12])
}

var _ Processor = (*Sandbox)(nil)
