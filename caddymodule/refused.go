package caddymodule

import (
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/pages"
)

// What people see in place of what they asked for, where the product's pages are on the site: why a rule refuses them, and that what
// stands behind the pages failed (pages.md 3, 4).

// pagesVar is the variable of a request that the pages have passed on.
const pagesVar = "tollgate_pages"

// pagesOf are the pages that a request came by, nil for none.
func pagesOf(r *http.Request) *Pages {
	p, _ := caddyhttp.GetVar(r.Context(), pagesVar).(*Pages)
	return p
}

// handlesErrors reports whether the operator has handle_errors, which wins.
func handlesErrors(r *http.Request) bool {
	srv, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	return ok && srv.Errors != nil
}

// isForPerson reports whether somebody waits for a page.
func isForPerson(r *http.Request) bool { return accessrules.IsPage(r) || accessrules.IsForm(r) }

// why is what people are told of a refusal.
func why(q *accessrules.Query, d *accessrules.Decision, v accessrules.Verdict, status int) *pages.Refusal {
	told := &pages.Refusal{Status: status, Reason: v.Reason}
	if d.Rule == nil || d.Failed < 0 || v.Reason != d.Verdict.Reason { // the rule says another thing than why
		return told
	}
	asked := *q
	asked.Params = d.Params
	told.Lack = accessrules.LackOf(d.Rule.Conditions[d.Failed], &asked)
	return told
}

// forwards reports whether a rule of a gate on the same site sends requests for a path to an application. What is not known yet does: the
// gate answers then.
func (p *Pages) forwards(method, path string) bool {
	gates := p.gates.Load()
	clean, err := accessrules.Clean((&url.URL{Path: path}).EscapedPath())
	if gates == nil || err != nil {
		return true
	}
	return slices.ContainsFunc(*gates, func(g *Gate) bool {
		set := g.live.Set()
		i, _ := set.Match(method, clean)
		return i >= 0 && set.Rules()[i].Forward
	})
}

// fail answers a request that a handler behind the pages failed on.
func (p *Pages) fail(w http.ResponseWriter, r *http.Request, err error) error {
	if !isForPerson(r) || handlesErrors(r) || !p.app.admit(r) || r.Context().Err() != nil {
		return err
	}
	status := http.StatusInternalServerError
	var failed caddyhttp.HandlerError
	if errors.As(err, &failed) && failed.StatusCode != 0 {
		status = failed.StatusCode
	}
	if status < http.StatusBadRequest {
		return err
	}
	log := p.logger.Debug
	if status >= http.StatusInternalServerError {
		log = p.logger.Error
	}
	log("a request failed", zap.Error(err), zap.Int("status", status), zap.String("request", requestID(r)))
	p.site.Refuse(w, r, &pages.Refusal{Status: status})
	return nil
}
