package proxy

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"math/big"
	"net/url"
	"slices"
	"strings"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// An App is how the application behind the gate is reached (access.md B.1). What the Caddyfile says of a gate overrides it.
type App struct {
	Slug           string              `json:"slug"`
	EntryPoint     *string             `json:"entry_point"`
	Backend        accessrules.Backend `json:"session_backend"`
	WelcomeEmail   bool                `json:"welcome_email"`
	CORSRestricted bool                `json:"cors_restricted"`
}

// app is a row of the table app.
type app struct {
	App
	id  int64
	key string // enc_key; "": the process-wide one
}

// sealPurpose binds the key of sessions to its place in the database.
const sealPurpose = "app key"

// readApp reads the record of the site.
func (s *Service) readApp(r store.Reader) (a app, err error) {
	var key string
	err = r.QueryRow(`SELECT id, slug, entry_point, session_backend, welcome_email, cors_restricted, enc_key FROM app ORDER BY id LIMIT 1`).
		Scan(&a.id, &a.Slug, &a.EntryPoint, &a.Backend, &a.WelcomeEmail, &a.CORSRestricted, &key)
	if err != nil || key == "" {
		return a, err
	}
	sealed, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		return a, err
	}
	plain, err := s.Directory.Open(sealed, sealPurpose)
	a.key = string(plain)
	return a, err
}

// WelcomeEmail reports whether new users are welcomed by e-mail (access.md B.1).
func (s *Service) WelcomeEmail(r store.Reader) (welcome bool, err error) {
	err = r.QueryRow(`SELECT welcome_email FROM app ORDER BY id LIMIT 1`).Scan(&welcome)
	if errors.Is(err, store.ErrNotFound) {
		return true, nil
	}
	return welcome, err
}

func (s *Service) showApp(_ *rest.Call, r store.Reader) (App, error) {
	a, err := s.readApp(r)
	return a.App, err
}

// AppInput is what may be changed of the record.
type AppInput struct {
	EntryPoint     rest.Opt[string] `json:"entry_point" in:"null"`
	Backend        rest.Opt[int]    `json:"session_backend"`
	WelcomeEmail   rest.Opt[bool]   `json:"welcome_email"`
	CORSRestricted rest.Opt[bool]   `json:"cors_restricted"`
}

// Check refuses a form of sessions that is none, and what is no address.
func (in *AppInput) Check(*rest.Call) error {
	if n := in.Backend; n.Set() && (n.Value < int(accessrules.NoSession) || n.Value > int(accessrules.JWTSession)) {
		return rest.Invalid("session_backend", "\""+big.NewInt(int64(n.Value)).String()+"\" is not a valid choice.")
	}
	if in.EntryPoint.Set() {
		if u, err := url.Parse(in.EntryPoint.Value); err != nil || u.Host == "" {
			return rest.Invalid("entry_point", "Unsafe URLs are not allowed.")
		}
	}
	return nil
}

// AppUpdated is the record after a change.
type AppUpdated struct {
	App
	Detail string `json:"detail"`
}

// updateApp changes the record: the next request is answered by it. Errors: 400, also for an upstream that the configuration does
// not list (decision 21).
func (s *Service) updateApp(_ *rest.Call, tx *store.Tx, in *AppInput) (out AppUpdated, err error) {
	a, err := s.readApp(tx)
	if err != nil {
		return out, err
	}
	if in.EntryPoint.Given {
		if a.EntryPoint = nil; in.EntryPoint.Set() {
			listed := s.listed(in.EntryPoint.Value)
			if listed == "" {
				return out, rest.Invalid("entry_point", "This upstream is not listed in the configuration.")
			}
			a.EntryPoint = &listed
		}
	}
	a.Backend = accessrules.Backend(in.Backend.Or(int(a.Backend)))
	a.WelcomeEmail = in.WelcomeEmail.Or(a.WelcomeEmail)
	a.CORSRestricted = in.CORSRestricted.Or(a.CORSRestricted)
	_, err = tx.Exec(`UPDATE app SET entry_point = ?, session_backend = ?, welcome_email = ?, cors_restricted = ? WHERE id = ?`,
		a.EntryPoint, a.Backend, a.WelcomeEmail, a.CORSRestricted, a.id)
	if err != nil {
		return out, err
	}
	return AppUpdated{a.App, "Update successful."}, s.apply(tx)
}

