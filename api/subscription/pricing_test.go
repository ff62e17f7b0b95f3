package subscription

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

func day(y int, m time.Month, d int) store.Time {
	return store.At(time.Date(y, m, d, 10, 0, 0, 0, time.UTC))
}

var ordered = day(2026, 11, 23)

// offers are the texts and amounts of the options of a plan, ordered now.
func offers(t Terms, coupon Discount, code string) (all []string) {
	for _, p := range t.Prices(coupon) {
		until := t.Extended(ordered, ordered, p.Periods)
		all = append(all, fmt.Sprintf("%d %s", p.Amount, t.Text(p, until, ledger.Suffix{Coupon: code})))
	}
	return all
}

func TestWorkedPrices(t *testing.T) {
	mo := Terms{Plan: "mo", Unit: "usd", Amount: 9000, Period: ledger.Monthly, Length: 1, Advance: []AdvanceDiscount{
		{Discount{Percentage, 1000}, 12}, {Discount{Currency, 1000}, 12}, {Discount{FreePeriods, 2}, 12},
	}}
	odd := Terms{Plan: "odd", Unit: "usd", Amount: 1999, Period: ledger.Monthly, Length: 1, Advance: []AdvanceDiscount{{Discount{Percentage, 1033}, 3}}}
	quarter := Terms{Plan: "quarter", Unit: "usd", Amount: 6000, Period: ledger.Monthly, Length: 3, Advance: []AdvanceDiscount{{Discount{Percentage, 1500}, 4}}}
	simple := Terms{Plan: "simple", Unit: "usd", Amount: 17999, Period: ledger.Monthly, Length: 1}
	yearly := Terms{Plan: "y", Unit: "eur", Amount: 17999, Period: ledger.Monthly, Length: 1, Advance: []AdvanceDiscount{{Discount{Percentage, 1000}, 12}}}
	unlock := Terms{Plan: "open", Unit: "usd", Amount: 9000, Period: ledger.Monthly, Length: 3, Unlock: "launch", Advance: mo.Advance}
	free := Terms{Plan: "free", Unit: "usd", Period: ledger.Yearly, Length: 1, Advance: mo.Advance}
	three := Terms{Plan: "3-month-pass", Unit: "usd", Amount: 100, Period: ledger.Weekly, Length: 2, Advance: []AdvanceDiscount{
		{Discount{FreePeriods, 1}, 5}, {Discount{Currency, 100}, 2}, {Discount{Currency, 50}, 5},
	}}
	for _, test := range []struct {
		name   string
		terms  Terms
		coupon Discount
		code   string
		want   []string
	}{
		{"no coupon", mo, Discount{}, "", []string{
			"9000 Subscription to mo until 2026/12/23 (1 month)",
			"97200 Subscription to mo until 2027/11/23 (12 months) - a 10% discount",
			"107000 Subscription to mo until 2027/11/23 (12 months) - a $10.00 off",
			"90000 Subscription to mo until 2027/11/23 (12 months) - 2 months free",
		}},
		{"half", mo, Discount{Percentage, 5000}, "P50", []string{
			"4500 Subscription to mo until 2026/12/23 (1 month) - a 50% discount (code: P50)",
			"48600 Subscription to mo until 2027/11/23 (12 months) - a 55% discount (code: P50)",
			"53500 Subscription to mo until 2027/11/23 (12 months) - a 50% discount and a $10.00 off (code: P50)",
			"45000 Subscription to mo until 2027/11/23 (12 months) - a 50% discount and 2 months free (code: P50)",
		}},
		{"currency", mo, Discount{Currency, 5000}, "D50", []string{
			"4000 Subscription to mo until 2026/12/23 (1 month) - a $50.00 off (code: D50)",
			"92200 Subscription to mo until 2027/11/23 (12 months) - a 10% discount and a $50.00 off (code: D50)",
			"102000 Subscription to mo until 2027/11/23 (12 months) - a $60.00 off (code: D50)",
			"85000 Subscription to mo until 2027/11/23 (12 months) - 2 months free and a $50.00 off (code: D50)",
		}},
		{"period", mo, Discount{FreePeriods, 1}, "M1", []string{
			"0 Subscription to mo until 2026/12/23 (1 month) - 1 month free (code: M1)",
			"88200 Subscription to mo until 2027/11/23 (12 months) - a 10% discount and 1 month free (code: M1)",
			"98000 Subscription to mo until 2027/11/23 (12 months) - 1 month free and a $10.00 off (code: M1)",
			"81000 Subscription to mo until 2027/11/23 (12 months) - 3 months free (code: M1)",
		}},
		{"a third", mo, Discount{Percentage, 3333}, "T", []string{
			"6001 Subscription to mo until 2026/12/23 (1 month) - a 33.33% discount (code: T)",
			"64804 Subscription to mo until 2027/11/23 (12 months) - a 39.99% discount (code: T)",
			"71337 Subscription to mo until 2027/11/23 (12 months) - a 33.33% discount and a $10.00 off (code: T)",
			"60003 Subscription to mo until 2027/11/23 (12 months) - a 33.33% discount and 2 months free (code: T)",
		}},
		{"all", mo, Discount{Percentage, 10000}, "FREE", []string{"0 Subscription to mo until 2026/12/23 (1 month) - a 100% discount (code: FREE)"}},
		{"odd amounts", odd, Discount{}, "", []string{
			"1999 Subscription to odd until 2026/12/23 (1 month)",
			"5300 Subscription to odd until 2027/02/23 (3 months) - a 10.33% discount",
		}},
		{"odd amounts, currency", odd, Discount{Currency, 5000}, "D50", []string{
			"0 Subscription to odd until 2026/12/23 (1 month) - a $50.00 off (code: D50)",
			"300 Subscription to odd until 2027/02/23 (3 months) - a 10.33% discount and a $50.00 off (code: D50)",
		}},
		{"odd amounts, period", odd, Discount{FreePeriods, 1}, "M1", []string{
			"0 Subscription to odd until 2026/12/23 (1 month) - 1 month free (code: M1)",
			"3301 Subscription to odd until 2027/02/23 (3 months) - a 10.33% discount and 1 month free (code: M1)",
		}},
		{"long steps", quarter, Discount{}, "", []string{
			"6000 Subscription to quarter until 2027/02/23 (3 months)",
			"20400 Subscription to quarter until 2027/11/23 (12 months) - a 15% discount",
		}},
		{"long steps, half", quarter, Discount{Percentage, 5000}, "P50", []string{
			"3000 Subscription to quarter until 2027/02/23 (3 months) - a 50% discount (code: P50)",
			"10200 Subscription to quarter until 2027/11/23 (12 months) - a 57.50% discount (code: P50)",
		}},
		{"no advance discount, half", simple, Discount{Percentage, 5000}, "P", []string{"9000 Subscription to simple until 2026/12/23 (1 month) - a 50% discount (code: P)"}},
		{"no advance discount, a third", simple, Discount{Percentage, 3333}, "P", []string{"12000 Subscription to simple until 2026/12/23 (1 month) - a 33.33% discount (code: P)"}},
		{"ledger.md 5.2", yearly, Discount{Percentage, 2000}, "S", []string{
			"14400 Subscription to y until 2026/12/23 (1 month) - a 20% discount (code: S)",
			"155440 Subscription to y until 2027/11/23 (12 months) - a 28.03% discount (code: S)",
		}},
		{"unlock plan", unlock, Discount{Currency, 500}, "D5", []string{
			"8500 Unlock open now. Don't worry later to launch.",
			"0 Access open Today. Pay $90.00 later to launch.",
		}},
		{"unlock plan for less than nothing", unlock, Discount{Currency, 99999}, "D", []string{
			"0 Unlock open now. Don't worry later to launch.",
			"0 Access open Today. Pay $90.00 later to launch.",
		}},
		{"free plan", free, Discount{Percentage, 5000}, "P", []string{"0 Subscription to free until 2027/11/23 (1 year) - a 50% discount (code: P)"}},
		{"free steps are told in periods, options by length, a slug with a number", three, Discount{}, "", []string{
			"100 Subscription to 3-month-pass until 2026/12/07 (2 weeks)",
			"100 Subscription to 3-month-pass until 2026/12/21 (4 weeks) - a $1.00 off",
			"400 Subscription to 3-month-pass until 2027/02/01 (10 weeks) - 2 weeks free",
			"450 Subscription to 3-month-pass until 2027/02/01 (10 weeks) - a $0.50 off",
		}},
		{"a discount of more than the price is not offered", Terms{Plan: "x", Unit: "usd", Amount: 100, Period: ledger.Daily, Length: 1,
			Advance: []AdvanceDiscount{{Discount{Currency, 500}, 2}, {Discount{FreePeriods, 3}, 3}, {Discount{Percentage, 10000}, 9}}}, Discount{}, "",
			[]string{"100 Subscription to x until 2026/11/24 (1 day)"}},
		{"a price below a whole unit after a percentage is not offered", Terms{Plan: "x", Unit: "usd", Amount: 30, Period: ledger.Daily, Length: 1,
			Advance: []AdvanceDiscount{{Discount{Percentage, 0}, 3}, {Discount{Percentage, 0}, 4}}}, Discount{}, "", []string{
			"30 Subscription to x until 2026/11/24 (1 day)",
			"100 Subscription to x until 2026/11/27 (4 days)",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, offers(test.terms, test.coupon, test.code)); diff != "" {
				t.Errorf("options (-want +got):\n%s", diff)
			}
		})
	}
}

