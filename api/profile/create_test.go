package profile

import (
	"net/http/httptest"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/store"
)

func TestCreateConnected(t *testing.T) {
	w := newWorld(t)
	c := resttest.Case
	w.Run(t,
		c("with a slug", "xia", "POST /api/users/xia/profiles", `{"slug":"blue-harbor","full_name":"Blue Harbor Foods"}`, 201,
			`{"slug":"blue-harbor","printable_name":"Blue Harbor Foods","picture":null,"type":"organization","credentials":false,"created_at":"2025-03-10T12:00:00Z",`+
				`"full_name":"Blue Harbor Foods","email":"xia@xia.example","phone":"","street_address":"","locality":"","region":"","postal_code":"","country":"",`+
				`"default_timezone":"UTC","no_implicit_role":false,"is_provider":false,"is_bulk_buyer":false,"extra":null}`),
		c("she manages it", "xia", "GET /api/profile/blue-harbor/roles", "", 200, `~"count":1~"grant_key":null~"slug":"manager"`),
		c("everything", "xia", "POST /api/users/xia/profiles", `{"slug":"fullp","full_name":"Full P","email":"Fullp@example.com","phone":"415-555-0001","street_address":"1 A",`+
			`"locality":"Paris","region":"IDF","postal_code":"75001","country":"FRA","default_timezone":"Europe/Paris","extra":"{}"}`, 201,
			`~"full_name":"Full P","email":"Fullp@example.com","phone":"+14155550001","street_address":"1 A","locality":"Paris","region":"IDF","postal_code":"75001",`+
				`"country":"FR","default_timezone":"Europe/Paris","no_implicit_role":false,"is_provider":false,"is_bulk_buyer":false,"extra":{}}`),
		c("what the creator may not set", "xia", "POST /api/users/xia/profiles", `{"full_name":"P","is_provider":true,"is_bulk_buyer":true,"no_implicit_role":true,"picture":"https://x.example/p.png"}`, 201,
			`~"slug":"p","printable_name":"P","picture":null~"no_implicit_role":false,"is_provider":false,"is_bulk_buyer":false`),
		c("by the broker, with the user's address", "bob", "POST /api/users/yan/profiles", `{"full_name":"For Yan"}`, 201, `~"email":"yan@yan.example"`),
		c("the broker does not manage it", "bob", "GET /api/profile/for-yan/roles", "", 200, `~"count":1~"username":"yan"`),
		c("a slug that is taken", "xia", "POST /api/users/xia/profiles", `{"slug":"blue-harbor","full_name":"B"}`, 400, `{"slug":"This slug is already taken."}`),
		c("in any case", "xia", "POST /api/users/xia/profiles", `{"slug":"BLUE-harbor","full_name":"B"}`, 400, `{"slug":"This slug is already taken."}`),
		c("the name of a user", "xia", "POST /api/users/xia/profiles", `{"slug":"alice","full_name":"B"}`, 400, `{"slug":"This slug is already taken."}`),
		c("one's own name", "alice", "POST /api/users/alice/profiles", `{"slug":"alice","full_name":"B"}`, 400, `{"slug":"This slug is already taken."}`),
		c("a reserved word", "xia", "POST /api/users/xia/profiles", `{"slug":"churned","full_name":"B"}`, 400, `{"slug":"This slug is already taken."}`),
		c("no name", "xia", "POST /api/users/xia/profiles", `{}`, 400, `{"full_name":["This field is required."]}`),
		c("bad slug", "xia", "POST /api/users/xia/profiles", `{"slug":"a b","full_name":"A"}`, 400, `{"slug":["Enter a valid \"slug\" consisting of letters, numbers, underscores or hyphens."]}`),
		c("bad type", "xia", "POST /api/users/xia/profiles", `{"full_name":"A","type":"user"}`, 400, `{"type":["type must be one of 'personal' or 'organization'."]}`),
		c("unknown user", "bob", "POST /api/users/nope/profiles", `{"full_name":"A"}`, 404, `{"detail":"No User matches the given query."}`),
		c("unknown user and a bad body", "bob", "POST /api/users/nope/profiles", `{`, 404, `{"detail":"No User matches the given query."}`),
		c("personal, and there is one", "xia", "POST /api/users/xia/profiles", `{"full_name":"Xia","type":"personal"}`, 400, `{"slug":"This slug is already taken."}`),
		c("personal of another name", "alice", "POST /api/users/alice/profiles", `{"full_name":"A","slug":"zoe","type":"personal"}`, 400, `{"slug":["A personal profile must use the username as slug."]}`),
		c("personal", "alice", "POST /api/users/alice/profiles", `{"full_name":"Alice L","type":"personal"}`, 201, `~"slug":"alice"~"type":"personal","credentials":true`),
	)
	if got := get[string](w, `SELECT first_name || '|' || last_name FROM user WHERE username = 'alice'`); got != "Alice|L" {
		t.Errorf("the user is called %s", got)
	}
	if got := get[string](w, `SELECT u.username FROM profile p JOIN user u ON u.id = p.created_by_id WHERE p.slug = 'for-yan'`); got != "bob" {
		t.Errorf("for-yan was created by %q", got)
	}
	w.user("churned") // left by an import: a word of the API's paths
	w.Run(t, c("personal, of a reserved name", "churned", "POST /api/users/churned/profiles", `{"full_name":"C","type":"personal"}`, 400, `{"slug":"This slug is already taken."}`))
	w.exec(`UPDATE user SET email = NULL WHERE username = 'xia'`)
	w.Run(t, c("without any address", "xia", "POST /api/users/xia/profiles", `{"full_name":"A"}`, 400, `{"email":["This field is required."]}`))
	if diff := cmp.Diff([]string(nil), w.events()); diff != "" {
		t.Errorf("creation emits nothing: %s", diff)
	}
}

