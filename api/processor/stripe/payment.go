package stripe

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"github.com/stripe/stripe-go/v76"

	"github.com/caddy-tollgate/tollgate/api/processor"
)

// Payments (ledger.md 8.2). A payment is a PaymentIntent with the idempotency key of ours, which its metadata name as well.
//
// A card that is charged here and asks for 3-D Secure leaves the intent to be confirmed by us once the browser is done with the bank
// (confirmation_method=manual): no money moves for an order that nobody comes back for.

// tokens are what a browser may send: a token or a payment method made of a card's number, an intent to save a card, or to pay.
var tokens = regexp.MustCompile(`^(tok|pm|seti|pi)_[A-Za-z0-9_]+$`)

var errToken = &processor.CardError{Code: "invalid_token", Detail: "The payment token is not valid."}

// kindOf is what a token is: "tok", "pm", "seti", "pi", and "" for none. Error: a CardError.
func kindOf(token string) (string, error) {
	if token == "" {
		return "", nil
	}
	m := tokens.FindStringSubmatch(token)
	if m == nil {
		return "", errToken
	}
	return m[1], nil
}

// PaymentContext implements processor.Processor. It creates no customer: the card is attached to one when it is saved. The public key is
// returned with an error as well.
func (s *Stripe) PaymentContext(ctx context.Context, p processor.PaymentContext) (map[string]string, error) {
	info := map[string]string{"STRIPE_PUB_KEY": s.publishable}
	if p.Amount != nil && *p.Amount <= 0 {
		return info, nil
	}
	secret, err := s.clientSecret(ctx, p)
	if err == nil {
		info["STRIPE_INTENT_SECRET"] = secret
	}
	return info, err
}

// clientSecret opens an intent that the browser confirms: to pay, or to save a card when there is no amount.
func (s *Stripe) clientSecret(ctx context.Context, p processor.PaymentContext) (secret string, err error) {
	meta, client := map[string]string{metaProfile: p.Subscriber.Slug}, optional(p.Subscriber.CardKey)
	if p.Amount == nil {
		err = s.ask(ctx, false, func() error {
			intent, err := s.setups.New(&stripe.SetupIntentParams{Params: params(ctx, ""), PaymentMethodTypes: cards(), Metadata: meta,
				Usage: stripe.String(string(stripe.SetupIntentUsageOffSession)), Customer: client})
			secret = intent.ClientSecret
			return err
		})
		return secret, err
	}
	create, err := s.intent(p.Provider, *p.Amount, p.BrokerFee, p.Unit)
	if err != nil {
		return "", err
	}
	create.Params, create.Metadata, create.Customer = params(ctx, ""), meta, client
	create.SetupFutureUsage = stripe.String(string(stripe.PaymentIntentSetupFutureUsageOffSession))
	err = s.ask(ctx, false, func() error {
		intent, err := s.intents.New(create)
		secret = intent.ClientSecret
		return err
	})
	return secret, err
}

// intent are the parameters of a payment to a provider.
func (s *Stripe) intent(provider processor.Profile, amount, brokerFee int64, unit string) (*stripe.PaymentIntentParams, error) {
	n, err := toStripe(amount, unit)
	if err != nil {
		return nil, err
	}
	to, err := s.destination(provider)
	if err != nil {
		return nil, err
	}
	p := &stripe.PaymentIntentParams{Amount: &n, Currency: stripe.String(unit), PaymentMethodTypes: cards()}
	if to != "" {
		p.TransferData = &stripe.PaymentIntentTransferDataParams{Destination: &to}
		if fee := feeToStripe(brokerFee, unit); fee > 0 {
			p.ApplicationFeeAmount = &fee
		}
	}
	return p, nil
}

func cards() []*string { return []*string{stripe.String("card")} }

func optional(key string) *string {
	if key == "" {
		return nil
	}
	return &key
}

