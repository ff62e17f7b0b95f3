package auth

import (
	"database/sql"
	"errors"
	"strings"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// A contact is a row of contact (auth.md 2): how to reach somebody, who may be a user.
type contact struct {
	ID        int64
	Slug      string
	CreatedAt store.Time
	Email     string // "" = none
	Phone     string // "" = none
	FullName  string
	NickName  string
	Picture   string // "" = none
	User      int64  // 0 = nobody
	Lang      string
	Extra     string // "" = none

	EmailRequired, PhoneRequired bool // every log-in of the user has to prove the address
	EmailProven, PhoneProven     bool
	Replaced                     bool // a proven address that the user replaced by one that is not proven yet
}

const selectContact = `SELECT id, slug, created_at, coalesce(email, ''), coalesce(phone, ''), full_name, nick_name, coalesce(picture, ''),
	coalesce(user_id, 0), lang, coalesce(extra, ''), email_verification_required, phone_verification_required,
	email IS NOT NULL AND email_verified_at IS NOT NULL, phone IS NOT NULL AND phone_verified_at IS NOT NULL, replaced_at IS NOT NULL FROM contact `

type scanner interface{ Scan(dest ...any) error }

func scanContact(row scanner) (*contact, error) {
	var c contact
	err := row.Scan(&c.ID, &c.Slug, &c.CreatedAt, &c.Email, &c.Phone, &c.FullName, &c.NickName, &c.Picture, &c.User, &c.Lang, &c.Extra,
		&c.EmailRequired, &c.PhoneRequired, &c.EmailProven, &c.PhoneProven, &c.Replaced)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return &c, err
}

// contactBySlug returns a contact, nil when there is none of that very slug.
func contactBySlug(r store.Reader, slug string) (*contact, error) {
	c, err := scanContact(r.QueryRow(selectContact+`WHERE slug = ?`, slug))
	if c != nil && c.Slug != slug {
		c = nil
	}
	return c, err
}

func contactByEmail(r store.Reader, email string) (*contact, error) {
	if email == "" {
		return nil, nil
	}
	return scanContact(r.QueryRow(selectContact+`WHERE email = ?`, email))
}

func contactByPhone(r store.Reader, phone string) (*contact, error) {
	if phone == "" {
		return nil, nil
	}
	return scanContact(r.QueryRow(selectContact+`WHERE phone = ?`, phone))
}

// contactsOf lists the contacts of a user, the oldest first.
func contactsOf(r store.Reader, user int64) ([]*contact, error) {
	var all []*contact
	err := store.Each(r, func(rows *sql.Rows) error {
		c, err := scanContact(rows)
		all = append(all, c)
		return err
	}, selectContact+`WHERE user_id = ? ORDER BY created_at, id`, user)
	return all, err
}

// shownPhone is the phone that an account with these contacts shows, "" for none.
func shownPhone(contacts []*contact) string {
	for _, c := range contacts {
		if c.Phone != "" && !c.Replaced {
			return c.Phone
		}
	}
	return ""
}

// A person is what somebody tells about themselves: fields of a contact.
type person struct {
	FullName, NickName, Lang, Picture, Extra string
	Email, Phone                             string
}

// addContact inserts a contact, under slug or one like it that is free; it is derived when empty (auth.md 2). Errors: 400 on
// "email", "phone" or "slug" when taken.
func (s *Service) addContact(tx *store.Tx, slug string, p person, user int64) (*contact, error) {
	if slug == "" {
		local, _, _ := strings.Cut(p.Email, "@")
		if slug = directory.Slugify(local); slug == "" {
			slug = directory.RandomHex(15)
		}
	}
	free := func(name string) (bool, error) {
		var taken bool
		err := tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM contact WHERE slug = ?)`, name).Scan(&taken)
		return !taken, err
	}
	slug, err := directory.FreeName(slug, 50, 50, directory.SlugSuffix, free)
	if err != nil {
		return nil, err
	}
	if slug == "" {
		return nil, rest.Bad("slug", "This slug is already taken.")
	}
	if p.Lang == "" {
		p.Lang = s.set.Language
	}
	c := &contact{
		Slug: slug, CreatedAt: tx.Now(), Email: p.Email, Phone: p.Phone, FullName: p.FullName, NickName: p.NickName,
		Picture: p.Picture, User: user, Lang: p.Lang, Extra: p.Extra,
	}
	c.ID, err = tx.Insert(`INSERT INTO contact (slug, created_at, email, phone, full_name, nick_name, picture, user_id, lang, extra)
		VALUES (?, ?, ?, ?, ?, ?, ?, nullif(?, 0), ?, ?)`,
		c.Slug, c.CreatedAt, null(c.Email), null(c.Phone), c.FullName, c.NickName, null(c.Picture), c.User, c.Lang, null(c.Extra))
	return c, taken(err)
}

// link gives a user the contacts that nobody has and that bear its e-mail or phone, and keeps what the person tells: in the
// empty fields of its contacts, or in a new contact (auth.md 2).
func (s *Service) link(tx *store.Tx, u *user, p person) error {
	// Whoever proved the address before was somebody else, perhaps: the proof starts anew.
	for _, adopt := range []struct{ query, value string }{
		{`UPDATE contact SET user_id = ?, email_verified_at = NULL, phone_verified_at = NULL WHERE email = ? AND user_id IS NULL`, p.Email},
		{`UPDATE contact SET user_id = ?, email_verified_at = NULL, phone_verified_at = NULL WHERE phone = ? AND user_id IS NULL`, p.Phone},
	} {
		if adopt.value == "" {
			continue
		}
		if _, err := tx.Exec(adopt.query, u.ID, adopt.value); err != nil {
			return err
		}
	}
	all, err := contactsOf(tx, u.ID)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		if p.NickName == "" {
			p.NickName = u.FirstName
		}
		_, err = s.addContact(tx, u.Username, p, u.ID)
		return err
	}
	var hasEmail, hasPhone bool
	for _, c := range all {
		hasEmail = hasEmail || p.Email == "" || strings.EqualFold(c.Email, p.Email)
		hasPhone = hasPhone || p.Phone == "" || c.Phone == p.Phone
	}
	for _, c := range all {
		email, phone := "", ""
		if c.Email == "" && !hasEmail {
			email, hasEmail = p.Email, true
		}
		if c.Phone == "" && !hasPhone {
			phone, hasPhone = p.Phone, true
		}
		_, err := tx.Exec(`UPDATE contact SET email = coalesce(email, ?), phone = coalesce(phone, ?),
				full_name = CASE full_name WHEN '' THEN ? ELSE full_name END, nick_name = CASE nick_name WHEN '' THEN ? ELSE nick_name END,
				picture = coalesce(picture, ?), extra = coalesce(extra, ?) WHERE id = ?`,
			null(email), null(phone), p.FullName, p.NickName, null(p.Picture), null(p.Extra), c.ID)
		if err != nil {
			return taken(err)
		}
	}
	return nil
}

// detail is a contact that is nobody's in the shape of a user (auth.md 4).
func (c *contact) detail() directory.UserDetail {
	first, _ := splitName(c.FullName)
	nick := c.NickName
	if nick == "" {
		nick = first
	}
	d := directory.UserDetail{
		UserShort: c.short(), FullName: c.FullName, NickName: nick, Lang: c.Lang, CreatedAt: c.CreatedAt,
		Email: pointer(c.Email), Phone: pointer(c.Phone),
	}
	return d
}

// short is a contact that is nobody's in the shape of a user in lists.
func (c *contact) short() directory.UserShort {
	d := directory.UserShort{Slug: c.Slug, Username: c.Slug, PrintableName: c.NickName, Picture: pointer(c.Picture)}
	if d.PrintableName == "" {
		d.PrintableName = c.FullName
	}
	if d.PrintableName == "" {
		d.PrintableName = c.Slug
	}
	return d
}

// taken turns a uniqueness violation into the 400 of its column (conventions.md 9.1).
func taken(err error) error {
	column, ok := store.IsUnique(err)
	if !ok {
		return err
	}
	return rest.Bad(column, "This "+column+" is already taken.")
}

// null is a text column where the empty string is NULL.
func null(s string) sql.NullString { return sql.NullString{String: s, Valid: s != ""} }

// pointer is a text in JSON where the empty string is null.
func pointer(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
