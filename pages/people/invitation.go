package people

import (
	"errors"
	"net/http"
	"net/url"
	"path"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/pages"
)

// Invitations are those that wait for an answer of who is logged in.
type Invitations struct {
	Waiting []accessible
	More    bool // others than that of the profile asked for
}

// An accessible is a role, an invitation or a request of a user (profiles.md 5.5).
type accessible struct {
	CreatedAt string `json:"created_at"`
	Profile   struct {
		Slug string `json:"slug"`
		Name string `json:"printable_name"`
	} `json:"profile"`
	Role      roleKind `json:"role_description"`
	AcceptURL string   `json:"accept_grant_api_url"`
}

// An InvitationByKey is what the page behind the link of an invitation shows.
type InvitationByKey struct {
	*invitation
	Gone    bool // answered, taken back or too old
	Mine    bool // who is logged in may answer
	ToOther bool // it is to another user than who is logged in
}

// caller is who is logged in. Errors: a refusal, which leads to log-in.
func caller(q *pages.Request) (username string, err error) {
	var who struct {
		Username string `json:"username"`
	}
	err = q.Get(&who, "/api/auth/tokens")
	return who.Username, err
}

// waiting are the invitations that a user has not answered.
func waiting(q *pages.Request, username string) ([]accessible, error) {
	var list struct {
		Results []accessible `json:"results"`
	}
	query := url.Values{"role_status": {"invited"}, "include_personal_profile": {"true"}, "page_size": {"100"}}
	err := q.List(&list, query, "/api/users/{user}/accessibles", username)
	return list.Results, err
}

func showInvitations(q *pages.Request) (any, error) {
	username, err := caller(q)
	if err != nil {
		return nil, err
	}
	all, err := waiting(q, username)
	if err != nil {
		return nil, err
	}
	shown := &Invitations{Waiting: all}
	if profile := q.Query("q"); profile != "" {
		for i := range all {
			if all[i].Profile.Slug == profile {
				shown.Waiting, shown.More = all[i:i+1], len(all) > 1
			}
		}
	}
	return shown, nil
}

// acceptInvitation accepts one of the invitations of the list, by its profile.
func acceptInvitation(q *pages.Request) (pages.Outcome, error) {
	username, err := caller(q)
	if err != nil {
		return pages.Outcome{}, err
	}
	all, err := waiting(q, username)
	if err != nil {
		return pages.Outcome{}, err
	}
	for i := range all {
		if all[i].Profile.Slug != q.Field("profile") || all[i].AcceptURL == "" {
			continue
		}
		if _, err := q.Put(nil, "/api/users/{user}/accessibles/accept/{verification_key}", username, path.Base(all[i].AcceptURL)); err != nil {
			return pages.Outcome{}, err
		}
		return answered(q, len(all), "invitation_accepted")
	}
	return pages.Said("invitation_gone")
}

// declineInvitation says no to one of the invitations of the list.
func declineInvitation(q *pages.Request) (pages.Outcome, error) {
	username, err := caller(q)
	if err != nil {
		return pages.Outcome{}, err
	}
	all, err := waiting(q, username)
	if err != nil {
		return pages.Outcome{}, err
	}
	for i := range all {
		if all[i].Profile.Slug != q.Field("profile") {
			continue
		}
		if _, err := q.Delete(nil, "/api/users/{user}/accessibles/{role}/{profile}", username, all[i].Role.Slug, all[i].Profile.Slug); err != nil {
			return pages.Outcome{}, err
		}
		return answered(q, len(all), "invitation_declined")
	}
	return pages.Said("invitation_gone")
}

// answered goes on when the last of some invitations was answered, or shows those that are left.
func answered(q *pages.Request, of int, said string) (pages.Outcome, error) {
	if of > 1 {
		return pages.Outcome{To: q.With(q.Link("/users/roles/accept/")), Said: said}, nil
	}
	return pages.Outcome{To: q.Onward(), Said: said}, nil
}

func showInvitation(q *pages.Request) (any, error) {
	in, err := findInvitation(q, q.Param("key"))
	if failedOn(err, http.StatusNotFound) != nil {
		return &InvitationByKey{invitation: in, Gone: true}, nil
	}
	if err != nil {
		return nil, err
	}
	shown := &InvitationByKey{invitation: in}
	if u := q.Caller(); u != nil {
		shown.Mine = in.Username == "" || in.Username == u.Username
		shown.ToOther = !shown.Mine
	}
	return shown, nil
}

// acceptByKey accepts the invitation of a link.
func acceptByKey(q *pages.Request) (pages.Outcome, error) {
	username, err := caller(q)
	if err != nil {
		return pages.Outcome{}, err
	}
	key := q.Param("key")
	in, err := findInvitation(q, key)
	if failedOn(err, http.StatusNotFound) != nil {
		return pages.Outcome{}, nil // the page says so
	}
	_, err = q.Put(nil, "/api/users/{user}/accessibles/accept/{verification_key}", username, key)
	var answer *rest.Error
	switch {
	case err == nil:
		return pages.Outcome{To: q.Onward(), Said: "invitation_accepted"}, nil
	case !errors.As(err, new(*rest.Refusal)) && errors.As(err, &answer) && answer.Status == http.StatusNotFound:
		if in.Email != "" { // nobody is told whether somebody has that address
			return pages.Outcome{}, rest.Invalid("proof", toAddress)
		}
		return pages.Outcome{}, rest.Invalid("proof", one(answer.Fields()["detail"]))
	}
	return pages.Outcome{}, err
}

// toAddress is what the API says of an invitation to an address that the caller has not proven.
const toAddress = "This invitation waits for a proof of the address that it was sent to. Please add that address to your account and bring back its code."

// declineByKey says no to the invitation of a link, with or without an account.
func declineByKey(q *pages.Request) (pages.Outcome, error) {
	_, err := q.Delete(nil, "/api/auth/invitations/{grant_key}", q.Param("key"))
	if err != nil && failedOn(err, http.StatusNotFound) == nil {
		return pages.Outcome{}, err
	}
	if q.Caller() != nil {
		return pages.Outcome{To: q.Onward(), Said: "invitation_declined"}, nil
	}
	return pages.Outcome{To: q.Link("/login/"), Said: "invitation_declined"}, nil
}
