package caddymodule

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/http"
	"net/mail"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// pagesSite runs the demo site with the pages.
func pagesSite(t testing.TB, change ...func(*site)) *site {
	t.Helper()
	return newSite(t, append([]func(*site){func(s *site) { s.more = "tollgate_pages" }}, change...)...)
}

// A visitor is a person who reads pages and fills in the forms that are on them, without a script.
type visitor struct {
	*person
	answer
	page *html.Node // what is shown
}

// visitor is somebody with a new browser.
func (s *site) visitor() *visitor {
	s.t.Helper()
	return &visitor{person: newPerson(s.t, base+"/")}
}

// knownVisitor is somebody with a browser that is logged in.
func (s *site) knownVisitor(username string) *visitor {
	s.t.Helper()
	v := s.visitor()
	v.must(200, "/login/")
	v.fill("login", "username", username, "password", "yoyo").press(303)
	return v
}

// get asks for a page and shows the answer, whatever it is.
func (v *visitor) get(address string, headers ...string) *visitor {
	v.t.Helper()
	v.took(v.send("GET", address, "", "", headers...), address)
	return v
}

// must asks for a page and requires a status.
func (v *visitor) must(status int, address string, headers ...string) *visitor {
	v.t.Helper()
	if v.get(address, headers...); v.status != status {
		v.t.Fatalf("GET %s: %d, want %d: %s%s", address, v.status, status, v.header.Get("Location"), v.text("main"))
	}
	return v
}

// open asks for a page and follows where it leads, until there is one.
func (v *visitor) open(address string) *visitor {
	v.t.Helper()
	v.get(address)
	return v.follow()
}

// follow goes where the answer leads, until there is a page.
func (v *visitor) follow() *visitor {
	v.t.Helper()
	for n := 0; v.status/100 == 3; n++ {
		if n == 10 {
			v.t.Fatalf("redirected without end, to %s", v.location())
		}
		v.get(v.location())
	}
	return v
}

// location is where the answer leads, "" for nowhere.
func (v *visitor) location() string { return v.header.Get("Location") }

func (v *visitor) took(a answer, address string) {
	v.t.Helper()
	v.answer = a
	v.at, _ = v.at.Parse(address)
	var err error
	if v.page, err = html.Parse(strings.NewReader(a.body)); err != nil {
		v.t.Fatal(err)
	}
}

// text is what people read of the first element of a name ("h1", "main"), blanks made one; "" when the page has none.
func (v *visitor) text(element string) string { return textOf(v.first(element)) }

// says requires that the page holds texts.
func (v *visitor) says(texts ...string) *visitor {
	v.t.Helper()
	for _, text := range texts {
		if !strings.Contains(v.text("body"), text) {
			v.t.Fatalf("%s does not say %q: %s", v.at, text, v.text("body"))
		}
	}
	return v
}

// silent requires that the page holds none of some texts, in its words or in its source.
func (v *visitor) silent(texts ...string) *visitor {
	v.t.Helper()
	for _, text := range texts {
		if strings.Contains(v.text("body"), text) || strings.Contains(v.body, text) {
			v.t.Fatalf("%s says %q: %s", v.at, text, v.text("main"))
		}
	}
	return v
}

// first is the first element of a name, nil for none.
func (v *visitor) first(element string) *html.Node {
	return find(v.page, func(n *html.Node) bool { return n.Data == element })
}

// link is the address of the link with a text, which has to be there.
func (v *visitor) link(text string) string {
	v.t.Helper()
	a := find(v.page, func(n *html.Node) bool { return n.Data == "a" && strings.Contains(textOf(n), text) })
	if a == nil {
		v.t.Fatalf("%s has no link %q: %s", v.at, text, v.text("body"))
	}
	return attrOf(a, "href")
}

// problems are the messages that stand beside a field; without a name those at the top of the page.
func (v *visitor) problems(field string) string {
	if field == "" {
		return textOf(find(v.page, func(n *html.Node) bool { return attrOf(n, "role") == "alert" }))
	}
	input := find(v.page, func(n *html.Node) bool { return attrOf(n, "name") == field && attrOf(n, "type") != "hidden" })
	if input == nil {
		return ""
	}
	for _, id := range strings.Fields(attrOf(input, "aria-describedby")) {
		if strings.HasSuffix(id, "-error") {
			return textOf(find(v.page, func(n *html.Node) bool { return attrOf(n, "id") == id }))
		}
	}
	return ""
}

