package rest_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// Lists, their CSV and what is marked Long may take long. However many of them one client asks for, others get their records, and their
// lists as soon as one ends.
func TestLongReadsOfOneClient(t *testing.T) {
	running, finish := make(chan string, 1000), make(chan struct{})
	end := sync.OnceFunc(func() { close(finish) })
	defer end()
	wait := func(c *rest.Call) {
		running <- c.Client
		<-finish
	}
	clock := storetest.NewClock()
	site := resttest.With(t, rest.Options{Store: storetest.NewAt(t, clock), Directory: resttest.Cowork()}, clock, []rest.Endpoint{
		rest.Get("/api", accessrules.Public, func(c *rest.Call, r store.Reader) (item, error) { return item{"short"}, nil }),
		rest.Get("/api/pricing", accessrules.Public, func(c *rest.Call, r store.Reader) (rest.Page[item], error) {
			wait(c)
			return rest.Page[item]{Results: []item{}}, nil
		}),
		rest.Get("/api/legal", accessrules.Public, func(c *rest.Call, r store.Reader) (item, error) {
			wait(c)
			return item{"long"}, nil
		}, rest.Long()),
	}).Undescribed()
	ask := func(ctx context.Context, address, request string, headers ...string) int {
		w := httptest.NewRecorder()
		r := resttest.NewRequest("", request, "", headers...).WithContext(ctx)
		r.RemoteAddr = address + ":1"
		site.ServeHTTP(w, r)
		return w.Code
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var all sync.WaitGroup
	for i := range 60 {
		request, headers := "GET /api/pricing", []string{}
		switch i % 3 {
		case 1:
			headers = append(headers, "Accept: text/csv")
		case 2:
			request = "GET /api/legal"
		}
		all.Go(func() { ask(ctx, "192.0.2.1", request, headers...) })
	}
	for range store.LongReads {
		<-running
	}
	soon, stop := context.WithTimeout(t.Context(), 3*time.Second)
	defer stop()
	for range 50 {
		if status := ask(soon, "192.0.2.2", "GET /api"); status != http.StatusOK {
			t.Fatalf("a short read beside long ones: %d", status)
		}
	}
	time.Sleep(50 * time.Millisecond) // the others stand in the queue
	other := make(chan int)
	go func() { other <- ask(soon, "192.0.2.2", "GET /api/pricing") }()
	time.Sleep(50 * time.Millisecond)
	for turns := 1; ; turns++ {
		finish <- struct{}{}
		if <-running == "192.0.2.2" {
			if turns > 3 {
				t.Errorf("a list of another client began after %d of the client that asked for 60", turns)
			}
			break
		}
		if turns > 30 {
			t.Fatal("a list of another client never began")
		}
	}
	if n := len(running); n > 0 {
		t.Errorf("%d more than %d long reads run", n, store.LongReads)
	}
	cancel()
	end()
	if status := <-other; status != http.StatusOK {
		t.Errorf("the list of the other client: %d", status)
	}
	all.Wait()
}
