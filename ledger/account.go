package ledger

// Accounts (2). Case matters. An importer may bring other names, so accounts are strings and filters compare them as such.
const (
	Payable    = "Payable"    // subscriber: orders placed, not yet moved to Liability; every order and only orders debit it
	Liability  = "Liability"  // subscriber: amounts being settled; payments credit it
	Refunded   = "Refunded"   // subscriber: money returned
	Canceled   = "Canceled"   // subscriber: orders that the provider gave up on
	Receivable = "Receivable" // provider: mirror of Payable
	Backlog    = "Backlog"    // provider, broker, processor: cash received before it is earned; counterpart of fees
	Income     = "Income"     // provider: earned revenue
	Funds      = "Funds"      // provider, broker, processor: cash held on the platform
	Offline    = "Offline"    // provider: cash received outside the platform
	Writeoff   = "Writeoff"   // provider: uncollectable
	Expenses   = "Expenses"   // provider, broker: fees
	Refund     = "Refund"     // provider, processor: the other side of Refunded and of funds given back
	Chargeback = "Chargeback" // provider, processor: as Refund, for disputes and their fees
	Withdraw   = "Withdraw"   // processor: paid out to a bank account
	Settled    = "settled"    // subscriber and provider: what a payment of a balance points at; never a balance of its own
)
