package rest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

type item struct {
	Slug string `json:"slug"`
}

type itemInput struct {
	Title string `json:"title" in:"required" validate:"max=5"`
}

// shop is a small API: what most tests of this package serve.
func shop() []rest.Endpoint {
	get := func(c *rest.Call, r store.Reader) (item, error) { return item{c.Param("profile")}, nil }
	write := func(c *rest.Call, tx *store.Tx, in *itemInput) (item, error) { return item{in.Title}, nil }
	find := rest.Find(func(c *rest.Call, r store.Reader) error {
		if c.Param("profile") != "acme" {
			return rest.NotFound("Organization")
		}
		return nil
	})
	return []rest.Endpoint{
		rest.Get("/api", accessrules.Public, func(c *rest.Call, r store.Reader) (map[string]string, error) {
			c.SendCSRF("")
			return map[string]string{"version": "1"}, nil
		}),
		rest.Post("/api/contact", accessrules.Public, write),
		rest.Get("/api/auth/tokens", accessrules.AuthenticatedOnly, get),
		rest.Get("/api/users", accessrules.BrokerStrict, get),
		rest.Get("/api/profile/{profile}", accessrules.DirectFrictionless, get),
		rest.Put("/api/profile/{profile}", accessrules.DirectFrictionless, write, find),
		rest.Patch("/api/profile/{profile}", accessrules.DirectFrictionless, write, find),
		rest.Delete("/api/profile/{profile}", accessrules.DirectFrictionless,
			func(c *rest.Call, tx *store.Tx, in *rest.None) (rest.None, error) { return rest.None{}, nil }),
		rest.Post("/api/profile/{profile}/plans", accessrules.DirectStrict, func(c *rest.Call, tx *store.Tx, in *itemInput) (item, error) {
			c.Created("/profile/acme/")
			return item{in.Title}, nil
		}),
	}
}

const (
	notProvided = `{"detail":"Authentication credentials were not provided."}`
	denied      = `{"detail":"Permission denied"}`
	notFound    = `{"detail":"Not found."}`
)

