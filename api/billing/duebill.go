package billing

import (
	"slices"

	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// A due is what a customer owes for one event.
type due struct {
	ledger.Due
	about subject
	lines []billLine // that pay it: the unpaid orders, the oldest first, or one line for the balance, which has no entry yet
}

// dues are what a customer owes as of until, everything posted with the zero time: one for each event with a positive balance, the
// unpaid orders when they add up to it, else a line for the balance, made when it is paid (ledger.md 5.7b, subscriptions.md 10.1).
// Credits are left out.
func (s *Service) dues(r store.Reader, customer int64, until store.Time) ([]due, error) {
	statement, err := ledger.StatementOf(r, customer, until)
	if err != nil {
		return nil, err
	}
	if statement = statement.Positive(); len(statement) == 0 {
		return nil, nil
	}
	unpaid, err := ledger.UnpaidOrders(r, customer)
	if err != nil {
		return nil, err
	}
	slices.Reverse(unpaid) // the oldest first
	names := make([]string, len(statement))
	for i := range statement {
		names[i] = statement[i].Event
	}
	events, err := s.events(r, names)
	if err != nil {
		return nil, err
	}
	type key struct{ event, unit string }
	orders := map[key][]billLine{}
	sums := map[key]int64{}
	for _, u := range unpaid {
		if until.IsZero() || u.CreatedAt.Before(until.Time) {
			k := key{u.Event, u.Dest.Unit}
			sums[k] += u.Dest.Amount
			orders[k] = append(orders[k], billLine{Entry: u.ID, Event: u.Event, Amount: u.Dest.Amount, FeePercent: events[u.Event].feePercent(), Descr: u.Descr})
		}
	}
	all := make([]due, len(statement))
	for i, d := range statement {
		about, k := events[d.Event], key{d.Event, d.Amount.Unit}
		all[i] = due{d, about, orders[k]}
		if sums[k] != d.Amount.Value {
			all[i].lines = []billLine{{Event: d.Event, Amount: d.Amount.Value, FeePercent: about.feePercent(), Descr: ledger.BalanceText(about.planSlug())}}
		}
	}
	return all, nil
}

// balanceBills are the bills of what a customer owes as of until, everything posted with the zero time.
func (s *Service) balanceBills(r store.Reader, customer int64, until store.Time) ([]bill, error) {
	all, err := s.dues(r, customer, until)
	if err != nil {
		return nil, err
	}
	var bills []bill
	for _, d := range all {
		for _, l := range d.lines {
			if bills, err = addLine(bills, d.Provider, d.Amount.Unit, l); err != nil {
				return nil, err
			}
		}
	}
	return bills, nil
}

// executeBalance writes the lines that stand for a balance. Nothing is ordered, and nothing extended.
func (s *Service) executeBalance(tx *store.Tx, p *payment) ([][]int64, error) {
	all := make([][]int64, len(p.Bills))
	var entries []ledger.Entry
	type place struct{ bill, line int }
	var places []place
	for i, b := range p.Bills {
		all[i] = make([]int64, len(b.Lines))
		for n, l := range b.Lines {
			if all[i][n] = l.Entry; l.Entry != 0 {
				continue
			}
			made, err := ledger.SettledLine{At: tx.Now(), Event: l.Event, Payer: p.Customer, Provider: b.Provider,
				Amount: ledger.Amount{Value: l.Amount, Unit: b.Unit}}.Entries()
			if err != nil {
				return nil, err
			}
			made[0].Descr = l.Descr
			entries, places = append(entries, made...), append(places, place{i, n})
		}
	}
	batch, err := ledger.Post(tx, ledger.KindSettled, entries...)
	for i, e := range batch.Entries {
		all[places[i].bill][places[i].line] = e.ID
	}
	return all, err
}
