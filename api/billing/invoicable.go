package billing

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/subscription"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// What a checkout invoices (subscriptions.md 10.1): the balances that are due, then what is in the cart.

// lineKind says what a line of an invoice is.
type lineKind uint8

const (
	orderLine   lineKind = iota + 1 // periods of a subscription, which it extends
	setupLine                       // setup fee of a first order
	useLine                         // metered use bought in advance
	storedLine                      // an order that is in the ledger, and not paid
	settledLine                     // a balance that is not exactly its unpaid orders (ledger.md 5.7)
)

// A line is one line of an invoice. Its JSON form is what a payment that is under way remembers.
type line struct {
	Kind     lineKind `json:"kind"`
	Entry    int64    `json:"entry,omitempty"` // of the ledger, of a storedLine
	Event    string   `json:"event"`           // SubEvent(0) while the subscription is not stored
	Provider int64    `json:"provider"`
	Amount   int64    `json:"amount"` // in 1/100 of Unit
	Unit     string   `json:"unit"`
	Periods  int64    `json:"periods,omitempty"`  // natural periods bought by an orderLine
	Quantity int64    `json:"quantity,omitempty"` // of a useLine
	Use      int64    `json:"use,omitempty"`
	Coupon   int64    `json:"coupon,omitempty"` // that lowered it
	Fee      int64    `json:"fee,omitempty"`    // the broker's part, per 10000
	Descr    string   `json:"descr"`
}

// due reports whether the line is in the ledger already, or stands for what is: it orders nothing.
func (l *line) due() bool { return l.Kind == storedLine || l.Kind == settledLine }

// An invoicable is what is invoiced for one subscription, stored or to be.
type invoicable struct {
	Sub        int64   `json:"subscription,omitempty"` // 0: to be started
	Plan       int64   `json:"plan"`
	Subscriber int64   `json:"subscriber,omitempty"` // 0: whoever claims the seat
	User       int64   `json:"user,omitempty"`       // the buyer, whose personal profile is to be made, with Subscriber 0
	Seat       bool    `json:"seat,omitempty"`       // for somebody else than the buyer, who is asked (seat.go)
	Claimed    bool    `json:"claimed,omitempty"`    // a seat that the buyer claims
	FullName   string  `json:"full_name,omitempty"`  // of a seat, as typed
	SyncOn     string  `json:"sync_on,omitempty"`
	Lines      []line  `json:"lines"`
	Items      []int64 `json:"items,omitempty"` // of the cart
	Asks       bool    `json:"asks,omitempty"`  // the provider first: nothing is ordered (decision 10)

	options []line
	begins  store.Time // what is bought: at the end of the subscription, or of what is bought of it before
	sub     *subscription.Subscription
	plan    *subscription.Plan
	who     directory.ProfileShort
}

// prices are the ways to buy what an item stands for (subscriptions.md 3.2), for a subscription created and ending at these times.
func prices(p *subscription.Plan, i *item, c *subscription.Coupon, createdAt, endsAt store.Time) []line {
	terms := p.Terms()
	var discount subscription.Discount
	var note ledger.Suffix
	var coupon int64
	if c != nil {
		discount, coupon = c.Discount, c.ID
		note.Coupon = c.Code
		if c.Reserved() {
			note.Coupon = ""
			note.Payer = i.FullName
		}
	}
	if i.sync() != "" {
		note.FullName, note.SyncOn = i.FullName, i.sync()
	}
	all := terms.Prices(discount)
	if c != nil && c.Reserved() {
		all = []subscription.Price{claimPrice(terms, i)}
	}
	lines := make([]line, len(all))
	for n, price := range all {
		lines[n] = line{Kind: orderLine, Event: ledger.SubEvent(0), Provider: p.ProfileID, Amount: price.Amount, Unit: p.Unit, Fee: p.BrokerFeePercent,
			Periods: price.Periods, Coupon: coupon, Descr: terms.Text(price, terms.Extended(createdAt, endsAt, price.Periods), note)}
	}
	return lines
}

// claimPrice is what a seat of a group buy comes to for who claims it: nothing, for the periods that were paid for.
func claimPrice(terms subscription.Terms, i *item) subscription.Price {
	all := terms.Prices(subscription.Discount{})
	price := all[0]
	if i.Option >= 1 && i.Option <= int64(len(all)) {
		price = all[i.Option-1]
	}
	if i.Periods == 0 { // paid for before the periods were kept, or elsewhere
		i.Periods = price.Periods
	}
	return subscription.Price{Steps: price.Steps, Periods: i.Periods, Percent: 10000}
}

// couponOf is the coupon that prices an item at t, nil for none. That of a group buy prices what was bought with it,
// and nothing else prices that.
func couponOf(i *item, p *subscription.Plan, c *subscription.Coupon, t store.Time) *subscription.Coupon {
	if c == nil || !c.AppliesTo(p, t) || c.Reserved() != i.seat() {
		return nil
	}
	return c
}

