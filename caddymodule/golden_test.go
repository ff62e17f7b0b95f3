package caddymodule

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/api"
	"github.com/caddy-tollgate/tollgate/api/billing"
	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/subscription"
	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// goldenBase is the address of the site in recordings: {{base}}.
const goldenBase = "http://site.example"

// A scenario is a recording of requests and answers of a running system with the same contract.
type scenario struct {
	Scenario string          `json:"scenario"`
	Env      map[string]any  `json:"env"`
	Setup    json.RawMessage `json:"setup"`
	Steps    []goldenStep    `json:"steps"`
}

type goldenStep struct {
	Name    string    `json:"name"`
	At      time.Time `json:"at"`
	As      *string   `json:"as"`
	Jar     string    `json:"jar"`
	Request struct {
		Method  string            `json:"method"`
		Path    string            `json:"path"`
		Headers map[string]string `json:"headers"`
		Basic   any               `json:"basic"`
		Body    any               `json:"body"`
	} `json:"request"`
	Save     map[string]string `json:"save"`
	Lookup   map[string]string `json:"lookup"`
	Volatile []string          `json:"volatile"`
	Response struct {
		Status  int            `json:"status"`
		Headers map[string]any `json:"headers"`
		Body    any            `json:"body"`
	} `json:"response"`
}

// golden plays scenarios against a site with the clock of the recording.
type golden struct {
	site    *api.Site
	service *api.Service
	gate    *Gate // in front of an upstream, for scenarios that have rules
	clock   *storetest.Clock
	tokens  map[string]goldenToken
	jars    map[string]map[string]string
	saved   map[string]string
}

type goldenToken struct {
	value string
	at    time.Time
}

func (g *golden) now() time.Time { return g.clock.Now() }

// newGolden makes a site with the broker and the processor of the seed, and fills it.
func newGolden(t *testing.T, d *seed, fill func(t *testing.T, g *golden)) *golden {
	t.Helper()
	g := &golden{clock: storetest.NewClock(), tokens: map[string]goldenToken{}, jars: map[string]map[string]string{}, saved: map[string]string{}}
	start := d.Clock
	for _, u := range d.Users {
		if u.DateJoined.Before(start) {
			start = u.DateJoined
		}
	}
	g.clock.Set(start)
	dir := t.TempDir()
	var err error
	g.site, err = api.Open(t.Context(), api.SiteOptions{Path: filepath.Join(dir, "t.db"), Secrets: filepath.Join(dir, "s.json"), Now: g.now, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.site.Destruct(); err != nil {
			t.Error(err)
		}
	})
	o := goldenOptions()
	o.Subscription, o.Billing = subscription.DefaultSettings(), billing.DefaultSettings()
	o.Processor = newGoldenProcessor(g.now)
	o.ProcessorSlug, o.ProcessorName = d.Processor.Slug, d.Processor.FullName
	for _, p := range d.Profiles {
		if p.Slug == d.Broker {
			o.Broker = api.Broker{Slug: p.Slug, FullName: p.FullName, Email: p.Email}
		}
	}
	if g.service, err = api.New(g.site, o); err != nil {
		t.Fatal(err)
	}
	if err := g.service.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	fill(t, g)
	g.tokens = map[string]goldenToken{}
	return g
}

// call sends a request with a token and returns status and body.
func (g *golden) call(method, target string, body any, token string) (int, string) {
	var r io.Reader
	if body != nil {
		b, _ := json.Marshal(body)
		r = bytes.NewReader(b)
	}
	req := httptest.NewRequest(method, goldenBase+target, r)
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	g.service.ServeHTTP(w, req)
	return w.Code, w.Body.String()
}

// token logs a user in at the first step, and again when the token is 7 days old.
func (g *golden) token(t *testing.T, username string) string {
	t.Helper()
	if have, ok := g.tokens[username]; ok && g.now().Sub(have.at) < 7*24*time.Hour {
		return have.value
	}
	status, body := g.call("POST", "/api/auth", map[string]string{"username": username, "password": "yoyo"}, "")
	var answer struct{ Token string }
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != 201 {
		return "" // a user who cannot log in: the step goes without
	}
	g.tokens[username] = goldenToken{answer.Token, g.now()}
	return answer.Token
}

// expand puts saved values in.
func (g *golden) expand(s string) string {
	for name, value := range g.saved {
		s = strings.ReplaceAll(s, "{{"+name+"}}", value)
	}
	return strings.ReplaceAll(s, "{{base}}", goldenBase)
}

