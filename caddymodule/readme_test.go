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
	config := string(text)
	for old, new := range map[string]string{
		"localhost:8080": "127.0.0.1:9080", "8081": "9081", "{$TOLLGATE_BIND:127.0.0.1 ::1}": "127.0.0.1",
		"\ttollgate {\n\t\turl": "\tadmin localhost:2999\n\tskip_install_trust\n\ttollgate {\n\t\tstore " + filepath.Join(t.TempDir(), "tollgate.db") + "\n\t\turl",
	} {
		if !strings.Contains(config, old) {
			t.Fatalf("Caddyfile.example does not say %q", old)
		}
		config = strings.ReplaceAll(config, old, new)
	}
	return runSite(t, config)
}

// program requires a program that the tour uses.
func program(t *testing.T, names ...string) {
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

// TestReadmeTour runs the tour of the README, line by line, against the example site.
func TestReadmeTour(t *testing.T) {
	program(t, "sh", "curl", "jq")
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, tour, ok := strings.Cut(string(text), "## A tour")
	if !ok {
		t.Fatal("the README has no tour")
	}
	tour, _, _ = strings.Cut(tour, "\n## ")
	var script strings.Builder
	script.WriteString("set -eu\n")
	for _, m := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(tour, -1) {
		for _, line := range strings.Split(strings.TrimSpace(m[1]), "\n") {
			script.WriteString(line + "\necho\necho '--'\n")
		}
	}
	exampleSite(t)
	out, err := exec.Command("sh", "-c", strings.ReplaceAll(script.String(), "http://localhost:8080", base)).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	answers := strings.Split(string(out), "\n--\n")
	for i, want := range []string{
		"",                          // Joe registers
		`"reason":"not-subscribed"`, // is refused
		"",                          // Donny logs in
		`"grant_key":null`,          // grants, and does not see the key
		"",                          // Joe finds the grant
		`"plan":{"slug":"premium"`,  // accepts
		"path: /app/joe1/\nuser: joe1\nemail: joe+1@example.com\nname: Joe\nprofile: joe1\nroles: manager:joe1\nplan: premium\nsession: Bearer ey",
	} {
		if !strings.Contains(answers[i], want) {
			t.Errorf("step %d: got %q, want %q", i+1, answers[i], want)
		}
	}
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
