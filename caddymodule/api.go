package caddymodule

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	caddy.RegisterModule(API{})
	httpcaddyfile.RegisterHandlerDirective("tollgate_api", parseAPI)
}

// picture is the path of an uploaded picture.
var picture = regexp.MustCompile(`^/media/[0-9a-f]{64}\.[a-z]{3,4}$`)

// API serves the Profile, Billing and Access Control API under `/api`, the pictures that were uploaded to it under `/media`, and the
// keys of assertions, if there are any, at `/.well-known/jwks.json`. It passes every other request on. It needs the app
// `tollgate`.
type API struct {
	app *App
}

// CaddyModule returns the Caddy module information.
func (API) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.tollgate_api", New: func() caddy.Module { return new(API) }}
}

// Provision finds the app.
func (a *API) Provision(ctx caddy.Context) (err error) {
	a.app, err = appOf(ctx)
	return err
}

// ServeHTTP answers requests to the API.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	serve := a.handler(r.URL.Path)
	if serve == nil {
		return next.ServeHTTP(w, r)
	}
	if !a.app.admit(r) {
		return caddyhttp.Error(http.StatusForbidden, errDemo)
	}
	serve(w, r)
	return nil
}

// handler answers requests for a path, nil for none of the API's.
func (a *API) handler(path string) http.HandlerFunc {
	switch {
	case path == jwksPath && a.app.asserts():
		return a.app.serveJWKS
	case strings.HasPrefix(path, "/media/") && picture.MatchString(path):
		return a.app.service.Picture
	case path == "/api" || strings.HasPrefix(path, "/api/"):
		return a.app.service.ServeHTTP
	}
	return nil
}

func parseAPI(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	a := new(API)
	return a, a.UnmarshalCaddyfile(h.Dispenser)
}

// UnmarshalCaddyfile reads the directive:
//
//	tollgate_api [<matcher>]
func (a *API) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		return d.ArgErr()
	}
	for d.NextBlock(0) {
		return d.Errf("tollgate_api takes no block; %q belongs into the global option `tollgate` or the directive `tollgate`", d.Val())
	}
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*API)(nil)
	_ caddyhttp.MiddlewareHandler = (*API)(nil)
	_ caddyfile.Unmarshaler       = (*API)(nil)
)
