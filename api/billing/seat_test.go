package billing

import (
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

// TestSeatsAreClaimed subscribes nobody to what a third party bought, whatever names them, and shows the buyer what it typed
// (decisions 68 and 78).
func TestSeatsAreClaimed(t *testing.T) {
	w := newWorld(t)
	w.exec(`UPDATE profile SET is_bulk_buyer = 1 WHERE slug = 'acme'`)
	w.exec(`UPDATE plan SET setup_amount = 500 WHERE slug = 'basic'`)
	state := func() string {
		return w.values(`SELECT profile_id || ':' || plan_id || ':' || ends_at FROM subscription WHERE profile_id <> ? ORDER BY id`, w.ids["acme"]) +
			w.values(`SELECT slug FROM profile ORDER BY id`)
	}
	before := state()
	c := resttest.Case
	for name, sync := range map[string]string{"a slug": "xia", "a proven address": "xia@example.com", "its case": "XIA@example.com", "a user": "zoe",
		"an address of a user": "zoe@example.com", "a shadow": "ghost", "an address of a shadow": "ghost@example.com", "nobody": "new@example.net"} {
		const typed = `"profile":{"slug":"","printable_name":"N. N.","picture":null,"type":"user","credentials":false,"created_at":null}`
		w.Run(t,
			c(name, "yan", "POST /api/cart", `{"plan":"basic","full_name":"N. N.","sync_on":"`+sync+`"}`, 201, `~"plan":{"slug":"basic","title":"Basic"}~"sync_on":"`+sync+`","full_name":"N. N."`),
			c(name+", shown", "yan", "GET /api/billing/acme/checkout", "", 200, `~"results":[{"subscription":{"created_at":null,"ends_at":"2026-03-15T12:00:00Z","description":null,`+typed+
				`~"app_url":"https://app.example.com/app//basic/"},"lines":[~"amount":"$5.00"~"description":"Subscription to Basic until 2026/04/15 (1 month) - for N. N. (`+sync+`)","amount":"$20.00"`),
			c(name+", paid", "yan", "POST /api/billing/acme/checkout", `{"processor_token":"tok_visa"}`, 201, `~"amount":2500`),
		)
	}
	w.settle()
	if after := state(); after != before {
		t.Errorf("what was bought for others left\n%s, was\n%s", after, before)
	}
	if got := w.values(`SELECT count(DISTINCT claim_code) FROM cart_item WHERE recorded = 0 AND user_id IS NULL`); got != "8" {
		t.Errorf("%s seats wait to be claimed", got)
	}
	told := w.values(`SELECT recipients FROM outbox WHERE event = 'claim_code_generated' AND recipients LIKE '%"to"%' ORDER BY id`)
	for _, address := range []string{"xia@example.com", "zoe@example.com", "ghost@example.com", "new@example.net"} {
		if !strings.Contains(told, address) {
			t.Errorf("%s was not told: %s", address, told)
		}
	}
	w.verify()
	for _, path := range []string{"GET /api/billing/acme/history", "GET /api/billing/acme/balance", "GET /api/billing/acme/checkout", "GET /api/billing/charges"} {
		if body := w.Do("yan", path, "").Body.String(); strings.Contains(body, `"slug":"xia"`) || strings.Contains(body, `Xia Lee`) {
			t.Errorf("%s shows who was meant: %s", path, body)
		}
	}
}

// TestOwnSeats takes effect at once for whom the buyer may decide for: the customer, the caller, and profiles that the caller manages.
func TestOwnSeats(t *testing.T) {
	w := newWorld(t)
	w.exec(`INSERT INTO role (created_at, profile_id, user_id, role_description_id) VALUES (0, ?, ?, ?)`, w.ids["gym"], w.ids["user yan"], w.ids["role manager"])
	c := resttest.Case
	w.Run(t,
		c("cart", "yan", "POST /api/cart", `[{"plan":"basic","sync_on":"acme"},{"plan":"basic","sync_on":"gym"},{"plan":"basic","sync_on":"yan@example.com","full_name":"Yan"}]`, 201, "*"),
		c("paid", "yan", "POST /api/billing/acme/checkout", `{"processor_token":"tok_visa"}`, 201, `~"amount":6000`),
	)
	w.settle()
	if got := w.values(`SELECT p.slug FROM subscription s JOIN profile p ON p.id = s.profile_id WHERE s.plan_id = ? AND s.created_at = ? ORDER BY p.slug`,
		w.ids["plan basic"], w.Clock.Now().UnixMicro()); got != "acme gym yan" {
		t.Errorf("subscribed %s", got)
	}

	// What the buyer merely typed as its own address waits on the address (decision 66).
	w.exec(`UPDATE profile SET is_bulk_buyer = 1 WHERE slug = 'acme'`)
	w.exec(`UPDATE contact SET email_verified_at = NULL WHERE email = 'yan@example.com'`)
	w.Run(t,
		c("unproven", "yan", "POST /api/cart", `{"plan":"premium","sync_on":"yan@example.com","full_name":"Yan"}`, 201, "*"),
		c("unproven, paid", "yan", "POST /api/billing/acme/checkout", `{"processor_token":"tok_visa"}`, 201, `~"amount"`),
	)
	w.settle()
	if got := w.values(`SELECT count(*) FROM subscription WHERE profile_id = ? AND plan_id = ?`, w.ids["yan"],
		w.ids["plan premium"]); got != "0" {
		t.Errorf("%s subscriptions of who has not proven the address", got)
	}
	if got := w.values(`SELECT count(DISTINCT claim_code) FROM cart_item WHERE recorded = 0 AND user_id IS NULL`); got != "1" {
		t.Errorf("%s seats wait to be claimed", got)
	}
	w.verify()
}

// TestClaimedAsBought gives who claims a seat the periods and the use that were paid for, whatever the plan says by then, also to who
// is subscribed already; and prolongs a held seat for its buyer until its holder ends it (decision 68).
func TestClaimedAsBought(t *testing.T) {
	w := newWorld(t)
	w.exec(`UPDATE profile SET is_bulk_buyer = 1 WHERE slug = 'acme'`)
	w.exec(`INSERT INTO advance_discount (plan_id, discount_type, discount_value, length) VALUES (?, 1, 1000, 3)`, w.ids["plan premium"])
	c := resttest.Case
	buy := func(sync, body string) (code string) {
		t.Helper()
		w.Run(t,
			c("cart", "yan", "POST /api/cart", `{"plan":"premium","full_name":"N","sync_on":"`+sync+`"`+body+`}`, 201, "*"),
			c("paid", "yan", "POST /api/billing/acme/checkout", `{"processor_token":"tok_visa"}`, 201, `~"amount"`),
		)
		w.settle()
		return w.values(`SELECT DISTINCT claim_code FROM cart_item WHERE recorded = 0 AND user_id IS NULL`)
	}
	ends := func(profile string) string {
		return w.values(`SELECT date(ends_at/1000000, 'unixepoch') FROM subscription WHERE profile_id = ? AND plan_id = ?`, w.ids[profile], w.ids["plan premium"])
	}
	code := buy("gym", `,"use":"requests","quantity":5,"option":2`)
	if got := w.values(`SELECT amount FROM charge ORDER BY id DESC LIMIT 1`); got != "54500" {
		t.Errorf("paid %s", got)
	}
	w.exec(`DELETE FROM advance_discount`)
	w.Run(t,
		c("claim", "gus", "GET /api/billing/gym/checkout?code="+code, "", 200, `~until 2026/06/15 (3 months) - a 100% discount, complimentary of Acme Corp","amount":"$0.00"~`+
			`Buy 5 Premium Requests","amount":"$0.00"`),
		c("take", "gus", "POST /api/billing/gym/checkout", `{}`, 200, `{}`),
	)
	if got := ends("gym"); got != "2026-06-15" {
		t.Errorf("the seat ends %s", got)
	}
	if got := w.values(`SELECT rollover_quota FROM subscription_use`); got != "5" {
		t.Errorf("%s uses", got)
	}
	if due := w.due("gym"); due != 0 {
		t.Errorf("the claim costs %d", due)
	}

	if code := buy("gym", `,"option":1`); code != "" || ends("gym") != "2026-07-15" {
		t.Errorf("prolonged to %s, claim code %q", ends("gym"), code)
	}
	w.Run(t, c("shown", "yan", "POST /api/cart", `{"plan":"premium","full_name":"N","sync_on":"gym","option":1}`, 201, "*"),
		c("to its buyer", "yan", "GET /api/billing/acme/checkout", "", 200, `~"ends_at":"2026-07-15T12:00:00Z"~"slug":"gym"`),
		c("emptied", "yan", "DELETE /api/cart", "", 204, ""))
	w.exec(`UPDATE profile SET is_bulk_buyer = 1 WHERE slug = 'cowork'`)
	w.Run(t, c("another buyer", "donny", "POST /api/cart", `{"plan":"premium","full_name":"N","sync_on":"gym","option":1}`, 201, "*"),
		c("is shown what it typed", "donny", "GET /api/billing/cowork/checkout", "", 200, `~"ends_at":"2026-03-15T12:00:00Z"~"slug":"","printable_name":"N"`),
		c("nothing left", "donny", "DELETE /api/cart", "", 204, ""))

	w.broken = "pay:charged"
	w.Run(t, c("cart", "yan", "POST /api/cart", `{"plan":"premium","full_name":"N","sync_on":"gym","option":1}`, 201, "*"))
	w.Do("yan", "POST /api/billing/acme/checkout", `{"processor_token":"tok_visa"}`)
	w.restart()
	w.exec(`UPDATE subscription SET ends_at = ?, auto_renew = 0 WHERE profile_id = ? AND plan_id = ?`, w.Clock.Now().UnixMicro(), w.ids["gym"], w.ids["plan premium"])
	w.Clock.Advance(3600e9)
	w.sweep()
	w.settle()
	if got := ends("gym"); got != "2026-03-15" {
		t.Errorf("a seat that was ended while it was paid ends %s", got)
	}
	if got := w.values(`SELECT count(DISTINCT claim_code) FROM cart_item WHERE recorded = 0 AND user_id IS NULL`); got != "1" {
		t.Errorf("%s seats wait to be claimed", got)
	}
	w.verify()
}
