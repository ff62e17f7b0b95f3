package ledger

// Accounts (2). Case matters. An importer may bring other names, so accounts are strings and filters compare them as such.
const (
	AccountPayable    = "Payable"    // subscriber: orders placed, not yet moved to Liability; every order and only orders debit it
	AccountLiability  = "Liability"  // subscriber: amounts being settled; payments credit it
	AccountRefunded   = "Refunded"   // subscriber: money returned
	AccountCanceled   = "Canceled"   // subscriber: orders that the provider gave up on
	AccountReceivable = "Receivable" // provider: mirror of Payable
	AccountBacklog    = "Backlog"    // provider, broker, processor: cash received before it is earned; counterpart of fees
	AccountIncome     = "Income"     // provider: earned revenue
	AccountFunds      = "Funds"      // provider, broker, processor: cash held on the platform
	AccountOffline    = "Offline"    // provider: cash received outside the platform
	AccountWriteoff   = "Writeoff"   // provider: uncollectable
	AccountExpenses   = "Expenses"   // provider, broker: fees
	AccountRefund     = "Refund"     // provider, processor: the other side of Refunded and of funds given back
	AccountChargeback = "Chargeback" // provider, processor: as Refund, for disputes and their fees
	AccountWithdraw   = "Withdraw"   // processor: paid out to a bank account
	AccountSettled    = "settled"    // subscriber and provider: what a payment of a balance points at; never a balance of its own
)
