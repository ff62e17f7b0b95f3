package auth

import (
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

func TestReadAccount(t *testing.T) {
	s := newSite(t)
	const xia = `{"slug":"xia","username":"xia","printable_name":"Xia","picture":null,"email":"xia@example.com","phone":"+14155555556",` +
		`"full_name":"Xia Lee","nick_name":"Xia","lang":"en","credentials":true,"otp_enabled":false,"created_at":"2025-03-10T12:00:00Z","last_login":null}`
	for as, status := range map[string]int{
		"":      401,
		"xia":   200, // herself
		"alice": 200, // broker
		"cindy": 200, // contributor of the broker
		"yan":   200, // manager of a profile she has a role on
		"nina":  403,
	} {
		want := `~{"id":"~",` + strings.TrimSuffix(xia[1:], "}") + `,"addresses":[` // exactly: TestIDs
		switch {
		case status != 200:
			want = `*`
		case as == "yan":
			want = xia
		}
		s.Run(t, resttest.Case("as "+as, as, "GET /api/users/xia", "", status, want))
	}
	s.Run(t,
		resttest.Case("unknown, broker", "alice", "GET /api/users/ghost", "", 404, `{"detail":"No User matches the given query."}`),
		resttest.Case("unknown, others", "xia", "GET /api/users/ghost", "", 403, denied),
		resttest.Case("in capitals", "alice", "GET /api/users/XIA", "", 404, `*`),
		resttest.Case("disabled", "alice", "GET /api/users/rob", "", 200, `~"credentials":false`),
		resttest.Case("as a contact", "alice", "GET /api/contacts/xia", "", 200, `~{"id":"~",`+strings.TrimSuffix(xia[1:], "}")+`,"addresses":[`),
		resttest.Case("as a contact, herself", "xia", "GET /api/contacts/xia", "", 403, denied),
		resttest.Case("method", "xia", "POST /api/users/xia", `{}`, 405, `*`).Wants("Allow: GET, PUT, PATCH, DELETE, HEAD, OPTIONS"),
	)
}

func TestUpdateAccount(t *testing.T) {
	s := newSite(t)
	update := func(name, as, body string, status int, want string) resttest.Step {
		return resttest.Case(name, as, "PATCH /api/users/xia", body, status, want)
	}
	s.Run(t,
		update("anonymous", "", `{}`, 401, `*`),
		update("manager of a profile of hers", "yan", `{}`, 403, denied),
		update("contributor of the broker", "cindy", `{}`, 403, denied),
		update("nothing", "xia", `{}`, 200, `~"username":"xia"~"detail":"The account was updated."}`),
		resttest.Case("PUT needs a name", "xia", "PUT /api/users/xia", `{}`, 400, `{"full_name":["This field is required."]}`),
		resttest.Case("a bad body of nobody", "alice", "PUT /api/users/ghost", `{}`, 404, `*`),
		resttest.Case("PUT", "xia", "PUT /api/users/xia", `{"full_name":"El Xia Lee Wang"}`, 200, `~"full_name":"El Xia Lee Wang"`),
		update("names and language", "alice", `{"nick_name":"Xi","lang":"PT-br"}`, 200, `~"printable_name":"Xi"~"nick_name":"Xi","lang":"pt-br"`),
		update("username is read-only", "xia", `{"username":"other"}`, 200, `~"username":"xia"`),
		update("bad slug", "xia", `{"slug":"no.dots"}`, 400, `~{"slug":["Enter a valid`),
		update("slug taken", "xia", `{"slug":"YAN"}`, 400, `{"username":"This username is already taken."}`),
		update("slug of a profile", "xia", `{"slug":"acme"}`, 400, `{"username":"This username is already taken."}`),
		update("slug reserved", "xia", `{"slug":"_archive_1"}`, 400, `{"username":"This username is already taken."}`),
		update("bad language", "xia", `{"lang":"english"}`, 400, `{"lang":["Enter a valid language."]}`),
		update("bad phone", "xia", `{"phone":"12"}`, 400, `{"phone":["Enter a valid phone number."]}`),
		update("bad e-mail", "xia", `{"email":"x"}`, 400, `{"email":["Enter a valid email address."]}`),
		update("e-mail of another, pending", "xia", `{"email":"YAN@example.com"}`, 200, `~"email":"xia@example.com"~was sent to yan@example.com`),
		resttest.Case("phone of another", "yan", "PATCH /api/users/yan", `{"phone":"415-555-5556"}`, 400, `{"phone":"This phone is already taken."}`),
		update("wrong code", "xia", `{"email":"new@example.com","email_code":"000000"}`, 400, `{"detail":"This email_code is wrong or has expired."}`),
		update("control characters", "xia", `{"full_name":"Xia\nBcc: all@example.com"}`, 400, `{"full_name":["Enter a valid name."]}`),
		update("long name", "xia", `{"full_name":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}`, 400, `~{"full_name":["Ensure`),
		update("new e-mail, unproven", "xia", `{"email":"New@Example.com"}`, 200, `~"email":"new@example.com"`),
		resttest.Case("logs in by it", "", "POST /api/auth", `{"username":"new@example.com","password":"yoyo"}`, 201, `~token`),
		resttest.Case("not by the old one", "", "POST /api/auth", `{"username":"xia@example.com","password":"yoyo"}`, 401, nobody),
	)
	if got := one[string](t, s, `SELECT first_name || '/' || last_name FROM user WHERE username = 'xia'`); got != "El Xia/Lee Wang" {
		t.Errorf("names %q", got)
	}

	// With the code that was sent to it, it is verified.
	s.Do("", "POST /api/auth/recover", `{"username":"proven@example.com"}`)
	s.Run(t, update("new e-mail, proven", "xia", `{"email":"proven@example.com","email_code":"`+s.code(t, "proven@example.com")+`"}`, 200, `~"email":"proven@example.com"`))
	if !one[bool](t, s, `SELECT email_verified_at IS NOT NULL FROM contact c JOIN user u ON u.id = user_id AND username = 'xia' WHERE c.email = 'proven@example.com'`) {
		t.Error("the new address is not verified")
	}

	// Renaming takes the personal profile and the contact along.
	s.Run(t, update("rename", "xia", `{"slug":"xia-lee"}`, 200, `~"slug":"xia-lee","username":"xia-lee"`),
		resttest.Case("old name", "alice", "GET /api/users/xia", "", 404, `*`),
		resttest.Case("new name", "xia-lee", "GET /api/users/xia-lee", "", 200, `~xia-lee`))
	for query, want := range map[string]int{
		`SELECT count(*) FROM profile WHERE slug = 'xia-lee'`: 1,
		`SELECT count(*) FROM profile WHERE slug = 'xia'`:     0,
		`SELECT count(*) FROM contact WHERE slug = 'xia-lee'`: 1,
		`SELECT count(*) FROM contact WHERE slug = 'xia'`:     0,
	} {
		if n := one[int](t, s, query); n != want {
			t.Errorf("%s: %d, want %d", query, n, want)
		}
	}
}

// A key sent to the old address proves nothing about the new one.
func TestOldKeyDoesNotProveNewAddress(t *testing.T) {
	s := newSite(t)
	s.Do("", "POST /api/auth/recover", `{"username":"nina"}`)
	key, code := s.key(t, "nina@example.com"), s.code(t, "nina@example.com")
	s.Run(t, resttest.Case("move", "nina", "PATCH /api/users/nina", `{"email":"moved@example.com"}`, 200, `~moved@example.com`),
		resttest.Case("old link", "", "POST /api/auth/"+key, `{"new_password":"yoyo"}`, 400, `*`),
		resttest.Case("old code", "", "POST /api/auth", `{"username":"nina","email_code":"`+code+`"}`, 400, `*`))
}

func TestAdoptContact(t *testing.T) {
	s := newSite(t)
	s.Run(t,
		resttest.Case("entry", "alice", "POST /api/users", `{"full_name":"Xia At Work","email":"work@example.com"}`, 201, `*`),
		resttest.Case("adopt", "xia", "PATCH /api/users/xia", `{"email":"work@example.com"}`, 200, `~"email":"work@example.com"`),
	)
	if got := one[string](t, s, `SELECT username FROM user JOIN contact c ON c.user_id = user.id WHERE c.email = 'work@example.com'`); got != "xia" {
		t.Errorf("the entry is %q's", got)
	}
}

// The last address that a user has proven stays while it is the only way to log in: as long as there is no password.
func TestLastProvenAddressStays(t *testing.T) {
	s := newSite(t)
	c := resttest.Case
	more := func(slug string) {
		s.exec(t, `INSERT INTO contact (slug, created_at, email, user_id, email_verified_at)
			SELECT ?, 1, ? || '@example.com', id, 1 FROM user WHERE username = 'nina'`, slug, slug)
	}
	s.exec(t, `UPDATE contact SET email_verified_at = NULL WHERE slug = 'nina'`)
	more("work")
	const last = `{"detail":"This address is the only way to log in to the account."}`
	s.Run(t,
		c("without a proof of who asks", "alice", "DELETE /api/users/work", "", 401, "*"),
		c("the last one", "alice", "DELETE /api/users/work", `{"password":"yoyo"}`, 400, last),
		c("it is still there", "alice", "GET /api/users/work", "", 200, "*"),
	)
	more("home")
	s.Run(t,
		c("one of two", "alice", "DELETE /api/users/work", `{"password":"yoyo"}`, 204, ""),
		c("the other", "alice", "DELETE /api/users/home", `{"password":"yoyo"}`, 400, last),
	)
	s.exec(t, `UPDATE user SET password = (SELECT password FROM user WHERE username = 'xia') WHERE username = 'nina'`)
	s.Run(t, c("beside a password", "alice", "DELETE /api/users/home", `{"password":"yoyo"}`, 204, ""))
}

func TestUpdateContact(t *testing.T) {
	s := newSite(t)
	s.Run(t,
		resttest.Case("create", "alice", "POST /api/contacts", `{"full_name":"Con Tact","email":"con@example.com","phone":"+14155550142"}`, 201,
			`{"slug":"con","username":"con","printable_name":"Con","picture":null,"email":"con@example.com","phone":"+14155550142","full_name":"Con Tact",`+
				`"nick_name":"Con","lang":"en","credentials":false,"otp_enabled":false,"created_at":"2025-03-10T12:00:01Z","last_login":null}`).
			Wants("Location: https://app.example.com/api/users/con"),
		resttest.Case("update", "alice", "PATCH /api/contacts/con", `{"full_name":"Con Tacts","slug":"con2","lang":"fr"}`, 200,
			`~{"slug":"con2"~"full_name":"Con Tacts"~"lang":"fr"`),
		resttest.Case("taken", "alice", "PATCH /api/contacts/con2", `{"email":"xia@example.com"}`, 400, `{"email":"This email is already taken."}`),
		resttest.Case("delete", "alice", "DELETE /api/contacts/con2", "", 204, ""),
		resttest.Case("gone", "alice", "GET /api/contacts/con2", "", 404, `*`),
	)
}

// A further contact of a user is removed without the user.
func TestDeleteFurtherContact(t *testing.T) {
	s := newSite(t)
	s.Do("alice", "POST /api/users", `{"full_name":"Xia At Work","email":"work@example.com"}`)
	s.Do("xia", "PATCH /api/users/xia", `{"email":"work@example.com"}`)
	s.Run(t,
		resttest.Case("by another name", "alice", "GET /api/users/work", "", 200, `~"username":"xia"`),
		resttest.Case("not hers to name", "xia", "DELETE /api/users/work", "", 403, denied),
		resttest.Case("delete", "alice", "DELETE /api/users/work", "", 204, ""),
		resttest.Case("she stays", "", "POST /api/auth", `{"username":"xia","password":"yoyo"}`, 201, `~token`),
	)
}

func TestDeleteAccount(t *testing.T) {
	s := newSite(t)
	s.Run(t,
		resttest.Case("anonymous", "", "DELETE /api/users/xia", "", 401, `*`),
		resttest.Case("a manager of a profile of hers", "yan", "DELETE /api/users/xia", "", 403, denied),
		resttest.Case("the last manager of another profile", "yan", "DELETE /api/users/yan", "", 400, `~{"detail":"`),
		resttest.Case("unknown", "alice", "DELETE /api/users/ghost", "", 404, `*`),
		resttest.Case("key", "xia", "POST /api/users/xia/api-keys", `{"password":"yoyo"}`, 201, `*`),
		resttest.Case("herself", "xia", "DELETE /api/users/xia", "", 204, ""),
		resttest.Case("gone", "alice", "GET /api/users/xia", "", 200, `~"credentials":false`), // the contact stays
		resttest.Case("cannot log in", "", "POST /api/auth", `{"username":"xia","password":"yoyo"}`, 401, nobody),
		resttest.Case("nor by address", "", "POST /api/auth", `{"username":"xia@example.com","password":"yoyo"}`, 401, nobody),
		resttest.Case("the broker may", "alice", "DELETE /api/users/yan", "", 204, ""),
	)
	for query, want := range map[string]int{
		`SELECT count(*) FROM user WHERE username = '_archive_' || id AND email = '_archive_' || id || '@anonimized.local' AND NOT is_active
			AND password = '!' AND first_name = '' AND last_name = ''`: 2,
		`SELECT count(*) FROM profile WHERE slug = 'xia'`:                                      0,
		`SELECT count(*) FROM contact WHERE slug IN ('xia', 'yan') AND user_id IS NULL`:        2,
		`SELECT count(*) FROM api_key`:                                                         0,
		`SELECT count(*) FROM role WHERE user_id IN (SELECT id FROM user WHERE NOT is_active)`: 0,
	} {
		if n := one[int](t, s, query); n != want {
			t.Errorf("%s: %d, want %d", query, n, want)
		}
	}
	s.Run(t, register("the name is free again, for its user never logged in", `{"username":"xia","full_name":"Xia","email":"x@example.com","new_password":"yoyo","type":"personal"}`, 201, `~token`))
}
