package ledger

import "github.com/caddy-tollgate/tollgate/store"

// PaidOffline is a payment that a provider received outside of the platform, for one event of one payer (5.8). There is no fee
// of any kind, and more than what is due may be recorded: it becomes a credit.
type PaidOffline struct {
	At       store.Time
	Check    string // event id of the payment: NewCheckEvent, or the claim code of the invoice
	Event    string // whose balance is paid
	Payer    int64
	Provider int64
	Amount   Amount
	Payable  int64  // what the payer's Payable account holds for the event: see DueOn
	Text     string // of the recorder; "" is "Off-line payment"
	User     string // who records it
}

// Kind is KindOffline.
func (PaidOffline) Kind() string { return KindOffline }

// Entries move the money in, settle the debt, and move the money out of the platform again.
func (p PaidOffline) Entries() ([]Entry, error) {
	if p.Amount.Value <= 0 {
		return nil, contradiction("an offline payment of %s", p.Amount)
	}
	text := p.Text
	if text == "" {
		text = "Off-line payment"
	}
	text = byUser(text, p.User)
	received := pair(p.Provider, AccountFunds, p.Payer, AccountLiability, p.Amount)
	received.Event, received.Descr = p.Check, text
	settled := pair(p.Payer, AccountLiability, p.Payer, AccountPayable, Amount{max(min(p.Amount.Value, p.Payable), 0), p.Amount.Unit})
	settled.Event, settled.Descr = p.Event, balancing
	paid := pair(p.Provider, AccountReceivable, p.Provider, AccountBacklog, p.Amount)
	paid.Event, paid.Descr, paid.Payer = p.Event, text, p.Payer
	kept := pair(p.Provider, AccountOffline, p.Provider, AccountFunds, p.Amount)
	kept.Event, kept.Descr = p.Check, text+" - "+balancing
	return dated(p.At, KindOffline, received, settled, paid, kept), nil
}

// dated gives entries their date and kind, and leaves out those that move nothing.
func dated(at store.Time, kind string, entries ...Entry) []Entry {
	kept := entries[:0]
	for _, e := range entries {
		if !e.isZero() {
			e.CreatedAt, e.Kind = at, kind
			kept = append(kept, e)
		}
	}
	return kept
}