func TestRefusals(t *testing.T) {
	people := resttest.Cowork()
	people.Agreements = map[string]time.Time{}
	site := resttest.New(t, people, shop())
	site.Run(t,
		resttest.Case("public", "", "GET /api", "", 200, `{"version":"1"}`),
		resttest.Case("public, bad credential", "", "GET /api", "", 401, `{"detail":"Invalid token"}`).
			With("Authorization: Bearer who").Wants(`WWW-Authenticate: Bearer realm="cowork"`, "Allow: GET, HEAD, OPTIONS"),
		resttest.Case("anonymous", "", "GET /api/profile/acme", "", 401, notProvided).Wants(`WWW-Authenticate: Bearer realm="cowork"`),
		resttest.Case("bad credential", "", "GET /api/profile/acme", "", 401, `{"detail":"Invalid token"}`).
			With("Authorization: Bearer who").Wants(`WWW-Authenticate: Bearer realm="cowork"`, "Allow: GET, PUT, PATCH, DELETE, HEAD, OPTIONS"),
		resttest.Case("dead cookie is anonymous and is taken back", "", "GET /api/profile/acme", "", 401, notProvided).
			With("Cookie: sessionid=gone").Wants("Set-Cookie: sessionid=; Path=/; Max-Age=0; HttpOnly"),
		resttest.Case("manager", "xia", "GET /api/profile/acme", "", 200, `{"slug":"acme"}`),
		resttest.Case("contributor reads", "joe", "GET /api/profile/acme", "", 200, `{"slug":"acme"}`),
		resttest.Case("contributor asks for the headers", "joe", "HEAD /api/profile/acme", "", 200, "").Wants("Content-Length: 15"),
		resttest.Case("contributor writes", "joe", "PUT /api/profile/acme", `{"title":"a"}`, 403, denied).Wants("WWW-Authenticate:"),
		resttest.Case("stranger", "yan", "GET /api/profile/acme", "", 403, denied),
		resttest.Case("unknown profile, stranger", "xia", "GET /api/profile/nobody", "", 403, denied),
		resttest.Case("unknown profile, broker", "alice", "PUT /api/profile/nobody", `{"title":"a"}`, 200, `{"slug":"a"}`),
		resttest.Case("method is told to who passes the gate", "xia", "POST /api/profile/acme", `{}`, 405, `{"detail":"Method \"POST\" not allowed."}`).
			Wants("Allow: GET, PUT, PATCH, DELETE, HEAD, OPTIONS"),
		resttest.Case("method is not told to others", "yan", "POST /api/profile/acme", `{}`, 403, denied),
		resttest.Case("method of nobody's", "xia", "BREW /api/profile/acme", ``, 405, `{"detail":"Method \"BREW\" not allowed."}`),
		resttest.Case("method on a public path", "", "POST /api", `{}`, 405, `{"detail":"Method \"POST\" not allowed."}`).
			Wants("Allow: GET, HEAD, OPTIONS"),
		resttest.Case("no route", "", "GET /api/nope", "", 404, notFound).Wants("Content-Type: application/json", "Allow:"),
		resttest.Case("trailing slash", "xia", "GET /api/profile/acme/", "", 404, notFound),
		resttest.Case("trailing slash of all", "", "GET /api/", "", 404, notFound),
		resttest.Case("no slug", "alice", "GET /api/profile/a%20b", "", 404, notFound),
		resttest.Case("dotted slug", "alice", "GET /api/profile/no.such", "", 404, notFound),
		resttest.Case("case of a slug", "xia", "GET /api/profile/ACME", "", 403, denied),
		resttest.Case("gate before Accept", "yan", "GET /api/profile/acme", "", 403, denied).With("Accept: application/xml"),
		resttest.Case("Accept before the credential of a public path", "", "GET /api", "", 406, `{"detail":"Could not satisfy the request Accept header."}`).
			With("Accept: application/xml", "Authorization: Bearer who"),
		resttest.Case("Accept before method", "xia", "POST /api/profile/acme", "", 406, `~Accept`).With("Accept: image/png"),
		resttest.Case("method before body", "xia", "POST /api/profile/acme", "{", 405, `~POST`),
		resttest.Case("object before body", "alice", "PUT /api/profile/nobody", "{", 404, `{"detail":"No Organization matches the given query."}`),
		resttest.Case("object before validation", "alice", "PATCH /api/profile/nobody", `{"title":""}`, 404, `~No Organization`),
		resttest.Case("body", "xia", "PUT /api/profile/acme", "{", 400, `~JSON parse error - `),
		resttest.Case("validation", "xia", "PUT /api/profile/acme", "{}", 400, `{"title":["This field is required."]}`),
		resttest.Case("delete", "xia", "DELETE /api/profile/acme", "", 204, "").Wants("Content-Type:", "Content-Length:"),
		resttest.Case("created", "xia", "POST /api/profile/acme/plans", `{"title":"a"}`, 201, `{"slug":"a"}`).
			Wants("Location: https://app.example.com/profile/acme/"),
	)
}

func TestHeaders(t *testing.T) {
	site := resttest.New(t, resttest.Cowork(), shop())
	for _, request := range []string{"GET /api", "GET /api/profile/acme", "GET /api/nope", "OPTIONS /api", "DELETE /api"} {
		w := site.Do("", request, "")
		for name, want := range map[string]string{
			"Content-Type": "application/json", "Content-Language": "en", "X-Frame-Options": "DENY", "Access-Control-Allow-Origin": "",
		} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: header %s is %q, want %q", request, name, got, want)
			}
		}
		for _, want := range []string{"Accept-Language", "Cookie", "DNT"} {
			if vary := w.Header().Get("Vary"); !strings.Contains(vary, want) {
				t.Errorf("%s: Vary is %q, want it to hold %s", request, vary, want)
			}
		}
	}
}

