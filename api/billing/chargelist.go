package billing

import (
	"database/sql"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// ChargeList is the envelope of lists of charges (ledger.md 9.2).
type ChargeList struct {
	StartAt       *string         `json:"start_at"`
	EndsAt        *string         `json:"ends_at"`
	BalanceAmount int64           `json:"balance_amount"` // of all charges that match
	BalanceUnit   string          `json:"balance_unit"`
	Balances      []ledger.Amount `json:"balances,omitempty"`
	rest.Page[Charge]
}

var allCharges = chargeList("")
var customerCharges = chargeList("h.customer_id = ?")

func chargeList(where string) *rest.List[charge] {
	return &rest.List[charge]{
		Select: chargeColumns, From: chargeTables, Where: where, Counted: "charge h", Key: "h.id",
		Search:  rest.Names{"description": {"h.description"}, "processor_key": {"h.processor_key"}, "customer__full_name": {"customer.full_name"}},
		Order:   rest.Names{"description": {"h.description"}, "amount": {"h.amount"}, "created_at": {"h.created_at"}, "Full name": {"customer.full_name"}, "full_name": {"customer.full_name"}},
		Default: []string{"created_at"}, Dates: "h.created_at", EndsNow: true,
		Scan: func(rows *sql.Rows, c *charge) error { return scanCharge(rows, c) },
	}
}

// charges lists all charges (ledger.md 9.2).
func (s *Service) charges(c *rest.Call, r store.Reader) (ChargeList, error) {
	return s.listCharges(c, r, allCharges)
}

// chargesOf lists the charges of a customer (ledger.md 9.20).
func (s *Service) chargesOf(c *rest.Call, r store.Reader) (ChargeList, error) {
	p, err := s.pathProfile(c, r)
	if err != nil {
		return ChargeList{}, err
	}
	return s.listCharges(c, r, customerCharges, p)
}

func (s *Service) listCharges(c *rest.Call, r store.Reader, l *rest.List[charge], args ...any) (ChargeList, error) {
	page, err := l.Page(c, r, args...)
	if err != nil {
		return ChargeList{}, err
	}
	window, err := c.Range(true)
	if err != nil {
		return ChargeList{}, err
	}
	out := ChargeList{StartAt: window.StartText, EndsAt: window.EndText, BalanceUnit: s.set.Unit,
		Page: rest.Page[Charge]{Count: page.Count, Next: page.Next, Previous: page.Previous, Results: make([]Charge, len(page.Results))}}
	for i := range page.Results {
		out.Results[i] = page.Results[i].view()
	}
	if c.IsCSV() {
		return out, nil
	}
	sums := map[string]int64{}
	err = l.Totals(c, r, "h.unit, SUM(h.amount)", "h.unit", func(rows *sql.Rows) error {
		var unit string
		var sum int64
		err := rows.Scan(&unit, &sum)
		sums[unit] = sum
		return err
	}, args...)
	out.BalanceAmount, out.BalanceUnit, out.Balances = balance(sums, s.set.Unit)
	return out, err
}
