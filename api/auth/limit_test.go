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

// A user has so many API keys, and no more.
func TestKeysAreBounded(t *testing.T) {
	s := newSite(t)
	s.exec(t, `INSERT INTO api_key (title, api_pub_key, api_password, created_at, user_id)
		WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 99)
		SELECT 'k', printf('%032d', i), x'00', 1, (SELECT id FROM user WHERE username = 'xia') FROM n`)
	const key = "POST /api/users/xia/api-keys"
	s.Run(t,
		resttest.Case("the last", "xia", key, `{"password":"yoyo"}`, 201, `*`),
		resttest.Case("one more", "xia", key, `{"password":"yoyo"}`, 400, `{"detail":"A user has at most 100 API keys. Delete one first."}`),
		resttest.Case("of another user", "yan", "POST /api/users/yan/api-keys", `{"password":"yoyo"}`, 201, `*`),
	)
	s.exec(t, `DELETE FROM api_key WHERE api_pub_key = printf('%032d', 1)`)
	s.Run(t, resttest.Case("after one was deleted", "xia", key, `{"password":"yoyo"}`, 201, `*`))
}

// Of a user's sessions so many are kept, the last ones.
func TestSessionsOfOneUser(t *testing.T) {
	s := newSite(t)
	oldest, other := s.login(t, "xia"), s.login(t, "yan")
	s.exec(t, `INSERT INTO session (key_hash, user_id, created_at, ends_at, cookie)
		WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999)
		SELECT randomblob(32), (SELECT id FROM user WHERE username = 'xia'), 1, 9000000000000000, 0 FROM n`)
	get := func(user, header string) int { return s.Do("", "GET /api/users/"+user+"/api-keys", "", header).Code }
	if status := get("xia", oldest); status != 200 {
		t.Errorf("with 1,000 sessions the oldest is %d", status)
	}
	newest := s.login(t, "xia")
	for name, want := range map[string]int{oldest: 401, newest: 200} {
		if status := get("xia", name); status != want {
			t.Errorf("with one more: %d, want %d", status, want)
		}
	}
	if status := get("yan", other); status != 200 {
		t.Errorf("of another user: %d", status)
	}
	if n := one[int](t, s, `SELECT count(*) FROM session WHERE user_id = (SELECT id FROM user WHERE username = 'xia')`); n != 1000 {
		t.Errorf("%d sessions are kept", n)
	}
}
