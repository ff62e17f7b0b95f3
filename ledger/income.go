package ledger

import (
	"math/big"
	"slices"
	"time"

	"github.com/caddy-tollgate/tollgate/store"
)

// An Ordered is an order as recognition sees it.
type Ordered struct {
	At      store.Time
	Amount  Amount
	Periods int64 // natural periods bought; 0 for a setup fee
}

// A Moved is an amount and its date.
type Moved struct {
	At     store.Time
	Amount int64
}

// Covers are the spans of time that the orders of a subscription pay for, in the order of the orders, which are by date (5.10).
// A cover begins where the one before ends, or where the plan period that holds the order begins if that is later; it is as
// long as the periods bought, from boundary to boundary of the calendar. A setup fee covers nothing: its span is empty, at its
// date.
func (c Calendar) Covers(orders []Ordered) []Span {
	covers := make([]Span, len(orders))
	end := c.Anchor
	for i, o := range orders {
		if o.Periods == 0 {
			covers[i] = Span{o.At, o.At}
			continue
		}
		period, _ := c.PeriodFor(o.At)
		beg := later(end, period.Start)
		end = c.Extend(beg, o.Periods)
		covers[i] = Span{beg, end}
	}
	return covers
}

// months are the steps of recognition that follow the calendar: each month from the anchor, after from and up to until.
func (c Calendar) months(from, until store.Time) []store.Time {
	monthly := Calendar{c.Anchor, Monthly}
	var steps []store.Time
	for k := max(monthly.index(from), 0) + 1; ; k++ {
		t := monthly.Boundary(k)
		if t.After(until.Time) || !t.Before(endOfTime.Time) {
			return steps
		}
		if t.After(from.Time) {
			steps = append(steps, t)
		}
	}
}

// EventBooks are what the books hold about the income of one event in one unit.
type EventBooks struct {
	Event      string
	Provider   int64
	Unit       string
	Canceled   []Moved // write-offs
	Recognised []Moved // income
	Backlog    []Moved // payments, and, negative, the income taken from them
	Payables   []PayerMoved
}

// A PayerMoved is what moved on a payer's Payable account for one event.
type PayerMoved struct {
	Payer int64
	Moved []Moved
}

// IncomeRecognised is what a provider has earned by the passing of time on one event of a subscription, up to Until (5.10). It
// is cumulative: at each step, what is earned by then less what is recognised by then. So the sum over all steps is what was
// ordered, exactly; a second run writes nothing; and runs that were missed make no difference. See LoadIncome.
type IncomeRecognised struct {
	EventBooks
	Label    string // SubscriptionLabel, or the slug of the use
	Calendar Calendar
	Until    store.Time
	Orders   []Ordered // of the subscription itself, by date, in all units: their covers make the steps
	// Use says that the event is a use charge: what is earned are Uses, each at the first step after its date.
	Use  bool
	Uses []Moved
}

// Kind is KindIncome.
func (IncomeRecognised) Kind() string { return KindIncome }

// Entries are those of every step that something is left to recognise at, dated a second before the step. What is paid is
// taken from the backlog; what is not becomes a receivable. Written-off orders, the newest first, earn nothing more.
func (i IncomeRecognised) Entries() ([]Entry, error) {
	covers := i.Calendar.Covers(i.Orders)
	books := newRecognition(i.EventBooks, i.Label, i.Calendar)
	if i.Use {
		i.recogniseUses(books, covers)
	} else {
		i.recogniseOrders(books, covers)
	}
	return books.entries, nil
}

func (i IncomeRecognised) recogniseOrders(books *recognition, covers []Span) {
	orders := newEarnings(i.Calendar, i.Orders, covers, i.Unit, i.Canceled)
	if orders.total <= books.recognised.total {
		return
	}
	var steps []store.Time
	end := i.Calendar.Anchor
	for _, c := range covers {
		if !c.isEmpty() {
			steps = append(steps, i.Calendar.steps(c, i.Until)...)
			end = c.End
		}
	}
	for _, c := range covers { // a setup fee that no cover follows makes a step of its own
		if c.isEmpty() && !c.Start.Before(end.Time) {
			if months := i.Calendar.months(c.Start, i.Until); len(months) > 0 {
				steps = append(steps, months[0])
			}
		}
	}
	previous := i.Calendar.Anchor
	for _, t := range inOrder(steps) {
		earned, beg := orders.at(t)
		books.recognise(later(previous, beg), t, earned, true)
		previous = t
	}
}

