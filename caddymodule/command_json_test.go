package caddymodule

import (
	"database/sql"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestCommandsPrintJSON holds that every command that shows something prints it as JSON on request, and that each says by itself whether
// it does: what only changes something has nothing to print.
func TestCommandsPrintJSON(t *testing.T) {
	dir := t.TempDir()
	if err := start(dir, Broker{Slug: "acme", Email: "hello@acme.example"}); err != nil {
		t.Fatal(err)
	}
	db := "--store=" + filepath.Join(dir, "tollgate.db")
	config := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(config,
		[]byte("{\n\ttollgate {\n\t\tstore "+filepath.Join(dir, "tollgate.db")+"\n\t\tbroker acme\n\t}\n}\n:9080 {\n\t"+
			"tollgate {\n\t\trule /app/ authenticated\n\t}\n\tfile_server\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, line := range []string{
		"user list", "user show ann", "role list acme", "plan list", "plan list acme", "audit", "notice list", "notice list --dead", "notice list --done",
		"clock acme", "clock acme +1day", "clock acme reset", "renew --dry-run", "renew --parked", "verify",
		"notice preview user_welcome", "page list", "explain --config=" + config + " --adapter=caddyfile GET http://localhost:9080/app/x",
	} {
		if line == "user show ann" {
			password := filepath.Join(dir, "password")
			if err := os.WriteFile(password, []byte("yoyo-yoyo"), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := tollgate("user", "create", "ann", "--email", "ann@example.com", "--password-file", password, db); err != nil {
				t.Fatal(out, err)
			}
		}
		words := strings.Fields(line)
		if words[0] != "explain" { // which reads the database of the configuration
			words = append(words, db)
		}
		out, err := tollgate(append(words, "--json")...)
		if err != nil || !json.Valid([]byte(strings.TrimSpace(out))) {
			t.Errorf("%s --json: %v, %s", line, err, out)
		}
		shown[words[0]], shown[words[0]+" "+words[min(1, len(words)-1)]] = true, true
	}
	silent := map[string]bool{}
	for name := range strings.SplitSeq("user create,user password,user confirm,user unlock,user delete,user disable,user enable,role grant,role revoke,"+
		"plan create,broker rename,store create,key rotate,key create,export,import,notice resend,notice replay,page preview,page check", ",") {
		silent[name] = true
	}
	root := &cobra.Command{Use: "tollgate"}
	commands(root)
	var walk func(c *cobra.Command, path string)
	walk = func(c *cobra.Command, path string) {
		for _, sub := range c.Commands() {
			walk(sub, strings.TrimSpace(path+" "+sub.Name()))
		}
		if c.HasSubCommands() {
			return
		}
		if has := c.Flags().Lookup("json") != nil; has != shown[path] || has == silent[path] {
			t.Errorf("%s: it has --json: %v", path, has)
		}
	}
	walk(root, "")
}

// TestOperatorsChangesAreOneTransaction holds that a change that cannot be written into the audit is not made.
func TestOperatorsChangesAreOneTransaction(t *testing.T) {
	dir := t.TempDir()
	if err := start(dir, Broker{Slug: "acme", Email: "hello@acme.example"}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "tollgate.db")
	if out, err := tollgate("clock", "acme", "+1day", "--store="+path); err != nil {
		t.Fatal(out, err)
	}
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range []string{`UPDATE profile SET parked_at = 1, parked_reason = 'x' WHERE slug = 'acme'`,
		`CREATE TRIGGER no_audit BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no audit'); END`} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	for _, line := range []string{"clock acme reset", "clock acme +1day", "renew --unpark acme"} {
		if out, err := tollgate(append(strings.Fields(line), "--store="+path)...); err == nil {
			t.Errorf("%s: %s", line, out)
		}
	}
	if out, err := tollgate("clock", "acme", "--store="+path); err != nil || !strings.Contains(out, "1 days ahead") && !strings.Contains(out, "0 days ahead") {
		t.Error(out, err)
	}
	if out, err := tollgate("renew", "--parked", "--store="+path); err != nil || !strings.Contains(out, "acme") {
		t.Error(out, err)
	}
}
