package rest_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// A user changes so much in an hour. What fails, is tried out, is repeated or takes away does not count, and neither do others.
func TestWritesOfOneUser(t *testing.T) {
	clock := storetest.NewClock()
	fine := func(_ *rest.Call, _ *store.Tx, in *saleInput) (item, error) {
		if in.Fail {
			return item{}, errCard
		}
		return item{in.Title}, nil
	}
	steps := func(c *rest.Call, in *saleInput) (out item, err error) {
		for range 3 {
			if err := c.Write(func(tx *store.Tx) error { return nil }); err != nil {
				return out, err
			}
		}
		return item{in.Title}, nil
	}
	site := resttest.With(t, rest.Options{
		Store: storetest.NewAt(t, clock), Directory: resttest.Cowork(), Limits: rest.Limits{rest.LimitWrites: {PerUser: 3}},
	}, clock, []rest.Endpoint{
		rest.Post("/api/billing/{profile}/checkout", accessrules.Public, fine, rest.Keyed()),
		rest.Act("POST", "/api/billing/{profile}/balance", accessrules.Public, steps),
		rest.Delete("/api/cart", accessrules.Public,
			func(_ *rest.Call, _ *store.Tx, _ *rest.None) (rest.None, error) { return rest.None{}, nil }),
	}).Undescribed()
	const sale, later = "POST /api/billing/acme/checkout", "Retry-After: 3600"
	good := `{"title":"x"}`
	site.Run(t,
		resttest.Case("a sale", "xia", sale, good, 200, `*`).With("Idempotency-Key: a"),
		resttest.Case("the same again", "xia", sale, good, 200, `*`).With("Idempotency-Key: a"),
		resttest.Case("tried out", "xia", sale+"?dry_run=true", good, 200, `*`),
		resttest.Case("one that fails", "xia", sale, `{"title":"x","fail":true}`, 400, `*`),
		resttest.Case("one of three steps", "xia", "POST /api/billing/acme/balance", good, 200, `*`),
		resttest.Case("the third", "xia", sale, good, 200, `*`),
		resttest.Case("the fourth", "xia", sale, good, 429, `*`).Wants(later),
		resttest.Case("what was answered before", "xia", sale, good, 200, `*`).With("Idempotency-Key: a"),
		resttest.Case("what takes away", "xia", "DELETE /api/cart", "", 204, ``),
		resttest.Case("somebody else", "yan", sale, good, 200, `*`),
		resttest.Case("a visitor", "", sale, good, 200, `*`),
	)
	for range 5 {
		site.Run(t, resttest.Case("the broker's manager", "alice", sale, good, 200, `*`))
	}
	clock.Advance(time.Hour)
	site.Run(t, resttest.Case("an hour later", "xia", sale, good, 200, `*`))
}

// Texts that the contract does not bound, and any JSON, have a greatest length.
func TestLongTexts(t *testing.T) {
	type input struct {
		Text  string                    `json:"text"`
		Own   string                    `json:"own" validate:"max=100000"`
		Extra rest.Opt[json.RawMessage] `json:"extra" in:"null"`
	}
	clock := storetest.NewClock()
	site := resttest.With(t, rest.Options{Store: storetest.NewAt(t, clock), Directory: resttest.Cowork()}, clock, []rest.Endpoint{
		rest.Post("/api/contact", accessrules.Public, func(_ *rest.Call, _ *store.Tx, in *input) (item, error) { return item{}, nil }),
	}).Undescribed()
	text := func(n int) string { return strings.Repeat("x", n) }
	site.Run(t,
		resttest.Case("as long as may be", "", "POST /api/contact", `{"text":"`+text(65536)+`","extra":"`+text(16382)+`"}`, http.StatusOK, `*`),
		resttest.Case("longer", "", "POST /api/contact", `{"text":"`+text(65537)+`","extra":{"a":"`+text(16384)+`"}}`, http.StatusBadRequest,
			`{"text":["Ensure this field has no more than 65536 characters."],"extra":["Ensure this field has no more than 16384 characters."]}`),
		resttest.Case("with a length of its own", "", "POST /api/contact", `{"own":"`+text(80000)+`"}`, http.StatusOK, `*`),
	)
}
