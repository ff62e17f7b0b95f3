package caddymodule

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-tollgate/tollgate/accessrules"
)

// What a request says of its paths: which there are, and in which form each is handed on (decision 75).

// errForeign is a copy or a move to somewhere that no rule of this site speaks of.
var errForeign = errors.New("the destination is not a path of this host")

// errMethods is a request that asks for more methods than anybody reads.
var errMethods = errors.New("the request asks for too many methods in place of its own")

// readPaths reads what the block says of paths.
func (g *Gate) readPaths() (err error) {
	for i, prefix := range g.Stripped {
		if g.Stripped[i], err = checkStripped(prefix); err != nil {
			return err
		}
	}
	if len(g.Scripts) == 1 && g.Scripts[0] == "off" {
		return nil
	}
	if g.scripts, err = accessrules.NewScripts(g.Scripts); err != nil {
		return fmt.Errorf("scripts: %w", err)
	}
	return nil
}

// checkStripped is a prefix as it stands before paths.
func checkStripped(prefix string) (string, error) {
	path, err := accessrules.Clean(prefix)
	if path = strings.TrimRight(path, "/"); err != nil || path == "" {
		return "", fmt.Errorf("stripped: %q is no prefix of paths: write it as the handler that strips it has it, as in /shop", prefix)
	}
	return path, nil
}

// originOf is the request as it came to Caddy, and whether a handler before the gate has changed its path. ok is false outside of Caddy.
func originOf(r *http.Request) (orig http.Request, rewritten, ok bool) {
	orig, ok = r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request)
	if !ok || orig.URL == nil {
		return orig, false, false
	}
	return orig, orig.URL.Path != r.URL.Path || orig.URL.RawPath != r.URL.RawPath, true
}

// asks reads every path that a request asks for, and has the request carry them in the form that is matched. Errors:
// accessrules.PathError, errForeign, errMethods, errCopied.
func (g *Gate) asks(r *http.Request, a *asked, seen *accessrules.Seen) (err error) {
	if len(seen.Methods) > accessrules.MaxMethods {
		return errMethods
	}
	a.Methods, a.Scripts = seen.Methods, g.scripts
	var depth []string
	if seen.Depth {
		depth = r.Header["Depth"]
	}
	a.Deep = deep(depth, a.method) || slices.ContainsFunc(a.Methods, func(m string) bool { return deep(depth, m) })
	if a.Path, err = readPath(r.URL); err != nil {
		return err
	}
	prefix := ""
	orig, rewritten, ok := originOf(r)
	if ok && orig.URL.RawQuery != r.URL.RawQuery && !resolved(orig.URL) {
		return errCopied
	}
	if rewritten {
		if a.Sent, err = readPath(orig.URL); err != nil {
			return err
		}
		a.Rewritten = a.Sent.String() != a.Path.String()
		if prefix = g.strippedFrom(&a.Sent, &a.Path); prefix != "" {
			a.Rewritten = false // the one at hand decides alone
		}
		if a.Rewritten {
			if err := readRemainder(r, &a.Asked); err != nil {
				return err
			}
		}
	}
	if seen.Destination {
		if a.Destination, err = g.destination(r, prefix); err != nil {
			return err
		}
	}
	if setPath(r.URL, a.Path.Form()) {
		r.RequestURI = r.URL.RequestURI()
	}
	if ok {
		handOriginal(r, &orig, cmp.Or(a.Sent.Form(), a.Path.Form()))
	}
	return nil
}

// errCopied is a path with doubled slashes or dot segments, of which a rewrite has made a part of the query, or may have: applications
// that are told their path there would act on it as it was sent, and not as it is decided on.
var errCopied = errors.New("the path is not clean, and a handler before the gate has changed the query")

// resolved reports whether a path, decoded, is as it is decided on: one whose slashes and dots are left as they are.
func resolved(u *url.URL) bool {
	path, err := readPath(u)
	if err != nil {
		return false
	}
	plain, err := url.PathUnescape(path.Form())
	return err == nil && (plain == u.Path || u.Path == "")
}

