package auth

import (
	"database/sql"
	"net/http"
	"slices"
	"strings"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// Addresses are proven by a code or a link that came back, or by the word of whoever runs the site (decision 66).

// kind is what the directory calls the addresses of a channel.
func (ch *channel) kind() directory.AddressKind { return directory.AddressKind(ch.name) }

// confirmAll takes the addresses that a user has for proven.
func (s *Service) confirmAll(tx *store.Tx, user int64) error {
	_, err := tx.Exec(`UPDATE contact SET email_verified_at = CASE WHEN email IS NULL THEN NULL ELSE coalesce(email_verified_at, ?1) END,
		phone_verified_at = CASE WHEN phone IS NULL THEN NULL ELSE coalesce(phone_verified_at, ?1) END WHERE user_id = ?2`, tx.Now(), user)
	if err != nil {
		return err
	}
	s.dir.TouchUser(tx, user)
	emails, err := store.Column[string](tx, `SELECT email FROM contact WHERE user_id = ? AND email IS NOT NULL`, user)
	for _, email := range emails { // a few
		if err := s.dir.TouchProfilesOf(tx, email); err != nil {
			return err
		}
	}
	return err
}

// proved writes that a user has proven an address, and lets go of the proven ones that it replaced.
func (s *Service) proved(tx *store.Tx, ch *channel, address string, user int64) error {
	n, err := tx.Exec(ch.proved, tx.Now(), address, user)
	if err != nil || n == 0 {
		return err
	}
	s.dir.TouchUser(tx, user)
	if ch == byEmail {
		if err := s.dir.TouchProfilesOf(tx, address); err != nil {
			return err
		}
	}
	_, err = tx.Exec(ch.forget, user)
	return err
}

// endPlanted ends what was there before the first proof of an address of a user, when the address alone opened the account: whoever
// set it up may have been somebody else (decision 67). The password goes too, unless a new one was set. Sessions end with it.
func (s *Service) endPlanted(tx *store.Tx, u *user, newPassword bool) error {
	if _, err := tx.Exec(`DELETE FROM api_key WHERE user_id = ?`, u.ID); err != nil {
		return err
	}
	if _, err := tx.Exec(`UPDATE user SET ssh_key = NULL WHERE id = ?`, u.ID); err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM pending_address WHERE user_id = ?`, u.ID); err != nil {
		return err
	}
	if err := s.dropOTP(tx, u.ID); err != nil {
		return err
	}
	for _, ch := range []*channel{byEmail, byPhone} { // nor does anybody else say what every log-in has to prove
		if _, err := tx.Exec(ch.free, u.ID); err != nil {
			return err
		}
	}
	u.OTP = false
	if !newPassword {
		if err := s.setPassword(tx, u, unusable); err != nil {
			return err
		}
	}
	if err := s.profiles.EndPlanted(tx, u.ID); err != nil {
		return err
	}
	s.dir.TouchUser(tx, u.ID)
	if err := s.dir.RevokeUser(tx, u.ID); err != nil {
		return err
	}
	return tx.Audit("first proof", u.Username, "")
}

// takeAway takes an address from the users who have it without a proof, for the one who proves it (decision 66). They keep
// everything else; one without another way to log in is handed over. Errors: 400 on the field when somebody has proven the address.
func (s *Service) takeAway(tx *store.Tx, ch *channel, address string, winner int64) error {
	holders, err := directory.HoldersOf(tx, ch.kind(), address)
	if err != nil {
		return err
	}
	proven, err := directory.UserOf(tx, ch.kind(), address)
	if err != nil {
		return err
	}
	if proven != 0 && proven != winner {
		return rest.Bad(ch.name, "This "+ch.name+" is already taken.")
	}
	for _, id := range holders { // two at most
		if id == winner {
			continue
		}
		loser, err := userByID(tx, id)
		if err != nil {
			return err
		}
		for _, query := range ch.lose {
			if _, err := tx.Exec(query, address, id); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(`INSERT INTO lost_address (user_id, kind, address, lost_at) VALUES (?, ?, ?, ?)`, id, ch.name, address, tx.Now()); err != nil {
			return err
		}
		tell, err := provenEmails(tx, id)
		if err != nil {
			return err
		}
		if err := s.notices.Emit(tx, &notice.UserAddressLost{User: notice.User{ID: id}, Kind: ch.name, Address: address, Tell: tell}); err != nil {
			return err
		}
		way := usable(loser.Password)
		if !way {
			if way, err = directory.AnyProven(tx, id); err != nil {
				return err
			}
		}
		if !way && winner != 0 {
			if err := s.handOver(tx, ch, address, loser, winner); err != nil {
				return err
			}
		}
		s.dir.TouchUser(tx, id)
		if err := tx.Audit(ch.name+" proven by another user", loser.Username, ""); err != nil {
			return err
		}
	}
	return nil
}

// handOver gives the roles, invitations and cart of a user as whom nobody can log in any more to the one who has proven its address. What
// the winner has on a profile stays when it is in force; an invitation beside it waits on the address.
func (s *Service) handOver(tx *store.Tx, ch *channel, address string, loser *user, winner int64) error {
	profiles, err := store.Column[int64](tx, `SELECT profile_id FROM role WHERE user_id = ?`, loser.ID)
	if err != nil {
		return err
	}
	if ch == byEmail {
		if _, err := tx.Exec(`INSERT INTO invitation (created_at, profile_id, role_description_id, email, extra, grant_key)
			SELECT ?, profile_id, role_description_id, ?, extra, grant_key FROM role WHERE user_id = ? AND grant_key IS NOT NULL AND role_description_id IS NOT NULL
				AND profile_id IN (SELECT profile_id FROM role WHERE user_id = ?) ON CONFLICT DO NOTHING`, tx.Now(), address, loser.ID, winner); err != nil {
			return err
		}
	}
	for _, query := range []string{
		`DELETE FROM role WHERE user_id = ?2 AND grant_key IS NOT NULL AND profile_id IN (SELECT profile_id FROM role WHERE user_id = ?1)`,
		`DELETE FROM role WHERE user_id = ?1 AND (grant_key IS NOT NULL OR request_key IS NOT NULL)
			AND profile_id IN (SELECT profile_id FROM role WHERE user_id = ?2 AND grant_key IS NULL AND request_key IS NULL)`,
		`UPDATE role SET user_id = ?1 WHERE user_id = ?2 AND profile_id NOT IN (SELECT profile_id FROM role WHERE user_id = ?1)`,
		`UPDATE cart_item SET user_id = ?1 WHERE user_id = ?2`,
		`DELETE FROM api_key WHERE user_id = ?2 AND ?1 <> 0`,
	} {
		if _, err := tx.Exec(query, winner, loser.ID); err != nil {
			return err
		}
	}
	s.dir.TouchProfile(tx, profiles...)
	s.dir.TouchUser(tx, winner)
	if err := s.dir.RevokeUser(tx, loser.ID); err != nil {
		return err
	}
	return tx.Audit("hand over", loser.Username, "")
}

// retire keeps a proven address of a user that another one replaces, in a contact of its own, until the new one is proven.
func (s *Service) retire(tx *store.Tx, ch *channel, c *contact, was *proof) error {
	p := person{FullName: c.FullName, NickName: c.NickName, Lang: c.Lang}
	if ch == byEmail {
		p.Email = was.address
	} else {
		p.Phone = was.address
	}
	kept, err := s.addContact(tx, directory.RandomHex(15), p, c.User)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ch.retire, was.verifiedAt, tx.Now(), kept.ID)
	return err
}

// provenEmails lists the e-mail addresses that a user has proven, one that it replaced among them.
func provenEmails(r store.Reader, user int64) ([]string, error) {
	return store.Column[string](r, `SELECT email FROM contact WHERE user_id = ? AND email IS NOT NULL AND email_verified_at IS NOT NULL ORDER BY created_at, id`,
		user)
}

// A lostAddress is an address that another user has proven since the log-in before, which pages tell its user at this one.
type lostAddress struct {
	Kind    string     `json:"kind"` // email or phone
	Address string     `json:"address"`
	LostAt  store.Time `json:"lost_at"`
}

// maxLost is how many lost addresses a log-in tells at most.
const maxLost = 20

// lostSince lists the addresses that a user lost since its last log-in.
func lostSince(r store.Reader, u *user) ([]lostAddress, error) {
	return store.List(r, func(rows *sql.Rows, l *lostAddress) error { return rows.Scan(&l.Kind, &l.Address, &l.LostAt) },
		`SELECT kind, address, lost_at FROM lost_address WHERE user_id = ? AND lost_at >= ? ORDER BY lost_at DESC, id DESC LIMIT ?`, u.ID, u.LastLogin, maxLost)
}

// moves reports whether a request gives a user an address that it does not have yet.
func moves(r store.Reader, u *user, email, phone string) (bool, error) {
	for _, a := range []struct {
		ch      *channel
		address string
	}{{byEmail, email}, {byPhone, phone}} {
		if a.address == "" {
			continue
		}
		holders, err := directory.HoldersOf(r, a.ch.kind(), a.address)
		if err != nil {
			return false, err
		}
		mine := false
		for _, id := range holders {
			mine = mine || id == u.ID
		}
		if !mine {
			return true, nil
		}
	}
	return false, nil
}

// holds reports whether a user has an address.
func holds(r store.Reader, ch *channel, address string, u *user) (bool, error) {
	holders, err := directory.HoldersOf(r, ch.kind(), address)
	return slices.Contains(holders, u.ID), err
}

// heldByOther reports whether another user than u has an address.
func heldByOther(r store.Reader, ch *channel, address string, u *user) (bool, error) {
	if address == "" {
		return false, nil
	}
	holders, err := directory.HoldersOf(r, ch.kind(), address)
	for _, id := range holders {
		if id != u.ID {
			return true, err
		}
	}
	return false, err
}

// reachable is the e-mail address to which what opens the account of a user may be sent: a proven one, or the one it told when it
// has proven none.
func reachable(r store.Reader, u *user) (email string, err error) {
	v := view{candidate: u}
	err = v.addresses(r)
	return v.email, err
}

// confirmInput is the body of POST /api/users/{user}/confirm.
type confirmInput struct {
	Email string `json:"email" in:"blank,null" validate:"max=254,email"`
	Phone string `json:"phone" in:"blank,null" validate:"max=50,phone"`
}

// Check holds what concerns both fields.
func (in *confirmInput) Check(*rest.Call) error {
	if in.Email == "" && in.Phone == "" {
		return bothAddresses("An email or a phone is required.")
	}
	return nil
}

// confirmAddress is POST /api/users/{user}/confirm: the broker's word that an address is a user's. It leaves an audit row.
func (s *Service) confirmAddress(c *rest.Call, tx *store.Tx, in *confirmInput) (out directory.UserDetail, err error) {
	u, err := pathUser(c, tx)
	if err != nil {
		return out, err
	}
	if err := s.confirmOf(tx, u, strings.ToLower(in.Email), in.Phone); err != nil {
		return out, err
	}
	return s.dir.UserDetail(tx, u.ID)
}

// confirmOf takes addresses that a user has for proven. Errors: 400 on the field when they are none of the user's.
func (s *Service) confirmOf(tx *store.Tx, u *user, email, phone string) error {
	for _, a := range []struct {
		ch      *channel
		address string
	}{{byEmail, email}, {byPhone, phone}} {
		if a.address == "" {
			continue
		}
		mine, err := proofOf(tx, a.ch, a.address)
		if err != nil {
			return err
		}
		if mine == nil && a.ch == byEmail && strings.EqualFold(u.Email, a.address) {
			if mine, err = s.newProof(tx, a.ch, a.address, u, person{}); err != nil {
				return err
			}
		}
		if mine == nil || mine.user != u.ID {
			return &rest.Error{Status: http.StatusBadRequest, Body: rest.Fields{{Name: a.ch.name, Value: "This is no " + a.ch.name + " of the user."}}}
		}
		if err := s.proved(tx, a.ch, a.address, u.ID); err != nil {
			return err
		}
		if err := tx.Audit("confirm "+a.ch.name, u.Username, a.address); err != nil {
			return err
		}
	}
	return nil
}
