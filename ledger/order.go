package ledger

import (
	"database/sql"

	"github.com/caddy-tollgate/tollgate/store"
)

// OrderPlaced is one line of an order for a subscription: bought now or on credit, for oneself or for another profile,
// discounted down to nothing or not, or written by the renewal engine (5.1–5.3, 5.6, 5.11, 5.16). A free order has an entry
// as well: it is what starts or extends the subscription.
type OrderPlaced struct {
	At       store.Time
	Event    string // SubEvent of the subscription, or the code of a group buy
	Payer    int64  // who owes, also when the subscription is somebody else's
	Provider int64
	Amount   Amount // the net price, in the plan's unit
	Periods  int64  // natural periods bought
	Descr    string // OrderText, or the text of an unlock option
}

// Kind is KindOrder.
func (OrderPlaced) Kind() string { return KindOrder }

// Entries is the one entry of the order.
func (o OrderPlaced) Entries() ([]Entry, error) {
	if o.Periods < 1 {
		return nil, contradiction("an order of %d periods", o.Periods)
	}
	e := ordered(o.At, KindOrder, o.Event, o.Payer, o.Provider, o.Amount, o.Descr)
	e.Periods = sql.Null[int64]{V: o.Periods, Valid: true}
	return []Entry{e}, nil
}

// SetupFee is the line that a first order for a plan carries besides the period line (decisions 9 and 52). It extends nothing.
type SetupFee struct {
	At       store.Time
	Event    string // as of the order it goes with
	Payer    int64
	Provider int64
	Amount   Amount
	Plan     string // slug
}

// Kind is KindSetupFee.
func (SetupFee) Kind() string { return KindSetupFee }

// Entries is the one entry of the fee; none when it is 0.
func (f SetupFee) Entries() ([]Entry, error) {
	if f.Amount.Value == 0 {
		return nil, nil
	}
	e := ordered(f.At, KindSetupFee, f.Event, f.Payer, f.Provider, f.Amount, SetupFeeText(f.Plan))
	e.Periods = sql.Null[int64]{Valid: true}
	return []Entry{e}, nil
}

// UseCharged is metered use, bought in the cart or posted by the provider above the quotas (5.4).
type UseCharged struct {
	At       store.Time
	Event    string // UseEvent
	Payer    int64
	Provider int64
	Price    Amount // of one use
	Quantity int64  // invoiced uses; what quotas absorb is not among them
	Plan     string // slug
	Use      string // title of the use
}

// Kind is KindUse.
func (UseCharged) Kind() string { return KindUse }

// Entries is the one entry of the charge; none when quotas absorbed everything.
func (u UseCharged) Entries() ([]Entry, error) {
	if u.Quantity < 0 {
		return nil, contradiction("a use of %d", u.Quantity)
	}
	total, err := Mul(u.Price.Value, u.Quantity)
	if err != nil || u.Quantity == 0 {
		return nil, err
	}
	amount := Amount{total, u.Price.Unit}
	return []Entry{ordered(u.At, KindUse, u.Event, u.Payer, u.Provider, amount, UseText(u.Quantity, u.Plan, u.Use))}, nil
}

// ordered is payer:Payable <- provider:Receivable.
func ordered(at store.Time, kind, event string, payer, provider int64, amount Amount, descr string) Entry {
	e := pair(payer, AccountPayable, provider, AccountReceivable, amount)
	e.CreatedAt, e.Kind, e.Event, e.Payer, e.Descr = at, kind, event, payer, descr
	return e
}

// SettledLine is what a charge points at when it pays the balance of an event that is not exactly its unpaid orders (5.7b).
// It changes no balance.
type SettledLine struct {
	At       store.Time
	Event    string
	Payer    int64
	Provider int64
	Amount   Amount
	Plan     string // slug
}

// Kind is KindSettled.
func (SettledLine) Kind() string { return KindSettled }

// Entries is payer:settled <- provider:settled.
func (l SettledLine) Entries() ([]Entry, error) {
	if l.Amount.Value <= 0 {
		return nil, contradiction("a settled line of %s", l.Amount)
	}
	e := pair(l.Payer, AccountSettled, l.Provider, AccountSettled, l.Amount)
	e.CreatedAt, e.Kind, e.Event, e.Descr = l.At, KindSettled, l.Event, BalanceText(l.Plan)
	return []Entry{e}, nil
}
