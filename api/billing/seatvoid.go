package billing

import (
	"errors"

	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// Seats that nobody took go back with the money that was paid for them (subscriptions.md 11): a code would open them
// for nothing ever after.

// seatsPaid is what became of a group buy: how many seats wait, by the books and in carts, how many were taken, what
// all of them cost, and what of it was refunded or written off. A dispute that is not decided yet gives nothing back.
const seatsPaid = `SELECT c.id, coalesce(c.nb_attempts, 0),
	(SELECT count(DISTINCT i.claim_code) FROM cart_item i WHERE i.coupon_id = c.id AND i.recorded = 0),
	(SELECT count(*) FROM coupon_claim k WHERE k.coupon_id = c.id),
	(SELECT coalesce(sum(o.dest_amount), 0) FROM txn o
		WHERE o.event_id = c.code AND o.dest_account = 'Payable' AND o.orig_account = 'Receivable'),
	(SELECT coalesce(sum(o.dest_amount), 0) FROM txn o WHERE o.event_id = c.code AND o.dest_account = 'Canceled')
		+ (SELECT coalesce(sum(iif(g.orig_account = 'Refunded', g.orig_amount, 0))
				- sum(iif(g.dest_account = 'Refunded', g.dest_amount, 0)), 0)
			FROM txn o JOIN charge_item i ON i.invoiced_id = o.id JOIN charge h ON h.id = i.charge_id AND h.state <> ?
			JOIN txn g ON g.event_id = 'cha_' || i.charge_id || '/' || i.id || '/' WHERE o.event_id = c.code)
	FROM coupon c WHERE c.code = ?`

// voidSeats takes back seats of group buys that nobody took, as many as what was given back of their orders comes to,
// each costing the same: first those whose code nobody used, and of these the newest. The attempts of the coupon stay:
// what others earn is their share of all that was ordered (ledger.md 5.16).
func voidSeats(tx *store.Tx, events ...string) error {
	for _, event := range events {
		if ledger.ParseEvent(event).Kind != ledger.CouponEvent {
			continue
		}
		var coupon, waiting, open, taken, ordered, back int64
		err := tx.QueryRow(seatsPaid, disputed, event).Scan(&coupon, &waiting, &open, &taken, &ordered, &back)
		if errors.Is(err, store.ErrNotFound) || err == nil && (back <= 0 || ordered <= 0) {
			continue
		}
		if err != nil {
			return err
		}
		void, err := ledger.MulDiv(min(back, ordered), max(waiting, open)+taken, ordered)
		if err != nil {
			return err
		}
		void -= max(waiting-open, 0) // taken back before, or taken out of the cart of who claimed it
		_, err = tx.Exec(`DELETE FROM cart_item WHERE recorded = 0 AND claim_code IN (SELECT claim_code FROM cart_item
			WHERE coupon_id = ? AND recorded = 0 AND claim_code IS NOT NULL
			GROUP BY claim_code ORDER BY max(coalesce(user_id, 0)) > 0, max(id) DESC LIMIT ?)`, coupon, max(void, 0))
		if err != nil {
			return err
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
