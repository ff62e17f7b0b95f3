package ledger

import "github.com/caddy-tollgate/tollgate/store"

// WrittenOff is a debt that its provider gives up, for one event of one payer (5.9). The subscription is neither ended nor
// shortened, and what was given up is no longer recognised as income.
type WrittenOff struct {
	At       store.Time
	Event    string
	Payer    int64
	Provider int64
	Amount   Amount
	Payable  int64  // what the payer's Payable account holds for the event: see DueOn
	Label    string // SubscriptionLabel, UseLabel or CouponLabel
}

// Kind is KindWriteOff.
func (WrittenOff) Kind() string { return KindWriteOff }

// Entries settle the debt and cancel the receivable.
func (w WrittenOff) Entries() ([]Entry, error) {
	if w.Amount.Value <= 0 {
		return nil, contradiction("a write-off of %s", w.Amount)
	}
	settled := pair(w.Payer, AccountLiability, w.Payer, AccountPayable, Amount{max(min(w.Amount.Value, w.Payable), 0), w.Amount.Unit})
	settled.Descr = balancing
	lost := pair(w.Provider, AccountWriteoff, w.Payer, AccountLiability, w.Amount)
	lost.Descr = "Write off liability for " + w.Label
	canceled := pair(w.Payer, AccountCanceled, w.Provider, AccountReceivable, w.Amount)
	canceled.Descr, canceled.Payer = "Write off receivable for "+w.Label, w.Payer
	entries := dated(w.At, KindWriteOff, settled, lost, canceled)
	for i := range entries {
		entries[i].Event = w.Event
	}
	return entries, nil
}
