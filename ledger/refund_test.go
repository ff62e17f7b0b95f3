package ledger

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/caddy-tollgate/tollgate/store"
)

// A refund in any parts gives back what one full refund does: every party what it got, never more, and no part is negative
// (rule 3 of section 12, I7).
func TestRefundInParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		amount := rapid.OneOf(rapid.Int64Range(1, 50), rapid.Int64Range(1, MaxAmount)).Draw(t, "amount")
		l := ChargeLine{Amount: usd(amount), ToProvider: rapid.Int64Range(0, amount).Draw(t, "to the provider")}
		l.ToBroker = rapid.Int64Range(0, amount-l.ToProvider).Draw(t, "to the broker")
		l.ProviderFunds = rapid.Int64Range(0, 2*amount).Draw(t, "funds of the provider")
		l.BrokerFunds = rapid.Int64Range(0, amount).Draw(t, "funds of the broker")
		var sum RefundParts
		for n := 0; l.Left() > 0; n++ {
			part := rapid.Int64Range(1, l.Left()).Draw(t, "part")
			if n > 20 {
				part = l.Left()
			}
			got, err := l.Refund(part)
			if err != nil {
				t.Fatal(err)
			}
			if got.Provider+got.Broker+got.Processor != part || min(got.Provider, got.Broker, got.Processor, got.ProviderFunds, got.BrokerFunds) < 0 {
				t.Fatalf("%d of %+v: %+v", part, l, got)
			}
			sum.Provider += got.Provider
			sum.Broker += got.Broker
			sum.Processor += got.Processor
			sum.ProviderFunds += got.ProviderFunds
			sum.BrokerFunds += got.BrokerFunds
			l.Refunded += part
		}
		want := RefundParts{l.ToProvider, l.ToBroker, amount - l.ToProvider - l.ToBroker, l.ProviderFunds, l.BrokerFunds}
		if sum != want {
			t.Fatalf("%+v: %+v, want %+v", l, sum, want)
		}
	})
}

// 5.18 and 5.12: charged in euros, kept in dollars, refunded in three parts. All funds return to what they were.
func TestRefundedTwoCurrencies(t *testing.T) {
	s, _ := books(t)
	var id int64
	write(t, s, func(tx *store.Tx) error {
		batch, err := Post(tx, KindOrder, mustEntries(t, OrderPlaced{
			At: may, Event: "sub_7/", Payer: ana, Provider: gym, Amount: Amount{20000, "eur"}, Periods: 1, Descr: "Subscription to gold",
		})...)
		if err != nil {
			return err
		}
		if id, err = invoice(tx, ana, batch.Entries...); err != nil {
			return err
		}
		paid := charge(Amount{20000, "eur"}, Distribution{Unit: "usd", Provider: 20229, ProcessorFee: 671, BrokerFee: 1100},
			PaidLine{Event: "sub_7/", Amount: 20000, FeePercent: 500, Payable: 20000})
		paid.Charge = id
		_, err = settle(tx, paid)
		return err
	})
	lines := chargeLines(t, s, id)
	diff(t, "settled line", lines, []ChargeLine{{
		Item: 1, Event: "sub_7/", Descr: "Subscription to gold", Provider: gym, Amount: Amount{20000, "eur"}, ToProvider: 18390, ToBroker: 1000,
		ProviderFunds: 20229, BrokerFunds: 1100, FundsUnit: "usd",
	}})
	same(t, refund(lines[0], id, 5000), []string{
		"gym:Refund 5000 eur <- ana:Refunded 5000 eur cha_1/1/",
		"stripe:Refund 153 eur <- stripe:Funds 153 eur cha_1/1/",
		"stripe:Refund 250 eur <- acme:Funds 275 cha_1/1/",
		"stripe:Refund 4597 eur <- gym:Funds 5057 cha_1/1/",
	})
	for _, part := range []int64{5000, 1, 14999} {
		record(t, s, refund(chargeLines(t, s, id)[0], id, part))
	}
	sheet := balanceSheet(t, s)
	for account, amount := range sheet {
		if amount != 0 && (account == "gym:Funds" || account == "acme:Funds" || account == "stripe:Funds eur") {
			t.Errorf("%s holds %d", account, amount)
		}
	}
	report := verified(t, s)
	if len(report.Trial) != 2 || report.Trial[0].Exchanged == 0 || report.Trial[0].Debits-report.Trial[0].Credits != report.Trial[0].Exchanged {
		t.Errorf("trial balance %+v", report.Trial)
	}
}
