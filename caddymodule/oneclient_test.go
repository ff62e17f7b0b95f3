package caddymodule

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/store"
)

const (
	oneClientSite = "127.0.0.1:9182"
	oneClientFrom = "127.0.0.2" // the address of the one that asks for too much
	oneClientConn = 1000        // connections that it has
)

// BenchmarkOneClient has one client ask for as much as it can over a thousand connections, in each of six ways, and prints what that costs
// others: the memory that it adds, how long the log-in of somebody else takes, and the slowest of a hundred short reads. Caddy runs in a
// process of its own; the thousand connections are in this one, on the same machine, and take their part of it. It takes a minute whatever
// b.N is.
func BenchmarkOneClient(b *testing.B) {
	dir := b.TempDir()
	config := filepath.Join(dir, "caddy.json")
	raw, err := adapt(fmt.Sprintf(`{
	admin off
	auto_https off
	log {
		level ERROR
	}
	tollgate {
		broker cowork "Cowork" hello@cowork.example
		store %s/tollgate.db
		min_length 4
		demo
	}
}
http://%s {
	tollgate_api
}
`, dir, oneClientSite))
	if err == nil {
		err = os.WriteFile(config, raw, 0o600)
	}
	if err != nil {
		b.Fatal(err)
	}
	pid := child(b, "caddy", "TOLLGATE_BENCH_CONFIG="+config)
	for range 100 { // until the database is there
		if res, err := http.Get("http://" + oneClientSite + "/api/pricing"); err == nil {
			if res.Body.Close(); res.StatusCode == 200 {
				break
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	db, err := store.Open(context.Background(), store.Options{Path: filepath.Join(dir, "tollgate.db"), Now: now, Logger: zap.NewNop()})
	if err == nil {
		err = db.Migrate(context.Background())
	}
	if err != nil {
		b.Fatal(err)
	}
	crowd(b, db, 100_000)
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
	call := func(method, path, token string, body any) map[string]any {
		text, _ := json.Marshal(body)
		req, _ := http.NewRequest(method, "http://"+oneClientSite+path, bytes.NewReader(text))
		req.Header.Set("Content-Type", "application/json")
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		defer res.Body.Close()
		var v map[string]any
		if err := json.NewDecoder(res.Body).Decode(&v); err != nil || res.StatusCode >= 300 {
			b.Fatalf("%s %s: %d %v %v", method, path, res.StatusCode, v, err)
		}
		return v
	}
	donny := call("POST", "/api/auth", "", map[string]any{"username": "donny", "password": "yoyo"})["token"].(string)
	call("POST", "/api/auth/register", "", map[string]any{"username": "ann", "password": "yoyo", "email": "ann@example.com", "full_name": "Ann", "type": "personal"})
	logIn := func() time.Duration {
		began := time.Now()
		call("POST", "/api/auth", "", map[string]any{"username": "ann", "password": "yoyo"})
		return time.Since(began)
	}
	measure := func() (login, read time.Duration) {
		reads, logins := make([]time.Duration, 100), make([]time.Duration, 5)
		for i := range reads {
			began := time.Now()
			call("GET", "/api/profile/crowd5", donny, nil)
			reads[i] = time.Since(began)
		}
		for i := range logins {
			logins[i] = logIn()
		}
		slices.Sort(reads)
		slices.Sort(logins)
		return logins[len(logins)/2], reads[len(reads)-1]
	}
	measure()
	aloneLogin, aloneRead := measure()
	fmt.Printf("\n%-20s %10s %12s %12s %12s %s\n", "one client", "answers", "added MB", "log-in", "slowest read", "statuses")
	fmt.Printf("%-20s %10s %12s %12s %12s\n", "none", "", "", aloneLogin.Round(100*time.Microsecond), aloneRead.Round(100*time.Microsecond))
	for range b.N {
		for _, way := range []struct {
			name, method, path, token string
			body                      func(i int64) string
		}{
			{"announced lengths", "POST", "/api/auth/register", "", nil},
			{"registrations", "POST", "/api/auth/register", "", func(i int64) string {
				return fmt.Sprintf(`{"username":"many%d","password":"yoyo","email":"many%[1]d@example.com","full_name":"M","type":"personal"}`, i)
			}},
			{"invitations", "POST", "/api/profile/cowork/roles/contributor", donny, func(i int64) string {
				return fmt.Sprintf(`{"email":"guest%d@example.com","full_name":"Guest","message":"come"}`, i)
			}},
			{"carts", "POST", "/api/cart", "", func(int64) string { return `{"plan":"premium"}` }},
			{"log-ins", "POST", "/api/auth", "", func(i int64) string { return fmt.Sprintf(`{"username":"crowd%d","password":"wrong"}`, i%1000) }},
			{"searches", "GET", "/api/profile?q=user+99", donny, func(int64) string { return "" }},
		} {
			before := rss(b, pid)
			peak := before
			var answers, numbers atomic.Int64
			var statuses [6]atomic.Int64
			var conns []net.Conn
			var mu sync.Mutex
			var wg sync.WaitGroup
			for range oneClientConn {
				wg.Go(func() {
					from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(oneClientFrom)}, Timeout: 20 * time.Second}
					conn, err := from.Dial("tcp", oneClientSite)
					if err != nil {
						return
					}
					mu.Lock()
					conns = append(conns, conn)
					mu.Unlock()
					in := bufio.NewReaderSize(conn, 512)
					for {
						length, body := 1<<20, "{\"a\":1"
						if way.body != nil {
							body = way.body(numbers.Add(1))
							length = len(body)
						}
						authorization := ""
						if way.token != "" {
							authorization = "Authorization: Bearer " + way.token + "\r\n"
						}
						fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\n%sContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
							way.method, way.path, oneClientSite, authorization, length, body)
						res, err := http.ReadResponse(in, nil)
						if err != nil {
							return
						}
						_, _ = io.Copy(io.Discard, res.Body)
						answers.Add(1)
						statuses[res.StatusCode/100].Add(1)
						if res.Close {
							return
						}
					}
				})
			}
			time.Sleep(2 * time.Second)
			done := make(chan struct{})
			var sampled sync.WaitGroup
			sampled.Go(func() {
				for {
					peak = max(peak, rss(b, pid))
					select {
					case <-done:
						return
					case <-time.After(100 * time.Millisecond):
					}
				}
			})
			login, read := measure()
			close(done)
			sampled.Wait()
			mu.Lock()
			for _, conn := range conns {
				conn.Close()
			}
			mu.Unlock()
			wg.Wait()
			var text []string
			for i := range statuses {
				if n := statuses[i].Load(); n > 0 {
					text = append(text, fmt.Sprintf("%dxx %d", i, n))
				}
			}
			fmt.Printf("%-20s %10d %12.1f %12s %12s %s\n", way.name, answers.Load(), float64(peak-before)/(1<<20),
				login.Round(100*time.Microsecond), read.Round(100*time.Microsecond), strings.Join(text, ", "))
			b.ReportMetric(float64(login)/float64(aloneLogin), strings.ReplaceAll(way.name, " ", "_")+"-log-in/alone")
			time.Sleep(2 * time.Second) // what waits is over
		}
	}
	b.ReportMetric(0, "ns/op")
}

// rss is the memory that a process takes, in bytes, 0 where the system does not tell.
func rss(b *testing.B, pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}
