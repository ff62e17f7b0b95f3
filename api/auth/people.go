package auth

import (
	"strconv"
	"strings"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// What profiles ask of users (profile.Users).

// InviteUser makes a user for an e-mail address that nobody has, without a usable password; its username is derived from the
// address.
func (s *Service) InviteUser(tx *store.Tx, email, fullName string) (userID int64, username string, err error) {
	return s.AddUser(tx, NewUser{Email: email, FullName: fullName})
}

// NewUser makes a user of that very name, without a usable password.
func (s *Service) NewUser(tx *store.Tx, username, email, fullName string) (userID int64, err error) {
	userID, _, err = s.AddUser(tx, NewUser{Username: username, Email: email, FullName: fullName})
	return userID, err
}

// RenameUser gives a user another username, ends its sessions and renames the contact that bears its name. The personal profile
// is the caller's to rename. Errors: 400 on "username" when taken; 429 after three renames (decision 69).
func (s *Service) RenameUser(tx *store.Tx, userID int64, username string) error {
	u, err := userByID(tx, userID)
	if err != nil || u == nil {
		return err
	}
	return s.rename(tx, u, username)
}

func (s *Service) rename(tx *store.Tx, u *user, username string) error {
	personal, err := s.profiles.Personal(tx, u.ID)
	if err != nil {
		return err
	}
	if err := s.usernameFree(tx, username, u.ID, personal); err != nil {
		return err
	}
	if err := s.profiles.CountRename(tx, u.ID, personal); err != nil {
		return err
	}
	if err := s.dir.LeaveName(tx, u.Username, u.ID, personal); err != nil {
		return err
	}
	_, err = tx.Exec(`UPDATE user SET username = ?, password_changed_at = ? WHERE id = ?`, username, tx.Now(), u.ID)
	if err != nil {
		return taken(err)
	}
	// A contact of somebody else may have the name already: then ours keeps the old one.
	_, err = tx.Exec(`UPDATE contact SET slug = ? WHERE slug = ? AND user_id = ? AND NOT EXISTS
		(SELECT 1 FROM contact other WHERE other.slug = ? AND other.id <> contact.id)`, username, u.Username, u.ID, username)
	if err != nil {
		return err
	}
	if err := s.throttle.lift(tx, u.Username); err != nil {
		return err
	}
	u.Username = username
	return s.dir.RevokeUser(tx, u.ID)
}

// archivedName is what a deleted user is called.
func archivedName(id int64) string { return "_archive_" + strconv.FormatInt(id, 10) }

// deleted reports whether a user was deleted, not only disabled.
func deleted(u *user) bool { return !u.Active && u.Username == archivedName(u.ID) }

// ArchiveUser erases a user: personal data, credentials, roles (auth.md 15, profiles.md 6.4). Contacts are kept, as nobody's. The
// personal profile is the caller's to archive. A name that was used stays nobody's.
func (s *Service) ArchiveUser(tx *store.Tx, userID int64) error {
	name := archivedName(userID)
	var was string
	if err := tx.QueryRow(`SELECT username FROM user WHERE id = ?`, userID).Scan(&was); err != nil {
		return err
	}
	if err := s.dir.LeaveName(tx, was, userID, 0); err != nil {
		return err
	}
	if err := s.dir.ForgetNames(tx, userID, 0); err != nil {
		return err
	}
	profiles, err := store.Column[int64](tx, `SELECT profile_id FROM role WHERE user_id = ?`, userID)
	if err != nil {
		return err
	}
	s.dir.TouchProfile(tx, profiles...)
	for _, query := range []string{
		`UPDATE contact SET user_id = NULL WHERE user_id = ?`,
		`DELETE FROM role WHERE user_id = ?`,
		`DELETE FROM signature WHERE user_id = ?`,
		`DELETE FROM api_key WHERE user_id = ?`,
		`DELETE FROM user_notification WHERE user_id = ?`,
		`DELETE FROM pending_address WHERE user_id = ?`,
		`DELETE FROM lost_address WHERE user_id = ?`,
	} {
		if _, err := tx.Exec(query, userID); err != nil {
			return err
		}
	}
	if err := s.dropOTP(tx, userID); err != nil {
		return err
	}
	_, err = tx.Exec(`UPDATE user SET username = ?, email = ?, first_name = '', last_name = '', password = ?, is_active = 0,
		is_superuser = 0, ssh_key = NULL, password_changed_at = ? WHERE id = ?`, name, name+"@"+s.sender, unusable, tx.Now(), userID)
	if err != nil {
		return err
	}
	return s.dir.RevokeUser(tx, userID)
}

// UpdateFromProfile copies the name and the e-mail address of a personal profile to its user; "" changes nothing. A new address
// is not verified, and a user who has proven one keeps it. One that another user has waits for its code, and so does every new one where
// the site does not tell who has an account (decisions 66 and 78). Errors: 429.
func (s *Service) UpdateFromProfile(c *rest.Call, tx *store.Tx, userID int64, fullName, email string) (waits bool, err error) {
	u, err := userByID(tx, userID)
	if err != nil || u == nil {
		return false, err
	}
	if first, last := splitName(fullName); first != "" && (first != u.FirstName || last != u.LastName) {
		if _, err := tx.Exec(`UPDATE user SET first_name = ?, last_name = ? WHERE id = ?`, first, last, u.ID); err != nil {
			return false, err
		}
		if _, err := tx.Exec(`UPDATE contact SET full_name = ? WHERE user_id = ?`, fullName, u.ID); err != nil {
			return false, err
		}
	}
	s.dir.TouchUser(tx, u.ID)
	email = strings.ToLower(email)
	if email == "" || strings.EqualFold(email, u.Email) {
		return false, nil
	}
	if waits, err = s.mustWait(c, tx, byEmail, email, u); err != nil {
		return false, err
	}
	if waits {
		return true, s.mailPending(c, tx, email, u.ID)
	}
	if proven, err := directory.AnyProven(tx, u.ID); err != nil || proven {
		return false, err // the address of the account changes where its user proves again who it is
	}
	return false, s.moveAddresses(tx, u, email, "")
}

// PrepareVerification makes ready the key by which a user without a password activates the account (auth.md 7). The link goes out
// in a message of the caller's, which is not counted here: it is managers who send it, not strangers. reason is for the audit.
func (s *Service) PrepareVerification(tx *store.Tx, userID int64, reason string) (key string, err error) {
	u, err := userByID(tx, userID)
	if err != nil || u == nil {
		return "", err
	}
	email, err := reachable(tx, u)
	if err != nil || email == "" {
		return "", err
	}
	p, err := s.ready(tx, byEmail, email, u, person{})
	if err != nil {
		return "", err
	}
	return p.key, tx.Audit("invite", u.Username, reason)
}
