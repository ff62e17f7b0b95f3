package caddymodule

import (
	"net"
	"net/http"
	"net/netip"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
)

// crowd reports whether a request comes from a proxy that Caddy was not told to trust: a private address that says for whom it asks. All
// that come through it look like one client, which would be shut out by the bounds of one (decision 77); the log says so, once.
func (a *App) crowd(r *http.Request) bool {
	if len(r.Header["X-Forwarded-For"]) == 0 {
		return false
	}
	if trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool); trusted {
		return false
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	peer, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	if peer = peer.Unmap(); !peer.IsPrivate() && !peer.IsLoopback() && !peer.IsLinkLocalUnicast() {
		return false
	}
	a.crowdWarning.Do(func() {
		a.logger.Warn("a proxy is not trusted: all who come through it count as one client; name it in `servers { trusted_proxies static … }`",
			zap.String("proxy", peer.String()))
	})
	return true
}
