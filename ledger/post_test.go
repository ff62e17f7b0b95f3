package ledger

import (
	"testing"

	"github.com/caddy-tollgate/tollgate/store"
)

func TestOrderMakesDebt(t *testing.T) {
	s, clock := books(t)
	batch := record(t, s, OrderPlaced{At: may, Event: "sub_7/", Payer: ana, Provider: gym, Amount: usd(20000), Periods: 1, Descr: "x"})
	if len(batch.Entries) != 1 || batch.Entries[0].ID != 1 || batch.ID != 1 {
		t.Fatalf("batch %+v", batch)
	}
	clock.Set(may.Time.AddDate(0, 0, 1))
	diff(t, "accounts", balanceSheet(t, s), map[string]int64{"ana:Payable": 20000, "gym:Receivable": -20000})
	read(t, s, func(r store.Reader) error {
		st, err := StatementOf(r, ana, r.Now())
		if err != nil {
			return err
		}
		diff(t, "statement", st, Statement{{Event: "sub_7/", Amount: usd(20000), Provider: gym, Payable: 20000, LastAt: may}})
		asOf, err := statementAsOf(r, ana, r.Now())
		if err != nil {
			return err
		}
		diff(t, "statement by definition", asOf, st)
		locked, err := SubscriptionBalances(r, 7, 71, 8)
		if err != nil {
			return err
		}
		diff(t, "locked", locked, map[int64]int64{7: 20000})
		unpaid, err := UnpaidOrders(r, ana)
		if err != nil || len(unpaid) != 1 {
			t.Errorf("unpaid %v, %v", unpaid, err)
		}
		at, err := LastPayment(r, ana)
		if err != nil || !at.IsZero() {
			t.Errorf("last payment %v, %v", at, err)
		}
		return nil
	})
}
