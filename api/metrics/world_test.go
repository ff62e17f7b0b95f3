package metrics

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/api/billing"
	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/api/profile"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/api/subscription"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// world is the API of this package over a store of the test's own, with the people of metrics.md 7: acme is the broker and a provider
// in Los Angeles, without an account at the processor, that sells open and basic, by the month; ann and bob are customers. It is
// 2015-08-06, 12:00:00 UTC. zed manages acme, ann and bob their own profiles; beta is another provider, which zed does not manage.
type world struct {
	*resttest.Site
	*Service
	t   testing.TB
	ids map[string]int64
}

func newWorld(t testing.TB) *world {
	t.Helper()
	clock := storetest.NewClock()
	clock.Set(time.Date(2015, 8, 6, 12, 0, 0, 0, time.UTC))
	db := storetest.NewAt(t, clock)
	dir, err := directory.New(directory.Options{Store: db, Now: clock.Now, Logger: zap.NewNop(), Broker: "acme", Secrets: directory.NewSecrets()})
	if err != nil {
		t.Fatal(err)
	}
	notices, err := notice.New(notice.Options{Directory: dir, Store: db, Now: clock.Now, Logger: zap.NewNop(), BaseURL: resttest.Base, From: "site@example.com",
		Mailer: notice.LogMailer{Logger: zap.NewNop()}})
	if err != nil {
		t.Fatal(err)
	}
	profiles := profile.NewService(profile.Options{Store: db, Directory: dir, Notices: notices, Settings: profile.DefaultSettings()})
	subs := subscription.New(subscription.Options{Store: db, Directory: dir, Notices: notices, Profiles: profiles, Settings: subscription.DefaultSettings()})
	w := &world{t: t, ids: map[string]int64{}}
	w.Service = New(Options{Directory: dir, Unit: "usd", CanPay: func() bool { return false }, Store: db, Notices: notices, Logger: zap.NewNop(),
		Billing: billing.New(billing.Options{Store: db, Directory: dir, Settings: billing.DefaultSettings(), Notices: notices, Subscriptions: subs, Profiles: profiles})})
	w.Site = resttest.With(t, rest.Options{Store: db, Directory: dir, Logger: zap.NewNop()}, clock, w.Service.Endpoints())
	w.fill()
	return w
}

func day(month, day int) store.Time {
	return store.At(time.Date(2015, time.Month(month), day, 0, 0, 0, 0, time.UTC))
}

func (w *world) write(fn func(tx *store.Tx) error) {
	w.t.Helper()
	if err := w.Store.Write(w.t.Context(), fn); err != nil {
		w.t.Fatal(err)
	}
}

// insert runs an INSERT and remembers the row by a name.
func (w *world) insert(name, query string, args ...any) int64 {
	w.t.Helper()
	w.write(func(tx *store.Tx) (err error) {
		w.ids[name], err = tx.Insert(query, args...)
		return err
	})
	return w.ids[name]
}

func (w *world) exec(query string, args ...any) {
	w.t.Helper()
	w.write(func(tx *store.Tx) error {
		_, err := tx.Exec(query, args...)
		return err
	})
	w.Directory.TouchAll()
}

func (w *world) fill() {
	const password = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2E$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g"
	manager := w.insert("", `INSERT INTO role_description (created_at, slug, title) VALUES (?, 'manager', 'Manager')`, day(1, 1))
	for _, p := range [][2]string{{"stripe", "Stripe"}, {"acme", "Acme"}, {"ann", "Ann Lee"}, {"bob", "Bob"}, {"beta", "Beta"}} {
		w.insert(p[0], `INSERT INTO profile (slug, created_at, full_name, default_timezone) VALUES (?, ?, ?, ?)`, p[0], day(1, 1), p[1],
			map[bool]string{true: "America/Los_Angeles", false: "UTC"}[p[0] == "acme"])
	}
	for _, u := range [][2]string{{"zed", "acme"}, {"ann", "ann"}, {"bob", "bob"}, {"eve", "beta"}} {
		id := w.insert("user "+u[0], `INSERT INTO user (username, email, first_name, last_name, password, created_at, password_changed_at) VALUES (?, ?, ?, 'Lee', ?, ?, ?)`,
			u[0], u[0]+"@example.com", strings.ToUpper(u[0][:1])+u[0][1:], password, day(1, 1), day(1, 1))
		w.insert("", `INSERT INTO role (created_at, profile_id, user_id, role_description_id) VALUES (?, ?, ?, ?)`, day(1, 1), w.ids[u[1]], id, manager)
	}
	w.plan("acme", "open", "Open", ledger.Monthly, "usd")
	w.plan("acme", "basic", "Basic", ledger.Monthly, "usd")
	w.exec(`UPDATE plan SET is_active = 0 WHERE slug = 'basic'`)
	w.subscribe("ann", "open", day(5, 10), day(8, 15))
	w.subscribe("bob", "open", day(7, 10), store.At(day(8, 15).AddDate(1, 0, 0)))
	w.Directory.TouchAll()
}

