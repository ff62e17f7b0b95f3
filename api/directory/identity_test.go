package directory

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/caddy-tollgate/tollgate/store"
)

func request(authorization, cookie string) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	if cookie != "" {
		r.Header.Set("Cookie", "theme=dark; sessionid="+cookie)
	}
	return r
}

func basic(key string) string { return base64.StdEncoding.EncodeToString([]byte(key)) }

// One identity a request: the first scheme that is present decides, and says what is wrong in the contract's words
// (conventions.md 2.1, 2.2).
func TestIdentify(t *testing.T) {
	w := newWorld(t)
	xia, yan, gone := w.user("xia"), w.user("yan"), w.user("gone")
	_, token := w.login(xia, false)
	key, keyID := w.apiKey(yan)
	goneKey, _ := w.apiKey(gone)
	oldKey, oldID := w.apiKey(yan)
	w.exec(func(*store.Tx) {}, `UPDATE api_key SET ends_at = ? WHERE id = ?`, store.At(w.clock.Now()), oldID)
	session, _ := w.login(yan, true)
	noCookie, _ := w.login(yan, false)
	_, goneToken := w.login(gone, false)
	goneSession, _ := w.login(gone, true)
	w.exec(func(tx *store.Tx) { w.TouchUser(tx, gone) }, `UPDATE user SET is_active = 0 WHERE id = ?`, gone)
	wrongHalf := key[:32] + NewAPIKey()[32:]

	anonymous := Identity{}
	dead := Identity{DeadCookie: true}
	for _, c := range []struct {
		name, header, cookie string
		want                 Identity // User is told by the name
		user, fails          string
	}{
		{"nothing", "", "", anonymous, "", ""},
		{"token", "Bearer " + token, "", Identity{Scheme: Bearer, Session: 1}, "xia", ""},
		{"keyword in any case", "bEARER " + token, "", Identity{Scheme: Bearer, Session: 1}, "xia", ""},
		{"blanks around", "  Bearer \t " + token + "  ", "", Identity{Scheme: Bearer, Session: 1}, "xia", ""},
		{"token before cookie", "Bearer " + token, session.Key, Identity{Scheme: Bearer, Session: 1}, "xia", ""},
		{"bad token and good cookie", "Bearer x", session.Key, Identity{Scheme: Cookie, Session: session.ID, CSRF: session.CSRF, Ambient: true}, "yan", "foreign: Invalid token"},
		{"bad key and good cookie", "Basic x", session.Key, Identity{Scheme: Cookie, Session: session.ID, CSRF: session.CSRF, Ambient: true}, "yan", "foreign: Invalid basic header. Credentials not correctly base64 encoded."},
		{"unknown keyword", "Token xyz", "", anonymous, "", ""},
		{"our token behind an unknown keyword", "Token " + token, "", anonymous, "", "Invalid token"},
		{"our key among other words", "Signature a, " + key, "", anonymous, "", "Invalid token"},
		{"our token in another's credential", "Bearer " + token + " x", session.Key, anonymous, "", "Invalid token header. Token string should not contain spaces."},
		{"our key as a password", "Basic " + basic("git:"+key), "", Identity{Scheme: Basic, APIKey: keyID, Ambient: true}, "yan", ""},
		{"a key of nobody and ours as a password", "Basic " + basic(wrongHalf+":"+key), "", anonymous, "", "Invalid token"},
		{"our key in unpadded base64", "Basic " + strings.TrimRight(basic(key+":xx"), "="), "", anonymous, "", "Invalid basic header. Credentials not correctly base64 encoded."},
		{"a signature of 64 characters", "AWS4-HMAC-SHA256 Credential=x, Signature=" + strings.Repeat("a", 64), "", anonymous, "", ""},
		{"a personal access token", "Bearer glpat-xyz", "", anonymous, "", "foreign: Invalid token"},
		{"a digest", `Digest username="yan", response="x"`, "", anonymous, "", ""},
		{"unknown keyword and cookie", "Token xyz", session.Key, Identity{Scheme: Cookie, Session: session.ID, CSRF: session.CSRF, Ambient: true}, "yan", ""},
		{"empty header", " ", "", anonymous, "", ""},
		{"no token", "Bearer", "", anonymous, "", "foreign: Invalid token header. No credentials provided."},
		{"no token, blank", "Bearer  ", "", anonymous, "", "foreign: Invalid token header. No credentials provided."},
		{"two words", "Bearer a b", "", anonymous, "", "foreign: Invalid token header. Token string should not contain spaces."},
		{"not UTF-8", "Bearer a\xff", "", anonymous, "", "foreign: Invalid token header. Token string should not contain invalid characters."},
		{"no signature", "Bearer " + token[:strings.LastIndexByte(token, '.')+1], "", anonymous, "", "Invalid token"},
		{"one character less", "Bearer " + token[:len(token)-1], "", anonymous, "", "Invalid token"},
		{"much too long", "Bearer " + strings.Repeat("a", 1<<20), "", anonymous, "", "foreign: Invalid token"},
		{"token of an inactive user", "Bearer " + goneToken, "", anonymous, "", "Invalid token"},
		{"key", "Basic " + basic(key+":"), "", Identity{Scheme: Basic, APIKey: keyID, Ambient: true}, "yan", ""},
		{"key without colon", "Basic " + basic(key), "", Identity{Scheme: Basic, APIKey: keyID, Ambient: true}, "yan", ""},
		{"key with a password", "basic " + basic(key+":what:ever"), "", Identity{Scheme: Basic, APIKey: keyID, Ambient: true}, "yan", ""},
		{"key as a bearer token", "Bearer " + key, "", Identity{Scheme: Basic, APIKey: keyID}, "yan", ""},
		{"key as it is", "Basic " + key, "", anonymous, "", "Invalid token"}, // it is base64 of something
		{"no key", "Basic", "", anonymous, "", "foreign: Invalid basic header. No credentials provided."},
		{"two keys", "Basic " + basic(key) + " " + basic(key), "", anonymous, "", "Invalid basic header. Credentials string should not contain spaces."},
		{"not base64", "Basic !!!", "", anonymous, "", "foreign: Invalid basic header. Credentials not correctly base64 encoded."},
		{"user and password", "Basic " + basic("yan:secret"), "", anonymous, "", "foreign: Invalid token"},
		{"key of nobody", "Basic " + basic(NewAPIKey()), "", anonymous, "", "Invalid token"},
		{"wrong secret half", "Basic " + basic(wrongHalf), "", anonymous, "", "Invalid token"},
		{"wrong secret half, bearer", "Bearer " + wrongHalf, "", anonymous, "", "Invalid token"},
		{"key that has ended", "Basic " + basic(oldKey), "", anonymous, "", "Invalid token"},
		{"key of an inactive user", "Basic " + basic(goneKey), "", anonymous, "", "User inactive or deleted."},
		{"cookie", "", session.Key, Identity{Scheme: Cookie, Session: session.ID, CSRF: session.CSRF, Ambient: true}, "yan", ""},
		{"quoted cookie", "", `"` + session.Key + `"`, Identity{Scheme: Cookie, Session: session.ID, CSRF: session.CSRF, Ambient: true}, "yan", ""},
		{"two cookies: neither", "", session.Key + "; sessionid=x", anonymous, "", ""},
		{"two cookies: neither, in any order", "", "x; sessionid=" + session.Key, anonymous, "", ""},
		{"cookie of nobody", "", RandomHex(sessionKeyLen), dead, "", ""},
		{"session that has no cookie", "", noCookie.Key, dead, "", ""},
		{"a token is no cookie", "", token, dead, "", ""},
		{"cookie of an inactive user", "", goneSession.Key, dead, "", ""},
		{"empty cookie", "", " ", dead, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 2 { // cold and warm
				got, err := w.Identify(request(c.header, c.cookie))
				fails, foreign := c.fails, ""
				if text, ok := strings.CutPrefix(fails, "foreign: "); ok {
					fails, foreign = "", text
				}
				if is := got.Foreign; is != nil && is.Detail != foreign || is == nil && foreign != "" {
					t.Errorf("a credential that is not ours: %v, want %q", is, foreign)
				}
				got.Foreign = nil
				var bad *CredentialError
				switch {
				case fails == "" && err != nil:
					t.Fatal(err)
				case fails != "" && (!errors.As(err, &bad) || bad.Detail != fails):
					t.Fatalf("error %v, want %q", err, fails)
				}
				name := ""
				if got.User != nil {
					name = got.User.Username
				}
				got.User, got.Presented = nil, Presented{}
				if got != c.want || name != c.user {
					t.Errorf("%+v of %q, want %+v of %q", got, name, c.want, c.user)
				}
			}
		})
	}
	t.Run("two headers", func(t *testing.T) {
		r := request("Bearer "+token, "")
		r.Header.Add("Authorization", "Basic "+basic(key))
		if _, err := w.Identify(r); err == nil {
			t.Error("a request with two credentials has an identity")
		}
	})
}

