package billing

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/store"
)

const (
	itemOfXia = `{"created_at":"2026-03-15T12:00:00Z","user":{"slug":"xia","username":"xia","printable_name":"Xia","picture":null},"plan":{"slug":"basic","title":"Basic"},` +
		`"use":null,"option":0,"quantity":0,"claim_code":null,"sync_on":"","full_name":"","email":null,"detail":null}`
	noPlan = `{"plan":["Plan 'nope' does not exist or is inactive."]}`
)

// coupon makes a coupon of cowork's.
func (w *world) coupon(code string, kind, value int) {
	w.t.Helper()
	w.exec(`INSERT INTO coupon (code, profile_id, created_at, discount_type, discount_value) VALUES (?, ?, 0, ?, ?)`, code, w.ids["cowork"], kind, value)
}

// TestCart puts items in carts and takes them out (subscriptions.md 9.2, 9.3).
func TestCart(t *testing.T) {
	w := newWorld(t)
	w.exec(`INSERT INTO plan (slug, title, profile_id, created_at, is_active) VALUES ('off', 'Off', ?, 0, 0)`, w.ids["cowork"])
	c := resttest.Case
	post := func(name, body string, status int, want string) resttest.Step {
		return c(name, "xia", "POST /api/cart", body, status, want)
	}
	w.Run(t,
		c("nothing", "xia", "GET /api/cart", "", 200, `{"count":0,"next":null,"previous":null,"results":[]}`),
		post("no body", ``, 400, `{"plan":["This field is required."]}`),
		post("no plan", `{}`, 400, `{"plan":["This field is required."]}`),
		post("empty list", `[]`, 400, `{"detail":["This list may not be empty."]}`),
		post("unknown plan", `{"plan":"nope"}`, 400, noPlan),
		post("inactive plan", `{"plan":"off"}`, 400, `{"plan":["Plan 'off' does not exist or is inactive."]}`),
		post("unknown use", `{"plan":"premium","use":"nope"}`, 400, `{"use":["UseCharge 'nope' does not exist or is inactive."]}`),
		post("use of another plan", `{"plan":"basic","use":"requests"}`, 400, `{"detail":["UseCharge requests does not belong to plan basic"]}`),
		post("negative", `{"plan":"basic","option":-1}`, 400, `{"option":["Ensure this value is greater than or equal to 0."]}`),
		post("first", `{"plan":"basic"}`, 201, itemOfXia),
		post("again", `{"plan":"basic"}`, 200, itemOfXia),
		post("option", `{"plan":"basic","option":2}`, 200, `~"option":2`),
		post("the last option wins", `{"plan":"basic","option":1}`, 200, `~"option":1`),
		post("for somebody", `{"plan":"basic","full_name":"Ada","email":"Ada@example.com"}`, 200, `~"sync_on":"Ada@example.com","full_name":"Ada","email":"Ada@example.com","detail":"Subscription to Basic`),
		post("the same, in other letters", `{"plan":"basic","sync_on":"ADA@example.com"}`, 200, `~"sync_on":"Ada@example.com"`),
		post("for somebody else", `{"plan":"basic","sync_on":"bob@example.com"}`, 201, `~"sync_on":"bob@example.com"`),
		post("list", `[{"plan":"premium","use":"requests","quantity":7},{"plan":"premium"}]`, 201, `~[{"created_at"~"use":{"slug":"requests"~"quantity":7~},{~"quantity":7`),
		c("cart", "xia", "GET /api/cart", "", 200, `~{"count":3,`),
		c("of others", "yan", "GET /api/cart", "", 200, `~{"count":0,`),
		c("not a method", "xia", "PUT /api/cart", `{}`, 405, `~{"detail"`),
		c("delete unknown", "xia", "DELETE /api/cart?plan=nope", "", 400, noPlan),
		c("delete no address", "xia", "DELETE /api/cart?email=x", "", 400, `{"email":["Enter a valid email address."]}`),
		c("delete by address", "xia", "DELETE /api/cart?email=BOB@example.com", "", 204, ""),
		c("one less", "xia", "GET /api/cart", "", 200, `~{"count":2,`),
		c("delete by plan and address", "xia", "DELETE /api/cart?plan=premium&email=ada@example.com", "", 204, ""),
		c("none less", "xia", "GET /api/cart", "", 200, `~{"count":2,`),
		c("delete by plan", "xia", "DELETE /api/cart?plan=premium", "", 204, ""),
		c("delete", "xia", "DELETE /api/cart", "", 204, ""),
		c("again nothing", "xia", "GET /api/cart", "", 200, `~{"count":0,`),
		c("delete nothing", "", "DELETE /api/cart", "", 204, ""),
	)
}

