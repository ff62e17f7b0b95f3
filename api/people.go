package api

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/caddy-tollgate/tollgate/api/profile"
	"github.com/caddy-tollgate/tollgate/api/subscription"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// What an operator lists and changes by the command line, of users, roles and plans.

// A UserRow is a user as an operator lists it.
type UserRow struct {
	Username  string      `json:"username"`
	Email     string      `json:"email"`
	FullName  string      `json:"full_name"`
	Active    bool        `json:"is_active"`
	CreatedAt store.Time  `json:"created_at"`
	LastLogin *store.Time `json:"last_login"`
}

const selectUserRows = `SELECT username, coalesce(email, ''), trim(first_name || ' ' || last_name), is_active, created_at, last_login FROM user `

// ListUsers lists at most n users by name, from the one after a name on.
func (s *Service) ListUsers(ctx context.Context, after string, n int) (list []UserRow, err error) {
	err = s.site.Store.Read(ctx, func(r store.Reader) error {
		list, err = store.List(r, scanUserRow, selectUserRows+`WHERE username > ? ORDER BY username LIMIT ?`, after, n)
		return err
	})
	return list, err
}

func scanUserRow(rows *sql.Rows, u *UserRow) error {
	var last sql.Null[store.Time]
	err := rows.Scan(&u.Username, &u.Email, &u.FullName, &u.Active, &u.CreatedAt, &last)
	if last.Valid {
		u.LastLogin = &last.V
	}
	return err
}

// A UserSheet is all that an operator is shown of a user: no secret is in it.
type UserSheet struct {
	UserRow
	OneTimePasswords bool      `json:"otp"`
	Sessions         int64     `json:"sessions"`
	APIKeys          int64     `json:"api_keys"`
	Roles            []RoleRow `json:"roles"`
}

// ShowUser shows a user. Errors: there is none.
func (s *Service) ShowUser(ctx context.Context, username string) (sheet UserSheet, err error) {
	err = s.site.Store.Read(ctx, func(r store.Reader) error {
		found, err := store.List(r, scanUserRow, selectUserRows+`WHERE username = ?`, username)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return fmt.Errorf("there is no user %s", username)
		}
		sheet = UserSheet{UserRow: found[0]}
		err = r.QueryRow(`SELECT EXISTS (SELECT 1 FROM otp WHERE user_id = u.id), (SELECT count(*) FROM session WHERE user_id = u.id AND ends_at > ?),
			(SELECT count(*) FROM api_key WHERE user_id = u.id) FROM user u WHERE username = ?`, r.Now(), username).
			Scan(&sheet.OneTimePasswords, &sheet.Sessions, &sheet.APIKeys)
		if err != nil {
			return err
		}
		sheet.Roles, err = store.List(r, scanRoleRow, selectRoleRows+`WHERE u.username = ? ORDER BY p.slug`, username)
		return err
	})
	return sheet, err
}

// A RoleRow is a role of a user on a profile. State is "active", "invited" or "asked".
type RoleRow struct {
	Username  string      `json:"username"`
	Role      string      `json:"role"`
	Profile   string      `json:"profile"`
	State     string      `json:"state"`
	CreatedAt store.Time  `json:"created_at"`
	EndsAt    *store.Time `json:"ends_at"`
}

const selectRoleRows = `SELECT u.username, coalesce(d.slug, ''), p.slug,
	CASE WHEN r.grant_key IS NOT NULL THEN 'invited' WHEN r.request_key IS NOT NULL THEN 'asked' ELSE 'active' END, r.created_at, r.ends_at
	FROM role r JOIN user u ON u.id = r.user_id JOIN profile p ON p.id = r.profile_id LEFT JOIN role_description d ON d.id = r.role_description_id `

func scanRoleRow(rows *sql.Rows, w *RoleRow) error {
	var ends sql.Null[store.Time]
	err := rows.Scan(&w.Username, &w.Role, &w.Profile, &w.State, &w.CreatedAt, &ends)
	if ends.Valid {
		w.EndsAt = &ends.V
	}
	return err
}

// ListRoles lists the roles on a profile. Errors: there is no such profile.
func (s *Service) ListRoles(ctx context.Context, slug string) (list []RoleRow, err error) {
	err = s.site.Store.Read(ctx, func(r store.Reader) error {
		if err := mustExist(r, "profile "+slug, `SELECT 1 FROM profile WHERE slug = ?`, slug); err != nil {
			return err
		}
		list, err = store.List(r, scanRoleRow, selectRoleRows+`WHERE p.slug = ? ORDER BY u.username`, slug)
		return err
	})
	return list, err
}

