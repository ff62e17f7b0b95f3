package accessrules

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// operations are the arguments that each operation knows, in the order in which they are printed (access.md B.3).
var operations = [...][]string{
	0:  {},
	1:  {},
	2:  {"agreement"},
	3:  {"profile", "roledescription", "brokers"},
	4:  {"profile", "roledescription"},
	5:  {"profile"},
	6:  {"profile", "roledescription", "brokers"},
	7:  {"profile", "roledescription"},
	8:  {"profile"},
	9:  {"profile", "roledescription", "brokers"},
	10: {"profile", "roledescription"},
	11: {"profile"},
	12: {"user", "roledescription"},
	13: {"user", "roledescription"},
	14: {"user"},
	15: {"profile", "plan", "brokers"},
	16: {"profile", "plan", "brokers"},
	17: {},
	18: {"profile", "roledescription", "brokers"},
}

// firstOperation is the number of a role test of Normal strength; Weak and Strong follow it.
var firstOperation = [...]int{reachDirect: 3, reachProvider: 6, reachProviderOnly: 9, reachReadable: 18, reachSelf: 12}

// maxKwargs is the length of the arguments that the contract allows (access.md B.2 kwargs).
const maxKwargs = 255

// An UnknownRuleError is an operation that is not one of access.md B.3.
type UnknownRuleError struct{ Op string }

func (e *UnknownRuleError) Error() string { return "unknown rule " + e.Op }

// ParseAllow reads a condition in the text of the rules API (access.md B.6): the number of an operation of access.md B.3, and
// behind the first "/" a JSON object with its arguments: `15/{"plan": "premium"}`. Arguments that the operation does not know
// are dropped; null and "" are as if absent, so that they never override the path. Any other text is an error: UnknownRuleError
// for the operation, else what is wrong with the arguments.
func ParseAllow(text string) (Condition, error) {
	number, kwargs, _ := strings.Cut(text, "/")
	op, err := strconv.Atoi(number)
	if err != nil || strconv.Itoa(op) != number {
		return nil, &UnknownRuleError{Op: number}
	}
	return ParseOperation(op, kwargs)
}

// ParseOperation is ParseAllow for an operation and its arguments kept apart, as a rule record has them (access.md B.2 rule_op,
// kwargs).
func ParseOperation(op int, kwargs string) (Condition, error) {
	if op < 0 || op >= len(operations) {
		return nil, &UnknownRuleError{Op: strconv.Itoa(op)}
	}
	args, err := parseKwargs(kwargs, operations[op])
	if err != nil {
		return nil, err
	}
	c := args.condition(op)
	if n := len(appendKwargs(nil, argumentsOf(c), operations[op])); n > maxKwargs {
		return nil, fmt.Errorf("the arguments are longer than %d bytes", maxKwargs)
	}
	return c, nil
}

// arguments are what the rules API can say about an operation.
type arguments struct {
	profile, user, agreement string
	roles, plans, brokers    slugs
}

// parseKwargs reads those arguments of a JSON object that are known.
func parseKwargs(text string, known []string) (a arguments, err error) {
	if strings.TrimSpace(text) == "" {
		return a, nil
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		return a, errors.New("the arguments are not a JSON object")
	}
	for _, key := range known {
		raw, ok := object[key]
		if !ok {
			continue
		}
		var value slugs
		if value, err = parseSlugs(raw); err != nil {
			return a, fmt.Errorf("argument %s: %w", key, err)
		}
		one := ""
		if len(value.values) > 0 {
			one = value.values[0]
		}
		switch key {
		case "roledescription":
			a.roles = value
		case "plan":
			a.plans = value
		case "brokers":
			value.list = true
			a.brokers = value
		default:
			if value.list {
				return a, fmt.Errorf("argument %s: a list where one is expected", key)
			}
			switch key {
			case "profile":
				a.profile = one
			case "user":
				a.user = one
			case "agreement":
				a.agreement = one
			}
		}
	}
	return a, nil
}

