package caddymodule

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy/fastcgi"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/rewrite"
	"go.uber.org/zap"
)

// warnOfPaths tells the operator of what stands around a gate and changes paths: handlers before it, of which the block should know, and
// those after it, whose paths nobody decides on (decision 75); and of error handlers that proxy (decision 76).
func (a *App) warnOfPaths() {
	app, err := a.ctx.AppIfConfigured("http")
	if err != nil {
		return
	}
	site, ok := app.(*caddyhttp.App)
	if !ok {
		return
	}
	for _, server := range site.Servers {
		gates := 0
		for _, routes := range sitesOf(server) {
			s := surroundings{app: a, server: server, met: new(met)}
			s.walk(routes)
			s.warn()
			for _, p := range s.met.shown {
				p.gates.Store(&s.met.all)
				p.api.Store(s.met.api)
			}
			gates += s.met.gates
		}
		s := surroundings{app: a, server: server}
		if gates > 0 && server.Errors != nil && s.proxies(server.Errors.Routes) {
			a.logger.Warn("handle_errors proxies: errors that handlers before the gate raise take requests there as they came, with credentials and cookies",
				zap.Strings("listen", server.Listen))
		}
	}
}

// sitesOf are the routes of a server by site: those for some hosts each by itself, and all others together.
func sitesOf(server *caddyhttp.Server) (sites []caddyhttp.RouteList) {
	var others caddyhttp.RouteList
	for _, route := range server.Routes {
		hosts := slices.ContainsFunc(route.MatcherSets, func(set caddyhttp.MatcherSet) bool {
			return slices.ContainsFunc(set, func(m any) bool { _, ok := m.(*caddyhttp.MatchHost); return ok })
		})
		if hosts {
			sites = append(sites, caddyhttp.RouteList{route})
		} else {
			others = append(others, route)
		}
	}
	return append(sites, others)
}

// surroundings are what a walk along routes has come by.
type surroundings struct {
	app    *App
	server *caddyhttp.Server
	met    *met
	depth  int
	way
}

// A way is what a request has come by.
type way struct {
	stripped []string // prefixes
	rewrites bool     // other changes of paths
	gate     *Gate    // that was passed last
	around   bool     // … by some, since its route has a matcher
}

// met is what a walk has found on any way.
type met struct {
	shown []*Pages
	all   []*Gate
	gates int
	first *Gate
	api   *API     // the first
	open  []string // upstreams of proxies that no gate stands before
}

// warn tells of a gate that nobody can log in for, and of proxies that it does not stand before.
func (s *surroundings) warn() {
	if s.met.gates == 0 {
		return
	}
	g := s.met.first
	if s.met.api == nil {
		g.logger.Warn("there is no `tollgate_api` on the site of this gate: nobody can log in there; write it before the gate", g.place()...)
	}
	if len(s.met.open) > 0 {
		g.logger.Warn("a proxy stands before the gate or beside it, and nobody decides on what it passes on: write it behind the gate, "+
			"or put a gate before it", g.place(zap.Strings("upstreams", slices.Compact(slices.Sorted(slices.Values(s.met.open)))))...)
	}
}

// place says which gate is meant, and where its rules begin.
func (g *Gate) place(more ...zap.Field) []zap.Field {
	fields := []zap.Field{zap.String("gate", g.Name)}
	if len(g.Rules) > 0 {
		fields = append(fields, zap.String("rule", g.Rules[0].Source))
	}
	return append(fields, more...)
}

func (s *surroundings) walk(routes caddyhttp.RouteList) {
	if s.depth++; s.depth > deepest {
		return
	}
	defer func() { s.depth-- }()
	groups := map[string]way{}   // how requests come to each
	var gated []*caddyhttp.Route // that lead some requests through a gate
	for i := range routes {
		route, before, group := &routes[i], s.way, routes[i].Group
		if group != "" { // one of its routes is gone, and no other
			if first, ok := groups[group]; ok {
				s.way = first
			}
			groups[group] = s.way
		}
		if slices.ContainsFunc(gated, func(g *caddyhttp.Route) bool { return within(route, g) }) {
			s.around = false
		}
		s.matchers(route.MatcherSets)
		for _, h := range route.Handlers {
			s.pass(h)
		}
		switch {
		case route.Terminal:
			s.way = before
		case group != "":
			s.way = before.or(s.way)
		case len(route.MatcherSets) == 0:
		case before.gate == nil && s.gate != nil:
			s.around = true
			gated = append(gated, route)
		default:
			s.around = before.around
		}
	}
}

