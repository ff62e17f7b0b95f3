package caddymodule

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/api/rest"
)

// from has the requests to a site come from an address of the loopback network from now on.
func (s *site) from(address string) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	s.client.CloseIdleConnections()
	s.client.Transport = &http.Transport{MaxIdleConnsPerHost: 400, DialContext: dialer.DialContext}
}

func (s *site) set(setting string, value any) {
	s.t.Helper()
	s.global = fmt.Sprint(setting, " ", value)
	s.load()
}

// A limitRow is a limit with one of its settings.
type limitRow struct {
	limit, setting string
	byUser         bool // another user has a bound of his own, else another client
	admitted       int  // status below the bound
	none           bool // 0 allows none, else it is no limit
	fixed          bool // there is no setting: one is admitted
	send           func(user caller) answer
}

// A caller is a user with the header that makes a request his.
type caller struct{ name, header string }

// TestLimits reaches each limit by its setting, as one client or one user: 429 with Retry-After, which its metric counts, and nothing of
// the kind for another one. 0 is no limit, but where none are allowed.
func TestLimits(t *testing.T) {
	s := newSite(t)
	seq := 0 // makes names that nobody has had
	next := func() string { seq++; return fmt.Sprint("new", seq) }
	upload := func(user caller) answer {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		part, err := w.CreateFormFile("file", "a.png")
		if err != nil {
			t.Fatal(err)
		}
		part.Write([]byte("no picture: it costs as much"))
		w.Close()
		return s.send("POST", "/api/users/"+user.name+"/picture", b.String(), "Content-Type: "+w.FormDataContentType(), user.header)
	}
	contact := func(headers ...string) answer {
		return s.do("POST", "/api/contact", map[string]any{"full_name": "Joe", "email": "joe@example.net", "message": "Hello"}, headers...)
	}
	order := func(plan, token string) func(caller) answer {
		return func(user caller) answer {
			s.do("POST", "/api/cart", map[string]any{"plan": plan}, user.header)
			return s.do("POST", "/api/billing/"+user.name+"/checkout", map[string]any{"processor_token": token}, user.header)
		}
	}
	logIn := func(name, password string) answer {
		return s.do("POST", "/api/auth", map[string]any{"username": name, "password": password})
	}
	s.must(201, "POST", "/api/profile/cowork/plans", map[string]any{"title": "Free", "period_amount": 0, "is_active": true}, s.login("donny"))

	driven := map[rest.Limit]bool{
		rest.LimitBodies: true, rest.LimitHashing: true, // below
		rest.LimitReads: true, rest.LimitRequests: true, // have no settings: TestWaitingRequestsAreBounded of package rest
	}
	for i, row := range []limitRow{
		{limit: "sessions", setting: "sessions_per_client", admitted: 201, send: func(user caller) answer { return logIn(user.name, "yoyo") }},
		{limit: "carts", setting: "visitor_carts", admitted: 201, send: func(caller) answer {
			return s.do("POST", "/api/cart", map[string]any{"plan": "premium"})
		}},
		{limit: "uploads", setting: "uploads_per_client", admitted: 400, send: upload},
		{limit: "uploads", setting: "uploads_per_user", byUser: true, admitted: 400, send: upload},
		{limit: "invitations", setting: "invitations_per_client", admitted: 200, send: func(caller) answer { return contact() }},
		{limit: "invitations", setting: "invitations_per_user", byUser: true, admitted: 200,
			send: func(user caller) answer { return contact(user.header) }},
		{limit: "orders", setting: "unpaid_orders", byUser: true, admitted: 200, send: order("free", "")},
		{limit: "payments", setting: "payments_per_client", admitted: 201, send: order("premium", "tok_visa")},
		{limit: "payments", setting: "payments_per_user", byUser: true, admitted: 201, send: order("premium", "tok_visa")},
		{limit: "profiles", setting: "profiles_per_user", byUser: true, admitted: 201, send: func(user caller) answer {
			return s.do("POST", "/api/users/"+user.name+"/profiles", map[string]any{"full_name": next(), "type": "organization"}, user.header)
		}},
		{limit: "writes", setting: "writes_per_user", byUser: true, admitted: 200, send: func(user caller) answer {
			return s.do("PATCH", "/api/users/"+user.name, map[string]any{"nick_name": next()}, user.header)
		}},
		{limit: "shadow_profiles", setting: "shadow_profiles", byUser: true, admitted: 201, none: true, send: func(user caller) answer {
			name := next()
			return s.do("POST", "/api/accounts/profiles", map[string]any{"full_name": name, "email": name + "@example.net"}, user.header)
		}},
		{limit: "registrations", setting: "registrations_per_client", admitted: 201, send: func(caller) answer {
			name := next()
			return s.do("POST", "/api/auth/register", map[string]any{
				"username": name, "password": "yoyo", "email": name + "@example.com", "full_name": "New", "type": "personal"})
		}},
		{limit: "guesses", setting: "login_throttle", admitted: 401, send: func(user caller) answer { return logIn(user.name, "wrong") }},
		{limit: "guesses", setting: "login_throttle_address", admitted: 401, send: func(caller) answer { return logIn(next(), "wrong") }},
		{limit: "messages", fixed: true, byUser: true, admitted: 200, send: func(user caller) answer {
			return s.do("POST", "/api/auth/recover", map[string]any{"username": user.name + "@example.com"})
		}},
	} {
		t.Run(row.limit+" "+row.setting, func(t *testing.T) {
			s.t = t
			defer func() { s.global = ""; s.load() }()
			driven[rest.Limit(row.limit)] = true
			s.from(fmt.Sprintf("127.0.3.%d", i+1))
			var one, other caller
			for _, user := range []*caller{&one, &other} {
				user.name = next()
				user.header = s.register(user.name)
			}
			here := fmt.Sprintf("127.0.1.%d", i+1)
			s.from(here)
			send := func(what string, user caller, want int) {
				t.Helper()
				before := scrape(t)
				a := row.send(user)
				if a.status != want {
					t.Errorf("%s with %s: %d %s, want %d", what, s.global, a.status, a.body, want)
				}
				if want == 429 && a.header.Get("Retry-After") == "" {
					t.Errorf("%s with %s: no Retry-After", what, s.global)
				}
				metric := `tollgate_rejections_total{limit="` + row.limit + `"}`
				if grown := scrape(t)[metric] - before[metric]; (grown == 1) != (want == 429) || grown > 1 {
					t.Errorf("%s with %s: %s grew by %v", what, s.global, metric, grown)
				}
			}
			if !row.fixed {
				s.set(row.setting, 1)
			}
			send("the first", one, row.admitted)
			send("the second", one, 429)
			if row.byUser {
				send("another user", other, row.admitted)
			} else {
				s.from(fmt.Sprintf("127.0.2.%d", i+1))
				send("another client", one, row.admitted)
				s.from(here)
			}
			if row.fixed {
				return
			}
			s.set(row.setting, 2)
			send("one more", one, row.admitted)
			send("and another", one, 429)
			s.set(row.setting, 0)
			if row.none {
				send("none", other, 429)
			} else {
				send("without limit", one, row.admitted)
			}
		})
	}
	s.t = t
	rest.Rejections(func(l rest.Limit, _ uint64) {
		if !driven[l] {
			t.Errorf("%s is not reached", l)
		}
	})
}

