package accessrules_test

import (
	"slices"
	"time"

	"github.com/caddy-tollgate/tollgate/accessrules"
)

// The oracle decides from the rows of a world, step by step as access.md B.3 has it, without any of the package's code.

// operation of access.md B.3; subscribed is decision 57.
const subscribed = 100

type arguments struct {
	profile, user, agreement string
	roles, plans, brokers    []string
	grace                    time.Duration
}

type call struct {
	user, method    string
	profile, target string // {profile} and {user} of the path
	agreement       string
	page, readOnly  bool
}

type outcome struct {
	reason       accessrules.Reason
	target, cart string
}

func (w *world) validRole(r roleRow) bool {
	return !r.grant && !r.request && (r.ends.IsZero() || r.ends.After(now))
}

// counts is decision 68: a role that asks for one-time passwords does not count until its holder has them.
func (w *world) counts(r roleRow) bool {
	return w.validRole(r) && (!w.otpRoles[r.description] || w.find(r.user).otp)
}

func (w *world) find(user string) *userRow {
	for i := range w.users {
		if w.users[i].name == user {
			return &w.users[i]
		}
	}
	return nil
}

func (w *world) archived(slug string) bool {
	for _, p := range w.profiles {
		if p.slug == slug {
			return p.archived
		}
	}
	return true
}

func (w *world) accessibleBy(user string) (profiles []string) {
	for _, r := range w.roles {
		if r.user == user && w.validRole(r) && !w.archived(r.profile) {
			profiles = append(profiles, r.profile)
		}
	}
	return profiles
}

func (w *world) countingFor(user string) (profiles []string) {
	for _, r := range w.roles {
		if r.user == user && w.counts(r) && !w.archived(r.profile) {
			profiles = append(profiles, r.profile)
		}
	}
	return profiles
}

func (w *world) ownerOf(plan string) string {
	for _, p := range w.plans {
		if p.slug == plan {
			return p.owner
		}
	}
	return ""
}

func (w *world) providersTo(profile string) (providers []string) {
	for _, s := range w.subs {
		if s.profile == profile && !s.grant && !s.request {
			providers = append(providers, w.ownerOf(s.plan))
		}
	}
	return providers
}

func (w *world) roleTest(c call, candidates []string, strength accessrules.Strength, roles []string) bool {
	if c.readOnly && !slices.Contains([]string{"GET", "HEAD", "OPTIONS", "TRACE"}, c.method) {
		return false
	}
	if len(roles) == 0 {
		roles = []string{"contributor"}
	}
	for _, r := range w.roles {
		if r.user != c.user || !w.counts(r) || !slices.Contains(candidates, r.profile) {
			continue
		}
		if r.description == "manager" {
			return true
		}
		if !slices.Contains(roles, r.description) {
			continue
		}
		if strength == accessrules.Weak || strength == accessrules.Normal && (c.method == "GET" || c.method == "HEAD") {
			return true
		}
	}
	return false
}

// decide is the answer to a caller. Where one-time passwords are all that is wanting, it is the way to them.
func (w *world) decide(op int, a arguments, c call) outcome {
	o := w.decideAsIs(op, a, c)
	user := w.find(c.user)
	if user == nil || user.otp || o == (outcome{}) {
		return o
	}
	user.otp = true
	defer func() { user.otp = false }()
	if w.decideAsIs(op, a, c) == (outcome{}) {
		return outcome{reason: accessrules.OTPRequired, target: "/users/" + user.name + "/password/"}
	}
	return o
}

func (w *world) decideAsIs(op int, a arguments, c call) outcome {
	user := w.find(c.user)
	if op == 0 {
		return outcome{}
	}
	if user == nil {
		return outcome{reason: accessrules.Unauthenticated, target: "/login/"}
	}
	profile, target := c.profile, c.target
	if a.profile != "" {
		profile = a.profile
	}
	if a.user != "" {
		target = a.user
	}
	switch op {
	case 1:
		return outcome{}
	case 2:
		return w.agreement(user, a, c)
	case 17:
		return w.active(user)
	case 15, 16, subscribed:
		return w.subscription(op, a, c, profile)
	}
	brokers := append([]string{w.broker}, a.brokers...)
	strength := accessrules.Strength((op - 3) % 3)
	var pass bool
	switch {
	case op <= 5:
		pass = w.roleTest(c, append(brokers, profile), strength, a.roles)
	case op <= 8:
		pass = w.roleTest(c, slices.Concat(brokers, []string{profile}, w.providersTo(profile)), strength, a.roles)
	case op <= 11:
		pass = w.roleTest(c, slices.Concat(brokers, w.providersTo(profile)), strength, a.roles)
	case op <= 14:
		pass = w.self(c, target, strength, a.roles)
	case op == 18:
		pass = w.roleTest(c, append(brokers, profile), accessrules.Normal, a.roles)
		if !pass && (c.method == "GET" || c.method == "HEAD" || c.method == "OPTIONS") {
			pass = w.roleTest(c, append(brokers, w.providersTo(profile)...), accessrules.Normal, a.roles)
		}
	}
	if pass {
		return outcome{}
	}
	if c.readOnly && !slices.Contains([]string{"GET", "HEAD", "OPTIONS", "TRACE"}, c.method) {
		return outcome{reason: accessrules.ReadOnlySite}
	}
	return outcome{reason: accessrules.RoleMissing}
}

