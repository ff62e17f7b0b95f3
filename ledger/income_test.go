package ledger

import (
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/caddy-tollgate/tollgate/store"
)

// history is what happened on sub_7/, from which the facts of a recognition at any time follow.
type history struct {
	calendar   Calendar
	orders     []Ordered
	payments   []Moved
	canceled   []Moved
	recognised []Entry // by the runs so far
}

// run recognises up to an instant, knowing what had happened by then, and remembers what it wrote.
func (h *history) run(t testing.TB, until store.Time) []Entry {
	t.Helper()
	entries, err := h.facts(until).Entries()
	if err != nil {
		t.Fatal(err)
	}
	h.recognised = append(h.recognised, entries...)
	return entries
}

func (h *history) facts(until store.Time) IncomeRecognised {
	i := IncomeRecognised{
		EventBooks: EventBooks{Event: "sub_7/", Provider: gym, Unit: "usd"},
		Label:      "ana:gold", Calendar: h.calendar, Until: until,
	}
	for _, o := range h.orders {
		if !o.At.After(until.Time) {
			i.Orders = append(i.Orders, o)
		}
	}
	known := func(moved []Moved) []Moved {
		return slices.DeleteFunc(slices.Clone(moved), func(m Moved) bool { return m.At.After(until.Time) })
	}
	i.Backlog, i.Canceled = known(h.payments), known(h.canceled)
	for _, e := range h.recognised {
		i.Recognised = append(i.Recognised, Moved{e.CreatedAt, e.Orig.Amount})
		if e.Dest.Account == AccountBacklog {
			i.Backlog = append(i.Backlog, Moved{e.CreatedAt, -e.Dest.Amount})
		}
	}
	return i
}

// runWhenAsked recognises when something is ordered and when Next said that there may be something, and at no other time.
func (h *history) runWhenAsked(t testing.TB, until store.Time) {
	t.Helper()
	for at := h.calendar.Anchor; !at.IsZero() && !at.After(until.Time); {
		facts := h.facts(at)
		next := facts.Next(h.run(t, at))
		for _, o := range h.orders {
			if o.At.After(at.Time) && (next.IsZero() || o.At.Before(next.Time)) {
				next = o.At
			}
		}
		at = next
	}
}

// steps prints what was recognised and when, "-" before what was not paid.
func steps(entries []Entry) []string {
	var lines []string
	for _, e := range entries {
		line := e.CreatedAt.String() + " "
		if e.Dest.Account == AccountReceivable {
			line += "-"
		}
		lines = append(lines, line+strconv.FormatInt(e.Dest.Amount, 10))
	}
	return lines
}

func income(entries []Entry) (total int64) {
	for _, e := range entries {
		if e.Orig.Account == AccountIncome {
			total += e.Orig.Amount
		}
	}
	return total
}

var farAway = on(2100, 1, 1)

