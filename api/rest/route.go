package rest

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/go-chi/chi/v5"

	"github.com/caddy-tollgate/tollgate/accessrules"
)

// methods in the order of the header Allow (conventions.md 4).
var methods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodHead, http.MethodOptions}

// route is a path of the table, with the endpoints that it has.
type route struct {
	path      string
	allow     string // value of the header
	endpoints []*Endpoint
}

// endpoint returns the row that answers a method, nil for none. GET answers HEAD.
func (rt *route) endpoint(method string) *Endpoint {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for _, e := range rt.endpoints {
		if e.Method == method {
			return e
		}
	}
	return nil
}

// router finds routes: literal segments before parameters, each parameter with its characters (conventions.md 1.1).
type router struct {
	mux    *chi.Mux
	routes map[string]*route // by the pattern of mux
}

const (
	slugClass = `[-a-zA-Z0-9_]+`
	keyClass  = `[a-f0-9]{40}`
	rankClass = `[0-9]+`
	nameClass = `[-a-zA-Z0-9_+.@]+`
)

// classes of parameters that are not slugs.
var classes = map[string]string{
	"verification_key": keyClass,
	"grant_key":        keyClass,
	"request_key":      keyClass,
	"rank":             rankClass,
	"cartitem_id":      rankClass,
}

// exceptions are parameters of one path.
var exceptions = map[string]string{
	"/api/profile/{profile}/roles/{role}/{user}":                     nameClass,
	"/api/profile/{profile}/plans/{plan}/subscriptions/{subscriber}": nameClass, // of a grant that waits: what was typed
	"/api/proxy/rules/{path}":                                        "*",
}

var (
	parameter     = regexp.MustCompile(`^\{([a-z_]+)\}$`)
	parameterName = regexp.MustCompile(`\{[a-z_]+`)
)

func newRouter(endpoints []Endpoint) (router, error) {
	rs := router{mux: chi.NewMux(), routes: make(map[string]*route)}
	shapes := make(map[string]string) // pattern without the names of parameters → path
	for i := range endpoints {
		e := &endpoints[i]
		if e.Condition == nil {
			return rs, fmt.Errorf("rest: %s %s has no condition", e.Method, e.Path)
		}
		if !slices.Contains(methods[:5], e.Method) {
			return rs, fmt.Errorf("rest: %s %s: the method is not one of an endpoint", e.Method, e.Path)
		}
		pattern, err := patternOf(e.Path)
		if err != nil {
			return rs, err
		}
		rt := rs.routes[pattern]
		if rt == nil {
			rt = &route{path: e.Path}
			rs.routes[pattern] = rt
			rs.mux.Get(pattern, func(http.ResponseWriter, *http.Request) {})
		}
		shape := parameterName.ReplaceAllString(pattern, "{")
		if other, ok := shapes[shape]; ok && other != e.Path {
			return rs, fmt.Errorf("rest: %s and %s cannot be told apart", other, e.Path)
		}
		shapes[shape] = e.Path
		if slices.ContainsFunc(rt.endpoints, func(o *Endpoint) bool { return o.Method == e.Method }) {
			return rs, fmt.Errorf("rest: %s %s is there twice", e.Method, e.Path)
		}
		rt.endpoints = append(rt.endpoints, e)
	}
	for _, rt := range rs.routes {
		var allow []string
		for _, m := range methods {
			if m == http.MethodOptions || rt.endpoint(m) != nil {
				allow = append(allow, m)
			}
		}
		rt.allow = strings.Join(allow, ", ")
	}
	return rs, nil
}

// patternOf is a path of the contract in chi's words.
func patternOf(path string) (string, error) {
	if path != "/api" && !strings.HasPrefix(path, "/api/") {
		return "", fmt.Errorf("rest: the path %q is not below /api", path)
	}
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if !strings.ContainsAny(s, "{}*") {
			continue
		}
		m := parameter.FindStringSubmatch(s)
		if m == nil {
			return "", fmt.Errorf("rest: the path %q has a segment %q that is neither literal nor a parameter", path, s)
		}
		class := classOf(path, m[1], i == len(segments)-1)
		if class == "*" {
			segments[i] = class
			continue
		}
		segments[i] = "{" + m[1] + ":" + class + "}"
	}
	return strings.Join(segments, "/"), nil
}

// classOf are the characters of a parameter of a path; "*" for all. last says that it is the last segment.
func classOf(path, name string, last bool) string {
	if class, ok := exceptions[path]; ok && last {
		return class
	}
	if class := classes[name]; class != "" {
		return class
	}
	return slugClass
}

var contexts = sync.Pool{New: func() any { return chi.NewRouteContext() }}

// find returns the route of a request and the parameters of its path. The path is matched once it is decoded; one whose decoded
// form would have other segments (an encoded slash) has no route.
func (rs *router) find(r *http.Request) (*route, accessrules.Params) {
	path := r.URL.Path
	if raw := r.URL.RawPath; raw != "" && strings.Count(raw, "/") != strings.Count(path, "/") {
		return nil, nil
	}
	ctx := contexts.Get().(*chi.Context)
	defer contexts.Put(ctx)
	ctx.Reset()
	rt := rs.routes[rs.mux.Find(ctx, http.MethodGet, path)]
	if rt == nil {
		return nil, nil
	}
	var params accessrules.Params
	if n := len(ctx.URLParams.Keys); n > 0 {
		params = make(accessrules.Params, n)
		for i, name := range ctx.URLParams.Keys {
			value := ctx.URLParams.Values[i]
			switch {
			case name == "*":
				name = "path"
			case value == "": // chi lets an empty segment stand for a parameter, whatever its class
				return nil, nil
			}
			params[i] = accessrules.Param{Name: name, Value: value}
		}
	}
	return rt, params
}
