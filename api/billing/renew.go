package billing

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// The renewal engine (subscriptions.md 13). It is safe to run at any hour, twice, in two processes, and after days without a run:
// every step asks the books what is still to be done, in the transaction that does it.

const (
	day = 24 * time.Hour
	// catchUp is how many missed days are replayed at most, four years of them; none of them matters after so long.
	catchUp = 4 * 366
)

// Renew runs the engine at the present: subscriptions are extended and income recognised, day by day since the last run, each at its
// own time (decision 62); then what profiles owe is charged to their cards, once; charges in flight are looked up; people are told of
// subscriptions that end; and what was paid out to providers is taken into the books. Profiles with a clock of their own live at its time.
// What fails is logged and does not stop the rest; the first errors are returned.
func (s *Service) Renew(ctx context.Context) error {
	times, err := s.missed(ctx)
	if err != nil {
		return err
	}
	var errs failures
	for _, t := range times {
		errs.add(s.extendAll(ctx, 0, t))
		errs.add(s.recogniseAll(ctx, 0, t))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := s.ran(ctx, t); err != nil {
			return err
		}
		if err := s.at("renew:ran"); err != nil {
			return err
		}
	}
	now := times[len(times)-1]
	errs.add(s.billAll(ctx, now))
	errs.add(s.renewClocked(ctx, times))
	errs.add(s.pollAll(ctx))
	errs.add(s.tellExpiry(ctx, 0, now))
	errs.add(s.reconcileAll(ctx))
	return errs.join()
}

// missed are the instants to be run for: every day since the last run, and now.
func (s *Service) missed(ctx context.Context) (times []store.Time, err error) {
	err = s.store.Read(ctx, func(r store.Reader) error {
		times = nil
		now := r.Now()
		var last store.Time
		err := r.QueryRow(`SELECT ran_at FROM renewal`).Scan(&last)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err == nil {
			for t := last.Add(day); t.Before(now.Time); t = t.Add(day) {
				times = append(times, store.At(t))
			}
			times = times[max(len(times)-catchUp, 0):]
		}
		times = append(times, now)
		return nil
	})
	return times, err
}

// ran notes that all is extended and recognised up to t.
func (s *Service) ran(ctx context.Context, t store.Time) error {
	return s.job(ctx)(func(tx *store.Tx) error {
		_, err := tx.Exec(`INSERT INTO renewal (id, ran_at) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET ran_at = max(ran_at, excluded.ran_at)`, t)
		return err
	})
}

// A step is something that is done for every row of a query, in a transaction.
type step struct {
	name string
	do   func(tx *store.Tx, id int64) error
	fail func(ctx context.Context, id int64, cause error) error // may deal with an error, or return it; nil: returns it
	done string                                                 // where a test may end the process; "" for nowhere
}

// chunk is how many rows share a transaction: enough to share its cost, few enough that who writes meanwhile waits for some
// milliseconds only.
const chunk = 50

