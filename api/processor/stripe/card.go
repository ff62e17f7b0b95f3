package stripe

import (
	"context"
	"fmt"

	"github.com/stripe/stripe-go/v76"

	"github.com/caddy-tollgate/tollgate/api/processor"
)

// Cards on file (ledger.md 8.2): the default payment method of a customer, who is made when the first card is saved.

// customer is a customer with its default payment method. Error: a CardError when Stripe has it no more.
func (s *Stripe) customer(ctx context.Context, key string) (*stripe.Customer, error) {
	absent := &processor.CardError{Code: "card_absent", Detail: processor.NoCard}
	if key == "" {
		return nil, absent
	}
	var c *stripe.Customer
	err := s.ask(ctx, false, func() (err error) {
		c, err = s.clients.Get(key, &stripe.CustomerParams{Params: params(ctx, ""), Expand: []*string{stripe.String("invoice_settings.default_payment_method")}})
		return err
	})
	if missing(err) || err == nil && c.Deleted {
		return nil, absent
	}
	return c, err
}

// defaultMethod is the card of a customer, nil for none. A customer from before payment methods has cards and no default one.
func (s *Stripe) defaultMethod(ctx context.Context, c *stripe.Customer) (*stripe.PaymentMethod, error) {
	if c.InvoiceSettings != nil && c.InvoiceSettings.DefaultPaymentMethod != nil {
		return c.InvoiceSettings.DefaultPaymentMethod, nil
	}
	all, err := s.methodsOf(ctx, c.ID, true)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return all[0], nil
}

// methodsOf are the cards of a customer, the latest alone or all.
func (s *Stripe) methodsOf(ctx context.Context, customer string, latest bool) (all []*stripe.PaymentMethod, err error) {
	list := stripe.ListParams{Context: ctx, Limit: stripe.Int64(100)}
	if latest {
		list.Limit, list.Single = stripe.Int64(1), true
	}
	err = s.ask(ctx, false, func() error {
		all = nil
		found := s.clients.ListPaymentMethods(&stripe.CustomerListPaymentMethodsParams{ListParams: list, Customer: &customer, Type: stripe.String("card")})
		for found.Next() {
			all = append(all, found.PaymentMethod())
		}
		return found.Err()
	})
	return all, err
}

// SaveCard implements processor.Processor. A token is used up once: the same one again is answered the same.
func (s *Stripe) SaveCard(ctx context.Context, subscriber processor.Profile, token string) (processor.Card, string, error) {
	kind, err := kindOf(token)
	if err == nil && kind == "" {
		err = errToken
	}
	if err != nil {
		return processor.Card{}, "", err
	}
	method, owner := "", ""
	switch kind {
	case "pi":
		pi, err := s.retrieve(ctx, token)
		if missing(err) || err == nil && (pi.Metadata[metaProfile] != subscriber.Slug || pi.PaymentMethod == nil) {
			err = errToken
		}
		if err != nil {
			return processor.Card{}, "", err
		}
		if method = pi.PaymentMethod.ID; pi.Customer != nil {
			owner = pi.Customer.ID
		}
	case "seti":
		setup, err := s.setup(ctx, subscriber, token)
		if err != nil {
			return processor.Card{}, "", err
		}
		if method = setup.PaymentMethod.ID; setup.Customer != nil {
			owner = setup.Customer.ID
		}
	}
	if owner == "" {
		if owner, err = s.owner(ctx, subscriber, token); err != nil {
			return processor.Card{}, "", err
		}
		if method == "" {
			method, err = s.newMethod(ctx, subscriber, owner, token, kind)
		} else {
			err = s.attach(ctx, method, owner)
		}
		if err != nil {
			return processor.Card{}, "", err
		}
	}
	card, err := s.makeDefault(ctx, owner, method)
	return card, owner, err
}

// setup is an intent to save a card that the browser confirmed, for this subscriber.
func (s *Stripe) setup(ctx context.Context, subscriber processor.Profile, token string) (intent *stripe.SetupIntent, err error) {
	err = s.ask(ctx, false, func() (err error) {
		intent, err = s.setups.Get(token, &stripe.SetupIntentParams{Params: params(ctx, "")})
		return err
	})
	if missing(err) || err == nil && intent.Metadata[metaProfile] != subscriber.Slug {
		err = errToken
	}
	if err != nil {
		return nil, err
	}
	return intent, authorized(intent)
}

// authorized reports, as a CardError, what is left to do with an intent to save a card.
func authorized(intent *stripe.SetupIntent) error {
	switch {
	case intent.Status == stripe.SetupIntentStatusSucceeded && intent.PaymentMethod != nil:
		return nil
	case intent.Status == stripe.SetupIntentStatusRequiresAction:
		return &processor.CardError{Code: "authentication_required", Detail: "Your bank asks you to confirm this card.", ChargeKey: intent.ID,
			ClientSecret: intent.ClientSecret}
	case intent.LastSetupError != nil:
		return cardError(intent.LastSetupError)
	}
	return errToken
}

