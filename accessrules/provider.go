package accessrules

import "time"

// IsManager reports whether a user holds a manager role that counts on one of the profiles. An anonymous (nil) user does not.
func IsManager(u *User, now time.Time, profiles ...string) bool {
	return u != nil && (&Query{Caller: u, Now: now}).ManagerOf(profiles...)
}

// Access is the roles of a user that count, on active profiles: accessible_by of access.md A.1. There is one role a profile.
func Access(u *User, now time.Time) []*Role {
	if u == nil {
		return nil
	}
	return appendAccess(nil, u, now)
}

func appendAccess(roles []*Role, u *User, now time.Time) []*Role {
	for i := range u.Roles {
		if r := &u.Roles[i]; u.opens(r, now) {
			roles = append(roles, r)
		}
	}
	return roles
}

// ManagerOf reports whether the caller is a manager of one of the profiles. The broker's managers are not, unless the broker is
// among the profiles: see IsBrokerManager.
func (q *Query) ManagerOf(profiles ...string) bool {
	if q.Caller == nil {
		return false
	}
	for i := range q.Caller.Roles {
		r := &q.Caller.Roles[i]
		if r.Description != Manager || !q.holds(r) {
			continue
		}
		for _, slug := range profiles {
			if r.Profile.Slug == slug {
				return true
			}
		}
	}
	return false
}

// IsBrokerManager reports whether the caller is a manager of the broker.
func (q *Query) IsBrokerManager() bool { return q.ManagerOf(q.Facts.Broker()) }

// IsBrokerStaff reports whether the caller is a manager or a contributor of the broker: who is told that an object does not
// exist (404) where others are refused (403, decision 27).
func (q *Query) IsBrokerStaff() bool {
	if q.Caller == nil {
		return false
	}
	broker := q.Facts.Broker()
	for i := range q.Caller.Roles {
		r := &q.Caller.Roles[i]
		if r.Profile.Slug == broker && (r.Description == Manager || r.Description == Contributor) && q.holds(r) {
			return true
		}
	}
	return false
}

// MaySell reports whether the caller may act for the owner of a plan or of a sale: a manager of the provider, or of the broker
// (access.md A.1 provider writes; decisions 16, 30, 36, 37).
func (q *Query) MaySell(provider string) bool {
	return q.ManagerOf(provider, q.Facts.Broker())
}

// SellsTo is the slugs of the providers of p that the caller manages, each once: whose plans and sales the caller may write
// where {profile} is the customer. Providers of ended subscriptions are among them (decision 3: their past sales are theirs).
// The broker is among them only as a provider of its own; see MaySell.
func (q *Query) SellsTo(p *Profile) []string {
	if p == nil || q.Caller == nil {
		return nil
	}
	var providers []string
	for i := range q.Caller.Roles {
		r := &q.Caller.Roles[i]
		if r.Description == Manager && q.holds(r) && p.subscribedTo(r.Profile.Slug) {
			providers = append(providers, r.Profile.Slug)
		}
	}
	return providers
}

// MayWriteProfile reports whether the caller may write a profile itself: its record, picture, roles, card, checkout. Managers of
// the profile and of the broker may; a manager of a provider may while the profile is a shadow with a current subscription to a
// plan of that provider (access.md A.1, decisions 3, 30, 31). Nobody may delete a profile by the second way: see
// MayDeleteProfile.
func (q *Query) MayWriteProfile(p *Profile) bool {
	if q.MayDeleteProfile(p) {
		return true
	}
	if p == nil || p.Managed || q.Caller == nil || q.frozen() {
		return false
	}
	for i := range q.Caller.Roles {
		r := &q.Caller.Roles[i]
		if r.Description == Manager && q.holds(r) && p.subscribedNow(r.Profile.Slug, q.Now) {
			return true
		}
	}
	return false
}

// MayDeleteProfile reports whether the caller is a manager of the profile or of the broker. p may be nil: an unknown profile.
func (q *Query) MayDeleteProfile(p *Profile) bool {
	if q.frozen() {
		return false
	}
	return q.IsBrokerManager() || p != nil && q.ManagerOf(p.Slug)
}

// providerWrites is the condition of that name of access.md A.1.
type providerWrites uint8

const (
	writesProfile  providerWrites = iota // the profile itself
	deletesProfile                       // its end
	writesPlan                           // a subscription to {subscribed_plan}
)

var providerWritesWords = [...]string{"profile_writes", "profile_deletes", "plan_writes"}

// ProviderWrites narrows Provider for requests that write {profile} itself: see Query.MayWriteProfile. Requests that read pass.
// It stands behind Provider in a chain.
func ProviderWrites() Condition { return writesProfile }

// ProfileDeletes narrows Provider for the deletion of {profile}: its managers and the broker's only (decision 30).
func ProfileDeletes() Condition { return deletesProfile }

// PlanWrites narrows Provider for requests that write the subscription of {profile} to {subscribed_plan}: managers of {profile},
// of the plan's owner, of the broker (access.md A.1).
func PlanWrites() Condition { return writesPlan }

func (w providerWrites) Check(q *Query) Verdict { return q.cured(w) }

func (w providerWrites) check(q *Query) Verdict {
	if q.reads() {
		return Verdict{}
	}
	if v := identified(q); !v.OK() {
		return v
	}
	if q.frozen() {
		return Verdict{Reason: ReadOnlySite}
	}
	slug := q.Params.Get("profile")
	if q.IsBrokerManager() || slug != "" && q.ManagerOf(slug) {
		return Verdict{}
	}
	var ok bool
	var err error
	switch w {
	case writesProfile:
		var p *Profile
		p, err = q.Facts.Profile(slug)
		ok = q.MayWriteProfile(p)
	case writesPlan:
		var p *Plan
		p, err = q.Facts.Plan(q.Params.Get("subscribed_plan"))
		ok = p != nil && q.ManagerOf(p.Provider)
	}
	if err != nil {
		return unavailable(err)
	}
	if !ok {
		return Verdict{Reason: RoleMissing}
	}
	return Verdict{}
}

func (w providerWrites) String() string { return providerWritesWords[w] }
