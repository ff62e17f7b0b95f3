package stripe

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/api/processor"
)

// object is something of Stripe's, in the shape of its JSON.
type object = map[string]any

// fake plays Stripe's API: it keeps idempotency keys with the parameters that they came with, and answers as Stripe does. Cards are
// known by their tokens: tok_declined, tok_insufficient, tok_3ds (asks for authentication), any other pays.
type fake struct {
	t   *testing.T
	url string

	mu      sync.Mutex
	now     int64 // seconds since 1970
	n       int
	all     map[string]object   // by id
	made    []string            // ids in the order they were made
	keys    map[string]answered // idempotency keys
	faults  []fault
	seen    []*http.Request // with their forms
	blind   bool            // the search index is behind
	revoked map[string]bool // connected accounts that are no more
}

type answered struct {
	form   string
	status int
	body   []byte
}

// A fault is what goes wrong with the next request whose "METHOD path" begins with on.
type fault struct {
	on   string
	what string // "lost": acted and no answer; "never": no answer and did not act; "cut": half an answer; or a status, before acting
	code string // of the error
}

func newFake(t *testing.T) *fake {
	f := &fake{t: t, now: 1767225600, all: map[string]object{}, keys: map[string]answered{}, revoked: map[string]bool{}}
	server := httptest.NewServer(f)
	server.Config.SetKeepAlivesEnabled(false) // Go repeats by itself what a connection that was used before loses
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

const (
	testKey = "sk_test_abcdefgh0001"
	hook    = "whsec_first"
)

// open is a processor that asks the fake.
func (f *fake) open(connect bool) *Stripe {
	f.t.Helper()
	o := Options{SecretKey: testKey, PublishableKey: "pk_test_abc", WebhookSecrets: []string{hook, "whsec_second"}, URL: f.url, ConnectURL: f.url,
		Backoff: time.Millisecond}
	if connect {
		o.ClientID = "ca_123"
	}
	s, err := New(o)
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

// with changes or reads the fake while it answers nobody.
func (f *fake) with(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
}

// fail lets the next requests go wrong; forget is what happens to idempotency keys after a day.
func (f *fake) fail(faults ...fault) { f.with(func() { f.faults = faults }) }
func (f *fake) forget()              { f.with(func() { clear(f.keys) }) }

// of is something of an object.
func (f *fake) of(id, name string) (v any) {
	f.with(func() { v = f.all[id][name] })
	return v
}

// count is how many objects there are of a kind, with a state unless it is "".
func (f *fake) count(kind, status string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, o := range f.all {
		if o["object"] == kind && (status == "" || o["status"] == status) {
			n++
		}
	}
	return n
}

// sent are the parameters of the last request whose "METHOD path" begins with these words.
func (f *fake) sent(on string) (url.Values, http.Header) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range slices.Backward(f.seen) {
		if strings.HasPrefix(r.Method+" "+r.URL.Path, on) {
			return r.Form, r.Header
		}
	}
	f.t.Fatalf("nobody asked %s", on)
	return nil, nil
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := r.ParseForm(); err != nil {
		f.t.Error(err)
	}
	f.seen = append(f.seen, r)
	f.publish(r)
	if r.Header.Get("Stripe-Version") != "2023-10-16" || r.Header.Get("Authorization") != "Bearer "+testKey {
		f.t.Errorf("version %q, authorization %q", r.Header.Get("Stripe-Version"), r.Header.Get("Authorization"))
	}
	var bad fault
	if i := slices.IndexFunc(f.faults, func(x fault) bool { return strings.HasPrefix(r.Method+" "+r.URL.Path, x.on) }); i >= 0 {
		bad = f.faults[i]
		f.faults = slices.Delete(slices.Clone(f.faults), i, i+1)
	}
	if status, err := strconv.Atoi(bad.what); err == nil {
		kind := "invalid_request_error"
		if status >= 500 {
			kind = "api_error"
		}
		f.send(w, status, object{"error": object{"type": kind, "code": bad.code, "message": "Something about " + testKey + " and pi_1_secret_abc"}})
		return
	}
	if bad.what == "never" {
		panic(http.ErrAbortHandler)
	}
	status, body := f.answer(r)
	switch bad.what {
	case "lost":
		panic(http.ErrAbortHandler)
	case "cut":
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write(body[:len(body)/2])
		return
	}
	f.write(w, status, body)
}

func (f *fake) send(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		f.t.Error(err)
	}
	f.write(w, status, body)
}

