// Package stripe takes payments through Stripe (ledger.md 8), with the version of its API that stripe-go pins.
//
// Without Connect all money arrives at the broker, who owes the providers their parts (mode LOCAL). With Connect a charge is the
// broker's, and what it brings goes to the account that the provider connected, less the broker's fee (mode FORWARD).
//
// What is known at Stripe by our names is in the metadata of its objects: whose they are, and the idempotency key that they were made
// with. So a payment and a refund are found again after Stripe has forgotten the key.
package stripe

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-go/v76/balance"
	"github.com/stripe/stripe-go/v76/charge"
	"github.com/stripe/stripe-go/v76/customer"
	"github.com/stripe/stripe-go/v76/dispute"
	"github.com/stripe/stripe-go/v76/feerefund"
	"github.com/stripe/stripe-go/v76/oauth"
	"github.com/stripe/stripe-go/v76/paymentintent"
	"github.com/stripe/stripe-go/v76/paymentmethod"
	"github.com/stripe/stripe-go/v76/payout"
	"github.com/stripe/stripe-go/v76/refund"
	"github.com/stripe/stripe-go/v76/setupintent"

	"github.com/caddy-tollgate/tollgate/api/processor"
)

// Metadata of objects at Stripe.
const (
	metaProfile = "tollgate_profile" // slug of the payer
	metaPayment = "tollgate_payment" // idempotency key of the payment that an intent is of
	metaRefund  = "tollgate_refund"  // of a refund, and of the part of it that the broker's fee bears
)

// tryTimeout bounds one request; who calls bounds all tries.
const tryTimeout = 20 * time.Second

// Options of a Stripe. Those that are not said to be optional are required.
type Options struct {
	SecretKey      string   // "sk_test_…", or a restricted key, "rk_live_…"
	PublishableKey string   // of browsers, "pk_test_…"
	WebhookSecrets []string // "whsec_…"; several while one takes the place of another. None: what Stripe posts is refused.
	ClientID       string   // of Connect, "ca_…"; "": all money arrives at the broker
	RedirectURL    string   // where providers come back to from Connect; "": the one that Stripe was told first

	Client          *http.Client  // optional
	URL, ConnectURL string        // of Stripe's API; optional
	Backoff         time.Duration // before another try of a request that Stripe did not answer; default: 500 ms, doubled each time
}

// Stripe is a processor.Processor, Banker and Connector.
type Stripe struct {
	secret, publishable   string
	live                  bool
	webhookSecrets        []string
	clientID, redirectURL string
	backoff               time.Duration

	intents  paymentintent.Client
	setups   setupintent.Client
	methods  paymentmethod.Client
	charges  charge.Client
	refunds  refund.Client
	fees     feerefund.Client
	disputes dispute.Client
	clients  customer.Client
	balances balance.Client
	payouts  payout.Client
	oauth    oauth.Client
}

var (
	secretForm      = regexp.MustCompile(`^(?:sk|rk)_(test|live)_[A-Za-z0-9]+$`)
	publishableForm = regexp.MustCompile(`^pk_(test|live)_[A-Za-z0-9]+$`)
	webhookForm     = regexp.MustCompile(`^whsec_[A-Za-z0-9+/=_-]+$`)
	clientForm      = regexp.MustCompile(`^ca_[A-Za-z0-9]+$`)
)

// New makes a processor. Errors say which option is wrong and never hold a key.
func New(o Options) (*Stripe, error) {
	secret, publishable := secretForm.FindStringSubmatch(o.SecretKey), publishableForm.FindStringSubmatch(o.PublishableKey)
	switch {
	case secret == nil:
		return nil, errors.New("the secret key is none: it begins with sk_test_, sk_live_, rk_test_ or rk_live_")
	case publishable == nil:
		return nil, errors.New("the publishable key is none: it begins with pk_test_ or pk_live_")
	case secret[1] != publishable[1]:
		return nil, errors.New("one key is a test key, the other is not: take both from the same page of Stripe's dashboard")
	case o.ClientID != "" && !clientForm.MatchString(o.ClientID):
		return nil, errors.New("the client id of Connect is none: it begins with ca_")
	case o.ClientID == "" && o.RedirectURL != "":
		return nil, errors.New("a redirect URL is of no use without the client id of Connect")
	}
	for _, s := range o.WebhookSecrets {
		if !webhookForm.MatchString(s) {
			return nil, errors.New("a webhook secret is none: it begins with whsec_")
		}
	}
	if u, err := url.Parse(o.RedirectURL); err != nil || o.RedirectURL != "" && (u.Scheme != "https" && u.Scheme != "http" || u.Host == "") {
		return nil, errors.New("the redirect URL is not the address of a page")
	}
	client := o.Client
	if client == nil {
		client = &http.Client{Timeout: tryTimeout, Transport: http.DefaultTransport.(*http.Transport).Clone(),
			CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("stripe: redirected") }}
	}
	backend := func(kind stripe.SupportedBackend, at string) stripe.Backend {
		config := &stripe.BackendConfig{HTTPClient: client, EnableTelemetry: stripe.Bool(false),
			MaxNetworkRetries: stripe.Int64(0), // see ask
			// What it logs may hold a client secret.
			LeveledLogger: &stripe.LeveledLogger{Level: stripe.LevelNull}}
		if at != "" {
			config.URL = stripe.String(strings.TrimRight(at, "/"))
		}
		return stripe.GetBackendWithConfig(kind, config)
	}
	b, key := backend(stripe.APIBackend, o.URL), o.SecretKey
	s := &Stripe{
		secret: key, publishable: o.PublishableKey, live: secret[1] == "live", webhookSecrets: o.WebhookSecrets,
		clientID: o.ClientID, redirectURL: o.RedirectURL, backoff: o.Backoff,
		intents: paymentintent.Client{B: b, Key: key}, setups: setupintent.Client{B: b, Key: key}, methods: paymentmethod.Client{B: b, Key: key},
		charges: charge.Client{B: b, Key: key}, refunds: refund.Client{B: b, Key: key}, fees: feerefund.Client{B: b, Key: key},
		disputes: dispute.Client{B: b, Key: key}, clients: customer.Client{B: b, Key: key}, balances: balance.Client{B: b, Key: key},
		payouts: payout.Client{B: b, Key: key}, oauth: oauth.Client{B: backend(stripe.ConnectBackend, o.ConnectURL), Key: key},
	}
	if s.backoff == 0 {
		s.backoff = 500 * time.Millisecond
	}
	return s, nil
}

// Name implements processor.Processor.
func (*Stripe) Name() string { return "stripe" }

// Configured implements processor.Processor: New takes nothing less.
func (*Stripe) Configured() bool { return true }

// DisputeFee implements processor.Processor.
func (*Stripe) DisputeFee(int64) int64 { return 1500 }

// TransferFee implements processor.Banker.
func (*Stripe) TransferFee(int64) int64 { return 0 }

// destination is the connected account that what a charge brings goes to, "" when it stays at the broker.
func (s *Stripe) destination(provider processor.Profile) (string, error) {
	if s.clientID == "" || provider.Broker {
		return "", nil
	}
	if provider.DepositKey == "" {
		return "", &processor.SetupError{Provider: provider.Slug, Detail: provider.Slug + " is not connected to a Stripe account."}
	}
	return provider.DepositKey, nil
}

// digest makes an idempotency key of what is not to be done twice.
func digest(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:20])
}

// Interface guards
var (
	_ processor.Processor = (*Stripe)(nil)
	_ processor.Banker    = (*Stripe)(nil)
	_ processor.Connector = (*Stripe)(nil)
)
