package notice

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/store"
)

// failure is what became of a notice that was not taken, or not by all.
type failure struct {
	*Notice
	text    string
	delay   time.Duration // until it is tried again
	dead    bool          // it is not
	done    bool          // all others have it
	refused []string      // recipients who are given up on their own
}

// record writes down what became of a batch. With stopped, what failed did so because the program ends, and that does not count.
func (n *Notices) record(ctx context.Context, stopped bool, batch []*Notice, results []error) error {
	var done []int64
	var failed []failure
	for i, one := range batch {
		err := results[i]
		if err == nil {
			done = append(done, one.ID)
			continue
		}
		f := failure{Notice: one, text: errorText(err)}
		var partial *Partial
		if errors.As(err, &partial) {
			f.refused = partial.Refused
			one.envelope.Only = partial.Later
		}
		var again bool
		f.delay, again = backOff(one.Attempt, rand.Float64())
		f.dead = !again || errors.Is(err, ErrRefused)
		var later *retryLater
		if errors.As(err, &later) {
			f.delay = max(f.delay, later.after)
		}
		if f.done = partial != nil && len(partial.Later) == 0; f.done {
			done = append(done, one.ID)
		}
		failed = append(failed, f)
		log := n.o.Logger.Warn
		if f.dead || len(f.refused) > 0 {
			log = n.o.Logger.Error
		}
		if !stopped {
			log("notice not delivered", zap.Int64("id", one.ID), zap.String("event", one.Event), zap.String("sink", one.sink),
				zap.Int("attempt", one.Attempt), zap.Bool("given_up", f.dead), zap.Int("refused", len(f.refused)), zap.String("error", f.text))
		}
	}
	return n.o.Store.Write(ctx, func(tx *store.Tx) error {
		for _, f := range failed { // few: a batch is small
			if err := f.record(tx, stopped); err != nil {
				return err
			}
		}
		if len(done) == 0 {
			return nil
		}
		ids, err := encode(done)
		if err != nil {
			return err
		}
		_, err = tx.Exec(`UPDATE outbox SET done_at = ?, error = NULL, payload = `+withoutCode+` WHERE id IN (SELECT value FROM json_each(?))`,
			tx.Now(), string(ids))
		return err
	})
}

// withoutCode is the payload to keep of a notice that is not tried again: codes do not stay in the database.
const withoutCode = `CASE event WHEN 'user_verification' THEN '{}' ELSE payload END`

func (f failure) record(tx *store.Tx, stopped bool) error {
	if len(f.refused) > 0 { // a dead letter of their own
		alone := f.envelope
		alone.Only = f.refused
		recipients, err := encode(alone)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO outbox (created_at, event, subject, sink, recipients, payload, attempts, next_at, dead_at, error)
			SELECT created_at, event, subject, sink, ?, `+withoutCode+`, attempts, next_at, ?, ? FROM outbox WHERE id = ?`,
			string(recipients), tx.Now(), f.text, f.ID); err != nil {
			return err
		}
	}
	if f.done {
		return nil
	}
	recipients, err := encode(f.envelope)
	if err != nil {
		return err
	}
	switch {
	case stopped:
		_, err = tx.Exec(`UPDATE outbox SET attempts = attempts - 1, next_at = ?, recipients = ? WHERE id = ?`, tx.Now(), string(recipients), f.ID)
	case f.dead:
		_, err = tx.Exec(`UPDATE outbox SET dead_at = ?, error = ?, recipients = ?, payload = `+withoutCode+` WHERE id = ?`,
			tx.Now(), f.text, string(recipients), f.ID)
	default:
		next := store.At(tx.Now().Add(f.delay))
		if _, err = tx.Exec(`UPDATE outbox SET next_at = ?, error = ?, recipients = ? WHERE id = ?`, next, f.text, string(recipients), f.ID); err != nil {
			return err
		}
		// Those behind it wait as long: there is no need to look at them before.
		_, err = tx.Exec(`UPDATE outbox SET next_at = max(next_at, ?) WHERE sink = ? AND subject = ? AND done_at IS NULL AND dead_at IS NULL`,
			next, f.sink, f.Subject)
	}
	return err
}

// errorText is an error as it is kept: short.
func errorText(err error) string {
	text := oneLine(err.Error())
	if len(text) > 500 {
		text = text[:500]
	}
	return text
}

// Retention of what is in the outbox: delivered, and given up.
const (
	keepDone = 30 * 24 * time.Hour
	keepDead = 90 * 24 * time.Hour
)

// Janitor deletes notices that were delivered 30 days ago, or given up 90 days ago.
func (n *Notices) Janitor(ctx context.Context) error {
	now := n.o.Now()
	_, done := n.o.Store.Prune(ctx, `DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE done_at < ? LIMIT 500)`, store.At(now.Add(-keepDone)))
	_, dead := n.o.Store.Prune(ctx, `DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE dead_at < ? LIMIT 500)`, store.At(now.Add(-keepDead)))
	return errors.Join(done, dead)
}
