package caddymodule

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
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
//			local
//			engaged <tag>...
//		}
//		session jwt|cookie|none [<key>]
//		headers [<prefix>]
//		preflight pass|deny
//	}
//
// Rules are tried in the order written; the first whose path matches decides; all its conditions must hold; what no rule matches is
// refused. A path matches by whole segments from the left; {profile} and {user} are the parameters that conditions understand.
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
//	ever_subscribed   [<plan>...] [profile=…] [brokers=…] [grace=…]
//
// Managers pass every role test. Another role (default: contributor) may read; with `weak` it may write as well; with `strong`
// only managers pass.
//
// `local` hands the request to the next handler without a session: pages that Caddy serves itself. `session` is how the upstream
// learns who is there (default: jwt, signed with the site's key); the key is best given as a placeholder. `headers` adds identity
// headers; incoming copies are stripped with and without it. `preflight deny` asks for identity even from a CORS preflight.
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
		switch word {
		case "rule":
			r, err := unmarshalRule(d)
			if err != nil {
				return err
			}
			g.Rules = append(g.Rules, r)
		case "session":
			args := d.RemainingArgs()
			if len(args) == 0 || len(args) > 2 {
				return d.Err("a session has a form and, unless it is signed with the site's own, a key: write `session jwt|cookie|none [<key>]`")
			}
			if g.Session = args[0]; !contains(sessionForms, g.Session) {
				return d.Errf("unknown form of session %q: write one of %s", g.Session, strings.Join(sessionForms, ", "))
			}
			g.SessionKey = strings.Join(args[1:], "")
		case "headers":
			g.Headers = true
			if d.NextArg() {
				g.HeaderPrefix = d.Val()
			}
			if d.NextArg() {
				return d.ArgErr()
			}
		case "preflight":
			var v string
			if !d.AllArgs(&v) {
				return d.ArgErr()
			}
			if v != "pass" && v != "deny" {
				return d.Errf("preflight is either pass or deny, not %q", v)
			}
			g.PreflightDeny = v == "deny"
		default:
			return d.Errf("unrecognized subdirective %q: write one of rule, session, headers, preflight", word)
		}
	}
	if len(g.Rules) == 0 {
		return d.Err("a gate without a rule refuses everything: write at least one, as in `rule /app/ authenticated`")
	}
	return nil
}

func unmarshalRule(d *caddyfile.Dispenser) (Rule, error) {
	var r Rule
	if !d.NextArg() {
		return r, d.Err("a rule needs a path and conditions, as in `rule /app/ authenticated`")
	}
	r.Path = d.Val()
	r.Source = fmt.Sprintf("%s:%d", filepath.Base(d.File()), d.Line())
	if words := d.RemainingArgs(); len(words) > 0 {
		if _, err := parseCondition(words); err != nil {
			return r, d.WrapErr(err)
		}
		r.Conditions = append(r.Conditions, strings.Join(words, " "))
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		switch d.Val() {
		case "local":
			if d.NextArg() {
				return r, d.ArgErr()
			}
			r.Local = true
		case "engaged":
			r.Engaged = append(r.Engaged, d.RemainingArgs()...)
			if len(r.Engaged) == 0 {
				return r, d.ArgErr()
			}
		default:
			words := append([]string{d.Val()}, d.RemainingArgs()...)
			if _, err := parseCondition(words); err != nil {
				return r, d.WrapErr(err)
			}
			r.Conditions = append(r.Conditions, strings.Join(words, " "))
		}
	}
	if len(r.Conditions) == 0 {
		return r, d.Errf("the rule for %s has no condition: write `any` when everybody may pass", r.Path)
	}
	return r, nil
}