func TestPages(t *testing.T) {
	people := resttest.Cowork()
	fresh := people.Users[2] // xia
	plain := *fresh
	plain.Username, plain.Credentials = "bo", false
	invited := *fresh
	invited.Username, invited.Pending = "ivy", []string{"acme"}
	people.Users = append(people.Users, &plain, &invited)
	clock := storetest.NewClock()
	var told []string
	site := resttest.With(t, rest.Options{
		Store: storetest.NewAt(t, clock), Directory: people,
		Pages: func(target string) string {
			switch target {
			case "/login/", "/users/roles/accept/?q=acme":
				return target
			case "/legal/terms-of-use/sign/":
				return "https://legal.example.com/sign"
			}
			return ""
		},
		NotActivated: func(u *accessrules.User) { told = append(told, u.Username) },
	}, clock, shop()).Undescribed()
	html := "Accept: text/html"
	site.Run(t,
		resttest.Case("log in", "", "GET /api/profile/acme?o=slug&q=a%20b", "", 302, "").With(html).
			Wants("Location: /login/?next=/api/profile/acme%3Fo%3Dslug%26q%3Da%2520b"),
		resttest.Case("among others", "", "GET /api/profile/acme", "", 302, "").With("Accept: application/xml , text/html,*/*;q=0.8").
			Wants("Location: /login/?next=/api/profile/acme"),
		resttest.Case("weighed text/html is no page", "", "GET /api/profile/acme", "", 401, notProvided).With("Accept: text/html;q=0.9,*/*"),
		resttest.Case("bad credential", "", "GET /api/profile/acme", "", 302, "").With(html, "Authorization: Bearer who").
			Wants("Location: /login/?next=/api/profile/acme"),
		resttest.Case("no page cures a missing role", "yan", "GET /api/profile/acme", "", 403, "~<h1>403 Forbidden</h1>").With(html).
			Wants("Content-Type: text/html; charset=utf-8"),
		resttest.Case("passes, but there is no HTML", "xia", "GET /api/profile/acme", "", 406, "~Accept").With(html).
			Wants("Content-Type: application/json"),
		resttest.Case("without a password", "bo", "POST /api/profile/acme/plans", `{"title":"a"}`, 302, "").With(html, "Referer: https://app.example.com/edit").
			Wants("Location: /login/?next=/edit"),
		resttest.Case("without a password, program", "bo", "POST /api/profile/acme/plans", `{"title":"a"}`, 403, denied),
		resttest.Case("without a password, frictionless", "bo", "GET /api/profile/acme", "", 200, "*"),
		resttest.Case("invited", "ivy", "GET /api/profile/acme/plans", "", 302, "").With(html).
			Wants("Location: /users/roles/accept/?q=acme&next=/api/profile/acme/plans"),
		resttest.Case("invited, program", "ivy", "POST /api/profile/acme/plans", `{"title":"a"}`, 201, "*"),
	)
	if got := strings.Join(told, " "); got != "bo bo" {
		t.Errorf("told of %q who has no password, want bo twice", got)
	}
	people.Agreements = map[string]time.Time{"terms-of-use": clock.Now()}
	site.Run(t,
		resttest.Case("terms, on another site", "xia", "POST /api/profile/acme/plans", `{"title":"a"}`, 302, "").With(html).
			Wants("Location: https://legal.example.com/sign?next=https%3A//app.example.com/"),
		resttest.Case("terms, program", "xia", "POST /api/profile/acme/plans", `{"title":"a"}`, 403, denied),
	)
}

func TestNoPages(t *testing.T) {
	site := resttest.New(t, resttest.Cowork(), shop())
	site.Run(t,
		resttest.Case("a browser is told 401 where there is no page to log in", "", "GET /api/profile/acme", "", 401, "~<h1>401 Unauthorized</h1>").
			With("Accept: text/html").Wants(`WWW-Authenticate: Bearer realm="cowork"`, "Location:"),
	)
}

func TestReadOnlySite(t *testing.T) {
	clock := storetest.NewClock()
	site := resttest.With(t, rest.Options{Store: storetest.NewAt(t, clock), Directory: resttest.Cowork(), ReadOnly: true}, clock, shop()).Undescribed()
	site.Run(t,
		resttest.Case("reads", "xia", "GET /api/profile/acme", "", 200, "*"),
		resttest.Case("writes", "xia", "PUT /api/profile/acme", `{"title":"a"}`, 403, denied),
		resttest.Case("writes of the broker", "alice", "DELETE /api/profile/acme", ``, 403, denied),
		resttest.Case("writes without a role", "", "POST /api/contact", `{"title":"a"}`, 200, "*"),
	)
}