func (w *world) plan(owner, slug, title string, period ledger.Period, unit string) {
	w.t.Helper()
	w.insert("plan "+slug, `INSERT INTO plan (slug, title, profile_id, created_at, period_amount, period_type, unit, is_active) VALUES (?, ?, ?, ?, 2000, ?, ?, 1)`,
		slug, title, w.ids[owner], day(1, 1), int64(period), unit)
}

func (w *world) subscribe(who, plan string, from, to store.Time) {
	w.t.Helper()
	w.insert("sub "+who+":"+plan, `INSERT INTO subscription (profile_id, plan_id, created_at, ends_at) VALUES (?, ?, ?, ?)`, w.ids[who], w.ids["plan "+plan], from, to)
}

// post writes the entries of an event of the ledger.
func (w *world) post(event interface {
	Kind() string
	Entries() ([]ledger.Entry, error)
}) {
	w.t.Helper()
	entries, err := event.Entries()
	if err != nil {
		w.t.Fatal(err)
	}
	w.entries(event.Kind(), entries...)
}

func (w *world) entries(kind string, entries ...ledger.Entry) {
	w.t.Helper()
	w.write(func(tx *store.Tx) error {
		_, err := ledger.Post(tx, kind, entries...)
		return err
	})
}

// sold is a subscription ("ann:open") as the events of the ledger name it.
func (w *world) sold(name string) (event string, payer, provider int64, unit string) {
	w.t.Helper()
	id := w.ids["sub "+name]
	err := w.Store.Read(w.t.Context(), func(r store.Reader) error {
		return r.QueryRow(`SELECT s.profile_id, s.provider_id, plan.unit FROM subscription s JOIN plan ON plan.id = s.plan_id WHERE s.id = ?`, id).Scan(&payer, &provider, &unit)
	})
	if err != nil {
		w.t.Fatalf("%s: %v", name, err)
	}
	return ledger.SubEvent(id), payer, provider, unit
}

func (w *world) order(name string, amount, periods int64, at store.Time) {
	w.t.Helper()
	event, payer, provider, unit := w.sold(name)
	w.post(ledger.OrderPlaced{At: at, Event: event, Payer: payer, Provider: provider, Amount: ledger.Amount{Value: amount, Unit: unit}, Periods: periods, Descr: "Order"})
}

// pay settles an order by card, charge number n; the processor keeps fee.
func (w *world) pay(name string, amount, fee, n int64, at store.Time) {
	w.t.Helper()
	event, payer, provider, unit := w.sold(name)
	w.post(ledger.PaidByCard{At: at, Charge: n, Key: fmt.Sprint("ch_", n), Customer: payer, Processor: w.ids["stripe"], Broker: w.ids["acme"],
		Amount: ledger.Amount{Value: amount, Unit: unit}, Received: ledger.Distribution{Provider: amount - fee, ProcessorFee: fee},
		Lines: []ledger.PaidLine{{Event: event, Provider: provider, Amount: amount, Payable: amount}}})
}

func (w *world) payOffline(name string, amount int64, at store.Time) {
	w.t.Helper()
	event, payer, provider, unit := w.sold(name)
	w.post(ledger.PaidOffline{At: at, Check: ledger.NewCheckEvent(), Event: event, Payer: payer, Provider: provider, Amount: ledger.Amount{Value: amount, Unit: unit}, Payable: amount})
}

func (w *world) writeOff(name string, amount int64, at store.Time) {
	w.t.Helper()
	event, payer, provider, unit := w.sold(name)
	w.post(ledger.WrittenOff{At: at, Event: event, Payer: payer, Provider: provider, Amount: ledger.Amount{Value: amount, Unit: unit}, Payable: amount})
}

// move writes one entry of amount in cents: "acme:Backlog <- acme:Income".
func (w *world) move(kind, text, event string, amount int64, at store.Time) {
	w.t.Helper()
	leg := func(s string) ledger.Leg {
		who, account, _ := strings.Cut(s, ":")
		return ledger.Leg{Profile: w.ids[who], Account: account, Amount: amount, Unit: "usd"}
	}
	dest, orig, _ := strings.Cut(text, " <- ")
	w.entries(kind, ledger.Entry{CreatedAt: at, Kind: kind, Event: event, Dest: leg(dest), Orig: leg(orig)})
}

// example writes the ledger of metrics.md 7.
func (w *world) example() {
	w.t.Helper()
	ann, _, _, _ := w.sold("ann:open")
	w.order("ann:open", 2000, 1, day(5, 10))
	w.pay("ann:open", 2000, 100, 1, day(5, 10))
	w.order("ann:open", 2000, 1, day(6, 10))
	w.pay("ann:open", 2000, 100, 2, day(6, 10))
	w.move(ledger.KindIncome, "acme:Backlog <- acme:Income", ann, 1500, day(6, 30))
	w.order("bob:open", 5000, 1, day(7, 10))
	w.order("bob:open", 700, 1, day(8, 2))
	w.pay("bob:open", 1000, 100, 3, day(8, 3))
	w.move(ledger.KindRefund, "acme:Refund <- ann:Refunded", ledger.RefundEvent(2, 2), 500, day(8, 4))
}
