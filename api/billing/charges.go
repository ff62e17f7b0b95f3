package billing

import (
	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// chargeEndpoints are the rows of charges, balances and what moves money besides checkout and renewals (ledger.md 9).
func (s *Service) chargeEndpoints() []rest.Endpoint {
	return []rest.Endpoint{
		rest.Get("/api/billing/charges", accessrules.BrokerStrict, s.charges, rest.Lists(allCharges), rest.Doc("Lists the charges of the site")),
		rest.Get("/api/billing/{profile}/charges", accessrules.ProviderStrict, s.chargesOf, rest.Lists(customerCharges), rest.Doc("Lists the charges of a profile")),
		rest.Act("GET", "/api/billing/{profile}/charges/{charge}", accessrules.ProviderStrict, s.showCharge, rest.Unaudited(),
			rest.Doc("Shows a charge, as the processor knows it")),
		rest.Act("POST", "/api/billing/{profile}/charges/{charge}/refund", accessrules.ProviderOnlyStrict, s.refundCharge, rest.Keyed(),
			rest.Find(s.findCharge), rest.Doc("Gives money back, all of a line or a part")),
		rest.Act("POST", "/api/billing/{profile}/charges/{charge}/email", accessrules.ProviderSalesStrict, s.emailCharge,
			rest.Doc("Sends a copy of the receipt")),
		rest.Act("GET", "/api/billing/payments/{claim_code}", accessrules.Public, s.showInvoice, rest.Unaudited(), rest.Doc("Shows an invoice")),
		rest.Act("POST", "/api/billing/payments/{claim_code}", accessrules.Public, s.payInvoice, rest.Answers(201), rest.Keyed(), rest.Doc("Pays an invoice")),
		rest.Act("POST", "/api/billing/{profile}/payments/{claim_code}/collected", accessrules.DirectStrict, s.invoiceCollected, rest.Keyed(),
			rest.Doc("Records that an invoice was paid elsewhere, or writes it off")),
		rest.Get("/api/billing/{profile}/history", accessrules.ProviderStrict, s.history, rest.Lists(historyList), rest.Doc("Lists what a profile ordered and paid")),
		rest.Get("/api/billing/{profile}/balance", accessrules.ProviderSalesStrict, s.balanceDue, rest.Lists(unpaidList), rest.Doc("Lists the orders that a profile has not paid")),
		rest.Post("/api/billing/{profile}/balance", accessrules.ProviderSalesStrict, s.reportUse, rest.Answers(200, struct{}{}), rest.Answers(201, Transaction{}), rest.Keyed(), rest.Doc("Reports a use")),
		rest.Act("DELETE", "/api/billing/{profile}/balance", accessrules.ProviderSalesStrict, s.clearBalance, rest.Takes(rest.Number("amount", "At most this much, in 1/100 of a unit.", 1, ledger.MaxAmount), rest.Flag("paid", "Records that it was paid elsewhere, in place of writing it off.")),
			rest.Doc("Writes off what a profile owes, or records that it was paid elsewhere")),
		rest.Get("/api/billing/{profile}/receivables", accessrules.DirectStrict, s.receivables, rest.Lists(receivablesList), rest.Doc("Lists the sales of a provider")),
		rest.Act("GET", "/api/billing/{profile}/transfers", accessrules.DirectStrict, s.transfers, rest.Lists(transfersList), rest.Takes(rest.Text("force", "\"0\", \"false\" or nothing leaves the processor alone.")), rest.Unaudited(),
			rest.Doc("Lists what came into the funds of a provider and left them")),
		rest.Post("/api/billing/{profile}/transfers/import", accessrules.DirectStrict, s.importTransfer, rest.Answers(201), rest.Keyed(),
			rest.Doc("Records a payment that a provider received elsewhere")),
		rest.Act("POST", "/api/billing/{profile}/transfers/withdraw", accessrules.DirectStrict, s.withdraw, rest.Answers(202), rest.Fails(501), rest.Keyed(), rest.Doc("Pays funds out")),
		rest.Act("GET", "/api/billing/{profile}/bank", accessrules.DirectStrict, s.showBank, rest.Takes(rest.Text("code", "What the processor gave who connected an account."), rest.Text("state", "What bank/connect began with.")), rest.Doc("Shows the account that a provider is paid out to")),
		rest.Delete("/api/billing/{profile}/bank", accessrules.DirectStrict, s.disconnectBank, rest.Doc("Forgets the account of a provider")),
		rest.Get("/api/billing/{profile}/bank/connect", accessrules.DirectStrict, s.connectBank, rest.Fails(501), rest.Doc("Tells where a provider connects its account")),
		rest.Act("GET", "/api/billing/{profile}/card", accessrules.ProviderStrict, s.showCard, rest.Takes(rest.Flag("update", "Answers what a browser needs to replace the card.")), rest.Unaudited(), rest.Doc("Shows the card on file")),
		rest.Act("PUT", "/api/billing/{profile}/card", accessrules.ProviderStrict, s.putCard, rest.Doc("Puts a card on file")),
		rest.Act("PATCH", "/api/billing/{profile}/card", accessrules.ProviderStrict, s.putCard, rest.Doc("Puts a card on file")),
		rest.Act("DELETE", "/api/billing/{profile}/card", accessrules.ProviderStrict, s.deleteCard, rest.Doc("Forgets the card on file")),
	}
}

// pathCharge is the charge of the path: of the customer {profile}, by its key at the processor. Errors: 404.
func (s *Service) pathCharge(c *rest.Call) (ch *charge, err error) {
	err = c.Read(func(r store.Reader) error {
		ch, err = s.chargeOf(c, r)
		return err
	})
	return ch, err
}

func (s *Service) chargeOf(c *rest.Call, r store.Reader) (*charge, error) {
	customer, err := s.pathProfile(c, r)
	if err != nil {
		return nil, err
	}
	return oneCharge(r, selectCharge+` WHERE h.processor_key = ? AND h.customer_id = ?`, c.Param("charge"), customer)
}

// findCharge says that there is a charge before a bad body is spoken of.
func (s *Service) findCharge(c *rest.Call, r store.Reader) error {
	_, err := s.chargeOf(c, r)
	return err
}

// pollQuietly asks what became of a charge in flight; when the processor does not answer, the stored charge has to do.
func (s *Service) pollQuietly(c *rest.Call, ch *charge) {
	if ch.Key == nil {
		return
	}
	if err := s.poll(c.Context(), ch.ID); err != nil {
		s.log.Warn("a charge could not be looked up", zap.Int64("charge", ch.ID), zap.Error(err))
	}
}

// showCharge shows a charge (ledger.md 9.11). It asks the processor first.
func (s *Service) showCharge(c *rest.Call, _ *rest.None) (view *Charge, err error) {
	ch, err := s.pathCharge(c)
	if err != nil {
		return nil, err
	}
	s.pollQuietly(c, ch)
	err = c.Read(func(r store.Reader) error {
		view, err = s.chargeView(r, ch.ID)
		return err
	})
	return view, err
}

// Receipt is the answer to who asks for a copy of a receipt.
type Receipt struct {
	ChargeID string `json:"charge_id"`
	Email    string `json:"email"`
	Detail   string `json:"detail"`
}

// emailCharge sends the receipt of a charge again (ledger.md 9.13): to the customer, of a charge that is paid.
func (s *Service) emailCharge(c *rest.Call, _ *rest.None) (out Receipt, err error) {
	ch, err := s.pathCharge(c)
	if err != nil {
		return out, err
	}
	s.pollQuietly(c, ch)
	err = c.Write(func(tx *store.Tx) error {
		ch, err := chargeByID(tx, ch.ID)
		if err != nil {
			return err
		}
		if err := tx.QueryRow(`SELECT email FROM profile WHERE id = ?`, ch.Customer).Scan(&out.Email); err != nil {
			return err
		}
		out.ChargeID, out.Detail = *ch.Key, "A copy of the receipt was sent to "+out.Email+"."
		return s.tellCharge(tx, ch, c.User.ID)
	})
	return out, err
}
