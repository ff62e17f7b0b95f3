package ledger

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/store"
)

// verified runs Verify and fails on any problem.
func verified(t testing.TB, s *store.Store) Report {
	t.Helper()
	report, err := Verify(t.Context(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range report.Problems {
		t.Error(p)
	}
	return report
}

func TestVerify(t *testing.T) {
	s, _ := books(t)
	if report := verified(t, s); report.Entries != 0 || report.Batches != 0 || report.Head != (Anchor{Hash: genesis}) {
		t.Errorf("empty books: %+v", report)
	}
	charge := sold(t, s)
	record(t, s, refund(chargeLines(t, s, charge)[0], charge, 5000))
	batch := record(t, s, Disputed{At: on(2026, 6, 1), Fee: usd(1500), Lines: []Refunded{refund(chargeLines(t, s, charge)[0], charge, 0)}})
	var done, of int64
	report, err := Verify(t.Context(), s, func(d, o int64) { done, of = d, o })
	if err != nil || !report.OK() {
		t.Fatalf("%+v, %v", report, err)
	}
	if report.Batches != 4 || report.Entries != 17 || done != 17 || of != 17 || report.Head != (Anchor{batch.ID, batch.Hash}) {
		t.Errorf("%+v, %d of %d", report, done, of)
	}
	diff(t, "trial balance", report.Trial, []Trial{{Unit: "usd", Debits: 143110, Credits: 143110}})
}

// Books of more than a page of everything are verified and exported to their end.
func TestManyPages(t *testing.T) {
	s, _ := books(t)
	const payers, charges = exportPage + 100, 510
	write(t, s, func(tx *store.Tx) error {
		for n := range payers {
			payer, err := tx.Insert(`INSERT INTO profile (slug, created_at) VALUES (?, 0)`, fmt.Sprintf("payer-%d", n))
			if err != nil {
				return err
			}
			o := order20000
			o.Payer, o.Event = payer, SubEvent(payer)
			fee := SetupFee{At: may, Event: o.Event, Payer: payer, Provider: gym, Amount: usd(1), Plan: "gold"}
			use := UseCharged{At: may, Event: UseEvent(payer, 1), Payer: payer, Provider: gym, Price: usd(1), Quantity: 1}
			entries := append(append(mustEntries(t, o), mustEntries(t, fee)...), mustEntries(t, use)...)
			batch, err := Post(tx, KindOrder, entries...)
			if err != nil {
				return err
			}
			if n < charges {
				if _, err := invoice(tx, payer, batch.Entries...); err != nil {
					return err
				}
			}
		}
		return nil
	})
	var told []int64
	report, err := Verify(t.Context(), s, func(done, _ int64) { told = append(told, done) })
	if err != nil || !report.OK() {
		t.Fatalf("%v, %v", report.Problems, err)
	}
	if report.Entries != 3*payers || report.Batches != payers || len(told) != 2 || told[0] != verifyPage || told[1] != 3*payers {
		t.Errorf("%d entries in %d batches, told %v", report.Entries, report.Batches, told)
	}
	journal := exported(t, s, HLedger)
	for part, want := range map[string]int{"\naccount ": payers + 2, "\n    ; entry: ": 3 * payers, "\n; batch ": payers} {
		if n := strings.Count(journal, part); n != want {
			t.Errorf("%d times %q, want %d", n, part, want)
		}
	}
	for where, query := range map[string]string{
		fmt.Sprintf("balance of profile %d, Payable, usd", cast+payers): `UPDATE balance SET amount = amount + 1 WHERE profile_id = ` + fmt.Sprint(cast+payers),
		fmt.Sprintf("charge %d", charges):                               `UPDATE charge SET amount = amount + 1 WHERE id = ` + fmt.Sprint(charges),
	} {
		write(t, s, func(tx *store.Tx) error {
			_, err := tx.Exec(query)
			return err
		})
		report, err := Verify(t.Context(), s, nil)
		if err != nil || !slices.ContainsFunc(report.Problems, func(p Problem) bool { return p.Where == where }) {
			t.Errorf("%s: %v, %v", query, report.Problems, err)
		}
	}
}