// owner is the customer that a card is saved for: the subscriber's, or a new one.
func (s *Stripe) owner(ctx context.Context, subscriber processor.Profile, token string) (string, error) {
	if subscriber.CardKey != "" {
		c, err := s.customer(ctx, subscriber.CardKey)
		if err == nil {
			return c.ID, nil
		}
		if !asCard(err) {
			return "", err
		}
	}
	return s.newCustomer(ctx, &stripe.CustomerParams{Params: params(ctx, digest("customer", subscriber.Slug, token)), Email: optional(subscriber.Email),
		Description: &subscriber.Slug, Metadata: map[string]string{metaProfile: subscriber.Slug}})
}

func (s *Stripe) newCustomer(ctx context.Context, create *stripe.CustomerParams) (key string, err error) {
	err = s.ask(ctx, false, func() error {
		c, err := s.clients.New(create)
		key = c.ID
		return err
	})
	return key, err
}

// newMethod saves the card of a token for a customer.
func (s *Stripe) newMethod(ctx context.Context, subscriber processor.Profile, customer, token, kind string) (string, error) {
	create := &stripe.SetupIntentParams{Params: params(ctx, digest("card", customer, token)), PaymentMethodTypes: cards(), Customer: &customer,
		Confirm: stripe.Bool(true), Usage: stripe.String(string(stripe.SetupIntentUsageOffSession)), UseStripeSDK: stripe.Bool(true),
		Metadata: map[string]string{metaProfile: subscriber.Slug}}
	if kind == "pm" {
		create.PaymentMethod = &token
	} else {
		create.AddExtra("payment_method_data[type]", "card")
		create.AddExtra("payment_method_data[card][token]", token)
	}
	var intent *stripe.SetupIntent
	err := s.ask(ctx, false, func() (err error) {
		intent, err = s.setups.New(create)
		return err
	})
	if err == nil {
		err = authorized(intent)
	}
	if err != nil {
		return "", err
	}
	return intent.PaymentMethod.ID, nil
}

func (s *Stripe) attach(ctx context.Context, method, customer string) error {
	return s.ask(ctx, false, func() error {
		_, err := s.methods.Attach(method, &stripe.PaymentMethodAttachParams{Params: params(ctx, ""), Customer: &customer})
		return err
	})
}

// guest pays with a token that other charges are paid with as well: Stripe takes it once, so that a customer of nobody's keeps the card.
func (s *Stripe) guest(ctx context.Context, create *stripe.PaymentIntentParams, token, kind string) error {
	method := token
	if kind == "tok" {
		err := s.ask(ctx, false, func() error {
			made, err := s.methods.New(&stripe.PaymentMethodParams{Params: params(ctx, digest("method", token)), Type: stripe.String("card"),
				Card: &stripe.PaymentMethodCardParams{Token: &token}})
			method = made.ID
			return err
		})
		if err != nil {
			return err
		}
	}
	customer, err := s.newCustomer(ctx, &stripe.CustomerParams{Params: params(ctx, digest("guest", token)), Description: stripe.String("guest")})
	if err != nil {
		return err
	}
	create.Customer, create.PaymentMethod = &customer, &method
	return s.attach(ctx, method, customer)
}

// makeDefault makes a card the one on file.
func (s *Stripe) makeDefault(ctx context.Context, customer, method string) (processor.Card, error) {
	var c *stripe.Customer
	err := s.ask(ctx, false, func() (err error) {
		c, err = s.clients.Update(customer, &stripe.CustomerParams{Params: params(ctx, ""),
			InvoiceSettings: &stripe.CustomerInvoiceSettingsParams{DefaultPaymentMethod: &method},
			Expand:          []*string{stripe.String("invoice_settings.default_payment_method")}})
		return err
	})
	if err != nil {
		return processor.Card{}, err
	}
	if c.InvoiceSettings == nil || c.InvoiceSettings.DefaultPaymentMethod == nil {
		return processor.Card{}, fmt.Errorf("stripe: the card of %s is not on file", customer)
	}
	return cardOf(c.InvoiceSettings.DefaultPaymentMethod), nil
}

func cardOf(m *stripe.PaymentMethod) (card processor.Card) {
	if m.Card != nil {
		card.Last4, card.ExpDate = "***-"+m.Card.Last4, fmt.Sprintf("%02d/%04d", m.Card.ExpMonth, m.Card.ExpYear)
	}
	if m.BillingDetails != nil {
		card.CardName = m.BillingDetails.Name
	}
	return card
}

// Card implements processor.Processor.
func (s *Stripe) Card(ctx context.Context, subscriber processor.Profile) (*processor.Card, error) {
	c, err := s.customer(ctx, subscriber.CardKey)
	if asCard(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	method, err := s.defaultMethod(ctx, c)
	if err != nil || method == nil {
		return nil, err
	}
	card := cardOf(method)
	return &card, nil
}

// DeleteCard implements processor.Processor. It forgets the cards that were on file before as well.
func (s *Stripe) DeleteCard(ctx context.Context, subscriber processor.Profile) error {
	if subscriber.CardKey == "" {
		return nil
	}
	all, err := s.methodsOf(ctx, subscriber.CardKey, false)
	if missing(err) {
		return nil
	}
	for _, m := range all {
		err := s.ask(ctx, false, func() error {
			_, err := s.methods.Detach(m.ID, &stripe.PaymentMethodDetachParams{Params: params(ctx, "")})
			return err
		})
		if err != nil && !missing(err) {
			return err
		}
	}
	return err
}
