package ledger

import (
	"regexp"
	"testing"
)

func TestParseEvent(t *testing.T) {
	tests := []struct {
		id   string
		want Event
	}{
		{"sub_7/", Event{Kind: SubscriptionEvent, Subscription: 7}},
		{"sub_71/", Event{Kind: SubscriptionEvent, Subscription: 71}},
		{"sub_7/3/", Event{Kind: UseChargeEvent, Subscription: 7, Use: 3}},
		{"sub_0/3/", Event{Kind: UseChargeEvent, Use: 3}},
		{"sub_7/3/9", Event{Kind: UseChargeEvent, Subscription: 7, Use: 3}},
		{"sub_7/3", Event{Kind: SubscriptionEvent, Subscription: 7}},
		{"sub_7/x/", Event{Kind: SubscriptionEvent, Subscription: 7}},
		{"sub_7", Event{}},
		{"sub_/", Event{}},
		{"sub_-7/", Event{}},
		{"sub_99999999999999999999/", Event{}},
		{"cha_12/", Event{Kind: ChargeOrRefund, Charge: 12}},
		{"cha_12/31/", Event{Kind: ChargeOrRefund, Charge: 12, Item: 31}},
		{"cha_x/", Event{}},
		{"cpn_abc", Event{Kind: CouponEvent, Coupon: "cpn_abc"}},
		{"check_abc", Event{}},
		{"po_1", Event{}},
		{"e9c313b7fb5860d196d43eeb8d961bdebf7f9cc7", Event{}},
		{"", Event{}},
	}
	for _, tt := range tests {
		diff(t, tt.id, ParseEvent(tt.id), tt.want)
	}
}

func TestEventIDs(t *testing.T) {
	for got, want := range map[string]string{
		SubEvent(7):                   "sub_7/",
		UseEvent(7, 3):                "sub_7/3/",
		ChargeEvent(12):               "cha_12/",
		RefundEvent(12, 31):           "cha_12/31/",
		OnSubscription("sub_0/", 9):   "sub_9/",
		OnSubscription("sub_0/3/", 9): "sub_9/3/",
		OnSubscription("sub_07/", 9):  "sub_07/",
		OnSubscription("cpn_x", 9):    "cpn_x",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if id := NewCheckEvent(); !regexp.MustCompile(`^check_[0-9a-f]{34}$`).MatchString(id) || id == NewCheckEvent() {
		t.Errorf("check id %q", id)
	}
	if code := NewCouponCode(); !regexp.MustCompile(`^cpn_[0-9a-f]{40}$`).MatchString(code) || code == NewCouponCode() {
		t.Errorf("coupon code %q", code)
	}
}
