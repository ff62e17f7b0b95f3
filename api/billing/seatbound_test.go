package billing

import (
	"testing"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

// Messages about seats that nothing is paid for at once are bounded as invitations are (decision 77), before anything is ordered; who
// pays for each is bounded by that.
func TestSeatsAreBounded(t *testing.T) {
	w := newWorld(t)
	w.exec(`UPDATE profile SET is_bulk_buyer = 1 WHERE slug = 'acme'`)
	w.Site.Service.Limits = rest.Limits{rest.LimitInvitations: {PerUser: 1}}
	c := resttest.Case
	const cart = `[{"plan":"basic","full_name":"A","sync_on":"a@example.net"},{"plan":"basic","full_name":"B","sync_on":"b@example.net"}]`
	w.Run(t,
		c("cart", "alice", "POST /api/cart", cart, 201, "*"),
		c("cart", "yan", "POST /api/cart", cart, 201, "*"),
		c("owed", "alice", "POST /api/billing/acme/checkout/paylater", `{}`, 429, "*").Wants("Retry-After: 3600"),
		c("paid", "yan", "POST /api/billing/acme/checkout", `{"processor_token":"tok_visa"}`, 201, "*"),
	)
}
