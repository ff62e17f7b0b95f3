// Package directory knows who is who: users, profiles, roles and subscriptions, cached, for the conditions of the API and the
// gate; and who a request comes from.
//
// What it caches is dropped in the commit that changes it: operations call the Touch methods with their transaction. A decision
// is never cached, only facts, each with its own end date, so that a decision ends by itself at that instant.
package directory

import (
	"cmp"
	"errors"
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/maypok86/otter/v2"
	"go.uber.org/zap"
	"golang.org/x/sync/singleflight"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/store"
)

// Options of a directory.
type Options struct {
	Store         *store.Store
	Now           func() time.Time
	Logger        *zap.Logger
	Broker        string        // slug of the profile that runs the site
	Secrets       Secrets       // keys of login tokens and of what is encrypted at rest
	TokenLifetime time.Duration // of login tokens and session cookies (auth.md 25 token_lifetime); 0 is 14 days
	Cookies       Cookies       // of the site; none are the contract's
	CacheBytes    int64         // what the caches may weigh together, roughly; 0 is 64 MiB
}

// Config is what a change of the configuration may change while the directory goes on.
type Config struct {
	Broker        string
	Secrets       Secrets
	TokenLifetime time.Duration
	Language      string // of users who never said which one; "" is en
	Cookies       Cookies
	Credentials   string // header that carries our credentials; "" is Authorization (decision 71)

	csrf []byte // key of CSRF tokens
}

// Directory answers who is who. It is safe for concurrent use. Its facts are read through the store's readers: they must not be
// asked for inside a store.Write, where the loaders that take a store.Reader serve.
type Directory struct {
	o       Options // but for what is in conf
	conf    atomic.Pointer[Config]
	stamps  stamps
	flights singleflight.Group
	asked   struct{ credentials, users, profiles, plans tally }

	users       *otter.Cache[int64, *user]
	usernames   *otter.Cache[string, *user]
	profiles    *otter.Cache[int64, *profile]
	slugs       *otter.Cache[string, *profile]
	plans       *otter.Cache[string, *plan]
	credentials *otter.Cache[credentialKey, *credential]
	agreements  atomic.Pointer[agreements]

	keys   atomic.Pointer[keyring]
	parser *jwt.Parser
	used   struct { // when API keys were used, until FlushKeyUse
		sync.Mutex
		at map[int64]store.Time
	}
}

var _ accessrules.Facts = (*Directory)(nil)

// New makes a directory. It reads nothing yet. A directory without Secrets knows nobody until Configure. Errors: a required option
// is missing, or a key is too short.
func New(o Options) (*Directory, error) {
	if o.Store == nil || o.Now == nil {
		return nil, errors.New("directory: Store and Now are required")
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	if o.CacheBytes <= 0 {
		o.CacheBytes = 64 << 20
	}
	share := uint64(o.CacheBytes) / 8
	d := &Directory{
		o:           o,
		users:       newCache[int64](2*share, (*user).weight),
		usernames:   newCache[string](share, (*user).weight),
		profiles:    newCache[int64](2*share, (*profile).weight),
		slugs:       newCache[string](share, (*profile).weight),
		plans:       newCache[string](share, (*plan).weight),
		credentials: newCache[credentialKey](share, (*credential).weight),
		parser:      newParser(o.Now),
	}
	d.keys.Store(new(keyring))
	d.conf.Store(&Config{Credentials: DefaultCredentials, Cookies: ContractCookies(false, "")})
	if o.Broker != "" || len(o.Secrets.TokenKeys) > 0 {
		if err := d.Configure(Config{Broker: o.Broker, Secrets: o.Secrets, TokenLifetime: o.TokenLifetime, Cookies: o.Cookies}); err != nil {
			return nil, err
		}
	}
	d.stamps.epoch.Store(1)
	d.used.at = map[int64]store.Time{}
	o.Store.OnForeignChange(d.TouchAll)
	return d, nil
}

func newCache[K comparable, V any](bytes uint64, weight func(V) uint32) *otter.Cache[K, V] {
	return otter.Must(&otter.Options[K, V]{MaximumWeight: bytes, Weigher: func(_ K, v V) uint32 { return weight(v) }})
}

// Configure takes another configuration. Sessions and caches go on; tokens that no key of c signed are refused at once. Errors: no
// broker, or a key is too short.
func (d *Directory) Configure(c Config) error {
	if c.Broker == "" {
		return errors.New("directory: there is no broker")
	}
	if err := c.Secrets.check(); err != nil {
		return err
	}
	c.Language = cmp.Or(c.Language, "en")
	if c.TokenLifetime <= 0 {
		c.TokenLifetime = 14 * 24 * time.Hour
	}
	if c.Cookies.Session == "" {
		c.Cookies = ContractCookies(false, "")
	}
	c.csrf = csrfKey(c.Secrets)
	c.Credentials = http.CanonicalHeaderKey(cmp.Or(c.Credentials, DefaultCredentials))
	if !reflect.DeepEqual(d.conf.Load().Secrets.TokenKeys, c.Secrets.TokenKeys) {
		if err := d.SetTokenKeys(c.Secrets.TokenKeys); err != nil {
			return err
		}
	}
	d.conf.Store(&c)
	return nil
}

// Broker is the slug of the profile that runs the site.
func (d *Directory) Broker() string { return d.conf.Load().Broker }

// An Identity is who a request comes from. One request has one identity, for the conditions and for the action alike
// (conventions.md 2.1).
type Identity struct {
	User    *accessrules.User // nil: anonymous
	Scheme  Scheme
	Session int64  // row of session, for Bearer and Cookie
	APIKey  int64  // row of api_key, for Basic
	CSRF    string // the token that unsafe requests of a cookie session must echo
	// Ambient says that a browser attaches the credential by itself, whoever made it send the request: a cookie, or Basic.
	Ambient bool
	// Foreign is what is wrong with a credential that is not ours, nil for none. It is the application's (decision 71): it says
	// nothing about the caller.
	Foreign *CredentialError
	// DeadCookie says that the request carries a session cookie that opens nothing (any more): the answer should clear it.
	// The request is anonymous.
	DeadCookie bool
	// Presented is the credential that identified the caller, none for an anonymous request.
	Presented Presented
}

// A Scheme is how a request was authenticated.
type Scheme uint8

// Schemes of conventions.md 2.1.
const (
	Anonymous Scheme = iota
	Bearer           // a login token
	Basic            // an API key, also one that came as a bearer token
	Cookie           // a session cookie
)

// A CredentialError is a credential that was presented and is bad. Detail is the text of conventions.md 2.2.
type CredentialError struct{ Detail string }

func (e *CredentialError) Error() string { return e.Detail }
