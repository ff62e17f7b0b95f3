package importer

import (
	"testing"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/store"
)

// TestImportedProof takes an address for proven where the file says when that was, and no other one (decision 66).
func TestImportedProof(t *testing.T) {
	w := newWorld(t, "seed.sqlite",
		`UPDATE signup_contact SET email_verified_at = NULL, phone_verified_at = NULL, phone = NULL`,
		`UPDATE signup_contact SET email_verified_at = '2026-01-02 03:04:05', phone = '+14155551212' WHERE id = 1`,
		`UPDATE signup_contact SET phone_verified_at = '2026-01-02 03:04:05', phone = '+14155551213' WHERE id = 2`,
	)
	w.run()
	if err := w.Store.Read(t.Context(), func(r store.Reader) error {
		for id, want := range map[int64]struct{ email, phone bool }{1: {email: true}, 2: {phone: true}, 3: {}} {
			var user int64
			var email, phone string
			row := r.QueryRow(`SELECT user_id, coalesce(email, ''), coalesce(phone, '') FROM contact WHERE id = ?`, id)
			if err := row.Scan(&user, &email, &phone); err != nil {
				return err
			}
			for kind, c := range map[directory.AddressKind]struct {
				address string
				proven  bool
			}{directory.Email: {email, want.email}, directory.Phone: {phone, want.phone}} {
				got, err := directory.UserOf(r, kind, c.address)
				if err != nil {
					return err
				}
				if stands := got == user; stands != c.proven || user == 0 || c.proven && c.address == "" {
					t.Errorf("the %s %q of contact %d stands for its user %d: %v, want %v", kind, c.address, id, user, stands, c.proven)
				}
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
