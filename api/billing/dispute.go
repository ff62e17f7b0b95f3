package billing

import (
	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// Disputes, and refunds that were made elsewhere (ledger.md 5.13, 8.4).

// facts are a refund of a line of a charge, of no amount yet.
func (s *Service) facts(tx *store.Tx, c *charge, line ledger.ChargeLine) (ledger.Refunded, error) {
	broker, err := s.broker(tx)
	return ledger.Refunded{At: tx.Now(), Charge: c.ID, Key: *c.Key, Customer: c.Customer, Broker: broker, Processor: processorProfile, Line: line}, err
}

// dispute writes that the customer's bank took back what is left of a charge.
func (s *Service) dispute(tx *store.Tx, c *charge) error {
	if err := s.move(tx, c, disputed, ""); err != nil {
		return err
	}
	lines, err := ledger.ChargeLines(tx, c.ID)
	if err != nil {
		return err
	}
	d := ledger.Disputed{At: tx.Now(), Fee: ledger.Amount{Value: s.processor.DisputeFee(c.Amount), Unit: c.Unit}}
	for _, l := range lines {
		facts, err := s.facts(tx, c, l)
		if err != nil {
			return err
		}
		if l.FundsUnit != "" {
			d.Fee.Unit = l.FundsUnit
		}
		d.Lines = append(d.Lines, facts)
	}
	s.log.Warn("a charge is disputed", zap.Int64("charge", c.ID))
	entries, err := d.Entries()
	if err == nil {
		_, err = ledger.Post(tx, d.Kind(), entries...)
	}
	return err
}

// disputeWon takes back what the dispute of a charge wrote.
func (s *Service) disputeWon(tx *store.Tx, c *charge) error {
	if err := s.move(tx, c, done, ""); err != nil {
		return err
	}
	taken, err := ledger.DisputedEntries(tx, c.ID)
	if err != nil {
		return err
	}
	won := ledger.DisputeWon{At: tx.Now(), Disputed: taken}
	entries, err := won.Entries()
	if err == nil {
		_, err = ledger.Post(tx, won.Kind(), entries...)
	}
	if err != nil {
		return err
	}
	return s.tellCharge(tx, c, 0)
}

// disputeLost notes that the customer's bank keeps what it took back.
func (s *Service) disputeLost(tx *store.Tx, c *charge) error {
	if err := s.move(tx, c, failed, ""); err != nil {
		return err
	}
	lines, err := ledger.ChargeLines(tx, c.ID)
	if err != nil {
		return err
	}
	return voidRefunded(tx, lines)
}

// catchUpRefunds writes what the processor gave back of a charge and the books do not have: refunds made at the processor. They are
// taken from the lines in their order. A refund under way is written by who makes it.
func (s *Service) catchUpRefunds(tx *store.Tx, c *charge, total int64) error {
	pending, err := store.Exists(tx, `SELECT 1 FROM refund WHERE charge_id = ? AND state = 'pending'`, c.ID)
	if err != nil || pending {
		return err
	}
	lines, err := ledger.ChargeLines(tx, c.ID)
	if err != nil {
		return err
	}
	missing := total
	for i := range lines {
		missing -= lines[i].Refunded
	}
	if missing <= 0 {
		return nil
	}
	var entries []ledger.Entry
	for _, l := range lines {
		amount := min(missing, l.Left())
		if amount <= 0 {
			continue
		}
		missing -= amount
		r, err := s.facts(tx, c, l)
		if err != nil {
			return err
		}
		r.Amount = amount
		given, err := r.Entries()
		if err != nil {
			return err
		}
		entries = append(entries, given...)
	}
	if _, err := ledger.Post(tx, ledger.KindRefund, entries...); err != nil {
		return err
	}
	if err := voidRefunded(tx, lines); err != nil {
		return err
	}
	return s.tellCharge(tx, c, 0)
}
