package auth

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

// Phones are proven, taken away and recovered by as e-mail addresses are.
func TestFirstProofByPhone(t *testing.T) {
	const phone = "+14155550166"
	for _, tc := range []struct{ name, as, request, body, want string }{
		{"the code alone", "", "POST /api/auth", `{"username":"` + phone + `","phone_code":"CODE"}`, "201 mal mal, key gone, password gone"},
		{"the code and a new password", "", "POST /api/auth/register", `{"full_name":"Own Er","phone":"` + phone + `","phone_code":"CODE","new_password":"fresh"}`,
			"201 mal mal, key gone, password gone"},
		{"the code and the password", "", "POST /api/auth", `{"username":"` + phone + `","password":"yoyo","phone_code":"CODE"}`, "201 mal mal, key kept, password kept"},
		{"the code in the session", "mal", "PATCH /api/users/mal", `{"phone":"` + phone + `","phone_code":"CODE"}`, "200 nobody mal, key kept, password kept"},
		{"the code in the session of another user", "rae", "PATCH /api/users/rae", `{"phone":"` + phone + `","phone_code":"CODE"}`,
			"200 nobody rae, key kept, password kept"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			texts := &pocket{}
			s := newSite(t, func(o *Options) { o.Texts = texts })
			tokens := map[string]string{}
			for user, own := range map[string]string{"mal": `"phone":"` + phone + `"`, "rae": `"email":"rae@example.com"`} {
				tokens[user] = "Authorization: Bearer " + s.token(t, "POST /api/auth/register", `{"username":"`+user+`","password":"yoyo","full_name":"Some Body",`+own+`}`)
			}
			if w := s.Do("", "POST /api/users/mal/api-keys", `{"title":"one","password":"yoyo"}`, tokens["mal"]); w.Code != 201 {
				t.Fatalf("no key: %d %s", w.Code, w.Body)
			}
			s.Do("", "POST /api/auth/recover", `{"username":"`+phone+`"}`)
			headers := []string{}
			if tc.as != "" {
				headers = append(headers, tokens[tc.as])
			}
			w := s.Do("", tc.request, strings.Replace(tc.body, "CODE", texts.sent[phone], 1), headers...)
			key, password := "gone", "gone"
			if one[int](t, s, `SELECT count(*) FROM api_key`) > 0 {
				key = "kept"
			}
			if s.Do("", "POST /api/auth", `{"username":"mal","password":"yoyo"}`).Code == 201 {
				password = "kept"
			}
			holder := one[string](t, s, `SELECT u.username FROM contact c JOIN user u ON u.id = c.user_id WHERE c.phone = ? AND c.phone_verified_at IS NOT NULL`, phone)
			if got := fmt.Sprintf("%d %s %s, key %s, password %s", w.Code, letIn(t, w), holder, key, password); got != tc.want {
				t.Errorf("%s, want %s: %s", got, tc.want, w.Body)
			}
		})
	}
}

