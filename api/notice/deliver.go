package notice

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/store"
)

// A Sink is told about events: the mails, a webhook.
type Sink interface {
	// Name is kept with each notice; it does not change while some wait.
	Name() string
	// Wants reports whether the sink is told about an event.
	Wants(event string) bool
	// Deliver tells it. It may be called again with a notice that was delivered, with the same ID. An error that wraps
	// ErrRefused means that trying again is of no use.
	Deliver(ctx context.Context, n *Notice) error
}

// ErrRefused says that a notice can never be delivered: the receiver refuses it for good.
var ErrRefused = errors.New("notice: refused")

// A Notice is an event on its way to a sink.
type Notice struct {
	ID        int64
	CreatedAt store.Time
	Event     string
	Subject   string
	Attempt   int // 1 the first time
	Payload   []byte

	sink     string
	envelope envelope
}

const (
	batchSize   = 32               // notices in one go; each is about another subject
	atOnce      = 4                // of them, at the same time
	sendTimeout = 30 * time.Second // of one
	// lease is how long a notice that is being delivered is nobody else's. If the process dies meanwhile, it is tried again then.
	lease = 5 * time.Minute
	// pollEvery is how often the outbox is looked at without a reason: another process may have written to it.
	pollEvery = 5 * time.Second
)

// delays are the pauses between tries, before jitter. With the first try that makes ten, over three days and a little.
var delays = []time.Duration{
	30 * time.Second, 2 * time.Minute, 10 * time.Minute, time.Hour, 3 * time.Hour, 8 * time.Hour, 16 * time.Hour, 24 * time.Hour, 24 * time.Hour,
}

// backOff is how long to wait after the try of that number failed; ok is false after the last. Jitter, of up to a quarter, keeps
// a receiver that comes back from being told everything at the same moment.
func backOff(attempt int, jitter float64) (d time.Duration, ok bool) {
	if attempt > len(delays) {
		return 0, false
	}
	d = delays[max(attempt, 1)-1]
	return d + time.Duration(float64(d)*jitter/4), true
}

// Deliver delivers what is in the outbox until ctx ends: notices of one sink and subject in order, each again until it was taken
// or has been tried ten times over three days, and then never. One Deliver runs at a time.
func (n *Notices) Deliver(ctx context.Context) error {
	for ctx.Err() == nil {
		wait, err := n.DeliverDue(ctx)
		if err != nil && ctx.Err() == nil {
			n.o.Logger.Error("notices cannot be delivered", zap.Error(err))
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-n.woken:
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// DeliverDue delivers what is due now and returns how long it is until it should be called again.
func (n *Notices) DeliverDue(ctx context.Context) (wait time.Duration, err error) {
	for {
		next, err := n.nextDue(ctx)
		if err != nil {
			return n.poll, err
		}
		if next.IsZero() {
			return n.poll, nil
		}
		if wait := next.Sub(n.o.Now()); wait > 0 {
			return min(wait, n.poll), nil
		}
		batch, err := n.claim(ctx)
		if err != nil {
			return n.poll, err
		}
		if len(batch) == 0 {
			return time.Second, nil // the store's clock is behind
		}
		if err := n.deliverBatch(ctx, batch); err != nil {
			return n.poll, err
		}
		if err := ctx.Err(); err != nil {
			return 0, err
		}
	}
}

// nextDue is when the next notice that nothing blocks is due; zero when there is none.
func (n *Notices) nextDue(ctx context.Context) (next store.Time, err error) {
	err = n.o.Store.Read(ctx, func(r store.Reader) error {
		err := r.QueryRow(`SELECT next_at FROM outbox WHERE done_at IS NULL AND dead_at IS NULL AND ` + first + `
			ORDER BY next_at LIMIT 1`).Scan(&next)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	})
	return next, err
}

// first is true for the oldest of the notices of a sink and subject that wait.
const first = `NOT EXISTS (SELECT 1 FROM outbox older WHERE older.sink = outbox.sink AND older.subject = outbox.subject
	AND older.id < outbox.id AND older.done_at IS NULL AND older.dead_at IS NULL)`

// claim takes notices that are due, at most one of each subject, and counts the try before it is made: one that kills the
// process is given up in the end, too.
func (n *Notices) claim(ctx context.Context) (batch []*Notice, err error) {
	err = n.o.Store.Write(ctx, func(tx *store.Tx) error {
		batch = nil
		rows, err := tx.Query(`UPDATE outbox SET attempts = attempts + 1, next_at = ? WHERE id IN (
			SELECT id FROM outbox WHERE done_at IS NULL AND dead_at IS NULL AND next_at <= ? AND `+first+`
			ORDER BY next_at, id LIMIT ?)
			RETURNING id, created_at, event, subject, sink, attempts, recipients, payload`,
			store.At(tx.Now().Add(lease)), tx.Now(), batchSize)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var one Notice
			var recipients string
			if err := rows.Scan(&one.ID, &one.CreatedAt, &one.Event, &one.Subject, &one.sink, &one.Attempt, &recipients, &one.Payload); err != nil {
				return err
			}
			if err := json.Unmarshal([]byte(recipients), &one.envelope); err != nil {
				return err
			}
			batch = append(batch, &one)
		}
		return rows.Err()
	})
	slices.SortFunc(batch, func(a, b *Notice) int { return int(a.ID - b.ID) })
	return batch, err
}

// deliverBatch delivers notices, a few at a time, and writes down what became of them.
func (n *Notices) deliverBatch(ctx context.Context, batch []*Notice) error {
	results := make([]error, len(batch))
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for i, one := range batch {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			results[i] = n.try(ctx, one)
		})
	}
	wg.Wait()
	// What was sent was sent: this is written even when the caller gives up.
	return n.record(context.WithoutCancel(ctx), ctx.Err() != nil, batch, results)
}

