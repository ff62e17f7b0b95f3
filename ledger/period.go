package ledger

import (
	"fmt"
	"math/big"
	"strconv"
	"time"

	"github.com/caddy-tollgate/tollgate/store"
)

// A Period is the natural period a plan is priced by (subscriptions.md 1.4); the numbers are those of the database.
type Period int

// Periods of plans.
const (
	Hourly Period = 1 + iota
	Daily
	Weekly
	Monthly
	Yearly
)

var periods = [...]struct{ slug, noun string }{
	Hourly: {"hourly", "hour"}, Daily: {"daily", "day"}, Weekly: {"weekly", "week"}, Monthly: {"monthly", "month"}, Yearly: {"yearly", "year"},
}

// ParsePeriod reads a period as JSON names it, "hourly" to "yearly".
func ParsePeriod(slug string) (Period, bool) {
	for p := Hourly; p <= Yearly; p++ {
		if periods[p].slug == slug {
			return p, true
		}
	}
	return 0, false
}

// String is the period as JSON names it, "" when it is none.
func (p Period) String() string {
	if p < Hourly || p > Yearly {
		return ""
	}
	return periods[p].slug
}

// Noun is the word for one period: "hour", "day", "week", "month" or "year".
func (p Period) Noun() string {
	if p < Hourly || p > Yearly {
		return ""
	}
	return periods[p].noun
}

// Count is n periods in words: "1 month", "3 months".
func (p Period) Count(n int64) string {
	s := strconv.FormatInt(n, 10) + " " + p.Noun()
	if n > 1 {
		s += "s"
	}
	return s
}

// Choices are the periods as JSON names them, in the order of the contract.
func (p Period) Choices() []string {
	names := make([]string, 0, Yearly)
	for p := Hourly; p <= Yearly; p++ {
		names = append(names, p.String())
	}
	return names
}

// MarshalText is the period as JSON names it. It is never called on one that is none, which only the zero value is.
func (p Period) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads a period as JSON names it.
func (p *Period) UnmarshalText(text []byte) error {
	parsed, ok := ParsePeriod(string(text))
	if !ok {
		return fmt.Errorf("ledger: %q is not a period", text)
	}
	*p = parsed
	return nil
}

// endOfTime is where arithmetic on instants stops: the last one that JSON can print.
var endOfTime = store.At(time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC))

const (
	hour  = int64(time.Hour / time.Microsecond)
	day   = 24 * hour
	week  = 7 * day
	years = 12 // months
)

// length is the length of a period that always has the same one, in µs; 0 for months and years.
func (p Period) length() int64 {
	switch p {
	case Hourly:
		return hour
	case Daily:
		return day
	case Weekly:
		return week
	}
	return 0
}

// Add is t and n natural periods (subscriptions.md 3.8), in UTC. Months and years keep the day of the month, clamped to the
// last day of a shorter month, and the time of day. n may be negative. Results after the year 9999 are its last instant.
//
// Adding twice is not adding the sum: 31 January and 1 month and 1 month is 28 March. Boundaries are therefore always computed
// from their anchor: see Calendar.
func (p Period) Add(t store.Time, n int64) store.Time {
	const ever = 10_000 // years
	switch p {
	case Monthly:
		return addMonths(t, min(max(n, -ever*years), ever*years))
	case Yearly:
		return addMonths(t, min(max(n, -ever), ever)*years)
	}
	length := p.length()
	limit := ever * 366 * day / length
	return clampTime(store.Time{Time: time.UnixMicro(t.UnixMicro() + min(max(n, -limit), limit)*length).UTC()})
}

func addMonths(t store.Time, n int64) store.Time {
	year, month, dayOfMonth := t.Date()
	months := int64(year)*years + int64(month-1) + n
	year, month = int(floorDiv(months, years)), time.Month(months-floorDiv(months, years)*years)+1
	dayOfMonth = min(dayOfMonth, daysIn(year, month))
	h, m, s := t.Clock()
	return clampTime(store.Time{Time: time.Date(year, month, dayOfMonth, h, m, s, t.Nanosecond(), time.UTC)})
}

