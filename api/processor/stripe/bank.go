package stripe

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/stripe/stripe-go/v76"

	"github.com/caddy-tollgate/tollgate/api/processor"
)

// Accounts of providers, and what is paid out of them (ledger.md 8.2, 8.3). The broker's is that of the secret key; that of another provider
// is asked for with the same key, so that no secret of a provider is kept.

// payoutDelay is how long a payout may take to be paid; payouts are not paid in the order in which they were made.
const payoutDelay = 7 * 24 * time.Hour

// account is whose account is asked, nil for the broker's; ok is false when the provider has none.
func (s *Stripe) account(provider processor.Profile) (key *string, ok bool) {
	if provider.Broker {
		return nil, true
	}
	return &provider.DepositKey, s.clientID != "" && provider.DepositKey != ""
}

// Bank implements processor.Banker.
func (s *Stripe) Bank(ctx context.Context, provider processor.Profile) (*processor.Bank, error) {
	account, ok := s.account(provider)
	if !ok {
		return nil, nil
	}
	var b *stripe.Balance
	err := s.ask(ctx, false, func() (err error) {
		p := params(ctx, "")
		p.StripeAccount = account
		b, err = s.balances.Get(&stripe.BalanceParams{Params: p})
		return err
	})
	if err != nil {
		return nil, setupError(provider, err)
	}
	name := s.secret
	if account != nil {
		name = *account
	}
	bank := &processor.Bank{Name: "Stripe", Last4: "***-" + name[len(name)-min(len(name), 4):]}
	if len(b.Available) > 0 {
		bank.Unit = string(b.Available[0].Currency)
		bank.Balance = fromStripe(b.Available[0].Amount, bank.Unit)
	}
	return bank, nil
}

// AuthorizeURL implements processor.Banker.
func (s *Stripe) AuthorizeURL(provider processor.Profile, state string) string {
	if s.clientID == "" || provider.Broker {
		return ""
	}
	return s.oauth.AuthorizeURL(&stripe.AuthorizeURLParams{ResponseType: stripe.String("code"), ClientID: &s.clientID,
		Scope: stripe.String(string(stripe.OAuthScopeTypeReadWrite)), State: &state, RedirectURI: optional(s.redirectURL)})
}

// Connect implements processor.Connector. The tokens that come with the account are not kept.
func (s *Stripe) Connect(ctx context.Context, code string) (processor.Account, error) {
	if s.clientID == "" {
		return processor.Account{}, errors.New("stripe: Connect is not configured")
	}
	var token *stripe.OAuthToken
	err := s.ask(ctx, false, func() (err error) {
		token, err = s.oauth.New(&stripe.OAuthTokenParams{Params: params(ctx, digest("connect", code)), ClientSecret: &s.secret,
			GrantType: stripe.String("authorization_code"), Code: &code})
		return err
	})
	var r *refusal
	if errors.As(err, &r) && !errors.As(err, new(*processor.UnknownError)) {
		return processor.Account{}, &processor.SetupError{Detail: "Stripe did not connect the account. Please begin again."}
	}
	if err != nil {
		return processor.Account{}, err
	}
	return processor.Account{DepositKey: token.StripeUserID, PubKey: token.StripePublishableKey}, nil
}

// CreateTransfer implements processor.Banker.
func (s *Stripe) CreateTransfer(ctx context.Context, provider processor.Profile, amount int64, unit, description, idempotencyKey string) (string, error) {
	account, ok := s.account(provider)
	if !ok {
		return "", &processor.SetupError{Provider: provider.Slug, Detail: provider.Slug + " is not connected to a Stripe account."}
	}
	n, err := toStripe(amount, unit)
	if err != nil {
		return "", err
	}
	create := &stripe.PayoutParams{Params: params(ctx, idempotencyKey), Amount: &n, Currency: &unit, Description: &description}
	create.StripeAccount = account
	var made *stripe.Payout
	err = s.ask(ctx, false, func() (err error) {
		made, err = s.payouts.New(create)
		return err
	})
	if err != nil {
		return "", setupError(provider, err)
	}
	return made.ID, nil
}

// PaidPayouts implements processor.Banker: those made up to a week before as well, since they may have been paid after others.
func (s *Stripe) PaidPayouts(ctx context.Context, provider processor.Profile, since time.Time) (all []processor.Payout, err error) {
	account, ok := s.account(provider)
	if !ok {
		return nil, nil
	}
	err = s.ask(ctx, false, func() error {
		all = nil
		list := s.payouts.List(&stripe.PayoutListParams{
			ListParams: stripe.ListParams{Context: ctx, Limit: stripe.Int64(100), StripeAccount: account}, Status: stripe.String("paid"),
			CreatedRange: &stripe.RangeQueryParams{GreaterThanOrEqual: since.Add(-payoutDelay).Unix()}})
		for list.Next() {
			p := list.Payout()
			unit := string(p.Currency)
			all = append(all, processor.Payout{Key: p.ID, CreatedAt: time.Unix(p.Created, 0).UTC(), Amount: fromStripe(p.Amount, unit), Unit: unit})
		}
		return list.Err()
	})
	if err != nil {
		return nil, setupError(provider, err)
	}
	slices.Reverse(all) // Stripe has the latest first
	return all, nil
}