func (g *golden) expandAll(v any) any {
	switch v := v.(type) {
	case string:
		return g.expand(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = g.expandAll(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k := range v {
			out[k] = g.expandAll(v[k])
		}
		return out
	}
	return v
}

// find looks a value up that only a message or the database shows.
func (g *golden) find(t *testing.T, what string) string {
	t.Helper()
	query, args := "", []any{}
	words := strings.Fields(what)
	switch {
	case strings.HasPrefix(what, "grant key of the pending role of user "):
		query, args = `SELECT grant_key FROM role r JOIN user u ON u.id = r.user_id WHERE u.username = ? AND grant_key IS NOT NULL`, []any{words[len(words)-1]}
	case strings.HasPrefix(what, "e-mail verification key of the contact of user "):
		query, args = `SELECT email_verification_key FROM contact c JOIN user u ON u.id = c.user_id WHERE u.username = ?`, []any{words[len(words)-1]}
	case strings.HasPrefix(what, "claim_code of the first charge"):
		query = `SELECT claim_code FROM charge WHERE processor_key IS NULL ORDER BY id LIMIT 1`
	case strings.HasPrefix(what, "id of the newest stored cart item"):
		query = `SELECT id FROM cart_item ORDER BY id DESC LIMIT 1`
	default:
		t.Fatalf("unknown lookup %q", what)
	}
	var value string
	err := g.site.Store.Read(t.Context(), func(r store.Reader) error { return r.QueryRow(query, args...).Scan(&value) })
	if err != nil {
		return "not-found"
	}
	return value
}

// A difference is where an answer departs from the recording.
type difference struct {
	scenario, step, path string
	want, got            string
}

func (d difference) String() string {
	return fmt.Sprintf("%s\t%s\t%s\twant %s\tgot %s", d.scenario, d.step, d.path, d.want, d.got)
}

// play plays a step and returns the differences.
func (g *golden) play(t *testing.T, sc *scenario, st *goldenStep) []difference {
	t.Helper()
	g.clock.Set(st.At)
	token := ""
	if st.As != nil {
		token = g.token(t, *st.As)
	}
	for name, what := range st.Lookup {
		g.saved[name] = g.find(t, what)
		if name == "ci" { // its own number is in the paths that follow
			g.saved["/cartitems/"+path.Base(st.Request.Path)] = "/cartitems/" + g.saved[name]
		}
	}
	target := g.expand(st.Request.Path)
	if ours := g.saved[target[max(0, strings.LastIndex(target, "/cartitems/")):]]; ours != "" {
		target = strings.TrimSuffix(target, "/cartitems/"+path.Base(target)) + ours
	}
	var body io.Reader
	contentType := ""
	switch b := g.expandAll(st.Request.Body).(type) {
	case nil:
	case string:
		body, contentType = strings.NewReader(b), "application/json"
	default:
		raw, _ := json.Marshal(b)
		body, contentType = bytes.NewReader(raw), "application/json"
	}
	req := httptest.NewRequest(st.Request.Method, goldenBase+target, body)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for name, value := range st.Request.Headers {
		req.Header.Set(name, g.expand(value))
	}
	switch b := st.Request.Basic.(type) {
	case string:
		req.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(g.expand(b))))
	case []any:
		req.SetBasicAuth(g.expand(fmt.Sprint(b[0])), g.expand(fmt.Sprint(b[1])))
	}
	if token != "" && req.Header.Get("Authorization") == "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if st.Jar != "" {
		for name, value := range g.jars[st.Jar] {
			req.AddCookie(&http.Cookie{Name: name, Value: value})
		}
	}
	w := httptest.NewRecorder()
	g.serve(t, w, req)
	if st.Jar != "" {
		if g.jars[st.Jar] == nil {
			g.jars[st.Jar] = map[string]string{}
		}
		for _, c := range w.Result().Cookies() {
			g.jars[st.Jar][c.Name] = c.Value
		}
	}

	var diffs []difference
	add := func(path string, want, got any) {
		show := func(v any) string {
			if v == absent {
				return "nothing"
			}
			b, _ := json.Marshal(v)
			return string(b)
		}
		diffs = append(diffs, difference{sc.Scenario, st.Name, path, show(want), show(got)})
	}
	var got any
	if w.Body.Len() > 0 {
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			got = w.Body.String()
		}
	}
	for name, at := range st.Save {
		if v, ok := lookup(got, at); ok {
			g.saved[name] = fmt.Sprint(v)
		}
	}
	if w.Code != st.Response.Status {
		add("status", st.Response.Status, w.Code)
		return diffs
	}
	for name, want := range st.Response.Headers {
		if name == "set-cookie" {
			var names []any
			for _, c := range w.Result().Cookies() {
				names = append(names, c.Name)
			}
			sort.Slice(names, func(i, j int) bool { return names[i].(string) < names[j].(string) })
			if !reflect.DeepEqual(any(names), want) {
				add("header set-cookie", want, names)
			}
			continue
		}
		if v := w.Header().Get(name); g.expand(fmt.Sprint(want)) != v {
			add("header "+name, want, v)
		}
	}
	compare("", g.expandAll(st.Response.Body), got, st.Volatile, add)
	return diffs
}

