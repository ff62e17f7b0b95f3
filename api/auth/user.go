package auth

import (
	"errors"
	"strings"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// A user is a row of user (auth.md 2), with what the pipeline asks about it.
type user struct {
	ID        int64
	Username  string
	Email     string // "" = none
	FirstName string
	LastName  string
	Password  string // encoded
	Active    bool
	LastLogin store.Time
	OTP       bool // has set up one-time passwords
}

func (u *user) fullName() string { return strings.TrimSpace(u.FirstName + " " + u.LastName) }

const selectUser = `SELECT u.id, u.username, coalesce(u.email, ''), u.first_name, u.last_name, u.password, u.is_active, u.last_login,
	EXISTS (SELECT 1 FROM otp WHERE otp.user_id = u.id) FROM user u `

func scanUser(row scanner) (*user, error) {
	var u user
	err := row.Scan(&u.ID, &u.Username, &u.Email, &u.FirstName, &u.LastName, &u.Password, &u.Active, &u.LastLogin, &u.OTP)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return &u, err
}

// userByID returns a user, deleted ones included; nil when there is none.
func userByID(r store.Reader, id int64) (*user, error) {
	return scanUser(r.QueryRow(selectUser+`WHERE u.id = ?`, id))
}

// activeUser returns the active user of that very name, nil when there is none (conventions.md 1.1: letter case matters in URLs).
func activeUser(r store.Reader, username string) (*user, error) {
	u, err := scanUser(r.QueryRow(selectUser+`WHERE u.username = ?`, username))
	if u != nil && (!u.Active || u.Username != username) {
		u = nil
	}
	return u, err
}

// find returns the users who match all that is given, at most two of them; deleted and disabled ones included. An address finds
// the one who has proven it, or else those who told it and have proven nothing (decision 66). either says that
// Username and Phone are two readings of one text, of which the username comes first.
func find(r store.Reader, id identifier, either bool) ([]*user, error) {
	if either && id.Username != "" && id.Phone != "" {
		users, err := find(r, identifier{Username: id.Username, Email: id.Email}, false)
		if err != nil || len(users) > 0 {
			return users, err
		}
		id.Username = ""
	}
	var found map[int64]bool
	narrow := func(ids []int64, err error) error {
		if err != nil {
			return err
		}
		now := map[int64]bool{}
		for _, u := range ids {
			if found == nil || found[u] {
				now[u] = true
			}
		}
		found = now
		return nil
	}
	if id.Username != "" {
		if err := narrow(store.Column[int64](r, `SELECT id FROM user WHERE username = ?`, id.Username)); err != nil {
			return nil, err
		}
	}
	for ch, address := range map[*channel]string{byEmail: id.Email, byPhone: id.Phone} {
		if address != "" {
			if err := narrow(directory.LoginsOf(r, ch.kind(), address)); err != nil {
				return nil, err
			}
		}
	}
	var users []*user
	for id := range found {
		u, err := userByID(r, id)
		if err != nil {
			return nil, err
		}
		if u != nil {
			users = append(users, u)
		}
	}
	return users, nil
}

// A NewUser is an account to be made.
type NewUser struct {
	Username  string // "" = derived from Email (auth.md 3)
	Email     string // "" = none
	Phone     string // E.164, "" = none
	FullName  string
	NickName  string // "" = the first name
	Lang      string // "" = the site's
	Extra     string // of the contact: JSON, "" = none
	Password  string // encoded, as Service.Hash returns it; "" = no usable password
	Superuser bool
	Proven    bool // the operator's word that the addresses are the user's
	// Profile is the slug of the profile that is made with the user, "" for none: the user's own name must differ from it, but for
	// the personal one.
	Profile string
}

// AddUser makes a user and its contact, and links the contacts of nobody that bear its address. A superuser becomes a manager of
// the broker. It emits nothing. Errors: 400 on "username", "email" or "phone" when taken (decision 5).
func (s *Service) AddUser(tx *store.Tx, n NewUser) (id int64, username string, err error) {
	if n.Username == "" {
		n.Username, err = s.deriveUsername(tx, n)
	} else {
		err = s.usernameFree(tx, n.Username, 0, 0)
	}
	if err != nil {
		return 0, "", err
	}
	if n.Email != "" {
		if n.Email = rest.ParseEmail(n.Email); n.Email == "" {
			return 0, "", rest.Invalid("email", "Enter a valid email address.")
		}
	}
	if !rest.IsPlain(n.FullName) {
		return 0, "", rest.Invalid("full_name", "Enter a valid name.")
	}
	if err := addressesFree(tx, n.Email, n.Phone, 0); err != nil {
		return 0, "", err
	}
	if n.Password == "" {
		n.Password = unusable
	}
	u := &user{Username: n.Username, Email: strings.ToLower(n.Email), Password: n.Password, Active: true}
	u.FirstName, u.LastName = splitName(n.FullName)
	u.ID, err = tx.Insert(`INSERT INTO user (username, email, first_name, last_name, password, is_superuser, created_at, password_changed_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		u.Username, null(u.Email), u.FirstName, u.LastName, u.Password, n.Superuser, tx.Now(), tx.Now())
	if err != nil {
		return 0, "", taken(err)
	}
	s.dir.TouchUser(tx, u.ID)
	err = s.link(tx, u, person{
		FullName: n.FullName, NickName: n.NickName, Lang: n.Lang, Extra: n.Extra, Email: u.Email, Phone: n.Phone,
	})
	if err == nil && n.Proven {
		err = s.confirmAll(tx, u.ID)
	}
	if err == nil && n.Superuser {
		err = s.manageBroker(tx, u.ID)
	}
	return u.ID, u.Username, err
}

func (s *Service) manageBroker(tx *store.Tx, user int64) error {
	var broker int64
	if err := tx.QueryRow(`SELECT id FROM profile WHERE slug = ?`, s.dir.Broker()).Scan(&broker); err != nil {
		return err
	}
	return s.profiles.AddManager(tx, broker, user)
}

// deriveUsername makes a username from an e-mail address, other than the slug of the profile to be made.
func (s *Service) deriveUsername(r store.Reader, n NewUser) (string, error) {
	name, err := s.dir.Username(r, n.Email, n.Profile)
	if err == nil && name == "" {
		err = usernameTaken
	}
	return name, err
}

var (
	usernameTaken = rest.Bad("username", "This username is already taken.")
	emailTaken    = rest.Bad("email", "This email is already taken.")
	phoneTaken    = rest.Bad("phone", "This phone is already taken.")
)

// usernameFree refuses a name that is not a username, or is not free for the user and its personal profile (0 for none).
func (s *Service) usernameFree(r store.Reader, name string, user, profile int64) error {
	if !directory.ValidName(name) {
		return rest.Invalid("username", "Enter a valid username.")
	}
	free, err := s.dir.NameFree(r, name, user, profile)
	if err == nil && !free {
		err = usernameTaken
	}
	return err
}

// addressesFree refuses an e-mail or a phone that belongs to another user than user, or to a contact of one.
func addressesFree(r store.Reader, email, phone string, user int64) error {
	for _, a := range []struct {
		ch      *channel
		address string
		taken   error
	}{{byEmail, email, emailTaken}, {byPhone, phone, phoneTaken}} {
		if a.address == "" {
			continue
		}
		ids, err := directory.HoldersOf(r, a.ch.kind(), a.address)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if id != user {
				return a.taken
			}
		}
	}
	return nil
}