// The user as whom nobody can log in without an address hands over what it has to the one who proves the address: roles, invitations,
// and the cart. One with a password, or another address that is proven, keeps all but the address, and stays logged in.
func TestHandOver(t *testing.T) {
	for kind, address := range map[string]string{"email": "nina@example.com", "phone": "+14155550199"} {
		for _, way := range []string{"", "password", "another address"} {
			t.Run(kind+", other way: "+way, func(t *testing.T) {
				texts := &pocket{}
				s := newSite(t, func(o *Options) { o.Texts = texts })
				if kind == "phone" {
					s.exec(t, `UPDATE contact SET phone = ? WHERE slug = 'nina'`, address)
				}
				s.exec(t, `UPDATE user SET password = (SELECT password FROM user WHERE username = 'yan') WHERE username = 'nina'`)
				nina := s.login(t, "nina")
				if w := s.Do("", "POST /api/users/nina/api-keys", `{"title":"one","password":"yoyo"}`, nina); w.Code != 201 {
					t.Fatalf("%d %s", w.Code, w.Body)
				}
				s.exec(t, `INSERT INTO cart_item (created_at, user_id) SELECT 0, id FROM user WHERE username = 'nina'`)
				switch {
				case way == "":
					s.exec(t, `UPDATE user SET password = '!' WHERE username = 'nina'`)
				case way == "another address" && kind == "email":
					s.exec(t, `UPDATE user SET password = '!' WHERE username = 'nina'`)
					s.exec(t, `UPDATE contact SET phone = '+14155550188', phone_verified_at = 1 WHERE slug = 'nina'`)
				case way == "another address":
					s.exec(t, `UPDATE user SET password = '!' WHERE username = 'nina'`)
					s.exec(t, `UPDATE contact SET email_verified_at = 1 WHERE slug = 'nina'`)
				}
				s.exec(t, `INSERT INTO role (created_at, profile_id, user_id, role_description_id)
					SELECT 0, p.id, u.id, d.id FROM profile p, user u, role_description d WHERE p.slug = 'acme' AND u.username = 'nina' AND d.slug = 'manager'`)
				s.exec(t, `INSERT INTO role (created_at, profile_id, user_id, role_description_id, grant_key)
					SELECT 0, p.id, u.id, d.id, 'a123456789012345678901234567890123456789' FROM profile p, user u, role_description d
					WHERE p.slug = 'cowork' AND u.username = 'nina' AND d.slug = 'contributor'`)
				rae := "Authorization: Bearer " + s.token(t, "POST /api/auth/register", `{"username":"rae","password":"yoyo","email":"rae@example.com","full_name":"Rae"}`)
				s.exec(t, `INSERT INTO role (created_at, profile_id, user_id, role_description_id) SELECT 0, p.id, u.id, d.id
					FROM profile p, user u, role_description d
					WHERE p.slug = 'xia' AND (u.username = 'rae' AND d.slug = 'contributor' OR u.username = 'nina' AND d.slug = 'manager')`)
				s.exec(t, `UPDATE profile SET `+kind+` = ?, created_by_id = (SELECT id FROM user WHERE username = 'nina') WHERE slug = 'acme'`, address)
				s.Do("", "PATCH /api/users/rae", `{"`+kind+`":"`+address+`"}`, rae)
				code := s.message(t, texts, address).code
				if w := s.Do("", "PATCH /api/users/rae", `{"`+kind+`":"`+address+`","`+kind+`_code":"`+code+`"}`, rae); w.Code != 200 {
					t.Fatalf("%d %s", w.Code, w.Body)
				}
				if left := one[string](t, s, `SELECT `+kind+` FROM profile WHERE slug = 'acme'`); left != "" {
					t.Errorf("the profile that nina made still has %s", left)
				}
				has := func(user string) string {
					return one[string](t, s, `SELECT (SELECT group_concat(d.slug || ' of ' || p.slug, ', ' ORDER BY p.slug)
						FROM role r JOIN profile p ON p.id = r.profile_id
						JOIN role_description d ON d.id = r.role_description_id WHERE r.user_id = u.id) || ', cart ' || (SELECT count(*)
							FROM cart_item WHERE user_id = u.id) ||
						', keys ' || (SELECT count(*) FROM api_key WHERE user_id = u.id) FROM user u WHERE u.username = ?`, user)
				}
				want := "manager of acme, contributor of cowork, contributor of xia, cart 1, keys 0; manager of xia, cart 0, keys 0; 401"
				if way != "" { // the e-mail address of nina, which nobody has proven, is no way to log in
					want = "contributor of xia, cart 0, keys 0; manager of acme, contributor of cowork, manager of xia, cart 1, keys 1; 200"
				}
				if got := fmt.Sprintf("%s; %s; %d", has("rae"), has("nina"), s.Do("", "GET /api/auth/tokens", "", nina).Code); got != want {
					t.Errorf("%s, want %s", got, want)
				}
				if lost := one[string](t, s, `SELECT kind || ' ' || address FROM lost_address`); lost != kind+" "+address {
					t.Errorf("lost is %s", lost)
				}
			})
		}
	}
}

