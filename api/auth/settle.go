package auth

import (
	"net/http"
	"strings"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// settle is the last stage of the pipeline, one transaction: what was proven is used up, the user is made or recovered where it
// is not a plain log-in, and a session opens (auth.md 6 steps 16, 17 and 6.1).
func (s *Service) settle(c *rest.Call, e *entry, v *view, p *proven) (token string, err error) {
	err = c.Write(func(tx *store.Tx) error {
		if err := s.stillGood(tx, e, v); err != nil {
			return err
		}
		u, err := s.unchanged(tx, p.who)
		if err != nil {
			return err
		}
		if err := p.otp.spend(tx); err != nil {
			return err
		}
		if err := s.consumeCodes(tx, e, v); err != nil {
			return err
		}
		planted := false // what is there may be somebody else's, who told the address before it was proven
		if u != nil && e.coded() && !p.account && p.otp == nil && (c.User == nil || c.User.ID != u.ID) {
			proven, err := directory.AnyProven(tx, u.ID)
			if err != nil {
				return err
			}
			planted = !proven
		}
		action := "login"
		if !p.login {
			if u, action, err = s.recoverOrCreate(tx, e, v, p, u); err != nil {
				return err
			}
			if action == "register" {
				if err := c.Count(tx, rest.LimitRegistrations); err != nil {
					return err
				}
			}
		}
		for ch, address := range map[*channel]string{byEmail: v.email, byPhone: v.phone} {
			if e.proves(ch) {
				if err := s.proved(tx, ch, address, u.ID); err != nil {
					return err
				}
			}
		}
		if planted {
			if err := s.endPlanted(tx, u, p.encoded != ""); err != nil {
				return err
			}
		}
		if p.rehash != "" {
			if _, err := tx.Exec(`UPDATE user SET password = ? WHERE id = ?`, p.rehash, u.ID); err != nil {
				return err
			}
		}
		tx.Actor = u.Username
		if err := tx.Audit(action, u.Username, ""); err != nil {
			return err
		}
		if e.lost, err = lostSince(tx, u); err != nil {
			return err
		}
		token, err = s.open(c, tx, u, e.cookie)
		if err != nil {
			return err
		}
		if p.login {
			if err := s.notices.Emit(tx, &notice.UserLoggedIn{User: notice.User{ID: u.ID}}); err != nil {
				return err
			}
		}
		return s.throttle.forget(tx, v.account(e), c.Client)
	})
	return token, err
}

// unchanged returns a user as the transaction sees it. Errors: 401 when what was proven is no longer so, because the user was
// disabled or got another password in the meantime.
func (s *Service) unchanged(tx *store.Tx, was *user) (*user, error) {
	if was == nil {
		return nil, nil
	}
	u, err := userByID(tx, was.ID)
	if err == nil && (u == nil || !u.Active || u.Password != was.Password || u.OTP && !was.OTP) {
		err = errCredentials
	}
	return u, err
}

// stillGood refuses a link or a code that was used in the meantime. It comes before all else, since whoever used it has most likely
// changed the password as well. Errors: 400.
func (s *Service) stillGood(tx *store.Tx, e *entry, v *view) error {
	if e.link != nil {
		again, err := scanProof(tx.QueryRow(e.linkVia.byKey, e.link.key))
		if err != nil {
			return err
		}
		if again == nil {
			return errLink
		}
		e.link = again
	}
	for _, c := range []struct {
		ch            *channel
		address, code string
	}{{byPhone, v.phone, e.phoneCode}, {byEmail, v.email, e.emailCode}} {
		if c.code == "" {
			continue
		}
		p, err := proofOf(tx, c.ch, c.address)
		if err != nil {
			return err
		}
		if !s.matches(p, c.code, tx.Now()) {
			return wrongCode(c.ch)
		}
	}
	return nil
}

// consumeCodes uses up the codes and the link that were brought.
func (s *Service) consumeCodes(tx *store.Tx, e *entry, v *view) error {
	if e.link != nil {
		if _, err := tx.Exec(e.linkVia.consume, tx.Now(), e.link.contact); err != nil {
			return err
		}
		s.dir.TouchUser(tx, e.link.user)
	}
	if e.phoneCode != "" {
		if err := s.consume(tx, byPhone, v.phone, e.phoneCode); err != nil {
			return err
		}
	}
	if e.emailCode != "" {
		return s.consume(tx, byEmail, v.email, e.emailCode)
	}
	return nil
}

// open opens a session for a user and returns its token; with cookie, it may be presented as a cookie too.
func (s *Service) open(c *rest.Call, tx *store.Tx, u *user, cookie bool) (token string, err error) {
	if _, err := tx.Exec(`UPDATE user SET last_login = ? WHERE id = ?`, tx.Now(), u.ID); err != nil {
		return "", err
	}
	s.dir.TouchUser(tx, u.ID)
	if err := s.profiles.Settle(tx, u.ID); err != nil {
		return "", err
	}
	if s.carts != nil {
		if cart := c.CartCookie(); cart != "" {
			if err := s.carts.MergeCart(tx, u.ID, cart); err != nil {
				return "", err
			}
		}
	}
	if err := c.Count(tx, rest.LimitSessions); err != nil {
		return "", err
	}
	if cookie && c.Session != 0 && c.Scheme == directory.Cookie { // the browser has but one (decision 117)
		if err := s.dir.RevokeSession(tx, c.Session); err != nil {
			return "", err
		}
	}
	session, err := s.dir.OpenSession(tx, u.ID, cookie)
	if err != nil {
		return "", err
	}
	claims, err := s.dir.UserDetail(tx, u.ID)
	if err != nil {
		return "", err
	}
	if cookie {
		c.SetCookie(s.dir.SessionCookie(session))
		c.SendCSRF(session.CSRF)
	}
	return s.dir.SignToken(session, claims, tx.Now())
}

// recoverOrCreate carries out auth.md 6.1. u is the user whom the code recovers, nil when one is to be made; action is the word
// of the audit.
func (s *Service) recoverOrCreate(tx *store.Tx, e *entry, v *view, p *proven, u *user) (_ *user, action string, err error) {
	if v.email == "" && v.phone == "" {
		return nil, "", bothAddresses("An email or a phone is required.")
	}
	if s.set.HideAccountExistence && u == nil {
		v.withhold(e)
	}
	signed, err := s.agreed(tx, e)
	if err != nil {
		return nil, "", err
	}
	isNew, wasUsable := u == nil, u != nil && usable(u.Password)
	neverLoggedIn := isNew || u.LastLogin.IsZero()
	if isNew {
		if s.set.Authentication != Enabled {
			return nil, "", rest.Fail(http.StatusForbidden, "registration is disabled.")
		}
		u, err = s.register(tx, e, v, p.encoded)
	} else {
		err = s.recover(tx, e, u, p.encoded)
	}
	if err != nil {
		return nil, "", err
	}
	for _, agreement := range signed {
		if err := s.profiles.Sign(tx, u.ID, agreement); err != nil {
			return nil, "", err
		}
	}
	told := notice.User{ID: u.ID}
	if isNew {
		if err := s.notices.Emit(tx, &notice.UserWelcome{User: told}); err != nil {
			return nil, "", err
		}
	}
	switch {
	case wasUsable:
		return u, "resetpassword", nil
	case neverLoggedIn:
		action, err = "register", s.notices.Emit(tx, &notice.UserRegistered{User: told})
	default:
		action, err = "activate", s.notices.Emit(tx, &notice.UserActivated{User: told})
	}
	return u, action, err
}

// withhold keeps the addresses from a new user that it told and has not proven: whether somebody else has them is not told.
func (v *view) withhold(e *entry) {
	if !e.proves(byEmail) {
		v.email = ""
	}
	if !e.proves(byPhone) {
		v.phone = ""
	}
}

// agreed lists the agreements that the entry signs. Errors: 400 on one that it refuses.
func (s *Service) agreed(r store.Reader, e *entry) (signed []string, err error) {
	if len(e.agreements) == 0 {
		return nil, nil
	}
	slugs, err := store.Column[string](r, `SELECT slug FROM agreement ORDER BY id`)
	if err != nil {
		return nil, err
	}
	for _, slug := range slugs {
		yes, there := e.agreements[slug]
		switch {
		case there && !yes:
			return nil, rest.Bad(slug, "You have to agree with the terms.")
		case there:
			signed = append(signed, slug)
		}
	}
	return signed, nil
}

// recover gives a user what the entry tells: password, name, and another username while there was no password. Sessions end when
// the password changes.
func (s *Service) recover(tx *store.Tx, e *entry, u *user, encoded string) error {
	if e.username != "" && e.username != u.Username && !usable(u.Password) {
		if err := s.renameAccount(tx, u, e.username); err != nil {
			return err
		}
	}
	if encoded != "" {
		if err := s.setPassword(tx, u, encoded); err != nil {
			return err
		}
	}
	if first, last := splitName(e.person.FullName); first != "" && (first != u.FirstName || last != u.LastName) {
		u.FirstName, u.LastName = first, last
		if _, err := tx.Exec(`UPDATE user SET first_name = ?, last_name = ? WHERE id = ?`, first, last, u.ID); err != nil {
			return err
		}
	}
	email, phone := "", ""
	if e.proves(byEmail) {
		email = e.id.Email
	}
	if e.proves(byPhone) {
		phone = e.id.Phone
	}
	if u.Email == "" && email != "" {
		u.Email = email
		if _, err := tx.Exec(`UPDATE user SET email = ? WHERE id = ?`, email, u.ID); err != nil {
			return taken(err)
		}
	}
	who := e.person
	who.Email, who.Phone = email, phone
	s.dir.TouchUser(tx, u.ID)
	return s.link(tx, u, who)
}

// setPassword writes an encoded password, and ends the sessions of the user (D-6). It leaves API keys alone.
func (s *Service) setPassword(tx *store.Tx, u *user, encoded string) error {
	_, err := tx.Exec(`UPDATE user SET password = ?, password_changed_at = ? WHERE id = ?`, encoded, tx.Now(), u.ID)
	if err != nil {
		return err
	}
	u.Password = encoded
	s.dir.TouchUser(tx, u.ID)
	return s.dir.RevokeUser(tx, u.ID)
}

// register makes the user of an entry, and its profile where the entry wants one (auth.md 10).
func (s *Service) register(tx *store.Tx, e *entry, v *view, encoded string) (*user, error) {
	w, err := s.wished(e)
	if err != nil {
		return nil, err
	}
	if w.kind == organizationProfile && e.username != "" && strings.EqualFold(w.slug, e.username) {
		return nil, rest.Bad("organization_name", "This organization_name is already taken.")
	}
	n := NewUser{
		Username: e.username, Email: v.email, Phone: v.phone, Password: encoded,
		FullName: e.person.FullName, NickName: e.person.NickName, Lang: e.person.Lang, Extra: e.person.Extra,
	}
	if w.kind == organizationProfile {
		n.Profile = w.slug
	}
	if err := s.takeProven(tx, e, v); err != nil {
		return nil, err
	}
	id, username, err := s.AddUser(tx, n)
	if err != nil {
		return nil, err
	}
	if err := s.grantWish(tx, w, e, v, id, username); err != nil {
		return nil, err
	}
	return userByID(tx, id)
}

// takeProven takes what the entry proves from users who only told it and have proven other addresses: those are not recovered by it,
// and the one who registers has it.
func (s *Service) takeProven(tx *store.Tx, e *entry, v *view) error {
channels:
	for ch, address := range map[*channel]string{byEmail: v.email, byPhone: v.phone} {
		if address == "" || !e.proves(ch) {
			continue
		}
		holders, err := directory.HoldersOf(tx, ch.kind(), address)
		if err != nil {
			return err
		}
		for _, id := range holders { // two at most
			proven, err := directory.AnyProven(tx, id)
			if err != nil {
				return err
			}
			if !proven {
				continue channels
			}
		}
		if err := s.takeAway(tx, ch, address, 0); err != nil {
			return err
		}
	}
	return nil
}
