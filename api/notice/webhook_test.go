package notice

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const whsec = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// post is what a receiver got.
type post struct {
	header http.Header
	body   string
}

// inbox holds what a receiver got: its server appends while the test reads, and an aborted answer orders nothing between the two.
type inbox struct {
	mu    sync.Mutex
	posts []post
}

func (b *inbox) add(p post) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.posts = append(b.posts, p)
}

func (b *inbox) all() []post {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.posts)
}

// newReceiver makes a world whose only sink posts to answer, and collects what is posted.
func newReceiver(t *testing.T, answer http.HandlerFunc, change ...func(*WebhookOptions)) (*world, *Webhook, *inbox) {
	t.Helper()
	posts := new(inbox)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		posts.add(post{r.Header.Clone(), string(body)})
		answer(rw, r)
	}))
	t.Cleanup(server.Close)
	var sink *Webhook
	w := newWorld(t, func(o *Options) {
		wo := WebhookOptions{URL: server.URL + "/hooks/secret-path", AllowPrivate: true, Now: o.Now}
		for _, fn := range change {
			fn(&wo)
		}
		var err error
		if sink, err = NewWebhook(wo); err != nil {
			t.Fatal(err)
		}
		o.Sinks, o.Mailer = []Sink{sink}, nil
	})
	return w, sink, posts
}

