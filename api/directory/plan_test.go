package directory

import (
	"database/sql"
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// recorder is a reader that remembers what it was asked.
type recorder struct {
	store.Reader
	queries map[string][]any
}

func (r *recorder) Query(query string, args ...any) (*sql.Rows, error) {
	r.queries[query] = args
	return r.Reader.Query(query, args...)
}

func (r *recorder) QueryRow(query string, args ...any) *sql.Row {
	r.queries[query] = args
	return r.Reader.QueryRow(query, args...)
}

// Every query of the directory finds its rows by an index; only agreements are read whole.
func TestQueriesUseIndexes(t *testing.T) {
	w := newWorld(t)
	xia, acme, shadow := w.user("xia"), w.profile("acme"), w.profile("shadow")
	w.role(xia, acme, w.manager)
	w.insert(`INSERT INTO agreement (slug, title, updated_at) VALUES ('terms', 'T', 0)`)
	w.insert(`INSERT INTO signature (agreement_id, user_id, last_signed) VALUES (1, ?, 0)`, xia)
	s, _ := w.login(xia, true)
	key, _ := w.apiKey(xia)
	queries := map[string][]any{}
	w.read(func(reader store.Reader) error {
		r := &recorder{reader, queries}
		for _, ask := range []func() error{
			func() error { _, err := w.findUser(r, 1, xia); return err },
			func() error { _, err := w.readProfiles(r, 1, []int64{shadow}); return err },
			func() error { _, err := w.UserDetails(r, []int64{xia}); return err },
			func() error { _, err := w.Profiles(r, []int64{acme}); return err },
			func() error { _, err := w.ProfileDetails(r, []int64{acme}, true); return err },
			func() error { _, err := w.openCookie(r, 1, s.Key); return err },
			func() error { _, err := w.openKey(r, 1, key); return err },
			func() error { _, err := w.NameFree(r, "bob", 7, 7); return err },
			func() error { _, err := readInvoiceKeys(r, &accessrules.User{Username: "xia"}); return err },
			func() error { _, err := invoicedNames(r, []string{"key"}); return err },
			func() error { _, _, err := named(r, []string{"xia"}); return err },
			func() error { _, err := UserOf(r, Phone, "+14155550100"); return err },
			func() error { _, err := HoldersOf(r, Phone, "+14155550100"); return err },
			func() error { _, err := LoginsOf(r, Email, "xia@example.com"); return err },
			func() error { _, err := ProfilesOf(r, []string{"xia@example.com"}); return err },
		} {
			if err := ask(); err != nil {
				return err
			}
		}
		return nil
	})
	if len(queries) < 15 {
		t.Errorf("%d queries were seen", len(queries))
	}
	for query, args := range queries {
		plan := storetest.Plan(t, w.store, query, args...)
		for _, step := range strings.Split(plan, "\n") {
			if strings.HasPrefix(step, "SCAN ") && step != "SCAN CONSTANT ROW" && !strings.HasPrefix(step, "SCAN json_each") {
				t.Errorf("%s\nis answered by\n%s", query, plan)
				break
			}
		}
	}
}
