package subscription

import (
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
)

// BenchmarkLists reads the lists among 1,000, 100,000 and 1,000,000 subscriptions, or as many as TOLLGATE_BENCH_ROWS says, divided by
// commas.
func BenchmarkLists(b *testing.B) {
	requests := []string{
		"/api/profile/cowork/subscribers/subscriptions",
		"/api/profile/cowork/subscribers/subscriptions/all",
		"/api/profile/cowork/subscribers/subscriptions/churned",
		"/api/profile/cowork/subscribers/subscriptions/churned?page=9",
		"/api/profile/cowork/subscribers/subscriptions?o=-created_at",
		"/api/profile/cowork/subscribers/subscriptions?q=member%20777",
		"/api/profile/cowork/plans/plan-3/subscriptions",
		"/api/profile/cowork/plans/plan-3/subscriptions/all",
		"/api/profile/cowork/plans/plan-3/subscriptions/churned",
		"/api/profile/cowork/plans/plan-3/subscriptions/member-7",
		"/api/profile/cowork/subscribers",
		"/api/profile/cowork/subscribers/all",
		"/api/profile/cowork/subscribers/engaged",
		"/api/profile/cowork/subscribers/unengaged",
		"/api/profile/gym/subscribers/subscriptions",
		"/api/profile/gym/subscribers/subscriptions/all",
		"/api/profile/gym/subscribers",
		"/api/profile/gym/subscribers/unengaged",
		"/api/profile/member-7/subscriptions",
		"/api/profile/member-7/subscriptions/expired",
		"/api/profile/cowork/plans",
		"/api/pricing",
	}
	sizes := os.Getenv("TOLLGATE_BENCH_ROWS")
	if sizes == "" {
		sizes = "1000,100000,1000000"
	}
	for _, size := range strings.Split(sizes, ",") {
		rows, err := strconv.Atoi(size)
		if err != nil || rows < 2 {
			b.Fatalf("TOLLGATE_BENCH_ROWS: %q is no number", size)
		}
		w := newWorld(b)
		w.crowd(rows)
		for _, request := range requests {
			b.Run(size+request, func(b *testing.B) {
				for b.Loop() {
					if r := w.Do("alice", "GET "+request, ""); r.Code != http.StatusOK && r.Code != http.StatusNotFound {
						b.Fatal(r.Code, r.Body)
					}
				}
			})
		}
	}
}

// crowd makes half as many profiles, who subscribe to the plans of cowork.
func (w *world) crowd(subscriptions int) {
	w.t.Helper()
	numbers := `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) `
	half := max(subscriptions/2, 1)
	w.exec(numbers+`INSERT INTO profile (slug, full_name, email, created_at, is_active)
		SELECT 'member-' || i, 'Member ' || (i * 7919 % 1000003), 'member' || i || '@example.com', 1700000000000000 + i * 60000000, i % 100 > 0 FROM n`, half)
	w.exec(numbers+`INSERT INTO plan (slug, title, profile_id, created_at, is_active) SELECT 'plan-' || i, 'Plan ' || i, (SELECT id FROM profile WHERE slug = 'cowork'), 0, 1 FROM n`, 10)
	w.exec(numbers+`INSERT INTO subscription (profile_id, plan_id, created_at, ends_at)
		SELECT (SELECT id FROM profile WHERE slug = 'member-1') + i % ?, (SELECT id FROM plan WHERE slug = 'plan-1') + i * 7 % 10,
			1700000000000000 + i * 60000000 % 70000000000000, CASE i % 4 WHEN 0 THEN 1800000000000000 ELSE 1760000000000000 END + (i * 104729 % 1000003) * 1000000
		FROM n`, subscriptions, half)
	w.exec(numbers+`INSERT INTO subscription (profile_id, plan_id, created_at, ends_at)
		SELECT (SELECT id FROM profile WHERE slug = 'member-1') + i, (SELECT id FROM plan WHERE slug = 'gym-monthly'), 1700000000000000, 1800000000000000 + i FROM n`, min(half-1, 100))
	w.exec(numbers+`INSERT INTO user (username, email, first_name, created_at, password_changed_at, last_login)
		SELECT 'member-' || i, 'member' || i || '@example.com', 'First', 0, 0, 1773576000000000 - i * 3600000000 FROM n`, max(half/10, 1))
	w.exec(numbers+`INSERT INTO role (created_at, profile_id, user_id, role_description_id)
		SELECT 0, (SELECT id FROM profile WHERE slug = 'member-1') + i - 1, (SELECT id FROM user WHERE username = 'member-1') + i - 1, 1 FROM n`, max(half/10, 1))
}
