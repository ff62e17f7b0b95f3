package processor

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/caddy-tollgate/tollgate/store"
)

// Tokens of the sandbox. Any other token is a card that pays.
const (
	TokenDeclined          = "tok_declined"
	TokenInsufficientFunds = "tok_insufficient_funds"
	TokenExpired           = "tok_expired"
	TokenAuthentication    = "tok_authentication_required" // asks for 3-D Secure; the token of the confirmed payment pays
	TokenPending           = "tok_pending"                 // never settles
	TokenFailLater         = "tok_fail_later"              // fails when it is asked about
	TokenDispute           = "tok_dispute"                 // is disputed when it is asked about a second time
	TokenDisputeWon        = "tok_dispute_won"             // and the dispute is won when it is asked about a third time
	TokenDisputeLost       = "tok_dispute_lost"            // or lost
)

// Sandbox takes payments and moves no money: with no network, by its tokens alone. Its fee is 2.9 % + 30, a card is one of Joe
// Test's ending in 1234. What it remembers is in the site's database, in tables of its own and in transactions of its own, as if it
// were elsewhere: it survives a restart.
type Sandbox struct{ store *store.Store }

// NewSandbox makes a sandbox. Keep completes it.
func NewSandbox() *Sandbox { return &Sandbox{} }

// Plays implements Playground.
func (*Sandbox) Plays() {}

// Keep says where the sandbox remembers. It is called before any payment.
func (s *Sandbox) Keep(db *store.Store) { s.store = db }

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
	case strings.Contains(token, "declined"):
		return &CardError{Code: "card_declined", Detail: "Your card was declined."}
	}
	return nil
}

var errNoCharge = errors.New("sandbox: no such charge")

// sandboxCharge is a row of sandbox_charge.
type sandboxCharge struct {
	Receipt
	token                   string
	amount, asked, refunded int64
	unit                    string
}

func (s *Sandbox) charge(r store.Reader, key string) (*sandboxCharge, error) {
	var c sandboxCharge
	var at store.Time
	err := r.QueryRow(`SELECT created_at, amount, unit, token, asked, refunded FROM sandbox_charge WHERE key = ?`, key).
		Scan(&at, &c.amount, &c.unit, &c.token, &c.asked, &c.refunded)
	if errors.Is(err, store.ErrNotFound) {
		return nil, errNoCharge
	}
	c.Receipt = sandboxReceipt(key, at)
	return &c, err
}

// sandboxReceipt is the receipt of a payment made at a time: by Joe Test's card, which lasts a year from then.
func sandboxReceipt(key string, at store.Time) Receipt {
	return Receipt{Key: key, CreatedAt: at.Time, Last4: "1234", ExpDate: at.UTC().AddDate(1, 0, 0).Truncate(24 * time.Hour), CardName: "Joe Test"}
}

// write runs one transaction of the sandbox's own.
func (s *Sandbox) write(ctx context.Context, fn func(tx *store.Tx) error) error {
	if s.store == nil {
		return errors.New("sandbox: nowhere to remember")
	}
	return s.store.Write(ctx, func(tx *store.Tx) error {
		tx.Actor = "sandbox"
		return fn(tx)
	})
}

// CreatePayment implements Processor.
func (s *Sandbox) CreatePayment(ctx context.Context, p Payment) (receipt Receipt, err error) {
	key := "fake_" + digest(p.IdempotencyKey)
	err = s.write(ctx, func(tx *store.Tx) error {
		c, err := s.charge(tx, key)
		if err == nil {
			receipt = c.Receipt
			return nil
		} else if !errors.Is(err, errNoCharge) {
			return err
		}
		token := p.Token
		if token == "" {
			err := tx.QueryRow(`SELECT token FROM sandbox_customer WHERE key = ?`, p.Subscriber.CardKey).Scan(&token)
			if errors.Is(err, store.ErrNotFound) {
				return &CardError{Code: "card_absent", Detail: NoCard}
			}
			if err != nil {
				return err
			}
		}
		if token == TokenAuthentication {
			intent := "pi_" + digest(p.IdempotencyKey)
			return &CardError{Code: "authentication_required", Detail: "Your bank asks you to confirm this payment.",
				ChargeKey: intent, ClientSecret: intent + "_secret_sandbox"}
		}
		if err := refusal(token); err != nil {
			return err
		}
		if p.Amount <= 0 {
			return errors.New("sandbox: nothing to pay")
		}
		_, err = tx.Exec(`INSERT INTO sandbox_charge (key, created_at, amount, unit, token) VALUES (?, ?, ?, ?, ?)`, key, tx.Now(), p.Amount, p.Unit, token)
		receipt = sandboxReceipt(key, tx.Now())
		return err
	})
	return receipt, err
}

