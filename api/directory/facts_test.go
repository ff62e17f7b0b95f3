package directory

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap/zaptest"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestUserFacts(t *testing.T) {
	w := newWorld(t)
	now := w.clock.Now()
	xia, acme, gym, ghost := w.user("xia"), w.profile("acme"), w.profile("gym"), w.profile("ghost")
	owner := w.profile("cowork")
	own := w.profile("xia")
	w.role(xia, acme, w.contributor)
	w.role(xia, own, w.manager)
	w.insert(`INSERT INTO role (created_at, profile_id, user_id, role_description_id, grant_key) VALUES (0, ?, ?, ?, 'g')`, gym, xia, w.manager)
	w.insert(`INSERT INTO role (created_at, profile_id, user_id, request_key) VALUES (0, ?, ?, 'r')`, ghost, xia)
	w.insert(`INSERT INTO contact (slug, created_at, nick_name, full_name, user_id) VALUES ('x2', 20, 'Late', 'Late Lee', ?)`, xia)
	w.insert(`INSERT INTO contact (slug, created_at, nick_name, full_name, user_id) VALUES ('x1', 10, '', 'Xia Lee', ?)`, xia)
	w.insert(`INSERT INTO otp (user_id, priv_key, created_at) VALUES (?, 'x', 0)`, xia)
	terms := w.insert(`INSERT INTO agreement (slug, title, updated_at) VALUES ('terms-of-use', 'T', 5)`)
	w.insert(`INSERT INTO signature (agreement_id, user_id, last_signed) VALUES (?, ?, 7)`, terms, xia)
	premium := w.plan("premium", owner)
	paid := w.subscribe(own, premium, now.Add(time.Hour))
	locked := w.subscribe(own, premium, now.Add(-time.Hour))
	w.insert(`INSERT INTO subscription (profile_id, plan_id, created_at, ends_at, grant_key) VALUES (?, ?, 0, 9, 'k')`, own, premium)
	// What is due for another subscription, or paid, locks nothing; somebody else's debt for this one does.
	for _, s := range []struct {
		payer, subscription int64
		event               string
		due, paid           int64
	}{
		{own, paid, "sub_/", 100, 100},
		{own, locked * 10, "sub_x/", 100, 0},
		{gym, locked, "sub_/3/", 100, 20},
		{own, locked, "sub_y/", 100, 200},
	} {
		w.owe(nil, s.payer, s.subscription, s.event, s.due, s.paid)
	}

	w.write(func(tx *store.Tx) error {
		_, err := tx.Exec(`UPDATE contact SET email = 'old@example.com', email_verified_at = 1 WHERE slug = 'x1'`)
		return err
	})
	got := must[*accessrules.User](t)(w.User("xia"))
	created := now.UTC()
	want := &accessrules.User{
		ID: xia, PublicID: got.PublicID, Username: "xia", Email: "old@example.com", EmailUnproven: "xia@example.com",
		Name: "Late", FullName: "Xia Lee", Lang: "en", Credentials: true, OTP: true,
		Pending: []string{"gym"}, Signed: map[string]time.Time{"terms-of-use": time.UnixMicro(7).UTC()},
		Roles: []accessrules.Role{
			{Description: "contributor", Profile: &accessrules.Profile{ID: acme, Slug: "acme", PrintableName: "The acme",
				CreatedAt: created, Active: true, Timezone: "UTC"}},
			{Description: "manager", Profile: &accessrules.Profile{ID: own, Slug: "xia", PrintableName: "The xia",
				Personal: true, Credentials: true, CreatedAt: created, Active: true, Managed: true, Timezone: "UTC",
				Subscriptions: []accessrules.Subscription{
					{Plan: "premium", Provider: "cowork", EndsAt: now.Add(-time.Hour), Locked: true},
					{Plan: "premium", Provider: "cowork", EndsAt: now.Add(time.Hour)},
				}}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("user (-want +got):\n%s", diff)
	}
	if again := must[*accessrules.User](t)(w.UserByID(xia)); again != got {
		t.Error("by ID, the user is read again")
	}
	if p := must[*accessrules.Profile](t)(w.Profile("xia")); p != got.Roles[1].Profile {
		// The profile is shared with its users.
		if diff := cmp.Diff(got.Roles[1].Profile, p); diff != "" {
			t.Errorf("profile differs from the user's (-user +profile):\n%s", diff)
		}
		t.Error("the profile was read twice")
	}
	plan := must[*accessrules.Plan](t)(w.Plan("premium"))
	if diff := cmp.Diff(&accessrules.Plan{Slug: "premium", Title: "Plan premium", Provider: "cowork", Active: true, Priced: true}, plan); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	if at := must[time.Time](t)(w.Agreement("terms-of-use")); !at.Equal(time.UnixMicro(5)) {
		t.Errorf("agreement of %v", at)
	}
}

func TestUnknownNames(t *testing.T) {
	w := newWorld(t)
	w.user("Xia")
	for _, name := range []string{"nobody", "xia", "", "'; --"} {
		if u, err := w.User(name); u != nil || err != nil {
			t.Errorf("User(%q) = %v, %v", name, u, err)
		}
		if p, err := w.Profile(name); p != nil || err != nil {
			t.Errorf("Profile(%q) = %v, %v", name, p, err)
		}
		if p, err := w.Plan(name); p != nil || err != nil {
			t.Errorf("Plan(%q) = %v, %v", name, p, err)
		}
		if at, err := w.Agreement(name); !at.IsZero() || err != nil {
			t.Errorf("Agreement(%q) = %v, %v", name, at, err)
		}
	}
	if u, err := w.UserByID(999); u != nil || err != nil {
		t.Errorf("UserByID = %v, %v", u, err)
	}
	// Whoever was asked for in vain is found as soon as it exists.
	id := w.user("nobody")
	if u, _ := w.User("nobody"); u == nil || u.ID != id {
		t.Errorf("the new user is %v", u)
	}
}

func TestInactiveUserIsNobody(t *testing.T) {
	w := newWorld(t)
	id := w.user("xia")
	must[*accessrules.User](t)(w.User("xia"))
	w.exec(func(tx *store.Tx) { w.TouchUser(tx, id) }, `UPDATE user SET is_active = 0 WHERE id = ?`, id)
	if u, err := w.User("xia"); u != nil || err != nil {
		t.Errorf("User = %v, %v", u, err)
	}
	if u, err := w.UserByID(id); u != nil || err != nil {
		t.Errorf("UserByID = %v, %v", u, err)
	}
}

// Each row is a change, the touch that its operation owes, and the fact that must show it on the next read. The facts are read
// before, so that they are cached.
func TestChangeReachesFacts(t *testing.T) {
	w := newWorld(t)
	now := w.clock.Now()
	xia, guest, acme, cowork := w.user("xia"), w.user("guest"), w.profile("acme"), w.profile("cowork")
	w.role(xia, acme, w.manager)
	shadow := w.profile("shadow")
	w.role(guest, shadow, w.manager)
	w.exec(func(tx *store.Tx) { w.TouchUser(tx, guest) }, `UPDATE user SET password = '!' WHERE id = ?`, guest)
	bob, bobs := w.user("bob"), w.profile("bob")
	gold := w.plan("gold", cowork)
	sub := w.subscribe(acme, gold, now.Add(time.Hour))
	agreement := w.insert(`INSERT INTO agreement (slug, title, updated_at) VALUES ('terms-of-use', 'T', 5)`)

	acmeOfXia := func() *accessrules.Profile { return must[*accessrules.User](t)(w.UserByID(xia)).Roles[0].Profile }
	profile := func(slug string) *accessrules.Profile {
		p := must[*accessrules.Profile](t)(w.Profile(slug))
		if p == nil {
			p = &accessrules.Profile{}
		}
		return p
	}
	user := func() *accessrules.User { return must[*accessrules.User](t)(w.User("xia")) }
	users := func(ids ...int64) func(*store.Tx) { return func(tx *store.Tx) { w.TouchUser(tx, ids...) } }
	profiles := func(ids ...int64) func(*store.Tx) { return func(tx *store.Tx) { w.TouchProfile(tx, ids...) } }

	for _, c := range []struct {
		name  string
		touch func(*store.Tx)
		sql   string
		args  []any
		holds func() bool
	}{
		{"name of a profile, seen from its user", profiles(acme), `UPDATE profile SET full_name = 'ACME' WHERE id = ?`, []any{acme},
			func() bool { return acmeOfXia().PrintableName == "ACME" }},
		{"profile archived", profiles(acme), `UPDATE profile SET is_active = 0 WHERE id = ?`, []any{acme},
			func() bool { return !acmeOfXia().Active && !profile("acme").Active }},
		{"subscription extended", func(tx *store.Tx) { w.TouchSubscription(tx, sub) }, `UPDATE subscription SET ends_at = ? WHERE id = ?`,
			[]any{store.At(now.Add(9 * time.Hour)), sub},
			func() bool { return acmeOfXia().Subscriptions[0].EndsAt.Equal(now.Add(9 * time.Hour)) }},
		{"order not paid", func(tx *store.Tx) { w.TouchSubscription(tx, sub) }, oweSQL, []any{cowork, "sub_/", sub, 5, 0},
			func() bool { return acmeOfXia().Subscriptions[0].Locked }},
		{"plan renamed", func(tx *store.Tx) { w.TouchPlan(tx, gold) }, `UPDATE plan SET slug = 'golden' WHERE id = ?`, []any{gold},
			func() bool {
				return acmeOfXia().Subscriptions[0].Plan == "golden" && must[*accessrules.Plan](t)(w.Plan("gold")) == nil &&
					must[*accessrules.Plan](t)(w.Plan("golden")) != nil
			}},
		{"provider renamed", profiles(cowork), `UPDATE profile SET slug = 'coop' WHERE id = ?`, []any{cowork},
			func() bool {
				return acmeOfXia().Subscriptions[0].Provider == "coop" && must[*accessrules.Plan](t)(w.Plan("golden")).Provider == "coop" &&
					profile("cowork").ID == 0 && profile("coop").ID == cowork
			}},
		{"subscription ended by deletion", profiles(acme), `DELETE FROM subscription WHERE id = ?`, []any{sub},
			func() bool { return len(acmeOfXia().Subscriptions) == 0 }},
		{"invited manager logs in: no longer a shadow", users(guest), `UPDATE user SET last_login = 5 WHERE id = ?`, []any{guest},
			func() bool { return profile("shadow").Managed }},
		{"manager removed: a shadow", func(tx *store.Tx) { users(guest)(tx); profiles(shadow)(tx) }, `DELETE FROM role WHERE user_id = ?`,
			[]any{guest}, func() bool { return !profile("shadow").Managed }},
		{"role makes a profile personal", func(tx *store.Tx) { users(bob)(tx); profiles(bobs)(tx) },
			`INSERT INTO role (created_at, profile_id, user_id, role_description_id) VALUES (0, ?, ?, ?)`, []any{bobs, bob, w.contributor},
			func() bool { return profile("bob").Personal && profile("bob").Credentials && !profile("bob").Managed }},
		{"its user loses the password", users(bob), `UPDATE user SET password = '' WHERE id = ?`, []any{bob},
			func() bool { return profile("bob").Personal && !profile("bob").Credentials }},
		{"agreement has a new version", w.TouchAgreement, `UPDATE agreement SET updated_at = 6`, nil,
			func() bool { return must[time.Time](t)(w.Agreement("terms-of-use")).Equal(time.UnixMicro(6)) }},
		{"signed", users(xia), `INSERT INTO signature (agreement_id, user_id, last_signed) VALUES (?, ?, 8)`, []any{agreement, xia},
			func() bool { return user().Signed["terms-of-use"].Equal(time.UnixMicro(8)) }},
		{"role ends", users(xia), `UPDATE role SET ends_at = 9 WHERE user_id = ?`, []any{xia},
			func() bool { return !user().Roles[0].Valid(now) }},
		{"nick name", users(xia), `INSERT INTO contact (slug, created_at, nick_name, user_id) VALUES ('c', 0, 'Nick', ?)`, []any{xia},
			func() bool { return user().Name == "Nick" }},
		{"renamed", users(xia), `UPDATE user SET username = 'xia2' WHERE id = ?`, []any{xia},
			func() bool { return user() == nil && must[*accessrules.User](t)(w.User("xia2")) != nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.holds() {
				t.Fatal("holds before the change")
			}
			w.exec(c.touch, c.sql, c.args...)
			if !c.holds() {
				t.Fatal("the change is not seen")
			}
			if !c.holds() {
				t.Fatal("the change is not seen any more")
			}
		})
	}
}

// A manager role that ends makes the profile a shadow without anybody writing anything.
func TestManagerRoleEndsByItself(t *testing.T) {
	w := newWorld(t)
	xia, acme := w.user("xia"), w.profile("acme")
	role := w.role(xia, acme, w.manager)
	w.exec(func(tx *store.Tx) { w.TouchProfile(tx, acme) }, `UPDATE role SET ends_at = ? WHERE id = ?`, store.At(w.clock.Now().Add(time.Minute)), role)
	managed := func() (bool, bool) {
		return must[*accessrules.Profile](t)(w.Profile("acme")).Managed, must[*accessrules.User](t)(w.User("xia")).Roles[0].Profile.Managed
	}
	if a, b := managed(); !a || !b {
		t.Fatal("not managed before the role ends")
	}
	w.clock.Advance(time.Minute)
	if a, b := managed(); a || b {
		t.Error("managed after the role ended")
	}
}

// What the directory cannot know is an error each time, and is known as soon as the store answers.
func TestErrorsAreNotKept(t *testing.T) {
	clock := storetest.NewClock()
	s, err := store.Open(t.Context(), store.Options{Path: filepath.Join(t.TempDir(), "db"), Now: clock.Now, Logger: zaptest.NewLogger(t)})
	if err != nil {
		t.Fatal(err)
	}
	d, err := New(Options{Store: s, Now: clock.Now, Broker: "hub", Secrets: NewSecrets()})
	if err != nil {
		t.Fatal(err)
	}
	ask := map[string]func() (bool, error){
		"user":      func() (bool, error) { u, err := d.User("xia"); return u != nil, err },
		"user id":   func() (bool, error) { u, err := d.UserByID(1); return u != nil, err },
		"profile":   func() (bool, error) { p, err := d.Profile("hub"); return p != nil, err },
		"plan":      func() (bool, error) { p, err := d.Plan("gold"); return p != nil, err },
		"agreement": func() (bool, error) { at, err := d.Agreement("terms"); return !at.IsZero(), err },
		"token": func() (bool, error) {
			id, err := d.Identify(request("Basic "+basic(NewAPIKey()), ""))
			return id.User != nil, err
		},
		"cookie": func() (bool, error) { id, err := d.Identify(request("", RandomHex(40))); return id.User != nil, err },
	}
	for range 2 {
		for name, fn := range ask {
			if found, err := fn(); found || !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("%s of a store that does not answer: %v, %v", name, found, err)
			}
		}
	}
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for name, fn := range ask {
		if found, err := fn(); found || errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s of an empty store: %v, %v", name, found, err)
		}
	}
}

// TestCacheStats: what is there is a hit; what is not, or has changed since, is a miss.
func TestCacheStats(t *testing.T) {
	w := newWorld(t)
	xia := w.user("xia")
	w.profile("acme")
	for range 3 {
		must[*accessrules.User](t)(w.User("xia"))
		must[*accessrules.Profile](t)(w.Profile("acme"))
	}
	if err := w.store.Write(t.Context(), func(tx *store.Tx) error { w.TouchUser(tx, xia); return nil }); err != nil {
		t.Fatal(err)
	}
	must[*accessrules.User](t)(w.User("xia"))
	want := []CacheStats{{"credential", 0, 0}, {"user", 2, 2}, {"profile", 2, 1}, {"plan", 0, 0}}
	if diff := cmp.Diff(want, w.CacheStats()); diff != "" {
		t.Error(diff)
	}
}
