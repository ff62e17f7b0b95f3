package caddymodule

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// exampleSite runs Caddyfile.example on other ports, with a database of its own.
func exampleSite(t *testing.T) *site {
	t.Helper()
	text, err := os.ReadFile("../Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	config, dir := string(text), t.TempDir()
	for old, new := range map[string]string{
		"localhost:8080": "127.0.0.1:9080", "8081": "9081", "{$TOLLGATE_BIND:127.0.0.1 ::1}": "127.0.0.1",
		"\ttollgate {\n\t\turl": "\tadmin localhost:2999\n\tskip_install_trust\n\ttollgate {\n\t\tstore " +
			filepath.Join(dir, "tollgate.db") + "\n\t\turl",
	} {
		if !strings.Contains(config, old) {
			t.Fatalf("Caddyfile.example does not say %q", old)
		}
		config = strings.ReplaceAll(config, old, new)
	}
	s := runSite(t, config)
	s.dir = dir
	return s
}

// program requires a program that the tour uses.
func program(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			if os.Getenv("TOLLGATE_NO_SKIP") != "" {
				t.Fatalf("%s is not installed", name)
			}
			t.Skipf("%s is not installed", name)
		}
	}
}

// shellLines are the lines of shell of a page, or of the part of it below a headline.
func shellLines(t *testing.T, page, headline string) []string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, part, ok := strings.Cut(string(text), headline)
	if !ok {
		t.Fatalf("%s has no %q", page, headline)
	}
	if headline != "" {
		part, _, _ = strings.Cut(part, "\n## ")
	}
	var lines []string
	for _, m := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(part, -1) {
		lines = append(lines, strings.Split(strings.TrimSpace(m[1]), "\n")...)
	}
	return lines
}

// play runs lines of shell one after the other against the example site, and returns what each printed.
func play(t *testing.T, lines []string) []string {
	t.Helper()
	program(t, "sh", "curl", "jq")
	exampleSite(t)
	script := "set -eu\n" + strings.Join(lines, "\necho\necho '--'\n") + "\necho\necho '--'\n"
	out, err := exec.Command("sh", "-c", strings.ReplaceAll(script, "http://localhost:8080", base)).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n--\n"), "\n--\n")
}

// demand checks that each answer holds what is wanted of it, and that there is one for each.
func demand(t *testing.T, answers, wants []string) {
	t.Helper()
	if len(answers) != len(wants) {
		t.Fatalf("got %d answers, want %d", len(answers), len(wants))
	}
	for i, want := range wants {
		if !strings.Contains(answers[i], want) {
			t.Errorf("step %d: got %q, want %q", i+1, answers[i], want)
		}
	}
}

// TestReadmeTour runs the tour of the README, line by line, against the example site.
func TestReadmeTour(t *testing.T) {
	demand(t, play(t, shellLines(t, "../README.md", "## A tour")), []string{
		"",                          // Joe registers
		`"reason":"not-subscribed"`, // is refused
		"",                          // Donny logs in
		`"grant_key":null`,          // grants, and does not see the key
		"",                          // Joe finds the grant
		`"plan":{"slug":"premium"`,  // accepts
		"path: /app/joe1/\nuser: joe1\nemail: \nname: Joe\nprofile: joe1\nroles: manager:joe1\nplan: premium\nsession: Bearer ey",
	})
}

// TestSelling runs the page about selling, which goes on after the tour.
func TestSelling(t *testing.T) {
	tour := shellLines(t, "../README.md", "## A tour")
	answers := play(t, append(tour, shellLines(t, "../docs/selling.md", "")...))
	demand(t, answers[len(tour):], []string{
		"",                                  // Xia logs in
		`"slug":"desk"`,                     // the plan
		`"code":"SPRING"`,                   // the coupon
		`"plan":{"slug":"desk"`,             // the cart
		"Coupon 'SPRING' was successfully",  // the code
		`["$1036.80","Subscription to Desk`, // two options
		`"readable_amount":"$96.00"`,        // the dry run, which leaves the cart as it is
		"",                                  // Xia pays
		`"amount":9600,"unit":"usd","state":"done"`,
		`["($96.00)","Charge fake_`,
		`"last4":"***-1234"`,
		"A copy of the receipt was sent to xia@example.com.",
		`"plan":{"slug":"desk"`, // Joe's cart
		"",                      // he pays later
		`"amount":12000,"unit":"usd","state":"created"`,
		`"amount":10000,"unit":"usd","state":"created"`,
		`"amount":10000,"unit":"usd","state":"done"`,
		"$50.00 refunded successfully",
		`"auto_renew":false`,
		`"last4":"***-1234"`,
	})
}

