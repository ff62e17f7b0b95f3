package auth

import (
	"crypto/sha256"
	"database/sql"
	"errors"
	"strings"
	"unicode"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// An apiKey is an API key in lists; its secret half is shown once, when it is made.
type apiKey struct {
	Title  string     `json:"title"`
	Public string     `json:"api_pub_key"`
	EndsAt store.Time `json:"ends_at"`
}

var apiKeys = rest.List[apiKey]{
	Select:  "k.title, k.api_pub_key, k.ends_at",
	From:    "api_key k",
	Where:   "k.user_id = ?",
	Key:     "k.id",
	Search:  rest.Names{"title": {"k.title"}},
	Order:   rest.Names{"title": {"k.title"}, "ends_at": {"k.ends_at"}},
	Default: []string{"title"},
	Blank:   true,
	Scan:    func(rows *sql.Rows, k *apiKey) error { return rows.Scan(&k.Title, &k.Public, &k.EndsAt) },
}

// listKeys is GET /api/users/{user}/api-keys; keys that have ended are listed too.
func (s *Service) listKeys(c *rest.Call, r store.Reader) (rest.Page[apiKey], error) {
	u, err := pathUser(c, r)
	if err != nil {
		return rest.Page[apiKey]{}, err
	}
	return apiKeys.Page(c, r, u.ID)
}

// newKeyInput is the body of POST /api/users/{user}/api-keys.
type newKeyInput struct {
	secrets
	Title string `json:"title" in:"blank,null" validate:"max=100,plain"`
}

// Check holds what concerns several fields.
func (in *newKeyInput) Check(*rest.Call) error { return in.secrets.check() }

type newKeyOutput struct {
	Secret string `json:"secret"`
}

// maxKeys is how many API keys a user has at the most, those that have ended included (decision 77).
const maxKeys = 100

// createKey is POST /api/users/{user}/api-keys. The key is {user}'s, whoever makes it; the audit says who did.
func (s *Service) createKey(c *rest.Call, in *newKeyInput) (out newKeyOutput, err error) {
	done, err := s.confirm(c, &in.secrets)
	if err != nil {
		return out, err
	}
	err = s.change(c, done, func(tx *store.Tx, u *user) error {
		err := rest.AtMost(tx, maxKeys, "A user has at most 100 API keys. Delete one first.", `SELECT 1 FROM api_key WHERE user_id = ?`, u.ID)
		if err != nil {
			return err
		}
		out.Secret = directory.NewAPIKey()
		public, secret := out.Secret[:32], out.Secret[32:]
		hash := sha256.Sum256([]byte(secret))
		var ends store.Time
		if s.set.APIKeyLifetime > 0 {
			ends = store.At(tx.Now().Add(s.set.APIKeyLifetime))
		}
		_, err = tx.Exec(`INSERT INTO api_key (title, api_pub_key, api_password, created_at, ends_at, user_id) VALUES (?, ?, ?, ?, ?, ?)`,
			in.Title, public, hash[:], tx.Now(), ends, u.ID)
		s.dir.TouchUser(tx, u.ID)
		return err
	})
	c.Created("")
	return out, err
}

// deleteKey is POST /api/users/{user}/api-keys/{key}.
func (s *Service) deleteKey(c *rest.Call, in *secretsInput) (out detailOutput, err error) {
	if err := c.Read(func(r store.Reader) error { return findKey(c, r) }); err != nil {
		return out, err
	}
	done, err := s.confirm(c, &in.secrets)
	if err != nil {
		return out, err
	}
	err = s.change(c, done, func(tx *store.Tx, u *user) error {
		n, err := tx.Exec(`DELETE FROM api_key WHERE api_pub_key = ? AND user_id = ?`, c.Param("key"), u.ID)
		if err == nil && n == 0 {
			err = rest.NotFound("Credentials")
		}
		s.dir.TouchUser(tx, u.ID)
		return err
	})
	return detailOutput{"The API key was deleted."}, err
}

// secretsInput is a body that only proves who calls.
type secretsInput struct{ secrets }

// Check holds what concerns several fields.
func (in *secretsInput) Check(*rest.Call) error { return in.secrets.check() }

// findKey is the 404 that comes before a 400 or 401.
func findKey(c *rest.Call, r store.Reader) error {
	u, err := pathUser(c, r)
	if err != nil {
		return err
	}
	var id int64
	err = r.QueryRow(`SELECT id FROM api_key WHERE api_pub_key = ? AND user_id = ?`, c.Param("key"), u.ID).Scan(&id)
	if errors.Is(err, store.ErrNotFound) {
		err = rest.NotFound("Credentials")
	}
	return err
}

// confirm is reauthenticate on a {user} that exists.
func (s *Service) confirm(c *rest.Call, in *secrets) (*confirmation, error) {
	if err := c.Read(func(r store.Reader) error { return findUserOnly(c, r) }); err != nil {
		return nil, err
	}
	return s.reauthenticate(c, in)
}

// sshInput is the body of PUT /api/users/{user}/ssh-keys.
type sshInput struct {
	secrets
	PublicKey string `json:"pubkey" in:"required" validate:"max=500"`
}

// Check refuses what would be more than one line of a file of keys.
func (in *sshInput) Check(*rest.Call) error {
	if strings.ContainsFunc(in.PublicKey, unicode.IsControl) {
		return rest.Invalid("pubkey", "Enter a valid public key.")
	}
	return in.secrets.check()
}

// setSSHKey is PUT /api/users/{user}/ssh-keys: one key a user.
func (s *Service) setSSHKey(c *rest.Call, in *sshInput) (out detailOutput, err error) {
	done, err := s.confirm(c, &in.secrets)
	if err != nil {
		return out, err
	}
	err = s.change(c, done, func(tx *store.Tx, u *user) error {
		if _, err := tx.Exec(`UPDATE user SET ssh_key = ? WHERE id = ?`, in.PublicKey, u.ID); err != nil {
			return err
		}
		return tx.Audit("update-pubkey", u.Username, "")
	})
	return detailOutput{"The public key was updated."}, err
}

// An sshKey is the SSH public key of a user, "" for none.
type sshKey struct {
	PublicKey string `json:"pubkey"`
}

// readSSHKey is GET /api/users/{user}/ssh-keys.
func (s *Service) readSSHKey(c *rest.Call, r store.Reader) (out sshKey, err error) {
	u, err := pathUser(c, r)
	if err != nil {
		return out, err
	}
	return out, r.QueryRow(`SELECT coalesce(ssh_key, '') FROM user WHERE id = ?`, u.ID).Scan(&out.PublicKey)
}

// deleteSSHKey is DELETE /api/users/{user}/ssh-keys.
func (s *Service) deleteSSHKey(c *rest.Call, in *secretsInput) (out rest.None, err error) {
	done, err := s.confirm(c, &in.secrets)
	if err != nil {
		return out, err
	}
	return out, s.change(c, done, func(tx *store.Tx, u *user) error {
		if _, err := tx.Exec(`UPDATE user SET ssh_key = NULL WHERE id = ?`, u.ID); err != nil {
			return err
		}
		return tx.Audit("update-pubkey", u.Username, "")
	})
}
