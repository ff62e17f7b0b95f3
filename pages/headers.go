package pages

import (
	"net/http"
	"net/url"
	"strings"
)

// policy is what browsers may load and do on a page (pages.md 1): nothing but what is ours.
const policy = "default-src 'none'; base-uri 'none'; connect-src 'self'; font-src 'self'; frame-ancestors 'none'; img-src 'self'; " +
	"script-src 'self'; style-src 'self'; form-action 'self'"

// headers are those of every page.
func (q *Request) headers() http.Header {
	h := q.w.Header()
	csp := policy
	for _, origin := range q.site.Hosts().Sources() { // a form may lead back to where its visitor was on the way to
		csp += " " + origin
	}
	h.Set("Content-Security-Policy", csp)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	h.Set("Cache-Control", "no-store")
	h["Vary"] = append(h["Vary"], "Accept-Language, Cookie")
	h.Set("Referrer-Policy", "same-origin")
	if q.Page.Secret || secretQuery(q.HTTP) || q.site.leadsToSecret(q.HTTP.URL.Query().Get("next")) {
		h.Set("Referrer-Policy", "no-referrer")
	}
	return h
}

// secretQuery reports whether the query of a request holds a key.
func secretQuery(r *http.Request) bool {
	return strings.Contains(r.URL.RawQuery, "code=") || strings.Contains(r.URL.RawQuery, "key=")
}

// leadsToSecret reports whether a way on, or one behind it, is a page whose address holds a key: that is in the address of this page then.
func (s *Site) leadsToSecret(next string) bool {
	for range 8 { // as deep as the pages themselves go, and more
		u, err := url.Parse(next)
		if err != nil || next == "" {
			return false
		}
		if path, ok := strings.CutPrefix(u.Path, s.Prefix); ok {
			if p, _ := s.routes.find(path); p != nil && p.Secret {
				return true
			}
		}
		next = u.Query().Get("next")
	}
	return false
}
