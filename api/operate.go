package api

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/caddy-tollgate/tollgate/api/auth"
	"github.com/caddy-tollgate/tollgate/api/billing"
	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/api/profile"
	"github.com/caddy-tollgate/tollgate/store"
)

// Users are the operations on logins that an operator needs.
func (s *Service) Users() *auth.Service { return s.auth }

// Outbox is how many notices wait to be delivered, and how many were given up and are still kept.
func (s *Service) Outbox(ctx context.Context) (waiting, dead int, err error) {
	return s.notices.Depth(ctx)
}

// GrantRole gives a user a role on a profile at once, without anybody's consent: the operator's way in. Errors: an unknown user,
// profile or role; the user has another role there, unless it is to be replaced.
func (s *Service) GrantRole(ctx context.Context, username, role, slug string, replace bool) error {
	return s.site.Store.Write(ctx, func(tx *store.Tx) error {
		tx.Actor = commandLine
		var g profile.Grant
		for _, find := range []struct {
			what  string
			query string
			args  []any
			id    *int64
		}{
			{"user " + username, `SELECT id FROM user WHERE username = ? AND is_active`, []any{username}, &g.User},
			{"profile " + slug, `SELECT id FROM profile WHERE slug = ? AND is_active`, []any{slug}, &g.Profile},
			{"role " + role, `SELECT d.id FROM role_description d LEFT JOIN profile p ON p.id = d.profile_id
				WHERE d.slug = ? AND (p.id IS NULL OR p.slug = ?) ORDER BY p.id IS NULL LIMIT 1`, []any{role, slug}, &g.Role},
		} {
			err := tx.QueryRow(find.query, find.args...).Scan(find.id)
			if errors.Is(err, store.ErrNotFound) {
				return fmt.Errorf("there is no %s", find.what)
			}
			if err != nil {
				return err
			}
		}
		if !replace {
			if err := keptRole(tx, g, username, slug); err != nil {
				return err
			}
		}
		g.AtOnce, g.Broker = true, true
		if _, _, err := s.profiles.GrantRole(tx, g); err != nil {
			return err
		}
		return tx.Audit("grant role", slug, role+" "+username)
	})
}

// RotateKeys makes a new key of login tokens, and one of assertions, in the file of secrets and keeps the n last. A server takes them
// when its configuration is reloaded. It returns the id of the new key and how many verify.
func (s *Service) RotateKeys(ctx context.Context, n int) (id string, keys int, err error) {
	secrets, err := directory.RotateSecrets(s.site.SiteOptions.Secrets, n)
	if err != nil {
		return "", 0, err
	}
	id, keys = secrets.TokenKeys[0].ID, len(secrets.TokenKeys)
	return id, keys, s.site.Store.Write(ctx, func(tx *store.Tx) error {
		tx.Actor = commandLine
		return tx.Audit("rotate keys", id, fmt.Sprintf("%d kept", keys))
	})
}

// Lost says what CreateKeys took out of the database, since no key reads it any more.
type Lost struct {
	OneTimePasswords int64 // of how many users
	SessionKey       bool  // the one that the API made
}

// CreateKeys makes a file of secrets in the place of one that was lost. What the lost keys encrypted is taken out of the database: people
// set their one-time passwords up again. Error: there is a file.
func (s *Service) CreateKeys(ctx context.Context) (lost Lost, err error) {
	path := s.site.SiteOptions.Secrets
	if err := s.site.Store.Exists(ctx); err != nil {
		return lost, err
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return lost, errors.Join(fmt.Errorf("%s is there: `caddy tollgate key rotate` makes a new key in it", path), err)
	}
	if err := s.site.Store.Migrate(ctx); err != nil {
		return lost, err
	}
	if _, err := directory.LoadSecrets(path); err != nil {
		return lost, err
	}
	err = s.site.Store.Write(ctx, func(tx *store.Tx) error {
		tx.Actor = commandLine
		if lost.OneTimePasswords, err = tx.Exec(`DELETE FROM otp`); err != nil {
			return err
		}
		n, err := tx.Exec(`UPDATE app SET enc_key = '' WHERE enc_key <> ''`)
		if lost.SessionKey = n > 0; err != nil {
			return err
		}
		return tx.Audit("create keys", "", fmt.Sprintf("one-time passwords of %d users are off", lost.OneTimePasswords))
	})
	if err != nil {
		err = errors.Join(err, os.Remove(path))
	}
	return lost, err
}

