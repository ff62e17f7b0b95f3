package store_test

import (
	"strconv"
	"testing"

	"github.com/caddy-tollgate/tollgate/store"
)

func TestPrune(t *testing.T) {
	s := newStore(t)
	mustWrite(t, s, func(tx *store.Tx) error {
		for i := range 2500 {
			if err := tx.Audit("test", "", strconv.Itoa(i%5)); err != nil {
				return err
			}
		}
		return nil
	})
	before := s.Stats()
	const query = `DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE detail <> ? LIMIT 700)`
	n, err := s.Prune(t.Context(), query, "3")
	if err != nil || n != 2000 {
		t.Errorf("%d rows gone, %v; want 2000", n, err)
	}
	if batches := s.Stats().Batches - before.Batches; batches != 4 { // 700, 700, 600 and none
		t.Errorf("%d commits, want 4", batches)
	}
	if left := count(t, s, `SELECT count(*) FROM audit`); left != 500 {
		t.Errorf("%d rows left, want 500", left)
	}
	if n, err := s.Prune(t.Context(), `DELETE FROM nowhere`); n != 0 || err == nil {
		t.Errorf("%d rows gone from no table, %v", n, err)
	}
}
