package subscription

import (
	"cmp"
	"database/sql"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/api/profile"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// A Grant subscribes profiles to a plan, by its provider (subscriptions.md 7.3). The first period is free: nothing is ordered.
type Grant struct {
	Plan    *Plan
	To      Grantee
	Force   bool   // make the profile when there is none; an e-mail address without a slug that exists does as well
	Message string // goes out with the invitation
	By      int64  // user, 0 = none
}

// A Grantee is a profile by its slug, or all those with an e-mail address, or one that is yet to be made.
type Grantee struct {
	Slug     string `json:"slug" in:"blank" validate:"max=50,slug"`
	Email    string `json:"email" in:"blank" validate:"max=254,email"`
	FullName string `json:"full_name" in:"blank" validate:"max=100,plain"`
	Type     string `json:"type" in:"blank"` // personal or organization

	Phone           string          `json:"phone" in:"blank" validate:"phone"`
	StreetAddress   string          `json:"street_address" in:"blank" validate:"max=150"`
	Locality        string          `json:"locality" in:"blank" validate:"max=50"`
	Region          string          `json:"region" in:"blank" validate:"max=50"`
	PostalCode      string          `json:"postal_code" in:"blank" validate:"max=50"`
	Country         string          `json:"country" in:"blank" validate:"country"`
	DefaultTimezone string          `json:"default_timezone" in:"blank" validate:"timezone"`
	Extra           json.RawMessage `json:"extra" in:"null"`
}

// Types of profiles that a grant makes.
const (
	personal     = "personal"
	organization = "organization"
)

// check is what the fields of a grantee cannot say each for itself.
func (g *Grantee) check() error {
	if g.Slug != "" {
		return nil
	}
	if g.FullName == "" || g.Email == "" || g.Type == "" {
		return inProfile(rest.Invalid("detail", "One of slug or (full_name, email, type) should be present"))
	}
	if g.Type != personal && g.Type != organization {
		return inProfile(rest.Invalid("type", "type must be one of 'personal' or 'organization'."))
	}
	return nil
}

// inProfile nests the fields of an error in the object they are in.
func inProfile(err error) error {
	var e *rest.Error
	if errors.As(err, &e) && e.Status == http.StatusBadRequest {
		return &rest.Error{Status: e.Status, Body: rest.Fields{{Name: "profile", Value: e.Body}}, Err: e.Err}
	}
	return err
}

// Grant subscribes the grantee, and tells the subscription of the first profile and whether any is new. Rows that end later than
// now are reused, whatever their opt-in; the invitation goes out again. A new one waits for the subscriber to accept, unless the
// plan skips that and may (decision 68). Errors: 404 when there is no such profile and none is to be made, 400, 429.
func (s *Service) Grant(tx *store.Tx, g Grant) (sub *Subscription, created bool, err error) {
	if err := g.To.check(); err != nil {
		return nil, false, err
	}
	made := false
	hide := s.hides(g)
	targets, err := grantees(tx, g.To, hide)
	if err == nil && len(targets) == 0 {
		targets, made, err = s.makeGrantee(tx, g)
	}
	if err != nil {
		return nil, false, err
	}
	for i, id := range targets {
		granted, isNew, err := s.grantTo(tx, g, id, made)
		if err != nil {
			return nil, false, err
		}
		if i == 0 {
			sub = granted
		}
		created = created || isNew
	}
	return sub, created, nil
}

// grantees are the active profiles that a grantee names: by slug, or for which its address stands.
func grantees(r store.Reader, g Grantee, hide bool) ([]int64, error) {
	if g.Slug == "" && hide {
		return nil, nil
	}
	if g.Slug == "" {
		profiles, err := directory.ProfilesOf(r, []string{g.Email})
		return profiles[strings.ToLower(g.Email)], err
	}
	var id int64
	var exact string
	err := r.QueryRow(`SELECT id, slug FROM profile WHERE slug = ? AND is_active = 1`, g.Slug).Scan(&id, &exact)
	if errors.Is(err, store.ErrNotFound) || err == nil && exact != g.Slug {
		return nil, nil
	}
	return []int64{id}, err
}

// makeGrantee makes the profile of a grantee who has none: the personal profile of a user who exists, or a new one, with a user
// when it is personal. The user who has the address of a new organization is invited to manage it. nobodys says that there is
// nobody yet whose consent would matter: the personal profile of a user opens reading rights over that user (decision 68).
func (s *Service) makeGrantee(tx *store.Tx, g Grant) (made []int64, nobodys bool, err error) {
	to := g.To
	hide := s.hides(g)
	u, err := userOf(tx, to, hide)
	if err != nil {
		return nil, false, err
	}
	own := to.Type == personal && u != nil
	switch {
	case own:
	case !g.Force && to.Email == "":
		return nil, false, rest.Fail(http.StatusNotFound, "Profile "+to.Slug+" does not exist.")
	case to.Email == "":
		return nil, false, rest.Bad("email", "We cannot invite an organization without an e-mail address.")
	case to.FullName == "":
		return nil, false, inProfile(rest.Invalid("full_name", "This field is required."))
	}
	if err := s.throttle(tx, g); err != nil {
		return nil, false, err
	}
	n := profile.New{Slug: to.Slug, FullName: to.FullName, Email: to.Email, Phone: to.Phone, StreetAddress: to.StreetAddress, Locality: to.Locality,
		Region: to.Region, PostalCode: to.PostalCode, Country: to.Country, DefaultTimezone: to.DefaultTimezone, CreatedBy: g.By}
	if text := directory.ExtraText(to.Extra); text != nil {
		n.Extra = *text
	}
	switch {
	case own:
		n.Slug, n.Personal, n.Manager = u.username, true, u.id
		// Nobody writes into somebody's own profile but its user: what is sent to it goes to its address (decision 66).
		n.FullName, n.Email, n.Phone = cmp.Or(u.fullName, n.FullName), u.email, ""
		n.StreetAddress, n.Locality, n.Region, n.PostalCode, n.Country, n.Extra = "", "", "", "", "", ""
	case to.Type == personal:
		if n.Slug == "" {
			if n.Slug, err = s.dir.ProfileSlug(tx, n.FullName, n.Email); err != nil {
				return nil, false, err
			}
		}
		held, err := directory.HoldersOf(tx, directory.Email, n.Email)
		if err != nil {
			return nil, false, err
		}
		if hide || len(held) > 0 {
			break // by somebody who has not proven it: the grant waits on the address, and a user may not be made of it
		}
		n.Personal = true
		if n.Manager, err = s.users.NewUser(tx, n.Slug, n.Email, n.FullName); err != nil {
			return nil, false, inProfile(err)
		}
	}
	id, err := s.profiles.Create(tx, n)
	if err == nil && !own && u != nil {
		err = s.profiles.InviteManager(tx, id, u.id, g.By, to.Email, to.FullName, g.Message)
	}
	return []int64{id}, !own, inProfile(err)
}

// throttle counts the profiles that a provider makes whom the broker does not vouch for: anybody can be one (decision 4).
func (s *Service) throttle(tx *store.Tx, g Grant) error {
	if g.By == 0 || g.Plan.Provider.Slug == s.dir.Broker() {
		return nil
	}
	trusted, err := store.Exists(tx, `SELECT 1 FROM profile WHERE id = ? AND is_provider = 1`, g.Plan.ProfileID)
	if err != nil || trusted {
		return err
	}
	return s.profiles.Throttle(tx, g.By)
}

// hides reports whether it is kept from a provider which addresses have accounts: a grant to one waits on it, whoever has it (decision
// 78). The broker sees all of them anyway.
func (s *Service) hides(g Grant) bool {
	return s.settings.HideAccounts && g.By != 0 && g.Plan.Provider.Slug != s.dir.Broker()
}

// user is what a grant asks of one.
type user struct {
	id                        int64
	username, email, fullName string
}

// userOf is the active user who has the name of a grantee, or else for whom its address stands; nil for none.
func userOf(r store.Reader, g Grantee, hide bool) (*user, error) {
	proven, err := directory.UserOf(r, directory.Email, g.Email)
	if err != nil {
		return nil, err
	}
	if hide {
		proven = 0
	}
	var u user
	err = r.QueryRow(`SELECT id, username, coalesce(email, ''), trim(first_name || ' ' || last_name) FROM user
		WHERE id = coalesce((SELECT id FROM user WHERE username = nullif(?, '')), ?) AND is_active = 1`,
		g.Slug, proven).Scan(&u.id, &u.username, &u.email, &u.fullName)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return &u, err
}

// grantTo subscribes a profile. made says that this very call made the profile, for nobody who is there.
func (s *Service) grantTo(tx *store.Tx, g Grant, profileID int64, made bool) (sub *Subscription, created bool, err error) {
	now, p, name := tx.Now(), g.Plan, &g.To.FullName
	typed := &g.To.Slug
	if *typed == "" {
		typed = &g.To.Email
	}
	if made {
		typed, name = nil, nil // all of the profile was typed
	}
	sub, err = one(tx, selectSubscription+` WHERE s.profile_id = ? AND s.plan_id = ? AND s.ends_at > ?
		ORDER BY s.ends_at, s.id LIMIT 1`, profileID, p.ID, now)
	if err != nil {
		return nil, false, err
	}
	if sub == nil {
		atOnce, err := s.skipsOptIn(tx, p, profileID, made)
		if err != nil {
			return nil, false, err
		}
		n := Subscription{
			Typed: typed, TypedName: name, ProfileID: profileID, PlanID: p.ID, ProviderID: p.ProfileID, CreatedAt: now,
			EndsAt: p.Terms().Extended(now, now, p.PeriodLength), AutoRenew: p.RenewalType == AutoRenew, Unasked: atOnce,
		}
		if n.AutoRenew, err = s.mayRenew(tx, &n, p); err != nil {
			return nil, false, err
		}
		if !atOnce {
			key := directory.NewKey()
			n.GrantKey = &key
		}
		if sub, err = s.insert(tx, n); err != nil {
			return nil, false, err
		}
		created = true
	}
	if sub.GrantKey != nil && sub.Typed != nil && !created {
		sub.Typed, sub.TypedName = typed, name
		if _, err = tx.Exec(`UPDATE subscription SET typed = ?, typed_name = ? WHERE id = ?`, typed, name, sub.ID); err != nil {
			return nil, false, err
		}
	}
	if sub.GrantKey != nil {
		err = s.notices.Emit(tx, &notice.SubscriptionGrantCreated{Profile: notice.Profile{ID: profileID}, OriginatedBy: notice.ByUser(g.By),
			Provider: notice.Profile{ID: p.ProfileID}, Plan: notice.Plan(sub.Plan), Detail: g.Message, GrantKey: *sub.GrantKey})
	}
	return sub, created, err
}

// skipsOptIn reports whether a grant takes effect at once: the plan says so, and the provider is the broker, the subscriber is
// nobody who could be spied on, or it accepted a grant of that provider and has not ended or declined one since (decision 68).
func (s *Service) skipsOptIn(r store.Reader, p *Plan, profileID int64, made bool) (bool, error) {
	if !p.SkipOptinOnGrant || made || p.Provider.Slug == s.dir.Broker() {
		return p.SkipOptinOnGrant, nil
	}
	asked, err := store.Exists(r, `SELECT 1 FROM grant_consent WHERE provider_id = ? AND profile_id = ?`, p.ProfileID, profileID)
	if err != nil || asked {
		return asked, err
	}
	managed, err := profile.Managed(r, profileID)
	return !managed, err
}

// AcceptGrant accepts a grant in the name of its subscriber (subscriptions.md 6.4). The key is used up. Errors: 404, also for a
// grant that has ended: declined, or not accepted in time.
func (s *Service) AcceptGrant(tx *store.Tx, subscriber, key string, by int64, own bool) (*Subscription, error) {
	sub, err := one(tx, selectSubscription+` WHERE s.grant_key = ?`, key)
	if err != nil {
		return nil, err
	}
	if sub == nil || sub.Subscriber != subscriber || !sub.EndsAt.After(tx.Now().Time) {
		return nil, rest.NotFound("Subscription")
	}
	return sub, s.Accept(tx, sub, by, own)
}

// Accept clears the grant key of a subscription and tells the provider: its subscriber accepts it, or buys it (subscriptions.md
// 10.1). Where somebody does so who manages the subscriber, as own says, later grants of that provider may take effect at once, and what
// it costs is agreed to.
func (s *Service) Accept(tx *store.Tx, sub *Subscription, by int64, own bool) error {
	sub.GrantKey, sub.Unasked = nil, !own
	if _, err := tx.Exec(`UPDATE subscription SET grant_key = NULL, unasked = ? WHERE id = ?`, sub.Unasked, sub.ID); err != nil {
		return err
	}
	if err := s.endRenewal(tx, sub.ProfileID, sub.PlanID); err != nil {
		return err
	}
	if own {
		if _, err := tx.Exec(`INSERT INTO grant_consent (profile_id, provider_id, accepted_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`,
			sub.ProfileID, sub.ProviderID, tx.Now()); err != nil {
			return err
		}
	}
	s.touch(tx, sub)
	return s.notices.Emit(tx, &notice.SubscriptionGrantAccepted{Profile: notice.Profile{ID: sub.ProviderID}, OriginatedBy: notice.ByUser(by),
		Plan: notice.Plan(sub.Plan), Subscriber: notice.Profile{ID: sub.ProfileID}})
}