// TestVisitorsCart keeps a cart by a cookie, and gives it to the user that the visitor turns out to be (9.1, 9.5, must-pass 10).
func TestVisitorsCart(t *testing.T) {
	w := newWorld(t)
	w.coupon("HALF", 1, 5000)
	c := resttest.Case
	cookie := ""
	keep := func(t *testing.T, a *httptest.ResponseRecorder) {
		for _, set := range a.Result().Cookies() {
			if set.Name == "cart" {
				cookie = "Cookie: cart=" + set.Value
				if len(set.Value) != 32 || !set.HttpOnly || set.Path != "/" {
					t.Errorf("cookie %v", set)
				}
			}
		}
	}
	w.Run(t, c("first", "", "POST /api/cart", `{"plan":"premium","option":1}`, 201, `~{"created_at":"2026-03-15T12:00:00Z","user":null,"plan":{"slug":"premium"`).Then(keep))
	if cookie == "" {
		t.Fatal("no cookie")
	}
	w.Run(t,
		c("second", "", "POST /api/cart", `{"plan":"basic"}`, 201, `~"user":null`).With(cookie),
		c("another visitor's", "", "GET /api/cart", "", 200, `~{"count":0,`),
		c("a guess", "", "GET /api/cart", "", 200, `~{"count":0,`).With("Cookie: cart=00000000000000000000000000000000"),
		c("redeem is another package's", "", "GET /api/cart", "", 200, `~{"count":2,`).With(cookie),
	)
	w.write(func(tx *store.Tx) error {
		_, err := tx.Exec(`UPDATE cart SET redeemed = 'HALF'`)
		return err
	})
	w.Run(t,
		c("the user had one", "xia", "POST /api/cart", `{"plan":"premium"}`, 201, `~"option":0`),
		c("merged", "xia", "GET /api/billing/xia/checkout", "", 200, `~"orig_amount":1000,~"orig_amount":10000,`).With(cookie),
		c("the visitor has none", "", "GET /api/cart", "", 200, `~{"count":0,`).With(cookie),
		c("both, once", "xia", "GET /api/cart", "", 200, `~{"count":2,~"option":1`),
	)
	if got := w.values(`SELECT count(*) FROM cart WHERE anonymous_id IS NOT NULL UNION ALL SELECT count(*) FROM cart_item WHERE user_id IS NULL`); got != "0 0" {
		t.Errorf("%s carts and items of visitors are left", got)
	}
}

