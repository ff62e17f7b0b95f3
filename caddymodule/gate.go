package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
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
	// Name of the gate. The API's rules, and rules over /api, belong to the one named `default`. Default: `default`.
	Name string `json:"name,omitempty"`

	// Rules, tried in order: the first whose path and method match decides. What no rule matches is refused.
	Rules []Rule `json:"rules,omitempty"`

	// RulesFrom says whose rules are in force: `both`, those of this list first and behind them those made through the API; `caddyfile`,
	// these alone; `api`, those of the API alone. Only the gate named `default` has rules of the API. Default: `both`.
	RulesFrom string `json:"rules_from,omitempty"`

	// Upstreams are the addresses of the application among which the API may choose (`entry_point`), the default one first. The
	// placeholder `{tollgate.upstream}` is the chosen one, as host and port. Default: none, and no placeholder.
	Upstreams []string `json:"upstreams,omitempty"`

	// Session is how the upstream learns who is there: `jwt` (an Authorization header), `cookie` (an encrypted cookie) or `none`.
	// Default: what the API chose, `jwt` at first.
	Session string `json:"session,omitempty"`

	// SessionKey is the secret that the upstream shares with the gate, of at least 32 bytes, as a placeholder: `{env.UPSTREAM_KEY}` or
	// `{file./run/secrets/session}`. Default: the key that the API made, or else the one in the file of secrets.
	SessionKey string `json:"session_key,omitempty"`

	// Assertion adds a token that the upstream verifies with the keys at `/.well-known/jwks.json`. Default: none.
	Assertion *Assertion `json:"assertion,omitempty"`

	// Headers adds the identity headers. Default: off; incoming copies are stripped all the same.
	Headers bool `json:"headers,omitempty"`

	// HeaderPrefix is what the names of the identity headers begin with. Default: `Tollgate-`.
	HeaderPrefix string `json:"header_prefix,omitempty"`

	// HeaderNames are names of single identity headers, by what they tell: user, id, email, name, profile, roles, plan. `off` leaves
	// one out. Default: the prefix and the word.
	HeaderNames map[string]string `json:"header_names,omitempty"`

	// Sources are the places in the Caddyfile of words whose values are read when Caddy starts, for its errors.
	Sources sources `json:"sources,omitempty"`

	// Stripped are prefixes that a handler before the gate takes off paths, as `handle_path /shop/*` and `uri strip_prefix /shop` do: of
	// a request for one of them and what is at hand, only what is at hand is decided on. Default: none, and both are.
	Stripped []string `json:"stripped,omitempty"`

	// Scripts are endings of files, besides php, phtml and phar, that are run with the rest of the path as its information: that rest is
	// decided on as well. `off` alone: none are. Default: those three.
	Scripts []string `json:"scripts,omitempty"`

	// PreflightDeny asks for identity even from a CORS preflight. Default: a preflight passes, without identity.
	PreflightDeny bool `json:"preflight_deny,omitempty"`

	// Origin says whose pages may make a browser send requests that change something, and open WebSockets, as its user: `same`, those of
	// this site; `any`; or some origins besides. Default: `same`.
	Origin []string `json:"origin,omitempty"`

	// Challenge is what a 401 offers: `bearer`, `basic`, `both` or `off`. Default: `both` to programs, `bearer` to everybody else.
	Challenge string `json:"challenge,omitempty"`

	app     *App
	live    *accessrules.Live
	headers *accessrules.Headers
	upward  *forwarder
	meter   meter
	scripts accessrules.Scripts
	dials   map[string]string // of Upstreams: host and port
	logger  *zap.Logger

	cookieWarning *atomic.Int64 // µs since 1970 of the last warning of a cookie that the application sets
}

var (
	sessionForms = []string{accessrules.NoSession: "none", accessrules.CookieSession: "cookie", accessrules.JWTSession: "jwt"}
	ruleSources  = []string{"both", "caddyfile", "api"}
	errDemo      = errors.New("this site runs in demo mode and answers to its own machine only")
	errTunnel    = errors.New("a request for a tunnel")
	errStarting  = errors.New("the service is starting")
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
		g.Name = accessrules.DefaultGate
	}
	if g.Session != "" && !contains(sessionForms, g.Session) {
		return fmt.Errorf("session: unknown form %q", g.Session)
	}
	if g.RulesFrom != "" && !contains(ruleSources, g.RulesFrom) {
		return fmt.Errorf("rules_from: unknown source %q", g.RulesFrom)
	}
	if g.Challenge != "" && !contains(challenges, g.Challenge) {
		return fmt.Errorf("challenge: %q is none of %s", g.Challenge, strings.Join(challenges, ", "))
	}
	if len(g.Origin) > 0 {
		if _, err := parseOrigins(g.Origin); err != nil {
			return err
		}
	}
	if g.RulesFrom == "api" && (len(g.Rules) > 0 || g.Name != accessrules.DefaultGate) {
		return errors.New("rules_from api: a gate with rules of its own, or with a name, does not take those of the API alone")
	}
	if g.dials, err = dialAddresses(g.Upstreams); err != nil {
		return err
	}
	if err := g.readPaths(); err != nil {
		return err
	}
	rules := make([]accessrules.Rule, len(g.Rules))
	for i, r := range g.Rules {
		if rules[i], err = r.compile(); err != nil {
			return fmt.Errorf("rule %s (%s): %w", r.Path, r.Source, err)
		}
	}
	if g.live, err = accessrules.NewLive(g.Name, rules, g.Upstreams); err != nil {
		return err
	}
	if unreachable := g.live.Set().Warnings(); len(unreachable) > 0 {
		return fmt.Errorf("%s; write it before the other one, or leave it out", strings.Join(unreachable, "; "))
	}
	if g.live.Key, err = g.sessionKey(); err != nil {
		return g.Sources.locate("session", err)
	}
	if i := slices.Index(sessionForms, g.Session); i >= 0 {
		form := accessrules.Backend(i)
		g.live.Backend = &form
	}
	g.live.Sealed = g.RulesFrom == "caddyfile"
	if g.live, err = g.app.service.Proxy().AddGate(g.live); err != nil {
		if len(g.Rules) > 0 && g.Rules[0].Source != "" {
			err = fmt.Errorf("%w, at %s", err, g.Rules[0].Source)
		}
		return err
	}
	if g.headers, err = g.identityHeaders(); err != nil {
		return err
	}
	g.app.gates = append(g.app.gates, g)
	g.shareNames()
	g.upward = newForwarder(g)
	g.cookieWarning = new(atomic.Int64)
	g.meter = newMeter(g.Name)
	rememberConn(ctx)
	g.warn()
	return nil
}

