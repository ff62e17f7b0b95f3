package caddymodule

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// TestBooksCommands plans a renewal, verifies and exports the books of a site while it runs.
func TestBooksCommands(t *testing.T) {
	s := newSite(t)
	config := filepath.Join(s.dir, "Caddyfile")
	if err := os.WriteFile(config, []byte(s.caddyfile()), 0o600); err != nil {
		t.Fatal(err)
	}
	tollgate := func(args ...string) (string, error) {
		t.Helper()
		out, err := os.CreateTemp(t.TempDir(), "out")
		if err != nil {
			t.Fatal(err)
		}
		stdout := os.Stdout
		os.Stdout = out
		defer func() { os.Stdout = stdout }()
		root := &cobra.Command{Use: "tollgate", SilenceErrors: true}
		commands(root)
		root.SetOut(out)
		root.SetErr(io.Discard)
		root.SetArgs(append(args, "--config", config, "--adapter", "caddyfile"))
		err = root.Execute()
		text, _ := os.ReadFile(out.Name())
		return string(text), err
	}
	expect := func(pattern string, args ...string) string {
		t.Helper()
		out, err := tollgate(args...)
		if err != nil || !regexp.MustCompile(pattern).MatchString(out) {
			t.Fatalf("%v: %v\n%s\nwant %s", args, err, out, pattern)
		}
		return out
	}
	fails := func(want string, args ...string) {
		t.Helper()
		if out, err := tollgate(args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}

	xia := s.login("xia")
	s.must(201, "POST", "/api/cart", map[string]any{"plan": "premium"}, xia)
	s.must(201, "POST", "/api/billing/xia/checkout", map[string]any{"processor_token": "tok_visa", "remember_card": true}, xia)
	s.must(200, "GET", "/api/billing/xia/checkout", nil, xia) // looks up what became of the charge
	expect(`nothing to do`, "renew", "--dry-run")
	anchor := regexp.MustCompile(`anchor (\S+)`).FindStringSubmatch(expect(`(?s)^\d+ entries in \d+ batches\nusd\tdebits .*in order; anchor \d+:[0-9a-f]{64}\n$`, "verify"))[1]

	at := time.Now().AddDate(0, 1, 0).UTC()
	plan := expect(`(?s)order\txia\t\$\d+\.\d\d\tSubscription to premium until .*charge\txia\t\$\d+\.\d\d\tfor cowork`, "renew", "--dry-run", "--at", at.Format(time.RFC3339))
	if !strings.Contains(plan, "tell\t\t1\t") {
		t.Errorf("nobody is told: %s", plan)
	}
	expect(`in order; anchor `+anchor, "verify", "--anchor", anchor) // the plan changed nothing
	expect(``, "renew")
	expect(`^$`, "renew", "--parked")
	fails("is no profile", "clock", "nobody")
	fails("neither a step", "clock", "xia", "+1fortnight")
	fails("forward only", "clock", "xia", "2020-01-01T00:00:00Z")
	fails("has no clock of its own", "clock", "xia", "reset")
	expect(`^\S+Z\txia\n$`, "clock", "xia")
	year := expect(`(?s)order\t\$\d+\.\d\d\tSubscription to premium until .*charge\t\$\d+\.\d\d\tCharge .*\txia\t36[56] days ahead\n$`, "clock", "xia", "+1year")
	if n, m := strings.Count(year, "\torder\t"), strings.Count(year, "\tcharge\t"); n != 12 || m != 12 {
		t.Errorf("%d orders and %d charges in a year:\n%s", n, m, year)
	}
	s.must(200, "GET", "/app/xia/", nil, xia) // it goes on, by its own clock
	expect(`^\S+Z\txia\n$`, "clock", "xia", "reset")
	expect(`in order; anchor`, "verify")
	fails("is not parked", "renew", "--unpark", "xia")
	fails("is no time", "renew", "--dry-run", "--at", "soon")
	fails("--dry-run", "renew", "--at", at.Format(time.RFC3339))
	fails("anchor", "verify", "--anchor", "12")
	fails("do not continue the anchor", "verify", "--anchor", "1:"+strings.Repeat("00", 32))
	fails("the formats are", "export", "--format", "csv")

	for format, check := range map[string][]string{"hledger": {"hledger", "check", "-f"}, "ledger": {"ledger", "balance", "-f"}, "beancount": {"bean-check"}} {
		path := filepath.Join(t.TempDir(), "books."+format)
		expect(`^$`, "export", "--format", format, "--output", path)
		fails("exists", "export", "--format", format, "--output", path)
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 || info.Size() == 0 {
			t.Errorf("%v %v", info, err)
		}
		if _, err := exec.LookPath(check[0]); err != nil {
			if os.Getenv("TOLLGATE_NO_SKIP") != "" {
				t.Error(err)
			}
			continue
		}
		if out, err := exec.Command(check[0], append(check[1:], path)...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", format, err, out)
		}
	}
	expect(`Subscription to premium`, "export")
}
