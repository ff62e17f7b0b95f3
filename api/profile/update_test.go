package profile

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

const (
	joey = `{"slug":"joey-black","printable_name":"The joey-black","picture":null,"type":"organization","credentials":false,"created_at":"2025-01-05T09:12:44Z",` +
		`"full_name":"The joey-black","email":"ops@joey-black.example","phone":"","street_address":"","locality":"","region":"","postal_code":"","country":"",` +
		`"default_timezone":"UTC","no_implicit_role":false,"is_provider":false,"is_bulk_buyer":false,"extra":null`
	joeySubscriptions = `"subscriptions":[{"created_at":"2025-01-05T09:12:44Z","ends_at":"2025-04-09T12:00:00Z","plan":{"slug":"basic","title":"Basic"},"auto_renew":true}]`
)

func TestGetProfile(t *testing.T) {
	w := newWorld(t)
	w.exec(`UPDATE profile SET extra = '{"erp":"BH-7"}' WHERE slug = 'xia'`)
	w.service.SetActivities(nil)
	c := resttest.Case
	w.Run(t,
		c("an organization", "donny", "GET /api/profile/joey-black", "", 200, joey+`,`+joeySubscriptions+`,"activities":[]}`),
		c("a personal profile", "xia", "GET /api/profile/xia", "", 200,
			`~{"id":"~","slug":"xia","printable_name":"Xia","picture":null,"type":"personal","credentials":true,"created_at":"2025-01-05T09:12:44Z",`+
				`"full_name":"The xia","email":"ops@xia.example","phone":"","street_address":"","locality":"","region":"","postal_code":"","country":"",`+
				`"default_timezone":"UTC","no_implicit_role":false,"is_provider":false,"is_bulk_buyer":false,"extra":{"erp":"BH-7"},`+
				joeySubscriptions+`,"nick_name":"Xia","lang":"en","activities":[]}`),
		c("letter case matters", "bob", "GET /api/profile/Joey-Black", "", 404, `{"detail":"No Organization matches the given query."}`),
		c("no trailing slash", "bob", "GET /api/profile/joey-black/", "", 404, `{"detail":"Not found."}`),
		c("HEAD reads", "carol", "HEAD /api/profile/joey-black", "", 200, ""),
		c("there is no POST", "bob", "POST /api/profile/joey-black", "{}", 405, `{"detail":"Method \"POST\" not allowed."}`).Wants("Allow: GET, PUT, PATCH, DELETE, HEAD, OPTIONS"),
		c("nor here", "bob", "POST /api/profile", "{}", 405, `{"detail":"Method \"POST\" not allowed."}`).Wants("Allow: GET, HEAD, OPTIONS"),
	)
}

// Notes about a profile are for its providers: its own people are refused on /api/activities/{profile} too.
func TestActivities(t *testing.T) {
	w := newWorld(t)
	w.exec(`INSERT INTO activity (created_at, profile_id, text) SELECT 0, id, 'Late payer' FROM profile WHERE slug IN ('xia', 'acme')`)
	w.service.SetActivities(notes)
	c := resttest.Case
	w.Run(t,
		c("herself", "xia", "GET /api/profile/xia", "", 200, `~"activities":[]`),
		c("the provider's manager", "donny", "GET /api/profile/xia", "", 200, `~"activities":["Late payer"]`),
		c("the provider's contributor", "carol", "GET /api/profile/xia", "", 200, `~"activities":["Late payer"]`),
		c("the broker", "ben", "GET /api/profile/xia", "", 200, `~"activities":["Late payer"]`),
		c("the provider of an ended subscription", "gus", "GET /api/profile/acme", "", 200, `~"activities":["Late payer"]`),
		c("a contributor", "kim", "GET /api/profile/acme", "", 200, `~"activities":[]`),
		c("in the answer to a write", "xia", "PATCH /api/profile/xia", `{"region":"CA"}`, 200, `~"activities":[]`),
	)
}

