package subscription

import (
	"encoding/json"
	"net/url"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/profile"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// A View is a subscription on the wire (subscriptions.md 5): with the short or the detailed profile, the short or the full plan.
type View[P, L any] struct {
	CreatedAt   store.Time      `json:"created_at"`
	EndsAt      store.Time      `json:"ends_at"`
	Description *string         `json:"description"`
	Profile     P               `json:"profile"`
	Plan        L               `json:"plan"`
	AutoRenew   bool            `json:"auto_renew"`
	Extra       json.RawMessage `json:"extra"`
	GrantKey    *string         `json:"grant_key"`   // shown to the subscriber's side only
	RequestKey  *string         `json:"request_key"` // shown to the provider's side only
	AppURL      string          `json:"app_url"`
}

// The variants of subscriptions.md 5.
type (
	// SubscriberView is a subscription as its subscriber sees it.
	SubscriberView struct {
		View[directory.ProfileShort, profile.Plan]
		RemoveAPIURL string `json:"remove_api_url"`
		Editable     bool   `json:"editable"` // by the caller, as a manager of the plan's provider
	}
	// ProviderView is a subscription as the plan's provider sees it.
	ProviderView struct {
		View[directory.ProfileShort, profile.Plan]
		AcceptRequestAPIURL *string `json:"accept_request_api_url"`
		RemoveAPIURL        string  `json:"remove_api_url"`
	}
	// ContactView is a subscription with the subscriber's address, as the plan's provider sees it.
	ContactView = View[directory.ProfileDetail, profile.Plan]
	// InvoicableView is a subscription with all about its plan (subscriptions.md 10).
	InvoicableView = View[directory.ProfileShort, *Plan]
)

// view is a subscription without keys.
func view[P, L any](s *Service, c *rest.Call, sub *Subscription, p P, plan L) View[P, L] {
	return View[P, L]{CreatedAt: sub.CreatedAt, EndsAt: sub.EndsAt, Description: sub.Description, Profile: p, Plan: plan, AutoRenew: sub.AutoRenew,
		Extra: directory.Extra(sub.Extra), AppURL: c.URL(s.appPath(sub.Subscriber, sub.Plan.Slug))}
}

// InvoicableView shows a subscription with all about its plan, to its subscriber. It need not be stored.
func (s *Service) InvoicableView(c *rest.Call, sub *Subscription, subscriber directory.ProfileShort, plan *Plan) InvoicableView {
	return view(s, c, sub, subscriber, plan)
}

// subscriberViews shows subscriptions to the subscriber's side. A provider of the subscriber, who may look as well, is not shown
// the key that accepts a grant.
func (s *Service) subscriberViews(c *rest.Call, r store.Reader, subs []Subscription) ([]SubscriberView, error) {
	profiles, err := s.dir.Profiles(r, subscribers(subs))
	if err != nil {
		return nil, err
	}
	own := accessrules.Direct().Check(c.Query).OK()
	views := make([]SubscriberView, len(subs))
	for i := range subs {
		sub := &subs[i]
		views[i] = SubscriberView{
			View:         view(s, c, sub, profiles[sub.ProfileID], sub.Plan),
			RemoveAPIURL: c.URL("/api/profile/" + sub.Subscriber + "/subscriptions/" + sub.Plan.Slug),
			Editable:     c.Query.ManagerOf(sub.Provider),
		}
		if own {
			views[i].GrantKey = sub.GrantKey
		}
	}
	return views, nil
}

// providerViews shows subscriptions to the plan's provider.
func (s *Service) providerViews(c *rest.Call, r store.Reader, subs []Subscription) ([]ProviderView, error) {
	profiles, err := s.dir.Profiles(r, subscribers(subs))
	if err != nil {
		return nil, err
	}
	views := make([]ProviderView, len(subs))
	for i := range subs {
		sub, who := shown(&subs[i], profiles[subs[i].ProfileID], func(p directory.ProfileDetail) directory.ProfileShort { return p.ProfileShort })
		views[i] = ProviderView{
			View:         view(s, c, sub, who, sub.Plan),
			RemoveAPIURL: c.URL("/api/profile/" + sub.Provider + "/plans/" + sub.Plan.Slug + "/subscriptions/" + url.PathEscape(sub.Subscriber)),
		}
		if sub.RequestKey != nil {
			url := c.URL("/api/profile/" + sub.Provider + "/subscribers/accept/" + *sub.RequestKey)
			views[i].RequestKey, views[i].AcceptRequestAPIURL = sub.RequestKey, &url
		}
	}
	return views, nil
}

// contactViews shows subscriptions, with addresses, to the plan's provider.
func (s *Service) contactViews(c *rest.Call, r store.Reader, subs []Subscription) ([]ContactView, error) {
	profiles, err := s.dir.ProfileDetails(r, subscribers(subs), false)
	if err != nil {
		return nil, err
	}
	views := make([]ContactView, len(subs))
	for i := range subs {
		sub, who := shown(&subs[i], profiles[subs[i].ProfileID], func(p directory.ProfileDetail) directory.ProfileDetail { return p })
		views[i] = view(s, c, sub, who, sub.Plan)
		views[i].RequestKey = sub.RequestKey
	}
	return views, nil
}

// shown is a subscription as its provider is shown it, and whose it is: while a grant waits, what the provider typed (decision 78).
func shown[P any](sub *Subscription, who P, of func(directory.ProfileDetail) P) (*Subscription, P) {
	if sub.GrantKey == nil || sub.Typed == nil {
		return sub, who
	}
	typed := *sub
	typed.Subscriber = sub.known()
	var name string
	if sub.TypedName != nil {
		name = *sub.TypedName
	}
	return &typed, of(directory.TypedProfile(typed.Subscriber, name))
}

func subscribers(subs []Subscription) []int64 {
	ids := make([]int64, len(subs))
	for i := range subs {
		ids[i] = subs[i].ProfileID
	}
	return ids
}

// single is the view of one subscription.
func single[V any](views func(c *rest.Call, r store.Reader, subs []Subscription) ([]V, error), c *rest.Call, r store.Reader, sub *Subscription) (V, error) {
	all, err := views(c, r, []Subscription{*sub})
	if err != nil {
		var none V
		return none, err
	}
	return all[0], nil
}
