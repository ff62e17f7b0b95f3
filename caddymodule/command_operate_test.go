package caddymodule

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"
)

// start provisions and starts a site of a broker in a folder, and stops it.
func start(dir string, broker Broker) error { return provision(dir, broker, (*App).Start) }

// provision provisions a site, does something with it, and stops it.
func provision(dir string, broker Broker, then func(*App) error) error {
	app := &App{Store: filepath.Join(dir, "tollgate.db"), Broker: broker}
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	defer cancel()
	defer app.Cleanup()
	if err := app.Provision(ctx); err != nil {
		return err
	}
	return then(app)
}

// TestCommandsSayWhichDatabase prints it where it is in nobody's way.
func TestCommandsSayWhichDatabase(t *testing.T) {
	dir := t.TempDir()
	if err := start(dir, Broker{Slug: "acme"}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "tollgate.db")
	for _, line := range []string{"user list", "audit", "verify", "plan list", "role grant acme manager nobody", "key rotate"} {
		var out, errs bytes.Buffer
		root := &cobra.Command{Use: "tollgate", SilenceErrors: true}
		commands(root)
		root.SetOut(&out)
		root.SetErr(&errs)
		root.SetArgs(append(strings.Fields(line), "--store="+path))
		_ = root.Execute()
		if !strings.Contains(errs.String(), "database: "+path) || strings.Contains(out.String(), "database: ") {
			t.Errorf("%s: %q, and on standard output %q", line, errs.String(), out.String())
		}
	}
}

// status is what the command line would exit with.
func status(err error) int {
	if err == nil {
		return 0
	}
	if v := reflect.ValueOf(err); v.Kind() == reflect.Pointer && v.Elem().Kind() == reflect.Struct {
		if code := v.Elem().FieldByName("ExitCode"); code.IsValid() {
			return int(code.Int())
		}
	}
	return 1
}

// TestTheBrokerIsTheDatabases refuses a configuration that names another broker, leaves nothing of it behind, and takes it once the
// broker is renamed.
func TestTheBrokerIsTheDatabases(t *testing.T) {
	t.Setenv("TOLLGATE_TEST_PASSWORD", "a password of ann")
	dir := t.TempDir()
	ann := &Manager{Username: "ann", Email: "ann@acme.example", Password: "{env.TOLLGATE_TEST_PASSWORD}"}
	db := "--store=" + filepath.Join(dir, "tollgate.db")
	if err := start(dir, Broker{Slug: "acme", Email: "hello@acme.example", Manager: ann}); err != nil {
		t.Fatal(err)
	}
	for _, manager := range []*Manager{nil, ann} {
		err := start(dir, Broker{Slug: "beta", Manager: manager})
		if err == nil {
			t.Fatal("another broker was taken")
		}
		for _, want := range []string{`"acme"`, `"beta"`, "write `broker acme` as it was", "caddy tollgate broker rename beta"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%v: it lacks %q", err, want)
			}
		}
	}
	if err := provision(dir, Broker{Slug: "beta"}, func(*App) error { return nil }); err == nil ||
		!strings.Contains(err.Error(), "`broker acme`") {
		t.Errorf("validated: %v", err)
	}
	if _, err := tollgate("role", "list", "beta", db); err == nil || !strings.Contains(err.Error(), "no profile beta") {
		t.Errorf("the refused broker left a profile behind: %v", err)
	}
	if _, err := tollgate("broker", "rename", "processor", db); err == nil {
		t.Error("the broker took the name of another profile")
	}
	if out, err := tollgate("broker", "rename", "beta", db); err != nil || !strings.Contains(out, "write `broker beta`") {
		t.Fatal(out, err)
	}
	if err := start(dir, Broker{Slug: "acme"}); err == nil || !strings.Contains(err.Error(), "broker beta") {
		t.Errorf("the old name: %v", err)
	}
	if err := start(dir, Broker{Slug: "beta", Manager: ann}); err != nil {
		t.Errorf("the new name: %v", err)
	}
	if out, err := tollgate("audit", db); err != nil || !strings.Contains(out, "command line\trename broker\tbeta\twas acme") {
		t.Error(out, err)
	}
}

