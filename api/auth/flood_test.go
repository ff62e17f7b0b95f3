package auth

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// counts are the rows that count what clients did.
func (s *site) counts(t *testing.T) int {
	t.Helper()
	return one[int](t, s, `SELECT count(*) FROM throttle`)
}

// sharing are n names that share a count with another while there are too many.
func sharing(with string, n int) (names []string) {
	for i := 0; len(names) < n; i++ {
		if name := fmt.Sprint("ghost", i); sharedBucket(name) == sharedBucket(with) {
			names = append(names, name)
		}
	}
	return names
}

// flooded is a site with as many counts as there may be.
func flooded(t *testing.T, limits rest.Limits) *site {
	t.Helper()
	s := limited(t, limits)
	s.fill(t)
	return s
}

// fill makes the site believe that it has as many counts as there may be: so many rows would only make the test slow.
func (s *site) fill(t *testing.T) {
	t.Helper()
	s.exec(t, `UPDATE throttle_size SET buckets = 200000`)
}

// A count goes as soon as it means nothing: guesses after their window, the memory of a bucket that was closed a day later.
func TestCountsGoWithTheirWindow(t *testing.T) {
	s := limited(t, rest.Limits{rest.LimitSessions: {PerClient: 10}})
	s.loginFrom(here, "ghost", "wrong")
	for range 10 {
		s.loginFrom("[2001:db8::1]:1", "xia", "wrong")
	}
	s.loginFrom(here, "yan", "yoyo")
	forget := func(after time.Duration, want int) {
		t.Helper()
		s.Clock.Advance(after)
		if err := s.Site.Service.ForgetCounts(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n, known := s.counts(t), one[int](t, s, `SELECT buckets FROM throttle_size`); n != want || known != n {
			t.Errorf("after %s: %d counts, known as %d, want %d", after, n, known, want)
		}
	}
	forget(14*time.Minute, 7)
	forget(time.Minute, 2)
	if status, _ := s.loginFrom("[2001:db8::1]:1", "xia", "wrong"); status != 401 {
		t.Errorf("open again: %d", status)
	}
	for range 9 {
		s.loginFrom("[2001:db8::1]:1", "xia", "wrong")
	}
	if _, retry := s.loginFrom("[2001:db8::1]:1", "xia", "wrong"); retry != "1800" {
		t.Errorf("closed for %s seconds the second time, want twice as long", retry)
	}
	forget(25*time.Hour, 0)
}

// However many networks somebody has, the counts end: unknown clients share that of their wide network.
func TestFloodOfNetworks(t *testing.T) {
	s := flooded(t, rest.Limits{rest.LimitSessions: {PerClient: 2}})
	before := s.counts(t)
	refused := 0
	for i := range 60 {
		if status, _ := s.loginFrom(fmt.Sprintf("[2001:db8:%x::1]:1", i), "xia", "wrong"); status == 429 {
			refused++
		}
	}
	if refused != 60-10*siteAccounts {
		t.Errorf("%d of 60 guesses from 60 /48s are refused", refused)
	}
	if n := s.counts(t) - before; n != 2 { // of the network, and of the account there
		t.Errorf("60 guesses from 60 networks made %d counts, want 2", n)
	}
	if status, _ := s.loginFrom("[2001:db9::1]:1", "xia", "yoyo"); status != 201 {
		t.Errorf("from another network: %d", status)
	}
	for i := range 40 {
		s.loginFrom(fmt.Sprintf("198.51.%d.1:1", i), "xia", "wrong")
	}
	if status, _ := s.loginFrom("198.51.99.1:1", "xia", "yoyo"); status != 429 {
		t.Errorf("40 guesses from one /16, then one more: %d", status)
	}
	if err := s.Unlock(t.Context(), "xia"); err != nil {
		t.Fatal(err)
	}
	if status, _ := s.loginFrom("198.51.99.1:1", "xia", "yoyo"); status != 201 {
		t.Errorf("lifted by an operator: %d", status)
	}
}

// Names that are made up make no counts without end either.
func TestFloodOfNames(t *testing.T) {
	s := flooded(t, nil)
	s.throttle.set.PerClient = 0
	names := sharing("xia", 12)
	before := s.counts(t)
	for _, name := range names {
		s.loginFrom(here, name, "wrong")
	}
	if n := s.counts(t) - before; n != 1 {
		t.Errorf("%d names made %d counts, want 1", len(names), n)
	}
}

// A flood does not take away the count of an attack that runs, nor the places of clients that are known, and an attacker who logs in
// himself does not empty what he shares.
func TestFloodKeepsCounts(t *testing.T) {
	s := limited(t, rest.Limits{rest.LimitSessions: {PerClient: 2}})
	for range 10 {
		s.loginFrom("[2001:db8::1]:1", "xia", "wrong")
	}
	s.loginFrom(here, "xia", "yoyo")
	s.fill(t)
	if status, _ := s.loginFrom("[2001:db8::1]:1", "xia", "yoyo"); status != 429 {
		t.Errorf("who attacked before the flood: %d", status)
	}
	for i := range 40 {
		s.loginFrom(fmt.Sprintf("192.0.3.%d:1", i), "xia", "wrong")
	}
	for i, want := range []int{201, 429} {
		if status, _ := s.loginFrom(here, "yan", "yoyo"); status != want {
			t.Errorf("log-in %d of a client that is known: %d, want %d", i+2, status, want)
		}
	}
	if status, _ := s.loginFrom("192.0.3.99:1", "xia", "wrong"); status != 429 {
		t.Errorf("after 40 guesses from the /16: %d", status)
	}
	name := sharing("xia", 1)[0]
	s.exec(t, `UPDATE user SET username = ? WHERE username = 'yan'`, name)
	if status, _ := s.loginFrom("192.0.99.1:1", name, "yoyo"); status != 429 {
		t.Errorf("who shares the count, from a client that is not known: %d", status)
	}
	if status, _ := s.loginFrom("[2001:db9::1]:1", name, "yoyo"); status != 201 {
		t.Errorf("and from elsewhere: %d", status)
	}
	s.Run(t, resttest.Case("who shares it renames himself", name, "PATCH /api/users/"+name, `{"slug":"another-name"}`, 200, `~another-name`))
	if status, _ := s.loginFrom("192.0.3.98:1", "xia", "wrong"); status != 429 {
		t.Errorf("after a log-in and a rename of who shares the count: %d", status)
	}
}

// The limits of a client become those of its wide network, with what 32 clients may do.
func TestFloodOfSessions(t *testing.T) {
	s := flooded(t, rest.Limits{rest.LimitSessions: {PerClient: 1}})
	admitted := 0
	for i := range 40 {
		if status, _ := s.loginFrom(fmt.Sprintf("[2001:db8:%x::1]:1", i), "xia", "yoyo"); status == 201 {
			admitted++
		}
	}
	if admitted != 32 {
		t.Errorf("%d log-ins from the /48s of a /32, want 32", admitted)
	}
}

// What is over is found by an index, and what a client counts in by its name.
func TestPlansOfCounts(t *testing.T) {
	s := newSite(t)
	for query, want := range map[string]string{
		rest.GoneBuckets: "SEARCH throttle USING COVERING INDEX throttle_gone_at (gone_at<?)",
		`SELECT 1 FROM throttle_size WHERE id = 1 AND buckets >= ?`: "SEARCH throttle_size USING INTEGER PRIMARY KEY (rowid=?)",
		`SELECT 1 FROM throttle WHERE bucket = ?`:                   "SEARCH throttle USING PRIMARY KEY (bucket=?)",
	} {
		plan := storetest.Plan(t, s.Site.Store, query, 1)
		if !strings.Contains(plan, want) || strings.Contains(plan, "SCAN") || strings.Contains(plan, "TEMP") {
			t.Errorf("%s: %s", query, plan)
		}
	}
}