func (f *fake) write(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Request-Id", "req_1")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// answer is what Stripe answers, the same to the same idempotency key.
func (f *fake) answer(r *http.Request) (int, []byte) {
	key := r.Header.Get("Idempotency-Key")
	if key != "" && r.Method == http.MethodPost {
		if before, ok := f.keys[key]; ok {
			if before.form != r.URL.Path+"?"+r.Form.Encode() {
				body, _ := json.Marshal(object{"error": object{"type": "idempotency_error", "message": "Keys for idempotent requests can only be used with the same parameters they were first used with."}})
				return 400, body
			}
			return before.status, before.body
		}
	}
	status, v := f.act(r)
	body, err := json.Marshal(v)
	if err != nil {
		f.t.Error(err)
	}
	if key != "" && r.Method == http.MethodPost {
		f.keys[key] = answered{r.URL.Path + "?" + r.Form.Encode(), status, body}
	}
	return status, body
}

func (f *fake) add(prefix, kind string, o object) object {
	f.n++
	id := prefix + "_" + strconv.Itoa(f.n)
	o["id"], o["object"], o["created"], o["livemode"] = id, kind, f.now, false
	f.all[id] = o
	f.made = append(f.made, id)
	return o
}

func refuse(status int, kind, code, param, message string) (int, object) {
	return status, object{"error": object{"type": kind, "code": code, "param": param, "message": message, "doc_url": "https://stripe.com/docs/error-codes/" + code}}
}

func none(id, param string) (int, object) {
	return refuse(404, "invalid_request_error", "resource_missing", param, "No such object: '"+id+"'")
}

// metadata are those of a form, on top of what there is.
func metadata(form url.Values, o object) {
	meta, _ := o["metadata"].(object)
	if meta == nil {
		meta = object{}
	}
	for k := range form {
		if name, ok := strings.CutPrefix(k, "metadata["); ok {
			meta[strings.TrimSuffix(name, "]")] = form.Get(k)
		}
	}
	o["metadata"] = meta
}

// act carries a request out.
func (f *fake) act(r *http.Request) (int, object) {
	form := r.Form
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if account := r.Header.Get("Stripe-Account"); f.revoked[account] {
		return refuse(403, "invalid_request_error", "account_invalid", "", "The provided key 'sk_test_****0001' does not have access to account '"+account+"' (or that account does not exist).")
	}
	if parts[0] == "oauth" {
		if form.Get("code") != "ac_good" || form.Get("client_secret") != testKey {
			return 400, object{"error": "invalid_grant", "error_description": "Authorization code does not exist: " + form.Get("code")}
		}
		return 200, object{"access_token": "sk_test_theirs", "livemode": false, "refresh_token": "rt_1", "token_type": "bearer", "scope": "read_write",
			"stripe_publishable_key": "pk_test_theirs", "stripe_user_id": "acct_gym0042"}
	}
	kind, id, verb := parts[1], "", ""
	if len(parts) > 2 {
		id = parts[2]
	}
	if len(parts) > 3 {
		verb = parts[3]
	}
	if kind == "payment_intents" && id == "search" {
		return 200, f.search(form.Get("query"))
	}
	if id != "" && f.all[id] == nil {
		return none(id, "id")
	}
	o := f.all[id]
	switch r.Method + " " + kind + " " + verb {
	case "POST payment_intents ":
		if o != nil {
			metadata(form, o)
			return 200, o
		}
		return f.newIntent(form)
	case "POST payment_intents confirm":
		if o["status"] != "requires_confirmation" {
			return refuse(400, "invalid_request_error", "payment_intent_unexpected_state", "", "This PaymentIntent's status is "+fmt.Sprint(o["status"]))
		}
		return f.charge(o)
	case "POST setup_intents ":
		return f.newSetup(form)
	case "POST payment_methods ":
		return 200, f.method(form.Get("card[token]"))
	case "POST payment_methods attach":
		o["customer"] = form.Get("customer")
		return 200, o
	case "POST payment_methods detach":
		o["customer"] = nil
		return 200, o
	case "POST customers ":
		if o == nil {
			o = f.add("cus", "customer", object{"email": form.Get("email"), "description": form.Get("description"),
				"invoice_settings": object{"default_payment_method": nil}})
		}
		metadata(form, o)
		if m := form.Get("invoice_settings[default_payment_method]"); m != "" {
			if f.all[m]["customer"] != o["id"] {
				return refuse(400, "invalid_request_error", "", "invoice_settings[default_payment_method]", "The payment method is not attached.")
			}
			o["invoice_settings"] = object{"default_payment_method": m}
		}
		return 200, f.expanded(o)
	case "GET customers ":
		return 200, f.expanded(o)
	case "GET customers payment_methods":
		return 200, f.list(form, "payment_method", func(m object) bool { return m["customer"] == id })
	case "POST refunds ":
		return f.refund(form)
	case "GET refunds ":
		return 200, f.list(form, "refund", func(m object) bool { return m["charge"] == form.Get("charge") })
	case "POST application_fees refunds":
		part, _ := strconv.ParseInt(form.Get("amount"), 10, 64)
		o["amount_refunded"] = o["amount_refunded"].(int64) + part
		if o["amount_refunded"].(int64) > o["amount"].(int64) {
			return refuse(400, "invalid_request_error", "", "amount", "more than the fee")
		}
		fee := f.add("fr", "fee_refund", object{"amount": part, "fee": id})
		metadata(form, fee)
		return 200, fee
	case "GET application_fees refunds":
		return 200, f.list(form, "fee_refund", func(m object) bool { return m["fee"] == id })
	case "GET charges ":
		o = maps.Clone(o)
		if form.Get("expand[0]") == "balance_transaction" {
			o["balance_transaction"] = f.all[o["balance_transaction"].(string)]
		}
		return 200, o
	case "GET disputes ":
		return 200, f.list(form, "dispute", func(m object) bool { return m["charge"] == form.Get("charge") })
	case "GET balance ":
		return 200, object{"object": "balance", "available": []object{{"amount": 9000, "currency": "usd", "source_types": object{"card": 9000}}}, "livemode": false}
	case "POST payouts ":
		n, _ := strconv.ParseInt(form.Get("amount"), 10, 64)
		return 200, f.add("po", "payout", object{"amount": n, "currency": form.Get("currency"), "status": "paid", "account": r.Header.Get("Stripe-Account")})
	case "GET payouts ":
		from, _ := strconv.ParseInt(form.Get("created[gte]"), 10, 64)
		return 200, f.list(form, "payout", func(m object) bool {
			return m["account"] == r.Header.Get("Stripe-Account") && m["status"] == form.Get("status") && m["created"].(int64) >= from
		})
	}
	if r.Method == http.MethodGet && o != nil {
		return 200, f.expandedIntent(o)
	}
	f.t.Errorf("the fake does not know %s %s", r.Method, r.URL)
	return refuse(404, "invalid_request_error", "", "", "Unrecognized request URL")
}

// list is a page of objects, the latest first, as Stripe pages them.
func (f *fake) list(form url.Values, kind string, match func(object) bool) object {
	limit, _ := strconv.Atoi(form.Get("limit"))
	var data []object
	after := form.Get("starting_after")
	for _, id := range slices.Backward(f.made) {
		if o := f.all[id]; after != "" {
			if id == after {
				after = ""
			}
		} else if o["object"] == kind && match(o) {
			data = append(data, o)
		}
	}
	more := limit > 0 && len(data) > limit
	if more {
		data = data[:limit]
	}
	if data == nil {
		data = []object{}
	}
	return object{"object": "list", "data": data, "has_more": more, "url": "/v1/" + kind}
}

func (f *fake) search(query string) object {
	data := []object{}
	for _, id := range f.made {
		o := f.all[id]
		meta, _ := o["metadata"].(object)
		if o["object"] == "payment_intent" && !f.blind && query == fmt.Sprintf("metadata['%s']:'%s'", metaPayment, meta[metaPayment]) {
			data = append(data, object{"id": id, "object": "payment_intent", "status": "requires_confirmation"}) // the index is old
		}
	}
	return object{"object": "search_result", "data": data, "has_more": false, "next_page": nil, "url": "/v1/payment_intents/search"}
}

// opened is a processor over a fake of its own, with what most tests pay.
func opened(t *testing.T, connect bool) (*fake, *Stripe, processor.Payment) {
	f := newFake(t)
	return f, f.open(connect), processor.Payment{Amount: 20000, BrokerFee: 1000, Unit: "usd", Token: "tok_visa", Description: "Xia Lee",
		StatementDescriptor: "Cowork & \"Café\"", IdempotencyKey: "key/0",
		Subscriber: processor.Profile{Slug: "xia", FullName: "Xia Lee", Email: "xia@example.com"},
		Provider:   processor.Profile{Slug: "gym", FullName: "City Gym", DepositKey: "acct_gym0042"}, Broker: processor.Profile{Slug: "hub", Broker: true}}
}
