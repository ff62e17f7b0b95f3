package notice

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	htmltemplate "html/template"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"text/template"
	"time"

	"go.uber.org/zap"
	xlanguage "golang.org/x/text/language"

	"github.com/caddy-tollgate/tollgate/locale"
)

// The texts of mails are templates, one file an event and language: "<language>/<event>.txt", and "<role>_role_grant_created.txt" for the
// invitations of one role (notifications.md 5). The first line is the subject, the second is empty, the text follows. A template sees
// the payload, by its JSON names: {{.profile.printable_name}}.
//
// What is HTML in a mail is made of the text, unless there is a "<event>.html" beside it, and put into layout.html as
// {{.content}}. Both see the payload, {{.subject}} and {{.lang}}.

//go:embed templates
var builtin embed.FS

const (
	layoutName = "layout" // of layout.html
	// fallback is the language of what is there in no other one.
	fallback = "en"
)

// letter is the template of one mail.
type letter struct{ subject, text *template.Template }

// letters are the templates of a folder, by the names of their files without the extension.
type letters struct {
	text map[string]letter
	html map[string]*htmltemplate.Template // of the content
}

// A shelf holds the templates that a mail in a language may be written by, in the order in which they are looked through.
type shelf []letters

// templates are the shelves of the languages that there are.
type templates struct {
	shelves map[string]shelf
	sorted  []string         // the languages
	ours    map[string]shelf // of the product alone
	own     bool             // the site has some of its own
}

// ours are the templates of the product.
var ours = sync.OnceValues(func() (map[string]shelf, error) {
	files, err := fs.Sub(builtin, "templates")
	if err != nil {
		return nil, err
	}
	folders, err := foldersOf(files)
	if err != nil {
		return nil, err
	}
	all := map[string]shelf{}
	for _, language := range folders {
		if all[language], err = readShelf(files, language, language, ""); err != nil {
			return nil, err
		}
	}
	return all, nil
})

// parseTemplates reads the templates. A mail is looked for among the site's own of its language, those of the site that are of no
// language, and ours of its language; where there is none of that language, among those in English.
func parseTemplates(own fs.FS) (t templates, err error) {
	if t.ours, err = ours(); err != nil || own == nil {
		t.shelves, t.sorted = t.ours, slices.Sorted(maps.Keys(t.ours))
		return t, err
	}
	folders, err := foldersOf(own)
	if err != nil {
		return t, err
	}
	t.own, t.shelves = true, map[string]shelf{}
	for _, folder := range append(folders, "") {
		l, err := readLetters(own, folder, fallback)
		if err == nil {
			err = t.known(l)
		}
		if err != nil {
			return t, fmt.Errorf("notice: %s%w", prefixOf(folder), err)
		}
	}
	for _, language := range slices.Concat(folders, slices.Collect(maps.Keys(t.ours))) {
		if t.shelves[language] != nil {
			continue
		}
		if t.shelves[language], err = readShelf(own, language, language, ""); err != nil {
			return t, err
		}
		t.shelves[language] = append(t.shelves[language], t.ours[language]...)
		if t.ours[language] == nil {
			english, err := readShelf(own, language, fallback)
			if err != nil {
				return t, err
			}
			files, err := fs.Sub(builtin, "templates")
			if err != nil {
				return t, err
			}
			builtin, err := readShelf(files, language, fallback, "")
			if err != nil {
				return t, err
			}
			t.shelves[language] = slices.Concat(t.shelves[language], english, builtin)
		}
	}
	t.sorted = slices.Sorted(maps.Keys(t.shelves))
	return t, nil
}

// known refuses files of the site's own that are of no mail.
func (t templates) known(l letters) error {
	all := t.ours[fallback][0].text
	for name := range l.text {
		if _, ok := all[name]; !ok && !strings.HasSuffix(name, "_role_grant_created") {
			return fmt.Errorf("%s.txt: there is no mail of that name", name)
		}
	}
	for name := range l.html {
		_, known := all[name]
		if _, alone := l.text[name]; !known && !alone && name != layoutName {
			return fmt.Errorf("%s.html: there is no mail of that name", name)
		}
	}
	return nil
}

