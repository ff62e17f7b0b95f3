package billing

import (
	"slices"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/subscription"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// What providers write to the balance of a customer: metered use, payments that they received themselves, and write-offs
// (ledger.md 9.5, 9.6, 9.16).

// UseChange is the body of a use that a provider reports.
type UseChange struct {
	Plan      string               `json:"plan" in:"required"`
	Use       string               `json:"use" in:"null,blank"`
	Quantity  int64                `json:"quantity" validate:"gte=0"`
	CreatedAt rest.Opt[store.Time] `json:"created_at"`
	Option    rest.Opt[int64]      `json:"option" in:"null"`
	SyncOn    string               `json:"sync_on" in:"null,blank" validate:"idn"`
	FullName  string               `json:"full_name" in:"null,blank" validate:"plain"`
	Email     string               `json:"email" in:"null,blank"`
}

// reportUse takes a use from the quotas of a subscription, and orders what is beyond them (ledger.md 9.5). It is for who sells the plan
// (decision 37). What the quotas absorb is answered by 200 and an empty object.
func (s *Service) reportUse(c *rest.Call, tx *store.Tx, in *UseChange) (any, error) {
	profile, err := s.pathProfile(c, tx)
	if err != nil {
		return nil, err
	}
	plan, err := s.subs.ActivePlan(tx, in.Plan)
	if err != nil {
		return nil, err
	}
	if !c.Query.MaySell(plan.Provider.Slug) {
		return nil, rest.Forbidden("")
	}
	if in.Use == "" {
		return nil, rest.Fail(400, "No UseCharge specified.")
	}
	use, err := s.subs.UseOf(tx, plan, in.Use)
	if err != nil {
		return nil, err
	}
	entry, err := s.subs.RecordUse(tx, subscription.Use{ProfileID: profile, Plan: plan, Use: use, Quantity: in.Quantity, At: in.CreatedAt.Or(tx.Now())})
	if err != nil {
		return nil, err
	}
	if entry == nil {
		return struct{}{}, nil
	}
	views, err := s.entryViews(tx, []ledger.Entry{*entry})
	if err != nil {
		return nil, err
	}
	c.Created("")
	return views[0], nil
}

// clearBalance writes off what a customer owes, or records that it was paid elsewhere (ledger.md 9.6): what is owed to the providers
// that the caller manages; for managers of the broker all of it (decision 36). A credit is left alone. Errors: 409 while the customer
// pays.
func (s *Service) clearBalance(c *rest.Call, _ *rest.None) (rest.None, error) {
	amount, err := c.QueryInt("amount", ledger.MaxAmount, 1, ledger.MaxAmount)
	if err != nil {
		return rest.None{}, err
	}
	paid, err := c.QueryBool("paid", false)
	if err != nil {
		return rest.None{}, err
	}
	all := c.Query.IsBrokerManager()
	sellers := map[int64]bool{}
	if !all {
		customer, err := s.dir.Profile(c.Param("profile"))
		if err != nil {
			return rest.None{}, err
		}
		for _, slug := range c.Query.SellsTo(customer) {
			seller, err := s.dir.Profile(slug)
			if err != nil {
				return rest.None{}, err
			}
			if seller != nil && seller.ID != customer.ID {
				sellers[seller.ID] = true
			}
		}
		if len(sellers) == 0 {
			return rest.None{}, rest.Forbidden("")
		}
	}
	customer, err := s.customer(c)
	if err == nil {
		err = s.pollCustomer(c.Context(), customer) // a charge that is settled is in the way of nothing
	}
	if err != nil {
		return rest.None{}, err
	}
	return rest.None{}, c.Write(func(tx *store.Tx) error {
		if err := notPaying(tx, customer, 0); err != nil {
			return err
		}
		statement, err := ledger.StatementOf(tx, customer, store.Time{})
		if err != nil {
			return err
		}
		left := amount
		dues := slices.DeleteFunc(statement.Positive(), func(d ledger.Due) bool { return !all && !sellers[d.Provider] })
		for i := range dues {
			dues[i].Amount.Value = min(dues[i].Amount.Value, left)
			left -= dues[i].Amount.Value
		}
		return s.collect(tx, c, customer, dues, paid, "")
	})
}

// collect records that dues were paid elsewhere, under check or an id of its own each, or writes them off, with the
// seats of them that nobody took.
func (s *Service) collect(tx *store.Tx, c *rest.Call, customer int64, dues []ledger.Due, paid bool, check string) error {
	names := make([]string, len(dues))
	for i := range dues {
		names[i] = dues[i].Event
	}
	events, err := s.events(tx, names)
	if err != nil {
		return err
	}
	kind := ledger.KindWriteOff
	if paid {
		kind = ledger.KindOffline
	}
	var all []ledger.Entry
	for _, d := range dues {
		if d.Amount.Value <= 0 {
			continue
		}
		var entries []ledger.Entry
		var err error
		if paid {
			offline := ledger.PaidOffline{At: tx.Now(), Check: check, Event: d.Event, Payer: customer, Provider: d.Provider, Amount: d.Amount, Payable: d.Payable}
			if c.User != nil {
				offline.User = c.User.Username
			}
			if check == "" {
				offline.Check = ledger.NewCheckEvent()
			}
			entries, err = offline.Entries()
		} else {
			entries, err = ledger.WrittenOff{At: tx.Now(), Event: d.Event, Payer: customer, Provider: d.Provider, Amount: d.Amount, Payable: d.Payable,
				Label: events[d.Event].label}.Entries()
		}
		if err != nil {
			return err
		}
		all = append(all, entries...)
	}
	if _, err := ledger.Post(tx, kind, all...); err != nil {
		return err
	}
	s.touch(tx, all)
	if paid {
		return nil
	}
	return voidSeats(tx, names...)
}

// CollectedChange is the body of an invoice that was paid elsewhere, or is given up.
type CollectedChange struct {
	Amount rest.Opt[int64] `json:"amount" in:"null" validate:"gte=1"` // in 1/100 of the invoice's unit; not given: all of it
	Paid   rest.Opt[bool]  `json:"paid"`                              // default: true
}

// invoiceCollected records that the lines of a provider on an invoice were paid elsewhere, or writes them off (ledger.md 9.16). The
// invoice is done when nothing of it is due any more. It asks the processor first.
func (s *Service) invoiceCollected(c *rest.Call, in *CollectedChange) (view *Charge, err error) {
	var ch *charge
	err = c.Read(func(r store.Reader) (err error) {
		ch, err = claimed(r, c.Param("claim_code"))
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := s.pollCustomer(c.Context(), ch.Customer); err != nil {
		return nil, err
	}
	err = c.Write(func(tx *store.Tx) error {
		provider, err := s.pathProfile(c, tx)
		if err != nil {
			return err
		}
		ch, err := claimed(tx, c.Param("claim_code"))
		if err != nil {
			return err
		}
		if err := notPaying(tx, ch.Customer, 0); err != nil {
			return err
		}
		if ch.State == created || ch.State == failed {
			if err := s.collectInvoice(tx, c, ch, provider, in); err != nil {
				return err
			}
		}
		view, err = s.chargeView(tx, ch.ID)
		return err
	})
	return view, err
}

// collectInvoice is what invoiceCollected writes.
func (s *Service) collectInvoice(tx *store.Tx, c *rest.Call, ch *charge, provider int64, in *CollectedChange) error {
	b, err := s.stillDue(tx, ch)
	if err != nil {
		return err
	}
	names := make([]string, len(b.Lines))
	for i := range b.Lines {
		names[i] = b.Lines[i].Event
	}
	states, err := ledger.DuesOn(tx, ch.Customer, ch.Unit, names...)
	if err != nil {
		return err
	}
	left := in.Amount.Or(ledger.MaxAmount)
	open := false
	var dues []ledger.Due
	for _, l := range b.Lines {
		d := states[l.Event]
		if d.Provider != provider {
			open = true
			continue
		}
		d.Amount.Value = min(l.Amount, left)
		left -= d.Amount.Value
		open = open || d.Amount.Value < l.Amount
		dues = append(dues, d)
		moved := states[l.Event]
		moved.Payable -= min(max(moved.Payable, 0), d.Amount.Value)
		states[l.Event] = moved
	}
	if err := s.collect(tx, c, ch.Customer, dues, in.Paid.Or(true), *ch.ClaimCode); err != nil {
		return err
	}
	if open || len(b.Lines) == 0 {
		return nil
	}
	// A key of a charge that failed goes: there is nothing at the processor that could be given back.
	if _, err := tx.Exec(`UPDATE charge SET processor_key = NULL WHERE id = ? AND state = 2`, ch.ID); err != nil {
		return err
	}
	return s.move(tx, ch, done, "")
}
