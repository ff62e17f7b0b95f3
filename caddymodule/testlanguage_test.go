package caddymodule

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

// A test language is English made strange, to find what is not translated, has no room to grow, or takes for granted that people read
// from left to right.
type testLanguage struct {
	tag, name, direction string
	plurals              []string // that its rules know
	letters              func(string) string
}

var testLanguages = []testLanguage{
	{"en-XA", "[Ëñgļïšĥ]", "ltr", []string{"one", "other"}, accented},
	{"ar", "العربية", "rtl", []string{"zero", "one", "two", "few", "many", "other"}, arabic},
}

// testTheme is the folder of a theme with the messages of the test languages.
func testTheme(t testing.TB) string {
	t.Helper()
	raw, err := os.ReadFile("../pages/messages/en.toml")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "messages"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, l := range testLanguages {
		var messages map[string]any
		if err := toml.Unmarshal(raw, &messages); err != nil {
			t.Fatalf("en.toml: %v", err)
		}
		l.change(messages)
		messages["language"] = map[string]any{"name": l.name, "direction": l.direction}
		var b bytes.Buffer
		if err := toml.NewEncoder(&b).Encode(messages); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "messages", l.tag+".toml"), b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func (l testLanguage) change(messages map[string]any) {
	if other, ok := messages["other"].(string); ok {
		for _, form := range l.plurals {
			messages[form] = l.message(other)
		}
		return
	}
	for name, m := range messages {
		switch m := m.(type) {
		case string:
			messages[name] = l.message(m)
		case map[string]any:
			l.change(m)
		}
	}
}

// message changes a message, and what stands for its arguments it leaves.
func (l testLanguage) message(text string) string {
	argument := regexp.MustCompile(`\{\{[^}]*\}\}`)
	var b strings.Builder
	from := 0
	for _, at := range argument.FindAllStringIndex(text, -1) {
		b.WriteString(l.letters(text[from:at[0]]))
		b.WriteString(text[at[0]:at[1]])
		from = at[1]
	}
	b.WriteString(l.letters(text[from:]))
	if l.direction == "rtl" {
		return b.String()
	}
	return "[" + b.String() + strings.Repeat(" ļøñğ", (len(text)*4/10+4)/5) + "]" // German and Finnish are longer by a third
}

func accented(text string) string {
	return strings.NewReplacer("a", "á", "e", "ë", "i", "ï", "o", "ø", "u", "ü", "n", "ñ", "s", "š", "c", "ç", "g", "ğ", "l", "ļ",
		"A", "Å", "E", "É", "I", "Î", "O", "Ö", "U", "Ü", "S", "Š", "C", "Ç", "T", "Ť").Replace(text)
}

func arabic(text string) string {
	const letters = "ابتثجحخدذرزسشصضطظعغفقكلمنهوي"
	all := []rune(letters)
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return all[int(r-'a')%len(all)]
		case r >= 'A' && r <= 'Z':
			return all[int(r-'A')%len(all)]
		}
		return r
	}, text)
}
