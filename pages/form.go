package pages

import (
	"crypto/rand"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"sort"
	"strings"

	"github.com/caddy-tollgate/tollgate/api/rest"
)

// Names of the fields that every form has.
const (
	formField = "form" // which form of the page it is
	keyField  = "key"  // by which it is known when it is sent twice
)

// A Field is a field of a form, as the template of fields is given it. What was typed stands in it again when the form is refused, but
// for passwords, with what is wrong.
type Field struct {
	Name, ID string
	Type     string // of the input: text, email, password, …, select, textarea, checkbox, file
	Label    string
	Hint     string
	Value    string
	Checked  bool
	Required bool
	Errors   []string
	Options  []Option
	Attrs    map[string]string
}

// Described are the ids of what describes the field.
func (f *Field) Described() string {
	var ids []string
	if f.Hint != "" {
		ids = append(ids, f.ID+"-hint")
	}
	if len(f.Errors) > 0 {
		ids = append(ids, f.ID+"-error")
	}
	return strings.Join(ids, " ")
}

// An Option is one of the values of a select, or of a group of radio buttons.
type Option struct{ Value, Label, Hint string }

// attributes that a template may give a field.
var attributes = []string{
	"autocomplete", "inputmode", "maxlength", "minlength", "pattern", "placeholder", "rows", "accept", "min", "max", "autofocus", "readonly",
	"spellcheck", "autocapitalize", "multiple",
}

// field makes a field for a template: {{template "field" (field $ "username" "label" (t "login.username") "autocomplete" "username")}}.
// Its words are type, label, hint, value, required, options, as (its name in the API's errors) and the attributes.
func (q *Request) field(name string, words ...any) (*Field, error) {
	f := &Field{Name: name, ID: strings.NewReplacer("[", "-", "]", "", ".", "-").Replace(name), Type: "text", Attrs: map[string]string{}}
	if len(words)%2 != 0 {
		return nil, fmt.Errorf("field %s: words and values come in pairs", name)
	}
	as := name
	for i := 0; i < len(words); i += 2 {
		word, _ := words[i].(string)
		value := words[i+1]
		text := fmt.Sprint(value)
		switch {
		case word == "type":
			f.Type = text
		case word == "label":
			f.Label = text
		case word == "hint":
			f.Hint = text
		case word == "id":
			f.ID = text
		case word == "as":
			as = text
		case word == "value" && f.Type == "checkbox":
			f.Checked, _ = value.(bool)
		case word == "value" && value != nil:
			f.Value = text
		case word == "required":
			f.Required, _ = value.(bool)
		case word == "options":
			options, ok := value.([]Option)
			if !ok {
				return nil, fmt.Errorf("field %s: options are a %T", name, value)
			}
			f.Options = options
		case slices.Contains(attributes, word):
			if value != false && value != nil && text != "" {
				f.Attrs[word] = text
			}
		default:
			return nil, fmt.Errorf("field %s: there is no word %q", name, word)
		}
	}
	form := q.Field(formField) // of several forms on a page, the one that was sent; a sample names none
	sent := q.current == "" || form == "" || form == q.current
	if q.Posted() && sent && q.form != nil && f.Type != "password" {
		if f.Type == "checkbox" {
			f.Checked = q.Field(name) != ""
		} else if all, typed := q.form[name]; typed {
			f.Value = all[len(all)-1]
		}
	}
	if sent {
		f.Errors = q.problems(as)
	}
	return f, nil
}

// problems are the messages about a field, in the visitor's language. What is asked for is not shown at the top.
func (q *Request) problems(names ...string) (messages []string) {
	for _, name := range names {
		if q.shown == nil {
			q.shown = map[string]bool{}
		}
		q.shown[name] = true
		for _, said := range q.failed[name] {
			messages = append(messages, q.lang.said(said))
		}
	}
	return messages
}

// others are the messages that stand beside no field.
func (q *Request) others() (messages []string) {
	var names []string
	for name := range q.failed {
		if !q.shown[name] {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	for _, name := range names {
		for _, said := range q.failed[name] {
			if message := q.lang.said(said); !slices.Contains(messages, message) {
				messages = append(messages, message)
			}
		}
	}
	return messages
}

// Refuse is the error of a form whose field a page itself finds wrong, before it asks anything: a message of the section "problems".
func (q *Request) Refuse(field, message string) error {
	return rest.Invalid(field, q.lang.text("problems."+message))
}

// About is an error of an operation with other names for its fields, in pairs: what the operation calls them and what the form does.
func About(err error, pairs ...string) error {
	var answer *rest.Error
	if !errors.As(err, &answer) || errors.As(err, new(*rest.Refusal)) || answer.Status >= http.StatusInternalServerError {
		return err
	}
	fields := rest.Fields{}
	for name, messages := range answer.Fields() {
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i] == name {
				name = pairs[i+1]
			}
		}
		fields = append(fields, rest.Field{Name: name, Value: messages})
	}
	return &rest.Error{Status: answer.Status, Body: fields, RetryAfter: answer.RetryAfter}
}

// hidden are the fields that every form has: {{hidden $ "login"}}.
func (q *Request) hidden(form string) template.HTML {
	q.current = form
	if q.key == "" {
		if q.key = q.Field(keyField); !q.Posted() || q.formKey() == "" {
			q.key = rand.Text()
		}
	}
	var b strings.Builder
	add := func(name, value string) {
		fmt.Fprintf(&b, `<input type="hidden" name="%s" value="%s">`, name, template.HTMLEscapeString(value))
	}
	add(rest.CSRFField, q.token())
	add(keyField, q.key)
	add(formField, form)
	if q.Next != "" {
		add("next", q.Next)
	}
	return template.HTML(b.String())
}

// token is the CSRF token of the visit.
func (q *Request) token() string {
	if q.csrf == "" {
		q.csrf = q.Token()
	}
	return q.csrf
}
