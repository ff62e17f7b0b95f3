package rest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// paced serves endpoints at a pace, and asks them from an address.
type paced struct {
	*resttest.Site
	clock *storetest.Clock
}

func newPaced(t *testing.T, o rest.Options, endpoints ...rest.Endpoint) paced {
	clock := storetest.NewClock()
	o.Store, o.Directory = storetest.NewAt(t, clock), resttest.Cowork()
	return paced{resttest.With(t, o, clock, endpoints).Undescribed(), clock}
}

func (p paced) ask(ctx context.Context, address, request, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := resttest.NewRequest("", request, body).WithContext(ctx)
	r.RemoteAddr = address
	p.ServeHTTP(w, r)
	return w
}

var (
	refusing = rest.Get("/api/legal", accessrules.Public, func(c *rest.Call, r store.Reader) (item, error) {
		return item{}, rest.Refused(rest.LimitCarts, time.Minute)
	})
	quick = rest.Get("/api", accessrules.Public, func(c *rest.Call, r store.Reader) (item, error) { return item{"quick"}, nil })
)

// The more a client is refused, the later it is told; what is not refused is answered at once, and so are other clients. It is forgotten.
func TestRefusalsOfOneClientAreSlow(t *testing.T) {
	site := newPaced(t, rest.Options{Pace: rest.Pace{Delay: 20 * time.Millisecond}}, refusing, quick)
	took := func(address, request string, status int) time.Duration {
		t.Helper()
		begun := time.Now()
		if w := site.ask(t.Context(), address, request, ""); w.Code != status {
			t.Fatalf("%s from %s: %d", request, address, w.Code)
		}
		return time.Since(begun)
	}
	for i, address := range []string{"192.0.2.1:1", "[2001:db8::1]:1"} {
		begun := time.Now()
		for range 20 {
			took(address, "GET /api/legal", http.StatusTooManyRequests)
		}
		if d := time.Since(begun); d > 300*time.Millisecond {
			t.Errorf("%s: the first refusals took %s", address, d)
		}
		for range 4 {
			took(address, "GET /api/legal", http.StatusTooManyRequests)
		}
		if d := took(address, "GET /api/legal", http.StatusTooManyRequests); d < 100*time.Millisecond {
			t.Errorf("%s: the 25th refusal took %s", address, d)
		}
		if d := took([]string{"192.0.2.1:2", "[2001:db8::2]:1"}[i], "GET /api/legal", http.StatusTooManyRequests); d < 120*time.Millisecond {
			t.Errorf("the 26th refusal, from another port or address of %s, took %s", address, d)
		}
		if d := took(address, "GET /api", http.StatusOK); d > 80*time.Millisecond {
			t.Errorf("%s: what is not refused took %s", address, d)
		}
		if d := took([]string{"192.0.2.2:1", "[2001:db8:0:1::1]:1"}[i], "GET /api/legal", http.StatusTooManyRequests); d > 80*time.Millisecond {
			t.Errorf("the refusal of another client than %s took %s", address, d)
		}
	}
	site.clock.Advance(time.Minute)
	if d := took("192.0.2.1:1", "GET /api/legal", http.StatusTooManyRequests); d > 80*time.Millisecond {
		t.Errorf("a minute later a refusal took %s", d)
	}
}

// All of a /48 are slowed together, once they have been refused as often as eight clients.
func TestRefusalsOfOneSiteAreSlow(t *testing.T) {
	site := newPaced(t, rest.Options{Pace: rest.Pace{Delay: 10 * time.Millisecond}}, refusing)
	for i := range 165 {
		site.ask(t.Context(), fmt.Sprintf("[2001:db8:1:%x::1]:1", i), "GET /api/legal", "")
	}
	begun := time.Now()
	for i := range 8 * 4 {
		site.ask(t.Context(), fmt.Sprintf("[2001:db8:1:%x::1]:1", 1000+i), "GET /api/legal", "")
	}
	if d := time.Since(begun); d < 500*time.Millisecond {
		t.Errorf("refusals of a /48 took %s", d)
	}
}

