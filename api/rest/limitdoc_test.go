package rest_test

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/api/rest"
)

// The table of limits in docs/operations.md has every limit, with its default, and words that docs/settings.md has with the same default.
func TestLimitsAreDocumented(t *testing.T) {
	table, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	settings, err := os.ReadFile("../../docs/settings.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[rest.Limit][]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|.*\\|$").FindAllString(between(string(table), "## Limits", "\n**"), -1) {
		cells := strings.Split(row, "|")
		documented[rest.Limit(strings.Trim(cells[1], " `"))] = cells
	}
	number := func(n int) string {
		if n == 0 {
			return ""
		}
		return strconv.Itoa(n)
	}
	rest.Rejections(func(l rest.Limit, _ uint64) {
		cells := documented[l]
		delete(documented, l)
		if len(cells) != 7 {
			t.Errorf("%s has no row", l)
			return
		}
		client, user := strings.TrimSpace(cells[3]), strings.TrimSpace(cells[4])
		if bound, ok := rest.DefaultLimits()[l]; ok && (client != number(bound.PerClient) || user != number(bound.PerUser)) {
			t.Errorf("%s: %s for a client and %s for a user, want %+v", l, client, user, bound)
		}
		var defaults []string
		for _, word := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(cells[5], -1) {
			found := regexp.MustCompile("(?m)^\\| `" + word[1] + "` \\|[^|]*\\|[^|]*\\| `([^`]*)` \\|").FindStringSubmatch(string(settings))
			if found == nil {
				t.Errorf("%s: no setting %s", l, word[1])
				continue
			}
			defaults = append(defaults, found[1])
		}
		given := regexp.MustCompile(`[0-9]+`).FindAllString(client+" "+user, -1)
		if len(defaults) > 0 && !strings.HasPrefix(fmt.Sprint(defaults), strings.TrimSuffix(fmt.Sprint(given), "]")) {
			t.Errorf("%s: %v, and the settings say %v", l, given, defaults)
		}
	})
	for l := range documented {
		t.Errorf("%s is no limit", l)
	}
}

func between(text, from, to string) string {
	_, text, _ = strings.Cut(text, from)
	text, _, _ = strings.Cut(text, to)
	return text
}
