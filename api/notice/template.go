package notice

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"text/template"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/ledger"
)

// The texts of mails are templates, one file an event: "<event>.txt", and "<role>_role_grant_created.txt" for the invitations of
// one role (notifications.md 5). The first line is the subject, the second is empty, the text follows. A template sees the
// payload, by its JSON names: {{.profile.printable_name}}.

//go:embed templates/*.txt
var builtin embed.FS

// letter is the template of one mail.
type letter struct{ subject, text *template.Template }

// templates are the site's own before ours.
type templates struct{ own, ours map[string]letter }

func parseTemplates(own fs.FS) (t templates, err error) {
	sub, err := fs.Sub(builtin, "templates")
	if err != nil {
		return t, err
	}
	if t.ours, err = readLetters(sub); err != nil {
		return t, err
	}
	if own != nil {
		t.own, err = readLetters(own)
	}
	return t, err
}

func readLetters(files fs.FS) (map[string]letter, error) {
	names, err := fs.Glob(files, "*.txt")
	if err != nil {
		return nil, err
	}
	letters := make(map[string]letter, len(names))
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		subject, body, ok := strings.Cut(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n\n")
		if !ok || strings.Contains(subject, "\n") {
			return nil, fmt.Errorf("notice: %s: a template is a line of subject, an empty line and a text", name)
		}
		var l letter
		if l.subject, err = newTemplate(name, subject); err != nil {
			return nil, err
		}
		if l.text, err = newTemplate(name, body); err != nil {
			return nil, err
		}
		letters[strings.TrimSuffix(name, ".txt")] = l
	}
	return letters, nil
}

func newTemplate(name, text string) (*template.Template, error) {
	t, err := template.New(name).Option("missingkey=zero").Funcs(template.FuncMap{"money": money, "names": printable}).Parse(text)
	if err != nil {
		return nil, fmt.Errorf("notice: %w", err)
	}
	return t, nil
}

// compose writes the mail of a payload. A template of the site's own that fails is reported, and ours is used.
func (n *Notices) compose(event string, payload []byte) (subject, text string, err error) {
	var data map[string]any
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	if err := d.Decode(&data); err != nil {
		return "", "", fmt.Errorf("payload: %w", err)
	}
	names := []string{event}
	if role, ok := data["role_description"].(map[string]any); ok && event == (*RoleGrantCreated)(nil).Name() {
		names = []string{fmt.Sprint(role["slug"], "_", event), event}
	}
	for _, name := range names {
		if l, ok := n.templates.own[name]; ok {
			if subject, text, err = l.write(data); err == nil {
				return subject, text, nil
			}
			n.o.Logger.Error("template of a mail fails", zap.String("template", name), zap.Error(err))
		}
		if l, ok := n.templates.ours[name]; ok {
			return l.write(data)
		}
	}
	return "", "", errors.Join(ErrRefused, fmt.Errorf("there is no template for %s", event))
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