// try delivers one notice. A panic is a failure of that notice alone.
func (n *Notices) try(ctx context.Context, one *Notice) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	sink := n.sinks[one.sink]
	if sink == nil {
		return fmt.Errorf("nothing is configured for %q", one.sink)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	return sink.Deliver(ctx, one)
}

// record writes down what became of a batch. With stopped, what failed did so because the program ends, and that does not count.
// Codes do not stay in the database once they are sent or given up.
func (n *Notices) record(ctx context.Context, stopped bool, batch []*Notice, results []error) error {
	type failure struct {
		*Notice
		text  string
		delay time.Duration
		dead  bool
	}
	var done []int64
	var failed []failure
	for i, one := range batch {
		err := results[i]
		if err == nil {
			done = append(done, one.ID)
			continue
		}
		f := failure{Notice: one, text: errorText(err)}
		var again bool
		f.delay, again = backOff(one.Attempt, rand.Float64())
		f.dead = !again || errors.Is(err, ErrRefused)
		var later *retryLater
		if errors.As(err, &later) {
			f.delay = max(f.delay, later.after)
		}
		failed = append(failed, f)
		log := n.o.Logger.Warn
		if f.dead {
			log = n.o.Logger.Error
		}
		if !stopped {
			log("notice not delivered", zap.Int64("id", one.ID), zap.String("event", one.Event), zap.String("sink", one.sink),
				zap.Int("attempt", one.Attempt), zap.Bool("given_up", f.dead), zap.String("error", f.text))
		}
	}
	return n.o.Store.Write(ctx, func(tx *store.Tx) error {
		if len(done) > 0 {
			ids, err := encode(done)
			if err != nil {
				return err
			}
			if _, err := tx.Exec(`UPDATE outbox SET done_at = ?, error = NULL, payload = CASE event WHEN 'user_verification' THEN '{}' ELSE payload END
				WHERE id IN (SELECT value FROM json_each(?))`, tx.Now(), string(ids)); err != nil {
				return err
			}
		}
		for _, f := range failed { // few: a batch is small
			var err error
			switch {
			case stopped:
				_, err = tx.Exec(`UPDATE outbox SET attempts = attempts - 1, next_at = ? WHERE id = ?`, tx.Now(), f.ID)
			case f.dead:
				_, err = tx.Exec(`UPDATE outbox SET dead_at = ?, error = ?, payload = CASE event WHEN 'user_verification' THEN '{}' ELSE payload END
					WHERE id = ?`, tx.Now(), f.text, f.ID)
			default:
				// Those behind it wait as long: there is no need to look at them before.
				next := store.At(tx.Now().Add(f.delay))
				_, err = tx.Exec(`UPDATE outbox SET next_at = CASE id WHEN ? THEN ? ELSE max(next_at, ?) END, error = CASE id WHEN ? THEN ? ELSE error END
					WHERE sink = ? AND subject = ? AND done_at IS NULL AND dead_at IS NULL`, f.ID, next, next, f.ID, f.text, f.sink, f.Subject)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
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
