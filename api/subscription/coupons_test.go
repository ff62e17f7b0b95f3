package subscription

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/store"
)

const spring = `{"code":"SPRING","discount_type":"percentage","discount_value":2000,"created_at":"2026-03-15T12:00:00Z",`

func TestCreateCoupon(t *testing.T) {
	const most = "Ensure this value is less than or equal to "
	for _, test := range []struct {
		name, body string
		status     int
		want       string
	}{
		{"the least", `{"code":"SPRING","discount_type":"percentage","discount_value":2000}`, 201, spring + `"ends_at":"2026-04-14T12:00:00Z","description":null,"nb_attempts":null,"plan":null}`},
		{"ends null", `{"code":"SPRING","discount_type":"percentage","discount_value":2000,"ends_at":null}`, 201, `~"ends_at":"2026-04-14T12:00:00Z"`},
		{"everything", `{"code":" SPRING ","discount_type":"percentage","discount_value":"2000","ends_at":"2026-12-24","description":"x","nb_attempts":3,"plan":"basic","created_at":"2001-01-01"}`, 201,
			spring + `"ends_at":"2026-12-24T00:00:00Z","description":"x","nb_attempts":3,"plan":{"slug":"basic","title":"Basic"}}`},
		{"another provider's code", `{"code":"GYM","discount_type":"period","discount_value":1}`, 201, "*"},

		{"nothing", `{}`, 400, `{"code":["This field is required."],"discount_type":["This field is required."],"discount_value":["This field is required."]}`},
		{"empty code", `{"code":"","discount_type":"period","discount_value":1}`, 400, `{"code":["This field may not be blank."]}`},
		{"bad code", `{"code":"A B","discount_type":"period","discount_value":1}`, 400, `{"code":["Enter a valid \"slug\" consisting of letters, numbers, underscores or hyphens."]}`},
		{"long code", `{"code":"` + strings.Repeat("x", 51) + `","discount_type":"period","discount_value":1}`, 400, `{"code":["Ensure this field has no more than 50 characters."]}`},
		{"taken", `{"code":"HALF","discount_type":"period","discount_value":1}`, 400, `{"code":"This code is already taken."}`},
		{"taken in another case", `{"code":"half","discount_type":"period","discount_value":1}`, 400, `{"code":"This code is already taken."}`},
		{"of a group buy", `{"code":"Cpn_x","discount_type":"period","discount_value":1}`, 400, `{"code":"This code is already taken."}`},
		{"unknown type", `{"code":"A","discount_type":"half","discount_value":1}`, 400, `{"discount_type":["'half' is not a valid choice. Expected one of ['percentage', 'currency', 'period']."]}`},
		{"negative", `{"code":"A","discount_type":"period","discount_value":-1}`, 400, `{"discount_value":["Ensure this value is greater than or equal to 0."]}`},
		{"more than all", `{"code":"A","discount_type":"percentage","discount_value":10001}`, 400, `{"discount_value":["` + most + `10000."]}`},
		{"much money", `{"code":"A","discount_type":"currency","discount_value":10001}`, 201, "*"},
		{"bad end", `{"code":"A","discount_type":"period","discount_value":1,"ends_at":"tomorrow"}`, 400,
			`{"ends_at":["Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]."]}`},
		{"negative attempts", `{"code":"A","discount_type":"period","discount_value":1,"nb_attempts":-1}`, 400, `{"nb_attempts":["Ensure this value is greater than or equal to 0."]}`},
		{"unknown plan", `{"code":"A","discount_type":"period","discount_value":1,"plan":"x"}`, 400, `{"plan":["Plan 'x' does not exist or is inactive."]}`},
		{"inactive plan", `{"code":"A","discount_type":"period","discount_value":1,"plan":"legacy"}`, 400, `{"plan":["The plan is inactive. As a result the coupon will have no effect."]}`},
		{"another provider's plan", `{"code":"A","discount_type":"period","discount_value":1,"plan":"gym-monthly"}`, 400, `{"plan":["The plan does not belong to the organization."]}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.exec(`INSERT INTO coupon (code, profile_id, created_at) SELECT CASE slug WHEN 'cowork' THEN 'HALF' ELSE 'GYM' END, id, 0 FROM profile WHERE slug IN ('cowork', 'gym')`)
			w.Run(t, resttest.Case("post", "donny", "POST /api/billing/cowork/coupons", test.body, test.status, test.want))
		})
	}
}

func TestChangeCoupon(t *testing.T) {
	const url = "/api/billing/cowork/coupons/SPRING"
	w := newWorld(t)
	step := func(name, request, body, want string) resttest.Step {
		return resttest.Case(name, "donny", request, body, 200, want)
	}
	refused := func(name, request, body string, status int, want string) resttest.Step {
		return resttest.Case(name, "donny", request, body, status, want)
	}
	w.Run(t,
		resttest.Case("", "donny", "POST /api/billing/cowork/coupons", `{"code":"SPRING","discount_type":"percentage","discount_value":2000,"nb_attempts":2,"plan":"basic","description":"d"}`, 201, "*"),
		step("read", "GET "+url, "", spring+`"ends_at":"2026-04-14T12:00:00Z","description":"d","nb_attempts":2,"plan":{"slug":"basic","title":"Basic"}}`),
		step("patch nothing", "PATCH "+url, `{}`, spring+`"ends_at":"2026-04-14T12:00:00Z","description":"d","nb_attempts":2,"plan":{"slug":"basic","title":"Basic"}}`),
		step("patch the end away", "PATCH "+url, `{"ends_at":null}`, `~"ends_at":null,"description":"d"`),
		step("patch the rest", "PATCH "+url, `{"ends_at":"2026-05-01T00:00:00Z","description":null,"nb_attempts":null,"plan":null}`,
			spring+`"ends_at":"2026-05-01T00:00:00Z","description":null,"nb_attempts":null,"plan":null}`),
		step("put without an end", "PUT "+url, `{"discount_type":"currency"}`, `~"discount_type":"currency","discount_value":2000~"ends_at":null,"description":null`),
		step("put with an end", "PUT "+url, `{"discount_type":"currency","ends_at":"2026-05-01"}`, `~"ends_at":"2026-05-01T00:00:00Z"`),
		step("put an empty plan", "PUT "+url, `{"discount_type":"currency","plan":""}`, `~"plan":null`),
		refused("put without a type", "PUT "+url, `{}`, 400, `{"discount_type":["This field is required."]}`),
		step("much money", "PATCH "+url, `{"discount_value":20000}`, `~"discount_value":20000`),
		refused("is too much percent", "PATCH "+url, `{"discount_type":"percentage"}`, 400, `{"discount_value":["Ensure this value is less than or equal to 10000."]}`),
		refused("another provider's plan", "PATCH "+url, `{"plan":"gym-monthly"}`, 400, `{"plan":["The plan does not belong to the organization."]}`),
		step("rename", "PATCH "+url, `{"code":"Spring"}`, `~"code":"Spring"`),
		refused("case matters", "GET "+url, "", 404, `{"detail":"No Coupon matches the given query."}`),
		refused("a bad body on what is not there", "PUT "+url, `{}`, 404, `{"detail":"No Coupon matches the given query."}`),
		resttest.Case("", "donny", "POST /api/billing/cowork/coupons", `{"code":"FALL","discount_type":"period","discount_value":1}`, 201, "*"),
		refused("rename to one there is", "PATCH /api/billing/cowork/coupons/FALL", `{"code":"SPRING"}`, 400, `{"code":"This code is already taken."}`),
		refused("rename to a group buy's", "PATCH /api/billing/cowork/coupons/FALL", `{"code":"cpn_1"}`, 400, `{"code":"This code is already taken."}`),
		refused("somebody else's", "GET /api/billing/cowork/coupons/GYM", "", 404, `{"detail":"No Coupon matches the given query."}`),
	)
	w.exec(`INSERT INTO coupon (code, profile_id, created_at) SELECT 'cpn_1', id, 0 FROM profile WHERE slug = 'cowork'`)
	const none = `{"detail":"No Coupon matches the given query."}`
	w.Run(t,
		refused("a group buy's, read", "GET /api/billing/cowork/coupons/cpn_1", "", 404, none),
		refused("a group buy's, change", "PATCH /api/billing/cowork/coupons/cpn_1", `{"discount_value":1}`, 404, none),
		refused("a group buy's, delete", "DELETE /api/billing/cowork/coupons/cpn_1", ``, 404, none),
		refused("a group buy's, listed", "GET /api/billing/cowork/coupons?ends_at=2099-01-01&q=cpn", "", 200,
			`~{"count":0,`),
	)
}

// Deleting a coupon leaves the cart items, without the discount; one that was used stays, ended (decision 17).
func TestDeleteCoupon(t *testing.T) {
	w := newWorld(t)
	for _, code := range []string{"NEW", "USED", "ENDED"} {
		w.exec(`INSERT INTO coupon (code, profile_id, created_at, ends_at) SELECT ?, id, 0, CASE ? WHEN 'ENDED' THEN 5 END FROM profile WHERE slug = 'cowork'`, code, code)
	}
	w.exec(`INSERT INTO cart_item (created_at, user_id, plan_id, coupon_id, recorded) SELECT 0, 1, (SELECT id FROM plan WHERE slug = 'basic'), coupon.id, done.v
		FROM coupon, (SELECT 0 v UNION SELECT 1) done WHERE code <> 'NEW' OR v = 0 ORDER BY v, coupon.id`)
	for _, code := range []string{"NEW", "USED", "ENDED"} {
		w.Run(t, resttest.Case(code, "donny", "DELETE /api/billing/cowork/coupons/"+code, "", 204, ""))
	}
	if got := w.values(`SELECT code || ' ' || ends_at FROM coupon ORDER BY id`); got != "USED 1773576000000000 ENDED 5" {
		t.Errorf("coupons left: %s", got)
	}
	if got := w.values(`SELECT recorded || coalesce(code, '-') FROM cart_item LEFT JOIN coupon ON coupon.id = coupon_id ORDER BY cart_item.id`); got != "0- 0- 0- 1USED 1ENDED" {
		t.Errorf("cart items left: %s", got)
	}
	w.Run(t, resttest.Case("again", "donny", "DELETE /api/billing/cowork/coupons/NEW", "", 404, `{"detail":"No Coupon matches the given query."}`))
}

func TestListCoupons(t *testing.T) {
	w := newWorld(t)
	for i, code := range []string{"B", "a", "C"} {
		w.exec(`INSERT INTO coupon (code, profile_id, created_at, ends_at, description, discount_type) SELECT ?, id, ?, ?, ?, ? FROM profile WHERE slug = 'cowork'`, code,
			store.At(time.Date(2026, 1, 1+i, 0, 0, 0, 0, time.UTC)), store.At(time.Date(2026, 2, 9-i, 0, 0, 0, 0, time.UTC)), "for "+code, i+1)
	}
	w.exec(`INSERT INTO coupon (code, profile_id, created_at) SELECT 'GYM', id, 0 FROM profile WHERE slug = 'gym'`)
	list := func(query, want string) resttest.Step {
		return resttest.Case(query, "donny", "GET /api/billing/cowork/coupons"+query, "", 200, "*").Then(func(t *testing.T, r *httptest.ResponseRecorder) {
			if got := results(t, r, "code"); got != want {
				t.Errorf("coupons %s, want %s", got, want)
			}
		})
	}
	w.Run(t,
		list("", "3: C a B"), list("?o=code", "3: a B C"), list("?o=-created_at", "3: C a B"), list("?o=created_at", "3: B a C"), list("?o=description", "3: B C a"),
		list("?o=discount_type", "3: B a C"), list("?o=nonsense", "3: C a B"), list("?q=b", "1: B"), list("?q=for", "3: C a B"), list("?q=for&q_f=code", "0:"), list("?q=2&q_f=discount_type", "1: a"),
		list("?q=cowork", "3: C a B"), list("?start_at=2026-01-02", "1: C"), list("?ends_at=2026-01-02", "2: a B"), list("?page_size=2&page=2", "3: B"),
	)
}

func TestRedeem(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		code, provider, ends, attempts, plan string
	}{
		{"SPRING", "cowork", "NULL", "NULL", ""}, {"spring", "gym", "NULL", "2", ""}, {"OLD", "cowork", "1773576000000000", "NULL", ""}, {"USED", "cowork", "NULL", "0", ""},
		{"ANNUAL", "cowork", "1773576000000001", "1", "annual"}, {"cpn_1", "cowork", "NULL", "1", "basic"},
	} {
		w.exec(`INSERT INTO coupon (code, profile_id, created_at, ends_at, nb_attempts, plan_id) SELECT ?, id, 0, `+c.ends+`, `+c.attempts+`, (SELECT id FROM plan WHERE slug = ?)
			FROM profile WHERE slug = ?`, c.code, c.plan, c.provider)
	}
	item := func(user any, anonymous any, plan string, recorded int) {
		w.exec(`INSERT INTO cart_item (created_at, user_id, anonymous_id, plan_id, recorded) SELECT 0, (SELECT id FROM user WHERE username = ?), ?, id, ? FROM plan WHERE slug = ?`,
			user, anonymous, recorded, plan)
	}
	item("xia", nil, "basic", 0)
	item("xia", nil, "premium", 1)
	item("xia", nil, "annual", 0)
	item("xia", nil, "gym-monthly", 0)
	item("zoe", nil, "gym-monthly", 0)
	item(nil, CartHash("secret"), "annual", 0)
	item("xia", nil, "basic", 0)
	w.exec(`UPDATE cart_item SET claim_code = 'claimed', coupon_id = (SELECT id FROM coupon WHERE code = 'cpn_1')
		WHERE id = 7`)
	coupons := func(want string) func(t *testing.T, _ *httptest.ResponseRecorder) {
		return func(t *testing.T, _ *httptest.ResponseRecorder) {
			t.Helper()
			if got := w.values(`SELECT coalesce(code, '-') FROM cart_item LEFT JOIN coupon ON coupon.id = coupon_id ORDER BY cart_item.id`); got != want {
				t.Errorf("coupons of the items %s, want %s", got, want)
			}
		}
	}
	redeem := func(name, as, code string, status int, want string, headers ...string) resttest.Step {
		return resttest.Case(name, as, "POST /api/cart/redeem", `{"code":"`+code+`"}`, status, want).With(headers...)
	}
	none := func(code string) string {
		return `{"detail":"No items can be discounted using this coupon: ` + code + `."}`
	}
	applied := func(code string) string { return `{"detail":"Coupon '` + code + `' was successfully applied."}` }
	w.Run(t,
		redeem("over two providers, in any case", "xia", "Spring", 200, applied("Spring")).
			Then(coupons("SPRING - SPRING spring - - cpn_1")),
		redeem("one coupon an item, the last", "xia", "ANNUAL", 200, applied("ANNUAL")).
			Then(coupons("SPRING - ANNUAL spring - - cpn_1")),
		redeem("again", "xia", "ANNUAL", 200, applied("ANNUAL")),
		redeem("ended", "xia", "OLD", 400, none("OLD")),
		redeem("used up", "xia", "USED", 400, none("USED")),
		redeem("unknown", "xia", "NOPE", 400, none("NOPE")),
		redeem("for another plan", "zoe", "ANNUAL", 400, none("ANNUAL")),
		redeem("no cart", "yan", "SPRING", 400, none("SPRING")),
		redeem("visitor", "", "ANNUAL", 200, applied("ANNUAL"), "Cookie: cart=secret").
			Then(coupons("SPRING - ANNUAL spring - ANNUAL cpn_1")),
		redeem("of a group buy", "xia", "cpn_1", 400, none("cpn_1")),
		redeem("of a group buy, in another case", "xia", "CPN_1", 400, none("CPN_1")),
		redeem("visitor without a cart", "", "SPRING", 400, none("SPRING")),
		redeem("visitor with another cart", "", "SPRING", 400, none("SPRING"), "Cookie: cart=guess"),
		redeem("blank", "xia", " ", 400, `{"code":["This field may not be blank."]}`),
		resttest.Case("missing", "xia", "POST /api/cart/redeem", `{}`, 400, `{"code":["This field is required."]}`),
	)
	if got := w.values(`SELECT redeemed FROM cart ORDER BY id`); got != "ANNUAL ANNUAL" {
		t.Errorf("codes remembered: %s", got)
	}
	if got := w.values(`SELECT nb_attempts FROM coupon WHERE code = 'ANNUAL'`); got != "1" {
		t.Errorf("attempts left %s: redeeming uses nothing up", got)
	}
}

func TestUseCoupon(t *testing.T) {
	w := newWorld(t)
	w.exec(`INSERT INTO coupon (code, profile_id, created_at, nb_attempts) VALUES ('ONE', 1, 0, 1), ('ANY', 1, 0, NULL)`)
	use := func(id int64) (left bool) {
		w.write(func(tx *store.Tx) (err error) {
			left, err = w.UseCoupon(tx, id)
			return err
		})
		return left
	}
	if !use(1) || use(1) || !use(2) || !use(2) {
		t.Error("a coupon of one order is used once, another without end")
	}
	if got := w.values(`SELECT coalesce(nb_attempts, 'any') FROM coupon ORDER BY id`); got != "0 any" {
		t.Errorf("attempts left: %s", got)
	}
}