// CreatePayment implements processor.Processor.
func (s *Stripe) CreatePayment(ctx context.Context, p processor.Payment) (processor.Receipt, error) {
	kind, err := kindOf(p.Token)
	if err != nil {
		return processor.Receipt{}, err
	}
	pi, err := s.take(ctx, p, kind)
	if err == nil {
		return outcome(pi, !p.OffSession)
	}
	if err = setupError(p.Provider, err); p.Again && errors.As(err, new(*refusal)) {
		err = &processor.UnknownError{Err: err} // it says nothing of the payment
	}
	return processor.Receipt{}, err
}

// take is the intent of a payment, of one that was begun before or a new one.
func (s *Stripe) take(ctx context.Context, p processor.Payment, kind string) (*stripe.PaymentIntent, error) {
	if kind == "pi" {
		return s.confirmed(ctx, p)
	}
	if p.Again {
		// Stripe may have forgotten the key, or know it with what was true at the time.
		if pi, err := s.find(ctx, p.IdempotencyKey); err != nil || pi != nil {
			return pi, err
		}
	}
	return s.create(ctx, p, kind)
}

// create makes an intent and confirms it at once.
func (s *Stripe) create(ctx context.Context, p processor.Payment, kind string) (*stripe.PaymentIntent, error) {
	create, err := s.intent(p.Provider, p.Amount, p.BrokerFee, p.Unit)
	if err != nil {
		return nil, err
	}
	create.Params = params(ctx, p.IdempotencyKey)
	if err := s.source(ctx, create, p, kind); err != nil {
		return nil, err
	}
	create.Confirm = stripe.Bool(true)
	create.Description = optional(p.Description)
	create.StatementDescriptorSuffix = optional(statement(p.StatementDescriptor))
	create.Metadata = map[string]string{metaProfile: p.Subscriber.Slug, metaPayment: p.IdempotencyKey}
	create.Expand = []*string{stripe.String("latest_charge")}
	if p.OffSession {
		create.OffSession = stripe.Bool(true)
	} else {
		create.ConfirmationMethod = stripe.String(string(stripe.PaymentIntentConfirmationMethodManual))
		create.UseStripeSDK = stripe.Bool(true)
	}
	var pi *stripe.PaymentIntent
	err = s.ask(ctx, p.Again, func() (err error) {
		pi, err = s.intents.New(create)
		return err
	})
	return pi, err
}

// source says what an intent is paid with.
func (s *Stripe) source(ctx context.Context, create *stripe.PaymentIntentParams, p processor.Payment, kind string) error {
	switch kind {
	case "":
		c, err := s.customer(ctx, p.Subscriber.CardKey)
		if err != nil {
			return err
		}
		method, err := s.defaultMethod(ctx, c)
		if err != nil {
			return err
		}
		if method == nil {
			return &processor.CardError{Code: "card_absent", Detail: processor.NoCard}
		}
		create.Customer, create.PaymentMethod = &c.ID, &method.ID
	case "seti":
		setup, err := s.setup(ctx, p.Subscriber, p.Token)
		if err != nil {
			return err
		}
		create.PaymentMethod = &setup.PaymentMethod.ID
		if setup.Customer != nil {
			create.Customer = &setup.Customer.ID
		}
	default:
		if p.Shared {
			return s.guest(ctx, create, p.Token, kind)
		}
		if kind == "pm" {
			create.PaymentMethod = &p.Token
			return nil
		}
		create.AddExtra("payment_method_data[type]", "card")
		create.AddExtra("payment_method_data[card][token]", p.Token)
	}
	return nil
}

