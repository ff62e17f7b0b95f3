package ledger

import (
	"database/sql"
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

func TestBalances(t *testing.T) {
	s, _ := books(t)
	charge := sold(t, s)
	record(t, s,
		refund(chargeLines(t, s, charge)[0], charge, 5000),
		OrderPlaced{At: on(2026, 6, 1), Event: "sub_8/", Payer: ana, Provider: gym, Amount: Amount{900, "eur"}, Periods: 1},
		OrderPlaced{At: on(2026, 6, 2), Event: "sub_8/", Payer: bob, Provider: gym, Amount: Amount{100, "eur"}, Periods: 1},
	)
	read(t, s, func(r store.Reader) error {
		for _, tt := range []struct {
			profile       int64
			account, unit string
			want          int64
		}{
			{gym, AccountFunds, "usd", 13793}, {gym, AccountFunds, "eur", 0}, {gym, AccountReceivable, "eur", -1000}, {99, AccountFunds, "usd", 0},
		} {
			if got, err := Balance(r, tt.profile, tt.account, tt.unit); got != tt.want || err != nil {
				t.Errorf("%v: %d, %v", tt, got, err)
			}
		}
		funds, err := Funds(r, gym)
		if err != nil {
			return err
		}
		diff(t, "funds", funds, []Amount{usd(13793)})
		for account, want := range map[string]int64{AccountFunds: 2, AccountReceivable: 4, AccountIncome: 0} {
			if n, err := CountEntries(r, gym, account); n != want || err != nil {
				t.Errorf("%d entries on %s, %v", n, account, err)
			}
		}
		for _, tt := range []struct {
			name string
			sel  Selection
			want []Amount
		}{
			{"everything", Selection{}, nil},
			{"an account of everybody", Selection{Account: AccountFunds}, []Amount{usd(15000)}},
			{"an account in two units", Selection{Profile: gym, Account: AccountReceivable}, []Amount{{-1000, "eur"}}},
			{"a part of names", Selection{Selector: "rEFUND"}, []Amount{usd(5000)}}, // Refund and Refunded
			{"a part of names of a profile", Selection{Profile: ana, Selector: "refund"}, []Amount{usd(-5000)}},
			{"no wildcard", Selection{Selector: "r%d"}, nil},
			{"no other wildcard", Selection{Selector: "_efund"}, nil},
			{"no name", Selection{Selector: `\`}, nil},
			{"an event", Selection{Event: "sub_7/", Account: AccountReceivable}, nil},
			{"an event and account", Selection{Event: "sub_7/", Account: AccountBacklog}, []Amount{usd(-20000)}},
			{"an event and selector", Selection{Event: "cha_1/1/", Selector: "funds"}, []Amount{usd(-5000)}},
			{"from", Selection{Account: AccountPayable, From: on(2026, 6, 1)}, []Amount{{1000, "eur"}}},
			{"until", Selection{Account: AccountPayable, Until: on(2026, 6, 2)}, []Amount{{900, "eur"}}},
			{"from and until", Selection{Profile: bob, Account: AccountPayable, From: on(2026, 6, 2), Until: on(2026, 6, 3)}, []Amount{{100, "eur"}}},
			{"before everything", Selection{Until: may}, nil},
		} {
			got, err := AccountBalance(r, tt.sel)
			if err != nil {
				return err
			}
			diff(t, tt.name, got, tt.want)
		}
		return nil
	})
}

// 4.2: by event and payer, as of any date.
func TestStatement(t *testing.T) {
	s, clock := books(t)
	at := func(d int) store.Time { return on(2026, 5, d) }
	order := func(d int, event string, payer, amount int64) OrderPlaced {
		return OrderPlaced{At: at(d), Event: event, Payer: payer, Provider: gym, Amount: usd(amount), Periods: 1}
	}
	record(t, s,
		order(3, "sub_7/", ana, 20000),
		order(2, "cpn_x", ana, 5000), // a group buy is owed by who pays (decision 35)
		UseCharged{At: at(4), Event: "sub_7/3/", Payer: ana, Provider: gym, Price: usd(100), Quantity: 4},
		order(5, "sub_7/", bob, 700), // bob renews ana's subscription
		OrderPlaced{At: at(6), Event: "sub_9/", Payer: ana, Provider: acme, Amount: Amount{300, "eur"}, Periods: 1},
		PaidOffline{At: at(8), Check: "check_1", Event: "sub_7/", Payer: ana, Provider: gym, Amount: usd(7000), Payable: 20000},
		PaidOffline{At: at(9), Check: "check_2", Event: "sub_7/3/", Payer: ana, Provider: gym, Amount: usd(500), Payable: 400},
		WrittenOff{At: at(10), Event: "cpn_x", Payer: ana, Provider: gym, Amount: usd(5000), Payable: 5000, Label: "gym-cpn_x"},
	)
	clock.Set(at(20).Time)
	due := func(event string, amount Amount, provider, payable int64, d int) Due {
		return Due{Event: event, Amount: amount, Provider: provider, Payable: payable, LastAt: at(d)}
	}
	now := Statement{
		due("sub_7/", usd(13000), gym, 13000, 3), due("sub_7/3/", usd(-100), gym, 0, 4), due("sub_9/", Amount{300, "eur"}, acme, 300, 6),
	}
	read(t, s, func(r store.Reader) error {
		for _, tt := range []struct {
			name  string
			until store.Time
			want  Statement
		}{
			{"with everything", store.Time{}, now},
			{"now", r.Now(), now},
			{"before the write-off", at(10), Statement{
				due("cpn_x", usd(5000), gym, 5000, 2), now[0], now[1], now[2],
			}},
			{"before payments", at(8), Statement{
				due("cpn_x", usd(5000), gym, 5000, 2), due("sub_7/", usd(20000), gym, 20000, 3), due("sub_7/3/", usd(400), gym, 400, 4), now[2],
			}},
			{"before the second order", at(3), Statement{due("cpn_x", usd(5000), gym, 5000, 2)}},
			{"before everything", at(2), nil},
		} {
			got, err := StatementOf(r, ana, tt.until)
			if err != nil {
				return err
			}
			diff(t, tt.name, got, tt.want)
			if tt.until.IsZero() {
				tt.until = endOfTime
			}
			defined, err := statementAsOf(r, ana, tt.until)
			if err != nil {
				return err
			}
			diff(t, tt.name+", by definition", defined, tt.want)
		}
		total, err := now.Total()
		if err != nil {
			return err
		}
		diff(t, "total", total, []Amount{{300, "eur"}, usd(12900)})
		diff(t, "positive", now.Positive(), Statement{now[0], now[2]})
		diff(t, "shown", Shown(total, "usd"), usd(12900))
		diff(t, "shown, default unit absent", Shown(total, "gbp"), Amount{300, "eur"})
		diff(t, "shown, one other unit", Shown(total[:1], "usd"), Amount{300, "eur"})
		diff(t, "a cent is positive", Statement{{Amount: usd(1)}, {Amount: usd(0)}, {Amount: usd(-1)}}.Positive(), Statement{{Amount: usd(1)}})
		diff(t, "shown, nothing", Shown(nil, "gbp"), Amount{0, "gbp"})

		one, err := DueOn(r, ana, "sub_7/", "usd")
		diff(t, "on one event", one, now[0])
		if err != nil {
			return err
		}
		none, err := DueOn(r, ana, "sub_7/", "eur")
		diff(t, "on no event", none, Due{Event: "sub_7/", Amount: Amount{0, "eur"}})
		if err != nil {
			return err
		}

		several, err := DuesOn(r, ana, "usd", "sub_7/", "sub_71/", "cpn_none")
		diff(t, "on several events", several["sub_7/"], now[0])
		if _, known := several["cpn_none"]; known || err != nil {
			t.Errorf("nothing was ordered on cpn_none: %v, %v", several, err)
		}

		locked, err := SubscriptionBalances(r, 7, 9, 70, 71, 8, 7)
		diff(t, "locked", locked, map[int64]int64{7: 13700, 9: 300}) // all payers; the credit of the use does not pay an order
		if err != nil {
			return err
		}
		if due, err := SubscriptionBalance(r, 7); due != 13700 || err != nil {
			t.Errorf("sub_7 owes %d, %v", due, err)
		}
		if due, err := SubscriptionBalance(r, 8); due != 0 || err != nil {
			t.Errorf("sub_8 owes %d, %v", due, err)
		}
		for provider, want := range map[int64][]Amount{gym: {usd(13600)}, acme: {{300, "eur"}}, bob: nil} {
			owed, err := OwedTo(r, provider)
			diff(t, "owed to "+names[provider], owed, want)
			if err != nil {
				return err
			}
		}
		nothing, err := SubscriptionBalances(r)
		diff(t, "of no subscription", nothing, map[int64]int64{})
		return err
	})
	if _, err := (Statement{{Amount: usd(1 << 62)}, {Amount: usd(1 << 62)}}).Total(); err != ErrOverflow {
		t.Errorf("a total beyond an int64: %v", err)
	}
}

// 4.4.
func TestUnpaidOrders(t *testing.T) {
	s, _ := books(t)
	sold(t, s) // on 1 May, paid by card
	at := func(d int) store.Time { return on(2026, 5, d) }
	order := func(d int, event string, amount int64) OrderPlaced {
		return OrderPlaced{At: at(d), Event: event, Payer: ana, Provider: gym, Amount: usd(amount), Periods: 1, Descr: "order"}
	}
	record(t, s,
		order(3, "sub_7/", 100), order(5, "sub_7/", 200), order(4, "sub_8/", 300), order(6, "sub_8/", 0),
		order(7, "sub_9/", 400),
		PaidOffline{At: at(8), Check: "check_1", Event: "sub_9/", Payer: ana, Provider: gym, Amount: usd(400), Payable: 400}, // paid, if not by card
		PaidOffline{At: at(8), Check: "check_2", Event: "sub_7/", Payer: ana, Provider: gym, Amount: usd(50), Payable: 300},
		OrderPlaced{At: at(9), Event: "sub_7/", Payer: bob, Provider: gym, Amount: usd(1), Periods: 1}, // bob's own
	)
	read(t, s, func(r store.Reader) error {
		unpaid, err := UnpaidOrders(r, ana)
		if err != nil {
			return err
		}
		diff(t, "unpaid", arrows(unpaid), []string{
			"ana:Payable 200 <- gym:Receivable 200 sub_7/ 1 periods",
			"ana:Payable 300 <- gym:Receivable 300 sub_8/ 1 periods",
			"ana:Payable 100 <- gym:Receivable 100 sub_7/ 1 periods",
		})
		for payer, want := range map[int64]store.Time{ana: may, bob: {}} {
			if at, err := LastPayment(r, payer); !at.Equal(want.Time) || err != nil {
				t.Errorf("last payment of %s at %s, %v", names[payer], at, err)
			}
		}
		return nil
	})
}

// spy remembers what is asked through it.
type spy struct {
	store.Reader
	asked []question
}

type question struct {
	query string
	args  []any
}

func (s *spy) Query(query string, args ...any) (*sql.Rows, error) {
	s.asked = append(s.asked, question{query, args})
	return s.Reader.Query(query, args...)
}

func (s *spy) QueryRow(query string, args ...any) *sql.Row {
	s.asked = append(s.asked, question{query, args})
	return s.Reader.QueryRow(query, args...)
}

// The queries of requests find what they return by an index, whatever the size of the books.
func TestQueryPlans(t *testing.T) {
	s, _ := books(t)
	charge := sold(t, s)
	ignore := func(_ any, err error) error { return err }
	for name, tt := range map[string]struct {
		call func(r store.Reader) error
		want string
	}{
		"Balance":      {func(r store.Reader) error { return ignore(Balance(r, gym, AccountFunds, "usd")) }, "balance USING PRIMARY KEY"},
		"Funds":        {func(r store.Reader) error { return ignore(Funds(r, gym)) }, "balance USING PRIMARY KEY"},
		"CountEntries": {func(r store.Reader) error { return ignore(CountEntries(r, gym, AccountFunds)) }, "balance USING PRIMARY KEY"},
		"AccountBalance": {func(r store.Reader) error {
			return ignore(AccountBalance(r, Selection{Profile: gym, Account: AccountFunds, Until: may}))
		}, "txn_dest"},
		"StatementOf":          {func(r store.Reader) error { return ignore(StatementOf(r, ana, store.Time{})) }, "statement USING PRIMARY KEY"},
		"StatementOf by dates": {func(r store.Reader) error { return ignore(StatementOf(r, ana, may)) }, "txn USING INDEX txn_payer"},
		"DueOn":                {func(r store.Reader) error { return ignore(DueOn(r, ana, "sub_7/", "usd")) }, "statement USING PRIMARY KEY"},
		"DuesOn":               {func(r store.Reader) error { return ignore(DuesOn(r, ana, "usd", "sub_7/")) }, "statement USING PRIMARY KEY"},
		"SubscriptionBalances": {func(r store.Reader) error { return ignore(SubscriptionBalances(r, 7, 8)) }, "statement_subscription"},
		"OwedTo":               {func(r store.Reader) error { return ignore(OwedTo(r, gym)) }, "statement_open"},
		"UnpaidOrders":         {func(r store.Reader) error { return ignore(UnpaidOrders(r, ana)) }, "txn_payer"},
		"LastPayment":          {func(r store.Reader) error { return ignore(LastPayment(r, ana)) }, "txn_orig"},
		"LastWithdrawal":       {func(r store.Reader) error { return ignore(LastWithdrawal(r, gym)) }, "txn_orig"},
		"PayoutRecorded":       {func(r store.Reader) error { return ignore(PayoutRecorded(r, "po_1", gym)) }, "txn_payout"},
		"ChargeLines":          {func(r store.Reader) error { return ignore(ChargeLines(r, charge)) }, "charge_item"},
		"DisputedEntries":      {func(r store.Reader) error { return ignore(DisputedEntries(r, charge)) }, "txn_event"},
		"LoadIncome": {func(r store.Reader) error {
			return ignore(LoadIncome(r, 7, Calendar{may, Monthly}, may, func(int64) string { return "" }))
		}, "txn_event"},
	} {
		var asked []question
		read(t, s, func(r store.Reader) error {
			spy := &spy{Reader: r}
			err := tt.call(spy)
			asked = spy.asked
			return err
		})
		var plans []string
		for _, q := range asked {
			plans = append(plans, storetest.Plan(t, s, q.query, q.args...))
		}
		plan := strings.Join(plans, "\n")
		if !strings.Contains(plan, tt.want) {
			t.Errorf("%s does not use %s:\n%s", name, tt.want, plan)
		}
		for _, table := range []string{"t", "r", "p", "s", "w", "i", "txn", "statement", "balance", "charge_item", "batch"} {
			if strings.Contains(plan+"\n", "SCAN "+table+"\n") || strings.Contains(plan, "SCAN "+table+" USING") {
				t.Errorf("%s reads all of %s:\n%s", name, table, plan)
			}
		}
	}
}
