package caddymodule

import (
	"fmt"
	"strings"
	"testing"
)

// There is a switch for each event, with what it is about; what is not ticked is off.
func TestNotificationsPage(t *testing.T) {
	s := pagesSite(t)
	xia := s.knownVisitor("xia").must(200, "/users/xia/notifications/").says("An order", "Somebody invites you").silent("The report of sales")
	xia.fill("choose", "on_order_executed", "").press(303).follow().says("Saved.")
	if xia.value("on_order_executed") != "" || xia.value("on_charge_updated") == "" {
		t.Errorf("%q, %q", xia.value("on_order_executed"), xia.value("on_charge_updated"))
	}
	a := s.must(200, "GET", "/api/users/xia/notifications", nil, s.login("xia"))
	if strings.Contains(strings.Split(a.body, `"available"`)[0], "order_executed") || !strings.Contains(a.body, "charge_updated") {
		t.Error(a.body)
	}
	s.knownVisitor("donny").must(200, "/users/donny/notifications/").says("The report of sales")
	s.register("joe1")
	s.knownVisitor("joe1").must(403, "/users/xia/notifications/")
}

// Somebody is invited, accepts and leaves; asks, and takes it back; makes a profile, and cannot leave it alone.
func TestRolesPage(t *testing.T) {
	s := pagesSite(t)
	s.register("joe1")
	s.confirm("joe1")
	joe := s.knownVisitor("joe1")
	joe.open("/users/roles/").says("your own").silent("Accept")
	invite := func() {
		t.Helper()
		s.must(201, "POST", "/api/profile/cowork/roles/contributor", map[string]any{"slug": "joe1"}, s.login("donny"))
		joe.must(200, "/users/joe1/roles/").says("1 invitation waits", "Cowork", "invited")
	}
	invite()
	joe.fill("drop").press(303).follow().says("It is no longer in your list").silent("Cowork Contributor")
	invite()
	joe.fill("accept").press(303).follow().says("You have access now.", "Contributor")
	joe.must(200, joe.link("Leave")).says("You will have no access to Cowork")
	joe.fill("drop").press(303).follow().says("It is no longer in your list")

	joe.fill("ask").press(400)
	joe.fill("ask", "profile", "nowhere", "message", "please").press(400)
	if joe.problems("profile") != "What this is about is not here, or not any more." || joe.value("message") != "please" {
		t.Errorf("%q, %q", joe.problems("profile"), joe.value("message"))
	}
	joe.fill("ask", "profile", "cowork", "role", "contributor").press(303).follow().says("1 request of yours waits", "asked for")
	joe.fill("drop").press(303).follow().silent("asked for")

	joe.fill("make").press(400)
	if joe.problems("full_name") != "Fill this in." {
		t.Errorf("%q", joe.problems("full_name"))
	}
	joe.fill("make", "full_name", "Blue Harbor").press(303).follow().says("you manage it", "Blue Harbor")
	joe.must(200, "/users/joe1/roles/?leave=blue-harbor").fill("drop").press(400).says("A profile keeps at least one manager.")
	joe.must(200, "/users/joe1/").says("It cannot be deleted yet", "Blue Harbor has no other manager")
	joe.must(403, "/users/xia/roles/")

	// A long list is paged and searched.
	token := s.login("joe1")
	for i := range 27 {
		s.must(201, "POST", "/api/users/joe1/profiles", map[string]any{"full_name": fmt.Sprintf("Harbor %02d", i)}, token)
	}
	joe.must(200, "/users/joe1/roles/").says("Harbor 26").silent("Harbor 01")
	joe.must(200, joe.link("Next")).says("Harbor 01").must(200, joe.link("Previous"))
	joe.must(200, "/users/joe1/roles/?q=harbor-01").says("Harbor 01").silent("Harbor 02")
	joe.must(200, "/users/joe1/roles/?q=nothing").says("Nothing that you have access to is called")
}
