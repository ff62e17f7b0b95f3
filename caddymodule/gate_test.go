package caddymodule

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/store"
)

// badKey has the form of an API key, and is nobody's.
const badKey = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789abcdefghj"

// TestGate plays who may come in, through Caddy, as the demo site has it.
func TestGate(t *testing.T) {
	s := newSite(t)
	donny := s.login("donny")
	joe := s.register("joe1")
	s.subscribe("joe1", joe)
	ann := s.register("ann") // has no subscription
	// eve contributes to joe1; old had a subscription that ended.
	eve := s.register("eve")
	s.must(201, "POST", "/api/profile/joe1/roles/contributor", map[string]any{"slug": "eve"}, joe)
	acceptRole(s, "eve", eve)
	old := s.register("old")
	s.subscribe("old", old)
	s.must(200, "PATCH", "/api/profile/cowork/plans/premium/subscriptions/old", map[string]any{"ends_at": "2020-01-01T00:00:00Z"}, donny)

	for _, c := range []struct {
		name, method, path, as string
		status                 int
		reason                 string
	}{
		{"anonymous on a public path", "GET", "/public/x", "", 200, ""},
		{"anonymous on an account path", "GET", "/account/", "", 401, "unauthenticated"},
		{"anonymous on an application path", "GET", "/app/joe1/", "", 401, "unauthenticated"},
		{"anonymous where no rule is", "GET", "/elsewhere", "", 403, "no-rule"},
		{"known where no rule is", "GET", "/elsewhere", joe, 403, "no-rule"},
		{"member on an account path", "GET", "/account/", ann, 200, ""},
		{"manager with a subscription", "GET", "/app/joe1/x", joe, 200, ""},
		{"manager with a subscription writes", "POST", "/app/joe1/x", joe, 200, ""},
		{"manager without a subscription", "GET", "/app/ann/", ann, 403, "not-subscribed"},
		{"somebody else's profile", "GET", "/app/joe1/", ann, 403, "role-missing"},
		{"contributor reads", "GET", "/app/joe1/", eve, 200, ""},
		{"contributor writes, as the rule says weak", "POST", "/app/joe1/", eve, 200, ""},
		{"subscription that ended", "GET", "/app/old/", old, 403, "subscription-ended"},
		{"unknown profile", "GET", "/app/nobody/", joe, 403, "role-missing"},
		{"staff of the broker", "GET", "/app/joe1/", donny, 200, ""},
		{"bad key", "GET", "/account/", "Authorization: Bearer " + badKey, 401, "bad-credentials"},
		{"bad key on a public path", "GET", "/public/", "Authorization: Bearer " + badKey, 401, "bad-credentials"},
		{"a token that is not ours", "GET", "/account/", "Authorization: Bearer nonsense", 401, "unauthenticated"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.upstream.take()
			var headers []string
			if c.as != "" {
				headers = append(headers, c.as)
			}
			a := s.do(c.method, c.path, nil, headers...)
			if a.status != c.status {
				t.Fatalf("got %d %s, want %d", a.status, a.body, c.status)
			}
			got := s.upstream.take()
			if passed := got != nil; passed != (c.status == 200) {
				t.Fatalf("reached the upstream: %v", passed)
			}
			if c.status == 200 {
				return
			}
			if ct := a.header.Get("Content-Type"); ct != "application/json" {
				t.Errorf("Content-Type %q", ct)
			}
			if r := a.json(t)["reason"]; r != c.reason {
				t.Errorf("reason %v, want %s", r, c.reason)
			}
			if c.status == 401 && a.header.Get("WWW-Authenticate") != `Bearer realm="cowork"` {
				t.Error("no WWW-Authenticate")
			}
		})
	}

	t.Run("a subscription that is ended closes the gate on the next request", func(t *testing.T) {
		s.must(200, "GET", "/app/joe1/", nil, joe)
		s.must(204, "DELETE", "/api/profile/joe1/subscriptions/premium", nil, joe)
		s.must(403, "GET", "/app/joe1/", nil, joe)
	})
	t.Run("a role that is removed closes the gate on the next request", func(t *testing.T) {
		s.must(200, "GET", "/app/ann/", nil, s.allowed("ann", ann))
		s.must(204, "DELETE", "/api/users/eve/accessibles/contributor/joe1", nil, eve)
		s.must(403, "GET", "/app/joe1/", nil, eve)
	})
	t.Run("logging out closes the gate on the next request", func(t *testing.T) {
		s.must(200, "GET", "/account/", nil, ann)
		s.must(204, "DELETE", "/api/auth/tokens", nil, ann)
		s.must(401, "GET", "/account/", nil, ann)
	})
}

