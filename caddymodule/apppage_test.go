package caddymodule

import (
	"strings"
	"testing"
)

// The page of the profiles is there where no rule forwards its address; else the request goes on to the gate, and a
// log-in leads straight to where somebody was on the way to.
func TestAppYields(t *testing.T) {
	s := pagesSite(t)
	s.register("ann")
	v := s.knownVisitor("xia")
	v.must(200, "/app/?later=1").says("Your profiles")
	v.must(308, "/app")
	v.must(403, "/app/nobody/").says("This page is not for you") // by the gate

	s.gate = "rule /app/ authenticated"
	s.load()
	v.must(200, "/app/")
	if got := s.upstream.take(); got == nil || got.URI != "/app/" {
		t.Errorf("the application got %v", got)
	}
	v.must(200, "/login/")
	v.fill("login", "username", "ann", "password", "yoyo").press(303)
	if v.location() != "/" {
		t.Errorf("leads to %q", v.location())
	}
	v.must(200, "/login/?next=/account/")
	v.fill("login", "username", "ann", "password", "yoyo").press(303)
	if v.location() != "/account/" {
		t.Errorf("leads to %q", v.location())
	}

	s.gate = "rule /app/ authenticated {\n\t\t\tlocal\n\t\t}"
	s.load()
	v.must(303, "/app/")
	v.must(200, "/app/ann/").says("Joe Card1", "No subscription yet.")
	v.must(403, "/app/xia/").says("This page is not for you")
	v.must(403, "/app/nobody/").says("This page is not for you")
}

// After a log-in somebody is led to what is left to do, then to where it was on the way to, then to the one profile
// there is, else to a choice.
func TestAppLeads(t *testing.T) {
	s := pagesSite(t)
	ann := s.register("ann")
	v := s.visitor()
	if v.must(303, "/app/?next=/account/"); v.location() != "/login/?next=%2Fapp%2F%3Fnext%3D%2Faccount%2F" {
		t.Errorf("somebody unknown is led to %q", v.location())
	}
	v = s.knownVisitor("ann")
	for from, to := range map[string]string{"/app/?next=/account/": "/account/", "/app/": "/app/ann/"} {
		if v.must(303, from); v.location() != to {
			t.Errorf("%s leads to %q", from, v.location())
		}
	}
	// A grant that waits for an answer is shown before anything is gone on with.
	s.grant("ann")
	v.must(200, "/app/").says("Premium", "Waits for your answer")
	s.must(204, "DELETE", "/api/profile/ann/subscriptions/premium", nil, ann)
	s.must(201, "POST", "/api/users/ann/profiles", map[string]any{"full_name": strings.Repeat("Studio ", 14)}, ann)
	v.must(200, "/app/").says("Studio Studio", "manager", "No subscription yet.")
	if v.link("Continue as Joe Card1") != "/app/ann/" {
		t.Error("the link leads elsewhere")
	}
}

// A password that is missing is set first, then what is to be signed is signed.
func TestAppLeadsToDuties(t *testing.T) {
	s := pagesSite(t)
	v := s.withoutPassword("nora")
	v.follow()
	v.fill("code", "code", s.code("nora@example.com")).press(303)
	if v.must(303, "/app/?next=/account/"); v.location() != "/users/nora/password/?next=%2Fapp%2F%3Fnext%3D%2Faccount%2F" {
		t.Errorf("without a password: %s", v.location())
	}
	x := s.knownVisitor("xia")
	s.must(201, "POST", "/api/agreements", map[string]any{"title": "Terms of use", "text": "Be kind."}, s.login("donny"))
	if x.must(303, "/app/?next=/account/"); x.location() != "/legal/terms-of-use/sign/?next=%2Fapp%2F%3Fnext%3D%2Faccount%2F" {
		t.Errorf("unsigned: %s", x.location())
	}
	x.must(200, x.location()).fill("sign", "read_terms", "true").press(303)
	if x.must(303, x.location()); x.location() != "/account/" {
		t.Errorf("signed: %s", x.location())
	}
}

// Somebody without a profile is told what to do first, and can do it.
func TestAppEmpty(t *testing.T) {
	s := pagesSite(t)
	s.must(201, "POST", "/api/auth/register", map[string]any{"username": "eve", "password": "yoyo",
		"email": "eve@example.com", "full_name": "Eve"})
	v := s.knownVisitor("eve")
	v.must(200, "/app/").says("You have no profile yet")
	v.fill("create", "full_name", "").press(400)
	if v.problems("full_name") != "Fill this in." {
		t.Errorf("the field says %q", v.problems("full_name"))
	}
	v.fill("ask", "profile", "nobody").press(400)
	if v.problems("profile") == "" {
		t.Error("nothing is said beside the profile")
	}
	v.fill("ask", "profile", "cowork").press(303).follow().says("have been asked")
	v.fill("create", "full_name", "Eve's Bakery").press(303).follow().says("you manage it", "Eve's Bakery")
	for range 11 {
		s.must(201, "POST", "/api/users/eve/profiles", map[string]any{"full_name": "Bakery"}, s.login("eve"))
	}
	v.must(200, "/app/").says("Search")
	v.must(200, v.link("Next")).says("Eve's Bakery")
	v.must(200, "/app/?later=1&q=eve's").says("Eve's Bakery")
	v.must(200, "/app/?later=1&q=nowhere").says("No profile is called nowhere.")
}
