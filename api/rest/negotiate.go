package rest

import (
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
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
	csv := e != nil && e.List
	switch format := c.QueryString("format"); {
	case format == "json":
		return nil
	case format == "csv" && csv:
		c.accept.csv = true
		return nil
	case c.hasQuery("format"):
		return errNotFound
	}
	header := strings.Join(c.r.Header.Values("Accept"), ",")
	if header == "" || header == "*/*" || header == typeJSON {
		return nil
	}
	best := 0.0
	for _, item := range strings.Split(header, ",") {
		kind, params, err := mime.ParseMediaType(strings.TrimSpace(item))
		if err != nil && kind == "" {
			continue
		}
		q := 1.0
		if s, ok := params["q"]; ok {
			if q, err = strconv.ParseFloat(s, 64); err != nil {
				q = 1
			}
		}
		if q <= best {
			continue
		}
		switch kind {
		case typeJSON:
			indent, err := strconv.Atoi(params["indent"])
			if err != nil || indent < 0 {
				indent = 0
			}
			best, c.accept = q, accepted{indent: min(indent, 8)}
		case "*/*", "application/*":
			best, c.accept = q, accepted{}
		case "text/csv", "text/*":
			if csv {
				best, c.accept = q, accepted{csv: true}
			}
		}
	}
	if best == 0 {
		return errAccept
	}
	return nil
}

// isPage reports whether a page is wanted and not data: one item of Accept is exactly text/html (access.md A.5, decision 64).
func isPage(r *http.Request) bool {
	for _, header := range r.Header.Values("Accept") {
		for item := range strings.SplitSeq(header, ",") {
			if strings.TrimSpace(item) == "text/html" {
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