func (s *site) allowed(profile, manager string) string {
	s.subscribe(profile, manager)
	return manager
}

// acceptRole accepts the only invitation of a user.
func acceptRole(s *site, username, as string) {
	s.t.Helper()
	list := s.must(200, "GET", "/api/users/"+username+"/accessibles?role_status=invited", nil, as).json(s.t)
	url := list["results"].([]any)[0].(map[string]any)["accept_grant_api_url"].(string)
	s.must(200, "PUT", strings.TrimPrefix(url, base), nil, as)
}

// TestRefusedPages says where a browser is sent.
func TestRefusedPages(t *testing.T) {
	s := newSite(t, func(s *site) {
		s.global = "page login\n\t\tpage pricing https://www.example.com/plans?from=app\n\t\tpage cart /billing/{profile}/cart/"
	})
	ann := s.register("ann")
	for _, c := range []struct {
		name, path, accept, as string
		status                 int
		location               string
	}{
		{"page", "/account/", "text/html", "", 302, "/login/?next=/account/"},
		{"page with a query", "/account/?a=1&b=2", "text/html,application/xhtml+xml", "", 302, "/login/?next=/account/%3Fa%3D1%26b%3D2"},
		{"next does not nest", "/account/?next=/account/%3Fnext%3D/x", "text/html", "", 302, "/login/?next=/account/"},
		{"a second host is no next", "/account//evil.example/x", "text/html", "", 302, "/login/?next=/account/evil.example/x"},
		{"script", "/account/", "application/json", "", 401, ""},
		{"no Accept", "/account/", "", "", 401, ""},
		{"text/html with a weight is no page", "/account/", "text/html;q=0.9", "", 401, ""},
		{"subscription missing", "/app/ann/", "text/html", ann, 302, "/billing/ann/cart/?next=/app/ann/"},
		{"role missing has no cure", "/app/donny/", "text/html", ann, 403, ""},
		{"no rule has no cure", "/elsewhere", "text/html", "", 403, ""},
		{"a configured page is always reachable", "/login/", "text/html", "", 200, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			headers := []string{"Accept: " + c.accept}
			if c.as != "" {
				headers = append(headers, c.as)
			}
			a := s.must(c.status, "GET", c.path, nil, headers...)
			if l := a.header.Get("Location"); l != c.location {
				t.Errorf("Location %q, want %q", l, c.location)
			}
		})
	}
	t.Run("the plan is in the cart once", func(t *testing.T) {
		s.must(302, "GET", "/app/ann/", nil, "Accept: text/html", ann)
		s.must(403, "GET", "/app/ann/", nil, ann)
		var n int
		err := runningApp(t).site.Store.Read(t.Context(), func(r store.Reader) error {
			return r.QueryRow(`SELECT count(*) FROM cart_item JOIN user ON user.id = user_id JOIN plan ON plan.id = plan_id
				WHERE username = 'ann' AND plan.slug = 'premium' AND recorded = 0`).Scan(&n)
		})
		if n != 1 || err != nil {
			t.Errorf("%d items, %v", n, err)
		}
	})
	t.Run("without a page configured a browser is told 401", func(t *testing.T) {
		s := newSite(t)
		a := s.must(401, "GET", "/account/", nil, "Accept: text/html")
		if ct := a.header.Get("Content-Type"); !strings.HasPrefix(ct, "text/html") {
			t.Errorf("Content-Type %q", ct)
		}
	})
}