// The examples of subscriptions.md 12.1 that are not about discounts.
func TestOrderTexts(t *testing.T) {
	simple := Terms{Plan: "simple", Unit: "usd", Amount: 100, Period: ledger.Monthly, Length: 1}
	for _, test := range []struct {
		coupon Discount
		note   ledger.Suffix
		want   string
	}{
		{Discount{}, ledger.Suffix{FullName: "Bob Known", SyncOn: "bob@example.com"}, "Subscription to simple until 2026/12/23 (1 month) - for Bob Known (bob@example.com)"},
		{Discount{}, ledger.Suffix{Beneficiary: "Acme Inc"}, "Subscription to simple until 2026/12/23 (1 month) - Acme Inc"},
		{Discount{Percentage, 10000}, ledger.Suffix{Payer: "Zoe"}, "Subscription to simple until 2026/12/23 (1 month) - a 100% discount, complimentary of Zoe"},
		{Discount{Percentage, 1000}, ledger.Suffix{Coupon: "TEN", FullName: "Bob", SyncOn: "bob"},
			"Subscription to simple until 2026/12/23 (1 month) - a 10% discount (code: TEN) for Bob (bob)"},
	} {
		p := simple.Prices(test.coupon)[0]
		if got := simple.Text(p, simple.Extended(ordered, ordered, p.Periods), test.note); got != test.want {
			t.Errorf("text is %q, want %q", got, test.want)
		}
	}
}

