package rest

import (
	"errors"
	"fmt"
	"net/http"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/store"
)

// ServeHTTP answers a request under /api.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &Call{service: s, w: w, r: r, Now: store.At(s.Now()), Client: s.Client(r)}
	defer c.release()
	defer c.leave()
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler {
				panic(p)
			}
			c.Log().Error("panic in an endpoint", zap.Any("panic", p), zap.Stack("stack"))
			if !c.sent {
				c.send(c.failed(errServer))
			}
		}
	}()
	if err := s.serve(c); err != nil {
		c.send(s.failure(c, err))
	}
}

// serve goes through the checks in the order of conventions.md 9.3.
func (s *Service) serve(c *Call) error {
	h := c.w.Header()
	h["Content-Language"] = []string{"en"}
	h["Vary"] = append(h["Vary"], "Accept, Accept-Language, Cookie, DNT")
	h["X-Frame-Options"] = []string{"DENY"}
	h["X-Content-Type-Options"] = []string{"nosniff"}
	h["Cache-Control"] = []string{"no-store"} // most answers are about somebody, and no cache may keep them
	s.CORS(h, c.r)
	rt, params := s.routes.find(c.r)
	if rt == nil {
		return errNotFound
	}
	c.route = rt
	h["Allow"] = []string{rt.allow}
	if err := c.enter(); err != nil {
		return err
	}
	if c.r.Method == http.MethodOptions {
		c.send(s.describe(c, rt, params))
		return nil
	}
	if !s.Store.Ready() {
		return store.ErrUnavailable
	}
	e := rt.endpoint(c.r.Method)
	c.endpoint = e
	refused, err := s.gate(c, rt, e, params)
	if err != nil {
		return err
	}
	if e != nil && e.opts.shared && c.User == nil && refused == nil {
		delete(h, "Cache-Control")
	}
	if err := c.negotiate(e); err != nil {
		return err
	}
	if refused != nil {
		return refused
	}
	if err := s.checkCSRF(c); err != nil {
		return err
	}
	if e == nil {
		return Fail(http.StatusMethodNotAllowed, fmt.Sprintf("Method %q not allowed.", c.r.Method))
	}
	if c.accept.csv {
		return c.sendCSV()
	}
	out, err := e.run(c)
	if err != nil {
		return err
	}
	a, err := c.answer(out)
	if err != nil {
		return err
	}
	c.send(a)
	return nil
}

// gate finds out who calls, and asks the condition of the endpoint. A bad credential on a public endpoint is no refusal of the
// gate: it comes back as refused, for later.
func (s *Service) gate(c *Call, rt *route, e *Endpoint, params accessrules.Params) (refused, err error) {
	identity, err := s.Directory.Identify(c.r)
	var bad *directory.CredentialError
	switch {
	case errors.As(err, &bad):
		refused = unauthorized(bad.Detail)
	case err != nil:
		return nil, unavailable(err)
	case identity.Foreign != nil: // behind the API there is no application that it could be for
		refused = unauthorized(identity.Foreign.Detail)
	default:
		c.Identity = identity
	}
	if refused != nil {
		failedLogin{DoorCredentials, ReasonInvalid}.count() // a session that has ended is no reason to log a line, or to shut its user out
	}
	c.Query = s.ask(c, params)
	q := *c.Query
	v := s.condition(c, rt, e, &q).Check(&q)
	if v.OK() {
		return refused, nil
	}
	return nil, s.refuse(c, v, refused)
}

// ask is the question that conditions answer.
func (s *Service) ask(c *Call, params accessrules.Params) *accessrules.Query {
	return &accessrules.Query{
		Facts: s.Directory, Now: c.Now.Time, Caller: c.User, Method: c.r.Method, Params: params,
		Page: accessrules.IsPage(c.r), Form: accessrules.IsForm(c.r), ReadOnly: s.ReadOnly,
	}
}

// condition is who may call an endpoint: a rule of the gate over its path, or its own. A method that the path lacks is asked as
// the first row of the path: who may not call that is told nothing about methods. The parameters of a rule replace those of q.
func (s *Service) condition(c *Call, rt *route, e *Endpoint, q *accessrules.Query) accessrules.Condition {
	if s.Rule != nil {
		if condition, params, ok := s.Rule(q.Method, at(c.r, c.r.URL.EscapedPath())); ok {
			q.Params = params
			return condition
		}
	}
	if e == nil {
		e = rt.endpoints[0]
	}
	return e.Condition
}

// refuse is the answer to a refused caller (access.md A.5).
func (s *Service) refuse(c *Call, v accessrules.Verdict, bad error) error {
	if v.Reason == accessrules.NotActivated && s.NotActivated != nil {
		s.NotActivated(c.User)
	}
	person := c.Query.Page || c.Query.Form
	if person && v.Target != "" {
		if target := s.Pages(v.Target); target != "" {
			return &redirect{location: s.SendTo(c.r, target, at(c.r, c.r.URL.RequestURI()))}
		}
	}
	c.page = person
	switch v.Status() {
	case http.StatusServiceUnavailable:
		return unavailable(v.Err)
	case http.StatusNotFound:
		return errNotFound
	case http.StatusUnauthorized:
		if bad != nil {
			return bad
		}
		return errNoCredentials
	}
	return errDenied
}

// redirect is an answer in the place of an error: 302.
type redirect struct{ location string }

func (r *redirect) Error() string { return "redirect to " + r.location }

// failure is the answer to an error, of a check or of an operation.
func (s *Service) failure(c *Call, err error) answer {
	var to *redirect
	if errors.As(err, &to) {
		return answer{status: http.StatusFound, location: to.location}
	}
	e := errorOf(err)
	e.limit.count()
	c.linger(e)
	c.logFailure(e, err)
	return c.failed(e)
}

// logFailure logs what only the log may know of an error.
func (c *Call) logFailure(e *Error, err error) {
	switch {
	case e.Status == http.StatusInternalServerError:
		c.Log().Error("an endpoint failed", zap.Error(err))
	case e.Err != nil && e.Status >= http.StatusInternalServerError:
		c.Log().Warn("an endpoint is unavailable", zap.Int("status", e.Status), zap.Error(e.Err))
	case e.Err != nil:
		c.Log().Info("an endpoint refused", zap.Int("status", e.Status), zap.Error(e.Err))
	}
}