// value is what stands in a field of the page; of a group of radio buttons the chosen one, of a box "" when it is not ticked.
func (v *visitor) value(field string) string {
	v.t.Helper()
	input := find(v.page, func(n *html.Node) bool { return attrOf(n, "name") == field && attrOf(n, "type") != "hidden" })
	if input == nil {
		v.t.Fatalf("%s has no field %q: %s", v.at, field, v.text("main"))
	}
	values := url.Values{}
	for n := range input.Ancestors() {
		if n.Data == "form" {
			values = valuesOf(n)
		}
	}
	return values.Get(field)
}

// has reports whether the page has a form of that name.
func (v *visitor) has(form string) bool { return v.formNode(form) != nil }

func (v *visitor) formNode(name string) *html.Node {
	return find(v.page, func(n *html.Node) bool {
		return n.Data == "form" && find(n, func(c *html.Node) bool { return attrOf(c, "name") == "form" && attrOf(c, "value") == name }) != nil
	})
}

// A pageForm is a form of a page that is being filled in.
type pageForm struct {
	v      *visitor
	node   *html.Node
	name   string
	values url.Values
	files  map[string]sentFile
}

type sentFile struct{ name, content string }

// fill fills fields of a form of the page, in pairs of name and value: what the page put there stays where nothing else is typed.
func (v *visitor) fill(form string, fields ...string) *pageForm {
	v.t.Helper()
	node := v.formNode(form)
	if node == nil {
		v.t.Fatalf("%s has no form %q: %d %s", v.at, form, v.status, v.text("main"))
	}
	f := &pageForm{v: v, node: node, name: form, values: valuesOf(node), files: map[string]sentFile{}}
	return f.and(fields...)
}

// and fills more fields. A box is ticked by any value, and "" takes the tick away; what the form has no field for fails.
func (f *pageForm) and(fields ...string) *pageForm {
	f.v.t.Helper()
	for i := 0; i+1 < len(fields); i += 2 {
		name, value := fields[i], fields[i+1]
		input := find(f.node, func(n *html.Node) bool { return attrOf(n, "name") == name })
		switch {
		case input == nil:
			f.v.t.Fatalf("the form %q of %s has no field %q", f.name, f.v.at, name)
		case attrOf(input, "type") == "checkbox" && value == "":
			f.values.Del(name)
			continue
		case attrOf(input, "type") == "checkbox":
			box := find(f.node, func(n *html.Node) bool { return attrOf(n, "name") == name && attrOf(n, "value") == value })
			if box == nil {
				value = attrOf(input, "value")
			} else if len(f.values[name]) > 0 && !slices.Contains(f.values[name], value) {
				f.values.Add(name, value)
				continue
			}
		case attrOf(input, "type") == "radio" || input.Data == "select":
			if find(f.node, func(n *html.Node) bool {
				return attrOf(n, "value") == value && (n.Data == "option" || attrOf(n, "name") == name)
			}) == nil {
				f.v.t.Fatalf("the field %q of %s does not offer %q", name, f.v.at, value)
			}
		}
		f.values.Set(name, value)
	}
	return f
}

// attach chooses a file.
func (f *pageForm) attach(field, name, content string) *pageForm {
	f.files[field] = sentFile{name, content}
	return f
}

// press sends the form and requires a status; a button may be named with its value.
func (f *pageForm) press(status int, button ...string) *visitor {
	f.v.t.Helper()
	if len(button) == 2 {
		f.values.Set(button[0], button[1])
	}
	address := attrOf(f.node, "action")
	if address == "" {
		address = f.v.at.String()
	}
	kind, body := "application/x-www-form-urlencoded", f.values.Encode()
	if attrOf(f.node, "enctype") == "multipart/form-data" {
		kind, body = f.multipart()
	}
	var headers []string
	if policy := f.v.header.Get("Referrer-Policy"); policy == "no-referrer" {
		headers = append(headers, "Referer: ", "Origin: null") // as browsers do
	}
	f.v.took(f.v.send(strings.ToUpper(attrOf(f.node, "method")), address, kind, body, headers...), address)
	if f.v.status != status {
		f.v.t.Fatalf("the form %q of %s: %d, want %d: %s%s", f.name, address, f.v.status, status, f.v.location(), f.v.text("main"))
	}
	return f.v
}

func (f *pageForm) multipart() (kind, body string) {
	f.v.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	var problems []error
	for name, all := range f.values {
		for _, value := range all {
			problems = append(problems, w.WriteField(name, value))
		}
	}
	for field, file := range f.files {
		part, err := w.CreateFormFile(field, file.name)
		if err == nil {
			_, err = io.WriteString(part, file.content)
		}
		problems = append(problems, err)
	}
	for _, err := range append(problems, w.Close()) {
		if err != nil {
			f.v.t.Fatal(err)
		}
	}
	return w.FormDataContentType(), b.String()
}

