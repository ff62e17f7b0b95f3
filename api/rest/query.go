package rest

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// values are the parameters of a query, in order. A name may be there several times.
type values []parameterValue

type parameterValue struct{ name, value string }

// parseQuery reads a query string: "&" separates, what is not well escaped is taken as it is.
func parseQuery(raw string) values {
	v := make(values, 0, strings.Count(raw, "&")+1)
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		v = append(v, parameterValue{unescape(name), unescape(value)})
	}
	return v
}

// without drops a parameter.
func (v values) without(name string) values {
	kept := make(values, 0, len(v)+1)
	for _, p := range v {
		if p.name != name {
			kept = append(kept, p)
		}
	}
	return kept
}

// encode writes a query, sorted by name; values of one name stay in their order.
func (v values) encode() string {
	slices.SortStableFunc(v, func(a, b parameterValue) int { return strings.Compare(a.name, b.name) })
	var b strings.Builder
	for i, p := range v {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(p.name))
		b.WriteByte('=')
		b.WriteString(url.QueryEscape(p.value))
	}
	return b.String()
}

func unescape(s string) string {
	t, err := url.QueryUnescape(s)
	if err != nil {
		t = s
	}
	return strings.ToValidUTF8(t, "\uFFFD")
}

func (c *Call) query() values {
	if c.values == nil && c.r.URL.RawQuery != "" {
		c.values = parseQuery(c.r.URL.RawQuery)
	}
	return c.values
}

// QueryString is the last value of a parameter of the query, "" when absent.
func (c *Call) QueryString(name string) string {
	v := c.query()
	for i := len(v) - 1; i >= 0; i-- {
		if v[i].name == name {
			return v[i].value
		}
	}
	return ""
}

// QueryStrings are all values of a parameter of the query.
func (c *Call) QueryStrings(name string) []string {
	var all []string
	for _, p := range c.query() {
		if p.name == name {
			all = append(all, p.value)
		}
	}
	return all
}

// QueryBool is a parameter that is true or false in the words of conventions.md 5; absent or empty is other. Error: 400 of the
// field.
func (c *Call) QueryBool(name string, other bool) (bool, error) {
	s := strings.TrimSpace(c.QueryString(name))
	if s == "" {
		return other, nil
	}
	b, ok := parseBool(s)
	if !ok {
		return other, Invalid(name, msgBoolean)
	}
	return b, nil
}

// QueryChoice is a parameter that is one of choices; absent or empty is other. Error: 400 of the field (conventions.md 8.4).
func (c *Call) QueryChoice(name, other string, choices []string) (string, error) {
	s := strings.TrimSpace(c.QueryString(name))
	if s == "" {
		return other, nil
	}
	if !slices.Contains(choices, s) {
		return other, Invalid(name, msgEnum(s, choices))
	}
	return s, nil
}

// QueryInt is a parameter that is an integer between least and most; absent or empty is other. Error: 400 of the field.
func (c *Call) QueryInt(name string, other, least, most int64) (int64, error) {
	s := strings.TrimSpace(c.QueryString(name))
	if s == "" {
		return other, nil
	}
	n, ok := parseInt(s)
	switch {
	case !ok:
		return other, Invalid(name, msgInteger)
	case n < least:
		return other, Invalid(name, msgLeast(strconv.FormatInt(least, 10)))
	case n > most:
		return other, Invalid(name, msgMost(strconv.FormatInt(most, 10)))
	}
	return n, nil
}
