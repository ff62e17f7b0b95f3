package auth

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// Guessing is bounded by two buckets: one for a client and an account, one for the client alone (decision 65). There is none for
// the account alone, which would let anybody lock anybody out.
//
// A bucket counts failures for a window. When it is full it stays closed for a window; full again, for two; and so on. Failures
// are written at once, in a transaction of their own, so that a request that fails cannot take them back (D-7). While attempts
// are being judged they hold a place in the bucket, so that many at a time cannot guess more than as many one by one.
type throttle struct {
	set   Throttle
	store *store.Store

	mu    sync.Mutex
	doors map[string]*entrance // of the buckets in use
}

// An entrance lets the attempts on one bucket be judged, no more at a time than may still fail.
type entrance struct {
	mu    sync.Mutex
	users int             // who is in, or waits; under the throttle's lock
	busy  int             // attempts being judged
	queue []chan struct{} // who waits, first come first served
}

func newThrottle(set Throttle, s *store.Store) *throttle {
	return &throttle{set: set, store: s, doors: map[string]*entrance{}}
}

// client is the part of an address that stands for one client.
func client(address string) string { return rest.ClientOf(address).Name }

// How many times the failures of one client all clients of a /48 have: at all, and on one account, which fewer people there use.
const (
	siteClients  = 8
	siteAccounts = 4
)

// An attempt is a place in the buckets of a client and of an account. It ends with exactly one of failed and done.
type attempt struct {
	t       *throttle
	buckets []bucket
	// ofClient is how many of them, the first, are of the client alone.
	ofClient int
	who      *failing                 // what is written down of an attempt that fails
	also     func(tx *store.Tx) error // what else is done in the transaction that counts a failure; nil for nothing
}

func (a *attempt) add(name string, limit int) { a.buckets = append(a.buckets, bucket{name, limit}) }

type bucket struct {
	name  string
	limit int
}

// try takes a place for an attempt of a client (an address) on an account, "" for none in particular. The address stands for so many
// clients that are not told apart. The error is a 429 while one of the buckets is closed.
func (t *throttle) try(ctx context.Context, account, address string, clients int) (*attempt, error) {
	c := rest.ClientOf(address)
	a := &attempt{t: t}
	if n := t.set.PerClient * clients; n > 0 {
		a.add("client:"+c.Name, n)
		if c.Site != "" {
			a.add("client:"+c.Site, n*siteClients)
		}
		a.ofClient = len(a.buckets)
	}
	if n := t.set.PerAccount; n > 0 && account != "" {
		name := "login:" + strings.ToLower(account) + ":"
		a.add(name+c.Name, n)
		if c.Site != "" {
			a.add(name+c.Site, n*siteAccounts)
		}
	}
	for i, b := range a.buckets {
		if err := t.enter(ctx, b); err != nil {
			a.buckets = a.buckets[:i]
			a.done()
			return nil, err
		}
	}
	return a, nil
}

// enter waits until the failures of a bucket and the attempts being judged leave a place in it.
func (t *throttle) enter(ctx context.Context, b bucket) error {
	d := t.door(b.name)
	d.mu.Lock()
	defer d.mu.Unlock()
	for {
		left, wait, err := t.room(ctx, b)
		if err == nil && d.busy < left {
			d.busy++
			if d.busy < left {
				d.next()
			}
			return nil
		}
		if err == nil && wait > 0 {
			err = rest.Refused(rest.LimitGuesses, wait)
		}
		if err == nil {
			err = d.wait(ctx)
		}
		if err != nil {
			d.next() // whoever is behind is no better off for waiting
			t.close(b.name)
			return err
		}
	}
}

// wait queues up until somebody leaves.
func (d *entrance) wait(ctx context.Context) error {
	turn := make(chan struct{})
	d.queue = append(d.queue, turn)
	d.mu.Unlock()
	defer d.mu.Lock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		d.mu.Lock()
		defer d.mu.Unlock()
		d.queue = slices.DeleteFunc(d.queue, func(c chan struct{}) bool { return c == turn })
		return ctx.Err()
	}
}

// next lets the first of the queue look again.
func (d *entrance) next() {
	if len(d.queue) > 0 {
		close(d.queue[0])
		d.queue = d.queue[1:]
	}
}

// door is the entrance of a bucket; who asks for it is a user until close.
func (t *throttle) door(name string) *entrance {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.doors[name]
	if d == nil {
		d = new(entrance)
		t.doors[name] = d
	}
	d.users++
	return d
}

func (t *throttle) close(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.doors[name]
	if d.users--; d.users == 0 {
		delete(t.doors, name)
	}
}

// leave gives a place back.
func (t *throttle) leave(name string) {
	t.mu.Lock()
	d := t.doors[name]
	t.mu.Unlock()
	d.mu.Lock()
	d.busy--
	d.next()
	d.mu.Unlock()
	t.close(name)
}

