package ledger

import "github.com/caddy-tollgate/tollgate/store"

// When recognition goes on. A job that asks for it need not look at a subscription before.

// Next is the first instant after Until at which something may be left to recognise, once written are posted; the zero time when
// nothing is: all is earned, or written off.
func (i IncomeRecognised) Next(written []Entry) store.Time {
	var ordered int64
	if i.Use {
		ordered = sum(i.Uses)
	} else {
		for _, o := range i.Orders {
			if o.Amount.Unit == i.Unit {
				ordered += o.Amount.Value
			}
		}
	}
	if ordered-sum(i.Canceled) <= sum(i.Recognised)+incomeOf(written) {
		return store.Time{}
	}
	next := i.Calendar.monthAfter(i.Until)
	for _, c := range i.Calendar.Covers(i.Orders) {
		if c.End.After(i.Until.Time) {
			next = earlier(next, c.End)
		}
	}
	return next
}

// Next is the first step of a claim after Until, the zero time when there is none: another claim makes new ones.
func (g GroupIncomeRecognised) Next() (next store.Time) {
	for _, c := range g.Claims {
		if !c.Cover.End.After(g.Until.Time) {
			continue
		}
		step := c.Cover.End
		if c.Cover.Start.Before(g.Until.Time) {
			step = earlier(step, c.Calendar.monthAfter(g.Until))
		} else {
			step = earlier(step, c.Calendar.monthAfter(c.Cover.Start))
		}
		if next.IsZero() || step.Before(next.Time) {
			next = step
		}
	}
	return next
}

// monthAfter is the first monthly step after t.
func (c Calendar) monthAfter(t store.Time) store.Time {
	monthly := Calendar{c.Anchor, Monthly}
	return monthly.Boundary(max(monthly.index(t), 0) + 1)
}

func sum(moved []Moved) (total int64) {
	for _, m := range moved {
		total += m.Amount
	}
	return total
}

// incomeOf is what entries recognise.
func incomeOf(entries []Entry) (total int64) {
	for i := range entries {
		if entries[i].Orig.Account == AccountIncome {
			total += entries[i].Orig.Amount
		}
	}
	return total
}
