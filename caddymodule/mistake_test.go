package caddymodule

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
)

// mistaken are the Caddyfiles that the lines of a mistake stand in, by the file of the mistake; %s is at the first.
var mistaken = map[string]string{
	"options":  "{\n\ttollgate {\n%s\n\t}\n}\n",
	"settings": "{\n\ttollgate {\n%s\n\t}\n}\n",
	"gate":     "{\n\ttollgate {\n\t}\n}\n:80 {\n\ttollgate_api\n\ttollgate {\n%s\n\t}\n}\n",
	"rule":     "{\n\ttollgate {\n\t}\n}\n:80 {\n\ttollgate_api\n\ttollgate {\n\t\trule /app/{profile}/ {\n%s\n\t\t}\n\t}\n}\n",
	"api":      "{\n\ttollgate {\n\t}\n}\n:80 {\n\ttollgate_api {\n%s\n\t}\n}\n",
	"pages":    "{\n\ttollgate {\n\t}\n}\n:80 {\n\ttollgate_api\n\ttollgate_pages {\n%s\n\t}\n}\n",
	"site":     "{\n\ttollgate {\n\t}\n}\n:80 {\n%s\n}\n",
}

var (
	position = regexp.MustCompile(`Caddyfile:[0-9]+`)
	wrapped  = regexp.MustCompile(`^(.*loading (module '[a-z._]+'|tollgate app module): )?(provision [a-z._]+: )?(setting up subroutes: .*: )?(parsing caddyfile tokens for '[a-z_]+': )?`)
)

// mistake is what an operator is told of a Caddyfile: an error, or the warnings, as `caddy validate` prints them.
func mistake(t *testing.T, config string) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	clean := func(text string) string {
		return strings.ReplaceAll(strings.ReplaceAll(text, dir+"/Caddyfile", "Caddyfile"), dir, "$DIR")
	}
	config = strings.ReplaceAll(config, "$FILE", file)
	path := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	raw, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(config), map[string]any{"filename": path})
	if err != nil {
		return wrapped.ReplaceAllString(clean(err.Error()), "")
	}
	var loose map[string]any
	if err := json.Unmarshal(raw, &loose); err != nil {
		t.Fatal(err)
	}
	app := loose["apps"].(map[string]any)["tollgate"].(map[string]any)
	app["store"] = filepath.Join(dir, "t.db")
	loose["admin"] = map[string]any{"disabled": true}
	log := filepath.Join(dir, "log")
	loose["logging"] = map[string]any{"logs": map[string]any{"default": map[string]any{"level": "WARN",
		"writer": map[string]any{"output": "file", "filename": log}}}}
	if raw, err = json.Marshal(loose); err != nil {
		t.Fatal(err)
	}
	var c caddy.Config
	if err := json.Unmarshal(raw, &c); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Validate(&c); err != nil {
		return wrapped.ReplaceAllString(clean(err.Error()), "")
	}
	lines, err := os.ReadFile(log)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var warnings []string
	for line := range bytes.Lines(lines) {
		var w map[string]any
		if err := json.Unmarshal(line, &w); err != nil {
			t.Fatal(err)
		}
		logger, _ := w["logger"].(string)
		if !strings.Contains(logger, "tollgate") {
			continue
		}
		text := fmt.Sprint("warning: ", w["msg"])
		for _, field := range []string{"gate", "rule", "path", "first", "prefix", "example", "upstreams"} {
			if v, ok := w[field]; ok {
				text += fmt.Sprintf("; %s %v", field, v)
			}
		}
		warnings = append(warnings, text)
	}
	slices.Sort(warnings)
	return strings.Join(slices.Compact(warnings), "\n")
}

// TestConfigurationMistakes holds that each mistake in a Caddyfile is told: an error where nothing sensible can be meant, with its file
// and line, once, and what to write instead; a warning otherwise. A file of testdata/mistakes holds the lines of mistakes, one after the
// other, and behind "=> " what is said.
func TestConfigurationMistakes(t *testing.T) {
	t.Setenv("TOLLGATE_LONG", strings.Repeat("Zz9-", 8))
	t.Setenv("TOLLGATE_SHORT", "short")
	n := 0
	for name, around := range mistaken {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join("testdata", "mistakes", name+".txt")
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var all []string
			for row := range strings.SplitSeq(strings.TrimSpace(string(text)), "\n\n") {
				n++
				lines, want, _ := strings.Cut(row, "\n=> ")
				want = strings.ReplaceAll(want, "\n=> ", "\n")
				got := mistake(t, fmt.Sprintf(around, lines))
				all = append(all, lines+"\n=> "+strings.ReplaceAll(got, "\n", "\n=> "))
				if got != want && !*update {
					t.Errorf("%s\ngot  %s\nwant %s", lines, got, want)
				}
				if got == "" || !strings.HasPrefix(got, "warning: ") && len(position.FindAllString(got, -1)) == 0 ||
					strings.Contains(got, "Caddyfile:0") || strings.Contains(got, "at :") || strings.Count(got, ", at Caddyfile:") > 1 {
					t.Errorf("%s\nis told %q", lines, got)
				}
			}
			if *update {
				if err := os.WriteFile(file, []byte(strings.Join(all, "\n\n")+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
	if n < 83 {
		t.Errorf("%d mistakes", n)
	}
}
