package subscription

import (
	"cmp"
	"slices"

	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// Pricing (subscriptions.md 3): pure functions of their arguments, in integers. Amounts are in 1/100 of the plan's unit,
// percentages in 1/100 of a percent, and every division rounds down. Amounts and discounts are below 2³¹ and lengths below 2¹⁶,
// so that every product fits in 64 bits.

// A Discount lowers a price; its zero value lowers nothing.
type Discount struct {
	Type  DiscountType `json:"discount_type"`
	Value int64        `json:"discount_value"` // 1/100 of a percent, 1/100 of the unit, or billing steps that are free
}

// An AdvanceDiscount is what a subscriber gets for paying several billing steps at once (subscriptions.md 2.2).
type AdvanceDiscount struct {
	Discount
	Length int64 `json:"length"` // billing steps
}

// Terms are what pricing knows of a plan. One billing step is Length natural periods and costs Amount.
type Terms struct {
	Plan    string // slug
	Unit    string
	Amount  int64
	Period  ledger.Period
	Length  int64
	Setup   int64  // fee of a first order, a line of its own: no price includes it (subscriptions.md 3.6)
	Unlock  string // event until which the plan is free; "" for an ordinary plan
	Advance []AdvanceDiscount
}

// A Price is one way to buy a plan (subscriptions.md 3.2).
type Price struct {
	Amount  int64
	Steps   int64 // billing steps bought
	Periods int64 // natural periods by which the subscription is extended: those that the text tells

	// What was taken off (subscriptions.md 3.3).
	Percent int64 // in 1/100 of a percent
	Free    int64 // natural periods
	Off     int64 // in 1/100 of the unit

	Unlock Unlock
}

// Unlock says which of the two ways to buy an unlock plan a price is (subscriptions.md 3.7).
type Unlock uint8

// The ways to buy an unlock plan.
const (
	NotUnlock   Unlock = iota // an ordinary plan
	UnlockNow                 // paid today
	UnlockLater               // free until the event
)

// of is what the discount takes from amount, the price of some billing steps of step each. It may be more than amount.
func (d Discount) of(amount, step int64) int64 {
	switch d.Type {
	case Percentage:
		return amount * d.Value / 10000
	case Currency:
		return d.Value
	case FreePeriods:
		return d.Value * step
	}
	return 0
}

// after is what a coupon leaves of amount, never below zero. A percentage is rounded in the seller's favour.
func (d Discount) after(amount, step int64) int64 { return max(amount-d.of(amount, step), 0) }

// price is what an advance discount leaves of its billing steps of step each; it may be negative. A percentage leaves whole
// units of the currency: the rest is given up.
func (a AdvanceDiscount) price(step int64) int64 {
	full := a.Length * step
	price := full - a.of(full, step)
	if a.Type == Percentage {
		price -= price % 100
	}
	return price
}

// Step is the price of one billing step with a coupon, the zero Discount for none: discounted_period_amount (subscriptions.md
// 4.1), and the first of Prices.
func (t Terms) Step(coupon Discount) int64 { return coupon.after(t.Amount, t.Amount) }

// Prices are the options that checkout offers for the plan, with an optional coupon (the zero Discount for none): one billing
// step, offered even when it is free, then one for each advance discount by length, dropped when it costs nothing. An unlock
// plan has exactly two. Option k of carts and checkouts is Prices[k-1].
//
// What holds for any plan and coupon: no price is negative; none is more than its billing steps cost undiscounted; with equal
// advance discounts more steps never cost less; no price rises when the value of the coupon does. Of different advance
// discounts nothing is promised: twelve months at half price may cost less than eleven.
func (t Terms) Prices(coupon Discount) []Price {
	one := Price{Amount: t.Step(coupon), Steps: 1, Periods: t.Length}
	one.take(coupon, t)
	if t.Unlock != "" {
		one.Unlock = UnlockNow
		return []Price{one, {Steps: 1, Periods: t.Length, Unlock: UnlockLater}}
	}
	prices := append(make([]Price, 0, 1+len(t.Advance)), one)
	for _, a := range t.byLength() {
		p := Price{Amount: a.price(t.Amount), Steps: a.Length, Periods: a.Length * t.Length}
		if p.Amount <= 0 {
			continue
		}
		if p.Amount = coupon.after(p.Amount, t.Amount); p.Amount == 0 {
			continue
		}
		p.take(a.Discount, t)
		p.take(coupon, t)
		if full := a.Length * t.Amount; a.Type == Percentage && coupon.Type == Percentage && coupon.Value > 0 {
			p.Percent = (full - p.Amount) * 10000 / full
		}
		prices = append(prices, p)
	}
	return prices
}

// byLength are the advance discounts by length; those of one length stay in the order of the plan.
func (t Terms) byLength() []AdvanceDiscount {
	sorted := slices.Clone(t.Advance)
	slices.SortStableFunc(sorted, func(a, b AdvanceDiscount) int { return cmp.Compare(a.Length, b.Length) })
	return sorted
}

// take notes what a discount took off. Free billing steps are told in natural periods, like what is bought.
func (p *Price) take(d Discount, t Terms) {
	switch d.Type {
	case Percentage:
		p.Percent += d.Value
	case Currency:
		p.Off += d.Value
	case FreePeriods:
		p.Free += d.Value * t.Length
	}
}

// Text is the text of the line that a price becomes (subscriptions.md 12.1). until is where it extends the subscription to; note
// says what else the text tells: the code of the coupon, who pays, for whom.
func (t Terms) Text(p Price, until store.Time, note ledger.Suffix) string {
	switch p.Unlock {
	case UnlockNow:
		return ledger.UnlockNowText(t.Plan, t.Unlock)
	case UnlockLater:
		return ledger.UnlockLaterText(t.Plan, ledger.Amount{Value: t.Amount, Unit: t.Unit}, t.Unlock)
	}
	note.Percent, note.Free, note.Period, note.Off = p.Percent, p.Free, t.Period, ledger.Amount{Value: p.Off, Unit: t.Unit}
	return ledger.OrderText(t.Plan, until, p.Periods, t.Period, note.String())
}

// Renewal is the price of the next billing step of a subscription that goes on: no coupon, no discount (subscriptions.md 13.1).
func (t Terms) Renewal() Price { return Price{Amount: t.Amount, Steps: 1, Periods: t.Length} }

// Extended is where n more natural periods end a subscription (subscriptions.md 3.8). A new one, which ends when it is created,
// gets its first periods.
func (t Terms) Extended(createdAt, endsAt store.Time, n int64) store.Time {
	return ledger.Calendar{Anchor: createdAt, Period: t.Period}.Extend(endsAt, n)
}
