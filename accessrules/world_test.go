package accessrules_test

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/caddy-tollgate/tollgate/accessrules"
)

var now = time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC)

const hour = time.Hour

// A world is what the tables of a database hold, in plain rows: the material of the oracle, and of the facts that conditions see.
type world struct {
	broker     string
	users      []userRow
	profiles   []profileRow
	roles      []roleRow
	plans      []planRow
	subs       []subRow
	agreements map[string]time.Time
	otpRoles   map[string]bool // descriptions with otp_required
}

type userRow struct {
	name     string
	password bool
	otp      bool
	inactive bool
	loggedIn bool
	signed   map[string]time.Time
}

type profileRow struct {
	slug     string
	archived bool
}

type roleRow struct {
	user, profile, description string
	grant, request             bool
	ends                       time.Time
}

type planRow struct {
	slug, owner string
	unpriced    bool
}

type subRow struct {
	profile, plan  string
	grant, request bool
	ends           time.Time
	locked         bool
}

// memory is facts made of a world, as a directory would make them.
type memory struct {
	broker     string
	users      map[string]*accessrules.User
	profiles   map[string]*accessrules.Profile
	plans      map[string]*accessrules.Plan
	agreements map[string]time.Time
	inactive   map[string]bool
	fail       string // the method that fails
}

var errDisk = errors.New("disk")

func (m *memory) Broker() string { return m.broker }

func (m *memory) Profile(slug string) (*accessrules.Profile, error) {
	if m.fail == "Profile" {
		return nil, errDisk
	}
	return m.profiles[slug], nil
}

func (m *memory) User(name string) (*accessrules.User, error) {
	if m.fail == "User" {
		return nil, errDisk
	}
	if m.inactive[name] {
		return nil, nil
	}
	return m.users[name], nil
}

func (m *memory) Plan(slug string) (*accessrules.Plan, error) {
	if m.fail == "Plan" {
		return nil, errDisk
	}
	return m.plans[slug], nil
}

func (m *memory) Agreement(slug string) (time.Time, error) {
	if m.fail == "Agreement" {
		return time.Time{}, errDisk
	}
	return m.agreements[slug], nil
}

func (w *world) facts() *memory {
	m := &memory{
		broker: w.broker, agreements: w.agreements,
		users: map[string]*accessrules.User{}, profiles: map[string]*accessrules.Profile{}, plans: map[string]*accessrules.Plan{},
		inactive: map[string]bool{},
	}
	for _, p := range w.plans {
		m.plans[p.slug] = &accessrules.Plan{Slug: p.slug, Title: strings.ToUpper(p.slug), Provider: p.owner, Active: true, Priced: !p.unpriced}
	}
	for _, p := range w.profiles {
		profile := &accessrules.Profile{Slug: p.slug, PrintableName: "The " + p.slug, Email: p.slug + "@example.com", Active: !p.archived, CreatedAt: now.AddDate(-1, 0, 0)}
		for _, s := range w.subs {
			if s.profile == p.slug && !s.grant && !s.request {
				profile.Subscriptions = append(profile.Subscriptions, accessrules.Subscription{Plan: s.plan, Provider: m.plans[s.plan].Provider, EndsAt: s.ends, Locked: s.locked})
			}
		}
		slices.SortStableFunc(profile.Subscriptions, func(a, b accessrules.Subscription) int { return a.EndsAt.Compare(b.EndsAt) })
		m.profiles[p.slug] = profile
	}
	for _, u := range w.users {
		user := &accessrules.User{Username: u.name, Email: u.name + "@example.com", Name: "The " + u.name, Credentials: u.password, OTP: u.otp, Signed: u.signed}
		if u.loggedIn {
			user.LastLogin = now
		}
		for _, r := range w.roles {
			switch {
			case r.user != u.name:
			case r.grant:
				user.Pending = append(user.Pending, r.profile)
			case r.request:
			default:
				p := m.profiles[r.profile]
				user.Roles = append(user.Roles, accessrules.Role{Profile: p, Description: r.description, OTPRequired: w.otpRoles[r.description], EndsAt: r.ends})
				if r.description == "manager" && (r.ends.IsZero() || r.ends.After(now)) && (u.password || u.loggedIn) && !u.inactive {
					p.Managed = true
				}
				if r.profile == u.name {
					p.Personal, p.Credentials = true, u.password
				}
			}
		}
		m.users[u.name] = user
		m.inactive[u.name] = u.inactive
	}
	return m
}

// query asks on behalf of a user; "" is anonymous. Parameters come in pairs.
func (m *memory) query(user, method string, params ...string) *accessrules.Query {
	q := &accessrules.Query{Facts: m, Now: now, Caller: m.users[user], Method: method}
	for i := 0; i+1 < len(params); i += 2 {
		if params[i+1] != "" {
			q.Params = append(q.Params, accessrules.Param{Name: params[i], Value: params[i+1]})
		}
	}
	return q
}

