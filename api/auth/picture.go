package auth

import (
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

type locationOutput struct {
	Location string `json:"location"`
}

// setPicture is POST /api/users/{user}/picture and /api/contacts/{user}/picture. A user without a contact gets one.
func (s *Service) setPicture(c *rest.Call, _ *rest.None) (out locationOutput, err error) {
	if err := c.Read(func(r store.Reader) error { return findAccount(c, r) }); err != nil {
		return out, err
	}
	path, err := s.pictures.Receive(c)
	if err != nil {
		return out, err
	}
	out.Location = c.URL(path)
	err = c.Write(func(tx *store.Tx) error {
		u, who, err := subject(tx, c.Param("user"))
		if err != nil {
			return err
		}
		if u != nil {
			s.dir.TouchUser(tx, u.ID)
		}
		if who == nil {
			if who, err = s.ownContact(tx, u); err != nil {
				return err
			}
		}
		_, err = tx.Exec(`UPDATE contact SET picture = ? WHERE id = ?`, out.Location, who.ID)
		return err
	})
	c.Created("")
	return out, err
}

// removePicture is DELETE /api/users/{user}/picture and /api/contacts/{user}/picture.
func (s *Service) removePicture(c *rest.Call, tx *store.Tx, _ *rest.None) (out rest.None, err error) {
	u, who, err := subject(tx, c.Param("user"))
	if err != nil {
		return out, err
	}
	if u == nil {
		_, err = tx.Exec(`UPDATE contact SET picture = NULL WHERE id = ?`, who.ID)
		return out, err
	}
	s.dir.TouchUser(tx, u.ID)
	_, err = tx.Exec(`UPDATE contact SET picture = NULL WHERE user_id = ?`, u.ID) // it shows the first that there is
	return out, err
}
