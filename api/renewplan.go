package api

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/api/processor"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// A RenewalPlan is what a run of the renewal engine would do.
type RenewalPlan struct {
	At     time.Time        `json:"at"`
	Orders []PlannedLine    `json:"orders"` // of renewed subscriptions
	Earned []ledger.Amount  `json:"earned"` // income that would be recognised, by unit
	Charge []PlannedLine    `json:"charge"` // cards that would be charged, provided that they are not declined
	Ended  []PlannedLine    `json:"ended"`  // subscriptions that would end because their profile did not pay
	Told   map[string]int64 `json:"told"`   // notices, by event
}

// A PlannedLine is one thing of a plan.
type PlannedLine struct {
	Profile string        `json:"profile"` // slug of who pays
	What    string        `json:"what"`
	Amount  ledger.Amount `json:"amount"`
}

// PlanRenewals tells what a run of the renewal engine at a time would do, by running it on a copy of the database, at that time, with a
// processor that takes every saved card and moves no money. Nothing of the site changes.
func (s *Service) PlanRenewals(ctx context.Context, at time.Time) (plan *RenewalPlan, err error) {
	dir, err := os.MkdirTemp("", "tollgate-renew-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "copy.db")
	if err := s.site.Store.Copy(ctx, path); err != nil {
		return nil, err
	}
	shift := at.Sub(s.site.Now())
	copied, err := Open(ctx, SiteOptions{Path: path, Secrets: s.site.SiteOptions.Secrets, Logger: zap.NewNop(),
		Now: func() time.Time { return s.site.Now().Add(shift) }})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, copied.Destruct()) }()
	o := s.options
	o.Webhooks, o.Sinks = nil, nil // what is to be mailed stays in the copy: no job runs
	if o.Processor != nil && o.Processor.Configured() {
		o.Processor = &rehearsal{Sandbox: processor.NewSandbox(), cards: s.options.Processor}
	}
	rehearsed, err := New(copied, o)
	if err != nil {
		return nil, err
	}
	if r, ok := o.Processor.(*rehearsal); ok {
		r.Keep(copied.Store)
	}
	if err := rehearsed.Prepare(ctx); err != nil {
		return nil, err
	}
	before, err := rehearsed.marks(ctx)
	if err != nil {
		return nil, err
	}
	if err := rehearsed.Renew(ctx); err != nil {
		return nil, err
	}
	return rehearsed.changes(ctx, at, before)
}

// marks are the last entry, charge and notice.
type marks struct{ entry, charge, notice int64 }

func (s *Service) marks(ctx context.Context) (m marks, err error) {
	err = s.site.Store.Read(ctx, func(r store.Reader) error {
		return r.QueryRow(`SELECT coalesce((SELECT max(id) FROM txn), 0), coalesce((SELECT max(id) FROM charge), 0), coalesce((SELECT max(id) FROM outbox), 0)`).
			Scan(&m.entry, &m.charge, &m.notice)
	})
	return m, err
}

// changes are what is there after marks.
func (s *Service) changes(ctx context.Context, at time.Time, m marks) (*RenewalPlan, error) {
	plan := &RenewalPlan{At: at, Told: map[string]int64{}}
	lines := func(r store.Reader, list *[]PlannedLine, query string, args ...any) error {
		*list = nil
		return store.Each(r, func(rows *sql.Rows) error {
			var l PlannedLine
			err := rows.Scan(&l.Profile, &l.What, &l.Amount.Value, &l.Amount.Unit)
			*list = append(*list, l)
			return err
		}, query, args...)
	}
	err := s.site.Store.Read(ctx, func(r store.Reader) error {
		return errors.Join(
			lines(r, &plan.Orders, `SELECT p.slug, t.descr, t.dest_amount, t.dest_unit FROM txn t JOIN profile p ON p.id = t.dest_profile_id
				WHERE t.id > ? AND t.kind = ? AND t.dest_account = 'Payable' ORDER BY t.id`, m.entry, ledger.KindOrder),
			lines(r, &plan.Charge, `SELECT p.slug, coalesce(o.slug, ''), c.amount, c.unit FROM charge c JOIN profile p ON p.id = c.customer_id
				LEFT JOIN profile o ON o.id = c.provider_id WHERE c.id > ? ORDER BY c.id`, m.charge),
			lines(r, &plan.Ended, `SELECT p.slug, plan.slug, 0, plan.unit FROM subscription s JOIN profile p ON p.id = s.profile_id JOIN plan ON plan.id = s.plan_id
				WHERE s.ends_at BETWEEN ? AND ? AND s.auto_renew = 0 AND p.nb_renewal_attempts >= ? ORDER BY s.id`,
				store.At(at), r.Now(), s.options.Billing.MaxRenewalAttempts),
			store.Each(r, func(rows *sql.Rows) error {
				var a ledger.Amount
				err := rows.Scan(&a.Unit, &a.Value)
				plan.Earned = append(plan.Earned, a)
				return err
			}, `SELECT orig_unit, sum(orig_amount) FROM txn WHERE id > ? AND orig_account = 'Income' GROUP BY orig_unit ORDER BY orig_unit`, m.entry),
			store.Each(r, func(rows *sql.Rows) error {
				var event string
				var n int64
				err := rows.Scan(&event, &n)
				plan.Told[event] = n
				return err
			}, `SELECT event, count(DISTINCT payload) FROM outbox WHERE id > ? GROUP BY event`, m.notice),
		)
	})
	return plan, err
}

// A rehearsal is a processor that takes every saved card and moves no money. Cards are those of the real one, which is asked about them.
type rehearsal struct {
	*processor.Sandbox
	cards processor.Processor
}

// CreatePayment pays with a card of the sandbox, if there is a card on file at all.
func (r *rehearsal) CreatePayment(ctx context.Context, p processor.Payment) (processor.Receipt, error) {
	if p.Subscriber.CardKey != "" {
		p.Token = "tok_saved"
	}
	return r.Sandbox.CreatePayment(ctx, p)
}

// Card is the card on file.
func (r *rehearsal) Card(ctx context.Context, p processor.Profile) (*processor.Card, error) {
	return r.cards.Card(ctx, p)
}
