package auth

import (
	"fmt"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

// limited is a site with bounds on what clients do.
func limited(t *testing.T, limits rest.Limits) *site {
	t.Helper()
	s := newSite(t, func(o *Options) { o.Settings.Throttle.PerAccount, o.Settings.Throttle.PerClient = 10, 50 })
	s.Site.Service.Limits = limits
	return s
}

// send asks from an address.
func (s *site) askFrom(address, request, body string) (status int, retry string) {
	r := resttest.NewRequest("", request, body)
	r.RemoteAddr = address
	w := do(s, r)
	return w.Code, w.Header().Get("Retry-After")
}

// One account cannot be guessed at from the many networks of one site.
func TestGuessesFromOneSite(t *testing.T) {
	s := limited(t, nil)
	refused := 0
	for i := range 60 {
		if status, _ := s.loginFrom(fmt.Sprintf("[2001:db8:1:%x::1]:1", i), "xia", "wrong"); status == 429 {
			refused++
		}
	}
	if refused != 60-10*siteAccounts {
		t.Errorf("%d of 60 guesses from 60 /64s of one /48 are refused", refused)
	}
	if status, _ := s.loginFrom("[2001:db8:2::1]:1", "xia", "yoyo"); status != 201 {
		t.Errorf("from another /48: %d", status)
	}
}

// Only registrations that succeed count, those of another client do not, and after an hour there are as many again.
func TestRegistrationsOfOneClient(t *testing.T) {
	s := limited(t, rest.Limits{rest.LimitRegistrations: {PerClient: 3}})
	register := func(address, name, password string) (int, string) {
		return s.askFrom(address, "POST /api/auth/register",
			`{"username":"`+name+`","password":"`+password+`","email":"`+name+`@example.com","full_name":"New One"}`)
	}
	for range 5 {
		register(here, "bad", "x")
	}
	for i := range 3 {
		if status, _ := register(here, fmt.Sprintf("new%d", i), "long-enough-1"); status != 201 {
			t.Fatalf("number %d: %d", i, status)
		}
	}
	if status, retry := register(here, "new4", "long-enough-1"); status != 429 || retry != "3600" {
		t.Errorf("one more: %d, Retry-After %q", status, retry)
	}
	if status, _ := register(elsewhere, "new4", "long-enough-1"); status != 201 {
		t.Errorf("another client: %d", status)
	}
	s.Clock.Advance(time.Hour)
	if status, _ := register(here, "new5", "long-enough-1"); status != 201 {
		t.Errorf("an hour later: %d", status)
	}
}

// The sessions of one client are bounded, and those of a /48 together.
func TestSessionsOfOneClient(t *testing.T) {
	s := limited(t, rest.Limits{rest.LimitSessions: {PerClient: 2}})
	for i, want := range []int{201, 201, 429} {
		if status, _ := s.loginFrom(here, "xia", "yoyo"); status != want {
			t.Errorf("log-in %d: %d, want %d", i+1, status, want)
		}
	}
	admitted := 0
	for i := range 20 {
		if status, _ := s.loginFrom(fmt.Sprintf("[2001:db8:1:%x::1]:1", i), "xia", "yoyo"); status == 201 {
			admitted++
		}
	}
	if admitted != 16 {
		t.Errorf("%d log-ins from a /48, want 8 times those of a client", admitted)
	}
}

// Messages to addresses that nobody has shown to be his own are bounded, whatever the address.
func TestMessagesOfOneClient(t *testing.T) {
	s := limited(t, rest.Limits{rest.LimitInvitations: {PerClient: 2}})
	got := ""
	for _, name := range []string{"xia", "yan", "alice"} {
		status, _ := s.askFrom(here, "POST /api/auth/recover", `{"username":"`+name+`@example.com"}`)
		got += fmt.Sprint(status, " ")
	}
	if got != "200 200 429 " {
		t.Errorf("recovery codes: %s", got)
	}
}
