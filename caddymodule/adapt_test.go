package caddymodule

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
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

// TestDocumentedCaddyfiles adapts every Caddyfile that the documentation shows, and the example.
func TestDocumentedCaddyfiles(t *testing.T) {
	block := regexp.MustCompile("(?s)```caddyfile\n(.*?)```")
	for _, file := range []string{"../README.md", "../docs/gate.md", "../docs/operations.md"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range block.FindAllSubmatch(text, -1) {
			config := string(m[1])
			if strings.Contains(config, "<matcher>") {
				continue // a grammar
			}
			if _, err := adapt(config); err != nil {
				t.Errorf("%s: %v in\n%s", file, err, config)
			}
		}
	}
	text, err := os.ReadFile("../Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := adapt(string(text)); err != nil {
		t.Errorf("Caddyfile.example: %v", err)
	}
}

// TestSettingsTable holds that every setting has a row, the word of the row is that of the JSON, and the documentation shows the
// table.
func TestSettingsTable(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Settings\n\nOne a line in the block of the global option `tollgate`.\n\n| word | value | default | |\n|---|---|---|---|\n")
	var s Settings
	for _, st := range settings {
		if st.at(&s) == nil {
			t.Errorf("%s has no field", st.word)
		}
		initial := ""
		if st.initial != "" {
			initial = "`" + st.initial + "`"
		}
		b.WriteString("| `" + st.word + "` | `" + strings.ReplaceAll(st.args, "|", "\\|") + "` | " + initial + " | " + st.doc + " |\n")
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
