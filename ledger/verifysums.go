package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"math"

	"github.com/caddy-tollgate/tollgate/store"
)

// verifyProfiles is how many profiles are summed up in one snapshot.
const verifyProfiles = 500

// verifySums compares the balances and statements that are kept with the entries, some profiles at a time: in one snapshot the
// two always agree. The database does the sums and returns what differs.
func verifySums(ctx context.Context, s Snapshots, report *Report, progress func(done, of int64)) error {
	for from := int64(math.MinInt64); from < math.MaxInt64; {
		err := s.Read(ctx, func(r store.Reader) error {
			var last sql.Null[int64]
			err := r.QueryRow(`SELECT MAX(id) FROM (SELECT id FROM profile WHERE id > ? ORDER BY id LIMIT ?) AS some`, from, verifyProfiles).Scan(&last)
			if err != nil {
				return err
			}
			upTo := last.V
			if !last.Valid {
				upTo = math.MaxInt64 // whatever has no profile
			}
			r = store.Cancellable(ctx, r)
			for _, check := range sumChecks {
				args := make([]any, 0, 2*check.ranges)
				for range check.ranges {
					args = append(args, from, upTo)
				}
				err := each(r, func(scan func(...any) error) error {
					var profile int64
					var name sql.Null[string]
					var unit string
					if err := scan(&profile, &name, &unit); err != nil {
						return err
					}
					report.add(fmt.Sprintf("%s of profile %d, %s, %s", check.where, profile, name.V, unit), check.what)
					return nil
				}, check.query, args...)
				if err != nil {
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
	return nil
}

// bounded is an amount in SQL. One out of range is reported with its entry; in sums it counts as 0, so that they do not overflow.
func bounded(column string) string {
	return "CASE WHEN " + column + " BETWEEN 0 AND 1000000000000000 THEN " + column + " ELSE 0 END"
}

var destAmount, origAmount = bounded("dest_amount"), bounded("orig_amount")

// sumChecks return the profile, the account or event, and the unit of what does not agree. Each query takes a range of
// profiles, as often as ranges says. What is kept and what is summed up are laid over each other, so that a row that is missing
// on either side shows as well.
var sumChecks = []struct {
	where, what string
	ranges      int
	query       string
}{
	{"balance", "is not the sum of its entries", 3, `
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
	{"statement", "is not the sum of its entries", 3, `
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
	{"statement", "names another subscription than its event", 1, `
		SELECT payer_id, event_id, unit FROM statement
		WHERE payer_id > ? AND payer_id <= ? AND CASE WHEN subscription_id IS NULL THEN event_id LIKE 'sub%'
			ELSE substr(event_id, 1, length(CAST(subscription_id AS TEXT)) + 5) <> 'sub_' || CAST(subscription_id AS TEXT) || '/' END`},
	{"statement", "is not Payable and Liability (I6)", 2, `
		SELECT profile_id, 'in all', unit FROM (
			SELECT profile_id, unit, amount FROM balance WHERE profile_id > ? AND profile_id <= ? AND account IN ('Payable', 'Liability')
			UNION ALL
			SELECT payer_id, unit, paid - due FROM statement WHERE payer_id > ? AND payer_id <= ?
		) AS side
		GROUP BY profile_id, unit
		HAVING SUM(CASE WHEN amount BETWEEN -1000000000000000000 AND 1000000000000000000 THEN amount ELSE 0 END) <> 0`},
	{"balance", "is of no profile", 1, `
		SELECT profile_id, account, unit FROM balance
		WHERE profile_id > ? AND profile_id <= ? AND NOT EXISTS (SELECT 1 FROM profile WHERE id = profile_id)`},
}
