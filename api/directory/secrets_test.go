package directory

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-tollgate/tollgate/store"
)

func TestLoadSecrets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "site", "secrets.json")
	// Several processes start at once: they all get what is in the file.
	all := make([]Secrets, 8)
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() {
			var err error
			if all[i], err = LoadSecrets(path); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	again := must[Secrets](t)(LoadSecrets(path))
	for _, s := range all {
		if diff := cmp.Diff(plain(again), plain(s)); diff != "" {
			t.Errorf("one process has other secrets: %s", diff)
		}
	}
	if len(again.TokenKeys) != 1 || len(again.TokenKeys[0].Key) != 32 || len(again.Rest) != 32 || len(again.Session) != 64 {
		t.Error("the secrets are not whole")
	}
	for _, name := range []string{path, filepath.Dir(path)} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
		t.Errorf("the folder holds %v", entries)
	}
}

func TestSecretsReadableByOthersAreClosed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets.json")
	must[Secrets](t)(LoadSecrets(path))
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	must[Secrets](t)(LoadSecrets(path))
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}

func TestBadSecretsFile(t *testing.T) {
	for _, text := range []string{``, `{`, `[]`, `{}`, `{"token_keys":[{"id":"hidden","key":"c2hvcnQ="}],"rest":"c2VjcmV0"}`} {
		path := filepath.Join(t.TempDir(), "secrets.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := LoadSecrets(path)
		if err == nil || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: %v", text, err)
		}
		if now, _ := os.ReadFile(path); string(now) != text {
			t.Errorf("%s was overwritten by %s", text, now)
		}
	}
}

func TestRotateSecrets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets.json")
	first := must[Secrets](t)(LoadSecrets(path))
	second := must[Secrets](t)(RotateSecrets(path, 2))
	third := must[Secrets](t)(RotateSecrets(path, 2))
	if len(second.TokenKeys) != 2 || second.TokenKeys[1].ID != first.TokenKeys[0].ID {
		t.Error("the old key is gone")
	}
	if len(third.TokenKeys) != 2 || third.TokenKeys[1].ID != second.TokenKeys[0].ID {
		t.Error("after two rotations, the keys are not the last two")
	}
	if diff := cmp.Diff(plain(third), plain(must[Secrets](t)(LoadSecrets(path)))); diff != "" {
		t.Error(diff)
	}
}

func TestSeal(t *testing.T) {
	s := NewSecrets()
	text := []byte("JBSWY3DPEHPK3PXP")
	sealed := must[[]byte](t)(s.Seal(text, "otp 7"))
	if bytes.Contains(sealed, text) || bytes.Equal(sealed, must[[]byte](t)(s.Seal(text, "otp 7"))) {
		t.Error("it is not sealed, or always alike")
	}
	if got := must[[]byte](t)(s.Open(sealed, "otp 7")); !bytes.Equal(got, text) {
		t.Errorf("opened as %q", got)
	}
	if _, err := s.Open(sealed, "otp 8"); err == nil {
		t.Error("it opens for another purpose")
	}
	if _, err := NewSecrets().Open(sealed, "otp 7"); err == nil {
		t.Error("it opens with another key")
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, err := s.Open(bad, "otp 7"); err == nil {
			t.Errorf("it opens with byte %d changed", i)
		}
		if _, err := s.Open(sealed[:i], "otp 7"); err == nil {
			t.Errorf("it opens cut to %d bytes", i)
		}
	}
}

// Whoever prints options, or logs them, prints no secret.
func TestSecretsAreNotPrinted(t *testing.T) {
	s := NewSecrets()
	o := Options{Secrets: s}
	text, _ := json.Marshal(s)
	printed := fmt.Sprintf("%v %+v %#v %s %v %+v %#v", s, s, s, text, s.TokenKeys, s.TokenKeys, s.TokenKeys) + fmt.Sprintf("%v %+v", o.Secrets, &o.Secrets)
	for _, secret := range []string{s.Session, fmt.Sprint(s.Rest), fmt.Sprint(s.TokenKeys[0].Key), string(s.TokenKeys[0].Key), fmt.Sprintf("%#v", s.Rest)} {
		if strings.Contains(printed, secret) {
			t.Errorf("%s shows %q", printed, secret)
		}
	}
}

// plain is secrets as a test may compare them.
func plain(s Secrets) any {
	type key struct {
		ID  string
		Key []byte
	}
	var keys []key
	for _, k := range s.TokenKeys {
		keys = append(keys, key(k))
	}
	return []any{keys, s.Rest, s.Session}
}

// A name that was used is known as used after every rotation, and by a file that is older than the keys of names: such a file has a
// derived one, which the first rotation writes down.
func TestNameKeysOutliveRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets.json")
	old := must[Secrets](t)(LoadSecrets(path))
	if len(old.NameKeys) != 1 || bytes.Equal(old.NameKeys[0], derived(old.Rest, "tollgate names")) {
		t.Error("a new file has no key of its own")
	}
	var file map[string]any
	text := must[[]byte](t)(os.ReadFile(path))
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	delete(file, "name_keys")
	if err := os.WriteFile(path, must[[]byte](t)(json.Marshal(file)), 0o600); err != nil {
		t.Fatal(err)
	}
	older := must[Secrets](t)(LoadSecrets(path))
	w := newWorld(t, func(o *Options) { o.Secrets = older })
	xia := w.user("xia")
	w.exec(func(*store.Tx) {}, `UPDATE user SET last_login = 1 WHERE id = ?`, xia)
	w.write(func(tx *store.Tx) error { return w.LeaveName(tx, "Xia", xia, 0) })
	w.write(func(tx *store.Tx) error { return w.ForgetNames(tx, xia, 0) })
	w.exec(func(*store.Tx) {}, `UPDATE user SET username = '_archive_1' WHERE id = ?`, xia)
	used := func(when string, keys Secrets) {
		t.Helper()
		if err := w.Configure(Config{Broker: "hub", Secrets: keys}); err != nil {
			t.Fatal(err)
		}
		w.read(func(r store.Reader) error {
			free, err := w.NameFree(r, "xia", 0, 0)
			if free {
				t.Errorf("%s: the name is free", when)
			}
			return err
		})
	}
	used("before", older)
	rotated := must[Secrets](t)(RotateSecrets(path, 1))
	used("rotated", rotated)
	rotated.NameKeys = append([][]byte{secret(32)}, rotated.NameKeys...)
	used("with a key in front", rotated)
	other := rotated
	other.NameKeys = [][]byte{secret(32)}
	if err := w.Configure(Config{Broker: "hub", Secrets: other}); err != nil {
		t.Fatal(err)
	}
	w.read(func(r store.Reader) error {
		free, err := w.NameFree(r, "xia", 0, 0)
		if !free {
			t.Error("without its key a hash tells which name was used")
		}
		return err
	})
}
