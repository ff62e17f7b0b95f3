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

// Who was put on a profile by the broker's description, and taken off it again, has agreed to nothing: a description of the
// profile's own that asks nobody asks them.
func TestUnaskedRoleIsNoAgreement(t *testing.T) {
	w := newWorld(t)
	c := resttest.Case
	w.exec(`UPDATE role_description SET skip_optin_on_grant = 1 WHERE slug = 'contributor'`)
	w.Run(t,
		c("a trap", "gus", "POST /api/profile/gym/roles/describe", `{"title":"Trap","skip_optin_on_grant":true}`, 201, "*"),
		c("put on it", "gus", "POST /api/profile/gym/roles/contributor", `{"slug":"bob"}`, 201, `~"grant_key":null`),
		c("taken off", "gus", "DELETE /api/profile/gym/roles/contributor/bob", "", 204, ""),
		c("the trap asks", "gus", "POST /api/profile/gym/roles/trap", `{"slug":"bob"}`, 201, `~"grant_key":"`),
	)
}

// Who agreed to a role on one profile has agreed to none on another.
func TestAgreementIsToOneProfile(t *testing.T) {
	w := newWorld(t)
	c := resttest.Case
	w.exec(`INSERT INTO role_answer (user_id, profile_id, accepted, answered_at) SELECT u.id, p.id, 1, 1 FROM user u, profile p
		WHERE u.username = 'bob' AND p.slug = 'acme'`)
	w.Run(t,
		c("a trap", "gus", "POST /api/profile/gym/roles/describe", `{"title":"Trap","skip_optin_on_grant":true}`, 201, "*"),
		c("it asks", "gus", "POST /api/profile/gym/roles/trap", `{"slug":"bob"}`, 201, `~"grant_key":"`),
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

// Who was put on a profile without being asked has agreed to nothing there: any other role waits for an answer (decision 68).
// Who agreed to one is promoted without another question.
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

func asksForCodes(w *world) {
	w.exec(`UPDATE role_description SET otp_required = 1 WHERE slug = 'contributor'`)
}

func archiveAcme(w *world) { w.exec(`UPDATE profile SET is_active = 0 WHERE slug = 'acme'`) }

// Whatever role a user has, and however it came to be, the user drops it: the gate of the API does not stand in the way (decision 68).
func TestAnyRoleIsDropped(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(w *world)
		user   string
		on     string
		asks   bool // whoever dropped it is asked at most, and does not hold the role, when it is granted again
	}{
		"granted":                 {func(*world) {}, "carol", "cowork", true},
		"pending":                 {func(*world) {}, "pia", "cowork", true},
		"requested":               {func(*world) {}, "ray", "cowork", true},
		"by the broker, unasked":  {func(w *world) { brokerSkips(w); grant(w, "gus", "gym", "alice") }, "alice", "gym", true},
		"that asks for codes":     {asksForCodes, "kim", "acme", true},
		"pending, asks for codes": {asksForCodes, "pia", "cowork", true},
		"implicit":                {func(w *world) { implicitly(w, "alice", "gym") }, "alice", "gym", true},
		"implicit, in force":      {func(w *world) { brokerSkips(w); implicitly(w, "alice", "gym") }, "alice", "gym", true},
		"on an archived profile":  {archiveAcme, "kim", "acme", false},
		"a request for no role in particular": {func(w *world) {
			w.exec(`UPDATE role SET role_description_id = NULL, request_key = ? WHERE user_id = (SELECT id FROM user WHERE username = 'kim')`,
				"e1a0000000000000000000000000000000000003")
		}, "kim", "acme", true},
		"the last manager of an archived profile": {archiveAcme, "yan", "acme", false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			tc.change(w)
			has := func(more string) int {
				return get[int](w, `SELECT count(*) FROM role WHERE user_id = (SELECT id FROM user WHERE username = '`+tc.user+`')
					AND profile_id = (SELECT id FROM profile WHERE slug = '`+tc.on+`')`+more)
			}
			if has("") != 1 {
				t.Fatal("there is nothing to drop")
			}
			w.Run(t, resttest.Case("dropped", tc.user, "DELETE /api/users/"+tc.user+"/accessibles/manager/"+tc.on, "", 204, ""))
			if has("") != 0 {
				t.Error("it is still there")
			}
			if !tc.asks {
				return
			}
			brokerSkips(w)
			w.Run(t, resttest.Case("again", "bob", "POST /api/profile/"+tc.on+"/roles/contributor", `{"slug":"`+tc.user+`"}`, 201, "*"))
			if has(" AND grant_key IS NULL") != 0 {
				t.Error("who dropped it was put on the profile again without being asked")
			}
		})
	}
}

