// Package processor is how payments leave the house: the interface of payment processors (ledger.md 7) and the built-in sandbox.
// A processor knows nothing of the ledger: it moves money and says what became of it. No call is made inside a transaction.
package processor

import (
	"context"
	"net/http"
	"strings"
	"time"
)

// A Profile is what a processor is told about a payer, a provider or the broker.
type Profile struct {
	Slug, FullName, Email string
	CardKey               string // the processor's name of a saved customer
	DepositKey            string // of a connected account
	Broker                bool   // runs the site
}

// Processor takes payments. Errors are *CardError, *SetupError, *UnknownError, or anything else for a request that the processor
// refused.
type Processor interface {
	// Name is the processor's word in the Caddyfile: "sandbox", "stripe".
	Name() string
	// Configured reports whether the processor has the keys it needs.
	Configured() bool
	// PaymentContext is what a browser needs to authenticate a payment, or to save a card when there is no amount. It may create
	// the customer at the processor.
	PaymentContext(ctx context.Context, p PaymentContext) (map[string]string, error)
	// CreatePayment charges a token or a saved card. It does not succeed unless the processor has a charge, which may still be
	// pending. The same idempotency key gives the same charge.
	CreatePayment(ctx context.Context, p Payment) (Receipt, error)
	// FindPayment is the charge that an idempotency key made, nil for none: what CreatePayment would answer again, without
	// charging anything when it did not yet. It is asked for keys that are older than the processor may remember.
	FindPayment(ctx context.Context, idempotencyKey string) (*Receipt, error)
	// RetrieveCharge asks what became of a charge. It changes nothing.
	RetrieveCharge(ctx context.Context, key string) (Status, error)
	// Distribution says how a charge was split: to the provider, the processor's fee, the broker's fee.
	Distribution(ctx context.Context, key string, d DistributionOf) (Distribution, error)
	// Refund gives money back; brokerAmount is the broker's part of amount, in 1/100 of the charge's unit.
	Refund(ctx context.Context, key string, amount, brokerAmount int64, idempotencyKey string) error
	// SaveCard keeps a card for later and returns the customer it belongs to.
	SaveCard(ctx context.Context, subscriber Profile, token string) (Card, string, error)
	// Card is the card on file, nil for none.
	Card(ctx context.Context, subscriber Profile) (*Card, error)
	// DeleteCard forgets the card on file; it succeeds when there is none.
	DeleteCard(ctx context.Context, subscriber Profile) error
	// DisputeFee is what a dispute costs, in 1/100 of the unit.
	DisputeFee(amount int64) int64
	// ParseWebhook verifies and reads what the processor posts.
	ParseWebhook(h http.Header, body []byte, now time.Time) (Event, error)
}

// A Banker is a Processor that pays providers out to their banks.
type Banker interface {
	// Bank is the account of a provider, nil when it is not connected.
	Bank(ctx context.Context, provider Profile) (*Bank, error)
	// AuthorizeURL is where a provider connects its account, "" when the processor needs no connection. state comes back with it.
	AuthorizeURL(provider Profile, state string) string
	// CreateTransfer pays funds out and returns the key of the payout. The same idempotency key pays once.
	CreateTransfer(ctx context.Context, provider Profile, amount int64, unit, description, idempotencyKey string) (string, error)
	// PaidPayouts are the payouts of a provider since a date, one page of the processor's, the oldest first.
	PaidPayouts(ctx context.Context, provider Profile, since time.Time) ([]Payout, error)
	// TransferFee is what a payout costs, in 1/100 of the unit.
	TransferFee(amount int64) int64
}

// A Playground is a Processor that moves no money: time may be played with.
type Playground interface{ Plays() }

// A Connector is a Banker at which providers have accounts of their own, which they connect to the broker's.
type Connector interface {
	// Connect takes what came back from AuthorizeURL, and returns the account that the provider connected.
	Connect(ctx context.Context, code string) (Account, error)
}

// Account is the account of a provider at the processor.
type Account struct {
	DepositKey string // names it
	PubKey     string // of browsers
}

// Bank is an account that funds are paid out to.
type Bank struct {
	Name    string
	Last4   string // "***-0001"
	Balance int64  // available, in 1/100 of Unit
	Unit    string
}

