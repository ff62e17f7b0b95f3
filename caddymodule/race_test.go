package caddymodule

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/store"
)

// TestAccessFollowsMoney takes away what a caller's access rests on while 64 clients ask: no request that begins after the commit is
// let through.
func TestAccessFollowsMoney(t *testing.T) {
	s := newSite(t, func(s *site) {
		s.gate = "rule /app/{profile}/ {\n\t\t\tdirect contributor weak\n\t\t\tpaid premium\n\t\t}\n\t\theaders"
	})
	app := runningApp(t)
	donny := s.login("donny")
	write := func(query string, touch func(tx *store.Tx)) error {
		return app.site.Store.Write(context.Background(), func(tx *store.Tx) error {
			touch(tx)
			n, err := tx.Exec(query)
			if err == nil && n != 1 {
				t.Errorf("%d rows: %s", n, query)
			}
			return err
		})
	}
	for name, end := range map[string]func(as string) error{
		"expired by the provider": func(string) error {
			_, err := s.try("PATCH", "/api/profile/cowork/plans/premium/subscriptions/joe1", map[string]any{"ends_at": "2020-01-01T00:00:00Z"}, donny)
			return err
		},
		"cancelled by the subscriber": func(as string) error {
			_, err := s.try("DELETE", "/api/profile/joe2/subscriptions/premium", nil, as)
			return err
		},
		"unpaid": func(string) error {
			return write(`INSERT INTO statement (payer_id, event_id, unit, subscription_id, due, paid, payable, last_at)
				SELECT profile_id, 'sub_' || id || '/', 'usd', id, 100, 0, 0, 0 FROM subscription WHERE profile_id = (SELECT id FROM profile WHERE slug = 'joe3')`,
				func(tx *store.Tx) {
					var id int64
					if err := tx.QueryRow(`SELECT subscription.id FROM subscription JOIN profile ON profile.id = profile_id WHERE slug = 'joe3'`).Scan(&id); err != nil {
						t.Error(err)
					}
					app.site.Directory.TouchSubscription(tx, id)
				})
		},
		"role removed": func(string) error {
			_, err := s.try("DELETE", "/api/profile/joe4/roles/manager/joe4", nil, donny)
			return err
		},
		"signed out": func(as string) error {
			_, err := s.try("DELETE", "/api/auth/tokens", nil, as)
			return err
		},
	} {
		user := map[string]string{"expired by the provider": "joe1", "cancelled by the subscriber": "joe2", "unpaid": "joe3", "role removed": "joe4", "signed out": "joe5"}[name]
		t.Run(name, func(t *testing.T) {
			as := s.register(user)
			s.subscribe(user, as)
			var over atomic.Bool // the commit has been acknowledged
			var before, after atomic.Int64
			var clients sync.WaitGroup
			stop := make(chan struct{})
			for range 64 {
				clients.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
						}
						late := over.Load()
						a, err := s.try("GET", "/app/"+user+"/", nil, as)
						switch {
						case err != nil:
							t.Error(err)
							return
						case late:
							if after.Add(1); a.status == 200 {
								t.Errorf("a request that began after the commit was let through")
								return
							}
						case a.status == 200:
							before.Add(1)
						}
					}
				})
			}
			for deadline := time.Now().Add(patience); before.Load() < 128 && time.Now().Before(deadline); {
				time.Sleep(time.Millisecond)
			}
			if err := end(as); err != nil {
				t.Error(err)
			}
			over.Store(true)
			for deadline := time.Now().Add(patience); after.Load() < 128 && time.Now().Before(deadline) && !t.Failed(); {
				time.Sleep(time.Millisecond)
			}
			close(stop)
			clients.Wait()
			if before.Load() < 128 || after.Load() < 128 {
				t.Errorf("%d requests before, %d after", before.Load(), after.Load())
			}
		})
	}
}
