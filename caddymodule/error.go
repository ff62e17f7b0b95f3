package caddymodule

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-tollgate/tollgate/accessrules"
)

// ServeHTTP decides on a request. An error that passes through the gate, before or after admission, takes the request to the error
// handlers of the site: they may proxy, and nobody has decided that what they ask may know who is there (decision 76).
func (g *Gate) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	err := g.handle(w, r, next)
	if err != nil {
		g.disclaim(r)
	}
	return err
}

// keptPlaceholders are those that error handlers are given.
var keptPlaceholders = []string{"http.tollgate.reason", "http.tollgate.detail", "http.tollgate.rule", upstreamPlaceholder}

// forget gives a request other placeholders, as if it had just come: matchers before the gate have left parts of the path and of headers
// as they were sent, and the gate the name of the user. The access log goes on with those from before.
func forget(r *http.Request) {
	before, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return
	}
	after := caddyhttp.NewTestReplacer(r) // there is no other way to make one of a request
	for _, name := range keptPlaceholders {
		if value, ok := before.Get(name); ok {
			after.Set(name, value)
		}
	}
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
	}
	handOriginal(r, form)
}
