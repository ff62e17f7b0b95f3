package accessrules

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
)

// Live is the rules of a gate while it runs: those of the Caddyfile, which stay, and behind them those of the API, which may be
// replaced at any time (decisions 47, 58). It is safe for concurrent use.
type Live struct {
	// Name of the gate; the API's rules, and rules over /api, belong to the one named DefaultGate.
	Name string
	// Upstreams are the addresses among which the API may choose, the default one first (decisions 21, 59).
	Upstreams []string

	fixed  []Rule
	mu     sync.Mutex // of those who change it
	ruling atomic.Pointer[ruling]
	choice atomic.Pointer[Choice]
}

// DefaultGate is the name of a gate whose block has none.
const DefaultGate = "default"

// ruling is the rules at a time.
type ruling struct{ set, over *Set }

// A Backend is how the upstream learns who calls, by the numbers of access.md B.1 session_backend.
type Backend uint8

// Backends.
const (
	NoSession Backend = iota
	CookieSession
	JWTSession
)

// A Choice is what the App record says of a gate (access.md B.1). The Caddyfile overrides what it says itself.
type Choice struct {
	Upstream string // entry_point, one of Upstreams; "": the first
	Backend  Backend
	Key      string // enc_key; "": the process-wide one
}

// NewLive makes the rules of a gate from the Caddyfile's. Errors are those of Compile.
func NewLive(name string, fixed []Rule, upstreams []string) (*Live, error) {
	l := &Live{Name: name, Upstreams: slices.Clone(upstreams), fixed: slices.Clone(fixed)}
	l.choice.Store(&Choice{Backend: JWTSession})
	return l, l.Replace(nil)
}

// Fixed are the Caddyfile's rules, in order. They must not be changed.
func (l *Live) Fixed() []Rule { return l.fixed }

// Replace puts the API's rules, in the order of their ranks, in place of those that it had: the next request sees them. Nothing
// changes when they cannot be used: *RuleError.
func (l *Live) Replace(api []Rule) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	rules := slices.Concat(l.fixed, api)
	set, err := Compile(rules)
	if err != nil {
		return err
	}
	next := &ruling{set: set}
	if over := BuiltinRules(rules); len(over) > 0 && l.Name == DefaultGate {
		if next.over, err = Compile(over); err != nil {
			return err
		}
	}
	l.ruling.Store(next)
	return nil
}

// Set is the rules in force.
func (l *Live) Set() *Set { return l.ruling.Load().set }

// Over is the rules in force over built-in endpoints, nil for none (access.md B.4).
func (l *Live) Over() *Set { return l.ruling.Load().over }

// ErrUnlisted says that an upstream is not one that the configuration lists (decision 21).
var ErrUnlisted = errors.New("this upstream is not listed in the configuration")

// Choose takes what the App record says. Error: ErrUnlisted, and nothing changes.
func (l *Live) Choose(c Choice) error {
	if c.Upstream != "" && !slices.Contains(l.Upstreams, c.Upstream) {
		return ErrUnlisted
	}
	l.choice.Store(&c)
	return nil
}

// Chosen is what was chosen last; it must not be changed. Whatever was made from it is good while Chosen returns the same pointer.
func (l *Live) Chosen() *Choice { return l.choice.Load() }

// Upstream is the address that requests are sent to, "" when none is listed.
func (l *Live) Upstream() string {
	if c := l.choice.Load(); c.Upstream != "" {
		return c.Upstream
	}
	if len(l.Upstreams) > 0 {
		return l.Upstreams[0]
	}
	return ""
}
