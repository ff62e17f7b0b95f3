package metrics

import (
	"database/sql"
	"strings"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// selectAllAccounts moves the balance of each account name, over all profiles, by span: Σ dest − Σ orig. The rows without a span are the
// balances with everything posted, which are kept: so no more of the books is read than what was written since the first boundary.
var selectAllAccounts = `WITH ` + spanTables + `
	SELECT account, NULL AS i, SUM(amount) FROM balance WHERE unit = ?3 GROUP BY account
	UNION ALL
	SELECT account, i, SUM(amount) FROM (` +
	posted(`i, t.dest_account AS account, t.dest_amount AS amount`, `t.dest_unit = ?3`) + `
		UNION ALL ` +
	posted(`i, t.orig_account, -t.orig_amount`, `t.orig_unit = ?3`) + `)
	GROUP BY account, i`

// showReport shows a balance sheet of the broker (metrics.md 4.1): for each line the balance, over all profiles, of the accounts whose
// names contain its selector, just before each boundary, in the default unit. A report that has no lines is empty.
func (s *Service) showReport(c *rest.Call, r store.Reader) (Table, error) {
	name := c.Param("report")
	table := Table{Title: "Balances: " + name, Unit: s.Unit, Scale: hundredths, Results: []Series{}}
	broker, err := profileOf(r, s.Directory.Broker())
	if err != nil {
		return table, err
	}
	t, err := periodsOf(c, broker.zone)
	if err != nil {
		return table, err
	}
	lines, err := linesOf(r, name)
	if err != nil || len(lines) == 0 {
		return table, err
	}
	n := len(t.bounds)
	balances := make([][]int64, len(lines)) // by line and boundary
	for i := range balances {
		balances[i] = make([]int64, n)
	}
	slots, rest := bindPosted(t.since())
	err = store.Each(r, func(rows *sql.Rows) error {
		var account string
		var span sql.Null[int]
		var amount int64
		if err := rows.Scan(&account, &span, &amount); err != nil {
			return err
		}
		until := n // of which boundaries it changes the balance: all, or those up to the span, which came before it
		if span.Valid {
			until, amount = span.V+1, -amount
		}
		for i := range lines {
			if strings.Contains(strings.ToLower(account), strings.ToLower(lines[i].Selector)) {
				for b := range until {
					balances[i][b] += amount
				}
			}
		}
		return nil
	}, selectAllAccounts, slots, rest, s.Unit)
	for i, l := range lines {
		if l.isPositive {
			for b, v := range balances[i] {
				balances[i][b] = max(v, -v)
			}
		}
		table.Results = append(table.Results, Series{Slug: l.Title, Title: l.Title, Selector: &l.Selector, Values: dated(t.bounds, balances[i])})
	}
	return table, err
}
