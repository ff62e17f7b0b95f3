package metrics

import (
	"database/sql"
	"strings"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// selectMoved is what went from each account name to another, over all profiles, in the unit ?3, by span.
var selectMoved = `WITH ` + spanTables + `
	SELECT dest_account, orig_account, i, SUM(dest), SUM(orig) FROM (` +
	posted(`i, t.dest_account, t.orig_account, CASE t.dest_unit WHEN ?3 THEN t.dest_amount ELSE 0 END AS dest, CASE t.orig_unit WHEN ?3 THEN t.orig_amount ELSE 0 END AS orig`, `1`) + `)
	GROUP BY dest_account, orig_account, i`

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
	balances := make([][]int64, len(lines)) // by line and boundary
	for i := range balances {
		balances[i] = make([]int64, len(t.bounds))
	}
	slots, rest := bindPosted(t.upTo())
	err = store.Each(r, func(rows *sql.Rows) error {
		var dest, orig string
		var span int
		var in, out int64
		if err := rows.Scan(&dest, &orig, &span, &in, &out); err != nil {
			return err
		}
		for i, l := range lines {
			if l.selects(dest) {
				balances[i][span] += in
			}
			if l.selects(orig) {
				balances[i][span] -= out
			}
		}
		return nil
	}, selectMoved, slots, rest, s.Unit)
	for i := range balances {
		for b := range balances[i][1:] {
			balances[i][b+1] += balances[i][b]
		}
	}
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

// selects reports whether a line is about an account: the case of its name does not matter.
func (l *Line) selects(account string) bool {
	return strings.Contains(strings.ToLower(account), strings.ToLower(l.Selector))
}