// confirmed takes the payment of an intent that the browser confirmed, or authenticated, for this payment alone: what is due must still be
// what was paid, or it is given back.
func (s *Stripe) confirmed(ctx context.Context, p processor.Payment) (*stripe.PaymentIntent, error) {
	pi, err := s.retrieve(ctx, p.Token)
	if missing(err) || err == nil && pi.Metadata[metaProfile] != p.Subscriber.Slug {
		return nil, errToken // which may be somebody else's
	}
	if err != nil {
		return nil, err
	}
	changed := &processor.CardError{Code: "amount_changed", Detail: "What is due has changed since the payment was begun. Nothing was charged. Please try again."}
	owner := pi.Metadata[metaPayment]
	if owner == givenBack {
		return nil, or(s.giveBack(ctx, pi), changed)
	}
	paid := pi.Status == stripe.PaymentIntentStatusSucceeded || pi.Status == stripe.PaymentIntentStatusProcessing
	if paid && owner != "" && owner != p.IdempotencyKey {
		return nil, &processor.CardError{Code: "payment_used", Detail: "This payment was used before."}
	}
	if !paid && pi.Status != stripe.PaymentIntentStatusRequiresConfirmation {
		return pi, nil
	}
	want, err := s.intent(p.Provider, p.Amount, p.BrokerFee, p.Unit)
	if err != nil {
		return nil, err
	}
	same := pi.Amount == *want.Amount && string(pi.Currency) == p.Unit && (pi.TransferData == nil) == (want.TransferData == nil)
	if same && want.TransferData != nil {
		same = pi.TransferData.Destination != nil && pi.TransferData.Destination.ID == *want.TransferData.Destination
	}
	if !same && !paid {
		return nil, changed
	}
	if !same {
		if err := s.own(ctx, pi, givenBack); err != nil {
			return nil, err
		}
		return nil, or(s.giveBack(ctx, pi), changed)
	}
	if owner != p.IdempotencyKey {
		// A second payment that names it waits for this one: a profile has one at a time.
		if err := s.own(ctx, pi, p.IdempotencyKey); err != nil {
			return nil, err
		}
	}
	if paid {
		return pi, nil
	}
	err = s.ask(ctx, p.Again, func() (err error) {
		pi, err = s.intents.Confirm(pi.ID, &stripe.PaymentIntentConfirmParams{Params: params(ctx, p.IdempotencyKey+"/confirm"),
			UseStripeSDK: stripe.Bool(true), Expand: []*string{stripe.String("latest_charge")}})
		return err
	})
	return pi, err
}

// givenBack owns an intent that paid something else than what was due.
const givenBack = "given back"

// own notes what an intent is for, in Stripe's books.
func (s *Stripe) own(ctx context.Context, pi *stripe.PaymentIntent, owner string) error {
	return s.ask(ctx, false, func() error {
		_, err := s.intents.Update(pi.ID, &stripe.PaymentIntentParams{Params: params(ctx, ""), Metadata: map[string]string{metaPayment: owner}})
		return err
	})
}

func or(err error, refusal error) error {
	if err == nil {
		err = refusal
	}
	return err
}

// giveBack returns all that an intent brought. Error: a *processor.UnknownError, so that it is tried again.
func (s *Stripe) giveBack(ctx context.Context, pi *stripe.PaymentIntent) error {
	give := &stripe.RefundParams{Params: params(ctx, digest("give back", pi.ID)), PaymentIntent: &pi.ID}
	if pi.TransferData != nil {
		give.ReverseTransfer = stripe.Bool(true)
		if pi.ApplicationFeeAmount > 0 {
			give.RefundApplicationFee = stripe.Bool(true)
		}
	}
	err := s.ask(ctx, false, func() error {
		_, err := s.refunds.New(give)
		return err
	})
	if err == nil || refused(err, stripe.ErrorCodeChargeAlreadyRefunded) {
		return nil
	}
	return &processor.UnknownError{Err: err}
}

func (s *Stripe) retrieve(ctx context.Context, id string) (pi *stripe.PaymentIntent, err error) {
	err = s.ask(ctx, false, func() (err error) {
		pi, err = s.intents.Get(id, &stripe.PaymentIntentParams{Params: params(ctx, ""), Expand: []*string{stripe.String("latest_charge")}})
		return err
	})
	return pi, err
}

