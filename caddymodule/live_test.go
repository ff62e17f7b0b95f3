package caddymodule

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-tollgate/tollgate/accessrules"
)

// runningApp is the app of the configuration that runs.
func runningApp(t testing.TB) *App {
	t.Helper()
	app, err := caddy.ActiveContext().App("tollgate")
	if err != nil {
		t.Fatal(err)
	}
	return app.(*App)
}

// TestStaleDecisions changes what a decision rests on, by each way in which it changes: the very next request is decided anew.
func TestStaleDecisions(t *testing.T) {
	t.Cleanup(func() { ahead.Store(0) }) // when the site has stopped
	s := newSite(t)
	app := runningApp(t)
	donny := s.login("donny")
	warm := func(t *testing.T, name string) string {
		t.Helper()
		as := s.register(name)
		s.subscribe(name, as)
		for range 3 {
			s.must(200, "GET", "/app/"+name+"/", nil, as)
		}
		return as
	}
	refused := func(t *testing.T, status int, name, as string) {
		t.Helper()
		s.upstream.take()
		s.must(status, "GET", "/app/"+name+"/", nil, as)
		if s.upstream.take() != nil {
			t.Error("the upstream was reached")
		}
	}
	t.Run("role removed by a manager", func(t *testing.T) {
		ann, bob := warm(t, "ann"), s.register("bob")
		s.must(201, "POST", "/api/profile/ann/roles/contributor", map[string]any{"slug": "bob"}, ann)
		refused(t, 403, "ann", bob)
		acceptRole(s, "bob", bob)
		s.must(200, "GET", "/app/ann/", nil, bob)
		s.must(204, "DELETE", "/api/profile/ann/roles/contributor/bob", nil, ann)
		refused(t, 403, "ann", bob)
	})
	t.Run("subscription ended by its provider", func(t *testing.T) {
		cid := warm(t, "cid")
		s.must(200, "PATCH", "/api/profile/cowork/plans/premium/subscriptions/cid", map[string]any{"ends_at": "2020-01-01T00:00:00Z"}, donny)
		refused(t, 403, "cid", cid)
	})
	t.Run("subscription ended by itself", func(t *testing.T) {
		dora := warm(t, "dora")
		defer ahead.Store(0)
		s.must(200, "PATCH", "/api/profile/cowork/plans/premium/subscriptions/dora",
			map[string]any{"ends_at": time.Now().AddDate(0, 0, 2).UTC().Format("2006-01-02T15:04:05Z")}, donny)
		s.must(200, "GET", "/app/dora/", nil, dora)
		ahead.Store(int64(3 * 24 * time.Hour))
		refused(t, 403, "dora", dora)
	})
	t.Run("user disabled", func(t *testing.T) {
		eve := warm(t, "eve")
		if err := app.service.Users().Disable(context.Background(), "eve"); err != nil {
			t.Fatal(err)
		}
		refused(t, 401, "eve", eve)
	})
	t.Run("key revoked", func(t *testing.T) {
		fay := warm(t, "fay")
		key := s.must(201, "POST", "/api/users/fay/api-keys", map[string]any{"password": "yoyo"}, fay).json(t)["secret"].(string)
		id := s.must(200, "GET", "/api/users/fay/api-keys", nil, fay).json(t)["results"].([]any)[0].(map[string]any)["api_pub_key"].(string)
		basic := "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(key+":"))
		s.must(200, "GET", "/app/fay/", nil, basic)
		s.must(200, "POST", "/api/users/fay/api-keys/"+id, map[string]any{"password": "yoyo"}, fay)
		refused(t, 401, "fay", basic)
	})
	t.Run("password changed", func(t *testing.T) {
		gil := warm(t, "gil")
		s.must(200, "PUT", "/api/users/gil/password", map[string]any{"password": "yoyo", "new_password": "yoyoyo", "new_password2": "yoyoyo"}, gil)
		refused(t, 401, "gil", gil)
	})
	t.Run("what the upstream is told changes as well", func(t *testing.T) {
		hal := warm(t, "hal")
		s.must(200, "PATCH", "/api/profile/hal", map[string]any{"full_name": "Hal & Sons"}, hal)
		s.must(200, "GET", "/app/hal/", nil, hal)
		got := s.upstream.take()
		session := decodeSession(t, got.Headers["Authorization"][0])
		if name := session["roles"].(map[string]any)["manager"].([]any)[0].(map[string]any)["printable_name"]; name != "Hal & Sons" {
			t.Errorf("printable_name %v", name)
		}
	})
	t.Run("rules replaced", func(t *testing.T) {
		ida := s.register("ida")
		live := app.service.Proxy().Gate("default")
		s.must(403, "GET", "/new/", nil, ida)
		rule := accessrules.Rule{Path: "/new/", Forward: true, Source: accessrules.SourceAPI, Conditions: []accessrules.Condition{accessrules.Authenticated()}}
		if err := live.Replace([]accessrules.Rule{rule}); err != nil {
			t.Fatal(err)
		}
		s.must(200, "GET", "/new/", nil, ida)
		s.must(403, "GET", "/api/profile/cowork", nil, ida)
		rule.Path = "/api/profile/cowork"
		if err := live.Replace([]accessrules.Rule{rule}); err != nil {
			t.Fatal(err)
		}
		s.must(403, "GET", "/new/", nil, ida)
		s.must(200, "GET", "/api/profile/cowork", nil, ida)
		s.must(401, "GET", "/api/profile/cowork", nil)
		if err := live.Replace(nil); err != nil {
			t.Fatal(err)
		}
		s.must(403, "GET", "/api/profile/cowork", nil, ida)
	})
	t.Run("session key and form chosen through the API", func(t *testing.T) {
		jan := warm(t, "jan")
		live := app.service.Proxy().Gate("default")
		if err := live.Choose(accessrules.Choice{Backend: accessrules.CookieSession, Key: "k"}); err != nil {
			t.Fatal(err)
		}
		s.must(200, "GET", "/app/jan/", nil, jan)
		if got := s.upstream.take(); len(got.Headers["Authorization"]) > 0 || !strings.HasPrefix(strings.Join(got.Headers["Cookie"], ""), `sessionid="U2FsdGVk`) {
			t.Errorf("headers %v", got.Headers)
		}
		if err := live.Choose(accessrules.Choice{Upstream: "http://169.254.169.254"}); err == nil {
			t.Error("an upstream that is not listed")
		}
	})
}

