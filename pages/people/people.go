// Package people makes the pages on which somebody becomes known to the site and looks after the account (pages.md 2.1).
package people

import (
	"errors"
	"slices"
	"strings"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/pages"
)

// Pages are the rows of the table of pages that this package shows.
func Pages() []pages.Page {
	return pages.WithSamples(slices.Concat(entrance(), account(), papers()), samples)
}

// failedOn returns the fields that an answer refuses, nil when the error is none of the statuses.
func failedOn(err error, statuses ...int) map[string][]string {
	var answer *rest.Error
	if !errors.As(err, &answer) {
		return nil
	}
	for _, status := range statuses {
		if answer.Status == status {
			return answer.Fields()
		}
	}
	return nil
}

// withCookie asks for a session by cookie.
var withCookie = map[string][]string{"cookie": {"1"}}

// isPhone reports whether somebody typed a phone number for a name.
func isPhone(name string) bool {
	return name != "" && !strings.ContainsRune(name, '@') && strings.Trim(name, "+0123456789 ()-.") == ""
}
