package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() { caddy.RegisterModule(Admin{}) }

// Admin is the part of Caddy's admin API that is about Tollgate: `POST /tollgate/explain` says what becomes of a request, and why. It
// has no configuration.
type Admin struct{}

// CaddyModule returns the Caddy module information.
func (Admin) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.tollgate", New: func() caddy.Module { return new(Admin) }}
}

// explainPath is where the admin API explains.
const explainPath = "/tollgate/explain"

// Routes are the routes of the admin API.
func (*Admin) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{{Pattern: explainPath, Handler: caddy.AdminHandlerFunc(explainHandler)}}
}

// explainHandler answers a question, in JSON, with an explanation by the configuration that runs. The question comes in the body, so
// that no log has it. Errors: 404 without Tollgate in the configuration, 405, 400 for a question that cannot be answered, 503 when
// facts cannot be read.
func explainHandler(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: errors.New("explain takes POST")}
	}
	app, site, err := appsOf(caddy.ActiveContext())
	if err != nil {
		return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: err}
	}
	var q question
	decoder := json.NewDecoder(io.LimitReader(r.Body, 64<<10))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&q); err != nil {
		return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: fmt.Errorf("reading the question: %w", err)}
	}
	e, err := app.explain(site, q)
	var fault errQuestion
	switch {
	case errors.As(err, &fault):
		return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: err}
	case err != nil:
		return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: err}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	return json.NewEncoder(w).Encode(e)
}

// appsOf are Tollgate and the HTTP app of a configuration.
func appsOf(ctx caddy.Context) (*App, *caddyhttp.App, error) {
	app, err := appOf(ctx)
	if err != nil {
		return nil, nil, err
	}
	site, err := ctx.AppIfConfigured("http")
	if err != nil {
		return nil, nil, err
	}
	return app, site.(*caddyhttp.App), nil
}

// Interface guards
var (
	_ caddy.Module      = (*Admin)(nil)
	_ caddy.AdminRouter = (*Admin)(nil)
)
