package pages

import (
	"errors"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/rest"
)

// A Request is one for a page, as its handlers see it: who visits, what was typed, and the operations of the API.
type Request struct {
	*rest.Visit
	Page *Page
	HTTP *http.Request
	Next string // where the visitor was on the way to, an address of this site; "" for nowhere

	site    *Site
	w       http.ResponseWriter
	params  map[string]string
	form    url.Values
	lang    *language
	failed  map[string][]string // messages about what was typed, by field
	shown   map[string]bool     // fields whose messages are on the page
	current string              // form that the template is in
	key     string              // of the forms that are made
	csrf    string              // token of these
	sent    bool
}

// read reads what every page needs of a request.
func (q *Request) read() {
	if q.Visit != nil {
		q.form = q.Visit.Form()
	}
	q.lang = q.site.theme.choose(q)
	next := q.form.Get("next")
	if next == "" {
		next = q.HTTP.URL.Query().Get("next")
	}
	q.Next = q.site.Hosts().SafeNext(next)
}

// Param is a parameter of the path, "" when the page has none of that name.
func (q *Request) Param(name string) string { return q.params[name] }

// Query is a parameter of the query.
func (q *Request) Query(name string) string { return q.HTTP.URL.Query().Get(name) }

// Has reports whether the query has a parameter.
func (q *Request) Has(name string) bool { return q.HTTP.URL.Query().Has(name) }

// Field is what was typed into a field of the form, "" for nothing. Of several fields of one name the last counts.
func (q *Request) Field(name string) string {
	all := q.form[name]
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1]
}

// Fields are all values of a field.
func (q *Request) Fields(name string) []string { return q.form[name] }

// Checked reports whether a box is ticked.
func (q *Request) Checked(name string) bool { return q.Field(name) != "" }

// Lang is the language that the page is shown in: whoever registers on it is written to in that one.
func (q *Request) Lang() string { return q.lang.tag }

// Posted reports whether a form was sent, and is shown again.
func (q *Request) Posted() bool { return q.HTTP.Method == http.MethodPost }

// Get decodes into v what GET of a path of the contract answers; values stand for its parameters in their order.
func (q *Request) Get(v any, pattern string, values ...string) error {
	return q.List(v, nil, pattern, values...)
}

// List is Get with parameters of the query.
func (q *Request) List(v any, query url.Values, pattern string, values ...string) error {
	result, err := q.Do(rest.Operation{Method: http.MethodGet, Path: rest.Path(pattern, values...), Query: query})
	if err != nil {
		return err
	}
	return result.Into(v)
}

// Post sends a body of JSON to an operation, under the key of the form.
func (q *Request) Post(body any, pattern string, values ...string) (*rest.Result, error) {
	return q.send(http.MethodPost, body, pattern, values)
}

// Put is Post with another method.
func (q *Request) Put(body any, pattern string, values ...string) (*rest.Result, error) {
	return q.send(http.MethodPut, body, pattern, values)
}

// Patch is Post with another method.
func (q *Request) Patch(body any, pattern string, values ...string) (*rest.Result, error) {
	return q.send(http.MethodPatch, body, pattern, values)
}

// Delete is Post with another method.
func (q *Request) Delete(body any, pattern string, values ...string) (*rest.Result, error) {
	return q.send(http.MethodDelete, body, pattern, values)
}

func (q *Request) send(method string, body any, pattern string, values []string) (*rest.Result, error) {
	return q.Do(rest.Operation{Method: method, Path: rest.Path(pattern, values...), Body: body, Key: q.formKey()})
}

// formKey is the key of the form that was sent.
func (q *Request) formKey() string {
	key := q.Field(keyField)
	if key == "" || len(key) > 64 || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return ""
	}
	return "page-" + key
}

// File is a file of the form, nil when none was chosen.
func (q *Request) File(name string) *multipart.FileHeader { return q.Visit.File(name) }

// Link is the address of a page of the contract on this site: below the prefix.
func (q *Request) Link(path string) string { return q.site.Prefix + path }

// Address fills values into the path of a page of the contract, and is its Link.
func (q *Request) Address(pattern string, values ...string) string {
	return q.Link(rest.Path(pattern, values...))
}

// HasPage reports whether there is a page at a path of the contract.
func (q *Request) HasPage(path string) bool { return q.site.Has(path) }

// Via is the address of a page that leads on to another one, "" for nowhere.
func (q *Request) Via(address, next string) string {
	if next == "" {
		return address
	}
	joint := "?"
	if strings.Contains(address, "?") {
		joint = "&"
	}
	return address + joint + "next=" + url.QueryEscape(next)
}

// Home is where somebody goes on who has just come in: what is left to do is on the page that lists the profiles, where there is one.
func (q *Request) Home() string {
	if q.site.Has("/app/") {
		return q.With(q.Link("/app/"))
	}
	return q.Onward()
}

