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
	"path"
	"strings"
	"text/template"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/ledger"
)

// The texts of mails are templates, one file an event: "<event>.txt", and "<role>_role_grant_created.txt" for the invitations of
// one role (notifications.md 5). The first line is the subject, the second is empty, the text follows. A template sees the
// payload, by its JSON names: {{.profile.printable_name}}.
//
// What is HTML in a mail is made of the text, unless there is a "<event>.html" beside it, and put into layout.html as
// {{.content}}. Both see the payload and {{.subject}}.

//go:embed templates/*.txt templates/*.html
var builtin embed.FS

const layoutFile = "layout.html"

// letter is the template of one mail.
type letter struct{ subject, text *template.Template }

// letters are the templates of a folder, by the names of their files without the extension.
type letters struct {
	text map[string]letter
	html map[string]*htmltemplate.Template // of the content
}

// templates are the site's own before ours.
type templates struct{ own, ours letters }

func parseTemplates(own fs.FS) (t templates, err error) {
	sub, err := fs.Sub(builtin, "templates")
	if err != nil {
		return t, err
	}
	if t.ours, err = readLetters(sub); err != nil || own == nil {
		return t, err
	}
	if t.own, err = readLetters(own); err != nil {
		return t, err
	}
	for name := range t.own.text {
		if _, ok := t.ours.text[name]; !ok && !strings.HasSuffix(name, "_role_grant_created") {
			return t, fmt.Errorf("notice: %s.txt: there is no mail of that name", name)
		}
	}
	for name := range t.own.html {
		_, known := t.ours.text[name]
		if _, alone := t.own.text[name]; !known && !alone && name+".html" != layoutFile {
			return t, fmt.Errorf("notice: %s.html: there is no mail of that name", name)
		}
	}
	return t, nil
}

func readLetters(files fs.FS) (letters, error) {
	l := letters{map[string]letter{}, map[string]*htmltemplate.Template{}}
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
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
			t, err := htmltemplate.New(file).Option("missingkey=zero").Funcs(functions).Parse(text)
			if err != nil {
				return l, fmt.Errorf("notice: %w", err)
			}
			l.html[name] = t
			continue
		}
		subject, body, ok := strings.Cut(text, "\n\n")
		if !ok || strings.Contains(subject, "\n") {
			return l, fmt.Errorf("notice: %s: a template is a line of subject, an empty line and a text", file)
		}
		var one letter
		if one.subject, err = newTemplate(file, subject); err != nil {
			return l, err
		}
		if one.text, err = newTemplate(file, body); err != nil {
			return l, err
		}
		l.text[name] = one
	}
	return l, nil
}

var functions = map[string]any{"money": money, "names": printable}

func newTemplate(name, text string) (*template.Template, error) {
	t, err := template.New(name).Option("missingkey=zero").Funcs(functions).Parse(text)
	if err != nil {
		return nil, fmt.Errorf("notice: %w", err)
	}
	return t, nil
}

// page is what is written in a mail.
type page struct{ subject, text, html string }

// compose writes the mail of a payload. A template of the site's own that fails is reported, and ours is used.
func (n *Notices) compose(event string, payload []byte, letter envelope) (page, error) {
	p, err := n.templates.compose(event, payload, letter)
	if err != nil && len(n.templates.own.text)+len(n.templates.own.html) > 0 && !errors.Is(err, ErrRefused) {
		n.o.Logger.Error("template of a mail fails", zap.String("event", event), zap.Error(err))
		p, err = templates{ours: n.templates.ours}.compose(event, payload, letter)
	}
	return p, err
}

// compose writes the mail of a payload by the site's own templates, where it has some, and ours. Beside the payload they see how
// many lines it lacks, {{.omitted}}, and the length of a report, {{.period}}.
func (t templates) compose(event string, payload []byte, letter envelope) (p page, err error) {
	var data map[string]any
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	if err := d.Decode(&data); err != nil {
		return p, fmt.Errorf("%w: payload: %w", ErrRefused, err)
	}
	data["omitted"], data["period"] = letter.Omitted, letter.Period
	name := event
	if role, ok := data["role_description"].(map[string]any); ok && event == (*RoleGrantCreated)(nil).Name() {
		special := fmt.Sprint(role["slug"], "_", event)
		if _, ok := t.own.text[special]; ok {
			name = special
		}
	}
	l, own := t.own.text[name]
	if !own {
		var ok bool
		if l, ok = t.ours.text[name]; !ok {
			return p, fmt.Errorf("%w: there is no template for %s", ErrRefused, event)
		}
	}
	if p.subject, p.text, err = l.write(data); err != nil {
		return p, err
	}
	// The HTML of ours says what our text says: with a text of the site's own it is made of that.
	content := t.own.html[name]
	if content == nil && !own {
		content = t.ours.html[name]
	}
	layout := t.own.html[strings.TrimSuffix(layoutFile, ".html")]
	if layout == nil {
		layout = t.ours.html[strings.TrimSuffix(layoutFile, ".html")]
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

// money formats an object of "amount" and "unit".
func money(price map[string]any) string {
	n, _ := price["amount"].(json.Number)
	v, _ := n.Int64()
	unit, _ := price["unit"].(string)
	return ledger.Amount{Value: v, Unit: unit}.String()
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
