package subscription

import (
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

// TestGrantedShowTyped: until a grant is accepted, its provider learns nothing of whom it named by an address: not from lists, searches
// and orders, nor by trying slugs. It takes the grant back under the name that it typed (decision 78).
func TestGrantedShowTyped(t *testing.T) {
	w := newWorld(t)
	c := resttest.Case
	const sales = "/api/profile/cowork/plans/premium/subscriptions"
	w.Run(t, c("grant", "donny", "POST "+sales, `{"profile":{"email":"xia@example.com","full_name":"Somebody","type":"personal"}}`, 201, "~"+
		typedProfile("xia@example.com", "Somebody", "Somebody", "xia@example.com")))
	w.Clock.Advance(1e9)
	for _, path := range []string{sales, sales + "/all", sales + "/xia@example.com", sales + "?q=somebody&q_f=profile__full_name", sales + "?q=xia@ex&q_f=profile__email"} {
		body := w.Do("donny", "GET "+path, "").Body.String()
		if !strings.Contains(body, `"slug":"xia@example.com","printable_name":"Somebody"`) || strings.Contains(body, `"slug":"xia"`) || strings.Contains(body, "Xia Lee") ||
			strings.Contains(body, "/xia/") {
			t.Errorf("%s: %s", path, body)
		}
	}
	w.Run(t,
		c("searched by name", "donny", "GET "+sales+"?q=lee", "", 200, `~{"count":0`),
		c("by phone", "donny", "GET "+sales+"?q=1415", "", 200, `~{"count":1,~"slug":"acme"`),
		c("by slug", "donny", "GET "+sales+"/xia", "", 404, `{"detail":"cannot find active subscription to premium for xia"}`),
		c("taken back by slug", "donny", "DELETE "+sales+"/xia", "", 204, ""),
		c("which it is not", "donny", "GET "+sales+"/xia@example.com", "", 200, `~/plans/premium/subscriptions/xia@example.com"`),
		c("seen by the subscriber", "xia", "GET /api/profile/xia/subscriptions/premium", "", 200, `~"profile":{"slug":"xia","printable_name":"Xia Lee"`),
		c("taken back", "donny", "DELETE "+sales+"/xia@example.com", "", 204, ""),
		c("gone", "donny", "GET "+sales+"/xia@example.com", "", 404, "*"),
	)
}
