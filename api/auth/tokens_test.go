package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

const (
	denied     = `{"detail":"Permission denied"}`
	noIdentity = `{"detail":"Authentication credentials were not provided."}`
	badBearer  = `{"detail":"Invalid token"}`
)

func TestWhoAmI(t *testing.T) {
	s := newSite(t)
	s.Run(t,
		resttest.Case("anonymous", "", "GET /api/auth/tokens", "", 401, noIdentity).Wants(`WWW-Authenticate: Bearer realm="cowork"`),
		resttest.Case("roles without the personal profile", "xia", "GET /api/auth/tokens", "", 200,
			`{"slug":"xia","username":"xia","printable_name":"Xia","picture":null,"email":"xia@example.com","phone":"+14155555556",`+
				`"full_name":"Xia Lee","nick_name":"Xia","lang":"en","credentials":true,"otp_enabled":false,"created_at":"2025-03-10T12:00:00Z","last_login":null,`+
				`"roles":[{"created_at":"2025-03-10T12:00:00Z","request_key":null,`+
				`"profile":{"slug":"acme","printable_name":"Acme Corp","picture":null,"type":"organization","credentials":false,"created_at":"2025-03-10T12:00:00Z"},`+
				`"role_description":{"created_at":"2025-03-10T12:00:00Z","slug":"contributor","title":"Contributor","skip_optin_on_grant":false,`+
				`"implicit_create_on_none":false,"otp_required":false,"is_global":true,"profile":null,"extra":null,"editable":false},`+
				`"home_url":"https://app.example.com/app/acme/","settings_url":"https://app.example.com/profile/acme/contact/",`+
				`"accept_grant_api_url":null,"remove_api_url":"https://app.example.com/api/users/xia/accessibles/contributor/acme"}]}`).
			Wants("Allow: GET, POST, DELETE, HEAD, OPTIONS"),
		resttest.Case("no role", "nina", "GET /api/auth/tokens", "", 200, `~"credentials":false~"roles":[]}`),
	)
	// A pending role is none, nor is one that has ended.
	s.exec(t, `UPDATE role SET grant_key = 'k' || id WHERE user_id = (SELECT id FROM user WHERE username = 'xia')`)
	s.exec(t, `UPDATE role SET ends_at = 1 WHERE user_id = (SELECT id FROM user WHERE username = 'yan')`)
	s.Run(t,
		resttest.Case("pending", "xia", "GET /api/auth/tokens", "", 200, `~"roles":[]}`),
		resttest.Case("ended", "yan", "GET /api/auth/tokens", "", 200, `~"roles":[]}`),
	)
}

