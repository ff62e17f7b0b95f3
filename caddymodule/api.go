package caddymodule

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/api/rest"
)

func init() {
	caddy.RegisterModule(new(API))
	httpcaddyfile.RegisterHandlerDirective("tollgate_api", parseAPI)
}

// picture is the path of an uploaded picture.
var picture = regexp.MustCompile(`^/media/[0-9a-f]{64}\.[a-z]{3,4}$`)

// API serves the Profile, Billing and Access Control API under `/api`, the pictures that were uploaded to it under `/media`, and the
// keys of assertions, if there are any, at `/.well-known/jwks.json`. It passes every other request on. It needs the app
// `tollgate`.
//
// What it serves it serves under the path that was sent, although a rewrite before it has made another of it.
type API struct {
	// Prefix is the path below which the API is. Default: `/api`.
	Prefix string `json:"prefix,omitempty"`

	// Pass says what becomes of paths below the prefix whose first word is none of the API's: true passes them on, false answers
	// them 404. Default: they are passed on when a gate comes after this handler in the same list of routes, for all of the prefix.
	Pass *bool `json:"pass,omitempty"`

	app    *App
	logger *zap.Logger
	gated  atomic.Bool // a gate comes after it
}

// CaddyModule returns the Caddy module information.
func (*API) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.tollgate_api", New: func() caddy.Module { return new(API) }}
}

// Provision finds the app.
func (a *API) Provision(ctx caddy.Context) (err error) {
	a.logger = ctx.Logger()
	if a.Prefix == "" {
		a.Prefix = rest.Root
	}
	if err := checkPrefix(a.Prefix); err != nil {
		return err
	}
	if a.app, err = appOf(ctx); err == nil {
		a.app.apis = append(a.app.apis, a)
	}
	return err
}

func checkPrefix(prefix string) error {
	if !prefixForm.MatchString(prefix) {
		return fmt.Errorf("prefix: %q is not a path of words, as in /tollgate", prefix)
	}
	return nil
}

var prefixForm = regexp.MustCompile(`^(/[-a-zA-Z0-9_]+)+$`)

// ServeHTTP answers requests to the API.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	serve, r := a.handler(r)
	if serve == nil {
		return next.ServeHTTP(w, r)
	}
	if !a.app.admit(r) {
		return caddyhttp.Error(http.StatusForbidden, errDemo)
	}
	serve(w, r)
	return nil
}

// handler answers a request, as it then is; nil for none of the API's.
func (a *API) handler(r *http.Request) (http.HandlerFunc, *http.Request) {
	path := r.URL.Path
	switch {
	case path == jwksPath && a.app.asserts():
		return a.app.serveJWKS, r
	case strings.HasPrefix(path, "/media/") && picture.MatchString(path):
		return a.app.service.Picture, r
	case a.keeps(r.URL):
		return a.app.service.ServeHTTP, rest.Under(a.Prefix, r)
	}
	// A rewrite that was meant for the application, as try_files is, has taken the address away.
	if sent, rewritten, _ := originOf(r); rewritten && a.keeps(sent.URL) {
		back := r.WithContext(r.Context())
		u := *sent.URL
		back.URL, back.RequestURI = &u, sent.RequestURI
		return a.app.service.ServeHTTP, rest.Under(a.Prefix, back)
	}
	return nil, r
}

// keeps reports whether a URL is the API's to answer: by its path, or by one that an application behind might take it for, as it might
// "//api/auth" and "/api;v=1/auth". The API answers such spellings 404.
func (a *API) keeps(u *url.URL) bool {
	if a.takes(u.Path) {
		return true
	}
	path, err := readPath(u)
	if err != nil {
		return false // the gate refuses it
	}
	if path.String() == u.Path {
		return false
	}
	readings, ok := path.Readings()
	if !ok { // with dot segments that are not written out, or encoded thrice
		return a.app.service.Mentions(a.Prefix, path.String(), a.passes())
	}
	return slices.ContainsFunc(readings, a.takes)
}

// takes reports whether a path is the API's.
func (a *API) takes(path string) bool {
	return a.below(path) && (a.app.service.Owns(a.Prefix, path) || !a.passes())
}

func (a *API) below(path string) bool {
	return strings.HasPrefix(path, a.Prefix) && (len(path) == len(a.Prefix) || path[len(a.Prefix)] == '/')
}

// passes reports whether what is none of the API's goes on.
func (a *API) passes() bool {
	if a.Pass != nil {
		return *a.Pass
	}
	return a.gated.Load()
}

func parseAPI(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	a := new(API)
	return a, a.UnmarshalCaddyfile(h.Dispenser)
}

// UnmarshalCaddyfile reads the directive:
//
//	tollgate_api [<matcher>] {
//		prefix <path>
//	}
//
// `prefix` is the path below which the API is, in place of /api.
func (a *API) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		return d.Errf("tollgate_api: %q is no matcher, and it has no values: write `tollgate_api [<matcher>] [{ prefix <path> }]`", d.Val())
	}
	for d.NextBlock(0) {
		if closest(d.Val(), []string{"prefix"}) != "" && d.Val() != "prefix" {
			return unknown(d, "word", d.Val(), []string{"prefix"})
		}
		if d.Val() != "prefix" {
			return d.Errf("unknown word %q: write `prefix <path>`; other words belong into the global option `tollgate` or the directive `tollgate`", d.Val())
		}
		if a.Prefix != "" {
			return d.Err("prefix is written twice: leave one out")
		}
		if !d.AllArgs(&a.Prefix) || a.Prefix == "" {
			return misused(d, "prefix", "prefix <path>")
		}
		if err := checkPrefix(a.Prefix); err != nil {
			return d.WrapErr(err)
		}
	}
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*API)(nil)
	_ caddyhttp.MiddlewareHandler = (*API)(nil)
	_ caddyfile.Unmarshaler       = (*API)(nil)
)
