package ledger

import (
	"math/big"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/store"
)

func instant(t testing.TB, s string) store.Time {
	t.Helper()
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, s); err == nil {
			return store.At(at)
		}
	}
	t.Fatalf("%q is no instant", s)
	return store.Time{}
}

func TestAddPeriods(t *testing.T) {
	tests := []struct {
		start  string
		period Period
		n      int64
		want   string
	}{
		{"2026-01-31", Monthly, 1, "2026-02-28"},
		{"2026-01-31", Monthly, 2, "2026-03-31"},
		{"2026-03-31", Monthly, 1, "2026-04-30"},
		{"2026-08-31", Monthly, 6, "2027-02-28"},
		{"2024-02-29", Yearly, 1, "2025-02-28"},
		{"2024-02-29", Monthly, 12, "2025-02-28"},
		{"2024-02-29", Yearly, 4, "2028-02-29"},
		{"2026-02-28", Monthly, 1, "2026-03-28"}, // 31 January and a month and a month drifts
		{"2026-01-31", Monthly, -2, "2025-11-30"},
		{"2026-01-31", Monthly, -1, "2025-12-31"},
		{"2026-03-31", Yearly, -2, "2024-03-31"},
		{"2026-12-31T23:59:59Z", Monthly, 2, "2027-02-28T23:59:59Z"},
		{"2026-03-29T01:30:00Z", Hourly, 25, "2026-03-30T02:30:00Z"}, // no daylight saving in UTC
		{"2026-03-28T12:00:00Z", Daily, 2, "2026-03-30T12:00:00Z"},
		{"2026-03-01", Weekly, 8, "2026-04-26"},
		{"2026-03-01", Weekly, -1, "2026-02-22"},
		{"2026-03-01", Monthly, 0, "2026-03-01"},
		{"2026-03-01", Yearly, 1 << 40, "9999-12-31T23:59:59.999999Z"},
		{"2026-03-01", Hourly, 1 << 60, "9999-12-31T23:59:59.999999Z"},
	}
	for _, tt := range tests {
		if got := tt.period.Add(instant(t, tt.start), tt.n); !got.Equal(instant(t, tt.want).Time) {
			t.Errorf("%s and %s: %s, want %s", tt.start, tt.period.Count(tt.n), got, tt.want)
		}
	}
}

func TestPeriodNames(t *testing.T) {
	for p, want := range map[Period][3]string{
		Hourly: {"hourly", "hour", "2 hours"}, Daily: {"daily", "day", "2 days"}, Weekly: {"weekly", "week", "2 weeks"},
		Monthly: {"monthly", "month", "2 months"}, Yearly: {"yearly", "year", "2 years"},
	} {
		parsed, ok := ParsePeriod(want[0])
		if parsed != p || !ok || p.String() != want[0] || p.Noun() != want[1] || p.Count(2) != want[2] || p.Count(1) != "1 "+want[1] {
			t.Errorf("%d: %q, %q, %q", p, p, p.Noun(), p.Count(2))
		}
	}
	var p Period
	if text, err := Monthly.MarshalText(); string(text) != "monthly" || err != nil || p.UnmarshalText(text) != nil || p != Monthly {
		t.Errorf("monthly is %q, %v and back %q", text, err, p)
	}
	if err := p.UnmarshalText([]byte("fortnightly")); err == nil {
		t.Errorf("fortnightly is %q", p)
	}
	diff(t, "choices", Hourly.Choices(), []string{"hourly", "daily", "weekly", "monthly", "yearly"})
	if p, ok := ParsePeriod("fortnightly"); ok || p != 0 {
		t.Errorf("fortnightly is %q", p)
	}
	for _, p := range []Period{-1, 0, Yearly + 1} {
		if p.String() != "" || p.Noun() != "" {
			t.Errorf("%d is %q, %q", p, p, p.Noun())
		}
	}
}

