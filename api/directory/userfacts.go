package directory

import (
	"errors"
	"strings"
	"time"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/store"
)

// A user is what the cache keeps of a user, active or not.
type user struct {
	entry
	accessrules.User
	active          bool
	passwordChanged store.Time
}

func (u *user) ifActive() *accessrules.User {
	if !u.active {
		return nil
	}
	return &u.User
}

// weight counts the profiles that the user points to, though others may point to them too: what is kept is never more.
func (u *user) weight() uint32 {
	n := 600 + len(u.Email) + len(u.EmailUnproven) + len(u.Name) + len(u.FullName) + len(u.Lang) +
		64*len(u.Pending) + 64*len(u.Signed) + 8*len(u.slots)
	for i := range u.Roles {
		n += 80
		n += int(profileWeight(u.Roles[i].Profile))
	}
	return uint32(n)
}

// findUser returns the user of the cache, or reads it and its profiles and keeps it; nil when there is none.
func (d *Directory) findUser(r store.Reader, epoch uint64, id int64) (*user, error) {
	if u, ok := d.users.GetIfPresent(id); ok && d.fresh(&u.entry) {
		return u, nil
	}
	u := &user{entry: entry{loaded: epoch}}
	u.on(userRow, id)
	var email, proven *string
	var first, last string
	var nick, full, lang *string
	var signed, invoiced bool
	var lastLogin store.Time
	err := r.QueryRow(`SELECT id, public_id, username, email, `+provenEmail+`, first_name, last_name,
		substr(password, 1, 1) NOT IN ('', '!'), is_active, last_login, password_changed_at,
		EXISTS (SELECT 1 FROM otp WHERE user_id = user.id), EXISTS (SELECT 1 FROM signature WHERE user_id = user.id),
		EXISTS (SELECT 1 FROM charge_item WHERE invoice_key >= ''),
		(SELECT nick_name FROM contact WHERE user_id = user.id AND nick_name <> '' ORDER BY created_at, id LIMIT 1),
		(SELECT full_name FROM contact WHERE user_id = user.id AND full_name <> '' ORDER BY created_at, id LIMIT 1),
		(SELECT lang FROM contact WHERE user_id = user.id AND lang <> '' ORDER BY created_at, id LIMIT 1)
		FROM user WHERE id = ?`, id).
		Scan(&u.ID, &u.PublicID, &u.Username, &email, &proven, &first, &last, &u.Credentials, &u.active, &lastLogin, &u.passwordChanged,
			&u.OTP, &signed, &invoiced, &nick, &full, &lang)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	u.LastLogin, u.Email, u.Lang = lastLogin.Time, value(proven), value(lang)
	if !strings.EqualFold(value(email), u.Email) {
		u.EmailUnproven = value(email)
	}
	names := names{username: u.Username, first: first, last: last, nick: value(nick), full: value(full)}
	u.FullName, u.Name = names.fullName(), names.printable()
	if signed {
		if u.Signed, err = readSignatures(r, id); err != nil {
			return nil, err
		}
	}
	if err := d.readRoles(r, u); err != nil {
		return nil, err
	}
	if invoiced { // hardly any site has any
		if u.InvoiceKeys, err = readInvoiceKeys(r, &u.User); err != nil {
			return nil, err
		}
	}
	u.checked.Store(epoch)
	d.users.Set(id, u)
	return u, nil
}

func readSignatures(r store.Reader, user int64) (map[string]time.Time, error) {
	rows, err := r.Query(`SELECT slug, last_signed FROM signature JOIN agreement ON agreement.id = agreement_id WHERE user_id = ?`, user)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var signed map[string]time.Time
	for rows.Next() {
		var slug string
		var at store.Time
		if err := rows.Scan(&slug, &at); err != nil {
			return nil, err
		}
		if signed == nil {
			signed = map[string]time.Time{}
		}
		signed[slug] = at.Time
	}
	return signed, rows.Err()
}

// readRoles fills in the roles that a user has, with their profiles, and the grants that wait for the user.
func (d *Directory) readRoles(r store.Reader, u *user) error {
	type row struct {
		profile int64
		role    accessrules.Role
	}
	var roles []row
	rows, err := r.Query(`SELECT role.profile_id, profile.slug, role_description.slug, otp_required, role.ends_at,
		grant_key IS NOT NULL, request_key IS NOT NULL
		FROM role JOIN profile ON profile.id = role.profile_id LEFT JOIN role_description ON role_description.id = role_description_id
		WHERE user_id = ? ORDER BY role.id`, u.ID)
	if err != nil {
		return err
	}
	defer rows.Close()
	var ids []int64
	for rows.Next() {
		var (
			one                row
			slug               string
			description        *string
			otp                *bool
			ends               store.Time
			granted, requested bool
		)
		if err := rows.Scan(&one.profile, &slug, &description, &otp, &ends, &granted, &requested); err != nil {
			return err
		}
		switch {
		case granted:
			u.Pending = append(u.Pending, slug)
			u.on(profileRow, one.profile)
		case !requested && description != nil:
			one.role = accessrules.Role{Description: *description, OTPRequired: *otp, EndsAt: ends.Time}
			roles, ids = append(roles, one), append(ids, one.profile)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	u.on(agreementRows, 0)
	profiles, err := d.readProfiles(r, u.loaded, ids)
	if err != nil {
		return err
	}
	u.Roles = make([]accessrules.Role, len(roles))
	for i, one := range roles {
		p := profiles[one.profile]
		u.Roles[i] = one.role
		u.Roles[i].Profile = &p.Profile
		u.parts = append(u.parts, &p.entry)
		if p.until != 0 && (u.until == 0 || p.until < u.until) {
			u.until = p.until
		}
	}
	return nil
}
