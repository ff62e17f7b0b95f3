package ledger

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/caddy-tollgate/tollgate/store"
)

// A table that cannot be read or written is an error of everything that needs it, never a zero.
func TestUnreadableBooks(t *testing.T) {
	s, _ := books(t)
	charge := sold(t, s)
	c := Calendar{may, Monthly}
	reads := map[string]map[string]func(r store.Reader) error{
		"balance": {
			"Balance":        func(r store.Reader) error { _, err := Balance(r, gym, AccountFunds, "usd"); return err },
			"Funds":          func(r store.Reader) error { _, err := Funds(r, gym); return err },
			"CountEntries":   func(r store.Reader) error { _, err := CountEntries(r, gym, AccountFunds); return err },
			"AccountBalance": func(r store.Reader) error { _, err := AccountBalance(r, Selection{}); return err },
		},
		"statement": {
			"StatementOf":          func(r store.Reader) error { _, err := StatementOf(r, ana, may); return err },
			"DueOn":                func(r store.Reader) error { _, err := DueOn(r, ana, "sub_7/", "usd"); return err },
			"DuesOn":               func(r store.Reader) error { _, err := DuesOn(r, ana, "usd", "sub_7/"); return err },
			"SubscriptionBalances": func(r store.Reader) error { _, err := SubscriptionBalances(r, 7); return err },
			"SubscriptionBalance":  func(r store.Reader) error { _, err := SubscriptionBalance(r, 7); return err },
		},
		"txn": {
			"AccountBalance":  func(r store.Reader) error { _, err := AccountBalance(r, Selection{From: may}); return err },
			"StatementOf":     func(r store.Reader) error { _, err := StatementOf(r, ana, may); return err },
			"UnpaidOrders":    func(r store.Reader) error { _, err := UnpaidOrders(r, ana); return err },
			"LastPayment":     func(r store.Reader) error { _, err := LastPayment(r, ana); return err },
			"LoadIncome":      func(r store.Reader) error { _, err := LoadIncome(r, 7, c, may, nil); return err },
			"LoadClaim":       func(r store.Reader) error { _, err := LoadClaim(r, 7, c, 1); return err },
			"LoadGroupIncome": func(r store.Reader) error { _, err := LoadGroupIncome(r, "cpn_x", 1, nil, may, ""); return err },
			"DisputedEntries": func(r store.Reader) error { _, err := DisputedEntries(r, charge); return err },
			"PayoutRecorded":  func(r store.Reader) error { _, err := PayoutRecorded(r, "po_1", gym); return err },
			"LastWithdrawal":  func(r store.Reader) error { _, err := LastWithdrawal(r, gym); return err },
		},
		"charge_item": {
			"ChargeLines": func(r store.Reader) error { _, err := ChargeLines(r, charge); return err },
		},
		"batch": {
			"Head":         func(r store.Reader) error { _, err := Head(r); return err },
			"VerifyAnchor": func(r store.Reader) error { return VerifyAnchor(r, Anchor{Batch: 1}) },
		},
	}
	undone := errors.New("undone")
	for table, calls := range reads {
		calls["Post"] = func(r store.Reader) error {
			_, err := Post(r.(*store.Tx), KindOrder, mustEntries(t, order20000)...)
			return err
		}
		if table == "charge_item" {
			delete(calls, "Post")
		}
		for name, call := range calls {
			err := s.Write(t.Context(), func(tx *store.Tx) error {
				if _, err := tx.Exec("ALTER TABLE " + table + " RENAME TO gone"); err != nil {
					return err
				}
				if err := call(tx); err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, ErrAnchor) {
					t.Errorf("%s without %s: %v", name, table, err)
				}
				return undone
			})
			if !errors.Is(err, undone) {
				t.Errorf("%s without %s: %v", name, table, err)
			}
		}
	}
	verified(t, s)
}

// Verify and Export say so when they cannot go on, at whatever point.
func TestUnreadableAsAWhole(t *testing.T) {
	for _, table := range []string{"profile", "txn", "batch", "balance", "statement", "charge", "charge_item"} {
		s, _ := books(t)
		sold(t, s)
		write(t, s, func(tx *store.Tx) error {
			_, err := tx.Exec("ALTER TABLE " + table + " RENAME TO gone")
			return err
		})
		if report, err := Verify(t.Context(), s, nil); err == nil {
			t.Errorf("verified without %s: %+v", table, report)
		}
		err := Export(t.Context(), s, io.Discard, HLedger)
		switch table {
		case "statement", "charge", "charge_item": // which are not exported
			if err != nil {
				t.Errorf("exporting without %s: %v", table, err)
			}
		default:
			if err == nil {
				t.Errorf("exported without %s", table)
			}
		}
	}
	s, _ := books(t)
	sold(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Verify(ctx, s, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("verify, canceled: %v", err)
	}
	if err := Export(ctx, s, io.Discard, HLedger); !errors.Is(err, context.Canceled) {
		t.Errorf("export, canceled: %v", err)
	}
}
