package caddymodule

import (
	"encoding/base64"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/caddy-tollgate/tollgate/api/directory"
)

// browser logs a user in with a cookie and returns the header of cookies that a browser then sends, and the CSRF token.
func (s *site) browser(username string) (cookies, csrf string) {
	s.t.Helper()
	a := s.must(201, "POST", "/api/auth?cookie=1", map[string]any{"username": username, "password": "yoyo"})
	var jar []string
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		jar = append(jar, c.Name+"="+c.Value)
		if strings.Contains(c.Name, "csrf") {
			csrf = c.Value
		}
	}
	return "Cookie: " + strings.Join(jar, "; "), csrf
}

// apiKey makes an API key of a user.
func (s *site) apiKey(username, as string) string {
	s.t.Helper()
	a := s.must(201, "POST", "/api/users/"+username+"/api-keys", map[string]any{"title": "test", "password": "yoyo"}, as)
	return a.json(s.t)["secret"].(string)
}

func basicOf(userinfo string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(userinfo))
}

// TestCredentialsOfTheApplication has the application's own credentials reach it, and ours never (decision 71).
func TestCredentialsOfTheApplication(t *testing.T) {
	s := newSite(t, func(s *site) { s.gate = "rule /hook/ any\n\t\trule /account/ authenticated\n\t\tsession none" })
	joe := s.register("joe1")
	token := strings.TrimPrefix(joe, "Authorization: Bearer ")
	key := s.apiKey("joe1", joe)
	cookie, _ := s.browser("joe1")
	parts := strings.Split(token, ".")
	signed := func(change func(c jwt.MapClaims, header map[string]any)) string {
		claims := jwt.MapClaims{}
		if _, _, err := jwt.NewParser().ParseUnverified(token, claims); err != nil {
			t.Fatal(err)
		}
		other := jwt.NewWithClaims(jwt.SigningMethodHS256, claims)
		change(claims, other.Header)
		text, err := other.SignedString([]byte("somebody else's key, which is long enough"))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	theirs := func(claims jwt.MapClaims) string {
		text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte("the application's"))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	by := func(method jwt.SigningMethod, key any) string {
		claims := jwt.MapClaims{"last_visited": nil, "username": "joe1", "roles": map[string]any{}, "site": map[string]any{}}
		text, err := jwt.NewWithClaims(method, claims).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for _, c := range []struct {
		name, credential string
		hook, account    int  // status, with the credential alone
		upstream         bool // it reaches the application
	}{
		{"a personal access token", "Bearer myapp_pat", 200, 401, true},
		{"user and password", basicOf("user:pass")[15:], 200, 401, true},
		{"no base64", "Basic !!!", 200, 401, true},
		{"no credential", "Bearer", 200, 401, true},
		{"an unknown scheme", "Token xyz", 200, 401, true},
		{"a signed request", "AWS4-HMAC-SHA256 Credential=a/b, Signature=" + strings.Repeat("a1", 32), 200, 401, true},
		{"the application's JWT", "Bearer " + theirs(jwt.MapClaims{"user_id": 7, "username": "joe", "exp": 1, "jti": "29a1b2"}), 200, 401, true},
		{"the application's JWT with an id like ours, and no name",
			"Bearer " + theirs(jwt.MapClaims{"sub": "7", "exp": 1, "jti": strings.Repeat("a1", 20)}), 200, 401, true},
		{"our token", joe[15:], 200, 200, false},
		{"our key", basicOf(key + ":")[15:], 200, 200, false},
		{"our key as a bearer token", "Bearer " + key, 200, 200, false},
		{"a key of nobody", basicOf(badKey + ":x")[15:], 401, 401, false},
		{"a key of nobody as a bearer token", "Bearer " + badKey, 401, 401, false},
		{"our key as the password", basicOf("git:" + key)[15:], 200, 200, false},
		{"a key of nobody as the password", basicOf("git:" + badKey)[15:], 401, 401, false},
		{"a key of nobody with ours as the password", basicOf(badKey + ":" + key)[15:], 401, 401, false},
		{"our token behind another word", "Token " + token, 401, 401, false},
		{"our token in quotes", `Bearer "` + token + `"`, 401, 401, false},
		{"our token as a parameter", `Token realm="x", token="` + token + `"`, 401, 401, false},
		{"our token behind a blank that is none of ASCII", "Bearer\u00a0" + token, 401, 401, false},
		{"our token with much behind its signature", "Bearer " + token + strings.Repeat("!", 9000), 401, 401, false},
		{"our key in quotes", `Bearer "` + key + `"`, 401, 401, false},
		{"our key with the end of its line", basicOf(key + "\n:")[15:], 401, 401, false},
		{"our key with a long password", basicOf(key + ":" + strings.Repeat("x", 9000))[15:], 401, 401, false},
		{"the hash of a digest", `Digest username="joe", response="` + strings.Repeat("a1", 32) + `"`, 200, 401, true},
		{"signed by nobody", "Bearer " + parts[0] + "." + parts[1] + ".", 401, 401, false},
		{"no kid, another key", "Bearer " + signed(func(_ jwt.MapClaims, h map[string]any) { delete(h, "kid") }), 401, 401, false},
		{"an unknown kid", "Bearer " + signed(func(_ jwt.MapClaims, h map[string]any) { h["kid"] = "other" }), 401, 401, false},
		{"of long ago", "Bearer " + signed(func(c jwt.MapClaims, _ map[string]any) { c["exp"] = 1 }), 401, 401, false},
		{"unsigned, with the shape of ours", "Bearer " + by(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType), 401, 401, false},
		{"by a longer sum", "Bearer " + by(jwt.SigningMethodHS512, []byte("somebody else's key")), 401, 401, false},
		{"a session for an application", "Bearer " + theirs(jwt.MapClaims{"last_visited": nil, "username": "joe1", "roles": map[string]any{}, "site": map[string]any{}}), 401, 401, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			header := "Authorization: " + c.credential
			reached := func(status int) {
				t.Helper()
				got := s.upstream.take()
				if (got != nil) != (status == 200) {
					t.Fatalf("reached the upstream: %v", got != nil)
				}
				if got == nil {
					return
				}
				var want []string
				if c.upstream {
					want = []string{c.credential}
				}
				if sent := got.Headers["Authorization"]; strings.Join(sent, "|") != strings.Join(want, "|") {
					t.Errorf("the application receives %q, want %q", sent, want)
				}
			}
			s.upstream.take()
			s.must(c.hook, "POST", "/hook/x", nil, header)
			reached(c.hook)
			s.must(c.account, "GET", "/account/", nil, header)
			reached(c.account)
			if c.upstream { // the caller is who the cookie says
				s.must(200, "GET", "/account/", nil, header, cookie)
				reached(200)
			} else if c.hook == 401 {
				s.must(401, "GET", "/account/", nil, header, cookie)
			}
		})
	}
	t.Run("a preflight carries nothing of ours", func(t *testing.T) {
		for _, credential := range []string{joe[15:], basicOf(key + ":")[15:], "Bearer " + badKey} {
			s.must(200, "OPTIONS", "/account/", nil, "Origin: https://x.example", "Access-Control-Request-Method: PUT", "Authorization: "+credential)
			if got := s.upstream.take().Headers["Authorization"]; got != nil {
				t.Errorf("the application receives %q", got)
			}
		}
	})
	t.Run("a token of a retired key", func(t *testing.T) {
		file := filepath.Join(s.dir, "secrets.json")
		for range 3 {
			if _, err := directory.RotateSecrets(file, 1); err != nil {
				t.Fatal(err)
			}
		}
		s.gate += "\n\t\tpreflight deny"
		s.load()
		s.upstream.take()
		s.must(401, "POST", "/hook/x", nil, joe)
		if s.upstream.take() != nil {
			t.Error("it reaches the application")
		}
	})
	t.Run("with a session in its place", func(t *testing.T) {
		s.gate = strings.Replace(s.gate, "session none", "session jwt "+sessionKey, 1)
		s.load()
		s.must(200, "POST", "/hook/x", nil, "Authorization: Bearer myapp_pat")
		if got := s.upstream.take().Headers["Authorization"]; len(got) != 1 || got[0] != "Bearer myapp_pat" {
			t.Errorf("a caller without a session: the application receives %q", got)
		}
		cookie, _ := s.browser("joe1")
		s.must(200, "GET", "/account/", nil, cookie, "Authorization: Bearer myapp_pat")
		if got := s.upstream.take().Headers["Authorization"]; len(got) != 1 || strings.Count(got[0], ".") != 2 {
			t.Errorf("a caller with a session: the application receives %q", got)
		}
	})
}

// TestCredentialsHeader leaves Authorization to the application where ours have a header to themselves.
func TestCredentialsHeader(t *testing.T) {
	logs := t.TempDir()
	s := newSite(t, func(s *site) {
		s.options = "\tlog tollgate {\n\t\toutput file " + logs + "/log\n\t\tinclude tollgate\n\t}\n"
		s.more = "log {\n\t\toutput file " + logs + "/access\n\t\tformat filter {\n\t\t\trequest>headers>X-Site-Token delete\n\t\t}\n\t}"
		s.global = "credentials X-Site-Token"
		s.gate = "rule /hook/ any\n\t\trule /account/ authenticated\n\t\tsession none"
	})
	joe := s.login("donny")
	ours := strings.Replace(joe, "Authorization", "X-Site-Token", 1)
	s.must(401, "GET", "/account/", nil, joe)
	s.must(401, "GET", "/api/users/donny", nil, joe)
	s.must(200, "GET", "/api/users/donny", nil, ours)
	s.must(200, "GET", "/account/", nil, ours, "Authorization: Basic dXNlcjpwYXNz")
	got := s.upstream.take()
	if a := got.Headers["Authorization"]; len(a) != 1 || a[0] != "Basic dXNlcjpwYXNz" {
		t.Errorf("Authorization %q", a)
	}
	if a := got.Headers["X-Site-Token"]; a != nil {
		t.Errorf("X-Site-Token %q", a)
	}
	s.must(200, "GET", "/hook/", nil, "X-Site-Token: anything")
	if a := s.upstream.take().Headers["X-Site-Token"]; a != nil {
		t.Errorf("X-Site-Token %q", a)
	}
	for file, want := range map[string]string{"access": `"uri":"/account/"`, "log": "request>headers>X-Site-Token delete"} {
		text, err := os.ReadFile(filepath.Join(logs, file))
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s: %v, no %q in %s", file, err, want, text)
		}
		if strings.Contains(string(text), strings.TrimPrefix(ours, "X-Site-Token: Bearer ")) {
			t.Errorf("%s shows a token", file)
		}
	}
}

