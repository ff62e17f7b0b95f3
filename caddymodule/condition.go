package caddymodule

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-tollgate/tollgate/accessrules"
)

// A grammar says what may follow the word of a condition.
type grammar struct {
	values   string   // what the plain values are, "" for none
	max      int      // how many, 0 for any number
	strength bool     // weak, strong
	named    []string // as in profile=acme
	make     func(a arguments) accessrules.Condition
}

type arguments struct {
	values   []string
	strength accessrules.Strength
	named    map[string]string
	grace    caddy.Duration
}

// conditions are the words of access.md B.3 and decision 57.
var conditions = map[string]grammar{
	"any":           {make: func(arguments) accessrules.Condition { return accessrules.Any() }},
	"authenticated": {make: func(arguments) accessrules.Condition { return accessrules.Authenticated() }},
	"active":        {make: func(arguments) accessrules.Condition { return accessrules.Active() }},
	"agreement": {values: "agreement", max: 1, make: func(a arguments) accessrules.Condition {
		if len(a.values) == 0 {
			return accessrules.Agreement("")
		}
		return accessrules.Agreement(a.values[0])
	}},
	"direct":            roleWord(accessrules.Direct, true, "profile", "brokers"),
	"provider":          roleWord(accessrules.Provider, true, "profile", "brokers"),
	"provider_only":     roleWord(accessrules.ProviderOnly, true, "profile", "brokers"),
	"provider_readable": roleWord(accessrules.ProviderReadable, false, "profile", "brokers"),
	"self":              roleWord(accessrules.Self, true, "user"),
	"subscribed":        planWord(accessrules.Subscribed),
	"paid":              planWord(accessrules.Paid),
	"ever_subscribed":   planWord(accessrules.EverSubscribed),
}

func roleWord(make func(...accessrules.RoleOption) accessrules.Condition, strength bool, named ...string) grammar {
	return grammar{values: "role", strength: strength, named: named, make: func(a arguments) accessrules.Condition {
		options := []accessrules.RoleOption{a.strength}
		if len(a.values) > 0 {
			options = append(options, accessrules.Roles(a.values...))
		}
		if v, ok := a.named["profile"]; ok {
			options = append(options, accessrules.OnProfile(v))
		}
		if v, ok := a.named["user"]; ok {
			options = append(options, accessrules.OfUser(v))
		}
		if v, ok := a.named["brokers"]; ok {
			options = append(options, accessrules.Brokers(strings.Split(v, ",")...))
		}
		return make(options...)
	}}
}

func planWord(make func(...accessrules.SubscriptionOption) accessrules.Condition) grammar {
	return grammar{values: "plan", named: []string{"profile", "brokers", "grace"}, make: func(a arguments) accessrules.Condition {
		var options []accessrules.SubscriptionOption
		if len(a.values) > 0 {
			options = append(options, accessrules.Plans(a.values...))
		}
		if v, ok := a.named["profile"]; ok {
			options = append(options, accessrules.OnProfile(v))
		}
		if v, ok := a.named["brokers"]; ok {
			options = append(options, accessrules.Brokers(strings.Split(v, ",")...))
		}
		if a.grace != 0 {
			options = append(options, accessrules.Grace(timeDuration(a.grace)))
		}
		return make(options...)
	}}
}

var slug = regexp.MustCompile(`^[-a-zA-Z0-9_]+$`)

// parseCondition reads a condition, as in `direct contributor weak profile=acme`. Errors say what to write instead.
func parseCondition(words []string) (accessrules.Condition, error) {
	if len(words) == 0 {
		return nil, fmt.Errorf("a condition is missing: write one of %s", conditionWords())
	}
	g, ok := conditions[words[0]]
	if !ok {
		return nil, unknownWord("condition", words[0], conditionList())
	}
	a := arguments{named: map[string]string{}}
	for _, w := range words[1:] {
		if name, value, ok := strings.Cut(w, "="); ok {
			if !contains(g.named, name) || value == "" {
				return nil, fmt.Errorf("%s takes no %q: write %s", words[0], w, g.usage(words[0]))
			}
			if name == "grace" {
				d, err := caddy.ParseDuration(value)
				if err != nil || d <= 0 {
					return nil, fmt.Errorf("grace: %q is not a duration, as in grace=3d", value)
				}
				a.grace = caddy.Duration(d)
			} else if err := checkSlugs(name, value); err != nil {
				return nil, fmt.Errorf("%s: %w", words[0], err)
			}
			if _, again := a.named[name]; again {
				return nil, fmt.Errorf("%s: %s is written twice: leave one out", words[0], name)
			}
			a.named[name] = value
			continue
		}
		if (w == "weak" || w == "strong") && g.strength {
			if a.strength != accessrules.Normal {
				return nil, fmt.Errorf("%s: %q comes after another strength", words[0], w)
			}
			a.strength = accessrules.Weak
			if w == "strong" {
				a.strength = accessrules.Strong
			}
			continue
		}
		if g.values == "" || !slug.MatchString(w) {
			return nil, fmt.Errorf("%s takes no %q: write %s", words[0], w, g.usage(words[0]))
		}
		a.values = append(a.values, w)
	}
	if err := twice(a.values); err != nil {
		return nil, fmt.Errorf("%s: %w", words[0], err)
	}
	if g.max > 0 && len(a.values) > g.max {
		return nil, fmt.Errorf("%s takes at most one %s: write %s", words[0], g.values, g.usage(words[0]))
	}
	if a.strength == accessrules.Strong && len(a.values) > 0 {
		return nil, fmt.Errorf("%s strong is for managers only, so the role %q means nothing there: leave one of them out", words[0], a.values[0])
	}
	return g.make(a), nil
}

// checkSlugs looks at the slug of profile= or user=, and at the list of brokers=.
func checkSlugs(name, value string) error {
	list := []string{value}
	if name == "brokers" {
		list = strings.Split(value, ",")
	}
	for _, s := range list {
		if !slug.MatchString(s) {
			return fmt.Errorf("%s=%s: %q is not a slug: use letters, digits, - and _", name, value, s)
		}
	}
	return twice(list)
}

func (g grammar) usage(word string) string {
	var b strings.Builder
	b.WriteByte('`')
	b.WriteString(word)
	if g.values != "" {
		b.WriteString(" [<" + g.values + ">")
		if g.max == 0 {
			b.WriteString("...")
		}
		b.WriteString("]")
	}
	if g.strength {
		b.WriteString(" [weak|strong]")
	}
	for _, n := range g.named {
		b.WriteString(" [" + n + "=…]")
	}
	b.WriteByte('`')
	return b.String()
}

func conditionWords() string { return strings.Join(conditionList(), ", ") }

// conditionList are the words of conditions, in the order of the alphabet.
func conditionList() []string { return slices.Sorted(maps.Keys(conditions)) }
