package buying

import (
	"net/http"
	"net/url"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/pages"
)

// A Grant is a subscription that a provider gives to a profile, which has to be accepted.
type Grant struct {
	Profile  Ref
	Plan     Ref
	EndsAt   string
	Provider string // "" when it is not known
	Renews   bool
	Gone     bool // it was answered, taken back or has ended
}

func grantPages() []pages.Page {
	return []pages.Page{{
		Path: "/profile/{profile}/subscriptions/accept/{key}/", Name: "grant", Group: "billing", Who: "who manages the profile", Secret: true,
		Uses: []string{"GET /api/profile/{profile}/subscriptions", "POST /api/profile/{profile}/subscriptions/accept/{grant_key}",
			"DELETE /api/profile/{profile}/subscriptions/{subscribed_plan}"},
		Show: showGrant, Forms: map[string]pages.Form{"accept": acceptGrant, "decline": declineGrant},
	}}
}

// findGrant is the grant of a key; nil for one that is not there, or not for the caller.
func findGrant(q *pages.Request) (*Subscription, error) {
	for page := "1"; page != ""; {
		var list struct {
			Next    string         `json:"next"`
			Results []Subscription `json:"results"`
		}
		query := url.Values{"page_size": {"100"}, "page": {page}}
		if err := q.List(&list, query, "/api/profile/{profile}/subscriptions", q.Param("profile")); err != nil {
			if private(err) {
				return nil, nil
			}
			return nil, err
		}
		for i := range list.Results {
			if list.Results[i].GrantKey == q.Param("key") {
				return &list.Results[i], nil
			}
		}
		next, err := url.Parse(list.Next)
		if err != nil {
			return nil, err
		}
		page = next.Query().Get("page")
	}
	return nil, nil
}

func showGrant(q *pages.Request) (any, error) {
	if q.Caller() == nil {
		return nil, logIn(q)
	}
	found, err := findGrant(q)
	if err != nil {
		return nil, err
	}
	if found == nil {
		return &Grant{Gone: true}, nil
	}
	g := &Grant{Profile: found.Profile, Plan: found.Plan, EndsAt: found.EndsAt, Renews: found.AutoRenew}
	offer, err := offerOf(q, found.Plan.Slug)
	if offer != nil {
		g.Provider = offer.Provider.Name
	}
	return g, err
}

func acceptGrant(q *pages.Request) (pages.Outcome, error) {
	if q.Caller() == nil {
		return pages.Outcome{}, logIn(q)
	}
	path := rest.Path("/api/profile/{profile}/subscriptions/accept/{grant_key}", q.Param("profile"), q.Param("key"))
	if _, err := q.Do(rest.Operation{Method: http.MethodPost, Path: path}); err != nil {
		if private(err) {
			return pages.Outcome{}, nil // shown as gone
		}
		return pages.Outcome{}, err
	}
	return pages.Outcome{To: onTo(q), Said: "grant_accepted"}, nil
}

func declineGrant(q *pages.Request) (pages.Outcome, error) {
	if q.Caller() == nil {
		return pages.Outcome{}, logIn(q)
	}
	found, err := findGrant(q)
	if found == nil || err != nil {
		return pages.Outcome{}, err
	}
	if _, err := q.Delete(nil, "/api/profile/{profile}/subscriptions/{subscribed_plan}", q.Param("profile"), found.Plan.Slug); err != nil {
		return pages.Outcome{}, err
	}
	return pages.Outcome{To: onTo(q), Said: "grant_declined"}, nil
}

// onTo is where somebody goes on who has answered.
func onTo(q *pages.Request) string {
	if q.HasPage("/app/") {
		return q.Link("/app/?later=1")
	}
	return "/"
}
