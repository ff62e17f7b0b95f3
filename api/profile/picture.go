package profile

import (
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

type location struct {
	Location string `json:"location"`
}

// setPicture keeps the file of the body as the picture of a profile, and of its user where the caller may write that account.
func (s *Service) setPicture(c *rest.Call, _ *rest.None) (*location, error) {
	var p *row
	err := c.Read(func(r store.Reader) (err error) {
		p, err = writableProfile(r, c.Param("profile"))
		return err
	})
	if err != nil {
		return nil, err
	}
	path, err := s.pictures.Receive(c)
	if err != nil {
		return nil, err
	}
	url := c.URL(path)
	err = c.Write(func(tx *store.Tx) error {
		c.Created("")
		user, err := attachedUser(tx, p.ID)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`UPDATE profile SET picture = ? WHERE id = ?`, url, p.ID); err != nil {
			return err
		}
		s.dir.TouchProfile(tx, p.ID)
		if user == 0 || user != c.User.ID && !c.Query.IsBrokerManager() {
			return nil
		}
		s.dir.TouchUser(tx, user)
		_, err = tx.Exec(`UPDATE contact SET picture = ? WHERE id = (SELECT id FROM contact WHERE user_id = ? ORDER BY created_at, id LIMIT 1)`, url, user)
		return err
	})
	return &location{url}, err
}
