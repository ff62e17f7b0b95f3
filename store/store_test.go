package store_test

import (
	"testing"

	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

func TestSmoke(t *testing.T) {
	s := storetest.New(t)
	if err := s.Write(t.Context(), func(tx *store.Tx) error { return tx.Audit("a", "b", "c") }); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := s.Read(t.Context(), func(r store.Reader) error { return r.QueryRow("SELECT count(*) FROM audit").Scan(&n) }); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	t.Log(storetest.Plan(t, s, "SELECT * FROM role WHERE user_id = ?", 1))
}
