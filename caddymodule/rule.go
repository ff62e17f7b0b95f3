package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/rest"
)

// Rule of a gate.
type Rule struct {
	// Path is a pattern of segments, as in `/app/{profile}/`. It matches paths that begin with these segments.
	Path string `json:"path"`
	// Conditions must all hold, as in `direct contributor weak`; see the directive's documentation for the words.
	Conditions []string `json:"conditions"`
	// Methods that the rule is for; requests with others go on to the next rules. GET stands for HEAD too. Default: every method.
	Methods []string `json:"methods,omitempty"`
	// Local hands the request to the next handler without a session. Default: false.
	Local bool `json:"local,omitempty"`
	// Engaged are tags of engagement tracking.
	Engaged []string `json:"engaged,omitempty"`
	// Refuse is what a refusal does: a status, as in `404`, which is then answered to everybody, or the address of a page that people
	// are sent to. `{…}` in it stands for a parameter of the path. Default: the page that cures the reason, or 401 or 403.
	Refuse string `json:"refuse,omitempty"`
	// KeepStreams lets what was admitted run to its end, although it would be refused by now. Default: false; WebSockets, event
	// streams, downloads and uploads are aborted within a second of the end of access.
	KeepStreams bool `json:"keep_streams,omitempty"`
	// Origin takes the place of the gate's `origin`. Default: the gate's.
	Origin []string `json:"origin,omitempty"`
	// Source is where the rule was written.
	Source string `json:"source,omitempty"`
}

func (r Rule) compile() (accessrules.Rule, error) {
	out := accessrules.Rule{Path: r.Path, Methods: r.Methods, Forward: !r.Local, Engaged: r.Engaged, Keep: r.KeepStreams, Origins: r.Origin, Source: r.Source}
	if len(r.Origin) > 0 {
		if _, err := parseOrigins(r.Origin); err != nil {
			return out, err
		}
	}
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
	out.Allow = accessrules.FormatAllow(out.Conditions[0])
	var err error
	if out.Refusal, err = parseRefusal(r.Refuse); err == nil {
		err = checkParameters(r.Refuse, r.Path)
	}
	return out, err
}

// refusals are the statuses that a rule may answer a refusal with.
var refusals = map[int]bool{http.StatusUnauthorized: true, http.StatusPaymentRequired: true, http.StatusForbidden: true, http.StatusNotFound: true}

func parseRefusal(text string) (accessrules.Refusal, error) {
	if text == "" {
		return accessrules.Refusal{}, nil
	}
	if status, err := strconv.Atoi(text); err == nil {
		if !refusals[status] {
			return accessrules.Refusal{}, fmt.Errorf("refuse: %d is no status of a refusal: write 401, 402, 403, 404 or the address of a page", status)
		}
		return accessrules.Refusal{Status: status}, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" && (!strings.HasPrefix(text, "/") || accessrules.SafeNext(u.Path) == "") || u.Host != "" && u.Scheme != "http" && u.Scheme != "https" {
		return accessrules.Refusal{}, fmt.Errorf("refuse: %q is no address of a page: write a path, as in /plans/, or a URL, or a status", text)
	}
	return accessrules.Refusal{Target: text}, nil
}

// ruleWords are the words of a rule besides conditions.
var ruleWords = []string{"methods", "local", "engaged", "refuse", "streams", "origin"}

var parameter = regexp.MustCompile(`\{([^{}]*)\}`)

// checkParameters holds the {…} in the address of a page against those of the path.
func checkParameters(address, path string) error {
	for _, m := range parameter.FindAllStringSubmatch(address, -1) {
		if !strings.Contains(path, m[0]) {
			return fmt.Errorf("refuse: the path %s has no %s: write a parameter that it has, or leave it out", path, m[0])
		}
	}
	return nil
}

func unmarshalRule(d *caddyfile.Dispenser) (Rule, error) {
	var r Rule
	if !d.NextArg() {
		return r, d.Err("a rule needs a path and conditions, as in `rule /app/ authenticated`")
	}
	r.Path = d.Val()
	if !strings.HasPrefix(r.Path, "/") {
		return r, d.Errf("rule %s: a path begins with a slash: write /%s", r.Path, r.Path)
	}
	if err := accessrules.CheckPath(r.Path); err != nil {
		return r, d.Errf("rule %s: %v", r.Path, err)
	}
	r.Source = sourceOf(d)
	head := *d
	if words := d.RemainingArgs(); len(words) > 0 {
		if _, err := parseCondition(words); err != nil {
			return r, d.WrapErr(err)
		}
		r.Conditions = append(r.Conditions, strings.Join(words, " "))
	}
	seen := map[string]bool{}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		word := d.Val()
		if contains(ruleWords, word) {
			if seen[word] {
				return r, d.Errf("%s is written twice in the rule for %s: leave one out", word, r.Path)
			}
			seen[word] = true
		}
		switch word {
		case "local":
			if d.NextArg() {
				return r, misused(d, "local", "local")
			}
			r.Local = true
		case "engaged":
			if r.Engaged = d.RemainingArgs(); len(r.Engaged) == 0 {
				return r, misused(d, "engaged", "engaged <tag>...")
			}
			if err := twice(r.Engaged); err != nil {
				return r, d.Errf("engaged: %w", err)
			}
			for _, tag := range r.Engaged {
				if !slug.MatchString(tag) {
					return r, d.Errf("engaged: %q is not a tag: use letters, digits, - and _", tag)
				}
			}
		case "methods":
			if r.Methods = d.RemainingArgs(); len(r.Methods) == 0 {
				return r, misused(d, "methods", "methods <method>...")
			}
			if err := twice(r.Methods); err != nil {
				return r, d.Errf("methods: %w", err)
			}
			if _, err := accessrules.Compile([]accessrules.Rule{{Methods: r.Methods}}); err != nil {
				return r, d.Errf("methods: %v", errors.Unwrap(err))
			}
		case "streams":
			var word string
			if err := oneOf(d, &word, "keep"); err != nil {
				return r, err
			}
			r.KeepStreams = true
		case "origin":
			var err error
			if r.Origin, err = parseOrigins(d.RemainingArgs()); err != nil {
				return r, d.WrapErr(err)
			}
		case "refuse":
			if !d.AllArgs(&r.Refuse) {
				return r, misused(d, "refuse", "refuse <status>|<page>")
			}
			if _, err := parseRefusal(r.Refuse); err != nil {
				return r, d.WrapErr(err)
			}
			if err := checkParameters(r.Refuse, r.Path); err != nil {
				return r, d.WrapErr(err)
			}
		default:
			words := append([]string{word}, d.RemainingArgs()...)
			if _, ok := conditions[word]; !ok {
				return r, unknown(d, "word", word, append(conditionList(), ruleWords...))
			}
			if _, err := parseCondition(words); err != nil {
				return r, d.WrapErr(err)
			}
			text := strings.Join(words, " ")
			if contains(r.Conditions, text) {
				return r, d.Errf("%s is written twice in the rule for %s: leave one out", text, r.Path)
			}
			r.Conditions = append(r.Conditions, text)
		}
	}
	if len(r.Conditions) == 0 {
		return r, head.Errf("the rule for %s has no condition: write `any` when everybody may pass", r.Path)
	}
	return r, nil
}

