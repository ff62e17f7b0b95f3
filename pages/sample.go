package pages

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/api/rest"
)

// A Sample is a page in one of its states with data that is made up, as `page preview` writes it (pages.md 6).
type Sample struct {
	State string              // in one word, or a few joined by dashes; the first of a page is what most people see
	D     any                 // what the template is given
	User  *User               // who is logged in, nil for nobody
	Typed url.Values          // into the form, which was refused
	Wrong map[string][]string // what the API says about it, by field
	Next  string              // where the visitor was on the way to
	Said  string              // what has just been done
}

// errorSamples are pages of errors.
func errorSamples() (all []Sample) {
	for _, p := range []Problem{
		{Status: 404, Kind: "absent"}, {Status: 400, Kind: "bad", Detail: "There is no such form on this page."}, {Status: 401, Kind: "unknown"},
		{Status: 403, Kind: "refused"}, {Status: 403, Kind: "forged"}, {Status: 405, Kind: "method"}, {Status: 409, Kind: "conflict"},
		{Status: 429, Kind: "throttled", Wait: 90}, {Status: 500, Kind: "failed", Request: "4b1d5a8e-0000-4000-8000-000000000000"},
		{Status: 502, Kind: "away"}, {Status: 503, Kind: "busy", Wait: 1},
	} {
		all = append(all, Sample{State: p.Kind, D: &p})
	}
	return all
}

// Errors is the page of errors, which has no address.
func Errors() Page {
	return Page{Path: "(error)", Name: "error", Who: "anybody", Samples: errorSamples()}
}

// NewPreview makes a site that has no API behind it, whose pages hold the files that they load: it writes samples.
func NewPreview(o Options) (*Site, error) {
	o.API, o.Logger, o.inline = noAPI{}, zap.NewNop(), true
	if o.Title == nil {
		o.Title = func() string { return "Cowork" }
	}
	return New(o)
}

// WithSamples gives pages their samples, by path.
func WithSamples(all []Page, samples map[string][]Sample) []Page {
	for i := range all {
		all[i].Samples = append(all[i].Samples, samples[all[i].Path]...)
	}
	return all
}

// noAPI stands where nothing is asked.
type noAPI struct{}

func (noAPI) Visit(http.ResponseWriter, *http.Request, int64) (*rest.Visit, error) {
	return nil, errors.New("a preview asks nothing")
}

// Samples are the pages that there are samples of: those that the site could have, and those without an address.
func (s *Site) Samples() []Page { return slices.Concat(s.Options.Pages, s.Others, []Page{Errors()}) }

// LanguageTags are the tags of the languages that the site speaks.
func (s *Site) LanguageTags() []string { return s.theme.tags }

// Write is a page with a sample, in a language.
func (s *Site) Write(p *Page, sample *Sample, tag string) ([]byte, error) {
	lang := s.theme.language(tag)
	if lang == nil {
		return nil, fmt.Errorf("there are no pages in the language %q: there are %s", tag, strings.Join(s.theme.tags, ", "))
	}
	address := regexp.MustCompile(`\{(\w+)\}`).ReplaceAllString(p.Path, "$1")
	if !strings.HasPrefix(address, "/") {
		address = "/"
	}
	q := &Request{
		Page: p, HTTP: httptest.NewRequest(http.MethodGet, s.Prefix+address, nil), site: s, lang: lang, Next: sample.Next,
		form: sample.Typed, failed: sample.Wrong, csrf: "sample", key: "sample",
	}
	if len(sample.Wrong) > 0 {
		q.HTTP.Method = http.MethodPost
	}
	view := q.view(p.Name, sample.D)
	view.User = sample.User
	if sample.Said != "" {
		said, err := lang.translate("said." + sample.Said)
		if err != nil {
			return nil, err
		}
		view.Said = said
	}
	return q.html(p.Name, "layout", view)
}

// Check writes every sample in every language: what is wrong with a theme is found before anybody sees it.
func (s *Site) Check() error {
	var problems []error
	seen := map[string]bool{}
	pages := s.Samples()
	for i := range pages {
		for j := range pages[i].Samples {
			for _, tag := range s.theme.tags {
				_, err := s.Write(&pages[i], &pages[i].Samples[j], tag)
				if err != nil && !seen[err.Error()] {
					seen[err.Error()] = true
					problems = append(problems, fmt.Errorf("%w (page %s, %s, in %s)", err, pages[i].Path, pages[i].Samples[j].State, tag))
				}
			}
		}
	}
	return errors.Join(problems...)
}

var namedMessage = regexp.MustCompile(`\bth? "([\w.]+)"`)

// checkMessages finds messages that a template of the operator names and that there are not, where it does.
func (l *language) checkMessages(from string, text []byte) error {
	if !strings.HasPrefix(from, "theme ") {
		return nil
	}
	for _, at := range namedMessage.FindAllSubmatchIndex(text, -1) {
		id := string(text[at[2]:at[3]])
		if _, err := l.message(id, map[string]any{"count": 2}); err != nil {
			line := 1 + bytes.Count(text[:at[0]], []byte("\n"))
			return fmt.Errorf("template: %s:%d: there is no message %q in %s", from, line, id, l.tag)
		}
	}
	return nil
}

// inlined is a file as an address that holds it.
func (a *asset) inlined() template.URL {
	kind, _, _ := strings.Cut(a.kind, ";")
	return template.URL("data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(a.body))
}
