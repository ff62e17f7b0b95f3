package caddymodule

import (
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-tollgate/tollgate/accessrules"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("tollgate", parseGate)
	// tollgate_api comes to stand before tollgate: each is put right after forward_auth.
	httpcaddyfile.RegisterDirectiveOrder("tollgate", httpcaddyfile.After, "forward_auth")
	httpcaddyfile.RegisterDirectiveOrder("tollgate_api", httpcaddyfile.After, "forward_auth")
}

func parseGate(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	g := new(Gate)
	return g, g.UnmarshalCaddyfile(h.Dispenser)
}

// UnmarshalCaddyfile reads the directive:
//
//	tollgate [<matcher>] [<name>] {
//		rule <path> <condition>
//		rule <path> {
//			<condition>
//			...
//			methods <method>...
//			local
//			engaged <tag>...
//			refuse <status>|<page>
//			streams keep
//			origin same|any|<origin>...
//		}
//		rules both|caddyfile|api
//		upstream <address>...
//		session jwt|cookie|none [<placeholder>]
//		assertion [<audience>] {
//			header <name>
//		}
//		headers [<prefix>] {
//			user|email|name|profile|roles|plan <name>|off
//		}
//		preflight pass|deny
//		stripped <prefix>...
//		scripts <ext>...|off
//		origin same|any|<origin>...
//		challenge bearer|basic|both|off
//	}
//
// Rules are tried in the order written; the first whose path and method match decides; all its conditions must hold; what no rule
// matches is refused. A path matches by whole segments from the left; {profile} and {user} are the parameters that conditions
// understand. A rule that can never be reached is an error.
//
// The conditions:
//
//	any
//	authenticated
//	active
//	agreement         [<agreement>]
//	direct            [<role>...] [weak|strong] [profile=…] [brokers=…]
//	provider          [<role>...] [weak|strong] [profile=…] [brokers=…]
//	provider_only     [<role>...] [weak|strong] [profile=…] [brokers=…]
//	provider_readable [<role>...] [profile=…] [brokers=…]
//	self              [<role>...] [weak|strong] [user=…]
//	subscribed        [<plan>...] [profile=…] [brokers=…] [grace=…]
//	paid              [<plan>...] [profile=…] [brokers=…] [grace=…]
//	ever_subscribed   [<plan>...] [profile=…] [brokers=…]
//
// `methods` limits a rule to some methods: requests with others go on to the next rules. `local` hands the request to the next
// handler without a session. `engaged` notes visits. `refuse` answers refusals with a status, or sends people to a page. `streams keep`
// lets what was admitted run to its end; without it, what is under way is aborted when it would be refused by now.
//
// `rules` says whose rules are in force: these and, behind them, those made through the API (both, the default), these alone, or
// those of the API alone, in which case there is no `rule` here.
//
// `upstream` lists the addresses of the application, for `reverse_proxy {tollgate.upstream}`: the first unless the API chooses
// another. `session` says how the upstream learns who is there (default: jwt, signed with the site's own key); the key is
// a placeholder, {env.NAME} or {file./path}, for at least 32 bytes. `assertion` adds a token that is verified with the keys at /.well-known/jwks.json. `headers` adds
// identity headers; incoming copies are stripped with and without it. `preflight deny` asks for identity even from a CORS
// preflight. `stripped` says which prefixes handlers before the gate take off paths. `scripts` adds endings of files behind which a
// path of its own may stand.
// `origin` says whose pages may have a browser send, as its user, what changes something or opens a WebSocket: this site's
// alone (same), anybody's, or also those of some origins. `challenge` is what a 401 offers.
func (g *Gate) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		g.Name = d.Val()
		if !slug.MatchString(g.Name) {
			return d.Errf("%q is not a name for a gate: use letters, digits, - and _", g.Name)
		}
	}
	if d.NextArg() {
		return d.ArgErr()
	}
	seen := map[string]bool{}
	for d.NextBlock(0) {
		word := d.Val()
		if word != "rule" && seen[word] {
			return d.Errf("%s is written twice: leave one out", word)
		}
		seen[word] = true
		parse, ok := gateWords[word]
		if !ok {
			return d.Errf("unrecognized subdirective %q: write one of rule, rules, upstream, session, assertion, headers, preflight, stripped, scripts, origin, challenge", word)
		}
		if err := parse(g, d); err != nil {
			return err
		}
	}
	switch {
	case g.RulesFrom == "api" && len(g.Rules) > 0:
		return d.Err("rules api leaves no room for a rule in the block: leave the rules out, or write `rules both`")
	case g.RulesFrom == "api" && g.Name != "":
		return d.Err("the API's rules belong to the gate without a name: leave the name or `rules api` out")
	case g.RulesFrom != "api" && len(g.Rules) == 0:
		return d.Err("a gate without a rule refuses everything: write at least one, as in `rule /app/ authenticated`, or `rules api`")
	}
	return nil
}

