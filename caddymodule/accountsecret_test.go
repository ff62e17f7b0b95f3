package caddymodule

import (
	"strings"
	"testing"
)

// A password is changed with the one before; other sessions end, this one stays.
func TestPasswordPage(t *testing.T) {
	s := pagesSite(t)
	other, xia := s.knownVisitor("xia"), s.knownVisitor("xia")
	xia.must(200, "/users/xia/password/").says("At least 4 characters", "other sessions end")
	xia.fill("password", "new_password", "much better").press(400)
	if xia.problems("password") != "Enter your password." {
		t.Errorf("without the old one: %q", xia.problems("password"))
	}
	xia.fill("password", "password", "wrong", "new_password", "much better").press(400)
	if xia.problems("password") != "That is not your password." || strings.Contains(xia.body, "much better") {
		t.Errorf("with a wrong one: %q", xia.problems("password"))
	}
	xia.fill("password", "password", "yoyo", "new_password", "abc").press(400)
	if xia.problems("new_password") != "At least 4 characters." {
		t.Errorf("too short: %q", xia.problems("new_password"))
	}
	xia.fill("password", "password", "yoyo", "new_password", "much better").press(303).follow().says("The password is changed.")
	if other.get("/users/xia/password/").status != 303 {
		t.Error("the other session goes on")
	}
	if a := s.do("POST", "/api/auth", map[string]any{"username": "xia", "password": "much better"}); a.status != 201 {
		t.Errorf("the new password: %d %s", a.status, a.body)
	}
	s.register("joe1")
	s.knownVisitor("joe1").must(403, "/users/xia/password/")
}