// A rule of the gate over a path of the API takes the place of its class.
func TestRuleOverEndpoint(t *testing.T) {
	clock := storetest.NewClock()
	site := resttest.With(t, rest.Options{
		Store: storetest.NewAt(t, clock), Directory: resttest.Cowork(),
		Rule: func(_, path string) (accessrules.Condition, accessrules.Params, bool) {
			profile, ok := strings.CutPrefix(path, "/api/profile/")
			return accessrules.Direct(accessrules.Strong), accessrules.Params{{Name: "profile", Value: profile}}, ok
		},
	}, clock, shop()).Undescribed()
	site.Run(t,
		resttest.Case("manager", "xia", "GET /api/profile/acme", "", 200, `{"slug":"acme"}`),
		resttest.Case("contributor, whom the class would let in", "joe", "GET /api/profile/acme", "", 403, denied),
		resttest.Case("elsewhere", "joe", "GET /api/auth/tokens", "", 200, "*"),
	)
}

func TestUnavailable(t *testing.T) {
	clock := storetest.NewClock()
	people := resttest.Cowork()
	closed := storetest.NewAt(t, clock)
	closed.Close()
	site := resttest.With(t, rest.Options{Store: closed, Directory: people, Logger: zap.NewNop()}, clock, shop()).Undescribed()
	site.Run(t,
		resttest.Case("no store", "xia", "GET /api/profile/acme", "", 503, `{"detail":"The service is temporarily unavailable."}`).
			Wants("Retry-After: 1", "Allow: GET, PUT, PATCH, DELETE, HEAD, OPTIONS"),
		resttest.Case("no route all the same", "xia", "GET /api/nope", "", 404, notFound),
		resttest.Case("preflight all the same", "", "OPTIONS /api", "", 200, "*"),
	)
	people.Err = errors.New("disk on fire")
	site = resttest.With(t, rest.Options{Store: storetest.NewAt(t, clock), Directory: people, Logger: zap.NewNop()}, clock, shop()).Undescribed()
	site.Run(t,
		resttest.Case("no identity", "xia", "GET /api/profile/acme", "", 503, `{"detail":"The service is temporarily unavailable."}`).Wants("Retry-After: 1"),
		resttest.Case("not even a public one", "", "GET /api", "", 503, `*`),
	)
}

