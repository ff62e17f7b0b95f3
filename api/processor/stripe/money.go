package stripe

import "fmt"

// Stripe counts in the smallest unit of a currency, which is not always 1/100 (ledger.md 11).

// zeroDecimal are the currencies without a smaller unit.
var zeroDecimal = set("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf")

// threeDecimal are those with 1/1000; the last digit has to be 0.
var threeDecimal = set("bhd", "jod", "kwd", "omr", "tnd")

// whole are those that Stripe counts in 1/100, and takes no fractions of.
var whole = set("isk", "ugx")

func set(words ...string) map[string]bool {
	m := make(map[string]bool, len(words))
	for _, w := range words {
		m[w] = true
	}
	return m
}

// toStripe is an amount of 1/100 of the unit as Stripe counts. Error: the currency has no such fraction.
func toStripe(amount int64, unit string) (int64, error) {
	if (zeroDecimal[unit] || whole[unit]) && amount%100 != 0 {
		return 0, fmt.Errorf("stripe: %d is not a whole amount of %s", amount, unit)
	}
	switch {
	case zeroDecimal[unit]:
		return amount / 100, nil
	case threeDecimal[unit]:
		return amount * 10, nil
	}
	return amount, nil
}

// feeToStripe is a part of an amount as Stripe counts, rounded down to what the currency has.
func feeToStripe(amount int64, unit string) int64 {
	if zeroDecimal[unit] || whole[unit] {
		amount -= amount % 100
	}
	n, _ := toStripe(amount, unit)
	return n
}

// fromStripe is what Stripe counts in 1/100 of the unit, rounded down.
func fromStripe(amount int64, unit string) int64 {
	switch {
	case zeroDecimal[unit]:
		return amount * 100
	case threeDecimal[unit]:
		return amount / 10
	}
	return amount
}