func TestTokens(t *testing.T) {
	s := newSite(t)
	xia := s.login(t, "xia")
	token := strings.TrimPrefix(xia, "Authorization: Bearer ")
	body := `{"token":"` + token + `"}`
	const (
		refresh = "POST /api/auth/tokens"
		verify  = "POST /api/auth/tokens/verify"
		not     = `{"detail":"You do not have permission to perform this action."}`
	)
	s.Run(t,
		resttest.Case("verify", "", verify, body, 200, body).With(xia),
		resttest.Case("verify, malformed", "", verify, `{"token":"abc.def.ghi"}`, 400, badBearer).With(xia),
		resttest.Case("verify, missing", "", verify, `{}`, 400, badBearer).With(xia),
		resttest.Case("verify, null", "", verify, `{"token":null}`, 400, badBearer).With(xia),
		resttest.Case("verify, somebody else's", "yan", verify, body, 400, badBearer),
		resttest.Case("verify, anonymous", "", verify, body, 401, noIdentity),
		resttest.Case("refresh", "", refresh, body, 201, `~{"token":"ey`).With(xia),
		resttest.Case("refresh, malformed", "", refresh, `{"token":"abc"}`, 400, badBearer).With(xia),
		resttest.Case("refresh, missing", "", refresh, `{}`, 403, not).With(xia),
		resttest.Case("refresh, blank", "", refresh, `{"token":""}`, 403, not).With(xia),
		resttest.Case("refresh, somebody else's", "yan", refresh, body, 403, not),
		resttest.Case("refresh, anonymous", "", refresh, body, 401, noIdentity),
		resttest.Case("log out, anonymous", "", "DELETE /api/auth/tokens", "", 401, noIdentity),
		resttest.Case("realms", "alice", "GET /api/auth/tokens/realms/acme", "", 404, `{"detail":"Not found."}`),
		resttest.Case("realms of others", "xia", "GET /api/auth/tokens/realms/cowork", "", 403, denied),
	)
	refreshed := tokenOf(t, s.Do("", refresh, body, xia))
	other := s.login(t, "xia")
	s.Run(t,
		resttest.Case("log out", "", "DELETE /api/auth/tokens", "", 204, "").With(xia),
		resttest.Case("the token is refused", "", "GET /api/auth/tokens", "", 401, badBearer).With(xia),
		resttest.Case("so is the refreshed one: it is the same session", "", "GET /api/auth/tokens", "", 401, badBearer).With("Authorization: Bearer "+refreshed),
		resttest.Case("another session goes on", "", "GET /api/auth/tokens", "", 200, `~"slug":"xia"`).With(other),
		resttest.Case("a revoked token cannot be refreshed", "", refresh, body, 400, badBearer).With(other),
		resttest.Case("nor verified", "", verify, body, 400, badBearer).With(other),
	)
}

func TestTokenLifetime(t *testing.T) {
	s := newSite(t)
	xia := s.login(t, "xia")
	body := `{"token":"` + strings.TrimPrefix(xia, "Authorization: Bearer ") + `"}`
	s.Clock.Advance(14*24*time.Hour - time.Second)
	s.Run(t, resttest.Case("one second left", "", "GET /api/auth/tokens", "", 200, `~"slug":"xia"`).With(xia))
	s.Clock.Advance(2 * time.Second)
	s.Run(t,
		resttest.Case("expired", "", "GET /api/auth/tokens", "", 401, badBearer).With(xia),
		resttest.Case("verify an expired one", "xia", "POST /api/auth/tokens/verify", body, 400, badBearer),
		resttest.Case("refresh an expired one", "xia", "POST /api/auth/tokens", body, 400, badBearer),
	)
}

// Tokens that nobody here signed, or that lack what we put in.
func TestForgedTokens(t *testing.T) {
	s := newSite(t)
	token := strings.TrimPrefix(s.login(t, "xia"), "Authorization: Bearer ")
	parts := strings.Split(token, ".")
	claims := decodePart(t, parts[1])
	key := []byte("0123456789abcdef0123456789abcdef")
	with := func(change func(map[string]any)) map[string]any {
		c := map[string]any{}
		for k, v := range claims {
			c[k] = v
		}
		change(c)
		return c
	}
	header := map[string]any{"alg": "HS256", "typ": "JWT", "kid": "test"}
	for name, forged := range map[string]string{
		"alg none":              jwtOf(t, map[string]any{"alg": "none", "typ": "JWT"}, claims, nil),
		"alg None, signed":      jwtOf(t, map[string]any{"alg": "None", "typ": "JWT"}, claims, key),
		"alg HS512":             jwtOf(t, map[string]any{"alg": "HS512", "typ": "JWT", "kid": "test"}, claims, key),
		"alg RS256, our key":    jwtOf(t, map[string]any{"alg": "RS256", "typ": "JWT", "kid": "test"}, claims, key),
		"empty key":             jwtOf(t, header, claims, []byte{}),
		"unknown kid":           jwtOf(t, map[string]any{"alg": "HS256", "typ": "JWT", "kid": "other"}, claims, key),
		"kid is a path":         jwtOf(t, map[string]any{"alg": "HS256", "typ": "JWT", "kid": "../../dev/null"}, claims, nil),
		"no exp":                jwtOf(t, header, with(func(c map[string]any) { delete(c, "exp") }), key),
		"exp is text":           jwtOf(t, header, with(func(c map[string]any) { c["exp"] = "never" }), key),
		"exp is zero":           jwtOf(t, header, with(func(c map[string]any) { c["exp"] = 0 }), key),
		"no jti":                jwtOf(t, header, with(func(c map[string]any) { delete(c, "jti") }), key),
		"no username":           jwtOf(t, header, with(func(c map[string]any) { delete(c, "username") }), key),
		"another username":      jwtOf(t, header, with(func(c map[string]any) { c["username"] = "alice" }), key),
		"signature cut":         token[:len(token)-4],
		"claims of another one": parts[0] + "." + strings.Split(strings.TrimPrefix(s.login(t, "yan"), "Authorization: Bearer "), ".")[1] + "." + parts[2],
		"no signature":          parts[0] + "." + parts[1] + ".",
		"8 KB":                  token + strings.Repeat("A", 8<<10),
	} {
		s.Run(t, resttest.Case(name, "", "GET /api/auth/tokens", "", 401, badBearer).With("Authorization: Bearer "+forged).Wants(`WWW-Authenticate: Bearer realm="cowork"`))
	}
	// The forger works: with the right header and key the same claims pass.
	s.Run(t, resttest.Case("not forged", "", "GET /api/auth/tokens", "", 200, `~xia`).With("Authorization: Bearer "+jwtOf(t, header, claims, key)))
}

