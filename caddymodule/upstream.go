package caddymodule

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// upstreamPlaceholder is the upstream that was chosen, as host and port: `reverse_proxy {tollgate.upstream}`.
const upstreamPlaceholder = "tollgate.upstream"

// dialAddresses are host and port of addresses. All have one scheme, since one reverse_proxy speaks to them.
func dialAddresses(upstreams []string) (map[string]string, error) {
	if len(upstreams) == 0 {
		return nil, nil
	}
	dials := map[string]string{}
	scheme := ""
	for i, address := range upstreams {
		text := address
		if !strings.Contains(text, "://") {
			text = "http://" + text
		}
		u, err := url.Parse(text)
		if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
			return nil, fmt.Errorf("upstream: %q is not the address of an application, as in http://10.0.0.2:3000", address)
		}
		if i > 0 && u.Scheme != scheme {
			return nil, fmt.Errorf("upstream: %s is %s and %s is not: one reverse_proxy speaks to all of them", upstreams[0], scheme, address)
		}
		scheme = u.Scheme
		port := u.Port()
		if port == "" {
			if port = "80"; scheme == "https" {
				port = "443"
			}
		}
		dials[address] = net.JoinHostPort(u.Hostname(), port)
	}
	return dials, nil
}

// choose sets the placeholder of the upstream.
func (g *Gate) choose(r *http.Request) {
	if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		repl.Set(upstreamPlaceholder, g.dials[g.live.Upstream()])
	}
}
