package ledger

import (
	"fmt"
	"math/big"
	"time"

	"github.com/caddy-tollgate/tollgate/store"
)

// A model keeps the same books in memory, from the tables of the contract: what each event does to which account.
type model struct {
	accounts map[accountKey]int64
	debts    map[statementKey]*debt
	charges  []*modelCharge
	paidOut  int64 // by providers, fees of the processor included
	earned   map[string]int64
}

type debt struct{ due, paid, payable int64 }

type modelCharge struct {
	id, payer int64
	unit      string
	disputed  bool
	lines     []*modelLine
}

type modelLine struct {
	event           string
	provider        int64
	amount          int64
	toGym, toBroker int64
	refunded        int64
	backInDispute   int64 // of refunded, what a won dispute gives back
}

func newModel() *model {
	return &model{accounts: map[accountKey]int64{}, debts: map[statementKey]*debt{}, earned: map[string]int64{}}
}

func (m *model) move(unit string, amount int64, dest int64, destAccount string, orig int64, origAccount string) {
	m.accounts[accountKey{dest, destAccount, unit}] += amount
	m.accounts[accountKey{orig, origAccount, unit}] -= amount
}

func (m *model) debt(payer int64, event, unit string) *debt {
	key := statementKey{payer, event, unit}
	if m.debts[key] == nil {
		m.debts[key] = &debt{}
	}
	return m.debts[key]
}

func floor(a, b, c int64) int64 {
	n := new(big.Int).Mul(big.NewInt(a), big.NewInt(b))
	return n.Quo(n, big.NewInt(c)).Int64()
}

// An op is one step of a history: what to do, and numbers to choose with.
type op struct {
	Kind    int
	A, B, C int64
}

// A world is one history: a cast and calendars of its own, the books and the model.
type world struct {
	tx                     *store.Tx
	stripe, acme, gym, spa int64 // gym sells in usd, spa in eur
	ana, bob               int64
	subs                   []subscriptionOf
	now                    store.Time
	payouts, checks        int64
	checked                int
	m                      *model
}

type subscriptionOf struct {
	id       int64
	provider int64
	unit     string
	percent  int64
	calendar Calendar
}

func newWorld(tx *store.Tx, n int64) (*world, error) {
	w := &world{tx: tx, m: newModel(), now: store.At(time.Date(2026, 1, 31, 10, 0, 0, 0, time.UTC))}
	for i, p := range []*int64{&w.stripe, &w.acme, &w.gym, &w.spa, &w.ana, &w.bob} {
		id, err := tx.Insert(`INSERT INTO profile (slug, created_at) VALUES (?, ?)`, fmt.Sprintf("p%d-%d", n, i), tx.Now())
		if err != nil {
			return nil, err
		}
		*p = id
	}
	first := 1000 * n
	w.subs = []subscriptionOf{
		{first + 1, w.gym, "usd", 500, Calendar{w.now, Monthly}},
		{first + 2, w.gym, "usd", 0, Calendar{w.now, Weekly}},
		{first + 3, w.spa, "eur", 1000, Calendar{w.now, Yearly}},
		{first + 11, w.spa, "eur", 9999, Calendar{w.now, Daily}},
	}
	return w, nil
}

func (w *world) payer(o op) int64 {
	if o.A%4 == 0 {
		return w.bob
	}
	return w.ana
}

func (w *world) sub(o op) subscriptionOf { return w.subs[o.B%int64(len(w.subs))] }

func (w *world) post(event businessEvent) (Batch, error) {
	entries, err := event.Entries()
	if err != nil {
		return Batch{}, err
	}
	return Post(w.tx, event.Kind(), entries...)
}

// ordered is what the model makes of an order of any kind.
func (w *world) ordered(s subscriptionOf, payer int64, event string, amount int64) {
	w.m.move(s.unit, amount, payer, "Payable", s.provider, "Receivable")
	d := w.m.debt(payer, event, s.unit)
	d.due += amount
	d.payable += amount
}