func mustExist(r store.Reader, what, query string, args ...any) error {
	found, err := store.Exists(r, query, args...)
	if err == nil && !found {
		err = fmt.Errorf("there is no %s", what)
	}
	return err
}

// RevokeRole takes the role of a user on a profile away. Errors: there is none; the broker would have no manager.
func (s *Service) RevokeRole(ctx context.Context, username, slug string) error {
	return s.site.Store.Write(ctx, func(tx *store.Tx) error {
		tx.Actor = commandLine
		var profileID, user int64
		var role string
		err := tx.QueryRow(`SELECT r.profile_id, r.user_id, coalesce(d.slug, '') FROM role r JOIN user u ON u.id = r.user_id
			JOIN profile p ON p.id = r.profile_id LEFT JOIN role_description d ON d.id = r.role_description_id
			WHERE u.username = ? AND p.slug = ?`, username, slug).Scan(&profileID, &user, &role)
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("%s has no role on %s", username, slug)
		}
		if err != nil {
			return err
		}
		if err := s.profiles.RevokeRole(tx, profileID, user); err != nil {
			return err
		}
		return tx.Audit("revoke role", slug, role+" "+username)
	})
}

// keptRole refuses a grant that would take the place of another role, which is easily overlooked: of a manager's above all.
func keptRole(r store.Reader, g profile.Grant, username, slug string) error {
	var had string
	err := r.QueryRow(`SELECT coalesce(d.slug, '') FROM role r LEFT JOIN role_description d ON d.id = r.role_description_id
		WHERE r.profile_id = ? AND r.user_id = ? AND r.request_key IS NULL AND (r.ends_at IS NULL OR r.ends_at > ?)
			AND (r.role_description_id IS NULL OR r.role_description_id <> ?)`, g.Profile, g.User, r.Now(), g.Role).Scan(&had)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("%s is %s of %s, and a user has one role on a profile: --replace puts this one in its place", username, had, slug)
}

// A PlanRow is a plan as an operator lists it. The amount is in 1/100 of the unit, for a period.
type PlanRow struct {
	Slug    string `json:"slug"`
	Profile string `json:"profile"`
	Title   string `json:"title"`
	Active  bool   `json:"is_active"`
	Amount  int64  `json:"period_amount"`
	Unit    string `json:"unit"`
	Period  string `json:"period_type"`
}

// ListPlans lists the plans of a profile, or of all.
func (s *Service) ListPlans(ctx context.Context, slug string) (list []PlanRow, err error) {
	err = s.site.Store.Read(ctx, func(r store.Reader) error {
		list, err = store.List(r, func(rows *sql.Rows, p *PlanRow) error {
			var period ledger.Period
			err := rows.Scan(&p.Slug, &p.Profile, &p.Title, &p.Active, &p.Amount, &p.Unit, &period)
			p.Period = period.String()
			return err
		}, `SELECT n.slug, p.slug, n.title, n.is_active, n.period_amount, n.unit, n.period_type FROM plan n JOIN profile p ON p.id = n.profile_id
			WHERE ? IN ('', p.slug) ORDER BY p.slug, n.slug`, slug)
		return err
	})
	return list, err
}

// A NewPlan is a plan made by an operator.
type NewPlan struct {
	Profile     string // "" is the broker
	Slug, Title string
	Amount      int64 // in 1/100 of the unit
	Period      ledger.Period
	Inactive    bool
}

// CreatePlan makes a plan. Errors are those of the API.
func (s *Service) CreatePlan(ctx context.Context, n NewPlan) error {
	if n.Profile == "" {
		n.Profile = s.options.Broker.Slug
	}
	if n.Title == "" {
		n.Title = n.Slug
	}
	return s.site.Store.Write(ctx, func(tx *store.Tx) error {
		tx.Actor = commandLine
		var id int64
		err := tx.QueryRow(`SELECT id FROM profile WHERE slug = ? AND is_active`, n.Profile).Scan(&id)
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("there is no profile %s", n.Profile)
		}
		if err != nil {
			return err
		}
		_, err = s.subscriptions.CreatePlan(tx, id, &subscription.PlanChange{
			Slug: given(n.Slug), Title: given(n.Title), Active: given(!n.Inactive), PeriodAmount: given(n.Amount), PeriodType: given(n.Period),
		})
		if err != nil {
			return err
		}
		return tx.Audit("create plan", n.Slug, "of "+n.Profile)
	})
}

// note writes that something was done by the command line whose own transactions leave no row.
func (s *Service) note(ctx context.Context, action, subject, detail string) error {
	return s.site.Store.Write(ctx, func(tx *store.Tx) error {
		tx.Actor = commandLine
		return tx.Audit(action, subject, detail)
	})
}