// A renewal bills what it extends by (must-pass 3), and option k extends by the periods of its text (must-pass 2).
func TestRenewalPrice(t *testing.T) {
	quarter := Terms{Plan: "quarter", Unit: "usd", Amount: 6000, Period: ledger.Monthly, Length: 3, Setup: 900, Advance: []AdvanceDiscount{{Discount{Percentage, 1500}, 4}}}
	if diff := cmp.Diff(Price{Amount: 6000, Steps: 1, Periods: 3}, quarter.Renewal()); diff != "" {
		t.Errorf("renewal (-want +got):\n%s", diff)
	}
}

func anyDiscount(t *rapid.T, name string) Discount {
	d := Discount{Type: DiscountType(rapid.IntRange(1, 3).Draw(t, name+" type"))}
	switch d.Type {
	case Percentage:
		d.Value = rapid.Int64Range(0, 10000).Draw(t, name+" percent")
	case Currency:
		d.Value = rapid.OneOf(rapid.Int64Range(0, 100_000), rapid.Int64Range(0, 1<<31-1)).Draw(t, name+" amount")
	case FreePeriods:
		d.Value = rapid.OneOf(rapid.Int64Range(0, 20), rapid.Int64Range(0, 1<<31-1)).Draw(t, name+" steps")
	}
	return d
}

