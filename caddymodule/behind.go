package caddymodule

import (
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy/fastcgi"
	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/accessrules"
)

// What stands behind a gate and reads paths in another way than the gate does, for warnings (decision 75).

// proxy looks at a proxy: at the rewrite that it makes itself, at the scripts that it knows, and at what it does with answers.
func (s *surroundings) proxy(h *reverseproxy.Handler) {
	if s.gate != nil {
		if h.Rewrite != nil && !asks(h) {
			s.rewrite(h.Rewrite)
		}
		if transport, ok := h.Transport.(*fastcgi.Transport); ok {
			s.splits(transport)
		}
	}
	for _, response := range h.HandleResponse {
		s.walk(response.Routes)
	}
}

// splits looks at the endings of scripts that FastCGI parts from what stands behind them.
func (s *surroundings) splits(transport *fastcgi.Transport) {
	if len(s.gate.scripts) == 0 {
		return // off
	}
	for _, ending := range transport.SplitPath {
		if !s.gate.scripts.In("/x" + ending + "/y") {
			s.gate.logger.Warn("FastCGI behind the gate parts scripts of an ending from what stands behind them, which the gate does not decide on: write `scripts "+
				strings.TrimPrefix(ending, ".")+"` in the block", zap.String("gate", s.gate.Name))
		}
	}
}

// matchers looks at the matchers of a route behind a gate: those of paths ignore letter case, and rules do not.
func (s *surroundings) matchers(sets caddyhttp.MatcherSets) {
	if s.gate == nil {
		return
	}
	for _, set := range sets {
		for _, m := range set {
			paths, ok := m.(*caddyhttp.MatchPath)
			if !ok {
				continue
			}
			for _, pattern := range *paths {
				prefix, _, _ := strings.Cut(pattern, "*")
				if path, err := accessrules.Clean(prefix); err == nil && s.loose(path) {
					s.gate.logger.Warn("a matcher behind the gate takes its paths in any case of letters, and a rule for others admits them so: "+
						"write rules for what is open, and none for everything else", zap.String("gate", s.gate.Name), zap.String("matcher", pattern))
				}
			}
		}
	}
}

// loose reports whether a path in other letters comes to another rule.
func (s *surroundings) loose(path string) bool {
	set := s.gate.live.Set()
	own, _ := set.Match("GET", path)
	for _, spelling := range []string{strings.ToUpper(path), strings.ToLower(path)} {
		if other, _ := set.Match("GET", spelling); other >= 0 && other != own {
			return true
		}
	}
	return false
}
