// Package ledger keeps the books: an append-only double-entry ledger on the database of package store.
//
// What happens in the business is a type (OrderPlaced, PaidByCard, Refunded, …) that holds facts and whose method Entries is a
// pure function from those facts to ledger entries. Post writes the entries of one business operation in the caller's
// transaction: it checks them, numbers them, keeps the balances of accounts and statements, and chains them to everything
// written before by a hash. Nothing is ever changed or removed; a mistake is corrected by further entries.
//
//	order := ledger.OrderPlaced{At: tx.Now(), Event: ledger.SubEvent(7), Payer: ana, Provider: gym, Amount: price, …}
//	entries, err := order.Entries()
//	if err != nil {
//		return err
//	}
//	batch, err := ledger.Post(tx, order.Kind(), entries...)
//
// Amounts are integers in 1/100 of their unit, instants are UTC with microseconds, and no float is used anywhere. Every
// division is a floor division; what is split is split by cumulative shares, so that the parts add up to the whole.
//
// Balance, StatementOf, SubscriptionBalances and the like read the books; Verify proves them; Export writes them for other
// accounting programs. Calendar computes the periods that are sold and recognised as income. The rules are those of
// docs/contract/ledger.md; a section number in a comment without a file name is of that file.
package ledger