// foldersOf are the folders of languages.
func foldersOf(files fs.FS) (folders []string, err error) {
	entries, err := fs.ReadDir(files, ".")
	for _, e := range entries {
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if _, err := xlanguage.Parse(e.Name()); err != nil || strings.ToLower(e.Name()) != e.Name() {
			return nil, fmt.Errorf("notice: there is no use for a folder %s: folders of mails are called after languages, as in fr", e.Name())
		}
		folders = append(folders, e.Name())
	}
	return folders, err
}

// readShelf reads folders, "" for the files beside the folders, for mails in a language.
func readShelf(files fs.FS, language string, folders ...string) (s shelf, err error) {
	for _, folder := range folders {
		l, err := readLetters(files, folder, language)
		if err != nil {
			return nil, fmt.Errorf("notice: %s%w", prefixOf(folder), err)
		}
		s = append(s, l)
	}
	return s, nil
}

func prefixOf(folder string) string {
	if folder == "" {
		return ""
	}
	return folder + "/"
}

// find is the language that mails to who reads a wanted one are written in, "" when there is none for it.
func (t templates) find(wanted string) string {
	if i := locale.Find(t.sorted, wanted); i >= 0 {
		return t.sorted[i]
	}
	return ""
}

func readLetters(files fs.FS, folder, language string) (letters, error) {
	l := letters{map[string]letter{}, map[string]*htmltemplate.Template{}}
	functions := functionsOf(language)
	files, err := fs.Sub(files, path.Join(".", folder))
	if err != nil {
		return l, err
	}
	entries, err := fs.ReadDir(files, ".")
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	} else if err != nil {
		return l, err
	}
	for _, e := range entries {
		file := e.Name()
		name, extension := strings.TrimSuffix(file, path.Ext(file)), path.Ext(file)
		if e.IsDir() || extension != ".txt" && extension != ".html" {
			continue
		}
		b, err := fs.ReadFile(files, file)
		if err != nil {
			return l, err
		}
		text := strings.ReplaceAll(string(b), "\r\n", "\n")
		if extension == ".html" {
			if l.html[name], err = htmltemplate.New(file).Option("missingkey=zero").Funcs(functions).Parse(text); err != nil {
				return l, err
			}
			continue
		}
		subject, body, ok := strings.Cut(text, "\n\n")
		if !ok || strings.Contains(subject, "\n") {
			return l, fmt.Errorf("%s: a template is a line of subject, an empty line and a text", file)
		}
		var one letter
		if one.subject, err = newTemplate(file, subject, functions); err != nil {
			return l, err
		}
		if one.text, err = newTemplate(file, body, functions); err != nil {
			return l, err
		}
		l.text[name] = one
	}
	return l, nil
}

// functionsOf are the functions of the templates of mails in a language.
func functionsOf(language string) map[string]any {
	l := locale.Of(language)
	return map[string]any{"money": moneyIn(l), "date": dateIn(l), "names": printable}
}

func newTemplate(name, text string, functions template.FuncMap) (*template.Template, error) {
	return template.New(name).Option("missingkey=zero").Funcs(functions).Parse(text)
}

// page is what is written in a mail.
type page struct{ subject, text, html string }

// compose writes the mail of a payload. A template of the site's own that fails is reported, and ours is used.
func (n *Notices) compose(event string, payload []byte, letter envelope) (page, error) {
	letter.Lang = n.languageOf(letter)
	p, err := n.templates.compose(event, payload, letter)
	if err != nil && n.templates.own && !errors.Is(err, ErrRefused) {
		n.o.Logger.Error("template of a mail fails", zap.String("event", event), zap.String("language", letter.Lang), zap.Error(err))
		p, err = templates{shelves: n.templates.ours}.compose(event, payload, letter)
	}
	return p, err
}

