package billing

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/api/processor"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// Clocks of profiles. In the sandbox a profile can have one that is ahead of the site's, so that years of one customer go by in a moment:
// its subscriptions are renewed and charged, and end, when its own clock says so, and so are its entries dated. Such a clock goes forward
// only, since the books do. What it says is profile.clock_ahead, which the directory and jobFor ask; see store.Shift.

var (
	errNoSandbox   = errors.New("clocks are moved in the sandbox only: this site's processor takes real money")
	errClockBack   = errors.New("a clock goes forward only: the books cannot be undone")
	errClockTooFar = errors.New("a clock is moved by at most 10 years at once")
)

// A Happening is something that a profile saw when its clock was moved.
type Happening struct {
	At     store.Time
	What   string // "order", "charge", "refusal" or "end"
	Text   string
	Amount ledger.Amount // zero when there is none
}

// ClockOf is the time of a profile, and how far that is ahead of the site's. Errors: there is no such profile.
func (s *Service) ClockOf(ctx context.Context, slug string) (now store.Time, ahead time.Duration, err error) {
	err = s.store.Read(ctx, func(r store.Reader) error {
		_, now, err = s.readClock(r, slug)
		ahead = now.Sub(r.Now().Time)
		return err
	})
	return now, ahead, err
}

func (s *Service) readClock(r store.Reader, slug string) (id int64, now store.Time, err error) {
	var ahead int64
	err = r.QueryRow(`SELECT id, clock_ahead FROM profile WHERE slug = ?`, slug).Scan(&id, &ahead)
	if errors.Is(err, store.ErrNotFound) {
		err = fmt.Errorf("there is no profile %s", slug)
	}
	return id, store.At(r.Now().Add(time.Duration(ahead) * time.Microsecond)), err
}

// MoveClock moves the clock of a profile to a later time, day by day: each day what is due then is renewed, recognised, charged and told, as
// the job would have. It returns what happened, in the order of time. A move that is interrupted stands where it came to. Errors: the
// processor takes real money, the time is not later, or more than 10 years.
//
// note, if it is not nil, writes the move down in the transaction of its first step.
func (s *Service) MoveClock(ctx context.Context, slug string, to store.Time, note func(tx *store.Tx) error) ([]Happening, error) {
	if _, ok := s.processor.(processor.Playground); !ok {
		return nil, errNoSandbox
	}
	var id, entry, charge int64
	var from store.Time
	err := s.store.Read(ctx, func(r store.Reader) (err error) {
		if id, from, err = s.readClock(r, slug); err != nil {
			return err
		}
		return r.QueryRow(`SELECT coalesce((SELECT max(id) FROM txn), 0), coalesce((SELECT max(id) FROM charge), 0)`).Scan(&entry, &charge)
	})
	switch {
	case err != nil:
		return nil, err
	case !to.After(from.Time):
		return nil, errClockBack
	case to.After(ledger.Yearly.Add(from, 10).Time):
		return nil, errClockTooFar
	}
	var errs failures
	for t := from; t.Before(to.Time); {
		if t = store.At(t.Add(day)); t.After(to.Time) {
			t = to
		}
		if err := s.setClock(ctx, id, t, note); err != nil {
			return nil, err
		}
		note = nil
		if err := s.at("clock:set"); err != nil {
			return nil, err
		}
		err := s.renewAt(ctx, id, t)
		if errors.As(err, new(ended)) || ctx.Err() != nil {
			return nil, errors.Join(err, ctx.Err())
		}
		errs.add(err)
	}
	var list []Happening
	errs.add(s.store.Read(ctx, func(r store.Reader) (err error) {
		list, err = happened(r, id, entry, charge, from, to)
		return err
	}))
	return list, errs.join()
}

// ResetClock gives a profile the site's time again, and reports whether it had another one. What happened in its time stays: subscriptions end
// when they end, and entries that are dated later are listed when their time comes.
func (s *Service) ResetClock(ctx context.Context, slug string, note func(tx *store.Tx) error) (was bool, err error) {
	err = s.job(ctx)(func(tx *store.Tx) error {
		id, now, err := s.readClock(tx, slug)
		if err != nil {
			return err
		}
		if was = now.After(tx.Now().Time); !was {
			return nil
		}
		if err := s.ahead(tx, id, 0); err != nil || note == nil {
			return err
		}
		return note(tx)
	})
	return was, err
}

