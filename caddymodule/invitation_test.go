package caddymodule

import (
	"net/url"
	"strings"
	"testing"
)

// pagesBelow moves the pages of a site below a prefix, "" for none.
func pagesBelow(prefix string) func(*site) {
	return func(s *site) {
		if prefix != "" {
			s.more = "tollgate_pages {\n\t\tprefix " + prefix + "\n\t}"
		}
	}
}

// invite has donny invite somebody to a role on cowork, and returns where the mail leads.
func (s *site) invite(body map[string]any, to string) string {
	s.t.Helper()
	s.must(201, "POST", "/api/profile/cowork/roles/contributor?force=1", body, s.login("donny"))
	link, err := url.Parse(mailedLink.FindString(s.mail(to, "/users/roles/accept/")))
	if err != nil {
		s.t.Fatal(err)
	}
	return link.Path
}

// Somebody without an account is invited: sees to what, makes an account with the address of the invitation, proves it, and accepts.
func TestInvitationOfStranger(t *testing.T) {
	for _, prefix := range []string{"", "/my"} {
		t.Run("prefix "+prefix, func(t *testing.T) {
			s := pagesSite(t, pagesBelow(prefix))
			at := s.invite(map[string]any{"email": "new@work.example", "full_name": "Nel New"}, "new@work.example")
			if !strings.HasPrefix(at, prefix+"/users/roles/accept/") {
				t.Fatalf("the mail leads to %s", at)
			}
			for range 2 { // scanners
				s.visitor().must(200, at)
				s.send("HEAD", at, "")
			}
			v := s.visitor()
			v.must(200, at).says("Cowork invites you", "Contributors see everything there, and change nothing.", "For new@work.example")
			if v.header.Get("Referrer-Policy") != "no-referrer" {
				t.Error("the address with the key is told")
			}
			v.must(200, v.link("Create an account")).says("Cowork invites you to become")
			v.fill("register", "full_name", "Nel New", "email", "other@work.example", "password", "yoyo", "username", "nel").press(303)
			v.follow().says("on its way to new@work.example")
			v.fill("code", "code", s.code("new@work.example")).press(303)
			if v.location() != at {
				t.Fatalf("goes on to %s", v.location())
			}
			v.follow().says("For nel")
			v.fill("accept").press(303)
			if v.location() != prefix+"/app/" {
				t.Errorf("goes on to %s", v.location())
			}
			s.must(200, "GET", "/api/profile/cowork", nil, s.login("nel"))
			v.must(200, at).says("This invitation is over")
		})
	}
}

// An invitation is answered by whom it is for: others are told so, and nobody needs an account to decline.
func TestInvitationAnswers(t *testing.T) {
	s := pagesSite(t)
	s.register("joe1")
	s.confirm("joe1")
	at := s.invite(map[string]any{"slug": "joe1"}, "joe1@example.com")
	x := s.knownVisitor("xia")
	x.must(200, at).says("this invitation is for joe1")
	if x.has("accept") || x.has("decline") {
		t.Error("somebody else may answer")
	}
	v := s.visitor()
	v.must(200, at).says("To accept, log in as joe1.")
	v.must(200, v.link("Log in")) // of the header; the one below knows the name
	v.must(200, at)
	v.fill("decline").press(303)
	v.follow().says("You have declined the invitation.")
	v.must(200, at).says("This invitation is over")

	s.invite(map[string]any{"slug": "joe1"}, "joe1@example.com")
	j := s.knownVisitor("joe1")
	j.must(200, "/users/roles/accept/?next=%2Faccount%2F").says("Cowork invites you to become Contributor")
	accept := j.fill("accept")
	accept.press(303)
	if j.location() != "/account/" {
		t.Errorf("goes on to %s", j.location())
	}
	j.must(200, "/users/roles/accept/").says("No invitation is waiting for your answer.")
	s.must(200, "GET", "/api/profile/cowork", nil, s.login("joe1"))

	told := s.invite(map[string]any{"email": "told@example.com"}, "told@example.com")
	x.must(200, told).says("For told@example.com")
	x.fill("accept").press(400)
	if !strings.Contains(x.text("main"), "This invitation was sent to another address than yours. Add ") {
		t.Errorf("without a proof: %s", x.text("main"))
	}

	// Nobody learns by a link who has an address, but for who has it.
	s.register("kim")
	s.confirm("kim")
	told = s.invite(map[string]any{"email": "kim@example.com"}, "kim@example.com")
	s.visitor().must(200, told).says("For kim@example.com")
	x.must(200, told).says("For kim@example.com")
	x.fill("accept").press(400)
	if !strings.Contains(x.text("main"), "This invitation was sent to another address than yours. Add ") {
		t.Errorf("of somebody else: %s", x.text("main"))
	}
	k := s.knownVisitor("kim")
	k.must(200, told).says("For kim")
	k.fill("accept").press(303)
	n := s.visitor()
	n.must(303, "/users/roles/accept/")
	if n.location() != "/login/?next=/users/roles/accept/" {
		t.Errorf("nobody is led to %s", n.location())
	}
}
