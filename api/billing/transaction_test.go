package billing

import (
	"testing"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/api/subscription"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// books is a site with two orders, of 2000 usd and 300 eur, written at the time of the clock.
func books(t *testing.T) *resttest.Site {
	t.Helper()
	clock := storetest.NewClock()
	db := storetest.NewAt(t, clock)
	dir, err := directory.New(directory.Options{Store: db, Now: clock.Now, Broker: "cowork", Secrets: directory.NewSecrets()})
	if err != nil {
		t.Fatal(err)
	}
	subs := subscription.New(subscription.Options{Store: db, Directory: dir})
	s := New(Options{Store: db, Directory: dir, Settings: DefaultSettings(), Subscriptions: subs})
	site := resttest.With(t, rest.Options{Store: db, Directory: resttest.Cowork()}, clock, s.Endpoints())
	err = db.Write(t.Context(), func(tx *store.Tx) error {
		for id, slug := range map[int]string{1: "cowork", 2: "acme"} {
			if _, err := tx.Exec(`INSERT INTO profile (id, slug, full_name, created_at) VALUES (?, ?, ?, ?)`, id, slug, "The "+slug, tx.Now()); err != nil {
				return err
			}
		}
		for i, amount := range []ledger.Amount{{Value: 2000, Unit: "usd"}, {Value: 300, Unit: "eur"}} {
			o := ledger.OrderPlaced{At: tx.Now(), Event: ledger.SubEvent(int64(i + 1)), Payer: 2, Provider: 1, Amount: amount, Periods: 1,
				Descr: "Subscription to gold"}
			entries, err := o.Entries()
			if err != nil {
				return err
			}
			if _, err := ledger.Post(tx, o.Kind(), entries...); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	clock.Advance(1e9)
	return site
}

// TestTransactions lists the entries of the ledger to the staff of the broker, with a balance that adds no units together.
func TestTransactions(t *testing.T) {
	profile := func(slug string) string {
		return `{"slug":"` + slug + `","printable_name":"The ` + slug + `","picture":null,"type":"organization","credentials":false,"created_at":"2025-03-10T12:00:00Z"}`
	}
	entry := func(text, amount, unit string) string {
		return `{"created_at":"2025-03-10T12:00:00Z","description":"Subscription to gold","amount":"` + text + `","is_debit":false,` +
			`"orig_account":"Receivable","orig_profile":` + profile("cowork") + `,"orig_amount":` + amount + `,"orig_unit":"` + unit + `",` +
			`"dest_account":"Payable","dest_profile":` + profile("acme") + `,"dest_amount":` + amount + `,"dest_unit":"` + unit + `"}`
	}
	const head = `{"start_at":null,"ends_at":"2025-03-10T12:00:01Z","next_billing_at":null,`
	const tail = `"count":2,"next":null,"previous":null,"results":[`
	all := entry("$20.00", "2000", "usd") + "," + entry("€3.00", "300", "eur") + "]}"
	books(t).Run(t,
		resttest.Case("nobody", "", "GET /api/billing/transactions", "", 401, "~not provided"),
		resttest.Case("somebody", "yan", "GET /api/billing/transactions", "", 403, `{"detail":"Permission denied"}`),
		resttest.Case("manager of another profile", "xia", "GET /api/billing/transactions", "", 403, `{"detail":"Permission denied"}`),
		resttest.Case("manager of the broker", "alice", "GET /api/billing/transactions", "", 200, head+`"balance_amount":0,"balance_unit":"usd",`+tail+all),
		resttest.Case("contributor of the broker", "cindy", "GET /api/billing/transactions", "", 200, "*"),
		resttest.Case("selector", "alice", "GET /api/billing/transactions?selector=pay", "", 200,
			head+`"balance_amount":2000,"balance_unit":"usd","balances":[{"amount":2000,"unit":"usd"},{"amount":300,"unit":"eur"}],`+tail+all),
		resttest.Case("selector of nothing", "alice", "GET /api/billing/transactions?selector=%25", "", 200,
			head+`"balance_amount":0,"balance_unit":"usd","count":0,"next":null,"previous":null,"results":[]}`),
		resttest.Case("search", "alice", "GET /api/billing/transactions?q=nothing", "", 200, `~"count":0`),
		resttest.Case("order", "alice", "GET /api/billing/transactions?o=amount&page_size=1", "", 200, `~"dest_amount":300~"count":2`),
		resttest.Case("before", "alice", "GET /api/billing/transactions?ends_at=2025-03-10", "", 200, `~"count":0`),
		resttest.Case("bad date", "alice", "GET /api/billing/transactions?start_at=soon", "", 400, `~start_at`),
		resttest.Case("writing", "alice", "POST /api/billing/transactions", "{}", 405, `{"detail":"Method \"POST\" not allowed."}`),
		resttest.Case("CSV", "alice", "GET /api/billing/transactions?format=csv", "", 200, "~created_at,description,amount~,Payable,acme,2000,usd"),
	)
}