// TestLimitsOfBodies holds so much of one client's bodies in memory, and waits for so long for one.
func TestLimitsOfBodies(t *testing.T) {
	s := newSite(t, func(s *site) { s.global = "body_memory 1000" })
	body := func(n int) string {
		text := `{"full_name":"Joe","email":"joe@example.net","message":""}`
		return text[:len(text)-2] + strings.Repeat("x", n-len(text)) + text[len(text)-2:]
	}
	send := func(n, want int) {
		t.Helper()
		a := s.send("POST", "/api/contact", body(n), "Content-Type: application/json")
		if a.status != want || want == 429 && a.header.Get("Retry-After") == "" {
			t.Errorf("%d bytes with %s: %d %s, want %d", n, s.global, a.status, a.body, want)
		}
	}
	begin := func(address string) net.Conn { // 900 bytes of a body of 1,000
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
		c, err := dialer.Dial("tcp", strings.TrimPrefix(base, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		fmt.Fprintf(c, "POST /api/contact HTTP/1.1\r\nHost: 127.0.0.1:9080\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n%s", body(1000)[:900])
		return c
	}
	const metric = `tollgate_rejections_total{limit="bodies"}`
	before := scrape(t)[metric]
	s.from("127.0.1.1")
	send(500, 200)
	send(1500, 429)
	slow := begin("127.0.1.1")
	for range 100 { // until those bytes have arrived
		if a := s.send("POST", "/api/contact", body(500), "Content-Type: application/json"); a.status == 429 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	send(500, 429)
	s.from("127.0.2.1")
	send(500, 200)
	s.from("127.0.1.1")
	slow.Close()
	if grown := scrape(t)[metric] - before; grown != 3 {
		t.Errorf("%s grew by %v, want 3", metric, grown)
	}
	s.set("body_memory", 0)
	send(1500, 200)

	s.set("body_grace", "100ms\n\t\tbody_rate 0")
	slow = begin("127.0.1.1")
	slow.SetReadDeadline(time.Now().Add(5 * time.Second))
	text, _ := io.ReadAll(slow)
	if !strings.HasPrefix(string(text), "HTTP/1.1 408 ") {
		t.Errorf("a body that does not come: %q", text)
	}
}

// TestLimitOfHashing has one client log in so often that the queue is full: 503, which the metric counts; another client is served.
func TestLimitOfHashing(t *testing.T) {
	s := newSite(t, func(s *site) { s.global = "login_throttle 0\n\t\tlogin_throttle_address 0" })
	const metric = `tollgate_rejections_total{limit="hashing"}`
	before := scrape(t)[metric]
	s.from("127.0.1.1")
	client := s.client
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	busy := make(chan *http.Response, 400)
	var all sync.WaitGroup
	for i := range 400 {
		all.Go(func() {
			text := fmt.Sprintf(`{"username":"ghost%d","password":"wrong"}`, i)
			req, _ := http.NewRequestWithContext(ctx, "POST", base+"/api/auth", strings.NewReader(text))
			req.Header.Set("Content-Type", "application/json")
			if res, err := client.Do(req); err == nil {
				res.Body.Close()
				if res.StatusCode == 503 {
					busy <- res
				}
			}
		})
	}
	select {
	case res := <-busy:
		if res.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	case <-time.After(30 * time.Second):
		t.Error("the queue is never full")
	}
	other := &site{t: t, client: &http.Client{Timeout: 30 * time.Second}}
	other.from("127.0.2.1")
	other.must(201, "POST", "/api/auth", map[string]any{"username": "donny", "password": "yoyo"})
	cancel()
	all.Wait()
	if grown := scrape(t)[metric] - before; grown == 0 {
		t.Errorf("%s did not grow", metric)
	}
}

// TestCartsOfCrowd gives clients behind a proxy that is not trusted 100 times the bound of one, together: they are not told apart. The log
// warns once.
func TestCartsOfCrowd(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	s := newSite(t, func(s *site) {
		s.global = "visitor_carts 1"
		s.options = "\tlog {\n\t\toutput file " + log + "\n\t\tlevel WARN\n\t}\n"
	})
	cart := func(headers ...string) int {
		return s.do("POST", "/api/cart", map[string]any{"plan": "premium"}, headers...).status
	}
	if first, second := cart(), cart(); first != 201 || second != 429 {
		t.Errorf("alone: %d %d", first, second)
	}
	admitted := 0
	for i := range 105 {
		if cart(fmt.Sprintf("X-Forwarded-For: 198.51.100.%d", i)) == 201 {
			admitted++
		}
	}
	if admitted != 99 {
		t.Errorf("%d carts after the first, want 100 in all", admitted)
	}
	text, err := os.ReadFile(log)
	if n := strings.Count(string(text), "a proxy is not trusted"); n != 1 || err != nil {
		t.Errorf("warned %d times, %v", n, err)
	}
}
