package api

import (
	"context"

	"github.com/caddy-tollgate/tollgate/api/auth"
	"github.com/caddy-tollgate/tollgate/api/profile"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/subscription"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// bootstrap makes what a first start makes: broker, processor and role descriptions; the broker's first manager; the demo. It changes
// nothing that exists.
func (s *Service) bootstrap(ctx context.Context) error {
	b := s.options.Broker
	err := s.profiles.Bootstrap(ctx, profile.Bootstrap{
		ProcessorSlug: s.options.ProcessorSlug, ProcessorName: s.options.ProcessorName,
		BrokerSlug: b.Slug, BrokerName: b.FullName, BrokerEmail: b.Email,
	})
	if err != nil {
		return err
	}
	if b.Manager != nil {
		managed, err := s.brokerManaged(ctx)
		if err != nil {
			return err
		}
		if !managed {
			if _, err := s.CreateUser(ctx, NewUser{Username: b.Manager.Username, Email: b.Manager.Email, Password: b.Manager.Password, Manager: true}); err != nil {
				return err
			}
		}
	}
	if s.options.Demo {
		return s.demo(ctx)
	}
	return nil
}

func (s *Service) brokerManaged(ctx context.Context) (managed bool, err error) {
	err = s.site.Store.Read(ctx, func(r store.Reader) error {
		return r.QueryRow(`SELECT EXISTS (SELECT 1 FROM role r JOIN profile p ON p.id = r.profile_id
			JOIN role_description d ON d.id = r.role_description_id
			WHERE p.slug = ? AND d.slug = 'manager' AND r.grant_key IS NULL AND r.request_key IS NULL)`, s.options.Broker.Slug).Scan(&managed)
	})
	return managed, err
}

// A NewUser is a login made by an operator.
type NewUser struct {
	Username, Email, FullName string
	Password                  string
	Personal                  bool // with a personal profile
	Manager                   bool // of the broker
}

// CreateUser makes a login. Errors are those of registration: a name or an address that is taken, a password that is too short.
func (s *Service) CreateUser(ctx context.Context, n NewUser) (username string, err error) {
	if err := s.auth.CheckPassword(n.Password); err != nil {
		return "", err
	}
	hash, err := s.auth.Hash(ctx, n.Password)
	if err != nil {
		return "", err
	}
	if n.FullName == "" {
		n.FullName = n.Username
	}
	err = s.site.Store.Write(ctx, func(tx *store.Tx) error {
		var id int64
		id, username, err = s.auth.AddUser(tx, auth.NewUser{
			Username: n.Username, Email: n.Email, FullName: n.FullName, Password: hash, Superuser: n.Manager, Proven: true,
		})
		if err != nil {
			return err
		}
		if n.Personal {
			if _, err := s.profiles.Create(tx, profile.New{
				Slug: username, FullName: n.FullName, Email: n.Email, Personal: true, CreatedBy: id, Manager: id,
			}); err != nil {
				return err
			}
		}
		return tx.Audit("create user", username, "")
	})
	return username, err
}

// demo makes the users and plans of the README's tour, unless there are users already.
func (s *Service) demo(ctx context.Context) error {
	s.site.Logger.Warn("demo mode: users with a known password; it must not be used in production")
	var users int64
	err := s.site.Store.Read(ctx, func(r store.Reader) error {
		return r.QueryRow(`SELECT count(*) FROM user`).Scan(&users)
	})
	if err != nil || users > 0 {
		return err
	}
	for _, n := range []NewUser{
		{Username: "donny", Email: "donny@cowork.example", FullName: "Donny Cooper", Password: "yoyo", Manager: true},
		{Username: "xia", Email: "xia@example.com", FullName: "Xia Lee", Password: "yoyo", Personal: true},
	} {
		if _, err := s.CreateUser(ctx, n); err != nil {
			return err
		}
	}
	return s.site.Store.Write(ctx, func(tx *store.Tx) error {
		var broker int64
		if err := tx.QueryRow(`SELECT id FROM profile WHERE slug = ?`, s.options.Broker.Slug).Scan(&broker); err != nil {
			return err
		}
		for _, p := range []struct {
			slug, title, description string
			amount                   int64
		}{
			{"basic", "Basic", "A desk on week days", 2000},
			{"premium", "Premium", "A desk and all rooms, at any time", 9000},
		} {
			_, err := s.subscriptions.CreatePlan(tx, broker, &subscription.PlanChange{
				Slug: given(p.slug), Title: given(p.title), Description: given(p.description),
				Active: given(true), PeriodAmount: given(p.amount), PeriodType: given(ledger.Monthly),
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func given[T any](v T) rest.Opt[T] { return rest.Opt[T]{Value: v, Given: true} }
