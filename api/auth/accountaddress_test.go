package auth

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

// addresses are those that GET /api/users/{user} shows somebody, as "kind address state", and "proven" where it is.
func (s *site) addresses(t *testing.T, as, user string, headers ...string) string {
	t.Helper()
	w := s.Do(as, "GET /api/users/"+user, "", headers...)
	var out account
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	var all []string
	for _, a := range out.Addresses {
		one := a.Kind + " " + a.Address + " " + a.State
		if !a.VerifiedAt.IsZero() {
			one += " proven"
		}
		all = append(all, one)
	}
	if (out.EmailRequired == nil) != (len(all) == 0) {
		t.Errorf("%s sees of %s: %s", as, user, w.Body)
	}
	return strings.Join(all, ", ")
}

// A user sees which of its addresses are proven and what waits, is sent the code of one that is not, proves it, and takes a change
// back (decision 66).
func TestAccountAddresses(t *testing.T) {
	s := newSite(t)
	rae := "Authorization: Bearer " + s.token(t, "POST /api/auth/register",
		`{"username":"rae","password":"yoyo","email":"rae@example.com","full_name":"Rae"}`)
	step := func(body string, status int, want string) {
		t.Helper()
		if w := s.Do("", "PATCH /api/users/rae", body, rae); w.Code != status {
			t.Fatalf("%s: %d %s", body, w.Code, w.Body)
		}
		if got := s.addresses(t, "", "rae", rae); got != want {
			t.Errorf("after %s: %s, want %s", body, got, want)
		}
	}
	const first, proven = "email rae@example.com shown", "email rae@example.com shown proven"
	step(`{}`, 200, first)
	step(`{"check_email":true}`, 200, first)
	step(`{"check_email":true}`, 429, first)
	step(`{"email":"rae@example.com","email_code":"`+s.message(t, nil, "rae@example.com").code+`"}`, 200, proven)
	s.Clock.Advance(time.Minute)
	sent := one[int](t, s, `SELECT count(*) FROM outbox WHERE event = 'user_verification'`)
	step(`{"check_email":true}`, 200, proven)
	if n := one[int](t, s, `SELECT count(*) FROM outbox WHERE event = 'user_verification'`); n != sent {
		t.Error("a code was sent for an address that is proven")
	}

	// One that nobody has is shown at once, and counts once it is proven.
	const both = "email new@example.com shown, email rae@example.com replaced proven"
	step(`{"email":"new@example.com","check_email":true}`, 401, proven)
	step(`{"email":"new@example.com","check_email":true,"password":"yoyo"}`, 200, both)
	step(`{"email":"rae@example.com"}`, 200, proven)
	s.Clock.Advance(time.Minute)
	step(`{"email":"new@example.com","check_email":true,"password":"yoyo"}`, 200, both)
	step(`{"email":"new@example.com","email_code":"`+s.message(t, nil, "new@example.com").code+`"}`, 200, "email new@example.com shown proven")

	// One that somebody else has waits.
	const waiting = "email new@example.com shown proven, email nina@example.com pending"
	step(`{"email":"nina@example.com","check_email":true,"password":"yoyo"}`, 200, waiting)
	code := s.message(t, nil, "nina@example.com").code
	step(`{"take_back":"nonsense"}`, 400, waiting)
	step(`{"take_back":"phone"}`, 200, waiting)
	step(`{"take_back":"email"}`, 200, "email new@example.com shown proven")
	step(`{"email":"nina@example.com","email_code":"`+code+`","password":"yoyo"}`, 400, "email new@example.com shown proven")
	step(`{"email":"nina@example.com","password":"yoyo"}`, 429, "email new@example.com shown proven")
	s.Clock.Advance(time.Minute)
	step(`{"email":"nina@example.com","password":"yoyo"}`, 200, waiting)
	if again := s.message(t, nil, "nina@example.com").code; again == code {
		t.Error("the code that was taken back is sent again")
	}
}