// TestStoreGone takes the database away: who is not known already is not let in, and nobody is told anything else.
func TestStoreGone(t *testing.T) {
	s := newSite(t)
	joe := s.register("joe1")
	s.subscribe("joe1", joe)
	s.must(200, "GET", "/app/joe1/", nil, joe)
	app := runningApp(t)
	app.site.Directory.TouchAll() // as after a write of another process
	if err := app.site.Store.Close(); err != nil {
		t.Fatal(err)
	}
	s.upstream.take()
	for _, path := range []string{"/app/joe1/", "/account/", "/public/"} {
		a := s.must(503, "GET", path, nil, joe)
		if a.json(t)["reason"] != "unavailable" || a.header.Get("Retry-After") == "" || s.upstream.take() != nil {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	if a := s.must(503, "GET", "/account/", nil, joe, "Accept: text/html"); strings.Contains(a.body, "sql") {
		t.Errorf("%s", a.body)
	}
	s.must(200, "GET", "/public/", nil) // anybody, and no fact is needed
}

// TestManyRules runs ten thousand rules, each of which decides where it should.
func TestManyRules(t *testing.T) {
	const n = 10_000
	s := newSite(t)
	var b strings.Builder
	for i := range n {
		condition := "any"
		if i%2 == 0 {
			condition = "direct strong"
		}
		fmt.Fprintf(&b, "\n\t\trule /part-%d/{profile}/x%d/ %s", i%100, i, condition)
	}
	s.gate = b.String()[3:]
	s.load()
	joe := s.register("joe1")
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := worker; i < n; i += 397 {
				for _, c := range []struct {
					as     string
					status int
				}{{joe, 200}, {"", 200 + 201*((i+1)%2)}} {
					var headers []string
					if c.as != "" {
						headers = append(headers, c.as)
					}
					a, err := s.try("GET", fmt.Sprintf("/part-%d/joe1/x%d/y", i%100, i), nil, headers...)
					if err != nil || a.status != c.status {
						t.Errorf("rule %d as %q: %d %s %v, want %d", i, c.as, a.status, a.body, err, c.status)
					}
				}
			}
		}()
	}
	wg.Wait()
	s.must(403, "GET", "/part-0/joe1/x1/", nil, joe)
}

