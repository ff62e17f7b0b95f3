package api

import (
	"net/http"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/rest"
)

// endpoints are the rows of the table that belong to no category.
func (s *Service) endpoints() []rest.Endpoint {
	return []rest.Endpoint{
		rest.Act("GET", "/api/health", accessrules.Public, s.health),
	}
}

type health struct {
	Live  bool `json:"live"`
	Ready bool `json:"ready"`
}

// health is the answer to a load balancer: live as long as it answers, ready when the database takes reads and writes.
func (s *Service) health(c *rest.Call, _ *rest.None) (health, error) {
	h := health{Live: true, Ready: s.ready.Load() && s.site.Store.Ready()}
	if !h.Ready {
		c.SetStatus(http.StatusServiceUnavailable)
	}
	return h, nil
}