func TestPeriodFor(t *testing.T) {
	tests := []struct {
		anchor     string
		period     Period
		t          string
		k          int64
		start, end string
	}{
		{"2026-01-31T10:00:00Z", Monthly, "2026-01-31T10:00:00Z", 0, "2026-01-31T10:00:00Z", "2026-02-28T10:00:00Z"},
		{"2026-01-31T10:00:00Z", Monthly, "2026-02-28T09:59:59Z", 0, "2026-01-31T10:00:00Z", "2026-02-28T10:00:00Z"},
		{"2026-01-31T10:00:00Z", Monthly, "2026-02-28T10:00:00Z", 1, "2026-02-28T10:00:00Z", "2026-03-31T10:00:00Z"},
		{"2026-01-31T10:00:00Z", Monthly, "2026-01-31T09:59:59Z", -1, "2025-12-31T10:00:00Z", "2026-01-31T10:00:00Z"},
		{"2024-02-29", Yearly, "2025-02-28", 1, "2025-02-28", "2026-02-28"},
		{"2024-02-29", Yearly, "2028-02-28T23:00:00Z", 3, "2027-02-28", "2028-02-29"},
		{"2024-02-29", Yearly, "2023-03-01", -1, "2023-02-28", "2024-02-29"},
		{"2026-03-01", Weekly, "2026-03-15", 2, "2026-03-15", "2026-03-22"},
		{"2026-03-01", Weekly, "2026-02-22", -1, "2026-02-22", "2026-03-01"},
		{"2026-03-01", Weekly, "2026-02-21T23:59:59Z", -2, "2026-02-15", "2026-02-22"},
		{"2026-03-01", Daily, "2026-02-28T23:00:00Z", -1, "2026-02-28", "2026-03-01"},
		{"2026-03-01T00:30:00Z", Hourly, "2026-03-01T02:29:59Z", 1, "2026-03-01T01:30:00Z", "2026-03-01T02:30:00Z"},
	}
	for _, tt := range tests {
		span, k := Calendar{instant(t, tt.anchor), tt.period}.PeriodFor(instant(t, tt.t))
		if k != tt.k || !span.Start.Equal(instant(t, tt.start).Time) || !span.End.Equal(instant(t, tt.end).Time) {
			t.Errorf("%s in %s from %s: %d, %v", tt.t, tt.period, tt.anchor, k, span)
		}
		if !span.Contains(instant(t, tt.t)) || span.Contains(span.End) {
			t.Errorf("%v and %s", span, tt.t)
		}
	}
}

func TestClip(t *testing.T) {
	span := Span{on(2026, 3, 1), on(2026, 4, 1)}
	for _, tt := range []struct{ endsAt, start, end store.Time }{
		{on(2026, 5, 1), on(2026, 3, 1), on(2026, 4, 1)},
		{on(2026, 3, 20), on(2026, 3, 1), on(2026, 3, 20)},
		{on(2026, 2, 20), on(2026, 2, 20), on(2026, 2, 20)},
	} {
		diff(t, "clipped to "+tt.endsAt.String(), span.Clip(tt.endsAt), Span{tt.start, tt.end})
	}
}

func TestExtend(t *testing.T) {
	tests := []struct {
		anchor string
		period Period
		endsAt string
		n      int64
		want   string
	}{
		{"2026-01-31", Monthly, "2026-01-31", 1, "2026-02-28"},
		{"2026-01-31", Monthly, "2026-02-28", 1, "2026-03-31"}, // a boundary: no drift
		{"2026-01-31", Monthly, "2026-02-28T00:00:01Z", 1, "2026-03-31"},
		{"2026-01-31", Monthly, "2026-02-27T23:59:59Z", 1, "2026-03-31"},
		{"2026-01-31", Monthly, "2026-02-28T00:00:02Z", 1, "2026-03-28T00:00:02Z"}, // moved by hand
		{"2026-01-31", Monthly, "2026-02-20", 1, "2026-03-20"},
		{"2024-02-29", Yearly, "2025-02-28", 3, "2028-02-29"},
		{"2026-01-01", Weekly, "2026-01-15", 2, "2026-01-29"},
		{"2026-01-01", Hourly, "2026-01-01T05:00:00Z", 24, "2026-01-02T05:00:00Z"},
		{"2026-05-31", Monthly, "2026-04-30", 3, "2026-07-31"}, // boundaries before the anchor count
	}
	for _, tt := range tests {
		got := Calendar{instant(t, tt.anchor), tt.period}.Extend(instant(t, tt.endsAt), tt.n)
		if !got.Equal(instant(t, tt.want).Time) {
			t.Errorf("%s by %s: %s, want %s", tt.endsAt, tt.period.Count(tt.n), got, tt.want)
		}
	}
}