// recogniseUses does so at the steps of the subscription's orders, and each month without any.
func (i IncomeRecognised) recogniseUses(books *recognition, covers []Span) {
	uses := newTally(i.Uses)
	if uses.total <= books.recognised.total {
		return
	}
	steps := i.Calendar.months(i.Calendar.Anchor, i.Until)
	for _, c := range covers {
		if !c.isEmpty() && !c.End.After(i.Until.Time) {
			steps = append(steps, c.End)
		}
	}
	previous := i.Calendar.Anchor
	for _, t := range inOrder(steps) {
		books.recognise(previous, t, uses.before(t)-books.canceled.before(t), false)
		previous = t
	}
}

// steps are the instants at which the income of a cover is recognised: each month from the calendar's anchor, whatever its
// period, and the end of the cover; up to until.
func (c Calendar) steps(cover Span, until store.Time) []store.Time {
	steps := c.months(cover.Start, earlier(cover.End, until))
	if n := len(steps); !cover.End.After(until.Time) && (n == 0 || steps[n-1].Before(cover.End.Time)) {
		steps = append(steps, cover.End)
	}
	return steps
}

func earlier(a, b store.Time) store.Time {
	if b.Before(a.Time) {
		return b
	}
	return a
}

// inOrder sorts instants and drops doubles.
func inOrder(steps []store.Time) []store.Time {
	slices.SortFunc(steps, func(a, b store.Time) int { return a.Compare(b.Time) })
	return slices.CompactFunc(steps, func(a, b store.Time) bool { return a.Equal(b.Time) })
}

// earnings answer how much of the orders of a subscription is earned at an instant. They are asked in the order of time.
type earnings struct {
	calendar Calendar
	orders   []Ordered // less what is written off so far
	covers   []Span
	canceled []Moved // still to come
	done     int     // orders before this one are earned in full
	sum      int64   // of the orders that are
	total    int64   // of all orders, write-offs included
}

func newEarnings(c Calendar, orders []Ordered, covers []Span, unit string, canceled []Moved) *earnings {
	e := &earnings{calendar: c, orders: slices.Clone(orders), covers: covers, canceled: newTally(canceled).moved}
	for k := range e.orders {
		o := &e.orders[k]
		if o.Amount.Unit != unit {
			o.Amount.Value = 0 // it takes its time, and earns on books of its own
		}
		e.total += o.Amount.Value
	}
	return e
}

// at is what is earned at t, and where the cover that ends with t or holds it begins.
func (e *earnings) at(t store.Time) (earned int64, beg store.Time) {
	for len(e.canceled) > 0 && e.canceled[0].At.Before(t.Time) {
		e.cancel(e.canceled[0])
		e.canceled = e.canceled[1:]
	}
	for ; e.done < len(e.orders) && e.isDone(e.done, t); e.done++ {
		e.sum += e.orders[e.done].Amount.Value
	}
	earned = e.sum
	if e.done > 0 {
		beg = e.covers[e.done-1].Start
	}
	for k := e.done; k < len(e.orders); k++ {
		switch o := e.orders[k]; {
		case e.isDone(k, t):
			earned += o.Amount.Value
		case e.covers[k].Start.Before(t.Time):
			beg = e.covers[k].Start
			earned += proportion(o.Amount.Value, e.calendar.Elapsed(beg, t), o.Periods)
		}
	}
	return earned, beg
}

// cancel takes a write-off from the orders it was about: those placed by then, the newest first, and only then from later ones.
func (e *earnings) cancel(off Moved) {
	cut := func(k int) {
		amount := min(off.Amount, e.orders[k].Amount.Value)
		e.orders[k].Amount.Value -= amount
		off.Amount -= amount
		if k < e.done {
			e.sum -= amount
		}
	}
	placed := 0
	for placed < len(e.orders) && !e.orders[placed].At.After(off.At.Time) {
		placed++
	}
	for k := placed - 1; k >= 0; k-- {
		cut(k)
	}
	for k := placed; k < len(e.orders); k++ {
		cut(k)
	}
}

// isDone reports whether order k is earned in full at t.
func (e *earnings) isDone(k int, t store.Time) bool {
	if e.orders[k].Periods == 0 {
		return e.orders[k].At.Before(t.Time)
	}
	return !t.Before(e.covers[k].End.Time)
}

