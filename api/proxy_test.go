package api

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"pgregory.net/rapid"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/proxy"
	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// gated is a site of the demo with a gate of one rule.
type gated struct {
	*door
	live   *accessrules.Live
	tokens map[string]string
}

func newGated(t *testing.T, change ...func(l *accessrules.Live)) *gated {
	t.Helper()
	g := &gated{door: newService(t, func(o *Options) { o.Demo, o.Auth.MinPassword = true, 4 }), tokens: map[string]string{}}
	fixed := []accessrules.Rule{{Path: "/public/", Forward: true, Source: "Caddyfile:3", Allow: "0", Conditions: []accessrules.Condition{accessrules.Any()}}}
	live, err := accessrules.NewLive(accessrules.DefaultGate, fixed, []string{"http://127.0.0.1:3000", "app:4000"})
	if err != nil {
		t.Fatal(err)
	}
	for _, fn := range change {
		fn(live)
	}
	if g.live, err = g.Proxy().AddGate(live); err != nil {
		t.Fatal(err)
	}
	if err := g.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"donny", "xia"} {
		code, answer := g.do("", "POST /api/auth", `{"username":"`+name+`","password":"yoyo"}`)
		var in struct{ Token string }
		if err := json.Unmarshal([]byte(answer), &in); err != nil || code != 201 {
			t.Fatalf("%d %s", code, answer)
		}
		g.tokens[name] = in.Token
	}
	return g
}

