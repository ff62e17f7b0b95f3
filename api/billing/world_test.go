package billing

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/api/processor"
	"github.com/caddy-tollgate/tollgate/api/profile"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/api/subscription"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// world is the API of this package over a store of the test's own, with the sandbox. It is 2026-03-15, 12:00:00 UTC.
//
// The broker is hub: alice manages it, kim contributes. cowork and gym are providers, by donny and gus; cleo contributes to cowork.
// xia has a personal profile, yan manages acme; ghost is a shadow. zoe is nobody anywhere. cowork sells basic (2000 a month, 5 % for
// the broker) and premium (20000 a month, 5 %, with the use "requests": 100 each, 2 free); gym sells gym-monthly (3000, 10 %).
// xia subscribes to basic (sub 1) and gym-monthly (sub 4), acme to premium (sub 2) and gym-monthly (sub 3), ghost to basic (sub 5).
type world struct {
	*resttest.Site
	*Service
	t       testing.TB
	sandbox processor.Processor
	broken  string // the step at which the process ends; "" for none
	ids     map[string]int64
}

// mailer sends nothing: what is to be sent stays in the outbox.
type mailer struct{ notice.Mailer }

// crash is the end of the process at a step.
type crash struct{ step string }

func (c crash) Error() string { return "crashed at " + c.step }

func newWorld(t testing.TB) *world {
	t.Helper()
	clock := storetest.NewClock()
	clock.Set(time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC))
	db := storetest.NewAt(t, clock)
	w := &world{t: t, ids: map[string]int64{}}
	sandbox := processor.NewSandbox()
	sandbox.Keep(db)
	w.sandbox = sandbox
	w.start(db, clock)
	w.fill()
	return w
}

// start makes a service over a store, as a process does when it starts.
func (w *world) start(db *store.Store, clock *storetest.Clock) {
	w.t.Helper()
	dir, err := directory.New(directory.Options{Store: db, Now: clock.Now, Logger: zap.NewNop(), Broker: "hub", Secrets: directory.NewSecrets()})
	if err != nil {
		w.t.Fatal(err)
	}
	notices, err := notice.New(notice.Options{Directory: dir, Store: db, Now: clock.Now, Logger: zap.NewNop(), BaseURL: resttest.Base,
		From: "site@example.com", Mailer: mailer{}})
	if err != nil {
		w.t.Fatal(err)
	}
	profiles := profile.NewService(profile.Options{Store: db, Directory: dir, Notices: notices, Settings: profile.DefaultSettings()})
	subs := subscription.New(subscription.Options{Store: db, Directory: dir, Notices: notices, Profiles: profiles, Settings: subscription.DefaultSettings()})
	w.Service = New(Options{Store: db, Directory: dir, Settings: DefaultSettings(), Notices: notices, Subscriptions: subs, Profiles: profiles,
		Processor: w.sandbox, FailPoint: func(step string) error {
			if step == w.broken {
				return crash{step}
			}
			return nil
		}})
	profiles.SetSubscriptions(subs)
	w.Site = resttest.With(w.t, rest.Options{Store: db, Directory: dir, Logger: zap.NewNop()}, clock, w.Service.Endpoints())
}

// restart is another process over the same database, with other caches; the one before is gone.
func (w *world) restart() {
	w.t.Helper()
	w.broken = ""
	w.start(w.Site.Store, w.Clock)
}

func (w *world) write(fn func(tx *store.Tx) error) {
	w.t.Helper()
	if err := w.Site.Store.Write(w.t.Context(), fn); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) read(fn func(r store.Reader) error) {
	w.t.Helper()
	if err := w.Site.Store.Read(w.t.Context(), fn); err != nil {
		w.t.Fatal(err)
	}
}

// exec runs a statement behind the API's back, and makes the directory forget everything.
func (w *world) exec(query string, args ...any) {
	w.t.Helper()
	w.write(func(tx *store.Tx) error {
		_, err := tx.Exec(query, args...)
		return err
	})
	w.dir.TouchAll()
}

