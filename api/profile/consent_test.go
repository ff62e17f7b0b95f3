package profile

import (
	"net/http/httptest"
	"testing"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

// Whoever has an organization describes a role that asks nobody, and gives it to everybody: nobody is on it, read or shut out by
// that (decision 68).
func TestNobodyIsPutOnAProfile(t *testing.T) {
	w := newWorld(t)
	c := resttest.Case
	const denied = `{"detail":"Permission denied"}`
	const roles = "/api/profile/gym/roles"
	manager := "gus"
	if got := w.roleOf(manager, "gym"); got != "manager" {
		t.Fatalf("gus has %q on gym", got)
	}
	var key string
	keep := func(t *testing.T, r *httptest.ResponseRecorder) { key, _ = answer(t, r)["grant_key"].(string) }
	w.Run(t,
		c("a trap", manager, "POST "+roles+"/describe", `{"title":"Trap","skip_optin_on_grant":true,"otp_required":true}`, 201, "*"),
		c("is an invitation", manager, "POST "+roles+"/trap", `{"slug":"bob"}`, 201, `~"grant_key":"`).Then(keep),
		c("listing changes nothing", "bob", "GET /api/users/bob/accessibles", "", 200, `~"invited_count":1`),
		c("nor does it open anything", manager, "GET /api/users/bob/accessibles", "", 403, denied),
		c("bob still runs the site", "bob", "GET /api/profile/xia/roles", "", 200, "*"),
	)
	w.Run(t,
		c("accepted", "bob", "PUT /api/users/bob/accessibles/accept/"+key, "", 200, `~"slug":"trap"`),
		c("bob runs the site all the same", "bob", "GET /api/profile/xia/roles", "", 200, "*"),
		c("taken away", manager, "DELETE "+roles+"/trap/bob", "", 204, ""),
		c("given again, to who agreed before", manager, "POST "+roles+"/trap", `{"slug":"bob"}`, 201, `~"grant_key":null`),
		c("bob leaves, without a one-time password", "bob", "DELETE /api/users/bob/accessibles/trap/gym", "", 204, ""),
		c("given again, it waits", manager, "POST "+roles+"/trap", `{"slug":"bob"}`, 201, `~"grant_key":"`),
		c("and goes on waiting", "bob", "GET /api/users/bob/accessibles", "", 200, `~"invited_count":1`),
		c("a refusal needs no key", "bob", "DELETE /api/users/bob/accessibles/trap/gym", "", 204, ""),
	)
}

// A description of the broker's that asks nobody puts people on a profile, once: who left is asked.
func TestBrokersDescriptionAsksNobody(t *testing.T) {
	w := newWorld(t)
	c := resttest.Case
	w.exec(`UPDATE role_description SET skip_optin_on_grant = 1 WHERE slug = 'contributor'`)
	w.Run(t,
		c("at once", "donny", "POST /api/profile/cowork/roles/contributor", `{"slug":"alice"}`, 201, `~"grant_key":null`),
		c("taken away", "donny", "DELETE /api/profile/cowork/roles/contributor/alice", "", 204, ""),
		c("at once again", "donny", "POST /api/profile/cowork/roles/contributor", `{"slug":"alice"}`, 201, `~"grant_key":null`),
		c("she leaves", "alice", "DELETE /api/users/alice/accessibles/contributor/cowork", "", 204, ""),
		c("and is asked", "donny", "POST /api/profile/cowork/roles/contributor", `{"slug":"alice"}`, 201, `~"grant_key":"`),
		c("whatever the description says", "alice", "GET /api/users/alice/accessibles", "", 200, `~"invited_count":1`),
	)
}

// The last manager hands over first, but nobody is held as manager who was never asked.
func TestUnaskedManagerLeaves(t *testing.T) {
	w := newWorld(t)
	c := resttest.Case
	w.exec(`UPDATE role_description SET skip_optin_on_grant = 1 WHERE slug = 'manager'`)
	w.Run(t,
		c("made manager", "gus", "POST /api/profile/gym/roles/manager", `{"slug":"alice"}`, 201, `~"grant_key":null`),
		c("left alone", "gus", "DELETE /api/users/gus/accessibles/manager/gym", "", 204, ""),
		c("she goes too", "alice", "DELETE /api/users/alice/accessibles/manager/gym", "", 204, ""),
		c("who agreed stays until there is another", "yan", "DELETE /api/users/yan/accessibles/manager/acme", "", 400, `{"detail":"A profile must keep at least one manager."}`),
	)
}

// Neither unsigned terms nor a missing password keep anybody on a profile.
func TestLeavingNeedsNothing(t *testing.T) {
	w := newWorld(t)
	w.exec(`INSERT INTO agreement (slug, title, updated_at) VALUES ('terms-of-use', 'Terms', 1)`)
	w.exec(`UPDATE user SET password = '!' WHERE username = 'carol'`)
	w.Run(t,
		resttest.Case("what is strict", "carol", "GET /api/users/carol/accessibles", "", 403, "*"),
		resttest.Case("leaving", "carol", "DELETE /api/users/carol/accessibles/contributor/cowork", "", 204, ""),
	)
}

// The broker says which domain is whose; nobody else does.
func TestConfirmedDomain(t *testing.T) {
	w := newWorld(t)
	c := resttest.Case
	domain := func() string { return get[string](w, `SELECT confirmed_domain FROM profile WHERE slug = 'cowork'`) }
	w.Run(t, c("its own manager", "donny", "PATCH /api/profile/cowork", `{"confirmed_domain":"victim.example"}`, 200, "*"))
	if got := domain(); got != "" {
		t.Errorf("a profile confirmed itself: %q", got)
	}
	w.Run(t,
		c("no domain", "bob", "PATCH /api/profile/cowork", `{"confirmed_domain":"a b"}`, 400, `{"confirmed_domain":["Enter a valid domain name."]}`),
		c("an address", "bob", "PATCH /api/profile/cowork", `{"confirmed_domain":"a@b.example"}`, 400, `{"confirmed_domain":["Enter a valid domain name."]}`),
		c("everybody's", "bob", "PATCH /api/profile/cowork", `{"confirmed_domain":"Gmail.com"}`, 400, `{"confirmed_domain":["Everybody can have an address at this domain."]}`),
		c("the broker", "bob", "PATCH /api/profile/cowork", `{"confirmed_domain":"Cowork.Example"}`, 200, `~"confirmed_domain":"cowork.example"`),
		c("another change leaves it", "donny", "PUT /api/profile/cowork", `{"full_name":"Cowork"}`, 200, `~"confirmed_domain":"cowork.example"`),
		c("taken back", "bob", "PATCH /api/profile/cowork", `{"confirmed_domain":""}`, 200, "*"),
	)
	if got := domain(); got != "" {
		t.Errorf("it is still %q", got)
	}
}

// Who was put on a profile without being asked has agreed to nothing there: any other role waits for an answer (decision 68). Who agreed to one
// is promoted without another question.
func TestUnaskedMemberIsAskedForMore(t *testing.T) {
	w := newWorld(t)
	c := resttest.Case
	w.exec(`UPDATE role_description SET skip_optin_on_grant = 1 WHERE slug = 'contributor'`)
	const roles = "/api/profile/gym/roles"
	var key string
	w.Run(t,
		c("at once", "gus", "POST "+roles+"/contributor", `{"slug":"alice"}`, 201, `~"grant_key":null`),
		c("the same once more", "gus", "POST "+roles+"/contributor", `{"slug":"alice"}`, 200, `~"grant_key":null`),
		c("a duty of the profile's own", "gus", "POST "+roles+"/describe", `{"title":"Duty","skip_optin_on_grant":true}`, 201, "*"),
		c("is an invitation", "gus", "POST "+roles+"/duty", `{"slug":"alice"}`, 200, `~"grant_key":"`),
		c("at once again", "gus", "POST "+roles+"/contributor", `{"slug":"alice"}`, 200, `~"grant_key":null`),
		c("so is that to manage", "gus", "POST "+roles+"/manager", `{"slug":"alice"}`, 200, `~"grant_key":"`).
			Then(func(t *testing.T, r *httptest.ResponseRecorder) { key, _ = answer(t, r)["grant_key"].(string) }),
		c("it opens nothing", "alice", "GET "+roles, "", 403, "*"),
	)
	w.Run(t,
		c("accepted", "alice", "PUT /api/users/alice/accessibles/accept/"+key, "", 200, "*"),
		c("another role needs no answer", "gus", "POST "+roles+"/duty", `{"slug":"alice"}`, 200, `~"grant_key":null`),
	)
}
