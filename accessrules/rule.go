package accessrules

import (
	"fmt"
	"slices"
	"strings"
)

// A Rule of the gate is a path and conditions, all of which must hold (decision 58). access.md B.2.
type Rule struct {
	Path       string      // pattern: segments, "{name}" or ":name" for any one; a prefix by whole segments
	Methods    []string    // in capitals; none: every method. GET stands for HEAD too
	Conditions []Condition // none, or only Any: anybody, even anonymous
	Forward    bool        // pass on to the upstream (true) or serve locally
	Engaged    []string    // tags of engagement tracking
	Allow      string      // the rules API's text of the first condition: "0", "15/{\"plan\": \"premium\"}"
	Source     string      // where it was written: "Caddyfile:12" or "api"
	Origins    []string    // pages of which other origins may send, or "same", or "any"; none: the gate says (decision 119)
	Refusal    Refusal     // what is answered when a condition does not hold
	Keep       bool        // what was admitted runs on when it would be refused by now (decision 74)
}

// A Refusal is what a rule answers in place of what the reason asks for (access.md A.5).
type Refusal struct {
	Status int    // 0: the status of the reason. 404 hides that there is anything
	Target string // page that people are sent to; {name} stands for a parameter of the path. "": the page that cures the reason
}

// Open reports whether the rule admits everybody (operation 0).
func (r *Rule) Open() bool {
	return !slices.ContainsFunc(r.Conditions, func(c Condition) bool { return c != Any() })
}

// Text is the rule in the words of the Caddyfile, in one line.
func (r *Rule) Text() string {
	words := append([]string{r.Path}, r.Methods...)
	return strings.Join(words, " ") + ": " + all(r.Conditions).String()
}

// SourceAPI is the Source of rules that were made through the rules API.
const SourceAPI = "api"

// A RuleError says which rule cannot be used, and why.
type RuleError struct {
	Index int // in the slice given to Compile
	Rule  Rule
	Err   error
}

func (e *RuleError) Error() string {
	return ruleLabel(e.Index, &e.Rule) + ": " + e.Err.Error()
}

// ruleLabel names a rule to whoever wrote it, counting from one.
func ruleLabel(index int, r *Rule) string {
	if r.Source == "" {
		return fmt.Sprintf("rule %d %q", index+1, r.Path)
	}
	return fmt.Sprintf("rule %d (%s) %q", index+1, r.Source, r.Path)
}

// Unwrap returns the cause.
func (e *RuleError) Unwrap() error { return e.Err }

// builtinPrefixes are the paths of the contract's own pages and endpoints that a rule may speak of (access.md B.4).
var builtinPrefixes = []string{
	"/api/accounts", "/api/activities", "/api/agreements", "/api/billing", "/api/metrics", "/api/profile", "/api/themes", "/api/users",
	"/activities/", "/billing/", "/metrics/", "/profile/", "/users/",
}

// BuiltinRules are the rules, in order, that replace the class of built-in endpoints whose path they match (access.md B.4 "Rules
// over built-in endpoints"). A catch-all rule is not among them, nor is any rule that could open the administration of the gate.
func BuiltinRules(rules []Rule) []Rule {
	var over []Rule
	for _, r := range rules {
		path := r.Path
		if !strings.HasPrefix(path, "/") {
			path = "/" + path
		}
		for _, prefix := range builtinPrefixes {
			if strings.HasPrefix(path, prefix) {
				over = append(over, r)
				break
			}
		}
	}
	return over
}

// Names are the plans and the roles that conditions name, each once.
func Names(conditions ...Condition) (plans, roles []string) {
	add := func(list []string, names []string) []string {
		for _, name := range names {
			if !slices.Contains(list, name) {
				list = append(list, name)
			}
		}
		return list
	}
	for _, c := range conditions {
		switch c := c.(type) {
		case *subscriptionTest:
			plans = add(plans, c.plans.values)
		case *roleTest:
			roles = add(roles, c.roles.values)
		case all:
			p, r := Names(c...)
			plans, roles = add(plans, p), add(roles, r)
		}
	}
	return plans, roles
}