// The numbers of subscriptions.md 13.2 and of 5.10, all paid up front.
func TestIncomeRecognised(t *testing.T) {
	tests := []struct {
		name    string
		anchor  string
		period  Period
		amount  int64
		periods int64
		want    []string
		text    string // of the first step
	}{
		{"3 months from the last day of January", "2026-01-31T10:00:00Z", Monthly, 5300, 3, []string{
			"2026-02-28T09:59:59Z 1766", "2026-03-31T09:59:59Z 1767", "2026-04-30T09:59:59Z 1767",
		}, "Recognize ana:gold from 2026-01-31 to 2026-02-27"},
		{"a year", "2026-01-15", Yearly, 17999, 1, []string{
			"2026-02-14T23:59:59Z 1499", "2026-03-14T23:59:59Z 1500", "2026-04-14T23:59:59Z 1500", "2026-05-14T23:59:59Z 1500",
			"2026-06-14T23:59:59Z 1500", "2026-07-14T23:59:59Z 1500", "2026-08-14T23:59:59Z 1500", "2026-09-14T23:59:59Z 1500",
			"2026-10-14T23:59:59Z 1500", "2026-11-14T23:59:59Z 1500", "2026-12-14T23:59:59Z 1500", "2027-01-14T23:59:59Z 1500",
		}, "Recognize ana:gold from 2026-01-15 00:00:00+00:00 to 2026-02-15 00:00:00+00:00 (0.0833 period)"},
		{"a year from the last day of January", "2026-01-31", Yearly, 12000, 1, []string{
			"2026-02-27T23:59:59Z 1000", "2026-03-30T23:59:59Z 1000", "2026-04-29T23:59:59Z 1000", "2026-05-30T23:59:59Z 1000",
			"2026-06-29T23:59:59Z 1000", "2026-07-30T23:59:59Z 1000", "2026-08-30T23:59:59Z 1000", "2026-09-29T23:59:59Z 1000",
			"2026-10-30T23:59:59Z 1000", "2026-11-29T23:59:59Z 1000", "2026-12-30T23:59:59Z 1000", "2027-01-30T23:59:59Z 1000",
		}, ""},
		{"8 weeks", "2026-03-01", Weekly, 8000, 8, []string{
			"2026-03-31T23:59:59Z 4428", "2026-04-25T23:59:59Z 3572",
		}, "Recognize ana:gold from 2026-03-01 00:00:00+00:00 to 2026-04-01 00:00:00+00:00 (4.4286 period)"},
		{"4 weeks", "2026-02-01", Weekly, 4000, 4, []string{"2026-02-28T23:59:59Z 4000"}, "Recognize ana:gold from 2026-02-01 to 2026-02-28"},
		{"45 days", "2026-03-01", Daily, 1000, 45, []string{"2026-03-31T23:59:59Z 688", "2026-04-14T23:59:59Z 312"}, ""},
		{"100 hours", "2026-03-31T12:00:00Z", Hourly, 777, 100, []string{"2026-04-04T15:59:59Z 777"},
			"Recognize ana:gold from 2026-03-31 12:00:00+00:00 to 2026-04-04 16:00:00+00:00"},
		{"12 months with discounts", "2026-11-23", Monthly, 155440, 12, []string{
			"2026-12-22T23:59:59Z 12953", "2027-01-22T23:59:59Z 12953", "2027-02-22T23:59:59Z 12954", "2027-03-22T23:59:59Z 12953",
			"2027-04-22T23:59:59Z 12953", "2027-05-22T23:59:59Z 12954", "2027-06-22T23:59:59Z 12953", "2027-07-22T23:59:59Z 12953",
			"2027-08-22T23:59:59Z 12954", "2027-09-22T23:59:59Z 12953", "2027-10-22T23:59:59Z 12953", "2027-11-22T23:59:59Z 12954",
		}, ""},
		{"a free month", "2026-11-23", Monthly, 0, 1, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			at := instant(t, tt.anchor)
			h := history{
				calendar: Calendar{at, tt.period}, orders: []Ordered{{at, usd(tt.amount), tt.periods}}, payments: []Moved{{at, tt.amount}},
			}
			entries := h.run(t, farAway)
			diff(t, "steps", steps(entries), tt.want)
			if tt.text != "" && entries[0].Descr != tt.text {
				t.Errorf("%q, want %q", entries[0].Descr, tt.text)
			}
			if again := h.run(t, farAway); len(again) != 0 {
				t.Errorf("a second run writes %v", steps(again))
			}
		})
	}
}

// What is not paid becomes a receivable; what is paid in part, in part.
func TestIncomeNotPaid(t *testing.T) {
	anchor := instant(t, "2026-03-01")
	h := history{calendar: Calendar{anchor, Monthly}, orders: []Ordered{{anchor, usd(20000), 1}}}
	same(t, h.facts(farAway), []string{"gym:Receivable 20000 <- gym:Income 20000 sub_7/"}, "Recognize ana:gold from 2026-03-01 to 2026-03-31")

	h.payments = []Moved{{on(2026, 3, 9), 7000}}
	same(t, h.facts(farAway), []string{
		"gym:Backlog 7000 <- gym:Income 7000 sub_7/",
		"gym:Receivable 13000 <- gym:Income 13000 sub_7/",
	})

	// Paid after the step: a run that is late writes what one in time did.
	h.payments = append(h.payments, Moved{on(2026, 4, 9), 13000})
	late := h.facts(farAway)
	same(t, late, []string{
		"gym:Backlog 7000 <- gym:Income 7000 sub_7/",
		"gym:Receivable 13000 <- gym:Income 13000 sub_7/",
	})
	// A backlog that later income has used up already is not used again.
	late.Backlog = append(late.Backlog, Moved{on(2026, 5, 1), -20000})
	same(t, late, []string{"gym:Receivable 20000 <- gym:Income 20000 sub_7/"})
}

