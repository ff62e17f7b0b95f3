// Package directory knows who is who: users, profiles, roles and subscriptions, cached, for the conditions of the API and the
// gate; and who a request comes from.
//
// What it caches is dropped in the commit that changes it: operations call the Touch methods with their transaction. A decision
// is never cached, only facts, each with its own end date, so that a decision ends by itself at that instant.
package directory

import (
	"time"

	"go.uber.org/zap"

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
	TokenLifetime time.Duration // of login tokens and session cookies (auth.md 25 token_lifetime)
	CookieName    string        // "sessionid", or "__Host-sessionid" (decision 54)
}

// Secrets of the site. They come from placeholders or from secrets.json beside the database.
type Secrets struct {
	// TokenKeys sign login tokens: the first signs, all verify. ID is the token's kid.
	TokenKeys []TokenKey
	// Rest encrypts what must be readable again (one-time-password secrets): 32 bytes.
	Rest []byte
	// Session is the process-wide key of sessions sent upstream, used when the app record has none (access.md B.1 enc_key).
	Session string
}

// TokenKey is a key of login tokens (HS256).
type TokenKey struct {
	ID  string
	Key []byte
}

var _ accessrules.Facts = (*Directory)(nil)

// An Identity is who a request comes from. One request has one identity, for the conditions and for the action alike
// (conventions.md 2.1).
type Identity struct {
	User    *accessrules.User // nil: anonymous
	Scheme  Scheme
	Session int64  // row of session, for Bearer and Cookie
	APIKey  int64  // row of api_key, for Basic
	CSRF    string // the token that unsafe requests of a cookie session must echo
}

// A Scheme is how a request was authenticated.
type Scheme uint8

// Schemes of conventions.md 2.1.
const (
	Anonymous Scheme = iota
	Bearer
	Basic
	Cookie
)

// A CredentialError is a credential that was presented and is bad. Detail is the text of conventions.md 2.2.
type CredentialError struct{ Detail string }

func (e *CredentialError) Error() string { return e.Detail }
