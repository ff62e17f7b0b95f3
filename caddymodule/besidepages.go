package caddymodule

import (
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/pages"
)

// Pages beside an application that has addresses of its own (pages.md 5): the pages answer first, and whatever is written for the
// application never comes to it. An operator is told so.

// wanted is a page that has an address which a path means, nil for none. A page that gives way is nobody's loss.
func (p *Pages) wanted(path string) *pages.Page {
	path, ok := strings.CutPrefix(strings.TrimRight(path, "*"), p.Prefix)
	words := segments(path)
	if !ok || len(words) == 0 {
		return nil
	}
	table := p.site.Table()
	for i := range table {
		if !table[i].Yields && begins(segments(table[i].Path), words) {
			return &table[i]
		}
	}
	return nil
}

func segments(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

// begins reports whether the segments of a page begin with some, of which each may stand for any.
func begins(page, words []string) bool {
	if len(words) > len(page) {
		return false
	}
	for i, w := range words {
		if w != page[i] && !strings.HasPrefix(w, "{") && !strings.HasPrefix(w, ":") {
			return false
		}
	}
	return true
}

// warnOf tells of matchers of a route that want the address of a page.
func (p *Pages) warnOf(route *caddyhttp.Route) {
	for _, set := range route.MatcherSets {
		for _, m := range set {
			paths, ok := m.(*caddyhttp.MatchPath)
			if !ok {
				continue
			}
			for _, path := range *paths {
				if page := p.wanted(path); page != nil {
					p.logger.Warn("a matcher wants an address that a page has, which answers it first: give the pages a `prefix`, leave the address "+
						"to the application with `except`, or leave the matcher out", zap.String("path", path), zap.String("page", p.Prefix+page.Path))
				}
			}
		}
	}
}

// warnOfRules tells of rules of a gate that want the address of a page.
func (p *Pages) warnOfRules(g *Gate) {
	rules := g.live.Fixed()
	for i := range rules {
		r := &rules[i]
		if strings.HasPrefix(strings.TrimLeft(r.Path, "/"), "{") {
			continue // whatever the first segment is
		}
		if page := p.wanted(r.Path); page != nil {
			p.logger.Warn("a rule wants an address that a page has, which answers it first: give the pages a `prefix`, leave the address "+
				"to the application with `except`, or leave the rule out", place(r, zap.String("page", p.Prefix+page.Path))...)
		}
	}
}
