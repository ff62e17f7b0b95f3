package caddymodule

import (
	"net/http"
	"net/textproto"

	"github.com/caddy-tollgate/tollgate/accessrules"
)

// Assertion is a token that tells the upstream who calls, and that it verifies with a public key: nothing secret is shared. It is an
// EdDSA JWT, good for five minutes.
type Assertion struct {
	// Audience is the claim `aud`, which the upstream must check. Default: the name of the gate.
	Audience string `json:"audience,omitempty"`
	// Header that carries the token. Default: `Tollgate-Assertion`.
	Header string `json:"header,omitempty"`
}

// jwksPath is where the public keys are.
const jwksPath = "/.well-known/jwks.json"

// name is the header in canonical form.
func (a *Assertion) name() string {
	if a.Header == "" {
		return accessrules.DefaultPrefix + "Assertion"
	}
	return textproto.CanonicalMIMEHeaderKey(a.Header)
}

// issuer is the claim `iss`: the address of the site, or else the slug of the broker.
func (a *App) issuer() string {
	if a.URL != "" {
		return a.URL
	}
	return a.Broker.Slug
}

// asserts reports whether a gate of the configuration makes assertions.
func (a *App) asserts() bool {
	for _, g := range a.gates {
		if g.Assertion != nil {
			return true
		}
	}
	return false
}

// serveJWKS answers with the public keys. Whoever meets an unknown key asks again, so that a copy may be kept for a while.
func (a *App) serveJWKS(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	keys, err := a.site.AssertionKeys()
	if err != nil || len(keys) == 0 {
		h.Set("Retry-After", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	h.Set("Content-Type", "application/jwk-set+json")
	h.Set("Cache-Control", "public, max-age=300")
	h.Set("Access-Control-Allow-Origin", "*")
	_, _ = w.Write(accessrules.JWKS(keys))
}
