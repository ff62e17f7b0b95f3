package directory

import (
	"crypto/rand"
	"encoding/hex"
	"io"
	"strings"
	"sync"
)

// source is where all keys, codes and suffixes of the API come from.
var source = struct {
	sync.Mutex
	random   io.Reader
	code     string
	suffixes []string
}{random: rand.Reader}

// FixRandom makes what is random repeatable, for tests only (auth.md 25): r replaces the system's source when it is not nil,
// every verification code equals code when it is not empty, and the suffixes of slugs come from suffixes, in order, while there
// are any. It returns a function that undoes it.
func FixRandom(r io.Reader, code string, suffixes ...string) (undo func()) {
	source.Lock()
	defer source.Unlock()
	if r == nil {
		r = rand.Reader
	}
	source.random, source.code, source.suffixes = r, code, suffixes
	return func() {
		source.Lock()
		defer source.Unlock()
		source.random, source.code, source.suffixes = rand.Reader, "", nil
	}
}

// fill reads random bytes. crypto/rand ends the process rather than return an error; so does a source of a test.
func fill(b []byte) {
	source.Lock()
	r := source.random
	source.Unlock()
	if r == rand.Reader {
		rand.Read(b)
		return
	}
	source.Lock()
	defer source.Unlock()
	if _, err := io.ReadFull(r, b); err != nil {
		panic("directory: the source of randomness of this test ended: " + err.Error())
	}
}

// pick returns n characters of an alphabet, each as likely as the other.
func pick(n int, alphabet string) string {
	out := make([]byte, 0, n)
	buf := make([]byte, n+n/2)
	fair := 256 - 256%len(alphabet) // bytes from here on would favour the first characters
	for len(out) < n {
		fill(buf)
		for _, c := range buf {
			if int(c) < fair && len(out) < n {
				out = append(out, alphabet[int(c)%len(alphabet)])
			}
		}
	}
	return string(out)
}

func digits(n int) string { return pick(n, "0123456789") }

// RandomDigits returns n random digits.
func RandomDigits(n int) string { return digits(n) }

// RandomHex returns n random characters of 0-9 and a-f.
func RandomHex(n int) string {
	b := make([]byte, (n+1)/2)
	fill(b)
	return hex.EncodeToString(b)[:n]
}

// NewKey returns the key of a verification, grant or request: 40 characters of 0-9 and a-f that start with a letter
// (profiles.md 2.3).
func NewKey() string { return pick(1, "abcdef") + RandomHex(39) }

// NewCode returns a verification code: 6 digits (auth.md 7).
func NewCode() string {
	source.Lock()
	code := source.code
	source.Unlock()
	if code != "" {
		return code
	}
	return digits(6)
}

// SlugSuffix returns what is added to a slug that is taken: 7 characters of 0-9 and a-f that start with a letter.
func SlugSuffix() string {
	source.Lock()
	if len(source.suffixes) > 0 {
		s := source.suffixes[0]
		source.suffixes = source.suffixes[1:]
		source.Unlock()
		return s
	}
	source.Unlock()
	return pick(1, "abcdef") + RandomHex(6)
}

// keyAlphabet is the letters and digits of an API key that are not mistaken for one another (auth.md 17).
const keyAlphabet = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"

// NewAPIKey returns an API key: 64 characters, the first half public, the other secret (auth.md 17).
func NewAPIKey() string { return pick(64, keyAlphabet) }

// isAPIKey reports whether s has the form of an API key.
func isAPIKey(s string) bool {
	if len(s) != 64 {
		return false
	}
	for i := range len(s) {
		if strings.IndexByte(keyAlphabet, s[i]) < 0 {
			return false
		}
	}
	return true
}
