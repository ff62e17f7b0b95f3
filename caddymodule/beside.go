package caddymodule

import (
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
)

// The API beside an application that has paths of its own below its prefix (decision 115): those go on where a gate decides on them.

// besides tells each API of a configuration whether a gate comes after it, and warns of whatever wants an address of the API's.
func (a *App) besides() {
	served, err := a.ctx.AppIfConfigured("http")
	if err != nil {
		return
	}
	app, ok := served.(*caddyhttp.App)
	if !ok {
		return
	}
	for _, server := range app.Servers {
		a.besideIn(server.Routes)
		for _, route := range server.NamedRoutes {
			a.besideIn(caddyhttp.RouteList{*route})
		}
	}
}

func (a *App) besideIn(routes caddyhttp.RouteList) {
	var api *API
	var shown *Pages
	for i := range routes {
		if shown != nil {
			shown.warnOf(&routes[i])
		}
		for _, h := range routes[i].Handlers {
			switch h := h.(type) {
			case *API:
				api = h
			case *Pages:
				shown = h
			case *caddyhttp.Subroute:
				a.besideIn(h.Routes)
			case *Gate:
				if shown != nil {
					shown.warnOfRules(h)
				}
				if api != nil {
					api.gated.Store(api.gated.Load() || covers(&routes[i], api.Prefix))
				}
			}
		}
		if api != nil {
			api.warnOf(&routes[i])
		}
	}
}

// covers reports whether a route takes every request below a prefix: it has no matcher, or one of paths alone that does.
func covers(route *caddyhttp.Route, prefix string) bool {
	if len(route.MatcherSets) == 0 {
		return true
	}
	for _, set := range route.MatcherSets {
		if len(set) != 1 {
			continue
		}
		paths, ok := set[0].(*caddyhttp.MatchPath)
		if !ok {
			continue
		}
		for _, p := range *paths {
			if open, ok := strings.CutSuffix(p, "*"); ok && !strings.Contains(open, "*") && strings.HasPrefix(prefix+"/", open) {
				return true
			}
		}
	}
	return false
}

// warnOf tells of a matcher that wants an address of the API's, which never comes to it.
func (a *API) warnOf(route *caddyhttp.Route) {
	for _, set := range route.MatcherSets {
		for _, m := range set {
			paths, ok := m.(*caddyhttp.MatchPath)
			if !ok {
				continue
			}
			for _, p := range *paths {
				if p = strings.TrimRight(p, "*"); len(p) > len(a.Prefix)+1 && a.below(p) && a.app.service.Owns(a.Prefix, p) {
					a.logger.Warn("a matcher wants an address of the API, which answers it first: give the API another place, with `tollgate_api { prefix /tollgate }`, or leave the matcher out",
						zap.String("path", p))
				}
			}
		}
	}
}
