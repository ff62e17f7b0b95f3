package accessrules

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"time"
)

// AssertionLifetime is how long an assertion may be used by the upstream.
const AssertionLifetime = 5 * time.Minute

// An AssertionKey signs assertions with Ed25519. Immutable.
type AssertionKey struct {
	ID     string // RFC 7638 thumbprint: the same key has the same ID everywhere
	key    ed25519.PrivateKey
	header string // of its tokens, in base64url, with the dot
}

// NewAssertionKey makes a key of a seed of 32 bytes.
func NewAssertionKey(seed []byte) (*AssertionKey, error) {
	if len(seed) != ed25519.SeedSize {
		return nil, errors.New("assertion: a key has a seed of 32 bytes")
	}
	k := &AssertionKey{key: ed25519.NewKeyFromSeed(seed)}
	sum := sha256.Sum256([]byte(`{"crv":"Ed25519","kty":"OKP","x":"` + k.public() + `"}`))
	k.ID = base64.RawURLEncoding.EncodeToString(sum[:])
	k.header = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"EdDSA","typ":"JWT","kid":"`+k.ID+`"}`)) + "."
	return k, nil
}

func (k *AssertionKey) public() string {
	return base64.RawURLEncoding.EncodeToString(k.key.Public().(ed25519.PublicKey))
}

// String hides the key.
func (k *AssertionKey) String() string { return "[key " + k.ID + "]" }

// JWKS is the set of public keys that verify assertions, as RFC 7517 has it (RFC 8037 for Ed25519).
func JWKS(keys []*AssertionKey) []byte {
	type jwk struct {
		Type      string `json:"kty"`
		Curve     string `json:"crv"`
		ID        string `json:"kid"`
		Use       string `json:"use"`
		Algorithm string `json:"alg"`
		X         string `json:"x"`
	}
	set := struct {
		Keys []jwk `json:"keys"`
	}{[]jwk{}}
	for _, k := range keys {
		set.Keys = append(set.Keys, jwk{"OKP", "Ed25519", k.ID, "sig", "EdDSA", k.public()})
	}
	text, err := json.Marshal(set)
	if err != nil {
		panic(err) // strings only
	}
	return text
}

// Assertion is the session as a token that the upstream verifies with the public key: an EdDSA JWT whose claims are iss, sub (the
// public id, which never changes: decision 69), preferred_username, aud, iat, exp, jti, email (with email_verified, since it is a proven one or none) and name, and then those of the session. It may be used until now + AssertionLifetime. An
// anonymous session has none: "".
func (s *Session) Assertion(key *AssertionKey, issuer, audience string, now time.Time) (string, error) {
	if s.User == nil {
		return "", nil
	}
	var id [16]byte
	rand.Read(id[:]) // it ends the process rather than return an error
	w := sessionWriter{b: make([]byte, 0, 1280), comma: ",", colon: ":"}
	w.open('{')
	w.text("iss", issuer)
	w.text("sub", s.User.PublicID)
	w.text("preferred_username", s.User.Username)
	w.text("aud", audience)
	w.key("iat")
	w.b = strconv.AppendInt(w.b, now.Unix(), 10)
	w.text("jti", hex.EncodeToString(id[:]))
	if s.User.Email != "" {
		w.text("email", s.User.Email)
		w.key("email_verified")
		w.b = append(w.b, "true"...)
	}
	w.text("name", s.User.Name)
	payload := s.write(w, now, now.Add(AssertionLifetime))
	enc := base64.RawURLEncoding
	token := make([]byte, 0, len(key.header)+enc.EncodedLen(len(payload))+1+enc.EncodedLen(ed25519.SignatureSize))
	token = append(token, key.header...)
	token = enc.AppendEncode(token, payload)
	signature := ed25519.Sign(key.key, token)
	token = append(token, '.')
	return string(enc.AppendEncode(token, signature)), nil
}
