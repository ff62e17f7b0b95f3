package auth

import (
	"database/sql"
	"net/http"
	"strings"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// everybody lists the contacts, and the active users who have none (auth.md 15).
var everybody = rest.List[directory.UserShort]{
	Select: "p.slug, p.nick_name, p.full_name, p.picture",
	From: `(SELECT c.id * 2 AS key, CASE WHEN u.is_active = 1 THEN u.username ELSE c.slug END AS slug, c.slug AS contact, c.email AS email,
			CASE WHEN c.nick_name = '' AND u.is_active = 1 THEN u.first_name ELSE c.nick_name END AS nick_name,
			CASE WHEN c.full_name = '' AND u.is_active = 1 THEN trim(u.first_name || ' ' || u.last_name) ELSE c.full_name END AS full_name,
			c.picture AS picture, c.created_at AS created_at
		FROM contact c LEFT JOIN user u ON u.id = c.user_id WHERE c.replaced_at IS NULL
		UNION ALL
		SELECT u.id * 2 + 1, u.username, u.username, u.email, u.first_name, trim(u.first_name || ' ' || u.last_name), NULL, u.created_at
		FROM user u WHERE u.is_active = 1 AND NOT EXISTS (SELECT 1 FROM contact c WHERE c.user_id = u.id)) AS p`,
	Key:     "p.key",
	Search:  rest.Names{"email": {"p.email"}, "username": {"p.slug", "p.contact"}},
	Order:   rest.Names{"full_name": {"p.full_name"}, "created_at": {"p.created_at"}, "date_joined": {"p.created_at"}},
	Default: []string{"full_name"},
	Dates:   "p.created_at",
	Blank:   true,
	Scan: func(rows *sql.Rows, u *directory.UserShort) error {
		var nick, full string
		if err := rows.Scan(&u.Slug, &nick, &full, &u.Picture); err != nil {
			return err
		}
		u.Username, u.PrintableName = u.Slug, first(first(nick, full), u.Slug)
		return nil
	},
}

// listPeople is GET /api/users and GET /api/contacts.
func (s *Service) listPeople(c *rest.Call, r store.Reader) (rest.Page[directory.UserShort], error) {
	return everybody.Page(c, r)
}

// contactInput is the body of POST /api/users and POST /api/contacts.
type contactInput struct {
	FullName string `json:"full_name" in:"required"`
	Email    string `json:"email" in:"blank,null" validate:"max=254,email"`
	Phone    string `json:"phone" in:"blank,null" validate:"max=50,phone"`
	Username string `json:"username" in:"blank,null" validate:"max=50,slug"`
	Slug     string `json:"slug" in:"blank,null" validate:"max=50,slug"`
	NickName string `json:"nick_name" in:"blank,null" validate:"max=60"`
	Lang     string `json:"lang" in:"blank,null" validate:"max=8"`
}

// Check holds what concerns several fields.
func (in *contactInput) Check(*rest.Call) error {
	if err := (&personInput{NickName: in.NickName, Lang: in.Lang}).checkPerson(in.FullName); err != nil {
		return err
	}
	if in.Email == "" && in.Phone == "" {
		return &rest.Error{Status: http.StatusBadRequest, Body: rest.Fields{
			{Name: "email", Value: []string{"An email or a phone is required."}}, {Name: "phone", Value: []string{"An email or a phone is required."}}}}
	}
	return nil
}

// createContact is POST /api/users and POST /api/contacts: an entry of the address book, not a login (decision 43). It becomes a
// user's when one told that e-mail address, without a proof. Errors: 400 on "email", "phone" or "slug" when taken.
func (s *Service) createContact(c *rest.Call, tx *store.Tx, in *contactInput) (out directory.UserDetail, err error) {
	p := person{
		FullName: in.FullName, NickName: in.NickName, Lang: parseLang(in.Lang), Email: strings.ToLower(in.Email), Phone: in.Phone,
	}
	if p.NickName == "" {
		p.NickName, _ = splitName(p.FullName)
	}
	slug := first(in.Username, in.Slug)
	if err := contactFree(tx, slug, p.Email, p.Phone); err != nil {
		return out, err
	}
	owner := int64(0)
	if p.Email != "" {
		holders, err := directory.HoldersOf(tx, directory.Email, p.Email)
		if err != nil {
			return out, err
		}
		for _, id := range holders { // two at most
			if u, err := userByID(tx, id); err != nil {
				return out, err
			} else if u.Active {
				owner = u.ID
			}
		}
	}
	who, err := s.addContact(tx, slug, p, owner)
	if err != nil {
		return out, err
	}
	if owner != 0 {
		s.dir.TouchUser(tx, owner)
		out, err = s.dir.UserDetail(tx, owner)
	} else {
		out = who.detail()
	}
	c.Created("/api/users/" + out.Slug)
	return out, err
}

// contactFree refuses a slug, an e-mail or a phone that another contact has, and the name of a user.
func contactFree(r store.Reader, slug, email, phone string) error {
	var takenSlug, takenEmail, takenPhone bool
	err := r.QueryRow(`SELECT EXISTS (SELECT 1 FROM contact WHERE slug = ?) OR EXISTS (SELECT 1 FROM user WHERE username = ?),
		EXISTS (SELECT 1 FROM contact WHERE email = ?), EXISTS (SELECT 1 FROM contact WHERE phone = ?)`, slug, slug, email, phone).
		Scan(&takenSlug, &takenEmail, &takenPhone)
	switch {
	case err != nil:
		return err
	case takenEmail:
		return emailTaken
	case takenPhone:
		return phoneTaken
	case takenSlug || directory.Reserved(slug):
		return rest.Bad("slug", "This slug is already taken.")
	}
	return nil
}