// Payout is money that left for a provider's bank, or came from it when Amount is negative, in 1/100 of Unit.
type Payout struct {
	Key       string // "po_…"
	CreatedAt time.Time
	Amount    int64
	Unit      string
}

// PaymentContext asks for what a browser needs. Amount is nil to save a card, in 1/100 of Unit otherwise.
type PaymentContext struct {
	Subscriber, Provider, Broker Profile
	Amount                       *int64
	Unit                         string
	BrokerFee                    int64
}

// Payment is a payment to be made. Amount and BrokerFee are in 1/100 of Unit.
type Payment struct {
	Amount, BrokerFee            int64
	Unit                         string
	Token                        string // one-time, "" to charge the card on file
	Subscriber, Provider, Broker Profile
	Description                  string
	StatementDescriptor          string // at most 15 characters
	IdempotencyKey               string
	// OffSession says that nobody is there who could confirm the payment.
	OffSession bool
	// Shared says that the token pays other charges as well.
	Shared bool
	// Again says that the same was asked for before, and nobody knows what became of it: only an answer about that payment is one,
	// anything else is an UnknownError.
	Again bool
}

// Confirmed reports whether a token names a payment that the browser made with a client secret (ledger.md 8.2): saving the card of it
// does not use it up, and nothing is charged again with it.
func Confirmed(token string) bool { return strings.HasPrefix(token, "pi_") }

// Receipt is a payment that the processor has taken.
type Receipt struct {
	Key       string
	CreatedAt time.Time
	Last4     string
	ExpDate   time.Time // day, UTC
	CardName  string
}

// State is what became of a charge.
type State uint8

// States of a charge.
const (
	Pending State = iota
	Succeeded
	Failed
	DisputeOpened
	DisputeWon
	DisputeLost
)

// Status is a charge as the processor sees it.
type Status struct {
	State    State
	Receipt  Receipt
	Refunded int64 // in 1/100 of the unit, so far
	Failure  string
}

// DistributionOf says which distribution is asked for. Amounts are in 1/100 of the charge's unit.
type DistributionOf struct {
	Amount, Refunded, BrokerFee int64
	Unit                        string
}

// Distribution is how an amount was split, in 1/100 of Unit.
type Distribution struct {
	Provider, Processor, Broker int64
	// Local says that the money arrived at the broker, which paid the processor out of its own fee: Broker is what is left of it (8.1).
	Local bool
	Unit  string
}

// Card is a card on file.
type Card struct {
	Last4    string // "***-4242"
	ExpDate  string // "MM/YYYY"
	CardName string
}

// EventKind is what a webhook tells.
type EventKind uint8

// Kinds of events.
const (
	OtherEvent EventKind = iota
	ChargeSucceeded
	ChargeFailed
	ChargeCaptured
	ChargeRefunded
	DisputeCreated
	DisputeUpdated
	DisputeClosed
)

// Event is what a processor posts.
type Event struct {
	ID        string
	Kind      EventKind
	ChargeKey string
	Status    Status
	CreatedAt time.Time
}

// A CardError is a card that was refused. Its text may be shown to the payer.
type CardError struct {
	Code      string // "card_declined", "card_absent", "authentication_required", …
	Detail    string
	ChargeKey string
	// ClientSecret lets a browser confirm a payment, with the code "authentication_required" (3-D Secure). What the browser gets
	// for it is the token of another try.
	ClientSecret string
}

func (e *CardError) Error() string { return e.Detail }

// A SetupError is an account at the processor that is not ready. Its text may be shown.
type SetupError struct {
	Detail   string
	Provider string // slug of whose account it is
	Revoked  bool   // the account was connected, and gave access for it no more
}

func (e *SetupError) Error() string { return e.Detail }

// NoCard is the text of a payment without a token by a profile without a card on file (ledger.md 7).
const NoCard = "The profile doesn't have a payment method on file, and no payment token was passed."

// An UnknownError says that nobody knows what became of a request: it timed out, or the answer got lost. The processor may have
// carried it out, so that it is asked again with the same idempotency key.
type UnknownError struct{ Err error }

func (e *UnknownError) Error() string { return "processor: no answer: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *UnknownError) Unwrap() error { return e.Err }
