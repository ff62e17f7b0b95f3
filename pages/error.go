package pages

import (
	"net/http"
	"strings"
	"time"

	"github.com/caddy-tollgate/tollgate/api/rest"
)

// A Problem is what the page of errors is given.
type Problem struct {
	Status  int
	Kind    string // names its texts: errors.<kind>_title, errors.<kind>_text
	Detail  string // what the API says, in the visitor's language; "" when the texts say it all
	Wait    int    // seconds until another try may succeed, 0 when it is not known
	Request string // id of the request, "" when it has none
}

// kinds are the pages of errors, by status (pages.md 3).
var kinds = map[int]string{
	http.StatusBadRequest:          "bad",
	http.StatusUnauthorized:        "unknown",
	http.StatusForbidden:           "refused",
	http.StatusNotFound:            "absent",
	http.StatusMethodNotAllowed:    "method",
	http.StatusConflict:            "conflict",
	http.StatusTooManyRequests:     "throttled",
	http.StatusInternalServerError: "failed",
	http.StatusBadGateway:          "away",
	http.StatusServiceUnavailable:  "busy",
	http.StatusGatewayTimeout:      "away",
}

// problem is what people are told of an error.
func (s *Site) problem(q *Request, e *rest.Error) *Problem {
	p := &Problem{Status: e.Status, Kind: kinds[e.Status], Request: q.RequestID()}
	if p.Kind == "" {
		p.Kind = "bad"
		if e.Status >= http.StatusInternalServerError {
			p.Kind = "failed"
		}
	}
	if e.RetryAfter > 0 {
		p.Wait = wait(e)
	}
	detail := strings.Join(e.Fields()["detail"], " ")
	switch {
	case strings.HasPrefix(detail, "CSRF Failed"):
		p.Kind = "forged"
	case e.Status >= http.StatusInternalServerError, known(detail):
	default:
		p.Detail = q.lang.said(detail)
	}
	return p
}

// RequestID is the id of a request, by which the operator finds it in the log.
func (q *Request) RequestID() string { return q.site.RequestID(q.HTTP) }

// wait is how many seconds to wait before another try.
func wait(e *rest.Error) int { return int((e.RetryAfter + time.Second - 1) / time.Second) }