func TestUpdateInput(t *testing.T) {
	w := newWorld(t)
	long := func(n int) string { return strings.Repeat("x", n) }
	c := resttest.Case
	bad := func(name, body, want string) resttest.Step {
		return c(name, "bob", "PATCH /api/profile/joey-black", body, 400, want)
	}
	good := func(name, body, want string) resttest.Step {
		return c(name, "bob", "PATCH /api/profile/joey-black", body, 200, want)
	}
	w.Run(t,
		c("PUT wants a name", "bob", "PUT /api/profile/joey-black", `{}`, 400, `{"full_name":["This field is required."]}`),
		c("all that is wrong at once", "bob", "PUT /api/profile/joey-black", `{"slug":"a b","email":"nope","country":"ZZ"}`, 400,
			`{"full_name":["This field is required."],"slug":["Enter a valid \"slug\" consisting of letters, numbers, underscores or hyphens."],`+
				`"email":["Enter a valid email address."],"country":["\"ZZ\" is not a valid choice."]}`),
		c("a bad body of nothing is a 404", "bob", "PUT /api/profile/nope", `{"full_name":`, 404, `{"detail":"No Organization matches the given query."}`),
		c("malformed", "bob", "PUT /api/profile/joey-black", `{"full_name":`, 400, `~{"detail":"JSON parse error - `),
		c("a list", "bob", "PUT /api/profile/joey-black", `[]`, 400, `{"detail":["Invalid data. Expected a dictionary, but got list."]}`),
		bad("blank name", `{"full_name":" "}`, `{"full_name":["This field may not be blank."]}`),
		bad("null name", `{"full_name":null}`, `{"full_name":["This field may not be null."]}`),
		bad("long name", `{"full_name":"`+long(101)+`"}`, `{"full_name":["Ensure this field has no more than 100 characters."]}`),
		bad("long slug", `{"slug":"`+long(51)+`"}`, `{"slug":["Ensure this field has no more than 50 characters."]}`),
		bad("blank slug", `{"slug":""}`, `{"slug":["This field may not be blank."]}`),
		bad("the slug of a profile", `{"slug":"ACME"}`, `{"slug":"This slug is already taken."}`),
		bad("the name of a user", `{"slug":"alice"}`, `{"slug":"This slug is already taken."}`),
		bad("a reserved slug", `{"slug":"balances"}`, `{"slug":"This slug is already taken."}`),
		bad("an archived slug", `{"slug":"_archive_7"}`, `{"slug":"This slug is already taken."}`),
		bad("blank e-mail", `{"email":""}`, `{"email":["This field may not be blank."]}`),
		bad("phone", `{"phone":"12"}`, `{"phone":["Enter a valid phone number."]}`),
		bad("null phone", `{"phone":null}`, `{"phone":["This field may not be null."]}`),
		bad("long street", `{"street_address":"`+long(151)+`"}`, `{"street_address":["Ensure this field has no more than 150 characters."]}`),
		bad("long region", `{"region":"`+long(51)+`"}`, `{"region":["Ensure this field has no more than 50 characters."]}`),
		bad("time zone", `{"default_timezone":"Mars/Base"}`, `{"default_timezone":["\"Mars/Base\" is not a valid timezone."]}`),
		bad("blank time zone", `{"default_timezone":""}`, `{"default_timezone":["This field may not be blank."]}`),
		bad("picture", `{"picture":"nope"}`, `{"picture":["Enter a valid URL."]}`),
		bad("picture that runs", `{"picture":"javascript:alert(1)"}`, `{"picture":["Enter a valid URL."]}`),
		bad("boolean", `{"no_implicit_role":"maybe"}`, `{"no_implicit_role":["Must be a valid boolean."]}`),
		bad("not a string", `{"locality":{}}`, `{"locality":["Not a valid string."]}`),

		good("nothing", `{}`, `~{"id":"~",`+joey[1:]+`,"detail":"Profile was updated.",`+joeySubscriptions+`,"activities":[]}`),
		good("read-only fields are ignored", `{"type":"personal","credentials":true,"created_at":"2020-01-01","printable_name":"P","is_active":false,"id":1}`,
			`~{"id":"~",`+joey[1:]+`,"detail":"Profile was updated.",`+joeySubscriptions+`,"activities":[]}`),
		good("trimmed", `{"locality":" Oakland "}`, `~"locality":"Oakland"`),
		good("phone of the USA", `{"phone":"(415) 555-2671"}`, `~"phone":"+14155552671"`),
		good("no phone", `{"phone":""}`, `~"phone":""`),
		good("country in lower case", `{"country":"fr"}`, `~"country":"FR"`),
		good("country by name", `{"country":"Germany"}`, `~"country":"DE"`),
		good("country by number", `{"country":"840"}`, `~"country":"US"`),
		good("no country", `{"country":""}`, `~"country":""`),
		good("time zone", `{"default_timezone":"America/Los_Angeles"}`, `~"default_timezone":"America/Los_Angeles"`),
		good("picture", `{"picture":"https://x.example/p.png"}`, `~"picture":"https://x.example/p.png"`),
		good("no picture", `{"picture":null}`, `~"picture":null`),
		good("extra", `{"extra":{"a":[1,2]}}`, `~"extra":{"a":[1,2]}`),
		good("extra as text", `{"extra":"free text"}`, `~"extra":"free text"`),
		good("extra as JSON in text", `{"extra":"[1,2]"}`, `~"extra":[1,2]`),
		good("extra absent", `{}`, `~"extra":[1,2]`),
		good("no extra", `{"extra":null}`, `~"extra":null`),
		good("a form", ``, `~"full_name":"The joey-black"`),
	)
	r := w.Do("bob", "PATCH /api/profile/joey-black", "region=CA&email=new%40joey.example", "Content-Type: application/x-www-form-urlencoded")
	if r.Code != 200 || !strings.Contains(r.Body.String(), `"email":"new@joey.example"`) {
		t.Errorf("a form: %d %s", r.Code, r.Body)
	}
}