// TestAFirstStartIsWhole makes nothing when the manager of a first start cannot be made.
func TestAFirstStartIsWhole(t *testing.T) {
	t.Setenv("TOLLGATE_SHORT_PASSWORD", "x")
	dir := t.TempDir()
	ann := &Manager{Username: "processor", Email: "ann@acme.example", Password: "{env.TOLLGATE_SHORT_PASSWORD}"}
	if err := start(dir, Broker{Slug: "acme", Manager: ann}); err == nil || !strings.Contains(err.Error(), "manager") {
		t.Fatalf("a short password: %v", err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 0 {
		t.Errorf("checking a configuration made %v", files)
	}
	t.Setenv("TOLLGATE_SHORT_PASSWORD", "a password of ann")
	if err := start(dir, Broker{Slug: "acme", Manager: ann}); err == nil {
		t.Fatal("the manager took the name of the processor")
	}
	if err := start(dir, Broker{Slug: "beta"}); err != nil {
		t.Errorf("the start that failed left its broker behind: %v", err)
	}
}

// TestCommandsMakeNoDatabase runs every command where there is none: it says so, ends with an error, and leaves nothing behind.
func TestCommandsMakeNoDatabase(t *testing.T) {
	dir := t.TempDir()
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("a password"), 0o600); err != nil {
		t.Fatal(err)
	}
	db := filepath.Join(dir, "deep", "tollgate.db")
	for _, line := range []string{
		"user create kim --email k@example.com --password-file " + password, "user list", "user show kim", "user password kim --password-file " + password,
		"user unlock kim", "user delete kim", "user disable kim", "user enable kim", "role grant kim manager acme", "role list acme", "role revoke kim acme",
		"plan list", "plan create basic --amount 1", "broker rename beta", "key rotate", "key create", "audit", "renew", "renew --dry-run", "renew --parked",
		"clock acme", "clock acme +1day", "verify", "export", "notice list", "notice resend --all", "notice replay",
	} {
		_, err := tollgate(append(strings.Fields(line), "--store", db)...)
		if err == nil || !strings.Contains(err.Error(), "there is no database at "+db) {
			t.Errorf("%s: %v", line, err)
		}
	}
	if files, _ := os.ReadDir(dir); len(files) != 0 {
		t.Errorf("the commands made %v", files)
	}
	if out, err := tollgate("store", "create", "--store", db); err != nil || !strings.Contains(out, db) {
		t.Fatal(out, err)
	}
	before := snapshot(t, filepath.Dir(db))
	for _, line := range []string{"user list --json", "plan list", "role list broker", "audit", "verify", "export", "notice list", "renew --parked", "renew --dry-run"} {
		if out, err := tollgate(append(strings.Fields(line), "--store", db)...); err != nil {
			t.Errorf("%s: %s %v", line, out, err)
		}
	}
	if after := snapshot(t, filepath.Dir(db)); after != before {
		t.Errorf("commands that read left\n%s\nof\n%s", after, before)
	}
}

// snapshot are the names, sizes and times of the files of a folder.
func snapshot(t *testing.T, dir string) (all string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		all += fmt.Sprintln(f.Name(), info.Size(), info.ModTime())
	}
	return all
}

