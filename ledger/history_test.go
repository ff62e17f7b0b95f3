package ledger

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// check compares the books with the model, and the books with themselves.
func (w *world) check() error {
	w.checked++
	kept := map[accountKey]int64{}
	units := map[string]int64{}
	err := each(w.tx, func(scan func(...any) error) error {
		var key accountKey
		var amount int64
		if err := scan(&key.profile, &key.account, &key.unit, &amount); err != nil {
			return err
		}
		units[key.unit] += amount
		if amount != 0 {
			kept[key] = amount
		}
		return nil
	}, `SELECT profile_id, account, unit, amount FROM balance WHERE profile_id BETWEEN ? AND ?`, w.stripe, w.bob)
	if err != nil {
		return err
	}
	maps.DeleteFunc(w.m.accounts, func(_ accountKey, amount int64) bool { return amount == 0 })
	if !maps.Equal(w.m.accounts, kept) {
		return fmt.Errorf("accounts (-model +books):\n%s", cmp.Diff(w.m.accounts, kept, cmp.AllowUnexported(accountKey{})))
	}
	for unit, amount := range units { // I2
		if amount != 0 {
			return fmt.Errorf("the trial balance of %s is %d", unit, amount)
		}
	}
	locked := map[int64]int64{}
	for _, payer := range []int64{w.ana, w.bob} {
		owed, err := StatementOf(w.tx, payer, store.Time{})
		if err != nil {
			return err
		}
		if w.checked%5 == 0 { // the slow definition, less often: the model is asked every time
			defined, err := statementAsOf(w.tx, payer, endOfTime)
			if err != nil {
				return err
			}
			if !slices.Equal(defined, owed) {
				return fmt.Errorf("statement (-defined +kept):\n%s", cmp.Diff(defined, owed))
			}
		}
		debts := map[statementKey]debt{}
		for _, d := range owed {
			debts[statementKey{payer, d.Event, d.Amount.Unit}] = debt{due: d.Amount.Value, payable: d.Payable}
		}
		for key, d := range w.m.debts {
			if key.payer != payer {
				continue
			}
			got, ok := debts[key]
			if !ok {
				got.payable = d.payable // settled
			}
			if got.due != d.due-d.paid || got.payable != d.payable || d.payable < 0 || d.payable > d.due {
				return fmt.Errorf("debt %+v is %+v, want %+v", key, got, d)
			}
			locked[ParseEvent(key.event).Subscription] += max(d.due-d.paid, 0)
		}
	}
	ids := make([]int64, 0, len(w.subs))
	for _, s := range w.subs {
		ids = append(ids, s.id)
	}
	maps.DeleteFunc(locked, func(_, due int64) bool { return due <= 0 })
	due, err := SubscriptionBalances(w.tx, ids...)
	if err != nil {
		return err
	}
	if !maps.Equal(locked, due) {
		return fmt.Errorf("subscription balances (-model +books):\n%s", cmp.Diff(locked, due))
	}
	return nil
}

// end refunds everything and recognises everything, and checks that nothing is left of either.
func (w *world) end() error {
	for _, c := range w.m.charges {
		if c.disputed {
			continue
		}
		lines, err := ChargeLines(w.tx, c.id)
		if err != nil {
			return err
		}
		for n, l := range c.lines {
			if lines[n].Refunded != l.refunded {
				return fmt.Errorf("charge %d: %d refunded, want %d", c.id, lines[n].Refunded, l.refunded)
			}
			if left := l.amount - l.refunded; left > 0 {
				w.giveBack(c, l, left, "Refund")
				if _, err := w.post(w.facts(c, lines[n], left)); err != nil {
					return err
				}
			}
		}
	}
	if err := w.check(); err != nil {
		return err
	}
	// Every charge is refunded or charged back: all that is missing of the funds was paid out.
	var funds int64
	for key, amount := range w.m.accounts {
		if key.account == "Funds" {
			funds += amount
		}
	}
	if funds != -w.m.paidOut {
		return fmt.Errorf("%d funds are left, want %d", funds, -w.m.paidOut)
	}
	for _, s := range w.subs {
		if err := w.recognise(s, farAway); err != nil {
			return err
		}
		for _, event := range []string{SubEvent(s.id), UseEvent(s.id, 1), UseEvent(s.id, 2)} {
			// A write-off of what was earned already takes nothing back, so it may leave less than itself unearned.
			if left := w.m.earned[event]; left > w.m.earned[event+" written off"] {
				return fmt.Errorf("%s: %d of what was sold is never recognised", event, left)
			}
		}
	}
	return w.check()
}

// histories is how many random histories are run: TOLLGATE_HISTORIES, or a share of it that is fast.
func histories(t testing.TB) int {
	n, err := strconv.Atoi(os.Getenv("TOLLGATE_HISTORIES"))
	if os.Getenv("TOLLGATE_HISTORIES") == "" {
		return 300
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestHistories runs random histories of everything that can happen against the model, comparing them after every step, and
// proves the books of all of them at the end. Seventy steps each: 20,000 operations in a normal run.
func TestHistories(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	var number, steps int64
	property := func(t *rapid.T) {
		amount := rapid.OneOf(rapid.Int64Range(0, 100), rapid.Int64Range(0, 50_000))
		ops := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) op {
			return op{
				Kind: rapid.SampledFrom([]int{0, 0, 1, 2, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9, 10}).Draw(t, "kind"),
				A:    rapid.Int64Range(0, 1000).Draw(t, "a"), B: rapid.Int64Range(0, 1000).Draw(t, "b"), C: amount.Draw(t, "c"),
			}
		}), 60, 80).Draw(t, "ops")
		number++
		err := s.Write(context.Background(), func(tx *store.Tx) error {
			w, err := newWorld(tx, number)
			if err != nil {
				return err
			}
			for i, o := range ops {
				if err := w.step(o); err != nil {
					return fmt.Errorf("step %d, %+v: %w", i, o, err)
				}
				if err := w.check(); err != nil {
					return fmt.Errorf("after step %d, %+v: %w", i, o, err)
				}
			}
			steps += int64(len(ops))
			return w.end()
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for range (histories(t) + 99) / 100 { // rapid checks a hundred times
		rapid.Check(t, property)
	}
	report := verified(t, s)
	t.Logf("%d operations, %d entries", steps, report.Entries)
}
