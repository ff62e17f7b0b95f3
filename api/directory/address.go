package directory

import (
	"database/sql"
	"strings"

	"github.com/caddy-tollgate/tollgate/store"
)

// An AddressKind is a kind of address by which people are reached. Its name is that of the column.
type AddressKind string

// Kinds of addresses.
const (
	Email AddressKind = "email"
	Phone AddressKind = "phone" // E.164
)

// UserOf returns the active user for whom an address stands: the one who has proven it, 0 for nobody (decision 66). An address
// that somebody merely typed stands for nobody, whatever is given to it.
func UserOf(r store.Reader, kind AddressKind, address string) (int64, error) {
	users, err := UsersOf(r, kind, []string{address})
	return users[strings.ToLower(address)], err
}

// UsersOf is UserOf for many addresses, in lower case, in one query. Those that stand for nobody are left out.
func UsersOf(r store.Reader, kind AddressKind, addresses []string) (map[string]int64, error) {
	lower := make([]string, 0, len(addresses))
	for _, a := range addresses {
		if a != "" {
			lower = append(lower, strings.ToLower(a))
		}
	}
	if len(lower) == 0 {
		return nil, nil
	}
	found := make(map[string]int64, len(lower))
	query := `SELECT json_each.value, u.id FROM json_each(?) CROSS JOIN contact c ON c.email = json_each.value JOIN user u ON u.id = c.user_id
		WHERE c.email_verified_at IS NOT NULL AND u.is_active = 1`
	if kind == Phone {
		query = strings.ReplaceAll(query, "email", "phone")
	}
	err := store.Each(r, func(rows *sql.Rows) error {
		var address string
		var user int64
		err := rows.Scan(&address, &user)
		found[address] = user
		return err
	}, query, store.IDs(lower))
	return found, err
}

// HoldersOf lists the users, at most two, who have an address, proven or not, disabled ones included: nobody else may take it
// without proving it.
func HoldersOf(r store.Reader, kind AddressKind, address string) ([]int64, error) {
	if kind == Phone {
		return store.Column[int64](r, `SELECT DISTINCT user_id FROM contact WHERE phone = ? AND user_id IS NOT NULL LIMIT 2`, address)
	}
	return store.Column[int64](r, `SELECT id FROM user WHERE email = ? UNION SELECT user_id FROM contact WHERE email = ? AND user_id IS NOT NULL LIMIT 2`,
		address, address)
}

// LoginsOf lists the users, at most two, whom an address finds when somebody logs in or recovers an account by it: the one who has
// proven it, or else those who hold it and have proven nothing at all. A user with a proven address is found by proven ones only.
// Disabled users are included.
func LoginsOf(r store.Reader, kind AddressKind, address string) ([]int64, error) {
	query := `SELECT user_id FROM contact WHERE email = ? AND user_id IS NOT NULL AND email_verified_at IS NOT NULL`
	if kind == Phone {
		query = strings.ReplaceAll(query, "email", "phone")
	}
	proven, err := store.Column[int64](r, query, address)
	if err != nil || len(proven) > 0 {
		return proven, err
	}
	holders, err := HoldersOf(r, kind, address)
	if err != nil {
		return nil, err
	}
	found := holders[:0]
	for _, user := range holders { // two at most
		if proven, err := AnyProven(r, user); err != nil {
			return nil, err
		} else if !proven {
			found = append(found, user)
		}
	}
	return found, nil
}

// AnyProven reports whether a user has proven an address.
func AnyProven(r store.Reader, user int64) (bool, error) {
	return store.Exists(r, `SELECT 1 FROM contact WHERE user_id = ? AND (email IS NOT NULL AND email_verified_at IS NOT NULL
		OR phone IS NOT NULL AND phone_verified_at IS NOT NULL)`, user)
}

// ProfilesOf lists the active profiles for which an e-mail address stands, by the address in lower case: those with that address
// which the user who has proven it manages, and those that nobody manages who could log in. What anybody else wrote into the
// address of a profile proves nothing.
func ProfilesOf(r store.Reader, emails []string) (map[string][]int64, error) {
	lower := make([]string, 0, len(emails))
	for _, email := range emails {
		if email != "" {
			lower = append(lower, strings.ToLower(email))
		}
	}
	if len(lower) == 0 {
		return nil, nil
	}
	found := map[string][]int64{}
	err := store.Each(r, func(rows *sql.Rows) error {
		var email string
		var profile int64
		err := rows.Scan(&email, &profile)
		found[email] = append(found[email], profile)
		return err
	}, `SELECT json_each.value, p.id FROM json_each(?1) CROSS JOIN profile p ON p.email = json_each.value COLLATE NOCASE
		WHERE p.is_active = 1 AND (EXISTS (SELECT 1 FROM contact c JOIN user u ON u.id = c.user_id JOIN role r ON r.user_id = u.id
				WHERE c.email = json_each.value AND c.email_verified_at IS NOT NULL AND u.is_active = 1 AND r.profile_id = p.id AND `+managing+`)
			OR NOT EXISTS (SELECT 1 FROM role r JOIN user u ON u.id = r.user_id WHERE r.profile_id = p.id AND `+managing+`
				AND u.is_active = 1 AND (substr(u.password, 1, 1) NOT IN ('', '!') OR u.last_login IS NOT NULL)))
		ORDER BY p.id`, store.IDs(lower), r.Now())
	return found, err
}

// TouchProfilesOf makes the profiles with an e-mail address be read again, whose address is proven now.
func (d *Directory) TouchProfilesOf(tx *store.Tx, email string) error {
	ids, err := store.Column[int64](tx, `SELECT id FROM profile WHERE email = ? COLLATE NOCASE LIMIT 1000`, email)
	d.TouchProfile(tx, ids...)
	return err
}

// managing is a role r as a manager that is in force (bind now as the second parameter).
const managing = `r.request_key IS NULL AND r.grant_key IS NULL AND (r.ends_at IS NULL OR r.ends_at > ?2)
	AND +r.role_description_id = (SELECT id FROM role_description WHERE slug = 'manager' AND profile_id IS NULL)`

// profileProver is the manager of a profile who has proven its e-mail address (bind now as the second parameter).
const profileProver = `(SELECT c.user_id FROM contact c JOIN user u ON u.id = c.user_id JOIN role r ON r.user_id = u.id
		WHERE c.email = profile.email AND c.email_verified_at IS NOT NULL AND u.is_active = 1 AND r.profile_id = profile.id AND ` + managing + `)`

// provenEmail is the e-mail address of a user that it has proven: the one that it shows, or else the oldest.
const provenEmail = `(SELECT c.email FROM contact c WHERE c.user_id = user.id AND c.email_verified_at IS NOT NULL AND c.email IS NOT NULL
		ORDER BY c.email = user.email DESC, c.created_at, c.id LIMIT 1)`