func TestDerivedSlug(t *testing.T) {
	w := newWorld(t)
	for _, tc := range []struct{ name, want string }{
		{"Other Project", `^other-project$`},
		{"Other Project", `^other-project-[a-f][a-f0-9]{6}$`},
		{"Alice", `^alice-[a-f][a-f0-9]{6}$`}, // the name of a user
		{"Joe's Café & Co.", `^joes-cafe-co$`},
		{"日本", `^[a-f][a-f0-9]{6}$`},
		{"Xxxxxxxxxx Xxxxxxxxxx Xxxxxxxxxx Xxxxxxxxxx Xxxxxxxxxx", `^xxxxxxxxxx-xxxxxxxxxx-xxxxxxxxxx-xxxxxxxxx$`},
		{"All", `^all-[a-f][a-f0-9]{6}$`}, // reserved
	} {
		r := w.Do("xia", "POST /api/users/xia/profiles", `{"full_name":"`+tc.name+`"}`)
		if got, _ := answer(t, r)["slug"].(string); !regexp.MustCompile(tc.want).MatchString(got) {
			t.Errorf("%s: slug %q, want %s", tc.name, got, tc.want)
		}
	}
	t.Run("until all tries are taken", func(t *testing.T) {
		suffixes := []string{"baaaaaa", "baaaaaa", "baaaaaa", "baaaaaa", "baaaaaa", "baaaaaa", "baaaaaa", "baaaaaa", "baaaaaa", "baaaaaa"}
		w.profile("same")
		w.profile("same-baaaaaa")
		defer directory.FixRandom(nil, "", suffixes...)()
		r := w.Do("xia", "POST /api/users/xia/profiles", `{"full_name":"Same"}`)
		if want := `{"detail":"Unable to create a unique URL slug from 'Same'"}`; r.Code != 400 || r.Body.String() != want {
			t.Errorf("%d %s, want %s", r.Code, r.Body, want)
		}
	})
}

func TestConvertFromPersonal(t *testing.T) {
	w := newWorld(t)
	c := resttest.Case
	w.Run(t,
		c("nothing to convert", "alice", "POST /api/users/alice/profiles?convert_from_personal=1", `{"full_name":"A"}`, 400, `{"detail":"Invalid request."}`),
		c("to a slug that is taken", "xia", "POST /api/users/xia/profiles?convert_from_personal=1", `{"full_name":"A","slug":"acme"}`, 400, `{"slug":"This slug is already taken."}`),
		c("to one's own name", "xia", "POST /api/users/xia/profiles?convert_from_personal=1", `{"full_name":"A","slug":"xia"}`, 400, `{"slug":"This slug is already taken."}`),
		c("converted", "xia", "POST /api/users/xia/profiles?convert_from_personal=1", `{"full_name":"Xia Inc","slug":"xia-inc"}`, 200, `{"detail":"Successfully converted personal profile to organization."}`),
		c("an organization that she manages", "xia", "GET /api/profile/xia-inc", "", 200, `~"printable_name":"Xia Inc"~"type":"organization","credentials":false~"slug":"basic"`),
		c("her account is as it was", "xia", "GET /api/users/xia/profiles", "", 200, `~"count":1`),
	)
	if got := get[string](w, `SELECT first_name || last_name || email FROM user WHERE username = 'xia'`); got != "XiaLeexia@xia.example" {
		t.Errorf("the account is %s", got)
	}
}

