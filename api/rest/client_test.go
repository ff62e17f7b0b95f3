package rest_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// Each limit of a client is one of an IPv4 address or of a /64; a /48 has eight times as much, and an address that many come from who are
// not told apart a hundred times.
func TestEachLimitIsOneOfAClient(t *testing.T) {
	for limit, bound := range rest.DefaultLimits() {
		if bound.PerClient == 0 {
			continue
		}
		crowd := false
		clock := storetest.NewClock()
		site := resttest.With(t, rest.Options{
			Store: storetest.NewAt(t, clock), Directory: resttest.Cowork(), Limits: rest.Limits{limit: {PerClient: 2}},
			Crowd: func(*http.Request) bool { return crowd },
		}, clock, []rest.Endpoint{
			rest.Post("/api/contact", accessrules.Public, func(c *rest.Call, tx *store.Tx, _ *rest.None) (item, error) {
				return item{}, c.Count(tx, limit)
			}),
		}).Undescribed()
		admitted := func(n int, address func(i int) string) (admitted int) {
			p := paced{site, clock}
			for i := range n {
				if p.ask(t.Context(), address(i), "POST /api/contact", "").Code == http.StatusOK {
					admitted++
				}
			}
			return admitted
		}
		for _, c := range []struct {
			who     string
			address func(i int) string
			crowd   bool
			n, want int
		}{
			{"an address", func(i int) string { return fmt.Sprintf("192.0.2.1:%d", i) }, false, 5, 2},
			{"addresses", func(i int) string { return fmt.Sprintf("192.0.2.%d:1", 10+i) }, false, 5, 5},
			{"a /64", func(i int) string { return fmt.Sprintf("[2001:db8:1:1::%x]:1", i) }, false, 5, 2},
			{"a /48", func(i int) string { return fmt.Sprintf("[2001:db8:2:%x::1]:1", i) }, false, 30, 16},
			{"a proxy that is not trusted", func(i int) string { return "10.0.0.1:1" }, true, 210, 200},
		} {
			crowd = c.crowd
			if n := admitted(c.n, c.address); n != c.want {
				t.Errorf("%s: %d times from %s, want %d", limit, n, c.who, c.want)
			}
		}
	}
}
