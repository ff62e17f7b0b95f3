package pages_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
)

// pluralForms are the names of the forms of a message that has some.
var pluralForms = []string{"zero", "one", "two", "few", "many", "other"}

// messagesOf are the messages of a language, by id: one text, or one a form.
func messagesOf(t *testing.T, lang string) map[string]map[string]string {
	t.Helper()
	var file map[string]any
	if _, err := toml.DecodeFile("messages/"+lang+".toml", &file); err != nil {
		t.Fatalf("%s.toml: %v", lang, err)
	}
	all := map[string]map[string]string{}
	var read func(id string, v any)
	read = func(id string, v any) {
		table, ok := v.(map[string]any)
		if !ok {
			all[id] = map[string]string{"": v.(string)}
			return
		}
		if _, plural := table["other"]; plural {
			forms := map[string]string{}
			for form, text := range table {
				if !slices.Contains(pluralForms, form) {
					t.Errorf("%s.toml: %s.%s is no form of a message", lang, id, form)
				}
				forms[form], _ = text.(string)
			}
			all[id] = forms
			return
		}
		for name, v := range table {
			read(strings.TrimPrefix(id+"."+name, "."), v)
		}
	}
	read("", file)
	return all
}

var placeholder = regexp.MustCompile(`\{\{\.(\w+)\}\}`)

// names are what varies in a message, in all its forms. "one" may leave out the number.
func names(forms map[string]string) []string {
	found := map[string]bool{}
	for _, text := range forms {
		for _, m := range placeholder.FindAllStringSubmatch(text, -1) {
			found[m[1]] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// TestTranslations says that every language says everything that English says, about the same, in the forms that its grammar has.
func TestTranslations(t *testing.T) {
	english := messagesOf(t, "en")
	files, err := filepath.Glob("messages/*.toml")
	if err != nil || len(files) < 4 {
		t.Fatalf("%q: %v", files, err)
	}
	for _, file := range files {
		lang := strings.TrimSuffix(filepath.Base(file), ".toml")
		theirs := messagesOf(t, lang)
		bundle := i18n.NewBundle(language.English)
		bundle.RegisterUnmarshalFunc("toml", toml.Unmarshal)
		if _, err := bundle.LoadMessageFile(file); err != nil {
			t.Fatal(err)
		}
		localizer := i18n.NewLocalizer(bundle, lang)
		for id := range theirs {
			if english[id] == nil {
				t.Errorf("%s.toml: %s: English has no such message", lang, id)
			}
		}
		for id, forms := range english {
			if theirs[id] == nil {
				t.Errorf("%s.toml: %s is missing: %q", lang, id, forms)
				continue
			}
			if got, want := names(theirs[id]), names(forms); !slices.Equal(got, want) {
				t.Errorf("%s.toml: %s is given %q, and in English %q", lang, id, got, want)
			}
			for form, text := range theirs[id] {
				if strings.TrimSpace(text) == "" {
					t.Errorf("%s.toml: %s.%s is empty", lang, id, form)
				}
				if lang != "en" && text == forms[form] && strings.Contains(text, " ") {
					t.Errorf("%s.toml: %s is English: %q", lang, id, text)
				}
				if strings.Count(text, "{{") != len(placeholder.FindAllString(text, -1)) {
					t.Errorf("%s.toml: %s: something else than {{.name}} in %q", lang, id, text)
				}
			}
			if forms["other"] == "" {
				continue
			}
			for _, count := range []any{0, 1, 2, 3, 6, 11, 21, 100, 1000000, "1.5"} {
				c := &i18n.LocalizeConfig{MessageID: id, PluralCount: count, TemplateData: map[string]any{}}
				if _, err := localizer.Localize(c); err != nil {
					t.Errorf("%s.toml: %s of %v: %v", lang, id, count, err)
				}
			}
		}
	}
}

var (
	inTemplate = regexp.MustCompile(`\bth? "([\w.]+)"`)
	madeUp     = regexp.MustCompile(`"((?:[a-z_]+\.)[\w.]*%s[\w.%]*)"`) // "errors.%s_title"
	literal    = regexp.MustCompile(`"([a-z0-9_]+(?:\.[a-z0-9_]+)*)"`)
	refuses    = regexp.MustCompile(`\.Refuse\([^"\n]*(?:"[\w\[\]-]*"|\(\w+\)), "(\w+)"`)
	says       = regexp.MustCompile(`\bSaid(?:: |\()"(\w+)"`)
	sentenceID = regexp.MustCompile(`^\t\{(?:"(?:[^"\\]|\\.)*"|` + "`[^`]*`" + `), "(\w+)"\},$`)
)

// TestMessagesAreUsed says that every message that a template or a page names is there, and that none is there for nothing.
func TestMessagesAreUsed(t *testing.T) {
	english := messagesOf(t, "en")
	used := map[string]bool{"language.name": true, "language.direction": true}
	words := map[string]bool{} // that Go has, of which ids may be made
	use := func(file, id string) {
		if strings.HasSuffix(id, "_") { // the rest of its name varies
			for other := range english {
				used[other] = used[other] || strings.HasPrefix(other, id)
			}
			return
		}
		used[id] = true
		if english[id] == nil {
			t.Errorf("%s names the message %s, which there is not", file, id)
		}
	}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "testdata") {
			return err
		}
		raw, err := os.ReadFile(path)
		text := string(raw)
		switch filepath.Ext(path) {
		case ".html":
			for _, m := range inTemplate.FindAllStringSubmatch(text, -1) {
				use(path, m[1])
			}
		case ".go":
			for _, m := range refuses.FindAllStringSubmatch(text, -1) {
				use(path, "problems."+m[1])
			}
			for _, m := range says.FindAllStringSubmatch(text, -1) {
				use(path, "said."+m[1])
			}
			for _, m := range literal.FindAllStringSubmatch(text, -1) {
				words[m[1]] = true
				used[m[1]] = used[m[1]] || english[m[1]] != nil
			}
			if path == "sentence.go" {
				for line := range strings.SplitSeq(text, "\n") {
					if m := sentenceID.FindStringSubmatch(line); m != nil {
						use(path, "api."+m[1])
					}
				}
			}
		default:
			return err
		}
		for _, m := range madeUp.FindAllStringSubmatch(text, -1) {
			pattern := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(m[1]), "%s", `[a-z0-9_]+`) + "$")
			found := false
			for id := range english {
				if pattern.MatchString(id) {
					used[id], found = true, true
				}
			}
			if !found {
				t.Errorf("%s names messages like %s, of which there is none", path, m[1])
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for id := range english {
		section, name, _ := strings.Cut(id, ".")
		if !used[id] && !(words[name] && (section == "said" || section == "problems" || words[section+"."])) {
			t.Errorf("nothing names the message %s", id)
		}
	}
}