func TestCreateShadow(t *testing.T) {
	w := newWorld(t)
	c := resttest.Case
	w.Run(t,
		c("by anybody", "alice", "POST /api/accounts/profiles", `{"email":"lot17@example.com","full_name":"Lot Seventeen"}`, 201,
			`{"slug":"lot-seventeen","printable_name":"Lot Seventeen","picture":null,"type":"organization","credentials":false,"created_at":"2025-03-10T12:00:00Z",`+
				`"full_name":"Lot Seventeen","email":"lot17@example.com","phone":"","street_address":"","locality":"","region":"","postal_code":"","country":"",`+
				`"default_timezone":"UTC","no_implicit_role":false,"is_provider":false,"is_bulk_buyer":false,"extra":null}`),
		c("who cannot read it", "alice", "GET /api/profile/lot-seventeen", "", 403, `{"detail":"Permission denied"}`),
		c("the broker can", "bob", "GET /api/profile/lot-seventeen/roles", "", 200, `~"count":0`),
		c("no address", "alice", "POST /api/accounts/profiles", `{"full_name":"No Email"}`, 400, `{"email":["This field is required."]}`),
		c("nothing", "alice", "POST /api/accounts/profiles", `{}`, 400, `{"full_name":["This field is required."]}`),
		c("personal", "alice", "POST /api/accounts/profiles", `{"slug":"my-shadow","full_name":"My Shadow","email":"ms@example.com","type":"personal"}`, 201,
			`~"slug":"my-shadow"~"type":"personal","credentials":false`),
		c("personal, name derived", "alice", "POST /api/accounts/profiles", `{"full_name":"Second Shadow","email":"ms2@example.com","type":"personal"}`, 201, `~"slug":"second-shadow"~"type":"personal"`),
		c("personal, address of another user", "alice", "POST /api/accounts/profiles", `{"full_name":"Z","email":"yan@yan.example","type":"personal"}`, 400, `{"email":"This email is already taken."}`),
		c("personal, of another user", "alice", "POST /api/accounts/profiles", `{"slug":"yan","full_name":"Z","type":"personal"}`, 400, `{"slug":"This slug is already taken."}`),
		c("personal, of nobody and without an address", "alice", "POST /api/accounts/profiles", `{"slug":"nobody","full_name":"Z","type":"personal"}`, 400, `{"email":["This field is required."]}`),
		c("personal, one's own", "alice", "POST /api/accounts/profiles", `{"slug":"alice","full_name":"Alice Lee","type":"personal"}`, 201, `~"slug":"alice"~"type":"personal","credentials":true~"email":"alice@alice.example"`),
		c("personal, by the broker for a user", "bob", "POST /api/accounts/profiles", `{"slug":"yan","full_name":"Yan Lee","type":"personal"}`, 201, `~"slug":"yan"~"email":"yan@yan.example"`),
		c("a name in use", "alice", "POST /api/accounts/profiles", `{"slug":"acme","full_name":"Z","email":"z@z.example"}`, 400, `{"slug":"This slug is already taken."}`),
	)
	if got := get[string](w, `SELECT u.username FROM profile p JOIN user u ON u.id = p.created_by_id WHERE p.slug = 'lot-seventeen'`); got != "alice" {
		t.Errorf("lot-seventeen was created by %q", got)
	}
	// A manager without a password who never logged in does not count: the profile is a shadow still (decision 31).
	w.subscribe("my-shadow", "basic", 1e15)
	w.dir.TouchAll()
	w.Run(t, c("a provider writes it", "donny", "PATCH /api/profile/my-shadow", `{"region":"CA"}`, 200, "*"))
	w.exec(`UPDATE user SET last_login = 1 WHERE username = 'my-shadow'`)
	w.Run(t, c("until its user logs in", "donny", "PATCH /api/profile/my-shadow", `{"region":"CA"}`, 403, "*"))
}

