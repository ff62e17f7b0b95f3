package api

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// Whoever adds a table says who adds rows to it and what bounds them, by limits that there are (docs/growth.md).
func TestGrowthOfEachTableIsBounded(t *testing.T) {
	page, err := os.ReadFile("../docs/growth.md")
	if err != nil {
		t.Fatal(err)
	}
	limits := map[string]bool{}
	rest.Rejections(func(l rest.Limit, _ uint64) { limits[string(l)] = true })
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (.+) \\| (.+) \\|$").FindAllStringSubmatch(string(page), -1) {
		if documented[row[1]] {
			t.Errorf("%s has two rows", row[1])
		}
		documented[row[1]] = true
		for _, word := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(row[3], -1) {
			if !limits[word[1]] && !strings.Contains(row[3], "see `"+word[1]+"`") {
				t.Errorf("%s: %s is no limit", row[1], word[1])
			}
		}
	}
	s := newService(t)
	if err := s.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	var tables []string
	err = s.site.Store.Read(t.Context(), func(r store.Reader) (err error) {
		tables, err = store.Column[string](r,
			`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'goose_db_version'`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		if !documented[table] {
			t.Errorf("%s: nothing says what bounds its rows", table)
		}
		delete(documented, table)
	}
	for table := range documented {
		t.Errorf("%s is no table", table)
	}
}
