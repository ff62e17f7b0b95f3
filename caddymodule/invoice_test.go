package caddymodule

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/caddy-tollgate/tollgate/store"
)

// TestInvoiceKeys pays for something and has the application take note of it: it is told by the requests of whom the key is for, until
// it answers one of them with 200 (access.md B.7).
func TestInvoiceKeys(t *testing.T) {
	var status atomic.Int64
	u := newUpstream(t)
	says := u.Config.Handler
	u.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		says.ServeHTTP(answer, r)
		w.WriteHeader(int(status.Load()))
		_, _ = io.Copy(w, answer.Body)
	})
	s := newSite(t, func(s *site) {
		s.upstream = u
		s.gate = "rule /public/ any\n\t\trule /account/ authenticated\n\t\trule /local/ {\n\t\t\tauthenticated\n\t\t\tlocal\n\t\t}"
	})
	app := runningApp(t)
	joe, ann := s.register("joe1"), s.register("ann")
	s.confirm("joe1")
	s.must(201, "POST", "/api/profile/joe1/roles/contributor", map[string]any{"slug": "ann"}, joe)
	acceptRole(s, "ann", ann)
	s.must(201, "POST", "/api/cart", map[string]any{"plan": "premium", "option": 1}, joe)
	charge := s.must(201, "POST", "/api/billing/joe1/checkout", map[string]any{"processor_token": "tok_visa"}, joe).json(t)["processor_key"].(string)

	told := func(path, as string, answered int) []string {
		t.Helper()
		status.Store(int64(answered))
		s.must(answered, "GET", path, nil, as)
		session := decodeSession(t, u.take().Headers["Authorization"][0])
		keys := []string{}
		for _, key := range session["invoice_keys"].([]any) {
			keys = append(keys, key.(string))
		}
		return keys
	}
	number := 0
	pay := func(on string) (key string) { // as a site that comes from the reference has it: nothing of the API makes keys
		t.Helper()
		number++
		key = fmt.Sprintf("inv-%d", number)
		err := app.site.Store.Write(t.Context(), func(tx *store.Tx) error {
			n, err := tx.Exec(`UPDATE charge_item SET invoice_key = ?, sync_on = ? WHERE id = (SELECT min(id) FROM charge_item)`, key, on)
			if err == nil && n != 1 {
				err = fmt.Errorf("%d charge items", n)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		app.site.Directory.TouchAll()
		return key
	}
	none := []string{}
	pay("joe1")
	if got := told("/account/", joe, 200); len(got) != 0 {
		t.Errorf("told of a charge that is not done: %v", got)
	}
	s.must(200, "GET", "/api/billing/joe1/charges/"+charge, nil, joe) // asks the processor, and settles
	if got := told("/account/", joe, 200); len(got) != 1 {
		t.Errorf("told of a charge that is done: %v", got)
	}
	for name, test := range map[string]struct {
		on         string
		joe1, anns bool // are told
	}{
		"by e-mail, in other letters": {"JOE1@Example.com", true, false},
		"by username":                 {"ann", false, true},
		"by profile":                  {"joe1", true, true},
		"of somebody else":            {"nobody@example.com", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			key := pay(test.on)
			for as, is := range map[string]bool{joe: test.joe1, ann: test.anns} {
				want := none
				if is {
					want = []string{key}
				}
				for range 2 { // the application has not taken note: it is told again
					if got := told("/account/", as, 503); !slices.Equal(got, want) {
						t.Errorf("told %v, want %v", got, want)
					}
				}
				if got := told("/public/", as, 200); len(got) != 0 {
					t.Errorf("a rule that is open to all tells of %v", got)
				}
				if !is {
					if got := told("/account/", as, 200); len(got) != 0 {
						t.Errorf("told %v", got)
					}
				}
			}
			as := joe
			if !test.joe1 {
				as = ann
			}
			if got := told("/account/", as, 200); (len(got) == 1) != (test.joe1 || test.anns) {
				t.Errorf("at last told %v", got)
			}
			for _, as := range []string{joe, ann} {
				if got := told("/account/", as, 200); len(got) != 0 {
					t.Errorf("told once more: %v", got)
				}
			}
		})
	}
	t.Run("a role ends", func(t *testing.T) {
		pay("joe1")
		s.must(204, "DELETE", "/api/profile/joe1/roles/contributor/ann", nil, joe)
		if got := told("/account/", ann, 503); len(got) != 0 {
			t.Errorf("told %v", got)
		}
		if got := told("/account/", joe, 503); len(got) != 1 {
			t.Errorf("told %v", got)
		}
	})
}
