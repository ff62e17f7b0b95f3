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
		c("the same domain", "alice", "GET /api/accounts/profiles?q=somebody@ACME.example", "", 200, one(shortOf("acme"))),
		c("only if e-mail is searched", "alice", "GET /api/accounts/profiles?q=somebody@acme.example&q_f=slug", "", 200, none),
		c("e-mail among others", "alice", "GET /api/accounts/profiles?q=somebody@acme.example&q_f=slug&q_f=email", "", 200, one(shortOf("acme"))),
		c("not at a public provider", "alice", "GET /api/accounts/profiles?q=somebody@gmail.com", "", 200, none),
		c("but the address itself", "alice", "GET /api/accounts/profiles?q=sales@gmail.com", "", 200, one(shortOf("gym"))),
		c("a name for a slug", "alice", "GET /api/accounts/profiles/acme", "", 200, shortOf("acme")),
		c("of nothing", "alice", "GET /api/accounts/profiles/nope", "", 404, `{"detail":"No Organization matches the given query."}`),
		c("of an archived one", "alice", "GET /api/accounts/profiles/dormant", "", 404, `{"detail":"No Organization matches the given query."}`),

		c("users", "alice", "GET /api/accounts/users?q=carol", "", 200, one(user("carol", "Carol"))),
		c("by full name", "alice", "GET /api/accounts/users?q=Kim&q_f=full_name", "", 200, one(user("kim", "Kim"))),
		c("by address", "alice", "GET /api/accounts/users?q=gus@gus.example&q_f=email", "", 200, one(user("gus", "Gus"))),
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
