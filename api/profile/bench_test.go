package profile

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/store"
)

// BenchmarkLists prints, side by side, what requests cost on sites of different sizes: TOLLGATE_BENCH_ROWS names how many profiles,
// users and roles, "1000,100000,1000000" by default. A tenth of the roles is on one profile, and one user has a hundred.
//
//	go test -run '^$' -bench Lists ./api/profile/
func BenchmarkLists(b *testing.B) {
	sizes := os.Getenv("TOLLGATE_BENCH_ROWS")
	if sizes == "" {
		sizes = "1000,100000,1000000"
	}
	requests := []struct{ name, as, request, body string }{
		{"one profile", "bob", "GET /api/profile/p500", ""},
		{"all profiles", "bob", "GET /api/profile", ""},
		{"… page 20", "bob", "GET /api/profile?page=20", ""},
		{"… last page", "bob", "GET /api/profile?page=last", ""},
		{"… latest first", "bob", "GET /api/profile?o=-created_at", ""},
		{"… search, few match", "bob", "GET /api/profile?q=name+500", ""},
		{"… search, all match", "bob", "GET /api/profile?q=name", ""},
		{"type-ahead, one match", "bob", "GET /api/accounts/profiles?q=p500&q_f==slug", ""},
		{"type-ahead, no match", "bob", "GET /api/accounts/profiles?q=nothing", ""},
		{"type-ahead, domain", "bob", "GET /api/accounts/profiles?q=x@d500.example", ""},
		{"type-ahead, many match", "bob", "GET /api/accounts?q=name", ""},
		{"profiles of a user", "u500", "GET /api/users/u500/profiles", ""},
		{"accessibles of a user", "u1", "GET /api/users/u1/accessibles", ""},
		{"roles of a large profile", "bob", "GET /api/profile/p1/roles", ""},
		{"… search", "bob", "GET /api/profile/p1/roles?q=u500&q_f==user", ""},
		{"… by name", "bob", "GET /api/profile/p1/roles?o=user", ""},
		{"… of a description", "bob", "GET /api/profile/p1/roles/contributor?role_status=invited", ""},
		{"update a profile", "bob", "PATCH /api/profile/p500", `{"region":"CA"}`},
		{"grant on a large profile", "bob", "POST /api/profile/p1/roles/contributor", `{"slug":"u500"}`},
		{"refuse to leave the last manager", "u500", "DELETE /api/profile/p500/roles/manager/u500", ""},
	}
	names := strings.Split(sizes, ",")
	took := make([][]time.Duration, len(requests))
	for _, size := range names {
		n, err := strconv.Atoi(size)
		if err != nil || n < 1000 {
			b.Fatalf("TOLLGATE_BENCH_ROWS: %q is not a number of at least 1000", size)
		}
		w := bareWorld(b)
		w.fill(n)
		for i, r := range requests {
			took[i] = append(took[i], 0)
			b.Run(r.name+"/"+size, func(b *testing.B) {
				for b.Loop() {
					if a := w.Do(r.as, r.request, r.body); a.Code >= 500 || a.Code == 403 || a.Code == 404 {
						b.Fatalf("%d %s", a.Code, a.Body)
					}
				}
				took[i][len(took[i])-1] = b.Elapsed() / time.Duration(b.N)
			})
		}
	}
	fmt.Printf("%-34s", "")
	for _, size := range names {
		fmt.Printf("%14s", size)
	}
	for i, r := range requests {
		fmt.Printf("\n%-34s", r.name)
		for _, d := range took[i] {
			fmt.Printf("%14s", d.Round(10*time.Microsecond))
		}
	}
	fmt.Println()
}

// fill makes n users u1…, who manage the profiles p1… of their number, and n/10 contributors of p1, some of them invited or asking.
func (w *world) fill(n int) {
	w.t.Helper()
	const numbers = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) `
	w.batch(func() {
		w.user("bob")
		w.role("bob", "broker", "manager")
		w.exec(numbers+`INSERT INTO user (username, email, first_name, last_name, password, created_at, password_changed_at)
			SELECT 'u' || i, 'u' || i || '@u.example', 'First' || (i * 7919 % 1000), 'Last' || i, '$argon2id$', ?, 0 FROM n`, n, store.At(created))
		w.exec(numbers+`INSERT INTO profile (slug, created_at, full_name, email, locality, processor_id)
			SELECT 'p' || i, ? + i * 7919 % 1000003, 'Name ' || (i * 7919 % 999983), 'ops@d' || (i / 3) || '.example', 'City ' || (i % 100), 1 FROM n`, n, store.At(created))
		const manages = `INSERT INTO role (created_at, profile_id, user_id, role_description_id)
			SELECT ?, p.id, u.id, d.id FROM user u JOIN profile p ON p.slug = 'p' || substr(u.username, 2) JOIN role_description d ON d.slug = 'manager' WHERE u.username LIKE 'u%'`
		w.exec(manages, store.At(created))
		w.exec(`INSERT INTO role (created_at, profile_id, user_id, role_description_id, grant_key, request_key)
			SELECT ? + u.id * 7919 % 1000003, p.id, u.id, d.id, CASE WHEN u.id % 10 = 0 THEN 'g' || u.id END, CASE WHEN u.id % 10 = 1 THEN 'r' || u.id END
			FROM user u JOIN profile p ON p.slug = 'p1' JOIN role_description d ON d.slug = 'contributor' WHERE u.username LIKE 'u%' AND u.username <> 'u1' AND u.id % 10 < 10 AND u.id <= ?`,
			store.At(created), n/10)
		w.exec(`INSERT INTO role (created_at, profile_id, user_id, role_description_id)
			SELECT ?, p.id, u.id, d.id FROM user u JOIN profile p ON p.id BETWEEN 10 AND 109 JOIN role_description d ON d.slug = 'contributor' WHERE u.username = 'u1'`, store.At(created))
	})
}
