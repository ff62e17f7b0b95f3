package ledger

import (
	"context"
	"fmt"

	"github.com/caddy-tollgate/tollgate/store"
)

// verifyCharges checks that charges are the sum of their lines (I3), that the entries of a settlement add up to the charge and
// leave the processor its fee (I3, I4), and that no line is refunded beyond what was paid (I7).
func verifyCharges(ctx context.Context, s Snapshots, report *Report, progress func(done, of int64)) error {
	const page = 500
	for after, more := int64(0), true; more; {
		err := s.Read(ctx, func(r store.Reader) error {
			n := 0
			err := each(r, func(scan func(...any) error) error {
				var c chargeSums
				if err := c.scan(scan); err != nil {
					return err
				}
				for _, what := range c.problems() {
					report.add(fmt.Sprintf("charge %d", c.id), what)
				}
				after = c.id
				n++
				return nil
			}, chargeSumsQuery, after, page)
			more = n == page
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// chargeSums are a charge, and the sums over its lines and over its entries.
type chargeSums struct {
	id, amount                       int64
	settled, open                    bool
	lines, missing, foreign, lineSum int64
	fees, unbalanced, overRefunded   int64
	received, distributed            int64
}

// A charge that was settled by card has entries; an invoice that is open or was paid offline has none; one that failed has some
// when it was settled and a dispute was lost. The entry of the provider's fee holds the processor's as well (5.5).
var chargeSumsQuery = `
	SELECT c.id, c.amount, c.state IN (1, 3) AND c.processor_key IS NOT NULL, c.state = 0 OR c.processor_key IS NULL,
		COUNT(i.id), COUNT(i.id) - COUNT(o.id), COUNT(CASE WHEN o.dest_unit <> c.unit THEN 1 END), COALESCE(SUM(` + bounded("o.dest_amount") + `), 0),
		COALESCE(SUM(` + bounded("p.orig_amount") + `), 0),
		COUNT(CASE WHEN o.dest_amount <> COALESCE(d.orig_amount, 0) + COALESCE(b.orig_amount, p.orig_amount, 0) THEN 1 END),
		COUNT(CASE WHEN COALESCE((SELECT SUM(CASE WHEN r.orig_account = 'Refunded' THEN ` + bounded("r.orig_amount") + ` ELSE -(` + bounded("r.dest_amount") + `) END) FROM txn AS r
				WHERE r.event_id = 'cha_' || CAST(c.id AS TEXT) || '/' || CAST(i.id AS TEXT) || '/'
					AND 'Refunded' IN (r.orig_account, r.dest_account)), 0) NOT BETWEEN 0 AND o.dest_amount THEN 1 END),
		COALESCE((SELECT SUM(` + bounded("t.orig_amount") + `) FROM txn AS t WHERE t.event_id = 'cha_' || CAST(c.id AS TEXT) || '/'
			AND t.dest_account = 'Funds' AND t.orig_account = 'Liability'), 0),
		COALESCE((SELECT SUM(` + bounded("t.orig_amount") + `) FROM txn AS t WHERE t.event_id = 'cha_' || CAST(c.id AS TEXT) || '/'
			AND t.dest_account = 'Funds' AND t.orig_account = 'Funds'), 0)
	FROM (SELECT * FROM charge WHERE id > ? ORDER BY id LIMIT ?) AS c
	LEFT JOIN charge_item AS i ON i.charge_id = c.id
	LEFT JOIN txn AS o ON o.id = i.invoiced_id
	LEFT JOIN txn AS p ON p.id = i.invoiced_processor_fee_id
	LEFT JOIN txn AS b ON b.id = i.invoiced_broker_fee_id
	LEFT JOIN txn AS d ON d.id = i.invoiced_distribute_id
	GROUP BY c.id, c.amount, c.state, c.processor_key, c.unit ORDER BY c.id`

func (c *chargeSums) scan(scan func(...any) error) error {
	return scan(&c.id, &c.amount, &c.settled, &c.open, &c.lines, &c.missing, &c.foreign, &c.lineSum, &c.fees, &c.unbalanced, &c.overRefunded,
		&c.received, &c.distributed)
}

func (c *chargeSums) problems() (list []string) {
	add := func(bad bool, what string) {
		if bad {
			list = append(list, what)
		}
	}
	add(c.missing > 0, "has lines that point at no entry")
	add(c.foreign > 0, "has lines in another unit")
	add(c.lines > 0 && c.lineSum != c.amount, "is not the sum of its lines (I3)")
	add(c.overRefunded > 0, "has lines refunded beyond what was paid (I7)")
	add(c.open && (c.received != 0 || c.distributed != 0), "is not paid by card and has entries")
	if c.settled || c.received != 0 {
		add(c.received != c.amount, "is not what was received for it (I3)")
		add(c.unbalanced > 0, "has lines that are not the sum of their parts (I3)")
		add(c.received-c.distributed != c.fees, "does not leave the processor its fee (I4)")
	}
	return list
}
