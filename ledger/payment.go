package ledger

import (
	"slices"

	"github.com/caddy-tollgate/tollgate/store"
)

// PaidByCard is the settlement of a charge, once the processor has confirmed it (5.5, 5.7, 5.18). Its lines are entries that
// exist already: orders and settled lines.
type PaidByCard struct {
	At        store.Time // the charge's created_at
	Charge    int64
	Key       string // of the charge at the processor
	CardName  string
	User      string // who triggered it; "" when nobody did
	Customer  int64  // who pays, and whose debts the lines are
	Processor int64
	Broker    int64
	Amount    Amount // the charge's: the sum of its lines
	Received  Distribution
	// Local says that the money arrives at the broker, who pays the processor fee out of its own (8.1, LOCAL mode). The
	// processor then reports the broker's fee less its own.
	Local bool
	Lines []PaidLine
}

// A PaidLine is one line of a charge.
type PaidLine struct {
	Event      string // of the invoiced entry
	Provider   int64
	Amount     int64
	FeePercent int64  // the plan's broker_fee_percent, per 10000, for uses and group buys as well
	Payable    int64  // what the customer's Payable account holds for the event before the settlement: see DueOn
	Label      string // SubscriptionLabel, UseLabel or CouponLabel
}

// A Distribution is what the processor says became of a charge: the three parts add up to what it received.
type Distribution struct {
	Unit         string // that the processor keeps funds in; "" is the charge's
	Provider     int64
	ProcessorFee int64
	BrokerFee    int64
}

// AskedBrokerFee is the fee of the broker to ask from the processor for a charge of these lines.
func AskedBrokerFee(lines []PaidLine) (int64, error) {
	_, total, err := askedBrokerFees(lines)
	return total, err
}

func askedBrokerFees(lines []PaidLine) (fees []int64, total int64, err error) {
	fees = make([]int64, len(lines))
	for i, l := range lines {
		if l.FeePercent > 10000 {
			return nil, 0, contradiction("a broker fee of %d per 10000", l.FeePercent)
		}
		if fees[i], err = Percent(l.Amount, l.FeePercent); err != nil {
			return nil, 0, err
		}
	}
	total, err = Sum(fees...)
	return fees, total, err
}

// Kind is KindCardPayment.
func (PaidByCard) Kind() string { return KindCardPayment }

// Entries are the payment and, line after line, what moves the debt, the fees and the funds. The processor fee is split over
// the lines by cumulative shares, the broker fee by each line's percentage, and the provider has the rest, so that every line
// and the whole charge add up (I3). Errors: ErrFacts when the lines are not the charge or the parts not what was received,
// ErrOverflow.
func (p PaidByCard) Entries() ([]Entry, error) {
	charged, received, err := p.shares()
	if err != nil {
		return nil, err
	}
	charge, fundsUnit := ChargeEvent(p.Charge), p.fundsUnit()
	entries := make([]Entry, 0, 1+6*len(p.Lines))
	add := func(line int, r role, event, descr string, e Entry) {
		if !e.isZero() {
			e.CreatedAt, e.Kind, e.Event, e.Descr, e.line, e.role = p.At, KindCardPayment, event, descr, line, r
			entries = append(entries, e)
		}
	}
	across := func(dest int64, destAccount string, in int64, orig int64, origAccount string, out int64) Entry {
		return Entry{
			Dest: Leg{Profile: dest, Account: destAccount, Amount: in, Unit: fundsUnit},
			Orig: Leg{Profile: orig, Account: origAccount, Amount: out, Unit: p.Amount.Unit},
		}
	}
	add(0, roleNone, charge, ChargeText(p.Key, p.CardName, p.User), pair(p.Processor, AccountFunds, p.Customer, AccountLiability, p.Amount))
	payable := payables{}
	for i, l := range p.Lines {
		c, r := charged[i], received[i]
		moved := Amount{payable.take(l.Event, l.Payable, l.Amount), p.Amount.Unit}
		add(i, roleNone, l.Event, balancing, pair(p.Customer, AccountLiability, p.Customer, AccountPayable, moved))
		add(i, roleProcessorFee, charge, "Charge "+p.Key+" processor fee for "+l.Event,
			across(p.Broker, AccountExpenses, r.processor, p.Processor, AccountBacklog, c.processor))
		if c.brokerGross > 0 || r.brokerGross > 0 {
			add(i, roleBrokerFee, charge, "Charge "+p.Key+" broker fee for "+l.Event,
				across(l.Provider, AccountExpenses, r.processor+r.broker, p.Broker, AccountBacklog, c.processor+c.broker))
		}
		add(i, roleNone, charge, "Charge "+p.Key+" broker fee for "+l.Label,
			across(p.Broker, AccountFunds, r.broker, p.Processor, AccountFunds, c.broker))
		distribution := "Charge " + p.Key + " distribution for " + l.Label
		add(i, roleNone, l.Event, distribution, Entry{
			Dest:  Leg{Profile: l.Provider, Account: AccountReceivable, Amount: l.Amount, Unit: p.Amount.Unit},
			Orig:  Leg{Profile: l.Provider, Account: AccountBacklog, Amount: r.amount, Unit: fundsUnit},
			Payer: p.Customer,
		})
		add(i, roleDistribution, charge, distribution, across(l.Provider, AccountFunds, r.provider, p.Processor, AccountFunds, c.provider))
	}
	return entries, nil
}

