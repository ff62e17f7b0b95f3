package auth

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/api/profile"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// site is a service under test: package rest with the real directory in front of it.
type site struct {
	*resttest.Site
	*Service
	dir  *directory.Directory
	logs *observer.ObservedLogs // of package rest
}

// quiet is a site where nobody subscribes to anything.
type quiet struct{}

func (quiet) CurrentSubscribers(store.Reader, int64) (int64, error)            { return 0, nil }
func (quiet) EndAll(*store.Tx, int64) error                                    { return nil }
func (quiet) Active(store.Reader, int64) ([]profile.Subscription, error)       { return nil, nil }
func (quiet) ActiveFor(store.Reader, ...int64) ([]profile.Subscription, error) { return nil, nil }

// testSettings are the defaults, with hashes that cost nothing and passwords as short as the documentation's.
func testSettings() Settings {
	set := DefaultSettings()
	set.MinPassword = 4
	set.Hashing.Memory, set.Hashing.Iterations = 64, 1
	return set
}

// newSite is a site whose broker is cowork, with the people of addPeople. change may change the options.
func newSite(t testing.TB, change ...func(*Options)) *site {
	t.Helper()
	clock := storetest.NewClock()
	db := storetest.NewAt(t, clock)
	secrets := directory.Secrets{
		TokenKeys: []directory.TokenKey{{ID: "test", Key: []byte("0123456789abcdef0123456789abcdef")}},
		Rest:      []byte("abcdef0123456789abcdef0123456789"), Session: "0123456789abcdef0123456789abcdef",
	}
	dir, err := directory.New(directory.Options{Store: db, Now: clock.Now, Broker: "cowork", Secrets: secrets})
	if err != nil {
		t.Fatal(err)
	}
	notices, err := notice.New(notice.Options{Directory: dir, Store: db, Now: clock.Now, Logger: zap.NewNop(), BaseURL: resttest.Base,
		From: "site@cowork.example.com", Mailer: new(notice.MemoryMailer)})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{
		Store: db, Directory: dir, Notices: notices, Logger: zap.NewNop(), Settings: testSettings(),
		Pictures: &rest.Pictures{Dir: t.TempDir(), Max: rest.MaxPicture},
	}
	for _, fn := range change {
		fn(&o)
	}
	profileSettings := profile.DefaultSettings()
	profileSettings.HideAccounts = o.Settings.HideAccountExistence
	profiles := profile.NewService(profile.Options{Store: db, Directory: dir, Notices: notices, Settings: profileSettings})
	o.Profiles = profiles
	core, logs := observer.New(zap.InfoLevel)
	s := &site{Service: New(o), dir: dir, logs: logs}
	profiles.SetUsers(s.Service)
	profiles.SetSubscriptions(quiet{})
	s.Site = resttest.With(t, rest.Options{Store: db, Directory: dir, NotActivated: s.NotActivated, Logger: zap.New(core)}, clock, append(s.Service.Endpoints(), profiles.Endpoints()...))
	s.addPeople(t)
	return s
}

// people of every test site, all with the password "yoyo": alice manages the broker and cindy contributes to it, xia manages her
// personal profile and contributes to acme, which yan manages; rob was disabled, nina has no password.
var people = []struct{ name, full, phone, role, profile string }{
	{"alice", "Alice Broker", "", "manager", "cowork"},
	{"cindy", "Cindy Helper", "", "contributor", "cowork"},
	{"xia", "Xia Lee", "+14155555556", "manager", "xia"},
	{"yan", "Yan Ko", "", "manager", "acme"},
	{"rob", "Rob Gone", "", "", ""},
	{"nina", "Nina New", "", "", ""},
}

