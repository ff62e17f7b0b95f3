package buying

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/pages"
)

// An App is what somebody is shown who may choose how to go on.
type App struct {
	One      bool // the page is about one profile
	Profiles []Access
	Count    int64  // of all profiles that match
	Search   string // what was searched for
	Searches bool   // there are many
	Page     int
	Before   string // addresses of the pages before and after, "" for none
	After    string
	Invited  int64
}

// An Access is a profile that somebody has a role on.
type Access struct {
	Profile       Ref            `json:"profile"`
	Role          *Ref           `json:"role_description"`
	Subscriptions []Subscription `json:"-"`
}

// A Ref is a profile, a plan or a role as other things refer to it.
type Ref struct {
	Slug  string `json:"slug"`
	Name  string `json:"printable_name"` // of a profile
	Title string `json:"title"`          // of a plan or a role
}

// A Subscription is one of a profile.
type Subscription struct {
	Plan       Ref    `json:"plan"`
	Profile    Ref    `json:"profile"`
	EndsAt     string `json:"ends_at"`
	AutoRenew  bool   `json:"auto_renew"`
	GrantKey   string `json:"grant_key"`
	RequestKey string `json:"request_key"`
	Locked     bool   `json:"-"` // something is due
}

// appPages are how people go on to what they subscribe to.
func appPages() []pages.Page {
	return []pages.Page{
		{
			Path: "/app/", Name: "app", Group: "app", Who: "users", Yields: true,
			Uses: []string{"GET /api/users/{user}/accessibles", "GET /api/profile/{profile}/subscriptions",
				"POST /api/users/{user}/accessibles/{role}", "POST /api/users/{user}/profiles"},
			Show: showApp, Forms: map[string]pages.Form{"ask": askForRole, "create": createProfile},
		},
		{
			Path: "/app/{profile}/", Name: "app", Group: "app", Who: "who has a role on the profile", Yields: true,
			Uses: []string{"GET /api/users/{user}/accessibles", "GET /api/profile/{profile}/subscriptions"},
			Show: showProfile,
		},
	}
}

// perPage is how many profiles a page shows.
const perPage = 10

// showApp leads on to what is left to do after a log-in, in the order of pages.md 2.5, or shows what there is to go on with.
func showApp(q *pages.Request) (any, error) {
	u := q.Caller()
	if u == nil {
		return nil, logIn(q)
	}
	// Who leaves one of these pages unfinished comes back here, and is not led there once more.
	back := q.With(q.Link("/app/?later=1"))
	if !u.Credentials && q.HasPage(rest.Path("/users/{user}/password/", u.Username)) {
		return nil, pages.RedirectTo(q.Via(q.Address("/users/{user}/password/", u.Username), q.Here()))
	}
	view := &App{Search: q.Query("q"), Page: 1}
	query := url.Values{"page_size": {strconv.Itoa(perPage)}, "o": {"profile__full_name"}}
	if view.Search != "" {
		query.Set("q", view.Search)
	}
	if n, err := strconv.Atoi(q.Query("page")); err == nil && n > 1 {
		view.Page = n
		query.Set("page", strconv.Itoa(n))
	}
	err := accesses(q, view, query)
	var refused *rest.Refusal
	if errors.As(err, &refused) && refused.Verdict.Reason == accessrules.TermsUnsigned && q.HasPage(refused.Verdict.Target) {
		return nil, pages.RedirectTo(q.Via(q.Link(refused.Verdict.Target), q.Here()))
	}
	if err != nil {
		return nil, err
	}
	later := q.Has("later")
	if view.Invited > 0 && !later && q.HasPage("/users/roles/accept/") {
		return nil, pages.RedirectTo(q.Via(q.Link("/users/roles/accept/"), back))
	}
	if q.Next != "" && !q.Posted() {
		return nil, pages.RedirectTo(q.Next)
	}
	if err := subscriptions(q, view.Profiles); err != nil {
		return nil, err
	}
	asked := later || view.Search != "" || q.Posted() // for the choice
	if one := view.Profiles; !asked && len(one) == 1 && view.Count == 1 && view.Invited == 0 && !waits(one[0].Subscriptions) {
		return nil, pages.RedirectTo(q.Address("/app/{profile}/", one[0].Profile.Slug)) // access.md B.4
	}
	view.Searches = view.Search != "" || view.Count > perPage
	at := func(page int) string {
		v := url.Values{"later": {"1"}, "page": {strconv.Itoa(page)}}
		if view.Search != "" {
			v.Set("q", view.Search)
		}
		return q.Link("/app/?" + v.Encode())
	}
	if view.Page > 1 {
		view.Before = at(view.Page - 1)
	}
	if int64(view.Page)*perPage < view.Count {
		view.After = at(view.Page + 1)
	}
	return view, nil
}

