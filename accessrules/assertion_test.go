package accessrules_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/accessrules"
)

// TestAssertion signs with the key of RFC 8037 A.1, whose public half and thumbprint are given there.
func TestAssertion(t *testing.T) {
	seed, err := base64.RawURLEncoding.DecodeString("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
	if err != nil {
		t.Fatal(err)
	}
	key, err := accessrules.NewAssertionKey(seed)
	if err != nil {
		t.Fatal(err)
	}
	const x, thumbprint = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
	if want := `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"` + thumbprint + `","use":"sig","alg":"EdDSA","x":"` + x + `"}]}`; string(accessrules.JWKS([]*accessrules.AssertionKey{key})) != want {
		t.Errorf("got %s, want %s", accessrules.JWKS([]*accessrules.AssertionKey{key}), want)
	}
	if got := string(accessrules.JWKS(nil)); got != `{"keys":[]}` {
		t.Errorf("no keys: %s", got)
	}
	s := accessrules.Session{User: sampleUser(), Site: &accessrules.Site{Slug: "hub"}}
	s.User.PublicID = "mzxw6ytboi2dsnjrgq3t"
	token, err := s.Assertion(key, "https://hub.example", "shop", now)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(token, ".")
	head, _ := base64.RawURLEncoding.DecodeString(parts[0])
	payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
	signature, _ := base64.RawURLEncoding.DecodeString(parts[2])
	public, _ := base64.RawURLEncoding.DecodeString(x)
	if string(head) != `{"alg":"EdDSA","typ":"JWT","kid":"`+thumbprint+`"}` || !ed25519.Verify(public, []byte(parts[0]+"."+parts[1]), signature) {
		t.Errorf("head %s", head)
	}
	var claims struct {
		Iss, Aud, Sub, Jti string
		Name               string `json:"preferred_username"`
		Iat, Exp           int64
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	if claims.Iss != "https://hub.example" || claims.Aud != "shop" || claims.Sub != s.User.PublicID || claims.Name != s.User.Username || claims.Iat != now.Unix() || claims.Exp != now.Unix()+300 || len(claims.Jti) != 32 {
		t.Errorf("claims %+v", claims)
	}
	// Behind the claims of the assertion comes the session, as the other forms have it.
	at := bytes.Index(payload, []byte(`"last_visited"`))
	rest := "{" + string(payload[at:])
	if want := string(s.JSON(now)); !strings.HasPrefix(rest, want[:len(want)-1]) {
		t.Errorf("session %s, want %s", rest, want)
	}
	if again, _ := s.Assertion(key, "https://hub.example", "shop", now); again == token {
		t.Error("two assertions have one jti")
	}
	if token, err := (&accessrules.Session{}).Assertion(key, "", "", now); token != "" || err != nil {
		t.Errorf("anonymous: %q %v", token, err)
	}
	if _, err := accessrules.NewAssertionKey(seed[1:]); err == nil {
		t.Error("a short seed is taken")
	}
	if text := key.String(); strings.Contains(text, "nWGx") {
		t.Error(text)
	}
}
