package metrics

import (
	"encoding/json"
	"math"
	"time"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// Periods of tables (metrics.md 1.1, 1.2; conventions.md 7.7).

// maxPeriods is how many periods a table has at most.
const maxPeriods = 100

// defaultPeriods are how many periods a table has when the call does not say.
var defaultPeriods = map[ledger.Period]int64{ledger.Hourly: 24, ledger.Daily: 7, ledger.Weekly: 8, ledger.Monthly: 12, ledger.Yearly: 5}

// periods are the periods of a table: n of them, between n + 1 boundaries in ascending order.
type periods struct {
	of     ledger.Period
	bounds []store.Time
}

// periodsOf reads the parameters period_type, nb_periods and ends_at of a call; boundaries are in the zone of the profile, whatever
// the offset of ends_at. Errors: 400 of the field.
func periodsOf(c *rest.Call, zone *time.Location) (p periods, err error) {
	name, err := c.QueryChoice("period_type", ledger.Monthly.String(), ledger.Monthly.Choices())
	if err != nil {
		return p, err
	}
	p.of, _ = ledger.ParsePeriod(name)
	n, err := c.QueryInt("nb_periods", defaultPeriods[p.of], 1, maxPeriods)
	if err != nil {
		return p, err
	}
	if err != nil {
		return p, err
	}
	end, err := c.EndsAt()
	p.bounds = boundaries(p.of, n, end, zone)
	return p, err
}

// boundaries are those of n periods until end (metrics.md 1.2): the last period is cut off at end. All arithmetic is on the wall clock
// of the zone. Where it is put forward an hour is empty, and where it is put back an hour lasts two, since their names are the same.
func boundaries(of ledger.Period, n int64, end store.Time, zone *time.Location) []store.Time {
	bounds := make([]store.Time, n+1)
	bounds[n] = end
	now := wall(end.In(zone))
	whole := at(floor(of, now, 0), zone).Equal(end.Time)
	for i := range n {
		back := n - i
		if !whole {
			back--
		}
		bounds[i] = at(floor(of, now, back), zone)
	}
	return bounds
}

// wall is what a clock on the wall shows, as a time in UTC.
func wall(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// floor is the start of the natural period that holds a time on the wall, or of the one that begins back periods before.
func floor(of ledger.Period, wall time.Time, back int64) time.Time {
	year, month, day := wall.Date()
	n := int(back)
	switch of {
	case ledger.Hourly:
		return time.Date(year, month, day, wall.Hour()-n, 0, 0, 0, time.UTC)
	case ledger.Daily:
		return time.Date(year, month, day-n, 0, 0, 0, 0, time.UTC)
	case ledger.Weekly:
		sinceMonday := (int(wall.Weekday()) + 6) % 7
		return time.Date(year, month, day-sinceMonday-7*n, 0, 0, 0, 0, time.UTC)
	case ledger.Yearly:
		return time.Date(year-n, time.January, 1, 0, 0, 0, 0, time.UTC)
	}
	return time.Date(year, month-time.Month(n), 1, 0, 0, 0, 0, time.UTC)
}

// at is the instant at which the clock of a zone shows a time: the first of two when it is put back, and when it is put forward over
// that time, the one it would be at without.
func at(wall time.Time, zone *time.Location) store.Time {
	const day = 24 * time.Hour
	offset := func(t time.Time) time.Duration {
		_, seconds := t.In(zone).Zone()
		return time.Duration(seconds) * time.Second
	}
	before, after := offset(wall.Add(-day)), offset(wall.Add(day))
	first, second := wall.Add(-before), wall.Add(-after)
	if offset(first) != before && offset(second) == after {
		return store.At(second)
	}
	return store.At(first)
}

// micros are the boundaries as the database has them.
func (p periods) micros() []int64 {
	all := make([]int64, len(p.bounds))
	for i, b := range p.bounds {
		all[i] = b.UnixMicro()
	}
	return all
}

// A span is a period, from included to excluded, and the one that it is compared with.
type span struct{ from, to, fromBefore, toBefore int64 }

// spans are the periods of a table, each with the period before it by interval (metrics.md 2.2): of the same length, moved back in
// UTC.
func (p periods) spans(interval ledger.Period) []span {
	all := make([]span, len(p.bounds)-1)
	for i := range all {
		all[i] = spanOf(p.bounds[i], p.bounds[i+1], interval)
	}
	return all
}

// spanOf is a period with the one before it by interval.
func spanOf(since, until store.Time, interval ledger.Period) span {
	from, to := since.UnixMicro(), until.UnixMicro()
	before := interval.Add(until, -1).UnixMicro()
	return span{from, to, before - (to - from), before}
}

// spanTable is the spans bound to ?1, for the WITH of a query.
const spanTable = `span AS MATERIALIZED (SELECT key AS i, value ->> 0 AS since, value ->> 1 AS until, value ->> 2 AS since_before, value ->> 3 AS until_before FROM json_each(?1))`

// bindSpans is the argument of spanTable.
func bindSpans(spans []span) string {
	rows := make([][4]int64, len(spans))
	for i, s := range spans {
		rows[i] = [4]int64{s.from, s.to, s.fromBefore, s.toBefore}
	}
	b, _ := json.Marshal(rows) // integers always have a JSON form
	return string(b)
}

// upTo are the spans that sum up to the state before each boundary: from the beginning of time to the first, and from each to the next.
func (p periods) upTo() []span {
	all := make([]span, len(p.bounds))
	from := int64(math.MinInt64 / 2)
	for i, b := range p.bounds {
		all[i] = span{from: from, to: b.UnixMicro()}
		from = b.UnixMicro()
	}
	return all
}