func TestShadowsAreThrottled(t *testing.T) {
	w := newWorld(t, func(s *Settings) { s.ShadowsPerHour = 2 })
	c := resttest.Case
	body := `{"full_name":"S","email":"s@s.example"}`
	w.Run(t,
		c("a refused one does not count", "alice", "POST /api/accounts/profiles", `{"full_name":"S"}`, 400, "*"),
		c("first", "alice", "POST /api/accounts/profiles", body, 201, "*"),
		c("second, with a request", "alice", "POST /api/users/alice/accessibles?force=1", `{"slug":"unheard","email":"un@heard.example"}`, 201, "*"),
		c("third", "alice", "POST /api/accounts/profiles", body, 429, `{"detail":"Request was throttled. Expected available in 3600 seconds."}`).Wants("Retry-After: 3600"),
		c("with a request", "alice", "POST /api/users/alice/accessibles?force=1", `{"slug":"unheard2","email":"un2@heard.example"}`, 429, "*"),
		c("her own are not counted", "alice", "POST /api/users/alice/profiles", `{"full_name":"Mine"}`, 201, "*"),
		c("nor those of others", "xia", "POST /api/accounts/profiles", body, 201, "*"),
	)
	w.Clock.Advance(3600e9)
	w.Run(t, c("an hour later", "alice", "POST /api/accounts/profiles", body, 201, "*"))
	if n := get[int](w, `SELECT count(*) FROM profile WHERE full_name = 'S'`); n != 3 {
		t.Errorf("%d profiles were made, want 3", n)
	}
}

func TestBootstrap(t *testing.T) {
	w := bareWorld(t)
	b := Bootstrap{ProcessorSlug: "stripe", ProcessorName: "Stripe", BrokerSlug: "broker", BrokerName: "Another", BrokerEmail: "x@x.example"}
	if err := w.bootstrap(t, b); err != nil {
		t.Fatal(err)
	}
	got := get[string](w, `SELECT group_concat(id || ' ' || slug || ' ' || full_name || ' ' || email || ' ' || is_provider || ' ' || coalesce(processor_id, '-'), ', ') FROM profile`)
	if want := "1 stripe Stripe  0 -, 2 broker Broker hello@broker.example 1 1"; got != want {
		t.Errorf("profiles %s, want %s", got, want)
	}
	got = get[string](w, `SELECT group_concat(slug || ' ' || title || ' ' || coalesce(profile_id, 'global'), ', ') FROM role_description`)
	if want := "manager Profile Manager global, contributor Contributor global"; got != want {
		t.Errorf("descriptions %s, want %s", got, want)
	}
	b.ProcessorSlug = "paypal"
	if err := w.bootstrap(t, b); err != ErrProcessor {
		t.Errorf("another processor: %v, want %v", err, ErrProcessor)
	}
}

// Create is what registration and grants to unknown addresses call.
func TestCreate(t *testing.T) {
	w := newWorld(t)
	user := get[int64](w, `SELECT id FROM user WHERE username = 'alice'`)
	var id int64
	err := w.Store.Write(t.Context(), func(tx *store.Tx) (err error) {
		id, err = w.service.Create(tx, New{Slug: "labs", FullName: "Labs", Email: "l@labs.example", Provider: true, CreatedBy: user, Manager: user, Extra: `{"a":1}`, RoleExtra: "boss"})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	got := get[string](w, `SELECT p.slug || ' ' || p.is_provider || ' ' || p.default_timezone || ' ' || p.extra || ' ' || r.extra FROM profile p JOIN role r ON r.profile_id = p.id WHERE p.id = ?`, id)
	if want := `labs 1 UTC {"a":1} boss`; got != want {
		t.Errorf("created %s, want %s", got, want)
	}
	w.Run(t, resttest.Case("at once", "alice", "GET /api/profile/labs", "", 200, "*").Then(func(t *testing.T, r *httptest.ResponseRecorder) {
		if answer(t, r)["slug"] != "labs" {
			t.Error(r.Body)
		}
	}))
}
