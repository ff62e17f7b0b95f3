package directory

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/caddy-tollgate/tollgate/store"
)

// Freshness of what is cached.
//
// The directory has an epoch, which each invalidation advances. An entry remembers the epoch that it was loaded in, drawn before
// its snapshot began, and which rows it was made from. An invalidation stamps the rows with the new epoch; an entry is stale as
// soon as one of its rows bears a stamp younger than the entry. Nothing has to find the entries that point to a changed
// profile, and a load that was in flight when the invalidation came is stale from birth.
//
// Stamps are kept by hash: two rows that share a slot cost a needless load now and then, never a stale answer.

// kind of a row, in the hash of its slot.
type kind uint64

const (
	userRow kind = iota + 1
	profileRow
	planRow
	subscriptionRow
	sessionRow
	agreementRows // all of them are one
)

const slotBits = 16

// slot is where the stamp of a row is.
type slot uint32

func (k kind) slot(id int64) slot {
	h := (uint64(id) ^ uint64(k)<<56) * 0x9E3779B97F4A7C15
	h ^= h >> 29
	h *= 0xBF58476D1CE4E5B9
	return slot(h >> (64 - slotBits))
}

type stamps struct {
	epoch atomic.Uint64
	floor atomic.Uint64 // entries loaded before this epoch are stale, whatever they were made from
	slots [1 << slotBits]atomic.Uint64
	mu    sync.Mutex // of those who invalidate
}

// touch makes everything stale that was made from the rows of the slots.
func (s *stamps) touch(slots ...slot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.epoch.Load() + 1
	for _, i := range slots {
		s.slots[i].Store(next)
	}
	s.epoch.Store(next) // after the stamps: whoever sees the new epoch sees them
}

// touchAll makes everything stale.
func (s *stamps) touchAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.epoch.Load() + 1
	s.floor.Store(next)
	s.epoch.Store(next)
}

// entry is what the freshness of something cached depends on. All but checked is written once.
type entry struct {
	loaded  uint64        // epoch before the snapshot began
	checked atomic.Uint64 // epoch in which it was last found fresh
	until   int64         // µs since 1970 from which it has to be loaded again, 0 for never
	slots   []slot        // rows it was made from
	parts   []*entry      // other entries that it points to
}

// on adds rows that the entry is made from.
func (e *entry) on(k kind, ids ...int64) {
	for _, id := range ids {
		e.slots = append(e.slots, k.slot(id))
	}
}

// fresh reports whether nothing that the entry was made from has changed since.
func (s *stamps) fresh(e *entry) bool {
	now := s.epoch.Load()
	if e.checked.Load() == now {
		return true
	}
	if e.loaded < s.floor.Load() {
		return false
	}
	for _, i := range e.slots {
		if s.slots[i].Load() > e.loaded {
			return false
		}
	}
	for _, part := range e.parts {
		if !s.fresh(part) {
			return false
		}
	}
	e.checked.Store(now)
	return true
}

// Epoch changes whenever something that the directory knows may have changed. What was made from facts that were asked for after
// Epoch was read is good as long as Epoch says the same, but for what ends by itself.
func (d *Directory) Epoch() uint64 { return d.stamps.epoch.Load() }

// fresh reports whether the entry may be used.
func (d *Directory) fresh(e *entry) bool {
	return d.stamps.fresh(e) && (e.until == 0 || d.o.Now().UnixMicro() < e.until)
}

// load reads something in a snapshot that begins after the epoch it passes. Callers in the same epoch share one load: whoever
// comes after an invalidation has another epoch, and so never gets what was read before it.
func load[T any](d *Directory, key string, fn func(r store.Reader, epoch uint64) (T, error)) (T, error) {
	epoch := d.stamps.epoch.Load()
	v, err, _ := d.flights.Do(key+"@"+strconv.FormatUint(epoch, 36), func() (any, error) {
		var v T
		// Not the context of the request: others may wait for this load, and a context that can end makes reads slower.
		err := d.o.Store.Read(context.Background(), func(r store.Reader) (err error) {
			v, err = fn(r, epoch)
			return err
		})
		return v, err
	})
	out, _ := v.(T)
	return out, err
}

// TouchUser is called by whoever changes, in tx, a user, or its contacts, roles, signatures, API keys or one-time passwords.
// When tx has committed, facts about the users and about all profiles that they make personal or manage are read again.
func (d *Directory) TouchUser(tx *store.Tx, ids ...int64) { d.touch(tx, userRow, ids) }

// TouchProfile is called by whoever changes, in tx, a profile, its roles, or which subscriptions it has.
func (d *Directory) TouchProfile(tx *store.Tx, ids ...int64) { d.touch(tx, profileRow, ids) }

// TouchSubscription is called by whoever changes, in tx, subscriptions that exist, or what is due for them.
func (d *Directory) TouchSubscription(tx *store.Tx, ids ...int64) { d.touch(tx, subscriptionRow, ids) }

// TouchPlan is called by whoever changes, in tx, plans that exist.
func (d *Directory) TouchPlan(tx *store.Tx, ids ...int64) { d.touch(tx, planRow, ids) }

// TouchAgreement is called by whoever changes, in tx, any agreement. Who signs one touches the user.
func (d *Directory) TouchAgreement(tx *store.Tx) { d.touch(tx, agreementRows, []int64{0}) }

// TouchSession is called by whoever changes, in tx, sessions; the methods of this package do it by themselves.
func (d *Directory) TouchSession(tx *store.Tx, ids ...int64) { d.touch(tx, sessionRow, ids) }

// TouchAll makes the directory read everything again: somebody else has written.
func (d *Directory) TouchAll() { d.stamps.touchAll() }

func (d *Directory) touch(tx *store.Tx, k kind, ids []int64) {
	slots := make([]slot, len(ids))
	for i, id := range ids {
		slots[i] = k.slot(id)
	}
	tx.AfterCommit(func() { d.stamps.touch(slots...) })
}
