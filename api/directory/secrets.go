package directory

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/caddy-tollgate/tollgate/store"
)

// Secrets of the site. They come from placeholders or from secrets.json beside the database.
type Secrets struct {
	// TokenKeys sign login tokens: the first signs, all verify. ID is the token's kid.
	TokenKeys []TokenKey
	// Rest encrypts what must be readable again (one-time-password secrets): 32 bytes.
	Rest []byte
	// AssertionSeeds are the keys of assertions (Ed25519), 32 bytes each: the first signs, the public part of all is published.
	AssertionSeeds [][]byte
	// NameKeys make the hashes of names that were used (decision 69), 32 bytes each: the first makes new ones, all are compared. A key
	// that is taken away frees the names that erased users and profiles had, so rotation keeps all of them. None: one is derived.
	NameKeys [][]byte
	// Session is the process-wide key of sessions sent upstream, used when the app record has none (access.md B.1 enc_key).
	Session string
}

// TokenKey is a key of login tokens (HS256), of at least 32 bytes.
type TokenKey struct {
	ID  string
	Key []byte
}

// String hides the secrets, from logs too.
func (Secrets) String() string { return "[secrets]" }

// GoString hides the secrets.
func (Secrets) GoString() string { return "[secrets]" }

// MarshalJSON hides the secrets: a log that prints options as JSON does not print them.
func (Secrets) MarshalJSON() ([]byte, error) { return []byte(`"[secrets]"`), nil }

// String hides the key.
func (k TokenKey) String() string { return "[key " + k.ID + "]" }

// GoString hides the key.
func (k TokenKey) GoString() string { return k.String() }

// MarshalJSON hides the key.
func (k TokenKey) MarshalJSON() ([]byte, error) { return json.Marshal(k.String()) }

func (s Secrets) check() error {
	if len(s.Rest) != 32 {
		return errors.New("directory: the key of what is encrypted at rest must have 32 bytes")
	}
	for _, key := range s.NameKeys {
		if len(key) < 32 {
			return errors.New("directory: a key of used names must have 32 bytes or more")
		}
	}
	_, err := newKeyring(s.TokenKeys)
	return err
}

// NewSecrets makes secrets.
func NewSecrets() Secrets {
	rest := secret(32)
	return Secrets{TokenKeys: []TokenKey{newTokenKey()}, Rest: rest, AssertionSeeds: [][]byte{firstAssertion(rest)},
		NameKeys: [][]byte{secret(32)}, Session: hex.EncodeToString(secret(32))}
}

// firstAssertion is the key of assertions until keys are rotated: derived, so that a file of secrets that is older than assertions
// need not be written, and all who read it agree.
func firstAssertion(rest []byte) []byte { return derived(rest, "tollgate assertion") }

// nameKeys are the keys of used names. A file of secrets that is older than they are has one derived key, likewise, which the first
// rotation writes into the file.
func (s Secrets) nameKeys() [][]byte {
	if len(s.NameKeys) == 0 {
		return [][]byte{derived(s.Rest, "tollgate names")}
	}
	return s.NameKeys
}

func derived(rest []byte, purpose string) []byte {
	key, err := hkdf.Key(sha256.New, rest, nil, purpose, 32)
	if err != nil {
		panic(err) // only for a length that SHA-256 cannot give
	}
	return key
}

func newTokenKey() TokenKey { return TokenKey{ID: hex.EncodeToString(secret(4)), Key: secret(32)} }

func secret(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // it ends the process rather than return an error
	return b
}

// secretsFile is the form of secrets.json.
type secretsFile struct {
	TokenKeys []struct {
		ID  string `json:"id"`
		Key []byte `json:"key"`
	} `json:"token_keys"`
	Rest       []byte   `json:"rest"`
	Assertions [][]byte `json:"assertion_seeds,omitempty"`
	Names      [][]byte `json:"name_keys,omitempty"`
	Session    string   `json:"session"`
}

