package ledger

import (
	"database/sql"
	"slices"
	"strings"

	"github.com/caddy-tollgate/tollgate/store"
)

// LoadIncome reads the facts of income recognition of one subscription: an IncomeRecognised, without labels, for each of its
// events and units that has orders, in the order of event ids. label names an event in texts; use is 0 for the subscription.
func LoadIncome(r store.Reader, subscription int64, c Calendar, until store.Time, label func(use int64) string) ([]IncomeRecognised, error) {
	event := SubEvent(subscription)
	books, err := loadBooks(r, `event_id >= ? AND event_id < ?`, event, afterPrefix(event))
	if err != nil {
		return nil, err
	}
	var orders []Ordered
	for _, b := range books {
		if b.Event == event {
			orders = append(orders, b.orders...)
		}
	}
	slices.SortStableFunc(orders, func(a, b Ordered) int { return a.At.Compare(b.At.Time) })

	facts := make([]IncomeRecognised, 0, len(books))
	for _, b := range books {
		i := IncomeRecognised{EventBooks: b.EventBooks, Calendar: c, Until: until, Orders: orders}
		e := ParseEvent(b.Event)
		i.Label, i.Use = label(e.Use), e.Kind == UseChargeEvent
		if i.Use {
			for _, o := range b.orders {
				i.Uses = append(i.Uses, Moved{o.At, o.Amount.Value})
			}
		} else {
			i.Payables = nil // settlement moves them
		}
		facts = append(facts, i)
	}
	return facts, nil
}

// LoadGroupIncome reads the facts of income recognition of a group buy, one for each unit that has orders.
func LoadGroupIncome(r store.Reader, coupon string, beneficiaries int64, claims []Claim, until store.Time, label string) ([]GroupIncomeRecognised, error) {
	books, err := loadBooks(r, `event_id = ?`, coupon)
	if err != nil {
		return nil, err
	}
	facts := make([]GroupIncomeRecognised, 0, len(books))
	for _, b := range books {
		g := GroupIncomeRecognised{EventBooks: b.EventBooks, Label: label, Until: until, Beneficiaries: beneficiaries, Claims: claims}
		g.Payables = nil
		for _, o := range b.orders {
			g.Ordered = append(g.Ordered, Moved{o.At, o.Amount.Value})
		}
		facts = append(facts, g)
	}
	return facts, nil
}

// LoadClaim reads the claim of a group buy whose free order is an entry of a subscription. Errors: store.ErrNotFound.
func LoadClaim(r store.Reader, subscription int64, c Calendar, entry int64) (Claim, error) {
	at, orders := -1, []Ordered{}
	err := each(r, func(scan func(...any) error) error {
		var o Ordered
		var id int64
		var periods sql.Null[int64]
		err := scan(&id, &o.At, &o.Amount.Value, &o.Amount.Unit, &periods)
		o.Periods = periods.V
		if id == entry {
			at = len(orders)
		}
		orders = append(orders, o)
		return err
	}, `SELECT id, created_at, dest_amount, dest_unit, nb_periods FROM txn
		WHERE event_id = ? AND dest_account = 'Payable' AND orig_account = 'Receivable' ORDER BY created_at, id`, SubEvent(subscription))
	if err != nil {
		return Claim{}, err
	}
	if at < 0 {
		return Claim{}, store.ErrNotFound
	}
	return Claim{Calendar: c, Cover: c.Covers(orders)[at], Periods: orders[at].Periods}, nil
}

// orderedBooks are the books of an event in a unit, and its orders.
type orderedBooks struct {
	EventBooks
	orders []Ordered
}

// loadBooks reads the entries of events, by date, and sorts them out by event and unit. Books without orders are left out.
func loadBooks(r store.Reader, where string, args ...any) ([]*orderedBooks, error) {
	type key struct{ event, unit string }
	known := map[key]*orderedBooks{}
	of := func(event, unit string) *orderedBooks {
		b, ok := known[key{event, unit}]
		if !ok {
			b = &orderedBooks{EventBooks: EventBooks{Event: event, Unit: unit}}
			known[key{event, unit}] = b
		}
		return b
	}
	err := each(r, func(scan func(...any) error) error {
		var event string
		var at store.Time
		var dest, orig Leg
		var periods sql.Null[int64]
		err := scan(&event, &at, &dest.Profile, &dest.Account, &dest.Amount, &dest.Unit, &orig.Profile, &orig.Account, &orig.Amount, &orig.Unit, &periods)
		if err != nil {
			return err
		}
		in, out := of(event, dest.Unit), of(event, orig.Unit)
		switch dest.Account {
		case AccountPayable:
			in.Provider = orig.Profile
			in.orders = append(in.orders, Ordered{At: at, Amount: Amount{dest.Amount, dest.Unit}, Periods: periods.V})
			in.payable(dest.Profile, Moved{at, dest.Amount})
		case AccountCanceled:
			in.Canceled = append(in.Canceled, Moved{at, dest.Amount})
		case AccountBacklog:
			in.Backlog = append(in.Backlog, Moved{at, -dest.Amount})
		case AccountIncome:
			in.Recognised = append(in.Recognised, Moved{at, -dest.Amount})
		}
		switch orig.Account {
		case AccountPayable:
			out.payable(orig.Profile, Moved{at, -orig.Amount})
		case AccountBacklog:
			out.Backlog = append(out.Backlog, Moved{at, orig.Amount})
		case AccountIncome:
			out.Recognised = append(out.Recognised, Moved{at, orig.Amount})
		}
		return nil
	}, `SELECT event_id, created_at, dest_profile_id, dest_account, dest_amount, dest_unit,
			orig_profile_id, orig_account, orig_amount, orig_unit, nb_periods
		FROM txn WHERE `+where+` ORDER BY created_at, id`, args...)
	if err != nil {
		return nil, err
	}
	var books []*orderedBooks
	for _, b := range known {
		if len(b.orders) > 0 {
			books = append(books, b)
		}
	}
	slices.SortFunc(books, func(a, b *orderedBooks) int {
		if n := strings.Compare(a.Event, b.Event); n != 0 {
			return n
		}
		return strings.Compare(a.Unit, b.Unit)
	})
	return books, nil
}

func (b *orderedBooks) payable(payer int64, m Moved) {
	for i := range b.Payables {
		if b.Payables[i].Payer == payer {
			b.Payables[i].Moved = append(b.Payables[i].Moved, m)
			return
		}
	}
	b.Payables = append(b.Payables, PayerMoved{Payer: payer, Moved: []Moved{m}})
}
