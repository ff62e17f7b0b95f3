package stripe

import (
	"context"
	"fmt"
	"time"

	"github.com/stripe/stripe-go/v76"

	"github.com/caddy-tollgate/tollgate/api/processor"
	"github.com/caddy-tollgate/tollgate/ledger"
)

// Charges: what became of them, how they were split, and what is given back (ledger.md 8.2).

func (s *Stripe) charge(ctx context.Context, key string, expand ...string) (ch *stripe.Charge, err error) {
	var expansions []*string // an empty list would be sent, as one that is none
	for i := range expand {
		expansions = append(expansions, &expand[i])
	}
	err = s.ask(ctx, false, func() (err error) {
		ch, err = s.charges.Get(key, &stripe.ChargeParams{Params: params(ctx, ""), Expand: expansions})
		return err
	})
	return ch, err
}

// receipt is what Stripe says of a charge to who paid. A card expires in a month, of which it is the first day.
func receipt(ch *stripe.Charge) processor.Receipt {
	r := processor.Receipt{Key: ch.ID, CreatedAt: time.Unix(ch.Created, 0).UTC()}
	if d := ch.PaymentMethodDetails; d != nil && d.Card != nil {
		r.Last4 = d.Card.Last4
		if d.Card.ExpMonth > 0 {
			r.ExpDate = time.Date(int(d.Card.ExpYear), time.Month(d.Card.ExpMonth), 1, 0, 0, 0, 0, time.UTC)
		}
	}
	if b := ch.BillingDetails; b != nil && b.Name != "" {
		r.CardName = b.Name
	} else {
		r.CardName = ch.Description // the payer's name, which CreatePayment describes a payment with
	}
	return r
}

// RetrieveCharge implements processor.Processor.
func (s *Stripe) RetrieveCharge(ctx context.Context, key string) (processor.Status, error) {
	ch, err := s.charge(ctx, key)
	if err != nil {
		return processor.Status{}, err
	}
	status := processor.Status{Receipt: receipt(ch), Refunded: fromStripe(ch.AmountRefunded, string(ch.Currency))}
	switch ch.Status {
	case stripe.ChargeStatusSucceeded:
		status.State = processor.Succeeded
	case stripe.ChargeStatusFailed:
		status.State, status.Failure = processor.Failed, ch.FailureMessage
	}
	if ch.Disputed && status.State == processor.Succeeded {
		status.State, err = s.disputed(ctx, key)
	}
	return status, err
}

// disputed is the state of a charge with a dispute, the latest one. A question of the bank that was answered took no money: it ends as a
// dispute that was won.
func (s *Stripe) disputed(ctx context.Context, key string) (state processor.State, err error) {
	err = s.ask(ctx, false, func() error {
		state = processor.Succeeded
		list := s.disputes.List(&stripe.DisputeListParams{ListParams: stripe.ListParams{Context: ctx, Limit: stripe.Int64(1), Single: true}, Charge: &key})
		if list.Next() {
			switch list.Dispute().Status {
			case stripe.DisputeStatusWon, stripe.DisputeStatusWarningClosed:
				state = processor.DisputeWon
			case stripe.DisputeStatusLost:
				state = processor.DisputeLost
			default:
				state = processor.DisputeOpened
			}
		}
		return list.Err()
	})
	return state, err
}

// Distribution implements processor.Processor: what the balance transaction of the charge says, in the currency of the account.
func (s *Stripe) Distribution(ctx context.Context, key string, d processor.DistributionOf) (processor.Distribution, error) {
	ch, err := s.charge(ctx, key, "balance_transaction")
	if missing(err) {
		return processor.Distribution{Provider: d.Amount - d.Refunded, Unit: d.Unit}, nil
	}
	if err != nil {
		return processor.Distribution{}, err
	}
	bt := ch.BalanceTransaction
	if bt == nil || bt.Currency == "" || ch.Amount <= 0 {
		return processor.Distribution{}, fmt.Errorf("stripe: charge %s has no balance transaction yet", key)
	}
	out := processor.Distribution{Unit: string(bt.Currency)}
	fee := bt.Fee // with taxes
	for _, f := range bt.FeeDetails {
		if f.Type == "application_fee" {
			fee -= f.Amount
		}
	}
	total := fromStripe(bt.Amount, out.Unit)
	out.Processor = min(fromStripe(fee, out.Unit), total)
	broker := d.BrokerFee
	if ch.ApplicationFeeAmount > 0 {
		broker = fromStripe(ch.ApplicationFeeAmount, string(ch.Currency))
	} else if ch.TransferData != nil {
		broker = 0 // less than the smallest coin: nothing was kept
	}
	if bt.Currency != ch.Currency {
		if broker, err = ledger.MulDiv(broker, total, fromStripe(ch.Amount, string(ch.Currency))); err != nil {
			return processor.Distribution{}, err
		}
	}
	if s.clientID == "" && broker > 0 {
		out.Local, out.Provider, out.Broker = true, total-broker, broker-out.Processor
		return out, nil
	}
	out.Broker = min(broker, total-out.Processor)
	out.Provider = total - out.Processor - out.Broker
	return out, nil
}

