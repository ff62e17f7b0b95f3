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
	w.exec(`UPDATE plan SET period_amount = 1 WHERE slug = 'basic'`)
	w.exec(`UPDATE profile SET is_bulk_buyer = 1 WHERE slug IN ('gym', 'acme')`)
	const own = `[{"plan":"gym-monthly","full_name":"A","sync_on":"a@example.net"},
		{"plan":"gym-monthly","full_name":"B","sync_on":"b@example.net"}]`
	w.Run(t,
		c("cart", "yan", "POST /api/cart", cart, 201, "*"),
		c("next to nothing", "yan", "POST /api/billing/acme/checkout", `{"processor_token":"tok_visa"}`, 429, "*"),
		c("cart", "gus", "POST /api/cart", own, 201, "*"),
		c("the seller's own", "gus", "POST /api/billing/gym/checkout", `{"processor_token":"tok_visa"}`, 429, "*"),
	)
}

// Orders that nothing is paid for at once are bounded for each user: each is an entry that nobody takes away. Those that are paid are
// bounded by that.
func TestUnpaidOrdersAreBounded(t *testing.T) {
	w := newWorld(t)
	w.exec(`INSERT INTO plan (slug, title, profile_id, created_at, period_amount, period_type, is_active)
		VALUES ('free', 'Free', ?, 0, 0, 4, 1)`, w.ids["cowork"])
	w.Site.Service.Limits = rest.Limits{rest.LimitOrders: {PerUser: 1}}
	c := resttest.Case
	w.Run(t,
		c("cart", "xia", "POST /api/cart", `{"plan":"free"}`, 201, "*"),
		c("free", "xia", "POST /api/billing/xia/checkout", `{}`, 200, "*"),
		c("cart again", "xia", "POST /api/cart", `{"plan":"free"}`, 201, "*"),
		c("free again", "xia", "POST /api/billing/xia/checkout", `{}`, 429,
			`{"detail":"Request was throttled. Expected available in 3600 seconds."}`).
			Wants("Retry-After: 3600"),
		c("later", "xia", "POST /api/billing/xia/checkout/paylater", `{}`, 429, "*"),
		c("with something", "xia", "POST /api/cart", `{"plan":"basic"}`, 201, "*"),
		c("paid", "xia", "POST /api/billing/xia/checkout", `{"processor_token":"tok_visa"}`, 201, "*"),
		c("cart of another", "yan", "POST /api/cart", `{"plan":"free"}`, 201, "*"),
		c("of another user", "yan", "POST /api/billing/acme/checkout", `{}`, 200, "*"),
	)
}
