package accessrules_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"pgregory.net/rapid"

	"github.com/caddy-tollgate/tollgate/accessrules"
)

// payload is the text of a token's payload.
func payload(t *testing.T, token string) string {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("not a token: %q", token)
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestSignJWTVector is the test vector of access.md B.7.
func TestSignJWTVector(t *testing.T) {
	got, err := accessrules.SignJWT([]byte(`{"last_visited":null,"username":"xia","roles":{"manager":[{"slug":"cowork","printable_name":"ABC Corp."}]},"exp":1893456000}`), []byte("k3y-for-tests-16"))
	const want = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJsYXN0X3Zpc2l0ZWQiOm51bGwsInVzZXJuYW1lIjoieGlhIiwicm9sZXMiOnsibWFuYWdlciI6W3sic2x1ZyI6ImNvd29yayIsInByaW50YWJsZV9uYW1lIjoiQUJDIENvcnAuIn1dfSwiZXhwIjoxODkzNDU2MDAwfQ.nScUylIjbkTbXxdKhSdW4-MWG2YIcWrAg-uHWPkuuzs"
	if err != nil || got != want {
		t.Errorf("got %s, %v", got, err)
	}
}

// TestSealCookieVector is the test vector of access.md B.7.
func TestSealCookieVector(t *testing.T) {
	const want = "U2FsdGVkX18BAgMEBQYHCCaBrCiEZdEkB3Ss2waxwNnZ6e2BWq7NqpevLYDFYoZY+3W7wH5otcrXTy3ueY7MTr80wBxC4+gpC5wkz5ORm68="
	plain := []byte(`{"username": "xia", "last_visited": null, "n": "\u00e9"}`)
	for _, key := range []string{"k3y-for-tests-16", "k3y-for-tésts-16é"} {
		salt := bytes.NewReader([]byte{1, 2, 3, 4, 5, 6, 7, 8})
		got, err := accessrules.SealCookie(plain, key, salt)
		if ok := got == want; err != nil || ok != (key == "k3y-for-tests-16") {
			t.Errorf("%s: got %s, %v", key, got, err)
		}
	}
	// Characters beyond ASCII do not count.
	got, err := accessrules.SealCookie(plain, "k3y-foér-tests-16é", bytes.NewReader([]byte{1, 2, 3, 4, 5, 6, 7, 8}))
	if err != nil || got != want {
		t.Errorf("got %s, %v", got, err)
	}
	if !bytes.Equal(plain, []byte(`{"username": "xia", "last_visited": null, "n": "\u00e9"}`)) {
		t.Error("the plain text was changed")
	}
}

// open decrypts a cookie with the key and initial vector that were derived for the vector's key and salt.
func open(t interface{ Fatal(...any) }, cookie string) string {
	key, _ := hex.DecodeString("85dc719d732adf7ddc88b90826f2a0aaf3aeecc7ebfbdfcefd8283b0898a847f")
	iv, _ := hex.DecodeString("9771671f25a8d4a6539ab69d878fed50")
	b, err := base64.StdEncoding.DecodeString(cookie)
	if err != nil || len(b) < 32 || string(b[:8]) != "Salted__" {
		t.Fatal(cookie, err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	text := b[16:]
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(text, text)
	return string(text[:len(text)-int(text[len(text)-1])])
}

func TestNoKey(t *testing.T) {
	s := accessrules.Session{User: &accessrules.User{Username: "xia"}}
	if token, err := s.JWT("", now); err == nil || token != "" {
		t.Errorf("signed without a key: %q", token)
	}
	for _, key := range []string{"", "é"} {
		if cookie, err := s.Cookie(key, now, bytes.NewReader(make([]byte, 8))); err == nil || cookie != "" {
			t.Errorf("sealed with the key %q: %q", key, cookie)
		}
	}
	if cookie, err := s.Cookie("key", now, iotest.ErrReader(errDisk)); !errors.Is(err, errDisk) || cookie != "" {
		t.Errorf("sealed without salt: %q, %v", cookie, err)
	}
}

// sampleUser has something of everything that a session says.
func sampleUser() *accessrules.User {
	past, future := now.AddDate(0, -1, 0), now.AddDate(0, 1, 0)
	acme := &accessrules.Profile{Slug: "acme", PrintableName: `Ac"me \ "é" 🍰`, Email: "acme@example.com", Picture: "/p/1.png", Active: true, CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 678000, time.FixedZone("", 3600)),
		Subscriptions: []accessrules.Subscription{{Plan: "basic", EndsAt: past}, {Plan: "premium", EndsAt: past}, {Plan: "basic", EndsAt: future}, {Plan: "premium", EndsAt: past.Add(-hour)}}}
	return &accessrules.User{Username: "xia", Credentials: true, Roles: []accessrules.Role{
		{Profile: acme, Description: "contributor"},
		{Profile: &accessrules.Profile{Slug: "xia", PrintableName: "Xia", Active: true, Personal: true, Credentials: true, CreatedAt: past}, Description: "manager"},
		{Profile: &accessrules.Profile{Slug: "dead", CreatedAt: past}, Description: "auditor"},
		{Profile: &accessrules.Profile{Slug: "left", Active: true}, Description: "contributor", EndsAt: now},
		{Profile: &accessrules.Profile{Slug: "zoe", PrintableName: "Zoe", Email: "z@x", Active: true, Personal: true, CreatedAt: past}, Description: "contributor", EndsAt: future},
	}}
}

func TestSession(t *testing.T) {
	s := accessrules.Session{User: sampleUser(), Site: &accessrules.Site{Slug: "hub", PrintableName: "Hub", Email: "hub@x"},
		LastVisited: accessrules.Visited(time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)), InvoiceKeys: []string{"k1", "k2"}}
	profiles := `"roles":{"contributor":[` +
		`{"slug":"acme","printable_name":"Ac\"me \\ \"\u00e9\" \ud83c\udf70","picture":"/p/1.png","type":"organization","credentials":false,"created_at":"2026-01-02T02:04:05.000678Z","email":"acme@example.com",` +
		`"subscriptions":[{"plan":"basic","ends_at":"2026-04-15T12:00:00Z"},{"plan":"premium","ends_at":"2026-02-15T12:00:00Z"}]},` +
		`{"slug":"zoe","printable_name":"Zoe","picture":null,"type":"personal","credentials":false,"created_at":"2026-02-15T12:00:00Z","email":"z@x","subscriptions":[]}],` +
		`"manager":[{"slug":"xia","printable_name":"Xia","picture":null,"type":"personal","credentials":true,"created_at":"2026-02-15T12:00:00Z","email":"","subscriptions":[]}]}`
	want := `{"last_visited":"2026-03-01T08:00:00+00:00","username":"xia",` + profiles +
		`,"site":{"slug":"hub","printable_name":"Hub","email":"hub@x"},"invoice_keys":["k1","k2"],"session_key":null,"access_key":null,"secret_key":null,"security_token":null`
	if got := string(s.JSON(now)); got != want+"}" {
		t.Errorf("JSON\n got %s\nwant %s}", got, want)
	}
	token, err := s.JWT("k3y-for-tests-16", now)
	if got := payload(t, token); err != nil || got != want+`,"exp":1773583200}` {
		t.Errorf("JWT\n got %s", got)
	}
	// A library that upstreams use agrees with the signature.
	if _, err := jwt.Parse(token, func(*jwt.Token) (any, error) { return []byte("k3y-for-tests-16"), nil }, jwt.WithTimeFunc(func() time.Time { return now }), jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired()); err != nil {
		t.Error(err)
	}
	if _, err := jwt.Parse(token, func(*jwt.Token) (any, error) { return []byte("k3y-for-tests-16"), nil }, jwt.WithTimeFunc(func() time.Time { return now.Add(2*hour + time.Second) })); !errors.Is(err, jwt.ErrTokenExpired) {
		t.Errorf("two hours later: %v", err)
	}
	cookie, err := s.Cookie("k3y-for-tests-16", now, bytes.NewReader([]byte{1, 2, 3, 4, 5, 6, 7, 8}))
	if err != nil {
		t.Fatal(err)
	}
	text := open(t, cookie)
	if !strings.HasPrefix(text, `{"last_visited": "2026-03-01T08:00:00+00:00", "username": "xia", "roles": {"contributor": [{"slug": "acme", `) || !strings.HasSuffix(text, `, "invoice_keys": ["k1", "k2"], "session_key": null, "access_key": null, "secret_key": null, "security_token": null}`) {
		t.Errorf("cookie: %s", text)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(text)); err != nil || compact.String() != want+"}" {
		t.Errorf("cookie says %s, %v", compact.String(), err)
	}
	s.Site = nil
	if got := s.Preview(now, time.Time{}); !strings.HasPrefix(got, "{\n  \"username\": \"xia\",\n  \"roles\": {\n    \"contributor\": [") || strings.Contains(got, `"exp"`) || strings.Contains(got, `"site"`) {
		t.Errorf("preview: %s", got)
	}
	if got := (&accessrules.Session{User: &accessrules.User{Username: "lia"}}).Preview(now, now); got != "{\n  \"username\": \"lia\",\n  \"roles\": {},\n  \"invoice_keys\": [],\n  \"session_key\": null,\n  \"access_key\": null,\n  \"secret_key\": null,\n  \"security_token\": null,\n  \"exp\": 1773576000\n}" {
		t.Errorf("preview: %s", got)
	}
}

func TestAnonymousSession(t *testing.T) {
	s := accessrules.Session{Site: &accessrules.Site{Slug: "hub"}}
	if got := string(s.JSON(now)); got != "{}" {
		t.Errorf("JSON: %s", got)
	}
	if token, err := s.JWT("key", now); token != "" || err != nil {
		t.Errorf("JWT: %q, %v", token, err)
	}
	cookie, err := s.Cookie("k3y-for-tests-16", now, bytes.NewReader([]byte{1, 2, 3, 4, 5, 6, 7, 8}))
	if err != nil || open(t, cookie) != "{}" {
		t.Errorf("cookie: %s, %v", cookie, err)
	}
	if accessrules.Visited(time.Time{}) != "" {
		t.Error("the zero date was visited")
	}
}

// TestSessionText: any text survives, in ASCII, and reads back the same.
func TestSessionText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name, tag := rapid.String().Draw(t, "name"), rapid.String().Draw(t, "tag")
		u := &accessrules.User{Username: name, Roles: []accessrules.Role{{Description: "manager", Profile: &accessrules.Profile{Slug: "a", PrintableName: name, Active: true}}}}
		s := accessrules.Session{User: u, Site: &accessrules.Site{}, LastVisited: tag}
		b := s.JSON(now)
		for _, c := range b {
			if c < ' ' || c > 0x7f {
				t.Fatalf("%q holds %#x", b, c)
			}
		}
		var back struct {
			Username    string
			LastVisited *string `json:"last_visited"`
		}
		if err := json.Unmarshal(b, &back); err != nil || back.Username != name || tag != "" && *back.LastVisited != tag || tag == "" && back.LastVisited != nil {
			t.Fatalf("%q reads back as %+v, %v", b, back, err)
		}
		cookie, err := s.Cookie("k3y-for-tests-16", now, bytes.NewReader([]byte{1, 2, 3, 4, 5, 6, 7, 8}))
		if err != nil {
			t.Fatal(err)
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, []byte(open(t, cookie))); err != nil || !bytes.Equal(compact.Bytes(), b) {
			t.Fatalf("cookie says %s, want %s", compact.Bytes(), b)
		}
	})
}

func TestValidUntil(t *testing.T) {
	u := sampleUser()
	future := now.AddDate(0, 1, 0)
	if got := accessrules.ValidUntil(u, now); !got.Equal(future) {
		t.Errorf("got %v", got)
	}
	if got := accessrules.ValidUntil(u, now.AddDate(0, 0, -1)); !got.Equal(now) {
		t.Errorf("the day before: %v, want the end of the role", got)
	}
	if got := accessrules.ValidUntil(u, future); !got.IsZero() {
		t.Errorf("at the last end: %v", got)
	}
	if got := accessrules.ValidUntil(nil, now); !got.IsZero() {
		t.Errorf("anonymous: %v", got)
	}
	// What a role that has ended leads to changes nothing.
	u = &accessrules.User{Roles: []accessrules.Role{{EndsAt: now, Profile: &accessrules.Profile{Subscriptions: []accessrules.Subscription{{EndsAt: future}}}}}}
	if got := accessrules.ValidUntil(u, now); !got.IsZero() {
		t.Errorf("only an ended role: %v", got)
	}
}