// Behind a proxy that is not trusted all look like one client, which is refused as often as a hundred before it is slowed.
func TestRefusalsOfACrowd(t *testing.T) {
	site := newPaced(t, rest.Options{
		Pace: rest.Pace{Delay: time.Second}, Crowd: func(*http.Request) bool { return true },
	}, refusing)
	begun := time.Now()
	for range 500 {
		site.ask(t.Context(), "10.0.0.1:1", "GET /api/legal", "")
	}
	if d := time.Since(begun); d > 5*time.Second {
		t.Errorf("500 refusals of a crowd took %s", d)
	}
}

// So many answers of one client wait; more are answered at once, and lose their connection. Who goes away leaves its place.
func TestWaitingRefusalsAreBounded(t *testing.T) {
	site := newPaced(t, rest.Options{Pace: rest.Pace{Delay: time.Minute}}, refusing)
	for range 20 {
		site.ask(t.Context(), "192.0.2.1:1", "GET /api/legal", "")
	}
	for range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		var closed, kept atomic.Int64
		begun := time.Now()
		for range 1024 + 50 {
			all.Go(func() {
				w := site.ask(ctx, "192.0.2.1:1", "GET /api/legal", "")
				if w.Code != http.StatusTooManyRequests {
					t.Errorf("a refusal: %d", w.Code)
				}
				if w.Header().Get("Connection") == "close" {
					closed.Add(1)
				} else {
					kept.Add(1)
				}
			})
		}
		for closed.Load() < 50 && time.Since(begun) < 3*time.Second {
			time.Sleep(time.Millisecond)
		}
		if closed.Load() != 50 || kept.Load() != 0 {
			t.Errorf("%d were closed and %d answered while 1,024 waited", closed.Load(), kept.Load())
		}
		cancel()
		all.Wait()
		if d := time.Since(begun); d > 4*time.Second {
			t.Errorf("those that went away waited for %s", d)
		}
	}
}

