package billing

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/api/processor"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/subscription"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// Checkout is what a customer is about to buy and pay (subscriptions.md 10.2).
type Checkout struct {
	ProcessorInfo map[string]string `json:"processor_info"` // what a browser needs to pay
	Results       []Invoicable      `json:"results"`
}

// An Invoicable is what is invoiced for one subscription, stored or to be: lines, and options of which one is to be chosen.
type Invoicable struct {
	Subscription subscription.InvoicableView `json:"subscription"`
	Lines        []Transaction               `json:"lines"`
	Options      []Transaction               `json:"options"`
}

// showCheckout shows what the customer {profile} would pay: its balances, and the caller's cart.
func (s *Service) showCheckout(c *rest.Call, _ *rest.None) (out Checkout, err error) {
	if c.QueryString("code") != "" || c.CartCookie() != "" {
		if err := c.Write(func(tx *store.Tx) error { return s.gather(c, tx) }); err != nil {
			return out, err
		}
	}
	customer, err := s.customer(c)
	if err != nil {
		return out, err
	}
	if err := s.pollCustomer(c.Context(), customer); err != nil && !errors.Is(err, errInProgress) {
		s.log.Warn("what became of a payment could not be looked up", zap.Error(err))
	}
	ask := processor.PaymentContext{Unit: s.set.Unit, Amount: new(int64)}
	err = c.Read(func(r store.Reader) error {
		all, err := s.invoicables(c, r, customer)
		if err != nil {
			return err
		}
		if out.Results, err = s.views(c, r, customer, all); err != nil {
			return err
		}
		return s.toPay(r, customer, all, &ask)
	})
	if err != nil || s.processor == nil {
		return out, err
	}
	err = outside(c.Context(), func(ctx context.Context) (err error) {
		out.ProcessorInfo, err = s.processor.PaymentContext(ctx, ask)
		return err
	})
	if err != nil {
		s.log.Warn("the processor tells browsers nothing", zap.Error(err))
	}
	return out, nil
}

// toPay fills in what the processor is asked for: the sum of the lines of the first provider and unit, which is what would be charged
// first.
func (s *Service) toPay(r store.Reader, customer int64, all []invoicable, ask *processor.PaymentContext) error {
	bills, err := billsOf(all)
	if err != nil {
		return err
	}
	ids := []int64{customer}
	if len(bills) > 0 {
		ids = append(ids, bills[0].Provider)
	}
	people, err := s.processorProfiles(r, ids...)
	if err != nil {
		return err
	}
	ask.Subscriber, ask.Broker = people[customer], people[0]
	if len(bills) == 0 {
		return nil
	}
	amount := bills[0].amount()
	ask.Provider, ask.Amount, ask.Unit = people[bills[0].Provider], &amount, bills[0].Unit
	ask.BrokerFee, err = bills[0].brokerFee()
	return err
}

// views show invoicables, in a few queries for all of them.
func (s *Service) views(c *rest.Call, r store.Reader, customer int64, all []invoicable) ([]Invoicable, error) {
	ids, stored := []int64{customer}, []int64{}
	for i := range all {
		ids = append(ids, all[i].plan.ProfileID)
		for _, l := range all[i].Lines {
			if l.Kind == storedLine {
				stored = append(stored, l.Entry)
			}
		}
	}
	profiles, err := s.dir.Profiles(r, ids)
	if err != nil {
		return nil, err
	}
	entries, err := ledgerEntries(r, `WHERE t.id IN (SELECT value FROM json_each(?))`, store.IDs(stored))
	if err != nil {
		return nil, err
	}
	shown, err := s.entryViews(r, entries)
	if err != nil {
		return nil, err
	}
	known := make(map[int64]Transaction, len(entries))
	for i := range entries {
		known[entries[i].ID] = shown[i]
	}
	out := make([]Invoicable, len(all))
	for i := range all {
		inv := &all[i]
		view := func(lines []line) []Transaction {
			list := make([]Transaction, len(lines))
			for n := range lines {
				l := &lines[n]
				if l.Kind == storedLine {
					list[n] = known[l.Entry]
					continue
				}
				dest, orig := ledger.AccountPayable, ledger.AccountReceivable
				if l.Kind == settledLine {
					dest, orig = ledger.AccountSettled, ledger.AccountSettled
				}
				list[n] = Transaction{CreatedAt: r.Now(), Description: titled(l.Descr, inv.plan.Slug, inv.plan.Title),
					Amount:      ledger.Amount{Value: l.Amount, Unit: l.Unit}.String(),
					OrigAccount: string(orig), OrigProfile: profiles[l.Provider], OrigAmount: l.Amount, OrigUnit: l.Unit,
					DestAccount: string(dest), DestProfile: profiles[customer], DestAmount: l.Amount, DestUnit: l.Unit}
			}
			return list
		}
		out[i] = Invoicable{s.subs.InvoicableView(c, inv.sub, inv.who, inv.plan), view(inv.Lines), view(inv.options)}
	}
	return out, nil
}

