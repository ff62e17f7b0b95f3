package caddymodule

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPageCommands lists the pages of a configuration, and writes and checks them without a server.
func TestPageCommands(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "Caddyfile")
	file := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	site := func(words string) {
		t.Helper()
		file("Caddyfile", "{\n\ttollgate {\n\t\tbroker acme Acme\n\t\tlanguage fr\n\t}\n}\n:9080 {\n\ttollgate_pages {\n"+words+"\n\t}\n}\n")
	}
	run := func(args ...string) string {
		t.Helper()
		out, err := tollgate(append(args, "--config", config, "--adapter", "caddyfile")...)
		if err != nil {
			return err.Error()
		}
		return out
	}
	site("")
	if out := run("page", "list"); !strings.Contains(out, "/login/\tlogin\tanybody\tlogin.html\tGET /api/auth/register, POST /api/auth, ") {
		t.Errorf("page list: %s", out)
	}
	site("prefix /account\nexcept /login/")
	if out := run("page", "list"); !strings.Contains(out, "/account/logout/\t") || strings.Contains(out, "/login/") {
		t.Errorf("page list below a prefix: %s", out)
	}
	site("")
	for _, c := range []struct {
		args string
		want []string
	}{
		{"page preview login", []string{"Acme", `lang="fr"`}},
		{"page preview login.html --lang en --state code", []string{"Check your messages", `lang="en"`}},
		{"page preview refused --lang de --state balance", []string{`lang="de"`, "119\u00a0$"}},
		{"page preview error --lang en --state busy", []string{"The site is busy"}},
		{"page preview logout --lang it --theme ../pages/testdata/theme", []string{"Arrivederci", "The harbour"}},
		{"page preview nothing", []string{`there is no page "nothing": there are login, key, `}},
		{"page preview login --state nothing", []string{`the page login has no state "nothing": it has first, `}},
		{"page preview login --lang tlh", []string{`there are no pages in the language "tlh": there are fr, `}},
		{"page check", []string{"nothing is wrong with them"}},
		{"page check --theme ../pages/testdata/theme", []string{"nothing is wrong with them", "it"}},
		{"page check --theme " + filepath.Dir(file("unknown/nothing.html", "")), []string{"there is no use for a file nothing.html"}},
		{"page check --theme " + filepath.Dir(file("parse/login.html", "\n{{if}}")), []string{"theme login.html:2: missing value for if"}},
		{"page check --theme " + filepath.Dir(file("field/header.html", "{{define \"header\"}}\n{{.No}}{{end}}")),
			[]string{"theme header.html:2:2: executing"}},
		{"page check --theme " + filepath.Dir(file("message/footer.html", "{{define \"footer\"}}{{t \"no.thing\"}}{{end}}")),
			[]string{`theme footer.html:1: there is no message "no.thing" in fr`}},
	} {
		out := run(strings.Fields(c.args)...)
		for _, want := range c.want {
			if !strings.Contains(out, want) {
				t.Errorf("%s: no %q in %s", c.args, want, out)
			}
		}
	}
}

// TestWrongThemeIsNotLoaded says that a configuration with a theme that fails is refused, with the place of both.
func TestWrongThemeIsNotLoaded(t *testing.T) {
	theme := t.TempDir()
	login := []byte("{{define \"title\"}}{{end}}{{define \"main\"}}\n{{.D.No}}{{end}}")
	if err := os.WriteFile(filepath.Join(theme, "login.html"), login, 0o600); err != nil {
		t.Fatal(err)
	}
	got := mistake(t, fmt.Sprintf(mistaken["pages"], "theme "+theme))
	for _, want := range []string{"theme login.html:2:4: executing", "page /login/, first, in en", "Caddyfile:8"} {
		if !strings.Contains(got, want) {
			t.Errorf("it is told %q, without %q", got, want)
		}
	}
}
