package billing

import (
	"testing"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

// TestSettlement is the worked example of ledger.md 5.5, from the invoice to the entries.
func TestSettlement(t *testing.T) {
	w := newWorld(t)
	code := w.invoiced("acme:premium", 20000)
	w.Run(t,
		resttest.Case("pay", "", "POST /api/billing/payments/"+code, `{"processor_token":"tok_visa"}`, 201, `~"state":"created"~"amount":20000~"last4":"1234"~on credit card of Joe Test"`).
			Wants("Location: "+resttest.Base+"/billing/payments/"+code+"/"),
		resttest.Case("again, before anybody asked", "", "POST /api/billing/payments/"+code, `{"processor_token":"tok_visa"}`, 409, `{"detail":"This invoice has already been paid."}`),
	)
	for profile, want := range map[string]string{
		"acme": "", "cowork": "Backlog -20000, Expenses 1610, Funds 18390", "hub": "Backlog -1610, Expenses 610, Funds 1000", "stripe": "Backlog -610, Funds 610",
	} {
		if got := w.accounts(profile); got != want {
			t.Errorf("%s has %s, want %s", profile, got, want)
		}
	}
	w.verify()
}
