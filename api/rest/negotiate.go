package rest

import (
	"mime"
	"net/http"
	"net/url"
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

// isPage reports whether a page is wanted and not data: one item of Accept is exactly text/html (access.md A.5, decision 64).
func isPage(r *http.Request) bool {
	for _, header := range r.Header["Accept"] {
		for item := range strings.SplitSeq(header, ",") {
			if strings.TrimSpace(item) == typeHTML {
				return true
			}
		}
	}
	return false
}

// withNext is the address of a page with the way back (access.md A.5): next is path and query of the request, and absolute when
// the page is on another site.
func withNext(target, origin, uri string) string {
	next := uri
	if u, err := url.Parse(target); err == nil && u.Host != "" && !strings.EqualFold(u.Scheme+"://"+u.Host, origin) {
		next = origin + uri
	}
	separator := "?"
	if strings.Contains(target, "?") {
		separator = "&"
	}
	return target + separator + "next=" + strings.ReplaceAll(url.QueryEscape(next), "%2F", "/")
}
