package billing

import (
	"context"
	"fmt"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/api/processor"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// What becomes of a charge at the processor (ledger.md 6.1). Whoever learns of it, a webhook, a reader or a job, asks the processor
// first, with no transaction open; then one transaction reads the state again, changes it by compare-and-swap and writes the entries.
// What others did meanwhile is done already.

// An outcome is what the processor says of a charge.
type outcome struct {
	processor.Status
	distribution *processor.Distribution // of a charge that is to be settled
}

// ask asks the processor about a charge.
func (s *Service) ask(ctx context.Context, c *charge) (o outcome, err error) {
	if s.processor == nil {
		return o, errNoProcessor
	}
	err = outside(ctx, func(ctx context.Context) (err error) {
		o.Status, err = s.processor.RetrieveCharge(ctx, *c.Key)
		return err
	})
	if err != nil || c.State != created || o.State == processor.Pending || o.State == processor.Failed {
		return o, err
	}
	var fee int64
	err = s.store.Read(ctx, func(r store.Reader) error {
		paid, _, err := s.paidLines(r, c)
		if err == nil {
			fee, err = ledger.AskedBrokerFee(paid)
		}
		return err
	})
	if err != nil {
		return o, err
	}
	err = outside(ctx, func(ctx context.Context) error {
		d, err := s.processor.Distribution(ctx, *c.Key, processor.DistributionOf{Amount: c.Amount, BrokerFee: fee, Unit: c.Unit})
		o.distribution = &d
		return err
	})
	return o, err
}

// paidLines are the lines of a charge as its settlement needs them, and their identifiers.
func (s *Service) paidLines(r store.Reader, c *charge) (paid []ledger.PaidLine, items []int64, err error) {
	lines, err := ledger.ChargeLines(r, c.ID)
	if err != nil {
		return nil, nil, err
	}
	names := make([]string, len(lines))
	for i := range lines {
		names[i] = lines[i].Event
	}
	events, err := s.events(r, names)
	if err != nil {
		return nil, nil, err
	}
	dues, err := ledger.DuesOn(r, c.Customer, c.Unit, names...)
	if err != nil {
		return nil, nil, err
	}
	paid, items = make([]ledger.PaidLine, len(lines)), make([]int64, len(lines))
	for i, l := range lines {
		about := events[l.Event]
		items[i] = l.Item
		paid[i] = ledger.PaidLine{Event: l.Event, Provider: l.Provider, Amount: l.Amount.Value, FeePercent: about.feePercent(),
			Payable: dues[l.Event].Payable, Label: about.label}
	}
	return paid, items, nil
}

// poll asks the processor what became of a charge, and writes it down. A charge that the processor does not have is left alone.
func (s *Service) poll(ctx context.Context, id int64) error {
	c, err := s.flying(ctx, id)
	if err != nil || c == nil {
		return err
	}
	return s.follow(ctx, c, nil)
}

// flying is a charge that the processor can be asked about, nil when it has none.
func (s *Service) flying(ctx context.Context, id int64) (c *charge, err error) {
	err = s.store.Read(ctx, func(r store.Reader) (err error) {
		c, err = chargeByID(r, id)
		return err
	})
	if err == nil && c.Key == nil {
		c = nil
	}
	return c, err
}

// follow asks about a charge and writes down what became of it. with is done in the same transaction, nil for nothing.
func (s *Service) follow(ctx context.Context, c *charge, with func(tx *store.Tx) error) error {
	o, err := s.ask(ctx, c)
	if err != nil {
		return err
	}
	return s.learned(ctx, c, o, with)
}

// learned writes down what became of a charge, as the processor said.
func (s *Service) learned(ctx context.Context, c *charge, o outcome, with func(tx *store.Tx) error) error {
	if err := s.at("settle:asked"); err != nil {
		return err
	}
	if with == nil && !o.changes(c) {
		return nil
	}
	err := s.job(ctx)(func(tx *store.Tx) error {
		if err := s.apply(tx, c.ID, o); err != nil || with == nil {
			return err
		}
		return with(tx)
	})
	if err != nil {
		return err
	}
	return s.at("settle:committed")
}

// changes reports whether an outcome may change a charge, so that a transaction is worth it.
func (o *outcome) changes(c *charge) bool {
	switch c.State {
	case created:
		return o.State != processor.Pending
	case done:
		return o.State == processor.DisputeOpened || o.State == processor.DisputeLost || o.Refunded > 0
	case disputed:
		return o.State == processor.DisputeWon || o.State == processor.DisputeLost
	}
	return false
}

// apply writes down what became of a charge: each step of its life that lies between what the books say and what the processor
// says.
func (s *Service) apply(tx *store.Tx, id int64, o outcome) error {
	c, err := chargeByID(tx, id)
	if err != nil {
		return err
	}
	if c.State == created && c.Key != nil {
		switch {
		case o.State == processor.Pending:
			return nil
		case o.State == processor.Failed:
			return s.fail(tx, c, o.Failure)
		case o.distribution == nil:
			return nil // it was asked when the charge was not to be settled: the next one who asks does it
		}
		if err := s.settle(tx, c, *o.distribution); err != nil {
			return err
		}
	}
	if c.State == done && o.Refunded > 0 {
		if err := s.catchUpRefunds(tx, c, o.Refunded); err != nil {
			return err
		}
	}
	if c.State == done && (o.State == processor.DisputeOpened || o.State == processor.DisputeLost) {
		if err := s.dispute(tx, c); err != nil {
			return err
		}
	}
	if c.State == disputed && o.State == processor.DisputeWon {
		return s.disputeWon(tx, c)
	}
	if c.State == disputed && o.State == processor.DisputeLost {
		return s.disputeLost(tx, c)
	}
	return nil
}

// move changes the state of a charge by compare-and-swap: before any entry is written.
func (s *Service) move(tx *store.Tx, c *charge, to chargeState, reason string) error {
	var disputedAt any
	if to == disputed {
		disputedAt = tx.Now()
	}
	n, err := tx.Exec(`UPDATE charge SET state = ?, failure_detail = coalesce(nullif(?, ''), failure_detail), disputed_at = coalesce(?, disputed_at)
		WHERE id = ? AND state = ?`, to, reason, disputedAt, c.ID, c.State)
	if err == nil && n != 1 {
		err = fmt.Errorf("billing: charge %d is not %s", c.ID, c.State)
	}
	if err != nil {
		return err
	}
	c.State = to
	return s.dir.TouchInvoiced(tx, c.ID)
}

// fail notes that a charge was refused after all: its orders stay, and are due (ledger.md 5.14).
func (s *Service) fail(tx *store.Tx, c *charge, reason string) error {
	s.log.Info("a charge failed", zap.Int64("charge", c.ID), zap.String("reason", reason))
	return s.move(tx, c, failed, reason)
}

// settle writes the payment of a charge that the processor confirms (ledger.md 5.5 step 2).
func (s *Service) settle(tx *store.Tx, c *charge, d processor.Distribution) error {
	if err := s.move(tx, c, done, ""); err != nil {
		return err
	}
	lines, items, err := s.paidLines(tx, c)
	if err != nil {
		return err
	}
	username, err := usernameOf(tx, c.CreatedBy)
	if err != nil {
		return err
	}
	broker, err := s.broker(tx)
	if err != nil {
		return err
	}
	paid := ledger.PaidByCard{At: c.CreatedAt, Charge: c.ID, Key: *c.Key, CardName: c.CardName, User: username, Customer: c.Customer,
		Processor: processorProfile, Broker: broker, Amount: ledger.Amount{Value: c.Amount, Unit: c.Unit}, Local: d.Local, Lines: lines,
		Received: ledger.Distribution{Unit: d.Unit, Provider: d.Provider, ProcessorFee: d.Processor, BrokerFee: d.Broker}}
	entries, err := paid.Entries()
	if err != nil {
		return fmt.Errorf("charge %d: %w", c.ID, err)
	}
	batch, err := ledger.Post(tx, paid.Kind(), entries...)
	if err != nil {
		return err
	}
	for i, item := range items {
		refs := batch.Item(i)
		_, err := tx.Exec(`UPDATE charge_item SET invoiced_processor_fee_id = nullif(?, 0), invoiced_broker_fee_id = nullif(?, 0),
			invoiced_distribute_id = nullif(?, 0) WHERE id = ?`, refs.ProcessorFee, refs.BrokerFee, refs.Distribution, item)
		if err != nil {
			return err
		}
	}
	s.touch(tx, batch.Entries)
	return s.tellCharge(tx, c, 0)
}

// touch makes what entries changed visible to the gate: a subscription is locked while something on it is due.
func (s *Service) touch(tx *store.Tx, entries []ledger.Entry) {
	for i := range entries {
		if id := ledger.ParseEvent(entries[i].Event).Subscription; id != 0 {
			s.dir.TouchSubscription(tx, id)
		}
	}
}

// TakeEvent takes in what the processor posted, once: the event says of which charge, and the processor is asked what became of it,
// so that events may come late, twice or in any order. Errors: 404 for a charge that is not known here, or not yet.
func (s *Service) TakeEvent(ctx context.Context, e processor.Event) error {
	if e.Kind == processor.OtherEvent || e.ChargeKey == "" {
		return nil
	}
	var c *charge
	var known bool
	err := s.store.Read(ctx, func(r store.Reader) (err error) {
		if c, err = oneCharge(r, selectCharge+` WHERE h.processor_key = ?`, e.ChargeKey); err != nil {
			return err
		}
		known, err = store.Exists(r, `SELECT 1 FROM processor_event WHERE id = ?`, e.ID)
		return err
	})
	if err != nil || known {
		return err
	}
	return s.follow(ctx, c, func(tx *store.Tx) error {
		n, err := tx.Exec(`INSERT INTO processor_event (id, created_at) VALUES (?, ?) ON CONFLICT (id) DO NOTHING`, e.ID, tx.Now())
		if err != nil || n == 0 || e.Kind != processor.ChargeCaptured {
			return err
		}
		if c, err = chargeByID(tx, c.ID); err != nil || c.State != done {
			return err
		}
		return s.tellCharge(tx, c, 0)
	})
}
