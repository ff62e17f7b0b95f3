package subscription

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/ledger"
)

const coworkShort = `{"slug":"cowork","printable_name":"Cowork","picture":null,"type":"organization","credentials":false,"created_at":"2026-01-01T00:00:00Z"}`

const starter = `{"slug":"starter","title":"Starter","description":"","is_active":false,"setup_amount":0,"period_amount":0,"period_type":"yearly",` +
	`"period_length":1,"renewal_type":"auto-renew","unit":"usd","is_not_priced":false,"unlock_event":null,"advance_discounts":[],"use_charges":[],` +
	`"profile":` + coworkShort + `,"extra":null,"created_at":"2026-03-15T12:00:00Z","skip_optin_on_grant":false,"optin_on_request":false,` +
	`"discounted_period_amount":0,"is_cart_item":false}`

func TestCreatePlan(t *testing.T) {
	const url = "POST /api/profile/cowork/plans"
	const longest = "Ensure this value is less than or equal to "
	for _, test := range []struct {
		name, body string
		status     int
		want       string
	}{
		{"a title is enough", `{"title":"Starter"}`, 201, starter},
		{"everything", `{"slug":"Pro_1","title":" Pro ","description":"All of it","is_active":true,"setup_amount":500,"period_amount":9900,"period_type":"monthly",
			"period_length":3,"renewal_type":"repeat","unit":"EUR","skip_optin_on_grant":true,"optin_on_request":"yes","is_not_priced":1,"unlock_event":"launch",
			"extra":{"seats":5},"profile":{"slug":"gym"},"created_at":"2001-01-01","discounted_period_amount":1,"is_cart_item":true,
			"advance_discounts":[{"discount_type":"period","discount_value":1,"length":6},{"discount_type":"percentage","discount_value":1500,"length":2}],
			"use_charges":[{"slug":"gb","title":"GB","description":"Gigabytes","use_amount":10,"quota":5,"maximum_limit":0,"extra":"x"},{"slug":"kb","description":"Less"}]}`, 201,
			`{"slug":"Pro_1","title":"Pro","description":"All of it","is_active":true,"setup_amount":500,"period_amount":9900,"period_type":"monthly","period_length":3,` +
				`"renewal_type":"repeat","unit":"eur","is_not_priced":true,"unlock_event":"launch","advance_discounts":[{"discount_type":"percentage","discount_value":1500,"length":2},` +
				`{"discount_type":"period","discount_value":1,"length":6}],"use_charges":[{"slug":"gb","title":"GB","description":"Gigabytes","created_at":"2026-03-15T12:00:00Z",` +
				`"use_amount":10,"quota":5,"maximum_limit":0,"extra":"x"},{"slug":"kb","title":null,"description":"Less","created_at":"2026-03-15T12:00:00Z","use_amount":0,"quota":0,` +
				`"maximum_limit":null,"extra":null}],"profile":` + coworkShort + `,"extra":{"seats":5},"created_at":"2026-03-15T12:00:00Z","skip_optin_on_grant":true,` +
				`"optin_on_request":true,"discounted_period_amount":9900,"is_cart_item":false}`},

		{"no title", `{}`, 400, `{"title":["This field is required."]}`},
		{"empty title", `{"title":"  "}`, 400, `{"title":["This field may not be blank."]}`},
		{"null title", `{"title":null}`, 400, `{"title":["This field may not be null."]}`},
		{"long title", `{"title":"` + strings.Repeat("x", 51) + `"}`, 400, `{"title":["Ensure this field has no more than 50 characters."]}`},
		{"title of another plan", `{"title":"Basic"}`, 400, `{"title":"A plan with this title already exists."}`},
		{"title of another provider's plan", `{"title":"Gym Monthly"}`, 201, `~"title":"Gym Monthly"~"slug":"gym-monthly-`},
		{"title without letters", `{"title":"日本"}`, 201, `~"title":"日本"`},
		{"slug that is taken", `{"title":"T","slug":"basic"}`, 400, `{"slug":"This slug is already taken."}`},
		{"slug taken in another case", `{"title":"T","slug":"Gym-Monthly"}`, 400, `{"slug":"This slug is already taken."}`},
		{"slug that is a word of the paths", `{"title":"T","slug":"expired"}`, 400, `{"slug":"This slug is already taken."}`},
		{"title that makes such a slug", `{"title":"Expired"}`, 201, `~"slug":"expired-`},
		{"bad slug", `{"title":"T","slug":"a b"}`, 400, `{"slug":["Enter a valid \"slug\" consisting of letters, numbers, underscores or hyphens."]}`},
		{"long slug", `{"title":"T","slug":"` + strings.Repeat("x", 51) + `"}`, 400, `{"slug":["Ensure this field has no more than 50 characters."]}`},
		{"empty description", `{"title":"T","description":""}`, 400, `{"description":["This field may not be blank."]}`},
		{"not a boolean", `{"title":"T","is_active":"maybe"}`, 400, `{"is_active":["Must be a valid boolean."]}`},
		{"negative amount", `{"title":"T","period_amount":-1}`, 400, `{"period_amount":["Ensure this value is greater than or equal to 0."]}`},
		{"negative setup amount", `{"title":"T","setup_amount":-1}`, 400, `{"setup_amount":["Ensure this value is greater than or equal to 0."]}`},
		{"amount that is no integer", `{"title":"T","period_amount":"ten"}`, 400, `{"period_amount":["A valid integer is required."]}`},
		{"huge amount", `{"title":"T","period_amount":99999999999999999999}`, 400, `{"period_amount":["` + longest + `2147483647."]}`},
		{"unknown period", `{"title":"T","period_type":"fortnight"}`, 400,
			`{"period_type":["'fortnight' is not a valid choice. Expected one of ['hourly', 'daily', 'weekly', 'monthly', 'yearly']."]}`},
		{"empty period", `{"title":"T","period_type":""}`, 400, `{"period_type":["This field cannot be blank."]}`},
		{"unknown renewal", `{"title":"T","renewal_type":"maybe"}`, 400,
			`{"renewal_type":["'maybe' is not a valid choice. Expected one of ['one-time', 'auto-renew', 'repeat']."]}`},
		{"no periods", `{"title":"T","period_length":0}`, 400, `{"period_length":["Ensure this value is greater than or equal to 1."]}`},
		{"too many periods", `{"title":"T","period_length":65536}`, 400, `{"period_length":["` + longest + `65535."]}`},
		{"periods beyond the calendar", `{"title":"T","period_length":201}`, 400, `{"period_length":["` + longest + `200."]}`},
		{"long unit", `{"title":"T","unit":"euro"}`, 400, `{"unit":["Ensure this field has no more than 3 characters."]}`},
		{"bad unit", `{"title":"T","unit":"e$"}`, 400, `{"unit":["\"e$\" is not a valid choice."]}`},
		{"long event", `{"title":"T","unlock_event":"` + strings.Repeat("x", 129) + `"}`, 400, `{"unlock_event":["Ensure this field has no more than 128 characters."]}`},
		{"all that is wrong at once", `{"slug":"a b","period_type":"x","setup_amount":-1}`, 400, `~{"title":["This field is required."],"slug":["Enter~"setup_amount":[~"period_type":[`},

		{"discounts that are no list", `{"title":"T","advance_discounts":{}}`, 400, `{"advance_discounts":{"detail":["Expected a list of items but got type \"dict\"."]}}`},
		{"discount without anything", `{"title":"T","advance_discounts":[{}]}`, 400,
			`{"advance_discounts":[{"discount_type":["This field is required."],"discount_value":["This field is required."],"length":["This field is required."]}]}`},
		{"bad discounts among good ones", `{"title":"T","advance_discounts":[{"discount_type":"percentage","discount_value":1,"length":2},
			{"discount_type":"nope","discount_value":-1,"length":0}]}`, 400,
			`{"advance_discounts":[{},{"discount_type":["'nope' is not a valid choice. Expected one of ['percentage', 'currency', 'period']."],` +
				`"discount_value":["Ensure this value is greater than or equal to 0."],"length":["Ensure this value is greater than or equal to 1."]}]}`},
		{"discount of more than all", `{"title":"T","advance_discounts":[{"discount_type":"currency","discount_value":20000,"length":2},
			{"discount_type":"percentage","discount_value":10001,"length":2}]}`, 400, `{"advance_discounts":[{},{"discount_value":["` + longest + `10000."]}]}`},
		{"discount beyond the calendar", `{"title":"T","period_length":10,"advance_discounts":[{"discount_type":"period","discount_value":1,"length":21}]}`, 400,
			`{"advance_discounts":[{"length":["` + longest + `20."]}]}`},

		{"use without anything", `{"title":"T","use_charges":[{}]}`, 400, `{"use_charges":[{"slug":["This field is required."],"description":["This field is required."]}]}`},
		{"use that is taken", `{"title":"T","use_charges":[{"slug":"requests","description":"d"}]}`, 400, `{"slug":"This slug is already taken."}`},
		{"use twice", `{"title":"T","use_charges":[{"slug":"u","description":"d"},{"slug":"u","description":"e"}]}`, 400, `{"slug":"This slug is already taken."}`},
		{"negative use", `{"title":"T","use_charges":[{"slug":"u","description":"d","use_amount":-1,"quota":-1,"maximum_limit":-1}]}`, 400,
			`{"use_charges":[{"use_amount":["Ensure this value is greater than or equal to 0."],"quota":["Ensure this value is greater than or equal to 0."],` +
				`"maximum_limit":["Ensure this value is greater than or equal to 0."]}]}`},
		{"not an object", `[]`, 400, `{"detail":["Invalid data. Expected a dictionary, but got list."]}`},
		{"not JSON", `{`, 400, `~{"detail":"JSON parse error - `},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.Run(t, resttest.Case("post", "donny", url, test.body, test.status, test.want))
			if plans := w.values(`SELECT count(*) FROM plan`); test.status == 400 && plans != "7" {
				t.Errorf("a refused plan left %s rows", plans)
			}
		})
	}
}

