package ledger

import (
	"database/sql"
	"errors"
	"strings"

	"github.com/caddy-tollgate/tollgate/store"
)

// Balance is Σ dest − Σ orig of one account of a profile in one unit: one row, whatever the number of entries.
func Balance(r store.Reader, profile int64, account, unit string) (int64, error) {
	var amount int64
	err := r.QueryRow(`SELECT amount FROM balance WHERE profile_id = ? AND account = ? AND unit = ?`, profile, account, unit).Scan(&amount)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return amount, err
}

// Funds is the cash that a profile holds on the platform, per unit in the order of units; units at 0 are left out. It is
// negative after a dispute about money that was already paid out.
func Funds(r store.Reader, profile int64) ([]Amount, error) {
	return AccountBalance(r, Selection{Profile: profile, Account: AccountFunds})
}

// CountEntries is how many entries have an account of a profile on either side, in any unit.
func CountEntries(r store.Reader, profile int64, account string) (int64, error) {
	var n int64
	err := r.QueryRow(`SELECT COALESCE(SUM(nb_entries), 0) FROM balance WHERE profile_id = ? AND account = ?`, profile, account).Scan(&n)
	return n, err
}

// A Selection says which sides of which entries an account balance adds up. Fields that are zero select everything.
type Selection struct {
	Profile  int64
	Account  string     // exact name
	Selector string     // or a part of the name in any case: "Refund" also selects Refunded
	Event    string     // event id
	From     store.Time // included
	Until    store.Time // excluded
}

// AccountBalance is Σ dest − Σ orig over the sides selected (4.3), per unit in the order of units; units at 0 are left out.
// Without event and dates it reads the balances that are kept; with them it adds entries up.
func AccountBalance(r store.Reader, s Selection) ([]Amount, error) {
	var query string
	var args []any
	if s.Event == "" && s.From.IsZero() && s.Until.IsZero() {
		where, values := s.where("profile_id", "account")
		query = `SELECT unit, SUM(amount) FROM balance WHERE ` + where + ` GROUP BY unit HAVING SUM(amount) <> 0 ORDER BY unit`
		args = values
	} else {
		dest, values := s.where("dest_profile_id", "dest_account")
		orig, _ := s.where("orig_profile_id", "orig_account")
		query = `SELECT unit, SUM(amount) FROM (
				SELECT dest_unit AS unit, SUM(dest_amount) AS amount FROM txn WHERE ` + dest + ` GROUP BY dest_unit
				UNION ALL
				SELECT orig_unit, -SUM(orig_amount) FROM txn WHERE ` + orig + ` GROUP BY orig_unit
			) AS side GROUP BY unit HAVING SUM(amount) <> 0 ORDER BY unit`
		args = append(values, values...)
	}
	return amounts(r, query, args...)
}

// where is the condition on one side of an entry, or on a row of the table balance.
func (s Selection) where(profile, account string) (string, []any) {
	conditions := []string{"1 = 1"}
	var args []any
	add := func(condition string, arg any) {
		conditions = append(conditions, condition)
		args = append(args, arg)
	}
	if s.Profile != 0 {
		add(profile+" = ?", s.Profile)
	}
	if s.Account != "" {
		add(account+" = ?", s.Account)
	}
	if s.Selector != "" {
		add("lower("+account+`) LIKE ? ESCAPE '\'`, "%"+likeEscaper.Replace(strings.ToLower(s.Selector))+"%")
	}
	if s.Event != "" {
		add("event_id = ?", s.Event)
	}
	if !s.From.IsZero() {
		add("created_at >= ?", s.From)
	}
	if !s.Until.IsZero() {
		add("created_at < ?", s.Until)
	}
	return strings.Join(conditions, " AND "), args
}

var likeEscaper = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

func amounts(r store.Reader, query string, args ...any) ([]Amount, error) {
	var list []Amount
	err := each(r, func(scan func(...any) error) error {
		var a Amount
		if err := scan(&a.Unit, &a.Value); err != nil {
			return err
		}
		list = append(list, a)
		return nil
	}, query, args...)
	return list, err
}
