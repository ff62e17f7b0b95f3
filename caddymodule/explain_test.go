package caddymodule

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"
)

const adminAddress = "http://localhost:2999"

// ask asks the admin endpoint of the server that runs.
func ask(t *testing.T, status int, q string) map[string]any {
	t.Helper()
	res, err := http.Post(adminAddress+explainPath, "application/json", strings.NewReader(q))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != status {
		t.Fatalf("%s: %d %s %v, want %d", q, res.StatusCode, b, err, status)
	}
	var v map[string]any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return v
}

// tollgate runs a command and returns what it prints.
func tollgate(args ...string) (string, error) {
	var out bytes.Buffer
	root := &cobra.Command{Use: "tollgate", SilenceErrors: true}
	commands(root)
	root.SetOut(&out)
	root.SetErr(io.Discard)
	root.SetArgs(args)
	err := root.Execute()
	return out.String(), err
}

// twoGates is a Caddyfile with two gates, of which one stands behind a rewrite, and a corner without a gate.
func twoGates(s *site) string {
	return fmt.Sprintf(`{
	admin localhost:2999
	auto_https off
	skip_install_trust
	tollgate {
		url %[1]s
		broker cowork "Cowork" hello@cowork.example
		store %[2]s
		min_length 4
		demo
		page login /login/
		page cart https://www.example.com/cart/{profile}
	}
}

%[1]s {
	tollgate_api
	handle /open/* {
		respond "open"
	}
	handle_path /desk/* {
		tollgate desk {
			rule /inner/{profile}/ {
				direct strong
				refuse 404
			}
			stripped /desk
			session cookie {env.TOLLGATE_TEST_SESSION_KEY}
			assertion
		}
		respond "desk"
	}
	handle {
		tollgate {
			rule /app/{profile}/ {
				any
				methods DELETE
			}
			rule /app/{profile}/ {
				direct contributor weak
				subscribed premium
				engaged app
			}
			rule /files/ {
				any
				local
			}
			rule /api/profile/{profile} direct strong
			session jwt {env.TOLLGATE_TEST_SESSION_KEY}
			headers
		}
		reverse_proxy %[3]s
	}
}
`, base, filepath.Join(s.dir, "tollgate.db"), strings.TrimPrefix(s.upstream.URL, "http://"))
}

// explainedSite runs twoGates with two users, of whom joe1 has a subscription.
func explainedSite(t *testing.T) *site {
	s := &site{t: t, dir: t.TempDir(), upstream: newUpstream(t)}
	s.run(twoGates(s))
	joe := s.register("joe1")
	s.subscribe("joe1", joe)
	s.register("ann")
	return s
}

