package caddymodule

import (
	"strings"
	"testing"
)

// The demo shows people what there is to do, and what its application was told; what was sent is no part of the page.
func TestDemoPages(t *testing.T) {
	exampleSite(t)
	v := &visitor{person: newPerson(t, base+"/")}
	v.open("/").says("Welcome to Cowork", "Create an account", "the log names")
	if v.at.Path != "/public/" || !strings.Contains(v.header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("%s: %v", v.at, v.header)
	}
	v.must(302, v.link("A page for whoever is logged in")).follow().says("Log in")
	v.fill("login", "username", "xia", "password", "yoyo").press(303).follow().says("You are in", "/account/", "xia")
	v.must(200, "/account/%3Cb%20id=x%3E").says("<b id=x>")
	if strings.Contains(v.body, "<b id=x>") {
		t.Error("what was sent is a part of the page")
	}
	v.open(v.link("Log out")).says("Log out")
}
