package rest_test

import (
	"bufio"
	"os"
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/store"
)

// contract are the operations of the contract, each answering its own name and the parameters of the path.
func contract(t testing.TB) []rest.Endpoint {
	f, err := os.Open("../testdata/operations.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var endpoints []rest.Endpoint
	for lines := bufio.NewScanner(f); lines.Scan(); {
		method, path, ok := strings.Cut(lines.Text(), " ")
		if !ok {
			continue
		}
		endpoints = append(endpoints, rest.Act(method, path, accessrules.Public, func(c *rest.Call, in *rest.None) ([]string, error) {
			answer := []string{method + " " + path}
			for _, p := range c.Query.Params {
				answer = append(answer, p.Name+"="+p.Value)
			}
			return answer, nil
		}))
	}
	return endpoints
}

func TestRoutesOfTheContract(t *testing.T) {
	site := resttest.New(t, resttest.Cowork(), contract(t))
	values := strings.NewReplacer("{verification_key}", strings.Repeat("a1", 20), "{grant_key}", strings.Repeat("0", 40),
		"{request_key}", strings.Repeat("f", 40), "{rank}", "12", "{cartitem_id}", "7", "{path}", "app/{profile}/", "{", "some-", "}", "_1")
	for _, e := range site.Endpoints() {
		w := site.Do("", e.Method+" "+strings.ReplaceAll(values.Replace(e.Path), "{profile}", "%7Bprofile%7D"), "")
		if want := `["` + e.Method + " " + e.Path + `"`; w.Code != 200 || !strings.HasPrefix(w.Body.String(), want) {
			t.Errorf("%s %s: %d %s", e.Method, e.Path, w.Code, w.Body)
		}
	}
}

func TestRouting(t *testing.T) {
	site := resttest.New(t, resttest.Cowork(), contract(t))
	key := strings.Repeat("0123456789abcdef0123", 2)
	site.Run(t,
		resttest.Case("literal before parameter", "", "GET /api/metrics/balances/balances", "", 200,
			`["GET /api/metrics/balances/{report}","report=balances"]`),
		resttest.Case("parameter elsewhere", "", "GET /api/metrics/acme/balances", "", 200,
			`["GET /api/metrics/{profile}/balances","profile=acme"]`),
		resttest.Case("describe is no role", "", "GET /api/profile/acme/roles/describe", "", 200,
			`["GET /api/profile/{profile}/roles/describe","profile=acme"]`),
		resttest.Case("describe of a role", "", "GET /api/profile/acme/roles/describe/manager", "", 200,
			`["GET /api/profile/{profile}/roles/describe/{role}","profile=acme","role=manager"]`),
		resttest.Case("e-mail address as user of a role", "", "GET /api/profile/acme/roles/manager/ann+b@example.com", "", 200,
			`["GET /api/profile/{profile}/roles/{role}/{user}","profile=acme","role=manager","user=ann+b@example.com"]`),
		resttest.Case("e-mail address as user", "", "GET /api/users/ann@example.com", "", 404, notFound),
		resttest.Case("verification key", "", "GET /api/auth/"+key, "", 200, `["GET /api/auth/{verification_key}","verification_key=`+key+`"]`),
		resttest.Case("too short a key", "", "GET /api/auth/"+key[1:], "", 404, notFound),
		resttest.Case("too long a key", "", "GET /api/auth/0"+key, "", 404, notFound),
		resttest.Case("key in capitals", "", "GET /api/auth/"+strings.ToUpper(key), "", 404, notFound),
		resttest.Case("a role called accept", "", "GET /api/users/ann/accessibles/accept/acme", "", 200,
			`["GET /api/users/{user}/accessibles/{role}/{profile}","user=ann","role=accept","profile=acme"]`),
		resttest.Case("a key to accept", "", "PUT /api/users/ann/accessibles/accept/"+key, "", 200,
			`["PUT /api/users/{user}/accessibles/accept/{verification_key}","user=ann","verification_key=`+key+`"]`),
		resttest.Case("rank", "", "GET /api/metrics/balances/taxes/lines/x", "", 404, notFound),
		resttest.Case("subscriptions of everybody", "", "GET /api/profile/acme/subscribers/subscriptions", "", 200,
			`["GET /api/profile/{profile}/subscribers/subscriptions","profile=acme"]`),
		resttest.Case("expired is no plan", "", "GET /api/profile/acme/subscriptions/expired", "", 200,
			`["GET /api/profile/{profile}/subscriptions/expired","profile=acme"]`),
		resttest.Case("prefix is no match", "", "GET /api/auth/tokensX", "", 404, notFound),
		resttest.Case("percent-encoded letters", "", "GET /api/profile/%61cme", "", 200, `["GET /api/profile/{profile}","profile=acme"]`),
		resttest.Case("encoded slash", "", "GET /api/profile%2Facme", "", 404, notFound),
		resttest.Case("encoded slash in a parameter", "", "GET /api/profile/acme%2Froles", "", 404, notFound),
		resttest.Case("doubled slash", "", "GET /api//profile", "", 404, notFound),
		resttest.Case("dots", "", "GET /api/profile/../users", "", 404, notFound),
		resttest.Case("rule of a path", "", "GET /api/proxy/rules/app/%7Bprofile%7D/", "", 200,
			`["GET /api/proxy/rules/{path}","path=app/{profile}/"]`),
		resttest.Case("rule of the root", "", "GET /api/proxy/rules/", "", 200, `["GET /api/proxy/rules/{path}","path="]`),
		resttest.Case("list of rules", "", "GET /api/proxy/rules", "", 200, `["GET /api/proxy/rules"]`),
		resttest.Case("methods", "", "BREW /api/profile/acme/roles/manager/ann", "", 405, `{"detail":"Method \"BREW\" not allowed."}`).
			Wants("Allow: GET, POST, PUT, DELETE, HEAD, OPTIONS"),
		resttest.Case("methods of a writer", "", "GET /api/auth", "", 405, `{"detail":"Method \"GET\" not allowed."}`).Wants("Allow: POST, OPTIONS"),
	)
}

func TestOptions(t *testing.T) {
	type profileInput struct {
		Name     string           `json:"full_name" in:"required" validate:"max=60"`
		Email    rest.Opt[string] `json:"email" validate:"email"`
		Quantity int64            `json:"quantity" validate:"min=1,max=10"`
		Kind     period           `json:"period_type"`
		Tags     []string         `json:"tags"`
		Owner    struct {
			Slug string `json:"slug" validate:"slug"`
		} `json:"owner"`
	}
	write := func(c *rest.Call, tx *store.Tx, in *profileInput) (item, error) { return item{}, nil }
	site := resttest.New(t, resttest.Cowork(), []rest.Endpoint{
		rest.Get("/api/profile/{profile}", accessrules.DirectFrictionless,
			func(c *rest.Call, r store.Reader) (rest.Page[item], error) { return rest.Page[item]{}, nil }, rest.Doc("A profile")),
		rest.Put("/api/profile/{profile}", accessrules.DirectFrictionless, write),
		rest.Delete("/api/profile/{profile}", accessrules.DirectFrictionless,
			func(c *rest.Call, tx *store.Tx, in *rest.None) (rest.None, error) { return rest.None{}, nil }),
	})
	head := `{"name":"Profile","description":"A profile","renders":["application/json","text/csv"],` +
		`"parses":["application/json","application/x-www-form-urlencoded","multipart/form-data"]`
	site.Run(t,
		resttest.Case("anonymous", "", "OPTIONS /api/profile/acme", "", 200, head+"}").Wants("Allow: GET, PUT, DELETE, HEAD, OPTIONS"),
		resttest.Case("who may write", "", "OPTIONS /api/profile/acme", "", 200, head+`,"actions":{"PUT":{`+
			`"full_name":{"type":"string","required":true,"read_only":false,"label":"Full name","max_length":60},`+
			`"email":{"type":"email","required":false,"read_only":false,"label":"Email"},`+
			`"quantity":{"type":"integer","required":false,"read_only":false,"label":"Quantity","min_value":1,"max_value":10},`+
			`"period_type":{"type":"choice","required":false,"read_only":false,"label":"Period type","choices":[{"value":"monthly","display_name":"monthly"},{"value":"yearly","display_name":"yearly"}]},`+
			`"tags":{"type":"list","required":false,"read_only":false,"label":"Tags","child":{"type":"string","required":false,"read_only":false}},`+
			`"owner":{"type":"nested object","required":false,"read_only":false,"label":"Owner","children":{"slug":{"type":"slug","required":false,"read_only":false,"label":"Slug"}}}`+
			`}}}`).With("Authorization: Bearer xia"),
		resttest.Case("who may not", "", "OPTIONS /api/profile/acme", "", 200, head+"}").With("Authorization: Bearer yan"),
		resttest.Case("bad credential", "", "OPTIONS /api/profile/acme", "", 200, head+"}").With("Authorization: Bearer who"),
		resttest.Case("no route", "", "OPTIONS /api/nope", "", 404, notFound),
	)
}

type period string

func (period) Choices() []string { return []string{"monthly", "yearly"} }
