package caddymodule

import (
	"bytes"
	"image"
	"image/png"
	"strings"
	"testing"
)

// The page of an account is for its user and the broker; others read that it is not for them.
func TestAccountPage(t *testing.T) {
	s := pagesSite(t)
	if to := s.visitor().get("/users/xia/").location(); to != "/login/?next=/users/xia/" {
		t.Errorf("who is not known is led to %q", to)
	}
	s.register("joe1")
	xia, joe := s.knownVisitor("xia"), s.knownVisitor("joe1")
	if to := xia.get("/users/").location(); to != "/users/xia/" {
		t.Errorf("/users/ leads to %q", to)
	}
	joe.must(403, "/users/xia/").says("This page is not for you").silent("xia@example.com")
	joe.must(403, "/users/nobody/")
	donny := s.knownVisitor("donny")
	donny.must(404, "/users/nobody/")
	donny.must(200, "/users/xia/").says("not your own", "xia@example.com")

	xia.must(200, "/users/xia/").silent("not your own")
	xia.fill("details", "full_name", "", "nick_name", "X").press(400)
	if xia.problems("full_name") != "Fill this in." || xia.value("nick_name") != "X" {
		t.Errorf("%q, %q", xia.problems("full_name"), xia.value("nick_name"))
	}
	xia.fill("details", "full_name", "Xia Lee the First", "nick_name", "Xixi").press(303)
	if xia.follow().says("Saved."); xia.value("full_name") != "Xia Lee the First" || !strings.Contains(xia.text("header"), "Xixi") {
		t.Errorf("%q, %q", xia.value("full_name"), xia.text("header"))
	}
	long := strings.Repeat("a", 121)
	xia.fill("details", "full_name", long).press(400)
	if xia.problems("full_name") == "" || xia.value("full_name") != long {
		t.Errorf("a long name: %q", xia.problems("full_name"))
	}
}

// An address that changes asks for the password in the same form, counts once its code came back, and can be taken back.
func TestAccountAddressPage(t *testing.T) {
	s := pagesSite(t)
	xia := s.knownVisitor("xia").must(200, "/users/xia/")
	xia.fill("email", "email", "new@example.com").press(400)
	if xia.problems("password") != "Enter your password." || xia.value("email") != "new@example.com" {
		t.Errorf("%q, %q", xia.problems("password"), xia.value("email"))
	}
	xia.fill("email", "password", "wrong").press(400)
	if xia.problems("password") != "That is not your password." {
		t.Errorf("a wrong password: %q", xia.problems("password"))
	}
	xia.fill("email", "password", "yoyo").press(303).follow()
	xia.says("A code is on its way", "new@example.com not confirmed yet", "xia@example.com stays in use")
	xia.fill("email_proof", "code", "000000").press(400)
	if xia.problems("code") != "This code is wrong, or too old." {
		t.Errorf("a wrong code: %q", xia.problems("code"))
	}
	xia.fill("email_proof").press(400)
	xia.fill("email_back").press(303).follow().says("The change is cancelled.", "xia@example.com confirmed").silent("new@example.com")

	xia.fill("email", "email", "newer@example.com", "password", "yoyo").press(303).follow()
	xia.fill("email_proof").press(429, "way", "again").says("too often")
	xia.fill("email_proof", "code", s.code("newer@example.com")).press(303).follow()
	xia.says("The address is confirmed.", "newer@example.com confirmed")

	// An address of somebody else waits, and nothing of it is shown to others.
	xia.fill("email", "email", "donny@cowork.example", "password", "yoyo").press(303).follow()
	xia.says("We sent a code to donny@cowork.example", "newer@example.com confirmed")
	s.knownVisitor("donny").must(200, "/users/donny/").silent("waits for the code", "newer@example.com")
	xia.fill("email_wait", "code", "123456", "password", "yoyo").press(400)
	if xia.problems("code") == "" {
		t.Error("nothing is said about a wrong code")
	}
	xia.fill("email_back").press(303).follow().says("The change is cancelled.").silent("donny@cowork.example")

	xia.fill("phone", "phone", "12", "password", "yoyo").press(400)
	if xia.problems("phone") == "" || xia.value("phone") != "12" {
		t.Errorf("%q", xia.problems("phone"))
	}
	xia.fill("phone", "phone", "+14155550123", "password", "yoyo").press(303).follow()
	xia.says("+14155550123 not confirmed yet", "Whoever runs it can confirm")
	donny := s.knownVisitor("donny").must(200, "/users/xia/")
	donny.fill("phone_confirm").press(303).follow().says("+14155550123 confirmed")
}

// A picture is shown until it is removed.
func TestAccountPicture(t *testing.T) {
	s := pagesSite(t)
	xia := s.knownVisitor("xia").must(200, "/users/xia/")
	xia.fill("picture").attach("file", "me.png", "no picture").press(400)
	if xia.problems("file") == "" {
		t.Error("nothing is said about a file that is no picture")
	}
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
		t.Fatal(err)
	}
	xia.fill("picture").press(400)
	xia.fill("picture").attach("file", "me.png", b.String()).press(303).follow().says("Saved.")
	src := attrOf(xia.first("img"), "src")
	if a := xia.send("GET", src, "", ""); a.status != 200 || a.header.Get("Content-Type") != "image/png" {
		t.Errorf("%s: %d %v", src, a.status, a.header)
	}
	if xia.fill("picture_gone").press(303).follow(); xia.first("img") != nil {
		t.Error("the picture is still there")
	}
}

// An account is deleted once nothing stands in the way, which is named with its cure.
func TestAccountDeletion(t *testing.T) {
	s := pagesSite(t)
	donny := s.knownVisitor("donny").must(200, "/users/donny/").says("It cannot be deleted yet", "Cowork has no other manager")
	if donny.has("delete") {
		t.Error("there is a form that cannot succeed")
	}
	xia := s.knownVisitor("xia").must(200, "/users/xia/").silent("It cannot be deleted yet")
	xia.fill("delete").press(400)
	if xia.problems("sure") != "Tick the box if you are sure." {
		t.Errorf("%q", xia.problems("sure"))
	}
	xia.fill("delete", "sure", "true").press(303).follow().says("The account is deleted.")
	if to := xia.get("/users/").location(); !strings.HasPrefix(to, "/login/") {
		t.Errorf("who is gone is led to %q", to)
	}
	donny.must(404, "/users/xia/")
}
