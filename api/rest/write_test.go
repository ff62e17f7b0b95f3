package rest_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// till is an API that writes: each sale is a row of setting.
type till struct {
	*resttest.Site
	ran     atomic.Int64 // operations
	between func()       // called by an Act between its steps
}

type saleInput struct {
	Title string `json:"title" in:"required"`
	Fail  bool   `json:"fail"`
	Panic bool   `json:"panic"`
}

var errCard = rest.Fail(http.StatusBadRequest, "The card was declined.")

func newTill(t testing.TB) *till {
	tl := &till{between: func() {}}
	sell := func(tx *store.Tx, in *saleInput) error {
		_, err := tx.Exec(`INSERT INTO setting (name, value) VALUES (?, ?)`, fmt.Sprintf("sale %d", tl.ran.Add(1)), in.Title)
		switch {
		case err != nil:
			return err
		case in.Panic:
			panic("oh")
		case in.Fail:
			return errCard
		}
		return nil
	}
	post := func(c *rest.Call, tx *store.Tx, in *saleInput) (item, error) {
		c.Created("/receipt/" + in.Title)
		c.SetCookie(&http.Cookie{Name: "cart", Value: in.Title})
		return item{fmt.Sprintf("%s %d <&>", in.Title, tl.ran.Load()+1)}, sell(tx, in)
	}
	act := func(c *rest.Call, in *saleInput) (item, error) {
		if err := c.Write(func(tx *store.Tx) error { return nil }); err != nil {
			return item{}, err
		}
		tl.between()
		err := c.Write(func(tx *store.Tx) error { return sell(tx, in) })
		c.Created("/receipt/" + in.Title)
		return item{fmt.Sprintf("%s %d", in.Title, tl.ran.Load())}, err
	}
	clock := storetest.NewClock()
	tl.Site = resttest.With(t, rest.Options{Store: storetest.NewAt(t, clock), Directory: resttest.Cowork(), Logger: zap.NewNop()}, clock, []rest.Endpoint{
		rest.Post("/api/billing/{profile}/checkout", accessrules.Public, post, rest.Keyed()),
		rest.Post("/api/billing/{profile}/renew", accessrules.Public, post, rest.Keyed()),
		rest.Post("/api/cart", accessrules.Public, post, rest.Unaudited()),
		rest.Act("POST", "/api/billing/{profile}/balance", accessrules.Public, act, rest.Keyed()),
		rest.Post("/api/profile/{profile}/subscribers/accept/{request_key}", accessrules.Public, post),
	}).Undescribed()
	return tl
}

// sales is what was sold, in order.
func (tl *till) sales(t testing.TB) string {
	t.Helper()
	return tl.column(t, `SELECT value FROM setting WHERE name LIKE 'sale %' ORDER BY name`)
}

