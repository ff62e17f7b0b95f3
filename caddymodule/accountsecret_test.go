package caddymodule

import (
	"encoding/base64"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"golang.org/x/net/html"
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

// One-time passwords are shown to an app as a picture and as text, confirmed by a code of it, and come with recovery codes that are
// shown once; they end with a secret of the account.
func TestOTPPage(t *testing.T) {
	s := pagesSite(t)
	s.register("joe1")
	joe := s.knownVisitor("joe1").must(200, "/users/joe1/otp/").says("Confirm an e-mail address or a phone number first")
	if joe.has("start") {
		t.Error("they can be started before an address is proven")
	}
	joe.must(403, "/users/xia/otp/")

	xia := s.knownVisitor("xia").must(200, "/users/xia/otp/").says("off")
	xia.fill("start").press(400)
	if xia.problems("password") != "Enter your password." {
		t.Errorf("%q", xia.problems("password"))
	}
	xia.fill("start", "password", "yoyo").press(303).follow().says("Scan this picture")
	picture := xia.first("svg")
	if picture == nil || attrOf(picture, "role") != "img" || attrOf(picture, "aria-label") == "" {
		t.Fatalf("no picture: %s", xia.text("main"))
	}
	secret := strings.ReplaceAll(textOf(find(xia.page, func(n *html.Node) bool { return attrOf(n, "id") == "secret" })), " ", "")
	code, err := totp.GenerateCode(secret, time.Now())
	if err != nil {
		t.Fatalf("the secret %q: %v", secret, err)
	}
	xia.fill("confirm").press(400)
	xia.fill("confirm", "setup_code", "000000").press(400).says("Scan this picture")
	if xia.problems("setup_code") == "" {
		t.Error("nothing is said about a wrong code")
	}
	if a := s.do("POST", "/api/auth", map[string]any{"username": "xia", "password": "yoyo"}); a.status != 201 {
		t.Errorf("who leaves before a code was shown is locked out: %d", a.status)
	}
	xia.fill("confirm", "setup_code", code).press(200).says("Your recovery codes")
	codes := regexp.MustCompile(`\d{4}-\d{4}-\d{4}-\d{4}`).FindAllString(xia.body, -1)
	if len(codes) != 10 {
		t.Fatalf("%d recovery codes", len(codes))
	}
	xia.must(200, "/users/xia/otp/").says("on").silent(codes[0], secret, "Scan this picture")

	// The next log-in asks for one of them, and it is good for a proof once more.
	if a := s.do("POST", "/api/auth", map[string]any{"username": "xia", "password": "yoyo"}); a.status != 401 {
		t.Errorf("without a code: %d", a.status)
	}
	if a := s.do("POST", "/api/auth", map[string]any{"username": "xia", "password": "yoyo", "otp_code": codes[0]}); a.status != 201 {
		t.Errorf("with a recovery code: %d %s", a.status, a.body)
	}
	xia.fill("codes", "password", "yoyo").press(200).says("Your recovery codes").silent(codes[1])
	xia.must(200, "/users/xia/otp/").fill("end", "password", "yoyo").press(303).follow().says("One-time passwords are off.")
	if a := s.do("POST", "/api/auth", map[string]any{"username": "xia", "password": "yoyo"}); a.status != 201 {
		t.Errorf("after they ended: %d", a.status)
	}
}

// A setup that nobody ended in a quarter of an hour is begun anew, and nothing is on.
func TestOTPSetupEnds(t *testing.T) {
	t.Cleanup(func() { ahead.Store(0) }) // when the site has stopped
	s := pagesSite(t)
	xia := s.knownVisitor("xia").must(200, "/users/xia/otp/")
	xia.fill("start", "password", "yoyo").press(303).follow().says("Scan this picture")
	ahead.Store(int64(16 * time.Minute))
	xia.fill("confirm", "setup_code", "000000").press(303).follow().says("That took too long").silent("Scan this picture")
	if !xia.has("start") {
		t.Error("it cannot be begun anew")
	}
}

// An API key is shown once, listed by its beginning, and ended; the SSH key is set, changed and removed.
func TestKeysPage(t *testing.T) {
	s := pagesSite(t)
	xia := s.knownVisitor("xia").must(200, "/users/xia/keys/").says("No key yet")
	xia.fill("key", "title", "backup").press(400)
	if xia.problems("password") != "Enter your password." || xia.value("title") != "backup" {
		t.Errorf("%q, %q", xia.problems("password"), xia.value("title"))
	}
	form := xia.fill("key", "password", "yoyo")
	xia.says("Create a key")
	form.press(200).says("We show it only this once", "backup")
	secret := textOf(find(xia.page, func(n *html.Node) bool { return attrOf(n, "id") == "secret" }))
	basic := "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(secret+":"))
	if a := s.do("GET", "/api/auth/tokens", nil, basic); a.status != 200 || !strings.Contains(a.body, `"xia"`) {
		t.Fatalf("the key %q: %d %s", secret, a.status, a.body)
	}
	form.press(303) // sent twice: no second key
	xia.must(200, "/users/xia/keys/").says("backup", secret[:6], "valid until").silent(secret[32:])
	if n := strings.Count(xia.text("main"), "valid until"); n != 1 {
		t.Errorf("%d keys", n)
	}
	xia.must(200, xia.link("Delete")).says("lose access at once").fill("end", "password", "no").press(400)
	xia.fill("end", "password", "yoyo").press(303).follow().says("The key is deleted.", "No key yet")
	if a := s.do("GET", "/api/auth/tokens", nil, basic); a.status != 401 {
		t.Errorf("the key after its end: %d", a.status)
	}

	const ssh = "ssh-ed25519 AAAAC3Nza xia@work"
	xia.fill("ssh", "pubkey", ssh+"\nanother", "password", "yoyo").press(400)
	if xia.problems("pubkey") == "" || !strings.Contains(xia.value("pubkey"), "another") {
		t.Errorf("two lines: %q", xia.problems("pubkey"))
	}
	xia.fill("ssh", "pubkey", ssh, "password", "yoyo").press(303).follow().says("Saved.", ssh)
	xia.fill("ssh", "password", "yoyo").press(303, "way", "remove").follow().says("The SSH key is removed.").silent(ssh)
}