func TestPlanSlugs(t *testing.T) {
	w := newWorld(t)
	defer directory.FixRandom(nil, "", "abcdef0", "abcdef1", "abcdef2")()
	long := strings.Repeat("long ", 10)
	w.Run(t,
		resttest.Case("accents", "donny", "POST /api/profile/cowork/plans", `{"title":"Café  & Crème"}`, 201, `~"slug":"cafe-creme"`),
		resttest.Case("clash", "gus", "POST /api/profile/gym/plans", `{"title":"Basic"}`, 201, `~"slug":"basic-abcdef0"`),
		resttest.Case("long", "donny", "POST /api/profile/cowork/plans", `{"title":"`+long+`"}`, 201, `~"slug":"long-long-long-long-long-long-long-long-long-long"`),
		resttest.Case("long clash", "gus", "POST /api/profile/gym/plans", `{"title":"`+long+`"}`, 201, `~"slug":"long-long-long-long-long-long-long-long-lo-abcdef1"`),
	)
	suffixes := make([]string, 12)
	for i := range suffixes {
		suffixes[i] = "abcdef0"
	}
	defer directory.FixRandom(nil, "", suffixes...)()
	w.Run(t, resttest.Case("no slug left", "alice", "POST /api/profile/hub/plans", `{"title":"Basic"}`, 400, `{"detail":"Unable to create a unique URL slug from title 'Basic'"}`))
}

