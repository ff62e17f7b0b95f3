package billing

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/caddy-tollgate/tollgate/api/processor"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// Invoices are charges that nobody has paid yet: who has the claim code pays (ledger.md 5.7a, 9.14, 9.15).

var (
	errPaid      = rest.Conflict("This invoice has already been paid.")
	errSavedCard = rest.Fail(http.StatusBadRequest, processor.NoCard)
)

// invoiceData is what a payment of an invoice remembers.
type invoiceData struct {
	Charge  int64 `json:"charge"`
	Attempt int64 `json:"attempt"`
}

// claimed finds the charge of a claim code. Errors: 404.
func claimed(r store.Reader, code string) (*charge, error) {
	return oneCharge(r, selectCharge+` WHERE h.claim_code = ?`, code)
}

// stillDue is the bill of an invoice: of each line what is still due of its event, and was not given back. A line that is due in part
// only is paid by a line for its balance.
func (s *Service) stillDue(r store.Reader, c *charge) (bill, error) {
	b := bill{Provider: c.Provider, Unit: c.Unit}
	lines, err := ledger.ChargeLines(r, c.ID)
	if err != nil {
		return b, err
	}
	names := make([]string, len(lines))
	for i := range lines {
		names[i] = lines[i].Event
	}
	events, err := s.events(r, names)
	if err != nil {
		return b, err
	}
	dues, err := ledger.DuesOn(r, c.Customer, c.Unit, names...)
	if err != nil {
		return b, err
	}
	invoiced, err := ledgerEntries(r, `JOIN charge_item i ON i.invoiced_id = t.id WHERE i.charge_id = ? ORDER BY i.id`, c.ID)
	if err != nil {
		return b, err
	}
	for i := range lines {
		l, about := &lines[i], events[lines[i].Event]
		due := dues[l.Event]
		amount := min(l.Left(), due.Amount.Value)
		if amount <= 0 {
			continue
		}
		due.Amount.Value -= amount
		dues[l.Event] = due
		line := billLine{Entry: invoiced[i].ID, Event: l.Event, Amount: amount, FeePercent: about.feePercent(), Descr: l.Descr}
		if amount != l.Amount.Value {
			line.Entry, line.Descr = 0, ledger.BalanceText(about.planSlug())
		}
		if b.Provider == 0 {
			b.Provider = l.Provider
		}
		b.Lines = append(b.Lines, line)
	}
	return b, nil
}

// payable refuses an invoice that is paid, or is being paid. One that failed may be tried again (decision 40).
func (c *charge) payable() error {
	switch {
	case c.State == done || c.State == disputed:
		return errPaid
	case c.inFlight():
		return errInProgress
	}
	return nil
}

// executeInvoice gives a charge that is paid in part its lines for what was due. Errors: 409 when somebody else paid it.
func (s *Service) executeInvoice(tx *store.Tx, p *payment) ([][]int64, error) {
	var data invoiceData
	if err := json.Unmarshal(p.Data, &data); err != nil {
		return nil, err
	}
	c, err := chargeByID(tx, data.Charge)
	if err != nil {
		return nil, err
	}
	if err := c.payable(); err != nil {
		return nil, err
	}
	if c.Attempt != data.Attempt {
		return nil, errPaid
	}
	entries, err := s.executeBalance(tx, p)
	if err != nil {
		return nil, err
	}
	if amount := p.Bills[0].amount(); amount != c.Amount || slices.ContainsFunc(p.Bills[0].Lines, func(l billLine) bool { return l.Entry == 0 }) {
		if _, err := tx.Exec(`DELETE FROM charge_item WHERE charge_id = ?`, c.ID); err != nil {
			return nil, err
		}
		_, err := tx.Exec(`INSERT INTO charge_item (charge_id, invoiced_id) SELECT ?, value FROM json_each(?) ORDER BY key`, c.ID, store.IDs(entries[0]))
		if err != nil {
			return nil, err
		}
		if _, err := tx.Exec(`UPDATE charge SET amount = ? WHERE id = ?`, amount, c.ID); err != nil {
			return nil, err
		}
	}
	return [][]int64{{c.ID}}, nil
}

// submitInvoice notes that an invoice is with the processor.
func (s *Service) submitInvoice(tx *store.Tx, p *payment, r processor.Receipt, id int64) ([]int64, error) {
	username, err := usernameOf(tx, p.User)
	if err != nil {
		return nil, err
	}
	var c charge
	c.received(r, username)
	n, err := tx.Exec(`UPDATE charge SET processor_key = ?, description = ?, last4 = ?, exp_date = ?, card_name = ?, processor_id = ?, state = 0,
		attempt = attempt + 1, created_by = coalesce(nullif(?, 0), created_by), failure_code = NULL, failure_detail = NULL
		WHERE id = ? AND (state = 0 AND processor_key IS NULL OR state = 2)`,
		c.Key, c.Description, c.Last4, c.ExpDate, c.CardName, processorProfile, p.User, id)
	if err == nil && n != 1 {
		err = errPaid
	}
	return []int64{id}, err
}

// invoiceRefused keeps the reason with the invoice.
func (s *Service) invoiceRefused(tx *store.Tx, p *payment, cause *processor.CardError) error {
	var data invoiceData
	if err := json.Unmarshal(p.Data, &data); err != nil {
		return err
	}
	_, err := tx.Exec(`UPDATE charge SET failure_code = ?, failure_detail = ? WHERE id = ?`, cause.Code, cause.Detail, data.Charge)
	return err
}

// InvoicePayment is the body of a payment of an invoice.
type InvoicePayment struct {
	Token    string `json:"processor_token" in:"null,blank" validate:"max=255"`
	Remember bool   `json:"remember_card"`
}

// payInvoice pays an invoice by a token, or by the customer's card on file (ledger.md 9.15). Card on file and remember_card are for
// the managers of the customer: whoever has the code may pay, but not with somebody else's card.
func (s *Service) payInvoice(c *rest.Call, in *InvoicePayment) (*Charge, error) {
	var ch *charge
	err := c.Read(func(r store.Reader) (err error) {
		ch, err = claimed(r, c.Param("claim_code"))
		return err
	})
	if err != nil {
		return nil, err
	}
	own := c.Query.ManagerOf(ch.customerSlug)
	if in.Token == "" && !own && !c.Query.IsBrokerManager() {
		return nil, errSavedCard
	}
	view, err := s.payNow(c, ch.Customer, func(tx *store.Tx) (*payment, error) {
		ch, err := claimed(tx, c.Param("claim_code"))
		if err != nil {
			return nil, err
		}
		if err := ch.payable(); err != nil {
			return nil, err
		}
		b, err := s.stillDue(tx, ch)
		if err != nil {
			return nil, err
		}
		if len(b.Lines) == 0 {
			return nil, errPaid
		}
		data, err := json.Marshal(invoiceData{ch.ID, ch.Attempt})
		p := &payment{Purpose: "invoice", Data: data, Customer: ch.Customer, Token: in.Token, Remember: in.Remember && own, Bills: []bill{b}}
		if c.User != nil {
			p.User = c.User.ID
		}
		return p, err
	})
	if err == nil {
		c.Created(c.PageURL("/billing/payments/{claim_code}/", c.Param("claim_code")))
	}
	return view, err
}
