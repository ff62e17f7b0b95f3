package notice

import (
	"context"
	"errors"
	"fmt"
	"maps"
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
	atOnce      = 4                // of one sink, at the same time
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

// A lane delivers what is for one sink. Each has slots of its own: a receiver that is slow, or gone, holds up nobody else.
type lane struct {
	*Notices
	sink  Sink   // nil: the lane of what is for sinks that are not configured
	mine  string // condition on the sink of a row, with the argument `name`
	name  string
	woken chan struct{}
}

func (n *Notices) newLane(s Sink) *lane {
	return &lane{Notices: n, sink: s, mine: "sink = ?", name: s.Name(), woken: make(chan struct{}, 1)}
}

// newOrphans makes the lane of what nobody takes: it is given up in the end.
func (n *Notices) newOrphans() (*lane, error) {
	names, err := encode(List[string](slices.Collect(maps.Keys(n.lanes))))
	return &lane{Notices: n, mine: "sink NOT IN (SELECT value FROM json_each(?))", name: string(names), woken: make(chan struct{}, 1)}, err
}

// wake makes the lane look at the outbox.
func (l *lane) wake() {
	select {
	case l.woken <- struct{}{}:
	default:
	}
}

// Deliver delivers what is in the outbox until ctx ends: notices of one sink and subject in order, each again until it was taken
// or has been tried ten times over three days, and then never. One Deliver runs at a time.
func (n *Notices) Deliver(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, l := range n.lanes {
		wg.Go(func() { l.run(ctx) })
	}
	wg.Wait()
	for _, l := range n.lanes {
		if kept, ok := l.sink.(interface{ CloseIdle() }); ok {
			kept.CloseIdle()
		}
	}
	return nil
}

func (l *lane) run(ctx context.Context) {
	for ctx.Err() == nil {
		wait, err := l.deliverDue(ctx)
		if err != nil && ctx.Err() == nil {
			l.o.Logger.Error("notices cannot be delivered", zap.Error(err))
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-l.woken:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// DeliverDue delivers what is due now and returns how long it is until it should be called again.
func (n *Notices) DeliverDue(ctx context.Context) (wait time.Duration, err error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	wait = n.poll
	for _, l := range n.lanes {
		wg.Go(func() {
			w, failed := l.deliverDue(ctx)
			mu.Lock()
			defer mu.Unlock()
			wait, err = min(wait, w), errors.Join(err, failed)
		})
	}
	wg.Wait()
	return wait, err
}

func (l *lane) deliverDue(ctx context.Context) (wait time.Duration, err error) {
	for {
		next, err := l.nextDue(ctx)
		if err != nil {
			return l.poll, err
		}
		if next.IsZero() {
			return l.poll, nil
		}
		if wait := next.Sub(l.o.Now()); wait > 0 {
			return min(wait, l.poll), nil
		}
		batch, err := l.claim(ctx)
		if err != nil {
			return l.poll, err
		}
		if len(batch) == 0 {
			return time.Second, nil // the store's clock is behind
		}
		if err := l.deliverBatch(ctx, batch); err != nil {
			return l.poll, err
		}
		if err := ctx.Err(); err != nil {
			return 0, err
		}
	}
}

// waiting is true for the notices of a lane that wait and that nothing blocks: each is the oldest of its sink and subject.
func (l *lane) waiting() string {
	return l.mine + ` AND done_at IS NULL AND dead_at IS NULL AND NOT EXISTS (SELECT 1 FROM outbox older WHERE older.sink = outbox.sink
		AND older.subject = outbox.subject AND older.id < outbox.id AND older.done_at IS NULL AND older.dead_at IS NULL)`
}

func (l *lane) nextQuery() string {
	return `SELECT next_at FROM outbox WHERE ` + l.waiting() + ` ORDER BY next_at LIMIT 1`
}

// nextDue is when the next notice that nothing blocks is due; zero when there is none.
func (l *lane) nextDue(ctx context.Context) (next store.Time, err error) {
	err = l.o.Store.Read(ctx, func(r store.Reader) error {
		err := r.QueryRow(l.nextQuery(), l.name).Scan(&next)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	})
	return next, err
}

func (l *lane) dueQuery() string {
	return `SELECT id FROM outbox WHERE ` + l.waiting() + ` AND next_at <= ? ORDER BY next_at, id LIMIT ?`
}

// Depth is how many notices wait to be delivered, and how many were given up and are still kept.
func (n *Notices) Depth(ctx context.Context) (waiting, dead int, err error) {
	err = n.o.Store.Read(ctx, func(r store.Reader) error { return r.QueryRow(depth).Scan(&waiting, &dead) })
	return waiting, dead, err
}

const depth = `SELECT (SELECT count(*) FROM outbox WHERE done_at IS NULL AND dead_at IS NULL), (SELECT count(*) FROM outbox WHERE dead_at IS NOT NULL)`

// claim takes notices that are due, at most one of each subject, and counts the try before it is made: one that kills the
// process is given up in the end, too.
func (l *lane) claim(ctx context.Context) (batch []*Notice, err error) {
	err = l.o.Store.Write(ctx, func(tx *store.Tx) error {
		batch = nil
		rows, err := tx.Query(`UPDATE outbox SET attempts = attempts + 1, next_at = ? WHERE id IN (`+l.dueQuery()+`)
			RETURNING id, created_at, event, subject, sink, attempts, recipients, payload`,
			store.At(tx.Now().Add(lease)), l.name, tx.Now(), batchSize)
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
			if one.envelope, err = decodeEnvelope(recipients); err != nil {
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
func (l *lane) deliverBatch(ctx context.Context, batch []*Notice) error {
	results := make([]error, len(batch))
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for i, one := range batch {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			results[i] = l.try(ctx, one)
		})
	}
	wg.Wait()
	// What was sent was sent: this is written even when the caller gives up.
	return l.record(context.WithoutCancel(ctx), ctx.Err() != nil, batch, results)
}

// try delivers one notice. A panic is a failure of that notice alone.
func (l *lane) try(ctx context.Context, one *Notice) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	if l.sink == nil {
		return fmt.Errorf("nothing is configured for %q", one.sink)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	return l.sink.Deliver(ctx, one)
}
