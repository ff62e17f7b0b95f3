package ledger

import "github.com/caddy-tollgate/tollgate/store"

// GroupIncomeRecognised is the income of the orders of a group buy, whose event is a coupon (5.10, 5.16). Each claim earns its
// share, the orders of the event over the number of beneficiaries, on the calendar of the subscription it started or extended;
// what nobody claims is never earned. See LoadGroupIncome.
type GroupIncomeRecognised struct {
	EventBooks
	Label         string // CouponLabel
	Until         store.Time
	Ordered       []Moved // orders on the coupon
	Beneficiaries int64
	Claims        []Claim // in the order they were made
}

// A Claim is a subscription that somebody got by a group buy.
type Claim struct {
	Calendar Calendar
	Cover    Span  // of the claim's free order, among the Covers of its subscription
	Periods  int64 // natural periods bought
}

// Kind is KindIncome.
func (GroupIncomeRecognised) Kind() string { return KindIncome }

// Entries are those of every step of every claim that something is left to recognise at. The error is ErrFacts when there
// are more claims than beneficiaries.
func (g GroupIncomeRecognised) Entries() ([]Entry, error) {
	if int64(len(g.Claims)) > g.Beneficiaries {
		return nil, contradiction("%d claims of %d beneficiaries", len(g.Claims), g.Beneficiaries)
	}
	var steps []store.Time
	for _, c := range g.Claims {
		if c.Periods < 1 {
			return nil, contradiction("a claim of %d periods", c.Periods)
		}
		steps = append(steps, c.Calendar.steps(c.Cover, g.Until)...)
	}
	ordered := newTally(g.Ordered)
	books := newRecognition(g.EventBooks, g.Label, Calendar{})
	if len(g.Claims) > 0 {
		books.calendar = g.Claims[0].Calendar
	}
	var previous store.Time
	for _, t := range inOrder(steps) {
		left := max(ordered.before(t)-books.canceled.before(t), 0)
		earned, beg, err := g.earned(t, left)
		if err != nil {
			return nil, err
		}
		books.recognise(later(previous, beg), t, earned, true)
		previous = t
	}
	return books.entries, nil
}

// earned is what the claims have earned of amount at t, and the beginning of the first cover that holds t.
func (g GroupIncomeRecognised) earned(t store.Time, amount int64) (total int64, beg store.Time, err error) {
	var before int64
	for i, c := range g.Claims {
		upTo, err := MulDiv(amount, int64(i)+1, g.Beneficiaries)
		if err != nil {
			return 0, beg, err
		}
		share := upTo - before
		before = upTo
		switch {
		case !t.Before(c.Cover.End.Time):
			total += share
		case c.Cover.Start.Before(t.Time):
			total += proportion(share, c.Calendar.Elapsed(c.Cover.Start, t), c.Periods)
		}
		if beg.IsZero() && c.Cover.Start.Before(t.Time) && !c.Cover.End.Before(t.Time) {
			beg = c.Cover.Start
		}
	}
	return total, beg, nil
}
