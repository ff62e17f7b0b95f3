package pages_test

import (
	"html"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

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
		for _, want := range []string{`<html lang="it" dir="ltr">`, "Arrivederci", "Esci", "The harbour", "data:image/svg&#43;xml", "data:text/css"} {
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
		{"login.html", login + "\n{{if .User}}{{t \"login.nothing\"}}{{end}}{{end}}", `theme login.html:3: there is no message "login.nothing" in en`},
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