// The sample of standardwebhooks.com, signed with two secrets.
func TestWebhookSignature(t *testing.T) {
	w, err := NewWebhook(WebhookOptions{URL: "https://example.com", Secrets: []string{whsec, whsec}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	const one = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	if got := w.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`)); got != one+" "+one {
		t.Errorf("signed %s", got)
	}
}

// Whatever a receiver does but to take it, the event is posted again later, with the same id and body and a new signature; those
// behind it wait; a redirect is not followed; and the path of the URL is in no error.
func TestWebhookFlaky(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	defer elsewhere.Close()
	status := func(code int, header ...string) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(header); i += 2 {
				rw.Header().Set(header[i], header[i+1])
			}
			rw.WriteHeader(code)
		}
	}
	for name, c := range map[string]struct {
		first http.HandlerFunc
		least time.Duration // until the next try
		text  string        // in the error that is kept
	}{
		"500":      {status(500), 30 * time.Second, "status 500"},
		"404":      {status(404), 30 * time.Second, "status 404"},
		"429":      {status(429, "Retry-After", "3600"), hour, "status 429"},
		"503 date": {status(503, "Retry-After", "Fri, 31 Dec 2100 23:59:59 GMT"), 24 * hour, "status 503"},
		"301":      {status(301, "Location", elsewhere.URL), 30 * time.Second, "status 301"},
		"307":      {status(307, "Location", elsewhere.URL), 30 * time.Second, "status 307"},
		"closes":   {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 30 * time.Second, "EOF"},
		"hangs":    {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 30 * time.Second, "deadline"},
	} {
		t.Run(name, func(t *testing.T) {
			var down atomic.Bool
			down.Store(true)
			w, sink, posts := newReceiver(t, func(rw http.ResponseWriter, r *http.Request) {
				if down.Load() {
					c.first(rw, r)
				}
			}, func(o *WebhookOptions) { o.Secrets = []string{whsec} })
			if sink.client.Timeout != 10*time.Second {
				t.Errorf("the time-out is %v", sink.client.Timeout)
			}
			if name == "hangs" {
				sink.client.Timeout = 100 * time.Millisecond
			}
			w.emit(&UserRegistered{User: User{ID: w.kim}})
			w.emit(&UserActivated{User: User{ID: w.kim}})
			w.deliver()
			rows := w.outbox()
			if len(posts.all()) != 1 || !rows[0].Done.IsZero() || !rows[0].Dead.IsZero() || rows[1].Attempts != 0 {
				t.Fatalf("%d posts; %+v", len(posts.all()), rows)
			}
			if wait := rows[0].Next.Sub(w.clock.Now()); wait < c.least {
				t.Errorf("tried again after %v, before %v", wait, c.least)
			}
			if text := rows[0].Error; !strings.Contains(text, c.text) || strings.Contains(text+rows[0].Sink, "secret-path") {
				t.Errorf("error %q of %q", text, rows[0].Sink)
			}
			down.Store(false)
			w.clock.Advance(48 * hour)
			w.deliver()
			w.deliver()
			if len(posts.all()) != 3 {
				t.Fatalf("%d posts", len(posts.all()))
			}
			first, again, next := posts.all()[0], posts.all()[1], posts.all()[2]
			id := func(p post) string { return p.header.Get("Webhook-Id") }
			if id(first) == "" || id(first) != id(again) || id(again) == id(next) || first.body != again.body || first.body != rows[0].Payload ||
				!strings.Contains(next.body, `"event":"user_activated"`) {
				t.Errorf("posted %v", posts.all())
			}
			if at := first.header.Get("Webhook-Timestamp"); at == again.header.Get("Webhook-Timestamp") ||
				first.header.Get("Webhook-Signature") != sink.sign(id(first), at, []byte(first.body)) ||
				first.header.Get("Content-Type") != "application/json" {
				t.Errorf("headers %v and %v", first.header, again.header)
			}
		})
	}
}

// 410 is the end of a notice; those behind it go on. Without a secret there is no signature, and of an endless answer little is read.
func TestWebhookGone(t *testing.T) {
	answers := 0
	w, _, posts := newReceiver(t, func(rw http.ResponseWriter, r *http.Request) {
		if answers++; answers == 1 {
			rw.WriteHeader(http.StatusGone)
			return
		}
		for r.Context().Err() == nil {
			if _, err := rw.Write(bytes.Repeat([]byte{'x'}, 4096)); err != nil {
				return
			}
		}
	})
	w.emit(&UserRegistered{User: User{ID: w.kim}})
	w.emit(&UserActivated{User: User{ID: w.kim}})
	w.deliver()
	rows := w.outbox()
	if len(posts.all()) != 2 || rows[0].Dead.IsZero() || rows[1].Done.IsZero() {
		t.Fatalf("%d posts; %+v", len(posts.all()), rows)
	}
	if posts.all()[0].header["Webhook-Signature"] != nil {
		t.Error("signed without a secret")
	}
}

// Only those events that a URL is for are written for it.
func TestWebhookEvents(t *testing.T) {
	w, _, posts := newReceiver(t, func(http.ResponseWriter, *http.Request) {}, func(o *WebhookOptions) { o.Events = []string{"user_activated"} })
	w.emit(&UserRegistered{User: User{ID: w.kim}})
	w.emit(&UserActivated{User: User{ID: w.kim}})
	w.about("kim", "1")
	w.deliver()
	if len(posts.all()) != 1 || !strings.Contains(posts.all()[0].body, `"event":"user_activated","recipients":[]}`) {
		t.Errorf("posted %v", posts.all())
	}
}

// A URL that leads to this machine is not asked, whatever its name is; it is when that is allowed, as above.
func TestWebhookPrivate(t *testing.T) {
	w, _, posts := newReceiver(t, func(http.ResponseWriter, *http.Request) {}, func(o *WebhookOptions) {
		o.AllowPrivate = false
		o.URL = strings.Replace(o.URL, "127.0.0.1", "localhost", 1)
	})
	w.emit(&UserRegistered{User: User{ID: w.kim}})
	w.deliver()
	if rows := w.outbox(); len(posts.all()) != 0 || !rows[0].Done.IsZero() || !strings.Contains(rows[0].Error, "private") {
		t.Errorf("%d posts; %+v", len(posts.all()), rows)
	}
	for address, want := range map[string]bool{
		"8.8.8.8": true, "2606:4700::1111": true, "::ffff:8.8.8.8": true,
		"127.0.0.1": false, "10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false, "169.254.169.254": false, "100.64.0.1": false, "0.0.0.0": false,
		"224.0.0.1": false, "255.255.255.255": false, "::1": false, "::": false, "fe80::1": false, "fe80::1%eth0": false, "fc00::1": false, "ff02::1": false,
		"::ffff:127.0.0.1": false, "::127.0.0.1": false, "64:ff9b::7f00:1": false, "2002:7f00:1::": false,
	} {
		if got := isPublic(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s is public: %v, want %v", address, got, want)
		}
	}
}

func TestWebhookOptions(t *testing.T) {
	for _, o := range []WebhookOptions{
		{URL: ""}, {URL: "ftp://x.example"}, {URL: "https://"}, {URL: "https://u:p@x.example"}, {URL: "https://x.example/#f"},
		{URL: "https://x.example", Events: []string{"no_event"}}, {URL: "https://x.example", Events: []string{"user_verification"}},
		{URL: "https://x.example", Secrets: []string{"whsec_c2hvcnQ="}}, {URL: "https://x.example", Secrets: []string{"whsec_!"}},
	} {
		o.Now = time.Now
		if _, err := NewWebhook(o); err == nil {
			t.Errorf("%+v passes", o)
		}
	}
}
