package caddymodule

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// missingPages are the addresses that notices, answers and cures lead to, whose pages are still to be made.
var missingPages = []string{
	"/billing/cart/", "/billing/{profile}/cart/", "/billing/{profile}/balance/{plan}/", "/profile/{profile}/contact/",
	"/profile/{profile}/roles/",
	"/profile/{profile}/subscribers/accept/", "/billing/{profile}/bank/",
	"/billing/{profile}/receipt/{charge}/", "/billing/{profile}/card/", "/billing/payments/{claim_code}/", "/metrics/{profile}/dashboard/",
}

// Every page that a notice, an answer or a cure of a refusal leads to is one of the table, or is known to be missing; and
// none is said to be missing that is there.
func TestLinks(t *testing.T) {
	source, err := os.ReadFile("../api/notice/route.go")
	if err != nil {
		t.Fatal(err)
	}
	var led []string
	for _, m := range regexp.MustCompile(`profilePath\("(/[a-z/]+)", [^,]+, "([^"]+)"\)`).FindAllStringSubmatch(string(source), -1) {
		path := m[1] + "{profile}" + m[2]
		if m[2] == "/subscriptions/accept/" {
			path += "{key}/"
		}
		led = append(led, path)
	}
	for _, m := range regexp.MustCompile(`back: "(/[a-z/]+)`).FindAllStringSubmatch(string(source), -1) {
		led = append(led, m[1])
	}
	for _, m := range regexp.MustCompile(`billing\(&?e?\.?[^)\n]*, "(/[a-z]+/)("?)`).FindAllStringSubmatch(string(source), -1) {
		path := "/billing/{profile}" + m[1]
		if m[1] == "/receipt/" {
			path += "{charge}/"
		}
		led = append(led, path)
	}
	if len(led) < 10 {
		t.Fatalf("notices lead to %q alone", led)
	}
	linked := pagesInAnswers(t)
	if len(linked) < 4 {
		t.Fatalf("answers lead to %q alone", linked)
	}
	led = append(led, linked...)
	for _, name := range pageNames {
		led = append(led, curingPages[name]...)
	}
	there := func(path string) bool {
		for _, p := range allPages() {
			if _, ok := matchPage(p.Path, path); ok {
				return true
			}
		}
		return path == "/" // the application's
	}
	for _, path := range led {
		if !there(path) && !slices.Contains(missingPages, path) {
			t.Errorf("%s: there is no such page", path)
		}
	}
	for _, path := range missingPages {
		if there(path) || !slices.Contains(led, path) {
			t.Errorf("%s is said to be missing", path)
		}
	}
}

// pagesInAnswers are the pages that answers of the API lead to: PageURL is the one way to make such an address.
func pagesInAnswers(t *testing.T) (led []string) {
	files, err := filepath.Glob("../api/*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, m := range regexp.MustCompile(`PageURL\("([^"]+)"`).FindAllStringSubmatch(string(source), -1) {
			led = append(led, m[1])
		}
		for _, m := range regexp.MustCompile(`(?:Created|\.URL)\("(/[^"]*)"`).FindAllStringSubmatch(string(source), -1) {
			if m[1] != "/" && !strings.HasPrefix(m[1], "/api/") {
				t.Errorf("%s: %s is a page: make its address by PageURL", name, m[1])
			}
		}
	}
	return led
}

// Links of answers and of refusals lead to the host of the pages and below their prefix, wherever the application is.
func TestLinksLeadToThePages(t *testing.T) {
	const account, app = "https://account.shop.test:9443", "https://app.shop.test:9443"
	up := newUpstream(t)
	tlsSite(t, up.URL, "rule / authenticated", func(s *site) {
		s.hosts, s.global = []string{account, app}, "cookie_domain shop.test"
		s.more = "@pages host account.shop.test\n\ttollgate_pages @pages {\n\t\tprefix /me\n\t}"
	})
	p := newPerson(t, account)
	if to := p.visit(302, app+"/x").header.Get("Location"); to != account+"/me/login/?next=https%3A//app.shop.test%3A9443/x" {
		t.Errorf("a refusal leads to %s", to)
	}
	p.login("donny")
	if a := p.api(200, "GET", app+"/api/users/donny/accessibles", nil); !strings.Contains(a.body, `"settings_url":"`+account+`/`) {
		t.Errorf("answers: %s", a.body)
	}
}

// Cures lead to the pages below their prefix.
func TestCuresBelowPrefix(t *testing.T) {
	s := pagesSite(t, func(s *site) { s.more = "tollgate_pages {\n\t\tprefix /me\n\t}" })
	v := s.visitor()
	if v.must(302, "/account/"); v.location() != "/me/login/?next=/account/" {
		t.Errorf("leads to %q", v.location())
	}
	ann := s.register("ann")
	a := s.must(403, "GET", "/app/ann/", nil, ann, "Accept: text/html")
	if !regexp.MustCompile(`href="/me/pricing/#premium"`).MatchString(a.body) {
		t.Errorf("the cure is elsewhere: %s", a.body)
	}
}
