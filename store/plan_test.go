package store_test

import (
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// TestPlanOfStatement plans a statement the same whatever is bound to it: it need not be planned again for every value.
func TestPlanOfStatement(t *testing.T) {
	s := storetest.New(t)
	bound := storetest.Plan(t, s, `SELECT id FROM profile WHERE slug LIKE ?`, "x%")
	if written := storetest.Plan(t, s, `SELECT id FROM profile WHERE slug LIKE 'x%'`); !strings.Contains(written, "SEARCH") {
		t.Fatalf("a prefix that is written down is planned as %q: this test shows nothing", written)
	}
	if unbound := storetest.Plan(t, s, `SELECT id FROM profile WHERE slug LIKE ?`, nil); bound != unbound {
		t.Errorf("the plan is %q for a prefix and %q for another value", bound, unbound)
	}
}

// TestBoundValues binds values as they are given, wherever they stand.
func TestBoundValues(t *testing.T) {
	s := storetest.New(t)
	err := s.Read(t.Context(), func(r store.Reader) error {
		var types, quoted string
		if err := r.QueryRow(`SELECT typeof(?) || ' ' || typeof(?) || ' ' || typeof(?) || ' ' || typeof(?) || ' ' || typeof(?2), 'what?' || ' it''s ?'`,
			1, "1", nil, []byte("1")).Scan(&types, &quoted); err != nil {
			return err
		}
		if want := "integer text null blob text"; types != want {
			t.Errorf("the types are %q instead of %q", types, want)
		}
		if want := "what? it's ?"; quoted != want {
			t.Errorf("the text is %q instead of %q", quoted, want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
