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
	held    bool          // it was not tried
	done    bool          // all others have it
	refused []string      // recipients who are given up on their own
}

// record writes down what became of a batch. With stopped, what failed did so because the program ends, and that does not count.
func (n *Notices) record(ctx context.Context, stopped bool, batch []*Notice, results []error) error {
	var done [][2]int64 // with the number of the try
	var failed []failure
	var subjects [][2]string // with the sink
	for i, one := range batch {
		if i == 0 || !one.about(batch[i-1]) {
			subjects = append(subjects, [2]string{one.sink, one.Subject})
		}
		err := results[i]
		if err == nil {
			done = append(done, [2]int64{one.ID, int64(one.Attempt)})
			continue
		}
		if errors.Is(err, errHeld) {
			failed = append(failed, failure{Notice: one, held: true})
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
			done = append(done, [2]int64{one.ID, int64(one.Attempt)})
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
		if len(done) > 0 {
			ids, err := encode(done)
			if err != nil {
				return err
			}
			if _, err := tx.Exec(`UPDATE outbox SET done_at = ?, error = NULL, attempts = delivered.value ->> 1, payload = `+withoutCode+`
				FROM json_each(?) delivered WHERE outbox.id = delivered.value ->> 0`, tx.Now(), string(ids)); err != nil {
				return err
			}
		}
		return advance(tx, subjects)
	})
}

const nextTurns = `UPDATE outbox SET next_at = ? WHERE next_at = ? AND id IN (SELECT (SELECT id FROM outbox first WHERE first.sink = s.value ->> 0
	AND first.subject = s.value ->> 1 AND first.done_at IS NULL AND first.dead_at IS NULL ORDER BY id LIMIT 1) FROM json_each(?) s)`

// advance makes those due whose turn it is, of some sinks and subjects.
func advance(tx *store.Tx, subjects [][2]string) error {
	pairs, err := encode(subjects)
	if err != nil {
		return err
	}
	_, err = tx.Exec(nextTurns, tx.Now(), behind, string(pairs))
	return err
}

// withoutCode is the payload to keep of a notice that is not tried again: codes do not stay in the database.
const withoutCode = `CASE event WHEN 'user_verification' THEN '{}' ELSE payload END`

func (f failure) record(tx *store.Tx, stopped bool) error {
	if f.held {
		if f.behind { // it never left its place
			return nil
		}
		_, err := tx.Exec(`UPDATE outbox SET attempts = ?, next_at = ? WHERE id = ?`, f.Attempt-1, behind, f.ID)
		return err
	}
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
		_, err = tx.Exec(`UPDATE outbox SET attempts = ?, next_at = ?, recipients = ? WHERE id = ?`, f.Attempt-1, tx.Now(), string(recipients), f.ID)
	case f.dead:
		_, err = tx.Exec(`UPDATE outbox SET dead_at = ?, attempts = ?, error = ?, recipients = ?, payload = `+withoutCode+` WHERE id = ?`,
			tx.Now(), f.Attempt, f.text, string(recipients), f.ID)
	default:
		_, err = tx.Exec(`UPDATE outbox SET attempts = ?, next_at = ?, error = ?, recipients = ? WHERE id = ?`, f.Attempt,
			store.At(tx.Now().Add(f.delay)), f.text, string(recipients), f.ID)
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