// PUT leaves what is absent as it is, the two flags of the broker included (decision 8).
func TestUpdateFlags(t *testing.T) {
	w := newWorld(t)
	c := resttest.Case
	const flags = `"no_implicit_role":true,"is_provider":true,"is_bulk_buyer":true`
	w.Run(t,
		c("a manager does not make itself a provider", "yan", "PUT /api/profile/acme", `{"full_name":"Acme","is_provider":true,"is_bulk_buyer":true,"no_implicit_role":true}`, 200,
			`~"no_implicit_role":true,"is_provider":false,"is_bulk_buyer":false`),
		c("nor does a provider who may write", "donny", "PATCH /api/profile/joey-black", `{"is_provider":true,"is_bulk_buyer":true}`, 200, `~"is_provider":false,"is_bulk_buyer":false`),
		c("the broker does", "bob", "PATCH /api/profile/acme", `{"is_provider":true,"is_bulk_buyer":true}`, 200, `~`+flags),
		c("a contact form drops nothing", "yan", "PUT /api/profile/acme", `{"full_name":"Acme"}`, 200, `~`+flags),
		c("nor can the manager", "yan", "PUT /api/profile/acme", `{"full_name":"Acme","is_provider":false,"is_bulk_buyer":false}`, 200, `~`+flags),
	)
}

func TestRename(t *testing.T) {
	w := newWorld(t)
	c := resttest.Case
	w.Run(t,
		c("an organization", "yan", "PATCH /api/profile/acme", `{"slug":"acme-corp"}`, 200, `~"slug":"acme-corp"`),
		c("by its new name at once", "yan", "GET /api/profile/acme-corp", "", 200, "*"),
		c("not by the old one", "yan", "GET /api/profile/acme", "", 403, `{"detail":"Permission denied"}`),
		c("roles follow", "kim", "GET /api/profile/acme-corp/roles", "", 200, `~"count":2`),
		c("letter case", "yan", "PATCH /api/profile/acme-corp", `{"slug":"Acme-Corp"}`, 200, `~"slug":"Acme-Corp"`),
		c("a personal profile and its user", "xia", "PATCH /api/profile/xia", `{"slug":"xiaolee"}`, 200, `~"slug":"xiaolee"~"type":"personal","credentials":true`),
		c("the user goes by the new name", "xiaolee", "GET /api/users/xiaolee/profiles", "", 200, `~"slug":"xiaolee"`),
		c("the broker", "bob", "PATCH /api/profile/broker", `{"slug":"hub"}`, 400, `{"slug":["The broker profile cannot be renamed."]}`),
		c("the processor", "bob", "PATCH /api/profile/stripe", `{"slug":"paypal"}`, 400, `{"slug":["The profile of the payment processor cannot be renamed."]}`),
		c("the same name", "bob", "PATCH /api/profile/broker", `{"slug":"broker"}`, 200, `~"slug":"broker"`),
		c("an archived one", "bob", "DELETE /api/profile/ghost", "", 204, ""),
	)
	id := get[int64](w, `SELECT id FROM profile WHERE slug LIKE '\_archive%' ESCAPE '\'`)
	w.Run(t, c("is not changed", "bob", "PATCH /api/profile/_archive_"+itoa(id), `{"slug":"ghost","full_name":"Boo"}`, 400, `{"detail":"An archived profile cannot be changed."}`))
}

