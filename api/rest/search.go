package rest

import (
	"slices"
	"strings"
)

// Search (conventions.md 7.5).

// Limits of a search: what is beyond them finds nothing more.
const (
	maxTerms = 50
	maxTerm  = 1000 // bytes
)

// splitTerms takes q apart: commas separate, and blanks and tabs too if blank; a term in quotes is taken whole.
func splitTerms(q string, blank bool) []string {
	var terms []string
	var term strings.Builder
	quoted := false
	end := func() {
		if term.Len() > 0 {
			terms = append(terms, term.String())
			term.Reset()
		}
	}
	for _, r := range q {
		switch {
		case r == 0:
		case r == '"':
			quoted = !quoted
		case !quoted && (r == ',' || blank && (r == ' ' || r == '\t')):
			end()
		default:
			term.WriteRune(r)
		}
	}
	end()
	return terms[:min(len(terms), maxTerms)]
}

// column is a searched column and how: contains, starts with, equals.
type column struct {
	name   string
	prefix byte
}

// match is the condition that any term matches any of the fields, all of them when q_f names none, and the patterns for its '?'.
// It is constant for as many terms and the same fields.
func (n Names) match(terms, fields []string) (condition string, patterns []any) {
	if len(terms) == 0 {
		return "", nil
	}
	columns := n.columns(fields)
	var b strings.Builder
	for _, term := range terms {
		for _, c := range columns {
			if b.Len() > 0 {
				b.WriteString(" OR ")
			}
			b.WriteString(c.name)
			b.WriteString(` LIKE ? ESCAPE '\'`)
			patterns = append(patterns, c.pattern(term))
		}
	}
	return b.String(), patterns
}

// columns are the columns of the fields in q_f, each with its prefix; those of all names when no field is known.
func (n Names) columns(fields []string) []column {
	var columns []column
	add := func(name string, prefix byte) {
		for _, s := range n[name] {
			if c := (column{s, prefix}); !slices.Contains(columns, c) {
				columns = append(columns, c)
			}
		}
	}
	for _, list := range fields {
		for field := range strings.SplitSeq(list, ",") {
			if field != "" && (field[0] == '^' || field[0] == '=') {
				add(field[1:], field[0])
			} else {
				add(field, 0)
			}
		}
	}
	if columns == nil {
		names := make([]string, 0, len(n))
		for name := range n {
			names = append(names, name)
		}
		slices.Sort(names) // the text of the statement is the same each time
		for _, name := range names {
			add(name, 0)
		}
	}
	return columns
}

var likeEscaper = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// pattern is the LIKE pattern of a term; NULL, which matches nothing, for one that no field can hold.
func (c column) pattern(term string) any {
	if len(term) > maxTerm {
		return nil
	}
	p := likeEscaper.Replace(term)
	switch c.prefix {
	case '=':
		return p
	case '^':
		return p + "%"
	}
	return "%" + p + "%"
}