func decodePart(t *testing.T, part string) (claims map[string]any) {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(part)
	if err == nil {
		err = json.Unmarshal(raw, &claims)
	}
	if err != nil {
		t.Fatal(err)
	}
	return claims
}

// jwtOf signs with HMAC-SHA256, whatever the header says; not at all without a key.
func jwtOf(t *testing.T, header, claims map[string]any, key []byte) string {
	t.Helper()
	var text []string
	for _, part := range []map[string]any{header, claims} {
		raw, err := json.Marshal(part)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, base64.RawURLEncoding.EncodeToString(raw))
	}
	signed := strings.Join(text, ".")
	if key == nil {
		return signed + "."
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// What ends the tokens of a user.
func TestRevocation(t *testing.T) {
	for name, revoke := range map[string]func(t *testing.T, s *site){
		"renamed": func(t *testing.T, s *site) {
			s.Run(t, resttest.Case("rename", "xia", "PATCH /api/users/xia", `{"slug":"xia2"}`, 200, `~"username":"xia2"`))
		},
		"password changed": func(t *testing.T, s *site) {
			s.Run(t, resttest.Case("change", "xia", "PUT /api/users/xia/password", `{"password":"yoyo","new_password":"other"}`, 200, `~detail`))
		},
		"password removed": func(t *testing.T, s *site) {
			s.Run(t, resttest.Case("remove", "xia", "DELETE /api/users/xia/password", "", 204, ""))
		},
		"deleted": func(t *testing.T, s *site) {
			s.Run(t, resttest.Case("delete", "xia", "DELETE /api/users/xia", "", 204, ""))
		},
		"disabled": func(t *testing.T, s *site) {
			if err := s.Disable(t.Context(), "xia"); err != nil {
				t.Fatal(err)
			}
		},
		"password by operator": func(t *testing.T, s *site) {
			if err := s.SetPassword(t.Context(), "xia", "other"); err != nil {
				t.Fatal(err)
			}
		},
		"reset by code": func(t *testing.T, s *site) {
			s.Do("", "POST /api/auth/recover", `{"username":"xia"}`)
			s.Run(t, register("reset", `{"full_name":"Xia Lee","email":"xia@example.com","email_code":"`+s.code(t, "xia@example.com")+`","new_password":"other"}`, 201, `~token`))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			bearer := s.login(t, "xia")
			cookies := cookiesOf(s.Do("", "POST /api/auth?cookie=1", `{"username":"xia","password":"yoyo"}`))
			s.Clock.Advance(time.Minute)
			s.Run(t, resttest.Case("before", "", "GET /api/auth/tokens", "", 200, `~xia`).With(bearer),
				resttest.Case("before, cookie", "", "GET /api/auth/tokens", "", 200, `~xia`).With(cookies))
			revoke(t, s)
			s.Run(t, resttest.Case("after", "", "GET /api/auth/tokens", "", 401, badBearer).With(bearer),
				resttest.Case("after, cookie", "", "GET /api/auth/tokens", "", 401, noIdentity).With(cookies))
		})
	}
}

