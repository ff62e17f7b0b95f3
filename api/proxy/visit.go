package proxy

import (
	"context"
	"database/sql"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/store"
)

// Engagement tracking (access.md B.8): what users have visited, by the tags of rules. It is noted in memory and written in batches,
// so that no request waits for the disk.

// flushEvery is how often first visits are written.
const flushEvery = time.Second

// mostWaiting bounds the visits that wait to be written. Those beyond are noted at the next visit.
const mostWaiting = 100_000

// Visits are what the users of late have visited. Configurations of one site share them.
type Visits struct {
	store *store.Store
	known *otter.Cache[int64, *visitor] // by id of the user

	flushing sync.Mutex
	mu       sync.Mutex
	waiting  []visit
}

// A visit is the first of a user under a tag.
type visit struct {
	User int64      `json:"user"`
	Tag  string     `json:"tag"`
	At   store.Time `json:"-"`
	Unix int64      `json:"at"` // µs
}

// A visitor is what a user has visited.
type visitor struct {
	mu   sync.Mutex // of who adds
	tags atomic.Pointer[map[string]time.Time]
}

// NewVisits are the visits of a site.
func NewVisits(s *store.Store) *Visits {
	return &Visits{store: s, known: otter.Must(&otter.Options[int64, *visitor]{MaximumSize: 200_000})}
}

// Visit notes a granted visit of a user under the tags of a rule, and returns last_visited of access.md B.8: "" (null) on the first
// visit under all tags, the date of the first visit when all were seen before, the tags that were when only some were.
func (s *Service) Visit(u *accessrules.User, tags []string, now time.Time) string {
	v := s.Visits.of(u.ID)
	if v == nil {
		return "" // the database cannot be read: nothing is noted
	}
	if last, all := v.last(tags); all {
		return accessrules.Visited(last)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	before := *v.tags.Load()
	after := maps.Clone(before)
	for _, tag := range tags {
		if _, ok := before[tag]; !ok && s.Visits.note(u.ID, tag, now) {
			after[tag] = now
		}
	}
	v.tags.Store(&after)
	return lastVisited(before, tags)
}

// Seen is what Visit would return, and notes nothing.
func (s *Service) Seen(u *accessrules.User, tags []string) string {
	v := s.Visits.of(u.ID)
	if v == nil {
		return ""
	}
	return lastVisited(*v.tags.Load(), tags)
}

// lastVisited is the value for the session of who has visited what is known and now visits tags.
func lastVisited(known map[string]time.Time, tags []string) string {
	var seen []string
	var last time.Time
	for _, tag := range tags {
		at, ok := known[tag]
		if !ok {
			continue
		}
		seen = append(seen, tag)
		if at.After(last) {
			last = at
		}
	}
	switch {
	case len(seen) == 0:
		return ""
	case len(seen) < len(tags):
		return strings.Join(seen, ",")
	}
	return accessrules.Visited(last)
}

// last is the latest of the first visits under tags, and whether all were visited.
func (v *visitor) last(tags []string) (last time.Time, all bool) {
	known := *v.tags.Load()
	for _, tag := range tags {
		at, ok := known[tag]
		if !ok {
			return last, false
		}
		if at.After(last) {
			last = at
		}
	}
	return last, true
}

// of is what a user has visited, read when it is not known, nil when it cannot be.
func (vs *Visits) of(user int64) *visitor {
	if v, ok := vs.known.GetIfPresent(user); ok {
		return v
	}
	tags := map[string]time.Time{}
	err := vs.store.Read(context.Background(), func(r store.Reader) error {
		return store.Each(r, func(rows *sql.Rows) error {
			var tag string
			var at store.Time
			err := rows.Scan(&tag, &at)
			tags[tag] = at.Time
			return err
		}, `SELECT slug, last_visited FROM engagement WHERE user_id = ?`, user)
	})
	if err != nil {
		return nil
	}
	vs.mu.Lock()
	for _, w := range vs.waiting { // forgotten, and not written yet
		if w.User == user {
			tags[w.Tag] = w.At.Time
		}
	}
	vs.mu.Unlock()
	v := new(visitor)
	v.tags.Store(&tags)
	known, _ := vs.known.SetIfAbsent(user, v)
	return known
}

// note queues a first visit. It reports false when too many wait.
func (vs *Visits) note(user int64, tag string, now time.Time) bool {
	at := store.At(now)
	vs.mu.Lock()
	defer vs.mu.Unlock()
	if len(vs.waiting) >= mostWaiting {
		return false
	}
	vs.waiting = append(vs.waiting, visit{User: user, Tag: tag, At: at, Unix: at.UnixMicro()})
	return true
}

// Flush writes the first visits that wait.
func (vs *Visits) Flush(ctx context.Context) error {
	vs.flushing.Lock() // another one would take what is written here away once more
	defer vs.flushing.Unlock()
	const batch = 500
	for {
		vs.mu.Lock()
		next := slices.Clone(vs.waiting[:min(batch, len(vs.waiting))])
		vs.mu.Unlock()
		if len(next) == 0 {
			return nil
		}
		text, err := json.Marshal(next)
		if err != nil {
			return err
		}
		err = vs.store.Write(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(`INSERT INTO engagement (slug, user_id, last_visited)
				SELECT value ->> 'tag', user.id, value ->> 'at' FROM json_each(?) JOIN user ON user.id = value ->> 'user' WHERE true
				ON CONFLICT (user_id, slug) DO NOTHING`, string(text))
			return err
		})
		if err != nil {
			return err
		}
		vs.mu.Lock()
		vs.waiting = slices.Delete(vs.waiting, 0, len(next))
		vs.mu.Unlock()
	}
}

// Follow writes first visits and takes in what other processes have changed of the rules, until ctx ends.
func (s *Service) Follow(ctx context.Context, changed <-chan struct{}) error {
	ticker := time.NewTicker(flushEvery)
	defer ticker.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return s.Visits.Flush(context.WithoutCancel(ctx))
		case <-ticker.C:
			err = s.Visits.Flush(ctx)
		case <-changed:
			err = s.Reload(ctx)
		}
		if err != nil && ctx.Err() == nil {
			s.Logger.Error("the gate could not be kept up to date", zap.Error(err))
		}
	}
}
