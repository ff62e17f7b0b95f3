package proxy

import (
	"strconv"
	"sync"
	"testing"

	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// TestFlushTogether writes visits from several goroutines at once: each is written, and none is taken away unwritten.
func TestFlushTogether(t *testing.T) {
	s := storetest.New(t)
	var user int64
	err := s.Write(t.Context(), func(tx *store.Tx) (err error) {
		user, err = tx.Insert(`INSERT INTO user (username, created_at, password_changed_at) VALUES ('xia', ?, ?)`, tx.Now(), tx.Now())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	visits := NewVisits(s)
	now := storetest.NewClock().Now()
	const rounds, each = 40, 8
	for i := range rounds {
		var wg sync.WaitGroup
		for j := range each {
			wg.Go(func() {
				visits.note(user, "tag-"+strconv.Itoa(i*each+j), now)
				if err := visits.Flush(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	var n int
	err = s.Read(t.Context(), func(r store.Reader) error { return r.QueryRow(`SELECT count(*) FROM engagement`).Scan(&n) })
	if err != nil || n != rounds*each {
		t.Errorf("%d visits are written, want %d: %v", n, rounds*each, err)
	}
}
