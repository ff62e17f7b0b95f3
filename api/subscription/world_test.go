package subscription

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/api/profile"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// world is the API of this package over a store of the test's own. It is 2026-03-15, 12:00:00 UTC.
//
// The broker is hub: alice manages it, kim contributes. cowork and gym are providers, by donny and gus, cowork by is_provider
// as well; cleo contributes to cowork. xia has a personal profile and contributes to acme, which yan manages. ghost is a
// shadow. zoe is nobody anywhere.
//
// cowork sells basic (2000 a month), premium (5000 a month, 1000 at first, with the use "requests"), annual (20000 a year with
// advance discounts), club (free, asks first), welcome (1500 a month, skips the opt-in), legacy (inactive); gym sells
// gym-monthly (3000). xia subscribes to basic until April 1st, yan's acme to premium until March 20th and had basic until
// February 20th; ghost has welcome until August; acme asks for club (key 33…3, nothing ordered).
type world struct {
	*resttest.Site
	*Service
	t    testing.TB
	dir  *directory.Directory
	mail *mail
}

// users makes users as the package auth does.
type users struct{ profile.Users }

func (users) NewUser(tx *store.Tx, username, email, fullName string) (int64, error) {
	first, last, _ := strings.Cut(fullName, " ")
	return tx.Insert(`INSERT INTO user (username, email, first_name, last_name, created_at, password_changed_at) VALUES (?, ?, ?, ?, ?, ?)`,
		username, email, first, last, tx.Now(), tx.Now())
}

func newWorld(t testing.TB, change ...func(*Settings)) *world {
	t.Helper()
	clock := storetest.NewClock()
	clock.Set(time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC))
	db := storetest.NewAt(t, clock)
	dir, err := directory.New(directory.Options{Store: db, Now: clock.Now, Logger: zaptest.NewLogger(t, zaptest.Level(zap.ErrorLevel)),
		Broker: "hub", Secrets: directory.NewSecrets()})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: dir, mail: &mail{}}
	notices, err := notice.New(notice.Options{Directory: dir, Store: db, Now: clock.Now, Logger: zaptest.NewLogger(t, zaptest.Level(zap.ErrorLevel)),
		BaseURL: resttest.Base, From: "site@example.com", Mailer: w.mail})
	if err != nil {
		t.Fatal(err)
	}
	settings := DefaultSettings()
	for _, fn := range change {
		fn(&settings)
	}
	profiles := profile.NewService(profile.Options{Store: db, Directory: dir, Notices: notices, Settings: profile.DefaultSettings()})
	w.Service = New(Options{Store: db, Directory: dir, Notices: notices, Profiles: profiles, Users: users{}, Settings: settings})
	profiles.SetUsers(users{})
	profiles.SetSubscriptions(w.Service)
	w.Site = resttest.With(t, rest.Options{Store: db, Directory: dir}, clock, w.Service.Endpoints())
	w.fill()
	return w
}

// mail collects what is sent.
type mail struct{ notice.Mailer }

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
		rows, err := r.Query(query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var v any
			if err := rows.Scan(&v); err != nil {
				return err
			}
			all = append(all, fmt.Sprint(v))
		}
		return rows.Err()
	})
	return strings.Join(all, " ")
}

// value is a value of a JSON answer, by keys and indices, as text.
func value(t testing.TB, w *httptest.ResponseRecorder, path ...any) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
	for _, step := range path {
		switch step := step.(type) {
		case string:
			v = v.(map[string]any)[step]
		case int:
			v = v.([]any)[step]
		}
	}
	if s, ok := v.(string); ok {
		return s
	}
	b, _ := json.Marshal(v)
	return string(b)
}

// results are one field of the results of a list, as text.
func results(t testing.TB, w *httptest.ResponseRecorder, field ...any) string {
	t.Helper()
	var page struct {
		Count   int
		Results []json.RawMessage
	}
	if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
	all := []string{fmt.Sprint(page.Count) + ":"}
	for _, item := range page.Results {
		one := httptest.NewRecorder()
		one.Body.Write(item)
		all = append(all, value(t, one, field...))
	}
	return strings.Join(all, " ")
}

const password = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2E$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g"