// valuesOf are what a browser would send of a form as it is.
func valuesOf(form *html.Node) url.Values {
	values := url.Values{}
	for n := range form.Descendants() {
		name := attrOf(n, "name")
		if name == "" || hasAttr(n, "disabled") {
			continue
		}
		switch n.Data {
		case "input":
			switch attrOf(n, "type") {
			case "file", "submit", "button":
			case "checkbox", "radio":
				if hasAttr(n, "checked") {
					values.Add(name, attrOf(n, "value"))
				}
			default:
				values.Add(name, attrOf(n, "value"))
			}
		case "textarea":
			text := ""
			for c := range n.ChildNodes() {
				text += c.Data
			}
			values.Add(name, text)
		case "select":
			chosen, first := "", true
			for o := range n.Descendants() {
				if o.Data == "option" && (first || hasAttr(o, "selected")) {
					chosen, first = attrOf(o, "value"), false
				}
			}
			values.Add(name, chosen)
		}
	}
	return values
}

func find(root *html.Node, is func(*html.Node) bool) *html.Node {
	if root == nil {
		return nil
	}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && is(n) {
			return n
		}
	}
	return nil
}

func attrOf(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func hasAttr(n *html.Node, name string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
}

func textOf(n *html.Node) string {
	if n == nil {
		return ""
	}
	var b strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode && c.Parent.Data != "script" && c.Parent.Data != "style" {
			b.WriteString(c.Data)
			b.WriteByte(' ')
		}
	}
	return strings.NewReplacer(" .", ".", " ,", ",").Replace(strings.Join(strings.Fields(b.String()), " "))
}

// mail waits for a mail that the demo wrote to somebody, with a text in its subject or body, and returns both.
func (s *site) mail(to, text string) string {
	s.t.Helper()
	var seen []string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		seen = s.mails(to)
		for _, one := range slices.Backward(seen) {
			if strings.Contains(one, text) {
				return one
			}
		}
	}
	s.t.Fatalf("no mail to %s says %q: %q", to, text, seen)
	return ""
}

// mails are those that the demo has written to somebody so far, as subject and text, the last one at the end.
func (s *site) mails(to string) (all []string) {
	s.t.Helper()
	names, _ := filepath.Glob(filepath.Join(s.dir, "mail", "*.eml"))
	slices.Sort(names)
	for _, name := range names {
		raw, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		m, err := mail.ReadMessage(bytes.NewReader(raw))
		if err != nil || !strings.Contains(m.Header.Get("To"), to) {
			continue
		}
		subject, _ := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
		all = append(all, subject+"\n\n"+plainText(m))
	}
	return all
}

// plainText is the text of a mail for readers of plain text.
func plainText(m *mail.Message) string {
	kind, params, _ := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if strings.HasPrefix(kind, "multipart/") {
		for parts := multipart.NewReader(m.Body, params["boundary"]); ; {
			part, err := parts.NextPart()
			if err != nil {
				return ""
			}
			if strings.HasPrefix(part.Header.Get("Content-Type"), "text/plain") {
				text, _ := io.ReadAll(part)
				return string(text)
			}
		}
	}
	body := io.Reader(m.Body)
	if m.Header.Get("Content-Transfer-Encoding") == "quoted-printable" {
		body = quotedprintable.NewReader(body)
	}
	text, _ := io.ReadAll(body)
	return string(text)
}

var (
	mailedCode = regexp.MustCompile(`\b[0-9]{6}\b`)
	mailedLink = regexp.MustCompile(`https?://\S+`)
)

// code is the code in the last mail to somebody that has one.
func (s *site) code(to string) string {
	s.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		for _, one := range slices.Backward(s.mails(to)) {
			if code := mailedCode.FindString(one); code != "" {
				return code
			}
		}
	}
	s.t.Fatalf("no code was mailed to %s", to)
	return ""
}

// A visitor finds the forms of a page, and is told beside the field what is wrong.
func TestVisitor(t *testing.T) {
	s := pagesSite(t)
	v := s.visitor()
	v.must(200, "/login/?next=/account/").says("Log in")
	v.fill("login", "username", "xia", "password", "wrong").press(http.StatusBadRequest)
	if v.value("username") != "xia" || v.value("password") != "" {
		t.Errorf("%q and %q stand in the form", v.value("username"), v.value("password"))
	}
	if v.problems("password") == "" {
		t.Error("nothing is said beside the password")
	}
	v.fill("login", "password", "yoyo").press(http.StatusSeeOther)
	if to := v.location(); to != "/app/?next=%2Faccount%2F" {
		t.Errorf("goes on to %q", to)
	}
	v.must(200, "/account/")
	if got := s.upstream.take().Headers["Tollgate-User"]; len(got) != 1 || got[0] != "xia" {
		t.Errorf("the application is told of %v", got)
	}
}
