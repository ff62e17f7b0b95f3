package billing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/api/processor"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// How a payment is carried out, at once or by the sweeper.

// writer runs a transaction in somebody's name: a call's, or a job's.
type writer func(fn func(tx *store.Tx) error) error

// job is a writer in the system's name, which does not give up when a client goes away.
func (s *Service) job(ctx context.Context) writer {
	ctx = context.WithoutCancel(ctx)
	return func(fn func(tx *store.Tx) error) error {
		return s.store.Write(ctx, func(tx *store.Tx) error {
			tx.Actor = "system"
			return fn(tx)
		})
	}
}

// outside calls the processor: it does not wait for ever, and goes on when a client goes away.
func outside(ctx context.Context, call func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), processorTimeout)
	defer cancel()
	err := call(ctx)
	if errors.Is(err, context.DeadlineExceeded) && !errors.As(err, new(*processor.UnknownError)) {
		err = &processor.UnknownError{Err: err}
	}
	return err
}

// pay carries a prepared payment out: it asks the processor and commits. The charges it made are returned; none when the payment
// was refused. When the outcome is not known the payment stays for the sweeper. Errors: 400 with the processor's text; 409.
func (s *Service) pay(ctx context.Context, write writer, p *payment) ([]int64, error) {
	people, now, err := s.payees(ctx, p)
	if err != nil {
		return nil, err
	}
	old := now.Sub(p.createdAt.Time) > keyLife
	if err := s.at("pay:prepared"); err != nil {
		return nil, err
	}
	if p.Token != "" && p.Remember && p.CardKey == "" && !old {
		key, err := s.saveCard(ctx, people[p.Customer], p.Token)
		if err != nil {
			return nil, s.refused(ctx, write, p, nil, err)
		}
		if err := s.at("pay:saved"); err != nil {
			return nil, err
		}
		if err := p.saved(write, key); err != nil {
			return nil, err
		}
	}
	receipts := make([]processor.Receipt, len(p.Bills))
	for i := range p.Bills {
		if receipts[i], err = s.charge(ctx, p, i, old, people); err != nil {
			return nil, s.refused(ctx, write, p, receipts[:i], err)
		}
		if err := s.at("pay:charged"); err != nil {
			return nil, err
		}
	}
	var charges []int64
	err = write(func(tx *store.Tx) (err error) {
		charges, err = s.commit(tx, p, receipts)
		return err
	})
	var answer *rest.Error
	if errors.As(err, &answer) && answer.Status < http.StatusInternalServerError {
		// What was to be bought is no longer there: the money goes back.
		return nil, s.undo(ctx, write, p, receipts, err)
	}
	if err == nil {
		err = s.at("pay:committed")
	}
	return charges, err
}

// saveCard keeps the card of a token at the processor, and returns the customer it belongs to.
func (s *Service) saveCard(ctx context.Context, subscriber processor.Profile, token string) (key string, err error) {
	err = outside(ctx, func(ctx context.Context) (err error) {
		_, key, err = s.processor.SaveCard(ctx, subscriber, token)
		return err
	})
	return key, err
}

// saved notes that the card is kept: a token works once, unless it is a payment that the browser made, which pays still.
func (p *payment) saved(write writer, key string) error {
	if p.CardKey = key; !processor.Confirmed(p.Token) {
		p.Token = ""
	}
	frozen, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return write(func(tx *store.Tx) error {
		_, err := tx.Exec(`UPDATE checkout_attempt SET lines = ? WHERE id = ? AND state = 'pending'`, string(frozen), p.id)
		return err
	})
}

// billKey is the idempotency key of a bill.
func (p *payment) billKey(i int) string { return p.key + "/" + strconv.Itoa(i) }

// brokerFee is the broker's part of a bill (ledger.md 5.5).
func (b *bill) brokerFee() (int64, error) {
	lines := make([]ledger.PaidLine, len(b.Lines))
	for i, l := range b.Lines {
		lines[i] = ledger.PaidLine{Amount: l.Amount, FeePercent: l.FeePercent}
	}
	return ledger.AskedBrokerFee(lines)
}

// charge asks the processor for the charge of a bill. A payment that is too old for the processor to know its key again is only
// looked for: it is not made now.
func (s *Service) charge(ctx context.Context, p *payment, i int, old bool, people map[int64]processor.Profile) (receipt processor.Receipt, err error) {
	b := &p.Bills[i]
	fee, err := b.brokerFee()
	if err != nil {
		return receipt, err
	}
	subscriber, provider := people[p.Customer], people[b.Provider]
	if p.CardKey != "" {
		subscriber.CardKey = p.CardKey
	}
	err = outside(ctx, func(ctx context.Context) (err error) {
		if old {
			found, err := s.processor.FindPayment(ctx, p.billKey(i))
			if err != nil {
				return &processor.UnknownError{Err: err}
			}
			if found == nil {
				return &processor.CardError{Code: expired, Detail: "The payment was not made in time."}
			}
			receipt = *found
			return nil
		}
		if p.Token == "" && subscriber.CardKey == "" {
			return &processor.CardError{Code: "card_absent", Detail: processor.NoCard}
		}
		receipt, err = s.processor.CreatePayment(ctx, processor.Payment{
			Amount: b.amount(), BrokerFee: fee, Unit: b.Unit, Token: p.Token, Subscriber: subscriber, Provider: provider, Broker: people[0],
			Description: subscriber.FullName, StatementDescriptor: descriptor(provider.FullName), IdempotencyKey: p.billKey(i),
			OffSession: p.User == 0 && p.Token == "", Shared: len(p.Bills) > 1, Again: p.again,
		})
		return err
	})
	return receipt, err
}

// descriptor is what a card statement says: at most 15 characters of the provider's name.
func descriptor(name string) string {
	runes := []rune(name)
	return string(runes[:min(len(runes), 15)])
}

// resume goes on with a payment that stayed behind.
func (s *Service) resume(ctx context.Context, id int64) error {
	var p payment
	err := s.store.Read(ctx, func(r store.Reader) error {
		var frozen string
		err := r.QueryRow(`SELECT lines, idempotency_key, created_at FROM checkout_attempt WHERE id = ? AND state = 'pending'`, id).Scan(&frozen, &p.key, &p.createdAt)
		if err != nil {
			return err
		}
		p.id, p.again = id, true
		return json.Unmarshal([]byte(frozen), &p)
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("payment %d: %w", id, err)
	}
	charges, err := s.pay(ctx, s.jobFor(ctx, p.Customer), &p)
	for _, charge := range charges {
		if err := s.poll(ctx, charge); err != nil {
			s.log.Warn("a charge could not be looked up", zap.Int64("charge", charge), zap.Error(err))
		}
	}
	var answer *rest.Error
	if errors.As(err, &answer) && answer.Status < http.StatusInternalServerError {
		s.log.Info("a payment that stayed behind was not made", zap.Int64("attempt", id), zap.Error(err))
		return nil // it was refused, and that is how it ended
	}
	return err
}
