package caddymodule

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestCommands works on the database of a site while it runs, as an operator does.
func TestCommands(t *testing.T) {
	s := newSite(t)
	config := filepath.Join(s.dir, "Caddyfile")
	if err := os.WriteFile(config, []byte(s.caddyfile()), 0o600); err != nil {
		t.Fatal(err)
	}
	password := filepath.Join(s.dir, "password")
	if err := os.WriteFile(password, []byte("secret of kim\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	tollgate := func(args ...string) error {
		root := &cobra.Command{Use: "tollgate", SilenceErrors: true}
		commands(root)
		out.Reset()
		root.SetOut(&out)
		root.SetErr(io.Discard)
		root.SetArgs(append(args, "--config", config, "--adapter", "caddyfile"))
		return root.Execute()
	}
	must := func(args ...string) {
		t.Helper()
		if err := tollgate(args...); err != nil {
			t.Fatalf("%v: %v", args, err)
		}
	}
	login := func(status int, try string) answer {
		t.Helper()
		return s.must(status, "POST", "/api/auth", map[string]any{"username": "kim", "password": try})
	}

	must("user", "create", "kim", "--email", "kim@example.com", "--personal", "--password-file", password)
	a := login(201, "secret of kim")
	kim := "Authorization: Bearer " + a.json(t)["token"].(string)
	s.must(403, "GET", "/api/profile/cowork/plans", nil, kim)
	must("role", "grant", "kim", "contributor", "cowork")
	s.must(200, "GET", "/api/profile/cowork/plans", nil, kim)

	if err := os.WriteFile(password, []byte("another of kim"), 0o600); err != nil {
		t.Fatal(err)
	}
	must("user", "password", "kim", "--password-file", password)
	s.must(401, "GET", "/api/auth/tokens", nil, kim)
	login(401, "secret of kim")
	login(201, "another of kim")
	must("user", "disable", "kim")
	login(401, "another of kim")
	must("user", "enable", "kim")
	must("user", "unlock", "kim")
	login(201, "another of kim")

	donny := s.login("donny")
	must("key", "rotate")
	s.must(200, "GET", "/api/auth/tokens", nil, donny)
	s.global = "welcome_email off" // a configuration that is the same is not loaded again
	s.load()
	s.must(200, "GET", "/api/auth/tokens", nil, donny) // the key before still verifies
	must("key", "rotate", "--keep", "1")
	s.global = ""
	s.load()
	s.must(401, "GET", "/api/auth/tokens", nil, donny)
	must("audit")

	own := filepath.Join(s.dir, "mails")
	if err := os.Mkdir(own, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(own, "user_welcome.txt"), []byte("Hey {{.user.username}}\n\nCome to {{.back_url}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	says := func(want string) {
		t.Helper()
		if !strings.Contains(out.String(), want) {
			t.Errorf("it says %q, want %q", out.String(), want)
		}
	}
	must("notice", "preview", "user_welcome")
	says("Subject: Welcome to Cowork\n\nHello Xia,")
	must("notice", "preview", "user_welcome", "--templates", own)
	says("Subject: Hey xia\n\nCome to " + base + "/\n")
	must("notice", "preview", "user_welcome", "--html", "--templates", own)
	says(`<p>Come to <a href="` + base + `/">`)
	must("notice", "list", "--done")
	must("notice", "list", "--dead")
	must("notice", "resend", "--all")
	says("0 to be sent again")
	must("notice", "replay", "--last", "1h", "a.example")
	says("0 to be posted again")

	for _, bad := range []struct {
		args []string
		want string
	}{
		{[]string{"notice", "preview", "no_event"}, "no_event"},
		{[]string{"notice", "preview", "user_welcome", "--templates", filepath.Join(s.dir, "nowhere")}, "not a folder"},
		{[]string{"notice", "resend"}, "--all"},
		{[]string{"notice", "resend", "--all", "1"}, "--all"},
		{[]string{"notice", "resend", "999999"}, "notice 999999"},
		{[]string{"notice", "resend", "x"}, "no number"},
		{[]string{"notice", "replay", "--last", "never"}, "not a duration"},
		{[]string{"user", "create", "kim", "--email", "other@example.com", "--password-file", password}, "already taken"},
		{[]string{"user", "create", "lee", "--email", "lee@example.com", "--password-file", filepath.Join(s.dir, "nowhere")}, "no such file"},
		{[]string{"role", "grant", "nobody", "manager", "cowork"}, "no user nobody"},
		{[]string{"role", "grant", "kim", "emperor", "cowork"}, "no role emperor"},
		{[]string{"user", "create", "x"}, "--password-file"},
	} {
		if err := tollgate(bad.args...); err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%v: %v, want %q", bad.args, err, bad.want)
		}
	}
}
