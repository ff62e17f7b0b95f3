package profile

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

func TestAccounts(t *testing.T) {
	w := newWorld(t)
	w.batch(func() {
		for i := range 6 {
			w.profile(fmt.Sprintf("many%d", i))
		}
		w.profile("dormant")
		w.exec(`UPDATE profile SET is_active = 0 WHERE slug = 'dormant'`)
		w.profile("mute")
		w.exec(`UPDATE profile SET email = '' WHERE slug = 'mute'`)
		w.exec(`UPDATE user SET is_active = 0 WHERE username = 'ray'`)
		w.exec(`UPDATE profile SET email = 'sales@gmail.com' WHERE slug = 'gym'`)
		w.exec(`UPDATE user SET last_login = 5 WHERE username = 'alice'`)
	})
	c := resttest.Case
	none := `{"count":0,"results":[]}`
	one := func(items ...string) string {
		return fmt.Sprintf(`{"count":%d,"results":[%s]}`, len(items), strings.Join(items, ","))
	}
	bare := func(user, name string) string {
		return `{"slug":"` + user + `","printable_name":"` + name + `","picture":null,"type":"user","credentials":true,"created_at":"2025-01-05T09:12:44Z"}`
	}
	user := func(user, name string) string {
		return `{"slug":"` + user + `","username":"` + user + `","printable_name":"` + name + `","picture":null}`
	}
	personal := `{"slug":"xia","printable_name":"The xia","picture":null,"type":"personal","credentials":true,"created_at":"2025-01-05T09:12:44Z"}`
	w.Run(t,
		c("a profile", "alice", "GET /api/accounts/profiles?q=acme", "", 200, one(shortOf("acme"))),
		c("two terms", "alice", "GET /api/accounts/profiles?q=acme,ghost", "", 200, one(shortOf("acme"), shortOf("ghost"))),
		c("too many say nothing", "alice", "GET /api/accounts/profiles?q=many", "", 200, none),
		c("unless as many terms", "alice", "GET /api/accounts/profiles?q=many0,many1,many2,many3,many4,many5&o=-full_name", "", 200, `~{"count":6,"results":[{"slug":"many5"`),
		c("all", "alice", "GET /api/accounts/profiles", "", 200, none),
		c("pages are ignored", "alice", "GET /api/accounts/profiles?q=acme&page=9&page_size=1", "", 200, one(shortOf("acme"))),
		c("not an archived one", "alice", "GET /api/accounts/profiles?q=dormant", "", 200, none),
		c("nor one without an address", "alice", "GET /api/accounts/profiles?q=mute", "", 200, none),
		c("nor the processor", "alice", "GET /api/accounts/profiles?q=stripe", "", 200, none),
		c("personal", "alice", "GET /api/accounts/profiles?q=xia", "", 200, one(personal)),
		c("a field", "alice", "GET /api/accounts/profiles?q=acme&q_f==slug", "", 200, one(shortOf("acme"))),
		c("a secret field", "alice", "GET /api/accounts/profiles?q=cus_1&q_f=processor_card_key", "", 200, none),
		c("the same domain", "ben", "GET /api/accounts/profiles?q=somebody@ACME.example", "", 200, one(shortOf("acme"))),
		c("only if e-mail is searched", "ben", "GET /api/accounts/profiles?q=somebody@acme.example&q_f=slug", "", 200, none),
		c("e-mail among others", "ben", "GET /api/accounts/profiles?q=somebody@acme.example&q_f=slug&q_f=email", "", 200, one(shortOf("acme"))),
		c("not at a public provider", "ben", "GET /api/accounts/profiles?q=somebody@gmail.com", "", 200, none),
		c("but the address itself", "ben", "GET /api/accounts/profiles?q=sales@gmail.com", "", 200, one(shortOf("gym"))),
		c("a name for a slug", "alice", "GET /api/accounts/profiles/acme", "", 200, shortOf("acme")),
		c("of nothing", "alice", "GET /api/accounts/profiles/nope", "", 404, `{"detail":"No Organization matches the given query."}`),
		c("of an archived one", "alice", "GET /api/accounts/profiles/dormant", "", 404, `{"detail":"No Organization matches the given query."}`),

		c("users", "alice", "GET /api/accounts/users?q=carol", "", 200, one(user("carol", "Carol"))),
		c("by full name", "alice", "GET /api/accounts/users?q=Kim&q_f=full_name", "", 200, one(user("kim", "Kim"))),
		c("by address", "ben", "GET /api/accounts/users?q=gus@gus.example&q_f=email", "", 200, one(user("gus", "Gus"))),
		c("not one who is gone", "alice", "GET /api/accounts/users?q=ray", "", 200, none),
		c("not the hash of a password", "alice", "GET /api/accounts/users?q=argon&q_f=password", "", 200, none),
		c("too many", "alice", "GET /api/accounts/users?q=lee", "", 200, none),
		c("order", "alice", "GET /api/accounts/users?q=carol,gus&o=-first_name", "", 200, one(user("gus", "Gus"), user("carol", "Carol"))),
		c("registered later", "alice", "GET /api/accounts/users?q=carol&start_at=2025-02-01", "", 200, none),

		c("both: a user without a profile", "xia", "GET /api/accounts?q=alice", "", 200, one(bare("alice", "Alice"))),
		c("both: a user with one", "alice", "GET /api/accounts?q=xia", "", 200, one(personal)),
		c("both: by name", "alice", "GET /api/accounts?q=alice,acme", "", 200, one(bare("alice", "Alice"), shortOf("acme"))),
		c("both: backwards", "alice", "GET /api/accounts?q=alice,acme&o=-full_name", "", 200, one(shortOf("acme"), bare("alice", "Alice"))),
		c("both: by date", "alice", "GET /api/accounts?q=broker,carol&o=-created_at", "", 200, `~{"count":2,"results":[{"slug":"broker"`),
		c("both: a limit for each half", "alice", "GET /api/accounts?q=many,alice", "", 200, one(bare("alice", "Alice"))),
		c("CSV", "alice", "GET /api/accounts/users?q=carol&format=csv", "", 200, "slug,username,printable_name,picture\r\ncarol,carol,Carol,\r\n"),
	)
}

