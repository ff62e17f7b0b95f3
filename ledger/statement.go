package ledger

import (
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/caddy-tollgate/tollgate/store"
)

// A Due is what one payer owes for one event in one unit: orders less payments and write-offs. It is negative when the payer
// has a credit there.
type Due struct {
	Event    string
	Amount   Amount
	Provider int64      // to whom
	Payable  int64      // how much of it is still on the payer's Payable account: what a settlement moves first (5.5, 5.8, 5.9)
	LastAt   store.Time // date of the most recent order of the event
}

// A Statement is what a profile owes, by event and unit, debts and credits that are not 0, in the order of their most recent
// order (4.2): the order in which a partial payment settles them.
type Statement []Due

// StatementOf is the statement of a payer as of until, excluded; the zero time means with everything posted. Debts follow the
// payer (decision 35). Refunds and chargebacks do not change it.
//
// It reads the debts that are kept, and adds entries up only when some of a debt are dated until or later.
func StatementOf(r store.Reader, payer int64, until store.Time) (Statement, error) {
	var s Statement
	late := false
	err := each(r, func(scan func(...any) error) error {
		var d Due
		var provider sql.Null[int64]
		var paid int64
		var lastAt store.Time
		if err := scan(&d.Event, &d.Amount.Unit, &d.Amount.Value, &paid, &d.Payable, &provider, &d.LastAt, &lastAt); err != nil {
			return err
		}
		late = late || (!until.IsZero() && !lastAt.Before(until.Time))
		d.Amount.Value -= paid
		d.Provider = provider.V
		if d.Amount.Value != 0 && !d.LastAt.IsZero() {
			s = append(s, d)
		}
		return nil
	}, `SELECT event_id, unit, due, paid, payable, provider_id, ordered_at, last_at FROM statement WHERE payer_id = ?
		ORDER BY ordered_at, event_id, unit`, payer)
	if err != nil || !late {
		return s, err
	}
	return statementAsOf(r, payer, until)
}

// statementAsOf is the definition of a statement (4.2), over the entries themselves.
func statementAsOf(r store.Reader, payer int64, until store.Time) (Statement, error) {
	var s Statement
	err := each(r, func(scan func(...any) error) error {
		var d Due
		if err := scan(&d.Event, &d.Amount.Unit, &d.Amount.Value, &d.Provider, &d.Payable, &d.LastAt); err != nil {
			return err
		}
		s = append(s, d)
		return nil
	}, `WITH due AS (
			SELECT event_id, dest_unit AS unit, SUM(dest_amount) AS amount, MAX(orig_profile_id) AS provider_id, MAX(created_at) AS ordered_at
			FROM txn
			WHERE payer_id = ? AND dest_account = 'Payable' AND orig_account = 'Receivable' AND created_at < ?
			GROUP BY event_id, dest_unit),
		paid AS (
			SELECT event_id, dest_unit AS unit, SUM(dest_amount) AS amount
			FROM txn
			WHERE payer_id = ? AND created_at < ? AND ((orig_account = 'Backlog' AND dest_account = 'Receivable')
				OR (orig_account = 'Receivable' AND dest_account = 'Canceled'))
			GROUP BY event_id, dest_unit),
		moved AS (
			SELECT event_id, orig_unit AS unit, SUM(orig_amount) AS amount
			FROM txn
			WHERE orig_profile_id = ? AND orig_account = 'Payable' AND created_at < ?
			GROUP BY event_id, orig_unit)
		SELECT due.event_id, due.unit, due.amount - COALESCE(paid.amount, 0), due.provider_id, due.amount - COALESCE(moved.amount, 0),
			due.ordered_at
		FROM due
		LEFT JOIN paid ON paid.event_id = due.event_id AND paid.unit = due.unit
		LEFT JOIN moved ON moved.event_id = due.event_id AND moved.unit = due.unit
		WHERE due.amount <> COALESCE(paid.amount, 0)
		ORDER BY due.ordered_at, due.event_id, due.unit`, payer, until, payer, until, payer, until)
	return s, err
}