// Refund implements processor.Processor. What was given back is looked up first: Stripe forgets idempotency keys. A provider gives its
// part back from its account, and gets the broker's fee back.
func (s *Stripe) Refund(ctx context.Context, key string, amount, brokerAmount int64, idempotencyKey string) error {
	ch, err := s.charge(ctx, key)
	if err != nil {
		return err
	}
	n, err := toStripe(amount, string(ch.Currency))
	if err != nil {
		return err
	}
	known, err := s.refunded(ctx, key, idempotencyKey)
	if err != nil {
		return err
	}
	meta := map[string]string{metaRefund: idempotencyKey}
	if !known {
		give := &stripe.RefundParams{Params: params(ctx, idempotencyKey), Charge: &key, Amount: &n, Metadata: meta}
		if ch.TransferData != nil {
			give.ReverseTransfer = stripe.Bool(true)
		}
		if ch.ApplicationFee != nil {
			give.RefundApplicationFee = stripe.Bool(false) // Stripe's share of it is not ours to the cent
		}
		var made *stripe.Refund
		err := s.ask(ctx, false, func() (err error) {
			made, err = s.refunds.New(give)
			return err
		})
		if err == nil && (made.Status == stripe.RefundStatusFailed || made.Status == stripe.RefundStatusCanceled) {
			err = fmt.Errorf("stripe: refund %s is %s: %s", made.ID, made.Status, made.FailureReason)
		}
		if err != nil {
			return err
		}
	}
	part := feeToStripe(brokerAmount, string(ch.Currency))
	if ch.ApplicationFee == nil || part <= 0 {
		return nil
	}
	return s.refundFee(ctx, ch.ApplicationFee.ID, part, idempotencyKey)
}

// refunded reports whether a refund of a charge was made before.
func (s *Stripe) refunded(ctx context.Context, charge, idempotencyKey string) (known bool, err error) {
	err = s.ask(ctx, false, func() error {
		list := s.refunds.List(&stripe.RefundListParams{ListParams: stripe.ListParams{Context: ctx, Limit: stripe.Int64(100)}, Charge: &charge})
		for list.Next() {
			r := list.Refund()
			gone := r.Status == stripe.RefundStatusFailed || r.Status == stripe.RefundStatusCanceled
			known = known || r.Metadata[metaRefund] == idempotencyKey && !gone
		}
		return list.Err()
	})
	return known, err
}

// refundFee gives a part of the broker's fee back to the provider. When it fails the customer has the money all the same, so that nobody
// knows yet what became of the refund: it is tried again.
func (s *Stripe) refundFee(ctx context.Context, fee string, part int64, idempotencyKey string) error {
	known := false
	err := s.ask(ctx, true, func() error {
		list := s.fees.List(&stripe.FeeRefundListParams{ListParams: stripe.ListParams{Context: ctx, Limit: stripe.Int64(100)}, ID: &fee})
		for list.Next() {
			known = known || list.FeeRefund().Metadata[metaRefund] == idempotencyKey
		}
		return list.Err()
	})
	if err != nil || known {
		return err
	}
	return s.ask(ctx, true, func() error {
		_, err := s.fees.New(&stripe.FeeRefundParams{Params: params(ctx, idempotencyKey+"/fee"), ID: &fee, Amount: &part,
			Metadata: map[string]string{metaRefund: idempotencyKey}})
		return err
	})
}
