package billing

import (
	"context"
	"database/sql"
	"errors"

	"github.com/caddy-tollgate/tollgate/api/processor"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// payNow is what an endpoint that pays does, one made by rest.Act with rest.Keyed. It asks first what became of the customer's
// charges in flight (409 while one is). build runs in the transaction that stores the payment: it checks and prices, and writes only
// when it returns nil, which is when there is nothing to pay. The first charge is returned, nil when there was nothing to pay.
//
// A dry run executes what build returns, and all of it is undone. A repetition of the request, by its Idempotency-Key, whose answer
// got lost returns the charge that it made. Errors: those of build and of pay.
func (s *Service) payNow(c *rest.Call, customer int64, build func(tx *store.Tx) (*payment, error)) (view *Charge, err error) {
	if err := s.pollCustomer(c.Context(), customer); err != nil {
		return nil, err
	}
	name := c.IdempotencyKey()
	var p *payment
	var before []int64
	err = c.Write(func(tx *store.Tx) (err error) {
		view = nil
		if before, err = paidBefore(tx, name); err != nil || before != nil {
			return err
		}
		if p, err = build(tx); err != nil || p == nil {
			return err
		}
		if c.DryRun() {
			view, err = s.tryOut(tx, p)
			return err
		}
		if err := c.Count(tx, rest.LimitPayments); err != nil { // who has a list of cards tries them here
			return err
		}
		return s.prepare(tx, p, name)
	})
	if err != nil || c.DryRun() || before == nil && p == nil {
		return view, err
	}
	if before == nil {
		if before, err = s.pay(c.Context(), c.Write, p); err != nil {
			return nil, err
		}
	}
	if len(before) == 0 {
		return nil, nil
	}
	err = s.store.Read(context.WithoutCancel(c.Context()), func(r store.Reader) (err error) {
		view, err = s.chargeView(r, before[0])
		return err
	})
	return view, err
}

// tryOut executes a payment in a transaction that is undone, and shows the charge it would make.
func (s *Service) tryOut(tx *store.Tx, p *payment) (*Charge, error) {
	entries, err := s.purposes()[p.Purpose].execute(tx, p)
	if err != nil {
		return nil, err
	}
	if p.Purpose == "invoice" {
		return s.chargeView(tx, entries[0][0])
	}
	ids, err := s.insertCharges(tx, p, entries, nil)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	return s.chargeView(tx, ids[0])
}

// invoice stores charges of bills whose lines are in the ledger, to be paid later: by whom has their claim code (ledger.md 5.6).
func (s *Service) invoice(tx *store.Tx, customer, user int64, bills []bill) ([]int64, error) {
	entries := make([][]int64, len(bills))
	for i := range bills {
		for _, l := range bills[i].Lines {
			entries[i] = append(entries[i], l.Entry)
		}
	}
	return s.insertCharges(tx, &payment{Customer: customer, User: user, Bills: bills}, entries, nil)
}

// pollCustomer asks what became of the charges of a customer that are in flight. Errors: 409 while one still is.
func (s *Service) pollCustomer(ctx context.Context, customer int64) error {
	const flying = ` WHERE h.customer_id = ? AND h.state = 0 AND h.processor_key IS NOT NULL`
	var charges []charge
	err := s.store.Read(ctx, func(r store.Reader) error {
		charges = nil
		return store.Each(r, func(rows *sql.Rows) error {
			var c charge
			err := scanCharge(rows, &c)
			charges = append(charges, c)
			return err
		}, selectCharge+flying, customer)
	})
	if err != nil || len(charges) == 0 {
		return err
	}
	for i := range charges {
		if err := s.follow(ctx, &charges[i], nil); err != nil {
			return failure(err)
		}
	}
	return s.store.Read(ctx, func(r store.Reader) error {
		busy, err := store.Exists(r, `SELECT 1 FROM charge h`+flying, customer)
		if err == nil && busy {
			err = errInProgress
		}
		return err
	})
}

// payees are the customer, the providers and, as 0, the broker, as the processor is told of them, and what time it is.
func (s *Service) payees(ctx context.Context, p *payment) (people map[int64]processor.Profile, now store.Time, err error) {
	ids := []int64{p.Customer}
	for i := range p.Bills {
		ids = append(ids, p.Bills[i].Provider)
	}
	err = s.store.Read(context.WithoutCancel(ctx), func(r store.Reader) (err error) {
		now = r.Now()
		people, err = s.processorProfiles(r, ids...)
		return err
	})
	return people, now, err
}

// processorProfiles are profiles as the processor is told of them, and the broker as 0.
func (s *Service) processorProfiles(r store.Reader, ids ...int64) (map[int64]processor.Profile, error) {
	broker, err := s.broker(r)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	people := make(map[int64]processor.Profile, len(ids)+1)
	err = store.Each(r, func(rows *sql.Rows) error {
		var id int64
		var p processor.Profile
		err := rows.Scan(&id, &p.Slug, &p.FullName, &p.Email, &p.CardKey, &p.DepositKey)
		p.Broker = id == broker
		people[id] = p
		return err
	}, `SELECT id, slug, full_name, email, coalesce(processor_card_key, ''), coalesce(processor_deposit_key, '') FROM profile
		WHERE id IN (SELECT value FROM json_each(?))`, store.IDs(append(ids, broker)))
	people[0] = people[broker]
	return people, err
}
