package caddymodule

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/store"
)

// importSeed fills a site from the recorded system's own database. The passwords are hashed again, as log-ins would: verifying the
// file's own takes most of a second each.
func importSeed(t *testing.T, g *golden) {
	t.Helper()
	if _, err := g.service.Import(t.Context(), "testdata/golden/seed.sqlite", false, nil); err != nil {
		t.Fatal(err)
	}
	hash, err := g.service.Users().Hash(t.Context(), "yoyo")
	if err != nil {
		t.Fatal(err)
	}
	err = g.site.Store.Write(t.Context(), func(tx *store.Tx) error {
		if _, err := tx.Exec(`UPDATE user SET password = ? WHERE password LIKE 'pbkdf2%'`, hash); err != nil {
			return err
		}
		// The seed that is filled through the API has proven addresses alone, which the file says of some only (decision 66).
		_, err := tx.Exec(`UPDATE contact SET email_verified_at = iif(email IS NULL, NULL, coalesce(email_verified_at, ?1)),
			phone_verified_at = iif(phone IS NULL, NULL, coalesce(phone_verified_at, ?1)) WHERE user_id IS NOT NULL`, tx.Now())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

var randomKey = regexp.MustCompile(`[0-9a-f]{40}|\byan-[0-9a-f]{7}\b`) // and the end of a slug that was made of a taken name

// departures are where answers depart from the recording, and what they are there, but for random keys. The date of the next
// billing is left out: seed.json does not have it.
func departures(diffs []difference) (list []string) {
	for _, d := range diffs {
		if d.path == ".id" && publicID.MatchString(d.got) {
			d.got = "<id>" // made by chance on each site
		}
		if !strings.HasSuffix(d.path, ".next_billing_at") {
			list = append(list, randomKey.ReplaceAllString(d.path+" "+d.got, "<key>"))
		}
	}
	slices.Sort(list)
	return list
}

var publicID = regexp.MustCompile(`^"[a-z2-7]{20}"$`)

// TestImportedAnswers plays every scenario on a site that was imported and on one that was filled through the API: their answers
// depart from the recording in the same places and ways, whatever the exceptions.
func TestImportedAnswers(t *testing.T) {
	data := readSeed(t, "testdata/golden/seed.json")
	t.Cleanup(directory.FixRandom(nil, "123456"))
	for _, sc := range readScenarios(t, "testdata/golden") {
		t.Run(sc.Scenario, func(t *testing.T) {
			loaded := newGolden(t, data, data.load)
			loaded.withGate(t, sc.Setup)
			loaded.withBooks(t, &sc)
			imported := newGolden(t, data, importSeed)
			imported.withGate(t, sc.Setup)
			imported.withBooks(t, &sc)
			for i := range sc.Steps {
				st := &sc.Steps[i]
				if st.Request.Method == "MANAGE" {
					loaded.manage(t, &sc, st)
					imported.manage(t, &sc, st)
					continue
				}
				want, got := departures(loaded.play(t, &sc, st)), departures(imported.play(t, &sc, st))
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("%s/%s: answers differ (-filled +imported):\n%s", sc.Scenario, st.Name, d)
				}
			}
		})
	}
}

// TestImportCommand takes over a site by the command, as an operator does, and serves it.
func TestImportCommand(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "Caddyfile")
	text := `{
	admin localhost:2999
	auto_https off
	skip_install_trust
	tollgate {
		url ` + base + `
		broker hub "Hub" hub@example.com
		store ` + filepath.Join(dir, "tollgate.db") + `
	}
}

` + base + ` {
	tollgate_api
}
`
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	tollgate := func(args ...string) error {
		root := &cobra.Command{Use: "tollgate", SilenceErrors: true}
		commands(root)
		root.SetOut(io.Discard)
		root.SetErr(io.Discard)
		root.SetArgs(append(args, "--config", config, "--adapter", "caddyfile"))
		return root.Execute()
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"import"}, "--from <file>"},
		{[]string{"import", "--from", filepath.Join(dir, "nowhere")}, "there is no such file"},
		{[]string{"import", "--from", config}, "not an SQLite database"},
		{[]string{"import", "--from", "testdata/golden/history.sqlite", "--dry-run"}, ""},
		{[]string{"import", "--from", "testdata/golden/history.sqlite"}, ""},
		{[]string{"import", "--from", "testdata/golden/history.sqlite"}, "the store is not empty"},
	} {
		err := tollgate(c.args...)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Fatalf("%v: %v, want %q", c.args, err, c.want)
		}
	}

	s := runSite(t, text)
	a := s.must(201, "POST", "/api/auth", map[string]any{"username": "xia", "password": "yoyo"})
	xia := "Authorization: Bearer " + a.json(t)["token"].(string)
	s.must(401, "POST", "/api/auth", map[string]any{"username": "xia", "password": "yoyoyo"})
	if due := s.must(200, "GET", "/api/billing/xia/history", nil, xia).json(t)["balance_amount"]; due != 5000.0 {
		t.Errorf("xia owes %v, want 5000", due)
	}
	s.must(201, "POST", "/api/auth", map[string]any{"username": "xia", "password": "yoyo"}) // hashed anew by the first log-in
}
