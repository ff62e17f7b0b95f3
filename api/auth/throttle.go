package auth

import (
	"context"
	"errors"
	"net/netip"
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
	busy  map[string]int // attempts being judged, by bucket
	freed chan struct{}  // closed and replaced when a place is freed
}

func newThrottle(set Throttle, s *store.Store) *throttle {
	return &throttle{set: set, store: s, busy: map[string]int{}, freed: make(chan struct{})}
}

// client is the part of an address that stands for one client: an IPv4 address, or the /64 of an IPv6 address.
func client(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if a = a.Unmap().WithZone(""); a.Is6() {
		p, _ := a.Prefix(64)
		return p.String()
	}
	return a.String()
}

// An attempt is a place in the buckets of a client and of an account. It ends with exactly one of failed and done.
type attempt struct {
	t       *throttle
	buckets []bucket
}

type bucket struct {
	name  string
	limit int
}

// try takes a place for an attempt of a client (an address) on an account, "" for none in particular. The error is a 429 while
// one of the buckets is closed.
func (t *throttle) try(ctx context.Context, account, address string) (*attempt, error) {
	c := client(address)
	a := &attempt{t: t}
	if t.set.PerClient > 0 {
		a.buckets = append(a.buckets, bucket{"client:" + c, t.set.PerClient})
	}
	if t.set.PerAccount > 0 && account != "" {
		a.buckets = append(a.buckets, bucket{"login:" + strings.ToLower(account) + ":" + c, t.set.PerAccount})
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
	for {
		t.mu.Lock()
		t.busy[b.name]++
		rank, freed := t.busy[b.name], t.freed
		t.mu.Unlock()

		left, wait, err := t.room(ctx, b)
		if err == nil && rank <= left {
			return nil
		}
		t.leave(b.name)
		if err != nil {
			return err
		}
		if wait > 0 {
			return rest.Throttled(wait)
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (t *throttle) leave(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.busy[name]--; t.busy[name] <= 0 {
		delete(t.busy, name)
	}
	close(t.freed)
	t.freed = make(chan struct{})
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

// failed counts a failure in every bucket and gives the places back. The error is that of the store; the attempt has failed
// anyway.
func (a *attempt) failed(ctx context.Context) error {
	defer a.done()
	if len(a.buckets) == 0 {
		return nil
	}
	// The client may hang up, which must not undo the count.
	return a.t.store.Write(context.WithoutCancel(ctx), func(tx *store.Tx) error {
		for _, b := range a.buckets {
			if err := a.t.count(tx, b); err != nil {
				return err
			}
		}
		return nil
	})
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

// sent counts a message in the bucket of the client, and gives the places back: messages to others are a nuisance too.
func (a *attempt) sent(ctx context.Context) error {
	client := a.buckets[:min(1, len(a.buckets))]
	if a.t.set.PerClient <= 0 {
		client = nil
	}
	for _, b := range a.buckets[len(client):] {
		a.t.leave(b.name)
	}
	a.buckets = client
	return a.failed(ctx)
}

// done gives the places back without counting anything.
func (a *attempt) done() {
	for _, b := range a.buckets {
		a.t.leave(b.name)
	}
	a.buckets = nil
}

// forget empties the bucket of a client and an account, in the transaction that logs somebody in.
func (t *throttle) forget(tx *store.Tx, account, address string) error {
	_, err := tx.Exec(`DELETE FROM throttle WHERE bucket = ?`, "login:"+strings.ToLower(account)+":"+client(address))
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