// An invitation of a placeholder to a profile where the winner has a role already waits on the address, until that role is dropped.
func TestHandOverBesideRole(t *testing.T) {
	s := newSite(t)
	const key = "a123456789012345678901234567890123456789"
	s.exec(t, `INSERT INTO role (created_at, profile_id, user_id, role_description_id, grant_key)
		SELECT 0, p.id, u.id, d.id, '`+key+`' FROM profile p, user u, role_description d WHERE p.slug = 'acme' AND u.username = 'nina' AND d.slug = 'manager'`)
	xia := s.login(t, "xia") // contributes to acme
	s.Do("", "PATCH /api/users/xia", `{"email":"nina@example.com"}`, xia)
	code := s.message(t, nil, "nina@example.com").code
	if w := s.Do("", "PATCH /api/users/xia", `{"email":"nina@example.com","email_code":"`+code+`"}`, xia); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	accept := func() int { return s.Do("", "PUT /api/users/xia/accessibles/accept/"+key, "", xia).Code }
	if got := accept(); got != 400 {
		t.Errorf("beside the role: %d", got)
	}
	s.Do("", "DELETE /api/users/xia/accessibles/contributor/acme", "", xia)
	if got := accept(); got != 200 {
		t.Errorf("after it was dropped: %d", got)
	}
}

// A change that waits ends with its code: by time, by wrong codes, and by the next one. Nobody keeps a code from those who have an
// address by asking for it.
func TestPendingEnds(t *testing.T) {
	const wanted = "yan@example.com"
	s := newSite(t)
	rae := "Authorization: Bearer " + s.token(t, "POST /api/auth/register", `{"username":"rae","password":"yoyo","email":"rae@example.com","full_name":"Rae"}`)
	ask := func() int { return s.Do("", "PATCH /api/users/rae", `{"email":"`+wanted+`"}`, rae).Code }
	bring := func(code string) int {
		return s.Do("", "PATCH /api/users/rae", `{"email":"`+wanted+`","email_code":"`+code+`"}`, rae).Code
	}
	if got := ask(); got != 200 {
		t.Fatalf("%d", got)
	}
	code := s.message(t, nil, wanted).code
	if got := ask(); got != 429 {
		t.Errorf("again at once: %d", got)
	}
	s.Clock.Advance(time.Hour)
	if got := bring(code); got != 400 {
		t.Errorf("after an hour: %d", got)
	}
	for range 5 {
		s.Clock.Advance(time.Minute)
		ask()
	}
	again := s.message(t, nil, wanted).code
	if again == code {
		t.Error("a code that is over was sent again")
	}
	s.Clock.Advance(time.Minute)
	if got := ask(); got != 429 {
		t.Errorf("six in an hour: %d", got)
	}
	s.Run(t, recovery("who has the address gets a code all the same", wanted, 200, `*`))
	yans := s.code(t, wanted)
	for range 4 {
		ask()
	}
	s.Run(t, resttest.Case("which is another one", "", "POST /api/auth", `{"username":"`+wanted+`","email_code":"`+again+`"}`, 400, `*`),
		resttest.Case("and is good", "", "POST /api/auth", `{"username":"`+wanted+`","email_code":"`+yans+`"}`, 201, `~token`))
	for range 5 {
		bring("000000")
	}
	if got := bring(again); got != 400 {
		t.Errorf("after five wrong ones: %d", got)
	}
	s.Clock.Advance(2 * time.Hour)
	if err := s.Janitor(t.Context()); err != nil || one[int](t, s, `SELECT count(*) FROM pending_address`) != 0 {
		t.Errorf("changes are left that nobody answered: %v", err)
	}
}