// TestOldCarts drops the carts of visitors who did not come back.
func TestOldCarts(t *testing.T) {
	w := newWorld(t)
	c := resttest.Case
	w.Run(t, c("left", "", "POST /api/cart", `{"plan":"premium"}`, 201, `~"user":null`), c("a user's", "xia", "POST /api/cart", `{"plan":"premium"}`, 201, `~"user"`))
	w.Clock.Advance(cartRetention - time.Second)
	w.Run(t, c("fresh", "", "POST /api/cart", `{"plan":"premium"}`, 201, `~"user":null`))
	w.Clock.Advance(2 * time.Second)
	if err := w.Janitor(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.values(`SELECT count(*) FROM cart UNION ALL SELECT count(*) FROM cart_item`); got != "1 2" {
		t.Errorf("%s carts and items are left, want 1 2", got)
	}
}

// TestUpload fills a cart from a file (9.4).
func TestUpload(t *testing.T) {
	w := newWorld(t)
	upload := func(name, plan, file string, status int, want string) resttest.Step {
		body := "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\n" + file + "\r\n--b--\r\n"
		return resttest.Case(name, "xia", "POST /api/cart/"+plan+"/upload", body, status, want).With("Content-Type: multipart/form-data; boundary=b")
	}
	w.Run(t,
		upload("three kinds", "basic", "Ada Lace,ada@example.com\nBob,Bit,bob@example.com\nbad\n,\n", 201,
			`~{"created":[{~"full_name":"Ada Lace","email":"ada@example.com"~"full_name":"Bob Bit"~],"updated":[],"failed":[{"data":{"raw":["bad"]},"error":"Unable to parse row"},{"data":{"raw":["",""]},"error":"Unable to parse row"}]}`),
		upload("again", "basic", "Ada B,ADA@example.com", 200, `~{"created":[],"updated":[{~"full_name":"Ada B"~],"failed":[]}`),
		upload("unknown plan", "nope", "Ada,ada@example.com", 200, `{"created":[],"updated":[],"failed":[{"data":{"plan":"nope","full_name":"Ada","sync_on":"ada@example.com","email":"ada@example.com"},"error":`+noPlan+`}]}`),
		upload("too long", "basic", strings.Repeat("a,a@example.com\n", 1001), 400, `~{"detail"`),
		resttest.Case("no file", "xia", "POST /api/cart/basic/upload", "--b--\r\n", 200, `{"created":[],"updated":[],"failed":[]}`).With("Content-Type: multipart/form-data; boundary=b"),
	)
}

// TestCartItems are the carts of others, for the broker (9.6).
func TestCartItems(t *testing.T) {
	w := newWorld(t)
	c := resttest.Case
	const forbidden, noItem = `{"detail":"Permission denied"}`, `{"detail":"No CartItem matches the given query."}`
	w.Run(t,
		c("anonymous", "", "GET /api/billing/cartitems", "", 401, `~{"detail"`),
		c("a provider", "donny", "GET /api/billing/cartitems", "", 403, forbidden),
		c("a contributor writes", "kim", "POST /api/billing/cartitems", `{}`, 403, forbidden),
		c("empty", "alice", "POST /api/billing/cartitems", `{}`, 400, `{"user":["This field is required."],"plan":["This field is required."]}`),
		c("nobody", "alice", "POST /api/billing/cartitems", `{"user":"zz","plan":"basic"}`, 400, `{"user":["Object with username=zz does not exist."]}`),
		c("no plan", "alice", "POST /api/billing/cartitems", `{"user":"xia","plan":"nope"}`, 400, noPlan),
		c("made", "alice", "POST /api/billing/cartitems", `{"user":"xia","plan":"premium","use":"requests","quantity":3}`, 201,
			`{"user":"xia","created_at":"2026-03-15T12:00:00Z","plan":"premium","option":0,"use":"requests","quantity":3,"sync_on":null,"full_name":"","email":null,"detail":"Cart item created"}`),
		c("always another", "alice", "POST /api/billing/cartitems", `{"user":"xia","plan":"premium"}`, 201, `~"Cart item created"`),
		c("list", "kim", "GET /api/billing/cartitems", "", 200, `~{"count":2,`),
		c("search", "alice", "GET /api/billing/cartitems?q=yan", "", 200, `~{"count":0,`),
		c("of one", "alice", "GET /api/billing/cartitems/user/xia", "", 200, `~{"user":{"slug":"xia"~},"count":2,~"id":1`),
		c("of nobody", "alice", "GET /api/billing/cartitems/user/zz", "", 404, `{"detail":"No User matches the given query."}`),
		c("show", "alice", "GET /api/billing/cartitems/1", "", 200, `~"user":{"slug":"xia"`),
		c("none", "alice", "GET /api/billing/cartitems/9", "", 404, noItem),
		c("no number", "alice", "GET /api/billing/cartitems/x", "", 404, `{"detail":"Not found."}`),
		c("change none", "alice", "PUT /api/billing/cartitems/9", `{"option":"x"}`, 404, noItem),
		c("change", "alice", "PATCH /api/billing/cartitems/1", `{"option":1,"use":null}`, 200, `~"use":null,"option":1,"quantity":3`),
		c("replace", "alice", "PUT /api/billing/cartitems/1", `{"sync_on":"yan","full_name":"Fred"}`, 200, `~"sync_on":"yan","full_name":"Fred","email":null,"detail":"Cart item updated"`),
		c("bad use", "alice", "PUT /api/billing/cartitems/1", `{"use":"nope"}`, 400, `{"use":["UseCharge 'nope' does not exist or is inactive."]}`),
		c("delete", "alice", "DELETE /api/billing/cartitems/1", "", 204, ""),
		c("gone", "alice", "DELETE /api/billing/cartitems/1", "", 404, noItem),
	)
}
