package directory

import (
	"context"
	"crypto/sha256"
	"errors"

	"github.com/caddy-tollgate/tollgate/store"
)

// A Session is a login (decision 54). Its key is the jti of its tokens, and the value of its cookie if it has one; the database
// holds the key's SHA-256 only.
type Session struct {
	ID        int64
	Key       string
	UserID    int64
	CSRF      string // "" without a cookie
	CreatedAt store.Time
	EndsAt    store.Time
}

// sessionKeyLen is 160 random bits in hexadecimal.
const sessionKeyLen = 40

// OpenSession opens a session of a user for the lifetime of tokens. With cookie, its key may be presented as a cookie too.
func (d *Directory) OpenSession(tx *store.Tx, userID int64, cookie bool) (Session, error) {
	s := Session{
		Key:       RandomHex(sessionKeyLen),
		UserID:    userID,
		CreatedAt: tx.Now(),
		EndsAt:    store.At(tx.Now().Add(d.conf.Load().TokenLifetime)),
	}
	if cookie {
		s.CSRF = d.csrf(s.Key)
	}
	hash := sha256.Sum256([]byte(s.Key))
	id, err := tx.Insert(`INSERT INTO session (key_hash, user_id, created_at, ends_at, cookie) VALUES (?, ?, ?, ?, ?)`,
		hash[:], userID, s.CreatedAt, s.EndsAt, cookie)
	if s.ID = id; err == nil {
		err = d.endOldest(tx, userID)
	}
	return s, err
}

// maxSessions is how many sessions are kept of a user (decision 77).
const maxSessions = 1000

// endOldest makes room for a new session: the oldest one gives way, since who begins many has the account's password anyway.
func (d *Directory) endOldest(tx *store.Tx, userID int64) error {
	var oldest int64
	err := tx.QueryRow(`SELECT id FROM session WHERE user_id = ? ORDER BY id DESC LIMIT 1 OFFSET ?`, userID, maxSessions).Scan(&oldest)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	d.TouchSession(tx, oldest)
	_, err = tx.Exec(`DELETE FROM session WHERE id = ?`, oldest)
	return err
}

// RevokeSession ends a session: its cookie and its tokens are refused from the commit on. A session that has ended is left as
// it is.
func (d *Directory) RevokeSession(tx *store.Tx, id int64) error {
	d.TouchSession(tx, id)
	_, err := tx.Exec(`UPDATE session SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL`, tx.Now(), id)
	return err
}

// RevokeUser ends all sessions of a user: at a change of password or username, and when the user is archived (decision 54).
func (d *Directory) RevokeUser(tx *store.Tx, userID int64) error {
	d.TouchUser(tx, userID)
	_, err := tx.Exec(`UPDATE session SET revoked_at = ? WHERE user_id = ? AND revoked_at IS NULL`, tx.Now(), userID)
	return err
}

// Janitor deletes the sessions that have ended.
func (d *Directory) Janitor(ctx context.Context) error {
	_, err := d.o.Store.Prune(ctx, `DELETE FROM session WHERE id IN (SELECT id FROM session WHERE ends_at < ? LIMIT 1000)`,
		store.At(d.o.Now()))
	return err
}

// session is a row of session that is in force, but for its end, with what its user was when it was read.
type session struct {
	Session
	cookie          bool
	username        string
	passwordChanged store.Time
}

// readSession reads the session of a key. Error: *CredentialError when there is none in force. All sessions opened before the
// last change of the password or username are over, whatever their rows say (auth.md D-6).
func readSession(r store.Reader, key string) (*session, error) {
	hash := sha256.Sum256([]byte(key))
	s := &session{Session: Session{Key: key}}
	err := r.QueryRow(`SELECT session.id, user_id, session.created_at, ends_at, cookie, username, password_changed_at
		FROM session JOIN user ON user.id = user_id
		WHERE key_hash = ? AND revoked_at IS NULL AND is_active = 1 AND session.created_at >= password_changed_at`, hash[:]).
		Scan(&s.ID, &s.UserID, &s.CreatedAt, &s.EndsAt, &s.cookie, &s.username, &s.passwordChanged)
	if errors.Is(err, store.ErrNotFound) {
		return nil, errInvalidToken
	}
	return s, err
}

// openSession makes a credential of a session.
func (d *Directory) openSession(r store.Reader, epoch uint64, s *session) (*credential, error) {
	u, err := d.findUser(r, epoch, s.UserID)
	if err != nil {
		return nil, err
	}
	if u == nil || !u.active || u.Username != s.username {
		return nil, errInvalidToken // only when it changed between the snapshot and the cache
	}
	c := &credential{entry: entry{loaded: epoch, parts: []*entry{&u.entry}}, ends: s.EndsAt.UnixMicro()}
	c.on(sessionRow, s.ID)
	c.Identity = Identity{User: &u.User, Session: s.ID}
	return c, nil
}

// openCookie reads who a session cookie logs in, and until when.
func (d *Directory) openCookie(r store.Reader, epoch uint64, key string) (*credential, error) {
	row, err := readSession(r, key)
	if err != nil {
		return nil, err
	}
	if !row.cookie {
		return nil, errInvalidToken
	}
	c, err := d.openSession(r, epoch, row)
	if err != nil {
		return nil, err
	}
	c.Scheme, c.CSRF, c.Ambient = Cookie, d.csrf(key), true
	return c, nil
}
