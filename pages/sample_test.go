package pages_test

import (
	"flag"
	"html"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/caddy-tollgate/tollgate/pages"
	"github.com/caddy-tollgate/tollgate/pages/buying"
	"github.com/caddy-tollgate/tollgate/pages/people"
)

// preview is a site of all pages that writes samples.
func preview(t *testing.T, change ...func(*pages.Options)) (*pages.Site, error) {
	t.Helper()
	o := pages.Options{Pages: slices.Concat(people.Pages(), buying.Pages()), Others: []pages.Page{buying.Refusals()}}
	for _, f := range change {
		f(&o)
	}
	return pages.NewPreview(o)
}

var (
	loads    = regexp.MustCompile(`<(?:link|script|img)[^>]*(?:href|src)="([^"]*)"`)
	postForm = regexp.MustCompile(`(?s)<form[^>]*method="post".*?</form>`)
)

// TestSamples says that every page has samples, of which each can be written in every language, to a file that needs no other.
func TestSamples(t *testing.T) {
	site, err := preview(t)
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{} // templates
	for _, p := range site.Samples() {
		shown[p.Name] = shown[p.Name] || len(p.Samples) > 0
	}
	for _, p := range site.Samples() {
		if !shown[p.Name] {
			t.Errorf("%s (%s) has no sample: write some in samples.go, one for each state", p.Path, p.Name)
		}
		states := map[string]bool{}
		for i := range p.Samples {
			s := &p.Samples[i]
			if states[s.State] || s.State == "" {
				t.Errorf("%s: two samples are called %q", p.Path, s.State)
			}
			states[s.State] = true
			for _, tag := range site.LanguageTags() {
				raw, err := site.Write(&p, s, tag)
				page := string(raw)
				for _, wrong := range []string{"ZgotmplZ", "<no value>", "\x00", "%!"} {
					if strings.Contains(page, wrong) {
						t.Errorf("%s (%s, %s) has %q:\n%s", p.Path, s.State, tag, wrong, page)
					}
				}
				if err != nil || !strings.Contains(page, `lang="`+tag+`"`) {
					t.Errorf("%s (%s, %s): %v\n%s", p.Path, s.State, tag, err, page)
				}
				for _, found := range loads.FindAllStringSubmatch(page, -1) {
					if !strings.HasPrefix(html.UnescapeString(found[1]), "data:") {
						t.Errorf("%s (%s, %s) loads %s", p.Path, s.State, tag, found[1])
					}
				}
				for _, f := range postForm.FindAllString(page, -1) {
					if !strings.Contains(f, `name="csrf`) || !strings.Contains(f, `name="key"`) {
						t.Errorf("%s (%s): a form without its hidden fields: %s", p.Path, s.State, f)
					}
				}
			}
		}
	}
}

// TestThemeOfFiveFiles says that a theme of a style sheet, a logo, a block, a page and a language is taken.
func TestThemeOfFiveFiles(t *testing.T) {
	site, err := preview(t, func(o *pages.Options) { o.Theme = os.DirFS("testdata/theme") })
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range site.Samples() {
		if p.Path != "/logout/" {
			continue
		}
		raw, err := site.Write(&p, &p.Samples[0], "it")
		page := string(raw)
		for _, want := range []string{`<html lang="it" dir="ltr">`, "Arrivederci", "Esci", "The harbour",
			"data:image/svg&#43;xml", "data:text/css"} {
			if err != nil || !strings.Contains(page, want) {
				t.Errorf("%v: no %q in %s", err, want, page)
			}
		}
	}
}

// TestThemeChecked says that a theme whose templates cannot be used is refused before anybody sees a page, with file and line.
func TestThemeChecked(t *testing.T) {
	const login = "{{define \"title\"}}x{{end}}{{define \"main\"}}\n"
	for _, c := range []struct{ file, body, want string }{
		{"login.html", login + "{{.D.Nothing}}{{end}}", "theme login.html:2:4: executing \"main\" at <.D.Nothing>"},
		{"login.html", login + "\n{{if .User}}{{t \"login.nothing\"}}{{end}}{{end}}",
			`theme login.html:3: there is no message "login.nothing" in en`},
		{"refused.html", login + "{{.D.Nothing}}{{end}}", "theme refused.html:2:"},
		{"error.html", login + "{{money 1}}{{end}}", "theme error.html:2:"},
		{"footer.html", "{{define \"footer\"}}\n{{.Nothing}}{{end}}", "theme footer.html:2:"},
	} {
		_, err := preview(t, func(o *pages.Options) { o.Theme = fstest.MapFS{c.file: {Data: []byte(c.body)}} })
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.file, err, c.want)
		}
	}
}

var update = flag.Bool("update", false, "write what is there as what is wanted")

// TestDocumentedTemplates says that docs/pages.md names each template, with what it is given.
func TestDocumentedTemplates(t *testing.T) {
	const file = "../docs/pages.md"
	site, err := preview(t)
	if err != nil {
		t.Fatal(err)
	}
	table := "| template | pages | `.D` |\n|---|---|---|\n"
	var names []string
	paths, given := map[string]string{}, map[string]string{}
	for _, p := range site.Samples() {
		if !slices.Contains(names, p.Name) {
			names = append(names, p.Name)
		} else {
			paths[p.Name] += ", "
		}
		paths[p.Name] += "`" + p.Path + "`"
		for _, s := range p.Samples {
			if d := fieldsOf(reflect.TypeOf(s.D), 0); d != "" {
				given[p.Name] = "`" + d + "`"
			}
		}
	}
	for _, name := range names {
		table += "| `" + name + ".html` | " + paths[name] + " | " + given[name] + " |\n"
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const open, end = "<!-- pages: written by TestDocumentedTemplates -->\n", "<!-- end -->"
	before, rest, ok := strings.Cut(string(raw), open)
	is, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatal("docs/pages.md has no table of templates")
	}
	if is != table && *update {
		if err := os.WriteFile(file, []byte(before+open+table+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if is != table {
		t.Error("docs/pages.md does not show what templates are given: run go test ./pages -run TestDocumentedTemplates -update")
	}
	for i := range reflect.TypeFor[pages.View]().NumField() {
		if f := reflect.TypeFor[pages.View]().Field(i); f.IsExported() && !strings.Contains(string(raw), "`."+f.Name+"`") {
			t.Errorf("docs/pages.md does not name .%s", f.Name)
		}
	}
}

// fieldsOf names the fields of what a template is given, and theirs.
func fieldsOf(of reflect.Type, depth int) string {
	suffix := ""
	for of != nil && (of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice) {
		if of.Kind() == reflect.Slice {
			suffix = "[]"
		} else if depth > 0 && suffix == "" {
			suffix = "?"
		}
		of = of.Elem()
	}
	if of == nil || of.Kind() != reflect.Struct || of == reflect.TypeFor[time.Time]() || depth > 3 {
		return suffix
	}
	var fields []string
	for i := range of.NumField() {
		f := of.Field(i)
		if f.Anonymous {
			fields = append(fields, fieldsOf(f.Type, 0))
		} else if f.IsExported() {
			fields = append(fields, f.Name+fieldsOf(f.Type, depth+1))
		}
	}
	list := strings.Join(fields, ", ")
	if depth == 0 {
		return list
	}
	return suffix + "{" + list + "}"
}
