package ledger

import (
	"errors"
	"math"
	"testing"
)

func TestOrders(t *testing.T) {
	order := OrderPlaced{At: may, Event: "sub_7/", Payer: ana, Provider: gym, Amount: usd(20000), Periods: 1, Descr: "Subscription"}
	same(t, order, []string{"ana:Payable 20000 <- gym:Receivable 20000 sub_7/ 1 periods"}, "Subscription") // 5.1

	year := order
	year.Amount, year.Periods = usd(155440), 12
	same(t, year, []string{"ana:Payable 155440 <- gym:Receivable 155440 sub_7/ 12 periods"}) // 5.2

	free := order
	free.Amount = usd(0)
	same(t, free, []string{"ana:Payable 0 <- gym:Receivable 0 sub_7/ 1 periods"}) // 5.3

	fee := SetupFee{At: may, Event: "sub_7/", Payer: ana, Provider: gym, Amount: usd(5000), Plan: "gold"}
	same(t, fee, []string{"ana:Payable 5000 <- gym:Receivable 5000 sub_7/ 0 periods"}, "Setup fee for gold")
	fee.Amount = usd(0)
	same(t, fee, nil)

	use := UseCharged{At: may, Event: "sub_7/3/", Payer: ana, Provider: gym, Price: usd(100), Quantity: 4, Plan: "gold", Use: "Requests"}
	same(t, use, []string{"ana:Payable 400 <- gym:Receivable 400 sub_7/3/"}, "Buy 4 gold Requests") // 5.4
	use.Quantity = 0
	same(t, use, nil)

	line := SettledLine{At: may, Event: "sub_7/", Payer: ana, Provider: gym, Amount: usd(13000), Plan: "gold"}
	same(t, line, []string{"ana:settled 13000 <- gym:settled 13000 sub_7/"}, "Balance on gold") // 5.7b

	group := order
	group.Event = "cpn_x"
	same(t, group, []string{"ana:Payable 20000 <- gym:Receivable 20000 cpn_x 1 periods"}) // 5.16
}

func TestOrderRefusesNonsense(t *testing.T) {
	for _, event := range []businessEvent{
		OrderPlaced{At: may, Event: "sub_7/", Payer: ana, Provider: gym, Amount: usd(1)},
		UseCharged{At: may, Event: "sub_7/3/", Payer: ana, Provider: gym, Price: usd(1), Quantity: -1},
		SettledLine{At: may, Event: "sub_7/", Payer: ana, Provider: gym},
	} {
		if entries, err := event.Entries(); !errors.Is(err, ErrFacts) {
			t.Errorf("%+v: %v, %v", event, entries, err)
		}
	}
	huge := UseCharged{At: may, Event: "sub_7/3/", Payer: ana, Provider: gym, Price: usd(math.MaxInt64 / 2), Quantity: 3}
	if entries, err := huge.Entries(); !errors.Is(err, ErrOverflow) {
		t.Errorf("a use beyond an int64: %v, %v", entries, err)
	}
}