// proportion is ⌊amount × elapsed ÷ periods⌋.
func proportion(amount int64, elapsed *big.Rat, periods int64) int64 {
	n := new(big.Int).Mul(big.NewInt(amount), elapsed.Num())
	return n.Quo(n, new(big.Int).Mul(elapsed.Denom(), big.NewInt(periods))).Int64()
}

// A tally adds movements up by date. It is asked in the order of time.
type tally struct {
	moved []Moved // by date
	lows  []int64 // the lowest sum from before each movement on, and after the last
	next  int     // movements before this one are in sum
	sum   int64
	total int64
	own   int64 // what this run has added
}

func newTally(moved []Moved) *tally {
	t := &tally{moved: slices.Clone(moved), lows: make([]int64, len(moved)+1)}
	slices.SortStableFunc(t.moved, func(a, b Moved) int { return a.At.Compare(b.At.Time) })
	for _, m := range t.moved {
		t.total += m.Amount
	}
	left := t.total
	t.lows[len(moved)] = left
	for i := len(moved) - 1; i >= 0; i-- {
		left -= t.moved[i].Amount
		t.lows[i] = min(left, t.lows[i+1])
	}
	return t
}

// before is the sum of what is dated before at, and of what this run has added.
func (t *tally) before(at store.Time) int64 {
	for t.next < len(t.moved) && t.moved[t.next].At.Before(at.Time) {
		t.sum += t.moved[t.next].Amount
		t.next++
	}
	return t.sum + t.own
}

// take takes at most want of what there was at an instant and was not used since. So a run that is late writes what one in
// time would have, and the account is overdrawn at no time.
func (t *tally) take(at store.Time, want int64) int64 {
	t.before(at)
	taken := max(min(want, t.lows[t.next]+t.own), 0)
	t.own -= taken
	return taken
}

// recognition writes the entries of steps, in the order of time.
type recognition struct {
	EventBooks
	label                         string
	calendar                      Calendar
	canceled, recognised, backlog *tally
	payables                      []*tally
	entries                       []Entry
}

func newRecognition(books EventBooks, label string, c Calendar) *recognition {
	r := &recognition{
		EventBooks: books, label: label, calendar: c,
		canceled: newTally(books.Canceled), recognised: newTally(books.Recognised), backlog: newTally(books.Backlog),
	}
	for _, p := range books.Payables {
		r.payables = append(r.payables, newTally(p.Moved))
	}
	return r
}

// recognise writes what is earned at t and was not recognised before.
func (r *recognition) recognise(from, t store.Time, earned int64, periods bool) {
	x := earned - r.recognised.before(t)
	if x <= 0 {
		return
	}
	r.recognised.own += x
	at := store.Time{Time: t.Add(-time.Second)}
	add := func(descr string, e Entry) {
		e.Event, e.Descr = r.Event, descr
		r.entries = append(r.entries, dated(at, KindIncome, e)...)
	}
	left := x
	for i, p := range r.payables {
		moved := p.take(t, left)
		left -= moved
		payer := r.Payables[i].Payer
		add(balancing, pair(payer, AccountLiability, payer, AccountPayable, Amount{moved, r.Unit}))
	}
	text := "Recognize " + r.label + " " + r.calendar.describe(from, t, periods)
	paid := r.backlog.take(t, x)
	add(text, pair(r.Provider, AccountBacklog, r.Provider, AccountIncome, Amount{paid, r.Unit}))
	add(text, pair(r.Provider, AccountReceivable, r.Provider, AccountIncome, Amount{x - paid, r.Unit}))
}

// describe words a span of recognition: days, the last one included, when it is made of whole periods of a day or longer; else
// instants, and the number of periods if it is asked for.
func (c Calendar) describe(from, to store.Time, periods bool) string {
	elapsed := c.Elapsed(from, to)
	if elapsed.IsInt() && c.Period >= Weekly {
		return "from " + from.Format(time.DateOnly) + " to " + to.AddDate(0, 0, -1).Format(time.DateOnly)
	}
	const instant = "2006-01-02 15:04:05-07:00"
	text := "from " + from.Format(instant) + " to " + to.Format(instant)
	if periods && !elapsed.IsInt() {
		text += " (" + elapsed.FloatString(4) + " period)"
	}
	return text
}