// within reports whether all requests for a route are for another one as well, by the paths or by all that both match.
func within(route, other *caddyhttp.Route) bool {
	text, err := json.Marshal(route.MatcherSets)
	if all, err2 := json.Marshal(other.MatcherSets); err == nil && err2 == nil && string(text) == string(all) {
		return len(route.MatcherSets) > 0
	}
	for _, set := range route.MatcherSets {
		covered := slices.ContainsFunc(set, func(m any) bool {
			paths, ok := m.(*caddyhttp.MatchPath)
			return ok && !slices.ContainsFunc(*paths, func(p string) bool { return !covers(other, strings.TrimRight(p, "*/")) })
		})
		if !covered {
			return false
		}
	}
	return len(route.MatcherSets) > 0
}

// or is one way or the other: a gate on the other alone decides on nothing that comes next.
func (w way) or(other way) way {
	w.stripped = slices.Concat(w.stripped, other.stripped)
	w.rewrites = w.rewrites || other.rewrites
	return w
}

func (s *surroundings) pass(h caddyhttp.MiddlewareHandler) {
	switch h := h.(type) {
	case *Gate:
		s.arrive(h)
	case *API:
		s.met.api = cmp.Or(s.met.api, h)
	case *Pages:
		s.met.shown = append(s.met.shown, h)
	case *caddyhttp.Subroute:
		s.walk(h.Routes)
	case *caddyhttp.Invoke:
		if route := s.server.NamedRoutes[h.Name]; route != nil {
			s.walk(caddyhttp.RouteList{*route})
		}
	case *rewrite.Rewrite:
		s.rewrite(h)
	case *reverseproxy.Handler:
		s.proxy(h)
		if (s.gate == nil || s.around) && !asks(h) {
			for _, u := range h.Upstreams {
				s.met.open = append(s.met.open, u.Dial)
			}
		}
		if s.gate == nil || len(s.gate.Stripped) == 0 {
			return
		}
		text, _ := json.Marshal(h)
		if _, ok := h.Transport.(*fastcgi.Transport); ok || strings.Contains(string(text), "http.request.orig_uri") {
			s.gate.logger.Warn("stripped: the application behind this gate is told the path with its prefix, which is not decided on (REQUEST_URI of FastCGI, "+
				"{http.request.orig_uri}): leave stripped out, and write the rules with the prefix", s.gate.place(zap.Strings("stripped", s.gate.Stripped))...)
		}
	}
}

// asks reports whether a proxy is one of forward_auth, which asks somebody and goes on.
func asks(h *reverseproxy.Handler) bool {
	return len(h.HandleResponse) > 0 && h.Rewrite != nil && h.Rewrite.Method != ""
}

func (s *surroundings) arrive(g *Gate) {
	s.met.all = append(s.met.all, g)
	if s.met.gates++; s.met.first == nil {
		s.met.first = g
	}
	s.gate, s.around = g, false
	for _, prefix := range slices.Compact(slices.Sorted(slices.Values(s.stripped))) {
		if path, err := checkStripped(prefix); err == nil && !slices.Contains(g.Stripped, path) {
			g.logger.Warn("a prefix is stripped before the gate, which decides on the path that was sent as well: write `stripped "+path+
				"` in the block, or rules for both", g.place(zap.String("prefix", path))...)
		}
	}
	if s.rewrites {
		g.logger.Warn("paths are rewritten before the gate: it decides on the path that was sent and on the one at hand", g.place()...)
	}
	s.stripped, s.rewrites = nil, false
}

func (s *surroundings) rewrite(h *rewrite.Rewrite) {
	if h.URI == "{http.matchers.file.relative}" && s.gate != nil {
		return // php_fastcgi looks for a file
	}
	changes := h.URI != "" && h.URI[0] != '?' || h.StripPathSuffix != "" || len(h.URISubstring) > 0 || len(h.PathRegexp) > 0
	switch {
	case s.gate != nil && (changes || h.StripPathPrefix != ""):
		s.gate.logger.Warn("paths are rewritten after the gate: what a rewrite there makes is not decided on; write it before the gate", s.gate.place()...)
	case h.StripPathPrefix != "":
		s.stripped = append(s.stripped, h.StripPathPrefix)
	case changes:
		s.rewrites = true
	}
}

// proxies reports whether something among routes is a proxy.
func (s *surroundings) proxies(routes caddyhttp.RouteList) bool {
	if s.depth++; s.depth > deepest {
		return false
	}
	defer func() { s.depth-- }()
	for i := range routes {
		for _, h := range routes[i].Handlers {
			switch h := h.(type) {
			case *reverseproxy.Handler:
				return true
			case *caddyhttp.Subroute:
				if s.proxies(h.Routes) {
					return true
				}
			case *caddyhttp.Invoke:
				if route := s.server.NamedRoutes[h.Name]; route != nil && s.proxies(caddyhttp.RouteList{*route}) {
					return true
				}
			}
		}
	}
	return false
}