// Addresses are for the user itself and the broker's staff: not for who reads the rest of the account.
func TestAccountAddressesOfOthers(t *testing.T) {
	s := newSite(t)
	const all = "email xia@example.com shown, phone +14155555556 shown"
	for as, want := range map[string]string{"xia": all, "alice": all, "cindy": all, "yan": ""} {
		if got := s.addresses(t, as, "xia"); got != want {
			t.Errorf("%s sees %q", as, got)
		}
	}
	s.Run(t, resttest.Case("without text messages", "xia", "PATCH /api/users/xia", `{"check_phone":true}`, 400,
		`{"check_phone":"This site does not send text messages."}`))
}

// A picture is removed, an SSH key read and removed.
func TestPictureAndSSHKeyGo(t *testing.T) {
	s := newSite(t)
	s.exec(t, `UPDATE contact SET picture = 'https://site.example/media/x.png' WHERE slug = 'xia'`)
	s.Run(t,
		resttest.Case("not by others", "yan", "DELETE /api/users/xia/picture", "", 403, `*`),
		resttest.Case("nobody's", "alice", "DELETE /api/users/nope/picture", "", 404, `*`),
		resttest.Case("there", "xia", "GET /api/users/xia", "", 200, `~"picture":"https://site.example/media/x.png"`),
		resttest.Case("removed", "xia", "DELETE /api/users/xia/picture", "", 204, ``),
		resttest.Case("gone", "xia", "GET /api/users/xia", "", 200, `~"picture":null`),
		resttest.Case("no key", "xia", "GET /api/users/xia/ssh-keys", "", 200, `{"pubkey":""}`),
		resttest.Case("set", "xia", "PUT /api/users/xia/ssh-keys", `{"pubkey":"ssh-ed25519 AAAA xia","password":"yoyo"}`, 200, `*`),
		resttest.Case("read", "xia", "GET /api/users/xia/ssh-keys", "", 200, `{"pubkey":"ssh-ed25519 AAAA xia"}`),
		resttest.Case("not by others", "yan", "GET /api/users/xia/ssh-keys", "", 403, `*`),
		resttest.Case("not without a proof", "xia", "DELETE /api/users/xia/ssh-keys", "", 401, `*`),
		resttest.Case("removed", "xia", "DELETE /api/users/xia/ssh-keys", `{"password":"yoyo"}`, 204, ``),
		resttest.Case("gone", "xia", "GET /api/users/xia/ssh-keys", "", 200, `{"pubkey":""}`),
	)
}

// What stands in the way of deleting an account is told before; the deletion itself is refused for the first of it.
func TestDeletionPreview(t *testing.T) {
	s := newSite(t)
	obstacles := func(as, user string) string {
		t.Helper()
		w := s.Do(as, "GET /api/users/"+user+"/deletion", "")
		var out deletion
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != 200 {
			return fmt.Sprint(w.Code)
		}
		var all []string
		for _, o := range out.Obstacles {
			all = append(all, o.Reason+" "+o.Profile.Slug)
		}
		return strings.Join(all, ", ")
	}
	s.exec(t, `INSERT INTO profile (slug, created_at, full_name, email) VALUES ('bcme', 0, 'B', 'b@example.com')`)
	s.exec(t, `INSERT INTO role (created_at, profile_id, user_id, role_description_id)
		SELECT 0, p.id, u.id, d.id FROM profile p, user u, role_description d
		WHERE p.slug = 'bcme' AND u.username = 'yan' AND d.slug = 'manager'`)
	for _, tc := range [][3]string{
		{"xia", "xia", ""}, {"yan", "yan", "last_manager acme, last_manager bcme"}, {"alice", "alice", "last_manager cowork"},
		{"alice", "yan", ""}, {"yan", "xia", "403"}, {"alice", "nope", "404"},
	} {
		if got := obstacles(tc[0], tc[1]); got != tc[2] {
			t.Errorf("%s about %s: %q, want %q", tc[0], tc[1], got, tc[2])
		}
	}
	s.Run(t, resttest.Case("refused", "yan", "DELETE /api/users/yan", "", 400, `{"detail":"The user is the last manager of profile acme."}`))
}