func (w *world) step(o op) error {
	s, payer := w.sub(o), w.payer(o)
	switch o.Kind {
	case 0: // an order, free now and then
		amount := o.C
		if o.A%7 == 0 {
			amount = 0
		}
		w.ordered(s, payer, SubEvent(s.id), amount)
		w.m.earned[SubEvent(s.id)] += amount
		_, err := w.post(OrderPlaced{
			At: w.now, Event: SubEvent(s.id), Payer: payer, Provider: s.provider, Amount: Amount{amount, s.unit}, Periods: 1 + o.A%5, Descr: "order",
		})
		return err
	case 1:
		w.ordered(s, payer, SubEvent(s.id), o.C)
		w.m.earned[SubEvent(s.id)] += o.C
		_, err := w.post(SetupFee{At: w.now, Event: SubEvent(s.id), Payer: payer, Provider: s.provider, Amount: Amount{o.C, s.unit}, Plan: "gold"})
		return err
	case 2:
		event := UseEvent(s.id, 1+o.A%2)
		w.ordered(s, payer, event, (1+o.C%50)*(o.A%9))
		w.m.earned[event] += (1 + o.C%50) * (o.A % 9)
		_, err := w.post(UseCharged{
			At: w.now, Event: event, Payer: payer, Provider: s.provider, Price: Amount{1 + o.C%50, s.unit}, Quantity: o.A % 9, Plan: "gold", Use: "x",
		})
		return err
	case 3:
		return w.payByCard(o, payer, s.unit)
	case 4, 5:
		return w.payOtherwise(o, payer)
	case 6:
		return w.refund(o)
	case 7:
		return w.dispute(o)
	case 8:
		return w.payOut(o, s)
	case 9:
		return w.recognise(s, w.now)
	}
	w.now = store.Time{Time: w.now.Add(time.Duration(o.C%90*24) * time.Hour)}
	return nil
}

// payByCard pays up to three positive balances in one unit, by their own orders' lines or by settled lines.
func (w *world) payByCard(o op, payer int64, unit string) error {
	owed, err := StatementOf(w.tx, payer, store.Time{})
	if err != nil {
		return err
	}
	p := PaidByCard{At: w.now, CardName: "Joe", Customer: payer, Processor: w.stripe, Broker: w.acme, Amount: Amount{Unit: unit}, Local: o.A%5 == 0}
	var invoiced []Entry
	for _, d := range owed.Positive() {
		if d.Amount.Unit != unit || len(p.Lines) == 3 {
			continue
		}
		batch, err := w.post(SettledLine{At: w.now, Event: d.Event, Payer: payer, Provider: d.Provider, Amount: d.Amount, Plan: "gold"})
		if err != nil {
			return err
		}
		invoiced = append(invoiced, batch.Entries...)
		w.m.move(unit, d.Amount.Value, payer, "settled", d.Provider, "settled")
		percent := int64(0)
		for _, s := range w.subs {
			if s.id == ParseEvent(d.Event).Subscription {
				percent = s.percent
			}
		}
		p.Lines = append(p.Lines, PaidLine{
			Event: d.Event, Provider: d.Provider, Amount: d.Amount.Value, FeePercent: percent, Payable: d.Payable, Label: "ana:gold",
		})
		p.Amount.Value += d.Amount.Value
	}
	if len(p.Lines) == 0 {
		return nil
	}
	if p.Charge, err = invoice(w.tx, payer, invoiced...); err != nil {
		return err
	}
	p.Key = fmt.Sprintf("ch_%d", p.Charge)

	// What the model makes of it: 5.5, with as much of the processor fee as the lines can bear.
	c := &modelCharge{id: p.Charge, payer: payer, unit: unit}
	var broker int64
	for _, l := range p.Lines {
		broker += l.Amount * l.FeePercent / 10000
	}
	total := p.Amount.Value
	fee := min(total*290/10000+30, total-broker)
	p.Received = Distribution{Provider: total - fee - broker, ProcessorFee: fee, BrokerFee: broker}
	if p.Local {
		fee = min(fee, broker)
		p.Received = Distribution{Provider: total - broker, ProcessorFee: fee, BrokerFee: broker - fee}
	}
	w.m.move(unit, total, w.stripe, "Funds", payer, "Liability")
	var upTo, over int64
	fees := make([]int64, len(p.Lines))
	room := func(l PaidLine) int64 {
		b := l.Amount * l.FeePercent / 10000
		if p.Local {
			return b
		}
		return l.Amount - b
	}
	for i, l := range p.Lines {
		before := floor(fee, upTo, total)
		upTo += l.Amount
		fees[i] = floor(fee, upTo, total) - before + over
		over = max(fees[i]-room(l), 0)
		fees[i] -= over
	}
	for i, l := range p.Lines { // what the last ones could not bear
		more := min(over, room(l)-fees[i])
		fees[i] += more
		over -= more
	}
	for i, l := range p.Lines {
		asked := l.Amount * l.FeePercent / 10000
		toBroker := asked
		if p.Local {
			toBroker -= fees[i]
		}
		toGym := l.Amount - fees[i] - toBroker
		d := w.m.debt(payer, l.Event, unit)
		w.m.move(unit, min(l.Amount, d.payable), payer, "Liability", payer, "Payable")
		d.payable -= min(l.Amount, d.payable)
		d.paid += l.Amount
		w.m.move(unit, fees[i], w.acme, "Expenses", w.stripe, "Backlog")
		if asked > 0 {
			w.m.move(unit, fees[i]+toBroker, l.Provider, "Expenses", w.acme, "Backlog")
		}
		w.m.move(unit, toBroker, w.acme, "Funds", w.stripe, "Funds")
		w.m.move(unit, l.Amount, l.Provider, "Receivable", l.Provider, "Backlog")
		w.m.move(unit, toGym, l.Provider, "Funds", w.stripe, "Funds")
		c.lines = append(c.lines, &modelLine{event: l.Event, provider: l.Provider, amount: l.Amount, toGym: toGym, toBroker: toBroker})
	}
	w.m.charges = append(w.m.charges, c)
	_, err = settle(w.tx, p)
	return err
}