// compose writes the mail of a payload, in the language of the envelope, by the site's own templates where it has some, and ours. Beside
// the payload they see how many lines it lacks, {{.omitted}}, the length of a report, {{.period}}, and the language, {{.lang}}.
func (t templates) compose(event string, payload []byte, letter envelope) (p page, err error) {
	var data map[string]any
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	if err := d.Decode(&data); err != nil {
		return p, fmt.Errorf("%w: payload: %w", ErrRefused, err)
	}
	data["omitted"], data["period"], data["lang"] = letter.Omitted, letter.Period, letter.Lang
	shelf := t.shelves[letter.Lang]
	if shelf == nil {
		shelf = t.shelves[fallback]
	}
	name := event
	if role, ok := data["role_description"].(map[string]any); ok && event == (*RoleGrantCreated)(nil).Name() {
		special := fmt.Sprint(role["slug"], "_", event)
		if slices.ContainsFunc(shelf, func(l letters) bool { return l.text[special].text != nil }) {
			name = special
		}
	}
	at := slices.IndexFunc(shelf, func(l letters) bool { return l.text[name].text != nil })
	if at < 0 {
		return p, fmt.Errorf("%w: there is no template for %s", ErrRefused, event)
	}
	if p.subject, p.text, err = shelf[at].text[name].write(data); err != nil {
		return p, err
	}
	// The HTML beside a text says what that text says, and none that is further back does.
	var content, layout *htmltemplate.Template
	for i, l := range shelf {
		if content == nil && i <= at {
			content = l.html[name]
		}
		if layout == nil {
			layout = l.html[layoutName]
		}
	}
	data["subject"] = p.subject
	var b bytes.Buffer
	if content == nil {
		link, _ := data["back_url"].(string)
		data["content"] = paragraphs(p.text, link)
	} else if err = content.Execute(&b, data); err != nil {
		return p, err
	} else {
		data["content"] = htmltemplate.HTML(b.String()) // escaped already
	}
	b.Reset()
	err = layout.Execute(&b, data)
	p.html = b.String()
	return p, err
}

func (l letter) write(data map[string]any) (subject, text string, err error) {
	var b bytes.Buffer
	if err := l.subject.Execute(&b, data); err != nil {
		return "", "", err
	}
	subject = oneLine(b.String())
	b.Reset()
	if err := l.text.Execute(&b, data); err != nil {
		return "", "", err
	}
	return subject, strings.TrimSpace(b.String()) + "\n", nil
}

// paragraphs is a text as HTML. The page that the mail is about is the only link: an address in what somebody wrote is none.
func paragraphs(text, link string) htmltemplate.HTML {
	var b strings.Builder
	for p := range strings.SplitSeq(text, "\n\n") {
		if p = strings.Trim(p, "\n"); p == "" {
			continue
		}
		p = strings.ReplaceAll(html.EscapeString(p), "\n", "<br>\n")
		if to := html.EscapeString(link); to != "" {
			p = strings.ReplaceAll(p, to, `<a href="`+to+`">`+to+`</a>`)
		}
		b.WriteString("<p>" + p + "</p>\n")
	}
	return htmltemplate.HTML(b.String())
}

// moneyIn writes money: an object of "amount" and "unit", or an amount in 1/100 of a unit, and the unit.
func moneyIn(l *locale.Locale) func(price any, unit ...string) string {
	return func(price any, unit ...string) string {
		amount := price
		of := strings.Join(unit, "")
		if object, ok := price.(map[string]any); ok {
			amount = object["amount"]
			of, _ = object["unit"].(string)
		}
		n, _ := amount.(json.Number)
		v, _ := n.Int64()
		return l.Money(v, of)
	}
}

// dateIn writes the day of a time as payloads have it.
func dateIn(l *locale.Locale) func(at string) (string, error) {
	return func(at string) (string, error) {
		t, err := time.Parse(time.RFC3339Nano, at)
		return l.Date(t), err
	}
}

// printable is the printable name of the first of some users and profiles that is there.
func printable(people ...any) string {
	for _, p := range people {
		if m, ok := p.(map[string]any); ok {
			for _, key := range []string{"printable_name", "full_name", "email"} {
				if name, _ := m[key].(string); name != "" {
					return name
				}
			}
		}
	}
	return ""
}