// values are the first column of a query, as text.
func (w *world) values(query string, args ...any) string {
	w.t.Helper()
	var all []string
	w.read(func(r store.Reader) error {
		all = nil
		return store.Each(r, func(rows *sql.Rows) error {
			var v any
			err := rows.Scan(&v)
			all = append(all, fmt.Sprint(v))
			return err
		}, query, args...)
	})
	return strings.Join(all, " ")
}

func (w *world) fill() {
	at := func(month, day int) store.Time {
		return store.At(time.Date(2026, time.Month(month), day, 0, 0, 0, 0, time.UTC))
	}
	const password = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2E$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g"
	w.write(func(tx *store.Tx) error {
		insert := func(name, query string, args ...any) {
			w.t.Helper()
			id, err := tx.Insert(query, args...)
			if err != nil {
				w.t.Fatalf("%s: %v", name, err)
			}
			w.ids[name] = id
		}
		insert("stripe", `INSERT INTO profile (slug, full_name, created_at) VALUES ('stripe', 'Stripe', ?)`, at(1, 1))
		for _, slug := range []string{"manager", "contributor"} {
			insert("role "+slug, `INSERT INTO role_description (created_at, slug, title) VALUES (?, ?, ?)`, at(1, 1), slug, slug)
		}
		for _, name := range []string{"alice", "kim", "donny", "cleo", "gus", "xia", "yan", "zoe"} {
			insert("user "+name, `INSERT INTO user (username, email, first_name, last_name, password, created_at, password_changed_at)
				VALUES (?, ?, ?, 'Lee', ?, ?, ?)`, name, name+"@example.com", strings.ToUpper(name[:1])+name[1:], password, at(1, 1), at(1, 1))
			insert("contact "+name, `INSERT INTO contact (slug, created_at, email, email_verified_at, user_id) SELECT username, created_at, email, created_at, id
				FROM user WHERE username = ?`, name)
		}
		for _, p := range [][2]string{{"hub", "Hub Inc"}, {"cowork", "Cowork"}, {"gym", "City Gym"}, {"xia", "Xia Lee"}, {"acme", "Acme Corp"}, {"ghost", "Ghost"}} {
			insert(p[0], `INSERT INTO profile (slug, created_at, full_name, email, is_provider, billing_start) VALUES (?, ?, ?, ?, ?, '2026-04-01')`,
				p[0], at(1, 1), p[1], p[0]+"@example.com", p[0] == "hub" || p[0] == "cowork")
		}
		for _, r := range [][3]string{{"hub", "alice", "manager"}, {"hub", "kim", "contributor"}, {"cowork", "donny", "manager"}, {"cowork", "cleo", "contributor"},
			{"gym", "gus", "manager"}, {"xia", "xia", "manager"}, {"acme", "yan", "manager"}} {
			insert("", `INSERT INTO role (created_at, profile_id, user_id, role_description_id) VALUES (?, ?, ?, ?)`, at(1, 1), w.ids[r[0]], w.ids["user "+r[1]], w.ids["role "+r[2]])
		}
		for _, p := range []struct {
			slug, title, owner string
			amount, percent    int64
		}{{"basic", "Basic", "cowork", 2000, 500}, {"premium", "Premium", "cowork", 20000, 500}, {"gym-monthly", "Gym Monthly", "gym", 3000, 1000}} {
			insert("plan "+p.slug, `INSERT INTO plan (slug, title, profile_id, created_at, period_amount, period_type, broker_fee_percent, is_active)
				VALUES (?, ?, ?, ?, ?, 4, ?, 1)`, p.slug, p.title, w.ids[p.owner], at(1, 1), p.amount, p.percent)
		}
		insert("use requests", `INSERT INTO use_charge (slug, title, description, created_at, plan_id, use_amount, quota, maximum_limit) VALUES ('requests', 'Requests', '', ?, ?, 100, 2, 1000)`,
			at(1, 1), w.ids["plan premium"])
		for _, s := range [][2]string{{"xia", "basic"}, {"acme", "premium"}, {"acme", "gym-monthly"}, {"xia", "gym-monthly"}, {"ghost", "basic"}} {
			insert("sub "+s[0]+":"+s[1], `INSERT INTO subscription (profile_id, plan_id, created_at, ends_at) VALUES (?, ?, ?, ?)`,
				w.ids[s[0]], w.ids["plan "+s[1]], at(3, 1), at(9, 1))
		}
		return nil
	})
	w.dir.TouchAll()
}

