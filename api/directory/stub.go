package directory

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/store"
)

var errLater = errors.New("directory: not there yet")

// Directory answers who is who.
type Directory struct{ o Options }

// New makes a directory.
func New(o Options) (*Directory, error) { return &Directory{o: o}, nil }

func (d *Directory) Broker() string                                        { return d.o.Broker }
func (d *Directory) Profile(slug string) (*accessrules.Profile, error)     { return nil, errLater }
func (d *Directory) User(username string) (*accessrules.User, error)       { return nil, errLater }
func (d *Directory) UserByID(id int64) (*accessrules.User, error)          { return nil, errLater }
func (d *Directory) Plan(slug string) (*accessrules.Plan, error)           { return nil, errLater }
func (d *Directory) Agreement(slug string) (time.Time, error)              { return time.Time{}, errLater }
func (d *Directory) TouchUser(tx *store.Tx, ids ...int64)                  {}
func (d *Directory) TouchProfile(tx *store.Tx, ids ...int64)               {}
func (d *Directory) TouchPlan(tx *store.Tx, ids ...int64)                  {}
func (d *Directory) TouchSubscription(tx *store.Tx, ids ...int64)          {}
func (d *Directory) TouchAgreement(tx *store.Tx)                           {}
func (d *Directory) TouchSession(tx *store.Tx, ids ...int64)               {}
func (d *Directory) TouchAll()                                             {}
func (d *Directory) Identify(r *http.Request) (Identity, error)            { return Identity{}, errLater }
func (d *Directory) FlushKeyUse(ctx context.Context) error                 { return nil }
func (d *Directory) Janitor(ctx context.Context) error                     { return nil }
func (d *Directory) RevokeSession(tx *store.Tx, id int64) error            { return errLater }
func (d *Directory) RevokeUser(tx *store.Tx, userID int64) error           { return errLater }
func (d *Directory) RefreshToken(tx *store.Tx, raw string) (string, error) { return "", errLater }
func (d *Directory) VerifyToken(raw string) (Identity, error)              { return Identity{}, errLater }
func (d *Directory) SetTokenKeys(keys []TokenKey) error                    { return nil }

// Session is a login.
type Session struct {
	ID        int64
	Key       string // value of the session cookie and jti of the tokens; only its hash is kept
	UserID    int64
	CSRF      string // "" without a cookie
	CreatedAt store.Time
	EndsAt    store.Time
}

func (d *Directory) OpenSession(tx *store.Tx, userID int64, cookie bool) (Session, error) {
	return Session{}, errLater
}

func (d *Directory) SignToken(s Session, claims UserDetail, now store.Time) (string, error) {
	return "", errLater
}

func (d *Directory) Users(r store.Reader, ids []int64) (map[int64]UserShort, error) {
	return nil, errLater
}
func (d *Directory) UserDetails(r store.Reader, ids []int64) (map[int64]UserDetail, error) {
	return nil, errLater
}
func (d *Directory) UserDetail(r store.Reader, id int64) (UserDetail, error) {
	return UserDetail{}, errLater
}
func (d *Directory) Profiles(r store.Reader, ids []int64) (map[int64]ProfileShort, error) {
	return nil, errLater
}
func (d *Directory) ProfileDetails(r store.Reader, ids []int64, withNick bool) (map[int64]ProfileDetail, error) {
	return nil, errLater
}
func (d *Directory) ProfileDetail(r store.Reader, id int64, withNick bool) (ProfileDetail, error) {
	return ProfileDetail{}, errLater
}

// Extra decodes a stored extra (profiles.md 5.4).
func Extra(text *string) json.RawMessage { return nil }

// Seal encrypts what must be readable again; purpose is bound to it.
func (d *Directory) Seal(plain []byte, purpose string) ([]byte, error) { return nil, errLater }

// Open decrypts what Seal made for the same purpose.
func (d *Directory) Open(sealed []byte, purpose string) ([]byte, error) { return nil, errLater }

// LoadSecrets reads the secrets of the site, and makes them the first time.
func LoadSecrets(path string) (Secrets, error) { return Secrets{}, errLater }
