// Package resttest lets packages test their endpoints through the public door: a table of endpoints, served over a store of the
// test's own, and cases of one line each.
//
//	site := resttest.New(t, people, endpoints)
//	site.Run(t,
//		resttest.Case("a contributor cannot write", "cindy", "POST /api/profile/acme/plans", `{"title":"Gold"}`, 403, `{"detail":"Permission denied"}`),
//		resttest.Case("nobody", "", "GET /api/profile/acme/plans", "", 401, "~not provided"),
//	)
package resttest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// Base is the address of the site under test.
const Base = "https://app.example.com"

// Site is a service under test. What one of With is asked and answers is held against its own description of itself.
type Site struct {
	*rest.Service
	Store *store.Store
	Clock *storetest.Clock

	t        testing.TB
	contract func() (*Contract, error)
}

// ServeHTTP has the service answer, and fails the test when the request or the answer is not as the service describes them.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, timed := s.t.(*testing.B); timed || s.contract == nil {
		s.Service.ServeHTTP(w, r)
		return
	}
	contract, err := s.contract()
	if err != nil {
		s.t.Errorf("the description of the API: %v", err)
		return
	}
	if err := contract.Serve(s.Service, w, r); err != nil {
		s.t.Error(err)
	}
}

// New serves endpoints that were made up for a test over a new store to the given people; nobody describes them.
func New(t testing.TB, people *People, endpoints []rest.Endpoint) *Site {
	t.Helper()
	clock := storetest.NewClock()
	site := With(t, rest.Options{Store: storetest.NewAt(t, clock), Directory: people}, clock, endpoints)
	return site.Undescribed()
}

// With serves the endpoints with options of the test's own: Store and Directory are required, the clock is that of the store.
// Callers of cases are found in the directory by their username, without a log-in.
func With(t testing.TB, o rest.Options, clock *storetest.Clock, endpoints []rest.Endpoint) *Site {
	t.Helper()
	o.Directory = &entrance{o.Directory}
	if o.BaseURL == "" {
		o.BaseURL = Base
	}
	if o.Logger == nil {
		o.Logger = zaptest.NewLogger(t, zaptest.Level(zap.ErrorLevel))
	}
	if o.Now == nil {
		o.Now = clock.Now
	}
	service, err := rest.New(o, endpoints)
	if err != nil {
		t.Fatal(err)
	}
	return &Site{Service: service, Store: o.Store, Clock: clock, t: t, contract: sync.OnceValues(func() (*Contract, error) {
		document, err := json.Marshal(service.OpenAPI())
		if err != nil {
			return nil, err
		}
		return ContractOf(document)
	})}
}

// Undescribed lets endpoints that were made up for a test answer what they do not say of themselves.
func (s *Site) Undescribed() *Site {
	s.contract = nil
	return s
}

// callerHeader names the caller of a case.
const callerHeader = "Test-Caller"

// entrance lets in who a case says it is, as if a login token had been sent; other requests show their credentials.
type entrance struct{ rest.Directory }

func (e *entrance) Identify(r *http.Request) (directory.Identity, error) {
	name := r.Header.Get(callerHeader)
	if name == "" {
		return e.Directory.Identify(r)
	}
	u, err := e.User(name)
	if err != nil {
		return directory.Identity{}, err
	}
	if u == nil {
		return directory.Identity{}, &directory.CredentialError{Detail: "Invalid token"}
	}
	return directory.Identity{User: u, Scheme: directory.Bearer}, nil
}

// Do sends a request, as in Do("xia", "GET /api/profile?q=x", ""). A body is JSON; a request may have headers, "Name: value"
// each.
func (s *Site) Do(as, request, body string, headers ...string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, NewRequest(as, request, body, headers...))
	return w
}

// NewRequest is the request that Do sends.
func NewRequest(as, request, body string, headers ...string) *http.Request {
	method, target, _ := strings.Cut(request, " ")
	r := httptest.NewRequest(method, Base+target, strings.NewReader(body))
	r.RequestURI = target
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if as != "" {
		r.Header.Set(callerHeader, as)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ":")
		r.Header.Set(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return r
}
