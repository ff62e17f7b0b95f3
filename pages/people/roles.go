package people

import (
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"

	"github.com/caddy-tollgate/tollgate/pages"
)

// Roles is what the page of roles shows: what the user may see and do for others.
type Roles struct {
	Holder
	Roles         []RoleOf
	Count         int
	Invited       int
	Requested     int
	Search        string
	Searched      bool
	Before, After string // addresses of the other pages of the list, "" for none
	Leaving       *RoleOf
	Email         string // of the user, which a new profile has when no other is told
}

// A RoleOf is a role of a user on a profile, or what may become one: an invitation or a request (profiles.md 5.5).
type RoleOf struct {
	CreatedAt string  `json:"created_at"`
	Request   *string `json:"request_key"`
	Profile   struct {
		Slug    string `json:"slug"`
		Name    string `json:"printable_name"`
		Picture string `json:"picture"`
	} `json:"profile"`
	Kind   *KindOf `json:"role_description"`
	Accept *string `json:"accept_grant_api_url"`
	Own    bool    `json:"-"` // on the personal profile
}

// A KindOf is what a role is called and may do.
type KindOf struct {
	Slug   string `json:"slug"`
	Title  string `json:"title"`
	Global bool   `json:"is_global"`
	OTP    bool   `json:"otp_required"` // counts once its holder has one-time passwords
}

// Words name the message that says what the role may do.
func (k KindOf) Words() string {
	switch {
	case k.Global && k.Slug == "manager":
		return "invitation.may_manager"
	case k.Global && k.Slug == "contributor":
		return "invitation.may_contributor"
	}
	return "invitation.may_other"
}

// State is "invited", "requested" or "active".
func (r RoleOf) State() string {
	switch {
	case r.Request != nil:
		return "requested"
	case r.Accept != nil:
		return "invited"
	}
	return "active"
}

// Title is what the role is called, "" for none in particular.
func (r RoleOf) Title() string {
	if r.Kind == nil {
		return ""
	}
	return r.Kind.Title
}

// Key is that of an invitation.
func (r RoleOf) Key() string {
	if r.Accept == nil {
		return ""
	}
	return path.Base(*r.Accept)
}

// role is how paths of the API name it.
func (r RoleOf) role() string {
	if r.Kind == nil {
		return "manager"
	}
	return r.Kind.Slug
}

// rolesPage is how many roles are shown at once.
const rolesPage = 25

func showRoles(q *pages.Request) (any, error) {
	a, holder, err := readAccount(q)
	if err != nil {
		return nil, err
	}
	d := &Roles{Holder: holder, Search: q.Query("q"), Email: a.Email}
	page, _ := strconv.Atoi(q.Query("page"))
	page = max(page, 1)
	list, err := listRoles(q, a.Username, url.Values{"q": {d.Search}, "page": {strconv.Itoa(page)}})
	if err != nil {
		return nil, err
	}
	d.Roles, d.Count, d.Invited, d.Requested = list.Results, list.Count, list.Invited, list.Requested
	d.Searched = d.Search != "" || d.Count > rolesPage
	for i := range d.Roles {
		d.Roles[i].Own = d.Roles[i].Profile.Slug == a.Username
	}
	at := func(page int) string {
		return q.Address("/users/{user}/roles/", a.Username) + "?" + url.Values{"q": {d.Search}, "page": {strconv.Itoa(page)}}.Encode()
	}
	if page > 1 {
		d.Before = at(page - 1)
	}
	if page*rolesPage < d.Count {
		d.After = at(page + 1)
	}
	if slug := q.Query("leave"); slug != "" {
		d.Leaving, err = roleOn(q, slug)
	}
	return d, err
}

type roleList struct {
	Count     int      `json:"count"`
	Invited   int      `json:"invited_count"`
	Requested int      `json:"requested_count"`
	Results   []RoleOf `json:"results"`
}

// listRoles lists the roles of a user, with invitations and requests, at most rolesPage of them if the query does not say how many.
func listRoles(q *pages.Request, username string, query url.Values) (list roleList, err error) {
	query.Set("include_personal_profile", "true")
	if !query.Has("page_size") {
		query.Set("page_size", strconv.Itoa(rolesPage))
	}
	err = q.List(&list, query, "/api/users/{user}/accessibles", username)
	return list, err
}

// roleOn is what the user has on a profile, nil for nothing.
func roleOn(q *pages.Request, slug string) (*RoleOf, error) {
	list, err := listRoles(q, q.Param("user"), url.Values{"q": {`"` + slug + `"`}, "q_f": {"=profile"}})
	for _, r := range list.Results {
		if r.Profile.Slug == slug {
			return &r, nil
		}
	}
	return nil, err
}

// acceptRole accepts an invitation.
func acceptRole(q *pages.Request) (pages.Outcome, error) {
	_, err := q.Put(nil, "/api/users/{user}/accessibles/accept/{verification_key}", q.Param("user"), q.Field("grant"))
	return pages.Outcome{Said: "role_accepted"}, err
}

// dropRole leaves a profile, declines an invitation or takes a request back.
func dropRole(q *pages.Request) (pages.Outcome, error) {
	out := pages.Outcome{To: q.Address("/users/{user}/roles/", q.Param("user")), Said: "role_dropped"}
	r, err := roleOn(q, q.Field("profile"))
	if err != nil || r == nil { // it is gone already
		return out, err
	}
	_, err = q.Delete(nil, "/api/users/{user}/accessibles/{role}/{profile}", q.Param("user"), r.role(), r.Profile.Slug)
	return out, err
}

// askRole asks the managers of a profile for a role.
func askRole(q *pages.Request) (pages.Outcome, error) {
	typed := q.Field("profile")
	if typed == "" {
		return pages.Outcome{}, q.Refuse("profile", "profile")
	}
	body := map[string]any{"slug": typed, "message": q.Field("message")}
	if strings.Contains(typed, "@") {
		delete(body, "slug")
		body["email"] = typed
	}
	at, values := "/api/users/{user}/accessibles", []string{q.Param("user")}
	if role := q.Field("role"); role != "" {
		at, values = at+"/{role}", append(values, role)
	}
	_, err := q.Post(body, at, values...)
	if failedOn(err, http.StatusNotFound, http.StatusBadRequest) != nil {
		err = pages.About(err, "detail", "profile", "slug", "profile", "email", "profile")
	}
	return pages.Outcome{Said: "role_asked"}, err
}

// makeProfile makes a profile that the user manages.
func makeProfile(q *pages.Request) (pages.Outcome, error) {
	body := withTyped(q, map[string]any{"full_name": q.Field("full_name"), "type": "organization"}, "email")
	_, err := q.Post(body, "/api/users/{user}/profiles", q.Param("user"))
	return pages.Outcome{Said: "profile_created"}, err
}
