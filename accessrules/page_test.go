package accessrules_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/caddy-tollgate/tollgate/accessrules"
)

// asking is a request that says what it accepts.
func asking(accept string) *http.Request {
	return &http.Request{Method: "GET", Header: http.Header{"Accept": {accept}}}
}

func TestIsPage(t *testing.T) {
	for accept, want := range map[string]bool{
		"text/html":                          true,
		"text/html,application/xhtml+xml":    true,
		"application/json , text/html , */*": true,
		"text/html;q=0.9":                    false,
		"application/json,text/html;q=0.9":   false,
		"text/html; charset=utf-8":           false,
		"*/*":                                false,
		"text/*":                             false,
		"Text/HTML":                          false,
		"text/htmlx":                         false,
		"application/json":                   false,
		"":                                   false,
		",,":                                 false,
	} {
		if got := accessrules.IsPage(asking(accept)); got != want {
			t.Errorf("%q: %v", accept, got)
		}
	}
}

func TestNext(t *testing.T) {
	for _, tt := range []struct{ target, uri, want string }{
		{"/login/", "/api/profile?o=slug", "/login/?next=/api/profile%3Fo%3Dslug"},
		{"/login/", "/app/xia/", "/login/?next=/app/xia/"},
		{"/users/roles/accept/?q=acme", "/app/acme/?a=1&b=2", "/users/roles/accept/?q=acme&next=/app/acme/%3Fa%3D1%26b%3D2"},
		{"https://login.example/in", "/a", "https://login.example/in?next=/a"},
		{"/login/", "/a%20b?c=d+e~f", "/login/?next=/a%2520b%3Fc%3Dd%2Be~f"},
		{"/login/", "/a?x=é", "/login/?next=/a%3Fx%3D%25C3%25A9"},
		// Never nested.
		{"/login/", "/checkout/?next=/app/&x=1", "/login/?next=/checkout/%3Fx%3D1"},
		{"/login/", "/checkout/?%6Eext=/app/", "/login/?next=/checkout/"},
		{"/login/", "/login/?next=/login/%3Fnext%3D/app/", "/login/"},
		{"/login/?a=1", "/login/?b=2", "/login/?a=1"},
		// Never anywhere else.
		{"/login/", "//evil.example/", "/login/"},
		{"/login/", "https://evil.example/", "/login/"},
		{"/login/", "/a\r\nb", "/login/"},
		{"/login/", "/a?b\r\nc", "/login/"},
		{"/login/", "", "/login/"},
		{"/login/", "/a?" + strings.Repeat("x", 2048), "/login/?next=/a"},
		{"/login/", "/" + strings.Repeat("é", 700) + "?a", "/login/"},
	} {
		if got := accessrules.Next(tt.target, tt.uri); got != tt.want {
			t.Errorf("%s and %s: got %s, want %s", tt.target, tt.uri, got, tt.want)
		}
	}
}

func TestNextFrom(t *testing.T) {
	const origin = "https://app.example:8443"
	for _, tt := range []struct{ target, uri, want string }{
		{"/login/", "/a?b", "/login/?next=/a%3Fb"},
		{"https://app.example:8443/login/", "/a", "https://app.example:8443/login/?next=/a"},
		{"HTTPS://APP.example:8443/login/", "/a", "HTTPS://APP.example:8443/login/?next=/a"},
		{"https://login.example/in?x=1", "/a?b", "https://login.example/in?x=1&next=https%3A//app.example%3A8443/a%3Fb"},
		{"http://app.example:8443/login/", "/a", "http://app.example:8443/login/?next=https%3A//app.example%3A8443/a"},
		{"https://login.example/in", "//evil.example/", "https://login.example/in"},
	} {
		if got := accessrules.NextFrom(tt.target, origin, tt.uri); got != tt.want {
			t.Errorf("%s and %s: got %s, want %s", tt.target, tt.uri, got, tt.want)
		}
	}
}

func TestSafeNext(t *testing.T) {
	for value, want := range map[string]string{
		"/app/":                      "/app/",
		"/app/?a=1&b=/x":             "/app/?a=1&b=/x",
		"/app?":                      "/app",
		"/app#frag?x":                "/app",
		"/a/../b":                    "/b",
		"/a/..//evil.example":        "/evil.example",
		"/a?x=é \"<>":                "/a?x=%C3%A9%20%22%3C%3E",
		"/a?u=https://evil.example/": "/a?u=https://evil.example/",
		"/":                          "/",
		"":                           "",
		"app":                        "",
		"//evil.example":             "",
		"///evil.example":            "",
		`/\evil.example`:             "",
		`\\evil.example`:             "",
		`/a\b`:                       "",
		`/a?b\c`:                     "",
		"https://evil.example/":      "",
		"javascript:alert(1)":        "",
		"/%2f/evil.example":          "",
		"/%5cevil.example":           "",
		"/\t/evil.example":           "",
		"/a?\x00":                    "",
		"/a?\x7f":                    "",
		" /app/":                     "",
		"/\nx":                       "",
		"/0;/..":                     "/",
		"/" + strings.Repeat(">", accessrules.MaxPath/2): "", // three times as long in its form
	} {
		if got := accessrules.SafeNext(value); got != want {
			t.Errorf("%q: got %q, want %q", value, got, want)
		}
	}
}

// TestNextAtRandom: wherever the request came from, the redirect goes to the target, and what it carries comes back to this site.
func TestNextAtRandom(t *testing.T) {
	base, _ := url.Parse("https://site.example/login/")
	pieces := []string{
		"/", "//", `\`, "a", "?", "#", "&", "next=", "%2f", "%5c", "..", ";", "%", "@", ":", "evil.example", "\t", " ", "é",
	}
	text := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.SampledFrom(pieces)),
		func(parts []string) string { return strings.Join(parts, "") }))
	rapid.Check(t, func(t *rapid.T) {
		location := accessrules.Next("/login/", text.Draw(t, "uri"))
		u, err := url.Parse(location)
		if err != nil || u.Host != "" || u.Path != "/login/" || len(location) > 3*2048+20 {
			t.Fatalf("redirected to %q, %v", location, err)
		}
		next := u.Query().Get("next")
		if next == "" {
			return
		}
		if accessrules.SafeNext(next) != next {
			t.Fatalf("%q is not safe, or not the same again", next)
		}
		back, err := base.Parse(next)
		if err != nil || back.Host != base.Host || back.Scheme != base.Scheme || back.Query().Has("next") {
			t.Fatalf("%q leads to %v, %v", next, back, err)
		}
	})
}