// each does a step for every row of a query, an identifier each. Rows share transactions, as long as none fails: one that does is tried
// alone, and does not stop the others.
func (s *Service) each(ctx context.Context, do step, query string, args ...any) error {
	ids, err := s.identifiers(ctx, query, args...)
	var errs failures
	errs.add(err)
	write := s.job(ctx)
	for part := range slices.Chunk(ids, chunk) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		err := write(func(tx *store.Tx) error {
			for _, id := range part {
				if err := do.do(tx, id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			for _, id := range part {
				err := write(func(tx *store.Tx) error { return do.do(tx, id) })
				if err != nil && do.fail != nil {
					err = do.fail(ctx, id, err)
				}
				if err != nil {
					errs.add(s.failed(do.name, strconv.FormatInt(id, 10), err))
				}
			}
		}
		if err := s.at(do.done); err != nil {
			return err
		}
	}
	return errs.join()
}

// eachAlone does something for every row of a query that is more than a transaction. One that fails does not stop the others.
func (s *Service) eachAlone(ctx context.Context, name string, do func(id int64) error, query string, args ...any) error {
	return s.eachAsked(ctx, name, 1, func(id int64) (func() error, error) { return func() error { return do(id) }, nil }, query, args...)
}

// abreast is how many rows are asked about at once. A question takes the time of a call or two; more of them would come near the rates that
// processors allow.
const abreast = 8

// eachAsked asks the processor about every row of a query, several at a time, and then writes what it said, in the order of the rows, so that
// the books do not depend on who answered first. ask returns what is to be written, nil for nothing. A row that fails does not stop the others.
func (s *Service) eachAsked(ctx context.Context, name string, abreast int, ask func(id int64) (write func() error, err error), query string, args ...any) error {
	ids, err := s.identifiers(ctx, query, args...)
	var errs failures
	errs.add(err)
	for part := range slices.Chunk(ids, abreast) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		writes, problems := make([]func() error, len(part)), make([]error, len(part))
		var all sync.WaitGroup
		for i, id := range part {
			all.Go(func() { writes[i], problems[i] = ask(id) })
		}
		all.Wait()
		for i, id := range part {
			err := problems[i]
			if err == nil && writes[i] != nil {
				err = writes[i]()
			}
			if errors.As(err, new(ended)) {
				return err
			}
			if err != nil {
				errs.add(s.failed(name, strconv.FormatInt(id, 10), err))
			}
		}
	}
	return errs.join()
}

// identifiers are the integers that a query selects.
func (s *Service) identifiers(ctx context.Context, query string, args ...any) (ids []int64, err error) {
	err = s.store.Read(ctx, func(r store.Reader) (err error) {
		ids, err = store.Column[int64](r, query, args...)
		return err
	})
	return ids, err
}

// failed logs what a run could not do, and names it in the error.
func (s *Service) failed(what, of string, err error) error {
	s.log.Error("renewal failed", zap.String("step", what), zap.String("of", of), zap.Error(err))
	return fmt.Errorf("%s of %s: %w", what, of, err)
}

// failures collect errors, the first ten.
type failures []error

func (f *failures) add(err error) {
	if err != nil && len(*f) < 10 {
		*f = append(*f, err)
	}
}

func (f *failures) join() error { return errors.Join(*f...) }

// pollAll asks what became of all charges in flight.
func (s *Service) pollAll(ctx context.Context) error {
	if s.processor == nil {
		return nil
	}
	return s.eachAsked(ctx, "charge", abreast, func(id int64) (func() error, error) {
		c, err := s.flying(ctx, id)
		if err != nil || c == nil {
			return nil, err
		}
		o, err := s.ask(ctx, c)
		return func() error { return s.learned(ctx, c, o, nil) }, err
	},
		`SELECT id FROM charge WHERE state = 0 AND processor_key IS NOT NULL ORDER BY created_at`)
}

// park takes a profile out of charging until an operator has looked at it, and says why. Its access goes on.
func (s *Service) park(ctx context.Context, profile int64, cause error) error {
	s.log.Error("a profile is parked: its card is not charged until `caddy tollgate renew --unpark`", zap.Int64("profile", profile), zap.Error(cause))
	return s.job(ctx)(func(tx *store.Tx) error {
		_, err := tx.Exec(`UPDATE profile SET parked_at = ?, parked_reason = ? WHERE id = ? AND parked_at IS NULL`, tx.Now(), cause.Error(), profile)
		return err
	})
}

// parks parks the subscriber of a subscription when the cause is that figures contradict each other (decision 63), and returns any other.
func (s *Service) parks(ctx context.Context, subscription int64, cause error) error {
	if !errors.Is(cause, ledger.ErrFacts) {
		return cause
	}
	var profile int64
	err := s.store.Read(ctx, func(r store.Reader) error {
		return r.QueryRow(`SELECT profile_id FROM subscription WHERE id = ?`, subscription).Scan(&profile)
	})
	if err != nil {
		return err
	}
	return s.park(ctx, profile, cause)
}

// A Parked profile is not charged automatically.
type Parked struct {
	Slug   string     `json:"profile"`
	At     store.Time `json:"at"`
	Reason string     `json:"reason"`
}

// ListParked lists the profiles that are parked, the longest first.
func (s *Service) ListParked(ctx context.Context) (list []Parked, err error) {
	err = s.store.Read(ctx, func(r store.Reader) error {
		list = nil
		return store.Each(r, func(rows *sql.Rows) error {
			var p Parked
			err := rows.Scan(&p.Slug, &p.At, &p.Reason)
			list = append(list, p)
			return err
		}, `SELECT slug, parked_at, coalesce(parked_reason, '') FROM profile WHERE parked_at IS NOT NULL ORDER BY parked_at, id`)
	})
	return list, err
}

// Unpark lets a profile be charged again, and reports whether it was parked.
func (s *Service) Unpark(ctx context.Context, slug string, note func(tx *store.Tx) error) (was bool, err error) {
	err = s.job(ctx)(func(tx *store.Tx) error {
		n, err := tx.Exec(`UPDATE profile SET parked_at = NULL, parked_reason = NULL WHERE slug = ? AND parked_at IS NOT NULL`, slug)
		if was = n > 0; err != nil || !was || note == nil {
			return err
		}
		return note(tx)
	})
	return was, err
}