func TestIncomeOfSetupFee(t *testing.T) {
	anchor := instant(t, "2026-03-01")
	h := history{
		calendar: Calendar{anchor, Monthly},
		orders:   []Ordered{{anchor, usd(5000), 0}, {anchor, usd(60000), 3}},
		payments: []Moved{{anchor, 65000}},
	}
	diff(t, "steps", steps(h.run(t, farAway)), []string{"2026-03-31T23:59:59Z 25000", "2026-04-30T23:59:59Z 20000", "2026-05-31T23:59:59Z 20000"})

	h.orders = append(h.orders, Ordered{on(2026, 7, 4), usd(300), 0}) // by itself
	diff(t, "steps after the last cover", steps(h.run(t, farAway)), []string{"2026-07-31T23:59:59Z -300"})
}

// Covers follow each other, in the order of the orders, whenever those were placed.
func TestCovers(t *testing.T) {
	c := Calendar{instant(t, "2026-01-31"), Monthly}
	order := func(at string, periods int64) Ordered { return Ordered{instant(t, at), usd(100), periods} }
	got := c.Covers([]Ordered{
		order("2026-01-31", 0),
		order("2026-01-31", 1),
		order("2026-02-10", 2), // in advance
		order("2026-04-29", 1),
		order("2026-08-15", 1), // after a gap: from the beginning of its period
		order("2025-01-01", 1), // before the subscription: still one after the other
	})
	span := func(beg, end string) Span { return Span{instant(t, beg), instant(t, end)} }
	diff(t, "covers", got, []Span{
		span("2026-01-31", "2026-01-31"), span("2026-01-31", "2026-02-28"), span("2026-02-28", "2026-04-30"), span("2026-04-30", "2026-05-31"),
		span("2026-07-31", "2026-08-31"), span("2026-08-31", "2026-09-30"),
	})
}

// What is written off earns nothing from then on, the newest orders first.
func TestIncomeWrittenOff(t *testing.T) {
	anchor := instant(t, "2026-01-01")
	h := history{
		calendar: Calendar{anchor, Monthly},
		orders:   []Ordered{{anchor, usd(1000), 1}, {instant(t, "2026-01-31"), usd(3000), 3}},
		canceled: []Moved{{instant(t, "2026-03-10"), 1500}},
	}
	want := []string{
		"2026-01-31T23:59:59Z -1000",
		"2026-02-28T23:59:59Z -1000",
		// 1500 of 3000 are left, of which 1000 were recognised: two thirds of 1500 are those 1000.
		"2026-04-30T23:59:59Z -500",
	}
	late := h
	diff(t, "in one run", steps(late.run(t, farAway)), want)
	if again := late.run(t, farAway); len(again) != 0 {
		t.Errorf("a second run writes %v", steps(again))
	}
	for day := anchor; day.Before(on(2026, 9, 1).Time); day = Daily.Add(day, 1) {
		h.run(t, day)
	}
	diff(t, "day by day", steps(h.recognised), want)

	h = history{calendar: h.calendar, orders: h.orders, canceled: []Moved{{instant(t, "2026-01-10"), 1000}, {instant(t, "2026-01-31"), 3000}}}
	diff(t, "everything written off", steps(h.run(t, farAway)), []string(nil))

	h = history{calendar: h.calendar, orders: h.orders, canceled: []Moved{{instant(t, "2026-01-10"), 1500}}}
	diff(t, "more than was ordered so far", steps(h.run(t, farAway)), []string{
		"2026-02-28T23:59:59Z -833", "2026-03-31T23:59:59Z -833", "2026-04-30T23:59:59Z -834",
	})

	h = history{calendar: h.calendar, orders: h.orders, canceled: []Moved{{instant(t, "2026-02-10"), 3200}}}
	diff(t, "more than the newest", steps(h.run(t, farAway)), []string{"2026-01-31T23:59:59Z -1000"})
}

