package pages_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/pages"
	"github.com/caddy-tollgate/tollgate/store"
)

type thing struct {
	Title string `json:"title" in:"required" validate:"max=5"`
}

// A world is a site with one page, of a thing, over an API with one operation.
type world struct {
	t       *testing.T
	api     *resttest.Site
	site    *pages.Site
	as      string
	cookies map[string]string
	written []string
}

// newWorld makes a world; change edits the options of the site.
func newWorld(t *testing.T, change ...func(*pages.Options)) *world {
	t.Helper()
	w := &world{t: t, cookies: map[string]string{}}
	people := resttest.Cowork()
	people.Agreements = map[string]time.Time{}
	w.api = resttest.New(t, people, []rest.Endpoint{
		rest.Post("/api/profile/{profile}/plans", accessrules.DirectStrict, func(c *rest.Call, tx *store.Tx, in *thing) (thing, error) {
			w.written = append(w.written, in.Title)
			return *in, nil
		}, rest.Keyed()),
	})
	o := pages.Options{
		API: w.api, Logger: zap.NewNop(), Title: func() string { return "Cowork" },
		Pages: []pages.Page{{
			Path: "/things/{thing}/", Name: "thing", Group: "things", Who: "anybody",
			Show: func(q *pages.Request) (any, error) { return q.Param("thing"), nil },
			Forms: map[string]pages.Form{"make": func(q *pages.Request) (pages.Outcome, error) {
				_, err := q.Post(map[string]string{"title": q.Field("name")}, "/api/profile/{profile}/plans", q.Param("thing"))
				return pages.Outcome{Said: "logged_out"}, pages.About(err, "title", "name")
			}, "leave": func(q *pages.Request) (pages.Outcome, error) {
				return pages.Outcome{To: q.Query("to"), Said: "welcome"}, nil
			}},
		}, {Path: "/other/", Name: "thing", Group: "others", Who: "anybody", Show: func(q *pages.Request) (any, error) { return "", nil }},
			{Path: "/away/", Name: "thing", Group: "others", Who: "anybody", Show: func(q *pages.Request) (any, error) {
				return nil, &pages.Redirect{To: "/app/"}
			}}},
		Theme: fstest.MapFS{
			"thing.html": {Data: []byte(`{{define "title"}}Thing{{end}}{{define "main"}}{{problems}}[{{.D}}] {{t "login.title"}}
				<form method="post">{{hidden . "make"}}{{template "field" (field . "name" "label" "Name")}}</form>
				<a href="{{onward . (url . "/things/{thing}/" "a/b")}}">more</a>{{end}}`)},
			"messages/fr.toml": {Data: []byte("[language]\nname = \"Français\"\ndirection = \"ltr\"\n[login]\ntitle = \"Connexion\"\n")},
		},
		Languages: []string{"en", "fr"},
	}
	for _, f := range change {
		f(&o)
	}
	var err error
	if w.site, err = pages.New(o); err != nil {
		t.Fatal(err)
	}
	return w
}

// do sends a request as a browser would, and keeps the cookies; nil when there is no such page.
func (w *world) do(request string, form url.Values, headers ...string) *http.Response {
	w.t.Helper()
	body := ""
	if form != nil {
		body = form.Encode()
		headers = append([]string{"Content-Type: application/x-www-form-urlencoded", "Origin: " + resttest.Base}, headers...)
	}
	r := resttest.NewRequest(w.as, request, body, headers...)
	for name, value := range w.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	serve := w.site.Handler(r)
	if serve == nil {
		return nil
	}
	rec := httptest.NewRecorder()
	serve(rec, r)
	answer := rec.Result()
	for _, c := range answer.Cookies() {
		if w.cookies[c.Name] = c.Value; c.MaxAge < 0 {
			delete(w.cookies, c.Name)
		}
	}
	return answer
}

// page asks for a page, and returns its text.
func (w *world) page(request string, headers ...string) string {
	w.t.Helper()
	return text(w.do(request, nil, headers...))
}

func text(answer *http.Response) string {
	if answer == nil {
		return "none of the pages"
	}
	body, _ := io.ReadAll(answer.Body)
	return string(body)
}

var hiddenField = regexp.MustCompile(`<input type="hidden" name="(\w+)" value="([^"]*)">`)

// form are the hidden fields of a page's form, with what is typed.
func form(page string, typed ...string) url.Values {
	values := url.Values{}
	for _, found := range hiddenField.FindAllStringSubmatch(page, -1) {
		values.Set(found[1], found[2])
	}
	for i := 0; i+1 < len(typed); i += 2 {
		values.Set(typed[i], typed[i+1])
	}
	return values
}

