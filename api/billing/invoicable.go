package billing

import (
	"cmp"
	"database/sql"
	"slices"
	"strings"

	"github.com/caddy-tollgate/tollgate/api/directory"
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
	Subscriber int64   `json:"subscriber,omitempty"` // 0: not on the site
	User       int64   `json:"user,omitempty"`       // whose personal profile is to be made, with Subscriber 0
	FullName   string  `json:"full_name,omitempty"`
	SyncOn     string  `json:"sync_on,omitempty"`
	Lines      []line  `json:"lines"`
	Items      []int64 `json:"items,omitempty"` // of the cart
	Asks       bool    `json:"asks,omitempty"`  // the provider first: nothing is ordered (decision 10)

	options []line
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
	lines := make([]line, len(all))
	for n, price := range all {
		lines[n] = line{Kind: orderLine, Event: ledger.SubEvent(0), Provider: p.ProfileID, Amount: price.Amount, Unit: p.Unit, Fee: p.BrokerFeePercent,
			Periods: price.Periods, Coupon: coupon, Descr: terms.Text(price, terms.Extended(createdAt, endsAt, price.Periods), note)}
	}
	return lines
}

// coupons are the coupons of items that still apply, by ID.
func (s *Service) coupons(r store.Reader, list []item) (map[int64]*subscription.Coupon, error) {
	var ids []int64
	for i := range list {
		if list[i].CouponID != 0 {
			ids = append(ids, list[i].CouponID)
		}
	}
	return s.subs.Coupons(r, ids)
}

// invoicables are what a customer is invoiced at checkout: its balances, and the cart of a user.
func (s *Service) invoicables(r store.Reader, customer, user int64) ([]invoicable, error) {
	all, err := s.balances(r, customer)
	if err != nil {
		return nil, err
	}
	cart, err := s.cartInvoicables(r, customer, user)
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
	people  map[string]beneficiary
	current map[[2]int64]*subscription.Subscription
	ordered map[[2]int64]bool // of plans with a setup fee: it is not due
}

func (s *Service) pricing(r store.Reader, customer int64, list []item) (p pricing, err error) {
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
	if p.people, err = beneficiaries(r, list); err != nil {
		return p, err
	}
	ids := []int64{customer}
	for _, b := range p.people {
		ids = append(ids, b.profile)
	}
	if p.current, err = s.subs.Currents(r, ids); err != nil || len(withFee) == 0 {
		return p, err
	}
	p.ordered, err = s.subs.OrderedBefore(r, ids, withFee)
	return p, err
}

