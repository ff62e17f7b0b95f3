package ledger

import "github.com/caddy-tollgate/tollgate/store"

// A ChargeLine is a settled line of a charge, with what became of its amount: see ChargeLines.
type ChargeLine struct {
	Item     int64  // id of the charge item
	Event    string // of the invoiced entry
	Descr    string // of the invoiced entry
	Provider int64
	Amount   Amount // paid
	// What of it went to the provider and to the broker; the rest is the processor's fee. In the charge's unit.
	ToProvider, ToBroker int64
	// What the provider and the broker received for it, in the unit of the funds. The same when the units are.
	ProviderFunds, BrokerFunds int64
	FundsUnit                  string
	// Refunded is what was given back so far, chargebacks included, less what came back when a dispute was won: R₀ of 5.12.
	Refunded int64
}

// Left is what can still be given back.
func (l *ChargeLine) Left() int64 { return l.Amount.Value - l.Refunded }

// RefundParts say who gives back how much of a refund.
type RefundParts struct {
	Provider, Broker, Processor int64 // in the charge's unit; together, the amount refunded
	// What leaves the Funds of the provider and of the broker, in their unit.
	ProviderFunds, BrokerFunds int64
}

// Refund divides a refund of amount. Parts are differences of cumulative shares with nested floors, so that any sequence of
// partial refunds gives back exactly what a full one does and no part is ever negative (5.12). Errors: ErrFacts when amount is
// less than 1 or more than is left.
func (l *ChargeLine) Refund(amount int64) (RefundParts, error) {
	if amount < 1 || amount > l.Left() || l.Refunded < 0 {
		return RefundParts{}, contradiction("a refund of %d of the %d left of %d", amount, l.Left(), l.Amount.Value)
	}
	before, err := l.refunded(l.Refunded)
	if err != nil {
		return RefundParts{}, err
	}
	after, err := l.refunded(l.Refunded + amount)
	if err != nil {
		return RefundParts{}, err
	}
	return RefundParts{
		Provider:      after.Provider - before.Provider,
		Broker:        after.Broker - before.Broker,
		Processor:     after.Processor - before.Processor,
		ProviderFunds: after.ProviderFunds - before.ProviderFunds,
		BrokerFunds:   after.BrokerFunds - before.BrokerFunds,
	}, nil
}

// refunded is who has given back how much once total is refunded.
func (l *ChargeLine) refunded(total int64) (parts RefundParts, err error) {
	nested := func(provider, broker int64) (int64, int64, error) {
		both, err := MulDiv(provider+broker, total, l.Amount.Value)
		if err != nil || provider+broker == 0 {
			return 0, 0, err
		}
		ofProvider, err := MulDiv(provider, both, provider+broker)
		return ofProvider, both - ofProvider, err
	}
	if parts.Provider, parts.Broker, err = nested(l.ToProvider, l.ToBroker); err != nil {
		return RefundParts{}, err
	}
	parts.Processor = total - parts.Provider - parts.Broker
	parts.ProviderFunds, parts.BrokerFunds, err = nested(l.ProviderFunds, l.BrokerFunds)
	return parts, err
}

// Refunded is money given back to the customer of a charge, all of a line or a part (5.12). The provider gives back its share
// and the broker its fee; the fee that the processor keeps is borne by the broker (decision 34). Income, subscriptions and
// statements stay as they are.
type Refunded struct {
	At        store.Time
	Charge    int64
	Key       string // of the charge at the processor
	Customer  int64
	Broker    int64
	Processor int64
	Line      ChargeLine // with what was refunded before
	Amount    int64      // in the charge's unit
}

// Kind is KindRefund.
func (Refunded) Kind() string { return KindRefund }

// Entries return the money and take it from where it went. The error is ErrFacts when more than is left is refunded.
func (r Refunded) Entries() ([]Entry, error) { return r.entries(KindRefund, AccountRefund, "refund") }

