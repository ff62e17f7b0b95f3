package caddymodule

import (
	"regexp"
	"strings"
	"testing"
)

// paidGate is a gate that refuses for many reasons.
const paidGate = `
		rule /app/{profile}/ {
			direct contributor weak
			subscribed premium
		}
		rule /paid/{profile}/ paid premium
		rule /office/{profile}/ direct strong
		rule /support/{profile}/ direct support weak
		rule /rooms/ subscribed premium
		rule /signed/ agreement house-rules
		rule /hidden/ {
			direct contributor
			refuse 404
		}`

// Whoever has a role on a profile is told why it is refused, what it costs and whom to ask; everybody else reads one sentence, the same
// for names that do not exist.
func TestRefusedPage(t *testing.T) {
	s := pagesSite(t, func(s *site) { s.gate = paidGate })
	ann := s.register("ann")
	s.register("ben")
	v := s.knownVisitor("ann")

	v.must(403, "/app/ann/").says("Not subscribed", "This needs a subscription to Premium", "$", "a month", "Joe Card1")
	v.must(403, "/rooms/").says("This needs a subscription to Premium", "None of your profiles")

	s.subscribe("ann", ann)
	v.must(200, "/app/ann/")
	donny := s.login("donny")
	s.must(200, "PATCH", "/api/profile/cowork/plans/premium/subscriptions/ann", map[string]any{"ends_at": "2026-01-31T00:00:00Z"}, donny)
	v.must(403, "/app/ann/").says("Ended", "January 31, 2026", "Premium")
	v.must(403, "/rooms/").says("January 31, 2026")
}

// Whoever has another role than a rule asks for is told which, who gives it, and asks for it with a button.
func TestRefusedRole(t *testing.T) {
	s := pagesSite(t, func(s *site) { s.gate = paidGate })
	ann := s.register("ann")
	s.register("ben")
	s.must(201, "POST", "/api/profile/ann/roles/contributor", map[string]any{"slug": "ben"}, ann)
	v := s.knownVisitor("ben")
	v.must(403, "/office/ann/").says("You are invited", "this is about Joe Card1")
	list := s.must(200, "GET", "/api/users/ben/accessibles?role_status=invited", nil, s.login("ben")).json(t)
	accept, _ := list["results"].([]any)[0].(map[string]any)["accept_grant_api_url"].(string)
	s.must(200, "PUT", strings.TrimPrefix(accept, base), nil, s.login("ben"))

	v.must(403, "/office/ann/").says("Your role does not give you access to this", "contributor", "manager", "It is given by Joe")
	v.fill("ask").press(303).follow().says("have been asked")

	// What is due is told with its sum.
	s.must(200, "PATCH", "/api/profile/cowork", map[string]any{"is_provider": true}, s.login("donny"))
	s.must(201, "POST", "/api/cart", map[string]any{"plan": "premium", "option": 1}, ann)
	s.must(201, "POST", "/api/billing/ann/checkout/paylater", map[string]any{"items": []any{}}, ann)
	v.must(403, "/paid/ann/").says("A payment is due", "Due: $", "Ask Joe")
	v.must(403, "/paid/cowork/").silent("Due", "Cowork has")
}

// An agreement is signed on the way; where the site has no page for that, the refusal names it.
func TestRefusedTerms(t *testing.T) {
	s := pagesSite(t, func(s *site) { s.gate = paidGate })
	s.must(201, "POST", "/api/agreements", map[string]any{"title": "House rules", "text": "Be kind."}, s.login("donny"))
	v, w := s.knownVisitor("xia"), s.knownVisitor("donny")
	if v.must(302, "/signed/"); v.location() != "/legal/house-rules/sign/?next=/signed/" {
		t.Errorf("leads to %s", v.location())
	}
	v.must(200, v.location()).fill("sign", "read_terms", "true").press(303)
	v.must(200, v.location())
	if got := s.upstream.take(); got == nil || got.URI != "/signed/" {
		t.Errorf("the application got %v", got)
	}
	s.more = "tollgate_pages {\n\t\texcept /legal/\n\t}"
	s.load()
	w.must(403, "/signed/").says("Please sign this first", "Please read and sign House rules.")
	if strings.Contains(w.body, `href="/legal/`) {
		t.Error("a link leads to a page that there is not")
	}
}

// Whose role asks for one-time passwords is told so, where the site has no page that they are set up on.
func TestRefusedOTP(t *testing.T) {
	s := pagesSite(t, func(s *site) { s.gate, s.more = paidGate, "tollgate_pages {\n\t\texcept /users/\n\t}" })
	ann, ben := s.register("ann"), s.register("ben")
	s.must(201, "POST", "/api/profile/ann/roles/describe", map[string]any{"title": "Support", "otp_required": true}, ann)
	s.must(201, "POST", "/api/profile/ann/roles/support", map[string]any{"slug": "ben"}, ann)
	list := s.must(200, "GET", "/api/users/ben/accessibles?role_status=invited", nil, ben).json(t)
	accept, _ := list["results"].([]any)[0].(map[string]any)["accept_grant_api_url"].(string)
	s.must(200, "PUT", strings.TrimPrefix(accept, base), nil, ben)
	v := s.knownVisitor("ben")
	v.must(403, "/support/ann/").says("This role needs one-time passwords", "Joe Card1")
}

