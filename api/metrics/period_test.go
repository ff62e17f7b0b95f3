package metrics

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

func instant(t testing.TB, text string) store.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return store.At(at)
}

// TestBoundaries is the table of metrics.md 1.2, and the days on which clocks are put forward and back.
func TestBoundaries(t *testing.T) {
	const la, end = "America/Los_Angeles", "2024-02-29T18:20:30Z"
	for _, test := range []struct {
		zone string
		of   ledger.Period
		n    int64
		end  string
		want map[int]string // boundaries, by number
	}{
		{la, ledger.Hourly, 24, end, map[int]string{0: "2024-02-28T19:00:00Z", 23: "2024-02-29T18:00:00Z", 24: end}},
		{la, ledger.Daily, 7, end, map[int]string{0: "2024-02-23T08:00:00Z", 6: "2024-02-29T08:00:00Z", 7: end}},
		{la, ledger.Weekly, 8, end, map[int]string{0: "2024-01-08T08:00:00Z", 7: "2024-02-26T08:00:00Z", 8: end}},
		{la, ledger.Monthly, 12, end, map[int]string{0: "2023-03-01T08:00:00Z", 11: "2024-02-01T08:00:00Z", 12: end}},
		{la, ledger.Yearly, 5, end, map[int]string{0: "2020-01-01T08:00:00Z", 4: "2024-01-01T08:00:00Z", 5: end}},
		// ends_at is a boundary: all periods are whole.
		{la, ledger.Monthly, 12, "2024-01-01T08:00:00Z", map[int]string{0: "2023-01-01T08:00:00Z", 1: "2023-02-01T08:00:00Z", 12: "2024-01-01T08:00:00Z"}},
		{la, ledger.Weekly, 1, "2024-02-26T08:00:00Z", map[int]string{0: "2024-02-19T08:00:00Z", 1: "2024-02-26T08:00:00Z"}},
		// A microsecond later it is not.
		{la, ledger.Daily, 1, "2024-02-26T08:00:00.000001Z", map[int]string{0: "2024-02-26T08:00:00Z", 1: "2024-02-26T08:00:00.000001Z"}},
		// Sunday is the last day of a week, and a month before the 31st is the month before.
		{"UTC", ledger.Weekly, 2, "2024-03-03T10:00:00Z", map[int]string{0: "2024-02-19T00:00:00Z", 1: "2024-02-26T00:00:00Z"}},
		{"UTC", ledger.Monthly, 2, "2024-03-31T10:00:00Z", map[int]string{0: "2024-02-01T00:00:00Z", 1: "2024-03-01T00:00:00Z"}},
		{"UTC", ledger.Monthly, 1, end, map[int]string{0: "2024-02-01T00:00:00Z", 1: end}},
		// Clocks: months shift by an hour, days have 23 and 25 hours.
		{la, ledger.Monthly, 2, "2015-12-01T08:00:00Z", map[int]string{0: "2015-10-01T07:00:00Z", 1: "2015-11-01T07:00:00Z", 2: "2015-12-01T08:00:00Z"}},
		{la, ledger.Daily, 2, "2024-03-11T07:00:00Z", map[int]string{0: "2024-03-09T08:00:00Z", 1: "2024-03-10T08:00:00Z", 2: "2024-03-11T07:00:00Z"}},
		{la, ledger.Daily, 1, "2024-11-04T08:00:00Z", map[int]string{0: "2024-11-03T07:00:00Z", 1: "2024-11-04T08:00:00Z"}},
		// The hour that is left out is empty; the hour that comes twice lasts two.
		{la, ledger.Hourly, 3, "2024-03-10T11:00:00Z", map[int]string{0: "2024-03-10T09:00:00Z", 1: "2024-03-10T10:00:00Z", 2: "2024-03-10T10:00:00Z", 3: "2024-03-10T11:00:00Z"}},
		{la, ledger.Hourly, 3, "2024-11-03T11:00:00Z", map[int]string{0: "2024-11-03T07:00:00Z", 1: "2024-11-03T08:00:00Z", 2: "2024-11-03T10:00:00Z", 3: "2024-11-03T11:00:00Z"}},
		{la, ledger.Hourly, 1, "2024-11-03T09:30:00Z", map[int]string{0: "2024-11-03T08:00:00Z", 1: "2024-11-03T09:30:00Z"}},
		// Zones that are no whole hours from UTC, and one in which a midnight is left out.
		{"Asia/Kolkata", ledger.Hourly, 1, "2024-02-29T10:20:00Z", map[int]string{0: "2024-02-29T09:30:00Z"}},
		{"Africa/Cairo", ledger.Daily, 2, "2024-04-27T10:00:00Z", map[int]string{0: "2024-04-25T22:00:00Z", 1: "2024-04-26T21:00:00Z"}},
		{"no such zone", ledger.Daily, 1, end, map[int]string{0: "2024-02-29T00:00:00Z"}},
	} {
		got := boundaries(test.of, test.n, instant(t, test.end), rest.Location(test.zone))
		for i, want := range test.want {
			if got[i].String() != want {
				t.Errorf("%d %s periods in %s until %s: boundary %d is %s, want %s", test.n, test.of, test.zone, test.end, i, got[i], want)
			}
		}
		if len(got) != int(test.n)+1 {
			t.Errorf("%d boundaries of %d periods", len(got), test.n)
		}
	}
}

