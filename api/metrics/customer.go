package metrics

import (
	"database/sql"
	"encoding/json"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// Lists of the customers of a provider (metrics.md 3.1, 3.2).

// customerList lists profiles; from is which.
func customerList(from string) *rest.List[int64] {
	names := rest.Names{"slug": {"p.slug"}, "full_name": {"p.full_name"}}
	return &rest.List[int64]{
		Select: "p.id", From: from + ` JOIN profile p ON p.id = customer.payer_id`, Key: "p.id",
		Search: names, Order: rest.Names{"slug": names["slug"], "full_name": names["full_name"], "created_at": {"p.created_at"}},
		Default: []string{"-created_at"}, Dates: "p.created_at", EndsNow: true,
		Scan: func(rows *sql.Rows, id *int64) error { return rows.Scan(id) },
	}
}

var (
	// buyers are who ordered something that costs something, paid or not.
	buyers = customerList(`(SELECT DISTINCT payer_id FROM statement WHERE provider_id = ? AND due > 0) customer`)
	// debtors are whose orders are not what they paid, in some unit.
	debtors = customerList(`(SELECT DISTINCT payer_id FROM (SELECT payer_id FROM statement WHERE provider_id = ? AND due <> paid
		GROUP BY payer_id, unit HAVING SUM(due - paid) <> 0)) customer`)
)

// selectAccounts adds up, for each of the customers ?2 of the provider ?1 and each unit: what was ordered; what was paid, by card or
// not; what was written off; what was given back. Debts follow the payer (decision 35). statement holds payments and write-offs in one
// sum, which the write-offs, few entries of each customer, take apart. Entries are looked up by customer: the "+" keeps those of the
// provider, who has many more, from being read.
const selectAccounts = `WITH customer AS (SELECT value AS id FROM json_each(?2))
	SELECT id, unit, SUM(due), SUM(paid) - SUM(written_off), SUM(written_off), SUM(refunded) FROM (
		SELECT customer.id, s.unit, s.due, s.paid, 0 AS written_off, 0 AS refunded
		FROM customer CROSS JOIN statement s WHERE s.payer_id = customer.id AND s.provider_id = ?1
		UNION ALL
		SELECT customer.id, t.orig_unit, 0, 0, t.orig_amount, 0
		FROM customer CROSS JOIN txn t WHERE t.dest_profile_id = customer.id AND t.dest_account = 'Canceled' AND +t.orig_profile_id = ?1 AND t.orig_account = 'Receivable'
		UNION ALL
		SELECT customer.id, t.orig_unit, 0, 0, 0, t.orig_amount
		FROM customer CROSS JOIN txn t WHERE t.orig_profile_id = customer.id AND t.orig_account = 'Refunded' AND +t.dest_profile_id = ?1 AND t.dest_account = 'Refund')
	GROUP BY id, unit ORDER BY id, unit`

// An account is what a customer and a provider have to do with each other, in one unit.
type account struct {
	unit                                string
	ordered, paid, writtenOff, refunded int64 // in 1/100 of unit
}

// accountsOf are the accounts of customers with a provider, by customer, in the order of units.
func accountsOf(r store.Reader, provider int64, customers []int64) (map[int64][]account, error) {
	all := make(map[int64][]account, len(customers))
	err := store.Each(r, func(rows *sql.Rows) error {
		var id int64
		var a account
		err := rows.Scan(&id, &a.unit, &a.ordered, &a.paid, &a.writtenOff, &a.refunded)
		all[id] = append(all[id], a)
		return err
	}, selectAccounts, provider, store.IDs(customers))
	return all, err
}

// A roster is a page of a list of customers, with what both lists tell of them.
type roster struct {
	rest.Page[int64]
	profiles map[int64]directory.ProfileShort
	accounts map[int64][]account
}

// roster reads a page of customers of a provider.
func (s *Service) roster(c *rest.Call, r store.Reader, p provider, list *rest.List[int64]) (found roster, err error) {
	if found.Page, err = list.Page(c, r, p.id); err != nil {
		return found, err
	}
	if found.profiles, err = s.Directory.Profiles(r, found.Results); err != nil {
		return found, err
	}
	found.accounts, err = accountsOf(r, p.id, found.Results)
	return found, err
}

// LifetimeValue is what a customer is worth (metrics.md 3.1), as of now. Amounts are in 1/100 of Unit: the main unit of the provider when
// the customer has it, else the first in alphabetical order.
type LifetimeValue struct {
	Slug            string     `json:"slug"`
	PrintableName   string     `json:"printable_name"`
	Picture         *string    `json:"picture"`
	Type            string     `json:"type"`
	Credentials     bool       `json:"credentials"`
	CreatedAt       store.Time `json:"created_at"` // of the first subscription, null without any
	EndsAt          store.Time `json:"ends_at"`    // of the last
	ContractValue   int64      `json:"contract_value"`
	CashPayments    int64      `json:"cash_payments"`
	DeferredRevenue int64      `json:"deferred_revenue"`
	Unit            string     `json:"unit"`
}

// selectTerms are the subscriptions of customers to a provider as a whole, with what was recognised of them as income after it was
// paid, in the unit of each customer; the entries of a subscription and of its uses are on events that begin alike.
const selectTerms = `WITH customer AS (SELECT value ->> 0 AS id, value ->> 1 AS unit FROM json_each(?2))
	SELECT customer.id, MIN(s.created_at), MAX(s.ends_at), coalesce(SUM((SELECT SUM(t.dest_amount) FROM txn t
		WHERE t.event_id >= 'sub_' || s.id || '/' AND t.event_id < 'sub_' || s.id || '0' AND t.dest_account = 'Backlog' AND +t.dest_profile_id = ?1
			AND t.dest_unit = customer.unit)), 0)
	FROM customer CROSS JOIN subscription s WHERE s.provider_id = ?1 AND s.profile_id = customer.id
	GROUP BY customer.id`

// lifetimeValues lists customers with what they ordered, paid, and what of that is not earned yet (metrics.md 3.1). Cash is payments less
// refunds; deferred is cash less what was recognised, not below 0.
func (s *Service) lifetimeValues(c *rest.Call, r store.Reader) (page rest.Page[LifetimeValue], err error) {
	p, err := s.provider(c, r)
	if err != nil {
		return page, err
	}
	found, err := s.roster(c, r, p, buyers)
	if err != nil {
		return page, err
	}
	unit, err := s.mainUnit(r, p.id)
	if err != nil {
		return page, err
	}
	page = rest.Page[LifetimeValue]{Count: found.Count, Next: found.Next, Previous: found.Previous, Results: make([]LifetimeValue, len(found.Results))}
	at := make(map[int64]*LifetimeValue, len(found.Results))
	units := make([][2]any, len(found.Results))
	for i, id := range found.Results {
		f, a := found.profiles[id], mainAccount(found.accounts[id], unit)
		page.Results[i] = LifetimeValue{Slug: f.Slug, PrintableName: f.PrintableName, Picture: f.Picture, Type: f.Type, Credentials: f.Credentials,
			ContractValue: a.ordered, CashPayments: a.paid - a.refunded, Unit: a.unit}
		page.Results[i].DeferredRevenue = max(page.Results[i].CashPayments, 0)
		at[id], units[i] = &page.Results[i], [2]any{id, a.unit}
	}
	customers, _ := json.Marshal(units) // integers and strings always have a JSON form
	err = store.Each(r, func(rows *sql.Rows) error {
		var id, recognised int64
		var first, last store.Time
		err := rows.Scan(&id, &first, &last, &recognised)
		v := at[id]
		v.CreatedAt, v.EndsAt, v.DeferredRevenue = first, last, max(v.CashPayments-recognised, 0)
		return err
	}, selectTerms, p.id, string(customers))
	return page, err
}

// mainAccount is the account in a unit when something was ordered in it, else the first in which something was.
func mainAccount(accounts []account, unit string) (main account) {
	for _, a := range accounts {
		if a.ordered > 0 && (main.ordered == 0 || a.unit == unit) {
			main = a
		}
	}
	return main
}

// A Debt is what a customer owes in one unit (metrics.md 3.2), in 1/100 of it.
type Debt struct {
	ContractValue int64 `json:"contract_value"` // ordered
	CashPayments  int64 `json:"cash_payments"`  // paid, refunds not deducted
	Balance       int64 `json:"balance"`        // ordered, less paid and written off; negative when overpaid
}

// A BalanceDue is a customer with a balance that is not 0.
type BalanceDue struct {
	directory.ProfileShort
	Balances Debts `json:"balances"`
}

// Debts are balances that are not 0, by unit.
type Debts map[string]Debt

// BalancesDue is the list of them.
type BalancesDue struct {
	rest.Page[BalanceDue]
	units []string // of balances that are not 0; for CSV only
}

// Columns implements rest.Columnar: CSV has three columns a unit in place of balances (metrics.md 5).
func (b BalancesDue) Columns() []string {
	columns := []string{"slug", "printable_name", "picture", "type", "credentials", "created_at"}
	for _, unit := range b.units {
		columns = append(columns, unit+"_contract_value", unit+"_cash_payments", unit+"_balance")
	}
	return columns
}

// Cells implements rest.Columnar.
func (b BalancesDue) Cells(i int) []any {
	item := b.Results[i]
	cells := []any{item.Slug, item.PrintableName, item.Picture, item.Type, item.Credentials, item.CreatedAt}
	for _, unit := range b.units {
		d := item.Balances[unit]
		cells = append(cells, d.ContractValue, d.CashPayments, d.Balance)
	}
	return cells
}

const selectUnitsDue = `SELECT DISTINCT unit FROM (SELECT unit FROM statement WHERE provider_id = ? AND due <> paid
	GROUP BY payer_id, unit HAVING SUM(due - paid) <> 0) ORDER BY unit`

// balancesDue lists the customers whose balance with a provider is not 0 (metrics.md 3.2).
func (s *Service) balancesDue(c *rest.Call, r store.Reader) (page BalancesDue, err error) {
	p, err := s.provider(c, r)
	if err != nil {
		return page, err
	}
	found, err := s.roster(c, r, p, debtors)
	if err != nil {
		return page, err
	}
	if c.IsCSV() {
		if page.units, err = store.Column[string](r, selectUnitsDue, p.id); err != nil {
			return page, err
		}
	}
	page.Page = rest.Page[BalanceDue]{Count: found.Count, Next: found.Next, Previous: found.Previous, Results: make([]BalanceDue, len(found.Results))}
	for i, id := range found.Results {
		page.Results[i] = BalanceDue{found.profiles[id], Debts{}}
		for _, a := range found.accounts[id] {
			if due := a.ordered - a.paid - a.writtenOff; due != 0 {
				page.Results[i].Balances[a.unit] = Debt{a.ordered, a.paid, due}
			}
		}
	}
	return page, err
}