// TestRuleGrammar plays what a rule can say: methods, refusals, upstreams.
func TestRuleGrammar(t *testing.T) {
	s := newSite(t, func(s *site) {
		s.global = "page login"
		s.gate = `rule /feed/ {
			any
			methods GET
		}
		rule /feed/ {
			authenticated
			methods POST
		}
		rule /hidden/ {
			authenticated
			refuse 404
		}
		rule /plans/{profile}/ {
			subscribed premium
			refuse /pricing/{profile}/
		}
		rule /pay/ {
			subscribed premium
			refuse 402
		}`
	})
	joe := s.register("joe1")
	for _, c := range []struct {
		method, path, accept, as string
		status                   int
		reason, location         string
	}{
		{"GET", "/feed/", "", "", 200, "", ""},
		{"HEAD", "/feed/x", "", "", 200, "", ""},
		{"POST", "/feed/", "", "", 401, "unauthenticated", ""},
		{"POST", "/feed/", "", joe, 200, "", ""},
		{"DELETE", "/feed/", "", joe, 403, "no-rule", ""},
		{"GET", "/hidden/", "", "", 404, "not-found", ""},
		{"GET", "/hidden/", "text/html", "", 404, "", ""},
		{"GET", "/hidden/", "", joe, 200, "", ""},
		{"GET", "/plans/a%20b/", "text/html", joe, 302, "", "/pricing/a%20b/?next=/plans/a%2520b/"},
		{"GET", "/plans/joe1/", "", joe, 403, "not-subscribed", ""},
		{"GET", "/pay/", "", joe, 402, "not-subscribed", ""},
	} {
		headers := []string{"Accept: " + c.accept}
		if c.as != "" {
			headers = append(headers, c.as)
		}
		a := s.do(c.method, c.path, nil, headers...)
		if a.status != c.status || a.header.Get("Location") != c.location {
			t.Errorf("%s %s: %d %q %s, want %d %q", c.method, c.path, a.status, a.header.Get("Location"), a.body, c.status, c.location)
			continue
		}
		if c.reason != "" && a.json(t)["reason"] != c.reason {
			t.Errorf("%s %s: %s, want %s", c.method, c.path, a.body, c.reason)
		}
	}
}