// parseSlugs reads a string or a list of strings; null and "" are none. An empty list is an error: read as "none given" it would
// let in more than it says.
func parseSlugs(raw json.RawMessage) (slugs, error) {
	var one *string
	if json.Unmarshal(raw, &one) == nil {
		if one == nil || *one == "" {
			return slugs{}, nil
		}
		return slugs{values: []string{*one}}, nil
	}
	var list []string
	if err := json.Unmarshal(raw, &list); err != nil {
		return slugs{}, errors.New("neither a string nor a list of strings")
	}
	for _, s := range list {
		if s == "" {
			return slugs{}, errors.New("an empty string in a list")
		}
	}
	if len(list) == 0 {
		return slugs{}, errors.New("an empty list")
	}
	return slugs{values: list, list: true}, nil
}

// condition makes an operation.
func (a *arguments) condition(op int) Condition {
	switch op {
	case 0:
		return Any()
	case 1:
		return Authenticated()
	case 2:
		return Agreement(a.agreement)
	case 15, 16:
		t := &subscriptionTest{due: everDue, plans: a.plans, brokers: a.brokers.values, profile: a.profile}
		if op == 15 {
			t.due = paidDue
		}
		return t
	case 17:
		return Active()
	}
	t := &roleTest{reach: reachReadable}
	for r, first := range firstOperation {
		if s := op - first; reach(r) != reachReadable && 0 <= s && s <= int(Strong) {
			t.reach, t.strength = reach(r), Strength(s)
		}
	}
	t.roles, t.brokers, t.profile, t.user = a.roles, a.brokers.values, a.profile, a.user
	return t
}

// FormatAllow prints a condition in the text of the rules API; of All, the first. A condition that has no operation of its own is
// printed as the one that it varies (Subscribed and periods of grace as 15, SelfWrite as 12), or else as 1, authenticated,
// which it asks for too.
func FormatAllow(c Condition) string {
	for {
		list, ok := c.(all)
		if class, is := c.(*classCondition); is {
			list, ok = class.all, true
		}
		if !ok {
			break
		}
		if len(list) == 0 {
			return "0"
		}
		c = list[0]
	}
	op := operation(c)
	b := strconv.AppendInt(nil, int64(op), 10)
	if kwargs := appendKwargs(nil, argumentsOf(c), operations[op]); len(kwargs) > 0 {
		b = append(b, '/')
		b = append(b, kwargs...)
	}
	return string(b)
}

// SplitAllow splits the text of the rules API into the two columns of a rule record (access.md B.2 rule_op, kwargs).
func SplitAllow(allow string) (op int, kwargs string) {
	number, kwargs, _ := strings.Cut(allow, "/")
	op, _ = strconv.Atoi(number)
	return op, kwargs
}

// operation is the number of a condition.
func operation(c Condition) int {
	switch c := c.(type) {
	case anyone:
		return 0
	case agreement:
		return 2
	case *roleTest:
		return firstOperation[c.reach] + int(c.strength)
	case *selfWrite:
		return 12
	case *subscriptionTest:
		if c.due == everDue {
			return 16
		}
		return 15
	case active:
		return 17
	}
	return 1
}

func argumentsOf(c Condition) (a arguments) {
	switch c := c.(type) {
	case agreement:
		a.agreement = string(c)
	case *roleTest:
		a.profile, a.user, a.roles = c.profile, c.user, c.roles
		a.brokers = slugs{c.brokers, true}
	case *subscriptionTest:
		a.profile, a.plans = c.profile, c.plans
		a.brokers = slugs{c.brokers, true}
	}
	return a
}

// appendKwargs prints the known arguments as a JSON object with a blank behind each colon and comma; nothing when there are none.
func appendKwargs(b []byte, a arguments, known []string) []byte {
	empty := len(b)
	for _, key := range known {
		var value slugs
		switch key {
		case "profile":
			value.values = []string{a.profile}
		case "user":
			value.values = []string{a.user}
		case "agreement":
			value.values = []string{a.agreement}
		case "roledescription":
			value = a.roles
		case "plan":
			value = a.plans
		case "brokers":
			value = a.brokers
		}
		if len(value.values) == 0 || value.values[0] == "" {
			continue
		}
		if len(b) == empty {
			b = append(b, '{')
		} else {
			b = append(b, ", "...)
		}
		b = append(appendString(b, key), ": "...)
		b = appendSlugs(b, value)
	}
	if len(b) > empty {
		b = append(b, '}')
	}
	return b
}

func appendSlugs(b []byte, s slugs) []byte {
	if !s.list {
		return appendString(b, s.values[0])
	}
	b = append(b, '[')
	for i, v := range s.values {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = appendString(b, v)
	}
	return append(b, ']')
}
