package subscription

import (
	"database/sql"
	"time"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/profile"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// Lists of subscribers (subscriptions.md 7.2): profiles, and the users who act for them.

// Subscribers, each once, are read from one index in the order of their identifiers: the "+" keeps the engine from another one.
const (
	// everSubscribed are the profiles that have or had a subscription to a provider, as d; it binds the provider. Who was granted one
	// and did not accept it had none (decision 78).
	everSubscribed = `(SELECT DISTINCT s.profile_id AS id FROM subscription s WHERE s.provider_id = ? AND s.archived = 0 AND s.grant_key IS NULL) d`
	// subscribed are those with a valid subscription that ends after an instant, as d; it binds both.
	subscribed = `(SELECT DISTINCT s.profile_id AS id FROM subscription s WHERE s.provider_id = ? AND +s.ends_at > ? AND s.archived = 0
		AND s.grant_key IS NULL AND s.request_key IS NULL) d`
	// acting are the roles r and users u who act for d; it binds now and the window of their last log-in.
	acting = `r.request_key IS NULL AND r.grant_key IS NULL AND (r.ends_at IS NULL OR r.ends_at > ?) AND u.last_login >= ? AND u.last_login < ?`
)

func subscriberList(from, where string) *rest.List[subscriber] {
	return &rest.List[subscriber]{
		Select: "p.id", From: from + " JOIN profile p ON p.id = d.id", Counted: from, Where: where, Key: "p.id",
		Search: rest.Names{"slug": {"p.slug"}, "full_name": {"p.full_name"}, "email": {"p.email"}, "phone": {"p.phone"},
			"street_address": {"p.street_address"}, "locality": {"p.locality"}, "region": {"p.region"}, "postal_code": {"p.postal_code"}, "country": {"p.country"}},
		Order: rest.Names{"full_name": {"p.full_name"}, "created_at": {"p.created_at"}}, Default: []string{"full_name"},
		Scan: func(rows *sql.Rows, s *subscriber) error { return rows.Scan(&s.id) },
	}
}

// dated is a list filtered by when the profiles were made as well.
func dated(l *rest.List[subscriber]) *rest.List[subscriber] {
	d := *l
	d.Dates, d.Counted = "p.created_at", ""
	return &d
}

// subscriber is a profile in a list.
type subscriber struct {
	id int64
	directory.ProfileShort
}

var (
	currentSubscribers      = subscriberList(subscribed, "")
	currentSubscribersDated = dated(currentSubscribers)
	allSubscribers          = subscriberList(everSubscribed, "")
	allSubscribersDated     = dated(allSubscribers)
	unengaged               = subscriberList(subscribed, `NOT EXISTS (SELECT 1 FROM role r JOIN user u ON u.id = r.user_id WHERE r.profile_id = d.id AND `+acting+`)`)
	engaged                 = &rest.List[engagement]{
		Select: "r.id, p.id", From: subscribed + " JOIN role r ON r.profile_id = d.id JOIN user u ON u.id = r.user_id JOIN profile p ON p.id = d.id",
		Where: acting, Key: "r.id",
		Search: rest.Names{"profile": {"p.slug"}, "profile__full_name": {"p.full_name"}, "first_name": {"u.first_name"}, "last_name": {"u.last_name"}},
		Order: rest.Names{"created_at": {"u.last_login"}, "first_name": {"u.first_name"}, "last_name": {"u.last_name"},
			"profile": {"p.slug"}, "profile__full_name": {"p.full_name"}},
		Default: []string{"created_at"},
		Scan:    func(rows *sql.Rows, e *engagement) error { return rows.Scan(&e.role, &e.profile) },
	}
)

// engagement is a role by which somebody acts for a subscriber.
type engagement struct {
	role, profile int64
	profile.Role
	Profile directory.ProfileShort `json:"profile"`
}

func (s *Service) listSubscribers(c *rest.Call, r store.Reader) (rest.Page[subscriber], error) {
	w, err := c.Range(false)
	if err != nil {
		return rest.Page[subscriber]{}, err
	}
	l := currentSubscribers
	if !w.Start.IsZero() || !w.End.IsZero() {
		l = currentSubscribersDated
	}
	if w.End.IsZero() {
		w.End = r.Now()
	}
	return s.subscriberPage(c, r, l, w.End)
}

func (s *Service) listAllSubscribers(c *rest.Call, r store.Reader) (rest.Page[subscriber], error) {
	w, err := c.Range(false)
	if err != nil {
		return rest.Page[subscriber]{}, err
	}
	if w.Start.IsZero() && w.End.IsZero() {
		return s.subscriberPage(c, r, allSubscribers)
	}
	return s.subscriberPage(c, r, allSubscribersDated)
}

func (s *Service) listUnengaged(c *rest.Call, r store.Reader) (rest.Page[subscriber], error) {
	end, start, err := activity(c, s.settings.InactivityDays)
	if err != nil {
		return rest.Page[subscriber]{}, err
	}
	return s.subscriberPage(c, r, unengaged, end, r.Now(), start, end)
}

func (s *Service) subscriberPage(c *rest.Call, r store.Reader, l *rest.List[subscriber], args ...any) (rest.Page[subscriber], error) {
	provider, err := profileID(r, c.Param("profile"))
	if err != nil {
		return rest.Page[subscriber]{}, err
	}
	page, err := l.Page(c, r, append([]any{provider}, args...)...)
	if err != nil {
		return page, err
	}
	ids := make([]int64, len(page.Results))
	for i := range page.Results {
		ids[i] = page.Results[i].id
	}
	profiles, err := s.dir.Profiles(r, ids)
	for i := range page.Results {
		page.Results[i].ProfileShort = profiles[page.Results[i].id]
	}
	return page, err
}

func (s *Service) listEngaged(c *rest.Call, r store.Reader) (rest.Page[engagement], error) {
	provider, err := profileID(r, c.Param("profile"))
	if err != nil {
		return rest.Page[engagement]{}, err
	}
	end, start, err := activity(c, s.settings.EngagedDays)
	if err != nil {
		return rest.Page[engagement]{}, err
	}
	page, err := engaged.Page(c, r, provider, end, r.Now(), start, end)
	if err != nil {
		return page, err
	}
	roles, owners := make([]int64, len(page.Results)), make([]int64, len(page.Results))
	for i, e := range page.Results {
		roles[i], owners[i] = e.role, e.profile
	}
	shown, err := s.profiles.RolesByID(c, r, roles)
	if err != nil {
		return page, err
	}
	profiles, err := s.dir.Profiles(r, owners)
	for i := range page.Results {
		e := &page.Results[i]
		e.Role, e.Profile = shown[e.role], profiles[e.profile]
	}
	return page, err
}

// activity is the window in which users are looked for: up to ends_at, which is now by default, from start_at, which is some
// days before by default.
func activity(c *rest.Call, days int) (end, start store.Time, err error) {
	w, err := c.Range(true)
	if err != nil {
		return end, start, err
	}
	if w.Start.IsZero() {
		w.Start = store.At(w.End.Add(-time.Duration(days) * 24 * time.Hour))
	}
	return w.End, w.Start, nil
}