// TestUpstreams runs two gates with upstreams of their own in one site, and chooses among those of one.
func TestUpstreams(t *testing.T) {
	first, second, desk := newUpstream(t), newUpstream(t), newUpstream(t)
	s := newSite(t)
	config := strings.Replace(s.caddyfile(), "tollgate {\n\t\t\n\t\trule /public/", "tollgate {\n\t\trule /public/", 1)
	at := strings.LastIndex(config, "\ttollgate {")
	config = config[:at] + fmt.Sprintf(`	@desk path /desk/*
	handle @desk {
		tollgate desk {
			rule /desk/ any
			upstream %s
			session none
		}
		reverse_proxy {tollgate.upstream}
	}
	handle {
		tollgate {
			rule / any
			upstream %s %s
		}
		reverse_proxy {tollgate.upstream}
	}
}
`, desk.URL, first.URL, second.URL)
	raw, err := adapt(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := post(raw); err != nil {
		t.Fatal(err)
	}
	reached := func(u *upstream) {
		t.Helper()
		for _, other := range []*upstream{first, second, desk} {
			if got := other.take(); (got != nil) != (other == u) {
				t.Errorf("%s: %+v", other.URL, got)
			}
		}
	}
	s.must(200, "GET", "/desk/x", nil)
	reached(desk)
	s.must(200, "GET", "/x", nil)
	reached(first)
	if err := runningApp(t).service.Proxy().Gate("default").Choose(accessrules.Choice{Upstream: second.URL}); err != nil {
		t.Fatal(err)
	}
	s.must(200, "GET", "/x", nil)
	reached(second)
	s.must(200, "GET", "/desk/x", nil)
	reached(desk)
}

// TestUnusableRules loads configurations whose rules cannot do what they seem to: what is surely wrong is refused, what may be wrong
// is warned of, with the place and the remedy.
func TestUnusableRules(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	s := newSite(t)
	was := s.gate
	for _, c := range []struct{ name, gate, want string }{
		{"unreachable", "rule /app/ any\n\t\trule /app/{profile}/x authenticated", `rule 2 (Caddyfile:24) "/app/{profile}/x" never decides: rule 1 (Caddyfile:23) "/app/" comes first and matches every path that it matches; write it before the other one, or leave it out`},
		{"twice", "rule /app/ any\n\t\trule /app/ authenticated", `rule 2 (Caddyfile:24) "/app/": a rule with this path already exists`},
		{"methods that are covered", "rule /app/ {\n\t\t\tany\n\t\t\tmethods GET POST\n\t\t}\n\t\trule /app/x {\n\t\t\tauthenticated\n\t\t\tmethods POST\n\t\t}", "never decides"},
	} {
		s.gate = c.gate
		err := s.tryLoad()
		if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), `\"`, `"`), c.want) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
	// The first start on a database: nothing can be read before it.
	s.gate = was + "\n\t\trule /x/ {\n\t\t\tpaid premium unheard-of\n\t\t\tdirect manger\n\t\t}\n\t\trule /api/proxy/ any\n\t\trule /{user}/settings any\n\t\trule /desk/{profile} any"
	s.dir = t.TempDir()
	config := strings.Replace(s.caddyfile(), "\tgrace_period", "\tlog {\n\t\toutput file "+log+"\n\t\tlevel WARN\n\t}\n\tgrace_period", 1)
	raw, err := adapt(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := post(raw); err != nil {
		t.Fatal(err)
	}
	s.must(201, "POST", "/api/proxy/rules", map[string]any{"path": "/x/y", "allow": "1"}, s.login("donny"))
	if err := post([]byte(strings.Replace(string(raw), `"grace_period":10000000000`, `"grace_period":9000000000`, 1))); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	first, again, _ := strings.Cut(string(text), `"rule":"api"`)
	for _, want := range []string{`"plan":"unheard-of"`, `"role":"manger"`, `"path":"/api/proxy/"`, `"rule":"Caddyfile:`,
		`"path":"/desk/{profile}","first":"Caddyfile:40","first_path":"/{user}/settings","example":"/desk/settings"`} {
		if !strings.Contains(first, want) {
			t.Errorf("no warning of %s in\n%s", want, text)
		}
	}
	if !strings.HasPrefix(again, `,"path":"/x/y","first":"Caddyfile:`) {
		t.Errorf("no warning of the API's rule that never decides in\n%s", text)
	}
	if strings.Contains(string(text), `"plan":"premium"`) {
		t.Error("a warning of a plan that exists")
	}
}

// TestValidate checks configurations as caddy validate does: beside the running server, without a database of their own.
func TestValidate(t *testing.T) {
	s := newSite(t)
	validate := func(gate string) error {
		s.gate = gate
		raw, err := adapt(strings.ReplaceAll(s.caddyfile(), s.dir, filepath.Join(s.dir, "nowhere")))
		if err != nil {
			return err
		}
		config := new(caddy.Config)
		if err := json.Unmarshal(raw, config); err != nil {
			return err
		}
		return caddy.Validate(config)
	}
	if err := validate(demoGate); err != nil {
		t.Error(err)
	}
	err := validate("rule /app/ any\n\t\trule /app/{profile}/x authenticated")
	if err == nil || !strings.Contains(err.Error(), `rule 2 (Caddyfile:24) "/app/{profile}/x" never decides: rule 1 (Caddyfile:23)`) {
		t.Errorf("an unreachable rule: %v", err)
	}
	if _, err := os.Stat(filepath.Join(s.dir, "nowhere")); !os.IsNotExist(err) {
		t.Errorf("validating made something: %v", err)
	}
	s.must(200, "GET", "/public/", nil)
}