func (s *site) addPeople(t testing.TB) {
	t.Helper()
	ctx := t.Context()
	hash, err := s.Hash(ctx, "yoyo")
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, func(tx *store.Tx) error {
		return s.profiles.Bootstrap(tx, profile.Bootstrap{
			ProcessorSlug: "stripe", ProcessorName: "Stripe", BrokerSlug: "cowork", BrokerName: "Cowork", BrokerEmail: "hello@cowork.example.com",
		})
	})
	s.write(t, func(tx *store.Tx) error {
		if _, err := s.profiles.Create(tx, profile.New{Slug: "acme", FullName: "Acme Corp", Email: "hello@acme.example.com"}); err != nil {
			return err
		}
		for _, p := range people {
			n := NewUser{Username: p.name, Email: p.name + "@example.com", FullName: p.full, Phone: p.phone, Password: hash}
			if p.name == "nina" {
				n.Password = ""
			}
			id, _, err := s.AddUser(tx, n)
			if err != nil {
				return err
			}
			switch {
			case p.profile == p.name:
				_, err = s.profiles.Create(tx, profile.New{Slug: p.name, FullName: p.full, Email: n.Email, Personal: true, Manager: id})
			case p.role != "":
				_, err = tx.Exec(`INSERT INTO role (created_at, profile_id, user_id, role_description_id)
					SELECT ?, p.id, ?, d.id FROM profile p, role_description d WHERE p.slug = ? AND d.slug = ?`, tx.Now(), id, p.profile, p.role)
			}
			if err != nil {
				return err
			}
		}
		_, err := tx.Exec(`INSERT INTO role (created_at, profile_id, user_id, role_description_id)
			SELECT ?, p.id, u.id, d.id FROM profile p, user u, role_description d WHERE p.slug = 'acme' AND u.username = 'xia' AND d.slug = 'contributor'`, tx.Now())
		return err
	})
	if err := s.Disable(ctx, "rob"); err != nil {
		t.Fatal(err)
	}
	s.Clock.Advance(time.Second)
	s.dir.TouchAll()
}

func (s *site) write(t testing.TB, fn func(tx *store.Tx) error) {
	t.Helper()
	if err := s.Site.Store.Write(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

// exec runs a statement, behind the back of the service.
func (s *site) exec(t testing.TB, query string, args ...any) {
	t.Helper()
	s.write(t, func(tx *store.Tx) error {
		_, err := tx.Exec(query, args...)
		return err
	})
	s.dir.TouchAll()
}

// one reads one value.
func one[T any](t testing.TB, s *site, query string, args ...any) (v T) {
	t.Helper()
	if err := s.Site.Store.Read(t.Context(), func(r store.Reader) error { return r.QueryRow(query, args...).Scan(&v) }); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

// login logs somebody in with the password "yoyo" and returns the header that goes with it.
func (s *site) login(t testing.TB, username string) string {
	t.Helper()
	return "Authorization: Bearer " + s.token(t, "POST /api/auth", `{"username":"`+username+`","password":"yoyo"}`)
}

// token sends a request that answers a token.
func (s *site) token(t testing.TB, request, body string, headers ...string) string {
	t.Helper()
	w := s.Do("", request, body, headers...)
	return tokenOf(t, w)
}

func tokenOf(t testing.TB, w *httptest.ResponseRecorder) string {
	t.Helper()
	var out tokenOutput
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != 201 || out.Token == "" {
		t.Fatalf("no token: %d %s", w.Code, w.Body)
	}
	return out.Token
}

// code is the code that was sent to an address last.
func (s *site) code(t testing.TB, email string) string {
	t.Helper()
	return one[string](t, s, `SELECT coalesce(email_code, '') FROM contact WHERE email = ?`, email)
}

// key is the key that was sent to an address last.
func (s *site) key(t testing.TB, email string) string {
	t.Helper()
	return one[string](t, s, `SELECT coalesce(email_verification_key, '') FROM contact WHERE email = ?`, email)
}

// splitRequest takes "POST /path {body}" apart.
func splitRequest(s string) (line, body string) {
	if i := strings.IndexByte(s, '{'); i >= 0 {
		return strings.TrimSpace(s[:i]), s[i:]
	}
	return s, ""
}

// dumpTable is all that a table holds, as text.
func dumpTable(t testing.TB, s *site, table string) string {
	t.Helper()
	var all strings.Builder
	err := s.Site.Store.Read(t.Context(), func(r store.Reader) error {
		rows, err := r.Query(`SELECT * FROM ` + table)
		if err != nil {
			return err
		}
		defer rows.Close()
		columns, err := rows.Columns()
		if err != nil {
			return err
		}
		for rows.Next() {
			values, dest := make([]any, len(columns)), make([]any, len(columns))
			for i := range values {
				dest[i] = &values[i]
			}
			if err := rows.Scan(dest...); err != nil {
				return err
			}
			for _, v := range values {
				fmt.Fprintf(&all, "%s|", v)
			}
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}
