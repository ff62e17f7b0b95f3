package ledger

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// foreignOrder is an order as another system has it.
func foreignOrder(id int64, at time.Time) Entry {
	e := ordered(store.At(at), KindOrder, SubEvent(7), ana, gym, Amount{20000, "usd"}, "")
	e.ID, e.Periods = id, sql.Null[int64]{V: 1, Valid: true}
	return e
}

// TestImport takes in entries with gaps between their ids, goes on from there, and proves the books.
func TestImport(t *testing.T) {
	s, clock := books(t)
	day := clock.Now().AddDate(0, -3, 0)
	nothing := foreignOrder(9, day)
	nothing.Dest.Amount, nothing.Orig.Amount = 0, 0
	list := []Entry{foreignOrder(3, day.AddDate(0, 0, 2)), foreignOrder(4, day), nothing}
	write(t, s, func(tx *store.Tx) error { return Import(tx, list) })
	last := record(t, s, OrderPlaced{At: store.At(clock.Now()), Event: SubEvent(7), Payer: ana, Provider: gym, Amount: Amount{20000, "usd"}, Periods: 1})
	if id := last.Entries[0].ID; id != 10 {
		t.Errorf("the first entry of our own is %d, want 10", id)
	}
	var got []Entry
	read(t, s, func(r store.Reader) (err error) {
		got, err = entries(r, `SELECT `+Columns+` FROM txn AS t WHERE t.id < 10 ORDER BY t.id`)
		return err
	})
	for i := range list {
		if len(got) != len(list) || got[i].ID != list[i].ID || !got[i].CreatedAt.Equal(list[i].CreatedAt.Time) {
			t.Fatalf("got %v, want %v", got, list)
		}
	}
	if got[0].Batch != got[1].Batch || got[1].Batch == got[2].Batch {
		t.Errorf("batches %d, %d, %d: want one without a gap, and one behind it", got[0].Batch, got[1].Batch, got[2].Batch)
	}
	report, err := Verify(t.Context(), s, nil)
	if err != nil || !report.OK() || report.Entries != 4 {
		t.Errorf("%v, %v", report, err)
	}
	read(t, s, func(r store.Reader) error {
		due, err := Balance(r, ana, AccountPayable, "usd")
		if due != 60000 {
			t.Errorf("Payable is %d, want 60000", due)
		}
		return err
	})
}

func TestImportRefuses(t *testing.T) {
	s, clock := books(t)
	at := clock.Now()
	unbalanced := foreignOrder(2, at)
	unbalanced.Orig.Amount--
	for _, bad := range []struct {
		list []Entry
		want string
	}{
		{[]Entry{foreignOrder(2, at), foreignOrder(1, at)}, "entry 1 does not come after"},
		{[]Entry{foreignOrder(2, at), foreignOrder(2, at)}, "entry 1 does not come after"},
		{[]Entry{foreignOrder(0, at)}, "entry 0 does not come after"},
		{[]Entry{foreignOrder(1, at), unbalanced}, "entry 1 does not balance"},
	} {
		var invalid *InvalidError
		err := s.Write(t.Context(), func(tx *store.Tx) error { return Import(tx, bad.list) })
		if !errors.As(err, &invalid) || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%v, want %q", err, bad.want)
		}
	}
	record(t, s, OrderPlaced{At: store.At(at), Event: SubEvent(7), Payer: ana, Provider: gym, Amount: Amount{20000, "usd"}, Periods: 1})
	if err := s.Write(t.Context(), func(tx *store.Tx) error { return Import(tx, []Entry{foreignOrder(1, at)}) }); err == nil {
		t.Error("an entry was imported over one of our own")
	}
}

// TestImportTampered takes imported entries away and moves them: gaps are allowed between imported batches only, and hide nothing.
func TestImportTampered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "books.db")
	clock := storetest.NewClock()
	s := storetest.Open(t, path, clock)
	profiles(t, s, "stripe", "acme", "gym", "ana", "bob")
	at := clock.Now()
	write(t, s, func(tx *store.Tx) error {
		return Import(tx, []Entry{foreignOrder(2, at), foreignOrder(3, at), foreignOrder(7, at), foreignOrder(8, at), foreignOrder(12, at)})
	})
	driver := "sqlite3"
	if !slices.Contains(sql.Drivers(), driver) {
		driver = "sqlite"
	}
	for name, statements := range map[string][]string{
		"nothing":                      {},
		"an entry":                     {`DELETE FROM txn WHERE id = 7`},
		"the beginning, renumbered":    {`DELETE FROM txn WHERE id = 7`, `UPDATE batch SET first_id = 8, nb_entries = 1 WHERE id = 2`},
		"a batch with its entries":     {`DELETE FROM txn WHERE id IN (7, 8)`, `DELETE FROM batch WHERE id = 2`},
		"a batch that moves on":        {`UPDATE batch SET first_id = 6 WHERE id = 2`},
		"an entry that moves on":       {`UPDATE txn SET id = 6 WHERE id = 7`},
		"a batch that is not imported": {`UPDATE batch SET kind = 'order_placed' WHERE id = 2`},
	} {
		db, err := sql.Open(driver, "file:"+path)
		if err != nil {
			t.Fatal(err)
		}
		db.SetMaxOpenConns(1)
		for _, q := range append([]string{
			"PRAGMA busy_timeout = 5000", "PRAGMA foreign_keys = OFF", "SAVEPOINT s",
			"DROP TRIGGER txn_no_update", "DROP TRIGGER txn_no_delete", "DROP TRIGGER batch_no_update", "DROP TRIGGER batch_no_delete",
		}, statements...) {
			if _, err := db.Exec(q); err != nil {
				t.Fatalf("%s: %v", q, err)
			}
		}
		report, err := Verify(t.Context(), dbSnapshot{db}, nil)
		if err != nil || report.OK() != (name == "nothing") {
			t.Errorf("%s: %v, %v", name, report.Problems, err)
		}
		if _, err := db.Exec("ROLLBACK"); err != nil {
			t.Fatal(err)
		}
		db.Close()
	}
}

// A dbSnapshot is a connection as Verify reads it.
type dbSnapshot struct{ db *sql.DB }

type dbReader struct{ *sql.DB }

func (dbReader) Now() store.Time { return store.Time{} }

func (s dbSnapshot) Read(_ context.Context, fn func(r store.Reader) error) error {
	return fn(dbReader{s.db})
}
