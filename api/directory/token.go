package directory

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/caddy-tollgate/tollgate/store"
)

// maxToken is the longest login token that is looked at; ours have 1 KB, 5 KB with the longest names and picture.
const maxToken = 8 << 10

// minKey is the shortest key of HS256 that is as strong as the hash.
const minKey = 32

// keyring is the keys of login tokens at a time; it is replaced, never changed.
type keyring struct{ keys []TokenKey }

func newKeyring(keys []TokenKey) (*keyring, error) {
	if len(keys) == 0 {
		return nil, errors.New("directory: a key of login tokens is required")
	}
	ids := map[string]bool{}
	for _, k := range keys {
		if k.ID == "" || ids[k.ID] {
			return nil, errors.New("directory: keys of login tokens need different IDs")
		}
		if len(k.Key) < minKey {
			return nil, errors.New("directory: a key of login tokens must have 32 bytes or more")
		}
		ids[k.ID] = true
	}
	return &keyring{keys}, nil
}

// SetTokenKeys replaces the keys of login tokens. Tokens signed by a key that is no longer among them are refused at once.
func (d *Directory) SetTokenKeys(keys []TokenKey) error {
	ring, err := newKeyring(slices.Clone(keys))
	if err != nil {
		return err
	}
	d.keys.Store(ring)
	d.stamps.touchAll() // tokens known already are checked again
	return nil
}

// claims of a login token: the contract's, in its order (auth.md 4), then ours.
type claims struct {
	UserDetail
	ExpiresAt int64  `json:"exp"`
	IssuedAt  int64  `json:"iat"`
	ID        string `json:"jti"`
}

func (c *claims) GetExpirationTime() (*jwt.NumericDate, error) { return date(c.ExpiresAt), nil }
func (c *claims) GetIssuedAt() (*jwt.NumericDate, error)       { return date(c.IssuedAt), nil }
func (c *claims) GetNotBefore() (*jwt.NumericDate, error)      { return nil, nil }
func (c *claims) GetIssuer() (string, error)                   { return "", nil }
func (c *claims) GetSubject() (string, error)                  { return "", nil }
func (c *claims) GetAudience() (jwt.ClaimStrings, error)       { return nil, nil }

func date(seconds int64) *jwt.NumericDate {
	if seconds == 0 {
		return nil
	}
	return jwt.NewNumericDate(time.Unix(seconds, 0))
}

// SignToken makes a login token of a session, issued at now, with the user's detail as claims. It ends with the session.
func (d *Directory) SignToken(s Session, user UserDetail, now store.Time) (string, error) {
	key := d.keys.Load().keys[0]
	t := jwt.NewWithClaims(jwt.SigningMethodHS256, &claims{user, s.EndsAt.Unix(), now.Unix(), s.Key})
	t.Header["kid"] = key.ID
	return t.SignedString(key.Key)
}

// RefreshToken makes another token of the session that raw belongs to, for a whole lifetime from now, with the user's claims of
// now. Errors: *CredentialError when raw is bad; whether it is the caller's is for the caller to see, by VerifyToken.
func (d *Directory) RefreshToken(tx *store.Tx, raw string) (string, error) {
	t, err := d.parse(raw)
	if err != nil {
		return "", err
	}
	row, err := readSession(tx, t.session)
	if err != nil {
		return "", err
	}
	if !row.admits(t) || row.EndsAt.Compare(tx.Now().Time) <= 0 {
		return "", errInvalidToken
	}
	s := row.Session
	s.EndsAt = store.At(tx.Now().Add(d.conf.Load().TokenLifetime))
	if _, err := tx.Exec(`UPDATE session SET ends_at = max(ends_at, ?) WHERE id = ?`, s.EndsAt, s.ID); err != nil {
		return "", err
	}
	d.TouchSession(tx, s.ID)
	user, err := d.UserDetail(tx, s.UserID)
	if err != nil {
		return "", err
	}
	return d.SignToken(s, user, tx.Now())
}

// VerifyToken says whose login token raw is. Errors: *CredentialError when it is bad in any way, or a failure of the store.
func (d *Directory) VerifyToken(raw string) (Identity, error) {
	var id Identity
	err := d.known(tokenForm, raw, d.o.Now(), &id)
	return id, err
}

func newParser(now func() time.Time) *jwt.Parser {
	return jwt.NewParser(jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), jwt.WithExpirationRequired(), jwt.WithTimeFunc(now))
}

// signed is what a login token says, once its signature was found good: all that is needed to ask again whether it is.
type signed struct {
	username, session string // session is the key of one
	issued, expires   int64  // seconds since 1970
	ring              *keyring
	kid               string // of the key that signed it, "" when it names none
}

// parse checks the signature and the end of a token. The algorithm is ours, whatever the token says; its kid picks one of our
// keys, and without one each of them is tried.
func (d *Directory) parse(raw string) (*signed, error) {
	if len(raw) > maxToken {
		return nil, errInvalidToken
	}
	t := &signed{ring: d.keys.Load()}
	var c claims
	_, err := d.parser.ParseWithClaims(raw, &c, func(token *jwt.Token) (any, error) {
		kid, named := token.Header["kid"]
		var set jwt.VerificationKeySet
		for _, k := range t.ring.keys {
			if !named || kid == k.ID {
				set.Keys = append(set.Keys, k.Key)
			}
		}
		if len(set.Keys) == 0 {
			return nil, errInvalidToken
		}
		t.kid, _ = kid.(string)
		return set, nil
	})
	if err != nil || c.Username == "" || c.ID == "" {
		return nil, errInvalidToken
	}
	t.username, t.session, t.issued, t.expires = c.Username, c.ID, c.IssuedAt, c.ExpiresAt
	return t, nil
}

// trusts reports whether all keys that may have signed a token are still in use.
func (ring *keyring) trusts(t *signed) bool {
	if ring == t.ring {
		return true
	}
	for _, was := range t.ring.keys {
		same := func(k TokenKey) bool { return k.ID == was.ID && bytes.Equal(k.Key, was.Key) }
		if (t.kid == "" || t.kid == was.ID) && !slices.ContainsFunc(ring.keys, same) {
			return false
		}
	}
	return true
}

// openToken reads who a login token logs in, and until when.
func (d *Directory) openToken(r store.Reader, epoch uint64, raw string) (*credential, error) {
	t, err := d.parse(raw)
	if err != nil {
		return nil, err
	}
	return d.openSigned(r, epoch, t)
}

// openSigned is openToken for a token whose signature was good when it was read.
func (d *Directory) openSigned(r store.Reader, epoch uint64, t *signed) (*credential, error) {
	if !d.keys.Load().trusts(t) {
		return nil, errInvalidToken
	}
	row, err := readSession(r, t.session)
	if err != nil {
		return nil, err
	}
	if !row.admits(t) {
		return nil, errInvalidToken
	}
	c, err := d.openSession(r, epoch, row)
	if err != nil {
		return nil, err
	}
	c.Scheme, c.token = Bearer, t
	c.ends = min(c.ends, t.expires*1e6)
	return c, nil
}

// admits reports whether what a token says fits its session: the name is the user's, and the token is not older than the
// user's password. A token says when it was issued to the second only; within that second the session's own date decides.
func (s *session) admits(t *signed) bool {
	return t.username == s.username && t.issued >= s.passwordChanged.Unix()
}