// TestForwarded says what the upstream receives, and what never reaches it.
func TestForwarded(t *testing.T) {
	s := newSite(t, func(s *site) { s.gate += "\n\t\tsession jwt " + sessionKey })
	joe := s.register("joe1")
	s.confirm("joe1")
	s.subscribe("joe1", joe)
	spoof := []string{
		"Tollgate-User: root", "tollgate-user: root", "TOLLGATE-ROLES: manager:cowork", "Tollgate_User: root", "tollgate_roles: root",
		"Tollgate-Plan: premium", "Tollgate-Plan: basic", "Tollgate-Profile: cowork", "Tollgate-Anything: x",
	}
	cookies := "Cookie: theme=dark; tollgate_session=abc; tollgate_csrf=def; tollgate_cart=ghi; sessionid=jkl; __Host-sessionid=" + strings.Repeat("0a", 20) + "; lang=en"

	check := func(t *testing.T, got *received, user string) {
		t.Helper()
		if got == nil {
			t.Fatal("the upstream was not reached")
		}
		for name, values := range got.Headers {
			folded := strings.ToLower(strings.ReplaceAll(name, "_", "-"))
			if !strings.HasPrefix(folded, "tollgate-") {
				continue
			}
			if len(values) != 1 || strings.Contains(values[0], "root") || name == "Tollgate-Anything" || user == "" {
				t.Errorf("forged %s: %q", name, values)
			}
		}
		if c := got.Headers["Cookie"]; !slices.Equal(c, []string{"theme=dark; lang=en"}) {
			t.Errorf("Cookie %q", c)
		}
		auth := got.Headers["Authorization"]
		if user == "" {
			if len(auth) != 0 {
				t.Errorf("Authorization %q for nobody", auth)
			}
			return
		}
		if len(auth) != 1 || "Authorization: "+auth[0] == joe {
			t.Errorf("Authorization %q", auth)
		}
		if got := got.Headers["Tollgate-User"]; !slices.Equal(got, []string{user}) {
			t.Errorf("Tollgate-User %q", got)
		}
	}

	t.Run("subscriber", func(t *testing.T) {
		s.must(200, "GET", "/app/joe1/", nil, append(spoof, cookies, joe)...)
		got := s.upstream.take()
		check(t, got, "joe1")
		for name, want := range map[string]string{
			"Tollgate-Email": "joe1@example.com", "Tollgate-Name": "Joe", "Tollgate-Profile": "joe1",
			"Tollgate-Roles": "manager:joe1", "Tollgate-Plan": "premium",
		} {
			if v := got.Headers[name]; !slices.Equal(v, []string{want}) {
				t.Errorf("%s %q, want %q", name, v, want)
			}
		}
		session := decodeSession(t, got.Headers["Authorization"][0])
		roles := session["roles"].(map[string]any)["manager"].([]any)
		if session["username"] != "joe1" || len(roles) != 1 {
			t.Errorf("session %v", session)
		}
		if plan := roles[0].(map[string]any)["subscriptions"].([]any)[0].(map[string]any)["plan"]; plan != "premium" {
			t.Errorf("plan %v", plan)
		}
		if site := session["site"].(map[string]any); site["slug"] != "cowork" {
			t.Errorf("site %v", site)
		}
	})
	t.Run("a rename changes the name and not the id", func(t *testing.T) {
		tell := func(who, as string) (name, id string) {
			s.must(200, "GET", "/app/"+who+"/", nil, as)
			got := s.upstream.take().Headers
			return strings.Join(got["Tollgate-User"], ","), strings.Join(got["Tollgate-Id"], ",")
		}
		name, id := tell("joe1", joe)
		s.must(200, "PATCH", "/api/users/joe1", map[string]any{"slug": "joseph"}, joe)
		joe = s.login("joseph")
		renamed, kept := tell("joseph", joe)
		if name != "joe1" || renamed != "joseph" || len(id) != 20 || kept != id {
			t.Errorf("%s with id %q, then %s with id %q", name, id, renamed, kept)
		}
		s.must(200, "PATCH", "/api/users/joseph", map[string]any{"slug": "joe1"}, joe)
		joe = s.login("joe1")
	})
	t.Run("anonymous", func(t *testing.T) {
		s.must(200, "GET", "/public/", nil, append(spoof, cookies)...)
		check(t, s.upstream.take(), "")
	})
	t.Run("preflight", func(t *testing.T) {
		s.must(200, "OPTIONS", "/app/joe1/", nil, append(spoof, cookies, "Origin: https://x.example", "Access-Control-Request-Method: PUT")...)
		check(t, s.upstream.take(), "")
	})
	t.Run("other OPTIONS obey the rule", func(t *testing.T) {
		s.must(401, "OPTIONS", "/app/joe1/", nil)
	})
	t.Run("query, body and method are untouched", func(t *testing.T) {
		s.must(200, "POST", "/app/joe1/x?b=2&a=1&a=%20", map[string]any{"n": 1}, joe)
		got := s.upstream.take()
		if got.URI != "/app/joe1/x?b=2&a=1&a=%20" || got.Body != `{"n":1}` || got.Method != http.MethodPost {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("session cookie", func(t *testing.T) {
		a := s.must(201, "POST", "/api/auth?cookie=1", map[string]any{"username": "joe1", "password": "yoyo"})
		var jar []string
		for _, c := range (&http.Response{Header: a.header}).Cookies() {
			jar = append(jar, c.Name+"="+c.Value)
		}
		s.must(200, "GET", "/app/joe1/", nil, append(spoof, "Cookie: theme=dark; "+strings.Join(jar, "; ")+"; lang=en")...)
		check(t, s.upstream.take(), "joe1")
	})
}

func decodeSession(t testing.TB, authorization string) map[string]any {
	t.Helper()
	parts := strings.Split(strings.TrimPrefix(authorization, "Bearer "), ".")
	if len(parts) != 3 {
		t.Fatalf("no token: %q", authorization)
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var session map[string]any
	if err := json.Unmarshal(b, &session); err != nil {
		t.Fatal(err)
	}
	return session
}

// TestDemoAdmits says that the demo answers to its own machine only.
func TestDemoAdmits(t *testing.T) {
	for remote, want := range map[string]bool{
		"127.0.0.1:4000": true, "[::1]:4000": true, "192.0.2.7:4000": false, "[2001:db8::1]:4000": false, "": false, "localhost:1": false,
	} {
		if got := (&App{Demo: true}).admit(&http.Request{RemoteAddr: remote}); got != want {
			t.Errorf("%q: %v", remote, got)
		}
		if !(&App{}).admit(&http.Request{RemoteAddr: remote}) {
			t.Errorf("%q is refused without demo", remote)
		}
	}
}

// TestRefusalAcrossOrigins has a script of another origin read why it was refused; which origins may is the App record's to say
// besides the Caddyfile's (access.md B.9).
func TestRefusalAcrossOrigins(t *testing.T) {
	s := newSite(t, func(s *site) { s.global = "cors_origins https://spa.example.com" })
	donny := s.login("donny")
	allowed := func(path, origin string) string {
		t.Helper()
		a := s.do("GET", path, nil, "Origin: "+origin)
		if got := a.header.Get("Access-Control-Allow-Credentials") == "true"; got != (a.header.Get("Access-Control-Allow-Origin") != "") {
			t.Errorf("headers %v", a.header)
		}
		return a.header.Get("Access-Control-Allow-Origin")
	}
	const listed, near, far = "https://spa.example.com", "http://127.0.0.1:5000", "https://evil.example.com"
	for _, path := range []string{"/account/", "/nowhere/", "/api/profile/cowork"} {
		for _, restricted := range []bool{false, true} {
			s.must(200, "PATCH", "/api/proxy", map[string]any{"cors_restricted": restricted}, donny)
			want := map[string]string{listed: listed, far: "", near: ""}
			if restricted {
				want[near] = near
			}
			for origin, want := range want {
				if got := allowed(path, origin); got != want {
					t.Errorf("%s from %s, restricted %v: %q, want %q", path, origin, restricted, got, want)
				}
			}
		}
	}
	if got := allowed("/public/", listed); got != "" {
		t.Errorf("the application's own answer: %q", got)
	}
}
