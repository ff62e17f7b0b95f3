package caddymodule

import (
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/pages"
)

// refuse answers a request that may not pass (access.md A.5, B.5): a page is redirected to the page that cures the refusal, where
// there is one; a page without a cure goes to handle_errors, if the site has some, or is one that says why; everybody else gets JSON.
// A rule may have it otherwise.
func (g *Gate) refuse(w http.ResponseWriter, r *http.Request, q *accessrules.Query, d *accessrules.Decision) error {
	if d.Verdict.Reason == accessrules.AmbiguousPath {
		return g.ambiguous(w, r, d.Verdict)
	}
	g.debug("refused", zap.String("path", r.URL.Path), zap.String("reason", string(d.Verdict.Reason)), zap.Error(d.Verdict.Err))
	if d.Verdict.Reason == accessrules.NotActivated {
		g.app.service.NotActivated(q.Caller)
	}
	v, status, target := g.answer(r, q, d)
	detail := refusal(r, v)
	if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		repl.Set("http.tollgate.reason", string(v.Reason))
		repl.Set("http.tollgate.detail", detail)
		if d.Rule != nil {
			repl.Set("http.tollgate.rule", d.Rule.Path)
		}
	}
	h := w.Header()
	h.Add("Vary", "Accept, Authorization, Cookie")
	h.Set("Cache-Control", "no-store")
	g.app.service.CORS(h, r) // a script of a listed origin may read why
	if target != "" {
		if v.Cart != "" {
			if err := g.app.service.PutInCart(r.Context(), q.Caller, v.Cart); err != nil {
				g.logger.Warn("a plan could not be put into a cart", zap.String("plan", v.Cart), zap.Error(err))
			}
		}
		h.Set("Location", g.app.withNext(r, target, g.app.origin(r), sentURI(r)))
		w.WriteHeader(http.StatusFound)
		return nil
	}
	switch status {
	case http.StatusUnauthorized:
		g.challenge(h, r)
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", "1")
		if !errors.Is(v.Err, errStarting) {
			g.logger.Error("facts are unavailable", zap.Error(v.Err))
		}
	}
	if q.Page || q.Form {
		if handlesErrors(r) {
			return caddyhttp.Error(status, errors.New(detail))
		}
		if shown := pagesOf(r); shown != nil {
			shown.site.Refuse(w, r, why(q, d, v, status))
			return nil
		}
		h.Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(status)
		return refusalPage.Execute(w, map[string]any{"Status": status, "Text": http.StatusText(status), "Detail": detail})
	}
	body, err := json.Marshal(struct {
		Detail string `json:"detail"`
		Reason string `json:"reason"`
	}{detail, string(v.Reason)})
	if err != nil {
		return err
	}
	h.Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, err = w.Write(body)
	return err
}

// answer is how a refusal is answered: what is told of it, the status, and the page that people are sent to, "" for none.
func (g *Gate) answer(r *http.Request, q *accessrules.Query, d *accessrules.Decision) (v accessrules.Verdict, status int, target string) {
	v, status = d.Verdict, d.Verdict.Status()
	if (q.Page || q.Form) && v.Target != "" {
		target = g.app.address(r, g.app.page(v.Target))
	}
	if d.Rule == nil || v.Reason == accessrules.Unavailable {
		return v, status, target
	}
	switch refusal := d.Rule.Refusal; {
	case refusal.Status != 0:
		status, target = refusal.Status, ""
		if status == http.StatusNotFound {
			v = accessrules.Verdict{Reason: accessrules.NotFound} // not a word about what there is
		}
	case refusal.Target != "" && (q.Page || q.Form):
		target = fill(refusal.Target, d.Params)
	}
	return v, status, target
}

// fill puts the parameters of a path into the address of a page.
func fill(address string, params accessrules.Params) string {
	for _, p := range params {
		address = strings.ReplaceAll(address, "{"+p.Name+"}", url.PathEscape(p.Value))
	}
	return address
}

var refusalPage = template.Must(template.New("").Parse(
	`<!doctype html><html lang="en"><meta charset="utf-8"><title>{{.Status}} {{.Text}}</title><h1>{{.Text}}</h1><p>{{.Detail}}</p></html>
`))

// refusal is the text that goes with a reason.
func refusal(r *http.Request, v accessrules.Verdict) string {
	switch v.Reason {
	case accessrules.NoRule:
		return "No access rules triggered by path '" + r.URL.Path + "'"
	case accessrules.Unauthenticated:
		return "Authentication credentials were not provided."
	case accessrules.BadCredentials:
		var bad *directory.CredentialError
		if errors.As(v.Err, &bad) {
			return bad.Detail
		}
	case accessrules.ForeignOrigin:
		return "A page of another site sent this request."
	case accessrules.Unavailable:
		return "The service is not available right now."
	case accessrules.NotFound:
		return "Not found."
	}
	return "Permission denied"
}

// ambiguous answers a request whose paths cannot be decided on: it could mean one thing to the gate and another to the upstream.
func (g *Gate) ambiguous(w http.ResponseWriter, r *http.Request, v accessrules.Verdict) error {
	detail := "The path of this request is ambiguous."
	switch {
	case errors.Is(v.Err, errTunnel):
		detail = "There are no tunnels here."
	case errors.Is(v.Err, errMethods):
		detail = "This request asks for too many methods."
	case v.Reason == accessrules.LongPath:
		detail = "The path of this request is too long."
	case v.Reason == accessrules.ForeignTarget:
		detail = "The destination of this request is not a path of this host."
	}
	g.debug("ambiguous path", zap.String("uri", r.RequestURI), zap.String("reason", string(v.Reason)), zap.Error(v.Err))
	if shown := pagesOf(r); shown != nil && isForPerson(r) && !handlesErrors(r) {
		shown.site.Refuse(w, r, &pages.Refusal{Status: v.Status(), Reason: v.Reason})
		return nil
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(v.Status())
	_, err := w.Write([]byte(`{"detail":"` + detail + `","reason":"` + string(v.Reason) + `"}`))
	return err
}