// TestExplain asks the running server what becomes of requests, and sends the same requests.
func TestExplain(t *testing.T) {
	s := explainedSite(t)
	joe, ann := s.login("joe1"), s.login("ann")
	as := map[string]string{"joe1": joe, "ann": ann}
	status := map[string]int{"admitted": 200, "page": 200}
	for _, c := range []struct {
		user, method, path string
		result, reason     string
		gate, rule         string
	}{
		{"joe1", "GET", "/app/joe1/x", "admitted", "", "default", "2"},
		{"joe1", "DELETE", "/app/joe1/x", "admitted", "", "default", "1"},
		{"ann", "GET", "/app/joe1/x", "refused", "role-missing", "default", "2"},
		{"ann", "GET", "/app/ann/x", "refused", "not-subscribed", "default", "2"},
		{"", "GET", "/app//joe1/./x", "refused", "unauthenticated", "default", "2"},
		{"", "GET", "/app/joe1%2Fx", "refused", "unauthenticated", "default", "2"}, // however it is read
		{"joe1", "GET", "/app/joe1%2Fx", "refused", "ambiguous-path", "default", ""},
		{"joe1", "GET", "/nowhere", "refused", "no-rule", "default", ""},
		{"", "GET", "/login/", "page", "no-rule", "default", ""},
		{"", "GET", "/files/a", "admitted", "", "default", "3"},
		{"joe1", "GET", "/desk/inner/joe1", "admitted", "", "desk", "1"},
		{"ann", "GET", "/desk/inner/joe1", "refused", "role-missing", "desk", "1"},
		{"", "GET", "/open/x", "ungated", "", "", ""},
		{"", "GET", "/api/profile/joe1", "refused", "unauthenticated", "", "1"},
		{"joe1", "GET", "/api/profile/joe1", "admitted", "", "", "1"},
		{"joe1", "GET", "/api/users/ann", "refused", "role-missing", "", ""},
		{"", "GET", "/api/pricing", "admitted", "", "", ""},
	} {
		q, _ := json.Marshal(question{As: c.user, Method: c.method, URL: c.path})
		e := ask(t, 200, string(q))
		number := ""
		if r, ok := e["rule"].(map[string]any); ok {
			number = fmt.Sprint(r["number"])
		}
		got := [4]string{e["result"].(string), text(e["reason"]), text(e["gate"]), number}
		if want := [4]string{c.result, c.reason, c.gate, c.rule}; got != want {
			t.Errorf("%s %s as %q: %q, want %q", c.method, c.path, c.user, got, want)
		}
		// What it says is what happens.
		var headers []string
		if c.user != "" {
			headers = append(headers, as[c.user])
		}
		a := s.do(c.method, c.path, nil, headers...)
		want := status[c.result]
		if e["answer"] != nil {
			want = int(e["answer"].(map[string]any)["program"].(float64))
		}
		if want != 0 && a.status != want {
			t.Errorf("%s %s as %q: answered %d, explained as %d", c.method, c.path, c.user, a.status, want)
		}
		if e["answer"] != nil {
			browser := e["answer"].(map[string]any)
			a := s.do(c.method, c.path, nil, append(headers, "Accept: text/html")...)
			if a.status != int(browser["browser"].(float64)) || a.header.Get("Location") != text(browser["page"]) {
				t.Errorf("%s %s as %q: a browser got %d %s, explained as %v", c.method, c.path, c.user, a.status, a.header.Get("Location"), browser)
			}
		}
	}

	// A whole URL, on another port than the server's.
	if e := ask(t, 200, `{"as":"joe1","url":"https://127.0.0.1/app/joe1/"}`); e["result"] != "admitted" || e["method"] != "GET" {
		t.Errorf("%v", e)
	}
	if e := ask(t, 200, `{"as":"joe1","url":"http://other.example:9080/app/joe1/"}`); e["result"] != "ungated" {
		t.Errorf("another host: %v", e)
	}
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

// TestExplainUpstream compares what the application is said to receive with what it receives.
func TestExplainUpstream(t *testing.T) {
	s := explainedSite(t)
	e := ask(t, 200, `{"as":"joe1","method":"POST","url":"/app/joe1/x"}`)
	first := ask(t, 200, `{"as":"joe1","method":"POST","url":"/app/joe1/x"}`)
	said := e["upstream"].(map[string]any)
	if text(first["upstream"].(map[string]any)["session"].(map[string]any)["last_visited"]) != "" {
		t.Error("to explain is to visit")
	}
	s.must(200, "POST", "/app/joe1/x", nil, s.login("joe1"))
	got := s.upstream.take()
	headers := said["headers"].(map[string]any)
	for name, value := range headers {
		if name == "Authorization" {
			if want := fmt.Sprintf("Bearer [redacted, %d bytes]", len(got.Headers[name][0])-len("Bearer ")); value != want {
				t.Errorf("%s: %v, want %v", name, value, want)
			}
			continue
		}
		if got.Headers[name][0] != value {
			t.Errorf("%s: said %q, received %q", name, value, got.Headers[name])
		}
	}
	if len(headers) != 7 || headers["Tollgate-Plan"] != "premium" {
		t.Errorf("headers %v", headers)
	}
	session, received := said["session"].(map[string]any), decodeSession(t, got.Headers["Authorization"][0])
	delete(session, "exp")
	delete(received, "exp")
	a, _ := json.Marshal(session)
	b, _ := json.Marshal(received)
	if string(a) != string(b) {
		t.Errorf("session said %s\nreceived %s", a, b)
	}

	desk := ask(t, 200, `{"as":"joe1","url":"/desk/inner/joe1"}`)["upstream"].(map[string]any)["headers"].(map[string]any)
	if desk["Cookie"] != `sessionid="[redacted]"` || !strings.HasPrefix(text(desk["Tollgate-Assertion"]), "[redacted, ") {
		t.Errorf("%v", desk)
	}
}

// TestExplainRefusesQuestions: what cannot be answered is told why.
func TestExplainRefusesQuestions(t *testing.T) {
	explainedSite(t)
	for q, want := range map[string]string{
		`{"as":"nobody-at-all","url":"/app/"}`: `there is no active user "nobody-at-all"`,
		`{"url":"app/x"}`:                      "is no address",
		`{"url":"http://%zz/"}`:                "is no address",
		`{"url":"/","method":"GET it"}`:        "is no method",
		`{"url":"/","who":"x"}`:                "unknown field",
		`{`:                                    "reading the question",
	} {
		if got := text(ask(t, 400, q)["error"]); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", q, got, want)
		}
	}
	res, err := http.Get(adminAddress + explainPath)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 405 || res.Header.Get("Allow") != "POST" {
		t.Errorf("GET: %d", res.StatusCode)
	}
	if err := post([]byte(`{"admin":{"listen":"localhost:2999"}}`)); err != nil {
		t.Fatal(err)
	}
	if got := text(ask(t, 404, `{"url":"/"}`)["error"]); !strings.Contains(got, "no global option `tollgate`") {
		t.Errorf("without the app: %q", got)
	}
}

