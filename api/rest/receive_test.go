package rest_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// bodySite serves endpoints that take bodies, over real connections.
func bodySite(t *testing.T, bounds rest.BodyLimits) (*httptest.Server, *resttest.Site) {
	t.Helper()
	clock := storetest.NewClock()
	site := resttest.With(t, rest.Options{
		Store: storetest.NewAt(t, clock), Directory: resttest.Cowork(), Bodies: bounds,
	}, clock, []rest.Endpoint{
		rest.Post("/api/contact", accessrules.Public, func(c *rest.Call, tx *store.Tx, in *itemInput) (item, error) { return item{in.Title}, nil }),
		rest.Act("POST", "/api/cart", accessrules.Public, func(c *rest.Call, in *rest.None) (item, error) {
			b, err := c.BodyBytes()
			return item{fmt.Sprint(len(b))}, err
		}, rest.File(5<<20)),
		rest.Post("/api/auth/tokens", accessrules.AuthenticatedOnly, func(c *rest.Call, tx *store.Tx, in *itemInput) (item, error) { return item{}, nil }),
	}).Undescribed()
	server := httptest.NewServer(site)
	t.Cleanup(server.Close)
	return server, site
}

// dial opens a connection and sends the beginning of a request.
func dial(t *testing.T, server *httptest.Server, text string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c
}

func post(path string, length int, rest string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, length, rest)
}

// answer reads the answer on a connection, which must come within 5 seconds.
func answerOn(t *testing.T, c net.Conn) (*http.Response, string) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}

// A length that is announced takes no memory: only what arrives does.
func TestAnnouncedLengthTakesNoMemory(t *testing.T) {
	server, _ := bodySite(t, rest.DefaultBodies())
	heap := func() uint64 {
		runtime.GC()
		runtime.GC() // what the first one only found
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	const connections = 100
	take := func(text string) int64 {
		before := heap()
		for range connections {
			dial(t, server, text)
		}
		time.Sleep(300 * time.Millisecond) // until the last is being read
		return (int64(heap()) - int64(before)) / connections
	}
	take("GET /api/contact HTTP/1.1\r\nHost: x\r\n\r\n")          // what is made once
	alone := take("GET /api/contact HTTP/1.1\r\nHost: x\r\n\r\n") // what a connection takes that has had its answer
	for _, path := range []string{"/api/contact", "/api/cart"} {
		if more := take(post(path, 1<<20, `{"titl`)) - alone; more > 8<<10 {
			t.Errorf("%s: a megabyte that is announced takes %d bytes, beside the %d of a connection", path, more, alone)
		}
	}
}

// A body that does not arrive in time is 408, wherever it is read; one that arrives steadily has longer.
func TestSlowBody(t *testing.T) {
	server, _ := bodySite(t, rest.BodyLimits{Grace: 200 * time.Millisecond, Rate: 1000})
	const tooSlow = `{"detail":"The request body did not arrive in time."}`
	for _, path := range []string{"/api/contact", "/api/cart"} {
		begun := time.Now()
		res, body := answerOn(t, dial(t, server, post(path, 100000, "{")))
		if res.StatusCode != http.StatusRequestTimeout || body != tooSlow || !res.Close {
			t.Errorf("%s: %d %s, connection closed: %v", path, res.StatusCode, body, res.Close)
		}
		if d := time.Since(begun); d < 150*time.Millisecond || d > 3*time.Second {
			t.Errorf("%s: after %s", path, d)
		}
	}
	// 400 bytes every 50 ms are more than 1,000 a second, and go on for longer than the 200 ms.
	c := dial(t, server, post("/api/cart", 4000, ""))
	for range 10 {
		time.Sleep(50 * time.Millisecond)
		if _, err := io.WriteString(c, strings.Repeat("x", 400)); err != nil {
			t.Fatal(err)
		}
	}
	if res, body := answerOn(t, c); res.StatusCode != http.StatusOK {
		t.Errorf("a steady body: %d %s", res.StatusCode, body)
	}
	// The connection goes on, also after the time has passed.
	c = dial(t, server, post("/api/contact", 13, `{"title":"a"}`))
	if res, body := answerOn(t, c); res.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	time.Sleep(300 * time.Millisecond)
	io.WriteString(c, post("/api/contact", 13, `{"title":"b"}`))
	if res, body := answerOn(t, c); res.StatusCode != http.StatusOK {
		t.Errorf("the second request of a connection: %d %s", res.StatusCode, body)
	}
}

// The answer to a refused request does not wait for its body without end.
func TestRefusalDoesNotWaitForBody(t *testing.T) {
	server, _ := bodySite(t, rest.BodyLimits{Grace: 100 * time.Millisecond, Rate: 16 << 10})
	for path, status := range map[string]int{"/api/auth/tokens": 401, "/api/nope": 404} {
		res, body := answerOn(t, dial(t, server, post(path, 1000, "{")))
		if res.StatusCode != status || !res.Close {
			t.Errorf("%s: %d %s, connection closed: %v", path, res.StatusCode, body, res.Close)
		}
	}
}

// One client cannot fill the memory with bodies that it does send, and another is not told.
func TestBodiesOfOneClientInMemory(t *testing.T) {
	server, _ := bodySite(t, rest.BodyLimits{Grace: 5 * time.Second, Rate: 16 << 10, Memory: 1 << 20})
	for range 5 {
		dial(t, server, post("/api/cart", 1<<20, strings.Repeat("x", 200<<10)))
	}
	time.Sleep(200 * time.Millisecond)
	res, body := answerOn(t, dial(t, server, post("/api/cart", 1<<20, strings.Repeat("x", 200<<10))))
	if res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") == "" {
		t.Errorf("%d %s, Retry-After %q", res.StatusCode, body, res.Header.Get("Retry-After"))
	}
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	c, err := dialer.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Skipf("no second loopback address: %v", err)
	}
	defer c.Close()
	large := strings.Repeat("x", 300<<10)
	io.WriteString(c, post("/api/cart", len(large), large))
	if res, body := answerOn(t, c); res.StatusCode != http.StatusOK {
		t.Errorf("another client: %d %s", res.StatusCode, body)
	}
}