func anyTerms(t *rapid.T) Terms {
	terms := Terms{Plan: "p", Unit: "usd", Period: ledger.Period(rapid.IntRange(1, 5).Draw(t, "period")),
		Amount: rapid.OneOf(rapid.Int64Range(0, 30_000), rapid.Int64Range(0, 1<<31-1)).Draw(t, "amount"),
		Length: rapid.Int64Range(1, 12).Draw(t, "length")}
	for range rapid.IntRange(0, 4).Draw(t, "advance discounts") {
		terms.Advance = append(terms.Advance, AdvanceDiscount{anyDiscount(t, "advance"), rapid.OneOf(rapid.Int64Range(1, 24), rapid.Int64Range(1, 65535)).Draw(t, "steps")})
	}
	return terms
}

func TestPricesOfAnyPlan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		terms, coupon := anyTerms(t), anyDiscount(t, "coupon")
		prices := terms.Prices(coupon)
		if len(prices) == 0 || prices[0].Steps != 1 || len(prices) > 1+len(terms.Advance) {
			t.Fatalf("options %+v of %+v", prices, terms)
		}
		for i, p := range prices {
			switch {
			case p.Amount < 0:
				t.Fatalf("option %d costs %d", i+1, p.Amount)
			case p.Amount > p.Steps*terms.Amount:
				t.Fatalf("option %d costs %d, undiscounted %d", i+1, p.Amount, p.Steps*terms.Amount)
			case i > 0 && p.Amount == 0:
				t.Fatalf("option %d is free", i+1)
			case p.Periods != p.Steps*terms.Length:
				t.Fatalf("option %d of %d steps extends by %d periods", i+1, p.Steps, p.Periods)
			case i > 1 && p.Steps < prices[i-1].Steps:
				t.Fatalf("option %d is shorter than the one before", i+1)
			case p.Percent > 10000 || p.Percent < 0:
				t.Fatalf("option %d tells of %d percent", i+1, p.Percent)
			}
		}
		if full := terms.Prices(Discount{}); terms.Step(Discount{}) != terms.Amount || full[0].Amount != terms.Amount {
			t.Fatalf("a step without a coupon costs %d, not %d", full[0].Amount, terms.Amount)
		}
	})
}

// More steps with the same advance discount, and the same coupon, never cost less.
func TestPricesGrowWithLength(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		terms, coupon, advance := anyTerms(t), anyDiscount(t, "coupon"), anyDiscount(t, "advance")
		short := rapid.Int64Range(1, 65534).Draw(t, "short")
		long := rapid.Int64Range(short, 65535).Draw(t, "long")
		price := func(steps int64) int64 {
			terms.Advance = []AdvanceDiscount{{advance, steps}}
			if prices := terms.Prices(coupon); len(prices) == 2 {
				return prices[1].Amount
			}
			return 0 // not offered
		}
		if s, l := price(short), price(long); s > l {
			t.Fatalf("%d steps cost %d, %d steps %d", short, s, long, l)
		}
	})
}

// A coupon that is worth more never makes anything dearer.
func TestPricesFallWithCoupon(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		terms, coupon := anyTerms(t), anyDiscount(t, "coupon")
		terms.Advance = []AdvanceDiscount{{anyDiscount(t, "advance"), rapid.Int64Range(1, 24).Draw(t, "steps")}}
		less := coupon
		less.Value = rapid.Int64Range(0, coupon.Value).Draw(t, "less")
		prices := func(c Discount) [2]int64 {
			var all [2]int64 // 0 for what is not offered
			for i, p := range terms.Prices(c) {
				all[i] = p.Amount
			}
			return all
		}
		if more, fewer := prices(coupon), prices(less); more[0] > fewer[0] || more[1] > fewer[1] {
			t.Fatalf("%+v: prices %v, and %v with only %+v", coupon, more, fewer, less)
		}
	})
}

