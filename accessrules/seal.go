package accessrules

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/md5" // #nosec G501 -- the format of existing upstreams, see SealCookie
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
)

// jwtHeader is {"alg":"HS256","typ":"JWT"} in base64url.
const jwtHeader = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."

// LeastKey is the least number of bytes of a key of HS256: those of its hash (RFC 7518 3.2).
const LeastKey = sha256.Size

// errNoKey keeps a forgotten key from signing sessions that anybody could have signed.
var errNoKey = errors.New("session: no key")

// SignJWT is a compact HS256 token of a payload, without kid (access.md B.7 JWT). An empty key is an error.
func SignJWT(payload, key []byte) (string, error) {
	if len(key) == 0 {
		return "", errNoKey
	}
	enc := base64.RawURLEncoding
	token := make([]byte, 0, len(jwtHeader)+enc.EncodedLen(len(payload))+1+enc.EncodedLen(sha256.Size))
	token = append(token, jwtHeader...)
	token = enc.AppendEncode(token, payload)
	mac := hmac.New(sha256.New, key)
	mac.Write(token)
	token = append(token, '.')
	return string(enc.AppendEncode(token, mac.Sum(nil))), nil
}

// SealCookie encrypts a session for the cookie of an upstream, as "openssl enc -aes-256-cbc -md md5 -a -A -k key" does (access.md
// B.7 encrypted cookie). Its format has neither an expiry nor an authentication tag: new upstreams use SignJWT. random gives 8
// bytes of salt.
func SealCookie(plain []byte, key string, random io.Reader) (string, error) {
	const magic = "Salted__"
	password := asciiOnly(key)
	if len(password) == 0 {
		return "", errNoKey
	}
	sealed := make([]byte, 16, 16+len(plain)+aes.BlockSize)
	salt := sealed[copy(sealed, magic):]
	if _, err := io.ReadFull(random, salt); err != nil {
		return "", fmt.Errorf("session cookie: no random salt: %w", err)
	}
	secret, iv := opensslKey(password, salt)
	block, err := aes.NewCipher(secret)
	if err != nil {
		return "", err
	}
	sealed = append(sealed, plain...)
	pad := aes.BlockSize - len(plain)%aes.BlockSize
	for range pad {
		sealed = append(sealed, byte(pad))
	}
	text := sealed[16:]
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(text, text)
	return base64.StdEncoding.EncodeToString(sealed), nil
}

// opensslKey is the legacy key derivation of openssl: 32 bytes of key and 16 of initial vector.
func opensslKey(password, salt []byte) (key, iv []byte) {
	var out, last []byte
	for len(out) < 48 {
		h := md5.New() // #nosec G401 -- given by the format
		h.Write(last)
		h.Write(password)
		h.Write(salt)
		last = h.Sum(nil)
		out = append(out, last...)
	}
	return out[:32], out[32:48]
}

// asciiOnly drops what is not ASCII, as existing upstreams do.
func asciiOnly(s string) []byte {
	b := make([]byte, 0, len(s))
	for i := range len(s) {
		if s[i] < 0x80 {
			b = append(b, s[i])
		}
	}
	return b
}
