package ledger

import (
	"fmt"
	"strings"

	"github.com/caddy-tollgate/tollgate/store"
)

// Post appends the entries of one business operation to the books, as one batch named kind, in the caller's transaction. It
// gives them their ids, updates the balances of their accounts, what moved between these, and the statements of their payers,
// and chains the batch to the one before it. Entries that move nothing are left out, except orders: a free order counts (5.3). With nothing left, nothing
// is written and the batch is empty.
//
// The entries given are not changed; those of the Batch carry the ids, in the same order. Running the caller's function again
// in another transaction writes the same again, so Post may be called from any store.Write. Errors: an *InvalidError for an
// entry that breaks a rule, a *store.ConstraintError when a profile does not exist, an entry is taken back twice or a payout
// is recorded twice, or a balance overflows.
func Post(tx *store.Tx, kind string, entries ...Entry) (Batch, error) {
	b := Batch{CreatedAt: tx.Wall(), Kind: kind, Actor: tx.Actor, Entries: make([]Entry, 0, len(entries))}
	for i := range entries {
		if reason := entries[i].check(); reason != "" {
			return Batch{}, &InvalidError{Index: i, Reason: reason}
		}
		if !entries[i].isZero() || entries[i].IsOrder() {
			b.Entries = append(b.Entries, entries[i])
		}
	}
	if len(b.Entries) == 0 {
		return Batch{}, nil
	}
	prev, last, err := head(tx)
	if err != nil {
		return Batch{}, err
	}
	b.ID = prev.Batch + 1
	for i := range b.Entries {
		e := &b.Entries[i]
		e.ID, e.Batch = last+1+int64(i), b.ID
		if e.Descr == "" {
			e.Descr = "N/A"
		}
	}
	b.Hash = b.chained(prev.Hash)
	if err := b.insert(tx); err != nil {
		return Batch{}, fmt.Errorf("ledger: posting %s: %w", kind, err)
	}
	return b, nil
}

func (b *Batch) insert(tx *store.Tx) error {
	_, err := tx.Exec(`INSERT INTO batch (id, created_at, kind, actor, first_id, nb_entries, hash) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		b.ID, b.CreatedAt, b.Kind, b.Actor, b.Entries[0].ID, len(b.Entries), b.Hash[:])
	if err != nil {
		return err
	}
	err = insertRows(tx, insertTxn, "", b.Entries, func(args []any, e *Entry) []any {
		return append(args, e.ID, e.CreatedAt, e.Descr, null(e.Event), e.Dest.Account, e.Dest.Profile, e.Dest.Amount, e.Dest.Unit,
			e.Orig.Account, e.Orig.Profile, e.Orig.Amount, e.Orig.Unit, null(e.Payer), e.Periods, e.Kind, null(e.Reverts), e.Batch)
	})
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO movement SELECT slot, dest_profile_id, dest_account, orig_profile_id, orig_account, dest_unit, orig_unit, dest_amount, orig_amount
			FROM moved WHERE id >= ? AND id <= ?
		ON CONFLICT DO UPDATE SET dest_amount = movement.dest_amount + excluded.dest_amount, orig_amount = movement.orig_amount + excluded.orig_amount`,
		b.Entries[0].ID, b.Entries[len(b.Entries)-1].ID)
	if err != nil {
		return err
	}
	err = insertRows(tx, insertBalance, addBalance, accountChanges(b.Entries), func(args []any, a *accountChange) []any {
		return append(args, a.profile, a.account, a.unit, a.amount, a.entries)
	})
	if err != nil {
		return err
	}
	for _, s := range statementChanges(b.Entries) {
		_, err := tx.Exec(`INSERT INTO statement (payer_id, event_id, unit, subscription_id, provider_id, due, paid, payable, ordered_at, last_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (payer_id, event_id, unit) DO UPDATE SET
				provider_id = COALESCE(statement.provider_id, excluded.provider_id),
				due = statement.due + excluded.due,
				paid = statement.paid + excluded.paid,
				payable = statement.payable + excluded.payable,
				ordered_at = CASE WHEN statement.ordered_at IS NULL OR excluded.ordered_at > statement.ordered_at
					THEN excluded.ordered_at ELSE statement.ordered_at END,
				last_at = CASE WHEN excluded.last_at > statement.last_at THEN excluded.last_at ELSE statement.last_at END`,
			s.payer, s.event, s.unit, null(s.subscription()), null(s.provider), s.due, s.paid, s.payable, s.orderedAt, s.lastAt)
		if err != nil {
			return err
		}
	}
	return nil
}