// The unit of a provider's first plan is that of the next ones.
func TestPlanUnit(t *testing.T) {
	w := newWorld(t, func(s *Settings) { s.Unit, s.BrokerFeePercent = "chf", 250 })
	w.Run(t,
		resttest.Case("first", "alice", "POST /api/profile/hub/plans", `{"title":"One"}`, 201, `~"unit":"chf"`),
		resttest.Case("another", "alice", "POST /api/profile/hub/plans", `{"title":"Two","unit":"eur"}`, 201, `~"unit":"eur"`),
		resttest.Case("next", "alice", "POST /api/profile/hub/plans", `{"title":"Three"}`, 201, `~"unit":"chf"`),
		resttest.Case("next of a provider", "donny", "POST /api/profile/cowork/plans", `{"title":"Three"}`, 201, `~"unit":"usd"`),
	)
	if fees := w.values(`SELECT DISTINCT broker_fee_percent FROM plan WHERE slug IN ('one', 'two', 'three')`); fees != "250" {
		t.Errorf("broker fee %s", fees)
	}
}

func TestMinimumAmount(t *testing.T) {
	w := newWorld(t, func(s *Settings) {
		s.MinimumAmounts = map[ledger.Period]int64{ledger.Monthly: 500, ledger.Yearly: 5000}
	})
	const below = `{"detail":["Period amount must be greater or equal to 500."]}`
	w.Run(t,
		resttest.Case("monthly", "donny", "POST /api/profile/cowork/plans", `{"title":"A","period_amount":499,"period_type":"monthly"}`, 400, below),
		resttest.Case("monthly at it", "donny", "POST /api/profile/cowork/plans", `{"title":"A","period_amount":500,"period_type":"monthly"}`, 201, "*"),
		resttest.Case("yearly by default", "donny", "POST /api/profile/cowork/plans", `{"title":"B","period_amount":500}`, 400, `{"detail":["Period amount must be greater or equal to 5000."]}`),
		resttest.Case("weekly has none", "donny", "POST /api/profile/cowork/plans", `{"title":"C","period_type":"weekly"}`, 201, "*"),
		resttest.Case("cheaper", "donny", "PATCH /api/profile/cowork/plans/basic", `{"period_amount":1}`, 400, below),
		resttest.Case("a change of something else", "donny", "PATCH /api/profile/cowork/plans/club", `{"description":"d"}`, 200, "*"),
	)
}