// listed is an upstream as the configuration writes it, "" when it does not list it. A slash at the end means nothing.
func (s *Service) listed(address string) string {
	upstreams := s.gate().Upstreams
	i := slices.IndexFunc(upstreams, func(u string) bool {
		return strings.EqualFold(strings.TrimSuffix(u, "/"), strings.TrimSuffix(address, "/")) ||
			!strings.Contains(u, "://") && strings.EqualFold("http://"+strings.TrimSuffix(u, "/"), strings.TrimSuffix(address, "/"))
	})
	if i < 0 {
		return ""
	}
	return upstreams[i]
}

// Synchronised takes the keys of invoices off what was paid: the application has answered a request that told it of them
// (access.md B.7).
func (s *Service) Synchronised(ctx context.Context, keys []string) error {
	return s.Store.Write(ctx, func(tx *store.Tx) error { return s.Directory.Synchronised(tx, keys) })
}

// Restricted is cors_restricted of the record in force: see rest.Options (access.md B.9).
func (s *Service) Restricted() bool { return !s.unrestricted.Load() }

// A Key is a new key of sessions.
type Key struct {
	EncKey string `json:"enc_key"`
}

const (
	keyAlphabet = "abcdefghijklmnopqrstuvwxyz0123456789!@#$%^*-_=+"
	keyLength   = 48 // of 47 characters: more than 256 bits (RFC 7518 3.2)
)

// SealKey encrypts a key of sessions as the table app keeps it; "" is none.
func SealKey(dir *directory.Directory, key string) (string, error) {
	if key == "" {
		return "", nil
	}
	sealed, err := dir.Seal([]byte(key), sealPurpose)
	return base64.StdEncoding.EncodeToString(sealed), err
}

// makeKey makes a key of sessions and puts it in force. It is shown this once, and kept encrypted.
func (s *Service) makeKey(_ *rest.Call, tx *store.Tx, _ *rest.None) (out Key, err error) {
	key := make([]byte, keyLength)
	for i := range key {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(keyAlphabet))))
		if err != nil {
			return out, err
		}
		key[i] = keyAlphabet[n.Int64()]
	}
	sealed, err := SealKey(s.Directory, string(key))
	if err != nil {
		return out, err
	}
	a, err := s.readApp(tx)
	if err != nil {
		return out, err
	}
	if _, err = tx.Exec(`UPDATE app SET enc_key = ? WHERE id = ?`, sealed, a.id); err != nil {
		return out, err
	}
	return Key{string(key)}, s.apply(tx)
}

// A Session is what the application would receive for a user (access.md B.6).
type Session struct {
	Text   string  `json:"forward_session"`
	Header string  `json:"forward_session_header"`
	URL    *string `json:"forward_url"`
}

// showSession shows the session that the application would receive for {user}, without a request and its rule: it is a token that
// works, and who asked for it is logged. Errors: 404.
func (s *Service) showSession(c *rest.Call, _ *rest.None) (out Session, err error) {
	u, err := s.Directory.User(c.Param("user"))
	if err != nil {
		return out, err
	}
	if u == nil {
		return out, rest.NotFound("User")
	}
	g := s.gate()
	backend, key := g.SessionOf(g.Chosen(), s.SessionKey())
	session := accessrules.Session{User: u}
	now := c.Now.Time
	if backend == accessrules.JWTSession {
		token, err := session.JWT(key, now)
		if err != nil {
			return out, err
		}
		out.Text, out.Header = session.Preview(now, now.Add(accessrules.SessionLifetime)), "Authorization: Bearer "+token
	} else {
		value, err := session.Cookie(key, now, rand.Reader)
		if err != nil {
			return out, err
		}
		out.Text = session.Preview(now, store.Time{}.Time)
		out.Header = "Cookie: sessionid=" + strings.Join(slices.Collect(chunks(value, 48)), "\\\n")
	}
	if at := g.Upstream(); at != "" {
		out.URL = &at
	}
	c.Log().Info("a session was shown")
	return out, nil
}

// chunks cuts text into pieces of n bytes.
func chunks(text string, n int) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for len(text) > n {
			if !yield(text[:n]) {
				return
			}
			text = text[n:]
		}
		if text != "" {
			yield(text)
		}
	}
}
