package caddymodule

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddytest"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-tollgate/tollgate/accessrules"
)

// patience is how long a test waits for what comes at once: where it is up, something is wrong, and not only slow.
const patience = time.Minute

// self is the program of the tests. os.Args names another one once a test has started Caddy.
func self() string {
	path, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return path
}

// The processes of BenchmarkProxy: Caddy and the upstream run apart from the load, so that the processor time of each can be told.
func TestMain(m *testing.M) {
	switch os.Getenv("TOLLGATE_BENCH_ROLE") {
	case "caddy":
		config, err := os.ReadFile(os.Getenv("TOLLGATE_BENCH_CONFIG"))
		if err == nil {
			err = caddy.Load(config, false)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if file, err := os.Create(os.Getenv("TOLLGATE_CPUPROFILE")); err == nil {
			_ = pprof.StartCPUProfile(file)
		}
		fmt.Println("ready")
		_, _ = io.Copy(io.Discard, os.Stdin) // until the parent is gone
		pprof.StopCPUProfile()
		os.Exit(0)
	case "one client":
		var f flood
		if err := json.Unmarshal([]byte(os.Getenv("TOLLGATE_BENCH_FLOOD")), &f); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		f.ask()
		os.Exit(0)
	case "upstream":
		serve := func(addr string, h http.HandlerFunc) {
			l, err := net.Listen("tcp", addr)
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			go func() { _ = http.Serve(l, h) }()
		}
		body := bytes.Repeat([]byte("x"), 256)
		serve(benchUpstream, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) })
		serve(benchAuth, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-User", "ann") })
		fmt.Println("ready")
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	caddytest.Default.LoadRequestTimeout = patience
	now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	os.Exit(m.Run())
}

// ahead is how far the clock of the sites of the tests is ahead, in nanoseconds. A test that moves it sets it back to 0.
var ahead atomic.Int64

const (
	benchUpstream = "127.0.0.1:9190"
	benchAuth     = "127.0.0.1:9191"
	benchUsers    = 200
)

// BenchmarkProxy compares, in one interleaved run, a bare reverse_proxy, one that sends a token and headers as long as the gate's and
// decides nothing, the gate with a token on every request and the full identity sent upstream, the same with the pages before it,
// and forward_auth to a service that checks nothing. It takes two minutes whatever b.N is;
// TOLLGATE_ROUNDS changes the number of rounds, TOLLGATE_VARIANTS picks what is compared, and TOLLGATE_CPUPROFILE names a file for what
// Caddy's processor time is spent on.
func BenchmarkProxy(b *testing.B) {
	rounds := 12
	if n, err := strconv.Atoi(os.Getenv("TOLLGATE_ROUNDS")); err == nil {
		rounds = n
	}
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
		store %s
		min_length 4
		login_throttle -1
		login_throttle_address -1
		registrations_per_client 0
		sessions_per_client 0
		invitations_per_client 0
		invitations_per_user 0
		visitor_carts 0
		demo
	}
}
http://127.0.0.1:9181 {
	reverse_proxy %[2]s
}
http://127.0.0.1:9182 {
	tollgate_api
	tollgate {
		rule /app/{profile}/ {
			direct contributor weak
			subscribed premium
		}
		headers
	}
	reverse_proxy %[2]s
}
http://127.0.0.1:9185 {
	tollgate_api
	tollgate_pages
	tollgate beside {
		rule /app/{profile}/ {
			direct contributor weak
			subscribed premium
		}
		headers
	}
	reverse_proxy %[2]s
}
http://127.0.0.1:9184 {
	request_header Authorization "Bearer %[4]s"
	request_header Tollgate-User user100
	request_header Tollgate-Email user100@example.com
	request_header Tollgate-Name "User Name"
	request_header Tollgate-Profile user100
	request_header Tollgate-Roles manager:user100
	request_header Tollgate-Plan premium
	reverse_proxy %[2]s
}
http://127.0.0.1:9183 {
	forward_auth %[3]s {
		uri /
		copy_headers X-User
	}
	reverse_proxy %[2]s
}
`, filepath.Join(dir, "tollgate.db"), benchUpstream, benchAuth, strings.Repeat("x", 700)))
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(config, raw, 0o600); err != nil {
		b.Fatal(err)
	}
	child(b, "upstream")
	pid := child(b, "caddy", "TOLLGATE_BENCH_CONFIG="+config)
	tokens := benchTokens(b)

	variants := []*variant{
		{name: "bare reverse_proxy", addr: "127.0.0.1:9181"},
		{name: "headers alone", addr: "127.0.0.1:9184"},
		{name: "gate", addr: "127.0.0.1:9182"},
		{name: "gate and pages", addr: "127.0.0.1:9185"},
		{name: "forward_auth", addr: "127.0.0.1:9183"},
	}
	if only := os.Getenv("TOLLGATE_VARIANTS"); only != "" {
		variants = slices.DeleteFunc(variants, func(v *variant) bool { return !slices.Contains(strings.Split(only, ","), v.name) })
	}
	for range b.N {
		for round := range rounds + 1 {
			for i := range variants {
				v := variants[(i+round)%len(variants)]
				before := cpuTime(b, pid)
				n, latencies := load(b, v.addr, tokens, 32, 1500*time.Millisecond)
				if round == 0 {
					continue // warm-up
				}
				v.rates = append(v.rates, float64(n)/1.5)
				v.cpu = append(v.cpu, float64((cpuTime(b, pid)-before).Microseconds())/float64(n))
				v.latencies = append(v.latencies, latencies...)
			}
		}
	}
	bare := variants[0]
	fmt.Printf("\n%-20s %10s %18s %9s %9s %12s\n", "variant", "req/s", "ratio (min..max)", "p50", "p99", "CPU us/req")
	for _, v := range variants {
		ratios := make([]float64, len(v.rates))
		for i := range ratios {
			ratios[i] = v.rates[i] / bare.rates[i]
		}
		slices.Sort(ratios)
		slices.Sort(v.latencies)
		fmt.Printf("%-20s %10.0f %6.2f (%.2f..%.2f) %9s %9s %12.1f\n", v.name, median(v.rates), median(ratios), ratios[0], ratios[len(ratios)-1],
			v.latencies[len(v.latencies)/2].Round(time.Microsecond), v.latencies[len(v.latencies)*99/100].Round(time.Microsecond), median(v.cpu))
		b.ReportMetric(median(ratios), strings.ReplaceAll(v.name, " ", "_")+"/bare")
	}
	b.ReportMetric(0, "ns/op")
}

type variant struct {
	name, addr string
	rates, cpu []float64
	latencies  []time.Duration
}

func median(v []float64) float64 {
	s := slices.Clone(v)
	slices.Sort(s)
	return s[len(s)/2]
}

// child starts this program in a role and returns its process.
func child(b *testing.B, role string, env ...string) int {
	b.Helper()
	cmd := exec.Command(self(), "-test.run=^$")
	cmd.Env = append(append(os.Environ(), "TOLLGATE_BENCH_ROLE="+role), env...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		b.Fatalf("%s: %q %v", role, line, err)
	}
	return cmd.Process.Pid
}

// benchTokens registers and subscribes users through the API.
func benchTokens(b *testing.B) []string {
	b.Helper()
	call := func(method, path string, body any, token string) map[string]any {
		raw, _ := json.Marshal(body)
		req, _ := http.NewRequest(method, "http://127.0.0.1:9182"+path, bytes.NewReader(raw))
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
	donny := call("POST", "/api/auth", map[string]any{"username": "donny", "password": "yoyo"}, "")["token"].(string)
	requests := make([]string, benchUsers)
	for i := range requests {
		name := fmt.Sprintf("user%d", i)
		token := call("POST", "/api/auth/register", map[string]any{"username": name, "password": "yoyo", "email": name + "@example.com",
			"full_name": "User Name", "type": "personal"}, "")["token"].(string)
		call("POST", "/api/profile/cowork/plans/premium/subscriptions", map[string]any{"profile": map[string]any{"slug": name}}, donny)
		list := call("GET", "/api/profile/"+name+"/subscriptions", nil, token)["results"].([]any)
		call("POST", "/api/profile/"+name+"/subscriptions/accept/"+list[0].(map[string]any)["grant_key"].(string), nil, token)
		requests[i] = "GET /app/" + name + "/page?x=1 HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer " + token +
			"\r\nAccept: application/json\r\nUser-Agent: bench\r\n\r\n"
	}
	return requests
}

// load sends requests over persistent connections for a while; answers other than 200 fail the benchmark.
func load(b *testing.B, addr string, requests []string, conns int, d time.Duration) (int, []time.Duration) {
	b.Helper()
	var wg sync.WaitGroup
	counts := make([]int, conns)
	latencies := make([][]time.Duration, conns)
	end := time.Now().Add(d)
	for c := range conns {
		wg.Add(1)
		go func() {
			defer wg.Done()
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				b.Error(err)
				return
			}
			defer conn.Close()
			r := bufio.NewReaderSize(conn, 8192)
			for i := c; ; i++ {
				start := time.Now()
				if start.After(end) {
					return
				}
				if _, err := fmt.Fprintf(conn, requests[i%len(requests)], addr); err != nil {
					b.Error(err)
					return
				}
				if err := readAnswer(r); err != nil {
					b.Errorf("%s: %v", addr, err)
					return
				}
				counts[c]++
				latencies[c] = append(latencies[c], time.Since(start))
			}
		}()
	}
	wg.Wait()
	total := 0
	for _, n := range counts {
		total += n
	}
	return total, slices.Concat(latencies...)
}

func readAnswer(r *bufio.Reader) error {
	status, err := r.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.Contains(status, []byte(" 200 ")) {
		return fmt.Errorf("answer %q", status)
	}
	length := 0
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) == 2 {
			break
		}
		if v, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			length, _ = strconv.Atoi(string(bytes.TrimSpace(v)))
		}
	}
	_, err = r.Discard(length)
	return err
}

// cpuTime is the processor time that a process has taken, 0 where the system does not tell.
func cpuTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// BenchmarkGateHandler is the gate's handler alone, warm: identify, match, check, strip, attach.
func BenchmarkGateHandler(b *testing.B) { benchHandler(b, "/app/joe1/page?x=1", true, http.StatusOK) }

// BenchmarkGateAnonymous is the same for somebody whom nobody knows, where a rule is open to all.
func BenchmarkGateAnonymous(b *testing.B) { benchHandler(b, "/public/page?x=1", false, http.StatusOK) }

// BenchmarkGateRefused is the same for somebody who is refused.
func BenchmarkGateRefused(b *testing.B) {
	benchHandler(b, "/app/acme/page?x=1", true, http.StatusForbidden)
}

func benchHandler(b *testing.B, path string, known bool, status int) {
	s := newSite(b)
	joe := s.register("joe1")
	s.subscribe("joe1", joe)
	gate := runningGate(b)
	next := caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(http.StatusOK)
		return nil
	})
	name, value, _ := strings.Cut(joe, ": ")
	req := httptest.NewRequest("GET", path, nil)
	caddyhttp.NewTestReplacer(req)
	req.RemoteAddr = "127.0.0.1:4000"
	token := []string{value}
	var w benchWriter
	w.header = http.Header{}
	b.ReportAllocs()
	for b.Loop() {
		clear(req.Header)
		clear(w.header)
		req.Header["Accept"] = accept
		if known {
			req.Header[name] = token
		}
		if err := gate.ServeHTTP(&w, req, next); err != nil || w.status != status {
			b.Fatal(err, w.status)
		}
	}
}

// benchWriter takes an answer at no cost.
type benchWriter struct {
	header http.Header
	status int
}

func (w *benchWriter) Header() http.Header         { return w.header }
func (w *benchWriter) Write(b []byte) (int, error) { return len(b), nil }
func (w *benchWriter) WriteHeader(status int)      { w.status = status }

// BenchmarkGateRules is the same with 1, 100 and 10,000 rules in front of the one that decides, in turn: their number does not count.
// It prints the ratio of each to one rule; what it takes does not depend on b.N.
func BenchmarkGateRules(b *testing.B) {
	s := newSite(b)
	joe := s.register("joe1")
	s.subscribe("joe1", joe)
	gate := runningGate(b)
	next := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })
	name, value, _ := strings.Cut(joe, ": ")
	req := httptest.NewRequest("GET", "/new/joe1/page?x=1", nil)
	caddyhttp.NewTestReplacer(req)
	req.RemoteAddr = "127.0.0.1:4000"
	counts := []int{1, 100, 10_000}
	lives := make([]*accessrules.Live, len(counts))
	for i, n := range counts {
		rules := make([]accessrules.Rule, n)
		for j := range rules {
			rules[j] = accessrules.Rule{Path: fmt.Sprintf("/part-%d/{profile}/x%d", j%100, j), Conditions: []accessrules.Condition{accessrules.Any()}}
		}
		rules[n-1] = accessrules.Rule{Path: "/new/{profile}", Forward: true, Conditions: []accessrules.Condition{accessrules.Direct(), accessrules.Subscribed(accessrules.Plans("premium"))}}
		var err error
		if lives[i], err = accessrules.NewLive("bench", rules, nil); err != nil {
			b.Fatal(err)
		}
	}
	was := gate.live
	defer func() { gate.live = was }()
	times := make([][]float64, len(counts))
	for range b.N {
		for round := range 31 {
			for i := range counts {
				at := (i + round) % len(counts)
				gate.live = lives[at]
				start := time.Now()
				for range 20_000 {
					clear(req.Header)
					req.Header["Accept"] = accept
					req.Header[name] = []string{value}
					w := httptest.ResponseRecorder{Code: 200}
					if err := gate.ServeHTTP(&w, req, next); err != nil || w.Code != 200 {
						b.Fatal(err, w.Code)
					}
				}
				if round > 0 {
					times[at] = append(times[at], float64(time.Since(start).Nanoseconds())/20_000)
				}
			}
		}
	}
	for i, n := range counts {
		fmt.Printf("%6d rules: %5.0f ns, %.3f of one rule\n", n, median(times[i]), median(times[i])/median(times[0]))
		b.ReportMetric(median(times[i])/median(times[0]), fmt.Sprintf("rules-%d/one", n))
	}
	b.ReportMetric(0, "ns/op")
}

var accept = []string{"application/json"}

// runningGate is the gate of the configuration that runs.
func runningGate(tb testing.TB) *Gate {
	tb.Helper()
	app, err := caddy.ActiveContext().App("http")
	if err != nil {
		tb.Fatal(err)
	}
	var find func(routes caddyhttp.RouteList) *Gate
	find = func(routes caddyhttp.RouteList) *Gate {
		for _, route := range routes {
			for _, h := range route.Handlers {
				switch h := h.(type) {
				case *Gate:
					return h
				case *caddyhttp.Subroute:
					if g := find(h.Routes); g != nil {
						return g
					}
				}
			}
		}
		return nil
	}
	for _, server := range app.(*caddyhttp.App).Servers {
		if g := find(server.Routes); g != nil {
			return g
		}
	}
	tb.Fatal("no gate runs")
	return nil
}
