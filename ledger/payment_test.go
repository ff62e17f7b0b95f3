package ledger

import (
	"errors"
	"testing"

	"pgregory.net/rapid"
)

func charge(amount Amount, received Distribution, lines ...PaidLine) PaidByCard {
	for i := range lines {
		lines[i].Provider = gym
		if lines[i].Label == "" {
			lines[i].Label = "ana:gold"
		}
	}
	return PaidByCard{
		At: may, Charge: 12, Key: "ch_1", CardName: "Joe Test", User: "ana", Customer: ana, Processor: stripe, Broker: acme,
		Amount: amount, Received: received, Lines: lines,
	}
}

// 5.5, one line.
func TestPaidByCard(t *testing.T) {
	paid := charge(usd(20000), Distribution{Provider: 18390, ProcessorFee: 610, BrokerFee: 1000},
		PaidLine{Event: "sub_7/", Amount: 20000, FeePercent: 500, Payable: 20000})
	same(t, paid, []string{
		"stripe:Funds 20000 <- ana:Liability 20000 cha_12/",
		"ana:Liability 20000 <- ana:Payable 20000 sub_7/",
		"acme:Expenses 610 <- stripe:Backlog 610 cha_12/",
		"gym:Expenses 1610 <- acme:Backlog 1610 cha_12/",
		"acme:Funds 1000 <- stripe:Funds 1000 cha_12/",
		"gym:Receivable 20000 <- gym:Backlog 20000 sub_7/",
		"gym:Funds 18390 <- stripe:Funds 18390 cha_12/",
	},
		"Charge ch_1 on credit card of Joe Test (ana)",
		"Keep a balanced ledger",
		"Charge ch_1 processor fee for sub_7/",
		"Charge ch_1 broker fee for sub_7/",
		"Charge ch_1 broker fee for ana:gold",
		"Charge ch_1 distribution for ana:gold",
		"Charge ch_1 distribution for ana:gold",
	)

	s, _ := books(t)
	batch := record(t, s, OrderPlaced{At: may, Event: "sub_7/", Payer: ana, Provider: gym, Amount: usd(20000), Periods: 1}, paid)
	diff(t, "accounts", balanceSheet(t, s), map[string]int64{
		"gym:Backlog": -20000, "gym:Expenses": 1610, "gym:Funds": 18390,
		"acme:Backlog": -1610, "acme:Expenses": 610, "acme:Funds": 1000, "stripe:Backlog": -610, "stripe:Funds": 610,
	})
	diff(t, "references", batch.Item(0), ItemRefs{ProcessorFee: 4, BrokerFee: 5, Distribution: 8})
	diff(t, "references of no line", batch.Item(1), ItemRefs{})
	diff(t, "statement", statement(t, s, ana), []Amount(nil))
}

func TestPaidByCardWithoutBrokerFee(t *testing.T) {
	paid := charge(usd(20000), Distribution{Provider: 19390, ProcessorFee: 610}, PaidLine{Event: "sub_7/", Amount: 20000, Payable: 20000})
	same(t, paid, []string{
		"stripe:Funds 20000 <- ana:Liability 20000 cha_12/",
		"ana:Liability 20000 <- ana:Payable 20000 sub_7/",
		"acme:Expenses 610 <- stripe:Backlog 610 cha_12/",
		"gym:Receivable 20000 <- gym:Backlog 20000 sub_7/",
		"gym:Funds 19390 <- stripe:Funds 19390 cha_12/",
	})
}

// The broker sells itself: it plays both parts.
func TestPaidByCardToTheBroker(t *testing.T) {
	paid := charge(usd(20000), Distribution{Provider: 18390, ProcessorFee: 610, BrokerFee: 1000},
		PaidLine{Event: "sub_7/", Amount: 20000, FeePercent: 500, Payable: 20000})
	paid.Lines[0].Provider = acme
	same(t, paid, []string{
		"stripe:Funds 20000 <- ana:Liability 20000 cha_12/",
		"ana:Liability 20000 <- ana:Payable 20000 sub_7/",
		"acme:Expenses 610 <- stripe:Backlog 610 cha_12/",
		"acme:Expenses 1610 <- acme:Backlog 1610 cha_12/",
		"acme:Funds 1000 <- stripe:Funds 1000 cha_12/",
		"acme:Receivable 20000 <- acme:Backlog 20000 sub_7/",
		"acme:Funds 18390 <- stripe:Funds 18390 cha_12/",
	})
}

