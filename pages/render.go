package pages

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/api/rest"
)

// A View is what every template is given (docs/pages.md).
type View struct {
	Site      string       // its title
	Logo      template.URL // address of the logo, "" for none
	Page      string       // name of the template
	Lang, Dir string       // of the texts: "en", "ltr"
	Languages []Language   // to switch to
	User      *User        // who is logged in, nil for nobody
	Here      string       // path and query of this page
	Next      string       // where the visitor was on the way to, "" for nowhere
	Said      string       // what has just been done, "" for nothing
	Pricing   bool         // there is a page of prices
	D         any          // what the page shows

	q *Request
}

// A User is who is logged in, as the layout shows it.
type User struct{ Username, Name string }

// A Language is one to switch to.
type Language struct {
	Tag, Name, Address string
	Current            bool
}

// render answers with a template.
func (q *Request) render(status int, name string, data any) {
	root := "layout"
	if q.fragment() {
		root = "fragment"
	}
	body, err := q.html(name, root, q.view(name, data))
	if err != nil {
		q.site.Logger.Error("a page could not be shown", zap.String("page", name), zap.Error(err))
		q.crash()
		return
	}
	h := q.headers()
	if q.Visit != nil {
		q.SendCookies()
		q.Discard()
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", q.lang.tag)
	if root == "fragment" {
		h.Set("Tollgate-Page", name) // by which the script that embeds pages knows them
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	q.sent = true
	q.w.WriteHeader(status)
	if q.HTTP.Method != http.MethodHead {
		q.w.Write(body)
	}
}

// html makes a page of a template.
func (q *Request) html(name, root string, view *View) ([]byte, error) {
	set := q.lang.templates[name]
	if set == nil {
		return nil, fmt.Errorf("there is no template %s", name)
	}
	var b bytes.Buffer
	if err := set.ExecuteTemplate(&b, root, view); err != nil {
		return nil, err
	}
	return bytes.Replace(b.Bytes(), []byte(problemsHere), q.summary(name), 1), nil
}

// problemsHere is where the messages that stand beside no field go: which these are is known when the page is made.
const problemsHere = "\x00problems\x00"

// summary are the messages that stand beside no field.
func (q *Request) summary(name string) []byte {
	others := q.others()
	if len(others) == 0 {
		return nil
	}
	var b bytes.Buffer
	if err := q.lang.templates[name].ExecuteTemplate(&b, "problems", others); err != nil {
		q.site.Logger.Error("the template of problems", zap.Error(err))
	}
	return b.Bytes()
}

// A page whose query has fragmentWord is shown inside another page, without its frame; with inDialog, in a dialog, where forms go on.
const (
	fragmentWord = "fragment"
	inDialog     = "dialog"
)

func (q *Request) fragment() bool { return q.Page != &refusedPage && q.Has(fragmentWord) }
func (q *Request) dialog() bool   { return q.fragment() && q.Query(fragmentWord) == inDialog }

func (q *Request) view(name string, data any) *View {
	s := q.site
	v := &View{
		Site: s.Title(), Logo: s.theme.logo, Page: name, Lang: q.lang.tag, Dir: q.lang.dir, Here: q.Here(), Next: q.Next,
		Pricing: s.Has("/pricing/"), D: data, Languages: s.theme.languagesAt(q), Said: q.taken(), q: q,
	}
	if q.Visit != nil {
		if u := q.Caller(); u != nil {
			v.User = &User{u.Username, u.Name}
		}
	}
	return v
}

// errPanic is what is told of a fault of ours.
var errPanic = rest.Fail(http.StatusInternalServerError, "A server error occurred.")

// fail answers a request that cannot be shown: with the page that cures it, or one that says why.
func (q *Request) fail(err error) {
	if q.sent {
		return
	}
	var redirect *Redirect
	if errors.As(err, &redirect) {
		q.redirect(redirect.To)
		return
	}
	var refused *rest.Refusal
	if errors.As(err, &refused) {
		if to := q.cure(refused.Verdict); to != "" {
			q.redirect(to)
			return
		}
	}
	var answer *rest.Error
	if !errors.As(err, &answer) {
		q.site.Logger.Error("a page failed", zap.String("page", q.Page.Path), zap.Error(err))
		answer = errPanic
	}
	q.retryAfter(answer)
	q.failed, q.Next = nil, ""
	q.render(answer.Status, "error", q.site.problem(q, answer))
}

func (q *Request) retryAfter(e *rest.Error) {
	if e.RetryAfter > 0 {
		q.w.Header().Set("Retry-After", strconv.Itoa(wait(e)))
	}
}

// crash is what is left when not even the page of errors can be made.
func (q *Request) crash() {
	if !q.sent {
		q.sent = true
		q.headers()
		http.Error(q.w, "A server error occurred.", http.StatusInternalServerError)
	}
}

// funcs are the functions of templates, bound to a language.
func (l *language) funcs() template.FuncMap {
	return template.FuncMap{
		"t":        l.translate,
		"th":       l.translateHTML,
		"date":     l.date,
		"datetime": l.datetime,
		"money":    l.money,
		"has":      func(v *View, path string) bool { return v.q.site.Has(path) },
		"url":      func(v *View, pattern string, values ...string) string { return v.q.Address(pattern, values...) },
		"home":     func(v *View) string { return v.q.Home() },
		"onward":   func(v *View, address string) string { return v.q.With(address) },
		"asset":    l.theme.assetURL,
		"field":    func(v *View, name string, words ...any) (*Field, error) { return v.q.field(name, words...) },
		"hidden":   func(v *View, form string) template.HTML { return v.q.hidden(form) },
		"wrong":    func(v *View, names ...string) []string { return v.q.problems(names...) },
		"problems": func() template.HTML { return problemsHere },
		"typed":    func(v *View, name string) string { return v.q.Field(name) },
		"options":  func(pairs ...string) []Option { return optionsOf(pairs) },
		"attr":     func(name, value string) template.HTMLAttr { return attribute(name, value) },
		"join":     strings.Join,
		"dict":     dict,
	}
}

// attribute is an attribute of an input, whose name is one of attributes.
func attribute(name, value string) template.HTMLAttr {
	switch value {
	case "true":
		return template.HTMLAttr(name)
	}
	return template.HTMLAttr(name + `="` + template.HTMLEscapeString(value) + `"`)
}

func optionsOf(pairs []string) (all []Option) {
	for i := 0; i+1 < len(pairs); i += 2 {
		all = append(all, Option{Value: pairs[i], Label: pairs[i+1]})
	}
	return all
}

func dict(pairs ...any) map[string]any {
	m := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		name, _ := pairs[i].(string)
		m[name] = pairs[i+1]
	}
	return m
}
