package directory

import (
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"go.uber.org/zap/zaptest"

	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// world is a directory over a store that a test fills row by row. Its broker is "hub".
type world struct {
	t     testing.TB
	store *store.Store
	clock *storetest.Clock
	*Directory
	manager, contributor int64 // global role descriptions
}

func newWorld(t testing.TB, change ...func(*Options)) *world {
	t.Helper()
	clock := storetest.NewClock()
	w := &world{t: t, clock: clock, store: storetest.NewAt(t, clock)}
	o := Options{Store: w.store, Now: clock.Now, Logger: zaptest.NewLogger(t), Broker: "hub", Secrets: NewSecrets()}
	for _, fn := range change {
		fn(&o)
	}
	d, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	w.Directory = d
	w.manager = w.insert(`INSERT INTO role_description (created_at, slug, title) VALUES (0, 'manager', 'Manager')`)
	w.contributor = w.insert(`INSERT INTO role_description (created_at, slug, title) VALUES (0, 'contributor', 'Contributor')`)
	w.profile("hub")
	return w
}

// write runs one statement and the given touches in a transaction.
func (w *world) write(fn func(tx *store.Tx) error) {
	w.t.Helper()
	if err := w.store.Write(w.t.Context(), fn); err != nil {
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

func (w *world) exec(touch func(tx *store.Tx), query string, args ...any) {
	w.t.Helper()
	w.write(func(tx *store.Tx) error {
		touch(tx)
		n, err := tx.Exec(query, args...)
		if err == nil && n == 0 {
			return fmt.Errorf("no row: %s", query)
		}
		return err
	})
}

// user adds a user with a password and no contact.
func (w *world) user(name string) (id int64) {
	w.t.Helper()
	now := store.At(w.clock.Now())
	w.write(func(tx *store.Tx) (err error) {
		id, err = tx.Insert(`INSERT INTO user (username, email, first_name, last_name, password, created_at, password_changed_at)
			VALUES (?, ?, ?, 'Lee', '$argon2id$', ?, ?)`, name, name+"@example.com", "F"+name, now, now)
		w.TouchUser(tx, id)
		return err
	})
	return id
}

func (w *world) profile(slug string) (id int64) {
	w.t.Helper()
	w.write(func(tx *store.Tx) (err error) {
		id, err = tx.Insert(`INSERT INTO profile (slug, created_at, full_name, email) VALUES (?, ?, ?, ?)`,
			slug, tx.Now(), "The "+slug, slug+"@example.com")
		w.TouchProfile(tx, id)
		return err
	})
	return id
}

func (w *world) role(user, profile, description int64) (id int64) {
	w.t.Helper()
	w.write(func(tx *store.Tx) (err error) {
		id, err = tx.Insert(`INSERT INTO role (created_at, profile_id, user_id, role_description_id) VALUES (?, ?, ?, ?)`,
			tx.Now(), profile, user, description)
		w.TouchUser(tx, user)
		w.TouchProfile(tx, profile)
		return err
	})
	return id
}

func (w *world) plan(slug string, owner int64) int64 {
	w.t.Helper()
	return w.insert(`INSERT INTO plan (slug, title, is_active, created_at, profile_id) VALUES (?, ?, 1, 0, ?)`, slug, "Plan "+slug, owner)
}

func (w *world) subscribe(profile, plan int64, ends time.Time) (id int64) {
	w.t.Helper()
	w.write(func(tx *store.Tx) (err error) {
		id, err = tx.Insert(`INSERT INTO subscription (profile_id, plan_id, created_at, ends_at) VALUES (?, ?, ?, ?)`,
			profile, plan, tx.Now(), store.At(ends))
		w.TouchProfile(tx, profile)
		return err
	})
	return id
}

const oweSQL = `INSERT INTO statement (payer_id, event_id, unit, subscription_id, due, paid, payable, last_at) VALUES (?, ?, 'usd', ?, ?, ?, 0, 0)`

// owe writes what a payer owes for a subscription.
func (w *world) owe(touch func(*store.Tx), payer, subscription int64, event string, due, paid int64) {
	w.t.Helper()
	w.exec(func(tx *store.Tx) {
		if touch != nil {
			touch(tx)
		}
	}, oweSQL, payer, event, subscription, due, paid)
}

func (w *world) apiKey(user int64) (key string, id int64) {
	w.t.Helper()
	key = NewAPIKey()
	public, secret := HashKey(key)
	return key, w.insert(`INSERT INTO api_key (title, api_pub_key, api_password, created_at, user_id) VALUES ('k', ?, ?, 0, ?)`, public, secret, user)
}

// login opens a session and signs a token for it.
func (w *world) login(user int64, cookie bool) (s Session, token string) {
	w.t.Helper()
	w.write(func(tx *store.Tx) (err error) {
		if s, err = w.OpenSession(tx, user, cookie); err != nil {
			return err
		}
		u, err := w.UserDetail(tx, user)
		if err != nil {
			return err
		}
		token, err = w.SignToken(s, u, tx.Now())
		return err
	})
	return s, token
}

func (w *world) read(fn func(r store.Reader) error) {
	w.t.Helper()
	if err := w.store.Read(w.t.Context(), fn); err != nil {
		w.t.Fatal(err)
	}
}

func sha(s string) []byte {
	h := sha256.Sum256([]byte(s))
	return h[:]
}