// Uses are recognised at the steps of the subscription, and each month without it; only what is still on Payable moves.
func TestIncomeOfUses(t *testing.T) {
	anchor := instant(t, "2026-01-01")
	i := IncomeRecognised{
		EventBooks: EventBooks{
			Event: "sub_7/3/", Provider: gym, Unit: "usd",
			Backlog:  []Moved{{on(2026, 1, 12), 400}},
			Payables: []PayerMoved{{ana, []Moved{{on(2026, 1, 10), 400}, {on(2026, 1, 12), -400}, {on(2026, 3, 5), 300}}}, {bob, []Moved{{on(2026, 3, 6), 50}}}},
		},
		Label: "requests", Calendar: Calendar{anchor, Weekly}, Until: on(2026, 6, 1), Use: true,
		Orders: []Ordered{{anchor, usd(1000), 2}},
		Uses:   []Moved{{on(2026, 1, 10), 400}, {on(2026, 3, 5), 300}, {on(2026, 3, 6), 50}},
	}
	entries := same(t, i, []string{
		"gym:Backlog 400 <- gym:Income 400 sub_7/3/",
		"ana:Liability 300 <- ana:Payable 300 sub_7/3/",
		"bob:Liability 50 <- bob:Payable 50 sub_7/3/",
		"gym:Receivable 350 <- gym:Income 350 sub_7/3/",
	}, "Recognize requests from 2026-01-01 to 2026-01-14", "Keep a balanced ledger", "Keep a balanced ledger",
		"Recognize requests from 2026-03-01 00:00:00+00:00 to 2026-04-01 00:00:00+00:00")
	diff(t, "steps", steps(entries), []string{
		"2026-01-14T23:59:59Z 400", "2026-03-31T23:59:59Z 300", "2026-03-31T23:59:59Z 50", "2026-03-31T23:59:59Z -350",
	})

	i.Canceled = []Moved{{on(2026, 3, 20), 350}}
	same(t, i, []string{"gym:Backlog 400 <- gym:Income 400 sub_7/3/"})

	i.Canceled, i.Recognised = nil, []Moved{{on(2026, 2, 1), 750}}
	same(t, i, nil)
}

// 5.16: three beneficiaries, one of whom never claims.
func TestGroupIncome(t *testing.T) {
	claim := func(beg string) Claim {
		c := Calendar{instant(t, beg), Monthly}
		return Claim{Calendar: c, Cover: Span{c.Anchor, c.Boundary(2)}, Periods: 2}
	}
	g := GroupIncomeRecognised{
		EventBooks: EventBooks{Event: "cpn_x", Provider: gym, Unit: "usd", Backlog: []Moved{{may, 10000}}},
		Label:      "gym-cpn_x", Until: farAway, Ordered: []Moved{{may, 10000}}, Beneficiaries: 3,
		Claims: []Claim{claim("2026-05-10"), claim("2026-05-20")},
	}
	entries := same(t, g, []string{
		"gym:Backlog 1666 <- gym:Income 1666 cpn_x",
		"gym:Backlog 1666 <- gym:Income 1666 cpn_x",
		"gym:Backlog 1667 <- gym:Income 1667 cpn_x",
		"gym:Backlog 1667 <- gym:Income 1667 cpn_x",
	})
	diff(t, "steps", steps(entries), []string{
		"2026-06-09T23:59:59Z 1666", "2026-06-19T23:59:59Z 1666", "2026-07-09T23:59:59Z 1667", "2026-07-19T23:59:59Z 1667",
	})
	var asked []string // when it is looked at, if Next is followed
	for g.Until = may; !g.Until.IsZero(); g.Until = g.Next() {
		asked = append(asked, g.Until.Format(time.DateOnly))
	}
	g.Until = farAway
	diff(t, "looked at", asked, []string{"2026-05-01", "2026-06-10", "2026-06-20", "2026-07-10", "2026-07-20"})
	g.Claims = append(g.Claims, claim("2027-01-01"))
	all, err := g.Entries()
	if err != nil || income(all) != 10000 {
		t.Errorf("all claimed: %d, %v", income(all), err)
	}
	g.Canceled = []Moved{{on(2026, 5, 2), 4000}}
	rest, err := g.Entries()
	if err != nil || income(rest) != 6000 {
		t.Errorf("4000 written off: %d, %v", income(rest), err)
	}
	g.Beneficiaries = 2
	if _, err := g.Entries(); !errors.Is(err, ErrFacts) {
		t.Errorf("more claims than beneficiaries: %v", err)
	}
	g.Beneficiaries, g.Claims[0].Periods = 3, 0
	if _, err := g.Entries(); !errors.Is(err, ErrFacts) {
		t.Errorf("a claim of nothing: %v", err)
	}
}