func TestErrorsOfOperations(t *testing.T) {
	var fail error
	endpoints := []rest.Endpoint{
		rest.Get("/api/fails", accessrules.Public, func(c *rest.Call, r store.Reader) (item, error) { return item{}, fail }),
		rest.Get("/api/panics", accessrules.Public, func(c *rest.Call, r store.Reader) (item, error) { panic("oh") }),
		rest.Post("/api/panics", accessrules.Public, func(c *rest.Call, tx *store.Tx, in *rest.None) (item, error) { panic("oh") }),
		rest.Post("/api/agreements", accessrules.Public, func(c *rest.Call, tx *store.Tx, in *itemInput) (item, error) {
			_, err := tx.Insert(`INSERT INTO agreement (slug, title, updated_at) VALUES (?, ?, ?)`, in.Title, in.Title, tx.Now())
			return item{in.Title}, err
		}),
		rest.Get("/api/unencodable", accessrules.Public, func(c *rest.Call, r store.Reader) (chan int, error) { return nil, nil }),
		rest.Get("/api/missing", accessrules.Public, func(c *rest.Call, r store.Reader) (item, error) {
			var i item
			return i, r.QueryRow(`SELECT slug FROM agreement WHERE slug = 'nope'`).Scan(&i.Slug)
		}),
	}
	clock := storetest.NewClock()
	site := resttest.With(t, rest.Options{Store: storetest.NewAt(t, clock), Directory: resttest.Cowork(), Logger: zap.NewNop()}, clock, endpoints).Undescribed()
	for _, tc := range []struct {
		err    error
		status int
		body   string
		after  string
	}{
		{rest.Bad("code", "This code is already taken."), 400, `{"code":"This code is already taken."}`, ""},
		{rest.Invalid("title", "a", "b"), 400, `{"title":["a","b"]}`, ""},
		{rest.Fail(405, "The refund is larger than what is left."), 405, `{"detail":"The refund is larger than what is left."}`, ""},
		{rest.NotFound("Plan"), 404, `{"detail":"No Plan matches the given query."}`, ""},
		{rest.Forbidden(""), 403, `{"detail":"You do not have permission to perform this action."}`, ""},
		{rest.Forbidden("<no>"), 403, `{"detail":"<no>"}`, ""},
		{rest.Conflict("Paid already."), 409, `{"detail":"Paid already."}`, ""},
		{rest.Throttled(41*time.Second + 1), 429, `{"detail":"Request was throttled. Expected available in 42 seconds."}`, "42"},
		{rest.Throttled(time.Millisecond), 429, `{"detail":"Request was throttled. Expected available in 1 second."}`, "1"},
		{rest.Throttled(0), 429, `{"detail":"Request was throttled."}`, ""},
		{store.ErrBusy, 503, `{"detail":"The service is temporarily unavailable."}`, "1"},
		{store.ErrUnavailable, 503, `{"detail":"The service is temporarily unavailable."}`, "1"},
		{store.ErrNotFound, 404, notFound, ""},
		{errors.New("a secret"), 500, `{"detail":"A server error occurred."}`, ""},
		{&rest.Error{Status: 401, Body: rest.Fields{{Name: "password", Value: "Wrong."}}, Err: errors.New("a secret")}, 401, `{"password":"Wrong."}`, ""},
	} {
		fail = tc.err
		site.Run(t, resttest.Case(tc.err.Error(), "", "GET /api/fails", "", tc.status, tc.body).Wants("Retry-After: "+tc.after, "Allow: GET, HEAD, OPTIONS"))
	}
	server := `{"detail":"A server error occurred."}`
	site.Run(t,
		resttest.Case("panic", "", "GET /api/panics", "", 500, server).Wants("Content-Type: application/json"),
		resttest.Case("panic in a write", "", "POST /api/panics", "", 500, server),
		resttest.Case("answer that is no JSON", "", "GET /api/unencodable", "", 500, server),
		resttest.Case("no rows", "", "GET /api/missing", "", 404, notFound),
		resttest.Case("first", "", "POST /api/agreements", `{"title":"terms"}`, 200, "*"),
		resttest.Case("taken", "", "POST /api/agreements", `{"title":"terms"}`, 400, "~ is already taken."),
	)
}