// 5.5, two lines of different percentages.
func TestPaidByCardTwoLines(t *testing.T) {
	lines := []PaidLine{
		{Event: "sub_7/", Amount: 3333, FeePercent: 500, Payable: 3333},
		{Event: "sub_8/", Amount: 17999, FeePercent: 1000, Payable: 17999, Label: "ana:silver"},
	}
	asked, err := AskedBrokerFee(lines)
	if asked != 1965 || err != nil {
		t.Errorf("asked %d, %v", asked, err)
	}
	same(t, charge(usd(21332), Distribution{Provider: 18718, ProcessorFee: 649, BrokerFee: 1965}, lines...), []string{
		"stripe:Funds 21332 <- ana:Liability 21332 cha_12/",
		"ana:Liability 3333 <- ana:Payable 3333 sub_7/",
		"acme:Expenses 101 <- stripe:Backlog 101 cha_12/",
		"gym:Expenses 267 <- acme:Backlog 267 cha_12/",
		"acme:Funds 166 <- stripe:Funds 166 cha_12/",
		"gym:Receivable 3333 <- gym:Backlog 3333 sub_7/",
		"gym:Funds 3066 <- stripe:Funds 3066 cha_12/",
		"ana:Liability 17999 <- ana:Payable 17999 sub_8/",
		"acme:Expenses 548 <- stripe:Backlog 548 cha_12/",
		"gym:Expenses 2347 <- acme:Backlog 2347 cha_12/",
		"acme:Funds 1799 <- stripe:Funds 1799 cha_12/",
		"gym:Receivable 17999 <- gym:Backlog 17999 sub_8/",
		"gym:Funds 15652 <- stripe:Funds 15652 cha_12/",
	})
}

// 5.7b: the rest of a balance, and two lines of the same event share what is left on Payable.
func TestPaidBalance(t *testing.T) {
	same(t, charge(usd(13000), Distribution{Provider: 11943, ProcessorFee: 407, BrokerFee: 650},
		PaidLine{Event: "sub_7/", Amount: 13000, FeePercent: 500, Payable: 13000}), []string{
		"stripe:Funds 13000 <- ana:Liability 13000 cha_12/",
		"ana:Liability 13000 <- ana:Payable 13000 sub_7/",
		"acme:Expenses 407 <- stripe:Backlog 407 cha_12/",
		"gym:Expenses 1057 <- acme:Backlog 1057 cha_12/",
		"acme:Funds 650 <- stripe:Funds 650 cha_12/",
		"gym:Receivable 13000 <- gym:Backlog 13000 sub_7/",
		"gym:Funds 11943 <- stripe:Funds 11943 cha_12/",
	})
	same(t, charge(usd(13000), Distribution{Provider: 13000},
		PaidLine{Event: "sub_7/", Amount: 8000, Payable: 9000}, PaidLine{Event: "sub_7/", Amount: 5000, Payable: 9000}), []string{
		"stripe:Funds 13000 <- ana:Liability 13000 cha_12/",
		"ana:Liability 8000 <- ana:Payable 8000 sub_7/",
		"gym:Receivable 8000 <- gym:Backlog 8000 sub_7/",
		"gym:Funds 8000 <- stripe:Funds 8000 cha_12/",
		"ana:Liability 1000 <- ana:Payable 1000 sub_7/",
		"gym:Receivable 5000 <- gym:Backlog 5000 sub_7/",
		"gym:Funds 5000 <- stripe:Funds 5000 cha_12/",
	})
}