// readPath reads the path of a URL as it came, where net/url knows it.
func readPath(u *url.URL) (accessrules.Path, error) { return accessrules.Read(spelling(u)) }

func spelling(u *url.URL) string {
	if bare(u) {
		return u.Path
	}
	raw := u.RawPath
	if raw != "" && strings.IndexByte(raw, '#') < 0 {
		if plain, err := url.PathUnescape(raw); err == nil && plain == u.Path {
			return raw
		}
	}
	if raw = u.EscapedPath(); raw == "" && u.Opaque == "" {
		return "/" // as it is sent on
	}
	return raw
}

// bare reports whether the path of a URL is spelled alike with and without encoding, as most are. It is quick to see.
func bare(u *url.URL) bool {
	for i := range len(u.Path) {
		c := u.Path[i]
		if !('a' <= c && c <= 'z' || '-' <= c && c <= '9' || 'A' <= c && c <= 'Z' || c == '_') { // "-" to "9" are "./" besides
			return false
		}
	}
	return u.Path != "" && u.RawPath == "" && u.Opaque == ""
}

// strippedFrom is which of the prefixes that are said to be stripped was, "" for none: the sent path is exactly it and the path at hand.
func (g *Gate) strippedFrom(sent, hand *accessrules.Path) string {
	for _, prefix := range g.Stripped {
		if rest, ok := strings.CutPrefix(sent.String(), prefix); ok && (rest == hand.String() || rest == "" && hand.String() == "/") {
			return prefix
		}
	}
	return ""
}

// remainder is what a matcher of files found behind a script; FastCGI hands it on as PATH_INFO.
const remainder = "http.matchers.file.remainder"

// readRemainder reads the path that a handler before the gate found behind a script.
func readRemainder(r *http.Request, a *accessrules.Asked) error {
	repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return nil
	}
	text, _ := repl.GetString(remainder)
	if text == "" || text[0] != '/' || len(a.Scripts) == 0 {
		return nil
	}
	behind, err := readPath(&url.URL{Path: text})
	if err != nil {
		return err
	}
	a.Behind = &behind
	if plain, err := url.PathUnescape(behind.String()); err == nil {
		repl.Set(remainder, plain)
	}
	return nil
}

// deep reports whether a method acts on all that is below a path (RFC 4918 9): what only looks does where it says so, or does not say.
func deep(depth []string, method string) bool {
	switch method {
	case "COPY", "MOVE", "DELETE", "LOCK":
		return true
	case "PROPFIND", "SEARCH":
		return len(depth) != 1 || strings.TrimSpace(depth[0]) != "0"
	}
	// Others do where they say so: REPORT, LABEL, UPDATE (RFC 3253 3.6, 8.2, 7.1), and whatever a server may know besides.
	return len(depth) > 1 || len(depth) == 1 && strings.TrimSpace(depth[0]) != "0"
}

// destination reads where a request says that something is to be copied or moved, and has it handed on in the form that is judged.
func (g *Gate) destination(r *http.Request, stripped string) (*accessrules.Path, error) {
	values := r.Header["Destination"]
	if len(values) == 0 {
		return nil, nil
	}
	u, err := url.Parse(values[0])
	if err != nil || len(values) > 1 || !g.here(r, u) {
		return nil, errForeign
	}
	sent, err := readPath(u)
	if err != nil {
		return nil, err
	}
	if setPath(u, sent.Form()) {
		r.Header["Destination"] = []string{u.String()}
	}
	judged := sent
	if rest, ok := strings.CutPrefix(sent.String(), stripped); stripped != "" && ok && (rest == "" || rest[0] == '/') {
		if judged, err = accessrules.Read("/" + strings.TrimPrefix(rest, "/")); err != nil {
			return nil, err
		}
	}
	return &judged, nil
}

