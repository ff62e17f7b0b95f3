package directory

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/store"
)

func TestSlugify(t *testing.T) {
	for text, want := range map[string]string{
		"Joe's Café & Co.": "joes-cafe-co", "joe+1": "joe1", "x.y": "xy", "日本": "", "": "", " - ": "", "_a_": "a", "A  -- b": "a-b",
		"john.smith+x": "johnsmithx", "Ünïcode_1": "unicode_1", "a\tb\nc": "a-b-c", "ﬁne": "fine", "-x-": "x", "a&-b": "a-b", "ß": "",
	} {
		if got := Slugify(text); got != want {
			t.Errorf("Slugify(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestNameFree(t *testing.T) {
	w := newWorld(t)
	xia, acme := w.user("Xia"), w.profile("acme")
	for _, c := range []struct {
		name          string
		user, profile int64
		free          bool
	}{
		{"bob", 0, 0, true},
		{"xia", 0, 0, false}, // whatever the case
		{"XIA", xia, 0, true},
		{"xia", 0, acme, false},
		{"Acme", 0, 0, false},
		{"acme", 0, acme, true},
		{"acme", xia, 0, false},
		{"Payments", 0, 0, false}, // reserved
		{"_ARCHIVE_7", 0, 0, false},
		{"archive", 0, 0, true},
	} {
		w.read(func(r store.Reader) error {
			free, err := w.NameFree(r, c.name, c.user, c.profile)
			if free != c.free {
				t.Errorf("NameFree(%q, %d, %d) = %v", c.name, c.user, c.profile, free)
			}
			return err
		})
	}
	for name, valid := range map[string]bool{
		"a": true, "A-b_9": true, strings.Repeat("a", 50): true, strings.Repeat("a", 51): false, "": false, "a b": false, "a.b": false, "é": false, "a/": false,
	} {
		if ValidName(name) != valid {
			t.Errorf("ValidName(%q) = %v", name, !valid)
		}
	}
}

func TestDerivedNames(t *testing.T) {
	w := newWorld(t)
	w.user("johnsmithx")
	w.profile("blue-harbor")
	w.profile(strings.Repeat("a", 42))
	defer FixRandom(nil, "", "abcdef1", "abcdef2", "abcdef3")()
	for _, c := range []struct{ fn, from, email, want string }{
		{"user", "", "Joe@example.com", "joe"},
		{"user", "", "john.smith+x@example.com", `johnsmithx-\d{3}`},
		{"user", "", "", `user_[0-9a-f]{35}`},
		{"user", "", "日本@example.com", `user_[0-9a-f]{35}`},
		{"user", "", "all@example.com", `all-\d{3}`},
		{"user", "", strings.Repeat("b", 64) + "@example.com", "b{46}"},
		{"profile", "Blue Bay", "x@example.com", "blue-bay"},
		{"profile", "Blue Harbor", "", "blue-harbor-abcdef1"},
		{"profile", strings.Repeat("a", 60), "", "a{42}-abcdef2"},
		{"profile", "日本", "", "abcdef3"},
		{"profile", "", "Ops_1@example.com", "Ops_1"},
		{"profile", "", "o.p@example.com", `profile_[0-9a-f]{34}`},
		{"profile", "Charges", "", `charges-[a-f][0-9a-f]{6}`},
	} {
		w.read(func(r store.Reader) error {
			got, err := w.Username(r, c.email)
			if c.fn == "profile" {
				got, err = w.ProfileSlug(r, c.from, c.email)
			}
			if !regexp.MustCompile("^" + c.want + "$").MatchString(got) {
				t.Errorf("%s name of %q, %q is %q, want %s", c.fn, c.from, c.email, got, c.want)
			}
			return err
		})
	}
}

func TestFreeNameGivesUp(t *testing.T) {
	tried := []string{}
	got, err := FreeName("base", 42, 12, func() string { return "abcdef1" }, func(name string) (bool, error) {
		tried = append(tried, name)
		return false, nil
	})
	if got != "" || err != nil || len(tried) != 10 || tried[0] != "base" || tried[9] != "base-abcdef1" {
		t.Errorf("%q, %v after %q", got, err, tried)
	}
	want := fmt.Errorf("no")
	if _, err := FreeName("base", 4, 4, SlugSuffix, func(string) (bool, error) { return false, want }); err != want {
		t.Error(err)
	}
}

func TestRandom(t *testing.T) {
	for _, c := range []struct {
		fn   func() string
		form string
	}{
		{NewKey, `[a-f][a-f0-9]{39}`}, {NewCode, `\d{6}`}, {SlugSuffix, `[a-f][a-f0-9]{6}`}, {NewAPIKey, `[a-zA-Z2-9]{64}`},
		{func() string { return RandomHex(7) }, `[0-9a-f]{7}`},
	} {
		seen := map[string]bool{}
		for range 200 {
			s := c.fn()
			if !regexp.MustCompile("^" + c.form + "$").MatchString(s) {
				t.Fatalf("%q is not %s", s, c.form)
			}
			seen[s] = true
		}
		if len(seen) < 199 {
			t.Errorf("%d of 200 of %s differ", len(seen), c.form)
		}
	}
	if len(keyAlphabet) != 55 || strings.ContainsAny(keyAlphabet, "iloIO01") {
		t.Errorf("the alphabet of API keys is %q", keyAlphabet)
	}
	if !isAPIKey(NewAPIKey()) || isAPIKey(NewAPIKey()[1:]) || isAPIKey(strings.Repeat("0", 64)) {
		t.Error("isAPIKey is wrong")
	}
}

func TestFixedRandom(t *testing.T) {
	undo := FixRandom(bytes.NewReader(make([]byte, 4096)), "123456", "one", "two")
	got := []string{NewCode(), SlugSuffix(), SlugSuffix(), SlugSuffix(), NewKey()}
	undo()
	want := []string{"123456", "one", "two", "a000000", "a" + strings.Repeat("0", 39)}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%q, want %q", got[i], want[i])
		}
	}
	if a, b := NewKey(), NewKey(); a == b {
		t.Errorf("randomness is still fixed: %s", a)
	}
}
