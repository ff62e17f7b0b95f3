package ledger

import (
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
