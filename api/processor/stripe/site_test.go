package stripe

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/api"
	"github.com/caddy-tollgate/tollgate/api/auth"
	"github.com/caddy-tollgate/tollgate/api/billing"
	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/api/profile"
	"github.com/caddy-tollgate/tollgate/api/subscription"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// site is the whole API over the fake: the demo's donny manages the broker, xia buys.
type site struct {
	t     *testing.T
	f     *fake
	clock *storetest.Clock
	*api.Service
	*api.Site
	tokens map[string]string
}

func newSite(t *testing.T) *site {
	dir := t.TempDir()
	w := &site{t: t, f: newFake(t), clock: storetest.NewClock(), tokens: map[string]string{}}
	w.clock.Set(posted)
	var err error
	w.Site, err = api.Open(t.Context(), api.SiteOptions{Path: filepath.Join(dir, "tollgate.db"), Secrets: filepath.Join(dir, "secrets.json"), Now: w.clock.Now, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Destruct() })
	settings := auth.DefaultSettings()
	settings.MinPassword = 4 // of the demo
	w.Service, err = api.New(w.Site, api.Options{Broker: api.Broker{Slug: "cowork", FullName: "Cowork"}, Demo: true, From: "site@example.com",
		Mailer: notice.LogMailer{Logger: zap.NewNop()}, Auth: settings, Profile: profile.DefaultSettings(),
		Subscription: subscription.DefaultSettings(), Billing: billing.DefaultSettings(), Processor: w.f.open(false)})
	if err == nil {
		err = w.Start(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{"xia", "donny"} {
		w.tokens[user] = w.do("", "POST /api/auth", `{"username":"`+user+`","password":"yoyo"}`, 201)["token"].(string)
	}
	w.do("xia", "POST /api/cart", `{"plan":"premium"}`, 201)
	return w
}

// do sends a request and returns what is answered, which has this status.
func (w *site) do(user, what, body string, status int, header ...string) (out object) {
	w.t.Helper()
	method, path, _ := strings.Cut(what, " ")
	r := httptest.NewRequest(method, "http://localhost"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	if user != "" {
		r.Header.Set("Authorization", "Bearer "+w.tokens[user])
	}
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	answer := httptest.NewRecorder()
	w.ServeHTTP(answer, r)
	if answer.Code != status {
		w.t.Fatalf("%s: %d %s, want %d", what, answer.Code, answer.Body, status)
	}
	_ = json.Unmarshal(answer.Body.Bytes(), &out)
	return out
}

// buy checks out with what is in xia's cart.
func (w *site) buy(body string, status int) object {
	w.t.Helper()
	return w.do("xia", "POST /api/billing/xia/checkout", `{"items":[{"option":1}],`+body+`}`, status)
}

// post posts what became of a charge, as Stripe does.
func (w *site) post(id, kind, key string, status int, signature ...string) {
	w.t.Helper()
	body := fmt.Sprintf(`{"id":%q,"object":"event","type":%q,"created":1767225600,"livemode":false,"data":{"object":{"id":%q,"object":"charge"}}}`, id, kind, key)
	if signature == nil {
		signature = []string{sign(body, hook, w.clock.Now())}
	}
	w.do("", "POST /api/stripe/postevent", body, status, "Stripe-Signature: "+signature[0])
}

// check proves the books, and that the charges of Stripe's and ours are the same.
func (w *site) check(charges int) {
	w.t.Helper()
	report, err := ledger.Verify(w.t.Context(), w.Store, nil)
	if err != nil || len(report.Problems) > 0 {
		w.t.Errorf("the books are not in order: %v, %v", report, err)
	}
	w.clock.Advance(time.Second) // lists end before now
	if ours := w.do("donny", "GET /api/billing/charges", "", 200)["count"]; ours != float64(charges) || w.f.count("charge", "") != charges {
		w.t.Errorf("%v charges here and %d at Stripe, want %d", ours, w.f.count("charge", ""), charges)
	}
}

// TestSite sells, is told by Stripe, gives back, and loses a dispute.
func TestSite(t *testing.T) {
	w := newSite(t)
	w.buy(`"processor_token":"tok_declined"`, 400)
	key := w.buy(`"processor_token":"tok_visa","remember_card":true`, 201)["processor_key"].(string)
	charge := "/api/billing/xia/charges/" + key
	w.post("evt_1", "charge.succeeded", key, 400, "t=1767225600,v1="+strings.Repeat("0", 64))
	w.post("evt_1", "charge.succeeded", "ch_none", 404)
	w.post("evt_1", "charge.succeeded", key, 200)
	state := func(want string) {
		t.Helper()
		if got := w.do("donny", "GET "+charge, "", 200)["state"]; got != want {
			t.Errorf("the charge is %v, want %s", got, want)
		}
	}
	state("done")
	for _, id := range []string{"evt_1", "evt_2"} {
		w.post(id, "charge.succeeded", key, 200)
	}
	w.do("donny", "POST "+charge+"/refund", `{"lines":[{"num":0,"refunded_amount":2000}]}`, 200)
	w.post("evt_3", "charge.refunded", key, 200)
	if got := w.f.of(key, "amount_refunded"); got != int64(2000) {
		t.Errorf("given back %v", got)
	}
	w.f.with(func() { w.f.add("dp", "dispute", object{"charge": key, "status": "under_review"}) })
	w.f.change(key, "disputed", true)
	w.post("evt_4", "charge.dispute.created", key, 200)
	state("disputed")
	w.check(1)
	if card := w.do("xia", "GET /api/billing/xia/card", "", 200); card["last4"] != "***-4242" {
		t.Errorf("card %v", card)
	}
}

// TestSiteAsked lets the bank ask before it pays.
func TestSiteAsked(t *testing.T) {
	w := newSite(t)
	asked := w.buy(`"processor_token":"tok_3ds"`, 400)
	secret, _ := asked["client_secret"].(string)
	if asked["code"] != "authentication_required" || secret == "" {
		t.Fatalf("%v", asked)
	}
	w.f.browse(secret)
	token, _, _ := strings.Cut(secret, "_secret")
	w.buy(`"processor_token":"`+token+`"`, 201)
	w.check(1)
}

// TestSiteLost loses every answer to a payment: the customer cannot pay twice, and the sweeper finishes the payment once.
func TestSiteLost(t *testing.T) {
	w := newSite(t)
	w.f.fail(slices.Repeat([]fault{{"POST /v1/payment_intents", "lost", ""}}, tries)...)
	w.buy(`"processor_token":"tok_visa"`, 400)
	w.buy(`"processor_token":"tok_visa"`, 409)
	w.f.forget()
	w.clock.Advance(3 * time.Minute)
	if err := w.Start(t.Context()); err != nil { // which runs the jobs
		t.Fatal(err)
	}
	for range 100 {
		w.clock.Advance(time.Second)
		if w.do("donny", "GET /api/billing/charges", "", 200)["count"] == float64(1) {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	w.check(1)
}
