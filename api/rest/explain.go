package rest

import (
	"net/http"

	"github.com/caddy-tollgate/tollgate/accessrules"
)

// A Permission is who may make a request, for whoever asks why it was refused.
type Permission struct {
	Endpoint  string // method and path of the row that answers; "" when only a rule of the gate is known
	Condition accessrules.Condition
	Params    accessrules.Params
	Rule      bool // Condition is that of a rule of the gate, in place of the class (access.md B.4)
}

// Permission says who may make a request; ok is false for a path that is none of the API's. A method that the path lacks is asked as
// the first row of the path, as it is when it comes.
func (s *Service) Permission(r *http.Request) (p Permission, ok bool) {
	rt, params := s.routes.find(r)
	if rt == nil {
		return p, false
	}
	e := rt.endpoint(r.Method)
	if e == nil {
		e = rt.endpoints[0]
	}
	p = Permission{Endpoint: e.Method + " " + e.Path, Condition: e.Condition, Params: params}
	if r.Method == http.MethodOptions {
		p.Condition = accessrules.Public // access.md A.5
		return p, true
	}
	if s.Rule != nil {
		if c, params, ok := s.Rule(r.Method, at(r, r.URL.EscapedPath())); ok {
			p.Condition, p.Params, p.Rule = c, params, true
		}
	}
	return p, true
}
