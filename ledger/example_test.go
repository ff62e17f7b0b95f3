package ledger_test

import (
	"fmt"
	"time"

	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// A charge of 200 dollars, of which the broker takes 5 % and the processor keeps 6.10.
func ExamplePaidByCard() {
	const stripe, acme, gym, ana = 1, 2, 3, 4
	names := []string{stripe: "stripe", acme: "acme", gym: "gym", ana: "ana"}
	entries, err := ledger.PaidByCard{
		At:     store.At(time.Date(2026, 11, 23, 11, 19, 16, 0, time.UTC)),
		Charge: 12, Key: "ch_1", CardName: "Ana Lee", User: "ana",
		Customer: ana, Processor: stripe, Broker: acme,
		Amount:   ledger.Amount{Value: 20000, Unit: "usd"},
		Received: ledger.Distribution{Provider: 18390, ProcessorFee: 610, BrokerFee: 1000},
		Lines: []ledger.PaidLine{
			{Event: ledger.SubEvent(7), Provider: gym, Amount: 20000, FeePercent: 500, Payable: 20000, Label: "ana:gold"},
		},
	}.Entries()
	if err != nil {
		panic(err)
	}
	for _, e := range entries {
		fmt.Printf("%s:%s <- %s:%s %s\n", names[e.Dest.Profile], e.Dest.Account, names[e.Orig.Profile], e.Orig.Account,
			ledger.Amount{Value: e.Dest.Amount, Unit: e.Dest.Unit})
	}
	// Output:
	// stripe:Funds <- ana:Liability $200.00
	// ana:Liability <- ana:Payable $200.00
	// acme:Expenses <- stripe:Backlog $6.10
	// gym:Expenses <- acme:Backlog $16.10
	// acme:Funds <- stripe:Funds $10.00
	// gym:Receivable <- gym:Backlog $200.00
	// gym:Funds <- stripe:Funds $183.90
}

// A monthly subscription that started on the last day of January does not drift.
func ExampleCalendar() {
	c := ledger.Calendar{Anchor: store.At(time.Date(2026, 1, 31, 10, 0, 0, 0, time.UTC)), Period: ledger.Monthly}
	end := c.Anchor
	for range 3 {
		end = c.Extend(end, 1)
		fmt.Println(end)
	}
	// Output:
	// 2026-02-28T10:00:00Z
	// 2026-03-31T10:00:00Z
	// 2026-04-30T10:00:00Z
}