const (
	insertTxn = `INSERT INTO txn (id, created_at, descr, event_id, dest_account, dest_profile_id, dest_amount, dest_unit,
		orig_account, orig_profile_id, orig_amount, orig_unit, payer_id, nb_periods, kind, reverts_id, batch_id) VALUES `
	insertBalance = `INSERT INTO balance (profile_id, account, unit, amount, nb_entries) VALUES `
	addBalance    = ` ON CONFLICT (profile_id, account, unit) DO UPDATE
		SET amount = balance.amount + excluded.amount, nb_entries = balance.nb_entries + excluded.nb_entries`
)

// maxRows is how many rows one statement inserts: there are as many texts of it, each of which the store keeps prepared.
const maxRows = 16

// insertRows inserts rows by as few statements as may be: head ends in VALUES, tail follows the values, and bind appends those of
// one row.
func insertRows[T any](tx *store.Tx, head, tail string, rows []T, bind func(args []any, row *T) []any) error {
	for len(rows) > 0 {
		n := min(len(rows), maxRows)
		var args []any
		for i := range rows[:n] {
			args = bind(args, &rows[i])
		}
		row := "(" + strings.Repeat(", ?", len(args)/n)[2:] + ")"
		if _, err := tx.Exec(head+row+strings.Repeat(", "+row, n-1)+tail, args...); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// null is v, or NULL for the zero value.
func null[T comparable](v T) any {
	var zero T
	if v == zero {
		return nil
	}
	return v
}

// An accountKey is the primary key of a row of the table balance.
type accountKey struct {
	profile       int64
	account, unit string
}

// An accountChange is what a batch does to an account, or an account's state: a row of the table balance.
type accountChange struct {
	accountKey
	amount, entries int64
}

// accountChanges sums entries up by account, in the order of their first use.
func accountChanges(entries []Entry) []accountChange {
	changes := make([]accountChange, 0, 2*len(entries))
	at := make(map[accountKey]int, 2*len(entries))
	add := func(l *Leg, amount, n int64) {
		key := accountKey{l.Profile, l.Account, l.Unit}
		i, ok := at[key]
		if !ok {
			i = len(changes)
			at[key] = i
			changes = append(changes, accountChange{accountKey: key})
		}
		changes[i].amount += amount
		changes[i].entries += n
	}
	for i := range entries {
		e := &entries[i]
		add(&e.Dest, e.Dest.Amount, 1)
		add(&e.Orig, -e.Orig.Amount, 1-e.sameAccount())
	}
	return changes
}

// sameAccount is 1 when both sides of an entry are the same account, which then counts it once.
func (e *Entry) sameAccount() int64 {
	if e.Dest.Profile == e.Orig.Profile && e.Dest.Account == e.Orig.Account && e.Dest.Unit == e.Orig.Unit {
		return 1
	}
	return 0
}

// A statementKey is the primary key of a row of the table statement.
type statementKey struct {
	payer       int64
	event, unit string
}

// A statementChange is what a batch does to a payer's debt for an event, or its state: a row of the table statement.
type statementChange struct {
	statementKey
	provider           int64
	due, paid, payable int64
	orderedAt, lastAt  store.Time
}

func (s *statementChange) subscription() int64 { return ParseEvent(s.event).Subscription }

// statementChanges sums entries up by debt, in the order of their first use.
func statementChanges(entries []Entry) []statementChange {
	var changes []statementChange
	at := make(map[statementKey]int, 4)
	for i := range entries {
		change, ok := entries[i].statementChange()
		if !ok {
			continue
		}
		j, known := at[change.statementKey]
		if !known {
			at[change.statementKey] = len(changes)
			changes = append(changes, change)
			continue
		}
		c := &changes[j]
		if c.provider == 0 {
			c.provider = change.provider
		}
		c.due += change.due
		c.paid += change.paid
		c.payable += change.payable
		c.orderedAt = later(c.orderedAt, change.orderedAt)
		c.lastAt = later(c.lastAt, change.lastAt)
	}
	return changes
}

// statementChange is what one entry does to a debt, if anything.
func (e *Entry) statementChange() (statementChange, bool) {
	c := statementChange{statementKey: statementKey{e.Payer, e.Event, e.Dest.Unit}, lastAt: e.CreatedAt}
	switch {
	case e.IsOrder():
		c.provider, c.due, c.payable, c.orderedAt = e.Orig.Profile, e.Dest.Amount, e.Dest.Amount, e.CreatedAt
	case e.isPayment():
		c.provider, c.paid = e.Dest.Profile, e.Dest.Amount
	case e.isWriteOff():
		c.provider, c.paid = e.Orig.Profile, e.Dest.Amount
	case e.Orig.Account == AccountPayable && e.Event != "":
		c.payer, c.unit, c.payable = e.Orig.Profile, e.Orig.Unit, -e.Orig.Amount
	default:
		return c, false
	}
	return c, true
}

func later(a, b store.Time) store.Time {
	if b.After(a.Time) {
		return b
	}
	return a
}