// RenewNow runs the renewal engine because an operator asked.
func (s *Service) RenewNow(ctx context.Context) error {
	return errors.Join(s.Renew(ctx), s.note(ctx, "renew", "", ""))
}

// Unpark lets a profile be charged again, and reports whether it was not.
func (s *Service) Unpark(ctx context.Context, slug string) (was bool, err error) {
	return s.billing.Unpark(ctx, slug, audited("unpark", slug, ""))
}

// MoveClock moves the clock of a profile; see billing.Service.
func (s *Service) MoveClock(ctx context.Context, slug string, to store.Time) ([]billing.Happening, error) {
	return s.billing.MoveClock(ctx, slug, to, audited("clock", slug, to.UTC().Format(time.RFC3339)))
}

// ResetClock gives a profile the site's time again, and reports whether it had another one.
func (s *Service) ResetClock(ctx context.Context, slug string) (was bool, err error) {
	return s.billing.ResetClock(ctx, slug, audited("clock", slug, "reset"))
}

// audited writes the row of a change by the command line into the transaction that makes it.
func audited(action, subject, detail string) func(tx *store.Tx) error {
	return func(tx *store.Tx) error {
		tx.Actor = commandLine
		return tx.Audit(action, subject, detail)
	}
}

// An AuditRow says who did what.
type AuditRow struct {
	At      store.Time `json:"at"`
	Actor   string     `json:"actor"`
	Action  string     `json:"action"`
	Subject string     `json:"subject"`
	Detail  string     `json:"detail"`
	Times   int        `json:"times"` // how often within the hour that begins At, where that is counted; else 1
}

// Audit is the last n rows of the audit, the latest last.
func (s *Service) Audit(ctx context.Context, n int) (list []AuditRow, err error) {
	err = s.site.Store.Read(ctx, func(r store.Reader) error {
		list, err = store.List(r, func(rows *sql.Rows, a *AuditRow) error {
			return rows.Scan(&a.At, &a.Actor, &a.Action, &a.Subject, &a.Detail, &a.Times)
		}, `SELECT created_at, actor, action, subject, detail, coalesce(times, 1) FROM audit ORDER BY id DESC LIMIT ?`, n)
		return err
	})
	slices.Reverse(list)
	return list, err
}

// Letters lists at most n notices that wait, were delivered, or were given up.
func (s *Service) Letters(ctx context.Context, state notice.LetterState, n int) (list []notice.Letter, err error) {
	err = s.site.Store.Read(ctx, func(r store.Reader) error {
		list, err = notice.Letters(r, state, n)
		return err
	})
	return list, err
}

// Resend has the running server deliver notices again, by their numbers.
func (s *Service) Resend(ctx context.Context, ids []int64) error {
	return notice.Resend(ctx, s.site.Store, ids, func(tx *store.Tx, n int) error {
		return audited("resend notices", "", fmt.Sprint(n))(tx)
	})
}

// ResendDead has it deliver again all that were given up, and returns how many.
func (s *Service) ResendDead(ctx context.Context) (int, error) {
	return notice.ResendDead(ctx, s.site.Store, func(tx *store.Tx, n int) error {
		return audited("resend notices", "", fmt.Sprintf("all %d that were given up", n))(tx)
	})
}

// Replay has it post again what webhooks were posted in the last while, those whose name holds match. It returns how many.
func (s *Service) Replay(ctx context.Context, last time.Duration, match string) (int, error) {
	return notice.Replay(ctx, s.site.Store, store.At(s.site.Now().Add(-last)), match, func(tx *store.Tx, n int) error {
		return audited("replay notices", match, fmt.Sprintf("%d of the last %s", n, last))(tx)
	})
}
