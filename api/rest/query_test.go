package rest_test

import (
	"testing"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/store"
)

func TestParameters(t *testing.T) {
	names := rest.Names{"email": {"u.email"}, "name": {"u.first_name", "u.last_name"}}
	site := resttest.New(t, resttest.Cowork(), []rest.Endpoint{
		rest.Get("/api/parameters", accessrules.Public, func(c *rest.Call, r store.Reader) (rest.Fields, error) {
			active, err := c.QueryBool("active", true)
			if err != nil {
				return nil, err
			}
			n, err := c.QueryInt("nb_periods", 12, 1, 100)
			if err != nil {
				return nil, err
			}
			c.SetStatus(202)
			c.Header().Set("Last-Modified", "never")
			return rest.Fields{
				{Name: "active", Value: active}, {Name: "n", Value: n}, {Name: "kinds", Value: c.QueryStrings("kind")},
				{Name: "terms", Value: c.Terms()}, {Name: "email", Value: c.Searches(names, "email")},
			}, nil
		}),
		rest.Post("/api/members", accessrules.Public, func(c *rest.Call, tx *store.Tx, in *itemInput) (map[string]string, error) {
			all := map[string]string{}
			for name, raw := range c.Members() {
				all[name] = string(raw)
			}
			return all, nil
		}),
	})
	get := func(query string, status int, want string) resttest.Step {
		return resttest.Case(query, "", "GET /api/parameters?"+query, "", status, want)
	}
	site.Run(t,
		get("", 202, `{"active":true,"n":12,"kinds":null,"terms":null,"email":true}`).Wants("Last-Modified: never"),
		get("active=&nb_periods=", 202, `~"active":true,"n":12`),
		get("active=0&nb_periods=7", 202, `~"active":false,"n":7`),
		get("active=maybe", 400, `{"active":["Must be a valid boolean."]}`),
		get("nb_periods=0", 400, `{"nb_periods":["Ensure this value is greater than or equal to 1."]}`),
		get("nb_periods=101", 400, `{"nb_periods":["Ensure this value is less than or equal to 100."]}`),
		get("nb_periods=x", 400, `{"nb_periods":["A valid integer is required."]}`),
		get("kind=a&kind=b&kind=", 202, `~"kinds":["a","b",""]`),
		get("q=a,b&q_f=name", 202, `~"terms":["a","b"],"email":false`),
		get("q=a&q_f=name&q_f=email", 202, `~"email":true`),
		get("q=a&q_f=nope", 202, `~"email":true`),
		resttest.Case("members", "", "POST /api/members", `{"title":"a","terms-of-use":true}`, 200, `{"terms-of-use":"true","title":"\"a\""}`),
		resttest.Case("members of a form", "", "POST /api/members", `title=x&title=a&terms-of-use=on`, 200, `{"terms-of-use":"\"on\"","title":"\"a\""}`).
			With("Content-Type: application/x-www-form-urlencoded"),
	)
}
