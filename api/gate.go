package api

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/store"
)

// AddGate makes a gate of the configuration known, before Start: rules of the API, and rules over /api, belong to the one named
// accessrules.DefaultGate (decision 58). It returns l, or the gate of that name when it has the same rules, as a snippet has that
// several sites import. Error: another gate has that name, with other rules.
func (s *Service) AddGate(l *accessrules.Live) (*accessrules.Live, error) {
	if other := s.gates[l.Name]; other != nil {
		if !sameRules(other.Fixed(), l.Fixed()) || !slices.Equal(other.Upstreams, l.Upstreams) {
			return nil, fmt.Errorf("two gates are named %q: write `tollgate <name> { … }` to tell them apart", l.Name)
		}
		return other, nil
	}
	if s.gates == nil {
		s.gates = map[string]*accessrules.Live{}
	}
	s.gates[l.Name] = l
	return l, nil
}

// Gate finds a gate of the configuration by name, nil for none.
func (s *Service) Gate(name string) *accessrules.Live { return s.gates[name] }

func sameRules(a, b []accessrules.Rule) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Path != b[i].Path || a[i].Source != b[i].Source || a[i].Text() != b[i].Text() {
			return false
		}
	}
	return true
}

// rule finds the rule of the gate over a path under /api (access.md B.4, "Rules over built-in endpoints").
func (s *Service) rule(method, path string) (accessrules.Condition, accessrules.Params, bool) {
	gate := s.gates[accessrules.DefaultGate]
	if gate == nil {
		return nil, nil, false
	}
	return gate.Over().Over(method, path)
}

// Visit notes a granted visit of a user under the tags of a rule, and returns last_visited of access.md B.8, "" for null.
func (s *Service) Visit(u *accessrules.User, tags []string) string { return "" }

// Unknown returns those of some plans and roles that do not exist. A database that cannot be read yet knows all of them.
func (s *Service) Unknown(plans, roles []string) (noPlans, noRoles []string) {
	missing := func(query string, names []string) (list []string) {
		if len(names) == 0 {
			return nil
		}
		text, err := json.Marshal(names)
		if err != nil {
			return nil
		}
		_ = s.site.Store.Read(context.Background(), func(r store.Reader) error {
			rows, err := r.Query(query, string(text))
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var name string
				if err := rows.Scan(&name); err != nil {
					return err
				}
				list = append(list, name)
			}
			return rows.Err()
		})
		return list
	}
	return missing(`SELECT value FROM json_each(?) WHERE value NOT IN (SELECT slug FROM plan)`, plans),
		missing(`SELECT value FROM json_each(?) WHERE value NOT IN (SELECT slug FROM role_description)`, roles)
}

// gateSite is what the upstream is told about the site, with the profile that it was made from.
type gateSite struct {
	profile *accessrules.Profile
	accessrules.Site
}

// GateSite is what the upstream is told about the site. It is the same pointer until that changes. Error: facts could not be read.
func (s *Service) GateSite() (*accessrules.Site, error) {
	b := s.options.Broker
	p, err := s.site.Directory.Profile(b.Slug)
	if err != nil {
		return nil, err
	}
	if kept := s.gateSite.Load(); kept != nil && kept.profile == p {
		return &kept.Site, nil
	}
	made := &gateSite{profile: p, Site: accessrules.Site{Slug: b.Slug, PrintableName: b.FullName, Email: b.Email}}
	if p != nil {
		made.Site = accessrules.Site{Slug: p.Slug, PrintableName: p.PrintableName, Email: p.Email}
	}
	s.gateSite.Store(made)
	return &made.Site, nil
}

// NotActivated sends the activation message of a user again, at most every ten minutes (decision 64).
func (s *Service) NotActivated(u *accessrules.User) { s.auth.NotActivated(u) }

// PutInCart puts a plan into the cart of a user who was sent to the checkout for want of a subscription to it, unless it is there
// (access.md B.3). A plan that does not exist is not put anywhere.
func (s *Service) PutInCart(ctx context.Context, u *accessrules.User, plan string) error {
	return s.site.Store.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(`INSERT INTO cart_item (created_at, user_id, plan_id) SELECT ?, ?, plan.id FROM plan WHERE slug = ?
			AND NOT EXISTS (SELECT 1 FROM cart_item WHERE user_id = ? AND recorded = 0 AND plan_id = plan.id)`, tx.Now(), u.ID, plan, u.ID)
		return err
	})
}
