package rest

import (
	"net/http"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/store"
)

// A Call is one request to an endpoint, as handlers see it.
type Call struct {
	directory.Identity        // who calls; Identity.User is nil for anonymous callers
	Now                store.Time // time of the request
	Query              *accessrules.Query
	Client             string // address of the client, by Caddy's trusted-proxy logic

	service  *Service
	endpoint *Endpoint
	w        http.ResponseWriter
	r        *http.Request
	status   int
}

// Param is a parameter of the path, "" when absent.
func (c *Call) Param(name string) string { return c.Query.Params.Get(name) }