// setClock makes it t for a profile.
func (s *Service) setClock(ctx context.Context, id int64, t store.Time, note func(tx *store.Tx) error) error {
	return s.job(ctx)(func(tx *store.Tx) error {
		if err := s.ahead(tx, id, t.Sub(tx.Now().Time)); err != nil || note == nil {
			return err
		}
		return note(tx)
	})
}

func (s *Service) ahead(tx *store.Tx, id int64, by time.Duration) error {
	s.dir.TouchProfile(tx, id)
	_, err := tx.Exec(`UPDATE profile SET clock_ahead = ? WHERE id = ?`, max(by, 0).Microseconds(), id)
	return err
}

// jobFor is a writer in the system's name, at the time of a profile.
func (s *Service) jobFor(ctx context.Context, profile int64) writer {
	write := s.job(ctx)
	return func(fn func(tx *store.Tx) error) error {
		return write(func(tx *store.Tx) error {
			var ahead int64
			if err := tx.QueryRow(`SELECT clock_ahead FROM profile WHERE id = ?`, profile).Scan(&ahead); err != nil {
				return err
			}
			store.Shift(tx, time.Duration(ahead)*time.Microsecond)
			return fn(tx)
		})
	}
}

// renewAt is a run of the engine for one profile, at its own time.
func (s *Service) renewAt(ctx context.Context, id int64, t store.Time) error {
	var errs failures
	for _, step := range []func() error{
		func() error { return s.extendAll(ctx, id, t) },
		func() error { return s.recogniseAll(ctx, id, t) },
		func() error { _, err := s.bill(ctx, id, t); return err },
		func() error { return s.pollCustomer(ctx, id) },
		func() error { return s.tellExpiry(ctx, id, t) },
	} {
		err := step()
		if errors.As(err, new(ended)) {
			return err
		}
		if !errors.Is(err, errInProgress) {
			errs.add(err)
		}
	}
	return errs.join()
}

// selectClocks are the profiles with a clock of their own.
const selectClocks = `SELECT id, slug, clock_ahead FROM profile WHERE clock_ahead > 0 ORDER BY id`

// renewClocked runs the engine for the profiles with a clock of their own, at these times of the site.
func (s *Service) renewClocked(ctx context.Context, times []store.Time) error {
	type clock struct {
		id    int64
		slug  string
		ahead int64
	}
	var clocks []clock
	err := s.store.Read(ctx, func(r store.Reader) error {
		clocks = nil
		return store.Each(r, func(rows *sql.Rows) error {
			var c clock
			err := rows.Scan(&c.id, &c.slug, &c.ahead)
			clocks = append(clocks, c)
			return err
		}, selectClocks)
	})
	var errs failures
	errs.add(err)
	_, plays := s.processor.(processor.Playground)
	for _, c := range clocks {
		if !plays {
			s.log.Error("a profile has a clock of its own, which goes with the sandbox only; it is not renewed before `caddy tollgate clock "+c.slug+" reset`",
				zap.Int64("profile", c.id))
			continue
		}
		for _, t := range times {
			errs.add(s.renewAt(ctx, c.id, store.At(t.Add(time.Duration(c.ahead)*time.Microsecond))))
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	return errs.join()
}

// happened is what a profile saw between two times: orders and charges after these, refusals of its card, and subscriptions that ended.
func happened(r store.Reader, id, entry, charge int64, from, to store.Time) (list []Happening, err error) {
	return list, store.Each(r, func(rows *sql.Rows) error {
		var h Happening
		err := rows.Scan(&h.At, &h.What, &h.Text, &h.Amount.Value, &h.Amount.Unit)
		list = append(list, h)
		return err
	}, `SELECT created_at, 'order', descr, dest_amount, dest_unit FROM txn WHERE id > ? AND payer_id = ? AND dest_account = 'Payable' AND orig_account = 'Receivable'
		UNION ALL SELECT created_at, 'charge', coalesce(description, ''), amount, unit FROM charge WHERE id > ? AND customer_id = ?
		UNION ALL SELECT created_at, 'refusal', 'the card was refused', 0, '' FROM card_refusal WHERE customer_id = ? AND created_at > ? AND created_at <= ?
		UNION ALL SELECT s.ends_at, 'end', plan.slug, 0, '' FROM subscription s JOIN plan ON plan.id = s.plan_id WHERE s.profile_id = ? AND s.ends_at > ? AND s.ends_at <= ?
		ORDER BY 1`, entry, id, charge, id, id, from, to, id, from, to)
}