// The log tells of a failure what helps, and no secret.
func TestLog(t *testing.T) {
	core, logs := observer.New(zap.DebugLevel)
	clock := storetest.NewClock()
	var fail error
	site := resttest.With(t, rest.Options{Store: storetest.NewAt(t, clock), Directory: resttest.Cowork(), Logger: zap.New(core)}, clock, []rest.Endpoint{
		rest.Post("/api/profile/{profile}/subscribers/accept/{request_key}", accessrules.Public,
			func(c *rest.Call, tx *store.Tx, in *rest.None) (rest.None, error) { return rest.None{}, fail }),
	}).Undescribed()
	key := strings.Repeat("5e", 20)
	for _, tc := range []struct {
		err  error
		want string // level and message, "" for nothing
	}{
		{errors.New("cause"), "error an endpoint failed"},
		{fmt.Errorf("%w: cause", store.ErrBusy), "warn an endpoint is unavailable"},
		{&rest.Error{Status: 400, Body: rest.Fields{}, Err: errors.New("cause")}, "info an endpoint refused"},
		{rest.Bad("a", "b"), ""},
		{context.Canceled, ""},
	} {
		fail = tc.err
		site.Do("xia", "POST /api/profile/acme/subscribers/accept/"+key, "")
		all := logs.TakeAll()
		if tc.want == "" {
			if len(all) > 0 {
				t.Errorf("%v: logged %v, want nothing", tc.err, all)
			}
			continue
		}
		if len(all) != 1 || all[0].Level.String()+" "+all[0].Message != tc.want {
			t.Errorf("%v: logged %v, want %q", tc.err, all, tc.want)
			continue
		}
		text := fmt.Sprint(all[0].ContextMap())
		if strings.Contains(text, key) || !strings.Contains(text, "acme") || !strings.Contains(text, "cause") {
			t.Errorf("%v: logged %s, want the profile and the cause and no key", tc.err, text)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	get := func(c *rest.Call, r store.Reader) (item, error) { return item{}, nil }
	for name, tc := range map[string]struct {
		endpoints []rest.Endpoint
		base      string
		want      string
	}{
		"no condition":     {endpoints: []rest.Endpoint{rest.Get("/api/a", nil, get)}, want: "GET /api/a has no condition"},
		"twice":            {endpoints: []rest.Endpoint{rest.Get("/api/a", accessrules.Public, get), rest.Get("/api/a", accessrules.Public, get)}, want: "twice"},
		"one path":         {endpoints: []rest.Endpoint{rest.Get("/api/{profile}", accessrules.Public, get), rest.Get("/api/{plan}", accessrules.Public, get)}, want: "cannot be told apart"},
		"elsewhere":        {endpoints: []rest.Endpoint{rest.Get("/login", accessrules.Public, get)}, want: "not below /api"},
		"half a parameter": {endpoints: []rest.Endpoint{rest.Get("/api/x{y}", accessrules.Public, get)}, want: "neither literal nor a parameter"},
		"wrong tag": {endpoints: []rest.Endpoint{rest.Post("/api/a", accessrules.Public, func(*rest.Call, *store.Tx, *struct {
			A string `json:"a" in:"requird"`
		}) (item, error) {
			return item{}, nil
		})}, want: `in:"requird"`},
		"listed, no list": {endpoints: []rest.Endpoint{rest.Get("/api/a", accessrules.Public, get, rest.Lists())}, want: "neither a list nor a table"},
		"wrong rule": {endpoints: []rest.Endpoint{rest.Post("/api/a", accessrules.Public, func(*rest.Call, *store.Tx, *struct {
			A string `json:"a" validate:"shiny"`
		}) (item, error) {
			return item{}, nil
		})}, want: `shiny`},
		"no address": {base: "app.example.com", want: "not the address of a site"},
	} {
		t.Run(name, func(t *testing.T) {
			clock := storetest.NewClock()
			_, err := rest.New(rest.Options{
				Store: storetest.NewAt(t, clock), Directory: resttest.Cowork(), Logger: zap.NewNop(), Now: clock.Now, BaseURL: tc.base,
			}, tc.endpoints)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("New: %v, want an error with %q", err, tc.want)
			}
		})
	}
}

func TestTable(t *testing.T) {
	site := resttest.New(t, resttest.Cowork(), shop())
	want := "DELETE /api/profile/{profile}  DIRECT-F\nPOST   /api/profile/{profile}/plans  DIRECT\n"
	if got := site.Table(); !strings.HasPrefix(got, "GET    /api  PUBLIC\n") || !strings.HasSuffix(got, want) {
		t.Errorf("the table is\n%s", got)
	}
}

func TestAbsoluteURLs(t *testing.T) {
	endpoints := []rest.Endpoint{rest.Get("/api/where", accessrules.Public, func(c *rest.Call, r store.Reader) (string, error) {
		return c.URL("/a b?c=<d>"), nil
	})}
	clock := storetest.NewClock()
	s := storetest.NewAt(t, clock)
	for name, tc := range map[string]struct {
		options rest.Options
		want    string
	}{
		"configured":     {rest.Options{BaseURL: "https://public.example.com/"}, `"https://public.example.com/a b?c=<d>"`},
		"of the request": {rest.Options{}, `"http://host.example.com:8080/a b?c=<d>"`},
		"behind a proxy": {rest.Options{Origin: func(r *http.Request) string { return "https://" + r.Host }}, `"https://host.example.com:8080/a b?c=<d>"`},
	} {
		t.Run(name, func(t *testing.T) {
			tc.options.Store, tc.options.Directory, tc.options.Logger, tc.options.Now = s, resttest.Cowork(), zap.NewNop(), clock.Now
			service, err := rest.New(tc.options, endpoints)
			if err != nil {
				t.Fatal(err)
			}
			w := httptest.NewRecorder()
			service.ServeHTTP(w, httptest.NewRequest("GET", "http://host.example.com:8080/api/where", nil))
			if got := w.Body.String(); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}
