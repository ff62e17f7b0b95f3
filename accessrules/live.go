package accessrules

import (
	"errors"
	"slices"
	"sync/atomic"
)

// Live is the rules of a gate while it runs: those of the Caddyfile, which stay, and behind them those of the API, which may be
// replaced at any time (decisions 47, 58). It is safe for concurrent use.
type Live struct {
	// Name of the gate; the API's rules, and rules over /api, belong to the one named DefaultGate.
	Name string
	// Upstreams are the addresses among which the API may choose, the default one first (decisions 21, 59).
	Upstreams []string
	// Backend is the form of sessions that the Caddyfile asks for, nil when the API chooses. Set before use.
	Backend *Backend
	// Key signs or encrypts sessions when the Caddyfile gives one, "" when the API does. Set before use.
	Key string
	// Sealed says that the Caddyfile's rules are all there are. Set before use.
	Sealed bool

	fixed  []Rule
	ruling atomic.Pointer[ruling]
	choice atomic.Pointer[Choice]
}

// Same reports whether two gates of one name stand for the same: a snippet has such, that several sites import.
func (l *Live) Same(o *Live) bool {
	same := slices.EqualFunc(l.fixed, o.fixed, func(a, b Rule) bool { return a.Path == b.Path && a.Source == b.Source && a.Text() == b.Text() })
	return same && slices.Equal(l.Upstreams, o.Upstreams) && l.Key == o.Key && l.Sealed == o.Sealed &&
		(l.Backend == nil) == (o.Backend == nil) && (l.Backend == nil || *l.Backend == *o.Backend)
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
	use, err := l.Prepare(api)
	if err == nil {
		use()
	}
	return err
}

// Prepare is Replace in two steps: what it returns puts the rules in force, at once, and may be called when a transaction has
// committed. Nothing changes when they cannot be used: *RuleError.
func (l *Live) Prepare(api []Rule) (use func(), err error) {
	rules := l.fixed
	if !l.Sealed {
		rules = slices.Concat(l.fixed, api)
	}
	set, err := Compile(rules)
	if err != nil {
		return nil, err
	}
	next := &ruling{set: set}
	if over := BuiltinRules(rules); len(over) > 0 && l.Name == DefaultGate {
		if next.over, err = Compile(over); err != nil {
			return nil, err
		}
	}
	return func() { l.ruling.Store(next) }, nil
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

// SessionOf is the form of sessions and the key of them under a choice: the Caddyfile's, or else the choice's, or else site, the
// process-wide key.
func (l *Live) SessionOf(c *Choice, site string) (Backend, string) {
	key := site
	if c.Key != "" {
		key = c.Key
	}
	if l.Key != "" {
		key = l.Key
	}
	return l.Form(c), key
}

// Form is the form of sessions under a choice.
func (l *Live) Form(c *Choice) Backend {
	if l.Backend != nil {
		return *l.Backend
	}
	return c.Backend
}
