package auth

import (
	"strings"

	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/store"
)

// moveAddresses gives a user another e-mail or phone, "" for no change (auth.md 15): the contacts of the user or of nobody that
// have them become the user's, and what is new is not verified. Errors: 400 on "email" or "phone" when they are another user's.
func (s *Service) moveAddresses(tx *store.Tx, u *user, email, phone string) error {
	if email == "" && phone == "" {
		return nil
	}
	if err := addressesFree(tx, email, phone, u.ID); err != nil {
		return err
	}
	if err := s.tellMove(tx, u, email, phone); err != nil {
		return err
	}
	if err := s.retireOthers(tx, u, email, phone); err != nil {
		return err
	}
	withEmail, err := contactByEmail(tx, email)
	if err != nil {
		return err
	}
	withPhone, err := contactByPhone(tx, phone)
	if err != nil {
		return err
	}
	for _, c := range []*contact{withEmail, withPhone} {
		if err := s.adopt(tx, u, c); err != nil {
			return err
		}
	}
	switch {
	case withEmail != nil && withPhone != nil:
	case withEmail != nil:
		err = s.putAddresses(tx, withEmail, "", phone)
	case withPhone != nil:
		err = s.putAddresses(tx, withPhone, email, "")
	default:
		err = s.ownAddresses(tx, u, email, phone)
	}
	if err != nil || email == "" || strings.EqualFold(email, u.Email) {
		return err
	}
	_, err = tx.Exec(`UPDATE user SET email = ? WHERE id = ?`, email, u.ID)
	u.Email = email
	return taken(err)
}

// tellMove tells the addresses that a user has proven of a change of one, before it takes place: the one that goes is among them
// (decision 66).
func (s *Service) tellMove(tx *store.Tx, u *user, email, phone string) error {
	tell, err := provenEmails(tx, u.ID)
	if err != nil || len(tell) == 0 {
		return err
	}
	contacts, err := contactsOf(tx, u.ID)
	if err != nil {
		return err
	}
	for _, move := range []struct {
		ch         *channel
		was, wants string
	}{{byEmail, u.Email, email}, {byPhone, shownPhone(contacts), phone}} {
		if move.wants == "" || strings.EqualFold(move.was, move.wants) {
			continue
		}
		if err := s.notices.Emit(tx, &notice.UserAddressChanged{
			User: notice.User{ID: u.ID}, Kind: move.ch.name, Before: move.was, After: move.wants, Tell: tell,
		}); err != nil {
			return err
		}
	}
	return nil
}

// retireOthers takes the addresses that the user showed before out of the way of new ones, "" for no change: proven ones are kept
// apart until the new one is proven. A new address that was kept apart comes back, and the one that had taken its place goes.
func (s *Service) retireOthers(tx *store.Tx, u *user, email, phone string) error {
	contacts, err := contactsOf(tx, u.ID)
	if err != nil {
		return err
	}
	back := map[*channel]bool{}
	for _, c := range contacts {
		back[byEmail] = back[byEmail] || c.Replaced && email != "" && strings.EqualFold(c.Email, email)
		back[byPhone] = back[byPhone] || c.Replaced && phone != "" && c.Phone == phone
	}
	for _, c := range contacts { // a few
		for _, step := range []struct {
			ch            *channel
			now, old      string
			proven, shown bool
		}{
			{byEmail, email, c.Email, c.EmailProven, strings.EqualFold(c.Email, u.Email)},
			{byPhone, phone, c.Phone, c.PhoneProven, c.PhoneProven},
		} {
			switch {
			case step.now == "" || step.old == "":
			case strings.EqualFold(step.now, step.old) && c.Replaced:
				if _, err := tx.Exec(`UPDATE contact SET replaced_at = NULL WHERE id = ?`, c.ID); err != nil {
					return err
				}
			case strings.EqualFold(step.now, step.old) || c.Replaced || !step.shown || !step.proven && !back[step.ch]:
			default:
				was, err := proofOf(tx, step.ch, step.old)
				if err != nil {
					return err
				}
				if _, err := tx.Exec(step.ch.put, nil, c.ID); err != nil {
					return err
				}
				if step.proven {
					if err := s.retire(tx, step.ch, c, was); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// adopt makes a contact of nobody a user's.
func (s *Service) adopt(tx *store.Tx, u *user, c *contact) error {
	if c == nil || c.User != 0 {
		return nil
	}
	c.User = u.ID
	_, err := tx.Exec(`UPDATE contact SET user_id = ?, email_verified_at = NULL, phone_verified_at = NULL
		WHERE id = ? AND user_id IS NULL`, u.ID, c.ID)
	return err
}

// ownAddresses puts addresses that no contact has into the contact that bears the user's name.
func (s *Service) ownAddresses(tx *store.Tx, u *user, email, phone string) error {
	c, err := contactBySlug(tx, u.Username)
	if err != nil {
		return err
	}
	if c == nil || c.User != 0 && c.User != u.ID {
		_, err = s.addContact(tx, u.Username, person{Email: email, Phone: phone, FullName: u.fullName(), NickName: u.FirstName}, u.ID)
		return err
	}
	if err := s.adopt(tx, u, c); err != nil {
		return err
	}
	return s.putAddresses(tx, c, email, phone)
}

// putAddresses writes an e-mail and a phone into a contact, "" for no change. What was sent to an address before proves nothing
// about the new one.
func (s *Service) putAddresses(tx *store.Tx, c *contact, email, phone string) error {
	if email != "" && !strings.EqualFold(email, c.Email) {
		if _, err := tx.Exec(byEmail.put, email, c.ID); err != nil {
			return taken(err)
		}
	}
	if phone != "" && phone != c.Phone {
		if _, err := tx.Exec(byPhone.put, phone, c.ID); err != nil {
			return taken(err)
		}
	}
	return nil
}