// manage runs the job that a step names, at the clock of the step.
func (g *golden) manage(t *testing.T, sc *scenario, st *goldenStep) []difference {
	t.Helper()
	g.clock.Set(st.At)
	if st.Request.Path != "renewals" {
		t.Fatalf("unknown job %q", st.Request.Path)
	}
	if err := g.service.Billing().Renew(t.Context()); err != nil {
		return []difference{{sc.Scenario, st.Name, "status", "0", err.Error()}}
	}
	return nil
}

// withBooks sets the columns that a scenario begins with. The recorded system shows setup fees and never charges them
// (decision 9), which would make every figure that follows another one: there are none.
func (g *golden) withBooks(t *testing.T, sc *scenario) {
	t.Helper()
	var s struct {
		BillingStart string `json:"billing_start"` // "2026-04-01 on every profile"
	}
	_ = json.Unmarshal(sc.Setup, &s)
	day, _, _ := strings.Cut(s.BillingStart, " ")
	err := g.site.Store.Write(t.Context(), func(tx *store.Tx) error {
		if _, err := tx.Exec(`UPDATE user SET password_changed_at = 0`); err != nil { // scenarios may begin before their users
			return err
		}
		if day != "" {
			if _, err := tx.Exec(`UPDATE profile SET billing_start = ?, billing_day = NULL`, day); err != nil {
				return err
			}
		}
		if !slices.Contains([]string{"billing_refund", "checkout", "metrics", "renewals"}, sc.Scenario) {
			return nil
		}
		_, err := tx.Exec(`UPDATE plan SET setup_amount = 0`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	g.site.Directory.TouchAll()
}

type nothing struct{}

// absent stands for a key or an item that is not there.
var absent = nothing{}

// compare compares answers field by field; wild words match anything of their kind.
func compare(at string, want, got any, volatile []string, add func(path string, want, got any)) {
	if slices.Contains(volatile, at) {
		return
	}
	switch w := want.(type) {
	case map[string]any:
		if _, ok := w["__html__"]; ok {
			if _, ok := got.(string); !ok {
				add(at, want, got)
			}
			return
		}
		g, ok := got.(map[string]any)
		if !ok {
			add(at, want, got)
			return
		}
		for k := range w {
			if v, ok := g[k]; ok {
				compare(at+"."+k, w[k], v, volatile, add)
			} else if !slices.Contains(volatile, at+"."+k) {
				add(at+"."+k, w[k], absent)
			}
		}
		for k := range g {
			if _, ok := w[k]; !ok {
				add(at+"."+k, absent, g[k])
			}
		}
	case []any:
		g, ok := got.([]any)
		if !ok {
			add(at, want, got)
			return
		}
		for i := range max(len(w), len(g)) {
			p := fmt.Sprintf("%s[%d]", at, i)
			switch {
			case i >= len(w):
				add(p, absent, g[i])
			case i >= len(g):
				add(p, w[i], absent)
			default:
				compare(p, w[i], g[i], volatile, add)
			}
		}
	case string:
		if g, ok := got.(string); ok && wild(w, g) {
			return
		}
		if !reflect.DeepEqual(want, got) {
			add(at, want, got)
		}
	default:
		if !reflect.DeepEqual(want, got) {
			add(at, want, got)
		}
	}
}

var words = regexp.MustCompile(`<(jwt|charge_key|message|text)>`)

func wild(want, got string) bool {
	if !strings.Contains(want, "<") {
		return false
	}
	pattern := words.ReplaceAllString(regexp.QuoteMeta(want), "(?s:.+)")
	ok, err := regexp.MatchString("^"+pattern+"$", got)
	return err == nil && ok
}

func lookup(v any, at string) (any, bool) {
	for _, key := range strings.Split(at, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, false
		}
		if v, ok = m[key]; !ok {
			return nil, false
		}
	}
	return v, true
}

// An exception is a departure that a decision of the contract asks for: scenario, step and path are patterns, `why` cites it.
type exception struct {
	scenario, step, path, got, why string
	used                           int
}

func readExceptions(t *testing.T, file string) []*exception {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var list []*exception
	for in := bufio.NewScanner(f); in.Scan(); {
		line := strings.TrimSpace(in.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		parts := strings.Split(line, "\t")
		if len(parts) != 5 {
			t.Fatalf("%s: %q has %d columns, want scenario, step, path, got, why", file, line, len(parts))
		}
		list = append(list, &exception{parts[0], parts[1], parts[2], parts[3], parts[4], 0})
	}
	return list
}

func (e *exception) covers(d difference) bool {
	match := func(pattern, s string) bool {
		ok, err := path.Match(pattern, strings.ReplaceAll(s, "/", "|"))
		return pattern == "*" || err == nil && ok
	}
	bracket := strings.NewReplacer("[", "(", "]", ")")
	return match(e.scenario, d.scenario) && match(strings.ReplaceAll(e.step, "/", "|"), d.step) &&
		match(bracket.Replace(e.path), bracket.Replace(d.path)) && match(strings.ReplaceAll(e.got, "/", "|"), d.got)
}

// readScenarios reads the recordings of a folder.
func readScenarios(t *testing.T, folder string) (all []scenario) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "scenarios", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios in %s", folder)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var sc scenario
		if err := json.Unmarshal(raw, &sc); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, sc)
	}
	return all
}

