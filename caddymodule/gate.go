package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/directory"
)

func init() { caddy.RegisterModule(Gate{}) }

// Gate lets a request pass to the handlers after it when a rule admits its sender, and tells the upstream who that is. Everything
// that a client could forge is taken off the request first, on every route. It needs the app `tollgate`.
type Gate struct {
	// Name of the gate. The API's rules belong to the one named `default`. Default: `default`.
	Name string `json:"name,omitempty"`

	// Rules, tried in order: the first whose path matches decides. What no rule matches is refused.
	Rules []Rule `json:"rules,omitempty"`

	// Session is how the upstream learns who is there: `jwt` (an Authorization header), `cookie` (an encrypted cookie) or `none`.
	// Default: `jwt`.
	Session string `json:"session,omitempty"`

	// SessionKey is the secret that the upstream shares with the gate. Placeholders are resolved when the configuration is
	// loaded. Default: the key in the file of secrets.
	SessionKey string `json:"session_key,omitempty"`

	// Headers adds the identity headers. Default: off; incoming copies are stripped all the same.
	Headers bool `json:"headers,omitempty"`

	// HeaderPrefix is what the names of the identity headers begin with. Default: `Tollgate-`.
	HeaderPrefix string `json:"header_prefix,omitempty"`

	// PreflightDeny asks for identity even from a CORS preflight. Default: a preflight passes, without identity.
	PreflightDeny bool `json:"preflight_deny,omitempty"`

	app     *App
	live    *accessrules.Live
	headers *accessrules.Headers
	upward  *forwarder
	logger  *zap.Logger
}

// Rule of a gate.
type Rule struct {
	// Path is a pattern of segments, as in `/app/{profile}/`. It matches paths that begin with these segments.
	Path string `json:"path"`
	// Conditions must all hold, as in `direct contributor weak`; see the directive's documentation for the words.
	Conditions []string `json:"conditions"`
	// Local hands the request to the next handler without a session. Default: false.
	Local bool `json:"local,omitempty"`
	// Engaged are tags of engagement tracking.
	Engaged []string `json:"engaged,omitempty"`
	// Source is where the rule was written.
	Source string `json:"source,omitempty"`
}

var (
	sessionForms = []string{"jwt", "cookie", "none"}
	errDemo      = errors.New("this site runs in demo mode and answers to its own machine only")
)

// CaddyModule returns the Caddy module information.
func (Gate) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.tollgate", New: func() caddy.Module { return new(Gate) }}
}

// Provision compiles the rules.
func (g *Gate) Provision(ctx caddy.Context) (err error) {
	g.logger = ctx.Logger()
	if g.app, err = appOf(ctx); err != nil {
		return err
	}
	if g.Name == "" {
		g.Name = "default"
	}
	if g.Session == "" {
		g.Session = "jwt"
	}
	if !contains(sessionForms, g.Session) {
		return fmt.Errorf("session: unknown form %q", g.Session)
	}
	rules := make([]accessrules.Rule, len(g.Rules))
	for i, r := range g.Rules {
		if rules[i], err = r.compile(); err != nil {
			return fmt.Errorf("rule %s (%s): %w", r.Path, r.Source, err)
		}
	}
	if g.live, err = accessrules.NewLive(g.Name, rules, nil); err != nil {
		return err
	}
	if g.live, err = g.app.service.AddGate(g.live); err != nil {
		return err
	}
	g.app.gates = append(g.app.gates, g)
	if g.HeaderPrefix == "" {
		g.HeaderPrefix = accessrules.DefaultPrefix
	}
	g.headers = accessrules.NewHeaders(g.HeaderPrefix)
	key, err := caddy.NewReplacer().ReplaceOrErr(g.SessionKey, true, true)
	if err != nil {
		return fmt.Errorf("session key: %w", err)
	}
	g.upward = newForwarder(g, key)
	return nil
}

