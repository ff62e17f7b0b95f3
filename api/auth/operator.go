package auth

import (
	"context"
	"errors"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// Operations of the command line and of bootstrap. AddUser is among them; the caller hashes first, since hashing is slow.

// ErrNoUser says that no user has that name.
var ErrNoUser = errors.New("there is no such user")

// CheckPassword holds a password against the policy (decision 22). Errors: 400 on "password".
func (s *Service) CheckPassword(password string) error { return s.checkPassword("password", password) }

// Hash encodes a password as NewUser takes it. Errors: 503 when too many wait.
func (s *Service) Hash(ctx context.Context, password string) (string, error) {
	return s.hasher.hash(ctx, password)
}

// SetPassword gives a user another password and ends its sessions. Errors: ErrNoUser, 400 by the policy.
func (s *Service) SetPassword(ctx context.Context, username, password string) error {
	if err := s.CheckPassword(password); err != nil {
		return err
	}
	encoded, err := s.Hash(ctx, password)
	if err != nil {
		return err
	}
	return s.operate(ctx, username, "password", func(tx *store.Tx, u *user) error { return s.setPassword(tx, u, encoded) })
}

// Unlock forgets the failed attempts on a user: passwords, codes and one-time passwords are taken again. Errors: ErrNoUser.
func (s *Service) Unlock(ctx context.Context, username string) error {
	return s.operate(ctx, username, "unlock", func(tx *store.Tx, u *user) error {
		if _, err := tx.Exec(`UPDATE otp SET nb_attempts = 0, locked_until = NULL WHERE user_id = ?`, u.ID); err != nil {
			return err
		}
		return s.throttle.liftShared(tx, u.Username)
	})
}

// UnlockClient forgets the failed attempts of a client, by its address.
func (s *Service) UnlockClient(ctx context.Context, address string) error {
	return s.store.Write(ctx, func(tx *store.Tx) error {
		of := rest.ClientOf(address)
		if _, err := tx.Exec(`DELETE FROM throttle WHERE bucket IN (?, ?, ?)`, "client:"+of.Name, "client:"+of.Site, "client:"+of.Wide); err != nil {
			return err
		}
		return tx.Audit("unlock", client(address), "")
	})
}

// Disable keeps a user out: sessions end, tokens, keys and passwords are refused. Nothing is erased. Errors: ErrNoUser.
func (s *Service) Disable(ctx context.Context, username string) error {
	return s.operate(ctx, username, "disable", func(tx *store.Tx, u *user) error {
		if _, err := tx.Exec(`UPDATE user SET is_active = 0 WHERE id = ?`, u.ID); err != nil {
			return err
		}
		return s.dir.RevokeUser(tx, u.ID)
	})
}

// Enable lets a user in again that Disable kept out. Errors: ErrNoUser, for a deleted user too.
func (s *Service) Enable(ctx context.Context, username string) error {
	return s.operate(ctx, username, "enable", func(tx *store.Tx, u *user) error {
		_, err := tx.Exec(`UPDATE user SET is_active = 1 WHERE id = ?`, u.ID)
		return err
	})
}

// Remove deletes a user and the personal profile, as the broker's managers do by the API: they are archived. Errors: ErrNoUser, 400
// when a profile would have no manager.
func (s *Service) Remove(ctx context.Context, username string) error {
	return s.operate(ctx, username, "delete", func(tx *store.Tx, u *user) error { return s.remove(tx, u.ID, true) })
}

// remove archives a user, with the personal profile if there is one. The broker may leave other profiles without a manager.
func (s *Service) remove(tx *store.Tx, user int64, broker bool) error {
	personal, err := s.profiles.Personal(tx, user)
	switch {
	case err != nil:
		return err
	case personal != 0:
		return s.profiles.Archive(tx, personal, broker)
	}
	if err := s.profiles.LastManagerElsewhere(tx, user, 0, broker); err != nil {
		return err
	}
	return s.ArchiveUser(tx, user)
}

// DisableOTP takes the one-time passwords of a user away, who lost the device and the recovery codes. Errors: ErrNoUser.
func (s *Service) DisableOTP(ctx context.Context, username string) error {
	return s.operate(ctx, username, "disable one-time passwords", func(tx *store.Tx, u *user) error { return s.dropOTP(tx, u.ID) })
}

// ConfirmAddresses takes the addresses that a user has for proven, on the operator's word. Errors: ErrNoUser.
func (s *Service) ConfirmAddresses(ctx context.Context, username string) error {
	return s.operate(ctx, username, "confirm addresses", func(tx *store.Tx, u *user) error {
		if u.Email != "" {
			if err := s.confirmOf(tx, u, u.Email, ""); err != nil {
				return err
			}
		}
		return s.confirmAll(tx, u.ID)
	})
}

// operate runs fn on a user that is not deleted, with an audit row.
func (s *Service) operate(ctx context.Context, username, action string, fn func(tx *store.Tx, u *user) error) error {
	return s.store.Write(ctx, func(tx *store.Tx) error {
		if tx.Actor == "" {
			tx.Actor = "command line"
		}
		u, err := scanUser(tx.QueryRow(selectUser+`WHERE u.username = ?`, username))
		if err != nil {
			return err
		}
		if u == nil || deleted(u) {
			return ErrNoUser
		}
		if err := fn(tx, u); err != nil {
			return err
		}
		s.dir.TouchUser(tx, u.ID)
		return tx.Audit(action, u.Username, "")
	})
}

// NotActivated sends the activation message again to a user who was refused for want of a password, at most every 10 minutes
// (decision 64). It does not block; when many are refused at once, some messages wait for the next refusal.
func (s *Service) NotActivated(u *accessrules.User) {
	select {
	case s.reminders <- struct{}{}:
	default:
		return
	}
	go func() {
		defer func() { <-s.reminders }()
		if err := s.remind(context.Background(), u.ID); err != nil {
			s.log.Warn("the activation message could not be sent", zap.Error(err))
		}
	}()
}
