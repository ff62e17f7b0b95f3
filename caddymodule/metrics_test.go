package caddymodule

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/protobuf/proto"
)

// scrape reads the metrics of the product from Caddy's admin endpoint, as Prometheus does.
func scrape(t *testing.T) map[string]float64 {
	t.Helper()
	res, err := http.Get(adminAddress + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 200 {
		b, _ := io.ReadAll(res.Body)
		t.Fatalf("metrics: %d %s", res.StatusCode, b)
	}
	values := map[string]float64{}
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		name, value, ok := strings.Cut(lines.Text(), "} ")
		if name += "}"; !ok {
			name, value, ok = strings.Cut(lines.Text(), " ")
		}
		if v, err := strconv.ParseFloat(value, 64); ok && err == nil && strings.HasPrefix(name, "tollgate_") {
			values[name] = v
		}
	}
	return values
}

// TestMetrics counts decisions, caches, writes and notices, names neither users nor paths, and goes on counting when the configuration
// is loaded again.
func TestMetrics(t *testing.T) {
	s := newSite(t, func(s *site) { s.global = "page login /login/" })
	joe := s.register("joe1")
	s.subscribe("joe1", joe)
	before := scrape(t)
	send := func() {
		s.must(200, "GET", "/app/joe1/secret-path", nil, joe)
		s.must(200, "GET", "/app/joe1/secret-path", nil, joe)
		s.must(401, "GET", "/app/joe1/secret-path", nil)
		s.must(401, "GET", "/app/joe1/secret-path", nil, "Authorization: Bearer "+badKey)
		s.must(403, "GET", "/nowhere", nil, joe)
		s.must(400, "GET", "/app/joe1%2Fx", nil, joe)
		s.must(200, "GET", "/login/", nil)
		s.must(200, "OPTIONS", "/app/joe1/", nil, "Origin: https://other.example", "Access-Control-Request-Method: GET")
	}
	send()
	after := scrape(t)
	decision := func(result, reason string) string {
		return `tollgate_decisions_total{gate="default",reason="` + reason + `",result="` + result + `"}`
	}
	grown := map[string]float64{
		decision("admitted", ""): 2, decision("refused", "unauthenticated"): 1, decision("refused", "bad-credentials"): 1,
		decision("refused", "no-rule"): 1, decision("refused", "ambiguous-path"): 1, decision("page", "no-rule"): 1, decision("preflight", ""): 1,
		`tollgate_decision_duration_seconds_count{gate="default"}`:     8,
		`tollgate_cache_requests_total{cache="session",result="miss"}`: 1,
		`tollgate_cache_requests_total{cache="session",result="hit"}`:  1,
	}
	for name, by := range grown {
		if got := after[name] - before[name]; got != by {
			t.Errorf("%s grew by %v, want %v", name, got, by)
		}
	}
	if hits := `tollgate_cache_requests_total{cache="credential",result="hit"}`; after[hits]-before[hits] < 2 {
		t.Errorf("%s: %v, then %v", hits, before[hits], after[hits])
	}
	for _, name := range []string{"tollgate_store_commits_total", "tollgate_store_writes_total"} {
		if after[name] == 0 {
			t.Errorf("%s is 0", name)
		}
	}
	for _, name := range []string{"tollgate_store_write_failures_total", "tollgate_store_queued_writes", `tollgate_outbox_notices{state="waiting"}`, `tollgate_outbox_notices{state="dead"}`} {
		if v, ok := after[name]; !ok || v < 0 {
			t.Errorf("%s: %v, %v", name, v, ok)
		}
	}
	for name := range after {
		if strings.Contains(name, "joe1") || strings.Contains(name, "secret-path") {
			t.Errorf("%s tells too much", name)
		}
	}
	for i, global := range []string{"welcome_email off", "page login /login/"} {
		s.global = global
		s.load()
		send := scrape(t)
		if name := decision("admitted", ""); send[name] != after[name] {
			t.Errorf("load %d: %s went from %v to %v", i, name, after[name], send[name])
		}
		if name := "tollgate_store_writes_total"; send[name] < after[name] {
			t.Errorf("load %d: %s went from %v to %v", i, name, after[name], send[name])
		}
	}
	send()
	if name, last := decision("admitted", ""), scrape(t); last[name] != after[name]+2 {
		t.Errorf("%s is %v after a reload, want %v", name, last[name], after[name]+2)
	}
}

// TestTracing lets Caddy send spans to a collector, and looks at what they say of the gate.
func TestTracing(t *testing.T) {
	var mu sync.Mutex
	spans := map[string]map[string]*common.AnyValue{} // by the path of the request
	var bodies []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		var export collector.ExportTraceServiceRequest
		if err := proto.Unmarshal(b, &export); err != nil {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
		mu.Lock()
		defer mu.Unlock()
		bodies = append(bodies, b...)
		for _, resource := range export.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				for _, span := range scope.Spans {
					all := map[string]*common.AnyValue{}
					for _, a := range span.Attributes {
						all[a.Key] = a.Value
					}
					spans[all["url.path"].GetStringValue()] = all
				}
			}
		}
	}))
	defer server.Close()
	for name, value := range map[string]string{
		"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_ENDPOINT": server.URL, "OTEL_BSP_SCHEDULE_DELAY": "20",
	} {
		t.Setenv(name, value)
	}
	s := newSite(t, func(s *site) { s.more = "tracing" })
	joe := s.register("joe1")
	s.subscribe("joe1", joe)
	ann := s.register("ann")
	s.must(200, "GET", "/app/joe1/a", nil, joe)
	s.must(403, "GET", "/app/joe1/b", nil, ann)
	s.must(403, "GET", "/app/ann/c", nil, ann)
	s.must(401, "GET", "/app/joe1/d", nil)
	s.must(403, "GET", "/nowhere", nil, ann)

	for path, want := range map[string]string{
		"/app/joe1/a": "default admitted  3 /app/{profile}/ [manager]",
		"/app/joe1/b": "default refused role-missing 3 /app/{profile}/ []",
		"/app/ann/c":  "default refused not-subscribed 3 /app/{profile}/ [manager]",
		"/app/joe1/d": "default refused unauthenticated 3 /app/{profile}/ []",
		"/nowhere":    "default refused no-rule 0  []",
	} {
		var got map[string]*common.AnyValue
		for end := time.Now().Add(5 * time.Second); got == nil && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			mu.Lock()
			got = spans[path]
			mu.Unlock()
		}
		var roles []string
		for _, v := range got["tollgate.profile.roles"].GetArrayValue().GetValues() {
			roles = append(roles, v.GetStringValue())
		}
		text := strings.Join([]string{got["tollgate.gate"].GetStringValue(), got["tollgate.result"].GetStringValue(), got["tollgate.reason"].GetStringValue(),
			strconv.FormatInt(got["tollgate.rule"].GetIntValue(), 10), got["tollgate.rule.path"].GetStringValue(), "[" + strings.Join(roles, " ") + "]"}, " ")
		if text != want {
			t.Errorf("%s: %q, want %q", path, text, want)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	for _, secret := range []string{strings.TrimPrefix(joe, "Authorization: Bearer "), "joe1@example.com", "Joe Card1"} {
		if strings.Contains(string(bodies), secret) {
			t.Errorf("a span holds %q", secret)
		}
	}
}