// The states of the subscription of acme to premium.
var subscriptionStates = map[string][]subRow{
	"none":      nil,
	"request":   {{profile: "acme", plan: "premium", request: true, ends: now.AddDate(0, 1, 0)}},
	"grant":     {{profile: "acme", plan: "premium", grant: true, ends: now.AddDate(0, 1, 0)}},
	"current":   {{profile: "acme", plan: "premium", ends: now.AddDate(0, 1, 0)}},
	"last":      {{profile: "acme", plan: "premium", ends: now}},
	"ended":     {{profile: "acme", plan: "premium", ends: now.Add(-time.Microsecond)}},
	"long ago":  {{profile: "acme", plan: "premium", ends: now.AddDate(-1, 0, 0)}},
	"locked":    {{profile: "acme", plan: "premium", ends: now.AddDate(0, 1, 0), locked: true}},
	"two":       {{profile: "acme", plan: "premium", ends: now.AddDate(0, 2, 0), locked: true}, {profile: "acme", plan: "basic", ends: now.AddDate(0, 1, 0)}},
	"both owed": {{profile: "acme", plan: "premium", ends: now.AddDate(0, 2, 0), locked: true}, {profile: "acme", plan: "basic", ends: now.AddDate(0, 1, 0), locked: true}},
}

// sampleWorld has one user for each kind of caller. acme is the customer; shop owns premium, basic and free; old owns vintage, to
// which acme was subscribed long ago; zoo is another customer; partner is what some rules name as a second broker.
func sampleWorld(state string) *world {
	past, future := now.AddDate(0, -1, 0), now.AddDate(0, 1, 0)
	signed := map[string]time.Time{"terms-of-use": now.AddDate(0, -2, 0), "privacy": now.AddDate(-1, 0, 0)}
	w := &world{
		broker:     "hub",
		agreements: map[string]time.Time{"terms-of-use": now.AddDate(0, -2, 0), "privacy": now.AddDate(0, -1, 0)},
		otpRoles:   map[string]bool{"treasurer": true},
		profiles: []profileRow{{slug: "hub"}, {slug: "shop"}, {slug: "old"}, {slug: "other"}, {slug: "acme"}, {slug: "zoo"},
			{slug: "partner"}, {slug: "dead", archived: true}, {slug: "shadow"}},
		plans: []planRow{{slug: "premium", owner: "shop"}, {slug: "basic", owner: "shop"}, {slug: "free", owner: "shop", unpriced: true},
			{slug: "vintage", owner: "old"}, {slug: "fee", owner: "hub"}},
		subs: []subRow{
			{profile: "acme", plan: "vintage", ends: now.AddDate(-1, 0, 0)},
			{profile: "zoo", plan: "basic", ends: future},
			{profile: "dead", plan: "premium", ends: future},
			{profile: "shadow", plan: "basic", ends: future},
			{profile: "shadow", plan: "vintage", ends: past},
			{profile: "shop", plan: "fee", ends: future},
		},
		roles: []roleRow{
			{user: "member", profile: "acme", description: "manager"},
			{user: "reader", profile: "acme", description: "contributor"},
			{user: "helper", profile: "acme", description: "support"},
			{user: "leaver", profile: "acme", description: "manager", ends: now},
			{user: "temp", profile: "acme", description: "manager", ends: future},
			{user: "invited", profile: "acme", description: "manager", grant: true},
			{user: "asker", profile: "acme", description: "manager", request: true},
			{user: "twice", profile: "acme", description: "contributor"},
			{user: "twice", profile: "zoo", description: "manager"},
			{user: "seller", profile: "shop", description: "manager"},
			{user: "clerk", profile: "shop", description: "contributor"},
			{user: "desk", profile: "shop", description: "support"},
			{user: "exseller", profile: "shop", description: "manager", ends: past},
			{user: "oldseller", profile: "old", description: "manager"},
			{user: "oldclerk", profile: "old", description: "contributor"},
			{user: "stranger", profile: "other", description: "manager"},
			{user: "chief", profile: "hub", description: "manager"},
			{user: "agent", profile: "hub", description: "contributor"},
			{user: "guard", profile: "hub", description: "support"},
			{user: "exchief", profile: "hub", description: "manager", ends: past},
			{user: "ally", profile: "partner", description: "manager"},
			{user: "allyclerk", profile: "partner", description: "contributor"},
			{user: "ghost", profile: "dead", description: "manager"},
			{user: "purse", profile: "acme", description: "treasurer"},
			{user: "formerpurse", profile: "acme", description: "treasurer", ends: past},
			{user: "safepurse", profile: "acme", description: "treasurer"},
			{user: "newcomer", profile: "acme", description: "manager"},
			{user: "oldfriend", profile: "zoo", description: "contributor"},
			{user: "caretaker", profile: "shadow", description: "manager"},
			{user: "gone", profile: "acme", description: "manager"},
			{user: "both", profile: "acme", description: "support"},
			{user: "both", profile: "shop", description: "support"},
			{user: "defector", profile: "acme", description: "support", ends: past},
			{user: "defector", profile: "shop", description: "support"},
		},
	}
	seen := map[string]bool{}
	for _, r := range w.roles {
		if !seen[r.user] {
			seen[r.user] = true
			u := userRow{name: r.user, password: true, signed: signed}
			switch r.user {
			case "newcomer", "caretaker":
				u.password = false
			case "safepurse":
				u.otp = true
			case "oldfriend":
				u.signed = map[string]time.Time{"terms-of-use": now.AddDate(-3, 0, 0)}
			case "helper":
				u.signed = nil
			case "gone":
				u.inactive = true
			}
			w.users = append(w.users, u)
		}
	}
	w.users = append(w.users, userRow{name: "nobody", password: true, signed: signed})
	w.subs = append(w.subs, subscriptionStates[state]...)
	return w
}
