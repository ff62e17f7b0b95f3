package auth

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

// from sends a log-in from an address.
func (s *site) loginFrom(address, username, password string) (status int, retry string) {
	r := resttest.NewRequest("", "POST /api/auth", `{"username":"`+username+`","password":"`+password+`"}`)
	r.RemoteAddr = address
	w := do(s, r)
	return w.Code, w.Header().Get("Retry-After")
}

const (
	here      = "192.0.2.1:1234"
	elsewhere = "192.0.2.2:1234"
)

func TestThrottleAccount(t *testing.T) {
	s := newSite(t)
	want := func(what, address, username, password string, status int, retry string) {
		t.Helper()
		if got, after := s.loginFrom(address, username, password); got != status || after != retry {
			t.Errorf("%s: %d, Retry-After %q, want %d, %q", what, got, after, status, retry)
		}
	}
	for range 9 {
		want("wrong", here, "xia", "wrong", 401, "")
	}
	want("right in time", here, "xia", "yoyo", 201, "")
	for range 10 {
		want("wrong once more", here, "XIA@example.com", "wrong", 401, "")
	}
	want("closed", here, "xia", "wrong", 429, "900")
	want("closed for the right one too", here, "xia", "yoyo", 429, "900")
	want("another account", here, "yan", "yoyo", 201, "")
	want("from elsewhere", elsewhere, "xia", "yoyo", 201, "")
	s.Clock.Advance(14 * time.Minute)
	want("a minute left", here, "xia", "yoyo", 429, "60")
	s.Clock.Advance(time.Minute)
	for range 10 {
		want("open again", here, "xia", "wrong", 401, "")
	}
	want("closed for twice as long", here, "xia", "yoyo", 429, "1800")
	s.Clock.Advance(30 * time.Minute)
	for range 10 {
		want("third time", here, "xia", "wrong", 401, "")
	}
	want("and twice again", here, "xia", "yoyo", 429, "3600")
	if err := s.Unlock(t.Context(), "xia"); err != nil {
		t.Fatal(err)
	}
	want("lifted by an operator", here, "xia", "yoyo", 201, "")
}

func TestThrottleForgets(t *testing.T) {
	s := newSite(t)
	for round := range 3 {
		for range 9 {
			if status, _ := s.loginFrom(here, "xia", "wrong"); status != 401 {
				t.Fatalf("round %d: %d", round, status)
			}
		}
		s.Clock.Advance(15 * time.Minute)
	}
}

func TestThrottleClient(t *testing.T) {
	s := newSite(t, func(o *Options) { o.Settings.Throttle.PerClient = 20 })
	for i := range 20 {
		if status, _ := s.loginFrom(here, "ghost"+strconv.Itoa(i), "wrong"); status != 401 {
			t.Fatalf("guess %d: %d", i, status)
		}
	}
	if status, retry := s.loginFrom(here, "yan", "yoyo"); status != 429 || retry != "900" {
		t.Errorf("%d %s", status, retry)
	}
	if status, _ := s.loginFrom(elsewhere, "yan", "yoyo"); status != 201 {
		t.Errorf("from elsewhere: %d", status)
	}
	// Every other door is closed as well, and what needs no secret is open.
	for request, want := range map[string]int{
		`POST /api/auth/recover {"username":"xia"}`:                                                 429,
		`POST /api/auth/register {"full_name":"N","email":"n@example.com","new_password":"yoyo"}`:   429,
		`POST /api/contact {"full_name":"N","email":"n@example.com"}`:                               429,
		`POST /api/auth/` + "ffffffffffffffffffffffffffffffffffffffff" + ` {"new_password":"yoyo"}`: 400,
		`GET /api`: 200,
	} {
		line, body := splitRequest(request)
		r := resttest.NewRequest("", line, body)
		r.RemoteAddr = here
		if w := do(s, r); w.Code != want {
			t.Errorf("%s: %d %s, want %d", request, w.Code, w.Body, want)
		}
	}
	if err := s.UnlockClient(t.Context(), "192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	if status, _ := s.loginFrom(here, "yan", "yoyo"); status != 201 {
		t.Errorf("lifted: %d", status)
	}
}

// An IPv6 client has a /64 to itself.
func TestThrottlePrefix(t *testing.T) {
	s := newSite(t)
	for i := range 10 {
		s.loginFrom(fmt.Sprintf("[2001:db8:1:2::%x]:1", i+1), "xia", "wrong")
	}
	if status, _ := s.loginFrom("[2001:db8:1:2:ffff::1]:1", "xia", "yoyo"); status != 429 {
		t.Errorf("same /64: %d", status)
	}
	if status, _ := s.loginFrom("[2001:db8:1:3::1]:1", "xia", "yoyo"); status != 201 {
		t.Errorf("another /64: %d", status)
	}
}

func TestClientPrefix(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "2001:db8::1": "2001:db8::/64", "fe80::1%eth0": "fe80::/64",
		"::1": "::/64", "unix": "unix", "": "",
	} {
		if got := client(address); got != want {
			t.Errorf("client(%q) = %q, want %q", address, got, want)
		}
	}
}

// As many guesses at once as one by one.
func TestThrottleRaces(t *testing.T) {
	s := newSite(t)
	done := make(chan int)
	for range 64 {
		go func() { status, _ := s.loginFrom(here, "xia", "wrong"); done <- status }()
	}
	count := map[int]int{}
	for range 64 {
		count[<-done]++
	}
	if count[401] != 10 || count[429] != 54 {
		t.Errorf("%v, want 10 guesses and 54 refusals", count)
	}
	if len(s.throttle.doors) != 0 {
		t.Errorf("places were not given back: %v", s.throttle.doors)
	}
}

// Many right log-ins at once are no guesses.
func TestThrottleStormOfRightOnes(t *testing.T) {
	s := newSite(t)
	done := make(chan int)
	for range 64 {
		go func() { status, _ := s.loginFrom(here, "xia", "yoyo"); done <- status }()
	}
	for range 64 {
		if status := <-done; status != 201 {
			t.Errorf("%d", status)
		}
	}
	if n := one[int](t, s, `SELECT count(*) FROM throttle`); n != 0 || len(s.throttle.doors) != 0 {
		t.Errorf("%d buckets, places %v", n, s.throttle.doors)
	}
}

func TestThrottleOff(t *testing.T) {
	s := newSite(t, func(o *Options) { o.Settings.Throttle = Throttle{} })
	for range 60 {
		if status, _ := s.loginFrom(here, "xia", "wrong"); status != 401 {
			t.Fatalf("%d", status)
		}
	}
}

// The count outlives a restart.
func TestThrottlePersists(t *testing.T) {
	s := newSite(t)
	for range 10 {
		s.loginFrom(here, "xia", "wrong")
	}
	s.Service.throttle = newThrottle(s.set.Throttle, s.Site.Store)
	if status, _ := s.loginFrom(here, "xia", "yoyo"); status != 429 {
		t.Errorf("after a restart: %d", status)
	}
}