// Total is the statement balance: one amount per unit, never added together, in the order of units; units at 0 are left out.
// A positive amount is a balance due, a negative one a credit. The error is ErrOverflow.
func (s Statement) Total() ([]Amount, error) {
	var total []Amount
	for _, d := range s {
		i, ok := slices.BinarySearchFunc(total, d.Amount.Unit, func(a Amount, unit string) int { return strings.Compare(a.Unit, unit) })
		if !ok {
			total = slices.Insert(total, i, Amount{Unit: d.Amount.Unit})
		}
		var err error
		if total[i].Value, err = Add(total[i].Value, d.Amount.Value); err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(total, func(a Amount) bool { return a.Value == 0 }), nil
}

// Positive is the part of a statement that can be paid: a credit on one event does not pay another.
func (s Statement) Positive() Statement {
	return slices.DeleteFunc(slices.Clone(s), func(d Due) bool { return d.Amount.Value <= 0 })
}

// Shown chooses, among amounts per unit, the one that an envelope with room for one shows (4.2): the default unit's when it is
// there, else the first in the order of units, else nothing in the default unit.
func Shown(total []Amount, defaultUnit string) Amount {
	for _, a := range total {
		if a.Unit == defaultUnit {
			return a
		}
	}
	if len(total) > 0 {
		return total[0]
	}
	return Amount{Unit: defaultUnit}
}

// DueOn is what a payer owes for one event in one unit, with everything posted. Nothing is the zero amount.
func DueOn(r store.Reader, payer int64, event, unit string) (Due, error) {
	d := Due{Event: event, Amount: Amount{Unit: unit}}
	var provider sql.Null[int64]
	err := r.QueryRow(`SELECT due - paid, payable, provider_id, ordered_at FROM statement WHERE payer_id = ? AND event_id = ? AND unit = ?`,
		payer, event, unit).Scan(&d.Amount.Value, &d.Payable, &provider, &d.LastAt)
	if errors.Is(err, sql.ErrNoRows) {
		return d, nil
	}
	d.Provider = provider.V
	return d, err
}

// DuesOn is DueOn for several events, in one query. Those of which nothing was ever ordered are not in the map.
func DuesOn(r store.Reader, payer int64, unit string, events ...string) (map[string]Due, error) {
	names, err := json.Marshal(events)
	if err != nil {
		return nil, err
	}
	dues := make(map[string]Due, len(events))
	err = each(r, func(scan func(...any) error) error {
		d := Due{Amount: Amount{Unit: unit}}
		var provider sql.Null[int64]
		err := scan(&d.Event, &d.Amount.Value, &d.Payable, &provider, &d.LastAt)
		d.Provider = provider.V
		dues[d.Event] = d
		return err
	}, `SELECT event_id, due - paid, payable, provider_id, ordered_at FROM statement
		WHERE payer_id = ? AND unit = ? AND event_id IN (SELECT value FROM json_each(?))`, payer, unit, string(names))
	return dues, err
}

// OwedTo is what all payers together owe a provider, credits deducted, per unit in the order of units: its outstanding
// receivables, which the account Receivable does not tell (4.3). Units at 0 are left out.
func OwedTo(r store.Reader, provider int64) ([]Amount, error) {
	return amounts(r, `SELECT unit, SUM(due - paid) FROM statement WHERE provider_id = ? AND due <> paid
		GROUP BY unit HAVING SUM(due - paid) <> 0 ORDER BY unit`, provider)
}

// SubscriptionBalance is what is owed for a subscription, by all payers, for its orders and its uses, with everything posted.
// The subscription is locked when it is positive: while any order on it is unpaid, whoever pays (decision 35). So a credit on
// one event, or of one payer, does not make up for what is due on another.
func SubscriptionBalance(r store.Reader, subscription int64) (due int64, err error) {
	balances, err := SubscriptionBalances(r, subscription)
	return balances[subscription], err
}

// SubscriptionBalances is SubscriptionBalance of many subscriptions in one query; those that owe nothing are not in the map.
// The amounts are in the unit of each subscription's plan.
func SubscriptionBalances(r store.Reader, subscriptions ...int64) (map[int64]int64, error) {
	balances := make(map[int64]int64)
	if len(subscriptions) == 0 {
		return balances, nil
	}
	ids, err := json.Marshal(subscriptions)
	if err != nil {
		return nil, err
	}
	err = each(r, func(scan func(...any) error) error {
		var subscription, amount int64
		if err := scan(&subscription, &amount); err != nil {
			return err
		}
		balances[subscription] = amount
		return nil
	}, `SELECT s.subscription_id, SUM(s.due - s.paid) FROM (SELECT DISTINCT value FROM json_each(?)) AS ids
		JOIN statement AS s ON s.subscription_id = ids.value
		WHERE s.due > s.paid GROUP BY s.subscription_id`, string(ids))
	return balances, err
}

// UnpaidTables and UnpaidCondition are the rows of UnpaidOrders, of the tables statement s and txn t, with the payer bound: for lists
// that page and filter them.
const (
	UnpaidTables    = `statement AS s JOIN txn AS t ON t.payer_id = s.payer_id AND t.event_id = s.event_id AND t.dest_unit = s.unit`
	UnpaidCondition = `s.payer_id = ? AND s.due > s.paid AND t.dest_account = 'Payable' AND t.orig_account = 'Receivable'
		AND t.dest_amount > 0
		AND t.created_at > COALESCE((SELECT MAX(p.created_at) FROM txn AS p WHERE p.payer_id = s.payer_id AND p.event_id = s.event_id
			AND p.dest_account = 'Receivable' AND p.orig_account = 'Backlog' AND p.kind = 'paid_by_card'), 0)`
)

// UnpaidOrders are the orders behind a payer's positive balances (4.4), the newest first: of each event that is not fully
// paid, the orders after the last card payment of that event.
func UnpaidOrders(r store.Reader, payer int64) ([]Entry, error) {
	return entries(r, `SELECT `+Columns+` FROM `+UnpaidTables+` WHERE `+UnpaidCondition+` ORDER BY t.created_at DESC, t.id DESC`, payer)
}

// LastPayment is the date of the most recent card payment of a customer, the zero time when there is none.
func LastPayment(r store.Reader, customer int64) (store.Time, error) {
	var at store.Time
	err := r.QueryRow(`SELECT created_at FROM txn WHERE orig_profile_id = ? AND orig_account = 'Liability' AND kind = 'paid_by_card'
		ORDER BY created_at DESC LIMIT 1`, customer).Scan(&at)
	if errors.Is(err, sql.ErrNoRows) {
		return store.Time{}, nil
	}
	return at, err
}
