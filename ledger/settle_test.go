package ledger

import (
	"errors"
	"testing"

	"github.com/caddy-tollgate/tollgate/store"
)

// invoice stores a charge over entries that are in the books, as billing does, and returns its id.
func invoice(tx *store.Tx, customer int64, invoiced ...Entry) (int64, error) {
	var amount int64
	for _, e := range invoiced {
		amount += e.Dest.Amount
	}
	id, err := tx.Insert(`INSERT INTO charge (created_at, amount, unit, customer_id, state) VALUES (?, ?, ?, ?, 0)`,
		tx.Now(), amount, invoiced[0].Dest.Unit, customer)
	if err != nil {
		return 0, err
	}
	for _, e := range invoiced {
		if _, err := tx.Insert(`INSERT INTO charge_item (charge_id, invoiced_id) VALUES (?, ?)`, id, e.ID); err != nil {
			return 0, err
		}
	}
	return id, nil
}

// settle posts the payment of a charge and keeps its references, as billing does.
func settle(tx *store.Tx, p PaidByCard) (Batch, error) {
	entries, err := p.Entries()
	if err != nil {
		return Batch{}, err
	}
	batch, err := Post(tx, p.Kind(), entries...)
	if err != nil {
		return Batch{}, err
	}
	var items []int64
	err = each(tx, func(scan func(...any) error) error {
		var id int64
		err := scan(&id)
		items = append(items, id)
		return err
	}, `SELECT id FROM charge_item WHERE charge_id = ? ORDER BY id`, p.Charge)
	if err != nil {
		return Batch{}, err
	}
	for n, item := range items {
		refs := batch.Item(n)
		_, err := tx.Exec(`UPDATE charge_item SET invoiced_processor_fee_id = ?, invoiced_broker_fee_id = ?, invoiced_distribute_id = ? WHERE id = ?`,
			null(refs.ProcessorFee), null(refs.BrokerFee), null(refs.Distribution), item)
		if err != nil {
			return Batch{}, err
		}
	}
	_, err = tx.Exec(`UPDATE charge SET state = 1, processor_key = ? WHERE id = ?`, p.Key, p.Charge)
	return batch, err
}

// sold is the state after 5.5: gold ordered for 20000 and paid by card, broker fee 5 %.
func sold(t testing.TB, s *store.Store) (charge int64) {
	t.Helper()
	write(t, s, func(tx *store.Tx) error {
		order, err := OrderPlaced{At: may, Event: "sub_7/", Payer: ana, Provider: gym, Amount: usd(20000), Periods: 1, Descr: "Subscription to gold"}.Entries()
		if err != nil {
			return err
		}
		batch, err := Post(tx, KindOrder, order...)
		if err != nil {
			return err
		}
		if charge, err = invoice(tx, ana, batch.Entries...); err != nil {
			return err
		}
		_, err = settle(tx, PaidByCard{
			At: may, Charge: charge, Key: "ch_1", CardName: "Joe Test", Customer: ana, Processor: stripe, Broker: acme, Amount: usd(20000),
			Received: Distribution{Provider: 18390, ProcessorFee: 610, BrokerFee: 1000},
			Lines:    []PaidLine{{Event: "sub_7/", Provider: gym, Amount: 20000, FeePercent: 500, Payable: 20000, Label: "ana:gold"}},
		})
		return err
	})
	return charge
}

func chargeLines(t testing.TB, s *store.Store, charge int64) (lines []ChargeLine) {
	t.Helper()
	read(t, s, func(r store.Reader) (err error) {
		lines, err = ChargeLines(r, charge)
		return err
	})
	return lines
}

func refund(line ChargeLine, charge, amount int64) Refunded {
	return Refunded{At: on(2026, 5, 20), Charge: charge, Key: "ch_1", Customer: ana, Broker: acme, Processor: stripe, Line: line, Amount: amount}
}

