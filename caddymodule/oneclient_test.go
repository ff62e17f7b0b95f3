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
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/store"
)

const (
	oneClientSite = "127.0.0.1:9182"
	oneClientConn = 1000 // connections that it has
)

// BenchmarkOneClient has one client ask for as much as it can over a thousand connections, in each of six ways, and prints what that costs
// others: the memory that it adds, how long the log-in of somebody else takes, and the slowest of short reads. Each is measured beside the
// same without the client, just before: a log-in takes 19 MB by itself, and a machine has other work. The first way is connections that
// ask once and then keep quiet, which any server has to hold. Caddy and the client run in processes of their own; the client, which would
// be on another machine, gets what the others leave of this one. There is no limit to log-ins that succeed, since those that are timed come
// from one client too. It takes a minute and a half whatever b.N is.
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
		sessions_per_client 0
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
	measure := func() (m cost) {
		done := make(chan struct{})
		var sampled sync.WaitGroup
		sampled.Go(func() {
			for {
				m.peak = max(m.peak, rss(b, pid))
				select {
				case <-done:
					return
				case <-time.After(20 * time.Millisecond):
				}
			}
		})
		reads, logins := make([]time.Duration, 1000), make([]time.Duration, 15)
		for i := range reads {
			began := time.Now()
			call("GET", "/api/profile/crowd5", donny, nil)
			reads[i] = time.Since(began)
		}
		for i := range logins {
			logins[i] = logIn()
		}
		close(done)
		sampled.Wait()
		slices.Sort(reads)
		slices.Sort(logins)
		m.login, m.p50, m.p99 = logins[len(logins)/2], reads[len(reads)/2], reads[len(reads)*99/100]
		return m
	}
	measure()
	round := func(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }
	fmt.Printf("\n%-18s %9s %9s %9s %6s %9s %9s %9s  %s\n",
		"one client", "added MB", "log-in", "alone", "ratio", "read p50", "read p99", "alone", "answers in all, by status")
	for range b.N {
		for i, way := range []flood{
			{Name: "quiet connections", Method: "GET", Path: "/api", Once: true},
			{Name: "announced lengths", Method: "POST", Path: "/api/auth/register", Body: `{"a":1`, Length: 1 << 20},
			{Name: "registrations", Method: "POST", Path: "/api/auth/register",
				Body: `{"username":"many#","password":"yoyo","email":"many#@example.com","full_name":"M","type":"personal"}`},
			{Name: "invitations", Method: "POST", Path: "/api/profile/cowork/roles/manager?force=1", Token: donny,
				Body: `{"email":"guest#@example.com","full_name":"Guest","message":"come"}`},
			{Name: "carts", Method: "POST", Path: "/api/cart", Body: `{"plan":"premium"}`},
			{Name: "log-ins", Method: "POST", Path: "/api/auth", Body: `{"username":"crowd#","password":"wrong"}`},
			{Name: "searches", Method: "GET", Path: "/api/profile?q=user+99", Token: donny},
		} {
			way.From = fmt.Sprintf("127.0.0.%d", 2+i)
			alone := measure()
			stop := way.start(b)
			time.Sleep(4 * time.Second) // connections are there, and the bounds reached
			m := measure()
			answers := stop()
			ratio := float64(m.login) / float64(alone.login)
			fmt.Printf("%-18s %9.1f %9s %9s %6.1f %9s %9s %9s  %s\n", way.Name, float64(m.peak-alone.peak)/(1<<20),
				round(m.login), round(alone.login), ratio, round(m.p50), round(m.p99), round(alone.p99), answers)
			b.ReportMetric(ratio, strings.ReplaceAll(way.Name, " ", "_")+"-log-in/alone")
			time.Sleep(2 * time.Second) // what waits is over
		}
	}
	b.ReportMetric(0, "ns/op")
}

// A cost is what others had while it was measured.
type cost struct {
	login, p50, p99 time.Duration
	peak            int64 // memory
}

// A flood is what one client asks for, again and again.
type flood struct {
	Name, Method, Path, Token string
	Body                      string // '#' is a number of its own
	Length                    int    // that is announced, 0 for that of the body
	Once                      bool   // on each connection, which then stays open
	From                      string // address, in each way another, which was refused nothing before
}

// start has a process of its own ask, until stop, which returns how many answers there were of each status.
func (f flood) start(b *testing.B) (stop func() string) {
	b.Helper()
	text, _ := json.Marshal(f)
	cmd := exec.Command(self(), "-test.run=^$")
	cmd.Env = append(os.Environ(), "TOLLGATE_BENCH_ROLE=one client", "TOLLGATE_BENCH_FLOOD="+string(text), "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	var out bytes.Buffer
	cmd.Stdout = &out
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	return func() string {
		in.Close()
		if err := cmd.Wait(); err != nil {
			b.Fatal(err)
		}
		return strings.TrimSpace(out.String())
	}
}

// ask is the process of the client. It ends with its input.
func (f flood) ask() {
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, 19)
	var numbers, broken atomic.Int64
	var statuses [600]atomic.Int64
	head := f.Method + " " + f.Path + " HTTP/1.1\r\nHost: " + oneClientSite + "\r\nContent-Type: application/json\r\n"
	if f.Token != "" {
		head += "Authorization: Bearer " + f.Token + "\r\n"
	}
	connect := func() error {
		from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(f.From)}, Timeout: 20 * time.Second}
		conn, err := from.Dial("tcp", oneClientSite)
		if err != nil {
			return err
		}
		defer conn.Close()
		in := bufio.NewReaderSize(conn, 512)
		for {
			body := strings.ReplaceAll(f.Body, "#", strconv.FormatInt(numbers.Add(1), 10))
			if _, err := fmt.Fprintf(conn, "%sContent-Length: %d\r\n\r\n%s", head, max(f.Length, len(body)), body); err != nil {
				return err
			}
			res, err := http.ReadResponse(in, nil)
			if err != nil {
				return err
			}
			if _, err := io.Copy(io.Discard, res.Body); err != nil {
				return err
			}
			statuses[res.StatusCode].Add(1)
			if f.Once {
				select {}
			}
			if res.Close {
				return nil
			}
		}
	}
	for range oneClientConn {
		go func() {
			for {
				if connect() != nil {
					broken.Add(1)
					time.Sleep(100 * time.Millisecond)
				}
			}
		}()
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	for status := range statuses {
		if n := statuses[status].Load(); n > 0 {
			fmt.Printf("%d: %d  ", status, n)
		}
	}
	if n := broken.Load(); n > 0 {
		fmt.Printf("broken: %d", n)
	}
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
