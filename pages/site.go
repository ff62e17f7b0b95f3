package pages

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/rest"
)

// API is what pages ask of the service.
type API interface {
	// Visit opens the visit of a request; see rest.Service.Visit.
	Visit(w http.ResponseWriter, r *http.Request, files int64) (*rest.Visit, error)
}

// Options of a site of pages. API, Logger, Title and Pages are required.
type Options struct {
	API    API
	Logger *zap.Logger
	Pages  []Page

	// Refused is what the template of refusals is given, for a request whose sender may be told why: of a rule of the site (pages.md 4).
	// nil: there is no more to tell than to everybody. Default: nothing is told.
	Refused func(q *Request, why *Refusal) (any, error)
	// Forwards reports whether a rule of a gate behind the pages sends requests for a path to an application. Default: none does.
	Forwards func(method, path string) bool
	// Title is what the site is called.
	Title func() string
	// Theme are the operator's files, in place of ours of the same name. Default: none.
	Theme fs.FS
	// Logo is a file, logo.svg or logo.png, in place of the theme's. Default: the theme's.
	Logo File
	// Prefix is the path below which the pages are. Default: "", the root.
	Prefix string
	// Only are the groups of pages that there are. Default: all.
	Only []string
	// Except are paths whose pages there are not, with all below them.
	Except []string
	// Languages are those that the site speaks, the first where nobody asks for another. Default: all that there are.
	Languages []string
	// Language is the first of them where they are not named. Default: "en".
	Language string
	// RequestID is the id of a request in the log. Default: none.
	RequestID func(r *http.Request) string
	// Hosts are those to which somebody may be sent back besides that of the request. Default: none.
	Hosts func() *accessrules.NextHosts
	// Others are pages that have no address, with their samples. Default: none.
	Others []Page

	inline bool // pages hold the files that they load: for previews
}

// A File is one of a theme.
type File struct {
	Name string
	Body []byte
}

// Site serves the pages.
type Site struct {
	Options
	pages  []Page
	routes routes
	theme  *theme
}

// New makes a site. It refuses a theme with a file that it does not know or cannot read, with its place.
func New(o Options) (*Site, error) {
	if o.API == nil || o.Logger == nil || o.Title == nil {
		return nil, errors.New("pages: API, Logger and Title are required")
	}
	if o.Hosts == nil {
		o.Hosts = func() *accessrules.NextHosts { return nil }
	}
	if o.Forwards == nil {
		o.Forwards = func(string, string) bool { return false }
	}
	if o.RequestID == nil {
		o.RequestID = func(*http.Request) string { return "" }
	}
	s := &Site{Options: o}
	for _, name := range o.Only {
		if !slices.Contains(Groups(o.Pages), name) {
			return nil, fmt.Errorf("only: there is no group %q of pages: write some of %s", name, strings.Join(Groups(o.Pages), ", "))
		}
	}
	for _, path := range o.Except {
		if !slices.ContainsFunc(o.Pages, func(p Page) bool { return below(p.Path, path) }) {
			return nil, fmt.Errorf("except: there is no page at %q or below: write its address without the prefix, as in /contact/", path)
		}
	}
	for _, p := range o.Pages {
		if (len(o.Only) == 0 || slices.Contains(o.Only, p.Group)) && !s.excepted(p.Path) {
			s.pages = append(s.pages, p)
		}
	}
	var err error
	if s.routes, err = newRoutes(s.pages); err != nil {
		return nil, err
	}
	if s.theme, err = newTheme(o); err != nil {
		return nil, err
	}
	if o.Theme != nil {
		err = s.Check()
	}
	return s, err
}

// Groups are the groups of a table of pages, in its order.
func Groups(pages []Page) (groups []string) {
	for _, p := range pages {
		if !slices.Contains(groups, p.Group) {
			groups = append(groups, p.Group)
		}
	}
	return groups
}

// excepted reports whether the address of a page is left to the application.
func (s *Site) excepted(path string) bool {
	return slices.ContainsFunc(s.Except, func(prefix string) bool { return below(path, prefix) })
}

// below reports whether the address of a page is that of a prefix, or below it.
func below(path, prefix string) bool {
	return strings.HasPrefix(path, strings.TrimSuffix(prefix, "/")+"/")
}