// 5.8.
func TestPaidOffline(t *testing.T) {
	s, _ := books(t)
	record(t, s, OrderPlaced{At: may, Event: "sub_7/", Payer: ana, Provider: gym, Amount: usd(20000), Periods: 1})
	paid := PaidOffline{At: may, Check: "check_1", Event: "sub_7/", Payer: ana, Provider: gym, Amount: usd(7000), Payable: 20000, User: "gus"}
	same(t, paid, []string{
		"gym:Funds 7000 <- ana:Liability 7000 check_1",
		"ana:Liability 7000 <- ana:Payable 7000 sub_7/",
		"gym:Receivable 7000 <- gym:Backlog 7000 sub_7/",
		"gym:Offline 7000 <- gym:Funds 7000 check_1",
	}, "Off-line payment (gus)", "Keep a balanced ledger", "Off-line payment (gus)", "Off-line payment (gus) - Keep a balanced ledger")
	record(t, s, paid)
	diff(t, "accounts", balanceSheet(t, s), map[string]int64{
		"gym:Offline": 7000, "gym:Backlog": -7000, "gym:Receivable": -13000, "ana:Payable": 13000,
	})
	diff(t, "statement", statement(t, s, ana), []Amount{usd(13000)})

	// More than is due becomes a credit, and a later order is due for the difference (rule 9 of section 12).
	paid.Check, paid.Amount, paid.Payable, paid.Text = "check_2", usd(18000), 13000, "Cheque 42"
	same(t, paid, []string{
		"gym:Funds 18000 <- ana:Liability 18000 check_2",
		"ana:Liability 13000 <- ana:Payable 13000 sub_7/",
		"gym:Receivable 18000 <- gym:Backlog 18000 sub_7/",
		"gym:Offline 18000 <- gym:Funds 18000 check_2",
	}, "Cheque 42 (gus)")
	record(t, s, paid)
	diff(t, "credit", statement(t, s, ana), []Amount{usd(-5000)})
	record(t, s, OrderPlaced{At: may, Event: "sub_7/", Payer: ana, Provider: gym, Amount: usd(20000), Periods: 1})
	diff(t, "due after the credit", statement(t, s, ana), []Amount{usd(15000)})

	// A use is paid on its own event.
	use := PaidOffline{At: may, Check: "check_3", Event: "sub_7/3/", Payer: ana, Provider: gym, Amount: usd(400), Payable: 400}
	same(t, use, []string{
		"gym:Funds 400 <- ana:Liability 400 check_3",
		"ana:Liability 400 <- ana:Payable 400 sub_7/3/",
		"gym:Receivable 400 <- gym:Backlog 400 sub_7/3/",
		"gym:Offline 400 <- gym:Funds 400 check_3",
	})
	use.Amount.Value = 0
	if entries, err := use.Entries(); !errors.Is(err, ErrFacts) {
		t.Errorf("nothing paid: %v, %v", entries, err)
	}
}

// 5.9.
func TestWrittenOff(t *testing.T) {
	s, _ := books(t)
	record(t, s, OrderPlaced{At: may, Event: "sub_7/", Payer: ana, Provider: gym, Amount: usd(20000), Periods: 1})
	off := WrittenOff{At: may, Event: "sub_7/", Payer: ana, Provider: gym, Amount: usd(20000), Payable: 20000, Label: "ana:gold"}
	same(t, off, []string{
		"ana:Liability 20000 <- ana:Payable 20000 sub_7/",
		"gym:Writeoff 20000 <- ana:Liability 20000 sub_7/",
		"ana:Canceled 20000 <- gym:Receivable 20000 sub_7/",
	}, "Keep a balanced ledger", "Write off liability for ana:gold", "Write off receivable for ana:gold")
	record(t, s, off)
	diff(t, "accounts", balanceSheet(t, s), map[string]int64{"ana:Canceled": 20000, "gym:Writeoff": 20000, "gym:Receivable": -40000})
	diff(t, "statement", statement(t, s, ana), []Amount(nil))

	// What is on Payable already moved is not moved again.
	off.Amount, off.Payable = usd(400), 150
	same(t, off, []string{
		"ana:Liability 150 <- ana:Payable 150 sub_7/",
		"gym:Writeoff 400 <- ana:Liability 400 sub_7/",
		"ana:Canceled 400 <- gym:Receivable 400 sub_7/",
	})
	off.Amount.Value = 0
	if entries, err := off.Entries(); !errors.Is(err, ErrFacts) {
		t.Errorf("nothing written off: %v, %v", entries, err)
	}
}

