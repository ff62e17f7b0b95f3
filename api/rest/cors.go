package rest

import (
	"net"
	"net/http"
	"net/url"
	"strings"

	"go.uber.org/zap"
)

// trusted reports whether scripts of an origin may act for the callers of the API: the site itself by its configured address, and
// the listed ones.
func (s *Service) trusted(origin string) bool {
	origin = CanonicalOrigin(origin)
	return s.origins[origin] || s.BaseURL != "" && origin == CanonicalOrigin(s.BaseURL)
}

// CORS tells a browser that scripts of an origin may read the answer (conventions.md 3.1, access.md B.9): of a listed one, and, where
// some are listed and the site is restricted to its own domains, of one of those. No other is ever reflected; it is logged.
func (s *Service) CORS(h http.Header, r *http.Request) {
	if len(s.origins) > 0 {
		h.Add("Vary", "Origin")
	}
	origin := r.Header.Get("Origin")
	if origin == "" || !s.origins[CanonicalOrigin(origin)] && !s.near(r, origin) {
		return
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Credentials", "true")
	h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS")
	h.Set("Access-Control-Allow-Headers", "Origin, X-Requested-With, Content-Type, Accept, X-CSRFToken, Authorization")
	h.Set("Access-Control-Expose-Headers", "Location")
}

// near reports whether an origin that is not listed is of the domain that the request asks, or of one above it, and may read the
// answer for that reason. The site's own origin needs no leave.
func (s *Service) near(r *http.Request, origin string) bool {
	if s.CORSRestricted == nil || !s.CORSRestricted() {
		return false
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false // "null": a sandboxed page has no host
	}
	asked, err := url.Parse(s.Origin(r))
	if err != nil || strings.EqualFold(withPort(u), withPort(asked)) {
		return false
	}
	host, domain := strings.ToLower(asked.Hostname()), strings.TrimPrefix(strings.ToLower(u.Hostname()), "www.")
	// A page that travelled in the clear may have been altered on its way: it reads nothing that did not. A domain of one label is
	// above far too much.
	same := host == domain || strings.Contains(domain, ".") && net.ParseIP(host) == nil && strings.HasSuffix(host, "."+domain)
	if len(s.origins) > 0 && same && (u.Scheme == "https" || u.Scheme == asked.Scheme) {
		return true
	}
	s.Logger.Info("an origin that is not listed", zap.String("origin", u.Scheme+"://"+u.Host), zap.String("host", r.Host))
	return false
}

// withPort is host and port of an address.
func withPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		if port = "80"; u.Scheme == "https" {
			port = "443"
		}
	}
	return net.JoinHostPort(u.Hostname(), port)
}
