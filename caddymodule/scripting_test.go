package caddymodule

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// probe breaks out of text, of an attribute and of a tag, where it is not escaped, and is heard of when it does.
const probe = `'"><img/src=x/onerror=alert(1)>`

// hostile is a text of somebody who attacks those who read it.
func hostile(text string) string { return text + probe }

// injected is what of a page was made by a text, "" for nothing.
func injected(v *visitor) string {
	if strings.Contains(v.body, "<img/src=x") {
		return "markup: " + around(v.body, "<img/src=x")
	}
	for n := range v.page.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		for _, a := range n.Attr {
			if a.Key == "onerror" || strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key == "src" && a.Val == "x" {
				return "attribute " + a.Key + " of " + n.Data + ": " + a.Val
			}
		}
		if (n.Data == "script" || n.Data == "style") && n.FirstChild != nil {
			return n.Data + ": " + n.FirstChild.Data
		}
	}
	for _, to := range leads(v) {
		if host := hostOf(to); host == "javascript:" || host == "data:" || host == "vbscript:" {
			return "an address: " + to
		}
	}
	return ""
}

func around(text, part string) string {
	at := strings.Index(text, part)
	return text[max(0, at-80):min(len(text), at+80)]
}

// leaving are forms after which their visitor may be gone, and what it sees with it.
var leaving = []string{"logout", "everywhere", "delete"}

// TestTextsAreEscaped has attackers name everything that they can name, fills their text into every field of every form, and into every
// parameter: no page takes it for markup.
func TestTextsAreEscaped(t *testing.T) {
	w := newHostileWorld(pagesSite(t, unthrottled))
	hold := func(v *visitor, what string) {
		t.Helper()
		if found := injected(v); found != "" {
			t.Errorf("%s: %s", what, found)
		}
	}
	for _, s := range samples {
		hold(w.show(s), s.name())
		address := w.address(s)
		for _, name := range parameters {
			joint := "?"
			if strings.Contains(address, "?") {
				joint = "&"
			}
			address += joint + name + "=" + url.QueryEscape(hostile(""))
		}
		cookies := "Cookie: tollgate_said=" + url.QueryEscape(probe) + "; tollgate_lang=" + url.QueryEscape(probe)
		hold(w.as(s.who).get(address, cookies), s.name()+" with parameters")
		hold(w.as(s.who).get(strings.TrimSuffix(w.address(s), "/")+"/"+url.PathEscape(probe)+"/"), s.name()+" and a path")
	}
	for _, s := range samples {
		for _, name := range formsOf(w.show(s)) {
			if slices.Contains(leaving, name) {
				continue
			}
			v := w.show(s)
			if v.status != s.answers() || !v.has(name) {
				continue // went with the form before
			}
			form := v.fill(name)
			for field := range form.values {
				if input := inputOf(form.node, field); input != nil && isText(input) {
					form.values.Set(field, hostile(form.values.Get(field)))
				}
			}
			address := v.at.String()
			a := v.send("POST", address, urlencoded, form.values.Encode())
			v.took(a, address)
			hold(v, s.name()+", after the form "+name)
			hold(v.follow(), s.name()+", after the form "+name)
		}
		delete(w.visitors, s.who) // who has perhaps another name now, and another password
		if !w.in(s.who) {
			t.Errorf("%s: %s is not let in any more", s.name(), s.who)
		}
	}
	for _, s := range samples {
		hold(w.as(s.who).get(w.address(s)), s.name()+", after all forms")
	}
}

// parameters are those that pages look at.
var parameters = []string{
	"username", "next", "code", "key", "email", "name", "plan", "profile", "role", "q", "page", "again", "reason", "said",
	"until", "account", "subject", "error",
}

// formsOf are the names of the forms of a page.
func formsOf(v *visitor) (names []string) {
	for n := range v.page.Descendants() {
		if n.Data == "input" && attrOf(n, "name") == "form" {
			names = append(names, attrOf(n, "value"))
		}
	}
	return names
}

func inputOf(form *html.Node, name string) *html.Node {
	return find(form, func(n *html.Node) bool { return attrOf(n, "name") == name })
}

func isText(input *html.Node) bool {
	switch attrOf(input, "type") {
	case "hidden", "checkbox", "radio", "file", "password":
		return false
	}
	return input.Data != "select"
}

// in reports whether somebody can log in.
func (w *world) in(who string) bool {
	if who == "" {
		return true
	}
	v := w.visitor()
	v.must(200, "/login/")
	form := v.fill("login", "username", who, "password", "yoyo")
	a := v.send("POST", "/login/", urlencoded, form.values.Encode())
	return a.status == 303
}

// TestHostileTextsInBrowser shows pages full of hostile texts in Chromium: no script of theirs runs, and nothing of theirs is loaded.
func TestHostileTextsInBrowser(t *testing.T) {
	b := newBrowser(t)
	w := newHostileWorld(pagesSite(t))
	tabs := map[string]*tab{}
	for _, s := range samples {
		p := b.as(tabs, s.who)
		p.visit(w.address(s))
		p.sound()
	}
}

// TestBackAfterLogout goes back to a page by the button of the browser, after its visitor has logged out: nothing of the visitor is shown.
func TestBackAfterLogout(t *testing.T) {
	b := newBrowser(t)
	pagesSite(t)
	for _, script := range []bool{true, false} {
		p := b.open(t, base)
		p.script(script)
		p.logIn("xia", "yoyo")
		p.visit("/login/") // greets her by her name
		p.says("Xia")
		p.visit("/logout/")
		p.says("Xia")
		p.form("logout").press(say("logout.here"))
		for p.back() {
			if text := p.text(); strings.Contains(text, "Xia") {
				t.Errorf("%s, scripts %v, shows after the log-out:\n%s", p.address(), script, text)
			}
		}
	}
}