// 5.12.
func TestRefunded(t *testing.T) {
	s, _ := books(t)
	charge := sold(t, s)
	lines := chargeLines(t, s, charge)
	diff(t, "settled line", lines, []ChargeLine{{
		Item: 1, Event: "sub_7/", Descr: "Subscription to gold", Provider: gym, Amount: usd(20000), ToProvider: 18390, ToBroker: 1000,
		ProviderFunds: 18390, BrokerFunds: 1000, FundsUnit: "usd",
	}})

	part := refund(lines[0], charge, 5000)
	same(t, part, []string{
		"gym:Refund 5000 <- ana:Refunded 5000 cha_1/1/",
		"stripe:Refund 153 <- stripe:Funds 153 cha_1/1/",
		"stripe:Refund 250 <- acme:Funds 250 cha_1/1/",
		"stripe:Refund 4597 <- gym:Funds 4597 cha_1/1/",
	},
		"Charge ch_1 refund for Subscription to gold",
		"Charge ch_1 refund processor fee for sub_7/",
		"Charge ch_1 refund broker fee for sub_7/",
		"Charge ch_1 refund for Subscription to gold",
	)
	record(t, s, part)
	sheet := balanceSheet(t, s)
	diff(t, "funds", []int64{sheet["gym:Funds"], sheet["acme:Funds"], sheet["stripe:Funds"]}, []int64{13793, 750, 457})

	lines = chargeLines(t, s, charge)
	if lines[0].Refunded != 5000 || lines[0].Left() != 15000 {
		t.Errorf("%+v", lines[0])
	}
	rest := refund(lines[0], charge, 15000)
	same(t, rest, []string{
		"gym:Refund 15000 <- ana:Refunded 15000 cha_1/1/",
		"stripe:Refund 457 <- stripe:Funds 457 cha_1/1/",
		"stripe:Refund 750 <- acme:Funds 750 cha_1/1/",
		"stripe:Refund 13793 <- gym:Funds 13793 cha_1/1/",
	})
	record(t, s, rest)
	diff(t, "accounts", balanceSheet(t, s), map[string]int64{
		"gym:Backlog": -20000, "gym:Expenses": 1610, "acme:Backlog": -1610, "acme:Expenses": 610, "stripe:Backlog": -610,
		"gym:Refund": 20000, "stripe:Refund": 20000, "ana:Refunded": -20000,
	})
	diff(t, "statement", statement(t, s, ana), []Amount(nil))

	for _, amount := range []int64{1, 0, -1} {
		if entries, err := refund(chargeLines(t, s, charge)[0], charge, amount).Entries(); !errors.Is(err, ErrFacts) {
			t.Errorf("a refund of %d of nothing: %v, %v", amount, entries, err)
		}
	}
}

// 5.13, after the refund of 5000: opened, won, opened again.
func TestDisputed(t *testing.T) {
	s, _ := books(t)
	charge := sold(t, s)
	record(t, s, refund(chargeLines(t, s, charge)[0], charge, 5000))
	before := balanceSheet(t, s)

	disputed := func() Disputed {
		return Disputed{At: on(2026, 6, 1), Fee: usd(1500), Lines: []Refunded{refund(chargeLines(t, s, charge)[0], charge, 0)}}
	}
	opened := []string{
		"stripe:Chargeback 1500 <- gym:Funds 1500 cha_1/",
		"gym:Chargeback 15000 <- ana:Refunded 15000 cha_1/1/",
		"stripe:Chargeback 457 <- stripe:Funds 457 cha_1/1/",
		"stripe:Chargeback 750 <- acme:Funds 750 cha_1/1/",
		"stripe:Chargeback 13793 <- gym:Funds 13793 cha_1/1/",
	}
	texts := []string{
		"Processor fee for cha_1/",
		"Charge ch_1 chargeback for Subscription to gold",
		"Charge ch_1 refund processor fee for sub_7/",
		"Charge ch_1 refund broker fee for sub_7/",
		"Charge ch_1 chargeback for Subscription to gold",
	}
	same(t, disputed(), opened, texts...)
	record(t, s, disputed())
	if funds := balanceSheet(t, s)["gym:Funds"]; funds != -1500 {
		t.Errorf("gym has %d", funds)
	}
	if left := chargeLines(t, s, charge)[0].Left(); left != 0 {
		t.Errorf("%d left to refund of a disputed charge", left)
	}

	won := func() DisputeWon {
		w := DisputeWon{At: on(2026, 7, 1)}
		read(t, s, func(r store.Reader) (err error) {
			w.Disputed, err = DisputedEntries(r, charge)
			return err
		})
		return w
	}
	first := won()
	same(t, first, []string{
		"gym:Funds 1500 <- stripe:Chargeback 1500 cha_1/",
		"ana:Refunded 15000 <- gym:Chargeback 15000 cha_1/1/",
		"stripe:Funds 457 <- stripe:Chargeback 457 cha_1/1/",
		"acme:Funds 750 <- stripe:Chargeback 750 cha_1/1/",
		"gym:Funds 13793 <- stripe:Chargeback 13793 cha_1/1/",
	}, texts[0]+" - reverted", texts[1]+" - reverted")
	record(t, s, first)
	diff(t, "accounts after winning", balanceSheet(t, s), before)
	if left := chargeLines(t, s, charge)[0].Left(); left != 15000 {
		t.Errorf("%d left to refund", left)
	}
	same(t, won(), nil)

	// Taking the same entries back again is refused by the books themselves.
	again, err := first.Entries()
	if err != nil {
		t.Fatal(err)
	}
	err = s.Write(t.Context(), func(tx *store.Tx) error {
		_, err := Post(tx, KindDisputeWon, again...)
		return err
	})
	if column, ok := store.IsUnique(err); !ok || column != "reverts_id" {
		t.Errorf("reverted twice: %v", err)
	}

	same(t, disputed(), opened, texts...)
	record(t, s, disputed())
	if n := len(won().Disputed); n != 5 {
		t.Errorf("%d entries to revert", n)
	}
	if _, err := (DisputeWon{At: may, Disputed: []Entry{{ID: 1, Dest: Leg{Account: AccountFunds}}}}).Entries(); !errors.Is(err, ErrFacts) {
		t.Errorf("reverting another entry: %v", err)
	}
	tooMuch := disputed()
	tooMuch.Lines[0].Line.Refunded = -1
	if _, err := tooMuch.Entries(); !errors.Is(err, ErrFacts) {
		t.Errorf("disputing more than was paid: %v", err)
	}
}