// The dates of subscriptions.md 3.8.
func TestExtendedDates(t *testing.T) {
	at := func(date string) store.Time {
		d, err := time.Parse(time.DateOnly, date)
		if err != nil {
			t.Fatal(err)
		}
		return store.At(d.Add(11*time.Hour + 20*time.Minute))
	}
	for _, test := range []struct {
		period        ledger.Period
		created, ends string
		n             int64
		want          string
	}{
		{ledger.Monthly, "2026-01-31", "2026-01-31", 1, "2026-02-28"},
		{ledger.Monthly, "2026-01-31", "2026-01-31", 2, "2026-03-31"},
		{ledger.Monthly, "2026-03-31", "2026-03-31", 1, "2026-04-30"},
		{ledger.Monthly, "2026-08-31", "2026-08-31", 6, "2027-02-28"},
		{ledger.Yearly, "2024-02-29", "2024-02-29", 1, "2025-02-28"},
		{ledger.Monthly, "2024-02-29", "2024-02-29", 12, "2025-02-28"},
		{ledger.Yearly, "2024-02-29", "2025-02-28", 3, "2028-02-29"},
		{ledger.Monthly, "2026-01-31", "2026-02-28", 1, "2026-03-31"}, // a boundary: no drift
		{ledger.Monthly, "2026-01-10", "2026-01-31", 1, "2026-02-28"}, // moved by hand: added to
		{ledger.Monthly, "2026-01-10", "2026-02-28", 1, "2026-03-28"},
		{ledger.Weekly, "2026-03-25", "2026-03-25", 1, "2026-04-01"}, // across a change to summer time
		{ledger.Daily, "2026-03-28", "2026-03-28", 2, "2026-03-30"},
	} {
		terms := Terms{Period: test.period}
		if got := terms.Extended(at(test.created), at(test.ends), test.n); got != at(test.want) {
			t.Errorf("%s: %s of %s, extended by %d, ends %s, want %s", test.period, test.ends, test.created, test.n, got, test.want)
		}
	}
}

// Extending by one period n times is extending once by n, for a subscription that ends on one of its boundaries, which is every one
// whose end nobody moved; by hours, days and weeks it is so for every end.
func TestExtendingIsAdditive(t *testing.T) {
	zones := []string{"UTC", "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"}
	rapid.Check(t, func(t *rapid.T) {
		zone, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		local := time.Date(rapid.IntRange(2019, 2032).Draw(t, "year"), time.Month(rapid.IntRange(1, 12).Draw(t, "month")),
			rapid.SampledFrom([]int{1, 8, 25, 26, 27, 28, 29, 30, 31}).Draw(t, "day"), rapid.IntRange(0, 23).Draw(t, "hour"), rapid.IntRange(0, 59).Draw(t, "minute"), 0, 0, zone)
		created := store.At(local)
		terms := Terms{Period: ledger.Period(rapid.IntRange(1, 5).Draw(t, "period"))}
		ends := terms.Extended(created, created, rapid.Int64Range(0, 30).Draw(t, "sold before"))
		if terms.Period <= ledger.Weekly {
			ends = store.At(ends.Add(time.Duration(rapid.IntRange(0, 1_000_000).Draw(t, "moved by")) * time.Second))
		}
		n := rapid.Int64Range(1, 40).Draw(t, "n")
		once, steps := terms.Extended(created, ends, n), ends
		for range n {
			next := terms.Extended(created, steps, 1)
			if !next.After(steps.Time) {
				t.Fatalf("a period after %s ends %s", steps, next)
			}
			steps = next
		}
		if once != steps {
			t.Fatalf("%s from %s: %d at once end %s, one by one %s", terms.Period, ends, n, once, steps)
		}
	})
}
