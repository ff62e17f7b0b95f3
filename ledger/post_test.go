package ledger

import (
	"database/sql"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

var order20000 = OrderPlaced{At: may, Event: "sub_7/", Payer: ana, Provider: gym, Amount: usd(20000), Periods: 1, Descr: "Subscription to gold"}

func mustEntries(t testing.TB, event businessEvent) []Entry {
	t.Helper()
	entries, err := event.Entries()
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

// What is read back is what was posted, ids without gaps, batch after batch.
func TestPost(t *testing.T) {
	s, _ := books(t)
	var first, second, none Batch
	write(t, s, func(tx *store.Tx) (err error) {
		tx.Actor = "gus"
		if first, err = Post(tx, KindOrder, mustEntries(t, order20000)...); err != nil {
			return err
		}
		if none, err = Post(tx, KindUse); err != nil {
			return err
		}
		second, err = Post(tx, KindOffline, mustEntries(t, PaidOffline{
			At: may, Check: "check_1", Event: "sub_7/", Payer: ana, Provider: gym, Amount: usd(700),
		})...)
		return err
	})
	if none.ID != 0 || none.Entries != nil {
		t.Errorf("nothing posted: %+v", none)
	}
	if first.ID != 1 || second.ID != 2 || first.Actor != "gus" || first.Kind != KindOrder || second.Kind != KindOffline {
		t.Errorf("batches %+v, %+v", first, second)
	}
	read(t, s, func(r store.Reader) error {
		stored, err := entries(r, `SELECT `+Columns+` FROM txn AS t ORDER BY t.id`)
		if err != nil {
			return err
		}
		diff(t, "stored", cmp.Diff(append(first.Entries, second.Entries...), stored, cmpopts.IgnoreUnexported(Entry{})), "")
		for i, e := range stored {
			if e.ID != int64(i)+1 {
				t.Errorf("entry %d has id %d", i, e.ID)
			}
		}
		a, err := Head(r)
		diff(t, "head", a, Anchor{second.ID, second.Hash})
		return err
	})
	verified(t, s)
}

// Post leaves what it was given alone, so that running the caller's function again writes the same again. The store does so
// when a shared commit fails; here the first run is undone.
func TestPostTwice(t *testing.T) {
	entries := append(mustEntries(t, order20000), mustEntries(t, SetupFee{At: may, Event: "sub_7/", Payer: ana, Provider: gym, Amount: usd(1)})...)
	entries = append(entries, Entry{}) // room to write into
	given := entries[:2:3]
	before := append([]Entry{}, given...)
	var batches []Batch
	post := func(s *store.Store, fail error) {
		err := s.Write(t.Context(), func(tx *store.Tx) error {
			batch, err := Post(tx, KindOrder, given...)
			if err != nil {
				return err
			}
			batches = append(batches, batch)
			return fail
		})
		if !errors.Is(err, fail) {
			t.Fatal(err)
		}
	}
	s, _ := books(t)
	post(s, errors.New("undone"))
	post(s, nil)
	once, _ := books(t)
	post(once, nil)
	diff(t, "what was given", cmp.Diff(before, given, cmpopts.IgnoreUnexported(Entry{})), "")
	for _, b := range batches[1:] {
		diff(t, "batch", cmp.Diff(batches[0], b, cmpopts.IgnoreUnexported(Entry{})), "")
	}
	diff(t, "books", balanceSheet(t, s), balanceSheet(t, once))
	diff(t, "report", verified(t, s), verified(t, once))
}

func TestPostRefuses(t *testing.T) {
	good := mustEntries(t, order20000)[0]
	tests := []struct {
		name   string
		change func(e *Entry)
	}{
		{"has no date", func(e *Entry) { e.CreatedAt = store.Time{} }},
		{"has no kind", func(e *Entry) { e.Kind = "" }},
		{"has no profile", func(e *Entry) { e.Orig.Profile = 0 }},
		{"has no profile", func(e *Entry) { e.Dest.Profile = -1 }},
		{"has no account", func(e *Entry) { e.Orig.Account = "" }},
		{"has no unit", func(e *Entry) { e.Orig.Unit = "USD" }},
		{"has no unit", func(e *Entry) { e.Dest.Unit = "" }},
		{"out of range", func(e *Entry) { e.Dest.Amount, e.Orig.Amount = -1, -1 }},
		{"out of range", func(e *Entry) { e.Dest.Amount, e.Orig.Amount = MaxAmount+1, MaxAmount+1 }},
		{"does not balance", func(e *Entry) { e.Dest.Amount++ }},
		{"too long", func(e *Entry) { e.Event = "cpn_" + strings.Repeat("x", 47) }},
		{"is not stored", func(e *Entry) { e.Event = "sub_0/3/" }},
		{"is not an order", func(e *Entry) { e.Orig.Account = AccountFunds }},
		{"is not an order", func(e *Entry) {
			e.Dest.Account, e.Orig.Account, e.Payer = AccountFunds, AccountFunds, 0
		}},
		{"one side settled", func(e *Entry) { e.Orig.Account, e.Dest.Account = AccountSettled, AccountFunds }},
		{"without an event", func(e *Entry) { e.Event = "" }},
		{"without an event", func(e *Entry) {
			e.Event, e.Dest.Account, e.Orig.Account, e.Periods = "", AccountReceivable, AccountBacklog, sql.Null[int64]{}
		}},
		{"debt of nobody", func(e *Entry) { e.Payer = 0 }},
		{"other than its debtor", func(e *Entry) { e.Payer = bob }},
		{"concerns no debt", func(e *Entry) {
			e.Dest.Account, e.Orig.Account, e.Event, e.Periods = AccountFunds, AccountFunds, "cha_1/", sql.Null[int64]{}
		}},
		{"neither an order nor a write-off", func(e *Entry) {
			e.Dest.Account, e.Orig.Account, e.Payer, e.Periods = AccountFunds, AccountIncome, 0, sql.Null[int64]{}
		}},
		{"counts periods", func(e *Entry) { e.Periods.V = -1 }},
	}
	s, _ := books(t)
	for _, tt := range tests {
		bad := good
		tt.change(&bad)
		err := s.Write(t.Context(), func(tx *store.Tx) error {
			_, err := Post(tx, KindOrder, good, bad)
			return err
		})
		var invalid *InvalidError
		if !errors.As(err, &invalid) || invalid.Index != 1 || !strings.Contains(err.Error(), tt.name) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	nobody := good
	nobody.Orig.Profile = 99
	err := s.Write(t.Context(), func(tx *store.Tx) error {
		_, err := Post(tx, KindOrder, nobody)
		return err
	})
	var constraint *store.ConstraintError
	if !errors.As(err, &constraint) || constraint.Kind != "foreign key" {
		t.Errorf("a profile that does not exist: %v", err)
	}
	if sheet := balanceSheet(t, s); len(sheet) != 0 {
		t.Errorf("what was refused is in the books: %v", sheet)
	}
}

// A balance does not wrap around, nor turn into a float.
func TestBalanceOverflow(t *testing.T) {
	s, _ := books(t)
	write(t, s, func(tx *store.Tx) error {
		_, err := tx.Exec(`INSERT INTO balance (profile_id, account, unit, amount, nb_entries) VALUES (?, 'Payable', 'usd', ?, 1)`, ana, int64(math.MaxInt64-19999))
		return err
	})
	err := s.Write(t.Context(), func(tx *store.Tx) error {
		_, err := Post(tx, KindOrder, mustEntries(t, order20000)...)
		return err
	})
	if err == nil {
		t.Error("the balance of Payable went beyond an int64")
	}
}

// A payment of something that was never ordered is kept as well, and to whom.
func TestPaymentWithoutOrder(t *testing.T) {
	s, _ := books(t)
	record(t, s, PaidOffline{At: may, Check: "check_1", Event: "sub_7/", Payer: ana, Provider: gym, Amount: usd(700), Payable: 200})
	diff(t, "statement", statement(t, s, ana), []Amount(nil)) // which is of orders
	read(t, s, func(r store.Reader) error {
		due, err := DueOn(r, ana, "sub_7/", "usd")
		diff(t, "due", due, Due{Event: "sub_7/", Amount: usd(-700), Provider: gym, Payable: -200})
		return err
	})
	verified(t, s)
}

// What is hashed is fixed: a chain that was written by an earlier version of the program still verifies.
func TestChainIsStable(t *testing.T) {
	b := Batch{ID: 3, CreatedAt: may, Kind: KindOrder, Actor: "gus", Entries: mustEntries(t, order20000)}
	b.Entries[0].ID = 7
	const want = "538c004e033d44f8ed91752d574293c37e054126c537329c50e936402556a402"
	if got := b.chained(genesis).String(); got != want {
		t.Errorf("hash %s", got)
	}
	seen := map[Hash]string{b.chained(genesis): "itself"}
	other := func(name string, change func(b *Batch, e *Entry)) {
		c := b
		c.Entries = append([]Entry{}, b.Entries...)
		change(&c, &c.Entries[0])
		h := c.chained(genesis)
		if seen[h] != "" {
			t.Errorf("%s is hashed like %s", name, seen[h])
		}
		seen[h] = name
	}
	other("id", func(b *Batch, _ *Entry) { b.ID++ })
	other("date", func(b *Batch, _ *Entry) { b.CreatedAt = store.Time{Time: may.Add(time.Microsecond)} })
	other("kind and actor", func(b *Batch, _ *Entry) { b.Kind, b.Actor = b.Kind+"g", "us" })
	other("entries", func(b *Batch, e *Entry) { b.Entries = append(b.Entries, *e) })
	other("entry id", func(_ *Batch, e *Entry) { e.ID++ })
	other("entry date", func(_ *Batch, e *Entry) { e.CreatedAt = store.Time{Time: may.Add(time.Microsecond)} })
	other("description", func(_ *Batch, e *Entry) { e.Descr += " " })
	other("event", func(_ *Batch, e *Entry) { e.Event = "" })
	other("dest profile", func(_ *Batch, e *Entry) { e.Dest.Profile++ })
	other("dest account", func(_ *Batch, e *Entry) { e.Dest.Account = "x" })
	other("dest amount", func(_ *Batch, e *Entry) { e.Dest.Amount++ })
	other("dest unit", func(_ *Batch, e *Entry) { e.Dest.Unit = "eur" })
	other("orig profile", func(_ *Batch, e *Entry) { e.Orig.Profile++ })
	other("orig account", func(_ *Batch, e *Entry) { e.Orig.Account = "x" })
	other("orig amount", func(_ *Batch, e *Entry) { e.Orig.Amount++ })
	other("orig unit", func(_ *Batch, e *Entry) { e.Orig.Unit = "eur" })
	other("payer", func(_ *Batch, e *Entry) { e.Payer = 0 })
	other("periods", func(_ *Batch, e *Entry) { e.Periods.V = 0 })
	other("no periods", func(_ *Batch, e *Entry) { e.Periods = sql.Null[int64]{} })
	other("entry kind", func(_ *Batch, e *Entry) { e.Kind = "x" })
	other("reverts", func(_ *Batch, e *Entry) { e.Reverts = 1 })
	if after := b.chained(Hash{}); seen[after] != "" {
		t.Error("the batch before does not count")
	}
}

// Many callers at once: their batches follow each other, and none is lost.
func TestPostConcurrently(t *testing.T) {
	clock := storetest.NewClock()
	s := storetest.NewAt(t, clock)
	profiles(t, s, "stripe", "acme", "gym", "ana", "bob")
	const callers, each = 8, 20
	failed := make(chan error, callers)
	for c := range callers {
		go func() {
			for i := range each {
				err := s.Write(t.Context(), func(tx *store.Tx) error {
					o := order20000
					o.Event, o.Amount = SubEvent(int64(c)+1), usd(int64(i))
					entries, err := o.Entries()
					if err != nil {
						return err
					}
					if _, err := Post(tx, KindOrder, entries...); err != nil {
						return err
					}
					if i%5 == 4 {
						return errUndone
					}
					return nil
				})
				if err != nil && !errors.Is(err, errUndone) {
					failed <- err
					return
				}
			}
			failed <- nil
		}()
	}
	for range callers {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	if report := verified(t, s); report.Batches != callers*each*4/5 {
		t.Errorf("%d batches", report.Batches)
	}
}

var errUndone = errors.New("undone")
