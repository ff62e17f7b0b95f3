package store_test

import (
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

func TestTimeOfAnOperation(t *testing.T) {
	clock := storetest.NewClock()
	s := storetest.NewAt(t, clock)
	start := clock.Now()
	now := func() (wrote, read store.Time) {
		mustWrite(t, s, func(tx *store.Tx) error {
			wrote = tx.Now()
			clock.Advance(time.Second)
			if again := tx.Now(); again != wrote {
				t.Errorf("the time of a write changes from %v to %v", wrote, again)
			}
			clock.Advance(-time.Second)
			return nil
		})
		if err := s.Read(t.Context(), func(r store.Reader) error { read = r.Now(); return nil }); err != nil {
			t.Fatal(err)
		}
		return wrote, read
	}
	for _, step := range []struct {
		advance, want time.Duration
	}{
		{0, 0},
		{time.Hour, time.Hour},
		{-time.Second, time.Hour},           // a correction: time stands still,
		{500 * time.Millisecond, time.Hour}, // until the clock has caught up
		{501 * time.Millisecond, time.Hour + time.Millisecond},
		{-2 * time.Hour, time.Millisecond - time.Hour}, // the clock was wrong: it is followed
	} {
		clock.Advance(step.advance)
		wrote, read := now()
		if want := store.At(start.Add(step.want)); wrote != want || read != want {
			t.Errorf("clock %v by %v: wrote at %v, read at %v, want %v", clock.Now(), step.advance, wrote, read, want)
		}
	}
}
