package rest_test

import (
	"testing"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/store"
)

func representations(t testing.TB) *resttest.Site {
	type answer struct {
		Text  string      `json:"text"`
		Empty []int       `json:"empty"`
		Null  *int        `json:"null"`
		Some  []int       `json:"some"`
		Keys  rest.Fields `json:"keys"`
		None  struct{}    `json:"none"`
	}
	return resttest.New(t, resttest.Cowork(), []rest.Endpoint{
		rest.Get("/api/thing", accessrules.Public, func(c *rest.Call, r store.Reader) (answer, error) {
			return answer{Text: "é <b>&/\"\u2028\u2029", Empty: []int{}, Some: []int{1, 2}, Keys: rest.Fields{{Name: "z<", Value: "<"}, {Name: "a", Value: 1}}}, nil
		}),
		rest.Get("/api/things", accessrules.Public, func(c *rest.Call, r store.Reader) (rest.Page[int], error) {
			return rest.Page[int]{Results: []int{}}, nil
		}),
	})
}

func TestRepresentation(t *testing.T) {
	site := representations(t)
	compact := `{"text":"é <b>&/\"\u2028\u2029","empty":[],"null":null,"some":[1,2],"keys":{"z<":"<","a":1},"none":{}}`
	indented := "{\n  \"text\": \"é <b>&/\\\"\\u2028\\u2029\",\n  \"empty\": [],\n  \"null\": null,\n  \"some\": [\n    1,\n    2\n  ],\n" +
		"  \"keys\": {\n    \"z<\": \"<\",\n    \"a\": 1\n  },\n  \"none\": {}\n}"
	get := func(accept string, status int, want string) resttest.Step {
		return resttest.Case(accept, "", "GET /api/thing", "", status, want).With("Accept: " + accept).Wants("Content-Type: application/json")
	}
	site.Run(t,
		resttest.Case("no Accept", "", "GET /api/thing", "", 200, compact).Wants("Content-Type: application/json"),
		get("*/*", 200, compact),
		get("application/*", 200, compact),
		get("application/json", 200, compact),
		get("application/json; charset=utf-8", 200, compact),
		get("application/json; indent=2", 200, indented),
	)
}

func TestNegotiation(t *testing.T) {
	site := representations(t)
	refused := `{"detail":"Could not satisfy the request Accept header."}`
	for _, tc := range []struct {
		accept, query string
		status        int
		want          string
	}{
		{"application/json; indent=2", "", 200, "~{\n  \"text\""},
		{"application/json; indent=8", "", 200, "~{\n        \"text\""},
		{"application/json; indent=99", "", 200, "~{\n        \"text\""},
		{"application/json; indent=0", "", 200, `~{"text"`},
		{"application/json; indent=-1", "", 200, `~{"text"`},
		{"application/json; indent=x", "", 200, `~{"text"`},
		{"application/json;indent=1;q=0.1, */*", "", 200, `~{"text"`},
		{"text/html, */*;q=0.1", "", 200, `~{"text"`},
		{"text/html", "", 406, refused},
		{"application/xml", "", 406, refused},
		{"application/json;q=0", "", 406, refused},
		{"text/csv", "", 406, refused},
		{"nonsense", "", 406, refused},
		{",", "", 406, refused},
		{"application/xml", "?format=json", 200, `~{"text"`},
		{"application/json; indent=2", "?format=json", 200, "~{\n  \"text\""},
		{"*/*", "?format=csv", 404, notFound},
		{"*/*", "?format=xml", 404, notFound},
		{"*/*", "?format=", 200, `~{"text"`},
	} {
		site.Run(t, resttest.Case(tc.accept+tc.query, "", "GET /api/thing"+tc.query, "", tc.status, tc.want).With("Accept: "+tc.accept))
	}
	site.Run(t,
		resttest.Case("text is CSV where that is", "", "GET /api/things", "", 200, "*").With("Accept: text/*").Wants("Content-Type: text/csv; charset=utf-8"),
		resttest.Case("error indented", "", "GET /api/nope", "", 404, notFound).With("Accept: application/json; indent=4"),
	)
}
