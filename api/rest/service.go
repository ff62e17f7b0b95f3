package rest

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/store"
)

// Directory is what the service asks of package directory.
type Directory interface {
	accessrules.Facts
	// Identify says who a request comes from. Errors: *directory.CredentialError for a credential that was presented and is
	// bad; any other means that it is not known who calls.
	Identify(r *http.Request) (directory.Identity, error)
	// Cookies are the cookies of the site.
	Cookies() *directory.Cookies
	// EndedCookie makes a browser forget a session cookie that opens nothing any more.
	EndedCookie() *http.Cookie
	// Seal encrypts for a purpose, and Open decrypts what was sealed for it.
	Seal(plain []byte, purpose string) ([]byte, error)
	Open(sealed []byte, purpose string) ([]byte, error)
}

// Options of a service. Store, Directory, Logger and Now are required.
type Options struct {
	Store     *store.Store
	Directory Directory
	Logger    *zap.Logger
	Now       func() time.Time

	// BaseURL is the public address of the site, as in "https://app.example.com". Without it absolute URLs are built on the
	// address of the request (decision 48).
	BaseURL string
	// Origin is the address that the client asked, as in "https://app.example.com:8443": the real scheme of the connection, or
	// the one a trusted proxy tells. Default: TLS or not, and Host.
	Origin func(r *http.Request) string
	// Client is the address of the client, the one a trusted proxy tells if there is one. Default: the peer's.
	Client func(r *http.Request) string
	// Crowd reports whether the address of the client stands for many who are not told apart, as that of a proxy which is not
	// trusted: what each client may do is bounded more widely then. Default: it does not.
	Crowd func(r *http.Request) bool
	// Limits bound what clients and users may do. Default: none.
	Limits Limits
	// Bodies bound how the bodies of requests arrive. Default: no bounds but those of their size.
	Bodies BodyLimits
	// Pace bounds how fast one client is served. Default: not at all.
	Pace Pace
	// Pages maps the page that cures a refusal (accessrules.Verdict.Target, "/login/") to its URL; "" when the site has no such
	// page: then browsers are told 401 or 403 as well (decision 61). Default: none.
	Pages func(target string) string
	// Link is the path of a page of the contract on this site, which may have its pages below a prefix. Default: the same.
	Link func(path string) string
	// SendTo is the address of a page, as Pages gives it, with the way back to what was asked (decision 73). Default: NextFrom the
	// origin of the request.
	SendTo func(r *http.Request, page, asked string) string
	// Rule finds the rule of the gate that takes the place of the class of an endpoint, with the parameters of its path
	// (access.md B.4, "Rules over built-in endpoints"); path is as it was escaped. ok is false for none. Default: none.
	Rule func(method, path string) (condition accessrules.Condition, params accessrules.Params, ok bool)
	// NotActivated is told who was refused for want of a password, so that the activation message is sent again. It must not
	// block. Default: nobody.
	NotActivated func(u *accessrules.User)
	// Origins may call the API with credentials from a browser (conventions.md 3.1). Default: none.
	Origins []string
	// CORSRestricted reports whether, where there are Origins, those of the site's own domain and of the domains above it may call
	// the API too (access.md B.9 cors_restricted). Default: they may not.
	CORSRestricted func() bool
	// ReadOnly refuses every write on endpoints that ask for a role (conventions.md 2.4).
	ReadOnly bool
}

// Service is the API: it finds the endpoint of a request and answers it, in the order of conventions.md 9.3.
type Service struct {
	Options
	endpoints []Endpoint
	routes    router
	words     map[string]bool // first words of the paths
	origins   map[string]bool
	held      held  // bodies
	long      *Fair // reads that may be long
	pacer     pacer
}

// New makes a service of a table of endpoints. It refuses a table with an endpoint that has no condition, with two rows of one
// method and path, or with a parameter in a path that it does not know.
func New(o Options, endpoints []Endpoint) (*Service, error) {
	if o.Store == nil || o.Directory == nil || o.Logger == nil || o.Now == nil {
		return nil, errors.New("rest: Store, Directory, Logger and Now are required")
	}
	if o.BaseURL != "" {
		u, err := url.Parse(o.BaseURL)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return nil, fmt.Errorf("rest: %q is not the address of a site, as in https://app.example.com", o.BaseURL)
		}
		o.BaseURL = strings.TrimRight(o.BaseURL, "/")
	}
	if o.Origin == nil {
		o.Origin = originOf
	}
	if o.Client == nil {
		o.Client = peerOf
	}
	if o.Crowd == nil {
		o.Crowd = func(*http.Request) bool { return false }
	}
	if o.Pages == nil {
		o.Pages = func(string) string { return "" }
	}
	if o.SendTo == nil {
		o.SendTo = func(r *http.Request, page, asked string) string {
			origin := o.Origin(r)
			return accessrules.NextFrom(page, origin, accessrules.Back(r, origin, asked))
		}
	}
	if err := checkTypes(endpoints); err != nil {
		return nil, err
	}
	routes, err := newRouter(endpoints)
	if err != nil {
		return nil, err
	}
	s := &Service{
		Options: o, endpoints: endpoints, routes: routes, words: wordsOf(endpoints), origins: make(map[string]bool), held: held{bytes: make(map[string]int64)},
		long: NewFair(store.LongReads, longQueue, longWait), pacer: newPacer(o.Pace, o.Now),
	}
	for _, origin := range o.Origins {
		s.origins[CanonicalOrigin(strings.TrimRight(origin, "/"))] = true
	}
	return s, nil
}

// checkTypes looks at the inputs, whose tags may be wrong, and at the answers.
func checkTypes(endpoints []Endpoint) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	for _, e := range endpoints {
		describeInput(e.In)
		if e.List && !isTable(e.Out) {
			return fmt.Errorf("rest: %s %s is listed, but a %s is neither a list nor a table", e.Method, e.Path, e.Out)
		}
	}
	return nil
}

// Endpoints is the table.
func (s *Service) Endpoints() []Endpoint { return s.endpoints }

// Table prints the table, a row a line: method, path, class of access.md A.3. It is the access matrix.
func (s *Service) Table() string {
	var b strings.Builder
	for _, e := range s.endpoints {
		fmt.Fprintf(&b, "%-6s %s  %s\n", e.Method, e.Path, e.Condition)
	}
	return b.String()
}

func originOf(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

func peerOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
