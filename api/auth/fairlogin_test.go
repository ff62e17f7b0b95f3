package auth

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

// hashed is a site that hashes one password at a time, with what was hashed so far, in order, once hold lets it.
func hashed(t *testing.T, pace rest.Pace) (s *site, order func() []string, hold func() (release func())) {
	t.Helper()
	s = newSite(t, func(o *Options) { o.Settings.Hashing.Parallel, o.Settings.Throttle.PerClient = 1, 0 })
	s.Site = resttest.With(t, rest.Options{Store: s.Site.Store, Directory: s.dir, Pace: pace}, s.Clock, s.Service.Endpoints())
	var mu sync.Mutex
	var texts []string
	s.hasher.match = func(text, _ string) (ok, stale bool, err error) {
		mu.Lock()
		defer mu.Unlock()
		texts = append(texts, text)
		return false, false, nil
	}
	order = func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(texts)
	}
	hold = func() func() {
		release, err := s.hasher.turns.Acquire(t.Context(), rest.Client{})
		if err != nil {
			t.Fatal(err)
		}
		return release
	}
	return s, order, hold
}

// Many log-ins of one client let that of another go first, though it came last. So do those of a /48, which has the share of eight clients.
func TestLogInsOfOneClientLeaveOthersTheirShare(t *testing.T) {
	for name, c := range map[string]struct {
		address func(i int) string
		ahead   int // of those that came before, how many are served before
	}{
		"a client": {func(int) string { return here }, 1},
		"a /64":    {func(i int) string { return fmt.Sprintf("[2001:db8::%x]:1", i) }, 1},
		"a /48":    {func(i int) string { return fmt.Sprintf("[2001:db8:0:%x::1]:1", i) }, 8},
	} {
		t.Run(name, func(t *testing.T) {
			s, order, hold := hashed(t, rest.Pace{})
			release := hold()
			var all sync.WaitGroup
			logIn := func(address, username, password string) {
				queued := s.hasher.turns.Queued()
				all.Go(func() { s.loginFrom(address, username, password) })
				for s.hasher.turns.Queued() == queued {
					time.Sleep(100 * time.Microsecond)
				}
			}
			for i := range 20 {
				logIn(c.address(i), fmt.Sprint("ghost", i), "many")
			}
			logIn(elsewhere, "xia", "one")
			release()
			all.Wait()
			served := order()
			if at := slices.Index(served, "one"); len(served) != 21 || at < 0 || at > c.ahead {
				t.Errorf("the log-in of another client was served as number %d of %d", at+1, len(served))
			}
		})
	}
}

// Log-ins that wait for their turn to be hashed keep nothing else of their client waiting.
func TestLogInsThatWaitTakeNoTurn(t *testing.T) {
	s, _, hold := hashed(t, rest.Pace{AtOnce: 2})
	release := hold()
	var all sync.WaitGroup
	for i := range 10 {
		all.Go(func() { s.loginFrom(here, fmt.Sprint("ghost", i), "many") })
	}
	for range 5000 {
		if s.hasher.turns.Queued() == 10 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if n := s.hasher.turns.Queued(); n != 10 {
		t.Errorf("%d of ten log-ins wait to be hashed", n)
	}
	if status, _ := s.askFrom(here, "GET /api", ""); status != 200 {
		t.Errorf("beside them: %d", status)
	}
	release()
	all.Wait()
}

// Of more log-ins at once than may still fail, those that are judged wait for none of those that wait to be: whatever turns their client
// has are taken by these.
func TestJudgedLogInsWaitForNoTurn(t *testing.T) {
	s, _, hold := hashed(t, rest.Pace{AtOnce: 2})
	s.throttle.set.PerClient = 4
	release := hold()
	answers := make(chan int)
	for i := range 20 {
		go func() {
			status, _ := s.loginFrom(here, fmt.Sprint("ghost", i), "many")
			answers <- status
		}()
	}
	for range 5000 {
		if s.hasher.turns.Queued() == 4 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond) // the others have their turns, or wait for one
	release()
	got := map[int]int{}
	for range 20 {
		got[<-answers]++
	}
	if got[401] != 4 || got[429] != 16 {
		t.Errorf("answers by status: %v", got)
	}
}
