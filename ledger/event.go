package ledger

import (
	"crypto/rand"
	"encoding/hex"
	"strconv"
	"strings"
)

// maxEventLen is the longest event id that the contract allows (1.1).
const maxEventLen = 50

// SubEvent is the event id of a subscription. Subscription 0 is one that is not stored yet: see OnSubscription.
func SubEvent(subscription int64) string {
	return "sub_" + strconv.FormatInt(subscription, 10) + "/"
}

// UseEvent is the event id of a use charge on a subscription.
func UseEvent(subscription, use int64) string {
	return SubEvent(subscription) + strconv.FormatInt(use, 10) + "/"
}

// ChargeEvent is the event id of a charge.
func ChargeEvent(charge int64) string { return "cha_" + strconv.FormatInt(charge, 10) + "/" }

// RefundEvent is the event id of refunds and chargebacks of one line of a charge.
func RefundEvent(charge, item int64) string {
	return ChargeEvent(charge) + strconv.FormatInt(item, 10) + "/"
}

// NewCheckEvent draws the event id of an offline payment: "check_" and 34 random hexadecimal digits.
func NewCheckEvent() string { return "check_" + randomHex(17) }

// NewCouponCode draws the code of the coupon of a group buy, which is its event id: "cpn_" and 40 random hexadecimal digits.
func NewCouponCode() string { return "cpn_" + randomHex(20) }

func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// OnSubscription rewrites the event id of a line priced before its subscription was stored ("sub_0/", "sub_0/3/") to that
// subscription, and returns any other id as it is.
func OnSubscription(event string, subscription int64) string {
	if rest, ok := strings.CutPrefix(event, "sub_0/"); ok {
		return SubEvent(subscription) + rest
	}
	return event
}

// What an event id resolves to.
const (
	NoEvent           EventKind = iota // an import, a one-time entry, an offline payment, a payout
	SubscriptionEvent                  // "sub_7/"
	UseChargeEvent                     // "sub_7/3/"
	ChargeOrRefund                     // "cha_12/", "cha_12/31/"
	CouponEvent                        // "cpn_…"
)

// An EventKind says what an event id names.
type EventKind uint8

// An Event is what an event id resolves to (3).
type Event struct {
	Kind         EventKind
	Subscription int64  // of SubscriptionEvent and UseChargeEvent
	Use          int64  // of UseChargeEvent
	Charge       int64  // of ChargeOrRefund
	Item         int64  // charge item, of a refund; 0 for the charge itself
	Coupon       string // of CouponEvent: the whole id
}

// ParseEvent resolves an event id. Like the contract it looks at the beginning only: the slash ends a number, so that
// "sub_7/" is never taken for "sub_71/".
func ParseEvent(id string) Event {
	switch {
	case strings.HasPrefix(id, "sub_"):
		subscription, rest, ok := cutNumber(id[len("sub_"):])
		if !ok {
			return Event{}
		}
		if use, _, ok := cutNumber(rest); ok {
			return Event{Kind: UseChargeEvent, Subscription: subscription, Use: use}
		}
		return Event{Kind: SubscriptionEvent, Subscription: subscription}
	case strings.HasPrefix(id, "cha_"):
		charge, rest, ok := cutNumber(id[len("cha_"):])
		if !ok {
			return Event{}
		}
		item, _, _ := cutNumber(rest)
		return Event{Kind: ChargeOrRefund, Charge: charge, Item: item}
	case strings.HasPrefix(id, "cpn_"):
		return Event{Kind: CouponEvent, Coupon: id}
	}
	return Event{}
}

// cutNumber cuts "7/" off the beginning of s.
func cutNumber(s string) (n int64, rest string, ok bool) {
	digits, rest, found := strings.Cut(s, "/")
	if !found || digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, s, false
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return 0, s, false
	}
	return n, rest, true
}
