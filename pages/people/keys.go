package people

import (
	"net/url"
	"time"

	"github.com/caddy-tollgate/tollgate/pages"
)

// Keys is what the page of keys shows.
type Keys struct {
	Holder
	Keys   []KeyOf
	Ending *KeyOf // that is about to be ended
	Secret string // of the key that was just made, shown once
	SSH    string
}

// A KeyOf is an API key.
type KeyOf struct {
	Title  string    `json:"title"`
	Public string    `json:"api_pub_key"`
	EndsAt time.Time `json:"ends_at"`
	Ended  bool      `json:"-"`
}

// Start is the part of a key that may be seen, as it begins.
func (k KeyOf) Start() string { return k.Public[:min(6, len(k.Public))] }

// allKeys is the most that a user has of them (trust.md 77).
var allKeys = url.Values{"page_size": {"100"}}

func showKeys(q *pages.Request) (any, error) {
	_, holder, err := readAccount(q)
	if err != nil {
		return nil, err
	}
	d := &Keys{Holder: holder}
	var list struct {
		Results []KeyOf `json:"results"`
	}
	if err := q.List(&list, allKeys, "/api/users/{user}/api-keys", holder.Username); err != nil {
		return nil, err
	}
	for _, k := range list.Results {
		k.Ended = !k.EndsAt.IsZero() && !k.EndsAt.After(q.Now())
		if d.Keys = append(d.Keys, k); k.Public == q.Query("end") {
			d.Ending = &k
		}
	}
	var ssh struct {
		Key string `json:"pubkey"`
	}
	err = q.Get(&ssh, "/api/users/{user}/ssh-keys", holder.Username)
	d.SSH = ssh.Key
	return d, err
}

// makeKey makes an API key, and shows its secret once.
func makeKey(q *pages.Request) (pages.Outcome, error) {
	if asked, err := proveAgain(q); asked {
		return pages.Outcome{}, err
	}
	result, err := q.Post(withSecrets(q, map[string]any{"title": q.Field("title")}), "/api/users/{user}/api-keys", q.Param("user"))
	if err != nil {
		return pages.Outcome{}, unproven(q, err)
	}
	var made struct {
		Secret string `json:"secret"`
	}
	if err := result.Into(&made); err != nil {
		return pages.Outcome{}, err
	}
	shown, err := showKeys(q)
	if err != nil {
		return pages.Outcome{}, err
	}
	d := shown.(*Keys)
	d.Secret = made.Secret
	return pages.Outcome{Once: d}, nil
}

// endKey ends an API key.
func endKey(q *pages.Request) (pages.Outcome, error) {
	if asked, err := proveAgain(q); asked {
		return pages.Outcome{}, err
	}
	_, err := q.Post(withSecrets(q, map[string]any{}), "/api/users/{user}/api-keys/{key}", q.Param("user"), q.Query("end"))
	return pages.Outcome{To: q.Address("/users/{user}/keys/", q.Param("user")), Said: "key_ended"}, unproven(q, err)
}

// setSSHKey takes the SSH key, or removes the one that there is.
func setSSHKey(q *pages.Request) (pages.Outcome, error) {
	if asked, err := proveAgain(q); asked {
		return pages.Outcome{}, err
	}
	if q.Field("way") == "remove" {
		_, err := q.Delete(withSecrets(q, map[string]any{}), "/api/users/{user}/ssh-keys", q.Param("user"))
		return pages.Outcome{Said: "ssh_removed"}, unproven(q, err)
	}
	_, err := q.Put(withSecrets(q, map[string]any{"pubkey": q.Field("pubkey")}), "/api/users/{user}/ssh-keys", q.Param("user"))
	return pages.Outcome{Said: "saved"}, unproven(q, err)
}
