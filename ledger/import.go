package ledger

import (
	"fmt"

	"github.com/caddy-tollgate/tollgate/store"
)

// Import appends entries of another system to the books, with the ids and dates that they have there, in the caller's transaction.
// They come in the order of their ids, which are above all that the books hold; where the other system left numbers out, so do the
// books. Entries without a gap between them make one batch, of kind KindImport, chained like any other.
//
// Unlike Post it writes entries that move nothing, since ids count. Balances and statements follow. The entries given are not
// changed. Errors: an *InvalidError for an entry that breaks a rule or is out of order, a *store.ConstraintError as in Post.
func Import(tx *store.Tx, entries []Entry) error {
	prev, last, err := head(tx)
	if err != nil {
		return err
	}
	for i := range entries {
		reason := entries[i].check()
		if reason == "" && entries[i].ID <= last {
			reason = "does not come after the entry before it"
		}
		if reason != "" {
			return &InvalidError{Index: i, Reason: reason}
		}
		last = entries[i].ID
	}
	for len(entries) > 0 {
		n := 1
		for n < len(entries) && entries[n].ID == entries[n-1].ID+1 {
			n++
		}
		b := Batch{ID: prev.Batch + 1, CreatedAt: tx.Now(), Kind: KindImport, Actor: tx.Actor, Entries: make([]Entry, n)}
		copy(b.Entries, entries)
		for i := range b.Entries {
			b.Entries[i].Batch = b.ID
			if b.Entries[i].Descr == "" {
				b.Entries[i].Descr = "N/A"
			}
		}
		b.Hash = b.chained(prev.Hash)
		if err := b.insert(tx); err != nil {
			return fmt.Errorf("ledger: importing entries %d to %d: %w", entries[0].ID, entries[n-1].ID, err)
		}
		prev = Anchor{b.ID, b.Hash}
		entries = entries[n:]
	}
	return nil
}
