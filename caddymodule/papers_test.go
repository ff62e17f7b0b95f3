package caddymodule

import (
	"strings"
	"testing"
)

// Agreements are read by everybody, with nothing in them that does something, and signed by who is logged in, who goes on then.
func TestLegalPages(t *testing.T) {
	s := pagesSite(t)
	v := s.visitor()
	v.must(200, "/legal/").says("There is nothing to read here yet.")
	donny := s.login("donny")
	text := "# Be kind\n\n* to **all**\n\n<script>alert(1)</script>\n\n[x](javascript:alert(1)) [ours](https://cowork.example/)"
	s.must(201, "POST", "/api/agreements", map[string]any{"title": "Terms of use", "text": text}, donny)
	v.must(200, v.must(200, "/legal/").link("Terms of use")).says("Be kind", "to all").silent("javascript:", "alert(1)</script>")
	if v.link("ours") != "https://cowork.example/" {
		t.Errorf("the link is %s", v.link("ours"))
	}
	v.must(404, "/legal/none/")
	v.must(303, "/legal/terms-of-use/sign/?next=%2Faccount%2F")
	if to := v.location(); !strings.HasPrefix(to, "/login/?next=/legal/terms-of-use/sign/") {
		t.Errorf("nobody is led to %s", to)
	}
	x := s.knownVisitor("xia")
	x.must(200, "/legal/terms-of-use/sign/?next=%2Faccount%2F").says("Please sign: Terms of use", "to all")
	x.fill("sign").press(400)
	if x.problems("read_terms") != "Please agree to this to go on." {
		t.Errorf("unticked: %s", x.text("main"))
	}
	x.fill("sign", "read_terms", "true").press(303)
	if x.location() != "/account/" {
		t.Errorf("goes on to %s", x.location())
	}
	s.must(200, "GET", "/api/users/xia/accessibles", nil, s.login("xia")) // asks for the signature
	x.must(200, "/legal/terms-of-use/sign/").says("You signed this version on")
	x.must(200, "/legal/terms-of-use/").says("You signed this version on")
}

// A message to the site arrives once; who is logged in need not say who it is.
func TestContactPage(t *testing.T) {
	s := pagesSite(t)
	v := s.visitor()
	v.must(200, "/contact/")
	v.fill("contact", "full_name", "Ann Lee", "email", "ann", "message", "Hello there").press(400)
	if v.problems("email") == "" || v.value("message") != "Hello there" {
		t.Errorf("a bad address: %s", v.text("main"))
	}
	v.fill("contact", "message", "").press(400)
	if v.problems("message") != "Write a message." {
		t.Errorf("no message: %s", v.text("main"))
	}
	form := v.fill("contact", "email", "ann@example.com", "message", "Hello there")
	form.press(303)
	form.press(303)
	v.follow().says("Your message is on its way.")
	s.mail("hello@cowork.example", "Hello there")
	if n := len(s.mails("hello@cowork.example")); n != 1 {
		t.Errorf("%d mails for one message that was sent twice", n)
	}
	form.and("message", "One thing more").press(303) // whoever went back, and typed something else
	s.mail("hello@cowork.example", "One thing more")
	x := s.knownVisitor("xia")
	x.must(200, "/contact/")
	if x.value("full_name") != "Xia Lee" || x.value("email") != "xia@example.com" {
		t.Errorf("xia has to type %q, %q", x.value("full_name"), x.value("email"))
	}
}