// A token never serves a later holder of the name: one can come that nobody used, as this session was opened by other means.
func TestNameTakenOver(t *testing.T) {
	s := newSite(t)
	old := s.login(t, "xia")
	s.exec(t, `UPDATE user SET last_login = NULL WHERE username = 'xia'`)
	s.Run(t, resttest.Case("rename", "xia", "PATCH /api/users/xia", `{"slug":"xia2"}`, 200, `~`))
	s.Clock.Advance(time.Second)
	s.Run(t,
		register("somebody else", `{"username":"xia","full_name":"Other","email":"other@example.com","new_password":"yoyo"}`, 201, `~token`),
		resttest.Case("old token", "", "GET /api/auth/tokens", "", 401, badBearer).With(old),
	)
}

func cookiesOf(w *httptest.ResponseRecorder) string {
	var all []string
	for _, c := range w.Result().Cookies() {
		all = append(all, c.Name+"="+c.Value)
	}
	return "Cookie: " + strings.Join(all, "; ")
}

func TestCookieSession(t *testing.T) {
	s := newSite(t)
	// Session fixation: a cookie that somebody planted is never taken over.
	const planted = "Cookie: sessionid=0123456789012345678901234567890123456789; csrftoken=abcdefghijklmnopqrstuvwxyz012345"
	w := s.Do("", "POST /api/auth?cookie=1", `{"username":"xia","password":"yoyo"}`, planted)
	token := tokenOf(t, w)
	var session, csrf *http.Cookie
	for _, c := range w.Result().Cookies() {
		switch c.Name {
		case "sessionid":
			session = c
		case "csrftoken":
			csrf = c
		}
	}
	if session == nil || csrf == nil {
		t.Fatalf("cookies %v", w.Result().Cookies())
	}
	if !session.HttpOnly || session.SameSite != http.SameSiteLaxMode || !session.Secure || session.Path != "/" {
		t.Errorf("session cookie %s", session)
	}
	if strings.Contains(planted, session.Value) || strings.Contains(planted, csrf.Value) || strings.Contains(token, session.Value) {
		t.Error("a planted value, or the token itself, became a cookie")
	}
	both := "Cookie: sessionid=" + session.Value + "; csrftoken=" + csrf.Value
	first := both // a second log-in takes the place of the first (decision 117)
	w = s.Do("", "POST /api/auth?cookie=1", `{"username":"xia","password":"yoyo"}`, both)
	if both = cookiesOf(w); strings.Contains(both, session.Value) {
		t.Error("a second log-in kept the session")
	}
	for _, c := range w.Result().Cookies() {
		if c.Name == "csrftoken" {
			csrf = c
		}
	}
	s.Run(t, resttest.Case("the first", "", "GET /api/auth/tokens", "", 401, noIdentity).With(first))
	s.Run(t,
		resttest.Case("planted", "", "GET /api/auth/tokens", "", 401, noIdentity).With(planted),
		resttest.Case("who am I", "", "GET /api/auth/tokens", "", 200, `~"slug":"xia"`).With(both),
		resttest.Case("write without CSRF token", "", "PATCH /api/users/xia", `{"nick_name":"X"}`, 403, `{"detail":"CSRF Failed: CSRF token missing."}`).
			With(both, "Referer: https://app.example.com/"),
		resttest.Case("write with another's", "", "PATCH /api/users/xia", `{"nick_name":"X"}`, 403, `~CSRF Failed`).
			With(both, "X-CSRFToken: abcdefghijklmnopqrstuvwxyz012345", "Referer: https://app.example.com/"),
		resttest.Case("write from elsewhere", "", "PATCH /api/users/xia", `{"nick_name":"X"}`, 403, `~Origin checking failed`).
			With(both, "X-CSRFToken: "+csrf.Value, "Origin: https://evil.example"),
		resttest.Case("write", "", "PATCH /api/users/xia", `{"nick_name":"X"}`, 200, `~"nick_name":"X"`).
			With(both, "X-CSRFToken: "+csrf.Value, "Origin: https://app.example.com"),
		resttest.Case("log out", "", "DELETE /api/auth/tokens", "", 204, "").With(both, "X-CSRFToken: "+csrf.Value, "Origin: https://app.example.com"),
		resttest.Case("over", "", "GET /api/auth/tokens", "", 401, noIdentity).With(both),
	)
}