// For every kind of plan: run day by day, or with runs missing, or once at the end, the same is recognised at the same dates;
// nothing is ever recognised twice, or beyond the orders; and in the end it is all of what was ordered and not written off in
// time.
func TestIncomeCatchesUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		period := Period(rapid.IntRange(int(Hourly), int(Yearly)).Draw(rt, "period"))
		anchor := store.At(time.Date(2024, 1, 1, rapid.IntRange(0, 23).Draw(rt, "hour"), 30, 0, 1000*rapid.IntRange(0, 999_999).Draw(rt, "µs"), time.UTC).
			AddDate(0, 0, rapid.IntRange(0, 800).Draw(rt, "day")))
		h := history{calendar: Calendar{anchor, period}}
		now, end := anchor, anchor
		var ordered int64
		for range rapid.IntRange(1, 5).Draw(rt, "orders") {
			amount := rapid.Int64Range(0, 50_000).Draw(rt, "amount")
			periods := rapid.Int64Range(1, map[Period]int64{Hourly: 900, Daily: 80, Weekly: 12, Monthly: 5, Yearly: 1}[period]).Draw(rt, "periods")
			if rapid.IntRange(0, 9).Draw(rt, "setup fee") == 0 {
				h.orders = append(h.orders, Ordered{now, usd(999), 0})
				ordered += 999
			}
			h.orders = append(h.orders, Ordered{now, usd(amount), periods})
			ordered += amount
			end = h.calendar.Extend(later(end, now), periods)
			pay := rapid.Int64Range(0, 2*amount).Draw(rt, "paid")
			h.payments = append(h.payments, Moved{Daily.Add(now, rapid.Int64Range(0, 40).Draw(rt, "paid after")), min(pay, amount)})
			if amount > 0 && rapid.IntRange(0, 4).Draw(rt, "write off") == 0 {
				h.canceled = append(h.canceled, Moved{Daily.Add(now, rapid.Int64Range(0, 40).Draw(rt, "written off after")), rapid.Int64Range(1, amount).Draw(rt, "written off")})
			}
			now = Daily.Add(now, rapid.Int64Range(0, 50).Draw(rt, "days to the next order"))
		}
		slices.SortStableFunc(h.payments, func(a, b Moved) int { return a.At.Compare(b.At.Time) })
		slices.SortStableFunc(h.canceled, func(a, b Moved) int { return a.At.Compare(b.At.Time) })
		until := Monthly.Add(later(end, now), 3)

		daily, once, asked := h, h, h
		every := rapid.Int64Range(1, 30).Draw(rt, "days between runs")
		for day := anchor; day.Before(until.Time); day = Daily.Add(day, every) {
			daily.run(t, day)
		}
		daily.run(t, until)
		once.run(t, until)
		asked.runWhenAsked(t, until)
		for name, ran := range map[string]history{"daily": daily, "once": once, "when asked": asked} {
			total := income(ran.recognised)
			if total > ordered || len(h.canceled) == 0 && total != ordered {
				rt.Fatalf("%s: %d recognised of %d", name, total, ordered)
			}
			var paid int64
			for _, e := range ran.recognised {
				if e.Dest.Account == AccountBacklog {
					paid += e.Dest.Amount
				}
			}
			if paid > sum(h.payments) {
				rt.Fatalf("%s: %d taken from a backlog of %d", name, paid, sum(h.payments))
			}
			again := ran
			if entries := again.run(t, until); len(entries) > 0 {
				rt.Fatalf("%s: a second run writes %v", name, steps(entries))
			}
		}

		// An order in a gap makes steps that are before it: only a run after it can know them.
		if inTime(h) {
			if d := cmp.Diff(steps(daily.recognised), steps(once.recognised)); d != "" {
				rt.Fatalf("day by day and at once differ (-daily +once):\n%s", d)
			}
			if d := cmp.Diff(steps(asked.recognised), steps(once.recognised)); d != "" {
				rt.Fatalf("when asked and at once differ (-asked +once):\n%s", d)
			}
		}
	})
}

// inTime reports whether every order is placed before its cover begins, or as it begins.
func inTime(h history) bool {
	for i, c := range h.calendar.Covers(h.orders) {
		if h.orders[i].Periods > 0 && c.Start.Before(h.orders[i].At.Time) {
			return false
		}
	}
	return true
}

