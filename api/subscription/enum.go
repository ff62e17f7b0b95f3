package subscription

import (
	"fmt"
	"slices"
)

// DiscountType says in what a discount is measured. The numbers are those of the database (subscriptions.md 1.4).
type DiscountType uint8

// Types of advance discounts and coupons.
const (
	Percentage  DiscountType = 1 // in 1/100 of a percent of the price
	Currency    DiscountType = 2 // in 1/100 of the plan's unit
	FreePeriods DiscountType = 3 // in billing steps that are free
)

var discountTypes = []string{"percentage", "currency", "period"}

// Choices are the types as JSON names them.
func (DiscountType) Choices() []string { return discountTypes }

// MarshalText is the type as JSON names it.
func (t DiscountType) MarshalText() ([]byte, error) { return nameOf(discountTypes, int(t)-1) }

// UnmarshalText reads a type as JSON names it.
func (t *DiscountType) UnmarshalText(text []byte) error {
	i, err := indexOf(discountTypes, text)
	*t = DiscountType(i + 1)
	return err
}

// RenewalType says what happens when a subscription ends (subscriptions.md 1.4).
type RenewalType uint8

// Types of renewals.
const (
	OneTime   RenewalType = 0 // it ends
	AutoRenew RenewalType = 1 // it is extended and charged
	Repeat    RenewalType = 2 // it ends, and the subscriber is told in time to buy again
)

var renewalTypes = []string{"one-time", "auto-renew", "repeat"}

// Choices are the types as JSON names them.
func (RenewalType) Choices() []string { return renewalTypes }

// MarshalText is the type as JSON names it.
func (t RenewalType) MarshalText() ([]byte, error) { return nameOf(renewalTypes, int(t)) }

// UnmarshalText reads a type as JSON names it.
func (t *RenewalType) UnmarshalText(text []byte) error {
	i, err := indexOf(renewalTypes, text)
	*t = RenewalType(i)
	return err
}

func nameOf(names []string, i int) ([]byte, error) {
	if i < 0 || i >= len(names) {
		return nil, fmt.Errorf("subscription: %d is none of %q", i, names)
	}
	return []byte(names[i]), nil
}

func indexOf(names []string, text []byte) (int, error) {
	i := slices.Index(names, string(text))
	if i < 0 {
		return 0, fmt.Errorf("subscription: %q is none of %q", text, names)
	}
	return i, nil
}