// TestBoundariesAnywhere holds, in any zone at any time, that boundaries ascend to the end, and that the clock on the wall shows the
// start of a period at each of them, unless it is put forward over that.
func TestBoundariesAnywhere(t *testing.T) {
	zones := []string{"UTC", "America/Los_Angeles", "Europe/Paris", "Asia/Kolkata", "Pacific/Apia", "America/Sao_Paulo", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Kathmandu"}
	rapid.Check(t, func(rt *rapid.T) {
		zone := rest.Location(rapid.SampledFrom(zones).Draw(rt, "zone"))
		of := ledger.Period(rapid.IntRange(1, 5).Draw(rt, "period"))
		n := rapid.Int64Range(1, maxPeriods).Draw(rt, "n")
		end := store.At(time.UnixMicro(rapid.Int64Range(0, 4e15).Draw(rt, "end")))
		bounds := boundaries(of, n, end, zone)
		if !bounds[n].Equal(end.Time) {
			rt.Fatalf("the last boundary is %s", bounds[n])
		}
		for i, b := range bounds[:n] {
			if b.After(bounds[i+1].Time) {
				rt.Fatalf("boundary %d is %s, after %s", i, b, bounds[i+1])
			}
			shown := wall(b.In(zone))
			if start := floor(of, shown, 0); !start.Equal(shown) && !shiftedAt(b, zone) {
				rt.Fatalf("boundary %d is %s, %s on the wall, want %s", i, b, shown, start)
			}
		}
		if of != ledger.Hourly && bounds[n-1].After(end.Time) {
			rt.Fatalf("the last period begins at %s", bounds[n-1])
		}
	})
}

// shiftedAt reports whether the clock is put forward at an instant.
func shiftedAt(t store.Time, zone *time.Location) bool {
	_, before := t.Add(-time.Microsecond).In(zone).Zone()
	_, after := t.In(zone).Zone()
	return after != before
}

// TestSpans moves the period that is compared back by the interval of the plans, in UTC, at the length of the period itself.
func TestSpans(t *testing.T) {
	p := periods{of: ledger.Monthly, bounds: []store.Time{instant(t, "2015-08-01T07:00:00Z"), instant(t, "2015-08-06T12:00:00Z")}}
	s := p.spans(ledger.Monthly)[0]
	got := fmt.Sprint(store.At(time.UnixMicro(s.fromBefore)), " ", store.At(time.UnixMicro(s.toBefore)))
	if want := "2015-07-01T07:00:00Z 2015-07-06T12:00:00Z"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestParameters refuses what is no parameter of a table, with the contract's texts (conventions.md 7.7), and reads dates in the zone of
// the profile whatever their offset.
func TestParameters(t *testing.T) {
	w := newWorld(t)
	const table = "GET /api/metrics/acme/balances?"
	const badTime = `["Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]."]}`
	w.Run(t,
		resttest.Case("period", "zed", table+"period_type=foo", "", 400, `{"period_type":["'foo' is not a valid choice. Expected one of ['hourly', 'daily', 'weekly', 'monthly', 'yearly']."]}`),
		resttest.Case("empty", "zed", table+"period_type=&nb_periods=&ends_at=", "", 200, `~["2015-08-06T12:00:00Z",0]`),
		resttest.Case("too few", "zed", table+"nb_periods=0", "", 400, `{"nb_periods":["Ensure this value is greater than or equal to 1."]}`),
		resttest.Case("too many", "zed", table+"nb_periods=101", "", 400, `{"nb_periods":["Ensure this value is less than or equal to 100."]}`),
		resttest.Case("no number", "zed", table+"nb_periods=x", "", 400, `{"nb_periods":["A valid integer is required."]}`),
		resttest.Case("no date", "zed", table+"ends_at=foo", "", 400, `{"ends_at":`+badTime),
		resttest.Case("impossible", "zed", table+"ends_at=2024-13-45", "", 400, `{"ends_at":`+badTime),
		resttest.Case("start_at is ignored", "zed", table+"start_at=foo", "", 200, "*"),
		resttest.Case("unit and scale are ignored", "zed", table+"unit=eur&scale=1", "", 200, `~"unit":"usd","scale":0.01`),
		resttest.Case("another offset", "zed", table+"nb_periods=1&ends_at=2015-08-06T12:00:00Z", "", 200, `~[["2015-08-01T07:00:00Z",0],["2015-08-06T12:00:00Z",0]]`),
		resttest.Case("another zone", "zed", table+"nb_periods=1&ends_at=2015-08-06T12:00:00&timezone=Asia/Tokyo", "", 200, `~[["2015-08-01T07:00:00Z",0],["2015-08-06T03:00:00Z",0]]`),
		resttest.Case("the zone of the profile", "zed", table+"nb_periods=1&ends_at=2015-08-06", "", 200, `~[["2015-08-01T07:00:00Z",0],["2015-08-06T07:00:00Z",0]]`),
		resttest.Case("a report has the zone of the broker", "zed", "GET /api/metrics/balances/x?period_type=foo", "", 400, "*"),
		resttest.Case("the year 10000 by its offset", "zed", "GET /api/metrics/acme/funds?ends_at=9999-12-31T23:59:59-01:00", "", 400, `{"ends_at":`+badTime),
		resttest.Case("the last second", "zed", "GET /api/metrics/acme/funds?ends_at=9999-12-31T23:59:59Z", "", 200, `~["9999-12-31T23:59:59Z",0]`),
		resttest.Case("a federation reads start_at", "zed", "GET /api/metrics/acme/federated?start_at=foo", "", 400, `{"start_at":`+badTime),
		resttest.Case("a hundred years", "zed", table+"period_type=yearly&nb_periods=100", "", 200, `~["1916-01-01T08:00:00Z",0]`),
		resttest.Case("before the calendar", "zed", table+"period_type=yearly&nb_periods=100&ends_at=0010-01-01", "", 200, "*"),
	)
}