// TestUnknownWordsAreRefused ends with status 2, so that a script stops.
func TestUnknownWordsAreRefused(t *testing.T) {
	for line, want := range map[string]string{
		"foo": "write one of", "user lits": `did you mean "list"?`, "role revoek a b": `did you mean "revoke"?`, "key": "",
		"audit now": "unknown command", "user show": "accepts 1 arg", "audit --lats 3": "unknown flag",
	} {
		_, err := tollgate(append(strings.Fields(line), "--store", filepath.Join(t.TempDir(), "x.db"))...)
		if want == "" {
			if err != nil {
				t.Errorf("%s: %v", line, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) || status(err) != exitUsage {
			t.Errorf("%s: %v with status %d, want %q", line, err, status(err), want)
		}
	}
}

// TestOperatorCommands lists, grants, replaces, revokes and deletes, and finds each change in the audit.
func TestOperatorCommands(t *testing.T) {
	dir := t.TempDir()
	db := "--store=" + filepath.Join(dir, "tollgate.db")
	if err := start(dir, Broker{Slug: "acme"}); err != nil {
		t.Fatal(err)
	}
	password := filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte("a password"), 0o600); err != nil {
		t.Fatal(err)
	}
	must := func(line string) string {
		t.Helper()
		out, err := tollgate(append(strings.Fields(line), db)...)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		return out
	}
	fails := func(line, want string) {
		t.Helper()
		if _, err := tollgate(append(strings.Fields(line), db)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
	must("user create kim --email kim@example.com --personal --password-file " + password)
	must("user create ann --email ann@example.com --manager --password-file " + password)
	var users []struct{ Username string }
	if err := json.Unmarshal([]byte(must("user list --json")), &users); err != nil || len(users) != 2 || users[0].Username != "ann" {
		t.Errorf("%+v %v", users, err)
	}
	if out := must("user show ann"); !strings.Contains(out, "role\tmanager of acme, active") {
		t.Error(out)
	}
	fails("user show nobody", "no user nobody")
	must("role grant kim manager acme")
	fails("role grant kim contributor acme", "kim is manager of acme")
	must("role grant kim manager acme") // it is there
	if out := must("role list acme"); !strings.Contains(out, "kim\tmanager\tacme\tactive") {
		t.Error(out)
	}
	must("role grant kim contributor acme --replace")
	if out := must("role list acme --json"); !strings.Contains(out, `"role": "contributor"`) {
		t.Error(out)
	}
	must("role revoke kim acme")
	fails("role revoke kim acme", "kim has no role on acme")
	fails("role revoke ann acme", "at least one manager")
	must("plan create basic --amount 2000")
	fails("plan create basic --amount 2000", "")
	fails("plan create other --amount 1 --period never", "none of hourly")
	if out := must("plan list"); out != "basic\tacme\tbasic\t2000\tusd\tmonthly\tactive\n" {
		t.Errorf("%q", out)
	}
	must("user delete kim")
	if out := must("user list"); strings.Contains(out, "kim@example.com") {
		t.Error(out)
	}
	if out := must("key rotate"); !strings.Contains(out, "2 verify") {
		t.Error(out)
	}
	fails("key rotate --keep -1", "at least 1 key is kept")
	audit := must("audit --last 100")
	for _, action := range []string{"create user", "grant role", "revoke role", "create plan", "delete", "rotate keys"} {
		if !strings.Contains(audit, "\tcommand line\t"+action+"\t") {
			t.Errorf("no row of %q in\n%s", action, audit)
		}
	}
}

// TestLostSecretsAreTold refuses to start a site with data whose secrets are gone, until an operator makes others.
func TestLostSecretsAreTold(t *testing.T) {
	dir := t.TempDir()
	db := "--store=" + filepath.Join(dir, "tollgate.db")
	if err := start(dir, Broker{Slug: "acme"}); err != nil {
		t.Fatal(err)
	}
	if _, err := tollgate("key", "create", db); err == nil || !strings.Contains(err.Error(), "is there") {
		t.Errorf("secrets that are there: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "secrets.json")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := start(dir, Broker{Slug: "acme"}); err == nil || !strings.Contains(err.Error(), "put it back from a backup") {
			t.Errorf("a start without secrets: %v", err)
		}
	}
	if _, err := tollgate("user", "list", db); err == nil || !strings.Contains(err.Error(), "caddy tollgate key create") {
		t.Errorf("a command without secrets: %v", err)
	}
	if out, err := tollgate("key", "create", db); err != nil || !strings.Contains(out, "all logins have ended") {
		t.Fatal(out, err)
	}
	if err := start(dir, Broker{Slug: "acme"}); err != nil {
		t.Error(err)
	}
}
