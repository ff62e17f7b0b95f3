package notice

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap/zaptest"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// world is a site with a broker, "hub" of alice and amy; a provider, "cowork" of donny; and a customer, "acme" of yan and xia.
type world struct {
	t     testing.TB
	store *store.Store
	clock *storetest.Clock
	mails *MemoryMailer
	*Notices
	manager                          int64
	hub, cowork, acme                int64
	alice, amy, donny, yan, xia, kim int64
}

func newWorld(t testing.TB, change ...func(*Options)) *world {
	t.Helper()
	clock := storetest.NewClock()
	w := &world{t: t, clock: clock, store: storetest.NewAt(t, clock), mails: &MemoryMailer{}}
	d, err := directory.New(directory.Options{Store: w.store, Now: clock.Now, Broker: "hub", Secrets: directory.NewSecrets()})
	if err != nil {
		t.Fatal(err)
	}
	w.manager = w.insert(`INSERT INTO role_description (created_at, slug, title) VALUES (0, 'manager', 'Manager')`)
	w.hub, w.cowork, w.acme = w.profile("hub"), w.profile("cowork"), w.profile("acme")
	w.alice, w.amy, w.donny, w.yan, w.xia, w.kim = w.user("alice"), w.user("amy"), w.user("donny"), w.user("yan"), w.user("xia"), w.user("kim")
	w.role(w.alice, w.hub, "")
	w.role(w.amy, w.hub, "")
	w.role(w.donny, w.cowork, "")
	w.role(w.yan, w.acme, "")
	w.role(w.xia, w.acme, "")
	o := Options{Directory: d, Store: w.store, Now: clock.Now, Logger: zaptest.NewLogger(t), BaseURL: "https://site.example/",
		From: "site@hub.example", Mailer: w.mails}
	for _, fn := range change {
		fn(&o)
	}
	if w.Notices, err = New(o); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) write(fn func(tx *store.Tx) error) {
	w.t.Helper()
	if err := w.store.Write(context.Background(), fn); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) insert(query string, args ...any) (id int64) {
	w.t.Helper()
	w.write(func(tx *store.Tx) (err error) {
		id, err = tx.Insert(query, args...)
		return err
	})
	return id
}

func (w *world) exec(query string, args ...any) {
	w.t.Helper()
	w.write(func(tx *store.Tx) error {
		_, err := tx.Exec(query, args...)
		return err
	})
}

func (w *world) user(name string) int64 {
	w.t.Helper()
	return w.insert(`INSERT INTO user (username, email, first_name, last_name, password, created_at, password_changed_at)
		VALUES (?, ?, ?, 'Lee', '$argon2id$', 0, 0)`, name, name+"@example.com", strings.ToUpper(name[:1])+name[1:])
}

func (w *world) profile(slug string) int64 {
	w.t.Helper()
	return w.insert(`INSERT INTO profile (slug, created_at, full_name, email) VALUES (?, 0, ?, ?)`, slug, "The "+slug, slug+"@firm.example")
}

// role makes a user a manager; set is more columns, as in "ends_at = 5".
func (w *world) role(user, profile int64, set string) {
	w.t.Helper()
	id := w.insert(`INSERT INTO role (created_at, profile_id, user_id, role_description_id) VALUES (0, ?, ?, ?)`, profile, user, w.manager)
	if set != "" {
		w.exec(`UPDATE role SET `+set+` WHERE id = ?`, id)
	}
}

func (w *world) optOut(user int64, event string) {
	w.t.Helper()
	w.exec(`INSERT INTO notification (slug) VALUES (?) ON CONFLICT DO NOTHING`, event)
	w.exec(`INSERT INTO user_notification SELECT ?, id FROM notification WHERE slug = ?`, user, event)
}

func (w *world) emit(e Event) {
	w.t.Helper()
	w.write(func(tx *store.Tx) error { return w.Emit(tx, e) })
}

// row is a row of the outbox.
type row struct {
	ID                   int64
	Event, Subject, Sink string
	Envelope             envelope
	Payload              string
	Attempts             int
	Next, Done, Dead     store.Time
	Error                string
}

func (w *world) outbox() (all []row) {
	w.t.Helper()
	err := w.store.Read(context.Background(), func(r store.Reader) error {
		rows, err := r.Query(`SELECT id, event, subject, sink, recipients, payload, attempts, next_at, done_at, dead_at, coalesce(error, '')
			FROM outbox ORDER BY id`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var one row
			var recipients string
			if err := rows.Scan(&one.ID, &one.Event, &one.Subject, &one.Sink, &recipients, &one.Payload, &one.Attempts, &one.Next, &one.Done,
				&one.Dead, &one.Error); err != nil {
				return err
			}
			if err := json.Unmarshal([]byte(recipients), &one.Envelope); err != nil {
				return err
			}
			all = append(all, one)
		}
		return rows.Err()
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

// deliver delivers what is due at the clock.
func (w *world) deliver() {
	w.t.Helper()
	if _, err := w.DeliverDue(context.Background()); err != nil {
		w.t.Fatal(err)
	}
}

// hook is a sink that calls a function.
type hook struct {
	name string
	only string // event, "" for all
	do   func(n *Notice) error

	mu   sync.Mutex
	told []Notice
}

func (h *hook) Name() string            { return h.name }
func (h *hook) Wants(event string) bool { return h.only == "" || h.only == event }
func (h *hook) Deliver(_ context.Context, n *Notice) error {
	if h.do != nil {
		if err := h.do(n); err != nil {
			return err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told = append(h.told, *n)
	return nil
}

const hour = time.Hour