// A line that costs nothing has no entries, and the others keep their numbers.
func TestPaidByCardFreeLine(t *testing.T) {
	entries := same(t, charge(usd(100), Distribution{Provider: 100}, PaidLine{Event: "sub_7/"}, PaidLine{Event: "sub_8/", Amount: 100}), []string{
		"stripe:Funds 100 <- ana:Liability 100 cha_12/",
		"gym:Receivable 100 <- gym:Backlog 100 sub_8/",
		"gym:Funds 100 <- stripe:Funds 100 cha_12/",
	})
	for i := range entries {
		entries[i].ID = int64(i) + 1
	}
	batch := Batch{Entries: entries}
	diff(t, "free line", batch.Item(0), ItemRefs{})
	diff(t, "other line", batch.Item(1), ItemRefs{Distribution: 3})
}

// LOCAL mode: the broker pays the processor fee out of its own, which the processor reports as what is left of it.
func TestPaidByCardLocal(t *testing.T) {
	local := func(amount, percent int64, received Distribution) PaidByCard {
		p := charge(usd(amount), received, PaidLine{Event: "sub_7/", Amount: amount, FeePercent: percent, Payable: amount})
		p.Local = true
		return p
	}
	same(t, local(17990, 1000, Distribution{Provider: 16191, ProcessorFee: 552, BrokerFee: 1247}), []string{
		"stripe:Funds 17990 <- ana:Liability 17990 cha_12/",
		"ana:Liability 17990 <- ana:Payable 17990 sub_7/",
		"acme:Expenses 552 <- stripe:Backlog 552 cha_12/",
		"gym:Expenses 1799 <- acme:Backlog 1799 cha_12/",
		"acme:Funds 1247 <- stripe:Funds 1247 cha_12/",
		"gym:Receivable 17990 <- gym:Backlog 17990 sub_7/",
		"gym:Funds 16191 <- stripe:Funds 16191 cha_12/",
	})
	// Exactly its fee: nothing is left for the broker, and the provider still owes it.
	same(t, local(10000, 300, Distribution{Provider: 9700, ProcessorFee: 300}), []string{
		"stripe:Funds 10000 <- ana:Liability 10000 cha_12/",
		"ana:Liability 10000 <- ana:Payable 10000 sub_7/",
		"acme:Expenses 300 <- stripe:Backlog 300 cha_12/",
		"gym:Expenses 300 <- acme:Backlog 300 cha_12/",
		"gym:Receivable 10000 <- gym:Backlog 10000 sub_7/",
		"gym:Funds 9700 <- stripe:Funds 9700 cha_12/",
	})
	// Less than the processor's: the standard split.
	same(t, local(10000, 100, Distribution{Provider: 9900, ProcessorFee: 300, BrokerFee: -200}), []string{
		"stripe:Funds 10000 <- ana:Liability 10000 cha_12/",
		"ana:Liability 10000 <- ana:Payable 10000 sub_7/",
		"acme:Expenses 300 <- stripe:Backlog 300 cha_12/",
		"gym:Expenses 400 <- acme:Backlog 400 cha_12/",
		"acme:Funds 100 <- stripe:Funds 100 cha_12/",
		"gym:Receivable 10000 <- gym:Backlog 10000 sub_7/",
		"gym:Funds 9600 <- stripe:Funds 9600 cha_12/",
	})
}