// A session without ?cookie cannot be presented as a cookie: the jti of a token is not its cookie.
func TestTokenIsNoCookie(t *testing.T) {
	s := newSite(t)
	claims := decodePart(t, strings.Split(strings.TrimPrefix(s.login(t, "xia"), "Authorization: Bearer "), ".")[1])
	s.Run(t, resttest.Case("jti as cookie", "", "GET /api/auth/tokens", "", 401, noIdentity).With("Cookie: sessionid="+claims["jti"].(string)))
}

// Claims are those of the contract, in its order, then ours.
func TestClaims(t *testing.T) {
	s := newSite(t)
	token := strings.TrimPrefix(s.login(t, "xia"), "Authorization: Bearer ")
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		directory.UserDetail
		Exp, Iat int64
		Jti      string
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(raw), `{"slug":"xia","username":"xia","printable_name":"Xia","picture":null,"email":"xia@example.com",`) {
		t.Errorf("claims %s", raw)
	}
	if c.Exp-c.Iat != 1209600 || c.Jti == "" || !c.LastLogin.Equal(s.Clock.Now()) {
		t.Errorf("claims %s", raw)
	}
	if kept := one[int](t, s, `SELECT count(*) FROM session WHERE hex(key_hash) LIKE '%' || ? || '%'`, c.Jti); kept != 0 {
		t.Error("the jti is in the database")
	}
}

// TestLogOutEverywhere ends all sessions of the caller and their tokens; API keys and other users stay.
func TestLogOutEverywhere(t *testing.T) {
	s := newSite(t)
	here, there, other := s.login(t, "xia"), s.login(t, "xia"), s.login(t, "yan")
	token := strings.TrimPrefix(there, "Authorization: Bearer ")
	key := s.Do("xia", "POST /api/users/xia/api-keys", `{"password":"yoyo","title":"ci"}`).Body.String()
	key = strings.TrimSuffix(strings.TrimPrefix(key, `{"secret":"`), "\"}")
	key = "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(strings.TrimSuffix(key, "\n")+":"))
	s.Run(t,
		resttest.Case("not a word that is none", "", "DELETE /api/auth/tokens?everywhere=perhaps", "", 400, `~"everywhere"`).With(here),
		resttest.Case("both are in force", "", "GET /api/auth/tokens", "", 200, "*").With(there),
		resttest.Case("everywhere", "", "DELETE /api/auth/tokens?everywhere=true", "", 204, "").With(here),
		resttest.Case("here", "", "GET /api/auth/tokens", "", 401, badBearer).With(here),
		resttest.Case("there", "", "GET /api/auth/tokens", "", 401, badBearer).With(there),
		resttest.Case("nothing is renewed", "", "POST /api/auth/tokens", `{"token":"`+token+`"}`, 401, badBearer).With(there),
		resttest.Case("another user stays", "", "GET /api/auth/tokens", "", 200, "*").With(other),
		resttest.Case("the key stays", "", "GET /api/auth/tokens", "", 200, `~"username":"xia"`).With(key),
	)
}
