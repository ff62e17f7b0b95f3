package api

import (
	"context"
	"errors"

	"github.com/caddy-tollgate/tollgate/api/auth"
	"github.com/caddy-tollgate/tollgate/api/profile"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/subscription"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// bootstrap makes what a first start makes, in one transaction: broker, processor and role descriptions; the broker's first manager; the
// demo. It changes nothing that exists, and refuses a database that belongs to another broker.
func (s *Service) bootstrap(ctx context.Context) error {
	if err := s.CheckBroker(ctx); err != nil {
		return err
	}
	people, demo, err := s.firstPeople(ctx) // hashing takes its time, which is not the transaction's
	if err != nil {
		return err
	}
	b := s.options.Broker
	return s.site.Store.Write(ctx, func(tx *store.Tx) error {
		id, slug, err := readBroker(tx)
		if err != nil {
			return err
		}
		if id != 0 && slug != b.Slug {
			return &BrokerError{Path: s.site.Path, Is: slug, Named: b.Slug}
		}
		err = s.profiles.Bootstrap(tx, profile.Bootstrap{
			ProcessorSlug: s.options.ProcessorSlug, ProcessorName: s.options.ProcessorName,
			BrokerSlug: b.Slug, BrokerName: b.FullName, BrokerEmail: b.Email,
		})
		if err != nil {
			return err
		}
		if id == 0 {
			if err := tx.QueryRow(`SELECT id FROM profile WHERE slug = ?`, b.Slug).Scan(&id); err != nil {
				return err
			}
		}
		if err := writeBroker(tx, id); err != nil {
			return err
		}
		for _, n := range people {
			if _, err := s.createUser(tx, n); err != nil {
				return err
			}
		}
		if demo {
			return s.demoPlans(tx, id)
		}
		return nil
	})
}

// firstPeople are the users that a first start makes, with the hashes of their passwords: the broker's manager, unless it has one, and
// those of the demo, unless there are others.
func (s *Service) firstPeople(ctx context.Context) (people []NewUser, demo bool, err error) {
	managed, users := false, int64(0)
	err = s.site.Store.Read(ctx, func(r store.Reader) error {
		if managed, err = s.brokerManaged(r); err != nil {
			return err
		}
		return r.QueryRow(`SELECT count(*) FROM user`).Scan(&users)
	})
	if err != nil {
		return nil, false, err
	}
	if m := s.options.Broker.Manager; m != nil && !managed {
		password, err := m.Password()
		if err != nil {
			return nil, false, err
		}
		people = append(people, NewUser{Username: m.Username, Email: m.Email, Password: password, Manager: true})
	}
	if s.options.Demo {
		s.site.Logger.Warn("demo mode: users with a known password; it must not be used in production")
		if demo = users == 0 && len(people) == 0; demo {
			people = append(people, demoPeople...)
		}
	}
	for i := range people {
		if people[i], err = s.hashed(ctx, people[i]); err != nil {
			return nil, false, err
		}
	}
	return people, demo, nil
}

func (s *Service) brokerManaged(r store.Reader) (managed bool, err error) {
	err = r.QueryRow(`SELECT EXISTS (SELECT 1 FROM role r JOIN profile p ON p.id = r.profile_id
		JOIN role_description d ON d.id = r.role_description_id
		WHERE p.slug = ? AND d.slug = 'manager' AND r.grant_key IS NULL AND r.request_key IS NULL)`, s.options.Broker.Slug).Scan(&managed)
	return managed, err
}

// CheckManager reads and checks the password of the broker's first manager while the broker has none: a mistake is told when the
// configuration is checked. It changes nothing.
func (s *Service) CheckManager(ctx context.Context) error {
	m := s.options.Broker.Manager
	if m == nil {
		return nil
	}
	managed := false
	err := s.site.Store.Peek(ctx, func(r store.Reader) (err error) {
		managed, err = s.brokerManaged(r)
		return err
	})
	if err != nil && !errors.Is(err, store.ErrNone) || managed {
		return err
	}
	password, err := m.Password()
	if err != nil {
		return err
	}
	return s.auth.CheckPassword(password)
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
	if n, err = s.hashed(ctx, n); err != nil {
		return "", err
	}
	err = s.site.Store.Write(ctx, func(tx *store.Tx) error {
		tx.Actor = commandLine
		username, err = s.createUser(tx, n)
		return err
	})
	return username, err
}

// hashed checks the password of a user and puts its hash in its place.
func (s *Service) hashed(ctx context.Context, n NewUser) (NewUser, error) {
	err := s.auth.CheckPassword(n.Password)
	if err == nil {
		n.Password, err = s.auth.Hash(ctx, n.Password)
	}
	if n.FullName == "" {
		n.FullName = n.Username
	}
	return n, err
}

// createUser makes a login with a password that is hashed.
func (s *Service) createUser(tx *store.Tx, n NewUser) (string, error) {
	id, username, err := s.auth.AddUser(tx, auth.NewUser{
		Username: n.Username, Email: n.Email, FullName: n.FullName, Password: n.Password, Superuser: n.Manager, Proven: true,
	})
	if err != nil {
		return "", err
	}
	if n.Personal {
		if _, err := s.profiles.Create(tx, profile.New{
			Slug: username, FullName: n.FullName, Email: n.Email, Personal: true, CreatedBy: id, Manager: id,
		}); err != nil {
			return "", err
		}
	}
	return username, tx.Audit("create user", username, "")
}

// demoPeople are the users of the README's tour.
var demoPeople = []NewUser{
	{Username: "donny", Email: "donny@cowork.example", FullName: "Donny Cooper", Password: "yoyo", Manager: true},
	{Username: "xia", Email: "xia@example.com", FullName: "Xia Lee", Password: "yoyo", Personal: true},
}

// demoPlans makes the plans of the README's tour.
func (s *Service) demoPlans(tx *store.Tx, broker int64) error {
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
}

func given[T any](v T) rest.Opt[T] { return rest.Opt[T]{Value: v, Given: true} }
