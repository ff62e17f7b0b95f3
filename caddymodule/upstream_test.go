package caddymodule

import (
	"bufio"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/md5"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/caddy-tollgate/tollgate/api/directory"
)

// upstreamKey is what applications share with the gate; sessionKey is how a Caddyfile names it.
const (
	upstreamKey = "k3y-for-tests-of-at-least-32-bytes"
	sessionKey  = "{env.TOLLGATE_TEST_SESSION_KEY}"
)

func init() { os.Setenv("TOLLGATE_TEST_SESSION_KEY", upstreamKey) }

// An application knows who calls from the session alone, in the form that its query names.
type application struct {
	name  string
	start func(t *testing.T) string // the address
}

var applications = []application{{"go", goApplication}, {"node", nodeApplication}}

// TestApplications runs applications behind the gate that read nothing but the session, in each form, with the libraries of their
// world, and holds every field.
func TestApplications(t *testing.T) {
	for _, app := range applications {
		t.Run(app.name, func(t *testing.T) {
			address := app.start(t)
			s := newSite(t, func(s *site) {
				s.upstream = &upstream{Server: &httptest.Server{URL: address}}
				s.gate = "rule /public/ any\n\t\trule /app/{profile}/ {\n\t\t\tdirect weak\n\t\t\tsubscribed premium\n\t\t}\n\t\tsession jwt " + sessionKey + "\n\t\tassertion shop\n\t\theaders"
			})
			joe := s.register("joe1")
			s.confirm("joe1")
			s.subscribe("joe1", joe)
			hold := func(t *testing.T, form string) map[string]any {
				t.Helper()
				s.must(403, "GET", "/public/?form="+form, nil)
				s.must(403, "GET", "/public/?form="+form, nil, "Cookie: sessionid=\"U2FsdGVkX18BAgMEBQYHCA==\"", "Tollgate-Assertion: a.b.c")
				got := s.must(200, "GET", "/app/joe1/?form="+form, nil, joe).json(t)
				manager := got["roles"].(map[string]any)["manager"].([]any)[0].(map[string]any)
				ends := manager["subscriptions"].([]any)[0].(map[string]any)
				for _, at := range []any{manager["created_at"], ends["ends_at"]} {
					if _, err := time.Parse(time.RFC3339Nano, at.(string)); err != nil {
						t.Error(err)
					}
				}
				delete(manager, "created_at")
				delete(ends, "ends_at")
				return got
			}
			session := func() map[string]any {
				return map[string]any{
					"last_visited": nil, "username": "joe1", "invoice_keys": []any{},
					"session_key": nil, "access_key": nil, "secret_key": nil, "security_token": nil,
					"site": map[string]any{"slug": "cowork", "printable_name": "Cowork", "email": "hello@cowork.example"},
					"roles": map[string]any{"manager": []any{map[string]any{
						"slug": "joe1", "printable_name": "Joe Card1", "picture": nil, "type": "personal", "credentials": true,
						"email": "joe1@example.com", "subscriptions": []any{map[string]any{"plan": "premium"}},
					}}},
				}
			}
			compare := func(t *testing.T, got, want map[string]any) {
				t.Helper()
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("session (-want +got):\n%s", diff)
				}
			}
			t.Run("jwt", func(t *testing.T) {
				got := hold(t, "jwt")
				if exp := time.Until(time.Unix(int64(got["exp"].(float64)), 0)); exp < 90*time.Minute || exp > 121*time.Minute {
					t.Errorf("exp is in %s", exp)
				}
				delete(got, "exp")
				compare(t, got, session())
			})
			t.Run("assertion", func(t *testing.T) {
				got := hold(t, "assertion")
				iat, exp := got["iat"].(float64), got["exp"].(float64)
				if exp-iat != 300 || len(got["jti"].(string)) != 32 {
					t.Errorf("iat %v exp %v jti %v", iat, exp, got["jti"])
				}
				delete(got, "iat")
				delete(got, "exp")
				delete(got, "jti")
				want := session()
				want["iss"], want["aud"], want["preferred_username"], want["email"], want["name"] = base, "shop", "joe1", "joe1@example.com", "Joe"
				want["email_verified"] = true
				if id, _ := got["sub"].(string); len(id) != 20 {
					t.Errorf("sub %v", got["sub"])
				}
				want["sub"] = got["sub"]
				compare(t, got, want)
			})
			t.Run("after the keys were rotated", func(t *testing.T) {
				old := s.must(200, "GET", jwksPath, nil).body
				if _, err := directory.RotateSecrets(filepath.Join(s.dir, "secrets.json"), 2); err != nil {
					t.Fatal(err)
				}
				s.gate += "\n\t\tpreflight deny" // another configuration, or Caddy does not load it
				s.load()
				var was, is struct {
					Keys []map[string]string `json:"keys"`
				}
				fresh := s.must(200, "GET", jwksPath, nil).body
				if json.Unmarshal([]byte(old), &was) != nil || json.Unmarshal([]byte(fresh), &is) != nil || len(was.Keys) != 1 || len(is.Keys) != 2 || !cmp.Equal(is.Keys[1], was.Keys[0]) {
					t.Fatalf("keys %s, then %s", old, fresh)
				}
				hold(t, "assertion")
			})
			t.Run("cookie", func(t *testing.T) {
				s.gate = strings.Replace(s.gate, "session jwt", "session cookie", 1)
				s.load()
				compare(t, hold(t, "cookie"), session())
			})
		})
	}
}

