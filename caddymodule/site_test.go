package caddymodule

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/caddytest"

	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

// base is where the sites of the tests listen.
const base = "http://127.0.0.1:9080"

// A site is Caddy running a Caddyfile in this process, with a database of its own and an upstream that says what it receives.
type site struct {
	t        testing.TB
	dir      string
	upstream *upstream
	client   *http.Client
	global   string                    // more lines of the global option
	options  string                    // other global options, whole lines
	gate     string                    // lines of the gate's block
	more     string                    // more directives of the site
	matcher  string                    // of the gate's directive, with a blank before it
	api      string                    // block of tollgate_api, with a blank before it
	text     func(rules string) string // of a site that is not the demo's
	url      string                    // that the site is configured with; default: base
	host     string                    // that requests are for; default: base's
	hosts    []string                  // addresses of a site with TLS, the first being its url; default: secure alone
}

// demoGate is the gate of Caddyfile.example.
const demoGate = `
		rule /public/ any
		rule /account/ authenticated
		rule /app/{profile}/ {
			direct contributor weak
			subscribed premium
		}
		headers`

// newSite runs the demo site; change edits it before it starts.
func newSite(t testing.TB, change ...func(*site)) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), upstream: newUpstream(t), gate: demoGate}
	for _, f := range change {
		f(s)
	}
	s.run(s.caddyfile())
	return s
}

// runSite runs a Caddyfile.
func runSite(t testing.TB, config string) *site {
	t.Helper()
	s := &site{t: t}
	s.run(config)
	return s
}

func (s *site) run(config string) {
	s.t.Helper()
	s.client = &http.Client{
		Timeout:       patience,
		Transport:     &http.Transport{MaxIdleConnsPerHost: 64},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	caddytest.NewTester(s.t).InitServer(config, "caddyfile")
	if s.t.Failed() {
		s.t.FailNow()
	}
	s.t.Cleanup(func() { // closes the database before its folder goes
		s.client.CloseIdleConnections()
		if err := post([]byte(`{"admin":{"listen":"localhost:2999"}}`)); err != nil {
			s.t.Errorf("stopping: %v", err)
		}
	})
}

// caddyfile is the site's configuration.
func (s *site) caddyfile() string {
	return fmt.Sprintf(`{
	admin localhost:2999
	auto_https off
	skip_install_trust
	grace_period 10s
	servers {
		protocols h1 h2 h2c
	}
%s	tollgate {
		url %s
		broker cowork "Cowork" hello@cowork.example
		store %s
		min_length 4
		demo
		%s
	}
}

%s {
	%s
	tollgate_api%s
	tollgate%s {
		%s
	}
	reverse_proxy %s
}
`, s.options, cmp.Or(s.url, base), filepath.Join(s.dir, "tollgate.db"), s.global, base, s.more, s.api, s.matcher, s.gate, strings.TrimPrefix(s.upstream.URL, "http://"))
}

// load (re)loads the configuration.
func (s *site) load() {
	s.t.Helper()
	if err := s.tryLoad(); err != nil {
		s.t.Fatalf("loading: %v", err)
	}
}

func (s *site) tryLoad() error {
	raw, err := adapt(s.caddyfile())
	if err != nil {
		return err
	}
	err = post(raw)
	s.client.CloseIdleConnections() // the server before closes them, which a POST that is under way would not survive
	return err
}

// post loads a configuration through the admin endpoint.
func post(config []byte) error {
	res, err := http.Post("http://localhost:2999/load", "application/json", bytes.NewReader(config))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(res.Body)
		return fmt.Errorf("%s", b)
	}
	return nil
}

func adapt(text string) ([]byte, error) {
	adapter := caddyfile.Adapter{ServerType: httpcaddyfile.ServerType{}}
	raw, _, err := adapter.Adapt([]byte(text), map[string]any{"filename": "Caddyfile"})
	return raw, err
}

// An answer is what a client got.
type answer struct {
	status int
	header http.Header
	body   string
}

// json decodes the body.
func (a answer) json(t testing.TB) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("answer %d %q: %v", a.status, a.body, err)
	}
	return v
}

