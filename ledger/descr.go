package ledger

import (
	"strconv"
	"strings"

	"github.com/caddy-tollgate/tollgate/store"
)

// Texts of entries (5.0.2, subscriptions.md 12.1). People and spreadsheets rely on them; programs never read them back.

// balancing is the text of legs that only keep two accounts of the same profile in step.
const balancing = "Keep a balanced ledger"

// OrderText is the text of a subscription order: n natural periods of a plan, up to endsAt (its date in UTC).
func OrderText(plan string, endsAt store.Time, n int64, period Period, suffix string) string {
	text := "Subscription to " + plan + " until " + endsAt.UTC().Format("2006/01/02") + " (" + period.Count(n) + ")"
	if suffix != "" {
		text += " - " + suffix
	}
	return text
}

// A Suffix is what follows " - " in the text of an order. Fields that are empty or zero print nothing.
type Suffix struct {
	Beneficiary string // printable name of the subscriber, in renewals of a profile without its own login
	Percent     int64  // discount, in 1/100 of a percent
	Free        int64  // natural periods free
	Period      Period
	Off         Amount // money off
	Coupon      string // code of an ordinary coupon
	Payer       string // who pays for a group buy, in place of Coupon
	FullName    string // for whom it is bought, with SyncOn
	SyncOn      string
}

// String words the suffix.
func (s Suffix) String() string {
	var discounts []string
	if s.Percent != 0 {
		discounts = append(discounts, "a "+percentText(s.Percent)+" discount")
	}
	if s.Free != 0 {
		discounts = append(discounts, s.Period.Count(s.Free)+" free")
	}
	if s.Off.Value != 0 {
		discounts = append(discounts, "a "+s.Off.String()+" off")
	}
	text := strings.Join(discounts, " and ")
	if s.Beneficiary != "" {
		text = strings.TrimSuffix(s.Beneficiary+" "+text, " ")
	}
	switch {
	case s.Payer != "":
		text += ", complimentary of " + s.Payer
	case s.Coupon != "":
		text += " (code: " + s.Coupon + ")"
	}
	if s.SyncOn != "" {
		text += " for " + s.FullName + " (" + s.SyncOn + ")"
	}
	return strings.TrimLeft(text, " ,")
}

// percentText is 2000 as "20%" and 2803 as "28.03%".
func percentText(percent int64) string {
	if percent%100 == 0 {
		return strconv.FormatInt(percent/100, 10) + "%"
	}
	return string(appendHundredths(nil, uint64(percent))) + "%"
}

// UseText is the text of a use charge.
func UseText(quantity int64, plan, use string) string {
	return "Buy " + strconv.FormatInt(quantity, 10) + " " + plan + " " + use
}

// SetupFeeText is the text of a setup fee.
func SetupFeeText(plan string) string { return "Setup fee for " + plan }

// BalanceText is the text of the line that pays a balance.
func BalanceText(plan string) string { return "Balance on " + plan }

// UnlockNowText and UnlockLaterText are the two options of a plan that is free until an event (subscriptions.md 3.7).
func UnlockNowText(plan, event string) string {
	return "Unlock " + plan + " now. Don't worry later to " + event + "."
}

// UnlockLaterText is the option that pays later.
func UnlockLaterText(plan string, price Amount, event string) string {
	return "Access " + plan + " Today. Pay " + price.String() + " later to " + event + "."
}

// ChargeText is the text of a card payment, and the description of its charge. user may be "".
func ChargeText(key, cardName, user string) string {
	return byUser("Charge "+key+" on credit card of "+cardName, user)
}

// byUser adds who caused it.
func byUser(text, user string) string {
	if user == "" {
		return text
	}
	return text + " (" + user + ")"
}

// SubscriptionLabel names a subscription in texts.
func SubscriptionLabel(subscriber, plan string) string { return subscriber + ":" + plan }

// UseLabel names a use charge on a subscription in texts.
func UseLabel(subscriber, plan, use string) string { return subscriber + ":" + plan + ":" + use }

// CouponLabel names a group buy in texts.
func CouponLabel(provider, code string) string { return provider + "-" + code }
