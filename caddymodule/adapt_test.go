package caddymodule

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what is there as what is wanted")

const dashes = "\n----------\n"

// TestAdapt compares what Caddyfiles are adapted to. A file holds a Caddyfile, a line of ten dashes, and the JSON or the error.
func TestAdapt(t *testing.T) {
	files, err := filepath.Glob("testdata/adapt/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			config, want, _ := strings.Cut(string(text), dashes)
			got := adapted(t, config)
			if *update {
				if err := os.WriteFile(file, []byte(config+dashes+got+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if strings.TrimSpace(got) != strings.TrimSpace(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func adapted(t *testing.T, config string) string {
	raw, err := adapt(config + "\n")
	if err != nil {
		return err.Error()
	}
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "\t"); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestDocumentedCaddyfiles compares what the Caddyfiles are adapted to that the documentation shows, and the example.
func TestDocumentedCaddyfiles(t *testing.T) {
	block := regexp.MustCompile("(?s)```caddyfile\n(.*?)```")
	compare := func(name, config string) {
		raw, err := adapt(config)
		if err != nil {
			t.Errorf("%s: %v in\n%s", name, err, config)
			return
		}
		var got bytes.Buffer
		if err := json.Indent(&got, raw, "", "\t"); err != nil {
			t.Fatal(err)
		}
		got.WriteByte('\n')
		file := filepath.Join("testdata", "documented", name+".json")
		if *update {
			if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want, err := os.ReadFile(file); err != nil || string(want) != got.String() {
			t.Errorf("%s is adapted to %s\nwant %s (%v)", name, got.String(), want, err)
		}
	}
	n := 0
	for _, file := range []string{"../README.md", "../docs/applications.md", "../docs/gate.md", "../docs/notices.md",
		"../docs/operations.md", "../docs/pages.md",
		"../docs/payments.md"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.ToLower(strings.TrimSuffix(filepath.Base(file), ".md"))
		for i, m := range block.FindAllSubmatch(text, -1) {
			if config := string(m[1]); !strings.Contains(config, "<matcher>") { // a grammar
				compare(fmt.Sprintf("%s-%d", name, i+1), config)
				n++
			}
		}
	}
	text, err := os.ReadFile("../Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	compare("example", string(text))
	if files, err := filepath.Glob("testdata/documented/*.json"); err != nil || len(files) != n+1 {
		t.Errorf("%d files for %d Caddyfiles: delete what is not documented any more (%v)", len(files), n+1, err)
	}
}

// TestSettingsTable holds that every setting has a row, the word of the row is that of the JSON, and the documentation shows the
// table.
func TestSettingsTable(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Settings\n\nOne a line in the block of the global option `tollgate`.\n\n| word | value | |\n|---|---|---|\n")
	for _, row := range blockRows {
		b.WriteString("| `" + row[0] + "` | " + strings.TrimPrefix("`"+row[1]+"`", "``") + " | " + row[2] + " |\n")
	}
	b.WriteString("\n| word | value | range | default | |\n|---|---|---|---|---|\n")
	var s Settings
	for _, st := range settings {
		if st.at(&s) == nil {
			t.Errorf("%s has no field", st.word)
		}
		initial := ""
		if st.initial != "" {
			initial = "`" + st.initial + "`"
		}
		b.WriteString("| `" + st.word + "` | `" + strings.ReplaceAll(st.args, "|", "\\|") + "` | " + string(st.within) + " | " + initial +
			" | " + st.doc + " |\n")
	}
	if err := s.provision(); err != nil {
		t.Fatalf("defaults: %v", err)
	}
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(raw, &fields); err != nil {
		t.Fatal(err)
	}
	words := map[string]bool{}
	for _, st := range settings {
		words[st.word] = true
	}
	for name := range fields {
		if !words[name] {
			t.Errorf("setting %s has no row", name)
		}
	}
	const file = "../docs/settings.md"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != b.String() {
		t.Error("docs/settings.md does not show the table: run go test ./caddymodule -run TestSettingsTable -update")
	}
}

// TestWordsAreDocumented holds that every word of the blocks stands on the page that has them, as code.
func TestWordsAreDocumented(t *testing.T) {
	for page, words := range map[string][]string{
		"settings": append(optionWords(), "manager"),
		"gate": slices.Concat(gateWordList, ruleWords, conditionList(), headerWords, sessionForms, challenges, ruleSources, pageNames,
			[]string{"header", "prefix", "pass", "deny", "same", "keep", "weak", "strong", "profile=", "user=", "brokers=", "grace="}),
		"payments": slices.Concat(processorNames(), stripeWords),
	} {
		text, err := os.ReadFile("../docs/" + page + ".md")
		if err != nil {
			t.Fatal(err)
		}
		var code strings.Builder
		for _, m := range regexp.MustCompile("(?s)```.*?```|`[^`]*`").FindAllString(string(text), -1) {
			code.WriteString(m + "\n")
		}
		for _, word := range words {
			if !regexp.MustCompile(`(^|[^-a-z_])` + word + `($|[^-a-z_])`).MatchString(code.String()) {
				t.Errorf("docs/%s.md does not have `%s`", page, word)
			}
		}
	}
	for word := range gateWords {
		if !contains(gateWordList, word) {
			t.Errorf("%s is in no list", word)
		}
	}
}