// Table are the pages that there are.
func (s *Site) Table() []Page { return s.pages }

// Has reports whether there is a page at a path of the contract, as it is escaped.
func (s *Site) Has(path string) bool {
	plain, err := url.PathUnescape(path)
	if err != nil || strings.Count(plain, "/") != strings.Count(path, "/") {
		return false
	}
	p, _ := s.routes.find(plain)
	return p != nil && !s.yields(p, http.MethodGet, s.Prefix+plain)
}

// inDialog is the address of a page as a dialog shows it; another address stays as it is.
func (s *Site) inDialog(to string) string {
	u := s.ours(to)
	if u == nil {
		return to
	}
	query := u.Query()
	query.Set(fragmentWord, inDialog)
	u.RawQuery = query.Encode()
	return u.String()
}

// ours is an address that one of the pages answers, nil for another one.
func (s *Site) ours(to string) *url.URL {
	u, err := url.Parse(to)
	if err != nil || u.Host != "" {
		return nil
	}
	path, ok := strings.CutPrefix(u.Path, s.Prefix)
	if p, _ := s.routes.find(path); !ok || p == nil || s.yields(p, http.MethodGet, u.Path) {
		return nil
	}
	return u
}

// yields reports whether a page gives way to the application at a path.
func (s *Site) yields(p *Page, method, path string) bool { return p.Yields && s.Forwards(method, path) }

// Handler returns what answers a request, nil when it is for none of the pages.
func (s *Site) Handler(r *http.Request) http.HandlerFunc {
	if rest, ok := strings.CutPrefix(r.URL.Path, assetRoot); ok {
		return s.theme.asset(rest)
	}
	path, ok := strings.CutPrefix(r.URL.Path, s.Prefix)
	if !ok || !strings.HasPrefix(path, "/") || !s.routes.first[firstSegment(path)] {
		return nil
	}
	if raw := r.URL.RawPath; raw != "" && strings.Count(raw, "/") != strings.Count(r.URL.Path, "/") {
		return nil
	}
	if p, params := s.routes.find(path); p != nil {
		if s.yields(p, r.Method, r.URL.Path) {
			return nil
		}
		return func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, p, params) }
	}
	if strings.HasSuffix(path, "/") || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return nil
	}
	if p, _ := s.routes.find(path + "/"); p != nil && !s.yields(p, r.Method, r.URL.Path) {
		return func(w http.ResponseWriter, r *http.Request) {
			to := url.URL{Path: r.URL.Path + "/", RawQuery: r.URL.RawQuery}
			w.Header().Set("Cache-Control", "no-store") // the address may be the application's one day
			http.Redirect(w, r, to.RequestURI(), http.StatusPermanentRedirect)
		}
	}
	return nil
}

// methods that pages know.
var methods = []string{http.MethodGet, http.MethodHead, http.MethodPost}

// serve answers a request for a page.
func (s *Site) serve(w http.ResponseWriter, r *http.Request, p *Page, params map[string]string) {
	q := &Request{Page: p, HTTP: r, site: s, w: w, params: params}
	defer s.leave(q)
	var err error
	if !slices.Contains(methods, r.Method) {
		w.Header().Set("Allow", strings.Join(methods, ", "))
		err = rest.Fail(http.StatusMethodNotAllowed, fmt.Sprintf("Method %q not allowed.", r.Method))
	} else {
		q.Visit, err = s.API.Visit(w, r, p.Files)
	}
	q.read()
	switch {
	case err != nil && q.enteredSince(err):
		q.redirect(q.Here())
	case err != nil:
		q.fail(err)
	case r.Method == http.MethodPost:
		q.post()
	default:
		q.show(http.StatusOK)
	}
}

// enteredSince reports whether a form that lets people in was sent by somebody whom it has let in already: its button was pressed twice,
// and the session that the first time opened has other tokens. The page says who is logged in, and how it goes on.
func (q *Request) enteredSince(err error) bool {
	var answer *rest.Error
	return q.Page.Opens && q.Visit != nil && q.Caller() != nil && errors.As(err, &answer) &&
		slices.Contains(answer.Fields()["detail"], "CSRF Failed: CSRF token from POST incorrect.")
}
