package auth

import (
	"net/http"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/rest"
)

// Endpoints are the rows of the table of the API that this package answers (auth.md 0), in the order of their paths.
func (s *Service) Endpoints() []rest.Endpoint {
	return []rest.Endpoint{
		rest.Get("/api", accessrules.Public, s.version),

		rest.Act(http.MethodPost, "/api/auth", accessrules.Public, s.login, rest.Unaudited()),
		rest.Act(http.MethodPost, "/api/auth/recover", accessrules.Public, s.recoverHandler, rest.Unaudited()),
		rest.Act(http.MethodPost, "/api/auth/register", accessrules.Public, s.registerHandler, rest.Unaudited()),
		rest.Get("/api/auth/tokens", accessrules.AuthenticatedOnly, s.whoAmI),
		rest.Act(http.MethodPost, "/api/auth/tokens", accessrules.AuthenticatedOnly, s.refresh, rest.Unaudited()),
		rest.Delete("/api/auth/tokens", accessrules.AuthenticatedOnly, s.logout, rest.Unaudited()),
		rest.Get("/api/auth/tokens/realms/{profile}", accessrules.DirectStrict, s.realms),
		rest.Act(http.MethodPost, "/api/auth/tokens/verify", accessrules.AuthenticatedOnly, s.verify, rest.Unaudited()),
		rest.Get("/api/auth/{verification_key}", accessrules.Public, s.activation),
		rest.Act(http.MethodPost, "/api/auth/{verification_key}", accessrules.Public, s.activate, rest.Unaudited()),

		rest.Get("/api/users/{user}", accessrules.SelfFrictionless, s.readAccount),
		rest.Act(http.MethodPut, "/api/users/{user}", accessrules.SelfFrictionless, s.updateAccount, rest.Find(findAccount)),
		rest.Act(http.MethodPatch, "/api/users/{user}", accessrules.SelfFrictionless, s.updateAccount, rest.Find(findAccount)),
		rest.Delete("/api/users/{user}", accessrules.SelfFrictionless, s.deleteAccount, rest.Unaudited()),
		rest.Post("/api/users/{user}/activate", accessrules.SelfWideFrictionless, s.reactivate),
	}
}
