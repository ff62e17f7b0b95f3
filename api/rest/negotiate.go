package rest

import (
	"mime"
	"reflect"
	"strconv"
	"strings"
)

const (
	typeJSON  = "application/json"
	typeCSV   = "text/csv"
	typeYAML  = "application/yaml"
	typeHTML  = "text/html"
	maxIndent = 8
)

// accepted is how the caller wants the answer (conventions.md 6.1).
type accepted struct {
	indent    int
	csv, yaml bool
}

// IsCSV reports whether the caller asked for CSV (conventions.md 7.8): an operation may leave out what only the envelope of a
// list shows.
func (c *Call) IsCSV() bool { return c.accept.csv }

// A yamler is an answer that is YAML as well: Accept: application/yaml, ?format=yaml.
type yamler interface{ YAML() ([]byte, error) }

var yamlerType = reflect.TypeFor[yamler]()

// negotiate reads the parameter format and the header Accept. e may be nil.
func (c *Call) negotiate(e *Endpoint) error {
	table, document := e != nil && e.List, e != nil && e.Out.Implements(yamlerType)
	format := c.QueryString("format")
	switch {
	case format == "", format == "json":
	case format == "csv" && table:
		c.accept.csv = true
		return nil
	case format == "yaml" && document:
		c.accept.yaml = true
		return nil
	default:
		return errNotFound
	}
	header := strings.Join(c.r.Header["Accept"], ",")
	if header == "" || header == "*/*" || header == typeJSON {
		return nil
	}
	best := 0.0
	for item := range strings.SplitSeq(header, ",") {
		kind, params, _ := mime.ParseMediaType(item)
		quality := 1.0
		if text, ok := params["q"]; ok {
			quality, _ = strconv.ParseFloat(text, 64)
		}
		if !(quality > best) { // nor NaN
			continue
		}
		switch kind {
		case typeJSON:
			indent, _ := strconv.Atoi(params["indent"])
			best, c.accept = quality, accepted{indent: max(0, min(indent, maxIndent))}
		case "*/*", "application/*":
			best, c.accept = quality, accepted{}
		case typeCSV, "text/*":
			if table && format == "" {
				best, c.accept = quality, accepted{csv: true}
			}
		case typeYAML:
			if document && format == "" {
				best, c.accept = quality, accepted{yaml: true}
			}
		}
	}
	if best == 0 && format == "" {
		return errAccept
	}
	return nil
}
