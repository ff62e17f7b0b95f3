package profile

import (
	"database/sql"
	"errors"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// Invited is an invitation to a role as its key shows it (profiles.md 10.7): to what, and to whom. Whoever has the key has read
// the mail; or manages the profile, and learns nothing of whom an address stands for until the invitation is accepted (decision 78).
type Invited struct {
	CreatedAt       store.Time             `json:"created_at"`
	Profile         directory.ProfileShort `json:"profile"`
	RoleDescription *RoleDescription       `json:"role_description"`
	Username        *string                `json:"username"` // of the user who is invited, null for an address
	Email           *string                `json:"email"`    // that is invited, null for a user

	profile, user int64
	description   descriptionFields
}

// invited finds an invitation by its key, of a user or of an address, as who calls may see it. Errors: 404 when it was answered, taken
// back or has ended.
func (s *Service) invited(c *rest.Call, r store.Reader) (*Invited, error) {
	key, caller := c.Param("grant_key"), int64(0)
	if c.User != nil {
		caller = c.User.ID
	}
	var in Invited
	var username, address sql.NullString
	row := r.QueryRow(`SELECT r.created_at, r.profile_id, r.user_id,
		CASE WHEN substr(u.password, 1, 1) IN ('', '!') AND u.last_login IS NULL THEN NULL
			WHEN u.id = ? OR r.typed IS NULL OR r.typed = u.username COLLATE NOCASE THEN u.username
			WHEN r.typed NOT LIKE '%@%' THEN r.typed END,
		CASE WHEN r.typed LIKE '%@%' THEN r.typed ELSE u.email END, `+describe+`
		FROM role r JOIN user u ON u.id = r.user_id JOIN profile p ON p.id = r.profile_id
		LEFT JOIN role_description d ON d.id = r.role_description_id LEFT JOIN profile o ON o.id = d.profile_id
		WHERE r.grant_key = ? AND p.is_active = 1 AND (r.ends_at IS NULL OR r.ends_at > ?)`, caller, key, r.Now())
	err := row.Scan(append([]any{&in.CreatedAt, &in.profile, &in.user, &username, &address}, in.description.dest()...)...)
	if errors.Is(err, store.ErrNotFound) {
		row = r.QueryRow(`SELECT i.created_at, i.profile_id, 0, NULL, i.email, `+describe+`
			FROM invitation i JOIN profile p ON p.id = i.profile_id
			JOIN role_description d ON d.id = i.role_description_id LEFT JOIN profile o ON o.id = d.profile_id
			WHERE i.grant_key = ? AND i.created_at > ? AND p.is_active = 1`, key, store.At(r.Now().Add(-invitationLifetime)))
		err = row.Scan(append([]any{&in.CreatedAt, &in.profile, &in.user, &username, &address}, in.description.dest()...)...)
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil, rest.NotFound("Role")
	}
	switch {
	case err != nil:
		return nil, err
	case username.Valid:
		in.Username = &username.String
	case address.Valid:
		in.Email = &address.String
	}
	profiles, err := s.dir.Profiles(r, []int64{in.profile})
	in.Profile = profiles[in.profile]
	return &in, err
}

// readInvitation is GET /api/auth/invitations/{grant_key}.
func (s *Service) readInvitation(c *rest.Call, r store.Reader) (*Invited, error) {
	in, err := s.invited(c, r)
	if err != nil {
		return nil, err
	}
	in.RoleDescription = in.description.description(s.editor(c))
	return in, nil
}

// declineInvitation is DELETE /api/auth/invitations/{grant_key}: nobody needs an account to say no. A key of nothing is found out
// before the one writer is taken, since anybody may try.
func (s *Service) declineInvitation(c *rest.Call, _ *rest.None) (out rest.None, err error) {
	if err := c.Read(func(r store.Reader) error { _, err := s.invited(c, r); return err }); err != nil {
		return out, err
	}
	return out, c.Write(func(tx *store.Tx) error {
		in, err := s.invited(c, tx)
		switch {
		case err != nil:
			return err
		case in.user != 0:
			return s.removeRole(tx, in.profile, in.user, remover{self: true})
		}
		_, err = tx.Exec(`DELETE FROM invitation WHERE grant_key = ?`, c.Param("grant_key"))
		return err
	})
}
