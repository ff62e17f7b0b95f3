package auth

import (
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

// Names that look like others, and addresses that carry more than an address.
func TestLookAlikes(t *testing.T) {
	s := newSite(t)
	reg := func(username, email string) string {
		return `{"username":"` + username + `","full_name":"A B","email":"` + email + `","new_password":"yoyo"}`
	}
	for name, body := range map[string]string{
		"Cyrillic letters":    reg("хiа", "a@example.com"),
		"full-width letters":  reg("ｘｉａ", "a@example.com"),
		"dotless i":           reg("xıa", "a@example.com"),
		"zero-width space":    reg("xi\u200ba", "a@example.com"),
		"blank inside":        reg("xi a", "a@example.com"),
		"NUL":                 reg(`xia\u0000`, "a@example.com"),
		"path":                reg("../xia", "a@example.com"),
		"Kelvin sign":         reg("xia-\u212a", "a@example.com"),
		"Cyrillic address":    reg("new", "хia@example.com"),
		"full-width at":       reg("new", "xia＠example.com"),
		"full-width domain":   reg("new", "xia@ｅxample.com"),
		"line break":          reg("new", `a@example.com\nBcc: all@example.com`),
		"encoded line break":  reg("new", `a@example.com%0ABcc:all@example.com`),
		"two addresses":       reg("new", "a@example.com,b@example.com"),
		"display name":        reg("new", "A <a@example.com>"),
		"comment":             reg("new", "a(comment)@example.com"),
		"quoted":              reg("new", `\"a b\"@example.com`),
		"no domain":           reg("new", "a@localhost"),
		"address literal":     reg("new", "a@[127.0.0.1]"),
		"dots":                reg("new", "a..b@example.com"),
		"hyphen":              reg("new", "a@-example.com"),
		"long local part":     reg("new", strings.Repeat("a", 65)+"@example.com"),
		"long address":        reg("new", "a@"+strings.Repeat("a.", 130)+"com"),
		"reserved":            reg("Charges", "a@example.com"),
		"archived":            reg("_ARCHIVE_7", "a@example.com"),
		"51 characters":       reg(strings.Repeat("a", 51), "a@example.com"),
		"taken in capitals":   reg("XIA", "a@example.com"),
		"address in capitals": reg("new", "XIA@EXAMPLE.COM"),
	} {
		s.Run(t, register(name, body, 400, `*`))
	}
	for name, username := range map[string]string{
		"Cyrillic": "хiа", "full-width": "ｘｉａ", "SQL": "xia' OR '1'='1", "wildcard": "xi%", "Cyrillic address": "хia@example.com",
	} {
		s.Run(t, resttest.Case("log in: "+name, "", "POST /api/auth", `{"username":"`+username+`","password":"yoyo"}`, 400, `{"username":["Enter a valid username."]}`))
	}
	if n := one[int](t, s, `SELECT count(*) FROM user`); n != len(people) {
		t.Errorf("%d users, want %d", n, len(people))
	}
}

func TestBodies(t *testing.T) {
	s := newSite(t)
	for _, request := range []string{
		"POST /api/auth", "POST /api/auth/register", "POST /api/auth/recover", "POST /api/contact",
		"POST /api/auth/ffffffffffffffffffffffffffffffffffffffff",
	} {
		s.Run(t,
			resttest.Case("10 MB", "", request, `{"username":"`+strings.Repeat("x", 10<<20)+`"}`, 413, `*`),
			resttest.Case("deep", "", request, `{"username":`+strings.Repeat("[", 100000)+strings.Repeat("]", 100000)+`}`, 400, `*`),
			resttest.Case("many keys", "", request, `{`+strings.Repeat(`"a":1,`, 20000)+`"b":1}`, 400, `*`),
			resttest.Case("a list", "", request, `[1,2]`, 400, `{"detail":["Invalid data. Expected a dictionary, but got list."]}`),
			resttest.Case("text", "", request, `"xia"`, 400, `*`),
			resttest.Case("not JSON", "", request, `{not json`, 400, `~JSON parse error - `),
			resttest.Case("not UTF-8", "", request, "{\"username\":\"\xff\"}", 400, `*`),
			resttest.Case("plain text", "", request, `username=xia`, 415, `*`).With("Content-Type: text/plain"),
			resttest.Case("objects for texts", "", request, `{"username":{},"password":[],"full_name":{},"email":[],"new_password":{}}`, 400, `*`),
		)
	}
	long := strings.Repeat("x", 5000)
	s.Run(t,
		resttest.Case("long password", "", "POST /api/auth", `{"username":"xia","password":"`+long+`"}`, 400, `~{"password":["Ensure`),
		resttest.Case("long username", "", "POST /api/auth", `{"username":"`+long+`"}`, 400, `~{"username":["`),
		register("long password", `{"full_name":"A","email":"a@example.com","new_password":"`+long+`"}`, 400, `~{"new_password":["Ensure`),
		register("long code", `{"full_name":"A","email":"a@example.com","new_password":"yoyo","email_code":"`+strings.Repeat("1", 5000)+`"}`, 400, `~email_code`),
	)
}

// Passwords and codes appear in no row but their own, and not in the audit.
func TestNoSecretKept(t *testing.T) {
	s := newSite(t)
	s.Run(t, register("register", `{"username":"sec","full_name":"Sec Ret","email":"sec@example.com","new_password":"correct-horse"}`, 201, `~token`))
	token := s.token(t, "POST /api/auth?cookie=1", `{"username":"sec","password":"correct-horse"}`)
	s.Run(t, resttest.Case("key", "sec", "POST /api/users/sec/api-keys", `{"password":"correct-horse"}`, 201, `*`))
	for _, table := range []string{"user", "contact", "session", "api_key", "audit", "throttle", "idempotency_key", "outbox"} {
		for _, secret := range []string{"correct-horse", token[:40]} {
			if dump := dumpTable(t, s, table); strings.Contains(dump, secret) {
				t.Errorf("%s keeps a secret", table)
			}
		}
	}
}
