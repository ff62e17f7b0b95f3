package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// kept are the tables that Verify proves.
var kept = []string{"txn", "batch", "balance", "statement", "movement", "price"}

// tampered opens a store and a second connection to its file on which nothing is enforced: no trigger, no constraint. It
// attaches a copy to restore the books from.
func tampered(t *testing.T) (*store.Store, *sql.Conn, func()) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "books.db")
	s := storetest.Open(t, path, storetest.NewClock())
	for n := int64(1); n <= 2; n++ {
		write(t, s, func(tx *store.Tx) error {
			w, err := newWorld(tx, n)
			if err != nil {
				return err
			}
			for _, sub := range w.subs {
				if _, err := tx.Exec(`INSERT INTO plan (id, slug, title, profile_id, created_at) VALUES (?1, 'plan-' || ?1, ?1, ?2, 0)`, sub.id, sub.provider); err != nil {
					return err
				}
				if _, err := tx.Exec(`INSERT INTO subscription (id, profile_id, plan_id, created_at, ends_at) VALUES (?1, ?2, ?1, 0, 1)`, sub.id, w.ana); err != nil {
					return err
				}
			}
			r := rand.New(rand.NewPCG(1, uint64(n)))
			for range 60 {
				if err := w.step(op{Kind: r.IntN(11), A: r.Int64N(1000), B: r.Int64N(1000), C: r.Int64N(50_000)}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	driver := "sqlite3"
	if !slices.Contains(sql.Drivers(), driver) {
		driver = "sqlite"
	}
	db, err := sql.Open(driver, "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		db.Close()
	})
	must := func(query string, args ...any) {
		t.Helper()
		if _, err := conn.ExecContext(context.Background(), query, args...); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	must("PRAGMA busy_timeout = 5000")
	must("PRAGMA synchronous = OFF")
	must("PRAGMA foreign_keys = OFF")
	must("PRAGMA ignore_check_constraints = ON")
	must("ATTACH ? AS pristine", path+".copy")
	must("DROP TRIGGER price_ordered")
	must("DROP TRIGGER price_dated_back")
	for _, table := range kept {
		must("CREATE TABLE pristine." + table + " AS SELECT * FROM main." + table)
		for _, event := range []string{"update", "delete", "replace"} {
			if table == "txn" || table == "batch" {
				must("DROP TRIGGER " + table + "_no_" + event)
			}
		}
	}
	return s, conn, func() {
		t.Helper()
		must("BEGIN")
		for _, table := range kept {
			must("DELETE FROM main." + table)
			must("INSERT INTO main." + table + " SELECT * FROM pristine." + table)
		}
		must("COMMIT")
	}
}

// TestTampering changes one thing in the books at a time, at random, and expects Verify to find it.
func TestTampering(t *testing.T) {
	t.Parallel()
	s, conn, restore := tampered(t)
	if verified(t, s); t.Failed() {
		return
	}
	seed, err := strconv.ParseUint(os.Getenv("TOLLGATE_SEED"), 10, 64)
	if err != nil {
		seed = rand.Uint64()
	}
	t.Logf("TOLLGATE_SEED=%d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	n := 250
	if nightly(t) {
		n = 10_000
	}
	for range n {
		what := mutate(t, conn, r)
		report, err := Verify(t.Context(), s, nil)
		if err != nil {
			t.Errorf("%s: %v", what, err)
		} else if report.OK() {
			t.Errorf("%s: not found", what)
		}
		restore()
	}
	verified(t, s)
}

// mutate changes something, and says what.
func mutate(t *testing.T, conn *sql.Conn, r *rand.Rand) string {
	t.Helper()
	table := kept[r.IntN(len(kept))]
	for {
		var query string
		var args []any
		where := fmt.Sprintf("(%s) = (SELECT %s FROM main.%s LIMIT 1 OFFSET %d)", keys[table], keys[table], table, r.IntN(count(t, conn, table)))
		switch r.IntN(10) {
		case 0:
			query = fmt.Sprintf("DELETE FROM main.%s WHERE %s", table, where)
		case 1: // two entries trade places
			a, b := 1+r.IntN(count(t, conn, "txn")), 1+r.IntN(count(t, conn, "txn"))
			query = fmt.Sprintf(`UPDATE main.txn SET id = -id WHERE id IN (%[1]d, %[2]d) AND %[1]d <> %[2]d;
				UPDATE main.txn SET id = %[2]d WHERE id = -%[1]d; UPDATE main.txn SET id = %[1]d WHERE id = -%[2]d`, a, b)
		case 2: // an entry more, at the end, as a copy
			query = `INSERT INTO main.txn SELECT (SELECT MAX(id) + 1 FROM main.txn), created_at, descr, event_id, dest_account, dest_profile_id,
				dest_amount, dest_unit, orig_account, orig_profile_id, orig_amount, orig_unit, payer_id, nb_periods, kind, NULL, batch_id
				FROM main.txn WHERE kind <> 'paid_out' ORDER BY id LIMIT 1 OFFSET ` + fmt.Sprint(r.IntN(20))
		case 3: // a row more that keeps nothing
			query = "INSERT INTO main.balance SELECT id, 'Cash', 'usd', 0, 0 FROM profile ORDER BY id LIMIT 1 OFFSET " + fmt.Sprint(r.IntN(5))
			if r.IntN(2) == 0 {
				query = "INSERT INTO main.statement SELECT id, 'sub_999/', 'usd', 999, NULL, 0, 0, 0, NULL, 0 FROM profile LIMIT 1"
			}
		default:
			columns := columnsOf(t, conn, table)
			column := columns[r.IntN(len(columns))]
			var old any
			if err := conn.QueryRowContext(t.Context(), "SELECT "+column+" FROM main."+table+" WHERE "+where).Scan(&old); err != nil {
				t.Fatal(err)
			}
			query = fmt.Sprintf("UPDATE main.%s SET %s = ? WHERE %s", table, column, where)
			args = []any{another(r, old)}
		}
		result, err := conn.ExecContext(t.Context(), query, args...)
		if err != nil { // a key that is taken, a type that the column does not hold
			continue
		}
		if changed, err := result.RowsAffected(); err != nil || changed == 0 {
			continue
		}
		return strings.Join(strings.Fields(fmt.Sprint(query, args)), " ")
	}
}

// another is a value of the same type, near to the old one or far from it, or NULL.
func another(r *rand.Rand, old any) any {
	if r.IntN(8) == 0 && old != nil {
		return nil
	}
	switch old := old.(type) {
	case int64:
		return []any{old + 1, old - 1, old + r.Int64N(1_000_000) + 2, -old - 1, r.Int64(), old ^ 1<<r.IntN(63)}[r.IntN(6)]
	case string:
		if old == "" {
			return "x"
		}
		b := []byte(old)
		i := r.IntN(len(b))
		b[i] ^= 1
		return []any{string(b), old + "x", old[1:], ""}[r.IntN(4)]
	case []byte:
		b := slices.Clone(old)
		if len(b) > 0 {
			b[r.IntN(len(b))] ^= 1 << r.IntN(8)
		}
		return b
	case nil:
		return []any{r.Int64N(20), "x"}[r.IntN(2)]
	}
	panic(fmt.Sprintf("a column holds %T", old))
}

var keys = map[string]string{"txn": "id", "batch": "id", "balance": "profile_id, account, unit", "statement": "payer_id, event_id, unit",
	"movement": "slot, dest_profile_id, dest_account, orig_profile_id, orig_account, dest_unit, orig_unit", "price": "plan_id, subscription_id, unit, since, entry_id"}

func count(t *testing.T, conn *sql.Conn, table string) (n int) {
	t.Helper()
	if err := conn.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM main."+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func columnsOf(t *testing.T, conn *sql.Conn, table string) []string {
	t.Helper()
	rows, err := conn.QueryContext(t.Context(), "SELECT * FROM main."+table+" LIMIT 0")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	return columns
}

// A chain cannot see that its end was cut off, when all that is kept was corrected as well. An anchor can.
func TestAnchor(t *testing.T) {
	s, conn, restore := tampered(t)
	report := verified(t, s)
	anchor, err := ParseAnchor(report.Head.String())
	if err != nil || anchor != report.Head {
		t.Fatalf("%s is read as %s, %v", report.Head, anchor, err)
	}
	holds := func(a Anchor) (err error) {
		read(t, s, func(r store.Reader) error {
			err = VerifyAnchor(r, a)
			return nil
		})
		return err
	}
	if err := holds(anchor); err != nil {
		t.Error(err)
	}
	if err := holds(Anchor{Hash: genesis}); err != nil {
		t.Errorf("the beginning: %v", err)
	}
	write(t, s, func(tx *store.Tx) error { // the books grow, and hold the anchor still
		_, err := Post(tx, KindOrder, Entry{
			CreatedAt: may, Kind: KindOrder, Event: "sub_7/", Payer: 1, Dest: Leg{1, AccountPayable, 5, "usd"}, Orig: Leg{2, AccountReceivable, 5, "usd"},
		})
		return err
	})
	if err := holds(anchor); err != nil {
		t.Error(err)
	}
	restore()

	for _, query := range []string{
		`DELETE FROM main.txn WHERE id >= (SELECT first_id FROM main.batch ORDER BY id DESC LIMIT 1)`,
		`DELETE FROM main.batch WHERE id = (SELECT MAX(id) FROM main.batch)`,
		`DELETE FROM main.balance`,
		`INSERT INTO main.balance SELECT profile, account, unit, SUM(amount), COUNT(*) FROM (
			SELECT dest_profile_id AS profile, dest_account AS account, dest_unit AS unit, dest_amount AS amount FROM main.txn
			UNION ALL SELECT orig_profile_id, orig_account, orig_unit, -orig_amount FROM main.txn) GROUP BY 1, 2, 3`,
		`DELETE FROM main.movement`,
		`INSERT INTO main.movement SELECT slot, dest_profile_id, dest_account, orig_profile_id, orig_account, dest_unit, orig_unit, SUM(dest_amount), SUM(orig_amount)
			FROM main.moved GROUP BY 1, 2, 3, 4, 5, 6, 7`,
		`DELETE FROM main.price`,
		`INSERT INTO main.price SELECT * FROM main.priced`,
	} {
		if _, err := conn.ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	if report, err := Verify(t.Context(), s, nil); err != nil || report.Head == anchor {
		t.Fatalf("the end is still there: %+v, %v", report, err)
	} else {
		for _, p := range report.Problems {
			if !strings.HasPrefix(p.Where, "statement") && !strings.HasPrefix(p.Where, "charge") {
				t.Errorf("a corrected cut shows: %s", p)
			}
		}
	}
	if err := holds(anchor); err == nil {
		t.Error("the end was cut off and the anchor holds")
	}
	for _, nonsense := range []string{"", "1", "1:", "x:" + anchor.Hash.String(), "-1:" + anchor.Hash.String(), "1:" + anchor.Hash.String()[2:], "1:zz"} {
		if a, err := ParseAnchor(nonsense); err == nil {
			t.Errorf("%q is read as %s", nonsense, a)
		}
	}
}

// The database itself refuses to change or remove what was written.
func TestAppendOnly(t *testing.T) {
	s, _ := books(t)
	sold(t, s)
	for _, query := range []string{
		`UPDATE txn SET descr = 'x' WHERE id = 1`,
		`UPDATE txn SET id = 99 WHERE id = 1`,
		`DELETE FROM txn WHERE id = 1`,
		`DELETE FROM txn`,
		`INSERT OR REPLACE INTO txn SELECT * FROM txn WHERE id = 1`,
		`REPLACE INTO txn SELECT * FROM txn`,
		`UPDATE batch SET actor = 'x'`,
		`DELETE FROM batch WHERE id = 1`,
		`INSERT OR REPLACE INTO batch SELECT * FROM batch WHERE id = 1`,
		`INSERT INTO batch SELECT * FROM batch WHERE id = 1 ON CONFLICT (id) DO UPDATE SET actor = 'x'`,
		`INSERT INTO txn SELECT * FROM txn WHERE id = 1 ON CONFLICT (id) DO UPDATE SET descr = 'x'`,
	} {
		err := s.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(query)
			return err
		})
		if err == nil {
			t.Errorf("%s: done", query)
		}
	}
	verified(t, s)
}

// Each kind of damage is called by its name. Damage outside of the chain, to charges and their lines, is found where it
// contradicts the books.
func TestVerifyNamesTheProblem(t *testing.T) {
	s, conn, restore := tampered(t)
	const order = `(SELECT MIN(id) FROM main.txn WHERE dest_account = 'Payable' AND dest_amount > 0)`
	const settled = `(SELECT MIN(id) FROM charge WHERE state = 1)`
	tests := []struct{ query, want string }{
		{`UPDATE main.txn SET descr = descr || '.' WHERE id = 5`, "is not what was written: its hash differs"},
		{`UPDATE main.batch SET hash = zeroblob(32) WHERE id = 3`, "batch 3: is not what was written"},
		{`DELETE FROM main.txn WHERE id = 7`, "entry 7: is missing, up to entry 7"},
		{`DELETE FROM main.batch WHERE id = 3`, "batch 4: follows batch 2"},
		{`UPDATE main.batch SET first_id = first_id + 1 WHERE id = 3`, "batch 3: begins at entry"},
		{`UPDATE main.batch SET nb_entries = nb_entries + 1 WHERE id = 3`, "batch 4: begins at entry"},
		{`DELETE FROM main.txn WHERE batch_id = 3`, "batch 3: has 0 entries of"},
		{`UPDATE main.txn SET batch_id = 9 WHERE batch_id = 3`, "is of batch 9, where batch 3 is"},
		{`DELETE FROM main.batch WHERE id = (SELECT MAX(id) FROM main.batch)`, "end of the books: "},
		{`DELETE FROM main.batch`, "entries are in no batch"},
		{`DELETE FROM main.txn`, "entries of"},
		{`UPDATE main.txn SET dest_amount = dest_amount + 1 WHERE id = ` + order, "does not balance"},
		{`UPDATE main.txn SET dest_amount = dest_amount + 1 WHERE id = ` + order, "trial balance, usd: debits and credits differ by $0.01"},
		{`UPDATE main.txn SET dest_amount = 9223372036854775807, orig_amount = 9223372036854775807`, "has an amount out of range"},
		{`UPDATE main.txn SET dest_account = 'Cash' WHERE id = ` + order, "counts periods and is not an order"},
		{`UPDATE main.txn SET dest_account = 'Cash', payer_id = NULL, nb_periods = NULL WHERE id = ` + order, "is neither an order nor a write-off"},
		{`UPDATE main.txn SET payer_id = 0 WHERE payer_id IS NULL AND id < 40`, "holds a zero or an empty text in place of nothing"},
		{`UPDATE main.txn SET reverts_id = 0 WHERE id = 1`, "holds a zero or an empty text in place of nothing"},
		{`UPDATE main.txn SET reverts_id = 1 WHERE id = 9`, "entry 9: does not mirror the entry that it takes back"},
		{`UPDATE main.txn SET event_id = 'cha_777/' WHERE id = 9`, "charge 777: has entries and does not exist"},
		{`UPDATE main.txn SET event_id = 'cha_1/777/' WHERE id = 9`, "charge item 777: has refunds and does not exist"},
		{`UPDATE main.balance SET amount = amount + 1 WHERE account = 'Expenses'`, "Expenses, eur: is not the sum of its entries"},
		{`UPDATE main.balance SET nb_entries = nb_entries + 1 WHERE account = 'Expenses'`, "Expenses, eur: is not the sum of its entries"},
		{`UPDATE main.balance SET amount = 9223372036854775807`, "is not the sum of its entries"},
		{`UPDATE main.statement SET due = 9223372036854775807, paid = -9`, "is not the sum of its entries"},
		{`DELETE FROM main.balance WHERE account = 'settled'`, "settled, usd: is not the sum of its entries"},
		{`UPDATE main.balance SET profile_id = 999 WHERE account = 'settled' AND profile_id = 3`, "balance of profile 999, settled, usd: is of no profile"},
		{`UPDATE main.balance SET profile_id = -5 WHERE account = 'settled' AND profile_id = 3`, "balance of profile -5, settled, usd: is of no profile"},
		{`UPDATE main.statement SET due = due + 1`, "is not Payable and Liability (I6)"},
		{`UPDATE main.statement SET paid = paid + 1`, "sub_1001/, usd: is not the sum of its entries"},
		{`UPDATE main.statement SET subscription_id = subscription_id + 1`, "sub_1001/, usd: names another subscription than its event"},
		{`UPDATE main.statement SET subscription_id = NULL`, "sub_1001/, usd: names another subscription than its event"},
		{`UPDATE main.movement SET dest_amount = dest_amount + 1`, "Payable from Receivable, usd: is not the sum of its entries"},
		{`UPDATE main.movement SET orig_amount = -9223372036854775807`, "Payable from Receivable, usd: is not the sum of its entries"},
		{`UPDATE main.movement SET slot = slot + 9223372036854000000`, "Payable from Receivable, usd: is not the sum of its entries"},
		{`UPDATE main.movement SET slot = slot - 9223372036854000000`, "Payable from Receivable, usd: is not the sum of its entries"},
		{`DELETE FROM main.movement`, "Payable from Receivable, usd: is not the sum of its entries"},
		{`UPDATE main.price SET until = until - 1`, "price of subscription 1001, order "},
		{`DELETE FROM main.price`, "price of subscription 1001, order "},
		{`UPDATE main.price SET subscription_id = -subscription_id`, "price of plan 1001, order "},
		{`UPDATE main.statement SET last_at = last_at + 1`, "sub_1001/, usd: is not the sum of its entries"},
		{`UPDATE charge SET amount = amount + 1 WHERE id = ` + settled, "is not the sum of its lines (I3)"},
		{`UPDATE charge SET amount = amount + 1 WHERE id = ` + settled, "is not what was received for it (I3)"},
		{`UPDATE charge SET unit = 'xyz' WHERE id = ` + settled, "has lines in another unit"},
		{`UPDATE charge SET state = 0 WHERE id = ` + settled, "is not paid by card and has entries"},
		{`UPDATE charge_item SET invoiced_id = 99999 WHERE charge_id = ` + settled, "has lines that point at no entry"},
		{`UPDATE charge_item SET invoiced_distribute_id = NULL WHERE charge_id = ` + settled, "has lines that are not the sum of their parts (I3)"},
		{`UPDATE charge_item SET invoiced_processor_fee_id = NULL WHERE charge_id = ` + settled, "does not leave the processor its fee (I4)"},
		{`UPDATE main.txn SET orig_amount = orig_amount * 9, dest_amount = dest_amount * 9 WHERE orig_account = 'Refunded'`, "has lines refunded beyond what was paid (I7)"},
	}
	for _, tt := range tests {
		undo := backup(t, conn, "charge", "charge_item")
		if _, err := conn.ExecContext(t.Context(), tt.query); err != nil {
			t.Fatalf("%s: %v", tt.query, err)
		}
		report, err := Verify(t.Context(), s, nil)
		if err != nil {
			t.Errorf("%s: %v", tt.query, err)
		}
		if !slices.ContainsFunc(report.Problems, func(p Problem) bool { return strings.Contains(p.String(), tt.want) }) {
			t.Errorf("%s: not said: %s; but\n%v", tt.query, tt.want, report.Problems)
		}
		undo()
		restore()
	}
	verified(t, s)
}

// backup copies tables, and returns what puts them back.
func backup(t *testing.T, conn *sql.Conn, tables ...string) (undo func()) {
	t.Helper()
	must := func(query string) {
		t.Helper()
		if _, err := conn.ExecContext(context.Background(), query); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	for _, table := range tables {
		must("DROP TABLE IF EXISTS pristine." + table)
		must("CREATE TABLE pristine." + table + " AS SELECT * FROM main." + table)
	}
	return func() {
		for _, table := range tables {
			must("DELETE FROM main." + table)
			must("INSERT INTO main." + table + " SELECT * FROM pristine." + table)
		}
	}
}