// payOtherwise pays offline, now and then too much, or writes off.
func (w *world) payOtherwise(o op, payer int64) error {
	owed, err := StatementOf(w.tx, payer, store.Time{})
	if err != nil {
		return err
	}
	owed = owed.Positive()
	if len(owed) == 0 {
		return nil
	}
	d := owed[o.B%int64(len(owed))]
	amount := Amount{min(1+o.C, d.Amount.Value), d.Amount.Unit}
	debt := w.m.debt(payer, d.Event, amount.Unit)
	if o.Kind == 4 {
		if o.A%6 == 0 {
			amount.Value = d.Amount.Value + o.C
		}
		w.m.move(amount.Unit, amount.Value, d.Provider, "Funds", payer, "Liability")
		w.m.move(amount.Unit, amount.Value, d.Provider, "Offline", d.Provider, "Funds")
		w.m.move(amount.Unit, amount.Value, d.Provider, "Receivable", d.Provider, "Backlog")
	} else {
		w.m.move(amount.Unit, amount.Value, d.Provider, "Writeoff", payer, "Liability")
		w.m.move(amount.Unit, amount.Value, payer, "Canceled", d.Provider, "Receivable")
		w.m.earned[d.Event+" written off"] += amount.Value
	}
	moved := min(amount.Value, debt.payable)
	w.m.move(amount.Unit, moved, payer, "Liability", payer, "Payable")
	debt.payable -= moved
	debt.paid += amount.Value

	if o.Kind == 4 {
		w.checks++
		_, err = w.post(PaidOffline{
			At: w.now, Check: fmt.Sprintf("check_%d", w.checks), Event: d.Event, Payer: payer, Provider: d.Provider, Amount: amount, Payable: d.Payable,
		})
		return err
	}
	_, err = w.post(WrittenOff{At: w.now, Event: d.Event, Payer: payer, Provider: d.Provider, Amount: amount, Payable: d.Payable, Label: "ana:gold"})
	return err
}

func (w *world) facts(c *modelCharge, line ChargeLine, amount int64) Refunded {
	return Refunded{
		At: w.now, Charge: c.id, Key: fmt.Sprintf("ch_%d", c.id), Customer: c.payer, Broker: w.acme, Processor: w.stripe, Line: line, Amount: amount,
	}
}

// giveBack is what the model makes of a refund or a chargeback (5.12).
func (w *world) giveBack(c *modelCharge, l *modelLine, amount int64, account string) {
	s := func(r int64) int64 { return floor(l.toGym+l.toBroker, r, l.amount) }
	y := func(r int64) int64 {
		if l.toGym+l.toBroker == 0 {
			return 0
		}
		return floor(l.toGym, s(r), l.toGym+l.toBroker)
	}
	before, after := l.refunded, l.refunded+amount
	gym := y(after) - y(before)
	broker := s(after) - s(before) - gym
	w.m.move(c.unit, amount, l.provider, account, c.payer, "Refunded")
	w.m.move(c.unit, amount-gym-broker, w.stripe, account, w.stripe, "Funds")
	w.m.move(c.unit, broker, w.stripe, account, w.acme, "Funds")
	w.m.move(c.unit, gym, w.stripe, account, l.provider, "Funds")
	l.refunded = after
}

