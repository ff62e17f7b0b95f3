package directory

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/caddy-tollgate/tollgate/store"
)

// The claims are the user's detail in the contract's order, then exp, iat and jti (auth.md 4, decision 54).
func TestTokenClaims(t *testing.T) {
	w := newWorld(t)
	xia := w.user("xia")
	w.insert(`INSERT INTO contact (slug, created_at, phone, full_name, nick_name, user_id) VALUES ('x', 0, '+14155550100', 'Xia Lee', 'Xia', ?)`, xia)
	s, token := w.login(xia, false)
	parts := strings.Split(token, ".")
	part := func(i int) string {
		b, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if got, want := part(0), `{"alg":"HS256","kid":"`+w.o.Secrets.TokenKeys[0].ID+`","typ":"JWT"}`; got != want {
		t.Errorf("header %s, want %s", got, want)
	}
	now := w.clock.Now()
	want := fmt.Sprintf(`{"slug":"xia","username":"xia","printable_name":"Xia","picture":null,"email":"xia@example.com","phone":"+14155550100",`+
		`"full_name":"Xia Lee","nick_name":"Xia","lang":"en","credentials":true,"otp_enabled":false,"created_at":"2025-03-10T12:00:00Z",`+
		`"last_login":null,"exp":%d,"iat":%d,"jti":%q}`, now.Add(14*24*time.Hour).Unix(), now.Unix(), s.Key)
	if got := part(1); got != want {
		t.Errorf("claims\n%s, want\n%s", got, want)
	}
	var held []byte
	w.read(func(r store.Reader) error {
		return r.QueryRow(`SELECT key_hash FROM session WHERE id = ?`, s.ID).Scan(&held)
	})
	if string(held) != string(sha(s.Key)) {
		t.Error("the database does not hold the SHA-256 of the session's key")
	}
}

func TestRefreshToken(t *testing.T) {
	w := newWorld(t)
	xia := w.user("xia")
	s, token := w.login(xia, true)
	w.exec(func(tx *store.Tx) { w.TouchUser(tx, xia) }, `UPDATE user SET last_name = 'Wang' WHERE id = ?`, xia)
	w.clock.Advance(24 * time.Hour)
	refresh := func(raw string) (fresh string, err error) {
		err = w.store.Write(t.Context(), func(tx *store.Tx) (err error) {
			fresh, err = w.RefreshToken(tx, raw)
			return err
		})
		return fresh, err
	}
	fresh := must[string](t)(refresh(token))
	c := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(fresh, c); err != nil {
		t.Fatal(err)
	}
	if exp := w.clock.Now().Add(14 * 24 * time.Hour).Unix(); int64(c["exp"].(float64)) != exp || c["jti"] != s.Key || c["full_name"] != "Fxia Wang" {
		t.Errorf("claims %v, want exp %d of session %s", c, exp, s.Key)
	}
	if id := must[Identity](t)(w.VerifyToken(fresh)); id.Session != s.ID {
		t.Errorf("the new token is of session %d, not %d", id.Session, s.ID)
	}
	// The old token keeps its own end, known or not; the cookie lasts as long as the session now does.
	must[Identity](t)(w.VerifyToken(token))
	w.clock.Set(s.EndsAt.Time)
	if _, err := w.VerifyToken(token); err == nil {
		t.Error("the old token outlives its end")
	}
	must[Identity](t)(w.VerifyToken(fresh))
	if id := must[Identity](t)(w.Identify(request("", s.Key))); id.User == nil {
		t.Error("the cookie ended before the session")
	}
	if _, err := refresh(token); err == nil {
		t.Error("a token that has ended is refreshed")
	}
	w.write(func(tx *store.Tx) error { return w.RevokeSession(tx, s.ID) })
	if _, err := refresh(fresh); err == nil {
		t.Error("a token of a revoked session is refreshed")
	}
	var ends store.Time
	w.read(func(r store.Reader) error {
		return r.QueryRow(`SELECT ends_at FROM session WHERE id = ?`, s.ID).Scan(&ends)
	})
	if want := s.EndsAt.Add(24 * time.Hour); !ends.Equal(want) {
		t.Errorf("the session ends at %v, want %v", ends, want)
	}
}

// What a transaction reads of a session must not get into the caches: it may be rolled back.
func TestRefreshOfARolledBackUser(t *testing.T) {
	w := newWorld(t)
	xia := w.user("xia")
	_, token := w.login(xia, false)
	w.store.Write(t.Context(), func(tx *store.Tx) error {
		if _, err := tx.Exec(`UPDATE user SET first_name = 'Never' WHERE id = ?`, xia); err != nil {
			return err
		}
		if _, err := w.RefreshToken(tx, token); err != nil {
			t.Error(err)
		}
		return fmt.Errorf("no")
	})
	if u, err := w.UserByID(xia); err != nil || u.FullName != "Fxia Lee" {
		t.Errorf("%v, %v", u, err)
	}
}

func TestJanitor(t *testing.T) {
	w := newWorld(t)
	xia := w.user("xia")
	w.login(xia, false)
	w.clock.Advance(time.Hour)
	s, _ := w.login(xia, false)
	w.clock.Set(s.EndsAt.Time)
	if err := w.Janitor(t.Context()); err != nil {
		t.Fatal(err)
	}
	var n, id int64
	w.read(func(r store.Reader) error { return r.QueryRow(`SELECT count(*), min(id) FROM session`).Scan(&n, &id) })
	if n != 1 || id != s.ID {
		t.Errorf("%d sessions are left, the first is %d", n, id)
	}
}

// FuzzIdentify: whatever is presented, there is no panic and no identity.
func FuzzIdentify(f *testing.F) {
	w := newWorld(f)
	xia := w.user("xia")
	s, token := w.login(xia, true)
	key, _ := w.apiKey(xia)
	good := map[string]bool{token: true, key: true, s.Key: true}
	for _, seed := range []string{"", "Bearer", "Bearer x", "Basic x", "basic " + basic(NewAPIKey()), "Bearer " + strings.Repeat("a.", 9), token[:40]} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, header, cookie string) {
		for secret := range good {
			if strings.Contains(header, secret) || strings.Contains(cookie, secret) || strings.Contains(header, basic(secret)) {
				t.Skip("it holds a credential that is good")
			}
		}
		id, err := w.Identify(request(header, cookie))
		if id.User != nil {
			t.Errorf("%q and %q are %s", header, cookie, id.User.Username)
		}
		if bad, ok := err.(*CredentialError); err != nil && (!ok || !json.Valid([]byte(`"`+bad.Detail+`"`))) {
			t.Errorf("%v", err)
		}
	})
}