// coupons are the coupons of items, by ID.
func (s *Service) coupons(r store.Reader, list []item) (map[int64]*subscription.Coupon, error) {
	var ids []int64
	for i := range list {
		if list[i].CouponID != 0 {
			ids = append(ids, list[i].CouponID)
		}
	}
	return s.subs.Coupons(r, ids)
}

// invoicables are what a customer is invoiced at checkout: its balances, and the cart of the caller.
func (s *Service) invoicables(c *rest.Call, r store.Reader, customer int64) ([]invoicable, error) {
	all, err := s.balances(r, customer)
	if err != nil {
		return nil, err
	}
	cart, err := s.cartInvoicables(c, r, customer)
	if err != nil {
		return nil, err
	}
	all = append(all, cart...)
	if err := s.faces(r, all); err != nil {
		return nil, err
	}
	slices.SortStableFunc(all, func(a, b invoicable) int {
		return cmp.Compare(a.who.Slug+":"+a.plan.Slug, b.who.Slug+":"+b.plan.Slug)
	})
	return all, nil
}

// balances are what a customer owes, one invoicable for each event. A debt that nobody knows what it was for, imported from
// elsewhere, is left out.
func (s *Service) balances(r store.Reader, customer int64) ([]invoicable, error) {
	dues, err := s.dues(r, customer, store.Time{})
	if err != nil {
		return nil, err
	}
	var all []invoicable
	for _, d := range dues {
		about := d.about
		if about.plan == nil {
			continue
		}
		inv := invoicable{Sub: about.subscription, Plan: about.plan.ID, Subscriber: about.subscriberID, plan: about.plan, sub: about.sub}
		if inv.sub == nil { // a group buy: shown as the payer's own, which is not stored
			inv.Subscriber, inv.sub = customer, unstored(r, customer, about.plan)
		}
		for _, l := range d.lines {
			line := line{Kind: settledLine, Entry: l.Entry, Event: l.Event, Provider: d.Provider, Amount: l.Amount, Unit: d.Amount.Unit, Fee: l.FeePercent, Descr: l.Descr}
			if l.Entry != 0 {
				line.Kind = storedLine
			}
			inv.Lines = append(inv.Lines, line)
		}
		all = append(all, inv)
	}
	return all, nil
}

// unstored is a subscription that is not there yet.
func unstored(r store.Reader, profileID int64, p *subscription.Plan) *subscription.Subscription {
	return &subscription.Subscription{ProfileID: profileID, PlanID: p.ID, EndsAt: r.Now(), AutoRenew: p.RenewalType == subscription.AutoRenew,
		Plan: p.Short(), ProviderID: p.ProfileID}
}

// faces fills in who the subscribers are, in one query.
func (s *Service) faces(r store.Reader, all []invoicable) error {
	ids := make([]int64, 0, len(all))
	for i := range all {
		ids = append(ids, all[i].Subscriber)
	}
	profiles, err := s.dir.Profiles(r, ids)
	if err != nil {
		return err
	}
	for i := range all {
		if p, ok := profiles[all[i].Subscriber]; ok {
			all[i].who = p
			all[i].sub.Subscriber = p.Slug
		}
	}
	return nil
}

// pricing is what the prices of a cart depend on, read at once.
type pricing struct {
	plans   map[int64]*subscription.Plan
	coupons map[int64]*subscription.Coupon
	people  seats
	current map[[2]int64]*subscription.Subscription
	ordered map[[2]int64]bool // of plans with a setup fee: it is not due
}

func (s *Service) pricing(c *rest.Call, r store.Reader, customer int64, list []item) (p pricing, err error) {
	var plans, withFee []int64
	for i := range list {
		plans = append(plans, list[i].PlanID)
	}
	if p.plans, err = s.subs.Plans(r, plans); err != nil {
		return p, err
	}
	for id, plan := range p.plans {
		if plan.SetupAmount > 0 {
			withFee = append(withFee, id)
		}
	}
	if p.coupons, err = s.coupons(r, list); err != nil {
		return p, err
	}
	if p.people, err = s.seats(c, r, customer, list); err != nil {
		return p, err
	}
	ids := append(p.people.profiles(), customer)
	if p.current, err = s.subs.Currents(r, ids); err != nil || len(withFee) == 0 {
		return p, err
	}
	p.ordered, err = s.subs.OrderedBefore(r, ids, withFee)
	return p, err
}

