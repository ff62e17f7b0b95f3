package caddymodule

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/rewrite"
)

// A passage is where Caddy's routes lead a request: to a gate, to the API, or past both.
type passage struct {
	gate *Gate
	api  bool
	r    *http.Request // as it comes there: rewritten, if a route rewrites it
}

// answering are handlers that answer by themselves: what stands behind them is never reached.
var answering = []caddy.ModuleID{"http.handlers.static_response", "http.handlers.error", "http.handlers.reverse_proxy"}

// passageOf follows the routes of a configuration, by their matchers, without running any handler but rewrites. A request for a port
// that no server listens on is tried on all of them: something stands before Caddy.
func passageOf(app *caddyhttp.App, method string, u *url.URL) (passage, error) {
	names := make([]string, 0, len(app.Servers))
	for name := range app.Servers {
		names = append(names, name)
	}
	slices.Sort(names)
	if on := listening(app, names, port(u)); len(on) > 0 {
		names = on
	}
	for _, name := range names {
		server, repl := app.Servers[name], caddy.NewReplacer()
		r, err := http.NewRequest(method, u.String(), nil)
		if err != nil {
			return passage{}, err
		}
		r.RequestURI, r.RemoteAddr = u.RequestURI(), "127.0.0.1:1"
		if u.Scheme == "https" {
			r.TLS = &tls.ConnectionState{ServerName: u.Hostname(), HandshakeComplete: true}
		}
		r = caddyhttp.PrepareRequest(r, repl, nowhere{}, server)
		walk := &walker{server: server, repl: repl, groups: map[string]bool{}, at: passage{r: r}}
		if _, err := walk.through(server.Routes); err != nil {
			return passage{}, err
		}
		if walk.at.gate != nil || walk.at.api {
			return walk.at, nil
		}
	}
	return passage{}, nil
}

// listening are the servers that listen on a port.
func listening(app *caddyhttp.App, names []string, port uint) (on []string) {
	for _, name := range names {
		for _, address := range app.Servers[name].Listen {
			a, err := caddy.ParseNetworkAddress(address)
			if err == nil && a.StartPort <= port && port <= a.EndPort {
				on = append(on, name)
				break
			}
		}
	}
	return on
}

func port(u *url.URL) uint {
	text := u.Port()
	if text == "" {
		if text = "80"; u.Scheme == "https" {
			text = "443"
		}
	}
	n, _ := strconv.ParseUint(text, 10, 16)
	return uint(n)
}

// A walker goes through routes as Caddy does.
type walker struct {
	server *caddyhttp.Server
	repl   *caddy.Replacer
	groups map[string]bool // whose route has been taken
	depth  int
	at     passage
}

// deepest is how far routes are followed into each other: a named one may invoke itself.
const deepest = 100

// through reports whether the way ends within the routes.
func (w *walker) through(routes caddyhttp.RouteList) (ends bool, err error) {
	if w.depth++; w.depth > deepest {
		return true, errQuestion{errors.New("the routes of the configuration lead round in a circle")}
	}
	defer func() { w.depth-- }()
	for i := range routes {
		route := &routes[i]
		if w.groups[route.Group] {
			continue // "" never is
		}
		matches, err := route.MatcherSets.AnyMatchWithError(w.at.r)
		if err != nil {
			return true, err
		}
		if !matches {
			continue
		}
		if route.Group != "" {
			w.groups[route.Group] = true
		}
		for _, h := range route.Handlers {
			if ends, err := w.pass(h); ends || err != nil {
				return true, err
			}
		}
		if route.Terminal {
			return true, nil
		}
	}
	return false, nil
}

func (w *walker) pass(h caddyhttp.MiddlewareHandler) (ends bool, err error) {
	switch h := h.(type) {
	case *Gate:
		w.at.gate = h
		return true, nil
	case *API:
		serve, r := h.handler(w.at.r)
		if w.at.api = serve != nil; w.at.api {
			w.at.r = r
		}
		return w.at.api, nil
	case *caddyhttp.Subroute:
		return w.through(h.Routes)
	case *caddyhttp.Invoke:
		if route := w.server.NamedRoutes[h.Name]; route != nil {
			return w.through(caddyhttp.RouteList{*route})
		}
	case *rewrite.Rewrite:
		h.Rewrite(w.at.r, w.repl)
	case *caddyhttp.VarsMiddleware: // as root is, which matchers of files read
		return false, h.ServeHTTP(nowhere{}, w.at.r, caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil }))
	case caddy.Module:
		return slices.Contains(answering, h.CaddyModule().ID), nil
	}
	return false, nil
}

// nowhere is the writer of an answer that nobody waits for.
type nowhere struct{}

func (nowhere) Header() http.Header         { return http.Header{} }
func (nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (nowhere) WriteHeader(int)             {}
