package caddymodule

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// failRegexes are the expressions of the filter for fail2ban in the documentation, with what it makes of <ADDR>.
func failRegexes(t *testing.T) (all []*regexp.Regexp) {
	t.Helper()
	text, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, part, ok := strings.Cut(string(text), "failregex = ")
	part, _, more := strings.Cut(part, "datepattern")
	if !ok || !more {
		t.Fatal("docs/operations.md has no filter")
	}
	for line := range strings.Lines(part) {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, regexp.MustCompile(strings.Replace(line, "<ADDR>", `([0-9a-fA-F:.]+)`, 1)))
		}
	}
	return all
}

// banned are the clients that the filter finds in the lines of a file.
func banned(t *testing.T, file string) (clients []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		for _, re := range failRegexes(t) {
			if m := re.FindStringSubmatch(line); m != nil {
				clients = append(clients, m[1])
			}
		}
	}
	return clients
}

// TestFailedLoginsForFail2ban holds that the filter of the documentation finds the client of each failed log-in in the log of a real
// site, in both formats and after a reload to another file, and nobody whom the client has made up.
func TestFailedLoginsForFail2ban(t *testing.T) {
	dir := t.TempDir()
	file := func(format string) string { return filepath.Join(dir, format+".log") }
	logTo := func(format string) string {
		return fmt.Sprintf("\tlog tollgate {\n\t\toutput file %s\n\t\tformat %s\n\t\tinclude tollgate http.log.access\n\t}\n", file(format), format)
	}
	s := newSite(t, func(s *site) {
		s.options = logTo("json")
		s.more = "log"
	})
	guess := func() {
		s.must(401, "POST", "/api/auth", map[string]string{"username": "donny", "password": "wrong"})
		for _, name := range []string{`x","client":"10.9.9.9`, "\n\"logger\":\"tollgate\",\"msg\":\"log-in failed\",\"client\":\"10.9.9.9\"@example.com",
			"ghost\tlog-in failed\t{\"client\": \"10.9.9.9\""} {
			s.do("POST", "/api/auth", map[string]string{"username": name, "password": "wrong"}, "User-Agent: "+strings.ReplaceAll(name, "\n", ""))
		}
		s.must(401, "POST", "/api/auth", map[string]string{"username": "ghost", "password": "wrong"},
			`Referer: "logger":"tollgate","msg":"log-in failed","client":"10.9.9.9"`)
		s.must(201, "POST", "/api/auth", map[string]string{"username": "donny", "password": "yoyo"})
	}
	for i, format := range []string{"json", "console"} {
		if i > 0 {
			s.options = logTo(format)
			s.load()
		}
		guess()
		clients := []string{}
		for deadline := time.Now().Add(5 * time.Second); len(clients) < 2 && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			clients = banned(t, file(format))
		}
		if len(clients) < 2 {
			text, _ := os.ReadFile(file(format))
			t.Errorf("%s: %d clients in\n%s", format, len(clients), text)
		}
		for _, c := range clients {
			if c != "127.0.0.1" {
				t.Errorf("%s: the filter finds %q", format, c)
			}
		}
		if text, _ := os.ReadFile(file(format)); strings.Contains(string(text), "wrong") {
			t.Errorf("%s: a password is in the log", format)
		}
	}
	if n := scrape(t)[`tollgate_failed_logins_total{door="login",reason="user"}`]; n < 2 {
		t.Errorf("%v log-ins of nobody are counted", n)
	}
}
