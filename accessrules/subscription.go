package accessrules

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// due says how good a subscription must be.
type due uint8

const (
	everDue    due = iota // operation 16: it exists, ended or not
	currentDue            // decision 57: it has not ended
	paidDue               // operation 15: it has not ended and nothing is owed on it
)

var dueWords = [...]string{"ever_subscribed", "subscribed", "paid"}

// subscriptionTest is operations 15 and 16, and operation 15 without its balance test.
type subscriptionTest struct {
	due     due
	plans   slugs
	brokers []string
	profile string // "": the {profile} of the path, or else any profile of the caller
	grace   time.Duration
}

func newSubscriptionTest(d due, options []SubscriptionOption) *subscriptionTest {
	t := &subscriptionTest{due: d}
	for _, o := range options {
		o.subscription(t)
	}
	return t
}

// Subscribed holds when a profile of the caller, or {profile} when the path names it, has a current subscription to one of the
// plans, paid or not (decision 57). The staff of the broker and of the plan's owner pass.
func Subscribed(options ...SubscriptionOption) Condition {
	return newSubscriptionTest(currentDue, options)
}

// Paid is Subscribed, and nothing is owed on the subscription (operation 15).
func Paid(options ...SubscriptionOption) Condition { return newSubscriptionTest(paidDue, options) }

// EverSubscribed is Subscribed for subscriptions that may have ended (operation 16).
func EverSubscribed(options ...SubscriptionOption) Condition {
	return newSubscriptionTest(everDue, options)
}

// staff is step 1 of operations 15 and 16: Direct on no profile.
func (t *subscriptionTest) staff() roleTest {
	return roleTest{brokers: t.brokers}
}

func (t *subscriptionTest) Check(q *Query) Verdict { return q.cured(t) }

func (t *subscriptionTest) check(q *Query) Verdict {
	if v := identified(q); !v.OK() {
		return v
	}
	profile := t.profile
	if profile == "" {
		profile = q.Params.Get("profile")
	}
	found := t.search(q, profile)
	if found.good {
		return Verdict{}
	}
	test := t.staff()
	staff := test.onBroker(q)
	if staff && !q.frozen() {
		return Verdict{}
	}
	owner, err := t.ownerStaff(q, profile)
	switch {
	case err != nil:
		return unavailable(err)
	case owner:
		return Verdict{}
	case staff:
		return Verdict{Reason: ReadOnlySite}
	case t.due == everDue:
		return t.refuseEver(q, profile)
	case found.locked.subscription != nil:
		return Verdict{
			Reason: BalanceDue,
			Target: "/billing/" + url.PathEscape(found.locked.of.Slug) + "/balance/" + url.PathEscape(found.locked.subscription.Plan) + "/",
		}
	}
	return t.refuse(q, profile, found.ended.subscription != nil)
}

// A finding is what a search among the subscriptions of the caller's profiles came to.
type finding struct {
	good   bool // one is good enough
	ended  held // of those that have ended, the last
	locked held // of those that would do but for what is owed on them, the last to end
}

// held is a subscription of one of the caller's profiles, none at first.
type held struct {
	subscription *Subscription
	of           *Profile
}

// keep keeps a subscription that ends later.
func (h *held) keep(s *Subscription, of *Profile) {
	if h.subscription == nil || !s.EndsAt.Before(h.subscription.EndsAt) {
		h.subscription, h.of = s, of
	}
}

// search looks among the valid subscriptions of the profiles that the caller has access to (accessible_by of access.md A.1).
// An unknown profile is one that the caller has no access to: the two cannot be told apart (decision 27).
func (t *subscriptionTest) search(q *Query, profile string) (f finding) {
	for i := range q.Caller.Roles {
		r := &q.Caller.Roles[i]
		if !q.opens(r) || profile != "" && r.Profile.Slug != profile {
			continue
		}
		for j := range r.Profile.Subscriptions {
			s := &r.Profile.Subscriptions[j]
			switch {
			case !t.wants(s.Plan):
			case t.due != everDue && s.EndsAt.Add(t.grace).Before(q.Now):
				f.ended.keep(s, r.Profile)
			case t.due == paidDue && s.Locked:
				f.locked.keep(s, r.Profile)
			default:
				f.good = true
				return f
			}
		}
	}
	return f
}

// wants reports whether a subscription to plan counts.
func (t *subscriptionTest) wants(plan string) bool {
	return len(t.plans.values) == 0 || t.plans.has(plan)
}

// ownerStaff reports whether the caller has any role on a profile that owns one of the plans; without plans, one that owns a
// plan that the profiles in question are or were subscribed to.
func (t *subscriptionTest) ownerStaff(q *Query, profile string) (bool, error) {
	for _, slug := range t.plans.values {
		plan, err := q.Facts.Plan(slug)
		if err != nil {
			return false, err
		}
		if plan != nil && q.hasAccess(plan.Provider) {
			return true, nil
		}
	}
	if len(t.plans.values) > 0 {
		return false, nil
	}
	for i := range q.Caller.Roles {
		r := &q.Caller.Roles[i]
		if !q.opens(r) || profile != "" && r.Profile.Slug != profile {
			continue
		}
		for j := range r.Profile.Subscriptions {
			if q.hasAccess(r.Profile.Subscriptions[j].Provider) {
				return true, nil
			}
		}
	}
	return false, nil
}

// hasAccess reports whether the caller has a role that counts on an active profile.
func (q *Query) hasAccess(profile string) bool {
	for i := range q.Caller.Roles {
		if r := &q.Caller.Roles[i]; r.Profile.Slug == profile && q.opens(r) {
			return true
		}
	}
	return false
}

// refuseEver is step 4 of operation 16.
func (t *subscriptionTest) refuseEver(q *Query, profile string) Verdict {
	if profile != "" && len(t.plans.values) > 0 && t.search(q, "").good {
		// Another profile of the caller is subscribed: buying again would not be what they want.
		return Verdict{Reason: NotSubscribed}
	}
	if len(t.plans.values) != 1 {
		return Verdict{Reason: NotSubscribed, Target: "/pricing/"}
	}
	return t.sell(q, profile, NotSubscribed, false)
}

// refuse is the end of step 3 of operation 15.
func (t *subscriptionTest) refuse(q *Query, profile string, ended bool) Verdict {
	reason := NotSubscribed
	if ended {
		reason = Expired
	}
	if len(t.plans.values) != 1 {
		return Verdict{Reason: reason, Target: "/pricing/"}
	}
	return t.sell(q, profile, reason, true)
}

// sell refuses with a way to the checkout of the one plan that the condition names.
func (t *subscriptionTest) sell(q *Query, profile string, reason Reason, unpriced bool) Verdict {
	plan, err := q.Facts.Plan(t.plans.values[0])
	switch {
	case err != nil:
		return unavailable(err)
	case plan == nil:
		return Verdict{Reason: NotFound}
	case !plan.Priced && !unpriced:
		return Verdict{Reason: reason, Target: "/pricing/"}
	}
	v := Verdict{Reason: reason, Target: "/billing/cart/"}
	if profile != "" {
		v.Target = "/billing/" + url.PathEscape(profile) + "/cart/"
	}
	if q.Page && q.Method == http.MethodGet {
		v.Cart = plan.Slug // only a person who navigates there buys (access.md B.3)
	}
	return v
}

func (t *subscriptionTest) String() string {
	grace := ""
	if t.grace != 0 {
		grace = t.grace.String()
	}
	return sentence(dueWords[t.due], t.plans.values, Normal,
		"profile", t.profile, "brokers", strings.Join(t.brokers, ","), "grace", grace)
}
