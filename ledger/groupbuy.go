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
	claims := make([]claimed, len(g.Claims))
	for i, c := range g.Claims {
		if c.Periods < 1 {
			return nil, contradiction("a claim of %d periods", c.Periods)
		}
		claims[i] = claimed{Claim: c, steps: c.Calendar.steps(c.Cover, g.Until)}
		steps = append(steps, claims[i].steps...)
	}
	ordered := newTally(g.Ordered)
	books := newRecognition(g.EventBooks, g.Label, Calendar{})
	for _, t := range inOrder(steps) {
		amount := max(ordered.before(t)-books.canceled.before(t), 0)
		var from store.Time
		var earned, upTo int64
		for i := range claims {
			before := upTo
			var err error
			if upTo, err = MulDiv(amount, int64(i)+1, g.Beneficiaries); err != nil {
				return nil, err
			}
			earned += claims[i].earned(t, upTo-before)
			if claims[i].at.Equal(t.Time) {
				books.calendar, from = claims[i].Calendar, claims[i].from
			}
		}
		books.recognise(from, t, earned, true)
	}
	return books.entries, nil
}

// claimed is a claim on its way through its own steps.
type claimed struct {
	Claim
	steps    []store.Time // to come
	from, at store.Time   // the last two that were reached; the first from is the beginning of the cover
}

// earned is what the claim has earned of its share at its last step up to t.
func (c *claimed) earned(t store.Time, share int64) int64 {
	for len(c.steps) > 0 && !c.steps[0].After(t.Time) {
		c.from, c.at, c.steps = c.at, c.steps[0], c.steps[1:]
		if c.from.IsZero() {
			c.from = c.Cover.Start
		}
	}
	switch {
	case c.at.IsZero():
		return 0
	case !c.at.Before(c.Cover.End.Time):
		return share
	}
	return proportion(share, c.Calendar.Elapsed(c.Cover.Start, c.at), c.Periods)
}
