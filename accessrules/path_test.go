package accessrules_test

import (
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/caddy-tollgate/tollgate/accessrules"
)

func TestClean(t *testing.T) {
	for _, tt := range []struct {
		raw, want string
		err       error
	}{
		{"/", "/", nil},
		{"/app", "/app", nil},
		{"/app/", "/app/", nil},
		{"/app/acme/x.html", "/app/acme/x.html", nil},
		{"/.well-known/x", "/.well-known/x", nil},
		{"/a/...", "/a/...", nil},
		{"/a/..b/.c", "/a/..b/.c", nil},
		{"/!$&'()*+,=:@-._~", "/!$&'()*+,=:@-._~", nil},
		// One spelling for what rules can name.
		{"/%61pp/%41%2D%5f%7E%2e%3a1", "/app/A-_~.:1", nil},
		{"/a%20b%c3%a9", "/a%20b%C3%A9", nil},
		{"/é", "/%C3%A9", nil},
		{"/{profile}|[x]\"<>^`", "/%7Bprofile%7D%7C%5Bx%5D%22%3C%3E%5E%60", nil},
		{"/a b", "/a%20b", nil},
		{"/a%2Cb%2bc%40", "/a%2Cb%2Bc%40", nil},
		{"/c%23/what%3F", "/c%23/what%3F", nil},
		{"/100%25", "/100%25", nil},
		{"/100%25/x", "/100%25/x", nil},
		{"/100%25%20x", "/100%25%20x", nil},
		{"/%25%25", "/%25%25", nil},
		{"/%25zz", "/%25zz", nil},
		{"/%25a", "/%25a", nil},
		{"/%25ag", "/%25ag", nil},
		// Slashes and dots.
		{"//", "/", nil},
		{"//app//x//", "/app/x/", nil},
		{"//evil.example/x", "/evil.example/x", nil},
		{"/a/./b", "/a/b", nil},
		{"/a/.", "/a/", nil},
		{"/./", "/", nil},
		{"/.", "/", nil},
		{"/public/../app/x", "/app/x", nil},
		{"/a/b/..", "/a/", nil},
		{"/a/..", "/", nil},
		{"/a/b/../../c", "/c", nil},
		{"/a//../b", "/b", nil},
		{"/%61/../b%2E", "/b.", nil},
		{"/..", "", accessrules.PathAboveRoot},
		{"/../app", "", accessrules.PathAboveRoot},
		{"/a/../../b", "", accessrules.PathAboveRoot},
		// Refused.
		{"", "", accessrules.PathNotAbsolute},
		{"*", "", accessrules.PathNotAbsolute},
		{"app", "", accessrules.PathNotAbsolute},
		{"http://host/app", "", accessrules.PathNotAbsolute},
		{"/a?b", "", accessrules.PathQueryDelimiter},
		{"/a#b", "", accessrules.PathQueryDelimiter},
		{"/public/..%2fapp", "", accessrules.PathSeparator},
		{"/public%2F..%2Fapp", "", accessrules.PathSeparator},
		{"/a%5cb", "", accessrules.PathSeparator},
		{`/a\b`, "", accessrules.PathSeparator},
		{"/public/%2e%2e/app", "", accessrules.PathEncodedDots},
		{"/public/.%2e/app", "", accessrules.PathEncodedDots},
		{"/public/%2E", "", accessrules.PathEncodedDots},
		{"/public/%2e%2e", "", accessrules.PathEncodedDots},
		{"/public/%252e%252e/app", "", accessrules.PathDoubleEscape},
		{"/public/..%252fapp", "", accessrules.PathDoubleEscape},
		{"/%2561pp", "", accessrules.PathDoubleEscape},
		{"/%25%36%31pp", "", accessrules.PathDoubleEscape},
		{"/%25%32%66app", "", accessrules.PathDoubleEscape},
		{"/%25252f", "", accessrules.PathDoubleEscape},
		{"/%25%252f", "", accessrules.PathDoubleEscape},
		{"/%25u002f", "", accessrules.PathDoubleEscape},
		{"/%2525", "", accessrules.PathDoubleEscape},
		{"/public/..;/app", "", accessrules.PathParameter},
		{"/app;x=y/z", "", accessrules.PathParameter},
		{"/app%3Bx=y/z", "", accessrules.PathParameter},
		{"/app%00.png", "", accessrules.PathControl},
		{"/app\x00", "", accessrules.PathControl},
		{"/app%0d%0a", "", accessrules.PathControl},
		{"/app%7f", "", accessrules.PathControl},
		{"/app\t", "", accessrules.PathControl},
		{"/app%C2%85", "", accessrules.PathControl},
		{"/app%e2%80%a8", "", accessrules.PathControl},
		{"/app%e2%80%a9", "", accessrules.PathControl},
		{"/app%", "", accessrules.PathBadEscape},
		{"/app%2", "", accessrules.PathBadEscape},
		{"/app%u002f", "", accessrules.PathBadEscape},
		{"/app%g0", "", accessrules.PathBadEscape},
		{"/app%0g", "", accessrules.PathBadEscape},
		{"/app%ff", "", accessrules.PathNotUTF8},
		{"/app%c0%af", "", accessrules.PathNotUTF8},
		{"/app\xff", "", accessrules.PathNotUTF8},
		{"/app%e0%80%af", "", accessrules.PathNotUTF8},
		{"/app%ed%a0%80", "", accessrules.PathNotUTF8},
		{"/" + strings.Repeat("a", accessrules.MaxPath-1), "/" + strings.Repeat("a", accessrules.MaxPath-1), nil},
		{"/" + strings.Repeat("a", accessrules.MaxPath), "", accessrules.PathTooLong},
	} {
		got, err := accessrules.Clean(tt.raw)
		if got != tt.want || err != tt.err {
			t.Errorf("%q: got %q, %v; want %q, %v", tt.raw, got, err, tt.want, tt.err)
		}
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = accessrules.Clean("/app/acme/items/42.json") }); n != 0 {
		t.Errorf("a plain path costs %v allocations", n)
	}
}

