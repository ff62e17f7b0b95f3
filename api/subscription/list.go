package subscription

import (
	"database/sql"
	"math"
	"strings"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// Lists of subscriptions (subscriptions.md 5): of a subscriber, of a provider, of a plan; active, churned or all.

// A window is which subscriptions a list shows, by time. Every bound is always bound: start and end of time stand for none.
type window struct{ createdFrom, createdBefore, endsFrom, endsBefore int64 }

const windowWhere = ` AND s.created_at >= ? AND s.created_at < ? AND s.ends_at >= ? AND s.ends_at < ?`

func (w window) args(first ...any) []any {
	return append(first, w.createdFrom, w.createdBefore, w.endsFrom, w.endsBefore)
}

// always is the window of everything.
var always = window{math.MinInt64, math.MaxInt64, math.MinInt64, math.MaxInt64}

// active is what runs now; ends_at is ignored.
func active(c *rest.Call, r rest.Range) window {
	w := always
	w.createdBefore, w.endsFrom = c.Now.UnixMicro(), c.Now.UnixMicro()
	if !r.Start.IsZero() {
		w.createdFrom = r.Start.UnixMicro()
	}
	return w
}

// churned is what has ended by ends_at, which is never later than now.
func churned(c *rest.Call, r rest.Range) window {
	w := always
	w.endsBefore = c.Now.UnixMicro()
	if !r.End.IsZero() {
		w.endsBefore = min(w.endsBefore, r.End.UnixMicro())
	}
	if !r.Start.IsZero() {
		w.endsFrom = r.Start.UnixMicro()
	}
	return w
}

// all is what ran at some time between start_at and ends_at.
func all(_ *rest.Call, r rest.Range) window {
	w := always
	if !r.End.IsZero() {
		w.createdBefore = r.End.UnixMicro()
	}
	if !r.Start.IsZero() {
		w.endsFrom = r.Start.UnixMicro()
	}
	return w
}

// joined are the tables that a list searches and sorts by. Being left joins that leave out nothing, those that a call does not
// ask for are not read: the rows of a page are read by fill, once it is known which they are.
const joined = `subscription s LEFT JOIN profile p ON p.id = s.profile_id LEFT JOIN plan ON plan.id = s.plan_id`

// typedAs is what a grant that waits is searched and sorted by in the place of a column of its profile.
var typedAs = map[string]string{"slug": "ELSE s.typed", "full_name": "ELSE s.typed_name", "email": "WHEN s.typed LIKE '%@%' THEN s.typed"}

// subscriptionList lists subscriptions. A provider searches and sorts grants that wait by what it typed alone: it has no access to
// more (decision 78).
func subscriptionList(where string, provider bool) *rest.List[Subscription] {
	names := rest.Names{
		"profile":                 {"p.slug"},
		"profile__full_name":      {"p.full_name"},
		"profile__email":          {"p.email"},
		"profile__phone":          {"p.phone"},
		"profile__street_address": {"p.street_address"},
		"profile__locality":       {"p.locality"},
		"profile__region":         {"p.region"},
		"profile__postal_code":    {"p.postal_code"},
		"profile__country":        {"p.country"},
		"plan":                    {"plan.slug"},
		"plan__title":             {"plan.title"},
	}
	if provider {
		for name, columns := range names {
			if column, ok := strings.CutPrefix(columns[0], "p."); ok {
				names[name] = []string{"CASE WHEN s.grant_key IS NULL OR s.typed IS NULL THEN " + columns[0] + " " + typedAs[column] + " END"}
			}
		}
	}
	order := rest.Names{"created_at": {"s.created_at"}, "ends_at": {"s.ends_at"}}
	for name, columns := range names {
		order[name] = columns
	}
	return &rest.List[Subscription]{
		Select: "s.id", From: joined, Where: where + windowWhere, Counted: "subscription s", Key: "s.id",
		Search: names, Order: order, Default: []string{"ends_at"},
		Scan: func(rows *sql.Rows, s *Subscription) error { return rows.Scan(&s.ID) },
	}
}

var (
	bySubscriber = subscriptionList(`s.profile_id = ?`, false)
	byProvider   = subscriptionList(`s.provider_id = ? AND s.archived = 0`, true)
	byPlan       = subscriptionList(`s.plan_id = ? AND s.archived = 0`, true)
)

// windowOf says which subscriptions a list shows, by the parameters of the call.
type windowOf func(c *rest.Call, r rest.Range) window

// listed is a page of a list of subscriptions, of whom or what id says, unless err says that there is no such thing.
func listed[V any](c *rest.Call, r store.Reader, err error, l *rest.List[Subscription], w windowOf, id int64,
	views func(*rest.Call, store.Reader, []Subscription) ([]V, error)) (rest.Page[V], error) {
	if err != nil {
		return rest.Page[V]{}, err
	}
	dates, err := c.Range(false)
	if err != nil {
		return rest.Page[V]{}, err
	}
	page, err := l.Page(c, r, w(c, dates).args(id)...)
	if err == nil {
		err = fill(r, page.Results)
	}
	if err != nil {
		return rest.Page[V]{}, err
	}
	shown, err := views(c, r, page.Results)
	return rest.Page[V]{Count: page.Count, Next: page.Next, Previous: page.Previous, Results: shown}, err
}

// fill reads the rows of a page.
func fill(r store.Reader, subs []Subscription) error {
	at := make(map[int64]*Subscription, len(subs))
	ids := make([]int64, len(subs))
	for i := range subs {
		ids[i], at[subs[i].ID] = subs[i].ID, &subs[i]
	}
	return store.Each(r, func(rows *sql.Rows) error {
		var sub Subscription
		err := scanSubscription(rows, &sub)
		*at[sub.ID] = sub
		return err
	}, selectSubscription+` WHERE s.id IN (SELECT value FROM json_each(?))`, store.IDs(ids))
}
