package caddymodule

import "testing"

// The prices are those that a checkout asks, each way to pay with what it saves; a plan goes into the cart of whoever it is.
func TestPricingPage(t *testing.T) {
	s := pagesSite(t)
	donny := s.login("donny")
	s.must(200, "PATCH", "/api/profile/cowork/plans/premium", map[string]any{"setup_amount": 5000,
		"advance_discounts": []any{map[string]any{"discount_type": "percentage", "discount_value": 1000, "length": 12}}}, donny)
	for _, plan := range s.must(200, "GET", "/api/pricing", nil).json(t)["results"].([]any) {
		if slug, _ := plan.(map[string]any)["slug"].(string); slug != "premium" {
			s.must(200, "PATCH", "/api/profile/cowork/plans/"+slug, map[string]any{"is_active": false}, donny)
		}
	}
	v := s.visitor()
	v.must(200, "/pricing/").says("Premium", "a month", "for 12 months", "saves $", "$50 once")
	v.fill("choose").and("plan", "premium", "option", "2").press(303).follow().says("It is in your cart.", "In your cart")
	if cart := s.do("GET", "/api/cart", nil, "Cookie: tollgate_cart="+v.cookies()["tollgate_cart"]).json(t); cart["count"] != 1.0 {
		t.Errorf("in the cart are %v", cart)
	}
	v.must(200, "/pricing/?fragment").says("Choose Premium")
	if v.has("choose") {
		t.Error("a part of another page has a form")
	}
	ann := s.register("ann")
	s.subscribe("ann", ann)
	s.knownVisitor("ann").must(200, "/pricing/").says("Yours until")
}

// What a plan's use costs is shown with the plan, and the visitor's own subscription with how it stands.
func TestPricingStates(t *testing.T) {
	s := pagesSite(t)
	donny, ann := s.login("donny"), s.register("ann")
	s.must(200, "PATCH", "/api/profile/cowork/plans/premium", map[string]any{"use_charges": []any{
		map[string]any{"slug": "gb", "title": "Gigabytes", "use_amount": 10, "quota": 5}}}, donny)
	s.visitor().must(200, "/pricing/").says("Gigabytes: 5 included, then $0.10 each")

	s.subscribe("ann", ann)
	v := s.knownVisitor("ann")
	s.must(200, "PATCH", "/api/profile/cowork/plans/premium/subscriptions/ann", map[string]any{"ends_at": "2026-01-31T00:00:00Z"}, donny)
	v.must(200, "/pricing/").says("Ended on January 31, 2026").silent("Yours until")

	s.must(200, "PATCH", "/api/profile/cowork", map[string]any{"is_provider": true}, donny)
	s.must(201, "POST", "/api/cart", map[string]any{"plan": "premium", "option": 1}, ann)
	s.must(201, "POST", "/api/billing/ann/checkout/paylater", map[string]any{"items": []any{}}, ann)
	v.must(200, "/pricing/").says("Payment due").silent("Yours until", "Ended on")
}

// A grant is accepted by a button alone, by who manages its profile; everybody else sees what they see of a key that was never made.
func TestGrantPage(t *testing.T) {
	s := pagesSite(t)
	ann := s.register("ann")
	s.register("ben")
	s.grant("ann")
	list := s.must(200, "GET", "/api/profile/ann/subscriptions", nil, ann).json(t)
	key, _ := list["results"].([]any)[0].(map[string]any)["grant_key"].(string)
	path := "/profile/ann/subscriptions/accept/" + key + "/"

	s.visitor().must(303, path)
	s.knownVisitor("ben").must(200, path).says("There is nothing to accept").silent("Premium")
	v := s.knownVisitor("ann")
	v.must(200, path).says("A subscription to Premium", "Joe Card1", "lasts until")
	if v.header.Get("Referrer-Policy") != "no-referrer" {
		t.Error("the key is told to others")
	}
	v.must(200, path) // looking at it changes nothing
	v.fill("accept").press(303).follow().says("Accepted", "Premium")
	v.must(200, path).says("There is nothing to accept")
	v.must(200, "/app/ann/")
}

// A grant that is declined, or was taken back, is over; nobody has a subscription by it.
func TestGrantOver(t *testing.T) {
	s := pagesSite(t)
	ann := s.register("ann")
	v := s.knownVisitor("ann")
	offered := func() string {
		t.Helper()
		s.grant("ann")
		list := s.must(200, "GET", "/api/profile/ann/subscriptions", nil, ann).json(t)
		key, _ := list["results"].([]any)[0].(map[string]any)["grant_key"].(string)
		return "/profile/ann/subscriptions/accept/" + key + "/"
	}
	at := offered()
	v.must(200, at)
	v.fill("decline").press(303).follow().says("Declined. Nothing was subscribed to.")
	v.must(200, at).says("There is nothing to accept")
	if list := s.must(200, "GET", "/api/profile/ann/subscriptions", nil, ann).json(t); list["count"] != 0.0 {
		t.Errorf("there is a subscription: %v", list)
	}
	at = offered()
	form := v.must(200, at).fill("accept")
	s.must(204, "DELETE", "/api/profile/cowork/plans/premium/subscriptions/ann", nil, s.login("donny"))
	form.press(303).follow().says("There is nothing to accept")
	v.must(403, "/app/ann/")
}
