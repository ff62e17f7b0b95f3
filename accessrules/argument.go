package accessrules

import (
	"slices"
	"strings"
	"time"
)

// A RoleOption is an argument of a role test: Direct, Provider, ProviderOnly, ProviderReadable, Self.
type RoleOption interface{ role(*roleTest) }

// A SubscriptionOption is an argument of Subscribed, Paid, EverSubscribed.
type SubscriptionOption interface{ subscription(*subscriptionTest) }

// slugs is an argument that is one slug or a list of slugs. The rules API keeps the two forms apart (access.md B.3).
type slugs struct {
	values []string
	list   bool
}

func slugsOf(values []string) slugs {
	return slugs{values: slices.Clone(values), list: len(values) != 1}
}

func (s slugs) has(slug string) bool { return slices.Contains(s.values, slug) }

type rolesOption slugs

// Roles names the role descriptions that pass besides manager: one of them is enough. The default is contributor.
func Roles(descriptions ...string) RoleOption { return rolesOption(slugsOf(descriptions)) }

func (o rolesOption) role(t *roleTest) { t.roles = slugs(o) }

func (s Strength) role(t *roleTest) { t.strength = s }

// String is the word of the Caddyfile, "" for Normal.
func (s Strength) String() string {
	switch s {
	case Weak:
		return "weak"
	case Strong:
		return "strong"
	}
	return ""
}

type brokersOption []string

// An Option is an argument of role tests and of tests of a subscription.
type Option interface {
	RoleOption
	SubscriptionOption
}

// Brokers names more profiles that are treated like the broker.
func Brokers(profiles ...string) Option { return brokersOption(slices.Clone(profiles)) }

func (o brokersOption) role(t *roleTest)                 { t.brokers = o }
func (o brokersOption) subscription(t *subscriptionTest) { t.brokers = o }

type profileOption string

// OnProfile fixes the profile in place of the {profile} of the path.
func OnProfile(slug string) Option { return profileOption(slug) }

func (o profileOption) role(t *roleTest)                 { t.profile = string(o) }
func (o profileOption) subscription(t *subscriptionTest) { t.profile = string(o) }

type userOption string

// OfUser fixes the user of Self in place of the {user} of the path.
func OfUser(username string) RoleOption { return userOption(username) }

func (o userOption) role(t *roleTest) { t.user = string(o) }

type plansOption slugs

// Plans names the plans: a subscription to one of them is enough. Without, a subscription to any plan will do.
func Plans(plans ...string) SubscriptionOption { return plansOption(slugsOf(plans)) }

func (o plansOption) subscription(t *subscriptionTest) { t.plans = slugs(o) }

type graceOption time.Duration

// Grace lets a subscription pass for some time after its end.
func Grace(d time.Duration) SubscriptionOption { return graceOption(d) }

func (o graceOption) subscription(t *subscriptionTest) { t.grace = time.Duration(o) }

// sentence prints a condition in the words of the Caddyfile: values first, then what is named. Slugs hold no "=", so that the
// two cannot be confused.
func sentence(word string, values []string, strength Strength, named ...string) string {
	var b strings.Builder
	b.WriteString(word)
	for _, v := range values {
		b.WriteByte(' ')
		b.WriteString(v)
	}
	if strength != Normal {
		b.WriteByte(' ')
		b.WriteString(strength.String())
	}
	for i := 0; i+1 < len(named); i += 2 {
		if named[i+1] != "" {
			b.WriteByte(' ')
			b.WriteString(named[i])
			b.WriteByte('=')
			b.WriteString(named[i+1])
		}
	}
	return b.String()
}
