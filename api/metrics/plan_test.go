package metrics

import (
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// statement is the text of a page of a list.
func statement[T any](l *rest.List[T], order string) string {
	where := ""
	if l.Where != "" {
		where = " WHERE (" + l.Where + ")"
	}
	return "SELECT " + l.Select + " FROM " + l.From + where + " ORDER BY " + order + " LIMIT 26"
}

// TestQueryPlans reads what each table and list is about from an index, entries in the order of time, and scans no table but the rows
// that are bound or worked out.
func TestQueryPlans(t *testing.T) {
	w := newWorld(t)
	w.crowd(10_000)
	const spans, slots, rest = `[[0,1,0,1],[1,2,0,1]]`, `[[0,1,2],[1,2,3]]`, `[[0,1,2],[1,2,3]]`
	const dest, orig = "SEARCH t USING INDEX txn_dest (dest_profile_id=? AND dest_account=? AND created_at>? AND created_at<?)", "SEARCH t USING INDEX txn_orig (orig_profile_id=? AND orig_account=? AND created_at>? AND created_at<?)"
	const destSlots, origSlots = "SEARCH t USING INDEX movement_dest (dest_profile_id=? AND dest_account=? AND slot>? AND slot<?)", "SEARCH t USING INDEX movement_orig (orig_profile_id=? AND orig_account=? AND slot>? AND slot<?)"
	for _, test := range []struct {
		name, query string
		args        []any
		want        []string // steps that must be there
	}{
		{"main unit", selectMainUnit, []any{2, "usd"}, []string{"SEARCH balance USING PRIMARY KEY (profile_id=? AND account=?)"}},
		{"balances", selectBalances, []any{slots, rest, 2, "usd"}, []string{dest, orig, destSlots, origSlots}},
		{"orders", selectOrders, []any{slots, 2, "usd"}, []string{"SEARCH t USING COVERING INDEX txn_sold (orig_profile_id=? AND dest_unit=? AND created_at>? AND created_at<?)"}},
		{"settled", selectSettled, []any{slots, rest, 2, "usd"}, []string{dest, destSlots}},
		{"plans", selectPlans, []any{2, 3}, []string{"SEARCH plan USING INDEX sqlite_autoindex_plan_2 (profile_id=?)", "SEARCH s USING COVERING INDEX subscription_plan (plan_id=? AND ends_at>?)"}},
		{"prices", selectPrices, []any{2, "usd"}, []string{"SEARCH plan USING INDEX sqlite_autoindex_plan_2 (profile_id=?)", "SEARCH p USING PRIMARY KEY (plan_id=?)"}},
		{"dunning", selectDunning, []any{spans, 2, "usd", 5}, []string{"SEARCH card_refusal USING COVERING INDEX card_refusal_provider (provider_id=? AND created_at<?)",
			"SEARCH charge USING INDEX charge_failed (provider_id=? AND created_at<?)", "SEARCH s USING INDEX statement_customer (provider_id=? AND payer_id=?)",
			"SEARCH t USING INDEX txn_payer (payer_id=? AND event_id=?)"}},
		{"federation", selectFederation, []any{2, 3, 4, 5}, []string{"SEARCH s USING COVERING INDEX subscription_"}},
		{"shared", selectShared, []any{2, 3}, []string{"SEARCH s USING INDEX subscription_provider (provider_id=? AND ends_at>?)"}},
		{"report", selectMoved, []any{slots, rest, "usd"}, []string{"SEARCH t USING INDEX txn_created_at (created_at>? AND created_at<?)", "SEARCH t USING PRIMARY KEY (slot>? AND slot<?)"}},
		{"lines", selectLines, []any{"x"}, []string{"SEARCH balance_line USING INDEX sqlite_autoindex_balance_line_1 (report=?)"}},
		{"buyers", statement(buyers, "p.created_at DESC, p.id"), []any{2}, []string{"SEARCH statement USING INDEX statement_customer (provider_id=?)"}},
		{"debtors", statement(debtors, "p.created_at DESC, p.id"), []any{2}, []string{"SEARCH statement USING INDEX statement_open (provider_id=?)"}},
		{"units of debtors", selectUnitsDue, []any{2}, []string{"SEARCH statement USING INDEX statement_open (provider_id=?)"}},
		{"accounts", selectAccounts, []any{2, "[1001,1002]"}, []string{"SEARCH s USING PRIMARY KEY (payer_id=?)",
			"SEARCH t USING INDEX txn_dest (dest_profile_id=? AND dest_account=?)", "SEARCH t USING INDEX txn_orig (orig_profile_id=? AND orig_account=?)"}},
		{"terms", selectTerms, []any{2, `[[1001,"usd"]]`}, []string{"SEARCH s USING COVERING INDEX subscription_customer (provider_id=? AND profile_id=?)", "SEARCH t USING INDEX txn_event (event_id>? AND event_id<?)"}},
		{"registered", statement(&unattached, "u.first_name, u.id"), []any{3}, []string{"user_first_name", "SEARCH role USING COVERING INDEX role_user (user_id=?)", "SEARCH s USING INDEX subscription_profile (profile_id=?)"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			plan := storetest.Plan(t, w.Store, test.query, test.args...)
			for _, want := range test.want {
				if !strings.Contains(plan, want) {
					t.Errorf("plan\n%s\nwant\n%s", plan, want)
				}
			}
			if strings.Contains(plan, "AUTOMATIC") {
				t.Errorf("plan\n%s\nmakes an index", plan)
			}
			for step := range strings.SplitSeq(plan, "\n") {
				name, scanned := strings.CutPrefix(step, "SCAN ")
				table, _, _ := strings.Cut(name, " ")
				switch table {
				case "txn", "t", "s", "movement", "price", "statement", "subscription", "plan", "charge", "card_refusal", "profile", "p", "balance_line", "role":
					if scanned {
						t.Errorf("plan\n%s\nscans %s", plan, table)
					}
				}
			}
		})
	}
}
