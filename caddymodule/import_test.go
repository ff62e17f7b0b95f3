package caddymodule

import (
	"testing"
)

// TestGoldenImported plays the recorded scenarios on a site that was imported from the recorded system's own database. Where the
// answers differ from those of a site that was filled through the API, the import is wrong.
func TestGoldenImported(t *testing.T) {
	playGolden(t, func(t *testing.T, _ *seed, g *golden) {
		if _, err := g.service.Import(t.Context(), "testdata/golden/seed.sqlite", false, nil); err != nil {
			t.Fatal(err)
		}
	})
}
