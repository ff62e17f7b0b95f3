package caddymodule

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/caddy-tollgate/tollgate/accessrules"
)

// TestWords says every operation of access.md B.3 in the words of the Caddyfile: the condition that they make is the one that the
// rules API makes, so that the table of decisions holds for both.
func TestWords(t *testing.T) {
	for op := range 19 {
		rapid.Check(t, sayAgain(op))
	}
}

// sayAgain says an operation with arguments drawn at random.
func sayAgain(op int) func(t *rapid.T) {
	return func(t *rapid.T) {
		slugs := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"acme", "support", "Premium_2", "x-y"}), 0, 3, rapid.ID[string])
		kwargs, err := json.Marshal(map[string]any{
			"profile": rapid.SampledFrom([]any{nil, "acme"}).Draw(t, "profile"), "user": rapid.SampledFrom([]any{nil, "xia"}).Draw(t, "user"),
			"agreement": rapid.SampledFrom([]any{nil, "privacy"}).Draw(t, "agreement"), "roledescription": orNil(slugs.Draw(t, "roles")),
			"plan": orNil(slugs.Draw(t, "plans")), "brokers": orNil(slugs.Draw(t, "brokers")),
		})
		if err != nil {
			t.Fatal(err)
		}
		want, err := accessrules.ParseAllow(fmt.Sprintf("%d/%s", op, kwargs))
		if err != nil {
			t.Fatal(err)
		}
		words := strings.Fields(want.String())
		got, err := parseCondition(words)
		if err != nil {
			t.Fatalf("%d/%s is %q: %v", op, kwargs, want, err)
		}
		// The contributor that is meant when no role is named is written, and so is a list of one plan.
		if got.String() != want.String() || plain(accessrules.FormatAllow(got)) != plain(accessrules.FormatAllow(want)) {
			t.Fatalf("%d/%s is %q: %s, not %s", op, kwargs, want, accessrules.FormatAllow(got), accessrules.FormatAllow(want))
		}
	}
}

func orNil(list []string) any {
	if len(list) == 0 {
		return nil
	}
	return list
}

// plain drops what two spellings of one condition differ in.
func plain(allow string) string {
	for _, r := range [][2]string{{"[", ""}, {"]", ""}, {`"roledescription": "contributor"`, ""}, {", , ", ", "}, {", }", "}"}, {"{, ", "{"}, {"/{}", ""}} {
		allow = strings.ReplaceAll(allow, r[0], r[1])
	}
	return allow
}