// One-time passwords that were on before addresses were proven stay on: recovery by an address that is not proven asks for them, and
// nothing ends when they are brought (decisions 66 and 67).
func TestRecoveryAsksForOneTimePasswordsOfBefore(t *testing.T) {
	s := newSite(t)
	s.exec(t, `UPDATE contact SET email_verified_at = 1 WHERE slug = 'yan'`)
	out := s.enrol(t, "yan")
	s.exec(t, `UPDATE contact SET email_verified_at = NULL WHERE slug = 'yan'`) // as an upgrade leaves it
	const read = `{"password":"yoyo","otp_enabled":true,"email_verification_enabled":false,"phone_verification_enabled":false}`
	if w := s.Do("yan", "PUT /api/users/yan/otp", read); w.Code != 200 {
		t.Errorf("its user reads it: %d %s", w.Code, w.Body)
	}
	s.Do("", "POST /api/auth/recover", `{"username":"yan@example.com"}`)
	code := s.code(t, "yan@example.com")
	for _, request := range []struct{ line, body string }{
		{"POST /api/auth", `{"username":"yan@example.com","email_code":"` + code + `"`},
		{"POST /api/auth/register", `{"full_name":"Yan Ko","email":"yan@example.com","new_password":"fresh","email_code":"` + code + `"`},
		{"POST /api/auth/" + s.key(t, "yan@example.com"), `{"new_password":"fresh"`},
	} {
		if w := s.Do("", request.line, request.body+`}`); w.Code != 401 {
			t.Errorf("%s without one: %d %s", request.line, w.Code, w.Body)
		}
	}
	s.Clock.Advance(time.Minute)
	w := s.Do("", "POST /api/auth", `{"username":"yan@example.com","email_code":"`+code+`","otp_code":"`+s.totpAt(t, out.PrivKey, 0)+`"}`)
	if w.Code != 201 || letIn(t, w) != "yan" {
		t.Fatalf("with one: %d %s", w.Code, w.Body)
	}
	if !one[bool](t, s, `SELECT EXISTS (SELECT 1 FROM otp) AND EXISTS (SELECT 1 FROM contact WHERE slug = 'yan' AND email_verified_at IS NOT NULL)`) {
		t.Error("the one-time passwords are gone, or the address is not proven")
	}
	if s.Do("", "POST /api/auth", `{"username":"yan","password":"yoyo","otp_code":"`+s.totpAt(t, out.PrivKey, 1)+`"}`).Code != 201 {
		t.Error("the password is gone")
	}
}

// A change that waits when the address alone opens an account ends with all else that was there: whoever asked for it may have been
// somebody else.
func TestPlantedChangeEnds(t *testing.T) {
	s := newSite(t)
	mal := "Authorization: Bearer " + s.token(t, "POST /api/auth/register", `{"username":"mal","password":"yoyo","email":"owner@example.com","full_name":"Mal"}`)
	s.Do("", "PATCH /api/users/mal", `{"email":"yan@example.com"}`, mal)
	code := s.message(t, nil, "yan@example.com").code
	s.Do("", "POST /api/auth/recover", `{"username":"owner@example.com"}`)
	owner := "Authorization: Bearer " + s.token(t, "POST /api/auth", `{"username":"owner@example.com","email_code":"`+s.code(t, "owner@example.com")+`"}`)
	if w := s.Do("", "PATCH /api/users/mal", `{"full_name":"Own Er"}`, owner); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if n := one[int](t, s, `SELECT count(*) FROM pending_address`); n != 0 || !sixDigits.MatchString(code) {
		t.Errorf("%d changes wait, with the code %q", n, code)
	}
}