// On a site that is read only, whoever changes something is told that this is not about the role.
func TestRefusedReadOnly(t *testing.T) {
	s := pagesSite(t, func(s *site) { s.gate = paidGate })
	s.subscribe("ann", s.register("ann"))
	v := s.knownVisitor("ann")
	s.global = "disable_updates"
	s.load()
	v.must(200, "/app/ann/")
	v.answer = v.send("POST", "/app/ann/", "application/x-www-form-urlencoded", "a=b")
	if v.status != 403 || !strings.Contains(v.body, "Nothing can be changed right now") {
		t.Errorf("%d %s", v.status, v.body)
	}
}

// What strangers are told of a profile is the same, to the byte, as of one that does not exist.
func TestRefusedStranger(t *testing.T) {
	s := pagesSite(t, func(s *site) { s.gate = paidGate })
	s.register("ann")
	s.register("ben")
	s.subscribe("ben", s.login("ben"))
	v := s.knownVisitor("ann")
	id := regexp.MustCompile(`<code>[-0-9a-f]{36}</code>`)
	for _, path := range []string{"/app/", "/paid/", "/office/", "/support/"} {
		v.must(403, path+"ben/").silent("Joe Card1's", "ben")
		there := v.answer
		v.must(403, path+"nobody/")
		if a, b := id.ReplaceAllString(there.body, ""), id.ReplaceAllString(v.body, ""); a != b {
			t.Errorf("%s: a stranger is told apart:\n%s\n%s", path, a, b)
		}
		for name := range there.header {
			if name != "Date" && strings.Join(there.header[name], " ") != strings.Join(v.header[name], " ") {
				t.Errorf("%s: the header %s is %q and %q", path, name, there.header[name], v.header[name])
			}
		}
		v.says("This page is not for you")
	}
	v.must(404, "/hidden/").says("There is no such page")
	v.must(403, "/elsewhere/").says("This page is not for you")
	s.visitor().must(403, "/elsewhere/").says("Log in")
}

// Programs get what they always got, and the operator's handle_errors wins.
func TestRefusedProgram(t *testing.T) {
	s := pagesSite(t)
	ann := s.register("ann")
	a := s.must(403, "GET", "/app/ann/", nil, ann)
	if a.body != `{"detail":"Permission denied","reason":"not-subscribed"}` || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("got %s", a.body)
	}
	a = s.must(403, "GET", "/app/ann/", nil, ann, "Accept: text/html", "X-Requested-With: XMLHttpRequest")
	if !strings.HasPrefix(a.body, `{"detail"`) {
		t.Errorf("a script got %s", a.body)
	}
	a = s.must(403, "POST", "/app/ben/", nil, ann, "Accept: text/html")
	if !strings.Contains(a.body, "This page is not for you") {
		t.Errorf("a person's form got %s", a.body)
	}
}

func TestRefusedByOperator(t *testing.T) {
	s := pagesSite(t, func(s *site) {
		s.more = "tollgate_pages\n\thandle_errors {\n\t\trespond \"mine: {err.status_code} {http.tollgate.reason}\" {err.status_code}\n\t}"
	})
	ann := s.register("ann")
	if a := s.must(403, "GET", "/app/ann/", nil, ann, "Accept: text/html"); a.body != "mine: 403 not-subscribed" {
		t.Errorf("got %s", a.body)
	}
	s.upstream.Close()
	if a := s.must(502, "GET", "/public/", nil, "Accept: text/html"); !strings.HasPrefix(a.body, "mine: 502") {
		t.Errorf("got %s", a.body)
	}
}

// An application that is down, and errors of other handlers, are told in the look of the site, to people.
func TestFailedPage(t *testing.T) {
	s := pagesSite(t, func(s *site) {
		s.more = "tollgate_pages\n\terror /public/broken \"secret\" 500\n\terror /public/teapot 418"
	})
	s.upstream.Close()
	v := s.visitor()
	v.must(502, "/public/").says("There is no answer right now", "name this request")
	v.must(500, "/public/broken").says("Something broke on our side").silent("secret")
	v.must(418, "/public/teapot").says("This request cannot be understood")
	v.must(400, "/public/%2e%2e/app%2Fx").says("This request cannot be understood")
	if a := s.must(502, "GET", "/public/", nil); a.body != "" {
		t.Errorf("a program got %s", a.body)
	}
}
