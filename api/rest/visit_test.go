package rest_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/store"
)

// A browser visits pages: it keeps cookies and sends forms with the token that the page before gave it.
type browser struct {
	t       *testing.T
	site    *resttest.Site
	as      string
	cookies map[string]*http.Cookie
	token   string
}

func newBrowser(t *testing.T, site *resttest.Site, as string) *browser {
	b := &browser{t: t, site: site, as: as, cookies: map[string]*http.Cookie{}}
	b.visit("GET /page/", nil, func(v *rest.Visit, err error) {
		if err != nil {
			t.Fatal(err)
		}
		b.token = v.Token()
	})
	return b
}

// visit opens a visit, hands it over, and keeps the cookies that are sent.
func (b *browser) visit(request string, form url.Values, fn func(*rest.Visit, error), headers ...string) {
	b.t.Helper()
	body := ""
	if form != nil {
		body = form.Encode()
		headers = append([]string{"Content-Type: application/x-www-form-urlencoded", "Origin: " + resttest.Base}, headers...)
	}
	r := resttest.NewRequest(b.as, request, body, headers...)
	for _, c := range b.cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	v, err := b.site.Visit(w, r, 0)
	defer func() { v.Close() }()
	fn(v, err)
	v.SendCookies()
	for _, c := range w.Result().Cookies() {
		if b.cookies[c.Name] = c; c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		}
	}
}

// form sends a form with the token of the browser.
func (b *browser) form(fields string, fn func(*rest.Visit, error), headers ...string) {
	b.t.Helper()
	values, err := url.ParseQuery(fields)
	if err != nil {
		b.t.Fatal(err)
	}
	values.Set(rest.CSRFField, b.token)
	b.visit("POST /page/", values, fn, headers...)
}