func daysIn(year int, month time.Month) int {
	return time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

func clampTime(t store.Time) store.Time {
	if t.After(endOfTime.Time) {
		return endOfTime
	}
	return t
}

// A Span is the time from Start, included, to End, excluded.
type Span struct{ Start, End store.Time }

// Contains reports whether t is in the span.
func (s Span) Contains(t store.Time) bool { return !t.Before(s.Start.Time) && t.Before(s.End.Time) }

func (s Span) isEmpty() bool { return !s.Start.Before(s.End.Time) }

// Clip is the span with both bounds at endsAt at the latest: the part of a period that a subscription covers.
func (s Span) Clip(endsAt store.Time) Span {
	if s.Start.After(endsAt.Time) {
		s.Start = endsAt
	}
	if s.End.After(endsAt.Time) {
		s.End = endsAt
	}
	return s
}

// A Calendar is the endless row of periods of one subscription. Its boundaries are Anchor + k periods for every integer k,
// each computed from the anchor (the subscription's created_at) and never from the one before, so that they do not drift
// after a short month.
type Calendar struct {
	Anchor store.Time
	Period Period
}

// Boundary is the start of period k, Anchor + k periods.
func (c Calendar) Boundary(k int64) store.Time { return c.Period.Add(c.Anchor, k) }

// PeriodFor is the period that contains t, and its number: 0 for the first of the subscription, less for those before it.
func (c Calendar) PeriodFor(t store.Time) (Span, int64) {
	k := c.index(t)
	return Span{c.Boundary(k), c.Boundary(k + 1)}, k
}

// index is the largest k whose boundary is not after t.
func (c Calendar) index(t store.Time) int64 {
	if length := c.Period.length(); length != 0 {
		return floorDiv(t.UnixMicro()-c.Anchor.UnixMicro(), length)
	}
	k := monthsOf(t) - monthsOf(c.Anchor) // the boundary in the same month as t, or year
	if c.Period == Yearly {
		k = floorDiv(k, years)
	}
	if c.Boundary(k).After(t.Time) {
		k--
	}
	return k
}

func monthsOf(t store.Time) int64 { return int64(t.Year())*years + int64(t.Month()-1) }

// at reports whether t is boundary k, to within a second, and which.
func (c Calendar) at(t store.Time) (k int64, ok bool) {
	k = c.index(store.Time{Time: t.Add(time.Second)})
	gap := t.Sub(c.Boundary(k).Time)
	return k, gap >= -time.Second && gap <= time.Second
}

// Extend is where n more periods end (subscriptions.md 3.8): when endsAt is a boundary, to within a second, the boundary n
// further, so that the end of January leads to the end of March; else endsAt and n periods.
func (c Calendar) Extend(endsAt store.Time, n int64) store.Time {
	if k, ok := c.at(endsAt); ok {
		return c.Boundary(k + n)
	}
	return c.Period.Add(endsAt, n)
}

// Elapsed is how many periods go by from one instant to another (subscriptions.md 13.3), as an exact fraction: the rest of the
// first period, whole periods, and the begun part of the last one. An hour, a day and a week always count the same; a part of
// a month counts by the length of that very month of the calendar; a month is 1/12 of a year. It is negative when to is
// before from.
func (c Calendar) Elapsed(from, to store.Time) *big.Rat {
	if length := c.Period.length(); length != 0 {
		return big.NewRat(to.UnixMicro()-from.UnixMicro(), length)
	}
	monthly := Calendar{c.Anchor, Monthly}
	elapsed := monthly.position(to)
	elapsed.Sub(elapsed, monthly.position(from))
	if c.Period == Yearly {
		elapsed.Mul(elapsed, big.NewRat(1, years))
	}
	return elapsed
}

// position is t as a number of periods since the anchor.
func (c Calendar) position(t store.Time) *big.Rat {
	span, k := c.PeriodFor(t)
	p := new(big.Rat).SetInt64(k)
	if part := t.UnixMicro() - span.Start.UnixMicro(); part != 0 {
		p.Add(p, big.NewRat(part, span.End.UnixMicro()-span.Start.UnixMicro()))
	}
	return p
}