// A caller who is known costs no I/O and next to no memory.
func TestWarmIdentifyAllocatesLittle(t *testing.T) {
	w := newWorld(t)
	xia := w.user("xia")
	s, token := w.login(xia, true)
	key, _ := w.apiKey(xia)
	requests := []*http.Request{request("Bearer "+token, ""), request("Basic "+basic(key), ""), request("", s.Key)}
	if err := w.identify(requests...); err != nil {
		t.Fatal(err)
	}
	if err := w.store.Close(); err != nil { // from here on, I/O fails
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(200, func() {
		if err := w.identify(requests...); err != nil {
			t.Fatal(err)
		}
	}); n > 3*2 {
		t.Errorf("%v allocations for three requests", n)
	}
}

func (w *world) identify(requests ...*http.Request) error {
	for _, r := range requests {
		if id, err := w.Identify(r); err != nil || id.User == nil {
			return fmt.Errorf("%v, %w", id, err)
		}
	}
	return nil
}

func BenchmarkIdentify(b *testing.B) {
	w := newWorld(b)
	xia := w.user("xia")
	w.role(xia, w.profile("acme"), w.manager)
	s, token := w.login(xia, true)
	key, _ := w.apiKey(xia)
	for name, r := range map[string]struct{ header, cookie string }{
		"token": {"Bearer " + token, ""}, "key": {"Basic " + basic(key), ""}, "cookie": {"", s.Key}, "anonymous": {},
	} {
		r := request(r.header, r.cookie)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := w.Identify(r); err != nil {
					b.Fatal(err)
				}
			}
		})
		if name != "token" {
			continue
		}
		b.Run("token, cold", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w.TouchAll()
				if _, err := w.Identify(r); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("token, after a commit elsewhere", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w.stamps.touch(userRow.slot(99))
				if _, err := w.Identify(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