// gateWords are what may stand in the block.
var gateWords = map[string]func(g *Gate, d *caddyfile.Dispenser) error{
	"rule": func(g *Gate, d *caddyfile.Dispenser) error {
		r, err := unmarshalRule(d)
		g.Rules = append(g.Rules, r)
		return err
	},
	"rules": func(g *Gate, d *caddyfile.Dispenser) error {
		if !d.AllArgs(&g.RulesFrom) || !contains(ruleSources, g.RulesFrom) {
			return d.Errf("whose rules are in force is one word: write `rules %s`", strings.Join(ruleSources, "|"))
		}
		return nil
	},
	"upstream": func(g *Gate, d *caddyfile.Dispenser) error {
		if g.Upstreams = d.RemainingArgs(); len(g.Upstreams) == 0 {
			return d.ArgErr()
		}
		if _, err := dialAddresses(g.Upstreams); err != nil {
			return d.WrapErr(err)
		}
		return nil
	},
	"session": func(g *Gate, d *caddyfile.Dispenser) error {
		args := d.RemainingArgs()
		if len(args) == 0 || len(args) > 2 {
			return d.Err("a session has a form and, unless it is signed with the site's own, a key: write `session jwt|cookie|none [<placeholder>]`")
		}
		if g.Session = args[0]; !contains(sessionForms, g.Session) {
			return d.Errf("unknown form of session %q: write one of %s", g.Session, strings.Join(sessionForms, ", "))
		}
		if len(args) == 1 {
			return errUnset(d, "session", "session "+g.Session+" {env.NAME}")
		}
		if args[1] == "" {
			return noValue(d, "session", "session "+g.Session+" {env.NAME}")
		}
		g.SessionKey = args[1]
		g.Sources.note("session", sourceOf(d))
		if err := hidden(g.SessionKey); err != nil {
			return d.Errf("session: %w", err)
		}
		return nil
	},
	"assertion": unmarshalAssertion,
	"headers":   unmarshalHeaders,
	"origin": func(g *Gate, d *caddyfile.Dispenser) (err error) {
		if g.Origin, err = parseOrigins(d.RemainingArgs()); err != nil {
			return d.WrapErr(err)
		}
		return nil
	},
	"challenge": func(g *Gate, d *caddyfile.Dispenser) error {
		if !d.AllArgs(&g.Challenge) || !contains(challenges, g.Challenge) {
			return d.Errf("what a 401 offers is one word: write `challenge %s`", strings.Join(challenges, "|"))
		}
		return nil
	},
	"preflight": func(g *Gate, d *caddyfile.Dispenser) error {
		var v string
		if !d.AllArgs(&v) {
			return d.ArgErr()
		}
		if v != "pass" && v != "deny" {
			return d.Errf("preflight is either pass or deny, not %q", v)
		}
		g.PreflightDeny = v == "deny"
		return nil
	},
	"stripped": func(g *Gate, d *caddyfile.Dispenser) error {
		if g.Stripped = d.RemainingArgs(); len(g.Stripped) == 0 {
			return d.Err("which prefixes handlers before the gate take off is missing: write `stripped <prefix>...`, as in `stripped /shop`")
		}
		for _, prefix := range g.Stripped {
			if _, err := checkStripped(prefix); err != nil {
				return d.WrapErr(err)
			}
		}
		return nil
	},
	"scripts": func(g *Gate, d *caddyfile.Dispenser) error {
		g.Scripts = d.RemainingArgs()
		if len(g.Scripts) == 0 || len(g.Scripts) > 1 && slices.Contains(g.Scripts, "off") {
			return d.Err("scripts are endings of files, or none: write `scripts <ext>...` or `scripts off`")
		}
		if _, err := accessrules.NewScripts(g.Scripts); err != nil {
			return d.Errf("scripts: %v", err)
		}
		return nil
	},
}

func unmarshalAssertion(g *Gate, d *caddyfile.Dispenser) error {
	g.Assertion = new(Assertion)
	if d.NextArg() {
		g.Assertion.Audience = d.Val()
	}
	if d.NextArg() {
		return d.ArgErr()
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if d.Val() != "header" {
			return d.Errf("unrecognized subdirective %q of assertion: write `header <name>`", d.Val())
		}
		if !d.AllArgs(&g.Assertion.Header) {
			return d.ArgErr()
		}
		if err := checkHeaderName(g.Assertion.Header); err != nil {
			return d.Errf("assertion: %v", err)
		}
	}
	return nil
}

func unmarshalHeaders(g *Gate, d *caddyfile.Dispenser) error {
	g.Headers = true
	if d.NextArg() {
		g.HeaderPrefix = d.Val()
	}
	if d.NextArg() {
		return d.ArgErr()
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		word, name := d.Val(), ""
		if !contains(headerWords, word) {
			return d.Errf("unknown header %q: write one of %s", word, strings.Join(headerWords, ", "))
		}
		if !d.AllArgs(&name) {
			return d.Errf("%s has one name: write `%s <name>`, or `%s off`", word, word, word)
		}
		if _, twice := g.HeaderNames[word]; twice {
			return d.Errf("headers: %s is written twice: leave one out", word)
		}
		if g.HeaderNames == nil {
			g.HeaderNames = map[string]string{}
		}
		g.HeaderNames[word] = name
	}
	if _, err := g.identityHeaders(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}