func TestReadPlans(t *testing.T) {
	w := newWorld(t)
	w.exec(`UPDATE profile SET is_provider = 1 WHERE slug = 'gym'`)
	list := func(name, as, request, want string) resttest.Step {
		return resttest.Case(name, as, request, "", 200, "*").Then(func(t *testing.T, r *httptest.ResponseRecorder) {
			if got := results(t, r, "slug"); got != want {
				t.Errorf("plans %s, want %s", got, want)
			}
		})
	}
	w.Run(t,
		list("pricing", "", "GET /api/pricing", "6: club welcome basic gym-monthly premium annual"),
		list("pricing, dear first", "", "GET /api/pricing?o=-period_amount", "6: annual premium gym-monthly basic welcome club"),
		list("pricing, by title", "", "GET /api/pricing?o=title", "6: annual basic club gym-monthly premium welcome"),
		list("pricing, searched", "", "GET /api/pricing?q=gym", "1: gym-monthly"),
		list("pricing, searched in titles", "", "GET /api/pricing?q=cowork&q_f=title", "0:"),
		list("pricing, from", "", "GET /api/pricing?start_at=2026-01-02", "0:"),
		list("pricing, until", "", "GET /api/pricing?ends_at=2026-01-01", "0:"),
		list("all", "donny", "GET /api/profile/cowork/plans", "6: club legacy welcome basic premium annual"),
		list("active", "donny", "GET /api/profile/cowork/plans?active=true", "5: club welcome basic premium annual"),
		list("active, 1", "donny", "GET /api/profile/cowork/plans?active=1", "5: club welcome basic premium annual"),
		list("inactive, empty", "donny", "GET /api/profile/cowork/plans?active=", "1: legacy"),
		list("inactive, false", "donny", "GET /api/profile/cowork/plans?active=false", "1: legacy"),
		list("inactive, 0", "donny", "GET /api/profile/cowork/plans?active=0", "1: legacy"),
		list("search", "donny", "GET /api/profile/cowork/plans?q=prem", "1: premium"),
		list("page", "donny", "GET /api/profile/cowork/plans?page=2&page_size=4", "6: premium annual"),
		list("none", "yan", "GET /api/profile/acme/plans", "0:"),
		resttest.Case("active, neither", "donny", "GET /api/profile/cowork/plans?active=maybe", "", 400, `{"active":["Must be a valid boolean."]}`),
		resttest.Case("bad date", "donny", "GET /api/profile/cowork/plans?start_at=foo", "", 400, `~{"start_at":["Datetime has wrong format.`),
		resttest.Case("page too far", "donny", "GET /api/profile/cowork/plans?page=9", "", 404, `{"detail":"Invalid page."}`),
		resttest.Case("detail", "donny", "GET /api/profile/cowork/plans/annual", "", 200,
			`~"slug":"annual"~"advance_discounts":[{"discount_type":"percentage","discount_value":1000,"length":2},{"discount_type":"period","discount_value":1,"length":3}]`),
		resttest.Case("detail of a use", "donny", "GET /api/profile/cowork/plans/premium", "", 200, `~"setup_amount":1000~"use_charges":[{"slug":"requests","title":"Requests",`+
			`"description":"API requests","created_at":"2026-01-01T00:00:00Z","use_amount":300,"quota":10,"maximum_limit":1000,"extra":null}]`),
		resttest.Case("unknown", "donny", "GET /api/profile/cowork/plans/nope", "", 404, `{"detail":"No Plan matches the given query."}`),
		resttest.Case("in another case", "donny", "GET /api/profile/cowork/plans/Basic", "", 404, `{"detail":"No Plan matches the given query."}`),
		resttest.Case("of another provider", "donny", "GET /api/profile/cowork/plans/gym-monthly", "", 404, `{"detail":"No Plan matches the given query."}`),
		resttest.Case("csv", "donny", "GET /api/profile/cowork/plans?format=csv&q=basic", "", 200, "~slug,title,description,~\r\nbasic,Basic,,true,0,2000,monthly,"),
	)
	w.exec(`UPDATE plan SET is_not_priced = 1 WHERE slug = 'welcome'`)
	w.Run(t, list("what has no price comes last", "", "GET /api/pricing", "6: club basic gym-monthly premium annual welcome"))
}

