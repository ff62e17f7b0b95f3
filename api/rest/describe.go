package rest

import "net/http"

// describe is the answer to OPTIONS (conventions.md 4).
func (s *Service) describe(c *Call, rt *route) answer {
	a, err := c.encode(http.StatusOK, Fields{{"name", rt.path}})
	if err != nil {
		return c.failed(errServer)
	}
	return a
}
