package ledger

import (
	"testing"

	"github.com/caddy-tollgate/tollgate/store"
)

func TestTexts(t *testing.T) {
	order := func(plan string, endsAt store.Time, n int64, p Period, s Suffix) string {
		return OrderText(plan, endsAt, n, p, s.String())
	}
	tests := []struct{ got, want string }{
		{order("gold", on(2026, 12, 23), 1, Monthly, Suffix{}), "Subscription to gold until 2026/12/23 (1 month)"},
		{order("mo", on(2027, 11, 23), 12, Monthly, Suffix{Percent: 5500, Coupon: "P50"}),
			"Subscription to mo until 2027/11/23 (12 months) - a 55% discount (code: P50)"},
		{order("mo", on(2027, 11, 23), 12, Monthly, Suffix{Free: 2, Period: Monthly, Off: usd(5000), Coupon: "D50"}),
			"Subscription to mo until 2027/11/23 (12 months) - 2 months free and a $50.00 off (code: D50)"},
		{order("simple", on(2026, 12, 23), 1, Monthly, Suffix{FullName: "Bob Known", SyncOn: "bob@example.com"}),
			"Subscription to simple until 2026/12/23 (1 month) - for Bob Known (bob@example.com)"},
		{order("simple", on(2026, 5, 15), 1, Monthly, Suffix{Beneficiary: "Acme Inc"}),
			"Subscription to simple until 2026/05/15 (1 month) - Acme Inc"},
		{order("mo", on(2027, 11, 23), 2, Yearly, Suffix{Percent: 2803, Free: 1, Period: Yearly, Off: Amount{6000, "xxx"}}),
			"Subscription to mo until 2027/11/23 (2 years) - a 28.03% discount and 1 year free and a 60.00 xxx off"},
		{order("mo", on(2027, 11, 23), 1, Hourly, Suffix{Percent: 10000, Payer: "Ana Lee"}),
			"Subscription to mo until 2027/11/23 (1 hour) - a 100% discount, complimentary of Ana Lee"},
		{order("mo", on(2027, 11, 23), 3, Weekly, Suffix{Percent: 5, FullName: "Bob", SyncOn: "bob"}),
			"Subscription to mo until 2027/11/23 (3 weeks) - a 0.05% discount for Bob (bob)"},
		{UseText(3, "gold", "Gigabytes"), "Buy 3 gold Gigabytes"},
		{SetupFeeText("gold"), "Setup fee for gold"},
		{BalanceText("gold"), "Balance on gold"},
		{UnlockNowText("gold", "payroll"), "Unlock gold now. Don't worry later to payroll."},
		{UnlockLaterText("gold", usd(9000), "payroll"), "Access gold Today. Pay $90.00 later to payroll."},
		{ChargeText("ch_1", "Joe Test", "xia"), "Charge ch_1 on credit card of Joe Test (xia)"},
		{ChargeText("ch_1", "Joe Test", ""), "Charge ch_1 on credit card of Joe Test"},
		{SubscriptionLabel("ana", "gold"), "ana:gold"},
		{UseLabel("ana", "gold", "gigabytes"), "ana:gold:gigabytes"},
		{CouponLabel("gym", "cpn_1"), "gym-cpn_1"},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("got  %q\nwant %q", tt.got, tt.want)
		}
	}
}