func (w *world) fill() {
	at := func(month, day int) store.Time {
		return store.At(time.Date(2026, time.Month(month), day, 0, 0, 0, 0, time.UTC))
	}
	w.write(func(tx *store.Tx) error {
		ids := map[string]int64{}
		insert := func(name, query string, args ...any) {
			w.t.Helper()
			id, err := tx.Insert(query, args...)
			if err != nil {
				w.t.Fatalf("%s: %v", name, err)
			}
			ids[name] = id
		}
		insert("stripe", `INSERT INTO profile (slug, created_at) VALUES ('stripe', ?)`, at(1, 1))
		for _, slug := range []string{"manager", "contributor"} {
			insert("role "+slug, `INSERT INTO role_description (created_at, slug, title) VALUES (?, ?, ?)`, at(1, 1), slug, slug)
		}
		for _, name := range []string{"alice", "kim", "donny", "cleo", "gus", "xia", "yan", "zoe"} {
			insert("user "+name, `INSERT INTO user (username, email, first_name, last_name, password, created_at, password_changed_at)
				VALUES (?, ?, ?, 'Lee', ?, ?, ?)`, name, name+"@example.com", strings.ToUpper(name[:1])+name[1:], password, at(1, 1), at(1, 1))
			insert("contact "+name, `INSERT INTO contact (slug, created_at, email, email_verified_at, user_id) SELECT username, created_at, email, created_at, id
				FROM user WHERE username = ?`, name)
		}
		for _, p := range []struct {
			slug, name string
			provider   bool
		}{{"hub", "Hub Inc", true}, {"cowork", "Cowork", true}, {"gym", "City Gym", false}, {"xia", "Xia Lee", false}, {"acme", "Acme Corp", false}, {"ghost", "Ghost", false}} {
			insert(p.slug, `INSERT INTO profile (slug, created_at, full_name, email, phone, is_provider, billing_start, default_timezone)
				VALUES (?, ?, ?, ?, '+14155555555', ?, '2026-04-01', 'America/New_York')`, p.slug, at(1, 1), p.name, p.slug+"@example.com", p.provider)
		}
		for _, r := range [][3]string{{"hub", "alice", "manager"}, {"hub", "kim", "contributor"}, {"cowork", "donny", "manager"}, {"cowork", "cleo", "contributor"},
			{"gym", "gus", "manager"}, {"xia", "xia", "manager"}, {"acme", "yan", "manager"}, {"acme", "xia", "contributor"}} {
			insert("", `INSERT INTO role (created_at, profile_id, user_id, role_description_id) VALUES (?, ?, ?, ?)`, at(1, 1), ids[r[0]], ids["user "+r[1]], ids["role "+r[2]])
		}
		for _, p := range []struct {
			slug, title, owner    string
			setup, amount, period int64
			active, skip, asks    bool
		}{
			{"basic", "Basic", "cowork", 0, 2000, 4, true, false, false},
			{"premium", "Premium", "cowork", 1000, 5000, 4, true, false, false},
			{"annual", "Annual", "cowork", 0, 20000, 5, true, false, false},
			{"club", "Club", "cowork", 0, 0, 4, true, false, true},
			{"welcome", "Welcome", "cowork", 0, 1500, 4, true, true, false},
			{"legacy", "Legacy", "cowork", 0, 900, 4, false, false, false},
			{"gym-monthly", "Gym Monthly", "gym", 0, 3000, 4, true, true, false},
		} {
			insert("plan "+p.slug, `INSERT INTO plan (slug, title, profile_id, created_at, setup_amount, period_amount, period_type, is_active, skip_optin_on_grant, optin_on_request)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, p.slug, p.title, ids[p.owner], at(1, 1), p.setup, p.amount, p.period, p.active, p.skip, p.asks)
		}
		insert("", `INSERT INTO advance_discount (plan_id, discount_type, discount_value, length) VALUES (?, 3, 1, 3)`, ids["plan annual"])
		insert("", `INSERT INTO advance_discount (plan_id, discount_type, discount_value, length) VALUES (?, 1, 1000, 2)`, ids["plan annual"])
		insert("", `INSERT INTO use_charge (slug, title, description, created_at, plan_id, use_amount, quota, maximum_limit) VALUES ('requests', 'Requests', 'API requests', ?, ?, 300, 10, 1000)`,
			at(1, 1), ids["plan premium"])
		for _, s := range []struct {
			profile, plan string
			from, to      store.Time
			request       any
		}{
			{"xia", "basic", at(3, 1), at(4, 1), nil},
			{"acme", "premium", at(1, 20), at(3, 20), nil},
			{"acme", "basic", at(1, 20), at(2, 20), nil},
			{"ghost", "welcome", at(2, 1), at(8, 1), nil},
			{"acme", "club", at(3, 10), at(6, 10), strings.Repeat("3", 40)},
			{"acme", "gym-monthly", at(3, 5), at(4, 5), nil},
		} {
			insert("", `INSERT INTO subscription (profile_id, plan_id, created_at, ends_at, request_key) VALUES (?, ?, ?, ?, ?)`, ids[s.profile], ids["plan "+s.plan], s.from, s.to, s.request)
		}
		return nil
	})
	w.dir.TouchAll()
}

// told checks that one notice of an event went out last, with these fragments in its payload.
func (w *world) told(t *testing.T, event string, fragments ...string) {
	t.Helper()
	payload := w.values(`SELECT payload FROM outbox WHERE event = ? ORDER BY id DESC LIMIT 1`, event)
	for _, f := range fragments {
		if !strings.Contains(payload, f) {
			t.Errorf("%s: payload %s\nwant it to hold %s", event, payload, f)
		}
	}
}

// order writes an order for a subscription.
func (w *world) order(id, amount int64) {
	w.t.Helper()
	w.write(func(tx *store.Tx) error {
		sub, err := w.ByID(tx, id)
		if err != nil {
			return err
		}
		placed := ledger.OrderPlaced{At: tx.Now(), Event: sub.EventID(), Payer: sub.ProfileID, Provider: sub.ProviderID,
			Amount: ledger.Amount{Value: amount, Unit: "usd"}, Periods: 1, Descr: "x"}
		entries, err := placed.Entries()
		if err != nil {
			return err
		}
		_, err = ledger.Post(tx, placed.Kind(), entries...)
		return err
	})
}
