// Package pages shows the site to people: it turns requests of browsers into calls of the operations of the API, and what these answer
// into HTML (pages.md). It holds no rule, no price and no SQL. Site serves a table of pages, which the packages below it make: people,
// buying, selling and site, as the sections of the contract.
package pages

import (
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/go-chi/chi/v5"
)

// A Page is a row of the table: an address, what it shows and the forms on it.
type Page struct {
	Path  string // as in the contract: "/users/{user}/otp/"
	Name  string // of its template: "account_otp"
	Group string // that `only` names: login, account, legal, billing, profile, metrics, app, contact
	Who   string // may see it, in the words of `page list`; the operations decide
	Uses  []string

	// Yields says that it gives way to the application where a rule of a gate forwards its address.
	Yields bool
	// Secret says that the address holds a key: it is told to nobody.
	Secret bool
	// Opens says that its forms open a session: its cookie is not kept for a form that is sent twice.
	Opens bool
	// Files is how many bytes of files its forms may have.
	Files int64

	// Samples are the page in its states, with data made up; at least one.
	Samples []Sample

	// Show is what the template is given. It changes nothing.
	Show func(q *Request) (any, error)
	// Forms are what its forms do, by their names. They return where to go on.
	Forms map[string]Form
}

// A Form does what a form of a page asks. It returns the address to go on to, "" for the page itself; or an answer in place of one, for
// what is shown once.
type Form func(q *Request) (Outcome, error)

// An Outcome is how it goes on after a form.
type Outcome struct {
	To   string // an address to be redirected to, "" for the page
	Said string // name of the message that is shown there, one of the section "said"
	Once any    // shown now in place of a redirect, by the page's template: a secret that nobody can ask for again
}

// Go goes on at an address.
func Go(to string) (Outcome, error) { return Outcome{To: to}, nil }

// Said shows the page again with a message.
func Said(name string) (Outcome, error) { return Outcome{Said: name}, nil }

// routes finds the page of a path.
type routes struct {
	mux   *chi.Mux
	pages map[string]*Page
	first map[string]bool // first segments of their paths: most requests are for the application, and are told by these
}

// contexts are kept between requests: most find no page, and leave nothing to be collected.
var contexts = sync.Pool{New: func() any { return chi.NewRouteContext() }}

func newRoutes(pages []Page) (rs routes, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("pages: %v", p)
		}
	}()
	rs = routes{mux: chi.NewMux(), pages: map[string]*Page{}, first: map[string]bool{}}
	for i := range pages {
		p := &pages[i]
		pattern := strings.NewReplacer("{", "{", "}", ":[^/]+}").Replace(p.Path)
		if rs.pages[pattern] != nil {
			return rs, fmt.Errorf("pages: %s is there twice", p.Path)
		}
		rs.pages[pattern] = p
		rs.first[firstSegment(p.Path)] = true
		rs.mux.MethodFunc(http.MethodGet, pattern, func(http.ResponseWriter, *http.Request) {})
	}
	return rs, nil
}

// find returns the page of a path and what stands for its parameters.
func (rs *routes) find(path string) (*Page, map[string]string) {
	ctx := contexts.Get().(*chi.Context)
	defer contexts.Put(ctx)
	ctx.Reset()
	p := rs.pages[rs.mux.Find(ctx, http.MethodGet, path)]
	if p == nil {
		return nil, nil
	}
	params := make(map[string]string, len(ctx.URLParams.Keys))
	for i, name := range ctx.URLParams.Keys {
		if params[name] = ctx.URLParams.Values[i]; params[name] == "" {
			return nil, nil
		}
	}
	return p, params
}

// firstSegment is "users" of "/users/joe/".
func firstSegment(path string) string {
	segment, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return segment
}
