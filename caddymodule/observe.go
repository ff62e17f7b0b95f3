package caddymodule

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/accessrules"
)

// observe is told what became of each request: the metrics count it, the access log and the span of the request, if there are any,
// tell it.
func (g *Gate) observe(r *http.Request, q *accessrules.Query, d *accessrules.Decision, res result) {
	g.meter.count(res, d.Verdict.Reason, g.app.site.Now().Sub(q.Now))
	ctx := r.Context()
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.SetAttributes(g.attributes(q, d, res)...)
	}
	if d.Verdict.OK() {
		return
	}
	if extra, ok := ctx.Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields); ok {
		extra.Set(zap.String("tollgate_reason", string(d.Verdict.Reason)))
	}
}

// known tells Caddy the name of the caller: the placeholder that later handlers and the access log read.
func known(r *http.Request, name any) {
	if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		repl.Set("http.auth.user.id", name)
	}
}

// attributes are what a span is told: nothing about who the caller is but the role on the profile of the path.
func (g *Gate) attributes(q *accessrules.Query, d *accessrules.Decision, res result) []attribute.KeyValue {
	list := []attribute.KeyValue{
		attribute.String("tollgate.gate", g.Name),
		attribute.String("tollgate.result", string(res)),
		attribute.String("tollgate.reason", string(d.Verdict.Reason)),
	}
	if d.Rule != nil {
		list = append(list, attribute.Int("tollgate.rule", d.Index+1), attribute.String("tollgate.rule.path", d.Rule.Path))
	}
	slug := d.Params.Get("profile")
	if q.Caller == nil || slug == "" {
		return list
	}
	var roles []string
	for i := range q.Caller.Roles {
		if r := &q.Caller.Roles[i]; r.Profile.Slug == slug && q.Caller.Holds(r, q.Now) {
			roles = append(roles, r.Description)
		}
	}
	return append(list, attribute.StringSlice("tollgate.profile.roles", roles))
}

// cached is told whether what is attached to a request had been made before.
func (g *Gate) cached(hit bool) {
	if hit {
		sessions.hits.Add(1)
		return
	}
	sessions.misses.Add(1)
}