// TestForm says how a form goes on: to the page with a message, once however often it is sent; or to itself with what is wrong beside
// its field and what was typed.
func TestForm(t *testing.T) {
	w := newWorld(t)
	w.as = "xia"
	page := w.page("GET /things/acme/")
	wrong := w.do("POST /things/acme/", form(page, "name", `"too long"`))
	refused := text(wrong)
	if wrong.StatusCode != 400 || !strings.Contains(refused, "At most 5 characters.") ||
		!strings.Contains(refused, `value="&#34;too long&#34;"`) ||
		!strings.Contains(refused, `aria-invalid="true"`) {
		t.Errorf("%d %s", wrong.StatusCode, refused)
	}
	for range 2 {
		done := w.do("POST /things/acme/", form(refused, "name", "Gold"))
		if done.StatusCode != 303 || done.Header.Get("Location") != "/things/acme/" {
			t.Errorf("%d %v", done.StatusCode, done.Header)
		}
	}
	if len(w.written) != 1 || w.written[0] != "Gold" {
		t.Errorf("written: %q", w.written)
	}
	if page := w.page("GET /things/acme/"); !strings.Contains(page, "You are logged out.") {
		t.Errorf("what was done is not said: %s", page)
	}
	if page := w.page("GET /things/acme/"); strings.Contains(page, "You are logged out.") {
		t.Errorf("what was done is said twice: %s", page)
	}
	if answer := w.do("POST /things/acme/", form(page, "form", "other")); answer.StatusCode != 400 {
		t.Errorf("a form that the page has not: %d", answer.StatusCode)
	}
	forged := w.do("POST /things/acme/", url.Values{"form": {"make"}, "name": {"Gold"}})
	if forged.StatusCode != 403 || !strings.Contains(text(forged), "This form has expired") || len(w.written) != 1 {
		t.Errorf("without a token: %d", forged.StatusCode)
	}
}

// TestSaidAway says that what was done is not said when the way leads out of the pages: a page that is opened later is
// about something else.
func TestSaidAway(t *testing.T) {
	for to, said := range map[string]bool{"/other/": true, "/app/": false, "/away/": false, "https://elsewhere.example/other/": false} {
		w := newWorld(t)
		w.as = "xia"
		there := "/things/acme/?to=" + url.QueryEscape(to)
		answer := w.do("POST "+there, form(w.page("GET "+there), "form", "leave"))
		if answer.StatusCode != 303 || answer.Header.Get("Location") != to {
			t.Errorf("%s: %d %v", to, answer.StatusCode, answer.Header)
		}
		if to == "/away/" {
			w.do("GET /away/", nil)
		}
		if page := w.page("GET /other/"); strings.Contains(page, "Your account is ready.") != said {
			t.Errorf("after %s: %s", to, page)
		}
	}
}

// TestRefusedForm says that who may not do what a form asks is told so.
func TestRefusedForm(t *testing.T) {
	for as, want := range map[string]int{"yan": 403, "": 401} {
		w := newWorld(t)
		w.as = as
		answer := w.do("POST /things/acme/", form(w.page("GET /things/acme/"), "name", "Gold"))
		if answer.StatusCode != want || len(w.written) != 0 {
			t.Errorf("%q: %d, written %q", as, answer.StatusCode, w.written)
		}
	}
}

