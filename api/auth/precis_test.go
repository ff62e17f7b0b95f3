package auth

import (
	"net/url"
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

// One password in several spellings: composed, decomposed, with another blank; and what is another one.
const (
	composed   = "  p\u00e4ss w\u00f6rd "
	decomposed = "  pa\u0308ss wo\u0308rd "
	otherBlank = "\u2003 pa\u0308ss\u00a0w\u00f6rd\u3000"
	trimmed    = "p\u00e4ss w\u00f6rd"
)

func (s *site) try(name, username, password string, status int) resttest.Step {
	want := incorrect
	if status == 201 {
		want = `~token`
	}
	return resttest.Case(name, "", "POST /api/auth", `{"username":"`+username+`","password":"`+password+`"}`, status, want)
}

// A password is the same from every keyboard, and is never trimmed (decision 90), at every door that sets or checks one.
func TestPasswordIsPrepared(t *testing.T) {
	for name, set := range map[string]func(t *testing.T, s *site){
		"register": func(t *testing.T, s *site) {
			s.exec(t, `UPDATE user SET username = 'xia0', email = 'xia0@example.com' WHERE username = 'xia'`)
			s.exec(t, `DELETE FROM contact WHERE slug = 'xia'`)
			s.exec(t, `DELETE FROM profile WHERE slug = 'xia'`)
			s.Run(t, register("new", `{"username":"xia","full_name":"Xia","email":"x@example.com","new_password":"`+decomposed+`"}`, 201, `~token`))
		},
		"register, by password": func(t *testing.T, s *site) {
			s.exec(t, `UPDATE user SET username = 'xia0', email = 'xia0@example.com' WHERE username = 'xia'`)
			s.exec(t, `DELETE FROM contact WHERE slug = 'xia'`)
			s.exec(t, `DELETE FROM profile WHERE slug = 'xia'`)
			body := `{"username":"xia","full_name":"Xia","email":"x@example.com","password":"` + composed + `"}`
			s.Run(t, register("new", body, 201, `~token`), register("once more", body, 201, `~token`))
		},
		"change": func(t *testing.T, s *site) {
			s.Run(t, resttest.Case("set", "xia", "PUT /api/users/xia/password", `{"password":"yoyo","new_password":"`+decomposed+`"}`, 200, "*"),
				resttest.Case("set again", "xia", "PUT /api/users/xia/password", `{"password":"`+otherBlank+`","new_password":"`+composed+`"}`, 200, "*"))
		},
		"recovery": func(t *testing.T, s *site) {
			s.Do("", "POST /api/auth/recover", `{"username":"xia"}`)
			s.Run(t, register("reset", `{"full_name":"Xia Lee","email":"xia@example.com","email_code":"`+s.code(t, "xia@example.com")+`","new_password":"`+decomposed+`"}`, 201, `~token`))
		},
		"log-in with a code": func(t *testing.T, s *site) {
			s.Do("", "POST /api/auth/recover", `{"username":"xia"}`)
			s.Run(t, resttest.Case("reset", "", "POST /api/auth", `{"username":"xia@example.com","email_code":"`+s.code(t, "xia@example.com")+`","new_password":"`+decomposed+`"}`, 201, `~token`))
		},
		"activation": func(t *testing.T, s *site) {
			s.exec(t, `UPDATE user SET password = '!' WHERE username = 'xia'`)
			s.Run(t, resttest.Case("invite", "alice", "POST /api/users/xia/activate", "", 200, "*"))
			s.Run(t, resttest.Case("activate", "", "POST /api/auth/"+s.key(t, "xia@example.com"), `{"new_password":"`+composed+`"}`, 201, `~token`))
		},
		"operator": func(t *testing.T, s *site) {
			if err := s.SetPassword(t.Context(), "xia", decomposed); err != nil {
				t.Fatal(err)
			}
		},
		"imported": func(t *testing.T, s *site) {
			s.exec(t, `UPDATE user SET password = ? WHERE username = 'xia'`, imported(t, decomposed, "seasalt"))
			s.Run(t, s.try("as it was typed there", "xia", decomposed, 201))
		},
		"imported, composed": func(t *testing.T, s *site) {
			s.exec(t, `UPDATE user SET password = ? WHERE username = 'xia'`, imported(t, composed, "seasalt"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			set(t, s)
			s.Run(t,
				s.try("composed", "xia", composed, 201), s.try("decomposed", "xia", decomposed, 201), s.try("other blanks", "xia", otherBlank, 201),
				s.try("trimmed", "xia", trimmed, 401), s.try("another case", "xia", strings.ToUpper(composed), 401),
				resttest.Case("a form", "", "POST /api/auth", "username=xia&password="+url.QueryEscape(decomposed), 201, `~token`).
					With("Content-Type: application/x-www-form-urlencoded"),
			)
			if got := one[string](t, s, `SELECT password FROM user WHERE username = 'xia'`); !strings.HasPrefix(got, "$argon2id$") {
				t.Errorf("it was not hashed anew: %s", got)
			}
		})
	}
}

// What a password cannot hold is refused when it is set, and only then: who has an older one gets in.
func TestPasswordCharacters(t *testing.T) {
	s := newSite(t)
	const refused = `{"new_password":["This field holds characters that a password cannot have."]}`
	for _, bad := range []string{`yo\tyo yo`, `yoyo\u200b`, `yoyo\u202e`, `yoyo\ue000\ufffe`, `yo\u0007yo`, `yoyo\u1100`} {
		s.Run(t,
			register(bad, `{"username":"zoe","full_name":"Zoe","email":"z@example.com","new_password":"`+bad+`"}`, 400, refused),
			resttest.Case(bad, "xia", "PUT /api/users/xia/password", `{"password":"yoyo","new_password":"`+bad+`"}`, 400, refused))
		if err := s.CheckPassword("yoyo\u200b"); err == nil {
			t.Error("the command takes it")
		}
	}
	const old = "yo\tyo\u200b"
	s.exec(t, `UPDATE user SET password = ? WHERE username = 'xia'`, imported(t, old, "seasalt"))
	s.Run(t, s.try("older", "xia", `yo\tyo\u200b`, 201), s.try("hashed anew", "xia", `yo\tyo\u200b`, 201), s.try("another", "xia", `yo yo`, 401))
	// Length is counted in code points, as the password is hashed.
	long := strings.Repeat("\U0001F600", maxPassword)
	s.Run(t,
		register("the longest", `{"username":"lou","full_name":"Lou","email":"l@example.com","new_password":"`+long+`"}`, 201, `~token`),
		s.try("gets in", "lou", long, 201),
		register("longer", `{"username":"zoe","full_name":"Zoe","email":"z@example.com","new_password":"`+long+`x"}`, 400, `~no more than 256`),
		resttest.Case("at log-in", "", "POST /api/auth", `{"username":"lou","password":"`+long+`x"}`, 400, `~no more than 256`),
		register("decomposed", `{"username":"dec","full_name":"Dec","email":"d@example.com","new_password":"`+strings.Repeat("a\u0308", maxPassword)+`"}`, 201, `~token`),
		register("too short when composed", `{"username":"zoe","full_name":"Zoe","email":"z@example.com","new_password":"`+strings.Repeat("a\u0308", 3)+`"}`, 400, `~at least 4`),
	)
}

// Who confirms with a password whose hash is out of date has it hashed anew, as who logs in.
func TestReauthenticationRehashes(t *testing.T) {
	s := newSite(t)
	s.exec(t, `UPDATE user SET password = ? WHERE username = 'xia'`, imported(t, decomposed, "seasalt"))
	s.Run(t, resttest.Case("a key", "xia", "POST /api/users/xia/api-keys", `{"password":"`+decomposed+`"}`, 201, "*"))
	if got := one[string](t, s, `SELECT password FROM user WHERE username = 'xia'`); !strings.HasPrefix(got, "$argon2id$") {
		t.Errorf("hash %s", got)
	}
}

// A right password costs one hash; a wrong one costs as much as that of nobody, whatever its spelling.
func TestPasswordCost(t *testing.T) {
	h := newHasher(testSettings().Hashing)
	hash, err := h.hash(t.Context(), composed)
	if err != nil {
		t.Fatal(err)
	}
	hashes, compare := 0, h.match
	h.match = func(text, encoded string) (ok, stale bool, err error) {
		hashes++
		return compare(text, encoded)
	}
	for name, c := range map[string]struct {
		password, encoded string
		ok                bool
		hashes            int
	}{
		"right":                  {composed, hash, true, 1},
		"right, decomposed":      {decomposed, hash, true, 1},
		"wrong":                  {"yoyo", hash, false, 1},
		"of nobody":              {"yoyo", unusable, false, 1},
		"refused characters":     {"yo\tyo", unusable, false, 1},
		"wrong, decomposed":      {decomposed + "x", hash, false, 2},
		"of nobody, decomposed":  {decomposed + "x", unusable, false, 2},
		"as typed, and imported": {decomposed, imported(t, decomposed, "seasalt"), true, 2},
	} {
		hashes = 0
		if ok, _, err := h.verify(t.Context(), c.password, c.encoded); err != nil || ok != c.ok || hashes != c.hashes {
			t.Errorf("%s: %t after %d hashes, want %t after %d; %v", name, ok, hashes, c.ok, c.hashes, err)
		}
	}
}

// A name shows as what it is; an address with a domain in Unicode is the one with that domain in ASCII; and no cache keeps what is
// about somebody.
func TestNamesAddressesAndCaches(t *testing.T) {
	s := newSite(t)
	const bad, idn, ascii = `{"full_name":["Enter a valid name."]}`, "joe@b\u00fccher.example", "joe@xn--bcher-kva.example"
	s.Run(t,
		register("a name that turns", `{"username":"zoe","full_name":"Zoe \u202eeoZ","email":"z@example.com","new_password":"yoyo"}`, 400, bad),
		resttest.Case("changed", "xia", "PATCH /api/users/xia", `{"full_name":"Xia \u2066x"}`, 400, bad),
		resttest.Case("nick name", "xia", "PATCH /api/users/xia", `{"nick_name":"Xia \u202e"}`, 400, `{"nick_name":["Enter a valid name."]}`),
		resttest.Case("a profile", "xia", "PATCH /api/profile/xia", `{"full_name":"Xia \u202e"}`, 400, `~turn the direction`),
		resttest.Case("a role", "alice", "POST /api/profile/cowork/roles/describe", `{"title":"Boss \u202e"}`, 400, `~turn the direction`),
		register("a domain in Unicode", `{"username":"joe","full_name":"Joe","email":"`+idn+`","new_password":"yoyo"}`, 201, `~token`),
		resttest.Case("is the one in ASCII", "joe", "GET /api/users/joe", "", 200, `~"email":"`+ascii+`"`),
		register("taken", `{"username":"jo2","full_name":"Joe","email":"`+ascii+`","new_password":"yoy2"}`, 400, `{"email":"This email is already taken."}`),
		resttest.Case("log-in by one", "", "POST /api/auth", `{"username":"`+idn+`","password":"yoyo"}`, 201, `~token`),
		resttest.Case("log-in by the other", "", "POST /api/auth", `{"username":"`+ascii+`","password":"yoyo"}`, 201, `~token`),
	)
	for _, c := range []struct{ as, request, cache string }{
		{"xia", "GET /api/users/xia", "no-store"}, {"xia", "GET /api/users/yan", "no-store"}, {"", "GET /api/users/xia", "no-store"},
		{"xia", "GET /api", "no-store"}, {"", "GET /api/auth/0123456789", "no-store"}, {"", "POST /api/auth", "no-store"},
	} {
		if got := s.Do(c.as, c.request, "").Header().Get("Cache-Control"); got != c.cache {
			t.Errorf("%s as %q: Cache-Control %q", c.request, c.as, got)
		}
	}
}
