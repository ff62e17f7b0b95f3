package directory

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"github.com/caddy-tollgate/tollgate/store"
)

// Names that were used (decision 69). Applications key their data on names, so whoever got the name of somebody else would get that
// data. A name is used when its user has logged in, or its profile had a subscription or a ledger line. What a user or a profile
// leaves behind by a rename is its own to take back; what an erasure leaves behind is nobody's.

const (
	maxRenames   = 3
	renameWindow = 30 * 24 * time.Hour
)

// NameFree reports whether a user, or a profile, or a user with its personal profile may be called name: it is not reserved, nobody
// else bears it, and nobody else used it. Pass 0 for a user or a profile that is not there (yet).
func (d *Directory) NameFree(r store.Reader, name string, user, profile int64) (bool, error) {
	if Reserved(name) {
		return false, nil
	}
	var taken bool
	err := r.QueryRow(`SELECT EXISTS (SELECT 1 FROM user WHERE username = ?1 AND id <> ?2)
		OR EXISTS (SELECT 1 FROM profile WHERE slug = ?1 AND id <> ?3)
		OR EXISTS (SELECT 1 FROM used_name WHERE name_hash IN (SELECT value FROM json_each(?4)) AND user_id IS NOT ?2 AND profile_id IS NOT ?3)
			AND NOT EXISTS (SELECT 1 FROM user WHERE username = ?1 AND id = ?2) AND NOT EXISTS (SELECT 1 FROM profile WHERE slug = ?1 AND id = ?3)`,
		name, user, profile, d.nameHashes(name)).Scan(&taken)
	return !taken && err == nil, err
}

// LeaveName must be called before a user, or a profile, or a user with its personal profile gives up the name that it bears; 0 for
// none. When the name was used, it is kept for them.
func (d *Directory) LeaveName(tx *store.Tx, name string, user, profile int64) error {
	_, err := tx.Exec(`INSERT INTO used_name (name_hash, user_id, profile_id) SELECT ?1, nullif(?2, 0), nullif(?3, 0)
		WHERE EXISTS (SELECT 1 FROM user WHERE id = ?2 AND last_login IS NOT NULL)
			OR EXISTS (SELECT 1 FROM subscription WHERE profile_id = ?3) OR EXISTS (SELECT 1 FROM subscription WHERE provider_id = ?3)
			OR EXISTS (SELECT 1 FROM txn WHERE dest_profile_id = ?3) OR EXISTS (SELECT 1 FROM txn WHERE orig_profile_id = ?3)
		ON CONFLICT (name_hash) DO UPDATE SET user_id = coalesce(excluded.user_id, user_id), profile_id = coalesce(excluded.profile_id, profile_id)`,
		nameHash(d.conf.Load().Secrets.nameKeys()[0], name), user, profile)
	return err
}

// ForgetNames unties the names that a user or a profile, 0 for none, has left: it is erased, and nothing tells any more who bore them.
func (d *Directory) ForgetNames(tx *store.Tx, user, profile int64) error {
	for query, id := range map[string]int64{
		`UPDATE used_name SET user_id = NULL WHERE user_id = ?`: user, `DELETE FROM rename WHERE user_id = ?`: user,
		`UPDATE used_name SET profile_id = NULL WHERE profile_id = ?`: profile, `DELETE FROM rename WHERE profile_id = ?`: profile,
	} {
		if id == 0 {
			continue
		}
		if _, err := tx.Exec(query, id); err != nil {
			return err
		}
	}
	return nil
}

// CountRename counts a rename of a user, or of a profile, or of both at once; 0 for none. When there were three in the last 30 days,
// it counts nothing and returns how long to wait for the next one: nobody collects names.
func (d *Directory) CountRename(tx *store.Tx, user, profile int64) (wait time.Duration, err error) {
	now := tx.Now()
	since := store.At(now.Add(-renameWindow))
	var count int
	var first store.Time
	err = tx.QueryRow(`SELECT count(*), min(created_at) FROM (
		SELECT rowid, created_at FROM rename WHERE user_id = ?1 AND created_at > ?3 UNION
		SELECT rowid, created_at FROM rename WHERE profile_id = ?2 AND created_at > ?3)`, user, profile, since).Scan(&count, &first)
	if err != nil {
		return 0, err
	}
	if count >= maxRenames {
		return first.Add(renameWindow).Sub(now.Time), nil
	}
	if _, err := tx.Exec(`DELETE FROM rename WHERE (user_id = ? OR profile_id = ?) AND created_at <= ?`, user, profile, since); err != nil {
		return 0, err
	}
	_, err = tx.Exec(`INSERT INTO rename (created_at, user_id, profile_id) VALUES (?, nullif(?, 0), nullif(?, 0))`, now, user, profile)
	return 0, err
}

// nameHashes lists in JSON what a used name may be kept as: one hash a key.
func (d *Directory) nameHashes(name string) string {
	keys := d.conf.Load().Secrets.nameKeys()
	hashes := make([]string, len(keys))
	for i, key := range keys {
		hashes[i] = nameHash(key, name)
	}
	text, err := json.Marshal(hashes)
	if err != nil {
		panic(err) // strings only
	}
	return string(text)
}

func nameHash(key []byte, name string) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(strings.ToLower(name)))
	return hex.EncodeToString(h.Sum(nil))
}
