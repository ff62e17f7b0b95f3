package caddymodule

import (
	"cmp"
	"database/sql"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// elsewhere are values of `next` that lead, or might be read as leading, to another site or to a script.
var elsewhere = []string{
	"//evil.example", "//evil.example/account/", "///evil.example", "////evil.example", `/\evil.example`, `\\evil.example`, `\/evil.example`,
	`/\/evil.example`, "https://evil.example", "http://evil.example/", "HTTPS://evil.example", "https:evil.example", "https:/evil.example",
	"http:evil.example", "evil.example", "javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\tscript:alert(1)",
	"data:text/html,x", "/\t/evil.example", "/\n/evil.example", "/\r/evil.example", "\t//evil.example", " //evil.example",
	"\x00//evil.example", "/ /evil.example", "/%2f/evil.example",
	"%2f%2fevil.example", "/%2f%2fevil.example", "/%5cevil.example", "/%09/evil.example", "/.//evil.example", "/..//evil.example",
	"/account/..//evil.example", "/account/../..//evil.example", "/x/%2e%2e//evil.example", base + "@evil.example/",
	base + ".evil.example/", base + "\\@evil.example/", "http://127.0.0.1:9080:80@evil.example",
	"//127.0.0.1:9080@evil.example", "http://127.0.0.1:9081/", "https://127.0.0.1:9080/", "//127.0.0.1:9081/",
	"？//evil.example", "/account/\r\nLocation: https://evil.example", "/account/\r\n\r\n<script>alert(1)</script>",
	"ftp://evil.example", "//[::1]/", "/／evil.example", "／／evil.example",
	"http://evil.example#" + base, "http://evil.example?" + base, "#//evil.example", "?//evil.example",
}

// hostOf is the host that a browser goes to for an address on a page of the site, as the URL standard has it: "" for the site's own, and
// the scheme where it has no host.
func hostOf(address string) string {
	address = strings.TrimFunc(address, func(r rune) bool { return r <= ' ' })
	address = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(address)
	scheme, rest, found := strings.Cut(address, ":")
	absolute := found && scheme != "" && !strings.ContainsAny(scheme, `/\?#%`)
	switch {
	case absolute && !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https"):
		return scheme + ":"
	case absolute:
		rest = strings.TrimLeft(rest, `/\`)
	case len(address) > 1 && strings.ContainsAny(address[:1], `/\`) && strings.ContainsAny(address[1:2], `/\`):
		rest = strings.TrimLeft(address, `/\`)
	default:
		return ""
	}
	if at := strings.IndexAny(rest, `/\?#`); at >= 0 {
		rest = rest[:at]
	}
	if absolute && strings.EqualFold(scheme, "http") && rest == strings.TrimPrefix(base, "http://") {
		return ""
	}
	return cmp.Or(rest, "nowhere")
}

// leads are the addresses that a page leads to: of links, forms, what it loads, and where it goes on to.
func leads(v *visitor) (addresses []string) {
	if to := v.location(); to != "" {
		addresses = append(addresses, to)
	}
	for n := range v.page.Descendants() {
		for _, a := range n.Attr {
			switch a.Key {
			case "href", "src", "action", "formaction", "srcset", "poster", "data", "cite", "ping", "xlink:href":
				addresses = append(addresses, a.Val)
			case "value":
				if attrOf(n, "name") == "next" {
					addresses = append(addresses, a.Val)
				}
			}
			if a.Key == "http-equiv" && strings.EqualFold(a.Val, "refresh") {
				addresses = append(addresses, "refresh:"+attrOf(n, "content"))
			}
		}
	}
	return addresses
}

// TestNextLeadsNowhereElse gives every page, and every step of a log-in, a `next` that leads elsewhere: nothing on it does.
func TestNextLeadsNowhereElse(t *testing.T) {
	for address, want := range map[string]string{
		"/account/": "", base + "/account/": "", "?x": "", "//evil.example": "evil.example", "/\t/evil.example": "evil.example",
		`/\evil.example`: "evil.example", "https:evil.example": "evil.example", "javascript:x": "javascript:", "": "",
	} {
		if got := hostOf(address); got != want {
			t.Fatalf("%q leads to %q, want %q", address, got, want)
		}
	}
	w := newWorld(pagesSite(t, unthrottled))
	hold := func(v *visitor, what, next string) {
		t.Helper()
		for _, to := range leads(v) {
			if host := hostOf(to); host != "" && host != "mailto:" && host != "tel:" {
				t.Errorf("%s: next %q leads to %q", what, next, to)
			}
		}
		if len(v.header["Location"]) > 1 || v.header.Get("Refresh") != "" || strings.ContainsAny(v.location(), "\r\n\t\\") {
			t.Errorf("%s: next %q: %q", what, next, v.header)
		}
	}
	for _, next := range elsewhere {
		query := "next=" + url.QueryEscape(next)
		for _, s := range samples {
			at := w.address(s)
			joint := "?"
			if strings.Contains(at, "?") {
				joint = "&"
			}
			hold(w.as(s.who).get(at+joint+query), s.name(), next)
		}
		v := w.visitor()
		hold(v.must(200, "/login/?"+query), "log in", next)
		hold(v.fill("login", "username", "xia", "password", "wrong").press(400), "a wrong password", next)
		form := v.fill("login", "password", "yoyo")
		form.values.Set("next", next) // whatever the page made of it
		hold(form.press(303), "logged in", next)
		hold(v.follow(), "after it", next)
		hold(v.get("/logout/?"+query), "log out", next)
		form = v.fill("logout")
		form.values.Set("next", next)
		hold(form.press(303), "logged out", next)
	}
}

// unthrottled takes the limits from a site that is asked much.
func unthrottled(s *site) { s.global += "login_throttle -1\n\t\tlogin_throttle_address -1" }

// TestFormsAreNotForged sends each form of each page without the token of the browser, with that of another one, and from another site: it
// is refused.
func TestFormsAreNotForged(t *testing.T) {
	w := newWorld(pagesSite(t, unthrottled))
	other := w.visitor().must(200, "/login/")
	foreign := attrOf(find(other.page, func(n *html.Node) bool { return attrOf(n, "name") == "csrfmiddlewaretoken" }), "value")
	if foreign == "" {
		t.Fatalf("no token in %s", other.body)
	}
	w.everybody()
	before := w.books()
	for _, page := range allPages() {
		s := sampleOf(page.Path)
		address := w.address(s)
		v := w.as(s.who)
		v.must(200, "/login/")
		own := attrOf(find(v.page, func(n *html.Node) bool { return attrOf(n, "name") == "csrfmiddlewaretoken" }), "value")
		for _, name := range slices.Sorted(maps.Keys(page.Forms)) {
			for what, c := range map[string]struct {
				token   string
				kind    string
				headers []string
			}{
				"no token":           {kind: urlencoded},
				"a token of another": {token: foreign, kind: urlencoded},
				"an empty token":     {token: " ", kind: urlencoded},
				"another origin": {token: own, kind: urlencoded,
					headers: []string{"Origin: https://evil.example", "Referer: https://evil.example/"}},
				"a sandbox": {token: own, kind: urlencoded, headers: []string{"Origin: null", "Sec-Fetch-Site: cross-site"}},
				"another site": {token: own, kind: urlencoded,
					headers: []string{"Sec-Fetch-Site: cross-site", "Origin: https://evil.example"}},
				"another site of the domain": {token: own, kind: urlencoded,
					headers: []string{"Sec-Fetch-Site: same-site", "Origin: http://127.0.0.1:9081"}},
				"plain text": {kind: "text/plain"},
				"no kind":    {},
			} {
				values := url.Values{"form": {name}, "key": {"0123456789"}}
				if c.token != "" {
					values.Set("csrfmiddlewaretoken", strings.TrimSpace(c.token))
				}
				a := v.send("POST", address, c.kind, values.Encode(), c.headers...)
				again := page.Opens && c.token == foreign && s.who != "" && a.status == http.StatusSeeOther &&
					a.header.Get("Location") == address // taken for a button that was pressed twice: the page is shown once more
				if !again && a.status != http.StatusForbidden && a.status != http.StatusUnsupportedMediaType {
					t.Errorf("%s, form %q with %s: %d %s", s.name(), name, what, a.status, a.header.Get("Location"))
				}
			}
		}
	}
	if after := w.books(); after != before {
		t.Errorf("forged forms changed something:\n%s", changed(before, after))
	}
}

// sampleOf is a sample of a page, of somebody known where there is one.
func sampleOf(path string) (found sample) {
	for _, s := range samples {
		if s.page == path && (found.page == "" || s.who != "" && found.who == "") {
			found = s
		}
	}
	return found
}

const urlencoded = "application/x-www-form-urlencoded"

// TestPageHeaders holds what every answer of a page tells browsers: no other site frames it, nobody keeps it, nothing foreign runs.
func TestPageHeaders(t *testing.T) {
	w := newWorld(pagesSite(t))
	hold := func(what string, a answer, secret bool) {
		t.Helper()
		for name, want := range map[string]string{
			"X-Frame-Options": "DENY", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Cross-Origin-Opener-Policy": "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", what, name, got, want)
			}
		}
		policy := a.header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
			if !strings.Contains(policy, part) {
				t.Errorf("%s: the policy %q lacks %s", what, policy, part)
			}
		}
		if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
			t.Errorf("%s: the policy is %q", what, policy)
		}
		want := "same-origin"
		if secret {
			want = "no-referrer"
		}
		if got := a.header.Get("Referrer-Policy"); got != want {
			t.Errorf("%s: Referrer-Policy is %q, want %q", what, got, want)
		}
	}
	for _, page := range allPages() {
		for _, s := range samples {
			if s.page != page.Path {
				continue
			}
			secret := page.Secret || strings.Contains(s.at, "key=") || strings.Contains(s.at, "code=") ||
				strings.Contains(s.at, "next=%2Fusers%2Froles%2Faccept")
			v := w.show(s)
			hold(s.name(), v.answer, secret)
			address := w.address(s)
			hold("HEAD "+s.name(), v.send("HEAD", address, "", ""), secret)
			hold("PUT "+s.name(), v.send("PUT", address, "", ""), secret)
			hold("POST "+s.name(), v.send("POST", address, urlencoded, "form=x"), secret)
		}
	}
}

