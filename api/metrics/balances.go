package metrics

import (
	"database/sql"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

const soldAccounts = `('Income', 'Backlog', 'Receivable')`

// selectBalances moves the balances of the three accounts that what is sold goes through, by span: Σ dest − Σ orig. A write-off
// (customer:Canceled ← provider:Receivable) counts with the opposite sign (decision 26): what is given up is no longer due.
var selectBalances = `WITH ` + spanTables + `
	SELECT account, i, SUM(amount) FROM (` +
	posted(`i, t.dest_account AS account, t.dest_amount AS amount`, `t.dest_profile_id = ?3 AND t.dest_account IN `+soldAccounts+` AND t.dest_profile_id <> 0 AND t.dest_unit = ?4`) + `
		UNION ALL ` +
	posted(`i, t.orig_account, CASE t.dest_account WHEN 'Canceled' THEN t.orig_amount ELSE -t.orig_amount END`,
		`t.orig_profile_id = ?3 AND t.orig_account IN `+soldAccounts+` AND t.orig_profile_id <> 0 AND t.orig_unit = ?4`) + `)
	GROUP BY account, i`

// balances is the deferred revenue of a provider (metrics.md 2.1): what was earned, what was paid and not earned yet, and what was
// ordered and not paid yet, just before each boundary; without sign.
func (s *Service) balances(c *rest.Call, r store.Reader) (Table, error) {
	table := Table{Title: "Balances", Scale: hundredths}
	p, periods, unit, err := s.table(c, r)
	if err != nil {
		return table, err
	}
	table.Unit = unit
	accounts := []string{ledger.AccountIncome, ledger.AccountBacklog, ledger.AccountReceivable}
	moved := map[string][]int64{}
	for _, account := range accounts {
		moved[account] = make([]int64, len(periods.bounds))
	}
	slots, rest := bindPosted(periods.upTo())
	err = store.Each(r, func(rows *sql.Rows) error {
		var account string
		var i int
		var amount int64
		err := rows.Scan(&account, &i, &amount)
		moved[account][i] = amount
		return err
	}, selectBalances, slots, rest, p.id, unit)
	for _, account := range accounts {
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