// Whom the one who set an account up let in does not stay on its personal profile, nor do invitations and agreements of that time, when the
// address alone opens it (decision 67). With the account's own session everything stays.
func TestPlantedManagerEnds(t *testing.T) {
	for _, owns := range []bool{false, true} {
		s := newSite(t)
		mal := "Authorization: Bearer " + s.token(t, "POST /api/auth/register",
			`{"username":"mal","password":"yoyo","email":"owner@example.com","full_name":"Mal","type":"personal"}`)
		s.exec(t, `INSERT INTO role (created_at, profile_id, user_id, role_description_id) SELECT 1, p.id, u.id, d.id
			FROM profile p, user u, role_description d
			WHERE p.slug = 'mal' AND u.username = 'yan' AND d.slug = 'manager' AND d.profile_id IS NULL`)
		s.exec(t, `INSERT INTO grant_consent (profile_id, provider_id, accepted_at) SELECT p.id, b.id, 1
			FROM profile p, profile b WHERE p.slug = 'mal' AND b.slug = 'cowork'`)
		s.exec(t, `INSERT INTO invitation (created_at, profile_id, role_description_id, email, grant_key)
			SELECT 1, p.id, d.id, 'friend@example.com', 'k'
			FROM profile p, role_description d WHERE p.slug = 'mal' AND d.slug = 'manager' AND d.profile_id IS NULL`)
		s.Do("", "POST /api/auth/recover", `{"username":"owner@example.com"}`)
		code := s.code(t, "owner@example.com")
		if owns {
			if w := s.Do("", "PATCH /api/users/mal", `{"email":"owner@example.com","email_code":"`+code+`"}`, mal); w.Code != 200 {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
		} else {
			s.token(t, "POST /api/auth", `{"username":"owner@example.com","email_code":"`+code+`"}`)
		}
		want := "0 managers, 0 agreements, 0 invitations"
		if owns {
			want = "1 managers, 1 agreements, 1 invitations"
		}
		others := one[string](t, s, `SELECT (SELECT count(*) FROM role r JOIN profile p ON p.id = r.profile_id JOIN user u ON u.id = r.user_id
			WHERE p.slug = 'mal' AND u.username <> 'mal') || ' managers, ' || (SELECT count(*) FROM grant_consent) || ' agreements, ' ||
			(SELECT count(*) FROM invitation) || ' invitations'`)
		if others != want {
			t.Errorf("owns %v: %s, want %s", owns, others, want)
		}
		if n := one[int](t, s, `SELECT count(*) FROM role r JOIN profile p ON p.id = r.profile_id JOIN user u ON u.id = r.user_id
			WHERE p.slug = 'mal' AND u.username = 'mal'`); n != 1 {
			t.Errorf("owns %v: its own role is %d", owns, n)
		}
	}
}

// What every log-in has to prove is the owner's to say: whoever set the account up said it for somebody else (decision 67).
func TestPlantedDemandEnds(t *testing.T) {
	s := newSite(t)
	mal := "Authorization: Bearer " + s.token(t, "POST /api/auth/register",
		`{"username":"mal","password":"yoyo","email":"owner@example.com","full_name":"Mal"}`)
	if w := s.Do("", "PUT /api/users/mal/otp",
		`{"password":"yoyo","otp_enabled":false,"email_verification_enabled":true,"phone_verification_enabled":false}`,
		mal); w.Code != 204 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	s.Do("", "POST /api/auth/recover", `{"username":"owner@example.com"}`)
	code := s.code(t, "owner@example.com")
	s.token(t, "POST /api/auth/register",
		`{"email":"owner@example.com","email_code":"`+code+`","new_password":"mine1","full_name":"Own Er"}`)
	s.token(t, "POST /api/auth", `{"username":"mal","password":"mine1"}`)
}

// Who asks for a code by name gets it at an address that is proven, although another one is shown: by mail and by text.
func TestCodesGoToProvenAddresses(t *testing.T) {
	for kind, address := range map[string][2]string{
		"email": {"rae@example.com", "else@example.com"}, "phone": {"+14155550166", "+14155550177"},
	} {
		t.Run(kind, func(t *testing.T) {
			texts := &pocket{}
			s := newSite(t, func(o *Options) { o.Texts = texts })
			proven, shown := address[0], address[1]
			rae := "Authorization: Bearer " + s.token(t, "POST /api/auth/register",
				`{"username":"rae","password":"yoyo","full_name":"Rae","`+kind+`":"`+proven+`"}`)
			s.Do("", "POST /api/auth/recover", `{"username":"`+proven+`"}`)
			for _, body := range []string{`"` + kind + `":"` + proven + `","` + kind + `_code":"` + s.message(t, texts, proven).code + `"`,
				`"` + kind + `":"` + shown + `","password":"yoyo"`} {
				if w := s.Do("", "PATCH /api/users/rae", "{"+body+"}", rae); w.Code != 200 {
					t.Fatalf("%s: %d %s", body, w.Code, w.Body)
				}
			}
			for _, ask := range []string{`POST /api/auth/recover {"username":"rae"}`,
				`POST /api/auth {"username":"rae","password":"yoyo","check_` + kind + `":true}`} {
				s.Clock.Advance(time.Hour)
				before := s.message(t, texts, proven).code
				s.exec(t, `UPDATE contact SET `+kind+`_code = NULL`)
				request, body, _ := strings.Cut(ask, " {")
				s.Do("", request, "{"+body)
				if now := s.message(t, texts, proven).code; now == before || now == "" || s.message(t, texts, shown).code != "" {
					t.Errorf("%s: the proven address was sent %q after %q, the other one %q", ask, now, before, s.message(t, texts, shown).code)
				}
			}
		})
	}
}

// What was sent to an address does not prove the one that takes its place: neither code nor link.
func TestChangeEndsCodesOfBefore(t *testing.T) {
	for _, links := range []bool{false, true} {
		for kind, address := range map[string][2]string{
			"email": {"rae@example.com", "else@example.com"}, "phone": {"+14155550166", "+14155550177"},
		} {
			if links && kind == "phone" {
				continue // a text holds a code
			}
			t.Run(fmt.Sprintf("%s, links %t", kind, links), func(t *testing.T) {
				texts := &pocket{}
				s := newSite(t, func(o *Options) { o.Texts, o.Settings.UseVerificationLinks = texts, links })
				rae := "Authorization: Bearer " + s.token(t, "POST /api/auth/register",
					`{"username":"rae","password":"yoyo","full_name":"Rae","`+kind+`":"`+address[0]+`"}`)
				s.Do("", "POST /api/auth/recover", `{"username":"`+address[0]+`"}`)
				sent := s.message(t, texts, address[0])
				if w := s.Do("", "PATCH /api/users/rae", `{"`+kind+`":"`+address[1]+`"}`, rae); w.Code != 200 {
					t.Fatalf("%d %s", w.Code, w.Body)
				}
				request, body := "PATCH /api/users/rae", `{"`+kind+`":"`+address[1]+`","`+kind+`_code":"`+sent.code+`"}`
				if links {
					request, body = "POST /api/auth/"+sent.key, `{"new_password":"fresh"}`
				}
				if w := s.Do("", request, body, rae); w.Code != 400 {
					t.Errorf("%d %s", w.Code, w.Body)
				}
				if n := one[int](t, s, `SELECT count(*) FROM contact WHERE `+kind+`_verified_at IS NOT NULL`); n != 0 {
					t.Errorf("%d addresses are proven", n)
				}
			})
		}
	}
}

// An address of the address book that somebody proved once is unproven when a user takes it: that was somebody else, perhaps.
func TestAddressOfTheBookIsUnproven(t *testing.T) {
	for kind, address := range map[string]string{"email": "book@example.com", "phone": "+14155550166"} {
		for _, request := range []string{"PATCH /api/users/xia", "POST /api/auth/register"} {
			t.Run(kind+", "+request, func(t *testing.T) {
				s := newSite(t)
				s.Do("alice", "POST /api/contacts", `{"full_name":"Some Body","`+kind+`":"`+address+`"}`)
				s.exec(t, `UPDATE contact SET `+kind+`_verified_at = 1 WHERE `+kind+` = ?`, address)
				user, body := "xia", `{"`+kind+`":"`+address+`"}`
				if strings.HasPrefix(request, "POST") {
					user, body = "", `{"username":"rae","password":"yoyo","full_name":"Rae","`+kind+`":"`+address+`"}`
				}
				if w := s.Do(user, request, body); w.Code != 200 && w.Code != 201 {
					t.Fatalf("%d %s", w.Code, w.Body)
				}
				if got := one[string](t, s,
					`SELECT u.username || ' ' || (`+kind+`_verified_at IS NOT NULL) FROM contact c JOIN user u ON u.id = c.user_id
					WHERE c.`+kind+` = ?`, address); !strings.HasSuffix(got, " 0") {
					t.Errorf("%s: the address passes for proven", got)
				}
			})
		}
	}
}

// What was there before the first proof ends, whoever is logged in where the address alone opens the account, but for the account
// itself; it stays where something was proven before (decision 67).
func TestFirstProofEndsWhatWasThere(t *testing.T) {
	const address, ended, kept = "owner@example.com", "key 0, SSH 0, agreements 0, password 401, session 401",
		"key 1, SSH 1, agreements 1, password 201, session 200"
	for _, tc := range []struct{ name, as, proven, want string }{
		{"without a session", "", "", ended},
		{"with another's session", "rae", "", ended},
		{"with its own session", "mal", "", kept},
		{"proven before", "", address, kept},
		{"another address proven before", "", "more@example.com", kept},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSite(t)
			tokens := map[string]string{}
			for user, email := range map[string]string{"mal": address, "rae": "rae@example.com"} {
				tokens[user] = "Authorization: Bearer " + s.token(t, "POST /api/auth/register",
					`{"username":"`+user+`","password":"yoyo","email":"`+email+`","full_name":"Some Body"}`)
			}
			s.exec(t, `UPDATE contact SET email_verified_at = 1 WHERE email = ?`, tc.proven)
			if tc.proven == "more@example.com" {
				s.exec(t, `INSERT INTO contact (slug, created_at, email, user_id, email_verified_at)
					SELECT 'more', 1, 'more@example.com', id, 1 FROM user
					WHERE username = 'mal'`)
			}
			for request, body := range map[string]string{
				"POST /api/users/mal/api-keys": `{"title":"one","password":"yoyo"}`,
				"PUT /api/users/mal/ssh-keys":  `{"pubkey":"ssh-ed25519 AAAA","password":"yoyo"}`,
			} {
				if w := s.Do("", request, body, tokens["mal"]); w.Code > 201 {
					t.Fatalf("%s: %d %s", request, w.Code, w.Body)
				}
			}
			s.exec(t, `INSERT INTO role_answer (user_id, profile_id, accepted, answered_at) SELECT u.id, p.id, 1, 1 FROM user u, profile p
				WHERE u.username = 'mal' AND p.slug = 'acme'`)
			proven := first(tc.proven, address)
			s.Do("", "POST /api/auth/recover", `{"username":"`+proven+`"}`)
			headers := []string{}
			if tc.as != "" {
				headers = append(headers, tokens[tc.as])
			}
			if w := s.Do("", "POST /api/auth", `{"username":"`+proven+`","email_code":"`+s.code(t, proven)+`"}`, headers...); letIn(t, w) != "mal" {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			if got := fmt.Sprintf("key %d, SSH %d, agreements %d, password %d, session %d", one[int](t, s, `SELECT count(*) FROM api_key`),
				one[int](t, s, `SELECT count(ssh_key) FROM user`), one[int](t, s, `SELECT count(*) FROM role_answer`),
				s.Do("", "POST /api/auth", `{"username":"mal","password":"yoyo"}`).Code,
				s.Do("", "GET /api/auth/tokens", "", tokens["mal"]).Code); got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
			if n := one[int](t, s, `SELECT count(*) FROM audit WHERE action = 'first proof' AND subject = 'mal'`); (n == 1) != (tc.want == ended) {
				t.Errorf("%d rows of the audit", n)
			}
		})
	}
}