// 5.15.
func TestPaidOut(t *testing.T) {
	s, _ := books(t)
	sold(t, s)
	payout := PaidOut{At: on(2026, 5, 3), Payout: "po_1", Processor: stripe, Provider: gym, ProviderName: "Gym", User: "gus", Amount: usd(10000)}
	same(t, payout, []string{"stripe:Withdraw 10000 <- gym:Funds 10000 po_1"}, "withdraw from Gym (gus)")
	record(t, s, payout)
	sheet := balanceSheet(t, s)
	diff(t, "funds", []int64{sheet["gym:Funds"], sheet["stripe:Withdraw"]}, []int64{8390, 10000})

	payout.Payout, payout.User, payout.Amount, payout.Fee = "po_2", "", usd(-500), 25
	same(t, payout, []string{
		"gym:Funds 500 <- stripe:Withdraw 500 po_2",
		"stripe:Funds 25 <- gym:Funds 25 po_2",
	}, "STRIPE TRANSFER po_2", "Processor fee for po_2")
	record(t, s, payout)

	for _, id := range []string{"po_1", "po_2"} {
		payout.Payout, payout.Amount, payout.At = id, usd(map[string]int64{"po_1": 10000, "po_2": -500}[id]), on(2026, 5, 4)
		entries, err := payout.Entries()
		if err != nil {
			t.Fatal(err)
		}
		err = s.Write(t.Context(), func(tx *store.Tx) error {
			_, err := Post(tx, KindPayout, entries...)
			return err
		})
		if _, ok := store.IsUnique(err); !ok {
			t.Errorf("%s recorded twice: %v", id, err)
		}
	}
	read(t, s, func(r store.Reader) error {
		for id, want := range map[string]bool{"po_1": true, "po_2": true, "po_3": false} {
			if known, err := PayoutRecorded(r, id, gym); known != want || err != nil {
				t.Errorf("%s is known: %v, %v", id, known, err)
			}
		}
		at, err := LastWithdrawal(r, gym)
		if !at.Equal(on(2026, 5, 3).Time) || err != nil {
			t.Errorf("last withdrawal %s, %v", at, err)
		}
		at, err = LastWithdrawal(r, acme)
		if !at.IsZero() || err != nil {
			t.Errorf("last withdrawal of acme %s, %v", at, err)
		}
		return nil
	})
	for _, p := range []PaidOut{{At: may, Payout: "po_1", Fee: -1}, {At: may}} {
		if entries, err := p.Entries(); !errors.Is(err, ErrFacts) {
			t.Errorf("%+v: %v, %v", p, entries, err)
		}
	}
}