// Tokens made by others log nobody in. Those that have the form of ours are refused, the others are none of our business.
func TestForgedTokens(t *testing.T) {
	w := newWorld(t)
	xia := w.user("xia")
	s, good := w.login(xia, false)
	ours := w.o.Secrets.TokenKeys[0]
	elliptic, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := w.clock.Now().Unix()
	valid := func() jwt.MapClaims {
		return jwt.MapClaims{"username": "xia", "exp": now + 60, "iat": now, "jti": s.Key}
	}
	without := func(name string) jwt.MapClaims { c := valid(); delete(c, name); return c }
	with := func(name string, v any) jwt.MapClaims { c := valid(); c[name] = v; return c }
	sign := func(m jwt.SigningMethod, key any, kid any, c jwt.MapClaims) string {
		t.Helper()
		token := jwt.NewWithClaims(m, c)
		if kid != nil {
			token.Header["kid"] = kid
		}
		text, err := token.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	parts := strings.Split(good, ".")
	foreign := map[string]bool{"ES256": true, "no jti": true, "no username": true,
		"other claims": true, "dots": true, "not base64": true}
	for _, c := range []struct {
		name, token string
		ok          bool
	}{
		{"ours", good, true},
		{"ours, by hand", sign(jwt.SigningMethodHS256, ours.Key, ours.ID, valid()), true},
		{"without kid", sign(jwt.SigningMethodHS256, ours.Key, nil, valid()), true},
		{"algorithm none", sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, ours.ID, valid()), false},
		{"HS384 with our key", sign(jwt.SigningMethodHS384, ours.Key, ours.ID, valid()), false},
		{"HS512 with our key", sign(jwt.SigningMethodHS512, ours.Key, ours.ID, valid()), false},
		{"ES256", sign(jwt.SigningMethodES256, elliptic, ours.ID, valid()), false},
		{"another key", sign(jwt.SigningMethodHS256, secret(32), ours.ID, valid()), false},
		{"empty key", sign(jwt.SigningMethodHS256, []byte{}, nil, valid()), false},
		{"unknown kid", sign(jwt.SigningMethodHS256, ours.Key, "other", valid()), false},
		{"kid is a list", sign(jwt.SigningMethodHS256, ours.Key, []string{ours.ID}, valid()), false},
		{"no exp", sign(jwt.SigningMethodHS256, ours.Key, ours.ID, without("exp")), false},
		{"exp now", sign(jwt.SigningMethodHS256, ours.Key, ours.ID, with("exp", now)), false},
		{"exp is text", sign(jwt.SigningMethodHS256, ours.Key, ours.ID, with("exp", "9999999999")), false},
		{"no jti", sign(jwt.SigningMethodHS256, ours.Key, ours.ID, without("jti")), false},
		{"jti of nothing", sign(jwt.SigningMethodHS256, ours.Key, ours.ID, with("jti", RandomHex(40))), false},
		{"no username", sign(jwt.SigningMethodHS256, ours.Key, ours.ID, without("username")), false},
		{"another username", sign(jwt.SigningMethodHS256, ours.Key, ours.ID, with("username", "hub")), false},
		{"older than the password", sign(jwt.SigningMethodHS256, ours.Key, ours.ID, with("iat", now-1)), false},
		{"no iat", sign(jwt.SigningMethodHS256, ours.Key, ours.ID, without("iat")), false},
		{"other claims", parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"username":"xia"}`)) + "." + parts[2], false},
		{"four parts", good + ".x", false},
		{"dots", "...", false},
		{"not base64", "a.b.c", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			id, err := w.Identify(request("Bearer "+c.token, ""))
			if foreign[c.name] {
				if err != nil || id.User != nil || id.Foreign == nil {
					t.Errorf("%+v, %v", id, err)
				}
				return
			}
			var bad *CredentialError
			if c.ok && (err != nil || id.User.ID != xia) || !c.ok && (!errors.As(err, &bad) || bad.Detail != "Invalid token") {
				t.Errorf("%+v, %v", id, err)
			}
		})
	}
}

// Log-out, password, name, deactivation, end and keys each end a session that is in everybody's memory, at once.
func TestSessionEnds(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(w *world, user int64, s Session)
		both bool // the cookie too
	}{
		{"log out", func(w *world, _ int64, s Session) {
			w.write(func(tx *store.Tx) error { return w.RevokeSession(tx, s.ID) })
		}, true},
		{"sign out everywhere", func(w *world, user int64, _ Session) {
			w.write(func(tx *store.Tx) error { return w.RevokeUser(tx, user) })
		}, true},
		{"password change", func(w *world, user int64, _ Session) {
			w.clock.Advance(time.Microsecond)
			w.exec(func(tx *store.Tx) { w.TouchUser(tx, user) }, `UPDATE user SET password_changed_at = ? WHERE id = ?`, store.At(w.clock.Now()), user)
		}, true},
		{"rename", func(w *world, user int64, _ Session) {
			w.exec(func(tx *store.Tx) { w.TouchUser(tx, user) }, `UPDATE user SET username = 'zoe' WHERE id = ?`, user)
		}, false}, // the operation revokes the user's sessions besides
		{"deactivation", func(w *world, user int64, _ Session) {
			w.exec(func(tx *store.Tx) { w.TouchUser(tx, user) }, `UPDATE user SET is_active = 0 WHERE id = ?`, user)
		}, true},
		{"deletion", func(w *world, user int64, _ Session) {
			w.exec(func(tx *store.Tx) { w.TouchUser(tx, user) }, `DELETE FROM user WHERE id = ?`, user)
		}, true},
		{"end of the session", func(w *world, _ int64, s Session) { w.clock.Set(s.EndsAt.Time) }, true},
		{"keys replaced", func(w *world, _ int64, _ Session) {
			if err := w.SetTokenKeys(NewSecrets().TokenKeys); err != nil {
				w.t.Fatal(err)
			}
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			xia := w.user("xia")
			s, token := w.login(xia, true)
			_, other := w.login(w.user("yan"), true)
			for range 2 {
				must[Identity](t)(w.Identify(request("Bearer "+token, "")))
				if id := must[Identity](t)(w.Identify(request("", s.Key))); id.User == nil {
					t.Fatal("the cookie opens nothing")
				}
			}
			c.end(w, xia, s)
			for range 2 {
				if id, err := w.Identify(request("Bearer "+token, "")); err == nil {
					t.Errorf("the token is still good for %s", id.User.Username)
				}
				if id := must[Identity](t)(w.Identify(request("", s.Key))); (id.User == nil) != c.both {
					t.Errorf("with the cookie: %+v", id)
				}
			}
			if c.name != "keys replaced" && c.name != "end of the session" {
				must[Identity](t)(w.Identify(request("Bearer "+other, "")))
			}
		})
	}
}

func TestKeyRotation(t *testing.T) {
	w := newWorld(t)
	xia := w.user("xia")
	_, old := w.login(xia, false)
	must[Identity](t)(w.VerifyToken(old))
	first, second := w.o.Secrets.TokenKeys[0], newTokenKey()
	if err := w.SetTokenKeys([]TokenKey{second, first}); err != nil {
		t.Fatal(err)
	}
	_, young := w.login(xia, false)
	must[Identity](t)(w.VerifyToken(old))
	must[Identity](t)(w.VerifyToken(young))
	if err := w.SetTokenKeys([]TokenKey{second}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.VerifyToken(old); err == nil {
		t.Error("a token of the dropped key is good")
	}
	must[Identity](t)(w.VerifyToken(young))
	for _, bad := range [][]TokenKey{nil, {second, second}, {{ID: "x", Key: []byte("short")}}, {{Key: secret(32)}}} {
		if err := w.SetTokenKeys(bad); err == nil {
			t.Errorf("SetTokenKeys takes %v", bad)
		}
	}
}

func TestAPIKeyEnds(t *testing.T) {
	w := newWorld(t)
	xia := w.user("xia")
	key, id := w.apiKey(xia)
	ends := w.clock.Now().Add(time.Hour)
	w.exec(func(*store.Tx) {}, `UPDATE api_key SET ends_at = ? WHERE id = ?`, store.At(ends), id)
	must[Identity](t)(w.Identify(request("Bearer "+key, "")))
	w.clock.Set(ends.Add(-time.Microsecond))
	must[Identity](t)(w.Identify(request("Bearer "+key, "")))
	w.clock.Set(ends)
	if _, err := w.Identify(request("Bearer "+key, "")); err == nil {
		t.Error("the key is good after its end")
	}
	key, id = w.apiKey(xia)
	must[Identity](t)(w.Identify(request("Bearer "+key, "")))
	w.exec(func(tx *store.Tx) { w.TouchUser(tx, xia) }, `DELETE FROM api_key WHERE id = ?`, id)
	if _, err := w.Identify(request("Bearer "+key, "")); err == nil {
		t.Error("the key is good after it was deleted")
	}
}

func TestAPIKeyUseIsWrittenDown(t *testing.T) {
	w := newWorld(t)
	xia := w.user("xia")
	var keys [3]string
	var ids [3]int64
	for i := range keys {
		keys[i], ids[i] = w.apiKey(xia)
	}
	use := func(i int) {
		t.Helper()
		must[Identity](t)(w.Identify(request("Bearer "+keys[i], "")))
	}
	lastUsed := func(i int) (at store.Time) {
		t.Helper()
		w.read(func(r store.Reader) error {
			return r.QueryRow(`SELECT last_used_at FROM api_key WHERE id = ?`, ids[i]).Scan(&at)
		})
		return at
	}
	flush := func() {
		t.Helper()
		if err := w.FlushKeyUse(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	start := w.clock.Now()
	use(0)
	use(1)
	w.clock.Advance(time.Second) // within the minute that is exact enough
	use(0)
	flush()
	flush()
	if !lastUsed(0).Equal(start) || !lastUsed(1).Equal(start) || !lastUsed(2).IsZero() {
		t.Errorf("last used %v, %v, %v", lastUsed(0), lastUsed(1), lastUsed(2))
	}
	w.clock.Advance(time.Minute)
	use(0)
	flush()
	if !lastUsed(0).Equal(start.Add(time.Minute+time.Second)) || !lastUsed(1).Equal(start) {
		t.Errorf("last used %v, %v", lastUsed(0), lastUsed(1))
	}
	// What cannot be written is kept, and is not older than what was noted since.
	w.clock.Advance(time.Minute)
	use(2)
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.FlushKeyUse(t.Context()); !errors.Is(err, store.ErrClosed) {
		t.Fatal(err)
	}
	if got := w.used.at[ids[2]]; !got.Equal(w.clock.Now()) {
		t.Errorf("after a failure, %v is left", got)
	}
}
