package caddymodule

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/rest"
)

// parseOrigins reads what `origin` says: `same`, `any`, or origins that may send besides the site's own.
func parseOrigins(words []string) ([]string, error) {
	if len(words) == 0 {
		return nil, fmt.Errorf("origin: write `same`, `any`, or the origins that may send, as in https://app.example.com")
	}
	for _, word := range words {
		if len(words) == 1 && (word == "same" || word == "any") {
			continue
		}
		if !isOrigin(word) {
			return nil, fmt.Errorf("origin: %q is no origin: write `same`, `any`, or some like https://app.example.com", word)
		}
	}
	if err := twice(words); err != nil {
		return nil, fmt.Errorf("origin: %w", err)
	}
	return words, nil
}

// foreign reports whether a page of another site made a browser send a request that says by itself who sends it (decision 119): with a
// method that changes something, or for a WebSocket, which any page may open. A program sends neither Origin nor Sec-Fetch-Site.
//
// Where several rules admit a request, since it asks for several paths, each of them must allow the origin.
func (g *Gate) foreign(r *http.Request, id *directory.Identity, d *accessrules.Decision, q *accessrules.Query, methods []string) bool {
	if !id.Ambient || safe(q.Method) && !slices.ContainsFunc(methods, unsafe) && !accessrules.IsWebSocket(r) {
		return false
	}
	return g.refusesOrigin(r, d.Rule) || slices.ContainsFunc(d.Beside, func(rule *accessrules.Rule) bool { return g.refusesOrigin(r, rule) })
}

// origins are those that may send what a rule admits.
func (g *Gate) origins(rule *accessrules.Rule) []string {
	switch {
	case len(rule.Origins) > 0:
		return rule.Origins
	case len(g.Origin) > 0:
		return g.Origin
	}
	return []string{"same"}
}

// refusesOrigin reports whether a rule does not allow where a request comes from. `url` is the site's own, but where hosts share sessions
// it is foreign to the others.
func (g *Gate) refusesOrigin(r *http.Request, rule *accessrules.Rule) bool {
	allowed := g.origins(rule)
	if len(allowed) == 1 && allowed[0] == "any" {
		return false
	}
	sent := r.Header["Origin"]
	switch {
	case len(sent) == 0 || len(sent) == 1 && rest.OwnOrigin(origin(r), sent[0]):
		return rest.FetchedByOthers(r.Header) != ""
	case len(sent) > 1:
		return true
	}
	from := rest.CanonicalOrigin(sent[0])
	return (from != rest.CanonicalOrigin(g.app.origin(r)) || g.app.sibling(r)) &&
		!slices.ContainsFunc(allowed, func(o string) bool { return rest.CanonicalOrigin(o) == from })
}

func safe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions || method == http.MethodTrace
}

func unsafe(method string) bool { return !safe(method) }