// sessionKey reads the key that the Caddyfile gives; "" when it gives none.
func (g *Gate) sessionKey() (string, error) {
	key, err := readSecret(caddy.NewReplacer(), g.SessionKey)
	if err == nil && key != "" && len(key) < accessrules.LeastKey {
		err = errShortKey
	}
	return key, err
}

// warnOfKey warns of a key that the API keeps and that can be guessed: it came with an imported site, or from an earlier version.
func (g *Gate) warnOfKey() {
	if form, key := g.live.SessionOf(g.live.Chosen(), g.app.site.Secrets().Session); form != accessrules.NoSession && len(key) < accessrules.LeastKey {
		g.logger.Warn("the key of sessions that the API keeps has fewer than 256 bits: make another with POST /api/proxy/key, "+
			"and give it to the application", zap.String("gate", g.Name), zap.Int("bytes", len(key)))
	}
}

// handle decides on a request (access.md B.5): identify, match, check, strip, attach, pass on.
func (g *Gate) handle(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, q *accessrules.Query) error {
	if !g.app.admit(r) {
		return caddyhttp.Error(http.StatusForbidden, errDemo)
	}
	*q = accessrules.Query{
		Facts:    g.app.site.Directory,
		Now:      g.app.site.Now(),
		Page:     accessrules.IsPage(r),
		Form:     accessrules.IsForm(r),
		ReadOnly: g.app.DisableUpdates,
	}
	var ok bool
	if q.Method, ok = accessrules.Method(r); !ok {
		return g.unclear(w, r, q, errTunnel)
	}
	seen := g.headers.Strip(r.Header)
	ask := asked{method: q.Method}
	if err := g.asks(r, &ask, &seen); err != nil {
		return g.unclear(w, r, q, err)
	}
	if seen.Upgrade {
		accessrules.StripUpgrade(r)
	}
	r.Trailer = nil // it fills up while the body is read, after all checks; whoever passes a request on may drop it (RFC 9110 6.5)
	if len(g.dials) > 0 {
		g.choose(r)
	}
	if g.Assertion != nil && ask.Path.String() == jwksPath {
		g.app.serveJWKS(w, r)
		return nil
	}
	d := accessrules.Decision{Index: -1, Failed: -1}
	if preflight(r) && !g.PreflightDeny && len(seen.Methods) == 0 {
		g.upward.anonymous(r)
		g.observe(r, q, &d, resultPreflight)
		return g.pass(w, r, next)
	}
	if q.Facts.Broker() == "" {
		d.Verdict = accessrules.Verdict{Reason: accessrules.Unavailable, Err: errStarting}
		g.observe(r, q, &d, resultUnavailable)
		return g.refuse(w, r, q, &d)
	}
	id, err := g.app.site.Directory.IdentifyAt(r, q.Now)
	if err != nil {
		d.Verdict = badIdentity(err)
	} else {
		q.Caller = id.User
		d = g.decide(q, &ask)
		if d.Verdict.OK() && g.foreign(r, &id, &d, q, seen.Methods) {
			d.Verdict = accessrules.Verdict{Reason: accessrules.ForeignOrigin}
		}
	}
	var invoices []string
	forwarded := d.Verdict.OK() && d.Rule.Forward
	switch {
	case forwarded:
		if invoices, err = g.upward.attach(r, q, &id, &d); err != nil {
			d.Verdict, forwarded = accessrules.Verdict{Reason: accessrules.Unavailable, Err: err}, false
		}
	case d.Verdict.OK():
		g.upward.anonymous(r)
	}
	if !forwarded && id.User != nil {
		known(r, id.User.Username)
	}
	if d.Verdict.OK() {
		g.observe(r, q, &d, resultAdmitted)
		if len(invoices) > 0 {
			next = g.synchronising(next, invoices)
		}
		return g.serve(w, r, next, &ask, &id, &d)
	}
	if g.pageAsked(r, q, &ask.Asked) {
		g.upward.anonymous(r)
		g.observe(r, q, &d, resultPage)
		return g.pass(w, r, next)
	}
	g.observe(r, q, &d, resultOf(d.Verdict))
	return g.refuse(w, r, q, &d)
}

// decide is what the rules in force say.
func (g *Gate) decide(q *accessrules.Query, a *asked) accessrules.Decision {
	return g.live.Set().Judge(q, &a.Asked)
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
