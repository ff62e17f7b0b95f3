package caddymodule

import (
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-tollgate/tollgate/accessrules"
)

// ServeHTTP decides on a request. An error that passes through the gate, before or after admission, takes the request to the error
// handlers of the site: they may proxy, and nobody has decided that what they ask may know who is there (decision 76).
func (g *Gate) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	q := queries.Get().(*accessrules.Query)
	err := g.handle(w, r, next, q)
	*q = accessrules.Query{}
	queries.Put(q)
	if err != nil {
		g.disclaim(r)
	}
	return err
}

// queries are used again. Conditions get hold of them, so that each would be one more thing on the heap.
var queries = sync.Pool{New: func() any { return new(accessrules.Query) }}

// forgotten begin the names of the placeholders that error handlers are not given.
var forgotten = []string{"http.regexp.", "http.matchers.", "http.auth."}

// forget takes off a request the placeholders that matchers before the gate have filled, which hold parts of the path and of headers as
// they were sent, and the name of the user. The access log goes on with them.
func forget(r *http.Request) {
	before, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return
	}
	if !replaces(before, r) { // a handler before the gate, as tracing does, has made a copy: error handlers are given the request from before
		for _, begin := range forgotten {
			before.DeleteByPrefix(begin)
		}
		return
	}
	after := caddyhttp.NewTestReplacer(r) // nothing else makes one that knows a request
	after.Map(func(name string) (any, bool) {
		if slices.ContainsFunc(forgotten, func(begin string) bool { return strings.HasPrefix(name, begin) }) {
			return nil, false
		}
		return before.Get(name)
	})
}

// replaces reports whether a replacer is about this very request, and not about one that it is a copy of.
func replaces(repl *caddy.Replacer, r *http.Request) bool {
	const probe = "-"
	method := r.Method
	defer func() { r.Method = method }()
	r.Method = probe
	value, _ := repl.GetString("http.request.method")
	return value == probe
}

// disclaim takes off a request what tells who is there, and cleans its path: "/" where none can be made.
func (g *Gate) disclaim(r *http.Request) {
	g.headers.Strip(r.Header)
	g.upward.anonymous(r)
	if g.live.Form(g.live.Chosen()) == accessrules.JWTSession {
		delete(r.Header, "Authorization") // the session
	}
	forget(r)
	form := "/"
	orig, _, ok := originOf(r)
	if !ok {
		return
	}
	if path, err := readPath(orig.URL); err == nil && path.Unsure() == "" {
		form = path.Form()
	}
	if path, err := readPath(r.URL); err != nil || path.Unsure() != "" {
		setPath(r.URL, "/")
	} else {
		setPath(r.URL, path.Form())
	}
	handOriginal(r, &orig, form)
}
