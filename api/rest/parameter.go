package rest

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Parameters of the query, for the API's own description.

// A Parameter is one that an endpoint reads from the query.
type Parameter struct {
	name, doc string
	schema    Fields
	extra     Fields // keys beside the schema
}

// Text is a parameter that is any text.
func Text(name, doc string) Parameter {
	return Parameter{name: name, doc: doc, schema: Fields{{"type", "string"}}}
}

// Flag is a parameter that QueryBool reads.
func Flag(name, doc string) Parameter {
	return Parameter{name: name, doc: doc, schema: Fields{{"type", "boolean"}}}
}

// Choice is a parameter that QueryChoice reads.
func Choice(name, doc string, choices ...string) Parameter {
	return Parameter{name: name, doc: doc, schema: Fields{{"type", "string"}, {"enum", choices}}}
}

// Number is a parameter that QueryInt reads.
func Number(name, doc string, least, most int64) Parameter {
	return Parameter{name: name, doc: doc, schema: Fields{{"type", "integer"}, {"format", "int64"},
		{"minimum", json.Number(strconv.FormatInt(least, 10))}, {"maximum", json.Number(strconv.FormatInt(most, 10))}}}
}

// Texts is a parameter that may be repeated.
func Texts(name, doc string) Parameter {
	return Parameter{name: name, doc: doc, schema: Fields{{"type", "array"}, {"items", Fields{{"type", "string"}}}}}
}

// moment is a date and time, or a date.
func moment(name, doc string) Parameter {
	return Parameter{name: name, doc: doc, schema: Fields{{"type", "string"}, {"examples", []string{"2024-03-05", "2024-03-05T10:11:12Z"}}}}
}

// Those of conventions.md 7, and of writes that may be tried out. StartAt, EndsAt and Timezone are what Range reads.
var (
	StartAt  = moment("start_at", "Keeps what is dated then or later.")
	EndsAt   = moment("ends_at", "Keeps what is dated earlier.")
	Timezone = Text("timezone", "Zone of dates that name none, as in \"Europe/Paris\".")

	dryRun = Flag("dry_run", "Does everything, and keeps nothing.")
	pages  = []Parameter{
		Text("page", "Page, from 1; \"last\" is the last one."),
		{name: "page_size", doc: "Rows of a page, 100 at most.", schema: Fields{{"type", "integer"}, {"default", pageSize}}},
	}
)

func (p Parameter) describe() Fields {
	d := Fields{{"name", p.name}, {"in", "query"}, {"description", p.doc}, {"schema", p.schema}}
	return append(d, p.extra...)
}

// listing is a List, whatever it lists.
type listing interface{ listing() listed }

// listed is what a list looks at.
type listed struct {
	search, order, byDefault []string // public names, sorted; the default as in o
	dates, blank             bool
}

func (l *List[T]) listing() listed {
	d := listed{search: slices.Sorted(maps.Keys(l.Search)), order: slices.Sorted(maps.Keys(l.Order)), dates: l.Dates != "", blank: l.Blank}
	for _, name := range l.Default {
		if _, public := l.Order[strings.TrimPrefix(name, "-")]; public {
			d.byDefault = append(d.byDefault, name)
		}
	}
	return d
}

// parameters are those that a list reads, but for pages.
func (d listed) parameters() (list []Parameter) {
	if len(d.search) > 0 {
		separators := "commas separate"
		if d.blank {
			separators = "commas and blanks separate"
		}
		list = append(list,
			Text("q", "Keeps rows that hold one of these terms, which "+separators+", in one of the fields of q_f: "+strings.Join(d.search, ", ")+"."),
			named(Texts("q_f", "Field to search, all of them without it; \"^\" in front for what starts with a term, \"=\" for what equals it."), d.search, nil))
	}
	if len(d.order) > 0 {
		list = append(list, named(Texts("o", "Field to sort by, \"-\" in front for the other direction."), d.order, d.byDefault))
	}
	if d.dates {
		list = append(list, StartAt, EndsAt, Timezone)
	}
	return list
}

// named is a parameter whose values are names of fields. Others are no error, they are ignored (conventions.md 7.5, 7.6).
func named(p Parameter, names, byDefault []string) Parameter {
	p.doc += " May be repeated. Fields: " + strings.Join(names, ", ") + "."
	p.extra = Fields{{"x-fields", names}}
	if byDefault != nil {
		p.schema = append(p.schema, Field{"default", byDefault})
	}
	return p
}