func (g *gated) do(as, request, body string) (int, string) {
	method, path, _ := strings.Cut(request, " ")
	r := httptest.NewRequest(method, "http://site.example"+strings.NewReplacer("{", "%7B", "}", "%7D").Replace(path), strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	if as != "" {
		r.Header.Set("Authorization", "Bearer "+g.tokens[as])
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	answer, _ := io.ReadAll(w.Body)
	return w.Code, string(answer)
}

// TestProxy is the API of the gate, endpoint by caller and input (access.md B.6).
func TestProxy(t *testing.T) {
	g := newGated(t)
	const (
		app    = `"slug":"cowork","entry_point":null,"session_backend":2,"welcome_email":true,"cors_restricted":true`
		fixed  = `{"rank":1,"path":"/public/","allow":"0","is_forward":true,"engaged":"","conditions":["any"]}`
		denied = `{"detail":"Permission denied"}`
		rules  = "/api/proxy/rules"
	)
	for _, test := range []struct {
		as, request, body string
		code              int
		want              string
	}{
		{"", "GET /api/proxy", "", 401, "*"},
		{"xia", "GET /api/proxy", "", 403, denied},
		{"donny", "GET /api/proxy", "", 200, `{` + app + `}`},
		{"xia", "PUT /api/proxy", `{"session_backend":0}`, 403, denied},
		{"donny", "PUT /api/proxy", `{"session_backend":3}`, 400, `{"session_backend":["\"3\" is not a valid choice."]}`},
		{"donny", "PUT /api/proxy", `{"entry_point":"localhost"}`, 400, `{"entry_point":["Unsafe URLs are not allowed."]}`},
		{"donny", "PUT /api/proxy", `{"entry_point":"http://169.254.169.254/"}`, 400, `{"entry_point":["This upstream is not listed in the configuration."]}`},
		{"donny", "PUT /api/proxy", `{"entry_point":"http://app:4000/"}`, 200, "*"},
		{"donny", "PATCH /api/proxy", `{"session_backend":"1","welcome_email":false}`, 200,
			`{"slug":"cowork","entry_point":"app:4000","session_backend":1,"welcome_email":false,"cors_restricted":true,"detail":"Update successful."}`},
		{"donny", "GET /api/proxy/sessions/xia", "", 200, `~"forward_session_header":"Cookie: sessionid=U2FsdGVk`},
		{"donny", "PATCH /api/proxy", `{"session_backend":2,"welcome_email":true,"entry_point":null}`, 200, `{` + app + `,"detail":"Update successful."}`},
		{"xia", "GET /api/proxy/sessions/xia", "", 403, denied},
		{"donny", "GET /api/proxy/sessions/xia", "", 200, `~"forward_session_header":"Authorization: Bearer ey`},
		{"donny", "GET /api/proxy/sessions/xia", "", 200, `~"forward_url":"http://127.0.0.1:3000"`},
		{"donny", "GET /api/proxy/sessions/nope", "", 404, `{"detail":"No User matches the given query."}`},
		{"donny", "GET /api/proxy/sessions", "", 404, "*"},
		{"xia", "POST /api/proxy/key", "", 403, denied},

		{"", "GET " + rules, "", 401, "*"},
		{"xia", "GET " + rules, "", 403, denied},
		{"donny", "GET " + rules, "", 200, `{"count":1,"next":null,"previous":null,"results":[` + fixed + `]}`},
		{"xia", "POST " + rules, `{"path":"/x"}`, 403, denied},
		{"donny", "POST " + rules, `{"path":"/a//b"}`, 400, `~{"path":["Enter a valid path`},
		{"donny", "POST " + rules, `{"path":"/a b"}`, 400, `~{"path":["Enter a valid path`},
		{"donny", "POST " + rules, `{"path":"/a","allow":"42"}`, 400, `{"detail":["unknown rule 42"]}`},
		{"donny", "POST " + rules, `{"path":"/a","allow":"15/nonsense"}`, 400, `~{"allow":["Enter a valid rule`},
		{"donny", "POST " + rules, `{"path":"/a","engaged":"a b"}`, 400, `~{"engaged":[`},
		{"donny", "POST " + rules, `{"path":"/public/"}`, 400, `{"detail":"Rule with path prefix '/public/' already exists."}`},
		{"donny", "POST " + rules, `{"path":"app/{profile}/","rank":7,"allow":"15/{\"plan\": \"premium\", \"profile\": null, \"color\": \"red\"}","engaged":"app, desk"}`, 201,
			`{"rank":2,"path":"/app/{profile}/","allow":"15/{\"plan\": \"premium\"}","is_forward":true,"engaged":"app,desk"}`},
		{"donny", "POST " + rules, `{"path":"/app/{profile}/"}`, 400, `{"detail":"Rule with path prefix '/app/{profile}/' already exists."}`},
		{"donny", "POST " + rules, `{"allow":"0","is_forward":false}`, 201, `{"rank":2,"path":"/","allow":"0","is_forward":false,"engaged":""}`},
		{"donny", "GET " + rules + "?page_size=2", "", 200, `~"count":3,"next":"http://site.example/api/proxy/rules?page=2&page_size=2"`},
		{"donny", "GET " + rules + "/app/{profile}/", "", 200, `~"rank":3`},
		{"donny", "GET " + rules + "/app/{profile}", "", 404, `{"detail":"No Rule matches the given query."}`},
		{"donny", "GET " + rules + "/", "", 200, `~"path":"/"`},
		{"donny", "GET " + rules + "/public/", "", 200, fixed},
		{"donny", "PUT " + rules + "/public/", `{"rank":1,"allow":"1"}`, 409, `{"detail":"This rule is written in the Caddyfile: change it there."}`},
		{"donny", "DELETE " + rules + "/public/", "", 409, "*"},
		{"donny", "PUT " + rules + "/", `{"allow":"1"}`, 400, `{"rank":["This field is required."]}`},
		{"donny", "PUT " + rules + "/nope", `{"allow":"1"}`, 404, "*"},
		{"donny", "PUT " + rules + "/app/{profile}/", `{"rank":3,"allow":"3"}`, 200, `{"rank":3,"path":"/app/{profile}/","allow":"3","is_forward":true,"engaged":""}`},
		{"donny", "PATCH " + rules + "/app/{profile}/", `{"engaged":"app"}`, 200, `{"rank":3,"path":"/app/{profile}/","allow":"3","is_forward":true,"engaged":"app"}`},
		{"donny", "PATCH " + rules, `{"updates":[{"oldpos":3,"newpos":2},{"oldpos":9,"newpos":1}]}`, 200,
			`{"count":3,"next":null,"previous":null,"results":[` + fixed + `,{"rank":2,"path":"/app/{profile}/","allow":"3","is_forward":true,"engaged":"app"},` +
				`{"rank":3,"path":"/","allow":"0","is_forward":false,"engaged":""}]}`},
		{"donny", "PATCH " + rules, `{"updates":[{"oldpos":1,"newpos":2}]}`, 409, "*"},
		{"donny", "PATCH " + rules, `{"updates":[{"oldpos":2}]}`, 400, "*"},
		{"donny", "DELETE " + rules + "/app/{profile}/", "", 204, ""},
		{"donny", "GET " + rules + "/", "", 200, `~"rank":2`},
		{"xia", "DELETE " + rules + "/", "", 403, denied},
		{"", "DELETE " + rules + "/", "", 401, "*"},

		{"xia", "GET /api/proxy/engagement", "", 403, denied},
		{"donny", "GET /api/proxy/engagement", "", 200, `{"engagements":[],"active_users":0,"authentication":"enabled"}`},
		{"donny", "GET /api/proxy/engagement/users", "", 200, `{"count":0,"next":null,"previous":null,"results":[]}`},
	} {
		code, got := g.do(test.as, test.request, test.body)
		fits := got == test.want || test.want == "*" || strings.HasPrefix(test.want, "~") && strings.Contains(got, test.want[1:])
		if code != test.code || !fits {
			t.Errorf("%s %s as %q: %d %s\nwant %d %s", test.request, test.body, test.as, code, got, test.code, test.want)
		}
	}
}

// decide asks the rules in force, as an anonymous caller.
func (g *gated) decide(path string) accessrules.Reason {
	return g.live.Set().Decide(&accessrules.Query{Facts: g.site.Directory, Now: g.site.Now(), Method: http.MethodGet}, path).Verdict.Reason
}

// TestRulesInForce changes rules: the very next decision follows them (decision 47), and those of the next start, and a change by
// another process within a second.
func TestRulesInForce(t *testing.T) {
	g := newGated(t)
	if got := g.decide("/app"); got != accessrules.NoRule {
		t.Fatalf("before: %q", got)
	}
	if code, got := g.do("donny", "POST /api/proxy/rules", `{"path":"/app","allow":"0"}`); code != 201 {
		t.Fatal(got)
	}
	if got := g.decide("/app"); got != accessrules.Passed {
		t.Fatalf("with a rule: %q", got)
	}
	if code, _ := g.do("donny", "PATCH /api/proxy/rules/app", `{"allow":"1"}`); code != 200 {
		t.Fatal(code)
	}
	if got := g.decide("/app"); got != accessrules.Unauthenticated {
		t.Fatalf("with another condition: %q", got)
	}
	// A rule over the API is one of the gate's as well (access.md B.4).
	if code, _ := g.do("xia", "GET /api/billing/cowork/history", ""); code != 403 {
		t.Fatal(code)
	}
	if code, got := g.do("donny", "POST /api/proxy/rules", `{"path":"/api/billing/{profile}/history","allow":"1"}`); code != 201 {
		t.Fatal(got)
	}
	if code, _ := g.do("xia", "GET /api/billing/cowork/history", ""); code != 200 {
		t.Error("a rule over the API is not in force")
	}
	// What cannot be read admits nobody, and does not keep the site from starting.
	err := g.site.Store.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(`UPDATE rule SET kwargs = 'nonsense' WHERE path = '/app'`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Proxy().Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := g.decide("/app"); got == accessrules.Passed || got == accessrules.Unauthenticated {
		t.Errorf("a rule that cannot be read: %q", got)
	}

	other, err := Open(t.Context(), SiteOptions{Path: g.site.Path, Secrets: g.site.SiteOptions.Secrets, Now: storetest.NewClock().Now, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Destruct()
	if err := other.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	err = other.Store.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(`UPDATE rule SET rule_op = 0, kwargs = '' WHERE path = '/app'`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); g.decide("/app") != accessrules.Passed; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a change by another process was not seen")
		}
	}
}

// TestSealedRules leaves the rules to the Caddyfile.
func TestSealedRules(t *testing.T) {
	g := newGated(t, func(l *accessrules.Live) { l.Sealed = true })
	if code, got := g.do("donny", "POST /api/proxy/rules", `{"path":"/app","allow":"0"}`); code != 409 {
		t.Errorf("%d %s", code, got)
	}
}

// TestSessionKey makes a key: sessions are signed with it at once and after a restart, and it is nowhere to be read.
func TestSessionKey(t *testing.T) {
	g := newGated(t)
	code, got := g.do("donny", "POST /api/proxy/key", "")
	var made struct {
		Key string `json:"enc_key"`
	}
	if err := json.Unmarshal([]byte(got), &made); err != nil || code != 200 || len(made.Key) < 32 {
		t.Fatalf("%d %s", code, got)
	}
	if _, key := g.live.SessionOf(g.live.Chosen(), "site"); key != made.Key {
		t.Errorf("the key in force is %q", key)
	}
	if err := g.Proxy().Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, key := g.live.SessionOf(g.live.Chosen(), "site"); key != made.Key {
		t.Errorf("the key in force after a restart is %q", key)
	}
	files, err := filepath.Glob(filepath.Dir(g.site.Path) + "/*")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		if text := strings.Join(lines(t, file), " "); strings.Contains(text, made.Key) {
			t.Errorf("the key is in %s", filepath.Base(file))
		}
	}
}

// TestRuleOrder compares any sequence of changes with a list in memory.
func TestRuleOrder(t *testing.T) {
	g := newGated(t)
	rapid.Check(t, func(rt *rapid.T) {
		var want []string
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			at := func(name string) int { return rapid.IntRange(0, max(0, len(want)-1)).Draw(rt, name) }
			switch op := rapid.IntRange(0, 3).Draw(rt, "op"); {
			case op == 0 || len(want) == 0:
				path := "/" + rapid.StringMatching(`[a-z]{1,8}`).Draw(rt, "path")
				code, got := g.do("donny", "POST /api/proxy/rules", `{"path":"`+path+`"}`)
				if taken := slices.Contains(want, path) || path == "/public"; taken != (code == 400) && path != "/public" {
					rt.Fatalf("%d %s", code, got)
				} else if code == 201 {
					want = slices.Insert(want, 0, path)
				}
			case op == 1:
				i := at("delete")
				if code, got := g.do("donny", "DELETE /api/proxy/rules"+want[i], ""); code != 204 {
					rt.Fatalf("%d %s", code, got)
				}
				want = slices.Delete(want, i, i+1)
			default:
				from, to := at("from"), at("to")
				moves, _ := json.Marshal(map[string]any{"updates": []any{map[string]int{"oldpos": from + 2, "newpos": to + 2}}})
				if code, got := g.do("donny", "PATCH /api/proxy/rules", string(moves)); code != 200 {
					rt.Fatalf("%d %s", code, got)
				}
				path := want[from]
				want = slices.Insert(slices.Delete(want, from, from+1), to, path)
			}
			var inForce []string
			for _, r := range g.live.Set().Rules()[1:] {
				inForce = append(inForce, r.Path)
			}
			if !slices.Equal(inForce, want) {
				rt.Fatalf("in force %v, want %v", inForce, want)
			}
		}
		for _, path := range want {
			g.do("donny", "DELETE /api/proxy/rules"+path, "")
		}
	})
}

// TestVisits notes visits as access.md B.8 says: null at first, then the date of the first visit, or the tags seen before.
func TestVisits(t *testing.T) {
	g := newGated(t)
	u, err := g.site.Directory.User("xia")
	if err != nil {
		t.Fatal(err)
	}
	first := time.Date(2026, 4, 2, 0, 0, 0, 0, time.UTC)
	for i, test := range []struct {
		tags []string
		want string
	}{
		{[]string{"app"}, ""},
		{[]string{"app"}, "2026-04-02T00:00:00+00:00"},
		{[]string{"app", "desk"}, "app"},
		{[]string{"app", "desk"}, "2026-04-02T02:00:00+00:00"},
		{[]string{"desk", "app"}, "2026-04-02T02:00:00+00:00"},
		{[]string{"roof", "desk"}, "desk"},
		{[]string{"moon"}, ""},
	} {
		if got := g.Proxy().Visit(u, test.tags, first.Add(time.Duration(i)*time.Hour)); got != test.want {
			t.Errorf("visit %d: %q, want %q", i, got, test.want)
		}
	}
	if err := g.Proxy().Visits.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, got := g.do("donny", "GET /api/proxy/engagement/users", ""); !strings.Contains(got, `{"username":"xia","engagements":["app","desk","moon","roof"]}`) {
		t.Error(got)
	}
	if _, got := g.do("donny", "GET /api/proxy/engagement?timezone="+url.QueryEscape("Asia/Tokyo"), ""); !strings.Contains(got, `{"slug":"app","count":50}`) {
		t.Error(got)
	}
	g.Proxy().Visits = proxy.NewVisits(g.site.Store) // as after a restart
	if got := g.Proxy().Visit(u, []string{"app"}, first.Add(time.Hour)); got != "2026-04-02T00:00:00+00:00" {
		t.Errorf("what was written is read as %q", got)
	}
}

// TestVisitorsUseIndexes reads a page of visitors in the order of an index.
func TestVisitorsUseIndexes(t *testing.T) {
	g := newGated(t)
	for _, query := range []string{
		`SELECT u.username FROM user u WHERE (u.last_login IS NOT NULL AND u.is_active = 1 AND EXISTS (SELECT 1 FROM engagement e WHERE e.user_id = u.id)) ORDER BY u.last_login DESC, u.id LIMIT 26`,
		`SELECT slug, last_visited FROM engagement WHERE user_id = 1`,
		`SELECT slug, count(*) FROM engagement GROUP BY slug ORDER BY slug`,
		`SELECT id FROM rule WHERE app_id = (SELECT min(id) FROM app) AND path = '/x'`,
	} {
		if plan := storetest.Plan(t, g.site.Store, query); strings.Contains(plan, "TEMP B-TREE FOR ORDER BY") && !strings.Contains(plan, "LAST TERM") || strings.Contains(plan, "SCAN engagement\n") {
			t.Errorf("%s\n%s", query, plan)
		}
	}
}