// TestProductSamples sends the samples of the product's description, as they are written there.
func TestProductSamples(t *testing.T) {
	s := exampleSite(t)
	const contentType = "Content-Type: application/json; charset=UTF-8"
	token := func(a answer) string {
		t.Helper()
		v, _ := a.json(t)["token"].(string)
		if a.status != 201 || v == "" {
			t.Fatalf("got %d %s", a.status, a.body)
		}
		return "Authorization: Bearer " + v
	}
	token(s.send("POST", "/api/auth/register", `{"username": "joe1", "password": "yoyo", "email": "joe+1@example.com", "full_name": "Joe Card1", "type": "personal"}`, contentType))
	xia := token(s.send("POST", "/api/auth", `{"username": "xia", "password": "yoyo"}`, contentType))
	donny := token(s.send("POST", "/api/auth", `{"username": "donny", "password": "yoyo"}`, contentType))
	for _, c := range []struct{ path, body, as, want string }{
		{"/api/users/xia/profiles", `{"slug": "myproject", "full_name": "My Project"}`, xia, `"slug":"myproject"`},
		{"/api/profile/cowork/plans/premium/subscriptions", `{"organization": {"slug": "xia"}}`, donny, `"plan":{"slug":"premium"`},
		{"/api/accounts/profiles", `{"email": "xia@locahost.localdomain", "full_name": "Joey Black"}`, xia, `"slug":"joey-black"`},
	} {
		a := s.send("POST", c.path, c.body, contentType, c.as)
		if a.status != 201 || !strings.Contains(a.body, c.want) {
			t.Errorf("POST %s: got %d %s", c.path, a.status, a.body)
		}
	}
	if a := s.send("GET", "/api/billing/transactions", "", donny); a.status != 200 || !strings.Contains(a.body, `"count":`) {
		t.Errorf("GET /api/billing/transactions: got %d %s", a.status, a.body)
	}
	if a := s.send("GET", "/api", ""); a.status != 200 || !strings.Contains(a.body, `"version":`) {
		t.Errorf("GET /api: got %d %s", a.status, a.body)
	}
}

// TestReadmeSnippet starts the site that the README shows, with an empty database: nothing is warned of, its manager logs in, and its
// rules hold.
func TestReadmeSnippet(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```caddyfile\n(.*?)```").FindSubmatch(text)
	if m == nil {
		t.Fatal("the README shows no Caddyfile")
	}
	dir := t.TempDir()
	for name, secret := range map[string]string{"ann": "yoyo-yoyo\n", "session": strings.Repeat("k", 32)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config := string(m[1])
	for old, new := range map[string]string{
		"/run/secrets": dir, "\napp.example.com {": "\nhttp://127.0.0.1:9080 {", "localhost:3000": strings.TrimPrefix(newUpstream(t).URL, "http://"),
		"{\n\ttollgate {": "{\n\tadmin localhost:2999\n\tskip_install_trust\n\tservers {\n\t\tprotocols h1\n\t}\n\tlog {\n\t\toutput file " + dir + "/log\n\t\tlevel WARN\n\t}\n\ttollgate {\n\t\tstore " + dir + "/tollgate.db",
	} {
		if strings.Count(config, old) == 0 {
			t.Fatalf("the README's Caddyfile does not say %q", old)
		}
		config = strings.Replace(config, old, new, 1+strings.Count(config, "/run/secrets"))
	}
	s := runSite(t, config)
	a := s.must(201, "POST", "/api/auth", map[string]string{"username": "ann", "password": "yoyo-yoyo"})
	ann := "Authorization: Bearer " + a.json(t)["token"].(string)
	s.must(200, "GET", "/public/", nil)
	s.must(401, "GET", "/", nil)
	s.must(200, "GET", "/", nil, ann)
	if log, err := os.ReadFile(dir + "/log"); err != nil && !os.IsNotExist(err) || len(log) > 0 {
		t.Errorf("the first start warns: %s (%v)", log, err)
	}
}
