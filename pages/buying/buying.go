// Package buying makes the pages of somebody who subscribes to something (pages.md 2.2).
package buying

import (
	"slices"

	"github.com/caddy-tollgate/tollgate/pages"
)

// Pages are the rows of the table of pages that this package shows.
func Pages() []pages.Page {
	return pages.WithSamples(slices.Concat(pricingPages(), grantPages(), appPages()), samples)
}