func status(err error) int {
	var e *rest.Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// TestVisitCallsAsTheCaller says that a page can do what its visitor could do over HTTP, and nothing else.
func TestVisitCallsAsTheCaller(t *testing.T) {
	people := resttest.Cowork()
	people.Agreements = map[string]time.Time{}
	site := resttest.New(t, people, shop())
	get := rest.Operation{Method: http.MethodGet, Path: rest.Path("/api/profile/{profile}", "acme")}
	newBrowser(t, site, "xia").form("", func(v *rest.Visit, _ error) {
		result, err := v.Do(get)
		if err != nil {
			t.Fatal(err)
		}
		var got item
		if err := result.Into(&got); err != nil || got.Slug != "acme" {
			t.Errorf("%v, %v", got, err)
		}
		made, err := v.Do(rest.Operation{Method: http.MethodPost, Path: "/api/profile/acme/plans", Body: map[string]string{"title": "Gold"}})
		if err != nil || made.Status != http.StatusCreated || made.Location == "" {
			t.Errorf("%+v, %v", made, err)
		}
		_, err = v.Do(rest.Operation{Method: http.MethodPost, Path: "/api/profile/acme/plans", Body: map[string]string{"title": "Golden"}})
		var e *rest.Error
		if !errors.As(err, &e) || e.Status != 400 || len(e.Fields()["title"]) != 1 {
			t.Errorf("%v", err)
		}
		if _, err := v.Do(rest.Operation{Method: http.MethodPut, Path: "/api/auth/tokens"}); status(err) != http.StatusMethodNotAllowed {
			t.Errorf("%v", err)
		}
		if _, err := v.Do(rest.Operation{Method: http.MethodGet, Path: "/api/nothing"}); status(err) != http.StatusNotFound {
			t.Errorf("%v", err)
		}
	})
	for name, want := range map[string]int{"": 401, "xia": 403} {
		newBrowser(t, site, name).visit("GET /page/", nil, func(v *rest.Visit, _ error) {
			_, err := v.Do(rest.Operation{Method: http.MethodGet, Path: "/api/users"})
			var refused *rest.Refusal
			if !errors.As(err, &refused) || refused.Verdict.OK() || status(err) != want {
				t.Errorf("%q: %v", name, err)
			}
		})
	}
}

// TestVisitTakesOurFormsOnly says which forms a page takes: those that this browser was given by this site.
func TestVisitTakesOurFormsOnly(t *testing.T) {
	site := resttest.New(t, resttest.Cowork(), shop())
	other := newBrowser(t, site, "xia")
	write := func(v *rest.Visit) int {
		_, err := v.Do(rest.Operation{Method: http.MethodPost, Path: "/api/profile/acme/plans", Body: map[string]string{"title": "Gold"}})
		return status(err)
	}
	other.visit("GET /page/", nil, func(v *rest.Visit, _ error) {
		if got := write(v); got != 403 {
			t.Errorf("without a form: %d", got)
		}
	})
	for _, c := range []struct {
		name, token string
		headers     []string
		status      int
	}{
		{"ours", "", nil, 0},
		{"of a page that tells nobody its address", "", []string{"Origin: null", "Sec-Fetch-Site: same-origin"}, 0},
		{"of another site", "", []string{"Origin: https://evil.example"}, 403},
		{"of a frame of another site", "", []string{"Origin: null", "Sec-Fetch-Site: cross-site"}, 403},
		{"without a token", "none", nil, 403},
		{"with the token of another browser", other.token, nil, 403},
	} {
		b := newBrowser(t, site, "xia")
		if c.token != "" {
			b.token = c.token
		}
		b.form("a=b", func(v *rest.Visit, err error) {
			if status(err) != c.status {
				t.Errorf("%s: %v", c.name, err)
			}
			if err == nil && v.Form().Get("a") != "b" {
				t.Errorf("%s: %v", c.name, v.Form())
			}
			if got := write(v); got != c.status {
				t.Errorf("%s: what is written answers %d", c.name, got)
			}
		}, c.headers...)
	}
}

// TestVisitOnce says that a form does what it asks once, and that a failure can be tried again.
func TestVisitOnce(t *testing.T) {
	site := resttest.New(t, resttest.Cowork(), shop())
	b := newBrowser(t, site, "xia")
	n, broken := 0, errors.New("broken")
	typed := ""
	send := func(b *browser, key string, fails error) (then rest.Then, err error) {
		b.form(typed, func(v *rest.Visit, _ error) {
			then, err = v.Once(key, func() (rest.Then, error) { n++; return rest.Then{To: "/there/", Said: "done"}, fails })
		})
		return then, err
	}
	if _, err := send(b, "one", broken); !errors.Is(err, broken) || n != 1 {
		t.Errorf("%v, %d", err, n)
	}
	for range 3 {
		if then, err := send(b, "one", nil); err != nil || then.To != "/there/" || then.Said != "done" || n != 2 {
			t.Errorf("%v, %v, %d times", then, err, n)
		}
	}
	if send(b, "two", nil); n != 3 {
		t.Errorf("another form was done %d times", n)
	}
	if send(newBrowser(t, site, "donny"), "one", nil); n != 4 {
		t.Errorf("a form of somebody else was done %d times", n)
	}
	typed = "title=b"
	for range 2 {
		if send(b, "one", nil); n != 5 {
			t.Errorf("a form in which something else was typed was done %d times", n)
		}
	}
	b.form("", func(v *rest.Visit, _ error) {
		_, err := v.Once("outer", func() (rest.Then, error) {
			_, err := v.Once("outer", func() (rest.Then, error) { t.Error("twice at a time"); return rest.Then{}, nil })
			return rest.Then{}, err
		})
		if status(err) != http.StatusConflict {
			t.Errorf("while the first is processed: %v", err)
		}
	})
}

// TestVisitKeeps says who can read what a page keeps between the steps of a form, and how long.
func TestVisitKeeps(t *testing.T) {
	site := resttest.New(t, resttest.Cowork(), shop())
	b := newBrowser(t, site, "")
	b.visit("GET /page/", nil, func(v *rest.Visit, _ error) {
		if err := v.Keep("step", "/page/", map[string]string{"password": "yoyo"}, time.Minute); err != nil {
			t.Fatal(err)
		}
	})
	if c := b.cookies["step"]; c == nil || !c.HttpOnly || c.Path != "/page/" || strings.Contains(c.Value, "yoyo") {
		t.Fatalf("%v", c)
	}
	kept := func(b *browser, name, path string) (found bool) {
		b.visit("GET /page/", nil, func(v *rest.Visit, _ error) {
			var value map[string]string
			found = v.Kept(name, path, &value) && value["password"] == "yoyo"
		})
		return found
	}
	if !kept(b, "step", "/page/") {
		t.Error("it is not there")
	}
	if kept(b, "step", "/other/") {
		t.Error("another page reads it")
	}
	stolen := newBrowser(t, site, "")
	stolen.cookies["step"] = b.cookies["step"]
	if kept(stolen, "step", "/page/") {
		t.Error("another browser reads it")
	}
	b.cookies["other"] = &http.Cookie{Name: "other", Value: b.cookies["step"].Value}
	if kept(b, "other", "/page/") {
		t.Error("it is taken for another thing")
	}
	site.Clock.Advance(time.Minute)
	if kept(b, "step", "/page/") {
		t.Error("it is kept for ever")
	}
}

// TestVisitWritesOnce says that what an operation of a form writes is written once, and that a form that was corrected writes anew.
func TestVisitWritesOnce(t *testing.T) {
	n := 0
	write := func(c *rest.Call, tx *store.Tx, in *itemInput) (item, error) { n++; return item{in.Title}, nil }
	site := resttest.New(t, resttest.Cowork(), []rest.Endpoint{rest.Post("/api/contact", accessrules.Public, write, rest.Keyed())})
	b := newBrowser(t, site, "xia")
	for i, title := range []string{"a", "a", "b"} {
		b.form("", func(v *rest.Visit, _ error) {
			body := map[string]string{"title": title}
			result, err := v.Do(rest.Operation{Method: http.MethodPost, Path: "/api/contact", Body: body, Key: "page-k"})
			var got item
			if err != nil || result.Into(&got) != nil || got.Slug != title {
				t.Errorf("%v, %v", got, err)
			}
		})
		if want := []int{1, 1, 2}[i]; n != want {
			t.Errorf("%s: written %d times", title, n)
		}
	}
}
