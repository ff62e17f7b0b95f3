package profile

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// world is a site under test: the fixture of profiles.md 14, and more people of the kinds that endpoints tell apart.
//
//	bob    manager of the broker                  ben    contributor of the broker
//	donny  manager of cowork, a provider          carol  contributor of cowork
//	olga   manager of otherprov, a provider       alice  no role
//	xia    manager of the personal profile xia, subscribed to basic of cowork
//	kim    contributor of the profile acme        yan    manager of acme, whose subscription to gold of gym has ended
//	gus    manager of gym, a provider             nina   no password, never logged in
//	pia    has a pending grant on cowork          ray    has a pending request on cowork
//	joey-black is a shadow with a current subscription to basic; ghost one whose subscription has ended
type world struct {
	*resttest.Site
	t       testing.TB
	dir     *directory.Directory
	service *Service
	users   *fakeUsers
	tx      *store.Tx // while batch runs
}

func newWorld(t testing.TB, change ...func(*Settings)) *world {
	t.Helper()
	w := bareWorld(t, change...)
	w.batch(w.populate)
	return w
}

func (w *world) populate() {
	for _, u := range []string{"bob", "ben", "donny", "carol", "olga", "alice", "xia", "kim", "yan", "gus", "pia", "ray"} {
		w.user(u)
	}
	w.user("nina")
	w.exec(`UPDATE user SET password = '!' WHERE username = 'nina'`)
	w.exec(`UPDATE profile SET full_name = 'Broker', is_provider = 1 WHERE slug = 'broker'`)
	for _, p := range []string{"cowork", "otherprov", "gym"} {
		w.profile(p)
		w.exec(`UPDATE profile SET is_provider = 1 WHERE slug = ?`, p)
	}
	for _, p := range []string{"xia", "acme", "joey-black", "ghost"} {
		w.profile(p)
	}
	for _, r := range []string{"bob broker manager", "ben broker contributor", "donny cowork manager", "carol cowork contributor",
		"olga otherprov manager", "xia xia manager", "kim acme contributor", "yan acme manager", "gus gym manager"} {
		f := strings.Fields(r)
		w.role(f[0], f[1], f[2])
	}
	w.role("pia", "cowork", "contributor")
	w.exec(`UPDATE role SET grant_key = ? WHERE user_id = (SELECT id FROM user WHERE username = 'pia')`, piaKey)
	w.role("ray", "cowork", "contributor")
	w.exec(`UPDATE role SET request_key = ?, role_description_id = NULL WHERE user_id = (SELECT id FROM user WHERE username = 'ray')`, rayKey)
	w.exec(`INSERT INTO plan (slug, title, is_active, created_at, profile_id) SELECT 'basic', 'Basic', 1, 0, id FROM profile WHERE slug = 'cowork'`)
	w.exec(`INSERT INTO plan (slug, title, is_active, created_at, profile_id) SELECT 'gold', 'Gold', 1, 0, id FROM profile WHERE slug = 'gym'`)
	w.subscribe("xia", "basic", 30*24*time.Hour)
	w.subscribe("joey-black", "basic", 30*24*time.Hour)
	w.subscribe("ghost", "basic", -time.Hour)
	w.subscribe("acme", "gold", -time.Hour)
}

const (
	piaKey = "b1a0000000000000000000000000000000000001"
	rayKey = "d1a0000000000000000000000000000000000002"
)

// bareWorld is a site as it is bootstrapped.
func bareWorld(t testing.TB, change ...func(*Settings)) *world {
	t.Helper()
	clock := storetest.NewClock()
	s := storetest.NewAt(t, clock)
	log := zaptest.NewLogger(t, zaptest.Level(zap.ErrorLevel))
	dir, err := directory.New(directory.Options{Store: s, Now: clock.Now, Logger: log, Broker: "broker", Secrets: directory.NewSecrets()})
	if err != nil {
		t.Fatal(err)
	}
	notices, err := notice.New(notice.Options{Directory: dir, Store: s, Now: clock.Now, Logger: log, BaseURL: resttest.Base, Sinks: []notice.Sink{everything{}}})
	if err != nil {
		t.Fatal(err)
	}
	set := DefaultSettings()
	for _, fn := range change {
		fn(&set)
	}
	w := &world{t: t, dir: dir, users: &fakeUsers{dir: dir}}
	w.service = NewService(Options{Store: s, Directory: dir, Notices: notices, Settings: set, Pictures: &rest.Pictures{Dir: t.TempDir(), Max: 1 << 10}})
	w.service.SetUsers(w.users)
	w.service.SetSubscriptions(fakeSubscriptions{})
	err = w.bootstrap(t, Bootstrap{ProcessorSlug: "stripe", ProcessorName: "Stripe", BrokerSlug: "broker", BrokerName: "Broker", BrokerEmail: "hello@broker.example"})
	if err != nil {
		t.Fatal(err)
	}
	w.Site = resttest.With(t, rest.Options{Store: s, Directory: dir, Logger: log}, clock, w.service.Endpoints())
	return w
}

