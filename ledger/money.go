package ledger

import (
	"errors"
	"math/bits"
	"strconv"
	"strings"
)

// MaxAmount is the largest amount of one entry, 10 trillion units. It keeps sums far from the end of an int64.
const MaxAmount = 1_000_000_000_000_000

var (
	// ErrOverflow says that an amount is too large to compute with.
	ErrOverflow = errors.New("ledger: amount out of range")
	// ErrUnit says that a unit is not three letters.
	ErrUnit = errors.New("ledger: a unit is the three letters of a currency")
)

// An Amount is money: 1/100 of a unit, whatever the currency (conventions.md 8.3), with that unit in lower case.
type Amount struct {
	Value int64  `json:"amount"`
	Unit  string `json:"unit"`
}

// String formats the amount as texts show it: "$1121.20", "($5.00)" when negative, "5.00 xxx" when the currency has no symbol
// here (5.0.2).
func (a Amount) String() string { return string(a.Append(nil)) }

// Append appends the form of String to b.
func (a Amount) Append(b []byte) []byte {
	magnitude := uint64(a.Value)
	if a.Value < 0 {
		magnitude = -magnitude
		b = append(b, '(')
	}
	symbol, known := symbols[a.Unit]
	b = append(b, symbol...)
	b = appendHundredths(b, magnitude)
	if !known && a.Unit != "" {
		b = append(b, ' ')
		b = append(b, a.Unit...)
	}
	if a.Value < 0 {
		b = append(b, ')')
	}
	return b
}

// appendHundredths appends v/100 with two decimals.
func appendHundredths(b []byte, v uint64) []byte {
	b = strconv.AppendUint(b, v/100, 10)
	return append(b, '.', '0'+byte(v/10%10), '0'+byte(v%10))
}

var symbols = map[string]string{
	"aud": "$", "cad": "$", "nzd": "$", "usd": "$", "eur": "€", "gbp": "£", "jpy": "¥", "cny": "¥", "inr": "₹",
}

// ParseUnit reads a unit in any case and returns it in lower case. The error is ErrUnit.
func ParseUnit(s string) (string, error) {
	s = strings.ToLower(s)
	if !isUnit(s) {
		return "", ErrUnit
	}
	return s, nil
}

func isUnit(s string) bool {
	if len(s) != 3 {
		return false
	}
	for i := range len(s) {
		if s[i] < 'a' || s[i] > 'z' {
			return false
		}
	}
	return true
}

// Minimum is the amount that a charge must exceed to be worth sending to a processor (11, "charge minimum"): half a unit, or
// what processors ask of currencies whose unit is small.
func Minimum(unit string) int64 {
	if m, ok := minimums[unit]; ok {
		return m
	}
	return 50
}

// Minimal charges published by card processors, for units worth much less or more than a dollar.
var minimums = map[string]int64{
	"aed": 200, "bgn": 100, "czk": 1500, "dkk": 250, "gbp": 30, "hkd": 400, "huf": 17500, "jpy": 5000, "mxn": 1000,
	"myr": 200, "nok": 300, "pln": 200, "ron": 200, "sek": 300, "thb": 1000,
}

// Add returns a + b, or ErrOverflow.
func Add(a, b int64) (int64, error) {
	sum := a + b
	if (a > 0 && b > 0 && sum <= 0) || (a < 0 && b < 0 && sum >= 0) {
		return 0, ErrOverflow
	}
	return sum, nil
}

// Sum adds amounts up, or returns ErrOverflow.
func Sum(amounts ...int64) (int64, error) {
	var total int64
	var err error
	for _, a := range amounts {
		if total, err = Add(total, a); err != nil {
			return 0, err
		}
	}
	return total, nil
}

// Mul returns a × b of two amounts that are not negative, or ErrOverflow.
func Mul(a, b int64) (int64, error) { return MulDiv(a, b, 1) }

// MulDiv returns ⌊a × b ÷ c⌋ for a, b ≥ 0 and c > 0, exactly: the product has 128 bits. The error is ErrOverflow when the
// result does not fit or an argument is out of that range.
func MulDiv(a, b, c int64) (int64, error) {
	if a < 0 || b < 0 || c <= 0 {
		return 0, ErrOverflow
	}
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	if hi >= uint64(c) {
		return 0, ErrOverflow
	}
	q, _ := bits.Div64(hi, lo, uint64(c))
	if q > 1<<63-1 {
		return 0, ErrOverflow
	}
	return int64(q), nil
}

// Percent returns ⌊amount × percent ÷ 10000⌋: percentages are in 1/100 of a percent. The error is ErrOverflow.
func Percent(amount, percent int64) (int64, error) { return MulDiv(amount, percent, 10000) }

// Split cuts total into as many parts as there are weights, in proportion to them. Part k is the difference of two cumulative
// shares, ⌊total × (w₁+…+wₖ) ÷ Σw⌋ − ⌊total × (w₁+…+wₖ₋₁) ÷ Σw⌋: the one rounding point, so that the parts add up to total
// exactly and none is off by 1/100 or more. Neither total nor a weight may be negative; weights that are all zero share
// nothing, so total must be 0 then. The error is ErrOverflow.
func Split(total int64, weights []int64) ([]int64, error) {
	var whole int64
	for _, w := range weights {
		if w < 0 {
			return nil, ErrOverflow
		}
		var err error
		if whole, err = Add(whole, w); err != nil {
			return nil, err
		}
	}
	parts := make([]int64, len(weights))
	if whole == 0 {
		if total != 0 {
			return nil, ErrOverflow
		}
		return parts, nil
	}
	var weight, before int64
	for i, w := range weights {
		weight += w
		upTo, err := MulDiv(total, weight, whole)
		if err != nil {
			return nil, err
		}
		parts[i] = upTo - before
		before = upTo
	}
	return parts, nil
}

// fit lowers every part to its room and adds what was cut to the next parts that have some, from the last part on to the
// first ones. The error is ErrOverflow when there is not room enough in all.
func fit(parts, room []int64) error {
	var over int64
	for range 2 {
		for i := range parts {
			parts[i] += over
			over = max(parts[i]-room[i], 0)
			parts[i] -= over
		}
	}
	if over > 0 {
		return ErrOverflow
	}
	return nil
}