// Whoever is logged in finds others by what they are called: not by a part of an address, a phone or a street, which would tell by trying
// where somebody lives and what the address is (decision 78). The broker's staff reads the accounts anyway.
func TestAccountsAreFoundByNames(t *testing.T) {
	w := newWorld(t)
	w.exec(`UPDATE profile SET phone = '+14155550123', street_address = '12 Pier Rd', locality = 'Oakland', region = 'CA', postal_code = '94607',
		country = 'US', email = 'q7@z9.example' WHERE slug = 'xia'`)
	w.exec(`UPDATE user SET email = 'k3@z8.example' WHERE username = 'alice'`)
	const none = `{"count":0,"results":[]}`
	for _, list := range []struct {
		path  string
		terms []string
	}{
		{"/api/accounts/profiles", []string{"q7@z9.example", "q7", "z9.", "0123", "Pier", "Oakland", "94607", "x@z9.example"}},
		{"/api/accounts/users", []string{"k3@z8.example", "k3", "z8."}},
		{"/api/accounts", []string{"q7@z9.example", "q7", "0123", "Pier", "k3@z8.example", "z8."}},
	} {
		for _, term := range list.terms {
			for _, more := range []string{"", "&q_f=email&q_f=phone&q_f=street_address&q_f=locality&q_f=postal_code", "&q_f==email", "&q_f=^email"} {
				for as, finds := range map[string]bool{"ben": true, "kim": false, "donny": false} {
					got := w.Do(as, "GET "+list.path+"?q="+term+more, "").Body.String()
					if finds && more == "" && got == none || !finds && got != none {
						t.Errorf("%s?q=%s%s as %s: %s", list.path, term, more, as, got)
					}
				}
			}
		}
	}
	sorted := func(as, by string) string {
		return w.Do(as, "GET /api/accounts/users?q=alice,carol&o="+by, "").Body.String()
	}
	if sorted("kim", "email") != sorted("kim", "-email") || sorted("ben", "email") == sorted("ben", "-email") {
		t.Errorf("users are sorted by addresses, or not for the staff: %s %s", sorted("kim", "email"), sorted("ben", "email"))
	}
	w.Run(t,
		resttest.Case("a name is found", "kim", "GET /api/accounts/profiles?q=The%20xia", "", 200, `~{"count":1,"results":[{"slug":"xia"`),
		resttest.Case("and a user name", "kim", "GET /api/accounts/users?q=alice", "", 200, `~{"count":1,"results":[{"slug":"alice"`),
		resttest.Case("of both", "kim", "GET /api/accounts?q=xia,alice", "", 200, `~{"count":2,"results":[`),
	)
}
