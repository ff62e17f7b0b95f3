package directory

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/caddy-tollgate/tollgate/store"
)

// HashKey splits an API key into the half that is stored as it is and the SHA-256 of the other, which carries 32 random
// characters and so needs no slow hash (auth.md 2).
func HashKey(key string) (public string, secret []byte) {
	hash := sha256.Sum256([]byte(key[32:]))
	return key[:32], hash[:]
}

// openBasic reads who the API key in the credentials of a Basic header stands for. The whole key is the user-id, and then the
// password is ignored, and so is a missing colon; or it is the password.
func (d *Directory) openBasic(r store.Reader, epoch uint64, credentials string) (*credential, error) {
	plain, err := base64.StdEncoding.DecodeString(credentials)
	if err != nil {
		return nil, errNotBase64
	}
	key, password, _ := strings.Cut(string(plain), ":")
	if !isAPIKey(key) && isAPIKey(password) { // programs show the name that they ask for, and hide the password alone
		key = password
	}
	c, err := d.openKey(r, epoch, key)
	if err == nil {
		c.Ambient = true
	}
	return c, err
}

// openKey reads who an API key stands for, and until when.
func (d *Directory) openKey(r store.Reader, epoch uint64, key string) (*credential, error) {
	if !isAPIKey(key) {
		return nil, errInvalidToken
	}
	public, secret := HashKey(key)
	var (
		id, userID int64
		want       []byte
		ends       store.Time
	)
	err := r.QueryRow(`SELECT id, user_id, api_password, ends_at FROM api_key WHERE api_pub_key = ?`, public).Scan(&id, &userID, &want, &ends)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	if subtle.ConstantTimeCompare(secret, want) != 1 || !ends.IsZero() && !ends.After(r.Now().Time) {
		return nil, errInvalidToken
	}
	u, err := d.findUser(r, epoch, userID)
	if err != nil {
		return nil, err
	}
	if u == nil || !u.active {
		return nil, errInactive
	}
	c := &credential{entry: entry{loaded: epoch, parts: []*entry{&u.entry}}, use: new(atomic.Int64)}
	if !ends.IsZero() {
		c.ends = ends.UnixMicro()
	}
	c.Identity = Identity{User: &u.User, Scheme: Basic, APIKey: id}
	return c, nil
}

// useEvery is how exact the date of the last use of an API key is.
const useEvery = time.Minute

// noteUse remembers that an API key was used, for FlushKeyUse.
func (d *Directory) noteUse(c *credential, now int64) {
	last := c.use.Load()
	if now-last < useEvery.Microseconds() || !c.use.CompareAndSwap(last, now) {
		return
	}
	d.used.Lock()
	defer d.used.Unlock()
	d.used.at[c.APIKey] = store.At(time.UnixMicro(now))
}

// FlushKeyUse writes when API keys were last used, to the minute. A job calls it now and then, and once at the end; what cannot
// be written is kept for the next call.
func (d *Directory) FlushKeyUse(ctx context.Context) error {
	d.used.Lock()
	at := d.used.at
	d.used.at = map[int64]store.Time{}
	d.used.Unlock()
	if len(at) == 0 {
		return nil
	}
	dates := make(map[string]int64, len(at))
	for id, t := range at {
		dates[strconv.FormatInt(id, 10)] = t.UnixMicro()
	}
	text, err := json.Marshal(dates)
	if err != nil {
		return err
	}
	err = d.o.Store.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(`UPDATE api_key SET last_used_at = used.value FROM json_each(?) AS used
			WHERE api_key.id = CAST(used.key AS INTEGER) AND coalesce(last_used_at, 0) < used.value`, string(text))
		return err
	})
	if err != nil {
		d.used.Lock()
		defer d.used.Unlock()
		for id, t := range at {
			if t.After(d.used.at[id].Time) {
				d.used.at[id] = t
			}
		}
	}
	return err
}