// implicitly has a user put on a profile by the domain of its address.
func implicitly(w *world, user, on string) {
	w.exec(`UPDATE role_description SET implicit_create_on_none = 1 WHERE slug = 'contributor' AND profile_id IS NULL`)
	w.exec(`UPDATE contact SET email_verified_at = 1 WHERE user_id = (SELECT id FROM user WHERE username = '` + user + `')`)
	w.exec(`UPDATE profile SET confirmed_domain = '` + user + `.example' WHERE slug = '` + on + `'`)
	w.Do(user, "GET /api/users/"+user+"/accessibles", "")
}

// Who dropped a role that came by itself does not get it again by itself.
func TestDroppedImplicitRoleStaysDropped(t *testing.T) {
	for _, skips := range []bool{false, true} {
		w := newWorld(t)
		if skips {
			brokerSkips(w)
		}
		implicitly(w, "alice", "gym")
		w.Run(t,
			resttest.Case("dropped", "alice", "DELETE /api/users/alice/accessibles/contributor/gym", "", 204, ""),
			resttest.Case("read again", "alice", "GET /api/users/alice/accessibles", "", 200, "*"),
		)
		held := get[int](w, `SELECT count(*) FROM role r JOIN user u ON u.id = r.user_id
			WHERE u.username = 'alice' AND r.grant_key IS NULL`)
		if held != 0 {
			t.Errorf("skips %v: alice has the role again", skips)
		}
	}
}

// A type of role is not erased while somebody has it; who dropped one that was erased since is asked before having another there.
func TestErasedRoleWasDropped(t *testing.T) {
	w := newWorld(t)
	c := resttest.Case
	w.Run(t,
		c("describe", "gus", "POST /api/profile/gym/roles/describe", `{"title":"Duty"}`, 201, "*"),
		c("grant", "gus", "POST /api/profile/gym/roles/duty", `{"slug":"alice"}`, 201, "*"),
		c("ask", "alice", "POST /api/users/alice/accessibles/duty", `{"slug":"gym"}`, 200, `~"accept_grant_api_url":null`),
		c("erase", "gus", "DELETE /api/profile/gym/roles/describe/duty", "", 400, `{"detail":"The role 'duty' is in use."}`),
		c("drop", "alice", "DELETE /api/users/alice/accessibles/duty/gym", "", 204, ""),
		c("erase", "gus", "DELETE /api/profile/gym/roles/describe/duty", "", 204, ""),
		c("none", "alice", "GET /api/users/alice/accessibles", "", 200, `~"count":0`),
	)
	brokerSkips(w)
	w.Run(t, c("again", "gus", "POST /api/profile/gym/roles/contributor", `{"slug":"alice"}`, 201, `~"grant_key":"`))
}

// Who asked for a role is not given another one without agreeing to it; who asked for any role is given any.
func TestAnotherRoleThanAskedFor(t *testing.T) {
	w := newWorld(t)
	c := resttest.Case
	w.Run(t,
		c("ask", "alice", "POST /api/users/alice/accessibles/contributor", `{"slug":"cowork"}`, 201, "*"),
		c("another role", "donny", "POST /api/profile/cowork/roles/manager", `{"slug":"alice"}`, 200, `~"grant_key":"~"slug":"manager"`),
		c("is not in force", "alice", "GET /api/profile/cowork", "", 403, "*"),
		c("nor by a second grant", "donny", "POST /api/profile/cowork/roles/manager", `{"slug":"alice"}`, 200, `~"grant_key":"`),
		c("nor by one that is skipped later", "donny", "POST /api/profile/cowork/roles/contributor", `{"slug":"alice"}`, 200, `~"grant_key":"`),
		c("ask for any", "olga", "POST /api/users/olga/accessibles", `{"slug":"cowork"}`, 201, "*"),
		c("gets any", "donny", "POST /api/profile/cowork/roles/manager", `{"slug":"olga"}`, 200, `~"grant_key":null`),
		c("the role that ray asked for", "donny", "POST /api/profile/cowork/roles/contributor", `{"slug":"ray"}`, 200, `~"grant_key":null`),
	)
}

func brokerSkips(w *world) {
	w.exec(`UPDATE role_description SET skip_optin_on_grant = 1 WHERE profile_id IS NULL`)
}

func grant(w *world, by, profile, user string) {
	w.Do(by, "POST /api/profile/"+profile+"/roles/contributor", `{"slug":"`+user+`"}`)
}