// 5.18: charged in euros, kept in dollars at 1.10.
func TestPaidByCardTwoCurrencies(t *testing.T) {
	paid := charge(Amount{20000, "eur"}, Distribution{Unit: "usd", Provider: 20229, ProcessorFee: 671, BrokerFee: 1100},
		PaidLine{Event: "sub_7/", Amount: 5000, FeePercent: 500, Payable: 5000}, PaidLine{Event: "sub_8/", Amount: 15000, FeePercent: 500, Payable: 15000})
	same(t, paid, []string{
		"stripe:Funds 20000 eur <- ana:Liability 20000 eur cha_12/",
		"ana:Liability 5000 eur <- ana:Payable 5000 eur sub_7/",
		"acme:Expenses 167 <- stripe:Backlog 152 eur cha_12/", // 671 × 20000 ÷ 22000 = 610, a quarter of it
		"gym:Expenses 442 <- acme:Backlog 402 eur cha_12/",
		"acme:Funds 275 <- stripe:Funds 250 eur cha_12/",
		"gym:Receivable 5000 eur <- gym:Backlog 5500 sub_7/",
		"gym:Funds 5058 <- stripe:Funds 4598 eur cha_12/",
		"ana:Liability 15000 eur <- ana:Payable 15000 eur sub_8/",
		"acme:Expenses 504 <- stripe:Backlog 458 eur cha_12/",
		"gym:Expenses 1329 <- acme:Backlog 1208 eur cha_12/",
		"acme:Funds 825 <- stripe:Funds 750 eur cha_12/",
		"gym:Receivable 15000 eur <- gym:Backlog 16500 sub_8/",
		"gym:Funds 15171 <- stripe:Funds 13792 eur cha_12/",
	})
}

// 5.18: a broker fee that was asked and not taken, and one that was taken and not asked.
func TestBrokerFeeInTwoCurrencies(t *testing.T) {
	same(t, charge(Amount{20000, "eur"}, Distribution{Unit: "usd", Provider: 22000}, PaidLine{Event: "sub_7/", Amount: 20000, FeePercent: 500}), []string{
		"stripe:Funds 20000 eur <- ana:Liability 20000 eur cha_12/",
		"gym:Receivable 20000 eur <- gym:Backlog 22000 sub_7/",
		"gym:Funds 22000 <- stripe:Funds 20000 eur cha_12/",
	})
	same(t, charge(Amount{20000, "eur"}, Distribution{Unit: "usd", Provider: 20900, BrokerFee: 1100}, PaidLine{Event: "sub_7/", Amount: 20000}), []string{
		"stripe:Funds 20000 eur <- ana:Liability 20000 eur cha_12/",
		"gym:Expenses 1100 <- acme:Backlog 1000 eur cha_12/",
		"acme:Funds 1100 <- stripe:Funds 1000 eur cha_12/",
		"gym:Receivable 20000 eur <- gym:Backlog 22000 sub_7/",
		"gym:Funds 20900 <- stripe:Funds 19000 eur cha_12/",
	})
	// Asked in euros and taken at a slightly different rate: each unit keeps its own.
	same(t, charge(Amount{20000, "eur"}, Distribution{Unit: "usd", Provider: 20901, BrokerFee: 1099}, PaidLine{Event: "sub_7/", Amount: 20000, FeePercent: 500}), []string{
		"stripe:Funds 20000 eur <- ana:Liability 20000 eur cha_12/",
		"gym:Expenses 1099 <- acme:Backlog 1000 eur cha_12/",
		"acme:Funds 1099 <- stripe:Funds 1000 eur cha_12/",
		"gym:Receivable 20000 eur <- gym:Backlog 22000 sub_7/",
		"gym:Funds 20901 <- stripe:Funds 19000 eur cha_12/",
	})
	// A fee that takes all the room that the broker leaves.
	same(t, charge(Amount{100, "eur"}, Distribution{Unit: "usd", ProcessorFee: 40, BrokerFee: 60}, PaidLine{Event: "sub_7/", Amount: 100, FeePercent: 9000}), []string{
		"stripe:Funds 100 eur <- ana:Liability 100 eur cha_12/",
		"acme:Expenses 40 <- stripe:Backlog 10 eur cha_12/",
		"gym:Expenses 100 <- acme:Backlog 100 eur cha_12/",
		"acme:Funds 60 <- stripe:Funds 90 eur cha_12/",
		"gym:Receivable 100 eur <- gym:Backlog 100 sub_7/",
	})
}

