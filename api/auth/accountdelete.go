package auth

import (
	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/api/profile"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// deleteInput is the body of DELETE /api/users/{user}, which only a contact with a proven address needs.
type deleteInput struct{ secrets }

// Check holds what concerns several fields.
func (in *deleteInput) Check(*rest.Call) error { return in.secrets.check() }

// further reports whether a name stands for a further contact of a user, or for one of nobody: then the contact goes, and its user stays.
func further(u *user, who *contact) bool { return u == nil || who != nil && who.Slug != u.Username }

// deleteAccount is DELETE /api/users/{user}: a user is archived, with its personal profile (decision 39); a contact is removed, one
// that holds a proven address of a user after the caller has proven again who it is (decision 66).
// Errors: 401 of the proof; 404; 400 by the rules of profiles.md 6.4, and for the last way to log in.
func (s *Service) deleteAccount(c *rest.Call, in *deleteInput) (out rest.None, err error) {
	proves := false
	if err := c.Read(func(r store.Reader) error {
		u, who, err := subject(r, c.Param("user"))
		proves = err == nil && u != nil && further(u, who) && (who.EmailProven || who.PhoneProven)
		return err
	}); err != nil {
		return out, err
	}
	var done *confirmation
	if proves {
		if done, err = s.reauthenticate(c, &in.secrets); err != nil {
			return out, err
		}
	}
	return out, c.Write(func(tx *store.Tx) error {
		if done != nil {
			if err := s.spend(tx, done); err != nil {
				return err
			}
		}
		u, who, err := subject(tx, c.Param("user"))
		if err != nil {
			return err
		}
		if further(u, who) {
			return s.deleteContact(tx, u, who, done != nil)
		}
		if err := s.remove(tx, u.ID, c.Query.IsBrokerManager()); err != nil {
			return err
		}
		if c.User.ID == u.ID {
			c.SetCookie(s.dir.EndedCookie())
		}
		return tx.Audit("delete", c.Param("user"), "")
	})
}

// deleteContact removes a contact, of a user (nil for nobody's) who stays. confirmed says that the caller proved who it is.
func (s *Service) deleteContact(tx *store.Tx, u *user, who *contact, confirmed bool) error {
	proves := u != nil && (who.EmailProven || who.PhoneProven)
	if proves && !confirmed { // it was proven since
		return errProveAgain
	}
	if proves {
		if err := s.tellDeleted(tx, u, who); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(`DELETE FROM contact WHERE id = ?`, who.ID); err != nil {
		return err
	}
	if proves && !usable(u.Password) {
		if other, err := directory.AnyProven(tx, u.ID); err != nil {
			return err
		} else if !other {
			return rest.Bad("detail", "This address is the only way to log in to the account.")
		}
	}
	if u != nil {
		s.dir.TouchUser(tx, u.ID)
	}
	return tx.Audit("delete", who.Slug, "")
}

// tellDeleted tells the addresses that a user has proven, before it takes place, which of them go: as of a change.
func (s *Service) tellDeleted(tx *store.Tx, u *user, who *contact) error {
	tell, err := provenEmails(tx, u.ID)
	if err != nil || len(tell) == 0 {
		return err
	}
	for _, gone := range []struct {
		ch      *channel
		address string
		proven  bool
	}{{byEmail, who.Email, who.EmailProven}, {byPhone, who.Phone, who.PhoneProven}} {
		if !gone.proven {
			continue
		}
		changed := &notice.UserAddressChanged{User: notice.User{ID: u.ID}, Kind: gone.ch.name, Before: gone.address, Tell: tell}
		if err := s.notices.Emit(tx, changed); err != nil {
			return err
		}
	}
	return nil
}

// A deletion is what deleting an account would meet.
type deletion struct {
	Obstacles []profile.Obstacle `json:"obstacles"`
}

// previewDeletion is GET /api/users/{user}/deletion: what stands in the way of deleting the account, empty for nothing.
func (s *Service) previewDeletion(c *rest.Call, r store.Reader) (out deletion, err error) {
	u, err := pathUser(c, r)
	if err != nil {
		return out, err
	}
	personal, err := s.profiles.Personal(r, u.ID)
	if err != nil {
		return out, err
	}
	out.Obstacles, err = s.profiles.Obstacles(r, u.ID, personal, c.Query.IsBrokerManager())
	return out, err
}
