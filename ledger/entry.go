package ledger

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/caddy-tollgate/tollgate/store"
)

// Names of the business events: Entry.Kind and Batch.Kind. Import is the kind of entries that come from another system and
// whose event is not known.
const (
	KindOrder       = "order_placed"
	KindSetupFee    = "setup_fee"
	KindUse         = "use_charged"
	KindSettled     = "settled_line"
	KindCardPayment = "paid_by_card"
	KindOffline     = "paid_offline"
	KindWriteOff    = "written_off"
	KindIncome      = "income_recognised"
	KindRefund      = "refunded"
	KindDispute     = "disputed"
	KindDisputeWon  = "dispute_won"
	KindPayout      = "paid_out"
	KindImport      = "imported"
)

// An Entry is one row of the ledger: it moves value from Orig, which is credited, to Dest, which is debited (1.1). Amounts
// are not negative; they are equal when the units are.
type Entry struct {
	ID        int64      // given by Post, in order, without gaps
	Batch     int64      // given by Post
	CreatedAt store.Time // date of the business event, which is not always when it is written
	Descr     string     // for people; nothing is ever read out of it
	Event     string     // event id (3); "" is none
	Dest      Leg
	Orig      Leg
	// Payer is the profile whose debt the entry makes or settles (decision 35): on orders, on payments
	// (Receivable <- Backlog) and on write-offs (Canceled <- Receivable), and 0 on every other entry.
	Payer int64
	// Periods is the number of natural periods bought by an order line, 0 for a setup fee; null for everything else.
	Periods sql.Null[int64]
	// Kind is the business event, of the list above. A card payment is known by its kind (4.4).
	Kind string
	// Reverts is the id of the entry that this one takes back, 0 for none. No entry is taken back twice.
	Reverts int64

	role role // which leg of its event this is, in memory only
	line int  // of which line of a charge
}

// A Leg is one side of an entry.
type Leg struct {
	Profile int64
	Account string
	Amount  int64 // in 1/100 of Unit, not negative
	Unit    string
}

// role tells the entries of a settlement apart, for the references that a charge item keeps (1.3).
type role uint8

const (
	roleNone role = iota
	roleProcessorFee
	roleBrokerFee
	roleDistribution
)

// pair makes an entry whose two sides are the same amount.
func pair(dest int64, destAccount string, orig int64, origAccount string, amount Amount) Entry {
	return Entry{
		Dest: Leg{Profile: dest, Account: destAccount, Amount: amount.Value, Unit: amount.Unit},
		Orig: Leg{Profile: orig, Account: origAccount, Amount: amount.Value, Unit: amount.Unit},
	}
}

// IsOrder reports whether the entry is an order: a sale, paid or not.
func (e *Entry) IsOrder() bool {
	return e.Dest.Account == AccountPayable && e.Orig.Account == AccountReceivable
}

// isPayment reports whether the entry settles a debt by a payment, online or offline.
func (e *Entry) isPayment() bool {
	return e.Dest.Account == AccountReceivable && e.Orig.Account == AccountBacklog
}

// isWriteOff reports whether the entry settles a debt by giving it up.
func (e *Entry) isWriteOff() bool {
	return e.Dest.Account == AccountCanceled && e.Orig.Account == AccountReceivable
}

// earns reports whether the entry is on an event that is sold: a subscription, a use or a group buy.
func (e *Entry) earns() bool {
	return strings.HasPrefix(e.Event, "sub_") || strings.HasPrefix(e.Event, "cpn_")
}

// earning reports whether an account is one of the three that what was sold moves through, until it is earned (I5).
func earning(account string) bool {
	return account == AccountReceivable || account == AccountBacklog || account == AccountIncome
}

// inRange reports whether an amount may stand in an entry.
func inRange(amount int64) bool { return amount >= 0 && amount <= MaxAmount }

// isZero reports whether nothing moves.
func (e *Entry) isZero() bool { return e.Dest.Amount == 0 && e.Orig.Amount == 0 }

// An InvalidError says why an entry cannot be written. It is a mistake of the program, not of its user.
type InvalidError struct {
	Index  int // of the entry among those given to Post
	Reason string
}

func (e *InvalidError) Error() string { return fmt.Sprintf("ledger: entry %d %s", e.Index, e.Reason) }

// check returns why an entry may not stand in the ledger, "" when it may: I1, I5, the shape of its fields, and what the
// statement query relies on (4.2).
func (e *Entry) check() string {
	switch {
	case e.CreatedAt.IsZero():
		return "has no date"
	case e.Kind == "":
		return "has no kind"
	case e.Dest.Profile <= 0 || e.Orig.Profile <= 0:
		return "has no profile"
	case e.Dest.Account == "" || e.Orig.Account == "":
		return "has no account"
	case !isUnit(e.Dest.Unit) || !isUnit(e.Orig.Unit):
		return "has no unit"
	case !inRange(e.Dest.Amount) || !inRange(e.Orig.Amount):
		return "has an amount out of range"
	case e.Dest.Unit == e.Orig.Unit && e.Dest.Amount != e.Orig.Amount:
		return "does not balance"
	case len(e.Event) > maxEventLen:
		return "has an event id that is too long"
	case strings.HasPrefix(e.Event, "sub_0/"):
		return "is on a subscription that is not stored: see OnSubscription"
	case e.Dest.Account == AccountPayable && e.Orig.Account != AccountReceivable:
		return "debits Payable and is not an order"
	case (e.Dest.Account == AccountSettled) != (e.Orig.Account == AccountSettled):
		return "has one side settled"
	case e.Dest.Account == AccountPayable && e.Event == "", e.Orig.Account == AccountPayable && e.Event == "":
		return "moves a debt without an event"
	case e.Periods.Valid && (!e.IsOrder() || e.Periods.V < 0):
		return "counts periods and is not an order"
	case e.earns() && earning(e.Dest.Account) != earning(e.Orig.Account) && !e.IsOrder() && !e.isWriteOff():
		return "changes what was sold and is neither an order nor a write-off"
	}
	switch owes := e.IsOrder() || e.isPayment() || e.isWriteOff(); {
	case owes && e.Payer <= 0:
		return "makes or settles a debt of nobody"
	case owes && e.Event == "":
		return "makes or settles a debt without an event"
	case !owes && e.Payer != 0:
		return "has a payer and concerns no debt"
	case (e.IsOrder() || e.isWriteOff()) && e.Payer != e.Dest.Profile:
		return "has a payer other than its debtor"
	}
	return ""
}

// ErrFacts says that the facts of an event contradict each other: it has no entries.
var ErrFacts = errors.New("ledger: contradictory facts")

func contradiction(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrFacts, fmt.Sprintf(format, args...))
}
