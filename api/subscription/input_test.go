package subscription

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

// anyValue is some JSON: of the right type now and then.
func anyValue(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		switch rapid.IntRange(0, 9).Draw(t, "kind") {
		case 0:
			return nil
		case 1:
			return rapid.Bool().Draw(t, "bool")
		case 2:
			return rapid.Int64().Draw(t, "number")
		case 3:
			return json.Number(rapid.SampledFrom([]string{"1e400", "-0", "0.5", "99999999999999999999999", "2147483647", "2147483648", "1"}).Draw(t, "odd number"))
		case 4:
			return rapid.String().Draw(t, "string")
		case 5, 6:
			return rapid.SampledFrom([]string{"", " ", "basic", "xia", "expired", "cpn_x", "percentage", "period", "monthly", "repeat", "usd", "x@example.com", "personal",
				"2026-03-15", "9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00+14:00", "\x00", "日本", strings.Repeat("a", 60)}).Draw(t, "word")
		case 7:
			if depth > 0 {
				return rapid.SliceOfN(anyValue(depth-1), 0, 3).Draw(t, "list")
			}
		case 8:
			if depth > 0 {
				return anyObject([]string{"slug", "email", "full_name", "type", "discount_type", "discount_value", "length", "description", "use_amount", "quota", "maximum_limit", "title", "country", "phone", "default_timezone", "extra"}, depth-1).Draw(t, "object")
			}
		}
		return rapid.IntRange(0, 3).Draw(t, "small")
	})
}

func anyObject(fields []string, depth int) *rapid.Generator[map[string]any] {
	return rapid.Custom(func(t *rapid.T) map[string]any {
		o := map[string]any{}
		for range rapid.IntRange(0, 5).Draw(t, "fields") {
			o[rapid.SampledFrom(fields).Draw(t, "field")] = anyValue(depth).Draw(t, "value")
		}
		return o
	})
}

// No body makes an endpoint fail (must-pass 6).
func TestAnyBody(t *testing.T) {
	w := newWorld(t)
	w.exec(`INSERT INTO coupon (code, profile_id, created_at) SELECT 'X', id, 0 FROM profile WHERE slug = 'cowork'`)
	plan := []string{"title", "slug", "description", "is_active", "setup_amount", "period_amount", "period_type", "period_length", "renewal_type", "unit", "unlock_event", "extra",
		"advance_discounts", "use_charges", "is_not_priced"}
	coupon := []string{"code", "discount_type", "discount_value", "ends_at", "description", "nb_attempts", "plan"}
	change := []string{"ends_at", "auto_renew", "description", "extra"}
	targets := []struct {
		request string
		fields  []string
	}{
		{"POST /api/profile/cowork/plans", plan},
		{"PATCH /api/profile/cowork/plans/annual", plan},
		{"PUT /api/profile/cowork/plans/premium", plan},
		{"POST /api/billing/cowork/coupons", coupon},
		{"PATCH /api/billing/cowork/coupons/X", coupon},
		{"PATCH /api/profile/xia/subscriptions/basic", change},
		{"PUT /api/profile/cowork/plans/welcome/subscriptions/ghost", change},
		{"POST /api/profile/cowork/plans/basic/subscriptions", []string{"profile", "organization", "message"}},
		{"POST /api/profile/cowork/plans/basic/subscriptions?force=1", []string{"profile", "organization"}},
		{"POST /api/cart/redeem", []string{"code"}},
	}
	rapid.Check(t, func(t *rapid.T) {
		target := rapid.SampledFrom(targets).Draw(t, "endpoint")
		body, err := json.Marshal(anyObject(target.fields, 2).Draw(t, "body"))
		if err != nil {
			t.Skip(err)
		}
		if r := w.Do("donny", target.request, string(body)); r.Code >= http.StatusInternalServerError {
			t.Fatalf("%s %s: %d %s", target.request, body, r.Code, r.Body)
		}
		for _, list := range []string{"GET /api/profile/cowork/plans?page_size=100", "GET /api/pricing", "GET /api/profile/cowork/subscribers/subscriptions/all", "GET /api/billing/cowork/coupons"} {
			if r := w.Do("donny", list, ""); r.Code != http.StatusOK {
				t.Fatalf("after %s %s: %s answers %d %s", target.request, body, list, r.Code, r.Body)
			}
		}
	})
}

// No query makes a list fail.
func TestAnyQuery(t *testing.T) {
	w := newWorld(t)
	lists := []string{"/api/pricing", "/api/profile/cowork/plans", "/api/billing/cowork/coupons", "/api/profile/acme/subscriptions", "/api/profile/acme/subscriptions/expired",
		"/api/profile/cowork/subscribers", "/api/profile/cowork/subscribers/all", "/api/profile/cowork/subscribers/engaged", "/api/profile/cowork/subscribers/unengaged",
		"/api/profile/cowork/subscribers/subscriptions", "/api/profile/cowork/subscribers/subscriptions/all", "/api/profile/cowork/subscribers/subscriptions/churned",
		"/api/profile/cowork/plans/basic/subscriptions", "/api/profile/cowork/plans/basic/subscriptions/all", "/api/profile/cowork/plans/basic/subscriptions/churned"}
	names := []string{"q", "q_f", "o", "page", "page_size", "start_at", "ends_at", "timezone", "active", "format"}
	words := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "0", "-1", "1", "last", "2026-03-15", "9999-12-31", "0001-01-01T00:00:00+14:00", "full_name", "-profile__full_name",
		"plan__title", "grant_key", "s.grant_key", "period_amount", "true", "csv", "json", "%", "_", `"a,b"`, "Europe/Paris", "xia"}))
	rapid.Check(t, func(t *rapid.T) {
		query := url.Values{}
		for range rapid.IntRange(0, 4).Draw(t, "parameters") {
			query.Add(rapid.SampledFrom(names).Draw(t, "name"), words.Draw(t, "value"))
		}
		request := "GET " + rapid.SampledFrom(lists).Draw(t, "list") + "?" + query.Encode()
		r := httptest.NewRecorder()
		w.Site.Service.ServeHTTP(r, resttest.NewRequest("alice", request, "")) // parameters are anything but what the API says of them
		if r.Code >= http.StatusInternalServerError {
			t.Fatalf("%s: %d %s", request, r.Code, r.Body)
		}
		if strings.Contains(r.Body.String(), "no such column") {
			t.Fatalf("%s: %s", request, r.Body)
		}
	})
}
