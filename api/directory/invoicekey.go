package directory

import (
	"database/sql"
	"slices"
	"strings"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/store"
)

// Invoice keys (access.md B.7): a charge item that bears one waits to be synchronised by the application. Its sync_on says whose
// requests tell of it: an e-mail address, a username, or the slug of a profile.

// readInvoiceKeys reads the keys of paid charge items that requests of a user may tell of, whatever its roles are good for now.
func readInvoiceKeys(r store.Reader, u *accessrules.User) (keys []accessrules.InvoiceKey, err error) {
	names := []string{u.Username}
	if u.Email != "" {
		names = append(names, u.Email)
	}
	for i := range u.Roles {
		names = append(names, u.Roles[i].Profile.Slug)
	}
	err = store.Each(r, func(rows *sql.Rows) error {
		var key, on string
		if err := rows.Scan(&key, &on); err != nil {
			return err
		}
		switch {
		case on == u.Username || u.Email != "" && strings.EqualFold(on, u.Email):
			keys = append(keys, accessrules.InvoiceKey{Key: key})
		case slices.Contains(names, on):
			keys = append(keys, accessrules.InvoiceKey{Key: key, Profile: on})
		}
		return nil
	}, `SELECT invoice_key, sync_on FROM charge_item JOIN charge ON charge.id = charge_id
		WHERE invoice_key IS NOT NULL AND lower(sync_on) IN (SELECT lower(value) FROM json_each(?)) AND state = 1
		ORDER BY charge_item.id`, store.IDs(names))
	return keys, err
}

// TouchInvoiced is called by whoever changes, in tx, the state of a charge.
func (d *Directory) TouchInvoiced(tx *store.Tx, charge int64) error {
	names, err := store.Column[string](tx, `SELECT sync_on FROM charge_item WHERE charge_id = ? AND invoice_key IS NOT NULL AND sync_on IS NOT NULL`, charge)
	if err != nil || len(names) == 0 {
		return err
	}
	return d.touchNamed(tx, names)
}

// Synchronised takes invoice keys off the charge items that bear them: the application has answered a request that told it of them.
func (d *Directory) Synchronised(tx *store.Tx, keys []string) error {
	names, err := invoicedNames(tx, keys)
	if err != nil || len(names) == 0 {
		return err
	}
	_, err = tx.Exec(`UPDATE charge_item SET invoice_key = NULL, sync_on = '' WHERE invoice_key IN (SELECT value FROM json_each(?))`, store.IDs(keys))
	if err != nil {
		return err
	}
	return d.touchNamed(tx, names)
}

// invoicedNames are the names that charge items with some keys go by.
func invoicedNames(r store.Reader, keys []string) ([]string, error) {
	return store.Column[string](r, `SELECT sync_on FROM charge_item WHERE invoice_key IN (SELECT value FROM json_each(?)) AND sync_on IS NOT NULL`, store.IDs(keys))
}

// touchNamed makes facts about the users and profiles that go by a name, or an e-mail address, be read again.
func (d *Directory) touchNamed(tx *store.Tx, names []string) error {
	users, profiles, err := named(tx, names)
	if err != nil {
		return err
	}
	d.TouchUser(tx, users...)
	d.TouchProfile(tx, profiles...)
	return nil
}

func named(r store.Reader, names []string) (users, profiles []int64, err error) {
	list := store.IDs(names)
	users, err = store.Column[int64](r, `SELECT id FROM user WHERE username IN (SELECT value FROM json_each(?))`, list)
	if err != nil {
		return nil, nil, err
	}
	proven, err := UsersOf(r, Email, names)
	if err != nil {
		return nil, nil, err
	}
	for _, user := range proven {
		users = append(users, user)
	}
	profiles, err = store.Column[int64](r, `SELECT id FROM profile WHERE slug IN (SELECT value FROM json_each(?))`, list)
	return users, profiles, err
}
