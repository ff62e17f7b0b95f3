package rest

import (
	"mime"
	"strconv"
	"strings"
)

const (
	typeJSON  = "application/json"
	typeCSV   = "text/csv"
	typeHTML  = "text/html"
	maxIndent = 8
)

// accepted is how the caller wants the answer (conventions.md 6.1).
type accepted struct {
	indent int
	csv    bool
}

// IsCSV reports whether the caller asked for CSV (conventions.md 7.8): an operation may leave out what only the envelope of a
// list shows.
func (c *Call) IsCSV() bool { return c.accept.csv }

// negotiate reads the parameter format and the header Accept. e may be nil.
func (c *Call) negotiate(e *Endpoint) error {
	table := e != nil && e.List
	format := c.QueryString("format")
	switch {
	case format == "", format == "json":
	case format == "csv" && table:
		c.accept.csv = true
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
		}
	}
	if best == 0 && format == "" {
		return errAccept
	}
	return nil
}