// The books give back the facts: a subscription with a setup fee, uses of two payers, a write-off and two units.
func TestLoadIncome(t *testing.T) {
	s, _ := books(t)
	anchor := instant(t, "2026-01-01")
	c := Calendar{anchor, Monthly}
	at := on(2026, 1, 1)
	record(t, s,
		SetupFee{At: at, Event: "sub_7/", Payer: ana, Provider: gym, Amount: usd(5000), Plan: "gold"},
		OrderPlaced{At: at, Event: "sub_7/", Payer: ana, Provider: gym, Amount: usd(20000), Periods: 2},
		UseCharged{At: on(2026, 1, 10), Event: "sub_7/3/", Payer: ana, Provider: gym, Price: usd(100), Quantity: 4},
		UseCharged{At: on(2026, 1, 11), Event: "sub_7/3/", Payer: bob, Provider: gym, Price: usd(100), Quantity: 1},
		PaidOffline{At: on(2026, 1, 12), Check: "check_1", Event: "sub_7/", Payer: ana, Provider: gym, Amount: usd(6000), Payable: 25000},
		OrderPlaced{At: on(2026, 2, 20), Event: "sub_7/", Payer: ana, Provider: gym, Amount: Amount{900, "eur"}, Periods: 1},
		WrittenOff{At: on(2026, 2, 10), Event: "sub_7/3/", Payer: bob, Provider: gym, Amount: usd(100), Payable: 100, Label: "bob:gold"},
		OrderPlaced{At: at, Event: "sub_71/", Payer: ana, Provider: gym, Amount: usd(1), Periods: 1}, // somebody else's
	)
	recognise := func() (lines []string) {
		write(t, s, func(tx *store.Tx) error {
			lines = nil
			facts, err := LoadIncome(tx, 7, c, on(2026, 6, 1), func(use int64) string { return "use " + strconv.FormatInt(use, 10) })
			if err != nil {
				return err
			}
			for _, f := range facts {
				entries, err := f.Entries()
				if err != nil {
					return err
				}
				for i, line := range arrows(entries) {
					lines = append(lines, entries[i].CreatedAt.Format(time.DateOnly)+" "+line)
				}
				if _, err := Post(tx, f.Kind(), entries...); err != nil {
					return err
				}
			}
			return nil
		})
		return lines
	}
	diff(t, "recognised", recognise(), []string{
		"2026-03-31 gym:Receivable 900 eur <- gym:Income 900 eur sub_7/",
		"2026-01-31 gym:Backlog 6000 <- gym:Income 6000 sub_7/",
		"2026-01-31 gym:Receivable 9000 <- gym:Income 9000 sub_7/",
		"2026-02-28 gym:Receivable 10000 <- gym:Income 10000 sub_7/",
		"2026-01-31 ana:Liability 400 <- ana:Payable 400 sub_7/3/",
		"2026-01-31 gym:Receivable 500 <- gym:Income 500 sub_7/3/",
	})
	diff(t, "recognised again", recognise(), []string(nil))

	record(t, s,
		OrderPlaced{At: at, Event: "cpn_x", Payer: ana, Provider: gym, Amount: usd(9000), Periods: 1},
		PaidOffline{At: at, Check: "check_2", Event: "cpn_x", Payer: ana, Provider: gym, Amount: usd(9000), Payable: 9000},
	)
	read(t, s, func(r store.Reader) error {
		claims := []Claim{{Calendar: c, Cover: Span{c.Boundary(0), c.Boundary(1)}, Periods: 1}}
		facts, err := LoadGroupIncome(r, "cpn_x", 2, claims, farAway, "gym-cpn_x")
		if err != nil || len(facts) != 1 {
			t.Fatalf("%+v, %v", facts, err)
		}
		same(t, facts[0], []string{"gym:Backlog 4500 <- gym:Income 4500 cpn_x"}, "Recognize gym-cpn_x from 2026-01-01 to 2026-01-31")
		return nil
	})
}

// A claim is the free order that its beneficiary got, with the time that it covers.
func TestLoadClaim(t *testing.T) {
	s, _ := books(t)
	c := Calendar{instant(t, "2026-01-31"), Monthly}
	batch := record(t, s,
		OrderPlaced{At: c.Anchor, Event: "sub_9/", Payer: bob, Provider: gym, Amount: usd(2000), Periods: 1},
		OrderPlaced{At: on(2026, 2, 10), Event: "sub_9/", Payer: bob, Provider: gym, Amount: usd(0), Periods: 2},
	)
	read(t, s, func(r store.Reader) error {
		claim, err := LoadClaim(r, 9, c, batch.Entries[len(batch.Entries)-1].ID)
		if err != nil {
			return err
		}
		diff(t, "claim", claim, Claim{Calendar: c, Cover: Span{c.Boundary(1), c.Boundary(3)}, Periods: 2})
		if _, err := LoadClaim(r, 8, c, batch.Entries[0].ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("of another subscription: %v", err)
		}
		return nil
	})
}
