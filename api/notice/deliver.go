package notice

import (
	"cmp"
	"context"
	"database/sql"
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
	behind   bool // another one of the batch
}

const (
	batchSize   = 128              // notices in one go
	runSize     = 16               // of them, about one subject: they go one after another
	atOnce      = 4                // subjects of one sink, at the same time
	sendTimeout = 30 * time.Second // of one notice
	// patience is how long notices of a batch are begun with; the others are given back. It leaves time to end before the lease does.
	patience = 2 * time.Minute
	// share of the time of the writer is left to the API while notices are delivered one batch after another: 19 of 20.
	share = 19
	// longestPause is how long that may last between two batches.
	longestPause = time.Second
	// lease is how long a notice that is being delivered is nobody else's. If the process dies meanwhile, it is tried again then.
	lease = 5 * time.Minute
	// pollEvery is how often the outbox is looked at without a reason: another process may have written to it.
	pollEvery = 5 * time.Second
)

// behind is when a notice is due that others about its subject are before: not until they are done with, and it is made due then. It is
// the last time that JSON can print.
var behind = store.At(time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC))

// errHeld says of a notice that it was not tried: one before it failed, or the batch took too long.
var errHeld = errors.New("notice: held")

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
	return &lane{Notices: n, sink: s, mine: "sink = ?1", name: s.Name(), woken: make(chan struct{}, 1)}
}

// newOrphans makes the lane of what nobody takes: it is given up in the end.
func (n *Notices) newOrphans() (*lane, error) {
	names, err := encode(List[string](slices.Collect(maps.Keys(n.lanes))))
	return &lane{Notices: n, mine: "sink NOT IN (SELECT value FROM json_each(?1))", name: string(names), woken: make(chan struct{}, 1)}, err
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
	for pause := time.Duration(0); ; {
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
		if err := sleep(ctx, pause); err != nil {
			return 0, err
		}
		start := l.o.Now()
		batch, err := l.claim(ctx)
		if err != nil {
			return l.poll, err
		}
		if len(batch) == 0 {
			return time.Second, nil // the store's clock is behind
		}
		wrote := l.o.Now().Sub(start)
		results := l.deliverBatch(ctx, batch)
		// What was sent was sent: this is written even when the caller gives up.
		start = l.o.Now()
		if err := l.record(context.WithoutCancel(ctx), ctx.Err() != nil, batch, results); err != nil {
			return l.poll, err
		}
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		// A backlog must not take the writer from who waits for an answer. A few notices are no backlog.
		if pause = 0; len(batch) >= runSize {
			pause = min(share*(wrote+l.o.Now().Sub(start)), longestPause)
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
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
	return `SELECT id FROM outbox WHERE ` + l.waiting() + ` AND next_at <= ?2 ORDER BY next_at, id LIMIT ?3`
}

// selectRuns reads notices, ?1, each with those behind it: as many as ?2 together.
const selectRuns = `SELECT o.id, o.created_at, o.event, o.subject, o.sink, o.attempts, o.recipients, o.payload
	FROM json_each(?1) claimed CROSS JOIN outbox first CROSS JOIN outbox o
	WHERE first.id = claimed.value AND o.id IN (SELECT id FROM outbox later WHERE later.sink = first.sink AND later.subject = first.subject
		AND later.done_at IS NULL AND later.dead_at IS NULL AND later.id >= first.id ORDER BY later.id LIMIT ?2)`

// Depth is how many notices wait to be delivered, and how many were given up and are still kept.
func (n *Notices) Depth(ctx context.Context) (waiting, dead int, err error) {
	err = n.o.Store.Read(ctx, func(r store.Reader) error { return r.QueryRow(depth).Scan(&waiting, &dead) })
	return waiting, dead, err
}

const depth = `SELECT (SELECT count(*) FROM outbox WHERE done_at IS NULL AND dead_at IS NULL), (SELECT count(*) FROM outbox WHERE dead_at IS NOT NULL)`

// claim takes notices that are due, and the first of those behind them, which nobody else takes before them. The try of those that are
// due is counted before it is made: one that kills the process is given up in the end, too.
func (l *lane) claim(ctx context.Context) (batch []*Notice, err error) {
	var due []int64
	err = l.o.Store.Write(ctx, func(tx *store.Tx) (err error) {
		due, err = store.Column[int64](tx, `UPDATE outbox SET attempts = attempts + 1, next_at = ?4 WHERE id IN (`+l.dueQuery()+`) RETURNING id`,
			l.name, tx.Now(), batchSize, store.At(tx.Now().Add(lease)))
		return err
	})
	if err != nil || len(due) == 0 {
		return nil, err
	}
	err = l.o.Store.Read(ctx, func(r store.Reader) error {
		batch = nil
		return store.Each(r, func(rows *sql.Rows) (err error) {
			var one Notice
			var recipients string
			if err := rows.Scan(&one.ID, &one.CreatedAt, &one.Event, &one.Subject, &one.sink, &one.Attempt, &recipients, &one.Payload); err != nil {
				return err
			}
			one.envelope, err = decodeEnvelope(recipients)
			batch = append(batch, &one)
			return err
		}, selectRuns, store.IDs(due), max(1, min(runSize, batchSize/len(due))))
	})
	slices.SortFunc(batch, func(a, b *Notice) int {
		return cmp.Or(cmp.Compare(a.sink, b.sink), cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.ID, b.ID))
	})
	for i, one := range batch {
		if one.behind = i > 0 && one.about(batch[i-1]); one.behind {
			one.Attempt++ // not counted yet
		}
	}
	return batch, err
}

// about reports whether a notice has to wait for another one.
func (one *Notice) about(other *Notice) bool {
	return one.sink == other.sink && one.Subject == other.Subject
}

// deliverBatch delivers notices, those about one subject in order and a few subjects at a time, and returns what became of them.
func (l *lane) deliverBatch(ctx context.Context, batch []*Notice) []error {
	results := make([]error, len(batch))
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	until := l.o.Now().Add(patience)
	for from, to := 0, 0; from < len(batch); from = to {
		for to = from + 1; to < len(batch) && batch[to].about(batch[from]); {
			to++
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			held := false
			for i := from; i < to; i++ {
				if results[i] = errHeld; held || l.o.Now().After(until) {
					continue
				}
				results[i] = l.try(ctx, batch[i])
				held = results[i] != nil && !errors.Is(results[i], ErrRefused)
			}
		})
	}
	wg.Wait()
	return results
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