// LoadSecrets reads the secrets of the site from path, and makes the file, with mode 0600, the first time. Two processes that
// start together agree on one. Errors: the file cannot be read or written, or is not what this function wrote; what it says is
// never part of an error.
func LoadSecrets(path string) (Secrets, error) {
	s, err := readSecrets(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	s = NewSecrets()
	err = writeSecrets(path, s, os.Link) // which fails when somebody was faster
	if errors.Is(err, fs.ErrExist) {
		return readSecrets(path)
	}
	return s, err
}

// errKeep keeps the last key from being dropped, and a mistake from ending all logins.
var errKeep = errors.New("at least 1 key is kept, the new one")

// RotateSecrets adds a new key of login tokens, and one of assertions, in front of the others in the file at path and keeps the
// first n of each: tokens signed by a key that is dropped are refused. It returns the new secrets; a running Directory takes them by SetTokenKeys.
func RotateSecrets(path string, n int) (Secrets, error) {
	if n < 1 {
		return Secrets{}, errKeep
	}
	s, err := readSecrets(path)
	if err != nil {
		return Secrets{}, err
	}
	s.TokenKeys = append([]TokenKey{newTokenKey()}, s.TokenKeys...)
	s.TokenKeys = s.TokenKeys[:min(n, len(s.TokenKeys))]
	s.AssertionSeeds = append([][]byte{secret(32)}, s.AssertionSeeds...)
	s.AssertionSeeds = s.AssertionSeeds[:min(n, len(s.AssertionSeeds))]
	return s, writeSecrets(path, s, os.Rename)
}

// ReadSecrets reads the secrets of the site from path and makes none. Errors: fs.ErrNotExist, and those of LoadSecrets.
func ReadSecrets(path string) (Secrets, error) { return readSecrets(path) }

func readSecrets(path string) (Secrets, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Secrets{}, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		if err := os.Chmod(path, 0o600); err != nil {
			return Secrets{}, fmt.Errorf("directory: others can read the secrets: %w", err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return Secrets{}, err
	}
	var f secretsFile
	if json.Unmarshal(text, &f) != nil {
		return Secrets{}, fmt.Errorf("directory: %s is not a file of secrets", path)
	}
	s := Secrets{Rest: f.Rest, AssertionSeeds: f.Assertions, NameKeys: f.Names, Session: f.Session}
	s.NameKeys = s.nameKeys()
	if len(s.AssertionSeeds) == 0 {
		s.AssertionSeeds = [][]byte{firstAssertion(f.Rest)}
	}
	for _, k := range f.TokenKeys {
		s.TokenKeys = append(s.TokenKeys, TokenKey{k.ID, k.Key})
	}
	if err := s.check(); err != nil {
		return Secrets{}, fmt.Errorf("%w, in %s", err, path)
	}
	return s, nil
}

// writeSecrets writes the file beside path and then puts it there, whole or not at all.
func writeSecrets(path string, s Secrets, put func(from, to string) error) error {
	f := secretsFile{Rest: s.Rest, Assertions: s.AssertionSeeds, Names: s.nameKeys(), Session: s.Session}
	for _, k := range s.TokenKeys {
		f.TokenKeys = append(f.TokenKeys, struct {
			ID  string `json:"id"`
			Key []byte `json:"key"`
		}{k.ID, k.Key})
	}
	text, err := json.MarshalIndent(f, "", "\t")
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if err := store.MakeFolder(dir); err != nil {
		return err
	}
	temp, err := os.CreateTemp(dir, ".secrets-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(append(text, '\n'))
	if err == nil {
		err = store.KeepOwner(temp, path)
	}
	if err := errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	if err := put(temp.Name(), path); err != nil {
		return err
	}
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer folder.Close()
	folder.Sync() // as well as the file system can
	return nil
}

// Seal encrypts what must be readable again. What is sealed opens with the same purpose only, such as "otp 12".
func (s Secrets) Seal(plain []byte, purpose string) ([]byte, error) {
	aead, err := s.aead()
	if err != nil {
		return nil, err
	}
	nonce := secret(aead.NonceSize())
	return aead.Seal(append([]byte{sealed1}, nonce...), nonce, plain, []byte(purpose)), nil
}

// Open decrypts what Seal made. Error: it was not made with this key and purpose.
func (s Secrets) Open(sealed []byte, purpose string) ([]byte, error) {
	aead, err := s.aead()
	if err != nil {
		return nil, err
	}
	n := aead.NonceSize()
	if len(sealed) < 1+n || sealed[0] != sealed1 {
		return nil, errors.New("directory: not a sealed value")
	}
	plain, err := aead.Open(nil, sealed[1:1+n], sealed[1+n:], []byte(purpose))
	if err != nil {
		return nil, errors.New("directory: sealed with another key or for another purpose")
	}
	return plain, nil
}

// sealed1 is the version of a sealed value: AES-256-GCM, a nonce of 12 bytes in front.
const sealed1 = 1

func (s Secrets) aead() (cipher.AEAD, error) {
	block, err := aes.NewCipher(s.Rest)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// Seal encrypts with the site's secrets; see Secrets.Seal.
func (d *Directory) Seal(plain []byte, purpose string) ([]byte, error) {
	return d.conf.Load().Secrets.Seal(plain, purpose)
}

// Open decrypts with the site's secrets; see Secrets.Open.
func (d *Directory) Open(sealed []byte, purpose string) ([]byte, error) {
	return d.conf.Load().Secrets.Open(sealed, purpose)
}