// do sends a request; headers are "Name: value".
func (s *site) do(method, path string, body any, headers ...string) answer {
	s.t.Helper()
	a, err := s.try(method, path, body, headers...)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

func (s *site) try(method, path string, body any, headers ...string) (answer, error) {
	if body == nil {
		return s.trySend(method, path, "", headers...)
	}
	b, err := json.Marshal(body)
	if err != nil {
		return answer{}, err
	}
	return s.trySend(method, path, string(b), append([]string{"Content-Type: application/json"}, headers...)...)
}

// send sends a request with a body as it is.
func (s *site) send(method, path, body string, headers ...string) answer {
	s.t.Helper()
	a, err := s.trySend(method, path, body, headers...)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

func (s *site) trySend(method, path, body string, headers ...string) (answer, error) {
	req, err := http.NewRequest(method, base+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	req.Host = cmp.Or(s.host, req.Host)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header[name] = append(req.Header[name], value) // as written, not in canonical form
	}
	res, err := s.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(b)}, err
}

// must sends a request and requires a status.
func (s *site) must(status int, method, path string, body any, headers ...string) answer {
	s.t.Helper()
	a := s.do(method, path, body, headers...)
	if a.status != status {
		s.t.Fatalf("%s %s: got %d %s, want %d", method, path, a.status, a.body, status)
	}
	return a
}

// login returns the header that makes a request a user's.
func (s *site) login(username string) string {
	s.t.Helper()
	a := s.must(201, "POST", "/api/auth", map[string]any{"username": username, "password": "yoyo"})
	return "Authorization: Bearer " + a.json(s.t)["token"].(string)
}

// register makes a user with a personal profile, and returns the header that makes a request the user's.
func (s *site) register(username string) string {
	s.t.Helper()
	a := s.must(201, "POST", "/api/auth/register", map[string]any{
		"username": username, "password": "yoyo", "email": username + "@example.com", "full_name": "Joe Card1", "type": "personal"})
	return "Authorization: Bearer " + a.json(s.t)["token"].(string)
}

// confirm makes the addresses of a user proven, by the word of the broker.
func (s *site) confirm(username string) {
	s.t.Helper()
	s.must(200, "POST", "/api/users/"+username+"/confirm", map[string]any{"email": username + "@example.com"}, s.login("donny"))
}

// grant offers a profile a subscription to premium, by donny.
func (s *site) grant(profile string) {
	s.t.Helper()
	body := map[string]any{"profile": map[string]any{"slug": profile}}
	s.must(201, "POST", "/api/profile/cowork/plans/premium/subscriptions", body, s.login("donny"))
}

// subscribe gives a profile a subscription to premium, granted by donny and accepted by its manager.
func (s *site) subscribe(profile, manager string) {
	s.t.Helper()
	s.grant(profile)
	list := s.must(200, "GET", "/api/profile/"+profile+"/subscriptions", nil, manager).json(s.t)
	key, _ := list["results"].([]any)[0].(map[string]any)["grant_key"].(string)
	if key == "" {
		s.t.Fatalf("no grant key in %v", list)
	}
	s.must(200, "POST", "/api/profile/"+profile+"/subscriptions/accept/"+key, nil, manager)
}

// upstream is an application that says what it receives.
type upstream struct {
	*httptest.Server
	mu   sync.Mutex
	last *received
	hits int
}

type received struct {
	Method  string              `json:"method"`
	URI     string              `json:"uri"` // as on the wire
	Headers map[string][]string `json:"headers"`
	Body    string              `json:"body"`
}

func newUpstream(t testing.TB) *upstream {
	u := new(upstream)
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got := received{r.Method, r.RequestURI, r.Header, string(body)}
		u.mu.Lock()
		u.last = &got
		u.hits++
		u.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(got)
	}))
	t.Cleanup(u.Close)
	return u
}

// take returns the last request and forgets it; nil when none came.
func (u *upstream) take() *received {
	u.mu.Lock()
	defer u.mu.Unlock()
	r := u.last
	u.last = nil
	return r
}
