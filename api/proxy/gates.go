package proxy

import (
	"context"
	"encoding/json"
	"fmt"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/store"
)

// AddGate makes a gate of the configuration known, before Load: rules of the API, and rules over /api, belong to the one named
// accessrules.DefaultGate (decision 58). It returns l, or the gate of that name when it stands for the same, as a snippet has that
// several sites import. Error: another gate has that name, with other rules.
func (s *Service) AddGate(l *accessrules.Live) (*accessrules.Live, error) {
	if other := s.gates[l.Name]; other != nil {
		if !other.Same(l) {
			return nil, fmt.Errorf("two gates are named %q: write `tollgate <name> { … }` to tell them apart", l.Name)
		}
		return other, nil
	}
	s.gates[l.Name] = l
	return l, nil
}

// Gate finds a gate of the configuration by name, nil for none.
func (s *Service) Gate(name string) *accessrules.Live { return s.gates[name] }

// gate is the one that the API's rules are for: one without any rule when the configuration has none.
func (s *Service) gate() *accessrules.Live {
	if g := s.gates[accessrules.DefaultGate]; g != nil {
		return g
	}
	g, err := accessrules.NewLive(accessrules.DefaultGate, nil, nil)
	if err != nil {
		panic(err) // no rule can be wrong
	}
	return g
}

// Rule finds the rule of the gate over a path under /api (access.md B.4, "Rules over built-in endpoints").
func (s *Service) Rule(method, path string) (accessrules.Condition, accessrules.Params, bool) {
	g := s.gates[accessrules.DefaultGate]
	if g == nil {
		return nil, nil, false
	}
	return g.Over().Over(method, path)
}

// Load reads the record of the application and the rules, makes the record when there is none, and puts both in force. It is called
// before requests are answered, and whenever another process has written. Error: the rules cannot be used, and the ones in force
// stay.
func (s *Service) Load(ctx context.Context, broker string) error {
	err := s.Store.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(`INSERT INTO app (slug, profile_id) SELECT substr(slug, 1, 25), id FROM profile
			WHERE slug = ? AND NOT EXISTS (SELECT 1 FROM app)`, broker)
		return err
	})
	if err != nil {
		return err
	}
	return s.Reload(ctx)
}

// Reload is Load for a record that exists.
func (s *Service) Reload(ctx context.Context) error {
	for {
		version := s.written()
		var a app
		var rules []record
		err := s.Store.Read(ctx, func(r store.Reader) (err error) {
			if a, err = s.readApp(r); err == nil {
				rules, err = readRules(r)
			}
			return err
		})
		if err != nil {
			return err
		}
		use, err := s.prepare(a, rules)
		if err != nil {
			return err
		}
		if s.use(version, use) {
			return nil
		}
	}
}

// prepare compiles what is stored for the gates. Error: the rules cannot be used.
func (s *Service) prepare(a app, rules []record) (use func(), err error) {
	compiled := make([]accessrules.Rule, len(rules))
	for i, r := range rules {
		if compiled[i], err = r.compile(); err != nil {
			s.Logger.Error("a rule of the API cannot be read: it admits nobody", zap.String("path", r.Path), zap.Error(err))
		}
	}
	take, err := s.gate().Prepare(compiled)
	if err != nil {
		return nil, err
	}
	choice := accessrules.Choice{Upstream: value(a.EntryPoint), Backend: a.Backend, Key: a.key}
	return func() {
		take()
		s.unrestricted.Store(!a.CORSRestricted)
		for _, g := range s.gates {
			if err := g.Choose(choice); err != nil {
				s.Logger.Warn("the API chose an upstream that the gate does not list: the first is used", zap.String("gate", g.Name), zap.String("upstream", choice.Upstream))
				other := choice
				other.Upstream = ""
				_ = g.Choose(other)
			}
		}
	}, nil
}

// written is the number of writes so far.
func (s *Service) written() int {
	s.loading.Lock()
	defer s.loading.Unlock()
	return s.version
}

// use puts what was read at a version in force, unless something was written since.
func (s *Service) use(version int, use func()) bool {
	s.loading.Lock()
	defer s.loading.Unlock()
	if s.version != version {
		return false
	}
	use()
	return true
}

// apply puts what a transaction has written in force when it is committed. Errors: 400, the rules cannot be used.
func (s *Service) apply(tx *store.Tx) error {
	a, err := s.readApp(tx)
	if err != nil {
		return err
	}
	rules, err := readRules(tx)
	if err != nil {
		return err
	}
	use, err := s.prepare(a, rules)
	if err != nil {
		return err
	}
	tx.AfterCommit(func() {
		s.loading.Lock()
		defer s.loading.Unlock()
		s.version++
		use()
	})
	return nil
}

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
		_ = s.Store.Read(context.Background(), func(r store.Reader) error {
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

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