// upstreams are models of servers: what path they would act upon, given the path that was forwarded.
var upstreams = func() (models []func(string) string) {
	steps := map[string]func(string) string{
		"decode": func(p string) string {
			var b []byte
			for i := 0; i < len(p); i++ {
				if p[i] == '%' && i+2 < len(p) && strings.IndexByte(hexDigits, p[i+1]) >= 0 && strings.IndexByte(hexDigits, p[i+2]) >= 0 {
					c, _ := url.PathUnescape(p[i : i+3])
					b = append(b, c...)
					i += 2
					continue
				}
				b = append(b, p[i])
			}
			return string(b)
		},
		"parameters": func(p string) string {
			segments := strings.Split(p, "/")
			for i, s := range segments {
				segments[i], _, _ = strings.Cut(s, ";")
			}
			return strings.Join(segments, "/")
		},
		"backslash": func(p string) string { return strings.ReplaceAll(p, `\`, "/") },
		"merge": func(p string) string {
			return strings.Join(strings.FieldsFunc(p, func(r rune) bool { return r == '/' }), "/")
		},
		"clean":    func(p string) string { return path.Clean("/" + p) },
		"c string": func(p string) string { p, _, _ = strings.Cut(p, "\x00"); return p },
	}
	tidy := [][]string{
		{},
		{"merge"},
		{"clean"},
		{"parameters", "clean"},
		{"backslash", "clean"},
		{"clean", "parameters", "backslash", "merge", "clean"},
		{"c string", "backslash", "parameters", "clean"},
	}
	for decodes := range 4 {
		for _, before := range [][]string{{}, {"parameters", "clean"}} {
			for _, between := range tidy {
				var order []string
				order = append(order, before...)
				for range decodes {
					order = append(append(order, "decode"), between...)
				}
				models = append(models, func(p string) string {
					for _, step := range order {
						p = steps[step](p)
					}
					return p
				})
			}
		}
	}
	return models
}()

const hexDigits = "0123456789abcdefABCDEF"

// naiveMatch is the algorithm of access.md B.4 on a decoded path, by the letter.
func naiveMatch(patterns []string, decoded string) (int, map[string]string) {
	nonEmpty := func(p string) []string {
		return slices.DeleteFunc(strings.Split(p, "/"), func(s string) bool { return s == "" })
	}
	parts := nonEmpty(decoded)
next:
	for i, pattern := range patterns {
		pat := nonEmpty(pattern)
		if len(parts) < len(pat) {
			continue
		}
		params := map[string]string{}
		for j, p := range pat {
			switch {
			case strings.HasPrefix(p, "{"):
				params[p[1:len(p)-1]] = parts[j]
			case strings.HasPrefix(p, ":"):
				params[p[1:]] = parts[j]
			case p != parts[j]:
				continue next
			}
		}
		return i, params
	}
	return -1, nil
}

var guarded = []string{"/app/{profile}/admin", "/app/{profile}", "/a.b/c-d_e/:x/edit", "/api/x", "/public/app", "/a:b", "/public", "/"}

func compile(t testing.TB, patterns ...string) *accessrules.Set {
	t.Helper()
	var rules []accessrules.Rule
	for _, p := range patterns {
		rules = append(rules, accessrules.Rule{Path: p})
	}
	s, err := accessrules.Compile(rules)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// FuzzClean: whatever a client sends, either it is refused, or every upstream acts on a path for which the rule that the gate
// matched is the one that decides, with the same parameters.
func FuzzClean(f *testing.F) {
	for _, seed := range []string{"/", "/app/acme/x", "/public/../app/x", "/public/..%2fapp/x", "/public/%2e%2e/app/x", "/public/..%252fapp", "/public/..;/app/x",
		"//app//x", "/app;/x", "/%61pp/x", "/%2561pp/x", "/app%00/x", `/public\..\app\x`, "/public%5c..%5capp", "/%25%32%66app", "/a%3ab/c", "/a:b", "/100%25/é%20x",
		"/app/%25%252e%252e/admin", "/./app/.//x/..", "/app/acme/admin%", "/%u0061pp", "/app/%c0%ae%c0%ae/x", "/public/.%00./app", "/public/.;a=b/../app", "/;/app/x"} {
		f.Add(seed)
	}
	set := compile(f, guarded...)
	f.Fuzz(func(t *testing.T, raw string) { checkClean(t, set, raw) })
}

// TestCleanAtRandom puts hostile pieces together, which a fuzzer finds slowly.
func TestCleanAtRandom(t *testing.T) {
	set := compile(t, guarded...)
	piece := rapid.SampledFrom([]string{"/", "/", "/", "app", "public", "acme", "admin", "a", ".", "..", "%2e", "%2E%2e", "%2f", "%5c", "%25", "25", "2f", "2e", "%252e", "%252f", "%25252f",
		"%%32%66", "%25%32%66", "%61", "%70", "%3a", ":", "%3b", ";", ";x=y", "%00", "\\", "%c0%af", "%c3%a9", "é", "%", "%2", "u002f", "%u002f", " ", "%20", "?", "#", "%3f", "%23", "{", "\x01", "\xff"})
	accepted := 0
	rapid.Check(t, func(t *rapid.T) {
		raw := "/" + strings.Join(rapid.SliceOfN(piece, 0, 9).Draw(t, "pieces"), "")
		if checkClean(t, set, raw) {
			accepted++
		}
	})
	if accepted == 0 {
		t.Error("everything was refused")
	}
}

// checkClean holds the promise of Clean for one input; it reports whether the path was accepted.
func checkClean(t interface{ Fatalf(string, ...any) }, set *accessrules.Set, raw string) bool {
	clean, err := accessrules.Clean(raw)
	if err != nil {
		return false
	}
	if again, err := accessrules.Clean(clean); err != nil && len(clean) <= accessrules.MaxPath || err == nil && again != clean {
		t.Fatalf("%q: clean is %q, and again %q, %v", raw, clean, again, err)
	}
	for i := range len(clean) {
		if c := clean[i]; c <= ' ' || c >= 0x7f {
			t.Fatalf("%q: %q holds %#x", raw, clean, c)
		}
	}
	u, err := url.ParseRequestURI(clean)
	if err != nil || u.EscapedPath() != clean || u.Host != "" || u.RawQuery != "" || !utf8.ValidString(u.Path) {
		t.Fatalf("%q: %q is forwarded as %q", raw, clean, u)
	}
	index, params := set.Match("GET", clean)
	for i, upstream := range upstreams {
		acted := upstream(clean)
		want, wantParams := naiveMatch(guarded, acted)
		if index != want {
			t.Fatalf("%q: matched rule %d for %q, upstream %d acts on %q, rule %d", raw, index, clean, i, acted, want)
		}
		for _, p := range params {
			// An upstream that does not decode sees what was not decoded, which is the name of nothing.
			if got := wantParams[p.Name]; got != p.Value && !(got == url.PathEscape(p.Value) || strings.Contains(got, "%")) {
				t.Fatalf("%q: %s is %q for the gate and %q for upstream %d", raw, p.Name, p.Value, got, i)
			}
		}
	}
	return true
}
