package caddymodule

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

// goldenOperations are the names of operations in recordings (access.md B.3).
var goldenOperations = map[string]int{
	"any": 0, "authenticated": 1, "agreement": 2, "direct": 3, "direct weak": 4, "direct strong": 5, "provider": 6, "provider only": 9,
	"paid subscription": 15, "subscription": 16, "active": 17,
}

// withGate puts a gate with the rules of a scenario in front of an upstream that says what it receives. Requests outside of /api
// go there.
func (g *golden) withGate(t *testing.T, setup json.RawMessage) {
	t.Helper()
	var s struct {
		Rules []struct {
			Path    string
			Op      string
			Kwargs  string
			Forward bool `json:"is_forward"`
			Engaged string
		}
	}
	if len(setup) == 0 || json.Unmarshal(setup, &s) != nil || len(s.Rules) == 0 {
		return
	}
	var rules []accessrules.Rule
	for _, r := range s.Rules {
		op, ok := goldenOperations[r.Op]
		if !ok {
			t.Fatalf("unknown operation %q", r.Op)
		}
		c, err := accessrules.ParseOperation(op, r.Kwargs)
		if err != nil {
			t.Fatal(err)
		}
		rule := accessrules.Rule{Path: r.Path, Forward: r.Forward, Conditions: []accessrules.Condition{c}, Source: accessrules.SourceAPI}
		if r.Engaged != "" {
			rule.Engaged = strings.Split(r.Engaged, ",")
		}
		rules = append(rules, rule)
	}
	live, err := accessrules.NewLive(accessrules.DefaultGate, nil, nil)
	if err == nil {
		err = live.Replace(rules)
	}
	if err == nil {
		live, err = g.service.Proxy().AddGate(live)
	}
	if err != nil {
		t.Fatal(err)
	}
	pages := map[string]string{}
	for _, name := range pageNames {
		pages[name] = ""
	}
	g.gate = &Gate{app: &App{site: g.site, service: g.service, URL: goldenBase, Pages: pages, streams: newStreams()}, live: live, meter: newMeter("golden"), logger: zap.NewNop()}
	if g.gate.headers, err = g.gate.identityHeaders(); err != nil {
		t.Fatal(err)
	}
	g.gate.upward = newForwarder(g.gate)
	g.gate.cookieWarning = new(atomic.Int64)
}

// serve sends a request to the gate, or to the API.
func (g *golden) serve(t *testing.T, w http.ResponseWriter, r *http.Request) {
	t.Helper()
	if g.gate == nil || strings.HasPrefix(r.URL.Path, "/api") {
		document, err := g.service.Schema()
		if err != nil {
			t.Fatal(err)
		}
		contract, err := resttest.ContractOf(document)
		if err != nil {
			t.Fatal(err)
		}
		if err := contract.Serve(g.service, w, r); err != nil {
			t.Error(err)
		}
		return
	}
	err := g.gate.ServeHTTP(w, r, caddyhttp.HandlerFunc(goldenUpstream))
	if err := errors.Join(err, g.service.Proxy().Visits.Flush(t.Context())); err != nil {
		t.Error(err)
	}
}

// goldenUpstream is the upstream of recordings, and the gateway's own pages, of which there are none.
func goldenUpstream(w http.ResponseWriter, r *http.Request) error {
	if r.URL.Path == "/elsewhere" {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(http.StatusNotFound)
		_, err := io.WriteString(w, "<h1>Not Found</h1>")
		return err
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	headers := map[string]string{}
	for name, values := range r.Header {
		headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	var session any
	if parts := strings.Split(r.Header.Get("Authorization"), "."); len(parts) == 3 {
		text, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err != nil || json.Unmarshal(text, &session) != nil {
			return err
		}
	}
	w.Header().Set("Content-Type", "application/json")
	if r.Method == http.MethodHead {
		return nil
	}
	return json.NewEncoder(w).Encode(map[string]any{"upstream": map[string]any{
		"method": r.Method, "path": r.URL.RequestURI(), "headers": headers, "body": string(body), "session": session,
	}})
}