// TestHeaderNamesOfOtherGates has no client send what another gate sends, nor what a renamed header was called.
func TestHeaderNamesOfOtherGates(t *testing.T) {
	s := newSite(t, func(s *site) {
		s.more = "handle /other/* {\n\t\t\ttollgate other {\n\t\t\t\trule / any\n\t\t\t\theaders X-Other- {\n\t\t\t\t\tuser Remote-User\n\t\t\t\t}\n\t\t\t}\n\t\t\treverse_proxy " +
			strings.TrimPrefix(s.upstream.URL, "http://") + "\n\t\t}"
		s.matcher = " /public/*"
		s.gate = "rule /public/ any\n\t\theaders X-Auth- {\n\t\t\tuser Remote-Name\n\t\t\tplan off\n\t\t}"
	})
	names := []string{"X-Auth-User", "X-Auth-Plan", "Remote-Name", "X-Auth-Roles", "X-Auth-Email-Unproven", "X-Other-User", "Remote-User", "X-Other-Email", "Tollgate-User"}
	var headers []string
	for _, name := range names {
		headers = append(headers, name+": root")
	}
	for _, path := range []string{"/public/", "/other/"} {
		s.must(200, "GET", path, nil, headers...)
		got := s.upstream.take()
		for _, name := range names {
			if v := got.Headers[name]; v != nil {
				t.Errorf("%s: %s: %q", path, name, v)
			}
		}
	}
}
