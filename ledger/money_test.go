package ledger

import (
	"errors"
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

func TestAmountString(t *testing.T) {
	tests := []struct {
		amount Amount
		want   string
	}{
		{Amount{112120, "usd"}, "$1121.20"},
		{Amount{123456789, "usd"}, "$1234567.89"},
		{Amount{-500, "usd"}, "($5.00)"},
		{Amount{-17999, "usd"}, "($179.99)"},
		{Amount{500, "xxx"}, "5.00 xxx"},
		{Amount{-1200, "xyz"}, "(12.00 xyz)"},
		{Amount{0, "usd"}, "$0.00"},
		{Amount{5, "eur"}, "€0.05"},
		{Amount{50, "cad"}, "$0.50"},
		{Amount{5000, "jpy"}, "¥50.00"},
		{Amount{99, "gbp"}, "£0.99"},
		{Amount{7, ""}, "0.07"},
		{Amount{math.MinInt64, "usd"}, "($92233720368547758.08)"},
		{Amount{math.MaxInt64, "usd"}, "$92233720368547758.07"},
	}
	for _, tt := range tests {
		if got := tt.amount.String(); got != tt.want {
			t.Errorf("%d %s: %q, want %q", tt.amount.Value, tt.amount.Unit, got, tt.want)
		}
	}
}

func TestParseUnit(t *testing.T) {
	for in, want := range map[string]string{"usd": "usd", "USD": "usd", "Eur": "eur", "xxx": "xxx"} {
		if got, err := ParseUnit(in); got != want || err != nil {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "us", "usdx", "u$d", "us1", " usd", "€uro", "K\u212a"} {
		if got, err := ParseUnit(in); !errors.Is(err, ErrUnit) {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}

func TestMinimum(t *testing.T) {
	for unit, want := range map[string]int64{"usd": 50, "eur": 50, "gbp": 30, "jpy": 5000, "xxx": 50} {
		if got := Minimum(unit); got != want {
			t.Errorf("%s: %d, want %d", unit, got, want)
		}
	}
}

func TestSumsOverflow(t *testing.T) {
	for _, tt := range [][2]int64{{math.MaxInt64, 1}, {math.MinInt64, -1}, {math.MinInt64, math.MinInt64}, {math.MaxInt64, math.MaxInt64}} {
		if sum, err := Add(tt[0], tt[1]); !errors.Is(err, ErrOverflow) {
			t.Errorf("%d + %d = %d, %v", tt[0], tt[1], sum, err)
		}
	}
	for _, tt := range [][3]int64{{1, 2, 3}, {math.MaxInt64, -1, math.MaxInt64 - 1}, {math.MinInt64, math.MaxInt64, -1}, {-3, 3, 0}, {math.MinInt64, 0, math.MinInt64}} {
		if sum, err := Add(tt[0], tt[1]); sum != tt[2] || err != nil {
			t.Errorf("%d + %d = %d, %v", tt[0], tt[1], sum, err)
		}
	}
	if total, err := Sum(math.MaxInt64, 1, -5); !errors.Is(err, ErrOverflow) {
		t.Errorf("sum %d, %v", total, err)
	}
	if product, err := Mul(math.MaxInt64/2+1, 2); !errors.Is(err, ErrOverflow) {
		t.Errorf("product %d, %v", product, err)
	}
}

func TestMulDivIsExact(t *testing.T) {
	anyAmount := rapid.OneOf(rapid.Int64Range(0, 1000), rapid.Int64Range(0, math.MaxInt64))
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyAmount.Draw(t, "a"), anyAmount.Draw(t, "b")
		c := rapid.OneOf(rapid.Int64Range(1, 1000), rapid.Int64Range(1, math.MaxInt64)).Draw(t, "c")
		want := new(big.Int).Mul(big.NewInt(a), big.NewInt(b))
		want.Quo(want, big.NewInt(c))
		got, err := MulDiv(a, b, c)
		if !want.IsInt64() {
			if !errors.Is(err, ErrOverflow) {
				t.Fatalf("%d × %d ÷ %d: %d, %v, want an overflow", a, b, c, got, err)
			}
			return
		}
		if err != nil || got != want.Int64() {
			t.Fatalf("%d × %d ÷ %d: %d, %v, want %s", a, b, c, got, err, want)
		}
	})
	for _, tt := range [][3]int64{{-1, 1, 1}, {1, -1, 1}, {-1, 0, 1}, {0, -1, 1}, {1, 1, 0}, {1, 1, -1}} {
		if got, err := MulDiv(tt[0], tt[1], tt[2]); !errors.Is(err, ErrOverflow) {
			t.Errorf("%v: %d, %v", tt, got, err)
		}
	}
}

// The parts of a split add up to the whole, and each is its exact share to within less than 1/100 of a unit.
func TestSplitAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.OneOf(rapid.Int64Range(0, 100), rapid.Int64Range(0, math.MaxInt64)).Draw(t, "total")
		weights := rapid.SliceOfN(rapid.OneOf(rapid.Int64Range(0, 3), rapid.Int64Range(0, math.MaxInt64/64)), 1, 50).Draw(t, "weights")
		var whole int64
		for _, w := range weights {
			whole += w
		}
		parts, err := Split(total, weights)
		if whole == 0 && total != 0 {
			if !errors.Is(err, ErrOverflow) {
				t.Fatalf("%d shared by nobody: %v, %v", total, parts, err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		var sum int64
		for i, p := range parts {
			sum += p
			if whole == 0 {
				continue
			}
			off := new(big.Rat).Mul(big.NewRat(total, 1), big.NewRat(weights[i], whole))
			off.Sub(off, big.NewRat(p, 1))
			if p < 0 || off.Abs(off).Cmp(big.NewRat(1, 1)) >= 0 {
				t.Fatalf("part %d of %d by %v is %d", i, total, weights, p)
			}
		}
		if sum != total {
			t.Fatalf("%d by %v: parts %v add up to %d", total, weights, parts, sum)
		}
	})
	if parts, err := Split(5, []int64{1, -1, 2}); !errors.Is(err, ErrOverflow) {
		t.Errorf("a negative weight: %v, %v", parts, err)
	}
	if parts, err := Split(5, []int64{math.MaxInt64, math.MaxInt64}); !errors.Is(err, ErrOverflow) {
		t.Errorf("weights beyond an int64: %v, %v", parts, err)
	}
	if parts, err := Split(-5, []int64{1}); !errors.Is(err, ErrOverflow) {
		t.Errorf("a negative total: %v, %v", parts, err)
	}
}

func TestFit(t *testing.T) {
	tests := []struct {
		parts, room, want []int64
	}{
		{[]int64{5, 5}, []int64{9, 9}, []int64{5, 5}},
		{[]int64{5, 5}, []int64{2, 9}, []int64{2, 8}},
		{[]int64{5, 5}, []int64{9, 2}, []int64{8, 2}},
		{[]int64{5, 5, 5}, []int64{5, 0, 10}, []int64{5, 0, 10}},
		{[]int64{5, 0, 5}, []int64{6, 4, 0}, []int64{6, 4, 0}},
	}
	for _, tt := range tests {
		got := append([]int64{}, tt.parts...)
		if err := fit(got, tt.room); err != nil {
			t.Error(err)
		}
		diff(t, "fitted", got, tt.want)
	}
	if err := fit([]int64{5, 5}, []int64{4, 5}); !errors.Is(err, ErrOverflow) {
		t.Errorf("no room: %v", err)
	}
}