// cartInvoicables are the items of a user's cart, bought by a customer: one invoicable for each plan and subscriber.
func (s *Service) cartInvoicables(r store.Reader, customer, user int64) ([]invoicable, error) {
	list, err := openItems(r, subscription.Cart{User: user})
	if err != nil || len(list) == 0 {
		return nil, err
	}
	know, err := s.pricing(r, customer, list)
	if err != nil {
		return nil, err
	}
	type key struct {
		plan int64
		who  beneficiary
		sync string
	}
	var all []invoicable
	at := map[key]int{}
	for n := range list {
		i := &list[n]
		p := know.plans[i.PlanID]
		k := key{plan: p.ID, who: beneficiary{profile: customer}}
		if i.sync() != "" {
			if k.who = know.people[strings.ToLower(i.sync())]; k.who.profile == 0 {
				k.sync = strings.ToLower(i.sync())
			}
		}
		where, known := at[k]
		if !known {
			inv := invoicable{Plan: p.ID, Subscriber: k.who.profile, User: k.who.user, plan: p, sub: know.current[[2]int64{k.who.profile, p.ID}]}
			if k.who.profile == 0 {
				inv.FullName, inv.SyncOn = i.FullName, i.sync()
				inv.who = directory.ProfileShort{PrintableName: i.FullName, Type: "user"}
			}
			if inv.sub != nil {
				inv.Sub = inv.sub.ID
			} else {
				inv.sub = unstored(r, k.who.profile, p)
				inv.Asks = p.OptinOnRequest && (k.who.profile != 0 || k.who.user != 0)
			}
			where = len(all)
			at[k] = where
			all = append(all, inv)
		}
		if err := all[where].price(r.Now(), &know, i); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// price adds what an item buys: the setup fee, the line of its option or the options to choose from, and its use.
func (inv *invoicable) price(now store.Time, know *pricing, i *item) error {
	inv.Items = append(inv.Items, i.ID)
	p, c := inv.plan, know.coupons[i.CouponID]
	if c != nil && !c.AppliesTo(p, now) {
		c = nil
	}
	based := len(inv.options) > 0 || slices.ContainsFunc(inv.Lines, func(l line) bool { return l.Kind == orderLine })
	if !based && (inv.Sub == 0 || i.UseID == 0) {
		createdAt, endsAt := inv.sub.CreatedAt, inv.sub.EndsAt
		if createdAt.IsZero() {
			createdAt = now
		}
		claimed := c != nil && c.Reserved() // the payer of the group buy paid the fee
		if p.SetupAmount > 0 && !claimed && !know.ordered[[2]int64{inv.Subscriber, p.ID}] {
			inv.Lines = append(inv.Lines, line{Kind: setupLine, Event: ledger.SubEvent(0), Provider: p.ProfileID, Amount: p.SetupAmount, Unit: p.Unit,
				Fee: p.BrokerFeePercent, Descr: ledger.SetupFeeText(p.Slug)})
		}
		inv.options = prices(p, i, c, createdAt, endsAt)
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
	inv.Lines = append(inv.Lines, line{Kind: useLine, Event: ledger.UseEvent(0, u.ID), Provider: p.ProfileID, Amount: amount, Unit: p.Unit, Fee: p.BrokerFeePercent,
		Use: u.ID, Quantity: quantity, Descr: ledger.UseText(quantity, p.Slug, title)})
	return nil
}

// choose makes option k, counted from 1, the line that is bought. A number that is none chooses nothing.
func (inv *invoicable) choose(k int64) {
	if k >= 1 && k <= int64(len(inv.options)) {
		inv.Lines = append(inv.Lines, inv.options[k-1])
		inv.options = nil
	}
}

// A beneficiary is for whom an item is bought: a profile, a user who has none, or somebody who is not on the site.
type beneficiary struct{ profile, user int64 }

// beneficiaries finds for whom items are bought, by what they are synced on, in lower case.
func beneficiaries(r store.Reader, list []item) (map[string]beneficiary, error) {
	var names []string
	for i := range list {
		if sync := list[i].sync(); sync != "" {
			names = append(names, strings.ToLower(sync))
		}
	}
	found := make(map[string]beneficiary, len(names))
	if len(names) == 0 {
		return found, nil
	}
	profiles, err := directory.ProfilesOf(r, names)
	if err != nil {
		return nil, err
	}
	users, err := directory.UsersOf(r, directory.Email, names)
	if err != nil {
		return nil, err
	}
	proven := make([]int64, 0, len(users))
	for _, user := range users {
		proven = append(proven, user)
	}
	// A user stands for its personal profile; a profile of that very slug comes first, then one for which the address stands.
	bound := store.IDs(names)
	named, personal := map[string]beneficiary{}, map[int64]beneficiary{}
	err = store.Each(r, func(rows *sql.Rows) error {
		var name string
		var b beneficiary
		err := rows.Scan(&name, &b.profile, &b.user)
		if name == "" {
			personal[b.user] = b
		} else if _, known := named[name]; !known {
			named[name] = b
		}
		return err
	}, `SELECT name, profile, user FROM (
			SELECT n.value AS name, p.id AS profile, 0 AS user, 1 AS rank FROM json_each(?) n JOIN profile p ON p.slug = n.value WHERE p.is_active = 1
			UNION ALL
			SELECT n.value, coalesce(p.id, 0), u.id, 2 FROM json_each(?) n JOIN user u ON u.username = n.value LEFT JOIN profile p ON p.slug = u.username WHERE u.is_active = 1
			UNION ALL
			SELECT '', coalesce(p.id, 0), u.id, 3 FROM json_each(?) n JOIN user u ON u.id = n.value LEFT JOIN profile p ON p.slug = u.username)
		ORDER BY rank, profile`, bound, bound, store.IDs(proven))
	for _, name := range names {
		b, ok := named[name]
		if list := profiles[name]; len(list) > 0 && (!ok || b.user != 0) {
			b, ok = beneficiary{profile: list[0]}, true
		}
		if user := users[name]; user != 0 && !ok {
			b, ok = personal[user], true
		}
		if ok {
			found[name] = b
		}
	}
	return found, err
}