// showProfile shows one profile, where no application does.
func showProfile(q *pages.Request) (any, error) {
	if q.Caller() == nil {
		return nil, logIn(q)
	}
	view := &App{One: true, Page: 1}
	query := url.Values{"q": {`"` + q.Param("profile") + `"`}, "q_f": {"=profile"}}
	if err := accesses(q, view, query); err != nil {
		return nil, err
	}
	if len(view.Profiles) != 1 || view.Profiles[0].Profile.Slug != q.Param("profile") {
		return nil, rest.Fail(http.StatusForbidden, "") // the same for what does not exist
	}
	return view, subscriptions(q, view.Profiles)
}

// logIn leads somebody unknown to the page of log-in and back.
func logIn(q *pages.Request) error {
	if !q.HasPage("/login/") {
		return rest.Fail(http.StatusUnauthorized, "")
	}
	return pages.RedirectTo(q.Via(q.Link("/login/"), q.Here()))
}

// accesses reads a page of the profiles that the caller has a role on.
func accesses(q *pages.Request, view *App, query url.Values) error {
	var list struct {
		Count   int64    `json:"count"`
		Invited int64    `json:"invited_count"`
		Results []Access `json:"results"`
	}
	query.Set("role_status", "active")
	query.Set("include_personal_profile", "true")
	if err := q.List(&list, query, "/api/users/{user}/accessibles", q.Caller().Username); err != nil {
		return err
	}
	view.Profiles, view.Count, view.Invited = list.Results, list.Count, list.Invited
	return nil
}

// subscriptions reads what profiles are subscribed to, as far as the caller may know.
func subscriptions(q *pages.Request, all []Access) error {
	due := map[[2]string]bool{}
	for _, r := range q.Caller().Roles {
		for _, s := range r.Profile.Subscriptions {
			due[[2]string{r.Profile.Slug, s.Plan}] = s.Locked
		}
	}
	for i := range all {
		var list struct {
			Results []Subscription `json:"results"`
		}
		slug := all[i].Profile.Slug
		err := q.List(&list, url.Values{"page_size": {"20"}}, "/api/profile/{profile}/subscriptions", slug)
		if err != nil && !private(err) {
			return err
		}
		all[i].Subscriptions = list.Results
		for j := range list.Results {
			list.Results[j].Locked = due[[2]string{slug, list.Results[j].Plan.Slug}]
		}
	}
	return nil
}

// waits reports whether a subscription waits for an answer of the caller.
func waits(all []Subscription) bool {
	for _, s := range all {
		if s.GrantKey != "" {
			return true
		}
	}
	return false
}

// askForRole asks those who manage a profile for a role on it.
func askForRole(q *pages.Request) (pages.Outcome, error) {
	u := q.Caller()
	if u == nil {
		return pages.Outcome{}, logIn(q)
	}
	profile, role := q.Field("profile"), q.Field("role")
	if profile == "" {
		return pages.Outcome{}, q.Refuse("profile", "profile")
	}
	path, values := "/api/users/{user}/accessibles", []string{u.Username}
	if role != "" {
		path, values = path+"/{role}", append(values, role)
	}
	body := map[string]any{"slug": profile}
	if _, err := q.Post(body, path, values...); err != nil {
		return pages.Outcome{}, pages.About(err, "slug", "profile", "detail", "profile")
	}
	return pages.Outcome{To: q.Link("/app/?later=1"), Said: "role_asked"}, nil
}

// createProfile makes a profile that the caller manages.
func createProfile(q *pages.Request) (pages.Outcome, error) {
	u := q.Caller()
	if u == nil {
		return pages.Outcome{}, logIn(q)
	}
	body := map[string]any{"full_name": q.Field("full_name"), "type": "organization"}
	if _, err := q.Post(body, "/api/users/{user}/profiles", u.Username); err != nil {
		return pages.Outcome{}, pages.About(err, "slug", "full_name", "email", "full_name")
	}
	return pages.Outcome{To: q.Link("/app/?later=1"), Said: "profile_created"}, nil
}
