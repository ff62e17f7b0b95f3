package billing

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/caddy-tollgate/tollgate/api/processor"
	"github.com/caddy-tollgate/tollgate/store"
)

// How a payment ends well.

// commit writes what was bought, and the charges of it. What the sweeper committed meanwhile is returned as it is.
func (s *Service) commit(tx *store.Tx, p *payment, receipts []processor.Receipt) ([]int64, error) {
	open, err := p.pending(tx)
	if err != nil {
		return nil, err
	}
	if !open {
		ids, err := paidBy(tx, `SELECT detail FROM checkout_attempt WHERE id = ? AND state = 'committed'`, p.id)
		if err == nil && ids == nil {
			err = errInProgress
		}
		return ids, err
	}
	what, ok := s.purposes()[p.Purpose]
	if !ok {
		return nil, fmt.Errorf("billing: payment %d is for nothing known: %q", p.id, p.Purpose)
	}
	entries, err := what.execute(tx, p)
	if err != nil {
		return nil, err
	}
	if p.CardKey != "" {
		if _, err := tx.Exec(`UPDATE profile SET processor_card_key = ?, nb_renewal_attempts = 0 WHERE id = ?`, p.CardKey, p.Customer); err != nil {
			return nil, err
		}
	}
	var ids []int64
	if p.Purpose != "invoice" {
		if ids, err = s.insertCharges(tx, p, entries, receipts); err != nil {
			return nil, err
		}
	} else if ids, err = s.submitInvoice(tx, p, receipts[0], entries[0][0]); err != nil {
		return nil, err
	}
	if what.done != nil {
		if err := what.done(tx, p, ids); err != nil {
			return nil, err
		}
	}
	detail, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	return ids, p.end(tx, "committed", string(detail))
}

// insertCharges stores the charges of a payment's bills; without receipts they are invoices.
func (s *Service) insertCharges(tx *store.Tx, p *payment, entries [][]int64, receipts []processor.Receipt) ([]int64, error) {
	if len(entries) != len(p.Bills) {
		return nil, fmt.Errorf("billing: %d bills executed of %d", len(entries), len(p.Bills))
	}
	username, err := usernameOf(tx, p.User)
	if err != nil {
		return nil, err
	}
	ids := make([]int64, len(p.Bills))
	for i := range p.Bills {
		b := &p.Bills[i]
		if len(entries[i]) != len(b.Lines) {
			return nil, fmt.Errorf("billing: %d lines executed of %d", len(entries[i]), len(b.Lines))
		}
		c := &charge{CreatedAt: tx.Now(), CreatedBy: p.User, Amount: b.amount(), Unit: b.Unit, Customer: p.Customer, Provider: b.Provider}
		if receipts != nil {
			c.received(receipts[i], username)
		}
		if ids[i], err = s.insertCharge(tx, c, entries[i]); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

func usernameOf(r store.Reader, user int64) (name string, err error) {
	if user == 0 {
		return "", nil
	}
	err = r.QueryRow(`SELECT username FROM user WHERE id = ?`, user).Scan(&name)
	if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	return name, err
}

// pending reports whether the payment is still under way, in a transaction that is to end it.
func (p *payment) pending(tx *store.Tx) (open bool, err error) {
	return store.Exists(tx, `SELECT 1 FROM checkout_attempt WHERE id = ? AND state = 'pending'`, p.id)
}

// end ends the payment, and forgets what was needed to finish it: a token above all.
func (p *payment) end(tx *store.Tx, state, detail string) error {
	n, err := tx.Exec(`UPDATE checkout_attempt SET state = ?, detail = ?, lines = '{}' WHERE id = ? AND state = 'pending'`, state, detail, p.id)
	if err == nil && n != 1 {
		err = errInProgress
	}
	return err
}
