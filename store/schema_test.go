package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/store"
)

// withEntry returns a store with a batch of two ledger entries.
func withEntry(t testing.TB) *store.Store {
	t.Helper()
	s := newStore(t)
	mustWrite(t, s, func(tx *store.Tx) error {
		if _, err := tx.Exec(`INSERT INTO batch (id, created_at, kind, actor, first_id, nb_entries, hash) VALUES (1, 0, 'order', 'ann', 1, 1, zeroblob(32))`); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO txn (id, reverts_id, created_at, dest_account, dest_profile_id, dest_amount, dest_unit, orig_account, orig_profile_id, orig_amount, orig_unit, kind, batch_id)
			VALUES (1, NULL, 0, 'Receivable', 1, 100, 'usd', 'Income', 2, 100, 'usd', 'order', 1), (2, 1, 0, 'Income', 2, 100, 'usd', 'Receivable', 1, 100, 'usd', 'order', 1)`)
		return err
	})
	return s
}

func TestLedgerIsAppendOnly(t *testing.T) {
	s := withEntry(t)
	const (
		txnColumns   = `created_at, dest_account, dest_profile_id, dest_amount, dest_unit, orig_account, orig_profile_id, orig_amount, orig_unit, kind, batch_id`
		txnValues    = `0, 'Receivable', 1, 999, 'usd', 'Income', 2, 999, 'usd', 'order', 1`
		batchColumns = `created_at, kind, actor, first_id, nb_entries, hash`
	)
	content := func() string {
		var txn, batch string
		err := s.Read(t.Context(), func(r store.Reader) error {
			if err := r.QueryRow(`SELECT group_concat(id || ':' || dest_amount) FROM txn`).Scan(&txn); err != nil {
				return err
			}
			return r.QueryRow(`SELECT group_concat(id || ':' || nb_entries || ':' || hex(hash)) FROM batch`).Scan(&batch)
		})
		if err != nil {
			t.Fatal(err)
		}
		return txn + " " + batch
	}
	before := content()
	for _, statement := range []string{
		`UPDATE txn SET dest_amount = 999, orig_amount = 999`,
		`UPDATE txn SET descr = 'other' WHERE id = 1`,
		`UPDATE OR REPLACE txn SET id = 2 WHERE id = 1`,
		`UPDATE OR IGNORE txn SET id = 2`,
		`DELETE FROM txn`,
		`DELETE FROM txn WHERE id = 1`,
		`REPLACE INTO txn (id, ` + txnColumns + `) VALUES (1, ` + txnValues + `)`,
		`INSERT OR REPLACE INTO txn (rowid, ` + txnColumns + `) VALUES (1, ` + txnValues + `)`,
		`INSERT INTO txn (id, ` + txnColumns + `) VALUES (1, ` + txnValues + `) ON CONFLICT (id) DO UPDATE SET dest_amount = 999, orig_amount = 999`,
		`UPDATE batch SET nb_entries = 2`,
		`UPDATE OR REPLACE batch SET id = 2`,
		`DELETE FROM batch`,
		`REPLACE INTO batch (id, ` + batchColumns + `) VALUES (1, 0, 'order', 'ann', 1, 2, zeroblob(32))`,
		`REPLACE INTO txn (id, reverts_id, ` + txnColumns + `) VALUES (3, 1, ` + txnValues + `)`, // entry 2 would go, for it reverts 1 as well
		`DELETE FROM profile WHERE id = 1`, // the entries' profiles stay
	} {
		err := s.Write(t.Context(), func(tx *store.Tx) error { _, err := tx.Exec(statement); return err })
		if err == nil {
			t.Errorf("%s: no error", statement)
		}
		if after := content(); after != before {
			t.Fatalf("%s: the books changed from %s to %s", statement, before, after)
		}
	}
	// Another program has other settings: by SQLite's defaults REPLACE does not fire the triggers of DELETE.
	other := store.NaiveDB(pathOf(t, s))
	defer other.Close()
	for _, statement := range []string{
		`DELETE FROM txn`,
		`REPLACE INTO txn (id, ` + txnColumns + `) VALUES (1, ` + txnValues + `)`,
		`REPLACE INTO batch (id, ` + batchColumns + `) VALUES (1, 0, 'order', 'ann', 1, 2, zeroblob(32))`,
	} {
		if _, err := other.Exec(statement); err == nil {
			t.Errorf("%s by another program: no error", statement)
		}
	}
	if after := content(); after != before {
		t.Fatalf("the books changed from %s to %s", before, after)
	}
}

func TestConstraintErrors(t *testing.T) {
	s := withEntry(t)
	const addUser = `INSERT INTO user (id, username, email, created_at, password_changed_at) VALUES (?, ?, ?, 0, 0)`
	mustWrite(t, s, func(tx *store.Tx) error {
		_, err := tx.Exec(addUser, 7, "ann", "ann@example.com")
		return err
	})
	tests := []struct {
		query string
		args  []any
		want  store.ConstraintError
	}{
		{addUser, []any{8, "ANN", "other@example.com"}, store.ConstraintError{Kind: "unique", Table: "user", Column: "username"}},
		{addUser, []any{8, "bob", "Ann@Example.com"}, store.ConstraintError{Kind: "unique", Table: "user", Column: "email"}},
		{addUser, []any{7, "bob", "bob@example.com"}, store.ConstraintError{Kind: "unique", Table: "user", Column: "id"}},
		{addUser, []any{8, nil, "bob@example.com"}, store.ConstraintError{Kind: "not null", Table: "user", Column: "username"}},
		{`INSERT INTO balance (profile_id, account, unit, amount, nb_entries) VALUES (1, 'Funds', 'usd', 0, 0)`, nil,
			store.ConstraintError{Kind: "unique", Table: "balance", Column: "unit"}},
		{`INSERT INTO engagement (slug, user_id, last_visited) VALUES ('x', 1000, 0)`, nil, store.ConstraintError{Kind: "foreign key"}},
		{`DELETE FROM profile WHERE id = 1`, nil, store.ConstraintError{Kind: "foreign key"}},
		{`INSERT INTO charge (created_at, amount, unit, customer_id) VALUES (0, -1, 'usd', 1)`, nil, store.ConstraintError{Kind: "check"}},
		{`DELETE FROM txn`, nil, store.ConstraintError{Kind: "trigger"}},
	}
	for _, tt := range tests {
		t.Run(tt.want.Kind+" "+tt.want.Column, func(t *testing.T) {
			check := func(how string, err error) {
				t.Helper()
				var c *store.ConstraintError
				if !errors.As(err, &c) {
					t.Fatalf("%s: got %v", how, err)
				}
				if c.Kind != tt.want.Kind || c.Table != tt.want.Table || c.Column != tt.want.Column {
					t.Errorf("%s: got %s of %s.%s", how, c.Kind, c.Table, c.Column)
				}
				if c.Unwrap() == nil || !strings.Contains(c.Error(), c.Unwrap().Error()) {
					t.Errorf("%s: the driver's error is gone: %v", how, c)
				}
				column, unique := store.IsUnique(err)
				if wantUnique := tt.want.Kind == "unique"; unique != wantUnique || unique && column != tt.want.Column {
					t.Errorf("%s: IsUnique tells %s, %t", how, column, unique)
				}
			}
			err := s.Write(t.Context(), func(tx *store.Tx) error {
				_, err := tx.Exec(tt.query, tt.args...)
				check("Exec", err)
				_, err = tx.Insert(tt.query, tt.args...)
				check("Insert", err)
				check("QueryRow", tx.QueryRow(tt.query+` RETURNING 1`, tt.args...).Scan(new(int)))
				return fmt.Errorf("while testing: %w", err)
			})
			check("Write", err)
		})
	}
	for _, err := range []error{nil, errMine, store.ErrNotFound, store.ErrBusy} {
		if column, ok := store.IsUnique(err); ok || column != "" {
			t.Errorf("IsUnique(%v) is true", err)
		}
	}
}

func TestInsertAndExec(t *testing.T) {
	s := newStore(t)
	mustWrite(t, s, func(tx *store.Tx) error {
		id, err := tx.Insert(`INSERT INTO profile (slug, created_at) VALUES ('cy', ?)`, tx.Now())
		if err != nil || id != 3 {
			t.Errorf("Insert: %d, %v; want 3", id, err)
		}
		n, err := tx.Exec(`UPDATE profile SET full_name = 'x' WHERE id > 1`)
		if err != nil || n != 2 {
			t.Errorf("Exec: %d rows, %v; want 2", n, err)
		}
		var slug string
		if err := tx.QueryRow(`SELECT slug FROM profile WHERE id = ?`, id).Scan(&slug); err != nil || slug != "cy" {
			t.Errorf("a write does not see its own row: %s, %v", slug, err)
		}
		return nil
	})
}