// payables is what is left on the Payable account of an event while its lines are settled one after the other.
type payables map[string]int64

// take lowers what is left for an event, left at first, by at most want.
func (p payables) take(event string, left, want int64) int64 {
	if known, ok := p[event]; ok {
		left = known
	}
	moved := max(min(want, left), 0)
	p[event] = left - moved
	return moved
}

func (p PaidByCard) fundsUnit() string {
	if p.Received.Unit == "" {
		return p.Amount.Unit
	}
	return p.Received.Unit
}

// A share is how the amount of one line is divided: processor + broker + provider = amount.
type share struct {
	amount, processor, broker, provider int64
	// brokerGross is the broker's fee before it pays the processor fee out of it in LOCAL mode; else it is broker.
	brokerGross int64
}

// shares divides every line in the charge's unit, and in the unit of the funds.
func (p PaidByCard) shares() (charged, received []share, err error) {
	amounts := make([]int64, len(p.Lines))
	for i, l := range p.Lines {
		if l.Amount < 0 {
			return nil, nil, contradiction("a line of %d", l.Amount)
		}
		amounts[i] = l.Amount
	}
	total, err := Sum(amounts...)
	if err != nil {
		return nil, nil, err
	}
	if total != p.Amount.Value || total <= 0 {
		return nil, nil, contradiction("lines of %d in a charge of %d", total, p.Amount.Value)
	}
	asked, askedTotal, err := askedBrokerFees(p.Lines)
	if err != nil {
		return nil, nil, err
	}

	d := p.Received
	gross := d.BrokerFee
	if p.Local {
		gross += d.ProcessorFee
	}
	got, err := Sum(d.Provider, d.ProcessorFee, d.BrokerFee)
	if err != nil {
		return nil, nil, err
	}
	if d.Provider < 0 || d.ProcessorFee < 0 || gross < 0 || gross > got || d.ProcessorFee > got || got <= 0 {
		return nil, nil, contradiction("a distribution of %d, %d and %d", d.Provider, d.ProcessorFee, d.BrokerFee)
	}
	local := p.Local && gross >= d.ProcessorFee

	if p.fundsUnit() == p.Amount.Unit {
		if got != total {
			return nil, nil, contradiction("%d distributed of a charge of %d", got, total)
		}
		charged, err = divide(amounts, amounts, asked, d.ProcessorFee, gross, local)
		return charged, charged, err
	}
	fundsAmounts, err := Split(got, amounts)
	if err != nil {
		return nil, nil, err
	}
	if received, err = divide(fundsAmounts, amounts, asked, d.ProcessorFee, gross, local); err != nil {
		return nil, nil, err
	}
	fee, err := MulDiv(d.ProcessorFee, total, got)
	if err != nil {
		return nil, nil, err
	}
	broker := askedTotal
	if gross == 0 || askedTotal == 0 {
		if broker, err = MulDiv(gross, total, got); err != nil {
			return nil, nil, err
		}
	}
	if local {
		fee = min(fee, broker)
	} else {
		fee = min(fee, total-broker)
	}
	charged, err = divide(amounts, amounts, asked, fee, broker, local)
	return charged, received, err
}

// divide shares a processor fee, by weight, and a broker fee, as asked or else in proportion to what was asked, out over the
// amounts of the lines. What a line cannot bear goes to the next ones.
func divide(amounts, weights, asked []int64, fee, broker int64, local bool) ([]share, error) {
	total, err := Sum(asked...)
	if err != nil {
		return nil, err
	}
	gross := slices.Clone(asked)
	if total != broker {
		by := asked
		if total == 0 {
			by = weights
		}
		if gross, err = Split(broker, by); err != nil {
			return nil, err
		}
	}
	if err := fit(gross, amounts); err != nil {
		return nil, err
	}
	room := gross // in LOCAL mode the broker bears the processor fee
	if !local {
		room = make([]int64, len(amounts))
		for i := range room {
			room[i] = amounts[i] - gross[i]
		}
	}
	fees, err := Split(fee, weights)
	if err != nil {
		return nil, err
	}
	if err := fit(fees, room); err != nil {
		return nil, contradiction("fees of %d and %d above the charge", fee, broker)
	}
	shares := make([]share, len(amounts))
	for i := range shares {
		s := share{amount: amounts[i], processor: fees[i], broker: gross[i], brokerGross: gross[i]}
		if local {
			s.broker -= fees[i]
		}
		s.provider = s.amount - s.processor - s.broker
		shares[i] = s
	}
	return shares, nil
}

// An ItemRefs holds the ids of entries that a charge item refers to (1.3), 0 where there is none.
type ItemRefs struct{ ProcessorFee, BrokerFee, Distribution int64 }

// Item returns the references of the n-th line of the PaidByCard that the batch records.
func (b *Batch) Item(line int) ItemRefs {
	var refs ItemRefs
	for i := range b.Entries {
		e := &b.Entries[i]
		if e.line != line {
			continue
		}
		switch e.role {
		case roleProcessorFee:
			refs.ProcessorFee = e.ID
		case roleBrokerFee:
			refs.BrokerFee = e.ID
		case roleDistribution:
			refs.Distribution = e.ID
		}
	}
	return refs
}