// billsOf are the bills of what is ordered at once: one for each provider and unit, its lines in their order.
func billsOf(all []invoicable) (bills []bill, err error) {
	for i := range all {
		if all[i].Asks {
			continue
		}
		for _, l := range all[i].Lines {
			bills, err = addLine(bills, l.Provider, l.Unit, billLine{Entry: l.Entry, Event: l.Event, Amount: l.Amount, FeePercent: l.Fee, Descr: l.Descr})
			if err != nil {
				return nil, err
			}
		}
	}
	return bills, nil
}

// OrderInput is the body of pay later: what is chosen of the options, by position, and an address for a customer that has none.
type OrderInput struct {
	Items []struct {
		Option int64 `json:"option" in:"required" validate:"gte=0,lte=2147483647"`
	} `json:"items" in:"null"`
	StreetAddress string `json:"street_address" in:"null,blank" validate:"max=150"`
	Locality      string `json:"locality" in:"null,blank" validate:"max=50"`
	Region        string `json:"region" in:"null,blank" validate:"max=50"`
	PostalCode    string `json:"postal_code" in:"null,blank" validate:"max=50"`
	Country       string `json:"country" in:"null,blank" validate:"country"`
}

// CheckoutInput is the body of a checkout.
type CheckoutInput struct {
	OrderInput
	Token    string `json:"processor_token" in:"null,blank" validate:"max=255"`
	Remember bool   `json:"remember_card"`
}

// Ordered is the first charge of an order; empty when there was nothing to pay.
type Ordered struct{ *Charge }

var errOptions = rest.Fail(http.StatusBadRequest, "Cannot checkout when there are still options to choose from.")

// leastSeat is the price, in 1/100 of a unit, that bounds the messages about seats.
const leastSeat = 100

// prepareOrder prices what the caller's cart and the customer's balances come to, with the options chosen, and checks that it may be
// ordered. Errors: 400.
//
// Who is to claim a seat gets a message, which counts (decision 77), but where the seat is paid for at once: that is bound enough, unless
// it costs next to nothing, or its seller buys it. Error: 429.
func (s *Service) prepareOrder(c *rest.Call, tx *store.Tx, customer int64, in *OrderInput, paid bool) (*order, error) {
	if err := s.gather(c, tx); err != nil {
		return nil, err
	}
	all, err := s.invoicables(c, tx, customer)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if i < len(in.Items) {
			all[i].choose(in.Items[i].Option)
		}
		if len(all[i].options) > 0 {
			return nil, errOptions
		}
	}
	if err := s.check(tx, customer, all); err != nil {
		return nil, err
	}
	if err := countUnpaid(c, tx, all, paid); err != nil {
		return nil, err
	}
	for i := range all {
		bought := paid && all[i].sum() >= leastSeat && !c.Query.MaySell(all[i].plan.Provider.Slug)
		if !all[i].invites() || bought {
			continue
		}
		if err := c.Count(tx, rest.LimitInvitations); err != nil {
			return nil, err
		}
	}
	o := &order{Customer: customer, User: c.User.ID, Own: c.Query.ManagerOf(c.Param("profile")), Lines: all}
	return o, fillAddress(tx, customer, in)
}

// countUnpaid counts an order that nothing is paid for at once: what costs nothing, what is asked for, and what is paid later would
// otherwise make entries without end. Error: 429.
func countUnpaid(c *rest.Call, tx *store.Tx, all []invoicable, paid bool) error {
	if !slices.ContainsFunc(all, func(inv invoicable) bool { return len(inv.Items) > 0 }) {
		return nil // balances alone
	}
	bills, err := billsOf(all)
	if err != nil || paid && len(bills) > 0 {
		return err
	}
	return c.Count(tx, rest.LimitOrders)
}

