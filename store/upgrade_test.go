package store_test

import (
	"path/filepath"
	"testing"

	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// isID says that a public id is 20 characters of base32.
const isID = `length(public_id) = 20 AND public_id NOT GLOB '*[^a-z2-7]*'`

// A public id is given to every row and never changes (decision 69).
func TestPublicIDs(t *testing.T) {
	s := newStore(t)
	mustWrite(t, s, func(tx *store.Tx) error {
		_, err := tx.Exec(`INSERT INTO user (username, created_at, password_changed_at) VALUES ('ann', 1, 1), ('bob', 1, 1)`)
		return err
	})
	if n := count(t, s, `SELECT count(DISTINCT public_id) FROM user WHERE `+isID); n != 2 {
		t.Errorf("%d ids of 2 users", n)
	}
	for _, statement := range []string{
		`UPDATE user SET public_id = 'aaaaaaaaaaaaaaaaaaaa' WHERE username = 'ann'`, `UPDATE user SET public_id = NULL`,
		`UPDATE profile SET public_id = 'aaaaaaaaaaaaaaaaaaaa' WHERE id = 1`,
		`INSERT INTO user (username, public_id, created_at, password_changed_at) SELECT 'cy', public_id, 1, 1 FROM user WHERE username = 'ann'`,
	} {
		if err := s.Write(t.Context(), func(tx *store.Tx) error { _, err := tx.Exec(statement); return err }); err == nil {
			t.Errorf("%s: no error", statement)
		}
	}
	mustWrite(t, s, func(tx *store.Tx) error {
		_, err := tx.Exec(`UPDATE user SET username = 'anna' WHERE username = 'ann'`)
		return err
	})
}

// upgraded is a store whose rows were written by statements when its schema was that of a migration.
func upgraded(t *testing.T, version int64, statements ...string) *store.Store {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tollgate.db")
	store.MigrateTo(t, path, version)
	db := store.RawDB(path)
	for _, statement := range statements {
		if _, err := db.Exec(statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return storetest.Open(t, path, storetest.NewClock())
}

// What later migrations keep beside older rows is made from the rows that are there.
func TestUpgradeOfRows(t *testing.T) {
	s := upgraded(t, 15,
		`INSERT INTO profile (id, slug, created_at) VALUES (11, 'cowork', 1), (12, 'xia', 1), (13, 'gym', 1)`,
		`INSERT INTO user (id, username, created_at, password_changed_at) VALUES (1, 'xia', 1, 1), (2, 'yan', 1, 1)`,
		`INSERT INTO plan (id, slug, profile_id, title, created_at, period_amount, period_type, period_length, unit) VALUES (5, 'basic', 11, 'Basic', 1, 2000, 4, 1, 'usd')`,
		`INSERT INTO subscription (id, created_at, ends_at, profile_id, plan_id, provider_id) VALUES (7, 10, 9000000000000000, 12, 5, 11)`,
		`INSERT INTO batch (id, created_at, kind, actor, first_id, nb_entries, hash) VALUES (1, 10, 'order', '', 1, 3, zeroblob(32))`,
		`INSERT INTO txn (id, created_at, descr, event_id, dest_account, dest_profile_id, dest_amount, dest_unit,
			orig_account, orig_profile_id, orig_amount, orig_unit, payer_id, nb_periods, kind, batch_id)
			VALUES (1, 10, '', 'sub_7/', 'Payable', 12, 2000, 'usd', 'Receivable', 11, 2000, 'usd', 12, 1, 'order', 1),
				(2, 5000000000, '', 'sub_7/', 'Payable', 12, 2000, 'usd', 'Receivable', 11, 2000, 'usd', 12, 1, 'order', 1),
				(3, 9000000000, '', 'sub_7/', 'Payable', 12, 3000, 'usd', 'Receivable', 11, 3000, 'usd', 12, 1, 'order', 1)`,
		`INSERT INTO outbox (id, created_at, event, subject, sink, recipients, payload, next_at)
			VALUES (1, 1, 'e', 'user/xia', 'mail', '{}', '{}', 5), (2, 1, 'e', 'user/xia', 'mail', '{}', '{}', 5), (3, 1, 'e', 'user/yan', 'mail', '{}', '{}', 5)`,
		`INSERT INTO checkout_attempt (idempotency_key, created_at, profile_id, lines, amount, unit, state) VALUES
			('a', 20, 12, '{"bills":[{"provider":11,"unit":"usd"},{"provider":13,"unit":"usd"}]}', 5, 'usd', 'declined'),
			('b', 30, 12, '{"bills":[{"provider":11,"unit":"usd"}]}', 5, 'usd', 'committed')`,
	)
	for query, want := range map[string]int64{
		`SELECT count(*) FROM movement`: 3, // the slots 0, 1 and 2
		`SELECT count(*) FROM movement WHERE dest_profile_id = 0 AND orig_profile_id = 11 AND dest_account = 'Payable' AND orig_account = 'Receivable'`: 3,
		`SELECT sum(dest_amount) FROM movement`:                                        7000,
		`SELECT count(*) FROM price`:                                                   2, // the second order asks for the terms of the first
		`SELECT until FROM price WHERE entry_id = 1`:                                   9000000000,
		`SELECT amount FROM price WHERE until = 9223372036854775807`:                   3000,
		`SELECT count(*) FROM outbox WHERE next_at = 5 AND id IN (1, 3)`:               2,
		`SELECT count(*) FROM outbox WHERE next_at > 250000000000000000 AND id = 2`:    1,
		`SELECT count(*) FROM card_refusal WHERE created_at = 20 AND customer_id = 12`: 2,
		`SELECT count(*) FROM card_refusal WHERE provider_id NOT IN (11, 13)`:          0,
		`SELECT count(*) FROM profile WHERE clock_ahead <> 0`:                          0,
		`SELECT count(DISTINCT public_id) FROM user WHERE ` + isID:                     2,
		`SELECT count(DISTINCT public_id) FROM profile WHERE ` + isID:                  3,
	} {
		if got := count(t, s, query); got != want {
			t.Errorf("%s: %d, want %d", query, got, want)
		}
	}
}

// At the upgrade to proven addresses, those that were proven are, all others are not, and one-time passwords that are on stay on
// (decision 66). A grant that nobody was asked about charges nobody, unless something of it was ordered (decision 68).
func TestUpgradeToProvenAddresses(t *testing.T) {
	s := upgraded(t, 20,
		`INSERT INTO user (id, username, email, created_at, password_changed_at)
			VALUES (1, 'xia', 'xia@example.com', 1, 1), (2, 'yan', 'yan@example.com', 1, 1)`,
		`INSERT INTO contact (slug, created_at, email, phone, user_id, email_verified_at, phone_verified_at) VALUES
			('xia', 1, 'xia@example.com', '+14155555551', 1, 7, NULL), ('yan', 1, 'yan@example.com', '+14155555552', 2, NULL, 8)`,
		`INSERT INTO otp (user_id, priv_key, created_at) VALUES (2, x'00', 1)`,
		`INSERT INTO otp_recovery (user_id, code_hash) VALUES (2, x'01')`,
		`INSERT INTO profile (id, slug, created_at) VALUES (11, 'cowork', 1), (12, 'xia', 1)`,
		`INSERT INTO plan (id, slug, profile_id, title, created_at, skip_optin_on_grant)
			VALUES (5, 'skips', 11, 'Skips', 1, 1), (6, 'asks', 11, 'Asks', 1, 0)`,
		`INSERT INTO subscription (id, created_at, ends_at, profile_id, plan_id, provider_id, grant_key) VALUES (1, 10, 20, 12, 5, 11, NULL),
			(2, 10, 20, 12, 6, 11, NULL), (3, 10, 20, 12, 5, 11, 'waits'), (4, 10, 20, 12, 5, 11, NULL)`,
		`INSERT INTO batch (id, created_at, kind, actor, first_id, nb_entries, hash) VALUES (1, 10, 'order', '', 1, 1, zeroblob(32))`,
		`INSERT INTO txn (id, created_at, descr, event_id, dest_account, dest_profile_id, dest_amount, dest_unit,
			orig_account, orig_profile_id, orig_amount, orig_unit, payer_id, nb_periods, kind, batch_id)
			VALUES (1, 10, '', 'sub_4/', 'Payable', 12, 2000, 'usd', 'Receivable', 11, 2000, 'usd', 12, 1, 'order', 1)`,
	)
	for query, want := range map[string]int64{
		`SELECT count(*) FROM contact WHERE email_verified_at IS NOT NULL`:              1,
		`SELECT email_verified_at FROM contact WHERE slug = 'xia'`:                      7,
		`SELECT count(*) FROM contact WHERE slug = 'xia' AND phone_verified_at IS NULL`: 1,
		`SELECT phone_verified_at FROM contact WHERE slug = 'yan'`:                      8,
		`SELECT count(*) FROM contact WHERE replaced_at IS NOT NULL`:                    0,
		`SELECT user_id FROM otp`:                                                           2,
		`SELECT count(*) FROM otp_recovery WHERE used_at IS NULL`:                           1,
		`SELECT count(*) FROM subscription WHERE unasked = 1`:                               1,
		`SELECT id FROM subscription WHERE unasked = 1`:                                     1,
		`SELECT (SELECT count(*) FROM invitation) + (SELECT count(*) FROM pending_address)`: 0,
	} {
		if got := count(t, s, query); got != want {
			t.Errorf("%s: %d, want %d", query, got, want)
		}
	}
}
