package notice

import (
	"context"
	"encoding/json"
	"errors"
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
	w.write(func(tx *store.Tx) (err error) { // one transaction: each costs a flush of the disk
		insert := func(query string, args ...any) int64 {
			id, failed := tx.Insert(query, args...)
			err = errors.Join(err, failed)
			return id
		}
		w.manager = insert(`INSERT INTO role_description (created_at, slug, title) VALUES (0, 'manager', 'Manager')`)
		for slug, id := range map[string]*int64{"hub": &w.hub, "cowork": &w.cowork, "acme": &w.acme} {
			*id = insert(`INSERT INTO profile (slug, created_at, full_name, email) VALUES (?, 0, ?, ?)`, slug, "The "+slug, slug+"@firm.example")
		}
		for i, id := range []*int64{&w.alice, &w.amy, &w.donny, &w.yan, &w.xia, &w.kim} {
			name := []string{"alice", "amy", "donny", "yan", "xia", "kim"}[i]
			*id = insert(`INSERT INTO user (username, email, first_name, last_name, password, created_at, password_changed_at)
				VALUES (?, ?, ?, 'Lee', '$argon2id$', 0, 0)`, name, name+"@example.com", strings.ToUpper(name[:1])+name[1:])
		}
		for _, r := range [][2]int64{{w.alice, w.hub}, {w.amy, w.hub}, {w.donny, w.cowork}, {w.yan, w.acme}, {w.xia, w.acme}} {
			insert(`INSERT INTO role (created_at, user_id, profile_id, role_description_id) VALUES (0, ?, ?, ?)`, r[0], r[1], w.manager)
		}
		return err
	})
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