// The slug of a profile that had a subscription is nobody else's, after a rename and after its end (decision 69).
func TestUsedSlugIsNobodyElses(t *testing.T) {
	w := newWorld(t)
	c := resttest.Case
	const taken = `{"slug":"This slug is already taken."}`
	take := func(name, body string, status int, want string) resttest.Step {
		return c(name, "alice", "POST /api/users/alice/profiles", body, status, want)
	}
	w.Run(t,
		c("rename", "yan", "PATCH /api/profile/acme", `{"slug":"acme-corp"}`, 200, "*"),
		take("the old slug", `{"slug":"acme","full_name":"A"}`, 400, taken),
		take("in capitals", `{"slug":"ACME","full_name":"A"}`, 400, taken),
		take("a shadow of it", `{"slug":"acme","full_name":"A"}`, 400, taken),
		c("a shadow", "alice", "POST /api/accounts/profiles", `{"slug":"acme","full_name":"A","email":"a@example.com"}`, 400, taken),
		c("a shadow of a person", "alice", "POST /api/accounts/profiles", `{"slug":"acme","full_name":"A","email":"a@example.com","type":"personal"}`, 400, taken),
		c("by a rename", "gus", "PATCH /api/profile/gym", `{"slug":"acme"}`, 400, taken),
		take("derived from a title", `{"full_name":"Acme"}`, 201, `~"slug":"acme-`),
		c("back", "yan", "PATCH /api/profile/acme-corp", `{"slug":"acme"}`, 200, `~"slug":"acme"`),
		take("one that nobody used", `{"slug":"acme-corp","full_name":"A"}`, 400, taken), // it had the subscription meanwhile
		take("new", `{"slug":"fresh","full_name":"F"}`, 201, "*"),
		c("renamed", "alice", "PATCH /api/profile/fresh", `{"slug":"fresher"}`, 200, "*"),
		c("is free, never used", "yan", "PATCH /api/profile/acme", `{"slug":"fresh"}`, 200, "*"),
		c("a fourth rename", "yan", "PATCH /api/profile/fresh", `{"slug":"acme"}`, 429, `~throttled`),
		c("close", "yan", "DELETE /api/profile/fresh", "", 204, ""),
		c("not even its manager", "yan", "POST /api/users/yan/profiles", `{"slug":"fresh","full_name":"A"}`, 400, taken),
		c("nor a slug that it had before", "yan", "POST /api/users/yan/profiles", `{"slug":"acme","full_name":"A"}`, 400, taken),
		c("convert", "xia", "POST /api/users/xia/profiles?convert_from_personal=1", `{"slug":"xias","full_name":"Xias"}`, 200, "*"),
		c("and begin anew", "xia", "POST /api/users/xia/profiles", `{"type":"personal","full_name":"Xia Lee"}`, 201, `~"slug":"xia"`),
		c("a provider's slug", "gus", "PATCH /api/profile/gym", `{"slug":"gymnasium"}`, 200, "*"),
		take("is used by its subscribers", `{"slug":"gym","full_name":"A"}`, 400, taken),
	)
	w.exec(`INSERT INTO batch (id, created_at, kind, actor, first_id, nb_entries, hash)
		VALUES (900, 0, 'order_placed', '', 900, 1, zeroblob(32))`)
	for _, side := range []string{"dest", "orig"} {
		w.Run(t, take("with lines as "+side, `{"slug":"`+side+`","full_name":"A"}`, 201, "*"))
		w.exec(`INSERT INTO txn (created_at, dest_account, dest_profile_id, dest_amount, dest_unit,
				orig_account, orig_profile_id, orig_amount, orig_unit, kind, batch_id)
			SELECT 0, 'Payable', CASE ?1 WHEN 'dest' THEN p.id ELSE a.id END, 1, 'usd', 'Receivable',
				CASE ?1 WHEN 'orig' THEN p.id ELSE a.id END, 1, 'usd', 'order_placed', 900
			FROM profile p, profile a WHERE p.slug = ?1 AND a.slug = 'cowork'`, side)
		w.Run(t, c("renamed", "alice", "PATCH /api/profile/"+side, `{"slug":"`+side+`-2"}`, 200, "*"),
			take("is used by the ledger", `{"slug":"`+side+`","full_name":"A"}`, 400, taken))
	}
	if n := get[int](w, `SELECT count(*) FROM used_name WHERE user_id IS NULL AND profile_id IS NULL`); n != 3 {
		t.Errorf("%d names are tied to nobody, want acme, acme-corp, fresh", n)
	}
	err := w.bootstrap(t, Bootstrap{ProcessorSlug: "stripe", ProcessorName: "Stripe", BrokerSlug: "fresh", BrokerName: "F"})
	if !errors.Is(err, ErrNameTaken) {
		t.Errorf("a broker of a used name: %v", err)
	}
}

