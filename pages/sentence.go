package pages

import (
	"regexp"
	"slices"
	"strings"

	"github.com/nicksnyder/go-i18n/v2/i18n"
)

// A sentence is one that the API says, with what varies in it, and the message of the section "api" that says it to people.
type sentence struct {
	pattern *regexp.Regexp
	id      string
}

// sentences are what the API says in forms. Whatever is not here is shown as the API says it.
var sentences = compileSentences([][2]string{
	{"This field is required.", "required"},
	{"This field may not be blank.", "required"},
	{"This field may not be null.", "required"},
	{"Ensure this field has no more than {n} characters.", "too_long"},
	{"Ensure this field has at least {n} characters.", "too_short"},
	{"Enter a valid email address.", "email"},
	{"Enter a valid username.", "username"},
	{"Request was throttled.", "throttled"},
	{"Request was throttled. Expected available in {n} second.", "throttled_seconds"},
	{"Request was throttled. Expected available in {n} seconds.", "throttled_seconds"},
})

func compileSentences(all [][2]string) (compiled []sentence) {
	for _, one := range all {
		pattern := regexp.QuoteMeta(one[0])
		pattern = regexp.MustCompile(`\\\{(\w+)\\\}`).ReplaceAllString(pattern, `(?P<$1>.+?)`)
		compiled = append(compiled, sentence{regexp.MustCompile(`^` + pattern + `$`), one[1]})
	}
	return compiled
}

// said is a sentence of the API in the visitor's language.
func (l *language) said(text string) string {
	for _, s := range sentences {
		found := s.pattern.FindStringSubmatch(text)
		if found == nil {
			continue
		}
		args := map[string]any{}
		for i, name := range s.pattern.SubexpNames() {
			if name != "" {
				args[name] = found[i]
			}
		}
		c := &i18n.LocalizeConfig{MessageID: "api." + s.id, TemplateData: args}
		if n, ok := args["n"]; ok && !strings.Contains(n.(string), ".") {
			c.PluralCount = n
		}
		if translated, err := l.localize(c); err == nil {
			return translated
		}
	}
	return text
}

// known reports whether a sentence of the API is one that people are told in their language.
func known(text string) bool {
	return slices.ContainsFunc(sentences, func(s sentence) bool { return s.pattern.MatchString(text) })
}
