package caddymodule

import (
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestPrometheus scrapes an application through the gate with an API key, and asks Prometheus, which stands behind the gate with
// an /api of its own (decision 115).
func TestPrometheus(t *testing.T) {
	program(t, "prometheus")
	figures := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			w.WriteHeader(http.StatusTeapot) // the key is ours, and stays at the gate
			return
		}
		_, _ = w.Write([]byte("parcels_total 42\n"))
	}))
	t.Cleanup(figures.Close)
	listen := freeAddress(t)
	s := newSite(t, func(s *site) {
		s.upstream = &upstream{Server: &httptest.Server{URL: "http://" + listen}}
		s.gate = "rule / authenticated\n\t\tsession none"
		s.more = "reverse_proxy /figures " + figures.Listener.Addr().String()
	})
	fay := s.register("fay")
	key := s.must(201, "POST", "/api/users/fay/api-keys", map[string]any{"password": "yoyo"}, fay).json(t)["secret"].(string)
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	write(t, config, `global: {scrape_interval: 1s}
scrape_configs:
  - job_name: application
    metrics_path: /figures
    authorization: {credentials: `+key+`}
    static_configs: [{targets: ["127.0.0.1:9080"]}]
`)
	startServer(t, "http://"+listen+"/-/ready", exec.Command("prometheus", "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+listen, "--log.level=error"))

	s.must(401, "GET", "/api/v1/query?query=parcels_total", nil)
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		got := s.must(200, "GET", "/api/v1/query?query=parcels_total", nil, "Authorization: Bearer "+key).json(t)
		data, _ := got["data"].(map[string]any)
		if result, _ := data["result"].([]any); len(result) == 1 {
			if value := result[0].(map[string]any)["value"].([]any)[1]; value != "42" {
				t.Fatalf("scraped %v", value)
			}
			break
		}
		if time.Now().After(end) {
			t.Fatalf("nothing was scraped: %v", got)
		}
	}
	s.must(404, "GET", "/api/users/nobody/at/all", nil, fay) // an address below the API's own words stays the API's
}
