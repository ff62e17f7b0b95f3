package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"math"

	"github.com/caddy-tollgate/tollgate/store"
)

// verifyRows is how many profiles, movements, subscriptions or plans are summed up in one snapshot.
const verifyRows = 500

// verifySums compares what is kept with the entries, some rows at a time: in one snapshot the two always agree. The database does the
// sums and returns what differs.
func verifySums(ctx context.Context, s Snapshots, report *Report, progress func(done, of int64)) error {
	for _, part := range []struct {
		next   string // the last of the rows after the first argument, at most the second
		checks []sumCheck
	}{
		{`SELECT MAX(id) FROM (SELECT id FROM profile WHERE id > ? ORDER BY id LIMIT ?) AS some`, sumChecks},
		{`SELECT MAX(slot) FROM (SELECT slot FROM movement WHERE slot > ? ORDER BY slot LIMIT ?) AS some`, movementChecks},
		{`SELECT MAX(id) FROM (SELECT id FROM subscription WHERE id > ? ORDER BY id LIMIT ?) AS some`, priceChecks},
		{`SELECT MAX(id) FROM (SELECT id FROM plan WHERE id > ? ORDER BY id LIMIT ?) AS some`, planChecks},
	} {
		for from := int64(math.MinInt64); from < math.MaxInt64; {
			err := s.Read(ctx, func(r store.Reader) error {
				var last sql.Null[int64]
				if err := r.QueryRow(part.next, from, verifyRows).Scan(&last); err != nil {
					return err
				}
				upTo := last.V
				if !last.Valid {
					upTo = math.MaxInt64 // whatever has no row
				}
				r = store.Cancellable(ctx, r)
				for _, check := range part.checks {
					if err := check.run(r, report, from, upTo); err != nil {
						return err
					}
				}
				from = upTo
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// A sumCheck returns the number of the row, a name, and the unit of what does not agree. Its query takes a range of rows, as often as
// ranges says. What is kept and what is summed up are laid over each other, so that a row that is missing on either side shows as well.
type sumCheck struct {
	where, of, what string
	ranges          int
	query           string
}

func (c *sumCheck) run(r store.Reader, report *Report, from, upTo int64) error {
	args := make([]any, 0, 2*c.ranges)
	for range c.ranges {
		args = append(args, from, upTo)
	}
	return each(r, func(scan func(...any) error) error {
		var row int64
		var name sql.Null[string]
		var unit string
		if err := scan(&row, &name, &unit); err != nil {
			return err
		}
		report.add(fmt.Sprintf("%s of %s %d, %s, %s", c.where, c.of, row, name.V, unit), c.what)
		return nil
	}, c.query, args...)
}

// bounded is an amount in SQL. One out of range is reported with its entry; in sums it counts as 0, so that they do not overflow.
func bounded(column string) string {
	return "CASE WHEN " + column + " BETWEEN 0 AND 1000000000000000 THEN " + column + " ELSE 0 END"
}

var destAmount, origAmount = bounded("dest_amount"), bounded("orig_amount")

// sumChecks go over profiles; what they name is an account or an event.
var sumChecks = []sumCheck{
	{"balance", "profile", "is not the sum of its entries", 3, `
		SELECT profile_id, account, unit FROM (
			SELECT dest_profile_id AS profile_id, dest_account AS account, dest_unit AS unit,
				SUM(` + destAmount + `) AS amount, COUNT(*) AS n, NULL AS kept, NULL AS kept_n
			FROM txn WHERE dest_profile_id > ? AND dest_profile_id <= ? GROUP BY 1, 2, 3
			UNION ALL
			SELECT orig_profile_id, orig_account, orig_unit, -SUM(` + origAmount + `),
				SUM(CASE WHEN dest_profile_id = orig_profile_id AND dest_account = orig_account AND dest_unit = orig_unit THEN 0 ELSE 1 END),
				NULL, NULL
			FROM txn WHERE orig_profile_id > ? AND orig_profile_id <= ? GROUP BY 1, 2, 3
			UNION ALL
			SELECT profile_id, account, unit, NULL, NULL, amount, nb_entries FROM balance WHERE profile_id > ? AND profile_id <= ?
		) AS side
		GROUP BY profile_id, account, unit
		HAVING SUM(amount) IS DISTINCT FROM SUM(kept) OR SUM(n) IS DISTINCT FROM SUM(kept_n)`},
	{"statement", "profile", "is not the sum of its entries", 3, `
		SELECT payer_id, event_id, unit FROM (
			SELECT payer_id, event_id, dest_unit AS unit,
				SUM(CASE WHEN dest_account = 'Payable' THEN ` + destAmount + ` ELSE 0 END) AS due,
				SUM(CASE WHEN dest_account = 'Payable' THEN 0 ELSE ` + destAmount + ` END) AS paid,
				SUM(CASE WHEN dest_account = 'Payable' THEN ` + destAmount + ` ELSE 0 END) AS payable,
				MAX(CASE WHEN dest_account = 'Payable' THEN created_at END) AS ordered_at,
				MAX(created_at) AS last_at,
				MAX(CASE WHEN dest_account = 'Receivable' THEN dest_profile_id ELSE orig_profile_id END) AS provider_id,
				NULL AS kept_due, NULL AS kept_paid, NULL AS kept_payable, NULL AS kept_ordered_at, NULL AS kept_last_at, NULL AS kept_provider_id
			FROM txn WHERE payer_id > ? AND payer_id <= ? GROUP BY 1, 2, 3
			UNION ALL
			SELECT orig_profile_id, event_id, orig_unit, 0, 0, -SUM(` + origAmount + `), NULL, MAX(created_at), NULL,
				NULL, NULL, NULL, NULL, NULL, NULL
			FROM txn WHERE orig_profile_id > ? AND orig_profile_id <= ? AND orig_account = 'Payable' GROUP BY 1, 2, 3
			UNION ALL
			SELECT payer_id, event_id, unit, NULL, NULL, NULL, NULL, NULL, NULL, due, paid, payable, ordered_at, last_at, provider_id
			FROM statement WHERE payer_id > ? AND payer_id <= ?
		) AS side
		GROUP BY payer_id, event_id, unit
		HAVING SUM(due) IS DISTINCT FROM SUM(kept_due) OR SUM(paid) IS DISTINCT FROM SUM(kept_paid)
			OR SUM(payable) IS DISTINCT FROM SUM(kept_payable) OR MAX(ordered_at) IS DISTINCT FROM MAX(kept_ordered_at)
			OR MAX(last_at) IS DISTINCT FROM MAX(kept_last_at) OR MAX(provider_id) IS DISTINCT FROM MAX(kept_provider_id)`},
	{"statement", "profile", "names another subscription than its event", 1, `
		SELECT payer_id, event_id, unit FROM statement
		WHERE payer_id > ? AND payer_id <= ? AND CASE WHEN subscription_id IS NULL THEN event_id LIKE 'sub%'
			ELSE substr(event_id, 1, length(CAST(subscription_id AS TEXT)) + 5) <> 'sub_' || CAST(subscription_id AS TEXT) || '/' END`},
	{"statement", "profile", "is not Payable and Liability (I6)", 2, `
		SELECT profile_id, 'in all', unit FROM (
			SELECT profile_id, unit, amount FROM balance WHERE profile_id > ? AND profile_id <= ? AND account IN ('Payable', 'Liability')
			UNION ALL
			SELECT payer_id, unit, paid - due FROM statement WHERE payer_id > ? AND payer_id <= ?
		) AS side
		GROUP BY profile_id, unit
		HAVING SUM(CASE WHEN amount BETWEEN -1000000000000000000 AND 1000000000000000000 THEN amount ELSE 0 END) <> 0`},
	{"balance", "profile", "is of no profile", 1, `
		SELECT profile_id, account, unit FROM balance
		WHERE profile_id > ? AND profile_id <= ? AND NOT EXISTS (SELECT 1 FROM profile WHERE id = profile_id)`},
}

// movementChecks go over slots of time; what they name are two accounts.
var movementChecks = []sumCheck{
	{"movement", "slot", "is not the sum of its entries", 1, `
		SELECT slot, dest_account || ' from ' || orig_account, dest_unit FROM (
			SELECT slot, dest_profile_id, dest_account, orig_profile_id, orig_account, dest_unit, orig_unit,
				` + destAmount + ` AS dest, ` + origAmount + ` AS orig, NULL AS kept_dest, NULL AS kept_orig
			FROM moved WHERE ` + slots("created_at") + `
			UNION ALL
			SELECT slot, dest_profile_id, dest_account, orig_profile_id, orig_account, dest_unit, orig_unit, NULL, NULL, dest_amount, orig_amount
			FROM movement WHERE slot > ?1 AND slot <= ?2
		) AS side
		GROUP BY slot, dest_profile_id, dest_account, orig_profile_id, orig_account, dest_unit, orig_unit
		HAVING SUM(dest) IS DISTINCT FROM SUM(kept_dest) OR SUM(orig) IS DISTINCT FROM SUM(kept_orig)`},
}

// slots says that a time is in the slots after ?1 up to ?2, in words that an index of times answers.
func slots(column string) string {
	start := func(slot string) string {
		return "CASE WHEN " + slot + " < -2147483648 THEN -9223372036854775807 - 1 WHEN " + slot + " > 2147483646 THEN 9223372036854775807 ELSE (" + slot + " + 1) << 32 END"
	}
	return column + " >= " + start("?1") + " AND " + column + " < " + start("?2")
}

// priceChecks go over subscriptions; what they name is an order.
var priceChecks = []sumCheck{
	{"price", "subscription", "is not what was ordered", 2, `
		SELECT subscription_id, 'order ' || entry_id, unit FROM (
			SELECT 1 AS n, * FROM priced WHERE subscription_id > ? AND subscription_id <= ?
			UNION ALL
			SELECT -1, p.* FROM subscription s JOIN price p ON p.plan_id = s.plan_id AND p.subscription_id = s.id WHERE s.id > ? AND s.id <= ?
		) AS side
		GROUP BY plan_id, subscription_id, unit, since, entry_id, until, customer_id, amount, nb_periods, starts_at, ends_at
		HAVING SUM(n) <> 0`},
}

// planChecks go over plans.
var planChecks = []sumCheck{
	{"price", "plan", "is of no subscription", 1, `
		SELECT plan_id, 'order ' || entry_id, unit FROM price AS p
		WHERE plan_id > ? AND plan_id <= ? AND NOT EXISTS (SELECT 1 FROM subscription WHERE id = p.subscription_id AND plan_id = p.plan_id)`},
}
