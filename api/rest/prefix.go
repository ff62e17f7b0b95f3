package rest

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Root is where the API is in the contract. A site may have it elsewhere, beside an application with an /api of its own.
const Root = "/api"

type prefixKey struct{}

// Under makes a request below a prefix one to the API: its path is the contract's, and links in the answer have the prefix.
func Under(prefix string, r *http.Request) *http.Request {
	if prefix == Root {
		return r
	}
	moved := r.WithContext(context.WithValue(r.Context(), prefixKey{}, prefix))
	u := *r.URL
	u.Path = Root + strings.TrimPrefix(u.Path, prefix)
	if u.RawPath != "" {
		u.RawPath = Root + strings.TrimPrefix(u.RawPath, prefix)
	}
	moved.URL, moved.RequestURI = &u, u.RequestURI()
	return moved
}

// Beside makes a request for a page one that knows where the API is on its site: links in what operations answer lead there, and the
// rules of the gate over them are those of these addresses. What is below /api then is the application's, and so are rules over it. With
// the prefix "" the site has no API, and nothing is a rule over it.
func Beside(prefix string, r *http.Request) *http.Request {
	if prefix == Root {
		return r
	}
	return r.WithContext(context.WithValue(r.Context(), prefixKey{}, prefix))
}

// at is a path of the contract as it is seen from outside.
func at(r *http.Request, path string) string {
	prefix, moved := r.Context().Value(prefixKey{}).(string)
	if rest, ours := strings.CutPrefix(path, Root); moved && ours && (rest == "" || rest[0] == '/' || rest[0] == '?') {
		return prefix + rest
	}
	return path
}

// Owns reports whether a path, as it is and cleaned, is the API's below a prefix: the prefix itself, or a path whose first word
// below it is one of the table's, whether there is an endpoint or not.
func (s *Service) Owns(prefix, path string) bool {
	for _, p := range []string{path, (&url.URL{Path: "/"}).JoinPath(path).Path} {
		rest, ok := strings.CutPrefix(p, prefix)
		if !ok {
			continue
		}
		word, _, _ := strings.Cut(strings.TrimPrefix(rest, "/"), "/")
		if strings.Trim(rest, "/") == "" || rest[0] == '/' && s.words[word] {
			return true
		}
	}
	return false
}

// Mentions reports whether the prefix and a word below it, one of the table's where only ours count, stand one behind the other somewhere
// in a path, whatever parts its segments and however often it is encoded.
func (s *Service) Mentions(prefix, path string, ours bool) bool {
	for range 4 {
		again, err := url.PathUnescape(path)
		if err != nil || again == path {
			break
		}
		path = again
	}
	parts := strings.FieldsFunc(path, func(c rune) bool { return c == '/' || c == '\\' || c == ';' })
	names := strings.Split(strings.TrimPrefix(prefix, "/"), "/")
	for i := 0; i+len(names) < len(parts); i++ {
		if slices.Equal(parts[i:i+len(names)], names) && (!ours || s.words[parts[i+len(names)]]) {
			return true
		}
	}
	return false
}

// wordsOf are the first words below the root of all paths.
func wordsOf(endpoints []Endpoint) map[string]bool {
	words := map[string]bool{}
	for _, e := range endpoints {
		word, _, _ := strings.Cut(strings.TrimPrefix(e.Path, Root+"/"), "/")
		words[word] = true
	}
	return words
}