// here reports whether a URL is a path of the host that a request is for, and nothing else. Default ports do not count.
func (g *Gate) here(r *http.Request, u *url.URL) bool {
	if u.Opaque != "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || !strings.HasPrefix(u.Path, "/") {
		return false
	}
	if u.Scheme == "" && u.Host == "" {
		return true
	}
	return (u.Scheme == "http" || u.Scheme == "https") && withoutPort(u.Host) == withoutPort(r.Host)
}

// withoutPort is a host in small letters, without a port that a scheme has by itself.
func withoutPort(host string) string {
	host = strings.ToLower(host)
	return strings.TrimSuffix(strings.TrimSuffix(host, ":80"), ":443")
}

// handOriginal puts a path into the request as it came, from which FastCGI takes REQUEST_URI, and into the placeholders of it.
func handOriginal(r *http.Request, orig *http.Request, form string) {
	if changed := setPath(orig.URL, form); !changed && isURI(orig.RequestURI, form) {
		return
	}
	orig.RequestURI = orig.URL.RequestURI()
	*r = *r.WithContext(context.WithValue(r.Context(), caddyhttp.OriginalRequestCtxKey, *orig)) // in place: placeholders read this request
	if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		repl.Set("http.request.orig_uri", orig.RequestURI)
	}
}

// isURI reports whether a request target is a path, with or without a query.
func isURI(target, path string) bool {
	rest, ok := strings.CutPrefix(target, path)
	return ok && (rest == "" || rest[0] == '?')
}

// setPath makes a URL carry a path in a form, and no other form of it. It reports whether that is a change.
func setPath(u *url.URL, form string) bool {
	if bare(u) && u.Path == form || u.Path != "" && u.Opaque == "" && u.EscapedPath() == form {
		return false
	}
	plain, err := url.PathUnescape(form)
	if err != nil {
		plain = form // never: what is malformed is not read
	}
	u.Path, u.RawPath, u.Opaque = plain, "", ""
	if u.EscapedPath() != form {
		u.RawPath = form
	}
	return true
}

// sentURI is the address that a request came for: path and query before any rewrite.
func sentURI(r *http.Request) string {
	if orig, _, ok := originOf(r); ok {
		return orig.URL.RequestURI()
	}
	return r.URL.RequestURI()
}

// pageAsked reports whether all that a request asks for is a page that cures refusals: everybody may go there, without identity, or the
// cure would be refused too (decision 61).
func (g *Gate) pageAsked(r *http.Request, q *accessrules.Query, a *accessrules.Asked) bool {
	if len(g.app.Pages) == 0 || g.app.sibling(r) || a.Destination != nil || a.Behind != nil || a.Deep || a.Path.Unsure() != "" {
		return false
	}
	hand := a.Path.String()
	if a.Scripts.In(hand) || a.Rewritten && a.Scripts.In(a.Sent.String()) {
		return false
	}
	if !a.Rewritten {
		return g.app.reachable(hand)
	}
	if a.Sent.Unsure() != "" || !g.app.reachable(a.Sent.String()) {
		return false
	}
	if g.app.reachable(hand) {
		return true
	}
	d := g.live.Set().Decide(q, hand)
	return d.Verdict.OK() || d.Rule == nil
}

// unclear answers a request whose paths cannot be decided on.
func (g *Gate) unclear(w http.ResponseWriter, r *http.Request, q *accessrules.Query, err error) error {
	d := accessrules.Decision{Index: -1, Failed: -1, Verdict: verdictOf(err)}
	g.observe(r, q, &d, resultRefused)
	return g.ambiguous(w, r, d.Verdict)
}

// verdictOf is the verdict on paths that cannot be decided on.
func verdictOf(err error) accessrules.Verdict {
	switch {
	case errors.Is(err, accessrules.PathTooLong):
		return accessrules.Verdict{Reason: accessrules.LongPath, Err: err}
	case errors.Is(err, errForeign):
		return accessrules.Verdict{Reason: accessrules.ForeignTarget, Err: err}
	}
	return accessrules.Verdict{Reason: accessrules.AmbiguousPath, Err: err}
}