// The code of a change is good once, and not after five wrong ones.
func TestCodeOfAChange(t *testing.T) {
	for _, wrong := range []int{4, 5} {
		s := newSite(t)
		rae := "Authorization: Bearer " + s.token(t, "POST /api/auth/register",
			`{"username":"rae","password":"yoyo","email":"rae@example.com","full_name":"Rae"}`)
		bring := func(code string) int {
			return s.Do("", "PATCH /api/users/rae", `{"email":"yan@example.com","email_code":"`+code+`"}`, rae).Code
		}
		s.Do("", "PATCH /api/users/rae", `{"email":"yan@example.com"}`, rae)
		code := s.message(t, nil, "yan@example.com").code
		for range wrong {
			bring("000000")
		}
		got := fmt.Sprint(bring(code), bring(code))
		if want := map[int]string{4: "200 400", 5: "400 400"}[wrong]; got != want {
			t.Errorf("after %d wrong ones: %s, want %s", wrong, got, want)
		}
	}
}

// Whoever sits at somebody's open session adds no address to an account with a proven one: that needs a secret of the user.
func TestAddingAnAddressNeedsASecret(t *testing.T) {
	s := newSite(t, func(o *Options) { o.Texts = &pocket{} })
	s.exec(t, `UPDATE contact SET email_verified_at = 1 WHERE slug = 'yan'`)
	for _, body := range []string{`{"phone":"+14155550166"}`, `{"email":"else@example.com"}`,
		`{"phone":"+14155550166","email":"yan@example.com"}`} {
		if w := s.Do("yan", "PATCH /api/users/yan", body); w.Code != 401 {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
		if w := s.Do("yan", "PATCH /api/users/yan", strings.Replace(body, "}", `,"password":"yoyo"}`, 1)); w.Code != 200 {
			t.Errorf("%s with the password: %d %s", body, w.Code, w.Body)
		}
		s.exec(t, `UPDATE contact SET phone = NULL WHERE slug = 'yan'`)
	}
}

// Until the address that took its place is proven, mails about the security of an account go to the proven one as well.
func TestSecurityIsToldToTheProvenAddress(t *testing.T) {
	s := newSite(t, func(o *Options) {
		var err error
		o.Notices, err = notice.New(notice.Options{Directory: o.Directory, Store: o.Store, Now: time.Now,
			Logger: zap.NewNop(), BaseURL: resttest.Base,
			From: "site@cowork.example.com", Mailer: new(notice.MemoryMailer), Logins: true})
		if err != nil {
			t.Fatal(err)
		}
	})
	s.exec(t, `UPDATE contact SET email_verified_at = 1 WHERE slug = 'yan'`)
	if w := s.Do("yan", "PATCH /api/users/yan", `{"email":"else@example.com","password":"yoyo"}`); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for _, door := range []struct{ event, password string }{{"user_login_failed", "wrong"}, {"user_logged_in", "yoyo"}} {
		s.Do("", "POST /api/auth", `{"username":"yan","password":"`+door.password+`"}`)
		to := one[string](t, s, `SELECT coalesce((SELECT recipients ->> 'to' FROM outbox WHERE event = ? AND sink = 'mail'
			ORDER BY id DESC LIMIT 1), '')`, door.event)
		if to != `["else@example.com","yan@example.com"]` {
			t.Errorf("of %s are told %s", door.event, to)
		}
	}
}

// The message with a code names the account that the code opens, and says what bringing it back does.
func TestMessagesSayWhatCodesDo(t *testing.T) {
	s := newSite(t)
	s.exec(t, `UPDATE contact SET email_verified_at = 1 WHERE slug = 'yan'`)
	s.Do("", "POST /api/auth/register", `{"full_name":"New Er","email":"new@example.com","new_password":"yoyo","check_email":true}`)
	s.Do("", "POST /api/auth/recover", `{"username":"xia@example.com"}`)
	s.Do("", "POST /api/auth/recover", `{"username":"yan@example.com"}`)
	s.Do("alice", "PATCH /api/users/alice", `{"email":"nina@example.com"}`)
	for address, want := range map[string]string{
		"new@example.com": " address", "xia@example.com": "xia first_proof", "yan@example.com": "yan login", "nina@example.com": "alice change",
	} {
		if m := s.message(t, nil, address); m.names+" "+m.purpose != want {
			t.Errorf("%s: %q says %q, want %q", address, m.names, m.purpose, want)
		}
	}
}
