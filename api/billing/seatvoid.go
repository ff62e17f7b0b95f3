package billing

import (
	"database/sql"
	"errors"

	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// Seats that nobody took go back with the money that was paid for them (subscriptions.md 11): a code would open them
// for nothing ever after.

// refundedOf is what was given back by now of the lines of charges that stand for an entry of the ledger. A dispute
// that is not decided yet gives nothing back; its state is bound.
const refundedOf = `(SELECT coalesce(sum(iif(g.orig_account = 'Refunded', g.orig_amount, 0))
		- sum(iif(g.dest_account = 'Refunded', g.dest_amount, 0)), 0)
	FROM charge_item i JOIN charge h ON h.id = i.charge_id AND h.state <> ?
	JOIN txn g ON g.event_id = 'cha_' || i.charge_id || '/' || i.id || '/' WHERE i.invoiced_id = o.id)`

const ordersSeat = `o.dest_account = 'Payable' AND o.orig_account = 'Receivable'`

// seatsPaid is what the orders of a group buy came to, and what was given back without saying of which: written off,
// or refunded of a balance.
const seatsPaid = `SELECT c.id, coalesce(sum(iif(` + ordersSeat + `, o.dest_amount, 0)), 0),
	coalesce(sum(iif(o.dest_account = 'Canceled', o.dest_amount, iif(` + ordersSeat + `, 0, ` + refundedOf + `))), 0)
	FROM coupon c JOIN txn o ON o.event_id = c.code WHERE c.code = ? GROUP BY c.id`

// seatsBought are the seats of a group buy by the periods that they are for, which cost the same: how many there were
// and are, what they cost, and what was refunded of that. The coupon is bound.
const seatsBought = `SELECT o.nb_periods, count(*), sum(o.dest_amount), sum(` + refundedOf + `),
	(SELECT count(DISTINCT i.claim_code) FROM cart_item i
		WHERE i.coupon_id = c.id AND coalesce(i.nb_periods, o.nb_periods) = o.nb_periods)
	FROM coupon c JOIN txn o ON o.event_id = c.code WHERE c.id = ? AND ` + ordersSeat + ` AND o.nb_periods > 0
	GROUP BY o.nb_periods HAVING sum(o.dest_amount) > 0`

// voidNewest takes back some of the seats for as many periods: first those whose code nobody used, and of these the
// newest.
const voidNewest = `DELETE FROM cart_item WHERE recorded = 0 AND claim_code IN (
	SELECT claim_code FROM cart_item
	WHERE coupon_id = ?1 AND recorded = 0 AND claim_code IS NOT NULL AND coalesce(nb_periods, ?2) = ?2
	GROUP BY claim_code ORDER BY max(coalesce(user_id, 0)) > 0, max(id) DESC LIMIT ?3)`

// voidSeats takes back seats of group buys that nobody took, as many as what was given back of their orders comes to.
// The attempts of the coupon stay: what others earn is their share of all that was ordered (ledger.md 5.16).
func voidSeats(tx *store.Tx, events ...string) error {
	for _, event := range events {
		if ledger.ParseEvent(event).Kind != ledger.CouponEvent {
			continue
		}
		var coupon, ordered, spread int64
		err := tx.QueryRow(seatsPaid, disputed, event).Scan(&coupon, &ordered, &spread)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		type seats struct{ periods, bought, cost, back, known int64 }
		var all []seats
		err = store.Each(tx, func(rows *sql.Rows) error {
			var s seats
			err := rows.Scan(&s.periods, &s.bought, &s.cost, &s.back, &s.known)
			all = append(all, s)
			return err
		}, seatsBought, disputed, coupon)
		if err != nil {
			return err
		}
		for _, s := range all {
			part, err := ledger.MulDiv(min(max(spread, 0), ordered), s.cost, ordered)
			if err != nil {
				return err
			}
			void, err := ledger.MulDiv(min(max(s.back, 0)+part, s.cost), s.bought, s.cost)
			if err != nil {
				return err
			}
			void -= max(s.bought-s.known, 0) // taken back before, or taken out of the cart of who claimed it
			if _, err := tx.Exec(voidNewest, coupon, s.periods, max(void, 0)); err != nil {
				return err
			}
		}
	}
	return nil
}

// voidRefunded takes back the seats that lines of a charge paid for.
func voidRefunded(tx *store.Tx, lines []ledger.ChargeLine) error {
	seen := map[string]bool{}
	for i := range lines {
		if event := lines[i].Event; !seen[event] {
			seen[event] = true
			if err := voidSeats(tx, event); err != nil {
				return err
			}
		}
	}
	return nil
}
