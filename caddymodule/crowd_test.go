package caddymodule

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-tollgate/tollgate/store"
)

// TestCrowd lets a tenth of the users of a site come in, each with a profile and a subscription of its own, and holds what the gate
// keeps of them within 256 MiB. TOLLGATE_USERS is how many users there are.
func TestCrowd(t *testing.T) {
	users := 2000
	if n, err := strconv.Atoi(os.Getenv("TOLLGATE_USERS")); err == nil {
		users = n
	}
	s := newSite(t)
	app, gate := runningApp(t), runningGate(t)
	crowd(t, app.site.Store, users)
	next := caddyhttp.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
		if r.Header.Get("Tollgate-Plan") != "premium" || !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") {
			t.Errorf("headers %v", r.Header)
		}
		return nil
	})
	runtime.GC()
	was := resident() // with what SQLite keeps of writing all of them
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	d := app.site.Directory
	admitted := 0
	const batch = 500
	for first := 0; first < users/10; first += batch {
		var tokens []string
		err := app.site.Store.Write(context.Background(), func(tx *store.Tx) error {
			tokens = tokens[:0]
			for i := first; i < min(first+batch, users/10); i++ {
				session, err := d.OpenSession(tx, int64(1_000_000+i*10), false)
				if err != nil {
					return err
				}
				detail, err := d.UserDetail(tx, session.UserID)
				if err != nil {
					return err
				}
				token, err := d.SignToken(session, detail, tx.Now())
				if err != nil {
					return err
				}
				tokens = append(tokens, token)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for i, token := range tokens {
			r := httptest.NewRequest("GET", fmt.Sprintf("/app/crowd%d/", (first+i)*10), nil)
			r.RemoteAddr = "127.0.0.1:4000"
			r.Header.Set("Authorization", "Bearer "+token)
			w := httptest.NewRecorder()
			caddyhttp.NewTestReplacer(r)
			if err := gate.ServeHTTP(w, r, next); err != nil || w.Code != 200 {
				t.Fatal(first+i, err, w.Code, w.Body)
			}
			admitted++
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	grown := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	t.Logf("%d users, %d came in: the heap grew by %d MiB to %d MiB; resident %s, %s before", users, admitted, grown>>20, after.HeapAlloc>>20, resident(), was)
	if admitted != users/10 || grown > 256<<20 {
		t.Errorf("%d came in, the heap grew by %d bytes", admitted, grown)
	}
	s.must(200, "GET", "/public/", nil)
}

// crowd makes users, each with a personal profile and a current subscription to premium.
func crowd(t testing.TB, db *store.Store, n int) {
	t.Helper()
	const chunk = 50_000
	for from := 0; from < n; from += chunk {
		err := db.Write(context.Background(), func(tx *store.Tx) error {
			const ids = `WITH RECURSIVE one(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM one WHERE i + 1 < ?2) `
			to := min(n, from+chunk)
			for _, statement := range []string{
				ids + `INSERT INTO user (id, username, email, first_name, password, created_at, password_changed_at)
					SELECT 1000000 + i, 'crowd' || i, 'crowd' || i || '@example.com', 'User', '$x', 0, 0 FROM one`,
				ids + `INSERT INTO profile (id, slug, created_at, full_name, email) SELECT 1000000 + i, 'crowd' || i, 0, 'User ' || i, 'crowd' || i || '@example.com' FROM one`,
				ids + `INSERT INTO role (created_at, profile_id, user_id, role_description_id)
					SELECT 0, 1000000 + i, 1000000 + i, (SELECT id FROM role_description WHERE slug = 'manager' AND profile_id IS NULL) FROM one`,
				ids + `INSERT INTO subscription (profile_id, plan_id, created_at, ends_at)
					SELECT 1000000 + i, (SELECT id FROM plan WHERE slug = 'premium'), 0, 4102444800000000 FROM one`,
			} {
				if _, err := tx.Exec(statement, from, to); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// resident is what the process takes of the machine, as the system says it.
func resident() string {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "unknown"
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(line)
}
