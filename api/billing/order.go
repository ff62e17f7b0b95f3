package billing

import (
	"errors"
	"net/http"

	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/api/profile"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/subscription"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// Execution of orders (subscriptions.md 10.3): what was priced becomes entries of the ledger and periods of subscriptions.

// An order is what a customer buys or pays in one go.
type order struct {
	Customer int64        `json:"customer"`
	User     int64        `json:"user,omitempty"` // whose cart it is, 0 for a job
	Own      bool         `json:"own,omitempty"`  // who orders manages the customer
	Lines    []invoicable `json:"invoicables"`
}

// A placed line is one that is in the ledger now.
type placed struct {
	line
	entry int64
}

var (
	errCoupon = rest.Fail(http.StatusBadRequest, "The coupon was used up in the meantime.")
	errCart   = rest.Conflict("The cart was changed or ordered in the meantime.")
	errBulk   = rest.Fail(http.StatusBadRequest, "Only a bulk buyer, or a manager of the profile subscribed, can buy for another profile.")
	errAsked  = rest.Fail(http.StatusBadRequest, "A request for this subscription waits for an answer.")
)

// check refuses what may not be bought: for somebody else without the right to (decision 33), or while a request waits.
func (s *Service) check(r store.Reader, customer int64, all []invoicable) error {
	bulk := false
	for i := range all {
		inv := &all[i]
		if len(inv.Items) == 0 {
			continue
		}
		if inv.sub.RequestKey != nil {
			return errAsked
		}
		if inv.Sub == 0 && !inv.plan.Active {
			return rest.Fail(http.StatusBadRequest, "Plan '"+inv.plan.Slug+"' does not exist or is inactive.")
		}
		if !inv.Seat {
			continue
		}
		if !bulk {
			if err := r.QueryRow(`SELECT is_bulk_buyer FROM profile WHERE id = ?`, customer).Scan(&bulk); err != nil {
				return err
			}
		}
		if !bulk {
			return errBulk
		}
	}
	return nil
}

// execute writes the order: subscriptions start or go on, every line is an entry of the ledger, the items of the cart are recorded
// and coupons used up. Lines that are in the ledger already are returned as they are, and extend nothing. Everything is written in
// the caller's transaction. Errors: 400 and 409 when the cart or a coupon has changed since it was priced.
func (s *Service) execute(tx *store.Tx, o *order) ([]placed, error) {
	var lines []line
	used := map[int64]bool{}
	buys := &groupBuy{order: o}
	for n := range o.Lines {
		inv := &o.Lines[n]
		if err := record(tx, inv.Items); err != nil {
			return nil, err
		}
		event, err := s.subscribe(tx, o, inv, buys)
		if err != nil {
			return nil, err
		}
		if inv.Asks {
			continue
		}
		for _, l := range inv.Lines {
			if !l.due() {
				if l.Event = ledger.OnSubscription(l.Event, inv.Sub); event != "" {
					l.Event = event
				}
			}
			if l.Kind == useLine && inv.Sub != 0 {
				if err := s.subs.BuyUse(tx, inv.Sub, l.Use, l.Quantity); err != nil {
					return nil, err
				}
			}
			if l.Coupon != 0 && (inv.Claimed || !used[l.Coupon]) { // each seat of a group buy uses it
				used[l.Coupon] = true
				left, err := s.subs.UseCoupon(tx, l.Coupon)
				if err == nil && !left {
					err = errCoupon
				}
				if err != nil {
					return nil, err
				}
			}
			lines = append(lines, l)
		}
	}
	placed, err := s.post(tx, o, lines)
	if err != nil {
		return nil, err
	}
	return placed, buys.tell(s, tx)
}

// post writes lines that are not in the ledger yet, and tells of what was ordered.
func (s *Service) post(tx *store.Tx, o *order, lines []line) ([]placed, error) {
	all := make([]placed, len(lines))
	var entries []ledger.Entry
	var of []int // entries[i] is the entry of all[of[i]]
	for n, l := range lines {
		all[n] = placed{l, l.Entry}
		if l.Kind == storedLine {
			continue
		}
		made, err := l.entries(tx.Now(), o.Customer)
		if err != nil {
			return nil, err
		}
		for range made {
			of = append(of, n)
		}
		entries = append(entries, made...)
	}
	if len(entries) == 0 {
		return all, nil
	}
	batch, err := ledger.Post(tx, ledger.KindOrder, entries...)
	if err != nil {
		return nil, err
	}
	if len(batch.Entries) != len(of) {
		return nil, errors.New("billing: the ledger left a line of an order out")
	}
	var orders []ledger.Entry
	for i := range batch.Entries {
		if all[of[i]].entry = batch.Entries[i].ID; !all[of[i]].due() {
			orders = append(orders, batch.Entries[i])
		}
	}
	s.touch(tx, batch.Entries)
	if err := noteClaims(tx, all); err != nil {
		return nil, err
	}
	if len(orders) == 0 {
		return all, nil
	}
	return all, s.tellOrder(tx, o, orders)
}

// noteClaims remembers the orders that a group buy made free: they earn their part of what it cost (ledger.md 5.16).
func noteClaims(tx *store.Tx, all []placed) error {
	for i := range all {
		l := &all[i]
		if l.Kind != orderLine || l.Coupon == 0 {
			continue
		}
		_, err := tx.Exec(`INSERT INTO coupon_claim (created_at, coupon_id, subscription_id, entry_id) SELECT ?, id, ?, ? FROM coupon WHERE id = ? AND code GLOB 'cpn_*'`,
			tx.Now(), ledger.ParseEvent(l.Event).Subscription, l.entry, l.Coupon)
		if err != nil {
			return err
		}
	}
	return nil
}

// entries is what the line writes.
func (l *line) entries(now store.Time, customer int64) ([]ledger.Entry, error) {
	amount := ledger.Amount{Value: l.Amount, Unit: l.Unit}
	switch l.Kind {
	case orderLine:
		return ledger.OrderPlaced{At: now, Event: l.Event, Payer: customer, Provider: l.Provider, Amount: amount, Periods: l.Periods, Descr: l.Descr}.Entries()
	case setupLine:
		fee := ledger.SetupFee{At: now, Event: l.Event, Payer: customer, Provider: l.Provider, Amount: amount}
		return withText(fee, l.Descr)
	case useLine:
		use := ledger.UseCharged{At: now, Event: l.Event, Payer: customer, Provider: l.Provider, Price: amount, Quantity: 1}
		return withText(use, l.Descr)
	case settledLine:
		settled := ledger.SettledLine{At: now, Event: l.Event, Payer: customer, Provider: l.Provider, Amount: amount}
		return withText(settled, l.Descr)
	}
	return nil, errors.New("billing: a line of no kind")
}

func withText(e interface {
	Entries() ([]ledger.Entry, error)
}, text string) ([]ledger.Entry, error) {
	entries, err := e.Entries()
	for i := range entries {
		entries[i].Descr = text
	}
	return entries, err
}

// record takes items out of the cart. Errors: 409 when one of them is no longer there.
func record(tx *store.Tx, items []int64) error {
	if len(items) == 0 {
		return nil
	}
	n, err := tx.Exec(`UPDATE cart_item SET recorded = 1 WHERE id IN (SELECT value FROM json_each(?)) AND recorded = 0`, store.IDs(items))
	if err == nil && n != int64(len(items)) {
		err = errCart
	}
	return err
}

// subscribe starts or extends the subscription of an invoicable that buys something, or asks the provider for it. event is the code of
// the group buy when the beneficiary is not on the site. Errors: 400, 409 when what was priced is no longer so.
func (s *Service) subscribe(tx *store.Tx, o *order, inv *invoicable, buys *groupBuy) (event string, err error) {
	if len(inv.Items) == 0 {
		return "", nil // a balance extends nothing (decision 12)
	}
	var periods int64
	for _, l := range inv.Lines {
		if l.Kind == orderLine {
			periods = l.Periods
			break
		}
	}
	p, err := s.subs.PlanByID(tx, inv.Plan)
	if errors.Is(err, store.ErrNotFound) {
		return "", errCart
	}
	if err != nil {
		return "", err
	}
	if inv.Subscriber == 0 && inv.User != 0 {
		if inv.Subscriber, err = s.personal(tx, inv.User); err != nil {
			return "", err
		}
	}
	var sub *subscription.Subscription
	if inv.Subscriber != 0 {
		if sub, err = s.subs.Current(tx, inv.Subscriber, inv.Plan); err != nil {
			return "", err
		}
	}
	if inv.Subscriber == 0 || inv.Seat && (sub == nil || sub.ID != inv.Sub) {
		inv.Sub = 0 // an accepted seat may have ended since it was priced
		return buys.join(s, tx, p, inv, periods)
	}
	own := o.agrees(inv)
	switch {
	case sub != nil && sub.RequestKey != nil:
		return "", errAsked
	case (sub == nil && p.OptinOnRequest) != inv.Asks:
		return "", errCart
	case inv.Asks:
		return "", s.request(tx, o, inv, p, own)
	case sub != nil && sub.GrantKey != nil && inv.Subscriber == o.Customer:
		if err := s.subs.Accept(tx, sub, o.User, own); err != nil {
			return "", err
		}
	case sub != nil && sub.Unasked && own && periods > 0:
		if err := s.subs.Agree(tx, sub, p); err != nil {
			return "", err
		}
	}
	switch {
	case sub == nil:
		sub, err = s.subs.Start(tx, inv.Subscriber, p, max(periods, 1), own)
	case periods > 0:
		sub, err = s.subs.Extend(tx, sub, p, periods)
	}
	if err == nil {
		inv.Sub = sub.ID
	}
	return "", err
}

// agrees reports whether an order is the word of its subscriber, who is charged for what follows it (decision 68): it is not where somebody
// else buys, nor where a seat is claimed, which others paid for.
func (o *order) agrees(inv *invoicable) bool {
	return o.Own && !inv.Claimed && (inv.Subscriber == o.Customer || inv.User != 0)
}

// personal is the personal profile of a user, made when there is none.
func (s *Service) personal(tx *store.Tx, user int64) (int64, error) {
	id, err := s.profiles.Personal(tx, user)
	if err != nil || id != 0 {
		return id, err
	}
	detail, err := s.dir.UserDetail(tx, user)
	if err != nil {
		return 0, err
	}
	return s.profiles.Create(tx, profile.New{FullName: detail.FullName, Email: text(detail.Email), Personal: true, Manager: user, CreatedBy: user})
}

// request freezes the lines of an invoicable until the provider accepts (decisions 10, 51).
func (s *Service) request(tx *store.Tx, o *order, inv *invoicable, p *subscription.Plan, own bool) error {
	frozen := make([]subscription.RequestLine, 0, len(inv.Lines))
	for _, l := range inv.Lines {
		frozen = append(frozen, subscription.RequestLine{PayerID: o.Customer, UserID: o.User, CouponID: l.Coupon, UseID: l.Use, Amount: l.Amount, Unit: l.Unit,
			Periods: l.Periods, Quantity: l.Quantity, Descr: l.Descr})
	}
	_, err := s.subs.Request(tx, inv.Subscriber, p, frozen, own)
	return err
}

// tellOrder emits order_executed.
func (s *Service) tellOrder(tx *store.Tx, o *order, entries []ledger.Entry) error {
	items, err := s.noticeEntries(tx, entries)
	if err != nil {
		return err
	}
	return s.notices.Emit(tx, &notice.OrderExecuted{Profile: notice.Profile{ID: o.Customer}, OriginatedBy: notice.ByUser(o.User), InvoicedItems: items})
}