// entries are those of a refund, or of a chargeback: the same on another account.
func (r Refunded) entries(kind, account, word string) ([]Entry, error) {
	parts, err := r.Line.Refund(r.Amount)
	if err != nil {
		return nil, err
	}
	unit, fundsUnit := r.Line.Amount.Unit, r.Line.FundsUnit
	if fundsUnit == "" {
		fundsUnit = unit
	}
	charge := "Charge " + r.Key
	text := charge + " " + word + " for " + r.Line.Descr
	given := func(descr string, amount int64, by, funds int64, fundsUnit string) Entry {
		return Entry{
			Descr: descr,
			Dest:  Leg{Profile: r.Processor, Account: account, Amount: amount, Unit: unit},
			Orig:  Leg{Profile: by, Account: AccountFunds, Amount: funds, Unit: fundsUnit},
		}
	}
	returned := pair(r.Line.Provider, account, r.Customer, AccountRefunded, Amount{r.Amount, unit})
	returned.Descr = text
	entries := dated(r.At, kind,
		returned,
		given(charge+" refund processor fee for "+r.Line.Event, parts.Processor, r.Processor, parts.Processor, unit),
		given(charge+" refund broker fee for "+r.Line.Event, parts.Broker, r.Broker, parts.BrokerFunds, fundsUnit),
		given(text, parts.Provider, r.Line.Provider, parts.ProviderFunds, fundsUnit),
	)
	for i := range entries {
		entries[i].Event = RefundEvent(r.Charge, r.Line.Item)
	}
	return entries, nil
}

// ChargeLines are the lines of a charge in their order, from 0, as settlement and refunds left them. Amounts that are not
// distributed yet are 0.
func ChargeLines(r store.Reader, charge int64) ([]ChargeLine, error) {
	var lines []ChargeLine
	err := each(r, func(scan func(...any) error) error {
		var l ChargeLine
		var processor, processorFunds, gross, grossFunds int64
		var event *string
		err := scan(&l.Item, &event, &l.Descr, &l.Provider, &l.Amount.Value, &l.Amount.Unit, &processor, &processorFunds,
			&gross, &grossFunds, &l.ToProvider, &l.ProviderFunds, &l.FundsUnit, &l.Refunded)
		if err != nil {
			return err
		}
		if event != nil {
			l.Event = *event
		}
		if gross > 0 || grossFunds > 0 { // the provider's fee entry holds the processor fee as well
			l.ToBroker, l.BrokerFunds = gross-processor, grossFunds-processorFunds
		}
		lines = append(lines, l)
		return nil
	}, `SELECT i.id, o.event_id, o.descr, o.orig_profile_id, o.dest_amount, o.dest_unit,
			COALESCE(p.orig_amount, 0), COALESCE(p.dest_amount, 0), COALESCE(b.orig_amount, 0), COALESCE(b.dest_amount, 0),
			COALESCE(d.orig_amount, 0), COALESCE(d.dest_amount, 0), COALESCE(d.dest_unit, b.dest_unit, p.dest_unit, o.dest_unit),
			COALESCE((SELECT SUM(CASE WHEN r.orig_account = 'Refunded' THEN r.orig_amount ELSE 0 END)
					- SUM(CASE WHEN r.dest_account = 'Refunded' THEN r.dest_amount ELSE 0 END)
				FROM txn AS r WHERE r.event_id = 'cha_' || CAST(i.charge_id AS TEXT) || '/' || CAST(i.id AS TEXT) || '/'), 0)
		FROM charge_item AS i
		JOIN txn AS o ON o.id = i.invoiced_id
		LEFT JOIN txn AS p ON p.id = i.invoiced_processor_fee_id
		LEFT JOIN txn AS b ON b.id = i.invoiced_broker_fee_id
		LEFT JOIN txn AS d ON d.id = i.invoiced_distribute_id
		WHERE i.charge_id = ? ORDER BY i.id`, charge)
	return lines, err
}
