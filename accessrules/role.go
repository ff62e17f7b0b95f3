package accessrules

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// Role descriptions that the contract knows by name (access.md A.1).
const (
	Manager     = "manager"     // may do everything
	Contributor = "contributor" // may read
)

// reach says whose role counts in a role test, besides the broker's.
type reach uint8

const (
	reachDirect       reach = iota // the profile
	reachProvider                  // the profile and its providers
	reachProviderOnly              // its providers
	reachReadable                  // the profile, and its providers to read
	reachSelf                      // the profiles of a user and their providers
)

var reachWords = [...]string{"direct", "provider", "provider_only", "provider_readable", "self"}

// roleTest is operations 3 to 14 and 18: the caller has a role on one of a set of candidate profiles, the broker always among
// them. A manager passes with any method and strength, the other roles as the strength says.
type roleTest struct {
	reach    reach
	roles    slugs // none: contributor
	strength Strength
	brokers  []string
	profile  string // "": the {profile} of the path
	user     string // reachSelf; "": the {user} of the path
}

func newRoleTest(r reach, options []RoleOption) *roleTest {
	t := &roleTest{reach: r}
	for _, o := range options {
		o.role(t)
	}
	return t
}

// Direct holds for who has a role on {profile} or on the broker (operations 3, 4, 5). Without {profile}, or with one that does
// not exist, the broker alone counts.
func Direct(options ...RoleOption) Condition { return newRoleTest(reachDirect, options) }

// Provider holds for who has a role on {profile}, on the broker, or on the owner of a plan that {profile} is or was subscribed
// to (operations 6, 7, 8).
func Provider(options ...RoleOption) Condition { return newRoleTest(reachProvider, options) }

// ProviderOnly is Provider without the roles on {profile} itself (operations 9, 10, 11).
func ProviderOnly(options ...RoleOption) Condition { return newRoleTest(reachProviderOnly, options) }

// ProviderReadable holds where Direct does, and lets providers read (operation 18). It has no strength.
func ProviderReadable(options ...RoleOption) Condition {
	t := newRoleTest(reachReadable, options)
	t.strength = Normal
	return t
}

func (t *roleTest) Check(q *Query) Verdict { return q.cured(t) }

func (t *roleTest) check(q *Query) Verdict {
	if v := identified(q); !v.OK() {
		return v
	}
	if q.frozen() {
		return Verdict{Reason: ReadOnlySite}
	}
	var ok bool
	var err error
	if t.reach == reachSelf {
		ok, err = t.self(q)
	} else {
		ok, err = t.passes(q)
	}
	if err != nil {
		return unavailable(err)
	}
	if !ok {
		return Verdict{Reason: RoleMissing}
	}
	return Verdict{}
}

// passes tests the caller's roles against the candidates. Providers are looked up only when everything else failed.
func (t *roleTest) passes(q *Query) (bool, error) {
	profile := t.subject(q)
	if t.onBroker(q) {
		return true, nil
	}
	if profile == "" {
		return false, nil
	}
	if t.reach != reachProviderOnly && t.onProfile(q, profile) {
		return true, nil
	}
	switch t.reach {
	case reachDirect:
		return false, nil
	case reachReadable:
		if !q.reads() && q.Method != http.MethodOptions {
			return false, nil
		}
	}
	if !t.anywhere(q) {
		return false, nil
	}
	p, err := q.Facts.Profile(profile)
	if p == nil || err != nil {
		return false, err
	}
	return t.onProvider(q, p), nil
}

// subject is the profile that the test is about.
func (t *roleTest) subject(q *Query) string {
	if t.profile != "" {
		return t.profile
	}
	return q.Params.Get("profile")
}

// grants reports whether a role in force is enough for the request, wherever it is held.
func (t *roleTest) grants(q *Query, r *Role) bool {
	if !q.holds(r) {
		return false
	}
	if r.Description == Manager {
		return true
	}
	switch t.strength {
	case Strong:
		return false
	case Normal:
		if !q.reads() {
			return false
		}
	}
	if len(t.roles.values) == 0 {
		return r.Description == Contributor
	}
	return t.roles.has(r.Description)
}

// anywhere reports whether the caller has any role that would be enough on some profile: if not, nothing need be looked up.
func (t *roleTest) anywhere(q *Query) bool {
	for i := range q.Caller.Roles {
		if t.grants(q, &q.Caller.Roles[i]) {
			return true
		}
	}
	return false
}

func (t *roleTest) onBroker(q *Query) bool {
	broker := q.Facts.Broker()
	for i := range q.Caller.Roles {
		r := &q.Caller.Roles[i]
		if (r.Profile.Slug == broker || slices.Contains(t.brokers, r.Profile.Slug)) && t.grants(q, r) {
			return true
		}
	}
	return false
}

func (t *roleTest) onProfile(q *Query, profile string) bool {
	for i := range q.Caller.Roles {
		if r := &q.Caller.Roles[i]; r.Profile.Slug == profile && t.grants(q, r) {
			return true
		}
	}
	return false
}

func (t *roleTest) onProvider(q *Query, p *Profile) bool {
	for i := range q.Caller.Roles {
		if r := &q.Caller.Roles[i]; p.subscribedTo(r.Profile.Slug) && t.grants(q, r) {
			return true
		}
	}
	return false
}

// subscribedTo reports whether a profile has a valid subscription, ended or not, to a plan of provider (providers_to of
// access.md A.1).
func (p *Profile) subscribedTo(provider string) bool {
	for i := range p.Subscriptions {
		if p.Subscriptions[i].Provider == provider {
			return true
		}
	}
	return false
}

// subscribedNow is subscribedTo, counting subscriptions that end after now only.
func (p *Profile) subscribedNow(provider string, now time.Time) bool {
	for i := range p.Subscriptions {
		if s := &p.Subscriptions[i]; s.Provider == provider && s.EndsAt.After(now) {
			return true
		}
	}
	return false
}

func (t *roleTest) String() string {
	roles := t.roles.values
	switch {
	case t.strength == Strong:
		roles = nil
	case len(roles) == 0:
		roles = []string{Contributor}
	}
	return sentence(reachWords[t.reach], roles, t.strength,
		"profile", t.profile, "user", t.user, "brokers", strings.Join(t.brokers, ","))
}

// brokerTest holds for the staff of the broker, whatever the path names.
type brokerTest struct{ roleTest }

// BrokerStaff holds for managers of the broker, and for its contributors to read.
func BrokerStaff() Condition { return &brokerTest{*newRoleTest(reachDirect, nil)} }

// BrokerManager holds for managers of the broker.
func BrokerManager() Condition {
	return &brokerTest{*newRoleTest(reachDirect, []RoleOption{Strong})}
}

func (t *brokerTest) Check(q *Query) Verdict { return q.cured(t) }

func (t *brokerTest) check(q *Query) Verdict {
	if v := identified(q); !v.OK() {
		return v
	}
	if q.frozen() {
		return Verdict{Reason: ReadOnlySite}
	}
	if !t.onBroker(q) {
		return Verdict{Reason: RoleMissing}
	}
	return Verdict{}
}

func (t *brokerTest) String() string {
	if t.strength == Strong {
		return "broker strong"
	}
	return "broker"
}
