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
	// They come to stand in the other order, tollgate_pages first: each is put right after forward_auth.
	httpcaddyfile.RegisterDirectiveOrder("tollgate", httpcaddyfile.After, "forward_auth")
	httpcaddyfile.RegisterDirectiveOrder("tollgate_api", httpcaddyfile.After, "forward_auth")
	httpcaddyfile.RegisterDirectiveOrder("tollgate_pages", httpcaddyfile.After, "forward_auth")
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
		return d.Errf("tollgate: a gate has at most one name, and %q is one too many: write `tollgate [<matcher>] [<name>] { … }`", d.Val())
	}
	seen, head := map[string]bool{}, *d
	for d.NextBlock(0) {
		word := d.Val()
		if word != "rule" && seen[word] {
			return d.Errf("%s is written twice: leave one out", word)
		}
		seen[word] = true
		parse, ok := gateWords[word]
		if !ok {
			if _, is := settingOf(word); is && closest(word, gateWordList) == "" || contains(blockWords, word) {
				return d.Errf("unknown word %q: it belongs into the global option `tollgate`", word)
			}
			if _, is := conditions[word]; is {
				return d.Errf("unknown word %q: a condition belongs to a rule, as in `rule /app/ %s`", word, word)
			}
			return unknown(d, "word", word, gateWordList)
		}
		if err := parse(g, d); err != nil {
			return err
		}
	}
	switch {
	case g.RulesFrom == "api" && len(g.Rules) > 0:
		return head.Err("rules api leaves no room for a rule in the block: leave the rules out, or write `rules both`")
	case g.RulesFrom == "api" && g.Name != "":
		return head.Err("the API's rules belong to the gate without a name: leave the name or `rules api` out")
	case g.RulesFrom != "api" && len(g.Rules) == 0:
		return head.Err("a gate without a rule refuses everything: write at least one, as in `rule /app/ authenticated`, or `rules api`")
	}
	return nil
}

// gateWordList are the words of the block, in the order of the documentation.
var gateWordList = []string{"rule", "rules", "upstream", "session", "assertion", "headers", "preflight", "stripped", "scripts", "origin", "challenge"}

// gateWords are what may stand in the block.
var gateWords = map[string]func(g *Gate, d *caddyfile.Dispenser) error{
	"rule": func(g *Gate, d *caddyfile.Dispenser) error {
		r, err := unmarshalRule(d)
		g.Rules = append(g.Rules, r)
		return err
	},
	"rules": func(g *Gate, d *caddyfile.Dispenser) error { return oneOf(d, &g.RulesFrom, ruleSources...) },
	"upstream": func(g *Gate, d *caddyfile.Dispenser) error {
		if g.Upstreams = d.RemainingArgs(); len(g.Upstreams) == 0 || contains(g.Upstreams, "") {
			return misused(d, "upstream", "upstream <address>...")
		}
		if _, err := dialAddresses(g.Upstreams); err != nil {
			return d.WrapErr(err)
		}
		if err := twice(g.Upstreams); err != nil {
			return d.Errf("upstream: %w", err)
		}
		return nil
	},
	"session": func(g *Gate, d *caddyfile.Dispenser) error {
		args := d.RemainingArgs()
		if len(args) == 0 || len(args) > 2 {
			return misused(d, "session", "session jwt|cookie|none [<placeholder>]")
		}
		if g.Session = args[0]; !contains(sessionForms, g.Session) {
			return unknown(d, "form of session", g.Session, sessionForms)
		}
		if g.Session == "none" && len(args) > 1 {
			return d.Err("session: without a session there is no key: write `session none`")
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
	"challenge": func(g *Gate, d *caddyfile.Dispenser) error { return oneOf(d, &g.Challenge, challenges...) },
	"preflight": func(g *Gate, d *caddyfile.Dispenser) error {
		var v string
		err := oneOf(d, &v, "pass", "deny")
		g.PreflightDeny = v == "deny"
		return err
	},
	"stripped": func(g *Gate, d *caddyfile.Dispenser) error {
		if g.Stripped = d.RemainingArgs(); len(g.Stripped) == 0 {
			return misused(d, "stripped", "stripped <prefix>...")
		}
		if err := twice(g.Stripped); err != nil {
			return d.Errf("stripped: %w", err)
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
			return misused(d, "scripts", "scripts <ext>...|off")
		}
		if err := twice(g.Scripts); err != nil {
			return d.Errf("scripts: %w", err)
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
		return misused(d, "assertion", "assertion [<audience>]")
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if d.Val() != "header" {
			return d.Errf("unknown word %q of assertion: write `header <name>`", d.Val())
		}
		if g.Assertion.Header != "" {
			return d.Err("assertion: header is written twice: leave one out")
		}
		if !d.AllArgs(&g.Assertion.Header) || g.Assertion.Header == "" {
			return misused(d, "header", "header <name>")
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
		return misused(d, "headers", "headers [<prefix>]")
	}
	if _, err := g.identityHeaders(); err != nil {
		return d.WrapErr(err)
	}
	lines, checked := map[string]string{}, &Gate{HeaderPrefix: g.HeaderPrefix}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		word, name := d.Val(), ""
		if !contains(headerWords, word) {
			return unknown(d, "header", word, headerWords)
		}
		if !d.AllArgs(&name) || name == "" {
			return misused(d, word, word+" <name>|off")
		}
		if _, twice := g.HeaderNames[word]; twice {
			return d.Errf("headers: %s is written twice: leave one out", word)
		}
		if g.HeaderNames == nil {
			g.HeaderNames = map[string]string{}
		}
		g.HeaderNames[word] = name
		checked.HeaderNames = map[string]string{word: name}
		if _, err := checked.identityHeaders(); err != nil {
			return d.WrapErr(err)
		}
		if other := lines[strings.ToLower(name)]; other != "" && name != "off" && name != "on" {
			return d.Errf("headers: %s has the name of %s: give it another", word, other)
		}
		lines[strings.ToLower(name)] = word
	}
	return nil
}
