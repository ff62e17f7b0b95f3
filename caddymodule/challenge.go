package caddymodule

import (
	"net/http"
	"strings"
)

// challenges are the words of `challenge`.
var challenges = []string{"bearer", "basic", "both", "off"}

// challenge says with a 401 how one may log in (decision 116): programs by either scheme, since many know Basic alone; everybody else by
// Bearer, as browsers ask people for a password where they see Basic. Both have a realm, without which many take no notice.
func (g *Gate) challenge(h http.Header, r *http.Request) {
	realm := ` realm="` + g.app.Broker.Slug + `"`
	bearer, basic := "Bearer"+realm, "Basic"+realm+`, charset="UTF-8"`
	switch g.Challenge {
	case "off":
		return
	case "bearer":
		h["Www-Authenticate"] = []string{bearer}
	case "basic":
		h["Www-Authenticate"] = []string{basic}
	case "both":
		h["Www-Authenticate"] = []string{bearer, basic}
	default:
		if h["Www-Authenticate"] = []string{bearer}; g.isProgram(r) {
			h["Www-Authenticate"] = []string{bearer, basic}
		}
	}
}

// isProgram reports whether nothing about a request speaks of a browser.
func (g *Gate) isProgram(r *http.Request) bool {
	for name := range r.Header {
		if name == "Origin" || name == "X-Requested-With" || strings.HasPrefix(name, "Sec-Fetch-") {
			return false
		}
	}
	for _, accept := range r.Header["Accept"] {
		if strings.Contains(strings.ToLower(accept), "text/html") {
			return false
		}
	}
	own := g.upward.ownCookies()
	for _, line := range r.Header["Cookie"] {
		if len(own.without(line)) != len(line) {
			return false
		}
	}
	return !strings.Contains(r.UserAgent(), "Mozilla/")
}
