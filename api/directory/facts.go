package directory

import (
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/store"
)

// Profile finds a profile by slug, with the letter case of the slug, archived ones included; nil when there is none.
func (d *Directory) Profile(slug string) (*accessrules.Profile, error) {
	p, err := d.profileOf(slug)
	if p == nil || err != nil {
		return nil, err
	}
	return &p.Profile, nil
}

func (d *Directory) profileOf(slug string) (*profile, error) {
	if p, ok := d.slugs.GetIfPresent(slug); d.asked.profiles.hit(ok && d.fresh(&p.entry)) {
		return p, nil
	}
	p, err := load(d, "profile "+slug, func(r store.Reader, epoch uint64) (*profile, error) {
		var id int64
		var exact string
		err := r.QueryRow(`SELECT id, slug FROM profile WHERE slug = ?`, slug).Scan(&id, &exact)
		if errors.Is(err, store.ErrNotFound) || err == nil && exact != slug {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		found, err := d.readProfiles(r, epoch, []int64{id})
		return found[id], err
	})
	if p == nil || err != nil {
		return nil, err
	}
	d.slugs.Set(slug, p)
	return p, nil
}

// User finds an active user by username, with its letter case; nil when there is none.
func (d *Directory) User(username string) (*accessrules.User, error) {
	u, err := d.userOf(username)
	if u == nil || err != nil {
		return nil, err
	}
	return u.ifActive(), nil
}

func (d *Directory) userOf(username string) (*user, error) {
	u, ok := d.usernames.GetIfPresent(username)
	if !d.asked.users.hit(ok && d.fresh(&u.entry)) {
		var err error
		u, err = load(d, "user "+username, func(r store.Reader, epoch uint64) (*user, error) {
			var id int64
			err := r.QueryRow(`SELECT id FROM user WHERE username = ?`, username).Scan(&id)
			if errors.Is(err, store.ErrNotFound) {
				return nil, nil
			}
			if err != nil {
				return nil, err
			}
			u, err := d.findUser(r, epoch, id)
			if u == nil || u.Username != username {
				return nil, err
			}
			return u, err
		})
		if u == nil || err != nil {
			return nil, err
		}
		d.usernames.Set(username, u)
	}
	return u, nil
}

// UserByID finds an active user; nil when there is none.
func (d *Directory) UserByID(id int64) (*accessrules.User, error) {
	u, ok := d.users.GetIfPresent(id)
	if !d.asked.users.hit(ok && d.fresh(&u.entry)) {
		var err error
		u, err = load(d, "user id "+strconv.FormatInt(id, 10), func(r store.Reader, epoch uint64) (*user, error) {
			return d.findUser(r, epoch, id)
		})
		if u == nil || err != nil {
			return nil, err
		}
	}
	return u.ifActive(), nil
}

// Plan finds a plan by slug, with its letter case; nil when there is none.
func (d *Directory) Plan(slug string) (*accessrules.Plan, error) {
	p, err := d.planOf(slug)
	if p == nil || err != nil {
		return nil, err
	}
	return &p.Plan, nil
}

func (d *Directory) planOf(slug string) (*plan, error) {
	if p, ok := d.plans.GetIfPresent(slug); d.asked.plans.hit(ok && d.fresh(&p.entry)) {
		return p, nil
	}
	p, err := load(d, "plan "+slug, func(r store.Reader, epoch uint64) (*plan, error) {
		p := &plan{entry: entry{loaded: epoch}}
		var id, owner int64
		var unpriced bool
		err := r.QueryRow(`SELECT plan.id, plan.slug, title, plan.is_active, is_not_priced, owner.id, owner.slug
			FROM plan JOIN profile owner ON owner.id = plan.profile_id WHERE plan.slug = ?`, slug).
			Scan(&id, &p.Slug, &p.Title, &p.Active, &unpriced, &owner, &p.Provider)
		if errors.Is(err, store.ErrNotFound) || err == nil && p.Slug != slug {
			return nil, nil
		}
		p.Priced = !unpriced
		p.on(planRow, id)
		p.on(profileRow, owner)
		return p, err
	})
	if p == nil || err != nil {
		return nil, err
	}
	d.plans.Set(slug, p)
	return p, nil
}

// Agreement is the date of the last version of an agreement; zero when there is none of that slug.
func (d *Directory) Agreement(slug string) (time.Time, error) {
	a, err := d.allAgreements()
	if err != nil {
		return time.Time{}, err
	}
	return a.updated[slug], nil
}

func (d *Directory) allAgreements() (*agreements, error) {
	a := d.agreements.Load()
	if a == nil || !d.fresh(&a.entry) {
		var err error
		a, err = load(d, "agreements", readAgreements)
		if err != nil {
			return nil, err
		}
		d.agreements.Store(a)
	}
	return a, nil
}

// agreements are few, and are kept together.
type agreements struct {
	entry
	updated map[string]time.Time
}

func readAgreements(r store.Reader, epoch uint64) (*agreements, error) {
	a := &agreements{entry: entry{loaded: epoch}, updated: map[string]time.Time{}}
	a.on(agreementRows, 0)
	rows, err := r.Query(`SELECT slug, updated_at FROM agreement`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var slug string
		var at store.Time
		if err := rows.Scan(&slug, &at); err != nil {
			return nil, err
		}
		a.updated[slug] = at.Time
	}
	return a, rows.Err()
}

// A plan is what the cache keeps of a plan.
type plan struct {
	entry
	accessrules.Plan
}

func (p *plan) weight() uint32 { return uint32(300 + len(p.Slug) + len(p.Title) + len(p.Provider)) }

// A profile is what the cache keeps of a profile.
type profile struct {
	entry
	accessrules.Profile
}

func (p *profile) weight() uint32 { return profileWeight(&p.Profile) + uint32(8*len(p.slots)) }

func profileWeight(p *accessrules.Profile) uint32 {
	return uint32(600 + len(p.PrintableName) + len(p.Email) + len(p.Picture) + 160*len(p.Subscriptions))
}

// readProfiles returns profiles from the cache, or reads those that are missing, with their subscriptions, and keeps them.
func (d *Directory) readProfiles(r store.Reader, epoch uint64, ids []int64) (map[int64]*profile, error) {
	found := make(map[int64]*profile, len(ids))
	var missing []int64
	for _, id := range ids {
		if p, ok := d.profiles.GetIfPresent(id); ok && d.fresh(&p.entry) {
			found[id] = p
		} else {
			missing = append(missing, id)
		}
	}
	if len(missing) == 0 {
		return found, nil
	}
	read, err := readProfileRows(r, epoch, d.Broker(), missing)
	if err != nil {
		return nil, err
	}
	if err := readManagers(r, read); err != nil {
		return nil, err
	}
	if err := readSubscriptions(r, read, missing); err != nil {
		return nil, err
	}
	for id, p := range read {
		p.checked.Store(epoch)
		d.profiles.Set(id, p)
		found[id] = p
	}
	return found, nil
}

// A manager counts (decision 31) who can log in or has done so. The address of a profile is told only where it is proven (decision 70): a
// manager of it has proven it, or the broker's word stands for it.
func readProfileRows(r store.Reader, epoch uint64, broker string, ids []int64) (map[int64]*profile, error) {
	rows, err := r.Query(`SELECT profile.id, slug, full_name, CASE WHEN holder.id IS NOT NULL OR slug = ?
			OR confirmed_domain <> '' AND lower(substr(profile.email, instr(profile.email, '@') + 1)) = confirmed_domain THEN profile.email ELSE '' END,
		picture, profile.created_at, profile.is_active, is_provider, is_bulk_buyer, default_timezone, holder.id, owner.id,
		substr(owner.password, 1, 1) NOT IN ('', '!'), manager.user_id, manager.ends_at, profile.clock_ahead
		FROM profile
		LEFT JOIN user owner ON owner.username = profile.slug
			AND EXISTS (SELECT 1 FROM role WHERE role.profile_id = profile.id AND role.user_id = owner.id)
		LEFT JOIN role manager ON manager.id = (SELECT role.id FROM role
			JOIN role_description ON role_description.id = role_description_id JOIN user ON user.id = role.user_id
			WHERE role.profile_id = profile.id AND role_description.slug = 'manager' AND grant_key IS NULL AND request_key IS NULL
			AND (role.ends_at IS NULL OR role.ends_at > ?) AND user.is_active = 1
			AND (substr(user.password, 1, 1) NOT IN ('', '!') OR user.last_login IS NOT NULL) LIMIT 1)
		LEFT JOIN user holder ON holder.id = `+profileProver+`
		WHERE profile.id IN (SELECT value FROM json_each(?))`, broker, r.Now(), list(ids))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	read := make(map[int64]*profile, len(ids))
	for rows.Next() {
		p := &profile{entry: entry{loaded: epoch}}
		var (
			picture                *string
			holder, owner, manager *int64
			credentials            *bool
			created, until         store.Time
			ahead                  int64
		)
		if err := rows.Scan(&p.ID, &p.Slug, &p.PrintableName, &p.Email, &picture, &created, &p.Active, &p.Provider, &p.BulkBuyer,
			&p.Timezone, &holder, &owner, &credentials, &manager, &until, &ahead); err != nil {
			return nil, err
		}
		p.on(profileRow, p.ID)
		if p.PrintableName == "" {
			p.PrintableName = p.Slug
		}
		p.Picture, p.CreatedAt, p.Ahead = value(picture), created.Time, time.Duration(ahead)*time.Microsecond
		if holder != nil {
			p.on(userRow, *holder)
		}
		if owner != nil {
			p.Personal, p.Credentials = true, *credentials
			p.on(userRow, *owner)
		}
		if manager != nil {
			p.Managed = true
			p.on(userRow, *manager)
			if !until.IsZero() {
				p.until = until.UnixMicro()
			}
		}
		read[p.ID] = p
	}
	return read, rows.Err()
}

// readManagers notes who would make a shadow a managed profile by logging in.
func readManagers(r store.Reader, profiles map[int64]*profile) error {
	var shadows []int64
	for id, p := range profiles {
		if !p.Managed {
			shadows = append(shadows, id)
		}
	}
	if len(shadows) == 0 {
		return nil
	}
	rows, err := r.Query(`SELECT role.profile_id, user_id FROM role JOIN role_description ON role_description.id = role_description_id
		WHERE role.profile_id IN (SELECT value FROM json_each(?)) AND slug = 'manager' AND grant_key IS NULL AND request_key IS NULL`,
		list(shadows))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var profile, user int64
		if err := rows.Scan(&profile, &user); err != nil {
			return err
		}
		profiles[profile].on(userRow, user)
	}
	return rows.Err()
}