func (w *world) refund(o op) error {
	if len(w.m.charges) == 0 {
		return nil
	}
	c := w.m.charges[o.A%int64(len(w.m.charges))]
	n := o.B % int64(len(c.lines))
	l := c.lines[n]
	if c.disputed || l.refunded == l.amount {
		return nil
	}
	amount := 1 + o.C%(l.amount-l.refunded)
	w.giveBack(c, l, amount, "Refund")
	lines, err := ChargeLines(w.tx, c.id)
	if err != nil {
		return err
	}
	_, err = w.post(w.facts(c, lines[n], amount))
	return err
}

// dispute opens a dispute, or wins the one that is open.
func (w *world) dispute(o op) error {
	if len(w.m.charges) == 0 {
		return nil
	}
	c := w.m.charges[o.A%int64(len(w.m.charges))]
	if c.disputed {
		disputed, err := DisputedEntries(w.tx, c.id)
		if err != nil {
			return err
		}
		for _, e := range disputed {
			w.m.move(c.unit, e.Dest.Amount, e.Orig.Profile, e.Orig.Account, e.Dest.Profile, e.Dest.Account)
			if e.Event == ChargeEvent(c.id) {
				w.m.paidOut -= e.Dest.Amount
			}
		}
		for _, l := range c.lines {
			l.refunded -= l.backInDispute
			l.backInDispute = 0
		}
		c.disputed = false
		_, err = w.post(DisputeWon{At: w.now, Disputed: disputed})
		return err
	}
	lines, err := ChargeLines(w.tx, c.id)
	if err != nil {
		return err
	}
	d := Disputed{At: w.now, Fee: Amount{1500, c.unit}}
	fees := map[int64]bool{}
	for i, l := range c.lines {
		if !fees[l.provider] {
			w.m.move(c.unit, 1500, w.stripe, "Chargeback", l.provider, "Funds")
			w.m.paidOut += 1500
			fees[l.provider] = true
		}
		l.backInDispute = l.amount - l.refunded
		if l.backInDispute > 0 {
			w.giveBack(c, l, l.backInDispute, "Chargeback")
		}
		d.Lines = append(d.Lines, w.facts(c, lines[i], 0))
	}
	c.disputed = true
	_, err = w.post(d)
	return err
}

func (w *world) payOut(o op, s subscriptionOf) error {
	w.payouts++
	amount, fee := 1+o.C, o.A%3
	if o.A%5 == 0 {
		amount = -amount
	}
	w.m.move(s.unit, amount, w.stripe, "Withdraw", s.provider, "Funds")
	w.m.move(s.unit, fee, w.stripe, "Funds", s.provider, "Funds")
	w.m.paidOut += amount
	_, err := w.post(PaidOut{
		At: w.now, Payout: fmt.Sprintf("po_%d", w.payouts), Processor: w.stripe, Provider: s.provider, Amount: Amount{amount, s.unit}, Fee: fee,
	})
	return err
}

// recognise takes the amounts from the product and checks in the model that they stay within what was sold.
func (w *world) recognise(s subscriptionOf, until store.Time) error {
	all, err := LoadIncome(w.tx, s.id, s.calendar, until, func(int64) string { return "x" })
	if err != nil {
		return err
	}
	for _, facts := range all {
		batch, err := w.post(facts)
		if err != nil {
			return err
		}
		for _, e := range batch.Entries {
			w.m.move(s.unit, e.Dest.Amount, e.Dest.Profile, e.Dest.Account, e.Orig.Profile, e.Orig.Account)
			if e.Orig.Account == "Payable" {
				w.m.debt(e.Orig.Profile, e.Event, s.unit).payable -= e.Orig.Amount
			} else {
				w.m.earned[e.Event] -= e.Dest.Amount
				w.m.earned[e.Event+" recognised"] += e.Dest.Amount
			}
		}
		if w.m.earned[facts.Event] < 0 {
			return fmt.Errorf("%s: %d recognised beyond the orders", facts.Event, -w.m.earned[facts.Event])
		}
	}
	return nil
}