// unmet are the conditions of a rule that ask about a {profile} or a {user} which its path does not have, each with the parameter: of
// callers they let the site's own staff pass at most, which is seldom meant.
func (r *Rule) unmet() (all [][2]string) {
	for _, text := range r.Conditions {
		words := strings.Fields(text)
		name := "profile"
		switch words[0] {
		case "direct", "provider", "provider_only", "provider_readable":
		case "self":
			name = "user"
		default:
			continue
		}
		named := slices.ContainsFunc(words[1:], func(w string) bool { return strings.HasPrefix(w, name+"=") })
		if !named && !strings.Contains(r.Path, "{"+name+"}") {
			all = append(all, [2]string{words[0], name})
		}
	}
	return all
}

// warn tells the operator of rules that cannot do what they seem to: paths that an earlier rule decides on, and paths of the API that
// no rule governs.
func (g *Gate) warn() {
	rules := g.live.Fixed()
	for _, o := range accessrules.Overlaps(rules) {
		r, by := &rules[o.Rule], &rules[o.By]
		g.logger.Warn("two rules match the same paths, and the first decides: write the one that should before the other", place(r,
			zap.String("first", by.Source), zap.String("first_path", by.Path), zap.String("example", o.Path))...)
	}
	for i := range g.Rules {
		for _, c := range g.Rules[i].unmet() {
			g.logger.Warn(c[0]+" asks about a {"+c[1]+"}, and the path has none: write {"+c[1]+"} where it stands in the path, or "+
				c[1]+"=… into the condition", zap.String("rule", g.Rules[i].Source), zap.String("path", g.Rules[i].Path))
		}
	}
	for i := range rules {
		r := &rules[i]
		if strings.HasPrefix(r.Path, "/api/") && g.app.service.Owns(rest.Root, r.Path) && (g.Name != accessrules.DefaultGate || len(accessrules.BuiltinRules([]accessrules.Rule{*r})) == 0) {
			g.logger.Warn("a rule speaks of a part of the API that no rule of this gate governs: leave it out", place(r)...)
		}
	}
}

// warnOfNames tells the operator of names in rules that do not exist, and of rules of the API that never decide. The database must be
// readable.
func (g *Gate) warnOfNames() {
	rules := g.live.Fixed()
	var conditions []accessrules.Condition
	for _, r := range rules {
		conditions = append(conditions, r.Conditions...)
	}
	noPlans, noRoles := g.app.service.Proxy().Unknown(accessrules.Names(conditions...))
	level := zap.WarnLevel
	if all, err := g.app.service.ListPlans(context.Background(), ""); err == nil && len(all) == 0 {
		level = zap.InfoLevel // a site that begins: its plans come after its rules
	}
	for i := range rules {
		r := &rules[i]
		plans, roles := accessrules.Names(r.Conditions...)
		for _, plan := range plans {
			if contains(noPlans, plan) {
				g.logger.Log(level, "a rule names a plan that does not exist: create it, or correct the rule", place(r, zap.String("plan", plan))...)
			}
		}
		for _, role := range roles {
			if contains(noRoles, role) {
				g.logger.Warn("a rule names a role that does not exist: create it, or correct the rule", place(r, zap.String("role", role))...)
			}
		}
	}
	set := g.live.Set()
	for _, sh := range set.Shadowed() { // those of the Caddyfile are errors
		r, by := &set.Rules()[sh.Rule], &set.Rules()[sh.By]
		g.logger.Warn("a rule of the API never decides: another one comes first and matches every path that it matches", place(r,
			zap.String("first", by.Source), zap.String("first_path", by.Path))...)
	}
}

// place says which rule is meant.
func place(r *accessrules.Rule, more ...zap.Field) []zap.Field {
	return append([]zap.Field{zap.String("rule", r.Source), zap.String("path", r.Path)}, more...)
}
