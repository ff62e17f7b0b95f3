package pages

import (
	"net/http"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/rest"
)

// A Refusal is a request for something that is none of the pages, and that the site does not answer: a rule refused it, or what stands
// behind the pages failed.
type Refusal struct {
	Status int
	Reason accessrules.Reason // of a rule, "" for other failures
	Lack   accessrules.Lack   // what the rule asks for
}

// refusedPage stands for the page of a refused request, which has no address of its own.
var refusedPage = Page{Path: "(refused)", Name: "error"}

// Refuse answers a request of a person with a page that says why (pages.md 3, 4).
func (s *Site) Refuse(w http.ResponseWriter, r *http.Request, why *Refusal) {
	shown := new(http.Request)
	*shown = *r
	if r.Method != http.MethodHead { // a form is answered as the page that it asked for: nobody reads it
		shown.Method = http.MethodGet
	}
	q := &Request{Page: &refusedPage, HTTP: shown, site: s, w: w}
	defer s.leave(q)
	var err error
	q.Visit, err = s.API.Visit(w, shown, 0)
	q.read()
	q.Next = ""
	if err == nil && s.Refused != nil && why.Lack.Told && why.Status == http.StatusForbidden {
		data, err := s.Refused(q, why)
		if err != nil {
			s.Logger.Warn("why a request was refused is not told", zap.Error(err))
		}
		if err == nil && data != nil {
			q.render(why.Status, "refused", data)
			return
		}
	}
	q.render(why.Status, "error", s.problem(q, rest.Fail(why.Status, "")))
}

// leave ends a request, which may have panicked.
func (s *Site) leave(q *Request) {
	if q.Visit != nil {
		q.Close()
	}
	if c := recover(); c != nil {
		if c == http.ErrAbortHandler {
			panic(c)
		}
		s.Logger.Error("panic in a page", zap.Any("panic", c), zap.String("page", q.Page.Path), zap.Stack("stack"))
		q.fail(errPanic)
	}
}
