package caddymodule

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/directory"
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

// refusesOrigin reports whether a rule does not allow where a request comes from.
func (g *Gate) refusesOrigin(r *http.Request, rule *accessrules.Rule) bool {
	allowed := g.origins(rule)
	if len(allowed) == 1 && allowed[0] == "any" {
		return false
	}
	if sent := r.Header["Origin"]; len(sent) > 0 {
		return len(sent) > 1 || !g.app.ownOrigin(r, sent[0]) && !slices.ContainsFunc(allowed, func(o string) bool { return strings.EqualFold(o, sent[0]) })
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
		return false
	}
	return true
}

func safe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions || method == http.MethodTrace
}

func unsafe(method string) bool { return !safe(method) }

// ownOrigin reports whether an origin is the site's: the host that was asked, or `url`. Something before Caddy may have taken the
// encryption off, and then the page came by https. Where hosts share sessions, `url` is foreign to the others.
func (a *App) ownOrigin(r *http.Request, sent string) bool {
	own := origin(r)
	if strings.EqualFold(sent, own) || strings.EqualFold(sent, a.origin(r)) && !a.sibling(r) {
		return true
	}
	scheme, host, _ := strings.Cut(own, "://")
	return scheme == "http" && strings.EqualFold(sent, "https://"+host)
}