func TestUpdatePlan(t *testing.T) {
	const url = "PATCH /api/profile/cowork/plans/"
	step := func(name, request, body, want string) resttest.Step {
		return resttest.Case(name, "donny", request, body, 200, want)
	}
	refused := func(name, request, body, want string) resttest.Step {
		return resttest.Case(name, "donny", request, body, 400, want)
	}
	w := newWorld(t)
	w.Run(t,
		step("nothing", "PUT /api/profile/cowork/plans/annual", `{}`,
			`~"slug":"annual","title":"Annual"~"period_amount":20000,"period_type":"yearly"~"discount_value":1000,"length":2~"detail":"Successfully updated plan titled 'Annual'."}`),
		step("a scalar leaves discounts alone (must-pass 5)", url+"annual", `{"period_amount":21000}`, `~"period_amount":21000~"advance_discounts":[{"discount_type":"percentage"`),
		step("and uses", url+"premium", `{"description":"d"}`, `~"description":"d"~"use_charges":[{"slug":"requests"`),
		step("other discounts", url+"annual", `{"advance_discounts":[{"discount_type":"currency","discount_value":5,"length":9}]}`,
			`~"advance_discounts":[{"discount_type":"currency","discount_value":5,"length":9}]`),
		step("no discounts", "PUT /api/profile/cowork/plans/annual", `{"advance_discounts":[]}`, `~"advance_discounts":[],`),
		step("what a use does not say is gone, but not what was used", url+"premium", `{"use_charges":[{"slug":"requests","description":"e"},{"slug":"more","description":"f","quota":3}]}`,
			`~"use_charges":[{"slug":"requests","title":null,"description":"e","created_at":"2026-01-01T00:00:00Z","use_amount":0,"quota":0,"maximum_limit":null,"extra":null},{"slug":"more"`),
		step("a use less", url+"premium", `{"use_charges":[{"slug":"more","description":"f"}]}`, `~"use_charges":[{"slug":"more"~}],`),
		step("extra", url+"premium", `{"extra":{"a":1}}`, `~"extra":{"a":1}`),
		step("extra is kept", url+"premium", `{"title":"Premium"}`, `~"extra":{"a":1}`),
		step("extra is dropped", url+"premium", `{"extra":null}`, `~"extra":null`),
		step("event", url+"premium", `{"unlock_event":"launch"}`, `~"unlock_event":"launch"`),
		step("no event", url+"premium", `{"unlock_event":null}`, `~"unlock_event":null`),
		step("title of a plan with subscribers", url+"basic", `{"title":"Basic Two"}`, `~{"slug":"basic","title":"Basic Two"`),
		step("title of a plan without", url+"legacy", `{"title":"Old Stock"}`, `~{"slug":"old-stock","title":"Old Stock"`),
		step("slug and title", url+"old-stock", `{"title":"Older","slug":"dusty"}`, `~{"slug":"dusty","title":"Older"`),
		step("slug of a plan with subscribers", url+"basic", `{"slug":"base"}`, `~{"slug":"base","title":"Basic Two"`),
		step("its own slug", url+"base", `{"slug":"Base"}`, `~{"slug":"Base"`),
		resttest.Case("the old slug is gone", "donny", url+"basic", `{}`, 404, `{"detail":"No Plan matches the given query."}`),
		resttest.Case("a bad body on what is not there", "donny", url+"basic", `{"title":""}`, 404, `{"detail":"No Plan matches the given query."}`),
		refused("slug taken", url+"annual", `{"slug":"premium"}`, `{"slug":"This slug is already taken."}`),
		refused("slug reserved", url+"annual", `{"slug":"expired"}`, `{"slug":"This slug is already taken."}`),
		refused("title taken", url+"annual", `{"title":"Premium"}`, `{"title":"A plan with this title already exists."}`),
		refused("empty title", url+"annual", `{"title":""}`, `{"title":["This field may not be blank."]}`),
		refused("no boolean", url+"annual", `{"is_active":null}`, `{"is_active":["This field may not be null."]}`),
		refused("use of another plan", url+"annual", `{"use_charges":[{"slug":"more","description":"d"}]}`, `{"slug":"This slug is already taken."}`),
		refused("too long with its discounts", url+"annual", `{"period_length":201}`, `{"period_length":["Ensure this value is less than or equal to 200."]}`),
	)
	if uses := w.values(`SELECT slug FROM use_charge`); uses != "more" {
		t.Errorf("uses left: %s", uses)
	}
}

