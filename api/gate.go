package api

import (
	"fmt"
	"slices"

	"github.com/caddy-tollgate/tollgate/accessrules"
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
