package api

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/caddy-tollgate/tollgate/api/auth"
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
// profile or role.
func (s *Service) GrantRole(ctx context.Context, username, role, slug string) error {
	return s.site.Store.Write(ctx, func(tx *store.Tx) error {
		tx.Actor = "command line"
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
		g.AtOnce, g.Broker = true, true
		if _, _, err := s.profiles.GrantRole(tx, g); err != nil {
			return err
		}
		return tx.Audit("grant role", slug, role+" "+username)
	})
}

// RotateKeys makes a new key of login tokens in the file of secrets and keeps the n last. A server takes them when its configuration
// is reloaded.
func (s *Service) RotateKeys(n int) error {
	_, err := directory.RotateSecrets(s.site.SiteOptions.Secrets, n)
	return err
}

// An AuditRow says who did what.
type AuditRow struct {
	At                             store.Time
	Actor, Action, Subject, Detail string
}

// Audit is the last n rows of the audit, the latest last.
func (s *Service) Audit(ctx context.Context, n int) (list []AuditRow, err error) {
	err = s.site.Store.Read(ctx, func(r store.Reader) error {
		list, err = store.List(r, func(rows *sql.Rows, a *AuditRow) error {
			return rows.Scan(&a.At, &a.Actor, &a.Action, &a.Subject, &a.Detail)
		}, `SELECT created_at, actor, action, subject, detail FROM audit ORDER BY id DESC LIMIT ?`, n)
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
	return notice.Resend(ctx, s.site.Store, ids)
}

// ResendDead has it deliver again all that were given up, and returns how many.
func (s *Service) ResendDead(ctx context.Context) (int, error) {
	return notice.ResendDead(ctx, s.site.Store)
}

// Replay has it post again what webhooks were posted in the last while, those whose name holds match. It returns how many.
func (s *Service) Replay(ctx context.Context, last time.Duration, match string) (int, error) {
	return notice.Replay(ctx, s.site.Store, store.At(s.site.Now().Add(-last)), match)
}
