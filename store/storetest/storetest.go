// Package storetest gives tests a store.
package storetest

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/caddy-tollgate/tollgate/store"
)

// New returns a migrated store in a folder of its own, which is closed with the test. Its clock stands still: see NewAt for
// one that the test moves.
func New(t testing.TB) *store.Store {
	t.Helper()
	return NewAt(t, NewClock())
}

// NewAt is New with the test's clock.
func NewAt(t testing.TB, clock *Clock) *store.Store {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tollgate.db")
	if err := os.WriteFile(path, template(t), 0o600); err != nil {
		t.Fatal(err)
	}
	return Open(t, path, clock)
}

// Open opens and migrates the file at path, which need not exist, and closes it with the test.
func Open(t testing.TB, path string, clock *Clock) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{Path: path, Now: clock.Now, Logger: zaptest.NewLogger(t, zaptest.Level(zap.WarnLevel))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing the store: %v", err)
		}
	})
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// The schema is made once for all stores of a test binary: it costs more than most tests.
var (
	templateOnce sync.Once
	templateFile []byte
)

func template(t testing.TB) []byte {
	t.Helper()
	templateOnce.Do(func() {
		path := filepath.Join(t.TempDir(), "template.db")
		s, err := store.Open(t.Context(), store.Options{Path: path, Now: NewClock().Now, Logger: zaptest.NewLogger(t, zaptest.Level(zap.WarnLevel))})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if templateFile, err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	})
	return templateFile
}

// Plan returns the query plan that the store chooses for a query, a step a line as in "SEARCH role USING INDEX role_user
// (user_id=?)". Tests look in it for the index they count on, or for a SCAN they do not want.
func Plan(t testing.TB, s *store.Store, query string, args ...any) string {
	t.Helper()
	var steps []string
	err := s.Read(t.Context(), func(r store.Reader) error {
		rows, err := r.Query("EXPLAIN QUERY PLAN "+query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				return err
			}
			steps = append(steps, detail)
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatalf("query plan: %v", err)
	}
	return strings.Join(steps, "\n")
}

// Clock is a clock that stands still until the test moves it. It may be used from several goroutines.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock that shows noon of 2025-03-10, UTC.
func NewClock() *Clock { return &Clock{now: time.Date(2025, 3, 10, 12, 0, 0, 0, time.UTC)} }

// Now returns what the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Set sets the clock. A store follows it back by more than a minute only: see store.Tx.Now.
func (c *Clock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}

// Advance moves the clock by d.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