// How a step went: its worst difference.
const (
	equal     = iota
	patterned // what every scenario differs in, as the Allow header, 401 for 403, headers of the transport
	excepted
	different
)

// excuse finds the exception that covers a difference.
func excuse(exceptions []*exception, d difference) int {
	for _, e := range exceptions {
		if !e.covers(d) {
			continue
		}
		e.used++
		if e.step == "*" && (e.scenario == "*" || strings.HasPrefix(e.path, ".upstream.headers.")) {
			return patterned
		}
		return excepted
	}
	return different
}

// TestGolden plays recorded scenarios. TOLLGATE_GOLDEN names a folder with seed.json and scenarios/ in place of the project's own;
// TOLLGATE_SCENARIO plays one. Every difference must be covered by a line of testdata/golden/exceptions.txt.
func TestGolden(t *testing.T) {
	folder := os.Getenv("TOLLGATE_GOLDEN")
	if folder == "" {
		folder = "testdata/golden"
	}
	data := readSeed(t, filepath.Join(folder, "seed.json"))
	exceptions := readExceptions(t, "testdata/golden/exceptions.txt")
	t.Cleanup(directory.FixRandom(nil, "123456"))
	var all [4]int
	for _, sc := range readScenarios(t, folder) {
		if only := os.Getenv("TOLLGATE_SCENARIO"); only != "" && only != sc.Scenario {
			continue
		}
		t.Run(sc.Scenario, func(t *testing.T) {
			g := newGolden(t, data, data.load)
			g.withGate(t, sc.Setup)
			g.withBooks(t, &sc)
			var n [4]int
			for i := range sc.Steps {
				st := &sc.Steps[i]
				var diffs []difference
				if st.Request.Method == "MANAGE" {
					diffs = g.manage(t, &sc, st)
				} else {
					diffs = g.play(t, &sc, st)
				}
				worst := equal
				for _, d := range diffs {
					how := excuse(exceptions, d)
					if worst = max(worst, how); how == different {
						t.Errorf("%s", d)
					}
				}
				n[worst]++
			}
			t.Logf("%d equal, %d but for patterns, %d excepted, %d different", n[equal], n[patterned], n[excepted], n[different])
			for k := range n {
				all[k] += n[k]
			}
		})
	}
	if os.Getenv("TOLLGATE_GOLDEN") == "" && os.Getenv("TOLLGATE_SCENARIO") == "" {
		for _, e := range exceptions {
			if e.used == 0 {
				t.Errorf("an exception that nothing needs: %s %s %s %s", e.scenario, e.step, e.path, e.got)
			}
		}
	}
	fmt.Printf("golden: %d steps, %d equal, %d but for patterns, %d excepted, %d different\n",
		all[0]+all[1]+all[2]+all[3], all[equal], all[patterned], all[excepted], all[different])
}