// order writes an order for a subscription ("acme:premium") and returns its entry.
func (w *world) order(name string, amount int64) (entry int64) {
	w.t.Helper()
	w.write(func(tx *store.Tx) error {
		sub, err := w.subs.ByID(tx, w.ids["sub "+name])
		if err != nil {
			return err
		}
		placed := ledger.OrderPlaced{At: tx.Now(), Event: sub.EventID(), Payer: sub.ProfileID, Provider: sub.ProviderID,
			Amount: ledger.Amount{Value: amount, Unit: "usd"}, Periods: 1, Descr: "Subscription to " + sub.Plan.Slug + " until 2026/09/01 (1 month)"}
		entries, err := placed.Entries()
		if err != nil {
			return err
		}
		batch, err := ledger.Post(tx, placed.Kind(), entries...)
		if err == nil {
			entry = batch.Entries[0].ID
		}
		w.touch(tx, batch.Entries)
		return err
	})
	return entry
}

// invoiced makes an invoice of orders ("acme:premium", 20000, …) and returns its claim code.
func (w *world) invoiced(orders ...any) (code string) {
	w.t.Helper()
	var bills []bill
	var customer int64
	for i := 0; i < len(orders); i += 2 {
		name := orders[i].(string)
		entry := w.order(name, int64(orders[i+1].(int)))
		w.read(func(r store.Reader) error {
			sub, err := w.subs.ByID(r, w.ids["sub "+name])
			if err != nil {
				return err
			}
			customer = sub.ProfileID
			bills, err = addLine(bills, sub.ProviderID, "usd", billLine{Entry: entry, Event: sub.EventID(), Amount: int64(orders[i+1].(int))})
			return err
		})
	}
	w.write(func(tx *store.Tx) error {
		ids, err := w.invoice(tx, customer, 0, bills)
		if err != nil {
			return err
		}
		return tx.QueryRow(`SELECT claim_code FROM charge WHERE id = ?`, ids[0]).Scan(&code)
	})
	return code
}

// paid makes an invoice of orders, pays it with a token and settles it; it returns the key of the charge.
func (w *world) paid(token string, orders ...any) (key string) {
	w.t.Helper()
	code := w.invoiced(orders...)
	answer := w.Do("", "POST /api/billing/payments/"+code, `{"processor_token":"`+token+`"}`)
	var c Charge
	if err := json.Unmarshal(answer.Body.Bytes(), &c); err != nil || c.ProcessorKey == nil {
		w.t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	if answer := w.Do("", "GET /api/billing/payments/"+code, ""); !strings.Contains(answer.Body.String(), `"state":"done"`) {
		w.t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	return *c.ProcessorKey
}

// verify proves the books.
func (w *world) verify() {
	w.t.Helper()
	report, err := ledger.Verify(w.t.Context(), w.Site.Store, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if len(report.Problems) > 0 {
		w.t.Fatalf("the books are not in order: %v", report.Problems)
	}
}

// accounts are the balances of accounts of a profile that are not 0: "Funds 18390, Income …".
func (w *world) accounts(profile string) string {
	w.t.Helper()
	var all []string
	w.read(func(r store.Reader) error {
		all = nil
		return store.Each(r, func(rows *sql.Rows) error {
			var account string
			var amount int64
			err := rows.Scan(&account, &amount)
			all = append(all, fmt.Sprintf("%s %d", account, amount))
			return err
		}, `SELECT account, amount FROM balance WHERE profile_id = ? AND amount <> 0 ORDER BY account`, w.ids[profile])
	})
	return strings.Join(all, ", ")
}
