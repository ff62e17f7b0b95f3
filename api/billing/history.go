package billing

import (
	"database/sql"
	"errors"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// Lists of entries as one profile sees them (ledger.md 9.3, 9.4, 9.7).

// History is the envelope of the lists of one profile with a balance.
type History struct {
	StartAt       *string         `json:"start_at"`
	EndsAt        *string         `json:"ends_at"`
	BalanceAmount int64           `json:"balance_amount"`
	BalanceUnit   string          `json:"balance_unit"`
	Balances      []ledger.Amount `json:"balances,omitempty"`
	rest.Page[Transaction]
}

const entryProfiles = ` JOIN profile dest ON dest.id = t.dest_profile_id JOIN profile orig ON orig.id = t.orig_profile_id`

// entriesList is a list of entries like transactions, of other tables.
func entriesList(tables, where string, order ...string) *rest.List[Transaction] {
	l := *transactions
	l.From, l.Counted, l.Where, l.Default = tables+entryProfiles, tables, where, order
	return &l
}

var (
	// historyList are the entries in which a profile is the customer, but for those that only balance.
	historyList = entriesList(`(SELECT id FROM txn WHERE dest_profile_id = ? AND dest_account IN ('Payable', 'Liability') AND orig_account <> 'Payable'
		UNION SELECT id FROM txn WHERE orig_profile_id = ? AND orig_account IN ('Liability', 'Refunded')) own JOIN txn t ON t.id = own.id`, "", "created_at")
	unpaidList      = entriesList(ledger.UnpaidTables, ledger.UnpaidCondition, "-created_at")
	receivablesList = entriesList("txn t", `t.orig_profile_id = ? AND t.orig_account = 'Receivable' AND t.dest_account <> 'Canceled' AND t.orig_amount > 0`, "created_at")
	transfersList   = entriesList(`(SELECT id FROM txn WHERE dest_profile_id = ? AND dest_account = 'Funds'
		UNION SELECT id FROM txn WHERE orig_profile_id = ? AND orig_account = 'Funds') own JOIN txn t ON t.id = own.id`, "", "created_at")
)

// entriesPage is a page of entries as a profile sees them: what leaves it, to or from the cash on the platform, is a debit.
func (s *Service) entriesPage(c *rest.Call, r store.Reader, l *rest.List[Transaction], profile int64, args ...any) (rest.Page[Transaction], error) {
	page, err := l.Page(c, r, args...)
	if err != nil {
		return page, err
	}
	for i := range page.Results {
		t := &page.Results[i]
		if t.IsDebit = t.origID == profile && (t.DestAccount == ledger.AccountFunds || t.OrigAccount == ledger.AccountFunds); t.IsDebit {
			t.Amount = ledger.Amount{Value: -t.OrigAmount, Unit: t.OrigUnit}.String()
		}
	}
	return page, s.complete(r, page.Results)
}

// owed is the statement balance of a profile as of the end of the window of the request.
func (s *Service) owed(c *rest.Call, r store.Reader, profile int64) (window rest.Range, sums map[string]int64, err error) {
	if window, err = c.Range(true); err != nil {
		return window, nil, err
	}
	until := window.End
	if window.EndDefaulted {
		until = store.Time{} // now: everything posted, what is dated now included
	}
	statement, err := ledger.StatementOf(r, profile, until)
	if err != nil {
		return window, nil, err
	}
	total, err := statement.Total()
	sums = make(map[string]int64, len(total))
	for _, a := range total {
		sums[a.Unit] = a.Value
	}
	return window, sums, err
}

// history lists what a customer ordered, paid and was given back (ledger.md 9.3).
func (s *Service) history(c *rest.Call, r store.Reader) (out History, err error) {
	profile, err := s.pathProfile(c, r)
	if err != nil {
		return out, err
	}
	if out.Page, err = s.entriesPage(c, r, historyList, profile, profile, profile); err != nil || c.IsCSV() {
		return out, err
	}
	window, sums, err := s.owed(c, r, profile)
	out.StartAt, out.EndsAt = window.StartText, window.EndText
	out.BalanceAmount, out.BalanceUnit, out.Balances = balance(sums, s.set.Unit)
	return out, err
}

// balanceDue lists the orders of a customer that are not paid (ledger.md 9.4).
func (s *Service) balanceDue(c *rest.Call, r store.Reader) (out Statement, err error) {
	profile, err := s.pathProfile(c, r)
	if err != nil {
		return out, err
	}
	if out.Page, err = s.entriesPage(c, r, unpaidList, profile, profile); err != nil || c.IsCSV() {
		return out, err
	}
	if err := r.QueryRow(`SELECT billing_start FROM profile WHERE id = ?`, profile).Scan(&out.NextBillingAt); err != nil {
		return out, err
	}
	window, sums, err := s.owed(c, r, profile)
	out.StartAt, out.EndsAt = window.StartText, window.EndText
	out.balance(sums, s.set.Unit)
	return out, err
}

// receivables lists the sales of a provider, paid or not (ledger.md 9.7).
func (s *Service) receivables(c *rest.Call, r store.Reader) (out History, err error) {
	profile, err := s.pathProfile(c, r)
	if err != nil {
		return out, err
	}
	if out.Page, err = s.entriesPage(c, r, receivablesList, profile, profile); err != nil || c.IsCSV() {
		return out, err
	}
	window, err := c.Range(true)
	if err != nil {
		return out, err
	}
	out.StartAt, out.EndsAt = window.StartText, window.EndText
	sums := map[string]int64{}
	err = receivablesList.Totals(c, r, "t.orig_unit, SUM(t.orig_amount)", "t.orig_unit", func(rows *sql.Rows) error {
		var unit string
		var sum int64
		err := rows.Scan(&unit, &sum)
		sums[unit] = sum
		return err
	}, profile)
	out.BalanceAmount, out.BalanceUnit, out.Balances = balance(sums, s.set.Unit)
	return out, err
}

// pathProfile is the profile of the path. Errors: 404.
func (s *Service) pathProfile(c *rest.Call, r store.Reader) (int64, error) {
	var id int64
	var exact string
	err := r.QueryRow(`SELECT id, slug FROM profile WHERE slug = ?`, c.Param("profile")).Scan(&id, &exact)
	if errors.Is(err, store.ErrNotFound) || err == nil && exact != c.Param("profile") {
		return 0, rest.NotFound("Organization")
	}
	return id, err
}
