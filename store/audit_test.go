package store_test

import (
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

func TestAudit(t *testing.T) {
	clock := storetest.NewClock()
	s := storetest.NewAt(t, clock)
	for _, actor := range []string{"", "ann"} {
		mustWrite(t, s, func(tx *store.Tx) error {
			tx.Actor = actor
			return tx.Audit("profile.create", "cowork", "from "+actor)
		})
	}
	var got []string
	err := s.Read(t.Context(), func(r store.Reader) error {
		rows, err := r.Query(`SELECT created_at, actor, action, subject, detail FROM audit ORDER BY id`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var at store.Time
			var actor, action, subject, detail string
			if err := rows.Scan(&at, &actor, &action, &subject, &detail); err != nil {
				return err
			}
			got = append(got, strings.Join([]string{at.String(), actor, action, subject, detail}, "|"))
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	at := store.At(clock.Now()).String()
	want := at + "|system|profile.create|cowork|from \n" + at + "|ann|profile.create|cowork|from ann"
	if got := strings.Join(got, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