// TestKeysAreToldToNobody has keys in the addresses of pages, also of those that lead on to them: browsers tell no page that comes after.
func TestKeysAreToldToNobody(t *testing.T) {
	s := pagesSite(t, func(s *site) { s.more = "tollgate_pages {\n\t\tprefix /me\n\t}" })
	key := strings.Repeat("0a", 20)
	invitation := "/me/users/roles/accept/" + key + "/"
	register := "/me/register/?next=" + url.QueryEscape(invitation)
	for address, want := range map[string]string{
		"/me/login/":                           "same-origin",
		"/me/login/?next=/account/":            "same-origin",
		invitation:                             "no-referrer",
		register:                               "no-referrer",
		"/me/login/?next=" + base + invitation: "no-referrer",
		"/me/login/?next=" + url.QueryEscape(register): "no-referrer",
		"/me/login/?next=/me/login/" + key + "/":       "no-referrer",
	} {
		v := s.visitor().must(200, address)
		if got := v.header.Get("Referrer-Policy"); got != want {
			t.Errorf("%s: Referrer-Policy is %q, want %q", address, got, want)
		}
	}
	v := s.visitor()
	for _, other := range []string{"register", "tokens", "recover"} { // operations of the API that stand where keys do
		v.must(404, "/me/login/"+other+"/")
	}
}

