package api

import (
	"net/http"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/rest"
)

// endpoints are the rows of the table that belong to no category.
func (s *Service) endpoints() []rest.Endpoint {
	return []rest.Endpoint{
		rest.Act("GET", "/api/health", accessrules.Public, s.health, rest.Shared(), rest.Doc("Tells whether the service is ready")),
		rest.Act("GET", "/api/schema", accessrules.Public, s.schema, rest.Shared(), rest.Doc("Describes the API as an OpenAPI document")),
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

// schema is the description of the API for programs (ours).
func (s *Service) schema(*rest.Call, *rest.None) (rest.Document, error) { return s.openAPI() }

// Schema is the description of the API, an OpenAPI 3.1 document. The table does not change, so it is made once.
func (s *Service) Schema() ([]byte, error) {
	d, err := s.openAPI()
	if err != nil {
		return nil, err
	}
	return d.MarshalJSON()
}
