package billing

import (
	"context"
	"net/http"
	"strings"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/api/processor"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// The cash of a provider: what came in, what went to its bank (ledger.md 5.15, 9.8, 9.9, 9.17).

// Transfers is the envelope of the list of transfers.
type Transfers struct {
	Detail string `json:"detail,omitempty"` // when the processor did not tell the latest
	rest.Page[Transaction]
}

// errNoPayouts answers who withdraws from a processor that pays nobody out.
var errNoPayouts = rest.Fail(http.StatusNotImplemented, "The payment processor of this site does not pay out by itself.")

// transfers lists the entries of a provider's cash (ledger.md 9.8). The processor's payouts are taken into the books first, but with
// ?force, which is not false.
func (s *Service) transfers(c *rest.Call, _ *rest.None) (out Transfers, err error) {
	id, provider, _, err := s.provider(c)
	if err != nil {
		return out, err
	}
	force := c.QueryStrings("force")
	skip := len(force) > 0 && (force[0] == "" || force[0] == "0" || strings.EqualFold(force[0], "false"))
	if !skip {
		if err := s.reconcile(c.Context(), id, provider, nil); err != nil {
			s.log.Warn("payouts could not be looked up", zap.String("provider", provider.Slug), zap.Error(err))
			out.Detail = "The latest transfers might not be shown because there was an error with the backend processor (ie. " + ledgerSafe(err) + ")."
		}
	}
	err = c.Read(func(r store.Reader) error {
		out.Page, err = s.entriesPage(c, r, transfersList, id, id, id)
		return err
	})
	return out, err
}

// ledgerSafe is what of an error of the processor people may read (8.2).
func ledgerSafe(err error) string {
	body, _ := failure(err).(*rest.Error)
	if body != nil {
		if fields, ok := body.Body.(rest.Fields); ok {
			if text, ok := fields[0].Value.(string); ok {
				return text
			}
		}
	}
	return "no answer"
}

// provider is the profile of the path, as the processor is told of it.
func (s *Service) provider(c *rest.Call) (id int64, provider, broker processor.Profile, err error) {
	err = c.Read(func(r store.Reader) error {
		if id, err = s.pathProfile(c, r); err != nil {
			return err
		}
		people, err := s.processorProfiles(r, id)
		provider, broker = people[id], people[0]
		return err
	})
	return id, provider, broker, err
}

// selectPaidOut are the providers whose cash the books hold or held, and the broker.
const selectPaidOut = `SELECT id FROM profile WHERE (id IN (SELECT profile_id FROM plan) OR slug = ?)
	AND EXISTS (SELECT 1 FROM balance b WHERE b.profile_id = profile.id AND b.account = 'Funds') ORDER BY id`

// reconcileAll takes the payouts of all providers into the books (ledger.md 10): they are right though nobody looks at the transfers.
func (s *Service) reconcileAll(ctx context.Context) error {
	if _, ok := s.processor.(processor.Banker); !ok || !s.processor.Configured() {
		return nil
	}
	return s.eachAsked(ctx, "payouts", abreast, func(id int64) (func() error, error) {
		var provider processor.Profile
		err := s.store.Read(ctx, func(r store.Reader) error {
			people, err := s.processorProfiles(r, id)
			provider = people[id]
			return err
		})
		if err != nil {
			return nil, err
		}
		payouts, err := s.payouts(ctx, id, provider)
		return func() error { return s.paidOut(ctx, id, provider, payouts, nil) }, err
	}, selectPaidOut, s.dir.Broker())
}

// reconcile takes the payouts of a provider since the last one into the books, each once (ledger.md 5.15). by are the users who asked
// for payouts, by their keys.
func (s *Service) reconcile(ctx context.Context, id int64, provider processor.Profile, by map[string]string) error {
	payouts, err := s.payouts(ctx, id, provider)
	if err != nil {
		return err
	}
	return s.paidOut(ctx, id, provider, payouts, by)
}

// payouts are those of a provider since the last one that the books have, some of which they may have.
func (s *Service) payouts(ctx context.Context, id int64, provider processor.Profile) (payouts []processor.Payout, err error) {
	banker, ok := s.processor.(processor.Banker)
	if !ok {
		return nil, nil
	}
	var since store.Time
	err = s.store.Read(ctx, func(r store.Reader) (err error) {
		since = store.At(r.Now().AddDate(0, -1, 0))
		last, err := ledger.LastWithdrawal(r, id)
		if last.After(since.Time) {
			since = last
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	err = outside(ctx, func(ctx context.Context) (err error) {
		payouts, err = banker.PaidPayouts(ctx, provider, since.Time)
		return err
	})
	return payouts, err
}

// paidOut writes the payouts that the books do not have.
func (s *Service) paidOut(ctx context.Context, id int64, provider processor.Profile, payouts []processor.Payout, by map[string]string) error {
	banker, ok := s.processor.(processor.Banker)
	if !ok || len(payouts) == 0 {
		return nil
	}
	return s.job(ctx)(func(tx *store.Tx) error {
		for _, p := range payouts {
			known, err := ledger.PayoutRecorded(tx, p.Key, id)
			if err != nil {
				return err
			}
			if known {
				continue
			}
			out := ledger.PaidOut{At: store.At(p.CreatedAt), Payout: p.Key, Processor: processorProfile, Provider: id, ProviderName: provider.FullName,
				User: by[p.Key], Amount: ledger.Amount{Value: p.Amount, Unit: p.Unit}, Fee: banker.TransferFee(p.Amount)}
			entries, err := out.Entries()
			if err == nil {
				_, err = ledger.Post(tx, out.Kind(), entries...)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Withdrawal is the body of a payout that a provider asks for.
type Withdrawal struct {
	Amount int64 `json:"amount" in:"required" validate:"gte=0"` // in 1/100 of the unit of the bank
}

// withdraw asks the processor to pay funds out (ledger.md 9.17). They leave the books once the processor says that they are paid.
func (s *Service) withdraw(c *rest.Call, in *Withdrawal) (struct{}, error) {
	c.SetStatus(http.StatusAccepted)
	id, provider, _, err := s.provider(c)
	if err != nil {
		return struct{}{}, err
	}
	banker, ok := s.processor.(processor.Banker)
	if !ok {
		return struct{}{}, errNoPayouts
	}
	if in.Amount == 0 {
		return struct{}{}, nil
	}
	if err := s.reconcile(c.Context(), id, provider, nil); err != nil {
		return struct{}{}, failure(err)
	}
	bank, err := s.bankOf(c.Context(), banker, id, provider)
	if err != nil {
		return struct{}{}, failure(err)
	}
	if bank == nil {
		return struct{}{}, rest.Fail(http.StatusBadRequest, provider.Slug+" is not connected to an account of the payment processor.")
	}
	if in.Amount > bank.Balance {
		return struct{}{}, rest.Invalid("amount", "Ensure this value is less than or equal to "+ledger.Amount{Value: bank.Balance, Unit: bank.Unit}.String()+".")
	}
	if c.DryRun() {
		return struct{}{}, nil
	}
	text := "withdraw from " + provider.FullName
	key := attemptKey(c.IdempotencyKey())
	var payout string
	err = outside(c.Context(), func(ctx context.Context) (err error) {
		payout, err = banker.CreateTransfer(ctx, provider, in.Amount, bank.Unit, text, key)
		return err
	})
	if err != nil {
		return struct{}{}, failure(err)
	}
	if err := c.Write(func(*store.Tx) error { return nil }); err != nil { // the audit
		return struct{}{}, err
	}
	if err := s.reconcile(context.WithoutCancel(c.Context()), id, provider, map[string]string{payout: c.User.Username}); err != nil {
		s.log.Warn("a payout could not be looked up", zap.String("payout", payout), zap.Error(err))
	}
	return struct{}{}, nil
}

// bankOf is the account of a provider with what can be withdrawn from it: what the processor has, no more than the ledger, less the
// fee. nil when it is not connected.
func (s *Service) bankOf(ctx context.Context, banker processor.Banker, id int64, provider processor.Profile) (bank *processor.Bank, err error) {
	err = outside(ctx, func(ctx context.Context) (err error) {
		bank, err = banker.Bank(ctx, provider)
		return err
	})
	if err != nil || bank == nil {
		return nil, err
	}
	if bank.Unit == "" {
		bank.Unit = s.set.Unit
	}
	var funds int64
	err = s.store.Read(ctx, func(r store.Reader) (err error) {
		funds, err = ledger.Balance(r, id, ledger.AccountFunds, bank.Unit)
		return err
	})
	bank.Balance = min(bank.Balance, funds)
	bank.Balance = max(bank.Balance-banker.TransferFee(bank.Balance), 0)
	return bank, err
}

// BankView is the account that a provider is paid out to. All of it is "N/A" when there is none.
type BankView struct {
	BankName      string `json:"bank_name"`
	Last4         string `json:"last4"`
	BalanceAmount any    `json:"balance_amount"` // in 1/100 of BalanceUnit
	BalanceUnit   string `json:"balance_unit"`
}

// showBank shows the account of a provider (ledger.md 9.9). With ?code=, which the processor gave who connected one, that one is
// taken first (8.3).
func (s *Service) showBank(c *rest.Call, _ *rest.None) (BankView, error) {
	const none = "N/A"
	out := BankView{none, none, none, none}
	if code := c.QueryString("code"); code != "" {
		if err := s.connected(c, code); err != nil {
			return out, err
		}
	}
	id, provider, _, err := s.provider(c)
	if err != nil {
		return out, err
	}
	banker, ok := s.processor.(processor.Banker)
	if !ok {
		return out, nil
	}
	bank, err := s.bankOf(c.Context(), banker, id, provider)
	if err != nil {
		s.log.Warn("a bank could not be looked up", zap.String("provider", provider.Slug), zap.Error(err))
	}
	if err == nil && bank != nil {
		out = BankView{bank.Name, bank.Last4, bank.Balance, bank.Unit}
	}
	return out, nil
}

// ImportChange is the body of a payment that a provider received elsewhere.
type ImportChange struct {
	Subscription string               `json:"subscription" in:"required"` // "ana:gold"
	Amount       int64                `json:"amount" in:"required" validate:"gte=1"`
	CreatedAt    rest.Opt[store.Time] `json:"created_at"`
	Descr        string               `json:"descr" in:"null,blank" validate:"max=255"`
}

// importTransfer records a payment of a subscription that the provider received elsewhere (ledger.md 9.17). More than what is due
// becomes a credit.
func (s *Service) importTransfer(c *rest.Call, tx *store.Tx, in *ImportChange) ([]Transaction, error) {
	provider, err := s.pathProfile(c, tx)
	if err != nil {
		return nil, err
	}
	bad := func(message string) error { return rest.Invalid("subscription", message) }
	who, what, ok := strings.Cut(in.Subscription, ":")
	if !ok || who == "" || what == "" || strings.Contains(what, ":") {
		return nil, bad("Subscription should be of the form subscriber:plan.")
	}
	var subscriber int64
	if found, err := store.Exists(tx, `SELECT 1 FROM profile WHERE slug = ? COLLATE BINARY`, who); err != nil || !found {
		if err == nil {
			err = bad("Invalid subscriber")
		}
		return nil, err
	}
	if err := tx.QueryRow(`SELECT id FROM profile WHERE slug = ?`, who).Scan(&subscriber); err != nil {
		return nil, err
	}
	plan, err := s.subs.PlanBySlug(tx, what)
	if err != nil || plan.ProfileID != provider {
		return nil, bad("Invalid plan")
	}
	sub, err := s.subs.Current(tx, subscriber, plan.ID)
	if err != nil {
		return nil, err
	}
	if sub == nil || !sub.Valid() {
		return nil, bad("Invalid combination of subscriber and plan, or the subscription is no longer active.")
	}
	if in.Amount > ledger.MaxAmount {
		return nil, errAmount
	}
	due, err := ledger.DueOn(tx, subscriber, sub.EventID(), plan.Unit)
	if err != nil {
		return nil, err
	}
	paid := ledger.PaidOffline{At: in.CreatedAt.Or(tx.Now()), Check: ledger.NewCheckEvent(), Event: sub.EventID(), Payer: subscriber, Provider: provider,
		Amount: ledger.Amount{Value: in.Amount, Unit: plan.Unit}, Payable: due.Payable, Text: in.Descr, User: c.User.Username}
	entries, err := paid.Entries()
	if err != nil {
		return nil, err
	}
	batch, err := ledger.Post(tx, paid.Kind(), entries...)
	if err != nil {
		return nil, err
	}
	s.touch(tx, batch.Entries)
	c.Created("")
	return s.entryViews(tx, batch.Entries)
}
