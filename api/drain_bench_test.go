package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/store"
)

// BenchmarkDrain drains 100,000 notices to a webhook while a client writes through the API one request after another, by turns with and
// without the drain. It prints how long a write takes in both, how fast the drain is meanwhile, and the heap in use: before, at most
// and at the end. subjects is how many the notices are about.
func BenchmarkDrain(b *testing.B) {
	for _, subjects := range []int{20_000, 100, 1} {
		b.Run(fmt.Sprint("subjects=", subjects), func(b *testing.B) {
			for range b.N {
				benchmarkDrain(b, 100_000, subjects)
			}
		})
	}
}

func benchmarkDrain(b *testing.B, notices, subjects int) {
	var told atomic.Int64
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		told.Add(1)
	}))
	defer receiver.Close()
	s := newService(b, func(o *Options) {
		o.Demo, o.Auth.MinPassword = true, 4
		o.Webhooks = []notice.WebhookOptions{{URL: receiver.URL, AllowPrivate: true}}
	})
	if err := s.Prepare(b.Context()); err != nil {
		b.Fatal(err)
	}
	s.ready.Store(true)
	request := func(method, path, token, body string) (int, string) {
		r := httptest.NewRequest(method, "http://site.example"+path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	var login struct{ Token string }
	if code, answer := request("POST", "/api/auth", "", `{"username":"xia","password":"yoyo"}`); json.Unmarshal([]byte(answer), &login) != nil || code != 201 {
		b.Fatal(code, answer)
	}
	n := 0
	write := func() time.Duration {
		n++
		start := time.Now()
		if code, answer := request("PATCH", "/api/profile/xia", login.Token, fmt.Sprintf(`{"full_name":"Xia %d"}`, n)); code != 200 {
			b.Fatal(code, answer)
		}
		return time.Since(start)
	}
	for range 50 { // caches
		write()
	}
	err := s.site.Store.Write(b.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
			INSERT INTO outbox (created_at, event, subject, sink, recipients, payload, next_at)
			SELECT created_at, event, 'profile/p' || (i % ?2), sink, recipients, payload, next_at FROM n, (SELECT * FROM outbox LIMIT 1)`, notices, subjects)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	heap := func() float64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapInuse) / (1 << 20)
	}
	before, most := heap(), 0.0
	const turn = 2 * time.Second
	var alone, beside []time.Duration
	var draining time.Duration
	for waiting := 1; waiting > 0; {
		for start := time.Now(); time.Since(start) < turn; {
			alone = append(alone, write())
		}
		ctx, stop := context.WithCancel(b.Context())
		ended := make(chan error, 1)
		start := time.Now()
		go func() { ended <- s.notices.Deliver(ctx) }()
		for time.Since(start) < turn {
			beside = append(beside, write())
		}
		stop()
		if err := <-ended; err != nil {
			b.Fatal(err)
		}
		draining += time.Since(start)
		most = max(most, heap())
		if waiting, _, err = s.Outbox(b.Context()); err != nil {
			b.Fatal(err)
		}
		if draining > 30*time.Second {
			b.Logf("%d notices are left", waiting)
			break
		}
	}
	middle := func(all []time.Duration, q float64) float64 {
		slices.Sort(all)
		return float64(all[int(float64(len(all)-1)*q)].Microseconds())
	}
	b.ReportMetric(middle(alone, .5), "µs/write-alone")
	b.ReportMetric(middle(beside, .5), "µs/write-beside")
	b.ReportMetric(100*(middle(beside, .5)/middle(alone, .5)-1), "%slower")
	b.ReportMetric(middle(alone, .99), "µs/p99-alone")
	b.ReportMetric(middle(beside, .99), "µs/p99-beside")
	b.ReportMetric(float64(told.Load())/draining.Seconds(), "notices/s")
	b.ReportMetric(before, "MiB-before")
	b.ReportMetric(most, "MiB-most")
	b.ReportMetric(heap(), "MiB-after")
}