// A discount that fits the plan as it is may not fit it as it will be.
func TestLongerPeriods(t *testing.T) {
	newWorld(t).Run(t, resttest.Case("", "donny", "PATCH /api/profile/cowork/plans/annual", `{"period_length":90}`, 400,
		`{"advance_discounts":[{},{"length":["Ensure this value is less than or equal to 2."]}]}`))
}

// A plan and a coupon of another system may have what is refused here: it does not stand in the way of other changes.
func TestChangeWhatWasImported(t *testing.T) {
	w := newWorld(t)
	w.exec(`UPDATE advance_discount SET discount_value = 20000`)
	w.exec(`UPDATE plan SET period_length = 900 WHERE slug = 'annual'`)
	w.exec(`INSERT INTO coupon (code, profile_id, created_at, discount_value) SELECT 'BIG', id, 0, 20000 FROM profile WHERE slug = 'cowork'`)
	w.Run(t,
		resttest.Case("plan", "donny", "PATCH /api/profile/cowork/plans/annual", `{"description":"d"}`, 200, `~"discount_value":20000`),
		resttest.Case("its period", "donny", "PATCH /api/profile/cowork/plans/annual", `{"period_type":"monthly","period_length":1}`, 400, `~{"advance_discounts":[`),
		resttest.Case("coupon", "donny", "PATCH /api/billing/cowork/coupons/BIG", `{"description":"d"}`, 200, `~"discount_value":20000`),
		resttest.Case("its value", "donny", "PATCH /api/billing/cowork/coupons/BIG", `{"discount_value":10001}`, 400, "*"),
	)
}

func TestDeletePlan(t *testing.T) {
	w := newWorld(t)
	w.exec(`INSERT INTO coupon (code, profile_id, created_at, plan_id) SELECT 'X', profile_id, 0, id FROM plan WHERE slug = 'annual'`)
	w.exec(`INSERT INTO cart_item (created_at, user_id, plan_id) SELECT 0, 1, id FROM plan WHERE slug = 'annual'`)
	w.exec(`INSERT INTO cart_item (created_at, user_id, plan_id, recorded) SELECT 0, 1, id, 1 FROM plan WHERE slug = 'legacy'`)
	w.Run(t,
		resttest.Case("nobody subscribed", "donny", "DELETE /api/profile/cowork/plans/annual", "", 204, ""),
		resttest.Case("gone", "donny", "DELETE /api/profile/cowork/plans/annual", "", 404, `{"detail":"No Plan matches the given query."}`),
		resttest.Case("somebody subscribes", "donny", "DELETE /api/profile/cowork/plans/basic", "", 403, `{"detail":"Cannot delete a plan with subscribers"}`),
		resttest.Case("somebody asks", "donny", "DELETE /api/profile/cowork/plans/club", "", 403, `{"detail":"Cannot delete a plan with subscribers"}`),
		resttest.Case("somebody paid", "donny", "DELETE /api/profile/cowork/plans/legacy", "", 403, `{"detail":"Cannot delete a plan with subscribers"}`),
	)
	if left := w.values(`SELECT count(*) FROM advance_discount UNION ALL SELECT count(*) FROM coupon UNION ALL SELECT count(*) FROM cart_item WHERE recorded = 0`); left != "0 0 0" {
		t.Errorf("discounts, coupons and cart items left: %s", left)
	}
}

