package metrics

import (
	"database/sql"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// selectBalances moves the balances of the three accounts that what is sold goes through, by span: Σ dest − Σ orig. A write-off
// (customer:Canceled ← provider:Receivable) counts with the opposite sign (decision 26): what is given up is no longer due. Each entry
// is read once, and none is sorted.
const selectBalances = `WITH ` + spanTable + `, account AS (SELECT 'Income' AS name UNION ALL SELECT 'Backlog' UNION ALL SELECT 'Receivable')
	SELECT account.name, span.i,
		(SELECT coalesce(SUM(t.dest_amount), 0) FROM txn t
			WHERE t.dest_profile_id = ?2 AND t.dest_account = account.name AND t.created_at >= span.since AND t.created_at < span.until AND t.dest_unit = ?3)
		- (SELECT coalesce(SUM(CASE t.dest_account WHEN 'Canceled' THEN -t.orig_amount ELSE t.orig_amount END), 0) FROM txn t
			WHERE t.orig_profile_id = ?2 AND t.orig_account = account.name AND t.created_at >= span.since AND t.created_at < span.until AND t.orig_unit = ?3)
	FROM account CROSS JOIN span`

// balances is the deferred revenue of a provider (metrics.md 2.1): what was earned, what was paid and not earned yet, and what was
// ordered and not paid yet, just before each boundary; without sign.
func (s *Service) balances(c *rest.Call, r store.Reader) (Table, error) {
	table := Table{Title: "Balances", Scale: hundredths}
	p, periods, unit, err := s.table(c, r)
	if err != nil {
		return table, err
	}
	table.Unit = unit
	moved := map[string][]int64{}
	for _, account := range []string{ledger.AccountIncome, ledger.AccountBacklog, ledger.AccountReceivable} {
		moved[account] = make([]int64, len(periods.bounds))
	}
	err = store.Each(r, func(rows *sql.Rows) error {
		var account string
		var i int
		var amount int64
		err := rows.Scan(&account, &i, &amount)
		moved[account][i] = amount
		return err
	}, selectBalances, bindSpans(periods.upTo()), p.id, unit)
	for _, account := range []string{ledger.AccountIncome, ledger.AccountBacklog, ledger.AccountReceivable} {
		values := moved[account]
		var balance int64
		for i, amount := range values {
			balance += amount
			values[i] = max(balance, -balance)
		}
		table.Results = append(table.Results, Series{Slug: account, Title: account, Values: dated(periods.bounds, values)})
	}
	return table, err
}