// goApplication is an application in Go.
func goApplication(t *testing.T) string {
	readers := map[string]func(r *http.Request) (map[string]any, error){
		"jwt": func(r *http.Request) (map[string]any, error) {
			claims := jwt.MapClaims{}
			token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
			_, err := jwt.ParseWithClaims(token, claims, func(*jwt.Token) (any, error) { return []byte(upstreamKey), nil },
				jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired())
			return claims, err
		},
		"assertion": func(r *http.Request) (map[string]any, error) {
			claims := jwt.MapClaims{}
			_, err := jwt.ParseWithClaims(r.Header.Get("Tollgate-Assertion"), claims, published, jwt.WithValidMethods([]string{"EdDSA"}),
				jwt.WithExpirationRequired(), jwt.WithIssuer(base), jwt.WithAudience("shop"), jwt.WithIssuedAt())
			return claims, err
		},
		"cookie": openSession,
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, err := readers[r.URL.Query().Get("form")](r)
		if err != nil || session["username"] == nil {
			http.Error(w, fmt.Sprint(err), http.StatusForbidden)
			return
		}
		_ = json.NewEncoder(w).Encode(session)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// published finds the key of a token among those that the site publishes.
func published(t *jwt.Token) (any, error) {
	res, err := http.Get(base + jwksPath)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	var set struct {
		Keys []struct{ Kty, Crv, Kid, X string }
	}
	if err := json.NewDecoder(res.Body).Decode(&set); err != nil {
		return nil, err
	}
	for _, k := range set.Keys {
		if k.Kid == t.Header["kid"] && k.Kty == "OKP" && k.Crv == "Ed25519" {
			x, err := base64.RawURLEncoding.DecodeString(k.X)
			return ed25519.PublicKey(x), err
		}
	}
	return nil, errors.New("unknown key")
}

// openSession decrypts the session cookie as `openssl enc -d -aes-256-cbc -md md5` does.
func openSession(r *http.Request) (session map[string]any, err error) {
	c, err := r.Cookie("sessionid")
	if err != nil {
		return nil, err
	}
	sealed, err := base64.StdEncoding.DecodeString(c.Value)
	if err != nil || len(sealed) < 32 || len(sealed)%aes.BlockSize != 0 {
		return nil, errors.New("no session")
	}
	var out, last []byte
	for len(out) < 48 {
		sum := md5.Sum(append(append(last, upstreamKey...), sealed[8:16]...))
		last = sum[:]
		out = append(out, last...)
	}
	block, err := aes.NewCipher(out[:32])
	if err != nil {
		return nil, err
	}
	text := sealed[16:]
	cipher.NewCBCDecrypter(block, out[32:48]).CryptBlocks(text, text)
	return session, json.Unmarshal(text[:len(text)-int(text[len(text)-1])], &session)
}

// nodeApplication is testdata/upstream/app.mjs. Its library is installed by `npm ci` there.
func nodeApplication(t *testing.T) string {
	program(t, "node")
	dir := filepath.Join("testdata", "upstream")
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "jose")); err != nil {
		if os.Getenv("TOLLGATE_NO_SKIP") != "" {
			t.Fatalf("run npm ci in caddymodule/%s: %v", dir, err)
		}
		t.Skipf("run npm ci in caddymodule/%s first", dir)
	}
	cmd := exec.Command("node", "app.mjs")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "KEY="+upstreamKey, "ISSUER="+base, "AUDIENCE=shop", "JWKS="+base+jwksPath)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	port, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return "http://127.0.0.1:" + strings.TrimSpace(port)
}