// cartInvoicables are the items of the caller's cart, bought by a customer: one invoicable for each plan and
// subscriber, and one for each seat that is claimed, which is taken as it was paid for. What asks the provider for a
// subscription that is asked for already stays in the cart.
func (s *Service) cartInvoicables(c *rest.Call, r store.Reader, customer int64) ([]invoicable, error) {
	list, err := openItems(r, subscription.Cart{User: c.User.ID})
	if err != nil || len(list) == 0 {
		return nil, err
	}
	know, err := s.pricing(c, r, customer, list)
	if err != nil {
		return nil, err
	}
	type key struct {
		plan  int64
		who   beneficiary
		sync  string
		claim string
	}
	var all []invoicable
	at, last := map[key]int{}, map[key]int{}
	for n := range list {
		i := &list[n]
		p := know.plans[i.PlanID]
		k := key{plan: p.ID, who: beneficiary{profile: customer, own: true}}
		if !i.seat() && i.sync() != "" { // a seat is for who claims it, whatever was typed
			if k.who = know.people.of(i); k.who.profile == 0 {
				k.sync = strings.ToLower(i.sync())
			}
		}
		of := k // the subscription
		k.claim = text(i.ClaimCode)
		where, known := at[k]
		before, follows := last[of]
		if !known {
			if follows && all[before].Asks {
				continue
			}
			inv := invoicable{Plan: p.ID, Subscriber: k.who.profile, User: k.who.user, Seat: !k.who.own,
				Claimed: i.seat(), FullName: i.FullName, SyncOn: i.sync(), plan: p,
				sub: know.current[[2]int64{k.who.profile, p.ID}]}
			if k.who.profile == 0 {
				inv.who = directory.ProfileShort{PrintableName: i.FullName, Type: "user"}
			}
			if inv.sub != nil {
				inv.Sub = inv.sub.ID
			} else {
				inv.sub = unstored(r, k.who.profile, p)
				inv.Asks = p.OptinOnRequest && (k.who.profile != 0 || k.who.user != 0)
			}
			if inv.begins = inv.sub.EndsAt; follows {
				inv.begins = all[before].ends(r.Now())
			}
			where = len(all)
			at[k], last[of] = where, where
			all = append(all, inv)
		}
		if err := all[where].price(r.Now(), &know, i); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// price adds what an item buys: the setup fee, the line of its option or the options to choose from, and its use.
// Error: 400 for what somebody else paid for and that can no longer be claimed: it never becomes dear.
func (inv *invoicable) price(now store.Time, know *pricing, i *item) error {
	inv.Items = append(inv.Items, i.ID)
	p, claimed := inv.plan, i.seat() // paid for by the payer of the group buy: the periods, the fee and the use
	c := couponOf(i, p, know.coupons[i.CouponID], now)
	if claimed && c == nil {
		return rest.Fail(http.StatusBadRequest,
			"What was paid for you of plan '"+p.Slug+"' can no longer be claimed. Take it out of the cart.")
	}
	based := len(inv.options) > 0 || slices.ContainsFunc(inv.Lines, func(l line) bool { return l.Kind == orderLine })
	if !based && (inv.Sub == 0 || i.UseID == 0 || claimed) {
		if p.SetupAmount > 0 && !claimed && !know.ordered[[2]int64{inv.Subscriber, p.ID}] {
			inv.Lines = append(inv.Lines, line{Kind: setupLine, Event: ledger.SubEvent(0), Provider: p.ProfileID, Amount: p.SetupAmount, Unit: p.Unit,
				Fee: p.BrokerFeePercent, Descr: ledger.SetupFeeText(p.Slug)})
		}
		inv.options = prices(p, i, c, inv.anchor(now), inv.begins)
		if len(inv.options) == 1 {
			inv.choose(1)
		} else {
			inv.choose(i.Option)
		}
	}
	u := p.Use(i.UseID)
	if u == nil {
		return nil
	}
	title := u.Slug
	if u.Title != nil {
		title = *u.Title
	}
	quantity := max(i.Quantity, 1)
	amount, err := ledger.Mul(u.Amount, quantity)
	if err != nil || amount > ledger.MaxAmount {
		return errAmount
	}
	if claimed {
		amount = 0
	}
	inv.Lines = append(inv.Lines, line{Kind: useLine, Event: ledger.UseEvent(0, u.ID), Provider: p.ProfileID, Amount: amount, Unit: p.Unit, Fee: p.BrokerFeePercent,
		Use: u.ID, Quantity: quantity, Descr: ledger.UseText(quantity, p.Slug, title)})
	return nil
}

// anchor is when the subscription begins.
func (inv *invoicable) anchor(now store.Time) store.Time {
	if inv.sub.CreatedAt.IsZero() {
		return now
	}
	return inv.sub.CreatedAt
}

// ends is when the subscription ends with what is chosen of it.
func (inv *invoicable) ends(now store.Time) store.Time {
	for i := range inv.Lines {
		if l := &inv.Lines[i]; l.Kind == orderLine {
			return inv.plan.Terms().Extended(inv.anchor(now), inv.begins, l.Periods)
		}
	}
	return inv.begins
}

// choose makes option k, counted from 1, the line that is bought. A number that is none chooses nothing.
func (inv *invoicable) choose(k int64) {
	if k >= 1 && k <= int64(len(inv.options)) {
		inv.Lines = append(inv.Lines, inv.options[k-1])
		inv.options = nil
	}
}