// TestLookingChangesNothing fetches each page by GET and HEAD, and whatever it links to, as scanners of mail do: nothing is used up, and
// nothing is written (pages.md 1).
func TestLookingChangesNothing(t *testing.T) {
	w := newWorld(pagesSite(t))
	w.everybody()
	before := w.books()
	for _, s := range samples {
		scanner := w.visitor() // somebody unknown holds the link as well
		for _, v := range []*visitor{scanner, w.as(s.who)} {
			address := w.address(s)
			v.send("HEAD", address, "", "")
			v.get(address)
			from := *v.at
			for _, to := range leads(v) {
				next, err := from.Parse(to)
				if err != nil || hostOf(to) != "" {
					continue
				}
				v.send("HEAD", next.RequestURI(), "", "")
				v.get(next.RequestURI())
				for n := 0; v.status/100 == 3 && n < 5; n++ {
					v.get(v.location())
				}
			}
		}
	}
	if after := w.books(); after != before {
		t.Errorf("looking changed something:\n%s", changed(before, after))
	}
}

// visitNotes are columns of the database that say when somebody was here last, and tables of what only counts requests.
var visitNotes = map[string][]string{}

// books is what the database holds, a line a row, but for what is noted of every visit.
func (w *world) books() string {
	w.t.Helper()
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(w.dir, "tollgate.db")+"?mode=ro")
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	var b strings.Builder
	for _, table := range column(w.t, db, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name") {
		rows, err := db.Query("SELECT * FROM " + table)
		if err != nil {
			w.t.Fatal(err)
		}
		names, _ := rows.Columns()
		for rows.Next() {
			values := make([]any, len(names))
			for i := range values {
				values[i] = new(any)
			}
			if err := rows.Scan(values...); err != nil {
				w.t.Fatal(err)
			}
			fmt.Fprintf(&b, "%s:", table)
			for i, name := range names {
				if !slices.Contains(visitNotes[table], name) {
					fmt.Fprintf(&b, " %s=%v", name, *values[i].(*any))
				}
			}
			b.WriteByte('\n')
		}
		rows.Close()
	}
	return b.String()
}