func (w *world) agreement(u *userRow, a arguments, c call) outcome {
	slug := "terms-of-use"
	if c.agreement != "" {
		slug = c.agreement
	}
	if a.agreement != "" {
		slug = a.agreement
	}
	updated, exists := w.agreements[slug]
	signed, has := u.signed[slug]
	if !exists || has && (signed.Equal(updated) || signed.After(updated)) {
		return outcome{}
	}
	return outcome{reason: accessrules.TermsUnsigned, target: "/legal/" + slug + "/sign/"}
}

func (w *world) active(u *userRow) outcome {
	if !u.password {
		return outcome{reason: accessrules.NotActivated, target: "/login/"}
	}
	return outcome{}
}

func (w *world) self(c call, target string, strength accessrules.Strength, roles []string) bool {
	frozen := c.readOnly && !slices.Contains([]string{"GET", "HEAD", "OPTIONS", "TRACE"}, c.method)
	if target != "" && target == c.user && !frozen {
		return true
	}
	candidates := []string{w.broker}
	for _, u := range w.users {
		if u.name == target && !u.inactive {
			for _, p := range w.accessibleBy(target) {
				candidates = append(append(candidates, p), w.providersTo(p)...)
			}
		}
	}
	return w.roleTest(c, candidates, strength, roles)
}

func (w *world) subscription(op int, a arguments, c call, profile string) outcome {
	wanted := func(plan string) bool { return len(a.plans) == 0 || slices.Contains(a.plans, plan) }
	all := w.countingFor(c.user)
	mine := all
	if profile != "" {
		mine = nil
		if slices.Contains(all, profile) {
			mine = []string{profile}
		}
	}
	var subs []subRow // valid, of mine
	for _, s := range w.subs {
		if !s.grant && !s.request && slices.Contains(mine, s.profile) {
			subs = append(subs, s)
		}
	}
	// 1
	if w.roleTest(c, append([]string{w.broker}, a.brokers...), accessrules.Normal, nil) {
		return outcome{}
	}
	wasStaff := c
	wasStaff.readOnly = false
	frozenStaff := w.roleTest(wasStaff, append([]string{w.broker}, a.brokers...), accessrules.Normal, nil)
	// 2
	owners := []string{}
	for _, p := range a.plans {
		owners = append(owners, w.ownerOf(p))
	}
	if len(a.plans) == 0 {
		for _, s := range subs {
			owners = append(owners, w.ownerOf(s.plan))
		}
	}
	for _, p := range all {
		if slices.Contains(owners, p) {
			return outcome{}
		}
	}
	// 3
	var kept []subRow
	ended := false
	for _, s := range subs {
		if !wanted(s.plan) {
			continue
		}
		if op != 16 && s.ends.Add(a.grace).Before(now) {
			ended = true
			continue
		}
		kept = append(kept, s)
	}
	if op != 15 && len(kept) > 0 {
		return outcome{}
	}
	for _, s := range kept {
		if !s.locked {
			return outcome{}
		}
	}
	if frozenStaff {
		return outcome{reason: accessrules.ReadOnlySite}
	}
	slices.SortStableFunc(kept, func(a, b subRow) int { return a.ends.Compare(b.ends) })
	if len(kept) > 0 {
		last := kept[len(kept)-1]
		return outcome{reason: accessrules.BalanceDue, target: "/billing/" + last.profile + "/balance/" + last.plan + "/"}
	}
	// 4
	reason := accessrules.NotSubscribed
	if ended {
		reason = accessrules.Expired
	}
	if op == 16 && profile != "" && len(a.plans) > 0 {
		for _, s := range w.subs {
			if !s.grant && !s.request && s.profile != profile && slices.Contains(all, s.profile) && wanted(s.plan) {
				return outcome{reason: reason}
			}
		}
	}
	if len(a.plans) != 1 {
		return outcome{reason: reason, target: "/pricing/"}
	}
	for _, p := range w.plans {
		if p.slug != a.plans[0] {
			continue
		}
		if op == 16 && p.unpriced {
			return outcome{reason: reason, target: "/pricing/"}
		}
		o := outcome{reason: reason, target: "/billing/cart/"}
		if profile != "" {
			o.target = "/billing/" + profile + "/cart/"
		}
		if c.page && c.method == "GET" {
			o.cart = p.slug
		}
		return o
	}
	return outcome{reason: accessrules.NotFound}
}