// A second manager of a personal profile, or a provider of it while it is a shadow, writes the profile but not the account of its
// user (decision 29): in the reference, writing the e-mail address of the profile gives the account away.
func TestTakeOverThroughProfile(t *testing.T) {
	account := func(w *world, user string) string {
		return get[string](w, `SELECT username || ' ' || first_name || ' ' || last_name || ' ' || email FROM user WHERE id = ?`, get[int64](w, `SELECT user_id FROM contact WHERE slug = ?`, user))
	}
	t.Run("a second manager", func(t *testing.T) {
		w := newWorld(t)
		w.role("olga", "xia", "manager")
		c := resttest.Case
		w.Run(t,
			c("writes the profile", "olga", "PATCH /api/profile/xia", `{"email":"evil@olga.example","full_name":"Evil Olga"}`, 200, `~"email":"evil@olga.example"`),
			c("does not end the account", "olga", "DELETE /api/profile/xia", "", 403, `{"detail":"Only its user can delete a personal profile."}`),
			c("does not rename the user", "olga", "PATCH /api/profile/xia", `{"slug":"evil"}`, 400, `{"slug":["Only its user can rename a personal profile."]}`),
			c("what xia writes next carries nothing over", "xia", "PUT /api/profile/xia", `{"full_name":"Evil Olga","region":"CA"}`, 200, "*"),
		)
		if got := account(w, "xia"); got != "xia Xia Lee xia@xia.example" {
			t.Errorf("the account is %s", got)
		}
	})
	t.Run("a provider of a shadow", func(t *testing.T) {
		w := newWorld(t)
		w.profile("nina")
		w.role("nina", "nina", "manager")
		w.subscribe("nina", "basic", 1e12)
		w.dir.TouchAll()
		w.Run(t, resttest.Case("writes the profile", "donny", "PATCH /api/profile/nina", `{"email":"evil@donny.example"}`, 200, `~"email":"evil@donny.example"`))
		if got := account(w, "nina"); got != "nina Nina Lee nina@nina.example" {
			t.Errorf("the account is %s", got)
		}
	})
	t.Run("herself and the broker", func(t *testing.T) {
		w := newWorld(t)
		w.exec(`UPDATE contact SET email_verified_at = 1 WHERE slug = 'xia'`)
		c := resttest.Case
		w.Run(t,
			c("xia", "xia", "PATCH /api/profile/xia", `{"email":"new@xia.example","full_name":"Xia Q Lee"}`, 200, "*"),
			c("not to the address of another user", "xia", "PATCH /api/profile/xia", `{"email":"Alice@alice.example"}`, 200,
				`~"email":"new@xia.example"~"detail":"Profile was updated. Please bring back the code that was sent to Alice@alice.example as email_code of the user."`),
		)
		if got := account(w, "xia"); got != "xia Xia Q Lee new@xia.example" {
			t.Errorf("the account is %s", got)
		}
		if n := get[int](w, `SELECT count(*) FROM contact WHERE slug = 'xia' AND email_verified_at IS NOT NULL`); n != 0 {
			t.Error("the new address counts as verified")
		}
		w.Run(t, c("bob", "bob", "PATCH /api/profile/xia", `{"email":"newer@xia.example"}`, 200, "*"))
		if got := account(w, "xia"); got != "xia Xia Q Lee newer@xia.example" {
			t.Errorf("the account is %s", got)
		}
	})
	t.Run("an organization may have anybody's address", func(t *testing.T) {
		w := newWorld(t)
		w.Run(t, resttest.Case("", "yan", "PATCH /api/profile/acme", `{"email":"alice@alice.example"}`, 200, `~"email":"alice@alice.example"`))
	})
}