// FindPayment implements Processor.
func (s *Sandbox) FindPayment(ctx context.Context, idempotencyKey string) (found *Receipt, err error) {
	err = s.store.Read(ctx, func(r store.Reader) error {
		c, err := s.charge(r, "fake_"+digest(idempotencyKey))
		if errors.Is(err, errNoCharge) {
			return nil
		}
		found = &c.Receipt
		return err
	})
	return found, err
}

// RetrieveCharge implements Processor.
func (s *Sandbox) RetrieveCharge(ctx context.Context, key string) (status Status, err error) {
	err = s.store.Read(ctx, func(r store.Reader) error {
		c, err := s.charge(r, key)
		if err != nil {
			return err
		}
		status = Status{State: Succeeded, Receipt: c.Receipt, Refunded: c.refunded}
		disputed := c.token == TokenDispute || c.token == TokenDisputeWon || c.token == TokenDisputeLost
		switch {
		case c.token == TokenPending:
			status.State = Pending
		case c.token == TokenFailLater:
			status.State, status.Failure = Failed, "Your bank refused the payment."
		case disputed && c.asked == 1, c.token == TokenDispute && c.asked > 1:
			status.State = DisputeOpened
		case c.token == TokenDisputeWon && c.asked > 1:
			status.State = DisputeWon
		case c.token == TokenDisputeLost && c.asked > 1:
			status.State = DisputeLost
		default:
			disputed = disputed && c.asked == 0
		}
		if !disputed {
			return nil
		}
		return s.write(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(`UPDATE sandbox_charge SET asked = asked + 1 WHERE key = ?`, key)
			return err
		})
	})
	return status, err
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
func (s *Sandbox) Refund(ctx context.Context, key string, amount, _ int64, idempotencyKey string) error {
	return s.write(ctx, func(tx *store.Tx) error {
		c, err := s.charge(tx, key)
		if err != nil {
			return err
		}
		known, err := store.Exists(tx, `SELECT 1 FROM sandbox_refund WHERE key = ?`, idempotencyKey)
		if err != nil || known {
			return err
		}
		if amount <= 0 || c.refunded+amount > c.amount {
			return errors.New("sandbox: more than what is left of the charge")
		}
		if _, err := tx.Exec(`INSERT INTO sandbox_refund (key, charge_key, amount) VALUES (?, ?, ?)`, idempotencyKey, key, amount); err != nil {
			return err
		}
		_, err = tx.Exec(`UPDATE sandbox_charge SET refunded = refunded + ? WHERE key = ?`, amount, key)
		return err
	})
}

// SaveCard implements Processor.
func (s *Sandbox) SaveCard(ctx context.Context, subscriber Profile, token string) (Card, string, error) {
	if err := refusal(token); err != nil {
		return Card{}, "", err
	}
	customer := subscriber.CardKey
	if customer == "" {
		customer = "cus_" + digest(subscriber.Slug)
	}
	var card Card
	err := s.write(ctx, func(tx *store.Tx) error {
		card = sandboxCard(tx.Now())
		_, err := tx.Exec(`INSERT INTO sandbox_customer (key, token) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET token = excluded.token`, customer, token)
		return err
	})
	return card, customer, err
}

func sandboxCard(now store.Time) Card {
	return Card{Last4: "***-1234", ExpDate: now.UTC().AddDate(1, 0, 0).Format("01/2006"), CardName: "Joe Test"}
}

// Card implements Processor.
func (s *Sandbox) Card(ctx context.Context, subscriber Profile) (card *Card, err error) {
	err = s.store.Read(ctx, func(r store.Reader) error {
		saved, err := store.Exists(r, `SELECT 1 FROM sandbox_customer WHERE key = ?`, subscriber.CardKey)
		if saved {
			c := sandboxCard(r.Now())
			card = &c
		}
		return err
	})
	return card, err
}

// DeleteCard implements Processor.
func (s *Sandbox) DeleteCard(ctx context.Context, subscriber Profile) error {
	return s.write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(`DELETE FROM sandbox_customer WHERE key = ?`, subscriber.CardKey)
		return err
	})
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