// The site's own page shows the plans of the broker and of those whom it made providers: anybody can make plans.
func TestPricingShowsProviders(t *testing.T) {
	w := newWorld(t)
	w.exec(`UPDATE profile SET is_provider = 0`)
	shown := func(name, want string) {
		w.Run(t, resttest.Case(name, "", "GET /api/pricing?o=title", "", 200, "*").Then(func(t *testing.T, r *httptest.ResponseRecorder) {
			if got := results(t, r, "slug"); got != want {
				t.Errorf("plans %s, want %s", got, want)
			}
			if got := r.Header().Get("Cache-Control"); got != "" {
				t.Errorf("Cache-Control %q", got)
			}
		}))
	}
	shown("nobody's", "0:")
	w.Run(t, resttest.Case("the broker's", "alice", "POST /api/profile/hub/plans", `{"title":"One","is_active":true}`, 201, "*"))
	w.exec(`UPDATE plan SET is_active = 1, created_at = 0 WHERE slug = 'one'`)
	shown("the broker's", "1: one")
	w.exec(`UPDATE profile SET is_provider = 1 WHERE slug = 'gym'`)
	shown("a provider's", "2: gym-monthly one")
}

// /api/pricing knows the caller's cart, and the coupons in it (subscriptions.md 4.1).
func TestPricingOfCart(t *testing.T) {
	w := newWorld(t)
	w.exec(`UPDATE profile SET is_provider = 1 WHERE slug = 'gym'`)
	prices := func(name, as, want string, headers ...string) resttest.Step {
		return resttest.Case(name, as, "GET /api/pricing", "", 200, "*").With(headers...).Then(func(t *testing.T, r *httptest.ResponseRecorder) {
			t.Helper()
			got := results(t, r, "slug") + " / " + results(t, r, "discounted_period_amount") + " / " + results(t, r, "is_cart_item")
			if got = strings.ReplaceAll(got, "6: ", ""); got != want {
				t.Errorf("prices %s\nwant   %s", got, want)
			}
		})
	}
	const plain = "club welcome basic gym-monthly premium annual / 0 1500 2000 3000 5000 20000 / "
	coupon := func(code, provider string, kind, value int, rest string) {
		w.exec(`INSERT INTO coupon (code, profile_id, created_at, discount_type, discount_value, ends_at, nb_attempts, plan_id)
			SELECT ?, id, 0, ?, ?, `+rest+` FROM profile WHERE slug = ?`, code, kind, value, provider)
	}
	coupon("HALF", "cowork", 1, 5000, "NULL, NULL, NULL")
	coupon("ALL", "cowork", 2, 4000, "NULL, 1, NULL")
	coupon("PREM", "cowork", 3, 1, "NULL, NULL, (SELECT id FROM plan WHERE slug = 'premium')")
	coupon("OLD", "cowork", 1, 5000, "1, NULL, NULL")
	coupon("USED", "cowork", 1, 5000, "NULL, 0, NULL")
	item := func(who, plan string, coupon any) {
		w.exec(`INSERT INTO cart_item (created_at, user_id, plan_id, coupon_id) SELECT 0, (SELECT id FROM user WHERE username = ?), id,
			(SELECT id FROM coupon WHERE code = ?) FROM plan WHERE slug = ?`, who, coupon, plan)
	}
	w.Run(t, prices("nobody's", "", plain+"false false false false false false"), prices("empty", "xia", plain+"false false false false false false"))

	item("xia", "basic", nil)
	w.Run(t, prices("an item", "xia", plain+"false false true false false false"), prices("somebody else's", "zoe", plain+"false false false false false false"))

	item("xia", "annual", "HALF")
	item("xia", "gym-monthly", nil)
	w.Run(t, prices("a coupon holds for the provider's plans", "xia",
		"club welcome basic gym-monthly premium annual / 0 750 1000 3000 2500 10000 / false false true true false true"))

	item("xia", "premium", "PREM")
	w.Run(t, prices("an item's own coupon comes first", "xia",
		"club welcome basic gym-monthly premium annual / 0 750 1000 3000 0 10000 / false false true true true true"))

	item("yan", "basic", "ALL")
	item("yan", "premium", "OLD")
	item("yan", "annual", "USED")
	w.Run(t, prices("never below zero, and never by coupons that ended or are used up", "yan",
		"club welcome basic gym-monthly premium annual / 0 0 0 3000 1000 16000 / false false true false true true"))

	w.exec(`INSERT INTO cart_item (created_at, user_id, plan_id, recorded) SELECT 0, id, (SELECT id FROM plan WHERE slug = 'basic'), 1 FROM user WHERE username = 'zoe'`)
	w.Run(t, prices("what was bought is not in the cart", "zoe", plain+"false false false false false false"))

	w.exec(`INSERT INTO cart_item (created_at, anonymous_id, plan_id) SELECT 0, ?, id FROM plan WHERE slug = 'basic'`, CartHash("secret"))
	w.exec(`INSERT INTO cart (anonymous_id, redeemed, updated_at) VALUES (?, 'half', 0)`, CartHash("secret"))
	w.Run(t,
		prices("a visitor's, by the code that was redeemed", "", "club welcome basic gym-monthly premium annual / 0 750 1000 3000 2500 10000 / false false true false false false", "Cookie: cart=secret"),
		prices("another visitor's", "", plain+"false false false false false false", "Cookie: cart=guess"))
}

