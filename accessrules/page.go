package accessrules

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// IsPage reports whether a request is a page navigation: somebody follows a link, or types an address, and waits for a page (access.md
// A.5, decisions 64 and 120). A script that asks for a page is none.
func IsPage(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && waitsForPage(r.Header)
}

// IsForm reports whether somebody sends a form and waits for a page. It is answered like a page when it is refused.
func IsForm(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodConnect:
		return false
	}
	return waitsForPage(r.Header)
}

// waitsForPage reports whether a browser shows the answer to a person, by what it says of its request.
func waitsForPage(h http.Header) bool {
	if !slices.ContainsFunc(h["Accept"], acceptsPage) {
		return false
	}
	if _, script := h["X-Requested-With"]; script {
		return false
	}
	mode := h["Sec-Fetch-Mode"]
	return len(mode) == 0 || mode[0] == "navigate"
}

// Back is where somebody goes on after a page that cured a refusal: the address that was asked; or, since a form is not sent again, the
// page that it was on, if that is a page of origin, or the first page.
func Back(r *http.Request, origin, asked string) string {
	if !IsForm(r) {
		return asked
	}
	u, err := url.Parse(r.Referer())
	if err != nil || !strings.EqualFold(u.Scheme+"://"+u.Host, origin) {
		return "/"
	}
	return u.RequestURI()
}

// acceptsPage reports whether one of the items of Accept is exactly "text/html". "text/html;q=0.9" is not.
func acceptsPage(accept string) bool {
	for accept != "" {
		item, rest, _ := strings.Cut(accept, ",")
		if strings.TrimSpace(item) == "text/html" {
			return true
		}
		accept = rest
	}
	return false
}

// maxNext bounds the address that a redirect carries along.
const maxNext = 2048

// Next is where a refused page request is sent: target, with the request's own path and query as its parameter "next" (access.md
// A.5). target is a path or a URL and may have a query; requestURI is a path, as Clean gives it, with the query if there is one.
// The next of the request's own query is not carried along, so that it never nests; a requestURI that is target itself, that is
// not safe to come back to, or too long is not carried along either, the query being the first to go.
func Next(target, requestURI string) string { return next(target, "", requestURI) }

// NextFrom is Next of a request to origin, as in "https://app.example.com": where target is a page of another site, the way back
// is an absolute URL.
func NextFrom(target, origin, requestURI string) string {
	if u, err := url.Parse(target); err != nil || u.Host == "" || strings.EqualFold(u.Scheme+"://"+u.Host, origin) {
		origin = ""
	}
	return next(target, origin, requestURI)
}

func next(target, origin, requestURI string) string {
	back := SafeNext(withoutNext(requestURI))
	if len(back) > maxNext {
		back, _, _ = strings.Cut(back, "?")
	}
	if place, _, _ := strings.Cut(target, "?"); back == "" || len(back) > maxNext || place == pathOf(back) {
		return target
	}
	joint := "?"
	if strings.Contains(target, "?") {
		joint = "&"
	}
	return target + joint + "next=" + formEncode(origin+back)
}

func pathOf(uri string) string {
	path, _, _ := strings.Cut(uri, "?")
	return path
}

// withoutNext drops the parameters "next" of a query.
func withoutNext(uri string) string {
	path, query, ok := strings.Cut(uri, "?")
	if !ok || !strings.Contains(query, "next") && !strings.Contains(query, "%") {
		return uri
	}
	var kept []string
	for part := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(part, "=")
		if plain, err := url.QueryUnescape(name); err != nil || plain != "next" {
			kept = append(kept, part)
		}
	}
	if len(kept) == 0 {
		return path
	}
	return path + "?" + strings.Join(kept, "&")
}

// formEncode encodes a value for a query as forms do, but leaves slashes as they are (access.md A.5).
func formEncode(s string) string {
	b := make([]byte, 0, len(s)+16)
	for i := range len(s) {
		switch c := s[i]; {
		case c == ' ':
			b = append(b, '+')
		case c == '/' || unreserved(c) && c != ':':
			b = append(b, c)
		default:
			b = escape(b, c)
		}
	}
	return string(b)
}

// SafeNext is the address to go back to after a page that cured a refusal: the path and query of value when it is an address on
// this site, else "". Anything with a scheme or a host, in any form that a browser might see one in, is none (access.md B.5).
func SafeNext(value string) string {
	value, _, _ = strings.Cut(value, "#")
	path, query, _ := strings.Cut(value, "?")
	if strings.HasPrefix(path, "//") || strings.IndexByte(path, '\\') >= 0 {
		return ""
	}
	read, err := Read(path)
	if err != nil || len(read.form) > MaxPath { // what is given is taken again
		return ""
	}
	if read.unsure != "" && strings.HasPrefix(read.form, "/%") { // a page that decodes it once more must not find a host
		return ""
	}
	path = read.form
	if query == "" {
		return path
	}
	b := append(make([]byte, 0, len(path)+1+len(query)), path...)
	b = append(b, '?')
	for i := range len(query) {
		switch c := query[i]; {
		case c < ' ' || c == 0x7f || c == '\\':
			return ""
		case c == ' ' || c >= 0x80 || c == '"' || c == '<' || c == '>':
			b = escape(b, c)
		default:
			b = append(b, c)
		}
	}
	return string(b)
}
