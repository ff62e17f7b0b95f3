package people

import (
	"net/http"
	"net/url"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/pages"
)

// logOut ends the session of the browser.
func logOut(q *pages.Request) (pages.Outcome, error) { return leave(q, nil) }

// logOutEverywhere ends all sessions of the user.
func logOutEverywhere(q *pages.Request) (pages.Outcome, error) {
	return leave(q, url.Values{"everywhere": {"true"}})
}

func leave(q *pages.Request, query url.Values) (pages.Outcome, error) {
	if q.Caller() != nil {
		if _, err := q.Do(rest.Operation{Method: http.MethodDelete, Path: "/api/auth/tokens", Query: query}); err != nil {
			return pages.Outcome{}, err
		}
	}
	said := "logged_out"
	if query != nil {
		said = "logged_out_everywhere"
	}
	return pages.Outcome{To: q.Link("/login/"), Said: said}, nil
}