func TestPaidByCardRefusesContradictions(t *testing.T) {
	line := PaidLine{Event: "sub_7/", Amount: 20000, FeePercent: 500, Payable: 20000}
	for name, p := range map[string]PaidByCard{
		"lines above the charge":    charge(usd(19999), Distribution{Provider: 20000}, line),
		"lines below the charge":    charge(usd(20001), Distribution{Provider: 20000}, line),
		"less distributed":          charge(usd(20000), Distribution{Provider: 19999}, line),
		"nothing charged":           charge(usd(0), Distribution{}),
		"a negative line":           charge(usd(20000), Distribution{Provider: 20000}, line, PaidLine{Amount: 1}, PaidLine{Amount: -1}),
		"a negative part":           charge(usd(20000), Distribution{Provider: 20001, ProcessorFee: -1}, line),
		"a negative broker fee":     charge(usd(20000), Distribution{Provider: 20001, BrokerFee: -1}, line),
		"a percentage above all":    charge(usd(20000), Distribution{Provider: 20000}, PaidLine{Event: "sub_7/", Amount: 20000, FeePercent: 10001}),
		"nothing received in euros": charge(usd(20000), Distribution{Unit: "eur"}, line),
	} {
		if entries, err := p.Entries(); !errors.Is(err, ErrFacts) {
			t.Errorf("%s: %v, %v", name, arrows(entries), err)
		}
	}
}

// Whatever the processor reports, every line and the whole charge add up, and no part is negative (I3).
func TestSettlementAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var lines []PaidLine
		var total int64
		for range rapid.IntRange(1, 6).Draw(t, "lines") {
			amount := rapid.OneOf(rapid.Int64Range(1, 10), rapid.Int64Range(1, 1_000_000)).Draw(t, "amount")
			total += amount
			lines = append(lines, PaidLine{
				Event: "sub_7/", Amount: amount, FeePercent: rapid.SampledFrom([]int64{0, 0, 1, 500, 2500, 9999, 10000}).Draw(t, "percent"),
				Payable: rapid.Int64Range(0, amount).Draw(t, "payable"),
			})
		}
		asked, err := AskedBrokerFee(lines)
		if err != nil {
			t.Fatal(err)
		}
		d := Distribution{Unit: rapid.SampledFrom([]string{"usd", "eur"}).Draw(t, "unit"), BrokerFee: asked}
		got := total
		if d.Unit == "eur" {
			got = rapid.Int64Range(1, 2*total).Draw(t, "received")
			d.BrokerFee = min(d.BrokerFee, got)
		}
		if rapid.Bool().Draw(t, "another broker fee") {
			d.BrokerFee = rapid.Int64Range(0, got).Draw(t, "broker fee")
		}
		d.ProcessorFee = rapid.Int64Range(0, got-d.BrokerFee).Draw(t, "processor fee")
		d.Provider = got - d.ProcessorFee - d.BrokerFee
		p := charge(usd(total), d, lines...)
		p.Local = rapid.Bool().Draw(t, "local")

		charged, received, err := p.shares()
		if err != nil {
			t.Fatal(err)
		}
		var sum share
		for i, shares := range [][]share{charged, received} {
			var parts share
			for k, s := range shares {
				if s.processor < 0 || s.broker < 0 || s.provider < 0 || s.processor+s.broker+s.provider != s.amount {
					t.Fatalf("line %d: %+v", k, s)
				}
				if i == 0 && s.amount != lines[k].Amount {
					t.Fatalf("line %d of %d: %+v", k, lines[k].Amount, s)
				}
				parts.amount += s.amount
				parts.processor += s.processor
				parts.broker += s.broker
				parts.provider += s.provider
			}
			sum = parts
		}
		if want := (share{amount: got, processor: d.ProcessorFee, broker: d.BrokerFee, provider: d.Provider}); sum != want {
			t.Fatalf("the lines add up to %+v, want %+v", sum, want)
		}
		entries, err := p.Entries()
		if err != nil {
			t.Fatal(err)
		}
		for i := range entries {
			if reason := entries[i].check(); reason != "" {
				t.Fatalf("entry %d %s: %+v", i, reason, entries[i])
			}
		}
	})
}
