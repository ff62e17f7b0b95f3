package pages_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/pages"
)

// TestFragment says that a page is shown inside another one without its frame, and that a dialog stays among fragments while it goes on
// among pages: after a form that is wrong, and after one that is taken.
func TestFragment(t *testing.T) {
	w := newWorld(t, func(o *pages.Options) { o.Prefix = "/account" })
	w.as = "xia"
	answer := w.do("GET /account/things/acme/?fragment=dialog", nil)
	page := text(answer)
	if answer.Header.Get("Tollgate-Page") != "thing" || strings.Contains(page, "<html") || strings.Contains(page, "<header") ||
		!strings.Contains(page, `data-close="Close"`) || !strings.Contains(page, `<link rel="stylesheet" href="/-/tollgate/`) {
		t.Errorf("%v %s", answer.Header, page)
	}
	if got := answer.Header.Get("Content-Security-Policy"); !strings.Contains(got, "frame-ancestors 'none'") {
		t.Errorf("a fragment may be framed: %s", got)
	}
	if answer := w.do("HEAD /account/things/acme/?fragment=dialog", nil); answer.Header.Get("Tollgate-Page") != "thing" {
		t.Errorf("HEAD: %v", answer.Header)
	}
	if answer := w.do("GET /account/things/acme/", nil); answer.Header.Get("Tollgate-Page") != "" || !strings.Contains(text(answer), "<html") {
		t.Errorf("a whole page: %v", answer.Header)
	}
	wrong := text(w.do("POST /account/things/acme/?fragment=dialog", form(page, "name", "too long")))
	if strings.Contains(wrong, "<html") || !strings.Contains(wrong, "At most 5 characters.") {
		t.Errorf("a wrong form: %s", wrong)
	}
	done := w.do("POST /account/things/acme/?fragment=dialog", form(page, "name", "Gold"))
	if to := done.Header.Get("Location"); done.StatusCode != 303 || to != "/account/things/acme/?fragment=dialog" {
		t.Fatalf("%d to %q", done.StatusCode, to)
	}
	if part := w.page("GET /account/other/?fragment"); strings.Contains(part, "You are logged out.") {
		t.Errorf("a part of a page takes the message of what was done: %s", part)
	}
	if after := w.page("GET " + done.Header.Get("Location")); !strings.Contains(after, "You are logged out.") {
		t.Errorf("a dialog does not say what was done: %s", after)
	}
}

// TestFragmentLeads says that what leads out of the pages leads out of the dialog.
func TestFragmentLeads(t *testing.T) {
	for to, want := range map[string]string{
		"/other/?a=b": "/other/?a=b&fragment=dialog", "/app/x": "/app/x", "https://app.example.com/other/": "https://app.example.com/other/",
		"//other/": "//other/", "/other": "/other",
	} {
		w := newWorld(t, func(o *pages.Options) {
			o.Pages = append([]pages.Page{}, o.Pages...)
			o.Pages[1].Forms = map[string]pages.Form{"go": func(*pages.Request) (pages.Outcome, error) { return pages.Go(to) }}
		})
		w.as = "xia"
		page := w.page("GET /things/acme/?fragment=dialog")
		sent := form(page, "form", "go")
		if got := w.do("POST /other/?fragment=dialog", sent).Header.Get("Location"); !sameAddress(got, want) {
			t.Errorf("%s: %s, want %s", to, got, want)
		}
	}
}

func sameAddress(a, b string) bool {
	u, _ := url.Parse(a)
	v, _ := url.Parse(b)
	return u != nil && v != nil && u.Host == v.Host && u.Path == v.Path && u.Query().Encode() == v.Query().Encode()
}

// TestAssetsBesidePrefix says that pages below a prefix load their files, and that the script that others embed has an address that stays.
func TestAssetsBesidePrefix(t *testing.T) {
	w := newWorld(t, func(o *pages.Options) { o.Prefix = "/account" })
	for _, found := range loads.FindAllStringSubmatch(w.page("GET /account/other/"), -1) {
		if answer := w.do("GET "+found[1], nil); answer == nil || answer.StatusCode != 200 {
			t.Errorf("%s: %v", found[1], answer)
		}
	}
	answer := w.do("GET /-/tollgate/embed.js", nil)
	if answer == nil || answer.StatusCode != 200 || answer.Header.Get("Content-Type") != "text/javascript; charset=utf-8" ||
		answer.Header.Get("Cross-Origin-Resource-Policy") != "same-site" {
		t.Errorf("%+v", answer)
	}
}
