package rest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

// FuzzBody sends any bytes in any encoding: they are an input or a 4xx, whose body is JSON.
func FuzzBody(f *testing.F) {
	for _, body := range []string{
		``, `{}`, `{"title":"abc","amount":"12.0","extra":{"a":[1]},"owners":[{"slug":"a"}],"ranks":[1],"ends_at":"2024-03-05"}`,
		`{"title":1e5,"amount":-0,"is_active":"t","shape":"round","phone":"+1 415 555 0100","country":"fr"}`, `[`, `null`, "\xff", `{"a":"\ud800"}`,
		`title=abc&owners[0].slug=a&owner.slug=&tags=a&extra={}`, "a[=1&a[.=&[[[", "--x\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nabc\r\n--x--\r\n",
	} {
		for _, kind := range []string{"application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"} {
			f.Add(kind, body)
		}
	}
	site := bodies(f)
	f.Fuzz(func(t *testing.T, kind, body string) {
		for _, path := range []string{"POST /api/things", "PATCH /api/things", "POST /api/list"} {
			r := resttest.NewRequest("", path, body)
			r.Header.Set("Content-Type", kind)
			w := httptest.NewRecorder()
			site.ServeHTTP(w, r)
			if w.Code >= 500 || w.Code >= 300 && w.Code < 400 {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
			if !json.Valid(w.Body.Bytes()) {
				t.Errorf("%s: %d, not JSON: %s", path, w.Code, w.Body)
			}
		}
	})
}

// FuzzQuery sends any parameters to a list: it answers a list or a 4xx, and every link leads to a page.
func FuzzQuery(f *testing.F) {
	for _, query := range []string{
		"", "q=ann,%22b,c&q_f=^actor&o=-actor&page=2&page_size=1", "start_at=2024-03-05T10:11:12+02:00&ends_at=%222024-03-05%22&timezone=Europe/Paris",
		"page=last&page_size=3", "q=%25_%5C%00&q_f==actor", "o=actor,,-&format=csv", "a;b=%zz&&==&%ff", "start_at=2024-02-30", "ends_at=9999-12-31T23:59:59.9999999-23:59",
	} {
		f.Add(query)
	}
	site := library(f, 5, "ann", "bob", `c,"d`)
	f.Fuzz(func(t *testing.T, query string) {
		get := func(target *url.URL) *httptest.ResponseRecorder {
			r := resttest.NewRequest("", "GET /api/billing/acme/history", "")
			r.URL = target
			w := httptest.NewRecorder()
			site.ServeHTTP(w, r)
			return w
		}
		w := get(&url.URL{Scheme: "https", Host: "app.example.com", Path: "/api/billing/acme/history", RawQuery: query})
		if w.Code >= 500 {
			t.Fatalf("%q: %d %s", query, w.Code, w.Body)
		}
		if w.Code != http.StatusOK || strings.HasPrefix(w.Header().Get("Content-Type"), "text/csv") {
			return
		}
		var e envelope
		if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil {
			t.Fatalf("%q: %v: %s", query, err, w.Body)
		}
		for _, link := range []*string{e.Next, e.Previous} {
			if link == nil {
				continue
			}
			target, err := url.Parse(*link)
			if err != nil {
				t.Fatalf("%q: link %s: %v", query, *link, err)
			}
			var other envelope
			w := get(target)
			if err := json.Unmarshal(w.Body.Bytes(), &other); err != nil || w.Code != http.StatusOK || other.Count != e.Count || len(other.Results) == 0 {
				t.Errorf("%q: the link %s answers %d %s", query, *link, w.Code, w.Body)
			}
		}
	})
}

// FuzzPath asks for any path: no more than 404 for what the table does not hold, and no parameter outside of its characters.
func FuzzPath(f *testing.F) {
	for _, path := range []string{"/api", "/api/", "/api/profile/acme/roles/manager/a@b", "/api/proxy/rules/%2f..", "/api/auth/" + strings.Repeat("a", 40), "//", "/api/%"} {
		f.Add(path)
	}
	site := resttest.New(f, resttest.Cowork(), contract(f))
	f.Fuzz(func(t *testing.T, path string) {
		target, err := url.Parse(path)
		if err != nil {
			return
		}
		r := resttest.NewRequest("", "GET /api", "")
		r.URL = target
		w := httptest.NewRecorder()
		site.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Fatalf("%q: %d %s", path, w.Code, w.Body)
		}
		if w.Code != http.StatusOK || strings.HasPrefix(target.Path, "/api/proxy/rules/") {
			return
		}
		var answer []string
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatalf("%q: %s", path, w.Body)
		}
		for _, p := range answer[1:] {
			if _, value, _ := strings.Cut(p, "="); value == "" || strings.ContainsAny(value, "/ %\x00\\") || value == ".." && !strings.Contains(answer[0], "/roles/") {
				t.Errorf("%q: parameter %q of %v", path, p, answer)
			}
		}
	})
}