func TestProfileUpdatedEvent(t *testing.T) {
	for name, tc := range map[string]struct {
		body string
		want []string
	}{
		"nothing":             {`{}`, nil},
		"same values":         {`{"full_name":"The acme"}`, nil},
		"only what was empty": {`{"region":"CA"}`, nil},
		"a value":             {`{"full_name":"Acme","region":"CA"}`, []string{"profile_updated"}},
		"untracked":           {`{"extra":{"a":1},"no_implicit_role":true,"picture":"https://x.example/p.png"}`, nil},
		"a failure":           {`{"full_name":"Acme","slug":"alice"}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.Do("yan", "PATCH /api/profile/acme", tc.body)
			if diff := cmp.Diff(tc.want, w.events()); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

func TestListProfiles(t *testing.T) {
	w := newWorld(t)
	c := resttest.Case
	slugs := func(want string) func(*testing.T, *httptest.ResponseRecorder) {
		return func(t *testing.T, r *httptest.ResponseRecorder) {
			t.Helper()
			var got []string
			for _, item := range answer(t, r)["results"].([]any) {
				got = append(got, item.(map[string]any)["slug"].(string))
			}
			if s := strings.Join(got, " "); s != want {
				t.Errorf("listed %s, want %s", s, want)
			}
		}
	}
	w.Run(t,
		c("by name, without the processor", "ben", "GET /api/profile", "", 200, `~"count":8,"next":null`).Then(slugs("broker acme cowork ghost gym joey-black otherprov xia")),
		c("nick name of a personal one", "ben", "GET /api/profile?q=xia&q_f=slug", "", 200, `~"printable_name":"Xia"~"nick_name":"Xia","lang":"en"`),
		c("backwards", "ben", "GET /api/profile?o=-full_name&page_size=3", "", 200, `~"next":"https://app.example.com/api/profile?o=-full_name&page=2&page_size=3"`).Then(slugs("xia otherprov joey-black")),
		c("page", "ben", "GET /api/profile?o=-full_name&page_size=3&page=2", "", 200, "*").Then(slugs("gym ghost cowork")),
		c("search", "ben", "GET /api/profile?q=acme,gym", "", 200, "*").Then(slugs("acme gym")),
		c("search a field", "ben", "GET /api/profile?q=joey&q_f=locality", "", 200, "*").Then(slugs("")),
		c("not by what is no field", "ben", "GET /api/profile?q=acme&q_f=processor_priv_key", "", 200, "*").Then(slugs("acme")),
		c("dates", "ben", "GET /api/profile?start_at=2025-02-01", "", 200, "*").Then(slugs("broker")),
		c("bad dates", "ben", "GET /api/profile?start_at=foo", "", 400, `~{"start_at":["Datetime has wrong format.`),
		c("bad page", "ben", "GET /api/profile?page=9", "", 404, `{"detail":"Invalid page."}`),
		c("archived ones", "bob", "DELETE /api/profile/ghost", "", 204, ""),
		c("are left out", "ben", "GET /api/profile?q=ghost", "", 200, "*").Then(slugs("")),
		c("and listed on their own", "ben", "GET /api/profile?active=false", "", 200, `~"count":1`),
		c("bad boolean", "ben", "GET /api/profile?active=maybe", "", 400, `{"active":["Must be a valid boolean."]}`),
		c("CSV", "ben", "GET /api/profile?format=csv&q=acme", "", 200, "slug,printable_name,picture,type,credentials,created_at,full_name,email,phone,street_address,locality,region,"+
			"postal_code,country,default_timezone,no_implicit_role,is_provider,is_bulk_buyer,extra,nick_name,lang\r\n"+
			"acme,The acme,,organization,false,2025-01-05T09:12:44Z,The acme,ops@acme.example,,,,,,,UTC,false,false,false,,,\r\n"),
		c("connected to yan", "yan", "GET /api/users/yan/profiles", "", 200, `~"count":1,"next":null,"previous":null,"results":[{"slug":"acme"`).Then(slugs("acme")),
		c("a contributor is not connected", "kim", "GET /api/users/kim/profiles", "", 200, "*").Then(slugs("")),
		c("no nick name here", "xia", "GET /api/users/xia/profiles", "", 200, `~"printable_name":"The xia"~"extra":null}]`).Then(slugs("xia")),
	)
}
