package billing

import (
	"database/sql"
	"slices"
	"strings"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// Transaction is an entry of the ledger as the API shows it (ledger.md 9.0). Amounts are in 1/100 of their unit.
type Transaction struct {
	CreatedAt   store.Time             `json:"created_at"`
	Description string                 `json:"description"`
	Amount      string                 `json:"amount"` // for people
	IsDebit     bool                   `json:"is_debit"`
	OrigAccount string                 `json:"orig_account"`
	OrigProfile directory.ProfileShort `json:"orig_profile"`
	OrigAmount  int64                  `json:"orig_amount"`
	OrigUnit    string                 `json:"orig_unit"`
	DestAccount string                 `json:"dest_account"`
	DestProfile directory.ProfileShort `json:"dest_profile"`
	DestAmount  int64                  `json:"dest_amount"`
	DestUnit    string                 `json:"dest_unit"`

	origID, destID int64
	event          string
}

// Statement is the envelope of lists with a balance (conventions.md 7.3).
type Statement struct {
	StartAt       *string         `json:"start_at"`
	EndsAt        *string         `json:"ends_at"`
	NextBillingAt *string         `json:"next_billing_at"`
	BalanceAmount int64           `json:"balance_amount"`
	BalanceUnit   string          `json:"balance_unit"`
	Balances      []ledger.Amount `json:"balances,omitempty"`
	rest.Page[Transaction]
}

var transactions = &rest.List[Transaction]{
	Select: `t.created_at, t.descr, t.orig_account, t.orig_profile_id, t.orig_amount, t.orig_unit,
		t.dest_account, t.dest_profile_id, t.dest_amount, t.dest_unit, coalesce(t.event_id, '')`,
	From:    `txn t JOIN profile dest ON dest.id = t.dest_profile_id JOIN profile orig ON orig.id = t.orig_profile_id`,
	Counted: "txn t",
	Key:     "t.id",
	Search: rest.Names{
		"description": {"t.descr"}, "dest_profile": {"dest.slug"}, "dest_profile__full_name": {"dest.full_name"},
		"orig_profile": {"orig.slug"}, "orig_profile__full_name": {"orig.full_name"},
	},
	Order: rest.Names{
		"description": {"t.descr"}, "amount": {"t.dest_amount"}, "created_at": {"t.created_at"},
		"dest_profile": {"dest.slug"}, "dest_profile__full_name": {"dest.full_name"}, "dest_account": {"t.dest_account"},
		"orig_profile": {"orig.slug"}, "orig_profile__full_name": {"orig.full_name"}, "orig_account": {"t.orig_account"},
	},
	Default: []string{"created_at"},
	Dates:   "t.created_at",
	EndsNow: true,
	Scan: func(rows *sql.Rows, t *Transaction) error {
		err := rows.Scan(&t.CreatedAt, &t.Description, &t.OrigAccount, &t.origID, &t.OrigAmount, &t.OrigUnit,
			&t.DestAccount, &t.destID, &t.DestAmount, &t.DestUnit, &t.event)
		t.Amount = ledger.Amount{Value: t.DestAmount, Unit: t.DestUnit}.String()
		return err
	},
}

// transactions lists the entries of the ledger (ledger.md 9.1). The balance is that of all entries that match, by unit: with a
// selector, of the sides whose account's name contains it.
func (s *Service) transactions(c *rest.Call, r store.Reader) (Statement, error) {
	var args []any
	selector := c.QueryString("selector")
	if selector != "" {
		like := "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(selector) + "%"
		args = append(args, rest.Where(`t.dest_account LIKE ? ESCAPE '\' OR t.orig_account LIKE ? ESCAPE '\'`, like, like))
	}
	page, err := transactions.Page(c, r, args...)
	if err != nil {
		return Statement{}, err
	}
	if err := s.complete(r, page.Results); err != nil {
		return Statement{}, err
	}
	out := Statement{BalanceUnit: s.set.Unit, Page: page}
	window, err := c.Range(true)
	if err != nil {
		return Statement{}, err
	}
	out.StartAt, out.EndsAt = window.StartText, window.EndText
	if c.IsCSV() {
		return out, nil
	}
	sums := map[string]int64{}
	sum := func(rows *sql.Rows) error {
		var dest, destUnit, orig, origUnit string
		var in, out int64
		if err := rows.Scan(&dest, &destUnit, &orig, &origUnit, &in, &out); err != nil {
			return err
		}
		if selects(selector, dest) {
			sums[destUnit] += in
		}
		if selects(selector, orig) {
			sums[origUnit] -= out
		}
		return nil
	}
	const columns, group = "t.dest_account, t.dest_unit, t.orig_account, t.orig_unit, SUM(t.dest_amount), SUM(t.orig_amount)",
		"t.dest_account, t.dest_unit, t.orig_account, t.orig_unit"
	switch {
	case selector == "": // whole entries add up to nothing, unless they are between two units
		err = transactions.Totals(c, r, columns, group, sum, rest.Where("t.dest_unit <> t.orig_unit"))
	case c.QueryString("q") == "" && window.Start.IsZero() && window.EndDefaulted: // the accounts as they are kept, less what is dated later
		err = s.keptTotals(r, selector, window.End, sums)
	default:
		err = transactions.Totals(c, r, columns, group, sum, args...)
	}
	if err != nil {
		return Statement{}, err
	}
	out.balance(sums, s.set.Unit)
	return out, nil
}

// keptTotals adds the accounts of a selector up, as of until.
func (s *Service) keptTotals(r store.Reader, selector string, until store.Time, sums map[string]int64) error {
	all, err := ledger.AccountBalance(r, ledger.Selection{Selector: selector})
	if err != nil {
		return err
	}
	later, err := ledger.AccountBalance(r, ledger.Selection{Selector: selector, From: until})
	for _, a := range all {
		sums[a.Unit] += a.Value
	}
	for _, a := range later {
		sums[a.Unit] -= a.Value
	}
	return err
}

// selects reports whether an account belongs to a selector: a part of its name, letter case apart.
func selects(selector, account string) bool {
	return strings.Contains(strings.ToLower(account), strings.ToLower(selector))
}

// balance fills in the balance, from a sum per unit.
func (st *Statement) balance(sums map[string]int64, unit string) {
	st.BalanceAmount, st.BalanceUnit, st.Balances = balance(sums, unit)
}

// balance is the amount of an envelope, from a sum per unit: of the default unit when it is there, else of the first; all of them when
// there are several (decision 18). They are never added together.
func balance(sums map[string]int64, unit string) (int64, string, []ledger.Amount) {
	var all []ledger.Amount
	for u, amount := range sums {
		if amount != 0 {
			all = append(all, ledger.Amount{Value: amount, Unit: u})
		}
	}
	slices.SortFunc(all, func(a, b ledger.Amount) int {
		if (a.Unit == unit) != (b.Unit == unit) {
			if a.Unit == unit {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Unit, b.Unit)
	})
	switch len(all) {
	case 0:
		return 0, unit, nil
	case 1:
		return all[0].Value, all[0].Unit, nil
	}
	return all[0].Value, all[0].Unit, all
}

// complete fills in the profiles of entries and the titles of their plans, in a few queries for all of them.
func (s *Service) complete(r store.Reader, list []Transaction) error {
	ids := make([]int64, 0, 2*len(list))
	events := make([]string, 0, len(list))
	for i := range list {
		ids = append(ids, list[i].origID, list[i].destID)
		events = append(events, list[i].event)
	}
	profiles, err := s.dir.Profiles(r, ids)
	if err != nil {
		return err
	}
	lines, err := refunded(r, events)
	if err != nil {
		return err
	}
	for i, id := range events {
		if line, ok := lines[id]; ok {
			events[i] = line
		}
	}
	plans, err := s.plansOf(r, events)
	if err != nil {
		return err
	}
	for i := range list {
		list[i].OrigProfile, list[i].DestProfile = profiles[list[i].origID], profiles[list[i].destID]
		p := plans[events[i]]
		list[i].Description = titled(list[i].Description, p.Slug, p.Title)
	}
	return nil
}