// So many requests of one client are worked on at a time; the next waits, that of another does not. A body that has not arrived is no work.
func TestRequestsOfOneClientAtOnce(t *testing.T) {
	var working, most, others atomic.Int64
	finish := make(chan struct{})
	site := newPaced(t, rest.Options{Pace: rest.Pace{AtOnce: 3}}, quick,
		rest.Act("POST", "/api/cart", accessrules.Public, func(c *rest.Call, in *itemInput) (item, error) {
			if n := working.Add(1); n > most.Load() {
				most.Store(n)
			}
			defer working.Add(-1)
			<-finish
			return item{in.Title}, nil
		}))
	var all sync.WaitGroup
	gone, leave := context.WithCancel(t.Context())
	for i := range 10 {
		ctx := t.Context()
		if i >= 5 {
			ctx = gone
		}
		all.Go(func() { site.ask(ctx, "192.0.2.1:1", "POST /api/cart", `{"title":"x"}`) })
	}
	for range 3000 {
		if working.Load() == 3 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	all.Go(func() { site.ask(t.Context(), "192.0.2.1:1", "GET /api", ""); others.Add(1) })
	time.Sleep(30 * time.Millisecond)
	if n := working.Load(); n != 3 || others.Load() != 0 {
		t.Errorf("%d requests of one client are worked on, and %d more were answered; want 3 and none", n, others.Load())
	}
	if w := site.ask(t.Context(), "192.0.2.2:1", "GET /api", ""); w.Code != http.StatusOK {
		t.Errorf("another client: %d", w.Code)
	}
	leave()
	close(finish)
	all.Wait()
	if most.Load() > 3 || others.Load() != 1 {
		t.Errorf("%d at once; the last was answered %d times", most.Load(), others.Load())
	}
	if n := site.Service.Paced(); n != 0 {
		t.Errorf("%d clients are remembered after their last request", n)
	}
}

// So many requests of one client wait for a turn; more are told at once that the server is busy, and their limit counts them. Another
// client gets its turn.
func TestWaitingRequestsAreBounded(t *testing.T) {
	rejected := func(of rest.Limit) (n uint64) {
		rest.Rejections(func(l rest.Limit, count uint64) {
			if l == of {
				n = count
			}
		})
		return n
	}
	for _, c := range []struct {
		limit   rest.Limit
		pace    rest.Pace
		request string
	}{{rest.LimitRequests, rest.Pace{AtOnce: 1}, "GET /api"}, {rest.LimitReads, rest.Pace{Long: 1}, "GET /api/pricing"}} {
		running, finish := make(chan int, 2000), make(chan struct{})
		wait := func() { running <- 1; <-finish }
		site := newPaced(t, rest.Options{Pace: c.pace},
			rest.Get("/api", accessrules.Public, func(c *rest.Call, r store.Reader) (item, error) { wait(); return item{}, nil }),
			rest.Get("/api/pricing", accessrules.Public, func(c *rest.Call, r store.Reader) (rest.Page[item], error) {
				wait()
				return rest.Page[item]{Results: []item{}}, nil
			}))
		before := rejected(c.limit)
		busy := make(chan *httptest.ResponseRecorder, 2000)
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for range 1 + 1024 + 1 {
			all.Go(func() {
				if w := site.ask(ctx, "192.0.2.1:1", c.request, ""); w.Code == http.StatusServiceUnavailable {
					busy <- w
				}
			})
		}
		select {
		case w := <-busy:
			if w.Header().Get("Retry-After") != "2" {
				t.Errorf("%s: Retry-After %q", c.limit, w.Header().Get("Retry-After"))
			}
		case <-time.After(9 * time.Second):
			t.Errorf("%s: more than 1,024 wait", c.limit)
		}
		if n := rejected(c.limit) - before; n != 1 {
			t.Errorf("%s counted %d refusals, want 1", c.limit, n)
		}
		<-running
		all.Go(func() { site.ask(t.Context(), "192.0.2.2:1", c.request, "") })
		<-running // of the other client
		cancel()
		close(finish)
		all.Wait()
	}
}

// Bodies that come slowly take no turn from others of their client.
func TestSlowBodiesTakeNoTurn(t *testing.T) {
	site := newPaced(t, rest.Options{Pace: rest.Pace{AtOnce: 2}}, quick,
		rest.Post("/api/contact", accessrules.Public,
			func(c *rest.Call, tx *store.Tx, in *itemInput) (item, error) { return item{in.Title}, nil }))
	server := httptest.NewServer(site)
	t.Cleanup(server.Close)
	for range 10 {
		dial(t, server, post("/api/contact", 1000, `{"titl`))
	}
	time.Sleep(50 * time.Millisecond)
	res, _ := answerOn(t, dial(t, server, "GET /api HTTP/1.1\r\nHost: x\r\n\r\n"))
	if res.StatusCode != http.StatusOK {
		t.Errorf("beside slow bodies: %d", res.StatusCode)
	}
}

// Of the reads that may be long so many of one client run at a time; its others are answered meanwhile.
func TestLongReadsOfOneClientAtOnce(t *testing.T) {
	running, finish := make(chan int, 10), make(chan struct{})
	site := newPaced(t, rest.Options{Pace: rest.Pace{AtOnce: 3, Long: 1}}, quick,
		rest.Get("/api/pricing", accessrules.Public, func(c *rest.Call, r store.Reader) (rest.Page[item], error) {
			running <- 1
			<-finish
			return rest.Page[item]{Results: []item{}}, nil
		}))
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			if w := site.ask(t.Context(), "192.0.2.1:1", "GET /api/pricing", ""); w.Code != http.StatusOK {
				t.Errorf("a long read: %d", w.Code)
			}
		})
	}
	<-running
	time.Sleep(30 * time.Millisecond)
	if n := len(running); n > 0 {
		t.Errorf("%d more than one long read of a client run", n)
	}
	all.Go(func() { site.ask(t.Context(), "192.0.2.2:1", "GET /api/pricing", "") })
	<-running // of the other client
	if w := site.ask(t.Context(), "192.0.2.1:1", "GET /api", ""); w.Code != http.StatusOK {
		t.Errorf("a short read beside long ones: %d", w.Code)
	}
	close(finish)
	all.Wait()
}