// TestExplainCommand asks the running server, and then reads the configuration and the database while no server runs, and gets the
// same; no secret is asked for.
func TestExplainCommand(t *testing.T) {
	s := explainedSite(t)
	config := filepath.Join(s.dir, "Caddyfile")
	if err := os.WriteFile(config, []byte(strings.NewReplacer(
		"{env.TOLLGATE_TEST_SESSION_KEY}", "{env.TOLLGATE_NOT_SET_HERE}",
		"reverse_proxy", "basic_auth {\n\t\t\tx {env.TOLLGATE_NOT_SET_HERE}\n\t\t}\n\t\treverse_proxy",
	).Replace(twoGates(s))), 0o600); err != nil {
		t.Fatal(err)
	}
	live := func(args ...string) (string, error) {
		return tollgate(append([]string{"explain", "--address", "localhost:2999"}, args...)...)
	}
	offline := func(args ...string) (string, error) {
		return tollgate(append([]string{"explain", "--config", config, "--adapter", "caddyfile"}, args...)...)
	}
	questions := [][]string{
		{"--as", "joe1", "GET", "/app/joe1/"},
		{"--as", "ann", "GET", "/app/ann/"},
		{"GET", "/desk/inner/joe1"},
		{"GET", "/open/x"},
		{"--as", "joe1", "PUT", "http://127.0.0.1:9080/api/users/ann"},
	}
	var said []string
	for _, q := range questions {
		out, err := live(q...)
		if err != nil {
			t.Fatal(q, err)
		}
		said = append(said, out)
	}
	for _, want := range []string{
		"GET http://127.0.0.1:9080/app/joe1/ from joe1: admitted", "gate      default",
		"rule      2, /app/{profile}/: direct contributor weak; subscribed premium (Caddyfile:",
		"not for GET: 1, /app/{profile}/ DELETE: any (Caddyfile:", "direct contributor weak — holds\n  caller: joe1\n  roles: manager of joe1",
		"Authorization: Bearer [redacted, ", "Tollgate-User: joe1", `"username": "joe1"`,
	} {
		if !strings.Contains(said[0], want) {
			t.Errorf("no %q in\n%s", want, said[0])
		}
	}
	for _, want := range []string{"from ann: refused\n  reason    not-subscribed", "subscribed premium — does not hold: not-subscribed",
		"A program is answered 403.", "A browser is sent to https://www.example.com/cart/"} {
		if !strings.Contains(said[1], want) {
			t.Errorf("no %q in\n%s", want, said[1])
		}
	}
	if _, err := live("--as", "nobody-at-all", "GET", "/app/"); err == nil || !strings.Contains(err.Error(), "no active user") {
		t.Errorf("an unknown user: %v", err)
	}

	if err := post([]byte(`{"admin":{"listen":"localhost:2999"}}`)); err != nil {
		t.Fatal(err)
	}
	for i, q := range questions {
		out, err := offline(q...)
		if err != nil {
			t.Fatal(q, err)
		}
		if without := regexpExp.ReplaceAllString; without(out, "") != without(said[i], "") {
			t.Errorf("%v: the server said\n%s\nthe database says\n%s", q, said[i], out)
		}
	}
	if _, err := tollgate("explain", "--address", "localhost:1", "GET", "/"); err == nil || !strings.Contains(err.Error(), "with --config <file>") {
		t.Errorf("no server: %v", err)
	}
	if _, err := offline("--store", filepath.Join(s.dir, "none.db"), "GET", "/"); err == nil || !strings.Contains(err.Error(), "there is no database") {
		t.Errorf("no database: %v", err)
	}
	if files, _ := filepath.Glob(filepath.Join(s.dir, "none.db*")); len(files) > 0 {
		t.Errorf("made: %v", files)
	}
	if n, ok := sites.References(mustAbs(t, filepath.Join(s.dir, "tollgate.db"))); ok || n != 0 {
		t.Errorf("the database is held by %d", n)
	}
}

// regexpExp is what differs from one moment, and one key, to the next.
var regexpExp = regexp.MustCompile(`"exp": \d+|, \d+ bytes`)

func mustAbs(t *testing.T, path string) string {
	t.Helper()
	abs, err := caddy.FastAbs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}