// With is an address with the way to go on after it.
func (q *Request) With(address string) string { return q.Via(address, q.Next) }

// Here is the path and query of the request, as a redirect back to it has it.
func (q *Request) Here() string {
	if !q.Has(fragmentWord) {
		return q.HTTP.URL.RequestURI()
	}
	u := *q.HTTP.URL
	query := u.Query()
	query.Del(fragmentWord)
	u.RawQuery = query.Encode()
	return u.RequestURI()
}

// Onward is where a visitor goes on: where it was on the way to, else the page of the profiles, where there is one.
func (q *Request) Onward() string {
	switch {
	case q.Next != "":
		return q.Next
	case q.site.Has("/app/"):
		return q.Link("/app/")
	}
	return "/"
}

// stepCookie keeps the steps of a form between its pages.
const stepCookie = "tollgate_step"

// stepAge is how long a step is kept.
const stepAge = 15 * time.Minute

// Keep keeps a value in the browser until the next step of the form, sealed.
func (q *Request) Keep(value any) error {
	return q.Visit.Keep(stepCookie, q.HTTP.URL.Path, value, stepAge)
}

// Kept decodes what was kept, and reports whether there is something.
func (q *Request) Kept(value any) bool { return q.Visit.Kept(stepCookie, q.HTTP.URL.Path, value) }

// Forget forgets what was kept.
func (q *Request) Forget() { q.Visit.Forget(stepCookie, q.HTTP.URL.Path) }

// show answers with the page.
func (q *Request) show(status int) {
	var data any
	if q.Page.Show != nil {
		var err error
		if data, err = q.Page.Show(q); err != nil {
			q.fail(err)
			return
		}
	}
	q.render(status, q.Page.Name, data)
}

// post does what a form asks, and goes on; or shows the page once more with what is wrong.
func (q *Request) post() {
	name := q.Field(formField)
	form := q.Page.Forms[name]
	if form == nil {
		q.fail(rest.Fail(http.StatusBadRequest, "There is no such form on this page."))
		return
	}
	var out Outcome
	run := func() (then rest.Then, err error) {
		out, err = form(q)
		if out.To == "" {
			out.To = q.Here()
		}
		return rest.Then{To: out.To, Said: out.Said}, err
	}
	var then rest.Then
	var err error
	if key := q.formKey(); key != "" && !q.Page.Opens {
		then, err = q.Once(key+" "+q.HTTP.URL.Path+" "+name, run)
	} else {
		then, err = run()
	}
	var redirect *Redirect
	var answer *rest.Error
	switch {
	case errors.As(err, &redirect):
		q.redirect(redirect.To)
	case errors.As(err, new(*rest.Refusal)):
		q.fail(err)
	case errors.As(err, &answer):
		q.failed = answer.Fields()
		q.retryAfter(answer)
		q.show(formStatus(answer.Status))
	case err != nil:
		q.fail(err)
	case out.Once != nil:
		q.render(http.StatusOK, q.Page.Name, out.Once)
	default:
		if q.site.ours(then.To) != nil {
			q.say(then.Said)
		}
		q.redirect(then.To)
	}
}

// formStatus is the status of a page whose form was refused: a wrong password is a mistake in a form, and asks no browser for credentials;
// nor is the page not there when something is not that was named in it.
func formStatus(status int) int {
	if status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusNotFound {
		return http.StatusBadRequest
	}
	return status
}

// redirect sends the browser on. What stands in a dialog stays in it as long as it goes on among pages, and what has been done is said
// no more when it leads out of them.
func (q *Request) redirect(to string) {
	if _, err := q.HTTP.Cookie(saidCookie); err == nil && q.site.ours(to) == nil {
		q.unsay()
	}
	if q.dialog() {
		to = q.site.inDialog(to)
	}
	q.headers()
	q.SendCookies()
	q.w.Header().Set("Location", to)
	q.Discard()
	q.sent = true
	q.w.WriteHeader(http.StatusSeeOther)
}

// A Redirect is the error of a page that is not to be seen, but another one.
type Redirect struct{ To string }

func (r *Redirect) Error() string { return "redirect to " + r.To }

// RedirectTo sends the visitor to another page.
func RedirectTo(to string) error { return &Redirect{to} }

// cure is the page that cures a refusal, "" for none.
func (q *Request) cure(v accessrules.Verdict) string {
	path, _, _ := strings.Cut(v.Target, "?")
	if v.Target == "" || !q.site.Has(path) {
		return ""
	}
	asked := q.Here()
	if q.Posted() {
		asked = q.HTTP.URL.Path // a form is not sent again
	}
	return accessrules.Next(q.Link(v.Target), asked)
}