func column(t testing.TB, db *sql.DB, query string) (all []string) {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var one string
		if err := rows.Scan(&one); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	return all
}

// changed are the lines that only one of two texts has.
func changed(before, after string) string {
	var b strings.Builder
	a, z := strings.Split(before, "\n"), strings.Split(after, "\n")
	for _, line := range a {
		if !slices.Contains(z, line) {
			fmt.Fprintf(&b, "- %.300s\n", line)
		}
	}
	for _, line := range z {
		if !slices.Contains(a, line) {
			fmt.Fprintf(&b, "+ %.300s\n", line)
		}
	}
	return b.String()
}

// TestThemeStaysInItsFolder has files of a theme that lead out of it, and requests for files that are none of its own: nothing is read
// elsewhere.
func TestThemeStaysInItsFolder(t *testing.T) {
	const secret = "p { content: 'a secret of the machine' }"
	outside := filepath.Join(t.TempDir(), "secret.css")
	write(t, outside, secret)
	relative := func(dir string) string {
		to, err := filepath.Rel(dir, outside)
		if err != nil {
			t.Fatal(err)
		}
		return to
	}
	s := pagesSite(t)
	for name, link := range map[string]func(dir string) string{
		"theme.css":        func(string) string { return outside },
		"logo.svg":         relative,
		"header.html":      func(string) string { return outside },
		"login.html":       relative,
		"messages":         func(string) string { return filepath.Dir(outside) },
		"favicon.ico":      func(string) string { return "/proc/self/environ" },
		"messages/it.toml": func(dir string) string { return outside },
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(link(filepath.Dir(file)), file); err != nil {
			t.Fatal(err)
		}
		s.more = "tollgate_pages {\n\t\ttheme " + dir + "\n\t}"
		err := s.tryLoad()
		if err == nil {
			t.Errorf("a theme whose %s leads elsewhere is taken: %s", name, s.send("GET", "/-/tollgate/x/"+name, "").body)
		} else if strings.Contains(err.Error(), "a secret") {
			t.Errorf("%s: the error tells the file: %v", name, err)
		}
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "theme.css"), ":root { --accent: #850 }")
	write(t, filepath.Join(filepath.Dir(dir), "beside.css"), secret)
	s.more = "tollgate_pages {\n\t\ttheme " + dir + "\n\t}"
	s.load()
	v := s.visitor().must(200, "/login/")
	sheet := ""
	for _, to := range leads(v) {
		if strings.HasSuffix(to, "/theme.css") {
			sheet = strings.TrimSuffix(to, "theme.css")
		}
	}
	if a := s.send("GET", sheet+"theme.css", ""); a.status != 200 || !strings.Contains(a.body, "#850") {
		t.Fatalf("%stheme.css: %d %s", sheet, a.status, a.body)
	}
	for _, name := range []string{
		"../beside.css", "..%2fbeside.css", "%2e%2e/beside.css", "..%5cbeside.css", "../../../beside.css", "messages/en.toml",
		"login.html", "layout.html", "/etc/passwd", "%2fetc%2fpasswd", "theme.css/../../beside.css", "theme.css%00.html", ".",
		"", "..", "../templates/login.html", "messages/", "assets/style.css",
	} {
		if a := s.send("GET", sheet+name, ""); a.status == 200 {
			t.Errorf("%s%s is answered: %.200s", sheet, name, a.body)
		}
	}
}
