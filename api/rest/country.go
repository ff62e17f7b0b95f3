package rest

import (
	_ "embed" // the table of countries
	"strings"
	"sync"

	"github.com/caddy-tollgate/tollgate/api/directory"
)

// countryTable is ISO 3166-1, a country a line: alpha-2, alpha-3, number, and the English names that are understood.
//
//go:embed country.txt
var countryTable string

var countries = sync.OnceValue(func() map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(countryTable) {
		code := line[:2]
		m[code], m[line[3:6]], m[line[7:10]] = code, code, code
		for name := range strings.SplitSeq(strings.TrimSpace(line[11:]), "|") {
			m[countryKey(name)] = code
		}
	}
	return m
})

// countryKey is a name without what people write in different ways.
func countryKey(name string) string {
	words := strings.FieldsFunc(directory.Slugify(name), func(c rune) bool { return c == '-' })
	n := 0
	for _, w := range words {
		switch w {
		case "and", "the":
			continue
		case "st":
			w = "saint"
		}
		words[n] = w
		n++
	}
	return strings.Join(words[:n], " ")
}

// Country returns the ISO 3166-1 alpha-2 code, in upper case, of a country given by any of its codes, in any case, or by its
// English name; "" when there is none (profiles.md 6.2).
func Country(text string) string {
	if code := countries()[strings.ToUpper(strings.TrimSpace(text))]; code != "" {
		return code
	}
	return countries()[countryKey(text)]
}