// A profile has so many plans and coupons, a plan so many discounts and uses: anybody may make them (decision 77).
func TestPlansAndCouponsAreBounded(t *testing.T) {
	w := newWorld(t)
	w.exec(`INSERT INTO plan (slug, title, profile_id, created_at)
		WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 998)
		SELECT 'p' || i, 'P' || i, (SELECT id FROM profile WHERE slug = 'gym'), 0 FROM n`)
	w.exec(`INSERT INTO coupon (code, profile_id, created_at) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)
		SELECT 'C' || i, (SELECT id FROM profile WHERE slug = 'gym'), 0 FROM n`)
	post := func(name, as, path, body string, status int, want string) resttest.Step {
		return resttest.Case(name, as, "POST "+path, body, status, want)
	}
	many := func(item string) string { return "[" + strings.Repeat(item+",", 100) + item + "]" }
	const coupon = `,"discount_type":"period","discount_value":1}`
	w.Run(t,
		post("the last plan", "gus", "/api/profile/gym/plans", `{"title":"Last"}`, 201, `*`),
		post("one more", "gus", "/api/profile/gym/plans", `{"title":"More"}`, 400,
			`{"detail":"A profile has at most 1000 plans. Delete one first."}`),
		post("of another profile", "donny", "/api/profile/cowork/plans", `{"title":"Other"}`, 201, `*`),
		post("the last coupon", "gus", "/api/billing/gym/coupons", `{"code":"LAST"`+coupon, 201, `*`),
		post("one more", "gus", "/api/billing/gym/coupons", `{"code":"MORE"`+coupon, 400,
			`{"detail":"A profile has at most 10000 coupons. Delete one first."}`),
		post("of another profile", "donny", "/api/billing/cowork/coupons", `{"code":"MORE"`+coupon, 201, `*`),
		post("many discounts", "donny", "/api/profile/cowork/plans",
			`{"title":"A","advance_discounts":`+many(`{"discount_type":"period","discount_value":1,"length":2}`)+`}`, 400,
			`{"advance_discounts":["Ensure this field has no more than 100 elements."]}`),
		post("many uses", "donny", "/api/profile/cowork/plans", `{"title":"A","use_charges":`+many(`{"slug":"u","description":"x"}`)+`}`, 400,
			`{"use_charges":["Ensure this field has no more than 100 elements."]}`),
	)
}