func TestElapsed(t *testing.T) {
	tests := []struct {
		anchor   string
		period   Period
		from, to string
		num, den int64
	}{
		{"2026-01-31", Monthly, "2026-01-31", "2026-03-31", 2, 1},
		{"2026-01-31", Monthly, "2026-02-14", "2026-02-28", 14, 28},
		{"2026-01-01", Monthly, "2026-01-16T12:00:00Z", "2026-03-11", 15*2 + 1 + 62 + 20, 62}, // 15.5/31 + 1 + 10/31
		{"2026-01-15", Yearly, "2026-01-15", "2026-02-15", 1, 12},
		{"2026-01-15", Yearly, "2026-01-15", "2027-01-15", 1, 1},
		{"2026-01-15", Yearly, "2026-01-15", "2026-01-30T12:00:00Z", 1, 24},
		{"2026-03-01", Weekly, "2026-03-01", "2026-04-01", 31, 7},
		{"2026-03-01", Daily, "2026-03-01", "2026-03-01T06:00:00Z", 1, 4},
		{"2026-03-01", Hourly, "2026-03-01", "2026-03-01T00:00:01Z", 1, 3600},
		{"2026-03-01", Hourly, "2026-03-01T01:00:00Z", "2026-03-01", -1, 1},
		{"2026-03-31", Monthly, "2026-05-31", "2026-03-31", -2, 1},
	}
	for _, tt := range tests {
		got := Calendar{instant(t, tt.anchor), tt.period}.Elapsed(instant(t, tt.from), instant(t, tt.to))
		if got.Cmp(big.NewRat(tt.num, tt.den)) != 0 {
			t.Errorf("%s from %s to %s: %s, want %d/%d", tt.period, tt.from, tt.to, got, tt.num, tt.den)
		}
	}
}

// Every start day of four years, at midnight of five zones: boundaries follow each other without gap, overlap or drift, the
// period for an instant is the one that holds it, and extending one step at a time arrives where extending at once does.
func TestCalendarNeverDrifts(t *testing.T) {
	t.Parallel()
	var zones []*time.Location
	for _, name := range []string{"UTC", "America/Los_Angeles", "Asia/Kolkata", "Pacific/Kiritimati", "America/St_Johns"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		zones = append(zones, zone)
	}
	stride := 31 // a share of the days in a normal run, all of them in the nightly one
	if nightly(t) {
		stride = 1
	}
	for offset := 0; offset < 4*365+1; offset += stride {
		for _, zone := range zones {
			anchor := store.At(time.Date(2023, 3, 1+offset, 0, 0, 0, 0, zone))
			for _, step := range []struct {
				period Period
				n      int64
			}{{Monthly, 1}, {Monthly, 3}, {Monthly, 6}, {Monthly, 12}, {Yearly, 1}, {Weekly, 1}, {Daily, 1}, {Hourly, 1}} {
				c := Calendar{anchor, step.period}
				end := anchor
				for k := int64(0); k < 60; k++ {
					beg := end
					end = c.Extend(end, step.n)
					if want := c.Boundary((k + 1) * step.n); !end.Equal(want.Time) {
						t.Fatalf("%v by %d: period %d ends at %s, want %s", c, step.n, k, end, want)
					}
					if step.period >= Monthly {
						if day := min(anchor.Day(), daysIn(end.Year(), end.Month())); end.Day() != day || !end.After(beg.Time) {
							t.Fatalf("%v: period %d ends on %s", c, k, end)
						}
					}
					if step.n > 1 {
						continue
					}
					for _, at := range []store.Time{beg, {Time: end.Add(-time.Microsecond)}} {
						if span, i := c.PeriodFor(at); i != k || !span.Start.Equal(beg.Time) || !span.End.Equal(end.Time) {
							t.Fatalf("%v: %s is in period %d, %v; want %d", c, at, i, span, k)
						}
					}
					if e := c.Elapsed(anchor, end); !e.IsInt() || e.Num().Int64() != k+1 {
						t.Fatalf("%v: %s elapsed at the end of period %d", c, e, k)
					}
				}
			}
		}
	}
}
