package rest

import "strings"

// trusted reports whether scripts of an origin may act for the callers of the API: the site itself by its configured address, and
// the listed ones.
func (s *Service) trusted(origin string) bool {
	return s.origins[strings.ToLower(origin)] || s.BaseURL != "" && strings.EqualFold(origin, s.BaseURL)
}

// cors tells a browser that scripts of a listed origin may read the answer (conventions.md 3.1). An origin that is not listed is
// never reflected.
func (s *Service) cors(c *Call) {
	if len(s.origins) == 0 {
		return
	}
	h := c.w.Header()
	h.Add("Vary", "Origin")
	origin := c.r.Header.Get("Origin")
	if !s.origins[strings.ToLower(origin)] {
		return
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Credentials", "true")
	h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS")
	h.Set("Access-Control-Allow-Headers", "Origin, X-Requested-With, Content-Type, Accept, X-CSRFToken, Authorization")
	h.Set("Access-Control-Expose-Headers", "Location")
}