// room returns how many more failures a bucket takes, or how long it stays closed.
func (t *throttle) room(ctx context.Context, b bucket) (left int, wait time.Duration, err error) {
	err = t.store.Read(ctx, func(r store.Reader) error {
		failures, ends, err := readBucket(r, b.name)
		if err != nil {
			return err
		}
		now := r.Now()
		switch failures = t.remembered(failures, b.limit, ends, now); {
		case failures%b.limit != 0:
			left = b.limit - failures%b.limit
		case failures > 0 && ends.After(now.Time):
			wait = ends.Sub(now.Time)
		default:
			left = b.limit
		}
		return nil
	})
	return left, wait, err
}

// remembered is the count of a bucket as of now: a window that passed without filling it forgets the failures, and one that
// passed after it was closed forgets how often that happened.
func (t *throttle) remembered(failures, limit int, ends, now store.Time) int {
	if failures%limit == 0 {
		ends = store.At(ends.Add(t.set.Longest))
	}
	if !ends.After(now.Time) {
		return 0
	}
	return failures
}

// failed counts a failure in every bucket, writes it down, and gives the places back. The error is that of the store; the attempt has
// failed anyway.
func (a *attempt) failed(ctx context.Context, reason rest.Reason) error {
	a.who.log(reason)
	return a.count(ctx, func(tx *store.Tx) error {
		if err := a.who.audit(tx, reason); err != nil || a.also == nil {
			return err
		}
		return a.also(tx)
	})
}

// count counts in every bucket, with what belongs to it, and gives the places back.
func (a *attempt) count(ctx context.Context, with func(tx *store.Tx) error) error {
	defer a.done()
	// The client may hang up, which must not undo the count.
	return a.t.store.Write(context.WithoutCancel(ctx), func(tx *store.Tx) error {
		for _, b := range a.buckets {
			if err := a.t.count(tx, b); err != nil {
				return err
			}
		}
		return with(tx)
	})
}

// once reports whether nothing of that name happened in the last while, and notes that it does now.
func (t *throttle) once(tx *store.Tx, name string, while time.Duration) (bool, error) {
	n, err := tx.Exec(`INSERT INTO throttle (bucket, failures, since, ends_at) VALUES (?, 1, ?, ?)
		ON CONFLICT (bucket) DO UPDATE SET since = excluded.since, ends_at = excluded.ends_at WHERE throttle.ends_at <= excluded.since`,
		name, tx.Now(), store.At(tx.Now().Add(while)))
	return n > 0, err
}

func (t *throttle) count(tx *store.Tx, b bucket) error {
	failures, ends, err := readBucket(tx, b.name)
	if err != nil {
		return err
	}
	now := tx.Now()
	failures = t.remembered(failures, b.limit, ends, now) + 1
	switch times := failures / b.limit; {
	case failures%b.limit == 0:
		ends = store.At(now.Add(t.closed(times)))
	case failures%b.limit == 1 || !ends.After(now.Time):
		ends = store.At(now.Add(t.set.Window))
	}
	_, err = tx.Exec(`INSERT INTO throttle (bucket, failures, since, ends_at) VALUES (?, ?, ?, ?)
		ON CONFLICT (bucket) DO UPDATE SET failures = excluded.failures, ends_at = excluded.ends_at`, b.name, failures, now, ends)
	return err
}

// closed is how long a bucket stays closed when it is full for the n-th time.
func (t *throttle) closed(n int) time.Duration {
	d := t.set.Window
	for ; n > 1 && d < t.set.Longest; n-- {
		d *= 2
	}
	return min(d, max(t.set.Longest, t.set.Window))
}

// sent counts a message in the bucket of the client, and gives the places back: messages to others are a nuisance too. also is done in
// the same transaction.
func (a *attempt) sent(ctx context.Context, also func(tx *store.Tx) error) error {
	client := a.buckets[:a.ofClient]
	for _, b := range a.buckets[len(client):] {
		a.t.leave(b.name)
	}
	if a.buckets = client; len(client) == 0 && also == nil {
		return nil
	}
	return a.count(ctx, func(tx *store.Tx) error {
		if also == nil {
			return nil
		}
		return also(tx)
	})
}

// done gives the places back without counting anything.
func (a *attempt) done() {
	for _, b := range a.buckets {
		a.t.leave(b.name)
	}
	a.buckets = nil
}

// forget empties the buckets of a client and an account, in the transaction that logs somebody in.
func (t *throttle) forget(tx *store.Tx, account, address string) error {
	c, name := rest.ClientOf(address), "login:"+strings.ToLower(account)+":"
	_, err := tx.Exec(`DELETE FROM throttle WHERE bucket IN (?, ?)`, name+c.Name, name+c.Site)
	return err
}

// lift empties every bucket of an account.
func (t *throttle) lift(tx *store.Tx, account string) error {
	from := "login:" + strings.ToLower(account) + ":"
	_, err := tx.Exec(`DELETE FROM throttle WHERE bucket >= ? AND bucket < ?`, from, from+"\U0010FFFF")
	return err
}

func readBucket(r store.Reader, name string) (failures int, ends store.Time, err error) {
	err = r.QueryRow(`SELECT failures, ends_at FROM throttle WHERE bucket = ?`, name).Scan(&failures, &ends)
	if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	return failures, ends, err
}