// TestAddresses says which requests are for pages: the rest goes on to the application.
func TestAddresses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*pages.Options)
		status map[string]int
	}{
		"as in the contract": {func(*pages.Options) {}, map[string]int{
			"GET /things/a/": 200, "HEAD /things/a/": 200, "GET /things/a": 308, "GET /things/": 0, "GET /things/a/b/": 0, "GET /things/a%2Fb/": 0,
			"GET /things//": 0, "GET /Things/a/": 0, "GET /other/": 200, "PUT /other/": 405, "DELETE /other/": 405, "POST /other": 0, "GET /": 0,
			"GET /-/tollgate/style.css": 0, "GET /-/tollgate/x/page.js": 200, "GET /-/tollgate/x/..%2Fen.toml": 0, "GET /-/tollgate/x/login.html": 0,
		}},
		"below a prefix": {func(o *pages.Options) { o.Prefix = "/account" }, map[string]int{
			"GET /account/things/a/": 200, "GET /account/other/": 200, "GET /things/a/": 0, "GET /accountother/": 0, "GET /account/": 0,
		}},
		"a group": {func(o *pages.Options) { o.Only = []string{"others"} }, map[string]int{"GET /things/a/": 0, "GET /other/": 200}},
		"all but": {func(o *pages.Options) { o.Except = []string{"/things"} }, map[string]int{"GET /things/a/": 0, "GET /other/": 200}},
	} {
		w := newWorld(t, c.change)
		for request, want := range c.status {
			got := 0
			if answer := w.do(request, nil); answer != nil {
				got = answer.StatusCode
				if text := text(answer); strings.HasPrefix(request, "HEAD") && text != "" {
					t.Errorf("%s: %s: %q", name, request, text)
				}
			}
			if got != want {
				t.Errorf("%s: %s: %d, want %d", name, request, got, want)
			}
		}
	}
	w := newWorld(t, func(o *pages.Options) { o.Prefix = "/account" })
	if page := w.page("GET /account/things/a/?next=/app/x%3Fy"); !strings.Contains(page, `href="/account/things/a%2Fb/?next=%2Fapp%2Fx%3Fy"`) {
		t.Errorf("links below a prefix, on the way to an address: %s", page)
	}
}

// TestLanguage says in which language a page is: the one chosen, then the user's, then the first that the browser asks for.
func TestLanguage(t *testing.T) {
	w := newWorld(t)
	lang := func(request string, headers ...string) string {
		answer := w.do(request, nil, headers...)
		page := text(answer)
		tag := answer.Header.Get("Content-Language")
		if !strings.Contains(page, `<html lang="`+tag+`" dir="ltr">`) || strings.Contains(page, "Connexion") != (tag == "fr") {
			t.Errorf("%s: %s", request, page)
		}
		return tag
	}
	for accepted, want := range map[string]string{"": "en", "de, fr;q=0.5": "fr", "fr-CA": "fr", "en, fr": "en",
		"tlh": "en", "*": "en", ";;;": "en", "fr;q=0": "en"} {
		if got := lang("GET /other/", "Accept-Language: "+accepted); got != want {
			t.Errorf("%q: %s, want %s", accepted, got, want)
		}
	}
	if got := lang("GET /other/?lang=fr"); got != "fr" {
		t.Errorf("switched to fr: %s", got)
	}
	if got := lang("GET /other/", "Accept-Language: en"); got != "fr" {
		t.Errorf("after it: %s", got)
	}
	if got := lang("GET /other/?lang=tlh", "Accept-Language: en"); got != "fr" {
		t.Errorf("switched to one that there is not: %s", got)
	}
}

// TestThemeRefused says what is wrong with a theme, and where.
func TestThemeRefused(t *testing.T) {
	for _, c := range []struct{ file, body, want string }{
		{"thing.htm", "", "thing.htm"},
		{"css/theme.css", "", "no use for a folder css"},
		{"other.html", "", "no use for a file other.html"},
		{"header.html", `{{define "header"}}{{if}}{{end}}`, "theme header.html:1: missing value for if"},
		{"header.html", "\n{{define \"header\"}}{{nothing}}{{end}}", `theme header.html:2: function "nothing" not defined`},
		{"thing.html", `{{define "main"}}{{end}}`, `theme thing.html defines no template "title"`},
		{"messages/klingon.toml", "", "messages/klingon.toml is not called after a language"},
		{"messages/fr.toml", "[login\n", "theme messages/fr.toml: toml: line 2"},
		{"messages/fr.toml", "[login]\ntitel = \"Connexion\"\n",
			`theme messages/fr.toml: we have no message "login.titel", and no template of the theme names it`},
	} {
		w := newWorld(t)
		o := w.site.Options
		files := fstest.MapFS{}
		for name, file := range o.Theme.(fstest.MapFS) {
			files[name] = file
		}
		files[c.file] = &fstest.MapFile{Data: []byte(c.body)}
		o.Theme = files
		if _, err := pages.New(o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.file, err, c.want)
		}
	}
}

// TestMissIsCheap says that a request for the application leaves nothing to be collected.
func TestMissIsCheap(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/app/x/", "/things/a/b/c/", "/static/app.js"} {
		r := resttest.NewRequest("", "GET "+path, "")
		if n := testing.AllocsPerRun(100, func() {
			if w.site.Handler(r) != nil {
				t.Errorf("%s is a page", path)
			}
		}); n > 0 {
			t.Errorf("%s: %v allocations", path, n)
		}
	}
}