func (tl *till) column(t testing.TB, query string) string {
	t.Helper()
	var all []string
	err := tl.Store.Read(context.Background(), func(r store.Reader) error {
		rows, err := r.Query(query)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var s string
			if err := rows.Scan(&s); err != nil {
				return err
			}
			all = append(all, s)
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, ",")
}

func digest(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

const checkout = "POST /api/billing/acme/checkout"

func TestIdempotencyKey(t *testing.T) {
	tl := newTill(t)
	const key = "Idempotency-Key: k-1"
	first := `{"slug":"a 1 <&>"}`
	replayed := []string{"Idempotency-Replayed: true", "Location: https://app.example.com/receipt/a", "Content-Type: application/json", "Set-Cookie:"}
	used := `{"detail":"This Idempotency-Key was used for another request."}`
	tl.Run(t,
		resttest.Case("first", "xia", checkout, `{"title":"a"}`, 201, first).With(key).
			Wants("Idempotency-Replayed:", "Location: https://app.example.com/receipt/a", "Set-Cookie: cart=a; Secure"),
		resttest.Case("again", "xia", checkout, `{"title":"a"}`, 201, first).With(key).Wants(replayed...),
		resttest.Case("again, to the byte", "xia", checkout, `{"title":"a"}`, 201, first).With(key, "Accept: application/json; indent=4").Wants(replayed...),
		resttest.Case("other body", "xia", checkout, `{"title":"b"}`, 409, used).With(key),
		resttest.Case("same body, written otherwise", "xia", checkout, `{"title": "a"}`, 409, used).With(key),
		resttest.Case("other profile", "xia", "POST /api/billing/cowork/checkout", `{"title":"a"}`, 409, used).With(key),
		resttest.Case("other query", "xia", checkout+"?x=1", `{"title":"a"}`, 409, used).With(key),
		resttest.Case("other caller", "joe", checkout, `{"title":"a"}`, 201, `{"slug":"a 2 <&>"}`).With(key),
		resttest.Case("nobody", "", checkout, `{"title":"a"}`, 201, `{"slug":"a 3 <&>"}`).With(key),
		resttest.Case("nobody again", "", checkout, `{"title":"a"}`, 201, `{"slug":"a 3 <&>"}`).With(key),
		resttest.Case("other endpoint", "xia", "POST /api/billing/acme/renew", `{"title":"a"}`, 201, `{"slug":"a 4 <&>"}`).With(key),
		resttest.Case("other key", "xia", checkout, `{"title":"a"}`, 201, `{"slug":"a 5 <&>"}`).With("Idempotency-Key: k-2"),
		resttest.Case("no key", "xia", checkout, `{"title":"a"}`, 201, `{"slug":"a 6 <&>"}`),
		resttest.Case("an endpoint that has no keys", "xia", "POST /api/cart", `{"title":"a"}`, 201, `{"slug":"a 7 <&>"}`).With(key),
		resttest.Case("and again", "xia", "POST /api/cart", `{"title":"a"}`, 201, `{"slug":"a 8 <&>"}`).With(key),
		resttest.Case("long key", "xia", checkout, `{"title":"a"}`, 400, `~Idempotency-Key`).With("Idempotency-Key: "+strings.Repeat("x", 256)),
		resttest.Case("strange key", "xia", checkout, `{"title":"a"}`, 400, `~Idempotency-Key`).With("Idempotency-Key: a b"),
	)
	if got := tl.sales(t); got != "a,a,a,a,a,a,a,a" {
		t.Errorf("sold %s", got)
	}
}

// A failure is not kept: nothing happened.
func TestIdempotencyKeyOfFailure(t *testing.T) {
	for _, path := range []string{checkout, "POST /api/billing/acme/balance"} {
		tl := newTill(t)
		const key = "Idempotency-Key: k"
		tl.Run(t,
			resttest.Case("bad body", "xia", path, `{}`, 400, `~required`).With(key),
			resttest.Case("declined", "xia", path, `{"title":"a","fail":true}`, 400, `~declined`).With(key),
			resttest.Case("panic", "xia", path, `{"title":"b","panic":true}`, 500, `*`).With(key),
			resttest.Case("other body with the key of a failure", "xia", path, `{"title":"c"}`, 201, `*`).With(key),
			resttest.Case("kept", "xia", path, `{"title":"c"}`, 201, `*`).With(key).Wants("Idempotency-Replayed: true"),
		)
		if got := tl.sales(t); got != "c" {
			t.Errorf("%s: sold %s, want c", path, got)
		}
	}
}

func TestIdempotencyKeyInFlight(t *testing.T) {
	tl := newTill(t)
	const request, body, key = "POST /api/billing/acme/balance", `{"title":"a"}`, "Idempotency-Key: k"
	var meanwhile *httptest.ResponseRecorder
	tl.between = func() {
		tl.between = func() {}
		meanwhile = tl.Do("xia", request, body, key)
	}
	first := tl.Do("xia", request, body, key)
	if want := `{"detail":"A request with this Idempotency-Key is being processed."}`; meanwhile.Code != 409 || meanwhile.Body.String() != want ||
		meanwhile.Header().Get("Retry-After") != "1" {
		t.Errorf("meanwhile: %d %s, want 409 %s", meanwhile.Code, meanwhile.Body, want)
	}
	again := tl.Do("xia", request, body, key)
	if first.Code != 201 || again.Code != 201 || again.Body.String() != first.Body.String() || again.Header().Get("Location") != first.Header().Get("Location") ||
		again.Header().Get("Idempotency-Replayed") != "true" {
		t.Errorf("first %d %s, again %d %s", first.Code, first.Body, again.Code, again.Body)
	}
	if got := tl.sales(t); got != "a" {
		t.Errorf("sold %s, want it once", got)
	}
}

// A process that was killed leaves a key in flight; it is given up after a while.
func TestIdempotencyKeyOfTheDead(t *testing.T) {
	tl := newTill(t)
	const request, body, key = "POST /api/billing/acme/balance", `{"title":"a"}`, "Idempotency-Key: k"
	tl.between = func() { panic(http.ErrAbortHandler) }
	func() {
		defer func() { recover() }()
		tl.Do("xia", request, body, key)
	}()
	tl.between = func() {}
	// The panic gave the key back; a kill would not have.
	if err := tl.Store.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(`INSERT INTO idempotency_key (key, created_at, request) VALUES (?, ?, ?)`,
			"user 3 POST /api/billing/{profile}/balance k2", tx.Now(), digest("POST /api/billing/acme/balance\n"+body))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	const key2 = "Idempotency-Key: k2"
	tl.Run(t, resttest.Case("given back", "xia", request, body, 201, "*").With(key).Wants("Idempotency-Replayed:"),
		resttest.Case("in flight", "xia", request, body, 409, "~being processed").With(key2),
		resttest.Case("in flight, other body", "xia", request, `{"title":"b"}`, 409, "~another request").With(key2))
	tl.Clock.Advance(5 * time.Minute)
	tl.Run(t, resttest.Case("taken over", "xia", request, body, 201, "*").With(key2).Wants("Idempotency-Replayed:"),
		resttest.Case("kept", "xia", request, body, 201, "*").With(key2).Wants("Idempotency-Replayed: true"))
}

func TestIdempotencyKeysAreForgotten(t *testing.T) {
	tl := newTill(t)
	again := func(name, replayed string) {
		t.Helper()
		tl.Run(t, resttest.Case(name, "xia", checkout, `{"title":"a"}`, 201, "*").With("Idempotency-Key: k").Wants("Idempotency-Replayed: "+replayed))
	}
	again("first", "")
	tl.Clock.Advance(72 * time.Hour)
	if err := tl.Janitor(t.Context()); err != nil {
		t.Fatal(err)
	}
	again("three days later", "true")
	tl.Clock.Advance(rest.KeyRetention)
	if err := tl.Janitor(t.Context()); err != nil {
		t.Fatal(err)
	}
	again("after the retention", "")
}

func TestIdempotencyUnderLoad(t *testing.T) {
	tl := newTill(t)
	callers, keys := 16, 20 // a share of what TOLLGATE_KEYS=1000 asks for
	if n, err := strconv.Atoi(os.Getenv("TOLLGATE_KEYS")); err == nil {
		callers, keys = 50, n
	}
	for _, path := range []string{checkout, "POST /api/billing/acme/balance"} {
		before := tl.ran.Load()
		var wg sync.WaitGroup
		var answers sync.Map // key → body
		for range callers {
			wg.Go(func() {
				for k := range keys {
					for {
						w := tl.Do("xia", path, fmt.Sprintf(`{"title":"t%d"}`, k), fmt.Sprintf("Idempotency-Key: %d", k))
						if w.Code == http.StatusConflict {
							continue // in flight
						}
						if was, loaded := answers.LoadOrStore(k, w.Body.String()); w.Code != 201 || loaded && was != w.Body.String() {
							t.Errorf("%s, key %d: %d %s, was %s", path, k, w.Code, w.Body, was)
						}
						break
					}
				}
			})
		}
		wg.Wait()
		if n := tl.ran.Load() - before; n != int64(keys) {
			t.Errorf("%s: %d operations ran for %d keys", path, n, keys)
		}
	}
}

// An Act hands the key on, told apart from those of other callers and endpoints.
func TestIdempotencyKeyForOthers(t *testing.T) {
	endpoint := func(c *rest.Call, in *saleInput) (string, error) { return c.IdempotencyKey(), nil }
	site := resttest.New(t, resttest.Cowork(), []rest.Endpoint{
		rest.Act("POST", "/api/a", accessrules.Public, endpoint, rest.Keyed()),
		rest.Act("POST", "/api/b", accessrules.Public, endpoint, rest.Keyed()),
		rest.Act("POST", "/api/c", accessrules.Public, endpoint),
	})
	seen := map[string]string{`""`: "none"}
	for _, request := range []string{"xia POST /api/a", "joe POST /api/a", " POST /api/a", "xia POST /api/b"} {
		as, request, _ := strings.Cut(request, " ")
		got := site.Do(as, request, `{"title":"a"}`, "Idempotency-Key: k").Body.String()
		if other, ok := seen[got]; ok {
			t.Errorf("%s as %q: the key is %s, that of %s", request, as, got, other)
		}
		seen[got] = request
	}
	site.Run(t,
		resttest.Case("none sent", "xia", "POST /api/a", `{"title":"a"}`, 200, `""`),
		resttest.Case("none taken", "xia", "POST /api/c", `{"title":"a"}`, 200, `""`).With("Idempotency-Key: k"),
		resttest.Case("dry run", "xia", "POST /api/a?dry_run=1", `{"title":"a"}`, 200, `""`).With("Idempotency-Key: k"),
	)
}

func TestDryRun(t *testing.T) {
	tl := newTill(t)
	tl.Run(t,
		resttest.Case("dry run", "xia", checkout+"?dry_run=true", `{"title":"a"}`, 201, `{"slug":"a 1 <&>"}`),
		resttest.Case("dry run is not kept", "xia", checkout+"?dry_run=true", `{"title":"a"}`, 201, `{"slug":"a 2 <&>"}`).With("Idempotency-Key: k"),
		resttest.Case("nor again", "xia", checkout+"?dry_run=1", `{"title":"a"}`, 201, `{"slug":"a 3 <&>"}`).With("Idempotency-Key: k").Wants("Idempotency-Replayed:"),
		resttest.Case("dry run fails as the real one", "xia", checkout+"?dry_run=true", `{"title":"a","fail":true}`, 400, `~declined`),
		resttest.Case("of several steps", "xia", "POST /api/billing/acme/balance?dry_run=true", `{"title":"a"}`, 201, `*`),
	)
	if got := tl.sales(t); got != "" {
		t.Errorf("dry runs sold %s", got)
	}
	if got := tl.column(t, `SELECT action FROM audit`); got != "" {
		t.Errorf("dry runs are audited: %s", got)
	}
	tl.Run(t,
		resttest.Case("no dry run", "xia", checkout+"?dry_run=false", `{"title":"b"}`, 201, "*"),
		resttest.Case("an endpoint without dry runs", "xia", "POST /api/cart?dry_run=true", `{"title":"c"}`, 201, "*"),
	)
	if got := tl.column(t, `SELECT value FROM setting WHERE name LIKE 'sale %' ORDER BY value`); got != "b,c" {
		t.Errorf("sold %s, want b,c", got)
	}
}

func TestAudit(t *testing.T) {
	tl := newTill(t)
	key := strings.Repeat("ab", 20)
	for _, tc := range []struct{ as, request, body, want string }{
		{"xia", checkout, `{"title":"a"}`, "xia POST /api/billing/{profile}/checkout acme"},
		{"", checkout, `{"title":"a"}`, "anonymous POST /api/billing/{profile}/checkout acme"},
		{"xia", "POST /api/billing/acme/balance", `{"title":"a"}`, "xia POST /api/billing/{profile}/balance acme"}, // once for two steps
		{"xia", "POST /api/profile/acme/subscribers/accept/" + key, `{"title":"a"}`, "xia POST /api/profile/{profile}/subscribers/accept/{request_key} acme"},
		{"xia", "POST /api/cart", `{"title":"a"}`, ""},
		{"xia", checkout, `{"title":"a","fail":true}`, ""},
		{"xia", checkout, `{}`, ""},
	} {
		tl.Do(tc.as, tc.request, tc.body)
		got := tl.column(t, `SELECT actor || ' ' || action || ' ' || subject || detail FROM audit`)
		if got != tc.want {
			t.Errorf("%s as %q %s: audited %q, want %q", tc.request, tc.as, tc.body, got, tc.want)
		}
		if err := tl.Store.Write(t.Context(), func(tx *store.Tx) error { _, err := tx.Exec(`DELETE FROM audit`); return err }); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFailedOperationSetsNothing(t *testing.T) {
	tl := newTill(t)
	tl.Run(t, resttest.Case("declined", "xia", checkout, `{"title":"a","fail":true}`, 400, `{"detail":"The card was declined."}`).
		Wants("Set-Cookie:", "Location:"))
	if got := tl.sales(t); got != "" {
		t.Errorf("a failed operation sold %s", got)
	}
}

// Once the first step of an operation is committed the client's patience does not matter.
func TestStepsGoOnWithoutClient(t *testing.T) {
	tl := newTill(t)
	ctx, cancel := context.WithCancel(t.Context())
	tl.between = cancel
	w := httptest.NewRecorder()
	tl.ServeHTTP(w, resttest.NewRequest("xia", "POST /api/billing/acme/balance", `{"title":"a"}`).WithContext(ctx))
	if got := tl.sales(t); got != "a" || w.Code != 201 {
		t.Errorf("sold %q with status %d, want a with 201", got, w.Code)
	}
	w = httptest.NewRecorder()
	tl.ServeHTTP(w, resttest.NewRequest("xia", checkout, `{"title":"b"}`).WithContext(ctx))
	if got := tl.sales(t); got != "a" || w.Code != 503 {
		t.Errorf("sold %q with status %d to a client that was gone before, want nothing more and 503", got, w.Code)
	}
}

// The time of a call is that of its snapshot and of its transaction.
func TestOneTime(t *testing.T) {
	clock := storetest.NewClock()
	differ := errors.New("the times differ")
	var site *resttest.Site
	site = resttest.New(t, resttest.Cowork(), []rest.Endpoint{
		rest.Act("POST", "/api/time", accessrules.Public, func(c *rest.Call, in *rest.None) (rest.None, error) {
			site.Clock.Advance(time.Hour)
			if err := c.Read(func(r store.Reader) error {
				if c.Now != r.Now() || !c.Query.Now.Equal(r.Now().Time) || c.Now.Equal(clock.Now()) {
					return differ
				}
				return nil
			}); err != nil {
				return rest.None{}, err
			}
			site.Clock.Advance(time.Hour)
			return rest.None{}, c.Write(func(tx *store.Tx) error {
				if c.Now != tx.Now() || !c.Query.Now.Equal(tx.Now().Time) {
					return differ
				}
				return nil
			})
		}),
	})
	site.Run(t, resttest.Case("time", "", "POST /api/time", "", 204, ""))
}