func (r Rule) compile() (accessrules.Rule, error) {
	out := accessrules.Rule{Path: r.Path, Forward: !r.Local, Engaged: r.Engaged, Source: r.Source}
	for _, text := range r.Conditions {
		c, err := parseCondition(strings.Fields(text))
		if err != nil {
			return out, err
		}
		out.Conditions = append(out.Conditions, c)
	}
	if len(out.Conditions) == 0 {
		return out, errors.New("it has no condition: write `any` when everybody may pass")
	}
	return out, nil
}

// ServeHTTP decides on a request (access.md B.5): identify, match, check, strip, attach, pass on.
func (g *Gate) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if !g.app.admit(r) {
		return caddyhttp.Error(http.StatusForbidden, errDemo)
	}
	path, err := accessrules.Clean(r.URL.EscapedPath())
	if err != nil {
		return g.ambiguous(w, r, err)
	}
	setPath(r, path)
	g.headers.Strip(r.Header)

	q := accessrules.Query{
		Facts:  g.app.site.Directory,
		Now:    g.app.site.Now(),
		Method: r.Method,
		Page:   accessrules.IsPage(r.Header.Get("Accept")),
	}
	q.ReadOnly = g.app.DisableUpdates
	if preflight(r) && !g.PreflightDeny {
		g.upward.anonymous(r)
		return next.ServeHTTP(w, r)
	}
	id, err := g.app.site.Directory.Identify(r)
	if err != nil {
		return g.refuseOr(w, r, next, &q, path, badIdentity(err))
	}
	q.Caller = id.User
	d := g.live.Set().Decide(&q, path)
	g.observe(r, &id, d)
	if !d.Verdict.OK() {
		return g.refuseOr(w, r, next, &q, path, d.Verdict)
	}
	if !d.Rule.Forward {
		return next.ServeHTTP(w, r)
	}
	if err := g.upward.attach(r, &q, &id, d); err != nil {
		return caddyhttp.Error(http.StatusInternalServerError, err)
	}
	return next.ServeHTTP(w, r)
}

// refuseOr refuses a request, unless it goes to a configured page: everybody may go there, without identity.
func (g *Gate) refuseOr(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, q *accessrules.Query, path string, v accessrules.Verdict) error {
	if len(g.app.Pages) > 0 && g.app.reachable(path) {
		g.upward.anonymous(r)
		return next.ServeHTTP(w, r)
	}
	return g.refuse(w, r, q, v)
}

// setPath makes the request carry the path that was matched, and no other form of it.
func setPath(r *http.Request, cleaned string) {
	if r.URL.RawPath == "" && r.URL.Path == cleaned {
		return
	}
	plain, err := url.PathUnescape(cleaned)
	if err != nil {
		plain = cleaned // never: Clean refused what is malformed
	}
	r.URL.Path, r.URL.RawPath = plain, ""
	if plain != cleaned {
		r.URL.RawPath = cleaned
	}
}

// preflight reports whether a request is a CORS preflight (decision 60).
func preflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}

// badIdentity is the verdict on a request whose identity could not be established.
func badIdentity(err error) accessrules.Verdict {
	var bad *directory.CredentialError
	if errors.As(err, &bad) {
		return accessrules.Verdict{Reason: accessrules.BadCredentials, Target: "/login/", Err: err}
	}
	return accessrules.Verdict{Reason: accessrules.Unavailable, Err: err}
}

func (g *Gate) debug(message string, fields ...zap.Field) {
	if c := g.logger.Check(zapcore.DebugLevel, message); c != nil {
		c.Write(fields...)
	}
}

func timeDuration(d caddy.Duration) time.Duration { return time.Duration(d) }

// Interface guards
var (
	_ caddy.Provisioner           = (*Gate)(nil)
	_ caddyhttp.MiddlewareHandler = (*Gate)(nil)
	_ caddyfile.Unmarshaler       = (*Gate)(nil)
)
