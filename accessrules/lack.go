package accessrules

import (
	"cmp"
	"slices"
)

// A Lack is what a condition asks for that does not hold, as far as the caller may be told. Of a profile are told those who have
// a role on it or an invitation to one; everybody else is told nothing, and the same of a profile that does not exist (pages.md 4).
type Lack struct {
	Told      bool          // the caller may be told the rest, which is empty otherwise
	Profile   *Profile      // that the condition is about, nil for none in particular
	Invited   bool          // the caller is invited to Profile, and has not answered
	Held      []string      // roles of the caller on Profile
	Roles     []string      // of which one is asked for, besides a manager's
	Plans     []string      // of which one is asked for; none: any
	Agreement string        // that is asked for
	Was       *Subscription // that has ended, or on which something is due; nil for none
}

// LackOf tells what the condition asks for that refused a query.
func LackOf(c Condition, q *Query) Lack {
	if q.Caller == nil {
		return Lack{}
	}
	if class, ok := c.(*classCondition); ok {
		c = class.all
	}
	if list, ok := c.(all); ok {
		i := slices.IndexFunc(list, func(c Condition) bool { return !c.Check(q).OK() })
		if i < 0 {
			return Lack{}
		}
		return LackOf(list[i], q)
	}
	l := lackOf(c, q)
	if !l.Told {
		return Lack{}
	}
	return l
}

// lackOf is LackOf for one condition, which may hold what the caller is not told.
func lackOf(c Condition, q *Query) (l Lack) {
	asked := argumentsOf(c)
	slug := asked.profile
	if slug == "" {
		slug = q.Params.Get("profile")
	}
	l.Roles, l.Plans = asked.roles.values, asked.plans.values
	switch c := c.(type) {
	case agreement:
		l.Agreement = cmp.Or(asked.agreement, q.Params.Get("agreement"), TermsOfUse)
		l.Told = true
		return l
	case *subscriptionTest:
		if l.Told = slug == ""; !l.Told { // else about any profile of the caller
			l.about(q, slug)
		}
		if l.Told {
			l.last(c, q, slug)
		}
		return l
	case *roleTest:
		switch {
		case c.reach == reachProviderOnly || c.reach == reachSelf:
			return Lack{} // no role on the profile would do
		case c.strength == Strong:
			l.Roles = []string{Manager}
		case len(l.Roles) == 0:
			l.Roles = []string{Contributor}
		}
		if c.strength == Normal && !q.reads() {
			l.Roles = []string{Manager}
		}
	}
	l.about(q, slug)
	return l
}

// about finds the profile, if the caller may be told of it.
func (l *Lack) about(q *Query, slug string) {
	if slug == "" {
		return
	}
	for i := range q.Caller.Roles {
		if r := &q.Caller.Roles[i]; r.Profile.Slug == slug && r.Valid(q.Now) {
			l.Told, l.Profile, l.Held = true, r.Profile, append(l.Held, r.Description)
		}
	}
	if l.Profile == nil && slices.Contains(q.Caller.Pending, slug) {
		if p, err := q.Facts.Profile(slug); err == nil && p != nil {
			l.Told, l.Profile, l.Invited = true, p, true
		}
	}
}

// last finds the subscription that the verdict is about: on which something is due, or else that ended last.
func (l *Lack) last(t *subscriptionTest, q *Query, slug string) {
	found := t.search(q, slug)
	was := found.locked
	if was.subscription == nil {
		was = found.ended
	}
	if was.subscription == nil {
		return
	}
	l.Was, l.Profile = was.subscription, was.of
	if slug == "" {
		l.about(q, was.of.Slug)
	}
}