// fillAddress gives a customer what it lacks of an address.
func fillAddress(tx *store.Tx, customer int64, in *OrderInput) error {
	if in.StreetAddress+in.Locality+in.PostalCode+in.Region+in.Country == "" {
		return nil
	}
	_, err := tx.Exec(`UPDATE profile SET
		street_address = CASE WHEN street_address = '' THEN ? ELSE street_address END,
		locality = CASE WHEN locality = '' THEN ? ELSE locality END,
		postal_code = CASE WHEN postal_code = '' THEN ? ELSE postal_code END,
		region = CASE WHEN region = '' AND country = '' THEN ? ELSE region END,
		country = CASE WHEN region = '' AND country = '' THEN ? ELSE country END
		WHERE id = ? AND '' IN (street_address, locality, postal_code, region || country)`,
		in.StreetAddress, in.Locality, in.PostalCode, in.Region, in.Country, customer)
	return err
}

// gather brings what belongs in the caller's cart into it: the items that a claim code names, and the cart of the visitor that the
// caller was (subscriptions.md 9.5).
func (s *Service) gather(c *rest.Call, tx *store.Tx) error {
	if err := s.claim(tx, c.User.ID, c.QueryString("code")); err != nil {
		return err
	}
	return s.mergeCookie(c, tx)
}

// postCheckout orders what is in the caller's cart for the customer {profile}, and pays it with its balances (subscriptions.md 10.3).
func (s *Service) postCheckout(c *rest.Call, in *CheckoutInput) (out Ordered, err error) {
	customer, err := s.customer(c)
	if err != nil {
		return out, err
	}
	charge, err := s.payNow(c, customer, func(tx *store.Tx) (*payment, error) {
		o, err := s.prepareOrder(c, tx, customer, &in.OrderInput, true)
		if err != nil {
			return nil, err
		}
		bills, err := billsOf(o.Lines)
		if err != nil {
			return nil, err
		}
		if len(bills) > 0 && in.Token == "" && !o.Own && !c.Query.IsBrokerManager() {
			return nil, errSavedCard
		}
		saves := in.Remember && in.Token != "" && len(o.Lines) > 0 // also when nothing is due yet: what was asked for will be
		if len(bills) == 0 && !saves {
			_, err := s.execute(tx, o)
			return nil, err
		}
		data, err := json.Marshal(o)
		return &payment{Purpose: "checkout", Data: data, Customer: customer, User: c.User.ID, Token: in.Token, Remember: saves, Bills: bills}, err
	})
	if err == nil && charge != nil {
		c.SetStatus(http.StatusCreated)
		if charge.ProcessorKey != nil {
			c.Created(c.PageURL("/billing/{profile}/receipt/{charge}/", c.Param("profile"), *charge.ProcessorKey))
		}
	}
	return Ordered{charge}, err
}

func (s *Service) customer(c *rest.Call) (id int64, err error) {
	err = c.Read(func(r store.Reader) error {
		id, err = s.pathProfile(c, r)
		return err
	})
	return id, err
}

// executeCheckout writes what was priced, in the transaction that commits the payment.
func (s *Service) executeCheckout(tx *store.Tx, p *payment) ([][]int64, error) {
	var o order
	if err := json.Unmarshal(p.Data, &o); err != nil {
		return nil, err
	}
	lines, err := s.execute(tx, &o)
	if err != nil {
		return nil, err
	}
	return entriesOf(p.Bills, lines)
}

// entriesOf are the entries of the lines of bills, once they are placed.
func entriesOf(bills []bill, lines []placed) ([][]int64, error) {
	entries := make([][]int64, len(bills))
	for _, l := range lines {
		for i := range bills {
			if l.Amount != 0 && bills[i].Provider == l.Provider && bills[i].Unit == l.Unit {
				entries[i] = append(entries[i], l.entry)
			}
		}
	}
	for i := range bills {
		if len(entries[i]) != len(bills[i].Lines) {
			return nil, errCart
		}
	}
	return entries, nil
}

// payLater orders what is in the caller's cart; the customer owes it (subscriptions.md 10.4).
func (s *Service) payLater(c *rest.Call, tx *store.Tx, in *OrderInput) (out Ordered, err error) {
	customer, err := s.pathProfile(c, tx)
	if err != nil {
		return out, err
	}
	o, err := s.prepareOrder(c, tx, customer, in, false)
	if err != nil {
		return out, err
	}
	id, err := s.invoiceOrder(tx, o)
	if err != nil || id == 0 {
		return out, err
	}
	if out.Charge, err = s.chargeView(tx, id); err == nil {
		c.Created(c.PageURL("/billing/payments/{claim_code}/", *out.ClaimCode))
	}
	return out, err
}
