package profile

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// An invitation to a role waits on an e-mail address that somebody holds who has not proven it (decision 66). Its key is in the
// mail alone and no list shows it: whoever proves the address and brings the key gets the role.

// invitationLifetime is how long an invitation of an address waits, since no list shows it to who would take it back.
const invitationLifetime = 30 * 24 * time.Hour

// addressee returns the user who may be given something by an e-mail address: the one who has proven it, or the one whom an
// earlier invitation made for it and as whom nobody can log in without proving it. held says that another user has the address.
func addressee(r store.Reader, email string) (user int64, held bool, err error) {
	if user, err = directory.UserOf(r, directory.Email, email); err != nil || user != 0 {
		return user, false, err
	}
	holders, err := directory.HoldersOf(r, directory.Email, email)
	if err != nil || len(holders) == 0 {
		return 0, false, err
	}
	if len(holders) > 1 {
		return 0, true, nil
	}
	real, err := counts(r, holders[0])
	if err != nil || real {
		return 0, true, err
	}
	return holders[0], false, nil
}

// errAddressNotProven is the answer to the key of an invitation by who has not proven the address that it waits on.
var errAddressNotProven = rest.Fail(http.StatusNotFound,
	"This invitation waits for a proof of the address that it was sent to. Please add that address to your account and bring back its code.")

// revokeInvitation removes the invitation of an address to a profile, and tells whether there was one.
func revokeInvitation(tx *store.Tx, profile int64, email string) (bool, error) {
	if !strings.Contains(email, "@") {
		return false, nil
	}
	n, err := tx.Exec(`DELETE FROM invitation WHERE profile_id = ? AND email = ?`, profile, email)
	return n > 0, err
}

// invite writes the invitation of an address to a role and mails its key. Another one to the same profile is replaced.
func (s *Service) invite(c *rest.Call, tx *store.Tx, p *row, description int64, in *grantInput) (*Role, error) {
	email, key := in.Email.Value, directory.NewKey()
	_, err := tx.Exec(`INSERT INTO invitation (created_at, profile_id, role_description_id, email, full_name, extra, grant_key)
		VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (profile_id, email) DO UPDATE SET created_at = excluded.created_at,
		role_description_id = excluded.role_description_id, full_name = excluded.full_name, extra = excluded.extra, grant_key = excluded.grant_key`,
		tx.Now(), p.ID, description, email, in.FullName.Value, directory.ExtraText(in.Extra.Value), key)
	if err != nil {
		return nil, err
	}
	return s.tellInvitation(c, tx, p, email, in.Message.Value)
}

// tellInvitation mails the key of the invitation of an address, which was just written, and shows what was typed of it.
func (s *Service) tellInvitation(c *rest.Call, tx *store.Tx, p *row, email, message string) (*Role, error) {
	var role Role
	var name, key string
	row := tx.QueryRow(`SELECT i.created_at, i.full_name, i.extra, i.grant_key, `+describe+` FROM invitation i
		JOIN role_description d ON d.id = i.role_description_id LEFT JOIN profile o ON o.id = d.profile_id
		WHERE i.profile_id = ? AND i.email = ?`, p.ID, email)
	var extra sql.NullString
	err := row.Scan(append([]any{&role.CreatedAt, &name, &extra, &key}, role.description.dest()...)...)
	if err != nil {
		return nil, err
	}
	typed := directory.TypedUser(email, name)
	role.User, role.RoleDescription = typed, role.description.description(s.editor(c))
	if extra.Valid {
		role.Extra = directory.Extra(&extra.String)
	}
	role.RemoveURL = c.URL("/api/profile/" + p.Slug + "/roles/" + role.slug() + "/" + url.PathEscape(email))
	return &role, s.notices.Emit(tx, &notice.RoleGrantCreated{
		Profile: notice.Profile{ID: p.ID}, OriginatedBy: notice.ByUser(c.User.ID), User: notice.User{UserDetail: typed}, Detail: message,
		GrantKey: key, RoleDescription: notice.RoleDescription{Slug: role.slug(), Title: role.RoleDescription.Title},
	})
}

// resendInvitation sends the invitation of an address to a role again, which waits as long as a new one from now on. It returns nil
// when there is none.
func (s *Service) resendInvitation(c *rest.Call, tx *store.Tx, email string) (*Role, error) {
	if !strings.Contains(email, "@") {
		return nil, nil
	}
	p, err := findProfile(tx, c.Param("profile"))
	if err != nil {
		return nil, err
	}
	d, err := grantable(tx, p.ID, c.Param("role"), s.editor(c))
	if err != nil {
		return nil, err
	}
	now := tx.Now()
	n, err := tx.Exec(`UPDATE invitation SET created_at = ?
		WHERE profile_id = ? AND email = ? AND role_description_id = ? AND created_at > ?`,
		now, p.ID, email, d.id, store.At(now.Add(-invitationLifetime)))
	if err != nil || n == 0 {
		return nil, err
	}
	return s.tellInvitation(c, tx, p, email, "")
}

// acceptInvitation gives a user the role that an invitation of an address holds, if the user has proven that address. It returns
// nil when the key is none of an invitation. Errors: 404 when another or nobody has proven it, 400 when the user already has a role there.
func (s *Service) acceptInvitation(tx *store.Tx, user int64, key string) (*role, error) {
	var id, profile, description int64
	var email string
	var extra sql.NullString
	err := tx.QueryRow(`SELECT i.id, i.profile_id, i.role_description_id, i.email, i.extra FROM invitation i JOIN profile p ON p.id = i.profile_id
		WHERE i.grant_key = ? AND i.created_at > ? AND p.is_active = 1`,
		key, store.At(tx.Now().Add(-invitationLifetime))).Scan(&id, &profile, &description, &email, &extra)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if owner, err := directory.UserOf(tx, directory.Email, email); err != nil {
		return nil, err
	} else if owner != user {
		return nil, errAddressNotProven
	}
	wanted := &role{Profile: profile, User: user, Description: sql.NullInt64{Int64: description, Valid: true}}
	had, err := findRole(tx, profile, user)
	if err != nil {
		return nil, err
	}
	if had != nil && had.active() {
		if err := s.refuseSecondRole(tx, wanted, user); err != nil {
			return nil, err
		}
	}
	if _, err := tx.Exec(`DELETE FROM invitation WHERE id = ?`, id); err != nil {
		return nil, err
	}
	if _, err := tx.Exec(`DELETE FROM role WHERE profile_id = ? AND user_id = ?`, profile, user); err != nil {
		return nil, err
	}
	if _, _, err := s.GrantRole(tx, Grant{Profile: profile, User: user, Role: description, AtOnce: true, Extra: extra.String}); err != nil {
		return nil, err
	}
	return findRole(tx, profile, user)
}

// Janitor removes invitations of addresses that nobody answered.
func (s *Service) Janitor(ctx context.Context) error {
	var now store.Time
	if err := s.store.Read(ctx, func(r store.Reader) error { now = r.Now(); return nil }); err != nil {
		return err
	}
	_, err := s.store.Prune(ctx, `DELETE FROM invitation WHERE id IN (SELECT id FROM invitation WHERE created_at < ? LIMIT 1000)`,
		store.At(now.Add(-invitationLifetime)))
	return err
}