// readSubscriptions reads what profiles are subscribed to, opted in on both sides. A subscription is locked while anything that
// was ordered on it is not paid, whoever pays (decision 35). It ends when the profile's own clock says so.
func readSubscriptions(r store.Reader, profiles map[int64]*profile, ids []int64) error {
	rows, err := r.Query(`SELECT subscription.profile_id, subscription.id, plan.id, plan.slug, owner.id, owner.slug, ends_at,
		EXISTS (SELECT 1 FROM statement WHERE subscription_id = subscription.id AND due > paid)
		FROM subscription JOIN plan ON plan.id = plan_id JOIN profile owner ON owner.id = plan.profile_id
		WHERE subscription.profile_id IN (SELECT value FROM json_each(?)) AND grant_key IS NULL AND request_key IS NULL
		ORDER BY subscription.profile_id, ends_at, subscription.id`, list(ids))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var (
			profile, id, plan, owner int64
			s                        accessrules.Subscription
			ends                     store.Time
		)
		if err := rows.Scan(&profile, &id, &plan, &s.Plan, &owner, &s.Provider, &ends, &s.Locked); err != nil {
			return err
		}
		p := profiles[profile]
		s.EndsAt = ends.Add(-p.Ahead)
		p.Subscriptions = append(p.Subscriptions, s)
		p.on(subscriptionRow, id)
		p.on(planRow, plan)
		p.on(profileRow, owner)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, p := range profiles {
		slices.Sort(p.slots)
		p.slots = slices.Compact(p.slots)
	}
	return nil
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// list is the JSON of ids, which one parameter passes to a query of constant text: IN (SELECT value FROM json_each(?)).
func list(ids []int64) string {
	b := make([]byte, 1, 2+8*len(ids))
	b[0] = '['
	for i, id := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, id, 10)
	}
	return string(append(b, ']'))
}
