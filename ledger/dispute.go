package ledger

import "github.com/caddy-tollgate/tollgate/store"

// Disputed is a chargeback: the customer's bank has taken back what is left of a charge, and the processor asks a fee (5.13).
// Funds are not checked: the money is gone already, and a provider's may become negative.
type Disputed struct {
	At    store.Time
	Fee   Amount     // of the processor, once per provider, in the unit of the funds
	Lines []Refunded // every line of the charge; their amounts and dates are ignored: it is all that is left, now
}

// Kind is KindDispute.
func (Disputed) Kind() string { return KindDispute }

// Entries are the fees, and for each line those of a refund on the account Chargeback.
func (d Disputed) Entries() ([]Entry, error) {
	var entries []Entry
	charged := map[int64]bool{}
	for _, l := range d.Lines {
		if charged[l.Line.Provider] {
			continue
		}
		charged[l.Line.Provider] = true
		fee := pair(l.Processor, AccountChargeback, l.Line.Provider, AccountFunds, d.Fee)
		fee.Event = ChargeEvent(l.Charge)
		fee.Descr = "Processor fee for " + fee.Event
		entries = append(entries, dated(d.At, KindDispute, fee)...)
	}
	for _, l := range d.Lines {
		l.At, l.Amount = d.At, l.Line.Left()
		if l.Amount == 0 {
			continue
		}
		taken, err := l.entries(KindDispute, AccountChargeback, "chargeback")
		if err != nil {
			return nil, err
		}
		entries = append(entries, taken...)
	}
	return entries, nil
}

// DisputeWon takes back what a dispute wrote, the fee included, at the date it was won (5.13). A dispute that is lost writes
// nothing.
type DisputeWon struct {
	At       store.Time
	Disputed []Entry // see DisputedEntries
}

// Kind is KindDisputeWon.
func (DisputeWon) Kind() string { return KindDisputeWon }

// Entries are the disputed ones with their sides swapped. The books refuse to take an entry back twice.
func (w DisputeWon) Entries() ([]Entry, error) {
	entries := make([]Entry, 0, len(w.Disputed))
	for _, e := range w.Disputed {
		if e.ID == 0 || e.Dest.Account != AccountChargeback {
			return nil, contradiction("entry %d is no chargeback", e.ID)
		}
		entries = append(entries, Entry{Event: e.Event, Descr: e.Descr + " - reverted", Dest: e.Orig, Orig: e.Dest, Reverts: e.ID})
	}
	return dated(w.At, KindDisputeWon, entries...), nil
}

// DisputedEntries are the entries that disputes of a charge wrote and that were not taken back.
func DisputedEntries(r store.Reader, charge int64) ([]Entry, error) {
	event := ChargeEvent(charge)
	return entries(r, `SELECT `+Columns+` FROM txn AS t
		WHERE t.event_id >= ? AND t.event_id < ? AND t.dest_account = 'Chargeback'
			AND NOT EXISTS (SELECT 1 FROM txn AS w WHERE w.reverts_id = t.id)
		ORDER BY t.id`, event, afterPrefix(event))
}

// afterPrefix is the first string after all those that begin with an event id of a subscription or a charge.
func afterPrefix(event string) string { return event[:len(event)-1] + "0" } // the character after '/'
