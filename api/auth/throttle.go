package auth

import (
	"context"
	"hash/fnv"
	"slices"
	"strconv"
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
	wideClients  = 32 // of a wide network, while there are too many buckets; on one account as many as of a /48
)

// sharedAccounts is how many buckets the accounts share then, in each wide network.
const sharedAccounts = 1024

// An attempt is a place in the buckets of a client and of an account. It ends with exactly one of failed and done.
type attempt struct {
	t       *throttle
	buckets []rest.Bucket
	// ofClient is how many of them, the first, are of the client alone.
	ofClient int
	who      *failing                 // what is written down of an attempt that fails
	also     func(tx *store.Tx) error // what else is done in the transaction that counts a failure; nil for nothing
}

// try takes a place for an attempt of a client (an address) on an account, "" for none in particular. The address stands for so many
// clients that are not told apart. The error is a 429 while one of the buckets is closed.
func (t *throttle) try(ctx context.Context, account, address string, clients int) (*attempt, error) {
	a := &attempt{t: t}
	all, err := t.buckets(ctx, a, account, address, clients)
	if err != nil {
		return nil, err
	}
	for i, b := range all {
		if err := t.enter(ctx, b); err != nil {
			a.buckets = all[:i]
			a.done()
			return nil, err
		}
	}
	a.buckets = all
	return a, nil
}

// buckets are those of an attempt, the ones of the client first.
func (t *throttle) buckets(ctx context.Context, a *attempt, account, address string, clients int) ([]rest.Bucket, error) {
	var ofClient, ofAccount []rest.Bucket
	if n := t.set.PerClient * clients; n > 0 {
		ofClient = rest.BucketsOf("client:", address, n, n*siteClients, n*wideClients)
	}
	if n := t.set.PerAccount; n > 0 && account != "" {
		ofAccount = rest.BucketsOf(accountBucket(account), address, n, n*siteAccounts, n*siteAccounts)
		for i, b := range ofAccount {
			if b.Wide != "" {
				ofAccount[i].Wide = sharedBucket(account) + rest.ClientOf(address).Wide
			}
		}
	}
	if len(ofClient)+len(ofAccount) == 0 {
		return nil, nil
	}
	err := t.store.Read(ctx, func(r store.Reader) (err error) {
		if ofClient, err = rest.Placed(r, ofClient); err != nil {
			return err
		}
		ofAccount, err = rest.Placed(r, ofAccount)
		return err
	})
	a.ofClient = len(ofClient)
	return slices.Concat(ofClient, ofAccount), err
}

// accountBucket begins the names of the buckets of an account.
func accountBucket(account string) string { return "login:" + strings.ToLower(account) + ":" }

// sharedBucket begins the names of the buckets that an account shares with others while there are too many buckets: names can be made up
// without end.
func sharedBucket(account string) string {
	h := fnv.New32a()
	h.Write([]byte(strings.ToLower(account)))
	return "login#" + strconv.FormatUint(uint64(h.Sum32()%sharedAccounts), 10) + ":"
}

// enter waits until the failures of a bucket and the attempts being judged leave a place in it.
func (t *throttle) enter(ctx context.Context, b rest.Bucket) error {
	d := t.door(b.Name)
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
			t.close(b.Name)
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
func (t *throttle) room(ctx context.Context, b rest.Bucket) (left int, wait time.Duration, err error) {
	err = t.store.Read(ctx, func(r store.Reader) error {
		failures, ends, err := rest.ReadBucket(r, b.Name)
		if err != nil {
			return err
		}
		now := r.Now()
		switch failures = t.remembered(failures, b.Most, ends, now); {
		case failures%b.Most != 0:
			left = b.Most - failures%b.Most
		case failures > 0 && ends.After(now.Time):
			wait = ends.Sub(now.Time)
		default:
			left = b.Most
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
	n, err := tx.Exec(`INSERT INTO throttle (bucket, failures, since, ends_at, gone_at) VALUES (?, 1, ?, ?3, ?3)
		ON CONFLICT (bucket) DO UPDATE SET since = excluded.since, ends_at = excluded.ends_at, gone_at = excluded.gone_at WHERE throttle.ends_at <= excluded.since`,
		name, tx.Now(), store.At(tx.Now().Add(while)))
	return n > 0, err
}

func (t *throttle) count(tx *store.Tx, b rest.Bucket) error {
	failures, ends, err := rest.ReadBucket(tx, b.Name)
	if err != nil {
		return err
	}
	now := tx.Now()
	failures = t.remembered(failures, b.Most, ends, now) + 1
	switch times := failures / b.Most; {
	case failures%b.Most == 0:
		ends = store.At(now.Add(t.closed(times)))
	case failures%b.Most == 1 || !ends.After(now.Time):
		ends = store.At(now.Add(t.set.Window))
	}
	gone := ends
	if failures%b.Most == 0 { // how often it was closed is remembered for longer
		gone = store.At(ends.Add(t.set.Longest))
	}
	_, err = tx.Exec(`INSERT INTO throttle (bucket, failures, since, ends_at, gone_at) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (bucket) DO UPDATE SET failures = excluded.failures, ends_at = excluded.ends_at, gone_at = excluded.gone_at`,
		b.Name, failures, now, ends, gone)
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
		a.t.leave(b.Name)
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
		a.t.leave(b.Name)
	}
	a.buckets = nil
}

// forget empties the buckets of a client and an account, in the transaction that logs somebody in; those shared with others stay, or
// whoever has an account could go on guessing at another's.
func (t *throttle) forget(tx *store.Tx, account, address string) error {
	c, name := rest.ClientOf(address), accountBucket(account)
	_, err := tx.Exec(`DELETE FROM throttle WHERE bucket IN (?, ?)`, name+c.Name, name+c.Site)
	return err
}

// lift empties every bucket of an account alone: whoever renames or erases an account of his own must not empty what it shares.
func (t *throttle) lift(tx *store.Tx, account string) error {
	return emptyBuckets(tx, accountBucket(account))
}

// liftShared empties also those that the account shares with others, for an operator.
func (t *throttle) liftShared(tx *store.Tx, account string) error {
	if err := t.lift(tx, account); err != nil {
		return err
	}
	return emptyBuckets(tx, sharedBucket(account))
}

func emptyBuckets(tx *store.Tx, from string) error {
	_, err := tx.Exec(`DELETE FROM throttle WHERE bucket >= ? AND bucket < ?`, from, from+"\U0010FFFF")
	return err
}
