package auth

import (
	"net/http/httptest"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

// BenchmarkVerifyToken is what a caller with a login token costs: known already, and met for the first time.
func BenchmarkVerifyToken(b *testing.B) {
	s := newSite(b)
	r := httptest.NewRequest("GET", resttest.Base+"/api", nil)
	name, value, _ := strings.Cut(s.login(b, "xia"), ": ")
	r.Header.Set(name, value)
	b.Run("warm", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if id, err := s.dir.Identify(r); err != nil || id.User == nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("cold", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s.dir.TouchAll()
			if id, err := s.dir.Identify(r); err != nil || id.User == nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkLoginStorm is 64 clients who log in without end, with passwords at the full cost, and what is left for somebody whose
// every request is identified meanwhile.
func BenchmarkLoginStorm(b *testing.B) {
	for _, parallel := range []int{runtime.GOMAXPROCS(0), max(1, runtime.GOMAXPROCS(0)-1)} {
		b.Run("hashes-at-a-time="+strconv.Itoa(parallel), func(b *testing.B) { loginStorm(b, parallel) })
	}
}

func loginStorm(b *testing.B, parallel int) {
	s := newSite(b, func(o *Options) {
		o.Settings.Hashing = DefaultSettings().Hashing
		o.Settings.Hashing.Parallel = parallel
		o.Settings.Throttle = Throttle{}
	})
	r := httptest.NewRequest("GET", resttest.Base+"/api", nil)
	name, value, _ := strings.Cut(s.login(b, "xia"), ": ")
	r.Header.Set(name, value)
	lookups := func(d time.Duration) (rate float64, p99 time.Duration) {
		var times []time.Duration
		for start := time.Now(); time.Since(start) < d; {
			t := time.Now()
			if id, err := s.dir.Identify(r); err != nil || id.User == nil {
				b.Fatal(err)
			}
			runtime.Gosched() // as a server does between requests: here others may take the processor
			times = append(times, time.Since(t))
		}
		slices.Sort(times)
		return float64(len(times)) / d.Seconds(), times[len(times)*99/100]
	}
	for b.Loop() {
		idle, _ := lookups(time.Second)
		var logins, refused atomic.Int64
		var wait sync.WaitGroup
		var latest atomic.Int64
		stop := make(chan struct{})
		for range 64 {
			wait.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					start := time.Now()
					w := s.Do("", "POST /api/auth", `{"username":"xia","password":"yoyo"}`)
					if w.Code == 201 {
						logins.Add(1)
					} else {
						refused.Add(1)
					}
					latest.Store(max(latest.Load(), int64(time.Since(start))))
				}
			})
		}
		const storm = 4 * time.Second
		busy, p99 := lookups(storm)
		close(stop)
		wait.Wait()
		b.ReportMetric(float64(logins.Load())/storm.Seconds(), "logins/s")
		b.ReportMetric(float64(refused.Load()), "refused")
		b.ReportMetric(float64(latest.Load())/1e6, "login-max-ms")
		b.ReportMetric(idle, "idle-lookups/s")
		b.ReportMetric(busy, "lookups/s")
		b.ReportMetric(float64(p99)/1e3, "lookup-p99-µs")
	}
}
