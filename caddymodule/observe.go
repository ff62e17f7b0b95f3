package caddymodule

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/directory"
)

// observe is told each decision: it tells Caddy who the caller is: placeholders and fields of the access log.
func (g *Gate) observe(r *http.Request, id *directory.Identity, d accessrules.Decision) {
	if id.User != nil {
		if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
			repl.Set("http.auth.user.id", id.User.Username)
		}
	}
	if d.Verdict.OK() {
		return
	}
	if extra, ok := r.Context().Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields); ok {
		extra.Set(zap.String("tollgate_reason", string(d.Verdict.Reason)))
	}
}

// cached is told whether what is attached to a request had been made before.
func (g *Gate) cached(hit bool) {}
