package billing

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"

	"github.com/caddy-tollgate/tollgate/api/processor"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/subscription"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// Orders that are paid later: at the customer's leisure, or once a provider accepts them.

// invoiceOrder executes an order that is paid later, with invoices of its lines, one for each provider and unit. What is on an unpaid
// invoice already is not invoiced again: that invoice takes the new lines of its provider and unit in. The first invoice is
// returned, 0 when nothing is due.
func (s *Service) invoiceOrder(tx *store.Tx, o *order) (int64, error) {
	bills, err := billsOf(o.Lines)
	if err != nil || len(bills) == 0 {
		if err == nil {
			_, err = s.execute(tx, o)
		}
		return 0, err
	}
	first := invoiceKey{bills[0].Provider, bills[0].Unit}
	unpaid, err := s.unpaidInvoices(tx, o.Customer)
	if err != nil {
		return 0, err
	}
	unpaid.leaveOut(o)
	lines, err := s.execute(tx, o)
	if err != nil {
		return 0, err
	}
	if bills, err = placedBills(o, lines); err != nil {
		return 0, err
	}
	for i := range bills {
		k := invoiceKey{bills[i].Provider, bills[i].Unit}
		if id := unpaid.charges[k]; id != 0 {
			err = addToInvoice(tx, id, &bills[i])
		} else {
			var made []int64
			if made, err = s.invoice(tx, o.Customer, o.User, bills[i:i+1]); err == nil {
				unpaid.charges[k] = made[0]
			}
		}
		if err != nil {
			return 0, err
		}
	}
	return unpaid.charges[first], nil
}

func addToInvoice(tx *store.Tx, charge int64, b *bill) error {
	entries := make([]int64, len(b.Lines))
	for i, l := range b.Lines {
		entries[i] = l.Entry
	}
	if _, err := tx.Exec(`INSERT INTO charge_item (charge_id, invoiced_id) SELECT ?, value FROM json_each(?) ORDER BY key`, charge, store.IDs(entries)); err != nil {
		return err
	}
	_, err := tx.Exec(`UPDATE charge SET amount = amount + ? WHERE id = ?`, b.amount(), charge)
	return err
}

// placedBills are the bills of an order whose lines are placed.
func placedBills(o *order, lines []placed) ([]bill, error) {
	bills, err := billsOf(o.Lines)
	if err != nil {
		return nil, err
	}
	entries, err := entriesOf(bills, lines)
	if err != nil {
		return nil, err
	}
	for i := range bills {
		for n := range bills[i].Lines {
			bills[i].Lines[n].Entry = entries[i][n]
		}
	}
	return bills, nil
}

type invoiceKey struct {
	provider int64
	unit     string
}

// invoices are the unpaid ones of a customer: the last of each provider and unit, the entries that are on one, and what is invoiced of
// each event.
type invoices struct {
	charges map[invoiceKey]int64
	entries map[int64]bool
	events  map[[2]string]int64 // by event and unit
}

func (s *Service) unpaidInvoices(r store.Reader, customer int64) (invoices, error) {
	found := invoices{map[invoiceKey]int64{}, map[int64]bool{}, map[[2]string]int64{}}
	err := store.Each(r, func(rows *sql.Rows) error {
		var k invoiceKey
		var id, entry, amount int64
		var event string
		err := rows.Scan(&id, &k.provider, &k.unit, &entry, &event, &amount)
		found.charges[k], found.entries[entry] = id, true
		found.events[[2]string{event, k.unit}] += amount
		return err
	}, unpaidInvoices, customer)
	return found, err
}

const unpaidInvoices = `SELECT h.id, coalesce(h.provider_id, 0), h.unit, t.id, coalesce(t.event_id, ''), t.dest_amount
	FROM charge h JOIN charge_item i ON i.charge_id = h.id JOIN txn t ON t.id = i.invoiced_id
	WHERE h.customer_id = ? AND h.state = 0 AND h.processor_key IS NULL ORDER BY h.id`

// leaveOut takes what is on an unpaid invoice out of the balances of an order.
func (u *invoices) leaveOut(o *order) {
	for n := range o.Lines {
		inv := &o.Lines[n]
		inv.Lines = slices.DeleteFunc(inv.Lines, func(l line) bool { return l.Kind == storedLine && u.entries[l.Entry] })
		for i := range inv.Lines {
			if l := &inv.Lines[i]; l.Kind == settledLine {
				l.Amount -= u.events[[2]string{l.Event, l.Unit}]
			}
		}
		inv.Lines = slices.DeleteFunc(inv.Lines, func(l line) bool { return l.Kind == settledLine && l.Amount <= 0 })
	}
}

// PlaceRequest writes the orders of a request that was accepted (subscription.Orders).
func (s *Service) PlaceRequest(tx *store.Tx, q subscription.Request) (invoice int64, err error) {
	p, err := s.subs.PlanByID(tx, q.Subscription.PlanID)
	if err != nil {
		return 0, err
	}
	o := &order{}
	inv := invoicable{Sub: q.Subscription.ID, Plan: p.ID, Subscriber: q.Subscription.ProfileID}
	for _, l := range q.Lines {
		o.Customer, o.User = l.PayerID, l.UserID
		made := line{Kind: orderLine, Event: ledger.SubEvent(inv.Sub), Provider: p.ProfileID, Amount: l.Amount, Unit: l.Unit, Fee: p.BrokerFeePercent,
			Periods: l.Periods, Quantity: l.Quantity, Use: l.UseID, Coupon: l.CouponID, Descr: l.Descr}
		switch {
		case l.UseID != 0:
			made.Kind, made.Event = useLine, ledger.UseEvent(inv.Sub, l.UseID)
		case l.Periods == 0:
			made.Kind = setupLine
		}
		inv.Lines = append(inv.Lines, made)
	}
	o.Lines = []invoicable{inv}
	lines, err := s.post(tx, o, inv.Lines)
	if err != nil {
		return 0, err
	}
	bills, err := placedBills(o, lines)
	if err != nil || len(bills) == 0 {
		return 0, err
	}
	ids, err := s.invoice(tx, o.Customer, o.User, bills) // of its own: what is due besides is not charged without being asked for
	if err != nil {
		return 0, err
	}
	return ids[0], nil
}

// ChargeRequest charges the invoice of an accepted request to the card on file; without one, or when it is refused, the invoice
// stays unpaid (decision 51).
func (s *Service) ChargeRequest(ctx context.Context, invoice int64) error {
	write := s.job(ctx)
	var p *payment
	err := write(func(tx *store.Tx) error {
		p = nil
		c, err := chargeByID(tx, invoice)
		if err != nil || c.payable() != nil {
			return err
		}
		people, err := s.processorProfiles(tx, c.Customer)
		if err != nil || people[c.Customer].CardKey == "" || s.processor == nil {
			return err
		}
		b, err := s.stillDue(tx, c)
		if err != nil || len(b.Lines) == 0 {
			return err
		}
		data, err := json.Marshal(invoiceData{c.ID, c.Attempt})
		if err != nil {
			return err
		}
		pay := &payment{Purpose: "invoice", Data: data, Customer: c.Customer, User: c.CreatedBy, Bills: []bill{b}}
		if err := s.prepare(tx, pay, ""); err != nil {
			return err
		}
		p = pay
		return nil
	})
	if err == nil && p != nil {
		_, err = s.pay(ctx, write, p)
	}
	var answer *rest.Error
	if errors.As(err, &answer) || errors.As(err, new(*processor.CardError)) {
		return nil // it is owed
	}
	return err
}
