package directory

import (
	"strings"

	"github.com/caddy-tollgate/tollgate/store"
)

// names is what a user is called, and the first non-empty value of each of its contacts' names (auth.md 3).
type names struct{ username, first, last, nick, full string }

func (n names) fullName() string {
	if n.full != "" {
		return n.full
	}
	return strings.TrimSpace(n.first + " " + n.last)
}

func (n names) nickName() string {
	if n.nick != "" {
		return n.nick
	}
	return n.first
}

func (n names) printable() string {
	if nick := n.nickName(); nick != "" {
		return nick
	}
	if full := n.fullName(); full != "" {
		return full
	}
	return n.username
}

// Users returns the short form of users, by ID, in one query. IDs of nobody are left out.
func (d *Directory) Users(r store.Reader, ids []int64) (map[int64]UserShort, error) {
	all, err := d.UserDetails(r, ids)
	if err != nil {
		return nil, err
	}
	short := make(map[int64]UserShort, len(all))
	for id := range all {
		short[id] = all[id].UserShort
	}
	return short, nil
}

// UserDetail returns a user's own record. Error: store.ErrNotFound.
func (d *Directory) UserDetail(r store.Reader, id int64) (UserDetail, error) {
	all, err := d.UserDetails(r, []int64{id})
	if err != nil {
		return UserDetail{}, err
	}
	u, ok := all[id]
	if !ok {
		return UserDetail{}, store.ErrNotFound
	}
	return u, nil
}

// UserDetails returns the detail form of users, archived ones included, by ID, in one query. IDs of nobody are left out.
func (d *Directory) UserDetails(r store.Reader, ids []int64) (map[int64]UserDetail, error) {
	all := make(map[int64]UserDetail, len(ids))
	if len(ids) == 0 {
		return all, nil
	}
	rows, err := r.Query(`SELECT user.id, username, user.email, first_name, last_name, substr(password, 1, 1) NOT IN ('', '!'),
		EXISTS (SELECT 1 FROM otp WHERE user_id = user.id), user.created_at, last_login,
		contact.full_name, nick_name, CASE WHEN replaced_at IS NULL THEN phone END, picture, lang
		FROM user LEFT JOIN contact ON contact.user_id = user.id
		WHERE user.id IN (SELECT value FROM json_each(?)) ORDER BY user.id, contact.created_at, contact.id`, list(ids))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var (
		last int64 // the user of the row before: a row each contact, oldest first
		u    UserDetail
		n    names
	)
	finish := func() {
		if last == 0 {
			return
		}
		u.FullName, u.NickName, u.PrintableName = n.fullName(), n.nickName(), n.printable()
		if u.Lang == "" {
			u.Lang = d.conf.Load().Language
		}
		all[last] = u
	}
	for rows.Next() {
		var (
			id                               int64
			one                              UserDetail
			first, family                    string
			full, nick, phone, picture, lang *string
		)
		if err := rows.Scan(&id, &one.Username, &one.Email, &first, &family, &one.Credentials, &one.OTPEnabled, &one.CreatedAt,
			&one.LastLogin, &full, &nick, &phone, &picture, &lang); err != nil {
			return nil, err
		}
		if id != last {
			finish()
			last, u, n = id, one, names{username: one.Username, first: first, last: family}
			u.Slug = u.Username
		}
		if n.full == "" {
			n.full = value(full)
		}
		if n.nick == "" {
			n.nick = value(nick)
		}
		if u.Lang == "" {
			u.Lang = value(lang)
		}
		if u.Phone == nil {
			u.Phone = filled(phone)
		}
		if u.Picture == nil {
			u.Picture = filled(picture)
		}
	}
	finish()
	return all, rows.Err()
}

// TypedUser is somebody who is invited by a name or an e-mail address, in the shape of a user: nothing but what the inviter typed.
func TypedUser(typed, fullName string) UserDetail {
	name := fullName
	if name == "" {
		name = typed
	}
	u := UserDetail{UserShort: UserShort{Slug: typed, Username: typed, PrintableName: name}, FullName: fullName, Lang: "en"}
	if strings.Contains(typed, "@") {
		u.Email = &typed
	}
	return u
}

func filled(s *string) *string {
	if s == nil || *s == "" {
		return nil
	}
	return s
}
