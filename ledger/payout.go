package ledger

import "github.com/caddy-tollgate/tollgate/store"

// PaidOut is a payout of a provider's funds to its bank, or a debit of the bank, as the processor lists it (5.15). The books
// refuse to record a payout of a provider twice: a *store.ConstraintError of Post, or see PayoutRecorded.
type PaidOut struct {
	At           store.Time // the processor's date
	Payout       string     // id of the payout, "po_…"
	Processor    int64
	Provider     int64
	ProviderName string
	User         string // who asked for it; "" is a payout that was not asked for here
	Amount       Amount // negative when the bank was debited
	Fee          int64  // of the processor, in the same unit
}

// Kind is KindPayout.
func (PaidOut) Kind() string { return KindPayout }

// Entries move the funds out, or in, and pay the fee.
func (p PaidOut) Entries() ([]Entry, error) {
	if p.Fee < 0 || p.Payout == "" {
		return nil, contradiction("payout %q with a fee of %d", p.Payout, p.Fee)
	}
	out := pair(p.Processor, AccountWithdraw, p.Provider, AccountFunds, p.Amount)
	if p.Amount.Value < 0 {
		out = pair(p.Provider, AccountFunds, p.Processor, AccountWithdraw, Amount{-p.Amount.Value, p.Amount.Unit})
	}
	out.Descr = "STRIPE TRANSFER " + p.Payout
	if p.User != "" {
		out.Descr = byUser("withdraw from "+p.ProviderName, p.User)
	}
	fee := pair(p.Processor, AccountFunds, p.Provider, AccountFunds, Amount{p.Fee, p.Amount.Unit})
	fee.Descr = "Processor fee for " + p.Payout
	entries := dated(p.At, KindPayout, out, fee)
	for i := range entries {
		entries[i].Event = p.Payout
	}
	return entries, nil
}

// PayoutRecorded reports whether a payout of a provider is in the books.
func PayoutRecorded(r store.Reader, payout string, provider int64) (bool, error) {
	var known bool
	err := r.QueryRow(`SELECT EXISTS (SELECT 1 FROM txn WHERE kind = 'paid_out' AND event_id = ? AND (orig_profile_id = ? OR dest_profile_id = ?))`,
		payout, provider, provider).Scan(&known)
	return known, err
}

// LastWithdrawal is the date of the most recent payout of a provider, the zero time when there is none: where reconciliation
// starts (9.8).
func LastWithdrawal(r store.Reader, provider int64) (store.Time, error) {
	var at store.Time
	err := r.QueryRow(`SELECT MAX(created_at) FROM txn WHERE orig_profile_id = ? AND orig_account = 'Funds' AND dest_account = 'Withdraw'`,
		provider).Scan(&at)
	return at, err
}
