package profile

import (
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// statement is the text of a page of a list.
func statement[T any](l *rest.List[T], order string, search ...string) string {
	where := ""
	if l.Where != "" {
		where = " WHERE " + strings.Join(append(search, "("+l.Where+")"), " AND ")
	}
	return "SELECT " + l.Select + " FROM " + l.From + where + " ORDER BY " + order + " LIMIT 26"
}

// No list reads more than it shows, or than the one profile or user that it is about has.
func TestPlans(t *testing.T) {
	w := newWorld(t)
	for _, tc := range []struct {
		name, query string
		nargs       int
		want        string   // steps that must be there
		never       []string // and what must not
	}{
		{"profiles", statement(&everybody, "p.full_name, p.id"), 1, "SCAN p USING COVERING INDEX profile_full_name", []string{"TEMP B-TREE"}},
		{"profiles by date", statement(&everybody, "p.created_at, p.full_name, p.id"), 1, "SCAN p USING COVERING INDEX profile_created_at", []string{"TEMP B-TREE"}},
		{"latest profiles", statement(&everybody, "p.created_at DESC, p.full_name, p.id"), 1, "SCAN p USING COVERING INDEX profile_created_at", []string{"FOR ORDER BY"}},
		{"search for profiles", statement(everybodySearched, everybodySearched.Order["full_name"][0]+", p.id", "p.locality LIKE ?"), 2, "SCAN p\nUSE TEMP B-TREE", nil},
		{"latest profiles of a search", statement(everybodySearched, everybodySearched.Order["created_at"][0]+" DESC, p.id", "p.locality LIKE ?"), 2, "SCAN p\nUSE TEMP B-TREE", nil},
		{"type-ahead search for profiles", statement(accountProfilesSearched, accountProfilesSearched.Order["full_name"][0]+", p.id", "p.locality LIKE ?"), 2, "SCAN p\nUSE TEMP B-TREE", nil},
		{"connected", statement(&connected, "p.full_name, p.id"), 2, "SEARCH r USING INDEX role_user (user_id=?)", []string{"SCAN", "role_description_roles"}},
		{"type-ahead profiles", statement(&accountProfiles, "p.full_name, p.id"), 1, "SCAN p USING INDEX profile_full_name", []string{"TEMP B-TREE"}},
		{"neighbours", statement(&neighbours, "p.full_name, p.id"), 6, "SEARCH p USING INDEX profile_email_domain (email_domain=?)", []string{"SCAN"}},
		{"type-ahead users", statement(&accountUsers, "u.first_name, u.last_name, u.id"), 0, "SCAN u USING COVERING INDEX user_first_name", []string{"TEMP B-TREE"}},
		{"bare users", statement(&bareUsers, "u.first_name, u.last_name, u.id"), 0, "SCAN u USING COVERING INDEX user_first_name\nCORRELATED SCALAR SUBQUERY 1\nSEARCH p USING COVERING INDEX sqlite_autoindex_profile_1 (slug=?)", []string{"FOR ORDER BY"}},
		{"roles", statement(&profileRoles, "r.created_at DESC, u.username, r.id"), 5, "SEARCH r USING INDEX role_profile_created (profile_id=?)\nSEARCH u USING INTEGER PRIMARY KEY (rowid=?)", []string{"SCAN", "FOR ORDER BY"}},
		{"roles of a description", statement(&describedRoles, "r.created_at DESC, u.username, r.id"), 6, "SEARCH r USING INDEX role_profile_created (profile_id=?)", []string{"SCAN", "FOR ORDER BY"}},
		{"accessibles", statement(&accessibles, "r.created_at DESC, r.id"), 6, "SEARCH r USING INDEX role_user (user_id=?)", []string{"SCAN"}},
		{"accessibles of a description", statement(&accessiblesAs, "r.created_at DESC, r.id"), 7, "SEARCH r USING INDEX role_user (user_id=?)", []string{"SCAN"}},
		{"descriptions", statement(&descriptions, "d.slug, d.id"), 1, "SEARCH role_description USING INDEX role_description_local (profile_id=?)", []string{"SCAN role_description\n", "SCAN d"}},
		{"agreements", statement(&agreements, "a.title, a.id"), 0, "SCAN a USING INDEX", []string{"TEMP B-TREE"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			args := make([]any, tc.nargs)
			for i := range args {
				args[i] = 1
			}
			plan := storetest.Plan(t, w.Store, tc.query, args...)
			if !strings.Contains(plan, tc.want) {
				t.Errorf("plan\n%s\nwant\n%s", plan, tc.want)
			}
			for _, step := range tc.never {
				if strings.Contains(plan, step) {
					t.Errorf("plan\n%s\nhas %s", plan, step)
				}
			}
		})
	}
}
