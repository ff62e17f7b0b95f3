package billing

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/api/processor"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

// posting is a sandbox that posts events: "ID KEY", signed "good".
type posting struct{ *processor.Sandbox }

func (posting) ParseWebhook(h http.Header, body []byte, _ time.Time) (processor.Event, error) {
	id, key, _ := strings.Cut(string(body), " ")
	if h.Get("Stripe-Signature") != "good" {
		return processor.Event{}, errors.New("bad signature")
	}
	return processor.Event{ID: id, Kind: processor.ChargeSucceeded, ChargeKey: key}, nil
}

// TestWebhook takes in what the processor posts, once, and nothing that others post (ledger.md 8.4, 9.18).
func TestWebhook(t *testing.T) {
	w := newWorld(t)
	c := resttest.Case
	const post, signed = "POST /api/stripe/postevent", "Stripe-Signature: good"
	w.Run(t, c("the sandbox posts nothing", "", post, "evt_1 x", 400, ""))
	w.sandbox = posting{w.sandbox.(*processor.Sandbox)}
	w.restart()
	w.Run(t,
		c("cart", "xia", "POST /api/cart", `{"plan":"premium"}`, 201, `~"plan"`),
		c("paid", "xia", "POST /api/billing/xia/checkout", `{"processor_token":"tok_visa"}`, 201, `~"state":"created"`),
	)
	key := w.values(`SELECT processor_key FROM charge`)
	w.Run(t,
		c("not signed", "", post, "evt_1 "+key, 400, ""),
		c("badly signed", "", post, "evt_1 "+key, 400, "").With("Stripe-Signature: bad"),
		c("too long", "", post, strings.Repeat("x", 1<<20+1), 413, `~{"detail"`).With(signed),
		c("of another site", "", post, "evt_1 ch_nope", 404, `~{"detail"`).With(signed),
		c("not a method", "", "GET /api/stripe/postevent", "", 405, `~{"detail"`),
	)
	if got := w.values(`SELECT state FROM charge`); got != "0" {
		t.Fatalf("state %s", got)
	}
	w.Run(t, c("taken in", "", post, "evt_1 "+key, 200, `"OK"`).With(signed))
	books := w.values(`SELECT count(*) FROM txn`)
	w.Run(t,
		c("again", "", post, "evt_1 "+key, 200, `"OK"`).With(signed),
		c("another of the same", "", post, "evt_2 "+key, 200, `"OK"`).With(signed),
	)
	if got := w.values(`SELECT state FROM charge UNION ALL SELECT count(*) FROM txn`); got != "1 "+books {
		t.Errorf("state and entries %s, want 1 %s", got, books)
	}
	w.agree("webhook")
}