// batch runs what executes statements in one transaction.
func (w *world) batch(fn func()) {
	w.t.Helper()
	err := w.Store.Write(context.Background(), func(tx *store.Tx) error {
		w.tx = tx
		fn()
		w.tx = nil
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.dir.TouchAll()
}

func (w *world) exec(query string, args ...any) {
	w.t.Helper()
	if w.tx == nil {
		w.batch(func() { w.exec(query, args...) })
		return
	}
	if n, err := w.tx.Exec(query, args...); err != nil || n == 0 {
		w.t.Errorf("%s %v: %d rows, %v", query, args, n, err)
	}
}

// get reads one value.
func get[T any](w *world, query string, args ...any) (v T) {
	w.t.Helper()
	err := w.Store.Read(context.Background(), func(r store.Reader) error { return r.QueryRow(query, args...).Scan(&v) })
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		w.t.Fatalf("%s %v: %v", query, args, err)
	}
	return v
}

// user adds a user who has a password and a contact.
func (w *world) user(name string) {
	w.t.Helper()
	first := strings.ToUpper(name[:1]) + name[1:]
	w.exec(`INSERT INTO user (username, email, first_name, last_name, password, created_at, password_changed_at) VALUES (?, ?, ?, 'Lee', '$argon2id$', ?, 0)`,
		name, name+"@"+name+".example", first, store.At(created))
	w.exec(`INSERT INTO contact (slug, created_at, email, full_name, nick_name, user_id) SELECT username, ?, email, ?, ?, id FROM user WHERE username = ?`,
		store.At(created), first+" Lee", first, name)
}

var created = time.Date(2025, 1, 5, 9, 12, 44, 0, time.UTC)

func (w *world) profile(slug string) {
	w.t.Helper()
	w.exec(`INSERT INTO profile (slug, created_at, full_name, email, processor_id) VALUES (?, ?, ?, ?, 1)`,
		slug, store.At(created), "The "+slug, "ops@"+slug+".example")
}

func (w *world) role(user, profile, description string) {
	w.t.Helper()
	w.exec(`INSERT INTO role (created_at, profile_id, user_id, role_description_id)
		SELECT ?, p.id, u.id, d.id FROM profile p, user u, role_description d WHERE p.slug = ? AND u.username = ? AND d.slug = ? AND (d.profile_id IS NULL OR d.profile_id = p.id)`,
		store.At(created), profile, user, description)
}

func (w *world) subscribe(profile, plan string, ends time.Duration) {
	w.t.Helper()
	w.exec(`INSERT INTO subscription (profile_id, plan_id, created_at, ends_at) SELECT p.id, l.id, ?, ? FROM profile p, plan l WHERE p.slug = ? AND l.slug = ?`,
		store.At(created), store.At(w.Clock.Now().Add(ends)), profile, plan)
}

// roleOf is what a user has on a profile: "manager", "contributor?" while it is granted, "contributor!" while it is asked for,
// "" for nothing.
func (w *world) roleOf(user, profile string) string {
	w.t.Helper()
	return get[string](w, `SELECT coalesce(d.slug, '') || CASE WHEN r.grant_key IS NOT NULL THEN '?' WHEN r.request_key IS NOT NULL THEN '!' ELSE '' END
		FROM role r JOIN user u ON u.id = r.user_id JOIN profile p ON p.id = r.profile_id LEFT JOIN role_description d ON d.id = r.role_description_id
		WHERE u.username = ? AND p.slug = ? AND (r.ends_at IS NULL OR r.ends_at > ?)`, user, profile, store.At(w.Clock.Now()))
}

// events are the names of the events in the outbox, in order, each once for a sink; clear forgets them.
func (w *world) events() []string {
	w.t.Helper()
	var names []string
	err := w.Store.Read(context.Background(), func(r store.Reader) error {
		var err error
		names, err = store.Column[string](r, `SELECT event FROM outbox ORDER BY id`)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return names
}

// answer is a body taken apart.
func answer(t testing.TB, r *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(r.Body.Bytes(), &m); err != nil {
		t.Fatalf("%d %s: %v", r.Code, r.Body, err)
	}
	return m
}

// everything is a sink that is told of all events, so that the outbox holds each once.
type everything struct{}

func (everything) Name() string                                  { return "test" }
func (everything) Wants(string) bool                             { return true }
func (everything) Deliver(context.Context, *notice.Notice) error { return nil }

// fakeUsers stands for package auth.
type fakeUsers struct {
	dir      *directory.Directory
	prepared int
}

func (f *fakeUsers) InviteUser(tx *store.Tx, email, fullName string) (int64, string, error) {
	name, err := f.dir.Username(tx, email)
	if err != nil {
		return 0, "", err
	}
	id, err := f.NewUser(tx, name, email, fullName)
	return id, name, err
}

func (f *fakeUsers) NewUser(tx *store.Tx, username, email, fullName string) (int64, error) {
	first, last, _ := strings.Cut(fullName, " ")
	id, err := tx.Insert(`INSERT INTO user (username, email, first_name, last_name, created_at, password_changed_at) VALUES (?, ?, ?, ?, ?, ?)`,
		username, email, first, last, tx.Now(), tx.Now())
	f.dir.TouchUser(tx, id)
	return id, err
}

func (f *fakeUsers) RenameUser(tx *store.Tx, id int64, username string) error {
	_, err := tx.Exec(`UPDATE user SET username = ? WHERE id = ?`, username, id)
	f.dir.TouchUser(tx, id)
	return err
}

func (f *fakeUsers) ArchiveUser(tx *store.Tx, id int64) error {
	if _, err := tx.Exec(`DELETE FROM role WHERE user_id = ?`, id); err != nil {
		return err
	}
	_, err := tx.Exec(`UPDATE user SET username = '_archive_' || id, email = '_archive_' || id || '@anonimized.local', first_name = '', last_name = '', password = '!', is_active = 0 WHERE id = ?`, id)
	f.dir.TouchUser(tx, id)
	return err
}

func (f *fakeUsers) UpdateFromProfile(_ *rest.Call, tx *store.Tx, id int64, fullName, email string) (bool, error) {
	f.dir.TouchUser(tx, id)
	if fullName != "" {
		first, last, _ := strings.Cut(fullName, " ")
		if _, err := tx.Exec(`UPDATE user SET first_name = ?, last_name = ? WHERE id = ?`, first, last, id); err != nil {
			return false, err
		}
	}
	if email == "" {
		return false, nil
	}
	if held, err := exists(tx, `SELECT EXISTS (SELECT 1 FROM user WHERE email = ? AND id <> ?)`, email, id); held || err != nil {
		return true, err
	}
	if _, err := tx.Exec(`UPDATE contact SET email_verified_at = NULL WHERE user_id = ?`, id); err != nil {
		return false, err
	}
	_, err := tx.Exec(`UPDATE user SET email = ? WHERE id = ?`, email, id)
	return false, err
}

func (f *fakeUsers) PrepareVerification(tx *store.Tx, id int64, reason string) (string, error) {
	f.prepared++
	return directory.NewKey(), nil
}

// fakeSubscriptions stands for package subscription.
type fakeSubscriptions struct{}

func (fakeSubscriptions) CurrentSubscribers(r store.Reader, profile int64) (n int64, err error) {
	err = r.QueryRow(`SELECT count(*) FROM plan p JOIN subscription s ON s.plan_id = p.id WHERE p.profile_id = ? AND s.ends_at > ?`, profile, r.Now()).Scan(&n)
	return n, err
}

func (fakeSubscriptions) EndAll(tx *store.Tx, profile int64) error {
	_, err := tx.Exec(`UPDATE subscription SET ends_at = min(ends_at, ?), auto_renew = 0 WHERE profile_id = ?`, tx.Now(), profile)
	return err
}

func (fakeSubscriptions) Active(r store.Reader, profile int64) ([]Subscription, error) {
	rows, err := r.Query(`SELECT s.created_at, s.ends_at, p.slug, p.title, s.auto_renew FROM subscription s JOIN plan p ON p.id = s.plan_id
		WHERE s.profile_id = ? AND s.ends_at > ? ORDER BY s.ends_at`, profile, r.Now())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Subscription
	for rows.Next() {
		var s Subscription
		if err := rows.Scan(&s.CreatedAt, &s.EndsAt, &s.Plan.Slug, &s.Plan.Title, &s.AutoRenew); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, rows.Err()
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// notes stands for the activities of package auth.
func notes(r store.Reader, profile int64) (any, error) {
	rows, err := r.Query(`SELECT text FROM activity WHERE profile_id = ?`, profile)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var texts []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	return texts, rows.Err()
}

// bootstrap makes what a site starts with.
func (w *world) bootstrap(t testing.TB, b Bootstrap) error {
	return w.service.store.Write(t.Context(), func(tx *store.Tx) error { return w.service.Bootstrap(tx, b) })
}