// find is the intent of a payment, nil for none. Stripe finds what is older than a minute or so. Of several, which only a payment that
// was begun by another one has, it is the one that was charged.
func (s *Stripe) find(ctx context.Context, idempotencyKey string) (found *stripe.PaymentIntent, err error) {
	if strings.ContainsAny(idempotencyKey, `'"\`) {
		return nil, nil // no key of ours
	}
	var ids []string
	err = s.ask(ctx, false, func() error {
		ids = nil
		list := s.intents.Search(&stripe.PaymentIntentSearchParams{SearchParams: stripe.SearchParams{Context: ctx, Single: true,
			Query: "metadata['" + metaPayment + "']:'" + idempotencyKey + "'"}})
		for list.Next() {
			ids = append(ids, list.PaymentIntent().ID)
		}
		return list.Err()
	})
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		pi, err := s.retrieve(ctx, id) // what the index says of it may be old
		if err != nil {
			return nil, err
		}
		if pi.Metadata[metaPayment] == idempotencyKey && (found == nil || charged(pi)) {
			found = pi
		}
	}
	return found, nil
}

// charged reports whether there is a charge that was not refused.
func charged(pi *stripe.PaymentIntent) bool {
	return pi.LatestCharge != nil && (pi.Status == stripe.PaymentIntentStatusSucceeded || pi.Status == stripe.PaymentIntentStatusProcessing)
}

// FindPayment implements processor.Processor.
func (s *Stripe) FindPayment(ctx context.Context, idempotencyKey string) (*processor.Receipt, error) {
	pi, err := s.find(ctx, idempotencyKey)
	if err != nil || pi == nil || !charged(pi) {
		return nil, err
	}
	r := receipt(pi.LatestCharge)
	return &r, nil
}

// outcome is what became of an intent. A browser gets what it needs to authenticate it when somebody is there.
func outcome(pi *stripe.PaymentIntent, present bool) (processor.Receipt, error) {
	if charged(pi) {
		return receipt(pi.LatestCharge), nil
	}
	if pi.Status == stripe.PaymentIntentStatusRequiresAction {
		asked := &processor.CardError{Code: "authentication_required", Detail: "Your bank asks you to confirm this payment.", ChargeKey: pi.ID}
		if present {
			asked.ClientSecret = pi.ClientSecret
		}
		return processor.Receipt{}, asked
	}
	if pi.LastPaymentError != nil {
		return processor.Receipt{}, cardError(pi.LastPaymentError)
	}
	return processor.Receipt{}, &processor.CardError{Code: "payment_incomplete", Detail: "The payment was not completed. Please try again.", ChargeKey: pi.ID}
}

// setupError is the error of a payment, said of the provider when its account is at fault (ledger.md 7).
func setupError(provider processor.Profile, err error) error {
	var r *refusal
	if errors.As(err, new(*processor.UnknownError)) || !errors.As(err, &r) {
		return err
	}
	switch {
	case r.code == stripe.ErrorCodeAccountInvalid, missing(r) && strings.HasPrefix(r.param, "transfer_data"):
		return &processor.SetupError{Provider: provider.Slug, Detail: provider.Slug + " is not connected to a Stripe account.", Revoked: true}
	case strings.HasPrefix(string(r.code), "insufficient_capabilities"):
		return &processor.SetupError{Provider: provider.Slug, Detail: "The Stripe account of " + provider.Slug + " cannot take payments yet."}
	}
	return err
}

// unfit are what a card statement has no room for.
var unfit = regexp.MustCompile(`[^A-Za-z0-9 .,&/+-]+`)

// statement is a name as a card statement takes it after the broker's own: at most 10 Latin characters, a letter among them; "" when
// nothing of it can be said.
func statement(name string) string {
	name = strings.TrimSpace(unfit.ReplaceAllString(name, ""))
	name = strings.TrimSpace(name[:min(len(name), 10)])
	if !strings.ContainsFunc(name, func(r rune) bool { return r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' }) {
		return ""
	}
	return name
}
